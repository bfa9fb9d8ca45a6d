// reason: why a link is refused or closed, and the payload of refuse and close that carries it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/wire/frame.hpp"

namespace colloquy::wire {

enum class reason : std::uint16_t {
#define COLLOQUY_REASON(name, number, text) name = number,
#include "runtime/wire/reasons.def"
#undef COLLOQUY_REASON
};

[[nodiscard]] constexpr const char* name(reason why) noexcept {
    switch (why) {
#define COLLOQUY_REASON(name, number, text) \
    case reason::name: return #name;
#include "runtime/wire/reasons.def"
#undef COLLOQUY_REASON
    }
    return "unknown";
}

// One line for people.
[[nodiscard]] constexpr const char* text(reason why) noexcept {
    switch (why) {
#define COLLOQUY_REASON(name, number, text) \
    case reason::name: return text;
#include "runtime/wire/reasons.def"
#undef COLLOQUY_REASON
    }
    return "a reason this version does not know";
}

// What a link ends for is not its peer's fault, or passes: a new link may do better.
[[nodiscard]] constexpr bool may_pass(reason why) noexcept {
    switch (why) {
        case reason::limits:
        case reason::idle:
        case reason::shutting_down:
        case reason::drained:
        case reason::unused:
        case reason::transport: return true;
        default: return false;
    }
}

// What a receiver closes the link with when check_header finds this fault.
[[nodiscard]] constexpr reason reason_of(const frame_header& h, frame_fault fault) noexcept {
    if (fault == frame_fault::none) return reason::none;
    return fault == frame_fault::length && detail::too_long(h) ? reason::oversized : reason::protocol;
}

// Payload of refuse and close: u16 reason | u8 n | n bytes of text. The text is cut at 255 bytes and to what `out`
// holds. Returns the bytes written; 0 when `out` cannot even hold an empty text.
inline std::size_t encode_reason(std::span<std::byte> out, reason why, std::string_view detail_text = {}) noexcept {
    if (out.size() < reason_size_min) return 0;
    std::size_t n = detail_text.size() < 255 ? detail_text.size() : 255;
    if (n > out.size() - reason_size_min) n = out.size() - reason_size_min;
    store_u16(out.data(), static_cast<std::uint16_t>(why));
    out[2] = static_cast<std::byte>(n);
    if (n != 0) std::memcpy(out.data() + reason_size_min, detail_text.data(), n);
    return reason_size_min + n;
}

struct decoded_reason {
    bool valid;
    reason why;               // may be a number this version does not know
    std::string_view detail;  // points into the payload; written by a stranger: make it printable before showing it
};

// A malformed refuse or close still ends the link; there is only no reason to tell.
[[nodiscard]] inline decoded_reason decode_reason(std::span<const std::byte> payload) noexcept {
    if (payload.size() < reason_size_min) return {false, reason::none, {}};
    const auto n = std::to_integer<std::size_t>(payload[2]);
    if (payload.size() != reason_size_min + n) return {false, reason::none, {}};
    return {true, static_cast<reason>(load_u16(payload.data())),
            {reinterpret_cast<const char*>(payload.data() + reason_size_min), n}};
}

}  // namespace colloquy::wire
