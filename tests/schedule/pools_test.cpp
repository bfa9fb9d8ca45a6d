// index_pool and buffer_pool under the seeded scheduler: one holder an index, nothing lost, no false "none".
#include <array>
#include <cstdint>
#include <optional>

#include <doctest/doctest.h>

#include "runtime/buffer_pool.hpp"
#include "runtime/index_pool.hpp"
#include "runtime/shared_sets.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;

// One value of two; all of them meet at one hint.
struct model_set {
    model_data<unsigned> value;
    [[nodiscard]] bool same_as(const model_set& other) const noexcept { return value.get() == other.value.get(); }
    [[nodiscard]] std::uint32_t hash() const noexcept { return 0; }
};

}  // namespace

template <>
struct runtime::zero_is_initial<model_set> : std::bool_constant<true> {};

namespace {

// Each of three threads prepares sets, shares them and reads what it holds while others do the same. There are enough
// for one each and one more each inside share(), so take() may never find none.
template <template <class> class Atom>
void sets_scenario(scheduler& model, unsigned rounds) {
    constexpr unsigned threads = 3;
    runtime::shared_sets<model_set, Atom, 1> sets{2 * threads, 1};
    model.run_each(threads, [&](unsigned self) {
        for (unsigned round = 0; round < rounds; ++round) {
            const auto mine = sets.take(self);
            if (!mine) {
                model.fail("take found none although there were enough");
                return;
            }
            const unsigned value = model.random(2) + 1;
            sets[*mine].value = value;
            model.expect(sets.is_own(*mine), "somebody holds what is being written");
            const std::uint32_t held = sets.share(*mine, 0);
            model.expect(sets[held].value == value, "a set of other values");
            model.yield();
            model.expect(sets[held].value == value, "a set that is held was written");
            sets.drop(held, 0);
        }
    });
    model.expect(sets.approx_in_use() == 0, "a set is lost or was given back twice");
}

// The tag of the stack heads is cut off, which is the ABA mistake.
struct tag_lost : no_fault {
    [[nodiscard]] static std::uint64_t swapped_in(std::uint64_t value) noexcept { return value & 0xFFFF'FFFF; }
    [[nodiscard]] static std::uint32_t swapped_in(std::uint32_t value) noexcept { return value; }
};

template <class T>
using untagged = basic_model_atom<T, tag_lost>;
// Each of three threads holds at most `held` indices of a pool that has just enough, so acquire may never fail.
template <template <class> class Atom>
void index_scenario(scheduler& model, std::uint32_t shards, std::uint32_t held, unsigned rounds) {
    constexpr unsigned threads = 3;
    const std::uint32_t capacity = threads * held;
    runtime::index_pool<Atom> pool{capacity, shards};
    std::array<model_data<unsigned>, 8> holder;
    model.run_each(threads, [&](unsigned self) {
        std::array<std::uint32_t, 2> mine{};
        for (unsigned round = 0; round < rounds; ++round) {
            for (std::uint32_t i = 0; i < held; ++i) {
                const auto index = pool.acquire(self);
                if (!index) {
                    model.fail("acquire found none although one was free all the time");
                    return;
                }
                mine[i] = *index;
                holder[*index] = self + 1;
            }
            for (std::uint32_t i = 0; i < held; ++i) {
                model.expect(holder[mine[i]] == self + 1, "an index has two holders");
                pool.release(mine[i], self + round);
            }
        }
    });
    model.expect(pool.approx_free() == capacity, "the statistics do not add up");
    std::array<bool, 8> seen{};
    for (std::uint32_t i = 0; i < capacity; ++i) {
        const auto index = pool.acquire(i);
        model.expect(index && *index < capacity && !seen[*index], "an index is lost or doubled");
        if (index) {
            seen[*index % 8] = true;
        }
    }
    model.expect(!pool.acquire(0), "an index too many");
}

// Two cells, one of them reservable: whoever reserved finds it, however busy the other one is.
template <template <class> class Atom>
void reservation_scenario(scheduler& model) {
    constexpr std::uint64_t charge = runtime::buffer_pool<Atom>::charge_for(100);
    runtime::buffer_pool<Atom> pool{{2, 0, 0}, charge, 2};
    model.run_each(3, [&](unsigned self) {
        for (unsigned round = 0; round < 2; ++round) {
            if (self != 0) {
                if (pool.reserve(charge)) {
                    runtime::buffer* const cell = pool.allocate_cell(self);
                    model.expect(cell != nullptr, "a reservation found no cell");
                    if (cell != nullptr) {
                        pool.release(cell, self);
                    }
                    pool.unreserve(charge);
                }
            } else if (runtime::buffer* const cell = pool.allocate(100, self)) {
                pool.release(cell, self);
            }
        }
    });
    model.expect(pool.reserved_bytes() == 0, "a reservation is lost");
    model.expect(pool.bytes_in_use(runtime::buffer_class::cell) == 0, "a cell is lost");
    model.expect(pool.reserve(charge) && pool.allocate(1, 0) != nullptr && pool.allocate_cell(0) != nullptr,
                 "a cell is not to be had again");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("index_pool: one holder an index, and no false none, in one shard") {
        check_all([](scheduler& model) { index_scenario<model_atom>(model, 1, 2, 2); });
    }
    TEST_CASE("index_pool: one holder an index, and no false none, with stealing") {
        check_all([](scheduler& model) { index_scenario<model_atom>(model, 2, 1, 3); });
    }
    TEST_CASE("index_pool: a missing tag is caught") {
        check_caught("", [](scheduler& model) { index_scenario<untagged>(model, 1, 2, 3); });
    }
    TEST_CASE("index_pool: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { index_scenario<released_weakly>(model, 1, 1, 3); });
        check_caught("data race", [](scheduler& model) { index_scenario<acquired_weakly>(model, 1, 1, 3); });
    }
    TEST_CASE("buffer_pool: a reservation always finds its cell") {
        check_all([](scheduler& model) { reservation_scenario<model_atom>(model); });
    }
    TEST_CASE("shared_sets: what is held is not written, and is free when nobody holds it") {
        check_all([](scheduler& model) { sets_scenario<model_atom>(model, 3); });
    }
    TEST_CASE("shared_sets: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { sets_scenario<released_weakly>(model, 3); });
        check_caught("data race", [](scheduler& model) { sets_scenario<acquired_weakly>(model, 3); });
    }
}
