// report: what the command tells its user: one line of trouble, a line that lives on a terminal, numbers, JSON.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <string_view>

#include "tools/colloquy/histogram.hpp"

namespace colloquy::tool {

inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;

// Ends the command with one line on standard error.
class failure : public std::runtime_error {
public:
    explicit failure(const std::string& what, int code = exit_failed) : std::runtime_error{what}, code_{code} {}
    [[nodiscard]] int code() const noexcept { return code_; }

private:
    int code_;
};

// The command was asked for what cannot be: says what, where and how to mend it.
class bad_usage : public failure {
public:
    explicit bad_usage(const std::string& what) : failure{what, exit_usage} {}
};

// One line on standard error that is written over and over; silent when that is no terminal, or when not wanted.
class live_line {
public:
    explicit live_line(bool wanted = true);
    ~live_line() { clear(); }
    live_line(const live_line&) = delete;
    live_line& operator=(const live_line&) = delete;

    [[nodiscard]] bool shown() const noexcept { return terminal_; }
    void show(const std::string& text);
    void clear();

private:
    bool terminal_;
    bool dirty_ = false;
};

// The one object on standard output.
void print_json(const nlohmann::ordered_json& object);

// Nanoseconds as {"p50": ..., "p90": ..., "p99": ..., "p999": ..., "max": ...} in microseconds.
[[nodiscard]] nlohmann::ordered_json latency_json(const histogram& nanoseconds);
// The same in words: "p50 1.2 ms, p99 3.4 ms, ...".
[[nodiscard]] std::string latency_text(const histogram& nanoseconds);

[[nodiscard]] std::string duration_text(std::uint64_t nanoseconds);
[[nodiscard]] std::string bytes_text(double bytes);
// "1,234,567"
[[nodiscard]] std::string grouped(std::uint64_t n);
// printf's idea of a number with so many digits behind the point.
[[nodiscard]] std::string fixed(double value, int digits);

}  // namespace colloquy::tool
