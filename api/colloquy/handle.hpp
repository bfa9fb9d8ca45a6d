// handle: what every kind of C++ conversation can do without ever waiting: its identity, its characteristics, its end.
//
// A handle is a value: the eight bytes of a conversation ID and nothing else. Copies name the same conversation. It
// owns nothing, so that it may go into coroutine frames, containers and messages; a handle whose conversation has ended
// is answered program_parameter_check and harms nobody, however old. What must be ended on every way out of a block is
// put into an `ended_at_exit`.
//
// Threads: any thread may call anything; one call at a time per conversation, as in CPI-C. cancel() and what extracts
// are always allowed. Nothing here waits, allocates or throws. Return codes are those of cpic.h at the calls of the
// same name.
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "colloquy/colloquy.h"
#include "colloquy/result.hpp"
#include "colloquy/types.hpp"
#include "cpic.h"

namespace colloquy {

namespace detail {
template <class Value>
result<Value> as_result(CM_INT32 code, Value value) noexcept {
    const auto c = static_cast<return_code>(code);
    return c == return_code::ok ? result<Value>{std::move(value)} : result<Value>{c};
}
inline result<> as_result(CM_INT32 code) noexcept { return static_cast<return_code>(code); }
// Text parameters may be empty; their pointer may not be null.
inline const char* pointer_of(std::string_view text) noexcept { return text.data() == nullptr ? "" : text.data(); }
}  // namespace detail

class conversation_handle {
public:
    using id_bytes = std::array<unsigned char, CM_CID_SIZE>;

    // Names no conversation.
    constexpr conversation_handle() noexcept = default;
    constexpr explicit conversation_handle(const id_bytes& id) noexcept : id_{id} {}

    [[nodiscard]] constexpr const id_bytes& id() const noexcept { return id_; }
    [[nodiscard]] const unsigned char* data() const noexcept { return id_.data(); }
    friend constexpr bool operator==(const conversation_handle&, const conversation_handle&) noexcept = default;
    friend constexpr auto operator<=>(const conversation_handle&, const conversation_handle&) noexcept = default;
    // It has not ended.
    [[nodiscard]] bool alive() const noexcept { return state().has_value(); }

    // ---- before it is allocated ----

    // Where it is to go: "HOST:PORT/TPNAME", "unix:PATH/TPNAME", "inproc/TPNAME" or a symbolic destination name.
    // program_parameter_check when it cannot be understood; last_error() tells how. `destination` of at most 255 bytes.
    result<> set_destination(std::string_view destination) noexcept {
        std::array<char, 256> text;
        if (destination.size() >= text.size()) return return_code::program_parameter_check;
        text[destination.copy(text.data(), destination.size())] = '\0';
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        clq_set_destination(data(), text.data(), &rc);
        return detail::as_result(rc);
    }
    result<> set_conversation_type(::colloquy::conversation_type v) noexcept { return set(cmsct, v); }
    result<> set_sync_level(::colloquy::sync_level v) noexcept { return set(cmssl, v); }
    result<> set_return_control(::colloquy::return_control v) noexcept { return set(cmsrc, v); }
    result<> set_send_receive_mode(::colloquy::send_receive_mode v) noexcept { return set(cmssrm, v); }
    result<> set_partner_lu_name(std::string_view v) noexcept { return set_text(cmspln, v); }
    result<> set_tp_name(std::string_view v) noexcept { return set_text(cmstpn, v); }
    result<> set_mode_name(std::string_view v) noexcept { return set_text(cmsmn, v); }
    result<> set_security_type(::colloquy::security_type v) noexcept { return set(cmscst, v); }
    result<> set_security_user_id(std::string_view v) noexcept { return set_text(cmscsu, v); }
    result<> set_security_password(std::string_view v) noexcept { return set_text(cmscsp, v); }

    // ---- at any time ----

    result<> set_deallocate_type(::colloquy::deallocate_type v) noexcept { return set(cmsdt, v); }
    result<> set_prepare_to_receive_type(::colloquy::prepare_to_receive_type v) noexcept { return set(cmsptr, v); }
    result<> set_send_type(::colloquy::send_type v) noexcept { return set(cmsst, v); }
    result<> set_receive_type(::colloquy::receive_type v) noexcept { return set(cmsrt, v); }
    result<> set_fill(::colloquy::fill v) noexcept { return set(cmsf, v); }
    result<> set_error_direction(::colloquy::error_direction v) noexcept { return set(cmsed, v); }
    result<> set_log_data(std::string_view v) noexcept { return set_text(cmsld, v); }
    // How long each later call may take; zero: as long as it takes. Rounded up to milliseconds.
    result<> set_time_limit(std::chrono::nanoseconds limit) noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        clq_set_time_limit(data(), milliseconds(limit), &rc);
        return detail::as_result(rc);
    }

    // ---- what it is ----

    [[nodiscard]] result<conversation_state> state() const noexcept { return extract<conversation_state>(cmecs); }
    [[nodiscard]] result<::colloquy::conversation_type> conversation_type() const noexcept {
        return extract<::colloquy::conversation_type>(cmect);
    }
    [[nodiscard]] result<::colloquy::sync_level> sync_level() const noexcept {
        return extract<::colloquy::sync_level>(cmesl);
    }
    [[nodiscard]] result<::colloquy::send_receive_mode> send_receive_mode() const noexcept {
        return extract<::colloquy::send_receive_mode>(cmesrm);
    }
    [[nodiscard]] result<::colloquy::security_type> security_type() const noexcept {
        return extract<::colloquy::security_type>(cmecst);
    }
    [[nodiscard]] result<bounded_text<CM_TPN_SIZE>> tp_name() const noexcept {
        return extract_text<CM_TPN_SIZE>(cmetpn);
    }
    [[nodiscard]] result<bounded_text<CM_PLN_SIZE>> partner_lu_name() const noexcept {
        return extract_text<CM_PLN_SIZE>(cmepln);
    }
    [[nodiscard]] result<bounded_text<CM_MN_SIZE>> mode_name() const noexcept {
        return extract_text<CM_MN_SIZE>(cmemn);
    }
    [[nodiscard]] result<bounded_text<CM_UID_SIZE>> security_user_id() const noexcept {
        return extract_text<CM_UID_SIZE>(cmesui);
    }
    [[nodiscard]] result<bounded_text<CM_CTX_SIZE>> context() const noexcept {
        return extract_text<CM_CTX_SIZE>(cmectx);
    }
    // Has the partner asked for the turn? Told once.
    [[nodiscard]] result<bool> test_request_to_send() noexcept {
        CM_INT32 asked = 0, rc = CM_PROGRAM_PARAMETER_CHECK;
        cmtrts(data(), &asked, &rc);
        return detail::as_result(rc, wants_to_send(static_cast<control_information>(asked)));
    }

    // ---- its end, at once ----

    // Ends it and whatever call on it is incomplete, which returns deallocated_abend; from any thread. Does not wait
    // for the partner, who gets deallocated_abend_svc.
    result<> cancel() noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        cmcanc(data(), &rc);
        return detail::as_result(rc);
    }
    // Deallocate of type ABEND: the partner gets deallocated_abend, after what was sent before. If a call other than
    // Receive is incomplete it is a cancel(). program_parameter_check when it had ended already.
    result<> deallocate_abend() noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        if (const result<> chosen = set_deallocate_type(::colloquy::deallocate_type::abend)) {
            cmdeal(data(), &rc);
            if (rc == CM_OK) return {};
        } else if (chosen.code() == return_code::program_parameter_check) {
            return chosen;
        }
        return cancel();
    }

    [[nodiscard]] static unsigned milliseconds(std::chrono::nanoseconds limit) noexcept {
        const auto n = std::chrono::ceil<std::chrono::milliseconds>(limit).count();
        return n <= 0 ? 0U : static_cast<unsigned>(std::min<long long>(n, 0xFFFF'FFFFLL));
    }

protected:
    id_bytes id_{};

private:
    template <class Value>
    result<> set(void(COLLOQUY_CALL* call)(const void*, const CM_INT32*, CM_INT32*), Value v) noexcept {
        const auto value = static_cast<CM_INT32>(v);
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        call(data(), &value, &rc);
        return detail::as_result(rc);
    }
    result<> set_text(void(COLLOQUY_CALL* call)(const void*, const void*, const CM_INT32*, CM_INT32*),
                      std::string_view v) noexcept {
        const auto length = static_cast<CM_INT32>(std::min<std::size_t>(v.size(), 0x7FFF'FFFF));
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        call(data(), detail::pointer_of(v), &length, &rc);
        return detail::as_result(rc);
    }
    template <class Value>
    result<Value> extract(void(COLLOQUY_CALL* call)(const void*, CM_INT32*, CM_INT32*)) const noexcept {
        CM_INT32 value = 0, rc = CM_PROGRAM_PARAMETER_CHECK;
        call(data(), &value, &rc);
        return detail::as_result(rc, static_cast<Value>(value));
    }
    template <std::size_t size_max>
    result<bounded_text<size_max>> extract_text(void(COLLOQUY_CALL* call)(const void*, void*, CM_INT32*,
                                                                          CM_INT32*)) const noexcept {
        bounded_text<size_max> text;
        const CM_INT32 rc = text.write_by([&](char* to, CM_INT32& length) {
            CM_INT32 code = CM_PROGRAM_PARAMETER_CHECK;
            call(data(), to, &length, &code);
            return code;
        });
        return detail::as_result(rc, text);
    }
};
static_assert(sizeof(conversation_handle) == CM_CID_SIZE);
static_assert(std::is_trivially_copyable_v<conversation_handle>);

// Ends a conversation abnormally when it goes, unless the conversation has ended by then or release() was called.
class ended_at_exit {
public:
    explicit ended_at_exit(conversation_handle c) noexcept : c_{c} {}
    ~ended_at_exit() {
        if (!released_) (void)c_.deallocate_abend();
    }
    ended_at_exit(const ended_at_exit&) = delete;
    ended_at_exit& operator=(const ended_at_exit&) = delete;
    void release() noexcept { released_ = true; }

private:
    conversation_handle c_;
    bool released_ = false;
};

// What went wrong last on this thread, in one line; empty when nothing did. Valid until the thread's next call.
[[nodiscard]] inline std::string_view last_error() noexcept { return clq_last_error(); }

// Serves conversations that partners allocate to this TP name, 1 to 64 bytes without blanks; names add up.
inline result<> serve_tp_name(std::string_view name) noexcept {
    const auto length = static_cast<CM_INT32>(std::min<std::size_t>(name.size(), 0x7FFF'FFFF));
    CM_INT32 rc = CM_PRODUCT_SPECIFIC_ERROR;
    cmsltp(detail::pointer_of(name), &length, &rc);
    return detail::as_result(rc);
}
inline result<> release_tp_name(std::string_view name) noexcept {
    const auto length = static_cast<CM_INT32>(std::min<std::size_t>(name.size(), 0x7FFF'FFFF));
    CM_INT32 rc = CM_PRODUCT_SPECIFIC_ERROR;
    cmrltp(detail::pointer_of(name), &length, &rc);
    return detail::as_result(rc);
}

}  // namespace colloquy

template <>
struct std::hash<colloquy::conversation_handle> {
    std::size_t operator()(const colloquy::conversation_handle& c) const noexcept {
        std::uint64_t v = 0;
        std::memcpy(&v, c.data(), sizeof v);
        // The slot stands in few of the bits; spread them.
        return static_cast<std::size_t>((v * 0x9E37'79B9'7F4A'7C15ULL) >> 7);
    }
};
