// run_result: how one seed's run ended, and what there was in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/reduction.hpp"
#include "tests/sim/tally.hpp"

namespace colloquy::sim {

struct run_result {
    std::string complaint;             // empty: it passed
    std::string scene;                 // the last that was played
    std::vector<drawings::one> drawn;  // by that
    std::uint64_t actions = 0;         // begun by that, the one that failed included
    tally count;                       // of all
};

}  // namespace colloquy::sim
