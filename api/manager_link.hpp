// manager_link: a program's link to the attach manager that owns the address of its logical unit.
//
// The link is one that the manager has left to the program it started, or one to the path of the manager's socket.
// With a path the program says which names it serves, again on every new link: when a link ends, or its manager has no
// more attaches for it, the next is tried, soon first and then less often.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engine.hpp"
#include "runtime/timer_wheel.hpp"
#include "transport/drive.hpp"

namespace colloquy::api {

class manager_link {
public:
    manager_link(runtime::engine& e, transport::drive& d, std::string path) noexcept;
    ~manager_link();
    manager_link(const manager_link&) = delete;
    manager_link& operator=(const manager_link&) = delete;

    // Before anybody drives. Empty: the link is under way, or will be tried again; else why it never can be.
    [[nodiscard]] std::string begin(std::intptr_t descriptor);
    // News of the engine (driver).
    void told(runtime::context& c, runtime::session& s, runtime::host::manager_news what,
              const wire::serving* answer) noexcept;
    // No link is tried any more.
    void stop() noexcept { stopped_.store_release(1); }
    // Somebody must drive, since a link is to be tried again.
    [[nodiscard]] bool trying() const noexcept { return trying_.load_acquire() != 0; }

    // A link is there and not open yet: what is asked is answered soon.
    [[nodiscard]] bool opening() const noexcept { return opening_.load_acquire() != 0; }

    // --- any thread: what the manager says to a name
    // False: there is no link at the moment; the name is offered with the next. Otherwise close with forget().
    [[nodiscard]] bool ask(runtime::context& c, std::string_view name, wire::serve_what what, std::uint64_t& question);
    // False: it has not answered. A link that ends answers ok: the next one asks anew.
    [[nodiscard]] bool answered(std::uint64_t question, wire::serve_result& result) noexcept;
    void forget(std::uint64_t question) noexcept;
    // Why no attach can come, if that is so because of the manager.
    [[nodiscard]] std::string why_none();

private:
    struct alarm final : runtime::timer {
        manager_link* of = nullptr;
    };
    struct question {
        std::uint64_t number = 0;
        const runtime::session* asked = nullptr;
        std::string name;
        wire::serve_what what{};
        wire::serve_result result{};
        bool answered = false;
    };

    void try_again(std::uint64_t after_ns) noexcept;
    void connect() noexcept;
    void no_more(runtime::context& c, const char* why) noexcept;
    void offer_all(runtime::context& c, runtime::session& s) noexcept;
    void take_answer(runtime::context& c, const runtime::session& s, const wire::serving& answer) noexcept;
    static void say(runtime::context& c, runtime::session& s, std::string_view name, wire::serve_what what) noexcept;

    runtime::engine& engine_;
    transport::drive& drive_;
    const std::string path_;
    alarm alarm_;                          // the driver's, like the next two
    runtime::session* newest_ = nullptr;   // the link begun last, unless it has no attaches for us any more
    std::uint64_t pause_ns_ = 0;           // before the next attempt
    runtime::atom<runtime::session*> at_;  // the same, while it is open; release[manager-link] acquire[manager-link]
    runtime::atom<std::uint32_t> trying_;
    runtime::atom<std::uint32_t> opening_;
    runtime::atom<std::uint32_t> stopped_;
    std::mutex mutex_;  // the rest
    std::vector<question> questions_;
    std::uint64_t numbers_ = 0;
    std::string why_none_;
};

}  // namespace colloquy::api
