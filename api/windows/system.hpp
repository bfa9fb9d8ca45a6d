// system: windows.h as the sources of this folder see it.
#pragma once

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <bit>

namespace colloquy::api {

// A function that some versions of a system library do not have, or that no import library offers. Null: it is not
// there. The library must be loaded.
template <class Function>
[[nodiscard]] Function* find_function(const wchar_t* library, const char* name) noexcept {
    const HMODULE module = ::GetModuleHandleW(library);
    return module == nullptr ? nullptr : std::bit_cast<Function*>(::GetProcAddress(module, name));
}

}  // namespace colloquy::api
