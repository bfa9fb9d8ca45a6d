#include "runtime/relay.hpp"

#include <algorithm>
#include <array>
#include <new>

#include "runtime/engine.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

namespace in = wire::indicator;

constexpr std::uint32_t index_bits = 24;
constexpr std::uint32_t held_free_max = 64;  // frames without charge that may come before anybody answers
constexpr std::uint64_t given_look_ns = 100'000'000;

std::uint32_t sense_for(return_code code) noexcept {
    switch (code) {
        case return_code::tpn_not_recognized: return wire::sense::tpn_not_recognized;
        case return_code::tp_not_available_no_retry: return wire::sense::tp_not_available_no_retry;
        default: return wire::sense::tp_not_available_retry;
    }
}

}  // namespace

relay::relay(engine& e, relay_host& host)
    : engine_{e},
      host_{host},
      capacity_{std::min<std::uint32_t>(
          e.bounds().conversations,
          static_cast<std::uint32_t>(channel_map<>::relayed_last - channel_map<>::relayed_first + 1))},
      slots_{capacity_} {}

relay::~relay() {
    context c;
    for (std::uint32_t i = 0; i < fresh_; ++i)
        if (slots_[i].in_use) drop_held(c, slots_[i]);
}

// ---- tables ---------------------------------------------------------------------------------------------------------

std::uint64_t relay::value_of(const relayed& r) const noexcept { return channel_map<>::relayed_first + r.index; }

static std::uint64_t attach_id(const relayed_conversation& r) noexcept {
    return (r.generation << index_bits) | r.index;
}

relayed_conversation* relay::find_attach(std::uint64_t id) noexcept {
    const auto index = static_cast<std::uint32_t>(id & ((1U << index_bits) - 1));
    if (index >= fresh_) return nullptr;
    relayed& r = slots_[index];
    return r.in_use && r.generation == id >> index_bits ? &r : nullptr;
}

relay_program* relay::find_program(std::uint64_t id) noexcept {
    const auto at = programs_.find(id);
    return at == programs_.end() || at->second->s->program != at->second.get() ? nullptr : at->second.get();
}

relayed_conversation* relay::take_slot() noexcept {
    std::uint32_t index = 0;
    std::uint64_t generation = 1;
    if (free_first_ != 0) {
        index = free_first_ - 1;
        free_first_ = slots_[index].next_free;
        generation = slots_[index].generation + 1;
    } else if (fresh_ != capacity_) {
        index = fresh_++;
    } else {
        return nullptr;
    }
    relayed& r = slots_[index];
    r = relayed{};
    r.index = index;
    r.generation = generation;
    r.in_use = true;
    return &r;
}

void relay::free_slot(relayed& r) noexcept {
    r.in_use = false;
    r.next_free = free_first_;
    free_first_ = r.index + 1;
}

void relay::tell(const relayed& r, relay_news::kind what, return_code code) noexcept {
    relay_news n;
    n.what = what;
    n.attach = attach_id(r);
    n.tp = r.to->name.view();
    n.partner = r.a->peer_name();
    n.user = r.user.view();
    n.code = code;
    if (r.p != nullptr) {
        n.program = r.p->id;
        n.open = r.p->conversations;
    }
    host_.news(n);
}

// ---- names ----------------------------------------------------------------------------------------------------------

relay_route* relay::find(std::string_view name) noexcept {
    for (const auto& r : routes_)
        if (r->name == name) return r.get();
    return nullptr;
}

bool relay::serve(std::string_view name, const route_rules& rules) noexcept {
    if (name.empty() || name.size() > 64 || name.find(' ') != std::string_view::npos) return false;
    route* r = find(name);
    if (r == nullptr) {
        try {
            r = routes_.emplace_back(std::make_unique<route>()).get();
        } catch (const std::bad_alloc&) {
            return false;
        }
        (void)r->name.assign(name);
    }
    r->rules = rules;
    r->now = tp_registry::status::serving;
    return true;
}

void relay::end_route(context& c, std::string_view name, tp_registry::status to) noexcept {
    route* const r = find(name);
    if (r == nullptr) return;
    r->now = to;
    const return_code code =
        to == tp_registry::status::stopped ? return_code::tp_not_available_no_retry : return_code::tpn_not_recognized;
    for (std::uint32_t i = 0; i < fresh_ && r->held != 0; ++i)
        if (relayed& held = slots_[i]; held.in_use && held.to == r && held.y == 0) {
            ++counters_.refused_stopped;
            end_held(c, held, sense_for(code), code);
        }
}

// ---- attaches -------------------------------------------------------------------------------------------------------

bool relay::may_take(const relay_program& p, std::uint32_t at_most) noexcept {
    return p.open && !p.no_more && p.s->at() == session::stage::open && p.conversations + p.given < at_most;
}

// In turn, so that programs of one name share the work.
relay_program* relay::pick(route& r) noexcept {
    const auto n = static_cast<std::uint32_t>(r.targets.size());
    for (std::uint32_t i = 0; i < n; ++i) {
        const relay_target& t = r.targets[(r.turn + i) % n];
        if (!may_take(*t.program, t.at_most)) continue;
        r.turn = (r.turn + i + 1) % n;
        return t.program;
    }
    return nullptr;
}

wire::reason relay::attach(context& c, session& s, const wire::frame_header& h, std::span<const std::byte> payload,
                           route& to, const wire::attach& a, std::uint32_t grant) noexcept {
    ++counters_.attaches;
    if (s.heard() > now_) now_ = s.heard();
    const std::uint32_t charge = wire::frame_charge(std::uint32_t{h.length});
    const auto refuse = [&](std::uint64_t& cause) {
        ++cause;
        engine_.reject_attach(c, s, h.channel, wire::sense::tp_not_available_retry);
        return wire::reason::none;
    };
    if (draining_) return refuse(counters_.refused_other);
    if (!host_.hears(0)) return refuse(counters_.refused_full);
    relay_program* const p = to.first == nullptr ? pick(to) : nullptr;
    const auto no_room = [&] {
        return to.held >= to.rules.queue_max ||
               s.attach_charge.load_relaxed() + charge > engine_.bounds().link_attach_bytes;
    };
    if (p == nullptr && no_room()) return refuse(counters_.refused_full);
    relayed* const slot = take_slot();
    if (slot == nullptr || s.channels(wire::channel_side(h.channel)).need(wire::channel_index(h.channel)) == nullptr) {
        if (slot != nullptr) free_slot(*slot);
        return refuse(counters_.refused_full);
    }
    relayed& r = *slot;
    r.a = &s;
    r.to = &to;
    r.x = h.channel;
    r.duplex = a.full_duplex;
    r.partner_credit = engine_.bounds().window_bytes;
    r.program_credit = grant;
    (void)r.user.assign(a.user_id.view());
    s.adopt_channel(conversation_id{value_of(r)}, h.channel);
    if (const wire::reason why = note_from_partner(r, h, payload); why != wire::reason::none) {
        s.end_channel(r.x, {}, true);
        s.leave(c);
        free_slot(r);
        return why;
    }
    if (p != nullptr && connect(c, r, *p)) {
        tell(r, relay_news::kind::delivered);
        ++counters_.frames_to_programs;
        counters_.bytes_to_programs += wire::frame_header_size + payload.size();
        pass_on(c, *p->s, {h.length, h.type, h.indicators, r.y}, payload);
        return wire::reason::none;
    }
    if (p != nullptr && no_room()) {  // the program had no number left for it
        free_slot(r);
        (void)refuse(counters_.refused_full);
        s.leave(c);
        return wire::reason::none;
    }
    wait(r, false);
    tell(r, relay_news::kind::attach_arrived);
    return hold(c, r, h, payload);
}

void relay::wait(relayed& r, bool in_front) noexcept {
    route& to = *r.to;
    if (r.deadline == 0 && to.rules.wait_ns != 0) r.deadline = now_ + to.rules.wait_ns;
    relayed*& first = r.given ? r.p->first : to.first;
    relayed*& last = r.given ? r.p->last : to.last;
    r.previous = in_front ? nullptr : last;
    r.next = in_front ? first : nullptr;
    (r.previous == nullptr ? first : r.previous->next) = &r;
    (r.next == nullptr ? last : r.next->previous) = &r;
    ++to.held;
    ++counters_.held;
    if (r.given) {
        ++r.p->given;
        ++given_;
    }
}

void relay::wait_no_more(relayed& r) noexcept {
    route& to = *r.to;
    (r.previous == nullptr ? (r.given ? r.p->first : to.first) : r.previous->next) = r.next;
    (r.next == nullptr ? (r.given ? r.p->last : to.last) : r.next->previous) = r.previous;
    r.previous = r.next = nullptr;
    --to.held;
    --counters_.held;
    if (!r.given) return;
    --r.p->given;
    --given_;
    r.given = false;
    r.p = nullptr;
}

// Waits with the attach, within what the partner may send before it hears anything.
wire::reason relay::hold(context& c, relayed& r, const wire::frame_header& h,
                         std::span<const std::byte> payload) noexcept {
    const std::uint32_t charge = wire::frame_charge(std::uint32_t{h.length});
    if (wire::frame_charge(h) == 0 && ++r.held_free > held_free_max) return wire::reason::credit_overrun;
    buffer* b = nullptr;
    if (r.a->attach_charge.load_relaxed() + charge <= engine_.bounds().link_attach_bytes)
        b = engine_.control(c, payload.size());
    if (b == nullptr) {
        ++counters_.refused_full;
        end_held(c, r, wire::sense::tp_not_available_retry, return_code::tp_not_available_retry);
        return wire::reason::none;
    }
    std::copy(payload.begin(), payload.end(), b->bytes() + b->end);
    b->end += static_cast<std::uint32_t>(payload.size());
    if (h.has(in::begin)) b->user2 = engine::outbound_secret;  // an attach may bring a password
    wire::encode_header(b->bytes() + b->begin, h);
    b->next = nullptr;
    (r.held_first == nullptr ? r.held_first : r.held_last->next) = b;
    r.held_last = b;
    r.held_charge += charge;
    r.a->attach_charge.fetch_add_relaxed(charge);
    return wire::reason::none;
}

void relay::drop_held(context& c, relayed& r) noexcept {
    while (r.held_first != nullptr) {
        buffer* const b = r.held_first;
        r.held_first = b->next;
        engine_.release_outbound(c, b);
    }
    if (r.held_charge != 0) r.a->attach_charge.fetch_sub_relaxed(r.held_charge);
    r.held_charge = 0;
}

void relay::end_held(context& c, relayed& r, std::uint32_t sense, return_code code) noexcept {
    wait_no_more(r);
    drop_held(c, r);
    session& a = *r.a;
    if (sense != 0) engine_.reject_attach(c, a, r.x, sense);
    tell(r, relay_news::kind::attach_gone, code);
    free_slot(r);
    a.leave(c);
}

// A number on the program's link for one that waits for nothing else.
bool relay::connect(context& c, relayed& r, relay_program& p) noexcept {
    session& s = *p.s;
    if (s.at() != session::stage::open || !s.try_hold()) return false;
    if (s.begin_channel(conversation_id{value_of(r)}, r.y) != session::begin_result::begun) {
        r.y = 0;
        s.release(c);
        return false;
    }
    r.p = &p;
    ++p.conversations;
    ++p.untaken;
    ++counters_.open;
    ++counters_.delivered;
    std::array<std::byte, wire::origin_size_max> who;
    const std::size_t n =
        wire::encode_origin(who, attach_id(r), r.a->peer_flags(), r.a->peer_name(),
                            s.peer_can(wire::hello_flag::callers) ? r.a->caller.view() : std::string_view{});
    (void)s.send_frame(c, {static_cast<std::uint16_t>(n), wire::frame_type::origin, 0, r.y}, std::span{who}.first(n));
    // The program has room for more than our own hello promised its partners.
    if (const std::uint32_t more = s.peer_attach_credit() - engine_.bounds().window_bytes; more != 0) {
        std::array<std::byte, 4> grant;
        wire::encode_credit(grant.data(), more);
        (void)r.a->send_frame(c, {4, wire::frame_type::credit, 0, r.x}, grant);
        r.partner_credit += more;
    }
    return true;
}

// What waited goes its way, the attach first.
void relay::deliver(context& c, relayed& r) noexcept {
    tell(r, relay_news::kind::delivered);
    session& s = *r.p->s;
    if (r.held_charge != 0) r.a->attach_charge.fetch_sub_relaxed(r.held_charge);
    r.held_charge = 0;
    while (r.held_first != nullptr) {
        buffer* const b = r.held_first;
        r.held_first = b->next;
        b->next = nullptr;
        wire::frame_header h = wire::decode_header(b->bytes() + b->begin);
        h.channel = r.y;
        wire::encode_header(b->bytes() + b->begin, h);
        ++counters_.frames_to_programs;
        counters_.bytes_to_programs += b->size();
        s.send(c, b);
    }
    give_up_if_unread(c, s);
}

// Those that wait for nobody in particular, oldest first.
void relay::feed(context& c, route& to) noexcept {
    while (to.first != nullptr) {
        relayed& r = *to.first;
        relay_program* const p = pick(to);
        if (p == nullptr || !connect(c, r, *p)) return;
        // connect() named the program; the list is still the name's.
        wait_no_more(r);
        deliver(c, r);
    }
}

void relay::feed(context& c, relay_program& p) noexcept {
    while (p.open && p.first != nullptr) {
        relayed& r = *p.first;
        wait_no_more(r);
        if (!connect(c, r, p)) {
            r.given = true;
            r.p = &p;
            wait(r, true);
            return;
        }
        deliver(c, r);
    }
    if (!p.open) return;
    for (const auto& to : routes_)
        if (to->first != nullptr &&
            std::any_of(to->targets.begin(), to->targets.end(), [&](const relay_target& t) { return t.program == &p; }))
            feed(c, *to);
}

// ---- the supervisor's word ------------------------------------------------------------------------------------------

relay_program* relay::begin(std::uint64_t id, session& s) noexcept {
    try {
        auto made = std::make_unique<relay_program>();
        made->id = id;
        made->s = &s;
        relay_program* const p = made.get();
        programs_[id] = std::move(made);
        ++counters_.programs;
        return p;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void relay::give(context& c, std::uint64_t attach, std::uint64_t program) noexcept {
    relayed* const r = find_attach(attach);
    if (r == nullptr || r->y != 0) return;  // it is gone, which was told
    relay_program* const p = find_program(program);
    if (p == nullptr || p->no_more) {
        tell(*r, relay_news::kind::attach_returned);
        return;
    }
    wait_no_more(*r);
    r->given = true;
    r->p = p;
    wait(*r, false);
    feed(c, *p);
}

void relay::refuse(context& c, std::uint64_t attach, return_code code) noexcept {
    relayed* const r = find_attach(attach);
    if (r == nullptr || r->y != 0) return;
    ++counters_.refused_other;
    if (code != return_code::tpn_not_recognized && code != return_code::tp_not_available_no_retry)
        code = return_code::tp_not_available_retry;
    end_held(c, *r, sense_for(code), code);
}

void relay::route_to(context& c, std::string_view name, std::uint64_t program, std::uint32_t at_most) noexcept {
    route* const r = find(name);
    relay_program* const p = find_program(program);
    if (r == nullptr || p == nullptr) return;
    const auto at =
        std::find_if(r->targets.begin(), r->targets.end(), [&](const relay_target& t) { return t.program == p; });
    if (at_most == 0) {
        if (at != r->targets.end()) r->targets.erase(at);
        return;
    }
    try {
        if (at != r->targets.end())
            at->at_most = at_most;
        else
            r->targets.push_back({p, at_most});
    } catch (const std::bad_alloc&) {
        return;  // its attaches are reported one by one, as before
    }
    feed(c, *r);
}

void relay::last(context& c, std::uint64_t program) noexcept {
    relay_program* const p = find_program(program);
    if (p == nullptr || p->no_more) return;
    p->no_more = true;
    settle_last(c, *p);
}

// Once it has what it was given, its link takes nothing more and ends with its last conversation.
void relay::settle_last(context& c, relay_program& p) noexcept {
    if (!p.no_more || !p.open || p.first != nullptr || p.s->at() != session::stage::open) return;
    p.s->drain(c);
    host_.touched(*p.s);
}

void relay::close(context& c, std::uint64_t program) noexcept {
    if (relay_program* const p = find_program(program); p != nullptr) p->s->fail(c, wire::reason::shutting_down);
}

void relay::drain(context& c) noexcept {
    draining_ = true;
    for (std::uint32_t i = 0; i < fresh_ && counters_.held != 0; ++i)
        if (relayed& r = slots_[i]; r.in_use && r.y == 0) {
            ++counters_.refused_other;
            end_held(c, r, wire::sense::tp_not_available_retry, return_code::tp_not_available_retry);
        }
    if (counters_.open == 0) host_.news({relay_news::kind::idle, 0, 0, {}, {}, {}, {}, return_code::ok, 0});
}

// ---- time -----------------------------------------------------------------------------------------------------------

// Of one list, oldest first; where rules were changed meanwhile, a later one may wait for an earlier.
void relay::expire(context& c, relayed* first) noexcept {
    while (first != nullptr) {
        relayed& r = *first;
        first = r.next;
        if (r.deadline == 0) continue;
        if (r.deadline > now_) return;
        ++counters_.refused_timeout;
        end_held(c, r, wire::sense::tp_not_available_retry, return_code::tp_not_available_retry);
    }
}

void relay::tick(context& c, std::uint64_t now) noexcept {
    now_ = now;
    while (gone_ != nullptr) {
        relay_program* const next = gone_->next_gone;
        programs_.erase(gone_->id);
        gone_ = next;
    }
    if (counters_.held == 0) return;
    for (const auto& r : routes_) expire(c, r->first);
    if (given_ == 0) return;
    for (const auto& [id, p] : programs_) expire(c, p->first);
}

std::uint64_t relay::next_deadline() const noexcept {
    if (counters_.held == 0) return UINT64_MAX;
    std::uint64_t earliest = given_ == 0 ? UINT64_MAX : now_ + given_look_ns;
    for (const auto& r : routes_)
        for (const relayed* held = r->first; held != nullptr; held = held->next)
            if (held->deadline != 0) {
                earliest = std::min(earliest, held->deadline);
                break;
            }
    return earliest;
}

// ---- frames ---------------------------------------------------------------------------------------------------------

wire::reason relay::forward(context& c, session& s, const wire::frame_header& h, std::span<const std::byte> payload,
                            std::uint64_t value) noexcept {
    relayed& r = slots_[static_cast<std::size_t>(value - channel_map<>::relayed_first)];
    return r.a == &s ? from_partner(c, r, h, payload) : from_program(c, r, h, payload);
}

static bool add_credit(std::uint32_t& to, std::span<const std::byte> payload) noexcept {
    const std::uint32_t grant = wire::decode_credit(payload.data());
    if (grant == 0 || grant > UINT32_MAX - to) return false;
    to += grant;
    return true;
}

wire::reason relay::note_from_partner(relayed& r, const wire::frame_header& h,
                                      std::span<const std::byte> payload) noexcept {
    const bool ends = h.has(in::conditional_end);
    switch (h.type) {
        case wire::frame_type::data: {
            const std::uint32_t charge = wire::frame_charge(h);
            if (charge > r.partner_credit) return wire::reason::credit_overrun;
            r.partner_credit -= charge;
            if (h.has(in::purging)) r.partner_owes = r.end_asked = false;
            const bool asks = h.has(in::definite_response);
            if (asks) r.program_owes = true;
            if (ends) r.partner_ended = true;
            if (ends && !asks && (!r.duplex || h.has(in::fm_header))) r.partner_done = true;
            return wire::reason::none;
        }
        case wire::frame_type::response:
            if (ends ? !r.end_asked : !r.partner_owes || r.end_asked) return wire::reason::protocol;
            r.partner_owes = false;
            return wire::reason::none;
        case wire::frame_type::credit:
            return add_credit(r.program_credit, payload) ? wire::reason::none : wire::reason::protocol;
        case wire::frame_type::signal: return wire::reason::none;
        case wire::frame_type::expedited:
            if (r.partner_expedited) return wire::reason::protocol;
            r.partner_expedited = true;
            return wire::reason::none;
        case wire::frame_type::expedited_read:
            if (!r.program_expedited) return wire::reason::protocol;
            r.program_expedited = false;
            return wire::reason::none;
        default: return wire::reason::protocol;
    }
}

wire::reason relay::from_partner(context& c, relayed& r, const wire::frame_header& h,
                                 std::span<const std::byte> payload) noexcept {
    const bool ends = h.has(in::conditional_end);
    if (const wire::reason why = note_from_partner(r, h, payload); why != wire::reason::none) return why;
    if (r.y == 0) {
        if (!ends || !h.has(in::fm_header)) return hold(c, r, h, payload);
        // It gave up before anybody was there: acknowledged here, and no program hears of it.
        session& a = *r.a;
        a.end_channel(r.x, {}, true);
        a.send_answer(c, {0, wire::frame_type::response, in::conditional_end, r.x}, {});
        end_held(c, r, 0, return_code::ok);
        return wire::reason::none;
    }
    session& s = *r.p->s;
    const bool last = ends && h.type == wire::frame_type::response;
    const std::uint32_t y = r.y;
    if (last) {
        s.end_channel(r.y, {}, true);
        r.a->end_channel(r.x, {}, true);
    }
    ++counters_.frames_to_programs;
    counters_.bytes_to_programs += wire::frame_header_size + payload.size();
    pass_on(c, s, {h.length, h.type, h.indicators, y}, payload);
    if (last) over(c, r);
    return wire::reason::none;
}

// As a program's library does for conversations that are left behind.
static bool abends(const wire::frame_header& h, std::span<const std::byte> payload) noexcept {
    constexpr std::uint32_t family = 0xFFFF0000;
    if (h.type != wire::frame_type::data || !h.has(in::fm_header | in::conditional_end)) return false;
    const wire::decoded_fmh7 report = wire::decode_fmh7(payload);
    return report.valid && (report.report.sense & family) == wire::sense::deallocate_abend;
}

wire::reason relay::from_program(context& c, relayed& r, const wire::frame_header& h,
                                 std::span<const std::byte> payload) noexcept {
    const bool ends = h.has(in::conditional_end);
    session& a = *r.a;
    bool last = false;
    const bool unheard = !r.program_heard;
    if (h.type != wire::frame_type::credit) r.program_heard = true;
    switch (h.type) {
        case wire::frame_type::data: {
            const std::uint32_t charge = wire::frame_charge(h);
            if (charge > r.program_credit) return wire::reason::credit_overrun;
            r.program_credit -= charge;
            if (h.has(in::purging)) r.program_owes = false;
            const bool asks = h.has(in::definite_response);
            if (asks) r.partner_owes = true;
            if (ends && asks) r.end_asked = true;
            if (ends && r.duplex && !h.has(in::fm_header)) r.program_ended = true;
            last = ends && !asks && (!r.duplex || h.has(in::fm_header));
            break;
        }
        case wire::frame_type::response: {
            const bool both = r.partner_done || (r.partner_ended && (!r.duplex || r.program_ended));
            if (ends ? !both : !r.program_owes) return wire::reason::protocol;
            r.program_owes = false;
            last = ends;
            break;
        }
        case wire::frame_type::credit:
            if (!add_credit(r.partner_credit, payload)) return wire::reason::protocol;
            break;
        case wire::frame_type::signal: break;
        case wire::frame_type::expedited:
            if (r.program_expedited || (a.peer_flags() & wire::hello_flag::expedited) == 0)
                return wire::reason::protocol;
            r.program_expedited = true;
            break;
        case wire::frame_type::expedited_read:
            if (!r.partner_expedited) return wire::reason::protocol;
            r.partner_expedited = false;
            break;
        case wire::frame_type::blame:
            // The partner's link is closed with the reason, as the program itself would have done on a link of its own.
            a.fail(c, wire::decode_blame(payload.data()));
            return wire::reason::none;
        default: return wire::reason::protocol;
    }
    const std::uint32_t x = r.x;
    if (last) {
        r.p->s->end_channel(r.y, {}, true);
        a.end_channel(x, {}, true);
    }
    ++counters_.frames_from_programs;
    counters_.bytes_from_programs += wire::frame_header_size + payload.size();
    // The partner's session outlives this call: over() gives its hold back at the end.
    if (!last) {
        pass_on(c, a, {h.length, h.type, h.indicators, x}, payload);
        return wire::reason::none;
    }
    // A program that leaves with the attach in its queue: nobody has accepted, so its partner may try again.
    if (unheard && abends(h, payload))
        engine_.reject_attach(c, a, x, wire::sense::tp_not_available_retry);
    else
        pass_on(c, a, {h.length, h.type, h.indicators, x}, payload);
    over(c, r);
    return wire::reason::none;
}

void relay::pass_on(context& c, session& to, const wire::frame_header& h, std::span<const std::byte> payload) noexcept {
    if (!to.send_frame(c, h, payload, h.has(in::begin))) {
        to.fail(c, wire::reason::limits);
        return;
    }
    give_up_if_unread(c, to);
}

void relay::give_up_if_unread(context& c, session& s) noexcept {
    constexpr std::uint64_t patience_ns = 5'000'000'000;
    const std::uint64_t queued = s.queued_bytes();
    const std::uint64_t bound = engine_.bounds().link_relay_bytes;
    if (queued <= bound || s.at() == session::stage::ended) return;
    // What ends have granted each other is theirs to send, and may be much for a moment; but somebody has to take it.
    const std::uint64_t written = s.written_bytes();
    if (s.seen_at == 0 || written != s.seen_written) {
        s.seen_written = written;
        s.seen_at = now_;
        if (queued <= engine_.link_unread_bytes()) return;
    } else if (queued <= engine_.link_unread_bytes() && now_ - s.seen_at < patience_ns) {
        return;
    }
    ++counters_.given_up;
    s.fail(c, wire::reason::limits);
}

// ---- ends -----------------------------------------------------------------------------------------------------------

// Both channels are settled, and nothing of it is left to be sent.
void relay::over(context& c, relayed& r) noexcept {
    relay_program& p = *r.p;
    session& a = *r.a;
    session& s = *p.s;
    --p.conversations;
    --counters_.open;
    tell(r, relay_news::kind::ended);
    free_slot(r);
    a.leave(c);
    s.leave(c);
    if (draining_ && counters_.open == 0)
        host_.news({relay_news::kind::idle, 0, 0, {}, {}, {}, {}, return_code::ok, 0});
    feed(c, p);
    settle_last(c, p);
}

void relay::abend(context& c, session& s, std::uint32_t channel, return_code code) noexcept {
    std::array<std::byte, wire::fmh7_size> report;
    const bool retry = code == return_code::resource_failure_retry;
    wire::encode_fmh7(report.data(), {retry ? wire::sense::link_failure : wire::sense::partner_inoperative, false});
    (void)s.send_frame(c, {wire::fmh7_size, wire::frame_type::data, in::fm_header | in::conditional_end, channel},
                       report);
}

void relay::link_lost(context& c, session& s, std::uint64_t value, return_code code) noexcept {
    relayed& r = slots_[static_cast<std::size_t>(value - channel_map<>::relayed_first)];
    if (!r.in_use || (r.a != &s && (r.p == nullptr || r.p->s != &s))) return;
    if (r.a == &s) {
        s.end_channel(r.x, {}, true);
        if (r.y == 0) {
            end_held(c, r, 0, return_code::ok);
            return;
        }
        // After its last word nothing may be said in its name; otherwise the program hears what a lost link gives.
        session& to = *r.p->s;
        to.end_channel(r.y, {}, false, r.duplex);
        if (!r.partner_done) abend(c, to, r.y, code);
    } else {
        s.end_channel(r.y, {}, true);
        // After a request to confirm the end nothing may be said before the answer.
        if (r.end_asked && !r.partner_ended) {
            (void)r.a->end_unanswered(r.x, {});
        } else {
            r.a->end_channel(r.x, {}, true);
            if (r.program_heard)
                abend(c, *r.a, r.x, code);
            else
                engine_.reject_attach(c, *r.a, r.x, wire::sense::tp_not_available_retry);
        }
    }
    over(c, r);
}

// ---- programs' links ------------------------------------------------------------------------------------------------

void relay::program_open(context& c, session& s) noexcept {
    relay_program& p = *s.program;
    p.open = true;
    relay_news n;
    n.what = relay_news::kind::joined;
    n.program = p.id;
    host_.news(n);
    feed(c, p);
    settle_last(c, p);
}

void relay::program_lost(context& c, session& s) noexcept {
    if (s.program == nullptr) return;
    relay_program& p = *s.program;
    p.open = false;
    forget(c, p);
    relay_news n;
    n.what = relay_news::kind::left;
    n.program = p.id;
    const wire::reason why = s.ended_because();
    n.text = wire::text(why);
    if (!wire::may_pass(why) || why == wire::reason::limits) n.code = return_code::resource_failure_no_retry;
    host_.news(n);
    s.program = nullptr;
    --counters_.programs;
    // Somebody further up may still be at work for it; tick() is above them all.
    p.next_gone = gone_;
    gone_ = &p;
}

void relay::forget(context& c, relay_program& p) noexcept {
    for (const auto& r : routes_) {
        std::erase_if(r->targets, [&](const relay_target& t) { return t.program == &p; });
        std::erase(r->registered, &p);
    }
    // Back to where they came from, in the order in which they came; the last first, since each goes to the front.
    while (p.last != nullptr) {
        relayed& r = *p.last;
        wait_no_more(r);
        wait(r, true);
        tell(r, relay_news::kind::attach_returned);
        feed(c, *r.to);
    }
}

wire::reason relay::taken(session& s, std::uint64_t attach) noexcept {
    if (s.program == nullptr) return wire::reason::none;
    if (s.program->untaken == 0) return wire::reason::protocol;
    --s.program->untaken;
    relay_news n;
    n.what = relay_news::kind::accepted;
    n.attach = attach;
    n.program = s.program->id;
    n.open = s.program->conversations;
    if (relayed* const r = find_attach(attach); r != nullptr) {
        if (r->p != s.program) return wire::reason::none;
        r->program_heard = true;
        n.tp = r->to->name.view();
    }
    host_.news(n);
    return wire::reason::none;
}

void relay::serve(context& c, session& s, const wire::serving& said) noexcept {
    if (s.program == nullptr) return;
    // Each word may be news, and a program may change its mind as fast as it can write.
    if (!host_.hears(s.program->id)) {
        s.fail(c, wire::reason::limits);
        return;
    }
    const wire::serve_result result = decide(c, *s.program, said);
    std::array<std::byte, wire::serving_size_max> answer;
    const std::size_t n = wire::encode_serving(answer, wire::frame_type::served, result, said.what, said.name.view());
    s.send_answer(c, {static_cast<std::uint16_t>(n), wire::frame_type::served, 0, 0}, std::span{answer}.first(n));
}

wire::serve_result relay::decide(context& c, relay_program& p, const wire::serving& said) noexcept {
    using result = wire::serve_result;
    route* const r = find(said.name.view());
    relay_news n;
    n.program = p.id;
    n.tp = said.name.view();
    if (r == nullptr || r->now == tp_registry::status::released) return result::unknown;
    const bool known = std::find(r->registered.begin(), r->registered.end(), &p) != r->registered.end();
    if (said.what == wire::serve_what::no_more) {
        if (!known) return result::ok;
        std::erase(r->registered, &p);
        route_to(c, said.name.view(), p.id, 0);
        n.what = relay_news::kind::unregistered;
        host_.news(n);
        return result::ok;
    }
    if (known) return result::ok;
    if (!r->rules.registrable) return result::forbidden;
    if (r->rules.one_program && !r->registered.empty()) return result::taken;
    try {
        r->registered.push_back(&p);
    } catch (const std::bad_alloc&) {
        return result::full;
    }
    n.what = relay_news::kind::registered;
    host_.news(n);
    return result::ok;
}

}  // namespace colloquy::runtime
