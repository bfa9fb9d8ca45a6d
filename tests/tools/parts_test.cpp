// The small parts of the command: the histogram against sorted values, the table of IDs against a map.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <unordered_map>
#include <vector>

#include "tools/colloquy/histogram.hpp"
#include "tools/colloquy/id_table.hpp"

namespace {

using namespace colloquy::tool;

std::uint64_t seed() {
    const char* given = std::getenv("COLLOQUY_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

// Three significant digits: what is told is not below the true value, and above it by less than a thousandth.
void check_close(std::uint64_t told, std::uint64_t truth) {
    CHECK(told >= truth);
    CHECK(static_cast<double>(told - truth) <= static_cast<double>(truth) / 1'000.0);
}

TEST_SUITE("tools") {
    TEST_CASE("histogram: small values are exact") {
        histogram h;
        for (std::uint64_t v = 1; v <= 2'000; ++v) h.record(v);
        CHECK(h.total() == 2'000);
        CHECK(h.at(0.5) == 1'000);
        CHECK(h.at(0.999) == 1'998);
        CHECK(h.at(1.0) == 2'000);
        CHECK(h.max() == 2'000);
    }

    TEST_CASE("histogram: nothing recorded is 0, and values beyond the range count as the largest") {
        histogram h;
        CHECK(h.at(0.5) == 0);
        h.record(~std::uint64_t{0});
        CHECK(h.at(0.5) == histogram::value_max);
        CHECK(h.max() == histogram::value_max);
    }

    TEST_CASE("histogram: percentiles of random values, split over two and added, keep three digits") {
        const std::uint64_t s = seed();
        CAPTURE(s);
        std::mt19937_64 random{s};
        std::vector<std::uint64_t> values;
        histogram odd;
        histogram even;
        for (int i = 0; i < 20'000; ++i) {
            // Over all magnitudes alike.
            const std::uint64_t v = random() >> (21 + random() % 43);
            values.push_back(v);
            (i % 2 != 0 ? odd : even).record(v);
        }
        histogram all;
        all.add(odd);
        all.add(even);
        std::sort(values.begin(), values.end());
        CHECK(all.total() == values.size());
        CHECK(all.max() == values.back());
        for (const double share : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999}) {
            const auto rank = static_cast<std::size_t>(share * static_cast<double>(values.size()) + 0.5);
            check_close(all.at(share), values[rank - 1]);
        }
    }

    TEST_CASE("id_table: agrees with a map through growth and removal") {
        const std::uint64_t s = seed();
        CAPTURE(s);
        std::mt19937_64 random{s};
        id_table<int> table{8};
        std::unordered_map<std::uint64_t, int*> truth;
        std::vector<int> things(512);
        std::vector<std::uint64_t> keys;
        // Few enough keys that each comes and goes many times; neighbours, as slots of a table are.
        for (std::uint64_t i = 1; i <= 4'000; ++i) keys.push_back(i << 8U | 1U);
        for (int i = 0; i < 200'000; ++i) {
            const std::uint64_t key = keys[random() % keys.size()];
            const auto known = truth.find(key);
            CHECK(table.find(key) == (known == truth.end() ? nullptr : known->second));
            if (known != truth.end()) {
                table.erase(key);
                truth.erase(known);
            } else {
                int* thing = &things[random() % things.size()];
                table.insert(key, thing);
                truth.emplace(key, thing);
            }
        }
        for (const std::uint64_t key : keys) {
            const auto known = truth.find(key);
            CHECK(table.find(key) == (known == truth.end() ? nullptr : known->second));
        }
    }
}

}  // namespace
