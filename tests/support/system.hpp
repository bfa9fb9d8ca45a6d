// system: what tests ask of the system they run on, and each system answers in its folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "api/colloquy/colloquy.h"

namespace colloquy::test {

// Changes the environment of this process; null takes the variable away.
void set_variable(const char* name, const char* value);

// A path in the system's folder for such things, unlike any other.
[[nodiscard]] std::filesystem::path scratch_path(std::string_view stem);

// Waits until the handle of clq_wait_handle is ready; -1 milliseconds: as long as it takes. False: it is not.
bool wait_ready(clq_host_handle handle, int milliseconds);

// Events that are waited for together, the way the system does it for many.
class event_set {
public:
    event_set();
    ~event_set();
    event_set(const event_set&) = delete;
    event_set& operator=(const event_set&) = delete;
    void add(void* auto_reset_event);
    // Waits for one at least; the signals of those that were there are taken.
    void wait_any();

private:
    std::vector<void*> events_;
    std::intptr_t set_ = -1;
};

// --- other processes ---
using pipe_end = std::intptr_t;
[[nodiscard]] std::string read_line(pipe_end from);  // empty at the end
[[nodiscard]] bool write_line(pipe_end to, std::string_view line);
void close_end(pipe_end end);

struct process {
    std::intptr_t handle = 0;
    pipe_end to = -1, from = -1;
};
// Runs a program; `name` without the ending that the system wants. Handle 0: it could not.
[[nodiscard]] process run_program(const std::string& name, const std::vector<std::string>& arguments);
// Runs this program again with a pipe to and one from it, whose numbers it finds in the variables COLLOQUY_HELPER_IN
// and COLLOQUY_HELPER_OUT. Its standard output goes nowhere.
[[nodiscard]] process run_self(const std::vector<std::string>& arguments);
void kill_process(const process& p);
// Its exit code, or minus one for a process that was killed. The handle is gone afterwards.
int wait_process(process& p);

}  // namespace colloquy::test
