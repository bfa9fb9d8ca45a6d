// reduction: what of a seed's run is left out, or set otherwise than the seed drew it.
//
// A failing seed is made smaller by it without losing what it is: every action of a run draws from a source of its own,
// so that those that are left do what they did before as far as they can.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace colloquy::sim {

// 64 bits of its own for each number beside a seed.
[[nodiscard]] constexpr std::uint64_t source_of(std::uint64_t seed, std::uint64_t number) noexcept {
    std::uint64_t z = seed * 0x9E3779B97F4A7C15ULL + (number + 1) * 0xD1342543DE82EF95ULL;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    return z ^ (z >> 31);
}

// False: it is none.
[[nodiscard]] bool read_number(std::string_view text, std::uint64_t& value);

struct reduction {
    std::vector<std::pair<std::string, std::uint64_t>> set;         // by the names of what is drawn
    std::vector<std::pair<std::uint64_t, std::uint64_t>> left_out;  // actions, first to last
    std::string scene;                                              // only this one; empty: all of the seed's

    [[nodiscard]] bool plays(std::string_view name) const noexcept { return scene.empty() || scene == name; }
    [[nodiscard]] bool leaves_out(std::uint64_t action) const noexcept;
    // "name=value,..."; "3,7-20". False: neither.
    [[nodiscard]] bool read_set(std::string_view text);
    [[nodiscard]] bool read_left_out(std::string_view text);
    // As arguments that read_*() take again, with a blank in front of each.
    [[nodiscard]] std::string arguments() const;
};

// What one run draws: features, faults, sizes.
class drawings {
public:
    explicit drawings(const reduction& less) : less_{less} {}

    // The value drawn, or what is to be instead. `plain`: what a simpler run has.
    template <class T>
    [[nodiscard]] T operator()(const char* name, T drawn, T plain) {
        return static_cast<T>(note(name, static_cast<std::uint64_t>(drawn), static_cast<std::uint64_t>(plain)));
    }
    struct one {
        const char* name;
        std::uint64_t value, plain;
    };
    [[nodiscard]] const std::vector<one>& all() const noexcept { return all_; }
    [[nodiscard]] std::string text() const;

private:
    std::uint64_t note(const char* name, std::uint64_t drawn, std::uint64_t plain);

    const reduction& less_;
    std::vector<one> all_;
};

}  // namespace colloquy::sim
