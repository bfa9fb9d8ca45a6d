// libuv.hpp: the library inside a libuv loop: an executor, and what makes the loop drive the library.
//
// Needs libuv. Every coroutine that goes on by it does so on the loop's thread.
#pragma once

#include <uv.h>

#include <cstdint>

#include "colloquy/colloquy.h"
#include "colloquy/executor.hpp"

namespace colloquy {

// Used on the loop's thread, but for post(). Ends by close(), which takes its handles out of the loop; it may be
// destroyed when the loop has run until they are closed: closed(). Both before clq_stop. Until then it keeps the loop
// running; uv_stop() ends that.
class uv_executor final : public queued_executor {
public:
    explicit uv_executor(uv_loop_t* loop) noexcept {
        async_.data = timer_.data = prepare_.data = poll_.data = this;
        if (uv_async_init(loop, &async_, [](uv_async_t* h) { (void)of(h)->run_all(); }) != 0) return;
        ++open_;
        const clq_host_handle library = clq_wait_handle();
        if (library == CLQ_NO_HANDLE) return;  // a pool of reactors drives itself
#if defined(_WIN32)
        // A HANDLE is nothing that libuv polls: the loop looks again after a millisecond.
        drives_by_time_ = true;
#else
        if (uv_poll_init(loop, &poll_, library) == 0) {
            ++open_;
            polls_ = true;
            (void)uv_poll_start(&poll_, UV_READABLE, [](uv_poll_t*, int, int) { (void)clq_dispatch(); });
        }
#endif
        (void)uv_timer_init(loop, &timer_);
        (void)uv_prepare_init(loop, &prepare_);
        open_ += 2;
        timed_ = true;
        // The loop works out how long it waits right after this.
        (void)uv_prepare_start(&prepare_, [](uv_prepare_t* h) { of(h)->set_timer(); });
    }
    ~uv_executor() { settle(); }

    void close() noexcept {
        settle();
        close_one(&async_);
        if (polls_) close_one(&poll_);
        if (timed_) {
            close_one(&timer_);
            close_one(&prepare_);
        }
    }
    [[nodiscard]] bool closed() const noexcept { return open_ == 0; }

private:
    template <class Handle>
    static uv_executor* of(Handle* h) noexcept {
        return static_cast<uv_executor*>(h->data);
    }
    template <class Handle>
    static void close_one(Handle* h) noexcept {
        uv_close(reinterpret_cast<uv_handle_t*>(h), [](uv_handle_t* closed) { --of(closed)->open_; });
    }
    void set_timer() noexcept {
        const long long ns = clq_next_timeout_ns();
        long long ms = ns < 0 ? -1 : (ns + 999'999) / 1'000'000;
        if (drives_by_time_ && (ms < 0 || ms > 1)) ms = 1;
        if (ms < 0)
            (void)uv_timer_stop(&timer_);
        else
            (void)uv_timer_start(
                &timer_, [](uv_timer_t*) { (void)clq_dispatch(); }, static_cast<std::uint64_t>(ms), 0);
    }
    void wake() noexcept override { (void)uv_async_send(&async_); }

    uv_async_t async_{};
    uv_timer_t timer_{};
    uv_prepare_t prepare_{};
    uv_poll_t poll_{};
    unsigned open_ = 0;
    bool polls_ = false;
    bool timed_ = false;
    bool drives_by_time_ = false;
};

}  // namespace colloquy
