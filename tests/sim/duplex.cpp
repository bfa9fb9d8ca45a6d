#include "tests/sim/duplex.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "runtime/verbs.hpp"
#include "tests/sim/oracle.hpp"
#include "transport/sim.hpp"

namespace colloquy::sim {

namespace {

using runtime::characteristic;
using runtime::queue;
using runtime::return_code;

constexpr std::uint64_t ms = 1'000'000;
constexpr const char* names[] = {"NET.A", "NET.B"};
constexpr queue every_queue[] = {queue::main, queue::send, queue::expedited_send, queue::expedited_receive};

enum class saying : std::uint8_t { record, error, end, abend };

struct said {
    saying what;
    std::int32_t length;
    std::int32_t code;
};

enum class sending : std::uint8_t { data, flush, error, deallocate };

// How one of a conversation's queues reports, where the program has set it.
struct reporting {
    runtime::queue_mode mode = runtime::queue_mode::blocks;
    runtime::queue_mode under_way = runtime::queue_mode::blocks;  // of the operation that waits
    std::int32_t number = 0;                                      // the OOID
    std::int32_t answer = 0;                                      // the return code that the call was given to fill in
    std::uint64_t field = 0;                                      // the user's
};

// One program's end. What it said and the partner has read is all that is known; each direction ends by itself.
struct program {
    std::uint32_t unit = 0;
    runtime::conversation_id id{};
    bool known = false;
    bool attached = false;  // the partner may know of the conversation
    std::vector<said> out;
    std::size_t forced = 0;  // of out
    std::size_t read = 0;    // of the partner's
    std::int32_t offset = 0;
    bool we_ended = false, peer_ended = false, over = false;
    bool ended_itself = false;

    bool sends = false, receives = false;  // a caller is blocked
    sending verb = sending::flush;
    std::vector<std::byte> data, buffer;
    std::int32_t wanted = 0, got = 0, kind = 0, status = 0, rts = 0, send_rts = 0;
    bool immediate = false;

    // Expedited data: lengths of what was said, how many of them have left for certain, how many of the partner's were
    // read.
    std::vector<std::int32_t> express;
    std::size_t express_sure = 0, express_read = 0;
    bool express_sends = false, express_receives = false;  // a caller is blocked
    bool express_taken = false;  // one that waited to receive has ended, and was not judged yet
    std::vector<std::byte> express_data, express_buffer;
    std::int32_t express_wanted = 0, express_got = 0, express_send_told = 0, express_told = 0;

    // At queue level, by runtime::queue; receiving is on the main one.
    bool sets_queues = false, at_queue_level = false;
    reporting reports[4];
    [[nodiscard]] reporting& on(queue q) { return reports[static_cast<std::size_t>(q)]; }
    [[nodiscard]] bool& waits_on(queue q) {
        switch (q) {
            case queue::main: return receives;
            case queue::send: return sends;
            case queue::expedited_send: return express_sends;
            default: return express_receives;
        }
    }

    [[nodiscard]] int state() const { return over ? 1 : we_ended ? 16 : peer_ended ? 15 : 17; }
    [[nodiscard]] bool waits() const { return sends || receives || express_sends || express_receives; }
};

struct pair_of {
    program ends[2];
    std::uint32_t serial = 0;
    std::uint64_t opened_at = 0;
};

class scene {
public:
    scene(std::uint64_t seed, const reduction& less, bool verbose)
        : random_{source_of(~seed, 0)}, seed_{seed}, less_{less}, verbose_{verbose}, draw_{less} {
        auto& r = random_;
        transport::sim_weather w;
        w.delay_max_ns = draw_("delay_max", 1'000 + r.below(2 * ms), std::uint64_t{1'000});
        static constexpr std::size_t chunks[] = {1, 64, 1'460, 65'536};
        w.read_bytes_max = draw_("read", chunks[r.below(4)], std::size_t{65'536});
        w.write_bytes_max = draw_("write", chunks[r.below(4)], std::size_t{65'536});
        w.pipe_bytes = draw_("pipe", r.chance(500) ? std::size_t{4'096} : 1U << 20, std::size_t{1U << 20});
        if (r.chance(300)) {
            w.stall = static_cast<std::uint32_t>(r.below(100));
            w.stall_ns_max = r.below(20 * ms);
        }
        w.stall = draw_("stall", w.stall, 0U);
        w.connect_at_once = draw_("connect_at_once", r.chance(300) ? 500U : 0U, 0U);
        std::uint32_t failures = 0;
        if (r.chance(500)) {
            static constexpr std::uint32_t rates[] = {0, 1, 4, 10};
            faults_ = rates[r.below(4)];
            if (r.chance(200)) failures = 300;
            w.abrupt_close = r.chance(300);
        }
        faults_ = draw_("faults", faults_, 0U);
        w.connect_failure = draw_("connect_failure", failures, 0U);
        w.abrupt_close = draw_("abrupt_close", w.abrupt_close, false);
        connect_may_fail_ = w.connect_failure != 0;
        heartbeats_ = draw_("heartbeats", faults_ != 0 && r.chance(500), false);
        tight_ = draw_("tight", r.chance(300), false);
        runtime::limits l;
        static constexpr std::uint32_t windows[] = {512, 1'024, 4'096, 16'384};
        l.window_bytes = draw_("window", windows[r.below(4)], 16'384U);
        l.window_bytes_max = draw_("window_max", l.window_bytes << r.below(4), l.window_bytes);
        l.window_bytes_max = std::max(l.window_bytes_max, l.window_bytes);
        l.conversations = 64;
        l.links = 32;
        l.partners = 4;
        l.tp_names = 4;
        l.accept_queue = 64;
        l.heartbeat_ms = heartbeats_ ? 500 : 0;
        l.greeting_ms = 1'000;
        if (tight_) {
            if (r.chance(300)) l.conversations = static_cast<std::uint32_t>(r.between(4, 12));
            if (r.chance(300)) l.accept_queue = 2;
            if (r.chance(300)) l.link_conversations = static_cast<std::uint32_t>(r.between(1, 6));
            if (r.chance(300)) l.link_attach_bytes = static_cast<std::uint32_t>(r.between(200, 20'000));
            if (r.chance(300)) l.inbound_bytes = std::uint64_t{l.window_bytes} * r.between(1, 8);
        }
        network_ = std::make_unique<transport::sim_network>(r.next(), w);
        for (std::uint32_t i = 0; i < 2; ++i) {
            units_[i] = std::make_unique<transport::sim_unit>(*network_, l, names[i], r.next());
            (void)units_[i]->engine.tps().add("TELLER", tight_ && r.chance(300) ? 2 : 100);
        }
        const auto links = draw_("links", static_cast<std::uint32_t>(r.between(1, 2)), 1U);
        (void)units_[0]->know(*units_[1], links);
        (void)units_[1]->know(*units_[0], links);
        shape_ = draw_("records", r.chance(500) ? 300U : 8'000U, 300U);
        static constexpr std::uint32_t shares[] = {0, 50, 300};
        express_ = draw_("express", shares[r.below(3)], 0U);
        incoming_ = draw_("incoming", shares[r.below(3)] * 3, 0U);
        queues_ = draw_("queues", shares[r.below(3)] * 3, 0U);
        breaks_ = draw_("breaks", r.chance(500), false);
        actions_ = draw_("actions", r.between(50, 600), std::uint64_t{0});
    }

    void run() {
        for (std::uint64_t i = 0; i < actions_; ++i) {
            if (less_.leaves_out(i)) continue;
            begun_ = i + 1;
            random_ = transport::sim_random{source_of(~seed_, i + 1)};
            if (talks_.empty() || (living() < 4 && random_.chance(20))) open();
            if (!talks_.empty()) act();
        }
        random_ = transport::sim_random{source_of(~seed_, UINT32_MAX)};
        network_->weather().connect_failure = 0;
        network_->weather().stall = 0;
        at_rest();
        if (random_.chance(600)) cooperate();
        end_everything();
        if (network_->worst_reason() != wire::reason::none) fail("duplex: a link was closed for a broken protocol");
        for (auto& u : units_) {
            runtime::engine& e = u->engine;
            if (e.count().read(runtime::counter::conversations_opened) !=
                e.count().read(runtime::counter::conversations_closed))
                fail("duplex: slots leak");
            if (e.inbound().reserved_bytes() != 0) fail("duplex: bytes stay reserved");
            for (const auto k :
                 {runtime::buffer_class::cell, runtime::buffer_class::block, runtime::buffer_class::bulk})
                if (e.inbound().bytes_in_use(k) != 0 || e.outbound_pool().bytes_in_use(k) != 0)
                    fail("duplex: buffers leak");
        }
    }

    void tell(run_result& out) const {
        out.drawn = draw_.all();
        out.actions = begun_;
        out.count += count_;
    }

private:
    struct acceptance {
        std::uint32_t unit;
        runtime::conversation_id id;
    };
    // What a call's return code variable is for as long as the call lasts.
    class answering {
    public:
        answering(runtime::context& c, program& p, queue on) : c_{c} {
            p.on(on).answer = -1;
            if (p.at_queue_level) c.answer_to = &p.on(on).answer;
        }
        ~answering() { c_.answer_to = nullptr; }
        answering(const answering&) = delete;
        answering& operator=(const answering&) = delete;

    private:
        runtime::context& c_;
    };

    runtime::engine& engine(const program& p) { return units_[p.unit]->engine; }
    runtime::context& context(const program& p) { return units_[p.unit]->c; }
    runtime::engine& engine(std::uint32_t u) { return units_[u]->engine; }
    runtime::context& context(std::uint32_t u) { return units_[u]->c; }

    [[nodiscard]] std::size_t living() const {
        std::size_t n = 0;
        for (const auto& t : talks_) n += !t->ends[0].over || (t->ends[1].known && !t->ends[1].over);
        return n;
    }
    [[nodiscard]] bool may_be_lost(const pair_of& t) const {
        return interfered_ && network_->last_loss() >= t.opened_at;
    }
    [[nodiscard]] bool may_be_refused(const pair_of& t) const { return (tight_ || drained_) && !t.ends[1].known; }

    void say_so(const std::string& text) const {
        if (verbose_)
            std::fprintf(stderr, "%12llu  duplex %s\n", static_cast<unsigned long long>(network_->now()), text.c_str());
    }
    void note(const pair_of& t, int k, const std::string& text) const {
        if (verbose_) say_so(std::to_string(t.serial) + "ab"[k] + " " + std::to_string(t.ends[k].state()) + " " + text);
    }

    static std::byte content(int end, std::size_t number, std::int32_t at) {
        const auto mixed = static_cast<std::uint32_t>(number) * 2'654'435'761U + static_cast<std::uint32_t>(at) * 97U +
                           static_cast<std::uint32_t>(at >> 8) * 31U + static_cast<std::uint32_t>(end);
        return static_cast<std::byte>(mixed >> 7);
    }
    // Expedited data is numbered behind all records.
    static std::byte express_content(int end, std::size_t number, std::int32_t at) {
        return content(end, number + 1'000'003, at);
    }

    // --- beginnings --------------------------------------------------------------------------------------------------

    void open() {
        auto made = std::make_unique<pair_of>();
        const std::uint32_t from = random_.chance(500) ? 0 : 1;
        program& a = made->ends[0];
        a.unit = from;
        made->ends[1].unit = 1 - from;
        const runtime::outcome o = runtime::initialize(engine(a), context(a));
        if (o.code != return_code::ok) {
            if (o.code != return_code::product_specific_error || !tight_) fail("duplex: no slot");
            return;
        }
        a.id = o.id;
        a.known = true;
        made->opened_at = network_->now();
        talks_.push_back(std::move(made));
        ++count_.conversations;
        pair_of& t = *talks_.back();
        t.serial = static_cast<std::uint32_t>(talks_.size());
        (void)runtime::set_details(engine(a), context(a), a.id, names[1 - from], "", "TELLER", false);
        // The attach says whose it is.
        (void)runtime::set(engine(a), context(a), a.id, characteristic::security_type, 2);
        char user[11];
        std::snprintf(user, sizeof user, "U%07u", t.serial);
        if (runtime::set_name(engine(a), context(a), a.id, runtime::name_of::user_id, user, 8).code != return_code::ok)
            fail("duplex: Set_Security_User_ID is refused");
        if (runtime::set(engine(a), context(a), a.id, characteristic::send_receive_mode, 1).code != return_code::ok)
            fail("duplex: Set_Send_Receive_Mode is refused");
        const runtime::outcome allocated = runtime::allocate(
            engine(a), context(a), a.id,
            [](void* e, std::string_view name) { return static_cast<runtime::engine*>(e)->partners().find(name); },
            &engine(a), nullptr);
        return_code code = allocated.code;
        if (allocated.must_wait) {
            settle();
            if (!engine(a).collect(context(a), a.id, code)) fail("duplex: Allocate does not return");
        }
        note(t, 0, "Allocate gives " + std::to_string(static_cast<int>(code)));
        if (code != return_code::ok) {
            const bool may_fail = connect_may_fail_ || tight_ || drained_ || may_be_lost(t);
            if (code != return_code::allocate_failure_retry || !may_fail) fail("duplex: Allocate is refused");
            a.over = true;
        }
        if (!a.over) choose_queues(t, 0);
        check(t);
    }

    // --- queue level -------------------------------------------------------------------------------------------------

    void choose_queues(pair_of& t, int k) {
        if (!random_.chance(queues_)) return;
        t.ends[k].sets_queues = true;
        for (const queue on : every_queue) set_queue(t, k, on);
    }

    void set_queue(pair_of& t, int k, queue on) {
        using runtime::queue_mode;
        program& p = t.ends[k];
        reporting& r = p.on(on);
        static constexpr queue_mode modes[] = {queue_mode::blocks, queue_mode::waited_for, queue_mode::calls,
                                               queue_mode::completes};
        const std::int32_t expected = p.over ? 24 : p.waits_on(on) ? 25 : 0;
        const queue_mode mode = modes[random_.below(4)];
        const std::uint64_t field = random_.next();
        std::int32_t number = 0;
        runtime::queue_request q;
        q.mode = mode;
        q.user_field = &field;
        q.function = +[] {};
        q.user = &r;
        if (mode == queue_mode::waited_for) q.number = &number;
        static constexpr std::int32_t cpic[] = {2, 1, 4, 5};
        const auto code = static_cast<std::int32_t>(
            runtime::set_queue(engine(p), context(p), p.id, cpic[static_cast<std::size_t>(on)], q).code);
        ++count_.verbs;
        note(t, k,
             "queue " + std::to_string(static_cast<int>(on)) + " set to " + std::to_string(static_cast<int>(mode)) +
                 " gives " + std::to_string(code));
        if (code != expected)
            fail("duplex: setting a queue gives " + std::to_string(code) + " instead of " + std::to_string(expected));
        if (code != 0) return;
        // To block is what queues do that were never set.
        p.at_queue_level |= mode != queue_mode::blocks;
        r.mode = mode;
        r.field = field;
        if (mode == queue_mode::waited_for) {
            if (number == 0 || (r.number != 0 && r.number != number)) fail("duplex: another OOID for the same queue");
            r.number = number;
        }
    }

    // A call waits on that queue now.
    void begins(pair_of& t, int k, const runtime::outcome& o, queue on) {
        program& p = t.ends[k];
        reporting& r = p.on(on);
        if (o.must_wait != (r.mode == runtime::queue_mode::blocks) || o.on != on)
            fail("duplex: a call waits in another way than its queue is set to");
        p.waits_on(on) = true;
        r.under_way = r.mode;
        if (o.must_wait)
            units_[p.unit]->sleep(p.id, on);
        else if (r.mode != runtime::queue_mode::completes && r.answer != 35)
            fail("duplex: a call that waits has not said so in its return code variable");
        if (r.mode == runtime::queue_mode::waited_for) look(p.unit);
    }

    // Who waits for completions on this unit waits for all that are under way.
    void look(std::uint32_t u) {
        auto& board = engine(u).board();
        auto& list = waited_for_[u];
        list.clear();
        for (auto& t : talks_)
            for (program& p : t->ends)
                for (const queue on : every_queue)
                    if (p.known && p.unit == u && p.waits_on(on) &&
                        p.on(on).under_way == runtime::queue_mode::waited_for)
                        list.push_back(p.on(on).number);
        if (waiter_[u] == 0) waiter_[u] = board.enter(0);
        units_[u]->sleep_at(board.parking(waiter_[u]));
        if (list.empty()) return;
        std::vector<std::int32_t> places(list.size());
        const auto seen = board.look(waiter_[u], list.data(), static_cast<std::uint32_t>(list.size()), places.data(),
                                     engine(u).waker());
        if (!seen.valid) fail("duplex: the OOID of an operation that waits is not known");
        for (std::uint32_t i = 0; i < seen.finished; ++i) {
            bool others = false;
            const std::int32_t number = waited_for_[u][static_cast<std::size_t>(places[i])];
            if (!board.collect(number, waiter_[u], others, engine(u).waker()))
                fail("duplex: an operation that has finished cannot be collected");
            finished_.emplace_back(u, engine(u).collect_at_queue_level(context(u), number));
        }
    }

    void collect_queues() {
        for (std::uint32_t u = 0; u < 2; ++u) {
            if (waiter_[u] != 0 && engine(u).board().told_something(waiter_[u])) {
                if (!units_[u]->woken_at(engine(u).board().parking(waiter_[u])))
                    fail("duplex: lost wake: who waits for completions sleeps although there is one");
                look(u);
            }
            runtime::engine::posting told;
            while (engine(u).next_posting(context(u), told)) {
                if (!told.of_queue) fail("duplex: a completion that nobody asked to be called for");
                finished_.emplace_back(u, told.from_queue);
            }
        }
        while (!finished_.empty()) {
            const auto [u, done] = finished_.front();
            finished_.erase(finished_.begin());
            completes(u, done);
        }
        for (auto& t : talks_)
            for (program& p : t->ends)
                for (const queue on : every_queue) {
                    bool others = false;
                    if (p.known && p.waits_on(on) && p.on(on).under_way == runtime::queue_mode::waited_for &&
                        engine(p).board().collect(p.on(on).number, 0, others, engine(p).waker()))
                        fail("duplex: lost wake: a completion that nobody was told of");
                }
    }

    void completes(std::uint32_t u, const runtime::queue_completion& done) {
        const queue on = runtime::place_of(
            runtime::queue_of(true,
                              done.kind == runtime::verb::receive             ? queue::main
                              : done.kind == runtime::verb::send_expedited    ? queue::expedited_send
                              : done.kind == runtime::verb::receive_expedited ? queue::expedited_receive
                                                                              : queue::send,
                              done.kind));
        for (auto& t : talks_) {
            for (int k = 0; k < 2; ++k) {
                program& p = t->ends[k];
                if (!p.known || p.unit != u || p.id != done.id) continue;
                reporting& r = p.on(on);
                const auto code = static_cast<std::int32_t>(done.code);
                note(*t, k,
                     "queue " + std::to_string(static_cast<int>(on)) + " completes with " + std::to_string(code));
                if (!p.waits_on(on)) fail("duplex: a completion of an operation that is over");
                std::uint64_t field = 0;
                std::memcpy(&field, done.user_field.data(), sizeof field);
                if (done.mode != r.under_way || done.user != &r || field != r.field)
                    fail("duplex: a completion with another queue's setting");
                if (done.mode != runtime::queue_mode::completes && r.answer != code)
                    fail("duplex: a return code variable has another code than its completion");
                return over(*t, k, on, code);
            }
        }
        fail("duplex: a completion on no conversation");
    }

    void collect_blocked() {
        for (auto& t : talks_) {
            for (int k = 0; k < 2; ++k) {
                program& p = t->ends[k];
                for (const queue on : every_queue) {
                    if (!p.waits_on(on) || p.on(on).under_way != runtime::queue_mode::blocks ||
                        !engine(p).finished(p.id, on))
                        continue;
                    if (!units_[p.unit]->wakes(p.id, on))
                        fail("duplex: lost wake: a caller sleeps although its call has finished");
                    return_code code{};
                    if (!engine(p).collect(context(p), p.id, code, on))
                        fail("duplex: a call that has finished cannot be collected");
                    note(*t, k,
                         "call on queue " + std::to_string(static_cast<int>(on)) + " completes with " +
                             std::to_string(static_cast<int>(code)));
                    over(*t, k, on, static_cast<std::int32_t>(code));
                }
            }
        }
    }

    void over(pair_of& t, int k, queue on, std::int32_t code) {
        t.ends[k].waits_on(on) = false;
        t.ends[k].express_taken |= on == queue::expedited_receive;
        ++count_.completions;
        ended_.push_back({&t, k, on, code});
    }

    // What a call that waited has come to.
    void ends(pair_of& t, int k, queue on, std::int32_t code) {
        switch (on) {
            case queue::main: return received(t, k, code, true);
            case queue::send: return sent(t, k, code, true);
            case queue::expedited_send: return expressed(t, k, true, code, true);
            case queue::expedited_receive: expressed(t, k, false, code, true); t.ends[k].express_taken = false;
        }
    }

    // A program of this unit waits for an attach, or takes one.
    void accept(std::uint32_t at) {
        runtime::outcome o;
        if (random_.chance(incoming_)) {
            const runtime::outcome made = runtime::initialize_for_incoming(engine(at), context(at));
            if (made.code != return_code::ok) {
                if (!tight_) fail("duplex: Initialize_For_Incoming is refused");
                return;
            }
            o = runtime::accept_incoming(engine(at), context(at), made.id, nullptr);
            o.id = made.id;
        } else {
            o = runtime::accept(engine(at), context(at), true, nullptr);
        }
        say_so("an accept at " + std::to_string(at) + " gives " + std::to_string(static_cast<int>(o.code)));
        if (o.code == return_code::ok) return accepted(at, o.id);
        if (o.code == return_code::operation_incomplete && o.must_wait) {
            units_[at]->sleep(o.id);
            accepts_.push_back({at, o.id});
            return;
        }
        if (o.code != return_code::product_specific_error || !tight_) fail("duplex: an accept is refused");
    }

    void accepted(std::uint32_t at, runtime::conversation_id id) {
        char user[16] = {};
        std::int32_t length = 0;
        unsigned serial = 0;
        (void)runtime::extract_name(engine(at), context(at), id, runtime::name_of::user_id, user, 10, length);
        if (length != 8 || std::sscanf(user, "U%07u", &serial) != 1 || serial == 0 || serial > talks_.size())
            fail("duplex: an attach that nobody sent");
        pair_of& t = *talks_[serial - 1];
        program& b = t.ends[1];
        if (b.known) fail("duplex: one attach was accepted twice");
        if (b.unit != at) fail("duplex: an attach came to the wrong logical unit");
        if (!t.ends[0].attached) fail("duplex: an attach that was never sent");
        std::int32_t mode = 0;
        (void)runtime::extract(engine(at), context(at), id, characteristic::send_receive_mode, mode);
        if (mode != 1) fail("duplex: an accepted conversation is not full-duplex");
        b.id = id;
        b.known = true;
        ++count_.accepted;
        note(t, 1, "accepted");
        choose_queues(t, 1);
        check(t);
    }

    // An accept that waits is given up.
    void withdraw(std::size_t which) {
        const acceptance a = accepts_[which];
        accepts_.erase(accepts_.begin() + static_cast<std::ptrdiff_t>(which));
        const auto how = runtime::give_up(engine(a.unit), context(a.unit), a.id);
        return_code code{};
        if (how == runtime::given_up::withdrawn) {
            if (runtime::cancel(engine(a.unit), context(a.unit), a.id).code != return_code::ok)
                fail("duplex: Cancel of a conversation that waits for an attach is refused");
        } else if (!engine(a.unit).collect(context(a.unit), a.id, code)) {
            fail("duplex: an accept that was given up does not return");
        } else if (how == runtime::given_up::finished) {
            accepted(a.unit, a.id);
        }
    }

    void act() {
        auto& r = random_;
        if (r.chance(faults_)) return interfere();
        const auto roll = r.below(100);
        if (roll < 35) {
            for (std::uint64_t n = r.between(1, 8); n != 0; --n) (void)network_->step();
            return poll();
        }
        if (roll < 38) return at_rest();
        if (roll < 42) {
            if (accepts_.size() < 3) return accept(static_cast<std::uint32_t>(r.below(2)));
            return withdraw(r.below(accepts_.size()));
        }
        pair_of& t = *talks_[talks_.size() - 1 - r.below(std::min<std::size_t>(talks_.size(), 6))];
        const int k = t.ends[1].known && r.chance(500) ? 1 : 0;
        program& p = t.ends[k];
        if (r.chance(express_)) return express(t, k, r.chance(500));
        if (roll < 67) return receive(t, k, r.chance(300));
        if (roll < 85) return send(t, k, sending::data);
        if (roll < 90) return send(t, k, sending::flush);
        if (roll < 93) return send(t, k, sending::error);
        if (roll < 95) return send(t, k, sending::deallocate);
        if (roll == 95 && r.chance(300)) return abend(t, k);
        if (roll == 97 && p.sets_queues) return set_queue(t, k, every_queue[r.below(4)]);
        if (roll == 96 && r.chance(300) && !p.over) return end_by_cancel(t, k);
    }

    void interfere() {
        auto& r = random_;
        const std::size_t up = network_->links_up();
        if (up == 0) return;
        const std::size_t which = r.below(up);
        const auto roll = r.below(100);
        say_so("interference " + std::to_string(roll) + " at link " + std::to_string(which));
        if (breaks_ && r.chance(300)) {
            interfered_ = true;
            const bool cut = r.chance(500);
            ++count_[cut ? fault::truncation : fault::half_close];
            cut ? network_->truncate(which) : network_->half_close(which);
        } else if (roll < 40) {
            interfered_ = true;
            ++count_[fault::reset];
            network_->reset(which);
        } else if (roll < 60) {
            ++count_[fault::stall];
            network_->stall(which, r.below(100 * ms));
        } else if (roll < 75 && heartbeats_) {
            interfered_ = true;
            ++count_[fault::black_hole];
            network_->black_hole(which);
        } else if (roll < 90) {
            interfered_ = drained_ = true;
            ++count_[fault::drain];
            network_->drain(which);
        } else {
            interfered_ = true;
            ++count_[fault::orderly_end];
            network_->shut(which);
        }
        poll();
    }

    void say(program& p, const said& what) {
        p.out.push_back(what);
        p.forced = p.out.size();
    }

    void send(pair_of& t, int k, sending verb) {
        program& p = t.ends[k];
        runtime::engine& e = engine(p);
        std::int32_t expected = p.over ? 24 : p.sends ? 37 : p.we_ended ? 25 : 0;
        std::int32_t length = 0;
        const bool flushes = random_.chance(500);
        std::vector<std::byte> data;
        runtime::outcome o;
        std::int32_t rts = 0;
        std::int32_t& told = expected == 0 ? p.send_rts : rts;
        std::optional<answering> by;
        if (expected == 0) by.emplace(context(p), p, queue::send);
        switch (verb) {
            case sending::data: {
                length = static_cast<std::int32_t>(random_.below(shape_));
                for (std::int32_t i = 0; i < length; ++i) data.push_back(content(k, p.out.size(), i));
                data.push_back({});
                const auto set = runtime::set(e, context(p), p.id, characteristic::send_type, flushes ? 1 : 0).code;
                // At queue level it belongs to the queue, which must be free.
                const bool busy = p.at_queue_level && p.sends;
                if (set != (p.over ? return_code::program_parameter_check
                            : busy ? return_code::operation_not_accepted
                                   : return_code::ok))
                    fail("duplex: Set_Send_Type gives another code");
                o = runtime::send_data(e, context(p), p.id, data.data(), length, &told, nullptr);
                break;
            }
            case sending::flush: o = runtime::flush(e, context(p), p.id, nullptr); break;
            case sending::error: o = runtime::send_error(e, context(p), p.id, &told, nullptr); break;
            case sending::deallocate: o = runtime::deallocate(e, context(p), p.id, nullptr); break;
        }
        const auto code = static_cast<std::int32_t>(o.code);
        ++count_.verbs;
        note(t, k,
             "send " + std::to_string(static_cast<int>(verb)) + " of " + std::to_string(length) + " gives " +
                 std::to_string(code));
        if (expected != 0) {
            if (code != expected)
                fail("duplex: a call that sends gives " + std::to_string(code) + " instead of " +
                     std::to_string(expected));
            return;
        }
        if (code == 0 || code == 35) {
            switch (verb) {
                case sending::data: p.out.push_back({saying::record, length, 0}); break;
                case sending::error: say(p, {saying::error, 0, 21}); break;
                case sending::deallocate: say(p, {saying::end, 0, 0}); break;
                case sending::flush: break;
            }
            if (verb != sending::data || flushes) p.forced = p.out.size();
            p.attached = true;  // a full buffer leaves by itself
        }
        p.verb = verb;
        if (code == 35) {
            p.data = std::move(data);
            begins(t, k, o, queue::send);
        } else {
            sent(t, k, code, false);
        }
        poll();
        check(t);
    }

    // Without turns only expedited data is told of. What a call that waited tells may have been read since.
    void announced(pair_of& t, int k, std::int32_t value, bool waited) {
        if (value != 0 && value != 5) fail("duplex: control information " + std::to_string(value));
        if (value == 5 && t.ends[1 - k].express.size() <= (waited ? 0 : t.ends[k].express_read))
            fail("duplex: expedited data is announced that the partner has not sent");
    }

    void sent(pair_of& t, int k, std::int32_t code, bool waited) {
        program& p = t.ends[k];
        if (p.verb == sending::data || p.verb == sending::error) announced(t, k, p.send_rts, waited);
        if (code == 0) {
            if (p.verb == sending::deallocate) p.we_ended = true;
            p.over |= p.we_ended && p.peer_ended;
            return;
        }
        ended(t, k, code);
    }

    // Both calls of an end may hear of it, each once.
    void ended(pair_of& t, int k, std::int32_t code) {
        program& p = t.ends[k];
        const program& other = t.ends[1 - k];
        bool right = code == 27 && may_be_lost(t);
        right |= code == 17 && p.ended_itself;
        // Why an attach was refused is for Receive to say, unless a call that sends was told first.
        right |= (code == 11 || code == 43) && k == 0 && may_be_refused(t);
        for (const said& s : other.out) right |= s.what == saying::abend && s.code == code;
        if (!right) fail("duplex: code " + std::to_string(code) + " although nobody did anything of the kind");
        p.over = true;
    }

    void receive(pair_of& t, int k, bool immediate) {
        program& p = t.ends[k];
        const std::int32_t expected = p.over ? 24 : p.receives ? 37 : p.peer_ended ? 25 : 0;
        const auto length = static_cast<std::int32_t>(random_.chance(300) ? random_.below(500) : 32'767);
        if (!p.receives) {
            const auto set =
                runtime::set(engine(p), context(p), p.id, characteristic::receive_type, immediate ? 1 : 0).code;
            if (set != (p.over ? return_code::program_parameter_check : return_code::ok))
                fail("duplex: Set_Receive_Type gives another code");
        }
        std::vector<std::byte> buffer(static_cast<std::size_t>(length) + 16, std::byte{0xA5});
        std::int32_t spare[4];
        const runtime::receive_request none{buffer.data(), length, &spare[0], &spare[1], &spare[2], &spare[3]};
        const runtime::receive_request real{buffer.data(), length, &p.kind, &p.got, &p.status, &p.rts};
        std::optional<answering> by;
        if (expected == 0) by.emplace(context(p), p, queue::main);
        const runtime::outcome o = runtime::receive(engine(p), context(p), p.id, expected == 0 ? real : none, nullptr);
        by.reset();
        const auto code = static_cast<std::int32_t>(o.code);
        ++count_.verbs;
        note(t, k, "Receive of " + std::to_string(length) + " gives " + std::to_string(code));
        if (expected != 0) {
            if (code != expected)
                fail("duplex: Receive gives " + std::to_string(code) + " instead of " + std::to_string(expected));
            return;
        }
        p.buffer = std::move(buffer);
        p.wanted = length;
        p.immediate = immediate;
        if (code == 35) {
            if (immediate) fail("duplex: Receive waits although it must not");
            begins(t, k, o, queue::main);
        } else {
            received(t, k, code, false);
        }
        poll();
        check(t);
    }

    void received(pair_of& t, int k, std::int32_t code, bool waited) {
        program& p = t.ends[k];
        const program& other = t.ends[1 - k];
        announced(t, k, p.rts, waited);
        for (std::size_t i = static_cast<std::size_t>(p.wanted); i < p.buffer.size(); ++i)
            if (p.buffer[i] != std::byte{0xA5}) fail("duplex: Receive wrote behind the buffer");
        const auto next = [&](saying what) { return p.read < other.out.size() && other.out[p.read].what == what; };
        if (code == 28 && p.immediate) return;
        if (code != 0 && code != 18 && code != 21) return ended(t, k, code);
        if (p.status != 0) fail("duplex: a status");
        if (code == 21) {
            if (!next(saying::error) || p.offset != 0) fail("duplex: 21 out of turn");
            ++p.read;
            return;
        }
        if (p.kind != 0) {
            if (!next(saying::record)) fail("duplex: data that the partner has not sent next");
            const std::int32_t left = other.out[p.read].length - p.offset;
            if (p.got > p.wanted || p.got > left || (p.kind == 2) != (p.got == left) || (p.kind != 2 && p.kind != 3))
                fail("duplex: " + std::to_string(p.got) + " of " + std::to_string(left) + " bytes with data_received " +
                     std::to_string(p.kind));
            bool cut = false;
            for (const said& s : other.out) cut |= s.what == saying::abend;
            if (p.kind == 3 && p.got != p.wanted && !cut) fail("duplex: incomplete although the buffer is not full");
            for (std::int32_t i = 0; i < p.got; ++i)
                if (p.buffer[static_cast<std::size_t>(i)] != content(1 - k, p.read, p.offset + i))
                    fail("duplex: wrong content");
            p.offset += p.got;
            if (p.kind == 2) {
                ++p.read;
                p.offset = 0;
            }
        } else if (code == 0) {
            fail("duplex: neither data nor status");
        }
        if (code != 18) return;
        if (!next(saying::end) || p.offset != 0) fail("duplex: 18 out of turn");
        ++p.read;
        p.peer_ended = true;
        p.over |= p.we_ended;
    }

    // --- expedited data ----------------------------------------------------------------------------------------------

    void express(pair_of& t, int k, bool sends) {
        program& p = t.ends[k];
        auto length = static_cast<std::int32_t>(sends                 ? random_.between(1, 86)
                                                : random_.chance(800) ? 86
                                                                      : random_.below(87));
        if (random_.chance(20)) length = 87;
        const bool immediate = random_.chance(500);
        const std::int32_t expected = p.over                                           ? 24
                                      : (sends ? p.express_sends : p.express_receives) ? 37
                                      : length > 86                                    ? 24
                                                                                       : 0;
        std::vector<std::byte> buffer(86 + 16, std::byte{0xA5});
        std::int32_t got = 0, info = 0;
        const bool real = expected == 0;
        const queue on = sends ? queue::expedited_send : queue::expedited_receive;
        if (sends)
            for (std::int32_t i = 0; i < std::min(length, 86); ++i)
                buffer[static_cast<std::size_t>(i)] = express_content(k, p.express.size(), i);
        std::optional<answering> by;
        if (real) by.emplace(context(p), p, on);
        const runtime::outcome o =
            sends ? runtime::send_expedited_data(engine(p), context(p), p.id, buffer.data(), length,
                                                 real ? &p.express_send_told : &info, nullptr)
                  : runtime::receive_expedited_data(engine(p), context(p), p.id, buffer.data(), length,
                                                    real ? &p.express_got : &got, real ? &p.express_told : &info,
                                                    immediate ? 1 : 0, nullptr);
        const auto code = static_cast<std::int32_t>(o.code);
        ++count_.verbs;
        note(t, k,
             std::string{sends ? "Send" : "Receive"} + "_Expedited_Data of " + std::to_string(length) + " gives " +
                 std::to_string(code));
        if (!real) {
            if (code != expected)
                fail("duplex: a call for expedited data gives " + std::to_string(code) + " instead of " +
                     std::to_string(expected));
            return;
        }
        if (sends) {
            p.express.push_back(length);
            p.express_data = std::move(buffer);
        } else {
            p.express_wanted = length;
            p.express_buffer = std::move(buffer);
        }
        if (code == 35) {
            if (!sends && immediate) fail("duplex: a call for expedited data waits although it must not");
            begins(t, k, o, on);
        } else {
            if (code == 28 && (sends || !immediate)) fail("duplex: 28 from a call that waits");
            expressed(t, k, sends, code, false);
        }
        poll();
        check(t);
    }

    void expressed(pair_of& t, int k, bool sends, std::int32_t code, bool waited) {
        program& p = t.ends[k];
        const program& other = t.ends[1 - k];
        announced(t, k, sends ? p.express_send_told : p.express_told, waited);
        if (sends && code != 0) p.express.pop_back();
        const std::string where =
            std::string{"duplex: "} + (sends ? "Send" : "Receive") + "_Expedited_Data gives " + std::to_string(code);
        switch (code) {
            case 0:
                if (sends) {
                    // One that the partner has received may not have been collected yet.
                    const bool reading = other.express_receives || other.express_taken || other.over;
                    const std::size_t taken = other.express_read + (reading ? 1 : 0);
                    if (taken + 1 < p.express.size()) fail(where + " while the one before is not read");
                    p.express_sure = p.express.size();
                    p.attached = true;
                    return;
                }
                [[fallthrough]];
            case 40: {
                if (sends) fail(where);
                if (p.express_read >= other.express.size()) fail(where + " although the partner has sent none");
                const std::int32_t length = other.express[p.express_read];
                if (p.express_got != length || (code == 40) != (length > p.express_wanted)) fail(where);
                const auto used = static_cast<std::size_t>(code == 0 ? length : 0);
                for (std::size_t i = used; i < p.express_buffer.size(); ++i)
                    if (p.express_buffer[i] != std::byte{0xA5}) fail("duplex: expedited data behind the buffer");
                for (std::size_t i = 0; i < used; ++i)
                    if (p.express_buffer[i] != express_content(1 - k, p.express_read, static_cast<std::int32_t>(i)))
                        fail("duplex: wrong expedited data");
                if (code == 0) ++p.express_read;
                return;
            }
            case 28: return;
            case 38: {
                bool expected = may_be_lost(t) || (k == 0 && may_be_refused(t));
                bool says_end[2] = {};
                for (const int i : {0, 1})
                    for (const said& s : t.ends[i].out) {
                        expected |= s.what == saying::abend;
                        says_end[i] |= s.what == saying::end;
                    }
                if (!expected && !(says_end[0] && says_end[1])) fail(where + " although nobody ends");
                return;
            }
            case 18:
                if (!p.over || !p.peer_ended) fail(where);
                return;
            default: ended(t, k, code);
        }
    }

    void abend(pair_of& t, int k) {
        program& p = t.ends[k];
        if (p.over || p.sends) return;
        (void)runtime::set(engine(p), context(p), p.id, characteristic::deallocate_type, 3);
        const auto code = runtime::deallocate(engine(p), context(p), p.id, nullptr).code;
        note(t, k, "Deallocate ABEND gives " + std::to_string(static_cast<int>(code)));
        if (code != return_code::ok) fail("duplex: Deallocate ABEND is refused");
        finish_own(t, k, 17);
    }

    void end_by_cancel(pair_of& t, int k) {
        program& p = t.ends[k];
        const auto code = runtime::cancel(engine(p), context(p), p.id).code;
        note(t, k, "Cancel gives " + std::to_string(static_cast<int>(code)));
        if (code != return_code::ok) fail("duplex: Cancel is refused");
        finish_own(t, k, 30);
    }

    void finish_own(pair_of& t, int k, std::int32_t code) {
        program& p = t.ends[k];
        p.over = p.ended_itself = p.attached = true;
        say(p, {saying::abend, 0, code});
        poll();
        if (p.waits()) fail("duplex: an ended conversation keeps a caller");
        check(t);
    }

    void poll() {
        for (auto& u : units_) u->engine.flush(u->c);
        do {
            collect_queues();
            collect_blocked();
            // What ended the conversation under a call for expedited data is told first.
            std::stable_sort(ended_.begin(), ended_.end(),
                             [](const ending& a, const ending& b) { return a.on < b.on; });
            const std::vector<ending> now = std::move(ended_);
            ended_.clear();
            for (const ending& e : now) ends(*e.of, e.end, e.on, e.code);
        } while (!ended_.empty());
        for (std::size_t i = 0; i < accepts_.size(); ++i) {
            const acceptance a = accepts_[i];
            if (!engine(a.unit).finished(a.id)) continue;
            return_code code{};
            if (!units_[a.unit]->wakes(a.id)) fail("duplex: lost wake: an accept sleeps although it has finished");
            if (!engine(a.unit).collect(context(a.unit), a.id, code) || code != return_code::ok)
                fail("duplex: an accept does not return");
            accepts_.erase(accepts_.begin() + static_cast<std::ptrdiff_t>(i--));
            accepted(a.unit, a.id);
        }
    }

    void check(pair_of& t) {
        for (program& p : t.ends) {
            if (!p.known) continue;
            runtime::conversation_state now{};
            const auto code = runtime::extract_state(engine(p), context(p), p.id, now).code;
            const int seen = code == return_code::ok ? static_cast<int>(now) : 1;
            if (seen != p.state())
                fail("duplex: Extract_State gives " + std::to_string(seen) + " instead of " +
                     std::to_string(p.state()));
        }
    }

    void settle() {
        if (!network_->settle()) fail("duplex: the network does not come to rest");
        if (network_->black_hole_open() && heartbeats_) network_->advance(4'000 * ms);
        if (!network_->settle()) fail("duplex: the network does not come to rest");
        poll();
    }

    void at_rest() {
        settle();
        settle();
        if (!interfered_ && !connect_may_fail_ && network_->last_loss() != 0)
            fail("duplex: a link was lost although nobody touched it");
        for (auto& t : talks_) {
            check(*t);
            for (int k = 0; k < 2; ++k) {
                const program& p = t->ends[k];
                if (p.over && p.waits()) fail("duplex: a call waits on a conversation that is over");
                if (may_be_lost(*t) || !t->ends[1].known) continue;
                const program& other = t->ends[1 - k];
                if (p.receives && other.forced > p.read) fail("duplex: Receive waits although the partner has sent");
                if (p.sends && (other.receives || other.over)) fail("duplex: a call that sends waits for nothing");
                if (p.express_receives && other.express_sure > p.express_read)
                    fail("duplex: Receive_Expedited_Data waits although the partner has sent");
                if (p.express_sends && other.express_read + 1 == p.express.size())
                    fail("duplex: Send_Expedited_Data waits although the one before was read");
                for (const said& s : other.out)
                    if (s.what == saying::abend && (p.sends || p.express_sends || p.express_receives))
                        fail("duplex: a call waits although the partner has ended abnormally");
            }
            const program& a = t->ends[0];
            const bool left = !a.ended_itself && !a.sends && (a.forced != 0 || a.express_sure != 0);
            for (const acceptance& waiting : accepts_)
                if (!interfered_ && !tight_ && left && !t->ends[1].known && t->ends[1].unit == waiting.unit)
                    fail("duplex: an attach waits beside an accept");
        }
    }

    // Both ends read to the end and say theirs.
    void cooperate() {
        for (int round = 0; round < 4'000; ++round) {
            bool all = true;
            for (std::uint32_t u = 0; u < 2; ++u) {
                bool waits = false;
                for (const acceptance& a : accepts_) waits |= a.unit == u;
                if (!waits) accept(u);
            }
            for (auto& t : talks_) {
                for (int k = 0; k < 2; ++k) {
                    program& p = t->ends[k];
                    if (!p.known) continue;
                    all &= p.over;
                    (void)runtime::set(engine(p), context(p), p.id, characteristic::deallocate_type, 0);
                    if (!p.over && !p.we_ended && !p.sends) send(*t, k, sending::deallocate);
                    if (!p.over && !p.peer_ended && !p.receives) receive(*t, k, false);
                }
            }
            if (all) return;
            at_rest();
        }
        fail("duplex: the conversations do not end");
    }

    // Attaches nobody has accepted hold slots until somebody does.
    void end_everything() {
        incoming_ = 0;  // it needs a slot of its own, and they may hold them all
        for (int round = 0; round < 4; ++round) {
            for (std::size_t i = 0; i < talks_.size(); ++i)
                for (int k = 0; k < 2; ++k)
                    if (talks_[i]->ends[k].known && !talks_[i]->ends[k].over) end_by_cancel(*talks_[i], k);
            settle();
            for (std::uint32_t u = 0; u < 2; ++u) {
                const auto waiting = [&] {
                    for (const acceptance& a : accepts_)
                        if (a.unit == u) return true;
                    return false;
                };
                for (int i = 0; i < 1'000 && !waiting(); ++i) accept(u);
            }
        }
        for (auto& t : talks_)
            for (int k = 0; k < 2; ++k)
                if (t->ends[k].known && !t->ends[k].over) end_by_cancel(*t, k);
        settle();
        while (!accepts_.empty()) withdraw(0);
        settle();
        for (auto& t : talks_)
            for (const program& p : t->ends)
                if (p.known && !p.over) fail("duplex: a conversation is left over");
    }

    transport::sim_random random_;
    const std::uint64_t seed_;
    const reduction& less_;
    bool verbose_;
    drawings draw_;
    tally count_;
    std::uint64_t begun_ = 0;
    std::unique_ptr<transport::sim_network> network_;
    std::unique_ptr<transport::sim_unit> units_[2];
    std::vector<std::unique_ptr<pair_of>> talks_;
    std::vector<acceptance> accepts_;
    // drawn
    std::uint32_t faults_ = 0;  // per mille of actions
    bool connect_may_fail_ = false;
    bool heartbeats_ = false;
    bool tight_ = false;          // limits are so small that refusals are legal
    std::uint32_t express_ = 0;   // per mille of actions
    std::uint32_t incoming_ = 0;  // per mille of accepts
    std::uint32_t shape_ = 0;
    std::uint64_t actions_ = 0;
    bool breaks_ = false;
    std::uint32_t queues_ = 0;  // per mille of programs: at queue level

    // Of each unit: who waits for completions of its queues, and for which.
    std::uint32_t waiter_[2] = {};
    std::vector<std::int32_t> waited_for_[2];
    std::vector<std::pair<std::uint32_t, runtime::queue_completion>> finished_;
    struct ending {
        pair_of* of;
        int end;
        queue on;
        std::int32_t code;
    };
    std::vector<ending> ended_;
    bool interfered_ = false, drained_ = false;
};

}  // namespace

void run_duplex(std::uint64_t seed, const reduction& less, bool verbose, run_result& out) {
    scene playing{seed, less, verbose};
    try {
        playing.run();
    } catch (...) {
        playing.tell(out);
        throw;
    }
    playing.tell(out);
}

}  // namespace colloquy::sim
