// tally: what the programs of a run have done, and what was done to them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace colloquy::sim {

enum class fault : std::uint8_t {
    reset,
    stall,
    black_hole,
    drain,
    orderly_end,
    half_close,
    truncation,
    corruption,
    clock_jump,
    death,
    count,
};
inline constexpr std::array<const char*, static_cast<std::size_t>(fault::count)> fault_names = {
    "resets",      "stalls",      "black holes", "drains",      "orderly ends",
    "half-closes", "truncations", "corruptions", "clock jumps", "deaths"};

struct tally {
    std::uint64_t verbs = 0, refused = 0, completions = 0, accepted = 0, conversations = 0, bytes = 0;
    std::array<std::uint64_t, static_cast<std::size_t>(fault::count)> faults{};

    std::uint64_t& operator[](fault f) noexcept { return faults[static_cast<std::size_t>(f)]; }
    tally& operator+=(const tally& more) noexcept {
        verbs += more.verbs;
        refused += more.refused;
        completions += more.completions;
        accepted += more.accepted;
        conversations += more.conversations;
        bytes += more.bytes;
        for (std::size_t i = 0; i < faults.size(); ++i) faults[i] += more.faults[i];
        return *this;
    }
};

}  // namespace colloquy::sim
