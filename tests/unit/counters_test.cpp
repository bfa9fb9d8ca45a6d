// counters: the table is complete and sums are exact once the threads are done.
#include <cstdint>
#include <set>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/counters.hpp"

namespace {

using namespace colloquy::runtime;

static_assert(describe(counter::bytes_sent).name == "bytes_sent");
static_assert(describe(counter::bytes_sent).unit == "bytes");

}  // namespace

TEST_SUITE("runtime") {
    TEST_CASE("counters: every counter has a name of its own, a unit and a description") {
        std::set<std::string_view> names;
        for (const counter_description& d : counter_table) {
            names.insert(d.name);
            CHECK_FALSE(d.unit.empty());
            CHECK_FALSE(d.description.empty());
        }
        CHECK(names.size() == counter_count);
        CHECK(describe(counter::tls_failed).name == counter_table.back().name);
    }

    TEST_CASE("counters: shards add up, counters do not mix") {
        counters<> totals{3};
        std::vector<std::thread> threads;
        for (std::uint32_t self = 0; self < 4; ++self) {
            threads.emplace_back([&, self] {
                for (int i = 0; i < 10'000; ++i) {
                    totals.add(counter::verbs, 1, self);
                    totals.add(counter::bytes_sent, 64, self);
                }
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(totals.read(counter::verbs) == 40'000);
        CHECK(totals.read(counter::bytes_sent) == 40'000 * 64);
        CHECK(totals.read(counter::bytes_received) == 0);
    }
}
