// The life of a non-blocking call (sections 1, 1.1, 1.2, 1.3 of docs/async-rules.md).

#include "tests/async/async.hpp"
#include "tests/support/sockets.hpp"

using namespace colloquy::test;

TEST_SUITE("async") {
    TEST_CASE("async 1.0.1: Set_Processing_Mode makes a conversation non-blocking, and Accept is by its TP name") {
        const running_unit unit;
        serve_tp("TP");
        talk a;
        CHECK(a.accept() == CM_OPERATION_INCOMPLETE);
        REQUIRE(a.cancel() == CM_OK);
        const ends two;
        CHECK(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        pending_receive r;
        CHECK(r.issue(two.near) == CM_OPERATION_INCOMPLETE);
    }
    TEST_CASE("async 1.0.2: 24, 25 and 37 come back at once and nothing is outstanding") {
        const running_unit unit;
        ends two{CM_CONFIRM};
        CHECK(two.far.set(cmspm, 7) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(two.far.flush() == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        small_receive r;
        r.wanted = -1;
        CHECK(r.issue(two.far) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        r.wanted = 64;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        small_receive second;
        CHECK(second.issue(two.far) == CM_OPERATION_NOT_ACCEPTED);
        two.say("x");
        CHECK(wait_any().result == CM_OK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE("async 1.0.3: what is done at once returns its final code, and nobody is told (A11)") {
        const running_unit unit;
        ends two;
        const event e{true};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        const ends mark;
        two.say("here");
        // The mark takes the same way behind it, so "here" has arrived.
        talk m = mark.near;
        REQUIRE(m.send("mark", CM_SEND_AND_FLUSH) == CM_OK);
        REQUIRE(mark.far.set(cmspm, CM_BLOCKING) == CM_OK);
        REQUIRE(mark.far.receive().text == "mark");
        small_receive r;
        CHECK(r.issue(two.far) == CM_OK);
        CHECK(r.text() == "here");
        CHECK_FALSE(e.signalled());
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(r.issue(two.far) == CM_OPERATION_INCOMPLETE);  // free for the next call
    }
    TEST_CASE("async 1.0.4: otherwise the call returns 35 and the conversation is busy") {
        const running_unit unit;
        const ends two;
        pending_receive r;
        CHECK(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.flush() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.confirmed() == CM_OPERATION_NOT_ACCEPTED);
    }
    TEST_CASE("async 1.0.5: completion writes the outputs but never return_code, changes the state, then tells") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        r.code = 12345;
        REQUIRE(two.near.send("data", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        const completion c = wait_any();
        CHECK(c.code == CM_OK);
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_OK);
        CHECK(r.code == 12345);
        CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
        CHECK(r.text() == "data");
        CHECK(r.status == CM_SEND_RECEIVED);
        CHECK(r.rts == CM_REQ_TO_SEND_NOT_RECEIVED);
        CHECK(two.far.state() == CM_SEND_PENDING_STATE);
    }
    TEST_CASE("async 1.0.6: busy ends when the message is posted, or when cmwait has collected") {
        const running_unit unit;
        ends two;
        small_receive r;
        {
            const window w;
            w.use();
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            two.say("1");
            (void)window::next();
            CHECK(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            two.say("2");
            (void)window::next();
        }
        const event e{true};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("3");
        e.wait();
        small_receive next;
        CHECK(next.issue(two.far) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(wait_any().result == CM_OK);
        CHECK(next.issue(two.far) == CM_OPERATION_INCOMPLETE);
    }

    TEST_CASE(
        "async 1.1.1: Accept, Allocate, Confirm, Deallocate, Prepare_To_Receive, Receive and Send_Data can return 35") {
        clq_options o = listening_options();
        const running_unit unit{o};
        serve_tp("TP");
        collector all;
        talk accepting;
        CHECK(accepting.accept() == CM_OPERATION_INCOMPLETE);
        // Allocate waits for the link that is opened first: for ever, where nobody greets.
        const socket_handle deaf = new_socket();
        const std::string nobody_there = listen_on(deaf);
        REQUIRE_FALSE(nobody_there.empty());
        talk waiting;
        waiting.prepare(nobody_there + "/TP", CM_NONE, CM_NON_BLOCKING);
        CHECK(waiting.allocate() == CM_OPERATION_INCOMPLETE);
        CHECK(waiting.cancel() == CM_OK);
        close_socket(deaf);
        talk a;
        a.prepare(running_unit::address() + "/TP", CM_CONFIRM, CM_NON_BLOCKING);
        CM_INT32 allocated = a.allocate();
        if (allocated == CM_OPERATION_INCOMPLETE) allocated = all.wait_for(a.id);
        REQUIRE(allocated == CM_OK);
        CHECK(a.confirm() == CM_OPERATION_INCOMPLETE);
        REQUIRE(all.wait_for(accepting.id) == CM_OK);
        talk& b = accepting;
        REQUIRE(b.receive().status == CM_CONFIRM_RECEIVED);
        REQUIRE(b.confirmed() == CM_OK);
        CHECK(all.wait_for(a.id) == CM_OK);
        // Nobody reads: sooner or later Send_Data is not taken at once, and then its data arrives complete all the
        // same.
        REQUIRE(a.set(cmsst, CM_SEND_AND_FLUSH) == CM_OK);
        const std::string record(30'000, 'r');
        unsigned sent = 1;
        CM_INT32 rc = a.send(record);
        for (; rc == CM_OK && sent < 10'000; ++sent) rc = a.send(record);
        CHECK(rc == CM_OPERATION_INCOMPLETE);
        for (unsigned n = 0; n < sent; ++n) REQUIRE(b.receive().text == record);
        CHECK(all.wait_for(a.id) == CM_OK);
        CHECK(a.prepare_to_receive() == CM_OPERATION_INCOMPLETE);  // by its sync level with confirmation
        REQUIRE(b.receive().status == CM_CONFIRM_SEND_RECEIVED);
        REQUIRE(b.confirmed() == CM_OK);
        CHECK(all.wait_for(a.id) == CM_OK);
        pending_receive r;
        CHECK(r.issue(a) == CM_OPERATION_INCOMPLETE);
        REQUIRE(b.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
        REQUIRE(b.prepare_to_receive() == CM_OK);
        CHECK(all.wait_for(a.id) == CM_OK);
        CHECK(a.deallocate() == CM_OPERATION_INCOMPLETE);
        REQUIRE(b.receive().status == CM_CONFIRM_DEALLOC_RECEIVED);
        REQUIRE(b.confirmed() == CM_OK);
        CHECK(all.wait_for(a.id) == CM_OK);
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("async 1.1.2: Receive with IMMEDIATE never goes asynchronous: 28") {
        const running_unit unit;
        const ends two;
        const received r = two.far.receive_now();
        CHECK(r.code == CM_UNSUCCESSFUL);
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE(
        "async 1.1.3: calls that finish at once stay final in non-blocking mode: Flush, Send_Data, Confirmed, RTS") {
        const running_unit unit;
        ends two{CM_CONFIRM};
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        CHECK(two.near.send("x") == CM_OK);
        CHECK(two.near.flush() == CM_OK);
        CHECK(two.far.request_to_send() == CM_OK);
        CHECK(two.near.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
        CHECK(two.far.receive().code != CM_PROGRAM_PARAMETER_CHECK);
    }

    TEST_CASE("async 1.2.1: while a Receive is pending the calls of the list are allowed, all others 37") {
        const running_unit unit;
        ends two;
        pending_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.request_to_send() == CM_OK);
        CHECK(two.far.test_request_to_send() == CM_OK);
        CHECK(two.far.state() == CM_RECEIVE_STATE);
        CHECK(two.far.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OK);
        CHECK(two.far.set(cmsrt, CM_RECEIVE_AND_WAIT) == CM_OK);
        CHECK(two.far.send("x") == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.confirm() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.confirmed() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.flush() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.prepare_to_receive() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.allocate() == CM_OPERATION_NOT_ACCEPTED);
        pending_receive other;
        CHECK(other.issue(two.far) == CM_OPERATION_NOT_ACCEPTED);
        two.say("still there");
        CHECK(wait_any().result == CM_OK);
        CHECK(r.text() == "still there");
        // Send_Error and Deallocate of type ABEND have cases of their own: they end the Receive (1.3.3, 1.3.4).
    }
    TEST_CASE("async 1.2.2: while another call is pending Cancel and Extract alone are allowed (A15)") {
        const running_unit unit;
        ends two{CM_CONFIRM};
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        REQUIRE(two.near.confirm() == CM_OPERATION_INCOMPLETE);
        CHECK(two.near.state() == CM_SEND_STATE);
        CHECK(two.near.request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.test_request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.send_error() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.deallocate() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.set(cmsst, CM_SEND_AND_FLUSH) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.set(cmspm, CM_BLOCKING) == CM_PROGRAM_STATE_CHECK);
        const event e{true};
        CHECK(set_event(two.near, e.handle) == CM_OPERATION_NOT_ACCEPTED);
        CM_INT32 level = -1;
        CHECK(two.near.call(cmesl, &level) == CM_OK);
        CHECK(level == CM_CONFIRM);
        CHECK(two.near.cancel() == CM_OK);
    }
    TEST_CASE(
        "async 1.2.3: a result that is not collected keeps the conversation busy for all but Cancel, Extract and "
        "cmwait") {
        const running_unit unit;
        ends two;
        const event e{true};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("x");
        e.wait();
        CHECK(two.far.request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.test_request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.send_error() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.deallocate() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.set(cmsdt, CM_DEALLOCATE_ABEND) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(set_event(two.far, e.handle) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.state() == CM_RECEIVE_STATE);
        void* found = nullptr;
        CHECK(extract_event(two.far, found) == CM_OK);
        CHECK(found == e.handle);
        CHECK(wait_any().id == two.far.id);
        CHECK(two.far.request_to_send() == CM_OK);
    }
    TEST_CASE("async 1.2.4: other conversations are never affected, and there may be any number of calls at a time") {
        const running_unit unit;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(50);
        for (auto& r : got) {
            all.push_back(std::make_unique<ends>());
            REQUIRE(r.issue(all.back()->far) == CM_OPERATION_INCOMPLETE);
        }
        // Backwards, so that order of issue plays no part.
        for (std::size_t i = all.size(); i-- != 0;) {
            all[i]->say(std::to_string(i));
            const completion c = wait_any();
            CHECK(c.id == all[i]->far.id);
            CHECK(got[i].text() == std::to_string(i));
        }
    }
    TEST_CASE("async 1.2.5: a call beside a pending Receive never returns a second 35") {
        const running_unit unit;
        ends two;
        pending_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.send_error() == CM_OK);
        CHECK(wait_any().result == CM_UNSUCCESSFUL);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
    }

    TEST_CASE("async 1.3.1: what arrives completes the Receive as a blocking one would be") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("data");
        CHECK(wait_any().result == CM_OK);
        CHECK(r.text() == "data");
        CHECK(r.status == CM_NO_STATUS_RECEIVED);
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(two.near.send_error() == CM_OK);
        REQUIRE(two.near.flush() == CM_OK);
        CHECK(wait_any().result == CM_PROGRAM_ERROR_NO_TRUNC);
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(two.near.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
        CHECK(wait_any().result == CM_DEALLOCATED_NORMAL);
    }
    TEST_CASE("async 1.3.2: Cancel_Conversation completes it with 17") {
        const running_unit unit;
        const ends two;
        told t;
        REQUIRE(set_sink(&two.far, &told::sink, &t) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.cancel() == CM_OK);
        t.times.wait_for(1);
        CHECK(t.last.return_code == CM_DEALLOCATED_ABEND);
        CHECK(t.id() == two.far.id);
        CHECK(two.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
    }
    TEST_CASE("async 1.3.3: Deallocate of type ABEND by the same program completes it with 17") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        const completion c = wait_any();
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_DEALLOCATED_ABEND);
        CHECK(two.near.receive().code == CM_DEALLOCATED_ABEND);
    }
    TEST_CASE(
        "async 1.3.4: Send_Error by the same program completes it with 28, no data, and no state change of its own") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.send_error() == CM_OK);
        const completion c = wait_any();
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_UNSUCCESSFUL);
        CHECK(r.data == CM_NO_DATA_RECEIVED);
        CHECK(r.length == 0);
        CHECK(two.far.state() == CM_SEND_STATE);  // what Send_Error makes of it
        CHECK(two.near.receive().code == CM_PROGRAM_ERROR_PURGING);
    }
    TEST_CASE("async 1.3.5: WinCPICCleanup completes it with 17 where a channel is alive") {
        const running_unit unit;
        REQUIRE(WinCPICStartup(0x0001, nullptr) == 0);
        const ends two;
        told t;
        REQUIRE(set_callback(&two.far, &told::callback, &t) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(WinCPICCleanup() != 0);
        t.times.wait_for(1);
        CHECK(t.last.return_code == CM_DEALLOCATED_ABEND);
        CHECK(two.far.flush() == CM_PROGRAM_PARAMETER_CHECK);
    }
    TEST_CASE("async 1.3.6: a lost link completes it with 26 or 27") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        partner_process partner{running_unit::address()};
        REQUIRE(partner.ask("begin") == CM_OK);
        talk b;
        collector all;
        b.accept(all);
        REQUIRE(b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(b) == CM_OPERATION_INCOMPLETE);
        partner.kill();
        const CM_INT32 code = wait_any().result;
        const bool lost = code == CM_RESOURCE_FAILURE_NO_RETRY || code == CM_RESOURCE_FAILURE_RETRY;
        CHECK_MESSAGE(lost, code);
    }
    TEST_CASE(
        "async 1.3.7: where somebody is to be told that is before cmcanc returns, where nobody is no record remains") {
        const running_unit unit;
        small_receive r;
        const window w;
        for (const int channel : {0, 1, 2, 3, 4}) {
            CAPTURE(channel);
            const ends two;
            told t;
            const event e{true};
            if (channel == 1) REQUIRE(set_sink(&two.far, &told::sink, &t) == CM_OK);
            if (channel == 2) REQUIRE(set_callback(&two.far, &told::callback, &t) == CM_OK);
            if (channel == 3) REQUIRE(set_event(two.far, e.handle) == CM_OK);
            if (channel == 4) w.use();
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            REQUIRE(two.far.cancel() == CM_OK);
            if (channel == 1 || channel == 2) {
                CHECK(t.times.count() == 1);
                CHECK(t.last.return_code == CM_DEALLOCATED_ABEND);
            }
            if (channel == 3) {
                CHECK(e.signalled());
                const completion c = wait_any();
                CHECK(c.id == two.far.id);
                CHECK(c.result == CM_DEALLOCATED_ABEND);
            }
            if (channel == 4) {
                clq_message m{};
                REQUIRE(clq_message_peek(&m, 1) == 1);
                CHECK(m.wParam == CM_DEALLOCATED_ABEND);
                REQUIRE(set_window(nullptr) == CM_OK);
            }
            CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
            (void)two.near.cancel();
        }
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("A13: while an operation is pending the old state is shown") {
        const running_unit unit;
        ends two{CM_CONFIRM};
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.near) == CM_OPERATION_INCOMPLETE);  // gives up the turn
        CHECK(two.near.state() == CM_SEND_STATE);
        REQUIRE(two.near.cancel() == CM_OK);
        ends other{CM_CONFIRM};
        REQUIRE(other.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        REQUIRE(other.near.deallocate() == CM_OPERATION_INCOMPLETE);
        CHECK(other.near.state() == CM_SEND_STATE);
    }
    TEST_CASE("A14: Set_ calls beside a pending Receive are allowed and affect later calls only") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OK);
        CHECK(two.far.test_request_to_send() == CM_OK);  // a look at the pending one does not make it immediate
        two.say("late");
        CHECK(wait_any().result == CM_OK);
        CHECK(r.text() == "late");
        CHECK(r.issue(two.far) == CM_UNSUCCESSFUL);
    }
    TEST_CASE("A15: Test_Request_To_Send_Received during a pending call other than Receive is 37") {
        const running_unit unit;
        ends two{CM_CONFIRM};
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        REQUIRE(two.near.confirm() == CM_OPERATION_INCOMPLETE);
        CHECK(two.near.test_request_to_send() == CM_OPERATION_NOT_ACCEPTED);
    }
    TEST_CASE("A16: Set_Processing_Mode while an operation is pending is 25") {
        const running_unit unit;
        const ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.set(cmspm, CM_BLOCKING) == CM_PROGRAM_STATE_CHECK);
        CHECK(two.far.set(cmspm, CM_NON_BLOCKING) == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE("A22: Deallocate of type FLUSH or CONFIRM beside a pending Receive is 25") {
        const running_unit unit;
        const ends two{CM_CONFIRM};
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(two.far.deallocate(CM_DEALLOCATE_FLUSH) == CM_PROGRAM_STATE_CHECK);
        CHECK(two.far.deallocate(CM_DEALLOCATE_CONFIRM) == CM_PROGRAM_STATE_CHECK);
        CHECK(two.far.cancel() == CM_OK);
    }
    TEST_CASE("A5: an operation that is killed by Cancel_Conversation ends with 17, whatever it was") {
        const running_unit unit;
        told t;
        const auto listen = [&](const talk& who) { REQUIRE(set_sink(&who, &told::sink, &t) == CM_OK); };
        ends two{CM_CONFIRM};
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        listen(two.near);
        REQUIRE(two.near.confirm() == CM_OPERATION_INCOMPLETE);
        REQUIRE(two.near.cancel() == CM_OK);
        CHECK(t.times.count() == 1);
        CHECK(t.last.return_code == CM_DEALLOCATED_ABEND);
        REQUIRE(set_sink(nullptr, &told::sink, &t) == CM_OK);
        talk accepting;
        REQUIRE(accepting.accept() == CM_OPERATION_INCOMPLETE);
        REQUIRE(accepting.cancel() == CM_OK);
        CHECK(t.times.count() == 2);
        CHECK(t.last.return_code == CM_DEALLOCATED_ABEND);
        CHECK(t.id() == accepting.id);
        REQUIRE(set_sink(nullptr, nullptr, nullptr) == CM_OK);
    }
    TEST_CASE("A20: WinCPICStartup nests, and the last WinCPICCleanup ends") {
        const running_unit unit;
        WCPICDATA data{};
        REQUIRE(WinCPICStartup(0x0001, &data) == 0);
        REQUIRE(WinCPICStartup(0x0001, nullptr) == 0);
        const ends two;
        CHECK(WinCPICCleanup() != 0);
        CHECK(two.far.state() == CM_RECEIVE_STATE);
        CHECK(WinCPICCleanup() != 0);
        CHECK(two.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(WinCPICCleanup() == 0);
    }
}
