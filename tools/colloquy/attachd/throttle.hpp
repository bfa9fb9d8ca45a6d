// throttle: keeps a program that fails over and over from being started as fast as attaches arrive.
//
// A few failures in a row are free: what is wrong may be passing. From then on each further failure doubles the time
// for which nothing is started, up to a bound; one success forgets them all. Takes the time, knows no clock.
#pragma once

#include <algorithm>
#include <cstdint>

namespace colloquy::tool {

class throttle {
public:
    struct settings {
        std::uint32_t failures = 5;           // so many in a row cost nothing yet; at least 1
        std::uint64_t delay_ms = 100;         // the first pause; at least 1
        std::uint64_t delay_max_ms = 60'000;  // the longest; at least delay_ms
    };

    explicit throttle(const settings& with) : with_{with} {}

    // Applies to later failures.
    void change(const settings& with) noexcept { with_ = with; }

    void succeeded() noexcept {
        in_a_row_ = 0;
        closed_until_ms_ = 0;
    }

    void failed(std::uint64_t now_ms) noexcept {
        in_a_row_ = std::min(in_a_row_ + 1, failures_max);
        if (in_a_row_ < with_.failures) return;
        // The shift is bounded before it is made, so that it cannot overflow.
        const std::uint32_t doublings = std::min(in_a_row_ - with_.failures, 63U);
        const bool over = with_.delay_ms > (with_.delay_max_ms >> doublings);
        delay_ms_ = over ? with_.delay_max_ms : with_.delay_ms << doublings;
        closed_until_ms_ = now_ms + delay_ms_;
    }

    // May a program be started?
    [[nodiscard]] bool open(std::uint64_t now_ms) const noexcept { return now_ms >= closed_until_ms_; }
    [[nodiscard]] std::uint64_t closed_until_ms() const noexcept { return closed_until_ms_; }
    // Of the latest failure that closed it.
    [[nodiscard]] std::uint64_t delay_ms() const noexcept { return delay_ms_; }
    [[nodiscard]] std::uint32_t in_a_row() const noexcept { return in_a_row_; }

private:
    static constexpr std::uint32_t failures_max = 1'000'000'000;

    settings with_;
    std::uint32_t in_a_row_ = 0;
    std::uint64_t delay_ms_ = 0;
    std::uint64_t closed_until_ms_ = 0;
};

}  // namespace colloquy::tool
