// intrusive_completion_queue under the seeded scheduler: nothing lost or doubled, FIFO, slots used again at once.
#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "runtime/completion_queue.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;

constexpr unsigned producers = 2;
constexpr unsigned slots_each = 2;
constexpr unsigned laps = 2;

[[nodiscard]] constexpr std::uint64_t item_of(std::uint64_t slot, std::uint64_t lap) { return (lap + 1) << 24 | slot; }

// Each producer sends its slots in laps, as single items or in bulk; a slot comes back through `collected`, which keeps
// the strict order whatever Atom the queue has.
template <template <class> class Atom>
void queue_scenario(scheduler& model, unsigned consumers, bool bulk) {
    constexpr unsigned slots = producers * slots_each;
    runtime::intrusive_completion_queue<Atom> queue{slots};
    std::array<model_data<std::uint64_t>, slots> output;
    std::array<model_atom<std::uint64_t>, slots> collected;
    std::array<std::uint64_t, slots> last{};
    unsigned total = 0;

    const auto produce = [&](unsigned self) {
        for (std::uint64_t lap = 0; lap < laps; ++lap) {
            std::array<std::uint64_t, slots_each> items{};
            for (unsigned i = 0; i < slots_each; ++i) {
                const std::uint64_t slot = self * slots_each + i;
                while (collected[slot].load_acquire() != lap) {
                    model.yield();
                }
                output[slot] = lap + 1;
                items[i] = item_of(slot, lap);
                if (!bulk) {
                    queue.enqueue(items[i], self);
                }
            }
            if (bulk) {
                queue.enqueue_bulk(items.data(), items.size(), self);
            }
        }
    };
    const auto consume = [&] {
        unsigned mine = 0;
        std::uint64_t previous[producers] = {};
        while (total < slots * laps) {
            std::array<std::uint64_t, 3> items{};
            const std::size_t n = queue.try_dequeue_bulk(items.data(), bulk ? items.size() : 1);
            for (std::size_t i = 0; i < n; ++i) {
                const std::uint64_t slot = items[i] & queue.slot_mask;
                const std::uint64_t lap = items[i] >> 24;
                if (slot >= slots) {
                    model.fail("an item that nobody sent");
                    return;
                }
                model.expect(lap == last[slot] + 1, "an item is lost or doubled");
                last[slot] = lap;
                model.expect(output[slot] == lap, "the slot's output is old");
                const std::uint64_t order = lap * slots_each + slot % slots_each;
                model.expect(order > previous[slot / slots_each], "a producer's order is broken");
                previous[slot / slots_each] = order;
                ++total;
                ++mine;
                collected[slot].store_release(lap);
            }
            if (n == 0) {
                model.yield();
            }
        }
    };
    model.run_each(producers + consumers, [&](unsigned self) {
        if (self < producers) {
            produce(self);
        } else {
            consume();
        }
    });
    std::uint64_t item = 0;
    model.expect(!queue.try_dequeue(item), "an item too many");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("intrusive_completion_queue: nothing lost or doubled with one consumer") {
        check_all([](scheduler& model) { queue_scenario<model_atom>(model, 1, false); });
    }
    TEST_CASE("intrusive_completion_queue: nothing lost or doubled with two consumers") {
        check_all([](scheduler& model) { queue_scenario<model_atom>(model, 2, false); });
    }
    TEST_CASE("intrusive_completion_queue: nothing lost or doubled in bulk") {
        check_all([](scheduler& model) { queue_scenario<model_atom>(model, 2, true); });
    }
    TEST_CASE("intrusive_completion_queue: weakened orders are caught") {
        check_caught("", [](scheduler& model) { queue_scenario<released_weakly>(model, 1, false); });
        check_caught("", [](scheduler& model) { queue_scenario<acquired_weakly>(model, 1, false); });
        check_caught("", [](scheduler& model) { queue_scenario<released_weakly>(model, 2, true); });
    }
}
