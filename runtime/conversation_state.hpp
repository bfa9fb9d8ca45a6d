// conversation_state: what a program may do next, numbered as CPI-C numbers it. RESET has a number although the
// standard never returns it: a slot nobody uses is in it. The sync-point states (9 to 13, 18) do not exist here.
#pragma once

#include <cstdint>

namespace colloquy::runtime {

enum class conversation_state : std::uint8_t {
    reset = 1,
    initialize = 2,
    send = 3,
    receive = 4,
    send_pending = 5,
    confirm = 6,
    confirm_send = 7,
    confirm_deallocate = 8,
    initialize_incoming = 14,
    send_only = 15,
    receive_only = 16,
    send_receive = 17,
};

// Each direction goes and ends on its own.
[[nodiscard]] constexpr bool is_duplex(conversation_state s) noexcept {
    return s == conversation_state::send_receive || s == conversation_state::send_only ||
           s == conversation_state::receive_only;
}

// The standard's symbol, "CM_SEND_STATE" for example; "CM_?" for a number that is no state.
[[nodiscard]] constexpr const char* name(conversation_state state) noexcept {
    switch (state) {
        case conversation_state::reset: return "CM_RESET_STATE";
        case conversation_state::initialize: return "CM_INITIALIZE_STATE";
        case conversation_state::send: return "CM_SEND_STATE";
        case conversation_state::receive: return "CM_RECEIVE_STATE";
        case conversation_state::send_pending: return "CM_SEND_PENDING_STATE";
        case conversation_state::confirm: return "CM_CONFIRM_STATE";
        case conversation_state::confirm_send: return "CM_CONFIRM_SEND_STATE";
        case conversation_state::confirm_deallocate: return "CM_CONFIRM_DEALLOCATE_STATE";
        case conversation_state::initialize_incoming: return "CM_INITIALIZE_INCOMING_STATE";
        case conversation_state::send_only: return "CM_SEND_ONLY_STATE";
        case conversation_state::receive_only: return "CM_RECEIVE_ONLY_STATE";
        case conversation_state::send_receive: return "CM_SEND_RECEIVE_STATE";
    }
    return "CM_?";
}

}  // namespace colloquy::runtime
