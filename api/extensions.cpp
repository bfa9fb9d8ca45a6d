// The calls of colloquy.h.
#include "api/colloquy/colloquy.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <string_view>

#include "api/attention.hpp"
#include "api/process.hpp"
#include "api/text.hpp"
#include "api/trace.hpp"
#include "runtime/counters.hpp"
#include "runtime/verbs.hpp"

namespace {

using namespace colloquy;
using rc = runtime::return_code;

// The configuration that the options ask for. False: last_error says what is wrong.
bool configure(const clq_options* options, bool read_file, api::configuration& out) {
    clq_options o{};
    if (options != nullptr) {
        if (options->size < sizeof(std::size_t) || options->size > sizeof(clq_options) * 4) {
            api::set_last_error("clq_options.size: set it to sizeof(clq_options)");
            return false;
        }
        std::memcpy(&o, options, options->size < sizeof o ? options->size : sizeof o);
    }
    if (read_file && (o.config_file == nullptr || o.config_file[0] != '\0')) {
        api::configuration_result found =
            o.config_file == nullptr ? api::find_configuration() : api::load_configuration(o.config_file);
        if (!found) {
            for (const std::string& error : found.errors) api::trace::note("start", error);
            api::set_last_error(found.summary());
            return false;
        }
        out = std::move(*found.value);
    }
    if (o.lu_name != nullptr) out.lu_name = o.lu_name;
    if (o.listen != nullptr) {
        out.listen.clear();
        std::string_view rest = o.listen;
        while (!rest.empty()) {
            const std::size_t comma = rest.find(',');
            const std::string_view one = rest.substr(0, comma);
            rest = comma == rest.npos ? std::string_view{} : rest.substr(comma + 1);
            transport::endpoint where;
            std::string error;
            if (!transport::parse_endpoint(one, 0, where, error)) {
                api::set_last_error(api::joined({"listen: ", error}));
                return false;
            }
            if (where.host.empty()) where.host = "127.0.0.1";
            out.listen.push_back(std::move(where));
        }
    }
    if (o.conversations != 0) {
        out.limits.conversations = o.conversations;
        out.limits.accept_queue = o.conversations;
        if (out.limits.link_conversations < o.conversations) out.limits.link_conversations = o.conversations;
        // A window for each of a million conversations would be gigabytes: large tables get small first windows.
        constexpr std::uint64_t windows_bytes = 1ULL << 30;
        while (out.limits.window_bytes > runtime::limits::window_bytes_min &&
               std::uint64_t{out.limits.conversations} * out.limits.window_bytes > windows_bytes)
            out.limits.window_bytes /= 2;
    }
    if (o.links != 0) out.limits.links = o.links;
    if (o.partner_links != 0) out.partner_links = o.partner_links;
    if (o.reactors != 0) out.reactors = o.reactors;
    if (o.busy_poll_us != 0) out.busy_poll_us = std::min(o.busy_poll_us, 1'000'000U);
    if (o.no_threads != 0) out.threads = out.standby = false;
    if (o.heartbeat_ms != 0) out.limits.heartbeat_ms = o.heartbeat_ms;
    for (std::string_view rest = o.tp_names == nullptr ? std::string_view{} : o.tp_names; !rest.empty();) {
        const std::size_t blank = rest.find(' ');
        const std::string_view one = rest.substr(0, blank);
        rest = blank == rest.npos ? std::string_view{} : rest.substr(blank + 1);
        const bool known =
            std::any_of(out.tps.begin(), out.tps.end(), [&](const api::served_tp& tp) { return tp.name == one; });
        if (one.size() > CM_TPN_SIZE || (!one.empty() && static_cast<unsigned char>(one[0]) < 0x20)) {
            api::set_last_error(api::joined({"tp_names: \"", one, "\" is no name: 1 to 64 characters"}));
            return false;
        }
        if (!one.empty() && !known) out.tps.push_back({std::string{one}, out.limits.accept_queue});
    }
    out.thread_started = o.thread_started;
    out.thread_factory = o.thread_factory;
    out.thread_user = o.thread_user;
    return true;
}

struct plan_part {
    const char* name;
    unsigned long long count;
    unsigned long long bytes_each;
    const char* note;
};

std::array<plan_part, 15> plan_of(const runtime::limits& l) {
    using namespace runtime;
    const auto n = [](std::uint64_t v) { return static_cast<unsigned long long>(v); };
    constexpr unsigned long long index_link = 8;  // of a free list
    return {{
        {"conversation slots", n(l.conversations), sizeof(conversation), "touched when first used"},
        {"conversation names", n(l.name_sets()), sizeof(particulars) + 4 + index_link,
         "one for all that are called the same"},
        {"queues beside the main one", n(l.conversations), sizeof(aside), "touched by full duplex and expedited data"},
        {"queue settings", n(l.conversations) * cpic_queues, sizeof(queue_setting), "touched at queue level"},
        {"queue cells", n(engine::completion_cells(l.conversations)), completion_board<>::cell_bytes,
         "touched at queue level"},
        {"log data", n(l.conversations), sizeof(log_data), "touched by Set_Log_Data"},
        {"slot free list", n(l.conversations), index_link, ""},
        {"wait queue", n(l.conversations), 16, "one entry a conversation"},
        {"accept queue", n(l.accept_queue) * 2, 8, "attaches and accepts that wait"},
        {"inbound cells", n(l.inbound_cells()), cell_bytes + index_link, "reservations are made of these"},
        {"inbound blocks", n(l.inbound_blocks()), block_bytes + index_link, ""},
        {"inbound bulks", n(l.inbound_bulks()), bulk_bytes + index_link, ""},
        {"outbound cells", n(l.outbound_cells()), cell_bytes + index_link, ""},
        {"outbound blocks", n(l.outbound_blocks()), block_bytes + index_link, ""},
        {"outbound bulks", n(l.outbound_bulks()), bulk_bytes + index_link, ""},
    }};
}

// Registers what `fill` describes for a conversation, or without one for the process; nothing when there is none
// `wanted`.
template <class Fill>
void attend(const void* conversation_ID, CM_INT32* return_code, bool wanted, Fill&& fill) noexcept {
    if (return_code == nullptr) return;
    const api::held_unit u = conversation_ID == nullptr ? api::process_unit() : api::running_unit();
    if (u == nullptr) {
        *return_code = conversation_ID == nullptr ? CM_PRODUCT_SPECIFIC_ERROR : CM_PROGRAM_PARAMETER_CHECK;
        return;
    }
    api::attention* a = nullptr;
    if (wanted) {
        a = new (std::nothrow) api::attention;
        if (a == nullptr) {
            *return_code = CM_PRODUCT_SPECIFIC_ERROR;
            return;
        }
        fill(*a);
    }
    *return_code = CM_OK;
    if (conversation_ID == nullptr) {
        u->set_default_attention(a);
        return;
    }
    runtime::context& c = u->enter();
    void* hung = a;
    // Afterwards `hung` is what was there before; refused, it is still ours.
    *return_code = static_cast<CM_INT32>(
        runtime::set_attention(u->engine(), c, runtime::conversation_id::from_bytes(conversation_ID), hung).code);
    if (hung != nullptr) static_cast<api::attention*>(hung)->release();
    u->leave(c);
}

}  // namespace

extern "C" {

int COLLOQUY_CALL clq_start(const clq_options* options) {
    api::trace::call traced{"clq_start", nullptr, nullptr};
    try {
        api::configuration wanted;
        if (!configure(options, true, wanted)) return -1;
        return traced.result(api::start_process_unit(wanted) ? 0 : -1);
    } catch (const std::exception& e) {
        api::set_last_error(e.what());
        return -1;
    }
}

int COLLOQUY_CALL clq_stop(unsigned timeout_ms) {
    api::trace::call traced{"clq_stop", nullptr, nullptr};
    traced.in("timeout_ms", static_cast<long long>(timeout_ms));
    return traced.result(api::stop_process_unit(std::uint64_t{timeout_ms} * 1'000'000) ? 0 : -1);
}

int COLLOQUY_CALL clq_drain(unsigned timeout_ms) {
    api::trace::call traced{"clq_drain", nullptr, nullptr};
    traced.in("timeout_ms", static_cast<long long>(timeout_ms));
    return traced.result(api::drain_process_unit(std::uint64_t{timeout_ms} * 1'000'000) ? 0 : -1);
}

void COLLOQUY_CALL clq_set_sink(const void* conversation_ID, clq_sink sink, void* user, CM_INT32* return_code) {
    api::trace::call traced{"clq_set_sink", conversation_ID, return_code};
    attend(conversation_ID, return_code, sink != nullptr, [&](api::attention& a) {
        a.what = api::attention::kind::sink;
        a.sink = sink;
        a.user = user;
    });
}

void COLLOQUY_CALL clq_set_callback(const void* conversation_ID, clq_callback callback, void* user,
                                    CM_INT32* return_code) {
    api::trace::call traced{"clq_set_callback", conversation_ID, return_code};
    attend(conversation_ID, return_code, callback != nullptr, [&](api::attention& a) {
        a.what = api::attention::kind::callback;
        a.callback = callback;
        a.user = user;
    });
}

void COLLOQUY_CALL clq_set_time_limit(const void* conversation_ID, unsigned milliseconds, CM_INT32* return_code) {
    api::trace::call traced{"clq_set_time_limit", conversation_ID, return_code};
    traced.in("milliseconds", static_cast<long long>(milliseconds));
    if (return_code == nullptr) return;
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    if (conversation_ID == nullptr) {
        const api::held_unit unit = api::process_unit();
        if (unit != nullptr) unit->set_accept_limit(milliseconds);
        *return_code = unit == nullptr ? CM_PRODUCT_SPECIFIC_ERROR : CM_OK;
        return;
    }
    const api::held_unit u = api::running_unit();
    if (u == nullptr) return;
    runtime::context& c = u->enter();
    *return_code = static_cast<CM_INT32>(
        runtime::set_time_limit(u->engine(), c, runtime::conversation_id::from_bytes(conversation_ID), milliseconds)
            .code);
    u->leave(c);
}

int COLLOQUY_CALL clq_abandon(const void* conversation_ID) {
    api::trace::call traced{"clq_abandon", conversation_ID, nullptr};
    const api::held_unit u = api::running_unit();
    if (u == nullptr || conversation_ID == nullptr || api::logical_unit::this_thread().in_sink)
        return traced.result(-1);
    runtime::context& c = u->enter();
    bool untold = false;
    const runtime::outcome o =
        runtime::abandon(u->engine(), c, runtime::conversation_id::from_bytes(conversation_ID), untold);
    u->leave(c);
    return traced.result(o.code != rc::ok ? -1 : untold ? 1 : 0);
}

clq_host_handle COLLOQUY_CALL clq_wait_handle(void) {
    const api::held_unit u = api::process_unit();
    return u == nullptr ? CLQ_NO_HANDLE : u->wait_handle();
}

long long COLLOQUY_CALL clq_next_timeout_ns(void) {
    const api::held_unit u = api::running_unit();
    return u == nullptr ? -1 : u->next_timeout_ns();
}

int COLLOQUY_CALL clq_dispatch(void) {
    const api::held_unit u = api::running_unit();
    return u == nullptr ? -1 : u->dispatch();
}

void COLLOQUY_CALL clq_set_destination(const void* conversation_ID, const char* destination, CM_INT32* return_code) {
    api::trace::call traced{"clq_set_destination", conversation_ID, return_code};
    traced.text("destination", destination);
    if (return_code == nullptr) return;
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    const api::held_unit u = api::running_unit();
    if (u == nullptr || conversation_ID == nullptr || destination == nullptr) return;
    try {
        const std::string_view text = destination;
        const runtime::conversation_id id = runtime::conversation_id::from_bytes(conversation_ID);
        runtime::context& c = u->enter();
        // The path of a socket has slashes of its own.
        const std::size_t slash = text.starts_with(transport::local_prefix) ? text.rfind('/') : text.find('/');
        std::string_view partner_name;
        std::string_view tp = slash == text.npos ? std::string_view{} : text.substr(slash + 1);
        std::string_view mode;
        bool service = false;
        api::side_entry entry;
        if (slash == text.npos) {
            if (text.size() > CM_SDN_SIZE || !u->side().find(destination, entry)) {
                const bool address = text == "inproc" || text.find(':') != text.npos;
                api::set_last_error(
                    address ? api::joined({"\"", text, "\": the TP name is missing; write ", text, "/TPNAME"})
                            : api::joined({"\"", text,
                                           "\": no such symbolic destination; write a name of the side information, "
                                           "HOST:PORT/TPNAME, unix:PATH/TPNAME or inproc/TPNAME"}));
                return;
            }
            partner_name = entry.partner_lu.view();
            tp = entry.tp_name.view();
            mode = entry.mode.view();
            service = entry.tp_name_type == XC_SNA_SERVICE_TP;
        } else {
            if (tp.empty() || tp.size() > CM_TPN_SIZE || tp.find(' ') != tp.npos) {
                api::set_last_error(api::joined(
                    {"\"", text, "\": the TP name after the slash must be 1 to 64 characters without blanks"}));
                return;
            }
            std::string error;
            const runtime::partner* p = u->partner_at(text.substr(0, slash), error);
            if (p == nullptr) {
                api::set_last_error(error);
                return;
            }
            partner_name = p->name.view();
        }
        *return_code =
            static_cast<CM_INT32>(runtime::set_details(u->engine(), c, id, partner_name, mode, tp, service).code);
        u->leave(c);
    } catch (const std::exception& e) {
        api::set_last_error(e.what());
        *return_code = CM_PRODUCT_SPECIFIC_ERROR;
    }
}

int COLLOQUY_CALL clq_listening(unsigned n, char* text, size_t size) {
    const api::held_unit u = api::running_unit();
    if (u == nullptr || n >= u->listening().size() || text == nullptr || size == 0) return -1;
    (void)std::snprintf(text, size, "%s", u->listening()[n].c_str());
    return 0;
}

const char* COLLOQUY_CALL clq_last_error(void) { return api::last_error(); }

unsigned long long COLLOQUY_CALL clq_counter(const char* name) {
    const api::held_unit u = api::running_unit();
    if (u == nullptr || name == nullptr) return 0;
    for (std::size_t i = 0; i < runtime::counter_count; ++i)
        if (runtime::counter_table[i].name == name) return u->engine().count().read(static_cast<runtime::counter>(i));
    return 0;
}

void COLLOQUY_CALL clq_states(unsigned long long count[19]) {
    for (int i = 0; i < 19; ++i) count[i] = 0;
    const api::held_unit u = api::running_unit();
    if (u == nullptr) return;
    runtime::engine& e = u->engine();
    for (std::uint32_t i = 0; i < e.bounds().conversations; ++i) {
        const std::uint64_t w = e.at(i).word.load();
        const runtime::phase p = runtime::word_bits::phase_of(w);
        const auto s = static_cast<unsigned>(runtime::word_bits::state_of(w));
        if (p != runtime::phase::vacant && p != runtime::phase::retired && s < 19) ++count[s];
    }
}

int COLLOQUY_CALL clq_plan(const clq_options* options, unsigned part, clq_plan_line* line) {
    try {
        api::configuration wanted;
        if (line == nullptr || !configure(options, false, wanted)) return 0;
        const auto parts = plan_of(wanted.limits);
        if (part < parts.size()) {
            const plan_part& p = parts[part];
            *line = {p.name, p.count, p.bytes_each, p.count * p.bytes_each, p.note};
            return 1;
        }
        if (part > parts.size()) return 0;
        unsigned long long total = 0;
        for (const plan_part& p : parts) total += p.count * p.bytes_each;
        *line = {"total", 1, total, total, "reserved; memory is used as far as it is touched"};
        return 1;
    } catch (const std::exception& e) {
        api::set_last_error(e.what());
        return 0;
    }
}

unsigned long long COLLOQUY_CALL clq_idle_conversation_bytes(void) {
    // Slot, free-list link, wait-queue node, channel entry.
    return sizeof(runtime::conversation) + 8 + 16 + 16;
}

}  // extern "C"
