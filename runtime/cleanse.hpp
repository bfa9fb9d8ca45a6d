// cleanse: memory that held a secret is overwritten, whatever an optimiser thinks of stores that nobody reads.
#pragma once

#include <cstddef>

#include "runtime/wire/small_text.hpp"

namespace colloquy::runtime {

inline void cleanse(void* memory, std::size_t size) noexcept {
    auto* p = static_cast<volatile unsigned char*>(memory);
    for (std::size_t i = 0; i < size; ++i) p[i] = 0;
}

template <std::size_t N>
void cleanse(wire::small_text<N>& secret) noexcept {
    cleanse(secret.data(), N);
    secret.clear();
}

}  // namespace colloquy::runtime
