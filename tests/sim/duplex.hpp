// duplex: one seed's full-duplex conversations between two logical units, each end with a sender and a receiver.
#pragma once

#include <cstdint>

namespace colloquy::sim {

// Throws failure.
void run_duplex(std::uint64_t seed, bool verbose);

}  // namespace colloquy::sim
