#include "tools/colloquy/schedule.hpp"

#include <algorithm>
#include <chrono>

#include "tools/colloquy/client.hpp"
#include "tools/colloquy/platform.hpp"

namespace colloquy::tool {

void schedule::start(worker& by, std::uint64_t now) {
    if (!open_loop()) return;
    begun_ = now;
    running_.store(true, std::memory_order_release);
    thread_ = std::thread{[this, &by] { run(by); }};
}

void schedule::stop() {
    {
        const std::lock_guard held{busy_};
        stopping_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
}

bool schedule::wait(session& s, std::uint64_t until) {
    if (until <= now_ns()) return false;
    bool first = false;
    {
        const std::lock_guard held{busy_};
        if (stopping_) return false;
        waiting_.push_back({until, &s});
        std::push_heap(waiting_.begin(), waiting_.end(), later);
        first = waiting_.front().until == until;
    }
    if (first) changed_.notify_one();
    return true;
}

std::uint64_t schedule::due_by(std::uint64_t then) const noexcept {
    if (!running() || then < begun_) return 0;
    return static_cast<std::uint64_t>(static_cast<double>(then - begun_) / interval_ns_) + 1;
}

void schedule::run(worker& by) {
    sharpen_waits();
    std::unique_lock held{busy_};
    while (!stopping_ || !waiting_.empty()) {
        if (!stopping_ && waiting_.empty()) {
            changed_.wait(held);
            continue;
        }
        const std::uint64_t now = now_ns();
        bool any = false;
        for (; !waiting_.empty() && (stopping_ || waiting_.front().until <= now); any = true) {
            std::pop_heap(waiting_.begin(), waiting_.end(), later);
            by.enqueue(*waiting_.back().who, CM_OK);
            waiting_.pop_back();
        }
        if (any) {
            held.unlock();
            hub_.run_enqueued(by);
            held.lock();
        } else {
            changed_.wait_for(held, std::chrono::nanoseconds{waiting_.front().until - now});
        }
    }
}

}  // namespace colloquy::tool
