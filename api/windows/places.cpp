// Where a configuration is looked for on Windows.
#include "api/config.hpp"

namespace colloquy::api {

std::vector<std::string> configuration_places(const environment& variables) {
    if (const auto path = variables("COLLOQUY_CONFIG")) {
        return {*path};
    }
    std::vector<std::string> places{"colloquy.toml"};
    if (const auto user = variables("APPDATA")) places.push_back(*user + "\\colloquy\\colloquy.toml");
    if (const auto machine = variables("ProgramData")) places.push_back(*machine + "\\colloquy\\colloquy.toml");
    return places;
}

}  // namespace colloquy::api
