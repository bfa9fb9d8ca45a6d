// path_cost: what a transaction takes, in counts that do not depend on the machine's speed or on what else it does.
//
// Both ends live in this process, on one thread, on a link of TCP, so that the order of things is the same in each run.
//
// Usage: bench_path_cost ROW [--transactions N] [--plant allocation|call|work] [--untraced] [--time VERB]
//   callbacks  64-byte requests and replies of 100 conversations, told by callbacks inside clq_dispatch
//   cmwait     the same, told by Wait_For_Conversation
//   cmwcmp     the same; those who ask wait for all of their queues at once, those who answer are told by callbacks
//   event      the same; those who ask share an event, look with cmchck and collect with cmwait
//   alone      one conversation, by callbacks
//   oneshot    a conversation for each request and reply, 100 in flight, by callbacks
//   idle       bytes of memory of a conversation that rests, both ends together
// Prints one JSON object: allocations and calls of the system within N transactions after warming up; -1 where the
// system does not let a process be traced. `--plant` puts something on the way of each transaction, to see it noticed.
// Nanoseconds of a processor a transaction are printed beside; `--time` measures those inside the calls of that name.
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/colloquy/colloquy.h"
#include "api/colloquy/event.h"
#include "api/cpic.h"
#include "api/wincpic.h"
#include "bench/counted_allocations.hpp"
#include "bench/peers/directory.hpp"
#include "bench/peers/meter.hpp"

namespace {

using peers::identifier;

constexpr std::size_t message_bytes = 64;
// A call that nobody else makes: it tells whoever traces us where counting begins and ends.
void mark() { (void)::syscall(SYS_getppid); }

[[noreturn]] void fail(const char* what, CM_INT32 code) {
    std::fprintf(stderr, "path_cost: %s answered %d: %s\n", what, static_cast<int>(code), clq_last_error());
    std::_Exit(1);
}
void must(const char* what, CM_INT32 code) {
    if (code != CM_OK) fail(what, code);
}

std::int64_t now_ns(clockid_t clock) {
    timespec t{};
    (void)::clock_gettime(clock, &t);
    return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

struct settings {
    std::string_view row;
    std::string_view plant;
    std::string_view timed;
    std::uint64_t transactions = 10'000;
    [[nodiscard]] bool once() const { return row == "oneshot"; }
    [[nodiscard]] bool idle() const { return row == "idle"; }
    [[nodiscard]] bool waits() const { return row == "cmwait"; }
    [[nodiscard]] bool queues() const { return row == "cmwcmp"; }
    [[nodiscard]] bool events() const { return row == "event"; }
    [[nodiscard]] std::size_t conversations() const { return row == "alone" ? 1 : idle() ? 10'000 : 100; }
    [[nodiscard]] std::uint64_t warming() const { return idle() ? 0 : 2'000; }
};

struct talk {
    identifier id;
    bool asks = false;
    enum { accepting, allocating, sending, receiving, ending } doing = accepting;
    CM_INT32 size = message_bytes, length = 0, data = 0, status = 0, rts = 0, rc = 0;
    char buffer[message_bytes] = {};
};

// Both ends.
class exchange {
public:
    explicit exchange(const settings& s) : s_{s}, known_{s.conversations() * 8 + 256} {}

    void run() {
        start();
        const std::int64_t before = peers::resident_bytes(::getpid());
        for (std::size_t i = 0; i < s_.conversations(); ++i) {
            talk& t = take();
            t.asks = true;
            go_on(t, open(t));
            while (s_.idle() && answered_ <= i) turn();
        }
        if (s_.idle()) {
            bytes_each_ = static_cast<double>(peers::resident_bytes(::getpid()) - before) /
                          static_cast<double>(s_.conversations());
            return;
        }
        while (answered_ < s_.warming()) turn();
        const std::uint64_t first = answered_;
        mark();
        const std::uint64_t allocated = allocations.load(std::memory_order_relaxed);
        inside_ns_ = 0;
        const std::int64_t begun = now_ns(CLOCK_PROCESS_CPUTIME_ID);
        while (answered_ < first + s_.transactions) turn();
        processor_ns_ = now_ns(CLOCK_PROCESS_CPUTIME_ID) - begun;
        allocated_ = allocations.load(std::memory_order_relaxed) - allocated;
        mark();
        counted_ = answered_ - first;
    }

    [[nodiscard]] std::uint64_t answered() const { return answered_; }  // warming up included
    [[nodiscard]] std::uint64_t counted() const { return counted_; }
    [[nodiscard]] std::uint64_t allocated() const { return allocated_; }
    [[nodiscard]] double bytes_each() const { return bytes_each_; }
    // Of a processor, for one transaction: all of it, and inside the calls that are timed.
    [[nodiscard]] double ns_each() const { return each(processor_ns_); }
    [[nodiscard]] double inside_ns_each() const { return each(inside_ns_); }

private:
    [[nodiscard]] double each(std::int64_t ns) const {
        return counted_ == 0 ? 0 : static_cast<double>(ns) / static_cast<double>(counted_);
    }
    // One call of the library. The clock's own time is taken off; a call in whose middle another job ran is left out.
    template <class Call>
    void verb(std::string_view name, Call&& call) {
        constexpr std::int64_t interrupted_ns = 500'000;
        if (name != s_.timed) return call();
        const std::int64_t before = now_ns(CLOCK_MONOTONIC);
        const std::int64_t begun = now_ns(CLOCK_MONOTONIC);
        call();
        const std::int64_t ended = now_ns(CLOCK_MONOTONIC);
        if (ended - before < interrupted_ns) inside_ns_ += ended - begun - (begun - before);
    }
    static void COLLOQUY_CALL completed(void* self, const clq_completion* c) {
        static_cast<exchange*>(self)->advance(*static_cast<talk*>(c->id_memory), c->return_code);
    }

    void start() {
        clq_options o{};
        o.size = sizeof o;
        o.config_file = "";
        o.lu_name = "BENCH.PATH";
        o.listen = "127.0.0.1:0";
        o.conversations = static_cast<unsigned>(s_.conversations() * 8 + 1024);
        o.no_threads = 1;
        o.tp_names = "ECHO";
        if (clq_start(&o) != 0) fail("clq_start", -1);
        char address[64] = {};
        if (clq_listening(0, address, sizeof address) != 0) fail("clq_listening", -1);
        destination_ = std::string{address} + "/ECHO";
        CM_INT32 rc = 0, length = 4;
        cmsltp("ECHO", &length, &rc);
        must("cmsltp", rc);
        if (!s_.waits()) {
            clq_set_callback(nullptr, &completed, this, &rc);
            must("clq_set_callback", rc);
        }
        if (s_.events() && (event_ = clq_event_create(0, 0)) == nullptr) fail("clq_event_create", -1);
        // Answers of a batch may leave together, because a loop is there to come back to.
        if (clq_wait_handle() == CLQ_NO_HANDLE) fail("clq_wait_handle", -1);
        (void)clq_next_timeout_ns();
        accept_next();
    }

    // One look at what there is.
    void turn() {
        if (s_.waits()) {
            return collect();
        }
        if (s_.queues() && !oids_.empty()) {
            const auto count = static_cast<CM_INT32>(oids_.size());
            const CM_INT32 for_ever = -1;
            CM_INT32 found = 0, rc = 0;
            verb("cmwcmp",
                 [&] { cmwcmp(oids_.data(), &count, &for_ever, places_.data(), &found, fields_.data(), &rc); });
            must("cmwcmp", rc);
            for (CM_INT32 i = 0; i < found; ++i) {
                talk& t = *fields_[static_cast<std::size_t>(i)];
                go_on(t, t.rc);
            }
            return;
        }
        const std::int64_t ns = clq_next_timeout_ns();
        pollfd p{clq_wait_handle(), POLLIN, 0};
        const timespec limit{ns / 1'000'000'000, ns % 1'000'000'000};
        if (ns != 0 && ::ppoll(&p, 1, ns < 0 ? nullptr : &limit, nullptr) < 0 && errno != EINTR) fail("ppoll", errno);
        (void)clq_dispatch();
        if (!s_.events() || clq_event_wait(event_, 0) != 0) return;
        for (;;) {
            identifier id;
            CM_INT32 code = 0, rc = 0;
            verb("cmchck", [&] { cmchck(id.bytes, &code, &rc); });
            if (rc == CM_UNSUCCESSFUL || rc == CM_PROGRAM_STATE_CHECK) return;
            must("cmchck", rc);
            collect();
        }
    }

    void collect() {
        identifier id;
        CM_INT32 code = 0, rc = 0;
        verb("cmwait", [&] { cmwait(id.bytes, &code, &rc); });
        must("cmwait", rc);
        advance(*known_.find(id), code);
    }

    void advance(talk& t, CM_INT32 code) {
        if (t.doing != talk::accepting) return go_on(t, code);
        must("an accept", code);
        begin_accepted(t);
        accept_next();
    }
    void accept_next() {
        for (;;) {
            talk& t = take();
            t.asks = false;
            t.doing = talk::accepting;
            verb("cmaccp", [&] { cmaccp(t.id.bytes, &t.rc); });
            if (s_.waits()) known_.add(&t);
            if (t.rc == CM_OPERATION_INCOMPLETE) return;
            must("cmaccp", t.rc);
            begin_accepted(t);
        }
    }
    // The accept was known by the identifier that the conversation has now.
    void begin_accepted(talk& t) {
        set_non_blocking(t);
        go_on(t, receive(t));
    }

    static void set_non_blocking(talk& t) {
        CM_INT32 mode = CM_NON_BLOCKING;
        cmspm(t.id.bytes, &mode, &t.rc);
        must("cmspm", t.rc);
    }
    CM_INT32 open(talk& t) {
        verb("cminit", [&] { cminit(t.id.bytes, "        ", &t.rc); });
        must("cminit", t.rc);
        verb("clq_set_destination", [&] { clq_set_destination(t.id.bytes, destination_.c_str(), &t.rc); });
        must("clq_set_destination", t.rc);
        if (!s_.queues()) set_non_blocking(t);
        if (s_.waits() || s_.events()) known_.add(&t);
        t.doing = talk::allocating;
        verb("cmallc", [&] { cmallc(t.id.bytes, &t.rc); });
        if (s_.queues()) {
            must("cmallc", t.rc);
            CM_INT32 queue = CM_SEND_RECEIVE_QUEUE, mode = CM_NON_BLOCKING, rc = 0;
            talk* const self = &t;
            cmsqpm(t.id.bytes, &queue, &mode, &self, &oids_.emplace_back(), &rc);
            must("cmsqpm", rc);
            places_.resize(oids_.size());
            fields_.resize(oids_.size());
        }
        return t.rc;
    }
    void set_event(talk& t) {
        CM_INT32 rc = 0;
        WinCPICSetEvent(t.id.bytes, &event_, &rc);
        must("WinCPICSetEvent", rc);
    }
    CM_INT32 send(talk& t) {
        t.doing = talk::sending;
        if (!t.asks && s_.once()) {
            CM_INT32 type = CM_SEND_AND_DEALLOCATE;
            cmsst(t.id.bytes, &type, &t.rc);
            must("cmsst", t.rc);
            t.doing = talk::ending;
        }
        verb("cmsend", [&] { cmsend(t.id.bytes, t.buffer, &t.size, &t.rts, &t.rc); });
        return t.rc;
    }
    CM_INT32 receive(talk& t) {
        t.doing = talk::receiving;
        verb("cmrcv", [&] { cmrcv(t.id.bytes, t.buffer, &t.size, &t.data, &t.length, &t.status, &t.rts, &t.rc); });
        return t.rc;
    }

    void go_on(talk& t, CM_INT32 code) {
        while (code != CM_OPERATION_INCOMPLETE) {
            const bool ended = t.doing == talk::ending || (t.doing == talk::receiving && code == CM_DEALLOCATED_NORMAL);
            if (code != CM_OK && !ended) fail("a call", code);
            if (t.asks && t.doing == talk::receiving) {
                if (t.length != t.size) fail("cmrcv", code);
                ++answered_;
                plant();
                if (s_.idle()) return;
                code = s_.once() ? open(t) : send(t);
                continue;
            }
            if (ended) {
                spare_.push_back(&t);
                return;
            }
            // Before it had a link the conversation completed by a callback.
            if (s_.events() && t.asks && t.doing == talk::allocating) set_event(t);
            const bool speaks = t.asks ? t.doing == talk::allocating : t.doing == talk::receiving;
            code = speaks ? send(t) : receive(t);
        }
    }

    void plant() {
        if (s_.plant.empty()) return;
        if (s_.plant == "allocation") std::free(std::malloc(answered_ % 64 + 1));
        if (s_.plant == "call") (void)::syscall(SYS_getuid);
        if (s_.plant == "work")
            for (int i = 0; i < 500; ++i) asm volatile("" ::"r"(i));
    }

    talk& take() {
        if (spare_.empty()) {
            all_.push_back(std::make_unique<talk>());
            return *all_.back();
        }
        talk& t = *spare_.back();
        spare_.pop_back();
        return t;
    }

    const settings& s_;
    std::string destination_;
    peers::directory<talk> known_;
    std::vector<std::unique_ptr<talk>> all_;
    std::vector<talk*> spare_;
    std::uint64_t answered_ = 0, counted_ = 0, allocated_ = 0;
    double bytes_each_ = 0;
    std::int64_t processor_ns_ = 0, inside_ns_ = 0;
    void* event_ = nullptr;
    std::vector<CM_INT32> oids_;
    std::vector<CM_INT32> places_;
    std::vector<talk*> fields_;
};

void measure(const settings& s) {
    exchange e{s};
    e.run();
    std::printf(
        "{\"row\": \"%.*s\", \"transactions\": %llu, \"allocations\": %llu, \"bytes_each\": %.1f, "
        "\"answered\": %llu, \"ns\": %.1f, \"inside_ns\": %.1f, \"compiler\": \"%s\"",
        static_cast<int>(s.row.size()), s.row.data(), static_cast<unsigned long long>(e.counted()),
        static_cast<unsigned long long>(e.allocated()), e.bytes_each(), static_cast<unsigned long long>(e.answered()),
        e.ns_each(), e.inside_ns_each(), __VERSION__);
    std::fflush(stdout);
}

// Runs `measure` in a child and counts its calls of the system between its marks; -1 when we may not.
long long traced(const settings& s) {
    const pid_t child = peers::sure(::fork(), "fork");
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        const bool seen = ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) == 0;
        if (seen) ::raise(SIGSTOP);
        measure(s);
        std::_Exit(seen ? 0 : 3);
    }
    bool counting = false, entering = true, stopped = false;
    long long calls = 0;
    for (;;) {
        int status = 0;
        peers::sure(::waitpid(child, &status, 0), "waitpid");
        if (WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 1)) std::exit(1);
        if (WIFEXITED(status)) return WEXITSTATUS(status) == 3 ? -1 : calls;
        long signal = WSTOPSIG(status);
        if (!stopped) {
            stopped = true;
            signal = 0;
            (void)::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
        } else if (signal == (SIGTRAP | 0x80)) {
            signal = 0;
            if (entering) {
                __ptrace_syscall_info info{};
                (void)::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info);
                if (info.entry.nr == SYS_getppid)
                    counting = !counting;
                else
                    calls += counting;
            }
            entering = !entering;
        }
        (void)::ptrace(PTRACE_SYSCALL, child, nullptr, signal);
    }
}

[[noreturn]] void usage() {
    std::fputs(
        "usage: bench_path_cost callbacks|cmwait|cmwcmp|event|alone|oneshot|idle [--transactions N] "
        "[--plant allocation|call|work] [--untraced] [--time VERB]\n",
        stderr);
    std::exit(2);
}

}  // namespace

int main(int argc, char** argv) {
    settings s;
    if (argc < 2) usage();
    s.row = argv[1];
    bool untraced = false;
    constexpr std::string_view rows[] = {"callbacks", "cmwait", "cmwcmp", "event", "alone", "oneshot", "idle"};
    if (std::find(std::begin(rows), std::end(rows), s.row) == std::end(rows)) usage();
    for (int i = 2; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (name == "--untraced") {
            untraced = true;
            continue;
        }
        if (++i == argc) usage();
        if (name == "--transactions")
            s.transactions = std::strtoull(argv[i], nullptr, 10);
        else if (name == "--plant")
            s.plant = argv[i];
        else if (name == "--time")
            s.timed = argv[i];
        else
            usage();
    }
    // Huge pages would be counted whole at their first touch.
    (void)::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    // Whoever counts instructions wants the one process.
    if (untraced) {
        measure(s);
        std::puts("}");
        std::fflush(stdout);
        std::_Exit(0);  // what is open would be told of its end
    }
    const long long calls = traced(s);
    std::printf(", \"system_calls\": %lld}\n", calls);
    return 0;
}
