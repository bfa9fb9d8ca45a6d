// Windows of the system. Messages are posted, never sent: the thread that completes an operation waits for nobody's
// procedure.
#include <cstdlib>

#include "api/system_objects.hpp"
#include "api/windows/system.hpp"
#include "runtime/atom.hpp"

namespace colloquy::api {

namespace {

// Another process could do nothing with a pointer into ours, and has no business with our completions.
bool is_ours(HWND window) noexcept {
    DWORD process = 0;
    return ::GetWindowThreadProcessId(window, &process) != 0 && process == ::GetCurrentProcessId();
}

// 0 when the name is malformed: "#123" and the like name numbers, not messages.
unsigned register_message(const char* name) noexcept {
    if (name == nullptr || name[0] == '\0' || name[0] == '#') return 0;
    return ::RegisterWindowMessageA(name);
}

runtime::atom<std::uint32_t>& completion_id() noexcept {
    static runtime::atom<std::uint32_t> id{0};
    return id;
}

}  // namespace

bool window_valid(void* hwnd) noexcept { return is_ours(static_cast<HWND>(hwnd)); }

post_result post_message(void* hwnd, unsigned message, std::intptr_t wparam, std::intptr_t lparam) noexcept {
    const auto window = static_cast<HWND>(hwnd);
    // A handle may be reused for a window of another program.
    if (!is_ours(window)) return post_result::gone;
    if (::PostMessageA(window, message, static_cast<WPARAM>(wparam), lparam) != 0) return post_result::posted;
    // The queue has its limit (ERROR_NOT_ENOUGH_QUOTA), the desktop its heap: both pass. Only a window that is gone
    // never comes back.
    return is_ours(window) ? post_result::full : post_result::gone;
}

unsigned completion_message() noexcept {
    // relaxed: the id is all there is to it.
    std::uint32_t id = completion_id().load_relaxed();
    if (id != 0) return id;
    const char* const wanted = std::getenv("COLLOQUY_COMPLETION_MESSAGE");
    std::uint32_t chosen = register_message(wanted);
    if (chosen == 0) chosen = register_message("WinAsyncCPIC");
    // A setter that was faster wins.
    return completion_id().cas_relaxed(id, chosen) ? chosen : id;
}

bool set_completion_message(const char* name) noexcept {
    const unsigned id = register_message(name);
    if (id == 0) return false;
    completion_id().store_relaxed(id);
    return true;
}

}  // namespace colloquy::api
