#include "runtime/engine.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#include "runtime/cleanse.hpp"
#include "runtime/common_path.hpp"
#include "runtime/flow.hpp"

namespace colloquy::runtime {

namespace {

constexpr std::uint32_t shards = 8;
constexpr auto heap_class = static_cast<buffer_class>(0xFF);

buffer* heap_buffer(std::size_t bytes) noexcept {
    void* place = std::malloc(sizeof(buffer) + bytes);
    if (place == nullptr) return nullptr;
    return ::new (place) buffer{nullptr, static_cast<std::uint32_t>(bytes), 0, 0, 0, heap_class, 0, 0, 0, 0};
}

wire::instance_id instance_of(std::uint64_t salt) noexcept {
    wire::instance_id id;
    const std::uint64_t mixed = salt * 0x9E3779B97F4A7C15ULL;
    std::memcpy(id.data(), &mixed, sizeof mixed);
    return id;
}

}  // namespace

engine::engine(const limits& bounds, std::string_view lu_name, std::uint64_t salt, host& world)
    : limits_{bounds},
      host_{world},
      instance_{instance_of(salt)},
      salt_{(salt & conversation_id::generation_mask) | 1},
      slots_{bounds.conversations},
      names_{bounds.name_sets(), shards},
      log_data_{bounds.conversations},
      asides_{bounds.conversations},
      settings_{std::size_t{bounds.conversations} * cpic_queues},
      board_{completion_cells(bounds.conversations), completion_waiters},
      free_slots_{bounds.conversations, shards},
      inbound_{
          {bounds.inbound_cells(), bounds.inbound_blocks(), bounds.inbound_bulks()}, bounds.reservable_bytes(), shards},
      outbound_{{bounds.outbound_cells(), bounds.outbound_blocks(), bounds.outbound_bulks()}, 0, shards},
      counters_{shards},
      tps_{bounds.tp_names},
      partners_{bounds.partners},
      finished_{bounds.conversations, shards},
      attached_{bounds.accept_queue, shards},
      accepting_{bounds.accept_queue, shards},
      free_sessions_{bounds.links, 1},
      sessions_{std::make_unique<atom<session*>[]>(bounds.links)} {
    (void)lu_name_.assign(lu_name);
}

engine::~engine() {
    for (std::uint32_t i = 0; i < limits_.links; ++i) delete sessions_[i].load_acquire();
}

// ---- slots ----------------------------------------------------------------------------------------------------------

conversation* engine::open(context& c, conversation_state state) noexcept {
    if (closed_.load_relaxed() != 0) return nullptr;  // relaxed: end_all() sweeps up what slips through
    const auto index = free_slots_.acquire(c.hint);
    if (!index) return nullptr;
    conversation& v = slots_[*index];
    v.index = *index;
    v.link = nullptr;
    v.channel = v.parted_channel = 0;
    v.send_credit = 0;
    v.received = v.received_last = v.sending = nullptr;
    v.window = v.allowance = v.consumed = v.attach_charge = 0;
    v.reader = {};
    v.heard = v.spoken = {};
    v.chosen = {};
    v.said = {};
    v.tp_index = 0;
    v.names = no_names;
    v.fate = return_code::ok;
    v.state = state;
    v.op = {};
    v.wanted = nullptr;
    v.attention = nullptr;
    v.time_limit_ms = 0;
    v.deadline.store_relaxed(0);  // relaxed: published with the word
    v.asked.store_relaxed(0);
    v.beside.store_relaxed(0);
    v.piled.store_relaxed(0);
    v.granted.store_relaxed(0);  // relaxed: published with the word
    v.generation = v.word.open(state, salt_ + *index * 0x9E3779B97F4A7C15ULL);
    counters_.add(counter::conversations_opened, 1, c.counts);
    return &v;
}

void engine::retire(context& c, conversation& v) noexcept {
    counters_.add(counter::conversations_closed, 1, c.counts);
    if (v.attention != nullptr) host_.forget(v.attention);
    v.attention = nullptr;
    drop_names(c, v);
    if (v.chosen.processing_mode == 2 || v.chosen.queue_limits) [[unlikely]]
        forget_queues(v);
    if (v.word.retire()) bury(c, v);  // else the last unpin does
}

bool engine::take_names(context& c, conversation& v) noexcept {
    const auto taken = names_.take(c.hint);
    if (!taken) return false;
    v.names = *taken;
    names_[*taken].reset();
    return true;
}

// By thread, so that many of the same name need not meet at one count.
void engine::share_names(context& c, conversation& v) noexcept {
    forget_password(v);
    v.names = names_.share(v.names, c.hint);
}

void engine::drop_names(context& c, conversation& v) noexcept {
    if (v.names == no_names) return;
    forget_password(v);
    names_.drop(v.names, c.hint);
    v.names = no_names;
}

void engine::forget_password(conversation& v) noexcept {
    if (v.names == no_names || !names_.is_own(v.names)) return;
    if (!names_[v.names].password.empty()) cleanse(names_[v.names].password);
}

void engine::unpin(context& c, conversation& v) noexcept {
    if (v.word.unpin()) bury(c, v);
}

// Nobody finds the slot any more, so whatever a driver still brought there, having seen the channel as it was before it
// ended here, is complete. The partner's last word may be among it.
void engine::bury(context& c, conversation& v) noexcept {
    buffer* const late = take_arrivals(v);
    session* const link = late == nullptr || v.parted_channel == 0 ? nullptr : hold_parted(c, v);
    for (buffer* b = late; b != nullptr;) {
        buffer* const next = b->next;
        if (link != nullptr) link->settle_late(c, v.parted_channel, static_cast<wire::frame_type>(b->user2), b->user1);
        release_inbound(c, b);
        b = next;
    }
    if (link != nullptr) link->release(c);
    free_slots_.release(v.index, c.hint);
}

session* engine::hold_parted(context& c, const conversation& v) noexcept {
    session* const link = sessions_[v.parted_session].load_acquire();
    if (link == nullptr || !link->try_hold()) return nullptr;
    if (link->life() == v.parted_life) return link;
    link->release(c);
    return nullptr;
}

// ---- buffers --------------------------------------------------------------------------------------------------------

buffer* engine::outbound(context& c, std::size_t payload) noexcept {
    buffer* b = outbound_.allocate(payload + wire::frame_header_size, c.hint);
    if (b == nullptr) {
        counters_.add(counter::allocations_refused, 1, c.counts);
        return nullptr;
    }
    b->begin = 0;
    b->end = wire::frame_header_size;
    return b;
}

buffer* engine::control(context& c, std::size_t payload) noexcept {
    buffer* const b = outbound(c, payload);
    return b != nullptr ? b : answer(payload);
}

buffer* engine::answer(std::size_t payload) noexcept {
    buffer* const b = heap_buffer(payload + wire::frame_header_size);
    if (b != nullptr) b->end = wire::frame_header_size;
    return b;
}

void engine::release_outbound(context& c, buffer* b) noexcept {
    if (b == nullptr) return;
    if (b->user2 == outbound_secret) [[unlikely]]
        cleanse(b->bytes(), b->end);
    if (b->size_class == heap_class)
        std::free(b);
    else
        outbound_.release(b, c.hint);
}

buffer* engine::inbound_or_heap(context& c, std::size_t bytes) noexcept {
    if (buffer* b = inbound_.allocate(bytes, c.hint); b != nullptr) return b;
    counters_.add(counter::allocations_refused, 1, c.counts);
    return heap_buffer(bytes);
}

void engine::release_inbound(context& c, buffer* b) noexcept {
    if (b == nullptr) return;
    if (b->size_class == heap_class)
        std::free(b);
    else
        inbound_.release(b, c.hint);
}

// What may lie there is what the partner has credit for, and the few frames without data that a turn brings. More is
// more than any owner leaves behind.
bool engine::push_arrival(context& c, conversation& v, buffer* frame, std::uint32_t length) noexcept {
    constexpr std::uint32_t uncharged_room = 64 * wire::frame_overhead_charge;
    const std::uint32_t most = 2 * limits_.window_bytes_max + uncharged_room;
    frame->user3 = wire::frame_charge(length);
    // relaxed: it only bounds memory.
    if (v.piled.fetch_add_relaxed(frame->user3) > most) {
        v.piled.fetch_sub_relaxed(frame->user3);
        release_inbound(c, frame);
        return false;
    }
    v.arrivals.push(frame);
    return true;
}

buffer* engine::take_arrivals(conversation& v) noexcept {
    buffer* const list = v.arrivals.take_all();
    std::uint32_t taken = 0;
    for (const buffer* b = list; b != nullptr; b = b->next) taken += b->user3;
    if (taken != 0) v.piled.fetch_sub_relaxed(taken);  // relaxed: as above
    return list;
}

void engine::release_arrivals(context& c, conversation& v) noexcept {
    for (buffer* b = take_arrivals(v); b != nullptr;) {
        buffer* const next = b->next;
        release_inbound(c, b);
        b = next;
    }
}

// ---- sessions -------------------------------------------------------------------------------------------------------

session* engine::open_session(context& c) noexcept {
    const auto index = free_sessions_.acquire(c.hint);
    if (!index) return nullptr;
    session* s = sessions_[*index].load_acquire();
    if (s == nullptr) {
        s = new (std::nothrow) session{*this, *index};
        if (s == nullptr) {
            free_sessions_.release(*index, c.hint);
            return nullptr;
        }
        sessions_[*index].store_release(s);
    }
    s->opened_for = nullptr;
    s->transport_data = nullptr;
    s->role = link_role::ordinary;
    s->program = nullptr;
    s->caller.clear();
    s->confidential = s->in_process = s->takes_users = false;
    return s;
}

void engine::recycle(session& s) noexcept {
    s.own_channels_.reset(0);
    s.peer_channels_.reset(0);
    s.stage_.store_release(session::stage::vacant);
    free_sessions_.release(s.index(), 0);
}

void engine::link_opened(context& c, partner& p, session& s) noexcept {
    // release[partner-link]: the session is open before anyone finds it here. Read-modify-write, like the waiters'
    // look.
    p.links[s.opened_index].state.exchange_acq_rel(reinterpret_cast<std::uintptr_t>(&s));
    resume(c, p.waiting.take_all());
}

void engine::link_failed(context& c, partner& p, std::uint32_t link, return_code code, std::int32_t detail) noexcept {
    partner_link& l = p.links[link];
    l.detail.store_relaxed(detail);  // relaxed: for people
    l.failure.store_release(code);
    l.failures.fetch_add_acq_rel(1);
    l.state.exchange_acq_rel(partner_link::none);  // release[partner-link]
    resume(c, p.waiting.take_all());
}

// ---- news -----------------------------------------------------------------------------------------------------------

// Somebody announced something and the slot may have no owner now.
void engine::look(context& c, conversation& v, std::uint64_t generation) noexcept {
    switch (v.word.take(generation)) {
        case state_word<>::take_result::from_idle: leave_idle(c, v); return;
        case state_word<>::take_result::from_pending: carry_on(c, v, phase::pending); return;
        case state_word<>::take_result::done: break;
        default: return;  // the owner looks for itself
    }
    // The collector looks for itself, too, but what waits on another queue cannot wait for it.
    phase before{};
    if (!v.any_beside() || v.word.own(generation, before) != state_word<>::own_result::owned) return;
    carry_on(c, v, before);
}

// A conversation that has moved named its new slot in the channel's entry before its old life ended. Who saw that end
// by a look that orders nothing looks again, so that the entry cannot be seen as it was.
static bool moved_or_gone(const conversation& v) noexcept {
    (void)v.word.load();  // acquire[slot-own]
    return true;
}

bool engine::on_awaited_data(context& c, conversation_id id, const wire::frame_header& h,
                             std::span<const std::byte> payload, wire::reason& why) noexcept {
    conversation& v = slots_[id.slot()];
    if (!v.word.take_pending(id.generation())) return false;
    const std::uint32_t charge = wire::frame_charge(h.length);
    if (common_path::deliver_record(v, h.indicators, payload, charge)) {
        complete(c, v, return_code::ok);
        return true;
    }
    buffer* owned = nullptr;
    why = flow{*this, c, v}.admit(h.indicators, payload, charge, owned, true);
    carry_on(c, v, phase::pending);
    return true;
}

wire::reason engine::on_data(context& c, conversation_id id, const wire::frame_header& h,
                             std::span<const std::byte> payload, buffer*& owned, bool& stale) noexcept {
    conversation& v = slots_[id.slot()];
    const std::uint64_t generation = id.generation();
    const std::uint32_t charge = wire::frame_charge(h.length);
    switch (v.word.take(generation)) {
        case state_word<>::take_result::stale: stale = moved_or_gone(v); return wire::reason::none;
        case state_word<>::take_result::from_idle: {
            const wire::reason why = flow{*this, c, v}.admit(h.indicators, payload, charge, owned, false);
            leave_idle(c, v);
            return why;
        }
        case state_word<>::take_result::from_pending: {
            const wire::reason why = flow{*this, c, v}.admit(h.indicators, payload, charge, owned, true);
            carry_on(c, v, phase::pending);
            return why;
        }
        case state_word<>::take_result::owned:
        case state_word<>::take_result::done: break;
    }
    // Somebody is busy with the conversation: leave the frame on its pile, in order, behind a pin that keeps the slot.
    stale = !v.word.pin(generation) && moved_or_gone(v);
    if (stale) return wire::reason::none;
    buffer* frame = owned;
    if (frame == nullptr) {
        frame = inbound_or_heap(c, payload.size());
        if (frame != nullptr) {
            if (!payload.empty()) std::memcpy(frame->bytes(), payload.data(), payload.size());
            frame->end = static_cast<std::uint32_t>(payload.size());
        }
    }
    owned = nullptr;
    if (frame == nullptr) {
        unpin(c, v);
        return wire::reason::limits;
    }
    frame->user1 = h.indicators;
    frame->user2 = static_cast<std::uint8_t>(h.type);
    const bool pushed = push_arrival(c, v, frame, h.length);
    if (pushed && v.word.announce(generation) == state_word<>::announce_result::take_it) look(c, v, generation);
    unpin(c, v);
    return pushed ? wire::reason::none : wire::reason::credit_overrun;
}

wire::reason engine::on_response(context& c, session& s, const wire::frame_header& h, conversation_id id,
                                 bool& stale) noexcept {
    conversation& v = slots_[id.slot()];
    stale = !v.word.pin(id.generation()) && moved_or_gone(v);
    if (stale) return wire::reason::none;
    const bool ends = h.has(wire::indicator::conditional_end);
    // acquire[asked]. An answer to another question than was asked answers nothing.
    const bool waited_for = v.asked.exchange_acquire(0) == (ends ? asked_to_end : asked_to_confirm);
    // The number is free for the partner from here on, or for us as soon as the owner has heard; not later, whatever
    // keeps the owner.
    if (waited_for && ends) s.take_last_word(h.channel, id);
    if (waited_for && v.word.announce(id.generation(), flag::response) == state_word<>::announce_result::take_it)
        look(c, v, id.generation());
    wire::reason why = wire::reason::none;
    if (!waited_for) {
        // It acknowledges the end of a full-duplex conversation whose owner has the partner's end on its pile still; or
        // the owner has ended the channel meanwhile.
        const bool may_be =
            ends && is_duplex(word_bits::state_of(v.word.load())) && wire::channel_side(h.channel) == s.side();
        if (may_be && s.note_answer(h.channel, id)) {
            why = leave_on_pile(c, v, id.generation(), h.type, {});
        } else {
            stale = true;
            why = wire::reason::protocol;
        }
    }
    unpin(c, v);
    return why;
}

// Behind what is there already: it must not overtake the attach, or the partner's end.
wire::reason engine::leave_on_pile(context& c, conversation& v, std::uint64_t generation, wire::frame_type type,
                                   std::span<const std::byte> payload) noexcept {
    buffer* frame = inbound_or_heap(c, payload.size());
    if (frame == nullptr) return wire::reason::limits;
    if (!payload.empty()) std::memcpy(frame->bytes(), payload.data(), payload.size());
    frame->end = static_cast<std::uint32_t>(payload.size());
    frame->user1 = 0;
    frame->user2 = static_cast<std::uint8_t>(type);
    if (!push_arrival(c, v, frame, static_cast<std::uint32_t>(payload.size()))) return wire::reason::credit_overrun;
    if (v.word.announce(generation) == state_word<>::announce_result::take_it) look(c, v, generation);
    return wire::reason::none;
}

wire::reason engine::on_expedited(context& c, conversation_id id, wire::frame_type type,
                                  std::span<const std::byte> payload, bool& stale) noexcept {
    conversation& v = slots_[id.slot()];
    stale = !v.word.pin(id.generation()) && moved_or_gone(v);
    if (stale) return wire::reason::none;
    const wire::reason why = leave_on_pile(c, v, id.generation(), type, payload);
    unpin(c, v);
    return why;
}

void engine::on_signal(conversation_id id, bool& stale) noexcept {
    conversation& v = slots_[id.slot()];
    stale = !v.word.raise(id.generation(), flag::request_to_send) && moved_or_gone(v);
}

wire::reason engine::on_credit(context& c, conversation_id id, std::uint32_t grant, bool& stale) noexcept {
    conversation& v = slots_[id.slot()];
    stale = !v.word.pin(id.generation()) && moved_or_gone(v);
    if (stale) return wire::reason::none;
    // What the owner has taken already is added, and looked at, when it takes the rest.
    const std::uint32_t before = v.granted.fetch_add_acq_rel(grant);  // release[grant]
    const bool overflows = grant > UINT32_MAX - before;
    if (v.word.announce(id.generation(), flag::room) == state_word<>::announce_result::take_it)
        look(c, v, id.generation());
    unpin(c, v);
    return overflows ? wire::reason::protocol : wire::reason::none;
}

void engine::on_link_lost(context& c, conversation_id id, bool& stale) noexcept {
    conversation& v = slots_[id.slot()];
    const auto result = v.word.announce(id.generation(), flag::link_lost);
    stale = result == state_word<>::announce_result::stale && moved_or_gone(v);
    if (result == state_word<>::announce_result::take_it) look(c, v, id.generation());
}

void engine::resume(context& c, waiting_node* list) noexcept {
    while (list != nullptr) {
        waiting_node* const next = list->next;
        conversation& v = *list->who;
        const std::uint64_t generation = v.generation;  // stable: the list holds a pin
        // The node is free to be listed again.
        v.listed.store_release(0);
        if (v.word.announce(generation, flag::room) == state_word<>::announce_result::take_it) look(c, v, generation);
        unpin(c, v);
        list = next;
    }
}

// ---- operations -----------------------------------------------------------------------------------------------------

void engine::leave_idle(context& c, conversation& v) noexcept {
    std::uint64_t seen = 0;
    for (;;) {
        if (v.any_beside()) [[unlikely]] {
            carry_on(c, v, phase::idle);
            return;
        }
        if (v.word.leave(phase::idle, v.state, seen)) return;
        flow{*this, c, v}.absorb();
    }
}

// What others see while an operation waits: the state before it. A Receive that has passed the turn is in RECEIVE
// already, but that is told with its completion. Without turns it is what calls on other queues have made of it.
static conversation_state shown(const conversation& v) noexcept {
    return v.chosen.full_duplex ? v.state : word_bits::state_of(v.word.load());
}

// What an operation made of the conversation is kept for whoever waits on another queue. An end in order is no failure
// of theirs: their queue closes.
static void keep_fate(conversation& v, const operation& op, return_code code) noexcept {
    if (v.state != conversation_state::reset || v.fate != return_code::ok) return;
    if (ends_conversation(code))
        v.fate = code;
    else if (code == return_code::ok && !op.abends)
        v.fate = return_code::conversation_ending;
}

// What an operation is told whose conversation was ended by another.
static return_code why_over(const conversation& v) noexcept {
    return v.fate == return_code::ok ? return_code::deallocated_abend : v.fate;
}

return_code engine::issue(context& c, conversation& v, queue on, phase before, bool waits) noexcept {
    flow f{*this, c, v};
    if (v.word.has(flag::arrivals) && v.word.lower(flag::arrivals)) {
        f.absorb();
        waits = false;
    }
    counters_.add(counter::verbs, 1, c.counts);
    operation& op = op_on(v, on);
    bool ended = false;  // by what waits on another queue
    bool begun = false;  // at queue level
    for (;;) {
        const step s = ended ? step::done(why_over(v)) : waits ? step::wait() : f.advance(op);
        waits = false;
        if (!s.waits) {
            if (begun) [[unlikely]]
                withdraw_at_queue_level(c, v, on, op.kind);
            if (on == queue::main) settle_waitable(v);
            report_control_information(v, op);
            keep_fate(v, op, s.code);
            op.kind = verb::none;
            if (on != queue::main)
                carry_on(c, v, before);
            else if (v.state == conversation_state::reset)
                end_life(c, v);
            else
                leave_idle(c, v);
            return s.code;
        }
        if (op.channel == notify::queue_level) [[unlikely]] {
            begun = true;
            begin_at_queue_level(c, v, on, op);
        }
        if (on != queue::main) {
            const bool tells = op.channel != notify::caller;
            v.set_on(on, waits::pending);
            rearm(c, v, before == phase::pending);
            carry_on(c, v, before);
            if (tells) host_.operation_outstanding();
            return return_code::operation_incomplete;
        }
        // Counted before it is published, so that its completion never finds a count of nothing.
        if (op.channel == notify::wait_queue && !op.waitable) {
            op.waitable = true;
            outstanding_.fetch_add_acq_rel(1);
        }
        const bool tell = op.channel != notify::caller;
        if (op.deadline_ns != 0) rearm(c, v, true);
        if (v.any_beside()) [[unlikely]]
            advance_beside(c, v);
        ended = v.state == conversation_state::reset;
        std::uint64_t seen = 0;
        if (!ended && v.word.leave(phase::pending, shown(v), seen)) {
            if (tell) host_.operation_outstanding();
            return return_code::operation_incomplete;
        }
        f.absorb();
    }
}

// The owner goes on with whatever waits, then leaves the slot as it was found, or as it became.
void engine::carry_on(context& c, conversation& v, phase before) noexcept {
    flow f{*this, c, v};
    if (v.word.has(flag::arrivals) && v.word.lower(flag::arrivals)) f.absorb();
    for (;;) {
        bool ended = before != phase::pending && v.state == conversation_state::reset;
        if (v.any_beside()) [[unlikely]] {
            advance_beside(c, v);
            ended = v.state == conversation_state::reset;
        }
        if (before == phase::pending) {
            // Nothing of a conversation that has ended may go on: its success would bring the state back.
            const step s = ended && !v.op.filled ? step::done(why_over(v)) : f.advance(v.op);
            if (!s.waits) {
                complete(c, v, s.code);
                return;
            }
        } else if (ended) {
            if (before == phase::done)
                finish_again(c, v);
            else
                end_life(c, v);
            return;
        }
        std::uint64_t seen = 0;
        const bool tells = before == phase::done && v.op.channel == notify::caller;  // not ours to look at afterwards
        if (v.word.leave(before, before == phase::pending ? shown(v) : v.state, seen)) {
            if (tells) tell_caller(c, v, seen);
            return;
        }
        f.absorb();
    }
}

// ---- queues beside the main one -------------------------------------------------------------------------------------

// The owner carries on what waits on other queues.
void engine::advance_beside(context& c, conversation& v) noexcept {
    flow f{*this, c, v};
    for (unsigned i = 1; i <= queues_beside; ++i) {
        const auto on = static_cast<queue>(i);
        if (v.on(on) != waits::pending) continue;
        const step s = f.advance(op_on(v, on));
        if (s.waits) continue;
        keep_fate(v, op_on(v, on), s.code);
        finish_beside(c, v, on, s.code);
    }
    if (v.state != conversation_state::reset) return;
    finish_all_beside(c, v);
    f.close_down();
}

void engine::finish_beside(context& c, conversation& v, queue on, return_code code) noexcept {
    operation& op = op_on(v, on);
    report_control_information(v, op);
    op.result = code;
    v.set_on(on, waits::done);
    counters_.add(counter::completions, 1, c.counts);
    if (op.channel == notify::queue_level) {
        // Who collects it waits until the slot is let go.
        queue_setting& s = setting_of(v, queue_of(v.chosen.full_duplex, on, op.kind));
        finish_at_queue_level(c, s, waited_for(s));
        return;
    }
    host_.wake(parking_on(v, on));
    if (!c.driving) host_.finished_elsewhere();
}

void engine::finish_all_beside(context& c, conversation& v) noexcept {
    for (unsigned i = 1; i <= queues_beside; ++i)
        if (const auto on = static_cast<queue>(i); v.on(on) == waits::pending) finish_beside(c, v, on, why_over(v));
}

void engine::end_life(context& c, conversation& v) noexcept {
    if (v.any_beside()) [[unlikely]]
        finish_all_beside(c, v);
    flow{*this, c, v}.close_down();
    let_go(c, v);
}

// The owner, whose main operation is over and told, leaves the slot.
void engine::let_go(context& c, conversation& v) noexcept {
    if (v.state != conversation_state::reset) {
        leave_idle(c, v);
    } else if (!v.any_beside()) {
        retire(c, v);
    } else {
        // The callers blocked on other queues still have to collect; the last one gives the slot back.
        std::uint64_t seen = 0;
        while (!v.word.leave(phase::idle, v.state, seen)) {
        }
    }
}

bool engine::collect_beside(context& c, conversation& v, std::uint64_t generation, queue on,
                            return_code& code) noexcept {
    phase before{};
    for (;;) {
        const auto owned = v.word.own(generation, before);
        if (owned == state_word<>::own_result::stale) return false;
        if (owned == state_word<>::own_result::owned) break;
    }
    const bool done = v.on(on) == waits::done;
    if (done) {
        operation& op = op_on(v, on);
        code = op.result;
        op.kind = verb::none;
        v.set_on(on, waits::nothing);
    }
    give_place(c, v, before);
    return done;
}

std::uint64_t engine::earliest_deadline(conversation& v, bool main_pending) noexcept {
    std::uint64_t earliest = main_pending ? v.op.deadline_ns : 0;
    if (!v.any_beside()) return earliest;
    for (unsigned i = 1; i <= queues_beside; ++i) {
        const auto on = static_cast<queue>(i);
        const std::uint64_t its = v.on(on) == waits::pending ? op_on(v, on).deadline_ns : 0;
        if (its != 0 && (earliest == 0 || its < earliest)) earliest = its;
    }
    return earliest;
}

void engine::rearm(context& c, conversation& v, bool main_pending) noexcept {
    const std::uint64_t earliest = earliest_deadline(v, main_pending);
    if (earliest == v.deadline.load_relaxed()) return;  // relaxed: written by owners
    v.deadline.store_relaxed(earliest);                 // relaxed: whoever finds it takes the slot before it acts
    if (earliest != 0) host_.deadline_set(c, v);
}

// ---- completions ----------------------------------------------------------------------------------------------------

// Leaves the slot in `to`; what others brought meanwhile is seen first. Gives the word that was replaced.
std::uint64_t engine::leave_as(context& c, conversation& v, phase to, std::uint64_t listed) noexcept {
    std::uint64_t seen = 0;
    for (;;) {
        if (v.any_beside()) [[unlikely]]
            advance_beside(c, v);
        if (v.word.leave(to, v.state, seen, listed)) return seen;
        flow{*this, c, v}.absorb();
    }
}

void engine::complete(context& c, conversation& v, return_code code) noexcept {
    report_control_information(v, v.op);
    // relaxed: a timer that still sees it finds the operation gone
    v.deadline.store_relaxed(earliest_deadline(v, false));
    v.op.result = code;
    v.op.filled = true;  // nothing that still arrives goes to the caller's buffer
    const notify channel = v.op.channel;
    void* const attention = v.attention;
    const std::uint32_t index = v.index;
    queue_setting* const setting = channel == notify::queue_level
                                       ? &setting_of(v, queue_of(v.chosen.full_duplex, queue::main, v.op.kind))
                                       : nullptr;
    const std::int32_t number = setting != nullptr ? waited_for(*setting) : 0;
    const bool signals = channel == notify::wait_queue && attention != nullptr && host_.hold_signal(attention);
    if (v.state == conversation_state::reset) {
        drop_attention(v);  // the record may never be collected
        keep_fate(v, v.op, code);
        if (v.any_beside()) [[unlikely]]
            finish_all_beside(c, v);
        flow{*this, c, v}.close_down();
    }
    constexpr std::uint64_t in_queue = state_word<>::bit(flag::queued), in_list = state_word<>::bit(flag::posting);
    const std::uint64_t listed = channel == notify::wait_queue ? in_queue : channel == notify::posted ? in_list : 0;
    const std::uint64_t seen = leave_as(c, v, phase::done, listed);
    counters_.add(counter::completions, 1, c.counts);
    // From here on the slot may be collected and live another life; only its fixed parts are touched.
    switch (channel) {
        case notify::caller: tell_caller(c, v, seen); return;
        case notify::wait_queue:
            // An older entry of the slot may still be in the queue: it will serve.
            if ((seen & in_queue) == 0) c.completions[c.completed++] = index;
            if (signals) c.signalled[c.signals++] = attention;
            if (c.completed == context::batch_max || c.signals == context::batch_max) flush(c);
            return;
        case notify::posted:
            if ((seen & in_list) == 0) list_posting(c, index + 1);
            return;
        case notify::queue_level: finish_at_queue_level(c, *setting, number); return;
    }
}

// The note that the partner wants the turn is told once, by the first call that can tell it; that expedited data waits,
// until it is received.
void engine::report_control_information(conversation& v, operation& op) noexcept {
    if (op.request_to_send_received == nullptr) return;
    const std::int32_t told = control_information(v);
    if (told != 0) *op.request_to_send_received = told;
}

std::int32_t engine::control_information(conversation& v) noexcept {
    constexpr std::int32_t request_to_send = 1, expedited = 5, both = 6;
    const bool wants = v.word.has(flag::request_to_send) && v.word.lower(flag::request_to_send);
    if (v.said.expedited_waiting) return wants ? both : expedited;
    return wants ? request_to_send : 0;
}

void engine::complete_cancelled(context& c, conversation& v) noexcept {
    bool told = v.op.channel != notify::wait_queue || host_.wait_queue_watched();
    if (!told && v.attention != nullptr && host_.hold_signal(v.attention)) {
        host_.forget(v.attention);  // only asked: complete() takes its own
        told = true;
    }
    if (told) {
        complete(c, v, return_code::deallocated_abend);
        return;
    }
    settle_waitable(v);
    end_life(c, v);
}

void engine::withdraw_accept(conversation& v) noexcept {
    accept_cancelled();
    v.deadline.store_relaxed(0);  // relaxed: a timer that still sees it finds the operation gone
    discard(v);
}

void engine::discard(conversation& v) noexcept {
    settle_waitable(v);
    v.op.kind = verb::none;
}

// Of a conversation that is over, unless it is still needed to tell so.
void engine::drop_attention(conversation& v) noexcept {
    if (v.attention == nullptr || v.op.channel == notify::posted) return;
    host_.forget(v.attention);
    v.attention = nullptr;
}

void engine::finish_again(context& c, conversation& v) noexcept {
    drop_attention(v);
    if (v.any_beside()) [[unlikely]]
        finish_all_beside(c, v);
    flow{*this, c, v}.close_down();
    leave_done(c, v);
}

// It may be parked, or drive and wait in the system's wait, or have done the one before it does the other.
void engine::tell_caller(context& c, conversation& v, std::uint64_t seen) noexcept {
    if ((seen & state_word<>::bit(flag::waited)) != 0) host_.wake(v.parking);
    if (!c.driving) host_.finished_elsewhere();
}

void engine::leave_done(context& c, conversation& v) noexcept {
    const bool blocks = v.op.channel == notify::caller;
    const std::uint64_t seen = leave_as(c, v, phase::done);
    // Its caller may have come meanwhile, found it owned, and gone to sleep.
    if (blocks) tell_caller(c, v, seen);
}

void engine::settle_waitable(conversation& v) noexcept {
    if (!v.op.waitable) return;
    v.op.waitable = false;
    if (outstanding_.fetch_sub_acq_rel(1) == 1) host_.wait_queue_idle();
}

void engine::flush_slowly(context& c) noexcept {
    if (const std::uint32_t n = c.completed; n != 0) {
        finished_.enqueue_bulk(c.completions.data(), n, c.hint);
        c.completed = 0;
        host_.wait_queue_filled(n);
        if (!c.driving) host_.finished_elsewhere();
    }
    // After the entries are in the queue, so that a cmwait that follows the event never blocks.
    if (c.signals != 0) host_.signal({c.signalled.data(), c.signals});
    c.signals = 0;
    if (!starved_.approx_empty()) resume(c, starved_.take_all());
}

bool engine::drop_stale(std::uint64_t entry) noexcept {
    conversation& v = slots_[static_cast<std::uint32_t>(entry)];
    // Lowered before the look, as everywhere: a completion that still counted on this entry is seen by the look.
    (void)v.word.lower(flag::queued);
    phase now = word_bits::phase_of(v.word.load());
    // Who owns the slot may be about to leave it done again.
    while (now == phase::delivering) now = word_bits::phase_of(v.word.load());
    return now != phase::done || !v.word.raise_listed(flag::queued);
}

engine::collect_result engine::collect_entry(context& c, std::uint64_t entry, collected& out, bool keep) noexcept {
    conversation& v = slots_[static_cast<std::uint32_t>(entry)];
    // Lowered no later than the slot is taken: a completion after it raises the flag anew and gets an entry of its own.
    constexpr std::uint64_t queued = state_word<>::bit(flag::queued);
    if (!v.word.collect(word_bits::generation(v.word.load()), phase::claimed, keep ? 0 : queued)) {
        if (keep) return collect_result::stale;
        // Lowered before another look, or what has finished since the first would count on this entry.
        (void)v.word.lower(flag::queued);
        if (!v.word.collect(word_bits::generation(v.word.load()))) return collect_result::stale;
    }
    out = {v.id(), v.op.result, v.op.id_memory};
    if (keep || v.op.channel != notify::wait_queue) {
        // Left as it was. A blocked caller's operation, in a slot whose old entry was still queued, is not ours to
        // collect.
        const bool ours = v.op.channel == notify::wait_queue;
        leave_done(c, v);
        return ours ? collect_result::one : collect_result::stale;
    }
    settle_waitable(v);
    v.op.kind = verb::none;
    let_go(c, v);
    return collect_result::one;
}

bool engine::next_posting(context& c, posting& out) noexcept {
    while (c.posted_first != 0) {
        const std::uint32_t entry = c.posted_first;
        c.posted_first = next_posting_of(entry);
        if (c.posted_first == 0) c.posted_last = 0;
        out.of_queue = (entry & of_queue_bit) != 0;
        if (out.of_queue) [[unlikely]] {
            if (collect_called(c, entry & ~of_queue_bit, out.from_queue)) return true;
            continue;
        }
        conversation& v = slots_[entry - 1];
        // Lowered as `queued` is: a completion after it makes an entry of its own. Held as a deliverer holds it: a verb
        // that comes right behind the notification waits for us to let go.
        constexpr std::uint64_t listed = state_word<>::bit(flag::posting);
        if (!v.word.collect(word_bits::generation(v.word.load()), phase::delivering, listed)) {
            (void)v.word.lower(flag::posting);
            if (!v.word.collect(word_bits::generation(v.word.load()), phase::delivering)) continue;  // cancelled
        }
        if (v.op.channel != notify::posted) {
            leave_done(c, v);  // of a later life
            continue;
        }
        out.slot = &v;
        out.what = {v.id(), v.op.result, v.op.id_memory};
        out.attention = v.attention;
        return true;
    }
    return false;
}

void engine::posted(context& c, posting& p) noexcept {
    p.slot->op.kind = verb::none;
    let_go(c, *p.slot);
}

void engine::refused(context& c, posting& p) noexcept { (void)leave_as(c, *p.slot, phase::done); }

void engine::to_wait_queue(context& c, posting& p) noexcept {
    conversation& v = *p.slot;
    v.op.channel = notify::wait_queue;
    v.op.waitable = true;
    outstanding_.fetch_add_acq_rel(1);
    (void)leave_as(c, v, phase::done);
    if (v.word.raise_listed(flag::queued)) c.completions[c.completed++] = v.index;
    flush(c);
}

void engine::post_again(context& c, conversation_id id) noexcept {
    conversation& v = slots_[id.slot()];
    std::uint64_t w = v.word.load();
    // Who owns it for a look leaves it done again.
    while (word_bits::is_life(w, id.generation()) &&
           (word_bits::phase_of(w) == phase::claimed || word_bits::phase_of(w) == phase::delivering))
        w = v.word.load();
    if (!word_bits::is_life(w, id.generation()) || word_bits::phase_of(w) != phase::done) return;
    if (v.word.raise_listed(flag::posting)) list_posting(c, id.slot() + 1);
}

// Who raised `posting` owns the link field until the flag is lowered; a setting's belongs to who finished the
// operation.
void engine::list_posting(context& c, std::uint32_t entry) noexcept {
    next_posting_of(entry) = 0;
    (c.posted_last == 0 ? c.posted_first : next_posting_of(c.posted_last)) = entry;
    c.posted_last = entry;
}

void engine::move_postings(context& from, context& to, engine& e) noexcept {
    if (from.posted_first == 0) return;
    (to.posted_last == 0 ? to.posted_first : e.next_posting_of(to.posted_last)) = from.posted_first;
    to.posted_last = from.posted_last;
    from.posted_first = from.posted_last = 0;
}

bool engine::collect(context& c, conversation_id id, return_code& code, queue on) noexcept {
    conversation& v = slots_[id.slot()];
    if (on != queue::main) return collect_beside(c, v, id.generation(), on, code);
    if (!v.word.collect(id.generation())) return false;
    code = v.op.result;
    (void)v.word.lower(flag::waited);
    v.op.kind = verb::none;
    let_go(c, v);
    return true;
}

bool engine::finished(conversation_id id, queue on) noexcept {
    conversation& v = slots_[id.slot()];
    const std::uint64_t w = v.word.load();
    if (word_bits::generation(w) != id.generation()) return true;
    return on == queue::main ? word_bits::phase_of(w) == phase::done : v.on(on) == waits::done;
}

}  // namespace colloquy::runtime
