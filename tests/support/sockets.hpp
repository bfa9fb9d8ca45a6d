// sockets: the few socket calls of tests that speak the protocol by hand, by one name on every system.
#pragma once

#include "transport/sockets.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

#ifndef _WIN32
#include <sys/time.h>
#include <unistd.h>
#endif

namespace colloquy::test {

#ifdef _WIN32
// What 16-bit programs said of their pointers.
#undef near
#undef far
using socket_handle = SOCKET;
inline constexpr socket_handle no_socket = INVALID_SOCKET;
inline constexpr int shut_writing = SD_SEND;
inline void close_socket(socket_handle s) { (void)::closesocket(s); }
inline void set_read_timeout(socket_handle s, unsigned seconds) {
    const DWORD ms = seconds * 1000;
    (void)::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, reinterpret_cast<const char*>(&ms), sizeof ms);
}
inline void send_bytes(socket_handle s, const void* data, std::size_t size) {
    (void)::send(s, static_cast<const char*>(data), static_cast<int>(size), 0);
}
inline long receive_bytes(socket_handle s, void* data, std::size_t size) {
    return ::recv(s, static_cast<char*>(data), static_cast<int>(size), 0);
}
#else
using socket_handle = int;
inline constexpr socket_handle no_socket = -1;
inline constexpr int shut_writing = SHUT_WR;
inline void close_socket(socket_handle s) { (void)::close(s); }
inline void set_read_timeout(socket_handle s, unsigned seconds) {
    const timeval patience{static_cast<time_t>(seconds), 0};
    (void)::setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}
inline void send_bytes(socket_handle s, const void* data, std::size_t size) {
    (void)::send(s, data, size, MSG_NOSIGNAL);
}
inline long receive_bytes(socket_handle s, void* data, std::size_t size) { return ::recv(s, data, size, 0); }
#endif

// Sockets are to be had from the first call on.
inline socket_handle new_socket() {
#ifdef _WIN32
    static const int started = [] {
        WSADATA ignored;
        return ::WSAStartup(MAKEWORD(2, 2), &ignored);
    }();
    (void)started;
#endif
    return ::socket(AF_INET, SOCK_STREAM, 0);
}

inline sockaddr loopback(std::uint16_t port) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in.sin_port = htons(port);
    sockaddr any{};
    std::memcpy(&any, &in, sizeof any);
    return any;
}

// Connects to the port behind the last colon.
inline bool connect_to(socket_handle s, const std::string& where) {
    const sockaddr to = loopback(static_cast<std::uint16_t>(std::stoi(where.substr(where.rfind(':') + 1))));
    return ::connect(s, &to, sizeof to) == 0;
}

// Listens on a port of the system's choice: "127.0.0.1:PORT", or nothing when it cannot.
inline std::string listen_on(socket_handle s) {
    sockaddr at = loopback(0);
    socklen_t size = sizeof at;
    if (::bind(s, &at, size) != 0 || ::listen(s, 4) != 0 || ::getsockname(s, &at, &size) != 0) return {};
    sockaddr_in in{};
    std::memcpy(&in, &at, sizeof in);
    return "127.0.0.1:" + std::to_string(ntohs(in.sin_port));
}

inline void reset_on_close(socket_handle s) {
    linger none{};
    none.l_onoff = 1;
    (void)::setsockopt(s, SOL_SOCKET, SO_LINGER, reinterpret_cast<const char*>(&none), sizeof none);
}

}  // namespace colloquy::test
