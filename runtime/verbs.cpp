#include "runtime/verbs.hpp"

#include <cstring>
#include <utility>

#include "runtime/cleanse.hpp"
#include "runtime/common_path.hpp"
#include "runtime/flow.hpp"
#include "runtime/wire/fmh7.hpp"

namespace colloquy::runtime {

namespace {

namespace in = wire::indicator;
using rc = return_code;
using state = conversation_state;

constexpr std::int32_t data_length_max = 32767;

outcome just(rc code) noexcept { return {code, false, {}}; }

void leave_over(conversation& v) noexcept {
    std::uint64_t seen = 0;
    while (!v.word.leave(phase::idle, state::reset, seen)) {
    }
}

// Claims the conversation for a verb. Null: `refused` says why.
conversation* claim(engine& e, conversation_id id, rc& refused) noexcept {
    conversation* v = e.find(id);
    if (v == nullptr || id.generation() == 0) {
        e.count().add(counter::stale_ids, 1, 0);
        refused = rc::program_parameter_check;
        return nullptr;
    }
    for (;;) {
        std::uint64_t seen = 0;
        const auto result = v->word.claim(id.generation(), seen);
        if (result == state_word<>::claim_result::claimed && v->state != state::reset) return v;
        if (result == state_word<>::claim_result::busy) {
            // On a full-duplex conversation the other verb may be one that sends, and is gone in a moment.
            if (is_duplex(word_bits::state_of(seen)) && word_bits::phase_of(seen) == phase::claimed) continue;
            refused = rc::operation_not_accepted;
            return nullptr;
        }
        // Over, and kept only until those who are blocked on it have heard so.
        if (result == state_word<>::claim_result::claimed) leave_over(*v);
        e.count().add(counter::stale_ids, 1, 0);
        refused = rc::program_parameter_check;
        return nullptr;
    }
}

// Owns the slot for an operation on a queue beside the main one. Null: `refused` says why.
conversation* claim_queue(engine& e, context& c, conversation_id id, queue on, phase& before, rc& refused) noexcept {
    conversation* v = e.find(id);
    refused = rc::program_parameter_check;
    if (v == nullptr || id.generation() == 0) return nullptr;
    for (;;) {
        switch (v->word.own(id.generation(), before)) {
            case state_word<>::own_result::stale: e.count().add(counter::stale_ids, 1, 0); return nullptr;
            case state_word<>::own_result::busy: continue;  // a verb or a delivery is at work; it lets go soon
            case state_word<>::own_result::owned: break;
        }
        const bool pending_accept = before == phase::pending && v->op.kind == verb::accept;
        if (v->state == state::reset && !pending_accept) {
            if (before == phase::idle)
                leave_over(*v);
            else
                e.put_back(c, *v, before);
            return nullptr;
        }
        if (v->on(on) == waits::nothing && !pending_accept) return v;
        refused = rc::operation_not_accepted;
        e.put_back(c, *v, before);
        return nullptr;
    }
}

// The same for the calls that are allowed beside a non-blocking Receive, and on a full-duplex conversation beside any:
// `before` is what the main operation was found to be.
conversation* claim_beside_receive(engine& e, context& c, conversation_id id, phase& before, rc& refused) noexcept {
    for (;;) {
        before = phase::idle;
        conversation* v = claim(e, id, refused);
        if (v != nullptr || refused != rc::operation_not_accepted) return v;
        v = e.find(id);
        switch (v->word.own(id.generation(), before)) {
            case state_word<>::own_result::stale: refused = rc::program_parameter_check; return nullptr;
            case state_word<>::own_result::busy: {
                // A delivery lets go soon, as does the other verb of a full-duplex conversation.
                const std::uint64_t now = v->word.load();
                if (word_bits::phase_of(now) != phase::claimed || is_duplex(word_bits::state_of(now))) continue;
                return nullptr;
            }
            case state_word<>::own_result::owned: break;
        }
        // What is done waits to be collected, and is nobody's business here unless other queues go on meanwhile.
        const bool receiving = v->op.kind == verb::receive && v->op.channel != notify::caller;
        const bool queues = v->chosen.full_duplex || v->chosen.processing_mode == 2;
        if (before == phase::idle || (before == phase::pending && (receiving || queues)) ||
            (before == phase::done && queues && v->state != state::reset))
            return v;
        e.put_back(c, *v, before);
        return nullptr;
    }
}

// For the calls that send: they wait on a queue of their own on a full-duplex conversation.
conversation* claim_to_send(engine& e, context& c, conversation_id id, queue& on, phase& before, rc& refused) noexcept {
    conversation* const v = e.find(id);
    on = queue::main;
    before = phase::idle;
    if (v == nullptr || !is_duplex(word_bits::state_of(v->word.load()))) return claim(e, id, refused);
    on = queue::send;
    conversation* const owned = claim_queue(e, c, id, on, before, refused);
    if (owned == nullptr || owned->chosen.processing_mode != 1) return owned;
    // An attach found it in nonblocking mode, where its calls are one at a time.
    on = queue::main;
    if (before == phase::idle) return owned;
    e.put_back(c, *owned, before);
    refused = rc::operation_not_accepted;
    return nullptr;
}

struct claimed {
    engine& e;
    context& c;
    conversation& v;
    queue on = queue::main;
    phase before = phase::idle;  // how the main operation was found

    outcome leave(rc code) {
        e.put_back(c, v, before);
        return just(code);
    }
    operation& begin(verb kind, void* id_memory) {
        operation& op = e.op_on(v, on);
        op = {};
        op.kind = kind;
        op.channel = v.chosen.processing_mode == 0 ? notify::caller : e.channel_on(c, v, on, kind);
        if (const std::uint32_t limit_ms = time_limit(kind); limit_ms != 0)
            op.deadline_ns = c.now_ns() + limit_ms * std::uint64_t{1'000'000};
        op.id_memory = id_memory;
        op.appended = true;  // Send_Data alone has data to add
        return op;
    }
    [[nodiscard]] std::uint32_t time_limit(verb kind) const {
        if (v.chosen.queue_limits) [[unlikely]]
            if (const auto own = e.setting_of(v, queue_of(v.chosen.full_duplex, on, kind)).time_limit_ms; own != 0)
                return own;
        return v.time_limit_ms;
    }
    // Runs the operation. The request-to-send note is written by whoever finishes it; 0 until then.
    // `waits`: it has gone as far as it goes without news.
    outcome run(bool waits = false) {
        const conversation_id id = v.id();
        const bool blocks = e.op_on(v, on).channel == notify::caller;
        const rc code = e.issue(c, v, on, before, waits);
        return {code, code == rc::operation_incomplete && blocks, id, on};
    }
    // The conversation is over by what this call did; whatever waits hears of it.
    outcome end() {
        v.state = state::reset;
        switch (before) {
            case phase::pending: e.complete(c, v, rc::deallocated_abend); break;
            case phase::done: e.finish_again(c, v); break;
            default: e.end_life(c, v);
        }
        return just(rc::ok);
    }
    [[nodiscard]] bool may_send() const {
        return in_send() || v.state == state::send_receive || v.state == state::send_only;
    }
    // In SEND, and a basic conversation's last logical record is complete.
    [[nodiscard]] bool may_end_turn() const { return may_send() && v.spoken.at_boundary(); }
    [[nodiscard]] bool in_send() const { return v.state == state::send || v.state == state::send_pending; }
    // At queue level the main operation's queue takes no second call, whatever it waits for.
    [[nodiscard]] bool queue_busy() const { return v.chosen.processing_mode == 2 && before != phase::idle; }
    // Calls that only make sense where there are turns are refused as bad parameters elsewhere.
    [[nodiscard]] rc refusal(rc code) const { return is_duplex(v.state) ? rc::program_parameter_check : code; }
};

// Confirmation is asked for by this type (0 by sync level, 1 flush, 2 confirm) at this sync level.
bool asks(std::uint8_t type, std::uint8_t sync_level) noexcept { return type == 2 || (type == 0 && sync_level == 1); }

// What Deallocate, or Send_Data with its type, makes of the operation. Never for ABEND.
void plan_deallocate(const conversation& v, operation& op) noexcept {
    op.indicators = in::conditional_end;
    if (asks(v.chosen.deallocate_type, v.chosen.sync_level)) op.indicators |= in::definite_response;
    op.next = state::reset;
}
void plan_prepare_to_receive(const conversation& v, operation& op) noexcept {
    op.indicators = in::change_direction;
    if (asks(v.chosen.prepare_to_receive_type, v.chosen.sync_level)) op.indicators |= in::definite_response;
    op.next = state::receive;
}

}  // namespace

static outcome begin_life(engine& e, context& c, state from) noexcept {
    conversation* v = e.open(c, from);
    if (v == nullptr) return just(rc::product_specific_error);
    if (!e.take_names(c, *v)) {
        e.retire(c, *v);
        return just(rc::product_specific_error);
    }
    const conversation_id id = v->id();
    e.leave_idle(c, *v);
    return {rc::ok, false, id};
}

outcome initialize(engine& e, context& c) noexcept { return begin_life(e, c, state::initialize); }

outcome initialize_for_incoming(engine& e, context& c) noexcept { return begin_life(e, c, state::initialize_incoming); }

outcome accept(engine& e, context& c, bool blocking, void* id_memory, std::uint32_t limit_ms) noexcept {
    if (conversation* v = e.take_attached(c); v != nullptr) {
        const conversation_id id = v->id();
        e.leave_idle(c, *v);
        return {rc::ok, false, id};
    }
    if (e.attaches_over()) return just(rc::program_state_check);
    conversation* v = e.open(c, state::reset);
    if (v == nullptr) return just(rc::product_specific_error);
    v->op = {};
    v->op.kind = verb::accept;
    v->op.channel = blocking ? notify::caller : e.channel_for(*v);
    v->op.id_memory = id_memory;
    if (limit_ms != 0) v->op.deadline_ns = c.now_ns() + limit_ms * std::uint64_t{1'000'000};
    const conversation_id id = v->id();
    if (id_memory != nullptr) id.to_bytes(id_memory);
    conversation* attached = e.wait_for_attach(c, *v);
    if (attached == nullptr) {
        if (e.attaches_over()) end_accepts(e, c);
        return {rc::operation_incomplete, blocking, id};
    }
    e.retire(c, *v);
    const conversation_id got = attached->id();
    e.leave_idle(c, *attached);
    return {rc::ok, false, got};
}

outcome accept_incoming(engine& e, context& c, conversation_id id, void* id_memory, std::uint32_t limit_ms) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v};
    if (v->state != state::initialize_incoming) return k.leave(rc::program_state_check);
    conversation* attached = e.take_attached(c);
    bool blocks = false;
    if (attached == nullptr && e.attaches_over()) return k.leave(rc::program_state_check);
    if (attached == nullptr) {
        operation& op = k.begin(verb::accept, id_memory);
        if (limit_ms != 0) op.deadline_ns = c.now_ns() + limit_ms * std::uint64_t{1'000'000};
        blocks = op.channel == notify::caller;
        attached = e.wait_for_attach(c, *v);
    }
    if (attached == nullptr) {
        if (e.attaches_over()) end_accepts(e, c);
        return {rc::operation_incomplete, blocks, id};
    }
    v->op.kind = verb::none;
    e.move_attached(c, *attached, *v);
    return k.leave(rc::ok);
}

outcome allocate(engine& e, context& c, conversation_id id, partner* (*find)(void*, std::string_view), void* find_arg,
                 void* id_memory) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v};
    if (v->state != state::initialize) return k.leave(rc::program_state_check);
    const particulars& d = e.details(*v);
    const auto blank = [](std::string_view s) { return s.empty() || s == " "; };
    if (blank(d.partner_lu_name.view()) || blank(d.tp_name.view()) || d.mode_name == "SNASVCMG" ||
        d.mode_name == "CPSVCMG")
        return k.leave(rc::parameter_error);
    partner* const before = std::exchange(v->wanted, find(find_arg, d.partner_lu_name.view()));
    // One that was given up stands in its partner's list still, where another's link is not told.
    if (before != nullptr && before != v->wanted && v->listed.load_relaxed() != 0)  // relaxed: written by the owner
        e.resume(c, before->waiting.take_all());
    if (v->wanted == nullptr) return k.leave(rc::parameter_error);
    k.begin(verb::allocate, id_memory);
    v->op.length = v->wanted->turn.fetch_add_relaxed(1) % v->wanted->link_count;
    return k.run();
}

outcome send_data(engine& e, context& c, conversation_id id, const void* data, std::int32_t length,
                  std::int32_t* request_to_send_received, void* id_memory) noexcept {
    rc refused{};
    queue on{};
    phase before{};
    conversation* v = claim_to_send(e, c, id, on, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, on, before};
    if (!k.may_send()) return k.leave(rc::program_state_check);
    if (length < 0 || length > data_length_max || request_to_send_received == nullptr ||
        (data == nullptr && length > 0))
        return k.leave(rc::program_parameter_check);
    if (on == queue::main && v->chosen.send_type == 0 && !v->chosen.basic() &&
        common_path::keep_record(e, c, *v, {static_cast<const std::byte*>(data), static_cast<std::size_t>(length)})) {
        e.count().add(counter::verbs, 1, c.counts);
        *request_to_send_received = 0;
        v->state = state::send;
        return k.leave(rc::ok);
    }
    if (v->chosen.basic()) {
        // Every length that begins in this data is looked at before any of it is taken.
        wire::record_tracker records = v->spoken;
        if (!follow(records, {static_cast<const std::byte*>(data), static_cast<std::size_t>(length)}))
            return k.leave(rc::program_parameter_check);
        const bool may_cut = v->chosen.send_type < 2 || (v->chosen.send_type == 4 && v->chosen.deallocate_type == 3);
        if (!may_cut && !records.at_boundary()) return k.leave(rc::program_state_check);
    }
    operation& op = k.begin(verb::send_data, id_memory);
    op.appended = false;
    op.buffer = static_cast<std::byte*>(const_cast<void*>(data));
    op.length = static_cast<std::uint32_t>(length);
    op.request_to_send_received = request_to_send_received;
    *request_to_send_received = 0;
    op.next = state::send;
    switch (v->chosen.send_type) {
        case 1: break;
        case 2: op.indicators = in::definite_response; break;
        case 3: plan_prepare_to_receive(*v, op); break;
        case 4:
            if (v->chosen.deallocate_type == 3) {
                op.next = state::reset;
                op.abends = true;
            } else {
                plan_deallocate(*v, op);
            }
            break;
        default: op.emit_nothing = true;
    }
    return k.run();
}

outcome receive(engine& e, context& c, conversation_id id, const receive_request& r, void* id_memory) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v};
    const bool immediate = v->chosen.receive_type == 1;
    const bool reads = v->state == state::receive || v->state == state::send_receive || v->state == state::receive_only;
    if (!reads && (immediate || !k.in_send() || !k.may_end_turn())) return k.leave(rc::program_state_check);
    if (r.requested_length < 0 || r.requested_length > data_length_max || r.data_received == nullptr ||
        r.received_length == nullptr || r.status_received == nullptr || r.request_to_send_received == nullptr ||
        (r.buffer == nullptr && r.requested_length > 0))
        return k.leave(rc::program_parameter_check);
    operation& op = k.begin(verb::receive, id_memory);
    op.immediate = immediate;
    op.fills = v->chosen.basic() && v->chosen.fill == 1;
    op.buffer = static_cast<std::byte*>(r.buffer);
    op.length = static_cast<std::uint32_t>(r.requested_length);
    op.data_received = r.data_received;
    op.received_length = r.received_length;
    op.status_received = r.status_received;
    op.request_to_send_received = r.request_to_send_received;
    *op.data_received = *op.received_length = *op.status_received = *op.request_to_send_received = 0;
    if (reads) {
        op.emitted = true;
        return k.run();
    }
    op.indicators = in::change_direction;
    op.emitted = !v->chosen.basic() && common_path::pass_turn(c, *v);
    if (op.emitted) v->state = state::receive;
    return k.run(op.emitted);
}

outcome confirm(engine& e, context& c, conversation_id id, std::int32_t* request_to_send_received,
                void* id_memory) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v};
    if (!k.in_send() || !k.may_end_turn()) return k.leave(k.refusal(rc::program_state_check));
    if (v->chosen.sync_level == 0 || request_to_send_received == nullptr) return k.leave(rc::program_parameter_check);
    operation& op = k.begin(verb::confirm, id_memory);
    op.indicators = in::definite_response;
    op.next = state::send;
    op.request_to_send_received = request_to_send_received;
    *request_to_send_received = 0;
    return k.run();
}

outcome confirmed(engine& e, context& c, conversation_id id) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v};
    state next{};
    switch (v->state) {
        case state::confirm: next = state::receive; break;
        case state::confirm_send: next = state::send; break;
        case state::confirm_deallocate: next = state::reset; break;
        default: return k.leave(rc::program_state_check);
    }
    flow f{e, c, *v};
    v->said.answer_owed = v->said.end_asked = 0;
    v->state = next;
    if (next != state::reset) {
        if (f.reachable()) f.answer(false);
        return k.leave(rc::ok);
    }
    if (f.reachable()) f.answer_end();
    if (v->fate == rc::ok) v->fate = rc::conversation_ending;  // for whoever waits on another queue
    e.end_life(c, *v);
    return just(rc::ok);
}

outcome flush(engine& e, context& c, conversation_id id, void* id_memory) noexcept {
    rc refused{};
    queue on{};
    phase before{};
    conversation* v = claim_to_send(e, c, id, on, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, on, before};
    if (!k.may_send()) return k.leave(rc::program_state_check);
    k.begin(verb::flush, id_memory).next = state::send;
    return k.run();
}

outcome prepare_to_receive(engine& e, context& c, conversation_id id, void* id_memory) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v};
    if (!k.in_send() || !k.may_end_turn()) return k.leave(k.refusal(rc::program_state_check));
    plan_prepare_to_receive(*v, k.begin(verb::prepare_to_receive, id_memory));
    return k.run();
}

// The owner ends the conversation abnormally. Nothing waits.
static outcome end_abnormally(engine& e, context& c, conversation& v, std::uint32_t sense) noexcept {
    flow f{e, c, v};
    (void)f.purge();
    f.abend(sense);
    v.state = state::reset;
    v.fate = rc::ok;  // what waits on other queues is told that this end ended it
    e.end_life(c, v);
    return just(rc::ok);
}

static outcome deallocate_duplex(claimed k, void* id_memory) noexcept {
    if (k.v.chosen.deallocate_type == 3) {
        flow f{k.e, k.c, k.v};
        (void)f.purge();
        f.abend(wire::sense::deallocate_abend);
        k.v.fate = rc::ok;
        return k.end();
    }
    if (!k.may_end_turn()) return k.leave(rc::program_state_check);
    plan_deallocate(k.v, k.begin(verb::deallocate, id_memory));
    return k.run();
}

outcome deallocate(engine& e, context& c, conversation_id id, void* id_memory) noexcept {
    rc refused{};
    queue on{};
    phase before{};
    conversation* v = claim_to_send(e, c, id, on, before, refused);
    if (v != nullptr && on == queue::send) return deallocate_duplex({e, c, *v, on, before}, id_memory);
    if (v == nullptr && refused == rc::operation_not_accepted && on == queue::main)
        v = claim_beside_receive(e, c, id, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, queue::main, before};
    if (k.queue_busy()) return k.leave(rc::operation_not_accepted);
    const bool abend = v->chosen.deallocate_type == 3;
    if (before != phase::idle) {
        if (!abend) return k.leave(rc::program_state_check);
        flow f{e, c, *v};
        (void)f.purge();
        f.abend(wire::sense::deallocate_abend);
        return k.end();
    }
    if (abend) return end_abnormally(e, c, *v, wire::sense::deallocate_abend);
    if (!k.may_end_turn()) return k.leave(rc::program_state_check);
    plan_deallocate(*v, k.begin(verb::deallocate, id_memory));
    return k.run();
}

outcome send_error(engine& e, context& c, conversation_id id, std::int32_t* request_to_send_received,
                   void* id_memory) noexcept {
    rc refused{};
    queue on{};
    phase before{};
    conversation* v = claim_to_send(e, c, id, on, before, refused);
    if (v == nullptr && refused == rc::operation_not_accepted && on == queue::main)
        v = claim_beside_receive(e, c, id, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, on, before};
    if (on == queue::main && k.queue_busy()) return k.leave(rc::operation_not_accepted);
    switch (v->state) {
        case state::initialize:
        case state::initialize_incoming:
        case state::receive_only:
        case state::reset: return k.leave(rc::program_state_check);
        default: break;
    }
    if (request_to_send_received == nullptr) return k.leave(rc::program_parameter_check);
    *request_to_send_received = 0;
    if (before != phase::idle && on == queue::main && is_duplex(v->state)) return k.leave(rc::operation_not_accepted);
    if (on == queue::send || before == phase::idle) {
        k.begin(verb::send_error, id_memory).request_to_send_received = request_to_send_received;
        return k.run();
    }
    // The Receive beside it ends with 28 and changes nothing; if the conversation is over it hears that instead.
    *request_to_send_received = engine::control_information(*v);
    *v->op.data_received = *v->op.received_length = *v->op.status_received = 0;
    // The Receive has given up the turn already if it was issued in SEND, unless it waits for credit to do so.
    v->state = v->op.emitted ? state::receive : state::send;
    operation report;
    step s = flow{e, c, *v}.send_error(report);
    if (s.waits) {
        // There is nobody left to tell that the report has gone, so it follows what is in the send buffer by itself.
        if (v->said.errors_owed != 0xFF) ++v->said.errors_owed;
        v->state = state::send;
        s = step::done(rc::ok);
    }
    e.complete(c, *v, v->state == state::reset ? s.code : rc::unsuccessful);
    return just(s.code);
}

// Expedited calls wait on queues of their own, but on a conversation whose non-blocking calls are its one operation.
static outcome expedited(engine& e, context& c, conversation_id id, queue on, verb kind, operation wanted, bool good,
                         void* id_memory) noexcept {
    rc refused{};
    phase before{};
    conversation* v = claim_queue(e, c, id, on, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, on, before};
    if (v->chosen.processing_mode == 1) {
        if (before != phase::idle) return k.leave(rc::operation_not_accepted);
        k.on = queue::main;
    }
    if (v->state == state::initialize || v->state == state::initialize_incoming)
        return k.leave(rc::program_state_check);
    if (!good) return k.leave(rc::program_parameter_check);
    operation& op = k.begin(kind, id_memory);
    op.buffer = wanted.buffer;
    op.length = wanted.length;
    op.received_length = wanted.received_length;
    op.immediate = wanted.immediate;
    op.request_to_send_received = wanted.request_to_send_received;
    *op.request_to_send_received = 0;
    if (op.received_length != nullptr) *op.received_length = 0;
    return k.run();
}

outcome send_expedited_data(engine& e, context& c, conversation_id id, const void* data, std::int32_t length,
                            std::int32_t* control_information_received, void* id_memory) noexcept {
    const bool good = data != nullptr && control_information_received != nullptr && length >= 1 &&
                      length <= static_cast<std::int32_t>(wire::expedited_size_max);
    operation op;
    op.buffer = static_cast<std::byte*>(const_cast<void*>(data));
    op.length = static_cast<std::uint32_t>(length);
    op.request_to_send_received = control_information_received;
    return expedited(e, c, id, queue::expedited_send, verb::send_expedited, op, good, id_memory);
}

outcome receive_expedited_data(engine& e, context& c, conversation_id id, void* buffer, std::int32_t requested_length,
                               std::int32_t* received_length, std::int32_t* control_information_received,
                               std::int32_t type, void* id_memory) noexcept {
    const bool good = received_length != nullptr && control_information_received != nullptr && requested_length >= 0 &&
                      requested_length <= static_cast<std::int32_t>(wire::expedited_size_max) &&
                      (buffer != nullptr || requested_length == 0) && (type == 0 || type == 1);
    operation op;
    op.buffer = static_cast<std::byte*>(buffer);
    op.length = static_cast<std::uint32_t>(requested_length);
    op.received_length = received_length;
    op.immediate = type == 1;
    op.request_to_send_received = control_information_received;
    return expedited(e, c, id, queue::expedited_receive, verb::receive_expedited, op, good, id_memory);
}

outcome request_to_send(engine& e, context& c, conversation_id id) noexcept {
    rc refused{};
    phase before{};
    conversation* v = claim_beside_receive(e, c, id, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, queue::main, before};
    const bool legal =
        v->state != state::initialize && v->state != state::initialize_incoming && v->state != state::reset;
    if (!legal || is_duplex(v->state)) return k.leave(k.refusal(rc::program_state_check));
    if (v->chosen.processing_mode == 2 && v->on(queue::expedited_send) != waits::nothing)
        return k.leave(rc::operation_not_accepted);
    flow{e, c, *v}.signal();
    return k.leave(rc::ok);
}

outcome test_request_to_send_received(engine& e, context& c, conversation_id id, std::int32_t* received) noexcept {
    rc refused{};
    phase before{};
    conversation* v = claim_beside_receive(e, c, id, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, queue::main, before};
    const bool beside_receive = before == phase::pending && v->op.kind == verb::receive;
    if (k.queue_busy() && !beside_receive && !is_duplex(v->state)) return k.leave(rc::operation_not_accepted);
    if (v->state != state::receive && !k.in_send()) return k.leave(k.refusal(rc::program_state_check));
    if (received == nullptr) return k.leave(rc::program_parameter_check);
    *received = engine::control_information(*v);
    return k.leave(rc::ok);
}

// The owner of an operation that waits ends the conversation.
static void end_pending(engine& e, context& c, conversation& v, phase before, std::uint32_t sense) noexcept {
    if (before == phase::pending && v.op.kind == verb::accept) e.accept_cancelled();
    flow f{e, c, v};
    (void)f.purge();
    f.abend(sense);
    v.state = state::reset;
    v.fate = rc::ok;  // what waits on any queue is told that this end ended it
}

// `tell_always`: an operation that cmwait could collect leaves its record even if nobody waits at this moment.
static outcome cancel_with(engine& e, context& c, conversation_id id, std::uint32_t sense, bool tell_always) noexcept {
    conversation* v = e.find(id);
    if (v == nullptr || id.generation() == 0) return just(rc::program_parameter_check);
    for (;;) {
        std::uint64_t seen = 0;
        switch (v->word.claim(id.generation(), seen)) {
            case state_word<>::claim_result::stale: return just(rc::program_parameter_check);
            case state_word<>::claim_result::claimed:
                if (v->state != state::reset) return end_abnormally(e, c, *v, sense);
                leave_over(*v);
                return just(rc::program_parameter_check);
            case state_word<>::claim_result::busy: break;
        }
        switch (v->word.take(id.generation())) {
            case state_word<>::take_result::stale: return just(rc::program_parameter_check);
            case state_word<>::take_result::from_idle: e.put_back(c, *v, phase::idle); break;  // it can be claimed now
            case state_word<>::take_result::from_pending:
                end_pending(e, c, *v, phase::pending, sense);
                if (tell_always)
                    e.complete(c, *v, rc::deallocated_abend);
                else
                    e.complete_cancelled(c, *v);
                return just(rc::ok);
            case state_word<>::take_result::done: {
                // Finished and not collected: the result is discarded with the conversation.
                if (!v->word.collect(id.generation())) break;
                if (v->op.channel != notify::wait_queue || tell_always) {
                    // It is about to be told, or its caller about to return, and still will be, once; the
                    // conversation ends with it.
                    flow f{e, c, *v};
                    (void)f.purge();
                    f.abend(sense);
                    v->state = state::reset;
                    e.finish_again(c, *v);
                    return just(rc::ok);
                }
                e.discard(*v);
                return end_abnormally(e, c, *v, sense);
            }
            case state_word<>::take_result::owned: break;  // a verb or a delivery is at work; it lets go soon
        }
    }
}

outcome cancel(engine& e, context& c, conversation_id id) noexcept {
    return cancel_with(e, c, id, wire::sense::deallocate_abend_svc, false);
}

outcome abandon(engine& e, context& c, conversation_id id, bool& untold) noexcept {
    untold = false;
    conversation* const v = e.find(id);
    if (v == nullptr || id.generation() == 0) return just(rc::program_parameter_check);
    phase before{};
    for (;;) {
        const auto owned = v->word.own(id.generation(), before);
        if (owned == state_word<>::own_result::stale) return just(rc::program_parameter_check);
        if (owned == state_word<>::own_result::owned) break;  // else a verb or a delivery is at work; it lets go soon
    }
    if (before == phase::idle && v->state == state::reset) {
        leave_over(*v);
        return just(rc::program_parameter_check);
    }
    // A caller who is blocked must be told; at queue level every operation leaves its record.
    const bool told = v->op.channel == notify::caller || v->op.channel == notify::queue_level;
    end_pending(e, c, *v, before, wire::sense::deallocate_abend_svc);
    if (before != phase::idle && !told) {
        // Whoever holds an entry for it finds nothing to tell.
        v->deadline.store_relaxed(0);  // relaxed: a timer that still sees it finds the operation gone
        e.discard(*v);
        untold = true;
        before = phase::idle;
    }
    return claimed{e, c, *v, queue::main, before}.end();
}

given_up give_up(engine& e, context& c, conversation_id id, queue on) noexcept {
    conversation& v = *e.find(id);
    phase before{};
    for (;;) {
        const auto owned = v.word.own(id.generation(), before);
        if (owned == state_word<>::own_result::stale) return given_up::finished;
        if (owned == state_word<>::own_result::owned) break;  // else a delivery is at work; it lets go soon
    }
    const bool waits_still = on == queue::main ? before == phase::pending : v.on(on) == waits::pending;
    if (!waits_still) {
        e.put_back(c, v, before);
        return given_up::finished;
    }
    if (v.op.kind == verb::accept && v.state == state::initialize_incoming) {
        // No attach came in time: the program may wait for one again.
        e.withdraw_accept(v);
        e.put_back(c, v, phase::idle);
        return given_up::withdrawn;
    }
    end_pending(e, c, v, before, wire::sense::deallocate_abend_svc);
    (void)claimed{e, c, v, on, before}.end();
    return given_up::ended;
}

void expire(engine& e, context& c, conversation& v, std::uint64_t now_ns) noexcept {
    phase before{};
    if (v.word.own(word_bits::generation(v.word.load()), before) != state_word<>::own_result::owned) return;
    const std::uint64_t earliest = e.earliest_deadline(v, before == phase::pending);
    if (earliest == 0 || earliest > now_ns) {
        e.rearm(c, v, before == phase::pending);
        e.put_back(c, v, before);
        return;
    }
    end_pending(e, c, v, before, wire::sense::deallocate_abend_timer);
    v.fate = rc::deallocated_abend_timer;
    if (before == phase::pending)
        e.complete(c, v, v.fate);
    else
        (void)claimed{e, c, v, queue::main, before}.end();
}

outcome set_attention(engine& e, context& c, conversation_id id, void*& attention) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    // What its queues report by is said for each of them.
    if (v->chosen.processing_mode == 2) return claimed{e, c, *v}.leave(rc::program_state_check);
    void* const before = v->attention;
    v->attention = attention;
    attention = before;
    return claimed{e, c, *v}.leave(rc::ok);
}

outcome extract_attention(engine& e, context& c, conversation_id id, void (*look)(void* arg, void* attention),
                          void* arg) noexcept {
    // Owned for the look, not only pinned: a canceller may end the conversation, and with it what hangs there.
    conversation* v = e.find(id);
    if (v == nullptr || id.generation() == 0) return just(rc::program_parameter_check);
    for (;;) {
        switch (v->word.take(id.generation())) {
            case state_word<>::take_result::stale: return just(rc::program_parameter_check);
            case state_word<>::take_result::from_idle:
                look(arg, v->attention);
                e.leave_idle(c, *v);
                return just(rc::ok);
            case state_word<>::take_result::from_pending:
                look(arg, v->attention);
                e.put_back(c, *v, phase::pending);
                return just(rc::ok);
            case state_word<>::take_result::done:
                if (!v->word.collect(id.generation())) break;
                {
                    const bool over = v->state == state::reset;
                    if (!over) look(arg, v->attention);
                    e.leave_done(c, *v);
                    return just(over ? rc::program_parameter_check : rc::ok);
                }
            case state_word<>::take_result::owned: break;  // for a moment
        }
    }
}

void end_accepts(engine& e, context& c) noexcept {
    for (std::uint32_t i = 0; i < e.bounds().conversations; ++i) {
        conversation& v = e.at(i);
        const std::uint64_t w = v.word.load();
        if (word_bits::phase_of(w) != phase::pending) continue;
        phase before{};
        if (v.word.own(word_bits::generation(w), before) != state_word<>::own_result::owned) continue;
        if (before == phase::pending && v.op.kind == verb::accept) {
            e.accept_cancelled();
            e.complete(c, v, rc::program_state_check);
        } else {
            e.put_back(c, v, before);
        }
    }
}

void end_all(engine& e, context& c) noexcept {
    e.close();
    for (std::uint32_t i = 0; i < e.bounds().conversations; ++i) {
        const std::uint64_t w = e.at(i).word.load();
        const phase p = word_bits::phase_of(w);
        if (p == phase::vacant || p == phase::retired) continue;
        // What is done already was told or waits to be collected, once.
        if (p == phase::done && word_bits::state_of(w) == state::reset) continue;
        (void)cancel_with(e, c, conversation_id::of(i, word_bits::generation(w)), wire::sense::deallocate_abend, true);
    }
}

outcome set(engine& e, context& c, conversation_id id, characteristic which, std::int32_t value) noexcept {
    rc refused{};
    phase before{};
    conversation* v = claim_beside_receive(e, c, id, before, refused);
    if (v == nullptr) {
        // Set_Processing_Mode has a code of its own for an operation that is not finished.
        const bool busy = refused == rc::operation_not_accepted && which == characteristic::processing_mode;
        return just(busy ? rc::program_state_check : refused);
    }
    characteristics& k = v->chosen;
    if (which == characteristic::processing_mode &&
        (before != phase::idle || v->any_beside() || k.processing_mode == 2)) {
        e.put_back(c, *v, before);
        return just(rc::program_state_check);
    }
    const bool initialize_only = which <= characteristic::security_type || which == characteristic::send_receive_mode;
    if (k.processing_mode == 2) {
        // Each belongs to a queue, and that one must be free.
        const bool sends = which == characteristic::send_type || which == characteristic::deallocate_type;
        const queue on = k.full_duplex && sends ? queue::send : queue::main;
        if (on == queue::main ? before != phase::idle : v->on(on) != waits::nothing) {
            e.put_back(c, *v, before);
            return just(rc::operation_not_accepted);
        }
    }
    const bool after_accept = which == characteristic::deallocate_type || which == characteristic::send_type ||
                              which == characteristic::prepare_to_receive_type;
    rc code = rc::ok;
    const auto within = [&](std::int32_t most) {
        if (value >= 0 && value <= most) return true;
        code = rc::program_parameter_check;
        return false;
    };
    const auto needs_confirm = [&](bool wanted) {
        if (!wanted || k.sync_level == 1) return true;
        code = rc::program_parameter_check;
        return false;
    };
    const auto u = static_cast<std::uint32_t>(value);
    if (v->state == state::reset) {
        code = rc::program_parameter_check;
    } else if ((initialize_only && v->state != state::initialize) ||
               (after_accept && v->state == state::initialize_incoming)) {
        code = rc::program_state_check;
    } else {
        switch (which) {
            case characteristic::conversation_type:
                if (!within(1)) break;
                if (value == 1 && (k.fill == 1 || k.has_log_data))
                    code = rc::program_parameter_check;
                else
                    k.conversation_type = u & 1;
                break;
            case characteristic::sync_level:
                if (!within(1)) break;
                if ((value == 1 && k.full_duplex) ||
                    (value == 0 && (k.send_type == 2 || k.prepare_to_receive_type == 2 || k.deallocate_type == 2)))
                    code = rc::program_parameter_check;
                else
                    k.sync_level = u & 3;
                break;
            case characteristic::return_control:
                if (within(1)) k.return_control = u & 1;
                break;
            case characteristic::security_type:
                if (within(2)) k.security_type = u & 3;
                break;
            case characteristic::deallocate_type:
                if (within(3) && needs_confirm(value == 2)) k.deallocate_type = u & 3;
                break;
            case characteristic::error_direction:
                if (within(1)) k.error_direction = u & 1;
                break;
            case characteristic::fill:
                if (within(1) && k.conversation_type == 1)
                    code = rc::program_parameter_check;
                else if (code == rc::ok)
                    k.fill = u & 1;
                break;
            case characteristic::prepare_to_receive_type:
                if (within(2) && needs_confirm(value == 2)) k.prepare_to_receive_type = u & 3;
                break;
            case characteristic::processing_mode:
                // Its operations are two at least; a mode for all of them cannot say which one has finished.
                if (within(1) && value == 1 && k.full_duplex)
                    code = rc::program_parameter_check;
                else if (code == rc::ok) {
                    k.processing_mode = u & 1;
                    k.conversation_level |= u & 1;
                }
                break;
            case characteristic::receive_type:
                if (within(1)) k.receive_type = u & 1;
                break;
            case characteristic::send_type:
                if (within(4) && k.full_duplex && (value == 2 || value == 3))
                    code = rc::program_parameter_check;
                else if (code == rc::ok && needs_confirm(value == 2))
                    k.send_type = u & 7;
                break;
            case characteristic::send_receive_mode:
                if (within(1) && value == 1 &&
                    (k.sync_level != 0 || k.send_type == 2 || k.send_type == 3 || k.processing_mode == 1))
                    code = rc::program_parameter_check;
                else if (code == rc::ok && value != k.full_duplex && e.any_queue_of_mode_set(*v))
                    code = rc::program_parameter_check;
                else if (code == rc::ok)
                    k.full_duplex = u & 1;
                break;
        }
    }
    e.put_back(c, *v, before);
    return just(code);
}

outcome set_log_data(engine& e, context& c, conversation_id id, const void* text, std::int32_t length) noexcept {
    rc refused{};
    phase before{};
    conversation* v = claim_beside_receive(e, c, id, before, refused);
    if (v == nullptr) return just(refused);
    const bool busy = v->chosen.full_duplex ? v->on(queue::send) != waits::nothing : before != phase::idle;
    if (v->chosen.processing_mode == 2 && busy) {
        e.put_back(c, *v, before);
        return just(rc::operation_not_accepted);
    }
    rc code = rc::program_parameter_check;
    if (v->chosen.basic() && v->state != state::reset && length >= 0 &&
        length <= static_cast<std::int32_t>(wire::log_data_size_max) && (text != nullptr || length == 0)) {
        code = rc::ok;
        v->chosen.has_log_data = length > 0;
        if (length > 0) {
            log_data& log = e.log_of(*v);
            log.size = static_cast<std::uint16_t>(length);
            std::memcpy(log.text, text, log.size);
        }
    }
    e.put_back(c, *v, before);
    return just(code);
}

outcome set_name(engine& e, context& c, conversation_id id, name_of which, const void* text,
                 std::int32_t length) noexcept {
    rc refused{};
    phase before{};
    conversation* v = claim_beside_receive(e, c, id, before, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v, queue::main, before};
    if (k.queue_busy() && !is_duplex(v->state)) return k.leave(rc::operation_not_accepted);
    if (v->state != state::initialize) return k.leave(rc::program_state_check);
    const auto fits = [&](std::int32_t least, std::int32_t most) {
        return length >= least && length <= most && (text != nullptr || length == 0);
    };
    particulars& d = e.details(*v);
    const std::string_view s{static_cast<const char*>(text),
                             length > 0 && text != nullptr ? static_cast<std::size_t>(length) : 0};
    const bool secured = v->chosen.security_type != 0;
    bool good = false;
    switch (which) {
        case name_of::partner_lu: good = fits(1, 17) && d.partner_lu_name.assign(s); break;
        case name_of::mode:
            good = fits(0, 8);
            if (good && length > 0) (void)d.mode_name.assign(s);
            break;
        case name_of::tp:
            good = fits(1, 64) && static_cast<unsigned char>(s[0]) >= 0x20 && d.tp_name.assign(s);
            if (good) d.service_tp = false;
            break;
        case name_of::user_id:
        case name_of::password:
            if (!secured) return k.leave(rc::program_state_check);
            good = fits(0, 10);
            if (good && which == name_of::password) cleanse(d.password);  // also where it was longer
            if (good) (void)(which == name_of::user_id ? d.user_id : d.password).assign(s);
            break;
    }
    return k.leave(good ? rc::ok : rc::program_parameter_check);
}

outcome set_details(engine& e, context& c, conversation_id id, std::string_view partner_lu, std::string_view mode,
                    std::string_view tp, bool service_tp) noexcept {
    rc refused{};
    conversation* v = claim(e, id, refused);
    if (v == nullptr) return just(refused);
    claimed k{e, c, *v};
    if (v->state != state::initialize) return k.leave(rc::program_state_check);
    particulars& d = e.details(*v);
    const bool good = d.partner_lu_name.assign(partner_lu) && d.mode_name.assign(mode) && d.tp_name.assign(tp);
    d.service_tp = service_tp;
    return k.leave(good ? rc::ok : rc::program_parameter_check);
}

namespace {

// Owns the slot for a look, whatever its main operation is about: characteristics share their words with what calls
// and deliveries change, and the link may go with the conversation. Null: there is no such conversation.
conversation* look_at(engine& e, context& c, conversation_id id, phase& before) noexcept {
    conversation* v = e.find(id);
    if (v == nullptr || id.generation() == 0) return nullptr;
    auto owned = v->word.own(id.generation(), before);
    while (owned == state_word<>::own_result::busy) owned = v->word.own(id.generation(), before);  // for a moment
    if (owned == state_word<>::own_result::stale) return nullptr;
    if (v->state != state::reset) return v;
    if (before == phase::idle)
        leave_over(*v);
    else
        e.put_back(c, *v, before);
    return nullptr;
}

}  // namespace

outcome set_time_limit(engine& e, context& c, conversation_id id, std::uint32_t limit_ms) noexcept {
    rc refused{};
    if (conversation* const v = claim(e, id, refused); v != nullptr) {
        v->time_limit_ms = limit_ms;
        return claimed{e, c, *v}.leave(rc::ok);
    }
    phase before{};
    conversation* const v = refused == rc::operation_not_accepted ? look_at(e, c, id, before) : nullptr;
    if (v == nullptr) return just(refused);
    // Where calls are one at a time it is a call like the others.
    const bool queues = v->chosen.full_duplex || v->chosen.processing_mode == 2;
    if (queues) v->time_limit_ms = limit_ms;
    e.put_back(c, *v, before);
    return just(queues ? rc::ok : rc::operation_not_accepted);
}

outcome extract(engine& e, context& c, conversation_id id, characteristic which, std::int32_t& value) noexcept {
    phase before{};
    conversation* v = look_at(e, c, id, before);
    if (v == nullptr) return just(rc::program_parameter_check);
    switch (which) {
        case characteristic::conversation_type: value = v->chosen.conversation_type; break;
        case characteristic::sync_level: value = v->chosen.sync_level; break;
        case characteristic::security_type: value = v->chosen.security_type; break;
        case characteristic::processing_mode: value = v->chosen.processing_mode; break;
        case characteristic::send_receive_mode: value = v->chosen.full_duplex; break;
        default: value = 0;
    }
    e.put_back(c, *v, before);
    return just(rc::ok);
}

outcome extract_state(engine& e, context& c, conversation_id id, conversation_state& value) noexcept {
    (void)c;
    conversation* v = e.find(id);
    if (v == nullptr || id.generation() == 0) return just(rc::program_parameter_check);
    const std::uint64_t w = v->word.load();
    if (!word_bits::is_life(w, id.generation()) || word_bits::state_of(w) == state::reset)
        return just(rc::program_parameter_check);
    value = word_bits::state_of(w);
    return just(rc::ok);
}

outcome extract_origin(engine& e, context& c, conversation_id id, bool& accepted) noexcept {
    phase before{};
    conversation* v = look_at(e, c, id, before);
    if (v == nullptr) return just(rc::program_parameter_check);
    accepted = v->state != state::initialize && !v->said.originator;
    e.put_back(c, *v, before);
    return just(rc::ok);
}

outcome extract_name(engine& e, context& c, conversation_id id, name_of which, void* text, std::int32_t capacity,
                     std::int32_t& length) noexcept {
    phase before{};
    conversation* v = look_at(e, c, id, before);
    if (v == nullptr) return just(rc::program_parameter_check);
    const particulars* const d = v->names != no_names ? &e.details(*v) : nullptr;
    const bool accepted =
        v->state != state::initialize && v->state != state::initialize_incoming && !v->said.originator;
    std::string_view s;
    switch (which) {
        case name_of::partner_lu:
            if (accepted && v->link != nullptr && !v->said.relayed)
                s = v->link->peer_name();
            else
                s = d != nullptr ? d->partner_lu_name.view() : " ";
            break;
        case name_of::tp:
            if (accepted)
                s = e.tps().at(v->tp_index).name.view();
            else if (d != nullptr)
                s = d->tp_name.view();
            break;
        case name_of::mode:
            if (d != nullptr) s = d->mode_name.view();
            break;
        case name_of::user_id:
            if (d != nullptr) s = d->user_id.view();
            break;
        case name_of::password: break;
    }
    const auto most = static_cast<std::size_t>(capacity);
    const std::size_t n = s.size() < most ? s.size() : most;
    if (n != 0) std::memcpy(text, s.data(), n);
    length = static_cast<std::int32_t>(n);
    e.put_back(c, *v, before);
    return just(rc::ok);
}

}  // namespace colloquy::runtime
