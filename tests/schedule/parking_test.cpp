// permit_gate and spot under the seeded scheduler: no lost permit, no lost wake-up (a deadlock here), no lost poke.
#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "runtime/parking.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;
using runtime::no_deadline;
using runtime::park_result;

// The epoch does not move, so a sleeper cannot tell that something happened between its look and its sleep.
struct epoch_frozen : no_fault {
    [[nodiscard]] static std::uint64_t added(std::uint64_t value) noexcept { return value; }
    [[nodiscard]] static std::uint32_t added(std::uint32_t) noexcept { return 0; }
};

template <class T>
using frozen = basic_model_atom<T, epoch_frozen>;
// Falls asleep without comparing, as a condition variable does when its mutex was forgotten.
template <template <class> class Atom>
struct careless_waiter : model_waiter<Atom> {
    bool wait(Atom<std::uint32_t>& word, std::uint32_t, std::uint64_t deadline) noexcept {
        scheduler::current()->point();
        return scheduler::current()->park(&word, deadline != no_deadline);
    }
};

// Two posters, two consumers that together need every permit and have no deadline.
template <template <class> class Atom, class W>
void permits_scenario(scheduler& model) {
    runtime::permit_gate<Atom> gate;
    W waiter;
    unsigned got = 0;
    model.run_each(4, [&](unsigned self) {
        if (self == 0) {
            gate.post(1, waiter);
            gate.post(1, waiter);
        } else if (self == 1) {
            gate.post(2, waiter);
        } else {
            for (int n = 0; n < 2; ++n) {
                const park_result result = gate.acquire_or_park(waiter, no_deadline);
                model.expect(result == park_result::permit, "woken without a permit");
                ++got;
            }
        }
    });
    model.expect(got == 4, "a permit is lost");
    model.expect(!gate.try_acquire() && gate.approx_sleepers() == 0, "something is left");
}

// A burst of posts of one wakes as many as a post of all: three sleepers, three permits, barging allowed.
template <template <class> class Atom>
void burst_scenario(scheduler& model) {
    runtime::permit_gate<Atom> gate;
    model_waiter<Atom> waiter;
    unsigned got = 0;
    model.run_each(5, [&](unsigned self) {
        if (self < 3) {
            model.expect(gate.acquire_or_park(waiter, no_deadline) == park_result::permit, "woken without a permit");
            ++got;
        } else if (self == 3) {
            gate.post(1, waiter);
            gate.post(1, waiter);
            gate.post(1, waiter);
        } else {
            for (int n = 0; n < 2; ++n) {
                if (gate.try_acquire()) {
                    gate.post(1, waiter);
                }
            }
        }
    });
    model.expect(got == 3, "a permit is lost");
}

// What was written before the post is seen by whoever gets the permit.
template <template <class> class Atom>
void publication_scenario(scheduler& model) {
    runtime::permit_gate<Atom> gate;
    model_waiter<Atom> waiter;
    model_data<int> data{0};
    model.run(
        [&] {
            data = 7;
            gate.post(1, waiter);
        },
        [&] {
            if (gate.acquire_or_park(waiter, no_deadline) == park_result::permit) {
                model.expect(data == 7, "the data is old");
            }
        });
}

// Deadlines pass while permits and pokes come: every permit and every poke ends up with exactly one.
template <template <class> class Atom>
void poke_scenario(scheduler& model) {
    runtime::permit_gate<Atom> gate;
    model_waiter<Atom> waiter;
    unsigned permits = 0;
    unsigned pokes = 0;
    unsigned poked = 0;
    model.run_each(5, [&](unsigned self) {
        if (self == 0) {
            gate.post(1, waiter);
            poked += gate.poke_one(waiter) ? 1u : 0u;
        } else if (self == 1) {
            poked += gate.poke_all(waiter);
            gate.post(1, waiter);
        } else {
            const park_result result = self == 2 ? gate.acquire_or_park(waiter, 1, [&] { return model.random(2) == 0; })
                                                 : gate.acquire_or_park(waiter, 1);
            permits += result == park_result::permit ? 1u : 0u;
            pokes += result == park_result::poked ? 1u : 0u;
            model.expect(self == 2 || result != park_result::declined, "declined without a recheck");
        }
    });
    while (gate.try_acquire()) {
        ++permits;
    }
    model.expect(permits == 2, "a permit is lost or doubled");
    model.expect(pokes == poked, "a poke is lost or doubled");
    model.expect(gate.approx_sleepers() == 0, "a sleeper is left");
}

// A flag set before the poke is either seen by the recheck or the sleeper is poked: nobody sleeps on.
template <template <class> class Atom>
void recheck_scenario(scheduler& model, bool with_recheck) {
    runtime::permit_gate<Atom> gate;
    model_waiter<Atom> waiter;
    Atom<std::uint32_t> flag{0};
    model.run_each(3, [&](unsigned self) {
        if (self == 0) {
            flag.exchange_acq_rel(1);
            gate.poke_all(waiter);
            return;
        }
        if (flag.load_acquire() == 0) {
            const park_result result = gate.acquire_or_park(
                waiter, no_deadline, [&] { return !with_recheck || flag.fetch_or_acq_rel(0) == 0; });
            model.expect(result == park_result::poked || result == park_result::declined, "a permit out of nothing");
        }
    });
}

template <template <class> class Atom, class W>
void spot_scenario(scheduler& model, bool with_look) {
    runtime::spot<Atom> place;
    W waiter;
    model_data<int> first{0};
    model_data<int> second{0};
    model_atom<std::uint32_t> ready{0};
    model.run(
        [&] {
            first = 1;
            ready.fetch_add_acq_rel(1);
            place.notify(waiter);
            while (ready.load_acquire() != 2) {
                model.yield();
            }
            second = 2;
            place.notify(waiter);
        },
        [&] {
            const auto await = [&] {
                if (with_look) {
                    (void)place.prepare();
                }
                while (!place.wait(waiter, no_deadline)) {
                    (void)place.prepare();
                }
            };
            await();
            model.expect(first == 1, "the data is old");
            ready.store_release(2);
            await();
            model.expect(second == 2, "the data is old");
        });
}

// With a deadline the owner may leave, and the notification is still there for the next wait.
template <template <class> class Atom>
void spot_deadline_scenario(scheduler& model) {
    runtime::spot<Atom> place;
    model_waiter<Atom> waiter;
    unsigned notified = 0;
    model.run([&] { place.notify(waiter); },
              [&] {
                  for (int n = 0; n < 3; ++n) {
                      (void)place.prepare();
                      notified += place.wait(waiter, 1) ? 1u : 0u;
                  }
              });
    notified += place.cancel() ? 1u : 0u;
    model.expect(notified == 1, "a notification is lost or doubled");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("permit_gate: no permit and no wake-up is lost") {
        check_all([](scheduler& model) { permits_scenario<model_atom, model_waiter<model_atom>>(model); });
    }
    TEST_CASE("permit_gate: a burst wakes as many sleepers as it has permits") {
        check_all([](scheduler& model) { burst_scenario<model_atom>(model); });
    }
    TEST_CASE("permit_gate: a permit carries what was written before the post") {
        check_all([](scheduler& model) { publication_scenario<model_atom>(model); });
    }
    TEST_CASE("permit_gate: pokes, permits and deadlines add up") {
        check_all([](scheduler& model) { poke_scenario<model_atom>(model); });
    }
    TEST_CASE("permit_gate: a recheck after the announcement misses nothing") {
        check_all([](scheduler& model) { recheck_scenario<model_atom>(model, true); });
    }
    TEST_CASE("permit_gate: a sleep without the epoch, the compare or the recheck is caught as a deadlock") {
        check_caught("deadlock", [](scheduler& model) { permits_scenario<frozen, model_waiter<frozen>>(model); });
        check_caught("deadlock",
                     [](scheduler& model) { permits_scenario<model_atom, careless_waiter<model_atom>>(model); });
        check_caught("deadlock", [](scheduler& model) { recheck_scenario<model_atom>(model, false); });
    }
    TEST_CASE("permit_gate: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { publication_scenario<released_weakly>(model); });
        check_caught("data race", [](scheduler& model) { publication_scenario<acquired_weakly>(model); });
        check_caught("deadlock",
                     [](scheduler& model) { permits_scenario<acquired_weakly, model_waiter<acquired_weakly>>(model); });
    }

    TEST_CASE("spot: a notification before, during or after prepare ends the wait") {
        check_all([](scheduler& model) { spot_scenario<model_atom, model_waiter<model_atom>>(model, true); });
        check_all([](scheduler& model) { spot_scenario<model_atom, model_waiter<model_atom>>(model, false); });
    }
    TEST_CASE("spot: a deadline loses no notification") {
        check_all([](scheduler& model) { spot_deadline_scenario<model_atom>(model); });
    }
    TEST_CASE("spot: a sleep without the compare is caught as a deadlock") {
        check_caught("deadlock",
                     [](scheduler& model) { spot_scenario<model_atom, careless_waiter<model_atom>>(model, true); });
    }
    TEST_CASE("spot: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) {
            spot_scenario<released_weakly, model_waiter<released_weakly>>(model, true);
        });
        check_caught("data race", [](scheduler& model) {
            spot_scenario<acquired_weakly, model_waiter<acquired_weakly>>(model, true);
        });
    }
}
