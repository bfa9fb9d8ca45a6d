// embed_asio: a transaction server inside an asio::io_context, by callbacks, on the program's one thread.
#include <asio.hpp>

#include "embed/transfer.h"

namespace {

// Keeps one wait for the handle and one for the timer outstanding. asio has no place right before its wait, so the
// timer is set after each dispatch; a program that makes calls elsewhere in its loop calls arm() behind them.
class runtime_in_loop {
public:
    explicit runtime_in_loop(asio::io_context& loop) : handle_{loop, clq_wait_handle()}, timer_{loop} {
        wait();
        arm();
    }
    ~runtime_in_loop() { handle_.release(); }  // the runtime's to close
    runtime_in_loop(const runtime_in_loop&) = delete;
    runtime_in_loop& operator=(const runtime_in_loop&) = delete;

    void arm() {
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

    asio::posix::stream_descriptor handle_;
    asio::steady_timer timer_;
};

void ended(void* loop) { static_cast<asio::io_context*>(loop)->stop(); }

}  // namespace

int main(int argc, char** argv) {
    asio::io_context loop{1};
    transfer_server server;
    if (transfer_start(&server, argc > 1 ? argv[1] : "127.0.0.1:0", ended, &loop) != 0) return 1;
    CM_INT32 rc = 0;
    clq_set_callback(nullptr, transfer_callback, &server, &rc);
    if (rc != CM_OK || transfer_serve(&server) != 0) return 1;
    {
        runtime_in_loop runtime{loop};
        loop.run();
    }
    return transfer_stop();
}
