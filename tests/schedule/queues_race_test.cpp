// Queues beside the main one, and a conversation that moves to another slot, on the real state word under the seeded
// scheduler.
//
// The models make the same transitions in the same order as engine::issue, on_data, on_expedited, look, carry_on,
// collect and collect_beside, and as engine::move_attached with session's look at the channel's entry. Invariants: an
// operation on either queue finishes exactly once, also while the other's result waits to be collected; a moved
// conversation has every frame, in order, and its old slot is free.
#include <array>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/pile.hpp"
#include "runtime/state_word.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy::runtime;
using namespace colloquy::schedule;

enum class mistake {
    none,
    done_is_left_alone,  // who brings news does not look at a slot whose main operation is done
    stale_is_dropped,    // a frame whose conversation has moved is not brought to its new slot
    end_not_ordered,     // who finds the old life over looks at the entry without having synchronised
    pins_not_awaited,    // the mover takes what was pushed while somebody may still push
};

struct frame {
    frame* next = nullptr;
    unsigned kind = 0;  // 0 for the main queue, 1 for the one beside it
};

constexpr unsigned nothing = 0, pending = 1, done = 2;

template <template <class> class Atom>
struct slot_model {
    scheduler& model;
    mistake wrong;

    state_word<Atom> word{};
    std::uint64_t generation = 0;
    pile<frame, Atom> arrivals{};
    Atom<std::uint8_t> beside{0};
    // The owner's.
    model_data<unsigned> data{0};  // for the main queue, not yet taken
    model_data<unsigned> acks{0};  // for the other
    model_data<unsigned> main_result{0}, beside_result{0};
    unsigned main_finished = 0, beside_finished = 0;  // ghosts

    slot_model(scheduler& m, mistake w) : model{m}, wrong{w} {
        generation = word.open(conversation_state::send_receive, 77);
        std::uint64_t seen = 0;
        (void)word.leave(phase::idle, conversation_state::send_receive, seen);
    }

    void absorb() {
        for (frame* f = arrivals.take_all(); f != nullptr; f = f->next) {
            auto& count = f->kind == 0 ? data : acks;
            count = count + 1;
        }
    }
    void advance_beside() {
        if (beside.load_relaxed() != pending || acks == 0) return;
        acks = acks - 1;
        beside_result = 1;
        ++beside_finished;
        beside.store_release(done);  // release[beside]
    }
    bool advance_main() {
        if (data == 0) return false;
        data = data - 1;
        main_result = 1;
        ++main_finished;
        return true;
    }
    // engine::carry_on: leaves the slot as it was found, or with the main operation done.
    void carry_on(phase before) {
        if (word.lower(flag::arrivals)) absorb();
        for (;;) {
            advance_beside();
            if (before == phase::pending && advance_main()) before = phase::done;
            std::uint64_t seen = 0;
            if (word.leave(before, conversation_state::send_receive, seen)) return;
            absorb();
        }
    }
    // Receive: the main queue. False: 37.
    bool issue_main() {
        std::uint64_t seen = 0;
        for (;;) {
            const auto claimed = word.claim(generation, seen);
            if (claimed == state_word<Atom>::claim_result::claimed) break;
            if (word_bits::phase_of(seen) != phase::claimed) return false;
            model.yield();
        }
        carry_on(phase::pending);
        return true;
    }
    // Send_Data: the queue beside it.
    bool issue_beside() {
        phase before{};
        while (word.own(generation, before) != state_word<Atom>::own_result::owned) model.yield();
        const bool free = beside.load_relaxed() == nothing;
        if (free) beside.store_release(pending);
        carry_on(before);
        return free;
    }
    bool collect_main() {
        if (!word.collect(generation)) return false;
        model.expect(main_result == 1, "the main operation is collected before it has finished");
        main_result = 0;
        carry_on(phase::idle);
        return true;
    }
    bool collect_beside() {
        if (beside.load_acquire() != done) return false;  // acquire[beside]
        phase before{};
        while (word.own(generation, before) != state_word<Atom>::own_result::owned) model.yield();
        model.expect(beside_result == 1, "the operation beside is collected before it has finished");
        beside_result = 0;
        beside.store_release(nothing);
        carry_on(before);
        return true;
    }
    void bring(frame& f) {
        if (!word.pin(generation)) return;
        arrivals.push(&f);
        const auto result = word.announce(generation);
        if (result == state_word<Atom>::announce_result::take_it) look();
        (void)word.unpin();
    }
    void look() {
        switch (word.take(generation)) {
            case state_word<Atom>::take_result::from_idle: carry_on(phase::idle); return;
            case state_word<Atom>::take_result::from_pending: carry_on(phase::pending); return;
            case state_word<Atom>::take_result::done: break;
            default: return;
        }
        phase before{};
        if (wrong == mistake::done_is_left_alone || beside.load_relaxed() == nothing) return;
        if (word.own(generation, before) == state_word<Atom>::own_result::owned) carry_on(before);
    }
};

// One receives, one sends and waits, the driver brings for both, and the results are collected late or not at all.
template <template <class> class Atom>
void two_queues(scheduler& model, mistake wrong, bool main_collected) {
    slot_model<Atom> slot{model, wrong};
    std::array<frame, 3> frames;
    frames[1].kind = 1;
    model.run(
        [&] {
            (void)slot.issue_main();
            if (main_collected && slot.collect_main()) (void)slot.issue_main();
        },
        [&] {
            (void)slot.issue_beside();
            (void)slot.collect_beside();
        },
        [&] {
            for (frame& f : frames) slot.bring(f);
        });
    model.expect(slot.beside_finished == 1, "the operation beside the main one is lost");
    model.expect(slot.main_finished >= 1, "the main operation is lost");
    const phase p = word_bits::phase_of(slot.word.load());
    model.expect(p == phase::idle || p == phase::pending || p == phase::done, "the slot is left owned");
}

// The channel's entry names slot 0, which has been given to an attach; the program moves its conversation to slot 1
// while the driver brings frames.
template <template <class> class Atom>
struct move_model {
    scheduler& model;
    mistake wrong;
    struct slot {
        state_word<Atom> word{};
        std::uint64_t generation = 0;
        pile<frame, Atom> arrivals{};
        model_data<std::vector<const frame*>> heard{};  // the owner's, in order of arrival
    };
    std::array<slot, 2> slots{};
    Atom<std::uint64_t> entry{0};  // index of the slot the channel belongs to
    bool lost_told = false;

    move_model(scheduler& m, mistake w) : model{m}, wrong{w} {
        std::uint64_t seen = 0;
        for (slot& s : slots) {
            s.generation = s.word.open(conversation_state::receive, 5);
            (void)s.word.leave(phase::idle, conversation_state::receive, seen);
        }
    }
    static void hear(slot& s, const frame* f) {
        auto all = s.heard.get();
        all.push_back(f);
        s.heard = all;
    }
    static void absorb(slot& s, frame* list) {
        for (; list != nullptr; list = list->next) hear(s, list);
    }
    void leave_idle(slot& s) {
        std::uint64_t seen = 0;
        while (!s.word.leave(phase::idle, conversation_state::receive, seen)) absorb(s, s.arrivals.take_all());
    }
    bool moved_or_gone(slot& s) {
        if (wrong != mistake::end_not_ordered) (void)s.word.load();
        return true;
    }
    // engine::on_data. True: the id was stale.
    bool on_data(slot& s, frame& f) {
        switch (s.word.take(s.generation)) {
            case state_word<Atom>::take_result::stale: return moved_or_gone(s);
            case state_word<Atom>::take_result::from_idle:
                hear(s, &f);
                leave_idle(s);
                return false;
            default: break;
        }
        if (!s.word.pin(s.generation)) return moved_or_gone(s);
        s.arrivals.push(&f);
        if (s.word.announce(s.generation) == state_word<Atom>::announce_result::take_it &&
            s.word.take(s.generation) == state_word<Atom>::take_result::from_idle)
            leave_idle(s);
        (void)s.word.unpin();
        return false;
    }
    void bring(frame& f) {
        std::uint64_t at = entry.load_acquire();  // acquire[channel]
        while (on_data(slots[at], f)) {
            const std::uint64_t now = entry.load_acquire();
            if (now == at || wrong == mistake::stale_is_dropped) return;
            at = now;
        }
    }
    // Accept_Incoming: take_attached, then engine::move_attached.
    void move() {
        slot& from = slots[0];
        slot& to = slots[1];
        std::uint64_t seen = 0;
        model.expect(to.word.claim(to.generation, seen) == state_word<Atom>::claim_result::claimed, "not ours");
        while (from.word.claim(from.generation, seen) != state_word<Atom>::claim_result::claimed) model.yield();
        to.heard = from.heard.get();
        (void)from.word.pin(from.generation);
        entry.store_release(1);  // release[channel]
        (void)from.word.retire();
        while (wrong != mistake::pins_not_awaited && word_bits::pins(from.word.load()) != 1) model.yield();
        absorb(to, from.arrivals.take_all());
        if (from.word.unpin()) model.expect(from.arrivals.approx_empty(), "a frame is left in the old slot");
        leave_idle(to);
    }
};

template <template <class> class Atom>
void moved(scheduler& model, mistake wrong) {
    move_model<Atom> m{model, wrong};
    std::array<frame, 4> frames;
    m.bring(frames[0]);
    model.run(
        [&] {
            for (std::size_t i = 1; i < frames.size(); ++i) m.bring(frames[i]);
        },
        [&] { m.move(); });
    const auto heard = m.slots[1].heard.get();
    model.expect(heard.size() == frames.size(), "a frame is lost");
    for (std::size_t i = 0; i < heard.size() && i < frames.size(); ++i)
        model.expect(heard[i] == &frames[i], "frames are out of order");
    model.expect(word_bits::phase_of(m.slots[0].word.load()) == phase::vacant, "the old slot is not free");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("queues: an operation beside the main one ends once, whatever becomes of the other's result") {
        check_all([](scheduler& model) { two_queues<model_atom>(model, mistake::none, true); });
        check_all([](scheduler& model) { two_queues<model_atom>(model, mistake::none, false); });
    }
    TEST_CASE("queues: news for it must be looked at although the main operation is done") {
        check_caught("lost",
                     [](scheduler& model) { two_queues<model_atom>(model, mistake::done_is_left_alone, false); });
    }
    TEST_CASE("queues: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { two_queues<released_weakly>(model, mistake::none, true); });
        check_caught("data race", [](scheduler& model) { two_queues<acquired_weakly>(model, mistake::none, true); });
    }
    TEST_CASE("move: a conversation that moves to another slot keeps every frame, in order") {
        check_all([](scheduler& model) { moved<model_atom>(model, mistake::none); });
    }
    TEST_CASE("move: each step is needed") {
        check_caught("", [](scheduler& model) { moved<model_atom>(model, mistake::stale_is_dropped); });
        check_caught("lost", [](scheduler& model) { moved<model_atom>(model, mistake::end_not_ordered); });
        check_caught("", [](scheduler& model) { moved<model_atom>(model, mistake::pins_not_awaited); });
    }
    TEST_CASE("move: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { moved<released_weakly>(model, mistake::none); });
        check_caught("data race", [](scheduler& model) { moved<acquired_weakly>(model, mistake::none); });
    }
}
