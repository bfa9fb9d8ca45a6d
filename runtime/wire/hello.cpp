// hello: encoding and decoding of the first frame.
#include "runtime/wire/hello.hpp"

#include <cstring>

namespace colloquy::wire {

namespace {

constexpr std::byte magic[4] = {std::byte{'C'}, std::byte{'L'}, std::byte{'Q'}, std::byte{'Y'}};
constexpr std::size_t version_offset = 4;
constexpr std::size_t name_offset = 29;
constexpr std::size_t extension_header_size = 4;

bool valid_name_part(std::string_view part) noexcept {
    if (part.empty() || part.size() > 8) return false;
    if (part[0] >= '0' && part[0] <= '9') return false;
    for (const char c : part) {
        const bool good = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '@' || c == '#' || c == '$';
        if (!good) return false;
    }
    return true;
}

}  // namespace

bool valid_lu_name(std::string_view name) noexcept {
    const std::size_t dot = name.find('.');
    if (dot == std::string_view::npos) return valid_name_part(name);
    return valid_name_part(name.substr(0, dot)) && valid_name_part(name.substr(dot + 1));
}

std::size_t encode_hello(std::span<std::byte> out, const hello& h) noexcept {
    const std::size_t total = name_offset + h.lu_name.size();
    if (!valid_lu_name(h.lu_name.view()) || out.size() < total) return 0;
    std::byte* p = out.data();
    std::memcpy(p, magic, sizeof magic);
    p[4] = static_cast<std::byte>(h.major);
    p[5] = static_cast<std::byte>(h.minor);
    store_u16(p + 6, h.flags);
    store_u32(p + 8, h.channels_max);
    store_u32(p + 12, h.attach_credit);
    store_u32(p + 16, h.heartbeat_ms);
    std::memcpy(p + 20, h.instance.data(), h.instance.size());
    p[28] = static_cast<std::byte>(h.lu_name.size());
    std::memcpy(p + name_offset, h.lu_name.data(), h.lu_name.size());
    return total;
}

reason decode_hello(std::span<const std::byte> payload, hello& out) noexcept {
    if (payload.size() < sizeof magic || std::memcmp(payload.data(), magic, sizeof magic) != 0) {
        return reason::not_colloquy;
    }
    if (payload.size() <= version_offset) return reason::protocol;
    const std::byte* p = payload.data();
    out.major = std::to_integer<std::uint8_t>(p[version_offset]);
    if (out.major != protocol_major) return reason::version;
    if (payload.size() > hello_size_max) return reason::oversized;
    if (payload.size() < hello_size_min) return reason::protocol;
    out.minor = std::to_integer<std::uint8_t>(p[5]);
    out.flags = load_u16(p + 6);
    out.channels_max = load_u32(p + 8);
    out.attach_credit = load_u32(p + 12);
    out.heartbeat_ms = load_u32(p + 16);
    std::memcpy(out.instance.data(), p + 20, out.instance.size());

    const auto name_size = std::to_integer<std::size_t>(p[28]);
    if (name_size > payload.size() - name_offset) return reason::protocol;
    if (!out.lu_name.assign(p + name_offset, name_size) || !valid_lu_name(out.lu_name.view())) return reason::name;

    // Extensions of later minor versions are skipped, but they must add up.
    std::span<const std::byte> rest = payload.subspan(name_offset + name_size);
    while (!rest.empty()) {
        if (rest.size() < extension_header_size) return reason::protocol;
        const std::size_t size = load_u16(rest.data() + 2);
        if (size > rest.size() - extension_header_size) return reason::protocol;
        rest = rest.subspan(extension_header_size + size);
    }
    return reason::none;
}

}  // namespace colloquy::wire
