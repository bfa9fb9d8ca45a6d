// Accept_Incoming: a conversation that was set up beforehand becomes the one of an attach, whichever came first.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "tests/support/pair.hpp"

using namespace colloquy;
using colloquy::test::pair;
using colloquy::test::program;
using runtime::characteristic;

namespace {

struct house {
    pair p;
    program a{p, p.a};
    program b{p, p.b};

    house() {
        (void)p.b.engine.tps().add("ECHO", 100);
        REQUIRE(b.initialize_for_incoming() == 0);
        CHECK(b.state() == 14);
    }
    void call(std::int32_t sync = 0, bool basic = false) {
        REQUIRE(a.initialize("NET.B", "ECHO", sync) == 0);
        if (basic) REQUIRE(a.set(characteristic::conversation_type, 0) == 0);
        REQUIRE(a.allocate() == 0);
    }
};

std::string extracted(program& who, runtime::name_of which) {
    char text[64];
    std::int32_t n = -1;
    (void)runtime::extract_name(who.u.engine, who.u.c, who.id, which, text, sizeof text, n);
    return n < 0 ? "?" : std::string{text, static_cast<std::size_t>(n)};
}

}  // namespace

TEST_SUITE("incoming") {
    TEST_CASE("an attach that waits is taken over with all that came behind it, also while more is coming") {
        house h;
        REQUIRE(h.a.initialize("NET.B", "ECHO", 1) == 0);
        REQUIRE(runtime::set_details(h.a.u.engine, h.a.u.c, h.a.id, "NET.B", "FAST", "ECHO", false).code ==
                runtime::return_code::ok);
        REQUIRE(h.a.allocate() == 0);
        CHECK(h.a.send("one") == 0);
        CHECK(h.a.flush() == 0);
        h.p.settle();
        CHECK(h.a.request_to_send() == 0);
        CHECK(h.a.send_expedited("now") == 0);
        CHECK(h.a.send("two") == 0);
        CHECK(h.a.flush() == 0);
        h.p.settle();
        CHECK(h.b.set(characteristic::receive_type, 1) == 0);
        CHECK(h.b.accept_incoming() == 0);
        CHECK(h.b.state() == 4);
        CHECK(extracted(h.b, runtime::name_of::tp) == "ECHO");
        CHECK(extracted(h.b, runtime::name_of::mode) == "FAST");
        CHECK(extracted(h.b, runtime::name_of::partner_lu) == "NET.A");
        auto g = h.b.receive();
        CHECK(g.text == "one");
        CHECK(g.rts == 6);  // a wish for the turn, and expedited data
        CHECK(h.b.receive_expedited().text == "now");
        g = h.b.receive();
        CHECK(g.text == "two");
        CHECK(g.rts == 0);
        CHECK(h.b.receive().code == 28);  // the receive type was kept
        CHECK(h.a.set(characteristic::deallocate_type, 1) == 0);
        CHECK(h.a.deallocate() == 0);
        h.p.settle();
        CHECK(h.b.receive().code == 18);
        CHECK(h.b.state() == -24);
    }

    TEST_CASE("conversations that are called the same share their names, and each still tells its own") {
        pair p{pair::small(), false};
        (void)p.b.engine.tps().add("ECHO", 100);
        (void)p.b.engine.tps().add("OTHER", 100);
        const auto called = [&](program& who, const char* tp, const char* mode) {
            REQUIRE(who.initialize("NET.B", tp, 0) == 0);
            REQUIRE(runtime::set_details(who.u.engine, who.u.c, who.id, "NET.B", mode, tp, false).code ==
                    runtime::return_code::ok);
            CHECK(who.u.engine.names()[who.u.engine.find(who.id)->names].tp_name == tp);
        };
        std::vector<std::unique_ptr<program>> callers, servers;
        for (unsigned i = 0; i < 12; ++i) {
            callers.emplace_back(new program{p, p.a});
            servers.emplace_back(new program{p, p.b});
            called(*callers[i], i % 2 == 0 ? "ECHO" : "OTHER", i % 3 == 0 ? "FAST" : "");
        }
        CHECK(p.a.engine.names().approx_in_use() == 12);  // nobody's are settled yet
        for (auto& one : callers) {
            REQUIRE(one->allocate() == 0);
            CHECK(one->flush() == 0);
        }
        p.settle();
        CHECK(p.a.engine.names().approx_in_use() == 4);
        for (auto& one : servers) REQUIRE(one->accept() == 0);
        CHECK(p.b.engine.names().approx_in_use() == 1);  // a mode name, or nothing of their own
        for (unsigned i = 0; i < 12; ++i) {
            for (program* const one : {callers[i].get(), servers[i].get()}) {
                CHECK(extracted(*one, runtime::name_of::tp) == (i % 2 == 0 ? "ECHO" : "OTHER"));
                CHECK(extracted(*one, runtime::name_of::mode) == (i % 3 == 0 ? "FAST" : ""));
            }
            CHECK(extracted(*callers[i], runtime::name_of::partner_lu) == "NET.B");
            CHECK(extracted(*servers[i], runtime::name_of::partner_lu) == "NET.A");
        }
        for (auto& one : callers) {
            CHECK(one->set(characteristic::deallocate_type, 1) == 0);
            CHECK(one->deallocate() == 0);
        }
        p.settle();
        for (auto& one : servers) CHECK(one->receive().code == 18);
        p.settle();
        CHECK(p.a.engine.names().approx_in_use() == 0);
        CHECK(p.b.engine.names().approx_in_use() == 0);

        // One that waits for its attach has some already.
        REQUIRE(servers[0]->initialize_for_incoming() == 0);
        const runtime::outcome waits = runtime::accept_incoming(p.b.engine, p.b.c, servers[0]->id, nullptr);
        REQUIRE(waits.must_wait);
        called(*callers[0], "ECHO", "FAST");
        REQUIRE(callers[0]->allocate() == 0);
        CHECK(callers[0]->flush() == 0);
        CHECK(servers[0]->finish(waits) == 0);
        CHECK(extracted(*servers[0], runtime::name_of::mode) == "FAST");
        CHECK(p.b.engine.names().approx_in_use() == 1);
        CHECK(runtime::cancel(p.b.engine, p.b.c, servers[0]->id).code == runtime::return_code::ok);
        CHECK(p.b.engine.names().approx_in_use() == 0);
    }

    TEST_CASE("one that waits is bound by the attach that comes") {
        house h;
        CHECK(h.b.set(characteristic::processing_mode, 1) == 0);
        CHECK(h.b.accept_incoming() == 35);
        CHECK(h.b.state() == 14);
        CHECK(h.b.accept_incoming() == 37);
        h.call(0, true);
        CHECK(h.a.flush() == 0);
        h.p.settle();
        runtime::engine::collected done;
        REQUIRE(h.p.b.engine.collect_any(h.p.b.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::ok);
        CHECK(done.id.value == h.b.id.value);
        CHECK(h.b.state() == 4);
        std::int32_t type = -1;
        (void)runtime::extract(h.p.b.engine, h.p.b.c, h.b.id, characteristic::conversation_type, type);
        CHECK(type == 0);
        CHECK(h.b.accept_incoming() == 25);
    }

    TEST_CASE("a full-duplex attach taken over in nonblocking mode stays full duplex, whatever is sent") {
        house h;
        CHECK(h.b.set(characteristic::processing_mode, 1) == 0);
        REQUIRE(h.a.initialize("NET.B", "ECHO", 0) == 0);
        REQUIRE(h.a.set(characteristic::send_receive_mode, 1) == 0);
        REQUIRE(h.a.allocate() == 0);
        CHECK(h.a.flush() == 0);
        h.p.settle();
        REQUIRE(h.b.accept_incoming() == 0);
        CHECK(h.b.state() == 17);
        CHECK(h.b.send("one") == 0);
        CHECK(h.b.state() == 17);
        CHECK(h.b.flush() == 0);
        CHECK(h.b.state() == 17);
        h.p.settle();
        CHECK(h.a.receive().text == "one");
        CHECK(h.a.send("two") == 0);
        CHECK(h.a.flush() == 0);
        h.p.settle();
        CHECK(h.b.receive().text == "two");
        CHECK(h.b.state() == 17);
    }

    TEST_CASE("a wait that is given up leaves the conversation as it was, a cancelled one ends it") {
        house h;
        const auto o = runtime::accept_incoming(h.b.u.engine, h.b.u.c, h.b.id, nullptr);
        REQUIRE(o.must_wait);
        CHECK(runtime::give_up(h.b.u.engine, h.b.u.c, h.b.id) == runtime::given_up::withdrawn);
        CHECK(h.b.state() == 14);
        CHECK(h.p.b.engine.approx_accepts_waiting() == 0);
        h.call();
        CHECK(h.a.flush() == 0);
        h.p.settle();
        CHECK(h.b.accept_incoming() == 0);
        CHECK(h.b.state() == 4);
        program other{h.p, h.p.b};
        REQUIRE(other.initialize_for_incoming() == 0);
        CHECK(other.set(characteristic::processing_mode, 1) == 0);
        CHECK(other.accept_incoming() == 35);
        CHECK(other.cancel() == 0);
        CHECK(other.state() == -24);
    }

    TEST_CASE("a wait that is given up leaves nothing to collect, so that the next call's result is its own") {
        house h;
        const auto o = runtime::accept_incoming(h.b.u.engine, h.b.u.c, h.b.id, nullptr);
        REQUIRE(o.must_wait);
        CHECK(runtime::give_up(h.b.u.engine, h.b.u.c, h.b.id) == runtime::given_up::withdrawn);
        runtime::return_code code{};
        CHECK_FALSE(h.b.u.engine.collect(h.b.u.c, o.id, code));
        CHECK(h.b.set(characteristic::processing_mode, 1) == 0);
        CHECK(h.b.accept_incoming() == 35);
        h.call();
        CHECK(h.a.flush() == 0);
        h.p.settle();
        runtime::engine::collected done;
        REQUIRE(h.p.b.engine.collect_any(h.p.b.c, done) == runtime::engine::collect_result::one);
        CHECK(done.id.value == h.b.id.value);
        CHECK(h.p.b.engine.outstanding() == 0);
    }

    TEST_CASE("accepts that are given up again and again beside others that wait leave few entries") {
        house h;
        constexpr int others = 8;
        program waiting[others]{{h.p, h.p.b}, {h.p, h.p.b}, {h.p, h.p.b}, {h.p, h.p.b},
                                {h.p, h.p.b}, {h.p, h.p.b}, {h.p, h.p.b}, {h.p, h.p.b}};
        for (program& w : waiting) {
            REQUIRE(w.initialize_for_incoming() == 0);
            CHECK(w.set(characteristic::processing_mode, 1) == 0);
            CHECK(w.accept_incoming() == 35);
        }
        for (int i = 0; i < 2'000; ++i) {
            REQUIRE(runtime::accept_incoming(h.b.u.engine, h.b.u.c, h.b.id, nullptr).must_wait);
            REQUIRE(runtime::give_up(h.b.u.engine, h.b.u.c, h.b.id) == runtime::given_up::withdrawn);
        }
        CHECK(h.p.b.engine.approx_accepts_surplus() <= others);
        CHECK(h.p.b.engine.approx_accepts_waiting() == others);
        // Every one of the others is still found, once, and none beside them.
        for (int i = 0; i <= others; ++i) {
            h.call();
            CHECK(h.a.flush() == 0);
            h.p.settle();
        }
        for (program& w : waiting) CHECK(w.state() == 4);
        CHECK(h.b.state() == 14);
        CHECK(h.p.b.engine.approx_accepts_waiting() == 0);
        CHECK(h.b.accept_incoming() == 0);
    }

    TEST_CASE("a link that is lost before the attach is taken is told by the first Receive") {
        house h;
        h.call();
        CHECK(h.a.flush() == 0);
        h.p.settle();
        h.p.b.cut();
        h.p.settle();
        CHECK(h.b.accept_incoming() == 0);
        CHECK(h.b.receive().code == 27);
        CHECK(h.b.state() == -24);
    }

    TEST_CASE("INITIALIZE_INCOMING: what may be called") {
        house h;
        CHECK(h.b.allocate() == 25);
        CHECK(h.b.send("x") == 25);
        CHECK(h.b.receive().code == 25);
        CHECK(h.b.confirm() == 25);
        CHECK(h.b.send_error() == 25);
        CHECK(h.b.request_to_send() == 25);
        CHECK(h.b.send_expedited("x") == 25);
        CHECK(h.b.set(characteristic::sync_level, 1) == 25);
        CHECK(h.b.set(characteristic::send_type, 1) == 25);
        CHECK(h.b.set(characteristic::deallocate_type, 3) == 25);
        CHECK(h.b.set(characteristic::prepare_to_receive_type, 1) == 25);
        CHECK(h.b.set(characteristic::error_direction, 1) == 0);
        CHECK(h.b.set(characteristic::receive_type, 1) == 0);
        CHECK(h.b.deallocate() == 25);
        CHECK(h.b.cancel() == 0);
        CHECK(h.b.state() == -24);
    }
}
