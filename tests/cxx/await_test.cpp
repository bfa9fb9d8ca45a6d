// The awaitable conversation: completing at once and later, stop requests, deadlines, coroutines that are destroyed.
#include <random>
#include <stdexcept>

#include "tests/cxx/cxx.hpp"

using namespace colloquy;
using namespace colloquy::test;
using namespace std::chrono_literals;

namespace {

task<> echo(async_conversation c) {
    buffer b;
    for (;;) {
        const auto got = co_await c.receive(b);
        if (!got || got->ended) co_return;
        if (got->complete() && !co_await c.send(got->bytes)) co_return;
    }
}

// Sends `turns` records and hears them come back: how many did.
task<unsigned> ask(async_conversation c, unsigned turns) {
    buffer b;
    unsigned heard = 0;
    if (!co_await c.allocate()) co_return 0;
    for (; heard < turns; ++heard) {
        const std::array<char, 4> text{'a', 'b', 'c', static_cast<char>('0' + heard % 10)};
        if (!co_await c.send(std::string_view{text.data(), text.size()})) break;
        const auto got = co_await c.receive(b);
        if (!got || got->text() != std::string_view{text.data(), text.size()} || !got->our_turn()) break;
    }
    (void)co_await c.deallocate();
    co_return heard;
}

struct outcome {
    unsigned times = 0;
    return_code code = return_code::ok;
    std::string text;
};

// Receives once and says what came of it. `out` outlives the coroutine, the buffer does not.
task<> receive_once(async_conversation c, outcome& out, std::stop_token stop = {}) {
    buffer b;
    const auto got = co_await c.receive(b, stop);
    ++out.times;
    out.code = got.code();
    if (got) out.text = got->text();
}

}  // namespace

TEST_SUITE_BEGIN("cxx");

TEST_CASE("await: what can be done at once is; the rest goes on where it completes") {
    const running u{settings()};
    ends e;
    outcome out;
    e.send_two("zeroth", "first");
    const async_conversation far = async_conversation::from(e.far).value();
    started at_once{receive_once(far, out)};
    CHECK(at_once.done());
    CHECK(out.text == "first");
    started later{receive_once(far, out)};
    CHECK(!later.done());
    CHECK(far.state().value() == conversation_state::receive);
    REQUIRE(e.near.send("second"));
    REQUIRE(e.near.flush());
    later.wait();
    CHECK(out.times == 2);
    CHECK(out.text == "second");
    CHECK(e.near.cancel());
}

TEST_CASE("await: a second call beside one that waits is 37, a blocking conversation again is one") {
    const running u{settings()};
    ends e;
    async_conversation far = async_conversation::from(e.far).value();
    outcome first, second;
    started waits{receive_once(far, first)};
    started refused{receive_once(far, second)};
    CHECK(refused.done());
    CHECK(second.code == return_code::operation_not_accepted);
    CHECK(far.blocking().code() == return_code::program_state_check);
    CHECK(async_conversation::from(e.far).code() == return_code::program_state_check);
    REQUIRE(e.near.send("x"));
    REQUIRE(e.near.flush());
    waits.wait();
    conversation blocking = far.blocking().value();
    REQUIRE(e.near.send("y"));
    REQUIRE(e.near.flush());
    buffer b;
    CHECK(blocking.receive(b)->text() == "y");
    CHECK(e.near.cancel());
    CHECK(blocking.receive(b).code() == return_code::deallocated_abend_svc);
}

TEST_CASE("await: a loop is all that a program without threads needs") {
    const running u{settings(256, false)};
    loop_executor loop;
    serve_options o;
    o.where = &loop;
    server s{"ECHO", echo, o};
    REQUIRE(s.code() == return_code::ok);
    CHECK(loop.run(ask(async_conversation::initialize("inproc/ECHO", &loop).value(), 1000)) == 1000);
    s.stop();
    loop.run_until([&] { return s.finished(); });
    CHECK(running::open() == 0);
}

TEST_CASE("await: 10,000 operations allocate nothing, at either end, over TCP") {
    clq_options with_listener = settings(64, false);
    with_listener.listen = "127.0.0.1:0";
    const running u{with_listener};
    loop_executor loop;
    serve_options o;
    o.where = &loop;
    server s{"ECHO", echo, o};
    const std::string where = std::string{unit::listening()} + "/ECHO";
    std::uint64_t counted = 0;
    const auto client = [&]() -> task<unsigned> {
        async_conversation c = async_conversation::initialize(where, &loop).value();
        std::stop_source stop;
        buffer b;
        if (!co_await c.allocate()) co_return 0;
        unsigned done = 0;
        std::uint64_t before = 0;
        for (unsigned i = 0; i < 3000; ++i) {
            if (i == 500) before = allocations();
            // With a stop token and a deadline, too: neither costs one.
            if (!co_await c.send("sixteen bytes...").with(stop.get_token())) break;
            const auto got = co_await c.receive(b).with(stop.get_token()).within(1h);
            if (!got || got->text() != "sixteen bytes...") break;
            if (i >= 500) done += 4;  // both ends send and receive
        }
        counted = allocations() - before;
        (void)co_await c.deallocate();
        co_return done;
    };
    CHECK(loop.run(client()) == 10'000);
    CHECK(counted == 0);
    // What is counted with: a frame is an allocation.
    const std::uint64_t before = allocations();
    (void)loop.run(ask(async_conversation::initialize(where, &loop).value(), 1));
    CHECK(allocations() > before);
}

TEST_CASE("await: confirmation, errors and expedited data are awaited") {
    const running u{settings()};
    ends e{sync_level::confirm};
    async_conversation near = async_conversation::from(e.near).value();
    async_conversation far = async_conversation::from(e.far).value();
    const auto one = [&]() -> task<> {
        buffer b;
        CHECK(co_await near.send("really?"));
        CHECK(co_await near.confirm());
        CHECK((co_await near.send_expedited("now")).has_value());
        CHECK(co_await near.send("more"));
        CHECK((co_await near.confirm()).code() == return_code::program_error_purging);
        auto got = co_await near.receive(b);
        CHECK(got->text() == "enough");
        if (!got->ended) got = co_await near.receive(b);
        CHECK(got->ended);
    };
    const auto other = [&]() -> task<> {
        buffer b;
        auto got = co_await far.receive(b);
        CHECK(got->text() == "really?");
        if (!got->confirm_wanted()) got = co_await far.receive(b);
        CHECK(got->confirm_wanted());
        CHECK(co_await far.confirmed());
        const auto urgent = co_await far.receive_expedited(b);
        CHECK(urgent->text() == "now");
        got = co_await far.receive(b);
        CHECK(got->text() == "more");
        if (!got->confirm_wanted()) got = co_await far.receive(b);
        CHECK(co_await far.send_error());
        CHECK(co_await far.send("enough"));
        CHECK(co_await far.flush());
        CHECK(far.set_deallocate_type(deallocate_type::flush));
        CHECK(co_await far.deallocate());
    };
    started first{one()};
    started second{other()};
    second.wait();
    first.wait();
    CHECK(running::open() == 0);
}

TEST_CASE("await: what a task throws reaches whoever awaits it") {
    const auto throws = []() -> task<int> {
        throw std::runtime_error{"no"};
        co_return 1;
    };
    const auto awaits = [&]() -> task<int> { co_return 1 + co_await throws(); };
    CHECK_THROWS_WITH_AS((void)sync_wait(awaits()), "no", std::runtime_error);
    const auto adds = []() -> task<int> { co_return 1; };
    const auto twice = [&]() -> task<int> { co_return co_await adds() + co_await adds(); };
    CHECK(sync_wait(twice()) == 2);
}

TEST_CASE("await: frames come from the memory that is named for them") {
    std::array<std::byte, 4096> room;
    std::pmr::monotonic_buffer_resource memory{room.data(), room.size(), std::pmr::null_memory_resource()};
    const auto seven = []() -> task<int> { co_return 7; };
    const auto make = [&] {
        const frames_from here{&memory};
        return seven();
    };
    const std::uint64_t before = allocations();
    {
        const task<int> t = make();
        CHECK(static_cast<bool>(t));
    }
    CHECK(allocations() == before);
    CHECK(sync_wait(make()) == 7);
}

TEST_CASE("stop: before the call, while it waits, and after it is done; the conversation goes on") {
    const running u{settings()};
    ends e;
    e.send_two("v", "unheard");
    const async_conversation far = async_conversation::from(e.far).value();
    {
        outcome out;
        std::stop_source stop;
        stop.request_stop();
        started s{receive_once(far, out, stop.get_token())};
        CHECK(s.done());
        CHECK(out.code == return_code::unsuccessful);
        started next{receive_once(far, out)};
        CHECK(out.text == "unheard");
    }
    {
        outcome out;
        std::stop_source stop;
        started s{receive_once(far, out, stop.get_token())};
        CHECK(!s.done());
        std::thread asks{[&] { stop.request_stop(); }};
        s.wait();
        asks.join();
        CHECK(out.times == 1);
        CHECK(out.code == return_code::unsuccessful);
        CHECK(far.state().value() == conversation_state::receive);
        started next{receive_once(far, out)};
        CHECK(!next.done());
        REQUIRE(e.near.send("after"));
        REQUIRE(e.near.flush());
        next.wait();
        CHECK(out.text == "after");
    }
    {
        outcome out;
        std::stop_source stop;
        started s{receive_once(far, out, stop.get_token())};
        REQUIRE(e.near.send("x"));
        REQUIRE(e.near.flush());
        s.wait();
        stop.request_stop();
        CHECK(out.code == return_code::ok);
        CHECK(e.far.alive());
        CHECK(e.far.cancel());
        CHECK(e.near.cancel());
    }
    {
        // What the partner has a part of goes with the conversation.
        ends f{sync_level::confirm};
        async_conversation near = async_conversation::from(f.near).value();
        std::stop_source stop;
        return_code code = return_code::ok;
        const auto asks = [&]() -> task<> { code = (co_await near.confirm(stop.get_token())).code(); };
        started s{asks()};
        CHECK(!s.done());
        stop.request_stop();
        CHECK(s.done());
        CHECK(code == return_code::deallocated_abend);
        CHECK(!near.alive());
        (void)f.far.cancel();
    }
    CHECK(running::open() == 0);
}

TEST_CASE("stop: an accept that waits is given up, another one goes on") {
    const running u{settings()};
    REQUIRE(serve_tp_name("TP"));
    outcome one, two;
    const auto accept = [](outcome& out, std::stop_token stop) -> task<> {
        async_conversation c = async_conversation::incoming().value();
        out.code = (co_await c.accept(stop)).code();
        ++out.times;
        if (out.code == return_code::ok)
            co_await echo(c);
        else
            CHECK(c.cancel());
    };
    std::stop_source stop;
    started first{accept(one, stop.get_token())};
    started second{accept(two, {})};
    stop.request_stop();
    first.wait();
    CHECK(one.code == return_code::unsuccessful);
    CHECK(sync_wait(ask(async_conversation::initialize("inproc/TP").value(), 3)) == 3);
    second.wait();
    CHECK(two.code == return_code::ok);
    CHECK(running::open() == 0);
}

TEST_CASE("stop: beside a completion: one of the two is the outcome, once") {
    const running u{settings()};
    by_hand hand;
    for (unsigned i = 0; i < 400; ++i) {
        ends e;
        outcome out;
        std::stop_source stop;
        executor* const where = i % 2 == 0 ? nullptr : &hand;
        started s{receive_once(async_conversation::from(e.far, where).value(), out, stop.get_token())};
        std::thread partner{[&] {
            (void)e.near.send("data");
            (void)e.near.flush();
        }};
        std::thread asks{[&] { stop.request_stop(); }};
        if (where != nullptr) {
            hand.wait_for_one();
            CHECK(hand.run_one());
        }
        s.wait();
        partner.join();
        asks.join();
        CHECK(out.times == 1);
        const bool data = out.code == return_code::ok && out.text == "data";
        CHECK((data || out.code == return_code::unsuccessful));
        CHECK(e.far.alive());
        (void)e.far.cancel();
        (void)e.near.cancel();
    }
    CHECK(running::open() == 0);
}

TEST_CASE("deadline: 31 at both ends; it is for one call") {
    const running u{settings()};
    ends e;
    async_conversation far = async_conversation::from(e.far).value();
    const auto waits = [&]() -> task<return_code> {
        buffer b;
        auto got = co_await far.receive(b).within(1h);
        CHECK(got->text() == "in time");
        got = co_await far.receive(b).until(std::chrono::steady_clock::now() + 2ms);
        co_return got.code();
    };
    REQUIRE(e.near.send("in time"));
    REQUIRE(e.near.flush());
    CHECK(sync_wait(waits()) == return_code::deallocated_abend_timer);
    buffer b;
    CHECK(e.near.receive(b).code() == return_code::deallocated_abend_timer);
    CHECK(running::open() == 0);
}

TEST_CASE("destroyed: while it waits, the conversation ends and nothing is written to the frame") {
    const running u{settings()};
    buffer b;
    ends e;
    outcome out;
    {
        started s{receive_once(async_conversation::from(e.far).value(), out)};
        CHECK(!s.done());
    }
    CHECK(!e.far.alive());
    CHECK(e.near.receive(b).code() == return_code::deallocated_abend_svc);
    CHECK(out.times == 0);
    CHECK(running::open() == 0);
}

TEST_CASE("destroyed: with the completion under way to its executor") {
    const running u{settings()};
    by_hand hand;
    ends e;
    outcome out;
    {
        started s{receive_once(async_conversation::from(e.far, &hand).value(), out)};
        REQUIRE(e.near.send("x"));
        REQUIRE(e.near.flush());
        hand.wait_for_one();
    }
    CHECK(!hand.run_one());
    CHECK(!e.far.alive());
    CHECK(out.times == 0);
    CHECK(e.near.cancel());
    CHECK(running::open() == 0);
}

TEST_CASE("destroyed: by a coroutine that goes on inside the same dispatch") {
    const running u{settings(256, false)};
    loop_executor loop;
    ends e, f;
    outcome out;
    std::optional<started> victim;
    victim.emplace(receive_once(async_conversation::from(e.far, &loop).value(), out));
    const auto killer = [&](async_conversation c) -> task<> {
        buffer b;
        (void)co_await c.receive(b);
        // The victim's own completion may be the next to be told.
        victim->destroy();
    };
    REQUIRE(f.near.send("go"));
    REQUIRE(e.near.send("too late"));
    started s{killer(async_conversation::from(f.far, &loop).value())};
    REQUIRE(f.near.flush());
    REQUIRE(e.near.flush());
    loop.run_until([&] { return s.done(); });
    CHECK(out.times <= 1);
    CHECK(!e.far.alive());
    CHECK(e.near.cancel());
    CHECK(f.near.cancel());
    CHECK(f.far.cancel());
    CHECK(running::open() == 0);
}

TEST_CASE("destroyed: while another thread completes or stops it") {
    const running u{settings()};
    by_hand hand;
    unsigned ran = 0;
    for (unsigned i = 0; i < 400; ++i) {
        ends e;
        outcome out;
        std::stop_source stop;
        std::optional<started> s;
        s.emplace(receive_once(async_conversation::from(e.far, &hand).value(), out, stop.get_token()));
        std::thread partner{[&] {
            (void)e.near.send("data");
            (void)e.near.flush();
        }};
        std::optional<std::thread> asks;
        if (i % 2 == 0) asks.emplace([&] { stop.request_stop(); });
        // This is the executor's thread: either it goes on here, or it is destroyed here.
        if (i % 3 == 0 && hand.run_one()) ++ran;
        s->destroy();
        CHECK(!hand.run_one());
        partner.join();
        if (asks) asks->join();
        CHECK(out.times <= 1);
        (void)e.far.cancel();
        (void)e.near.cancel();
    }
    INFO("gone on before it was destroyed: ", ran);
    CHECK(running::open() == 0);
}

TEST_CASE("executor: a pool of threads and a host that runs functions") {
    const running u{settings()};
    thread_pool pool{2};
    serve_options o;
    o.where = &pool;
    server s{"ECHO", echo, o};
    struct host {
        std::mutex mutex;
        std::vector<std::function<void()>> functions;
        void execute(std::function<void()> f) {
            const std::lock_guard held{mutex};
            functions.push_back(std::move(f));
        }
        bool run() {
            std::vector<std::function<void()>> now;
            {
                const std::lock_guard held{mutex};
                now.swap(functions);
            }
            for (const auto& f : now) f();
            return !now.empty();
        }
    } own;
    host_executor<host> mine{own};
    const std::thread::id here = std::this_thread::get_id();
    bool all_here = true;
    const auto client = [&](async_conversation c) -> task<> {
        buffer b;
        (void)co_await c.allocate();
        for (unsigned i = 0; i < 20; ++i) {
            CHECK(co_await c.send("x"));
            CHECK((co_await c.receive(b)).has_value());
            all_here = all_here && std::this_thread::get_id() == here;
        }
        (void)co_await c.deallocate();
    };
    started t{client(async_conversation::initialize("inproc/ECHO", &mine).value())};
    while (!t.done())
        if (!own.run()) std::this_thread::yield();
    CHECK(all_here);
    s.stop();
    s.wait();
    while (own.run()) {
    }
    CHECK(running::open() == 0);
}

// ---- several coroutines on one conversation ----

namespace {

// Two ends of a full-duplex conversation, both blocking.
struct duplex_ends {
    conversation near, far;
    explicit duplex_ends(const std::string& where = "inproc/TP") {
        REQUIRE(serve_tp_name("TP"));
        near = conversation::initialize(where).value();
        REQUIRE(near.set_send_receive_mode(send_receive_mode::full_duplex));
        REQUIRE(near.allocate());
        REQUIRE(near.flush());
        far = conversation::accept().value();
    }
    void say(std::string_view text) {
        REQUIRE(near.send(text));
        REQUIRE(near.flush());
    }
};

std::string_view numbered(std::array<char, 12>& text, unsigned n) {
    text = {'r',
            'e',
            'c',
            'o',
            'r',
            'd',
            ' ',
            static_cast<char>('0' + n / 10'000 % 10),
            static_cast<char>('0' + n / 1'000 % 10),
            static_cast<char>('0' + n / 100 % 10),
            static_cast<char>('0' + n / 10 % 10),
            static_cast<char>('0' + n % 10)};
    return {text.data(), text.size()};
}

task<> send_records(async_conversation c, unsigned records) {
    std::array<char, 12> text;
    for (unsigned i = 0; i < records; ++i)
        if (!co_await c.send(numbered(text, i))) co_return;
    (void)co_await c.flush();
}
// `each` hears how many have come.
template <class Each>
task<> receive_records(async_conversation c, unsigned records, unsigned& right, Each each) {
    buffer b;
    std::array<char, 12> text;
    while (right < records) {
        const auto got = co_await c.receive(b);
        if (!got || got->text() != numbered(text, right)) co_return;
        each(++right);
    }
}

// What came of the calls of four coroutines, one on each queue of a full-duplex conversation.
struct four {
    enum queue : std::size_t { send, receive, expedited_send, expedited_receive, count };
    std::array<return_code, count> codes{};
    std::array<unsigned, count> times{};
    std::array<std::stop_source, count> stops{};
    std::array<std::optional<started>, count> waits{};
    unsigned sent = 0;  // records before the send that waits

    // Each is awaited until it waits.
    void begin(async_conversation c) {
        waits[send].emplace(run_send(c, *this));
        waits[receive].emplace(run_receive(c, *this));
        waits[expedited_send].emplace(run_expedited_send(c, *this));
        waits[expedited_receive].emplace(run_expedited_receive(c, *this));
        for (auto& w : waits) CHECK(!w->done());
    }
    void note(queue q, return_code code) {
        codes[q] = code;
        ++times[q];
    }
    static task<> run_send(async_conversation c, four& f) {
        const std::string record(20'000, 's');
        for (;;) {
            const auto went = co_await c.send(record, f.stops[send].get_token());
            if (!went) {
                f.note(send, went.code());
                co_return;
            }
            ++f.sent;
            if (f.stops[send].stop_requested()) {
                f.note(send, return_code::ok);
                co_return;
            }
        }
    }
    static task<> run_receive(async_conversation c, four& f) {
        buffer b;
        f.note(receive, (co_await c.receive(b, f.stops[receive].get_token())).code());
    }
    static task<> run_expedited_send(async_conversation c, four& f) {
        CHECK((co_await c.send_expedited("first")).has_value());
        f.note(expedited_send, (co_await c.send_expedited("second", f.stops[expedited_send].get_token())).code());
    }
    static task<> run_expedited_receive(async_conversation c, four& f) {
        buffer b;
        f.note(expedited_receive,
               (co_await c.receive_expedited(b, receive_type::wait, f.stops[expedited_receive].get_token())).code());
    }
    // By the partner: completes what waits on that queue, where that many records were sent before.
    static void complete(conversation near, queue q, unsigned sent) {
        std::array<std::byte, 32'767> b;
        switch (q) {
            case send:
                for (unsigned i = 0; i < sent && near.receive(b); ++i) {
                }
                break;
            case receive:
                (void)near.send("data");
                (void)near.flush();
                break;
            case expedited_send: (void)near.receive_expedited(b); break;
            default: (void)near.send_expedited("fast");
        }
    }
};

}  // namespace

TEST_CASE("queues: coroutines send and receive 10,000 records each way, at both ends at once") {
    constexpr unsigned records = 10'000;
    const auto quiet = [](unsigned) {};
    SUBCASE("in process, going on where calls complete") {
        const running u{settings()};
        duplex_ends e;
        const async_conversation near = async_conversation::from(e.near).value();
        const async_conversation far = async_conversation::from(e.far).value();
        unsigned at_near = 0, at_far = 0;
        started heard{receive_records(far, records, at_far, quiet)}, answer{send_records(far, records)};
        started heard_too{receive_records(near, records, at_near, quiet)}, asks{send_records(near, records)};
        for (started* s : {&heard, &answer, &heard_too, &asks}) s->wait();
        CHECK(at_near == records);
        CHECK(at_far == records);
        CHECK(e.near.cancel());
        CHECK(e.far.cancel());
    }
    SUBCASE("over TCP, on a pool of threads, begun by a server") {
        clq_options o = settings();
        o.listen = "127.0.0.1:0";
        const running u{o};
        thread_pool pool{2};
        serve_options s;
        s.where = &pool;
        unsigned at_near = 0, at_far = 0;
        server served{"BOTH",
                      [&](async_conversation c) -> task<> {
                          CHECK(c.send_receive_mode().value() == send_receive_mode::full_duplex);
                          started answer{send_records(c, records)};
                          co_await receive_records(c, records, at_far, quiet);
                          while (!answer.done()) co_await detail::schedule{&pool};
                          CHECK(co_await c.deallocate());
                          buffer b;
                          CHECK((co_await c.receive(b))->ended);
                      },
                      s};
        const auto client = [&]() -> task<> {
            async_conversation c =
                async_conversation::initialize(std::string{unit::listening()} + "/BOTH", &pool).value();
            CHECK(c.set_send_receive_mode(send_receive_mode::full_duplex));
            CHECK(co_await c.allocate());
            started asks{send_records(c, records)};
            co_await receive_records(c, records, at_near, quiet);
            while (!asks.done()) co_await detail::schedule{&pool};
            buffer b;
            CHECK((co_await c.receive(b))->ended);
            CHECK(co_await c.deallocate());
        };
        sync_wait(client());
        served.stop();
        served.wait();
        CHECK(at_near == records);
        CHECK(at_far == records);
    }
    SUBCASE("over TCP by one loop: nothing is allocated") {
        clq_options o = settings(64, false);
        o.listen = "127.0.0.1:0";
        const running u{o};
        loop_executor loop;
        duplex_ends e{std::string{unit::listening()} + "/TP"};
        const async_conversation near = async_conversation::from(e.near, &loop).value();
        const async_conversation far = async_conversation::from(e.far, &loop).value();
        unsigned at_near = 0, at_far = 0;
        std::uint64_t before = 0, counted = 1;
        const auto watch = [&](unsigned n) {
            if (n == 1'000) before = allocations();
            if (n == records) counted = allocations() - before;
        };
        started heard{receive_records(far, records, at_far, watch)}, answer{send_records(far, records)};
        started heard_too{receive_records(near, records, at_near, quiet)}, asks{send_records(near, records)};
        // With expedited data going round beside them.
        unsigned rounds = 0;
        const auto fast = [&](async_conversation c, bool first) -> task<> {
            buffer b;
            while (counted == 1) {
                if (first && !co_await c.send_expedited("fast")) co_return;
                first = true;
                if (!co_await c.receive_expedited(b)) co_return;
                ++rounds;
            }
        };
        started one{fast(near, true)}, other{fast(far, false)};
        loop.run_until([&] { return heard.done() && heard_too.done() && answer.done() && asks.done(); });
        CHECK(at_near == records);
        CHECK(at_far == records);
        CHECK(counted == 0);
        CHECK(rounds != 0);
        CHECK(e.near.cancel());
        CHECK(e.far.cancel());
        loop.run_until([&] { return one.done() && other.done(); });
    }
    CHECK(running::open() == 0);
}

TEST_CASE("queues: expedited data goes beside a receive that waits, of either mode; a second call on a queue is 37") {
    const running u{settings()};
    for (const bool full : {false, true}) {
        conversation near, far;
        if (full) {
            const duplex_ends e;
            near = e.near, far = e.far;
        } else {
            const ends e;
            near = e.near, far = e.far;
        }
        const async_conversation c = async_conversation::from(far).value();
        outcome out, second;
        started waits{receive_once(c, out)};
        std::string fast;
        const auto expedited = [&](async_conversation on) -> task<> {
            buffer b;
            CHECK((co_await on.send_expedited("one")).has_value());
            CHECK((co_await on.send_expedited("two")).has_value());
            const auto got = co_await on.receive_expedited(b);
            fast = got->text();
        };
        started beside{expedited(c)};
        CHECK(!beside.done());
        started refused{receive_once(c, second)};
        CHECK(second.code == return_code::operation_not_accepted);
        buffer b;
        CHECK(near.receive_expedited(b)->text() == "one");
        CHECK(near.receive_expedited(b)->text() == "two");
        CHECK(near.send_expedited("three").has_value());
        beside.wait();
        CHECK(fast == "three");
        CHECK(!waits.done());
        REQUIRE(near.send("slow"));
        REQUIRE(near.flush());
        waits.wait();
        CHECK(out.text == "slow");
        CHECK(near.cancel());
        CHECK(far.cancel());
    }
    CHECK(running::open() == 0);
}

TEST_CASE("queues: a stop request ends its own call alone") {
    const running u{settings()};
    for (unsigned which = 0; which < four::count; ++which) {
        CAPTURE(which);
        duplex_ends e;
        const async_conversation c = async_conversation::from(e.far).value();
        four f;
        f.begin(c);
        f.stops[which].request_stop();
        f.waits[which]->wait();
        // A record that the send buffer has taken is sent.
        CHECK((f.codes[which] == return_code::unsuccessful ||
               (which == four::send && f.codes[which] == return_code::ok)));
        for (unsigned i = 0; i < four::count; ++i) {
            CHECK(f.times[i] == (i == which ? 1U : 0U));
            if (i != which && i != four::send) four::complete(e.near, static_cast<four::queue>(i), f.sent);
        }
        for (unsigned i = 0; i < four::count; ++i) {
            if (i == which || i == four::send) continue;
            f.waits[i]->wait();
            CHECK(f.codes[i] == return_code::ok);
        }
        CHECK(e.far.cancel());
        CHECK(e.near.cancel());
        if (which != four::send) {
            f.waits[four::send]->wait();
            CHECK(f.codes[four::send] == return_code::deallocated_abend);
        }
    }
    CHECK(running::open() == 0);
}

TEST_CASE("queues: a deadline is that of its call, and ends the others with it") {
    const running u{settings()};
    duplex_ends e;
    async_conversation c = async_conversation::from(e.far).value();
    outcome out;
    started waits{receive_once(c, out)};
    return_code code = return_code::ok;
    const auto limited = [&]() -> task<> {
        buffer b;
        const auto got = co_await c.receive_expedited(b).within(1h);
        CHECK(got->text() == "in time");
        code = (co_await c.receive_expedited(b).within(2ms)).code();
    };
    started ends_first{limited()};
    CHECK(e.near.send_expedited("in time").has_value());
    ends_first.wait();
    waits.wait();
    CHECK(code == return_code::deallocated_abend_timer);
    CHECK(out.code == return_code::deallocated_abend_timer);
    buffer b;
    CHECK(e.near.receive(b).code() == return_code::deallocated_abend_timer);
    CHECK(running::open() == 0);
}

TEST_CASE("queues: a level that was chosen before is 25, and so is another afterwards") {
    const running u{settings()};
    constexpr CM_INT32 state_check = CM_PROGRAM_STATE_CHECK;
    for (const bool by_mode : {true, false}) {
        ends e;
        CM_INT32 mode = CM_NON_BLOCKING, rc = -1;
        if (by_mode)
            cmspm(e.far.data(), &mode, &rc);
        else
            clq_set_callback(
                e.far.data(), [](void*, const clq_completion*) {}, nullptr, &rc);
        REQUIRE(rc == CM_OK);
        CHECK(async_conversation::from(e.far).code() == return_code::program_state_check);
        async_conversation near = async_conversation::from(e.near).value();
        cmspm(near.data(), &mode, &rc);
        CHECK(rc == state_check);
        clq_set_callback(
            near.data(), [](void*, const clq_completion*) {}, nullptr, &rc);
        CHECK(rc == state_check);
        // Its own level holds, blocking and not.
        CHECK(near.blocking());
        CHECK(near.blocking()->send("x"));
        CHECK(async_conversation::from(near));
        CHECK(e.near.cancel());
        CHECK(e.far.cancel());
    }
    CHECK(running::open() == 0);
}

TEST_CASE("queues: destroyed while it waits on any of them, the conversation ends and the others hear of it") {
    const running u{settings()};
    for (unsigned which = 0; which < four::count; ++which) {
        CAPTURE(which);
        duplex_ends e;
        four f;
        f.begin(async_conversation::from(e.far).value());
        f.waits[which]->destroy();
        CHECK(!e.far.alive());
        for (unsigned i = 0; i < four::count; ++i) {
            if (i == which) continue;
            f.waits[i]->wait();
            CHECK((f.codes[i] == return_code::deallocated_abend || f.codes[i] == return_code::conversation_ending));
        }
        CHECK(f.times[which] == 0);
        std::array<std::byte, 32'767> b;
        return_code code = return_code::ok;
        while (code == return_code::ok) code = e.near.receive(b).code();
        CHECK(code == return_code::deallocated_abend_svc);
    }
    CHECK(running::open() == 0);
}

TEST_CASE("queues: destroyed or stopped while another thread completes it, on each queue") {
    const running u{settings()};
    by_hand hand;
    for (unsigned i = 0; i < 200; ++i) {
        const auto which = static_cast<four::queue>(i % four::count);
        duplex_ends e;
        four f;
        f.begin(async_conversation::from(e.far, &hand).value());
        std::thread partner{[&e, which, sent = f.sent] { four::complete(e.near, which, sent); }};
        std::optional<std::thread> asks;
        if (i / four::count % 2 == 0) asks.emplace([&] { f.stops[which].request_stop(); });
        // This is the executor's thread: either they go on here, or they are destroyed here.
        if (i % 3 == 0) (void)hand.run_one();
        for (auto& w : f.waits) w->destroy();
        CHECK(!hand.run_one());
        if (asks) asks->join();
        (void)e.far.cancel();
        (void)e.near.cancel();
        partner.join();
        for (const unsigned times : f.times) CHECK(times <= 1);
    }
    CHECK(running::open() == 0);
}

TEST_SUITE_END();
