// prefetch: asks for memory that will be needed in a moment. Only a hint: any address will do, nothing is read.
#pragma once

#include <cstddef>

#include "runtime/cache_line.hpp"

namespace colloquy::runtime {

inline void prefetch(const void* address) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(address, 1);
#else
    (void)address;
#endif
}

template <class T>
void prefetch_object(const T* object) noexcept {
    const auto* const bytes = reinterpret_cast<const std::byte*>(object);
    for (std::size_t at = 0; at < sizeof(T); at += cache_line) prefetch(bytes + at);
}

}  // namespace colloquy::runtime
