// types: the values that characteristics and outputs of calls have, each a type of its own, and text of bounded length.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "cpic.h"

namespace colloquy {

enum class conversation_state : CM_INT32 {
    initialize = CM_INITIALIZE_STATE,
    send = CM_SEND_STATE,
    receive = CM_RECEIVE_STATE,
    send_pending = CM_SEND_PENDING_STATE,
    confirm = CM_CONFIRM_STATE,
    confirm_send = CM_CONFIRM_SEND_STATE,
    confirm_deallocate = CM_CONFIRM_DEALLOCATE_STATE,
    initialize_incoming = CM_INITIALIZE_INCOMING_STATE,
    send_only = CM_SEND_ONLY_STATE,
    receive_only = CM_RECEIVE_ONLY_STATE,
    send_receive = CM_SEND_RECEIVE_STATE,
};
enum class conversation_type : CM_INT32 { basic = CM_BASIC_CONVERSATION, mapped = CM_MAPPED_CONVERSATION };
enum class sync_level : CM_INT32 { none = 0, confirm = CM_CONFIRM };
enum class return_control : CM_INT32 { when_session_allocated = CM_WHEN_SESSION_ALLOCATED, immediate = CM_IMMEDIATE };
enum class security_type : CM_INT32 { none = CM_SECURITY_NONE, same = CM_SECURITY_SAME, program = CM_SECURITY_PROGRAM };
enum class send_receive_mode : CM_INT32 { half_duplex = CM_HALF_DUPLEX, full_duplex = CM_FULL_DUPLEX };
enum class deallocate_type : CM_INT32 {
    by_sync_level = CM_DEALLOCATE_SYNC_LEVEL,
    flush = CM_DEALLOCATE_FLUSH,
    confirm = CM_DEALLOCATE_CONFIRM,
    abend = CM_DEALLOCATE_ABEND,
};
enum class prepare_to_receive_type : CM_INT32 {
    by_sync_level = CM_PREP_TO_RECEIVE_SYNC_LEVEL,
    flush = CM_PREP_TO_RECEIVE_FLUSH,
    confirm = CM_PREP_TO_RECEIVE_CONFIRM,
};
enum class send_type : CM_INT32 {
    buffer = CM_BUFFER_DATA,
    flush = CM_SEND_AND_FLUSH,
    confirm = CM_SEND_AND_CONFIRM,
    prepare_to_receive = CM_SEND_AND_PREP_TO_RECEIVE,
    deallocate = CM_SEND_AND_DEALLOCATE,
};
enum class receive_type : CM_INT32 { wait = CM_RECEIVE_AND_WAIT, immediate = CM_RECEIVE_IMMEDIATE };
enum class fill : CM_INT32 { logical_record = CM_FILL_LL, buffer = CM_FILL_BUFFER };
enum class error_direction : CM_INT32 { receive = CM_RECEIVE_ERROR, send = CM_SEND_ERROR };

enum class data_received : CM_INT32 {
    none = CM_NO_DATA_RECEIVED,
    some = CM_DATA_RECEIVED,                   // basic, fill::buffer
    complete = CM_COMPLETE_DATA_RECEIVED,      // a record, or its last part
    incomplete = CM_INCOMPLETE_DATA_RECEIVED,  // the record goes on: receive again
};
enum class status_received : CM_INT32 {
    none = CM_NO_STATUS_RECEIVED,
    send = CM_SEND_RECEIVED,  // it is our turn
    confirm = CM_CONFIRM_RECEIVED,
    confirm_send = CM_CONFIRM_SEND_RECEIVED,
    confirm_deallocate = CM_CONFIRM_DEALLOC_RECEIVED,
};
// What calls tell beside their own business, once.
enum class control_information : CM_INT32 {
    none = CM_NO_CONTROL_INFO_RECEIVED,
    request_to_send = CM_REQ_TO_SEND_RECEIVED,
    expedited_data = CM_EXPEDITED_DATA_AVAILABLE,
    request_to_send_and_expedited_data = CM_RTS_RCVD_AND_EXP_DATA_AVAIL,
};
[[nodiscard]] constexpr bool wants_to_send(control_information c) noexcept {
    return c == control_information::request_to_send || c == control_information::request_to_send_and_expedited_data;
}
[[nodiscard]] constexpr bool has_expedited_data(control_information c) noexcept {
    return c == control_information::expedited_data || c == control_information::request_to_send_and_expedited_data;
}

// What Receive brought. `bytes` is a part of the program's own buffer.
struct received {
    std::span<std::byte> bytes{};
    data_received data = data_received::none;
    status_received status = status_received::none;
    control_information control = control_information::none;
    bool ended = false;  // the partner has ended the conversation (full duplex: its direction); this was the last

    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
    [[nodiscard]] bool complete() const noexcept {
        return data == data_received::complete || data == data_received::some;
    }
    [[nodiscard]] bool our_turn() const noexcept { return status == status_received::send; }
    // The partner waits for confirmed() or send_error().
    [[nodiscard]] bool confirm_wanted() const noexcept {
        return status == status_received::confirm || status == status_received::confirm_send ||
               status == status_received::confirm_deallocate;
    }
};

// What Receive_Expedited_Data brought.
struct expedited {
    std::span<std::byte> bytes{};
    control_information control = control_information::none;
    [[nodiscard]] std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    }
};

// Text of at most `size_max` bytes, held by itself. Not terminated by NUL.
template <std::size_t size_max>
class bounded_text {
public:
    constexpr bounded_text() noexcept = default;
    constexpr explicit bounded_text(std::string_view text) noexcept : size_{std::min(text.size(), size_max)} {
        std::copy_n(text.data(), size_, characters_.data());
    }
    [[nodiscard]] constexpr std::string_view view() const noexcept { return {characters_.data(), size_}; }
    [[nodiscard]] constexpr operator std::string_view() const noexcept { return view(); }
    [[nodiscard]] constexpr std::size_t size() const noexcept { return size_; }
    [[nodiscard]] constexpr bool empty() const noexcept { return size_ == 0; }

    // For a call that writes up to size_max bytes and tells how many.
    template <class Writer>
    auto write_by(Writer&& writer) {
        CM_INT32 length = 0;
        const auto outcome = writer(characters_.data(), length);
        size_ = length < 0 ? 0 : std::min(static_cast<std::size_t>(length), size_max);
        return outcome;
    }
    friend constexpr bool operator==(const bounded_text& a, std::string_view b) noexcept { return a.view() == b; }
    friend constexpr bool operator==(const bounded_text& a, const bounded_text& b) noexcept {
        return a.view() == b.view();
    }

private:
    std::array<char, size_max> characters_{};
    std::size_t size_ = 0;
};

[[nodiscard]] inline std::span<const std::byte> bytes_of(std::string_view text) noexcept {
    return std::as_bytes(std::span{text.data(), text.size()});
}

}  // namespace colloquy
