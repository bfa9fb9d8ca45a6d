// common_path: the short ways of what most calls do on a mapped half-duplex conversation: a record into the send
// buffer, the turn passed with what stands there, a whole record into the buffer of a Receive that waits.
//
// Each does what the long way would (conversation_out.cpp, conversation_run.cpp, conversation_in.cpp), or answers false
// and has done nothing; what is said there of why is not said again. The slot's owner calls them.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/context.hpp"
#include "runtime/conversation.hpp"
#include "runtime/engine.hpp"
#include "runtime/flow.hpp"
#include "runtime/session.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/gds.hpp"

namespace colloquy::runtime::common_path {

// Nothing has come that a call which sends would have to look at or to tell first, and the partner listens.
[[nodiscard]] inline bool undisturbed(const conversation& v) noexcept {
    constexpr std::uint64_t news = state_word<>::bit(flag::arrivals) | state_word<>::bit(flag::link_lost) |
                                   state_word<>::bit(flag::request_to_send);
    return (v.word.load() & news) == 0 && v.received == nullptr && v.fate == return_code::ok && v.channel != 0 &&
           v.link != nullptr &&
           !(v.chosen.full_duplex | v.said.peer_ended | v.said.expedited_waiting | v.said.signal_owed) &&
           v.said.errors_owed == 0;
}

// Send_Data that only buffers.
[[nodiscard]] inline bool keep_record(engine& e, context& c, conversation& v,
                                      std::span<const std::byte> data) noexcept {
    if (data.empty() || data.size() > wire::segment_data_max_first || !undisturbed(v)) return false;
    const std::size_t size = wire::llid_size + data.size();
    buffer* b = v.sending;
    if (b == nullptr) {
        b = e.outbound(c, size);
        if (b == nullptr) return false;
        v.sending = b;
    } else if (b->room() < size || b->size() - wire::frame_header_size + size > wire::frame_payload_max) {
        return false;
    }
    std::byte* const out = b->bytes() + b->end;
    (void)wire::write_segment_header(out, data.size(), true);
    std::memcpy(out + wire::llid_size, data.data(), data.size());
    b->end += static_cast<std::uint32_t>(size);
    return true;
}

// The partner has about as much credit left as a program that reads leaves it.
[[nodiscard]] inline bool well_supplied(const conversation& v, std::uint32_t consumed,
                                        std::uint32_t allowance) noexcept {
    return consumed < v.window / 2 && allowance >= wire::frame_charge(flow::part_min);
}

// The first half of a Receive after Send_Data.
[[nodiscard]] inline bool pass_turn(context& c, conversation& v) noexcept {
    buffer* const b = v.sending;
    if (b == nullptr || !undisturbed(v) || v.link->crowded()) return false;
    if (v.consumed != 0 && !well_supplied(v, v.consumed, v.allowance)) return false;
    const auto payload = b->size() - static_cast<std::uint32_t>(wire::frame_header_size);
    const std::uint32_t charge = wire::frame_charge(payload);
    // Credit that has come is taken where it is needed.
    if (payload == 0 || v.granted.load_relaxed() != 0 || v.send_credit < charge || v.said.revoked != 0) return false;
    v.sending = nullptr;
    v.send_credit -= charge;
    const std::uint8_t begin = v.said.attach_waiting ? wire::indicator::begin : std::uint8_t{0};
    wire::encode_header(b->bytes() + b->begin,
                        {static_cast<std::uint16_t>(payload), wire::frame_type::data,
                         static_cast<std::uint8_t>(wire::indicator::change_direction | begin), v.channel});
    v.said.attach_waiting = 0;
    v.said.has_turn = 0;
    ++v.said.peer_turns;
    v.link->send(c, b);
    return true;
}

// A frame that is one whole record, and perhaps the turn with it. The operation is finished with `result` then.
[[nodiscard]] inline bool deliver_record(conversation& v, std::uint8_t indicators, std::span<const std::byte> payload,
                                         std::uint32_t charge) noexcept {
    constexpr std::int32_t complete_data = 2, send_received = 1;
    operation& op = v.op;
    if (op.kind != verb::receive || !op.emitted || op.immediate || op.fills || op.filled || op.received != 0)
        return false;
    if ((indicators & ~wire::indicator::change_direction) != 0 || payload.size() <= wire::llid_size ||
        payload.size() > wire::ll_size_max)
        return false;
    if (v.chosen.full_duplex | v.chosen.basic() | v.said.attach_budget | v.said.peer_ended) return false;
    if (v.received != nullptr || v.said.peer_turns == 0 || v.said.purge_turns != 0 || v.parted_channel != 0 ||
        v.link == nullptr || v.any_beside())
        return false;
    const std::size_t size = payload.size() - wire::llid_size;
    if (wire::load_u16(payload.data()) != payload.size() || wire::load_u16(payload.data() + 2) != wire::gds_id_data ||
        size > op.length || !v.reader.at_boundary())
        return false;
    const std::uint32_t consumed = v.consumed + charge;
    // Credit is to be granted anew: the long way knows how.
    if (charge > v.allowance || !well_supplied(v, consumed, v.allowance - charge)) return false;
    v.allowance -= charge;
    v.consumed = consumed;
    std::memcpy(op.buffer, payload.data() + wire::llid_size, size);
    *op.data_received = complete_data;
    *op.received_length = static_cast<std::int32_t>(size);
    if (indicators != 0) {
        --v.said.peer_turns;
        v.said.has_turn = 1;
        v.state = conversation_state::send_pending;
        *op.status_received = send_received;
    } else {
        v.state = conversation_state::receive;
        *op.status_received = 0;
    }
    return true;
}

}  // namespace colloquy::runtime::common_path
