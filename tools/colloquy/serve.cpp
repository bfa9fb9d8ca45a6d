// colloquy serve: a logical unit with the built-in programs, until it is asked to end.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <nlohmann/json.hpp>

#include "api/colloquy/colloquy.h"
#include "api/colloquy/security.h"
#include "tools/colloquy/client.hpp"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/hub.hpp"
#include "tools/colloquy/platform.hpp"
#include "tools/colloquy/report.hpp"
#include "tools/colloquy/server.hpp"

namespace colloquy::tool {
namespace {

constexpr unsigned stop_ms = 5'000;

[[nodiscard]] std::vector<std::string> listening() {
    std::vector<std::string> all;
    char text[256];
    for (unsigned n = 0; clq_listening(n, text, sizeof text) == 0; ++n) all.emplace_back(text);
    return all;
}

template <class Words>
[[nodiscard]] std::string joined(const Words& words) {
    std::string text;
    for (const std::string& w : words) text += (text.empty() ? "" : ", ") + w;
    return text;
}

// One line for --watch. What has been counted since the start, by the names of clq_counter.
[[nodiscard]] nlohmann::ordered_json counters(double seconds, unsigned long long conversations) {
    nlohmann::ordered_json line{{"seconds", seconds}, {"conversations", conversations}};
    for (const char* name :
         {"conversations_opened", "conversations_closed", "conversations_refused", "attaches_received",
          "attaches_refused", "frames_received", "frames_sent", "bytes_received", "bytes_sent", "verbs",
          "protocol_errors", "links_opened", "links_closed", "allocations_refused"})
        line[name] = clq_counter(name);
    line["links"] = clq_counter("links_opened") - clq_counter("links_closed");
    return line;
}

}  // namespace

int serve(const serve_options& options) {
    hold_end_signals();
    hold_reload_signal();
    (void)clq_set_security_log(
        [](void*, const char* line) { std::cerr << "colloquy serve: " + std::string{line} + '\n'
                                                << std::flush; },
        nullptr);
    if (options.end_with_input) end_with_input();
    const unsigned accepts = server::accepts_for(options.conversations);
    clq_options settings{};
    settings.size = sizeof settings;
    settings.config_file = or_usual(options.config);
    settings.listen = !options.listen.empty()  ? options.listen.c_str()
                      : options.config.empty() ? "127.0.0.1:4711"
                                               : nullptr;
    settings.conversations = options.conversations + accepts;
    settings.reactors = options.reactors;
    if (clq_start(&settings) != 0) throw failure{clq_last_error()};

    hub completions{options.conversations, options.threads};
    server programs{completions};
    const hub_guard guard{completions};
    worker& mine = completions.add_worker();
    worker& committing = completions.add_worker();
    if (!options.database.empty()) programs.add_teller(committing, options.store, options.database, options.accounts);
    programs.open(mine, accepts);
    completions.start(&programs);

    const std::vector<std::string> addresses = listening();
    if (options.json) {
        print_json({{"ready", true},
                    {"listening", addresses},
                    {"programs", programs.names()},
                    {"conversations", options.conversations}});
    } else {
        std::cout << "ready: listening on " << joined(addresses) << ", serving " << joined(programs.names()) << '\n'
                  << std::flush;
    }

    // As JSON it is another program that listens, which has its own idea of the terminal.
    live_line live{!options.json && options.watch_seconds == 0};
    const auto begun = std::chrono::steady_clock::now();
    const auto watch =
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::duration<double>{options.watch_seconds});
    auto watched = begun;
    unsigned long long before = clq_counter("bytes_received") + clq_counter("bytes_sent");
    auto last = begun;
    for (;;) {
        auto patience = std::chrono::milliseconds{live.shown() ? 500 : 2'000};
        if (watch.count() != 0) {
            const auto now = std::chrono::steady_clock::now();
            if (now >= watched + watch) {
                watched = now;
                print_json(counters(std::chrono::duration<double>(now - begun).count(), programs.in_use()));
            }
            patience = std::min(patience, std::chrono::ceil<std::chrono::milliseconds>(watched + watch - now));
        }
        const int signal = wait_for_end_signal(patience);
        if (is_reload_signal(signal)) {
            const bool done = clq_reload_security() == 0;
            std::cerr << "colloquy serve: " +
                             std::string{done ? "users and certificates were read again" : clq_last_error()} + '\n';
            continue;
        }
        if (signal != 0) break;
        if (const std::string trouble = completions.trouble(); !trouble.empty()) throw failure{trouble};
        if (!live.shown()) continue;
        const auto now = std::chrono::steady_clock::now();
        const unsigned long long bytes = clq_counter("bytes_received") + clq_counter("bytes_sent");
        const double seconds = std::chrono::duration<double>(now - last).count();
        live.show(grouped(programs.in_use()) + " conversations, " +
                  grouped(clq_counter("links_opened") - clq_counter("links_closed")) + " links, " +
                  bytes_text(static_cast<double>(bytes - before) / seconds) + "/s");
        before = bytes;
        last = now;
    }
    live.clear();
    if (programs.money() != nullptr) programs.money()->drain();
    if (!completions.stop(stop_ms)) std::cerr << "colloquy serve: not everything could be written before the end\n";
    return 0;
}

}  // namespace colloquy::tool
