// log_format: the bytes of a ledger's log. All numbers are big-endian.
//
//   head    | "colloquy ledger\n" 16 | version 4 | accounts 4 | checksum of these 4 | 0 4 |
//   batch   | "btch" 4 | checksum of the rest of the batch 4 | number 8 | entries 4 | 0 4 | entry ... |
//   entry   | id 8 | amount 8 | from 4 | to 4 | balance of from afterwards 8 | balance of to afterwards 8 |
//
// A batch is written at once and is on the disk before the next is begun. So only the last can be torn, by a process or
// a machine that died in the middle of it; it was never committed then, and nobody was told of it. One that does not
// hold and has a whole one somewhere behind it is damage.
//
// The balances are redundant: they are what the account holds, and the transfers are why.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "tools/colloquy/bank.hpp"

namespace colloquy::tool::log_format {

using bytes = std::span<const unsigned char>;

inline constexpr std::string_view magic = "colloquy ledger\n";
inline constexpr std::uint32_t version = 1;
inline constexpr std::uint32_t batch_magic = 0x62'74'63'68;
inline constexpr std::size_t head_size = 32;
inline constexpr std::size_t batch_head_size = 24;
inline constexpr std::size_t entry_size = 40;
// Every batch begins at a multiple of this.
inline constexpr std::size_t alignment = 8;
static_assert(head_size % alignment == 0 && batch_head_size % alignment == 0 && entry_size % alignment == 0);

struct entry {
    bank::transfer what;
    std::uint64_t from_holds = 0;
    std::uint64_t to_holds = 0;
};

// CRC-32C.
[[nodiscard]] inline std::uint32_t checksum(bytes data) noexcept {
    static constexpr auto table = [] {
        std::array<std::uint32_t, 256> t{};
        for (std::uint32_t i = 0; i < 256; ++i) {
            t[i] = i;
            for (int bit = 0; bit < 8; ++bit) t[i] = (t[i] & 1U) != 0 ? t[i] >> 1U ^ 0x82F6'3B78U : t[i] >> 1U;
        }
        return t;
    }();
    std::uint32_t crc = ~0U;
    for (const unsigned char b : data) crc = crc >> 8U ^ table[(crc ^ b) & 0xFFU];
    return ~crc;
}

[[nodiscard]] inline std::vector<unsigned char> encode_head(std::uint32_t accounts) {
    std::vector<unsigned char> out(magic.begin(), magic.end());
    out.resize(head_size);
    bank::detail::put(&out[16], version);
    bank::detail::put(&out[20], accounts);
    bank::detail::put(&out[24], checksum({out.data(), 24}));
    return out;
}

// How many accounts the log has; nothing when this is no head of a log.
[[nodiscard]] inline std::optional<std::uint32_t> decode_head(bytes file) noexcept {
    if (file.size() < head_size) return {};
    for (std::size_t i = 0; i < magic.size(); ++i)
        if (file[i] != static_cast<unsigned char>(magic[i])) return {};
    if (bank::detail::get<std::uint32_t>(&file[16]) != version ||
        bank::detail::get<std::uint32_t>(&file[24]) != checksum(file.first(24)))
        return {};
    return bank::detail::get<std::uint32_t>(&file[20]);
}

[[nodiscard]] inline std::vector<unsigned char> encode_batch(std::uint64_t number, std::span<const entry> entries) {
    std::vector<unsigned char> out(batch_head_size + entries.size() * entry_size);
    bank::detail::put(&out[0], batch_magic);
    bank::detail::put(&out[8], number);
    bank::detail::put(&out[16], static_cast<std::uint32_t>(entries.size()));
    unsigned char* at = out.data() + batch_head_size;
    for (const entry& e : entries) {
        bank::detail::put(at, e.what.id);
        bank::detail::put(at + 8, e.what.amount);
        bank::detail::put(at + 16, e.what.from);
        bank::detail::put(at + 20, e.what.to);
        bank::detail::put(at + 24, e.from_holds);
        bank::detail::put(at + 32, e.to_holds);
        at += entry_size;
    }
    bank::detail::put(&out[4], checksum(bytes{out}.subspan(8)));
    return out;
}

// A batch as it lies in the file; it views the file's bytes.
struct batch {
    std::uint64_t number = 0;
    bytes entries;

    [[nodiscard]] std::size_t count() const noexcept { return entries.size() / entry_size; }
    [[nodiscard]] std::size_t size() const noexcept { return batch_head_size + entries.size(); }
    [[nodiscard]] entry at(std::size_t i) const noexcept {
        const unsigned char* e = &entries[i * entry_size];
        using bank::detail::get;
        return {
            {get<std::uint64_t>(e), get<std::uint32_t>(e + 16), get<std::uint32_t>(e + 20), get<std::uint64_t>(e + 8)},
            get<std::uint64_t>(e + 24),
            get<std::uint64_t>(e + 32)};
    }
};

// The batch that begins here; nothing when none does, or not all of it is there as it was written.
[[nodiscard]] inline std::optional<batch> decode_batch(bytes from) noexcept {
    if (from.size() < batch_head_size || bank::detail::get<std::uint32_t>(from.data()) != batch_magic) return {};
    const std::uint64_t size = std::uint64_t{bank::detail::get<std::uint32_t>(&from[16])} * entry_size;
    if (size > from.size() - batch_head_size) return {};
    const auto whole = from.first(batch_head_size + static_cast<std::size_t>(size));
    if (bank::detail::get<std::uint32_t>(&from[4]) != checksum(whole.subspan(8))) return {};
    return batch{bank::detail::get<std::uint64_t>(&from[8]), whole.subspan(batch_head_size)};
}

}  // namespace colloquy::tool::log_format
