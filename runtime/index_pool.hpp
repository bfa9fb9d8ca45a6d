// index_pool: hands out and takes back the indices 0..capacity-1 without locks.
//
// When to use: free slots of a fixed table, free buffers of a pool. When not: order matters (recycling is last-in
// first-out within a shard).
// Memory: one cache line a shard and eight bytes an index, touched only for indices that were released at least once.
// Guarantees: an index has one holder at a time; what a releaser wrote is seen by the next acquirer; acquire() answers
// "none" only if at one instant during the call every index was held.
// Alternatives: a bitmap, which is smaller but scans.
//
// Each shard is a Treiber stack; never-used indices come from a bump counter so that fresh tables stay untouched. A
// thread works on the shard of its hint, and on others only when that shard and the counter have nothing.
//
// Progress: lock-free. ABA: a 32-bit tag counts the pops of a shard; a popper would have to sleep through exactly a
// multiple of 2^32 pops and find the same index on top. Reclamation: links are never freed, so reading the link of an
// index that was popped meanwhile is harmless; the tag makes the CAS fail.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "runtime/atom.hpp"
#include "runtime/cache_line.hpp"
#include "runtime/lazy_array.hpp"

namespace colloquy::runtime {

template <template <class> class Atom = atom>
class index_pool {
public:
    explicit index_pool(std::uint32_t capacity, std::uint32_t shards = 1)
        : capacity_{capacity},
          shard_count_{shards == 0 ? 1 : shards},
          links_{capacity},
          shards_{std::make_unique<shard[]>(shard_count_)} {
        assert(capacity < UINT32_MAX);
    }

    // Any thread. The hint (a reactor or thread number) picks the shard.
    [[nodiscard]] std::optional<std::uint32_t> acquire(std::uint32_t hint) noexcept {
        const std::uint32_t own = hint % shard_count_;
        std::optional<std::uint32_t> index = pop(shards_[own]);
        if (!index) {
            index = acquire_unused();
        }
        if (!index) {
            index = steal(own);
        }
        return index;
    }

    // Any thread; `index` must have come from acquire(). The hint need not be the acquirer's.
    void release(std::uint32_t index, std::uint32_t hint) noexcept {
        assert(index < capacity_);
        shard& to = shards_[hint % shard_count_];
        // acquire[index-pool]: the depth below is read from what the releaser of the top wrote.
        std::uint64_t head = to.head.load_acquire();
        std::uint64_t desired;
        do {
            // A top that was popped and pushed meanwhile may have another depth, but then the tag makes the CAS fail.
            links_[index].store_relaxed(depth_one * (depth_at(head) + 1) | index_part(head));
            desired = (head & tag_mask) | (std::uint64_t{index} + 1);
            // release[index-pool]: the releaser's writes to whatever the index names, and the link, happen-before the
            // pop.
        } while (!to.head.cas_acq_rel(head, desired));
    }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }

    // A statistic that is exact when nobody acquires or releases.
    [[nodiscard]] std::uint32_t approx_free() const noexcept {
        std::uint64_t sum = capacity_ - unused_.load_relaxed();
        for (std::uint32_t i = 0; i < shard_count_; ++i) {
            sum += depth_at(shards_[i].head.load_acquire());
        }
        // Indices that move between shards meanwhile may be counted twice.
        return sum < capacity_ ? static_cast<std::uint32_t>(sum) : capacity_;
    }
    [[nodiscard]] std::uint32_t approx_in_use() const noexcept { return capacity_ - approx_free(); }

    // How many indices were ever handed out: the part of a table that was touched.
    [[nodiscard]] std::uint32_t approx_touched() const noexcept { return unused_.load_relaxed(); }

private:
    // 63           32 31            0
    // | pops (tag)   | top index + 1 |   a head; an index part of 0 is an empty shard
    // | depth        | index below+1 |   a link; the depth counts its own index, so a shard's size is read, never
    // counted
    static constexpr std::uint64_t tag_one = std::uint64_t{1} << 32;
    static constexpr std::uint64_t depth_one = std::uint64_t{1} << 32;
    static constexpr std::uint64_t tag_mask = ~(tag_one - 1);

    struct alignas(cache_line) shard {
        Atom<std::uint64_t> head{0};
    };

    [[nodiscard]] static std::uint32_t index_part(std::uint64_t word) noexcept {
        return static_cast<std::uint32_t>(word & ~tag_mask);
    }

    [[nodiscard]] std::uint64_t depth_at(std::uint64_t head) const noexcept {
        return index_part(head) == 0 ? 0 : links_[index_part(head) - 1].load_relaxed() >> 32;
    }

    [[nodiscard]] std::optional<std::uint32_t> pop(shard& from) noexcept {
        // acquire[index-pool]: the link below is read from what the releaser wrote.
        return pop(from, from.head.load_acquire());
    }

    [[nodiscard]] std::optional<std::uint32_t> pop(shard& from, std::uint64_t head) noexcept {
        while (index_part(head) != 0) {
            const std::uint32_t top = index_part(head) - 1;
            // relaxed: a link rewritten since `head` was read comes with a newer tag, and the CAS fails.
            const std::uint32_t below = index_part(links_[top].load_relaxed());
            // acquire[index-pool]: the new holder sees the last holder's writes; pops continue the release sequence.
            if (from.head.cas_acquire(head, ((head + tag_one) & tag_mask) | below)) {
                return top;
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::optional<std::uint32_t> acquire_unused() noexcept {
        // relaxed: nobody wrote anything under an index that was never used.
        std::uint32_t next = unused_.load_relaxed();
        while (next < capacity_) {
            if (unused_.cas_relaxed(next, next + 1)) {
                return next;
            }
        }
        return std::nullopt;
    }

    // Visits all shards until it gets an index, or has seen all of them empty twice with no pop in between: an index
    // that moved from a shard not yet visited to one already visited would have raised a tag.
    [[nodiscard]] std::optional<std::uint32_t> steal(std::uint32_t own) noexcept {
        bool seen_empty = false;
        std::uint64_t pops_before = 0;
        for (;;) {
            std::uint64_t pops = 0;
            for (std::uint32_t i = 1; i <= shard_count_; ++i) {
                shard& victim = shards_[(own + i) % shard_count_];
                // acq_rel[index-pool]: a read-modify-write, because a plain load may return a head that is long gone
                // and "none" must not be answered from memory of the past.
                const std::uint64_t head = victim.head.fetch_add_acq_rel(0);
                if (const auto index = pop(victim, head)) {
                    return index;
                }
                pops += head >> 32;
            }
            if (seen_empty && pops == pops_before) {
                return std::nullopt;
            }
            seen_empty = true;
            pops_before = pops;
        }
    }

    const std::uint32_t capacity_;
    const std::uint32_t shard_count_;
    lazy_array<Atom<std::uint64_t>> links_;
    std::unique_ptr<shard[]> shards_;
    alignas(cache_line) Atom<std::uint32_t> unused_{0};
};

}  // namespace colloquy::runtime
