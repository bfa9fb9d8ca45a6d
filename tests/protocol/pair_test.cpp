// Two engines and a wire in memory: what one program says, the other hears.
#include <doctest/doctest.h>

#include "tests/support/pair.hpp"

using namespace colloquy;
using colloquy::test::pair;
using colloquy::test::program;

namespace {

// The usual start: A allocates to a TP of B, B accepts what A sent first.
struct talking {
    pair p;
    program a{p, p.a};
    program b{p, p.b};

    explicit talking(std::int32_t sync = 0, const runtime::limits& bounds = pair::small()) : p{bounds} {
        (void)p.b.engine.tps().add("ECHO", 100);
        CHECK(a.initialize("NET.B", "ECHO", sync) == 0);
        CHECK(a.allocate() == 0);
        CHECK(a.state() == 3);
    }
    void accept() {
        CHECK(a.flush() == 0);
        p.settle();
        CHECK(b.accept() == 0);
        CHECK(b.state() == 4);
    }
};

// A record makes the round: the partner's Receive is done in steps because both ends share this thread.
program::got receive_now(program& who) {
    who.p.settle();
    return who.receive();
}

// A Receive whose outputs outlive the call.
struct pending_receive {
    std::string buffer = std::string(32767, '\0');
    std::int32_t data = -1, length = -1, status = -1, rts = -1;

    std::int32_t issue(program& who) {
        return who.finish(runtime::receive(who.u.engine, who.u.c, who.id,
                                           {buffer.data(), 32767, &data, &length, &status, &rts}, nullptr));
    }
};

}  // namespace

TEST_SUITE("pair") {
    TEST_CASE("exchange: attach, data, turn and answer travel, then a normal end") {
        talking t;
        CHECK(t.a.send("hello") == 0);
        CHECK(t.a.prepare_to_receive() == 0);
        CHECK(t.a.state() == 4);
        t.p.settle();
        CHECK(t.b.accept() == 0);
        auto g = receive_now(t.b);
        CHECK(g.code == 0);
        CHECK(g.text == "hello");
        CHECK(g.data == 2);
        CHECK(g.status == 1);
        CHECK(t.b.state() == 5);
        CHECK(t.b.send("goodbye") == 0);
        CHECK(t.b.deallocate() == 0);
        CHECK(t.b.state() == -24);
        g = receive_now(t.a);
        CHECK(g.code == 18);
        CHECK(g.text == "goodbye");
        CHECK(t.a.state() == -24);
        t.p.settle();
        CHECK(t.p.a.engine.inbound().reserved_bytes() == 0);
        CHECK(t.p.b.engine.inbound().reserved_bytes() == 0);
    }

    TEST_CASE("confirm: returns 0 only after the partner program confirmed") {
        talking t{1};
        CHECK(t.a.send("transfer") == 0);
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        CHECK(t.a.confirm() == 35);
        t.p.settle();
        CHECK(t.b.accept() == 0);
        auto g = receive_now(t.b);
        CHECK(g.text == "transfer");
        CHECK(g.status == 2);
        CHECK(t.b.state() == 6);
        t.p.settle();
        CHECK(t.p.a.filled == 0);
        CHECK(t.b.confirmed() == 0);
        CHECK(t.b.state() == 4);
        t.p.settle();
        CHECK(t.p.a.filled == 1);
        runtime::engine::collected done;
        CHECK(t.p.a.engine.collect_any(t.p.a.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::ok);
        CHECK(done.id == t.a.id);
        CHECK(t.a.state() == 3);
    }

    TEST_CASE("deallocate confirm: refused by Send_Error leaves the conversation with the turn at the partner") {
        talking t{1};
        CHECK(t.a.send("x") == 0);
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        CHECK(t.a.deallocate() == 35);
        t.p.settle();
        CHECK(t.b.accept() == 0);
        auto g = receive_now(t.b);
        CHECK(g.status == 4);
        CHECK(t.b.state() == 8);
        CHECK(t.b.send_error() == 0);
        CHECK(t.b.state() == 3);
        t.p.settle();
        runtime::engine::collected done;
        REQUIRE(t.p.a.engine.collect_any(t.p.a.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::program_error_purging);
        CHECK(t.a.state() == 4);
        CHECK(t.b.send("no") == 0);
        CHECK(t.b.set(runtime::characteristic::deallocate_type, 1) == 0);
        CHECK(t.b.deallocate() == 0);
        (void)t.a.set(runtime::characteristic::processing_mode, 0);
        g = receive_now(t.a);
        CHECK(g.text == "no");
        CHECK(g.code == 18);
    }

    TEST_CASE("attach: an unknown name is told by a later call") {
        talking t;
        t.p.b.engine.tps().set("ECHO", runtime::tp_registry::status::released);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        CHECK(t.a.send("x") == 9);
        CHECK(t.a.state() == -24);
    }

    TEST_CASE("receive: a record larger than the buffer comes in pieces, byte by byte off the wire") {
        talking t;
        std::string big(30000, '\0');
        for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i * 31 + (i >> 8));
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        CHECK(t.a.send(big) == 0);
        CHECK(t.a.flush() == 35);  // more than the first window
        t.p.settle(7);
        CHECK(t.b.accept() == 0);
        std::string all;
        for (int i = 0; i < 100 && all.size() < big.size(); ++i) {
            t.p.settle(7);
            auto g = t.b.receive(1000);
            REQUIRE(g.code == 0);
            all += g.text;
            CHECK(g.data == (all.size() == big.size() ? 2 : 3));
        }
        CHECK(all == big);
    }

    TEST_CASE("send error as receiver: inbound is purged and the sender gives up the turn") {
        talking t;
        t.accept();
        CHECK(t.a.send("unwanted") == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        CHECK(t.b.send_error() == 0);
        CHECK(t.b.state() == 3);
        CHECK(t.b.send("because") == 0);
        t.p.settle();
        CHECK(t.a.send("more") == 22);
        CHECK(t.p.b.last_reason == wire::reason::none);
        CHECK(t.p.a.last_reason == wire::reason::none);
        CHECK(t.a.state() == 4);
        CHECK(t.b.prepare_to_receive() == 0);
        auto g = receive_now(t.a);
        CHECK(g.text == "because");
        CHECK(g.status == 1);
        CHECK(t.a.send("better") == 0);
        CHECK(t.a.deallocate() == 0);
        g = receive_now(t.b);
        CHECK(g.code == 18);
        CHECK(g.text == "better");
        CHECK(t.p.b.last_reason == wire::reason::none);
        CHECK(t.p.a.last_reason == wire::reason::none);
    }

    TEST_CASE("cancel: the partner hears an abend, the channel is used again") {
        talking t;
        t.accept();
        CHECK(t.a.cancel() == 0);
        CHECK(t.a.state() == -24);
        auto g = receive_now(t.b);
        CHECK(g.code == 30);
        for (int i = 0; i < 100; ++i) {
            CHECK(t.a.initialize("NET.B", "ECHO") == 0);
            CHECK(t.a.allocate() == 0);
            CHECK(t.a.send("again") == 0);
            CHECK(t.a.deallocate() == 0);
            t.p.settle();
            CHECK(t.b.accept() == 0);
            g = receive_now(t.b);
            CHECK(g.code == 18);
            CHECK(g.text == "again");
            t.p.settle();
        }
    }

    TEST_CASE("link lost: what came before is delivered, then 27") {
        talking t;
        t.accept();
        CHECK(t.a.send("last words") == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        t.p.b.cut();
        t.p.settle();
        auto g = t.b.receive();
        CHECK(g.text == "last words");
        g = t.b.receive();
        CHECK(g.code == 27);
        CHECK(t.a.send("x") == 27);
    }

    TEST_CASE("receive: what is set beside it is for later calls, and the state is told with its completion") {
        talking t;
        t.accept();
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        pending_receive pending;
        CHECK(pending.issue(t.a) == 35);
        CHECK(t.a.state() == 3);
        CHECK(t.a.set(runtime::characteristic::receive_type, 1) == 0);
        t.p.settle();
        CHECK(t.p.a.filled == 0);
        CHECK(receive_now(t.b).status == 1);
        CHECK(t.b.set(runtime::characteristic::send_type, 1) == 0);
        CHECK(t.b.send("late") == 0);
        t.p.settle();
        runtime::engine::collected done;
        REQUIRE(t.p.a.engine.collect_any(t.p.a.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::ok);
        CHECK(pending.length == 4);
        CHECK(t.a.state() == 4);
    }

    TEST_CASE("send error as receiver: refused turns are counted, not remembered by a flag") {
        talking t;
        t.accept();
        // B refuses, gives the turn back, and refuses again before it hears that A has given up the first turn.
        CHECK(t.b.send_error() == 0);
        CHECK(t.b.prepare_to_receive() == 0);
        t.p.settle();
        CHECK(t.a.send("never read") == 22);
        auto g = t.a.receive();
        CHECK(g.status == 1);
        CHECK(t.a.state() == 3);
        CHECK(t.a.send("nor this") == 0);
        CHECK(t.a.flush() == 0);
        CHECK(t.b.send_error() == 0);
        t.p.settle();
        CHECK(t.a.send("nor that") == 22);
        CHECK(t.a.state() == 4);
        CHECK(t.b.send("mine") == 0);
        CHECK(t.b.prepare_to_receive() == 0);
        g = receive_now(t.a);
        CHECK(g.text == "mine");
        CHECK(g.status == 1);
        CHECK(t.a.send("heard") == 0);
        CHECK(t.a.deallocate() == 0);
        g = receive_now(t.b);
        CHECK(g.text == "heard");
        CHECK(g.code == 18);
        CHECK(t.p.a.last_reason == wire::reason::none);
        CHECK(t.p.b.last_reason == wire::reason::none);
    }

    TEST_CASE("send error: two reports that cross leave one turn") {
        talking t;
        t.accept();
        CHECK(t.a.prepare_to_receive() == 0);
        CHECK(t.a.send_error() == 0);
        // B drops both, the turn and the report that refuses it, unread.
        t.p.settle();
        CHECK(t.b.send_error() == 0);
        t.p.settle();
        CHECK(t.a.send("lost") == 22);
        CHECK(t.a.state() == 4);
        CHECK(t.b.send("kept") == 0);
        CHECK(t.b.deallocate() == 0);
        const auto g = receive_now(t.a);
        CHECK(g.text == "kept");
        CHECK(g.code == 18);
        CHECK(t.p.a.last_reason == wire::reason::none);
    }

    TEST_CASE("send error in confirm: an abend that it drops is told by the next call") {
        talking t{1};
        t.accept();
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        CHECK(t.a.confirm() == 35);
        CHECK(receive_now(t.b).status == 2);
        CHECK(t.a.cancel() == 0);
        t.p.settle();
        CHECK(t.b.send_error() == 0);
        CHECK(t.b.state() == 3);
        CHECK(t.b.confirm() == 30);
        CHECK(t.b.state() == -24);
    }

    TEST_CASE("send error beside a receive that waits for credit: the report follows the data by itself") {
        talking t;
        t.accept();
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        CHECK(t.a.send(std::string(20'000, 'x')) == 0);
        pending_receive pending;
        CHECK(pending.issue(t.a) == 35);
        CHECK(t.a.send_error() == 0);
        CHECK(t.a.send_error() == 37);
        t.p.settle();
        runtime::engine::collected done;
        REQUIRE(t.p.a.engine.collect_any(t.p.a.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::unsuccessful);
        CHECK(t.a.state() == 3);
        std::size_t all = 0;
        program::got g;
        for (int i = 0; i < 100 && all < 20'000; ++i) {
            g = receive_now(t.b);
            REQUIRE(g.code == 0);
            all += g.text.size();
        }
        CHECK(g.status == 0);
        CHECK(receive_now(t.b).code == 21);
    }

    TEST_CASE("flush: data that was refused does not wait for credit from a partner that is gone") {
        talking t{1};
        t.accept();
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        (void)t.b.set(runtime::characteristic::processing_mode, 1);
        CHECK(t.b.send_error() == 0);
        CHECK(t.b.deallocate() == 35);
        CHECK(t.a.send(std::string(20'000, 'x')) == 0);
        CHECK(t.a.flush() == 35);
        CHECK(t.b.cancel() == 0);
        t.p.settle();
        runtime::engine::collected done;
        REQUIRE(t.p.a.engine.collect_any(t.p.a.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::ok);
        CHECK(t.a.send("x") == 22);
    }

    TEST_CASE("credit: the smallest window does not come to a halt") {
        runtime::limits l = pair::small();
        l.window_bytes = l.window_bytes_max = runtime::limits::window_bytes_min;
        talking t{0, l};
        t.accept();
        (void)t.a.set(runtime::characteristic::processing_mode, 1);
        for (const std::size_t size : {60U, 300U, 60U, 300U, 1'000U}) {
            CHECK(t.a.send(std::string(size, 'y')) == 0);
            const std::int32_t code = t.a.flush();
            std::size_t all = 0;
            for (int i = 0; i < 50 && all < size; ++i) {
                const auto g = receive_now(t.b);
                REQUIRE(g.code == 0);
                all += g.text.size();
            }
            CHECK(all == size);
            t.p.settle();
            runtime::engine::collected done;
            const auto got = t.p.a.engine.collect_any(t.p.a.c, done);
            CHECK((got == runtime::engine::collect_result::one) == (code == 35));
        }
    }

    TEST_CASE("credit: nothing is granted behind a conditional end") {
        // A's data crosses B's refusal and conditional end; a grant for it would meet the channel's next conversation.
        talking t{1};
        t.accept();
        (void)t.b.set(runtime::characteristic::processing_mode, 1);
        CHECK(t.a.send(std::string(3'000, 'z')) == 0);
        CHECK(t.a.flush() == 0);
        CHECK(t.b.send_error() == 0);
        CHECK(t.b.deallocate() == 35);
        const auto before = t.p.b.engine.count().read(runtime::counter::credit_frames);
        t.p.settle();
        CHECK(t.p.b.engine.count().read(runtime::counter::credit_frames) == before);
        CHECK(t.a.send("x") == 22);
        CHECK(receive_now(t.a).status == 4);
        CHECK(t.a.confirmed() == 0);
        t.p.settle();
        CHECK(t.b.state() == -24);
    }

    TEST_CASE("request to send: called before the attach has left, it follows the attach") {
        talking t;
        CHECK(t.a.request_to_send() == 0);
        t.accept();
        t.p.settle();
        std::int32_t told = -1;
        const auto o = runtime::test_request_to_send_received(t.b.u.engine, t.b.u.c, t.b.id, &told);
        CHECK(o.code == runtime::return_code::ok);
        CHECK(told == 1);
    }
}
