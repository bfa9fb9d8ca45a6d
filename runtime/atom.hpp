// atom: an atomic whose every operation names its memory order.
//
// When to use: everywhere a value is shared between threads. Bare operators and defaulted orders do not compile, so the
// order is always visible where the operation is, and there are no standalone fences to reason about.
// Primitives take the atomic as `template <template <class> class Atom>`; tests replace it by a model atomic that a
// seeded scheduler drives and that may return stale values (tests/schedule/).
#pragma once

#include <atomic>

namespace colloquy::runtime {

template <class T>
class atom {
public:
    constexpr atom() noexcept : value_{} {}
    constexpr explicit atom(T value) noexcept : value_{value} {}
    atom(const atom&) = delete;
    atom& operator=(const atom&) = delete;

    [[nodiscard]] T load_relaxed() const noexcept { return value_.load(std::memory_order_relaxed); }
    [[nodiscard]] T load_acquire() const noexcept { return value_.load(std::memory_order_acquire); }
    void store_relaxed(T v) noexcept { value_.store(v, std::memory_order_relaxed); }
    void store_release(T v) noexcept { value_.store(v, std::memory_order_release); }

    T exchange_acquire(T v) noexcept { return value_.exchange(v, std::memory_order_acquire); }
    T exchange_release(T v) noexcept { return value_.exchange(v, std::memory_order_release); }
    T exchange_acq_rel(T v) noexcept { return value_.exchange(v, std::memory_order_acq_rel); }

    // Strong compare-and-swap; on failure `expected` is refreshed with an acquire load unless the name says relaxed.
    bool cas_relaxed(T& expected, T desired) noexcept {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_relaxed, std::memory_order_relaxed);
    }
    bool cas_acquire(T& expected, T desired) noexcept {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_acquire, std::memory_order_acquire);
    }
    bool cas_release(T& expected, T desired) noexcept {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_release, std::memory_order_relaxed);
    }
    bool cas_acq_rel(T& expected, T desired) noexcept {
        return value_.compare_exchange_strong(expected, desired, std::memory_order_acq_rel, std::memory_order_acquire);
    }

    T fetch_add_relaxed(T v) noexcept { return value_.fetch_add(v, std::memory_order_relaxed); }
    T fetch_add_acq_rel(T v) noexcept { return value_.fetch_add(v, std::memory_order_acq_rel); }
    T fetch_sub_relaxed(T v) noexcept { return value_.fetch_sub(v, std::memory_order_relaxed); }
    T fetch_sub_release(T v) noexcept { return value_.fetch_sub(v, std::memory_order_release); }
    T fetch_sub_acq_rel(T v) noexcept { return value_.fetch_sub(v, std::memory_order_acq_rel); }
    T fetch_or_acq_rel(T v) noexcept { return value_.fetch_or(v, std::memory_order_acq_rel); }
    T fetch_and_acq_rel(T v) noexcept { return value_.fetch_and(v, std::memory_order_acq_rel); }

private:
    std::atomic<T> value_;
};

}  // namespace colloquy::runtime
