// colloquy: the command. Only the command line is here; see commands.hpp for what it asks for.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "tools/colloquy/command_line.hpp"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/report.hpp"

namespace {

using namespace colloquy::tool;

constexpr const char* destination_help =
    "[tls:]HOST:PORT/TPNAME, unix:PATH/TPNAME, inproc/TPNAME (this process serves it), or a symbolic destination of "
    "the configuration";

struct command {
    std::function<int()> run;
    const bool* json = nullptr;
};

void add_store(CLI::App& sub, ledger_store& chosen) {
    std::map<std::string, int> stores;
    std::string names;
    for (const ledger_store s : ledger_stores()) {
        stores.emplace(name_of(s), static_cast<int>(s));
        names += (names.empty() ? "" : " or ") + std::string{name_of(s)};
    }
    sub.add_option("--store", chosen,
                   "What keeps the ledger: " + names + " (default " + std::string{name_of(chosen)} + ")")
        ->transform(one_of(stores))
        ->option_text("STORE");
}

void add_serve(CLI::App& app, command& chosen, serve_options& o) {
    CLI::App* sub = app.add_subcommand("serve", "Serve the built-in programs ECHO, ONCE, SINK and TELLER");
    sub->footer(
        "ECHO returns each record with the turn; ONCE ends the conversation with its answer; SINK forgets what it\n"
        "gets; TELLER moves money in a durable ledger and is served only with --db. Prints one line when it is\n"
        "ready, ends on SIGINT or SIGTERM after writing what is to be written.");
    sub->add_option(
        "--listen", o.listen,
        "Where to listen, [tls:]ADDR:PORT, unix:/PATH or unix:@NAME, several by commas; port 0 takes any free one "
        "(127.0.0.1:4711; with --config what the file says)");
    sub->add_option("--reactors", o.reactors, "Threads that only move bytes; 0: the serving threads do")
        ->check(within(0, 256))
        ->capture_default_str();
    sub->add_option("--conversations", o.conversations, "Conversations at a time")
        ->check(within(1, 16'000'000))
        ->capture_default_str();
    sub->add_option("--threads", o.threads, "Threads that serve")->check(within(1, 256))->capture_default_str();
    sub->add_option("--config", o.config, "Configuration file; without, it is searched as usual")
        ->check(existing_file());
    sub->add_option("--db", o.database, "File of TELLER's ledger, created when it does not exist");
    add_store(*sub, o.store);
    sub->add_option("--accounts", o.accounts, "Accounts of a new ledger")
        ->check(within(2, 100'000'000))
        ->capture_default_str();
    sub->add_flag("--end-with-input", o.end_with_input,
                  "End also when standard input ends, for programs that start a server of their own");
    sub->add_option("--watch", o.watch_seconds, "Seconds between lines of counters, JSON objects on standard output")
        ->check(within_seconds(0.1, 86'400));
    sub->add_flag("--json", o.json, "The line when ready as a JSON object");
    sub->callback([&] { chosen = {[&] { return serve(o); }, &o.json}; });
}

void add_ping(CLI::App& app, command& chosen, ping_options& o) {
    CLI::App* sub = app.add_subcommand("ping", "Time round trips with a partner, one by one");
    sub->add_option("DEST", o.destination, destination_help)->required();
    sub->add_option("--size", o.sizes, "Bytes of a record; several sizes, separated by commas, are taken in turn")
        ->delimiter(',')
        ->check(within(1, 32'767))
        ->capture_default_str();
    sub->add_option("--count", o.count, "Round trips for each size")
        ->check(within(1, 100'000'000))
        ->capture_default_str();
    sub->add_option("--packets", o.packets, "Records sent before the partner has its turn")
        ->check(within(1, 32))
        ->capture_default_str();
    sub->add_flag("--confirm", o.confirm, "Ask for confirmation instead of an echo");
    sub->add_option("--config", o.config, "Configuration file; without, it is searched as usual")
        ->check(existing_file());
    sub->add_flag("--json", o.json, "One JSON object");
    sub->callback([&] { chosen = {[&] { return ping(o); }, &o.json}; });
}

void add_load(CLI::App& app, command& chosen, load_options& o) {
    const std::map<std::string, int> modes{{"pingpong", static_cast<int>(load_mode::pingpong)},
                                           {"oneshot", static_cast<int>(load_mode::oneshot)},
                                           {"stream", static_cast<int>(load_mode::stream)}};
    CLI::App* sub = app.add_subcommand("load", "Keep many conversations busy and measure");
    sub->footer(
        "pingpong: each conversation sends a record and receives it back, over and over (ECHO).\n"
        "oneshot:  a conversation for each record and its answer (ECHO, or ONCE which ends it with the answer).\n"
        "stream:   records one way (SINK); latency is the time until 64 KiB were taken.");
    sub->add_option("DEST", o.destination, destination_help)->required();
    sub->add_option("--mode", o.mode, "pingpong, oneshot or stream (default pingpong)")
        ->transform(one_of(modes))
        ->option_text("MODE");
    sub->add_option("--conversations", o.conversations, "Conversations at a time")
        ->check(within(1, 4'000'000))
        ->capture_default_str();
    sub->add_option("--links", o.links, "Connections to the partner")->check(within(1, 1'024))->capture_default_str();
    sub->add_option("--size", o.size, "Bytes of a record")->check(within(1, 32'767))->capture_default_str();
    sub->add_option("--duration", o.duration, "Seconds to measure")
        ->check(within_seconds(0.01, 1e6))
        ->capture_default_str();
    sub->add_option("--rate", o.rate,
                    "Open loop: transactions a second, begun at their times whatever has been answered; latency counts "
                    "from those times (pingpong and oneshot)")
        ->check(within_amount(0.01, 1e9, "a rate a second"));
    sub->add_option("--report", o.report, "Write a page of HTML with plots");
    sub->add_option("--threads", o.threads, "Threads that wait for completions")
        ->check(within(1, 256))
        ->capture_default_str();
    sub->add_option("--reactors", o.reactors, "Threads that only move bytes; 0: the waiting threads do")
        ->check(within(0, 256))
        ->capture_default_str();
    sub->add_option("--config", o.config, "Configuration file; without, it is searched as usual")
        ->check(existing_file());
    sub->add_flag("--json", o.json, "One JSON object");
    sub->callback([&] { chosen = {[&] { return load(o); }, &o.json}; });
}

void add_demo(CLI::App& app, command& chosen, demo_options& o) {
    CLI::App* sub =
        app.add_subcommand("demo", "Move money over thousands of conversations and prove that none was lost");
    sub->footer(
        "A teller with a ledger serves customers over TCP. Each transfer is confirmed only when it is durable. At\n"
        "the end the ledger is reopened read-only and held against what every customer was told.");
    sub->add_option("--conversations", o.conversations, "Customers at a time")
        ->check(within(1, 1'000'000))
        ->capture_default_str();
    sub->add_option("--accounts", o.accounts, "Accounts")->check(within(2, 100'000'000))->capture_default_str();
    sub->add_option("--links", o.links, "Connections to the teller")->check(within(1, 1'024))->capture_default_str();
    CLI::Option* transfers = sub->add_option("--transfers", o.transfers, "Transfers to make, instead of a duration")
                                 ->check(within(1, 1'000'000'000));
    sub->add_option("--duration", o.duration, "Seconds to make transfers")
        ->check(within_seconds(0.1, 3'600))
        ->capture_default_str()
        ->excludes(transfers);
    add_store(*sub, o.store);
    CLI::Option* kill = sub->add_flag("--kill-server", o.kill_server,
                                      "Kill the server in the middle and start it again; customers ask what became of "
                                      "transfers whose outcome they do not know");
    sub->add_flag("--inproc", o.in_process, "Teller and customers in one process, without TCP")->excludes(kill);
    sub->add_option("--dir", o.directory, "Folder for the ledger, kept; without, a temporary one")
        ->check(existing_folder());
    sub->add_flag("--json", o.json, "One JSON object");
    sub->callback([&] { chosen = {[&] { return demo(o); }, &o.json}; });
}

void add_plan(CLI::App& app, command& chosen, plan_options& o) {
    CLI::App* sub = app.add_subcommand("plan", "Tell the memory that a logical unit of a given size reserves");
    sub->add_option("--conversations", o.conversations, "Conversations at a time")->check(within(1, 16'777'216));
    sub->add_option("--links", o.links, "Links at a time")->check(within(1, 65'535));
    sub->add_flag("--json", o.json, "One JSON object");
    sub->callback([&] { chosen = {[&] { return plan(o); }, &o.json}; });
}

void add_password(CLI::App& app, command& chosen, password_options& o) {
    CLI::App* sub = app.add_subcommand("password", "Make a user's line for the password file of [security]");
    sub->footer(
        "Asks for the password on a terminal without showing it, or reads a line of standard input, and prints\n"
        "USER:HASH. User and password have 1 to 10 characters, because an attach carries no more.");
    sub->add_option("USER", o.user, "Who is to log on")->required();
    sub->add_flag("--json", o.json, "One JSON object");
    sub->callback([&] { chosen = {[&] { return password(o); }, &o.json}; });
}

void add_attachd(CLI::App& app, command& chosen, attachd_options& o) {
    CLI::App* sub = app.add_subcommand("attachd", "Own the address of a logical unit and start the programs it serves");
    sub->footer(
        "An attach starts the command that its TP is configured with, or goes to a program that runs. Ends on SIGINT\n"
        "or SIGTERM when the conversations have ended or drain_ms is over, reads its configuration again on SIGHUP.\n"
        "docs/attachd.md tells of every key.");
    sub->add_option("--config", o.config, "Configuration file: the logical unit's, with [attachd] and [[tp]]")
        ->check(existing_file());
    CLI::Option* takeover =
        sub->add_flag("--takeover", o.takeover, "Take the addresses of the manager that runs, which ends in peace");
    CLI::Option* status = sub->add_flag("--status", o.status, "Ask the manager that runs how it is");
    CLI::Option* reload = sub->add_flag("--reload", o.reload, "Let the manager that runs read its configuration again");
    sub->add_flag("--watch", o.watch, "With --status: over and over, until SIGINT")->needs(status);
    sub->add_option("--control", o.control, "With --status and --reload: the manager's control socket");
    takeover->excludes(status)->excludes(reload);
    status->excludes(reload);
    sub->add_flag("--json", o.json, "The line when ready, or the status, as a JSON object");
    sub->callback([&] { chosen = {[&] { return attachd(o); }, &o.json}; });
}

[[nodiscard]] std::string one_line(std::string text) {
    for (char& c : text)
        if (c == '\n' || c == '\r') c = ' ';
    return text;
}

}  // namespace

int main(int argc, char** argv) {
    CLI::App app{"Conversations (CPI-C) over TCP: serve, measure, demonstrate", "colloquy"};
    app.require_subcommand(1);
    app.set_version_flag("--version", "colloquy " COLLOQUY_VERSION, "Tell the version");
    serve_options serving;
    ping_options pinging;
    load_options loading;
    demo_options demonstrating;
    plan_options planning;
    password_options naming;
    attachd_options managing;
    command chosen;
    add_serve(app, chosen, serving);
    add_ping(app, chosen, pinging);
    add_load(app, chosen, loading);
    add_demo(app, chosen, demonstrating);
    add_plan(app, chosen, planning);
    add_password(app, chosen, naming);
    add_attachd(app, chosen, managing);
    for (CLI::App* sub : app.get_subcommands(nullptr)) sub->get_formatter()->column_width(28);

    std::string who = "colloquy";
    try {
        app.parse(argc, argv);
    } catch (const CLI::Success& e) {
        return app.exit(e);
    } catch (const CLI::ParseError& e) {
        if (const auto subs = app.get_subcommands(); !subs.empty()) who += " " + subs.front()->get_name();
        std::cerr << who << ": " << explain(e, app, argc, argv) << '\n';
        return exit_usage;
    }
    who += " " + app.get_subcommands().front()->get_name();

    try {
        return chosen.run();
    } catch (const failure& e) {
        std::cerr << who << ": " << one_line(e.what()) << '\n';
        if (*chosen.json) print_json({{"error", e.what()}});
        return e.code();
    } catch (const std::exception& e) {
        std::cerr << who << ": " << one_line(e.what()) << '\n';
        if (*chosen.json) print_json({{"error", e.what()}});
        return exit_failed;
    }
}
