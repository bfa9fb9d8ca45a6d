// The C entry points: pointers checked, then the engine's verbs, then the wait if the conversation is a blocking one.
#include "api/cpic.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "api/entry.hpp"
#include "api/process.hpp"
#include "api/text.hpp"
#include "api/trace.hpp"
#include "runtime/verbs.hpp"

namespace {

using namespace colloquy;
using api::answer;
using api::logical_unit;
using api::with_conversation;
using api::with_operation;
using api::trace::call;
using runtime::conversation_id;
using runtime::outcome;
using rc = runtime::return_code;

constexpr CM_INT32 data_length_max = 32'767;

// What may be set, and what a value that is in range is at odds with when it is refused.
struct bounds_of_value {
    CM_INT32 most = 1;
    const char* at_odds = nullptr;
};
bounds_of_value bounds_of(runtime::characteristic which, CM_INT32 value) noexcept {
    using enum runtime::characteristic;
    constexpr const char* no_confirmation = "it asks for confirmation, which sync_level CM_NONE excludes";
    constexpr const char* half_duplex = "the conversation is full-duplex";
    switch (which) {
        case conversation_type: return {1, "fill is CM_FILL_BUFFER or log data is set, as only basic ones have"};
        case sync_level:
            return {1, value == CM_NONE ? "send_type, prepare_to_receive_type or deallocate_type asks for confirmation"
                                        : "a full-duplex conversation has none"};
        case deallocate_type: return {3, no_confirmation};
        case fill: return {1, "the conversation is mapped"};
        case prepare_to_receive_type: return {2, no_confirmation};
        case processing_mode: return {1, "a full-duplex conversation has more than one call at a time"};
        case security_type: return {2};
        case send_type: return {4, value == CM_SEND_AND_CONFIRM ? no_confirmation : half_duplex};
        case send_receive_mode: return {1, "sync_level, send_type or processing_mode belongs to half-duplex ones"};
        default: return {};
    }
}

template <class Value>
void set_value(const char* name, const void* id, runtime::characteristic which, const Value* value,
               CM_INT32* return_code) noexcept {
    call traced{name, id, return_code};
    traced.in("value", value);
    with_conversation(
        id, return_code,
        [&](logical_unit& u, runtime::context& c, conversation_id i) {
            if (value == nullptr) return outcome{rc::program_parameter_check, false, {}};
            return runtime::set(u.engine(), c, i, which, *value);
        },
        name);
    if (api::refused_parameters(return_code)) [[unlikely]] {
        const bounds_of_value allowed = bounds_of(which, value == nullptr ? 0 : *value);
        if (id != nullptr) api::secondary::wrong_argument("the value", value, 0, allowed.most, allowed.at_odds);
    }
}

void set_name(const char* name, const void* id, runtime::name_of which, const void* text, const CM_INT32* length,
              CM_INT32* return_code) noexcept {
    call traced{name, id, return_code};
    traced.in("length", length);
    if (which != runtime::name_of::user_id && which != runtime::name_of::password) traced.text("name", text, length);
    with_conversation(
        id, return_code,
        [&](logical_unit& u, runtime::context& c, conversation_id i) {
            if (length == nullptr) return outcome{rc::program_parameter_check, false, {}};
            return runtime::set_name(u.engine(), c, i, which, text, *length);
        },
        name);
    if (api::refused_parameters(return_code) && id != nullptr) [[unlikely]] {
        using runtime::name_of;
        const bool may_be_empty = which == name_of::mode || which == name_of::user_id || which == name_of::password;
        const CM_INT32 most = which == name_of::partner_lu ? CM_PLN_SIZE
                              : which == name_of::mode     ? CM_MN_SIZE
                              : which == name_of::tp       ? CM_TPN_SIZE
                                                           : CM_UID_SIZE;
        api::secondary::wrong_argument("the length", length, may_be_empty ? 0 : 1, most,
                                       "the name is a NULL pointer or begins with a control character");
    }
}

void extract_value(const char* name, const void* id, runtime::characteristic which, CM_INT32* value,
                   CM_INT32* return_code) noexcept {
    call traced{name, id, return_code};
    traced.out("value", value);
    with_conversation(
        id, return_code,
        [&](logical_unit& u, runtime::context& c, conversation_id i) {
            if (value == nullptr) return outcome{rc::program_parameter_check, false, {}};
            std::int32_t v = 0;
            const outcome o = runtime::extract(u.engine(), c, i, which, v);
            if (o.code == rc::ok) *value = v;
            return o;
        },
        name);
    if (api::refused_parameters(return_code) && id != nullptr && value == nullptr) [[unlikely]]
        api::secondary::wrong_argument("the value");
}

void extract_name(const char* name, const void* id, runtime::name_of which, void* text, std::int32_t capacity,
                  CM_INT32* length, CM_INT32* return_code) noexcept {
    call traced{name, id, return_code};
    traced.out("length", length);
    with_conversation(
        id, return_code,
        [&](logical_unit& u, runtime::context& c, conversation_id i) {
            if (text == nullptr || length == nullptr) return outcome{rc::program_parameter_check, false, {}};
            std::int32_t n = 0;
            const outcome o = runtime::extract_name(u.engine(), c, i, which, text, capacity, n);
            if (o.code == rc::ok) *length = n;
            return o;
        },
        name);
    if (api::refused_parameters(return_code) && id != nullptr && (text == nullptr || length == nullptr)) [[unlikely]]
        api::secondary::wrong_argument(text == nullptr ? "the name" : "the length");
}

// The caller's memory for its id is told back by cmwait's channels, so it is kept as it was given.
void* memory_of(const void* conversation_id_bytes) noexcept { return const_cast<void*>(conversation_id_bytes); }

runtime::partner* find_partner(void* unit, std::string_view name) {
    return static_cast<logical_unit*>(unit)->partner(name);
}

std::string_view trimmed(std::string_view s) noexcept {
    while (!s.empty() && s.back() == ' ') s.remove_suffix(1);
    return s;
}

void explain_unknown_destination(const logical_unit& u, std::string_view name) noexcept {
    try {
        const std::string& file = u.settings().source;
        api::set_last_error(api::joined({"no [[side_information]] is named \"", trimmed(name), "\"",
                                         file.empty() ? ", and no configuration file was found" : " in ", file}));
        api::secondary::add_detail(api::last_error());
    } catch (const std::bad_alloc&) {
        api::secondary::add_detail("no [[side_information]] has this name");
    }
}

}  // namespace

extern "C" {

CM_ENTRY cminit(void* conversation_ID, const void* sym_dest_name, CM_RETURN_CODE* return_code) {
    call traced{"cminit", nullptr, return_code};
    traced.text("sym_dest_name", static_cast<const char*>(sym_dest_name), CM_SDN_SIZE).gives(conversation_ID);
    if (return_code == nullptr) return;
    if (conversation_ID == nullptr || sym_dest_name == nullptr) {
        answer(return_code, rc::program_parameter_check);
        return;
    }
    const api::held_unit u = api::process_unit();
    if (u == nullptr) {
        answer(return_code, rc::product_specific_error);
        return;
    }
    runtime::context& c = u->enter();
    const std::array<char, CM_SDN_SIZE> name = api::padded_destination(sym_dest_name);
    const bool blank = trimmed({name.data(), name.size()}).empty();
    api::side_entry entry;
    if (!blank && !u->side().find(sym_dest_name, entry)) {
        answer(return_code, rc::program_parameter_check);
        explain_unknown_destination(*u, {name.data(), name.size()});
        return;
    }
    const outcome o = runtime::initialize(u->engine(), c);
    if (o.code == rc::ok) {
        if (!blank) {
            const auto or_blank = [](std::string_view s) { return s.empty() ? std::string_view{" "} : s; };
            (void)runtime::set_details(u->engine(), c, o.id, or_blank(entry.partner_lu.view()), entry.mode.view(),
                                       or_blank(entry.tp_name.view()), entry.tp_name_type == XC_SNA_SERVICE_TP);
            (void)runtime::set(u->engine(), c, o.id, runtime::characteristic::security_type, entry.security);
            if (entry.security != XC_SECURITY_NONE) {
                (void)runtime::set_name(u->engine(), c, o.id, runtime::name_of::user_id, entry.user.data(),
                                        static_cast<std::int32_t>(entry.user.size()));
                (void)runtime::set_name(u->engine(), c, o.id, runtime::name_of::password, entry.password.data(),
                                        static_cast<std::int32_t>(entry.password.size()));
            }
        }
        o.id.to_bytes(conversation_ID);
    } else {
        api::set_last_error("the conversation table is full; raise limits.conversations");
    }
    u->leave(c);
    answer(return_code, o.code);
}

CM_ENTRY cmaccp(void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmaccp", nullptr, return_code};
    traced.gives(conversation_ID);
    if (return_code == nullptr) return;
    if (conversation_ID == nullptr) {
        answer(return_code, rc::program_parameter_check);
        return;
    }
    const api::held_unit u = api::process_unit();
    if (u == nullptr) {
        answer(return_code, rc::product_specific_error);
        return;
    }
    const bool blocking = !u->has_named_tp();
    if (blocking && logical_unit::this_thread().in_hook) {
        answer(return_code, rc::operation_not_accepted);
        return;
    }
    if (blocking && !u->engine().tps().any_ever() && !u->started_for_attaches()) {
        answer(return_code, rc::program_state_check);
        return;
    }
    runtime::context& c = u->enter();
    const outcome o = runtime::accept(u->engine(), c, blocking, conversation_ID, u->accept_limit());
    traced.conversation(o.id);
    if (o.code == rc::ok) o.id.to_bytes(conversation_ID);
    const rc code = api::finish_accept(*u, c, o);
    if (code == rc::program_state_check)
        if (const std::string why = u->why_no_attach(); !why.empty()) api::set_last_error(why);
    answer(return_code, code);
}

CM_ENTRY cmallc(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmallc", conversation_ID, return_code};
    char name[64];
    std::int32_t size = 0;
    const rc code = with_operation(
        conversation_ID, return_code, runtime::verb::allocate,
        [&](logical_unit& u, runtime::context& c, conversation_id id) {
            (void)runtime::extract_name(u.engine(), c, id, runtime::name_of::partner_lu, name, sizeof name, size);
            return runtime::allocate(u.engine(), c, id, &find_partner, &u, memory_of(conversation_ID));
        });
    if (code == rc::allocate_failure_no_retry || code == rc::allocate_failure_retry || code == rc::parameter_error)
        if (const api::held_unit u = api::running_unit(); u != nullptr) {
            const std::string_view partner{name, static_cast<std::size_t>(size)};
            const bool known = code == rc::parameter_error && u->partner(partner) != nullptr;
            api::set_last_error(known ? "no TP name is set (Set_TP_Name, or tp_name in [[side_information]]), or the "
                                        "mode name is a reserved one"
                                      : u->why_no_link(partner));
            api::secondary::add_detail(api::last_error());
        }
}

CM_ENTRY cmsend(const void* conversation_ID, const void* buffer, const CM_INT32* send_length,
                CM_REQUEST_TO_SEND_RECEIVED* request_to_send_received, CM_RETURN_CODE* return_code) {
    call traced{"cmsend", conversation_ID, return_code};
    traced.in("length", send_length).sent(buffer, send_length);
    traced.out("request_to_send_received", request_to_send_received);
    // A null pointer is refused after the state is known to be right, as any other bad parameter.
    const std::int32_t length = send_length == nullptr ? -1 : *send_length;
    const auto send = [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::send_data(u.engine(), c, id, buffer, length, request_to_send_received,
                                  memory_of(conversation_ID));
    };
    const rc code = with_operation(conversation_ID, return_code, runtime::verb::send_data, send);
    if (code == rc::program_parameter_check && conversation_ID != nullptr) [[unlikely]]
        if (send_length == nullptr || *send_length < 0 || *send_length > data_length_max)
            api::secondary::wrong_argument("send_length", send_length, 0, data_length_max);
}

CM_ENTRY cmrcv(const void* conversation_ID, void* buffer, const CM_INT32* requested_length,
               CM_DATA_RECEIVED_TYPE* data_received, CM_INT32* received_length, CM_STATUS_RECEIVED* status_received,
               CM_REQUEST_TO_SEND_RECEIVED* request_to_send_received, CM_RETURN_CODE* return_code) {
    call traced{"cmrcv", conversation_ID, return_code};
    traced.in("requested_length", requested_length).out("data_received", data_received);
    traced.out("status_received", status_received).out("request_to_send_received", request_to_send_received);
    traced.received(buffer, received_length, data_received);
    const runtime::receive_request request{buffer,          requested_length == nullptr ? -1 : *requested_length,
                                           data_received,   received_length,
                                           status_received, request_to_send_received};
    const auto receive = [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::receive(u.engine(), c, id, request, memory_of(conversation_ID));
    };
    const rc code = with_operation(conversation_ID, return_code, runtime::verb::receive, receive);
    if (code == rc::program_parameter_check && conversation_ID != nullptr) [[unlikely]]
        if (requested_length == nullptr || *requested_length < 0 || *requested_length > data_length_max)
            api::secondary::wrong_argument("requested_length", requested_length, 0, data_length_max);
}

CM_ENTRY cmdeal(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmdeal", conversation_ID, return_code};
    with_operation(conversation_ID, return_code, runtime::verb::deallocate,
                   [&](logical_unit& u, runtime::context& c, conversation_id id) {
                       return runtime::deallocate(u.engine(), c, id, memory_of(conversation_ID));
                   });
}

CM_ENTRY cmcfm(const void* conversation_ID, CM_REQUEST_TO_SEND_RECEIVED* request_to_send_received,
               CM_RETURN_CODE* return_code) {
    call traced{"cmcfm", conversation_ID, return_code};
    traced.out("request_to_send_received", request_to_send_received);
    with_operation(conversation_ID, return_code, runtime::verb::confirm,
                   [&](logical_unit& u, runtime::context& c, conversation_id id) {
                       return runtime::confirm(u.engine(), c, id, request_to_send_received, memory_of(conversation_ID));
                   });
}

CM_ENTRY cmcfmd(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmcfmd", conversation_ID, return_code};
    with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::confirmed(u.engine(), c, id);
    });
}

CM_ENTRY cmflus(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmflus", conversation_ID, return_code};
    with_operation(conversation_ID, return_code, runtime::verb::flush,
                   [&](logical_unit& u, runtime::context& c, conversation_id id) {
                       return runtime::flush(u.engine(), c, id, memory_of(conversation_ID));
                   });
}

CM_ENTRY cmptr(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmptr", conversation_ID, return_code};
    with_operation(conversation_ID, return_code, runtime::verb::prepare_to_receive,
                   [&](logical_unit& u, runtime::context& c, conversation_id id) {
                       return runtime::prepare_to_receive(u.engine(), c, id, memory_of(conversation_ID));
                   });
}

CM_ENTRY cmserr(const void* conversation_ID, CM_REQUEST_TO_SEND_RECEIVED* request_to_send_received,
                CM_RETURN_CODE* return_code) {
    call traced{"cmserr", conversation_ID, return_code};
    traced.out("request_to_send_received", request_to_send_received);
    with_operation(conversation_ID, return_code, runtime::verb::send_error,
                   [&](logical_unit& u, runtime::context& c, conversation_id id) {
                       return runtime::send_error(u.engine(), c, id, request_to_send_received,
                                                  memory_of(conversation_ID));
                   });
}

CM_ENTRY cmrts(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmrts", conversation_ID, return_code};
    with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::request_to_send(u.engine(), c, id);
    });
}

CM_ENTRY cmtrts(const void* conversation_ID, CM_REQUEST_TO_SEND_RECEIVED* request_to_send_received,
                CM_RETURN_CODE* return_code) {
    call traced{"cmtrts", conversation_ID, return_code};
    traced.out("request_to_send_received", request_to_send_received);
    with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::test_request_to_send_received(u.engine(), c, id, request_to_send_received);
    });
}

CM_ENTRY cmcanc(const void* conversation_ID, CM_RETURN_CODE* return_code) {
    call traced{"cmcanc", conversation_ID, return_code};
    with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::cancel(u.engine(), c, id);
    });
}

CM_ENTRY cmwait(void* conversation_ID, CM_CONVERSATION_RETURN_CODE* conversation_return_code,
                CM_RETURN_CODE* return_code) {
    call traced{"cmwait", nullptr, return_code};
    traced.gives(conversation_ID).out("conversation_return_code", conversation_return_code);
    if (return_code == nullptr) return;
    const api::held_unit u = api::collecting_unit();
    if (conversation_ID == nullptr || conversation_return_code == nullptr) {
        answer(return_code, rc::program_parameter_check);
        return;
    }
    if (u == nullptr) {
        answer(return_code, rc::program_state_check);
        return;
    }
    if (logical_unit::this_thread().in_hook) {
        answer(return_code, rc::operation_not_accepted);
        return;
    }
    runtime::engine::collected got;
    const rc code = u->wait_for_conversation(got);
    if (code == rc::ok) {
        got.id.to_bytes(conversation_ID);
        if (api::secondary::worth_keeping(got.code)) api::secondary::keep(nullptr, got.id, got.code);
        *conversation_return_code = static_cast<CM_INT32>(got.code);
    }
    answer(return_code, code);
}

CM_ENTRY cmchck(void* conversation_ID, CM_CONVERSATION_RETURN_CODE* conversation_return_code,
                CM_RETURN_CODE* return_code) {
    call traced{"cmchck", nullptr, return_code};
    traced.gives(conversation_ID).out("conversation_return_code", conversation_return_code);
    if (return_code == nullptr) return;
    if (conversation_ID == nullptr || conversation_return_code == nullptr) {
        answer(return_code, rc::program_parameter_check);
        return;
    }
    const api::held_unit u = api::collecting_unit();
    if (u == nullptr) {
        answer(return_code, rc::program_state_check);
        return;
    }
    runtime::engine::collected next;
    const rc code = u->check_for_completion(next);
    if (code == rc::ok) {
        next.id.to_bytes(conversation_ID);
        *conversation_return_code = static_cast<CM_INT32>(next.code);
    }
    answer(return_code, code);
}

CM_ENTRY cmsltp(const void* TP_name, const CM_INT32* TP_name_length, CM_RETURN_CODE* return_code) {
    call traced{"cmsltp", nullptr, return_code};
    traced.text("name", TP_name, TP_name_length);
    if (return_code == nullptr) return;
    if (TP_name == nullptr || TP_name_length == nullptr || *TP_name_length < 1 || *TP_name_length > CM_TPN_SIZE ||
        *static_cast<const unsigned char*>(TP_name) < 0x20) {
        answer(return_code, rc::program_parameter_check);
        if (TP_name == nullptr)
            api::secondary::wrong_argument("TP_name");
        else
            api::secondary::wrong_argument("TP_name_length", TP_name_length, 1, CM_TPN_SIZE,
                                           "the name begins with a control character");
        return;
    }
    const std::string_view name{static_cast<const char*>(TP_name), static_cast<std::size_t>(*TP_name_length)};
    const api::held_unit u = api::process_unit(name);
    if (u == nullptr) {
        answer(return_code, rc::product_specific_error);
        return;
    }
    // A bound of the configuration holds for its name, whoever serves it.
    const auto& tps = u->settings().tps;
    const auto configured = std::find_if(tps.begin(), tps.end(), [&](const auto& tp) { return tp.name == name; });
    const std::uint32_t queue_max = configured != tps.end() ? configured->queue_max : u->engine().bounds().accept_queue;
    switch (u->engine().tps().add(name, queue_max)) {
        case runtime::tp_registry::add_result::added:
            if (const std::string why = u->offer(name, wire::serve_what::serve); !why.empty()) {
                (void)u->engine().tps().set(name, runtime::tp_registry::status::released);
                api::set_last_error(why);
                answer(return_code, rc::product_specific_error);
                return;
            }
            u->tp_named();
            answer(return_code, rc::ok);
            return;
        case runtime::tp_registry::add_result::full:
            api::set_last_error("the table of TP names is full; raise limits.tp_names");
            answer(return_code, rc::product_specific_error);
            return;
        case runtime::tp_registry::add_result::bad_name: break;
    }
    answer(return_code, rc::program_parameter_check);
}

CM_ENTRY cmrltp(const void* TP_name, const CM_INT32* TP_name_length, CM_RETURN_CODE* return_code) {
    call traced{"cmrltp", nullptr, return_code};
    traced.text("name", TP_name, TP_name_length);
    if (return_code == nullptr) return;
    const api::held_unit u = api::running_unit();
    const bool named =
        TP_name != nullptr && TP_name_length != nullptr && *TP_name_length >= 1 && *TP_name_length <= CM_TPN_SIZE &&
        u != nullptr &&
        u->engine().tps().set({static_cast<const char*>(TP_name), static_cast<std::size_t>(*TP_name_length)},
                              runtime::tp_registry::status::released);
    if (named)  // what the manager says to it changes nothing
        (void)u->offer({static_cast<const char*>(TP_name), static_cast<std::size_t>(*TP_name_length)},
                       wire::serve_what::no_more);
    answer(return_code, named ? rc::ok : rc::program_parameter_check);
}

CM_ENTRY cmspm(const void* conversation_ID, const CM_PROCESSING_MODE* processing_mode, CM_RETURN_CODE* return_code) {
    set_value("cmspm", conversation_ID, runtime::characteristic::processing_mode, processing_mode, return_code);
}
CM_ENTRY cmsct(const void* conversation_ID, const CM_CONVERSATION_TYPE* conversation_type,
               CM_RETURN_CODE* return_code) {
    set_value("cmsct", conversation_ID, runtime::characteristic::conversation_type, conversation_type, return_code);
}
CM_ENTRY cmssl(const void* conversation_ID, const CM_SYNC_LEVEL* sync_level, CM_RETURN_CODE* return_code) {
    set_value("cmssl", conversation_ID, runtime::characteristic::sync_level, sync_level, return_code);
}
CM_ENTRY cmsrc(const void* conversation_ID, const CM_RETURN_CONTROL* return_control, CM_RETURN_CODE* return_code) {
    set_value("cmsrc", conversation_ID, runtime::characteristic::return_control, return_control, return_code);
}
CM_ENTRY cmsdt(const void* conversation_ID, const CM_DEALLOCATE_TYPE* deallocate_type, CM_RETURN_CODE* return_code) {
    set_value("cmsdt", conversation_ID, runtime::characteristic::deallocate_type, deallocate_type, return_code);
}
CM_ENTRY cmsed(const void* conversation_ID, const CM_ERROR_DIRECTION* error_direction, CM_RETURN_CODE* return_code) {
    set_value("cmsed", conversation_ID, runtime::characteristic::error_direction, error_direction, return_code);
}
CM_ENTRY cmsf(const void* conversation_ID, const CM_FILL* fill, CM_RETURN_CODE* return_code) {
    set_value("cmsf", conversation_ID, runtime::characteristic::fill, fill, return_code);
}
CM_ENTRY cmsptr(const void* conversation_ID, const CM_PREPARE_TO_RECEIVE_TYPE* prepare_to_receive_type,
                CM_RETURN_CODE* return_code) {
    set_value("cmsptr", conversation_ID, runtime::characteristic::prepare_to_receive_type, prepare_to_receive_type,
              return_code);
}
CM_ENTRY cmsrt(const void* conversation_ID, const CM_RECEIVE_TYPE* receive_type, CM_RETURN_CODE* return_code) {
    set_value("cmsrt", conversation_ID, runtime::characteristic::receive_type, receive_type, return_code);
}
CM_ENTRY cmsst(const void* conversation_ID, const CM_SEND_TYPE* send_type, CM_RETURN_CODE* return_code) {
    set_value("cmsst", conversation_ID, runtime::characteristic::send_type, send_type, return_code);
}
CM_ENTRY cmscst(const void* conversation_ID, const XC_CONVERSATION_SECURITY_TYPE* conversation_security_type,
                CM_RETURN_CODE* return_code) {
    set_value("cmscst", conversation_ID, runtime::characteristic::security_type, conversation_security_type,
              return_code);
}
CM_ENTRY xcscst(const void* conversation_ID, const XC_CONVERSATION_SECURITY_TYPE* conversation_security_type,
                CM_RETURN_CODE* return_code) {
    cmscst(conversation_ID, conversation_security_type, return_code);
}

CM_ENTRY cmsmn(const void* conversation_ID, const void* mode_name, const CM_INT32* mode_name_length,
               CM_RETURN_CODE* return_code) {
    set_name("cmsmn", conversation_ID, runtime::name_of::mode, mode_name, mode_name_length, return_code);
}
CM_ENTRY cmspln(const void* conversation_ID, const void* partner_LU_name, const CM_INT32* partner_LU_name_length,
                CM_RETURN_CODE* return_code) {
    set_name("cmspln", conversation_ID, runtime::name_of::partner_lu, partner_LU_name, partner_LU_name_length,
             return_code);
}
CM_ENTRY cmstpn(const void* conversation_ID, const void* TP_name, const CM_INT32* TP_name_length,
                CM_RETURN_CODE* return_code) {
    set_name("cmstpn", conversation_ID, runtime::name_of::tp, TP_name, TP_name_length, return_code);
}
CM_ENTRY cmscsu(const void* conversation_ID, const void* security_user_ID, const CM_INT32* security_user_ID_length,
                CM_RETURN_CODE* return_code) {
    set_name("cmscsu", conversation_ID, runtime::name_of::user_id, security_user_ID, security_user_ID_length,
             return_code);
}
CM_ENTRY xcscsu(const void* conversation_ID, const void* security_user_ID, const CM_INT32* security_user_ID_length,
                CM_RETURN_CODE* return_code) {
    cmscsu(conversation_ID, security_user_ID, security_user_ID_length, return_code);
}
CM_ENTRY cmscsp(const void* conversation_ID, const void* security_password, const CM_INT32* security_password_length,
                CM_RETURN_CODE* return_code) {
    set_name("cmscsp", conversation_ID, runtime::name_of::password, security_password, security_password_length,
             return_code);
}
CM_ENTRY xcscsp(const void* conversation_ID, const void* security_password, const CM_INT32* security_password_length,
                CM_RETURN_CODE* return_code) {
    cmscsp(conversation_ID, security_password, security_password_length, return_code);
}

CM_ENTRY cmecs(const void* conversation_ID, CM_CONVERSATION_STATE* conversation_state, CM_RETURN_CODE* return_code) {
    call traced{"cmecs", conversation_ID, return_code};
    traced.out("state", conversation_state);
    with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (conversation_state == nullptr) return outcome{rc::program_parameter_check, false, {}};
        runtime::conversation_state s{};
        const outcome o = runtime::extract_state(u.engine(), c, id, s);
        if (o.code == rc::ok) *conversation_state = static_cast<CM_INT32>(s);
        return o;
    });
}
CM_ENTRY cmect(const void* conversation_ID, CM_CONVERSATION_TYPE* conversation_type, CM_RETURN_CODE* return_code) {
    extract_value("cmect", conversation_ID, runtime::characteristic::conversation_type, conversation_type, return_code);
}
CM_ENTRY cmesl(const void* conversation_ID, CM_SYNC_LEVEL* sync_level, CM_RETURN_CODE* return_code) {
    extract_value("cmesl", conversation_ID, runtime::characteristic::sync_level, sync_level, return_code);
}
CM_ENTRY cmecst(const void* conversation_ID, XC_CONVERSATION_SECURITY_TYPE* conversation_security_type,
                CM_RETURN_CODE* return_code) {
    extract_value("cmecst", conversation_ID, runtime::characteristic::security_type, conversation_security_type,
                  return_code);
}
CM_ENTRY xcecst(const void* conversation_ID, XC_CONVERSATION_SECURITY_TYPE* conversation_security_type,
                CM_RETURN_CODE* return_code) {
    cmecst(conversation_ID, conversation_security_type, return_code);
}
CM_ENTRY cmemn(const void* conversation_ID, void* mode_name, CM_INT32* mode_name_length, CM_RETURN_CODE* return_code) {
    extract_name("cmemn", conversation_ID, runtime::name_of::mode, mode_name, CM_MN_SIZE, mode_name_length,
                 return_code);
}
CM_ENTRY cmepln(const void* conversation_ID, void* partner_LU_name, CM_INT32* partner_LU_name_length,
                CM_RETURN_CODE* return_code) {
    extract_name("cmepln", conversation_ID, runtime::name_of::partner_lu, partner_LU_name, CM_PLN_SIZE,
                 partner_LU_name_length, return_code);
}
CM_ENTRY cmetpn(const void* conversation_ID, void* TP_name, CM_INT32* TP_name_length, CM_RETURN_CODE* return_code) {
    extract_name("cmetpn", conversation_ID, runtime::name_of::tp, TP_name, CM_TPN_SIZE, TP_name_length, return_code);
}
CM_ENTRY cmecsu(const void* conversation_ID, void* security_user_ID, CM_INT32* security_user_ID_length,
                CM_RETURN_CODE* return_code) {
    extract_name("cmecsu", conversation_ID, runtime::name_of::user_id, security_user_ID, CM_UID_SIZE,
                 security_user_ID_length, return_code);
}
CM_ENTRY cmesui(const void* conversation_ID, void* security_user_ID, CM_INT32* security_user_ID_length,
                CM_RETURN_CODE* return_code) {
    cmecsu(conversation_ID, security_user_ID, security_user_ID_length, return_code);
}
CM_ENTRY xcecsu(const void* conversation_ID, void* security_user_ID, CM_INT32* security_user_ID_length,
                CM_RETURN_CODE* return_code) {
    cmecsu(conversation_ID, security_user_ID, security_user_ID_length, return_code);
}

CM_ENTRY cmsld(const void* conversation_ID, const void* log_data, const CM_INT32* log_data_length,
               CM_RETURN_CODE* return_code) {
    call traced{"cmsld", conversation_ID, return_code};
    traced.in("length", log_data_length);
    with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        return runtime::set_log_data(u.engine(), c, id, log_data, log_data_length == nullptr ? -1 : *log_data_length);
    });
}

CM_ENTRY xcmssi(const void*, const SIDE_INFO* side_info_entry, const CM_INT32* side_info_entry_length,
                CM_RETURN_CODE* return_code) {
    call traced{"xcmssi", nullptr, return_code};
    constexpr CM_INT32 name_length = CM_SDN_SIZE;
    if (side_info_entry != nullptr) traced.text("sym_dest_name", side_info_entry->sym_dest_name, &name_length);
    if (return_code == nullptr) return;
    const api::held_unit u = api::process_unit();
    *return_code = u == nullptr ? CM_PRODUCT_SPECIFIC_ERROR : u->side().set(side_info_entry, side_info_entry_length);
}
CM_ENTRY xcmesi(const CM_INT32* entry_number, const void* sym_dest_name, SIDE_INFO* side_info_entry,
                const CM_INT32* side_info_entry_length, CM_RETURN_CODE* return_code) {
    call traced{"xcmesi", nullptr, return_code};
    traced.in("entry_number", entry_number);
    if (return_code == nullptr) return;
    const api::held_unit u = api::process_unit();
    *return_code = u == nullptr
                       ? CM_PRODUCT_SPECIFIC_ERROR
                       : u->side().extract(entry_number, sym_dest_name, side_info_entry, side_info_entry_length);
}
CM_ENTRY xcmdsi(const void*, const void* sym_dest_name, CM_RETURN_CODE* return_code) {
    call traced{"xcmdsi", nullptr, return_code};
    traced.text("sym_dest_name", static_cast<const char*>(sym_dest_name), CM_SDN_SIZE);
    if (return_code == nullptr) return;
    const api::held_unit u = api::process_unit();
    *return_code = u == nullptr ? CM_PRODUCT_SPECIFIC_ERROR : u->side().erase(sym_dest_name);
}

}  // extern "C"
