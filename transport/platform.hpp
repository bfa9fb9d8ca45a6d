// platform: what a port of Colloquy has to supply, in one list.
//
// Porting checklist: monotonic time, waiting on a word, random bits, a barrier for the process, thread names, blocked
// signals, a pollable wake handle. Everything else that touches the system is behind `reactor`. This header includes no
// system header.
#pragma once

#include <cstddef>
#include <cstdint>

#include "runtime/atom.hpp"

namespace colloquy::transport {

// Stands for "no deadline" wherever an absolute monotonic time is asked for.
inline constexpr std::uint64_t no_deadline = UINT64_MAX;

// Monotonic time in nanoseconds. Never goes back; has no relation to the wall clock.
[[nodiscard]] std::uint64_t now_ns() noexcept;

// Waiting on a 32-bit word (futex on Linux, WaitOnAddress on Windows).
struct futex_waiter {
    // Blocks while `word` holds `expected`, until woken or until `deadline_ns` (absolute, now_ns() time base).
    // False when the deadline passed; true otherwise, also spuriously: the caller looks at the word again.
    static bool wait(runtime::atom<std::uint32_t>& word, std::uint32_t expected, std::uint64_t deadline_ns) noexcept;

    // Wakes at most `count` waiters of `word`. The caller has changed the word before.
    static void wake(runtime::atom<std::uint32_t>& word, std::uint32_t count) noexcept;
};

// Zeroed memory for tables, backed page by page when it is touched (mmap, VirtualAlloc). Null when there is none.
[[nodiscard]] void* reserve_table(std::size_t bytes) noexcept;
void release_table(void* place, std::size_t bytes) noexcept;

// Random bits from the system, for salts and seeds. Does not fail: it aborts if the system has none to give.
[[nodiscard]] std::uint64_t random_u64() noexcept;

// Two halves of an order between threads of which one pays for both. A thread that writes, calls keep_program_order()
// and reads, and another that writes, calls process_barrier() and reads, do not both miss what the other has written.
inline void keep_program_order() noexcept { asm volatile("" ::: "memory"); }  // the compiler's order, no instruction
// Takes microseconds. False where the system has no such thing: then nothing is known.
[[nodiscard]] bool process_barrier() noexcept;

// Names the calling thread for debuggers and the like of `top -H`; longer names are cut to what the system keeps.
void set_thread_name(const char* name) noexcept;

// Takes a variable out of the process's environment, so that children do not inherit it.
void forget_variable(const char* name) noexcept;

// Blocks every signal in the calling thread, for good. First call of a thread of ours. Does nothing where there are no
// signals (Windows).
void block_all_signals() noexcept;

// Blocks every signal while it lives. A thread started meanwhile is born with signals blocked, so there is no moment
// in which a host's signal could be delivered to it.
class signal_shield {
public:
    signal_shield() noexcept;
    ~signal_shield();
    signal_shield(const signal_shield&) = delete;
    signal_shield& operator=(const signal_shield&) = delete;

private:
    // Room for the system's signal set without naming its type here; checked in platform.cpp.
    [[maybe_unused]] alignas(8) unsigned char previous_[128];
};

// An object that any thread may signal and that a host's loop may wait for; programs started by us do not inherit it.
// Linux: an eventfd, polled for reading. Windows: a manual-reset event.
class wake_handle {
public:
    wake_handle() noexcept;
    ~wake_handle();
    wake_handle(const wake_handle&) = delete;
    wake_handle& operator=(const wake_handle&) = delete;

    // False when the process had no handle to give.
    [[nodiscard]] bool valid() const noexcept { return handle_ != none; }
    // The system's: a descriptor or a HANDLE.
    [[nodiscard]] std::intptr_t handle() const noexcept { return handle_; }

    // Ends waits for the handle until drain(). Any thread, never blocks.
    void signal() noexcept;
    // True when it had been signalled; it is not any more.
    bool drain() noexcept;

private:
    static constexpr std::intptr_t none = -1;

    std::intptr_t handle_;
};

}  // namespace colloquy::transport
