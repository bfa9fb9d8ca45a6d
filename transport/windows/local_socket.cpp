// local_socket on Windows: not offered. An attach manager and its programs run on Linux.
#include "transport/local_socket.hpp"

#include "transport/reactor.hpp"

namespace colloquy::transport {

namespace {

std::intptr_t not_here(const std::string& path, std::string& error) {
    error = path + ": attach managers and links to them are not offered on Windows";
    return -1;
}

}  // namespace

int listen_local(const address&, unsigned, std::intptr_t&, socket_file&) { return io_error_bad_argument; }
void remove(socket_file&) noexcept {}
bool same_user(std::intptr_t) noexcept { return false; }
std::string local_peer(std::intptr_t) { return {}; }
std::intptr_t listen_local(const std::string& path, unsigned, std::string& error) { return not_here(path, error); }
std::intptr_t connect_local(const std::string& path, std::string& error) { return not_here(path, error); }
bool credentials_of(std::intptr_t, peer_credentials&) noexcept { return false; }
std::intptr_t copy_descriptor(std::intptr_t) noexcept { return -1; }
void close_descriptor(std::intptr_t) noexcept {}

}  // namespace colloquy::transport
