// big_endian: integers in network byte order at any alignment. Each compiles to one load or store and a byte swap.
#pragma once

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace colloquy::wire {

namespace detail {

static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big);

template <std::unsigned_integral T>
[[nodiscard]] constexpr T swap_bytes(T v) noexcept {
    if constexpr (sizeof(T) == 2) {
        return static_cast<T>((v << 8) | (v >> 8));
    } else if constexpr (sizeof(T) == 4) {
        return (v << 24) | ((v & 0xFF00U) << 8) | ((v >> 8) & 0xFF00U) | (v >> 24);
    } else {
#if defined(__GNUC__)
        return __builtin_bswap64(v);  // gcc does not find the swap in a header that was just put together by shifts
#else
        v = ((v & 0x00FF00FF00FF00FFU) << 8) | ((v >> 8) & 0x00FF00FF00FF00FFU);
        v = ((v & 0x0000FFFF0000FFFFU) << 16) | ((v >> 16) & 0x0000FFFF0000FFFFU);
        return (v << 32) | (v >> 32);
#endif
    }
}

// Its own inverse.
template <std::unsigned_integral T>
[[nodiscard]] constexpr T network_order(T v) noexcept {
    return std::endian::native == std::endian::big ? v : swap_bytes(v);
}

template <std::unsigned_integral T>
[[nodiscard]] constexpr T load(const std::byte* p) noexcept {
    if (std::is_constant_evaluated()) {
        T v = 0;
        for (std::size_t i = 0; i < sizeof(T); ++i) v = static_cast<T>((v << 8) | std::to_integer<T>(p[i]));
        return v;
    }
    T v;
    std::memcpy(&v, p, sizeof v);
    return network_order(v);
}

template <std::unsigned_integral T>
constexpr void store(std::byte* p, T v) noexcept {
    if (std::is_constant_evaluated()) {
        for (std::size_t i = sizeof(T); i-- > 0; v = static_cast<T>(v >> 8)) p[i] = static_cast<std::byte>(v & 0xFF);
        return;
    }
    v = network_order(v);
    std::memcpy(p, &v, sizeof v);
}

}  // namespace detail

[[nodiscard]] constexpr std::uint16_t load_u16(const std::byte* p) noexcept { return detail::load<std::uint16_t>(p); }
[[nodiscard]] constexpr std::uint32_t load_u32(const std::byte* p) noexcept { return detail::load<std::uint32_t>(p); }
[[nodiscard]] constexpr std::uint64_t load_u64(const std::byte* p) noexcept { return detail::load<std::uint64_t>(p); }

constexpr void store_u16(std::byte* p, std::uint16_t v) noexcept { detail::store(p, v); }
constexpr void store_u32(std::byte* p, std::uint32_t v) noexcept { detail::store(p, v); }
constexpr void store_u64(std::byte* p, std::uint64_t v) noexcept { detail::store(p, v); }

}  // namespace colloquy::wire
