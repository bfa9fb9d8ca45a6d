// user_gate: finds out whether the users of attaches are who they say they are, off the drives.
//
// A check takes tens of milliseconds on purpose, so it is left to one thread, which is started by the first question,
// behind a bounded queue: what does not fit is for the caller to try again. Peers who are wrong too often are not
// asked about any more.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "api/attempt_bound.hpp"
#include "api/password_file.hpp"
#include "runtime/conversation_id.hpp"
#include "runtime/engine.hpp"
#include "runtime/wire/small_text.hpp"

namespace colloquy::transport {
class drive;
}

namespace colloquy::api {

struct user_settings {
    std::string passwords;                // file; empty: there is none
    std::uint32_t attempts = 5;           // mistakes of a peer...
    std::uint32_t attempts_seconds = 60;  // ...within so many seconds
    std::uint32_t queue = 64;             // checks that may wait
};

struct user_question {
    transport::drive* by = nullptr;
    runtime::conversation_id id{};
    wire::small_text<10> user;
    wire::small_text<10> password;
    wire::small_text<64> tp_name;
    wire::small_text<17> partner_lu;
    wire::small_text<96> peer;  // for people
    wire::small_text<64> key;   // what its mistakes are counted by
    bool encrypted = false;

    user_question() noexcept = default;
    user_question(const user_question&) = default;
    user_question& operator=(const user_question&) = default;
    ~user_question();
};

class user_gate {
public:
    using user_check = runtime::host::user_check;

    // What the gate needs of the logical unit.
    class owner {
    public:
        // A thread of ours that calls serve(). False: none may be started, and checks are made at once.
        virtual bool start_user_thread() noexcept = 0;
        // Any thread: the verdict on a question that was pending.
        virtual void user_decided(transport::drive& by, runtime::conversation_id id, user_check verdict) noexcept = 0;

    protected:
        ~owner() = default;
    };

    user_gate(owner& unit, const user_settings& wanted);
    user_gate(const user_gate&) = delete;
    user_gate& operator=(const user_gate&) = delete;

    // Reads the password file. False with one line. What was read is asked from use() on.
    using passwords = std::shared_ptr<const password_file>;
    [[nodiscard]] bool read(passwords& out, std::string& error) const;
    void use(passwords fresh) noexcept;

    // Any driver.
    [[nodiscard]] user_check ask(const user_question& q) noexcept;
    // The thread's main: until stop().
    void serve() noexcept;
    void stop() noexcept;

    // A line for the log, without the password.
    static void log_refused(const user_question& q, std::string_view why) noexcept;

private:
    [[nodiscard]] user_check decide(const user_question& q) noexcept;
    [[nodiscard]] bool too_often(const user_question& q) noexcept;

    owner& unit_;
    const user_settings settings_;
    std::mutex mutex_;  // everything below
    std::condition_variable asked_;
    std::deque<user_question> questions_;
    attempt_bound mistakes_;
    std::shared_ptr<const password_file> passwords_;
    bool started_ = false;
    bool threadless_ = false;
    bool stopped_ = false;
};

}  // namespace colloquy::api
