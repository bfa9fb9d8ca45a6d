// attention: whom a conversation's completions are told, beside or instead of the wait queue.
//
// Counted, because the thread that tells may be at work while the program collects the result and ends the
// conversation: a wake object outlives its senders. The conversation holds one reference, each telling another.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "api/colloquy/colloquy.h"
#include "api/system_objects.hpp"
#include "runtime/atom.hpp"
#include "runtime/conversation_id.hpp"

namespace colloquy::api {

class logical_unit;

// Something of the system that is rung when a result is there to be collected, and may refuse for a moment.
class bell {
public:
    bell() noexcept = default;
    bell(const bell&) = delete;
    bell& operator=(const bell&) = delete;
    virtual ~bell() = default;

    // False: not now; to be rung again. Does not block and runs no code of the program. Any thread.
    [[nodiscard]] virtual bool ring() noexcept = 0;
};

struct attention {
    enum class kind : std::uint8_t { event, sink, callback };

    kind what = kind::event;       // event: the result is collected by cmwait; a bell or an event tells that it can be
    std::shared_ptr<bell> first;   // rung instead of the event, if there is one
    event_reference event;         // a duplicate: a handle closed by the program cannot make us signal a stranger
    void* event_handle = nullptr;  // what the program gave, and is given back
    clq_sink sink = nullptr;
    clq_callback callback = nullptr;
    void* user = nullptr;

    // Of the logical unit, under its mutex: how often the bell has refused and is still to be rung.
    std::uint32_t unrung = 0;
    attention* next_unrung = nullptr;

    void hold() noexcept { references_.fetch_add_relaxed(1); }
    void release() noexcept {
        // release[attention] acquire[attention]: the last one sees all that the others did.
        if (references_.fetch_sub_acq_rel(1) == 1) delete this;
    }

private:
    runtime::atom<std::uint32_t> references_{1};
};

// Replaces the conversation's event, or its bell, and leaves the other as it is; with neither it has no attention.
// A sink or callback that was there is gone. The code of the call: 0, 20, 24, 37. Two threads that do so at once for
// one conversation may undo each other.
[[nodiscard]] CM_INT32 set_event(logical_unit& u, runtime::conversation_id id, event_reference event,
                                 void* handle) noexcept;
[[nodiscard]] CM_INT32 set_bell(logical_unit& u, runtime::conversation_id id, std::shared_ptr<bell> wanted) noexcept;

// Its event as the program gave it; null if there is none. 0 or 24.
[[nodiscard]] CM_INT32 event_of(logical_unit& u, runtime::conversation_id id, void*& handle) noexcept;

}  // namespace colloquy::api
