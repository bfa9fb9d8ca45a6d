// partner: the real program at the other end of the conversation under test. It is told what to do in short scripts,
// carries them out with the calls of the interface, and answers with the code of its last call. The same interpreter
// runs on a thread of this process and in a process of its own, so what the tests see does not depend on which.
//
// A script is steps between semicolons: "turn; send hello F". doc of the steps: partner.cpp.
#pragma once

#include <memory>
#include <string>

#include "api/cpic.h"

namespace colloquy::conformance {

class partner {
public:
    partner() = default;
    virtual ~partner() = default;
    partner(const partner&) = delete;
    partner& operator=(const partner&) = delete;

    // Hands over a script; the answer must be fetched before the next one.
    virtual void tell(const std::string& script) = 0;
    // Waits. Throws `failure` when the script went wrong.
    CM_INT32 answer();
    CM_INT32 ask(const std::string& script) {
        tell(script);
        return answer();
    }
    // The address at which its logical unit listens.
    [[nodiscard]] const std::string& address() const noexcept { return address_; }

protected:
    // A number, or "!" and what went wrong.
    virtual std::string next_answer() = 0;
    std::string address_;
};

// On a thread of this process, in the logical unit that runs here.
[[nodiscard]] std::unique_ptr<partner> start_partner_thread();
// In a process and a logical unit of its own. Its program name is that of this process.
[[nodiscard]] std::unique_ptr<partner> start_partner_process();
// What that process does: its exit code.
int run_partner_process(int in, int out);

}  // namespace colloquy::conformance
