// The harness itself: it must find what the memory model allows and nothing else, or the other tests prove nothing.
#include <cstdint>

#include <doctest/doctest.h>

#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy::schedule;

constexpr std::uint64_t many = 3'000;

// Counts how many of the seeds end with `seen` true.
template <class Scenario>
[[nodiscard]] std::uint64_t occurrences(Scenario&& scenario) {
    std::uint64_t count = 0;
    const exploration result = explore_seeds(1, many, [&](scheduler& model) { count += scenario(model) ? 1u : 0u; });
    CHECK(result.failure == "");
    CHECK(result.seeds == many);
    return count;
}

template <class T, class Fault>
void message_passing(scheduler& model) {
    basic_model_atom<T, Fault> flag{0};
    model_data<int> data{0};
    model.run(
        [&] {
            data = 7;
            flag.store_release(1);
        },
        [&] {
            if (flag.load_acquire() == 1) {
                model.expect(data == 7, "the message is old");
            }
        });
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("scheduler: message passing by release and acquire is clean") {
        check_all([](scheduler& model) { message_passing<std::uint32_t, no_fault>(model); });
    }

    TEST_CASE("scheduler: a weakened release or acquire is a race") {
        check_caught("data race", [](scheduler& model) { message_passing<std::uint32_t, release_weakened>(model); });
        check_caught("data race", [](scheduler& model) { message_passing<std::uint32_t, acquire_weakened>(model); });
    }

    TEST_CASE("scheduler: store buffering is seen with release and acquire") {
        const std::uint64_t both_old = occurrences([](scheduler& model) {
            model_atom<std::uint32_t> x{0};
            model_atom<std::uint32_t> y{0};
            std::uint32_t seen_y = 9;
            std::uint32_t seen_x = 9;
            model.run(
                [&] {
                    x.store_release(1);
                    seen_y = y.load_acquire();
                },
                [&] {
                    y.store_release(1);
                    seen_x = x.load_acquire();
                });
            return seen_x == 0 && seen_y == 0;
        });
        CHECK(both_old > many / 100);
        CHECK(both_old < many / 2);
    }

    TEST_CASE("scheduler: read-modify-writes of one word are never both first") {
        const std::uint64_t both_first = occurrences([](scheduler& model) {
            model_atom<std::uint32_t> word{0};
            std::uint32_t before[2] = {9, 9};
            model.run_each(2, [&](unsigned i) { before[i] = word.fetch_add_relaxed(1); });
            model.expect(before[0] + before[1] == 1, "an increment was lost");
            return before[0] == 0 && before[1] == 0;
        });
        CHECK(both_first == 0);
    }

    TEST_CASE("scheduler: a location never runs backwards for one reader, and acquired news is not forgotten") {
        const std::uint64_t stale = occurrences([](scheduler& model) {
            model_atom<std::uint32_t> x{0};
            model_atom<std::uint32_t> flag{0};
            bool old_seen = false;
            model.run(
                [&] {
                    x.store_relaxed(1);
                    x.store_relaxed(2);
                    flag.store_release(1);
                },
                [&] {
                    const std::uint32_t first = x.load_relaxed();
                    const std::uint32_t second = x.load_relaxed();
                    model.expect(first <= second, "a location ran backwards");
                    if (flag.load_acquire() == 1) {
                        model.expect(x.load_relaxed() == 2, "acquired news was forgotten");
                    }
                },
                [&] {
                    if (flag.load_relaxed() == 1) {
                        old_seen = x.load_relaxed() != 2;
                    }
                });
            return old_seen;
        });
        CHECK(stale > 0);
    }

    TEST_CASE("scheduler: a relaxed read-modify-write carries the release sequence on, a relaxed store ends it") {
        const auto through = [](scheduler& model, bool by_store) {
            model_atom<std::uint32_t> flag{0};
            model_data<int> data{0};
            model.run(
                [&] {
                    data = 7;
                    flag.store_release(1);
                },
                [&] {
                    if (by_store) {
                        if (flag.load_relaxed() == 1) {
                            flag.store_relaxed(2);
                        }
                    } else {
                        std::uint32_t expected = 1;
                        flag.cas_relaxed(expected, 2);
                    }
                },
                [&] {
                    if (flag.load_acquire() == 2) {
                        model.expect(data == 7, "the message is old");
                    }
                });
        };
        check_all([&](scheduler& model) { through(model, false); });
        check_caught("data race", [&](scheduler& model) { through(model, true); });
    }

    TEST_CASE("scheduler: plain memory that nobody orders is a race") {
        check_caught("data race", [](scheduler& model) {
            model_data<int> data{0};
            model.run_each(2, [&](unsigned i) { data = static_cast<int>(i); });
        });
    }

    TEST_CASE("scheduler: threads that wait for each other are a deadlock, threads with a deadline are not") {
        check_caught("deadlock", [](scheduler& model) {
            model_atom<std::uint32_t> word{0};
            model_waiter<model_atom> waiter;
            model.run_each(2, [&](unsigned) {
                while (word.load_acquire() == 0) {
                    waiter.wait(word, 0, UINT64_MAX);
                }
            });
        });
        check_all([](scheduler& model) {
            model_atom<std::uint32_t> word{0};
            model_waiter<model_atom> waiter;
            model.run_each(2, [&](unsigned) {
                while (waiter.wait(word, 0, 1)) {
                }
            });
        });
    }

    TEST_CASE("scheduler: a spin without end is a livelock") {
        check_caught("livelock", [](scheduler& model) {
            model_atom<std::uint32_t> word{0};
            model.run([&] {
                while (word.load_acquire() == 0) {
                }
            });
        });
    }

    TEST_CASE("scheduler: one seed is one schedule") {
        const auto trace = [](std::uint64_t seed) {
            std::uint64_t hash = 0;
            const exploration result = explore_seeds(seed, 1, [&](scheduler& model) {
                model_atom<std::uint32_t> word{0};
                model.run_each(3, [&](unsigned i) {
                    for (int n = 0; n < 4; ++n) {
                        hash = hash * 31 + word.fetch_add_relaxed(i + 1) * 7 + word.load_relaxed();
                    }
                });
            });
            CHECK(result.failure == "");
            return hash;
        };
        unsigned different = 0;
        for (std::uint64_t seed = 1; seed <= 50; ++seed) {
            const std::uint64_t first = trace(seed);
            CHECK(first == trace(seed));
            different += first != trace(seed + 1) ? 1u : 0u;
        }
        CHECK(different > 40);
    }
}
