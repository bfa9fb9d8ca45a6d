// manager: `colloquy attachd` at work. One loop, in the thread that runs it: signals, the router's news, what programs
// print, and those who ask over the control socket. Bytes of conversations never pass here; the router moves them on a
// thread of its own, so nothing that is slow here is slow there.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/attach_router.hpp"
#include "tools/colloquy/attachd/activation.hpp"
#include "tools/colloquy/attachd/child.hpp"
#include "tools/colloquy/attachd/control.hpp"
#include "tools/colloquy/attachd/log.hpp"
#include "tools/colloquy/attachd/roster.hpp"
#include "tools/colloquy/attachd/settings.hpp"

namespace colloquy::tool {

class manager final : private roster::actions {
public:
    // Takes over the signals that are asked for in a loop; to be made before the first thread. `config` is read again
    // when it is told to.
    manager(std::string config, attachd_settings settings);
    ~manager();
    manager(const manager&) = delete;
    manager& operator=(const manager&) = delete;

    // Binds what was not handed to it, or takes the sockets of the manager that runs. Throws failure.
    void start(bool takeover);
    [[nodiscard]] const std::vector<std::string>& listening() const { return router_->listening(); }
    [[nodiscard]] const attachd_settings& settings() const noexcept { return settings_; }
    // Until it has ended: the exit code.
    int run();

private:
    using clock = std::chrono::steady_clock;
    using program_id = roster::program_id;
    using attach_id = roster::attach_id;

    enum class state { serving, draining, ending };

    struct child {
        program_id program = 0;
        roster* of = nullptr;
        std::string tp;
        int output = -1;
        std::unique_ptr<line_cutter> lines;
        const char* sent = "";  // why we ended it, for the log
    };

    // roster::actions
    roster::started start(const tp_settings& tp) override;
    void give(attach_id attach, program_id program) override;
    void refuse(attach_id attach, int code) override;
    void route(const tp_settings& tp, program_id program, std::uint32_t at_most) override;
    void last(program_id program) override;
    void close(program_id program) override;
    void terminate(program_id program) override;
    void kill(program_id program) override;
    void note(const tp_settings& tp, const std::string& what) override;

    [[nodiscard]] std::uint64_t now_ms() const;
    void say(const std::string& text) { log_->line("attachd: " + text); }

    void open_sockets(bool takeover);
    void take_over();
    void confirm_takeover();
    [[nodiscard]] std::vector<std::string> find_identities(const std::vector<tp_settings>& tps);
    [[nodiscard]] static api::route_options rules_of(const tp_settings& tp);
    void serve(const tp_settings& tp);
    // Makes its roster, or changes that.
    void supervise(const tp_settings& tp);

    void watch(int descriptor, std::function<void()> work);
    void unwatch(int descriptor);
    void work_once();
    [[nodiscard]] int sleep_ms() const;
    void tick();
    [[nodiscard]] bool finished() const;

    void take_signals();
    void take_refusals();
    void take_news();
    void take_news(const api::router_event& e);
    [[nodiscard]] roster* roster_of(const std::string& tp);

    void reap();
    void child_ended(pid_t pid, const siginfo_t& how);
    void end_escaped();
    void take_output(pid_t pid);
    [[nodiscard]] log_file& output_of(const tp_settings& tp);
    void signal_program(program_id program, int signal, const char* why);

    void take_asker();
    void answer(std::list<control_connection>::iterator asker);
    [[nodiscard]] bool answer_line(control_connection& asker, const std::string& line);
    void hand_over(control_connection& to);
    void handed_over();
    void start_successor();
    [[nodiscard]] std::vector<std::string> reload();
    void drain(std::optional<std::uint64_t> limit_ms, const char* why);
    void end_now();
    [[nodiscard]] nlohmann::ordered_json status();

    const std::string config_;
    std::string program_;  // our own path
    pid_t successor_ = 0;  // that we have started ourselves
    attachd_settings settings_;
    const clock::time_point begun_ = clock::now();
    std::unique_ptr<log_file> log_;
    std::map<std::string, std::unique_ptr<log_file>> outputs_;  // by path
    int poll_ = -1;
    int signals_ = -1;
    int control_ = -1;
    // Callers who were refused, line by line: told by threads that must not wait for a log, read by ours.
    int refusals_ = -1;
    int refused_ = -1;
    line_cutter refusal_lines_{UINT64_MAX, [this](std::string_view line) { say(std::string{line}); }};
    std::map<int, std::function<void()>> watched_;
    std::list<control_connection> askers_;
    std::optional<control_connection> predecessor_;
    handed_sockets handed_;
    std::map<std::string, child_identity> identities_;  // by user

    std::unique_ptr<api::attach_router> router_;
    std::map<std::string, std::unique_ptr<roster>> rosters_;  // by TP
    std::vector<std::unique_ptr<roster>> retired_;            // of TPs that are no longer configured
    std::map<pid_t, child> children_;
    std::set<pid_t> inherited_;  // children that were there before us, of whoever became this program
    std::map<program_id, pid_t> pids_;
    std::set<program_id> ours_;                    // that we started, until their links have ended
    std::map<program_id, std::int64_t> visitors_;  // that came by themselves, and their processes
    std::map<program_id, std::set<roster*>> serves_;

    state state_ = state::serving;
    bool drained_ = false;
    std::uint64_t limit_ms_ = roster::never;  // of draining
};

}  // namespace colloquy::tool
