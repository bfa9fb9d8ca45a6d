// peer_mux: many conversations on one connection by a multiplexer that does what an API cannot do without (frames,
// identifiers, states, completions), and nothing more: the bound for every runtime with such an API.
#include <sys/uio.h>

#include <array>
#include <memory>

#include "bench/peers/multiplexer.hpp"
#include "bench/peers/pacer.hpp"

namespace {

using namespace peers;

struct talk {
    identifier id;
    std::uint32_t got;
    std::uint64_t asked;
    std::unique_ptr<char[]> buffer;
};

void check(result r, result wanted) {
    if (r != wanted) {
        std::fprintf(stderr, "peer_mux: a call answered %d\n", static_cast<int>(r));
        std::_Exit(1);
    }
}

std::vector<talk> make_talks(const options& o) {
    std::vector<talk> talks(o.conversations);
    for (talk& t : talks) {
        t.buffer = std::make_unique<char[]>(o.size);
        std::memset(t.buffer.get(), 'x', o.size);
    }
    return talks;
}

void serve(const options& o, const doorbell& bell) {
    const listener l = listen_on_loopback();
    bell.listening(l.port);
    multiplexer mux{accept_from(l.fd), o.conversations};
    std::vector<talk> talks = make_talks(o);
    std::vector<talk*> spare;
    for (talk& t : talks) spare.push_back(&t);
    directory<talk> known{o.conversations};
    const bool once = o.workload == "oneshot";
    const auto room = static_cast<std::uint32_t>(o.size);
    const auto answer = [&](talk& t, result code) {
        while (code == result::ok) {
            check(mux.send(t.id, t.buffer.get(), t.got, once), result::ok);
            if (once) {
                known.remove(t.id);
                spare.push_back(&t);
                return;
            }
            code = mux.receive(t.id, t.buffer.get(), room, &t.got);
        }
        check(code, result::incomplete);
    };
    for (;;) {
        identifier id;
        result code = result::ok;
        if (mux.wait(id, code)) {
            answer(*known.find(id), code);
            continue;
        }
        while (mux.accept(id)) {
            talk& t = *spare.back();
            spare.pop_back();
            t.id = id;
            known.add(&t);
            answer(t, mux.receive(t.id, t.buffer.get(), room, &t.got));
        }
    }
}

void ask(const options& o, std::uint16_t port, meter& m) {
    multiplexer mux{connect_to(port), o.conversations};
    std::vector<talk> talks = make_talks(o);
    directory<talk> known{o.conversations};
    const bool once = o.workload == "oneshot";
    const auto size = static_cast<std::uint32_t>(o.size);
    const auto request = [&](talk& t, std::uint64_t asked) {
        if (once) {
            if (!mux.open(t.id)) std::_Exit(1);
            known.add(&t);
        }
        t.asked = asked;
        check(mux.send(t.id, t.buffer.get(), size), result::ok);
        check(mux.receive(t.id, t.buffer.get(), size, &t.got), result::incomplete);
    };
    pacer pace{o.rate};
    std::vector<talk*> idle;
    if (o.workload == "idle") m.before_opening();
    for (talk& t : talks) {
        if (!once) {
            if (!mux.open(t.id)) std::_Exit(1);
            known.add(&t);
        }
        if (pace.open_loop()) idle.push_back(&t);
    }
    for (talk& t : talks)
        if (!pace.open_loop()) request(t, now_ns());
    std::size_t answered = 0;
    bool more = true;
    std::uint32_t until_clock = 0;
    std::uint64_t now = now_ns();
    while (more) {
        if (pace.open_loop()) {
            now = now_ns();
            for (; !idle.empty() && pace.due() <= now; pace.took()) {
                talk& t = *idle.back();
                idle.pop_back();
                request(t, pace.due());
            }
        }
        identifier id;
        result code = result::ok;
        const bool fresh = !mux.has_ready();
        bool got = mux.wait(id, code, idle.empty() ? -1 : pace.patience_ns(now));
        // The clock is read once for what one read has brought, or for sixteen of it.
        for (; got; got = pace.open_loop() && mux.has_ready() && mux.wait(id, code, 0)) {
            talk& t = *known.find(id);
            check(code, once ? result::ended : result::ok);
            if (t.got != size) std::_Exit(1);
            if (fresh || ++until_clock % 16 == 0) now = now_ns();
            if (o.workload == "idle") {
                if (++answered < o.conversations) break;
                m.after_opening(o.conversations);
                return;
            }
            more = m.add(now, t.asked, o.size * 2) && more;
            if (once) known.remove(t.id);
            if (!pace.open_loop()) {
                request(t, now);
                break;
            }
            idle.push_back(&t);
        }
    }
}

// One way: headers and the caller's records are gathered into one write, and read where they land.
constexpr std::size_t records_a_write = 8;
struct bulk_header {
    std::uint32_t size, channel;
};

void serve_bulk(const options& o, const doorbell& bell) {
    const listener l = listen_on_loopback();
    bell.listening(l.port);
    const int fd = accept_from(l.fd);
    std::vector<char> input(std::size_t{512} << 10);
    std::size_t have = 0;
    std::uint64_t records = 0, sum = 0;
    for (;;) {
        const ssize_t got = ::recv(fd, input.data() + have, input.size() - have, 0);
        if (got <= 0) return;
        have += static_cast<std::size_t>(got);
        std::size_t at = 0;
        for (bulk_header h{}; have - at >= sizeof h; at += sizeof h + h.size) {
            std::memcpy(&h, input.data() + at, sizeof h);
            if (h.size != o.size || h.channel != 1) std::_Exit(1);
            if (have - at < sizeof h + h.size) break;
            ++records;
            sum += static_cast<unsigned char>(input[at + sizeof h]);
        }
        std::memmove(input.data(), input.data() + at, have - at);
        have -= at;
        if (sum > records * 255) std::_Exit(1);
    }
}

void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    const int fd = connect_to(port);
    const std::string record(o.size, 'x');
    bulk_header head{static_cast<std::uint32_t>(o.size), 1};
    std::array<iovec, records_a_write * 2> parts{};
    bool more = true;
    while (more) {
        for (std::size_t i = 0; i < records_a_write; ++i) {
            parts[2 * i] = {&head, sizeof head};
            parts[2 * i + 1] = {const_cast<char*>(record.data()), record.size()};
        }
        for (std::size_t first = 0; first < parts.size();) {
            ssize_t put = ::writev(fd, &parts[first], static_cast<int>(parts.size() - first));
            if (put < 0) die("writev");
            for (; first < parts.size() && static_cast<std::size_t>(put) >= parts[first].iov_len; ++first)
                put -= static_cast<ssize_t>(parts[first].iov_len);
            if (put > 0) {
                parts[first].iov_base = static_cast<char*>(parts[first].iov_base) + put;
                parts[first].iov_len -= static_cast<std::size_t>(put);
            }
        }
        more = m.add(now_ns(), 0, records_a_write * o.size, records_a_write);
    }
}

constexpr program programs[] = {
    {"rtt1", "multiplexer", serve, ask, true},    {"concurrent", "multiplexer", serve, ask, true},
    {"oneshot", "multiplexer", serve, ask, true}, {"bulk", "multiplexer", serve_bulk, ask_bulk, false},
    {"idle", "multiplexer", serve, ask, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "mux", programs); }
