// What is sent is what is received: records of every size, whole and in pieces, the rules of a length of 0, the
// request-to-send note, Send_Error from each state, unknown TPs and others that answer a later call.
#include <doctest/doctest.h>

#include <functional>
#include <thread>
#include <vector>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

// Over TCP to ourselves, or within the process.
struct line {
    running_unit unit;
    collector all;
    std::string where;
    talk a, b;

    explicit line(bool tcp, CM_INT32 sync_level = CM_NONE)
        : unit{tcp ? listening_options() : clq_options{}}, where{tcp ? running_unit::address() : "inproc"} {
        serve_tp("TP");
        begin(sync_level);
    }
    void begin(CM_INT32 sync_level = CM_NONE) {
        a.begin(where + "/TP", sync_level);
        REQUIRE(a.flush() == CM_OK);
        b.accept(all);
        for (talk* t : {&a, &b}) REQUIRE(t->set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
    }
};

std::string pattern(std::size_t size, unsigned seed) {
    std::string s(size, '\0');
    for (std::size_t i = 0; i < size; ++i) s[i] = static_cast<char>((i * 131 + seed * 17 + i / 251) & 0xFF);
    return s;
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("records: every size arrives whole") {
        for (const bool tcp : {false, true}) {
            CAPTURE(tcp);
            line l{tcp};
            // A program that sends more than the partner has room for waits for it, so the partner is a thread of its
            // own.
            const std::vector<std::size_t> sizes{0,     1,     2,     4091,  4092,  4096,  8191,  16383,
                                                 32759, 32760, 32761, 32762, 32763, 32764, 32765, 32766,
                                                 32767, 0,     1,     32767, 0,     0,     32763};
            std::thread sender{[&] {
                for (std::size_t i = 0; i < sizes.size(); ++i)
                    CHECK(l.a.send(pattern(sizes[i], static_cast<unsigned>(i)),
                                   i % 3 == 0 ? CM_SEND_AND_FLUSH : CM_BUFFER_DATA) == CM_OK);
                CHECK(l.a.deallocate() == CM_OK);
            }};
            for (std::size_t i = 0; i < sizes.size(); ++i) {
                CAPTURE(sizes[i]);
                const received r = l.b.receive();
                CHECK((r.code == CM_OK || (r.code == CM_DEALLOCATED_NORMAL && i + 1 == sizes.size())));
                CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
                CHECK(r.length == static_cast<CM_INT32>(sizes[i]));
                CHECK((r.text == pattern(sizes[i], static_cast<unsigned>(i))));
            }
            if (l.b.state() > 0) CHECK(l.b.receive().code == CM_DEALLOCATED_NORMAL);
            sender.join();
            CHECK(running_unit::conversations_open() == 0);
        }
    }

    TEST_CASE("records: a record is received in pieces, and its status comes with the last") {
        for (const bool tcp : {false, true}) {
            line l{tcp};
            const std::string whole = pattern(20'000, 1);
            for (const CM_INT32 piece : {1'000, 4'092, 4'096, 6'667, 19'999, 20'000, 20'001, 32'767}) {
                CAPTURE(piece);
                std::thread sender{[&] { CHECK(l.a.send(whole, CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK); }};
                std::string got;
                received r;
                do {
                    r = l.b.receive(piece);
                    CHECK(r.code == CM_OK);
                    got += r.text;
                    if (r.data == CM_INCOMPLETE_DATA_RECEIVED) {
                        CHECK(r.status == CM_NO_STATUS_RECEIVED);
                        CHECK(r.length == piece);
                    }
                } while (r.code == CM_OK && r.data == CM_INCOMPLETE_DATA_RECEIVED);
                sender.join();
                CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
                CHECK((got == whole));
                if (r.status == CM_NO_STATUS_RECEIVED) {
                    r = l.b.receive();
                    CHECK(r.data == CM_NO_DATA_RECEIVED);
                }
                CHECK(r.status == CM_SEND_RECEIVED);
                // And the turn goes back.
                CHECK(l.b.prepare_to_receive() == CM_OK);
                CHECK(l.a.receive().status == CM_SEND_RECEIVED);
            }
        }
    }

    TEST_CASE("records: a requested length of 0 tells what is there and takes nothing but a null record") {
        line l{false};
        CHECK(l.a.send("data") == CM_OK);
        CHECK(l.a.send("") == CM_OK);
        CHECK(l.a.send("more", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        for (int i = 0; i < 3; ++i) {
            const received r = l.b.receive(0);
            CHECK(r.code == CM_OK);
            CHECK(r.data == CM_INCOMPLETE_DATA_RECEIVED);
            CHECK(r.length == 0);
            CHECK(r.status == CM_NO_STATUS_RECEIVED);
        }
        received r = l.b.receive(2);
        CHECK(r.text == "da");
        CHECK(r.data == CM_INCOMPLETE_DATA_RECEIVED);
        CHECK(l.b.receive(0).data == CM_INCOMPLETE_DATA_RECEIVED);
        CHECK(l.b.receive(2).text == "ta");
        r = l.b.receive(0);
        CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);  // the null record, and it is consumed
        CHECK(r.length == 0);
        r = l.b.receive(0);
        CHECK(r.data == CM_INCOMPLETE_DATA_RECEIVED);
        r = l.b.receive();
        CHECK(r.text == "more");
        if (r.status == CM_NO_STATUS_RECEIVED) r = l.b.receive(0);
        CHECK(r.status == CM_SEND_RECEIVED);
        // Status alone with a length of 0.
        CHECK(l.b.prepare_to_receive() == CM_OK);
        r = l.a.receive(0);
        CHECK(r.code == CM_OK);
        CHECK(r.data == CM_NO_DATA_RECEIVED);
        CHECK(r.status == CM_SEND_RECEIVED);
        CHECK(l.a.state() == CM_SEND_STATE);
        // Data or status, never both: a null record and the turn.
        CHECK(l.a.send("", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        r = l.b.receive(0);
        CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
        CHECK(r.status == CM_NO_STATUS_RECEIVED);
        r = l.b.receive(0);
        CHECK(r.data == CM_NO_DATA_RECEIVED);
        CHECK(r.status == CM_SEND_RECEIVED);
    }

    TEST_CASE("records: Receive IMMEDIATE has what is there and otherwise 28") {
        line l{false};
        CHECK(l.b.receive_now().code == CM_UNSUCCESSFUL);
        CHECK(l.a.send("now", CM_SEND_AND_FLUSH) == CM_OK);
        received r;
        do r = l.b.receive_now();
        while (r.code == CM_UNSUCCESSFUL);
        CHECK(r.text == "now");
        CHECK(l.b.receive_now().code == CM_UNSUCCESSFUL);
        CHECK(l.b.state() == CM_RECEIVE_STATE);
        CHECK(l.a.send("last") == CM_OK);
        CHECK(l.a.deallocate() == CM_OK);
        do r = l.b.receive_now();
        while (r.code == CM_UNSUCCESSFUL);
        CHECK(r.text == "last");
        while (r.code == CM_OK || r.code == CM_UNSUCCESSFUL) r = l.b.receive_now();
        CHECK(r.code == CM_DEALLOCATED_NORMAL);
    }

    TEST_CASE("records: the request-to-send note is told once, by the first call that can") {
        line l{false, CM_CONFIRM};
        using reporter = std::function<CM_INT32(line&)>;
        const std::vector<reporter> reporters{
            [](line& x) {
                CHECK(x.a.send("data") == CM_OK);
                return x.a.rts;
            },
            [](line& x) {
                CHECK(x.a.test_request_to_send() == CM_OK);
                return x.a.rts;
            },
            [](line& x) {
                std::thread partner{[&x] {
                    received r;
                    do r = x.b.receive();
                    while (r.code == CM_OK && r.status != CM_CONFIRM_RECEIVED);
                    CHECK(x.b.confirmed() == CM_OK);
                }};
                CHECK(x.a.confirm() == CM_OK);
                partner.join();
                return x.a.rts;
            },
        };
        for (std::size_t i = 0; i < reporters.size(); ++i) {
            CAPTURE(i);
            CHECK(reporters[i](l) == CM_REQ_TO_SEND_NOT_RECEIVED);
            // Twice is once: at most one note is kept.
            CHECK(l.b.request_to_send() == CM_OK);
            CHECK(l.b.request_to_send() == CM_OK);
            // b's answer to a confirmation comes behind its note.
            if (i != 2) {
                do REQUIRE(l.a.test_request_to_send() == CM_OK);
                while (l.a.rts == CM_REQ_TO_SEND_NOT_RECEIVED);
                CHECK(l.a.test_request_to_send() == CM_OK);
                // The second may have come after the first was taken.
                CHECK(l.b.request_to_send() == CM_OK);
                std::thread partner{[&] {
                    received r;
                    do r = l.b.receive();
                    while (r.code == CM_OK && r.status != CM_CONFIRM_RECEIVED);
                    CHECK(l.b.confirmed() == CM_OK);
                }};
                REQUIRE(l.a.set(cmsst, CM_SEND_AND_CONFIRM) == CM_OK);
                CHECK(l.a.send("and confirm") == CM_OK);
                CHECK(l.a.rts == CM_REQ_TO_SEND_RECEIVED);
                REQUIRE(l.a.set(cmsst, CM_BUFFER_DATA) == CM_OK);
                partner.join();
            } else {
                CHECK(reporters[i](l) == CM_REQ_TO_SEND_RECEIVED);
            }
            CHECK(reporters[i](l) == CM_REQ_TO_SEND_NOT_RECEIVED);
        }
        // A Receive tells it, too, and a note alone does not end one.
        CHECK(l.a.prepare_to_receive() == CM_OK);
        received r;
        do r = l.b.receive();
        while (r.code == CM_OK && r.status != CM_SEND_RECEIVED);
        CHECK(l.a.request_to_send() == CM_OK);
        CHECK(l.b.request_to_send() == CM_OK);
        CHECK(l.b.send("end", CM_SEND_AND_FLUSH) == CM_OK);
        r = l.a.receive();
        CHECK(r.text == "end");
        CHECK(r.rts == CM_REQ_TO_SEND_RECEIVED);
    }

    TEST_CASE("records: Send_Error from each state, and what the partner hears") {
        line l{false, CM_CONFIRM};
        const auto again = [&] {
            (void)l.a.cancel();
            (void)l.b.cancel();
            l.begin(CM_CONFIRM);
        };
        // SEND: what was buffered goes first, then 21.
        CHECK(l.a.send("first") == CM_OK);
        CHECK(l.a.send_error() == CM_OK);
        CHECK(l.a.state() == CM_SEND_STATE);
        CHECK(l.b.receive().text == "first");
        CHECK(l.b.receive().code == CM_PROGRAM_ERROR_NO_TRUNC);
        CHECK(l.b.state() == CM_RECEIVE_STATE);
        CHECK(l.a.send("second", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(l.b.receive().text == "second");

        // RECEIVE: what the partner has sent is purged, it hears 22.
        again();
        CHECK(l.a.send("lost", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(l.b.send_error() == CM_OK);
        CHECK(l.b.state() == CM_SEND_STATE);
        CHECK(l.b.send("reason", CM_SEND_AND_FLUSH) == CM_OK);
        received r = l.a.receive();
        CHECK(r.code == CM_PROGRAM_ERROR_PURGING);
        CHECK(l.a.receive().text == "reason");

        // SEND_PENDING: by error_direction.
        for (const CM_INT32 direction : {CM_RECEIVE_ERROR, CM_SEND_ERROR}) {
            again();
            CHECK(l.a.send("and you", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
            l.b.hear("and you", CM_SEND_RECEIVED);
            CHECK(l.b.state() == CM_SEND_PENDING_STATE);
            CHECK(l.b.set(cmsed, direction) == CM_OK);
            CHECK(l.b.send_error() == CM_OK);
            CHECK(l.b.state() == CM_SEND_STATE);
            CHECK(l.a.receive().code ==
                  (direction == CM_RECEIVE_ERROR ? CM_PROGRAM_ERROR_PURGING : CM_PROGRAM_ERROR_NO_TRUNC));
            CHECK(l.b.send("on", CM_SEND_AND_FLUSH) == CM_OK);
            CHECK(l.a.receive().text == "on");
        }

        // CONFIRM, CONFIRM_SEND, CONFIRM_DEALLOCATE: the confirmation is refused, the conversation goes on.
        for (const CM_INT32 state : {CM_CONFIRM_STATE, CM_CONFIRM_SEND_STATE, CM_CONFIRM_DEALLOCATE_STATE}) {
            CAPTURE(state);
            again();
            CM_INT32 told = -1;
            REQUIRE(l.a.set(cmsptr, CM_PREP_TO_RECEIVE_CONFIRM) == CM_OK);
            std::thread asks{[&] {
                told = state == CM_CONFIRM_STATE        ? l.a.confirm()
                       : state == CM_CONFIRM_SEND_STATE ? l.a.prepare_to_receive()
                                                        : l.a.deallocate();
            }};
            CHECK(l.b.receive().code == CM_OK);
            CHECK(l.b.state() == state);
            CHECK(l.b.send_error() == CM_OK);
            CHECK(l.b.state() == CM_SEND_STATE);
            asks.join();
            CHECK(told == CM_PROGRAM_ERROR_PURGING);
            CHECK(l.a.state() == CM_RECEIVE_STATE);
            CHECK(l.b.send("still here", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
            l.a.hear("still here", CM_SEND_RECEIVED);
            CHECK(l.a.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
            CHECK(l.b.receive().code == CM_DEALLOCATED_NORMAL);
        }

        // Both at once: the side that receives wins.
        again();
        CHECK(l.b.send_error() == CM_OK);
        CHECK(l.b.flush() == CM_OK);
        CM_INT32 code = l.a.send_error();
        if (code == CM_OK) code = l.a.receive().code;  // it had not heard yet
        CHECK(code == CM_PROGRAM_ERROR_PURGING);
        CHECK(l.a.state() == CM_RECEIVE_STATE);
        CHECK(l.b.send("mine", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(l.a.receive().text == "mine");
    }

    TEST_CASE("records: an unknown program is 9, and what else the partner refuses, on a later call") {
        for (const bool tcp : {false, true}) {
            line l{tcp};
            talk t;
            t.begin(l.where + "/NOBODY");
            CHECK(t.receive().code == CM_TPN_NOT_RECOGNIZED);
            CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);
            t.begin(l.where + "/NOBODY", CM_CONFIRM);
            CHECK(t.confirm() == CM_TPN_NOT_RECOGNIZED);
            t.begin(l.where + "/NOBODY");
            CHECK(t.flush() == CM_OK);
            CM_INT32 code = CM_OK;
            while (code == CM_OK) code = t.send("?", CM_SEND_AND_FLUSH);
            CHECK(code == CM_TPN_NOT_RECOGNIZED);
            // Deallocate FLUSH does not wait to hear it.
            t.begin(l.where + "/NOBODY");
            CHECK(t.deallocate() == CM_OK);
            t.begin(l.where + "/NOBODY", CM_CONFIRM);
            CHECK(t.deallocate() == CM_TPN_NOT_RECOGNIZED);

            // Nobody's password is right here.
            REQUIRE(t.init() == CM_OK);
            REQUIRE(t.destination(l.where + "/TP") == CM_OK);
            REQUIRE(t.set(cmscst, XC_SECURITY_PROGRAM) == CM_OK);
            const CM_INT32 six = 6;
            REQUIRE(t.call(cmscsu, static_cast<const void*>("userid"), &six) == CM_OK);
            REQUIRE(t.call(cmscsp, static_cast<const void*>("secret"), &six) == CM_OK);
            CHECK(t.allocate() == CM_OK);
            CHECK(t.receive().code == CM_SECURITY_NOT_VALID);

            // A released name is not served any more.
            CM_INT32 rc = -1;
            const CM_INT32 two = 2;
            cmrltp("TP", &two, &rc);
            CHECK(rc == CM_OK);
            t.begin(l.where + "/TP");
            CHECK(t.receive().code == CM_TPN_NOT_RECOGNIZED);
            // The conversation that lives is not touched.
            CHECK(l.a.send("alive", CM_SEND_AND_FLUSH) == CM_OK);
            CHECK(l.b.receive().text == "alive");
        }
    }

    TEST_CASE("records: names as both ends tell them") {
        const running_unit unit{listening_options()};
        serve_tp("TELLER");
        collector all;
        talk a, b;
        a.begin(running_unit::address() + "/TELLER");
        CHECK(a.flush() == CM_OK);
        b.accept(all);
        std::array<char, 64> text{};
        for (const talk* t : {&a, &b}) {
            CM_INT32 n = -1;
            CHECK(t->call(cmetpn, static_cast<void*>(text.data()), &n) == CM_OK);
            CHECK(std::string_view{text.data(), static_cast<std::size_t>(n)} == "TELLER");
        }
        CM_INT32 n = -1;
        CHECK(b.call(cmepln, static_cast<void*>(text.data()), &n) == CM_OK);
        CHECK(std::string_view{text.data(), static_cast<std::size_t>(n)} == "COLLOQUY.LOCAL");
    }
}
