// peer_grpc: conversations as streams of one channel, or as unary calls, by gRPC's callback interface, which is the
// asynchronous one its guides recommend. gRPC's threads run the callbacks.
#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "bench/peers/contract.hpp"
#include "peer.grpc.pb.h"

namespace {

using namespace peers;
using peer::Blob;

// --- the server -------------------------------------------------------------------------------------------------

class talk_answerer final : public grpc::ServerBidiReactor<Blob, Blob> {
public:
    talk_answerer() { StartRead(&message_); }
    void OnReadDone(bool ok) override {
        if (ok)
            StartWrite(&message_);
        else
            Finish(grpc::Status::OK);
    }
    void OnWriteDone(bool ok) override {
        if (ok) StartRead(&message_);
    }
    void OnDone() override { delete this; }

private:
    Blob message_;
};

class taker final : public grpc::ServerReadReactor<Blob> {
public:
    taker() { StartRead(&message_); }
    void OnReadDone(bool ok) override {
        if (ok)
            StartRead(&message_);
        else
            Finish(grpc::Status::OK);
    }
    void OnDone() override { delete this; }

private:
    Blob message_;
};

class service final : public peer::Peer::CallbackService {
    grpc::ServerUnaryReactor* Ask(grpc::CallbackServerContext* context, const Blob* asked, Blob* answer) override {
        answer->set_data(asked->data());
        grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
        reactor->Finish(grpc::Status::OK);
        return reactor;
    }
    grpc::ServerBidiReactor<Blob, Blob>* Talk(grpc::CallbackServerContext*) override { return new talk_answerer; }
    grpc::ServerReadReactor<Blob>* Take(grpc::CallbackServerContext*, Blob*) override { return new taker; }
};

void serve(const options&, const doorbell& bell) {
    service s;
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&s);
    const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (server == nullptr) std::_Exit(1);
    bell.listening(static_cast<std::uint16_t>(port));
    server->Wait();
}

// --- the client -------------------------------------------------------------------------------------------------

struct crowd {
    const options& o;
    meter& m;
    std::unique_ptr<peer::Peer::Stub> stub;
    std::mutex lock{};
    std::condition_variable over{};
    std::size_t answered = 0;
    bool ended = false;

    void check(const grpc::Status& s) {
        const std::lock_guard held{lock};
        if (s.ok() || ended) return;  // the server ends before the client does
        std::fprintf(stderr, "peer_grpc: %s\n", s.error_message().c_str());
        std::_Exit(1);
    }
    // Whether the one that was answered is to ask again.
    bool answer(std::uint64_t asked, const Blob& answer) {
        if (answer.data().size() != o.size) std::_Exit(1);
        return note(asked, o.size * 2);
    }
    bool note(std::uint64_t asked, std::uint64_t bytes) {
        const std::lock_guard held{lock};
        if (ended) return false;
        if (o.workload == "idle") {
            if (++answered < o.conversations) return false;
            m.after_opening(o.conversations);
        } else if (m.add(now_ns(), asked, bytes)) {
            return true;
        }
        ended = true;
        over.notify_all();
        return false;
    }
    void wait() {
        std::unique_lock held{lock};
        over.wait(held, [&] { return ended; });
    }
};

crowd& connect(const options& o, std::uint16_t port, meter& m) {
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials());
    if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds{10})) std::_Exit(1);
    // Not ended with the run: callbacks may still be under way when the process ends.
    return *new crowd{o, m, peer::Peer::NewStub(channel)};
}

class talker final : public grpc::ClientBidiReactor<Blob, Blob> {
public:
    explicit talker(crowd& run) : run_{run} {
        asked_.set_data(std::string(run.o.size, 'x'));
        run.stub->async()->Talk(&context_, this);
        ask();
        StartCall();
    }
    void OnWriteDone(bool ok) override {
        if (ok) StartRead(&answer_);
    }
    void OnReadDone(bool ok) override {
        if (ok && run_.answer(asked_at_, answer_)) ask();
    }
    void OnDone(const grpc::Status& s) override { run_.check(s); }

private:
    void ask() {
        asked_at_ = now_ns();
        StartWrite(&asked_);
    }
    crowd& run_;
    grpc::ClientContext context_;
    Blob asked_, answer_;
    std::uint64_t asked_at_ = 0;
};

void ask_streams(const options& o, std::uint16_t port, meter& m) {
    crowd& run = connect(o, port, m);
    if (o.workload == "idle") m.before_opening();
    for (std::size_t i = 0; i < o.conversations; ++i) new talker{run};
    run.wait();
}

class caller {
public:
    explicit caller(crowd& run) : run_{run} { asked_.set_data(std::string(run.o.size, 'x')); }
    // A context serves one call.
    void ask() {
        context_ = std::make_unique<grpc::ClientContext>();
        asked_at_ = now_ns();
        run_.stub->async()->Ask(context_.get(), &asked_, &answer_, [this](const grpc::Status& s) {
            run_.check(s);
            if (run_.answer(asked_at_, answer_)) ask();
        });
    }

private:
    crowd& run_;
    std::unique_ptr<grpc::ClientContext> context_;
    Blob asked_, answer_;
    std::uint64_t asked_at_ = 0;
};

void ask_unary(const options& o, std::uint16_t port, meter& m) {
    crowd& run = connect(o, port, m);
    for (std::size_t i = 0; i < o.conversations; ++i) (new caller{run})->ask();
    run.wait();
}

class giver final : public grpc::ClientWriteReactor<Blob> {
public:
    explicit giver(crowd& run) : run_{run} {
        record_.set_data(std::string(run.o.size, 'x'));
        run.stub->async()->Take(&context_, &answer_, this);
        StartWrite(&record_);
        StartCall();
    }
    void OnWriteDone(bool ok) override {
        if (ok && run_.note(0, run_.o.size)) StartWrite(&record_);
    }
    void OnDone(const grpc::Status& s) override { run_.check(s); }

private:
    crowd& run_;
    grpc::ClientContext context_;
    Blob record_, answer_;
};

void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    crowd& run = connect(o, port, m);
    new giver{run};
    run.wait();
}

constexpr program programs[] = {
    {"rtt1", "stream", serve, ask_streams, false},       {"rtt1", "unary", serve, ask_unary, false},
    {"concurrent", "stream", serve, ask_streams, false}, {"concurrent", "unary", serve, ask_unary, false},
    {"oneshot", "unary", serve, ask_unary, false},       {"bulk", "stream", serve, ask_bulk, false},
    {"idle", "stream", serve, ask_streams, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "grpc", programs); }
