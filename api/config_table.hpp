// config_table: a configuration out of a file that another reader reads, too: colloquy attachd keeps what it must know
// beside what every logical unit must know.
#pragma once

#include <span>
#include <string_view>

#include "api/config.hpp"
#include "api/toml_reader.hpp"

namespace colloquy::api {

// parse_configuration for a file whose root is parsed already. The keys of `elsewhere` are not looked at.
[[nodiscard]] configuration_result read_configuration(const toml::table& root, std::string_view file,
                                                      std::span<const std::string_view> elsewhere,
                                                      const environment& variables);

}  // namespace colloquy::api
