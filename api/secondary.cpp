#include "api/secondary.hpp"

#include <algorithm>
#include <array>

#include "api/process.hpp"
#include "api/text.hpp"

namespace colloquy::api::secondary {

namespace {

using rc = runtime::return_code;
using runtime::conversation_state;

constexpr std::array calls{
#define COLLOQUY_CALL_ID(number, entry, name, names_conversation) call_name{#entry, #name, (names_conversation) != 0},
#include "api/calls.def"
#undef COLLOQUY_CALL_ID
};
constexpr bool numbered_in_order() {
    std::int32_t expected = 0;
    for (const std::int32_t number : {
#define COLLOQUY_CALL_ID(number, entry, name, names_conversation) number,
#include "api/calls.def"
#undef COLLOQUY_CALL_ID
         })
        if (number != ++expected) return false;
    return true;
}
static_assert(numbered_in_order());

// Why a call was refused, in words and numbers that cost nothing until somebody asks.
struct refusal {
    bool in_state = false;  // `state` is known
    runtime::conversation_state state{};
    const char* argument = nullptr;
    bool is_null = false;
    std::int32_t value = 0, low = 0, high = 0;
    const char* hint = nullptr;
};

// The thread's own, so that a second thread's failure does not hide the first one's.
struct kept {
    const char* entry = nullptr;
    runtime::conversation_id id;
    rc code = rc::ok;
    bool composed = false;
    std::size_t read = 0;
    refusal why;
    std::string detail;
    std::string text;
};
kept& mine() noexcept {
    thread_local kept k;
    return k;
}

// The codes behind which the library has a reason of its own, told by clq_last_error.
bool has_reason(rc code) noexcept {
    return code == rc::allocate_failure_no_retry || code == rc::allocate_failure_retry || code == rc::parameter_error ||
           code == rc::product_specific_error;
}

constexpr std::uint32_t bit(conversation_state s) noexcept { return 1U << static_cast<unsigned>(s); }
constexpr std::uint32_t sending = bit(conversation_state::send) | bit(conversation_state::send_pending);
constexpr std::uint32_t duplex_sending = bit(conversation_state::send_receive) | bit(conversation_state::send_only);
constexpr std::uint32_t duplex_receiving =
    bit(conversation_state::send_receive) | bit(conversation_state::receive_only);
constexpr std::uint32_t confirming = bit(conversation_state::confirm) | bit(conversation_state::confirm_send) |
                                     bit(conversation_state::confirm_deallocate);

// Where a call belongs, and what it is refused for where the state is right (25) or nothing else is known (24).
struct rule {
    std::string_view entry;
    std::uint32_t states;
    const char* in_right_state;
    const char* parameter;
};
constexpr const char* unfinished = "a logical record is not finished";
constexpr const char* half_duplex_only = "the conversation is full-duplex";
constexpr const char* no_place_for_request = "request_to_send_received is a NULL pointer";
constexpr const char* no_queue_level =
    "a call on this queue is incomplete or not collected, the initialization queue is set after Allocate, or "
    "Set_Processing_Mode, an event, a sink or a callback has put the conversation at conversation level";
constexpr const char* no_such_queue =
    "half-duplex conversations have the queues 0, 3, 4 and 5, full-duplex ones 0, 1, 2, 4 and 5; or the mode or an "
    "argument will not do";
constexpr std::array rules{
    rule{"cmallc", bit(conversation_state::initialize), nullptr, nullptr},
    rule{"cmacci", bit(conversation_state::initialize_incoming),
         "no TP name is served, or nobody came within accept_wait_ms", nullptr},
    rule{"cmsend", sending | duplex_sending, unfinished,
         "buffer or request_to_send_received is a NULL pointer, or the length before a logical record is 0 or 1"},
    rule{"cmrcv", bit(conversation_state::receive) | sending | duplex_receiving,
         "with the turn, receive_type must be CM_RECEIVE_AND_WAIT and every logical record finished",
         "a NULL pointer among the arguments"},
    rule{"cmdeal", sending | duplex_sending, unfinished, nullptr},
    rule{"cmflus", sending | duplex_sending, nullptr, nullptr},
    rule{"cmptr", sending, unfinished, half_duplex_only},
    rule{"cmcfm", sending, unfinished,
         "sync_level is CM_NONE, the conversation is full-duplex, or request_to_send_received is a NULL pointer"},
    rule{"cmcfmd", confirming, nullptr, nullptr},
    rule{"cmserr", bit(conversation_state::receive) | sending | confirming | duplex_sending, nullptr,
         no_place_for_request},
    rule{"cmrts", bit(conversation_state::receive) | sending | confirming, nullptr, half_duplex_only},
    rule{"cmtrts", bit(conversation_state::receive) | sending, nullptr,
         "the conversation is full-duplex, or request_to_send_received is a NULL pointer"},
    rule{"cmspm", 0, "a call on the conversation is incomplete, or one of its queues has a mode of its own", nullptr},
    rule{"cmsqpm", 0, no_queue_level, no_such_queue},
    rule{"cmsqcf", 0, no_queue_level, no_such_queue},
    rule{"cmwcmp", 0, "nothing is incomplete on any queue of the list",
         "an OOID of the list belongs to no conversation (any more), a count is below 1, a timeout below -1, or an "
         "argument is a NULL pointer"},
    rule{"cmscsu", bit(conversation_state::initialize), "conversation_security_type is CM_SECURITY_NONE", nullptr},
    rule{"cmscsp", bit(conversation_state::initialize), "conversation_security_type is CM_SECURITY_NONE", nullptr},
    rule{"cmsld", 0, nullptr, "the conversation is mapped, or log_data_length is not 0 to 512"},
    rule{"cmaccp", 0,
         "no TP name is served (name one in [[tp]] of the configuration, in APPCTPN or by Specify_Local_TP_Name), or "
         "nobody came within accept_wait_ms",
         nullptr},
    rule{"cmwait", 0, "no call is incomplete, so there is nothing to wait for", nullptr},
    rule{"cmchck", 0, "no call is incomplete", nullptr},
};

// Characteristics that can be set before Allocate only.
constexpr std::array before_allocate{"cmsct", "cmssl", "cmsrc", "cmscst", "cmssrm", "cmsmn", "cmspln", "cmstpn"};

constexpr const char* spoken(conversation_state s) noexcept {
    switch (s) {
        case conversation_state::reset: return "Reset";
        case conversation_state::initialize: return "Initialize";
        case conversation_state::send: return "Send";
        case conversation_state::receive: return "Receive";
        case conversation_state::send_pending: return "Send-Pending";
        case conversation_state::confirm: return "Confirm";
        case conversation_state::confirm_send: return "Confirm-Send";
        case conversation_state::confirm_deallocate: return "Confirm-Deallocate";
        case conversation_state::initialize_incoming: return "Initialize-Incoming";
        case conversation_state::send_only: return "Send-Only";
        case conversation_state::receive_only: return "Receive-Only";
        case conversation_state::send_receive: return "Send-Receive";
    }
    return "?";
}

constexpr bool is_one_of(std::string_view entry, const auto& entries) noexcept {
    return std::find(entries.begin(), entries.end(), entry) != entries.end();
}

std::string state_reason(const call_name& call, const kept& k) {
    const auto known = std::find_if(rules.begin(), rules.end(), [&](const rule& r) { return r.entry == call.entry; });
    std::uint32_t right = known != rules.end() ? known->states : 0;
    if (right == 0 && is_one_of(call.entry, before_allocate)) right = bit(conversation_state::initialize);
    const char* const otherwise = known != rules.end() ? known->in_right_state : nullptr;
    if (!k.why.in_state) return otherwise != nullptr ? otherwise : "";
    // The states of one kind of conversation do not help the other.
    const std::uint32_t duplex =
        duplex_sending | duplex_receiving | bit(conversation_state::initialize) | bit(conversation_state::reset);
    if ((right & bit(k.why.state)) != 0 || (right == 0 && otherwise != nullptr))
        return otherwise != nullptr ? otherwise : "";
    if (runtime::is_duplex(k.why.state))
        right &= duplex;
    else
        right &= ~(duplex_sending | duplex_receiving);
    std::string text = joined({"the conversation is in ", spoken(k.why.state)});
    for (unsigned s = 0, left = right; left != 0; ++s) {
        if ((left & 1U << s) == 0) continue;
        left &= ~(1U << s);
        text += left == (right & ~(1U << s)) ? ", and the call belongs in " : left == 0 ? " or " : ", ";
        text += spoken(static_cast<conversation_state>(s));
    }
    return text;
}

std::string parameter_reason(const call_name& call, const kept& k) {
    const refusal& why = k.why;
    if (why.argument != nullptr && why.is_null) return joined({why.argument, " is a NULL pointer"});
    if (why.in_state && why.state == conversation_state::reset)
        return "no conversation has this ID: it was never made, or has ended";
    if (why.argument != nullptr) {
        std::string text = joined({why.argument, " is ", std::to_string(why.value)});
        if (why.value < why.low || why.value > why.high)
            text += joined({"; ", std::to_string(why.low), " to ", std::to_string(why.high), " will do"});
        else if (why.hint != nullptr)
            text += joined({", and ", why.hint});
        return text;
    }
    const auto known = std::find_if(rules.begin(), rules.end(), [&](const rule& r) { return r.entry == call.entry; });
    return known != rules.end() && known->parameter != nullptr ? known->parameter : "";
}

void compose(const call_name& call, kept& k) {
    if (k.detail.empty() && k.code == rc::program_state_check) k.detail = state_reason(call, k);
    if (k.detail.empty() && k.code == rc::program_parameter_check) k.detail = parameter_reason(call, k);
    k.text = joined({call.name, " (", call.entry, ") returned ", runtime::name(k.code), " (",
                     std::to_string(static_cast<std::int32_t>(k.code)), "): ", meaning(k.code)});
    if (!k.detail.empty()) k.text.append(" Reason: ").append(k.detail).append(".");
    k.composed = true;
}

}  // namespace

void keep(const char* entry, runtime::conversation_id id, rc code) noexcept {
    kept& k = mine();
    k.entry = entry;
    k.id = id;
    k.code = code;
    k.composed = false;
    k.read = 0;
    k.why = {};
    if (has_reason(code))
        add_detail(last_error());
    else
        k.detail.clear();
}

void add_detail(std::string_view detail) noexcept {
    kept& k = mine();
    try {
        k.detail = detail;
    } catch (...) {
        k.detail.clear();
    }
}

void refused_in(conversation_state state) noexcept {
    refusal& why = mine().why;
    why.in_state = true;
    why.state = state;
}

void wrong_argument(const char* name) noexcept {
    refusal& why = mine().why;
    why.argument = name;
    why.is_null = true;
}

void wrong_argument(const char* name, std::int32_t value, std::int32_t low, std::int32_t high,
                    const char* hint) noexcept {
    refusal& why = mine().why;
    why.argument = name;
    why.is_null = false;
    why.value = value;
    why.low = low;
    why.high = high;
    why.hint = hint;
}

call_name call_of(std::int32_t call_id) noexcept {
    return call_id < 1 || static_cast<std::size_t>(call_id) > calls.size()
               ? call_name{}
               : calls[static_cast<std::size_t>(call_id) - 1];
}

found look(const call_name& call, runtime::conversation_id id, std::string_view& text) noexcept {
    kept& k = mine();
    if (k.code == rc::ok || (call.names_conversation && k.id != id)) return found::nothing;
    // A collected operation is known by its conversation alone.
    const bool same = k.entry == nullptr ? call.names_conversation : std::string_view{k.entry} == call.entry;
    // The older name of the same call.
    const bool alias =
        k.entry != nullptr && call.entry == std::string_view{"cmesui"} && k.entry == std::string_view{"cmecsu"};
    if (!same && !alias) return found::nothing;
    try {
        if (!k.composed) compose(call, k);
    } catch (...) {
        return found::nothing;
    }
    text = std::string_view{k.text}.substr(k.read);
    return found::something;
}

void consumed(std::size_t bytes) noexcept {
    kept& k = mine();
    k.read += bytes;
    if (k.read >= k.text.size()) k.read = 0;
}

const char* meaning(rc code) noexcept {
    switch (code) {
        case rc::ok: return "The call was carried out.";
        case rc::allocate_failure_no_retry: return "There is no link to the partner, and trying again will not help.";
        case rc::allocate_failure_retry: return "There is no link to the partner at present; try again later.";
        case rc::conversation_type_mismatch:
            return "The partner program does not accept this conversation type (basic or mapped).";
        case rc::pip_not_specified_correctly:
            return "The partner program wants initialization parameters that CPI-C cannot send.";
        case rc::security_not_valid: return "The partner refused the user ID or the password.";
        case rc::sync_lvl_not_supported_lu: return "The partner system does not support this sync_level.";
        case rc::sync_lvl_not_supported_pgm: return "The partner program does not support this sync_level.";
        case rc::tpn_not_recognized: return "The partner serves no program of this TP_name.";
        case rc::tp_not_available_no_retry: return "The partner cannot start the program, and will not be able to.";
        case rc::tp_not_available_retry: return "The partner cannot start the program at present; try again later.";
        case rc::deallocated_abend:
            return "The partner ended the conversation abnormally, ended itself without Deallocate, or the "
                   "conversation was cancelled.";
        case rc::deallocated_normal: return "The partner ended the conversation; data that came along is valid.";
        case rc::parameter_error:
            return "A characteristic set before (mode name, partner LU name or TP name) is missing, malformed, "
                   "unknown or reserved.";
        case rc::product_specific_error: return "Something local failed; the conversation is as it was.";
        case rc::program_error_no_trunc: return "The partner issued Send_Error while it was sending; no data was cut.";
        case rc::program_error_purging:
            return "The partner issued Send_Error; what was on its way to it has been dropped.";
        case rc::program_error_trunc: return "The partner issued Send_Error inside a logical record, which is cut.";
        case rc::program_parameter_check:
            return "An argument is wrong: a NULL pointer, an unknown conversation or name, or a value or length out "
                   "of range.";
        case rc::program_state_check:
            return "The conversation's state does not allow the call, or a logical record is not finished.";
        case rc::resource_failure_no_retry:
            return "The link to the partner was given up because one side broke the protocol; what was sent last may "
                   "not have arrived, and trying again will not help.";
        case rc::resource_failure_retry:
            return "The link to the partner was lost: its program or machine ended, the network failed, or nothing was "
                   "heard for three heartbeats. What was sent last may or may not have arrived; ask on a new "
                   "conversation.";
        case rc::unsuccessful: return "What was asked for is not there now; nothing changed.";
        case rc::deallocated_abend_svc:
            return "The partner system ended the conversation abnormally, or the partner cancelled it.";
        case rc::deallocated_abend_timer: return "The conversation was given up because it took too long.";
        case rc::svc_error_no_trunc:
            return "A service program reported an error while it was sending; nothing was cut.";
        case rc::svc_error_purging:
            return "A service program reported an error; what was on its way to it has been dropped.";
        case rc::svc_error_trunc: return "A service program reported an error inside a logical record, which is cut.";
        case rc::operation_incomplete: return "The call goes on; its completion is told later.";
        case rc::system_event: return "The wait was ended by something outside CPI-C.";
        case rc::operation_not_accepted: return "An earlier call on the conversation is incomplete.";
        case rc::conversation_ending: return "The conversation is about to end, so nothing more can be exchanged.";
        case rc::send_rcv_mode_not_supported: return "The partner does not support this send-receive mode.";
        case rc::buffer_too_small: return "The buffer is too small for the data, which is kept.";
        case rc::exp_data_not_supported: return "The partner does not support expedited data.";
        case rc::dealloc_confirm_reject: return "The partner refused the confirmation of the deallocation.";
        case rc::allocation_error: return "The partner refused the conversation; Receive tells why.";
        case rc::retry_limit_exceeded: return "Allocating was tried as often as allowed.";
        case rc::no_secondary_information: return "There is nothing to tell.";
        case rc::security_not_supported: return "The partner does not support this kind of security.";
        case rc::security_mutual_failed: return "The two systems could not authenticate each other.";
        case rc::call_not_supported: return "This library does not support the call.";
        case rc::parm_value_not_supported: return "This library does not support a value that is otherwise right.";
        default: return "The code belongs to a feature that this library does not have.";
    }
}

}  // namespace colloquy::api::secondary
