// fmh7: the error report a conversation sends instead of data, its log record, and what its sense means to a program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "runtime/return_code.hpp"
#include "runtime/wire/frame.hpp"

namespace colloquy::wire {

namespace sense {
#define COLLOQUY_SENSE(name, value, text) inline constexpr std::uint32_t name = value;
#include "runtime/wire/senses.def"
#undef COLLOQUY_SENSE
}  // namespace sense

// One line for people; "" for a sense this runtime neither sends nor knows.
[[nodiscard]] const char* sense_text(std::uint32_t code) noexcept;

// Byte 6 with 0x80: an error log record follows the seven bytes.
struct error_report {
    std::uint32_t sense;
    bool log_follows;
};

inline void encode_fmh7(std::byte* out, const error_report& report) noexcept {
    out[0] = std::byte{7};
    out[1] = std::byte{7};
    store_u32(out + 2, report.sense);
    out[6] = report.log_follows ? std::byte{0x80} : std::byte{0};
}

struct decoded_fmh7 {
    bool valid;
    error_report report;
};

// Reads the first seven bytes of `in`. The reserved bits of byte 6 are ignored.
[[nodiscard]] inline decoded_fmh7 decode_fmh7(std::span<const std::byte> in) noexcept {
    const bool valid = in.size() >= fmh7_size && in[0] == std::byte{7} && (in[1] & std::byte{0x7F}) == std::byte{7};
    if (!valid) return {false, {0, false}};
    return {true, {load_u32(in.data() + 2), (in[6] & std::byte{0x80}) != std::byte{0}}};
}

// What the program is told. `purging` is the frame's PRG indicator: the sense alone cannot say it. A sense nobody knows
// ends the conversation with resource_failure_no_retry.
[[nodiscard]] runtime::return_code return_code_of(std::uint32_t sense_code, bool purging) noexcept;

// The sense that makes the partner's return_code_of give `code`, for every code that travels as an FMH-7 (attach
// rejections, abends, errors); 0 for all others.
[[nodiscard]] std::uint32_t sense_of(runtime::return_code code) noexcept;

// ---- error log: GDS variable 12E1 ----------------------------------------------------------------

inline constexpr std::size_t error_log_size_max = error_payload_size_max - fmh7_size;

// `message` is Latin-1 and becomes EBCDIC; `product_set` is written as it is. Bytes written, 0 when it does not fit.
[[nodiscard]] std::size_t encode_error_log(std::span<std::byte> out, std::span<const std::byte> product_set,
                                           std::string_view message) noexcept;

struct decoded_error_log {
    bool valid;
    std::size_t size;                        // of the whole record
    std::span<const std::byte> product_set;  // both point into the input
    std::span<const std::byte> message;      // EBCDIC
};

// `in` starts at the record's LL and may go on behind it.
[[nodiscard]] decoded_error_log decode_error_log(std::span<const std::byte> in) noexcept;

// ---- the payload of a frame with FMH ---------------------------------------------------------------

struct decoded_error {
    bool valid;
    error_report report;
    decoded_error_log log;  // valid when report.log_follows
};

// The whole payload: FMH-7, the log record if it says so, and nothing else. Data goes on in a frame of its own.
[[nodiscard]] decoded_error decode_error(std::span<const std::byte> payload) noexcept;

}  // namespace colloquy::wire
