// state_table: the half-duplex state table of the standard, as a file, asked what a call's outcome makes of a state.
//
// The oracle's opinion comes from here and from nowhere in the engine.
#pragma once

#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace colloquy::sim {

// Numbered as Extract_Conversation_State numbers them.
enum class row_state : std::uint8_t {
    reset = 1,
    initialize,
    send,
    receive,
    send_pending,
    confirm,
    confirm_send,
    confirm_deallocate,
};

struct cell {
    enum class kind : std::uint8_t { impossible, goes, refused } what = kind::impossible;
    row_state next = row_state::reset;
    std::int32_t code = 0;  // of a refusal
};

class state_table {
public:
    struct row {
        std::string call, condition, outcome;
        std::vector<std::string> cells;
    };

    explicit state_table(const std::string& path) {
        std::ifstream in{path};
        if (!in) throw std::runtime_error("cannot read " + path);
        std::string line;
        std::getline(in, line);
        while (std::getline(in, line)) {
            std::vector<std::string> parts;
            std::istringstream fields{line};
            for (std::string f; std::getline(fields, f, '\t');) parts.push_back(f);
            if (parts.size() != 12) throw std::runtime_error("a row of " + path + " has not 12 fields: " + line);
            rows_.push_back({parts[0], parts[1], parts[2], {parts.begin() + 3, parts.end()}});
        }
    }

    // The first row of the call whose condition begins with `condition` and whose outcome has the word, or the set in
    // braces.
    [[nodiscard]] const row& find(std::string_view call, std::string_view condition, std::string_view outcome) const {
        for (const row& r : rows_)
            if (r.call == call && r.condition.substr(0, condition.size()) == condition && says(r.outcome, outcome))
                return r;
        throw std::runtime_error("no row for " + std::string{call} + " / " + std::string{condition} + " / " +
                                 std::string{outcome});
    }

    [[nodiscard]] static cell look(const row& r, row_state from) {
        static constexpr std::size_t column[] = {0, 0, 1, 3, 4, 5, 6, 7, 8};
        std::string text = r.cells[column[static_cast<std::size_t>(from)]];
        if (!text.empty() && text.back() == '*') text.pop_back();
        if (text == "pc") return {cell::kind::refused, from, 24};
        if (text == "sc") return {cell::kind::refused, from, 25};
        if (text == "-") return {cell::kind::goes, from, 0};
        static constexpr struct {
            std::string_view name;
            row_state state;
        } names[] = {{"T", row_state::reset},         {"I", row_state::initialize},         {"S", row_state::send},
                     {"R", row_state::receive},       {"SP", row_state::send_pending},      {"C", row_state::confirm},
                     {"CS", row_state::confirm_send}, {"CD", row_state::confirm_deallocate}};
        for (const auto& n : names)
            if (text == n.name) return {cell::kind::goes, n.state, 0};
        return {};
    }

private:
    static bool says(std::string_view outcome, std::string_view wanted) {
        if (outcome == wanted) return true;
        // "ae, da, rf" names three sets; "ok {data, SEND}" is one outcome.
        if (outcome.find('{') != outcome.npos || wanted.find('{') != wanted.npos) return false;
        std::size_t at = 0;
        while (at < outcome.size()) {
            std::size_t end = outcome.find(',', at);
            if (end == outcome.npos) end = outcome.size();
            std::string_view word = outcome.substr(at, end - at);
            while (!word.empty() && word.front() == ' ') word.remove_prefix(1);
            if (const std::size_t more = word.find(' '); more != word.npos) word = word.substr(0, more);
            if (word == wanted) return true;
            at = end + 1;
        }
        return false;
    }

    std::vector<row> rows_;
};

}  // namespace colloquy::sim
