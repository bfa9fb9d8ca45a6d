// peer_libuv: an echo server and its clients in libuv's loop: a stream handle for each connection, requests that live
// in the session, one thread.
#include <uv.h>

#include <memory>
#include <vector>

#include "bench/peers/contract.hpp"
#include "bench/peers/pacer.hpp"

namespace {

using namespace peers;

void must(int answer, const char* what) {
    if (answer >= 0) return;
    std::fprintf(stderr, "peer_libuv: %s: %s\n", what, uv_strerror(answer));
    std::_Exit(1);
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in where{};
    must(uv_ip4_addr("127.0.0.1", port, &where), "uv_ip4_addr");
    return where;
}

uv_stream_t* stream_of(uv_tcp_t& tcp) { return reinterpret_cast<uv_stream_t*>(&tcp); }
template <class Owner, class Handle>
Owner& owner_of(Handle* handle) {
    return *static_cast<Owner*>(handle->data);
}
uv_buf_t view(std::vector<char>& bytes, std::size_t from = 0) {
    return uv_buf_init(bytes.data() + from, static_cast<unsigned>(bytes.size() - from));
}

// What the socket takes at once is written at once; a rest, which is rare, by a request of its own.
void send_whole(uv_tcp_t& tcp, std::vector<char>& message) {
    const uv_buf_t whole = view(message);
    const int gone = uv_try_write(stream_of(tcp), &whole, 1);
    if (gone == static_cast<int>(message.size())) return;
    if (gone != UV_EAGAIN) must(gone, "uv_try_write");
    struct rest {
        uv_write_t request;
        std::vector<char> bytes;
    };
    auto* const left = new rest{{}, {message.begin() + std::max(gone, 0), message.end()}};
    left->request.data = left;
    const uv_buf_t bytes = view(left->bytes);
    must(uv_write(&left->request, stream_of(tcp), &bytes, 1,
                  [](uv_write_t* w, int) { delete static_cast<rest*>(w->data); }),
         "uv_write");
}

// --- the server -------------------------------------------------------------------------------------------------

struct server {
    const options& o;
    uv_loop_t loop;
    uv_tcp_t listener;
};

// Sends back each message when it is whole; frees itself with its connection.
struct session {
    uv_tcp_t tcp{};
    std::vector<char> message;
    std::size_t have = 0;
    bool echoes = true;

    void room(uv_buf_t* to) { *to = view(message, have); }
    void got(ssize_t bytes) {
        if (bytes < 0)
            return uv_close(reinterpret_cast<uv_handle_t*>(&tcp), [](uv_handle_t* h) { delete &owner_of<session>(h); });
        if (!echoes) return;
        have += static_cast<std::size_t>(bytes);
        if (have < message.size()) return;
        have = 0;
        send_whole(tcp, message);
    }
};

void begin_session(uv_stream_t* listener, int status) {
    must(status, "listen");
    server& s = owner_of<server>(listener);
    auto* const one = new session;
    one->echoes = s.o.workload != "bulk";
    one->message.resize(one->echoes ? s.o.size : std::size_t{256} << 10);
    must(uv_tcp_init(&s.loop, &one->tcp), "uv_tcp_init");
    one->tcp.data = one;
    must(uv_accept(listener, stream_of(one->tcp)), "uv_accept");
    must(uv_tcp_nodelay(&one->tcp, 1), "uv_tcp_nodelay");
    must(uv_read_start(
             stream_of(one->tcp), [](uv_handle_t* h, std::size_t, uv_buf_t* to) { owner_of<session>(h).room(to); },
             [](uv_stream_t* h, ssize_t bytes, const uv_buf_t*) { owner_of<session>(h).got(bytes); }),
         "uv_read_start");
}

void serve(const options& o, const doorbell& bell) {
    server s{o, {}, {}};
    must(uv_loop_init(&s.loop), "uv_loop_init");
    must(uv_tcp_init(&s.loop, &s.listener), "uv_tcp_init");
    s.listener.data = &s;
    sockaddr_in where = loopback(0);
    must(uv_tcp_bind(&s.listener, reinterpret_cast<const sockaddr*>(&where), 0), "uv_tcp_bind");
    must(uv_listen(stream_of(s.listener), 4096, begin_session), "uv_listen");
    int size = sizeof where;
    must(uv_tcp_getsockname(&s.listener, reinterpret_cast<sockaddr*>(&where), &size), "uv_tcp_getsockname");
    bell.listening(ntohs(where.sin_port));
    uv_run(&s.loop, UV_RUN_DEFAULT);
}

// --- the client -------------------------------------------------------------------------------------------------

struct asker;
struct crowd {
    const options& o;
    meter& m;
    sockaddr_in where;
    pacer pace;
    uv_loop_t loop{};
    uv_prepare_t prepare{};
    uv_idle_t awake{};  // its timers count in milliseconds, so an open loop does not sleep
    std::vector<std::unique_ptr<asker>> all{};
    std::vector<asker*> idle{};
    std::size_t opened = 0, answered = 0;

    void begin_due();
};

struct asker {
    explicit asker(crowd& r) : run{r}, message(r.o.size, 'x') { connecting.data = tcp.data = this; }

    crowd& run;
    uv_tcp_t tcp{};
    uv_connect_t connecting{};
    std::vector<char> message;
    std::size_t have = 0;
    std::uint64_t asked = 0;

    [[nodiscard]] bool once() const { return run.o.workload == "oneshot"; }
    void connect() {
        must(uv_tcp_init(&run.loop, &tcp), "uv_tcp_init");
        must(uv_tcp_connect(&connecting, &tcp, reinterpret_cast<const sockaddr*>(&run.where),
                            [](uv_connect_t* c, int status) {
                                must(status, "connect");
                                owner_of<asker>(c).connected();
                            }),
             "uv_tcp_connect");
    }
    void connected() {
        must(uv_tcp_nodelay(&tcp, 1), "uv_tcp_nodelay");
        must(uv_read_start(
                 stream_of(tcp),
                 [](uv_handle_t* h, std::size_t, uv_buf_t* to) {
                     asker& a = owner_of<asker>(h);
                     *to = view(a.message, a.have);
                 },
                 [](uv_stream_t* h, ssize_t bytes, const uv_buf_t*) { owner_of<asker>(h).got(bytes); }),
             "uv_read_start");
        if (once()) return write();
        if (run.pace.open_loop()) return run.idle.push_back(this);
        if (++run.opened < run.o.conversations) return;
        for (const auto& a : run.all) a->ask(now_ns());
    }
    void ask(std::uint64_t now) {
        asked = now;
        if (once()) return connect();
        write();
    }
    void write() { send_whole(tcp, message); }
    void got(ssize_t bytes) {
        if (bytes == 0) return;
        must(static_cast<int>(bytes), "read");
        have += static_cast<std::size_t>(bytes);
        if (have < message.size()) return;
        have = 0;
        if (run.o.workload == "idle") {
            if (++run.answered < run.o.conversations) return;
            run.m.after_opening(run.o.conversations);
            return uv_stop(&run.loop);
        }
        const std::uint64_t now = now_ns();
        if (!run.m.add(now, asked, message.size() * 2)) return uv_stop(&run.loop);
        if (once())
            // Reset rather than closed: ports that linger would be used up within seconds.
            must(uv_tcp_close_reset(&tcp, [](uv_handle_t* h) { owner_of<asker>(h).ask(now_ns()); }), "close");
        else if (run.pace.open_loop())
            run.idle.push_back(this);
        else
            ask(now);
    }
};

void crowd::begin_due() {
    for (const std::uint64_t now = now_ns(); !idle.empty() && pace.due() <= now; pace.took()) {
        asker* const a = idle.back();
        idle.pop_back();
        a->ask(pace.due());
    }
}

void ask(const options& o, std::uint16_t port, meter& m) {
    crowd r{o, m, loopback(port), pacer{o.rate}};
    must(uv_loop_init(&r.loop), "uv_loop_init");
    if (o.workload == "idle") m.before_opening();
    for (std::size_t i = 0; i < o.conversations; ++i) {
        r.all.push_back(std::make_unique<asker>(r));
        if (o.workload == "oneshot")
            r.all.back()->ask(now_ns());
        else
            r.all.back()->connect();
    }
    if (r.pace.open_loop()) {
        must(uv_prepare_init(&r.loop, &r.prepare), "uv_prepare_init");
        r.prepare.data = &r;
        uv_prepare_start(&r.prepare, [](uv_prepare_t* h) { owner_of<crowd>(h).begin_due(); });
        must(uv_idle_init(&r.loop, &r.awake), "uv_idle_init");
        uv_idle_start(&r.awake, [](uv_idle_t*) {});
    }
    uv_run(&r.loop, UV_RUN_DEFAULT);
}

// One way, with a few writes under way so that the socket never runs dry.
struct stream_out {
    static constexpr unsigned records = 8;
    const options& o;
    meter& m;
    std::vector<char> record;
    uv_loop_t loop{};
    uv_tcp_t tcp{};
    uv_connect_t connecting{};
    uv_write_t writing[2]{};

    void write(uv_write_t& w) {
        uv_buf_t parts[records];
        for (uv_buf_t& p : parts) p = view(record);
        w.data = this;
        must(uv_write(&w, stream_of(tcp), parts, records,
                      [](uv_write_t* done, int status) {
                          must(status, "write");
                          stream_out& s = owner_of<stream_out>(done);
                          if (s.m.add(now_ns(), 0, records * s.o.size, records)) return s.write(*done);
                          uv_stop(&s.loop);
                      }),
             "uv_write");
    }
};

void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    stream_out s{o, m, std::vector<char>(o.size, 'x')};
    must(uv_loop_init(&s.loop), "uv_loop_init");
    must(uv_tcp_init(&s.loop, &s.tcp), "uv_tcp_init");
    s.connecting.data = &s;
    const sockaddr_in where = loopback(port);
    must(uv_tcp_connect(&s.connecting, &s.tcp, reinterpret_cast<const sockaddr*>(&where),
                        [](uv_connect_t* c, int status) {
                            must(status, "connect");
                            for (uv_write_t& w : owner_of<stream_out>(c).writing) owner_of<stream_out>(c).write(w);
                        }),
         "uv_tcp_connect");
    uv_run(&s.loop, UV_RUN_DEFAULT);
}

constexpr program programs[] = {
    {"rtt1", "connection", serve, ask, false},      {"concurrent", "connections", serve, ask, true},
    {"oneshot", "connect", serve, ask, false},      {"links", "connections", serve, ask, true},
    {"bulk", "connection", serve, ask_bulk, false}, {"idle", "connections", serve, ask, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "libuv", programs); }
