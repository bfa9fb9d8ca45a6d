// An operation's life on the real state word under the seeded scheduler: who delivers, who cancels, who collects, who
// looks.
//
// The model makes the same transitions in the same order as engine::issue, on_data, complete, next_posting,
// collect_entry and cancel, on plain memory that reports any access that is not ordered. Invariants: an operation that
// waits completes exactly once, or was discarded by a cancel where nobody listened; nothing is told twice; the
// caller's buffer is not touched after Cancel or the completion was heard.
#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "runtime/pile.hpp"
#include "runtime/state_word.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy::runtime;
using namespace colloquy::schedule;

// One mistake a run, to show that each step is needed.
enum class mistake {
    none,
    collector_gives_up,     // a collector that finds the slot owned for a look drops its entry
    fill_without_claim,     // data goes to the buffer although the phase was not taken
    arrivals_not_looked_at  // the owner leaves without having looked at what was brought meanwhile
};

enum class outcome_code : unsigned { none, data, cancelled };

struct frame {
    frame* next = nullptr;
};

template <template <class> class Atom>
struct slot_model {
    scheduler& model;
    mistake wrong;
    bool watched = true;  // somebody listens: a cancelled operation is told

    state_word<Atom> word{};
    std::uint64_t generation = 0;
    // The owner's.
    model_data<unsigned> result{0};
    model_data<unsigned> queued_data{0};  // brought and not yet received
    model_data<unsigned> buffer{0};       // the caller's: written by who delivers, read by who hears
    // Shared.
    pile<frame, Atom> arrivals{};
    Atom<std::uint32_t> list{0};  // entries for the one slot there is
    unsigned entries_made = 0;    // ghosts: the scheduler runs one thread at a time
    unsigned told = 0;
    unsigned told_data = 0;
    unsigned told_cancelled = 0;
    unsigned discarded = 0;
    bool handed_back = false;  // the caller may do with the buffer what it likes

    slot_model(scheduler& m, mistake w) : model{m}, wrong{w} {
        generation = word.open(conversation_state::receive, 12345);
        // claimed by open
    }

    void absorb() {
        for (frame* f = arrivals.take_all(); f != nullptr; f = f->next) queued_data = queued_data + 1;
    }
    void leave_idle() {
        std::uint64_t seen = 0;
        while (!word.leave(phase::idle, conversation_state::receive, seen)) look_at_arrivals();
    }
    void look_at_arrivals() {
        if (wrong != mistake::arrivals_not_looked_at) absorb();
    }
    void fill() {
        model.expect(!handed_back, "the buffer is touched after it was given back");
        buffer = buffer + 1;
    }

    // engine::issue, for a Receive: true if it waits.
    bool issue() {
        std::uint64_t seen = 0;
        if (word.claim(generation, seen) != state_word<Atom>::claim_result::claimed) return false;
        handed_back = false;
        if (word.lower(flag::arrivals)) look_at_arrivals();
        for (;;) {
            if (queued_data != 0) {
                queued_data = queued_data - 1;
                fill();
                handed_back = true;
                ++told;
                ++told_data;
                ++started;
                leave_idle();
                return false;
            }
            if (word.leave(phase::pending, conversation_state::receive, seen)) {
                ++started;
                return true;
            }
            look_at_arrivals();
        }
    }
    unsigned started = 0;

    // engine::carry_on: the owner, come from pending.
    void carry_on() {
        if (word.lower(flag::arrivals)) look_at_arrivals();
        for (;;) {
            if (queued_data != 0) {
                queued_data = queued_data - 1;
                fill();
                complete(outcome_code::data);
                return;
            }
            std::uint64_t seen = 0;
            if (word.leave(phase::pending, conversation_state::receive, seen)) return;
            look_at_arrivals();
        }
    }
    void complete(outcome_code code) {
        result = static_cast<unsigned>(code);
        std::uint64_t seen = 0;
        while (!word.leave(phase::done, conversation_state::receive, seen)) look_at_arrivals();
        make_entry();
    }
    void make_entry() {
        if (!word.raise_listed(flag::posting)) return;
        ++entries_made;
        list.fetch_add_acq_rel(1);
    }

    // engine::on_data.
    void bring(frame& f) {
        switch (word.take(generation)) {
            case state_word<Atom>::take_result::stale: return;
            case state_word<Atom>::take_result::from_idle:
                queued_data = queued_data + 1;
                leave_idle();
                return;
            case state_word<Atom>::take_result::from_pending:
                queued_data = queued_data + 1;
                carry_on();
                return;
            case state_word<Atom>::take_result::owned:
                if (wrong == mistake::fill_without_claim) {
                    fill();
                    return;
                }
                break;
            case state_word<Atom>::take_result::done: break;
        }
        if (!word.pin(generation)) return;
        arrivals.push(&f);
        if (word.announce(generation) == state_word<Atom>::announce_result::take_it) look();
        if (word.unpin()) absorb();
    }
    void look() {
        switch (word.take(generation)) {
            case state_word<Atom>::take_result::from_idle: leave_idle(); return;
            case state_word<Atom>::take_result::from_pending: carry_on(); return;
            default: return;
        }
    }

    // Takes one entry if there is one: engine::next_posting and posted. True: an entry was used up.
    bool tell() {
        std::uint32_t n = list.load_acquire();
        do {
            if (n == 0) return false;
        } while (!list.cas_acq_rel(n, n - 1));
        (void)word.lower(flag::posting);
        if (wrong == mistake::collector_gives_up) {
            const std::uint64_t w = word.load();
            if (word_bits::phase_of(w) != phase::done) return true;
        }
        if (!word.collect(word_bits::generation(word.load()), phase::delivering)) return true;
        const auto code = static_cast<outcome_code>(result.get());
        model.expect(code != outcome_code::none, "something is told that has not finished");
        ++told;
        if (code == outcome_code::data) {
            ++told_data;
            (void)buffer.get();
        } else {
            ++told_cancelled;
        }
        result = 0;
        handed_back = true;
        if (code == outcome_code::cancelled)
            retire();
        else
            leave_idle();
        return true;
    }
    void retire() {
        absorb();
        if (word.retire()) (void)arrivals.take_all();
    }

    // verbs cancel. True: this call ended it.
    bool cancel() {
        for (;;) {
            std::uint64_t seen = 0;
            switch (word.claim(generation, seen)) {
                case state_word<Atom>::claim_result::stale: return false;
                case state_word<Atom>::claim_result::claimed:
                    handed_back = true;
                    retire();
                    return true;
                case state_word<Atom>::claim_result::busy: break;
            }
            switch (word.take(generation)) {
                case state_word<Atom>::take_result::stale: return false;
                case state_word<Atom>::take_result::from_idle:
                    handed_back = true;
                    retire();
                    return true;
                case state_word<Atom>::take_result::from_pending:
                    if (watched) {
                        complete(outcome_code::cancelled);
                    } else {
                        ++discarded;
                        retire();
                    }
                    handed_back = true;  // nobody fills it from here on
                    return true;
                case state_word<Atom>::take_result::done: {
                    if (!word.collect(generation)) break;
                    // finish_again: it is told as it is, and ends with that.
                    std::uint64_t again = 0;
                    while (!word.leave(phase::done, conversation_state::reset, again)) look_at_arrivals();
                    ended_when_told = true;
                    return true;
                }
                case state_word<Atom>::take_result::owned: model.yield(); break;
            }
        }
    }
    bool ended_when_told = false;

    // Extract, cmchck: owns the slot for a look, whatever it does at the moment, and leaves it as it was.
    void glance() {
        for (;;) {
            switch (word.take(generation)) {
                case state_word<Atom>::take_result::stale: return;
                case state_word<Atom>::take_result::from_idle: leave_idle(); return;
                case state_word<Atom>::take_result::from_pending: carry_on(); return;
                case state_word<Atom>::take_result::done: {
                    if (!word.collect(generation)) break;
                    std::uint64_t seen = 0;
                    const auto shown = word_bits::state_of(word.load());
                    while (!word.leave(phase::done, shown, seen)) look_at_arrivals();
                    return;
                }
                case state_word<Atom>::take_result::owned: model.yield(); break;
            }
        }
    }

    // What is left when everybody has gone.
    void check_end() {
        while (tell()) {
        }
        model.expect(list.load_acquire() == 0, "an entry is left");
        const std::uint64_t w = word.load();
        const phase p = word_bits::phase_of(w);
        model.expect(p == phase::idle || p == phase::pending || p == phase::vacant,
                     "the slot is left owned or uncollected");
        const unsigned waiting = p == phase::pending ? 1 : 0;
        model.expect(told + discarded + waiting == started,
                     told + discarded + waiting < started ? "a completion is lost" : "a completion is doubled");
        model.expect(p != phase::pending || arrivals.approx_empty(), "news is left with nobody to look at it");
    }
};

// The program issues twice, a driver brings twice, a teller tells, and somebody cancels at any moment.
template <template <class> class Atom>
void cancel_scenario(scheduler& model, mistake wrong, bool watched) {
    slot_model<Atom> slot{model, wrong};
    slot.watched = watched;
    slot.leave_idle();
    std::array<frame, 2> frames;
    model.run(
        [&] {
            (void)slot.issue();
            (void)slot.tell();
            (void)slot.issue();
        },
        [&] {
            slot.bring(frames[0]);
            slot.bring(frames[1]);
        },
        [&] {
            (void)slot.tell();
            (void)slot.tell();
        },
        [&] { (void)slot.cancel(); });
    slot.check_end();
}

// The same without a cancel, and with two who look: every datum arrives.
template <template <class> class Atom>
void glance_scenario(scheduler& model, mistake wrong) {
    slot_model<Atom> slot{model, wrong};
    slot.leave_idle();
    std::array<frame, 3> frames;
    model.run(
        [&] {
            (void)slot.issue();
            (void)slot.tell();
            (void)slot.issue();
        },
        [&] {
            for (frame& f : frames) slot.bring(f);
        },
        [&] {
            slot.glance();
            (void)slot.tell();
            slot.glance();
        },
        [&] { slot.glance(); });
    slot.check_end();
    model.expect(slot.started == 0 || slot.told != 0 || word_bits::phase_of(slot.word.load()) != phase::pending,
                 "it waits although data is there");
}

// Two cancel one operation that is being delivered: one of them ends it, and both return.
template <template <class> class Atom>
void two_cancels_scenario(scheduler& model, mistake wrong) {
    slot_model<Atom> slot{model, wrong};
    slot.leave_idle();
    frame only;
    unsigned ended = 0;
    model.run([&] { (void)slot.issue(); }, [&] { slot.bring(only); },
              [&] {
                  ended += slot.cancel() ? 1U : 0U;
                  (void)slot.tell();
              },
              [&] { ended += slot.cancel() ? 1U : 0U; });
    slot.check_end();
    model.expect(ended >= 1, "nobody ended it");
}

// A word of an accept: its canceller, an attach that comes upon its entry, and somebody who looks. The attach meets
// the accept or finds it counted as stale; it never waits for an entry that does not come.
template <template <class> class Atom>
void accept_scenario(scheduler& model, bool counted_late) {
    state_word<Atom> word{};
    const std::uint64_t generation = word.open(conversation_state::reset, 99);
    std::uint64_t seen = 0;
    model.expect(word.leave(phase::pending, conversation_state::reset, seen), "a fresh slot has news");
    Atom<std::uint32_t> stale{0};
    bool met = false, dropped = false;
    model.run(
        [&] {
            for (;;) {
                const auto t = word.take(generation);
                if (t == state_word<Atom>::take_result::from_pending) {
                    if (!counted_late) stale.fetch_add_acq_rel(1);
                    (void)word.retire();
                    if (counted_late) stale.fetch_add_acq_rel(1);
                    return;
                }
                if (t != state_word<Atom>::take_result::owned) return;
                model.yield();
            }
        },
        [&] {
            auto taken = word.take(generation);
            while (taken == state_word<Atom>::take_result::owned) {
                model.yield();
                taken = word.take(generation);
            }
            if (taken == state_word<Atom>::take_result::from_pending) {
                met = true;
                std::uint64_t left = 0;
                (void)word.leave(phase::done, conversation_state::receive, left);
                return;
            }
            // Read-modify-write: `take` may have learnt of the end by a load that orders nothing.
            std::uint32_t n = stale.fetch_or_acq_rel(0);
            while (n != 0 && !stale.cas_acq_rel(n, n - 1)) {
            }
            dropped = n != 0;
        },
        [&] {
            if (word.take(generation) == state_word<Atom>::take_result::from_pending) {
                std::uint64_t left = 0;
                (void)word.leave(phase::pending, conversation_state::reset, left);
            }
        });
    model.expect(met || dropped, "the attach waits for an entry that never comes");
    model.expect(stale.load_acquire() == 0, "a stale count is left");
}

// Five scenarios: a million seeds in all.
constexpr std::uint64_t times = 4;

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE(
        "operation: cancel, completion and tellers: nothing lost, nothing doubled, the buffer given back for good") {
        check_all([](scheduler& model) { cancel_scenario<model_atom>(model, mistake::none, true); }, times);
    }
    TEST_CASE("operation: the same where nobody listens: a cancelled operation leaves no record") {
        check_all([](scheduler& model) { cancel_scenario<model_atom>(model, mistake::none, false); }, times);
    }
    TEST_CASE("operation: who owns the slot for a look costs nobody its completion") {
        check_all([](scheduler& model) { glance_scenario<model_atom>(model, mistake::none); }, times);
    }
    TEST_CASE("operation: two cancellers of one operation") {
        check_all([](scheduler& model) { two_cancels_scenario<model_atom>(model, mistake::none); }, times);
    }
    TEST_CASE("operation: an accept's canceller and the attach that comes upon its entry") {
        check_all([](scheduler& model) { accept_scenario<model_atom>(model, false); }, times);
        check_caught("never comes", [](scheduler& model) { accept_scenario<model_atom>(model, true); });
    }
    TEST_CASE("operation: each step of the protocol is needed") {
        check_caught("left", [](scheduler& model) { glance_scenario<model_atom>(model, mistake::collector_gives_up); });
        check_caught("",
                     [](scheduler& model) { cancel_scenario<model_atom>(model, mistake::fill_without_claim, true); });
        check_caught("", [](scheduler& model) { glance_scenario<model_atom>(model, mistake::arrivals_not_looked_at); });
    }
    TEST_CASE("operation: weakened orders are caught") {
        check_caught("data race",
                     [](scheduler& model) { cancel_scenario<released_weakly>(model, mistake::none, true); });
        check_caught("data race",
                     [](scheduler& model) { cancel_scenario<acquired_weakly>(model, mistake::none, true); });
    }
}
