// kernel_object: handles of our own to objects that a program names, and whether they are what it says.
#pragma once

#include <string_view>

#include "api/windows/system.hpp"

namespace colloquy::api {

// A handle to the same object with this access, to be closed by the caller. Null when the value is no handle, or that
// of an object of another type, or the program itself has no such access. Any value may be passed. Any thread.
[[nodiscard]] HANDLE own_handle(HANDLE given, std::wstring_view type, DWORD access) noexcept;

}  // namespace colloquy::api
