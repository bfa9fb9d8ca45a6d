// Queue-level processing: Set_Queue_Processing_Mode, Set_Queue_Callback_Function, Wait_For_Completion and
// clq_set_queue_callback, rule by rule (docs/async-rules.md), and with many conversations at once.
//
// COLLOQUY_QUEUE_CONVERSATIONS   how many in the scale case (5000; up to 100000)
#include <algorithm>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <set>

#include "tests/async/async.hpp"

using namespace colloquy::test;

namespace {

constexpr const char* no_field = "00000000";

CM_INT32 set_mode(const talk& t, CM_INT32 queue, CM_INT32 mode, CM_OOID& number, const char* field = no_field) {
    CM_INT32 rc = -1;
    cmsqpm(t.id.data(), &queue, &mode, field, &number, &rc);
    return rc;
}
// The queue does not block from now on.
CM_OOID open_queue(const talk& t, CM_INT32 queue, const char* field = no_field) {
    CM_OOID number = 0;
    REQUIRE(set_mode(t, queue, CM_NON_BLOCKING, number, field) == CM_OK);
    CHECK(number > 0);
    return number;
}
CM_INT32 set_function(const talk& t, CM_INT32 queue, clq_queue_function f, const char* field) {
    CM_INT32 rc = -1;
    cmsqcf(t.id.data(), &queue, reinterpret_cast<void*>(f), field, &rc);
    return rc;
}
CM_INT32 set_queue_callback(const talk& t, CM_INT32 queue, clq_callback f, void* user) {
    CM_INT32 rc = -1;
    clq_set_queue_callback(t.id.data(), queue, f, user, &rc);
    return rc;
}

struct waited {
    CM_INT32 code = -1;
    std::vector<CM_INT32> places;
    std::vector<std::string> fields;
};
waited wait_among(const std::vector<CM_OOID>& list, CM_INT32 timeout = -1) {
    waited w;
    const auto count = static_cast<CM_INT32>(list.size());
    CM_INT32 found = -1;
    std::string fields(list.size() * 8, '?');
    w.places.resize(list.size());
    cmwcmp(list.data(), &count, &timeout, w.places.data(), &found, fields.data(), &w.code);
    w.places.resize(w.code == CM_OK ? static_cast<std::size_t>(found) : 0);
    for (std::size_t i = 0; i < w.places.size(); ++i) w.fields.push_back(fields.substr(i * 8, 8));
    return w;
}
// One has finished, and it is this one.
void check_one(const std::vector<CM_OOID>& list, CM_INT32 place, CM_INT32 timeout = -1) {
    const waited w = wait_among(list, timeout);
    CHECK(w.code == CM_OK);
    REQUIRE(w.places.size() == 1);
    CHECK(w.places[0] == place);
}

// Calls whose return code variable belongs to the operation.
struct kept_receive : small_receive {
    CM_INT32 issue(const talk& t) {
        data = length = status = rts = code = -1;
        cmrcv(t.id.data(), buffer.data(), &wanted, &data, &length, &status, &rts, &code);
        return code;
    }
};
struct kept_expedited {
    std::array<char, 86> buffer{};
    CM_INT32 length = -1, info = -1, code = -1;
    CM_INT32 receive(const talk& t) {
        const CM_INT32 most = 86, type = CM_RECEIVE_AND_WAIT;
        cmrcvx(t.id.data(), buffer.data(), &most, &length, &info, &type, &code);
        return code;
    }
    CM_INT32 send(const talk& t, std::string_view text) {
        length = static_cast<CM_INT32>(std::min(text.size(), buffer.size()));
        std::memcpy(buffer.data(), text.data(), static_cast<std::size_t>(length));
        cmsndx(t.id.data(), buffer.data(), &length, &info, &code);
        return code;
    }
    [[nodiscard]] std::string_view text() const { return {buffer.data(), static_cast<std::size_t>(length)}; }
};
CM_INT32 send_expedited(const talk& t, std::string_view text) { return kept_expedited{}.send(t, text); }

// Two ends in this process that block, of either mode.
struct pair_of_ends {
    talk near, far;
    explicit pair_of_ends(CM_INT32 mode = CM_HALF_DUPLEX, const std::string& where = "inproc/TP") {
        serve_tp("TP");
        near.prepare(where);
        REQUIRE(near.set(cmssrm, mode) == CM_OK);
        REQUIRE(near.allocate() == CM_OK);
        REQUIRE(near.flush() == CM_OK);
        collector all;
        far.accept(all);
    }
    void say(std::string_view text) { REQUIRE(near.send(text, CM_SEND_AND_FLUSH) == CM_OK); }
};

// What became of the call, or minus the code of a refusal.
CM_INT32 give_up(const talk& t, CM_INT32 queue, const void* id_memory = nullptr) {
    CM_INT32 outcome = -1, rc = -1;
    clq_abandon_call(t.id.data(), queue, id_memory, &outcome, nullptr, &rc);
    return rc == CM_OK ? outcome : -rc;
}
CM_INT32 set_queue_limit(const talk& t, CM_INT32 queue, unsigned ms) {
    CM_INT32 rc = -1;
    clq_set_queue_time_limit(t.id.data(), queue, ms, &rc);
    return rc;
}

// What functions of either kind were told.
struct heard {
    std::mutex mutex;
    tally times;
    std::vector<CM_INT32> calls, codes;
    std::vector<std::string> fields;
    std::vector<void*> memory;

    void add(CM_INT32 call, CM_INT32 code, std::string field, void* where) {
        {
            const std::lock_guard held{mutex};
            calls.push_back(call);
            codes.push_back(code);
            fields.push_back(std::move(field));
            memory.push_back(where);
        }
        times.add();  // last: all this may go once the last one is counted
    }
};
heard* listener = nullptr;  // of told_function, which has no other way
void COLLOQUY_CALL told_function(void* field, const CM_INT32* call, const CM_INT32* code) {
    listener->add(*call, *code, std::string(static_cast<const char*>(field), 8), nullptr);
}
void COLLOQUY_CALL told_callback(void* user, const clq_completion* c) {
    static_cast<heard*>(user)->add(0, c->return_code, {}, c->id_memory);
}

unsigned conversations() {
    const char* const wanted = std::getenv("COLLOQUY_QUEUE_CONVERSATIONS");
    return wanted == nullptr
               ? 5'000U
               : std::clamp<unsigned>(static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)), 1U, 100'000U);
}

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("async 8.1: what answers 35 completes with its return code, its user field and its place in the list") {
        const running_unit unit;
        pair_of_ends e;
        const CM_OOID number = open_queue(e.far, CM_SEND_RECEIVE_QUEUE, "the user");
        kept_receive r;
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        kept_receive second;
        CHECK(second.issue(e.far) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(e.far.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(e.far.state() == CM_RECEIVE_STATE);
        CHECK(wait_among({number}, 0).code == CM_UNSUCCESSFUL);
        CHECK(wait_among({number}, 20).code == CM_UNSUCCESSFUL);
        CHECK(r.code == CM_OPERATION_INCOMPLETE);
        REQUIRE(e.near.send("hello") == CM_OK);
        e.say("at once");
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        const waited w = wait_among({number, number});
        CHECK(w.code == CM_OK);
        REQUIRE(w.places.size() == 1);
        CHECK(w.places[0] == 1);
        CHECK(w.fields[0] == "the user");
        CHECK(r.code == CM_OK);
        CHECK(r.text() == "hello");
        CHECK(wait_among({number}).code == CM_PROGRAM_STATE_CHECK);
        // Done at once: nothing is outstanding, and the next operation has the same number.
        CM_OOID again = 0;
        CHECK(r.issue(e.far) == CM_OK);
        CHECK(r.text() == "at once");
        CHECK(wait_among({number}, 0).code == CM_PROGRAM_STATE_CHECK);
        CHECK(set_mode(e.far, CM_SEND_RECEIVE_QUEUE, CM_NON_BLOCKING, again, "another!") == CM_OK);
        CHECK(again == number);
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        // Busy until it is collected, although it has completed.
        e.say("more");
        CHECK(second.issue(e.far) == CM_OPERATION_NOT_ACCEPTED);
        CHECK(set_mode(e.far, CM_SEND_RECEIVE_QUEUE, CM_BLOCKING, again) == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_among({number}).fields.at(0) == "another!");
        CHECK(r.text() == "more");
        CHECK(set_mode(e.far, CM_SEND_RECEIVE_QUEUE, CM_BLOCKING, again) == CM_OK);
        e.say("blocking");
        CHECK(e.far.receive().text == "blocking");
        CHECK(e.near.deallocate() == CM_OK);
        CHECK(e.far.receive().code == CM_DEALLOCATED_NORMAL);
        CHECK(wait_among({number}).code == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("async 8.2: the queues of a full-duplex conversation go on beside each other, one operation each") {
        for (const unsigned reactors : {0U, 1U}) {
            clq_options o = listening_options();
            o.reactors = reactors;
            const running_unit unit{o};
            pair_of_ends e{CM_FULL_DUPLEX, running_unit::address() + "/TP"};
            const CM_OOID send = open_queue(e.far, CM_SEND_QUEUE), receive = open_queue(e.far, CM_RECEIVE_QUEUE),
                          send_x = open_queue(e.far, CM_EXPEDITED_SEND_QUEUE),
                          receive_x = open_queue(e.far, CM_EXPEDITED_RECEIVE_QUEUE);
            const std::vector<CM_OOID> all{send, receive, send_x, receive_x};
            CHECK(std::set<CM_OOID>(all.begin(), all.end()).size() == 4);

            // The partner reads nothing: Send_Data waits for credit in the end.
            const std::string much(32'000, 'm');
            const auto length = static_cast<CM_INT32>(much.size());
            CM_INT32 info = -1, code = CM_OK;
            CHECK(e.far.set(cmsst, CM_SEND_AND_FLUSH) == CM_OK);
            unsigned sent = 0;
            for (; code == CM_OK; ++sent) cmsend(e.far.id.data(), much.data(), &length, &info, &code);
            CHECK(code == CM_OPERATION_INCOMPLETE);
            kept_receive r;
            kept_expedited sx, rx;
            CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
            CHECK(rx.receive(e.far) == CM_OPERATION_INCOMPLETE);
            CHECK(sx.send(e.far, "one") == CM_OK);
            CHECK(sx.send(e.far, "two") == CM_OPERATION_INCOMPLETE);
            {
                kept_receive r2;
                kept_expedited sx2, rx2;
                CHECK(r2.issue(e.far) == CM_OPERATION_NOT_ACCEPTED);
                CHECK(sx2.send(e.far, "x") == CM_OPERATION_NOT_ACCEPTED);
                CHECK(rx2.receive(e.far) == CM_OPERATION_NOT_ACCEPTED);
                CHECK(e.far.flush() == CM_OPERATION_NOT_ACCEPTED);
                CHECK(e.far.deallocate() == CM_OPERATION_NOT_ACCEPTED);
                CHECK(e.far.set(cmsst, CM_BUFFER_DATA) == CM_OPERATION_NOT_ACCEPTED);
                CHECK(e.far.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OPERATION_NOT_ACCEPTED);
                CHECK(e.far.state() == CM_SEND_RECEIVE_STATE);
            }
            CHECK(wait_among(all, 0).code == CM_UNSUCCESSFUL);
            // Each ends by itself.
            e.say("data");
            check_one(all, 2);
            CHECK(r.text() == "data");
            CHECK(send_expedited(e.near, "fast") == CM_OK);
            check_one(all, 4);
            CHECK(rx.code == CM_OK);
            CHECK(rx.text() == "fast");
            kept_expedited theirs;
            CHECK(theirs.receive(e.near) == CM_OK);
            CHECK(theirs.text() == "one");
            check_one(all, 3);
            CHECK(sx.code == CM_OK);
            CHECK(theirs.receive(e.near) == CM_OK);
            CHECK(theirs.text() == "two");
            CHECK(code == CM_OPERATION_INCOMPLETE);
            for (unsigned i = 0; i < sent; ++i) CHECK(e.near.receive().text == much);
            check_one(all, 1);
            CHECK(code == CM_OK);
            CHECK(e.far.cancel() == CM_OK);
            CHECK(e.near.cancel() == CM_OK);
        }
    }

    TEST_CASE("async 8.3: a level once chosen stays: 25 the other way round, for events, sinks and cmspm") {
        const running_unit unit;
        pair_of_ends e;
        CM_OOID number = 0;
        REQUIRE(e.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        CHECK(set_mode(e.near, CM_SEND_RECEIVE_QUEUE, CM_NON_BLOCKING, number) == CM_PROGRAM_STATE_CHECK);
        REQUIRE(e.near.set(cmspm, CM_BLOCKING) == CM_OK);
        CHECK(set_mode(e.near, CM_SEND_RECEIVE_QUEUE, CM_NON_BLOCKING, number) == CM_PROGRAM_STATE_CHECK);
        CHECK(set_function(e.near, CM_SEND_RECEIVE_QUEUE, &told_function, no_field) == CM_PROGRAM_STATE_CHECK);
        CHECK(set_queue_callback(e.near, CM_SEND_RECEIVE_QUEUE, &told_callback, nullptr) == CM_PROGRAM_STATE_CHECK);
        CHECK(number == 0);

        // Blocking as a whole is what holds anyway, and chooses nothing.
        REQUIRE(e.far.set(cmspm, CM_BLOCKING) == CM_OK);
        told t;
        const event mine{true};
        REQUIRE(set_event(e.far, mine.handle) == CM_OK);
        CHECK(set_mode(e.far, CM_SEND_RECEIVE_QUEUE, CM_NON_BLOCKING, number) == CM_PROGRAM_STATE_CHECK);
        REQUIRE(set_event(e.far, nullptr) == CM_OK);
        number = open_queue(e.far, CM_SEND_RECEIVE_QUEUE);
        CHECK(e.far.set(cmspm, CM_NON_BLOCKING) == CM_PROGRAM_STATE_CHECK);
        CHECK(e.far.set(cmspm, CM_BLOCKING) == CM_PROGRAM_STATE_CHECK);
        CHECK(set_event(e.far, mine.handle) == CM_PROGRAM_STATE_CHECK);
        CHECK(set_sink(&e.far, &told::sink, &t) == CM_PROGRAM_STATE_CHECK);
        CHECK(set_callback(&e.far, &told::callback, &t) == CM_PROGRAM_STATE_CHECK);
        // The process's sink is for other conversations.
        REQUIRE(set_sink(nullptr, &told::sink, &t) == CM_OK);
        kept_receive r;
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        CHECK(e.far.set(cmspm, CM_BLOCKING) == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(e.near.send("x", CM_SEND_AND_FLUSH) == CM_OK);
        check_one({number}, 1);
        CHECK(t.times.count() == 0);
        REQUIRE(set_sink(nullptr, nullptr, nullptr) == CM_OK);
        // Queues that were not set block.
        CHECK(send_expedited(e.near, "fast") == CM_OK);
        kept_expedited x;
        CHECK(x.receive(e.far) == CM_OK);
        // Full duplex is nonblocking by its queues alone.
        talk d;
        d.prepare("inproc/TP");
        REQUIRE(d.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
        CHECK(d.set(cmspm, CM_NON_BLOCKING) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(open_queue(d, CM_RECEIVE_QUEUE) > 0);
        CHECK(d.set(cmssrm, CM_HALF_DUPLEX) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(d.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
        for (talk* each : {&e.near, &e.far, &d}) CHECK(each->cancel() == CM_OK);
    }

    TEST_CASE("async 8.4: which queue can be set in which state, and what is refused") {
        const running_unit unit;
        serve_tp("TP");
        talk t;
        t.prepare("inproc/NOBODY");
        CM_OOID n = -7;
        const auto code = [&](CM_INT32 queue) {
            const CM_INT32 rc = set_mode(t, queue, CM_NON_BLOCKING, n);
            const CM_INT32 by_function = set_function(t, queue, &told_function, no_field);
            const CM_INT32 by_callback = set_queue_callback(t, queue, &told_callback, nullptr);
            CHECK(by_function == rc);
            CHECK(by_callback == rc);
            return rc;
        };
        constexpr CM_INT32 bad = CM_PROGRAM_PARAMETER_CHECK, state = CM_PROGRAM_STATE_CHECK;
        for (const CM_INT32 queue : {-1, 6, INT_MAX, INT_MIN}) CHECK(code(queue) == bad);
        CHECK(code(CM_SEND_QUEUE) == bad);
        CHECK(code(CM_RECEIVE_QUEUE) == bad);
        CHECK(n == -7);
        // Pointers and values.
        CM_INT32 queue = CM_SEND_RECEIVE_QUEUE, mode = CM_NON_BLOCKING, rc = -1;
        cmsqpm(nullptr, &queue, &mode, no_field, &n, &rc);
        CHECK(rc == bad);
        cmsqpm(t.id.data(), nullptr, &mode, no_field, &n, &rc);
        CHECK(rc == bad);
        cmsqpm(t.id.data(), &queue, nullptr, no_field, &n, &rc);
        CHECK(rc == bad);
        cmsqpm(t.id.data(), &queue, &mode, nullptr, &n, &rc);
        CHECK(rc == bad);
        cmsqpm(t.id.data(), &queue, &mode, no_field, nullptr, &rc);
        CHECK(rc == bad);
        cmsqpm(t.id.data(), &queue, &mode, no_field, &n, nullptr);
        CHECK(set_mode(t, queue, 2, n) == bad);
        CHECK(set_function(t, queue, nullptr, no_field) == bad);
        CHECK(set_function(t, queue, &told_function, nullptr) == bad);
        cmsqcf(t.id.data(), nullptr, reinterpret_cast<void*>(&told_function), no_field, &rc);
        CHECK(rc == bad);
        cmsqcf(t.id.data(), &queue, reinterpret_cast<void*>(&told_function), no_field, nullptr);
        clq_set_queue_callback(nullptr, queue, &told_callback, nullptr, &rc);
        CHECK(rc == bad);
        clq_set_queue_callback(t.id.data(), queue, &told_callback, nullptr, nullptr);
        // None of it has chosen a level; taking away what was not there does not either.
        CHECK(set_queue_callback(t, queue, nullptr, nullptr) == CM_OK);
        CHECK(t.set(cmspm, CM_BLOCKING) == CM_OK);
        // INITIALIZE: all of its mode.
        for (const CM_INT32 each :
             {CM_INITIALIZATION_QUEUE, CM_SEND_RECEIVE_QUEUE, CM_EXPEDITED_SEND_QUEUE, CM_EXPEDITED_RECEIVE_QUEUE})
            CHECK(code(each) == CM_OK);
        CHECK(t.set(cmssrm, CM_FULL_DUPLEX) == bad);
        CHECK(set_mode(t, CM_INITIALIZATION_QUEUE, CM_BLOCKING, n) == CM_OK);
        REQUIRE(t.allocate() == CM_OK);
        CHECK(code(CM_INITIALIZATION_QUEUE) == state);
        CHECK(code(CM_EXPEDITED_SEND_QUEUE) == CM_OK);
        CHECK(t.cancel() == CM_OK);
        CHECK(code(CM_SEND_RECEIVE_QUEUE) == bad);
        // INITIALIZE_INCOMING: the initialization queue alone.
        cminic(t.id.data(), &rc);
        REQUIRE(rc == CM_OK);
        for (const CM_INT32 each : {CM_SEND_QUEUE, CM_SEND_RECEIVE_QUEUE, CM_EXPEDITED_RECEIVE_QUEUE})
            CHECK(code(each) == state);
        CHECK(code(CM_INITIALIZATION_QUEUE) == CM_OK);
        CHECK(t.cancel() == CM_OK);
        // An ID that Accept_Conversation has given out, and that has no conversation yet.
        CHECK(t.accept() == CM_OPERATION_INCOMPLETE);
        CHECK(code(CM_INITIALIZATION_QUEUE) == state);
        CHECK(t.cancel() == CM_OK);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE(
        "async 8.5: Wait_For_Completion refuses dead, stale, null and impossible OOIDs, and other bad arguments") {
        constexpr CM_INT32 bad = CM_PROGRAM_PARAMETER_CHECK;
        CHECK(wait_among({1}, 0).code == bad);  // nothing runs
        const running_unit unit;
        pair_of_ends e;
        const CM_OOID number = open_queue(e.far, CM_SEND_RECEIVE_QUEUE);
        kept_receive r;
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        for (const CM_OOID wrong :
             {CM_OOID{0}, CM_OOID{-1}, CM_OOID{INT_MIN}, CM_OOID{INT_MAX}, number + 1, number + 4096})
            CHECK(wait_among({number, wrong}).code == bad);
        // A bad list collects nothing.
        e.say("x");
        CHECK(wait_among({number, 0}).code == bad);
        CHECK(r.code == CM_OPERATION_INCOMPLETE);
        CM_INT32 count = 1, timeout = 0, place = 0, found = 0, rc = -1;
        std::array<char, 8> field{};
        const auto call = [&] {
            cmwcmp(&number, &count, &timeout, &place, &found, field.data(), &rc);
            return rc;
        };
        for (const CM_INT32 wrong : {0, -1, INT_MIN}) {
            count = wrong;
            CHECK(call() == bad);
        }
        count = 1;
        for (const CM_INT32 wrong : {-2, INT_MIN}) {
            timeout = wrong;
            CHECK(call() == bad);
        }
        timeout = 0;
        cmwcmp(nullptr, &count, &timeout, &place, &found, field.data(), &rc);
        CHECK(rc == bad);
        cmwcmp(&number, nullptr, &timeout, &place, &found, field.data(), &rc);
        CHECK(rc == bad);
        cmwcmp(&number, &count, nullptr, &place, &found, field.data(), &rc);
        CHECK(rc == bad);
        cmwcmp(&number, &count, &timeout, nullptr, &found, field.data(), &rc);
        CHECK(rc == bad);
        cmwcmp(&number, &count, &timeout, &place, nullptr, field.data(), &rc);
        CHECK(rc == bad);
        cmwcmp(&number, &count, &timeout, &place, &found, nullptr, &rc);
        CHECK(rc == bad);
        cmwcmp(&number, &count, &timeout, &place, &found, field.data(), nullptr);
        timeout = -1;
        CHECK(call() == CM_OK);
        CHECK(found == 1);
        // Its conversation is over, and another stands in its place.
        CHECK(e.far.cancel() == CM_OK);
        CHECK(wait_among({number}).code == bad);
        std::set<CM_OOID> all{number};
        for (int i = 0; i < 300; ++i) {
            talk t;
            REQUIRE(t.init() == CM_OK);
            CHECK(all.insert(open_queue(t, CM_SEND_RECEIVE_QUEUE)).second);
            CHECK(t.cancel() == CM_OK);
            CHECK(wait_among({number}, 0).code == bad);
        }
        CHECK(e.near.cancel() == CM_OK);
    }

    TEST_CASE("async 8.6: all that have finished are returned together; unused OOIDs are passed over") {
        clq_options o{};
        o.no_threads = 1;  // so that this thread alone brings what it sends
        const running_unit unit{o};
        constexpr std::size_t n = 20;
        std::vector<talk> near(n), far(n);
        std::vector<kept_receive> r(n);
        std::vector<CM_OOID> list;
        serve_tp("TP");
        collector all;
        for (std::size_t i = 0; i < n; ++i) {
            near[i].begin("inproc/TP");
            REQUIRE(near[i].flush() == CM_OK);
            far[i].accept(all);
            const std::string field = "field " + std::to_string(10 + i);
            list.push_back(open_queue(far[i], CM_SEND_RECEIVE_QUEUE, field.c_str()));
            if (i % 2 == 0) CHECK(r[i].issue(far[i]) == CM_OPERATION_INCOMPLETE);
        }
        for (std::size_t i = 0; i < n; ++i) REQUIRE(near[i].send("x", CM_SEND_AND_FLUSH) == CM_OK);
        std::set<CM_INT32> places;
        while (places.size() < n / 2) {
            const waited w = wait_among(list);
            REQUIRE(w.code == CM_OK);
            CHECK(w.places.size() == n / 2);
            for (std::size_t i = 0; i < w.places.size(); ++i) {
                CHECK(places.insert(w.places[i]).second);
                CHECK(w.places[i] % 2 == 1);
                CHECK(w.fields[i] == "field " + std::to_string(9 + w.places[i]));
                CHECK(r[static_cast<std::size_t>(w.places[i]) - 1].code == CM_OK);
            }
        }
        CHECK(wait_among(list).code == CM_PROGRAM_STATE_CHECK);
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(near[i].cancel() == CM_OK);
            CHECK(far[i].cancel() == CM_OK);
        }
    }

    TEST_CASE("async 8.7: a callback gets user field, call and code; it may issue the next; the last setting holds") {
        const running_unit unit;
        pair_of_ends e;
        heard h;
        listener = &h;
        REQUIRE(set_function(e.far, CM_SEND_RECEIVE_QUEUE, &told_function, "by call!") == CM_OK);
        REQUIRE(set_queue_callback(e.far, CM_EXPEDITED_RECEIVE_QUEUE, &told_callback, &h) == CM_OK);
        const id_bytes copy = e.far.id;
        kept_receive r;
        kept_expedited x;
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        const CM_INT32 most = 86, type = CM_RECEIVE_AND_WAIT;
        cmrcvx(copy.data(), x.buffer.data(), &most, &x.length, &x.info, &type, &x.code);
        CHECK(x.code == CM_OPERATION_INCOMPLETE);
        CHECK(set_function(e.far, CM_SEND_RECEIVE_QUEUE, &told_function, no_field) == CM_PROGRAM_STATE_CHECK);
        CM_OOID number = 0;
        CHECK(set_mode(e.far, CM_SEND_RECEIVE_QUEUE, CM_NON_BLOCKING, number) == CM_PROGRAM_STATE_CHECK);
        e.say("one");
        h.times.wait_for(1);
        CHECK(r.text() == "one");
        CHECK(send_expedited(e.near, "two") == CM_OK);
        h.times.wait_for(2);
        CHECK(x.text() == "two");
        // The library's own kind leaves the variable alone: the completion brings the code.
        CHECK(x.code == CM_OPERATION_INCOMPLETE);
        {
            const std::lock_guard held{h.mutex};
            CHECK(r.code == CM_OK);
            CHECK(h.calls == std::vector<CM_INT32>{34, 0});
            CHECK(h.codes == std::vector<CM_INT32>{CM_OK, CM_OK});
            CHECK(h.fields[0] == "by call!");
            CHECK(h.memory[1] == copy.data());
        }
        // Waited for from now on, and no function is called.
        number = open_queue(e.far, CM_SEND_RECEIVE_QUEUE, "waited!!");
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        e.say("three");
        check_one({number}, 1);
        CHECK(r.text() == "three");
        // And called again: the OOID is as good as unused.
        REQUIRE(set_queue_callback(e.far, CM_SEND_RECEIVE_QUEUE, &told_callback, &h) == CM_OK);
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        CHECK(wait_among({number}).code == CM_PROGRAM_STATE_CHECK);
        e.say("four");
        h.times.wait_for(3);
        CHECK(r.text() == "four");
        // Taken away: the queue blocks.
        REQUIRE(set_queue_callback(e.far, CM_SEND_RECEIVE_QUEUE, nullptr, nullptr) == CM_OK);
        e.say("five");
        CHECK(e.far.receive().text == "five");

        // One that receives for ever.
        struct chain {
            talk on;
            small_receive r;
            tally ended;
            std::string text;
            void go() {
                // A code of each call's own: after 35 another thread may be in the next call already.
                CM_INT32 rc = CM_OK;
                for (;;) {
                    r.data = r.length = r.status = r.rts = -1;
                    cmrcv(on.id.data(), r.buffer.data(), &r.wanted, &r.data, &r.length, &r.status, &r.rts, &rc);
                    if (rc != CM_OK) break;
                    text += r.text();
                }
                if (rc != CM_OPERATION_INCOMPLETE) ended.add();
            }
            static void COLLOQUY_CALL call(void* user, const clq_completion* c) {
                auto& me = *static_cast<chain*>(user);
                if (c->return_code == CM_OK) {
                    me.text += me.r.text();
                    me.go();
                } else {
                    me.ended.add();
                }
            }
        } c;
        c.on = e.far;
        REQUIRE(set_queue_callback(e.far, CM_SEND_RECEIVE_QUEUE, &chain::call, &c) == CM_OK);
        c.go();
        for (char each = 'a'; each <= 'z'; ++each) e.say(std::string(1, each));
        CHECK(e.near.deallocate() == CM_OK);
        c.ended.wait_for(1);
        CHECK(c.text == "abcdefghijklmnopqrstuvwxyz");
        listener = nullptr;
    }

    TEST_CASE("async 8.8: the initialization queue is that of Accept_Incoming and Allocate") {
        clq_options o = listening_options();
        o.no_threads = 1;  // so that nobody opens the link before Allocate has answered
        const running_unit unit{o};
        serve_tp("TP");
        talk server;
        CM_INT32 accepted = -1;
        cminic(server.id.data(), &accepted);
        REQUIRE(accepted == CM_OK);
        const CM_OOID accepting = open_queue(server, CM_INITIALIZATION_QUEUE, "accepts!");
        cmacci(server.id.data(), &accepted);
        CHECK(accepted == CM_OPERATION_INCOMPLETE);
        CM_OOID n = 0;
        CHECK(set_mode(server, CM_INITIALIZATION_QUEUE, CM_BLOCKING, n) == CM_PROGRAM_STATE_CHECK);
        CHECK(set_mode(server, CM_SEND_RECEIVE_QUEUE, CM_NON_BLOCKING, n) == CM_PROGRAM_STATE_CHECK);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);

        talk client;
        client.prepare(running_unit::address() + "/TP");
        const CM_OOID allocating = open_queue(client, CM_INITIALIZATION_QUEUE, "calls!!!");
        CM_INT32 allocated = -1;
        cmallc(client.id.data(), &allocated);  // its link is opened first
        CHECK(allocated == CM_OPERATION_INCOMPLETE);
        CHECK(client.set(cmssl, CM_CONFIRM) == CM_OPERATION_NOT_ACCEPTED);
        const CM_INT32 one = 1;
        CHECK(client.call(cmspln, "X", &one) == CM_OPERATION_NOT_ACCEPTED);
        const std::vector<CM_OOID> both{accepting, allocating};
        check_one(both, 2);
        CHECK(allocated == CM_OK);
        CHECK(client.state() == CM_SEND_STATE);
        CHECK(client.send("hello", CM_SEND_AND_FLUSH) == CM_OK);
        check_one(both, 1);
        CHECK(accepted == CM_OK);
        CHECK(server.state() == CM_RECEIVE_STATE);
        // No trap: the other queues can be set now, and block until then.
        CHECK(server.receive().text == "hello");
        const CM_OOID receiving = open_queue(server, CM_SEND_RECEIVE_QUEUE);
        kept_receive r;
        CHECK(r.issue(server) == CM_OPERATION_INCOMPLETE);
        CHECK(client.deallocate() == CM_OK);
        check_one({accepting, receiving}, 2);
        CHECK(r.code == CM_DEALLOCATED_NORMAL);
        CHECK(wait_among({accepting}).code == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(running_unit::conversations_open() == 0);

        // A partner that is not there, told to a function; and an accept that is taken back.
        talk lost;
        lost.prepare("127.0.0.1:1/TP");
        heard h;
        REQUIRE(set_queue_callback(lost, CM_INITIALIZATION_QUEUE, &told_callback, &h) == CM_OK);
        CM_INT32 rc = lost.allocate();
        if (rc == CM_OPERATION_INCOMPLETE) {
            while (h.times.count() == 0) (void)clq_dispatch();
            rc = h.codes[0];
        }
        CHECK((rc == CM_ALLOCATE_FAILURE_RETRY || rc == CM_ALLOCATE_FAILURE_NO_RETRY));
        cminic(server.id.data(), &accepted);
        const CM_OOID again = open_queue(server, CM_INITIALIZATION_QUEUE);
        cmacci(server.id.data(), &accepted);
        CHECK(accepted == CM_OPERATION_INCOMPLETE);
        CHECK(server.cancel() == CM_OK);
        check_one({again}, 1);
        CHECK(accepted == CM_DEALLOCATED_ABEND);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("async 8.9: Cancel, an abend, a lost partner, a time limit and stop end each queue's operation once") {
        enum class how { cancel, abend, kill, limit, stop };
        for (const how ends : {how::cancel, how::abend, how::kill, how::limit, how::stop})
            for (const bool called : {false, true}) {
                CAPTURE(static_cast<int>(ends));
                CAPTURE(called);
                heard h;
                kept_receive r;
                kept_expedited x;
                std::vector<CM_OOID> list;
                CM_INT32 expected = CM_DEALLOCATED_ABEND;
                {
                    const running_unit unit{listening_options()};
                    serve_tp("TP");
                    std::unique_ptr<partner_process> process;
                    talk near, far;
                    if (ends == how::kill) {
                        process = std::make_unique<partner_process>(running_unit::address());
                        REQUIRE(process->ask("begin") == CM_OK);
                    } else {
                        near.prepare("inproc/TP");
                        REQUIRE(near.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
                        REQUIRE(near.allocate() == CM_OK);
                        REQUIRE(near.flush() == CM_OK);
                    }
                    collector all;
                    far.accept(all);
                    const CM_INT32 receives = ends == how::kill ? CM_SEND_RECEIVE_QUEUE : CM_RECEIVE_QUEUE;
                    for (const CM_INT32 queue : {receives, CM_INT32{CM_EXPEDITED_RECEIVE_QUEUE}})
                        if (called)
                            REQUIRE(set_queue_callback(far, queue, &told_callback, &h) == CM_OK);
                        else
                            list.push_back(open_queue(far, queue));
                    if (ends == how::limit) REQUIRE(set_time_limit(&far, 30) == CM_OK);
                    CHECK(r.issue(far) == CM_OPERATION_INCOMPLETE);
                    CHECK(x.receive(far) == CM_OPERATION_INCOMPLETE);
                    switch (ends) {
                        case how::cancel: CHECK(far.cancel() == CM_OK); break;
                        case how::abend: CHECK(near.deallocate(CM_DEALLOCATE_ABEND) == CM_OK); break;
                        case how::kill: process->kill(); break;
                        case how::limit: expected = CM_DEALLOCATED_ABEND_TIMER; break;
                        case how::stop: CHECK(clq_stop(2'000) == 0); break;
                    }
                    if (ends == how::abend) expected = CM_DEALLOCATED_ABEND;
                    if (ends == how::kill) expected = CM_RESOURCE_FAILURE_RETRY;
                    std::vector<CM_INT32> codes;
                    if (called) {
                        h.times.wait_for(2);
                        codes = h.codes;
                    } else {
                        std::set<CM_INT32> places;
                        std::vector<CM_OOID> left = list;
                        while (places.size() < 2) {
                            const waited w = wait_among(left);
                            REQUIRE(w.code == CM_OK);
                            for (const CM_INT32 place : w.places) {
                                const CM_OOID number = left[static_cast<std::size_t>(place) - 1];
                                const auto at = std::find(list.begin(), list.end(), number) - list.begin();
                                CHECK(places.insert(static_cast<CM_INT32>(at)).second);
                            }
                            left.clear();
                            for (std::size_t i = 0; i < list.size(); ++i)
                                if (places.count(static_cast<CM_INT32>(i)) == 0) left.push_back(list[i]);
                        }
                        codes = {r.code, x.code};
                        CHECK(wait_among(list, 0).code == CM_PROGRAM_PARAMETER_CHECK);
                    }
                    for (const CM_INT32 code : codes) CHECK((code == expected || code == CM_CONVERSATION_ENDING));
                    CHECK(std::count(codes.begin(), codes.end(), expected) >= 1);
                    if (ends != how::stop) {
                        CHECK(far.state() == -CM_PROGRAM_PARAMETER_CHECK);
                        if (ends != how::kill) (void)near.cancel();
                    }
                }
                if (called) CHECK(h.times.count() == 2);
            }
    }

    TEST_CASE("async 8.10: threads that wait on overlapping lists get each completion once, and 25 when all is taken") {
        const running_unit unit;
        constexpr std::size_t n = 48;
        constexpr unsigned rounds = 150;
        std::vector<talk> near(n), far(n);
        std::vector<kept_receive> r(n);
        std::vector<CM_OOID> list;
        serve_tp("TP");
        collector all;
        for (std::size_t i = 0; i < n; ++i) {
            near[i].begin("inproc/TP");
            REQUIRE(near[i].flush() == CM_OK);
            far[i].accept(all);
            list.push_back(open_queue(far[i], CM_SEND_RECEIVE_QUEUE));
        }
        std::vector<unsigned> times(n, 0);
        std::mutex mutex;
        for (unsigned round = 0; round < rounds; ++round) {
            for (std::size_t i = 0; i < n; ++i) REQUIRE(r[i].issue(far[i]) == CM_OPERATION_INCOMPLETE);
            const auto collect = [&](std::size_t first, std::size_t last) {
                const std::vector<CM_OOID> mine(list.begin() + static_cast<std::ptrdiff_t>(first),
                                                list.begin() + static_cast<std::ptrdiff_t>(last));
                for (;;) {
                    const waited w = wait_among(mine);
                    if (w.code == CM_PROGRAM_STATE_CHECK) return;
                    const std::lock_guard held{mutex};
                    CHECK(w.code == CM_OK);
                    for (const CM_INT32 place : w.places) ++times[first + static_cast<std::size_t>(place) - 1];
                }
            };
            std::thread threads[] = {std::thread{[&] { collect(0, n * 2 / 3); }},
                                     std::thread{[&] { collect(n / 3, n); }}, std::thread{[&] { collect(0, n); }}};
            for (std::size_t i = 0; i < n; ++i)
                if (near[(i * 7 + round) % n].send("x", CM_SEND_AND_FLUSH) != CM_OK) FAIL_CHECK("send");
            for (std::thread& t : threads) t.join();
            for (std::size_t i = 0; i < n; ++i) {
                CHECK(times[i] == round + 1);
                CHECK(r[i].code == CM_OK);
            }
        }
        for (std::size_t i = 0; i < n; ++i) {
            CHECK(near[i].cancel() == CM_OK);
            CHECK(far[i].cancel() == CM_OK);
        }
    }

    TEST_CASE("async 8.11: Cancel races with the completion and with threads that wait: each operation ends once") {
        const running_unit unit;
        serve_tp("TP");
        collector all;
        for (unsigned round = 0; round < 300; ++round) {
            talk near, far;
            near.begin("inproc/TP");
            REQUIRE(near.flush() == CM_OK);
            far.accept(all);
            const CM_OOID number = open_queue(far, CM_SEND_RECEIVE_QUEUE);
            kept_receive r;
            REQUIRE(r.issue(far) == CM_OPERATION_INCOMPLETE);
            std::atomic<unsigned> told_times{0};
            const auto wait = [&] {
                const waited w = wait_among({number});
                if (w.code == CM_OK)
                    told_times.fetch_add(1);
                else if (w.code != CM_PROGRAM_STATE_CHECK && w.code != CM_PROGRAM_PARAMETER_CHECK)
                    FAIL_CHECK("code " << w.code);
            };
            std::thread one{wait}, other{wait};
            std::thread sender{[&] { (void)near.send("x", CM_SEND_AND_FLUSH); }};
            const CM_INT32 cancelled = far.cancel();
            one.join();
            other.join();
            sender.join();
            CHECK(cancelled == CM_OK);
            CHECK(told_times.load() == 1);
            CHECK((r.code == CM_OK || r.code == CM_DEALLOCATED_ABEND));
            (void)near.cancel();  // its Send_Data may have heard already
        }
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("async 8.12: Request_To_Send, Test and Extract go on beside; in a blocking hook what would block is 37") {
        const running_unit unit;
        pair_of_ends e;
        const CM_OOID number = open_queue(e.far, CM_SEND_RECEIVE_QUEUE);
        REQUIRE(e.far.set(cmsdt, CM_DEALLOCATE_ABEND) == CM_OK);
        kept_receive r;
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        CHECK(e.far.request_to_send() == CM_OK);
        CHECK(e.far.test_request_to_send() == CM_OK);
        CHECK(e.far.send_error() == CM_OPERATION_NOT_ACCEPTED);
        CHECK(e.far.deallocate() == CM_OPERATION_NOT_ACCEPTED);
        const CM_INT32 none = 0;
        CHECK(e.far.call(cmsld, "", &none) == CM_OPERATION_NOT_ACCEPTED);
        do {
            REQUIRE(e.near.test_request_to_send() == CM_OK);  // whoever drives brings it in a moment
        } while (e.near.rts != CM_REQ_TO_SEND_RECEIVED);
        // One Send_Expedited_Data that waits makes its queue busy for Request_To_Send, too.
        const CM_OOID sends = open_queue(e.far, CM_EXPEDITED_SEND_QUEUE);
        kept_expedited x;
        CHECK(x.send(e.far, "one") == CM_OK);
        CHECK(x.send(e.far, "two") == CM_OPERATION_INCOMPLETE);
        CHECK(e.far.request_to_send() == CM_OPERATION_NOT_ACCEPTED);

        static talk beside;
        static CM_OOID waited_for;
        static bool gives_up;
        beside = e.far;
        waited_for = number;
        gives_up = false;
        WinCPICSetBlockingHook(as_hook([] {
            // What blocks is refused here; what does not is tried, and finds its queue busy.
            kept_expedited y;
            CHECK(y.receive(beside) == CM_OPERATION_NOT_ACCEPTED);
            CHECK(wait_among({waited_for}, 0).code == CM_OPERATION_NOT_ACCEPTED);
            return gives_up ? 0 : 1;
        }));
        CHECK(wait_among({number}, 5).code == CM_UNSUCCESSFUL);
        gives_up = true;
        CHECK(wait_among({number}).code == CM_SYSTEM_EVENT);
        CHECK(WinCPICUnhookBlockingHook() != 0);
        e.say("x");
        check_one({number}, 1);
        CHECK(e.far.cancel() == CM_OK);
        check_one({sends}, 1);
        CHECK(x.code == CM_DEALLOCATED_ABEND);
        CHECK(e.near.cancel() == CM_OK);
    }

    TEST_CASE("async 8.13: without any thread of the library a wait or a dispatch drives") {
        clq_options o = listening_options();
        o.no_threads = 1;
        const running_unit unit{o};
        pair_of_ends e{CM_FULL_DUPLEX, running_unit::address() + "/TP"};
        const CM_OOID number = open_queue(e.far, CM_RECEIVE_QUEUE);
        kept_receive r;
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        e.say("by wait");
        check_one({number}, 1);
        CHECK(r.text() == "by wait");
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        e.say("by poll");
        while (wait_among({number}, 0).code != CM_OK) {
        }
        CHECK(r.text() == "by poll");
        heard h;
        REQUIRE(set_queue_callback(e.far, CM_RECEIVE_QUEUE, &told_callback, &h) == CM_OK);
        CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
        e.say("by dispatch");
        while (h.times.count() == 0) (void)clq_dispatch();
        CHECK(r.text() == "by dispatch");
        CHECK(e.far.cancel() == CM_OK);
        CHECK(e.near.cancel() == CM_OK);
    }

    TEST_CASE(
        "async 8.15: echoes over TCP: one end by callbacks that issue the next calls, the other by threads that wait") {
        for (const unsigned reactors : {0U, 2U}) {
            clq_options o = listening_options();
            o.reactors = reactors;
            const running_unit unit{o};
            constexpr std::size_t n = 24;
            constexpr unsigned rounds = 60;
            // Receives, sends back, receives: whichever of its two calls has completed carries it on.
            struct echo {
                id_bytes receiving{}, sending{};
                small_receive r;
                CM_INT32 info = 0;
                tally ended;
                void receive() {
                    for (;;) {
                        CM_INT32 rc = -1;
                        cmrcv(receiving.data(), r.buffer.data(), &r.wanted, &r.data, &r.length, &r.status, &r.rts, &rc);
                        if (rc == CM_OPERATION_INCOMPLETE) return;
                        if (rc != CM_OK) return ended.add();
                        cmsend(sending.data(), r.buffer.data(), &r.length, &info, &rc);
                        if (rc == CM_OPERATION_INCOMPLETE) return;
                        if (rc != CM_OK) return ended.add();
                    }
                }
                static void COLLOQUY_CALL call(void* user, const clq_completion* c) {
                    auto& me = *static_cast<echo*>(user);
                    if (c->return_code != CM_OK) return me.ended.add();
                    if (c->id_memory == me.receiving.data()) {
                        CM_INT32 rc = -1;
                        cmsend(me.sending.data(), me.r.buffer.data(), &me.r.length, &me.info, &rc);
                        if (rc == CM_OPERATION_INCOMPLETE) return;
                        if (rc != CM_OK) return me.ended.add();
                    }
                    me.receive();
                }
            };
            std::vector<pair_of_ends> ends;
            std::vector<echo> echoes(n);
            std::vector<CM_OOID> list;
            std::vector<kept_receive> r(n);
            std::vector<unsigned> got(n, 0);
            ends.reserve(n);
            for (std::size_t i = 0; i < n; ++i) {
                pair_of_ends& e = ends.emplace_back(CM_FULL_DUPLEX, running_unit::address() + "/TP");
                REQUIRE(e.far.set(cmsst, CM_SEND_AND_FLUSH) == CM_OK);
                REQUIRE(e.near.set(cmsst, CM_SEND_AND_FLUSH) == CM_OK);
                echoes[i].receiving = echoes[i].sending = e.far.id;
                for (const CM_INT32 queue : {CM_RECEIVE_QUEUE, CM_SEND_QUEUE})
                    REQUIRE(set_queue_callback(e.far, queue, &echo::call, &echoes[i]) == CM_OK);
                list.push_back(open_queue(e.near, CM_RECEIVE_QUEUE));
            }
            for (echo& e : echoes) e.receive();
            // Each conversation is one thread's: who issues a call is the one who collects it, or it could not tell
            // whether the call itself has answered.
            const auto serve = [&](std::size_t first) {
                std::vector<CM_OOID> mine;
                for (std::size_t i = first; i < n; i += 2) mine.push_back(list[i]);
                std::size_t left = mine.size();
                const auto go = [&](std::size_t i) {
                    for (; got[i] < rounds; ++got[i]) {
                        if (ends[i].near.send(std::to_string(got[i])) != CM_OK) FAIL_CHECK("send");
                        if (r[i].issue(ends[i].near) != CM_OK) return;
                        if (r[i].text() != std::to_string(got[i])) FAIL_CHECK("text");
                    }
                    --left;
                };
                for (std::size_t i = first; i < n; i += 2) go(i);
                while (left != 0) {
                    const waited w = wait_among(mine);
                    if (w.code != CM_OK) {
                        FAIL_CHECK("code " << w.code);
                        return;
                    }
                    for (const CM_INT32 place : w.places) {
                        const std::size_t i = first + 2 * (static_cast<std::size_t>(place) - 1);
                        if (r[i].code != CM_OK || r[i].text() != std::to_string(got[i]++)) FAIL_CHECK("text");
                        go(i);
                    }
                }
            };
            std::thread other{[&] { serve(1); }};
            serve(0);
            other.join();
            for (const unsigned each : got) CHECK(each == rounds);
            for (std::size_t i = 0; i < n; ++i) {
                CHECK(ends[i].near.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
                echoes[i].ended.wait_for(1);
            }
            CHECK(running_unit::conversations_open() == 0);
        }
    }

    TEST_CASE("async 8.14: thousands of Receives through one list, two lists, and callbacks: each exactly once") {
        const std::size_t n = conversations();
        clq_options o{};
        o.conversations = static_cast<unsigned>(2 * n + 16);
        const running_unit unit{o};
        serve_tp("TP");
        struct served {
            talk far;
            small_receive r;
            std::atomic<unsigned> told{0};
        };
        std::vector<talk> near(n);
        std::vector<served> far(n);
        std::vector<CM_OOID> list(n);
        collector all;
        for (std::size_t i = 0; i < n; ++i) {
            near[i].begin("inproc/TP");
            REQUIRE(near[i].flush() == CM_OK);
            far[i].far.accept(all);
            list[i] = open_queue(far[i].far, CM_SEND_RECEIVE_QUEUE);
        }
        unsigned calls = 0;
        const auto round = [&](const char* name, const auto& collect) {
            for (served& s : far) {
                s.told = 0;
                REQUIRE(s.r.issue(s.far) == CM_OPERATION_INCOMPLETE);
            }
            calls = 0;
            const auto begun = std::chrono::steady_clock::now();
            std::thread sender{[&] {
                for (talk& t : near)
                    if (t.send(name, CM_SEND_AND_FLUSH) != CM_OK) FAIL_CHECK("send");
            }};
            collect();
            sender.join();
            const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
            unsigned wrong = 0;
            for (const served& s : far) wrong += s.told != 1 || s.r.text() != name ? 1U : 0U;
            CHECK(wrong == 0);
            MESSAGE(n << " operations " << std::string{name} << ": " << took.count() << " s, " << calls << " calls");
        };
        // A part of the list by each call of one thread; those that are done are not taken out of it.
        std::mutex mutex;
        const auto collect = [&](std::size_t first, std::size_t count, std::size_t left) {
            std::vector<CM_INT32> places(count);
            std::vector<char> fields(8 * count);
            for (;;) {
                const auto size = static_cast<CM_INT32>(count);
                const CM_INT32 timeout = -1;
                CM_INT32 found = 0, rc = -1;
                cmwcmp(list.data() + first, &size, &timeout, places.data(), &found, fields.data(), &rc);
                if (rc != CM_OK) {
                    if (rc != CM_PROGRAM_STATE_CHECK || left != 0) FAIL_CHECK("code " << rc);
                    return;
                }
                {
                    const std::lock_guard held{mutex};
                    ++calls;
                }
                for (CM_INT32 i = 0; i < found; ++i)
                    ++far[first + static_cast<std::size_t>(places[static_cast<std::size_t>(i)]) - 1].told;
                left -= std::min(left, static_cast<std::size_t>(found));
            }
        };
        round("by one list", [&] { collect(0, n, n); });
        round("again", [&] { collect(0, n, n); });
        round("by two lists", [&] {
            std::thread second{[&] { collect(n / 2, n - n / 2, n - n / 2); }};
            collect(0, n / 2, n / 2);
            second.join();
        });
        struct state {
            served* first;
            tally times;
        } s{far.data(), {}};
        for (served& each : far)
            REQUIRE(set_queue_callback(
                        each.far, CM_SEND_RECEIVE_QUEUE,
                        [](void* user, const clq_completion* c) {
                            auto& at = *static_cast<state*>(user);
                            served* const whose = reinterpret_cast<served*>(c->id_memory);
                            ++whose->told;
                            at.times.add();
                        },
                        &s) == CM_OK);
        static_assert(std::is_standard_layout_v<talk>);
        round("by callback", [&] { s.times.wait_for(static_cast<unsigned>(n)); });
        for (std::size_t i = 0; i < n; ++i) {
            REQUIRE(near[i].cancel() == CM_OK);
            REQUIRE(far[i].far.cancel() == CM_OK);
        }
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("async 8.16: a call that is given up is told to nobody, and the conversation goes on where it can") {
        heard h;
        unsigned late = 0;  // told beside those that are counted below
        const running_unit unit;
        {
            // A Receive, then the next one; by queue, by pointer, and not by another's.
            pair_of_ends e;
            REQUIRE(set_queue_callback(e.far, CLQ_EVERY_QUEUE, &told_callback, &h) == CM_OK);
            kept_receive r;
            kept_expedited x, x2;
            CHECK(give_up(e.far, CM_SEND_RECEIVE_QUEUE) == CLQ_CALL_TOLD);
            for (const CM_INT32 queue : {CM_RECEIVE_QUEUE, CM_SEND_QUEUE, CM_SEND_RECEIVE_QUEUE}) {
                CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
                CHECK(x.receive(e.far) == CM_OPERATION_INCOMPLETE);
                CHECK(give_up(e.far, queue, &h) == CLQ_CALL_TOLD);
                CHECK(give_up(e.far, CM_INITIALIZATION_QUEUE) == CLQ_CALL_TOLD);
                CHECK(give_up(e.far, queue, e.far.id.data()) == CLQ_CALL_UNDONE);
                CHECK(give_up(e.far, CM_EXPEDITED_RECEIVE_QUEUE) == CLQ_CALL_UNDONE);
                CHECK(give_up(e.far, queue) == CLQ_CALL_TOLD);
                CHECK(e.far.state() == CM_RECEIVE_STATE);
            }
            CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
            e.say("data");
            h.times.wait_for(1);
            CHECK(r.text() == "data");
            // The one that waits for the partner's program to take the first.
            CHECK(x.send(e.far, "first") == CM_OK);
            CHECK(x2.send(e.far, "second") == CM_OPERATION_INCOMPLETE);
            CHECK(give_up(e.far, CM_EXPEDITED_SEND_QUEUE) == CLQ_CALL_UNDONE);
            kept_expedited theirs;
            CHECK(theirs.receive(e.near) == CM_OK);
            CHECK(theirs.text() == "first");
            // That the first was taken may be on its way still.
            if (const CM_INT32 sent = x2.send(e.far, "third"); sent == CM_OPERATION_INCOMPLETE)
                h.times.wait_for(1 + ++late);
            else
                CHECK(sent == CM_OK);
            CHECK(theirs.receive(e.near) == CM_OK);
            CHECK(theirs.text() == "third");
            CHECK(e.near.cancel() == CM_OK);
            CM_INT32 ended = r.issue(e.far);
            if (ended == CM_OPERATION_INCOMPLETE) {
                h.times.wait_for(1 + ++late);
                ended = h.codes.back();
            }
            CHECK(ended == CM_DEALLOCATED_ABEND_SVC);
        }
        {
            // Half a record is the caller's, not lost.
            serve_tp("TP");
            talk near, far;
            near.prepare("inproc/TP");
            REQUIRE(near.set(cmsct, CM_BASIC_CONVERSATION) == CM_OK);
            REQUIRE(near.allocate() == CM_OK);
            REQUIRE(near.send(std::string_view{"\0\x08"
                                               "abc",
                                               5},
                              CM_SEND_AND_FLUSH) == CM_OK);
            collector all;
            far.accept(all);
            REQUIRE(set_queue_callback(far, CM_SEND_RECEIVE_QUEUE, &told_callback, &h) == CM_OK);
            kept_receive r;
            CHECK(r.issue(far) == CM_OPERATION_INCOMPLETE);
            CHECK(give_up(far, CM_SEND_RECEIVE_QUEUE) == CLQ_CALL_DONE);
            CHECK(r.data == CM_INCOMPLETE_DATA_RECEIVED);
            CHECK(r.text() == std::string_view{"\0\x08"
                                               "abc",
                                               5});
            REQUIRE(near.send("def", CM_SEND_AND_FLUSH) == CM_OK);
            REQUIRE(set_queue_callback(far, CM_SEND_RECEIVE_QUEUE, nullptr, nullptr) == CM_OK);
            const received rest = far.receive();
            CHECK(rest.data == CM_COMPLETE_DATA_RECEIVED);
            CHECK(rest.text == "def");
            CHECK(near.cancel() == CM_OK);
            CHECK(far.cancel() == CM_OK);
        }
        for (const CM_INT32 kind : {CM_MAPPED_CONVERSATION, CM_BASIC_CONVERSATION})
            for (const CM_INT32 type : {CM_BUFFER_DATA, CM_SEND_AND_FLUSH}) {
                // What the send buffer has taken leaves once, what it has not never.
                CAPTURE(kind);
                CAPTURE(type);
                serve_tp("TP");
                talk near, far;
                near.prepare("inproc/TP");
                REQUIRE(near.set(cmsct, kind) == CM_OK);
                REQUIRE(near.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
                REQUIRE(near.allocate() == CM_OK);
                REQUIRE(near.set(cmsst, type) == CM_OK);
                REQUIRE(set_queue_callback(near, CM_SEND_QUEUE, &told_callback, &h) == CM_OK);
                std::string record(20'000, 'r');
                record[0] = static_cast<char>(record.size() >> 8);
                record[1] = static_cast<char>(record.size() & 0xFF);
                const auto length = static_cast<CM_INT32>(record.size());
                CM_INT32 info = -1, code = CM_OK;
                unsigned sent = 0, done = 0, undone = 0;
                while (done + undone < 3) {
                    cmsend(near.id.data(), record.data(), &length, &info, &code);
                    if (code == CM_OK) {
                        ++sent;
                        continue;
                    }
                    REQUIRE(code == CM_OPERATION_INCOMPLETE);
                    const CM_INT32 became = give_up(near, CM_SEND_QUEUE);
                    if (became == CLQ_CALL_UNDONE)
                        ++undone;
                    else if (became == CLQ_CALL_DONE)
                        ++done;
                    else
                        FAIL("became " << became);
                }
                CHECK((type == CM_BUFFER_DATA ? undone : done) != 0);
                // The queue is free, and the stream where it should be.
                REQUIRE(set_queue_callback(near, CM_SEND_QUEUE, nullptr, nullptr) == CM_OK);
                std::thread last{[&] {
                    if (near.send(std::string_view{"\0\x06last", 6}, CM_SEND_AND_FLUSH) != CM_OK) FAIL_CHECK("send");
                }};
                collector all;
                far.accept(all);
                for (unsigned i = 0; i < sent + done; ++i) CHECK(far.receive().text == record);
                CHECK(far.receive().text == std::string_view{"\0\x06last", 6});
                last.join();
                CHECK(near.call(cmdeal) == CM_OK);
                CHECK(far.receive().code == CM_DEALLOCATED_NORMAL);
                CHECK(far.cancel() == CM_OK);
                CHECK(near.cancel() == CM_OK);
            }
        {
            // A request for confirmation cannot be taken back; on other queues the end is told.
            serve_tp("TP");
            talk near, far;
            near.begin("inproc/TP", CM_CONFIRM);
            REQUIRE(set_queue_callback(near, CLQ_EVERY_QUEUE, &told_callback, &h) == CM_OK);
            kept_expedited x;
            CHECK(x.receive(near) == CM_OPERATION_INCOMPLETE);
            CHECK(near.confirm() == CM_OPERATION_INCOMPLETE);
            collector all;
            far.accept(all);
            CHECK(give_up(near, CM_SEND_RECEIVE_QUEUE) == CLQ_CALL_ENDED);
            h.times.wait_for(2 + late);
            CHECK(h.codes.back() == CM_DEALLOCATED_ABEND);
            CHECK(give_up(near, CM_SEND_RECEIVE_QUEUE) == -CM_PROGRAM_PARAMETER_CHECK);
            received r = far.receive();
            if (r.code == CM_OK) {
                CHECK(far.confirmed() == CM_OK);
                r = far.receive();
            }
            CHECK(r.code == CM_DEALLOCATED_ABEND_SVC);
        }
        {
            // Collected by OOID: one that waits, one that has finished, and a thread that waits for nothing else.
            pair_of_ends e;
            const CM_OOID number = open_queue(e.far, CM_SEND_RECEIVE_QUEUE);
            kept_receive r;
            CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
            std::thread waits{[&] {
                const CM_INT32 code = wait_among({number}).code;
                if (code != CM_PROGRAM_STATE_CHECK) FAIL_CHECK("code " << code);
            }};
            CHECK(give_up(e.far, CM_SEND_RECEIVE_QUEUE) == CLQ_CALL_UNDONE);
            waits.join();
            CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
            e.say("unheard");
            CM_INT32 became = CLQ_CALL_TOLD;
            while (became == CLQ_CALL_TOLD) became = give_up(e.far, CM_SEND_RECEIVE_QUEUE);
            CHECK((became == CLQ_CALL_DONE || became == CLQ_CALL_UNDONE));
            CHECK(wait_among({number}, 0).code == CM_PROGRAM_STATE_CHECK);
            if (became == CLQ_CALL_DONE) CHECK(r.text() == "unheard");
            CHECK(r.code == CM_OPERATION_INCOMPLETE);
            CHECK(e.far.cancel() == CM_OK);
            CHECK(e.near.cancel() == CM_OK);
        }
        {
            // Accept_Incoming; the conversation waits for another partner.
            serve_tp("TP");
            talk far, near;
            CM_INT32 rc = -1;
            cminic(far.id.data(), &rc);
            REQUIRE(set_queue_callback(far, CLQ_EVERY_QUEUE, &told_callback, &h) == CM_OK);
            CHECK(far.call(cmacci) == CM_OPERATION_INCOMPLETE);
            CHECK(give_up(far, CM_INITIALIZATION_QUEUE) == CLQ_CALL_UNDONE);
            CHECK(far.state() == CM_INITIALIZE_INCOMING_STATE);
            near.begin("inproc/TP");
            REQUIRE(near.flush() == CM_OK);
            CM_INT32 code = far.call(cmacci);
            if (code == CM_OPERATION_INCOMPLETE) {
                h.times.wait_for(3 + late);
                code = h.codes.back();
            } else {
                h.times.add();
            }
            CHECK(code == CM_OK);
            CHECK(far.state() == CM_RECEIVE_STATE);
            CHECK(near.cancel() == CM_OK);
            CHECK(far.cancel() == CM_OK);
        }
        {
            // At conversation level, Accept_Conversation too; not a call in which a thread is blocked; refusals.
            pair_of_ends e;
            REQUIRE(e.far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            kept_receive r;
            CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
            CHECK(give_up(e.far, CM_SEND_RECEIVE_QUEUE) == CLQ_CALL_UNDONE);
            CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
            CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
            talk accepting;
            CHECK(accepting.accept() == CM_OPERATION_INCOMPLETE);
            CHECK(give_up(accepting, CM_INITIALIZATION_QUEUE) == CLQ_CALL_UNDONE);
            CHECK(give_up(accepting, CM_INITIALIZATION_QUEUE) == -CM_PROGRAM_PARAMETER_CHECK);
            for (const CM_INT32 queue : {-1, 6, CLQ_EVERY_QUEUE})
                CHECK(give_up(e.far, queue) == -CM_PROGRAM_PARAMETER_CHECK);
            CM_INT32 rc = -1;
            clq_abandon_call(e.far.id.data(), CM_SEND_RECEIVE_QUEUE, nullptr, nullptr, nullptr, &rc);
            CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(e.near.cancel() == CM_OK);
            CHECK(wait_any().result == CM_DEALLOCATED_ABEND_SVC);
            pair_of_ends d{CM_FULL_DUPLEX};
            CHECK(give_up(d.far, CM_SEND_RECEIVE_QUEUE) == -CM_PROGRAM_PARAMETER_CHECK);
            std::thread blocked{[&] {
                if (d.far.receive().text != "told") FAIL_CHECK("receive");
            }};
            for (unsigned i = 0; i < 100; ++i) CHECK(give_up(d.far, CM_RECEIVE_QUEUE) == CLQ_CALL_TOLD);
            d.say("told");
            blocked.join();
            CHECK(d.near.cancel() == CM_OK);
            CHECK(d.far.cancel() == CM_OK);
        }
        CHECK(h.times.count() == 3 + late);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("async 8.16: given up beside its completion: told once or never, and by who heard of another") {
        {
            heard h;
            const running_unit unit;
            pair_of_ends e{CM_FULL_DUPLEX};
            REQUIRE(set_queue_callback(e.far, CLQ_EVERY_QUEUE, &told_callback, &h) == CM_OK);
            unsigned told = 0, undone = 0, done = 0;
            kept_receive r;
            const auto receive = [&] {
                const CM_INT32 code = r.issue(e.far);
                if (code == CM_OPERATION_INCOMPLETE) ++told;
                return code;
            };
            for (unsigned i = 0; i < 1'000; ++i) {
                REQUIRE(receive() == CM_OPERATION_INCOMPLETE);
                std::thread partner{[&] {
                    if (e.near.send(std::to_string(i), CM_SEND_AND_FLUSH) != CM_OK) FAIL_CHECK("send");
                }};
                const CM_INT32 became = give_up(e.far, CM_RECEIVE_QUEUE, e.far.id.data());
                partner.join();
                if (became != CLQ_CALL_TOLD) --told;
                if (became == CLQ_CALL_DONE) ++done;
                if (became == CLQ_CALL_UNDONE) {
                    // The record is there for the next, or about to come.
                    ++undone;
                    (void)receive();
                }
                h.times.wait_for(told);
                CHECK(r.text() == std::to_string(i));
            }
            MESSAGE("undone " << undone << ", done " << done << ", told " << told);
            CHECK(h.times.count() == told);
            CHECK(e.far.cancel() == CM_OK);
            CHECK(e.near.cancel() == CM_OK);
        }
        {
            // Completions that one thread brought together: who hears of the first gives up the second.
            clq_options alone{};
            alone.no_threads = 1;
            const running_unit unit{alone};
            struct one {
                pair_of_ends ends{};
                kept_receive r{};
                one* other = nullptr;
                unsigned times = 0;
                CM_INT32 became = -1;
                static void COLLOQUY_CALL call(void* user, const clq_completion*) {
                    auto& me = *static_cast<one*>(user);
                    ++me.times;
                    me.other->became = give_up(me.other->ends.far, CM_SEND_RECEIVE_QUEUE);
                }
            } first, second;
            // While it runs, what its thread brings waits.
            struct {
                pair_of_ends ends{};
                kept_receive r{};
                one *first, *second;
            } trigger{pair_of_ends{}, {}, &first, &second};
            const clq_callback both = [](void* user, const clq_completion*) {
                const auto& t = *static_cast<decltype(trigger)*>(user);
                t.first->ends.say("both");
                t.second->ends.say("both");
            };
            REQUIRE(set_queue_callback(trigger.ends.far, CLQ_EVERY_QUEUE, both, &trigger) == CM_OK);
            CHECK(trigger.r.issue(trigger.ends.far) == CM_OPERATION_INCOMPLETE);
            first.other = &second;
            second.other = &first;
            for (one* each : {&first, &second}) {
                REQUIRE(set_queue_callback(each->ends.far, CLQ_EVERY_QUEUE, &one::call, each) == CM_OK);
                CHECK(each->r.issue(each->ends.far) == CM_OPERATION_INCOMPLETE);
            }
            trigger.ends.say("go");
            while (first.times + second.times == 0) (void)clq_dispatch();
            for (unsigned i = 0; i < 100; ++i) (void)clq_dispatch();
            CHECK(first.times + second.times == 1);
            CHECK((first.times == 0 ? first : second).became == CLQ_CALL_DONE);
            CHECK(first.r.text() == "both");
            CHECK(second.r.text() == "both");
            // What was given up has freed its queue, and an entry that was left serves nobody.
            for (const pair_of_ends* each : {&first.ends, &second.ends, &trigger.ends}) {
                CHECK(each->near.cancel() == CM_OK);
                CHECK(each->far.cancel() == CM_OK);
            }
            for (unsigned i = 0; i < 100; ++i) (void)clq_dispatch();
            CHECK(first.times + second.times == 1);
            CHECK(running_unit::conversations_open() == 0);
        }
    }

    TEST_CASE("async 8.17: a queue's time limit is that of its calls, and set beside others; 31 ends them all") {
        heard h;
        const running_unit unit;
        pair_of_ends e{CM_FULL_DUPLEX};
        kept_receive r;
        kept_expedited x;
        CM_INT32 ended_with = CM_DEALLOCATED_ABEND_TIMER;
        SUBCASE("at queue level") {
            REQUIRE(set_queue_callback(e.far, CLQ_EVERY_QUEUE, &told_callback, &h) == CM_OK);
            CHECK(r.issue(e.far) == CM_OPERATION_INCOMPLETE);
            // Beside a call that waits, which keeps what it was issued with.
            CHECK(set_time_limit(&e.far, 1) == CM_OK);
            CHECK(set_queue_limit(e.far, CM_EXPEDITED_RECEIVE_QUEUE, 3'600'000) == CM_OK);
            CHECK(x.receive(e.far) == CM_OPERATION_INCOMPLETE);
            CHECK(send_expedited(e.near, "fast") == CM_OK);
            h.times.wait_for(1);
            CHECK(x.text() == "fast");
            CHECK(set_queue_limit(e.far, CM_EXPEDITED_RECEIVE_QUEUE, 0) == CM_OK);
            CHECK(x.receive(e.far) == CM_OPERATION_INCOMPLETE);
            h.times.wait_for(3);
            CHECK(h.codes == std::vector<CM_INT32>{CM_OK, CM_DEALLOCATED_ABEND_TIMER, CM_DEALLOCATED_ABEND_TIMER});
        }
        SUBCASE("blocking, a thread for each direction") {
            CHECK(set_queue_limit(e.far, CM_RECEIVE_QUEUE, 3'600'000) == CM_OK);
            CM_INT32 code = -1;
            std::thread blocked{[&] { code = e.far.receive().code; }};
            for (const CM_INT32 queue : {CM_INITIALIZATION_QUEUE, CM_SEND_QUEUE, CM_EXPEDITED_SEND_QUEUE})
                CHECK(set_queue_limit(e.far, queue, 3'600'000) == CM_OK);
            CHECK(set_queue_limit(e.far, CM_EXPEDITED_RECEIVE_QUEUE, 1) == CM_OK);
            CHECK(x.receive(e.far) == CM_DEALLOCATED_ABEND_TIMER);
            blocked.join();
            // Unless it was not yet in its call.
            CHECK((code == CM_DEALLOCATED_ABEND_TIMER || code == CM_PROGRAM_PARAMETER_CHECK));
        }
        SUBCASE("where calls are one at a time") {
            pair_of_ends half;
            CHECK(set_queue_limit(half.far, CM_SEND_QUEUE, 1) == CM_OK);
            CHECK(half.far.receive().code == CM_DEALLOCATED_ABEND_TIMER);
            CHECK(half.near.receive().code == CM_DEALLOCATED_ABEND_TIMER);
            for (const CM_INT32 queue : {-1, 6, CLQ_EVERY_QUEUE, CM_SEND_RECEIVE_QUEUE})
                CHECK(set_queue_limit(e.far, queue, 1) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(set_queue_limit(half.far, CM_SEND_QUEUE, 1) == CM_PROGRAM_PARAMETER_CHECK);
            // A life's limits end with it.
            for (unsigned i = 0; i < 300; ++i) {
                pair_of_ends again;
                kept_receive waits;
                CM_OOID number = open_queue(again.far, CM_SEND_RECEIVE_QUEUE);
                CHECK(waits.issue(again.far) == CM_OPERATION_INCOMPLETE);
                again.say("late");
                check_one({number}, 1);
                CHECK(waits.code == CM_OK);
                CHECK(again.near.cancel() == CM_OK);
                CHECK(again.far.cancel() == CM_OK);
            }
            CHECK(e.far.cancel() == CM_OK);
            ended_with = CM_DEALLOCATED_ABEND_SVC;
        }
        CHECK(e.near.receive().code == ended_with);
        CHECK(running_unit::conversations_open() == 0);
    }
}
