// duplex: one seed's full-duplex conversations between two logical units, each end with a sender and a receiver.
#pragma once

#include <cstdint>

#include "tests/sim/run_result.hpp"

namespace colloquy::sim {

// Throws failure; `out` tells what there was either way.
void run_duplex(std::uint64_t seed, const reduction& less, bool verbose, run_result& out);

}  // namespace colloquy::sim
