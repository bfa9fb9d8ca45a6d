// resolver: names to addresses by c-ares, never blocking the drive.
//
// Owned by a reactor, which polls its sockets and keeps its deadlines. Single-threaded: the driver's. Completions are
// never delivered from inside c-ares but by deliver(), so a completion may submit and cancel freely.
// c-ares allocates; that and the first submit (which takes the fixed table of requests) are the only allocations.
#pragma once

#include <cstdint>
#include <memory>

#include "transport/reactor.hpp"

namespace colloquy::transport {

// What the resolver needs of its reactor: be told when a socket is readable or writable. Both false: forget it.
class descriptor_watch {
public:
    virtual void watch(int descriptor, bool readable, bool writable) noexcept = 0;

protected:
    ~descriptor_watch() = default;
};

struct resolver_options {
    std::uint32_t request_count_max = 64;
    std::uint32_t timeout_ms = 2000;
    std::uint32_t tries = 2;
};

class resolver {
public:
    resolver(descriptor_watch& watch, const resolver_options& options) noexcept;
    ~resolver();
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;

    io_status submit(resolve_op& op) noexcept;
    void cancel(resolve_op& op) noexcept;

    // News of a watched socket.
    void on_descriptor(int descriptor, bool readable, bool writable) noexcept;
    // Lets time pass; cheap when nothing is due.
    void on_time(std::uint64_t now) noexcept;
    // 0 when completions wait for deliver(), UINT64_MAX when nothing is under way.
    [[nodiscard]] std::uint64_t next_deadline_ns() const noexcept;
    // Delivers at most `budget` completions and returns how many.
    std::uint32_t deliver(std::uint32_t budget) noexcept;

private:
    struct request;
    struct channel;

    bool start_channel(int& error) noexcept;
    void finish(request& r, int error) noexcept;
    void release(request& r) noexcept;
    void look_at_deadline() noexcept;

    descriptor_watch& watch_;
    resolver_options options_;
    std::unique_ptr<request[]> requests_;
    std::unique_ptr<channel> channel_;
    std::uint32_t free_head_ = 0;
    std::uint32_t finished_head_ = 0;
    std::uint32_t finished_tail_ = 0;
    std::uint32_t asking_count_ = 0;  // requests that c-ares has and somebody still wants
    std::uint64_t deadline_ns_ = UINT64_MAX;
};

}  // namespace colloquy::transport
