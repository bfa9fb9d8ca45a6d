#include "tools/colloquy/codes.hpp"

#include <algorithm>
#include <array>

#include "api/colloquy/colloquy.h"

namespace colloquy::tool {
namespace {

struct entry {
    CM_INT32 code;
    std::string_view name;
    std::string_view meaning;
};

constexpr std::array entries{
    entry{CM_OK, "CM_OK", "done"},
    entry{CM_ALLOCATE_FAILURE_NO_RETRY, "CM_ALLOCATE_FAILURE_NO_RETRY",
          "no link to the partner can be opened; check the address"},
    entry{CM_ALLOCATE_FAILURE_RETRY, "CM_ALLOCATE_FAILURE_RETRY",
          "no link to the partner at present; is it running and listening there?"},
    entry{CM_CONVERSATION_TYPE_MISMATCH, "CM_CONVERSATION_TYPE_MISMATCH",
          "the partner program wants another conversation type"},
    entry{CM_PIP_NOT_SPECIFIED_CORRECTLY, "CM_PIP_NOT_SPECIFIED_CORRECTLY", "the partner program wants other PIP data"},
    entry{CM_SECURITY_NOT_VALID, "CM_SECURITY_NOT_VALID", "the partner refused the user ID or the password"},
    entry{CM_SYNC_LVL_NOT_SUPPORTED_LU, "CM_SYNC_LVL_NOT_SUPPORTED_LU",
          "the partner logical unit does not know this sync level"},
    entry{CM_SYNC_LVL_NOT_SUPPORTED_PGM, "CM_SYNC_LVL_NOT_SUPPORTED_PGM",
          "the partner program does not work with this sync level"},
    entry{CM_TPN_NOT_RECOGNIZED, "CM_TPN_NOT_RECOGNIZED", "the partner serves no program of that name"},
    entry{CM_TP_NOT_AVAILABLE_NO_RETRY, "CM_TP_NOT_AVAILABLE_NO_RETRY", "the partner program is stopped"},
    entry{CM_TP_NOT_AVAILABLE_RETRY, "CM_TP_NOT_AVAILABLE_RETRY", "the partner program is busy; try again later"},
    entry{CM_DEALLOCATED_ABEND, "CM_DEALLOCATED_ABEND", "the partner program ended the conversation abnormally"},
    entry{CM_DEALLOCATED_NORMAL, "CM_DEALLOCATED_NORMAL", "the partner ended the conversation"},
    entry{CM_PARAMETER_ERROR, "CM_PARAMETER_ERROR", "the destination, a program or a mode name is missing or unknown"},
    entry{CM_PRODUCT_SPECIFIC_ERROR, "CM_PRODUCT_SPECIFIC_ERROR", "a failure of the library or of this machine"},
    entry{CM_PROGRAM_ERROR_NO_TRUNC, "CM_PROGRAM_ERROR_NO_TRUNC", "the partner program reported an error"},
    entry{CM_PROGRAM_ERROR_PURGING, "CM_PROGRAM_ERROR_PURGING",
          "the partner program reported an error in what it was sent"},
    entry{CM_PROGRAM_ERROR_TRUNC, "CM_PROGRAM_ERROR_TRUNC", "the partner program cut its record by an error"},
    entry{CM_PROGRAM_PARAMETER_CHECK, "CM_PROGRAM_PARAMETER_CHECK", "a wrong argument"},
    entry{CM_PROGRAM_STATE_CHECK, "CM_PROGRAM_STATE_CHECK", "the conversation is in another state"},
    entry{CM_RESOURCE_FAILURE_NO_RETRY, "CM_RESOURCE_FAILURE_NO_RETRY", "the link was lost for good"},
    entry{CM_RESOURCE_FAILURE_RETRY, "CM_RESOURCE_FAILURE_RETRY", "the link was lost; try again"},
    entry{CM_UNSUCCESSFUL, "CM_UNSUCCESSFUL", "not possible at once"},
    entry{CM_DEALLOCATED_ABEND_SVC, "CM_DEALLOCATED_ABEND_SVC", "the partner cancelled the conversation"},
    entry{CM_DEALLOCATED_ABEND_TIMER, "CM_DEALLOCATED_ABEND_TIMER", "the partner's time for the conversation ran out"},
    entry{CM_SVC_ERROR_NO_TRUNC, "CM_SVC_ERROR_NO_TRUNC", "the partner's service reported an error"},
    entry{CM_SVC_ERROR_PURGING, "CM_SVC_ERROR_PURGING", "the partner's service reported an error in what it was sent"},
    entry{CM_SVC_ERROR_TRUNC, "CM_SVC_ERROR_TRUNC", "the partner's service cut its record by an error"},
    entry{CM_OPERATION_INCOMPLETE, "CM_OPERATION_INCOMPLETE", "still at work"},
    entry{CM_OPERATION_NOT_ACCEPTED, "CM_OPERATION_NOT_ACCEPTED", "another call on the conversation is incomplete"},
};

}  // namespace

std::string_view code_name(CM_INT32 code) noexcept {
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const entry& e) { return e.code == code; });
    return found == entries.end() ? "unknown code" : found->name;
}

std::string_view code_meaning(CM_INT32 code) noexcept {
    const auto found = std::find_if(entries.begin(), entries.end(), [&](const entry& e) { return e.code == code; });
    return found == entries.end() ? "not a code of this release" : found->meaning;
}

std::string describe(std::string_view call, CM_INT32 code) {
    const std::string detail = clq_last_error();
    std::string text{call};
    text += ": ";
    text += code_name(code);
    text += " (" + std::to_string(code) + "), ";
    text += code_meaning(code);
    if (!detail.empty()) text += " [" + detail + "]";
    return text;
}

bool ends_conversation(CM_INT32 code) noexcept {
    return (code >= CM_ALLOCATE_FAILURE_NO_RETRY && code <= CM_TP_NOT_AVAILABLE_RETRY) ||
           code == CM_DEALLOCATED_ABEND || code == CM_DEALLOCATED_NORMAL || code == CM_RESOURCE_FAILURE_NO_RETRY ||
           code == CM_RESOURCE_FAILURE_RETRY || code == CM_DEALLOCATED_ABEND_SVC || code == CM_DEALLOCATED_ABEND_TIMER;
}

bool worth_retrying(CM_INT32 code) noexcept {
    return code == CM_ALLOCATE_FAILURE_RETRY || code == CM_TP_NOT_AVAILABLE_RETRY;
}

}  // namespace colloquy::tool
