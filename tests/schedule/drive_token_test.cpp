// drive_token with its gate under the seeded scheduler: the whole protocol of runtime/drive_token.hpp, carried out by
// callers, an outside poster and a standby. A lost hand-over, wake-up or piece of work leaves somebody parked: a
// deadlock here.
#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "runtime/drive_token.hpp"
#include "runtime/parking.hpp"
#include "runtime/pile.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;
using namespace colloquy::runtime;

// One mistake a run, to show that each step of the protocol is needed.
enum class mistake {
    none,
    no_poke,
    no_recheck,
    no_take_over,
    no_second_try,
    sleep_unannounced,
    bell_not_rung,
    work_not_looked_at,  // a caller that drives takes posted work and sleeps without having looked again
};

struct news {
    model_data<news*> next;
};

// A reactor whose work is to answer each piece of news with one permit. News comes in two ways: posted by threads, and
// over the wire, which ends the OS wait but tells nobody else.
template <template <class> class Atom>
struct reactor {
    scheduler& model;
    mistake wrong;
    drive_token<Atom> token{};
    permit_gate<Atom> gate{};
    pile<news, Atom> arrivals{};
    pile<news, Atom> wire{};
    Atom<std::uint32_t> bell{0};
    model_waiter<Atom> waiter{};
    model_data<unsigned> answered{0};
    model_data<unsigned> read{0};
    unsigned driving{0};
    unsigned sleeps{0};
    unsigned rings{0};

    void ring() {
        ++rings;
        if (wrong != mistake::bell_not_rung) {
            bell.exchange_acq_rel(1);
            waiter.wake(bell, 1);
        }
    }

    // Input stays readable until somebody looks, as with a level-triggered descriptor.
    void input(news& item) {
        wire.push(&item);
        bell.exchange_acq_rel(1);
        waiter.wake(bell, 1);
    }

    void os_wait() {
        while (bell.exchange_acq_rel(0) == 0) {
            waiter.wait(bell, 0, no_deadline);
        }
    }

    // Work left by anybody; whoever finds nobody driving drives for a moment.
    void post(news& item) {
        arrivals.push(&item);
        switch (token.post_work()) {
            case post_result::must_wake: ring(); break;
            case post_result::nobody_driving:
                if (!gate.poke_one(waiter) && token.try_acquire()) {
                    drive();
                    leave();
                }
                break;
            case post_result::driver_awake: break;
        }
    }

    void enter() { model.expect(++driving == 1, "two drive"); }

    void drive() {
        enter();
        drive_on();
        --driving;
    }

    void drive_on() {
        (void)token.take_work();
        unsigned permits = 0;
        for (news* item = arrivals.take_all(); item != nullptr;) {
            news* const next = item->next;
            answered = answered + 1;
            ++permits;
            item = next;
        }
        for (news* item = wire.take_all(); item != nullptr;) {
            news* const next = item->next;
            read = read + 1;
            ++permits;
            item = next;
        }
        gate.post(permits, waiter);
    }

    void leave() {
        for (;;) {
            switch (token.try_release()) {
                case release_result::released: return;
                case release_result::work_left: drive(); break;
                case release_result::followers_left:
                    token.hand_over();
                    if (wrong == mistake::no_poke || gate.poke_one(waiter)) {
                        return;
                    }
                    if (wrong == mistake::no_second_try || !token.try_acquire()) {
                        return;
                    }
                    break;
            }
        }
    }

    // Drives until there is a permit for the caller. True: it got one.
    void drive_until_permit() {
        for (;;) {
            drive();
            if (gate.try_acquire()) {
                leave();
                return;
            }
            if (wrong == mistake::sleep_unannounced) {
                os_wait();
                continue;
            }
            if (token.try_sleep()) {
                ++sleeps;
                os_wait();
                token.awake();
            }
        }
    }

    // A blocked caller: waits for one permit, drives if nobody does. False: the deadline passed.
    bool wait_for_permit(std::uint64_t deadline = no_deadline) {
        for (;;) {
            if (gate.try_acquire()) {
                return true;
            }
            if (token.try_acquire()) {
                drive_until_permit();
                return true;
            }
            const park_result result = gate.acquire_or_park(waiter, deadline, [&] {
                if (wrong == mistake::no_recheck) {
                    return true;
                }
                switch (token.announce_follower()) {
                    case follow_result::token_free: return false;
                    case follow_result::announced_must_wake: ring(); return true;
                    case follow_result::announced: return true;
                }
                return true;
            });
            if (result == park_result::permit || result == park_result::timeout) {
                return result == park_result::permit;
            }
            if (result == park_result::poked && wrong != mistake::no_take_over) {
                switch (token.try_take_over()) {
                    case take_over_result::taken: drive_until_permit(); return true;
                    case take_over_result::announced_must_wake: ring(); break;
                    case take_over_result::announced: break;
                }
            }
        }
    }

    void check_end(unsigned posted, unsigned sent, unsigned taken) {
        model.expect(answered == posted, "posted work is lost or doubled");
        model.expect(read <= sent, "input is doubled");
        model.expect(gate.approx_permits() == answered + read - taken, "permits do not add up");
        model.expect(!token.approx_held(), "the token is lost");
        model.expect(sent == 0 ? rings == sleeps : rings <= sleeps, "not exactly one wake a sleep");
    }
};

// Three blocked callers live on two posts, of which one comes from outside, and two pieces of input; so at least one of
// them needs somebody in the OS wait, and work may come when all of them are gone.
template <template <class> class Atom>
void callers_scenario(scheduler& model, mistake wrong = mistake::none, std::uint64_t deadline = no_deadline) {
    reactor<Atom> r{model, wrong};
    unsigned taken = 0;
    std::array<news, 4> items;
    model.run_each(5, [&](unsigned self) {
        if (self == 4) {
            r.input(items[2]);
            r.input(items[3]);
        } else if (self == 3) {
            r.post(items[1]);
        } else {
            if (self == 0) {
                r.post(items[0]);
            }
            taken += r.wait_for_permit(self == 2 ? deadline : no_deadline) ? 1u : 0u;
        }
    });
    model.expect(deadline == no_deadline ? taken == 3 : taken >= 2, "a caller left without its permit");
    r.check_end(2, 2, taken);
}

// Posts alone: each sleep is ended by exactly one of them.
template <template <class> class Atom>
void posts_scenario(scheduler& model, mistake wrong = mistake::none) {
    reactor<Atom> r{model, wrong};
    std::array<news, 3> items;
    model.run_each(4, [&](unsigned self) {
        if (self != 2) {
            r.post(items[self == 3 ? 2 : self]);
        }
        if (self != 3) {
            model.expect(r.wait_for_permit(), "a caller left without its permit");
        }
    });
    r.check_end(3, 0, 3);
}

// A standby drives alone until callers come, steps aside, and comes back until it is told to stop.
template <template <class> class Atom>
void standby_scenario(scheduler& model) {
    reactor<Atom> r{model, mistake::none};
    std::array<news, 2> items;
    model_atom<std::uint32_t> stop{0};
    model_data<unsigned> standby_turns{0};
    unsigned callers = 2;
    model.run_each(4, [&](unsigned self) {
        if (self == 0) {
            // The standby.
            for (bool more = true; more;) {
                if (!r.token.try_acquire()) {
                    more = stop.load_acquire() == 0;
                    model.yield();
                    continue;
                }
                standby_turns = standby_turns + 1;
                for (;;) {
                    r.drive();
                    if (stop.load_acquire() != 0) {
                        more = false;
                        break;
                    }
                    if (r.token.try_sleep_alone()) {
                        ++r.sleeps;
                        r.os_wait();
                        r.token.awake();
                    } else if (r.token.approx_followers()) {
                        break;
                    }
                }
                r.leave();
            }
            return;
        }
        if (self == 3) {
            r.post(items[0]);
            r.post(items[1]);
            return;
        }
        model.expect(r.wait_for_permit(), "a caller left without its permit");
        if (--callers == 0) {
            stop.store_release(1);
            if (r.token.post_work() == post_result::must_wake) {
                r.ring();
            }
        }
    });
    if (r.token.try_acquire()) {
        r.leave();
    }
    r.check_end(2, 0, 2);
}

// A caller that drives, as transport::drive::wait and logical_unit::finish do: it waits for something that another
// thread does without leaving the drive anything, and only rings.
template <template <class> class Atom>
void caller_that_drives_scenario(scheduler& model, mistake wrong = mistake::none) {
    drive_token<Atom> token;
    model_waiter<Atom> waiter;
    Atom<std::uint32_t> bell{0};
    Atom<std::uint32_t> finished{0};
    model.run(
        [&] {
            finished.store_release(1);
            if (token.post_work() == post_result::must_wake) {
                bell.exchange_acq_rel(1);
                waiter.wake(bell, 1);
            }
        },
        [&] {
            model.expect(token.try_acquire(), "somebody else drives");
            while (finished.load_acquire() == 0) {
                (void)token.take_work();
                if (wrong != mistake::work_not_looked_at && finished.load_acquire() != 0) break;
                if (!token.try_sleep()) continue;
                while (bell.exchange_acq_rel(0) == 0) waiter.wait(bell, 0, no_deadline);
                (void)token.awake();
            }
        });
}

// The driver goes to sleep with followers waiting, which is allowed, and is woken by work alone.
template <template <class> class Atom>
void sleeper_scenario(scheduler& model) {
    drive_token<Atom> token;
    Atom<std::uint32_t> bell{0};
    model_waiter<Atom> waiter;
    unsigned rings = 0;
    unsigned sleeps = 0;
    unsigned seen = 0;
    model.expect(token.try_acquire(), "a free token is refused");
    model.run_each(4, [&](unsigned self) {
        if (self == 0) {
            while (seen == 0) {
                if (token.take_work()) {
                    ++seen;
                } else if (token.try_sleep()) {
                    ++sleeps;
                    while (bell.exchange_acq_rel(0) == 0) {
                        waiter.wait(bell, 0, no_deadline);
                    }
                    seen += token.awake() ? 1u : 0u;
                }
            }
        } else if (self == 1) {
            model.expect(token.announce_follower() == follow_result::announced, "a follower disturbed the sleep");
        } else if (token.post_work() == post_result::must_wake) {
            ++rings;
            bell.exchange_acq_rel(1);
            waiter.wake(bell, 1);
        }
    });
    model.expect(rings == sleeps, "not exactly one wake a sleep");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("drive_token: callers hand the drive to each other and nobody is left waiting") {
        check_all([](scheduler& model) { callers_scenario<model_atom>(model); });
    }
    TEST_CASE("drive_token: a caller whose deadline passes takes nobody's drive along") {
        check_all([](scheduler& model) { callers_scenario<model_atom>(model, mistake::none, 1); });
    }
    TEST_CASE("drive_token: each sleep of a driver is ended by exactly one post") {
        check_all([](scheduler& model) { posts_scenario<model_atom>(model); });
    }
    TEST_CASE("drive_token: a standby steps aside and no wake-up is lost") {
        check_all([](scheduler& model) { standby_scenario<model_atom>(model); });
    }
    TEST_CASE("drive_token: a caller that drives hears of what another thread did for it") {
        check_all([](scheduler& model) { caller_that_drives_scenario<model_atom>(model); });
        check_caught("deadlock", [](scheduler& model) {
            caller_that_drives_scenario<model_atom>(model, mistake::work_not_looked_at);
        });
    }
    TEST_CASE("drive_token: a sleeping holder is woken once, by work alone") {
        check_all([](scheduler& model) { sleeper_scenario<model_atom>(model); });
    }
    TEST_CASE("drive_token: each step of the protocol is needed") {
        for (const mistake wrong :
             {mistake::no_poke, mistake::no_recheck, mistake::no_take_over, mistake::no_second_try}) {
            CAPTURE(static_cast<int>(wrong));
            check_caught("", [wrong](scheduler& model) { callers_scenario<model_atom>(model, wrong); });
        }
        for (const mistake wrong : {mistake::sleep_unannounced, mistake::bell_not_rung}) {
            CAPTURE(static_cast<int>(wrong));
            check_caught("deadlock", [wrong](scheduler& model) { posts_scenario<model_atom>(model, wrong); });
        }
    }
    TEST_CASE("drive_token: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { callers_scenario<released_weakly>(model); });
        check_caught("data race", [](scheduler& model) { callers_scenario<acquired_weakly>(model); });
    }
}
