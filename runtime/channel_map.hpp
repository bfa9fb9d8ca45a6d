// channel_map: a link's channel numbers of one side, each naming a conversation by one array access.
//
// When to use: two for each link, one for the channels we chose (numbers come from its free list) and one for the
// partner's
//   (numbers are whatever the partner says, below a bound).
// Memory: chunks of doubling size, so that a link with one conversation has room for 16 and one with a million is
// dense.
// Guarantees: find is wait-free. acquire and release are lock-free (a tagged stack). A chunk is published once and
// lives as
//   long as the map. ABA: a tag counts every change of the stack's head.
#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>

#include "runtime/atom.hpp"

namespace colloquy::runtime {

template <template <class> class Atom = atom>
class channel_map {
public:
    // What an entry holds when it is no conversation_id (those are never below 2^24).
    static constexpr std::uint64_t never_begun = 0;
    static constexpr std::uint64_t ended = 1;            // frames still under way to it are dropped
    static constexpr std::uint64_t awaiting_end = 2;     // ours is over, the partner's acknowledgement is under way
    static constexpr std::uint64_t awaiting_answer = 3;  // the partner's number: over, but it still owes us an answer
    static constexpr std::uint64_t awaiting_duplex_end = 4;  // the same, where both ends have ended on their own
    static constexpr std::uint64_t answered = 5;  // the acknowledgement has come first: who ends it frees the number
    // With awaiting_end or awaiting_duplex_end: our last frame is not in the link's output yet. Were the number free
    // now, another thread's attach could leave before it.
    static constexpr std::uint64_t unsent = 8;
    static constexpr std::uint64_t last_mark = awaiting_duplex_end | awaiting_answer | unsent;
    // Between the marks and the ids: a number that a relay forwards, by the index of its conversation there.
    static constexpr std::uint64_t relayed_first = 16;
    static constexpr std::uint64_t relayed_last = (1U << 24) - 1;
    [[nodiscard]] static constexpr bool is_relayed(std::uint64_t value) noexcept {
        return value >= relayed_first && value <= relayed_last;
    }

    struct entry {
        Atom<std::uint64_t> value;
        Atom<std::uint32_t> next_free;  // index + 1

        // The conversation says nothing more on its number. `mark`: what its entry waits for; with `unsent`, sent()
        // follows. False: the partner has said its last word, and the number is the caller's to free.
        [[nodiscard]] bool part(std::uint64_t mark) noexcept {
            return value.exchange_acq_rel(mark) != answered;  // acquire[channel] release[channel]
        }
        // What was unsent is in the output. False as above.
        [[nodiscard]] bool sent(std::uint64_t mark) noexcept {
            std::uint64_t expected = mark | unsent;
            return value.cas_acq_rel(expected, mark);  // acquire[channel] release[channel]
        }
        // The partner's last word for an entry that was seen to wait for it. True: the caller frees the number. False:
        // the sender does, or somebody else has settled it, because the driver and a late look may both have heard it.
        [[nodiscard]] bool settle(std::uint64_t seen) noexcept {
            // acquire[channel] release[channel]: what was sent for the number is in the output before it is used again.
            if ((seen & unsent) != 0) {
                if (value.cas_acq_rel(seen, answered)) return false;
                if ((seen & unsent) != 0 || seen < awaiting_end || seen > awaiting_duplex_end) return false;
            }
            return value.cas_acq_rel(seen, ended);
        }
    };

    channel_map() noexcept = default;
    channel_map(const channel_map&) = delete;
    channel_map& operator=(const channel_map&) = delete;
    ~channel_map() { clear(); }

    // Only while nobody else uses the map. Keeps the memory of the first chunks when `bound` stays.
    void reset(std::uint32_t bound) noexcept {
        clear();
        bound_ = bound;
    }

    [[nodiscard]] std::uint32_t bound() const noexcept { return bound_; }

    // The entry of a number that exists already; null when nothing was ever stored near it.
    [[nodiscard]] entry* find(std::uint32_t index) noexcept {
        if (index >= bound_) return nullptr;
        const place p = place_of(index);
        // acquire[chunk]: sees the zeroed entries.
        entry* chunk = chunks_[p.chunk].load_acquire();
        return chunk == nullptr ? nullptr : chunk + p.offset;
    }

    // The same, making room for it. Null: beyond the bound, or no memory.
    [[nodiscard]] entry* need(std::uint32_t index) noexcept {
        if (index >= bound_) return nullptr;
        const place p = place_of(index);
        entry* chunk = chunks_[p.chunk].load_acquire();
        if (chunk == nullptr) chunk = grow(p.chunk);
        return chunk == nullptr ? nullptr : chunk + p.offset;
    }

    // A number nobody uses. False: all are in use, or no memory.
    [[nodiscard]] bool acquire(std::uint32_t& index) noexcept {
        std::uint64_t head = free_.load_acquire();
        while ((head & low_mask) != 0) {
            const auto top = static_cast<std::uint32_t>(head & low_mask) - 1;
            const std::uint32_t next =
                find(top)->next_free.load_relaxed();  // relaxed: the CAS on the tagged head decides
            // acquire[channel-free] release[channel-free]
            if (free_.cas_acq_rel(head, retagged(head, next))) {
                index = top;
                return true;
            }
        }
        std::uint32_t fresh = fresh_.load_relaxed();
        do {
            if (fresh >= bound_) return false;
            if (need(fresh) == nullptr) return false;
        } while (!fresh_.cas_relaxed(fresh, fresh + 1));
        index = fresh;
        return true;
    }

    void release(std::uint32_t index) noexcept {
        entry* e = find(index);
        std::uint64_t head = free_.load_relaxed();
        do {
            e->next_free.store_relaxed(static_cast<std::uint32_t>(head & low_mask));
            // release[channel-free]: next_free is seen by the thread that acquires.
        } while (!free_.cas_acq_rel(head, retagged(head, index + 1)));
    }

    // Every entry that was ever made, for the driver of a lost link.
    template <class F>
    void for_each(F&& f) noexcept {
        for (std::uint32_t c = 0; c < chunk_count; ++c) {
            entry* chunk = chunks_[c].load_acquire();
            if (chunk == nullptr) continue;
            for (std::uint32_t i = 0; i < chunk_size(c); ++i) f(chunk[i]);
        }
    }

private:
    static constexpr std::uint32_t first_bits = 4;
    static constexpr std::uint32_t chunk_count = 24;
    static constexpr std::uint64_t low_mask = 0xFFFF'FFFF;

    struct place {
        std::uint32_t chunk;
        std::uint32_t offset;
    };
    // Chunk 0 holds 16 entries, chunk c > 0 as many as all before it together.
    static constexpr place place_of(std::uint32_t index) noexcept {
        if (index < (1U << first_bits)) return {0, index};
        const auto width = static_cast<std::uint32_t>(std::bit_width(index));
        return {width - first_bits, index - (1U << (width - 1))};
    }
    static constexpr std::uint32_t chunk_size(std::uint32_t chunk) noexcept {
        return chunk == 0 ? 1U << first_bits : 1U << (chunk + first_bits - 1);
    }
    static constexpr std::uint64_t retagged(std::uint64_t head, std::uint32_t low) noexcept {
        return (((head >> 32) + 1) << 32) | low;
    }

    entry* grow(std::uint32_t chunk) noexcept {
        auto* made = static_cast<entry*>(std::calloc(chunk_size(chunk), sizeof(entry)));
        if (made == nullptr) return nullptr;
        entry* expected = nullptr;
        // release[chunk]
        if (chunks_[chunk].cas_acq_rel(expected, made)) return made;
        std::free(made);
        return expected;
    }

    void clear() noexcept {
        for (auto& c : chunks_) {
            std::free(c.load_relaxed());  // relaxed: nobody else uses the map
            c.store_relaxed(nullptr);
        }
        free_.store_relaxed(0);
        fresh_.store_relaxed(0);
    }

    std::uint32_t bound_ = 0;
    Atom<std::uint32_t> fresh_;
    Atom<std::uint64_t> free_;
    Atom<entry*> chunks_[chunk_count];
};

}  // namespace colloquy::runtime
