// context: who is calling, carried through every call of the engine.
//
// One for each thread inside the runtime. It names the caller's share of sharded structures and collects the
// completions of a batch, so that the wait queue is told once. The owner flushes it (engine::flush) before it waits or
// returns.
#pragma once

#include <array>
#include <cstdint>

namespace colloquy::runtime {

struct context {
    static constexpr std::uint32_t batch_max = 128;

    std::uint32_t hint = 0;    // shard of free lists and producer tokens
    std::uint32_t counts = 0;  // shard of counters
    bool driving = false;      // holds a drive token: output is written when the batch ends
    std::uint32_t completed = 0;
    std::uint32_t signals = 0;
    std::array<std::uint64_t, batch_max> completions;
    std::array<void*, batch_max> signalled;  // events to be signalled once the entries are in the wait queue, held
    // Completions that the host passes on when no drive token is held: slots linked through next_posted, index + 1.
    std::uint32_t posted_first = 0;
    std::uint32_t posted_last = 0;
    // Of what calls have given this thread at once, those whose answers may be written later.
    std::uint32_t batch_left = 0;

    std::uint32_t output_bytes = 0;  // handed to links since the host last wrote
    std::uint32_t output_seen = 0;   // of them, when the last call ended
    bool owes_output = false;        // it has the write duty of a link, which the host has put off and told nobody of

    // Where the call that is being carried out will answer. Null: an operation at queue level has it now, and its end
    // is written there, so that the call itself must not touch it any more.
    std::int32_t* answer_to = nullptr;

    // The time for deadlines, given by the host; only called for conversations that have one.
    std::uint64_t (*clock)() = nullptr;

    explicit context(std::uint32_t shard = 0) noexcept : hint{shard}, counts{shard} {}
    [[nodiscard]] std::uint64_t now_ns() const noexcept { return clock == nullptr ? 0 : clock(); }
};

}  // namespace colloquy::runtime
