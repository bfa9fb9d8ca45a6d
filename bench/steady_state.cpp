// steady_state: what the way of a transaction allocates, and what an idle conversation occupies. Counts, no times.
//
// Usage: bench_steady_state allocations [--conversations N] [--transactions N]
//        bench_steady_state idle [--conversations N]
// Prints one JSON object. `allocations` exits with 1 unless both ends allocate nothing after warming up.
#include <sys/prctl.h>
#include <sys/wait.h>

#include <string_view>

#include "bench/counted_allocations.hpp"
#include "bench/echo_programs.hpp"

namespace {

using namespace echo;

struct report {
    std::uint64_t transactions = 0;
    std::uint64_t allocations = 0;
    std::uint64_t bytes_before = 0;
    std::uint64_t bytes_after = 0;
};

// Bytes of this process that are backed by memory.
std::uint64_t resident_bytes() {
    std::FILE* f = std::fopen("/proc/self/statm", "r");
    unsigned long long total = 0, resident = 0;
    if (f == nullptr || std::fscanf(f, "%llu %llu", &total, &resident) != 2) std::_Exit(1);
    std::fclose(f);
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void send_report(int pipe, const report& r) {
    if (::write(pipe, &r, sizeof r) != sizeof r) std::_Exit(1);
}

// Counts what happens between two numbers of requests.
struct watch {
    std::uint64_t from, to, seen = 0;
    report r;
    void operator()() {
        ++seen;
        if (seen == from) r.allocations = allocations.load(std::memory_order_relaxed);
        if (seen == to) {
            r.allocations = allocations.load(std::memory_order_relaxed) - r.allocations;
            r.transactions = to - from;
        }
    }
};

void ask(const settings& s, const char* destination, watch& w) {
    begin("BENCH.CLIENT", nullptr, s);
    auto talks = std::make_unique<talk[]>(s.conversations);
    table known{s.conversations};
    const auto request = [&](talk& t) {
        CM_INT32 length = size_of_message, rc = 0;
        cmsend(t.id, t.buffer, &length, &t.rts, &rc);
        sure("cmsend", rc);
        return receive(t);
    };
    w.r.bytes_before = resident_bytes();
    for (std::size_t i = 0; i < s.conversations; ++i) {
        open_talk(talks[i], destination, false);
        std::memset(talks[i].buffer, 'x', sizeof talks[i].buffer);
        known.add(&talks[i]);
        (void)request(talks[i]);
    }
    std::size_t idle = 0;
    while (idle < s.conversations) {
        unsigned char id[8];
        CM_INT32 code = 0, rc = 0;
        cmwait(id, &code, &rc);
        sure("cmwait", rc);
        talk& t = *known.find(id);
        do {
            sure("the awaited cmrcv", code);
            w();
            if (w.seen + s.conversations > w.to) {
                ++idle;  // this one has had its last answer
                break;
            }
            code = request(t);
        } while (code != CM_OPERATION_INCOMPLETE);
    }
    w.r.bytes_after = resident_bytes();
}

[[noreturn]] void usage() {
    std::fputs("usage: bench_steady_state allocations|idle [--conversations N] [--transactions N]\n", stderr);
    std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
    settings s;
    s.conversations = 100;
    std::uint64_t transactions = 100'000;
    if (argc < 2) usage();
    const std::string_view mode = argv[1];
    const bool idle = mode == "idle";
    if (!idle && mode != "allocations") usage();
    for (int i = 2; i < argc; i += 2) {
        const std::string_view name = argv[i];
        if (i + 1 == argc) usage();
        const long long value = std::atoll(argv[i + 1]);
        if (value < 1) usage();
        if (name == "--conversations")
            s.conversations = static_cast<std::size_t>(value);
        else if (name == "--transactions")
            transactions = static_cast<std::uint64_t>(value);
        else
            usage();
    }
    const std::uint64_t warm = std::max<std::uint64_t>(20'000, s.conversations * 4);
    const std::uint64_t most = idle ? s.conversations : warm + transactions;
    // Huge pages would be counted whole at their first touch.
    (void)::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    int port[2], answer[2];
    if (::pipe(port) != 0 || ::pipe(answer) != 0) raw_echo::die("pipe");
    const pid_t server = ::fork();
    if (server == 0) {
        watch w{warm, warm + transactions - 2 * s.conversations, 0, {}};
        std::uint64_t before = 0;
        serve(s, port[1], [&] {
            if (w.seen == 0) before = resident_bytes();
            w();
            // Every conversation has been served once and waits for its next request.
            if (idle && w.seen == s.conversations) w.r.bytes_after = resident_bytes();
        });
        w.r.bytes_before = before;
        send_report(answer[1], w.r);
        std::_Exit(0);
    }
    char destination[96] = {};
    if (::read(port[0], destination, 64) != 64) raw_echo::die("the server did not start");
    std::strcat(destination, "/ECHO");
    const pid_t client = ::fork();
    if (client == 0) {
        watch w{warm, most, 0, {}};
        ask(s, destination, w);
        send_report(answer[1], w.r);
        std::exit(0);  // ends its conversations, which ends the server
    }
    report client_report, server_report;
    if (::read(answer[0], &client_report, sizeof client_report) != sizeof client_report) return 1;
    if (::read(answer[0], &server_report, sizeof server_report) != sizeof server_report) return 1;
    int status = 0;
    ::waitpid(client, &status, 0);
    ::waitpid(server, &status, 0);
    if (idle) {
        const auto each = [&](const report& r) {
            return static_cast<double>(r.bytes_after - r.bytes_before) / static_cast<double>(s.conversations);
        };
        std::printf(
            "{\"conversations\": %zu, \"client_bytes_each\": %.1f, \"server_bytes_each\": %.1f, "
            "\"planned_bytes_each\": "
            "%llu}\n",
            s.conversations, each(client_report), each(server_report), clq_idle_conversation_bytes());
        return 0;
    }
    std::printf(
        "{\"conversations\": %zu, \"client_transactions\": %llu, \"client_allocations\": %llu, "
        "\"server_transactions\": "
        "%llu, \"server_allocations\": %llu}\n",
        s.conversations, static_cast<unsigned long long>(client_report.transactions),
        static_cast<unsigned long long>(client_report.allocations),
        static_cast<unsigned long long>(server_report.transactions),
        static_cast<unsigned long long>(server_report.allocations));
    const bool counted = client_report.transactions != 0 && server_report.transactions != 0;
    return counted && client_report.allocations == 0 && server_report.allocations == 0 ? 0 : 1;
}
