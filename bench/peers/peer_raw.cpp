// peer_raw: the system alone. One conversation on one blocking (or busily polled) socket, and many with a connection
// each under epoll, the way somebody who cares about speed would write them.
#include <sys/epoll.h>

#include <vector>

#include "bench/peers/pacer.hpp"
#include "bench/peers/sockets.hpp"

namespace {

using namespace peers;

// --- one conversation -------------------------------------------------------------------------------------------

void serve_one(const options& o, const doorbell& bell) {
    const listener l = listen_on_loopback();
    bell.listening(l.port);
    const int fd = accept_from(l.fd);
    std::vector<char> message(o.size);
    const bool spin = o.variant == "polling";
    while (read_whole(fd, message.data(), message.size(), spin) && write_whole(fd, message.data(), message.size())) {
    }
}

void ask_one(const options& o, std::uint16_t port, meter& m) {
    const int fd = connect_to(port);
    std::vector<char> message(o.size, 'x');
    const bool spin = o.variant == "polling";
    std::uint64_t before = now_ns();
    for (bool more = true; more;) {
        if (!write_whole(fd, message.data(), message.size()) || !read_whole(fd, message.data(), message.size(), spin))
            die("the partner");
        const std::uint64_t after = now_ns();
        more = m.add(after, before, message.size() * 2);
        before = after;
    }
}

// --- one way ----------------------------------------------------------------------------------------------------

constexpr std::size_t bulk_bytes = std::size_t{256} << 10;

void serve_bulk(const options&, const doorbell& bell) {
    const listener l = listen_on_loopback();
    bell.listening(l.port);
    const int fd = accept_from(l.fd);
    std::vector<char> input(bulk_bytes);
    while (::recv(fd, input.data(), input.size(), 0) > 0) {
    }
}

void ask_bulk(const options& o, std::uint16_t port, meter& m) {
    const int fd = connect_to(port);
    const std::size_t records = std::max<std::size_t>(1, bulk_bytes / o.size);
    const std::vector<char> output(records * o.size, 'x');
    do {
        if (!write_whole(fd, output.data(), output.size())) die("the partner");
    } while (m.add(now_ns(), 0, output.size(), records));
}

// --- a connection each ------------------------------------------------------------------------------------------

void watch(int poller, int fd, std::uint64_t mark) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = mark;
    sure(::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
}

// A message that small comes in one piece, for there is never a second one behind it.
bool read_message(int fd, std::vector<char>& message) {
    const ssize_t got = ::recv(fd, message.data(), message.size(), MSG_DONTWAIT);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) return false;
    if (got != static_cast<ssize_t>(message.size())) die("a message came in pieces");
    return true;
}
void write_message(int fd, const std::vector<char>& message) {
    if (::send(fd, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) != static_cast<ssize_t>(message.size()))
        die("send");
}

// With `oneshot` the asker closes what has been answered, and so do we when we hear of it.
void serve_many(const options& o, const doorbell& bell) {
    const listener l = listen_on_loopback();
    const int poller = sure(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    watch(poller, l.fd, static_cast<std::uint64_t>(l.fd));
    bell.listening(l.port);
    std::vector<epoll_event> events(512);
    std::vector<char> message(o.size);
    for (;;) {
        const int count = sure(::epoll_wait(poller, events.data(), static_cast<int>(events.size()), -1), "epoll_wait");
        for (int i = 0; i < count; ++i) {
            const int fd = static_cast<int>(events[static_cast<std::size_t>(i)].data.u64);
            if (fd == l.fd) {
                const int accepted = accept_from(l.fd);
                watch(poller, accepted, static_cast<std::uint64_t>(accepted));
            } else if (read_message(fd, message)) {
                write_message(fd, message);
            } else {
                ::close(fd);
            }
        }
    }
}

class crowd {
public:
    crowd(const options& o, std::uint16_t port)
        : options_{o},
          port_{port},
          poller_{sure(::epoll_create1(EPOLL_CLOEXEC), "epoll_create1")},
          fds_(o.conversations, -1),
          asked_(o.conversations),
          message_(o.size, 'x'),
          pace_{o.rate} {}

    void open(std::size_t i) {
        fds_[i] = connect_to(port_);
        watch(poller_, fds_[i], i);
    }
    void ask(std::size_t i, std::uint64_t now) {
        if (fds_[i] < 0) open(i);
        asked_[i] = now;
        write_message(fds_[i], message_);
    }

    void run(meter& m) {
        const bool once = options_.workload == "oneshot";
        const bool idle_only = options_.workload == "idle";
        if (idle_only) m.before_opening();
        for (std::size_t i = 0; i < fds_.size(); ++i) {
            if (!once) open(i);
            if (pace_.open_loop()) idle_.push_back(i);
        }
        for (std::size_t i = 0; i < fds_.size() && !pace_.open_loop(); ++i) ask(i, now_ns());
        std::vector<epoll_event> events(512);
        std::size_t answered = 0;
        for (bool more = true; more;) {
            std::uint64_t now = now_ns();
            for (; !idle_.empty() && pace_.due() <= now; pace_.took()) {
                ask(idle_.back(), pace_.due());
                idle_.pop_back();
            }
            const std::int64_t patience = idle_.empty() ? -1 : pace_.patience_ns(now);
            const timespec limit{patience / 1'000'000'000, patience % 1'000'000'000};
            const int count = ::epoll_pwait2(poller_, events.data(), static_cast<int>(events.size()),
                                             patience < 0 ? nullptr : &limit, nullptr);
            sure(count, "epoll_pwait2");
            now = now_ns();
            for (int e = 0; e < count; ++e) {
                const auto i = static_cast<std::size_t>(events[static_cast<std::size_t>(e)].data.u64);
                if (!read_message(fds_[i], message_)) die("the partner");
                if (idle_only) {
                    if (++answered == fds_.size()) return m.after_opening(fds_.size());
                    continue;
                }
                more = m.add(now, asked_[i], message_.size() * 2) && more;
                if (once) {
                    // Reset rather than closed: ports that linger would be used up within seconds.
                    const linger none{1, 0};
                    (void)::setsockopt(fds_[i], SOL_SOCKET, SO_LINGER, &none, sizeof none);
                    ::close(fds_[i]);
                    fds_[i] = -1;
                }
                if (pace_.open_loop())
                    idle_.push_back(i);
                else
                    ask(i, now);
            }
        }
    }

private:
    const options& options_;
    std::uint16_t port_;
    int poller_;
    std::vector<int> fds_;
    std::vector<std::uint64_t> asked_;
    std::vector<std::size_t> idle_;
    std::vector<char> message_;
    pacer pace_;
};

void ask_many(const options& o, std::uint16_t port, meter& m) { crowd{o, port}.run(m); }

constexpr program programs[] = {
    {"rtt1", "blocking", serve_one, ask_one, false},     {"rtt1", "polling", serve_one, ask_one, false},
    {"concurrent", "epoll", serve_many, ask_many, true}, {"oneshot", "connect", serve_many, ask_many, true},
    {"links", "epoll", serve_many, ask_many, true},      {"bulk", "tcp", serve_bulk, ask_bulk, false},
    {"idle", "epoll", serve_many, ask_many, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "raw", programs); }
