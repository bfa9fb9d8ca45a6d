// write_gate under the seeded scheduler: a writer, a partner that makes room, and a driver that hears of it by edges.
// An edge lost between refusal and parking leaves the write parked for good, and the partner polls for nothing: a
// livelock here. A descriptor freed under the writer is a data race.
#include <cstdint>

#include <doctest/doctest.h>

#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"
#include "transport/write_gate.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;
using namespace colloquy::transport;

constexpr std::uint32_t life = 7;
constexpr unsigned writes = 3;

// One mistake a run, to show that each step of the protocol is needed.
enum class mistake { none, no_second_try, freed_while_occupied };

// A socket with room for one message, as an edge-triggered kernel keeps it: only a refusal earns an edge.
class model_socket {
public:
    bool write() {
        std::uint32_t before = state_.load_acquire();
        for (;;) {
            const bool full = (before & full_bit) != 0;
            if (state_.cas_acq_rel(before, before | (full ? wanted_bit : full_bit))) {
                return !full;
            }
        }
    }
    // The partner reads: room, and an edge if it was wanted. False when there was nothing to read.
    bool drain() {
        const std::uint32_t before = state_.fetch_and_acq_rel(~(full_bit | wanted_bit));
        if ((before & full_bit) != 0 && (before & wanted_bit) != 0) {
            raise();
        }
        return (before & full_bit) != 0;
    }
    void raise() {
        edge_.exchange_acq_rel(1);
        waiter_.wake(edge_, 1);
    }
    void wait_for_edge() {
        while (edge_.exchange_acq_rel(0) == 0) {
            waiter_.wait(edge_, 0, model_waiter<model_atom>::never);
        }
    }

private:
    static constexpr std::uint32_t full_bit = 1;
    static constexpr std::uint32_t wanted_bit = 2;

    model_atom<std::uint32_t> state_{0};
    model_atom<std::uint32_t> edge_{0};
    model_waiter<model_atom> waiter_;
};

template <template <class> class Atom>
struct stream_model {
    scheduler& model;
    mistake wrong;
    model_socket socket{};
    write_gate<Atom> gate{};
    model_data<unsigned> descriptor{0};  // written to free it, read to use it
    model_data<unsigned> parked{0};      // which write is parked
    model_atom<std::uint32_t> finished{0};
    model_waiter<model_atom> waiter{};
    unsigned stale{0};

    bool use_descriptor() {
        model.expect(descriptor == 1, "the descriptor is used after it was freed, or before it is there");
        return socket.write();
    }

    // Inside: writes number `which` and leaves, or parks. True when it is over.
    bool carry_on(unsigned which) {
        for (;;) {
            if (use_descriptor()) {
                if (!gate.leave()) {
                    socket.raise();
                }
                return true;
            }
            parked = which;
            park_result answer = gate.try_park();
            while (answer == park_result::try_again && wrong == mistake::no_second_try) {
                answer = gate.try_park();
            }
            switch (answer) {
                case park_result::parked: return false;
                case park_result::try_again: break;
                case park_result::closed:
                    ++stale;
                    if (!gate.leave()) {
                        socket.raise();
                    }
                    return true;
            }
        }
    }
    void finish(unsigned which) {
        finished.store_release(which);
        waiter.wake(finished, 1);
    }
    void on_edge() {
        if (gate.take_parked()) {
            const unsigned which = parked;
            if (carry_on(which)) {
                finish(which);
            }
        }
    }
};

// All writes are finished, whoever finishes them.
template <template <class> class Atom>
void edges_scenario(scheduler& model, mistake wrong) {
    stream_model<Atom> s{model, wrong};
    s.descriptor = 1;
    s.gate.open(life);
    auto writer = [&] {
        for (unsigned which = 1; which <= writes; ++which) {
            const entry_result entered = s.gate.try_enter(life);
            model.expect(entered == entry_result::inside, "the owner of the write duty is refused");
            if (entered != entry_result::inside) {
                return;
            }
            if (s.carry_on(which)) {
                s.finish(which);
            }
            for (std::uint32_t at = s.finished.load_acquire(); at != which; at = s.finished.load_acquire()) {
                s.waiter.wait(s.finished, at, model_waiter<model_atom>::never);
            }
        }
        s.socket.raise();  // lets the driver see the end
    };
    auto partner = [&] {
        for (unsigned got = 0; got < writes;) {
            if (s.socket.drain()) {
                ++got;
            } else {
                model.yield();
            }
        }
    };
    auto driver = [&] {
        while (s.finished.load_acquire() != writes) {
            s.socket.wait_for_edge();
            s.on_edge();
        }
    };
    model.run(writer, partner, driver);
}

// The driver closes at any moment and gives the slot a new life at once.
template <template <class> class Atom>
void close_scenario(scheduler& model, mistake wrong) {
    stream_model<Atom> s{model, wrong};
    s.descriptor = 1;
    s.gate.open(life);
    bool was_parked = false;
    auto writer = [&] {
        for (unsigned which = 1; which <= writes; ++which) {
            if (s.gate.try_enter(life) != entry_result::inside || !s.carry_on(which)) {
                return;
            }
        }
    };
    auto driver = [&] {
        if (model.random(2) == 0) {
            s.socket.drain();
            if (s.gate.take_parked()) {
                const unsigned which = s.parked;
                s.carry_on(which);
            }
        }
        const close_result before = s.gate.close();
        was_parked = before.was_parked;
        model.expect(!(before.was_parked && before.occupied), "a write is parked and under way");
        if (before.occupied && wrong != mistake::freed_while_occupied) {
            while (s.gate.occupied()) {
                s.socket.wait_for_edge();
            }
        }
        s.descriptor = 0;
        s.descriptor = 1;
        s.gate.open(life + 1);
        model.expect(s.gate.try_enter(life + 1) == entry_result::inside, "the new life is refused");
        model.expect(s.gate.try_enter(life + 1) == entry_result::busy, "two are inside");
        model.expect(s.gate.leave(), "the new life is closed");
    };
    model.run(writer, driver);
    model.expect(s.stale + (was_parked ? 1u : 0u) <= 1, "a write ended twice");
    model.expect(s.gate.try_enter(life) == entry_result::stale, "a stale name is let in");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("write_gate: no edge is lost between refusal and parking") {
        check_all([](scheduler& model) { edges_scenario<model_atom>(model, mistake::none); });
    }
    TEST_CASE("write_gate: a close waits for the one inside and drops the parked write") {
        check_all([](scheduler& model) { close_scenario<model_atom>(model, mistake::none); });
    }
    TEST_CASE("write_gate: each step of the protocol is needed") {
        check_caught("livelock", [](scheduler& model) { edges_scenario<model_atom>(model, mistake::no_second_try); });
        check_caught("", [](scheduler& model) { close_scenario<model_atom>(model, mistake::freed_while_occupied); });
    }
    TEST_CASE("write_gate: weakened orders are caught") {
        check_caught("", [](scheduler& model) { edges_scenario<released_weakly>(model, mistake::none); });
        check_caught("", [](scheduler& model) { edges_scenario<acquired_weakly>(model, mistake::none); });
        check_caught("", [](scheduler& model) { close_scenario<released_weakly>(model, mistake::none); });
        check_caught("", [](scheduler& model) { close_scenario<acquired_weakly>(model, mistake::none); });
    }
}
