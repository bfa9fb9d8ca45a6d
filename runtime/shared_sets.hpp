// shared_sets: small sets of values, of which many holders have the same: those share one.
//
// When to use: what is written while something is prepared and never changes afterwards, such as the names of
// conversations. When not: what changes; what is different for everybody, which is not worth comparing.
// Memory: `capacity` sets and four bytes each, backed as they are taken, and 16 KiB. As many sets as there can be
// holders and some dozens are enough: a holder has one, and one more for a moment inside share().
// Guarantees: a set has one taker who writes it, or holders who only read it; what the taker wrote happens-before what
// the holders read, and what those read before what the next taker writes.
// Alternatives: a map from values to sets, which must be kept right. Here a hint may be stale: then a set is not shared
// that could have been, and nothing else.
//
// Invariant: holders_[i] is 0 from take() to share() and while i is free, and else the number of those that hold i. A
// count is never raised from 0 but by share(), and so never for a set that somebody may write. What a hint names may
// be free or another's by now; it is compared after it was held.
//
// Progress: lock-free. ABA: who raises a count holds the set as it is then, whatever it was when the hint was read.
#pragma once

#include <cstdint>
#include <optional>

#include "runtime/atom.hpp"
#include "runtime/index_pool.hpp"
#include "runtime/lazy_array.hpp"

namespace colloquy::runtime {

// A Set says whether it has the same values as another, `same_as`, and a number that is the same for those, `hash`.
template <class Set, template <class> class Atom = atom, std::uint32_t Hints = 4'096>
class shared_sets {
    static_assert(Hints != 0 && (Hints & (Hints - 1)) == 0);

public:
    shared_sets(std::uint32_t capacity, std::uint32_t shards)
        : sets_{capacity}, holders_{capacity}, hints_{Hints}, free_{capacity, shards} {}

    // Any thread. One that the caller alone has and may write; none when all are in use. It holds what its last taker
    // left there.
    [[nodiscard]] std::optional<std::uint32_t> take(std::uint32_t hint) noexcept { return free_.acquire(hint); }

    // The taker may write until it has shared it; holders may read.
    [[nodiscard]] Set& operator[](std::uint32_t i) noexcept { return sets_[i]; }

    // The taker: nobody writes it any more. It, or another with the same values, which the caller holds instead. Those
    // that give the same `shard` are likelier to share, and may then meet at one count.
    [[nodiscard]] std::uint32_t share(std::uint32_t i, std::uint32_t shard) noexcept {
        Atom<std::uint32_t>& place = hints_[(sets_[i].hash() + shard) & (Hints - 1)];
        const std::uint32_t known = place.load_relaxed();  // relaxed: what it names is seen by holding that
        if (known != 0 && hold(known - 1)) {
            if (sets_[known - 1].same_as(sets_[i])) {
                free_.release(i, shard);
                return known - 1;
            }
            drop(known - 1, shard);
        }
        holders_[i].store_release(1);  // release[set]: its values
        place.store_relaxed(i + 1);
        return i;
    }

    // Its taker, or who holds it: not any more.
    void drop(std::uint32_t i, std::uint32_t shard) noexcept {
        Atom<std::uint32_t>& holders = holders_[i];
        // relaxed: 0 for its taker only. acq_rel[set]: all have read it before it is written again.
        if (holders.load_relaxed() != 0 && holders.fetch_sub_acq_rel(1) != 1) return;
        free_.release(i, shard);
    }

    // Its taker has it still, and nobody shares it.
    [[nodiscard]] bool is_own(std::uint32_t i) const noexcept { return holders_[i].load_relaxed() == 0; }
    [[nodiscard]] std::uint32_t approx_in_use() const noexcept { return free_.approx_in_use(); }

private:
    bool hold(std::uint32_t i) noexcept {
        std::uint32_t now = holders_[i].load_relaxed();
        do {
            if (now == 0) return false;
        } while (!holders_[i].cas_acq_rel(now, now + 1));  // acquire[set]
        return true;
    }

    lazy_array<Set> sets_;
    lazy_array<Atom<std::uint32_t>> holders_;
    lazy_array<Atom<std::uint32_t>> hints_;
    index_pool<Atom> free_;
};

}  // namespace colloquy::runtime
