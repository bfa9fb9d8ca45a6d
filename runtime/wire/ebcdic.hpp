// ebcdic: code page 037 and Latin-1, one to one in all 256 positions, so any text comes back as it was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace colloquy::wire {

extern const std::array<std::uint8_t, 256> ebcdic_to_latin1;
extern const std::array<std::uint8_t, 256> latin1_to_ebcdic;

inline constexpr std::byte ebcdic_blank{0x40};

// In place.
void to_ebcdic(std::span<std::byte> text) noexcept;
void to_ascii(std::span<std::byte> text) noexcept;

// Copying; `to` must have room for as many bytes as come in. The two may be the same memory, not overlap otherwise.
void to_ebcdic(std::string_view from, std::byte* to) noexcept;
void to_ascii(std::span<const std::byte> from, std::byte* to) noexcept;

}  // namespace colloquy::wire
