// The half-duplex state table of the interface, cell by cell, with a real partner: in one process and over TCP between
// two, blocking and non-blocking, at the end that allocated and at the end that accepted.
#include <doctest/doctest.h>

#include "tests/conformance/walk.hpp"

namespace {

using namespace colloquy::conformance;

void walk(std::size_t index, way how, bool basic) {
    table_report& t =
        the_report().tables[basic ? "Half-duplex, basic conversations" : "Half-duplex, mapped conversations"];
    if (t.table.rows.empty()) {
        t.table = load_table(COLLOQUY_TESTS_DIR "/data/cpic-states.tsv");
        REQUIRE(t.table.rows.size() == 79);
    }
    if (t.ways.size() <= index) t.ways.resize(index + 1);
    t.ways[index] = how.name();
    walk_half_duplex(t, index, how, basic);
    unsigned checks = 0, failures = 0;
    for (const auto& [number, columns] : t.cells)
        for (const auto& [column, results] : columns) {
            if (results.size() <= index) continue;
            checks += results[index].checks;
            failures += static_cast<unsigned>(results[index].failures.size());
            for (const std::string& f : results[index].failures) FAIL_CHECK(column << ": " << f);
        }
    CHECK(failures == 0);
    MESSAGE(how.name() << ": " << checks << " checks");
}

}  // namespace

TEST_SUITE("conformance") {
    TEST_CASE("half-duplex: every cell, mapped, in process, blocking") { walk(0, {false, false}, false); }
    TEST_CASE("half-duplex: every cell, mapped, in process, non-blocking") { walk(1, {false, true}, false); }
    TEST_CASE("half-duplex: every cell, mapped, over TCP, blocking") { walk(2, {true, false}, false); }
    TEST_CASE("half-duplex: every cell, mapped, over TCP, non-blocking") { walk(3, {true, true}, false); }
    TEST_CASE("half-duplex: every cell, basic, in process, blocking") { walk(0, {false, false}, true); }
    TEST_CASE("half-duplex: every cell, basic, in process, non-blocking") { walk(1, {false, true}, true); }
    TEST_CASE("half-duplex: every cell, basic, over TCP, blocking") { walk(2, {true, false}, true); }
    TEST_CASE("half-duplex: every cell, basic, over TCP, non-blocking") { walk(3, {true, true}, true); }
}
