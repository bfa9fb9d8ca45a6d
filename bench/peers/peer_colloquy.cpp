// peer_colloquy: Colloquy through its public API. A variant is the way in which a program hears of completions.
//
//   drive     no thread of the library's: the program's own loop waits for the handle and dispatches, by callbacks
//   spin      the same loop without waiting
//   cmwait    the program's thread lives in Wait_For_Conversation
//   pool      the same with a reactor of its own, so that one thread moves bytes and another one works
//   event     one event for all conversations, then cmwait for each that is done
//   cmwcmp    conversations at queue level, all waited for together
//   coroutine a coroutine for each conversation at both ends, in the loop of `drive`
//   blocking  one call after another
// Servers of `event` and `cmwcmp` are those of `cmwait`.
#include <poll.h>

#include <array>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "api/colloquy/colloquy.h"
#include "api/colloquy/colloquy.hpp"
#include "api/colloquy/event.h"
#include "api/cpic.h"
#include "api/wincpic.h"
#include "bench/peers/contract.hpp"
#include "bench/peers/directory.hpp"
#include "bench/peers/pacer.hpp"

namespace {

using namespace peers;

constexpr CM_INT32 record_max = 32767;

[[noreturn]] void fail(const char* what, CM_INT32 code) {
    std::fprintf(stderr, "peer_colloquy: %s answered %d: %s\n", what, static_cast<int>(code), clq_last_error());
    std::_Exit(1);
}
void must(const char* what, CM_INT32 code) {
    if (code != CM_OK) fail(what, code);
}

void begin(const options& o, const char* lu, bool listens) {
    const bool own_loop =
        o.variant == "drive" || o.variant == "spin" || o.variant == "one-thread" || o.variant == "coroutine";
    const unsigned links = o.workload == "links" ? static_cast<unsigned>(o.conversations) : 1;
    clq_options settings{};
    settings.size = sizeof settings;
    settings.config_file = "";
    settings.lu_name = lu;
    settings.listen = listens ? "127.0.0.1:0" : nullptr;
    // The channel of a conversation that we ended is in use until the partner has said so.
    settings.conversations = static_cast<unsigned>(o.conversations * (o.workload == "oneshot" ? 4 : 1) + 1024);
    settings.links = links + 64;
    settings.partner_links = links;
    settings.reactors = o.variant == "pool" ? 1 : 0;
    settings.no_threads = own_loop ? 1 : 0;
    settings.tp_names = listens ? "ECHO" : nullptr;
    if (clq_start(&settings) != 0) fail("clq_start", -1);
}

void count_calls(meter& m) {
    m.count_also("writes", [] { return std::uint64_t{clq_counter("writes")}; });
    m.count_also("reads", [] { return std::uint64_t{clq_counter("reads")}; });
}

void ring(const doorbell& bell) {
    char address[64] = {};
    if (clq_listening(0, address, sizeof address) != 0) fail("clq_listening", -1);
    bell.listening(static_cast<std::uint16_t>(std::atoi(std::strrchr(address, ':') + 1)));
}

// One conversation. The identifier comes first, so that the address that comes with a completion is that of all this.
struct talk {
    identifier id;
    enum { accepting, allocating, sending, receiving, ending } doing = accepting;
    CM_INT32 size = 0, length = 0, data = 0, status = 0, rts = 0, rc = 0;
    std::uint64_t asked = 0;
    std::unique_ptr<char[]> buffer;

    void prepare(std::size_t bytes) {
        size = static_cast<CM_INT32>(bytes);
        buffer = std::make_unique<char[]>(bytes);
        std::memset(buffer.get(), 'x', bytes);
    }
    CM_INT32 send() {
        doing = sending;
        cmsend(id.bytes, buffer.get(), &size, &rts, &rc);
        return rc;
    }
    CM_INT32 receive() {
        doing = receiving;
        cmrcv(id.bytes, buffer.get(), &size, &data, &length, &status, &rts, &rc);
        return rc;
    }
    CM_INT32 set_non_blocking() {
        CM_INT32 mode = CM_NON_BLOCKING, code = 0;
        cmspm(id.bytes, &mode, &code);
        return code;
    }
};

// Waits until the library has something to do, at most so long, and lets it.
void turn(bool waits, std::int64_t at_most_ns) {
    if (waits) {
        std::int64_t ns = clq_next_timeout_ns();
        if (ns < 0 || (at_most_ns >= 0 && at_most_ns < ns)) ns = at_most_ns;
        pollfd p{clq_wait_handle(), POLLIN, 0};
        const timespec limit{ns / 1'000'000'000, ns % 1'000'000'000};
        if (ns != 0 && ::ppoll(&p, 1, ns < 0 ? nullptr : &limit, nullptr) < 0 && errno != EINTR) die("ppoll");
    }
    (void)clq_dispatch();
}

// --- the server -------------------------------------------------------------------------------------------------

class echo_server {
public:
    explicit echo_server(const options& o)
        : once_{o.workload == "oneshot"},
          by_callback_{o.variant == "drive" || o.variant == "spin"},
          o_{o},
          known_{o.conversations * 4 + 1024} {}

    void run(const doorbell& bell) {
        begin(o_, "BENCH.SERVER", true);
        CM_INT32 rc = 0, length = 4;
        cmsltp("ECHO", &length, &rc);
        must("cmsltp", rc);
        if (by_callback_) {
            clq_set_callback(nullptr, &completed, this, &rc);
            must("clq_set_callback", rc);
        }
        for (int i = 0; i < (by_callback_ ? 64 : 1); ++i) accept_next();
        ring(bell);
        for (;;) {
            if (by_callback_) {
                turn(o_.variant != "spin", -1);
                continue;
            }
            identifier id;
            CM_INT32 code = 0;
            cmwait(id.bytes, &code, &rc);
            must("cmwait", rc);
            advance(*known_.find(id), code);
        }
    }

private:
    static void COLLOQUY_CALL completed(void* self, const clq_completion* c) {
        static_cast<echo_server*>(self)->advance(*static_cast<talk*>(c->id_memory), c->return_code);
    }

    void advance(talk& t, CM_INT32 code) {
        if (t.doing != talk::accepting) return go_on(t, code);
        if (!by_callback_) known_.remove(t.id);
        must("an accept", code);
        begin_one(t);
        accept_next();
    }
    void accept_next() {
        for (;;) {
            talk& t = take();
            t.doing = talk::accepting;
            cmaccp(t.id.bytes, &t.rc);
            if (t.rc == CM_OPERATION_INCOMPLETE) {
                if (!by_callback_) known_.add(&t);
                return;
            }
            must("cmaccp", t.rc);
            begin_one(t);
        }
    }
    void begin_one(talk& t) {
        if (!by_callback_) known_.add(&t);
        must("cmspm", t.set_non_blocking());
        go_on(t, t.receive());
    }
    void go_on(talk& t, CM_INT32 code) {
        while (code == CM_OK) {
            if (t.doing == talk::ending) break;
            if (t.doing == talk::sending) {
                code = t.receive();
                continue;
            }
            if (once_) {
                CM_INT32 type = CM_SEND_AND_DEALLOCATE, rc = 0;
                cmsst(t.id.bytes, &type, &rc);
                must("cmsst", rc);
            }
            code = t.send();
            if (once_) t.doing = talk::ending;
        }
        if (code == CM_OPERATION_INCOMPLETE) return;
        if (code != CM_OK && code != CM_DEALLOCATED_NORMAL) fail("a call of the server", code);
        if (!by_callback_) known_.remove(t.id);
        spare_.push_back(&t);
    }
    talk& take() {
        if (spare_.empty()) {
            all_.push_back(std::make_unique<talk>());
            all_.back()->prepare(o_.size);
            return *all_.back();
        }
        talk& t = *spare_.back();
        spare_.pop_back();
        return t;
    }

    bool once_;
    bool by_callback_;
    const options& o_;
    directory<talk> known_;
    std::vector<std::unique_ptr<talk>> all_;
    std::vector<talk*> spare_;
};

void serve(const options& o, const doorbell& bell) { echo_server{o}.run(bell); }

// --- the client -------------------------------------------------------------------------------------------------

class asker {
public:
    asker(const options& o, std::uint16_t port, meter& m)
        : o_{o},
          m_{m},
          pace_{o.rate},
          destination_{"127.0.0.1:" + std::to_string(port) + "/ECHO"},
          once_{o.workload == "oneshot"},
          by_callback_{o.variant == "drive" || o.variant == "spin"},
          by_queue_{o.variant == "cmwcmp"},
          talks_(o.conversations),
          known_{o.conversations} {}

    void run() {
        begin(o_, "BENCH.CLIENT", false);
        count_calls(m_);
        if (by_callback_) {
            CM_INT32 rc = 0;
            clq_set_callback(nullptr, &completed, this, &rc);
            must("clq_set_callback", rc);
        }
        if (o_.variant == "event") event_ = clq_event_create(0, 0);
        open_all();
        if (by_callback_)
            run_loop();
        else if (by_queue_)
            run_queues();
        else
            run_waits();
    }

private:
    static void COLLOQUY_CALL completed(void* self, const clq_completion* c) {
        static_cast<asker*>(self)->go_on(*static_cast<talk*>(c->id_memory), c->return_code);
    }

    // Links are opened by the first conversation, in blocking mode; later ones find them.
    void open_all() {
        for (talk& t : talks_) t.prepare(o_.size);
        if (o_.workload == "idle") m_.before_opening();
        for (talk& t : talks_) {
            if (pace_.open_loop() && once_) {
                idle_.push_back(&t);
                continue;
            }
            if (!once_) must("cmallc", open(t, true));
            if (pace_.open_loop()) idle_.push_back(&t);
        }
        // Not before all are open: whoever is asked meanwhile keeps those waiting that are still to be opened.
        if (pace_.open_loop()) return;
        for (talk& t : talks_) request(t, now_ns());
    }

    CM_INT32 open(talk& t, bool blocking) {
        cminit(t.id.bytes, "        ", &t.rc);
        must("cminit", t.rc);
        clq_set_destination(t.id.bytes, destination_.c_str(), &t.rc);
        must("clq_set_destination", t.rc);
        if (!by_callback_ && !by_queue_) known_.add(&t);
        if (!blocking) must("cmspm", t.set_non_blocking());
        t.doing = talk::allocating;
        cmallc(t.id.bytes, &t.rc);
        if (!blocking) return t.rc;
        must("cmallc", t.rc);
        if (by_queue_) {
            CM_INT32 queue = CM_SEND_RECEIVE_QUEUE, mode = CM_NON_BLOCKING, rc = 0;
            talk* const self = &t;
            cmsqpm(t.id.bytes, &queue, &mode, &self, &oids_.emplace_back(), &rc);
            must("cmsqpm", rc);
            return CM_OK;
        }
        must("cmspm", t.set_non_blocking());
        if (event_ != nullptr) {
            CM_INT32 rc = 0;
            WinCPICSetEvent(t.id.bytes, &event_, &rc);
            must("WinCPICSetEvent", rc);
        }
        return CM_OK;
    }

    void request(talk& t, std::uint64_t asked) {
        t.asked = asked;
        if (!once_) return go_on(t, t.send());
        go_on(t, open(t, false));
    }

    void go_on(talk& t, CM_INT32 code) {
        for (;;) {
            if (code == CM_OPERATION_INCOMPLETE) return;
            if (t.doing == talk::receiving) {
                if (!answered(t, code)) return;
                t.asked = now_;
                code = once_ ? open(t, false) : t.send();
                continue;
            }
            must("a call of the client", code);
            code = t.doing == talk::allocating ? t.send() : t.receive();
        }
    }

    // Whether the next one is to be asked at once.
    bool answered(talk& t, CM_INT32 code) {
        if (code != (once_ ? CM_DEALLOCATED_NORMAL : CM_OK) || t.length != t.size) fail("the awaited cmrcv", code);
        if (once_ && !by_callback_) known_.remove(t.id);
        if (o_.workload == "idle") {
            if (++answered_ == o_.conversations) {
                m_.after_opening(o_.conversations);
                more_ = false;
            }
            return false;
        }
        // The clock is read once for what one look has brought, or for sixteen of it.
        if (until_clock_++ % 16 == 0) now_ = now_ns();
        more_ = m_.add(now_, t.asked, o_.size * 2) && more_;
        if (!pace_.open_loop()) return more_;
        idle_.push_back(&t);
        return false;
    }

    void run_loop() {
        while (more_) {
            std::int64_t patience = -1;
            if (pace_.open_loop()) {
                const std::uint64_t now = now_ns();
                for (; !idle_.empty() && pace_.due() <= now; pace_.took()) {
                    talk& t = *idle_.back();
                    idle_.pop_back();
                    request(t, pace_.due());
                }
                if (!idle_.empty()) patience = pace_.patience_ns(now);
            }
            until_clock_ = 0;
            turn(o_.variant != "spin", patience);
        }
    }

    void run_waits() {
        while (more_) {
            identifier id;
            CM_INT32 code = 0, rc = 0;
            if (event_ != nullptr) {
                cmchck(id.bytes, &code, &rc);
                if (rc == CM_UNSUCCESSFUL && clq_event_wait(event_, CLQ_WAIT_FOREVER) != 0) fail("the event", -1);
                if (rc == CM_UNSUCCESSFUL) continue;
            }
            cmwait(id.bytes, &code, &rc);
            must("cmwait", rc);
            if (o_.conversations < 16) until_clock_ = 0;
            go_on(*known_.find(id), code);
        }
    }

    void run_queues() {
        const auto count = static_cast<CM_INT32>(oids_.size());
        const CM_INT32 for_ever = -1;
        std::vector<CM_INT32> places(oids_.size());
        std::vector<talk*> fields(oids_.size());
        while (more_) {
            CM_INT32 found = 0, rc = 0;
            cmwcmp(oids_.data(), &count, &for_ever, places.data(), &found, fields.data(), &rc);
            must("cmwcmp", rc);
            until_clock_ = 0;
            for (CM_INT32 i = 0; i < found && more_; ++i) {
                talk& t = *fields[static_cast<std::size_t>(i)];
                go_on(t, t.rc);
            }
        }
    }

    const options& o_;
    meter& m_;
    pacer pace_;
    std::string destination_;
    bool once_, by_callback_, by_queue_, more_ = true;
    std::vector<talk> talks_;
    std::vector<talk*> idle_;
    directory<talk> known_;
    std::vector<CM_INT32> oids_;
    void* event_ = nullptr;
    std::size_t answered_ = 0;
    std::uint32_t until_clock_ = 0;
    std::uint64_t now_ = now_ns();
};

void ask(const options& o, std::uint16_t port, meter& m) { asker{o, port, m}.run(); }

// --- coroutines ------------------------------------------------------------------------------------------------

colloquy::task<> echo(colloquy::async_conversation c) {
    std::array<std::byte, 512> text;
    for (;;) {
        const auto got = co_await c.receive(text);
        if (!got || !got->our_turn() || !co_await c.send(got->bytes)) co_return;
    }
}

void serve_coroutines(const options& o, const doorbell& bell) {
    begin(o, "BENCH.SERVER", true);
    colloquy::serve_options how;
    how.accepts = 64;
    const colloquy::server server = colloquy::serve("ECHO", echo, how);
    must("serve", static_cast<CM_INT32>(server.code()));
    ring(bell);
    for (;;) turn(true, -1);
}

// What all coroutines of a client share.
struct questions {
    const options& o;
    meter& m;
    bool more = true;
    std::uint32_t until_clock = 0;
    std::uint64_t now = now_ns();
};

// A coroutine that nobody awaits: it runs until its conversation is over, or the process.
struct on_its_own {
    struct promise_type {
        on_its_own get_return_object() noexcept { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };
};

on_its_own question(colloquy::async_conversation c, questions& q) {
    std::array<std::byte, 512> text{};
    const std::span<std::byte> message{text.data(), q.o.size};
    while (q.more) {
        const std::uint64_t asked = q.now;
        if (const auto sent = co_await c.send(message); !sent) fail("send", static_cast<CM_INT32>(sent.code()));
        const auto got = co_await c.receive(message);
        if (!got || got->bytes.size() != message.size()) fail("receive", static_cast<CM_INT32>(got.code()));
        if (q.until_clock++ % 16 == 0) q.now = now_ns();
        q.more = q.m.add(q.now, asked, message.size() * 2) && q.more;
    }
}

void ask_coroutines(const options& o, std::uint16_t port, meter& m) {
    if (o.size > 512) fail("a message for a coroutine of this bench", -1);
    begin(o, "BENCH.CLIENT", false);
    count_calls(m);
    std::vector<colloquy::async_conversation> opened;
    questions& q = *new questions{o, m};  // frames that are never ended refer to it
    const std::string destination = "127.0.0.1:" + std::to_string(port) + "/ECHO";
    for (std::size_t i = 0; i < o.conversations; ++i) {
        const auto c = colloquy::conversation::initialize(destination);
        if (!c) fail("initialize", static_cast<CM_INT32>(c.code()));
        if (const auto begun = colloquy::conversation{*c}.allocate(); !begun)
            fail("allocate", static_cast<CM_INT32>(begun.code()));
        const auto async = colloquy::async_conversation::from(*c);
        if (!async) fail("from", static_cast<CM_INT32>(async.code()));
        opened.push_back(*async);
    }
    for (const colloquy::async_conversation& c : opened) question(c, q);
    while (q.more) {
        q.until_clock = 0;
        turn(true, -1);
    }
}

// --- blocking calls ---------------------------------------------------------------------------------------------

void open_blocking(talk& t, const std::string& destination) {
    cminit(t.id.bytes, "        ", &t.rc);
    must("cminit", t.rc);
    clq_set_destination(t.id.bytes, destination.c_str(), &t.rc);
    must("clq_set_destination", t.rc);
    cmallc(t.id.bytes, &t.rc);
    must("cmallc", t.rc);
}

void accept_blocking(talk& t) {
    cmaccp(t.id.bytes, &t.rc);
    if (t.rc != CM_OPERATION_INCOMPLETE) return must("cmaccp", t.rc);
    CM_INT32 code = 0;
    cmwait(t.id.bytes, &code, &t.rc);
    must("cmwait", t.rc);
    must("cmaccp", code);
}

void serve_blocking(const options& o, const doorbell& bell) {
    begin(o, "BENCH.SERVER", true);
    CM_INT32 rc = 0, length = 4;
    cmsltp("ECHO", &length, &rc);
    must("cmsltp", rc);
    ring(bell);
    talk t;
    t.prepare(std::min<std::size_t>(o.size, record_max));
    accept_blocking(t);
    const bool echoes = o.workload != "bulk";
    while (t.receive() == CM_OK)
        if (echoes) must("cmsend", t.send());
}

void ask_blocking(const options& o, std::uint16_t port, meter& m) {
    begin(o, "BENCH.CLIENT", false);
    talk t;
    t.prepare(o.size);
    open_blocking(t, "127.0.0.1:" + std::to_string(port) + "/ECHO");
    std::uint64_t before = now_ns();
    for (bool more = true; more;) {
        must("cmsend", t.send());
        must("cmrcv", t.receive());
        const std::uint64_t after = now_ns();
        more = m.add(after, before, o.size * 2);
        before = after;
    }
}

// A record of CPI-C has 32,767 bytes at most.
void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    begin(o, "BENCH.CLIENT", false);
    talk t;
    t.prepare(std::min<std::size_t>(o.size, record_max));
    open_blocking(t, "127.0.0.1:" + std::to_string(port) + "/ECHO");
    const auto bytes = static_cast<std::uint64_t>(t.size) * 8;
    do {
        for (int i = 0; i < 8; ++i) must("cmsend", t.send());
    } while (m.add(now_ns(), 0, bytes, 8));
}

// --- in one process ---------------------------------------------------------------------------------------------

// A record is sent and flushed by one end and received by the other; that is one transaction.
void ask_inside(const options& o, std::uint16_t, meter& m) {
    begin(o, "BENCH.INSIDE", false);
    CM_INT32 rc = 0, length = 4;
    cmsltp("ECHO", &length, &rc);
    must("cmsltp", rc);
    // Not ended with the run: the sender may still be at it when the process ends.
    talk &from = *new talk, &to = *new talk;
    from.prepare(o.size);
    to.prepare(o.size);
    open_blocking(from, "inproc/ECHO");
    const auto put = [&from] {
        must("cmsend", from.send());
        cmflus(from.id.bytes, &from.rc);
        must("cmflus", from.rc);
    };
    put();
    accept_blocking(to);
    must("cmrcv", to.receive());
    constexpr std::uint64_t batch = 64;
    if (o.variant == "one-thread") {
        do {
            for (std::uint64_t i = 0; i < batch; ++i) {
                put();
                must("cmrcv", to.receive());
            }
        } while (m.add(now_ns(), 0, batch * o.size, batch));
        return;
    }
    std::thread{[put, cpu = o.server_cpu] {
        detail::pin(cpu);
        for (;;) put();
    }}.detach();
    do {
        for (std::uint64_t i = 0; i < batch; ++i) must("cmrcv", to.receive());
    } while (m.add(now_ns(), 0, batch * o.size, batch));
}

constexpr program programs[] = {
    {"rtt1", "blocking", serve_blocking, ask_blocking, false},
    {"rtt1", "pool", serve_blocking, ask_blocking, false},
    {"rtt1", "drive", serve, ask, false},
    {"rtt1", "spin", serve, ask, false},
    {"concurrent", "drive", serve, ask, true},
    {"concurrent", "cmwait", serve, ask, false},
    {"concurrent", "pool", serve, ask, false},
    {"concurrent", "event", serve, ask, false},
    {"concurrent", "cmwcmp", serve, ask, false},
    {"concurrent", "coroutine", serve_coroutines, ask_coroutines, false},
    {"oneshot", "drive", serve, ask, true},
    {"oneshot", "cmwait", serve, ask, false},
    {"links", "drive", serve, ask, false},
    {"bulk", "blocking", serve_blocking, ask_bulk, false},
    {"idle", "drive", serve, ask, false},
    {"inproc", "one-thread", nullptr, ask_inside, false},
    {"inproc", "threads", nullptr, ask_inside, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "colloquy", programs); }
