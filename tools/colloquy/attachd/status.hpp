// status: what a manager tells of itself over its control socket, in words.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace colloquy::tool {

// A few lines, and a table with one line for each TP. What is missing in the object is shown as "?" or 0: it may come
// from a manager of another version.
[[nodiscard]] std::string status_text(const nlohmann::ordered_json& told);

}  // namespace colloquy::tool
