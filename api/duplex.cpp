// The calls of CPI-C 2 that conversations without turns brought: their mode, and expedited data.
#include "api/entry.hpp"
#include "api/trace.hpp"

namespace {

using namespace colloquy;
using api::logical_unit;
using api::trace::call;
using runtime::conversation_id;
using runtime::outcome;
using rc = runtime::return_code;

outcome refused() noexcept { return {rc::program_parameter_check, false, {}}; }

}  // namespace

extern "C" {

CM_ENTRY cmssrm(const void* conversation_ID, const CM_SEND_RECEIVE_MODE* send_receive_mode,
                CM_RETURN_CODE* return_code) {
    call traced{"cmssrm", conversation_ID, return_code};
    traced.in("value", send_receive_mode);
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (send_receive_mode == nullptr) return refused();
        return runtime::set(u.engine(), c, id, runtime::characteristic::send_receive_mode, *send_receive_mode);
    });
}

CM_ENTRY cmesrm(const void* conversation_ID, CM_SEND_RECEIVE_MODE* send_receive_mode, CM_RETURN_CODE* return_code) {
    call traced{"cmesrm", conversation_ID, return_code};
    traced.out("value", send_receive_mode);
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (send_receive_mode == nullptr) return refused();
        std::int32_t mode = 0;
        const outcome o = runtime::extract(u.engine(), c, id, runtime::characteristic::send_receive_mode, mode);
        if (o.code == rc::ok) *send_receive_mode = mode;
        return o;
    });
}

CM_ENTRY cmsndx(const void* conversation_ID, const void* buffer, const CM_INT32* send_length,
                CM_CONTROL_INFORMATION_RECEIVED* control_information_received, CM_RETURN_CODE* return_code) {
    call traced{"cmsndx", conversation_ID, return_code};
    traced.in("length", send_length).sent(buffer, send_length);
    traced.out("control_information_received", control_information_received);
    api::with_operation(conversation_ID, return_code, runtime::verb::send_expedited,
                        [&](logical_unit& u, runtime::context& c, conversation_id id) {
                            return runtime::send_expedited_data(
                                u.engine(), c, id, buffer, send_length == nullptr ? -1 : *send_length,
                                control_information_received, const_cast<void*>(conversation_ID));
                        });
}

CM_ENTRY cmrcvx(const void* conversation_ID, void* buffer, const CM_INT32* requested_length, CM_INT32* received_length,
                CM_CONTROL_INFORMATION_RECEIVED* control_information_received,
                const CM_RECEIVE_TYPE* expedited_receive_type, CM_RETURN_CODE* return_code) {
    call traced{"cmrcvx", conversation_ID, return_code};
    traced.in("requested_length", requested_length).in("type", expedited_receive_type);
    traced.out("received_length", received_length);
    traced.out("control_information_received", control_information_received);
    api::with_operation(conversation_ID, return_code, runtime::verb::receive_expedited,
                        [&](logical_unit& u, runtime::context& c, conversation_id id) {
                            return runtime::receive_expedited_data(
                                u.engine(), c, id, buffer, requested_length == nullptr ? -1 : *requested_length,
                                received_length, control_information_received,
                                expedited_receive_type == nullptr ? -1 : *expedited_receive_type,
                                const_cast<void*>(conversation_ID));
                        });
}

}  // extern "C"
