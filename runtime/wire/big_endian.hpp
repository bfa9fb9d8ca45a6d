// big_endian: integers in network byte order. Written with shifts, so alignment and the host's order do not matter; gcc
// and clang turn each into one load or store and a byte swap.
#pragma once

#include <cstddef>
#include <cstdint>

namespace colloquy::wire {

[[nodiscard]] constexpr std::uint16_t load_u16(const std::byte* p) noexcept {
    return static_cast<std::uint16_t>((std::to_integer<unsigned>(p[0]) << 8) | std::to_integer<unsigned>(p[1]));
}

[[nodiscard]] constexpr std::uint32_t load_u32(const std::byte* p) noexcept {
    return (std::to_integer<std::uint32_t>(p[0]) << 24) | (std::to_integer<std::uint32_t>(p[1]) << 16) |
           (std::to_integer<std::uint32_t>(p[2]) << 8) | std::to_integer<std::uint32_t>(p[3]);
}

[[nodiscard]] constexpr std::uint64_t load_u64(const std::byte* p) noexcept {
    return (std::to_integer<std::uint64_t>(p[0]) << 56) | (std::to_integer<std::uint64_t>(p[1]) << 48) |
           (std::to_integer<std::uint64_t>(p[2]) << 40) | (std::to_integer<std::uint64_t>(p[3]) << 32) |
           (std::to_integer<std::uint64_t>(p[4]) << 24) | (std::to_integer<std::uint64_t>(p[5]) << 16) |
           (std::to_integer<std::uint64_t>(p[6]) << 8) | std::to_integer<std::uint64_t>(p[7]);
}

constexpr void store_u16(std::byte* p, std::uint16_t v) noexcept {
    p[0] = static_cast<std::byte>(v >> 8);
    p[1] = static_cast<std::byte>(v & 0xFF);
}

constexpr void store_u32(std::byte* p, std::uint32_t v) noexcept {
    p[0] = static_cast<std::byte>(v >> 24);
    p[1] = static_cast<std::byte>((v >> 16) & 0xFF);
    p[2] = static_cast<std::byte>((v >> 8) & 0xFF);
    p[3] = static_cast<std::byte>(v & 0xFF);
}

constexpr void store_u64(std::byte* p, std::uint64_t v) noexcept {
    p[0] = static_cast<std::byte>(v >> 56);
    p[1] = static_cast<std::byte>((v >> 48) & 0xFF);
    p[2] = static_cast<std::byte>((v >> 40) & 0xFF);
    p[3] = static_cast<std::byte>((v >> 32) & 0xFF);
    p[4] = static_cast<std::byte>((v >> 24) & 0xFF);
    p[5] = static_cast<std::byte>((v >> 16) & 0xFF);
    p[6] = static_cast<std::byte>((v >> 8) & 0xFF);
    p[7] = static_cast<std::byte>(v & 0xFF);
}

}  // namespace colloquy::wire
