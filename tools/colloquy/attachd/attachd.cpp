// colloquy attachd: the attach manager, and what asks a running one.
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "tools/colloquy/attachd/manager.hpp"
#include "tools/colloquy/attachd/status.hpp"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/platform.hpp"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds answer_patience{10'000};

// All that is wrong with the file, one line each; the last is the command's own.
[[nodiscard]] attachd_settings settings_of(const std::string& file) {
    attachd_settings_result read = load_attachd_settings(file);
    if (read.value) return std::move(*read.value);
    for (std::size_t i = 0; i + 1 < read.errors.size(); ++i) std::cerr << read.errors[i] << '\n';
    throw bad_usage{read.errors.back()};
}

[[nodiscard]] std::string control_path(const attachd_options& options) {
    return options.control.empty() ? settings_of(options.config).control : options.control;
}

[[nodiscard]] nlohmann::ordered_json ask(const std::string& path, std::string_view request) {
    std::string error;
    auto manager = connect_control(path, error);
    std::optional<std::string> line;
    if (manager && manager->write_line(request)) line = await_line(*manager, answer_patience, error);
    if (!line) throw failure{error.empty() ? "the manager at " + path + " has gone" : error};
    auto told = nlohmann::ordered_json::parse(*line, nullptr, false);
    if (!told.is_object()) throw failure{"what answers at " + path + " is no manager"};
    if (told.contains("error")) throw failure{told["error"].is_string() ? told["error"].get<std::string>() : *line};
    return told;
}

int show_status(const attachd_options& options) {
    const std::string path = control_path(options);
    if (options.json) {
        print_json(ask(path, "status"));
        return 0;
    }
    if (!options.watch) {
        std::cout << status_text(ask(path, "status")) << std::flush;
        return 0;
    }
    hold_end_signals();
    do {
        // From the top of an empty screen, as top(1) does.
        std::cout << "\x1b[H\x1b[2J" << status_text(ask(path, "status")) << std::flush;
    } while (std::cout && wait_for_end_signal(milliseconds{1'000}) == 0);
    return 0;
}

int ask_to_reload(const attachd_options& options) {
    const auto told = ask(control_path(options), "reload");
    const auto errors = told.find("errors");
    if (options.json) print_json(told);
    if (errors == told.end()) return 0;
    std::string last = "the configuration was not changed";
    for (const auto& e : *errors)
        if (e.is_string()) std::cerr << e.get<std::string>() << '\n';
    if (options.json) return exit_failed;
    throw failure{last};
}

template <class Words>
[[nodiscard]] std::string joined(const Words& words) {
    std::string text;
    for (const std::string& w : words) text += (text.empty() ? "" : ", ") + w;
    return text;
}

}  // namespace

int attachd(const attachd_options& options) {
    if (options.config.empty() && options.control.empty())
        throw bad_usage{"--config: the file that names the TPs is needed"};
    if (options.status) return show_status(options);
    if (options.reload) return ask_to_reload(options);
    if (options.config.empty()) throw bad_usage{"--config: the file that names the TPs is needed"};

    manager all{options.config, settings_of(options.config)};
    all.start(options.takeover);
    std::vector<std::string> names;
    for (const tp_settings& tp : all.settings().tps) names.push_back(tp.name);
    if (options.json) {
        print_json({{"ready", true},
                    {"lu_name", all.settings().unit.lu_name},
                    {"listening", all.listening()},
                    {"programs", names},
                    {"socket", all.settings().socket},
                    {"control", all.settings().control}});
    } else {
        std::cout << "ready: listening on " << joined(all.listening()) << ", serving " << joined(names)
                  << "; programs register at " << all.settings().socket << '\n'
                  << std::flush;
    }
    // A predecessor's name with the service manager is ours from now on.
    notify_service_manager("READY=1\nMAINPID=" + std::to_string(::getpid()));
    return all.run();
}

}  // namespace colloquy::tool
