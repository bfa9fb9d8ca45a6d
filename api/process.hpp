// process: the one logical unit that the C interface speaks for, started by the first call that needs it.
#pragma once

#include <string>
#include <string_view>

#include "api/logical_unit.hpp"

namespace colloquy::api {

// The process's logical unit; started from the configuration if it is not. Null when it cannot be (last_error says
// why).
[[nodiscard]] logical_unit* process_unit() noexcept;
// The same for WinCPICStartup, which begins anew after an end.
[[nodiscard]] logical_unit* registered_unit() noexcept;
// The same, but never starts one.
[[nodiscard]] logical_unit* running_unit() noexcept;
// The same for the calls that collect: where none is running, the one that was stopped last and may have left them
// something.
[[nodiscard]] logical_unit* collecting_unit() noexcept;
// Starts it with these settings. False when one is running already or it cannot be; last_error says which.
[[nodiscard]] bool start_process_unit(const configuration& wanted) noexcept;
// Ends it. True: everything was written in time, or none was running.
bool stop_process_unit(std::uint64_t timeout_ns) noexcept;
// The same with the time that the configuration gives the end of a program.
bool stop_process_unit() noexcept;

// Gentle: see clq_drain.
[[nodiscard]] bool drain_process_unit(std::uint64_t timeout_ns) noexcept;

// The calling thread's last error, one line.
void set_last_error(std::string_view text) noexcept;
[[nodiscard]] const char* last_error() noexcept;

}  // namespace colloquy::api
