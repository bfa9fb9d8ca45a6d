// process: the one logical unit that the C interface speaks for, started by the first call that needs it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "api/logical_unit.hpp"
#include "api/visits.hpp"

namespace colloquy::api {

// The process's logical unit, or none, which stays what it is while this lives even if another thread stops it. Within
// one function, by one thread.
class held_unit {
public:
    enum class which : std::uint8_t {
        running,
        collecting,  // where none is running, the one that was stopped last and may have left cmwait something
    };
    explicit held_unit(which w) noexcept : mark_{visits::mine()} {
        visits::enter(mark_);
        unit_ = now.load_acquire();
        if (unit_ == nullptr && w == which::collecting) unit_ = stopped.load_acquire();  // acquire[process-stopped]
    }
    ~held_unit() { visits::leave(mark_); }
    held_unit(const held_unit&) = delete;
    held_unit& operator=(const held_unit&) = delete;

    [[nodiscard]] logical_unit& operator*() const noexcept { return *unit_; }
    [[nodiscard]] logical_unit* operator->() const noexcept { return unit_; }
    [[nodiscard]] bool operator==(std::nullptr_t) const noexcept { return unit_ == nullptr; }

    // process.cpp's: what is found here may go unless it is found inside a visit.
    static constinit runtime::atom<logical_unit*> now;
    static constinit runtime::atom<logical_unit*> stopped;  // the last one: what it left to cmwait

private:
    visits::mark& mark_;
    logical_unit* unit_;
};

// Started from the configuration if it is not. Null when it cannot be (last_error says why). One that is started by
// this very call serves `tp_name`, if there is one, before it listens: a partner that waits for the port finds both.
[[nodiscard]] held_unit process_unit(std::string_view tp_name = {}) noexcept;
// The same for WinCPICStartup, which begins anew after an end.
[[nodiscard]] held_unit registered_unit() noexcept;
// The same, but never starts one.
[[nodiscard]] inline held_unit running_unit() noexcept { return held_unit{held_unit::which::running}; }
// The same for the calls that collect.
[[nodiscard]] inline held_unit collecting_unit() noexcept { return held_unit{held_unit::which::collecting}; }
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
