// lazy_array, index_pool and buffer_pool: limits, recycling, reservations, then real threads.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <new>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/buffer_pool.hpp"
#include "runtime/index_pool.hpp"
#include "runtime/lazy_array.hpp"

namespace {

using namespace colloquy::runtime;

struct not_zero {
    int value{1};
    ~not_zero() {}
};
static_assert(zero_is_initial<int>::value);
static_assert(zero_is_initial<atom<std::uint64_t>>::value);
static_assert(!zero_is_initial<not_zero>::value);

constexpr std::uint32_t million = 1'048'576;

}  // namespace

TEST_SUITE("runtime") {
    TEST_CASE("lazy_array: zeroed, aligned, and refuses what cannot be had") {
        lazy_array<std::uint32_t, 64> numbers{1'000};
        CHECK(numbers.size() == 1'000);
        CHECK(reinterpret_cast<std::uintptr_t>(numbers.data()) % 64 == 0);
        CHECK(std::all_of(numbers.data(), numbers.data() + numbers.size(), [](std::uint32_t n) { return n == 0; }));
        numbers[999] = 7;
        CHECK(std::as_const(numbers)[999] == 7);
        const lazy_array<int> none{0};
        CHECK(none.size() == 0);
        CHECK_THROWS_AS(lazy_array<std::uint64_t>{SIZE_MAX / 4}, std::bad_alloc);
    }

    TEST_CASE("index_pool: every index once, then none, then again") {
        for (const std::uint32_t shards : {1u, 3u}) {
            index_pool<> pool{100, shards};
            CHECK(pool.capacity() == 100);
            CHECK(pool.approx_free() == 100);
            for (int round = 0; round < 3; ++round) {
                std::set<std::uint32_t> seen;
                for (std::uint32_t i = 0; i < 100; ++i) {
                    const auto index = pool.acquire(i);
                    REQUIRE(index.has_value());
                    CHECK(*index < 100);
                    seen.insert(*index);
                }
                CHECK(seen.size() == 100);
                CHECK_FALSE(pool.acquire(0).has_value());
                CHECK_FALSE(pool.acquire(1).has_value());
                CHECK(pool.approx_free() == 0);
                CHECK(pool.approx_in_use() == 100);
                for (const std::uint32_t index : seen) {
                    pool.release(index, index / 7);
                }
                CHECK(pool.approx_free() == 100);
            }
        }
    }

    TEST_CASE("index_pool: finds the one free index in whichever shard it is") {
        index_pool<> pool{8, 4};
        for (std::uint32_t i = 0; i < 8; ++i) {
            REQUIRE(pool.acquire(i).has_value());
        }
        for (std::uint32_t to = 0; to < 4; ++to) {
            for (std::uint32_t from = 0; from < 4; ++from) {
                pool.release(5, to);
                const auto index = pool.acquire(from);
                REQUIRE(index.has_value());
                CHECK(*index == 5);
            }
        }
        CHECK(index_pool<>{0, 2}.acquire(0) == std::nullopt);
    }

    TEST_CASE("index_pool: a million indices, reused before new ones are touched") {
        auto pool = std::make_unique<index_pool<>>(million, 2u);
        std::vector<bool> seen(million, false);
        const auto first = pool->acquire(0);
        REQUIRE(first.has_value());
        for (int i = 0; i < 1'000; ++i) {
            pool->release(*first, 0);
            CHECK(pool->acquire(0) == first);
        }
        CHECK(pool->approx_touched() == 1);
        pool->release(*first, 1);
        std::uint32_t doubled = 0;
        for (std::uint32_t i = 0; i < million; ++i) {
            const auto index = pool->acquire(i);
            if (!index || seen[*index]) {
                ++doubled;
                continue;
            }
            seen[*index] = true;
        }
        CHECK(doubled == 0);
        CHECK_FALSE(pool->acquire(0).has_value());
        for (std::uint32_t i = 0; i < million; ++i) {
            pool->release(i, i);
        }
        CHECK(pool->approx_free() == million);
    }

    TEST_CASE("index_pool: threads that hold no more than there is never hear none, and share nothing") {
        constexpr std::uint32_t threads_count = 4;
        constexpr std::uint32_t held = 8;
        index_pool<> pool{threads_count * held, 2};
        std::vector<unsigned> owner(threads_count * held, 0);  // plain memory, ordered by the pool
        atom<unsigned> wrong{0};
        std::vector<std::thread> threads;
        for (std::uint32_t self = 1; self <= threads_count; ++self) {
            threads.emplace_back([&, self] {
                std::vector<std::uint32_t> mine;
                for (std::uint32_t round = 0; round < 4'000; ++round) {
                    for (std::uint32_t i = 0; i < 1 + round % held; ++i) {
                        const auto index = pool.acquire(self);
                        if (!index || owner[*index] != 0) {
                            wrong.fetch_add_relaxed(1);
                            continue;
                        }
                        owner[*index] = self;
                        mine.push_back(*index);
                    }
                    for (const std::uint32_t index : mine) {
                        wrong.fetch_add_relaxed(owner[index] != self ? 1 : 0);
                        owner[index] = 0;
                        pool.release(index, self + round);
                    }
                    mine.clear();
                }
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(wrong.load_relaxed() == 0);
        CHECK(pool.approx_free() == threads_count * held);
    }

    TEST_CASE("buffer_pool: the smallest class that fits, then a larger one, then none") {
        buffer_pool<> pool{{1, 2, 1}, 0};
        buffer* const cell = pool.allocate(cell_payload, 0);
        REQUIRE(cell != nullptr);
        CHECK(cell->size_class == buffer_class::cell);
        CHECK(cell->capacity == cell_payload);
        CHECK(cell->size() == 0);
        CHECK(cell->room() == cell_payload);
        buffer* const block = pool.allocate(1, 0);
        REQUIRE(block != nullptr);
        CHECK(block->size_class == buffer_class::block);
        CHECK(block->capacity == block_payload);
        buffer* const second = pool.allocate(cell_payload + 1, 0);
        REQUIRE(second != nullptr);
        CHECK(second->size_class == buffer_class::block);
        buffer* const bulk = pool.allocate(0, 0);
        REQUIRE(bulk != nullptr);
        CHECK(bulk->size_class == buffer_class::bulk);
        CHECK(bulk->capacity >= 65'536 + 8);
        CHECK(pool.allocate(0, 0) == nullptr);
        CHECK(pool.bytes_in_use(buffer_class::cell) == cell_bytes);
        CHECK(pool.bytes_in_use(buffer_class::block) == 2 * block_bytes);
        CHECK(pool.bytes_in_use(buffer_class::bulk) == bulk_bytes);

        for (buffer* const one : {cell, block, second, bulk}) {
            CHECK(reinterpret_cast<std::uintptr_t>(one) % 64 == 0);
            std::memset(one->bytes(), 0x5A, one->capacity);
        }
        cell->next = block;
        block->next = second;
        second->next = bulk;
        bulk->next = nullptr;
        pool.release_chain(cell, 0);
        CHECK(pool.bytes_in_use(buffer_class::cell) == 0);
        CHECK(pool.bytes_in_use(buffer_class::block) == 0);
        CHECK(pool.bytes_in_use(buffer_class::bulk) == 0);
        CHECK(pool.allocate(bulk_payload + 1, 0) == nullptr);
        buffer* const again = pool.allocate(bulk_payload, 0);
        REQUIRE(again != nullptr);
        CHECK((again->user1 == 0 && again->user2 == 0 && again->user3 == 0 && again->next == nullptr));
        pool.release(again, 0);
    }

    TEST_CASE("buffer_pool: cells that back reservations are not for everybody") {
        const std::uint64_t two_cells = 2 * cell_payload;
        buffer_pool<> pool{{3, 0, 0}, two_cells};
        CHECK(pool.reservable_bytes() == two_cells);
        CHECK(buffer_pool<>::charge_for(0) == 0);
        CHECK(buffer_pool<>::charge_for(1) == cell_payload);
        CHECK(buffer_pool<>::charge_for(cell_payload + 1) == two_cells);

        buffer* const free_one = pool.allocate(10, 0);
        REQUIRE(free_one != nullptr);
        CHECK(pool.allocate(10, 0) == nullptr);

        CHECK(pool.reserve(buffer_pool<>::charge_for(cell_payload + 1)));
        CHECK_FALSE(pool.reserve(1));
        CHECK(pool.reserved_bytes() == two_cells);
        buffer* const first = pool.allocate_cell(0);
        buffer* const second = pool.allocate_cell(1);
        REQUIRE(first != nullptr);
        REQUIRE(second != nullptr);
        first->next = second;
        pool.release_chain(first, 0);
        CHECK(pool.allocate(10, 0) == nullptr);  // Those two are still set aside.
        pool.unreserve(two_cells);
        CHECK(pool.reserve(two_cells));
        pool.unreserve(two_cells);
        pool.release(free_one, 0);
        buffer* const next_one = pool.allocate(10, 0);
        CHECK(next_one != nullptr);
        pool.release(next_one, 0);
    }

    TEST_CASE("buffer_pool: more than the cells can carry is not reservable") {
        buffer_pool<> pool{{2, 1, 0}, 1'000'000};
        CHECK(pool.reservable_bytes() == 2 * cell_payload);
        CHECK_FALSE(pool.reserve(2 * cell_payload + 1));
        CHECK_FALSE(pool.reserve(UINT64_MAX));
        CHECK(pool.reserve(2 * cell_payload));
        buffer* const block = pool.allocate(1, 0);
        REQUIRE(block != nullptr);
        CHECK(block->size_class == buffer_class::block);
        pool.release(block, 0);
    }

    TEST_CASE("buffer_pool: threads reserve and allocate, and no reservation is disappointed") {
        constexpr std::uint64_t charge = buffer_pool<>::charge_for(3 * cell_payload);
        buffer_pool<> pool{{10, 2, 1}, 2 * charge, 2};
        atom<unsigned> disappointed{0};
        atom<unsigned> damaged{0};
        std::vector<std::thread> threads;
        for (unsigned self = 0; self < 4; ++self) {
            threads.emplace_back([&, self] {
                const auto mark = static_cast<unsigned char>(self + 1);
                for (int round = 0; round < 5'000; ++round) {
                    if (self % 2 == 0) {
                        if (buffer* const one = pool.allocate(static_cast<std::size_t>(round) % 300, self)) {
                            std::memset(one->bytes(), mark, 64);
                            damaged.fetch_add_relaxed(std::to_integer<unsigned char>(one->bytes()[63]) != mark ? 1 : 0);
                            pool.release(one, self);
                        }
                    } else if (pool.reserve(charge)) {
                        buffer* chain = nullptr;
                        for (int i = 0; i < 3; ++i) {
                            buffer* const cell = pool.allocate_cell(self);
                            if (cell == nullptr) {
                                disappointed.fetch_add_relaxed(1);
                                continue;
                            }
                            std::memset(cell->bytes(), mark, cell->capacity);
                            cell->next = chain;
                            chain = cell;
                        }
                        for (const buffer* cell = chain; cell != nullptr; cell = cell->next) {
                            const auto last = std::to_integer<unsigned char>(cell->bytes()[cell_payload - 1]);
                            damaged.fetch_add_relaxed(last != mark ? 1 : 0);
                        }
                        pool.release_chain(chain, self);
                        pool.unreserve(charge);
                    }
                }
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(disappointed.load_relaxed() == 0);
        CHECK(damaged.load_relaxed() == 0);
        CHECK(pool.reserved_bytes() == 0);
        CHECK(pool.bytes_in_use(buffer_class::cell) == 0);
        CHECK(pool.bytes_in_use(buffer_class::block) == 0);
        CHECK(pool.bytes_in_use(buffer_class::bulk) == 0);
    }
}
