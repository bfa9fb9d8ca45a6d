// Initialize_For_Incoming and Accept_Incoming: a conversation that is set up before an attach comes for it.
#include "api/entry.hpp"
#include "api/trace.hpp"

namespace {

using namespace colloquy;
using api::logical_unit;
using api::trace::call;
using runtime::conversation_id;
using runtime::outcome;
using rc = runtime::return_code;

}  // namespace

extern "C" {

CM_ENTRY cminic(void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cminic", nullptr, return_code};
    traced.gives(conversation_ID);
    if (return_code == nullptr) return;
    if (conversation_ID == nullptr) {
        api::answer(return_code, rc::program_parameter_check);
        return;
    }
    const api::held_unit u = api::process_unit();
    if (u == nullptr) {
        api::answer(return_code, rc::product_specific_error);
        return;
    }
    runtime::context& c = u->enter();
    const outcome o = runtime::initialize_for_incoming(u->engine(), c);
    if (o.code == rc::ok)
        o.id.to_bytes(conversation_ID);
    else
        api::set_last_error("the conversation table is full; raise limits.conversations");
    u->leave(c);
    api::answer(return_code, o.code);
}

CM_ENTRY cmacci(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmacci", conversation_ID, return_code};
    if (return_code == nullptr) return;
    const api::held_unit u = api::running_unit();
    if (conversation_ID == nullptr || u == nullptr) {
        api::answer(return_code, rc::program_parameter_check);
        return;
    }
    const auto id = conversation_id::from_bytes(conversation_ID);
    const logical_unit::thread_state& thread = logical_unit::this_thread();
    runtime::context& c = u->enter();
    c.answer_to = return_code;
    runtime::conversation_state state{};
    outcome o = runtime::extract_state(u->engine(), c, id, state);
    if (o.code == rc::ok) {
        const bool waiting = state == runtime::conversation_state::initialize_incoming;
        if (thread.in_sink || (thread.in_hook && runtime::would_block(u->engine(), c, id, runtime::verb::accept)))
            o.code = rc::operation_not_accepted;
        else if (waiting && !u->engine().tps().any_ever())
            o.code = rc::program_state_check;
        else
            o = runtime::accept_incoming(u->engine(), c, id, const_cast<void*>(conversation_ID), u->accept_limit());
    }
    // As in with_conversation(): an operation at queue level has the variable.
    const bool answered = c.answer_to == nullptr;
    const rc code = api::finish_accept(*u, c, o);
    if (answered)
        logical_unit::this_thread().handed_over = true;
    else
        api::answer(return_code, id, code, "cmacci");
}

}  // extern "C"
