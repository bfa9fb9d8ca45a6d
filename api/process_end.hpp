// process_end: how a process ends or doubles itself, as far as the library must know. This, too, is what a port
// supplies (api/linux/, api/windows/).
#pragma once

namespace colloquy::api {

// Calls `drain` when the program exits in order, while its other threads still run. Once a process. The library is not
// unloaded any more.
void at_process_end(void (*drain)()) noexcept;

// Calls these around a fork, where there is such a thing. Once a process.
void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) noexcept;

// True when this is the only thread left of a process that ends: others may have died holding locks, so nothing may be
// waited for. Never true where threads live until the process is gone.
[[nodiscard]] bool process_ending() noexcept;

}  // namespace colloquy::api
