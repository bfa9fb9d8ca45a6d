// report: what became of every cell, and the page that says so.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/conformance/stage.hpp"
#include "tests/conformance/table.hpp"

namespace colloquy::conformance {

struct cell_result {
    unsigned checks = 0;             // situations brought about and judged
    std::set<std::string> untested;  // reasons, for what could not be brought about
    std::set<std::string> failures;  // what did not hold
};

struct way_totals {
    unsigned cells = 0, untested_cells = 0, checks = 0, failures = 0;
};

// The results of one table, one way after the other.
struct table_report {
    state_table table;
    std::string intro;  // before the table, if anything
    std::vector<std::string> ways;
    // row number, column, way
    std::map<std::size_t, std::map<std::string, std::vector<cell_result>>> cells;

    cell_result& at(std::size_t row_number, const std::string& column, std::size_t way_index) {
        auto& all = cells[row_number][column];
        if (all.size() <= way_index) all.resize(way_index + 1);
        return all[way_index];
    }
};

// Checks that are no table of states.
struct simple_table {
    std::string intro;
    std::vector<std::string> head;
    std::vector<std::vector<std::string>> rows;
};

struct report {
    std::map<std::string, table_report> tables;  // by title
    std::map<std::string, simple_table> lists;   // by title
};

// Filled by the test cases, written by main.
report& the_report();

[[nodiscard]] std::string page_of(const report& r);

}  // namespace colloquy::conformance
