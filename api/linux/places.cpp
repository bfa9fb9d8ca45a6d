// Where a configuration is looked for on Linux.
#include <filesystem>

#include "api/config.hpp"

namespace colloquy::api {

std::vector<std::string> configuration_places(const environment& variables) {
    if (const auto path = variables("COLLOQUY_CONFIG")) {
        return {*path};
    }
    std::vector<std::string> places{"colloquy.toml"};
    const auto xdg = variables("XDG_CONFIG_HOME");
    const auto home = variables("HOME");
    // A relative XDG_CONFIG_HOME is to be ignored, says its specification.
    if (xdg && std::filesystem::path{*xdg}.is_absolute()) {
        places.push_back(*xdg + "/colloquy/colloquy.toml");
    } else if (home) {
        places.push_back(*home + "/.config/colloquy/colloquy.toml");
    }
    places.emplace_back("/etc/colloquy.toml");
    return places;
}

}  // namespace colloquy::api
