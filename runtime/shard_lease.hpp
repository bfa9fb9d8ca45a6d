// shard_lease: the number of a shard that is one context's alone for as long as the lease lives.
//
// When to use: by who owns a context that one thread at a time uses, so that what it counts needs no read-modify-write.
// Invariant: a bit of `taken` is set while exactly one lease holds its number. Progress: lock-free. When all are taken
// the context shares a shard with others, which only costs more.
// Publication: what the last holder wrote to its shards happens-before what the next one reads.
#pragma once

#include <bit>
#include <cstdint>

#include "runtime/atom.hpp"

namespace colloquy::runtime {

class shard_lease {
public:
    static constexpr std::uint32_t count = 64;
    // Of a hint: its low bits name a shard that nobody else writes.
    static constexpr std::uint32_t alone = 1U << 31;

    // `otherwise`: the hint when no shard is free.
    explicit shard_lease(std::uint32_t otherwise) noexcept : hint_{take(otherwise)} {}
    ~shard_lease() { give_back(hint_); }
    shard_lease(const shard_lease&) = delete;
    shard_lease& operator=(const shard_lease&) = delete;

    [[nodiscard]] std::uint32_t hint() const noexcept { return hint_; }

    // For who keeps the hint itself.
    [[nodiscard]] static std::uint32_t take(std::uint32_t otherwise) noexcept {
        std::uint64_t now = taken.load_acquire();
        while (~now != 0) {
            const int free = std::countr_one(now);
            // acquire[shard-lease]
            if (taken.cas_acq_rel(now, now | (std::uint64_t{1} << free)))
                return alone | static_cast<std::uint32_t>(free);
        }
        return otherwise & ~alone;
    }
    static void give_back(std::uint32_t hint) noexcept {
        // release[shard-lease]
        if ((hint & alone) != 0) taken.fetch_and_acq_rel(~(std::uint64_t{1} << (hint & ~alone)));
    }

private:
    static inline constinit atom<std::uint64_t> taken;
    const std::uint32_t hint_;
};

}  // namespace colloquy::runtime
