// peer_asio: an echo server and its clients as users of Asio write them: a session object for each connection, reads
// and writes that complete later, one io_context on one thread.
#include <array>
#include <asio.hpp>
#include <memory>
#include <vector>

#include "bench/peers/contract.hpp"
#include "bench/peers/pacer.hpp"

namespace {

using namespace peers;
using asio::ip::tcp;
using error = asio::error_code;

tcp::endpoint loopback(std::uint16_t port) { return {asio::ip::address_v4::loopback(), port}; }

void must(const error& e, const char* what) {
    if (!e) return;
    std::fprintf(stderr, "peer_asio: %s: %s\n", what, e.message().c_str());
    std::_Exit(1);
}

class echo_session : public std::enable_shared_from_this<echo_session> {
public:
    echo_session(tcp::socket socket, std::size_t size) : socket_{std::move(socket)}, message_(size) {}
    void start() {
        socket_.set_option(tcp::no_delay{true});
        read();
    }

private:
    void read() {
        asio::async_read(socket_, asio::buffer(message_), [self = shared_from_this()](const error& e, std::size_t) {
            if (!e) self->write();
        });
    }
    void write() {
        asio::async_write(socket_, asio::buffer(message_), [self = shared_from_this()](const error& e, std::size_t) {
            if (!e) self->read();
        });
    }
    tcp::socket socket_;
    std::vector<char> message_;
};

class sink_session : public std::enable_shared_from_this<sink_session> {
public:
    explicit sink_session(tcp::socket socket) : socket_{std::move(socket)}, input_(std::size_t{256} << 10) {}
    void start() {
        socket_.async_read_some(asio::buffer(input_), [self = shared_from_this()](const error& e, std::size_t) {
            if (!e) self->start();
        });
    }

private:
    tcp::socket socket_;
    std::vector<char> input_;
};

class acceptor {
public:
    acceptor(asio::io_context& io, const options& o, const doorbell& bell) : options_{o}, acceptor_{io, loopback(0)} {
        acceptor_.listen(4096);
        bell.listening(acceptor_.local_endpoint().port());
        accept();
    }

private:
    void accept() {
        acceptor_.async_accept([this](const error& e, tcp::socket socket) {
            if (e) return;
            if (options_.workload == "bulk")
                std::make_shared<sink_session>(std::move(socket))->start();
            else
                std::make_shared<echo_session>(std::move(socket), options_.size)->start();
            accept();
        });
    }
    const options& options_;
    tcp::acceptor acceptor_;
};

void serve(const options& o, const doorbell& bell) {
    asio::io_context io{1};
    acceptor a{io, o, bell};
    io.run();
}

struct run {
    run(const options& wanted, std::uint16_t port, meter& measures)
        : o{wanted}, where{loopback(port)}, m{measures}, pace{o.rate}, timer{io} {}

    const options& o;
    tcp::endpoint where;
    meter& m;
    asio::io_context io{1};
    pacer pace;
    asio::steady_timer timer;
    std::size_t answered = 0;
    std::vector<class asker*> idle;

    void begin_due();
};

class asker {
public:
    explicit asker(run& r) : run_{r}, socket_{r.io}, message_(r.o.size, 'x') {}

    void connect() {
        error e;
        socket_.connect(run_.where, e);
        must(e, "connect");
        socket_.set_option(tcp::no_delay{true});
    }
    void ask(std::uint64_t now) {
        asked_ = now;
        if (run_.o.workload != "oneshot") return write();
        socket_.async_connect(run_.where, [this](const error& e) {
            must(e, "connect");
            socket_.set_option(tcp::no_delay{true});
            socket_.set_option(asio::socket_base::linger{true, 0});  // or lingering ports would be used up
            write();
        });
    }

private:
    void write() {
        asio::async_write(socket_, asio::buffer(message_), [this](const error& e, std::size_t) {
            must(e, "write");
            asio::async_read(socket_, asio::buffer(message_), [this](const error& failed, std::size_t) {
                must(failed, "read");
                answered();
            });
        });
    }
    void answered() {
        if (run_.o.workload == "oneshot") socket_.close();
        if (run_.o.workload == "idle") {
            if (++run_.answered < run_.o.conversations) return;
            run_.m.after_opening(run_.o.conversations);
            return run_.io.stop();
        }
        const std::uint64_t now = now_ns();
        if (!run_.m.add(now, asked_, message_.size() * 2)) return run_.io.stop();
        if (!run_.pace.open_loop()) return ask(now);
        run_.idle.push_back(this);
    }

    run& run_;
    tcp::socket socket_;
    std::vector<char> message_;
    std::uint64_t asked_ = 0;
};

void run::begin_due() {
    for (const std::uint64_t now = now_ns(); !idle.empty() && pace.due() <= now; pace.took()) {
        asker* const a = idle.back();
        idle.pop_back();
        a->ask(pace.due());
    }
    timer.expires_after(std::chrono::nanoseconds{std::max<std::int64_t>(pace.patience_ns(now_ns()), 10'000)});
    timer.async_wait([this](const error& e) {
        if (!e) begin_due();
    });
}

void ask(const options& o, std::uint16_t port, meter& m) {
    run r{o, port, m};
    if (o.workload == "idle") m.before_opening();
    std::vector<std::unique_ptr<asker>> all;
    for (std::size_t i = 0; i < o.conversations; ++i) {
        all.push_back(std::make_unique<asker>(r));
        if (o.workload != "oneshot") all.back()->connect();
        if (r.pace.open_loop()) r.idle.push_back(all.back().get());
    }
    if (r.pace.open_loop())
        r.begin_due();
    else
        for (const auto& a : all) a->ask(now_ns());
    r.io.run();
}

void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    asio::io_context io{1};
    tcp::socket socket{io};
    socket.connect(loopback(port));
    constexpr std::size_t records = 8;
    const std::vector<char> record(o.size, 'x');
    std::array<asio::const_buffer, records> gathered;
    gathered.fill(asio::buffer(record));
    const std::function<void()> write = [&] {
        asio::async_write(socket, gathered, [&](const error& e, std::size_t) {
            must(e, "write");
            if (m.add(now_ns(), 0, records * o.size, records)) write();
        });
    };
    write();
    io.run();
}

constexpr program programs[] = {
    {"rtt1", "connection", serve, ask, false},      {"concurrent", "connections", serve, ask, true},
    {"oneshot", "connect", serve, ask, false},      {"links", "connections", serve, ask, true},
    {"bulk", "connection", serve, ask_bulk, false}, {"idle", "connections", serve, ask, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "asio", programs); }
