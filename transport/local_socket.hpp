// local_socket: stream sockets between processes of one machine, named by a path or by an abstract name.
//
// They are made here and handed to a reactor (reactor::adopt). Offered on Linux; elsewhere every call answers that it
// is not. Descriptors are close-on-exec and non-blocking and belong to the caller.
#pragma once

#include <cstdint>
#include <string>

#include "transport/address.hpp"

namespace colloquy::transport {

// Who is at the other end of a connected local socket.
struct peer_credentials {
    std::int64_t pid = 0;
    std::int64_t uid = -1;
    std::int64_t gid = -1;
};

// The file of a socket that listens, which is to go with it.
struct socket_file {
    std::string path;  // empty: there is none
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t made_ns = 0;  // numbers of inodes come again
    std::int64_t pid = 0;       // of the process that made it; a child is not to remove it
};

// The system's error, or 0 and a socket that listens at a local address. A file gets these permissions before anybody
// can connect. What is left of a listener that has gone is replaced; a live one is not.
[[nodiscard]] int listen_local(const address& where, unsigned mode, std::intptr_t& out, socket_file& file);
// Removes the file, if it is still the same and ours.
void remove(socket_file& file) noexcept;
// Whoever listens at the other end is the user that we are, or root: he may read our memory anyway.
[[nodiscard]] bool same_user(std::intptr_t descriptor) noexcept;
// For messages: who is at the other end of a connected local socket, by his user; empty when that cannot be told.
[[nodiscard]] std::string local_peer(std::intptr_t descriptor);

// Listens on `path`, which gets these permissions before anybody can connect. What is left of a listener that has gone
// is replaced; a live one is not. -1 with `error`. A path is never an abstract name here.
[[nodiscard]] std::intptr_t listen_local(const std::string& path, unsigned mode, std::string& error);
// -1 with `error`: nobody listens there, or too many wait.
[[nodiscard]] std::intptr_t connect_local(const std::string& path, std::string& error);
// False: it is no such socket.
[[nodiscard]] bool credentials_of(std::intptr_t descriptor, peer_credentials& out) noexcept;
// A copy of the descriptor, for somebody else. -1: there is none to be had.
[[nodiscard]] std::intptr_t copy_descriptor(std::intptr_t descriptor) noexcept;
void close_descriptor(std::intptr_t descriptor) noexcept;

}  // namespace colloquy::transport
