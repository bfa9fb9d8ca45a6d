// The full-duplex state table of the interface, cell by cell, with a real partner, in one process and over TCP between
// two. Blocking only: such a conversation has no non-blocking mode.
#include <doctest/doctest.h>

#include "tests/conformance/walk.hpp"

namespace {

using namespace colloquy::conformance;

void walk(std::size_t index, way how, bool basic) {
    table_report& t =
        the_report().tables[basic ? "Full-duplex, basic conversations" : "Full-duplex, mapped conversations"];
    if (t.table.rows.empty()) {
        t.table = load_table(COLLOQUY_TESTS_DIR "/data/cpic-states-duplex.tsv");
        REQUIRE(t.table.rows.size() == 29);
        t.intro =
            "A full-duplex conversation has no non-blocking mode: Set_Processing_Mode answers 24, and the ways "
            "are\nthose with blocking calls.";
    }
    if (t.ways.size() <= index) t.ways.resize(index + 1);
    t.ways[index] = how.name();
    walk_full_duplex(t, index, how, basic);
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
    TEST_CASE("full-duplex: every cell, mapped, in process") { walk(0, {false, false}, false); }
    TEST_CASE("full-duplex: every cell, mapped, over TCP") { walk(1, {true, false}, false); }
    TEST_CASE("full-duplex: every cell, basic, in process") { walk(0, {false, false}, true); }
    TEST_CASE("full-duplex: every cell, basic, over TCP") { walk(1, {true, false}, true); }
    TEST_CASE("full-duplex: there is no non-blocking mode") {
        for (const bool tcp : {false, true})
            for (const bool allocates : {true, false}) {
                const running_unit unit;
                stage s{{tcp, false}};
                s.duplex = true;
                s.x_allocates = allocates;
                for (const CM_INT32 state : {CM_SEND_RECEIVE_STATE, CM_SEND_ONLY_STATE, CM_RECEIVE_ONLY_STATE}) {
                    s.bring(state, CM_NONE);
                    CHECK(s.x.set(cmspm, CM_NON_BLOCKING) == CM_PROGRAM_PARAMETER_CHECK);
                    CHECK(s.x.set(cmspm, CM_BLOCKING) == CM_OK);
                    CHECK(s.x.state() == state);
                    static const std::string nothing;
                    s.finish(&nothing);
                    s.clear();
                }
            }
    }
}
