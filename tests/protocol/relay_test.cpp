// What an attach manager's relay does beyond passing frames on: attaches that wait, refusals, the loss of either
// side at any moment, and peers that break the rules. That conversations do not notice it is shown by running this
// whole folder a second time through it.
#include <doctest/doctest.h>

#include <array>
#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"
#include "tests/support/pair.hpp"

using namespace colloquy;
using colloquy::test::memory_manager;
using colloquy::test::memory_unit;
using colloquy::test::pair;
using colloquy::test::program;
using kind = runtime::relay_news::kind;

namespace {

namespace in = wire::indicator;

// Through the relay, whatever the environment says.
struct behind : pair {
    explicit behind(const runtime::limits& bounds = small()) : pair{bounds, true} {
        (void)b.engine.tps().add("ECHO", 100);
    }
    // The ends of the manager's links, in the order of joining: the program's first.
    memory_unit::wire_end& end(std::size_t n) { return m->unit.ends_.at(n); }
    // Everything was given back, on all three.
    void check_clean() {
        settle();
        CHECK(m->relay.counters().open == 0);
        CHECK(m->relay.counters().held == 0);
        for (memory_unit* u : {&a, &b, &m->unit}) {
            auto& count = u->engine.count();
            CHECK(count.read(runtime::counter::conversations_opened) ==
                  count.read(runtime::counter::conversations_closed));
            CHECK(u->engine.inbound().reserved_bytes() == 0);
        }
    }
    void stop_routing() { m->relay.route_to(m->unit.c, "ECHO", 1, 0); }
};

// A program that only waits: what its pending Receive says later.
struct receiving {
    std::string buffer = std::string(32767, '\0');
    std::int32_t data = -1, length = -1, status = -1, rts = -1;

    runtime::outcome issue(program& who) {
        return runtime::receive(who.u.engine, who.u.c, who.id, {buffer.data(), 32767, &data, &length, &status, &rts},
                                nullptr);
    }
};

// Bytes of a frame, as a stranger might write them.
std::vector<std::byte> raw(wire::frame_type type, std::uint8_t indicators, std::uint32_t channel,
                           const std::vector<std::byte>& payload = {}) {
    std::vector<std::byte> bytes(wire::frame_header_size + payload.size());
    wire::encode_header(bytes.data(), {static_cast<std::uint16_t>(payload.size()), type, indicators, channel});
    std::copy(payload.begin(), payload.end(), bytes.begin() + wire::frame_header_size);
    return bytes;
}
void inject(memory_unit::wire_end& at, const std::vector<std::byte>& bytes) {
    at.in.insert(at.in.end(), bytes.begin(), bytes.end());
}

// Receives until the conversation is over: the code that said so.
std::int32_t drained(program& who) {
    for (int i = 0; i < 100; ++i) {
        who.p.settle();
        const auto g = who.receive();
        if (g.code != 0) return g.code;
    }
    return -1;
}

std::vector<std::byte> twice(const std::vector<std::byte>& frame) {
    std::vector<std::byte> both;
    for (int i = 0; i < 2; ++i)
        for (const std::byte b : frame) both.push_back(b);
    return both;
}

// What nobody may send on the link to a manager, with a conversation on this channel whose partner has the turn.
struct offence {
    const char* what;
    wire::reason answer;
    std::vector<std::byte> (*bytes)(std::uint32_t channel);
    bool of_programs = true;  // nor may the program at the other end of its own link
    bool judged = false;      // only the program can judge, says so, and the relay acts on it
};
const offence offences[] = {
    {"a channel never begun", wire::reason::unknown_channel,
     [](std::uint32_t channel) { return raw(wire::frame_type::signal, 0, channel + 20); }},
    {"more than was granted", wire::reason::credit_overrun,
     [](std::uint32_t channel) {
         return raw(wire::frame_type::data, 0, channel, std::vector<std::byte>(60'000, std::byte{1}));
     }},
    {"an answer to nothing", wire::reason::protocol,
     [](std::uint32_t channel) { return raw(wire::frame_type::response, 0, channel); }},
    {"a confirmed end of nothing", wire::reason::protocol,
     [](std::uint32_t channel) { return raw(wire::frame_type::response, in::conditional_end, channel); }},
    {"a grant of nothing", wire::reason::protocol,
     [](std::uint32_t channel) { return raw(wire::frame_type::credit, 0, channel, std::vector<std::byte>(4)); }},
    {"grants beyond all bounds", wire::reason::protocol,
     [](std::uint32_t channel) {
         return raw(wire::frame_type::credit, 0, channel, std::vector<std::byte>(4, std::byte{0xFF}));
     }},
    {"expedited data that was not sent is read", wire::reason::protocol,
     [](std::uint32_t channel) { return raw(wire::frame_type::expedited_read, 0, channel); }},
    {"expedited data twice", wire::reason::protocol,
     [](std::uint32_t channel) { return twice(raw(wire::frame_type::expedited, 0, channel, {std::byte{1}})); }},
    {"an attach on a channel in use, or by a program", wire::reason::protocol,
     [](std::uint32_t) {
         std::vector<std::byte> section(wire::attach_section_size_max);
         wire::attach to;
         (void)to.tp_name.assign("ECHO");
         section.resize(wire::encode_attach_section(section, 4'096, to));
         return raw(wire::frame_type::data, in::begin | in::change_direction,
                    wire::make_channel(wire::link_side::connector, 0), section);
     }},
    {"an origin", wire::reason::protocol,
     [](std::uint32_t channel) { return raw(wire::frame_type::origin, 0, channel, std::vector<std::byte>(12)); }},
    {"taking what was not given", wire::reason::protocol,
     [](std::uint32_t) { return raw(wire::frame_type::taken, 0, 0, std::vector<std::byte>(8)); }},
    {"a manager's answer", wire::reason::protocol,
     [](std::uint32_t) {
         return raw(wire::frame_type::served, 0, 0, {std::byte{0}, std::byte{1}, std::byte{1}, std::byte{'X'}});
     }},
    {"an offer to serve", wire::reason::protocol,
     [](std::uint32_t) {
         return raw(wire::frame_type::serve, 0, 0, {std::byte{1}, std::byte{1}, std::byte{'X'}});
     },
     false},
    {"blame", wire::reason::protocol,
     [](std::uint32_t channel) { return raw(wire::frame_type::blame, 0, channel, std::vector<std::byte>(2)); }, false},
    {"a request to confirm on sync level none", wire::reason::protocol,
     [](std::uint32_t channel) { return raw(wire::frame_type::data, in::definite_response, channel); }, false, true},
    {"a turn that is not there is passed twice", wire::reason::protocol,
     [](std::uint32_t channel) { return twice(raw(wire::frame_type::data, in::change_direction, channel)); }, false,
     true},
};

}  // namespace

TEST_SUITE("relay") {
    TEST_CASE("relay: the program sees the partner behind the manager, and both names") {
        behind p;
        program a{p, p.a}, b{p, p.b};
        CHECK(a.initialize("NET.B", "ECHO") == 0);
        CHECK(a.allocate() == 0);
        CHECK(a.send("hello") == 0);
        CHECK(a.prepare_to_receive() == 0);
        p.settle();
        REQUIRE(b.accept() == 0);
        p.settle();
        char text[64];
        std::int32_t size = 0;
        for (const auto& [which, expected] :
             {std::pair{runtime::name_of::partner_lu, "NET.A"}, std::pair{runtime::name_of::tp, "ECHO"}}) {
            CHECK(runtime::extract_name(p.b.engine, p.b.c, b.id, which, text, sizeof text, size).code ==
                  runtime::return_code::ok);
            CHECK(std::string(text, static_cast<std::size_t>(size)) == expected);
        }
        CHECK(p.b.ends_.at(0).session->origin().caller == "192.0.2.7:409");
        CHECK(p.m->count(kind::delivered) == 1);
        CHECK(p.m->count(kind::attach_arrived) == 0);
        CHECK(p.m->last(kind::accepted).attach == p.m->last(kind::delivered).attach);
        CHECK(p.m->last(kind::accepted).program == 1);
        CHECK(b.receive().text == "hello");
        CHECK(b.send("bye") == 0);
        CHECK(b.deallocate() == 0);
        CHECK(drained(a) == 18);
        CHECK(p.m->relay.counters().frames_to_programs >= 1);
        CHECK(p.m->last(kind::ended).open == 0);
        p.check_clean();
    }

    TEST_CASE("relay: an attach waits with its data for the program it is given to") {
        behind p;
        p.stop_routing();
        program a{p, p.a}, b{p, p.b};
        CHECK(a.initialize("NET.B", "ECHO") == 0);
        CHECK(a.allocate() == 0);
        CHECK(a.send("first") == 0);
        CHECK(a.flush() == 0);
        CHECK(a.send("second") == 0);
        CHECK(a.prepare_to_receive() == 0);
        p.settle();
        REQUIRE(p.m->count(kind::attach_arrived) == 1);
        const auto arrived = p.m->last(kind::attach_arrived);
        CHECK(arrived.partner == "NET.A");
        CHECK(arrived.tp == "ECHO");
        CHECK(p.m->relay.counters().held == 1);

        // To a program that goes before its link is open, and then to the one that is there.
        memory_unit other{pair::small(), "NET.C", 99};
        runtime::session& link = p.m->unit.join(other, 2);
        p.m->relay.give(p.m->unit.c, arrived.attach, 2);
        CHECK(p.m->relay.counters().held == 1);
        link.lost(p.m->unit.c, runtime::return_code::resource_failure_retry, wire::reason::transport);
        CHECK(p.m->last(kind::attach_returned).attach == arrived.attach);
        CHECK(p.m->last(kind::left).program == 2);
        p.m->relay.tick(p.m->unit.c, 2);
        p.m->relay.give(p.m->unit.c, arrived.attach, 2);  // it is not there any more
        CHECK(p.m->count(kind::attach_returned) == 2);
        p.m->relay.give(p.m->unit.c, arrived.attach, 1);
        p.settle();
        REQUIRE(b.accept() == 0);
        CHECK(b.receive().text == "first");
        CHECK(b.receive().text == "second");
        CHECK(b.state() == 5);
        CHECK(b.deallocate() == 0);
        CHECK(drained(a) == 18);
        p.check_clean();
        other.pump();
    }

    TEST_CASE("relay: refusals are those of a local program") {
        struct refusal {
            const char* what;
            std::int32_t code;
            std::function<void(behind&)> cause;
        };
        const auto held = [](behind& p) { return p.m->last(kind::attach_arrived).attach; };
        const refusal all[] = {
            {"unknown", 9,
             [](behind& p) { p.m->relay.end_route(p.m->unit.c, "ECHO", runtime::tp_registry::status::released); }},
            {"stopped", 10,
             [](behind& p) { p.m->relay.end_route(p.m->unit.c, "ECHO", runtime::tp_registry::status::stopped); }},
            {"refused", 11, [&](behind& p) { p.m->relay.refuse(p.m->unit.c, held(p), runtime::return_code::ok); }},
            {"refused, no retry", 10,
             [&](behind& p) {
                 p.m->relay.refuse(p.m->unit.c, held(p), runtime::return_code::tp_not_available_no_retry);
             }},
            {"too late", 11, [](behind& p) { p.m->relay.tick(p.m->unit.c, 31'000'000'000); }},
            {"draining", 11, [](behind& p) { p.m->relay.drain(p.m->unit.c); }},
            {"given, and too late", 11,
             [&](behind& p) {
                 auto& u = p.m->unit;
                 runtime::session* s = u.engine.open_session(u.c);
                 memory_unit::wire_end& nobody = u.ends_.emplace_back();
                 s->transport_data = &nobody;
                 s->role = runtime::link_role::program;
                 s->program = p.m->relay.begin(7, *s);
                 s->start(u.c, wire::link_side::acceptor, 1);
                 p.m->relay.give(u.c, held(p), 7);
                 CHECK(p.m->relay.next_deadline() < 1'000'000'000);
                 p.m->relay.tick(u.c, 31'000'000'000);
             }},
        };
        for (const refusal& r : all) {
            CAPTURE(std::string{r.what});
            behind p;
            p.stop_routing();
            program a{p, p.a}, late{p, p.a};
            CHECK(a.initialize("NET.B", "ECHO") == 0);
            CHECK(a.allocate() == 0);
            CHECK(a.send("x") == 0);
            CHECK(a.prepare_to_receive() == 0);
            p.settle();
            CHECK(p.m->relay.counters().held == 1);
            r.cause(p);
            CHECK(p.m->relay.counters().held == 0);
            CHECK(static_cast<std::int32_t>(p.m->last(kind::attach_gone).code) == r.code);
            CHECK(drained(a) == r.code);
            // The next one, where that is a lasting state.
            if (r.what == std::string_view{"unknown"} || r.what == std::string_view{"stopped"} ||
                r.what == std::string_view{"draining"}) {
                CHECK(late.initialize("NET.B", "ECHO") == 0);
                CHECK(late.allocate() == 0);
                CHECK(late.prepare_to_receive() == 0);
                CHECK(drained(late) == r.code);
            }
            p.check_clean();
        }
    }

    TEST_CASE("relay: the queue of a name is bounded, and so is what a program has at a time") {
        behind p;
        p.stop_routing();
        (void)p.m->relay.serve("ECHO", {2, 0, false, true});
        std::vector<program> a(4, program{p, p.a});
        for (program& one : a) {
            CHECK(one.initialize("NET.B", "ECHO") == 0);
            CHECK(one.allocate() == 0);
            CHECK(one.prepare_to_receive() == 0);
            p.settle();
        }
        CHECK(p.m->relay.counters().held == 2);
        CHECK(p.m->relay.counters().refused_full == 2);
        CHECK(drained(a[2]) == 11);
        CHECK(drained(a[3]) == 11);
        p.m->relay.route_to(p.m->unit.c, "ECHO", 1, 1);
        p.settle();
        CHECK(p.m->relay.counters().open == 1);
        CHECK(p.m->relay.counters().held == 1);
        program b{p, p.b};
        REQUIRE(b.accept() == 0);
        CHECK(b.receive().status == 1);
        CHECK(b.deallocate() == 0);
        p.settle();
        // The next one follows as soon as there is room.
        CHECK(p.m->relay.counters().open == 1);
        CHECK(p.m->relay.counters().held == 0);
        REQUIRE(b.accept() == 0);
        CHECK(b.receive().status == 1);
        CHECK(b.deallocate() == 0);
        CHECK(drained(a[0]) == 18);
        CHECK(drained(a[1]) == 18);
        p.check_clean();
    }

    TEST_CASE("relay: tiny windows and reads of one byte carry large records both ways") {
        runtime::limits l = pair::small();
        l.window_bytes = l.window_bytes_max = 512;
        behind p{l};
        program a{p, p.a}, b{p, p.b};
        CHECK(a.initialize("NET.B", "ECHO", 1) == 0);
        CHECK(a.allocate() == 0);
        (void)a.set(runtime::characteristic::processing_mode, 1);
        std::string text(20'000, '\0');
        for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 7 % 251);
        CHECK(a.send(text) == 0);
        CHECK(a.flush() == 35);  // more than the window: it waits for credit
        p.settle(1);
        REQUIRE(b.accept() == 0);
        for (int turn = 0; turn < 2; ++turn) {
            program& to = turn == 0 ? b : a;
            program& from = turn == 0 ? a : b;
            std::string got;
            while (got.size() < text.size()) {
                p.settle(1);
                const auto g = to.receive();
                REQUIRE(g.code == 0);
                got += g.text;
                REQUIRE((g.data == 2) == (got.size() == text.size()));
            }
            CHECK((got == text));
            runtime::engine::collected done;
            if (turn == 0) {
                REQUIRE(p.a.engine.collect_any(p.a.c, done) == runtime::engine::collect_result::one);
                CHECK(done.code == runtime::return_code::ok);
                CHECK(from.prepare_to_receive() == 35);  // confirmed, by its sync level
                p.settle(1);
                CHECK(b.receive().status == 3);
                CHECK(b.confirmed() == 0);
                p.settle(1);
                REQUIRE(p.a.engine.collect_any(p.a.c, done) == runtime::engine::collect_result::one);
                CHECK(b.state() == 3);
                (void)b.set(runtime::characteristic::processing_mode, 1);
                (void)a.set(runtime::characteristic::processing_mode, 0);
                CHECK(b.send(text) == 0);
                CHECK(b.flush() == 35);
            }
        }
        p.settle(1);
        runtime::engine::collected done;
        REQUIRE(p.b.engine.collect_any(p.b.c, done) == runtime::engine::collect_result::one);
        CHECK(b.set(runtime::characteristic::deallocate_type, 1) == 0);
        CHECK(b.deallocate() == 0);
        CHECK(drained(a) == 18);
        p.check_clean();
    }

    TEST_CASE("relay: a program with more room than the manager promised tells its partners") {
        runtime::limits l = pair::small();
        l.window_bytes = 1'024;
        behind p{l};
        runtime::limits roomy = l;
        roomy.window_bytes = 8'192;
        memory_unit other{roomy, "NET.C", 99};
        (void)other.engine.tps().add("ECHO", 100);
        p.stop_routing();
        (void)p.m->unit.join(other, 2);
        p.other = &other;
        const auto settle = [&] { p.settle(); };
        settle();
        p.m->relay.route_to(p.m->unit.c, "ECHO", 2, 10);
        program a{p, p.a};
        CHECK(a.initialize("NET.B", "ECHO") == 0);
        CHECK(a.allocate() == 0);
        CHECK(a.flush() == 0);
        settle();
        // Nobody reads, and yet it all leaves.
        CHECK(a.send(std::string(5'000, 'x')) == 0);
        CHECK(a.flush() == 0);
        settle();
        CHECK(p.m->relay.counters().bytes_to_programs > 5'000);
        // One with less is not taken: what partners may send would not fit.
        runtime::limits tight = l;
        tight.window_bytes = 512;
        memory_unit small{tight, "NET.D", 98};
        (void)p.m->unit.join(small, 3);
        p.other = &small;
        settle();
        CHECK(p.m->last(kind::left).program == 3);
        CHECK(p.m->last(kind::left).text == wire::text(wire::reason::limits));
        p.a.cut();
        settle();
    }

    TEST_CASE("relay: either side may be lost at any moment") {
        // A conversation in steps. After each number of them one side goes.
        using step = std::function<void(program&, program&)>;
        const std::vector<step> script{
            [](program& a, program&) {
                CHECK(a.initialize("NET.B", "ECHO", 1) == 0);
                CHECK(a.allocate() == 0);
                CHECK(a.flush() == 0);
            },
            [](program& a, program&) {
                CHECK(a.send("one") == 0);
                CHECK(a.flush() == 0);
            },
            [](program&, program& b) { CHECK(b.accept() == 0); },
            [](program&, program& b) { CHECK(b.receive().text == "one"); },
            [](program& a, program&) { CHECK(a.send_expedited("now") == 0); },
            [](program&, program& b) { CHECK(b.receive_expedited().text == "now"); },
            [](program& a, program&) {
                (void)a.set(runtime::characteristic::processing_mode, 1);
                CHECK(a.confirm() == 35);
            },
            [](program&, program& b) { CHECK(b.receive().status == 2); },
            [](program& a, program& b) {
                CHECK(b.confirmed() == 0);
                b.p.settle();
                runtime::engine::collected done;
                CHECK(a.u.engine.collect_any(a.u.c, done) == runtime::engine::collect_result::one);
            },
            [](program&, program& b) { CHECK(b.request_to_send() == 0); },
            [](program& a, program&) {
                (void)a.set(runtime::characteristic::processing_mode, 0);
                (void)a.set(runtime::characteristic::prepare_to_receive_type, 1);
                CHECK(a.prepare_to_receive() == 0);
            },
            [](program&, program& b) { CHECK(b.receive().status == 1); },
            [](program&, program& b) { CHECK(b.send_error() == 0); },
            [](program& a, program&) { CHECK(a.receive().code == 21); },
            [](program&, program& b) {
                (void)b.set(runtime::characteristic::processing_mode, 1);
                CHECK(b.deallocate() == 35);  // confirmed by the partner
            },
            [](program& a, program&) { CHECK(a.receive().status == 4); },
            [](program& a, program&) { CHECK(a.confirmed() == 0); },
        };
        for (const bool partner_goes : {true, false})
            for (std::size_t steps = 1; steps <= script.size(); ++steps)
                for (const bool settled : {true, false}) {
                    CAPTURE(partner_goes);
                    CAPTURE(steps);
                    CAPTURE(settled);
                    behind p;
                    program a{p, p.a}, b{p, p.b};
                    for (std::size_t i = 0; i < steps; ++i) {
                        script[i](a, b);
                        if (settled || i + 1 != steps) p.settle();
                    }
                    (partner_goes ? p.a : p.b).cut();
                    p.settle();
                    // What nobody is left to take is refused in time.
                    p.m->relay.tick(p.m->unit.c, 31'000'000'000);
                    p.settle();
                    const auto& count = p.b.engine.count();
                    if (steps < 3 && count.read(runtime::counter::conversations_opened) != 0)
                        CHECK(b.accept() == 0);  // what the partner has sent is still told
                    for (program* who : {&a, &b}) {
                        if (who->id.value == 0) continue;
                        (void)who->set(runtime::characteristic::processing_mode, 0);
                        runtime::engine::collected done;
                        while (who->u.engine.collect_any(who->u.c, done) == runtime::engine::collect_result::one) {
                            const auto code = static_cast<std::int32_t>(done.code);
                            CHECK((code == 0 || code == 27 || code == 11));
                        }
                        for (int i = 0; i < 10 && who->state() > 0; ++i) {
                            const std::int32_t state = who->state();
                            const std::int32_t code = state >= 6 && state <= 8 ? who->confirmed()
                                                      : state == 4             ? drained(*who)
                                                                               : who->send_error();
                            CAPTURE(state);
                            CAPTURE(code);
                            // 25: it has received what wants another call; 21: the error report that was under way.
                            CHECK((code == 0 || code == 11 || code == 18 || code == 21 || code == 25 || code == 27));
                        }
                        CHECK(who->state() == -24);
                    }
                    // A partner whose program has never spoken may try again elsewhere.
                    p.check_clean();
                }
    }

    TEST_CASE("relay: a program that dies before it has accepted is 11, afterwards 27") {
        for (const bool accepted : {false, true}) {
            CAPTURE(accepted);
            behind p;
            program a{p, p.a}, b{p, p.b};
            CHECK(a.initialize("NET.B", "ECHO") == 0);
            CHECK(a.allocate() == 0);
            CHECK(a.prepare_to_receive() == 0);
            p.settle();
            if (accepted) CHECK(b.accept() == 0);
            p.settle();
            p.end(0).session->lost(p.m->unit.c, runtime::return_code::resource_failure_retry, wire::reason::transport);
            CHECK(drained(a) == (accepted ? 27 : 11));
            CHECK(p.m->last(kind::left).program == 1);
            p.settle();
            if (!accepted) CHECK(b.accept() == 0);  // a link that is cut is all its library knows
            CHECK(drained(b) == 27);
            p.check_clean();
        }
    }

    TEST_CASE("relay: a program that leaves in order is 11 before it has accepted, 17 afterwards") {
        for (const bool accepted : {false, true}) {
            CAPTURE(accepted);
            behind p;
            program a{p, p.a}, b{p, p.b};
            CHECK(a.initialize("NET.B", "ECHO") == 0);
            CHECK(a.allocate() == 0);
            CHECK(a.prepare_to_receive() == 0);
            p.settle();
            if (accepted) CHECK(b.accept() == 0);
            p.settle();
            runtime::end_all(p.b.engine, p.b.c);
            CHECK(drained(a) == (accepted ? 17 : 11));
            p.check_clean();
        }
    }

    TEST_CASE("relay: a partner that gives up while its attach waits is answered, and no program hears of it") {
        behind p;
        p.stop_routing();
        program a{p, p.a};
        for (const bool cut : {false, true}) {
            CAPTURE(cut);
            CHECK(a.initialize("NET.B", "ECHO") == 0);
            CHECK(a.allocate() == 0);
            CHECK(a.send("never mind") == 0);
            CHECK(a.flush() == 0);
            p.settle();
            CHECK(p.m->relay.counters().held == 1);
            if (cut) {
                p.a.cut();
            } else {
                CHECK(a.set(runtime::characteristic::deallocate_type, 3) == 0);
                CHECK(a.deallocate() == 0);
            }
            p.settle();
            CHECK(p.m->last(kind::attach_gone).code == runtime::return_code::ok);
            if (cut) CHECK(a.send_error() == 27);
        }
        p.m->relay.route_to(p.m->unit.c, "ECHO", 1, 10);
        p.settle();
        CHECK(p.m->count(kind::delivered) == 0);
        CHECK(p.b.engine.count().read(runtime::counter::conversations_opened) == 0);
        p.check_clean();
    }

    TEST_CASE("relay: what a partner may not send closes its own link and disturbs nobody else") {
        for (const bool waits : {false, true})
            for (const offence& o : offences) {
                if (waits && o.judged) continue;  // nobody is there to judge
                CAPTURE(std::string{o.what});
                CAPTURE(waits);
                behind p;
                // Somebody else talks to the same program over a link of its own.
                memory_unit neighbour{pair::small(), "NET.N", 77};
                (void)neighbour.engine.partners().add("NET.B", 1, &p.m->unit);
                p.other = &neighbour;
                const auto settle = [&] { p.settle(); };
                program a{p, p.a}, b{p, p.b}, n{p, neighbour}, bn{p, p.b};
                CHECK(n.initialize("NET.B", "ECHO") == 0);
                CHECK(n.allocate() == 0);
                CHECK(n.flush() == 0);
                settle();
                REQUIRE(bn.accept() == 0);
                if (waits) p.stop_routing();
                CHECK(a.initialize("NET.B", "ECHO") == 0);
                CHECK(a.allocate() == 0);
                CHECK(a.flush() == 0);
                settle();
                if (!waits) REQUIRE(b.accept() == 0);
                settle();
                inject(p.end(2), o.bytes(wire::make_channel(wire::link_side::connector, 0)));
                settle();
                CHECK(p.a.last_reason == o.answer);
                const std::int32_t lost = drained(a);
                CHECK((lost == 26 || lost == 25));
                if (lost == 25) CHECK(a.send_error() == 26);
                if (!waits) CHECK(drained(b) == 26);
                // The neighbour has noticed nothing.
                CHECK(n.send("still here") == 0);
                CHECK(n.flush() == 0);
                settle();
                CHECK(bn.receive().text == "still here");
                CHECK(n.deallocate() == 0);
                settle();
                CHECK(bn.receive().code == 18);
                settle();
                CHECK(p.m->relay.counters().open == 0);
                CHECK(p.m->relay.counters().programs == 1);
            }
    }

    TEST_CASE("relay: what a program may not send closes its own link and ends its conversations") {
        for (const offence& o : offences) {
            if (!o.of_programs) continue;
            CAPTURE(std::string{o.what});
            behind p;
            program a{p, p.a}, b{p, p.b};
            CHECK(a.initialize("NET.B", "ECHO") == 0);
            CHECK(a.allocate() == 0);
            CHECK(a.prepare_to_receive() == 0);
            p.settle();
            REQUIRE(b.accept() == 0);
            p.settle();
            inject(p.end(0), o.bytes(wire::make_channel(wire::link_side::acceptor, 0)));
            p.settle();
            CHECK(p.b.last_reason == o.answer);
            CHECK(p.a.last_reason == wire::reason::none);
            std::int32_t code = drained(a);
            CHECK(code == 26);
            CHECK(p.m->last(kind::left).program == 1);
            code = drained(b);
            CHECK(code == 26);
            p.check_clean();
        }
    }

    TEST_CASE("relay: who does not read what is for it is given up, and the other links go on") {
        runtime::limits l = pair::small();
        l.link_relay_bytes = 131'072;
        l.conversations = 128;
        behind p{l};
        std::vector<program> a(60, program{p, p.a});
        // The program's side never moves.
        std::uint64_t seconds = 0;
        for (std::size_t i = 0; i < a.size(); ++i) {
            if (i < 50) CHECK(p.m->relay.counters().given_up == 0);
            CHECK(a[i].initialize("NET.B", "ECHO") == 0);
            CHECK(a[i].allocate() == 0);
            CHECK(a[i].send(std::string(3'000, 'x')) == 0);
            CHECK(a[i].flush() == 0);
            for (int round = 0; round < 3; ++round) {
                p.end(0).duty = false;  // its link takes nothing
                (void)p.a.pump();
                (void)p.m->unit.pump();
            }
            if (i >= 50) p.m->relay.tick(p.m->unit.c, ++seconds * 1'000'000'000);
        }
        CHECK(p.m->relay.counters().given_up == 1);
        CHECK(p.m->count(kind::left) == 1);
        // Those that came later wait for another program, and there is none.
        p.m->relay.tick(p.m->unit.c, 100'000'000'000);
        (void)p.m->unit.pump();
        for (program& one : a) {
            (void)p.a.pump();
            const std::int32_t code = one.send_error();
            CHECK((code == 11 || code == 27));
        }
        CHECK(p.a.last_reason == wire::reason::none);
    }

    TEST_CASE("relay: programs say which names they serve, and are answered") {
        behind p;
        (void)p.m->relay.serve("ALONE", {10, 0, true, true});
        (void)p.m->relay.serve("OURS", {10, 0, false, false});
        memory_unit other{pair::small(), "NET.C", 99};
        (void)p.m->unit.join(other, 2);
        p.other = &other;
        const auto settle = [&] { p.settle(); };
        settle();
        CHECK(p.m->last(kind::joined).program == 2);
        const auto say = [&](memory_unit& who, const char* name, wire::serve_what what) {
            std::array<std::byte, wire::serving_size_max> payload;
            const std::size_t n =
                wire::encode_serving(payload, wire::frame_type::serve, wire::serve_result::ok, what, name);
            (void)who.ends_.front().session->send_frame(
                who.c, {static_cast<std::uint16_t>(n), wire::frame_type::serve, 0, 0}, std::span{payload}.first(n));
            settle();
            REQUIRE(who.manager_said.back().first == memory_unit::manager_news::served);
            return who.manager_said.back().second;
        };
        using result = wire::serve_result;
        CHECK(say(p.b, "NOBODY", wire::serve_what::serve) == result::unknown);
        CHECK(say(p.b, "OURS", wire::serve_what::serve) == result::forbidden);
        CHECK(say(p.b, "ALONE", wire::serve_what::serve) == result::ok);
        CHECK(say(p.b, "ALONE", wire::serve_what::serve) == result::ok);
        CHECK(p.m->count(kind::registered) == 1);
        CHECK(say(other, "ALONE", wire::serve_what::serve) == result::taken);
        CHECK(say(other, "ECHO", wire::serve_what::serve) == result::ok);
        CHECK(say(p.b, "ECHO", wire::serve_what::serve) == result::ok);
        CHECK(say(p.b, "ALONE", wire::serve_what::no_more) == result::ok);
        CHECK(p.m->last(kind::unregistered).tp == "ALONE");
        CHECK(say(other, "ALONE", wire::serve_what::serve) == result::ok);
        // A link that ends takes its names with it.
        other.cut();
        settle();
        CHECK(p.m->last(kind::left).code == runtime::return_code::ok);
        CHECK(say(p.b, "ALONE", wire::serve_what::serve) == result::ok);
    }

    TEST_CASE("relay: while its supervisor is behind it takes no attach, and ends a program that goes on to talk") {
        behind p;
        p.m->listens = false;
        program late{p, p.a}, a{p, p.a}, b{p, p.b};
        CHECK(late.initialize("NET.B", "ECHO") == 0);
        CHECK(late.allocate() == 0);
        CHECK(late.prepare_to_receive() == 0);
        CHECK(drained(late) == 11);
        CHECK(p.m->relay.counters().refused_full == 1);
        p.m->listens = true;
        CHECK(a.initialize("NET.B", "ECHO") == 0);
        CHECK(a.allocate() == 0);
        CHECK(a.prepare_to_receive() == 0);
        p.settle();
        // What is under way goes on.
        p.m->listens = false;
        REQUIRE(b.accept() == 0);
        CHECK(b.receive().status == 1);
        CHECK(b.deallocate() == 0);
        CHECK(drained(a) == 18);
        CHECK(p.m->count(kind::ended) == 1);
        std::array<std::byte, wire::serving_size_max> word;
        const std::size_t n = wire::encode_serving(word, wire::frame_type::serve, wire::serve_result::ok,
                                                   wire::serve_what::serve, "ECHO");
        inject(p.end(0), raw(wire::frame_type::serve, 0, 0, {word.begin(), word.begin() + static_cast<int>(n)}));
        p.settle();
        CHECK(p.b.last_reason == wire::reason::limits);
        CHECK(p.m->last(kind::left).code == runtime::return_code::resource_failure_no_retry);
        CHECK(p.m->count(kind::registered) == 0);
        p.check_clean();
    }

    TEST_CASE("relay: a program that gets no more keeps what it has") {
        behind p;
        program a{p, p.a}, b{p, p.b}, late{p, p.a};
        CHECK(a.initialize("NET.B", "ECHO") == 0);
        CHECK(a.allocate() == 0);
        CHECK(a.prepare_to_receive() == 0);
        p.settle();
        REQUIRE(b.accept() == 0);
        p.m->relay.last(p.m->unit.c, 1);
        p.settle();
        CHECK(p.b.manager_said.back().first == memory_unit::manager_news::drained);
        CHECK(late.initialize("NET.B", "ECHO") == 0);
        CHECK(late.allocate() == 0);
        CHECK(late.prepare_to_receive() == 0);
        p.settle();
        CHECK(p.m->relay.counters().held == 1);
        CHECK(b.receive().status == 1);
        CHECK(b.send("done") == 0);
        CHECK(b.deallocate() == 0);
        CHECK(drained(a) == 18);
        for (auto* s : {p.end(0).session}) s->tick(p.m->unit.c, 60'000'000);
        p.settle();
        CHECK(p.m->last(kind::left).program == 1);
        CHECK(p.b.last_reason == wire::reason::drained);
        p.m->relay.drain(p.m->unit.c);
        CHECK(drained(late) == 11);
        CHECK(p.m->count(kind::idle) == 1);
        p.check_clean();
    }

    TEST_CASE("relay: frames at random from either side, or both, leave nothing behind") {
        const char* const wanted = std::getenv("COLLOQUY_SEED");
        const std::uint64_t seed = wanted != nullptr ? std::strtoull(wanted, nullptr, 0) : 20'261'122;
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        const auto below = [&](std::uint64_t n) { return static_cast<std::size_t>(random() % n); };
        constexpr std::array types{
            wire::frame_type::data,           wire::frame_type::data,   wire::frame_type::response,
            wire::frame_type::signal,         wire::frame_type::credit, wire::frame_type::expedited,
            wire::frame_type::expedited_read, wire::frame_type::origin, wire::frame_type::blame,
            wire::frame_type::serve,          wire::frame_type::taken,  wire::frame_type::drain};
        constexpr std::array<std::uint8_t, 9> bits{0,
                                                   in::change_direction,
                                                   in::definite_response,
                                                   in::fm_header,
                                                   in::conditional_end,
                                                   in::fm_header | in::conditional_end,
                                                   in::fm_header | in::purging,
                                                   in::definite_response | in::conditional_end,
                                                   in::definite_response | in::change_direction};
        std::uint64_t passed = 0;
        for (int round = 0; round < 40; ++round) {
            CAPTURE(round);
            behind p;
            std::vector<program> a(3, program{p, p.a}), b(3, program{p, p.b});
            for (std::size_t i = 0; i < a.size(); ++i) {
                if (i == 2) p.stop_routing();  // the last one waits
                CHECK(a[i].initialize("NET.B", "ECHO", static_cast<std::int32_t>(below(2))) == 0);
                CHECK(a[i].allocate() == 0);
                (void)a[i].set(runtime::characteristic::processing_mode, 1);
                (void)(below(2) == 0 ? a[i].flush() : a[i].prepare_to_receive());
                p.settle();
                if (i != 2) REQUIRE(b[i].accept() == 0);
            }
            const std::size_t side = below(3);
            for (int n = 0; n < 30; ++n) {
                const bool from_program = side == 2 ? below(2) == 0 : side == 0;
                const wire::frame_type type = types[below(types.size())];
                const std::uint8_t indicators = type == wire::frame_type::data ? bits[below(bits.size())]
                                                : type == wire::frame_type::response
                                                    ? static_cast<std::uint8_t>(below(2))
                                                    : std::uint8_t{0};
                const bool on_link = type == wire::frame_type::serve || type == wire::frame_type::taken ||
                                     type == wire::frame_type::drain;
                // Of the sizes that are allowed, mostly; the rest is for the header's check.
                std::size_t size = type == wire::frame_type::credit || type == wire::frame_type::drain ? 4
                                   : type == wire::frame_type::taken                                   ? 8
                                   : type == wire::frame_type::blame                                   ? 2
                                   : type == wire::frame_type::serve                                   ? 5
                                   : type == wire::frame_type::origin                                  ? 14
                                   : type == wire::frame_type::expedited                               ? 1 + below(86)
                                   : type == wire::frame_type::data
                                       ? ((indicators & in::fm_header) != 0 ? wire::fmh7_size : below(200))
                                       : 0;
                if (below(40) == 0) size = below(300);
                std::vector<std::byte> payload(size);
                for (std::byte& one : payload) one = static_cast<std::byte>(below(4) == 0 ? random() : random() % 4);
                if ((indicators & in::fm_header) != 0 && size >= wire::fmh7_size)
                    wire::encode_fmh7(payload.data(), {wire::sense::program_error, false});
                const std::uint32_t channel =
                    on_link ? 0
                            : wire::make_channel(from_program ? wire::link_side::acceptor : wire::link_side::connector,
                                                 static_cast<std::uint32_t>(below(below(8) == 0 ? 9 : 3)));
                auto& where = p.end(from_program ? 0 : 1);
                if (!where.closed) inject(where, raw(type, indicators, channel, payload));
                if (below(3) == 0) p.settle();
            }
            p.settle(1 + below(40));
            passed += p.m->relay.counters().frames_to_programs + p.m->relay.counters().frames_from_programs;
            // All go, in any order; what is left waits for nobody.
            for (memory_unit* u : below(2) == 0 ? std::array{&p.a, &p.b} : std::array{&p.b, &p.a}) {
                u->cut();
                p.settle();
            }
            p.m->relay.tick(p.m->unit.c, 100'000'000'000);
            p.settle();
            CHECK(p.m->relay.counters().open == 0);
            CHECK(p.m->relay.counters().held == 0);
            CHECK(p.m->relay.counters().programs == 0);
            CHECK(p.m->unit.engine.inbound().reserved_bytes() == 0);
            CHECK(p.m->count(kind::ended) == p.m->count(kind::delivered));
            // Each that was reported as waiting has had its end, or a program.
            CHECK(p.m->count(kind::attach_arrived) + p.m->count(kind::attach_returned) >=
                  p.m->count(kind::attach_gone));
        }
        CHECK(passed > 40);  // much of it got somewhere
    }
}
