// asio.hpp: the library inside an asio::io_context: an executor, and what makes the loop drive the library.
//
// Needs standalone asio and a system on which a descriptor can be waited for (not Windows). Every coroutine that goes
// on by it does so inside io_context::run(). With one thread in run() they need no locks among each other.
#pragma once

#include <chrono>

#include <asio/error_code.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include "colloquy/colloquy.h"
#include "colloquy/executor.hpp"

namespace colloquy {

// Lives as long as anything waits by it, and is destroyed outside of run(), before clq_stop: by the `unit` that was
// declared first, or the program. With no_threads set the loop is all that drives; a pool of reactors has nothing to be
// driven, and then this is an executor alone.
class asio_executor final : public queued_executor {
public:
    explicit asio_executor(asio::io_context& loop) : loop_{loop}, handle_{loop}, timer_{loop} {
        const clq_host_handle library = clq_wait_handle();
        if (library == CLQ_NO_HANDLE) return;
        handle_.assign(library);
        drives_ = true;
        wait();
        arm();
    }
    ~asio_executor() {
        settle();
        if (drives_) (void)handle_.release();  // the library's to close
    }

    // Calls that were made outside of run() may want the loop earlier than it knows; inside it is seen to.
    void arm() {
        if (!drives_) return;
        const long long ns = clq_next_timeout_ns();
        if (ns < 0) {
            timer_.cancel();
            return;
        }
        timer_.expires_after(std::chrono::nanoseconds{ns});
        timer_.async_wait([this](asio::error_code error) {
            if (!error) dispatch();
        });
    }

private:
    void wait() {
        handle_.async_wait(asio::posix::stream_descriptor::wait_read, [this](asio::error_code error) {
            if (error) return;
            dispatch();
            wait();
        });
    }
    void dispatch() {
        (void)clq_dispatch();
        arm();
    }
    // A function of one pointer: asio keeps the memory for it and uses it again.
    void wake() noexcept override {
        asio::post(loop_, [this] {
            (void)run_one();
            arm();
        });
    }

    asio::io_context& loop_;
    asio::posix::stream_descriptor handle_;
    asio::steady_timer timer_;
    bool drives_ = false;
};

}  // namespace colloquy
