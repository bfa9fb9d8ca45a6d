// Full-duplex conversations and expedited data: each direction on its own.
#include <doctest/doctest.h>

#include "tests/support/pair.hpp"

using namespace colloquy;
using colloquy::test::pair;
using colloquy::test::program;
using runtime::characteristic;

namespace {

constexpr std::int32_t send_only = 15, receive_only = 16, send_receive = 17, gone = -24;

struct duplex {
    pair p;
    program a{p, p.a};
    program b{p, p.b};

    explicit duplex(const runtime::limits& bounds = pair::small()) : p{bounds} {
        (void)p.b.engine.tps().add("ECHO", 100);
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        REQUIRE(a.set(characteristic::send_receive_mode, 1) == 0);
        REQUIRE(a.allocate() == 0);
        CHECK(a.state() == send_receive);
        CHECK(a.flush() == 0);
        p.settle();
        REQUIRE(b.accept() == 0);
        CHECK(b.state() == send_receive);
    }
    // Every slot and channel is given back: as many conversations as there is room for come and go.
    void check_all_returned() {
        p.settle();
        CHECK(p.a.engine.inbound().reserved_bytes() == 0);
        CHECK(p.b.engine.inbound().reserved_bytes() == 0);
        for (int i = 0; i < 200; ++i) {
            REQUIRE(a.initialize("NET.B", "ECHO") == 0);
            REQUIRE(a.allocate() == 0);
            REQUIRE(a.deallocate() == 0);
            p.settle();
            REQUIRE(b.accept() == 0);
            REQUIRE(b.receive().code == 18);
            p.settle();
        }
    }
};

// A blocking Receive whose caller waits while others go on.
struct waiting_receive {
    program& who;
    std::string buffer = std::string(32767, '\0');
    std::int32_t data = -1, length = -1, status = -1, rts = -1;
    runtime::outcome o{};

    explicit waiting_receive(program& w) : who{w} {
        o = runtime::receive(w.u.engine, w.u.c, w.id, {buffer.data(), 32767, &data, &length, &status, &rts}, nullptr);
        REQUIRE(o.must_wait);
    }
    bool finished() { return who.u.engine.finished(o.id, o.on); }
    std::int32_t collect() {
        runtime::return_code code = runtime::return_code::operation_incomplete;
        CHECK(who.u.engine.collect(who.u.c, o.id, code, o.on));
        return static_cast<std::int32_t>(code);
    }
    std::string text() const { return buffer.substr(0, static_cast<std::size_t>(length)); }
};

}  // namespace

TEST_SUITE("duplex") {
    TEST_CASE("both ends send at once, and neither needs a turn") {
        duplex d;
        CHECK(d.a.send("from a") == 0);
        CHECK(d.b.send("from b") == 0);
        CHECK(d.a.flush() == 0);
        CHECK(d.b.flush() == 0);
        d.p.settle();
        CHECK(d.a.receive().text == "from b");
        CHECK(d.b.receive().text == "from a");
        CHECK(d.a.state() == send_receive);
        CHECK(d.b.state() == send_receive);
    }

    TEST_CASE("each direction ends by itself; the conversation with the second") {
        for (const bool originator_first : {true, false}) {
            CAPTURE(originator_first);
            duplex d;
            program& first = originator_first ? d.a : d.b;
            program& second = originator_first ? d.b : d.a;
            CHECK(first.send("last") == 0);
            CHECK(first.deallocate() == 0);
            CHECK(first.state() == receive_only);
            CHECK(first.send("x") == 25);
            CHECK(first.flush() == 25);
            CHECK(first.deallocate() == 25);
            CHECK(first.send_error() == 25);
            d.p.settle();
            const auto g = second.receive();
            CHECK(g.code == 18);
            CHECK(g.text == "last");
            CHECK(second.state() == send_only);
            CHECK(second.receive().code == 25);
            CHECK(second.send("and now mine") == 0);
            CHECK(second.flush() == 0);
            d.p.settle();
            CHECK(first.receive().text == "and now mine");
            CHECK(second.deallocate() == 0);
            CHECK(second.state() == gone);
            d.p.settle();
            CHECK(first.receive().code == 18);
            CHECK(first.state() == gone);
            d.check_all_returned();
        }
    }

    TEST_CASE("both ends end at once") {
        duplex d;
        CHECK(d.a.deallocate() == 0);
        CHECK(d.b.deallocate() == 0);
        d.p.settle();
        CHECK(d.a.receive().code == 18);
        CHECK(d.b.receive().code == 18);
        CHECK(d.a.state() == gone);
        CHECK(d.b.state() == gone);
        d.check_all_returned();
    }

    TEST_CASE("the partner's end and its acknowledgement come while a verb has the conversation") {
        for (const bool cancels : {false, true}) {
            CAPTURE(cancels);
            duplex d;
            for (int i = 0; i < 200; ++i) {
                if (i != 0) {
                    REQUIRE(d.a.initialize("NET.B", "ECHO") == 0);
                    REQUIRE(d.a.set(characteristic::send_receive_mode, 1) == 0);
                    REQUIRE(d.a.allocate() == 0);
                    CHECK(d.a.flush() == 0);
                    d.p.settle();
                    REQUIRE(d.b.accept() == 0);
                }
                CHECK(d.a.deallocate() == 0);
                d.p.settle();
                CHECK(d.b.receive().code == 18);
                CHECK(d.b.deallocate() == 0);
                runtime::engine& e = d.a.u.engine;
                runtime::conversation& v = *e.find(d.a.id);
                runtime::phase before{};
                REQUIRE(v.word.own(d.a.id.generation(), before) == runtime::state_word<>::own_result::owned);
                d.p.settle();
                e.put_back(d.a.u.c, v, before);
                if (cancels)
                    CHECK(d.a.cancel() == 0);
                else
                    CHECK(d.a.receive().code == 18);
                CHECK(d.a.state() == gone);
            }
            d.check_all_returned();
        }
    }

    TEST_CASE("acknowledgements of nothing that come while a verb has the conversation end it with the link") {
        duplex d;
        runtime::conversation& v = *d.a.u.engine.find(d.a.id);
        runtime::phase before{};
        REQUIRE(v.word.own(d.a.id.generation(), before) == runtime::state_word<>::own_result::owned);
        std::byte frame[wire::frame_header_size];
        wire::encode_header(frame, {0, wire::frame_type::response, wire::indicator::conditional_end, v.channel});
        auto& in = d.p.a.ends_.at(0).in;
        for (int i = 0; i < 2; ++i) in.insert(in.end(), std::begin(frame), std::end(frame));
        d.p.a.pump();
        CHECK(v.link->at() == runtime::session::stage::ended);
        d.a.u.engine.put_back(d.a.u.c, v, before);
        CHECK(d.a.receive().code == 26);
        CHECK(d.a.state() == gone);
    }

    TEST_CASE("a Receive waits while another thread sends") {
        duplex d;
        waiting_receive r{d.a};
        CHECK(d.a.send("question") == 0);
        CHECK(d.a.flush() == 0);
        CHECK_FALSE(r.finished());
        d.p.settle();
        CHECK(d.b.receive().text == "question");
        CHECK(d.b.send("answer") == 0);
        CHECK(d.b.flush() == 0);
        d.p.settle();
        REQUIRE(r.finished());
        CHECK(d.a.send("before the Receive is collected") == 0);
        CHECK(r.collect() == 0);
        CHECK(r.text() == "answer");
    }

    TEST_CASE("a Deallocate beside a Receive that waits shows in the state at once") {
        duplex d;
        waiting_receive r{d.a};
        CHECK(d.a.deallocate() == 0);
        CHECK(d.a.state() == receive_only);
        CHECK(d.b.deallocate() == 0);
        d.p.settle();
        REQUIRE(r.finished());
        CHECK(r.collect() == 18);
        CHECK(d.a.state() == gone);
        CHECK(d.b.receive().code == 18);
        d.check_all_returned();
    }

    TEST_CASE("a Send that waits for credit goes on while a Receive is served, and the other way round") {
        runtime::limits small = pair::small();
        small.window_bytes = 2'048;
        small.window_bytes_max = 2'048;
        duplex d{small};
        waiting_receive r{d.a};
        const std::string large(8'000, 'x');
        std::int32_t rts = -1;
        REQUIRE(d.a.set(characteristic::send_type, 1) == 0);
        const auto s = runtime::send_data(d.a.u.engine, d.a.u.c, d.a.id, large.data(), 8'000, &rts, nullptr);
        REQUIRE(s.must_wait);
        CHECK(s.on == runtime::queue::send);
        CHECK(d.a.send("another") == 37);
        d.p.settle();
        CHECK(d.b.send("hello") == 0);
        CHECK(d.b.flush() == 0);
        d.p.settle();
        REQUIRE(r.finished());
        CHECK(r.collect() == 0);
        CHECK_FALSE(d.a.u.engine.finished(s.id, s.on));
        std::string heard;
        while (heard.size() < large.size()) {
            const auto g = d.b.receive();
            REQUIRE(g.code == 0);
            heard += g.text;
            d.p.settle();
        }
        CHECK(heard == large);
        REQUIRE(d.a.u.engine.finished(s.id, s.on));
        runtime::return_code code{};
        CHECK(d.a.u.engine.collect(d.a.u.c, s.id, code, s.on));
        CHECK(code == runtime::return_code::ok);
    }

    TEST_CASE("an abend ends both directions; who waits hears the same") {
        for (const bool by_originator : {true, false}) {
            CAPTURE(by_originator);
            duplex d;
            program& one = by_originator ? d.a : d.b;
            program& other = by_originator ? d.b : d.a;
            waiting_receive r{other};
            CHECK(one.set(characteristic::deallocate_type, 3) == 0);
            CHECK(one.deallocate() == 0);
            CHECK(one.state() == gone);
            d.p.settle();
            REQUIRE(r.finished());
            CHECK(r.collect() == 17);
            CHECK(other.state() == gone);
            d.check_all_returned();
        }
    }

    TEST_CASE("an abend by this program ends what it waits for itself") {
        duplex d;
        waiting_receive r{d.a};
        CHECK(d.a.set(characteristic::deallocate_type, 3) == 0);
        CHECK(d.a.deallocate() == 0);
        REQUIRE(r.finished());
        CHECK(r.collect() == 17);
        CHECK(d.a.state() == gone);
        d.p.settle();
        CHECK(d.b.send("x") == 17);
        CHECK(d.b.state() == gone);
        d.check_all_returned();
    }

    TEST_CASE("an abend of one whose own direction has ended, and abends that cross ends") {
        for (const bool originator_done : {true, false}) {
            CAPTURE(originator_done);
            duplex d;
            program& done = originator_done ? d.a : d.b;
            program& other = originator_done ? d.b : d.a;
            CHECK(done.deallocate() == 0);
            CHECK(done.set(characteristic::deallocate_type, 3) == 0);
            CHECK(done.deallocate() == 0);
            CHECK(other.deallocate() == 0);
            d.p.settle();
            CHECK(other.receive().code == 18);
            d.check_all_returned();
        }
    }

    TEST_CASE("a lost link is told to each call that waits, once, and to the next call") {
        duplex d;
        waiting_receive r{d.a};
        d.p.a.cut();
        d.p.settle();
        REQUIRE(r.finished());
        CHECK(r.collect() == 27);
        CHECK(d.a.state() == gone);
        CHECK(d.b.send("x") == 27);
        CHECK(d.b.state() == gone);
        CHECK(d.p.a.engine.inbound().reserved_bytes() == 0);
    }

    TEST_CASE("Send_Error stands between the data and changes no state; a record may be cut") {
        duplex d;
        CHECK(d.a.send("one") == 0);
        CHECK(d.a.send_error() == 0);
        CHECK(d.a.send("two") == 0);
        CHECK(d.a.flush() == 0);
        d.p.settle();
        CHECK(d.b.receive().text == "one");
        CHECK(d.b.receive().code == 21);
        CHECK(d.b.state() == send_receive);
        CHECK(d.b.receive().text == "two");
        CHECK(d.b.send("still") == 0);
    }

    TEST_CASE("what needs turns is a bad parameter, and some characteristics exclude each other") {
        duplex d;
        CHECK(d.a.confirm() == 24);
        CHECK(d.a.prepare_to_receive() == 24);
        CHECK(d.a.request_to_send() == 24);
        std::int32_t told = -1;
        CHECK(runtime::test_request_to_send_received(d.a.u.engine, d.a.u.c, d.a.id, &told).code ==
              runtime::return_code::program_parameter_check);
        CHECK(d.a.confirmed() == 25);
        CHECK(d.a.set(characteristic::send_type, 2) == 24);
        CHECK(d.a.set(characteristic::send_type, 3) == 24);
        CHECK(d.a.set(characteristic::send_receive_mode, 0) == 25);
        CHECK(d.a.set(characteristic::processing_mode, 1) == 24);
        program c{d.p, d.p.a};
        REQUIRE(c.initialize("NET.B", "ECHO", 1) == 0);
        CHECK(c.set(characteristic::send_receive_mode, 1) == 24);
        CHECK(c.set(characteristic::sync_level, 0) == 0);
        CHECK(c.set(characteristic::send_receive_mode, 2) == 24);
        CHECK(c.set(characteristic::send_receive_mode, 1) == 0);
        CHECK(c.set(characteristic::sync_level, 1) == 24);
    }

    TEST_CASE("a rejected attach: those who send hear that it was, Receive hears why") {
        pair p;
        for (const bool sends : {true, false}) {
            program a{p, p.a};
            REQUIRE(a.initialize("NET.B", "NOBODY") == 0);
            REQUIRE(a.set(characteristic::send_receive_mode, 1) == 0);
            REQUIRE(a.allocate() == 0);
            CHECK(a.flush() == 0);
            p.settle();
            CHECK((sends ? a.send("x") : a.receive().code) == (sends ? 43 : 9));
            CHECK(a.state() == gone);
        }
    }
}

TEST_SUITE("expedited") {
    struct talking {
        pair p;
        program a{p, p.a};
        program b{p, p.b};

        explicit talking(const runtime::limits& bounds = pair::small(), std::int32_t sync = 0) : p{bounds} {
            (void)p.b.engine.tps().add("ECHO", 100);
            REQUIRE(a.initialize("NET.B", "ECHO", sync) == 0);
            REQUIRE(a.allocate() == 0);
        }
        void accept() {
            CHECK(a.flush() == 0);
            p.settle();
            REQUIRE(b.accept() == 0);
        }
    };

    TEST_CASE("it passes data that nobody has read, in any state, and is announced by other calls until it is read") {
        talking t;
        CHECK(t.a.send("slow") == 0);
        CHECK(t.a.send_expedited("fast") == 0);  // takes the attach along
        t.p.settle();
        REQUIRE(t.b.accept() == 0);
        std::int32_t told = -1;
        CHECK(runtime::test_request_to_send_received(t.b.u.engine, t.b.u.c, t.b.id, &told).code ==
              runtime::return_code::ok);
        CHECK(told == 5);
        auto g = t.b.receive_expedited();
        CHECK(g.code == 0);
        CHECK(g.text == "fast");
        CHECK(g.rts == 0);
        CHECK(t.b.receive_expedited().code == 28);
        CHECK(t.b.send_expedited("back") == 0);
        CHECK(t.b.state() == 4);
        t.p.settle();
        CHECK(t.a.receive_expedited().text == "back");
        CHECK(t.a.state() == 3);
        g = t.b.receive();
        CHECK(g.text == "slow");
        CHECK(g.rts == 0);
    }

    TEST_CASE("one is under way: the next waits until the first was read, by its own call or not") {
        talking t;
        t.accept();
        CHECK(t.a.send_expedited("1") == 0);
        std::int32_t rts = -1;
        const auto o = runtime::send_expedited_data(t.a.u.engine, t.a.u.c, t.a.id, "2", 1, &rts, nullptr);
        REQUIRE(o.must_wait);
        CHECK(t.a.send_expedited("3") == 37);
        CHECK(t.a.send("data goes on") == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        CHECK_FALSE(t.a.u.engine.finished(o.id, o.on));
        CHECK(t.b.receive_expedited().text == "1");
        t.p.settle();
        REQUIRE(t.a.u.engine.finished(o.id, o.on));
        runtime::return_code code{};
        CHECK(t.a.u.engine.collect(t.a.u.c, o.id, code, o.on));
        CHECK(code == runtime::return_code::ok);
        t.p.settle();
        CHECK(t.b.receive_expedited().text == "2");
    }

    TEST_CASE("lengths: too small a buffer says how much is needed and loses nothing") {
        talking t;
        t.accept();
        const std::string most(86, 'x');
        CHECK(t.a.send_expedited("") == 24);
        CHECK(t.a.send_expedited(std::string(87, 'x')) == 24);
        CHECK(t.a.send_expedited(most) == 0);
        t.p.settle();
        auto g = t.b.receive_expedited(85);
        CHECK(g.code == 40);
        CHECK(g.length == 86);
        CHECK(t.b.receive_expedited(87).code == 24);
        CHECK(t.b.receive_expedited(86, 2).code == 24);
        CHECK(t.b.receive_expedited(86).text == most);
    }

    TEST_CASE("a call that waits for expedited data hears that the conversation is ending") {
        talking t;
        t.accept();
        std::string buffer(86, '\0');
        std::int32_t length = -1, info = -1;
        const auto o = runtime::receive_expedited_data(t.b.u.engine, t.b.u.c, t.b.id, buffer.data(), 86, &length, &info,
                                                       0, nullptr);
        REQUIRE(o.must_wait);
        CHECK(t.b.set(characteristic::error_direction, 1) == 0);  // other queues are not hindered
        CHECK(t.b.set(characteristic::processing_mode, 1) == 25);
        CHECK(t.a.deallocate() == 0);
        t.p.settle();
        REQUIRE(t.b.u.engine.finished(o.id, o.on));
        runtime::return_code code{};
        CHECK(t.b.u.engine.collect(t.b.u.c, o.id, code, o.on));
        CHECK(code == runtime::return_code::conversation_ending);
        CHECK(t.b.send_expedited("x") == 38);
        CHECK(t.b.receive().code == 18);
        CHECK(t.b.state() == gone);
    }

    TEST_CASE("a lost link: what has come is received before the loss is told") {
        talking t;
        t.accept();
        CHECK(t.a.send("came in time") == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        std::string buffer(86, '\0');
        std::int32_t length = -1, info = -1;
        const auto o = runtime::receive_expedited_data(t.b.u.engine, t.b.u.c, t.b.id, buffer.data(), 86, &length, &info,
                                                       0, nullptr);
        REQUIRE(o.must_wait);
        t.p.b.cut();
        t.p.settle();
        REQUIRE(t.b.u.engine.finished(o.id, o.on));
        runtime::return_code code{};
        CHECK(t.b.u.engine.collect(t.b.u.c, o.id, code, o.on));
        CHECK(code == runtime::return_code::conversation_ending);
        CHECK(t.b.send_expedited("x") == 38);
        CHECK(t.b.receive().text == "came in time");
        CHECK(t.b.send_expedited("x") == 27);
        CHECK(t.b.state() == gone);
    }

    TEST_CASE("a partner that asks to end cannot say that it has read: who waits for that is told 38, and may refuse") {
        for (const bool asked_first : {false, true}) {
            CAPTURE(asked_first);
            talking t{pair::small(), 1};
            t.accept();
            REQUIRE(t.a.set(characteristic::prepare_to_receive_type, 1) == 0);
            CHECK(t.a.prepare_to_receive() == 0);
            t.p.settle();
            CHECK(t.b.receive().status == 1);
            CHECK(t.a.send_expedited("1") == 0);
            // In nonblocking mode the call that waits is the conversation's one: nothing else could read the question.
            CHECK(t.a.set(characteristic::processing_mode, 1) == 0);
            std::int32_t info = -1;
            const auto send = [&] {
                return static_cast<std::int32_t>(
                    runtime::send_expedited_data(t.a.u.engine, t.a.u.c, t.a.id, "2", 1, &info, nullptr).code);
            };
            if (!asked_first) CHECK(send() == 35);
            const auto end = runtime::deallocate(t.b.u.engine, t.b.u.c, t.b.id, nullptr);
            REQUIRE(end.must_wait);
            t.p.settle();
            CHECK(t.b.receive_expedited().text == "1");
            t.p.settle();
            if (asked_first) {
                CHECK(send() == 38);
            } else {
                runtime::engine::collected done;
                REQUIRE(t.p.a.engine.collect_any(t.p.a.c, done) == runtime::engine::collect_result::one);
                CHECK(done.code == runtime::return_code::conversation_ending);
            }
            // It is the originator's to go on: refused, the partner says what it owed.
            CHECK(t.a.set(characteristic::processing_mode, 0) == 0);
            CHECK(t.a.receive().status == 4);
            CHECK(send() == 38);
            CHECK(t.a.send_error() == 0);
            t.p.settle();
            runtime::return_code code{};
            CHECK(t.b.u.engine.collect(t.b.u.c, end.id, code));
            CHECK(code == runtime::return_code::program_error_purging);
            t.p.settle();
            CHECK(send() == 0);
            t.p.settle();
            CHECK(t.b.receive_expedited().text == "2");
        }
        // The originator may say so at any time, so its partner waits for that, no longer.
        talking t{pair::small(), 1};
        t.accept();
        CHECK(t.b.send_expedited("1") == 0);
        const auto end = runtime::deallocate(t.a.u.engine, t.a.u.c, t.a.id, nullptr);
        REQUIRE(end.must_wait);
        t.p.settle();
        std::int32_t info = -1;
        const auto o = runtime::send_expedited_data(t.b.u.engine, t.b.u.c, t.b.id, "2", 1, &info, nullptr);
        REQUIRE(o.must_wait);
        CHECK(t.a.receive_expedited().text == "1");
        t.p.settle();
        runtime::return_code code{};
        REQUIRE(t.b.u.engine.finished(o.id, o.on));
        CHECK(t.b.u.engine.collect(t.b.u.c, o.id, code, o.on));
        CHECK(code == runtime::return_code::ok);
    }

    TEST_CASE("an end in order by its own program is told as one, an abnormal end as such") {
        enum class by { flush, confirm, send_data, confirmed, abend_with_data };
        for (const by how : {by::flush, by::confirm, by::send_data, by::confirmed, by::abend_with_data}) {
            CAPTURE(static_cast<int>(how));
            const bool asks = how == by::confirm || how == by::confirmed;
            talking t{pair::small(), asks ? 1 : 0};
            t.accept();
            program& who = how == by::confirmed ? t.b : t.a;
            runtime::outcome waiting[2];
            std::string buffer(86, '\0');
            std::int32_t length = -1, info[2] = {-1, -1};
            waiting[0] = runtime::receive_expedited_data(who.u.engine, who.u.c, who.id, buffer.data(), 86, &length,
                                                         &info[0], 0, nullptr);
            CHECK(who.send_expedited("not read") == 0);
            waiting[1] = runtime::send_expedited_data(who.u.engine, who.u.c, who.id, "nor sent", 8, &info[1], nullptr);
            for (const auto& w : waiting) REQUIRE(w.must_wait);
            if (how == by::send_data || how == by::abend_with_data) {
                CHECK(t.a.set(characteristic::send_type, 4) == 0);
                if (how == by::abend_with_data) CHECK(t.a.set(characteristic::deallocate_type, 3) == 0);
                CHECK(t.a.send("last") == 0);
            } else if (asks) {
                const auto o = runtime::deallocate(t.a.u.engine, t.a.u.c, t.a.id, nullptr);
                REQUIRE(o.must_wait);
                t.p.settle();
                CHECK(t.b.receive().status == 4);
                CHECK(t.b.confirmed() == 0);
                t.p.settle();
                runtime::return_code code{};
                CHECK(t.a.u.engine.collect(t.a.u.c, o.id, code));
                CHECK(code == runtime::return_code::ok);
            } else {
                CHECK(t.a.deallocate() == 0);
            }
            CHECK(who.state() == gone);
            for (const auto& w : waiting) {
                REQUIRE(who.u.engine.finished(w.id, w.on));
                runtime::return_code code{};
                CHECK(who.u.engine.collect(who.u.c, w.id, code, w.on));
                CHECK(code == (how == by::abend_with_data ? runtime::return_code::deallocated_abend
                                                          : runtime::return_code::conversation_ending));
            }
            t.p.settle();
            (void)t.b.cancel();
            t.p.settle();
            CHECK(t.p.a.engine.inbound().reserved_bytes() == 0);
        }
    }

    TEST_CASE("Cancel ends it, and the slot lives until its caller has heard") {
        talking t;
        t.accept();
        std::string buffer(86, '\0');
        std::int32_t length = -1, info = -1;
        const auto o = runtime::receive_expedited_data(t.b.u.engine, t.b.u.c, t.b.id, buffer.data(), 86, &length, &info,
                                                       0, nullptr);
        REQUIRE(o.must_wait);
        CHECK(t.b.cancel() == 0);
        CHECK(t.b.state() == gone);
        CHECK(t.b.send("x") == 24);
        CHECK(t.b.cancel() == 24);
        REQUIRE(t.b.u.engine.finished(o.id, o.on));
        runtime::return_code code{};
        CHECK(t.b.u.engine.collect(t.b.u.c, o.id, code, o.on));
        CHECK(code == runtime::return_code::deallocated_abend);
        CHECK(t.p.b.engine.inbound().reserved_bytes() == 0);
    }

    TEST_CASE("one that hears of the loss ends the call that waits beside it, whose success would tell nothing") {
        runtime::limits small = pair::small();
        small.window_bytes = small.window_bytes_max = 2'048;
        talking t{small};
        t.accept();
        const std::string large(8'000, 'x');
        CHECK(t.a.send(large) == 0);
        const auto o = runtime::prepare_to_receive(t.a.u.engine, t.a.u.c, t.a.id, nullptr);
        REQUIRE(o.must_wait);
        std::string buffer(86, '\0');
        std::int32_t length = -1, info = -1;
        const auto x = runtime::receive_expedited_data(t.a.u.engine, t.a.u.c, t.a.id, buffer.data(), 86, &length, &info,
                                                       0, nullptr);
        REQUIRE(x.must_wait);
        t.p.a.cut();
        t.p.settle();
        for (const auto& waiting : {o, x}) {
            REQUIRE(t.a.u.engine.finished(waiting.id, waiting.on));
            runtime::return_code code{};
            CHECK(t.a.u.engine.collect(t.a.u.c, waiting.id, code, waiting.on));
            CHECK(code == runtime::return_code::resource_failure_retry);
        }
        CHECK(t.a.state() == gone);
        CHECK(t.p.a.engine.inbound().reserved_bytes() == 0);
    }

    TEST_CASE("in nonblocking mode it is the conversation's one call") {
        talking t;
        t.accept();
        CHECK(t.b.set(characteristic::processing_mode, 1) == 0);
        std::string buffer(86, '\0');
        std::int32_t length = -1, info = -1;
        CHECK(runtime::receive_expedited_data(t.b.u.engine, t.b.u.c, t.b.id, buffer.data(), 86, &length, &info, 0,
                                              nullptr)
                  .code == runtime::return_code::operation_incomplete);
        CHECK(t.b.send_expedited("x") == 37);
        CHECK(t.b.receive().code == 37);
        CHECK(t.a.send_expedited("go") == 0);
        t.p.settle();
        runtime::engine::collected done;
        REQUIRE(t.p.b.engine.collect_any(t.p.b.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::ok);
        CHECK(buffer.substr(0, static_cast<std::size_t>(length)) == "go");
        CHECK(t.b.send_expedited("x") == 0);
    }
}
