// system_error: what the numbers of one system's errors mean; kind_of() and error_text() ask it about those that are
// not our own.
#pragma once

#include <string>

#include "transport/reactor.hpp"

namespace colloquy::transport {

[[nodiscard]] error_kind kind_of_system_error(int error) noexcept;
[[nodiscard]] std::string system_error_text(int error);

// How this system says that the partner has cut the connection.
[[nodiscard]] int error_of_cut() noexcept;

}  // namespace colloquy::transport
