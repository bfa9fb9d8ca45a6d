// commands: what the command line asks for, one function a subcommand. Each returns the exit code, or throws failure.
#pragma once

#include <string>
#include <vector>

#include "tools/colloquy/ledger.hpp"

namespace colloquy::tool {

struct serve_options {
    std::string listen;  // empty: as the configuration file says, or 127.0.0.1:4711 where none is named
    unsigned reactors = 0;
    unsigned conversations = 65'536;
    unsigned threads = 1;
    std::string config;
    std::string database;  // of TELLER; none: no TELLER
    ledger_store store = ledger_stores().front();
    bool end_with_input = false;
    unsigned accounts = 10'000;
    double watch_seconds = 0;  // between lines of counters; 0: none
    bool json = false;
};
int serve(const serve_options& options);

struct ping_options {
    std::string destination;
    std::vector<unsigned> sizes{100};
    unsigned count = 4;
    unsigned packets = 1;
    bool confirm = false;
    std::string config;
    bool json = false;
};
int ping(const ping_options& options);

enum class load_mode { pingpong, oneshot, stream };
struct load_options {
    std::string destination;
    load_mode mode = load_mode::pingpong;
    unsigned conversations = 100;
    unsigned links = 1;
    unsigned size = 64;
    double duration = 10;
    double rate = 0;     // transactions a second, begun at their times; 0: one after another
    std::string report;  // file of a page; empty: none
    unsigned threads = 1;
    unsigned reactors = 0;
    std::string config;
    bool json = false;
};
int load(const load_options& options);

struct demo_options {
    unsigned conversations = 5'000;
    unsigned accounts = 10'000;
    unsigned links = 2;
    unsigned long long transfers = 0;  // 0: by duration
    double duration = 15;
    bool kill_server = false;
    bool in_process = false;
    ledger_store store = ledger_stores().front();
    std::string directory;  // empty: a temporary one
    bool json = false;
};
int demo(const demo_options& options);

struct plan_options {
    unsigned conversations = 0;  // 0: the default
    unsigned links = 0;
    bool json = false;
};
int plan(const plan_options& options);

struct password_options {
    std::string user;
    bool json = false;
};
int password(const password_options& options);

struct attachd_options {
    std::string config;
    std::string control;  // of a manager that runs; empty: as the configuration says
    bool takeover = false;
    bool status = false;
    bool watch = false;
    bool reload = false;
    bool json = false;
};
// Not on every system: where it is not offered it says so.
int attachd(const attachd_options& options);

}  // namespace colloquy::tool
