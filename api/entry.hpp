// entry: what every C entry point does around its call: finds the logical unit, enters it, answers, and keeps what a
// bad answer means for Extract_Secondary_Information.
//
// The name of the entry point is the name of the function that calls these, which is why it is a default argument.
#pragma once

#include <cstdint>
#include <utility>

#include "api/cpic.h"
#include "api/process.hpp"
#include "api/secondary.hpp"
#include "runtime/verbs.hpp"

namespace colloquy::api {

// Ends a call that is about no conversation, or about one that cannot be named.
inline void answer(CM_INT32* return_code, runtime::return_code code,
                   const char* entry = __builtin_FUNCTION()) noexcept {
    if (secondary::worth_keeping(code)) [[unlikely]]
        secondary::keep(entry, {}, code);
    *return_code = static_cast<CM_INT32>(code);
}

// Ends a call on a conversation.
inline void answer(CM_INT32* return_code, runtime::conversation_id id, runtime::return_code code,
                   const char* entry) noexcept {
    if (secondary::worth_keeping(code)) [[unlikely]]
        secondary::keep(entry, id, code);
    *return_code = static_cast<CM_INT32>(code);
}

// Runs `verb(unit, context, id)` for a call that names a conversation. Gives what the call has answered: after 35 the
// variable for it may be somebody else's. ok where there is none.
template <class Verb>
runtime::return_code with_conversation(const void* conversation_id_bytes, CM_INT32* return_code, Verb&& verb,
                                       const char* entry = __builtin_FUNCTION()) noexcept {
    using rc = runtime::return_code;
    if (return_code == nullptr) return rc::ok;
    const held_unit u = running_unit();
    if (conversation_id_bytes == nullptr || u == nullptr) {
        answer(return_code, rc::program_parameter_check, entry);
        if (conversation_id_bytes == nullptr)
            secondary::wrong_argument("conversation_ID");
        else
            secondary::refused_in(runtime::conversation_state::reset);
        return rc::program_parameter_check;
    }
    const auto id = runtime::conversation_id::from_bytes(conversation_id_bytes);
    logical_unit::thread_state& t = logical_unit::this_thread();
    if (t.in_sink) [[unlikely]] {
        // The sink's conversation waits for it to return; a call from inside could wait for ever.
        answer(return_code, id, rc::operation_not_accepted, entry);
        return rc::operation_not_accepted;
    }
    runtime::context& c = t.context;
    c.answer_to = return_code;
    const runtime::outcome o = verb(*u, c, id);
    // At queue level 35 was written, and the variable belongs to the operation since.
    const bool answered = c.answer_to == nullptr;
    const rc code = u->finish(c, o);
    if (answered) [[unlikely]]
        t.handed_over = true;
    else
        answer(return_code, id, code, entry);
    if (code == rc::program_parameter_check || code == rc::program_state_check) [[unlikely]]
        secondary::refused_in(u->state_of(id));
    return code;
}

// The call was refused for its parameters, by a conversation or before it looked for one.
[[nodiscard]] inline bool refused_parameters(const CM_INT32* return_code) noexcept {
    return return_code != nullptr && *return_code == CM_PROGRAM_PARAMETER_CHECK;
}

// For the calls that may block: inside a blocking hook they are refused where they would.
template <class Verb>
runtime::return_code with_operation(const void* conversation_id_bytes, CM_INT32* return_code, runtime::verb kind,
                                    Verb&& verb, const char* entry = __builtin_FUNCTION()) noexcept {
    using runtime::outcome;
    using rc = runtime::return_code;
    return with_conversation(
        conversation_id_bytes, return_code,
        [&](logical_unit& u, runtime::context& c, runtime::conversation_id id) {
            if (logical_unit::this_thread().in_hook && runtime::would_block(u.engine(), c, id, kind))
                return outcome{rc::operation_not_accepted, false, {}};
            return verb(u, c, id);
        },
        entry);
}

// Ends an accept: in blocking mode it waits as long as the configuration says, and 25 says that nobody came.
inline runtime::return_code finish_accept(logical_unit& u, runtime::context& c, const runtime::outcome& o) noexcept {
    const std::uint32_t wait_ms = u.settings().accept_wait_ms;
    const std::uint64_t deadline = wait_ms == 0 || !o.must_wait
                                       ? transport::no_deadline
                                       : transport::now_ns() + std::uint64_t{wait_ms} * 1'000'000;
    const runtime::return_code code = u.finish(c, o, deadline);
    if (code == runtime::return_code::ok) u.accepted(c);
    const bool nobody = o.must_wait && code == runtime::return_code::operation_incomplete;
    return nobody ? runtime::return_code::program_state_check : code;
}

}  // namespace colloquy::api
