// raw_baselines: measures the bare-socket exchanges of raw_echo.hpp and prints one JSON array.
//
// Usage: bench_raw_baselines [--duration SECONDS] [--rounds N] [--conversations N] [--only NAME]
// Each baseline warms up first; what is printed is the median of its rounds.
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "bench/raw_echo.hpp"

namespace {

struct settings {
    double duration_s = 6;  // of each baseline, without warming up
    int rounds = 5;
    std::size_t conversations = 1000;
    std::string_view only;
};

[[noreturn]] void usage() {
    std::fputs("usage: bench_raw_baselines [--duration SECONDS] [--rounds N] [--conversations N] "
               "[--only blocking_round_trip|epoll_connections|multiplexed]\n",
               stderr);
    std::exit(2);
}

settings parse(int argc, char** argv) {
    settings s;
    for (int i = 1; i < argc; i += 2) {
        const std::string_view name = argv[i];
        if (i + 1 == argc) {
            usage();
        }
        const char* const value = argv[i + 1];
        if (name == "--duration") {
            s.duration_s = std::strtod(value, nullptr);
        } else if (name == "--rounds") {
            s.rounds = std::atoi(value);
        } else if (name == "--conversations") {
            s.conversations = std::strtoul(value, nullptr, 10);
        } else if (name == "--only") {
            s.only = value;
        } else {
            usage();
        }
    }
    // More conversations than this would not fit the socket buffers of the multiplexed client at once.
    if (!(s.duration_s > 0) || s.rounds < 1 || s.conversations < 1 || s.conversations > 2000) {
        usage();
    }
    return s;
}

// Both processes hold one descriptor a connection.
void allow_descriptors(std::size_t connections) {
    rlimit limit{};
    raw_echo::sure(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit");
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, std::max<rlim_t>(limit.rlim_cur, connections + 64));
    raw_echo::sure(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit");
}

}  // namespace

int main(int argc, char** argv) {
    const settings s = parse(argc, argv);
    allow_descriptors(s.conversations);
    bool first = true;
    const auto report = [&](const char* name, std::size_t conversations, std::size_t connections, auto serve,
                            auto ask) {
        if (!s.only.empty() && s.only != name) {
            return;
        }
        std::fprintf(stderr, "%s: %.1f s\n", name, s.duration_s);
        const auto rounds = raw_echo::measure(s.duration_s, s.rounds, serve, ask);
        std::vector<double> rates;
        std::vector<double> p50;
        std::vector<double> p99;
        for (const raw_echo::round_result& r : rounds) {
            rates.push_back(r.transactions_per_second);
            p50.push_back(r.p50_us);
            p99.push_back(r.p99_us);
        }
        std::printf("%s\n  {\"name\": \"%s\", \"conversations\": %zu, \"connections\": %zu, \"message_bytes\": %zu, "
                    "\"rounds\": %zu, \"transactions_per_second\": %.0f, \"transactions_per_second_min\": %.0f, "
                    "\"transactions_per_second_max\": %.0f, \"p50_us\": %.2f, \"p99_us\": %.2f}",
                    first ? "[" : ",", name, conversations, connections, raw_echo::message_bytes, rounds.size(),
                    raw_echo::median(rates), *std::min_element(rates.begin(), rates.end()),
                    *std::max_element(rates.begin(), rates.end()), raw_echo::median(p50), raw_echo::median(p99));
        std::fflush(stdout);  // or the next fork would take the text along
        first = false;
    };

    report("blocking_round_trip", 1, 1, &raw_echo::serve_blocking, &raw_echo::ask_blocking);
    report("epoll_connections", s.conversations, s.conversations,
           [&](int listener) { raw_echo::serve_epoll(listener, s.conversations); },
           [&](const sockaddr_in& where, raw_echo::stopwatch& watch) {
               raw_echo::ask_epoll(where, s.conversations, watch);
           });
    report("multiplexed", s.conversations, 1, &raw_echo::serve_multiplexed,
           [&](const sockaddr_in& where, raw_echo::stopwatch& watch) {
               raw_echo::ask_multiplexed(where, s.conversations, watch);
           });
    if (first) {
        usage();
    }
    std::puts("\n]");
    return 0;
}
