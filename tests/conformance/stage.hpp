// stage: the conversation under test (its end here is `x`), a real partner at the other end, and recipes that bring x
// into a state.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tests/conformance/partner.hpp"
#include "tests/conformance/program_end.hpp"
#include "tests/conformance/relay.hpp"

namespace colloquy::conformance {

// How a walk goes: over which kind of link, and in which processing mode the calls under test are made.
struct way {
    bool tcp = false;
    bool non_blocking = false;
    [[nodiscard]] std::string name() const {
        return std::string{tcp ? "TCP" : "in process"} + ", " + (non_blocking ? "non-blocking" : "blocking");
    }
};

// The process's logical unit while it lives.
class running_unit {
public:
    // `configuration`: text of a configuration file, none when empty.
    explicit running_unit(const std::string& configuration = {}, unsigned conversations = 128);
    ~running_unit();
    running_unit(const running_unit&) = delete;
    running_unit& operator=(const running_unit&) = delete;
    [[nodiscard]] static std::string address();
    [[nodiscard]] static unsigned long long conversations_open();
};

class stage {
public:
    // `served`: the program names its TP itself; else the configuration has named it.
    explicit stage(way w, bool served = true);
    ~stage();
    stage(const stage&) = delete;
    stage& operator=(const stage&) = delete;

    const way how;
    bool x_allocates = true;  // x is at the end that allocated, else at the end that accepted
    bool basic = false;       // the conversations are basic ones
    bool duplex = false;      // they are full-duplex ones
    std::string prelude;      // a script that the partner carries out before it asks for a confirmation
    CM_INT32 sync_level = 0;  // of the conversation that was brought about last
    program_end x;
    // What the partner must hear last when x has ended the conversation: codes, 0 for "it has ended it itself".
    std::string fate;
    bool partial = false;  // Send_Data sends less than its record

    [[nodiscard]] partner& other() { return *partner_; }
    // Where x's end calls the partner, and where the partner calls x's end.
    [[nodiscard]] std::string there(const char* tp = "TP") const;
    [[nodiscard]] std::string back() const;

    // Brings x into `state` (a fresh conversation), in blocking mode.
    void bring(CM_INT32 state, CM_INT32 level);
    // When it returns, all that x's end has sent before has arrived at the partner's, and all that the partner's end
    // has sent before has arrived here.
    void ping();
    // Ends the conversation normally, wherever x stands, and checks that the partner hears nothing but `texts` and the
    // end. Null: whatever it hears.
    void finish(const std::string* texts);
    // After x has ended: the partner's end must have heard `fate`.
    void check_fate();
    // Cleans up after whatever happened.
    void clear();
    // The code of x's operation: `code`, or if that says 35, what it completes with.
    CM_INT32 completed(CM_INT32 code);
    // Loses the link between the two and waits until this end knows.
    void cut();
    // The link to the partner that x would be allocated over; no connection is made over it while it is held.
    void hold(bool on);
    // The program has no conversation with the partner (any more).
    void alone() { partner_talks_ = false; }
    void partner_talks() { partner_talks_ = true; }
    [[nodiscard]] bool marks_up() const noexcept { return marks_up_; }
    [[nodiscard]] CM_INT32 accept_here(program_end& e);

private:
    void raise_marks();
    void bring_duplex(CM_INT32 state);
    void finish_duplex(const std::string* texts);
    void accept_x();

    std::unique_ptr<partner> partner_;
    std::unique_ptr<relay> out_, in_;
    program_end mark_[2];  // over the link that x's end opened, and over the one the partner opened
    bool marks_up_ = false;
    bool partner_talks_ = false;
};

}  // namespace colloquy::conformance
