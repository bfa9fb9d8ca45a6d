// walk: every cell of the state tables, with a real partner.
#pragma once

#include "tests/conformance/report.hpp"

namespace colloquy::conformance {

// Walks the whole table one way and writes down what happened to each cell. Type: mapped or basic conversations.
void walk_half_duplex(table_report& into, std::size_t way_index, way how, bool basic);

// The same for the full-duplex table, with blocking calls.
void walk_full_duplex(table_report& into, std::size_t way_index, way how, bool basic);

// Notes what is being tried.
void note_step(const std::string& what);
// What stands still when the walk does, for a watchdog.
[[nodiscard]] const char* where_it_is();
[[nodiscard]] unsigned long long steps_taken();

}  // namespace colloquy::conformance
