// cache_line: how far apart two values must stand so that their writers do not disturb each other.
//
// A constant of ours rather than std::hardware_destructive_interference_size, which may differ between translation
// units compiled with different tuning flags and would then change the layout of shared structures.
#pragma once

#include <cstddef>

namespace colloquy::runtime {

inline constexpr std::size_t cache_line = 64;

}  // namespace colloquy::runtime
