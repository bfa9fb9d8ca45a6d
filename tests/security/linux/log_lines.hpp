// log_lines: what the library has to say about security while this lives. One at a time.
#pragma once

#include <algorithm>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/colloquy/security.h"

namespace colloquy::test {

class log_lines {
public:
    log_lines() {
        (void)clq_set_security_log(
            [](void* user, const char* line) {
                auto& mine = *static_cast<log_lines*>(user);
                const std::lock_guard held{mine.mutex_};
                mine.lines_.emplace_back(line);
            },
            this);
    }
    ~log_lines() { (void)clq_set_security_log(nullptr, nullptr); }
    log_lines(const log_lines&) = delete;
    log_lines& operator=(const log_lines&) = delete;
    [[nodiscard]] std::vector<std::string> take() {
        const std::lock_guard held{mutex_};
        return std::exchange(lines_, {});
    }

private:
    std::mutex mutex_;
    std::vector<std::string> lines_;
};

[[nodiscard]] inline bool has(const std::vector<std::string>& lines, std::string_view part) {
    return std::any_of(lines.begin(), lines.end(), [&](const std::string& l) { return l.find(part) != l.npos; });
}

}  // namespace colloquy::test
