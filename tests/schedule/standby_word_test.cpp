// standby_word under the seeded scheduler: programs put output off and never come back, and a standby that ticks, rests
// without an end or sleeps in its drive has to write all of it. A missed debt is a deadlock here.
#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "runtime/drive_token.hpp"
#include "runtime/parking.hpp"
#include "runtime/pile.hpp"
#include "runtime/standby_word.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;
using namespace colloquy::runtime;

// One mistake a run, to show that each step of the protocol is needed.
enum class mistake { none, nobody_told, rests_regardless, sleeps_regardless, settles_afterwards };

struct output {
    output* next = nullptr;
    model_data<unsigned> bytes{0};
};

constexpr unsigned programs = 3;

template <template <class> class Atom>
struct house {
    scheduler& model;
    mistake wrong;
    standby_word<Atom> word{};
    spot<Atom> place{};
    drive_token<Atom> token{};
    pile<output, Atom> dirty{};
    Atom<std::uint32_t> bell{0};
    model_waiter<Atom> waiter{};
    unsigned written{0};

    void put_off(output& what) {
        what.bytes = 64;
        dirty.push(&what);
        switch (word.owe()) {
            case standby_word<Atom>::to_tell::nobody: return;
            case standby_word<Atom>::to_tell::resting:
                if (wrong != mistake::nobody_told) place.notify(waiter);
                return;
            case standby_word<Atom>::to_tell::driving:
                if (wrong == mistake::nobody_told || token.post_work() != post_result::must_wake) return;
                bell.exchange_acq_rel(1);
                waiter.wake(bell, 1);
        }
    }
    void write() {
        for (output* o = dirty.take_all(); o != nullptr; o = o->next) {
            model.expect(o->bytes == 64, "output is not whole");
            ++written;
        }
    }
    void pay() {
        if (wrong == mistake::settles_afterwards) write();
        word.settle();
        if (wrong != mistake::settles_afterwards) write();
    }
    void rest() {
        if (!word.rest() && wrong != mistake::rests_regardless) {
            (void)word.woke();  // a tick
            return;
        }
        if (place.prepare())
            (void)place.wait(waiter, no_deadline);
        else
            (void)place.cancel();
        (void)word.woke();
    }
    void drive() {
        model.expect(token.try_acquire(), "two drive");
        word.begin_drive();
        (void)token.take_work();
        if ((wrong == mistake::sleeps_regardless || !word.owes()) && token.try_sleep_alone()) {
            while (bell.exchange_acq_rel(0) == 0) waiter.wait(bell, 0, no_deadline);
            (void)token.awake();
        }
        word.end_drive();
        token.hand_over();
    }
};

template <template <class> class Atom>
void stays_away(scheduler& model, mistake wrong = mistake::none) {
    house<Atom> h{model, wrong};
    std::array<output, programs> all;
    model.run_each(programs + 1, [&](unsigned self) {
        if (self != programs) {
            h.put_off(all[self]);
            return;
        }
        for (unsigned turn = 0; h.written != programs; ++turn) {
            if (turn % 2 == 0)
                h.rest();
            else
                h.drive();
            h.pay();
        }
    });
    model.expect(h.written == programs, "output is lost or doubled");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("standby_word: output of programs that never come back leaves, whatever the standby does") {
        check_all([](scheduler& model) { stays_away<model_atom>(model); });
    }
    TEST_CASE("standby_word: each step is needed") {
        for (const mistake m :
             {mistake::nobody_told, mistake::rests_regardless, mistake::sleeps_regardless, mistake::settles_afterwards})
            check_caught("deadlock", [m](scheduler& model) { stays_away<model_atom>(model, m); });
    }
}
