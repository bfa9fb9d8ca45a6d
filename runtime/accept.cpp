// Where attaches meet Accept_Conversation.
//
// One word counts the attaches that are queued and the accepts that wait; both are above zero never. Who comes second
// takes who came first, so each pair is made by exactly one read-modify-write. The queues behind the word hold the
// identities: an entry is enqueued right after it was counted, and a taker that does not see it yet looks again.
// Progress: lock-free but for that look, which lasts as long as the other thread needs for one enqueue.
//
// An accept that is cancelled stays counted, as stale, until a taker comes upon it or the next Accept takes over its
// count.
//   accepts waiting = live ones + accepting_stale_
//   entries = live ones + accepting_stale_ + accepting_surplus_
// The surplus are stale entries whose count a later Accept has taken over. Each such Accept looks at the two oldest
// entries, so that the queue keeps to about twice the live ones however often accepts are given up.
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "runtime/cleanse.hpp"
#include "runtime/engine.hpp"
#include "runtime/flow.hpp"
#include "runtime/relay.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

namespace in = wire::indicator;

constexpr std::uint64_t one_queued = std::uint64_t{1} << 32;
constexpr std::uint64_t one_waiting = 1;
constexpr std::uint32_t queued(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w >> 32); }
constexpr std::uint32_t waiting(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w); }

}  // namespace

conversation* engine::take_attached(context& c) noexcept {
    conversation* taken = nullptr;
    std::uint64_t w = accept_.load_acquire();
    while (taken == nullptr) {
        if (queued(w) == 0) return nullptr;
        if (!accept_.cas_acq_rel(w, w - one_queued)) continue;
        std::uint64_t id_value = 0;
        while (!attached_.try_dequeue(id_value)) {  // counted, and about to be visible
        }
        const conversation_id id{id_value};
        taken = find(id);
        for (;;) {
            std::uint64_t seen = 0;
            const auto result = taken->word.claim(id.generation(), seen);
            if (result == state_word<>::claim_result::claimed) break;
            // Busy: the driver is setting it up or bringing a frame. Nobody else knows the id yet, so it goes stale
            // only when everything is ended.
            if (result != state_word<>::claim_result::stale) continue;
            taken = nullptr;
            break;
        }
        w = accept_.load_acquire();
    }
    leave_accept_queue(*taken);
    tell_taken(c, *taken);
    return taken;
}

void engine::leave_accept_queue(conversation& v) noexcept {
    tps_.at(v.tp_index).waiting.fetch_sub_relaxed(1);
    if (!v.said.attach_budget) return;
    v.link->attach_charge.fetch_sub_relaxed(v.attach_charge);
    v.said.attach_budget = 0;
    v.attach_charge = 0;
}

// The driver may be bringing frames to `from` at the same time. It finds its conversation in the channel's entry, so
// once that names `to` and the life of `from` has ended, whatever it still brought there is complete when our pin is
// the only one left.
void engine::move_attached(context& c, conversation& from, conversation& to) noexcept {
    to.link = from.link;
    to.channel = from.channel;
    to.send_credit = from.send_credit;
    to.received = from.received;
    to.received_last = from.received_last;
    to.window = from.window;
    to.allowance = from.allowance;
    to.consumed = from.consumed;
    to.attach_charge = from.attach_charge;
    to.reader = from.reader;
    to.heard = from.heard;
    to.chosen.conversation_type = from.chosen.conversation_type;
    to.chosen.sync_level = from.chosen.sync_level;
    to.chosen.security_type = from.chosen.security_type;
    to.chosen.full_duplex = from.chosen.full_duplex;
    to.said = from.said;
    to.unread_uncharged = from.unread_uncharged;
    to.tp_index = from.tp_index;
    to.fate = from.fate;
    to.state = from.state;
    drop_names(c, to);
    to.names = std::exchange(from.names, no_names);
    if (from.said.expedited_waiting) {
        aside_of(to).expedited_size = aside_of(from).expedited_size;
        std::memcpy(aside_of(to).expedited, aside_of(from).expedited, aside_of(from).expedited_size);
    }
    (void)from.word.pin(from.generation);
    if (from.channel != 0) from.link->rename_channel(to.id(), from.channel);
    from.link = nullptr;
    from.channel = 0;
    from.received = from.received_last = nullptr;
    from.window = from.allowance = from.consumed = 0;
    std::uint64_t flags = 0;
    (void)from.word.retire(&flags);  // never free at once: we hold a pin
    counters_.add(counter::conversations_closed, 1, c.counts);
    while (word_bits::pins(from.word.load()) != 1) {
        // The driver is about to have pushed a frame, or to have announced.
    }
    for (const flag f : {flag::request_to_send, flag::link_lost})
        if ((flags & state_word<>::bit(f)) != 0) (void)to.word.raise(to.generation, f);
    to.granted.fetch_add_acq_rel(from.granted.exchange_acquire(0));
    flow{*this, c, to}.absorb_from(take_arrivals(from));
    unpin(c, from);
}

// Takes the oldest entry away if it is stale and can be spared; otherwise it goes to the end.
void engine::drop_surplus(context& c) noexcept {
    std::uint64_t entry = 0;
    if (!accepting_.try_dequeue(entry)) return;
    const conversation_id whose{entry};
    // Somebody may be looking at a live one; one that was withdrawn is not waiting any more.
    const std::uint64_t seen = find(whose)->word.load();
    const phase now = word_bits::phase_of(seen);
    const bool stale =
        word_bits::generation(seen) != whose.generation() || (now != phase::pending && now != phase::delivering);
    std::uint32_t surplus = accepting_surplus_.load_acquire();
    bool spared = false;
    while (stale && !spared && surplus != 0 && surplus <= INT32_MAX)
        spared = accepting_surplus_.cas_acq_rel(surplus, surplus - 1);
    if (!spared) accepting_.enqueue(entry, c.hint);
}

conversation* engine::wait_for_attach(context& c, conversation& v) noexcept {
    std::uint32_t stale = accepting_stale_.load_relaxed();
    while (stale != 0 && !accepting_stale_.cas_acq_rel(stale, stale - 1)) {
    }
    if (stale == 0) {
        std::uint64_t w = accept_.load_acquire();
        for (;;) {
            if (queued(w) != 0) {
                if (conversation* attached = take_attached(c); attached != nullptr) {
                    return attached;
                }
                w = accept_.load_acquire();
            } else if (accept_.cas_acq_rel(w, w + one_waiting)) {
                break;
            }
        }
    } else {
        // We stand in for a cancelled one, with an entry of our own.
        accepting_surplus_.fetch_add_acq_rel(1);
        drop_surplus(c);
        drop_surplus(c);
    }
    v.op.waitable = v.op.channel == notify::wait_queue;
    if (v.op.waitable) outstanding_.fetch_add_acq_rel(1);
    if (v.op.deadline_ns != 0) {
        v.deadline.store_relaxed(v.op.deadline_ns);  // relaxed: whoever finds it takes the slot before it acts
        host_.deadline_set(c, v);
    }
    if (v.op.channel == notify::queue_level) begin_at_queue_level(c, v, queue::main, v.op);
    const std::uint64_t id = v.id().value;
    std::uint64_t seen = 0;
    while (!v.word.leave(phase::pending, v.state, seen)) {
    }
    accepting_.enqueue(id, c.hint);
    host_.operation_outstanding();
    return nullptr;
}

// A slot for an attach, owned: that of an accept that waits (`waiter`), or a fresh one which is counted as queued and
// must be enqueued by publish_attached.
conversation* engine::slot_for_attach(context& c, bool& waiter, conversation* ready) noexcept {
    conversation* fresh = ready;
    std::uint64_t w = accept_.load_acquire();
    for (;;) {
        if (waiting(w) == 0) {
            if (fresh == nullptr) fresh = open(c, conversation_state::receive);
            if (fresh == nullptr) return nullptr;
            if (!accept_.cas_acq_rel(w, w + one_queued)) continue;
            waiter = false;
            attached_.enqueue(fresh->id().value, c.hint);
            return fresh;
        }
        if (!accept_.cas_acq_rel(w, w - one_waiting)) continue;
        for (;;) {
            std::uint64_t id_value = 0;
            while (!accepting_.try_dequeue(id_value)) {
            }
            const conversation_id id{id_value};
            conversation& v = *find(id);
            auto taken = v.word.take(id.generation());
            // A canceller, or somebody who looks at it and puts it back: which of the two shows in a moment.
            while (taken == state_word<>::take_result::owned) taken = v.word.take(id.generation());
            if (taken == state_word<>::take_result::from_pending && v.op.kind == verb::accept) {
                if (fresh != nullptr && ready == nullptr) retire(c, *fresh);
                waiter = true;
                return &v;
            }
            // It was withdrawn, or bound by an older entry of its own, and waits for something else now.
            if (taken == state_word<>::take_result::from_pending) put_back(c, v, phase::pending);
            if (taken == state_word<>::take_result::from_idle) leave_idle(c, v);  // it was withdrawn
            // Read-modify-write: `take` may have learnt of the accept's end by a load that orders nothing.
            std::uint32_t stale = accepting_stale_.fetch_or_acq_rel(0);
            while (stale != 0 && !accepting_stale_.cas_acq_rel(stale, stale - 1)) {
            }
            if (stale != 0) break;  // the count we took was the stale one's
            // Its count was taken over by a live one, whose entry is in the queue or about to be, and which is about to
            // say so: below zero for that moment.
            accepting_surplus_.fetch_sub_acq_rel(1);
        }
        w = accept_.load_acquire();
    }
}

// The manager that passed the attach on hears that a program has it.
void engine::tell_taken(context& c, conversation& v) noexcept {
    if (!v.said.relayed || v.link == nullptr) return;
    std::array<std::byte, wire::taken_size> number;
    wire::store_u64(number.data(), details(v).attach);
    (void)v.link->send_frame(c, {wire::taken_size, wire::frame_type::taken, 0, 0}, number);
}

void engine::reject_attach(context& c, session& s, std::uint32_t channel, std::uint32_t sense) noexcept {
    counters_.add(counter::attaches_refused, 1, c.counts);
    if (auto* e = s.channels(wire::channel_side(channel)).need(wire::channel_index(channel)); e != nullptr)
        e->value.store_release(channel_map<>::ended);
    std::array<std::byte, wire::fmh7_size> report;
    wire::encode_fmh7(report.data(), {sense, false});
    s.send_answer(c, {wire::fmh7_size, wire::frame_type::data, in::fm_header | in::conditional_end, channel}, report);
}

wire::reason engine::on_attach(context& c, session& s, const wire::frame_header& h,
                               std::span<const std::byte> payload) noexcept {
    counters_.add(counter::attaches_received, 1, c.counts);
    const std::uint32_t charge = wire::frame_charge(h.length);
    if (charge > limits_.window_bytes) return wire::reason::credit_overrun;
    std::uint32_t grant = 0;
    wire::attach a;
    const wire::attach_result parsed = wire::decode_attach_section(payload, grant, a);
    const auto reject = [&](std::uint32_t sense) {
        reject_attach(c, s, h.channel, sense);
        return wire::reason::none;
    };
    struct secret_gone {  // neither here nor where it was read from
        wire::attach& a;
        std::span<const std::byte> section;
        bool whole;
        ~secret_gone() {
            if (!whole || !a.password.empty()) cleanse(const_cast<std::byte*>(section.data()), section.size());
            if (whole && !a.password.empty()) cleanse(a.password);
        }
    } forget{a, parsed.sense == 0 ? payload.first(parsed.size) : payload, parsed.sense == 0};
    if (parsed.sense != 0) return reject(parsed.sense);
    relay::route* const route = relay_ == nullptr ? nullptr : relay_->find(a.tp_name.view());
    tp_registry::entry* tp = route == nullptr ? tps_.find(a.tp_name.view()) : nullptr;
    // What the manager passes on is for this program, whether it has said so or not.
    if (tp == nullptr && s.role == link_role::manager &&
        tps_.add(a.tp_name.view(), limits_.accept_queue) == tp_registry::add_result::added)
        tp = tps_.find(a.tp_name.view());
    const auto now = route != nullptr ? route->now
                     : tp == nullptr  ? tp_registry::status::unused
                                      : tp->now.load_acquire();
    if (now == tp_registry::status::stopped) return reject(wire::sense::tp_not_available_no_retry);
    if (now != tp_registry::status::serving) return reject(wire::sense::tpn_not_recognized);
    if (a.sync_level > 1 || (a.full_duplex && a.sync_level != 0)) return reject(wire::sense::sync_level_not_supported);
    const auto refuse_user = [&](host::user_refusal why) {
        host_.user_refused(s, a, why);
        return reject(wire::sense::security_not_valid);
    };
    // Verified by the partner, or to be verified here. What a manager passes on it has looked at, but for the password.
    const bool verified = a.already_verified && !a.user_id.empty() && a.password.empty();
    const bool brings_user = !a.user_id.empty() || !a.password.empty() || a.password_substitute;
    const bool asks = !verified && (brings_user || limits_.users_required);
    if (brings_user && s.role != link_role::manager) {
        if (!s.confidential && !limits_.users_in_clear) return refuse_user(host::user_refusal::in_clear);
        if (verified && !s.takes_users) return refuse_user(host::user_refusal::not_trusted);
    }
    if (a.password_substitute) return refuse_user(host::user_refusal::not_asked);
    if (a.has_pip) return reject(wire::sense::pip_not_allowed);
    if (route != nullptr) {
        if (s.at() != session::stage::open || !s.attach_in_rate()) return reject(wire::sense::tp_not_available_retry);
        return relay_->attach(c, s, h, payload, *route, a, grant);
    }
    if (s.at() != session::stage::open || !s.attach_in_rate() ||
        s.attach_charge.load_relaxed() + charge > limits_.link_attach_bytes ||
        queued(accept_.load_acquire()) >= limits_.accept_queue ||
        tp->waiting.load_relaxed() >= tp->queue_max.load_relaxed())
        return reject(wire::sense::tp_not_available_retry);
    if (!inbound_.reserve(limits_.window_bytes)) return reject(wire::sense::tp_not_available_retry);

    // Only those whose attach brought some have names beside the link's and the TP's.
    const bool named = !a.user_id.empty() || !a.mode_name.empty();
    const bool relayed = s.role == link_role::manager;
    const auto names = named || relayed ? names_.take(c.hint) : std::nullopt;
    if ((named || relayed) && !names) {
        inbound_.unreserve(limits_.window_bytes);
        return reject(wire::sense::tp_not_available_retry);
    }

    auto* const entry = s.channels(wire::channel_side(h.channel)).need(wire::channel_index(h.channel));
    bool waiter = false;
    conversation* slot = nullptr;
    if (entry != nullptr) slot = asks ? open(c, conversation_state::receive) : slot_for_attach(c, waiter);
    host::user_check check = host::user_check::granted;
    if (slot != nullptr && asks) check = host_.check_user(c, s, a, slot->id());
    if (slot == nullptr || check == host::user_check::refused || check == host::user_check::busy) {
        if (slot != nullptr) retire(c, *slot);
        if (names) names_.drop(*names, c.hint);
        inbound_.unreserve(limits_.window_bytes);
        return reject(check == host::user_check::refused ? wire::sense::security_not_valid
                                                         : wire::sense::tp_not_available_retry);
    }
    conversation* const v = slot;
    v->link = &s;
    v->channel = h.channel;
    v->window = v->allowance = limits_.window_bytes;
    v->send_credit = grant;
    v->chosen.sync_level = a.sync_level & 3;
    v->chosen.conversation_type = a.mapped;
    v->chosen.security_type = a.user_id.empty() ? 0 : verified ? 1 : 2;
    v->chosen.full_duplex = a.full_duplex;
    if (a.full_duplex)
        v->said.has_turn = 1;
    else
        v->said.peer_turns = 1;
    v->tp_index = tps_.index_of(*tp);
    drop_names(c, *v);  // those of an Accept_Incoming that waited for it
    if (names) {
        v->names = *names;
        particulars& d = details(*v);
        d.reset();
        d.mode_name = a.mode_name;
        d.user_id = a.user_id;
        if (relayed) {
            (void)d.partner_lu_name.assign(s.origin().lu_name.view());
            d.attach = s.origin().attach;
        } else {
            share_names(c, *v);
        }
    }
    v->said.relayed = relayed;
    if (relayed) {
        v->said.no_expedited = (s.origin().flags & wire::hello_flag::expedited) == 0;
    }
    v->state = a.full_duplex ? conversation_state::send_receive : conversation_state::receive;
    s.adopt_channel(v->id(), h.channel);
    if (!waiter) {
        v->said.attach_budget = 1;
        tp->waiting.fetch_add_relaxed(1);
    }
    // The whole frame is charged; what follows the attach is the conversation's first data.
    buffer* none = nullptr;
    const std::span<const std::byte> rest = payload.subspan(parsed.size);
    v->allowance -= charge;
    wire::reason why = wire::reason::none;
    flow f{*this, c, *v};
    if (rest.empty() && (h.indicators & ~in::begin) == 0)
        v->consumed += charge;
    else {
        v->allowance += charge;
        why = f.admit(h.indicators, rest, charge, none, false);
        if (rest.empty()) {
            // Indicators alone are not charged by admit(), but this frame was.
            v->allowance -= charge;
            v->consumed += charge;
        }
    }
    if (waiter) {
        tell_taken(c, *v);
        complete(c, *v, return_code::ok);
    } else {
        const conversation_id id = v->id();
        leave_idle(c, *v);
        if (asks && check == host::user_check::granted) settle_attach(c, id, check);
    }
    return why;
}

// Until then the conversation was in nobody's queue, so that the end of everything is all that can have come between.
void engine::settle_attach(context& c, conversation_id id, host::user_check verdict) noexcept {
    conversation& v = *find(id);
    for (;;) {
        std::uint64_t seen = 0;
        const auto result = v.word.claim(id.generation(), seen);
        if (result == state_word<>::claim_result::claimed) break;
        if (result == state_word<>::claim_result::stale) return;
    }
    if (verdict == host::user_check::granted) {
        bool waiter = false;
        conversation& to = *slot_for_attach(c, waiter, &v);
        if (!waiter) {
            leave_idle(c, v);
            return;
        }
        leave_accept_queue(v);
        move_attached(c, v, to);
        tell_taken(c, to);
        complete(c, to, return_code::ok);
        return;
    }
    counters_.add(counter::attaches_refused, 1, c.counts);
    leave_accept_queue(v);
    flow f{*this, c, v};
    (void)f.purge();
    f.abend(verdict == host::user_check::busy ? wire::sense::tp_not_available_retry : wire::sense::security_not_valid);
    v.state = conversation_state::reset;
    end_life(c, v);
}

}  // namespace colloquy::runtime
