// client: many conversations of one process with one destination: opening them a few at a time, trying again those that
// failed, knowing when all are through.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "api/colloquy/colloquy.h"
#include "tools/colloquy/codes.hpp"
#include "tools/colloquy/hub.hpp"
#include "tools/colloquy/server.hpp"

namespace colloquy::tool {

[[nodiscard]] inline std::uint64_t now_ns() noexcept {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
            .count());
}

// "inproc/NAME": the partner is this process, which then must serve the name itself.
[[nodiscard]] inline bool in_process(std::string_view destination) noexcept {
    return destination.substr(0, 7) == "inproc/";
}

// Starts the logical unit of a command that calls others; throws failure. It listens nowhere. `config`: null,
// searched as usual; empty, none.
void start_caller(const char* config, unsigned conversations, unsigned links, unsigned reactors);

// The name of a configuration file as the command line gave it, "" being none, for start_caller.
[[nodiscard]] inline const char* or_usual(const std::string& config) noexcept {
    return config.empty() ? nullptr : config.c_str();
}

// Checks that the destination can be understood (bad_usage) before anything is done with it.
void check_destination(const std::string& destination);

// What the sessions of a crowd share.
class crowd {
public:
    crowd(hub& completions, std::string destination) : hub_{completions}, destination_{std::move(destination)} {}

    [[nodiscard]] hub& completions() noexcept { return hub_; }
    [[nodiscard]] const std::string& destination() const noexcept { return destination_; }

    // Nothing more is begun; what is under way comes to its end.
    void stop() noexcept { stopping_.store(true, std::memory_order_relaxed); }
    [[nodiscard]] bool stopping() const noexcept { return stopping_.load(std::memory_order_relaxed); }

    // All of these, a few at a time: the next begins when one before has proved to work.
    void begin(worker& by, std::vector<session*> all);
    // For sessions: the first success, and the end.
    void works(worker& by);
    void ended(const std::string& why);
    // Those that work wait for the others: false once release() was called, and the session just goes on.
    [[nodiscard]] bool hold(session& s);
    void release(worker& by);

    // How many work or have worked.
    [[nodiscard]] std::size_t working();
    [[nodiscard]] std::size_t left();
    [[nodiscard]] std::string first_trouble();
    void note_trouble(const std::string& what);
    // Why a conversation had to be opened once more.
    [[nodiscard]] std::string first_retry();
    void note_retry(std::string_view call, CM_INT32 code);
    // True: all have ended.
    [[nodiscard]] bool wait_until_ended(std::chrono::milliseconds at_most);

private:
    static constexpr std::size_t opening_max = 256;

    hub& hub_;
    const std::string destination_;
    std::atomic<bool> stopping_{false};
    std::mutex busy_;
    std::condition_variable end_;
    std::vector<session*> waiting_;  // not begun yet
    std::vector<session*> held_;
    bool released_ = false;
    std::size_t working_ = 0;
    std::size_t left_ = 0;
    std::string first_trouble_;
    std::atomic<bool> retry_noted_{false};
    std::string first_retry_;
};

// A session that opens a conversation, loses it, opens it again.
class client_session : public session {
public:
    explicit client_session(crowd& all) : all_{all} {}

    CM_INT32 advance(worker& by, CM_INT32 code) final {
        if (opened_) return go_on(by, code);
        if (all_.stopping() && !must_open()) return end();
        return may_open() ? open() : not_ours;
    }

protected:
    // The conversation is open up to Allocate, whose code is the first one.
    virtual CM_INT32 go_on(worker& by, CM_INT32 code) = 0;
    // A characteristic or two before Allocate.
    virtual CM_INT32 prepare() { return CM_OK; }
    // False: the session is run again when it may, and is not ours any more.
    [[nodiscard]] virtual bool may_open() { return true; }
    // Not an error: the conversation is opened again without further ado.
    [[nodiscard]] virtual bool expected(CM_INT32 code) const { return worth_retrying(code); }
    // Something is still to be learned, even when all come to their end.
    [[nodiscard]] virtual bool must_open() const { return false; }

    [[nodiscard]] CM_INT32 open();
    // The conversation ended as it should; opens no new one.
    void close() {
        if (opened_) all_.completions().leave(talk_.key());
        opened_ = false;
    }
    // This session has nothing more to do.
    [[nodiscard]] CM_INT32 end() {
        close();
        all_.ended({});
        return not_ours;
    }
    // The conversation failed: counts it, and tries again a little later, or ends when all do.
    [[nodiscard]] CM_INT32 lose(worker& by, std::string_view call, CM_INT32 code);
    // The first success of this session lets another one begin.
    void works(worker& by) {
        if (proven_) return;
        proven_ = true;
        all_.works(by);
    }
    [[nodiscard]] crowd& all() noexcept { return all_; }

private:
    crowd& all_;
    bool opened_ = false;
    bool proven_ = false;
};

// Ends the logical unit and the hub's threads before what they use is destroyed, whatever happens.
class hub_guard {
public:
    explicit hub_guard(hub& completions) : hub_{completions} {}
    ~hub_guard() { hub_.stop(0); }
    hub_guard(const hub_guard&) = delete;
    hub_guard& operator=(const hub_guard&) = delete;

private:
    hub& hub_;
};

}  // namespace colloquy::tool
