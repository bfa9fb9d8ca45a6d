// timer_wheel against a sorted multimap, under random operations and random leaps of time.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/timer_wheel.hpp"

namespace {

using namespace colloquy::runtime;

constexpr std::uint64_t ms = 1'000'000;

struct counted_timer : timer {
    int expired{0};
};
void count(timer& t) { ++static_cast<counted_timer&>(t).expired; }

[[nodiscard]] std::uint64_t tick_up(std::uint64_t ns, std::uint64_t resolution) {
    return ns / resolution + (ns % resolution != 0 ? 1 : 0);
}

// Draws spans over all magnitudes, so that every level of the wheel is used.
[[nodiscard]] std::uint64_t any_span(std::mt19937_64& random, unsigned bits_max) {
    return random() >> (63 - random() % bits_max);
}

void compare_with_model(std::uint64_t seed, std::uint64_t resolution, unsigned bits_max) {
    std::mt19937_64 random{seed};
    std::uint64_t now = any_span(random, 40);
    auto wheel = std::make_unique<timer_wheel>(now, resolution);
    std::vector<timer> timers(200);
    std::multimap<std::uint64_t, timer*> model;  // by tick
    const auto forget = [&](timer& t) {
        for (auto i = model.lower_bound(tick_up(t.deadline, resolution)); i != model.end(); ++i) {
            if (i->second == &t) {
                model.erase(i);
                return true;
            }
        }
        return false;
    };
    for (int step = 0; step < 3'000; ++step) {
        timer& t = timers[random() % timers.size()];
        const auto dice = random() % 10;
        if (dice < 5) {
            if (!t.active()) {
                const std::uint64_t past = random() % 8 == 0 ? any_span(random, 30) : 0;
                const std::uint64_t deadline = past < now && past != 0 ? now - past : now + any_span(random, bits_max);
                wheel->add(t, deadline);
                model.emplace(tick_up(deadline, resolution), &t);
            }
        } else if (dice < 7) {
            const bool was_active = t.active();
            REQUIRE(wheel->cancel(t) == was_active);
            if (was_active) {
                REQUIRE(forget(t));
            }
        } else {
            const std::uint64_t before = now;
            const auto next = wheel->next_deadline();
            REQUIRE(next.has_value() == !model.empty());
            if (next && random() % 2 == 0 && *next > now) {
                now = *next;
            } else {
                now += any_span(random, random() % 3 == 0 ? bits_max : 24);
            }
            std::uint64_t last_tick = before / resolution;
            std::size_t forgotten = 0;
            bool ordered = true;
            bool due = true;
            std::vector<timer*> again;
            const std::size_t expired = wheel->advance(now, [&](timer& e) {
                const std::uint64_t tick = tick_up(e.deadline, resolution);
                due = due && tick <= now / resolution && forget(e);
                ++forgotten;
                // What had passed when it was added comes first, in no order of its own.
                if (tick > before / resolution) {
                    ordered = ordered && tick >= last_tick;
                    last_tick = tick;
                } else {
                    ordered = ordered && last_tick == before / resolution;
                }
                if (random() % 4 == 0) {
                    again.push_back(&e);
                }
                // A neighbour may be cancelled from here, about to expire or not.
                timer& neighbour = timers[random() % timers.size()];
                if (random() % 8 == 0 && neighbour.active()) {
                    due = due && wheel->cancel(neighbour) && forget(neighbour);
                }
            });
            REQUIRE(expired == forgotten);
            REQUIRE(ordered);
            REQUIRE(due);
            // Nothing that was due is left.
            REQUIRE((model.empty() || model.begin()->first > now / resolution));
            for (timer* e : again) {
                wheel->add(*e, now + any_span(random, bits_max));
                model.emplace(tick_up(e->deadline, resolution), e);
            }
        }
        REQUIRE(wheel->size() == model.size());
        if (const auto next = wheel->next_deadline()) {
            REQUIRE(!model.empty());
            REQUIRE(*next <= std::max(now, model.begin()->first * resolution));
        }
    }
}

}  // namespace

TEST_SUITE("runtime") {
    TEST_CASE("timer_wheel: never before the deadline, at the first tick after it") {
        timer_wheel wheel{0, ms};
        counted_timer t;
        t.expire = &count;
        wheel.add(t, 5 * ms + 1);
        CHECK(wheel.next_deadline() == 6 * ms);
        CHECK(wheel.advance(5 * ms + 999'999) == 0);
        CHECK(wheel.advance(6 * ms - 1) == 0);
        CHECK(wheel.advance(6 * ms) == 1);
        CHECK(t.expired == 1);
        CHECK_FALSE(t.active());
        CHECK_FALSE(wheel.next_deadline().has_value());
        CHECK(wheel.size() == 0);
    }

    TEST_CASE("timer_wheel: a cancelled timer does not expire and can be added again") {
        timer_wheel wheel{7 * ms, ms};
        counted_timer t;
        t.expire = &count;
        CHECK_FALSE(wheel.cancel(t));
        wheel.add(t, 10 * ms);
        CHECK(wheel.cancel(t));
        CHECK_FALSE(wheel.next_deadline().has_value());
        CHECK(wheel.advance(100 * ms) == 0);
        wheel.add(t, 200'000 * ms);
        CHECK(wheel.advance(200'000 * ms) == 1);
        CHECK(t.expired == 1);
    }

    TEST_CASE("timer_wheel: a passed deadline expires at the next advance, also from within one") {
        timer_wheel wheel{1'000 * ms, ms};
        counted_timer t;
        wheel.add(t, 3 * ms);
        REQUIRE(wheel.next_deadline().has_value());
        CHECK(*wheel.next_deadline() <= 1'000 * ms);
        int turns = 0;
        const auto again = [&](timer& e) {
            ++turns;
            wheel.add(e, 3 * ms);
        };
        CHECK(wheel.advance(1'000 * ms, again) == 1);
        CHECK(wheel.advance(1'000 * ms, again) == 1);
        CHECK(turns == 2);
        CHECK(wheel.advance(0, again) == 1);  // Time that runs backwards changes nothing.
        CHECK(wheel.size() == 1);
    }

    TEST_CASE("timer_wheel: timers expire in the order of their ticks over all levels") {
        timer_wheel wheel{0, 1};
        std::vector<timer> timers(60);
        for (std::size_t i = 0; i < timers.size(); ++i) {
            wheel.add(timers[i], std::uint64_t{1} << ((i * 37) % 60));
        }
        std::uint64_t last = 0;
        bool ordered = true;
        CHECK(wheel.advance(UINT64_MAX, [&](timer& t) {
            ordered = ordered && t.deadline > last;
            last = t.deadline;
        }) == timers.size());
        CHECK(ordered);
    }

    TEST_CASE("timer_wheel: the end of time is a deadline like others") {
        timer_wheel wheel{0, ms};
        timer t;
        wheel.add(t, UINT64_MAX);
        CHECK(wheel.advance(UINT64_MAX / 2, [](timer&) {}) == 0);
        REQUIRE(wheel.next_deadline().has_value());
        CHECK(*wheel.next_deadline() > UINT64_MAX / 2);
        CHECK(wheel.cancel(t));
    }

    TEST_CASE("timer_wheel: agrees with a sorted map") {
        const char* const given = std::getenv("COLLOQUY_SEED");
        const std::uint64_t first = given != nullptr ? std::strtoull(given, nullptr, 0) : 1;
        const std::uint64_t count = given != nullptr ? 1 : 20;
        for (std::uint64_t seed = first; seed < first + count; ++seed) {
            INFO("replay with COLLOQUY_SEED=", seed);
            compare_with_model(seed, ms, 36);
            compare_with_model(seed, ms, 55);
            compare_with_model(seed, 1, 20);
            compare_with_model(seed, 1'000, 50);
        }
    }
}
