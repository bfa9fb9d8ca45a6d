// permit_gate, spot and drive_token: every transition alone, then real threads that sleep in a condition variable.
#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/drive_token.hpp"
#include "runtime/parking.hpp"

namespace {

using namespace colloquy::runtime;

// A futex made of one mutex and one condition: slow and obviously right. A deadline other than no_deadline has passed.
struct condition_waiter {
    std::mutex lock;
    std::condition_variable changed;
    std::uint64_t waits{0};
    std::uint64_t wakes{0};
    std::uint64_t woken_at_most{0};

    bool wait(atom<std::uint32_t>& word, std::uint32_t expected, std::uint64_t deadline) {
        std::unique_lock held{lock};
        ++waits;
        if (word.load_acquire() != expected) {
            return true;
        }
        if (deadline != no_deadline) {
            return false;
        }
        changed.wait(held);
        return true;
    }
    void wake(atom<std::uint32_t>&, std::uint32_t n) {
        const std::lock_guard held{lock};
        ++wakes;
        woken_at_most += n;
        changed.notify_all();
    }
};

}  // namespace

TEST_SUITE("runtime") {
    TEST_CASE("permit_gate: permits are counted, and nobody is woken who does not sleep") {
        permit_gate<> gate;
        condition_waiter waiter;
        CHECK_FALSE(gate.try_acquire());
        gate.post(3, waiter);
        gate.post(0, waiter);
        CHECK(gate.approx_permits() == 3);
        CHECK(gate.try_acquire());
        CHECK(gate.acquire_or_park(waiter, no_deadline) == park_result::permit);
        CHECK(gate.try_acquire_many(5) == 1);
        CHECK(gate.try_acquire_many(5) == 0);
        CHECK_FALSE(gate.poke_one(waiter));
        CHECK(gate.poke_all(waiter) == 0);
        CHECK(waiter.wakes == 0);
        CHECK(waiter.waits == 0);
    }

    TEST_CASE("permit_gate: a passed deadline and a recheck that says no leave nothing behind") {
        permit_gate<> gate;
        condition_waiter waiter;
        CHECK(gate.acquire_or_park(waiter, 0) == park_result::timeout);
        CHECK(gate.approx_sleepers() == 0);
        bool counted = false;
        const auto refuse = [&] {
            counted = gate.approx_sleepers() == 1;
            return false;
        };
        CHECK(gate.acquire_or_park(waiter, no_deadline, refuse) == park_result::declined);
        CHECK(counted);
        CHECK(gate.approx_sleepers() == 0);
    }

    TEST_CASE("permit_gate: what comes during the recheck is taken along, the poke first") {
        permit_gate<> gate;
        condition_waiter waiter;
        const auto post_and_poke = [&] {
            gate.post(1, waiter);
            CHECK(gate.poke_one(waiter));
            CHECK_FALSE(gate.poke_one(waiter));
            return false;
        };
        CHECK(gate.acquire_or_park(waiter, no_deadline, post_and_poke) == park_result::poked);
        CHECK(gate.acquire_or_park(waiter, no_deadline) == park_result::permit);
        const auto post = [&] {
            gate.post(2, waiter);
            return true;
        };
        CHECK(gate.acquire_or_park(waiter, no_deadline, post) == park_result::permit);
        CHECK(gate.acquire_or_park(waiter, 0, post) == park_result::permit);
        CHECK(gate.try_acquire_many(9) == 0);
        // The first post found a sleeper that was not awake yet, the poke one that was.
        CHECK(waiter.wakes == 2);
        CHECK(waiter.woken_at_most == 2);
    }

    TEST_CASE("permit_gate: threads get exactly what was posted") {
        constexpr unsigned consumers = 3;
        constexpr unsigned producers = 2;
        constexpr std::uint32_t each = 6'000;
        permit_gate<> gate;
        condition_waiter waiter;
        atom<std::uint32_t> pokes{0};
        atom<std::uint32_t> poked{0};
        atom<std::uint32_t> permits{0};
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < consumers; ++i) {
            threads.emplace_back([&] {
                for (std::uint32_t got = 0; got < each;) {
                    switch (gate.acquire_or_park(waiter, no_deadline)) {
                        case park_result::permit:
                            ++got;
                            permits.fetch_add_relaxed(1);
                            break;
                        case park_result::poked:
                            poked.fetch_add_relaxed(1);
                            break;
                        case park_result::timeout:
                        case park_result::declined:
                            permits.fetch_add_relaxed(1'000'000);
                            break;
                    }
                }
            });
        }
        for (unsigned i = 0; i < producers; ++i) {
            threads.emplace_back([&, i] {
                for (std::uint32_t left = consumers * each / producers; left != 0;) {
                    const std::uint32_t n = std::min(left, 1 + left % 3);
                    gate.post(n, waiter);
                    left -= n;
                    if (i == 0 && left % 5 == 0) {
                        pokes.fetch_add_relaxed(gate.poke_one(waiter) ? 1 : 0);
                    }
                }
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(permits.load_relaxed() == consumers * each);
        CHECK(poked.load_relaxed() == pokes.load_relaxed());
        CHECK_FALSE(gate.try_acquire());
        CHECK(gate.approx_sleepers() == 0);
    }

    TEST_CASE("spot: a notification is remembered once") {
        spot<> place;
        condition_waiter waiter;
        CHECK(place.prepare());
        CHECK_FALSE(place.wait(waiter, 0));
        place.notify(waiter);
        place.notify(waiter);
        CHECK_FALSE(place.prepare());
        CHECK(place.wait(waiter, no_deadline));
        CHECK(waiter.wakes == 0);
        CHECK(place.prepare());
        place.notify(waiter);
        CHECK(waiter.wakes == 1);
        CHECK(place.wait(waiter, no_deadline));
        CHECK(place.prepare());
        CHECK_FALSE(place.cancel());
        place.notify(waiter);
        CHECK(place.cancel());
        CHECK_FALSE(place.cancel());
    }

    TEST_CASE("spot: two threads take turns") {
        constexpr int turns = 5'000;
        spot<> ping;
        spot<> pong;
        condition_waiter waiter;
        int ball = 0;  // plain memory, ordered by the spots
        const auto play = [&](spot<>& mine, spot<>& theirs, int parity) {
            for (int i = 0; i < turns; ++i) {
                (void)mine.prepare();
                if (!mine.wait(waiter, no_deadline) || ball % 2 != parity) {
                    return;
                }
                ++ball;
                theirs.notify(waiter);
            }
        };
        std::thread other{[&] { play(pong, ping, 1); }};
        ping.notify(waiter);
        play(ping, pong, 0);
        other.join();
        CHECK(ball == 2 * turns);
    }

    TEST_CASE("drive_token: one holder, and work keeps it from leaving or sleeping") {
        drive_token<> token;
        CHECK_FALSE(token.approx_held());
        CHECK(token.post_work() == post_result::nobody_driving);
        CHECK(token.try_acquire());
        CHECK_FALSE(token.try_acquire());
        CHECK_FALSE(token.try_sleep());
        CHECK(token.try_release() == release_result::work_left);
        CHECK(token.take_work());
        CHECK_FALSE(token.take_work());
        CHECK(token.post_work() == post_result::driver_awake);
        CHECK(token.take_work());
        CHECK(token.try_release() == release_result::released);
        CHECK(token.try_acquire());
        CHECK(token.try_release() == release_result::released);
    }

    TEST_CASE("drive_token: a sleeping holder is woken once a sleep") {
        drive_token<> token;
        REQUIRE(token.try_acquire());
        for (int i = 0; i < 3; ++i) {
            CHECK(token.try_sleep());
            CHECK(token.announce_follower() == follow_result::announced);
            CHECK(token.post_work() == post_result::must_wake);
            CHECK(token.post_work() == post_result::driver_awake);
            CHECK(token.awake());
            CHECK_FALSE(token.take_work());
        }
        CHECK(token.try_sleep());
        CHECK_FALSE(token.awake());
    }

    TEST_CASE("drive_token: a standby that steps aside is woken by a follower or by work, once") {
        drive_token<> token;
        REQUIRE(token.try_acquire());
        CHECK(token.try_sleep_alone());
        CHECK(token.announce_follower() == follow_result::announced_must_wake);
        CHECK(token.announce_follower() == follow_result::announced);
        CHECK(token.post_work() == post_result::driver_awake);
        CHECK(token.awake());
        CHECK_FALSE(token.try_sleep_alone());
        CHECK(token.try_release() == release_result::followers_left);
        token.hand_over();
        CHECK_FALSE(token.approx_held());
        CHECK_FALSE(token.approx_followers());

        REQUIRE(token.try_acquire());
        CHECK(token.try_sleep_alone());
        CHECK(token.post_work() == post_result::must_wake);
        CHECK(token.announce_follower() == follow_result::announced);
        CHECK(token.try_take_over() == take_over_result::announced);
        CHECK(token.awake());
        CHECK(token.try_release() == release_result::followers_left);
    }

    TEST_CASE("drive_token: a hand-over keeps the work and the other followers in sight") {
        drive_token<> token;
        CHECK(token.announce_follower() == follow_result::token_free);
        REQUIRE(token.try_acquire());
        CHECK(token.announce_follower() == follow_result::announced);
        CHECK(token.post_work() == post_result::driver_awake);
        token.hand_over();
        CHECK(token.post_work() == post_result::nobody_driving);
        CHECK(token.try_take_over() == take_over_result::taken);
        CHECK(token.approx_followers());
        CHECK(token.try_take_over() == take_over_result::announced);
        CHECK(token.take_work());
        CHECK(token.try_release() == release_result::followers_left);
        token.hand_over();
        REQUIRE(token.try_acquire());
        CHECK(token.try_sleep_alone());
        CHECK(token.try_take_over() == take_over_result::announced_must_wake);
        CHECK_FALSE(token.awake());
    }

    TEST_CASE("drive_token: threads drive one at a time and see each other's work") {
        constexpr unsigned drivers = 4;
        drive_token<> token;
        std::uint64_t driven = 0;  // plain memory under the token
        atom<std::uint64_t> turns{0};
        std::vector<std::thread> threads;
        for (unsigned i = 0; i < drivers; ++i) {
            threads.emplace_back([&] {
                for (int n = 0; n < 10'000; ++n) {
                    (void)token.post_work();
                    if (!token.try_acquire()) {
                        continue;  // The holder sees the work before it leaves.
                    }
                    do {
                        (void)token.take_work();
                        ++driven;
                        turns.fetch_add_relaxed(1);
                    } while (token.try_release() == release_result::work_left);
                }
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(driven == turns.load_relaxed());
        CHECK(token.try_acquire());
        CHECK_FALSE(token.take_work());
    }
}
