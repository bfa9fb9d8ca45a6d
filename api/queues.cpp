// Queue-level processing: what the queues of a conversation report by, and the wait for many of them.
#include <limits>

#include "api/colloquy/colloquy.h"
#include "api/entry.hpp"
#include "api/trace.hpp"

namespace {

using namespace colloquy;
using api::logical_unit;
using api::trace::call;
using runtime::conversation_id;
using runtime::outcome;
using runtime::queue_mode;
using rc = runtime::return_code;

outcome refused() noexcept { return {rc::program_parameter_check, false, {}}; }

}  // namespace

extern "C" {

CM_ENTRY cmsqpm(const void* conversation_ID, const CM_CONVERSATION_QUEUE* conversation_queue,
                const CM_PROCESSING_MODE* processing_mode, const void* user_field, CM_OOID* OOID,
                CM_RETURN_CODE* return_code) {
    call traced{"cmsqpm", conversation_ID, return_code};
    traced.in("queue", conversation_queue).in("mode", processing_mode).out("OOID", OOID);
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (conversation_queue == nullptr || processing_mode == nullptr || user_field == nullptr || OOID == nullptr ||
            (*processing_mode != CM_BLOCKING && *processing_mode != CM_NON_BLOCKING))
            return refused();
        std::int32_t number = 0;
        runtime::queue_request wanted;
        wanted.mode = *processing_mode == CM_BLOCKING ? queue_mode::blocks : queue_mode::waited_for;
        wanted.user_field = user_field;
        wanted.number = &number;
        const outcome o = runtime::set_queue(u.engine(), c, id, *conversation_queue, wanted);
        if (o.code == rc::ok) *OOID = number;
        if (o.code == rc::product_specific_error) api::set_last_error("every OOID is in use");
        return o;
    });
}

CM_ENTRY cmsqcf(const void* conversation_ID, const CM_CONVERSATION_QUEUE* conversation_queue, void* callback_function,
                const void* user_field, CM_RETURN_CODE* return_code) {
    call traced{"cmsqcf", conversation_ID, return_code};
    traced.in("queue", conversation_queue);
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (conversation_queue == nullptr || callback_function == nullptr || user_field == nullptr) return refused();
        runtime::queue_request wanted;
        wanted.mode = queue_mode::calls;
        wanted.user_field = user_field;
        wanted.function = reinterpret_cast<void (*)()>(callback_function);
        return runtime::set_queue(u.engine(), c, id, *conversation_queue, wanted);
    });
}

void COLLOQUY_CALL clq_set_queue_callback(const void* conversation_ID, CM_INT32 queue, clq_callback callback,
                                          void* user, CM_INT32* return_code) {
    call traced{"clq_set_queue_callback", conversation_ID, return_code};
    traced.in("queue", static_cast<long long>(queue));
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        runtime::queue_request wanted;
        if (callback != nullptr) {
            wanted.mode = queue_mode::completes;
            wanted.function = reinterpret_cast<void (*)()>(callback);
            wanted.user = user;
        }
        wanted.every = queue == runtime::every_queue;
        return runtime::set_queue(u.engine(), c, id, queue, wanted);
    });
}

void COLLOQUY_CALL clq_set_queue_time_limit(const void* conversation_ID, CM_INT32 queue, unsigned milliseconds,
                                            CM_INT32* return_code) {
    call traced{"clq_set_queue_time_limit", conversation_ID, return_code};
    traced.in("queue", static_cast<long long>(queue)).in("milliseconds", static_cast<long long>(milliseconds));
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::set_queue_time_limit(u.engine(), c, id, queue, milliseconds);
    });
}

void COLLOQUY_CALL clq_abandon_call(const void* conversation_ID, CM_INT32 queue, const void* id_memory,
                                    CM_INT32* result, CM_INT32* call_code, CM_INT32* return_code) {
    call traced{"clq_abandon_call", conversation_ID, return_code};
    traced.in("queue", static_cast<long long>(queue)).out("outcome", result);
    static_assert(CLQ_CALL_TOLD == static_cast<int>(runtime::given_back::nothing) &&
                  CLQ_CALL_UNDONE == static_cast<int>(runtime::given_back::undone) &&
                  CLQ_CALL_DONE == static_cast<int>(runtime::given_back::done) &&
                  CLQ_CALL_ENDED == static_cast<int>(runtime::given_back::ended));
    if (result != nullptr) *result = CLQ_CALL_TOLD;
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (result == nullptr) return refused();
        runtime::given_back what{};
        runtime::return_code code{};
        const outcome o = runtime::abandon_call(u.engine(), c, id, queue, id_memory, what, code);
        *result = static_cast<CM_INT32>(what);
        if (call_code != nullptr && what != runtime::given_back::nothing) *call_code = static_cast<CM_INT32>(code);
        return o;
    });
}

CM_ENTRY cmwcmp(const CM_OOID* OOID_list, const CM_OOID_LIST_COUNT* OOID_list_count, const CM_TIMEOUT* timeout,
                CM_INT32* completed_op_index_list, CM_COMPLETED_OP_COUNT* completed_op_count, void* user_field_list,
                CM_RETURN_CODE* return_code) {
    call traced{"cmwcmp", nullptr, return_code};
    traced.in("count", OOID_list_count).in("timeout", timeout).out("completed", completed_op_count);
    if (return_code == nullptr) return;
    const bool right = OOID_list != nullptr && OOID_list_count != nullptr && timeout != nullptr &&
                       completed_op_index_list != nullptr && completed_op_count != nullptr &&
                       user_field_list != nullptr && *OOID_list_count > 0 && *timeout >= -1;
    const api::held_unit u = api::collecting_unit();
    if (!right || u == nullptr) {
        api::answer(return_code, rc::program_parameter_check);  // where nothing runs no OOID is alive
        return;
    }
    const logical_unit::thread_state& thread = logical_unit::this_thread();
    if (thread.in_hook || thread.in_sink) {
        api::answer(return_code, rc::operation_not_accepted);
        return;
    }
    std::uint32_t found = 0;
    const rc code = u->wait_for_completion({OOID_list, static_cast<std::uint32_t>(*OOID_list_count), *timeout,
                                            completed_op_index_list, static_cast<std::byte*>(user_field_list)},
                                           found);
    if (code == rc::ok) *completed_op_count = static_cast<CM_INT32>(found);
    api::answer(return_code, code);
}

}  // extern "C"
