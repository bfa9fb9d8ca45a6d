// Queue-level processing: settings of a conversation's queues, and operations that report by them.
//
// An operation is pending on the board before it is published, so that who ends it finds it there; it is finished on
// the board after its outcome has been left in the slot, so that who collects it finds the outcome.
#include "runtime/queue_level.hpp"

#include <cstring>

#include "runtime/engine.hpp"
#include "runtime/verbs.hpp"

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
    board_.begin(s.number, s.mode != queue_mode::waited_for);
}

void engine::withdraw_at_queue_level(context& c, conversation& v, queue on, verb kind) noexcept {
    queue_setting& s = setting_of(v, queue_of(v.chosen.full_duplex, on, kind));
    if (s.return_code != nullptr) c.answer_to = s.return_code;
    if (board_.withdraw(s.number, waker())) told_elsewhere(c);
}

void engine::finish_at_queue_level(context& c, queue_setting& s) noexcept {
    switch (board_.finish(s.number, waker())) {
        case completion_board<>::told::nobody: return;
        case completion_board<>::told::waiter: told_elsewhere(c); return;
        case completion_board<>::told::callback:
            list_posting(c, static_cast<std::uint32_t>(&s - settings_.data()) | of_queue_bit);
            return;
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
    operation& op = op_on(v, on);
    const queue_completion out{s.id, op.result, op.id_memory, op.kind, s.mode, s.user_field, s.function, s.user};
    if (s.return_code != nullptr) *s.return_code = static_cast<std::int32_t>(op.result);
    op.kind = verb::none;
    if (on != queue::main) v.set_on(on, waits::nothing);
    if (before == phase::idle)
        let_go(c, v);
    else
        carry_on(c, v, before);
    return out;
}

void engine::forget_queues(conversation& v) noexcept {
    for (unsigned i = 0; i < cpic_queues; ++i) {
        queue_setting& s = setting_of(v, static_cast<cpic_queue>(i));
        if (s.number != 0) board_.give_back(s.number);
        s = {};
    }
}

namespace {

// Why the queue cannot be set, or ok. The slot is owned, and its main operation was found to be `before`.
return_code refusal(engine& e, conversation& v, phase before, cpic_queue q, const queue_request& r) noexcept {
    using rc = return_code;
    const auto state = v.state;
    const bool accepts = before == phase::pending && v.op.kind == verb::accept;
    if (state == conversation_state::reset && !accepts) return rc::program_parameter_check;
    if (v.chosen.conversation_level || v.attention != nullptr) return rc::program_state_check;
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
    if (queue_setting& s = e.setting_of(v, q); s.number == 0 && (r.mode != queue_mode::blocks || r.number != nullptr)) {
        const auto owner = static_cast<std::uint32_t>(std::size_t{v.index} * cpic_queues + static_cast<unsigned>(q));
        s.number = e.board().deal(owner);
        if (s.number == 0) return rc::product_specific_error;
    }
    return rc::ok;
}

}  // namespace

outcome set_queue(engine& e, context& c, conversation_id id, std::int32_t which, const queue_request& r) noexcept {
    using rc = return_code;
    conversation* const v = e.find(id);
    if (v == nullptr || id.generation() == 0 || which < 0 || which >= static_cast<std::int32_t>(cpic_queues))
        return {rc::program_parameter_check, false, {}};
    phase before{};
    for (;;) {
        const auto owned = v->word.own(id.generation(), before);
        if (owned == state_word<>::own_result::stale) {
            e.count().add(counter::stale_ids, 1, 0);
            return {rc::program_parameter_check, false, {}};
        }
        if (owned == state_word<>::own_result::owned) break;  // else a verb or a delivery is at work; it lets go soon
    }
    const auto q = static_cast<cpic_queue>(which);
    const rc code = refusal(e, *v, before, q, r);
    if (code == rc::ok && (e.setting_of(*v, q).number != 0)) {
        queue_setting& s = e.setting_of(*v, q);
        v->chosen.processing_mode = 2;
        s.id = id;
        s.mode = r.mode;
        s.function = r.function;
        s.user = r.user;
        if (r.user_field != nullptr) std::memcpy(s.user_field.data(), r.user_field, s.user_field.size());
        if (r.number != nullptr) *r.number = s.number;
    }
    if (before == phase::idle && v->state == conversation_state::reset) {
        std::uint64_t seen = 0;
        while (!v->word.leave(phase::idle, v->state, seen)) {
        }
    } else {
        e.put_back(c, *v, before);
    }
    return {code, false, {}};
}

bool would_block(engine& e, context& c, conversation_id id, verb kind) noexcept {
    conversation* const v = e.find(id);
    phase before{};
    if (v == nullptr || id.generation() == 0) return false;
    for (;;) {
        const auto owned = v->word.own(id.generation(), before);
        if (owned == state_word<>::own_result::stale) return false;  // its call will say so
        if (owned == state_word<>::own_result::owned) break;
    }
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
    if (before == phase::idle && v->state == conversation_state::reset) {
        std::uint64_t seen = 0;
        while (!v->word.leave(phase::idle, v->state, seen)) {
        }
    } else {
        e.put_back(c, *v, before);
    }
    return blocks;
}

}  // namespace colloquy::runtime
