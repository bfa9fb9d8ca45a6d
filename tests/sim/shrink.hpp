// shrink: a failing seed's run made smaller, as long as it fails with the same kind of complaint.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "tests/sim/reduction.hpp"
#include "tests/sim/run_result.hpp"

namespace colloquy::sim {

// Plays the seed with that much left out.
using play = std::function<run_result(const reduction&)>;

// The complaint without its numbers and what stands in parentheses behind it.
[[nodiscard]] std::string kind_of(const std::string& complaint);

// `first`: how it failed. Plays at most `runs` times, and tells `progress` of each step that helps.
[[nodiscard]] reduction shrink(const run_result& first, const reduction& from, const play& again, std::uint64_t runs,
                               const std::function<void(const std::string&)>& progress);

}  // namespace colloquy::sim
