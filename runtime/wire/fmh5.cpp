// fmh5: the attach header. Decoding walks all lengths first, then looks at contents, so that the sense codes come out
// in the order in which the architecture checks.
#include "runtime/wire/fmh5.hpp"

#include <cstring>

#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::wire {

namespace {

constexpr std::size_t fixed_size = 9;  // up to and without the length of the TP name
constexpr std::byte type_fmh5{0x05};
constexpr std::uint16_t command_attach = 0x02FF;
constexpr std::uint8_t fixed_parameters_size = 3;

constexpr std::uint8_t bit_already_verified = 0x80;
constexpr std::uint8_t bits_persistent = 0x60;
constexpr std::uint8_t bit_sign_on_requested = 0x20;
constexpr std::uint8_t bit_signed_on = 0x40;
constexpr std::uint8_t bit_password_substitute = 0x10;
constexpr std::uint8_t bit_pip = 0x08;

// Conversation type: D0 with two bits in it.
constexpr std::uint8_t type_base = 0xD0;
constexpr std::uint8_t type_mapped = 0x01;
constexpr std::uint8_t type_full_duplex = 0x02;

constexpr std::uint8_t subfield_profile = 0;
constexpr std::uint8_t subfield_password = 1;
constexpr std::uint8_t subfield_user_id = 2;

constexpr std::size_t luwid_tail_size = 6 + 2;
constexpr std::size_t luwid_size_min = 1 + 1 + luwid_tail_size;
constexpr std::size_t luwid_size_max = 1 + 17 + luwid_tail_size;
constexpr std::size_t correlator_size_max = 8;
constexpr std::size_t attach_sequence_size = 8;
constexpr std::uint8_t service_tp_limit = 0x40;  // first bytes below it are no EBCDIC letters

std::uint8_t byte_at(std::span<const std::byte> in, std::size_t i) noexcept {
    return std::to_integer<std::uint8_t>(in[i]);
}

// ---- encoding --------------------------------------------------------------------------------------

// Appends to a span and remembers whether everything fitted.
class appender {
public:
    explicit appender(std::span<std::byte> out) noexcept : out_{out} {}

    void byte(std::size_t v) noexcept {
        if (std::byte* p = take(1)) *p = static_cast<std::byte>(v & 0xFF);
    }
    void raw(const std::byte* from, std::size_t n) noexcept {
        if (n == 0) return;
        if (std::byte* p = take(n)) std::memcpy(p, from, n);
    }
    void text(std::string_view from) noexcept {
        if (std::byte* p = take(from.size())) to_ebcdic(from, p);
    }
    [[nodiscard]] bool fitted() const noexcept { return fitted_; }
    [[nodiscard]] std::size_t size() const noexcept { return used_; }

private:
    std::byte* take(std::size_t n) noexcept {
        if (!fitted_ || out_.size() - used_ < n) {
            fitted_ = false;
            return nullptr;
        }
        std::byte* p = out_.data() + used_;
        used_ += n;
        return p;
    }

    std::span<std::byte> out_;
    std::size_t used_ = 0;
    bool fitted_ = true;
};

std::size_t subfield_size(std::size_t text_size) noexcept { return text_size == 0 ? 0 : text_size + 2; }

template <std::size_t N>
void append_subfield(appender& to, std::uint8_t type, const small_text<N>& value, bool raw) noexcept {
    if (value.empty()) return;
    to.byte(value.size() + 1);
    to.byte(type);
    if (raw) {
        to.raw(value.data(), value.size());
    } else {
        to.text(value.view());
    }
}

std::size_t access_bits(const attach& a) noexcept {
    std::size_t bits = 0;
    if (a.already_verified) bits |= bit_already_verified;
    if (a.persistent == persistent_verification::sign_on_requested) bits |= bit_sign_on_requested;
    if (a.persistent == persistent_verification::signed_on) bits |= bit_signed_on;
    if (a.password_substitute) bits |= bit_password_substitute;
    if (a.has_pip) bits |= bit_pip;
    return bits;
}

bool encodable(const attach& a) noexcept {
    if (a.tp_name.empty() || a.sync_level > 2) return false;
    const auto first = std::to_integer<std::uint8_t>(a.tp_name.data()[0]);
    // A name must come back as what it was: the first byte alone tells service programs from others.
    if (a.service_tp != ((a.service_tp ? first : latin1_to_ebcdic[first]) < service_tp_limit)) return false;
    return !a.has_luwid || !a.luwid_name.empty();
}

// ---- decoding --------------------------------------------------------------------------------------

// Where the parts of a header are; sizes are 0 for what is missing.
struct layout {
    std::size_t security = 0;
    std::size_t security_size = 0;
    std::size_t luwid = 0;
    std::size_t luwid_size = 0;
    std::size_t correlator = 0;
    std::size_t correlator_size = 0;
    std::size_t sequence = 0;
    std::size_t sequence_size = 0;
};

// Takes a length byte and as many bytes; true also when the header ends before it, because trailing fields may be
// missing.
bool walk_field(std::span<const std::byte> header, std::size_t& at, std::size_t& start, std::size_t& size) noexcept {
    if (at == header.size()) return true;
    size = byte_at(header, at);
    start = at + 1;
    if (size > header.size() - start) return false;
    at = start + size;
    return true;
}

template <std::size_t N>
bool take_subfield(std::span<const std::byte> value, bool raw, small_text<N>& out) noexcept {
    if (!raw) {
        while (!value.empty() && value.back() == ebcdic_blank) value = value.first(value.size() - 1);
    }
    if (value.size() > N) return false;
    out.set_size(value.size());
    if (raw) {
        out.assign(value.data(), value.size());
    } else {
        to_ascii(value, out.data());
    }
    return true;
}

// A type given twice is refused: two readers could otherwise take two different users from one header.
bool decode_security(std::span<const std::byte> in, attach& out) noexcept {
    unsigned seen = 0;
    while (!in.empty()) {
        const std::size_t size = byte_at(in, 0);
        if (size == 0 || size > in.size() - 1) return false;
        const std::uint8_t type = byte_at(in, 1);
        const auto value = in.subspan(2, size - 1);
        in = in.subspan(1 + size);
        if (type > subfield_user_id) continue;  // A subfield of a later architecture.
        const unsigned bit = 1U << type;
        if ((seen & bit) != 0) return false;
        seen |= bit;
        const bool good = type == subfield_user_id    ? take_subfield(value, false, out.user_id)
                          : type == subfield_password ? take_subfield(value, out.password_substitute, out.password)
                                                      : take_subfield(value, false, out.profile);
        if (!good) return false;
    }
    return true;
}

bool decode_luwid(std::span<const std::byte> in, attach& out) noexcept {
    if (in.size() < luwid_size_min || in.size() > luwid_size_max) return false;
    const std::size_t name_size = byte_at(in, 0);
    if (name_size == 0 || 1 + name_size + luwid_tail_size != in.size()) return false;
    out.luwid_name.set_size(name_size);
    to_ascii(in.subspan(1, name_size), out.luwid_name.data());
    const std::byte* tail = in.data() + 1 + name_size;
    std::memcpy(out.luwid_instance.data(), tail, out.luwid_instance.size());
    out.luwid_sequence = load_u16(tail + out.luwid_instance.size());
    out.has_luwid = true;
    return true;
}

void decode_tp_name(std::span<const std::byte> name, attach& out) noexcept {
    out.tp_name.set_size(name.size());
    to_ascii(name, out.tp_name.data());
    out.service_tp = byte_at(name, 0) < service_tp_limit;
    if (out.service_tp) *out.tp_name.data() = name[0];
}

void clear(attach& out) noexcept {
    out.user_id.clear();
    out.password.clear();
    out.profile.clear();
    out.luwid_name.clear();
    out.correlator.clear();
    out.has_luwid = false;
    out.has_attach_sequence = false;
}

}  // namespace

std::size_t encode_attach(std::span<std::byte> out, const attach& a) noexcept {
    if (!encodable(a)) return 0;
    appender to{out.size() > fmh5_size_max ? out.first(fmh5_size_max) : out};
    to.byte(0);  // The total is known at the end.
    to.byte(std::to_integer<std::size_t>(type_fmh5));
    to.byte(command_attach >> 8);
    to.byte(command_attach);
    to.byte(access_bits(a));
    to.byte(fixed_parameters_size);
    to.byte(std::size_t{type_base} | (a.mapped ? type_mapped : 0U) | (a.full_duplex ? type_full_duplex : 0U));
    to.byte(0);
    to.byte(std::size_t{a.sync_level} << 6);

    to.byte(a.tp_name.size());
    if (a.service_tp) {
        to.raw(a.tp_name.data(), 1);
        to.text(a.tp_name.view().substr(1));
    } else {
        to.text(a.tp_name.view());
    }

    to.byte(subfield_size(a.password.size()) + subfield_size(a.user_id.size()) + subfield_size(a.profile.size()));
    append_subfield(to, subfield_password, a.password, a.password_substitute);
    append_subfield(to, subfield_user_id, a.user_id, false);
    append_subfield(to, subfield_profile, a.profile, false);

    to.byte(a.has_luwid ? 1 + a.luwid_name.size() + luwid_tail_size : 0);
    if (a.has_luwid) {
        to.byte(a.luwid_name.size());
        to.text(a.luwid_name.view());
        to.raw(a.luwid_instance.data(), a.luwid_instance.size());
        to.byte(a.luwid_sequence >> 8);
        to.byte(a.luwid_sequence);
    }

    to.byte(a.correlator.size());
    to.raw(a.correlator.data(), a.correlator.size());
    if (a.has_attach_sequence) {
        to.byte(attach_sequence_size);
        to.raw(a.attach_sequence.data(), attach_sequence_size);
    }
    if (!to.fitted()) return 0;
    out[0] = static_cast<std::byte>(to.size());
    return to.size();
}

attach_result decode_attach(std::span<const std::byte> in, attach& out) noexcept {
    const auto reject = [](std::uint32_t code) noexcept { return attach_result{code, 0}; };
    if (in.size() < 4) return reject(sense::fmh_length);
    if ((in[1] & std::byte{0x7F}) != type_fmh5) return reject(sense::fmh_type_not_supported);
    if (load_u16(in.data() + 2) != command_attach) return reject(sense::fmh_command);
    const std::size_t total = byte_at(in, 0);
    if (total < fmh5_size_min || total > in.size()) return reject(sense::fmh_length);
    const auto header = in.first(total);

    // Lengths.
    if (byte_at(header, 5) != fixed_parameters_size) return reject(sense::parameter_length);
    const std::size_t name_size = byte_at(header, fixed_size);
    if (name_size == 0 || name_size > small_text<64>::capacity()) return reject(sense::parameter_length);
    if (name_size > total - (fixed_size + 1)) return reject(sense::fmh_length);
    std::size_t at = fixed_size + 1 + name_size;
    layout parts;
    const bool adds_up = walk_field(header, at, parts.security, parts.security_size) &&
                         walk_field(header, at, parts.luwid, parts.luwid_size) &&
                         walk_field(header, at, parts.correlator, parts.correlator_size) &&
                         walk_field(header, at, parts.sequence, parts.sequence_size) && at == total;
    if (!adds_up) return reject(sense::fmh_length);

    // Contents, security first because its subfields have lengths of their own.
    clear(out);
    const std::uint8_t access = byte_at(header, 4);
    out.already_verified = (access & bit_already_verified) != 0;
    out.password_substitute = (access & bit_password_substitute) != 0;
    out.has_pip = (access & bit_pip) != 0;
    if (parts.security_size != 0 && !decode_security(header.subspan(parts.security, parts.security_size), out)) {
        return reject(sense::access_security_length);
    }
    const bool bad_sequence = parts.sequence_size != 0 && parts.sequence_size != attach_sequence_size;
    if (parts.correlator_size > correlator_size_max || bad_sequence) return reject(sense::parameter_length);
    if (parts.luwid_size != 0 && !decode_luwid(header.subspan(parts.luwid, parts.luwid_size), out)) {
        return reject(sense::luwid);
    }
    if (parts.correlator_size != 0) {
        out.correlator.assign(header.data() + parts.correlator, parts.correlator_size);
    }
    if (parts.sequence_size != 0) {
        std::memcpy(out.attach_sequence.data(), header.data() + parts.sequence, attach_sequence_size);
        out.has_attach_sequence = true;
    }

    const unsigned type = byte_at(header, 6);
    const unsigned sync = unsigned{byte_at(header, 8)} >> 6;
    const unsigned persistent = access & bits_persistent;
    if ((type & ~(unsigned{type_mapped} | unsigned{type_full_duplex})) != type_base || sync > 2 ||
        persistent == bits_persistent) {
        return reject(sense::attach_parameter);
    }
    out.mapped = (type & type_mapped) != 0;
    out.full_duplex = (type & type_full_duplex) != 0;
    out.sync_level = static_cast<std::uint8_t>(sync);
    out.persistent = persistent == bit_signed_on           ? persistent_verification::signed_on
                     : persistent == bit_sign_on_requested ? persistent_verification::sign_on_requested
                                                           : persistent_verification::none;
    decode_tp_name(header.subspan(fixed_size + 1, name_size), out);
    return {0, static_cast<std::uint32_t>(total)};
}

std::size_t encode_attach_section(std::span<std::byte> out, std::uint32_t grant, const attach& a) noexcept {
    const std::size_t before = attach_prefix_size + a.mode_name.size();
    if (out.size() < before) return 0;
    const std::size_t n = encode_attach(out.subspan(before), a);
    if (n == 0) return 0;
    store_u32(out.data(), grant);
    out[attach_prefix_size - 1] = static_cast<std::byte>(a.mode_name.size());
    to_ebcdic(a.mode_name.view(), out.data() + attach_prefix_size);
    return before + n;
}

attach_result decode_attach_section(std::span<const std::byte> in, std::uint32_t& grant, attach& out) noexcept {
    if (in.size() < attach_prefix_size) return {sense::fmh_length, 0};
    grant = load_u32(in.data());
    const auto mode = static_cast<std::size_t>(in[attach_prefix_size - 1]);
    if (mode > mode_name_size_max || mode > in.size() - attach_prefix_size) return {sense::parameter_length, 0};
    attach_result result = decode_attach(in.subspan(attach_prefix_size + mode), out);
    if (result.sense != 0) return result;
    out.mode_name.set_size(mode);
    to_ascii(in.subspan(attach_prefix_size, mode), out.mode_name.data());
    result.size += static_cast<std::uint32_t>(attach_prefix_size + mode);
    return result;
}

}  // namespace colloquy::wire
