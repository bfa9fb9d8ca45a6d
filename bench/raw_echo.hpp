// raw_echo: what bare sockets do with 64-byte requests and answers, the baselines beside which Colloquy is measured.
//
// Nothing of ours is used, on purpose: blocking sockets and plain epoll, written the way somebody who cares about speed
// would write them for this one exchange. Server and client are two processes on the loopback. Errors end the program.
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace raw_echo {

inline constexpr std::size_t message_bytes = 64;

inline std::uint64_t now_ns() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(t.tv_nsec);
}

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::exit(1);
}
inline int sure(int answer, const char* what) {
    if (answer < 0) {
        die(what);
    }
    return answer;
}

// Latencies in ns, log-linear: 128 steps an octave, so a percentile is right to within one percent.
class histogram {
public:
    void add(std::uint64_t ns, std::uint64_t times = 1) noexcept {
        counts_[bucket_of(ns)] += times;
        count_ += times;
    }
    void clear() noexcept {
        counts_.fill(0);
        count_ = 0;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
    [[nodiscard]] double percentile_us(double part) const noexcept {
        const auto wanted = static_cast<std::uint64_t>(part * static_cast<double>(count_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted) {
                return static_cast<double>(value_of(i)) / 1000.0;
            }
        }
        return 0.0;
    }

private:
    static constexpr unsigned step_bits = 7;
    static constexpr std::uint64_t steps = 1u << step_bits;

    static std::size_t bucket_of(std::uint64_t ns) noexcept {
        if (ns < steps) {
            return static_cast<std::size_t>(ns);
        }
        const auto octave = static_cast<unsigned>(63 - __builtin_clzll(ns)) - step_bits;
        return static_cast<std::size_t>((octave + 1u) * steps + ((ns >> octave) - steps));
    }
    static std::uint64_t value_of(std::size_t bucket) noexcept {
        if (bucket < steps) {
            return bucket;
        }
        const std::uint64_t octave = bucket / steps - 1;
        return (steps + bucket % steps) << octave;
    }

    std::array<std::uint64_t, (64 - step_bits + 1) * steps> counts_{};
    std::uint64_t count_ = 0;
};

// One timed stretch of a client: what it did between two moments.
struct round_result {
    double transactions_per_second = 0;
    double p50_us = 0;
    double p99_us = 0;
};

// Tells a client when warming up is over and when each round ends. The clock is asked by the caller, once a batch.
class stopwatch {
public:
    stopwatch(double duration_s, int rounds) noexcept
        : round_ns_{static_cast<std::uint64_t>(duration_s * 1e9 / rounds)},
          warm_until_ns_{now_ns() + std::max<std::uint64_t>(round_ns_ / 2, 200'000'000)},
          rounds_{rounds} {}

    // Counts `times` transactions that took `ns` each. False when the last round is over.
    bool add(std::uint64_t now, std::uint64_t ns, std::uint64_t times = 1) {
        if (round_start_ns_ == 0) {
            if (now >= warm_until_ns_) {
                round_start_ns_ = now;
            }
            return true;
        }
        latency_.add(ns, times);
        return now - round_start_ns_ < round_ns_ || end_round(now);
    }
    [[nodiscard]] const std::vector<round_result>& results() const noexcept { return results_; }

private:
    bool end_round(std::uint64_t now) {
        const double seconds = static_cast<double>(now - round_start_ns_) / 1e9;
        results_.push_back({static_cast<double>(latency_.count()) / seconds, latency_.percentile_us(0.50),
                            latency_.percentile_us(0.99)});
        latency_.clear();
        round_start_ns_ = now;
        return static_cast<int>(results_.size()) < rounds_;
    }

    std::uint64_t round_ns_;
    std::uint64_t warm_until_ns_;
    std::uint64_t round_start_ns_ = 0;
    int rounds_;
    histogram latency_;
    std::vector<round_result> results_;
};

// --- sockets --------------------------------------------------------------------------------------------------------

struct port_of_listener {
    int fd;
    sockaddr_in where;
};

inline port_of_listener listen_on_loopback() {
    port_of_listener l{sure(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), {}};
    l.where.sin_family = AF_INET;
    l.where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sure(::bind(l.fd, reinterpret_cast<const sockaddr*>(&l.where), sizeof l.where), "bind");
    sure(::listen(l.fd, 4096), "listen");
    socklen_t size = sizeof l.where;
    sure(::getsockname(l.fd, reinterpret_cast<sockaddr*>(&l.where), &size), "getsockname");
    return l;
}

inline void no_delay(int fd) {
    const int on = 1;
    sure(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
}

inline int connect_to(const sockaddr_in& where) {
    const int fd = sure(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    sure(::connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where), "connect");
    no_delay(fd);
    return fd;
}

inline int accept_from(int listener) {
    const int fd = sure(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC), "accept");
    no_delay(fd);
    return fd;
}

// Blocking; false at the end of the stream.
inline bool read_whole(int fd, unsigned char* to, std::size_t size) {
    for (std::size_t have = 0; have < size;) {
        const ssize_t got = ::recv(fd, to + have, size - have, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return false;
        }
        if (got < 0) {
            die("recv");
        }
        have += static_cast<std::size_t>(got);
    }
    return true;
}
inline bool write_whole(int fd, const unsigned char* from, std::size_t size) {
    for (std::size_t gone = 0; gone < size;) {
        const ssize_t put = ::send(fd, from + gone, size - gone, MSG_NOSIGNAL);
        if (put < 0 && (errno == EPIPE || errno == ECONNRESET)) {
            return false;
        }
        gone += static_cast<std::size_t>(sure(static_cast<int>(put), "send"));
    }
    return true;
}

// --- (1) one conversation, blocking ---------------------------------------------------------------------------------

inline void serve_blocking(int listener) {
    const int fd = accept_from(listener);
    unsigned char message[message_bytes];
    while (read_whole(fd, message, sizeof message) && write_whole(fd, message, sizeof message)) {
    }
}

inline void ask_blocking(const sockaddr_in& where, stopwatch& watch) {
    const int fd = connect_to(where);
    unsigned char message[message_bytes] = {};
    std::uint64_t before = now_ns();
    std::uint64_t after = before;
    do {
        before = after;
        ++message[0];
        const unsigned char sent = message[0];
        if (!write_whole(fd, message, sizeof message) || !read_whole(fd, message, sizeof message) ||
            message[0] != sent) {
            die("blocking echo");
        }
        after = now_ns();
    } while (watch.add(after, after - before));
    ::close(fd);
}

// --- (2) one connection a conversation, epoll -----------------------------------------------------------------------

// A message of 64 bytes on loopback comes in one piece unless the buffer is full, which one outstanding message never
// makes it; a piece all the same ends the program rather than falsify the numbers.
inline bool echo_piece(ssize_t bytes) {
    if (bytes == 0 || (bytes < 0 && errno == ECONNRESET)) {
        return false;
    }
    if (bytes != static_cast<ssize_t>(message_bytes)) {
        die("a message came in pieces");
    }
    return true;
}

inline void serve_epoll(int listener, std::size_t connections) {
    const int poller = sure(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    for (std::size_t i = 0; i < connections; ++i) {
        const int fd = accept_from(listener);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        sure(::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
    std::vector<epoll_event> events(512);
    unsigned char message[message_bytes];
    for (;;) {
        const int count = sure(::epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (!echo_piece(::recv(fd, message, sizeof message, MSG_DONTWAIT)) ||
                ::send(fd, message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
                return;
            }
        }
    }
}

inline void ask_epoll(const sockaddr_in& where, std::size_t connections, stopwatch& watch) {
    const int poller = sure(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    std::vector<int> fds(connections);
    std::vector<std::uint64_t> asked_ns(connections);
    for (std::size_t i = 0; i < connections; ++i) {
        fds[i] = connect_to(where);
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 = i;
        sure(::epoll_ctl(poller, EPOLL_CTL_ADD, fds[i], &event), "epoll_ctl");
    }
    unsigned char message[message_bytes] = {};
    const auto ask = [&](std::size_t i, std::uint64_t now) {
        asked_ns[i] = now;
        const auto mark = static_cast<std::uint32_t>(i);
        std::memcpy(message, &mark, sizeof mark);
        sure(static_cast<int>(::send(fds[i], message, sizeof message, MSG_NOSIGNAL | MSG_DONTWAIT)), "send");
    };
    for (std::size_t i = 0; i < connections; ++i) {
        ask(i, now_ns());
    }
    std::vector<epoll_event> events(512);
    for (;;) {
        const int count = sure(::epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
        for (int e = 0; e < count; ++e) {
            const auto i = static_cast<std::size_t>(events[static_cast<std::size_t>(e)].data.u64);
            std::uint32_t mark = 0;
            if (!echo_piece(::recv(fds[i], message, sizeof message, MSG_DONTWAIT))) {
                die("epoll echo");
            }
            std::memcpy(&mark, message, sizeof mark);
            if (mark != i) {
                die("epoll echo: another's answer");
            }
            const std::uint64_t now = now_ns();
            if (!watch.add(now, now - asked_ns[i])) {
                return;
            }
            ask(i, now);
        }
    }
}

// --- (3) many conversations on one connection -----------------------------------------------------------------------

inline constexpr std::size_t batch_bytes = 64 * 1024;

// Answers all that one read has brought with one write. A message that came in part waits in front of the next read.
inline void serve_multiplexed(int listener) {
    const int fd = accept_from(listener);
    std::vector<unsigned char> batch(batch_bytes);
    std::size_t have = 0;
    for (;;) {
        const ssize_t got = ::recv(fd, batch.data() + have, batch.size() - have, 0);
        if (got == 0 || (got < 0 && errno == ECONNRESET)) {
            return;
        }
        have += static_cast<std::size_t>(sure(static_cast<int>(got), "recv"));
        const std::size_t whole = have / message_bytes * message_bytes;
        if (whole != 0 && !write_whole(fd, batch.data(), whole)) {
            return;
        }
        std::memmove(batch.data(), batch.data() + whole, have - whole);
        have -= whole;
    }
}

// Each conversation has one message under way; all answered by one read are asked again by one write. No deadlock: all
// messages under way together fit the socket's buffers.
inline void ask_multiplexed(const sockaddr_in& where, std::size_t conversations, stopwatch& watch) {
    const int fd = connect_to(where);
    std::vector<unsigned char> batch(std::max(batch_bytes, conversations * message_bytes));
    std::vector<std::uint64_t> asked_ns(conversations, now_ns());
    for (std::size_t i = 0; i < conversations; ++i) {
        const auto mark = static_cast<std::uint32_t>(i);
        std::memcpy(batch.data() + i * message_bytes, &mark, sizeof mark);
    }
    write_whole(fd, batch.data(), conversations * message_bytes);
    std::size_t have = 0;
    for (;;) {
        const ssize_t got = ::recv(fd, batch.data() + have, batch_bytes - have, 0);
        if (got == 0) {
            die("multiplexed echo");
        }
        have += static_cast<std::size_t>(sure(static_cast<int>(got), "recv"));
        const std::size_t whole = have / message_bytes * message_bytes;
        const std::uint64_t now = now_ns();
        for (std::size_t at = 0; at < whole; at += message_bytes) {
            std::uint32_t mark = 0;
            std::memcpy(&mark, batch.data() + at, sizeof mark);
            if (mark >= conversations) {
                die("multiplexed echo: an unknown conversation");
            }
            if (!watch.add(now, now - asked_ns[mark])) {
                ::close(fd);
                return;
            }
            asked_ns[mark] = now;
        }
        write_whole(fd, batch.data(), whole);
        std::memmove(batch.data(), batch.data() + whole, have - whole);
        have -= whole;
    }
}

// --- running --------------------------------------------------------------------------------------------------------

// Runs `serve` in a child process and `ask` in this one.
template <class Serve, class Ask>
std::vector<round_result> measure(double duration_s, int rounds, Serve serve, Ask ask) {
    const port_of_listener listener = listen_on_loopback();
    const pid_t child = sure(::fork(), "fork");
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // a client that gives up takes its server along
        serve(listener.fd);
        ::_exit(0);
    }
    ::close(listener.fd);
    stopwatch watch{duration_s, rounds};
    ask(listener.where, watch);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    return watch.results();
}

inline double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    const std::size_t half = values.size() / 2;
    return values.size() % 2 != 0 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace raw_echo
