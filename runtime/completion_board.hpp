// completion_board: operations named by numbers, and threads that wait for some of many.
//
// A cell stands for one queue of one conversation; its number is what a program calls an OOID. An operation on that
// queue moves the cell from idle to pending to finished, and who takes it from finished back to idle has collected it.
// A thread that waits looks at each number of its list once and leaves its mark there; who finishes a marked cell puts
// it on the pile of the waiter whose mark it bears, so that a wake-up costs what has finished, not what is waited for.
//
// When to use: Wait_For_Completion. When not: where any completion will do (completion_queue.hpp).
// Guarantees: each finish is collected exactly once; a waiter whose list holds something finished does not sleep,
//   unless another waiter that holds the mark is awake for it.
// Invariant: for each cell in the list of a waiter W that is inside and has looked, the cell bears W's mark; or that of
//   another waiter that is inside and `contested`, and tells of what it drops from its pile; or W is told to look
//   again.
//   Marks are hints: they outlive the wait, so that the next one over the same list changes nothing.
// Progress: every operation is lock-free; look() is as long as its list. ABA: numbers are dealt in order, so one that
//   is dead stays so until about 2^31 others have been dealt. Reclamation: cells and waiters are never freed; a cell
//   that is given back while it stands in a pile keeps its place there.
// Memory: 20 bytes a cell, touched when its number is dealt.
#pragma once

#include <cassert>
#include <cstdint>
#include <memory>

#include "runtime/atom.hpp"
#include "runtime/cache_line.hpp"
#include "runtime/lazy_array.hpp"
#include "runtime/parking.hpp"

namespace colloquy::runtime {

template <template <class> class Atom = atom>
class completion_board {
    using u64 = std::uint64_t;

public:
    static constexpr std::int32_t number_max = 0x7FFF'FFFF;
    static constexpr std::uint32_t waiters_max = 0xFFFF;
    static constexpr std::uint32_t cell_bytes = 20;

    // `cells` is a power of two; `waiters` may be inside at a time.
    completion_board(std::uint32_t cells, std::uint32_t waiters)
        : mask_{cells - 1},
          waiter_count_{waiters},
          words_{cells},
          next_{cells},
          places_{cells},
          owners_{cells},
          waiters_{std::make_unique<waiter[]>(std::size_t{waiters} + 1)} {
        assert(cells != 0 && (cells & mask_) == 0 && waiters != 0 && waiters <= waiters_max);
    }
    completion_board(const completion_board&) = delete;
    completion_board& operator=(const completion_board&) = delete;

    // --- for the owner of the pair that a cell stands for ----------------------------------------------------------
    // A fresh number, for `owner` in whatever way the caller counts them. 0: every cell is in use.
    [[nodiscard]] std::int32_t deal(std::uint32_t owner) noexcept {
        for (u64 tries = 0; tries <= 2 * u64{mask_} + 2; ++tries) {
            // relaxed: it only has to be another one each time.
            const u64 number = dealt_.fetch_add_relaxed(1) & number_mask;
            if (number == 0) continue;
            const auto cell = static_cast<std::uint32_t>(number & mask_);
            u64 w = words_[cell].load_relaxed();
            while (number_of(w) == 0) {
                // `listed` stays: the cell may stand in a pile from its earlier life.
                // acq_rel[board-cell]: the earlier life is over, and this one has not begun for anybody else.
                if (words_[cell].cas_acq_rel(w, (w & listed) | (number << number_shift))) {
                    owners_[cell].store_relaxed(owner);  // relaxed: read by who is given the number
                    return static_cast<std::int32_t>(number);
                }
            }
        }
        return 0;
    }
    // Nothing is pending or uncollected.
    void give_back(std::int32_t number) noexcept {
        Atom<u64>& word = words_[cell_of(number)];
        u64 w = word.load_relaxed();
        while (!word.cas_acq_rel(w, w & listed)) {  // release[board-cell]
        }
    }
    // An operation is about to wait.
    void begin(std::int32_t number) noexcept {
        Atom<u64>& word = words_[cell_of(number)];
        u64 w = word.load_relaxed();
        while (!word.cas_acq_rel(w, with(w, state::pending))) {
        }
    }
    // It has not waited after all, or was taken back. True: a waiter was told to look again.
    template <class Wake>
    bool withdraw(std::int32_t number, Wake&& wake) noexcept {
        Atom<u64>& word = words_[cell_of(number)];
        u64 w = word.load_relaxed();
        while (!word.cas_acq_rel(w, with(w, state::idle))) {
        }
        return mark_of(w) != 0 && tell_of_less(mark_of(w), wake);
    }

    // pending -> finished, by the one thread that ends the operation. `wake(spot)` wakes the thread parked there.
    // True: a waiter was told.
    template <class Wake>
    bool finish(std::int32_t number, Wake&& wake) noexcept {
        const std::uint32_t cell = cell_of(number);
        u64 w = words_[cell].load_relaxed();
        bool lists = false;
        for (;;) {
            lists = mark_of(w) != 0 && (w & listed) == 0;
            // release[board-finish]: the outcome happens-before its collection.
            // acquire[board-mark]: the marker is inside, or has left, as its mark says.
            if (words_[cell].cas_acq_rel(w, with(w, state::finished) | (lists ? listed : 0))) break;
        }
        const std::uint32_t whom = mark_of(w);
        if (whom == 0) return false;
        waiter& who = waiters_[whom];
        if (!lists) {
            // It stands in a pile already, maybe in somebody else's.
            (void)tell_again(whom, wake);
            return true;
        }
        std::uint32_t first = who.pile.load_relaxed();
        do {
            next_[cell].store_relaxed(first);  // relaxed: published with the pile's head
            // release[board-pile]: the link happens-before the waiter that takes the pile.
        } while (!who.pile.cas_release(first, cell + 1));
        wake(who.parking);
        return true;
    }

    // The owner that the number was dealt to. For who has collected it.
    [[nodiscard]] std::uint32_t owner_of(std::int32_t number) const noexcept {
        return owners_[cell_of(number)].load_relaxed();
    }

    // --- for a thread that waits -----------------------------------------------------------------------------------
    // The thread is inside until leave(). 0: as many as may be are.
    [[nodiscard]] std::uint32_t enter(std::uint32_t hint) noexcept {
        for (std::uint32_t i = 0; i < waiter_count_; ++i) {
            const std::uint32_t me = (hint + i) % waiter_count_ + 1;
            std::uint32_t w = waiters_[me].word.load_relaxed();
            while ((w & inside) == 0) {
                // acq_rel[board-waiter]: who looked before and found nobody inside has taken our marks before we look.
                if (!waiters_[me].word.cas_acq_rel(w, inside)) continue;
                std::uint32_t most = highest_.load_relaxed();
                while (most < me && !highest_.cas_acq_rel(most, me)) {
                }
                return me;
            }
        }
        return 0;
    }
    // True: others were told to look again, because they rely on marks of this one.
    template <class Wake>
    bool leave(std::uint32_t me, Wake&& wake) noexcept {
        // acq_rel[board-waiter]: who has contested a mark is seen inside below.
        return (waiters_[me].word.exchange_acq_rel(0) & contested) != 0 && tell_all(me, wake);
    }

    struct seen {
        bool valid = true;           // every number is of a living cell
        std::uint32_t finished = 0;  // of the places written to `candidates`
        std::uint32_t pending = 0;
    };
    // Looks at every number of the list and leaves the waiter's mark. Places, from 0, of what is finished go to
    // `candidates`, which has room for all; each is to be collect()ed, and another may be quicker.
    template <class Wake>
    seen look(std::uint32_t me, const std::int32_t* list, std::uint32_t count, std::int32_t* candidates,
              Wake&& wake) noexcept {
        waiter& mine = waiters_[me];
        // Before the look: what comes after it is not missed. acquire[board-waiter]
        (void)mine.word.fetch_and_acq_rel(~again);
        if (empty_pile(mine)) pass_on(me, wake);
        seen result;
        std::uint32_t respected = 0;  // a waiter that is inside and knows that others rely on its marks
        std::uint32_t robbed = 0;     // one that was not inside when its marks were taken
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::int32_t number = list[i];
            const std::uint32_t cell = cell_of(number);
            // acquire[board-finish]
            u64 w = words_[cell].load_acquire();
            for (;;) {
                if (number <= 0 || number_of(w) != static_cast<u64>(number)) {
                    result.valid = false;
                    break;
                }
                if (state_of(w) == state::finished) {
                    candidates[result.finished++] = static_cast<std::int32_t>(i);
                    break;
                }
                const std::uint32_t whose = mark_of(w);
                if (whose == me) {
                    note_place(cell, list, i);
                } else if (whose == 0 || whose != respected) {
                    if (whose != 0 && raise(whose, contested)) {
                        // From here on we are told of what befalls its marks; what did before is seen by another look.
                        respected = whose;
                        w = words_[cell].load_acquire();
                        continue;
                    }
                    places_[cell].store_relaxed(i);  // relaxed: a hint, compared with the list
                    // release[board-mark], acquire[board-finish] when it has finished meanwhile
                    if (!words_[cell].cas_acq_rel(w, with_mark(w, me))) continue;
                    if (whose != 0 && robbed != 0 && robbed != whose) (void)tell_again(robbed, wake);
                    if (whose != 0) robbed = whose;
                }
                if (state_of(w) == state::pending) ++result.pending;
                break;
            }
            if (!result.valid) break;
        }
        // It may have come inside and looked before its marks were taken. acq_rel[board-waiter]
        if (robbed != 0) (void)tell_again(robbed, wake);
        return result;
    }
    // What has been put on the waiter's pile since, as places of the list that was looked at last. False: that is not
    // all there is to know, and look() is to be called again.
    template <class Wake>
    [[nodiscard]] bool take_pile(std::uint32_t me, const std::int32_t* list, std::uint32_t count,
                                 std::int32_t* candidates, std::uint32_t& found, Wake&& wake) noexcept {
        waiter& mine = waiters_[me];
        found = 0;
        // relaxed: who sets it wakes us, and the wake-up orders it.
        bool all = (mine.word.load_relaxed() & again) == 0;
        bool strange = false;  // marked by an earlier wait of ours, over another list
        std::uint32_t oldest = 0;
        // Turned round, so that what finished first comes first. acquire[board-pile]
        for (std::uint32_t at = mine.pile.exchange_acquire(0); at != 0;) {
            const std::uint32_t later = next_[at - 1].load_relaxed();
            next_[at - 1].store_relaxed(oldest);
            oldest = at;
            at = later;
        }
        while (oldest != 0) {
            const std::uint32_t cell = oldest - 1;
            oldest = next_[cell].load_relaxed();                    // before the cell may be listed anew
            const u64 w = words_[cell].fetch_and_acq_rel(~listed);  // acquire[board-finish]
            const std::uint32_t place = places_[cell].load_relaxed();
            const bool ours = state_of(w) == state::finished && place < count &&
                              static_cast<u64>(list[place]) == number_of(w) && found < count;
            if (ours)
                candidates[found++] = static_cast<std::int32_t>(place);
            else
                strange = true;
        }
        if (strange) pass_on(me, wake);
        return all && !strange;
    }
    // Something is there to be taken or looked at. The waiter's own.
    [[nodiscard]] bool told_something(std::uint32_t me) const noexcept {
        return waiters_[me].pile.load_acquire() != 0 || (waiters_[me].word.load_acquire() & again) != 0;
    }
    [[nodiscard]] spot<Atom>& parking(std::uint32_t me) noexcept { return waiters_[me].parking; }

    // finished -> idle. True: the caller has it, and nobody else ever will. `others`: another waiter was told to look
    // again, because what it waits for may have become nothing.
    template <class Wake>
    [[nodiscard]] bool collect(std::int32_t number, std::uint32_t me, bool& others, Wake&& wake) noexcept {
        Atom<u64>& word = words_[cell_of(number)];
        u64 w = word.load_relaxed();
        do {
            if (number_of(w) != static_cast<u64>(number) || state_of(w) != state::finished) return false;
            // acquire[board-finish]: sees the outcome.
        } while (!word.cas_acq_rel(w, with(w, state::idle)));
        const std::uint32_t whose = mark_of(w);
        if (whose != 0 && whose != me) others |= tell_of_less(whose, wake);
        return true;
    }

    // Somebody is inside at this moment.
    [[nodiscard]] bool is_inside(std::uint32_t w) const noexcept {
        return (waiters_[w].word.load_acquire() & inside) != 0;
    }

private:
    // 63      32 31   19 18   17 16    16 15   0
    // | number  | -     | state | listed | mark |
    // number   0: the cell is free
    // state    moved to pending by the slot's owner, to finished by who ends the operation, to idle by who collects it
    // listed   the cell stands in a pile; cleared by who takes it from there
    // mark     the waiter to be told, 0 for none
    enum class state : std::uint8_t { idle, pending, finished };
    static constexpr unsigned number_shift = 32, state_shift = 17;
    static constexpr u64 number_mask = 0x7FFF'FFFF;
    static constexpr u64 mark_mask = 0xFFFF, listed = u64{1} << 16, state_mask = u64{3} << state_shift;

    static constexpr u64 number_of(u64 w) noexcept { return w >> number_shift; }
    static constexpr std::uint32_t mark_of(u64 w) noexcept { return static_cast<std::uint32_t>(w & mark_mask); }
    static constexpr state state_of(u64 w) noexcept { return static_cast<state>((w & state_mask) >> state_shift); }
    static constexpr u64 with(u64 w, state s) noexcept {
        return (w & ~state_mask) | (static_cast<u64>(s) << state_shift);
    }
    static constexpr u64 with_mark(u64 w, std::uint32_t mark) noexcept { return (w & ~mark_mask) | mark; }
    [[nodiscard]] std::uint32_t cell_of(std::int32_t number) const noexcept {
        return static_cast<std::uint32_t>(number) & mask_;
    }

    // --- a waiter's word
    static constexpr std::uint32_t inside = 1;     // a thread waits by this number
    static constexpr std::uint32_t contested = 2;  // others rely on its marks: they are told when it leaves
    static constexpr std::uint32_t again = 4;      // it must look at its whole list

    struct alignas(cache_line) waiter {
        Atom<std::uint32_t> word{0};
        Atom<std::uint32_t> pile{0};  // the cell finished last, plus 1
        spot<Atom> parking{};
    };

    // True: it is inside, and sees the flag before it leaves. Read-modify-write: "not inside" is today's news.
    bool raise(std::uint32_t whom, std::uint32_t flag) noexcept {
        return (waiters_[whom].word.fetch_or_acq_rel(flag) & inside) != 0;  // acq_rel[board-waiter]
    }
    template <class Wake>
    bool tell_again(std::uint32_t whom, Wake&& wake) noexcept {
        if (!raise(whom, again)) return false;
        wake(waiters_[whom].parking);
        return true;
    }
    template <class Wake>
    bool tell_all(std::uint32_t but, Wake&& wake) noexcept {
        bool any = false;
        const std::uint32_t most = highest_.load_acquire();
        for (std::uint32_t other = 1; other <= most; ++other)
            if (other != but && is_inside(other)) any |= tell_again(other, wake);
        return any;
    }
    // Something marked by `whom` is over without its doing: it, and those who rely on its marks, may wait for nothing.
    template <class Wake>
    bool tell_of_less(std::uint32_t whom, Wake&& wake) noexcept {
        const std::uint32_t before = waiters_[whom].word.fetch_or_acq_rel(again);  // acq_rel[board-waiter]
        if ((before & inside) == 0) return false;
        wake(waiters_[whom].parking);
        if ((before & contested) != 0) (void)tell_all(whom, wake);
        return true;
    }
    // The first of the places that name the cell.
    void note_place(std::uint32_t cell, const std::int32_t* list, std::uint32_t i) noexcept {
        const std::uint32_t noted = places_[cell].load_relaxed();
        if (noted == i || (noted < i && list[noted] == list[i])) return;
        places_[cell].store_relaxed(i);
    }
    // True: something was there.
    [[nodiscard]] bool empty_pile(waiter& mine) noexcept {
        std::uint32_t at = mine.pile.exchange_acquire(0);  // acquire[board-pile]
        const bool any = at != 0;
        while (at != 0) {
            const std::uint32_t cell = at - 1;
            at = next_[cell].load_relaxed();
            (void)words_[cell].fetch_and_acq_rel(~listed);
        }
        return any;
    }
    // The waiter has dropped from its pile what may be in the lists of others, who rely on its mark. Read-modify-write:
    // who contests the mark after this sees that the cell has finished. acq_rel[board-waiter]
    template <class Wake>
    void pass_on(std::uint32_t me, Wake&& wake) noexcept {
        if ((waiters_[me].word.fetch_or_acq_rel(0) & contested) != 0) (void)tell_all(me, wake);
    }

    const std::uint32_t mask_;
    const std::uint32_t waiter_count_;
    lazy_array<Atom<u64>> words_;
    lazy_array<Atom<std::uint32_t>> next_;
    lazy_array<Atom<std::uint32_t>> places_;  // where a marked cell stands in its waiter's list
    lazy_array<Atom<std::uint32_t>> owners_;
    std::unique_ptr<waiter[]> waiters_;  // from 1
    Atom<std::uint32_t> highest_{0};     // of the waiters that have ever been inside
    alignas(cache_line) Atom<std::uint32_t> dealt_{1};
};

}  // namespace colloquy::runtime
