// Operations carried on until they finish or must wait. The same code serves the verb that begins an operation and
// whoever brings what it waited for, so blocking and non-blocking calls cannot differ.
#include <array>
#include <cstring>

#include "runtime/cleanse.hpp"
#include "runtime/flow.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

namespace in = wire::indicator;

}  // namespace

step flow::advance(operation& op) noexcept {
    switch (op.kind) {
        case verb::accept: return step::wait();  // completed by on_attach alone
        case verb::allocate: return allocate();
        case verb::send_error: return send_error(op);
        case verb::send_expedited: return send_expedited(op);
        case verb::receive_expedited: return receive_expedited(op);
        default: return transmit(op);
    }
}

// The conversation is over, with this code.
step flow::over(return_code code) noexcept {
    v.state = conversation_state::reset;
    return step::done(code);
}

// Full duplex: what the partner's abnormal end is to those who send. Why an attach was rejected is for Receive to say.
return_code flow::why_ended() const noexcept {
    const buffer* const b = v.received_last;
    if (v.fate != return_code::ok) return set_of(v.fate) == return_set::ae ? return_code::allocation_error : v.fate;
    if (b == nullptr) return loss();
    const return_code code =
        wire::return_code_of(wire::decode_fmh7({b->bytes() + b->begin, b->size()}).report.sense, false);
    if (set_of(code) == return_set::ae) return return_code::allocation_error;
    return ends_conversation(code) ? code : return_code::resource_failure_no_retry;
}

// Send_Data, Flush, Confirm, Prepare_To_Receive, Deallocate and the first half of a Receive: errors that may be told,
// the caller's data, the last frame with its indicators, the answer.
step flow::transmit(operation& op) noexcept {
    const bool asks = (op.indicators & in::definite_response) != 0;
    const bool ends = (op.indicators & in::conditional_end) != 0;
    const bool duplex = v.chosen.full_duplex;
    const bool tells =
        op.kind == verb::send_data || op.kind == verb::confirm || op.kind == verb::receive || asks || (duplex && ends);
    const bool sending = !(op.kind == verb::receive && op.emitted);
    // A Receive that has nothing to send takes errors where they stand among the data.
    if (tells && sending && !op.filled) {
        if (duplex && v.said.peer_ended) return over(why_ended());
        if (!duplex && error_queued()) return step::done(take_error());
        const bool heard_all = duplex || v.received == nullptr;
        if (heard_all && v.fate != return_code::ok)
            return over(duplex && op.kind != verb::receive ? why_ended() : v.fate);
        if (heard_all && v.word.has(flag::link_lost)) return over(loss());
    }
    if (!op.appended) {
        switch (append({op.buffer, op.length})) {
            case sent::waits: return step::wait();
            case sent::no_memory: return starve();
            case sent::all: op.appended = true;
        }
        if (v.chosen.basic()) (void)follow(v.spoken, {op.buffer, op.length});  // looked at by the call
    }
    if (op.abends) {
        abend(wire::sense::deallocate_abend);
        return over(return_code::ok);
    }
    if (!op.emitted) {
        switch (op.emit_nothing ? sent::all : emit(op.indicators)) {
            case sent::waits: return step::wait();
            case sent::no_memory: return starve();
            case sent::all: op.emitted = true;
        }
        if (op.kind == verb::receive) v.state = conversation_state::receive;
    }
    if (op.kind == verb::receive) return receive();
    if (asks) {
        if (!v.word.lower(flag::response)) return step::wait();
        if (v.said.end_conditional) {
            v.said.end_conditional = 0;
            v.said.we_ended = 1;
            if (v.channel != 0) end_channel(true);
            v.channel = 0;
        }
    }
    if (!duplex)
        v.state = op.next;
    else if (ends)
        v.state =
            v.state == conversation_state::send_only ? conversation_state::reset : conversation_state::receive_only;
    return step::done(return_code::ok);
}

// Every buffer for output is in use: the operation waits until some have left.
step flow::starve() noexcept {
    if (v.listed.exchange_acquire(1) == 0) {
        (void)v.word.pin(v.generation);
        v.waiting.who = &v;
        e.wait_for_buffers(v.waiting);
    }
    return step::wait();
}

step flow::send_error(operation& op) noexcept {
    const conversation_state from = v.state;
    const bool duplex = v.chosen.full_duplex;
    const bool had_turn = duplex || from == conversation_state::send || from == conversation_state::send_pending;
    if (duplex && v.said.peer_ended) return over(why_ended());
    if (had_turn) {
        if (!duplex && error_queued()) return step::done(take_error());
        if (v.fate != return_code::ok) return over(duplex ? why_ended() : v.fate);
    }
    if (v.word.has(flag::link_lost)) return over(loss());
    bool purging = true;
    if (had_turn) {
        purging = from == conversation_state::send_pending && v.chosen.error_direction == 0;
        if (!op.emitted) {
            switch (emit(0)) {
                case sent::waits: return step::wait();
                case sent::no_memory: return starve();
                case sent::all: op.emitted = true;
            }
        }
    } else if (purge()) {
        // Everything inbound is gone, an abend or an attach rejection too: what is left to say is that it has ended.
        if (from == conversation_state::receive) return over(return_code::deallocated_normal);
    }
    // Only a sender can stand inside a record that it has begun.
    const bool cuts = had_turn && !v.spoken.at_boundary();
    switch (emit_error(cuts ? wire::sense::program_error_trunc : wire::sense::program_error, purging, false)) {
        case sent::waits: return step::wait();
        case sent::no_memory: return starve();
        case sent::all: break;
    }
    v.spoken = {};
    if (duplex) return step::done(return_code::ok);
    if (!had_turn) {
        v.said.purge_turns = v.said.peer_turns;  // until the partner has given them up
        v.said.has_turn = 1;
        settle_credit();
    }
    v.state = conversation_state::send;
    return step::done(return_code::ok);
}

// A lost link for calls beside the flow of data: what has come is received first, and Receive tells the loss.
step flow::lost_beside() noexcept {
    return v.received != nullptr ? step::done(return_code::conversation_ending) : over(loss());
}

// Expedited data passes what is in the send buffer, but not the attach.
step flow::send_expedited(operation& op) noexcept {
    if (v.word.has(flag::link_lost)) return lost_beside();
    if (v.said.peer_ended || v.said.end_conditional || !reachable())
        return step::done(return_code::conversation_ending);
    if (!v.link->peer_can(wire::hello_flag::expedited) || v.said.no_expedited)
        return step::done(return_code::exp_data_not_supported);
    if (v.said.expedited_unread) {
        // A partner that has asked to end its channel says nothing more on it, not even that it has read the last,
        // until it is answered; and the answer may have to wait for this call.
        const bool silent = v.said.end_asked && v.said.originator;
        return silent ? step::done(return_code::conversation_ending) : step::wait();
    }
    if (v.said.attach_waiting) {
        switch (emit(0)) {
            case sent::waits: return step::wait();
            case sent::no_memory: return starve();
            case sent::all: break;
        }
    }
    buffer* b = e.control(c, op.length);
    if (b == nullptr) return starve();
    std::memcpy(b->bytes() + b->end, op.buffer, op.length);
    b->end += op.length;
    wire::encode_header(b->bytes() + b->begin,
                        {static_cast<std::uint16_t>(op.length), wire::frame_type::expedited, 0, v.channel});
    v.said.expedited_unread = 1;
    v.link->send(c, b);
    return step::done(return_code::ok);
}

void flow::acknowledge_expedited() noexcept {
    // Until its end is confirmed or refused a partner's channel carries nothing more from us.
    if (!v.said.expedited_read_owed || !reachable() || (v.said.end_conditional && !v.said.originator)) return;
    buffer* b = e.control(c, 0);
    if (b == nullptr) return;  // with the next error, or never: the partner's next waits
    v.said.expedited_read_owed = 0;
    wire::encode_header(b->bytes() + b->begin, {0, wire::frame_type::expedited_read, 0, v.channel});
    v.link->send(c, b);
}

step flow::receive_expedited(operation& op) noexcept {
    if (v.said.expedited_waiting) {
        const aside& a = e.aside_of(v);
        *op.received_length = a.expedited_size;
        if (a.expedited_size > op.length) return step::done(return_code::buffer_too_small);
        std::memcpy(op.buffer, a.expedited, a.expedited_size);
        v.said.expedited_waiting = 0;
        v.said.expedited_read_owed = 1;
        acknowledge_expedited();
        return step::done(return_code::ok);
    }
    if (v.word.has(flag::link_lost)) return lost_beside();
    if (v.said.peer_ended || v.channel == 0) return step::done(return_code::conversation_ending);
    return op.immediate ? step::done(return_code::unsuccessful) : step::wait();
}

step flow::allocate() noexcept {
    operation& op = v.op;
    partner& p = *v.wanted;
    // Which of the partner's links: conversations take them in turn. `length` and `received` belong to the wait here.
    partner_link& l = p.links[op.length];
    // Whoever is in the list when nothing is waited for any more came to it too late to be called, and would be taken
    // for one that waits for something else.
    const auto leave_list = [&] {
        if (v.listed.load_relaxed() != 0) e.resume(c, p.waiting.take_all());  // relaxed: written by the owner
    };
    const auto failed = [&](return_code code) {
        leave_list();
        if (ends_conversation(code)) v.state = conversation_state::reset;
        return step::done(code);
    };
    for (;;) {
        const std::uint64_t now = l.state.load_acquire();  // acquire[partner-link]
        if (now != partner_link::none && now != partner_link::opening) {
            session& s = *reinterpret_cast<session*>(static_cast<std::uintptr_t>(now));
            if (s.try_hold()) {
                const bool right = s.opened_for == &p && s.opened_index == op.length && s.usable();
                auto begun = right ? s.begin_channel(v.id(), v.channel) : session::begin_result::ended;
                if (begun == session::begin_result::begun) {
                    v.link = &s;
                    break;
                }
                s.release(c);
                if (begun == session::begin_result::full) return failed(return_code::allocate_failure_retry);
            }
            // The link has ended or refuses new conversations; the entry is open for another.
            std::uint64_t expected = now;
            (void)l.state.cas_acq_rel(expected, partner_link::none);
            continue;
        }
        if (op.waited && l.failures.load_acquire() != op.received) return failed(l.failure.load_acquire());
        if (v.chosen.return_control == 1) return step::done(return_code::unsuccessful);
        op.waited = true;
        op.received = l.failures.load_acquire();
        if (v.listed.exchange_acquire(1) == 0) {
            (void)v.word.pin(v.generation);
            v.waiting.who = &v;
            p.waiting.push(&v.waiting);
        }
        if (now == partner_link::none) {
            std::uint64_t expected = partner_link::none;
            if (l.state.cas_acq_rel(expected, partner_link::opening)) e.world().open_link(c, p, op.length);
        }
        // Read-modify-write: either this sees what the opener published, or the opener sees us in the list.
        if (l.state.fetch_or_acq_rel(0) == partner_link::opening) return step::wait();
    }
    leave_list();

    if (v.chosen.full_duplex && !v.link->peer_can(wire::hello_flag::full_duplex)) {
        refused_here(return_code::send_rcv_mode_not_supported);
        return step::done(return_code::ok);
    }
    const limits& bounds = e.bounds();
    particulars& d = e.details(v);
    const bool program_security = v.chosen.security_type == 2;
    const bool same_security = v.chosen.security_type == 1 && !d.user_id.empty() && d.user_id != " " &&
                               v.link->peer_can(wire::hello_flag::users);
    if ((program_security || same_security) && !v.link->confidential && !bounds.users_in_clear) {
        refused_here(return_code::security_not_valid);
        return step::done(return_code::ok);
    }
    if (!e.inbound().reserve(bounds.window_bytes)) {
        end_channel(true);
        v.channel = 0;
        return failed(return_code::allocate_failure_retry);
    }
    v.window = v.allowance = bounds.window_bytes;
    v.send_credit = v.link->peer_attach_credit();
    v.said.originator = v.said.has_turn = 1;

    wire::attach a;
    a.mapped = v.chosen.conversation_type == 1;
    a.sync_level = v.chosen.sync_level;
    (void)a.tp_name.assign(d.tp_name.view());
    (void)a.mode_name.assign(d.mode_name.view());
    a.full_duplex = v.chosen.full_duplex;
    a.service_tp = !d.tp_name.empty() && static_cast<unsigned char>(d.tp_name.view()[0]) < 0x40 && d.service_tp;
    if (program_security || same_security) (void)a.user_id.assign(d.user_id.view());
    if (program_security) (void)a.password.assign(d.password.view());
    a.already_verified = same_security;
    std::array<std::byte, wire::attach_section_size_max> section;
    const std::size_t n = wire::encode_attach_section(section, bounds.window_bytes, a);
    const bool has_room = n != 0 && grow(n);
    if (has_room) std::memcpy(v.sending->bytes() + v.sending->end, section.data(), n);
    if (!a.password.empty()) {
        // Nothing needs it any more but the frame that takes it along.
        if (has_room) v.sending->user2 = engine::outbound_secret;
        cleanse(section.data(), section.size());
        cleanse(a.password);
        e.forget_password(v);
    }
    if (!has_room) {
        end_channel(true);
        v.channel = 0;
        return failed(return_code::product_specific_error);
    }
    v.sending->end += static_cast<std::uint32_t>(n);
    v.said.attach_waiting = 1;
    e.share_names(c, v);
    v.state = v.chosen.full_duplex ? conversation_state::send_receive : conversation_state::send;
    return step::done(return_code::ok);
}

// As if the partner had said so: the calls that may tell of a rejected attach do.
void flow::refused_here(return_code why) noexcept {
    e.forget_password(v);
    end_channel(true);
    v.channel = 0;
    v.fate = why;
    v.said.originator = 1;
    v.said.peer_ended = 1;
    v.state = v.chosen.full_duplex ? conversation_state::send_receive : conversation_state::send;
}

void flow::close_down() noexcept {
    e.forget_password(v);
    drop_sending();
    while (v.received != nullptr) pop();
    if (v.said.attach_budget && v.link != nullptr) v.link->attach_charge.fetch_sub_relaxed(v.attach_charge);
    v.said.attach_budget = 0;
    if (v.window != 0) e.inbound().unreserve(v.window);
    v.window = v.allowance = v.consumed = 0;
    if (v.link != nullptr) {
        if (v.channel != 0) end_channel(false);
        v.parted_session = v.link->index();
        v.parted_life = v.link->life();
        v.link->leave(c);
    }
    if (v.parted_channel == 0) e.release_arrivals(c, v);
    v.link = nullptr;
    v.channel = 0;
    v.state = conversation_state::reset;
}

}  // namespace colloquy::runtime
