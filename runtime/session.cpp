#include "runtime/session.hpp"

#include <cstring>

#include "runtime/cleanse.hpp"
#include "runtime/engine.hpp"
#include "runtime/prefetch.hpp"
#include "runtime/relay.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::size_t gather_bytes_max = 64 * 1024;
constexpr std::size_t copy_together_max = 2'048;   // below this a copy costs less than a slice of its own
constexpr std::size_t landing_min = 4'096;         // larger frames are read to where they will stay
constexpr std::uint8_t is_answer = 1;              // user1 of a frame that waits to be written
constexpr std::uint32_t heartbeat_floor_ms = 200;  // a partner that asks for more often is not obliged

}  // namespace

// Hands news to the conversation that the entry names. One that has moved to another slot meanwhile is followed there.
template <class Deliver>
static void to_conversation(channel_map<>::entry& e, Deliver&& deliver) noexcept {
    std::uint64_t value = e.value.load_acquire();  // acquire[channel]
    while (value > channel_map<>::last_mark) {
        bool stale = false;
        deliver(conversation_id{value}, stale);
        if (!stale) return;
        const std::uint64_t now = e.value.load_acquire();
        if (now == value) return;
        value = now;
    }
}

session::~session() {
    context c;
    forget_rest(c);
    free_output(c, queue_);
    free_output(c, gathered_);
    free_output(c, staging_);
    (void)output_.try_take_duty();
    free_output(c, output_.take_all());
}

// ---- output ---------------------------------------------------------------------------------------------------------

void session::send(context& c, buffer* frame) noexcept {
    if (at() == stage::ended) {
        engine_.release_outbound(c, frame);
        return;
    }
    // relaxed: the count bounds memory; wait_for_room() and written() synchronise on the waiters bit of the same word.
    room_.fetch_add_relaxed(frame->size());
    c.output_bytes += frame->size();
    engine_.count().add(counter::frames_sent, 1, c.counts);
    if (output_.push(frame)) engine_.world().write_duty(c, *this);
}

bool session::crowded() const noexcept {
    return (room_.load_relaxed() & ~room_waiters) > engine_.bounds().link_output_bytes;
}

bool session::wait_for_room(context& c, conversation& v) noexcept {
    if (v.listed.exchange_acquire(1) != 0) return true;  // it stands in the list already and will be called
    (void)v.word.pin(v.generation);
    v.waiting.who = &v;
    crowd_.push(&v.waiting);
    // release[room]: the push above is seen by the writer that finds the bit.
    const std::uint64_t before = room_.fetch_or_acq_rel(room_waiters);
    if ((before & ~room_waiters) > engine_.bounds().link_output_bytes / 2 && at() != stage::ended) return true;
    // The writer made room before it could see the bit: serve the list ourselves.
    room_.fetch_and_acq_rel(~room_waiters);
    bool still_listed = true;
    waiting_node* list = crowd_.take_all();
    waiting_node* others = nullptr;
    while (list != nullptr) {
        waiting_node* const next = list->next;
        if (list->who == &v) {
            v.listed.store_release(0);
            engine_.unpin(c, v);
            still_listed = false;
        } else {
            list->next = others;
            others = list;
        }
        list = next;
    }
    engine_.on_room(c, others);
    return still_listed;
}

std::size_t session::gather(context& c, slice* out, std::size_t max) noexcept {
    for (;;) {
        if (queue_ == nullptr) {
            queue_ = output_.take_all();
            if (queue_ == nullptr) {
                if (output_.try_retire()) return 0;
                continue;
            }
        }
        break;
    }
    std::size_t count = 0;
    std::size_t bytes = 0;
    std::size_t staged = 0;  // start of the staging part that is not in a slice yet
    std::uint64_t answers = 0;
    buffer* gathered_last = nullptr;
    const bool alone = queue_->next == nullptr;
    if (!alone && staging_ == nullptr) staging_ = engine_.outbound_pool().allocate(gather_bytes_max, c.hint);

    const auto close_staged = [&] {
        if (staging_ == nullptr || staged == staging_->end) return;
        out[count++] = {staging_->bytes() + staged, staging_->end - staged};
        staged = staging_->end;
    };
    while (queue_ != nullptr && bytes < gather_bytes_max && count + 2 < max) {
        buffer* const frame = queue_;
        const std::size_t size = frame->size();
        const bool copy = !alone && staging_ != nullptr && size <= copy_together_max;
        if (copy && size > staging_->room()) break;
        queue_ = frame->next;
        bytes += size;
        answers += frame->user1;
        if (copy) {
            staging_->user2 |= frame->user2;
            std::memcpy(staging_->bytes() + staging_->end, frame->bytes() + frame->begin, size);
            staging_->end += static_cast<std::uint32_t>(size);
            engine_.release_outbound(c, frame);
            continue;
        }
        close_staged();
        out[count++] = {frame->bytes() + frame->begin, size};
        frame->next = nullptr;
        (gathered_last == nullptr ? gathered_ : gathered_last->next) = frame;
        gathered_last = frame;
    }
    close_staged();
    gathered_bytes_ = bytes;
    if (answers != 0) answers_.fetch_sub_relaxed(answers);  // relaxed: the count bounds memory
    engine_.count().add(counter::writes, 1, c.counts);
    engine_.count().add(counter::bytes_sent, bytes, c.counts);
    return count;
}

buffer* session::take_frames(context& c) noexcept {
    for (;;) {
        buffer* list = output_.take_all();
        if (list == nullptr) {
            if (output_.try_retire()) return nullptr;
            continue;
        }
        std::uint64_t bytes = 0;
        std::uint64_t answers = 0;
        for (const buffer* b = list; b != nullptr; b = b->next) {
            bytes += b->size();
            answers += b->user1;
        }
        if (answers != 0) answers_.fetch_sub_relaxed(answers);  // relaxed: the count bounds memory
        engine_.count().add(counter::writes, 1, c.counts);
        engine_.count().add(counter::bytes_sent, bytes, c.counts);
        wrote_.store_relaxed(1);
        after_output(c, bytes);
        return list;
    }
}

void session::written(context& c) noexcept {
    free_output(c, gathered_);
    gathered_ = nullptr;
    if (staging_ != nullptr) {
        engine_.release_outbound(c, staging_);
        staging_ = nullptr;
    }
    wrote_.store_relaxed(1);
    after_output(c, gathered_bytes_);
}

void session::after_output(context& c, std::uint64_t bytes) noexcept {
    written_.fetch_add_relaxed(bytes);  // relaxed: only looked at for a change
    // acquire[room]: sees the list of those that raised the bit before.
    const std::uint64_t before = room_.fetch_sub_acq_rel(bytes);
    if ((before & room_waiters) == 0) return;
    if ((before & ~room_waiters) - bytes > engine_.bounds().link_output_bytes / 2) return;
    room_.fetch_and_acq_rel(~room_waiters);
    engine_.on_room(c, crowd_.take_all());
}

void session::stop_writing(context& c) noexcept {
    free_output(c, gathered_);
    free_output(c, queue_);
    gathered_ = queue_ = nullptr;
    if (staging_ != nullptr) engine_.release_outbound(c, staging_);
    staging_ = nullptr;
    free_output(c, output_.take_all());  // the duty is kept: what is still pushed is freed when the session is recycled
    room_.fetch_and_acq_rel(0);
    engine_.on_room(c, crowd_.take_all());
}

void session::free_output(context& c, buffer* list) noexcept {
    while (list != nullptr) {
        buffer* const next = list->next;
        engine_.release_outbound(c, list);
        list = next;
    }
}

bool session::send_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload,
                         bool secret) noexcept {
    buffer* b = engine_.control(c, payload.size());
    if (b == nullptr) return false;
    if (secret) b->user2 = engine::outbound_secret;
    if (!payload.empty()) std::memcpy(b->bytes() + b->end, payload.data(), payload.size());
    b->end += static_cast<std::uint32_t>(payload.size());
    wire::encode_header(b->bytes() + b->begin, h);
    send(c, b);
    return true;
}

void session::send_answer(context& c, const wire::frame_header& h, std::span<const std::byte> payload) noexcept {
    buffer* const b = engine_.answer(payload.size());
    if (b == nullptr) return;
    if (!payload.empty()) std::memcpy(b->bytes() + b->end, payload.data(), payload.size());
    b->end += static_cast<std::uint32_t>(payload.size());
    b->user1 = is_answer;
    wire::encode_header(b->bytes() + b->begin, h);
    // relaxed: the count bounds memory
    if (answers_.fetch_add_relaxed(1) >= engine_.bounds().link_unread_answers()) condemn(wire::reason::limits);
    send(c, b);
}

void session::send_link_frame(context& c, wire::frame_type type, std::span<const std::byte> payload) noexcept {
    (void)send_frame(c, {static_cast<std::uint16_t>(payload.size()), type, 0, 0}, payload);
}

void session::send_hello(context& c) noexcept {
    wire::hello h;
    h.flags = wire::hello_flag::expedited | wire::hello_flag::full_duplex | wire::hello_flag::relay;
    if (takes_users) h.flags |= wire::hello_flag::users;
    if (role == link_role::manager) h.flags |= wire::hello_flag::callers;
    h.channels_max = engine_.bounds().link_conversations;
    h.attach_credit = engine_.bounds().window_bytes;
    h.heartbeat_ms = engine_.bounds().heartbeat_ms;
    h.instance = engine_.instance();
    (void)h.lu_name.assign(engine_.lu_name());
    std::array<std::byte, wire::hello_size_plain_max> bytes;
    const std::size_t n = wire::encode_hello(bytes, h);
    send_link_frame(c, wire::frame_type::hello, std::span{bytes}.first(n));
}

void session::send_reason(context& c, wire::frame_type type, wire::reason why) noexcept {
    std::array<std::byte, wire::reason_size_max> bytes;
    const std::size_t n = wire::encode_reason(bytes, why, wire::text(why));
    send_link_frame(c, type, std::span{bytes}.first(n));
}

// ---- channels -------------------------------------------------------------------------------------------------------

session::begin_result session::begin_channel(conversation_id id, std::uint32_t& channel) noexcept {
    std::uint32_t index = 0;
    if (!own_channels_.acquire(index)) return begin_result::full;
    // release[channel]: the slot is set up before the driver finds it here.
    own_channels_.find(index)->value.store_release(id.value);
    if ((bound_.fetch_add_acq_rel(1) & bound_ended) != 0) {
        bound_.fetch_sub_acq_rel(1);
        own_channels_.find(index)->value.store_release(channel_map<>::ended);
        return begin_result::ended;
    }
    channel = wire::make_channel(side_, index);
    return begin_result::begun;
}

void session::adopt_channel(conversation_id id, std::uint32_t channel) noexcept {
    holds_.fetch_add_relaxed(1);
    bound_.fetch_add_acq_rel(1);
    if (auto* e = peer_channels_.need(wire::channel_index(channel)); e != nullptr) e->value.store_release(id.value);
}

void session::rename_channel(conversation_id id, std::uint32_t channel) noexcept {
    // release[channel]
    if (auto* const e = entry_of(channel); e != nullptr) e->value.store_release(id.value);
}

// The entry of a number says already that it has ended, unless it is ours.
void session::free_number(std::uint32_t channel) noexcept {
    if (wire::channel_side(channel) != side_) return;
    entry_of(channel)->value.store_release(channel_map<>::ended);
    own_channels_.release(wire::channel_index(channel));
}

static std::uint64_t awaits(bool duplex) noexcept {
    return duplex ? channel_map<>::awaiting_duplex_end : channel_map<>::awaiting_end;
}

bool session::end_channel(std::uint32_t channel, conversation_id holder, bool acknowledged, bool duplex) noexcept {
    auto* const e = entry_of(channel);
    if (e == nullptr) return true;
    if (wire::channel_side(channel) != side_) {
        std::uint64_t expected = holder.value;
        if (holder.value == 0)
            e->value.store_release(channel_map<>::ended);
        else
            (void)e->value.cas_acq_rel(expected, channel_map<>::ended);  // release[channel]
        return true;
    }
    if (!acknowledged && e->part(awaits(duplex))) return false;
    free_number(channel);
    return true;
}

bool session::send_last(context& c, buffer* frame, std::uint32_t channel, conversation_id holder,
                        bool duplex) noexcept {
    if (wire::channel_side(channel) != side_) {
        // Our frame lets the partner use the number again, so its entry is ready for that before.
        (void)end_channel(channel, holder, false);
        send(c, frame);
        return true;
    }
    auto* const e = entry_of(channel);
    const std::uint64_t mark = awaits(duplex);
    if (!e->part(mark | channel_map<>::unsent)) {
        engine_.release_outbound(c, frame);
        free_number(channel);
        return true;
    }
    send(c, frame);
    if (e->sent(mark)) return false;
    free_number(channel);
    return true;
}

bool session::settle(std::uint32_t channel, std::uint64_t seen) noexcept {
    auto* const e = entry_of(channel);
    if (e == nullptr || !e->settle(seen)) return false;
    free_number(channel);
    return true;
}

void session::settle_late(context& c, std::uint32_t channel, wire::frame_type type, std::uint8_t indicators) noexcept {
    auto* const e = entry_of(channel);
    if (e != nullptr) after_end(c, {0, type, indicators, channel}, e->value.load_acquire());  // acquire[channel]
}

// A frame on a channel that has ended here; false: its entry does not say so. The partner's last word ends it for good.
bool session::after_end(context& c, const wire::frame_header& h, std::uint64_t value) noexcept {
    const bool response = h.type == wire::frame_type::response;
    const bool data = h.type == wire::frame_type::data;
    const bool ends = h.has(wire::indicator::conditional_end);
    switch (value) {
        case channel_map<>::ended: return true;
        case channel_map<>::awaiting_end:
        case channel_map<>::awaiting_end | channel_map<>::unsent:
            if (ends && (response || (data && !h.has(wire::indicator::definite_response))))
                (void)settle(h.channel, value);
            return true;
        case channel_map<>::awaiting_duplex_end:
        case channel_map<>::awaiting_duplex_end | channel_map<>::unsent:
            if (ends && (response || h.has(wire::indicator::fm_header))) (void)settle(h.channel, value);
            return true;
        case channel_map<>::awaiting_answer: on_unanswered(c, h); return true;
        default: return false;
    }
}

bool session::note_answer(std::uint32_t channel, conversation_id id) noexcept {
    auto* const e = entry_of(channel);
    std::uint64_t expected = id.value;
    return e != nullptr && e->value.cas_acq_rel(expected, channel_map<>::answered);
}

bool session::take_back_answer(std::uint32_t channel, conversation_id id) noexcept {
    auto* const e = entry_of(channel);
    std::uint64_t expected = channel_map<>::answered;
    if (e != nullptr) (void)e->value.cas_acq_rel(expected, id.value);  // release[channel]
    // Read-modify-write of the word that lost() marks before it looks at the entries: one of us sees the other.
    return (bound_.fetch_or_acq_rel(0) & bound_ended) != 0;
}

bool session::end_unanswered(std::uint32_t channel, conversation_id holder) noexcept {
    auto* const e = entry_of(channel);
    if (e == nullptr) return false;
    std::uint64_t expected = holder.value;
    if (holder.value != 0) return e->value.cas_acq_rel(expected, channel_map<>::awaiting_answer);  // release[channel]
    e->value.store_release(channel_map<>::awaiting_answer);
    return true;
}

void session::take_last_word(std::uint32_t channel, conversation_id holder) noexcept {
    const bool ours = wire::channel_side(channel) == side_;
    auto* const e = entry_of(channel);
    std::uint64_t seen = holder.value;
    if (e == nullptr || e->value.cas_acq_rel(seen, ours ? channel_map<>::answered : channel_map<>::ended)) return;
    // It has ended here meanwhile.
    if ((seen & ~channel_map<>::unsent) == (ours ? channel_map<>::awaiting_end : channel_map<>::awaiting_answer))
        (void)settle(channel, seen);
}

void session::on_unanswered(context& c, const wire::frame_header& h) noexcept {
    const bool confirmed = h.type == wire::frame_type::response;
    const bool ended = h.type == wire::frame_type::data && h.has(wire::indicator::conditional_end);
    const bool refused = h.type == wire::frame_type::data && h.has(wire::indicator::purging);
    if (!confirmed && !ended && !refused) return;
    if (!settle(h.channel, channel_map<>::awaiting_answer) || confirmed) return;
    if (ended) {
        send_answer(c, {0, wire::frame_type::response, wire::indicator::conditional_end, h.channel}, {});
        return;
    }
    std::array<std::byte, wire::fmh7_size> report;
    wire::encode_fmh7(report.data(), {wire::sense::deallocate_abend_svc, false});
    send_answer(c,
                {wire::fmh7_size, wire::frame_type::data, wire::indicator::fm_header | wire::indicator::conditional_end,
                 h.channel},
                report);
}

void session::leave(context& c) noexcept {
    bound_.fetch_sub_acq_rel(1);
    release(c);
}

void session::release(context& c) noexcept {
    // release[session-hold] acquire[session-hold]: the last one to let go recycles it.
    if (holds_.fetch_sub_acq_rel(1) != 1) return;
    free_output(c, output_.take_all());
    engine_.recycle(*this);
}

void session::abandon() noexcept { engine_.recycle(*this); }

// A bucket that holds one second's worth and fills with time.
bool session::attach_in_rate() noexcept {
    constexpr std::uint64_t second = 1'000'000'000;
    const std::uint32_t rate = engine_.bounds().link_attaches_per_second;
    if (rate == 0) return true;
    attach_tokens_ += heard_ - attach_time_;
    attach_time_ = heard_;
    if (attach_tokens_ > second) attach_tokens_ = second;
    const std::uint64_t price = second / rate;
    if (attach_tokens_ < price) return false;
    attach_tokens_ -= price;
    return true;
}

// ---- life -----------------------------------------------------------------------------------------------------------

void session::start(context& c, wire::link_side side, std::uint64_t now) noexcept {
    side_ = side;
    ++life_;
    loss_code_.store_relaxed(return_code::ok);
    why_.store_relaxed(wire::reason::none);
    condemned_.store_relaxed(wire::reason::none);
    bound_.store_relaxed(0);
    attach_charge.store_relaxed(0);
    room_.store_relaxed(0);
    answers_.store_relaxed(0);
    written_.store_relaxed(0);
    seen_written = seen_at = 0;
    peer_ = {};
    last_attach_ = 0;
    origin_channel_ = 0;
    own_channels_.reset(0);
    peer_channels_.reset(engine_.bounds().link_conversations);
    attach_tokens_ = 1'000'000'000;
    attach_time_ = now;
    counted_ = false;
    heard_ = now;
    deadline_ = now + std::uint64_t{engine_.bounds().greeting_ms} * ms;
    beat_ = UINT64_MAX;
    // The duty that stop_writing() kept in the last life is given up, or taken from the vacant pile and given up at
    // once.
    (void)output_.try_take_duty();
    while (!output_.try_retire()) free_output(c, output_.take_all());
    stage_.store_release(stage::greeting);
    holds_.store_release(1);  // release[session-hold]
    engine_.count().add(counter::links_opened, 1, c.counts);
    takes_users = side == wire::link_side::connector && role == link_role::ordinary && engine_.world().trusts(*this);
    if (side == wire::link_side::connector) send_hello(c);
}

bool session::on_hello(context& c, std::span<const std::byte> payload, std::uint64_t now) noexcept {
    const wire::reason bad = wire::decode_hello(payload, peer_);
    if (bad != wire::reason::none) return refuse(c, bad);
    if (peer_.attach_credit < limits::window_bytes_min) return refuse(c, wire::reason::limits);
    if (role != link_role::ordinary &&
        !peer_can(wire::hello_flag::relay | wire::hello_flag::expedited | wire::hello_flag::full_duplex))
        return refuse(c, wire::reason::protocol);
    // What partners may send before their first grant has to fit at the program.
    if (role == link_role::program && peer_.attach_credit < engine_.bounds().window_bytes)
        return refuse(c, wire::reason::limits);
    if (role == link_role::ordinary)
        if (const wire::reason why = engine_.world().admit_peer(*this, peer_.lu_name.view()); why != wire::reason::none)
            return refuse(c, why);
    if (side_ == wire::link_side::acceptor) {
        // Programs were let in one by one, and are counted by the relay.
        if (role != link_role::program) {
            if (!engine_.peers().enter(peer_.lu_name.view(), engine_.bounds().peer_links))
                return refuse(c, wire::reason::limits);
            counted_ = true;
        }
        send_hello(c);
    }
    // Not bounded by our table: a number whose end is not acknowledged yet is in use although its slot is free again.
    own_channels_.reset(peer_.channels_max < wire::channel_index_max ? peer_.channels_max : wire::channel_index_max);
    if (peer_.heartbeat_ms != 0 && peer_.heartbeat_ms < heartbeat_floor_ms) peer_.heartbeat_ms = heartbeat_floor_ms;
    beat_ = peer_.heartbeat_ms == 0 ? UINT64_MAX : now + std::uint64_t{peer_.heartbeat_ms} * ms / 2;
    deadline_ = now;  // tick() works out the next one
    stage_.store_release(stage::open);
    if (opened_for != nullptr) engine_.link_opened(c, *opened_for, *this);
    if (role == link_role::program) engine_.relay_of()->program_open(c, *this);
    if (role == link_role::manager) engine_.world().manager_told(c, *this, host::manager_news::open, nullptr);
    return true;
}

bool session::refuse(context& c, wire::reason why) noexcept {
    send_reason(c, wire::frame_type::refuse, why);
    lost(c, return_code::resource_failure_no_retry, why);
    return false;
}

void session::fail(context& c, wire::reason why) noexcept {
    if (at() == stage::ended) return;
    // Before our hello a close would be no frame the partner may accept.
    send_reason(c, at() == stage::greeting ? wire::frame_type::refuse : wire::frame_type::close, why);
    const bool retry = wire::may_pass(why);
    if (!retry) engine_.count().add(counter::protocol_errors, 1, c.counts);
    lost(c, retry ? return_code::resource_failure_retry : return_code::resource_failure_no_retry, why);
}

void session::lost(context& c, return_code code, wire::reason why) noexcept {
    const stage was = stage_.load_relaxed();  // relaxed: only the driver changes it
    if (was == stage::ended || was == stage::vacant) return;
    loss_code_.store_release(code);
    why_.store_release(why);
    stage_.store_release(stage::ended);
    bound_.fetch_or_acq_rel(bound_ended);
    if (counted_) engine_.peers().leave(peer_.lu_name.view());
    counted_ = false;
    deadline_ = UINT64_MAX;
    forget_rest(c);
    if (was != stage::greeting) {
        const auto tell = [&](auto& e) {
            const std::uint64_t value = e.value.load_acquire();  // acquire[channel]
            if (channel_map<>::is_relayed(value)) {
                engine_.relay_of()->link_lost(c, *this, value, code);
                return;
            }
            to_conversation(e, [&](conversation_id id, bool& stale) { engine_.on_link_lost(c, id, stale); });
        };
        own_channels_.for_each(tell);
        peer_channels_.for_each(tell);
    }
    engine_.on_room(c, crowd_.take_all());
    engine_.count().add(counter::links_closed, 1, c.counts);
    if (role == link_role::program) engine_.relay_of()->program_lost(c, *this);
    if (role == link_role::manager) engine_.world().manager_told(c, *this, host::manager_news::ended, nullptr);
    engine_.world().session_ended(c, *this);
}

void session::drain(context& c) noexcept {
    if (at() != stage::open) return;
    stage_.store_release(stage::draining);
    std::array<std::byte, 4> last;
    wire::encode_drain(last.data(), last_attach_);
    send_link_frame(c, wire::frame_type::drain, last);
    deadline_ = 0;
}

void session::tick(context& c, std::uint64_t now) noexcept {
    constexpr std::uint64_t drain_look_ns = 50 * ms;
    const stage here = at();
    if (here == stage::ended || here == stage::vacant) {
        deadline_ = UINT64_MAX;
        return;
    }
    if (here == stage::greeting) {
        if (now >= deadline_) fail(c, wire::reason::idle);
        return;
    }
    if (const wire::reason why = condemned_.load_acquire(); why != wire::reason::none) {
        fail(c, why);
        return;
    }
    if (here == stage::draining && conversations() == 0) {
        fail(c, wire::reason::drained);
        return;
    }
    const std::uint64_t own_beat = std::uint64_t{engine_.bounds().heartbeat_ms} * ms;
    if (own_beat != 0 && now >= heard_ + 3 * own_beat) {
        fail(c, wire::reason::idle);
        return;
    }
    if (now >= beat_) {
        if (wrote_.exchange_acquire(0) == 0) {
            const std::array<std::byte, wire::ping_size> nothing{};
            send_link_frame(c, wire::frame_type::ping, nothing);
        }
        beat_ = now + std::uint64_t{peer_.heartbeat_ms} * ms / 2;
    }
    deadline_ = beat_;
    if (own_beat != 0 && heard_ + 3 * own_beat < deadline_) deadline_ = heard_ + 3 * own_beat;
    if (here == stage::draining && now + drain_look_ns < deadline_) deadline_ = now + drain_look_ns;
}

// ---- input ----------------------------------------------------------------------------------------------------------

std::size_t session::offer(std::span<std::byte> scratch, slice (&out)[2]) noexcept {
    if (rest_ == nullptr) {
        out[0] = {scratch.data(), scratch.size()};
        return 1;
    }
    const std::size_t have = rest_->size();
    if (rest_wanted_ >= landing_min) {
        out[0] = {rest_->bytes() + rest_->end, rest_wanted_ - have};
        out[1] = {scratch.data(), scratch.size()};
        return 2;
    }
    // A small rest will be joined with what follows it.
    out[0] = {scratch.data() + have, scratch.size() - have};
    return 1;
}

void session::received(context& c, std::span<std::byte> scratch, std::size_t bytes, std::uint64_t now) noexcept {
    heard_ = now;
    engine_.count().add(counter::reads, 1, c.counts);
    engine_.count().add(counter::bytes_received, bytes, c.counts);
    // Before what has come now, or why it ends would depend on where reads cut the stream.
    if (const wire::reason why = condemned_.load_acquire(); why != wire::reason::none) {
        fail(c, why);
        return;
    }
    std::span<std::byte> input{scratch.data(), bytes};
    if (rest_ != nullptr) {
        const std::size_t have = rest_->size();
        if (rest_wanted_ >= landing_min) {
            const std::size_t landed = bytes < rest_wanted_ - have ? bytes : rest_wanted_ - have;
            rest_->end += static_cast<std::uint32_t>(landed);
            if (rest_->size() < rest_wanted_) return;
            buffer* const whole = rest_;
            rest_ = nullptr;
            const wire::frame_header h = wire::decode_header(whole->bytes() + whole->begin);
            whole->begin += wire::frame_header_size;
            if (!on_frame(c, h, {whole->bytes() + whole->begin, whole->size()}, whole, now)) return;
            input = {scratch.data(), bytes - landed};
        } else {
            std::memcpy(scratch.data(), rest_->bytes() + rest_->begin, have);
            input = {scratch.data(), have + bytes};
            forget_rest(c);
        }
    }
    const std::size_t used = decode(c, input, now);
    if (queued_bytes() > engine_.link_unread_bytes()) condemn(wire::reason::limits);
    if (const wire::reason why = condemned_.load_acquire(); why != wire::reason::none) fail(c, why);
    if (used < input.size() && at() != stage::ended) keep_rest(c, input.subspan(used));
}

void session::received_frame(context& c, std::span<const std::byte> frame, std::uint64_t now) noexcept {
    heard_ = now;
    (void)decode(c, frame, now);
}

// Looks some frames ahead for whose conversations they are, because memory is slower than the frames come: first at the
// entry of the channel, two frames later at the slot that it names. Nothing that is read here is relied on.
class session::scout {
public:
    scout(session& of, std::span<const std::byte> bytes) noexcept : of_{of}, bytes_{bytes} {}

    // One more frame is about to be carried out.
    void step() noexcept {
        while (seen_ - done_ < ahead && bytes_.size() - at_ >= wire::frame_header_size) {
            const wire::frame_header h = wire::decode_header(bytes_.data() + at_);
            const std::size_t total = wire::frame_header_size + h.length;
            at_ += total < bytes_.size() - at_ ? total : bytes_.size() - at_;
            channel_map<>& map = wire::channel_side(h.channel) == of_.side_ ? of_.own_channels_ : of_.peer_channels_;
            auto* const e = map.find(wire::channel_index(h.channel));
            if (e != nullptr) prefetch(e);
            entries_[seen_++ % ahead] = e;
        }
        if (const std::uint32_t next = done_ + near; next < seen_)
            if (auto* const e = entries_[next % ahead]; e != nullptr)
                if (const std::uint64_t value = e->value.load_relaxed(); value > channel_map<>::relayed_last)
                    of_.engine_.expect(conversation_id{value});
        ++done_;
    }

private:
    static constexpr std::uint32_t ahead = 8, near = 4;
    session& of_;
    const std::span<const std::byte> bytes_;
    std::size_t at_ = 0;
    std::uint32_t seen_ = 0, done_ = 0;
    channel_map<>::entry* entries_[ahead] = {};
};

std::size_t session::decode(context& c, std::span<const std::byte> bytes, std::uint64_t now) noexcept {
    std::size_t at_byte = 0;
    std::uint32_t frames = 0;
    scout ahead{*this, bytes};
    while (bytes.size() - at_byte >= wire::frame_header_size) {
        ahead.step();
        const wire::frame_header h = wire::decode_header(bytes.data() + at_byte);
        if (const wire::frame_fault fault = wire::check_header(h); fault != wire::frame_fault::none) [[unlikely]] {
            if (at() == stage::greeting)
                (void)refuse(c, wire::reason::not_colloquy);
            else
                fail(c, wire::reason_of(h, fault));
            return bytes.size();
        }
        const std::size_t total = wire::frame_header_size + h.length;
        if (bytes.size() - at_byte < total) {
            if (at() == stage::greeting && h.type != wire::frame_type::hello && h.type != wire::frame_type::refuse) {
                (void)refuse(c, wire::reason::not_colloquy);
                return bytes.size();
            }
            break;
        }
        ++frames;
        const std::span<const std::byte> payload = bytes.subspan(at_byte + wire::frame_header_size, h.length);
        wire::reason why = wire::reason::none;
        if (!on_awaited_frame(c, h, payload, why)) {
            if (!on_frame(c, h, payload, nullptr, now)) return bytes.size();
        } else if (why != wire::reason::none && !broken_by_partner(c, h.channel, why)) [[unlikely]] {
            return bytes.size();
        }
        at_byte += total;
    }
    engine_.count().add(counter::frames_received, frames, c.counts);
    return at_byte;
}

// Most frames are data that a conversation waits for. False: this one is not, and nothing was done.
bool session::on_awaited_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload,
                               wire::reason& why) noexcept {
    if (h.type != wire::frame_type::data || h.has(wire::indicator::begin) || at() != stage::open) return false;
    channel_map<>& map = wire::channel_side(h.channel) == side_ ? own_channels_ : peer_channels_;
    auto* const e = map.find(wire::channel_index(h.channel));
    const std::uint64_t value =
        e == nullptr ? channel_map<>::never_begun : e->value.load_acquire();  // acquire[channel]
    return value > channel_map<>::relayed_last && engine_.on_awaited_data(c, conversation_id{value}, h, payload, why);
}

// A manager passes on what partners send: what one of them does wrong is not the manager's fault. False: the session
// has ended.
bool session::broken_by_partner(context& c, std::uint32_t channel, wire::reason why) noexcept {
    if (role == link_role::manager) return blame(c, channel, why);
    fail(c, why);
    return false;
}

// False: the session has ended and the rest of the input is dropped.
bool session::on_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload, buffer* owned,
                       std::uint64_t now) noexcept {
    struct guard {  // an owned buffer that nobody took is given back
        engine& e;
        context& c;
        buffer*& b;
        ~guard() {
            if (b != nullptr) e.release_inbound(c, b);
        }
    } give_back{engine_, c, owned};

    const stage here = at();
    if (here == stage::greeting) {
        if (h.type == wire::frame_type::hello) return on_hello(c, payload, now);
        if (h.type == wire::frame_type::refuse) return on_link_frame(c, h, payload, now);
        return refuse(c, wire::reason::not_colloquy);
    }
    if (here == stage::ended) return false;
    if (h.channel == 0) return on_link_frame(c, h, payload, now);

    const bool ours = wire::channel_side(h.channel) == side_;
    channel_map<>& map = ours ? own_channels_ : peer_channels_;
    auto* const e = map.find(wire::channel_index(h.channel));
    std::uint64_t value = e == nullptr ? channel_map<>::never_begun : e->value.load_acquire();  // acquire[channel]
    const auto broken = [&](wire::reason why) {
        fail(c, why);
        return false;
    };

    if (h.type == wire::frame_type::data && h.has(wire::indicator::begin)) {
        if (ours || value > channel_map<>::ended) return broken(wire::reason::protocol);
        // Programs call partners by links of their own; a manager says whose attach it passes on.
        if (role == link_role::program || (role == link_role::manager && origin_channel_ != h.channel))
            return broken(wire::reason::protocol);
        if (wire::channel_index(h.channel) >= peer_channels_.bound()) return broken(wire::reason::limits);
        last_attach_ = h.channel;
        origin_channel_ = 0;
        const wire::reason why = engine_.on_attach(c, *this, h, payload);
        return why == wire::reason::none ? true : broken_by_partner(c, h.channel, why);
    }
    if (h.type == wire::frame_type::origin) {
        if (role != link_role::manager || ours || value > channel_map<>::ended ||
            !wire::decode_origin(payload, origin_))
            return broken(wire::reason::protocol);
        origin_channel_ = h.channel;
        return true;
    }
    if (h.type == wire::frame_type::blame && role != link_role::program) return broken(wire::reason::protocol);
    if (value == channel_map<>::never_begun) return broken(wire::reason::unknown_channel);
    std::uint32_t grant = 0;
    if (h.type == wire::frame_type::credit && value > channel_map<>::last_mark) {
        grant = wire::decode_credit(payload.data());
        if (grant == 0) return broken(wire::reason::protocol);
    }
    if (channel_map<>::is_relayed(value)) {
        const wire::reason why = engine_.relay_of()->forward(c, *this, h, payload, value);
        if (why != wire::reason::none) fail(c, why);
        return at() != stage::ended;
    }
    for (;;) {
        if (value == channel_map<>::answered) return broken(wire::reason::protocol);  // it was the last word
        if (after_end(c, h, value)) return true;
        wire::reason why = wire::reason::none;
        bool stale = false;
        const conversation_id id{value};
        switch (h.type) {
            case wire::frame_type::data: why = engine_.on_data(c, id, h, payload, owned, stale); break;
            case wire::frame_type::response: why = engine_.on_response(c, *this, h, id, stale); break;
            case wire::frame_type::signal: engine_.on_signal(id, stale); break;
            case wire::frame_type::expedited:
            case wire::frame_type::expedited_read: why = engine_.on_expedited(c, id, h.type, payload, stale); break;
            case wire::frame_type::credit: why = engine_.on_credit(c, id, grant, stale); break;
            default: why = wire::reason::protocol;
        }
        // The conversation may have moved to another slot, or have ended the channel while the frame came.
        const std::uint64_t now_there = stale ? e->value.load_acquire() : value;  // acquire[channel]
        if (now_there == value) return why == wire::reason::none ? true : broken_by_partner(c, h.channel, why);
        value = now_there;
    }
}

bool session::on_link_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload,
                            std::uint64_t) noexcept {
    switch (h.type) {
        case wire::frame_type::ping:
            send_answer(c, {wire::ping_size, wire::frame_type::pong, 0, 0}, payload);
            return true;
        case wire::frame_type::pong: return true;
        case wire::frame_type::drain:
            if (at() == stage::open) stage_.store_release(stage::draining);
            deadline_ = 0;
            if (role == link_role::manager)
                engine_.world().manager_told(c, *this, host::manager_news::drained, nullptr);
            return true;
        case wire::frame_type::taken:
            if (role != link_role::program) {
                fail(c, wire::reason::protocol);
                return false;
            }
            if (const wire::reason why = engine_.relay_of()->taken(*this, wire::load_u64(payload.data()));
                why != wire::reason::none) {
                fail(c, why);
                return false;
            }
            return true;
        case wire::frame_type::serve:
        case wire::frame_type::served: return on_relay_frame(c, h, payload);
        case wire::frame_type::refuse:
        case wire::frame_type::close: {
            const wire::decoded_reason told = wire::decode_reason(payload);
            const wire::reason why = told.valid ? told.why : wire::reason::protocol;
            lost(c, wire::may_pass(why) ? return_code::resource_failure_retry : return_code::resource_failure_no_retry,
                 why);
            return false;
        }
        default: fail(c, wire::reason::protocol); return false;
    }
}

bool session::on_relay_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload) noexcept {
    const link_role from = h.type == wire::frame_type::serve ? link_role::program : link_role::manager;
    wire::serving said;
    if (role != from || !wire::decode_serving(payload, h.type, said)) {
        fail(c, wire::reason::protocol);
        return false;
    }
    if (from == link_role::manager) {
        engine_.world().manager_told(c, *this, host::manager_news::served, &said);
        return true;
    }
    engine_.relay_of()->serve(c, *this, said);
    return at() != stage::ended;
}

// The manager ends the link on which it came, and with it this conversation; what has come is dropped.
bool session::blame(context& c, std::uint32_t channel, wire::reason why) noexcept {
    engine_.count().add(counter::protocol_errors, 1, c.counts);
    std::array<std::byte, wire::blame_size> bytes;
    wire::encode_blame(bytes.data(), why);
    (void)send_frame(c, {wire::blame_size, wire::frame_type::blame, 0, channel}, bytes);
    return true;
}

// What there is of an attach may bring a password.
static bool may_hold_password(std::span<const std::byte> part) noexcept {
    return part.size() < wire::frame_header_size || wire::decode_header(part.data()).has(wire::indicator::begin);
}

void session::keep_rest(context& c, std::span<std::byte> bytes) noexcept {
    rest_wanted_ = 0;
    if (bytes.size() >= wire::frame_header_size)
        rest_wanted_ = wire::frame_header_size + wire::decode_header(bytes.data()).length;
    rest_ = engine_.inbound_or_heap(c, rest_wanted_ > bytes.size() ? rest_wanted_ : bytes.size());
    if (rest_ != nullptr) {
        std::memcpy(rest_->bytes(), bytes.data(), bytes.size());
        rest_->end = static_cast<std::uint32_t>(bytes.size());
    }
    if (may_hold_password(bytes)) cleanse(bytes.data(), bytes.size());
    if (rest_ == nullptr) fail(c, wire::reason::limits);
}

void session::forget_rest(context& c) noexcept {
    if (rest_ != nullptr) {
        if (may_hold_password({rest_->bytes(), rest_->end})) cleanse(rest_->bytes(), rest_->end);
        engine_.release_inbound(c, rest_);
    }
    rest_ = nullptr;
    rest_wanted_ = 0;
}

}  // namespace colloquy::runtime
