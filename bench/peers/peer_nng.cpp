// peer_nng: requests by REQ, answered by REP, with a context and an aio for each conversation, as the asynchronous
// server of nng itself does; records one way by PUSH and PULL. Callbacks run on threads of nng.
#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "bench/peers/contract.hpp"
#include "bench/peers/pacer.hpp"

namespace {

using namespace peers;

void must(int answer, const char* what) {
    if (answer == 0) return;
    std::fprintf(stderr, "peer_nng: %s: %s\n", what, nng_strerror(answer));
    std::_Exit(1);
}

void listen_on(nng_socket socket, const doorbell& bell) {
    nng_listener l = NNG_LISTENER_INITIALIZER;
    must(nng_listener_create(&l, socket, "tcp://127.0.0.1:0"), "nng_listener_create");
    must(nng_listener_set_bool(l, NNG_OPT_TCP_NODELAY, true), "NNG_OPT_TCP_NODELAY");
    must(nng_listener_start(l, 0), "nng_listener_start");
    int port = 0;
    must(nng_listener_get_int(l, NNG_OPT_TCP_BOUND_PORT, &port), "NNG_OPT_TCP_BOUND_PORT");
    bell.listening(static_cast<std::uint16_t>(port));
}
void dial_to(nng_socket socket, std::uint16_t port) {
    nng_dialer d = NNG_DIALER_INITIALIZER;
    must(nng_dialer_create(&d, socket, ("tcp://127.0.0.1:" + std::to_string(port)).c_str()), "nng_dialer_create");
    must(nng_dialer_set_bool(d, NNG_OPT_TCP_NODELAY, true), "NNG_OPT_TCP_NODELAY");
    must(nng_dialer_start(d, 0), "nng_dialer_start");
}

// --- the server -------------------------------------------------------------------------------------------------

struct answerer {
    nng_ctx context;
    nng_aio* aio = nullptr;
    bool sending = false;

    void receive() {
        sending = false;
        nng_ctx_recv(context, aio);
    }
    static void done(void* self) {
        answerer& a = *static_cast<answerer*>(self);
        must(nng_aio_result(a.aio), "the server's aio");
        if (a.sending) return a.receive();
        a.sending = true;  // the message stays in the aio: it goes back as it came
        nng_ctx_send(a.context, a.aio);
    }
};

void serve(const options& o, const doorbell& bell) {
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    must(nng_rep0_open(&socket), "nng_rep0_open");
    std::vector<answerer> all(std::min<std::size_t>(o.conversations, 1000));
    for (answerer& a : all) {
        must(nng_ctx_open(&a.context, socket), "nng_ctx_open");
        must(nng_aio_alloc(&a.aio, answerer::done, &a), "nng_aio_alloc");
    }
    for (answerer& a : all) a.receive();
    listen_on(socket, bell);
    for (;;) ::pause();
}

// --- the client -------------------------------------------------------------------------------------------------

struct crowd {
    const options& o;
    meter& m;
    std::mutex lock{};
    std::condition_variable over{};
    bool ended = false;
};

struct asker {
    crowd* run = nullptr;
    nng_ctx context = NNG_CTX_INITIALIZER;
    nng_aio* aio = nullptr;
    bool sending = false;
    std::uint64_t asked = 0;

    void send(nng_msg* message) {
        asked = now_ns();
        sending = true;
        nng_aio_set_msg(aio, message);
        nng_ctx_send(context, aio);
    }
    static void done(void* self) {
        asker& a = *static_cast<asker*>(self);
        if (nng_aio_result(a.aio) == NNG_ECLOSED) return;
        must(nng_aio_result(a.aio), "the client's aio");
        if (a.sending) {
            a.sending = false;
            return nng_ctx_recv(a.context, a.aio);
        }
        nng_msg* const message = nng_aio_get_msg(a.aio);
        if (nng_msg_len(message) != a.run->o.size) std::_Exit(1);
        {
            const std::lock_guard held{a.run->lock};
            if (a.run->ended) return;
            if (!a.run->m.add(now_ns(), a.asked, a.run->o.size * 2)) {
                a.run->ended = true;
                a.run->over.notify_all();
                return;
            }
        }
        a.send(message);
    }
};

void ask(const options& o, std::uint16_t port, meter& m) {
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    must(nng_req0_open(&socket), "nng_req0_open");
    dial_to(socket, port);
    // Not ended with the run: callbacks may still be under way when the process ends.
    crowd& run = *new crowd{o, m};
    std::vector<asker>& all = *new std::vector<asker>(o.conversations);
    for (asker& a : all) {
        a.run = &run;
        must(nng_ctx_open(&a.context, socket), "nng_ctx_open");
        must(nng_aio_alloc(&a.aio, asker::done, &a), "nng_aio_alloc");
        nng_msg* message = nullptr;
        must(nng_msg_alloc(&message, o.size), "nng_msg_alloc");
        a.send(message);
    }
    std::unique_lock held{run.lock};
    run.over.wait(held, [&] { return run.ended; });
}

// --- one conversation, blocking calls ---------------------------------------------------------------------------

void serve_one(const options&, const doorbell& bell) {
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    must(nng_rep0_open(&socket), "nng_rep0_open");
    listen_on(socket, bell);
    for (;;) {
        nng_msg* message = nullptr;
        must(nng_recvmsg(socket, &message, 0), "nng_recvmsg");
        must(nng_sendmsg(socket, message, 0), "nng_sendmsg");
    }
}
void ask_one(const options& o, std::uint16_t port, meter& m) {
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    must(nng_req0_open(&socket), "nng_req0_open");
    dial_to(socket, port);
    nng_msg* message = nullptr;
    must(nng_msg_alloc(&message, o.size), "nng_msg_alloc");
    std::uint64_t before = now_ns();
    for (bool more = true; more;) {
        must(nng_sendmsg(socket, message, 0), "nng_sendmsg");
        must(nng_recvmsg(socket, &message, 0), "nng_recvmsg");
        const std::uint64_t after = now_ns();
        more = m.add(after, before, o.size * 2);
        before = after;
    }
}

// --- one way ----------------------------------------------------------------------------------------------------

void serve_bulk(const options&, const doorbell& bell) {
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    must(nng_pull0_open(&socket), "nng_pull0_open");
    must(nng_socket_set_int(socket, NNG_OPT_RECVBUF, 64), "NNG_OPT_RECVBUF");
    listen_on(socket, bell);
    for (;;) {
        nng_msg* message = nullptr;
        must(nng_recvmsg(socket, &message, 0), "nng_recvmsg");
        nng_msg_free(message);
    }
}
void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    must(nng_push0_open(&socket), "nng_push0_open");
    must(nng_socket_set_int(socket, NNG_OPT_SENDBUF, 64), "NNG_OPT_SENDBUF");
    dial_to(socket, port);
    do {
        nng_msg* message = nullptr;
        must(nng_msg_alloc(&message, o.size), "nng_msg_alloc");
        must(nng_sendmsg(socket, message, 0), "nng_sendmsg");
    } while (m.add(now_ns(), 0, o.size));
}

// A conversation is a request and its reply, so one that ends costs what one costs that goes on.
constexpr program programs[] = {
    {"rtt1", "blocking", serve_one, ask_one, false},
    {"concurrent", "contexts", serve, ask, false},
    {"oneshot", "contexts", serve, ask, false},
    {"bulk", "push-pull", serve_bulk, ask_bulk, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "nng", programs); }
