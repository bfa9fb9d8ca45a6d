// write_gate: who writes to a stream, whether a write waits for room, and whether the stream is still open.
//
// When to use: one a stream of a reactor whose readiness comes as edges. When not: with a system that completes writes
// by itself. Memory: one 64-bit word.
// Guarantees: one thread inside at a time; an edge that comes between a refused write and its parking is not lost; a
// parked write has one taker; after close() nobody enters, and the one inside is known.
//
// Progress: lock-free (a loop is repeated only when the other side moved). ABA: the word carries the stream's
// generation, which matches a stale name only after 2^32 lives of one slot. Reclamation: the gate lives in a slot that
// is never freed; what it guards is freed by the driver once nobody is inside.
//
// The protocol
//
//   writer   try_enter(), write; all taken or failed: leave(). Full: leave the write where the driver finds it, then
//            try_park(): parked, or try_again when an edge came meanwhile, or closed.
//   driver   an edge: take_parked(). True: inside, carries the write on as the writer does. False: the edge is kept for
//            the one inside, or not needed, for the next write tries first.
//            close(): drops a parked write; if somebody is inside, what the gate guards is freed only when occupied()
//            has become false, of which leave() tells by answering false.
#pragma once

#include <cstdint>

#include "runtime/atom.hpp"

namespace colloquy::transport {

enum class entry_result : std::uint8_t { inside, stale, busy };
enum class park_result : std::uint8_t { parked, try_again, closed };
struct close_result {
    bool was_parked;
    bool occupied;
};

template <template <class> class Atom = runtime::atom>
class write_gate {
public:
    write_gate() noexcept = default;
    write_gate(const write_gate&) = delete;
    write_gate& operator=(const write_gate&) = delete;

    // Driver, nobody inside: a new life of the stream begins.
    void open(std::uint32_t generation) noexcept {
        // release[stream-open]: what the gate guards is seen by any writer that finds `open`.
        word_.store_release((std::uint64_t{generation} << generation_shift) | is_open_bit);
    }

    [[nodiscard]] entry_result try_enter(std::uint32_t generation) noexcept {
        // acquire[stream-open]: sees what the gate guards.
        std::uint64_t word = word_.load_acquire();
        do {
            if ((word >> generation_shift) != generation || (word & is_open_bit) == 0) {
                return entry_result::stale;
            }
            if ((word & (inside_bit | parked_bit)) != 0) {
                return entry_result::busy;
            }
            // An edge that came before this write tells it nothing: it tries anyway.
        } while (!word_.cas_acq_rel(word, (word | inside_bit) & ~edge_bit));
        return entry_result::inside;
    }

    // The one inside. False when the stream was closed meanwhile: the driver has to be woken to free it.
    [[nodiscard]] bool leave() noexcept {
        // release[write-visit]: our use of what the gate guards is over before the driver frees it.
        return (word_.fetch_and_acq_rel(~(inside_bit | edge_bit)) & is_open_bit) != 0;
    }

    // The one inside, after a refused write. Still inside unless parked.
    [[nodiscard]] park_result try_park() noexcept {
        std::uint64_t word = word_.load_relaxed();
        for (;;) {
            if ((word & is_open_bit) == 0) {
                return park_result::closed;
            }
            if ((word & edge_bit) != 0) {
                if (word_.cas_acq_rel(word, word & ~edge_bit)) {
                    return park_result::try_again;
                }
            } else if (word_.cas_acq_rel(word, (word & ~inside_bit) | parked_bit)) {
                // release[write-parked] (the line above): the operation is seen by the driver that takes it.
                return park_result::parked;
            }
        }
    }

    // Driver, an edge came. True: the parked write is the driver's, who is inside now.
    [[nodiscard]] bool take_parked() noexcept {
        // relaxed: the edge was made after the refusal, and the refusal after the entry, so the entry at least is seen.
        std::uint64_t word = word_.load_relaxed();
        for (;;) {
            if ((word & parked_bit) != 0) {
                // acquire[write-parked]: sees the operation.
                if (word_.cas_acq_rel(word, (word & ~(parked_bit | edge_bit)) | inside_bit)) {
                    return true;
                }
            } else if ((word & (inside_bit | edge_bit)) == inside_bit) {
                if (word_.cas_acq_rel(word, word | edge_bit)) {
                    return false;
                }
            } else {
                return false;
            }
        }
    }

    // Driver: forgets a parked write, if there is one.
    void drop_parked() noexcept {
        // acquire[write-parked]: the operation is its owner's again.
        word_.fetch_and_acq_rel(~parked_bit);
    }

    // Driver.
    [[nodiscard]] close_result close() noexcept {
        // acquire[write-visit], acquire[write-parked]: what the last one inside did is behind us.
        const std::uint64_t before = word_.fetch_and_acq_rel(~(is_open_bit | parked_bit));
        return {(before & parked_bit) != 0, (before & inside_bit) != 0};
    }
    // Driver, after close().
    [[nodiscard]] bool occupied() const noexcept {
        // acquire[write-visit]: as in close().
        return (word_.load_acquire() & inside_bit) != 0;
    }

    // Driver, who alone opens and closes: nothing to be ordered.
    [[nodiscard]] bool is_open() const noexcept { return (word_.load_relaxed() & is_open_bit) != 0; }

    // The one inside: our end will be shut for writing.
    void mark_half_closed() noexcept { word_.fetch_or_acq_rel(half_closed_bit); }
    [[nodiscard]] bool half_closed() const noexcept { return (word_.load_relaxed() & half_closed_bit) != 0; }

private:
    // 63                         32 31                     5 4                0
    // | generation                 |  unused                | flags            |
    static constexpr std::uint64_t is_open_bit = 1u << 0;      // set and cleared by the driver
    static constexpr std::uint64_t inside_bit = 1u << 1;       // cleared by the one inside
    static constexpr std::uint64_t parked_bit = 1u << 2;       // whoever clears it owns the write
    static constexpr std::uint64_t edge_bit = 1u << 3;         // room came while somebody was inside: try again
    static constexpr std::uint64_t half_closed_bit = 1u << 4;
    static constexpr int generation_shift = 32;

    Atom<std::uint64_t> word_;
};

}  // namespace colloquy::transport
