// local_socket on Windows: not offered. An attach manager and its programs run on Linux.
#include "transport/local_socket.hpp"

namespace colloquy::transport {

namespace {

std::intptr_t not_here(const std::string& path, std::string& error) {
    error = path + ": attach managers and links to them are not offered on Windows";
    return -1;
}

}  // namespace

std::intptr_t listen_local(const std::string& path, unsigned, std::string& error) { return not_here(path, error); }
std::intptr_t connect_local(const std::string& path, std::string& error) { return not_here(path, error); }
bool credentials_of(std::intptr_t, peer_credentials&) noexcept { return false; }
std::intptr_t copy_descriptor(std::intptr_t) noexcept { return -1; }
void close_descriptor(std::intptr_t) noexcept {}

}  // namespace colloquy::transport
