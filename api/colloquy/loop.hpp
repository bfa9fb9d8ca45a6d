// loop: an executor that is a loop: its caller's thread drives the library and runs what is ready.
//
// With no_threads set this is all that a program needs: `loop.run(task)`. With threads of the library, or other threads
// of the program, it is the thread on which coroutines go on. One thread at a time runs it; post() is for any thread.
// Not in the loop of somebody else: there the host's own wait is used (asio.hpp, libuv.hpp, docs/embedding.md).
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>
#include <utility>

#include "colloquy/colloquy.h"
#include "colloquy/executor.hpp"
#include "colloquy/task.hpp"

#if defined(_WIN32)
// The few calls of the system that this takes, declared as its own header declares them.
extern "C" {
__declspec(dllimport) void* __stdcall CreateEventW(struct _SECURITY_ATTRIBUTES*, int, int, const wchar_t*);
__declspec(dllimport) int __stdcall SetEvent(void*);
__declspec(dllimport) int __stdcall CloseHandle(void*);
__declspec(dllimport) unsigned long __stdcall WaitForMultipleObjects(unsigned long, void* const*, int, unsigned long);
}
#else
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#endif

namespace colloquy {

class loop_executor final : public queued_executor {
public:
    loop_executor() noexcept {
#if defined(_WIN32)
        event_ = CreateEventW(nullptr, 0, 0, nullptr);
#else
        event_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
#endif
    }
    ~loop_executor() {
        settle();
#if defined(_WIN32)
        if (event_ != nullptr) (void)CloseHandle(event_);
#else
        if (event_ >= 0) (void)::close(event_);
#endif
    }

    // Inside the loop's own thread, while it tells completions, a coroutine goes on at once.
    void post(work& w) noexcept override {
        if (driving() == this)
            w.run();
        else
            queued_executor::post(w);
    }

    // One round: waits until something is ready, at most `limit_ms` (-1: as long as it takes), and does it.
    void run_once(long long limit_ms = -1) noexcept {
        if (run_all() != 0) limit_ms = 0;
        if (limit_ms != 0 && empty()) {
            const long long ns = clq_next_timeout_ns();
            if (ns >= 0) limit_ms = limit_ms < 0 ? whole_ms(ns) : std::min(limit_ms, whole_ms(ns));
            wait(static_cast<int>(std::min<long long>(limit_ms, 1'000'000)));
        }
        loop_executor* const outer = std::exchange(driving(), this);
        (void)clq_dispatch();
        driving() = outer;
        (void)run_all();
    }
    // Until `over()` is true, which is asked after each round.
    template <class Over>
    void run_until(Over&& over) {
        while (!over()) run_once();
    }
    // Begins a task and drives until it is done: its value, or what it throws.
    template <class Value>
    Value run(task<Value> t) {
        detail::begun<Value> b{std::move(t)};
        // It may be done on another thread.
        b.told = [](void* loop) noexcept { static_cast<loop_executor*>(loop)->signal(); };
        b.told_whom = this;
        b.start();
        run_until([&] { return b.done(); });
        return b.take();
    }

    bool help() noexcept override {
        run_once(1);
        return true;
    }

private:
    // The loop whose thread this is, while it dispatches.
    static loop_executor*& driving() noexcept {
        static thread_local loop_executor* here = nullptr;
        return here;
    }
    static long long whole_ms(long long ns) noexcept {
        return ns > 1'000'000'000'000LL ? 1'000'000 : (ns + 999'999) / 1'000'000;
    }

    void wake() noexcept override { signal(); }
    void signal() noexcept {
#if defined(_WIN32)
        (void)SetEvent(event_);
#else
        const std::uint64_t one = 1;
        (void)!::write(event_, &one, sizeof one);
#endif
    }
    void wait(int ms) noexcept {
        const clq_host_handle library = clq_wait_handle();
#if defined(_WIN32)
        void* const on[2] = {event_, library};
        (void)WaitForMultipleObjects(library == nullptr ? 1 : 2, on, 0,
                                     ms < 0 ? 0xFFFF'FFFFUL : static_cast<unsigned long>(ms));
#else
        ::pollfd on[2] = {{event_, POLLIN, 0}, {library, POLLIN, 0}};
        (void)::poll(on, library < 0 ? 1 : 2, ms);
        std::uint64_t count = 0;
        if ((on[0].revents & POLLIN) != 0) (void)!::read(event_, &count, sizeof count);
#endif
    }

#if defined(_WIN32)
    void* event_ = nullptr;
#else
    int event_ = -1;
#endif
};

}  // namespace colloquy
