// task: a coroutine that begins when it is awaited and goes on with whoever awaits it; and ways to run one.
//
// Frames: by operator new, or from the memory that a `frames_from` names; the memory outlives them. A task that was not
// finished is destroyed with its frame; a call it waits for is abandoned (docs/cpp.md).
#pragma once

#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory_resource>
#include <mutex>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

#include "colloquy/result.hpp"

namespace colloquy {

template <class Value = void>
class task;

namespace detail {

// The resource stands behind the frame, null for operator new.
struct frame_memory {
    using resource = std::pmr::memory_resource;
    static resource*& current() noexcept {
        static thread_local resource* here = nullptr;
        return here;
    }
    static constexpr std::size_t aligned(std::size_t n) noexcept {
        return (n + alignof(std::max_align_t) - 1) / alignof(std::max_align_t) * alignof(std::max_align_t);
    }
    static void* allocate(std::size_t n, resource* from) {
        const std::size_t at = aligned(n);
        const std::size_t whole = at + aligned(sizeof(resource*));
        void* const frame = from == nullptr ? ::operator new(whole) : from->allocate(whole);
        std::memcpy(static_cast<std::byte*>(frame) + at, &from, sizeof from);
        return frame;
    }
    // Null: there is none.
    static void* try_allocate(std::size_t n, resource* from) noexcept {
#if COLLOQUY_EXCEPTIONS
        try {
            return allocate(n, from);
        } catch (...) {
            return nullptr;
        }
#else
        return allocate(n, from);
#endif
    }
    static void release(void* frame, std::size_t n) noexcept {
        const std::size_t at = aligned(n);
        const std::size_t whole = at + aligned(sizeof(resource*));
        resource* from = nullptr;
        std::memcpy(&from, static_cast<std::byte*>(frame) + at, sizeof from);
        if (from == nullptr)
            ::operator delete(frame);
        else
            from->deallocate(frame, whole);
    }
};

// What promises inherit to have their frames from there.
struct framed {
    static void* operator new(std::size_t n) { return frame_memory::allocate(n, frame_memory::current()); }
    static void operator delete(void* frame, std::size_t n) noexcept { frame_memory::release(frame, n); }
};

struct task_promise_base : framed {
    std::coroutine_handle<> continuation{};
    std::exception_ptr thrown{};

    struct final_awaiter {
        [[nodiscard]] bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> h) const noexcept {
            return h.promise().continuation ? h.promise().continuation : std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };
    [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
    [[nodiscard]] final_awaiter final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { thrown = std::current_exception(); }
    void rethrow() const {
#if COLLOQUY_EXCEPTIONS
        if (thrown) std::rethrow_exception(thrown);
#endif
    }
};

template <class Value>
struct task_promise final : task_promise_base {
    std::optional<Value> value{};
    task<Value> get_return_object() noexcept;
    template <class From>
    void return_value(From&& from) {
        value.emplace(std::forward<From>(from));
    }
    Value take() {
        rethrow();
        return std::move(*value);
    }
};
template <>
struct task_promise<void> final : task_promise_base {
    task<void> get_return_object() noexcept;
    void return_void() const noexcept {}
    void take() const { rethrow(); }
};

}  // namespace detail

// While it lives, frames of tasks that this thread calls into being come from there; null: from operator new.
class frames_from {
public:
    explicit frames_from(std::pmr::memory_resource* memory) noexcept
        : before_{std::exchange(detail::frame_memory::current(), memory)} {}
    ~frames_from() { detail::frame_memory::current() = before_; }
    frames_from(const frames_from&) = delete;
    frames_from& operator=(const frames_from&) = delete;

private:
    std::pmr::memory_resource* before_;
};

// Owns its coroutine. To be awaited once.
template <class Value>
class [[nodiscard]] task {
public:
    using promise_type = detail::task_promise<Value>;
    using value_type = Value;

    task() noexcept = default;
    explicit task(std::coroutine_handle<promise_type> h) noexcept : handle_{h} {}
    task(task&& other) noexcept : handle_{std::exchange(other.handle_, {})} {}
    task& operator=(task&& other) noexcept {
        if (this != &other) {
            destroy();
            handle_ = std::exchange(other.handle_, {});
        }
        return *this;
    }
    task(const task&) = delete;
    task& operator=(const task&) = delete;
    ~task() { destroy(); }

    [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
    [[nodiscard]] bool done() const noexcept { return handle_ && handle_.done(); }

    // Goes on here with what it returned, or throws what it threw.
    auto operator co_await() && noexcept {
        struct awaiter {
            std::coroutine_handle<promise_type> of;
            [[nodiscard]] bool await_ready() const noexcept { return false; }
            std::coroutine_handle<> await_suspend(std::coroutine_handle<> h) const noexcept {
                of.promise().continuation = h;
                return of;
            }
            Value await_resume() const { return of.promise().take(); }
        };
        return awaiter{handle_};
    }
    auto operator co_await() & = delete;  // std::move it: a task is awaited once

private:
    void destroy() noexcept {
        if (handle_) handle_.destroy();
        handle_ = {};
    }
    std::coroutine_handle<promise_type> handle_{};
};

namespace detail {

template <class Value>
task<Value> task_promise<Value>::get_return_object() noexcept {
    return task<Value>{std::coroutine_handle<task_promise>::from_promise(*this)};
}
inline task<void> task_promise<void>::get_return_object() noexcept {
    return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

// A task begun by somebody who is no coroutine: on its stack, told when the task is done.
template <class Value>
class begun {
public:
    explicit begun(task<Value> t) noexcept : task_{std::move(t)}, waiter_{watch(*this)} {}
    begun(const begun&) = delete;
    begun& operator=(const begun&) = delete;
    ~begun() { waiter_.handle.destroy(); }

    void start() noexcept { waiter_.handle.resume(); }
    void wait() {
        std::unique_lock held{mutex_};
        ended_.wait(held, [&] { return done_; });
    }
    [[nodiscard]] bool done() {
        const std::lock_guard held{mutex_};
        return done_;
    }
    // Called when it is done, on the thread on which that is. Must not ask whether it is.
    void (*told)(void*) noexcept = nullptr;
    void* told_whom = nullptr;

    Value take() {
#if COLLOQUY_EXCEPTIONS
        if (thrown_) std::rethrow_exception(thrown_);
#endif
        if constexpr (!std::is_void_v<Value>) return std::move(*value_);
    }

private:
    struct watcher {
        struct promise_type : framed {
            begun& of;
            explicit promise_type(begun& b) noexcept : of{b} {}
            [[nodiscard]] watcher get_return_object() noexcept {
                return {std::coroutine_handle<promise_type>::from_promise(*this)};
            }
            [[nodiscard]] std::suspend_always initial_suspend() const noexcept { return {}; }
            // It is suspended when the one who waits is told, and may then be destroyed.
            struct last {
                [[nodiscard]] bool await_ready() const noexcept { return false; }
                void await_suspend(std::coroutine_handle<promise_type> h) const noexcept { h.promise().of.finished(); }
                void await_resume() const noexcept {}
            };
            [[nodiscard]] last final_suspend() const noexcept { return {}; }
            void return_void() const noexcept {}
            void unhandled_exception() const noexcept { of.thrown_ = std::current_exception(); }
        };
        std::coroutine_handle<promise_type> handle;
    };
    static watcher watch(begun& b) {
        if constexpr (std::is_void_v<Value>)
            co_await std::move(b.task_);
        else
            b.value_.emplace(co_await std::move(b.task_));
    }
    void finished() noexcept {
        // Held: the one who waits frees all this as soon as it may.
        const std::lock_guard held{mutex_};
        done_ = true;
        ended_.notify_all();
        if (told != nullptr) told(told_whom);
    }

    task<Value> task_;
    std::mutex mutex_;
    std::condition_variable ended_;
    bool done_ = false;
    std::exception_ptr thrown_{};
    struct nothing {};
    std::optional<std::conditional_t<std::is_void_v<Value>, nothing, Value>> value_{};
    watcher waiter_;
};

}  // namespace detail

// Runs a task from a plain function: begins it and sleeps until it is done. Needs threads that bring completions: the
// library's own, or the host's. With no_threads set it is loop_executor::run that runs tasks.
template <class Value>
Value sync_wait(task<Value> t) {
    detail::begun<Value> b{std::move(t)};
    b.start();
    b.wait();
    return b.take();
}

}  // namespace colloquy
