// scenarios: how the outcome that a row of the table speaks of is brought about: what is done before the call, and what
// the partner does while it waits.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/stage.hpp"

namespace colloquy::conformance {

// One call of a row; rows that stand for several calls or several types have several.
struct action {
    std::string name;
    std::function<CM_INT32(stage&)> act;
    CM_INT32 sync_level = CM_CONFIRM;
    bool asks = false;        // waits for the partner's Confirmed
    bool basic_only = false;  // succeeds on basic conversations only
    std::string fate;         // what the partner hears when the call has ended the conversation
};

struct scenario {
    std::string name;
    std::function<void(stage&)> before;                             // x stands in the state of the column
    std::string during;                                             // the partner's script while the call waits
    std::function<void(stage&)> parallel;                           // done by another thread while the call waits
    std::function<void(stage&, const std::string& outcome)> after;  // further checks once the call has returned
    std::string fate;                                               // overrides the action's
    std::string texts;    // what x has sent before, as the partner must receive it
    bool strict = false;  // nothing else may reach the partner
};

// The calls of a row. Empty: nobody knows the row.
[[nodiscard]] std::vector<action> actions_of(const row& r);

// The ways to `outcome` in `state`, or none with the reason why.
[[nodiscard]] std::vector<scenario> scenarios_for(const stage& s, const row& r, const action& a,
                                                  const std::string& outcome, CM_INT32 state, std::string& reason);

// A Set_ call with a value that nobody may set.
[[nodiscard]] std::function<CM_INT32(stage&)> with_wrong_value(const row& r, const action& a);

}  // namespace colloquy::conformance
