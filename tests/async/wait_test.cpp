// Wait_For_Conversation and Check_For_Completion (sections 3 and 9), blocking hooks (5), buffers (6), mixing (7),
// Accept (4).
#include <cstdio>
#include <set>

#include "tests/async/async.hpp"

using namespace colloquy::test;

namespace {

// A thread inside cmwait.
struct waiter {
    completion got;
    std::thread thread{[this] { got = wait_any(); }};
    ~waiter() {
        if (thread.joinable()) thread.join();
    }
    const completion& join() {
        thread.join();
        return got;
    }
};

// What the hooks of these tests do, per thread.
struct hook_state {
    unsigned calls = 0;
    unsigned give_up_after = 0;  // 0: never
    int blocking_inside = -1;
    CM_INT32 nested_blocking = -1, nested_wait = -1, nested_free = -1;
    ends* near = nullptr;   // for what the hook itself says
    ends* other = nullptr;  // another conversation
    std::string say;
};
thread_local hook_state hook;

std::invoke_result_t<CLQ_FARPROC> COLLOQUY_CALL test_hook() {
    ++hook.calls;
    hook.blocking_inside = WinCPICIsBlocking();
    if (hook.other != nullptr && hook.calls == 1) {
        completion c;
        cmwait(c.id.data(), &c.result, &c.code);
        hook.nested_wait = c.code;
        hook.nested_blocking = hook.other->near.flush();  // in CM_BLOCKING mode
        hook.nested_free = hook.other->far.request_to_send();
    }
    if (hook.near != nullptr && hook.calls == 3) hook.near->say(hook.say);
    return hook.give_up_after == 0 || hook.calls < hook.give_up_after ? 1 : 0;
}

struct hooked {
    hooked() {
        hook = {};
        const bool first = WinCPICSetBlockingHook(&test_hook) == nullptr;
        REQUIRE(first);
    }
    ~hooked() { (void)WinCPICUnhookBlockingHook(); }
    hooked(const hooked&) = delete;
    hooked& operator=(const hooked&) = delete;
};

// Callers in this process who have asked and given the turn; a callback hears their answers.
struct callers {
    std::vector<talk> near;
    std::vector<small_receive> answers;
    told heard;

    explicit callers(std::size_t n) : near(n), answers(n) {
        for (talk& t : near) {
            t.begin("inproc/TP");
            REQUIRE(t.flush() == CM_OK);
            REQUIRE(t.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            REQUIRE(set_callback(&t, &told::callback, &heard) == CM_OK);
        }
    }
    void ask() {
        for (std::size_t i = 0; i < near.size(); ++i) {
            REQUIRE(near[i].send("ask") == CM_OK);
            REQUIRE(answers[i].issue(near[i]) == CM_OPERATION_INCOMPLETE);
        }
    }
};
// One of those whom they call; its Receive is outstanding.
struct answerer {
    talk far;
    small_receive asked;
    CM_OOID number = 0;

    void accept(collector& all) {
        far.accept(all);
        REQUIRE(far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
    }
    void accept_at_queue_level(collector& all) {
        far.accept(all);
        const CM_INT32 queue = CM_SEND_RECEIVE_QUEUE, mode = CM_NON_BLOCKING;
        CM_INT32 rc = -1;
        cmsqpm(far.id.data(), &queue, &mode, "00000000", &number, &rc);
        REQUIRE(rc == CM_OK);
    }
    void answer() {
        REQUIRE(asked.status == CM_SEND_RECEIVED);
        REQUIRE(far.send("answer", CM_SEND_AND_FLUSH) == CM_OK);
    }
};
// Places, from 0, of those that have finished.
std::vector<std::size_t> finished_of(const std::vector<CM_OOID>& list) {
    const auto count = static_cast<CM_INT32>(list.size());
    const CM_INT32 for_ever = -1;
    std::vector<CM_INT32> places(list.size());
    std::vector<char> fields(list.size() * 8);
    CM_INT32 found = 0, rc = -1;
    cmwcmp(list.data(), &count, &for_ever, places.data(), &found, fields.data(), &rc);
    REQUIRE(rc == CM_OK);
    std::vector<std::size_t> result;
    for (CM_INT32 i = 0; i < found; ++i)
        result.push_back(static_cast<std::size_t>(places[static_cast<std::size_t>(i)] - 1));
    return result;
}

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("async 3.1: cmwait covers all conversations of the process, of all threads, and tells which") {
        const running_unit unit;
        ends one, two;
        small_receive r1, r2;
        std::thread{[&] { REQUIRE(r1.issue(one.far) == CM_OPERATION_INCOMPLETE); }}.join();
        std::thread{[&] { REQUIRE(r2.issue(two.far) == CM_OPERATION_INCOMPLETE); }}.join();
        two.say("x");
        CHECK(wait_any().id == two.far.id);
        one.say("x");
        CHECK(wait_any().id == one.far.id);
    }
    TEST_CASE(
        "async 3.2: 25 when nothing is outstanding, and for every parked waiter when the last one is taken or "
        "cancelled") {
        const running_unit unit;
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        std::vector<std::unique_ptr<waiter>> waiters;
        for (int n = 0; n < 4; ++n) waiters.push_back(std::make_unique<waiter>());
        two.say("x");
        unsigned ok = 0, nothing = 0;
        for (auto& w : waiters) {
            const completion& c = w->join();
            ok += c.code == CM_OK ? 1U : 0U;
            nothing += c.code == CM_PROGRAM_STATE_CHECK ? 1U : 0U;
        }
        CHECK(ok == 1);
        CHECK(nothing == 3);
    }
    TEST_CASE("async 3.3: what has finished already is returned at once, in the order of completion") {
        const running_unit unit;
        ends one, two;
        const event e{false};
        REQUIRE(set_event(one.far, e.handle) == CM_OK);
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r1, r2;
        REQUIRE(r1.issue(one.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(r2.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("x");
        e.wait();
        one.say("x");
        e.wait();
        CHECK(wait_any().id == two.far.id);
        CHECK(wait_any().id == one.far.id);
    }
    TEST_CASE("async 3.4: with several threads waiting each completion goes to exactly one") {
        const running_unit unit;
        constexpr unsigned conversations = 60, threads = 4;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(conversations);
        for (auto& r : got) {
            all.push_back(std::make_unique<ends>());
            REQUIRE(r.issue(all.back()->far) == CM_OPERATION_INCOMPLETE);
        }
        std::mutex mutex;
        std::map<id_bytes, unsigned> times;
        std::vector<std::thread> waiting;
        for (unsigned n = 0; n < threads; ++n)
            waiting.emplace_back([&] {
                for (completion c = wait_any(); c.code == CM_OK; c = wait_any()) {
                    const std::lock_guard held{mutex};
                    ++times[c.id];
                }
            });
        for (auto& two : all) two->say("x");
        for (std::thread& t : waiting) t.join();
        CHECK(times.size() == conversations);
        for (const auto& [id, n] : times) CHECK(n == 1);
    }
    TEST_CASE("async 3.5: after collection the record is gone; the ID is told even if the conversation is over") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(two.near.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        const completion c = wait_any();
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_DEALLOCATED_ABEND);
        CHECK(two.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("async 3.6: conversation_return_code is any code of the call but never 35") {
        const running_unit unit;
        talk a;
        a.prepare("inproc/NOBODY", CM_CONFIRM, CM_NON_BLOCKING);
        collector all;
        if (const CM_INT32 rc = a.allocate(); rc == CM_OPERATION_INCOMPLETE) {
            REQUIRE(all.wait_for(a.id) == CM_OK);
        } else {
            REQUIRE(rc == CM_OK);
        }
        const CM_INT32 rc = a.confirm();
        CHECK((rc == CM_OPERATION_INCOMPLETE ? wait_any().result : rc) == CM_TPN_NOT_RECOGNIZED);
    }
    TEST_CASE("async 3.7: operations that report by window are not waitable: 25 (A12)") {
        const running_unit unit;
        ends two;
        const window w;
        w.use();
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        two.say("x");
        (void)window::next();
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE("A12: cmwait with a window set collects what is waitable, and else is 25") {
        const running_unit unit;
        ends before, after;
        small_receive r1, r2;
        REQUIRE(r1.issue(before.far) == CM_OPERATION_INCOMPLETE);
        const window w;
        w.use();
        REQUIRE(r2.issue(after.far) == CM_OPERATION_INCOMPLETE);
        after.say("x");
        before.say("x");
        CHECK(wait_any().id == before.far.id);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(window::next().lParam == reinterpret_cast<clq_lparam>(after.far.id.data()));
    }
    TEST_CASE(
        "async 3.8: a waiter is told 17 of an operation that another thread cancels, and later waits hear nothing of "
        "it") {
        const running_unit unit;
        for (int n = 0; n < 50; ++n) {
            ends two, keep;
            small_receive r, other;
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            REQUIRE(other.issue(keep.far) == CM_OPERATION_INCOMPLETE);
            tally inside;
            completion first;
            std::thread waiting{[&] {
                // A hook runs once a thread is inside its wait, which says that it is.
                hook = {};
                static thread_local tally* entered;
                entered = &inside;
                (void)WinCPICSetBlockingHook(as_hook([]() -> int {
                    entered->add();
                    return 1;
                }));
                first = wait_any();
                (void)WinCPICUnhookBlockingHook();
            }};
            inside.wait_for(1);
            REQUIRE(two.far.cancel() == CM_OK);
            waiting.join();
            CHECK(first.code == CM_OK);
            CHECK(first.id == two.far.id);
            CHECK(first.result == CM_DEALLOCATED_ABEND);
            // Cancelled with nobody there: no record.
            small_receive third;
            ends gone;
            REQUIRE(third.issue(gone.far) == CM_OPERATION_INCOMPLETE);
            REQUIRE(gone.far.cancel() == CM_OK);
            keep.say("x");
            CHECK(wait_any().id == keep.far.id);
            CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
            for (talk* t : {&two.near, &keep.near, &keep.far, &gone.near}) (void)t->cancel();
        }
    }
    TEST_CASE("async 3.8: cancelling a finished operation takes its record away") {
        const running_unit unit;
        ends two;
        const event e{false};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("x");
        e.wait();
        CHECK(two.far.cancel() == CM_OK);
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(two.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        // What is left of it in the queue must not be taken for another's.
        for (int n = 0; n < 20; ++n) {
            ends other;
            REQUIRE(r.issue(other.far) == CM_OPERATION_INCOMPLETE);
            CHECK(check_any().code == CM_UNSUCCESSFUL);
            other.say("x");
            CHECK(wait_any().id == other.far.id);
            (void)other.far.cancel();
            (void)other.near.cancel();
        }
    }
    TEST_CASE("async 3.9: cmwait returns 36 when the blocking hook returns FALSE, and cancels nothing") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        {
            const hooked with;
            hook.give_up_after = 3;
            CHECK(wait_any().code == CM_SYSTEM_EVENT);
            CHECK(hook.calls == 3);
        }
        two.say("x");
        CHECK(wait_any().id == two.far.id);
    }
    TEST_CASE("async 3.10: cmwait always blocks; the hook runs meanwhile and WinCPICIsBlocking is TRUE in it") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        const hooked with;
        CHECK(WinCPICIsBlocking() == 0);
        // The hook's own send would be refused: near is in CM_BLOCKING mode. So another thread says it.
        std::thread sender{[&] { two.say("x"); }};
        const completion c = wait_any();
        sender.join();
        CHECK(c.id == two.far.id);
        if (hook.calls != 0) CHECK(hook.blocking_inside != 0);
        CHECK(WinCPICIsBlocking() == 0);
    }

    TEST_CASE("async 9.1: Check_For_Completion: 0 finished and not consumed, 28 outstanding, 25 nothing") {
        const running_unit unit;
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        CHECK(check_any().code == CM_UNSUCCESSFUL);
        two.say("x");
        completion c;
        do c = check_any();
        while (c.code == CM_UNSUCCESSFUL);
        CHECK(c.code == CM_OK);
        CHECK(c.id == two.far.id);
        CHECK(c.result == CM_OK);
        CHECK(check_any().id == two.far.id);
    }
    TEST_CASE("async 9.2: what Check_For_Completion told of, cmwait returns at once") {
        const running_unit unit;
        ends one, two;
        small_receive r1, r2;
        REQUIRE(r1.issue(one.far) == CM_OPERATION_INCOMPLETE);
        REQUIRE(r2.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("x");
        completion c;
        do c = check_any();
        while (c.code == CM_UNSUCCESSFUL);
        CHECK(wait_any().id == c.id);
        CHECK(check_any().code == CM_UNSUCCESSFUL);  // one is still outstanding
    }
    TEST_CASE("async 9.2: checking and waiting threads together lose nothing") {
        const running_unit unit;
        constexpr unsigned conversations = 20, rounds = 50;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(conversations);
        for (unsigned i = 0; i < conversations; ++i) all.push_back(std::make_unique<ends>());
        std::atomic<bool> over{false};
        std::thread checker{[&] {
            while (!over) (void)check_any();
        }};
        for (unsigned n = 0; n < rounds; ++n) {
            for (unsigned i = 0; i < conversations; ++i) REQUIRE(got[i].issue(all[i]->far) == CM_OPERATION_INCOMPLETE);
            // Some are cancelled when they have finished or nearly so; their entries go stale in the queue.
            for (unsigned i = 0; i < conversations; ++i) all[i]->say("x");
            std::set<id_bytes> cancelled;
            for (unsigned i = n % 5; i < conversations; i += 5) {
                REQUIRE(all[i]->far.cancel() == CM_OK);
                cancelled.insert(all[i]->far.id);
            }
            std::map<id_bytes, unsigned> times;
            for (completion c = wait_any(); c.code == CM_OK; c = wait_any()) ++times[c.id];
            for (unsigned i = 0; i < conversations; ++i) {
                if (cancelled.count(all[i]->far.id) != 0) {
                    CHECK(times[all[i]->far.id] <= 1);
                    (void)all[i]->near.cancel();
                    all[i] = std::make_unique<ends>();
                } else {
                    CHECK(times[all[i]->far.id] == 1);
                }
            }
        }
        over = true;
        checker.join();
    }

    TEST_CASE(
        "async 4.1: a program that named its TP accepts without blocking: 0 if an attach is queued, else 35 and the "
        "ID") {
        const running_unit unit;
        serve_tp("TP");
        talk queued;
        queued.begin("inproc/TP");
        REQUIRE(queued.flush() == CM_OK);
        {
            // Behind it on the same way: when this one is refused, that one has come.
            talk stranger;
            stranger.begin("inproc/STRANGER");
            REQUIRE(stranger.send("x", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
            CHECK(stranger.receive().code == CM_TPN_NOT_RECOGNIZED);
        }
        talk b;
        CHECK(b.accept() == CM_OK);
        talk c;
        CHECK(c.accept() == CM_OPERATION_INCOMPLETE);
        CHECK(c.id != id_bytes{});
        talk again;
        again.begin("inproc/TP");
        REQUIRE(again.flush() == CM_OK);
        const completion done = wait_any();
        CHECK(done.id == c.id);
        CHECK(done.result == CM_OK);
        CHECK(c.state() == CM_RECEIVE_STATE);
    }
    TEST_CASE("async 4.2: with names by configuration alone Accept blocks: 0, or 25 after the configured wait") {
        const scratch_configuration file{"[timeouts]\naccept_wait_ms = 30\n[[tp]]\nname = \"TP\"\n"};
        const clq_options o = file.options();
        {
            const running_unit unit{o};
            talk nobody;
            CHECK(nobody.accept() == CM_PROGRAM_STATE_CHECK);
            CM_INT32 rc = -1;
            talk b, a;
            a.begin("inproc/TP");
            REQUIRE(a.flush() == CM_OK);
            do rc = b.accept();
            while (rc == CM_PROGRAM_STATE_CHECK);
            CHECK(rc == CM_OK);
            CHECK(b.state() == CM_RECEIVE_STATE);
        }
    }
    TEST_CASE("async 4.3: with no names at all Accept is 25") {
        const running_unit unit;
        talk b;
        CHECK(b.accept() == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE("async 4.4: an accepted conversation starts blocking") {
        const running_unit unit;
        const ends two{CM_NONE, CM_BLOCKING};
        ends other{CM_NONE, CM_BLOCKING};
        std::thread sender{[&] { other.say("late"); }};
        CHECK(other.far.receive().text == "late");
        sender.join();
    }
    TEST_CASE("A4: an event cannot be set on a pending Accept: 37; it completes by message or cmwait") {
        const running_unit unit;
        serve_tp("TP");
        const event e{true};
        talk b;
        REQUIRE(b.accept() == CM_OPERATION_INCOMPLETE);
        CHECK(set_event(b, e.handle) == CM_OPERATION_NOT_ACCEPTED);
        void* found = &b;
        CHECK(extract_event(b, found) == CM_OK);
        CHECK(found == nullptr);
        talk a;
        a.begin("inproc/TP");
        REQUIRE(a.flush() == CM_OK);
        CHECK(wait_any().id == b.id);
        CHECK_FALSE(e.signalled());
        CHECK(set_event(b, e.handle) == CM_OK);
        // The same by message.
        const window w;
        w.use();
        talk c;
        REQUIRE(c.accept() == CM_OPERATION_INCOMPLETE);
        talk d;
        d.begin("inproc/TP");
        REQUIRE(d.flush() == CM_OK);
        const clq_message m = window::next();
        CHECK(m.wParam == CM_OK);
        CHECK(m.lParam == reinterpret_cast<clq_lparam>(c.id.data()));
        CHECK(c.state() == CM_RECEIVE_STATE);
    }
    TEST_CASE("A8: whether Accept blocks is decided by its call: before a name was specified and after") {
        const running_unit unit;
        talk b;
        CHECK(b.accept() == CM_PROGRAM_STATE_CHECK);  // no names
        serve_tp("TP");
        CHECK(b.accept() == CM_OPERATION_INCOMPLETE);
        CHECK(b.cancel() == CM_OK);
    }
    TEST_CASE("A9: any number of accepts may be outstanding, up to the table; each takes one attach") {
        clq_options o{};
        o.conversations = 64;
        const running_unit unit{o};
        serve_tp("TP");
        std::vector<talk> accepts(40);
        for (talk& t : accepts) REQUIRE(t.accept() == CM_OPERATION_INCOMPLETE);
        for (std::size_t i = 0; i < accepts.size(); i += 4) REQUIRE(accepts[i].cancel() == CM_OK);
        std::map<id_bytes, unsigned> times;
        std::vector<talk> callers(20);
        for (talk& t : callers) {
            t.begin("inproc/TP");
            REQUIRE(t.flush() == CM_OK);
            const completion c = wait_any();
            REQUIRE(c.code == CM_OK);
            CHECK(c.result == CM_OK);
            ++times[c.id];
        }
        CHECK(times.size() == callers.size());
        for (std::size_t i = 0; i < accepts.size(); i += 4) CHECK(times.count(accepts[i].id) == 0);
        std::vector<talk> more(64);
        CM_INT32 rc = CM_OPERATION_INCOMPLETE;
        unsigned n = 0;
        while (rc == CM_OPERATION_INCOMPLETE && n < more.size()) rc = more[n++].accept();
        CHECK(rc == CM_PRODUCT_SPECIFIC_ERROR);
    }
    TEST_CASE("A9: accepts that are cancelled while attaches come neither hang nor lose an attach") {
        const running_unit unit;
        serve_tp("TP");
        for (unsigned n = 0; n < 300; ++n) {
            talk accepting, caller;
            for (CM_INT32 rc = accepting.accept(); rc == CM_OK; rc = accepting.accept()) (void)accepting.cancel();
            caller.begin("inproc/TP");
            CM_INT32 cancelled = -1;
            std::thread canceller{[&] { cancelled = accepting.cancel(); }};
            std::thread looker{[&] {
                void* found = nullptr;
                for (int k = 0; k < 20; ++k) (void)extract_event(accepting, found);
            }};
            REQUIRE(caller.flush() == CM_OK);
            canceller.join();
            looker.join();
            CHECK(cancelled == CM_OK);
            // Either the attach met the accept and was cancelled with it, or it waits for the next one.
            (void)caller.cancel();
        }
        // What waits is taken; then the next pair meets.
        talk rest;
        while (rest.accept() == CM_OK) (void)rest.cancel();
        REQUIRE(rest.cancel() == CM_OK);
        const ends two;
        CHECK(two.far.state() == CM_RECEIVE_STATE);
    }

    TEST_CASE("async 5.1: without a hook a blocking call blocks, and WinCPICIsBlocking is FALSE") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        CHECK(WinCPICIsBlocking() == 0);
        std::thread sender{[&] { two.say("x"); }};
        CHECK(two.far.receive().text == "x");
        sender.join();
        CHECK(WinCPICUnhookBlockingHook() == 0);
    }
    TEST_CASE("async 5.2: with a hook it is called until the call has finished") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        const hooked with;
        // The hook's third call says what is waited for, on a conversation in non-blocking mode.
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        hook.near = &two;
        hook.say = "from the hook";
        const received r = two.far.receive();
        CHECK(r.code == CM_OK);
        CHECK(r.text == "from the hook");
        CHECK(hook.calls >= 3);
        CHECK(hook.blocking_inside != 0);
    }
    TEST_CASE("async 5.3: FALSE gives control back: the blocking call is cancelled and returns 20 (A6)") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        const hooked with;
        hook.give_up_after = 2;
        CHECK(two.far.receive().code == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(hook.calls == 2);
        CHECK(two.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
    }
    TEST_CASE(
        "A6: the partner of a call that its hook gave up hears of a cancelled conversation; cmwait cancels nothing") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        {
            const hooked with;
            hook.give_up_after = 1;
            CHECK(two.far.receive().code == CM_PRODUCT_SPECIFIC_ERROR);
        }
        CHECK(two.near.receive().code == CM_DEALLOCATED_ABEND_SVC);
        ends kept;
        small_receive r;
        REQUIRE(r.issue(kept.far) == CM_OPERATION_INCOMPLETE);
        {
            const hooked with;
            hook.give_up_after = 1;
            CHECK(wait_any().code == CM_SYSTEM_EVENT);
        }
        kept.say("x");
        CHECK(wait_any().id == kept.far.id);
    }
    TEST_CASE("A6: a hook that gives up just when the call finishes neither hangs nor loses the result") {
        const running_unit unit;
        for (unsigned n = 0; n < 300; ++n) {
            ends two{CM_NONE, CM_BLOCKING};
            std::thread sender{[&] { (void)two.near.send("x", CM_SEND_AND_FLUSH); }};
            received r;
            {
                const hooked with;
                hook.give_up_after = 1 + n % 3;
                r = two.far.receive();
            }
            sender.join();
            CHECK((r.code == CM_PRODUCT_SPECIFIC_ERROR || (r.code == CM_OK && r.text == "x")));
            (void)two.near.cancel();
            if (r.code == CM_OK)
                CHECK(two.far.cancel() == CM_OK);
            else
                CHECK(two.far.cancel() == CM_PROGRAM_PARAMETER_CHECK);
        }
    }
    TEST_CASE("async 5.4: a hook belongs to its thread (A10)") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        const hooked with;
        std::thread{[&] {
            hook = {};
            std::thread sender{[&] { two.say("x"); }};
            CHECK(two.far.receive().text == "x");
            sender.join();
            CHECK(hook.calls == 0);
            const bool none = WinCPICSetBlockingHook(nullptr) == nullptr;
            CHECK(none);
        }}.join();
        CHECK(hook.calls == 0);
    }
    TEST_CASE("A10: WinCPICIsBlocking is per thread") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        const hooked with;
        static std::atomic<int> elsewhere;
        elsewhere = -1;
        static thread_local bool asked;
        asked = false;
        const bool replaced = WinCPICSetBlockingHook(as_hook([]() -> int {
                                  if (!asked) std::thread{[] { elsewhere = WinCPICIsBlocking(); }}.join();
                                  asked = true;
                                  return WinCPICIsBlocking() != 0 ? 0 : 1;
                              })) == &test_hook;
        CHECK(replaced);
        CHECK(two.far.receive().code == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(elsewhere == 0);
    }
    TEST_CASE(
        "async 5.5: inside the hook a second blocking call is 37, non-blocking calls on other conversations are not") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING}, other;
        const hooked with;
        hook.other = &other;
        hook.give_up_after = 2;
        CHECK(two.far.receive().code == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(hook.nested_wait == CM_OPERATION_NOT_ACCEPTED);
        CHECK(hook.nested_blocking == CM_OPERATION_NOT_ACCEPTED);
        CHECK(hook.nested_free == CM_OK);
    }
    TEST_CASE("async 5.6: a hook can be replaced, and unhooked from inside") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        hook = {};
        const bool first = WinCPICSetBlockingHook(&test_hook) == nullptr;
        CHECK(first);
        static std::atomic<unsigned> calls;
        calls = 0;
        const bool replaced = WinCPICSetBlockingHook(as_hook([]() -> int {
                                  ++calls;
                                  (void)WinCPICUnhookBlockingHook();
                                  return 1;
                              })) == &test_hook;
        CHECK(replaced);
        std::thread sender{[&] { two.say("x"); }};
        CHECK(two.far.receive().text == "x");
        sender.join();
        CHECK(calls <= 1);
        CHECK(hook.calls == 0);
        (void)WinCPICUnhookBlockingHook();
    }
    TEST_CASE("async 5.7: progress does not depend on what the hook does") {
        clq_options o{};
        o.no_threads = 1;
        const running_unit unit{o};
        ends two{CM_CONFIRM, CM_BLOCKING};
        std::thread partner{[&] {
            CHECK(two.far.receive().status == CM_CONFIRM_RECEIVED);
            CHECK(two.far.confirmed() == CM_OK);
        }};
        const hooked with;
        CHECK(two.near.confirm() == CM_OK);
        partner.join();
    }

    TEST_CASE("async 6.1: the Receive's buffer is filled by its completion and not touched after cmcanc has returned") {
        const running_unit unit;
        for (int n = 0; n < 300; ++n) {
            ends two;
            auto r = std::make_unique<small_receive>();
            REQUIRE(r->issue(two.far) == CM_OPERATION_INCOMPLETE);
            std::thread sender{[&] { (void)two.near.send("late data", CM_SEND_AND_FLUSH); }};
            REQUIRE(two.far.cancel() == CM_OK);
            // From here on it is the program's again; a later write is a race for the sanitizers, and is seen here too.
            r->buffer.fill('#');
            r->length = r->data = r->status = r->rts = 77;
            sender.join();
            (void)two.near.cancel();
            bool untouched = r->length == 77 && r->data == 77 && r->status == 77 && r->rts == 77;
            for (const char c : r->buffer) untouched = untouched && c == '#';
            CHECK(untouched);
        }
    }
    TEST_CASE("async 6.2: a Send_Data that answered 0 is free of its buffer at once") {
        const running_unit unit;
        ends two;
        std::string text = "original";
        REQUIRE(two.near.send(text) == CM_OK);
        text.assign(text.size(), '!');
        REQUIRE(two.near.flush() == CM_OK);
        small_receive r;
        if (r.issue(two.far) == CM_OPERATION_INCOMPLETE) REQUIRE(wait_any().result == CM_OK);
        CHECK(r.text() == "original");
    }
    TEST_CASE("async 6.3: request_to_send_received of a pending call is written by its completion") {
        const running_unit unit;
        ends two{CM_CONFIRM};
        REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        REQUIRE(two.near.confirm() == CM_OPERATION_INCOMPLETE);
        small_receive r;
        collector all;
        if (r.issue(two.far) == CM_OPERATION_INCOMPLETE) REQUIRE(all.wait_for(two.far.id) == CM_OK);
        REQUIRE(r.status == CM_CONFIRM_RECEIVED);
        REQUIRE(two.far.request_to_send() == CM_OK);
        REQUIRE(two.far.confirmed() == CM_OK);
        CHECK(all.wait_for(two.near.id) == CM_OK);
        CHECK(two.near.rts == CM_REQ_TO_SEND_RECEIVED);
    }
    TEST_CASE(
        "async 6.4: in window mode lParam is the pointer that the call was given, also after the conversation's end") {
        const running_unit unit;
        ends two;
        const window w;
        w.use();
        auto kept = std::make_unique<id_bytes>(two.far.id);
        small_receive r;
        cmrcv(kept->data(), r.buffer.data(), &r.wanted, &r.data, &r.length, &r.status, &r.rts, &r.code);
        REQUIRE(r.code == CM_OPERATION_INCOMPLETE);
        REQUIRE(two.far.cancel() == CM_OK);
        const clq_message m = window::next();
        CHECK(m.lParam == reinterpret_cast<clq_lparam>(kept->data()));
        CHECK(*kept == two.far.id);
    }
    TEST_CASE("async 6.5: the library writes Accept's ID at the 35, not later") {
        const running_unit unit;
        serve_tp("TP");
        talk b;
        REQUIRE(b.accept() == CM_OPERATION_INCOMPLETE);
        const id_bytes real = b.id;
        b.id.fill(0xEE);
        talk a;
        a.begin("inproc/TP");
        REQUIRE(a.flush() == CM_OK);
        CHECK(wait_any().id == real);
        for (const unsigned char byte : b.id) CHECK(byte == 0xEE);
    }
    TEST_CASE("async 6.6: return_code is never written after the call has returned") {
        const running_unit unit;
        ends two;
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        r.code = -99;
        two.say("x");
        CHECK(wait_any().result == CM_OK);
        CHECK(r.code == -99);
        CM_INT32 rc = -1;
        clq_set_time_limit(two.far.id.data(), 0, &rc);
        CHECK(rc == CM_OK);
    }
    TEST_CASE("async 6.7: names are copied by the Set_ call") {
        const running_unit unit;
        serve_tp("TP");
        talk a;
        REQUIRE(a.init() == CM_OK);
        std::string where = "inproc/TP";
        REQUIRE(a.destination(where) == CM_OK);
        where.assign(where.size(), '?');
        std::string name = "TP";
        const auto length = static_cast<CM_INT32>(name.size());
        REQUIRE(a.call(cmstpn, static_cast<const void*>(name.data()), &length) == CM_OK);
        name = "??";
        REQUIRE(a.allocate() == CM_OK);
        REQUIRE(a.flush() == CM_OK);
        talk b;
        collector all;
        b.accept(all);
        CHECK(b.state() == CM_RECEIVE_STATE);
    }

    TEST_CASE("async 7.1: cmwait ignores operations that report by window") {
        const running_unit unit;
        ends by_window, waited;
        small_receive r1, r2;
        REQUIRE(r2.issue(waited.far) == CM_OPERATION_INCOMPLETE);
        const window w;
        w.use();
        REQUIRE(r1.issue(by_window.far) == CM_OPERATION_INCOMPLETE);
        by_window.say("x");
        (void)window::next();
        waited.say("x");
        CHECK(wait_any().id == waited.far.id);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE("async 7.2: an event without cmwait leaves the conversation busy") {
        const running_unit unit;
        ends two;
        const event e{true};
        REQUIRE(set_event(two.far, e.handle) == CM_OK);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("x");
        e.wait();
        CHECK(two.far.flush() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.far.flush() == CM_OPERATION_NOT_ACCEPTED);
    }
    TEST_CASE("async 7.3: a window changed while operations are pending: the destination is read at completion") {
        const running_unit unit;
        ends two;
        const window first;
        first.use();
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        const window second;
        second.use();
        two.say("x");
        CHECK(window::next().hwnd == second.handle);
        CHECK(window::none_now());
    }
    TEST_CASE("async 7.4: two threads on one conversation: the second gets 37 even if both block (A7)") {
        const running_unit unit;
        ends two{CM_CONFIRM, CM_BLOCKING};
        REQUIRE(two.near.set(cmspm, CM_BLOCKING) == CM_OK);
        CM_INT32 first = -1;
        std::thread blocked{[&] { first = two.near.confirm(); }};
        REQUIRE(two.far.receive().status == CM_CONFIRM_RECEIVED);  // so the other is inside its call
        CHECK(two.near.flush() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.receive().code == CM_OPERATION_NOT_ACCEPTED);
        REQUIRE(two.far.confirmed() == CM_OK);
        blocked.join();
        CHECK(first == CM_OK);
    }
    TEST_CASE("A7: a blocking Receive does not let the calls of the list through: 37, except Cancel") {
        const running_unit unit;
        ends two{CM_CONFIRM, CM_BLOCKING};
        REQUIRE(two.near.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
        received r;
        std::thread blocked{[&] { r = two.near.receive(); }};
        REQUIRE(two.far.receive().status == CM_SEND_RECEIVED);  // the Receive gave the turn, so it is inside
        CHECK(two.near.request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.test_request_to_send() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.send_error() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.deallocate() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(two.near.cancel() == CM_OK);
        blocked.join();
        CHECK(r.code == CM_DEALLOCATED_ABEND);
    }
    TEST_CASE("async 7.5: Cancel from a second thread is always legal") {
        const running_unit unit;
        for (int n = 0; n < 200; ++n) {
            ends two{CM_NONE, CM_BLOCKING};
            received r;
            std::thread blocked{[&] { r = two.far.receive(); }};
            CHECK(two.far.cancel() == CM_OK);
            blocked.join();
            // Before it, the Receive is cancelled; behind it there is no conversation; in between another thread has
            // it.
            CHECK((r.code == CM_DEALLOCATED_ABEND || r.code == CM_PROGRAM_PARAMETER_CHECK ||
                   r.code == CM_OPERATION_NOT_ACCEPTED));
            (void)two.near.cancel();
        }
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("async 7.5: Cancel races with the completion of a blocked call, and neither hangs") {
        const running_unit unit;
        for (int n = 0; n < 300; ++n) {
            ends two{CM_NONE, CM_BLOCKING};
            received r;
            std::thread blocked{[&] { r = two.far.receive(); }};
            std::thread sender{[&] { (void)two.near.send("x", CM_SEND_AND_FLUSH); }};
            CHECK(two.far.cancel() == CM_OK);
            blocked.join();
            sender.join();
            CHECK((r.code == CM_DEALLOCATED_ABEND || r.code == CM_PROGRAM_PARAMETER_CHECK || r.code == CM_OK ||
                   r.code == CM_OPERATION_NOT_ACCEPTED));
            (void)two.near.cancel();
        }
        CHECK(running_unit::conversations_open() == 0);
    }
    TEST_CASE("output: what a program puts off in the middle of a batch leaves although it never calls again") {
        const running_unit unit;
        serve_tp("TP");
        callers c{2};
        collector all;
        std::vector<answerer> a(2);
        SUBCASE("by cmwait") {
            for (answerer& one : a) {
                one.accept(all);
                REQUIRE(one.asked.issue(one.far) == CM_OPERATION_INCOMPLETE);
            }
            c.ask();
            (a[0].far.id == wait_any().id ? a[0] : a[1]).answer();
        }
        SUBCASE("behind an event") {
            const event e{false};
            for (answerer& one : a) {
                one.accept(all);
                REQUIRE(set_event(one.far, e.handle) == CM_OK);
                REQUIRE(one.asked.issue(one.far) == CM_OPERATION_INCOMPLETE);
            }
            c.ask();
            e.wait();
            REQUIRE(check_any().code == CM_OK);
            (a[0].far.id == wait_any().id ? a[0] : a[1]).answer();
        }
        SUBCASE("by cmwcmp") {
            for (answerer& one : a) {
                one.accept_at_queue_level(all);
                REQUIRE(one.asked.issue(one.far) == CM_OPERATION_INCOMPLETE);
            }
            c.ask();
            a[finished_of({a[0].number, a[1].number})[0]].answer();
        }
        SUBCASE("by Accept") {
            c.ask();
            a[0].accept(all);
            if (a[0].asked.issue(a[0].far) == CM_OPERATION_INCOMPLETE) CHECK(wait_any().id == a[0].far.id);
            a[0].answer();
        }
        c.heard.times.wait_for(1);  // this thread is in no call, and no other of the program's is
        (void)clq_stop(2'000);      // the other caller is told while it is there
    }
    TEST_CASE("output: answers of one batch leave in one write, and a host's loop is told of those put off") {
        clq_options o{};
        o.no_threads = 1;
        const running_unit unit{o};
        constexpr std::size_t n = 8;
        serve_tp("TP");
        REQUIRE(clq_wait_handle() != CLQ_NO_HANDLE);
        callers c{n};
        collector all;
        std::vector<answerer> a(n);
        std::size_t answered = 0;
        unsigned long long before = 0;
        const auto look = [] {
            for (int i = 0; i < 4; ++i) {
                (void)clq_next_timeout_ns();
                (void)clq_dispatch();
            }
        };
        // All that was answered so far is put off, and the loop knows.
        const auto answer = [&](answerer& one) {
            if (answered++ == 0) before = clq_counter("writes");
            one.answer();
            if (answered == n) return;
            CHECK(clq_counter("writes") == before);
            CHECK(clq_next_timeout_ns() == 0);
        };
        SUBCASE("by cmwait, after a look") {
            for (answerer& one : a) {
                one.accept(all);
                REQUIRE(one.asked.issue(one.far) == CM_OPERATION_INCOMPLETE);
            }
            c.ask();
            look();
            while (answered < n) {
                REQUIRE(check_any().code == CM_OK);
                const completion done = wait_any();
                for (answerer& one : a)
                    if (one.far.id == done.id) answer(one);
            }
        }
        SUBCASE("by cmwcmp") {
            std::vector<CM_OOID> list;
            for (answerer& one : a) {
                one.accept_at_queue_level(all);
                list.push_back(one.number);
                REQUIRE(one.asked.issue(one.far) == CM_OPERATION_INCOMPLETE);
            }
            c.ask();
            look();
            const std::vector<std::size_t> done = finished_of(list);
            REQUIRE(done.size() == n);
            for (const std::size_t i : done) answer(a[i]);
        }
        SUBCASE("by Accept") {
            c.ask();
            look();
            for (answerer& one : a) {
                REQUIRE(one.far.accept() == CM_OK);
                REQUIRE(one.asked.issue(one.far) == CM_OK);
                answer(one);
            }
        }
        CHECK(answered == n);
        CHECK(clq_counter("writes") == before + 1);
        look();
        CHECK(c.heard.times.count() == n);
    }
}
