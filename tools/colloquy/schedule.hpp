// schedule: the moments at which an open loop means to begin its transactions, and those who wait for theirs.
//
// A session that is free takes the next moment. If it has passed, the session begins at once and its transaction counts
// from the moment all the same: a partner that stalls is not spared the questions that could not be asked meanwhile.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "tools/colloquy/hub.hpp"

namespace colloquy::tool {

class schedule {
public:
    // `rate`: transactions a second; 0: a closed loop, in which nobody waits.
    schedule(hub& completions, double rate) : hub_{completions}, interval_ns_{rate > 0 ? 1e9 / rate : 0} {}
    ~schedule() { stop(); }
    schedule(const schedule&) = delete;
    schedule& operator=(const schedule&) = delete;

    [[nodiscard]] bool open_loop() const noexcept { return interval_ns_ > 0; }
    // From the first moment on, `now`; a thread of ours runs as `by` those whose moment has come.
    void start(worker& by, std::uint64_t now);
    // Nobody waits any more: those who do go on.
    void stop();

    // Whether moments are given. Never in a closed loop.
    [[nodiscard]] bool running() const noexcept { return running_.load(std::memory_order_acquire); }
    // The next moment, for whoever asks; not 0.
    [[nodiscard]] std::uint64_t next() noexcept { return moment(taken_.fetch_add(1, std::memory_order_relaxed)); }
    // True: the session is run again when the moment has come, and is not the caller's any more.
    [[nodiscard]] bool wait(session& s, std::uint64_t until);
    // How many moments have come by then.
    [[nodiscard]] std::uint64_t due_by(std::uint64_t then) const noexcept;

private:
    struct waiter {
        std::uint64_t until;
        session* who;
    };
    static bool later(const waiter& a, const waiter& b) noexcept { return a.until > b.until; }
    [[nodiscard]] std::uint64_t moment(std::uint64_t n) const noexcept {
        return begun_ + static_cast<std::uint64_t>(static_cast<double>(n) * interval_ns_);
    }
    void run(worker& by);

    hub& hub_;
    const double interval_ns_;
    std::uint64_t begun_ = 0;
    std::atomic<std::uint64_t> taken_{0};
    std::atomic<bool> running_{false};
    std::mutex busy_;
    std::condition_variable changed_;
    std::vector<waiter> waiting_;  // a heap, the first moment on top
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace colloquy::tool
