// canonical: the one workload that is quoted. 64-byte request and reply through the public API, two processes,
// loopback TCP, with bare sockets doing the same beside it in the same run.
//
// Usage: bench_canonical [--duration SECONDS] [--rounds N] [--conversations N] [--links N] [--reactors N] [--json]
// Rounds of all workloads are interleaved; medians are printed, and the ratio to the bare socket that is comparable.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bench/echo_programs.hpp"

namespace {

using namespace echo;

void ask(const settings& s, const char* destination, raw_echo::stopwatch& watch, bool blocking) {
    begin("BENCH.CLIENT", nullptr, s);
    auto talks = std::make_unique<talk[]>(s.conversations);
    table known{s.conversations};
    for (std::size_t i = 0; i < s.conversations; ++i) {
        open_talk(talks[i], destination, blocking);
        std::memset(talks[i].buffer, 'x', sizeof talks[i].buffer);
        known.add(&talks[i]);
    }
    bool more = true;
    std::uint64_t now = raw_echo::now_ns();
    const auto request = [&](talk& t) {
        CM_INT32 length = size_of_message, rc = 0;
        t.asked_ns = now;
        cmsend(t.id, t.buffer, &length, &t.rts, &rc);
        sure("cmsend", rc);
        return receive(t);
    };
    if (blocking) {
        while (more) {
            sure("cmrcv", request(talks[0]));
            const std::uint64_t then = now;
            now = raw_echo::now_ns();
            more = watch.add(now, now - then);
        }
    } else {
        for (std::size_t i = 0; i < s.conversations; ++i)
            if (const CM_INT32 rc = request(talks[i]); rc != CM_OPERATION_INCOMPLETE) fail("cmrcv", rc);
        std::uint32_t until_clock = 0;
        while (more) {
            unsigned char id[8];
            CM_INT32 code = 0, rc = 0;
            cmwait(id, &code, &rc);
            sure("cmwait", rc);
            // The clock is read once for sixteen answers: it would be a fifth of the work otherwise.
            if (until_clock++ % 16 == 0) now = raw_echo::now_ns();
            talk& t = *known.find(id);
            do {
                sure("the awaited cmrcv", code);
                more = watch.add(now, now - t.asked_ns) && more;
                code = request(t);
            } while (code != CM_OPERATION_INCOMPLETE);
        }
    }
    (void)clq_stop(1000);
}

// One round in two fresh processes.
raw_echo::round_result measure_colloquy(const settings& s, double seconds, bool blocking) {
    int port[2], answer[2];
    if (::pipe(port) != 0 || ::pipe(answer) != 0) raw_echo::die("pipe");
    const pid_t server = ::fork();
    if (server == 0) {
        serve(s, port[1], [] {});
        std::_Exit(0);
    }
    char destination[96] = {};
    if (::read(port[0], destination, 64) != 64) raw_echo::die("the server did not start");
    std::strcat(destination, "/ECHO");
    const pid_t client = ::fork();
    if (client == 0) {
        raw_echo::stopwatch watch{seconds, 1};
        ask(s, destination, watch, blocking);
        const raw_echo::round_result r = watch.results().front();
        if (::write(answer[1], &r, sizeof r) != sizeof r) std::_Exit(1);
        std::_Exit(0);
    }
    ::close(answer[1]);
    raw_echo::round_result r;
    const bool got = ::read(answer[0], &r, sizeof r) == sizeof r;
    int status = 0;
    ::waitpid(client, &status, 0);
    ::waitpid(server, &status, 0);
    for (const int fd : {port[0], port[1], answer[0]}) ::close(fd);
    if (!got) {
        std::fputs("canonical: the client gave no result\n", stderr);
        std::exit(1);
    }
    return r;
}

struct workload {
    const char* name;
    const char* beside;  // the bare socket it is compared with
    std::function<raw_echo::round_result(double)> run;
    std::vector<double> rate, p50, p99;
};

[[noreturn]] void usage() {
    std::fputs(
        "usage: bench_canonical [--duration SECONDS] [--rounds N] [--conversations N] [--links N] [--reactors N] "
        "[--json]\n",
        stderr);
    std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
    settings s;
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--json") {
            s.json = true;
            continue;
        }
        if (++i == argc) usage();
        const double value = std::strtod(argv[i], nullptr);
        if (value <= 0 && name != "--reactors") usage();
        if (name == "--duration")
            s.duration_s = value;
        else if (name == "--rounds")
            s.rounds = static_cast<int>(value);
        else if (name == "--conversations")
            s.conversations = static_cast<std::size_t>(value);
        else if (name == "--links")
            s.links = static_cast<unsigned>(value);
        else if (name == "--reactors")
            s.reactors = static_cast<unsigned>(value);
        else
            usage();
    }
    settings one = s;
    one.conversations = 1;
    one.links = 1;
    settings polling = one;
    polling.busy_poll_us = 1000;
    const auto raw = [](auto serve_with, auto ask_with) {
        return [=](double seconds) { return raw_echo::measure(seconds, 1, serve_with, ask_with).front(); };
    };
    // The bare multiplexer keeps every request in the socket buffers at once, so it stops at 2,000.
    const std::size_t beside = std::min<std::size_t>(s.conversations, 2000);
    std::vector<workload> all;
    all.push_back(
        {"raw blocking socket, 1", nullptr, raw(&raw_echo::serve_blocking, &raw_echo::ask_blocking), {}, {}, {}});
    all.push_back({"colloquy blocking, 1",
                   "raw blocking socket, 1",
                   [&](double t) { return measure_colloquy(one, t, true); },
                   {},
                   {},
                   {}});
    all.push_back({"colloquy blocking, 1, busy poll",
                   "raw blocking socket, 1",
                   [&](double t) { return measure_colloquy(polling, t, true); },
                   {},
                   {},
                   {}});
    all.push_back(
        {"raw epoll, a connection each",
         nullptr,
         raw([=](int listener) { raw_echo::serve_epoll(listener, beside); },
             [=](const sockaddr_in& where, raw_echo::stopwatch& w) { raw_echo::ask_epoll(where, beside, w); }),
         {},
         {},
         {}});
    all.push_back(
        {"raw multiplexer",
         nullptr,
         raw(&raw_echo::serve_multiplexed,
             [=](const sockaddr_in& where, raw_echo::stopwatch& w) { raw_echo::ask_multiplexed(where, beside, w); }),
         {},
         {},
         {}});
    all.push_back(
        {"colloquy cmwait", "raw multiplexer", [&](double t) { return measure_colloquy(s, t, false); }, {}, {}, {}});
    for (int round = 0; round < s.rounds; ++round)
        for (workload& w : all) {
            if (!s.json) std::fprintf(stderr, "\rround %d of %d: %-32s", round + 1, s.rounds, w.name);
            const raw_echo::round_result r = w.run(s.duration_s / s.rounds);
            w.rate.push_back(r.transactions_per_second);
            w.p50.push_back(r.p50_us);
            w.p99.push_back(r.p99_us);
        }
    const auto named = [&](std::string_view name) {
        return *std::find_if(all.begin(), all.end(), [&](const workload& w) { return name == w.name; });
    };
    if (s.json)
        std::printf("{\"conversations\": %zu, \"links\": %u, \"reactors\": %u, \"rounds\": %d, \"workloads\": [",
                    s.conversations, s.links, s.reactors, s.rounds);
    else
        std::fprintf(stderr, "\r%60s\r", "");
    for (const workload& w : all) {
        const double rate = raw_echo::median(w.rate);
        const double ratio = w.beside == nullptr ? 1 : rate / raw_echo::median(named(w.beside).rate);
        if (s.json)
            std::printf(
                "%s{\"name\": \"%s\", \"transactions_per_second\": %.0f, \"p50_us\": %.2f, \"p99_us\": %.2f, "
                "\"ratio\": %.3f}",
                &w == &all.front() ? "" : ", ", w.name, rate, raw_echo::median(w.p50), raw_echo::median(w.p99), ratio);
        else if (w.beside == nullptr)
            std::printf("%-32s %12.0f /s   p50 %9.2f us   p99 %9.2f us\n", w.name, rate, raw_echo::median(w.p50),
                        raw_echo::median(w.p99));
        else
            std::printf("%-32s %12.0f /s   p50 %9.2f us   p99 %9.2f us   %.2f x %s\n", w.name, rate,
                        raw_echo::median(w.p50), raw_echo::median(w.p99), ratio, w.beside);
    }
    if (s.json) std::puts("]}");
    return 0;
}
