// hello: the first frame of each end of a link. It says who speaks, which protocol, and what the other end may use.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/wire/frame.hpp"
#include "runtime/wire/reason.hpp"
#include "runtime/wire/small_text.hpp"

namespace colloquy::wire {

inline constexpr std::uint8_t protocol_major = 1;
inline constexpr std::uint8_t protocol_minor = 0;
inline constexpr std::size_t lu_name_size_max = 17;

namespace hello_flag {
inline constexpr std::uint16_t expedited = 0x0001;    // takes expedited data
inline constexpr std::uint16_t full_duplex = 0x0002;  // takes full-duplex conversations
inline constexpr std::uint16_t relay = 0x0004;        // speaks the frames of links between a manager and its programs
inline constexpr std::uint16_t users = 0x0008;        // takes users as verified from the receiver of this hello
inline constexpr std::uint16_t callers = 0x0010;  // takes the addresses of callers that its attach manager tells
}  // namespace hello_flag

using instance_id = std::array<std::byte, 8>;

struct hello {
    std::uint8_t major = protocol_major;
    std::uint8_t minor = protocol_minor;
    std::uint16_t flags = 0;          // what the sender can do beyond the least; unknown ones are ignored
    std::uint32_t channels_max = 0;   // conversations the receiver of this hello may have open on the link
    std::uint32_t attach_credit = 0;  // charge a conversation begun by the receiver may use before its first grant
    std::uint32_t heartbeat_ms = 0;   // the sender wants to hear something this often; 0 is off
    instance_id instance{};           // random for each start of a logical unit
    small_text<lu_name_size_max> lu_name;
};

// One to eight of A-Z, 0-9, @, #, $ not beginning with a digit; optionally NETID and a dot before it.
[[nodiscard]] bool valid_lu_name(std::string_view name) noexcept;

// Bytes written; 0 when the name is not valid or `out` is too small. No extensions are written: none is defined yet.
[[nodiscard]] std::size_t encode_hello(std::span<std::byte> out, const hello& h) noexcept;
inline constexpr std::size_t hello_size_plain_max = hello_size_min - 1 + lu_name_size_max;

// reason::none when `out` holds the peer's hello; else what to refuse with, `out` unspecified. Magic and major version
// are checked before anything else, because another version may have laid out the rest differently.
[[nodiscard]] reason decode_hello(std::span<const std::byte> payload, hello& out) noexcept;

}  // namespace colloquy::wire
