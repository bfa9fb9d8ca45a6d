// colloquy_conformance: doctest's main with a page to write, and the partner's process.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <mutex>
#include <sstream>
#include <string>
#include <thread>

#include "tests/conformance/walk.hpp"

namespace {

using namespace colloquy::conformance;

// Says which situation stands still, when one does: the test would end by a time limit that knows nothing of it.
class watchdog {
public:
    watchdog() {
        const char* const wanted = std::getenv("COLLOQUY_STALL_SECONDS");
        limit_ = std::chrono::seconds{wanted == nullptr ? 240 : std::atoi(wanted)};
        thread_ = std::thread{[this] { main(); }};
    }
    ~watchdog() {
        {
            const std::lock_guard held{mutex_};
            stop_ = true;
            told_.notify_all();
        }
        thread_.join();
    }
    watchdog(const watchdog&) = delete;
    watchdog& operator=(const watchdog&) = delete;

private:
    void main() {
        std::unique_lock held{mutex_};
        for (unsigned long long seen = steps_taken();;) {
            if (told_.wait_for(held, limit_, [&] { return stop_; })) return;
            if (const auto now = steps_taken(); now != seen || now == 0) {
                seen = now;
                continue;
            }
            std::fprintf(stderr, "stands still: %s\n", where_it_is());
            std::abort();
        }
    }
    std::chrono::seconds limit_{};
    std::mutex mutex_;
    std::condition_variable told_;
    bool stop_ = false;
    std::thread thread_;
};

std::string contents(const std::string& path) {
    std::ifstream in{path};
    std::ostringstream all;
    all << in.rdbuf();
    return all.str();
}

}  // namespace

int main(int argc, char** argv) {
#ifndef _WIN32
    (void)::signal(SIGPIPE, SIG_IGN);
#endif
    if (argc > 0 && std::strcmp(argv[0], "--partner") == 0) return run_partner_process(0, 3);
    std::string write, check;
    for (int i = 1; i + 1 < argc; ++i) {
        if (std::strcmp(argv[i], "--write") == 0) write = argv[i + 1];
        if (std::strcmp(argv[i], "--check") == 0) check = argv[i + 1];
    }
    doctest::Context context{argc, argv};
    int code = 0;
    {
        const watchdog dog;
        code = context.run();
    }
    if (context.shouldExit() || (write.empty() && check.empty())) return code;
    const std::string page = page_of(the_report());
    if (!write.empty()) std::ofstream{write} << page;
    if (!check.empty() && contents(check) != page) {
        std::fprintf(stderr, "%s is not what this run produces; write it anew with --write\n", check.c_str());
        return code == 0 ? 1 : code;
    }
    return code;
}
