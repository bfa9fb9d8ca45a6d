// A host's loop: it is woken for what it must do, and for nothing else. The link goes over TCP to the same process, so
// that one thread is both ends and nothing happens that the test does not bring about.
#include <doctest/doctest.h>

#include <thread>

#include "tests/api/program.hpp"

using namespace colloquy::test;

namespace {

constexpr int rounds_max = 1'000;

bool readable(int milliseconds) { return wait_ready(clq_wait_handle(), milliseconds); }

// Dispatches until the loop would sleep; how often that was.
int until_quiet() {
    int rounds = 0;
    while (rounds < rounds_max && (clq_next_timeout_ns() == 0 || readable(0))) {
        (void)clq_dispatch();
        ++rounds;
    }
    return rounds;
}

struct told {
    int count = 0;
    CM_INT32 code = -1;
};
void COLLOQUY_CALL count_it(void* user, const clq_completion* c) {
    auto& t = *static_cast<told*>(user);
    ++t.count;
    t.code = c->return_code;
}

clq_options hosted() {
    clq_options o = listening_options();
    o.no_threads = 1;
    return o;
}

void until(const told& t, int count) {
    for (int i = 0; t.count < count && i < rounds_max; ++i) {
        const long long ns = clq_next_timeout_ns();
        (void)readable(ns < 0 ? -1 : static_cast<int>((ns + 999'999) / 1'000'000));
        (void)clq_dispatch();
    }
    REQUIRE(t.count >= count);
}

// Both ends of an idle conversation: the second waits in Receive.
struct idle_pair {
    id_bytes ours{}, theirs{};
    told completions;
    CM_INT32 rc = -1, mode = CM_NON_BLOCKING, size = 100, data = 0, got = 0, status = 0, rts = 0;
    std::array<char, 100> text{};

    idle_pair() {
        clq_set_callback(nullptr, count_it, &completions, &rc);
        REQUIRE(rc == CM_OK);
        serve_tp("IDLE");
        cmaccp(theirs.data(), &rc);
        REQUIRE(rc == CM_OPERATION_INCOMPLETE);
        cminit(ours.data(), "        ", &rc);
        REQUIRE(rc == CM_OK);
        clq_set_destination(ours.data(), (running_unit::address() + "/IDLE").c_str(), &rc);
        REQUIRE(rc == CM_OK);
        cmspm(ours.data(), &mode, &rc);
        cmallc(ours.data(), &rc);
        REQUIRE(rc == CM_OPERATION_INCOMPLETE);
        until(completions, 1);
        CHECK(completions.code == CM_OK);
        cmflus(ours.data(), &rc);
        REQUIRE(rc == CM_OK);
        until(completions, 2);
        CHECK(completions.code == CM_OK);
        cmspm(theirs.data(), &mode, &rc);
        REQUIRE(rc == CM_OK);
        cmrcv(theirs.data(), text.data(), &size, &data, &got, &status, &rts, &rc);
        REQUIRE(rc == CM_OPERATION_INCOMPLETE);
    }
    // The Receive's buffer and the callback's counts go with the pair.
    ~idle_pair() {
        cmcanc(theirs.data(), &rc);
        cmcanc(ours.data(), &rc);
        clq_set_callback(nullptr, nullptr, nullptr, &rc);
    }
    idle_pair(const idle_pair&) = delete;
    idle_pair& operator=(const idle_pair&) = delete;
};

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("host loop: with open links and waiting calls it comes to rest") {
        const running_unit unit{hosted()};
        const idle_pair pair;
        CHECK(until_quiet() < rounds_max);
        CHECK(until_quiet() == 0);
        CHECK(clq_next_timeout_ns() != 0);
        CHECK(!readable(0));
    }

    TEST_CASE("host loop: a call of another thread wakes it when its time limit comes sooner") {
        const running_unit unit{hosted()};
        idle_pair pair;
        // What is due at once or soon comes first; then the loop is asleep, and only the handle can tell it of the new
        // limit.
        constexpr long long long_ns = 1'000'000'000;
        long long sleeps_ns = clq_next_timeout_ns();
        for (int i = 0; sleeps_ns >= 0 && sleeps_ns < long_ns && i < rounds_max; ++i) {
            (void)readable(static_cast<int>((sleeps_ns + 999'999) / 1'000'000));
            (void)clq_dispatch();
            sleeps_ns = clq_next_timeout_ns();
        }
        REQUIRE((sleeps_ns < 0 || sleeps_ns >= long_ns));
        CM_INT32 rc = -1;
        std::array<char, 100> text{};
        CM_INT32 size = 100, data = 0, got = 0, status = 0, rts = 0;
        std::thread other{[&] {
            clq_set_time_limit(pair.ours.data(), 200, &rc);
            if (rc != CM_OK) return;
            cmrcv(pair.ours.data(), text.data(), &size, &data, &got, &status, &rts, &rc);
        }};
        CHECK(readable(-1));
        other.join();
        CHECK(rc == CM_OPERATION_INCOMPLETE);
        until(pair.completions, 4);  // our Receive, and with it the partner's, which is told the same
        CHECK(pair.completions.code == CM_DEALLOCATED_ABEND_TIMER);
    }
}
