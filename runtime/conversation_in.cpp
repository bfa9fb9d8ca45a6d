// Frames that arrive, and what Receive makes of them.
#include <algorithm>
#include <array>
#include <cstring>

#include "runtime/flow.hpp"
#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

namespace in = wire::indicator;

// How a queued buffer uses the fields that are its holder's: user1 the indicators of the frame that ends in it, user2
// these marks, user3 the charge of the frames that end in it.
constexpr std::uint8_t mark_frame_end = 1;
constexpr std::uint8_t mark_error = 2;
constexpr std::uint8_t mark_uncharged = 4;

// Frames without data are not charged; more of them than this unread is no conversation any more.
constexpr std::uint8_t uncharged_max = 64;

constexpr std::uint8_t status_bits = in::change_direction | in::definite_response | in::conditional_end;

constexpr bool unconditional_end(std::uint8_t indicators) noexcept {
    return (indicators & (in::conditional_end | in::definite_response)) == in::conditional_end;
}

std::span<const std::byte> content(const buffer* b) noexcept { return {b->bytes() + b->begin, b->size()}; }

}  // namespace

wire::reason flow::admit(std::uint8_t indicators, std::span<const std::byte> payload, std::uint32_t charge,
                         buffer*& owned, bool may_fill) noexcept {
    if (heard_after_end(wire::frame_type::data, indicators) || v.link == nullptr) return wire::reason::none;
    indicators = static_cast<std::uint8_t>(indicators & ~in::begin);
    const bool error = (indicators & in::fm_header) != 0;
    const bool purging_error = (indicators & in::purging) != 0;
    const bool ends = unconditional_end(indicators);
    const bool duplex = v.chosen.full_duplex;
    if (v.said.peer_ended) return wire::reason::protocol;
    // Without turns there is nothing to hand over, to refuse or to ask; and after its end a partner can only abend.
    if (duplex && ((indicators & (in::change_direction | in::definite_response | in::purging)) != 0 ||
                   (v.said.peer_done && !(error && ends))))
        return wire::reason::protocol;

    const bool uncharged = payload.empty() || (error && (purging_error || ends));
    if (!uncharged) {
        if (charge > v.allowance) return wire::reason::credit_overrun;
        v.allowance -= charge;
    }
    if (v.said.attach_budget && !uncharged) {
        v.attach_charge += charge;
        v.link->attach_charge.fetch_add_relaxed(charge);
    }
    if (error) {
        if (!wire::decode_error(payload).valid) return wire::reason::protocol;
        if (!duplex && !purging_error && !ends && v.said.peer_turns == 0) return wire::reason::protocol;
    } else if (!duplex && v.said.peer_turns == 0) {
        return wire::reason::protocol;
    }
    if ((indicators & in::definite_response) != 0 && !error) {
        if (v.said.answer_owed || v.chosen.sync_level == 0) return wire::reason::protocol;
    }

    if (error) log_error(payload);

    if (v.said.purge_turns != 0 && !(error && ends)) {
        // We refused what the partner was sending: all of it is dropped until it has given up every turn it had then.
        if (!uncharged) v.consumed += charge;
        if (error) return wire::reason::none;
        if ((indicators & (in::change_direction | in::conditional_end)) != 0) {
            --v.said.purge_turns;
            --v.said.peer_turns;
        }
        if (ends) {
            // It had ended before it could hear of the error.
            v.fate = return_code::deallocated_abend;
            ended_by_partner();
        }
        settle_credit();
        return wire::reason::none;
    }

    if (duplex) {
        v.said.peer_done |= ends && !error;
    } else if (error) {
        if (purging_error && v.said.peer_turns == 0) {
            // It takes the turn. Ours ends when the report is read, unless we have ended it with a question.
            v.said.peer_turns = 1;
            if (!v.said.end_conditional) ++v.said.revoked;
        }
    } else {
        if ((indicators & in::definite_response) != 0) {
            v.said.answer_owed = 1;
            v.said.end_asked = (indicators & in::conditional_end) != 0;
        }
        if ((indicators & (in::change_direction | in::conditional_end)) != 0) --v.said.peer_turns;
    }
    if (ends && (error || !duplex)) ended_by_partner();
    if (ends && !error && duplex && v.said.we_ended) both_done();

    // The common case: somebody waits for exactly this, so it goes from the link to the program in one copy.
    const bool fill = may_fill && !error && v.op.kind == verb::receive && v.op.emitted && v.received == nullptr &&
                      !v.op.immediate;  // that one takes a whole record, or nothing
    if (fill) {
        bool used = false;
        step result;
        std::span<const std::byte> rest = payload;
        const bool finished = fill_from(rest, indicators, true, used, result);
        if (finished) {
            v.op.result = result.code;
            v.op.filled = true;
        }
        const std::uint8_t left = used ? std::uint8_t{0} : static_cast<std::uint8_t>(indicators & status_bits);
        if (rest.empty() && left == 0) {
            if (!uncharged) v.consumed += charge;
            settle_credit();
            return wire::reason::none;
        }
        indicators = left;
        payload = rest;
    }
    if (error) payload = payload.first(wire::fmh7_size);  // its text is in the log; one cell holds the rest
    if (!enqueue(indicators, payload, uncharged ? 0 : charge, owned, uncharged)) {
        // No room although it was reserved, or a flood of empty frames: give the conversation up, not the link.
        v.fate = return_code::resource_failure_no_retry;
        abend(wire::sense::deallocate_abend_svc);
    }
    return wire::reason::none;
}

// The partner's last frame: nothing may be sent any more, and the channel is settled at once.
void flow::ended_by_partner() noexcept {
    v.said.peer_ended = 1;
    v.said.peer_turns = v.said.purge_turns = 0;
    if (v.channel == 0) return;
    const bool ours = wire::channel_side(v.channel) == v.link->side();
    end_channel(true);
    if (!ours) answer(true);
    v.channel = 0;
}

// The originator waits for the partner's last word before it uses the number again: until then the partner may have
// sent more credit.
void flow::both_done() noexcept {
    if (v.channel == 0) return;
    const bool ours = wire::channel_side(v.channel) == v.link->side();
    end_channel(!ours);
    if (!ours) answer(true);
    v.channel = 0;
}

void flow::end_channel(bool acknowledged) noexcept {
    if (!v.link->end_channel(v.channel, v.id(), acknowledged, v.chosen.full_duplex)) v.parted_channel = v.channel;
}

// True: the channel has ended here, and what was brought by a driver that had not seen that is the link's to settle.
bool flow::heard_after_end(wire::frame_type type, std::uint8_t indicators) noexcept {
    if (v.parted_channel == 0) return false;
    if (v.link != nullptr)
        v.link->settle_late(c, v.parted_channel, type, indicators);
    else if (session* const link = e.hold_parted(c, v); link != nullptr) {
        link->settle_late(c, v.parted_channel, type, indicators);
        link->release(c);
    }
    return true;
}

wire::reason flow::admit_expedited(wire::frame_type type, std::span<const std::byte> payload) noexcept {
    if (type == wire::frame_type::expedited_read) {
        if (!v.said.expedited_unread) return wire::reason::protocol;
        v.said.expedited_unread = 0;
        return wire::reason::none;
    }
    // One at a time: the partner waits until it was taken.
    if (v.said.expedited_waiting || payload.size() > wire::expedited_size_max) return wire::reason::protocol;
    aside& a = e.aside_of(v);
    std::memcpy(a.expedited, payload.data(), payload.size());
    a.expedited_size = static_cast<std::uint8_t>(payload.size());
    v.said.expedited_waiting = 1;
    return wire::reason::none;
}

// The partner has acknowledged what must have ended both directions by now.
wire::reason flow::admit_answer() noexcept {
    if (v.channel == 0) return wire::reason::none;
    if (v.link->take_back_answer(v.channel, v.id())) (void)v.word.raise(v.generation, flag::link_lost);
    return wire::reason::protocol;
}

// What the partner wants known about its error goes to the log of this end, whether or not a program hears of it.
void flow::log_error(std::span<const std::byte> payload) noexcept {
    const wire::decoded_error error = wire::decode_error(payload);
    if (!error.report.log_follows || error.log.message.empty()) return;
    std::array<std::byte, wire::log_data_size_max> text;
    const auto message = error.log.message.first(std::min(error.log.message.size(), text.size()));
    wire::to_ascii(message, text.data());
    e.world().error_log(v.id(), true, error.report.sense, {reinterpret_cast<const char*>(text.data()), message.size()});
}

void flow::absorb() noexcept { absorb_from(e.take_arrivals(v)); }

void flow::absorb_from(buffer* list) noexcept {
    while (list != nullptr) {
        buffer* const next = list->next;
        list->next = nullptr;
        buffer* owned = list;
        const std::uint8_t indicators = list->user1;
        const auto type = static_cast<wire::frame_type>(list->user2);
        const std::uint32_t charge = list->user3;
        list->user1 = list->user2 = 0;
        list->user3 = 0;
        const bool fill = v.op.kind == verb::receive && !v.op.filled;
        wire::reason why = wire::reason::none;
        if (type == wire::frame_type::data)
            why = admit(indicators, content(list), charge, owned, fill);
        else if (!heard_after_end(type, indicators))
            why = type == wire::frame_type::response ? admit_answer() : admit_expedited(type, content(list));
        if (owned != nullptr) e.release_inbound(c, owned);
        if (why != wire::reason::none && v.link != nullptr) v.link->condemn(why);
        list = next;
    }
    // An operation that sends settles them itself; expedited data, which passes them, does not.
    const bool sends = v.op.kind != verb::none && v.op.kind != verb::send_expedited &&
                       v.op.kind != verb::receive_expedited && !v.op.filled;
    if (v.said.errors_owed != 0 && !sends) (void)settle_errors();
}

bool flow::enqueue(std::uint8_t indicators, std::span<const std::byte> payload, std::uint32_t charge, buffer*& owned,
                   bool uncharged) noexcept {
    const bool error = (indicators & in::fm_header) != 0;
    if (uncharged && ++v.unread_uncharged > uncharged_max) return false;
    const auto marks =
        static_cast<std::uint8_t>(mark_frame_end | (error ? mark_error : 0) | (uncharged ? mark_uncharged : 0));
    buffer* last = v.received_last;
    // Data goes behind data of the same turn while there is room, so that small frames do not take a cell each. What
    // fills a quarter of its own buffer is not copied for that.
    const bool joins = last != nullptr && !error && last->user1 == 0 &&
                       (last->user2 & (mark_error | mark_uncharged)) == 0 && !uncharged &&
                       payload.size() <= last->room() &&
                       (owned == nullptr || payload.size() <= cell_payload || payload.size() < owned->capacity / 4);
    if (joins) {
        std::memcpy(last->bytes() + last->end, payload.data(), payload.size());
        last->end += static_cast<std::uint32_t>(payload.size());
        last->user1 = indicators;
        last->user3 += charge;
        return true;
    }
    buffer* first = nullptr;
    buffer* tail = nullptr;
    if (owned != nullptr && payload.size() > cell_payload) {
        // The frame landed in a buffer of its own, which now simply changes hands.
        const auto offset = static_cast<std::uint32_t>(payload.data() - owned->bytes());
        owned->begin = offset;
        owned->end = offset + static_cast<std::uint32_t>(payload.size());
        first = tail = owned;
        owned = nullptr;
    } else {
        std::size_t at = 0;
        do {
            const std::size_t left = payload.size() - at;
            buffer* b = e.inbound().allocate(left, c.hint);
            if (b == nullptr) b = e.inbound().allocate_cell(c.hint);
            if (b == nullptr) {
                e.inbound().release_chain(first, c.hint);
                return false;
            }
            const std::size_t n = left < b->capacity ? left : b->capacity;
            if (n != 0) std::memcpy(b->bytes(), payload.data() + at, n);
            b->end = static_cast<std::uint32_t>(n);
            b->user1 = b->user2 = 0;
            b->user3 = 0;
            b->next = nullptr;
            (first == nullptr ? first : tail->next) = b;
            tail = b;
            at += n;
        } while (at < payload.size());
    }
    tail->user1 = indicators;
    tail->user2 = marks;
    tail->user3 = charge;
    tail->next = nullptr;
    (last == nullptr ? v.received : last->next) = first;
    v.received_last = tail;
    return true;
}

void flow::pop() noexcept {
    buffer* const b = v.received;
    v.received = b->next;
    if (v.received == nullptr) v.received_last = nullptr;
    if ((b->user2 & mark_uncharged) != 0 && v.unread_uncharged != 0) --v.unread_uncharged;
    v.consumed += b->user3;
    e.release_inbound(c, b);
}

bool flow::error_queued() const noexcept { return v.received != nullptr && (v.received->user2 & mark_error) != 0; }

bool flow::refused() const noexcept {
    return v.said.has_turn && error_queued() && (v.received->user1 & in::purging) != 0;
}

return_code flow::take_error() noexcept {
    const buffer* b = v.received;
    const std::uint8_t indicators = b->user1;
    const wire::decoded_fmh7 report = wire::decode_fmh7(content(b));
    return_code code = wire::return_code_of(report.report.sense, (indicators & in::purging) != 0);
    pop();
    if ((indicators & in::conditional_end) != 0) {
        if (!ends_conversation(code)) code = return_code::resource_failure_no_retry;
        v.state = conversation_state::reset;
        return code;
    }
    if (ends_conversation(code) || code == return_code::ok) {
        // A report that must end the conversation and does not: end it ourselves.
        abend(wire::sense::deallocate_abend_svc);
        v.state = conversation_state::reset;
        return return_code::resource_failure_no_retry;
    }
    v.reader = {};
    v.heard = {};
    if (v.chosen.full_duplex) {
        settle_credit();
        return code;
    }
    drop_sending();
    v.spoken = {};
    if ((indicators & in::purging) != 0) yield_turn();
    v.said.end_conditional = 0;
    acknowledge_expedited();
    v.state = conversation_state::receive;
    settle_credit();
    return code;
}

// The partner has refused our turn and drops what we send until we give it up.
void flow::yield_turn() noexcept {
    if (!v.said.has_turn) return;
    drop_sending();
    (void)emit(in::change_direction);
    v.said.has_turn = 0;
}

bool flow::purge() noexcept {
    const bool ended = v.said.peer_ended != 0;
    while (v.received != nullptr) {
        const buffer* b = v.received;
        if ((b->user2 & mark_error) != 0) {
            if ((b->user1 & in::conditional_end) != 0) {
                // What ended the conversation is told later where Send_Error itself cannot tell it.
                const return_code code = wire::return_code_of(wire::decode_fmh7(content(b)).report.sense, false);
                v.fate = ends_conversation(code) ? code : return_code::resource_failure_no_retry;
            } else if ((b->user1 & in::purging) != 0) {
                yield_turn();
            }
        } else if ((b->user2 & mark_frame_end) != 0 && (b->user1 & in::change_direction) != 0) {
            v.said.has_turn = 1;
        }
        pop();
    }
    v.reader = {};
    v.heard = {};
    v.said.answer_owed = v.said.end_asked = 0;
    return ended;
}

namespace {

enum data_received : std::int32_t { no_data = 0, data = 1, complete_data = 2, incomplete_data = 3 };

struct piece {
    std::size_t consumed = 0;
    std::span<const std::byte> data;
    bool end = false;
    bool fault = false;
};

// The next piece of the current record, at most `room` bytes of data: of a basic conversation's the lengths are part.
piece next_piece(conversation& v, std::span<const std::byte> bytes, std::size_t room) noexcept {
    if (v.chosen.basic()) {
        const wire::tracker_step s = v.heard.feed(bytes.first(std::min(room, bytes.size())));
        return {s.consumed, bytes.first(s.consumed), s.end, s.fault != wire::record_fault::none};
    }
    const wire::record_step s = v.reader.feed(bytes, room);
    return {s.consumed, s.data, s.end, s.fault != wire::record_fault::none};
}

}  // namespace

// True: the Receive is finished, with `result`. `used`: the frame's indicators were delivered with it.
bool flow::fill_from(std::span<const std::byte>& bytes, std::uint8_t indicators, bool frame_ends, bool& used,
                     step& result) noexcept {
    operation& op = v.op;
    const bool basic = v.chosen.basic();
    const bool any_data = v.op.fills;  // whatever there is, without regard to records
    const auto broken = [&] {
        abend(wire::sense::deallocate_abend_svc);
        v.state = conversation_state::reset;
        result = step::done(return_code::resource_failure_no_retry);
        used = true;
        bytes = {};
        return true;
    };
    while (!bytes.empty()) {
        const std::size_t room = op.length - op.received;
        if (basic && room == 0) {
            result = received(any_data ? data : incomplete_data, 0, false);
            return true;
        }
        const piece p = next_piece(v, bytes, room);
        bytes = bytes.subspan(p.consumed);
        if (p.fault) return broken();
        if (!p.data.empty()) {
            std::memcpy(op.buffer + op.received, p.data.data(), p.data.size());
            op.received += static_cast<std::uint32_t>(p.data.size());
        }
        // The status that travelled with the end of the data is told with it; with a length of 0 it is data or status.
        const bool with = bytes.empty() && frame_ends && op.length != 0;
        if (any_data) {
            if (op.received != op.length) continue;
            if (with && (indicators & status_bits) != 0 && !between_records()) return broken();
            used = with;
            result = received(data, indicators, with);
            return true;
        }
        if (p.end) {
            used = with;
            result = received(complete_data, indicators, with);
            return true;
        }
        if (op.received == op.length && (basic || v.reader.remaining() != 0)) {
            result = received(incomplete_data, 0, false);
            return true;
        }
        if (p.consumed == 0) break;
    }
    if (bytes.empty() && frame_ends && (indicators & status_bits) != 0) {
        // A record cut by the end of the turn: nothing that a well-behaved partner sends.
        if (!between_records() || (op.received != 0 && !any_data)) return broken();
        used = true;
        result = received(op.received != 0 ? data : no_data, indicators, true);
        return true;
    }
    return false;
}

step flow::received(std::int32_t data, std::uint8_t indicators, bool with_status) noexcept {
    enum : std::int32_t { none = 0, send = 1, confirm = 2, confirm_send = 3, confirm_deallocate = 4 };
    operation& op = v.op;
    std::int32_t status = none;
    return_code code = return_code::ok;
    if (!v.chosen.full_duplex) v.state = conversation_state::receive;
    if (with_status && v.chosen.full_duplex) {
        if ((indicators & in::conditional_end) != 0) {
            code = return_code::deallocated_normal;
            v.state =
                v.state == conversation_state::receive_only ? conversation_state::reset : conversation_state::send_only;
        }
    } else if (with_status) {
        const bool rqd = (indicators & in::definite_response) != 0;
        if ((indicators & in::conditional_end) != 0) {
            if (rqd) {
                status = confirm_deallocate;
                v.state = conversation_state::confirm_deallocate;
            } else {
                code = return_code::deallocated_normal;
                v.state = conversation_state::reset;
            }
        } else if ((indicators & in::change_direction) != 0) {
            v.said.has_turn = 1;
            status = rqd ? confirm_send : send;
            v.state = rqd         ? conversation_state::confirm_send
                      : data != 0 ? conversation_state::send_pending
                                  : conversation_state::send;
        } else if (rqd) {
            status = confirm;
            v.state = conversation_state::confirm;
        }
    }
    *op.data_received = data;
    *op.received_length = static_cast<std::int32_t>(op.received);
    *op.status_received = status;
    return step::done(code);
}

// Receive_Immediate takes a record only when it can take it whole or fill the buffer: half a record copied could not be
// given back.
bool flow::enough_queued() const noexcept {
    const auto status = [](const buffer* b) {
        return (b->user2 & mark_error) != 0 || ((b->user2 & mark_frame_end) != 0 && (b->user1 & status_bits) != 0);
    };
    std::size_t room = v.op.length;
    if (v.chosen.basic()) {
        wire::record_tracker probe = v.heard;
        for (const buffer* b = v.received; b != nullptr; b = b->next) {
            std::span<const std::byte> bytes = content(b);
            if ((b->user2 & mark_error) == 0 && !bytes.empty()) {
                if (v.op.fills || room == 0) return true;
                while (!bytes.empty()) {
                    const wire::tracker_step s = probe.feed(bytes.first(std::min(room, bytes.size())));
                    bytes = bytes.subspan(s.consumed);
                    room -= s.consumed;
                    if (s.end || s.fault != wire::record_fault::none || room == 0) return true;
                }
            }
            if (status(b)) return true;
        }
        return false;
    }
    wire::record_reader probe = v.reader;
    for (const buffer* b = v.received; b != nullptr; b = b->next) {
        if ((b->user2 & mark_error) != 0) return true;
        std::span<const std::byte> bytes = content(b);
        while (!bytes.empty()) {
            const wire::record_step s = probe.feed(bytes, room);
            bytes = bytes.subspan(s.consumed);
            if (s.end || s.fault != wire::record_fault::none) return true;
            room -= s.data.size();
            if (room == 0 && probe.remaining() != 0) return true;
            if (s.consumed == 0) break;
        }
        if (status(b)) return true;
    }
    return false;
}

step flow::receive() noexcept {
    operation& op = v.op;
    // The part of a record that has come, or of a buffer that is not full, when no more of it will.
    const auto partly = [&] { return received(v.op.fills ? data : incomplete_data, 0, false); };
    if (op.filled) return step::done(op.result);
    if (op.immediate && !enough_queued()) {
        if (v.fate != return_code::ok) {
            v.state = conversation_state::reset;
            return step::done(v.fate);
        }
        if (v.word.has(flag::link_lost)) {
            v.state = conversation_state::reset;
            return step::done(loss());
        }
        return step::done(return_code::unsuccessful);
    }
    while (v.received != nullptr) {
        buffer* const b = v.received;
        if ((b->user2 & mark_error) != 0) {
            if (op.received != 0) return partly();  // what came before the cut
            return step::done(take_error());
        }
        std::span<const std::byte> bytes = content(b);
        const bool frame_ends = (b->user2 & mark_frame_end) != 0;
        bool used = false;
        step result;
        const bool finished = fill_from(bytes, b->user1, frame_ends, used, result);
        b->begin = b->end - static_cast<std::uint32_t>(bytes.size());
        if (used) b->user1 = 0;
        if (bytes.empty() && (b->user1 & status_bits) == 0) pop();
        if (finished) {
            settle_credit();
            return result;
        }
    }
    settle_credit();
    const bool lost = v.fate != return_code::ok || v.word.has(flag::link_lost);
    if (op.received != 0 && v.op.fills && (lost || op.immediate)) return partly();
    if (lost) {
        v.state = conversation_state::reset;
        return step::done(v.fate != return_code::ok ? v.fate : loss());
    }
    return step::wait();
}

step flow::take_back(operation& op) noexcept {
    constexpr step undone = step::done(return_code::operation_incomplete);
    switch (op.kind) {
        case verb::accept:
        case verb::allocate:
        case verb::flush:
        case verb::send_expedited:
        case verb::receive_expedited: return undone;
        case verb::receive:
            // Half a record copied could not be given back, so the caller has it.
            return op.received == 0 ? undone : received(op.fills ? data : incomplete_data, 0, false);
        case verb::send_data:
            if (!op.appended) return undone;
            // The send buffer has it, and it leaves with what follows.
            return op.indicators == 0 ? step::done(return_code::ok) : step::wait();
        case verb::confirm:
        case verb::prepare_to_receive:
        case verb::deallocate: return op.emitted ? step::wait() : undone;
        default: return step::wait();
    }
}

// Grants anew what the program has read. Half a window at a time, so that small records do not cost a frame each; but
// what is left to the partner must not be too little for it to go on.
void flow::settle_credit() noexcept {
    if (v.consumed == 0 || !reachable() || v.said.peer_done) return;
    // The partner's Confirmed may be under way and frees the number for its next conversation, which must not get
    // this grant.
    if (v.said.end_conditional && !v.said.originator) return;
    if (v.consumed < v.window / 2 && v.allowance >= wire::frame_charge(part_min)) return;
    std::uint32_t grant = v.consumed;
    const limits& l = e.bounds();
    // A partner that had used up its window was held back by it: widen it while the pool is less than half promised.
    if (v.allowance < v.window / 4 && v.window < l.window_bytes_max &&
        e.inbound().reserved_bytes() < l.reservable_bytes() / 2 && e.inbound().reserve(v.window)) {
        grant += v.window;
        v.window *= 2;
    }
    buffer* b = e.control(c, 4);
    if (b == nullptr) return;  // later, with the next record read
    v.consumed = 0;
    v.allowance += grant;
    wire::encode_credit(b->bytes() + b->end, grant);
    b->end += 4;
    wire::encode_header(b->bytes() + b->begin, {4, wire::frame_type::credit, 0, v.channel});
    e.count().add(counter::credit_frames, 1, c.counts);
    v.link->send(c, b);
}

}  // namespace colloquy::runtime
