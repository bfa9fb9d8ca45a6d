// epoll_reactor: the reactor of Linux.
//
// Each socket is registered once, edge-triggered, for both directions: no epoll_ctl on the hot path. A stream's state
// that two threads share (is a writer inside, is a write parked, has an edge come, is it closed) is one atomic word
// that both sides read-modify-write; everything else in a slot belongs to the driver.
#pragma once

#include <cstdint>
#include <memory>

#include "transport/reactor.hpp"

namespace colloquy::transport {

struct reactor_options {
    std::uint32_t stream_count_max = 1024;
    std::uint32_t listener_count_max = 16;
    std::uint32_t resolve_count_max = 64;   // names being resolved at one time
    std::uint32_t accepts_per_poll = 64;    // bounds one listener's share of a poll
    std::uint32_t name_timeout_ms = 2000;   // of one try of one name server
    std::uint32_t name_tries = 2;
};

// Builds the reactor of this system; all memory is taken here. Null, with `error`, when the system refuses.
[[nodiscard]] std::unique_ptr<reactor> make_reactor(const reactor_options& options, int& error);

}  // namespace colloquy::transport
