// Full-duplex conversations, expedited data and Accept_Incoming as programs use them: a thread for each direction.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "tests/api/program.hpp"

using namespace colloquy::test;

namespace {

constexpr CM_INT32 reset_state = -CM_PROGRAM_PARAMETER_CHECK;

std::string record(unsigned n) {
    return std::string(n % 97 * 11 % 700, static_cast<char>('a' + n % 26)) + std::to_string(n);
}

CM_INT32 send_expedited(const talk& t, std::string_view text) {
    const auto length = static_cast<CM_INT32>(text.size());
    CM_INT32 info = -1, rc = -1;
    cmsndx(t.id.data(), text.data(), &length, &info, &rc);
    return rc;
}
received receive_expedited(const talk& t, CM_INT32 type = CM_RECEIVE_AND_WAIT) {
    received r;
    r.text.resize(86);
    const CM_INT32 most = 86;
    cmrcvx(t.id.data(), r.text.data(), &most, &r.length, &r.rts, &type, &r.code);
    r.text.resize(r.code == CM_OK ? static_cast<std::size_t>(r.length) : 0);
    return r;
}

// A full-duplex conversation within the process, accepted.
void open_duplex(talk& a, talk& b) {
    a.prepare("inproc/TP");
    REQUIRE(a.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
    REQUIRE(a.allocate() == CM_OK);
    REQUIRE(a.flush() == CM_OK);
    collector all;
    b.accept(all);
}
// Sends `count` records and ends this direction.
void say_all(talk t, unsigned count) {
    bool good = true;
    for (unsigned i = 0; i < count; ++i)
        good = good && t.send(record(i), i % 7 == 0 ? CM_SEND_AND_FLUSH : CM_BUFFER_DATA) == CM_OK;
    CHECK(good);
    CHECK(t.deallocate() == CM_OK);
}
// Receives them, and the end.
void hear_all(const talk& t, unsigned count) {
    bool good = true;
    for (unsigned i = 0; i < count; ++i) {
        const received r = t.receive();
        good = good && (r.code == CM_OK || (r.code == CM_DEALLOCATED_NORMAL && i + 1 == count)) && r.text == record(i);
        if (r.code == CM_DEALLOCATED_NORMAL) {
            CHECK(i + 1 == count);
            CHECK(good);
            return;
        }
    }
    CHECK(good);
    CHECK(t.receive().code == CM_DEALLOCATED_NORMAL);
}

void both_ways(const std::string& where, unsigned count) {
    talk a;
    a.prepare(where);
    REQUIRE(a.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
    REQUIRE(a.allocate() == CM_OK);
    CHECK(a.state() == CM_SEND_RECEIVE_STATE);
    REQUIRE(a.flush() == CM_OK);
    talk b;
    collector all;
    b.accept(all);
    CM_INT32 mode = -1;
    CHECK(b.call(cmesrm, &mode) == CM_OK);
    CHECK(mode == CM_FULL_DUPLEX);
    std::thread threads[] = {std::thread{[&] { say_all(a, count); }}, std::thread{[&] { hear_all(a, count); }},
                             std::thread{[&] { say_all(b, count); }}, std::thread{[&] { hear_all(b, count); }}};
    for (std::thread& t : threads) t.join();
    CHECK(a.state() == reset_state);
    CHECK(b.state() == reset_state);
}

}  // namespace

TEST_SUITE("duplex") {
    TEST_CASE("four threads, two directions, in process") {
        const running_unit unit;
        serve_tp("TP");
        both_ways("inproc/TP", 2'000);
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("four threads, two directions, over TCP, by the callers and by a reactor") {
        for (const unsigned reactors : {0U, 1U}) {
            clq_options o = listening_options();
            o.reactors = reactors;
            const running_unit unit{o};
            serve_tp("TP");
            both_ways(running_unit::address() + "/TP", 2'000);
            CHECK(running_unit::conversations_open() == 0);
        }
    }
    TEST_CASE(
        "who waits in Receive and in Receive_Expedited_Data hears of an abend by another thread, and of a Cancel") {
        for (const bool cancel : {false, true}) {
            const running_unit unit;
            serve_tp("TP");
            talk a, b;
            open_duplex(a, b);
            // Whether they wait already or come too late for that.
            const auto over = [](CM_INT32 code) {
                return code == CM_DEALLOCATED_ABEND || code == CM_PROGRAM_PARAMETER_CHECK;
            };
            std::thread hears{[&] { CHECK(over(a.receive().code)); }};
            std::thread hears_expedited{[&] { CHECK(over(receive_expedited(a).code)); }};
            if (cancel)
                CHECK(a.cancel() == CM_OK);
            else
                CHECK(a.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
            hears.join();
            hears_expedited.join();
            CHECK(a.state() == reset_state);
            CHECK(b.receive().code == (cancel ? CM_DEALLOCATED_ABEND_SVC : CM_DEALLOCATED_ABEND));
            CHECK(running_unit::conversations_open() == 0);
        }
    }
    TEST_CASE("the thread that sends sets its characteristics while the other one is in Receive") {
        constexpr unsigned count = 5'000;
        const running_unit unit;
        serve_tp("TP");
        talk a, b;
        open_duplex(a, b);
        std::atomic<bool> heard = false;
        std::thread hears{[&] {
            hear_all(a, count);
            heard = true;
        }};
        std::thread says{[&] { say_all(b, count); }};
        bool set = true;
        while (!heard) set = set && a.set(cmsst, CM_BUFFER_DATA) == CM_OK;
        CHECK(set);
        hears.join();
        says.join();
        CHECK(a.deallocate() == CM_OK);
        CHECK(b.receive().code == CM_DEALLOCATED_NORMAL);
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("expedited data both ways beside a stream of data on a half-duplex conversation") {
        constexpr unsigned count = 300;
        const running_unit unit{listening_options()};
        serve_tp("TP");
        talk a;
        a.begin(running_unit::address() + "/TP");
        REQUIRE(a.flush() == CM_OK);
        talk b;
        collector all;
        b.accept(all);
        const auto urgent = [](const talk& from, const talk& to) {
            std::thread says{[&] {
                for (unsigned i = 0; i < count; ++i) CHECK(send_expedited(from, std::to_string(i)) == CM_OK);
            }};
            for (unsigned i = 0; i < count; ++i) CHECK(receive_expedited(to).text == std::to_string(i));
            says.join();
        };
        std::thread data{[&] {
            for (unsigned i = 0; i < count; ++i) CHECK(a.send(record(i), CM_SEND_AND_FLUSH) == CM_OK);
        }};
        std::thread reads{[&] {
            for (unsigned i = 0; i < count; ++i) CHECK(b.receive().text == record(i));
        }};
        std::thread one{[&] { urgent(a, b); }};
        std::thread other{[&] { urgent(b, a); }};
        data.join();
        reads.join();
        one.join();
        other.join();
        CHECK(a.deallocate() == CM_OK);
        CHECK(b.receive().code == CM_DEALLOCATED_NORMAL);
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("Accept_Incoming races with the attaches it is for: every conversation arrives whole, once") {
        constexpr unsigned clients = 4, each = 60;
        clq_options o = listening_options();
        o.reactors = 1;
        const running_unit unit{o};
        serve_tp("TP");
        const std::string where = running_unit::address() + "/TP";
        std::vector<std::thread> threads;
        for (unsigned c = 0; c < clients; ++c)
            threads.emplace_back([&, c] {
                for (unsigned i = 0; i < each; ++i) {
                    talk t;
                    t.begin(where);
                    CHECK(t.send("first", CM_SEND_AND_FLUSH) == CM_OK);
                    CHECK(t.send(record(c * each + i), CM_SEND_AND_FLUSH) == CM_OK);
                    CHECK(t.deallocate() == CM_OK);
                }
            });
        std::vector<std::atomic<unsigned>> seen(clients * each);
        std::atomic<unsigned> left{clients * each};
        for (unsigned s = 0; s < 2; ++s)
            threads.emplace_back([&] {
                for (;;) {
                    unsigned before = left.load();
                    while (before != 0 && !left.compare_exchange_weak(before, before - 1)) {
                    }
                    if (before == 0) return;
                    talk t;
                    CM_INT32 rc = -1;
                    cminic(t.id.data(), &rc);
                    REQUIRE(rc == CM_OK);
                    REQUIRE(t.call(cmacci) == CM_OK);
                    CHECK(t.state() == CM_RECEIVE_STATE);
                    CHECK(t.receive().text == "first");
                    const received r = t.receive();
                    for (unsigned i = 0; i < clients * each; ++i)
                        if (record(i) == r.text) ++seen[i];
                    if (r.code == CM_OK) CHECK(t.receive().code == CM_DEALLOCATED_NORMAL);
                }
            });
        for (std::thread& t : threads) t.join();
        for (const auto& n : seen) CHECK(n == 1);
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("Accept_Incoming: 25 when nobody came in the time the configuration gives, and again later") {
        const scratch_configuration file{"[timeouts]\naccept_wait_ms = 20\n"};
        const running_unit unit{file.options()};
        talk t;
        CM_INT32 rc = -1;
        cminic(t.id.data(), &rc);
        REQUIRE(rc == CM_OK);
        CHECK(t.call(cmacci) == CM_PROGRAM_STATE_CHECK);  // no name is served
        serve_tp("TP");
        CHECK(t.call(cmacci) == CM_PROGRAM_STATE_CHECK);  // nobody came
        CHECK(t.state() == CM_INITIALIZE_INCOMING_STATE);
        talk a;
        a.begin("inproc/TP");
        REQUIRE(a.flush() == CM_OK);
        CHECK(t.call(cmacci) == CM_OK);
        CHECK(t.state() == CM_RECEIVE_STATE);
        CHECK(a.deallocate() == CM_OK);
        CHECK(t.receive().code == CM_DEALLOCATED_NORMAL);
    }
}
