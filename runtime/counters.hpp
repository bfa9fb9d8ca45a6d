// counters: what a runtime has done so far, cheap enough to count always.
//
// When to use: totals for reports (colloquy top, exporters). When not: anything a decision depends on; use a bounded
// counter.
// Memory: three cache lines a shard. Guarantees: no increment is lost; a read is a sum that was true for each shard at
// some time during the read. Alternatives: one shared word, which every thread would fight for.
// Progress: wait-free.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "runtime/atom.hpp"
#include "runtime/cache_line.hpp"
#include "runtime/shard_lease.hpp"

namespace colloquy::runtime {

enum class counter : std::uint32_t {
#define COLLOQUY_COUNTER(name, unit, description) name,
#include "runtime/counters.def"
#undef COLLOQUY_COUNTER
};

struct counter_description {
    std::string_view name;
    std::string_view unit;
    std::string_view description;
};

inline constexpr auto counter_table = std::to_array<counter_description>({
#define COLLOQUY_COUNTER(name, unit, description) {#name, unit, description},
#include "runtime/counters.def"
#undef COLLOQUY_COUNTER
});
inline constexpr std::size_t counter_count = counter_table.size();

[[nodiscard]] constexpr const counter_description& describe(counter which) noexcept {
    return counter_table[static_cast<std::size_t>(which)];
}

template <template <class> class Atom = atom>
class counters {
public:
    explicit counters(std::uint32_t shards = 4)
        : shard_count_{shards == 0 ? 1 : shards},
          shards_{std::make_unique<shard[]>(shard_count_ + shard_lease::count)} {}

    // Any thread. The hint picks the shard; one with shard_lease::alone is its holder's and needs no read-modify-write.
    void add(counter which, std::uint64_t n, std::uint32_t hint) noexcept {
        const auto place = static_cast<std::size_t>(which);
        // relaxed: statistic only.
        if ((hint & shard_lease::alone) != 0) {
            Atom<std::uint64_t>& own = shards_[shard_count_ + (hint & ~shard_lease::alone)].values[place];
            own.store_relaxed(own.load_relaxed() + n);
        } else {
            shards_[hint % shard_count_].values[place].fetch_add_relaxed(n);
        }
    }

    [[nodiscard]] std::uint64_t read(counter which) const noexcept {
        std::uint64_t sum = 0;
        for (std::uint32_t i = 0; i < shard_count_ + shard_lease::count; ++i) {
            sum += shards_[i].values[static_cast<std::size_t>(which)].load_relaxed();
        }
        return sum;
    }

private:
    struct alignas(cache_line) shard {
        std::array<Atom<std::uint64_t>, counter_count> values{};
    };

    const std::uint32_t shard_count_;
    std::unique_ptr<shard[]> shards_;
};

}  // namespace colloquy::runtime
