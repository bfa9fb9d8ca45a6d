// codes: return codes in words.
#pragma once

#include <string>
#include <string_view>

#include "api/cpic.h"

namespace colloquy::tool {

// "CM_TPN_NOT_RECOGNIZED", or "unknown code".
[[nodiscard]] std::string_view code_name(CM_INT32 code) noexcept;
// What it means to whoever runs the command, and what to do about it.
[[nodiscard]] std::string_view code_meaning(CM_INT32 code) noexcept;
// "Allocate: CM_ALLOCATE_FAILURE_RETRY (2), no link ...", with the detail that the library has for this thread's last
// call.
[[nodiscard]] std::string describe(std::string_view call, CM_INT32 code);
// Whatever call reports it, the conversation is gone and its ID dead.
[[nodiscard]] bool ends_conversation(CM_INT32 code) noexcept;
// Trying again later may help.
[[nodiscard]] bool worth_retrying(CM_INT32 code) noexcept;

}  // namespace colloquy::tool
