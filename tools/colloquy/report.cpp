#include "tools/colloquy/report.hpp"

#include <array>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tools/colloquy/platform.hpp"

namespace colloquy::tool {

live_line::live_line(bool wanted) : terminal_{wanted && standard_error_is_terminal()} {}

void live_line::show(const std::string& text) {
    if (!terminal_) return;
    std::cerr << '\r' << text << "\x1b[K" << std::flush;
    dirty_ = true;
}

void live_line::clear() {
    if (!dirty_) return;
    std::cerr << "\r\x1b[K" << std::flush;
    dirty_ = false;
}

void print_json(const nlohmann::ordered_json& object) { std::cout << object.dump() << '\n' << std::flush; }

nlohmann::ordered_json latency_json(const histogram& nanoseconds) {
    const auto us = [](std::uint64_t ns) { return static_cast<double>(ns) / 1e3; };
    return {{"p50", us(nanoseconds.at(0.5))},
            {"p90", us(nanoseconds.at(0.9))},
            {"p99", us(nanoseconds.at(0.99))},
            {"p999", us(nanoseconds.at(0.999))},
            {"max", us(nanoseconds.max())}};
}

std::string latency_text(const histogram& nanoseconds) {
    return "p50 " + duration_text(nanoseconds.at(0.5)) + ", p90 " + duration_text(nanoseconds.at(0.9)) + ", p99 " +
           duration_text(nanoseconds.at(0.99)) + ", p99.9 " + duration_text(nanoseconds.at(0.999)) + ", max " +
           duration_text(nanoseconds.max());
}

std::string fixed(double value, int digits) {
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%.*f", digits, value);
    return text.data();
}

std::string duration_text(std::uint64_t nanoseconds) {
    const auto ns = static_cast<double>(nanoseconds);
    const auto digits = [](double v) { return v < 10 ? 2 : v < 100 ? 1 : 0; };
    if (ns < 1e3) return fixed(ns, 0) + " ns";
    if (ns < 1e6) return fixed(ns / 1e3, digits(ns / 1e3)) + " us";
    if (ns < 1e9) return fixed(ns / 1e6, digits(ns / 1e6)) + " ms";
    return fixed(ns / 1e9, digits(ns / 1e9)) + " s";
}

std::string bytes_text(double bytes) {
    constexpr std::array units{"B", "KiB", "MiB", "GiB", "TiB"};
    std::size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < units.size()) {
        bytes /= 1024;
        ++unit;
    }
    return fixed(bytes, unit == 0 ? 0 : bytes < 10 ? 2 : bytes < 100 ? 1 : 0) + " " + units[unit];
}

std::string grouped(std::uint64_t n) {
    std::string text = std::to_string(n);
    for (std::size_t i = text.size(); i > 3; i -= 3) text.insert(i - 3, 1, ',');
    return text;
}

}  // namespace colloquy::tool
