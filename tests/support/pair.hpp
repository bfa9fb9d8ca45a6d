// pair: two engines joined by a wire in memory, on one thread, for tests that watch both ends of a conversation.
//
// With COLLOQUY_TEST_RELAYED in the environment an attach manager stands between them: what A begins at B goes by way
// of its relay, and the tests should not be able to tell.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engine.hpp"
#include "runtime/relay.hpp"
#include "runtime/verbs.hpp"

namespace colloquy::test {

// One logical unit whose links are byte queues. Nothing moves until pump() is called.
class memory_unit final : public runtime::host {
public:
    memory_unit(const runtime::limits& bounds, std::string_view name, std::uint64_t salt)
        : engine{bounds, name, salt, *this}, scratch_(runtime::session::scratch_min) {}
    ~memory_unit() = default;

    runtime::context c;
    runtime::engine engine;
    std::uint64_t now = 1;
    std::uint32_t filled = 0;  // entries told to the wait queue
    std::uint32_t idle_told = 0;
    bool refuse_links = false;

    struct wire_end {
        memory_unit* owner = nullptr;
        runtime::session* session = nullptr;
        wire_end* other = nullptr;
        std::vector<std::byte> in;  // bytes on their way to this end
        bool duty = false;
        bool stuck = false;  // what is said here is not taken
        bool closed = false;
        bool ended = false;  // nothing comes behind what is in `in`
    };
    // Joins this unit to `peer` under its name.
    runtime::partner* know(memory_unit& peer, std::uint32_t links = 1) {
        return engine.partners().add(peer.engine.lu_name(), links, &peer);
    }

    // --- users
    bool confidential = true;                   // the links that we open
    std::string called_from = "192.0.2.7:409";  // where partners call a manager from
    bool trusting = false;                      // whom partners say to have verified is believed
    user_check verdict = user_check::refused;
    struct question {
        std::string user, password;
        runtime::conversation_id id;
    };
    std::vector<question> questions;
    std::vector<user_refusal> refusals;
    wire::reason admit_peer(runtime::session& s, std::string_view) noexcept override {
        s.takes_users = trusting;
        (void)s.caller.assign(called_from);
        return welcome;
    }
    wire::reason welcome = wire::reason::none;  // for partners who say their name
    bool trusts(const runtime::session&) noexcept override { return trusting; }
    user_check check_user(runtime::context&, runtime::session&, const wire::attach& a,
                          runtime::conversation_id id) noexcept override {
        questions.push_back({std::string{a.user_id.view()}, std::string{a.password.view()}, id});
        return verdict;
    }
    void user_refused(const runtime::session&, const wire::attach&, user_refusal why) noexcept override {
        refusals.push_back(why);
    }

    void write_duty(runtime::context&, runtime::session& s) noexcept override {
        static_cast<wire_end*>(s.transport_data)->duty = true;
    }
    void open_link(runtime::context& ctx, runtime::partner& p, std::uint32_t link) noexcept override {
        auto& peer = *static_cast<memory_unit*>(p.transport_data);
        if (refuse_links) {
            engine.link_failed(ctx, p, link, runtime::return_code::allocate_failure_retry);
            return;
        }
        runtime::session* mine = engine.open_session(ctx);
        runtime::session* theirs = peer.engine.open_session(peer.c);
        if (mine == nullptr || theirs == nullptr) {
            engine.link_failed(ctx, p, link, runtime::return_code::allocate_failure_retry);
            return;
        }
        connect(*mine, peer, *theirs);
        mine->opened_for = &p;
        mine->opened_index = link;
        theirs->start(peer.c, wire::link_side::acceptor, now);
        mine->start(ctx, wire::link_side::connector, now);
    }
    void session_ended(runtime::context&, runtime::session& s) noexcept override {
        static_cast<wire_end*>(s.transport_data)->closed = true;
    }
    // The link between an attach manager, this unit, and a program. At the manager the session's program is `id`.
    runtime::session& join(memory_unit& program, std::uint64_t id) {
        runtime::session* mine = engine.open_session(c);
        runtime::session* theirs = program.engine.open_session(program.c);
        connect(*mine, program, *theirs);
        mine->role = runtime::link_role::program;
        theirs->role = runtime::link_role::manager;
        mine->program = engine.relay_of()->begin(id, *mine);
        mine->start(c, wire::link_side::acceptor, now);
        theirs->start(program.c, wire::link_side::connector, now);
        return *mine;
    }
    // What our manager told us.
    std::vector<std::pair<manager_news, wire::serve_result>> manager_said;
    void manager_told(runtime::context&, runtime::session&, manager_news what,
                      const wire::serving* answer) noexcept override {
        manager_said.emplace_back(what, answer == nullptr ? wire::serve_result::ok : answer->result);
    }
    void wake(runtime::spot<>&) noexcept override {}
    void wait_queue_filled(std::uint32_t n) noexcept override { filled += n; }
    void wait_queue_idle() noexcept override { ++idle_told; }
    bool wait_queue_watched() noexcept override { return watched; }
    void operation_outstanding() noexcept override {}
    struct logged {
        bool received;
        std::uint32_t sense;
        std::string text;
    };
    std::vector<logged> log;
    void error_log(runtime::conversation_id, bool received, std::uint32_t sense,
                   std::string_view text) noexcept override {
        log.push_back({received, sense, std::string{text}});
    }
    bool watched = false;
    wire::reason last_reason = wire::reason::none;

    // Moves what is written and what has arrived, at most `chunk` bytes a read. True: something moved.
    bool pump(std::size_t chunk = SIZE_MAX) {
        bool moved = false;
        for (std::size_t i = 0; i < ends_.size(); ++i) {
            wire_end& e = ends_[i];
            if (e.session == nullptr) continue;
            while (e.duty && !e.stuck) {
                runtime::slice slices[64];
                const std::size_t n = e.session->gather(c, slices, 64);
                if (n == 0) {
                    e.duty = false;
                    break;
                }
                for (std::size_t k = 0; k < n; ++k)
                    if (!e.other->closed)
                        e.other->in.insert(e.other->in.end(), slices[k].data, slices[k].data + slices[k].size);
                e.session->written(c);
                moved = true;
            }
            while (!e.in.empty() && !e.closed) {
                runtime::slice where[2];
                const std::size_t n = e.session->offer(scratch_, where);
                std::size_t taken = 0;
                for (std::size_t k = 0; k < n && taken < e.in.size() && taken < chunk; ++k) {
                    std::size_t part = e.in.size() - taken;
                    if (part > where[k].size) part = where[k].size;
                    if (part > chunk - taken) part = chunk - taken;
                    std::memcpy(where[k].data, e.in.data() + taken, part);
                    taken += part;
                }
                e.in.erase(e.in.begin(), e.in.begin() + static_cast<std::ptrdiff_t>(taken));
                e.session->received(c, scratch_, taken, now);
                moved = true;
            }
            if (e.ended && !e.closed) {
                e.session->lost(c, runtime::return_code::resource_failure_retry, wire::reason::transport);
                moved = true;
            }
            if (e.closed && !e.duty && e.session->take_write_duty()) {
                last_reason = e.session->ended_because();
                runtime::session* s = e.session;
                e.session = nullptr;
                e.in.clear();
                e.other->ended = true;
                s->stop_writing(c);
                s->release(c);
                moved = true;
            }
        }
        engine.flush(c);
        return moved;
    }
    // Cuts every link, as a dead network does.
    void cut() {
        for (auto& e : ends_)
            if (e.session != nullptr && !e.closed)
                e.session->lost(c, runtime::return_code::resource_failure_retry, wire::reason::transport);
    }
    std::deque<wire_end> ends_;
    // Where input is read to.
    [[nodiscard]] const std::vector<std::byte>& scratch() const noexcept { return scratch_; }

private:
    // Two byte queues between a session of ours and one of `peer`.
    void connect(runtime::session& mine, memory_unit& peer, runtime::session& theirs) {
        wire_end& a = ends_.emplace_back();
        wire_end& b = peer.ends_.emplace_back();
        a.owner = this;
        b.owner = &peer;
        a.other = &b;
        b.other = &a;
        a.session = &mine;
        b.session = &theirs;
        mine.transport_data = &a;
        theirs.transport_data = &b;
        mine.confidential = theirs.confidential = confidential;
    }

    std::vector<std::byte> scratch_;
};

// An attach manager: a unit that relays.
struct memory_manager final : runtime::relay_host {
    explicit memory_manager(const runtime::limits& bounds)
        : unit{bounds, "NET.M", 0x5555555}, relay{unit.engine, *this} {
        unit.engine.set_relay(&relay);
    }
    struct told {
        runtime::relay_news::kind what;
        std::uint64_t attach, program;
        std::string tp, partner, user, text;
        runtime::return_code code;
        std::uint32_t open;
    };
    void news(const runtime::relay_news& n) noexcept override {
        log.push_back({n.what, n.attach, n.program, std::string{n.tp}, std::string{n.partner}, std::string{n.user},
                       std::string{n.text}, n.code, n.open});
    }
    void touched(runtime::session&) noexcept override {}
    [[nodiscard]] bool hears(std::uint64_t) const noexcept override { return listens; }
    [[nodiscard]] std::size_t count(runtime::relay_news::kind what) const {
        std::size_t n = 0;
        for (const told& t : log) n += t.what == what ? 1 : 0;
        return n;
    }
    // The last of that kind; there must be one.
    [[nodiscard]] const told& last(runtime::relay_news::kind what) const {
        std::size_t at = log.size();
        while (at != 0 && log[at - 1].what != what) --at;
        return log.at(at - 1);
    }

    memory_unit unit;
    runtime::relay relay;
    std::vector<told> log;
    bool listens = true;  // there is room for more in the log
};

struct pair {
    explicit pair(const runtime::limits& bounds = small(),
                  bool relayed = std::getenv("COLLOQUY_TEST_RELAYED") != nullptr)
        : a{bounds, "NET.A", 0x1234567}, b{bounds, "NET.B", 0x7654321} {
        b.know(a);
        if (!relayed) {
            a.know(b);
            return;
        }
        m = std::make_unique<memory_manager>(bounds);
        (void)a.engine.partners().add("NET.B", 1, &m->unit);
        (void)m->relay.serve("ECHO", {});
        (void)m->unit.join(b, 1);
        settle();
        m->relay.route_to(m->unit.c, "ECHO", 1, UINT32_MAX);
    }
    static runtime::limits small() {
        runtime::limits l;
        l.conversations = 64;
        l.links = 8;
        l.partners = 16;  // small tables: many pairs are made
        l.tp_names = 16;
        l.accept_queue = 256;
        l.window_growth_bytes = 1 << 20;
        return l;
    }
    memory_unit a;
    memory_unit b;
    std::unique_ptr<memory_manager> m;  // between them; null: their links are direct
    memory_unit* other = nullptr;       // somebody else's that takes part

    // Until nothing moves.
    void settle(std::size_t chunk = SIZE_MAX) {
        const auto more = [&] {
            const bool moved = m != nullptr && m->unit.pump(chunk);
            return (other != nullptr && other->pump(chunk)) || moved;
        };
        while (static_cast<int>(a.pump(chunk)) + static_cast<int>(b.pump(chunk)) + static_cast<int>(more()) != 0) {
        }
    }
};

// A program at one end: calls verbs, and drives the pair while a blocking call waits.
struct program {
    pair& p;
    memory_unit& u;
    runtime::conversation_id id{};

    static runtime::partner* find(void* arg, std::string_view name) {
        return static_cast<runtime::engine*>(arg)->partners().find(name);
    }
    std::int32_t finish(runtime::outcome o) {
        if (!o.must_wait) return static_cast<std::int32_t>(o.code);
        p.settle();
        runtime::return_code code = runtime::return_code::operation_incomplete;
        (void)u.engine.collect(u.c, o.id, code, o.on);
        return static_cast<std::int32_t>(code);
    }
    std::int32_t initialize(std::string_view lu, std::string_view tp, std::int32_t sync = 0) {
        const runtime::outcome o = runtime::initialize(u.engine, u.c);
        id = o.id;
        (void)runtime::set_details(u.engine, u.c, id, lu, "", tp, false);
        return static_cast<std::int32_t>(set(runtime::characteristic::sync_level, sync));
    }
    std::int32_t set(runtime::characteristic which, std::int32_t v) {
        return static_cast<std::int32_t>(runtime::set(u.engine, u.c, id, which, v).code);
    }
    std::int32_t log_data(std::string_view s) {
        return finish(runtime::set_log_data(u.engine, u.c, id, s.data(), static_cast<std::int32_t>(s.size())));
    }
    std::int32_t allocate() { return finish(runtime::allocate(u.engine, u.c, id, &find, &u.engine, nullptr)); }
    std::int32_t accept() {
        const runtime::outcome o = runtime::accept(u.engine, u.c, true, nullptr);
        id = o.id;
        return finish(o);
    }
    std::int32_t rts = 0;
    std::int32_t send(std::string_view s) {
        return finish(
            runtime::send_data(u.engine, u.c, id, s.data(), static_cast<std::int32_t>(s.size()), &rts, nullptr));
    }
    struct got {
        std::int32_t code = -1, data = -1, length = -1, status = -1, rts = -1;
        std::string text;
    };
    got receive(std::int32_t length = 32767) {
        got g;
        std::string buffer(static_cast<std::size_t>(length), '\0');
        g.code = finish(runtime::receive(u.engine, u.c, id,
                                         {buffer.data(), length, &g.data, &g.length, &g.status, &g.rts}, nullptr));
        if (g.length > 0) g.text = buffer.substr(0, static_cast<std::size_t>(g.length));
        return g;
    }
    std::int32_t deallocate() { return finish(runtime::deallocate(u.engine, u.c, id, nullptr)); }
    std::int32_t send_expedited(std::string_view s) {
        return finish(runtime::send_expedited_data(u.engine, u.c, id, s.data(), static_cast<std::int32_t>(s.size()),
                                                   &rts, nullptr));
    }
    got receive_expedited(std::int32_t length = 86, std::int32_t type = 1) {
        got g;
        std::string buffer(static_cast<std::size_t>(length), '\0');
        g.code = finish(runtime::receive_expedited_data(u.engine, u.c, id, buffer.data(), length, &g.length, &g.rts,
                                                        type, nullptr));
        if (g.code == 0) g.text = buffer.substr(0, static_cast<std::size_t>(g.length));
        return g;
    }
    std::int32_t initialize_for_incoming() {
        const runtime::outcome o = runtime::initialize_for_incoming(u.engine, u.c);
        id = o.id;
        return static_cast<std::int32_t>(o.code);
    }
    std::int32_t accept_incoming() { return finish(runtime::accept_incoming(u.engine, u.c, id, nullptr)); }
    std::int32_t confirm() { return finish(runtime::confirm(u.engine, u.c, id, &rts, nullptr)); }
    std::int32_t confirmed() { return finish(runtime::confirmed(u.engine, u.c, id)); }
    std::int32_t flush() { return finish(runtime::flush(u.engine, u.c, id, nullptr)); }
    std::int32_t prepare_to_receive() { return finish(runtime::prepare_to_receive(u.engine, u.c, id, nullptr)); }
    std::int32_t send_error() { return finish(runtime::send_error(u.engine, u.c, id, &rts, nullptr)); }
    std::int32_t request_to_send() { return finish(runtime::request_to_send(u.engine, u.c, id)); }
    std::int32_t cancel() { return finish(runtime::cancel(u.engine, u.c, id)); }
    std::int32_t state() {
        runtime::conversation_state s{};
        const auto o = runtime::extract_state(u.engine, u.c, id, s);
        return o.code == runtime::return_code::ok ? static_cast<std::int32_t>(s) : -static_cast<std::int32_t>(o.code);
    }
};

}  // namespace colloquy::test
