// The send buffer, frames that leave, and the credit they need.
#include <cstring>

#include "runtime/flow.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

namespace in = wire::indicator;

constexpr std::size_t header = wire::frame_header_size;

}  // namespace

bool flow::reachable() const noexcept {
    return v.link != nullptr && v.channel != 0 && !v.said.peer_ended && !v.word.has(flag::link_lost);
}

return_code flow::loss() const noexcept {
    const return_code code = v.link == nullptr ? return_code::ok : v.link->loss_code();
    return code == return_code::ok ? return_code::resource_failure_retry : code;
}

void flow::drop_sending() noexcept {
    e.release_outbound(c, v.sending);
    v.sending = nullptr;
    v.said.attach_waiting = 0;
    v.said.errors_owed = 0;
}

void flow::take_granted() noexcept {
    // relaxed look, acquire[grant] take: the counter carries nothing but itself.
    if (v.granted.load_relaxed() == 0) return;
    const std::uint32_t more = v.granted.exchange_acquire(0);
    if (more <= UINT32_MAX - v.send_credit)
        v.send_credit += more;
    else if (v.link != nullptr)
        v.link->condemn(wire::reason::protocol);
}

// Makes room for `payload` more bytes in the send buffer. False: no buffer is to be had.
bool flow::grow(std::size_t payload) noexcept {
    if (v.sending == nullptr) {
        v.sending = e.outbound(c, payload);
        return v.sending != nullptr;
    }
    if (v.sending->room() >= payload) return true;
    const std::size_t have = v.sending->size() - header;
    buffer* larger = e.outbound(c, have + payload);
    if (larger == nullptr) return false;
    std::memcpy(larger->bytes() + larger->end, v.sending->bytes() + v.sending->begin + header, have);
    larger->end += static_cast<std::uint32_t>(have);
    larger->user2 = v.sending->user2;
    e.release_outbound(c, v.sending);
    v.sending = larger;
    return true;
}

flow::sent flow::append(std::span<const std::byte> data) noexcept {
    if (!reachable()) return sent::all;  // nobody will read it; the next call that may say so does
    if (v.said.errors_owed != 0)
        if (const sent s = settle_errors(); s != sent::all) return s;
    const bool basic = v.chosen.basic();
    if (basic && data.empty()) return sent::all;
    const std::size_t size = basic ? data.size() : wire::mapped_record_size(data.size());
    const std::size_t have = v.sending == nullptr ? 0 : v.sending->size() - header;
    if (have + size > wire::frame_payload_max) {
        // The buffer is full: it leaves first.
        if (const sent s = emit(0); s != sent::all) return s;
        if (!reachable()) return sent::all;
    }
    if (!grow(size)) {
        // No larger buffer is to be had: what is there leaves, and a smaller one may do.
        if (have == 0) return sent::no_memory;
        if (const sent s = emit(0); s != sent::all) return s;
        if (!reachable()) return sent::all;
        if (!grow(size)) return sent::no_memory;
    }
    std::byte* out = v.sending->bytes() + v.sending->end;
    if (basic) {
        std::memcpy(out, data.data(), data.size());
        v.sending->end += static_cast<std::uint32_t>(size);
        return sent::all;
    }
    std::size_t at = 0;
    bool first = true;
    do {
        const wire::segment_header s = wire::write_segment_header(out, data.size() - at, first);
        out += s.size;
        if (s.data_size != 0) std::memcpy(out, data.data() + at, s.data_size);
        out += s.data_size;
        at += s.data_size;
        first = false;
    } while (at < data.size());
    v.sending->end += static_cast<std::uint32_t>(size);
    return sent::all;
}

// What a frame's indicators mean for who may speak next.
void flow::note_sent(std::uint8_t indicators) noexcept {
    const bool ends = (indicators & in::conditional_end) != 0;
    const bool asks = (indicators & in::definite_response) != 0;
    if (v.chosen.full_duplex) {
        v.said.we_ended |= ends;
        return;
    }
    if ((indicators & in::change_direction) != 0) {
        v.said.has_turn = 0;
        // The end of a turn that the partner has taken already gives it nothing.
        if (v.said.revoked != 0)
            --v.said.revoked;
        else
            ++v.said.peer_turns;
    }
    if (ends && asks) {
        v.said.has_turn = 0;
        v.said.end_conditional = 1;
    }
    if (ends && !asks) {
        v.said.we_ended = 1;
        v.said.has_turn = 0;
    }
}

flow::sent flow::settle_errors() noexcept {
    while (v.said.errors_owed != 0) {
        const std::uint8_t owed = v.said.errors_owed;
        v.said.errors_owed = 0;
        sent s = emit(0);
        if (s == sent::all) s = emit_error(wire::sense::program_error, false, false);
        v.said.errors_owed = static_cast<std::uint8_t>(s == sent::all ? owed - 1 : owed);
        if (s != sent::all) return s;
    }
    return sent::all;
}

flow::sent flow::emit(std::uint8_t indicators) noexcept {
    if (v.said.errors_owed != 0)
        if (const sent s = settle_errors(); s != sent::all) return s;
    for (;;) {
        // Who has refused our turn drops all of it, and might not even be there any more to give credit for it.
        if (!reachable() || refused()) drop_sending();
        if (!reachable()) return sent::all;
        std::size_t payload = v.sending == nullptr ? 0 : v.sending->size() - header;
        if (payload == 0 && indicators == 0) return sent::all;
        if (payload == 0) break;
        if (v.link->crowded() && v.link->wait_for_room(c, v)) return sent::waits;
        take_granted();
        if (v.send_credit >= wire::frame_charge(static_cast<std::uint32_t>(payload))) break;
        // Part of it, as much as the partner has room for. Never less than the attach, which fits in any first window.
        const std::uint32_t part =
            v.send_credit > wire::frame_overhead_charge ? v.send_credit - wire::frame_overhead_charge : 0;
        if (part < part_min) return sent::waits;
        buffer* b = e.control(c, part);
        if (b == nullptr) return sent::no_memory;
        std::memcpy(b->bytes() + b->end, v.sending->bytes() + v.sending->begin + header, part);
        b->end += part;
        b->user2 = v.sending->user2;
        v.sending->begin += part;
        const std::uint8_t begin = v.said.attach_waiting ? in::begin : std::uint8_t{0};
        v.said.attach_waiting = 0;
        wire::encode_header(b->bytes() + b->begin,
                            {static_cast<std::uint16_t>(part), wire::frame_type::data, begin, v.channel});
        v.send_credit -= wire::frame_charge(part);
        v.link->send(c, b);
        if (v.said.signal_owed) signal();
    }
    buffer* b = v.sending;
    v.sending = nullptr;
    if (b == nullptr) {
        b = e.control(c, 0);
        if (b == nullptr) return sent::no_memory;
    } else {
        v.send_credit -= wire::frame_charge(b->size() - static_cast<std::uint32_t>(header));
    }
    const std::uint8_t begin = v.said.attach_waiting ? in::begin : std::uint8_t{0};
    v.said.attach_waiting = 0;
    const auto payload = static_cast<std::uint16_t>(b->size() - header);
    wire::encode_header(b->bytes() + b->begin,
                        {payload, wire::frame_type::data, static_cast<std::uint8_t>(indicators | begin), v.channel});
    if ((indicators & in::definite_response) != 0) {
        (void)v.word.lower(flag::response);
        // release[asked]: before the request can be answered
        v.asked.store_release((indicators & in::conditional_end) != 0 ? asked_to_end : asked_to_confirm);
    }
    note_sent(indicators);
    if (v.chosen.full_duplex) {
        const bool both = v.said.we_ended && v.said.peer_done;
        if (both && v.said.originator)
            send_last(b);
        else
            v.link->send(c, b);
        // The end of our direction goes first; what both_done() says is the channel's last word.
        if (both) both_done();
        return sent::all;
    }
    if (v.said.we_ended)
        send_last(b);
    else
        v.link->send(c, b);
    if (v.said.signal_owed) signal();
    return sent::all;
}

flow::sent flow::emit_error(std::uint32_t sense, bool purging, bool end) noexcept {
    if (!reachable()) return sent::all;
    const bool by_program = sense == wire::sense::program_error || sense == wire::sense::program_error_trunc ||
                            sense == wire::sense::deallocate_abend;
    const std::string_view text = by_program && v.chosen.has_log_data ? e.log_of(v).view() : std::string_view{};
    const std::size_t size = wire::fmh7_size + (text.empty() ? 0 : wire::error_log_overhead + text.size());
    const std::uint32_t charge = wire::frame_charge(static_cast<std::uint32_t>(size));
    const bool charged = !purging && !end;
    if (charged) {
        take_granted();
        if (v.send_credit < charge) return sent::waits;
    }
    buffer* b = e.control(c, size);
    if (b == nullptr) return sent::no_memory;
    if (charged) v.send_credit -= charge;
    std::byte* const out = b->bytes() + b->end;
    wire::encode_fmh7(out, {sense, !text.empty()});
    if (!text.empty()) {
        (void)wire::encode_error_log({out + wire::fmh7_size, size - wire::fmh7_size}, {}, text);
        e.world().error_log(v.id(), false, sense, text);
        v.chosen.has_log_data = 0;
    }
    b->end += static_cast<std::uint32_t>(size);
    const auto indicators =
        static_cast<std::uint8_t>(in::fm_header | (purging ? in::purging : 0) | (end ? in::conditional_end : 0));
    wire::encode_header(b->bytes() + b->begin,
                        {static_cast<std::uint16_t>(size), wire::frame_type::data, indicators, v.channel});
    if (end) {
        v.said.we_ended = 1;
        send_last(b);
    } else {
        v.link->send(c, b);
    }
    return sent::all;
}

void flow::send_last(buffer* b) noexcept {
    if (!v.link->send_last(c, b, v.channel, v.id(), v.chosen.full_duplex)) v.parted_channel = v.channel;
    v.channel = 0;
}

void flow::answer_end() noexcept {
    // The partner's number is its own again with our answer, ours with the end of it: neither may be used before both.
    const bool ours = wire::channel_side(v.channel) == v.link->side();
    if (!ours) end_channel(true);
    answer(true);
    if (ours) end_channel(true);
    v.channel = 0;
}

void flow::answer(bool end) noexcept {
    buffer* b = e.control(c, 0);
    if (b == nullptr) return;
    wire::encode_header(b->bytes() + b->begin,
                        {0, wire::frame_type::response, end ? in::conditional_end : std::uint8_t{0}, v.channel});
    v.link->send(c, b);
}

void flow::signal() noexcept {
    v.said.signal_owed = v.said.attach_waiting;
    if (v.said.signal_owed || !reachable()) return;
    buffer* b = e.control(c, 0);
    if (b == nullptr) return;
    wire::encode_header(b->bytes() + b->begin, {0, wire::frame_type::signal, 0, v.channel});
    v.link->send(c, b);
}

void flow::abend(std::uint32_t sense) noexcept {
    if (reachable()) {
        // What was buffered goes first, as far as it may; an abend truncates.
        if (v.said.has_turn && v.sending != nullptr && !v.link->crowded()) {
            take_granted();
            const auto payload = static_cast<std::uint32_t>(v.sending->size() - header);
            if (v.send_credit >= wire::frame_charge(payload)) (void)emit(0);
        }
        if (v.said.attach_waiting) {
            // The partner never heard of the conversation, so there is nobody to tell.
            end_channel(true);
            v.channel = 0;
        } else if (v.said.end_conditional && !v.said.originator) {
            if (v.link->end_unanswered(v.channel, v.id())) v.parted_channel = v.channel;
            v.channel = 0;
        } else {
            (void)emit_error(sense, false, true);
        }
    }
    drop_sending();
}

}  // namespace colloquy::runtime
