// expedited: every situation of Send_Expedited_Data and Receive_Expedited_Data in a state, for the walks.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/stage.hpp"

namespace colloquy::conformance {

struct expedited_case {
    std::string name;
    const char* call;       // cmsndx or cmrcvx
    CM_INT32 code;          // that it is about
    std::string prelude{};  // what the partner has done before: stage::prelude where it waits itself later
    std::function<void(stage&, CM_INT32 state)> run{};  // x stands in `state`; what does not hold is thrown
};

// The cases for a conversation in `state`, which is neither RESET nor one before the conversation has begun.
[[nodiscard]] std::vector<expedited_case> expedited_cases(const stage& s, CM_INT32 state);
// Carries one out, and ends the conversation.
void run_expedited(stage& s, const expedited_case& c, CM_INT32 state);

}  // namespace colloquy::conformance
