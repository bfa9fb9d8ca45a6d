// Basic conversations: the program builds its logical records, and they arrive as it built them.
#include <doctest/doctest.h>

#include <cstdlib>
#include <random>

#include "tests/support/pair.hpp"

using namespace colloquy;
using colloquy::test::pair;
using colloquy::test::program;
using runtime::characteristic;

namespace {

std::string record(std::string_view data) {
    const std::size_t size = data.size() + 2;
    std::string r{static_cast<char>(size >> 8), static_cast<char>(size & 0xFF)};
    return r.append(data);
}

struct basic {
    pair p;
    program a{p, p.a};
    program b{p, p.b};

    explicit basic(std::int32_t sync = 0) {
        (void)p.b.engine.tps().add("ECHO", 100);
        REQUIRE(a.initialize("NET.B", "ECHO", sync) == 0);
        REQUIRE(a.set(characteristic::conversation_type, 0) == 0);
        REQUIRE(a.allocate() == 0);
    }
    void accept() {
        REQUIRE(a.flush() == 0);
        p.settle();
        REQUIRE(b.accept() == 0);
    }
    program::got receive(std::int32_t length = 32767) {
        p.settle();
        return b.receive(length);
    }
};

void check(const program::got& g, std::int32_t code, std::int32_t data, std::string_view text, std::int32_t status) {
    CHECK(g.code == code);
    CHECK(g.data == data);
    CHECK(g.text == text);
    CHECK(g.status == status);
}

}  // namespace

TEST_SUITE("basic") {
    TEST_CASE("fill LL: records come one at a time, lengths included, however they were sent") {
        basic t;
        CHECK(t.a.send(record("one") + record("two") + record("three").substr(0, 1)) == 0);
        CHECK(t.a.send(record("three").substr(1, 3)) == 0);
        CHECK(t.a.send(record("three").substr(4)) == 0);
        CHECK(t.a.prepare_to_receive() == 0);
        t.p.settle(1);
        REQUIRE(t.b.accept() == 0);
        check(t.receive(), 0, 2, record("one"), 0);
        check(t.receive(), 0, 2, record("two"), 0);
        check(t.receive(), 0, 2, record("three"), 1);
        CHECK(t.b.state() == 5);
    }

    TEST_CASE("fill LL: a record larger than the buffer comes in pieces, its length may be cut in two") {
        basic t;
        CHECK(t.a.send(record("abcdef")) == 0);
        t.accept();
        check(t.receive(0), 0, 3, "", 0);
        check(t.receive(1), 0, 3, record("abcdef").substr(0, 1), 0);
        check(t.receive(4), 0, 3, record("abcdef").substr(1, 4), 0);
        check(t.receive(100), 0, 2, "def", 0);
        CHECK(t.a.send(record("")) == 0);
        CHECK(t.a.flush() == 0);
        check(t.receive(2), 0, 2, record(""), 0);
    }

    TEST_CASE("fill buffer: records do not matter, the buffer is filled or the data ends") {
        basic t;
        CHECK(t.a.send(record("one") + record("two")) == 0);
        t.accept();
        CHECK(t.b.set(characteristic::fill, 1) == 0);
        check(t.receive(7), 0, 1, (record("one") + record("two")).substr(0, 7), 0);
        CHECK(t.b.set(characteristic::receive_type, 1) == 0);
        check(t.receive(0), 0, 1, "", 0);
        check(t.receive(50), 0, 1, "two", 0);
        CHECK(t.receive(50).code == 28);
        CHECK(t.b.set(characteristic::receive_type, 0) == 0);
        CHECK(t.a.send(record("last")) == 0);
        CHECK(t.a.prepare_to_receive() == 0);
        check(t.receive(50), 0, 1, record("last"), 1);
        CHECK(t.b.state() == 5);
    }

    TEST_CASE("fill buffer: a Receive waits for as much as it asked, or for the turn") {
        basic t;
        t.accept();
        CHECK(t.b.set(characteristic::fill, 1) == 0);
        std::string buffer(20, '\0');
        std::int32_t data = -1, length = -1, status = -1, rts = -1;
        CHECK(t.b.set(characteristic::processing_mode, 1) == 0);
        CHECK(t.b.finish(runtime::receive(t.b.u.engine, t.b.u.c, t.b.id,
                                          {buffer.data(), 20, &data, &length, &status, &rts}, nullptr)) == 35);
        CHECK(t.a.send(record("12345678")) == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        CHECK_FALSE(t.p.b.engine.finished(t.b.id));
        CHECK(t.a.send(record("12345678")) == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        CHECK(t.p.b.engine.finished(t.b.id));
        CHECK(data == 1);
        CHECK(length == 20);
        CHECK(status == 0);
        runtime::engine::collected done;
        CHECK(t.p.b.engine.collect_any(t.p.b.c, done) == runtime::engine::collect_result::one);
        CHECK(done.code == runtime::return_code::ok);
    }

    TEST_CASE("fill: a Receive that waits keeps the one it was issued with") {
        basic t;
        t.accept();
        CHECK(t.b.set(characteristic::processing_mode, 1) == 0);
        std::string buffer(20, '\0');
        std::int32_t data = -1, length = -1, status = -1, rts = -1;
        CHECK(t.b.finish(runtime::receive(t.b.u.engine, t.b.u.c, t.b.id,
                                          {buffer.data(), 20, &data, &length, &status, &rts}, nullptr)) == 35);
        CHECK(t.b.set(characteristic::fill, 1) == 0);
        CHECK(t.a.send(record("one") + record("two")) == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        REQUIRE(t.p.b.engine.finished(t.b.id));
        CHECK(data == 2);
        CHECK(length == 5);
        runtime::engine::collected done;
        CHECK(t.p.b.engine.collect_any(t.p.b.c, done) == runtime::engine::collect_result::one);
        CHECK(t.b.set(characteristic::receive_type, 1) == 0);
        check(t.receive(), 0, 1, record("two"), 0);
    }

    TEST_CASE("lengths: one that is none is refused wherever it begins, and nothing is sent") {
        for (const char* bad : {"\x00\x00", "\x00\x01", "\x80\x00", "\x80\x01"}) {
            basic t;
            const std::string wrong(bad, 2);
            CHECK(t.a.send(wrong) == 24);
            CHECK(t.a.send(record("good") + wrong) == 24);
            CHECK(t.a.send(record("good") + wrong.substr(0, 1)) == 0);
            CHECK(t.a.send(wrong.substr(1)) == 24);
            CHECK(t.a.state() == 3);
            CHECK(t.a.send(std::string("\x02") + "") == 0);
            t.accept();
            check(t.receive(), 0, 2, record("good"), 0);
        }
    }

    TEST_CASE("lengths: the continuation bit means nothing to the receiver of a basic conversation") {
        basic t;
        std::string first = record("part");
        first[0] = static_cast<char>(0x80);
        CHECK(t.a.send(first + record("rest")) == 0);
        t.accept();
        check(t.receive(), 0, 2, first, 0);
        check(t.receive(), 0, 2, record("rest"), 0);
    }

    TEST_CASE("unfinished record: the turn, a confirmation and a normal end are refused, Flush and an abend are not") {
        basic t{1};
        t.accept();
        CHECK(t.a.send(record("abc").substr(0, 3)) == 0);
        CHECK(t.a.confirm() == 25);
        CHECK(t.a.prepare_to_receive() == 25);
        CHECK(t.a.deallocate() == 25);
        CHECK(t.a.receive().code == 25);
        CHECK(t.a.state() == 3);
        for (const std::int32_t type : {2, 3, 4}) {
            CHECK(t.a.set(characteristic::send_type, type) == 0);
            CHECK(t.a.send("b") == 25);
        }
        CHECK(t.a.flush() == 0);
        check(t.receive(2), 0, 3, record("abc").substr(0, 2), 0);
        CHECK(t.a.set(characteristic::deallocate_type, 3) == 0);
        CHECK(t.a.send("b") == 0);  // an abnormal end may cut
        check(t.receive(), 0, 3, "ab", 0);
        CHECK(t.receive().code == 17);
        CHECK(t.b.state() == -24);
    }

    TEST_CASE("Send_Error: inside a record 23 after what had come of it, between records 21; log data travels") {
        basic t;
        CHECK(t.a.send(record("whole") + record("cut off").substr(0, 5)) == 0);
        CHECK(t.a.log_data("disk full") == 0);
        t.accept();
        CHECK(t.a.send_error() == 0);
        CHECK(t.a.state() == 3);
        check(t.receive(), 0, 2, record("whole"), 0);
        check(t.receive(), 0, 3, record("cut off").substr(0, 5), 0);
        CHECK(t.receive().code == 23);
        CHECK(t.b.state() == 4);
        REQUIRE(t.p.b.log.size() == 1);
        CHECK(t.p.b.log[0].received);
        CHECK(t.p.b.log[0].text == "disk full");
        REQUIRE(t.p.a.log.size() == 1);
        CHECK_FALSE(t.p.a.log[0].received);
        CHECK(t.a.send(record("next")) == 0);  // a new record begins after the error
        CHECK(t.a.send_error() == 0);          // and the log data was used up
        check(t.receive(), 0, 2, record("next"), 0);
        CHECK(t.receive().code == 21);
        CHECK(t.p.b.log.size() == 1);
        CHECK(t.a.deallocate() == 0);
        CHECK(t.receive().code == 18);
    }

    TEST_CASE("fill buffer: what came before a cut is told as data, then the cut") {
        basic t;
        t.accept();
        CHECK(t.b.set(characteristic::fill, 1) == 0);
        CHECK(t.a.send(record("cut off").substr(0, 5)) == 0);
        CHECK(t.a.send_error() == 0);
        check(t.receive(100), 0, 1, record("cut off").substr(0, 5), 0);
        CHECK(t.receive(100).code == 23);
    }

    TEST_CASE("Send_Error by the receiver purges, and records begin anew at both ends") {
        basic t;
        CHECK(t.a.send(record("abcdef").substr(0, 4)) == 0);
        t.accept();
        check(t.receive(3), 0, 3, record("abcdef").substr(0, 3), 0);
        CHECK(t.b.log_data("no") == 0);
        CHECK(t.b.send_error() == 0);
        CHECK(t.b.state() == 3);
        t.p.settle();
        CHECK(t.a.send("ef") == 22);
        CHECK(t.a.state() == 4);
        REQUIRE(t.p.a.log.size() == 1);
        CHECK(t.p.a.log[0].text == "no");
        CHECK(t.b.send(record("answer")) == 0);
        CHECK(t.b.deallocate() == 0);
        t.p.settle();
        const auto g = t.a.receive();
        CHECK(g.text == record("answer"));
        CHECK(g.code == 18);
    }

    TEST_CASE("characteristics: what belongs to basic conversations only") {
        pair p;
        program a{p, p.a};
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        CHECK(a.set(characteristic::fill, 1) == 24);
        CHECK(a.log_data("x") == 24);
        CHECK(a.set(characteristic::conversation_type, 0) == 0);
        CHECK(a.set(characteristic::fill, 1) == 0);
        CHECK(a.set(characteristic::conversation_type, 1) == 24);
        CHECK(a.set(characteristic::fill, 0) == 0);
        CHECK(a.log_data(std::string(513, 'x')) == 24);
        CHECK(a.log_data(std::string(512, 'x')) == 0);
        CHECK(a.set(characteristic::conversation_type, 1) == 24);
        CHECK(a.log_data("") == 0);
        CHECK(a.set(characteristic::conversation_type, 1) == 0);
    }

    TEST_CASE("streams: random records in random pieces arrive whole in either way of filling") {
        const char* given = std::getenv("COLLOQUY_SEED");
        const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : 20'231;
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        const auto upto = [&](std::size_t most) { return static_cast<std::size_t>(random() % (most + 1)); };
        for (int round = 0; round < 40; ++round) {
            basic t;
            t.accept();
            std::string stream;
            for (int i = 0; i < 20; ++i) {
                std::string body(upto(i % 5 == 0 ? 32'765 : 300), '\0');
                for (char& ch : body) ch = static_cast<char>(random());
                stream += record(body);
            }
            const bool whole_buffers = (round & 1) != 0;
            CHECK(t.b.set(characteristic::fill, whole_buffers ? 1 : 0) == 0);
            CHECK(t.b.set(characteristic::receive_type, 1) == 0);
            std::string heard;
            std::size_t sent = 0;
            CHECK(t.a.set(characteristic::processing_mode, 1) == 0);
            bool waits = false, ending = false, ended = false;
            while (!ended) {
                runtime::engine::collected done;
                if (waits) waits = t.p.a.engine.collect_any(t.p.a.c, done) != runtime::engine::collect_result::one;
                if (!waits && !ending) {
                    ending = sent == stream.size();
                    const std::size_t n = std::min(upto(3'000), stream.size() - sent);
                    const std::int32_t code =
                        ending ? t.a.deallocate() : t.a.send(std::string_view{stream}.substr(sent, n));
                    REQUIRE((code == 0 || code == 35));
                    waits = code == 35;
                    sent += n;
                }
                const auto g = t.receive(static_cast<std::int32_t>(upto(5'000)));
                REQUIRE((g.code == 0 || g.code == 28 || g.code == 18));
                heard += g.text;
                ended = g.code == 18;
            }
            CHECK(heard == stream);
        }
    }
}
