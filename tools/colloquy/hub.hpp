// hub: the completions of the process, and the sessions that wait for them.
//
// A session is one conversation's state machine. Its owner is whoever runs it; issuing a call that returns
// CM_OPERATION_INCOMPLETE gives it up, collecting the completion takes it over. So no session needs a lock, and a few
// threads in Wait_For_Conversation serve any number of conversations.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "api/cpic.h"
#include "tools/colloquy/conversation.hpp"
#include "tools/colloquy/histogram.hpp"
#include "tools/colloquy/id_table.hpp"

namespace colloquy::tool {

// Instead of a return code: the session has ended or was handed to somebody else, and must not be touched.
inline constexpr CM_INT32 not_ours = -1;

class worker;

class session {
public:
    session() = default;
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    virtual ~session() = default;

    // Takes the code of the call it issued last, goes one step, and returns the code of the next call, or not_ours.
    // The next call is the last thing it does: with CM_OPERATION_INCOMPLETE the session may already be somebody else's.
    virtual CM_INT32 advance(worker& by, CM_INT32 code) = 0;

protected:
    conversation talk_;

private:
    friend class hub;
    friend class worker;
    session* next_ = nullptr;
    CM_INT32 pending_code_ = CM_OK;
};

// A number that one thread counts and others look at.
class tally {
public:
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    [[nodiscard]] std::uint64_t value() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

// What belongs to one thread that runs sessions.
class alignas(64) worker {
public:
    explicit worker(std::size_t number) : number_{number} {}

    tally transactions;
    tally bytes;
    tally errors;
    tally retries;
    histogram latency;
    histogram service;  // in an open loop: without the time that a transaction waited for its turn

    [[nodiscard]] std::size_t number() const noexcept { return number_; }

    // The session goes on with this code when its turn comes.
    void enqueue(session& s, CM_INT32 code) noexcept {
        s.pending_code_ = code;
        s.next_ = nullptr;
        (last_ == nullptr ? first_ : last_->next_) = &s;
        last_ = &s;
    }

private:
    friend class hub;
    std::size_t number_;
    session* first_ = nullptr;
    session* last_ = nullptr;
};

// Learns of conversations that nobody has opened here: what Accept_Conversation brought.
class acceptor {
public:
    virtual void accepted(worker& by, const char* id, CM_INT32 code) = 0;
    // Conversations may have ended, and left room for accepts that found none. False: some still find none.
    virtual bool accept_more(worker& by) = 0;

protected:
    ~acceptor() = default;
};

class hub {
public:
    // `expected`: conversations at a time.
    hub(std::size_t expected, unsigned threads) : table_{expected}, thread_count_{threads} {}
    ~hub() { stop(0); }
    hub(const hub&) = delete;
    hub& operator=(const hub&) = delete;

    // A place for a thread that runs sessions without being one of the hub's; before start().
    [[nodiscard]] worker& add_worker();
    [[nodiscard]] const std::deque<worker>& workers() const noexcept { return workers_; }

    // Starts the threads. `who` may be null when nothing is accepted.
    void start(acceptor* who);
    // Stops the logical unit, giving what was flushed `timeout_ms` to be written, and ends the threads. Sessions may be
    // destroyed after that. False: not everything was written in time.
    bool stop(unsigned timeout_ms);

    void join(std::uint64_t key, session& s) { table_.insert(key, &s); }
    void leave(std::uint64_t key) { table_.erase(key); }

    // Runs a session that the caller owns, as far as it goes.
    void run(worker& by, session& s, CM_INT32 code);
    // Runs what the worker has enqueued, until nothing is left. For threads that are not the hub's.
    void run_enqueued(worker& by);

    // The session waits until somebody thinks that going on may help.
    void park(session& s);
    // Lets those that are parked go on with `code`; how many there were.
    std::size_t unpark(worker& by, CM_INT32 code);

    // Why the threads gave up; empty as long as they have not.
    [[nodiscard]] std::string trouble();

private:
    void serve(worker& by);
    [[nodiscard]] CM_INT32 collect(worker& by);
    void announce();
    void run_round(worker& by);

    id_table<session> table_;
    unsigned thread_count_;
    std::deque<worker> workers_;
    std::vector<std::thread> threads_;
    acceptor* acceptor_ = nullptr;

    std::mutex idle_;
    std::condition_variable work_;
    std::uint64_t announced_ = 0;
    bool stopping_ = false;
    session* parked_ = nullptr;
    std::string trouble_;
};

}  // namespace colloquy::tool
