// atom: what the C++ interface shares between threads, with the memory order in the name of every operation.
//
// The library's own is not installed; this is what the headers need of it.
#pragma once

#include <atomic>
#include <cstdint>

namespace colloquy::detail {

class atom {
public:
    constexpr atom() noexcept = default;
    constexpr explicit atom(std::uint32_t value) noexcept : value_{value} {}
    atom(const atom&) = delete;
    atom& operator=(const atom&) = delete;

    [[nodiscard]] std::uint32_t load_relaxed() const noexcept { return value_.load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint32_t load_acquire() const noexcept { return value_.load(std::memory_order_acquire); }
    void store_relaxed(std::uint32_t v) noexcept { value_.store(v, std::memory_order_relaxed); }
    std::uint32_t fetch_add_relaxed(std::uint32_t v) noexcept { return value_.fetch_add(v, std::memory_order_relaxed); }
    std::uint32_t fetch_sub_release(std::uint32_t v) noexcept { return value_.fetch_sub(v, std::memory_order_release); }
    std::uint32_t fetch_or_acq_rel(std::uint32_t v) noexcept { return value_.fetch_or(v, std::memory_order_acq_rel); }
    std::uint32_t fetch_and_acq_rel(std::uint32_t v) noexcept { return value_.fetch_and(v, std::memory_order_acq_rel); }
    // On failure `expected` is what was there instead.
    bool cas_acq_rel(std::uint32_t& expected, std::uint32_t desired) noexcept {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_acq_rel, std::memory_order_acquire);
    }

private:
    std::atomic<std::uint32_t> value_{0};
};

}  // namespace colloquy::detail
