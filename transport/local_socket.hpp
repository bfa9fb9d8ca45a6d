// local_socket: stream sockets between processes of one machine, named by a path.
//
// They are made here and handed to a reactor (reactor::adopt). Offered on Linux; elsewhere every call answers that it
// is not. Descriptors are close-on-exec and non-blocking and belong to the caller.
#pragma once

#include <cstdint>
#include <string>

namespace colloquy::transport {

// Who is at the other end of a connected local socket.
struct peer_credentials {
    std::int64_t pid = 0;
    std::int64_t uid = -1;
    std::int64_t gid = -1;
};

// Listens on `path`, which gets these permissions before anybody can connect. What is left of a listener that has gone
// is replaced; a live one is not. -1 with `error`.
[[nodiscard]] std::intptr_t listen_local(const std::string& path, unsigned mode, std::string& error);
// -1 with `error`: nobody listens there, or too many wait.
[[nodiscard]] std::intptr_t connect_local(const std::string& path, std::string& error);
// False: it is no such socket.
[[nodiscard]] bool credentials_of(std::intptr_t descriptor, peer_credentials& out) noexcept;
// A copy of the descriptor, for somebody else. -1: there is none to be had.
[[nodiscard]] std::intptr_t copy_descriptor(std::intptr_t descriptor) noexcept;
void close_descriptor(std::intptr_t descriptor) noexcept;

}  // namespace colloquy::transport
