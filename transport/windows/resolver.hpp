// resolver: names to addresses by GetAddrInfoExW, which answers from a thread of the system; never blocks the drive.
//
// Owned by a reactor, at whose completion port the answers arrive. The driver's, but for the system's callback, which
// touches nothing but its own question. Completions are delivered by deliver() only, so a completion may submit and
// cancel freely. A question is allocated, and so is the fixed table of requests, at the first submit.
#pragma once

#include <cstdint>
#include <memory>

#include "transport/reactor.hpp"

namespace colloquy::transport {

struct resolver_options {
    std::uint32_t request_count_max = 64;
    std::uint32_t timeout_ms = 4000;  // of the whole question
};

class resolver {
public:
    // Answers are posted to the completion port `port` under `key`.
    resolver(const resolver_options& options, std::uintptr_t key) noexcept;
    ~resolver();
    resolver(const resolver&) = delete;
    resolver& operator=(const resolver&) = delete;

    void use_port(void* port) noexcept { port_ = port; }

    io_status submit(resolve_op& op) noexcept;
    void cancel(resolve_op& op) noexcept;

    // A packet with our key was dequeued.
    void arrived(void* overlapped) noexcept;
    // 0 when completions wait for deliver(), UINT64_MAX otherwise.
    [[nodiscard]] std::uint64_t next_deadline_ns() const noexcept;
    // Delivers at most `budget` completions and returns how many.
    std::uint32_t deliver(std::uint32_t budget) noexcept;

private:
    struct request;
    struct question;

    bool make_table() noexcept;
    int ask(request& r, const resolve_op& op) noexcept;
    void finish(request& r, int error) noexcept;
    void release(request& r) noexcept;

    resolver_options options_;
    std::uintptr_t key_;
    void* port_ = nullptr;
    std::unique_ptr<request[]> requests_;
    std::uint32_t free_head_ = 0;
    std::uint32_t finished_head_ = 0;
    std::uint32_t finished_tail_ = 0;
    question* questions_ = nullptr;   // those that the system has not returned yet
    std::uint32_t orphan_count_ = 0;  // those of them that nobody waits for any more
};

}  // namespace colloquy::transport
