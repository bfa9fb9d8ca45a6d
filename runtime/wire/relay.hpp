// relay: payloads of the frames that only links between an attach manager and its programs carry. docs/protocol.md has
// the tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "runtime/wire/frame.hpp"
#include "runtime/wire/hello.hpp"
#include "runtime/wire/reason.hpp"
#include "runtime/wire/small_text.hpp"

namespace colloquy::wire {

// Who stands behind an attach: u64 number of the attach | u16 hello flags | u8 n | n bytes of the logical unit's name,
// and for a program that takes it (hello_flag::callers): u8 m | m bytes of the address it calls from, as text.
inline constexpr std::size_t caller_size_max = 64;
struct origin {
    std::uint64_t attach = 0;  // the manager's number for it, which `taken` returns
    std::uint16_t flags = 0;
    small_text<lu_name_size_max> lu_name;
    small_text<caller_size_max> caller;  // empty: not told
};
inline constexpr std::size_t origin_name_at = 11;
inline constexpr std::size_t origin_size_max = origin_name_at + lu_name_size_max + 1 + caller_size_max;

[[nodiscard]] inline std::size_t encode_origin(std::span<std::byte, origin_size_max> out, std::uint64_t attach,
                                               std::uint16_t flags, std::string_view lu_name,
                                               std::string_view caller) noexcept {
    const std::size_t n = lu_name.size() < lu_name_size_max ? lu_name.size() : lu_name_size_max;
    store_u64(out.data(), attach);
    store_u16(out.data() + 8, flags);
    out[10] = static_cast<std::byte>(n);
    std::memcpy(out.data() + origin_name_at, lu_name.data(), n);
    const std::size_t end = origin_name_at + n;
    if (caller.empty() || caller.size() > caller_size_max) return end;
    out[end] = static_cast<std::byte>(caller.size());
    std::memcpy(out.data() + end + 1, caller.data(), caller.size());
    return end + 1 + caller.size();
}
// False: malformed. `out` is unspecified then.
[[nodiscard]] inline bool decode_origin(std::span<const std::byte> in, origin& out) noexcept {
    if (in.size() <= origin_name_at) return false;
    const std::size_t end = origin_name_at + std::to_integer<std::size_t>(in[10]);
    if (in.size() < end) return false;
    out.attach = load_u64(in.data());
    out.flags = load_u16(in.data() + 8);
    if (!out.lu_name.assign(in.data() + origin_name_at, end - origin_name_at) || !valid_lu_name(out.lu_name.view()))
        return false;
    out.caller.clear();
    if (in.size() == end) return true;
    const std::span<const std::byte> text = in.subspan(end + 1);
    if (text.empty() || text.size() != std::to_integer<std::size_t>(in[end])) return false;
    for (const std::byte b : text)
        if (b <= std::byte{0x20} || b >= std::byte{0x7F}) return false;
    return out.caller.assign(text.data(), text.size());
}

// A program says which names it serves, and the manager answers.
enum class serve_what : std::uint8_t { no_more = 0, serve = 1 };
enum class serve_result : std::uint8_t {
    ok = 0,
    unknown = 1,    // the manager was not told of this name
    taken = 2,      // another program serves it, and only one may
    forbidden = 3,  // programs may not offer themselves for this name
    full = 4,       // a table is full
};

// One line for people, also for a number that this version does not know.
[[nodiscard]] constexpr const char* text(serve_result r) noexcept {
    switch (r) {
        case serve_result::ok: return "served";
        case serve_result::unknown: return "the attach manager does not know this TP name";
        case serve_result::taken: return "another program serves this TP name already";
        case serve_result::forbidden: return "the attach manager starts the programs of this TP name itself";
        case serve_result::full: return "the attach manager has no room for another program";
    }
    return "the attach manager refused";
}

// serve: u8 what | u8 n | n bytes of name. served: u8 result before the same.
struct serving {
    serve_result result = serve_result::ok;
    serve_what what = serve_what::serve;
    small_text<served_name_size_max> name;
};
inline constexpr std::size_t serving_size_max = 3 + served_name_size_max;

[[nodiscard]] inline std::size_t encode_serving(std::span<std::byte, serving_size_max> out, frame_type type,
                                                serve_result result, serve_what what, std::string_view name) noexcept {
    const std::size_t n = name.size() < served_name_size_max ? name.size() : served_name_size_max;
    std::size_t at = 0;
    if (type == frame_type::served) out[at++] = static_cast<std::byte>(result);
    out[at++] = static_cast<std::byte>(what);
    out[at++] = static_cast<std::byte>(n);
    std::memcpy(out.data() + at, name.data(), n);
    return at + n;
}
[[nodiscard]] inline bool decode_serving(std::span<const std::byte> in, frame_type type, serving& out) noexcept {
    out.result = serve_result::ok;
    if (type == frame_type::served) {
        if (in.empty()) return false;
        out.result = static_cast<serve_result>(in[0]);
        in = in.subspan(1);
    }
    if (in.size() < 3 || in.size() != 2 + std::to_integer<std::size_t>(in[1]) || in[0] > std::byte{1}) return false;
    out.what = static_cast<serve_what>(in[0]);
    if (!out.name.assign(in.data() + 2, in.size() - 2)) return false;
    return out.name.view().find(' ') == std::string_view::npos;
}

inline constexpr std::size_t taken_size = 8;

// blame: u16 reason.
inline constexpr std::size_t blame_size = 2;
inline void encode_blame(std::byte* out, reason why) noexcept { store_u16(out, static_cast<std::uint16_t>(why)); }
// What a program may hold against a partner; anything else counts as protocol.
[[nodiscard]] inline reason decode_blame(const std::byte* in) noexcept {
    const auto why = static_cast<reason>(load_u16(in));
    return why == reason::credit_overrun || why == reason::oversized ? why : reason::protocol;
}

}  // namespace colloquy::wire
