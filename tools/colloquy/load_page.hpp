// load_page: what `colloquy load --report` writes: a page of HTML that stands alone, with the latencies up to the last
// one, the rate over time, and everything as JSON.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tools/colloquy/histogram.hpp"

namespace colloquy::tool {

struct load_page {
    std::string title;
    // "latency", and in an open loop "from the first byte sent" beside it.
    std::vector<std::pair<std::string, const histogram*>> latencies;
    std::vector<std::pair<double, double>> rates;  // seconds since the beginning, transactions a second until then

    // Throws failure when the file cannot be written. `all`: the JSON object of the run.
    void write(const std::string& file, const nlohmann::ordered_json& all) const;
};

}  // namespace colloquy::tool
