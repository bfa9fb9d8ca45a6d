// result: the value of a call or the return code that says why there is none; and what return codes mean.
//
// Nothing here throws but result::value(), which aborts where the program is compiled without exceptions.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "cpic.h"

#if defined(__cpp_exceptions) || defined(_CPPUNWIND)
#define COLLOQUY_EXCEPTIONS 1
#else
#define COLLOQUY_EXCEPTIONS 0
#endif

namespace colloquy {

// CPI-C's return codes, those that this library gives.
enum class return_code : CM_INT32 {
    ok = CM_OK,
    allocate_failure_no_retry = CM_ALLOCATE_FAILURE_NO_RETRY,
    allocate_failure_retry = CM_ALLOCATE_FAILURE_RETRY,
    conversation_type_mismatch = CM_CONVERSATION_TYPE_MISMATCH,
    pip_not_specified_correctly = CM_PIP_NOT_SPECIFIED_CORRECTLY,
    security_not_valid = CM_SECURITY_NOT_VALID,
    sync_level_not_supported_lu = CM_SYNC_LVL_NOT_SUPPORTED_LU,
    sync_level_not_supported_program = CM_SYNC_LVL_NOT_SUPPORTED_PGM,
    tp_name_not_recognized = CM_TPN_NOT_RECOGNIZED,
    tp_not_available_no_retry = CM_TP_NOT_AVAILABLE_NO_RETRY,
    tp_not_available_retry = CM_TP_NOT_AVAILABLE_RETRY,
    deallocated_abend = CM_DEALLOCATED_ABEND,
    deallocated_normal = CM_DEALLOCATED_NORMAL,
    parameter_error = CM_PARAMETER_ERROR,
    product_specific_error = CM_PRODUCT_SPECIFIC_ERROR,
    program_error_no_trunc = CM_PROGRAM_ERROR_NO_TRUNC,
    program_error_purging = CM_PROGRAM_ERROR_PURGING,
    program_error_trunc = CM_PROGRAM_ERROR_TRUNC,
    program_parameter_check = CM_PROGRAM_PARAMETER_CHECK,
    program_state_check = CM_PROGRAM_STATE_CHECK,
    resource_failure_no_retry = CM_RESOURCE_FAILURE_NO_RETRY,
    resource_failure_retry = CM_RESOURCE_FAILURE_RETRY,
    unsuccessful = CM_UNSUCCESSFUL,
    deallocated_abend_svc = CM_DEALLOCATED_ABEND_SVC,
    deallocated_abend_timer = CM_DEALLOCATED_ABEND_TIMER,
    svc_error_no_trunc = CM_SVC_ERROR_NO_TRUNC,
    svc_error_purging = CM_SVC_ERROR_PURGING,
    svc_error_trunc = CM_SVC_ERROR_TRUNC,
    operation_incomplete = CM_OPERATION_INCOMPLETE,
    system_event = CM_SYSTEM_EVENT,
    operation_not_accepted = CM_OPERATION_NOT_ACCEPTED,
    conversation_ending = CM_CONVERSATION_ENDING,
    send_receive_mode_not_supported = CM_SEND_RCV_MODE_NOT_SUPPORTED,
    buffer_too_small = CM_BUFFER_TOO_SMALL,
    expedited_data_not_supported = CM_EXP_DATA_NOT_SUPPORTED,
    allocation_error = CM_ALLOCATION_ERROR,
    no_secondary_information = CM_NO_SECONDARY_INFORMATION,
    security_not_supported = CM_SECURITY_NOT_SUPPORTED,
    call_not_supported = CM_CALL_NOT_SUPPORTED,
    value_not_supported = CM_PARM_VALUE_NOT_SUPPORTED,
    conversation_cancelled = CM_CONVERSATION_CANCELLED,
};

// What a code says, in one line; never empty, lives for ever.
[[nodiscard]] constexpr std::string_view text(return_code code) noexcept {
    switch (code) {
        case return_code::ok: return "done";
        case return_code::allocate_failure_no_retry: return "no link to the partner can be had";
        case return_code::allocate_failure_retry: return "no link to the partner is to be had now; try again later";
        case return_code::conversation_type_mismatch: return "the partner program has another conversation type";
        case return_code::pip_not_specified_correctly: return "the partner program wants other initial parameters";
        case return_code::security_not_valid: return "the partner did not accept user ID and password";
        case return_code::sync_level_not_supported_lu: return "the partner has no such sync level";
        case return_code::sync_level_not_supported_program: return "the partner program has no such sync level";
        case return_code::tp_name_not_recognized: return "the partner knows no program of that name";
        case return_code::tp_not_available_no_retry: return "the partner cannot run that program";
        case return_code::tp_not_available_retry: return "the partner cannot run that program now; try again later";
        case return_code::deallocated_abend: return "the conversation was ended abnormally by a program";
        case return_code::deallocated_normal: return "the partner has ended the conversation";
        case return_code::parameter_error: return "partner, TP name or mode is missing or unknown";
        case return_code::product_specific_error: return "a failure of the library or of this machine";
        case return_code::program_error_no_trunc: return "the partner program reports an error";
        case return_code::program_error_purging: return "the partner program reports an error and has dropped data";
        case return_code::program_error_trunc: return "the partner program reports an error in the midst of a record";
        case return_code::program_parameter_check: return "a parameter is wrong, or there is no such conversation";
        case return_code::program_state_check: return "the call does not fit the state of the conversation";
        case return_code::resource_failure_no_retry: return "the link is lost for good";
        case return_code::resource_failure_retry: return "the link is lost; try again";
        case return_code::unsuccessful: return "nothing is there at present";
        case return_code::deallocated_abend_svc:
            return "the conversation was ended by the partner's end or by a cancel";
        case return_code::deallocated_abend_timer: return "the time limit has passed";
        case return_code::svc_error_no_trunc: return "the partner's service program reports an error";
        case return_code::svc_error_purging: return "the partner's service program reports an error and dropped data";
        case return_code::svc_error_trunc: return "the partner's service program reports an error within a record";
        case return_code::operation_incomplete: return "the call goes on";
        case return_code::system_event: return "an event of the system ended the wait";
        case return_code::operation_not_accepted: return "another call on the conversation is incomplete";
        case return_code::conversation_ending: return "the conversation is ending";
        case return_code::send_receive_mode_not_supported: return "the partner cannot send and receive at once";
        case return_code::buffer_too_small: return "the buffer is too small";
        case return_code::expedited_data_not_supported: return "the partner takes no expedited data";
        case return_code::allocation_error: return "the conversation was not allocated";
        case return_code::no_secondary_information: return "there is nothing more to tell";
        case return_code::security_not_supported: return "there is no such security";
        case return_code::call_not_supported: return "the call is not supported";
        case return_code::value_not_supported: return "the value is not supported";
        case return_code::conversation_cancelled: return "the conversation was cancelled";
    }
    return "a code that is not known";
}

// The conversation is gone and its ID dead when a call returned this.
[[nodiscard]] constexpr bool ends_conversation(return_code code) noexcept {
    switch (code) {
        case return_code::allocate_failure_no_retry:
        case return_code::allocate_failure_retry:
        case return_code::conversation_type_mismatch:
        case return_code::pip_not_specified_correctly:
        case return_code::security_not_valid:
        case return_code::sync_level_not_supported_lu:
        case return_code::sync_level_not_supported_program:
        case return_code::tp_name_not_recognized:
        case return_code::tp_not_available_no_retry:
        case return_code::tp_not_available_retry:
        case return_code::deallocated_abend:
        case return_code::deallocated_normal:
        case return_code::resource_failure_no_retry:
        case return_code::resource_failure_retry:
        case return_code::deallocated_abend_svc:
        case return_code::deallocated_abend_timer:
        case return_code::conversation_cancelled: return true;
        default: return false;
    }
}

// The same thing may succeed later, on a new conversation.
[[nodiscard]] constexpr bool worth_retrying(return_code code) noexcept {
    return code == return_code::allocate_failure_retry || code == return_code::tp_not_available_retry ||
           code == return_code::resource_failure_retry;
}

namespace detail {

class code_category final : public std::error_category {
public:
    [[nodiscard]] const char* name() const noexcept override { return "colloquy"; }
    [[nodiscard]] std::string message(int code) const override {
        return std::string{text(static_cast<return_code>(code))};
    }
    // What comparisons with std::errc see in it.
    [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<return_code>(code)) {
            case return_code::allocate_failure_retry:
            case return_code::tp_not_available_retry: return std::errc::resource_unavailable_try_again;
            case return_code::allocate_failure_no_retry: return std::errc::host_unreachable;
            case return_code::resource_failure_retry:
            case return_code::resource_failure_no_retry: return std::errc::connection_reset;
            case return_code::deallocated_abend:
            case return_code::deallocated_abend_svc: return std::errc::connection_aborted;
            case return_code::deallocated_abend_timer: return std::errc::timed_out;
            case return_code::security_not_valid: return std::errc::permission_denied;
            case return_code::program_parameter_check:
            case return_code::parameter_error: return std::errc::invalid_argument;
            case return_code::operation_incomplete: return std::errc::operation_in_progress;
            case return_code::operation_not_accepted: return std::errc::device_or_resource_busy;
            case return_code::call_not_supported:
            case return_code::value_not_supported: return std::errc::operation_not_supported;
            default: return {code, *this};
        }
    }
};

}  // namespace detail

[[nodiscard]] inline const std::error_category& category() noexcept {
    static const detail::code_category instance;
    return instance;
}
[[nodiscard]] inline std::error_code make_error_code(return_code code) noexcept {
    return {static_cast<int>(code), category()};
}

// What result::value() throws when there is none.
class conversation_error : public std::system_error {
public:
    explicit conversation_error(return_code code) : std::system_error{make_error_code(code)} {}
    [[nodiscard]] return_code return_code_of_call() const noexcept { return static_cast<return_code>(code().value()); }
};

namespace detail {
[[noreturn]] inline void no_value(return_code code) {
#if COLLOQUY_EXCEPTIONS
    throw conversation_error{code};
#else
    (void)code;
    std::abort();
#endif
}
}  // namespace detail

// A value, or the code that says why there is none. A value may come with a code other than ok: Receive gives the data
// that came with the normal end of the conversation (18) as a value.
template <class Value = void>
class [[nodiscard]] result {
public:
    constexpr result(Value value, return_code code = return_code::ok) noexcept
        : value_{std::move(value)}, code_{code}, has_value_{true} {}
    constexpr result(return_code failure) noexcept : code_{failure} {}

    [[nodiscard]] constexpr bool has_value() const noexcept { return has_value_; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return has_value_; }
    [[nodiscard]] constexpr return_code code() const noexcept { return code_; }
    [[nodiscard]] std::error_code error() const noexcept { return make_error_code(code_); }

    // Throws conversation_error when there is none.
    [[nodiscard]] constexpr Value& value() & {
        if (!has_value_) detail::no_value(code_);
        return value_;
    }
    [[nodiscard]] constexpr const Value& value() const& {
        if (!has_value_) detail::no_value(code_);
        return value_;
    }
    [[nodiscard]] constexpr Value value() && {
        if (!has_value_) detail::no_value(code_);
        return std::move(value_);
    }
    // Of a value that is there.
    [[nodiscard]] constexpr Value& operator*() noexcept { return value_; }
    [[nodiscard]] constexpr const Value& operator*() const noexcept { return value_; }
    [[nodiscard]] constexpr Value* operator->() noexcept { return &value_; }
    [[nodiscard]] constexpr const Value* operator->() const noexcept { return &value_; }
    [[nodiscard]] constexpr Value value_or(Value other) const noexcept { return has_value_ ? value_ : other; }

private:
    static_assert(std::is_nothrow_default_constructible_v<Value> && std::is_nothrow_move_constructible_v<Value>);
    Value value_{};
    return_code code_;
    bool has_value_ = false;
};

template <>
class [[nodiscard]] result<void> {
public:
    constexpr result() noexcept = default;
    constexpr result(return_code code) noexcept : code_{code} {}

    [[nodiscard]] constexpr bool has_value() const noexcept { return code_ == return_code::ok; }
    [[nodiscard]] constexpr explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] constexpr return_code code() const noexcept { return code_; }
    [[nodiscard]] std::error_code error() const noexcept { return make_error_code(code_); }
    constexpr void value() const {
        if (!has_value()) detail::no_value(code_);
    }

private:
    return_code code_ = return_code::ok;
};

}  // namespace colloquy

template <>
struct std::is_error_code_enum<colloquy::return_code> : std::true_type {};
