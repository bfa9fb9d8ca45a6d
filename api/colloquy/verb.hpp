// verb: what the calls that may wait have in common: inputs, outputs, how it is issued, what it gives. Each is one
// struct, shared by the blocking and the awaitable conversation.
//
// `queue`: where it waits on a full-duplex conversation; the calls that take such a number find the one queue of a
// half-duplex one by either of its directions.
// After issue() has given 35 the call may have completed already; its outputs are written by whoever completes it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "colloquy/result.hpp"
#include "colloquy/types.hpp"
#include "cpic.h"

namespace colloquy {

namespace detail {

inline constexpr std::size_t data_size_max = 32767;

inline CM_INT32 length_of(std::size_t size) noexcept {
    return static_cast<CM_INT32>(std::min<std::size_t>(size, 0x7FFF'FFFF));
}

// Functions of a DLL are no constants; these are.
namespace calls {
inline void cmacci(const void* id, CM_INT32* rc) noexcept { ::cmacci(id, rc); }
inline void cmallc(const void* id, CM_INT32* rc) noexcept { ::cmallc(id, rc); }
inline void cmcfmd(const void* id, CM_INT32* rc) noexcept { ::cmcfmd(id, rc); }
inline void cmdeal(const void* id, CM_INT32* rc) noexcept { ::cmdeal(id, rc); }
inline void cmflus(const void* id, CM_INT32* rc) noexcept { ::cmflus(id, rc); }
inline void cmptr(const void* id, CM_INT32* rc) noexcept { ::cmptr(id, rc); }
inline void cmrts(const void* id, CM_INT32* rc) noexcept { ::cmrts(id, rc); }
inline void cmcfm(const void* id, CM_INT32* control, CM_INT32* rc) noexcept { ::cmcfm(id, control, rc); }
inline void cmserr(const void* id, CM_INT32* control, CM_INT32* rc) noexcept { ::cmserr(id, control, rc); }
inline void cmsend(const void* id, const void* bytes, const CM_INT32* n, CM_INT32* control, CM_INT32* rc) noexcept {
    ::cmsend(id, bytes, n, control, rc);
}
inline void cmsndx(const void* id, const void* bytes, const CM_INT32* n, CM_INT32* control, CM_INT32* rc) noexcept {
    ::cmsndx(id, bytes, n, control, rc);
}
}  // namespace calls

template <void (*call)(const void*, CM_INT32*) noexcept, CM_INT32 on = CM_SEND_QUEUE>
struct plain_verb {
    using value_type = void;
    static constexpr CM_INT32 queue = on;
    CM_INT32 issue(const void* id) noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        call(id, &rc);
        return rc;
    }
    [[nodiscard]] result<> finish(return_code code) const noexcept { return code; }
};
using accept_verb = plain_verb<calls::cmacci, CM_INITIALIZATION_QUEUE>;
using allocate_verb = plain_verb<calls::cmallc, CM_INITIALIZATION_QUEUE>;
using confirmed_verb = plain_verb<calls::cmcfmd>;
using deallocate_verb = plain_verb<calls::cmdeal>;
using flush_verb = plain_verb<calls::cmflus>;
using prepare_to_receive_verb = plain_verb<calls::cmptr>;
using request_to_send_verb = plain_verb<calls::cmrts>;

// Those that tell control information and nothing else.
template <void (*call)(const void*, CM_INT32*, CM_INT32*) noexcept>
struct telling_verb {
    using value_type = control_information;
    static constexpr CM_INT32 queue = CM_SEND_QUEUE;
    CM_INT32 control = 0;
    CM_INT32 issue(const void* id) noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        call(id, &control, &rc);
        return rc;
    }
    [[nodiscard]] result<control_information> finish(return_code code) const noexcept {
        if (code != return_code::ok) return code;
        return static_cast<control_information>(control);
    }
};
using confirm_verb = telling_verb<calls::cmcfm>;
using send_error_verb = telling_verb<calls::cmserr>;

template <void (*call)(const void*, const void*, const CM_INT32*, CM_INT32*, CM_INT32*) noexcept, CM_INT32 on>
struct sending_verb {
    using value_type = control_information;
    static constexpr CM_INT32 queue = on;
    const void* bytes;
    CM_INT32 length;
    CM_INT32 control = 0;
    explicit sending_verb(std::span<const std::byte> what) noexcept
        : bytes{what.data() == nullptr ? "" : static_cast<const void*>(what.data())}, length{length_of(what.size())} {}
    CM_INT32 issue(const void* id) noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        call(id, bytes, &length, &control, &rc);
        return rc;
    }
    [[nodiscard]] result<control_information> finish(return_code code) const noexcept {
        if (code != return_code::ok) return code;
        return static_cast<control_information>(control);
    }
};
using send_verb = sending_verb<calls::cmsend, CM_SEND_QUEUE>;
using send_expedited_verb = sending_verb<calls::cmsndx, CM_EXPEDITED_SEND_QUEUE>;

struct receive_verb {
    using value_type = received;
    static constexpr CM_INT32 queue = CM_RECEIVE_QUEUE;
    std::span<std::byte> buffer;
    CM_INT32 wanted, data = 0, length = 0, status = 0, control = 0;
    explicit receive_verb(std::span<std::byte> into) noexcept
        : buffer{into}, wanted{length_of(std::min(into.size(), data_size_max))} {}
    CM_INT32 issue(const void* id) noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        std::byte nowhere{};
        cmrcv(id, buffer.data() == nullptr ? &nowhere : buffer.data(), &wanted, &data, &length, &status, &control, &rc);
        return rc;
    }
    [[nodiscard]] result<received> finish(return_code code) const noexcept {
        if (code != return_code::ok && code != return_code::deallocated_normal) return code;
        received got;
        got.data = static_cast<data_received>(data);
        if (got.data != data_received::none)
            got.bytes = buffer.first(std::min(buffer.size(), static_cast<std::size_t>(length < 0 ? 0 : length)));
        got.status = code == return_code::ok ? static_cast<status_received>(status) : status_received::none;
        got.control = static_cast<control_information>(control);
        got.ended = code == return_code::deallocated_normal;
        return {got, code};
    }
};

struct receive_expedited_verb {
    using value_type = expedited;
    static constexpr CM_INT32 queue = CM_EXPEDITED_RECEIVE_QUEUE;
    std::span<std::byte> buffer;
    receive_type how;
    CM_INT32 wanted, length = 0, control = 0;
    receive_expedited_verb(std::span<std::byte> into, receive_type type) noexcept
        : buffer{into}, how{type}, wanted{length_of(std::min<std::size_t>(into.size(), 86))} {}
    CM_INT32 issue(const void* id) noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        const auto type = static_cast<CM_INT32>(how);
        std::byte nowhere{};
        cmrcvx(id, buffer.data() == nullptr ? &nowhere : buffer.data(), &wanted, &length, &control, &type, &rc);
        return rc;
    }
    [[nodiscard]] result<expedited> finish(return_code code) const noexcept {
        if (code != return_code::ok) return code;
        return expedited{buffer.first(std::min(buffer.size(), static_cast<std::size_t>(length < 0 ? 0 : length))),
                         static_cast<control_information>(control)};
    }
};

}  // namespace detail

}  // namespace colloquy
