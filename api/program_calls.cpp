// The calls about what a conversation belongs to: transaction programs, contexts; and what a bad answer meant.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>
#include <string_view>
#include <vector>

#include "api/entry.hpp"
#include "api/program_table.hpp"
#include "api/trace.hpp"

namespace {

using namespace colloquy;
using api::logical_unit;
using api::trace::call;
using runtime::conversation_id;
using runtime::outcome;
using rc = runtime::return_code;

constexpr std::size_t tp_id_size = 8;
constexpr std::size_t alias_size = 8;

std::uint64_t tp_from(const void* bytes) noexcept {
    std::uint64_t tp = 0;
    std::memcpy(&tp, bytes, tp_id_size);
    return tp;
}

bool alive(logical_unit& u, runtime::context& c, conversation_id id) noexcept {
    runtime::conversation_state state{};
    return runtime::extract_state(u.engine(), c, id, state).code == rc::ok;
}

// Blank, or the name of our logical unit with or without its network.
bool names_our_unit(const logical_unit& u, const void* alias) noexcept {
    const std::string_view whole{static_cast<const char*>(alias), alias_size};
    const std::string_view text = whole.substr(0, std::min(whole.find('\0'), whole.find_last_not_of(' ') + 1));
    const std::string_view ours = u.settings().lu_name;
    return text.empty() || text == ours || text == ours.substr(ours.find('.') + 1);
}

// An operation of the conversation goes on, or its result waits to be collected.
bool busy(logical_unit& u, conversation_id id) noexcept {
    namespace bits = runtime::word_bits;
    using runtime::phase;
    const runtime::conversation* const v = u.engine().find(id);
    if (v == nullptr) return false;
    std::uint64_t w = v->word.load();
    // News that somebody brings is taken in at once; it says nothing about an operation.
    while (bits::is_life(w, id.generation()) && bits::phase_of(w) == phase::delivering) w = v->word.load();
    return bits::is_life(w, id.generation()) && bits::phase_of(w) != phase::idle;
}

rc end_softly(logical_unit& u, runtime::context& c, conversation_id id) noexcept {
    const outcome set = runtime::set(u.engine(), c, id, runtime::characteristic::deallocate_type, CM_DEALLOCATE_ABEND);
    if (set.code == rc::program_parameter_check) return rc::ok;  // it has ended meanwhile
    if (set.code != rc::ok) return set.code;
    const outcome ended = runtime::deallocate(u.engine(), c, id, nullptr);
    return ended.code == rc::program_parameter_check ? rc::ok : ended.code;
}

}  // namespace

extern "C" {

CM_ENTRY xcstp(const void* local_LU_alias, const void* TP_name, const CM_INT32* TP_name_length, void* TP_ID,
               CM_RETURN_CODE* return_code) {
    call traced{"xcstp", nullptr, return_code};
    traced.text("name", TP_name, TP_name_length);
    if (return_code == nullptr) return;
    if (local_LU_alias == nullptr || TP_name == nullptr || TP_name_length == nullptr || TP_ID == nullptr ||
        *TP_name_length < 1 || *TP_name_length > CM_TPN_SIZE) {
        api::answer(return_code, rc::program_parameter_check);
        return;
    }
    const api::held_unit u = api::process_unit();
    if (u == nullptr) {
        api::answer(return_code, rc::product_specific_error);
        return;
    }
    if (!names_our_unit(*u, local_LU_alias)) {
        api::answer(return_code, rc::program_parameter_check);
        return;
    }
    std::uint64_t tp = 0;
    try {
        tp = u->programs().start();
        if (tp == 0) api::set_last_error("too many transaction programs are started; end some with End_TP");
    } catch (const std::bad_alloc&) {
        api::set_last_error("out of memory");
    }
    if (tp != 0) std::memcpy(TP_ID, &tp, tp_id_size);
    api::answer(return_code, tp == 0 ? rc::product_specific_error : rc::ok);
}

CM_ENTRY xcinct(void* conversation_ID, const void* sym_dest_name, const void* TP_ID, CM_RETURN_CODE* return_code) {
    call traced{"xcinct", nullptr, return_code};
    traced.gives(conversation_ID);
    if (return_code == nullptr) return;
    const api::held_unit u = api::running_unit();
    if (conversation_ID == nullptr || sym_dest_name == nullptr || TP_ID == nullptr || u == nullptr ||
        !u->programs().known(tp_from(TP_ID))) {
        api::answer(return_code, rc::program_parameter_check);
        return;
    }
    cminit(conversation_ID, sym_dest_name, return_code);
    if (*return_code != CM_OK) return;
    bool joined = false;
    try {
        runtime::context& c = u->enter();
        u->programs().sweep([&](conversation_id id) { return alive(*u, c, id); });
        u->leave(c);
        joined = u->programs().join(tp_from(TP_ID), conversation_id::from_bytes(conversation_ID));
        if (!joined) *return_code = CM_PROGRAM_PARAMETER_CHECK;  // another thread has ended it
    } catch (const std::bad_alloc&) {
        *return_code = CM_PRODUCT_SPECIFIC_ERROR;
    }
    if (!joined) {
        CM_RETURN_CODE ignored = CM_OK;
        cmcanc(conversation_ID, &ignored);
    }
}

CM_ENTRY xceti(const void* conversation_ID, void* TP_ID, CM_RETURN_CODE* return_code) {
    call traced{"xceti", conversation_ID, return_code};
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (TP_ID == nullptr) return outcome{rc::program_parameter_check, false, {}};
        bool accepted = false;
        const outcome o = runtime::extract_origin(u.engine(), c, id, accepted);
        if (o.code != rc::ok) return o;
        try {
            u.programs().sweep([&](conversation_id other) { return alive(u, c, other); });
            const std::uint64_t tp = u.programs().of(id, accepted);
            std::memcpy(TP_ID, &tp, tp_id_size);
        } catch (const std::bad_alloc&) {
            return outcome{rc::product_specific_error, false, {}};
        }
        return o;
    });
}

CM_ENTRY xcendt(const void* TP_ID, const CM_END_TYPE* type, CM_RETURN_CODE* return_code) {
    call traced{"xcendt", nullptr, return_code};
    traced.in("type", type);
    if (return_code == nullptr) return;
    const api::held_unit u = api::running_unit();
    std::vector<conversation_id> members;
    try {
        if (TP_ID == nullptr || type == nullptr || (*type != XC_SOFT && *type != XC_HARD) || u == nullptr ||
            !u->programs().members(tp_from(TP_ID), members)) {
            api::answer(return_code, rc::program_parameter_check);
            return;
        }
    } catch (const std::bad_alloc&) {
        api::answer(return_code, rc::product_specific_error);
        return;
    }
    if (logical_unit::this_thread().in_sink ||
        (*type == XC_SOFT &&
         std::any_of(members.begin(), members.end(), [&](conversation_id id) { return busy(*u, id); }))) {
        api::answer(return_code, rc::operation_not_accepted);
        return;
    }
    rc worst = rc::ok;
    runtime::context& c = u->enter();
    for (const conversation_id id : members) {
        const rc code = *type == XC_HARD ? runtime::cancel(u->engine(), c, id).code : end_softly(*u, c, id);
        if (*type == XC_SOFT && code != rc::ok) worst = code;
    }
    u->leave(c);
    if (worst == rc::ok) u->programs().end(tp_from(TP_ID));
    api::answer(return_code, worst);
}

CM_ENTRY cmectx(const void* conversation_ID, void* context_ID, CM_CONTEXT_ID_LENGTH* context_ID_length,
                CM_RETURN_CODE* return_code) {
    call traced{"cmectx", conversation_ID, return_code};
    traced.out("context_ID_length", context_ID_length);
    api::with_conversation(conversation_ID, return_code, [&](logical_unit& u, runtime::context& c, conversation_id id) {
        if (context_ID == nullptr || context_ID_length == nullptr)
            return outcome{rc::program_parameter_check, false, {}};
        runtime::conversation_state state{};
        outcome o = runtime::extract_state(u.engine(), c, id, state);
        if (o.code != rc::ok) return o;
        if (state == runtime::conversation_state::initialize ||
            state == runtime::conversation_state::initialize_incoming)
            return outcome{rc::program_state_check, false, {}};
        bool accepted = false;
        o = runtime::extract_origin(u.engine(), c, id, accepted);
        if (o.code != rc::ok) return o;
        // The run of this logical unit, and within it the conversation that brought the work; 0 for the program's own.
        const auto& instance = u.engine().instance();
        std::uint64_t run = 0;
        std::memcpy(&run, instance.data(), sizeof run);
        char text[CM_CTX_SIZE + 1];
        (void)std::snprintf(text, sizeof text, "%016llX%016llX", static_cast<unsigned long long>(run),
                            static_cast<unsigned long long>(accepted ? id.value : 0));
        std::memcpy(context_ID, text, CM_CTX_SIZE);
        *context_ID_length = CM_CTX_SIZE;
        return o;
    });
}

CM_ENTRY cmesi(const void* conversation_ID, const CM_CALL_ID* call_ID, void* buffer, const CM_INT32* requested_length,
               CM_DATA_RECEIVED_TYPE* data_received, CM_INT32* received_length, CM_RETURN_CODE* return_code) {
    call traced{"cmesi", conversation_ID, return_code};
    traced.in("call_ID", call_ID).in("requested_length", requested_length);
    traced.out("data_received", data_received).out("received_length", received_length);
    if (return_code == nullptr) return;
    // Its own bad answers are not kept: they would hide what the program asks for.
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    if (conversation_ID == nullptr || call_ID == nullptr || buffer == nullptr || requested_length == nullptr ||
        data_received == nullptr || received_length == nullptr || *requested_length < 1 || *requested_length > 32'767)
        return;
    const api::secondary::call_name of = api::secondary::call_of(*call_ID);
    if (of.entry == nullptr || *call_ID == CM_CMESI) return;
    const auto id = conversation_id::from_bytes(conversation_ID);
    std::string_view text;
    if (api::secondary::look(of, id, text) == api::secondary::found::nothing) {
        const api::held_unit u = api::running_unit();
        bool there = !of.names_conversation;
        if (!there && u != nullptr) {
            runtime::context& c = u->enter();
            there = alive(*u, c, id);
            u->leave(c);
        }
        if (there) *return_code = CM_NO_SECONDARY_INFORMATION;
        return;
    }
    const std::size_t bytes = std::min(text.size(), static_cast<std::size_t>(*requested_length));
    std::memcpy(buffer, text.data(), bytes);
    *received_length = static_cast<CM_INT32>(bytes);
    *data_received = bytes < text.size() ? CM_INCOMPLETE_DATA_RECEIVED : CM_COMPLETE_DATA_RECEIVED;
    api::secondary::consumed(bytes);
    *return_code = CM_OK;
}

}  // extern "C"
