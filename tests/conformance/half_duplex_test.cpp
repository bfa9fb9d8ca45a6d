// The half-duplex state table of the interface, cell by cell, with a real partner: in one process and over TCP between
// two, blocking and non-blocking, at the end that allocated and at the end that accepted.
#include <doctest/doctest.h>

#include "tests/conformance/walk.hpp"

namespace {

using namespace colloquy::conformance;

void walk(std::size_t index, way how) {
    table_report& t = the_report().tables["Half-duplex conversations"];
    if (t.table.rows.empty()) {
        t.table = load_table(COLLOQUY_TESTS_DIR "/data/cpic-states.tsv");
        REQUIRE(t.table.rows.size() == 79);
    }
    if (t.ways.size() <= index) t.ways.resize(index + 1);
    t.ways[index] = how.name();
    walk_half_duplex(t, index, how, false);
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
    TEST_CASE("half-duplex: every cell, in process, blocking") { walk(0, {false, false}); }
    TEST_CASE("half-duplex: every cell, in process, non-blocking") { walk(1, {false, true}); }
    TEST_CASE("half-duplex: every cell, over TCP, blocking") { walk(2, {true, false}); }
    TEST_CASE("half-duplex: every cell, over TCP, non-blocking") { walk(3, {true, true}); }
}
