// system_objects: the objects of the system that completions are told to, events and windows, as the sinks see them.
//
// This is all that a port implements: on Linux over colloquy/event.h and colloquy/window.h (api/linux/), on Windows
// over HANDLE and HWND. No call here blocks, and none runs code of the program.
#pragma once

#include <cstdint>
#include <utility>

namespace colloquy::api {

// Whether the value names an open event at this moment. Any value may be passed. Any thread.
[[nodiscard]] bool event_valid(void* handle) noexcept;

// A duplicate of a program's event handle: a later close by the program, or a reuse of its handle, cannot make the
// library signal a stranger. One thread at a time.
class event_reference {
public:
    event_reference() noexcept = default;
    event_reference(event_reference&& other) noexcept : object_{std::exchange(other.object_, nullptr)} {}
    event_reference& operator=(event_reference&& other) noexcept {
        std::swap(object_, other.object_);
        return *this;
    }
    ~event_reference();

    // Empty when the handle is not that of an event.
    [[nodiscard]] static event_reference of(void* handle) noexcept;

    // Another reference to the same event; empty if this one is.
    [[nodiscard]] event_reference duplicate() const noexcept;

    // Everything this thread wrote before is seen by whoever a wait wakes. Without effect when the program has closed
    // its handle, and on an empty reference.
    void signal() const noexcept;

    explicit operator bool() const noexcept { return object_ != nullptr; }
    // Both are of one event. Not seen where the system gives each reference a handle of its own.
    [[nodiscard]] bool is(const event_reference& other) const noexcept { return object_ == other.object_; }

private:
    void* object_{nullptr};
};

// Whether the value names a window at this moment. Any value may be passed. Any thread.
[[nodiscard]] bool window_valid(void* hwnd) noexcept;

enum class post_result {
    posted,
    full,  // the queue of the window's thread has no room: to be tried again later
    gone,  // there is no such window, or no longer
};

// Posts, never sends: the procedure runs when the window's thread dispatches. Any thread.
[[nodiscard]] post_result post_message(void* hwnd, unsigned message, std::intptr_t wparam,
                                       std::intptr_t lparam) noexcept;

// The id of the message that tells of a completion: RegisterWindowMessage of the string set last, else of the
// environment variable COLLOQUY_COMPLETION_MESSAGE as it was at the first call, else of "WinAsyncCPIC", which is what
// the documents say. Programs compiled with the macro of wincpic.h need "WinAsyncCPI-C". 0 only if the system has no id
// left.
[[nodiscard]] unsigned completion_message() noexcept;

// Holds for completions posted from now on. False when the name is empty, too long, or no id is left: nothing changes.
[[nodiscard]] bool set_completion_message(const char* name) noexcept;

}  // namespace colloquy::api
