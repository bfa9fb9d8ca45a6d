// explore: runs a scenario once a seed, and stops at the first seed that fails.
//
// COLLOQUY_SCHEDULE_SEEDS   seeds a scenario (default 50000, a million in all; 20000 unoptimised, 300 where a switch is
//                           a thread switch)
// COLLOQUY_SEED             replays that one seed in each scenario
#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "tests/schedule/scheduler.hpp"

namespace colloquy::schedule {

struct exploration {
    std::optional<std::uint64_t> failed_seed;
    std::string failure;
    std::uint64_t seeds{0};
};

[[nodiscard]] inline std::optional<std::uint64_t> number_from_environment(const char* name) {
    const char* const text = std::getenv(name);
    return text == nullptr ? std::nullopt : std::optional<std::uint64_t>{std::strtoull(text, nullptr, 0)};
}

// scenario(scheduler&) builds its objects, calls run() once and checks what is left with expect().
template <class Scenario>
[[nodiscard]] exploration explore_seeds(std::uint64_t first, std::uint64_t count, Scenario&& scenario) {
    scheduler model;
    exploration result;
    for (std::uint64_t seed = first; seed < first + count; ++seed) {
        model.reset(seed);
        scenario(model);
        ++result.seeds;
        if (!model.failure().empty()) {
            result.failed_seed = seed;
            result.failure = model.failure();
            break;
        }
    }
    return result;
}

[[nodiscard]] constexpr std::uint64_t seeds_by_default() noexcept {
    if (!fibers::cheap) {
        return 300;
    }
#if defined(__OPTIMIZE__)
    return 50'000;
#else
    return 20'000;
#endif
}

// The scenario must hold for every seed; by default for `times` as many as usual.
template <class Scenario>
void check_all(Scenario&& scenario, std::uint64_t times = 1) {
    const auto one = number_from_environment("COLLOQUY_SEED");
    const auto many = number_from_environment("COLLOQUY_SCHEDULE_SEEDS").value_or(seeds_by_default() * times);
    const exploration result = explore_seeds(one.value_or(1), one ? 1 : many, scenario);
    INFO("replay with COLLOQUY_SEED=", result.failed_seed.value_or(0), ": ", result.failure);
    CHECK_FALSE(result.failed_seed.has_value());
    CHECK(result.seeds == (one ? 1 : many));
}

// The scenario is wrong on purpose, and the harness must find out; what it says must contain `what`.
template <class Scenario>
void check_caught(const char* what, Scenario&& scenario) {
    constexpr std::uint64_t enough = 5'000;
    const exploration result = explore_seeds(1, enough, scenario);
    INFO("caught after ", result.seeds, " seeds: ", result.failure);
    CHECK(result.failed_seed.has_value());
    CHECK(result.failure.find(what) != std::string::npos);
}

}  // namespace colloquy::schedule
