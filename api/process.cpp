#include "api/process.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "api/process_end.hpp"
#include "api/trace.hpp"

namespace colloquy::api {

constinit runtime::atom<logical_unit*> held_unit::now;
constinit runtime::atom<logical_unit*> held_unit::stopped;

namespace {

constexpr const char* link_variable = "COLLOQUY_LINK_FD";

// Never destroyed: threads of the host may be inside a call while the process exits.
struct process_state {
    std::mutex mutex;
    bool ended = false;            // stopped for good; only an explicit start begins anew
    bool stopping = false;         // somebody stops the unit, without the mutex: a callback it waits for may fork
    std::condition_variable over;  // of that
    std::vector<std::unique_ptr<logical_unit>> kept;  // stopped ones too: a late call may still hold one
    std::size_t inherited = 0;  // of those: the parent's, in the child of a fork; never ended here
    bool hooked = false;
};

process_state& state() noexcept {
    static auto* const s = new process_state;
    return *s;
}

std::string& error_text() noexcept {
    thread_local std::string text;
    return text;
}

void at_exit() { (void)stop_process_unit(); }

// The child of a fork has none of our threads and must not share our connections: it starts afresh if it calls at
// all, and every id it remembers is unknown.
void in_child() {
    process_state& s = state();
    logical_unit* const u = held_unit::now.exchange_acq_rel(nullptr);  // release[process-unit] acquire[process-unit]
    held_unit::stopped.store_release(nullptr);                         // release[process-stopped]
    if (u != nullptr) u->abandon_in_child();
    s.inherited = s.kept.size();
    s.stopping = false;
    // Whoever waited for it is not here; the storage is used again.
    ::new (&s.over) std::condition_variable;
    visits::forget_other_threads();
}

// Those that were stopped, once no call can be inside one of them. Nobody finds them any more.
void give_back(process_state& s) noexcept {
    if (s.kept.size() == s.inherited || !visits::all_over()) return;
    s.kept.erase(s.kept.begin() + static_cast<std::ptrdiff_t>(s.inherited), s.kept.end());
}

logical_unit* start_locked(process_state& s, const configuration& wanted) {
    std::string error;
    configuration settings = wanted;
    // Programs that say everything themselves are started by managers, too.
    if (settings.manager_descriptor < 0)
        if (const auto number = process_environment(link_variable))
            settings.manager_descriptor = static_cast<std::intptr_t>(std::strtoll(number->c_str(), nullptr, 10));
    if (settings.manager.empty())
        if (const auto path = process_environment("COLLOQUY_MANAGER")) settings.manager = *path;
    if (const auto wish = process_environment("COLLOQUY_LOCAL_LINKS")) settings.local_links = *wish == "1";
    // The link is this process's alone: a child that looks would find a closed descriptor, or another's.
    transport::forget_variable(link_variable);
    auto made = logical_unit::start(settings, error);
    if (made == nullptr) {
        trace::note("start", error);
        set_last_error(error);
        return nullptr;
    }
    if (!s.hooked) {
        s.hooked = true;
        at_process_end(&at_exit);
        at_fork([] { state().mutex.lock(); }, [] { state().mutex.unlock(); },
                [] {
                    in_child();
                    state().mutex.unlock();
                });
    }
    logical_unit* const u = made.get();
    held_unit::stopped.store_release(nullptr);  // release[process-stopped]
    give_back(s);
    s.kept.push_back(std::move(made));
    held_unit::now.store_release(u);
    return u;
}

}  // namespace

// What cannot be served, or is known otherwise, is for the call that brought the name to refuse, or to tell a manager.
static void add_name(configuration& to, std::string_view tp_name) {
    const bool known =
        std::any_of(to.tps.begin(), to.tps.end(), [&](const served_tp& tp) { return tp.name == tp_name; });
    if (tp_name.empty() || tp_name.find(' ') != tp_name.npos || known || to.tps.size() >= to.limits.tp_names) return;
    to.tps.push_back({std::string{tp_name}, to.limits.accept_queue});
}

// Outside of any visit of its own: the start gives back what nobody visits.
static void start_from_configuration(bool anew, std::string_view tp_name) noexcept {
    process_state& s = state();
    if (held_unit::now.load_acquire() != nullptr) return;
    try {
        const std::lock_guard held{s.mutex};
        if (held_unit::now.load_acquire() != nullptr) return;
        if (anew) s.ended = false;
        if (s.ended) {
            set_last_error("the logical unit was stopped; start it again with clq_start or WinCPICStartup");
            return;
        }
        configuration_result found = find_configuration();
        if (!found) {
            for (const std::string& error : found.errors) trace::note("start", error);
            set_last_error(found.summary());
            return;
        }
        add_name(*found.value, tp_name);
        (void)start_locked(s, *found.value);
    } catch (const std::exception& e) {
        set_last_error(e.what());
    }
}

held_unit process_unit(std::string_view tp_name) noexcept {
    start_from_configuration(false, tp_name);
    return running_unit();
}

held_unit registered_unit() noexcept {
    start_from_configuration(true, {});
    return running_unit();
}

bool start_process_unit(const configuration& wanted) noexcept {
    process_state& s = state();
    try {
        std::unique_lock held{s.mutex};
        s.over.wait(held, [&s] { return !s.stopping; });
        s.ended = false;
        if (held_unit::now.load_acquire() != nullptr) {
            set_last_error("the logical unit is running already; start it before the first CPI-C call, and once");
            return false;
        }
        return start_locked(s, wanted) != nullptr;
    } catch (const std::exception& e) {
        set_last_error(e.what());
        return false;
    }
}

bool stop_process_unit(std::uint64_t timeout_ns) noexcept {
    // Too late for everything but to let the process go.
    if (process_ending()) return false;
    process_state& s = state();
    if (logical_unit::this_thread().telling != 0 || logical_unit::this_thread().in_hook) {
        set_last_error("a sink, callback or blocking hook cannot stop the logical unit that waits for it to return");
        return false;
    }
    std::unique_lock held{s.mutex};
    s.over.wait(held, [&s] { return !s.stopping; });
    logical_unit* const u = held_unit::now.load_acquire();
    if (u == nullptr) return true;
    s.ended = s.stopping = true;
    held.unlock();
    const bool in_time = u->stop(timeout_ns);
    held.lock();
    held_unit::stopped.store_release(u);  // release[process-stopped]
    held_unit::now.store_release(nullptr);
    s.stopping = false;
    s.over.notify_all();
    return in_time;
}

bool stop_process_unit() noexcept {
    const held_unit u = running_unit();
    return u == nullptr || stop_process_unit(std::uint64_t{u->settings().drain_ms} * 1'000'000);
}

bool drain_process_unit(std::uint64_t timeout_ns) noexcept {
    const held_unit u = running_unit();
    if (u == nullptr) return true;
    if (process_ending()) return false;
    if (logical_unit::this_thread().telling != 0 || logical_unit::this_thread().in_hook) {
        set_last_error("a sink, callback or blocking hook cannot drain the logical unit that waits for it to return");
        return false;
    }
    return u->drain(timeout_ns);
}

void set_last_error(std::string_view text) noexcept {
    try {
        error_text().assign(text);
    } catch (...) {
        error_text().assign("out of memory");  // short enough to need none
    }
}

const char* last_error() noexcept { return error_text().c_str(); }

}  // namespace colloquy::api
