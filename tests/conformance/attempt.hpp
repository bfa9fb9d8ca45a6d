// attempt: one situation, brought about and judged; what went wrong fails its cell and never the run.
#pragma once

#include <cstdlib>
#include <string>

#include "tests/conformance/report.hpp"
#include "tests/conformance/walk.hpp"

namespace colloquy::conformance {

// Runs `body` and writes down how it went. COLLOQUY_ONLY in the environment: only what has this in its name.
template <class Body>
void attempt(stage& s, cell_result& to, const std::string& name, Body&& body) {
    note_step(s.how.name() + ": " + name);
    static const char* const only = std::getenv("COLLOQUY_ONLY");
    if (only != nullptr && name.find(only) == name.npos) return;
    ++to.checks;
    try {
        body();
    } catch (const no_way& why) {
        --to.checks;
        if (*why.what() != '\0') to.untested.insert(why.what());
    } catch (const std::exception& e) {
        to.failures.insert(name + ": " + e.what());
    }
    try {
        s.clear();
    } catch (const std::exception& e) {
        to.failures.insert(name + ", afterwards: " + e.what());
    }
    note_step(s.how.name() + ": after " + name);
}

}  // namespace colloquy::conformance
