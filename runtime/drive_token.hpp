// drive_token: who drives a reactor, whether that thread sleeps in the operating system, and whether there is a reason
// not to.
//
// When to use: one a reactor. When not: as a lock for data that others want at once; nobody waits for the token itself.
// Memory: one 32-bit word.
// Guarantees: one holder at a time; work posted is seen by the present holder, by the next one, or is answered
// "nobody_driving"; a sleeping holder is reported must_wake exactly once a sleep; a follower that announced itself is
// offered the drive before it can be released.
// Alternatives: a mutex, which cannot say that its holder sleeps, and would make callers wait who only want to leave
// news.
//
// Progress: wait-free (post_work, take_work, awake, hand_over, try_take_over) or lock-free. ABA: flags, not identities.
// Reclamation: none.
//
// The protocol
//
//   poster     leaves its news (a pile), then post_work():
//                nobody_driving  get somebody to drive: poke a sleeper of the gate, or start the standby thread
//                driver_awake    nothing to do, the holder looks before it sleeps or leaves
//                must_wake       wake the holder out of the OS wait
//   holder     try_acquire() -> { take_work(), drive } ... and to sleep:
//                try_sleep() or, for a standby that steps aside for others, try_sleep_alone()
//                false: there is news; true: the OS wait, then awake()
//   leaving    try_release():
//                released        done
//                work_left       take_work(), drive on, try again
//                followers_left  hand_over(), then gate.poke_one():
//                                  true   done, the poked thread goes on
//                                  false  nobody sleeps any more: try_acquire() once more and leave as before,
//                                         or be done if somebody else has it
//   follower   gate.acquire_or_park(waiter, deadline, recheck), where the recheck calls announce_follower():
//                announced, announced_must_wake (wake the holder first)   sleep
//                token_free                                              do not sleep; try_acquire() and drive
//   poked      try_take_over(), always, even if its own wait is over, because it may be the only one who was told:
//                taken                                                   drive or leave as a holder does
//                announced, announced_must_wake (wake the holder first)   somebody else has it; sleep again or go
//
// Announcing from the recheck means that a follower is counted at the gate before its bit is seen. One bit stands for
// all followers, and a poke reaches one of them: hand_over() clears it before the poke, so that who announces itself
// later finds the token free or held by a holder who will see it, and try_take_over() sets it again for those who sleep
// on.
#pragma once

#include <cassert>
#include <cstdint>

#include "runtime/atom.hpp"

namespace colloquy::runtime {

enum class post_result : std::uint8_t { nobody_driving, driver_awake, must_wake };
enum class release_result : std::uint8_t { released, work_left, followers_left };
enum class take_over_result : std::uint8_t { taken, announced, announced_must_wake };
enum class follow_result : std::uint8_t { token_free, announced, announced_must_wake };

template <template <class> class Atom = atom>
class drive_token {
public:
    drive_token() noexcept = default;
    drive_token(const drive_token&) = delete;
    drive_token& operator=(const drive_token&) = delete;

    // Any thread. Work posted while nobody drove stays set, so the new holder's take_work() finds it.
    [[nodiscard]] bool try_acquire() noexcept {
        std::uint32_t word = word_.load_relaxed();
        while ((word & held) == 0) {
            // acquire[drive]: sees all that the previous holder did to the reactor.
            if (word_.cas_acquire(word, word | held)) {
                return true;
            }
        }
        return false;
    }

    // Any thread, after it left its news where the holder looks.
    [[nodiscard]] post_result post_work() noexcept {
        // release[drive-work]: the news happens-before the take_work() that sees the bit.
        const std::uint32_t before = word_.fetch_or_acq_rel(work);
        if ((before & held) == 0) {
            return post_result::nobody_driving;
        }
        return first_to_disturb(before, work) ? post_result::must_wake : post_result::driver_awake;
    }

    // Any thread that would drive if nobody else did. See "follower" above.
    [[nodiscard]] follow_result announce_follower() noexcept {
        std::uint32_t word = word_.load_relaxed();
        for (;;) {
            // A read-modify-write even when the token looks free or the bit is set: the answer must be today's news.
            const std::uint32_t desired = (word & held) == 0 ? word : word | follower;
            // release[drive-follower]: the follower is counted at the gate before a holder sees the bit.
            if (word_.cas_acq_rel(word, desired)) {
                break;
            }
        }
        if ((word & held) == 0) {
            return follow_result::token_free;
        }
        return first_to_disturb(word, follower) ? follow_result::announced_must_wake : follow_result::announced;
    }

    // Holder. Announces that it goes to sleep; false: there is work, and nothing was announced.
    [[nodiscard]] bool try_sleep() noexcept { return try_sleep(work, asleep); }

    // Holder that steps aside for others. False: there is work or a follower.
    [[nodiscard]] bool try_sleep_alone() noexcept { return try_sleep(work | follower, asleep | stepping_aside); }

    // Holder, out of the OS wait. Consumes the work bit and tells whether it was set.
    bool awake() noexcept {
        // acquire[drive-work]: sees the news.
        return (word_.fetch_and_acq_rel(~(asleep | stepping_aside | work)) & work) != 0;
    }

    // Holder. Consumes the work bit and tells whether it was set; look for the news after this, not before.
    [[nodiscard]] bool take_work() noexcept {
        // relaxed: a bit not seen here is seen by try_sleep() and try_release().
        if ((word_.load_relaxed() & work) == 0) {
            return false;
        }
        // acquire[drive-work]: sees the news.
        return (word_.fetch_and_acq_rel(~work) & work) != 0;
    }

    // Holder. Frees the token only if there is neither work nor a follower.
    [[nodiscard]] release_result try_release() noexcept {
        std::uint32_t word = word_.load_relaxed();
        for (;;) {
            assert((word & held) != 0 && (word & asleep) == 0);
            // A stale word that misses a bit fails the CAS; one that shows a bit is followed by take_work() or
            // hand_over(), whose read-modify-write acquires.
            if ((word & work) != 0) {
                return release_result::work_left;
            }
            if ((word & follower) != 0) {
                return release_result::followers_left;
            }
            // release[drive]: the holder's work happens-before the next holder's.
            if (word_.cas_acq_rel(word, word & ~held)) {
                return release_result::released;
            }
        }
    }

    // Holder, before it pokes a follower: frees the token for it. Work that is left stays set for the next holder.
    void hand_over() noexcept {
        // release[drive]: the holder's work happens-before the next holder's.
        // acquire[drive-follower]: the followers that the bit stood for are counted at the gate.
        word_.fetch_and_acq_rel(~(held | follower));
    }

    // A poked thread. Takes the token if it is free, and in either case tells the holder (itself, perhaps) that others
    // may still sleep at the gate.
    [[nodiscard]] take_over_result try_take_over() noexcept {
        // acquire[drive]: sees all that the previous holder did to the reactor. release[drive-follower]: as in
        // announce.
        const std::uint32_t before = word_.fetch_or_acq_rel(held | follower);
        if ((before & held) == 0) {
            return take_over_result::taken;
        }
        return first_to_disturb(before, follower) ? take_over_result::announced_must_wake : take_over_result::announced;
    }

    // A hint for statistics and assertions.
    [[nodiscard]] bool approx_held() const noexcept { return (word_.load_relaxed() & held) != 0; }
    [[nodiscard]] bool approx_work() const noexcept { return (word_.load_relaxed() & work) != 0; }
    [[nodiscard]] bool approx_followers() const noexcept { return (word_.load_relaxed() & follower) != 0; }

private:
    // 4               3         2     1       0
    // stepping_aside  follower  work  asleep  held
    // held            somebody has the token
    // asleep          the holder is in the OS wait, or on its way there; set only with no work
    // work            news was posted that no holder has consumed
    // follower        somebody may sleep at the gate and wants the drive when the holder leaves
    // stepping_aside  with asleep: a follower ends the sleep as work does
    static constexpr std::uint32_t held = 1;
    static constexpr std::uint32_t asleep = 2;
    static constexpr std::uint32_t work = 4;
    static constexpr std::uint32_t follower = 8;
    static constexpr std::uint32_t stepping_aside = 16;

    // A sleep begins with none of the bits that disturb it; who sets the first one wakes the holder, nobody else does.
    [[nodiscard]] static bool first_to_disturb(std::uint32_t before, std::uint32_t bit) noexcept {
        const std::uint32_t disturbing = (before & stepping_aside) != 0 ? work | follower : work;
        return (before & asleep) != 0 && (bit & disturbing) != 0 && (before & disturbing) == 0;
    }

    [[nodiscard]] bool try_sleep(std::uint32_t unless, std::uint32_t announce) noexcept {
        std::uint32_t word = word_.load_relaxed();
        do {
            if ((word & unless) != 0) {
                return false;
            }
        } while (!word_.cas_acq_rel(word, word | announce));
        return true;
    }

    Atom<std::uint32_t> word_{0};
};

}  // namespace colloquy::runtime
