// frame: the eight bytes before every payload of a link, and what may stand in them. docs/protocol.md has the tables.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/wire/big_endian.hpp"

namespace colloquy::wire {

inline constexpr std::size_t frame_header_size = 8;
inline constexpr std::size_t frame_payload_max = 65535;
inline constexpr std::size_t frame_size_max = frame_header_size + frame_payload_max;

enum class frame_type : std::uint8_t {
    hello = 0x01,
    refuse = 0x02,
    ping = 0x03,
    pong = 0x04,
    drain = 0x05,
    close = 0x06,
    serve = 0x07,   // a program's link: the program serves a name, or serves it no more
    served = 0x08,  // the manager's answer
    taken = 0x09,   // from a program: its Accept_Conversation has the attach
    data = 0x10,
    response = 0x11,
    signal = 0x12,
    credit = 0x13,
    expedited = 0x14,       // a program's expedited data
    expedited_read = 0x15,  // it was taken: another may follow
    origin = 0x16,          // to a program: from whom the attach comes that follows on this channel
    blame = 0x17,           // from a program: what came on this channel breaks the protocol
};

namespace indicator {
inline constexpr std::uint8_t begin = 0x80;              // BB: the payload starts with an attach section.
inline constexpr std::uint8_t purging = 0x40;            // PRG: the error report purges; the RH cannot say so.
inline constexpr std::uint8_t change_direction = 0x20;   // CD: the turn goes to the partner.
inline constexpr std::uint8_t definite_response = 0x10;  // RQD: confirmation wanted.
inline constexpr std::uint8_t fm_header = 0x08;          // FMH: the payload starts with an FMH-7.
inline constexpr std::uint8_t reserved = 0x06;
inline constexpr std::uint8_t conditional_end = 0x01;  // CEB: the conversation ends.
}  // namespace indicator

struct frame_header {
    std::uint16_t length;  // of the payload
    frame_type type;
    std::uint8_t indicators;
    std::uint32_t channel;  // 0 is the link itself

    [[nodiscard]] constexpr bool has(std::uint8_t indicator_bits) const noexcept {
        return (indicators & indicator_bits) == indicator_bits;
    }
    friend constexpr bool operator==(const frame_header&, const frame_header&) = default;
};
static_assert(sizeof(frame_header) == frame_header_size);

inline void encode_header(std::byte* out, const frame_header& h) noexcept {
    store_u64(out, (static_cast<std::uint64_t>(h.length) << 48) |
                       (static_cast<std::uint64_t>(static_cast<std::uint8_t>(h.type)) << 40) |
                       (static_cast<std::uint64_t>(h.indicators) << 32) | h.channel);
}

// Reads exactly eight bytes. Any eight bytes decode; check_header says whether they mean something.
[[nodiscard]] inline frame_header decode_header(const std::byte* in) noexcept {
    const std::uint64_t w = load_u64(in);
    return {static_cast<std::uint16_t>(w >> 48), static_cast<frame_type>((w >> 40) & 0xFF),
            static_cast<std::uint8_t>((w >> 32) & 0xFF), static_cast<std::uint32_t>(w & 0xFFFFFFFFU)};
}

// ---- channels ------------------------------------------------------------------------------------

// Which end of the link chose a channel number: bit 0 of the number.
enum class link_side : std::uint8_t { acceptor = 0, connector = 1 };

// Index n of a side is channel (n + 1) * 2 + side, so 0 stays the link and 1 stays unused.
inline constexpr std::uint32_t channel_index_max = 0x7FFFFFFE;

[[nodiscard]] constexpr std::uint32_t make_channel(link_side side, std::uint32_t index) noexcept {
    return ((index + 1) << 1) | static_cast<std::uint32_t>(side);
}
[[nodiscard]] constexpr link_side channel_side(std::uint32_t channel) noexcept {
    return static_cast<link_side>(channel & 1U);
}
// Channels 0 and 1, which name no conversation, give an index no table reaches.
[[nodiscard]] constexpr std::uint32_t channel_index(std::uint32_t channel) noexcept { return (channel >> 1) - 1U; }

// ---- charge --------------------------------------------------------------------------------------

// What a data frame costs of the credit its sender was granted. The overhead pays for the cells and headers that a
// small frame occupies at the receiver, so that a flood of tiny frames is bounded like one of large frames.
inline constexpr std::uint32_t frame_overhead_charge = 64;
[[nodiscard]] constexpr std::uint32_t frame_charge(std::uint32_t payload) noexcept {
    return payload + frame_overhead_charge;
}

// What a frame costs. Free are the frames of which a turn brings only a few, because room for them is fixed in every
// slot: empty ones (change of direction, confirmation, end), error reports that purge, and abends.
[[nodiscard]] constexpr std::uint32_t frame_charge(const frame_header& h) noexcept {
    if (h.type != frame_type::data || h.length == 0) return 0;
    const bool report = h.has(indicator::fm_header);
    if (report && (h.has(indicator::purging) || h.has(indicator::conditional_end))) return 0;
    return frame_charge(std::uint32_t{h.length});
}

// ---- validity ------------------------------------------------------------------------------------

enum class frame_fault : std::uint8_t { none, type, channel, indicators, length };

// A description for logs, in a few words.
[[nodiscard]] constexpr const char* name(frame_fault fault) noexcept {
    switch (fault) {
        case frame_fault::none: return "no fault";
        case frame_fault::type: return "unknown frame type";
        case frame_fault::channel: return "frame type and channel do not belong together";
        case frame_fault::indicators: return "impossible or reserved indicators";
        case frame_fault::length: return "payload length not allowed for the frame type";
    }
    return "?";
}

inline constexpr std::size_t attach_prefix_size = 5;       // grant and length of the mode name, before the FMH-5
inline constexpr std::size_t fmh5_size_min = 11;           // fixed part, length of the TP name, one character
inline constexpr std::size_t expedited_size_max = 86;
inline constexpr std::size_t fmh7_size = 7;
inline constexpr std::size_t log_data_size_max = 512;
inline constexpr std::size_t product_set_size_max = 255;
inline constexpr std::size_t error_log_overhead = 8;       // LL, ID, and two lengths
inline constexpr std::size_t error_payload_size_max =      // FMH-7 and its log record
    fmh7_size + error_log_overhead + product_set_size_max + log_data_size_max;
inline constexpr std::size_t hello_size_min = 30;          // with a name of one character
inline constexpr std::size_t hello_size_max = 1024;        // extensions included
inline constexpr std::size_t reason_size_min = 3;          // code and an empty text
inline constexpr std::size_t reason_size_max = 3 + 255;
inline constexpr std::size_t ping_size = 8;
inline constexpr std::size_t served_name_size_max = 64;    // of a transaction program's name in serve and served

namespace detail {

struct frame_rule {
    std::uint16_t length_min;
    std::uint16_t length_max;
    std::uint8_t indicators;  // those that may be set
    bool known;
    bool on_link;
};

constexpr std::array<frame_rule, 32> make_frame_rules() noexcept {
    std::array<frame_rule, 32> rules{};
    const auto set = [&rules](frame_type type, std::size_t low, std::size_t high, std::uint8_t bits, bool on_link) {
        frame_rule& rule = rules[static_cast<std::size_t>(type)];
        rule = {static_cast<std::uint16_t>(low), static_cast<std::uint16_t>(high), bits, true, on_link};
    };
    set(frame_type::hello, hello_size_min, hello_size_max, 0, true);
    set(frame_type::refuse, reason_size_min, reason_size_max, 0, true);
    set(frame_type::ping, ping_size, ping_size, 0, true);
    set(frame_type::pong, ping_size, ping_size, 0, true);
    set(frame_type::drain, 4, 4, 0, true);
    set(frame_type::close, reason_size_min, reason_size_max, 0, true);
    set(frame_type::serve, 3, 2 + served_name_size_max, 0, true);
    set(frame_type::served, 4, 3 + served_name_size_max, 0, true);
    set(frame_type::taken, 8, 8, 0, true);
    set(frame_type::data, 0, frame_payload_max, static_cast<std::uint8_t>(~indicator::reserved & 0xFF), false);
    set(frame_type::response, 0, 0, indicator::conditional_end, false);
    set(frame_type::signal, 0, 0, 0, false);
    set(frame_type::credit, 4, 4, 0, false);
    set(frame_type::expedited, 1, expedited_size_max, 0, false);
    set(frame_type::expedited_read, 0, 0, 0, false);
    set(frame_type::origin, 12, 93, 0, false);
    set(frame_type::blame, 2, 2, 0, false);
    return rules;
}
inline constexpr std::array<frame_rule, 32> frame_rules = make_frame_rules();

struct length_range {
    std::uint16_t low;
    std::uint16_t high;
};

// For each combination of the indicators of data: the payload lengths it allows; none at all when it is impossible. An
// empty frame without indicators would say nothing and cost nothing, so there is none.
constexpr std::array<length_range, 256> make_data_lengths() noexcept {
    namespace in = indicator;
    std::array<length_range, 256> lengths{};
    for (unsigned bits = 0; bits < 256; ++bits) {
        const auto all = [bits](unsigned wanted) { return (bits & wanted) == wanted; };
        const bool bad = (bits & in::reserved) != 0 || all(in::change_direction | in::conditional_end) ||
                         (all(in::purging) && !all(in::fm_header)) || all(in::begin | in::fm_header) ||
                         all(in::definite_response | in::fm_header);
        std::size_t low = bits == 0 ? 1 : 0;
        std::size_t high = frame_payload_max;
        if (all(in::begin)) low = attach_prefix_size + fmh5_size_min;
        if (all(in::fm_header)) {
            low = fmh7_size;
            high = error_payload_size_max;
        }
        if (bad) {
            low = 1;
            high = 0;
        }
        lengths[bits] = {static_cast<std::uint16_t>(low), static_cast<std::uint16_t>(high)};
    }
    return lengths;
}
inline constexpr std::array<length_range, 256> data_lengths = make_data_lengths();

constexpr bool impossible(length_range range) noexcept { return range.low > range.high; }

// Whether a header that has the length fault is too long rather than too short.
constexpr bool too_long(const frame_header& h) noexcept {
    if (h.type == frame_type::data) return h.length > data_lengths[h.indicators].high;
    const auto type = static_cast<std::size_t>(h.type);
    return type < frame_rules.size() && h.length > frame_rules[type].length_max;
}

}  // namespace detail

// Everything that can be known to be wrong from the header alone. Check it before the payload is even waited for.
[[nodiscard]] constexpr frame_fault check_header(const frame_header& h) noexcept {
    if (h.type == frame_type::data) [[likely]] {
        const detail::length_range range = detail::data_lengths[h.indicators];
        if (h.channel >= 2 && h.length >= range.low && h.length <= range.high) [[likely]] return frame_fault::none;
        if (h.channel < 2) return frame_fault::channel;
        return detail::impossible(range) ? frame_fault::indicators : frame_fault::length;
    }
    const auto type = static_cast<std::size_t>(h.type);
    if (type >= detail::frame_rules.size() || !detail::frame_rules[type].known) return frame_fault::type;
    const detail::frame_rule& rule = detail::frame_rules[type];
    if (rule.on_link ? h.channel != 0 : h.channel < 2) return frame_fault::channel;
    if ((h.indicators & static_cast<std::uint8_t>(~rule.indicators & 0xFF)) != 0) return frame_fault::indicators;
    if (h.length < rule.length_min || h.length > rule.length_max) return frame_fault::length;
    return frame_fault::none;
}

// The grant of a credit frame, whose four bytes check_header has assured. 0 is malformed: nobody grants nothing.
[[nodiscard]] inline std::uint32_t decode_credit(const std::byte* payload) noexcept { return load_u32(payload); }
inline void encode_credit(std::byte* out, std::uint32_t grant) noexcept { store_u32(out, grant); }

// The last channel of the other side that the sender of drain will serve; 0 when it has served none.
[[nodiscard]] inline std::uint32_t decode_drain(const std::byte* payload) noexcept { return load_u32(payload); }
inline void encode_drain(std::byte* out, std::uint32_t last_channel) noexcept { store_u32(out, last_channel); }

}  // namespace colloquy::wire
