// bank: the records that a teller and its customers exchange. Fixed sizes, big-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace colloquy::tool::bank {

struct transfer {
    std::uint64_t id = 0;
    std::uint32_t from = 0;
    std::uint32_t to = 0;
    std::uint64_t amount = 0;
    friend bool operator==(const transfer&, const transfer&) = default;
};

enum class request_kind : std::uint8_t {
    transfer = 1,  // sent with Confirm: Confirmed means that it is durable, Send_Error and an answer that it is refused
    query = 2,     // sent with the turn: did the transfer of this id happen? Answered by an answer
};

enum class verdict : std::uint8_t {
    done = 1,            // it is durable
    unknown = 2,         // no such transfer has happened
    insufficient = 3,    // the account it comes from has not that much
    no_account = 4,      // one of its accounts does not exist
    malformed = 5,       // the record makes no sense
    taken = 6,           // the id belongs to another transfer
    out_of_service = 7,  // the store failed; nothing happened
};

[[nodiscard]] constexpr const char* verdict_text(verdict v) noexcept {
    switch (v) {
        case verdict::done: return "done";
        case verdict::unknown: return "no such transfer";
        case verdict::insufficient: return "insufficient funds";
        case verdict::no_account: return "no such account";
        case verdict::malformed: return "malformed record";
        case verdict::taken: return "transfer id already used for another transfer";
        case verdict::out_of_service: return "out of service, try again";
    }
    return "?";
}

inline constexpr std::size_t record_size = 28;
using record = std::array<unsigned char, record_size>;

namespace detail {
template <class Number>
void put(unsigned char* at, Number value) noexcept {
    for (std::size_t i = sizeof(Number); i-- > 0; value = static_cast<Number>(value >> 7U >> 1U))
        at[i] = static_cast<unsigned char>(value & 0xFFU);
}
template <class Number>
[[nodiscard]] Number get(const unsigned char* at) noexcept {
    Number value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) value = static_cast<Number>(value << 7U << 1U | at[i]);
    return value;
}
}  // namespace detail

// | kind or verdict | 0 0 0 | from 4 | to 4 | id 8 | amount 8 |
[[nodiscard]] inline record encode(std::uint8_t tag, const transfer& t) noexcept {
    record bytes{};
    bytes[0] = tag;
    detail::put(&bytes[4], t.from);
    detail::put(&bytes[8], t.to);
    detail::put(&bytes[12], t.id);
    detail::put(&bytes[20], t.amount);
    return bytes;
}
[[nodiscard]] inline record encode(request_kind kind, const transfer& t) noexcept {
    return encode(static_cast<std::uint8_t>(kind), t);
}
[[nodiscard]] inline record encode(verdict v, const transfer& t) noexcept {
    return encode(static_cast<std::uint8_t>(v), t);
}
[[nodiscard]] inline transfer decode(const record& bytes) noexcept {
    return {detail::get<std::uint64_t>(&bytes[12]), detail::get<std::uint32_t>(&bytes[4]),
            detail::get<std::uint32_t>(&bytes[8]), detail::get<std::uint64_t>(&bytes[20])};
}

}  // namespace colloquy::tool::bank
