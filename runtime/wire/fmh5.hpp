// fmh5: the attach header that begins a conversation, byte for byte as LU 6.2 publishes it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/wire/frame.hpp"
#include "runtime/wire/small_text.hpp"

namespace colloquy::wire {

enum class attach_sync : std::uint8_t { none = 0, confirm = 1, syncpoint = 2 };
enum class persistent_verification : std::uint8_t { none = 0, sign_on_requested = 1, signed_on = 2 };

struct attach {
    bool mapped = true;
    bool full_duplex = false;
    std::uint8_t sync_level = 0;  // 0 none, 1 confirm, 2 sync point
    bool already_verified = false;
    bool password_substitute = false;  // the password is eight binary bytes, not text
    bool has_pip = false;              // program initialization parameters follow the header
    bool has_luwid = false;
    bool has_attach_sequence = false;
    persistent_verification persistent = persistent_verification::none;
    bool service_tp = false;  // the first byte of tp_name is a raw 00-3F, the rest is text as usual
    small_text<8> mode_name;  // stands before the header, in the attach section
    small_text<64> tp_name;
    small_text<10> user_id;  // trailing blanks are not kept
    small_text<10> password;
    small_text<10> profile;
    small_text<17> luwid_name;  // meaningful, like the next two, when has_luwid
    std::array<std::byte, 6> luwid_instance;
    std::uint16_t luwid_sequence;
    small_text<8> correlator;  // binary
    std::array<std::byte, 8> attach_sequence;

    // Not defaulted on purpose: the arrays stay uninitialised until their flags say that they hold something.
    attach() noexcept {}
};

inline constexpr std::size_t fmh5_size_max = 255;
inline constexpr std::size_t mode_name_size_max = 8;
inline constexpr std::size_t attach_section_size_max = attach_prefix_size + mode_name_size_max + fmh5_size_max;

// Bytes written; 0 when the TP name is empty, a field says what the format cannot carry, or `out` is too small.
[[nodiscard]] std::size_t encode_attach(std::span<std::byte> out, const attach& a) noexcept;

struct attach_result {
    std::uint32_t sense;  // 0, or what to reject the attach with
    std::uint32_t size;   // of the header, when sense is 0: what follows (PIP, then data) starts there
};

// `in` may go on behind the header; nothing outside it is ever read. `out` is meaningful only when sense is 0.
// Whether PIP, sync point, full duplex or the TP itself is wanted is for the caller to decide.
[[nodiscard]] attach_result decode_attach(std::span<const std::byte> in, attach& out) noexcept;

// The attach section of a beginning frame: the grant for the reply direction, the mode name, then the header. Bytes
// written, or 0.
[[nodiscard]] std::size_t encode_attach_section(std::span<std::byte> out, std::uint32_t grant,
                                                const attach& a) noexcept;

// `size` counts the whole section. A mode name that does not fit is answered like any parameter of a wrong length.
[[nodiscard]] attach_result decode_attach_section(std::span<const std::byte> in, std::uint32_t& grant,
                                                  attach& out) noexcept;

}  // namespace colloquy::wire
