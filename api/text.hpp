// text: messages put together from pieces.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace colloquy::api {

[[nodiscard]] inline std::string joined(std::initializer_list<std::string_view> pieces) {
    std::string text;
    for (const std::string_view piece : pieces) text.append(piece);
    return text;
}

}  // namespace colloquy::api
