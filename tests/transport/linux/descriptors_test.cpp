// Goal: a process without descriptors left turns connections away and goes on when it has some again.
// Method: in a child of its own, whose limit is lowered.
#include "tests/transport/harness.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace transport_test;

TEST_SUITE("transport") {

namespace {

// The body of the child process of the next case; 0, or the line that went wrong. Nothing of doctest works here.
int run_out_of_descriptors() {
    reactor_options options;
    int error = 0;
    auto net = make_reactor(options, error);
    listener l;
    if (net == nullptr || !net->listen(address::loopback_ipv4(0), {}, l).is_done()) {
        return __LINE__;
    }
    acceptor accepts;
    if (!net->submit_accept(l, accepts).is_pending()) {
        return __LINE__;
    }
    const address target = net->local_address(l);
    std::array<int, 8> clients{};
    for (int& c : clients) {
        c = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    }
    // Exactly two more descriptors fit.
    const rlimit limit{static_cast<rlim_t>(clients.back()) + 3, static_cast<rlim_t>(clients.back()) + 3};
    if (clients.back() < 0 || ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return __LINE__;
    }
    for (const int c : clients) {
        if (::connect(c, static_cast<const sockaddr*>(target.data()), static_cast<socklen_t>(target.size())) != 0) {
            return __LINE__;
        }
    }
    for (int i = 0; i < 100; ++i) {
        net->poll(0, 64);
    }
    if (accepts.streams.size() != 2 || accepts.errors.size() != 6 || net->counters().accepts_no_descriptor != 6) {
        return __LINE__;
    }
    if (std::any_of(accepts.errors.begin(), accepts.errors.end(),
                    [](int e) { return kind_of(e) != error_kind::exhausted; })) {
        return __LINE__;
    }
    // Nothing is left to do: it neither spins nor has work queued.
    if (net->next_deadline_ns() != UINT64_MAX || net->poll(0, 64) != 0) {
        return __LINE__;
    }
    // Those turned away see the end at once; the two others are open.
    int turned_away = 0;
    for (const int c : clients) {
        char byte = 0;
        const ssize_t got = ::recv(c, &byte, 1, MSG_DONTWAIT);
        turned_away += got == 0 || (got < 0 && errno == ECONNRESET);
    }
    if (turned_away != 6) {
        return __LINE__;
    }
    // Connecting out fails with an error, in poll().
    connector c;
    c.addresses = {&target, 1};
    if (!net->submit_connect(c).is_pending() || net->poll(0, 64) != 1 || kind_of(c.error) != error_kind::exhausted) {
        return __LINE__;
    }
    // A descriptor comes free: business as usual.
    net->close(accepts.streams[0]);
    ::close(clients[2]);
    c.completions = 0;
    if (!net->submit_connect(c).is_pending()) {
        return __LINE__;
    }
    for (int i = 0; i < 100; ++i) {
        net->poll(0, 64);
    }
    return c.completions == 1 && c.error == 0 && accepts.streams.size() == 3 ? 0 : __LINE__;
}

}  // namespace

TEST_CASE("reactor: out of descriptors, connections are turned away and nothing spins") {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        const int line = run_out_of_descriptors();
        ::_exit(line == 0 ? 0 : 1 + line % 250);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFEXITED(status));
    INFO("1 + line % 250 of the failed step");
    CHECK(WEXITSTATUS(status) == 0);
}

}
