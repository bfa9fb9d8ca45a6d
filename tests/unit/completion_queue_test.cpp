// Both completion queues through the same tests: order, bulk, nothing lost between real threads.
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/completion_queue.hpp"

namespace {

using namespace colloquy::runtime;

[[nodiscard]] constexpr std::uint64_t item_of(std::uint64_t slot, std::uint64_t rest) { return rest << 24 | slot; }

}  // namespace

TEST_SUITE("runtime") {
    TEST_CASE_TEMPLATE("completion_queue: first in, first out", Queue, concurrent_completion_queue<>,
                       intrusive_completion_queue<>) {
        Queue queue{64, 2};
        std::uint64_t item = 0;
        CHECK_FALSE(queue.try_dequeue(item));
        for (std::uint64_t lap = 1; lap <= 100; ++lap) {
            const std::uint64_t n = lap % 64 + 1;
            for (std::uint64_t slot = 0; slot < n; ++slot) {
                queue.enqueue(item_of(slot, lap), 1);
            }
            for (std::uint64_t slot = 0; slot < n; ++slot) {
                REQUIRE(queue.try_dequeue(item));
                CHECK(item == item_of(slot, lap));
            }
            CHECK_FALSE(queue.try_dequeue(item));
        }
    }

    TEST_CASE_TEMPLATE("completion_queue: bulk keeps the order and takes no more than asked", Queue,
                       concurrent_completion_queue<>, intrusive_completion_queue<>) {
        Queue queue{16, 1};
        const std::array<std::uint64_t, 5> in{item_of(3, 9), item_of(0, 8), item_of(15, 7), item_of(7, 6),
                                              item_of(1, 5)};
        std::array<std::uint64_t, 8> out{};
        for (int lap = 0; lap < 50; ++lap) {
            queue.enqueue_bulk(in.data(), 0, 0);
            CHECK(queue.try_dequeue_bulk(out.data(), out.size()) == 0);
            queue.enqueue_bulk(in.data(), 3, 0);
            queue.enqueue_bulk(in.data() + 3, 2, 0);
            REQUIRE(queue.try_dequeue_bulk(out.data(), 2) == 2);
            REQUIRE(queue.try_dequeue_bulk(out.data() + 2, out.size() - 2) == 3);
            CHECK(std::equal(in.begin(), in.end(), out.begin()));
        }
        CHECK(queue.try_dequeue_bulk(out.data(), 0) == 0);
    }

    TEST_CASE("completion_queue: more items than were planned for are refused for a moment and never lost") {
        concurrent_completion_queue<> queue{1, 1};
        for (std::uint64_t i = 0; i < 1'000; ++i) {
            queue.enqueue(i, 0);
        }
        CHECK(queue.refusals() > 0);
        for (std::uint64_t i = 0; i < 1'000; ++i) {
            std::uint64_t item = 0;
            REQUIRE(queue.try_dequeue(item));
            CHECK(item == i);
        }
    }

    TEST_CASE_TEMPLATE("completion_queue: threads lose and double nothing", Queue, concurrent_completion_queue<>,
                       intrusive_completion_queue<>) {
        constexpr std::uint64_t slots = 256;
        constexpr std::uint64_t laps = 200;
        constexpr unsigned producers = 2;
        constexpr unsigned consumers = 2;
        // Two threads share one token now and then, as drives do that step in for each other.
        Queue queue{slots, producers};
        std::vector<atom<std::uint64_t>> collected(slots);
        std::vector<std::uint64_t> output(slots, 0);  // plain memory, ordered by the queue
        atom<std::uint64_t> total{0};
        atom<std::uint64_t> wrong{0};
        std::vector<std::thread> threads;
        for (unsigned self = 0; self < producers; ++self) {
            threads.emplace_back([&, self] {
                for (std::uint64_t lap = 1; lap <= laps; ++lap) {
                    for (std::uint64_t slot = self; slot < slots; slot += producers) {
                        while (collected[slot].load_acquire() != lap - 1) {
                            std::this_thread::yield();
                        }
                        output[slot] = lap;
                        queue.enqueue(item_of(slot, lap), lap % 8 == 0 ? 0 : self);
                    }
                }
            });
        }
        for (unsigned self = 0; self < consumers; ++self) {
            threads.emplace_back([&, self] {
                std::array<std::uint64_t, 16> items{};
                while (total.load_relaxed() < slots * laps) {
                    const std::size_t n = queue.try_dequeue_bulk(items.data(), self == 0 ? 1 : items.size());
                    for (std::size_t i = 0; i < n; ++i) {
                        const std::uint64_t slot = items[i] & 0xFF'FFFF;
                        const std::uint64_t lap = items[i] >> 24;
                        wrong.fetch_add_relaxed(
                            collected[slot].load_relaxed() != lap - 1 || output[slot] != lap ? 1 : 0);
                        collected[slot].store_release(lap);
                    }
                    total.fetch_add_relaxed(n);
                    if (n == 0) {
                        std::this_thread::yield();
                    }
                }
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(wrong.load_relaxed() == 0);
        CHECK(total.load_relaxed() == slots * laps);
        std::uint64_t item = 0;
        CHECK_FALSE(queue.try_dequeue(item));
    }
}
