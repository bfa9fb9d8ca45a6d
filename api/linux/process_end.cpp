// The end of a process on Linux: exit() runs what was registered while all threads live.
#include "api/process_end.hpp"

#include <pthread.h>

#include <cstdlib>

namespace colloquy::api {

void at_process_end(void (*drain)()) noexcept { (void)std::atexit(drain); }

void at_fork(void (*before)(), void (*in_parent)(), void (*in_child)()) noexcept {
    (void)::pthread_atfork(before, in_parent, in_child);
}

bool process_ending() noexcept { return false; }

}  // namespace colloquy::api
