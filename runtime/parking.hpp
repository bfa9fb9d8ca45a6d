// parking: the only places where a thread of the runtime sleeps.
//
//   permit_gate   counted permits and the threads that wait for one; also wakes a waiter without a permit ("poke")
//   spot          a parking place for one thread
//
// When to use: a permit stands for one completion, a poke offers a waiter the drive, a spot waits for one event.
// When not: to protect data; nothing here is a lock.
// Memory: 16 bytes a gate, 4 bytes a spot. How to sleep is the Waiter's business (a futex, a condition, the scheduler
// of the schedule tests), which is why no system header is needed here.
// Guarantees: no lost permit, no lost wake-up, no lost poke; a Waiter is asked to wake only for those who said they
// sleep.
// Alternatives: std::counting_semaphore, which can neither poke nor be driven by a test.
//
// Progress: post, try_acquire and poke are lock-free. ABA: counts, not identities. Reclamation: a gate or spot must
// outlive the calls of its posters, so it stands in a runtime, a reactor or a slot, never on the waiter's stack.
#pragma once

#include <algorithm>
#include <cassert>
#include <concepts>
#include <cstdint>

#include "runtime/atom.hpp"
#include "runtime/cache_line.hpp"

namespace colloquy::runtime {

// Nanoseconds of whatever clock the Waiter uses.
inline constexpr std::uint64_t no_deadline = UINT64_MAX;
inline constexpr std::uint32_t wake_everyone = UINT32_MAX;

// wait: sleeps while `word` equals `expected`, comparing and falling asleep as one step against wake. Returns false
// once `deadline` has passed; may return true for no reason. wake: wakes up to n threads that sleep on `word`.
template <class W, template <class> class Atom>
concept Waiter = requires(W waiter, Atom<std::uint32_t>& word, std::uint32_t n, std::uint64_t deadline) {
    { waiter.wait(word, n, deadline) } -> std::same_as<bool>;
    waiter.wake(word, n);
};

enum class park_result : std::uint8_t {
    permit,    // the caller holds a permit
    poked,     // woken without one: the caller is offered the drive, and may come back for the permit
    timeout,
    declined,  // the recheck said that there is no reason to sleep
};

// One word carries permits, pokes and sleepers, and both sides read-modify-write it: a sleeper's announcement that
// comes first is seen by the post, a post that comes first is seen by the sleeper. The epoch only carries the sleep: a
// sleeper reads it before it announces itself, a poster moves it after it saw the announcement, so the sleep ends or
// never starts.
//
// A sleeper stays counted until it leaves with a poke, a permit or a timeout. As many sleepers as there are permits and
// pokes are awake or being woken, so a post wakes only the difference: a burst wakes each sleeper once.
template <template <class> class Atom = atom>
class permit_gate {
public:
    permit_gate() noexcept = default;
    permit_gate(const permit_gate&) = delete;
    permit_gate& operator=(const permit_gate&) = delete;

    // Any thread. Adds n permits; wakes at most n, and nobody if nobody said it sleeps.
    template <class W>
        requires Waiter<W, Atom>
    void post(std::uint32_t n, W& waiter) noexcept {
        if (n == 0) {
            return;
        }
        // release[permit]: what was enqueued before the post happens-before the acquirer of the permit.
        // acquire[gate-sleep]: a sleeper counted here read its epoch before.
        const std::uint64_t before = word_.fetch_add_acq_rel(std::uint64_t{n} << permit_shift);
        assert(permits_of(before) <= UINT32_MAX - n);
        wake_sleepers(before, n, waiter);
    }

    // Any thread, never sleeps.
    [[nodiscard]] bool try_acquire() noexcept {
        std::uint64_t word = word_.load_relaxed();
        while (permits_of(word) != 0) {
            // acquire[permit]: sees what was enqueued before the post.
            if (word_.cas_acquire(word, word - one_permit)) {
                return true;
            }
        }
        return false;
    }

    // Any thread, never sleeps: takes up to `max` permits at once and tells how many.
    [[nodiscard]] std::uint32_t try_acquire_many(std::uint32_t max) noexcept {
        std::uint64_t word = word_.load_relaxed();
        while (permits_of(word) != 0 && max != 0) {
            const std::uint32_t n = std::min(max, permits_of(word));
            // acquire[permit]: as in try_acquire.
            if (word_.cas_acquire(word, word - (std::uint64_t{n} << permit_shift))) {
                return n;
            }
        }
        return 0;
    }

    // Any thread; sleeps until there is a permit, a poke or the deadline.
    template <class W>
        requires Waiter<W, Atom>
    [[nodiscard]] park_result acquire_or_park(W& waiter, std::uint64_t deadline) noexcept {
        return acquire_or_park(waiter, deadline, [] { return true; });
    }

    // As above. `still_wanted` runs before each sleep, when the caller is counted as a sleeper already, so whatever it
    // looks at (the drive token) is either seen by it or announced by a poke. If it answers false the caller leaves
    // awake.
    template <class W, class StillWanted>
        requires Waiter<W, Atom>
    [[nodiscard]] park_result acquire_or_park(W& waiter, std::uint64_t deadline, StillWanted&& still_wanted) noexcept {
        // acquire[gate-epoch]: read before the announcement, or a post in between could not be told from none.
        std::uint32_t seen = epoch_.load_acquire();
        if (announce_or_take() == park_result::permit) {
            return park_result::permit;
        }
        for (;;) {
            if (!still_wanted()) {
                return leave(park_result::declined);
            }
            if (!waiter.wait(epoch_, seen, deadline)) {
                return leave(park_result::timeout);
            }
            // acquire[gate-epoch]: whoever moved the epoch changed the word before, so the word below is at least that
            // new.
            seen = epoch_.load_acquire();
            const park_result result = try_leave();
            if (result != park_result::declined) {
                return result;
            }
        }
    }

    // Any thread. Wakes one sleeper without a permit. False: nobody sleeps, or all of them are poked already.
    template <class W>
        requires Waiter<W, Atom>
    bool poke_one(W& waiter) noexcept {
        return poke(1, waiter) != 0;
    }

    // Any thread. Pokes as many as sleep now and are not poked yet; tells how many. A poke is for any sleeper, so one
    // that comes later may take it; who must notice a flag for sure looks at it in its recheck, which runs again after
    // each wake-up.
    template <class W>
        requires Waiter<W, Atom>
    std::uint32_t poke_all(W& waiter) noexcept {
        return poke(sleeper_mask, waiter);
    }

    [[nodiscard]] std::uint32_t approx_permits() const noexcept { return permits_of(word_.load_relaxed()); }
    [[nodiscard]] std::uint32_t approx_sleepers() const noexcept { return sleepers_of(word_.load_relaxed()); }

private:
    // 63      32 31    16 15       0
    // | permits | pokes  | sleepers |   pokes <= sleepers: a poke is addressed to somebody who is counted
    static constexpr unsigned permit_shift = 32;
    static constexpr unsigned poke_shift = 16;
    static constexpr std::uint32_t sleeper_mask = 0xFFFF;
    static constexpr std::uint64_t one_permit = std::uint64_t{1} << permit_shift;
    static constexpr std::uint64_t one_poke = std::uint64_t{1} << poke_shift;
    static constexpr std::uint64_t one_sleeper = 1;

    [[nodiscard]] static std::uint32_t permits_of(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word >> permit_shift);
    }
    [[nodiscard]] static std::uint32_t pokes_of(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word >> poke_shift) & sleeper_mask;
    }
    [[nodiscard]] static std::uint32_t sleepers_of(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word) & sleeper_mask;
    }

    template <class W>
    void wake_sleepers(std::uint64_t before, std::uint32_t added, W& waiter) noexcept {
        const std::uint64_t awake = std::uint64_t{permits_of(before)} + pokes_of(before);
        const std::uint32_t sleepers = sleepers_of(before);
        if (awake >= sleepers) {
            return;
        }
        // release[gate-epoch]: the word was changed before. acq_rel, so that epochs form one chain.
        epoch_.fetch_add_acq_rel(1);
        waiter.wake(epoch_, std::min(added, sleepers - static_cast<std::uint32_t>(awake)));
    }

    // Takes a permit, or counts the caller as a sleeper (answered `declined`).
    [[nodiscard]] park_result announce_or_take() noexcept {
        std::uint64_t word = word_.load_relaxed();
        for (;;) {
            const bool take = permits_of(word) != 0;
            assert(take || sleepers_of(word) < sleeper_mask);
            // acquire[permit]: as in try_acquire. release[gate-sleep]: the epoch was read before the count is seen.
            if (word_.cas_acq_rel(word, take ? word - one_permit : word + one_sleeper)) {
                return take ? park_result::permit : park_result::declined;
            }
        }
    }

    // A sleeper leaves with a poke or else a permit; `declined` when there is neither and it stays counted. The poke
    // goes first, because it is addressed to sleepers alone, while a permit waits for anybody.
    [[nodiscard]] park_result try_leave() noexcept {
        std::uint64_t word = word_.load_relaxed();
        for (;;) {
            const bool poked = pokes_of(word) != 0;
            if (!poked && permits_of(word) == 0) {
                return park_result::declined;
            }
            // acquire[permit], acquire[poke]: sees what was done before the post or the poke.
            if (word_.cas_acq_rel(word, word - one_sleeper - (poked ? one_poke : one_permit))) {
                return poked ? park_result::poked : park_result::permit;
            }
        }
    }

    // A sleeper leaves in any case, and takes along what it was woken for.
    [[nodiscard]] park_result leave(park_result otherwise) noexcept {
        std::uint64_t word = word_.load_relaxed();
        for (;;) {
            const bool poked = pokes_of(word) != 0;
            const bool permit = !poked && permits_of(word) != 0;
            // acquire[permit], acquire[poke]: sees what was done before the post or the poke.
            if (word_.cas_acq_rel(word, word - one_sleeper - (poked ? one_poke : 0) - (permit ? one_permit : 0))) {
                return poked ? park_result::poked : permit ? park_result::permit : otherwise;
            }
        }
    }

    template <class W>
    std::uint32_t poke(std::uint32_t max, W& waiter) noexcept {
        std::uint64_t word = word_.load_relaxed();
        for (;;) {
            const std::uint32_t n = std::min(max, sleepers_of(word) - pokes_of(word));
            // A read-modify-write even when there is nobody to poke: "nobody sleeps" must be today's news.
            // release[poke]: what was done before happens-before the poked sleeper goes on.
            if (word_.cas_acq_rel(word, word + n * one_poke)) {
                if (n != 0) {
                    wake_sleepers(word, n, waiter);
                }
                return n;
            }
        }
    }

    alignas(16) Atom<std::uint64_t> word_{0};
    Atom<std::uint32_t> epoch_{0};
};

// A notification for one thread. A notify() that comes before the wait is remembered; several before a wait count as
// one.
template <template <class> class Atom = atom>
class spot {
public:
    spot() noexcept = default;
    spot(const spot&) = delete;
    spot& operator=(const spot&) = delete;

    // Owner. Announces that it is about to wait; false when a notification is there already (wait() would not sleep).
    // Between prepare() and wait() the owner looks once more at what it waits for.
    [[nodiscard]] bool prepare() noexcept {
        std::uint32_t expected = empty;
        // release[spot-wait]: nothing of the owner's earlier work is later than the announcement.
        return word_.cas_acq_rel(expected, waiting);
    }

    // Owner, after prepare(). True: notified, and the notification is used up. False: the deadline passed.
    template <class W>
        requires Waiter<W, Atom>
    [[nodiscard]] bool wait(W& waiter, std::uint64_t deadline) noexcept {
        // acquire[spot]: sees what the notifier did before notify().
        while (word_.load_acquire() == waiting) {
            if (!waiter.wait(word_, waiting, deadline)) {
                break;
            }
        }
        return word_.exchange_acquire(empty) == notified;
    }

    // Owner: takes back prepare(). True if a notification had come; it is used up.
    bool cancel() noexcept {
        // acquire[spot]: as in wait.
        return word_.exchange_acquire(empty) == notified;
    }

    // Any thread. Wakes the owner only if it said that it waits.
    template <class W>
        requires Waiter<W, Atom>
    void notify(W& waiter) noexcept {
        // release[spot]: what was done before happens-before the return of wait().
        // acquire[spot-wait]: as the announcement says.
        if (word_.exchange_acq_rel(notified) == waiting) {
            waiter.wake(word_, 1);
        }
    }

private:
    static constexpr std::uint32_t empty = 0;
    static constexpr std::uint32_t waiting = 1;
    static constexpr std::uint32_t notified = 2;

    Atom<std::uint32_t> word_{empty};
};

}  // namespace colloquy::runtime
