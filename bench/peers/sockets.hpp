// sockets: loopback TCP for the peers that use the system alone.
#pragma once

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "bench/peers/contract.hpp"

namespace peers {

struct listener {
    int fd;
    std::uint16_t port;
};
[[nodiscard]] inline listener listen_on_loopback() {
    listener l{sure(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"), 0};
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sure(::bind(l.fd, reinterpret_cast<const sockaddr*>(&where), sizeof where), "bind");
    sure(::listen(l.fd, 4096), "listen");
    socklen_t size = sizeof where;
    sure(::getsockname(l.fd, reinterpret_cast<sockaddr*>(&where), &size), "getsockname");
    l.port = ntohs(where.sin_port);
    return l;
}

inline void no_delay(int fd) {
    const int on = 1;
    sure(::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "TCP_NODELAY");
}
[[nodiscard]] inline int connect_to(std::uint16_t port) {
    const int fd = sure(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(port);
    sure(::connect(fd, reinterpret_cast<const sockaddr*>(&where), sizeof where), "connect");
    no_delay(fd);
    return fd;
}
[[nodiscard]] inline int accept_from(int listening) {
    const int fd = sure(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC), "accept");
    no_delay(fd);
    return fd;
}

// Waits for what is asked of the socket; false when the partner is gone.
inline bool wait_for(int fd, short events) {
    pollfd p{fd, events, 0};
    while (::poll(&p, 1, -1) < 0)
        if (errno != EINTR) die("poll");
    return (p.revents & (POLLERR | POLLNVAL)) == 0;
}

// All of it; false at the end of the stream. With `spin` a processor is spent instead of a wait.
inline bool read_whole(int fd, char* to, std::size_t size, bool spin = false) {
    for (std::size_t have = 0; have < size;) {
        const ssize_t got = ::recv(fd, to + have, size - have, spin ? MSG_DONTWAIT : 0);
        if (got < 0 && (errno == EINTR || (spin && errno == EAGAIN))) continue;
        if (got <= 0) return false;
        have += static_cast<std::size_t>(got);
    }
    return true;
}
inline bool write_whole(int fd, const char* from, std::size_t size) {
    for (std::size_t gone = 0; gone < size;) {
        const ssize_t put = ::send(fd, from + gone, size - gone, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        gone += static_cast<std::size_t>(put);
    }
    return true;
}

}  // namespace peers
