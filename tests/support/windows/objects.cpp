// Events and windows of the system by the names that the tests know from colloquy/event.h and colloquy/window.h, so
// that the same cases run on the real ones. Windows are message-only: no display is needed.
//
// A thread's queue holds 10,000 messages here as it does on Windows; Wine has no such limit, and a test wants a queue
// of four. So PostMessage goes through a gate, in the import table of this program, that refuses as Windows does.
#include <windows.h>

#include <map>
#include <mutex>

#include "api/colloquy/event.h"
#include "api/colloquy/window.h"

// Where calls of PostMessageA by this program go.
#if defined(_WIN64)
extern "C" BOOL(WINAPI* import_of_post_message)(HWND, UINT, WPARAM, LPARAM) __asm__("__imp_PostMessageA");
#else
extern "C" BOOL(WINAPI* import_of_post_message)(HWND, UINT, WPARAM, LPARAM) __asm__("__imp__PostMessageA@16");
#endif

namespace {

struct queue {
    unsigned capacity = CLQ_MESSAGE_QUEUE_DEFAULT;
    unsigned held = 0;
};

struct queues {
    std::mutex mutex;
    std::map<DWORD, queue> by_thread;
};
queues& all() {
    static auto* const q = new queues;
    return *q;
}

decltype(&::PostMessageA) real_post_message = nullptr;

BOOL WINAPI limited_post_message(HWND hwnd, UINT message, WPARAM wparam, LPARAM lparam) {
    const DWORD thread = ::GetWindowThreadProcessId(hwnd, nullptr);
    queues& q = all();
    const std::lock_guard held{q.mutex};
    queue& of = q.by_thread[thread];
    if (of.held >= of.capacity) {
        ::SetLastError(ERROR_NOT_ENOUGH_QUOTA);
        return FALSE;
    }
    const BOOL posted = real_post_message(hwnd, message, wparam, lparam);
    if (posted != 0) ++of.held;
    return posted;
}

[[maybe_unused]] const bool gated = [] {
    real_post_message = import_of_post_message;
    import_of_post_message = &limited_post_message;
    return true;
}();

void took_one() {
    queues& q = all();
    const std::lock_guard held{q.mutex};
    queue& of = q.by_thread[::GetCurrentThreadId()];
    if (of.held != 0) --of.held;
}

void tell(const MSG& from, clq_message& to) { to = {from.hwnd, from.message, from.wParam, from.lParam, from.time}; }

LRESULT CALLBACK call_procedure(HWND hwnd, UINT message, WPARAM wparam, LPARAM lparam) {
    if (message == WM_NCCREATE) {
        const auto* const creation = reinterpret_cast<const CREATESTRUCTW*>(lparam);
        (void)::SetWindowLongPtrW(hwnd, GWLP_USERDATA, reinterpret_cast<LONG_PTR>(creation->lpCreateParams));
    }
    const auto procedure = reinterpret_cast<clq_window_procedure>(::GetWindowLongPtrW(hwnd, GWLP_USERDATA));
    return procedure == nullptr ? ::DefWindowProcW(hwnd, message, wparam, lparam)
                                : procedure(hwnd, message, wparam, lparam);
}

constexpr const wchar_t* class_name = L"Colloquy test window";

}  // namespace

extern "C" {

void* COLLOQUY_CALL clq_event_create(int manual_reset, int initially_signalled) {
    return ::CreateEventW(nullptr, manual_reset, initially_signalled, nullptr);
}
int COLLOQUY_CALL clq_event_set(void* event) { return ::SetEvent(event) != 0 ? 0 : -1; }
int COLLOQUY_CALL clq_event_reset(void* event) { return ::ResetEvent(event) != 0 ? 0 : -1; }
int COLLOQUY_CALL clq_event_close(void* event) { return ::CloseHandle(event) != 0 ? 0 : -1; }
int COLLOQUY_CALL clq_event_wait(void* event, unsigned timeout_ms) {
    return clq_event_wait_many(&event, 1, 0, timeout_ms);
}
int COLLOQUY_CALL clq_event_wait_many(void* const* handles, unsigned count, int wait_all, unsigned timeout_ms) {
    static_assert(CLQ_WAIT_TIMEOUT == WAIT_TIMEOUT && CLQ_WAIT_FOREVER == INFINITE);
    const DWORD got = ::WaitForMultipleObjects(count, handles, wait_all, timeout_ms);
    if (got == WAIT_FAILED) return -1;
    return wait_all != 0 && got < count ? 0 : static_cast<int>(got);
}

void* COLLOQUY_CALL clq_window_create(clq_window_procedure procedure, void*) {
    static const ATOM known = [] {
        WNDCLASSW c{};
        c.lpfnWndProc = &call_procedure;
        c.hInstance = ::GetModuleHandleW(nullptr);
        c.lpszClassName = class_name;
        return ::RegisterClassW(&c);
    }();
    (void)known;
    return ::CreateWindowExW(0, class_name, L"", 0, 0, 0, 0, 0, HWND_MESSAGE, nullptr, ::GetModuleHandleW(nullptr),
                             reinterpret_cast<void*>(procedure));
}
int COLLOQUY_CALL clq_window_destroy(void* hwnd) { return ::DestroyWindow(static_cast<HWND>(hwnd)) != 0 ? 0 : -1; }
int COLLOQUY_CALL clq_window_is(void* hwnd) { return ::IsWindow(static_cast<HWND>(hwnd)) != 0 ? 1 : 0; }
clq_lresult COLLOQUY_CALL clq_window_default(void* hwnd, unsigned message, clq_wparam wparam, clq_lparam lparam) {
    return ::DefWindowProcW(static_cast<HWND>(hwnd), message, wparam, lparam);
}
int COLLOQUY_CALL clq_window_post(void* hwnd, unsigned message, clq_wparam wparam, clq_lparam lparam) {
    if (::PostMessageA(static_cast<HWND>(hwnd), message, wparam, lparam) != 0) return 0;
    return ::GetLastError() == ERROR_NOT_ENOUGH_QUOTA ? 1 : -1;
}
int COLLOQUY_CALL clq_message_get(clq_message* message) {
    MSG m;
    const BOOL got = ::GetMessageW(&m, nullptr, 0, 0);
    if (got < 0) return -1;
    took_one();
    tell(m, *message);
    return got;
}
int COLLOQUY_CALL clq_message_peek(clq_message* message, int remove) {
    MSG m;
    if (::PeekMessageW(&m, nullptr, 0, 0, remove != 0 ? PM_REMOVE : PM_NOREMOVE) == 0) return 0;
    if (remove != 0) took_one();
    tell(m, *message);
    return 1;
}
clq_lresult COLLOQUY_CALL clq_message_dispatch(const clq_message* message) {
    const MSG m{
        static_cast<HWND>(message->hwnd), message->message, message->wParam, message->lParam, message->time, {}};
    return ::DispatchMessageW(&m);
}
int COLLOQUY_CALL clq_message_queue_size(unsigned messages) {
    queues& q = all();
    const std::lock_guard held{q.mutex};
    q.by_thread[::GetCurrentThreadId()] = {messages, 0};
    return 0;
}
unsigned COLLOQUY_CALL clq_register_window_message(const char* name) { return ::RegisterWindowMessageA(name); }

}  // extern "C"
