// colloquy_sim: two or more engines on a simulated network, as many seeds as wanted. A failing seed prints the command
// that replays it, step by step, and can be made smaller.
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "tests/sim/duplex.hpp"
#include "tests/sim/run_result.hpp"
#include "tests/sim/shrink.hpp"
#include "tests/sim/world.hpp"

namespace {

using colloquy::sim::read_number;
using colloquy::sim::reduction;
using colloquy::sim::run_result;

struct options {
    std::uint64_t from = 1;
    std::uint64_t seeds = 300;
    bool verbose = false;
    bool keep_going = false;
    bool shrinks = false;
    std::uint64_t shrink_runs = 2'000;
    reduction less;
    std::string table = std::string{COLLOQUY_TESTS_DIR} + "/sim/cpic-states.tsv";
};

int usage(int code) {
    std::fputs(
        "usage: colloquy_sim [--seed-from S] [--seeds N] [--verbose] [--keep-going] [--table FILE]\n"
        "                    [--scene NAME] [--set NAME=VALUE,...] [--without ACTION[-LAST],...]\n"
        "       colloquy_sim --shrink S [--runs N] ...\n"
        "Runs N seeds (COLLOQUY_SIM_SEEDS, else 300) from S (COLLOQUY_SEED, else 1). Exit 0 when all pass.\n"
        "  --shrink S  makes the failing seed S smaller, in at most N runs (2000), and prints the command that "
        "replays\n"
        "              what is left\n"
        "  --scene     plays that scene of each seed only: world, duplex\n"
        "  --set       something is not what the seed draws\n"
        "  --without   these actions are left out\n",
        code == 0 ? stdout : stderr);
    return code;
}

std::uint64_t playing = 0;

// Sanitizers say more of a crash than this could.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool tells_of_crashes = false;
#elif defined(__has_feature)
constexpr bool tells_of_crashes = !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer);
#else
constexpr bool tells_of_crashes = true;
#endif

// Not more than what must be known to play it again: the process is at its end.
extern "C" void tell_of_crash(int number) {
    std::fprintf(stderr, "seed %llu: crashed by signal %d\n", static_cast<unsigned long long>(playing), number);
    std::_Exit(3);
}

run_result play(std::uint64_t seed, const reduction& less, colloquy::sim::oracle& judge, bool verbose) {
    run_result result;
    playing = seed;
    try {
        if (less.plays("world")) {
            result.scene = "world";
            colloquy::sim::world w{seed, judge, less, verbose};
            const auto tell = [&] {
                result.drawn = w.drawn().all();
                result.actions = w.begun();
                result.count += w.count();
            };
            try {
                w.run();
            } catch (...) {
                tell();
                throw;
            }
            tell();
        }
        if ((seed % 3 == 0 && less.scene.empty()) || less.scene == "duplex") {
            result.scene = "duplex";
            colloquy::sim::run_duplex(seed, less, verbose, result);
        }
    } catch (const colloquy::sim::failure& f) {
        result.complaint = f.what();
    }
    return result;
}

std::string drawn_text(const run_result& r) {
    std::string text = r.scene + ":";
    for (const auto& d : r.drawn)
        if (d.value != d.plain) text += std::string{" "} + d.name + " " + std::to_string(d.value);
    return text;
}

std::string replay_of(const char* program, std::uint64_t seed, const reduction& less) {
    return std::string{program} + " --seed-from " + std::to_string(seed) + " --seeds 1" + less.arguments() +
           " --verbose";
}

int make_smaller(const options& o, const char* program, colloquy::sim::oracle& judge) {
    const auto again = [&](const reduction& less) { return play(o.from, less, judge, false); };
    const run_result first = again(o.less);
    if (first.complaint.empty()) {
        std::fprintf(stderr, "seed %llu passes\n", static_cast<unsigned long long>(o.from));
        return 2;
    }
    std::printf("%s\n", first.complaint.c_str());
    const reduction less = colloquy::sim::shrink(first, o.less, again, o.shrink_runs, [](const std::string& step) {
        std::printf("  %s\n", step.c_str());
        std::fflush(stdout);
    });
    const run_result last = again(less);
    std::printf("%s\n  drawn: %s\n  replay: %s\n", last.complaint.c_str(), drawn_text(last).c_str(),
                replay_of(program, o.from, less).c_str());
    return 1;
}

void report(const options& o, const colloquy::sim::tally& sum, std::uint64_t failed, double seconds) {
    const auto plain = [](std::uint64_t n) { return static_cast<unsigned long long>(n); };
    std::printf("faults:");
    for (std::size_t i = 0; i < sum.faults.size(); ++i)
        std::printf("%s %llu %s", i == 0 ? "" : ",", plain(sum.faults[i]), colloquy::sim::fault_names[i]);
    std::printf(
        "\n%llu seeds from %llu, %llu failed; %llu conversations, %llu accepted, %llu verbs (%llu refused), "
        "%llu completions, %.1f s\n",
        plain(o.seeds), plain(o.from), plain(failed), plain(sum.conversations), plain(sum.accepted), plain(sum.verbs),
        plain(sum.refused), plain(sum.completions), seconds);
}

}  // namespace

int main(int argc, char** argv) {
    options o;
    if (const char* s = std::getenv("COLLOQUY_SIM_SEEDS"); s != nullptr && !read_number(s, o.seeds)) return usage(2);
    if (const char* s = std::getenv("COLLOQUY_SEED"); s != nullptr && !read_number(s, o.from)) return usage(2);
    for (int i = 1; i < argc; ++i) {
        const std::string_view a = argv[i];
        const char* const value = i + 1 < argc ? argv[i + 1] : "";
        if (a == "--help") return usage(0);
        if (a == "--verbose") {
            o.verbose = true;
            continue;
        }
        if (a == "--keep-going") {
            o.keep_going = true;
            continue;
        }
        o.shrinks |= a == "--shrink";
        const bool good =
            ((a == "--seed-from" || a == "--shrink") && read_number(value, o.from)) ||
            (a == "--seeds" && read_number(value, o.seeds)) || (a == "--runs" && read_number(value, o.shrink_runs)) ||
            (a == "--set" && o.less.read_set(value)) || (a == "--without" && o.less.read_left_out(value)) ||
            (a == "--scene" && *value != 0) || (a == "--table" && *value != 0);
        if (!good) return usage(2);
        if (a == "--scene") o.less.scene = value;
        if (a == "--table") o.table = value;
        ++i;
    }
    if (tells_of_crashes)
        for (const int number : {SIGSEGV, SIGABRT, SIGFPE, SIGILL}) std::signal(number, &tell_of_crash);
    colloquy::sim::tally sum;
    std::uint64_t failed = 0;
    const auto began = std::chrono::steady_clock::now();
    try {
        colloquy::sim::oracle judge{o.table};
        if (o.shrinks) return make_smaller(o, argv[0], judge);
        for (std::uint64_t seed = o.from; seed - o.from < o.seeds; ++seed) {
            const run_result r = play(seed, o.less, judge, o.verbose);
            sum += r.count;
            if (r.complaint.empty()) continue;
            ++failed;
            std::fprintf(stderr, "seed %llu: %s\n  drawn: %s\n  replay: %s\n  smaller: %s --shrink %llu\n",
                         static_cast<unsigned long long>(seed), r.complaint.c_str(), drawn_text(r).c_str(),
                         replay_of(argv[0], seed, o.less).c_str(), argv[0], static_cast<unsigned long long>(seed));
            if (!o.keep_going) break;
        }
    } catch (const std::exception& e) {
        std::fprintf(stderr, "colloquy_sim: %s\n", e.what());
        return 2;
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    report(o, sum, failed, took.count());
    return failed == 0 ? 0 : 1;
}
