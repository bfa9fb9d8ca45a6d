// system_reactor: builds the reactor of the system this is compiled for: epoll on Linux, a completion port on Windows.
#pragma once

#include <cstdint>
#include <memory>

#include "transport/reactor.hpp"

namespace colloquy::transport {

struct reactor_options {
    std::uint32_t stream_count_max = 1024;
    std::uint32_t listener_count_max = 32;
    std::uint32_t resolve_count_max = 64;  // names being resolved at one time
    std::uint32_t accepts_per_poll = 64;   // bounds one listener's share of a poll
    std::uint32_t name_timeout_ms = 2000;  // of one try of one name server, where the system lets us choose
    std::uint32_t name_tries = 2;          // as above
};

// Builds the reactor of this system; all memory is taken here. Null, with `error`, when the system refuses.
[[nodiscard]] std::unique_ptr<reactor> make_reactor(const reactor_options& options, int& error);

// True where several reactors may listen on one port and the system spreads the connections among them
// (listen_options::reuse_port). Elsewhere the second one to listen is refused.
[[nodiscard]] bool reactors_share_ports() noexcept;

}  // namespace colloquy::transport
