// The server: coroutines and functions as handlers, what throws, bounds, stopping, and many conversations.
#include <algorithm>
#include <memory_resource>
#include <new>
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
        if (!got || got->ended || !co_await c.send(got->bytes)) co_return;
    }
}

return_code ask_once(std::string_view where, std::string_view text, std::string* answer = nullptr) {
    auto c = conversation::initialize(where);
    if (!c) return c.code();
    const ended_at_exit guard{*c};
    buffer b;
    if (const auto done = c->allocate(); !done) return done.code();
    if (const auto sent = c->send(text); !sent) return sent.code();
    const auto got = c->receive(b);
    if (got && answer != nullptr) *answer = got->text();
    return got.code();
}

// The partner ended it: whether a Send hears of it or the Receive behind it.
bool ended_by(conversation c, return_code code) {
    buffer b;
    const auto sent = c.send("?");
    return (sent ? c.receive(b).code() : sent.code()) == code;
}

unsigned number_from_environment(const char* name, unsigned otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : static_cast<unsigned>(std::strtoul(text, nullptr, 10));
}

// Coroutines wait here until it is opened. One thread.
class gate {
public:
    auto operator co_await() noexcept {
        struct awaiter {
            gate& at;
            [[nodiscard]] bool await_ready() const noexcept { return at.open_; }
            void await_suspend(std::coroutine_handle<> h) const { at.waiting_.push_back(h); }
            void await_resume() const noexcept {}
        };
        return awaiter{*this};
    }
    void open() {
        open_ = true;
        for (const std::coroutine_handle<> h : std::exchange(waiting_, {})) h.resume();
    }

private:
    bool open_ = false;
    std::vector<std::coroutine_handle<>> waiting_;
};

// Has no memory for one of the blocks it is asked for.
class scarce_memory final : public std::pmr::memory_resource {
public:
    // That after so many others.
    void fail_after(int others) { left_.store(others); }

private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        if (left_.fetch_sub(1) == 0) throw std::bad_alloc{};
        return std::pmr::new_delete_resource()->allocate(bytes, alignment);
    }
    void do_deallocate(void* p, std::size_t bytes, std::size_t alignment) override {
        std::pmr::new_delete_resource()->deallocate(p, bytes, alignment);
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override { return this == &other; }
    std::atomic<int> left_{-1};
};

}  // namespace

TEST_SUITE_BEGIN("cxx");

TEST_CASE("serve: coroutines and functions side by side, each for its name") {
    const running u{settings()};
    thread_pool pool{2};
    serve_options o;
    o.where = &pool;
    server s{o};
    REQUIRE(s.add("ECHO", echo));
    REQUIRE(s.add("COUNT", [](conversation c) {
        buffer b;
        const auto got = c.receive(b);
        (void)c.send(std::to_string(got->bytes.size()));
        (void)c.deallocate();
    }));
    CHECK(s.add("", echo).code() == return_code::program_parameter_check);
    REQUIRE(s.start());
    std::string answer;
    CHECK(ask_once("inproc/ECHO", "hello", &answer) == return_code::ok);
    CHECK(answer == "hello");
    CHECK(ask_once("inproc/COUNT", "twelve chars", &answer) == return_code::deallocated_normal);
    CHECK(answer == "12");
    // A name that somebody else in the program serves and this server does not know.
    REQUIRE(serve_tp_name("OTHER"));
    CHECK(ask_once("inproc/OTHER", "?") == return_code::deallocated_abend);
    s.stop();
    s.wait();
    CHECK(ask_once("inproc/ECHO", "?") == return_code::tp_name_not_recognized);
    CHECK(running::open() == 0);
}

TEST_CASE("serve: a function needs an executor") {
    const running u{settings()};
    const server s{"X", [](conversation) {}, {}};
    CHECK(s.code() == return_code::program_parameter_check);
    CHECK(s.finished());
}

TEST_CASE("serve: a handler that throws ends its own conversation, the others go on") {
    const running u{settings()};
    thread_pool pool{2};
    std::mutex mutex;
    std::vector<std::string> heard;
    serve_options o;
    o.where = &pool;
    o.failed = [&](const conversation_handle& c, std::exception_ptr thrown) {
        CHECK(!c.alive());
        try {
            std::rethrow_exception(thrown);
        } catch (const std::exception& e) {
            const std::lock_guard held{mutex};
            heard.emplace_back(e.what());
        }
        throw std::runtime_error{"nobody hears this"};
    };
    server s{o};
    REQUIRE(s.add("TASK", [](async_conversation c) -> task<> {
        buffer b;
        const auto got = co_await c.receive(b);
        if (got->text() == "bad") throw std::runtime_error{"task"};
        (void)co_await c.send("fine");
        (void)co_await c.flush();
    }));
    REQUIRE(s.add("CALL", [](conversation c) {
        buffer b;
        if (c.receive(b)->text() == "bad") throw std::runtime_error{"call"};
    }));
    REQUIRE(s.start());
    auto open = conversation::initialize("inproc/TASK").value();
    REQUIRE(open.allocate());
    REQUIRE(open.flush());
    CHECK(ask_once("inproc/TASK", "bad") == return_code::deallocated_abend);
    CHECK(ask_once("inproc/CALL", "bad") == return_code::deallocated_abend);
    REQUIRE(open.send("good"));
    buffer b;
    CHECK(open.receive(b)->text() == "fine");
    CHECK(open.receive(b).code() == return_code::deallocated_abend);  // the handler left it open
    s.stop();
    s.wait();
    std::sort(heard.begin(), heard.end());
    CHECK(heard == std::vector<std::string>{"call", "task"});
    CHECK(running::open() == 0);
}

TEST_CASE("serve: without memory for a handler its conversation ends abnormally, and the next one is served") {
    const running u{settings()};
    scarce_memory memory;
    std::atomic<int> failures{0};
    serve_options o;
    o.memory = &memory;
    o.failed = [&](const conversation_handle&, std::exception_ptr thrown) {
        try {
            std::rethrow_exception(thrown);
        } catch (const std::bad_alloc&) {
            ++failures;
        }
    };
    server s{"ECHO", echo, o};
    REQUIRE(s.code() == return_code::ok);
    for (int frame = 0; frame < 2; ++frame) {  // the server's own, the handler's
        CAPTURE(frame);
        memory.fail_after(frame);
        CHECK(ask_once("inproc/ECHO", "?") == return_code::deallocated_abend);
        std::string answer;
        CHECK(ask_once("inproc/ECHO", "hello", &answer) == return_code::ok);
        CHECK(answer == "hello");
        CHECK(failures == frame + 1);
    }
    s.stop();
    s.wait();
    CHECK(s.open() == 0);
    CHECK(running::open() == 0);
}

TEST_CASE("serve: without memory to accept it does not begin, and can be waited for") {
    const running u{settings()};
    for (int frame = 0; frame < 4; ++frame) {
        CAPTURE(frame);
        scarce_memory memory;
        memory.fail_after(frame);
        serve_options o;
        o.memory = &memory;
        server s{"ECHO", echo, o};
        CHECK(s.code() == return_code::product_specific_error);
        s.wait();
        CHECK(ask_once("inproc/ECHO", "?") == return_code::tp_name_not_recognized);
    }
}

#if defined(COLLOQUY_TEST_OWN_NEW)
TEST_CASE("thread_pool: when one thread cannot start, those before it end") {
    for (int i = 0; i < 5; ++i) {
        CAPTURE(i);
        const failing_new nothing{i};
        CHECK_THROWS_AS(thread_pool{4}, std::bad_alloc);
    }
}
#endif

TEST_CASE("serve: no more conversations at a time than it is told") {
    const running u{settings(256, false)};
    loop_executor loop;
    unsigned most = 0, served = 0;
    serve_options o;
    o.where = &loop;
    o.conversations_max = 3;
    o.accepts = 8;
    std::optional<server> s;
    s.emplace(o);
    REQUIRE(s->add("ECHO", [&](async_conversation c) -> task<> {
        most = std::max(most, static_cast<unsigned>(s->open()));
        ++served;
        co_await echo(c);
    }));
    REQUIRE(s->start());
    unsigned over = 0;
    const auto client = [&]() -> task<> {
        async_conversation c = async_conversation::initialize("inproc/ECHO", &loop).value();
        buffer b;
        (void)co_await c.allocate();
        for (unsigned i = 0; i < 5; ++i) {
            CHECK(co_await c.send("x"));
            CHECK((co_await c.receive(b))->text() == "x");
        }
        (void)co_await c.deallocate();
        ++over;
    };
    std::vector<std::unique_ptr<started>> clients;
    for (unsigned i = 0; i < 40; ++i) clients.push_back(std::make_unique<started>(client()));
    loop.run_until([&] { return over == 40; });
    CHECK(served == 40);
    CHECK(most == 3);
    s.reset();
    CHECK(running::open() == 0);
}

TEST_CASE("serve: stopping lets what is open go on; cancelling ends it; a server that goes waits for its handlers") {
    const running u{settings()};
    auto s = std::make_unique<server>("ECHO", echo, serve_options{});
    REQUIRE(s->code() == return_code::ok);
    auto c = conversation::initialize("inproc/ECHO").value();
    buffer b;
    REQUIRE(c.allocate());
    REQUIRE(c.send("one"));
    CHECK(c.receive(b)->text() == "one");
    s->stop();
    s->stop();
    CHECK(s->open() == 1);
    CHECK(!s->finished());
    REQUIRE(c.send("two"));
    CHECK(c.receive(b)->text() == "two");
    s->cancel();
    CHECK(ended_by(c, return_code::deallocated_abend_svc));
    s->wait();
    CHECK(s->finished());
    s.reset();

    // Stopped from inside a handler, and destroyed with a conversation open.
    server* self = nullptr;
    auto t = std::make_unique<server>(serve_options{});
    self = t.get();
    REQUIRE(t->add("ONCE", [&](async_conversation a) -> task<> {
        self->stop();
        co_await echo(a);
    }));
    REQUIRE(t->start());
    c = conversation::initialize("inproc/ONCE").value();
    REQUIRE(c.allocate());
    REQUIRE(c.send("one"));
    CHECK(c.receive(b)->text() == "one");
    t.reset();
    CHECK(ended_by(c, return_code::deallocated_abend_svc));
    CHECK(running::open() == 0);
}

TEST_CASE("serve: many conversations at once, each completion exactly once") {
    // Goal: all of them are open at the same time, and each hears its own answers, each once.
    const unsigned count = number_from_environment("COLLOQUY_CXX_CONVERSATIONS", 10'000);
    clq_options wanted = settings(2 * count + 256, false);
    wanted.listen = "127.0.0.1:0";
    const running u{wanted};
    loop_executor loop;
    serve_options o;
    o.where = &loop;
    o.accepts = 64;
    server s{"ECHO", echo, o};
    REQUIRE(s.code() == return_code::ok);
    const std::string where = std::string{unit::listening()} + "/ECHO";
    unsigned heard_all = 0, over = 0;
    std::vector<unsigned> times(count);
    gate everybody;
    const auto client = [&](unsigned me) -> task<> {
        auto c = async_conversation::initialize(where, &loop);
        const std::string own = std::to_string(me);
        buffer b;
        return_code code = c ? (co_await c->allocate()).code() : c.code();
        bool good = code == return_code::ok;
        for (unsigned turn = 0; good && turn < 2; ++turn) {
            good = (co_await c->send(own)).has_value();
            const auto got = co_await c->receive(b);
            code = got.code();
            ++times[me];
            good = good && got && got->text() == own && got->our_turn();
            if (turn == 0) {
                ++heard_all;
                co_await everybody;
            }
        }
        if (good) (void)co_await c->deallocate();
        INFO("conversation ", me, " ended with ", static_cast<int>(code));
        CHECK(good);
        ++over;
    };
    std::vector<std::unique_ptr<started>> clients;
    clients.reserve(count);
    for (unsigned i = 0; i < count; ++i) {
        clients.push_back(std::make_unique<started>(client(i)));
        if (i % 256 == 0) loop.run_once(0);
    }
    loop.run_until([&] { return heard_all + over == count; });
    const std::size_t most = s.open();
    CHECK(most == count);
    everybody.open();
    loop.run_until([&] { return over == count; });
    unsigned exact = 0;
    for (const unsigned n : times) exact += n == 2 ? 1U : 0U;
    CHECK(exact == count);
    CHECK(heard_all == count);
    s.stop();
    loop.run_until([&] { return s.finished(); });
    MESSAGE(count, " conversations, at most ", most, " open at the server");
    CHECK(running::open() == 0);
}

TEST_CASE("serve: on the library's own threads, with nothing between completion and coroutine") {
    clq_options wanted = settings(1024);
    wanted.reactors = 2;
    wanted.listen = "127.0.0.1:0";
    const running u{wanted};
    server s{"ECHO", echo, serve_options{}};
    const std::string where = std::string{unit::listening()} + "/ECHO";
    constexpr unsigned count = 200, turns = 20;
    std::atomic<unsigned> heard{0};
    const auto client = [&]() -> task<> {
        async_conversation c = async_conversation::initialize(where).value();
        buffer b;
        if (!co_await c.allocate()) co_return;
        for (unsigned i = 0; i < turns; ++i) {
            if (!co_await c.send("ping")) co_return;
            const auto got = co_await c.receive(b);
            if (!got || got->text() != "ping") co_return;
            heard.fetch_add(1);
        }
        (void)co_await c.deallocate();
    };
    std::vector<std::unique_ptr<started>> clients;
    for (unsigned i = 0; i < count; ++i) clients.push_back(std::make_unique<started>(client()));
    for (const auto& c : clients) c->wait();
    CHECK(heard.load() == count * turns);
    s.stop();
    s.wait();
}

TEST_SUITE_END();
