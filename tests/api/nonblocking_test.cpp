// Non-blocking calls: what is allowed beside an operation that is outstanding, how completions are collected and by
// whom, cancelling, several Accepts, the request-to-send note.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <vector>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

// A conversation whose ends are both here: `a` allocated it and sends, `b` accepted it and receives.
struct couple {
    collector all;
    talk a, b;

    explicit couple(CM_INT32 sync_level = CM_NONE) {
        serve_tp("TP");
        begin(sync_level);
    }
    void begin(CM_INT32 sync_level = CM_NONE) {
        a.begin("inproc/TP", sync_level);
        REQUIRE(a.flush() == CM_OK);
        b.accept(all);
    }
};

std::vector<std::pair<std::string, CM_INT32>> calls_refused_while_busy(talk& t) {
    std::vector<std::pair<std::string, CM_INT32>> codes;
    codes.emplace_back("cmallc", t.allocate());
    codes.emplace_back("cmsend", t.send("x"));
    codes.emplace_back("cmrcv", t.receive().code);
    codes.emplace_back("cmcfm", t.confirm());
    codes.emplace_back("cmcfmd", t.confirmed());
    codes.emplace_back("cmflus", t.flush());
    codes.emplace_back("cmptr", t.prepare_to_receive());
    codes.emplace_back("clq_set_destination", t.destination("inproc/TP"));
    return codes;
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("non-blocking: a pending Receive, what is allowed beside it and what is not") {
        const running_unit unit;
        couple c{CM_CONFIRM};
        REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        pending_receive got;
        REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
        CHECK(check_any().code == CM_UNSUCCESSFUL);
        for (const auto& refused : calls_refused_while_busy(c.b)) {
            const auto& name = refused.first;
            const auto code = refused.second;
            CAPTURE(name);
            CHECK(code == CM_OPERATION_NOT_ACCEPTED);
        }
        CHECK(c.b.set(cmspm, CM_BLOCKING) == CM_PROGRAM_STATE_CHECK);
        CHECK(c.b.set(cmssl, CM_NONE) == CM_PROGRAM_STATE_CHECK);
        const CM_INT32 two = 2;
        CHECK(c.b.call(cmspln, static_cast<const void*>("LU"), &two) == CM_PROGRAM_STATE_CHECK);
        CHECK(c.b.set(cmsdt, CM_DEALLOCATE_FLUSH) == CM_OK);
        CHECK(c.b.set(cmsed, CM_SEND_ERROR) == CM_OK);
        CHECK(c.b.deallocate() == CM_PROGRAM_STATE_CHECK);
        CHECK(c.b.state() == CM_RECEIVE_STATE);
        CM_INT32 n = -1;
        CHECK(c.b.call(cmesl, &n) == CM_OK);
        CHECK(n == CM_CONFIRM);
        std::array<char, 64> text{};
        CHECK(c.b.call(cmetpn, static_cast<void*>(text.data()), &n) == CM_OK);
        CHECK(n == 2);
        CHECK(c.b.test_request_to_send() == CM_OK);
        CHECK(c.b.request_to_send() == CM_OK);
        // The Receive has seen nothing of all this and brings what comes.
        CHECK(c.a.send("news", CM_SEND_AND_FLUSH) == CM_OK);
        bool noted = c.a.rts == CM_REQ_TO_SEND_RECEIVED;
        CHECK(c.all.wait_for(c.b.id) == CM_OK);
        CHECK(got.text() == "news");
        CHECK(got.r.data == CM_COMPLETE_DATA_RECEIVED);
        // The request to send that was made beside it has come across.
        while (!noted) {
            REQUIRE(c.a.test_request_to_send() == CM_OK);
            noted = c.a.rts == CM_REQ_TO_SEND_RECEIVED;
        }
        CHECK(c.a.test_request_to_send() == CM_OK);
        CHECK(c.a.rts == CM_REQ_TO_SEND_NOT_RECEIVED);
    }

    TEST_CASE("non-blocking: Send_Error beside a Receive ends it with 28") {
        const running_unit unit;
        couple c;
        REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        pending_receive got;
        REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
        CHECK(c.b.send_error() == CM_OK);
        CHECK(c.all.wait_for(c.b.id) == CM_UNSUCCESSFUL);
        CHECK(got.r.data == CM_NO_DATA_RECEIVED);
        CHECK(c.b.state() == CM_SEND_STATE);
        CHECK(c.a.receive().code == CM_PROGRAM_ERROR_PURGING);
        CHECK(c.a.state() == CM_RECEIVE_STATE);
        // Both ends are in step again.
        CHECK(c.b.send("why", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(c.a.receive().text == "why");
    }

    TEST_CASE("non-blocking: Deallocate ABEND beside a Receive ends both") {
        const running_unit unit;
        couple c;
        REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        pending_receive got;
        REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
        CHECK(c.b.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        CHECK(c.all.wait_for(c.b.id) == CM_DEALLOCATED_ABEND);
        CHECK(c.b.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(c.a.receive().code == CM_DEALLOCATED_ABEND);
    }

    TEST_CASE("non-blocking: a result that nobody has collected keeps the conversation busy") {
        const running_unit unit;
        couple c;
        REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        pending_receive got;
        REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
        CHECK(c.a.send("done", CM_SEND_AND_FLUSH) == CM_OK);
        completion seen;
        do seen = check_any();
        while (seen.code == CM_UNSUCCESSFUL);
        CHECK(seen.code == CM_OK);
        CHECK(seen.id == c.b.id);
        for (int i = 0; i < 3; ++i) {
            // Looking collects nothing.
            CHECK(check_any().id == c.b.id);
            for (const auto& refused : calls_refused_while_busy(c.b)) {
                const auto& name = refused.first;
                const auto code = refused.second;
                CAPTURE(name);
                CHECK(code == CM_OPERATION_NOT_ACCEPTED);
            }
            CHECK(c.b.deallocate() == CM_OPERATION_NOT_ACCEPTED);
            CHECK(c.b.send_error() == CM_OPERATION_NOT_ACCEPTED);
            CHECK(c.b.set(cmspm, CM_BLOCKING) == CM_PROGRAM_STATE_CHECK);
            CHECK(c.b.state() == CM_RECEIVE_STATE);
        }
        const completion taken = wait_any();
        CHECK(taken.code == CM_OK);
        CHECK(taken.id == c.b.id);
        CHECK(taken.result == CM_OK);
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(c.b.set(cmspm, CM_BLOCKING) == CM_OK);
    }

    TEST_CASE("non-blocking: a result that is cancelled before it is collected is gone") {
        const running_unit unit;
        couple c;
        REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        pending_receive got;
        REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
        CHECK(c.a.send("done", CM_SEND_AND_FLUSH) == CM_OK);
        while (check_any().code == CM_UNSUCCESSFUL) {
        }
        CHECK(c.b.cancel() == CM_OK);
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(c.a.receive().code == CM_DEALLOCATED_ABEND_SVC);
        // The place in the queue that it had serves the next conversation in its slot.
        for (int i = 0; i < 20; ++i) {
            c.begin();
            REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
            CHECK(c.a.send("again", CM_SEND_AND_FLUSH) == CM_OK);
            if (i % 2 == 0) {
                while (check_any().code == CM_UNSUCCESSFUL) {
                }
            } else {
                CHECK(c.all.wait_for(c.b.id) == CM_OK);
            }
            CHECK(c.b.cancel() == CM_OK);
            CHECK(c.a.cancel() == CM_OK);
            CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        }
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("non-blocking: beside another operation than Receive only Cancel and Extract work") {
        const running_unit unit;
        couple c{CM_CONFIRM};
        REQUIRE(c.a.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        REQUIRE(c.a.confirm() == CM_OPERATION_INCOMPLETE);
        for (const auto& refused : calls_refused_while_busy(c.a)) {
            const auto& name = refused.first;
            const auto code = refused.second;
            CAPTURE(name);
            CHECK(code == CM_OPERATION_NOT_ACCEPTED);
        }
        CHECK(c.a.set(cmsdt, CM_DEALLOCATE_ABEND) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(c.a.set(cmspm, CM_BLOCKING) == CM_PROGRAM_STATE_CHECK);
        CHECK(c.a.deallocate() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(c.a.send_error() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(c.a.request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(c.a.test_request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(c.a.state() == CM_SEND_STATE);
        CM_INT32 n = -1;
        CHECK(c.a.call(cmesl, &n) == CM_OK);
        CHECK(c.a.cancel() == CM_OK);
        // The request came first, and its answer is too late.
        CHECK(c.b.receive().status == CM_CONFIRM_RECEIVED);
        CHECK(c.b.confirmed() == CM_OK);
        CHECK(c.b.receive().code == CM_DEALLOCATED_ABEND_SVC);
    }

    TEST_CASE("non-blocking: several Accepts are outstanding, are served in order, and can be cancelled") {
        const running_unit unit;
        serve_tp("TP");
        std::array<talk, 5> waiting;
        for (talk& t : waiting) {
            REQUIRE(t.accept() == CM_OPERATION_INCOMPLETE);
            CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);  // there is no conversation yet
            for (const auto& refused : calls_refused_while_busy(t)) {
                const auto& name = refused.first;
                const auto code = refused.second;
                CAPTURE(name);
                CHECK((code == CM_OPERATION_NOT_ACCEPTED || code == CM_PROGRAM_PARAMETER_CHECK));
            }
        }
        std::set<id_bytes> ids;
        for (const talk& t : waiting) ids.insert(t.id);
        CHECK(ids.size() == waiting.size());
        CHECK(waiting[1].cancel() == CM_OK);
        CHECK(waiting[1].cancel() == CM_PROGRAM_PARAMETER_CHECK);
        collector all;
        for (const std::size_t expected : {0U, 2U, 3U}) {
            talk caller;
            caller.begin("inproc/TP");
            CHECK(caller.send("hello", CM_SEND_AND_FLUSH) == CM_OK);
            const completion c = wait_any();
            CHECK(c.code == CM_OK);
            CHECK(c.result == CM_OK);
            CHECK(c.id == waiting[expected].id);
            CHECK(waiting[expected].receive().text == "hello");
            // A new conversation is blocking, whatever the accept was.
            CHECK(caller.deallocate() == CM_OK);
            CHECK(waiting[expected].receive().code == CM_DEALLOCATED_NORMAL);
        }
        CHECK(waiting[4].cancel() == CM_OK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        // An attach that finds no Accept waits for the next one.
        talk caller, late;
        caller.begin("inproc/TP");
        CHECK(caller.flush() == CM_OK);
        late.accept(all);
        CHECK(late.state() == CM_RECEIVE_STATE);
    }

    TEST_CASE("non-blocking: a thread in cmwait hears of what another one cancels") {
        const running_unit unit;
        couple c;
        REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        for (int i = 0; i < 100; ++i) {
            talk accepting;
            // One operation stays outstanding, so that the waiter stays whatever becomes of the other.
            REQUIRE(accepting.accept() == CM_OPERATION_INCOMPLETE);
            pending_receive got;
            if (i == 0) REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
            std::vector<completion> told;
            std::thread waiter{[&] {
                for (;;) {
                    const completion done = wait_any();
                    if (done.code != CM_OK) return;
                    told.push_back(done);
                }
            }};
            CHECK(accepting.cancel() == CM_OK);
            if (i != 0) {
                // Nothing is outstanding any more: the waiter leaves with 25.
                waiter.join();
                for (const completion& t : told) CHECK(t.result == CM_DEALLOCATED_ABEND);
                CHECK(told.size() <= 1);
                continue;
            }
            CHECK(c.b.cancel() == CM_OK);
            waiter.join();
            CHECK(told.size() <= 2);
        }
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
    }

    TEST_CASE("non-blocking: Cancel from another thread ends a blocked call with 17") {
        const running_unit unit;
        couple c;
        for (int i = 0; i < 200; ++i) {
            if (i != 0) c.begin();
            CM_INT32 code = -1;
            std::thread blocked{[&] { code = c.b.receive().code; }};
            // Either the Receive is cancelled, or it finds that nothing is left to receive from.
            CHECK(c.b.cancel() == CM_OK);
            blocked.join();
            // 37: the Receive came while the Cancel was at work.
            CAPTURE(code);
            CHECK((code == CM_DEALLOCATED_ABEND || code == CM_PROGRAM_PARAMETER_CHECK ||
                   code == CM_OPERATION_NOT_ACCEPTED));
            CHECK(c.a.receive().code == CM_DEALLOCATED_ABEND_SVC);
        }
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("non-blocking: a second thread on a conversation is refused with 37 even if both block") {
        const running_unit unit;
        couple c;
        std::atomic<bool> over{false};
        CM_INT32 first = -1;
        std::thread blocked{[&] {
            first = c.b.receive().code;
            over = true;
        }};
        CM_INT32 code = CM_PROGRAM_STATE_CHECK;
        while (code != CM_OPERATION_NOT_ACCEPTED && !over) {
            code = c.b.flush();  // 25 as long as the other thread is not inside
        }
        // The calls that are allowed beside a Receive are allowed beside an asynchronous one.
        if (code == CM_OPERATION_NOT_ACCEPTED) CHECK(c.b.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(c.a.send("x", CM_SEND_AND_FLUSH) == CM_OK);
        blocked.join();
        // Whichever of the two came second was refused.
        CHECK((code == CM_OPERATION_NOT_ACCEPTED ? CM_OK : CM_OPERATION_NOT_ACCEPTED) == first);
    }

    TEST_CASE("non-blocking: four threads in cmwait collect every completion once") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        constexpr int conversations = 64;
        constexpr int rounds = 20;
        const std::string where = running_unit::address() + "/TP";
        // Each end of each conversation is carried on by whoever collects its completion.
        struct end {
            talk t;
            pending_receive got;
            int rounds_left = rounds;
            bool sends_first = false;
            bool over = false;
        };
        static std::array<end, conversations * 2> ends;
        std::map<id_bytes, end*> by_id;
        std::atomic<int> issued{0};
        std::atomic<int> collected{0};
        std::atomic<int> over{0};
        std::atomic<int> wrong{0};
        // An end issues a Receive; when it completes it answers, and so on.
        const auto go_on = [&](end& e, CM_INT32 code) {
            for (;;) {
                if (code == CM_DEALLOCATED_NORMAL) {
                    ++over;
                    return;
                }
                if (code != CM_OK) {
                    ++wrong;
                    return;
                }
                if (e.rounds_left == 0 && e.sends_first) {
                    if (e.t.deallocate() != CM_OK) ++wrong;
                    ++over;
                    return;
                }
                --e.rounds_left;
                if (e.t.send("ball", CM_BUFFER_DATA) != CM_OK) ++wrong;
                code = e.got.issue(e.t);
                if (code == CM_OPERATION_INCOMPLETE) {
                    ++issued;
                    return;
                }
            }
        };
        for (end& e : ends) {
            e.t = {};
            e.rounds_left = rounds;
            e.over = false;
        }
        for (int i = 0; i < conversations; ++i) {
            end& a = ends[static_cast<std::size_t>(2 * i)];
            end& b = ends[static_cast<std::size_t>(2 * i + 1)];
            a.sends_first = true;
            b.sends_first = false;
            a.t.begin(where);
            REQUIRE(a.t.flush() == CM_OK);
            CM_INT32 code = b.t.accept();
            if (code == CM_OPERATION_INCOMPLETE) {
                const completion c = wait_any();
                REQUIRE(c.code == CM_OK);
                REQUIRE(c.id == b.t.id);
            }
            REQUIRE(a.t.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            REQUIRE(b.t.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            by_id[a.t.id] = &a;
            by_id[b.t.id] = &b;
        }
        for (end& e : ends) {
            if (e.sends_first) continue;
            const CM_INT32 code = e.got.issue(e.t);
            REQUIRE(code == CM_OPERATION_INCOMPLETE);
            ++issued;
        }
        std::array<std::thread, 4> threads;
        for (std::thread& t : threads)
            t = std::thread{[&] {
                for (;;) {
                    const completion c = wait_any();
                    if (c.code == CM_PROGRAM_STATE_CHECK) return;
                    if (c.code != CM_OK) ++wrong;
                    ++collected;
                    go_on(*by_id.at(c.id), c.result);
                }
            }};
        for (end& e : ends)
            if (e.sends_first) go_on(e, CM_OK);
        for (std::thread& t : threads) t.join();
        // Threads that left early because nothing was outstanding for a moment leave the rest to this one.
        for (;;) {
            const completion c = wait_any();
            if (c.code == CM_PROGRAM_STATE_CHECK) break;
            ++collected;
            go_on(*by_id.at(c.id), c.result);
        }
        CHECK(wrong == 0);
        CHECK(over == conversations * 2);
        CHECK(collected == issued);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE(
        "non-blocking: cmwait with nothing outstanding is 25 at once, and so it is for all who wait when the last is "
        "gone") {
        const running_unit unit;
        couple c;
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        REQUIRE(c.b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        for (int i = 0; i < 50; ++i) {
            pending_receive got;
            REQUIRE(got.issue(c.b) == CM_OPERATION_INCOMPLETE);
            std::array<CM_INT32, 4> codes{};
            std::array<std::thread, 4> threads;
            for (std::size_t k = 0; k < threads.size(); ++k)
                threads[k] = std::thread{[&, k] { codes[k] = wait_any().code; }};
            CHECK(c.a.send("one", CM_SEND_AND_FLUSH) == CM_OK);
            for (std::thread& t : threads) t.join();
            CHECK(std::count(codes.begin(), codes.end(), CM_OK) == 1);
            CHECK(std::count(codes.begin(), codes.end(), CM_PROGRAM_STATE_CHECK) == 3);
        }
    }

    TEST_CASE("non-blocking: Allocate is incomplete until the link is there, and tells why it cannot be") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        talk t;
        t.prepare(running_unit::address() + "/TP", CM_NONE, CM_NON_BLOCKING);
        // The driver may be quicker than the call: then the code is there at once, and nothing is to be collected.
        const auto settled = [](const talk& of) {
            const CM_INT32 code = of.allocate();
            if (code != CM_OPERATION_INCOMPLETE) return code;
            const completion c = wait_any();
            CHECK(c.code == CM_OK);
            CHECK(c.id == of.id);
            return c.result;
        };
        CHECK(settled(t) == CM_OK);
        CHECK(t.state() == CM_SEND_STATE);
        // The link is there now.
        talk second;
        second.prepare(running_unit::address() + "/TP", CM_NONE, CM_NON_BLOCKING);
        CHECK(second.allocate() == CM_OK);

        talk refused;
        refused.prepare("127.0.0.1:1/TP", CM_NONE, CM_NON_BLOCKING);
        CHECK(settled(refused) == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(refused.state() == -CM_PROGRAM_PARAMETER_CHECK);

        talk at_once;
        at_once.prepare("127.0.0.1:1/TP");
        REQUIRE(at_once.set(cmsrc, CM_IMMEDIATE) == CM_OK);
        CHECK(at_once.allocate() == CM_UNSUCCESSFUL);
        CHECK(at_once.state() == CM_INITIALIZE_STATE);
    }
}
