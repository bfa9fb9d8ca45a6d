// Who is told: wait queue, event, window, sink, callback (section 2), and what the library adds to them (X).
#include <atomic>
#include <stdexcept>

#include "tests/async/async.hpp"

using namespace colloquy::test;

namespace {

// A Receive of two.far is outstanding and "x" completes it.
void complete_one(ends& two, small_receive& r) {
    REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
    two.say("x");
}
bool collectable() { return check_any().code == CM_OK; }

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("async 2.1: the wait queue by default, a window per process, an event per conversation") {
        const running_unit unit;
        ends one, two, three;
        small_receive r1, r2, r3;
        complete_one(one, r1);
        CHECK(wait_any().id == one.far.id);
        const event e{true};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        const window w;
        w.use();
        complete_one(one, r1);
        complete_one(two, r2);
        complete_one(three, r3);
        for (int n = 0; n < 2; ++n) {
            const auto id = reinterpret_cast<const unsigned char*>(window::next().lParam);
            CHECK((id == one.far.id.data() || id == three.far.id.data()));
        }
        e.wait();
        CHECK(wait_any().id == two.far.id);
        CHECK(window::none_now());
    }
    TEST_CASE(
        "async 2.2: the message is the registered one, wParam the code, lParam the pointer to the ID, and no cmwait") {
        const running_unit unit;
        ends two;
        const window w;
        w.use();
        id_bytes elsewhere = two.far.id;
        small_receive r;
        cmrcv(elsewhere.data(), r.buffer.data(), &r.wanted, &r.data, &r.length, &r.status, &r.rts, &r.code);
        REQUIRE(r.code == CM_OPERATION_INCOMPLETE);
        two.say("to the window");
        const clq_message m = window::next();
        CHECK(m.hwnd == w.handle);
        CHECK(m.message == window::completion_message());
        CHECK(m.wParam == CM_OK);
        CHECK(m.lParam == reinterpret_cast<clq_lparam>(elsewhere.data()));
        CHECK(r.text() == "to the window");
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(two.near.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        CHECK(window::next().wParam == CM_DEALLOCATED_ABEND);
        CHECK(two.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
    }
    TEST_CASE("async 2.3: an event is signalled, and cmwait gets the code and ends the busy time") {
        const running_unit unit;
        ends two;
        const event e{false};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r;
        complete_one(two, r);
        e.wait();
        CHECK(two.far.request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        const completion c = wait_any();
        CHECK(c.code == CM_OK);
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_OK);
        CHECK(two.far.request_to_send() == CM_OK);
    }
    TEST_CASE(
        "async 2.4: own sink or callback, then event, then the process's sink, then window, then wait queue (A3)") {
        const running_unit unit;
        ends two;
        const event e{true};
        const window w;
        told own, process;
        small_receive r;
        const auto signalled = [&] {
            const bool was = e.signalled();
            (void)clq_event_reset(e.handle);
            return was;
        };
        // Everything is there; the best is taken away one by one.
        w.use();
        REQUIRE(set_sink(nullptr, &told::sink, &process) == CM_OK);
        REQUIRE(set_sink(&two.far, &told::sink, &own) == CM_OK);
        complete_one(two, r);
        own.times.wait_for(1);
        CHECK(process.times.count() == 0);

        REQUIRE(set_callback(&two.far, &told::callback, &own) == CM_OK);
        complete_one(two, r);
        own.times.wait_for(2);
        CHECK(process.times.count() == 0);

        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        complete_one(two, r);
        e.wait();
        CHECK(signalled());
        CHECK(wait_any().id == two.far.id);
        CHECK(own.times.count() == 2);
        CHECK(process.times.count() == 0);
        CHECK(window::none_now());

        REQUIRE(set_event(two.far, nullptr) == CM_OK);
        complete_one(two, r);
        process.times.wait_for(1);
        CHECK_FALSE(signalled());
        CHECK(window::none_now());

        REQUIRE(set_sink(nullptr, nullptr, nullptr) == CM_OK);
        complete_one(two, r);
        CHECK(window::next().wParam == CM_OK);
        CHECK_FALSE(collectable());

        REQUIRE(set_window(nullptr) == CM_OK);
        complete_one(two, r);
        CHECK(wait_any().id == two.far.id);
        CHECK(own.times.count() == 2);
        CHECK(process.times.count() == 1);
    }
    TEST_CASE("A3: with an event and a window both set there is no message for that conversation") {
        const running_unit unit;
        ends two;
        const window w;
        w.use();
        const event e{true};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r;
        complete_one(two, r);
        e.wait();
        CHECK(wait_any().id == two.far.id);
        CHECK(window::none_now());
    }
    TEST_CASE("async 2.5: the library signals and never resets; manual- and auto-reset events both work") {
        const running_unit unit;
        ends two;
        small_receive r;
        const event manual{true};
        REQUIRE(set_event(two.far, manual.handle) == CM_OK);
        complete_one(two, r);
        manual.wait();
        CHECK(wait_any().code == CM_OK);
        CHECK(manual.signalled());
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(manual.signalled());  // by the last time: issuing resets nothing
        two.say("x");
        CHECK(wait_any().code == CM_OK);
        const event automatic{false};
        REQUIRE(set_event(two.far, automatic.handle) == CM_OK);
        for (int n = 0; n < 3; ++n) {
            complete_one(two, r);
            automatic.wait();
            CHECK_FALSE(automatic.signalled());
            CHECK(wait_any().code == CM_OK);
        }
    }
    TEST_CASE("async 2.6: outputs and record are there before the event, so a cmwait that follows it never blocks") {
        const running_unit unit;
        ends two;
        const event e{false};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        for (int n = 0; n < 500; ++n) {
            small_receive r;
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            std::thread sender{[&] { two.say(std::to_string(n)); }};
            e.wait();
            CHECK(r.text() == std::to_string(n));
            const bool there = collectable();
            CHECK(there);
            CHECK(wait_any().id == two.far.id);
            sender.join();
        }
    }
    TEST_CASE(
        "async 2.7: the handle stays the program's: Extract gives it back, and a closed one signals no stranger") {
        const running_unit unit;
        ends two;
        void* const closed = clq_event_create(1, 0);
        REQUIRE(set_event(two.far, closed) == CM_OK);
        void* found = nullptr;
        REQUIRE(extract_event(two.far, found) == CM_OK);
        CHECK(found == closed);
        REQUIRE(clq_event_close(closed) == 0);
        // Whatever reuses the place of the closed one is a stranger.
        std::vector<std::unique_ptr<event>> strangers;
        for (int n = 0; n < 8; ++n) strangers.push_back(std::make_unique<event>(true));
        small_receive r;
        complete_one(two, r);
        CHECK(wait_any().id == two.far.id);
        for (const auto& e : strangers) CHECK_FALSE(e->signalled());
        CHECK(extract_event(two.far, found) == CM_OK);
        CHECK(found == closed);
        REQUIRE(set_event(two.far, nullptr) == CM_OK);
        REQUIRE(extract_event(two.far, found) == CM_OK);
        CHECK(found == nullptr);
    }
    TEST_CASE("async 2.8: setting or replacing an event, sink or callback while an operation is pending is 37") {
        const running_unit unit;
        ends two;
        const event first{true}, second{true};
        REQUIRE(set_event(two.far, first.handle) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        told t;
        CHECK(set_event(two.far, second.handle) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(set_event(two.far, nullptr) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(set_sink(&two.far, &told::sink, &t) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(set_callback(&two.far, &told::callback, &t) == CM_OPERATION_NOT_ACCEPTED);
        two.say("x");
        first.wait();
        CHECK(wait_any().code == CM_OK);
        CHECK_FALSE(second.signalled());
        CHECK(t.times.count() == 0);
        CHECK(set_event(two.far, second.handle) == CM_OK);
    }
    TEST_CASE("A19: a handle that names no event, and an ID that names no conversation, are 24") {
        const running_unit unit;
        const ends two;
        void* const closed = clq_event_create(1, 0);
        REQUIRE(clq_event_close(closed) == 0);
        int on_stack = 0;
        // No small numbers: on Windows those are handles of something.
        for (void* bad : {closed, static_cast<void*>(&on_stack), reinterpret_cast<void*>(std::uintptr_t{0x7FFF4242}),
                          reinterpret_cast<void*>(UINTPTR_MAX)})
            CHECK(set_event(two.far, bad) == CM_PROGRAM_PARAMETER_CHECK);
        const window w;
        CHECK(set_event(two.far, w.handle) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(set_window(&on_stack) == CM_PROGRAM_PARAMETER_CHECK);
        const event e{true};
        // The system takes the short form of a window's handle, too, and an event's is a small number.
        if (clq_window_is(e.handle) == 0) CHECK(set_window(e.handle) == CM_PROGRAM_PARAMETER_CHECK);
        talk nobody;
        CHECK(set_event(nobody, e.handle) == CM_PROGRAM_PARAMETER_CHECK);
        CM_INT32 rc = -1;
        WinCPICExtractEvent(two.far.id.data(), nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        WinCPICSetEvent(two.far.id.data(), nullptr, &rc);  // takes it away
        CHECK(rc == CM_OK);
    }
    TEST_CASE("A1: the completion message is registered by the documents' name unless the environment says otherwise") {
        const running_unit unit;
        ends two;
        const window w;
        w.use();
        small_receive r;
        complete_one(two, r);
        const clq_message m = window::next();
        const bool documents = m.message == clq_register_window_message("WinAsyncCPIC");
        const char* const other = std::getenv("COLLOQUY_COMPLETION_MESSAGE");
        const bool wanted = other != nullptr && m.message == clq_register_window_message(other);
        CHECK((documents || wanted));
    }
    TEST_CASE("A2: lParam is the caller's pointer, behind which the eight bytes are compared") {
        const running_unit unit;
        ends two;
        const window w;
        w.use();
        small_receive r;
        complete_one(two, r);
        const clq_message m = window::next();
        id_bytes behind{};
        std::memcpy(behind.data(), reinterpret_cast<const void*>(m.lParam), behind.size());
        CHECK(behind == two.far.id);
    }
    TEST_CASE("A11: a call that answers 0 triggers no channel") {
        const running_unit unit;
        ends two;
        const window w;
        w.use();
        told t;
        REQUIRE(set_sink(&two.near, &told::sink, &t) == CM_OK);
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        CHECK(two.near.send("x") == CM_OK);
        CHECK(two.near.flush() == CM_OK);
        CHECK(two.far.request_to_send() == CM_OK);
        CHECK(t.times.count() == 0);
        CHECK(window::none_now());
    }
    TEST_CASE("A17: completions of one completing thread are collected in their order") {
        const running_unit unit;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(20);
        const event e{true};
        for (auto& r : got) {
            all.push_back(std::make_unique<ends>());
            REQUIRE(set_event(all.back()->far, e.handle) == CM_OK);
            REQUIRE(r.issue(all.back()->far) == CM_OPERATION_INCOMPLETE);
        }
        // Each is complete before the next is caused.
        for (auto& two : all) {
            REQUIRE(clq_event_reset(e.handle) == 0);
            two->say("x");
            e.wait();
        }
        for (auto& two : all) CHECK(wait_any().id == two->far.id);
    }
    TEST_CASE("A18: any thread posts, and the procedure still runs on the window's own thread alone") {
        const running_unit unit;
        ends two;
        static std::atomic<unsigned> elsewhere;
        static thread_local bool owner;
        static std::atomic<unsigned> seen;
        owner = true;
        elsewhere = seen = 0;
        void* const hwnd = clq_window_create(
            [](void* h, unsigned m, clq_wparam w, clq_lparam l) -> clq_lresult {
                if (!owner) ++elsewhere;
                if (m == window::completion_message()) ++seen;
                return clq_window_default(h, m, w, l);
            },
            nullptr);
        REQUIRE(set_window(hwnd) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        std::thread{[&] { two.say("x"); }}.join();
        CHECK(seen == 0);
        const clq_message m = window::next();
        (void)clq_message_dispatch(&m);
        CHECK(seen == 1);
        CHECK(elsewhere == 0);
        REQUIRE(set_window(nullptr) == CM_OK);
        (void)clq_window_destroy(hwnd);
    }

    TEST_CASE("X1: a sink that refuses is asked again, and the conversation stays busy until it takes") {
        const running_unit unit;
        ends two;
        told t;
        t.refuse = 20;
        REQUIRE(set_sink(&two.far, &told::sink, &t) == CM_OK);
        small_receive r;
        complete_one(two, r);
        t.refused.wait_for(1);
        if (t.times.count() == 0) {
            small_receive other;
            const CM_INT32 code = other.issue(two.far);
            // It may have been taken just now; then this is the next Receive.
            CHECK((code == CM_OPERATION_NOT_ACCEPTED || t.times.count() != 0));
        }
        t.times.wait_for(1);
        CHECK(t.refused.count() == 20);
        CHECK(t.last.return_code == CM_OK);
        CHECK(t.last.id_memory == two.far.id.data());
        CHECK(two.far.cancel() == CM_OK);
    }
    TEST_CASE("X1: many conversations of one refusing sink lose nothing and double nothing") {
        const running_unit unit;
        static std::mutex mutex;
        static std::map<id_bytes, unsigned> taken;
        static unsigned asked;
        static tally all_taken;
        taken.clear();
        asked = 0;
        REQUIRE(set_sink(nullptr, nullptr, nullptr) == CM_OK);
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(60);
        const unsigned before = all_taken.count();
        for (auto& r : got) {
            all.push_back(std::make_unique<ends>());
            CM_INT32 rc = -1;
            clq_set_sink(
                all.back()->far.id.data(),
                [](void*, const clq_completion* c) {
                    const std::lock_guard held{mutex};
                    if (++asked % 3 != 0) return 1;
                    id_bytes id{};
                    std::memcpy(id.data(), c->conversation_ID, id.size());
                    ++taken[id];
                    all_taken.add();
                    return 0;
                },
                nullptr, &rc);
            REQUIRE(rc == CM_OK);
            REQUIRE(r.issue(all.back()->far) == CM_OPERATION_INCOMPLETE);
        }
        for (auto& two : all) two->say("x");
        all_taken.wait_for(before + 60);
        for (auto& two : all) CHECK(two->far.cancel() == CM_OK);
        const std::lock_guard held{mutex};
        CHECK(taken.size() == 60);
        for (const auto& [id, times] : taken) CHECK(times == 1);
    }
    TEST_CASE("X2: a callback may issue the next call itself, and callbacks do not nest") {
        const running_unit unit;
        ends two;
        struct state {
            ends* two;
            small_receive r;
            tally times;
            std::string heard;
            std::atomic<unsigned> deepest{0};
        } s;
        s.two = &two;
        CM_INT32 rc = -1;
        clq_set_callback(
            two.far.id.data(),
            [](void* user, const clq_completion* c) {
                // Of the thread: once the next call is issued, another may tell its end while this one leaves.
                thread_local unsigned inside = 0;
                state& at = *static_cast<state*>(user);
                if (++inside > at.deepest) at.deepest = inside;
                CM_INT32 code = c->return_code;
                // What has come already is had at once; the rest calls back.
                while (code == CM_OK) {
                    at.heard += at.r.text();
                    at.times.add();
                    code = at.r.issue(at.two->far);
                }
                --inside;
                if (code != CM_OPERATION_INCOMPLETE) at.times.add();
            },
            &s, &rc);
        REQUIRE(rc == CM_OK);
        REQUIRE(s.r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        for (const char* digit : {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}) two.say(digit);
        s.times.wait_for(10);
        REQUIRE(two.near.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        s.times.wait_for(11);
        CHECK(s.heard == "0123456789");
        CHECK(s.deepest == 1);
    }
    TEST_CASE("X2: an exception that leaves a callback or a sink ends there, and the completion was told once") {
        const running_unit unit;
        ends two;
        static tally times;
        const unsigned before = times.count();
        CM_INT32 rc = -1;
        clq_set_callback(
            two.far.id.data(),
            [](void*, const clq_completion*) {
                times.add();
                throw std::runtime_error{"callback"};
            },
            nullptr, &rc);
        REQUIRE(rc == CM_OK);
        small_receive r;
        complete_one(two, r);
        times.wait_for(before + 1);
        REQUIRE(set_callback(&two.far, nullptr, nullptr) == CM_OK);
        clq_set_sink(
            two.far.id.data(),
            [](void*, const clq_completion*) -> int {
                times.add();
                throw std::runtime_error{"sink"};
            },
            nullptr, &rc);
        REQUIRE(rc == CM_OK);
        complete_one(two, r);
        times.wait_for(before + 2);
        // Free again at once or in a moment: the sink's conversation is freed after it.
        do rc = r.issue(two.far);
        while (rc == CM_OPERATION_NOT_ACCEPTED);
        CHECK(rc == CM_OPERATION_INCOMPLETE);
        CHECK(times.count() == before + 2);
    }
    TEST_CASE("X2: a callback that blocks delays its own thread's completions and nothing else") {
        const running_unit unit;
        ends slow, other;
        struct state {
            tally entered, leave, left;
        } s;
        CM_INT32 rc = -1;
        clq_set_callback(
            slow.far.id.data(),
            [](void* user, const clq_completion*) {
                state& at = *static_cast<state*>(user);
                at.entered.add();
                at.leave.wait_for(1);
                at.left.add();
            },
            &s, &rc);
        REQUIRE(rc == CM_OK);
        small_receive r1, r2;
        REQUIRE(r1.issue(slow.far) == CM_OPERATION_INCOMPLETE);
        std::thread sender{[&] { slow.say("x"); }};
        s.entered.wait_for(1);
        // Collected by cmwait, which drives for itself.
        complete_one(other, r2);
        CHECK(wait_any().id == other.far.id);
        CHECK(s.left.count() == 0);
        s.leave.add();
        s.left.wait_for(1);
        sender.join();
    }
    TEST_CASE("X9: a window destroyed with calls outstanding leaves them to cmwait") {
        const running_unit unit;
        ends one, two;
        small_receive r1, r2;
        void* const hwnd = clq_window_create(&clq_window_default, nullptr);
        REQUIRE(set_window(hwnd) == CM_OK);
        REQUIRE(r1.issue(one.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(r2.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        REQUIRE(clq_window_destroy(hwnd) == 0);
        one.say("1");
        two.say("2");
        std::map<id_bytes, unsigned> got;
        while (got.size() < 2) {
            const completion c = wait_any();
            if (c.code == CM_PROGRAM_STATE_CHECK) {
                std::this_thread::yield();  // the message is still to be refused
                continue;
            }
            REQUIRE(c.code == CM_OK);
            CHECK(c.result == CM_OK);
            ++got[c.id];
        }
        CHECK(got[one.far.id] == 1);
        CHECK(got[two.far.id] == 1);
        CHECK(one.far.request_to_send() == CM_OK);
        REQUIRE(set_window(nullptr) == CM_OK);
    }
    TEST_CASE("X10: a window whose queue is full is tried again until all messages are there, each once") {
        const running_unit unit;
        std::vector<std::unique_ptr<ends>> all;
        for (int n = 0; n < 10; ++n) all.push_back(std::make_unique<ends>());
        std::thread{[&] {
            REQUIRE(clq_message_queue_size(4) == 0);
            const window w;
            w.use();
            for (int n = 0; n < 4; ++n) REQUIRE(clq_window_post(w.handle, CLQ_MESSAGE_USER, 0, 0) == 0);
            REQUIRE(clq_window_post(w.handle, CLQ_MESSAGE_USER, 0, 0) == 1);
            std::vector<small_receive> got(all.size());
            for (std::size_t i = 0; i < all.size(); ++i) REQUIRE(got[i].issue(all[i]->far) == CM_OPERATION_INCOMPLETE);
            for (auto& two : all) two->say("x");
            std::map<clq_lparam, unsigned> times;
            for (std::size_t n = 0; n < all.size();) {
                const clq_message m = window::next();
                if (m.message != window::completion_message()) continue;
                ++n;
                ++times[m.lParam];
                CHECK(m.wParam == CM_OK);
            }
            CHECK(times.size() == all.size());
            for (auto& two : all) CHECK(two->far.request_to_send() == CM_OK);
            CHECK(window::none_now());
        }}.join();
    }
    TEST_CASE("X11: an event closed while an operation is pending: it completes, and cmwait collects it") {
        const running_unit unit;
        ends two;
        void* const e = clq_event_create(0, 0);
        REQUIRE(set_event(two.far, e) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(clq_event_close(e) == 0);
        two.say("x");
        CHECK(wait_any().id == two.far.id);
    }
    TEST_CASE("X12: one event serves many conversations: all are collected behind it") {
        const running_unit unit;
        const event e{false};
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(40);
        for (auto& r : got) {
            all.push_back(std::make_unique<ends>());
            REQUIRE(set_event(all.back()->far, e.handle) == CM_OK);
            REQUIRE(r.issue(all.back()->far) == CM_OPERATION_INCOMPLETE);
        }
        std::thread sender{[&] {
            for (auto& two : all) two->say("x");
        }};
        std::map<id_bytes, unsigned> times;
        while (times.size() < all.size()) {
            e.wait();
            // As many as there are: signals that came together count once.
            for (completion c = check_any(); c.code == CM_OK; c = check_any()) ++times[wait_any().id];
        }
        sender.join();
        for (auto& two : all) CHECK(times[two->far.id] == 1);
    }
    TEST_CASE("X15: sinks, windows and events are served by a reactor pool as well") {
        clq_options o{};
        o.reactors = 2;
        const running_unit unit{o};
        ends one, two, three;
        told t;
        const event e{false};
        small_receive r1, r2, r3;
        REQUIRE(set_sink(&one.far, &told::sink, &t) == CM_OK);
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        const window w;
        w.use();
        for (unsigned n = 1; n <= 100; ++n) {
            do (void)r1.issue(one.far);
            while (r1.code == CM_OPERATION_NOT_ACCEPTED);
            REQUIRE(r1.code == CM_OPERATION_INCOMPLETE);
            REQUIRE(r2.issue(two.far) == CM_OPERATION_INCOMPLETE);
            do (void)r3.issue(three.far);
            while (r3.code == CM_OPERATION_NOT_ACCEPTED);
            REQUIRE(r3.code == CM_OPERATION_INCOMPLETE);
            one.say("1");
            two.say("2");
            three.say("3");
            t.times.wait_for(n);
            e.wait();
            CHECK(wait_any().id == two.far.id);
            CHECK(window::next().lParam == reinterpret_cast<clq_lparam>(three.far.id.data()));
        }
        CHECK(t.times.count() == 100);
    }
}
