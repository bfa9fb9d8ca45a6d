// config: what a logical unit is told before it starts. One TOML file, and two variables of the environment.
//
// The result is a complete, checked configuration or all that is wrong with the file, one line each. Nothing here opens
// a socket or resolves a name. Passwords are never part of a message.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/export.h"
#include "api/side_information.hpp"
#include "api/user_gate.hpp"
#include "runtime/limits.hpp"
#include "transport/address.hpp"
#include "transport/tls.hpp"

namespace colloquy::runtime {
class relay;
class relay_host;
}  // namespace colloquy::runtime
namespace colloquy::transport {
class admission;
}

namespace colloquy::api {

// Another logical unit, and where it can be called.
struct partner_lu {
    std::string name;                            // an alias of up to 8 characters, or NETID.LUNAME
    std::vector<transport::endpoint> addresses;  // tried in this order
    std::uint32_t links = 1;                     // links to hold to it at a time
    bool trust_users = false;                    // users whom it says to have verified are believed
    std::string certificate_name;                // a DNS name that its certificate has; empty: it names the partner
};

// A transaction program that this logical unit serves.
struct served_tp {
    static constexpr std::uint32_t queue_max_default = 1'024;

    std::string name;
    std::uint32_t queue_max = queue_max_default;  // attaches that may wait for Accept_Conversation under this name
};

// What makes a logical unit pass attaches on to other programs; see attach_router.hpp. Never part of a file.
struct relaying {
    runtime::relay_host* host = nullptr;
    std::function<bool(runtime::relay&)> routes;  // its first names, before anybody can ask for them; false: no memory
    transport::admission* gate = nullptr;         // for programs that connect by themselves
    std::vector<std::intptr_t> listeners;  // sockets that listen already; each belongs to the unit when it has started
    std::intptr_t program_listener = -1;   // the same, for programs
};

struct configuration {
    std::string source;                      // the file, empty when there was none
    std::string lu_name = "COLLOQUY.LOCAL";  // NETID.LUNAME
    std::string tp_name;                     // the program's own TP name, if the environment gives one
    std::vector<transport::endpoint> listen;
    std::uint32_t socket_mode = 0600;  // permissions of the sockets' files among them
    bool local_links = false;          // callers of loopback addresses come by a local socket where they can
    std::vector<partner_lu> partners;
    std::vector<side_entry> side_information;
    std::vector<served_tp> tps;
    user_settings users;
    transport::tls_settings tls;
    runtime::limits limits;  // with the heartbeat and the link's timeouts
    std::uint32_t side_information_max = side_information::entries_max_default;
    std::uint32_t accept_wait_ms = 0;  // how long a blocking Accept_Conversation waits; 0 is as long as it takes
    std::uint32_t drain_ms = 2'000;    // how long the end of the process may take to send what was flushed
    std::uint32_t partner_links = 1;   // links to a partner that is named by its address
    std::uint32_t busy_poll_us = 0;    // how long who drives looks again and again before it sleeps
    std::uint32_t reactors = 0;        // threads of a reactor pool; 0 is caller-driven
    bool threads = true;               // may we start threads at all
    // How threads are started, for programs that want to; see clq_options. Not part of the file.
    void(COLLOQUY_CALL* thread_started)(void* user, const char* role) = nullptr;
    int(COLLOQUY_CALL* thread_factory)(void* user, const char* role, void (*entry)(void*), void* argument) = nullptr;
    void* thread_user = nullptr;
    std::string manager;                    // path of our attach manager's socket; empty: none
    std::intptr_t manager_descriptor = -1;  // a socket that is connected to it already; not part of the file
    const relaying* relays = nullptr;       // must outlive start(); not part of the file
    bool standby = true;  // may the standby thread drive while nobody else does; false without threads
};

struct configuration_result {
    std::optional<configuration> value;  // absent when there are errors
    std::vector<std::string> errors;     // "file:line:column: what, and how to mend it", in the order of the file

    [[nodiscard]] explicit operator bool() const noexcept { return value.has_value(); }
    // The errors in one line: the first, and how many more there are.
    [[nodiscard]] std::string summary() const;
};

// Answers what a variable of the environment holds; nothing when it is unset or empty.
using environment = std::function<std::optional<std::string>(const std::string& name)>;
[[nodiscard]] std::optional<std::string> process_environment(const std::string& name);

// Checks `text` as the contents of `file`, which is only named in messages, and applies APPCLLU (the logical unit: an
// alias that replaces the last part of lu_name, or a full name) and APPCTPN (the program's own TP name, then served
// too).
[[nodiscard]] configuration_result parse_configuration(std::string_view text, std::string_view file,
                                                       const environment& variables);

// The same for a file that must exist.
[[nodiscard]] configuration_result load_configuration(const std::string& path,
                                                      const environment& variables = process_environment);

// Where a configuration is looked for, first hit wins: COLLOQUY_CONFIG alone when it is set (the file must exist then),
// else ./colloquy.toml, $XDG_CONFIG_HOME/colloquy/colloquy.toml (~/.config/...) and /etc/colloquy.toml; on Windows
// .\colloquy.toml, %APPDATA%\colloquy\colloquy.toml and %ProgramData%\colloquy\colloquy.toml.
[[nodiscard]] std::vector<std::string> configuration_places(const environment& variables);

// Loads the first that exists; the defaults when none does.
[[nodiscard]] configuration_result find_configuration(const environment& variables = process_environment);

}  // namespace colloquy::api
