// standby_word: what the thread that stands by is doing, and what is wanted of it.
//
// When to use: for a thread that mostly sleeps and must not miss what others leave for it. When not: where the others
// can wait for it.
// Memory: one 32-bit word.
// Guarantees: output that was left and then owed is looked at by the standby after a tick, or its sleeper or driver is
// told by exactly one of those who owe; what is wanted is seen at its next waking.
// Alternatives: a flag beside a flag, with a store to one and a load of the other on each side, either of which may be
// early.
//
// Progress: wait-free. ABA: flags, not identities. Reclamation: none.
//
// The protocol
//
//   whoever puts output off   leaves it where pay() looks, then owe():
//                               nobody    it looks within a tick anyway, or somebody has told it
//                               resting   notify its spot
//                               driving   ring its drive
//   standby, to rest          rest(); false: something is owed, sleep no longer than a tick. Then woke().
//            to drive         begin_drive(), take the drive's posted work, and look at owes() before it sleeps there;
//                             end_drive()
//            to pay           settle(), then look for the output: what is left behind that look is owed anew
#pragma once

#include <cstdint>

#include "runtime/atom.hpp"

namespace colloquy::runtime {

template <template <class> class Atom = atom>
class standby_word {
public:
    enum class to_tell : std::uint8_t { nobody, resting, driving };

    standby_word() noexcept = default;
    standby_word(const standby_word&) = delete;
    standby_word& operator=(const standby_word&) = delete;

    // Any thread, after it left its output.
    [[nodiscard]] to_tell owe() noexcept {
        // release[standby]: the output is seen by who settles. acquire[standby]: as rest() and begin_drive() say.
        const std::uint32_t before = word_.fetch_or_acq_rel(owes_bit);
        if ((before & owes_bit) != 0) return to_tell::nobody;
        if ((before & rests_bit) != 0) return to_tell::resting;
        return (before & drives_bit) != 0 ? to_tell::driving : to_tell::nobody;
    }
    // Any thread: woke() will say that it was wanted. The caller notifies its spot.
    void want() noexcept { (void)word_.fetch_or_acq_rel(wanted_bit); }
    // Any thread. True: it sleeps long, and the caller alone is told so.
    [[nodiscard]] bool end_rest() noexcept {
        return (word_.load_acquire() & rests_bit) != 0 && (word_.fetch_and_acq_rel(~rests_bit) & rests_bit) != 0;
    }

    // --- the standby -------------------------------------------------------------------------------------------------
    // It is about to sleep long. False: something is owed.
    [[nodiscard]] bool rest() noexcept { return (word_.fetch_or_acq_rel(rests_bit) & owes_bit) == 0; }
    // It has slept. True: it was wanted.
    [[nodiscard]] bool woke() noexcept {
        return (word_.fetch_and_acq_rel(~(rests_bit | wanted_bit)) & wanted_bit) != 0;
    }
    void begin_drive() noexcept { (void)word_.fetch_or_acq_rel(drives_bit); }
    void end_drive() noexcept { (void)word_.fetch_and_acq_rel(~drives_bit); }
    [[nodiscard]] bool owes() const noexcept { return (word_.load_acquire() & owes_bit) != 0; }
    void settle() noexcept {
        if (owes()) (void)word_.fetch_and_acq_rel(~owes_bit);  // acquire[standby]: sees the output
    }

private:
    // 3        2      1        0
    // wanted | owes | drives | rests
    // rests    it sleeps longer than a tick; set by it, cleared by it and by who wakes it
    // drives   it sleeps in the system's wait; its own
    // owes     output was put off; cleared by it before it looks
    // wanted   somebody must drive
    static constexpr std::uint32_t rests_bit = 1, drives_bit = 2, owes_bit = 4, wanted_bit = 8;

    Atom<std::uint32_t> word_{0};
};

}  // namespace colloquy::runtime
