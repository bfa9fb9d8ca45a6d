// settings: what `colloquy attachd` is told by its file. The same TOML file as every logical unit's, with a table
// [attachd] and with more in each [[tp]]: the command that serves it, and under which conditions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/config.hpp"
#include "tools/colloquy/attachd/throttle.hpp"

namespace colloquy::tool {

enum class tp_mode {
    process,  // a program for each attach
    queued,   // attaches wait for a program that accepts one after another, or many at a time
};

[[nodiscard]] constexpr std::string_view name_of(tp_mode m) noexcept {
    return m == tp_mode::process ? "process" : "queued";
}

// What the system is to hold a program to; 0: as the manager itself.
struct program_limits {
    std::uint64_t cpu_s = 0;
    std::uint64_t memory_bytes = 0;
    std::uint64_t descriptors = 0;
    std::uint64_t processes = 0;

    bool operator==(const program_limits&) const = default;
};

struct tp_settings {
    static constexpr std::uint32_t conversations_unbounded = 0xFFFF'FFFF;

    std::string name;
    std::vector<std::string> command;  // empty: only programs that register serve it
    tp_mode mode = tp_mode::process;
    std::uint32_t queue_max = api::served_tp::queue_max_default;  // attaches that may wait
    std::uint32_t wait_ms = 60'000;  // for a program, before an attach is answered 11; 0: for ever
    std::uint32_t instances = 64;    // programs started at most at a time; queued: 1 unless the file says otherwise
    // Conversations that one program is given at a time; further attaches wait. Queued only; programs that register are
    // not bounded unless the file says otherwise.
    std::uint32_t conversations = 1;
    bool shared = true;             // may several programs register the name? They take its attaches in turn.
    std::string user;               // empty: the manager's own
    std::string working_directory;  // empty: the manager's own
    std::vector<std::pair<std::string, std::string>> environment;  // beside what every program is given
    program_limits limits;
    std::uint32_t attach_timeout_ms = 30'000;  // until a started program must have accepted
    std::uint32_t idle_timeout_ms = 60'000;    // a program without a conversation is ended after that; 0: never,
                                               // as a program for one attach is unless the file says so
    std::uint32_t stop_timeout_ms = 5'000;     // for each step of ending a program: asking it, SIGTERM, SIGKILL
    throttle::settings restart;
    std::string output;                          // a file for what the program prints; empty: the manager's log
    std::uint64_t output_bytes_max = 16U << 20;  // the file is put aside as FILE.1 when it would be larger
};

struct attachd_settings {
    api::configuration unit;  // its tps are empty: the manager serves none itself
    std::vector<tp_settings> tps;
    std::string socket;                // where programs register
    std::string control;               // where `colloquy attachd --status` and a successor ask
    std::vector<std::uint32_t> users;  // beside root and the manager's own user, who may register
    std::string log;                   // a file; empty: standard error
    std::uint64_t log_bytes_max = 64U << 20;
    std::uint32_t drain_ms = 30'000;  // how long the end waits for conversations
};

struct attachd_settings_result {
    std::optional<attachd_settings> value;  // absent when there are errors
    std::vector<std::string> errors;        // "file:line:column: what, and how to mend it"
};

// `is_root`: may programs run as other users?
[[nodiscard]] attachd_settings_result parse_attachd_settings(std::string_view text, std::string_view file,
                                                             const api::environment& variables, bool is_root);
[[nodiscard]] attachd_settings_result load_attachd_settings(const std::string& path);

// $XDG_RUNTIME_DIR/colloquy/NETID.LUNAME.sock, or /run/colloquy/NETID.LUNAME.sock where that is not set.
[[nodiscard]] std::string default_socket_path(std::string_view lu_name, const api::environment& variables);

}  // namespace colloquy::tool
