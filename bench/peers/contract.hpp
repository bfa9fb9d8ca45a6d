// contract: the command line and the JSON object that all programs of a comparison share.
//
//   peer_NAME --list                     what it can do, one JSON array of {"workload", "variant"}
//   peer_NAME WORKLOAD [options]         one run in two processes of this binary, one JSON object
//     --variant V                        as listed; the first one of the workload unless given
//     --conversations N                  at a time; 1000 (rtt1: always 1)
//     --size B                           bytes of a message; 64 (bulk: 32768)
//     --duration S --warmup S            seconds that are measured, and before; 2 and 0.5
//     --rate R                           open loop: transactions a second begun at their times, whatever has been
//                                        answered; latency counts from that time. 0: closed loop
//     --client-cpu C --server-cpu C      where each process is pinned; not pinned unless given
//
// Workloads: rtt1 (one conversation, request and reply), concurrent (N of them on one connection, or a connection each
// where the peer knows no other way), oneshot (a conversation for each request and reply, N in flight), links (a
// connection each), bulk (one way), idle (bytes of memory each), inproc (inside one process; no server).
#pragma once

#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "bench/peers/meter.hpp"

namespace peers {

struct options {
    std::string_view workload;
    std::string_view variant;
    std::size_t conversations = 1000;
    std::size_t size = 0;
    double duration_s = 2;
    double warmup_s = 0.5;
    double rate = 0;
    int client_cpu = -1;
    int server_cpu = -1;
};

// Where a server says that it listens: a port of 127.0.0.1.
class doorbell {
public:
    explicit doorbell(int pipe) : pipe_{pipe} {}
    void listening(std::uint16_t port) const {
        if (::write(pipe_, &port, sizeof port) != sizeof port) std::_Exit(1);
    }

private:
    int pipe_;
};

struct program {
    const char* workload;
    const char* variant;
    void (*serve)(const options&, const doorbell&);             // until it is killed; null: there is no server
    void (*ask)(const options&, std::uint16_t port, meter& m);  // until the meter says that the run is over
    bool paced = false;                                         // knows --rate
};

namespace detail {

[[noreturn]] inline void usage(std::string_view name, const char* why) {
    std::fprintf(stderr,
                 "%.*s: %s\nusage: %.*s --list | WORKLOAD [--variant V] [--conversations N] [--size B] [--duration S] "
                 "[--warmup S] [--rate R] [--client-cpu C] [--server-cpu C]\n",
                 static_cast<int>(name.size()), name.data(), why, static_cast<int>(name.size()), name.data());
    std::exit(2);
}

inline options parse(std::string_view name, int argc, char** argv) {
    options o;
    o.workload = argv[1];
    for (int i = 2; i < argc; i += 2) {
        const std::string_view key = argv[i];
        if (i + 1 == argc) usage(name, "a value is missing");
        const char* const text = argv[i + 1];
        const double value = std::strtod(text, nullptr);
        if (key != "--variant" && !(value >= 0)) usage(name, "a value is negative");
        if (key == "--variant")
            o.variant = text;
        else if (key == "--conversations")
            o.conversations = static_cast<std::size_t>(value);
        else if (key == "--size")
            o.size = static_cast<std::size_t>(value);
        else if (key == "--duration")
            o.duration_s = value;
        else if (key == "--warmup")
            o.warmup_s = value;
        else if (key == "--rate")
            o.rate = value;
        else if (key == "--client-cpu")
            o.client_cpu = static_cast<int>(value);
        else if (key == "--server-cpu")
            o.server_cpu = static_cast<int>(value);
        else
            usage(name, "an option is unknown");
    }
    if (o.workload == "rtt1") o.conversations = 1;
    if (o.size == 0) o.size = o.workload == "bulk" ? 32768 : 64;
    if (o.conversations == 0 || o.size < 16 || o.size > 65536 || o.duration_s <= 0) usage(name, "a value is too small");
    return o;
}

inline void pin(int cpu) {
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    sure(::sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
}

inline void allow_descriptors() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace detail

// The main of every peer.
inline int run(int argc, char** argv, const char* peer, std::span<const program> programs) {
    const std::string name = std::string{"peer_"} + peer;
    if (argc < 2) detail::usage(name, "a workload is missing");
    if (std::strcmp(argv[1], "--list") == 0) {
        std::fputs("[", stdout);
        for (const program& p : programs)
            std::printf("%s{\"workload\": \"%s\", \"variant\": \"%s\", \"paced\": %s}",
                        &p == programs.data() ? "" : ", ", p.workload, p.variant, p.paced ? "true" : "false");
        std::puts("]");
        return 0;
    }
    options o = detail::parse(name, argc, argv);
    const program* chosen = nullptr;
    for (const program& p : programs)
        if (chosen == nullptr && o.workload == p.workload && (o.variant.empty() || o.variant == p.variant)) chosen = &p;
    if (chosen == nullptr) detail::usage(name, "no such workload or variant (--list tells)");
    if (o.rate > 0 && !chosen->paced) detail::usage(name, "this variant knows no --rate");
    o.variant = chosen->variant;
    detail::allow_descriptors();
    ::signal(SIGPIPE, SIG_IGN);

    pid_t server = 0;
    std::uint16_t port = 0;
    if (chosen->serve != nullptr) {
        int pipe[2];
        sure(::pipe(pipe), "pipe");
        server = sure(::fork(), "fork");
        if (server == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a client that gives up takes its server along
            ::close(pipe[0]);
            detail::pin(o.server_cpu);
            chosen->serve(o, doorbell{pipe[1]});
            std::_Exit(0);
        }
        ::close(pipe[1]);
        if (::read(pipe[0], &port, sizeof port) != sizeof port) {
            std::fprintf(stderr, "%s: the server did not start\n", name.c_str());
            return 1;
        }
        ::close(pipe[0]);
    }
    detail::pin(o.client_cpu);
    const bool many = chosen->serve != nullptr && o.workload != "bulk";
    meter m{o.warmup_s, o.duration_s, many ? o.conversations : 1, server};
    chosen->ask(o, port, m);
    const std::string measured = m.json();
    if (server != 0) {
        ::kill(server, SIGKILL);
        int status = 0;
        ::waitpid(server, &status, 0);
    }
    if (measured.empty()) {
        std::fprintf(stderr, "%s: the run ended before it was measured\n", name.c_str());
        return 1;
    }
    std::printf(
        "{\"peer\": \"%s\", \"workload\": \"%s\", \"variant\": \"%s\", \"conversations\": %zu, \"size\": %zu, "
        "\"rate\": %.1f%s}\n",
        peer, chosen->workload, chosen->variant, o.conversations, o.size, o.rate, measured.c_str());
    std::fflush(stdout);
    std::_Exit(0);  // threads of the peer's own must not be waited for
}

}  // namespace peers
