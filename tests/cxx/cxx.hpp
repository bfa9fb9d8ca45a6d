// cxx: what the tests of the C++ interface share: a unit, a count of allocations, an executor that a test runs by hand.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "colloquy/colloquy.hpp"

// The thread sanitizer brings an operator new that nobody can stand before.
#define COLLOQUY_TEST_OWN_NEW 1
#if defined(__SANITIZE_THREAD__)
#undef COLLOQUY_TEST_OWN_NEW
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#undef COLLOQUY_TEST_OWN_NEW
#endif
#endif

namespace colloquy::test {

// Allocations of the whole process so far: by malloc where it can be watched, by operator new elsewhere.
std::uint64_t allocations() noexcept;

#if defined(COLLOQUY_TEST_OWN_NEW)
// While it lives, the operator new that this thread calls after so many others has no memory.
struct failing_new {
    explicit failing_new(int after) noexcept;
    ~failing_new();
    failing_new(const failing_new&) = delete;
    failing_new& operator=(const failing_new&) = delete;
};
#endif

inline clq_options settings(unsigned conversations = 256, bool threads = true) {
    clq_options o{};
    o.config_file = "";
    o.conversations = conversations;
    o.links = 64;
    o.no_threads = threads ? 0 : 1;
    return o;
}

struct running : unit {
    explicit running(const clq_options& o) : unit{o} {
        INFO(last_error());
        REQUIRE(static_cast<bool>(*this));
    }
    [[nodiscard]] static unsigned long long open() {
        return clq_counter("conversations_opened") - clq_counter("conversations_closed");
    }
};

// Keeps works until the test runs them.
class by_hand final : public queued_executor {
public:
    ~by_hand() { settle(); }
    void wait_for_one() {
        std::unique_lock held{mutex_};
        woken_.wait(held, [&] { return wakes_ != 0; });
        --wakes_;
    }

private:
    void wake() noexcept override {
        const std::lock_guard held{mutex_};
        ++wakes_;
        woken_.notify_all();
    }
    std::mutex mutex_;
    std::condition_variable woken_;
    unsigned wakes_ = 0;
};

// A task that somebody who is no coroutine begins, and may destroy before it is done.
class started {
public:
    explicit started(task<> t) : inner_{std::make_unique<detail::begun<void>>(std::move(t))} { inner_->start(); }
    [[nodiscard]] bool done() { return inner_->done(); }
    void wait() { inner_->wait(); }
    void destroy() { inner_.reset(); }

private:
    std::unique_ptr<detail::begun<void>> inner_;
};

using buffer = std::array<std::byte, 256>;

// Two ends of a conversation in this process, both blocking: `near` allocated, `far` accepted.
struct ends {
    conversation near, far;
    explicit ends(sync_level level = sync_level::none) {
        REQUIRE(serve_tp_name("TP"));
        near = conversation::initialize("inproc/TP").value();
        REQUIRE(near.set_sync_level(level));
        REQUIRE(near.allocate());
        REQUIRE(near.flush());
        far = conversation::accept().value();
    }
    // Two records in one frame; far has received the first, so that the second is there.
    void send_two(std::string_view first, std::string_view second) {
        REQUIRE(near.send(first));
        REQUIRE(near.send(second));
        REQUIRE(near.flush());
        buffer b;
        REQUIRE(far.receive(b)->text() == first);
    }
};

}  // namespace colloquy::test
