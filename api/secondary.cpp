#include "api/secondary.hpp"

#include <array>

#include "api/process.hpp"
#include "api/text.hpp"

namespace colloquy::api::secondary {

namespace {

using rc = runtime::return_code;

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

// The thread's own, so that a second thread's failure does not hide the first one's.
struct kept {
    const char* entry = nullptr;
    runtime::conversation_id id;
    rc code = rc::ok;
    bool composed = false;
    std::size_t read = 0;
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

void compose(const call_name& call, kept& k) {
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
        case rc::resource_failure_no_retry: return "The link was lost, and trying again will not help.";
        case rc::resource_failure_retry: return "The link was lost; try again.";
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
