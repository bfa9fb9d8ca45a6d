// visits: which threads are inside the process's logical unit, so that one that was stopped can be given back.
//
// When to use: around everything that looks for the process's logical unit; held_unit (process.hpp) does it.
// How: a visitor writes its own mark and then looks for the unit. Whoever gives a unit back has hidden it before, has
// the system make every running thread's writes seen (transport::process_barrier), and then reads all marks: either it
// sees the visitor's mark, or the visitor has not found the unit. So a visit costs two plain stores to memory of one's
// own, and the barrier is paid where units begin and end.
// Reclamation: marks are used again by later threads and never freed.
#pragma once

#include <cstdint>

#include "runtime/atom.hpp"
#include "runtime/cache_line.hpp"
#include "transport/platform.hpp"

namespace colloquy::api::visits {

// One thread's. Only that thread writes `depth`.
struct alignas(runtime::cache_line) mark {
    runtime::atom<std::uint32_t> depth;  // visits inside of visits: a hook, a callback, a sink
    runtime::atom<std::uint32_t> taken;
    mark* next = nullptr;
};

// The calling thread's, once it has one.
extern constinit thread_local mark* own;
[[nodiscard]] mark& enrol() noexcept;

// The calling thread's.
[[nodiscard]] inline mark& mine() noexcept {
    mark* const m = own;
    return m != nullptr ? *m : enrol();
}

inline void enter(mark& m) noexcept {
    m.depth.store_relaxed(m.depth.load_relaxed() + 1);  // relaxed: process_barrier() orders it
    transport::keep_program_order();
}
inline void leave(mark& m) noexcept {
    // release[visit]: what was done inside happens before the unit is given back.
    m.depth.store_release(m.depth.load_relaxed() - 1);
}

// What nobody can find any more is not held by any thread, the calling one included. False also where the system has no
// such barrier.
[[nodiscard]] bool all_over() noexcept;

// In the child of a fork, which has one thread only.
void forget_other_threads() noexcept;

}  // namespace colloquy::api::visits
