// peer_zeromq: requests with a tag through one DEALER socket, answered by a ROUTER; records one way by PUSH and PULL.
// One thread of ZeroMQ's own in each process, as its context has unless asked otherwise.
#include <zmq.h>

#include <array>
#include <vector>

#include "bench/peers/contract.hpp"
#include "bench/peers/pacer.hpp"

namespace {

using namespace peers;

void must(int answer, const char* what) {
    if (answer >= 0) return;
    std::fprintf(stderr, "peer_zeromq: %s: %s\n", what, zmq_strerror(zmq_errno()));
    std::_Exit(1);
}

// No limit on what is under way: how much that is, the conversations say.
void* open_socket(void* context, int type, bool bounded) {
    void* const socket = zmq_socket(context, type);
    const int none = 0, records = 64;
    must(zmq_setsockopt(socket, ZMQ_SNDHWM, bounded ? &records : &none, sizeof none), "ZMQ_SNDHWM");
    must(zmq_setsockopt(socket, ZMQ_RCVHWM, bounded ? &records : &none, sizeof none), "ZMQ_RCVHWM");
    must(zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none), "ZMQ_LINGER");
    return socket;
}

void bind_socket(void* socket, const doorbell& bell) {
    must(zmq_bind(socket, "tcp://127.0.0.1:*"), "zmq_bind");
    char address[64] = {};
    std::size_t size = sizeof address;
    must(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, address, &size), "ZMQ_LAST_ENDPOINT");
    bell.listening(static_cast<std::uint16_t>(std::atoi(std::strrchr(address, ':') + 1)));
}
void connect_socket(void* socket, std::uint16_t port) {
    must(zmq_connect(socket, ("tcp://127.0.0.1:" + std::to_string(port)).c_str()), "zmq_connect");
}

void serve(const options&, const doorbell& bell) {
    void* const context = zmq_ctx_new();
    void* const socket = open_socket(context, ZMQ_ROUTER, false);
    bind_socket(socket, bell);
    zmq_msg_t who, message;
    for (;;) {
        zmq_msg_init(&who);
        zmq_msg_init(&message);
        must(zmq_msg_recv(&who, socket, 0), "zmq_msg_recv");
        must(zmq_msg_recv(&message, socket, 0), "zmq_msg_recv");
        must(zmq_msg_send(&who, socket, ZMQ_SNDMORE), "zmq_msg_send");
        must(zmq_msg_send(&message, socket, 0), "zmq_msg_send");
    }
}

void ask(const options& o, std::uint16_t port, meter& m) {
    void* const context = zmq_ctx_new();
    void* const socket = open_socket(context, ZMQ_DEALER, false);
    connect_socket(socket, port);
    std::vector<char> message(o.size, 'x');
    std::vector<std::uint64_t> asked(o.conversations);
    pacer pace{o.rate};
    std::vector<std::uint32_t> idle;
    const auto request = [&](std::uint32_t i, std::uint64_t now) {
        asked[i] = now;
        std::memcpy(message.data(), &i, sizeof i);
        must(zmq_send(socket, message.data(), message.size(), 0), "zmq_send");
    };
    for (std::uint32_t i = 0; i < o.conversations; ++i) {
        if (pace.open_loop())
            idle.push_back(i);
        else
            request(i, now_ns());
    }
    std::uint64_t now = now_ns();
    std::uint32_t until_clock = 0;
    for (bool more = true; more;) {
        if (pace.open_loop()) {
            now = now_ns();
            for (; !idle.empty() && pace.due() <= now; pace.took()) {
                request(idle.back(), pace.due());
                idle.pop_back();
            }
        }
        int got = zmq_recv(socket, message.data(), message.size(), ZMQ_DONTWAIT);
        const bool waits = got < 0 && zmq_errno() == EAGAIN;
        if (waits && pace.open_loop() && !idle.empty()) {
            // Its time-outs are milliseconds, so the rest of a shorter wait is spent awake.
            zmq_pollitem_t item{socket, 0, ZMQ_POLLIN, 0};
            must(zmq_poll(&item, 1, static_cast<long>(pace.patience_ns(now) / 1'000'000)), "zmq_poll");
            continue;
        }
        if (waits) got = zmq_recv(socket, message.data(), message.size(), 0);
        must(got, "zmq_recv");
        std::uint32_t i = 0;
        std::memcpy(&i, message.data(), sizeof i);
        if (i >= asked.size() || static_cast<std::size_t>(got) != o.size) std::_Exit(1);
        if (waits || ++until_clock % 16 == 0 || pace.open_loop()) now = now_ns();
        more = m.add(now, asked[i], o.size * 2);
        if (pace.open_loop())
            idle.push_back(i);
        else
            request(i, now);
    }
}

void serve_bulk(const options&, const doorbell& bell) {
    void* const context = zmq_ctx_new();
    void* const socket = open_socket(context, ZMQ_PULL, true);
    bind_socket(socket, bell);
    zmq_msg_t message;
    for (;;) {
        zmq_msg_init(&message);
        must(zmq_msg_recv(&message, socket, 0), "zmq_msg_recv");
        zmq_msg_close(&message);
    }
}

// The record is the caller's and lives: ZeroMQ is told so, and copies nothing.
void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    void* const context = zmq_ctx_new();
    void* const socket = open_socket(context, ZMQ_PUSH, true);
    connect_socket(socket, port);
    std::vector<char> record(o.size, 'x');
    zmq_msg_t message;
    do {
        for (int i = 0; i < 8; ++i) {
            zmq_msg_init_data(
                &message, record.data(), record.size(), [](void*, void*) {}, nullptr);
            must(zmq_msg_send(&message, socket, 0), "zmq_msg_send");
        }
    } while (m.add(now_ns(), 0, 8 * o.size, 8));
}

// A conversation is a tag, so one that ends costs what one costs that goes on.
constexpr program programs[] = {
    {"rtt1", "dealer-router", serve, ask, false},
    {"concurrent", "dealer-router", serve, ask, true},
    {"oneshot", "dealer-router", serve, ask, true},
    {"bulk", "push-pull", serve_bulk, ask_bulk, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "zeromq", programs); }
