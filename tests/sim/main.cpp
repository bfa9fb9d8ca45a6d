// colloquy_sim: two or more engines on a simulated network, as many seeds as wanted. A failing seed prints the command
// that replays it, step by step.
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "tests/sim/duplex.hpp"
#include "tests/sim/world.hpp"

namespace {

struct options {
    std::uint64_t from = 1;
    std::uint64_t seeds = 300;
    bool verbose = false;
    bool keep_going = false;
    std::string table = std::string{COLLOQUY_TESTS_DIR} + "/sim/cpic-states.tsv";
};

bool number(std::string_view text, std::uint64_t& value) {
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    return fault == std::errc{} && end == text.data() + text.size();
}

int usage(int code) {
    std::fputs(
        "usage: colloquy_sim [--seed-from S] [--seeds N] [--verbose] [--keep-going] [--table FILE]\n"
        "Runs N seeds (COLLOQUY_SIM_SEEDS, else 300) from S (COLLOQUY_SEED, else 1). Exit 0 when all pass.\n",
        code == 0 ? stdout : stderr);
    return code;
}

}  // namespace

int main(int argc, char** argv) {
    options o;
    if (const char* s = std::getenv("COLLOQUY_SIM_SEEDS"); s != nullptr && !number(s, o.seeds)) return usage(2);
    if (const char* s = std::getenv("COLLOQUY_SEED"); s != nullptr && !number(s, o.from)) return usage(2);
    for (int i = 1; i < argc; ++i) {
        const std::string_view a = argv[i];
        const char* const value = i + 1 < argc ? argv[i + 1] : "";
        if (a == "--help") return usage(0);
        if (a == "--verbose")
            o.verbose = true;
        else if (a == "--keep-going")
            o.keep_going = true;
        else if (a == "--seed-from" && number(value, o.from))
            ++i;
        else if (a == "--seeds" && number(value, o.seeds))
            ++i;
        else if (a == "--table" && *value != 0)
            o.table = argv[++i];
        else
            return usage(2);
    }
    colloquy::sim::world::totals sum;
    std::uint64_t failed = 0;
    const auto began = std::chrono::steady_clock::now();
    try {
        colloquy::sim::oracle judge{o.table};
        for (std::uint64_t seed = o.from; seed - o.from < o.seeds; ++seed) {
            colloquy::sim::world w{seed, judge, o.verbose};
            try {
                w.run();
                if (seed % 3 == 0) colloquy::sim::run_duplex(seed, o.verbose);
            } catch (const colloquy::sim::failure& f) {
                ++failed;
                std::fprintf(stderr, "seed %llu: %s\n  drawn: %s\n  replay: %s --seed-from %llu --seeds 1 --verbose\n",
                             static_cast<unsigned long long>(seed), f.what(), w.drawn().c_str(), argv[0],
                             static_cast<unsigned long long>(seed));
                if (!o.keep_going) break;
            }
            const auto& t = w.count();
            sum.verbs += t.verbs;
            sum.refused += t.refused;
            sum.completions += t.completions;
            sum.accepted += t.accepted;
            sum.conversations += t.conversations;
            sum.bytes += t.bytes;
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "colloquy_sim: %s\n", e.what());
        return 2;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    std::printf(
        "%llu seeds from %llu, %llu failed; %llu conversations, %llu accepted, %llu verbs (%llu refused), "
        "%llu completions, %.1f s\n",
        static_cast<unsigned long long>(o.seeds), static_cast<unsigned long long>(o.from),
        static_cast<unsigned long long>(failed), static_cast<unsigned long long>(sum.conversations),
        static_cast<unsigned long long>(sum.accepted), static_cast<unsigned long long>(sum.verbs),
        static_cast<unsigned long long>(sum.refused), static_cast<unsigned long long>(sum.completions), took.count());
    return failed == 0 ? 0 : 1;
}
