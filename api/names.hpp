// names: which texts the interface accepts as names. Shared by the configuration and the side information, so that a
// file and a program are held to the same rules. Logical unit names have their rule in runtime/wire/hello.hpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace colloquy::api {

// One to `size_max` printable ASCII characters, none of them a blank.
[[nodiscard]] constexpr bool is_word(std::string_view text, std::size_t size_max) noexcept {
    return !text.empty() && text.size() <= size_max &&
           std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

// A partner as conversations name it: an alias of up to 8 characters, or a network and a logical unit around one dot.
// A dot makes it a full name even when the network part is empty.
[[nodiscard]] constexpr bool is_partner_name(std::string_view text) noexcept {
    if (!is_word(text, 17)) {
        return false;
    }
    const std::size_t dot = text.find('.');
    if (dot == std::string_view::npos) {
        return text.size() <= 8;
    }
    const std::string_view unit = text.substr(dot + 1);
    return dot <= 8 && !unit.empty() && unit.size() <= 8 && unit.find('.') == std::string_view::npos;
}

// Modes that belong to the network itself; Allocate refuses them.
[[nodiscard]] constexpr bool is_reserved_mode(std::string_view text) noexcept {
    return text == "SNASVCMG" || text == "CPSVCMG";
}

}  // namespace colloquy::api
