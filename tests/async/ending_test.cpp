// The end: time limits, stop, drain, and hosts with a loop of their own (X).
#include <thread>

#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "tests/async/async.hpp"

using namespace colloquy::test;

TEST_SUITE("async") {
    TEST_CASE("X3: a host that dispatches late, or stops for a while, loses nothing") {
        clq_options o{};
        o.no_threads = 1;
        const running_unit unit{o};
        ends one, two;
        REQUIRE(clq_wait_handle() != CLQ_NO_HANDLE);
        told t;
        REQUIRE(set_callback(&one.far, &told::callback, &t) == CM_OK);
        REQUIRE(set_callback(&two.far, &told::callback, &t) == CM_OK);
        small_receive r1, r2;
        REQUIRE(r1.issue(one.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(r2.issue(two.far) == CM_OPERATION_INCOMPLETE);
        // Said by calls of their own thread, which nobody's dispatch follows for now.
        std::thread{[&] {
            one.say("1");
            two.say("2");
        }}.join();
        unsigned rounds = 0;
        while (t.times.count() < 2 && ++rounds < 1'000'000) (void)clq_dispatch();
        CHECK(t.times.count() == 2);
        CHECK(r1.text() == "1");
        CHECK(r2.text() == "2");
    }
    TEST_CASE("X14: the wait handle, the next timeout and dispatch are enough to run everything") {
        clq_options o = listening_options();
        o.no_threads = 1;
        const running_unit unit{o};
        serve_tp("TP");
        const clq_host_handle handle = clq_wait_handle();
        REQUIRE(handle != CLQ_NO_HANDLE);
        told t;
        REQUIRE(set_callback(nullptr, &told::callback, &t) == CM_OK);
        const auto run_until = [&](unsigned n) {
            while (t.times.count() < n) {
                const long long ns = clq_next_timeout_ns();
                (void)wait_ready(handle, ns < 0 ? -1 : static_cast<int>((ns + 999'999) / 1'000'000));
                REQUIRE(clq_dispatch() >= 0);
            }
        };
        talk a, b;
        REQUIRE(b.accept() == CM_OPERATION_INCOMPLETE);
        a.prepare(running_unit::address() + "/TP", CM_CONFIRM, CM_NON_BLOCKING);
        unsigned expected = 0;
        if (a.allocate() == CM_OPERATION_INCOMPLETE) run_until(++expected);
        CHECK(t.last.return_code == CM_OK);
        REQUIRE(a.send("over TCP") == CM_OK);
        REQUIRE(a.confirm() == CM_OPERATION_INCOMPLETE);
        run_until(++expected);  // the accept
        CHECK(t.id() == b.id);
        REQUIRE(b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        small_receive r;
        CM_INT32 rc = r.issue(b);
        if (rc == CM_OPERATION_INCOMPLETE) {
            run_until(++expected);
            rc = t.last.return_code;
        }
        CHECK(rc == CM_OK);
        CHECK(r.text() == "over TCP");
        if (r.status != CM_CONFIRM_RECEIVED) {
            rc = r.issue(b);
            if (rc == CM_OPERATION_INCOMPLETE) run_until(++expected);
        }
        CHECK(r.status == CM_CONFIRM_RECEIVED);
        REQUIRE(b.confirmed() == CM_OK);
        run_until(++expected);
        CHECK(t.id() == a.id);
        CHECK(t.last.return_code == CM_OK);
        // A time limit is among what next_timeout tells of.
        REQUIRE(set_time_limit(&b, 5) == CM_OK);
        REQUIRE(r.issue(b) == CM_OPERATION_INCOMPLETE);
        run_until(++expected);
        CHECK(t.last.return_code == CM_DEALLOCATED_ABEND_TIMER);
        REQUIRE(set_callback(nullptr, nullptr, nullptr) == CM_OK);
    }
    TEST_CASE("X4: clq_stop and clq_drain from inside a callback answer -1 and do nothing") {
        const running_unit unit;
        ends two;
        struct state {
            tally times;
            int stop = 5, drain = 5;
        } s;
        CM_INT32 rc = -1;
        clq_set_callback(
            two.far.id.data(),
            [](void* user, const clq_completion*) {
                state& at = *static_cast<state*>(user);
                at.stop = clq_stop(1'000);
                at.drain = clq_drain(1'000);
                at.times.add();
            },
            &s, &rc);
        REQUIRE(rc == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("x");
        s.times.wait_for(1);
        CHECK(s.stop == -1);
        CHECK(s.drain == -1);
        CHECK(two.far.state() == CM_RECEIVE_STATE);
        talk another;
        CHECK(another.init() == CM_OK);
    }
#ifndef _WIN32
    TEST_CASE("X4: a callback may fork while another thread stops, which waits for it") {
        const running_unit unit;
        ends two;
        struct state {
            talk& near;
            tally inside;
            int status = -1;
        } s{two.near, {}, -1};
        CM_INT32 rc = -1;
        clq_set_callback(
            two.far.id.data(),
            [](void* user, const clq_completion*) {
                state& at = *static_cast<state*>(user);
                at.inside.add();
                // The other thread has begun to stop when the conversations are not known any more.
                while (at.near.state() != -CM_PROGRAM_PARAMETER_CHECK) std::this_thread::yield();
                const pid_t child = ::fork();
                if (child == 0) ::_exit(7);
                (void)::waitpid(child, &at.status, 0);
            },
            &s, &rc);
        REQUIRE(rc == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        int stopped = -1;
        std::thread stopper{[&] {
            s.inside.wait_for(1);
            stopped = clq_stop(60'000);
        }};
        (void)two.near.send("x", CM_SEND_AND_FLUSH);
        stopper.join();
        CHECK(stopped == 0);
        CHECK(WIFEXITED(s.status));
        CHECK(WEXITSTATUS(s.status) == 7);
    }
#endif
    TEST_CASE("X4: a blocking hook cannot stop either") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        static int answered;
        answered = 5;
        (void)WinCPICSetBlockingHook(as_hook([]() -> int {
            answered = clq_stop(0);
            return 0;
        }));
        CHECK(two.far.receive().code == CM_PRODUCT_SPECIFIC_ERROR);
        (void)WinCPICUnhookBlockingHook();
        CHECK(answered == -1);
    }
    TEST_CASE("X5: after stop calls have a code: IDs are 24, new conversations 20, cmwait 25") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(clq_stop(2'000) == 0);
        CHECK(r.issue(two.far) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(two.near.flush() == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(two.near.cancel() == CM_PROGRAM_PARAMETER_CHECK);
        talk t;
        CHECK(t.init() == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(t.accept() == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(set_time_limit(&two.far, 1) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(clq_stop(0) == 0);
    }
    TEST_CASE("X6: while draining, allocating is 2 here and at the partner; it ends with the last conversation") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        partner_process partner{running_unit::address()};
        REQUIRE(partner.ask("begin") == CM_OK);
        talk b;
        collector all;
        b.accept(all);
        REQUIRE(b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        talk own;
        own.prepare("inproc/TP");
        int drained = 5;
        std::thread draining{[&] { drained = clq_drain(60'000); }};
        // The partner tries until it has been told.
        CHECK(partner.ask("allocate until refused") == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(own.allocate() == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(own.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(clq_drain(0) == -1);  // another one is under way
        // What is open goes on.
        small_receive r;
        const CM_INT32 issued = r.issue(b);
        REQUIRE((issued == CM_OPERATION_INCOMPLETE || issued == CM_DEALLOCATED_NORMAL));
        CHECK(partner.ask("deallocate") == CM_OK);
        if (issued == CM_OPERATION_INCOMPLETE) CHECK(all.wait_for(b.id) == CM_DEALLOCATED_NORMAL);
        // What it allocated and cancelled before it was told has come, too, and is the program's to end.
        talk late;
        while (late.accept() == CM_OK) (void)late.cancel();
        (void)late.cancel();
        draining.join();
        CHECK(drained == 0);
    }
    TEST_CASE("X6: a drain whose time is over says -1, and the open conversation lives") {
        const running_unit unit;
        ends two;
        CHECK(clq_drain(20) == -1);
        two.say("still here");
        small_receive r;
        collector all;
        if (r.issue(two.far) == CM_OPERATION_INCOMPLETE) CHECK(all.wait_for(two.far.id) == CM_OK);
        CHECK(r.text() == "still here");
    }
    TEST_CASE("X7: at stop every outstanding operation completes with 17, exactly once, on its channel") {
        for (const unsigned reactors : {0U, 2U}) {
            CAPTURE(reactors);
            clq_options o{};
            o.reactors = reactors;
            const running_unit unit{o};
            constexpr unsigned each = 12;
            static std::mutex mutex;
            static std::map<id_bytes, unsigned> by_sink, by_callback;
            by_sink.clear();
            by_callback.clear();
            static const auto note = [](std::map<id_bytes, unsigned>& in, const clq_completion& c) {
                const std::lock_guard held{mutex};
                id_bytes id{};
                std::memcpy(id.data(), c.conversation_ID, id.size());
                in[id] += c.return_code == CM_DEALLOCATED_ABEND ? 1U : 1'000U;
            };
            std::vector<std::unique_ptr<ends>> all;
            std::vector<small_receive> got(each * 5);
            for (unsigned n = 0; n < got.size(); ++n) all.push_back(std::make_unique<ends>());
            const event e{true};
            const window w;
            w.use();
            for (unsigned n = 0; n < got.size(); ++n) {
                talk& far = all[n]->far;
                CM_INT32 rc = CM_OK;
                if (n % 5 == 0) REQUIRE(set_window(nullptr) == CM_OK);  // the wait queue
                if (n % 5 == 1) REQUIRE(set_event(far, e.handle) == CM_OK);
                if (n % 5 == 2)
                    clq_set_sink(
                        far.id.data(),
                        [](void*, const clq_completion* c) {
                            note(by_sink, *c);
                            return 0;
                        },
                        nullptr, &rc);
                if (n % 5 == 3)
                    clq_set_callback(
                        far.id.data(),
                        [](void*, const clq_completion* c) {
                            note(by_callback, *c);
                            // What it tries to begin now must not be left behind.
                            talk more;
                            if (more.init() == CM_OK) (void)more.cancel();
                        },
                        nullptr, &rc);
                REQUIRE(rc == CM_OK);
                REQUIRE(got[n].issue(far) == CM_OPERATION_INCOMPLETE);
                if (n % 5 == 0) w.use();
            }
            CHECK(clq_stop(5'000) == 0);
            CHECK(e.signalled());
            std::map<id_bytes, unsigned> waited;
            for (completion c = wait_any(); c.code == CM_OK; c = wait_any())
                waited[c.id] += c.result == 17 ? 1U : 1'000U;
            std::map<clq_lparam, unsigned> by_window;
            clq_message m{};
            while (clq_message_peek(&m, 1) == 1)
                if (m.message == window::completion_message()) by_window[m.lParam] += m.wParam == 17 ? 1U : 1'000U;
            CHECK(waited.size() == each * 2);
            CHECK(by_sink.size() == each);
            CHECK(by_callback.size() == each);
            CHECK(by_window.size() == each);
            for (unsigned n = 0; n < got.size(); ++n) {
                const id_bytes& id = all[n]->far.id;
                const unsigned times = n % 5 < 2    ? waited[id]
                                       : n % 5 == 2 ? by_sink[id]
                                       : n % 5 == 3 ? by_callback[id]
                                                    : by_window[reinterpret_cast<clq_lparam>(id.data())];
                CHECK(times == 1);
            }
        }
    }
    TEST_CASE("X7: threads parked in cmwait at stop get what there is, and then 25; blocked callers get 17") {
        const running_unit unit;
        constexpr unsigned conversations = 30;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(conversations);
        for (auto& r : got) {
            all.push_back(std::make_unique<ends>());
            REQUIRE(r.issue(all.back()->far) == CM_OPERATION_INCOMPLETE);
        }
        ends blocked{CM_CONFIRM, CM_BLOCKING};
        std::mutex mutex;
        std::map<id_bytes, unsigned> times;
        std::vector<std::thread> waiting;
        for (int n = 0; n < 3; ++n)
            waiting.emplace_back([&] {
                for (completion c = wait_any(); c.code == CM_OK; c = wait_any()) {
                    const std::lock_guard held{mutex};
                    times[c.id] += c.result == CM_DEALLOCATED_ABEND ? 1U : 1'000U;
                }
            });
        CM_INT32 confirmed = -1;
        std::thread caller{[&] { confirmed = blocked.near.confirm(); }};
        REQUIRE(blocked.far.receive().status == CM_CONFIRM_RECEIVED);
        CHECK(clq_stop(5'000) == 0);
        caller.join();
        for (std::thread& t : waiting) t.join();
        CHECK(confirmed == CM_DEALLOCATED_ABEND);
        CHECK(times.size() == conversations);
        for (const auto& [id, n] : times) CHECK(n == 1);
    }
    TEST_CASE("X7: a result that was not collected before stop is collected after it, with its own code") {
        const running_unit unit;
        ends two;
        const event e{true};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("in time");
        e.wait();
        REQUIRE(clq_stop(2'000) == 0);
        const completion c = wait_any();
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_OK);
        CHECK(r.text() == "in time");
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE("X7: a sink that refuses at stop is asked again until it takes") {
        const running_unit unit;
        ends two;
        told t;
        t.refuse = 10;
        REQUIRE(set_sink(&two.far, &told::sink, &t) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        (void)clq_stop(5'000);
        CHECK(t.times.count() == 1);
        CHECK(t.last.return_code == CM_DEALLOCATED_ABEND);
    }
    TEST_CASE("X8: a call that exceeds its time limit ends with 31 at both ends: non-blocking") {
        const running_unit unit;
        ends two;
        REQUIRE(set_time_limit(&two.far, 20) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(set_time_limit(&two.far, 0) == CM_OPERATION_NOT_ACCEPTED);
        const completion c = wait_any();
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_DEALLOCATED_ABEND_TIMER);
        CHECK(two.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(two.near.receive().code == CM_DEALLOCATED_ABEND_TIMER);
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("X8: the same for a blocking call") {
        const running_unit unit;
        ends two{CM_CONFIRM, CM_BLOCKING};
        REQUIRE(set_time_limit(&two.near, 20) == CM_OK);
        CHECK(two.near.confirm() == CM_DEALLOCATED_ABEND_TIMER);
        CHECK(two.near.state() == -CM_PROGRAM_PARAMETER_CHECK);
        received r;
        do r = two.far.receive();
        while (r.code == CM_OK && r.status == CM_CONFIRM_RECEIVED && two.far.confirmed() == CM_OK);
        CHECK(r.code == CM_DEALLOCATED_ABEND_TIMER);
    }
    TEST_CASE("X8: told by sink, event and window just so, with nobody inside a call") {
        const running_unit unit;
        ends one, two, three;
        told t;
        const event e{true};
        const window w;
        w.use();
        REQUIRE(set_sink(&one.far, &told::sink, &t) == CM_OK);
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r1, r2, r3;
        REQUIRE(set_time_limit(&one.far, 10) == CM_OK);
        REQUIRE(set_time_limit(&two.far, 10) == CM_OK);
        REQUIRE(set_time_limit(&three.far, 10) == CM_OK);
        REQUIRE(r1.issue(one.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(r2.issue(two.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(r3.issue(three.far) == CM_OPERATION_INCOMPLETE);
        t.times.wait_for(1);
        CHECK(t.last.return_code == CM_DEALLOCATED_ABEND_TIMER);
        e.wait();
        CHECK(wait_any().result == CM_DEALLOCATED_ABEND_TIMER);
        CHECK(window::next().wParam == CM_DEALLOCATED_ABEND_TIMER);
    }
    TEST_CASE("X8: a call that is in time is not touched, and the limit is for each call anew") {
        const running_unit unit;
        ends two;
        REQUIRE(set_time_limit(&two.far, 60'000) == CM_OK);
        small_receive r;
        for (int n = 0; n < 50; ++n) {
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            two.say("x");
            CHECK(wait_any().result == CM_OK);
        }
        REQUIRE(set_time_limit(&two.far, 10) == CM_OK);
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(wait_any().result == CM_DEALLOCATED_ABEND_TIMER);
    }
    TEST_CASE("X8: Accept has a time limit of its own") {
        const running_unit unit;
        serve_tp("TP");
        REQUIRE(set_time_limit(nullptr, 10) == CM_OK);
        talk b;
        REQUIRE(b.accept() == CM_OPERATION_INCOMPLETE);
        const completion c = wait_any();
        CHECK(c.id == b.id);
        CHECK(c.result == CM_DEALLOCATED_ABEND_TIMER);
        REQUIRE(set_time_limit(nullptr, 0) == CM_OK);
        // The attach that comes now meets the next accept, not what is left of that one.
        const ends two;
        CHECK(two.far.state() == CM_RECEIVE_STATE);
        // The accepted conversation has its own, and none by default.
        REQUIRE(set_time_limit(&two.far, 10) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(wait_any().result == CM_DEALLOCATED_ABEND_TIMER);
    }
    TEST_CASE("X13: several outstanding accepts are met one each, by whatever channel") {
        const running_unit unit;
        serve_tp("TP");
        told t;
        REQUIRE(set_callback(nullptr, &told::callback, &t) == CM_OK);
        talk first, second, a, b;
        REQUIRE(first.accept() == CM_OPERATION_INCOMPLETE);
        REQUIRE(second.accept() == CM_OPERATION_INCOMPLETE);
        a.begin("inproc/TP");
        REQUIRE(a.flush() == CM_OK);
        t.times.wait_for(1);
        const id_bytes one = t.id();
        b.begin("inproc/TP");
        REQUIRE(b.flush() == CM_OK);
        t.times.wait_for(2);
        const id_bytes two = t.id();
        CHECK(one != two);
        CHECK((one == first.id || one == second.id));
        CHECK((two == first.id || two == second.id));
        CHECK(t.last.id_memory == (two == first.id ? first.id.data() : second.id.data()));
        REQUIRE(set_callback(nullptr, nullptr, nullptr) == CM_OK);
    }
}
