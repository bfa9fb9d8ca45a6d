// attention: whom a conversation's completions are told, beside or instead of the wait queue.
//
// Counted, because the thread that tells may be at work while the program collects the result and ends the
// conversation: a wake object outlives its senders. The conversation holds one reference, each telling another.
#pragma once

#include <cstdint>
#include <utility>

#include "api/colloquy/colloquy.h"
#include "api/system_objects.hpp"
#include "runtime/atom.hpp"

namespace colloquy::api {

struct attention {
    enum class kind : std::uint8_t { event, sink, callback };

    kind what = kind::event;
    event_reference event;         // a duplicate: a handle closed by the program cannot make us signal a stranger
    void* event_handle = nullptr;  // what the program gave, and is given back
    clq_sink sink = nullptr;
    clq_callback callback = nullptr;
    void* user = nullptr;

    void hold() noexcept { references_.fetch_add_relaxed(1); }
    void release() noexcept {
        // release[attention] acquire[attention]: the last one sees all that the others did.
        if (references_.fetch_sub_acq_rel(1) == 1) delete this;
    }

private:
    runtime::atom<std::uint32_t> references_{1};
};

}  // namespace colloquy::api
