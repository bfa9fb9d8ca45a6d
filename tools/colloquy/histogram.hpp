// histogram: how long things took, to three significant digits, in fixed memory.
//
// Log-linear, in the manner of HdrHistogram: values below 2048 have a bucket each, above that every doubling is cut
// into 1024 equal parts. One thread records; any thread may read at any time and sees a count that was true a moment
// ago.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace colloquy::tool {

class histogram {
public:
    // Values above are counted as this one: about 2.4 hours when they are nanoseconds.
    static constexpr std::uint64_t value_max = (std::uint64_t{1} << 43) - 1;

    histogram() : counts_{std::make_unique<buckets>()} {}

    void record(std::uint64_t value) noexcept {
        if (value > value_max) value = value_max;
        bump((*counts_)[index_of(value)], 1);
        bump(total_, 1);
        if (value > max_.load(std::memory_order_relaxed)) max_.store(value, std::memory_order_relaxed);
    }

    // Adds what another one holds; the other may still be recording.
    void add(const histogram& other) noexcept {
        for (std::size_t i = 0; i < bucket_count; ++i) {
            const std::uint64_t n = (*other.counts_)[i].load(std::memory_order_relaxed);
            if (n == 0) continue;
            bump((*counts_)[i], n);
            bump(total_, n);
        }
        const std::uint64_t most = other.max();
        if (most > max()) max_.store(most, std::memory_order_relaxed);
    }

    [[nodiscard]] std::uint64_t total() const noexcept { return total_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_.load(std::memory_order_relaxed); }

    // The value that this share of all values does not exceed, e.g. 0.99; 0 when there are none.
    [[nodiscard]] std::uint64_t at(double share) const noexcept {
        const std::uint64_t all = total();
        if (all == 0) return 0;
        auto rank = static_cast<std::uint64_t>(share * static_cast<double>(all) + 0.5);
        if (rank == 0) rank = 1;
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < bucket_count; ++i) {
            seen += (*counts_)[i].load(std::memory_order_relaxed);
            if (seen < rank) continue;
            const std::uint64_t top = highest_in(i);
            return top < max() ? top : max();
        }
        return max();
    }

private:
    static constexpr unsigned exact_bits = 11;
    static constexpr std::size_t half = std::size_t{1} << (exact_bits - 1);
    static constexpr std::size_t bucket_count = (43 - exact_bits + 2) * half;
    using count = std::atomic<std::uint64_t>;
    using buckets = std::array<count, bucket_count>;

    // There is one writer, so a load and a store do; readers tolerate any earlier value.
    static void bump(count& c, std::uint64_t by) noexcept {
        c.store(c.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }

    static constexpr std::size_t index_of(std::uint64_t value) noexcept {
        const auto width = static_cast<unsigned>(std::bit_width(value));
        if (width <= exact_bits) return static_cast<std::size_t>(value);
        const unsigned shift = width - exact_bits;
        return shift * half + static_cast<std::size_t>(value >> shift);
    }
    static constexpr std::uint64_t highest_in(std::size_t index) noexcept {
        if (index < 2 * half) return index;
        const std::size_t shift = index / half - 1;
        const std::uint64_t part = index - shift * half;
        return ((part + 1) << shift) - 1;
    }
    static_assert(bucket_count == ((value_max >> (43 - exact_bits)) + 1 + (43 - exact_bits) * half));

    std::unique_ptr<buckets> counts_;
    count total_{0};
    count max_{0};
};

}  // namespace colloquy::tool
