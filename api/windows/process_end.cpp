// The end of a process on Windows. ExitProcess ends every other thread where it stands, and only then are DLLs told, by
// which time nothing can be drained and no lock be trusted. So the drain hangs on exit() of the C runtime the program
// uses, which runs before; a program that calls ExitProcess itself, or has a C runtime of its own, must end with
// WinCPICCleanup or clq_stop.
#include "api/process_end.hpp"

#include <cstdlib>

#include "api/windows/system.hpp"

namespace colloquy::api {

namespace {

// Both runtimes call what they are given by the C calling convention, which functions have unless they say otherwise.
using exit_function = void();

exit_function* the_drain = nullptr;  // set once, before anything can call it

int drain_for_msvcrt() {
    the_drain();
    return 0;
}

HMODULE module_of_this_code() noexcept {
    HMODULE module = nullptr;
    // The name of the call notwithstanding, a pinned module counts no references and stays.
    const auto* const inside = reinterpret_cast<const wchar_t*>(&the_drain);
    (void)::GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN, inside, &module);
    return module;
}

}  // namespace

void at_process_end(void (*drain)()) noexcept {
    the_drain = drain;
    if (module_of_this_code() == ::GetModuleHandleW(nullptr)) {
        (void)std::atexit(drain);
        return;
    }
    // From a DLL std::atexit would run when the DLL is detached. Those of the runtimes that are here are asked by name;
    // the program's is one of them, and being called twice does no harm.
    using msvcrt_function = int();
    if (auto* const at = find_function<msvcrt_function*(msvcrt_function*)>(L"msvcrt.dll", "_onexit"))
        (void)at(&drain_for_msvcrt);
    if (auto* const at = find_function<int(exit_function*)>(L"ucrtbase.dll", "_crt_atexit")) (void)at(drain);
}

void at_fork(void (*)(), void (*)(), void (*)()) noexcept {}

bool process_ending() noexcept {
    static auto* const ending = find_function<BOOLEAN NTAPI()>(L"ntdll.dll", "RtlDllShutdownInProgress");
    return ending != nullptr && ending() != 0;
}

}  // namespace colloquy::api
