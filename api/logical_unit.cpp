#include "api/logical_unit.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>

#include "api/text.hpp"
#include "runtime/wire/hello.hpp"
#include "transport/epoll_reactor.hpp"

namespace colloquy::api {

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint64_t tick_ns = 2 * ms;        // the standby's look while callers drive
constexpr std::uint64_t rest_ns = 500 * ms;      // and while nothing happens at all
constexpr std::uint64_t retry_ns = 1 * ms;       // a parked caller's look where no thread may be started
constexpr std::size_t call_write_bytes = 64 * 1024;  // a call hands the writing over after so much

using runtime::return_code;

std::uint32_t next_shard() noexcept {
    static runtime::atom<std::uint32_t> count;
    return count.fetch_add_relaxed(1);
}

}  // namespace

// ---- start ----------------------------------------------------------------------------------------------------------------

logical_unit::logical_unit(const configuration& wanted)
    : settings_{wanted}, side_{wanted.side_information_max}, links_(wanted.limits.links) {}

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
        std::unique_ptr<logical_unit> u{new logical_unit{wanted}};
        u->engine_ = std::make_unique<runtime::engine>(wanted.limits, wanted.lu_name, transport::random_u64(), static_cast<runtime::host&>(*u));
        if (u->side_.assign(wanted.side_information) != CM_OK) {
            error = "side_information: more entries than the table holds";
            return nullptr;
        }
        for (const partner_lu& p : wanted.partners) {
            auto& where = *u->places_.emplace_back(std::make_unique<place>());
            where.addresses = p.addresses;
            if (u->engine_->partners().add(p.name, p.links, &where) == nullptr) {
                error = joined({"partner \"", p.name, "\": the directory is full; raise limits.partners"});
                return nullptr;
            }
        }
        for (const served_tp& tp : wanted.tps)
            if (u->engine_->tps().add(tp.name, tp.queue_max) != runtime::tp_registry::add_result::added) {
                error = joined({"tp \"", tp.name, "\": the table is full; raise limits.tp_names"});
                return nullptr;
            }
        const std::uint32_t count = std::max<std::uint32_t>(1, wanted.reactors);
        transport::drive_options options;
        options.streams = wanted.limits.links;
        options.connect_ms = wanted.limits.connect_ms;
        options.reuse_port = count > 1;
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
        for (transport::endpoint where : wanted.listen) {
            std::string text;
            for (auto& d : u->drives_) {
                transport::address chosen;
                if (const std::string why = d->listen(where, chosen); !why.empty()) {
                    error = joined({"listen ", transport::format_endpoint(where), ": ", why});
                    return nullptr;
                }
                where.port = chosen.port();  // all drives listen on the port that the first one got
                text = chosen.to_string();
            }
            u->listening_.push_back(text);
        }
        const transport::signal_shield no_signals;
        for (std::uint32_t i = 0; i < wanted.reactors; ++i)
            u->pool_.emplace_back([unit = u.get(), i] { unit->reactor_main(i); });
        if (!u->listening_.empty()) u->call_standby();
        return u;
    } catch (const std::bad_alloc&) {
        error = "not enough memory for the limits asked for: see colloquy plan";
    } catch (const std::exception& e) {
        error = e.what();
    }
    return nullptr;
}

logical_unit::~logical_unit() {
    if (abandoned_) return;
    (void)stop(0);
}

// ---- calls ----------------------------------------------------------------------------------------------------------------

runtime::context& logical_unit::enter() noexcept {
    thread_local runtime::context mine{next_shard()};
    return mine;
}

void logical_unit::leave(runtime::context& c) noexcept {
    engine_->flush(c);
    if (dirty_.approx_empty()) {
        nudge();
        return;
    }
    // Finished operations wait: the program is working through a batch, and its answers leave together.
    if (gate_.approx_permits() != 0) {
        look_again_soon();
        return;
    }
    write_dirty(c);
    nudge();
}

void logical_unit::write_dirty(runtime::context& c) noexcept {
    for (transport::link* l = dirty_.take_all(); l != nullptr;) {
        transport::link* const next = l->next;
        transport::drive& d = l->driven_by();
        bool again = false;
        d.write(c, *l, call_write_bytes, again);
        if (again) {
            d.dirty.push(l);
            if (d.ring()) call_standby();
        }
        l = next;
    }
    engine_->flush(c);
}

// In-process frames and the like wait for a driver: if nobody drives, the caller does that much itself.
void logical_unit::nudge() noexcept {
    if (!caller_driven()) return;
    transport::drive& d = *drives_.front();
    if (!d.approx_work() || !d.token.try_acquire()) return;
    d.pass();
    release_drive();
}

return_code logical_unit::finish(runtime::context& c, const runtime::outcome& o, std::uint64_t deadline_ns) noexcept {
    if (!o.must_wait) {
        leave(c);
        return o.code;
    }
    engine_->flush(c);
    write_dirty(c);
    runtime::conversation& v = *engine_->find(o.id);
    return_code code = return_code::deallocated_abend;
    for (;;) {
        if (engine_->finished(o.id)) break;
        if (deadline_ns != transport::no_deadline && transport::now_ns() >= deadline_ns) {
            (void)runtime::cancel(*engine_, c, o.id);
            code = return_code::operation_incomplete;
            break;
        }
        bool parked = false;
        if (caller_driven() && take_drive(parked)) {
            drives_taken_.fetch_add_relaxed(1);
            transport::drive& d = *drives_.front();
            while (!engine_->finished(o.id) && (deadline_ns == transport::no_deadline || transport::now_ns() < deadline_ns))
                d.wait(deadline_ns, false);
            release_drive();
            continue;
        }
        if (parked) continue;
        // Somebody else drives. The flag and the phase are one word: a completion that came first is seen here.
        std::uint64_t seen = 0;
        if (v.word.raise(o.id.generation(), runtime::flag::waited, &seen) &&
            runtime::word_bits::phase_of(seen) != runtime::phase::done) {
            const bool alone = caller_driven() && !settings_.threads;
            const std::uint64_t look = alone ? transport::now_ns() + retry_ns : transport::no_deadline;
            if (v.parking.prepare() && !engine_->finished(o.id)) (void)v.parking.wait(waiter_, std::min(look, deadline_ns));
            else (void)v.parking.cancel();
        }
        if (caller_driven()) parked_.fetch_sub_acq_rel(1);
    }
    (void)engine_->collect(c, o.id, code);
    leave(c);
    return code;
}

return_code logical_unit::wait_for_conversation(runtime::engine::collected& out) noexcept {
    runtime::context& c = enter();
    engine_->flush(c);
    bool permit = false;
    for (;;) {
        if (permit || gate_.try_acquire()) {
            permit = false;
            // A permit stands for one entry, which may not be visible yet.
            for (;;) {
                const auto got = collect_next(c, out);
                if (got == runtime::engine::collect_result::one) {
                    engine_->flush(c);
                    return return_code::ok;
                }
                if (got == runtime::engine::collect_result::stale) break;
            }
            continue;
        }
        if (engine_->outstanding() == 0 || stopping_.load_acquire() != 0) {
            leave(c);
            return return_code::program_state_check;
        }
        write_dirty(c);
        bool parked = false;
        if (caller_driven() && take_drive(parked)) {
            drives_taken_.fetch_add_relaxed(1);
            transport::drive& d = *drives_.front();
            while (gate_.approx_permits() == 0 && engine_->outstanding() != 0) d.wait(transport::no_deadline, false);
            release_drive();
            continue;
        }
        if (parked) continue;
        const bool alone = caller_driven() && !settings_.threads;
        const std::uint64_t look = alone ? transport::now_ns() + retry_ns : transport::no_deadline;
        permit = gate_.acquire_or_park(waiter_, look, [&] {
            return engine_->outstanding() != 0 && stopping_.load_acquire() == 0;
        }) == runtime::park_result::permit;
        if (caller_driven()) parked_.fetch_sub_acq_rel(1);
    }
}

runtime::engine::collect_result logical_unit::collect_next(runtime::context& c, runtime::engine::collected& out) noexcept {
    if (peeked_.load_relaxed() != 0)
        if (const std::uint64_t e = peeked_.exchange_acq_rel(0); e != 0) return engine_->collect_entry(c, e - 1, out, false);
    return engine_->collect_any(c, out);
}

return_code logical_unit::check_for_completion(runtime::engine::collected& out) noexcept {
    runtime::context& c = enter();
    engine_->flush(c);
    write_dirty(c);
    if (caller_driven() && gate_.approx_permits() == 0) {
        transport::drive& d = *drives_.front();
        if (d.token.try_acquire()) {
            d.run();
            release_drive();
        }
    }
    const std::lock_guard held{peek_mutex_};
    while (gate_.approx_permits() != 0) {
        std::uint64_t entry = peeked_.exchange_acq_rel(0);
        if (entry == 0) {
            if (!engine_->take_entry(entry)) continue;  // about to be visible, or another thread has it
            ++entry;
        }
        if (engine_->collect_entry(c, entry - 1, out, true) == runtime::engine::collect_result::one) {
            peeked_.exchange_acq_rel(entry);
            return return_code::ok;
        }
        (void)engine_->collect_entry(c, entry - 1, out, false);
        (void)gate_.try_acquire();  // the stale entry's permit goes with it
    }
    return engine_->outstanding() == 0 ? return_code::program_state_check : return_code::unsuccessful;
}

// ---- the drive ------------------------------------------------------------------------------------------------------------

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

void logical_unit::release_drive() noexcept {
    transport::drive& d = *drives_.front();
    for (;;) {
        switch (d.token.try_release()) {
            case runtime::release_result::released: break;
            case runtime::release_result::work_left: d.pass(); continue;
            case runtime::release_result::followers_left:
                d.token.hand_over();
                if (seekers_.poke_one(waiter_)) return;
                if (d.token.try_acquire()) continue;
                return;
        }
        break;
    }
    // Those who sleep rely on somebody: that is the standby from here on. Links that are open need one sooner or later.
    if (parked_.load_acquire() != 0) call_standby();
    else if (standby_started_.load_relaxed() == 0 && d.links_open() != 0) call_standby();
}

// Somebody must drive although no caller may be inside.
void logical_unit::call_standby() noexcept {
    if (!settings_.threads || !settings_.standby) return;
    if (standby_started_.load_acquire() == 0) {
        const std::lock_guard held{threads_mutex_};
        if (standby_started_.load_acquire() == 0 && stopping_.load_acquire() == 0) {
            const transport::signal_shield no_signals;
            try {
                standby_ = std::thread{[this] { standby_main(); }};
                standby_started_.store_release(1);
            } catch (const std::system_error&) {
                return;  // tried again with the next need; callers drive meanwhile
            }
        }
    }
    standby_spot_.notify(waiter_);
}

// Output was put off: the standby must look within a tick.
void logical_unit::look_again_soon() noexcept {
    if (standby_started_.load_relaxed() == 0 || standby_resting_.exchange_acq_rel(0) != 0) call_standby();
}

void logical_unit::standby_main() noexcept {
    transport::set_thread_name("colloquy-stby");
    runtime::context c{next_shard()};
    transport::drive& d = *drives_.front();
    std::uint32_t seen = drives_taken_.load_relaxed();
    std::uint64_t sleep_ns = tick_ns;
    bool called = true;
    while (stopping_.load_acquire() == 0) {
        write_dirty(c);
        const std::uint32_t taken = drives_taken_.load_relaxed();
        // Callers who come and go drive better than we do: wait until they have left it alone for a whole tick.
        const bool quiet = taken == seen;
        seen = taken;
        if (caller_driven() && (quiet || called || parked_.load_acquire() != 0) && d.token.try_acquire()) {
            while (stopping_.load_acquire() == 0) {
                d.wait(transport::no_deadline, true);
                write_dirty(c);
                if (d.token.approx_followers()) {
                    d.token.hand_over();
                    if (seekers_.poke_one(waiter_)) break;
                    if (!d.token.try_acquire()) break;
                }
            }
            if (stopping_.load_acquire() != 0) {
                // The one who stops takes the drive next; if we gave it away already this does nothing.
                while (d.token.approx_held() && d.token.try_release() == runtime::release_result::work_left) d.pass();
            }
            sleep_ns = tick_ns;
        } else {
            sleep_ns = quiet ? std::min(sleep_ns * 2, rest_ns) : tick_ns;
        }
        if (sleep_ns > tick_ns) standby_resting_.store_release(1);
        called = false;
        if (standby_spot_.prepare()) called = standby_spot_.wait(waiter_, transport::now_ns() + sleep_ns);
        else called = standby_spot_.cancel();
        standby_resting_.store_release(0);
    }
}

void logical_unit::reactor_main(std::uint32_t index) noexcept {
    char name[16] = "colloquy-r";
    name[10] = static_cast<char>('0' + index / 10 % 10);
    name[11] = static_cast<char>('0' + index % 10);
    name[12] = '\0';
    transport::set_thread_name(name);
    transport::drive& d = *drives_[index];
    runtime::context c{next_shard()};
    if (!d.token.try_acquire()) return;
    while (stopping_.load_acquire() == 0) {
        d.wait(transport::no_deadline, false);
        write_dirty(c);
    }
    while (d.token.try_release() == runtime::release_result::work_left) d.pass();
}

// ---- host -----------------------------------------------------------------------------------------------------------------

void logical_unit::write_duty(runtime::context& c, runtime::session& s) noexcept {
    auto& l = *static_cast<transport::link*>(s.transport_data);
    transport::drive& d = l.driven_by();
    if (&c == &d.context) d.dirty.push(&l);
    else dirty_.push(&l);
}

void logical_unit::open_link(runtime::context&, runtime::partner& p, std::uint32_t link) noexcept {
    const auto& where = *static_cast<const place*>(p.transport_data);
    transport::drive& d = *drives_[turn_.fetch_add_relaxed(1) % drives_.size()];
    try {
        d.open(p, link, where.in_process ? std::vector<transport::endpoint>{} : where.addresses);
    } catch (const std::bad_alloc&) {
        // The attempt is not made; who waits is told when the next one ends, or gives up by itself.
        p.links[link].state.exchange_acq_rel(runtime::partner_link::none);  // release[partner-link]
    }
}

void logical_unit::session_ended(runtime::context&, runtime::session& s) noexcept {
    static_cast<transport::link*>(s.transport_data)->driven_by().session_ended(s);
}

void logical_unit::wake(runtime::spot<>& where) noexcept { where.notify(waiter_); }
void logical_unit::wait_queue_filled(std::uint32_t count) noexcept { gate_.post(count, waiter_); }
void logical_unit::wait_queue_idle() noexcept {
    (void)gate_.poke_all(waiter_);
    // One who waits by driving is inside the system's wait.
    if (caller_driven()) {
        transport::drive& d = *drives_.front();
        (void)d.ring();
    }
}
bool logical_unit::wait_queue_watched() noexcept { return gate_.approx_sleepers() != 0; }
void logical_unit::operation_outstanding() noexcept {
    if (caller_driven() && standby_started_.load_relaxed() == 0) call_standby();
}

// ---- partners ---------------------------------------------------------------------------------------------------------------

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
        if (e.port == 0) {
            error = joined({"\"", where, "\": a port is missing; write HOST:PORT"});
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

// ---- the end ------------------------------------------------------------------------------------------------------------------

bool logical_unit::stop(std::uint64_t timeout_ns) noexcept {
    if (stopping_.exchange_acq_rel(1) != 0) return true;
    const std::uint64_t deadline = transport::now_ns() + timeout_ns;
    runtime::context& c = enter();
    runtime::end_all(*engine_, c);
    engine_->flush(c);
    write_dirty(c);
    (void)gate_.poke_all(waiter_);
    for (auto& d : drives_) {
        (void)d->ring();
        d->io().wake();
    }
    {
        const std::lock_guard held{threads_mutex_};
        standby_spot_.notify(waiter_);
        if (standby_.joinable()) standby_.join();
        for (std::thread& t : pool_) t.join();
        pool_.clear();
    }
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
                d->wait(std::min(deadline, transport::now_ns() + 10 * ms), false);
            }
            while (d->token.try_release() == runtime::release_result::work_left) d->pass();
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
