// state_word: the one atomic word that decides who owns a conversation's slot.
//
// When to use: every access to a slot begins here. Everything else in the slot is plain memory of the owner.
// Invariant: at most one thread is between a successful claim/take and the leave that follows; the generation changes
// only
//   while that thread owns the slot; the slot is recycled only when it is retired and unpinned.
// Progress: every operation is lock-free (a failed CAS means another one succeeded). ABA: the generation. Reclamation:
//   slots are never freed, they return to the table's free list when the last pin is gone.
// Publication: the owner's writes are released by leave() and acquired by the next claim()/take().
#pragma once

#include <cstdint>

#include "runtime/atom.hpp"
#include "runtime/conversation_id.hpp"
#include "runtime/conversation_state.hpp"

namespace colloquy::runtime {

enum class phase : std::uint8_t {
    vacant,      // in the free list
    idle,        // no operation; nobody owns the slot
    claimed,     // a verb owns it
    pending,     // an operation waits; nobody owns the slot
    delivering,  // the bringer of news owns it
    done,        // an operation is finished and not yet collected; nobody owns the slot
    retired,     // over; waits for the last pin
};

// 63           24 23    16 15  13 12   8 7     0
// | generation   | pins   | phase | state | flags |
// generation  which life of the slot; changes at open and at close, only by the owner
// pins        readers and cancellers that hold the slot without owning it
// phase       see above
// state       row of the CPI-C state table; moved by the owner alone
// flags       or-ed by anyone, cleared by the owner (queued: by the collector)
namespace word_bits {
using u64 = std::uint64_t;
constexpr unsigned flag_bits = 8, state_bits = 5, phase_bits = 3, pin_bits = 8;
constexpr unsigned state_shift = flag_bits, phase_shift = state_shift + state_bits;
constexpr unsigned pin_shift = phase_shift + phase_bits, generation_shift = pin_shift + pin_bits;
constexpr u64 mask(unsigned bits, unsigned shift) noexcept { return ((u64{1} << bits) - 1) << shift; }
constexpr u64 flag_mask = mask(flag_bits, 0), state_mask = mask(state_bits, state_shift);
constexpr u64 phase_mask = mask(phase_bits, phase_shift), pin_mask = mask(pin_bits, pin_shift);
constexpr u64 pin_one = u64{1} << pin_shift;
static_assert(generation_shift + conversation_id::generation_bits == 64);

constexpr u64 generation(u64 w) noexcept { return w >> generation_shift; }
constexpr phase phase_of(u64 w) noexcept { return static_cast<phase>((w & phase_mask) >> phase_shift); }
constexpr conversation_state state_of(u64 w) noexcept {
    return static_cast<conversation_state>((w & state_mask) >> state_shift);
}
// An id of this generation names the slot's present life. Between two lives the word has a generation, too, which no
// id was given for; a forged one must not find it.
constexpr bool is_life(u64 w, u64 id_generation) noexcept {
    return generation(w) == id_generation && phase_of(w) != phase::vacant && phase_of(w) != phase::retired;
}
constexpr u64 pins(u64 w) noexcept { return (w & pin_mask) >> pin_shift; }
constexpr u64 with(u64 w, phase p) noexcept { return (w & ~phase_mask) | (static_cast<u64>(p) << phase_shift); }
constexpr u64 with(u64 w, conversation_state s) noexcept {
    return (w & ~state_mask) | (static_cast<u64>(s) << state_shift);
}
}  // namespace word_bits

enum class flag : std::uint8_t {
    arrivals = 1 << 0,         // something was brought while somebody owned the slot: look before leaving
    request_to_send = 1 << 1,  // the partner wants the turn; cleared by the first call that reports it
    response = 1 << 2,         // the partner answered a confirmation request with Confirmed
    link_lost = 1 << 3,        // the link is gone and nothing more will come
    room = 1 << 4,             // the link's output has room again
    queued = 1 << 5,           // the wait queue holds an entry for this slot
    waited = 1 << 6,           // a thread is blocked on this conversation and may be asleep
    posting = 1 << 7,          // the slot stands in a list of completions to be posted
};

template <template <class> class Atom = atom>
class state_word {
public:
    using u64 = std::uint64_t;

    [[nodiscard]] u64 load() const noexcept { return word_.load_acquire(); }

    enum class claim_result : std::uint8_t { claimed, stale, busy };

    // idle -> claimed. `seen` receives the word on success or refusal. A bringer of news that owns the slot at this
    // moment is waited for: it holds it for as long as it takes to copy a frame.
    claim_result claim(u64 generation, u64& seen) noexcept {
        u64 w = word_.load_relaxed();  // relaxed: only a guess for the CAS
        for (;;) {
            seen = w;
            if (!word_bits::is_life(w, generation)) return claim_result::stale;
            if (word_bits::phase_of(w) == phase::delivering) {
                w = word_.load_acquire();
                continue;
            }
            if (word_bits::phase_of(w) != phase::idle) return claim_result::busy;
            // acquire[slot-own]: sees all that earlier owners wrote.
            if (word_.cas_acquire(w, word_bits::with(w, phase::claimed))) return claim_result::claimed;
        }
    }

    enum class take_result : std::uint8_t { from_idle, from_pending, owned, stale, done };

    // For whoever brings news: idle or pending -> delivering. `owned`: somebody else owns it, announce instead.
    take_result take(u64 generation) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            if (!word_bits::is_life(w, generation)) return take_result::stale;
            const phase p = word_bits::phase_of(w);
            if (p == phase::done) return take_result::done;
            if (p != phase::idle && p != phase::pending) return take_result::owned;
            // acquire[slot-own]
            if (word_.cas_acquire(w, word_bits::with(w, phase::delivering)))
                return p == phase::idle ? take_result::from_idle : take_result::from_pending;
        }
    }

    // The same where only an operation that waits is of interest. False: none does, or somebody owns it.
    bool take_pending(u64 generation) noexcept {
        u64 w = word_.load_relaxed();
        while (word_bits::generation(w) == generation && word_bits::phase_of(w) == phase::pending)
            // acquire[slot-own]
            if (word_.cas_acquire(w, word_bits::with(w, phase::delivering))) return true;
        return false;
    }

    enum class own_result : std::uint8_t { owned, busy, stale };

    // For whoever needs the slot whatever its main operation is about: idle, pending or done -> delivering. `before`
    // says which, and the owner leaves it so unless it ends that operation.
    own_result own(u64 generation, phase& before) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            if (!word_bits::is_life(w, generation)) return own_result::stale;
            before = word_bits::phase_of(w);
            if (before != phase::idle && before != phase::pending && before != phase::done) return own_result::busy;
            // acquire[slot-own]
            if (word_.cas_acquire(w, word_bits::with(w, phase::delivering))) return own_result::owned;
        }
    }

    // For the collector of a finished operation: done -> claimed, or -> delivering for one who passes it on. Who owns
    // the slot for a look only (cmchck, a canceller) puts it back as it was, so it is waited for: the collector has
    // given up its entry in the queue already and will not come again. `listed`: the flag of that entry, which is
    // lowered in the same step, so that whatever finishes later makes an entry of its own.
    bool collect(u64 generation, phase to = phase::claimed, u64 listed = 0) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            if (word_bits::generation(w) != generation) return false;
            const phase p = word_bits::phase_of(w);
            if (p == phase::claimed || p == phase::delivering) {
                w = word_.load_acquire();
                continue;
            }
            if (p != phase::done) return false;
            // acquire[slot-own]: sees the outcome that the deliverer wrote.
            // release[listed]: what was read of the entry's list happens before the next entry is made.
            if (word_.cas_acq_rel(w, word_bits::with(w & ~listed, to))) return true;
        }
    }

    // The owner leaves to idle, pending or done in `state`. False: news arrived meanwhile; the arrivals bit is
    // cleared, the slot still owned, and the owner must look at what was brought before it tries again. `seen`
    // receives the word that was replaced, flags included. `listed`: a flag that is raised in the same step; if it was
    // not raised before (`seen`), an entry must be made.
    bool leave(phase to, conversation_state state, u64& seen, u64 listed = 0) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            if ((w & bit(flag::arrivals)) != 0) {
                // acquire[arrival]: sees what the bringer pushed before it announced.
                if (word_.cas_acquire(w, w & ~bit(flag::arrivals))) return false;
                continue;
            }
            // release[slot-own]: the owner's writes happen before the next owner's reads.
            if (word_.cas_release(w, word_bits::with(word_bits::with(w, to), state) | listed)) {
                seen = w;
                return true;
            }
        }
    }

    enum class announce_result : std::uint8_t { announced, take_it, stale };

    // Something was brought: `arrivals` (pushed on the pile by a bringer that holds a pin) or a flag of its own.
    // `take_it`: nobody owns the slot any more, so the bringer takes it and looks itself. What is done may be owned,
    // too, because operations on other queues may wait for just this news.
    announce_result announce(u64 generation, flag more = flag::arrivals) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            if (!word_bits::is_life(w, generation)) return announce_result::stale;
            const phase p = word_bits::phase_of(w);
            // release[arrival]: what was pushed happens before the owner's look.
            if (word_.cas_acq_rel(w, w | bit(flag::arrivals) | bit(more)))
                return p == phase::idle || p == phase::pending || p == phase::done ? announce_result::take_it
                                                                                   : announce_result::announced;
        }
    }

    // Sets a flag that needs no look (request_to_send, waited). False: stale.
    bool raise(u64 generation, flag f, u64* seen = nullptr) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            if (!word_bits::is_life(w, generation)) return false;
            if (word_.cas_acq_rel(w, w | bit(f))) {
                if (seen != nullptr) *seen = w;
                return true;
            }
        }
    }
    // Clears a flag and tells whether it was set.
    bool lower(flag f) noexcept { return (word_.fetch_and_acq_rel(~bit(f)) & bit(f)) != 0; }
    [[nodiscard]] bool has(flag f) const noexcept { return (word_.load_acquire() & bit(f)) != 0; }

    // Raises `queued` or `posting`; true when it was not raised before, so that an entry must be made. acquire[listed]
    bool raise_listed(flag f) noexcept { return (word_.fetch_or_acq_rel(bit(f)) & bit(f)) == 0; }

    [[nodiscard]] bool pin(u64 generation) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            if (!word_bits::is_life(w, generation)) return false;
            if (word_bits::pins(w) == (word_bits::pin_mask >> word_bits::pin_shift)) {
                w = word_.load_acquire();  // 255 readers at once: wait for one of them to finish
                continue;
            }
            // acquire[slot-own]: a reader sees the frozen characteristics.
            if (word_.cas_acquire(w, w + word_bits::pin_one)) return true;
        }
    }
    // True: this was the last pin of a retired slot, and the caller recycles it.
    [[nodiscard]] bool unpin() noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            u64 next = w - word_bits::pin_one;
            const bool last = word_bits::pins(next) == 0 && word_bits::phase_of(w) == phase::retired;
            if (last) next = word_bits::with(next, phase::vacant);
            if (word_.cas_acq_rel(w, next)) return last;
        }
    }

    // vacant -> claimed, a new life with a new generation. Only the thread that got the slot from the free list calls
    // it.
    u64 open(conversation_state state, u64 salt) noexcept {
        u64 w = word_.load_relaxed();
        u64 g = word_bits::generation(w);
        g = next_generation(g == 0 ? salt & conversation_id::generation_mask : g);
        const u64 opened = word_bits::with(word_bits::with(g << word_bits::generation_shift, phase::claimed), state);
        // An entry in the wait queue or in a list of postings outlives the life it was made for and serves the next
        // too.
        while (!word_.cas_acq_rel(w, opened | (w & listed_flags))) {
        }
        return g;
    }

    // The owner ends this life: the generation moves on, so every id of it is stale from here. True: no pin is left
    // and the caller returns the slot to the free list; otherwise the last unpin does.
    // `flags` receives those that were raised until then.
    [[nodiscard]] bool retire(u64* flags = nullptr) noexcept {
        u64 w = word_.load_relaxed();
        for (;;) {
            const bool free_now = word_bits::pins(w) == 0;
            u64 next = (next_generation(word_bits::generation(w)) << word_bits::generation_shift) |
                       (w & (word_bits::pin_mask | listed_flags));
            next = word_bits::with(next, free_now ? phase::vacant : phase::retired);
            if (!word_.cas_acq_rel(w, next)) continue;
            if (flags != nullptr) *flags = w & word_bits::flag_mask;
            return free_now;
        }
    }

    // The owner changes the state while it keeps the slot.
    void set_state(conversation_state s) noexcept {
        u64 w = word_.load_relaxed();
        while (!word_.cas_release(w, word_bits::with(w, s))) {
        }
    }

    [[nodiscard]] static constexpr u64 bit(flag f) noexcept { return static_cast<u64>(f); }
    static constexpr u64 listed_flags = static_cast<u64>(flag::queued) | static_cast<u64>(flag::posting);

private:
    static constexpr u64 next_generation(u64 g) noexcept {
        g = (g + 1) & conversation_id::generation_mask;
        return g == 0 ? 1 : g;
    }

    Atom<u64> word_;
};

}  // namespace colloquy::runtime
