// security_log: the program's own verifier and log, which belong to the process (colloquy/security.h), and the one way
// for the library to use them.
#pragma once

#include <string_view>

#include "api/colloquy/security.h"

namespace colloquy::api {

// One line for the log of the process and for the trace. What strangers wrote in it is made printable. Any thread.
void log_security(std::string_view line) noexcept;

// Asks the program's verifier. False: it has none.
[[nodiscard]] bool ask_program(const clq_credentials& who, int& answer) noexcept;
// It has one.
[[nodiscard]] bool program_verifies() noexcept;

}  // namespace colloquy::api
