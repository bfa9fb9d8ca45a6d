// canonical: the one workload that is quoted. 64-byte request and reply through the public API, two processes, loopback TCP, with
// bare sockets doing the same beside it in the same run.
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

#include "api/colloquy/colloquy.h"
#include "api/cpic.h"
#include "bench/raw_echo.hpp"

namespace {

struct settings {
    double duration_s = 12;  // of each workload, all rounds together
    int rounds = 5;
    std::size_t conversations = 1000;
    unsigned links = 1;
    unsigned reactors = 0;
    bool json = false;
};

constexpr CM_INT32 size_of_message = static_cast<CM_INT32>(raw_echo::message_bytes);

[[noreturn]] void fail(const char* what, CM_INT32 code) {
    std::fprintf(stderr, "canonical: %s answered %d: %s\n", what, static_cast<int>(code), clq_last_error());
    std::_Exit(1);
}
void sure(const char* what, CM_INT32 code) {
    if (code != CM_OK) fail(what, code);
}

struct talk {
    unsigned char id[8];
    std::uint64_t asked_ns;
    CM_INT32 data, length, status, rts;
    char buffer[raw_echo::message_bytes];
};

// From the eight opaque bytes to the program's own record, as any server has to.
class table {
public:
    explicit table(std::size_t count) {
        while (places_.size() < count * 2) places_.resize(places_.empty() ? 64 : places_.size() * 2);
    }
    void add(talk* t) {
        std::size_t i = slot_of(t->id);
        while (places_[i] != nullptr) i = (i + 1) & (places_.size() - 1);
        places_[i] = t;
    }
    talk* find(const unsigned char* id) const {
        std::size_t i = slot_of(id);
        while (places_[i] != nullptr && std::memcmp(places_[i]->id, id, 8) != 0) i = (i + 1) & (places_.size() - 1);
        return places_[i];
    }

private:
    std::size_t slot_of(const unsigned char* id) const {
        std::uint64_t v = 0;
        std::memcpy(&v, id, 8);
        return (v * 0x9E3779B97F4A7C15ULL >> 20) & (places_.size() - 1);
    }
    std::vector<talk*> places_;
};

void begin(const char* lu, const char* listen, const settings& s) {
    clq_options o{};
    o.size = sizeof o;
    o.config_file = "";
    o.lu_name = lu;
    o.listen = listen;
    o.conversations = static_cast<unsigned>(std::max<std::size_t>(s.conversations * 2, 1024));
    o.links = std::max(64U, s.links * 2);
    o.partner_links = s.links;
    o.reactors = s.reactors;
    if (clq_start(&o) != 0) fail("clq_start", -1);
}

CM_INT32 receive(talk& t) {
    CM_INT32 wanted = size_of_message, rc = 0;
    cmrcv(t.id, t.buffer, &wanted, &t.data, &t.length, &t.status, &t.rts, &rc);
    return rc;
}

// Answers until nothing more comes; false when the conversation has ended.
bool serve_one(talk& t, CM_INT32 rc) {
    while (rc == CM_OK) {
        CM_INT32 length = t.length, sent = 0;
        cmsend(t.id, t.buffer, &length, &t.rts, &sent);
        rc = sent == CM_OK ? receive(t) : sent;
    }
    if (rc == CM_OPERATION_INCOMPLETE) return true;
    if (rc == CM_DEALLOCATED_NORMAL || rc == CM_DEALLOCATED_ABEND || rc == CM_RESOURCE_FAILURE_RETRY) return false;
    fail("cmrcv", rc);
}

void serve(const settings& s, int port_pipe) {
    begin("BENCH.SERVER", "127.0.0.1:0", s);
    CM_INT32 rc = 0, length = 4, mode = CM_NON_BLOCKING;
    cmsltp("ECHO", &length, &rc);
    sure("cmsltp", rc);
    char address[64] = {};
    (void)clq_listening(0, address, sizeof address);
    if (::write(port_pipe, address, sizeof address) != sizeof address) std::_Exit(1);
    auto talks = std::make_unique<talk[]>(s.conversations);
    table known{s.conversations};
    std::size_t accepted = 0, ended = 0;
    unsigned char pending[8];
    bool accepting = false;
    const auto take = [&](const unsigned char* id) {
        talk& t = talks[accepted++];
        std::memcpy(t.id, id, 8);
        known.add(&t);
        cmspm(t.id, &mode, &rc);
        sure("cmspm", rc);
        if (!serve_one(t, receive(t))) ++ended;
    };
    while (ended < s.conversations) {
        while (!accepting && accepted < s.conversations) {
            cmaccp(pending, &rc);
            if (rc == CM_OPERATION_INCOMPLETE) accepting = true;
            else sure("cmaccp", rc), take(pending);
        }
        unsigned char id[8];
        CM_INT32 code = 0;
        cmwait(id, &code, &rc);
        if (rc != CM_OK) break;
        if (accepting && std::memcmp(id, pending, 8) == 0) {
            accepting = false;
            if (code != CM_OK) break;
            take(id);
        } else if (!serve_one(*known.find(id), code)) {
            ++ended;
        }
    }
    (void)clq_stop(1000);
}

void open_talk(talk& t, const char* destination, bool blocking) {
    CM_INT32 rc = 0, mode = CM_NON_BLOCKING;
    cminit(t.id, "        ", &rc);
    sure("cminit", rc);
    clq_set_destination(t.id, destination, &rc);
    sure("clq_set_destination", rc);
    cmallc(t.id, &rc);
    sure("cmallc", rc);
    if (!blocking) cmspm(t.id, &mode, &rc);
}

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
        serve(s, port[1]);
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
    std::fputs("usage: bench_canonical [--duration SECONDS] [--rounds N] [--conversations N] [--links N] [--reactors N] [--json]\n",
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
        if (name == "--duration") s.duration_s = value;
        else if (name == "--rounds") s.rounds = static_cast<int>(value);
        else if (name == "--conversations") s.conversations = static_cast<std::size_t>(value);
        else if (name == "--links") s.links = static_cast<unsigned>(value);
        else if (name == "--reactors") s.reactors = static_cast<unsigned>(value);
        else usage();
    }
    settings one = s;
    one.conversations = 1;
    one.links = 1;
    const auto raw = [](auto serve_with, auto ask_with) {
        return [=](double seconds) { return raw_echo::measure(seconds, 1, serve_with, ask_with).front(); };
    };
    // The bare multiplexer keeps every request in the socket buffers at once, so it stops at 2,000.
    const std::size_t beside = std::min<std::size_t>(s.conversations, 2000);
    std::vector<workload> all;
    all.push_back({"raw blocking socket, 1", nullptr, raw(&raw_echo::serve_blocking, &raw_echo::ask_blocking), {}, {}, {}});
    all.push_back({"colloquy blocking, 1", "raw blocking socket, 1",
                   [&](double t) { return measure_colloquy(one, t, true); }, {}, {}, {}});
    all.push_back({"raw epoll, a connection each", nullptr,
                   raw([=](int listener) { raw_echo::serve_epoll(listener, beside); },
                       [=](const sockaddr_in& where, raw_echo::stopwatch& w) { raw_echo::ask_epoll(where, beside, w); }),
                   {}, {}, {}});
    all.push_back({"raw multiplexer", nullptr,
                   raw(&raw_echo::serve_multiplexed,
                       [=](const sockaddr_in& where, raw_echo::stopwatch& w) { raw_echo::ask_multiplexed(where, beside, w); }),
                   {}, {}, {}});
    all.push_back({"colloquy cmwait", "raw multiplexer", [&](double t) { return measure_colloquy(s, t, false); }, {}, {}, {}});
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
    if (s.json) std::printf("{\"conversations\": %zu, \"links\": %u, \"reactors\": %u, \"rounds\": %d, \"workloads\": [",
                            s.conversations, s.links, s.reactors, s.rounds);
    else std::fprintf(stderr, "\r%60s\r", "");
    for (const workload& w : all) {
        const double rate = raw_echo::median(w.rate);
        const double ratio = w.beside == nullptr ? 1 : rate / raw_echo::median(named(w.beside).rate);
        if (s.json)
            std::printf("%s{\"name\": \"%s\", \"transactions_per_second\": %.0f, \"p50_us\": %.2f, \"p99_us\": %.2f, \"ratio\": %.3f}",
                        &w == &all.front() ? "" : ", ", w.name, rate, raw_echo::median(w.p50), raw_echo::median(w.p99), ratio);
        else if (w.beside == nullptr)
            std::printf("%-30s %12.0f /s   p50 %9.2f us   p99 %9.2f us\n", w.name, rate, raw_echo::median(w.p50),
                        raw_echo::median(w.p99));
        else
            std::printf("%-30s %12.0f /s   p50 %9.2f us   p99 %9.2f us   %.2f x %s\n", w.name, rate, raw_echo::median(w.p50),
                        raw_echo::median(w.p99), ratio, w.beside);
    }
    if (s.json) std::puts("]}");
    return 0;
}
