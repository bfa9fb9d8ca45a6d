#include "tools/colloquy/attachd/status.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "tools/colloquy/report.hpp"

namespace colloquy::tool {
namespace {

using json = nlohmann::ordered_json;

[[nodiscard]] std::string word(const json& from, const char* key) {
    const auto found = from.find(key);
    return found != from.end() && found->is_string() ? found->get<std::string>() : "?";
}

[[nodiscard]] std::uint64_t number(const json& from, const char* key) {
    const auto found = from.find(key);
    return found != from.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

using row = std::vector<std::string>;

// The first column to the left, numbers to the right.
[[nodiscard]] std::string table_text(const std::vector<row>& rows) {
    std::vector<std::size_t> widths(rows.front().size());
    for (const row& r : rows)
        for (std::size_t i = 0; i < r.size(); ++i) widths[i] = std::max(widths[i], r[i].size());
    std::string text;
    for (const row& r : rows) {
        for (std::size_t i = 0; i < r.size(); ++i) {
            const std::string room(widths[i] - r[i].size(), ' ');
            text += i < 2 ? r[i] + room : room + r[i];
            text += i + 1 < r.size() ? "  " : "\n";
        }
    }
    return text;
}

}  // namespace

std::string status_text(const json& told) {
    std::string text = word(told, "lu_name") + ", " + word(told, "state") + ", process " +
                       std::to_string(number(told, "pid")) + ", up " +
                       duration_text(number(told, "up_s") * 1'000'000'000) + "\nlistening on";
    const auto listening = told.find("listening");
    if (listening != told.end() && listening->is_array())
        for (const json& one : *listening) text += one.is_string() ? " " + one.get<std::string>() : "";
    text += ", programs register at " + word(told, "socket") + "\n" + grouped(number(told, "programs")) +
            " programs, " + grouped(number(told, "conversations")) + " conversations, " +
            grouped(number(told, "held")) + " attaches wait; " + grouped(number(told, "attaches")) +
            " attaches so far, " + bytes_text(static_cast<double>(number(told, "bytes_to_programs"))) +
            " to programs, " + bytes_text(static_cast<double>(number(told, "bytes_from_programs"))) + " from them\n\n";
    std::vector<row> rows{{"TP", "mode", "waiting", "running", "registered", "conversations", "started", "ended",
                           "crashed", "hung", "failed", "refused"}};
    const auto tps = told.find("tps");
    if (tps != told.end() && tps->is_array()) {
        for (const json& tp : *tps) {
            if (!tp.is_object()) continue;
            row r{word(tp, "name"), word(tp, "mode")};
            for (const char* key : {"waiting", "running", "registered", "conversations", "started", "ended", "crashed",
                                    "hung", "failed", "refused"})
                r.push_back(grouped(number(tp, key)));
            if (const std::uint64_t paused = number(tp, "paused_ms"); paused != 0)
                r.front() += " (not started for " + duration_text(paused * 1'000'000) + ")";
            rows.push_back(std::move(r));
        }
    }
    return text + table_text(rows);
}

}  // namespace colloquy::tool
