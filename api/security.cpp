// The calls of security.h, and what the process has set by them.
#include "api/colloquy/security.h"

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <string>

#include "api/process.hpp"
#include "api/security_log.hpp"
#include "api/text.hpp"
#include "api/trace.hpp"
#include "runtime/atom.hpp"
#include "transport/platform.hpp"

namespace colloquy::api {
namespace {

// Held while they are called: who replaces one waits until it has returned.
struct process_security {
    std::mutex verifier_mutex;
    runtime::atom<std::uint32_t> has_verifier;  // for drives, which must not wait for one that is being asked
    clq_user_verifier verifier = nullptr;
    void* verifier_user = nullptr;

    std::mutex log_mutex;
    clq_security_log log = nullptr;
    void* log_user = nullptr;
    std::uint64_t second = 0;  // which second of the clock
    std::uint32_t lines = 0;   // in it
    std::uint32_t left_out = 0;
};

process_security& here() {
    static process_security one;
    return one;
}

}  // namespace

void log_security(std::string_view line) noexcept {
    constexpr std::uint32_t lines_per_second = 20;
    constexpr std::uint64_t second_ns = 1'000'000'000;
    try {
        std::string text{line};
        std::replace_if(
            text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
        trace::note("security", text);
        process_security& p = here();
        const std::lock_guard held{p.log_mutex};
        if (p.log == nullptr) return;
        const std::uint64_t second = transport::now_ns() / second_ns;
        if (second != p.second) {
            if (p.left_out != 0) p.log(p.log_user, joined({std::to_string(p.left_out), " lines left out"}).c_str());
            p.second = second;
            p.lines = p.left_out = 0;
        }
        if (p.lines++ < lines_per_second)
            p.log(p.log_user, text.c_str());
        else
            ++p.left_out;
    } catch (...) {
        // No memory for a line, or an exception out of the program's own log: nobody is there to hear of it.
    }
}

bool program_verifies() noexcept { return here().has_verifier.load_acquire() != 0; }

bool ask_program(const clq_credentials& who, int& answer) noexcept {
    process_security& p = here();
    const std::lock_guard held{p.verifier_mutex};
    if (p.verifier == nullptr) return false;
    try {
        answer = p.verifier(p.verifier_user, &who);
    } catch (...) {
        answer = -1;
    }
    return true;
}

}  // namespace colloquy::api

using namespace colloquy;

extern "C" {

int COLLOQUY_CALL clq_set_user_verifier(clq_user_verifier verifier, void* user) {
    api::trace::call traced{"clq_set_user_verifier", nullptr, nullptr};
    api::process_security& p = api::here();
    const std::lock_guard held{p.verifier_mutex};
    p.verifier = verifier;
    p.verifier_user = user;
    p.has_verifier.store_release(verifier == nullptr ? 0 : 1);
    return traced.result(0);
}

int COLLOQUY_CALL clq_set_security_log(clq_security_log log, void* user) {
    api::trace::call traced{"clq_set_security_log", nullptr, nullptr};
    api::process_security& p = api::here();
    const std::lock_guard held{p.log_mutex};
    p.log = log;
    p.log_user = user;
    p.lines = p.left_out = 0;
    return traced.result(0);
}

int COLLOQUY_CALL clq_reload_security(void) {
    api::trace::call traced{"clq_reload_security", nullptr, nullptr};
    const api::held_unit u = api::running_unit();
    if (u == nullptr) {
        api::set_last_error("no logical unit runs");
        return traced.result(-1);
    }
    std::string error;
    try {
        if (u->reload_security(error)) return traced.result(0);
    } catch (const std::exception& e) {
        error = e.what();
    }
    api::set_last_error(error);
    return traced.result(-1);
}

}  // extern "C"
