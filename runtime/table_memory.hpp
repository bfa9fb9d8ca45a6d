// table_memory: where the fixed tables get their zeroed memory.
//
// The default is std::calloc, which is lazy only where the process's allocator is: one that clears what it hands out
// would back every table at start. A host with better means (mmap, VirtualAlloc) installs them before the first table
// is made.
#pragma once

#include <cstddef>
#include <cstdlib>

namespace colloquy::runtime {

struct table_memory {
    // Zeroed, aligned for any type; null when there is none. Pages are backed when they are touched.
    void* (*reserve)(std::size_t bytes) = [](std::size_t bytes) { return std::calloc(1, bytes); };
    void (*release)(void* place, std::size_t bytes) = [](void* place, std::size_t) { std::free(place); };
};

// Set before any table exists and not changed while one does; each table is released as it was reserved.
inline table_memory& memory_of_tables() noexcept {
    static table_memory memory;
    return memory;
}

}  // namespace colloquy::runtime
