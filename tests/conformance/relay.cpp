#include "tests/conformance/relay.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <stdexcept>

namespace colloquy::conformance {

namespace {

sockaddr_in loopback(int port) {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(static_cast<std::uint16_t>(port));
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return a;
}
template <class Call>
int with(Call f, int s, sockaddr_in a) {
    return f(s, reinterpret_cast<sockaddr*>(&a), static_cast<socklen_t>(sizeof a));
}

int stream_socket() {
    const int s = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s < 0) throw std::runtime_error("no socket");
    const int on = 1;
    (void)::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return s;
}

// False: one side has gone.
bool hand_on(int from, int to) {
    std::array<char, 65'536> bytes;
    const ssize_t n = ::read(from, bytes.data(), bytes.size());
    if (n <= 0) return false;
    for (ssize_t at = 0; at < n;) {
        const ssize_t w = ::send(to, bytes.data() + at, static_cast<std::size_t>(n - at), MSG_NOSIGNAL);
        if (w <= 0) return false;
        at += w;
    }
    return true;
}

}  // namespace

relay::relay(std::string to) : to_{std::move(to)} {
    listener_ = stream_socket();
    if (with([](auto... p) { return ::bind(p...); }, listener_, loopback(0)) != 0 || ::listen(listener_, 16) != 0)
        throw std::runtime_error("no port for a relay");
    sockaddr_in a{};
    socklen_t size = sizeof a;
    (void)::getsockname(listener_, reinterpret_cast<sockaddr*>(&a), &size);
    address_ = "127.0.0.1:" + std::to_string(ntohs(a.sin_port));
    if (::pipe2(wake_, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    thread_ = std::thread{[this] { main(); }};
}

relay::~relay() {
    command('q');
    thread_.join();
    for (const int fd : {listener_, wake_[0], wake_[1]}) (void)::close(fd);
}

void relay::command(char c) {
    std::unique_lock held{mutex_};
    const unsigned mine = ++asked_;
    if (::write(wake_[1], &c, 1) != 1) throw std::runtime_error("the relay's pipe is broken");
    done_.wait(held, [&] { return carried_out_ >= mine; });
}
void relay::cut() { command('c'); }
void relay::hold(bool on) { command(on ? 'h' : 'r'); }

void relay::main() {
    const int port = std::stoi(to_.substr(to_.rfind(':') + 1));
    const auto connect_on = [&](int from) {
        const int s = stream_socket();
        if (with([](auto... p) { return ::connect(p...); }, s, loopback(port)) == 0) {
            pairs_.emplace_back(from, s);
            return;
        }
        (void)::close(s);
        (void)::close(from);
    };
    const auto close_all = [&] {
        for (const auto& p : pairs_) {
            (void)::close(p.first);
            (void)::close(p.second);
        }
        pairs_.clear();
        for (const int fd : held_) (void)::close(fd);
        held_.clear();
    };
    for (;;) {
        std::vector<pollfd> all{{wake_[0], POLLIN, 0}, {listener_, POLLIN, 0}};
        for (const auto& p : pairs_) {
            all.push_back({p.first, POLLIN, 0});
            all.push_back({p.second, POLLIN, 0});
        }
        if (::poll(all.data(), all.size(), -1) < 0) continue;
        std::vector<std::pair<int, int>> still;
        for (std::size_t i = 0; i < pairs_.size(); ++i) {
            const auto [a, b] = pairs_[i];
            bool good = true;
            if (all[2 + 2 * i].revents != 0) good = hand_on(a, b);
            if (good && all[3 + 2 * i].revents != 0) good = hand_on(b, a);
            if (good) {
                still.push_back(pairs_[i]);
            } else {
                (void)::close(a);
                (void)::close(b);
            }
        }
        pairs_ = std::move(still);
        if (all[1].revents != 0) {
            const int s = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            const int on = 1;
            if (s >= 0) (void)::setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            if (s >= 0 && holding_) held_.push_back(s);
            if (s >= 0 && !holding_) connect_on(s);
        }
        if (all[0].revents == 0) continue;
        char c = 0;
        if (::read(wake_[0], &c, 1) != 1) continue;
        if (c == 'c' || c == 'q') close_all();
        if (c == 'h') holding_ = true;
        if (c == 'r') {
            holding_ = false;
            for (const int s : held_) connect_on(s);
            held_.clear();
        }
        const std::lock_guard held{mutex_};
        ++carried_out_;
        done_.notify_all();
        if (c == 'q') return;
    }
}

}  // namespace colloquy::conformance
