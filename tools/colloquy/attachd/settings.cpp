#include "tools/colloquy/attachd/settings.hpp"

#include <pwd.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "api/config_table.hpp"
#include "api/toml_reader.hpp"
#include "tools/colloquy/attachd/command_words.hpp"

namespace colloquy::tool {
namespace {

using api::in_quotes;
using api::kind_of;

constexpr std::uint64_t minute_ms = 60'000;
constexpr std::uint64_t day_ms = 24 * 60 * minute_ms;
constexpr std::uint64_t giga = 1U << 30;

[[nodiscard]] std::optional<std::uint32_t> user_id(const std::string& name) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): read before the first thread starts, and again by the loop's thread alone
    const passwd* const found = ::getpwnam(name.c_str());
    if (found == nullptr) return std::nullopt;
    return found->pw_uid;
}

class settings_reader : public api::toml_reader {
public:
    settings_reader(std::string_view file, attachd_settings& out, bool is_root)
        : toml_reader{file}, out_{out}, is_root_{is_root} {}

    void read_root(const toml::table& root) {
        if (const toml::node* own = root.get("attachd"); own != nullptr) read_own(*own);
        if (const toml::node* security = root.get("security"); security != nullptr) refuse_checks(*security);
        if (const toml::node* tps = root.get("tp"); tps != nullptr)
            each_table(*tps, "tp", [this](const toml::table& one) { read_tp(one); });
        if (out_.tps.empty() && error_count() == 0)
            fail(root, "there is no [[tp]]; name at least one that is to be served");
    }

private:
    [[nodiscard]] field number(std::string_view key, std::uint64_t low, std::uint64_t high, auto& out) {
        return {key, [this, key, low, high, &out](const toml::node& n) { integer(n, key, low, high, out); }};
    }

    [[nodiscard]] field path(std::string_view key, std::string& out, std::size_t size_max = 4'095) {
        return {
            key, [this, key, size_max, &out](const toml::node& n) {
                const auto text = string(n, key);
                if (!text) return;
                if (!text->starts_with('/') || text->size() > size_max || text->find('\0') != std::string_view::npos) {
                    fail(n, std::string{key} + " " + in_quotes(*text) +
                                " will not do; write a full path, beginning with / and of at most " +
                                std::to_string(size_max) + " characters");
                    return;
                }
                out = *text;
            }};
    }

    void read_own(const toml::node& node) {
        const toml::table* own = table(node, "attachd");
        if (own == nullptr) return;
        // The name must fit into the address of a Unix socket, with its end.
        constexpr std::size_t socket_max = sizeof(sockaddr_un::sun_path) - 1;
        read_table(*own, "[attachd]",
                   {path("socket", out_.socket, socket_max),
                    path("control", out_.control, socket_max),
                    {"users", [this](const toml::node& n) { read_users(n); }},
                    path("log", out_.log),
                    number("log_bytes_max", 65'536, 1'024 * giga, out_.log_bytes_max),
                    number("drain_ms", 0, day_ms, out_.drain_ms)});
    }

    // What would look as if the manager did it. That users travel in clear is for the manager to allow or not.
    void refuse_checks(const toml::node& node) {
        const toml::table* security = node.as_table();
        if (security == nullptr) return;  // the reader of a unit's keys says so
        for (const std::string_view key : {"passwords", "required", "attempts", "attempts_seconds", "queue"})
            if (const toml::node* useless = security->get(key); useless != nullptr)
                fail(*useless, "[security] " + std::string{key} +
                                   " is for who checks users, and a manager leaves that to its programs; write it in "
                                   "the file of the program, which COLLOQUY_CONFIG in environment of its [[tp]] names");
    }

    void read_users(const toml::node& node) {
        one_or_more(node, "users", "user", [this](const toml::node& one) {
            if (one.is_integer()) {
                std::uint32_t id = 0;
                integer(one, "users", 0, 0xFFFF'FFFEU, id);
                out_.users.push_back(id);
                return;
            }
            const auto name = string(one, "users");
            if (!name) return;
            if (const auto id = user_id(std::string{*name}))
                out_.users.push_back(*id);
            else
                fail(one, "users: nobody here is called " + in_quotes(*name) + "; write a user's name or number");
        });
    }

    void read_tp(const toml::table& entry) {
        tp_settings tp;
        const bool complete = require(entry, "[[tp]]", "name");
        const std::size_t errors_before = error_count();
        const bool instances_given = entry.contains("instances");
        read_table(
            entry, "[[tp]]",
            {{"name",
              [&](const toml::node& n) {
                  wire::small_text<64> name;
                  word(n, "name", name);
                  tp.name = name.view();
                  if (std::any_of(out_.tps.begin(), out_.tps.end(), [&](const auto& t) { return t.name == tp.name; }))
                      fail(n, "tp " + in_quotes(tp.name) + " is there twice; leave one out");
              }},
             {"command", [&](const toml::node& n) { read_command(n, tp); }},
             {"mode", [&](const toml::node& n) { read_mode(n, tp); }},
             number("queue_max", 1, runtime::limits::conversations_max, tp.queue_max),
             number("wait_ms", 0, day_ms, tp.wait_ms),
             number("instances", 1, 65'535, tp.instances),
             number("conversations", 1, runtime::limits::conversations_max, tp.conversations),
             {"shared", [&](const toml::node& n) { boolean(n, "shared", tp.shared); }},
             {"user", [&](const toml::node& n) { read_user(n, tp); }},
             path("working_directory", tp.working_directory),
             {"environment", [&](const toml::node& n) { read_environment(n, tp); }},
             {"limits", [&](const toml::node& n) { read_limits(n, tp); }},
             number("attach_timeout_ms", 1, day_ms, tp.attach_timeout_ms),
             number("idle_timeout_ms", 0, day_ms, tp.idle_timeout_ms),
             number("stop_timeout_ms", 1, 10 * minute_ms, tp.stop_timeout_ms),
             {"restart", [&](const toml::node& n) { read_restart(n, tp); }},
             path("output", tp.output),
             number("output_bytes_max", 65'536, 1'024 * giga, tp.output_bytes_max)});
        if (tp.command.empty()) {
            for (const std::string_view key :
                 {"mode", "instances", "user", "working_directory", "environment", "limits", "attach_timeout_ms",
                  "idle_timeout_ms", "stop_timeout_ms", "restart", "output", "output_bytes_max"}) {
                if (const toml::node* useless = entry.get(key); useless != nullptr && !entry.contains("command"))
                    fail(*useless, std::string{key} +
                                       " is for programs that are started, and this tp has no command; "
                                       "add command, or leave " +
                                       std::string{key} + " out");
            }
            tp.mode = tp_mode::queued;
            if (!entry.contains("conversations")) tp.conversations = tp_settings::conversations_unbounded;
        } else if (tp.mode == tp_mode::queued && !instances_given) {
            tp.instances = 1;
        }
        // A program for one attach is done when it says so.
        if (tp.mode == tp_mode::process && !entry.contains("idle_timeout_ms")) tp.idle_timeout_ms = 0;
        if (const toml::node* many = entry.get("conversations"); many != nullptr && tp.mode == tp_mode::process)
            fail(*many, "conversations is for mode \"queued\"; a program with mode \"process\" serves one attach");
        if (complete && error_count() == errors_before) out_.tps.push_back(std::move(tp));
    }

    void read_command(const toml::node& node, tp_settings& tp) {
        if (const toml::array* words = node.as_array()) {
            for (const toml::node& one : *words) {
                const auto text = string(one, "command");
                if (!text) return;
                if (text->find('\0') != std::string_view::npos) {
                    fail(one, "command contains a character with the value 0; leave it out");
                    return;
                }
                tp.command.emplace_back(*text);
            }
            if (tp.command.empty() || tp.command.front().empty())
                fail(node, "command names no program; write [\"/path/to/program\", \"argument\", ...]");
        } else if (node.is_string()) {
            std::string error;
            auto split = split_command(node.as_string()->get(), error);
            if (split)
                tp.command = std::move(*split);
            else
                fail(node, "command " + in_quotes(node.as_string()->get()) + " will not do, " + error +
                               "; write \"/path/to/program argument\"");
        } else {
            fail(node, "command is " + std::string{kind_of(node)} + "; write a string, or an array of strings");
        }
        if (!tp.command.empty() && tp.command.front().find('/') == std::string::npos)
            fail(node, "command " + in_quotes(tp.command.front()) +
                           " is not searched for; write the program with its path, /usr/bin/" + tp.command.front());
    }

    void read_mode(const toml::node& node, tp_settings& tp) {
        const auto text = string(node, "mode");
        if (!text) return;
        if (*text == name_of(tp_mode::process))
            tp.mode = tp_mode::process;
        else if (*text == name_of(tp_mode::queued))
            tp.mode = tp_mode::queued;
        else
            fail(node, "mode is " + in_quotes(*text) + "; write \"process\" or \"queued\"");
    }

    void read_user(const toml::node& node, tp_settings& tp) {
        const auto text = string(node, "user");
        if (!text) return;
        tp.user = *text;
        if (!is_root_)
            fail(node, "user " + in_quotes(*text) +
                           ": only root may start programs as another user; leave it out, or run attachd as root");
        else if (!user_id(tp.user))
            fail(node, "user: nobody here is called " + in_quotes(*text) + "; write the name of a user");
    }

    void read_environment(const toml::node& node, tp_settings& tp) {
        const toml::table* variables = table(node, "environment");
        if (variables == nullptr) return;
        for (const auto& [key, value] : *variables) {
            const std::string name{key.str()};
            if (name.empty() || name.find_first_of(std::string_view{"=\0", 2}) != std::string::npos) {
                fail(value, "environment: " + in_quotes(name) + " is no name of a variable; leave '=' out of it");
                continue;
            }
            const auto text = string(value, name);
            if (text && text->find('\0') != std::string_view::npos)
                fail(value, name + " contains a character with the value 0; leave it out");
            else if (text)
                tp.environment.emplace_back(name, *text);
        }
    }

    void read_limits(const toml::node& node, tp_settings& tp) {
        const toml::table* limits = table(node, "limits");
        if (limits == nullptr) return;
        read_table(*limits, "limits",
                   {number("cpu_s", 1, 366 * day_ms / 1'000, tp.limits.cpu_s),
                    number("memory_bytes", 1U << 20, 1'024 * 1'024 * giga, tp.limits.memory_bytes),
                    number("descriptors", 8, 1U << 30, tp.limits.descriptors),
                    number("processes", 1, 1U << 22, tp.limits.processes)});
    }

    void read_restart(const toml::node& node, tp_settings& tp) {
        const toml::table* restart = table(node, "restart");
        if (restart == nullptr) return;
        read_table(
            *restart, "restart",
            {number("failures", 1, 1'000'000, tp.restart.failures), number("delay_ms", 1, day_ms, tp.restart.delay_ms),
             number("delay_max_ms", 1, day_ms, tp.restart.delay_max_ms)});
        if (tp.restart.delay_max_ms < tp.restart.delay_ms)
            fail(node, "restart: delay_max_ms is " + std::to_string(tp.restart.delay_max_ms) +
                           ", less than delay_ms; raise it to at least " + std::to_string(tp.restart.delay_ms));
    }

    attachd_settings& out_;
    const bool is_root_;
};

}  // namespace

std::string default_socket_path(std::string_view lu_name, const api::environment& variables) {
    return variables("XDG_RUNTIME_DIR").value_or("/run") + "/colloquy/" + std::string{lu_name} + ".sock";
}

attachd_settings_result parse_attachd_settings(std::string_view text, std::string_view file,
                                               const api::environment& variables, bool is_root) {
    attachd_settings_result result;
    attachd_settings value;
    settings_reader reader{file, value, is_root};
    const auto root = reader.parse(text);
    if (!root) {
        result.errors = reader.take_errors();
        return result;
    }
    reader.read_root(*root);
    result.errors = reader.take_errors();
    // A TP name in the environment would be the manager's own program, which it has not.
    const auto own = [&](const std::string& name) { return name == "APPCTPN" ? std::nullopt : variables(name); };
    static constexpr std::array<std::string_view, 2> mine{"tp", "attachd"};
    api::configuration_result unit = api::read_configuration(*root, file, mine, own);
    result.errors.insert(result.errors.end(), unit.errors.begin(), unit.errors.end());
    if (!result.errors.empty()) return result;
    value.unit = std::move(*unit.value);
    if (value.socket.empty()) value.socket = default_socket_path(value.unit.lu_name, variables);
    if (value.control.empty()) value.control = value.socket + ".control";
    if (value.control == value.socket)
        result.errors.push_back(std::string{file} + ": [attachd] has one path as socket and as control; write two");
    else if (value.control.size() >= sizeof(sockaddr_un::sun_path))
        result.errors.push_back(std::string{file} + ": the path " + in_quotes(value.control) +
                                " is too long for a socket; write a shorter control in [attachd]");
    else
        result.value = std::move(value);
    return result;
}

attachd_settings_result load_attachd_settings(const std::string& path) {
    std::string error;
    const auto text = api::read_toml_file(path, error);
    if (!text) return {std::nullopt, {error}};
    return parse_attachd_settings(*text, path, api::process_environment, ::geteuid() == 0);
}

}  // namespace colloquy::tool
