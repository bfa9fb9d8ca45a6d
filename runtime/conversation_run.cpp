// Operations carried on until they finish or must wait. The same code serves the verb that begins an operation and
// whoever brings what it waited for, so blocking and non-blocking calls cannot differ.
#include <array>
#include <cstring>

#include "runtime/flow.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

namespace in = wire::indicator;

}  // namespace

step flow::advance() noexcept {
    switch (v.op.kind) {
        case verb::accept: return step::wait();  // completed by on_attach alone
        case verb::allocate: return allocate();
        case verb::send_error: return send_error();
        default: return transmit();
    }
}

// Send_Data, Flush, Confirm, Prepare_To_Receive, Deallocate and the first half of a Receive: errors that may be told,
// the caller's data, the last frame with its indicators, the answer.
step flow::transmit() noexcept {
    operation& op = v.op;
    const bool asks = (op.indicators & in::definite_response) != 0;
    const bool tells = op.kind == verb::send_data || op.kind == verb::confirm || op.kind == verb::receive || asks;
    const bool sending = !(op.kind == verb::receive && op.emitted);
    // A Receive that has nothing to send takes errors where they stand among the data.
    if (tells && sending && !op.filled) {
        if (error_queued()) return step::done(take_error());
        if (v.received == nullptr && v.fate != return_code::ok) {
            v.state = conversation_state::reset;
            return step::done(v.fate);
        }
        if (v.received == nullptr && v.word.has(flag::link_lost)) {
            v.state = conversation_state::reset;
            return step::done(loss());
        }
    }
    if (!op.appended) {
        switch (append({op.buffer, op.length})) {
            case sent::waits: return step::wait();
            case sent::no_memory: return starve();
            case sent::all: op.appended = true;
        }
    }
    if (op.abends) {
        abend(wire::sense::deallocate_abend);
        v.state = conversation_state::reset;
        return step::done(return_code::ok);
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
            if (v.channel != 0) v.link->end_channel(v.channel, true);
            v.channel = 0;
        }
    }
    v.state = op.next;
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

step flow::send_error() noexcept {
    operation& op = v.op;
    const conversation_state from = v.state;
    const bool had_turn = from == conversation_state::send || from == conversation_state::send_pending;
    if (had_turn) {
        if (error_queued()) return step::done(take_error());
        if (v.fate != return_code::ok) {
            v.state = conversation_state::reset;
            return step::done(v.fate);
        }
    }
    if (v.word.has(flag::link_lost)) {
        v.state = conversation_state::reset;
        return step::done(loss());
    }
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
        if (from == conversation_state::receive) {
            v.state = conversation_state::reset;
            return step::done(return_code::deallocated_normal);
        }
    }
    // Only a sender can stand inside a record that it has begun.
    const bool cuts = had_turn && !v.spoken.at_boundary();
    switch (emit_error(cuts ? wire::sense::program_error_trunc : wire::sense::program_error, purging, false)) {
        case sent::waits: return step::wait();
        case sent::no_memory: return starve();
        case sent::all: break;
    }
    v.spoken = {};
    if (!had_turn) {
        v.said.purge_turns = v.said.peer_turns;  // until the partner has given them up
        v.said.has_turn = 1;
        settle_credit();
    }
    v.state = conversation_state::send;
    return step::done(return_code::ok);
}

step flow::allocate() noexcept {
    operation& op = v.op;
    partner& p = *v.wanted;
    // Which of the partner's links: conversations take them in turn. `length` and `received` belong to the wait here.
    partner_link& l = p.links[op.length];
    const auto failed = [&](return_code code) {
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

    const limits& bounds = e.bounds();
    if (!e.inbound().reserve(bounds.window_bytes)) {
        v.link->end_channel(v.channel, true);
        v.channel = 0;
        return failed(return_code::allocate_failure_retry);
    }
    v.window = v.allowance = bounds.window_bytes;
    v.send_credit = v.link->peer_attach_credit();
    v.said.originator = v.said.has_turn = 1;

    const particulars& d = e.details(v);
    wire::attach a;
    a.mapped = v.chosen.conversation_type == 1;
    a.sync_level = v.chosen.sync_level;
    (void)a.tp_name.assign(d.tp_name.view());
    (void)a.mode_name.assign(d.mode_name.view());
    a.full_duplex = v.chosen.full_duplex;
    a.service_tp = !d.tp_name.empty() && static_cast<unsigned char>(d.tp_name.view()[0]) < 0x40 && d.service_tp;
    if (v.chosen.security_type == 2) {
        (void)a.user_id.assign(d.user_id.view());
        (void)a.password.assign(d.password.view());
    }
    std::array<std::byte, wire::attach_section_size_max> section;
    const std::size_t n = wire::encode_attach_section(section, bounds.window_bytes, a);
    if (n == 0 || !grow(n)) {
        v.link->end_channel(v.channel, true);
        v.channel = 0;
        return failed(return_code::product_specific_error);
    }
    std::memcpy(v.sending->bytes() + v.sending->end, section.data(), n);
    v.sending->end += static_cast<std::uint32_t>(n);
    v.said.attach_waiting = 1;
    v.state = conversation_state::send;
    return step::done(return_code::ok);
}

void flow::close_down() noexcept {
    drop_sending();
    while (v.received != nullptr) pop();
    e.inbound().release_chain(v.arrivals.take_all(), c.hint);
    if (v.said.attach_budget && v.link != nullptr) v.link->attach_charge.fetch_sub_relaxed(v.attach_charge);
    v.said.attach_budget = 0;
    if (v.window != 0) e.inbound().unreserve(v.window);
    v.window = v.allowance = v.consumed = 0;
    if (v.link != nullptr) {
        if (v.channel != 0) v.link->end_channel(v.channel, false);
        v.link->leave(c);
    }
    v.link = nullptr;
    v.channel = 0;
    v.state = conversation_state::reset;
}

}  // namespace colloquy::runtime
