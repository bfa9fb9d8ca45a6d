// write_progress: how a gathered write moves on as its bytes leave; the same for every system's reactor.
#pragma once

#include <cstddef>

#include "transport/reactor.hpp"

namespace colloquy::transport {

// Moves `op` forward by what has been taken, and past slices that are empty.
inline void consume(write_op& op, std::size_t bytes) noexcept {
    op.reactor_written += bytes;
    while (op.slice_count != 0 && bytes >= op.slices->size) {
        bytes -= op.slices->size;
        ++op.slices;
        --op.slice_count;
    }
    if (bytes != 0) {
        op.slices->data += bytes;
        op.slices->size -= bytes;
    }
}

}  // namespace colloquy::transport
