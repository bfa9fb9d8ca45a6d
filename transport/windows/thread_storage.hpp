// thread_storage: a thread's own objects are there until their destructors have run, with MinGW too.
//
// When to use: included by one source of a program or library that MinGW builds.
// There, thread storage is emulated: libgcc frees it by the destructor of a key, libstdc++ runs the destructors of
// thread_local objects by that of another, and keys end in the order in which they were made. libgcc's is made when
// the first thread-local object is touched, just before libstdc++'s, so each such object would be destroyed after its
// memory was freed. Here libstdc++'s is made before anything else runs.
#pragma once

#if defined(__MINGW32__)

#include <cxxabi.h>

#include <windows.h>

namespace colloquy::transport {
namespace {

// Each destructor keeps the module that it lies in loaded until it has run. This one lies in the system's: a DLL may be
// unloaded before its first thread ends.
[[gnu::constructor(101)]] void make_key_of_destructors() noexcept {
    using destructor = void(_GLIBCXX_CDTOR_CALLABI*)(void*);
    const FARPROC harmless = ::GetProcAddress(::GetModuleHandleA("kernel32.dll"), "GetLastError");
    (void)abi::__cxa_thread_atexit(reinterpret_cast<destructor>(reinterpret_cast<void (*)()>(harmless)), nullptr,
                                   nullptr);
}

}  // namespace
}  // namespace colloquy::transport

#endif
