// table: the state tables of the interface as files, and the sets of return codes they speak of.
//
// The tables decide. Nothing in here asks the library what it thinks.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "api/cpic.h"

namespace colloquy::conformance {

// A check that did not hold, in words. It fails the cell, never the run.
struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};
// A situation that cannot be brought about here, in words.
struct no_way : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct row {
    std::size_t number = 0;  // from 1, in the order of the file
    std::string call, condition, outcome;
    std::vector<std::string> cells;  // by column
};

struct state_table {
    std::vector<std::string> columns;
    std::vector<row> rows;
};

// Tab separated; the columns behind `fixed` are states.
inline state_table load_table(const std::string& path, std::size_t fixed = 3) {
    std::ifstream in{path};
    if (!in) throw std::runtime_error("cannot read " + path);
    const auto split = [](const std::string& line) {
        std::vector<std::string> parts;
        std::size_t at = 0;
        for (;;) {
            const std::size_t end = line.find('\t', at);
            parts.push_back(line.substr(at, end == line.npos ? end : end - at));
            if (end == line.npos) return parts;
            at = end + 1;
        }
    };
    std::string line;
    std::getline(in, line);
    const std::vector<std::string> head = split(line);
    state_table t;
    t.columns.assign(head.begin() + static_cast<std::ptrdiff_t>(fixed), head.end());
    while (std::getline(in, line)) {
        const std::vector<std::string> parts = split(line);
        if (parts.size() != head.size()) throw std::runtime_error(path + ": fields are missing: " + line);
        row r;
        r.number = t.rows.size() + 1;
        r.call = parts[0];
        r.condition = parts[1];
        if (fixed > 2) r.outcome = parts[2];
        r.cells.assign(parts.begin() + static_cast<std::ptrdiff_t>(fixed), parts.end());
        t.rows.push_back(std::move(r));
    }
    return t;
}

// "ae, da, rf" are three outcomes, "ok {data, SEND}" is one.
inline std::vector<std::string> outcomes_of(const std::string& text) {
    std::vector<std::string> all;
    std::string one;
    int depth = 0;
    const auto finish = [&] {
        const std::size_t first = one.find_first_not_of(' ');
        if (first != one.npos) all.push_back(one.substr(first, one.find_last_not_of(' ') - first + 1));
        one.clear();
    };
    for (const char c : text) {
        if (c == '{' || c == '(') ++depth;
        if (c == '}' || c == ')') --depth;
        if (depth == 0 && (c == ',' || c == ';'))
            finish();
        else
            one += c;
    }
    finish();
    return all;
}

// The codes of an outcome by its first word: "ok {data, SEND}" is ok.
inline const std::vector<CM_INT32>& codes_of(std::string_view outcome) {
    static const std::map<std::string, std::vector<CM_INT32>, std::less<>> sets{{"ok", {0}},
                                                                                {"af", {1, 2, 44, 46, 47}},
                                                                                {"ae", {3, 5, 6, 7, 8, 9, 10, 11, 39}},
                                                                                {"da", {17, 30, 31}},
                                                                                {"dn", {18}},
                                                                                {"pe", {19}},
                                                                                {"ps", {20}},
                                                                                {"en", {21, 32}},
                                                                                {"ep", {22, 33}},
                                                                                {"et", {23, 34}},
                                                                                {"pc", {24}},
                                                                                {"sc", {25}},
                                                                                {"rf", {26, 27}},
                                                                                {"un", {28}},
                                                                                {"oi", {35}},
                                                                                {"43", {43}},
                                                                                {"na", {37}},
                                                                                {"error", {17, 26, 27, 30, 31}},
                                                                                {"any", {0, 28, 38, 40, 41}}};
    const auto found = sets.find(outcome.substr(0, outcome.find_first_of(" (")));
    if (found == sets.end()) throw std::runtime_error("an outcome nobody knows: " + std::string{outcome});
    return found->second;
}
inline bool is_one_of(CM_INT32 code, std::string_view outcome) {
    for (const CM_INT32 c : codes_of(outcome))
        if (c == code) return true;
    return false;
}

// RESET is 1, which no call returns: a conversation in RESET has no ID.
constexpr CM_INT32 reset_state = 1;

inline CM_INT32 state_of_column(const std::string& column) {
    static const std::map<std::string, CM_INT32> states{{"RESET", reset_state},
                                                        {"INITIALIZE", CM_INITIALIZE_STATE},
                                                        {"INIT_INCOMING", CM_INITIALIZE_INCOMING_STATE},
                                                        {"SEND", CM_SEND_STATE},
                                                        {"RECEIVE", CM_RECEIVE_STATE},
                                                        {"SEND_PENDING", CM_SEND_PENDING_STATE},
                                                        {"CONFIRM", CM_CONFIRM_STATE},
                                                        {"CONFIRM_SEND", CM_CONFIRM_SEND_STATE},
                                                        {"CONFIRM_DEALLOC", CM_CONFIRM_DEALLOCATE_STATE},
                                                        {"SEND_RECEIVE", CM_SEND_RECEIVE_STATE},
                                                        {"SEND_ONLY", CM_SEND_ONLY_STATE},
                                                        {"RECEIVE_ONLY", CM_RECEIVE_ONLY_STATE}};
    const auto found = states.find(column);
    if (found == states.end()) throw std::runtime_error("a state nobody knows: " + column);
    return found->second;
}
inline CM_INT32 state_of_mark(const std::string& mark) {
    static const std::map<std::string, CM_INT32> states{{"T", reset_state},
                                                        {"I", CM_INITIALIZE_STATE},
                                                        {"II", CM_INITIALIZE_INCOMING_STATE},
                                                        {"S", CM_SEND_STATE},
                                                        {"R", CM_RECEIVE_STATE},
                                                        {"SP", CM_SEND_PENDING_STATE},
                                                        {"C", CM_CONFIRM_STATE},
                                                        {"CS", CM_CONFIRM_SEND_STATE},
                                                        {"CD", CM_CONFIRM_DEALLOCATE_STATE},
                                                        {"SR", CM_SEND_RECEIVE_STATE},
                                                        {"SO", CM_SEND_ONLY_STATE},
                                                        {"RO", CM_RECEIVE_ONLY_STATE}};
    const auto found = states.find(mark);
    if (found == states.end()) throw std::runtime_error("a mark nobody knows: " + mark);
    return found->second;
}

}  // namespace colloquy::conformance
