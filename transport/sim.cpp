#include "transport/sim.hpp"

#include <algorithm>
#include <cstring>

namespace colloquy::transport {

using runtime::session;

// ---- a unit -------------------------------------------------------------------------------------------------------

sim_unit::sim_unit(sim_network& network, const runtime::limits& bounds, std::string_view name, std::uint64_t salt)
    : engine{bounds, name, salt, *this}, network_{network}, scratch_(session::scratch_min) {
    network_.units_.push_back(this);
}

sim_unit::~sim_unit() { network_.gone(*this); }

runtime::partner* sim_unit::know(sim_unit& peer, std::uint32_t links) {
    return engine.partners().add(peer.engine.lu_name(), links, &peer);
}

void sim_unit::know_again(sim_unit& peer) noexcept {
    engine.partners().find(peer.engine.lu_name())->transport_data = &peer;
}

void sim_unit::wake(runtime::spot<>& where) noexcept {
    if (const auto found = sleepers_.find(&where); found != sleepers_.end()) found->second = true;
}

void sim_unit::sleep(runtime::conversation_id id, runtime::queue on) {
    runtime::conversation& v = *engine.find(id);
    std::uint64_t seen = 0;
    sleepers_.erase(&engine.parking_on(v, on));
    // As a thread does: what has finished before it says that it waits wakes nobody.
    if (on == runtime::queue::main && (!v.word.raise(id.generation(), runtime::flag::waited, &seen) ||
                                       runtime::word_bits::phase_of(seen) == runtime::phase::done))
        return;
    if (!engine.finished(id, on)) sleepers_[&engine.parking_on(v, on)] = false;
}

bool sim_unit::wakes(runtime::conversation_id id, runtime::queue on) {
    const auto found = sleepers_.find(&engine.parking_on(*engine.find(id), on));
    if (found == sleepers_.end()) return true;
    const bool woken = found->second;
    sleepers_.erase(found);
    return woken;
}

runtime::engine::collect_result sim_unit::collect_any(runtime::engine::collected& out, bool& announced) {
    std::uint64_t entry = 0;
    announced = true;
    if (!engine.take_entry(entry)) return runtime::engine::collect_result::none;
    announced = queue_entries != 0;
    if (announced) --queue_entries;
    return engine.collect_entry(c, entry, out, false);
}

void sim_unit::write_duty(runtime::context&, session& s) noexcept {
    auto& e = *static_cast<sim_network::end*>(s.transport_data);
    e.duty = true;
    e.write_at = network_.now_;
}

void sim_unit::open_link(runtime::context& ctx, runtime::partner& p, std::uint32_t link) noexcept {
    const sim_network::attempt a{network_.now_ + network_.delay(), this, &p, link,
                                 network_.random_.chance(network_.weather_.connect_failure)};
    if (network_.random_.chance(network_.weather_.connect_at_once))
        network_.connect(a, ctx);
    else
        network_.attempts_.push_back(a);
}

runtime::host::user_check sim_unit::check_user(runtime::context&, session&, const wire::attach&,
                                               runtime::conversation_id id) noexcept {
    constexpr std::uint32_t later = 300;  // of a thousand
    if (!network_.random_.chance(later)) return user_check::granted;
    network_.questions_.push_back({network_.now_ + network_.delay(), this, id});
    return user_check::pending;
}

void sim_unit::session_ended(runtime::context&, session& s) noexcept {
    auto& e = *static_cast<sim_network::end*>(s.transport_data);
    e.ended = true;
    network_.last_loss_ = network_.now_;
    switch (e.corrupted ? wire::reason::none : s.ended_because()) {
        case wire::reason::version:
        case wire::reason::not_colloquy:
        case wire::reason::protocol:
        case wire::reason::unknown_channel:
        case wire::reason::credit_overrun:
        case wire::reason::oversized: network_.worst_ = s.ended_because(); break;
        default: break;
    }
    // A link that never opened must still answer those that wait for it.
    if (s.opened_for != nullptr &&
        s.opened_for->links[s.opened_index].state.load_acquire() == runtime::partner_link::opening)
        network_.attempts_.push_back({network_.now_, this, s.opened_for, s.opened_index, true});
}

// ---- what happens next --------------------------------------------------------------------------------------------

std::size_t sim_network::room(const end& e) const noexcept {
    const end& o = *e.other;
    if (o.session == nullptr || o.in.swallows) return SIZE_MAX;  // nobody takes it any more, so it goes nowhere
    return o.in.size() >= weather_.pipe_bytes ? 0 : weather_.pipe_bytes - o.in.size();
}

sim_network::event sim_network::next_event(bool timers) const noexcept {
    event next;
    const auto offer = [&](std::uint64_t at, occurrence what, std::size_t index, end* where) {
        at = std::max(at, now_);
        if (at < next.at) next = {at, what, index, where};
    };
    for (std::size_t i = 0; i < attempts_.size(); ++i) offer(attempts_[i].at, occurrence::connect, i, nullptr);
    for (std::size_t i = 0; i < questions_.size(); ++i) offer(questions_[i].at, occurrence::verdict, i, nullptr);
    for (const auto& l : links_) {
        for (end* e : {&l->a, &l->b}) {
            if (e->session == nullptr) continue;
            if (e->reset_at != 0) offer(e->reset_at, occurrence::fail, 0, e);
            if (e->ended && !e->duty) offer(now_, occurrence::close, 0, e);
            if (e->duty && room(*e) != 0) offer(e->write_at, occurrence::write, 0, e);
            if (!e->in.parcels.empty())
                offer(std::max(e->in.parcels.front().at, e->in.stalled_until), occurrence::read, 0, e);
            else if (e->in.finished_at != 0 && !e->ended && !e->in.swallows)
                offer(std::max(e->in.finished_at, e->in.stalled_until), occurrence::finish, 0, e);
            if (timers && !e->ended && e->session->next_deadline() != UINT64_MAX)
                offer(e->session->next_deadline(), occurrence::timer, 0, e);
        }
    }
    return next;
}

bool sim_network::step() {
    const event e = next_event(true);
    if (e.what == occurrence::nothing) return false;
    now_ = std::max(now_, e.at);
    happen(e);
    for (sim_unit* u : units_) u->engine.flush(u->c);
    return true;
}

bool sim_network::settle(std::uint64_t steps) {
    while (!quiet()) {
        if (steps-- == 0) return false;
        (void)step();
    }
    return true;
}

void sim_network::advance(std::uint64_t ns) {
    const std::uint64_t until = now_ + ns;
    for (;;) {
        const event e = next_event(true);
        if (e.what == occurrence::nothing || e.at > until) break;
        (void)step();
    }
    now_ = std::max(now_, until);
}

void sim_network::happen(const event& e) {
    switch (e.what) {
        case occurrence::nothing: return;
        case occurrence::connect: {
            const attempt a = attempts_[e.index];
            attempts_.erase(attempts_.begin() + static_cast<std::ptrdiff_t>(e.index));
            connect(a, a.from->c);
            return;
        }
        case occurrence::verdict: {
            const question q = questions_[e.index];
            questions_.erase(questions_.begin() + static_cast<std::ptrdiff_t>(e.index));
            q.unit->engine.settle_attach(q.unit->c, q.id, runtime::host::user_check::granted);
            return;
        }
        case occurrence::fail: lost(*e.where); return;
        case occurrence::write: write(*e.where); return;
        case occurrence::read: read(*e.where); return;
        case occurrence::finish:
            e.where->session->lost(e.where->owner->c, runtime::return_code::resource_failure_retry,
                                   wire::reason::transport);
            return;
        case occurrence::close: close(*e.where); return;
        case occurrence::timer: e.where->session->tick(e.where->owner->c, now_); return;
    }
}

void sim_network::connect(const attempt& a, runtime::context& ctx) {
    auto& peer = *static_cast<sim_unit*>(a.to->transport_data);
    const auto refuse = [&] {
        a.from->engine.link_failed(ctx, *a.to, a.index, runtime::return_code::allocate_failure_retry);
    };
    if (a.failed) return refuse();
    if (now_ < peer.refuses_until) {
        last_loss_ = now_;
        return refuse();
    }
    session* const mine = a.from->engine.open_session(ctx);
    if (mine == nullptr) return refuse();
    session* const theirs = peer.engine.open_session(peer.c);
    if (theirs == nullptr) {
        a.from->engine.recycle(*mine);
        return refuse();
    }
    std::erase_if(links_, [](const auto& old) { return old->a.session == nullptr && old->b.session == nullptr; });
    link& l = *links_.emplace_back(std::make_unique<link>());
    l.a.owner = a.from;
    l.b.owner = &peer;
    l.a.other = &l.b;
    l.b.other = &l.a;
    l.a.session = mine;
    l.b.session = theirs;
    mine->transport_data = &l.a;
    theirs->transport_data = &l.b;
    mine->confidential = theirs->confidential = true;
    mine->opened_for = a.to;
    mine->opened_index = a.index;
    theirs->start(peer.c, wire::link_side::acceptor, now_);
    mine->start(ctx, wire::link_side::connector, now_);
}

// ---- bytes --------------------------------------------------------------------------------------------------------

void sim_network::write(end& e) {
    runtime::context& c = e.owner->c;
    if (e.slice == e.slice_count) {
        const std::size_t n = e.session->gather(c, e.slices, 64);
        if (n == 0) {
            e.duty = false;
            return;
        }
        e.slice_count = n;
        e.slice = e.offset = 0;
    }
    pipe& to = e.other->in;
    std::size_t take = std::min(room(e), static_cast<std::size_t>(random_.between(1, weather_.write_bytes_max)));
    const bool carries = e.other->session != nullptr && !to.swallows && to.finished_at == 0;
    std::size_t put = 0;
    while (take != 0 && e.slice != e.slice_count) {
        const runtime::slice& s = e.slices[e.slice];
        const std::size_t part = std::min(take, s.size - e.offset);
        if (carries) to.bytes.insert(to.bytes.end(), s.data + e.offset, s.data + e.offset + part);
        put += part;
        take -= part;
        e.offset += part;
        if (e.offset == s.size) {
            ++e.slice;
            e.offset = 0;
        }
    }
    if (carries && put != 0) {
        to.last_at = std::max(to.last_at, now_ + delay());
        to.parcels.push_back({to.last_at, put});
    }
    e.write_at = now_ + (weather_.write_bytes_max < 4'096 ? 50 : 0);
    if (e.slice == e.slice_count) {
        e.slice = e.slice_count = 0;
        e.session->written(c);
    }
}

void sim_network::read(end& e) {
    pipe& in = e.in;
    std::size_t ready = 0;
    for (const parcel& p : in.parcels)
        if (p.at <= now_) ready += p.bytes;
    std::size_t take = std::min(ready, static_cast<std::size_t>(random_.between(1, weather_.read_bytes_max)));
    if (!e.ended) {
        runtime::slice where[2];
        const std::size_t n = e.session->offer(e.owner->scratch_, where);
        std::size_t got = 0;
        for (std::size_t i = 0; i < n && got < take; ++i) {
            const std::size_t part = std::min(take - got, where[i].size);
            std::memcpy(where[i].data, in.bytes.data() + in.head + got, part);
            got += part;
        }
        take = got;
        in.head += take;
        e.session->received(e.owner->c, e.owner->scratch_, take, now_);
    } else {
        in.head += take;  // a closing end reads only to let the partner finish
    }
    if (in.head > 65'536 && in.head > in.bytes.size() / 2) {
        in.bytes.erase(in.bytes.begin(), in.bytes.begin() + static_cast<std::ptrdiff_t>(in.head));
        in.head = 0;
    }
    while (take != 0 && !in.parcels.empty()) {
        const std::size_t part = std::min(take, in.parcels.front().bytes);
        in.parcels.front().bytes -= part;
        take -= part;
        if (in.parcels.front().bytes == 0) in.parcels.pop_front();
    }
    if (random_.chance(weather_.stall)) in.stalled_until = now_ + random_.below(weather_.stall_ns_max + 1);
}

// The connection breaks at this end.
void sim_network::lost(end& e) {
    e.reset_at = 0;
    e.in.clear();
    if (!e.ended) e.session->lost(e.owner->c, runtime::return_code::resource_failure_retry, wire::reason::transport);
    if (e.duty) {
        e.session->stop_writing(e.owner->c);
        e.duty = false;
        e.slice = e.slice_count = 0;
        // The duty is kept, so close() will not get it again.
        session* const s = e.session;
        e.session = nullptr;
        if (e.other->in.finished_at == 0) e.other->in.finished_at = now_ + delay();
        s->release(e.owner->c);
        return;
    }
    close(e);
}

// The session has ended and all it had to say is written.
void sim_network::close(end& e) {
    session* const s = e.session;
    if (!s->take_write_duty()) return;
    e.session = nullptr;
    e.in.clear();
    pipe& out = e.other->in;
    if (out.finished_at == 0) {
        out.finished_at = std::max(out.last_at, now_ + delay());
        if (weather_.abrupt_close && random_.chance(500)) {
            out.clear();
            out.finished_at = now_;
        }
    }
    s->stop_writing(e.owner->c);
    s->release(e.owner->c);
}

// ---- interference -------------------------------------------------------------------------------------------------

std::size_t sim_network::links_up() const noexcept {
    std::size_t n = 0;
    for (const auto& l : links_)
        if (l->a.session != nullptr && l->b.session != nullptr && !l->a.ended && !l->b.ended) ++n;
    return n;
}

sim_network::link* sim_network::nth_up(std::size_t n) noexcept {
    for (auto& l : links_)
        if (l->a.session != nullptr && l->b.session != nullptr && !l->a.ended && !l->b.ended && n-- == 0)
            return l.get();
    return nullptr;
}

void sim_network::reset(std::size_t which) {
    link* const l = nth_up(which);
    if (l == nullptr) return;
    for (end* e : {&l->a, &l->b}) {
        e->in.swallows = true;
        // What has arrived may still be read before the failure is noticed.
        if (random_.chance(500)) e->in.clear();
        e->reset_at = now_ + delay() + random_.below(weather_.delay_max_ns + 1);
    }
}

void sim_network::stall(std::size_t which, std::uint64_t ns) {
    link* const l = nth_up(which);
    if (l == nullptr) return;
    end& e = random_.chance(500) ? l->a : l->b;
    e.in.stalled_until = now_ + ns;
}

void sim_network::black_hole(std::size_t which) {
    link* const l = nth_up(which);
    if (l == nullptr) return;
    for (end* e : {&l->a, &l->b}) {
        e->in.swallows = true;
        e->in.clear();
    }
}

sim_network::end* sim_network::an_end(std::size_t which) noexcept {
    link* const l = nth_up(which);
    if (l == nullptr) return nullptr;
    return random_.chance(500) ? &l->a : &l->b;
}

void sim_network::half_close(std::size_t which) {
    end* const e = an_end(which);
    if (e != nullptr && e->in.finished_at == 0) e->in.finished_at = std::max(e->in.last_at, now_);
}

void sim_network::truncate(std::size_t which) {
    end* const e = an_end(which);
    if (e == nullptr || e->in.finished_at != 0) return;
    std::size_t keep = random_.below(e->in.size() + 1);
    e->in.bytes.resize(e->in.head + keep);
    for (auto p = e->in.parcels.begin(); p != e->in.parcels.end();) {
        p->bytes = std::min(p->bytes, keep);
        keep -= p->bytes;
        p = p->bytes == 0 ? e->in.parcels.erase(p) : p + 1;
    }
    e->in.finished_at = std::max(e->in.last_at, now_);
}

bool sim_network::corrupt(std::size_t which) {
    link* const l = nth_up(which);
    if (l == nullptr) return false;
    end* e = random_.chance(500) ? &l->a : &l->b;
    if (e->in.size() == 0) e = e->other;
    if (e->in.size() == 0) return false;
    for (std::uint64_t n = random_.between(1, 6); n != 0; --n) {
        // Often in the first bytes, where a header may be.
        const std::size_t most = random_.chance(500) ? std::min<std::size_t>(e->in.size(), 16) : e->in.size();
        e->in.bytes[e->in.head + random_.below(most)] ^= static_cast<std::byte>(random_.between(1, 255));
    }
    l->a.corrupted = l->b.corrupted = true;
    return true;
}

void sim_network::end_corrupted(std::uint64_t within_ns) {
    for (auto& l : links_)
        for (end* e : {&l->a, &l->b})
            if (e->corrupted && e->session != nullptr && e->reset_at == 0)
                e->reset_at = now_ + random_.below(within_ns + 1);
}

std::pair<const sim_unit*, const sim_unit*> sim_network::ends_of(std::size_t which) noexcept {
    link* const l = nth_up(which);
    if (l == nullptr) return {nullptr, nullptr};
    return {l->a.owner, l->b.owner};
}

// The sessions go with the engine; whatever is still kept of them is never looked at again.
void sim_network::gone(sim_unit& u) {
    for (auto& l : links_) {
        for (end* e : {&l->a, &l->b}) {
            if (e->owner != &u || e->session == nullptr) continue;
            e->session = nullptr;
            e->in.clear();
            pipe& out = e->other->in;
            if (out.finished_at == 0) out.finished_at = std::max(out.last_at, now_ + delay());
            if (e->other->session != nullptr && random_.chance(500)) {
                out.clear();
                out.finished_at = now_ + delay();
            }
        }
    }
    std::erase_if(attempts_, [&](const attempt& a) { return a.from == &u; });
    std::erase_if(questions_, [&](const question& q) { return q.unit == &u; });
    std::erase(units_, &u);
}

bool sim_network::black_hole_open() const noexcept {
    for (const auto& l : links_)
        for (const end* e : {&l->a, &l->b})
            if (e->in.swallows && e->session != nullptr) return true;
    return false;
}

void sim_network::drain(std::size_t which) {
    link* const l = nth_up(which);
    if (l == nullptr) return;
    end& e = random_.chance(500) ? l->a : l->b;
    e.session->drain(e.owner->c);
}

void sim_network::shut(std::size_t which) {
    link* const l = nth_up(which);
    if (l == nullptr) return;
    end& e = random_.chance(500) ? l->a : l->b;
    e.session->fail(e.owner->c, wire::reason::shutting_down);
}

}  // namespace colloquy::transport
