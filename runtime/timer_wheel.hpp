// timer_wheel: many deadlines of which most are cancelled, for one thread at a time (the driver).
//
// When to use: timeouts of operations and links. When not: from several threads, or where the resolution is too coarse.
// Memory: 11 KiB a wheel, nothing a timer beyond the intrusive node, which must stay in place while it is in the wheel.
// Guarantees: add and cancel are O(1); a timer never expires before its deadline, and at the first advance() whose time
// has reached the tick at or after it; next_deadline() may be early, never late.
// Alternatives: a heap (O(log n) cancel) or a sorted map (allocates).
//
// Eleven levels of 64 slots cover every 64-bit time. A timer stands at the level of the highest group of six bits in
// which its tick differs from the current one, so no level ever wraps and everything at a lower level is due before
// anything higher.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace colloquy::runtime {

struct timer {
    timer* next{nullptr};  // the wheel's, as is all but `expire`
    timer* prev{nullptr};
    std::uint64_t deadline{0};
    void (*expire)(timer&){nullptr};
    std::uint32_t place{0};

    [[nodiscard]] bool active() const noexcept { return next != nullptr; }
};

class timer_wheel {
public:
    explicit timer_wheel(std::uint64_t now_ns = 0, std::uint64_t resolution_ns = 1'000'000)
        : resolution_{resolution_ns}, current_{now_ns / resolution_ns} {
        for (timer& head : heads_) {
            head.next = head.prev = &head;
        }
    }
    timer_wheel(const timer_wheel&) = delete;
    timer_wheel& operator=(const timer_wheel&) = delete;

    // The timer must not be in a wheel. A deadline that has passed expires at the next advance(), not within this one.
    void add(timer& t, std::uint64_t deadline_ns) noexcept {
        assert(!t.active());
        t.deadline = deadline_ns;
        place(t);
        ++count_;
    }

    // True if the timer was in the wheel. May be called from within advance(), also for timers about to expire.
    bool cancel(timer& t) noexcept {
        if (!t.active()) {
            return false;
        }
        unlink(t);
        --count_;
        return true;
    }

    // Expires everything due at `now` and calls sink(timer&) for each, in the order of their ticks. The sink may add
    // and cancel timers, this one included. Time that runs backwards is ignored. Returns how many expired.
    template <class Sink>
    std::size_t advance(std::uint64_t now_ns, Sink&& sink) {
        const std::uint64_t now = now_ns / resolution_;
        target_ = now > current_ ? now : current_;
        std::size_t expired = 0;
        splice(overdue, expiring);
        expired += expire_all(sink);
        for (;;) {
            const auto slot = first_slot();
            if (!slot || slot->tick > target_) {
                break;
            }
            current_ = slot->tick;
            splice(slot->place, expiring);
            if (slot->place < slots) {
                expired += expire_all(sink);
            } else {
                cascade();
            }
        }
        current_ = target_;
        return expired;
    }

    // As above, calling each timer's own `expire`.
    std::size_t advance(std::uint64_t now_ns) {
        return advance(now_ns, [](timer& t) { t.expire(t); });
    }

    // When advance() should be called next, in ns; nothing if there are no timers.
    [[nodiscard]] std::optional<std::uint64_t> next_deadline() const noexcept {
        if (!list_empty(overdue)) {
            return current_ * resolution_;
        }
        const auto slot = first_slot();
        if (!slot) {
            return std::nullopt;
        }
        // A tick past the end of time is the end of time.
        return slot->tick > UINT64_MAX / resolution_ ? UINT64_MAX : slot->tick * resolution_;
    }

    [[nodiscard]] std::size_t size() const noexcept { return count_; }

private:
    static constexpr std::uint32_t bits = 6;
    static constexpr std::uint32_t slots = 1u << bits;
    static constexpr std::uint32_t levels = 11;
    static_assert(levels * bits >= 64);
    static constexpr std::uint32_t overdue = levels * slots;  // deadlines that had passed when they were added
    static constexpr std::uint32_t expiring = overdue + 1;    // what advance() is working on

    struct found_slot {
        std::uint32_t place;
        std::uint64_t tick;  // the first tick of the slot
    };

    [[nodiscard]] bool list_empty(std::uint32_t list) const noexcept { return heads_[list].next == &heads_[list]; }

    // Rounded up: a timer must not expire before its deadline.
    [[nodiscard]] std::uint64_t tick_of(std::uint64_t deadline_ns) const noexcept {
        return deadline_ns / resolution_ + (deadline_ns % resolution_ != 0 ? 1 : 0);
    }

    void place(timer& t) noexcept {
        const std::uint64_t tick = tick_of(t.deadline);
        if (tick <= target_ || tick <= current_) {
            append(t, overdue);
            return;
        }
        append(t, slot_of(tick));
    }

    [[nodiscard]] std::uint32_t slot_of(std::uint64_t tick) const noexcept {
        const std::uint64_t differing = tick ^ current_;
        const auto level =
            differing == 0 ? 0u : (63u - static_cast<std::uint32_t>(std::countl_zero(differing))) / bits;
        return level * slots + static_cast<std::uint32_t>((tick >> (level * bits)) & (slots - 1));
    }

    void append(timer& t, std::uint32_t list) noexcept {
        timer& head = heads_[list];
        t.place = list;
        t.next = &head;
        t.prev = head.prev;
        head.prev->next = &t;
        head.prev = &t;
        if (list < overdue) {
            occupied_[list / slots] |= std::uint64_t{1} << (list % slots);
        }
    }

    void unlink(timer& t) noexcept {
        t.prev->next = t.next;
        t.next->prev = t.prev;
        t.next = t.prev = nullptr;
        if (t.place < overdue && list_empty(t.place)) {
            occupied_[t.place / slots] &= ~(std::uint64_t{1} << (t.place % slots));
        }
    }

    void splice(std::uint32_t from, std::uint32_t to) noexcept {
        while (!list_empty(from)) {
            timer& t = *heads_[from].next;
            unlink(t);
            append(t, to);
        }
    }

    // Everything at a lower level is due before anything at a higher one, and within a level in the order of the slots.
    [[nodiscard]] std::optional<found_slot> first_slot() const noexcept {
        for (std::uint32_t level = 0; level < levels; ++level) {
            if (occupied_[level] != 0) {
                const auto slot = static_cast<std::uint32_t>(std::countr_zero(occupied_[level]));
                const std::uint32_t shift = level * bits;
                const std::uint64_t above = shift + bits >= 64 ? 0 : current_ >> (shift + bits) << (shift + bits);
                return found_slot{level * slots + slot, above | (std::uint64_t{slot} << shift)};
            }
        }
        return std::nullopt;
    }

    template <class Sink>
    std::size_t expire_all(Sink& sink) {
        std::size_t expired = 0;
        while (!list_empty(expiring)) {
            timer& t = *heads_[expiring].next;
            unlink(t);
            --count_;
            ++expired;
            sink(t);
        }
        return expired;
    }

    // The current tick has reached the slot's first one: its timers go to lower levels.
    void cascade() noexcept {
        while (!list_empty(expiring)) {
            timer& t = *heads_[expiring].next;
            unlink(t);
            append(t, slot_of(tick_of(t.deadline)));
        }
    }

    const std::uint64_t resolution_;
    std::uint64_t current_;     // the tick up to which everything has expired
    std::uint64_t target_{0};   // where advance() is going; what is added below it waits for the next one
    std::size_t count_{0};
    std::array<std::uint64_t, levels> occupied_{};
    std::array<timer, levels * slots + 2> heads_{};
};

}  // namespace colloquy::runtime
