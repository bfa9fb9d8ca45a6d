// model_atom: stands in for runtime::atom in the primitives; the scheduler decides who runs and which store a load
// sees. model_data: plain memory that reports a race when two accesses are not ordered by what the atomics guarantee.
//
// Variants with a Fault are deliberately wrong in one way; tests show that the harness catches each.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "runtime/lazy_array.hpp"
#include "tests/schedule/scheduler.hpp"

namespace colloquy::schedule {

struct no_fault {
    static constexpr bool releases = true;
    static constexpr bool acquires = true;
    template <class T>
    [[nodiscard]] static T swapped_in(T value) noexcept {
        return value;
    }
    template <class T>
    [[nodiscard]] static T added(T value) noexcept {
        return value;
    }
};
struct release_weakened : no_fault {
    static constexpr bool releases = false;
};
struct acquire_weakened : no_fault {
    static constexpr bool acquires = false;
};

template <class T, class Fault>
class basic_model_atom {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);

public:
    constexpr basic_model_atom() noexcept : value_{} {}
    constexpr explicit basic_model_atom(T value) noexcept : value_{value} {}
    basic_model_atom(const basic_model_atom&) = delete;
    basic_model_atom& operator=(const basic_model_atom&) = delete;

    [[nodiscard]] T load_relaxed() const noexcept { return from(model().load(here(), false)); }
    [[nodiscard]] T load_acquire() const noexcept { return from(model().load(here(), Fault::acquires)); }
    void store_relaxed(T v) noexcept { model().store(here(), to(v), false); }
    void store_release(T v) noexcept { model().store(here(), to(v), Fault::releases); }

    T exchange_acquire(T v) noexcept { return exchange(v, true, false); }
    T exchange_release(T v) noexcept { return exchange(v, false, true); }
    T exchange_acq_rel(T v) noexcept { return exchange(v, true, true); }

    bool cas_relaxed(T& expected, T desired) noexcept { return cas(expected, desired, false, false, false); }
    bool cas_acquire(T& expected, T desired) noexcept { return cas(expected, desired, true, false, true); }
    bool cas_release(T& expected, T desired) noexcept { return cas(expected, desired, false, true, false); }
    bool cas_acq_rel(T& expected, T desired) noexcept { return cas(expected, desired, true, true, true); }

    T fetch_add_relaxed(T v) noexcept { return add(v, false, false); }
    T fetch_add_acq_rel(T v) noexcept { return add(v, true, true); }
    T fetch_sub_relaxed(T v) noexcept { return add(T{} - v, false, false); }
    T fetch_sub_release(T v) noexcept { return add(T{} - v, false, true); }
    T fetch_sub_acq_rel(T v) noexcept { return add(T{} - v, true, true); }
    T fetch_or_acq_rel(T v) noexcept {
        return update([v](T old) { return static_cast<T>(old | v); }, true, true);
    }
    T fetch_and_acq_rel(T v) noexcept {
        return update([v](T old) { return static_cast<T>(old & v); }, true, true);
    }

    // For waiters: what is in memory now.
    [[nodiscard]] T latest() const noexcept { return from(model().latest(here())); }

private:
    [[nodiscard]] static scheduler& model() noexcept { return *scheduler::current(); }

    [[nodiscard]] static std::uint64_t to(T value) noexcept {
        if constexpr (std::is_pointer_v<T>) {
            return reinterpret_cast<std::uint64_t>(value);
        } else {
            return static_cast<std::uint64_t>(value);
        }
    }
    [[nodiscard]] static T from(std::uint64_t bits) noexcept {
        if constexpr (std::is_pointer_v<T>) {
            return reinterpret_cast<T>(bits);
        } else {
            return static_cast<T>(bits);
        }
    }

    // The location is made at the first use within a run, so that all-zero bytes are a valid atomic.
    [[nodiscard]] std::uint16_t here() const noexcept {
        if (run_ != model().run_id()) {
            run_ = model().run_id();
            location_ = model().new_location(to(value_));
        }
        return location_;
    }

    T exchange(T v, bool acquire, bool release) noexcept {
        return update([v](T) { return v; }, acquire, release);
    }
    T add(T v, bool acquire, bool release) noexcept {
        return update([v](T old) { return static_cast<T>(old + Fault::added(v)); }, acquire, release);
    }

    template <class Function>
    T update(Function&& function, bool acquire, bool release) noexcept {
        return from(model().modify(here(), acquire && Fault::acquires, release && Fault::releases, false,
                                   [&](std::uint64_t before, std::uint64_t& after) {
                                       after = to(function(from(before)));
                                       return true;
                                   }));
    }

    bool cas(T& expected, T desired, bool acquire, bool release, bool acquire_on_failure) noexcept {
        bool swapped = false;
        const std::uint64_t before =
            model().modify(here(), acquire && Fault::acquires, release && Fault::releases,
                           acquire_on_failure && Fault::acquires, [&](std::uint64_t present, std::uint64_t& after) {
                               swapped = present == to(expected);
                               after = to(Fault::swapped_in(desired));
                               return swapped;
                           });
        if (!swapped) {
            expected = from(before);
        }
        return swapped;
    }

    T value_;
    mutable std::uint64_t run_{0};
    mutable std::uint16_t location_{0};
};

template <class T>
using model_atom = basic_model_atom<T, no_fault>;

// Ignores what primitives only promise weakly: a read or write that is not ordered after the previous conflicting one
// by happens-before is a data race, whatever order the schedule happened to run them in.
template <class T>
class model_data {
public:
    model_data() noexcept : value_{} {}
    explicit model_data(T value) noexcept : value_{value} {}
    model_data(const model_data&) = delete;
    model_data& operator=(const model_data&) = delete;

    model_data& operator=(T value) noexcept {
        set(value);
        return *this;
    }
    operator T() const noexcept { return get(); }

    [[nodiscard]] T get() const noexcept {
        scheduler& model = enter();
        if (ordered_after_write(model)) {
            reads_[model.self()] = model.seen().thread(model.self());
        } else {
            model.fail("data race: a read is not ordered after a write");
        }
        return value_;
    }

    void set(T value) noexcept {
        scheduler& model = enter();
        if (!ordered_after_write(model)) {
            model.fail("data race: two writes are not ordered");
        }
        for (unsigned t = 0; t < threads_max; ++t) {
            if (reads_[t] > model.seen().thread(t)) {
                model.fail("data race: a write is not ordered after a read");
            }
        }
        writer_ = model.self();
        written_ = model.seen().thread(writer_);
        value_ = value;
    }

private:
    [[nodiscard]] scheduler& enter() const noexcept {
        scheduler& model = *scheduler::current();
        if (run_ != model.run_id()) {
            run_ = model.run_id();
            reads_ = {};
            written_ = 0;
        }
        return model;
    }
    [[nodiscard]] bool ordered_after_write(scheduler& model) const noexcept {
        return written_ <= model.seen().thread(writer_);
    }

    T value_;
    mutable std::uint64_t run_{0};
    mutable std::array<std::uint16_t, threads_max> reads_{};
    mutable std::uint16_t written_{0};
    mutable unsigned writer_{0};
};

// A Waiter that parks virtual threads. Comparing and parking are one step against wake, as with a futex.
template <template <class> class Atom>
struct model_waiter {
    static constexpr std::uint64_t never = UINT64_MAX;

    bool wait(Atom<std::uint32_t>& word, std::uint32_t expected, std::uint64_t deadline) noexcept {
        scheduler& model = *scheduler::current();
        model.point();
        // Waking for no reason is allowed, so it happens.
        if (word.latest() != expected || model.random(16) == 0) {
            return true;
        }
        return model.park(&word, deadline != never);
    }
    void wake(Atom<std::uint32_t>& word, std::uint32_t n) noexcept {
        scheduler& model = *scheduler::current();
        model.point();
        model.wake(&word, n);
    }
};

// Atomics that forget half of their publication, to see it missed.
template <class T>
using released_weakly = basic_model_atom<T, release_weakened>;
template <class T>
using acquired_weakly = basic_model_atom<T, acquire_weakened>;

}  // namespace colloquy::schedule

namespace colloquy::runtime {

template <class T, class Fault>
struct zero_is_initial<schedule::basic_model_atom<T, Fault>> : std::bool_constant<true> {};

}  // namespace colloquy::runtime
