#include "api/logical_unit.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>
#include <type_traits>

#include "api/secondary.hpp"
#include "api/security_log.hpp"
#include "api/text.hpp"
#include "api/trace.hpp"
#include "runtime/table_memory.hpp"
#include "runtime/wire/hello.hpp"
#include "transport/local_socket.hpp"
#include "transport/system_reactor.hpp"

namespace colloquy::api {

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t tick_ns = 2 * ms;            // the standby's look while callers drive
constexpr std::uint32_t moving_max = 8;              // of them while a batch is worked through
constexpr std::uint64_t rest_ns = 500 * ms;          // and while nothing happens at all
constexpr std::uint64_t retry_ns = 1 * ms;           // a parked caller's look where no thread may be started
constexpr std::uint32_t put_off_bytes = 32 * 1024;   // of a batch's output; more leaves before the batch ends
constexpr std::size_t call_write_bytes = 64 * 1024;  // a call hands the writing over after so much

using runtime::return_code;

std::uint32_t next_shard() noexcept {
    static runtime::atom<std::uint32_t> count;
    return count.fetch_add_relaxed(1);
}

}  // namespace

// ---- start ----------------------------------------------------------------------------------------------------------

logical_unit::logical_unit(const configuration& wanted)
    : settings_{wanted},
      side_{wanted.side_information_max},
      links_(wanted.limits.links),
      users_{static_cast<user_gate::owner&>(*this), settings_.users} {}

std::unique_ptr<logical_unit> logical_unit::start(const configuration& wanted, std::string& error) {
    if (const char* fault = wanted.limits.fault(); fault != nullptr) {
        error = joined({"limits: ", fault});
        return nullptr;
    }
    if (!wire::valid_lu_name(wanted.lu_name)) {
        error = joined({"lu_name \"", wanted.lu_name,
                        "\": write NETID.LUNAME, each 1 to 8 of A-Z 0-9 @ # $, not beginning with a digit"});
        return nullptr;
    }
    if (wanted.reactors != 0 && !wanted.threads) {
        error = "reactors: a pool needs threads; allow them, or ask for 0 reactors";
        return nullptr;
    }
    try {
        runtime::memory_of_tables() = {&transport::reserve_table, &transport::release_table};
        std::unique_ptr<logical_unit> u{new logical_unit{wanted}};
        u->engine_ = std::make_unique<runtime::engine>(wanted.limits, wanted.lu_name, transport::random_u64(),
                                                       static_cast<runtime::host&>(*u));
        if (u->side_.assign(wanted.side_information) != CM_OK) {
            error = "side_information: more entries than the table holds";
            return nullptr;
        }
        for (const partner_lu& p : wanted.partners) {
            auto& where = *u->places_.emplace_back(std::make_unique<place>());
            where.addresses = p.addresses;
            where.trust_users = p.trust_users;
            where.configured = &u->settings_.partners[static_cast<std::size_t>(&p - wanted.partners.data())];
            if (u->engine_->partners().add(p.name, p.links, &where) == nullptr) {
                error = joined({"partner \"", p.name, "\": the directory is full; raise limits.partners"});
                return nullptr;
            }
        }
        user_gate::passwords known;
        if (std::string why; !u->users_.read(known, why)) {
            error = joined({"security.passwords: ", why});
            return nullptr;
        }
        u->users_.use(std::move(known));
        const transport::tls_settings& tls = u->settings_.tls;
        if (!tls.certificate.empty() || !tls.trust.empty()) {
            std::string why;
            u->tls_ = transport::tls_context::make(tls, why);
            if (u->tls_ == nullptr) {
                error = joined({"tls: ", why});
                return nullptr;
            }
        }
        for (const transport::endpoint& where : wanted.listen)
            if (where.tls && tls.certificate.empty()) {
                error = joined({"listen ", transport::format_endpoint(where), ": there is no [tls] certificate"});
                return nullptr;
            }
        for (const served_tp& tp : wanted.tps)
            if (u->engine_->tps().add(tp.name, tp.queue_max) != runtime::tp_registry::add_result::added) {
                error = joined({"tp \"", tp.name, "\": the table is full; raise limits.tp_names"});
                return nullptr;
            }
        if (wanted.relays != nullptr) {
            if (wanted.reactors > 1) {
                error = "an attach manager has one reactor";
                return nullptr;
            }
            u->relay_ = std::make_unique<runtime::relay>(*u->engine_, *wanted.relays->host);
            if (!wanted.relays->routes(*u->relay_)) throw std::bad_alloc{};
            u->engine_->set_relay(u->relay_.get());
        }
        const std::uint32_t count = std::max<std::uint32_t>(1, wanted.reactors);
        transport::drive_options options;
        options.streams = wanted.limits.links;
        options.connect_ms = wanted.limits.connect_ms;
        options.busy_poll_us = wanted.busy_poll_us;
        options.reuse_port = count > 1;
        options.socket_mode = wanted.socket_mode;
        options.local_links = wanted.local_links;
        options.tls = u->tls_.get();
        for (std::uint32_t i = 0; i < count; ++i) {
            transport::reactor_options io;
            io.stream_count_max = wanted.limits.links;
            int failure = 0;
            auto reactor = transport::make_reactor(io, failure);
            if (reactor == nullptr) {
                error = joined({"reactor: ", transport::error_text(failure)});
                return nullptr;
            }
            u->drives_.push_back(
                std::make_unique<transport::drive>(*u->engine_, u->links_, i, options, std::move(reactor)));
        }
        const bool managed = wanted.manager_descriptor >= 0 || !wanted.manager.empty();
        if (managed) {
            u->manager_ = std::make_unique<manager_link>(*u->engine_, *u->drives_.front(), wanted.manager);
            error = u->manager_->begin(wanted.manager_descriptor);
            if (!error.empty()) return nullptr;
        }
        if (wanted.relays != nullptr) {
            const relaying& sockets = *wanted.relays;
            transport::address chosen;
            for (const std::intptr_t descriptor : sockets.listeners) {
                if (const std::string why = u->drives_.front()->listen(descriptor, wanted.listen, nullptr, chosen);
                    !why.empty()) {
                    error = joined({"a socket that was handed over: ", why});
                    return nullptr;
                }
                u->listening_.push_back(chosen.to_string());
            }
            if (sockets.program_listener >= 0)
                if (const std::string why =
                        u->drives_.front()->listen(sockets.program_listener, {}, sockets.gate, chosen);
                    !why.empty()) {
                    error = joined({"the socket for programs: ", why});
                    return nullptr;
                }
        }
        std::size_t turn = 0;
        // The manager listens for the logical unit whose programs it knows; one that was handed its sockets opens none.
        const bool elsewhere = managed || (wanted.relays != nullptr && !wanted.relays->listeners.empty());
        for (transport::endpoint where : elsewhere ? std::vector<transport::endpoint>{} : wanted.listen) {
            std::string text;
            std::intptr_t beside = -1;
            // Where reactors cannot share a port, each address belongs to one of them, in turn.
            const bool shared = transport::reactors_share_ports();
            const std::size_t first = shared || where.local ? 0 : turn++ % u->drives_.size();
            const std::size_t end = shared ? u->drives_.size() : first + 1;
            for (std::size_t i = first; i != end; ++i) {
                transport::address chosen;
                std::string why;
                if (where.local && i != first) {
                    // A socket of this name is there once: the others listen on it, too.
                    const std::intptr_t copy =
                        transport::copy_descriptor(u->drives_[first]->listening_on(false).back());
                    why = u->drives_[i]->listen(copy, {}, nullptr, chosen);
                    if (!why.empty() && copy >= 0) transport::close_descriptor(copy);
                } else {
                    why = u->drives_[i]->listen(where, chosen);
                }
                if (!why.empty()) {
                    error = joined({"listen ", transport::format_endpoint(where), ": ", why});
                    return nullptr;
                }
                where.port = chosen.port();  // all drives listen on the port that the first one got
                if (wanted.local_links && !where.tls && (i == first || beside >= 0))
                    beside = u->drives_[i]->listen_nearby(chosen, beside);
                text = (where.tls ? "tls:" : "") + chosen.to_string();
            }
            u->listening_.push_back(text);
        }
        static constexpr const char* roles = "colloquy-r";
        for (std::uint32_t i = 0; i < wanted.reactors; ++i)
            u->start_thread(
                roles, [](logical_unit& unit, std::uint32_t index) { unit.reactor_main(index); }, i);
        if (!u->listening_.empty() || managed) u->call_standby();
        return u;
    } catch (const std::bad_alloc&) {
        error = "not enough memory for the limits asked for: see colloquy plan";
    } catch (const std::exception& e) {
        error = e.what();
    }
    return nullptr;
}

logical_unit::~logical_unit() {
    if (abandoned_ || engine_ == nullptr) return;
    (void)stop(0);
    manager_.reset();
    drives_.clear();
    for (auto& l : links_) delete l.load_acquire();
    if (default_attention_ != nullptr) default_attention_->release();
}

// ---- calls ----------------------------------------------------------------------------------------------------------

constinit thread_local logical_unit::thread_state* logical_unit::current_thread = nullptr;

logical_unit::thread_state& logical_unit::enrol() noexcept {
    // Not destroyed: calls may come while the thread ends. Only its shard is given back.
    thread_local thread_state mine{next_shard()};
    static_assert(std::is_trivially_destructible_v<thread_state>);
    mine.context.counts = runtime::shard_lease::take(mine.context.hint);
    current_thread = &mine;
    thread_local struct ending {
        bool begun = false;
        ending() noexcept = default;
        ~ending() {
            const std::uint32_t held = current_thread->context.counts;
            current_thread->context.counts = current_thread->context.hint;
            runtime::shard_lease::give_back(held);
        }
        ending(const ending&) = delete;
        ending& operator=(const ending&) = delete;
    } at_end;
    at_end.begun = true;
    return mine;
}

void logical_unit::leave(runtime::context& c) noexcept {
    engine_->flush(c);
    if (c.output_bytes == c.output_seen && !c.owes_output) {
        // What may lie there is another call's, which has seen to it.
        if (dirty_.approx_empty()) nudge();
    } else if (!may_put_off(c)) {
        write_dirty(c);
        nudge();
    }
    // In any case: what this thread has to tell nobody else can, and it may never come back.
    if (c.posted_first != 0) tell(c);
}

// The one rule of when output leaves, whatever the program is told by. What a call has caused waits while the program
// has more at hand and will come back with the answers to it, there is not much yet, and somebody writes it even if the
// program stays away.
bool logical_unit::may_put_off(runtime::context& c) noexcept {
    c.output_seen = c.output_bytes;
    if (c.output_bytes >= put_off_bytes) return false;
    // Other callbacks follow at once; tell() writes what came of all of them.
    if (this_thread().tells_more) return true;
    // Finished operations wait in the queue, or the rest of what a call has given this thread at once.
    if (gate_.approx_permits() == 0 && c.batch_left == 0) return false;
    if (c.owes_output && !promise_output()) return false;
    if (c.batch_left != 0) --c.batch_left;
    c.owes_output = false;
    return true;
}

// What is put off leaves within a tick although this thread may not come back: by the standby, or by the host's loop,
// which asks before it sleeps. False: there is neither.
bool logical_unit::promise_output() noexcept {
    if (host_driven()) {
        // Its own thread alone knows that it is not inside a call, or busy with something else, for long.
        if (handle_given_.load_acquire() == 0 || loop_asker_.load_relaxed() != this_thread().number) return false;
        loop_by(0);
        return true;
    }
    if (!settings_.standby) return false;
    if (standby_started_.load_acquire() == 0) call_standby();
    if (standby_started_.load_acquire() == 0) return false;  // no thread is to be had
    switch (standby_.owe()) {
        case runtime::standby_word<>::to_tell::resting: standby_spot_.notify(waiter_); break;
        case runtime::standby_word<>::to_tell::driving: (void)drives_.front()->ring(); break;
        case runtime::standby_word<>::to_tell::nobody: break;
    }
    return true;
}

// Nothing is at hand any more: what was put off leaves before the thread sleeps.
void logical_unit::before_waiting(runtime::context& c) noexcept {
    c.batch_left = 0;
    write_dirty(c);
    tell_before_waiting(c);
}

// Callbacks may put off what they send; who waits here does not come round to the host's loop for a while.
void logical_unit::tell_before_waiting(runtime::context& c) noexcept {
    tell(c);
    c.batch_left = 0;
    if (host_driven()) write_dirty(c);
}

void logical_unit::write_dirty(runtime::context& c) noexcept {
    do {
        c.owes_output = false;
        c.output_bytes = c.output_seen = 0;
        write_links(c);
        engine_->flush(c);
    } while (c.owes_output);  // those who had waited for buffers have sent
}

void logical_unit::write_links(runtime::context& c) noexcept {
    for (transport::link* l = dirty_.take_all(); l != nullptr;) {
        transport::link* const next = l->next;
        transport::drive& d = l->driven_by();
        bool again = false;
        d.write(c, *l, call_write_bytes, again);
        if (again) {
            d.dirty.push(l);
            // An encrypted link is for the driver to write: that may be us.
            if (caller_driven() && d.token.try_acquire()) {
                d.pass();
                release_drive();
            } else if (d.ring()) {
                call_standby();
            }
        }
        l = next;
    }
}

// In-process frames and the like wait for a driver: if nobody drives, the caller does that much itself.
void logical_unit::nudge() noexcept {
    if (!caller_driven()) return;
    transport::drive& d = *drives_.front();
    if (!d.approx_work() || !d.token.try_acquire()) return;
    d.pass();
    release_drive();
}

// Starts a thread of ours: the host's way if it has one. Throws std::system_error when it cannot be started.
void logical_unit::start_thread(const char* role, void (*main)(logical_unit&, std::uint32_t), std::uint32_t index) {
    struct start {
        logical_unit& unit;
        void (*main)(logical_unit&, std::uint32_t);
        std::uint32_t index;
        std::string role;
        static void run(void* argument) {
            const std::unique_ptr<start> s{static_cast<start*>(argument)};
            logical_unit& u = s->unit;
            transport::block_all_signals();
            transport::set_thread_name(s->role.c_str());
            if (u.settings_.thread_started != nullptr)
                u.settings_.thread_started(u.settings_.thread_user, s->role.c_str());
            s->main(u, s->index);
            if (u.threads_running_.fetch_sub_acq_rel(1) == 1) u.waiter_.wake(u.threads_running_, 1);
        }
    };
    std::string name = role;
    if (name.back() == 'r') {
        name += static_cast<char>('0' + index / 10 % 10);
        name += static_cast<char>('0' + index % 10);
    }
    auto s = std::make_unique<start>(start{*this, main, index, name});
    threads_running_.fetch_add_acq_rel(1);
    try {
        if (settings_.thread_factory != nullptr) {
            if (settings_.thread_factory(settings_.thread_user, name.c_str(), &start::run, s.get()) != 0)
                throw std::system_error{std::make_error_code(std::errc::resource_unavailable_try_again),
                                        "thread factory"};
        } else {
            const transport::signal_shield no_signals;
            threads_.emplace_back(&start::run, s.get());
        }
        (void)s.release();
    } catch (...) {
        threads_running_.fetch_sub_acq_rel(1);
        throw;
    }
}

return_code logical_unit::wait_until_finished(runtime::context& c, const runtime::outcome& o,
                                              std::uint64_t deadline_ns) noexcept {
    engine_->flush(c);
    write_dirty(c);
    runtime::conversation& v = *engine_->find(o.id);
    return_code code = return_code::deallocated_abend;
    thread_state& t = this_thread();
    const auto end_with = [&](return_code told) {
        const runtime::given_up how = runtime::give_up(*engine_, c, o.id, o.on);
        // What was withdrawn has left nothing: what is there to be collected by now would be another thread's.
        if (how != runtime::given_up::withdrawn) (void)engine_->collect(c, o.id, code, o.on);
        leave(c);
        return how == runtime::given_up::finished ? code : told;
    };
    for (;;) {
        tell_before_waiting(c);
        if (engine_->finished(o.id, o.on)) break;
        if (t.hook != nullptr) {
            if (!call_hook(t)) return end_with(return_code::product_specific_error);
            look_around(c);
            continue;
        }
        if (deadline_ns != transport::no_deadline && transport::now_ns() >= deadline_ns)
            return end_with(return_code::operation_incomplete);
        bool parked = false;
        if (caller_driven() && take_drive(parked)) {
            drives_taken_.fetch_add_relaxed(1);
            transport::drive& d = *drives_.front();
            const auto enough = [&] {
                return engine_->finished(o.id, o.on) || d.context.posted_first != 0 ||
                       (deadline_ns != transport::no_deadline && transport::now_ns() >= deadline_ns);
            };
            while (!enough()) d.wait(deadline_ns, false, enough);
            release_drive();
            continue;
        }
        if (parked) continue;
        // Somebody else drives. The flag and the phase are one word: a completion that came first is seen here.
        // Other queues wake their caller whether it said so or not.
        std::uint64_t seen = 0;
        if (o.on != runtime::queue::main || (v.word.raise(o.id.generation(), runtime::flag::waited, &seen) &&
                                             runtime::word_bits::phase_of(seen) != runtime::phase::done)) {
            const bool alone = caller_driven() && !settings_.threads;
            const std::uint64_t look = alone ? transport::now_ns() + retry_ns : transport::no_deadline;
            runtime::spot<>& parking = engine_->parking_on(v, o.on);
            if (parking.prepare() && !engine_->finished(o.id, o.on))
                (void)parking.wait(waiter_, std::min(look, deadline_ns));
            else
                (void)parking.cancel();
        }
        if (caller_driven()) parked_.fetch_sub_acq_rel(1);
    }
    (void)engine_->collect(c, o.id, code, o.on);
    leave(c);
    return code;
}

// For who holds a permit, which stands for one entry that may not be visible yet. False: it was a stale one.
bool logical_unit::collect_permitted(runtime::context& c, runtime::engine::collected& out) noexcept {
    for (;;) {
        const auto got = collect_next(c, out);
        if (got == runtime::engine::collect_result::stale) return false;
        if (got != runtime::engine::collect_result::one) continue;
        engine_->flush(c);
        if (c.owes_output) [[unlikely]]
            leave(c);
        else if (c.posted_first != 0)
            tell(c);
        return true;
    }
}

return_code logical_unit::wait_for_conversation(runtime::engine::collected& out) noexcept {
    runtime::context& c = enter();
    engine_->flush(c);
    if (gate_.try_acquire()) {
        // The common case, and a short one: nobody need know that we are here.
        if (collect_permitted(c, out)) return return_code::ok;
    }
    // Counted while it is inside, parked or driving: a canceller tells it instead of leaving no record.
    struct counted {
        runtime::atom<std::uint32_t>& of;
        explicit counted(runtime::atom<std::uint32_t>& waiters) noexcept : of{waiters} { of.fetch_add_acq_rel(1); }
        ~counted() { of.fetch_sub_acq_rel(1); }
        counted(const counted&) = delete;
        counted& operator=(const counted&) = delete;
    } const inside{waiters_};
    bool permit = false;
    for (;;) {
        if (permit || gate_.try_acquire()) {
            permit = false;
            if (collect_permitted(c, out)) return return_code::ok;
            continue;
        }
        if (nothing_to_wait_for()) {
            leave(c);
            return return_code::program_state_check;
        }
        before_waiting(c);
        if (thread_state& t = this_thread(); t.hook != nullptr) {
            if (!call_hook(t)) {
                leave(c);
                return return_code::system_event;
            }
            look_around(c);
            continue;
        }
        bool parked = false;
        if (caller_driven() && take_drive(parked)) {
            drives_taken_.fetch_add_relaxed(1);
            transport::drive& d = *drives_.front();
            const auto enough = [&] {
                return gate_.approx_permits() != 0 || d.context.posted_first != 0 || nothing_to_wait_for();
            };
            while (!enough()) d.wait(transport::no_deadline, false, enough);
            release_drive();
            continue;
        }
        if (parked) continue;
        const bool alone = caller_driven() && !settings_.threads;
        const std::uint64_t look = alone ? transport::now_ns() + retry_ns : transport::no_deadline;
        permit = gate_.acquire_or_park(waiter_, look, [&] { return !nothing_to_wait_for(); }) ==
                 runtime::park_result::permit;
        if (caller_driven()) parked_.fetch_sub_acq_rel(1);
    }
}

std::uint32_t logical_unit::collect_completions(runtime::context& c, std::uint32_t me, const completion_list& of,
                                                std::uint32_t candidates) noexcept {
    bool others = false;
    std::uint32_t found = 0;
    for (std::uint32_t i = 0; i < candidates; ++i) {
        const std::int32_t at = of.places[i];
        const std::int32_t number = of.numbers[at];
        if (!engine_->board().collect(number, me, others, engine_->waker())) continue;
        const runtime::queue_completion q = engine_->collect_at_queue_level(c, number);
        if (secondary::worth_keeping(q.code)) secondary::keep(nullptr, q.id, q.code);
        trace::told("wait", q);
        of.places[found] = at + 1;
        std::memcpy(of.user_fields + std::size_t{found} * q.user_field.size(), q.user_field.data(),
                    q.user_field.size());
        ++found;
    }
    if (others) finished_elsewhere();
    return found;
}

return_code logical_unit::wait_for_completion(const completion_list& of, std::uint32_t& found) noexcept {
    runtime::context& c = enter();
    thread_state& t = this_thread();
    engine_->flush(c);
    auto& board = engine_->board();
    const auto wake = engine_->waker();
    const std::uint32_t me = board.enter(t.number - 1);
    if (me == 0) {
        leave(c);
        return return_code::product_specific_error;
    }
    std::uint64_t deadline = transport::no_deadline;
    if (of.timeout_ms >= 0) deadline = transport::now_ns() + static_cast<std::uint64_t>(of.timeout_ms) * ms;
    return_code code = return_code::ok;
    bool looks = true;  // at the whole list, else at what is told
    bool polled = false;
    for (;;) {
        std::uint32_t candidates = 0;
        if (looks) {
            const auto seen = board.look(me, of.numbers, of.count, of.places, wake);
            candidates = seen.finished;
            code = !seen.valid                            ? return_code::program_parameter_check
                   : candidates == 0 && seen.pending == 0 ? return_code::program_state_check
                                                          : return_code::ok;
            if (code != return_code::ok) break;
            looks = false;
        } else {
            looks = !board.take_pile(me, of.numbers, of.count, of.places, candidates, wake);
        }
        if (candidates != 0) {
            found = collect_completions(c, me, of, candidates);
            if (found != 0) break;
            looks = true;  // others were quicker, and there may be nothing left
        }
        if (looks) continue;
        code = return_code::unsuccessful;
        if (polled || (of.timeout_ms > 0 && transport::now_ns() >= deadline)) break;
        before_waiting(c);
        if (of.timeout_ms == 0) {
            polled = true;
            transport::drive& d = *drives_.front();
            if (caller_driven() && d.token.try_acquire()) {
                drives_taken_.fetch_add_relaxed(1);
                d.run();
                release_drive();
                tell(c);
                write_dirty(c);
            }
            continue;
        }
        if (t.hook != nullptr) {
            if (!call_hook(t)) {
                code = return_code::system_event;
                break;
            }
            look_around(c);
            continue;
        }
        bool parked = false;
        if (caller_driven() && take_drive(parked)) {
            drives_taken_.fetch_add_relaxed(1);
            transport::drive& d = *drives_.front();
            const auto enough = [&] {
                return board.told_something(me) || d.context.posted_first != 0 ||
                       (deadline != transport::no_deadline && transport::now_ns() >= deadline);
            };
            while (!enough()) d.wait(deadline, false, enough);
            release_drive();
            continue;
        }
        if (parked) continue;
        const bool alone = caller_driven() && !settings_.threads;
        const std::uint64_t look = alone ? transport::now_ns() + retry_ns : transport::no_deadline;
        runtime::spot<>& parking = board.parking(me);
        if (parking.prepare() && !board.told_something(me))
            (void)parking.wait(waiter_, std::min(look, deadline));
        else
            (void)parking.cancel();
        if (caller_driven()) parked_.fetch_sub_acq_rel(1);
    }
    if (board.leave(me, wake)) finished_elsewhere();
    leave(c);
    c.batch_left = found > 1 ? found - 1 : 0;  // the program works through a batch from here on
    return found != 0 ? return_code::ok : code;
}

runtime::engine::collect_result logical_unit::collect_next(runtime::context& c,
                                                           runtime::engine::collected& out) noexcept {
    if (peeked_.load_relaxed() != 0)
        if (const std::uint64_t e = peeked_.exchange_acq_rel(0); e != 0)
            return engine_->collect_entry(c, e - 1, out, false);
    return engine_->collect_any(c, out);
}

return_code logical_unit::check_for_completion(runtime::engine::collected& out) noexcept {
    runtime::context& c = enter();
    engine_->flush(c);
    if (gate_.approx_permits() == 0) {
        before_waiting(c);
        transport::drive& d = *drives_.front();
        if (caller_driven() && d.token.try_acquire()) {
            d.run();
            release_drive();
            before_waiting(c);
        }
    }
    const auto peek = [&] {
        const std::lock_guard held{peek_mutex_};
        while (gate_.approx_permits() != 0) {
            std::uint64_t entry = peeked_.exchange_acq_rel(0);
            if (entry == 0) {
                if (!engine_->take_entry(entry)) continue;  // about to be visible, or another thread has it
                ++entry;
            }
            if (engine_->collect_entry(c, entry - 1, out, true) == runtime::engine::collect_result::one) {
                peeked_.exchange_acq_rel(entry);
                return true;
            }
            // A stale entry goes with its permit. If a waiter holds the last one already, it looks for this entry.
            const bool permit = gate_.try_acquire();
            if (permit && engine_->drop_stale(entry - 1)) continue;
            peeked_.exchange_acq_rel(entry);
            if (permit) gate_.post(1, waiter_);
        }
        return false;
    };
    const bool one = peek();
    if (c.owes_output) leave(c);
    if (one) return return_code::ok;
    return engine_->outstanding() == 0 ? return_code::program_state_check : return_code::unsuccessful;
}

// ---- the drive ------------------------------------------------------------------------------------------------------

// True: the caller drives now. False: somebody else does, and the caller is counted in parked_ until it has slept; or
// (`again`) it should simply try once more.
bool logical_unit::take_drive(bool& again) noexcept {
    transport::drive& d = *drives_.front();
    again = false;
    if (d.token.try_acquire()) return true;
    // Counted before the announcement, so that the holder who sees the announcement sees the count.
    parked_.fetch_add_acq_rel(1);
    bool holder_sleeps = false;
    bool announced = false;
    const auto recheck = [&] {
        switch (d.token.announce_follower()) {
            case runtime::follow_result::token_free: return false;
            case runtime::follow_result::announced: announced = true; return false;
            case runtime::follow_result::announced_must_wake: break;
        }
        if (!holder_sleeps) d.io().wake();
        holder_sleeps = true;
        return true;
    };
    const runtime::park_result result = seekers_.acquire_or_park(waiter_, transport::no_deadline, recheck);
    if (result == runtime::park_result::declined && announced) return false;  // parks, still counted
    parked_.fetch_sub_acq_rel(1);
    if (result == runtime::park_result::poked) {
        // The standby stepped aside.
        if (d.token.try_acquire()) return true;
    }
    again = true;
    return false;
}

void logical_unit::release_drive(bool in_loop) noexcept {
    transport::drive& d = *drives_.front();
    // What is to be told is told by this thread, when it no longer drives.
    runtime::engine::move_postings(d.context, this_thread().context, *engine_);
    std::uint64_t next = UINT64_MAX;
    for (;;) {
        if (host_driven()) next = d.next_deadline_ns();
        switch (d.token.try_release()) {
            case runtime::release_result::released: break;
            case runtime::release_result::work_left:
                d.pass();
                runtime::engine::move_postings(d.context, this_thread().context, *engine_);
                continue;
            case runtime::release_result::followers_left:
                d.token.hand_over();
                if (seekers_.poke_one(waiter_)) return;
                if (d.token.try_acquire()) continue;
                return;
        }
        break;
    }
    if (host_driven()) {
        // The loop sees what arrives by itself, and those who are parked look for themselves; only time may have moved.
        if (!in_loop) loop_by(next);
        return;
    }
    // Those who sleep rely on somebody: that is the standby from here on. Links that are open need one sooner or later.
    if (parked_.load_acquire() != 0)
        call_standby();
    else if (d.links_open() != 0 || (manager_ != nullptr && manager_->trying()))
        look_again_soon();
}

// Somebody must drive although no caller may be inside.
void logical_unit::call_standby() noexcept {
    if (host_driven()) {
        loop_by(0);
        return;
    }
    standby_.want();
    if (standby_started_.load_acquire() == 0) {
        const std::lock_guard held{threads_mutex_};
        if (standby_started_.load_acquire() == 0 && stopping_.load_acquire() == 0) {
            try {
                start_thread(
                    "colloquy-stby", [](logical_unit& u, std::uint32_t) { u.standby_main(); }, 0);
                standby_started_.store_release(1);
            } catch (const std::system_error&) {
                return;  // tried again with the next need; callers drive meanwhile
            } catch (const std::bad_alloc&) {
                return;
            }
        }
    }
    standby_spot_.notify(waiter_);
}

// The host's loop must come round by then: it is woken if it would sleep longer.
void logical_unit::loop_by(std::uint64_t deadline_ns) noexcept {
    if (handle_given_.load_acquire() == 0) return;
    // Read by a read-modify-write: either the loop's own comes later and sees what we did before, or we see how long it
    // sleeps.
    std::uint64_t asleep_until = loop_deadline_.fetch_or_acq_rel(0);  // acq_rel[loop-deadline]
    while (deadline_ns < asleep_until)
        if (loop_deadline_.cas_acq_rel(asleep_until, deadline_ns)) {
            drives_.front()->io().wake();
            return;
        }
}

// The standby must look within a tick.
void logical_unit::look_again_soon() noexcept {
    // A rest that begins at this moment and is not seen here ends by itself, a moment later than it might.
    if (standby_started_.load_relaxed() == 0 || standby_.end_rest()) call_standby();
}

void logical_unit::standby_main() noexcept {
    runtime::context& c = enter();
    transport::drive& d = *drives_.front();
    std::uint32_t seen = drives_taken_.load_relaxed();
    std::uint32_t permits = gate_.approx_permits();
    std::uint32_t moving = 0;  // ticks in which permits were taken and nobody drove
    std::uint64_t sleep_ns = tick_ns, rested_ns = tick_ns;
    bool called = true;
    const auto pay = [&] {
        standby_.settle();
        write_dirty(c);
    };
    while (stopping_.load_acquire() == 0) {
        // A callback may take its time.
        if (standby_.owes()) pay();
        ask_again(c);
        tell(c);
        const std::uint32_t taken = drives_taken_.load_relaxed();
        // Callers who come and go drive better than we do: wait until they have left it alone for a whole tick. Who
        // works through what has finished will come, unless it takes too long.
        const std::uint32_t left = gate_.approx_permits();
        moving = taken == seen && left != permits ? moving + 1 : 0;
        const bool quiet = taken == seen && (moving == 0 || moving > moving_max);
        seen = taken;
        permits = left;
        if (caller_driven() && (quiet || called || parked_.load_acquire() != 0) && d.token.try_acquire()) {
            bool mine = true;
            standby_.begin_drive();
            // When what is owed was seen first: the program has a tick to come back and write it with the rest.
            std::uint64_t owed_since = 0;
            while (stopping_.load_acquire() == 0) {
                const bool asks = refused_count_.load_relaxed() != 0;
                std::uint64_t until = owed_since != 0 ? owed_since + tick_ns : transport::no_deadline;
                if (asks) until = std::min(until, transport::now_ns() + tick_ns);
                d.wait(until, true, [&] { return owed_since == 0 && standby_.owes(); });
                if (!standby_.owes()) {
                    owed_since = 0;
                } else if (owed_since == 0) {
                    owed_since = transport::now_ns();
                } else if (transport::now_ns() >= owed_since + tick_ns) {
                    pay();
                    owed_since = 0;
                }
                if (d.context.posted_first != 0 || c.posted_first != 0 || asks) {
                    runtime::engine::move_postings(d.context, c, *engine_);
                    d.token.hand_over();
                    if (standby_.owes()) pay();
                    ask_again(c);
                    tell(c);
                    mine = !seekers_.poke_one(waiter_) && d.token.try_acquire();
                    if (!mine) break;
                    continue;
                }
                if (d.token.approx_followers()) {
                    d.token.hand_over();
                    mine = !seekers_.poke_one(waiter_) && d.token.try_acquire();
                    if (!mine) break;
                }
            }
            standby_.end_drive();
            if (mine) release_drive();
            rested_ns = sleep_ns = tick_ns;
        } else {
            sleep_ns = quiet ? std::min(rested_ns * 2, rest_ns) : tick_ns;
            rested_ns = sleep_ns;
        }
        bool woken = false;
        do {
            if (sleep_ns > tick_ns && !standby_.rest()) sleep_ns = tick_ns;
            if (standby_spot_.prepare())
                woken = standby_spot_.wait(waiter_, transport::now_ns() + sleep_ns);
            else
                woken = standby_spot_.cancel();
            called = standby_.woke();
            // Woken for what is owed: the program has a tick to come back.
            sleep_ns = tick_ns;
        } while (woken && !called && stopping_.load_acquire() == 0);
        pay();
    }
    tell(c);  // what the last look at the links has brought
}

void logical_unit::reactor_main(std::uint32_t index) noexcept {
    transport::drive& d = *drives_[index];
    runtime::context& c = enter();
    if (!d.token.try_acquire()) return;
    while (stopping_.load_acquire() == 0) {
        const bool asks = refused_count_.load_relaxed() != 0;
        d.wait(asks ? transport::now_ns() + tick_ns : transport::no_deadline, false, [] { return false; });
        write_dirty(c);
        if (d.context.posted_first == 0 && c.posted_first == 0 && !asks) continue;
        release_to(d, c);
        ask_again(c);
        tell(c);
        while (!d.token.try_acquire()) std::this_thread::yield();  // nobody but the one who stops takes it
    }
    release_to(d, c);
    tell(c);
}

// Lets the drive go; what is to be told of what was done with it is the context's from here on.
void logical_unit::release_to(transport::drive& d, runtime::context& c) noexcept {
    for (;;) {
        runtime::engine::move_postings(d.context, c, *engine_);
        if (d.token.try_release() != runtime::release_result::work_left) return;
        d.pass();
    }
}

// ---- host -----------------------------------------------------------------------------------------------------------

void logical_unit::write_duty(runtime::context& c, runtime::session& s) noexcept {
    auto& l = *static_cast<transport::link*>(s.transport_data);
    transport::drive& d = l.driven_by();
    if (&c == &d.context)
        d.dirty.push(&l);
    else {
        c.owes_output = true;
        dirty_.push(&l);
    }
}

void logical_unit::open_link(runtime::context& c, runtime::partner& p, std::uint32_t link) noexcept {
    if (draining_.load_acquire() != 0 || stopping_.load_acquire() != 0) {
        engine_->link_failed(c, p, link, return_code::allocate_failure_retry);
        return;
    }
    const auto& where = *static_cast<const place*>(p.transport_data);
    transport::drive& d = *drives_[turn_.fetch_add_relaxed(1) % drives_.size()];
    try {
        d.open(p, link, where.in_process ? std::vector<transport::endpoint>{} : where.addresses);
    } catch (const std::bad_alloc&) {
        // The attempt is not made; who waits is told when the next one ends, or gives up by itself.
        p.links[link].state.exchange_acq_rel(runtime::partner_link::none);  // release[partner-link]
    }
}

template <class Why>
static void log_refused_link(const transport::link& l, Why&& why) noexcept {
    try {
        log_security(joined({"link with ", l.driven_by().peer_of(l).text, " refused: ", why()}));
    } catch (const std::bad_alloc&) {
        log_security("a link was refused");
    }
}

void logical_unit::session_ended(runtime::context&, runtime::session& s) noexcept {
    auto& l = *static_cast<transport::link*>(s.transport_data);
    // Who calls is told by Allocate.
    if (s.opened_for == nullptr && l.filter() != nullptr && l.filter()->at() == transport::byte_filter::stage::failed)
        log_refused_link(l, [&] { return transport::tls_error_text(l.filter()->error()); });
    l.driven_by().session_ended(s);
}

void logical_unit::wake(runtime::spot<>& where) noexcept { where.notify(waiter_); }
void logical_unit::wait_queue_filled(std::uint32_t count) noexcept { gate_.post(count, waiter_); }
void logical_unit::wait_queue_idle() noexcept {
    (void)gate_.poke_all(waiter_);
    finished_elsewhere();
}
// One who waits by driving is inside the system's wait. Work that is posted before it falls asleep keeps it awake.
void logical_unit::finished_elsewhere() noexcept {
    if (caller_driven()) (void)drives_.front()->ring();
}
bool logical_unit::wait_queue_watched() noexcept { return waiters_.fetch_or_acq_rel(0) != 0; }
void logical_unit::operation_outstanding() noexcept {
    // Nobody may come to drive for it: a standby that sleeps long must not be what it waits for.
    // A host's loop watches the links already.
    if (caller_driven() && !host_driven()) look_again_soon();
}
// Past ended_ every operation has its record, and no other comes.
bool logical_unit::nothing_to_wait_for() noexcept { return engine_->outstanding() == 0 || ended_.load_acquire() != 0; }

runtime::notify logical_unit::channel_of(void* a) noexcept {
    return static_cast<const attention*>(a)->what == attention::kind::event ? runtime::notify::wait_queue
                                                                            : runtime::notify::posted;
}
bool logical_unit::hold_signal(void* a) noexcept {
    auto& told = *static_cast<attention*>(a);
    if (told.what != attention::kind::event) return false;
    told.hold();
    return true;
}
// All of it is in the wait queue: several that share an event are told by one signal.
void logical_unit::signal(std::span<void* const> all) noexcept {
    attention* last = nullptr;
    for (void* const a : all) {
        auto& told = *static_cast<attention*>(a);
        if (told.first != nullptr) {
            ring(told);
            continue;
        }
        trace::tell("event", nullptr);
        if (last == nullptr || !told.event.is(last->event)) told.event.signal();
        if (last != nullptr) last->release();
        last = &told;
    }
    if (last != nullptr) last->release();
}

// Its bell. Takes over the reference.
void logical_unit::ring(attention& told) noexcept {
    {
        const std::lock_guard held{attention_mutex_};
        // Packets of one conversation keep their order: nothing overtakes one that was refused.
        if (told.unrung == 0 && told.first->ring()) {
            told.release();
            return;
        }
        if (told.unrung++ == 0) {
            told.next_unrung = unrung_;
            unrung_ = &told;
        }
        count_refused();
    }
    ask_again_soon();
}

// With the mutex held.
void logical_unit::count_refused() noexcept {
    std::size_t n = refused_.size();
    for (const attention* a = unrung_; a != nullptr; a = a->next_unrung) ++n;
    refused_count_.store_release(static_cast<std::uint32_t>(n));
}

void logical_unit::ask_again_soon() noexcept {
    if (host_driven())
        loop_by(transport::now_ns() + tick_ns);
    else
        look_again_soon();
}
void logical_unit::forget(void* a) noexcept { static_cast<attention*>(a)->release(); }
void logical_unit::deadline_set(runtime::context&, runtime::conversation& v) noexcept { drives_.front()->watch(v); }

void logical_unit::manager_told(runtime::context& c, runtime::session& s, manager_news what,
                                const wire::serving* answer) noexcept {
    manager_->told(c, s, what, answer);
}

// ---- users ----------------------------------------------------------------------------------------------------------

// Full, or without its network.
static bool same_unit(std::string_view known, std::string_view lu_name) noexcept {
    const std::size_t dot = lu_name.find('.');
    const bool short_name = known.find('.') == known.npos && dot != lu_name.npos;
    return known == (short_name ? lu_name.substr(dot + 1) : lu_name);
}

// The partner of the configuration that has this name, in full or without its network.
const partner_lu* logical_unit::configured(std::string_view lu_name) const noexcept {
    for (const partner_lu& p : settings_.partners)
        if (same_unit(p.name, lu_name)) return &p;
    return nullptr;
}

bool logical_unit::trusts(const runtime::session& s) noexcept {
    if (s.in_process) return true;
    const auto* const at = s.opened_for == nullptr ? nullptr : static_cast<const place*>(s.opened_for->transport_data);
    return at != nullptr && at->trust_users && (s.confidential || settings_.limits.users_in_clear);
}

// The certificate of an encrypted link is that of the unit that its hello names, and of the one we meant to call.
bool logical_unit::identified(const transport::link& l, const runtime::session& s,
                              std::string_view lu_name) const noexcept {
    const transport::byte_filter& f = *l.filter();
    const bool called = s.opened_for != nullptr;
    if (!f.proven()) return !called;  // nobody was asked for one
    const bool names_units = f.names_units();
    if (names_units && !f.names_unit(lu_name)) return false;
    const auto* const at = called ? static_cast<const place*>(s.opened_for->transport_data) : nullptr;
    if (called && at->configured == nullptr) return f.names_host(l.called());
    const partner_lu* const known = called ? at->configured : configured(lu_name);
    if (known == nullptr) return names_units;
    if (!same_unit(known->name, lu_name)) return false;
    return known->certificate_name.empty() ? names_units : f.names_host(known->certificate_name);
}

wire::reason logical_unit::admit_peer(runtime::session& s, std::string_view lu_name) noexcept {
    const transport::link& l = *static_cast<const transport::link*>(s.transport_data);
    const bool encrypted = l.filter() != nullptr;
    if (encrypted && !identified(l, s, lu_name)) {
        log_refused_link(l, [&] {
            return joined({"its certificate is not that of ", lu_name,
                           s.opened_for == nullptr ? "" : ", or not that of the partner that was called"});
        });
        return wire::reason::certificate;
    }
    // A program that checks users counts their mistakes by it.
    if (s.opened_for == nullptr && !s.in_process && engine_->relay_of() != nullptr) {
        try {
            (void)s.caller.assign(l.driven_by().peer_of(l).text);
        } catch (const std::bad_alloc&) {
            s.caller.clear();
        }
    }
    if (s.in_process) {
        s.takes_users = true;
    } else if (s.opened_for == nullptr) {
        const partner_lu* const known = configured(lu_name);
        // On an encrypted link a name counts that is proven.
        const bool private_line = encrypted ? l.filter()->proven() : s.confidential;
        s.takes_users = known != nullptr && known->trust_users && (private_line || settings_.limits.users_in_clear);
    }
    return wire::reason::none;
}

void logical_unit::describe(const runtime::session& s, const wire::attach& a, user_question& q) noexcept {
    const transport::link& l = *static_cast<const transport::link*>(s.transport_data);
    q.by = &l.driven_by();
    (void)q.user.assign(a.user_id.view());
    (void)q.tp_name.assign(a.tp_name.view());
    const bool managed = s.role == runtime::link_role::manager;
    (void)q.partner_lu.assign(managed ? s.origin().lu_name.view() : s.peer_name());
    (void)q.key.assign(q.partner_lu.view());
    if (s.in_process) {
        (void)q.peer.assign("this process");
        return;
    }
    if (managed && s.origin().caller.empty()) {
        (void)q.peer.assign("the other end of the attach manager");
        return;
    }
    try {
        if (managed) {
            const std::string_view told = s.origin().caller.view();
            (void)q.peer.assign(joined({told, " behind the attach manager"}));
            transport::endpoint at;
            transport::address from;
            std::string ignored;
            if (told.starts_with(transport::local_prefix))
                (void)q.key.assign(told);
            else if (transport::parse_endpoint(told, 0, at, ignored) &&
                     transport::address::parse_numeric(at.host, 0, from))
                (void)q.key.assign(from.network());
            return;
        }
        q.encrypted = l.filter() != nullptr;
        const auto from = q.by->peer_of(l);
        (void)q.peer.assign(from.text);
        (void)q.key.assign(from.key);
    } catch (const std::bad_alloc&) {
        // It is counted by its name.
    }
}

runtime::host::user_check logical_unit::check_user(runtime::context&, runtime::session& s, const wire::attach& a,
                                                   runtime::conversation_id id) noexcept {
    user_question q;
    describe(s, a, q);
    q.id = id;
    (void)q.password.assign(a.password.view());
    return users_.ask(q);
}

void logical_unit::user_refused(const runtime::session& s, const wire::attach& a, user_refusal why) noexcept {
    user_question q;
    describe(s, a, q);
    const char* text = "a substitute of a password is not understood here";
    if (why == user_refusal::in_clear) text = "the link is not encrypted; use TLS, or [security] allow_unencrypted";
    if (why == user_refusal::not_trusted) text = "said to be verified, but [[partner]] trust_users does not say so";
    user_gate::log_refused(q, text);
}

bool logical_unit::start_user_thread() noexcept {
    if (!settings_.threads) return false;
    try {
        const std::lock_guard held{threads_mutex_};
        if (stopping_.load_acquire() != 0) return false;
        start_thread(
            "colloquy-users", [](logical_unit& u, std::uint32_t) { u.users_.serve(); }, 0);
        return true;
    } catch (const std::system_error&) {
        return false;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

void logical_unit::user_decided(transport::drive& by, runtime::conversation_id id, user_check verdict) noexcept {
    struct settling final : transport::drive::task {
        runtime::engine* engine = nullptr;
        runtime::conversation_id id{};
        user_check verdict = user_check::busy;
        void run(transport::drive& d) noexcept override { engine->settle_attach(d.context, id, verdict); }
    };
    std::unique_ptr<settling> news;
    while (news == nullptr) {  // the attach waits for it, and so does its partner
        news.reset(new (std::nothrow) settling);
        if (news == nullptr) std::this_thread::yield();
    }
    news->engine = engine_.get();
    news->id = id;
    news->verdict = verdict;
    by.post(std::move(news));
    if (by.ring()) call_standby();
}

bool logical_unit::reload_security(std::string& error) {
    user_gate::passwords fresh;
    if (!users_.read(fresh, error)) {
        error = joined({"security.passwords: ", error});
        return false;
    }
    if (tls_ != nullptr && !tls_->reload(error)) {
        error = joined({"tls: ", error});
        return false;
    }
    users_.use(std::move(fresh));
    return true;
}

// ---- the attach manager ---------------------------------------------------------------------------------------------

std::string logical_unit::offer(std::string_view name, wire::serve_what what) noexcept {
    constexpr std::uint64_t patience_ns = 10'000 * ms;
    try {
        if (manager_ == nullptr) return {};
        runtime::context& c = enter();
        const std::uint64_t deadline = transport::now_ns() + patience_ns;
        while (manager_->opening() && transport::now_ns() < deadline) look_around(c);
        std::uint64_t question = 0;
        const bool asked = manager_->ask(c, name, what, question);
        leave(c);
        if (!asked) return {};
        wire::serve_result result = wire::serve_result::ok;
        bool answered = false;
        while (!(answered = manager_->answered(question, result)) && transport::now_ns() < deadline) look_around(c);
        manager_->forget(question);
        tell(c);
        if (!answered) return "the attach manager does not answer";
        return result == wire::serve_result::ok ? std::string{} : std::string{wire::text(result)};
    } catch (const std::bad_alloc&) {
        return "out of memory";
    }
}

std::string logical_unit::why_no_attach() noexcept {
    try {
        return manager_ == nullptr ? std::string{} : manager_->why_none();
    } catch (const std::bad_alloc&) {
        return {};
    }
}

// ---- sinks, callbacks, windows --------------------------------------------------------------------------------------

void logical_unit::set_default_attention(attention* a) noexcept {
    const std::lock_guard held{attention_mutex_};
    if (default_attention_ != nullptr) default_attention_->release();
    default_attention_ = a;
    settle_default_channel();
}

bool logical_unit::set_window(void* window) noexcept {
    if (window != nullptr && !window_valid(window)) return false;
    const std::lock_guard held{attention_mutex_};
    window_ = window;
    settle_default_channel();
    return true;
}

void logical_unit::settle_default_channel() noexcept {
    const bool posts = default_attention_ != nullptr || window_ != nullptr;
    engine_->set_default_channel(posts ? runtime::notify::posted : runtime::notify::wait_queue);
}

void logical_unit::tell(runtime::context& c) noexcept {
    thread_state& t = this_thread();
    // A callback's own calls may complete others at once: those wait for it, so that callbacks do not nest.
    if (c.posted_first == 0 || t.telling != 0) return;
    ++t.telling;
    runtime::engine::posting p;
    do {
        while (engine_->next_posting(c, p)) {
            t.tells_more = c.posted_first != 0;
            if (!tell_one(c, p)) {
                engine_->refused(c, p);
                const std::lock_guard held{attention_mutex_};
                try {
                    refused_.push_back(p.what.id);
                    count_refused();
                } catch (const std::bad_alloc&) {
                    engine_->post_again(c, p.what.id);  // no memory to remember it: asked again at once
                }
            }
        }
        t.tells_more = false;
        // What callbacks have put off. It may bring about more that is to be told.
        if (c.owes_output) write_dirty(c);
    } while (c.posted_first != 0);
    --t.telling;
    if (c.owes_output) write_dirty(c);
    if (refused_count_.load_relaxed() != 0) ask_again_soon();
}

void logical_unit::tell_queue(const runtime::queue_completion& q) noexcept {
    // As CPI-C numbers calls, in the order of runtime::verb.
    static constexpr CM_CALL_ID calls[] = {0, 1, 3, 50, 34, 5, 6, 9, 28, 33, 37, 51, 57, 35};
    trace::told("callback", q);
    try {
        if (q.mode == runtime::queue_mode::calls) {
            std::array<std::byte, 8> user_field = q.user_field;
            const CM_CALL_ID call = calls[static_cast<std::size_t>(q.kind)];
            const auto code = static_cast<CM_RETURN_CODE>(q.code);
            reinterpret_cast<clq_queue_function>(q.function)(user_field.data(), &call, &code);
        } else {
            clq_completion completion;
            q.id.to_bytes(completion.conversation_ID);
            completion.return_code = static_cast<CM_INT32>(q.code);
            completion.id_memory = q.id_memory;
            reinterpret_cast<clq_callback>(q.function)(q.user, &completion);
        }
    } catch (...) {
        // Nobody is there to hear of it; the completion was told.
    }
    told_.fetch_add_relaxed(1);
}

// False: the target does not take it now.
bool logical_unit::tell_one(runtime::context& c, runtime::engine::posting& p) noexcept {
    if (p.of_queue) [[unlikely]] {
        tell_queue(p.from_queue);
        return true;
    }
    attention* a = static_cast<attention*>(p.attention);
    void* window = nullptr;
    if (a != nullptr && a->what != attention::kind::event) {
        a->hold();
    } else {
        const std::lock_guard held{attention_mutex_};
        a = default_attention_;
        window = window_;
        if (a != nullptr) a->hold();
    }
    clq_completion completion;
    p.what.id.to_bytes(completion.conversation_ID);
    completion.return_code = static_cast<CM_INT32>(p.what.code);
    completion.id_memory = p.what.id_memory;
    if (a == nullptr) {
        if (window != nullptr) trace::tell("window", p.slot);
        const post_result result = window == nullptr
                                       ? post_result::gone
                                       : post_message(window, completion_message(), completion.return_code,
                                                      reinterpret_cast<std::intptr_t>(p.what.id_memory));
        if (result == post_result::full) {
            trace::refused("window", *p.slot);
            return false;
        }
        if (result == post_result::gone) {
            engine_->to_wait_queue(c, p);
            return true;
        }
        told_.fetch_add_relaxed(1);
        engine_->posted(c, p);
        return true;
    }
    bool taken = true;
    try {
        if (a->what == attention::kind::sink) {
            trace::tell("sink", p.slot);
            this_thread().in_sink = true;
            taken = a->sink(a->user, &completion) == 0;
            this_thread().in_sink = false;
            if (taken)
                engine_->posted(c, p);
            else
                trace::refused("sink", *p.slot);
        } else {
            trace::tell("callback", p.slot);
            engine_->posted(c, p);
            a->callback(a->user, &completion);
        }
    } catch (...) {
        // Nobody is there to hear of it; the completion was told. A sink's conversation is still ours to free.
        this_thread().in_sink = false;
        if (a->what == attention::kind::sink) engine_->posted(c, p);
    }
    if (taken) told_.fetch_add_relaxed(1);
    a->release();
    return taken;
}

void logical_unit::ask_again(runtime::context& c) noexcept {
    if (refused_count_.load_acquire() == 0) return;
    std::vector<runtime::conversation_id> again;
    {
        const std::lock_guard held{attention_mutex_};
        again.swap(refused_);
        attention** at = &unrung_;
        while (attention* const a = *at) {
            while (a->unrung != 0 && a->first->ring()) {
                if (--a->unrung != 0) a->release();  // the last reference goes when it is off the list
            }
            if (a->unrung != 0) {
                at = &a->next_unrung;
                continue;
            }
            *at = a->next_unrung;
            a->release();
        }
        count_refused();
    }
    for (const runtime::conversation_id id : again) engine_->post_again(c, id);
}

bool logical_unit::call_hook(thread_state& t) noexcept {
    t.in_hook = true;
    bool on = false;
    try {
        on = t.hook() != 0;
    } catch (...) {
        on = false;
    }
    t.in_hook = false;
    return on;
}

void logical_unit::look_around(runtime::context& c) noexcept {
    transport::drive& d = *drives_.front();
    if (caller_driven() && d.token.try_acquire()) {
        drives_taken_.fetch_add_relaxed(1);
        // A short wait of our own, so that a hook that does nothing does not make a busy loop.
        d.wait(transport::now_ns() + retry_ns, false, [] { return false; });
        release_drive();
    } else {
        runtime::atom<std::uint32_t> nobody;
        (void)waiter_.wait(nobody, 0, transport::now_ns() + retry_ns);
    }
    write_dirty(c);
}

// ---- a host's loop --------------------------------------------------------------------------------------------------

clq_host_handle logical_unit::wait_handle() noexcept {
    if (!caller_driven()) return CLQ_NO_HANDLE;
    transport::drive& d = *drives_.front();
    handle_given_.store_release(1);
#if defined(_WIN32)
    return reinterpret_cast<clq_host_handle>(d.io().wait_handle());
#else
    return static_cast<clq_host_handle>(d.io().wait_handle());
#endif
}

long long logical_unit::next_timeout_ns() noexcept {
    if (!caller_driven()) return -1;
    transport::drive& d = *drives_.front();
    runtime::context& c = enter();
    loop_asker_.store_relaxed(this_thread().number);  // relaxed: of meaning to the thread that wrote it
    // acq_rel[loop-deadline]: who leaves something for the loop from here on finds it asleep and wakes it; what was
    // left before is seen below.
    (void)loop_deadline_.exchange_acq_rel(UINT64_MAX);
    const auto at_once = [&] {
        (void)loop_deadline_.exchange_acq_rel(0);
        return 0LL;
    };
    if (!dirty_.approx_empty() || d.approx_work() || c.posted_first != 0) return at_once();
    if (!d.token.try_acquire()) return -1;  // somebody drives, sees to it, and tells us when it stops
    std::uint64_t next = d.next_deadline_ns();
    release_drive(true);
    if (c.posted_first != 0) return at_once();
    const std::uint64_t now = transport::now_ns();
    if (refused_count_.load_relaxed() != 0 && next > now + tick_ns) next = now + tick_ns;
    if (next <= now) return at_once();
    std::uint64_t asleep_until = UINT64_MAX;
    while (next < asleep_until && !loop_deadline_.cas_acq_rel(asleep_until, next)) {
    }
    return next == UINT64_MAX ? -1 : static_cast<long long>(next - now);
}

int logical_unit::dispatch() noexcept {
    if (!caller_driven()) return -1;
    runtime::context& c = enter();
    if (this_thread().telling != 0) return -1;
    // The loop is awake and asks again before it sleeps: nothing that happens meanwhile need wake it.
    if (loop_asker_.load_relaxed() == this_thread().number) (void)loop_deadline_.exchange_acq_rel(0);
    const std::uint32_t before = told_.load_relaxed();
    engine_->flush(c);
    write_dirty(c);
    ask_again(c);
    transport::drive& d = *drives_.front();
    if (d.token.try_acquire()) {
        drives_taken_.fetch_add_relaxed(1);
        d.run();
        release_drive(true);
    }
    do {
        tell(c);
        write_dirty(c);  // what follows from it is to be told, too
    } while (c.posted_first != 0);
    return static_cast<int>(told_.load_relaxed() - before);
}

// ---- partners -------------------------------------------------------------------------------------------------------

runtime::partner* logical_unit::partner(std::string_view name) noexcept {
    if (runtime::partner* p = engine_->partners().find(name); p != nullptr) return p;
    const std::string_view own = engine_->lu_name();
    const std::size_t dot = own.find('.');
    const bool here = name == own || (dot != own.npos && (name == own.substr(dot + 1) || name == own.substr(dot)));
    if (!here) return nullptr;
    std::string ignored;
    return partner_at("inproc", ignored);
}

runtime::partner* logical_unit::partner_at(std::string_view where, std::string& error) {
    if (runtime::partner* p = engine_->partners().find(where); p != nullptr) return p;
    auto entry = std::make_unique<place>();
    entry->in_process = where == "inproc";
    if (!entry->in_process) {
        transport::endpoint e;
        if (!transport::parse_endpoint(where, 0, e, error)) return nullptr;
        if (e.port == 0 && !e.local) {
            error = joined({"\"", where, "\": a port is missing; write HOST:PORT"});
            return nullptr;
        }
        if (e.tls && settings_.tls.trust.empty()) {
            error =
                joined({"\"", where, "\": there is no [tls] trust in the configuration to check its certificate by"});
            return nullptr;
        }
        entry->addresses.push_back(std::move(e));
    }
    const std::lock_guard held{places_mutex_};
    runtime::partner* p = engine_->partners().add(where, settings_.partner_links, entry.get());
    if (p == nullptr) {
        error = "the directory of partners is full, or the name is longer than 64 characters";
        return nullptr;
    }
    places_.push_back(std::move(entry));
    return p;
}

bool logical_unit::drain(std::uint64_t timeout_ns) noexcept {
    if (this_thread().telling != 0 || draining_.exchange_acq_rel(1) != 0) return false;
    const std::uint64_t deadline = transport::now_ns() + timeout_ns;
    runtime::context& c = enter();
    bool told = false;
    for (;;) {
        for (auto& d : drives_) {
            // The driver is asked out for a moment; a pool thread comes back as soon as it may.
            d->drain_when_driven();
            (void)d->ring();
            d->io().wake();
            if (caller_driven() && d->token.try_acquire()) {
                drives_taken_.fetch_add_relaxed(1);
                d->wait(std::min(deadline, transport::now_ns() + 5 * ms), false, [] { return false; });
                release_drive();
            }
        }
        tell(c);
        write_dirty(c);
        // Accepts that wait are no conversations: partners send no more of them, and clq_stop ends these.
        if (engine_->count().read(runtime::counter::conversations_opened) ==
            engine_->count().read(runtime::counter::conversations_closed) + engine_->approx_accepts_waiting())
            return true;
        if (transport::now_ns() >= deadline) return false;
        if (!caller_driven() || told) {
            runtime::atom<std::uint32_t> nobody;
            (void)waiter_.wait(nobody, 0, transport::now_ns() + retry_ns);
        }
        told = true;
    }
}

std::string logical_unit::why_no_link(std::string_view name) noexcept {
    try {
        const runtime::partner* p = engine_->partners().find(name);
        if (name.empty() || name == " ")
            return "no partner is named: set partner LU, TP name and mode, or use a destination";
        if (p == nullptr) return joined({"partner \"", name, "\" is not known: add [[partner]] to the configuration"});
        std::int32_t detail = 0;
        for (std::uint32_t i = 0; i < p->link_count && detail == 0; ++i) detail = p->links[i].detail.load_relaxed();
        if (detail != 0) {
            // Where it was tried; a partner that is named by its address says so already.
            std::string where{name};
            const auto* const at = static_cast<const place*>(p->transport_data);
            const std::size_t count = at == nullptr || at->in_process ? 0 : at->addresses.size();
            for (std::size_t i = 0; i < count; ++i) {
                const std::string address = transport::format_endpoint(at->addresses[i]);
                if (address != name) where += joined({i == 0 ? " at " : i + 1 == count ? " and at " : ", ", address});
            }
            if (count > 1) where += ", the last";
            return joined(
                {where, ": ",
                 detail > 0 ? transport::error_text(detail) : wire::text(static_cast<wire::reason>(-detail))});
        }
        return joined({name, ": no session is to be had at the moment; a limit of one of the two ends is reached"});
    } catch (...) {
        return {};
    }
}

// ---- the end --------------------------------------------------------------------------------------------------------

bool logical_unit::stop(std::uint64_t timeout_ns) noexcept {
    if (this_thread().telling != 0 || this_thread().in_hook) return false;  // its caller would wait for itself
    if (stopping_.exchange_acq_rel(1) != 0) return true;
    const std::uint64_t deadline = transport::now_ns() + timeout_ns;
    if (manager_ != nullptr) manager_->stop();
    users_.stop();
    runtime::context& c = enter();
    runtime::end_all(*engine_, c);
    engine_->flush(c);
    ended_.store_release(1);
    tell(c);
    write_dirty(c);
    (void)gate_.poke_all(waiter_);
    for (auto& d : drives_) {
        (void)d->ring();
        d->io().wake();
    }
    std::vector<std::thread> ending;
    {
        const std::lock_guard held{threads_mutex_};
        standby_spot_.notify(waiter_);
        ending.swap(threads_);
    }
    // Without the mutex: one that tells for the last time may ask for a standby.
    for (std::thread& t : ending) t.join();
    for (std::uint32_t n = threads_running_.load_acquire(); n != 0; n = threads_running_.load_acquire())
        (void)waiter_.wait(threads_running_, n, transport::no_deadline);
    bool all = false;
    do {
        all = true;
        for (auto& d : drives_) {
            while (!d->token.try_acquire()) {
                (void)d->ring();  // a caller is on its way out
                d->io().wake();
                std::this_thread::yield();
            }
            write_dirty(c);
            if (!d->close_links()) {
                all = false;
                d->wait(std::min(deadline, transport::now_ns() + 10 * ms), false, [] { return false; });
            }
            release_to(*d, c);
            tell(c);
        }
        if (refused_count_.load_acquire() != 0) {
            // Nobody else is left to ask the sinks again.
            all = false;
            runtime::atom<std::uint32_t> nobody;
            (void)waiter_.wait(nobody, 0, std::min(deadline, transport::now_ns() + retry_ns));
            ask_again(c);
            tell(c);
        }
    } while (!all && transport::now_ns() < deadline);
    return all;
}

void logical_unit::abandon_in_child() noexcept {
    abandoned_ = true;
    // The threads do not exist here. Their handles and the tables are left as they are; only descriptors are closed.
    for (auto& d : drives_) d->close_descriptors();
}

}  // namespace colloquy::api
