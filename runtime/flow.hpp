// flow: what one conversation says and hears, carried out by the slot's owner.
//
// A flow is made on the stack by whoever owns the slot (a verb, or the bringer of news) and lives until the slot is
// left.
// conversation_in.cpp: frames that arrive and what Receive makes of them. conversation_out.cpp: the send buffer,
// frames that leave, credit. conversation_run.cpp: operations carried on until they finish or must wait.
#pragma once

#include <cstdint>
#include <span>

#include "runtime/context.hpp"
#include "runtime/conversation.hpp"
#include "runtime/engine.hpp"
#include "runtime/return_code.hpp"
#include "runtime/session.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/reason.hpp"

namespace colloquy::runtime {

struct step {
    bool waits = false;
    return_code code = return_code::ok;

    static constexpr step wait() noexcept { return {true, return_code::operation_incomplete}; }
    static constexpr step done(return_code code) noexcept { return {false, code}; }
};

// Walks the logical records of `data`. False: one of them has an impossible length.
inline bool follow(wire::record_tracker& records, std::span<const std::byte> data) noexcept {
    while (!data.empty()) {
        const wire::tracker_step s = records.feed(data);
        if (s.fault != wire::record_fault::none) return false;
        data = data.subspan(s.consumed);
    }
    return true;
}

struct flow {
    engine& e;
    context& c;
    conversation& v;

    // --- in ----------------------------------------------------------------------------------------------------------
    // Looks at a frame in the order of arrival. A waiting Receive is filled straight from `payload`; what remains is
    // queued (in `owned` itself when the payload lies in it). Anything but none: the partner broke the protocol.
    wire::reason admit(std::uint8_t indicators, std::span<const std::byte> payload, std::uint32_t charge,
                       buffer*& owned, bool may_fill) noexcept;
    // The partner's expedited data, or its word that ours was taken.
    wire::reason admit_expedited(wire::frame_type type, std::span<const std::byte> payload) noexcept;
    wire::reason admit_answer() noexcept;
    // Frames that others brought while somebody owned the slot.
    void absorb() noexcept;
    void absorb_from(buffer* list) noexcept;
    // An error report is next in the queue.
    [[nodiscard]] bool error_queued() const noexcept;
    // One by which the partner has refused the turn that we still have.
    [[nodiscard]] bool refused() const noexcept;
    // Takes it: its code, with all that follows from it.
    return_code take_error() noexcept;
    // Drops everything queued, with what that means for the turn; tells whether the partner has ended.
    bool purge() noexcept;
    step receive() noexcept;
    void settle_credit() noexcept;

    // --- out ---------------------------------------------------------------------------------------------------------
    enum class sent : std::uint8_t { all, waits, no_memory };
    // Adds to the send buffer: a record of a mapped conversation, the bytes as they are of a basic one.
    sent append(std::span<const std::byte> data) noexcept;
    // Everything in the send buffer leaves, the last frame with these indicators; nothing if there is neither.
    sent emit(std::uint8_t indicators) noexcept;
    // The program's log data, if it gave any, goes with it and is used up.
    sent emit_error(std::uint32_t sense, bool purging, bool end) noexcept;
    // Reports that had to wait behind the send buffer.
    sent settle_errors() noexcept;
    static constexpr std::uint32_t part_min = 256;  // less credit than for this is not spent on part of a record
    void answer(bool end) noexcept;                 // +RSP
    void answer_end() noexcept;                     // the same to the partner's end, which ends the channel
    void signal() noexcept;                         // the partner is asked for the turn
    void drop_sending() noexcept;
    [[nodiscard]] bool reachable() const noexcept;  // the partner still listens
    return_code loss() const noexcept;

    // --- run ---------------------------------------------------------------------------------------------------------
    // Carries the operation as far as it goes.
    step advance(operation& op) noexcept;
    // The caller of one that waits does not want it any more. operation_incomplete: it is as though it had not been
    // made. Another code: that much is done, and its outputs say so. `waits`: it has done what cannot be undone.
    step take_back(operation& op) noexcept;
    step allocate() noexcept;
    step starve() noexcept;
    step transmit(operation& op) noexcept;
    step send_error(operation& op) noexcept;
    step send_expedited(operation& op) noexcept;
    step receive_expedited(operation& op) noexcept;
    // Gives back everything but the slot.
    void close_down() noexcept;
    // The partner is told that the conversation ends abnormally; never waits.
    void abend(std::uint32_t sense) noexcept;

private:
    bool fill_from(std::span<const std::byte>& bytes, std::uint8_t indicators, bool frame_ends, bool& used,
                   step& result) noexcept;
    step received(std::int32_t data, std::uint8_t indicators, bool with_status) noexcept;
    [[nodiscard]] bool enough_queued() const noexcept;
    [[nodiscard]] bool between_records() const noexcept {
        return v.chosen.basic() ? v.heard.at_boundary() : v.reader.at_boundary();
    }
    void log_error(std::span<const std::byte> payload) noexcept;
    bool enqueue(std::uint8_t indicators, std::span<const std::byte> payload, std::uint32_t charge, buffer*& owned,
                 bool uncharged) noexcept;
    void pop() noexcept;
    void take_granted() noexcept;
    void note_sent(std::uint8_t indicators) noexcept;
    bool grow(std::size_t payload) noexcept;
    void refused_here(return_code why) noexcept;
    void ended_by_partner() noexcept;
    void end_channel(bool acknowledged) noexcept;
    void send_last(buffer* b) noexcept;  // the frame that ends the channel
    bool heard_after_end(wire::frame_type type, std::uint8_t indicators) noexcept;
    // Full duplex: each direction has ended normally.
    void both_done() noexcept;
    [[nodiscard]] return_code why_ended() const noexcept;
    [[nodiscard]] step over(return_code code) noexcept;
    [[nodiscard]] step lost_beside() noexcept;
    void acknowledge_expedited() noexcept;
    void yield_turn() noexcept;
};

}  // namespace colloquy::runtime
