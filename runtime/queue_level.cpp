// Queue-level processing: settings of a conversation's queues, and operations that report by them.
//
// An operation is pending on the board before it is published, so that who ends it finds it there; it is finished on
// the board after its outcome has been left in the slot, so that who collects it finds the outcome.
#include "runtime/queue_level.hpp"

#include <cstring>

#include "runtime/engine.hpp"
#include "runtime/flow.hpp"
#include "runtime/verbs.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

notify engine::channel_on(context& c, conversation& v, queue on, verb kind) noexcept {
    if (v.chosen.processing_mode == 1) return channel_for(v);
    queue_setting& s = setting_of(v, queue_of(v.chosen.full_duplex, on, kind));
    if (s.mode == queue_mode::blocks) return notify::caller;
    s.return_code = s.mode == queue_mode::completes ? nullptr : c.answer_to;
    return notify::queue_level;
}

void engine::begin_at_queue_level(context& c, conversation& v, queue on, const operation& op) noexcept {
    queue_setting& s = setting_of(v, queue_of(v.chosen.full_duplex, on, op.kind));
    if (s.return_code != nullptr && c.answer_to != nullptr) {
        // Now, because its end may be written by another thread before this call returns.
        *s.return_code = static_cast<std::int32_t>(return_code::operation_incomplete);
        c.answer_to = nullptr;
    }
    if (s.mode == queue_mode::waited_for) board_.begin(s.number);
}

void engine::withdraw_at_queue_level(context& c, conversation& v, queue on, verb kind) noexcept {
    queue_setting& s = setting_of(v, queue_of(v.chosen.full_duplex, on, kind));
    if (s.return_code != nullptr) c.answer_to = s.return_code;
    forget_on_board(c, s);
}

void engine::forget_on_board(context& c, const queue_setting& s) noexcept {
    if (s.mode == queue_mode::waited_for && board_.withdraw(s.number, waker())) told_elsewhere(c);
}

void engine::finish_at_queue_level(context& c, queue_setting& s, std::int32_t waited_for) noexcept {
    if (waited_for != 0) {
        if (board_.finish(waited_for, waker())) told_elsewhere(c);
        return;
    }
    // acq_rel[queue-listed]: who finds it listed already has published what its entry will serve.
    if (s.listed.exchange_acq_rel(1) == 0)
        list_posting(c, static_cast<std::uint32_t>(&s - settings_.data()) | of_queue_bit);
}

queue_completion engine::take_outcome(conversation& v, queue on, const queue_setting& s) noexcept {
    operation& op = op_on(v, on);
    const queue_completion out{s.id, op.result, op.id_memory, op.kind, s.mode, s.user_field, s.function, s.user};
    if (s.return_code != nullptr) *s.return_code = static_cast<std::int32_t>(op.result);
    op.kind = verb::none;
    if (on != queue::main) v.set_on(on, waits::nothing);
    return out;
}

bool engine::collect_called(context& c, std::uint32_t which, queue_completion& out) noexcept {
    const auto q = static_cast<cpic_queue>(which % cpic_queues);
    const queue on = place_of(q);
    conversation& v = slots_[which / cpic_queues];
    queue_setting& s = settings_[which];
    // Lowered before the look: what finishes after it makes an entry of its own. acq_rel[queue-listed]
    (void)s.listed.exchange_acq_rel(0);
    phase before{};
    for (;;) {
        const auto owned = v.word.own(word_bits::generation(v.word.load()), before);
        if (owned == state_word<>::own_result::stale) return false;  // abandoned, and the conversation is over
        if (owned == state_word<>::own_result::owned) break;         // else somebody is at work; it lets go soon
    }
    const operation& op = op_on(v, on);
    const bool finished = on == queue::main ? before == phase::done : v.on(on) == waits::done;
    const bool ours = finished && op.channel == notify::queue_level && queue_of(v.chosen.full_duplex, on, op.kind) == q;
    if (ours) {
        out = take_outcome(v, on, s);
        if (on == queue::main) before = phase::idle;
    }
    give_place(c, v, before);
    return ours;
}

void engine::give_place(context& c, conversation& v, phase before) noexcept {
    if (before == phase::idle)
        let_go(c, v);
    else
        carry_on(c, v, before);
}

void engine::end_by_cancel(context& c, conversation& v, phase before) noexcept {
    flow f{*this, c, v};
    (void)f.purge();
    f.abend(wire::sense::deallocate_abend_svc);
    v.state = conversation_state::reset;
    v.fate = return_code::ok;
    switch (before) {
        case phase::pending: complete(c, v, return_code::deallocated_abend); return;
        case phase::done: finish_again(c, v); return;
        default: end_life(c, v);
    }
}

queue_completion engine::collect_at_queue_level(context& c, std::int32_t number) noexcept {
    const std::uint32_t which = board_.owner_of(number);
    const queue_setting& s = settings_[which];
    conversation& v = slots_[which / cpic_queues];
    const queue on = place_of(static_cast<cpic_queue>(which % cpic_queues));
    // Whoever owns the slot lets it go soon, and leaves the outcome as it is.
    phase before = phase::idle;
    if (on == queue::main) {
        while (!v.word.collect(s.id.generation())) {
        }
    } else {
        while (v.word.own(s.id.generation(), before) != state_word<>::own_result::owned) {
        }
    }
    const queue_completion out = take_outcome(v, on, s);
    give_place(c, v, before);
    return out;
}

void engine::forget_queues(conversation& v) noexcept {
    for (unsigned i = 0; i < cpic_queues; ++i) {
        queue_setting& s = setting_of(v, static_cast<cpic_queue>(i));
        if (s.number != 0) board_.give_back(s.number);
        s.return_code = nullptr;
        s.number = 0;
        s.time_limit_ms = 0;
        s.mode = queue_mode::blocks;
        s.named = false;
    }
}

namespace {

// Owns the slot for who sets or gives up something of its queues. Null: there is no such conversation.
conversation* own_for_queues(engine& e, conversation_id id, phase& before) noexcept {
    conversation* const v = e.find(id);
    if (v == nullptr || id.generation() == 0) return nullptr;
    for (;;) {
        const auto owned = v->word.own(id.generation(), before);
        if (owned == state_word<>::own_result::stale) {
            e.count().add(counter::stale_ids, 1, 0);
            return nullptr;
        }
        if (owned == state_word<>::own_result::owned) return v;  // else a verb or a delivery is at work
    }
}

// As it was found. One that is over, and kept until those who are blocked on it have heard so, has nothing to go on.
void put_back_queues(engine& e, context& c, conversation& v, phase before) noexcept {
    if (before == phase::idle && v.state == conversation_state::reset) {
        std::uint64_t seen = 0;
        while (!v.word.leave(phase::idle, v.state, seen)) {
        }
    } else {
        e.put_back(c, v, before);
    }
}

// Why the queue cannot be set, or ok. The slot is owned, and its main operation was found to be `before`.
return_code refusal(engine& e, conversation& v, phase before, cpic_queue q, const queue_request& r) noexcept {
    using rc = return_code;
    const auto state = v.state;
    const bool accepts = before == phase::pending && v.op.kind == verb::accept;
    if (state == conversation_state::reset && !accepts) return rc::program_parameter_check;
    if (v.chosen.conversation_level || v.attention != nullptr) return rc::program_state_check;
    if (r.every) return before != phase::idle || v.any_beside() ? rc::program_state_check : rc::ok;
    const bool begins = state == conversation_state::initialize || state == conversation_state::initialize_incoming;
    if (q == cpic_queue::initialization ? !begins : state == conversation_state::initialize_incoming || accepts)
        return rc::program_state_check;
    const bool of_turns = q == cpic_queue::send_receive;
    const bool of_directions = q == cpic_queue::send || q == cpic_queue::receive;
    if (v.chosen.full_duplex ? of_turns : of_directions) return rc::program_parameter_check;
    const queue on = place_of(q);
    const bool busy = on == queue::main ? before != phase::idle && queue_of(v.chosen.full_duplex, on, v.op.kind) == q
                                        : v.on(on) != waits::nothing;
    if (busy) return rc::program_state_check;
    if (queue_setting& s = e.setting_of(v, q); s.number == 0 && r.number != nullptr) {
        const auto owner = static_cast<std::uint32_t>(std::size_t{v.index} * cpic_queues + static_cast<unsigned>(q));
        s.number = e.board().deal(owner);
        if (s.number == 0) return rc::product_specific_error;
    }
    return rc::ok;
}

}  // namespace

namespace {

void set_one(queue_setting& s, conversation_id id, const queue_request& r) noexcept {
    s.id = id;
    s.mode = r.mode;
    s.function = r.function;
    s.user = r.user;
    s.named |= !r.every;
    if (r.user_field != nullptr) std::memcpy(s.user_field.data(), r.user_field, s.user_field.size());
    if (r.number != nullptr) *r.number = s.number;
}

}  // namespace

outcome set_queue(engine& e, context& c, conversation_id id, std::int32_t which, const queue_request& r) noexcept {
    using rc = return_code;
    phase before{};
    const bool known = r.every || (which >= 0 && which < static_cast<std::int32_t>(cpic_queues));
    conversation* const v = known ? own_for_queues(e, id, before) : nullptr;
    if (v == nullptr) return {rc::program_parameter_check, false, {}};
    const auto q = static_cast<cpic_queue>(r.every ? 0 : which);
    const rc code = refusal(e, *v, before, q, r);
    // To block is what queues do that were never set.
    const bool changes = r.mode != queue_mode::blocks || r.number != nullptr || v->chosen.processing_mode == 2;
    if (code == rc::ok && changes) {
        v->chosen.processing_mode = 2;
        for (unsigned i = 0; i < cpic_queues; ++i)
            if (r.every || i == static_cast<unsigned>(q)) set_one(e.setting_of(*v, static_cast<cpic_queue>(i)), id, r);
    }
    put_back_queues(e, c, *v, before);
    return {code, false, {}};
}

namespace {

// The queue that is meant: where there are turns the two directions are one queue. False: there is none.
bool queue_named(const conversation& v, std::int32_t which, cpic_queue& q) noexcept {
    if (which < 0 || which >= static_cast<std::int32_t>(cpic_queues)) return false;
    q = static_cast<cpic_queue>(which);
    if (!v.chosen.full_duplex && (q == cpic_queue::send || q == cpic_queue::receive)) q = cpic_queue::send_receive;
    return !v.chosen.full_duplex || q != cpic_queue::send_receive;
}

}  // namespace

outcome set_queue_time_limit(engine& e, context& c, conversation_id id, std::int32_t which,
                             std::uint32_t limit_ms) noexcept {
    using rc = return_code;
    phase before{};
    conversation* const v = own_for_queues(e, id, before);
    if (v == nullptr) return {rc::program_parameter_check, false, {}};
    cpic_queue q{};
    const bool good = v->state != conversation_state::reset && queue_named(*v, which, q);
    if (good) {
        v->chosen.queue_limits = 1;
        e.setting_of(*v, q).time_limit_ms = limit_ms;
    }
    put_back_queues(e, c, *v, before);
    return {good ? rc::ok : rc::program_parameter_check, false, {}};
}

outcome abandon_call(engine& e, context& c, conversation_id id, std::int32_t which, const void* id_memory,
                     given_back& what, return_code& code) noexcept {
    using rc = return_code;
    what = given_back::nothing;
    phase before{};
    conversation* const v = own_for_queues(e, id, before);
    if (v == nullptr) return {rc::program_parameter_check, false, {}};
    cpic_queue q{};
    if ((before == phase::idle && v->state == conversation_state::reset) || !queue_named(*v, which, q)) {
        put_back_queues(e, c, *v, before);
        return {rc::program_parameter_check, false, {}};
    }
    const bool one_at_a_time = v->chosen.processing_mode == 1;  // whatever it is, it waits on the main queue
    const queue on = one_at_a_time ? queue::main : place_of(q);
    operation& op = e.op_on(*v, on);
    const bool waiting = on == queue::main ? before == phase::pending : v->on(on) == waits::pending;
    const bool finished = on == queue::main ? before == phase::done : v->on(on) == waits::done;
    bool ours = (waiting || finished) && op.channel != notify::caller &&
                (id_memory == nullptr || op.id_memory == id_memory) &&
                (one_at_a_time || queue_of(v->chosen.full_duplex, on, op.kind) == q);
    const queue_setting& s = e.setting_of(*v, q);
    const bool collected_by_waiters = op.channel == notify::queue_level && s.mode == queue_mode::waited_for;
    if (ours && waiting) {
        const step now = flow{e, c, *v}.take_back(op);
        code = now.waits ? rc::deallocated_abend : now.code == rc::operation_incomplete ? rc::unsuccessful : now.code;
        what = now.waits                              ? given_back::ended
               : now.code == rc::operation_incomplete ? given_back::undone
                                                      : given_back::done;
        if (op.kind == verb::accept) e.accept_cancelled();
        if (collected_by_waiters) e.forget_on_board(c, s);
    } else if (ours) {
        bool others = false;
        // Who has collected it from the board already is the one to tell of it.
        ours = !collected_by_waiters || e.board().collect(s.number, 0, others, e.waker());
        if (others) e.told_elsewhere(c);
        if (ours) {
            what = given_back::done;
            code = op.result;
        }
    }
    if (ours) {
        if (on == queue::main) {
            e.discard(*v);
            before = phase::idle;
        } else {
            op.kind = verb::none;
            v->set_on(on, waits::nothing);
        }
        e.rearm(c, *v, before == phase::pending);
    }
    if (what == given_back::ended)
        e.end_by_cancel(c, *v, before);
    else
        e.give_place(c, *v, before);
    return {rc::ok, false, {}};
}

bool would_block(engine& e, context& c, conversation_id id, verb kind) noexcept {
    phase before{};
    conversation* const v = own_for_queues(e, id, before);
    if (v == nullptr) return false;  // its call will say so
    queue on = queue::main;
    switch (kind) {
        case verb::send_expedited: on = queue::expedited_send; break;
        case verb::receive_expedited: on = queue::expedited_receive; break;
        case verb::accept:
        case verb::allocate:
        case verb::receive: break;
        default: on = v->chosen.full_duplex ? queue::send : queue::main;
    }
    const queue_setting& s = e.setting_of(*v, queue_of(v->chosen.full_duplex, on, kind));
    const bool blocks =
        v->chosen.processing_mode == 0 || (v->chosen.processing_mode == 2 && s.mode == queue_mode::blocks);
    put_back_queues(e, c, *v, before);
    return blocks;
}

}  // namespace colloquy::runtime
