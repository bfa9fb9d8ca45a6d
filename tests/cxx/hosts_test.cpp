// Loops of other libraries that drive: coroutines go on inside them, and no thread is started.
#include "tests/cxx/cxx.hpp"

#if !defined(_WIN32) && __has_include(<asio.hpp>)
#include "colloquy/asio.hpp"
#define WITH_ASIO
#endif
#if defined(COLLOQUY_TEST_WITH_LIBUV)
#include "colloquy/libuv.hpp"
#endif

#if defined(WITH_ASIO) || defined(COLLOQUY_TEST_WITH_LIBUV)
using namespace colloquy;
using namespace colloquy::test;

namespace {

task<> echo(async_conversation c) {
    buffer b;
    for (;;) {
        const auto got = co_await c.receive(b);
        if (!got || !got->our_turn() || !co_await c.send(got->bytes)) co_return;
    }
}

// Twenty turns over TCP, on the executor's thread; then `over()`.
task<> ask(std::string where, executor& on, unsigned& heard, std::function<void()> over) {
    const std::thread::id here = std::this_thread::get_id();
    async_conversation c = async_conversation::initialize(where, &on).value();
    buffer b;
    bool good = (co_await c.allocate()).has_value();
    for (unsigned i = 0; good && i < 20; ++i) {
        good = (co_await c.send("again")).has_value();
        const auto got = co_await c.receive(b);
        good = good && got && got->text() == "again" && std::this_thread::get_id() == here;
        if (good) ++heard;
    }
    (void)co_await c.deallocate();
    over();
}

clq_options listening() {
    clq_options o = settings(64, false);
    o.listen = "127.0.0.1:0";
    return o;
}

serve_options by(executor& where) {
    serve_options o;
    o.where = &where;
    return o;
}

}  // namespace

TEST_SUITE_BEGIN("cxx");

#if defined(WITH_ASIO)
TEST_CASE("hosts: asio drives; coroutines go on inside run()") {
    const running u{listening()};
    asio::io_context loop{1};
    unsigned heard = 0;
    {
        asio_executor where{loop};
        server s{"ECHO", echo, by(where)};
        started t{ask(std::string{unit::listening()} + "/ECHO", where, heard, [&] {
            s.stop();
            loop.stop();
        })};
        where.arm();  // calls were made outside
        loop.run();
        loop.restart();
        while (!s.finished()) loop.run_one();
        CHECK(t.done());
    }
    CHECK(heard == 20);
    CHECK(running::open() == 0);
}
#endif

#if defined(COLLOQUY_TEST_WITH_LIBUV)
TEST_CASE("hosts: libuv drives; coroutines go on on its thread") {
    const running u{listening()};
    uv_loop_t loop;
    REQUIRE(uv_loop_init(&loop) == 0);
    unsigned heard = 0;
    {
        uv_executor where{&loop};
        server s{"ECHO", echo, by(where)};
        started t{ask(std::string{unit::listening()} + "/ECHO", where, heard, [&] {
            s.stop();
            uv_stop(&loop);
        })};
        (void)uv_run(&loop, UV_RUN_DEFAULT);
        while (!s.finished()) (void)uv_run(&loop, UV_RUN_ONCE);
        CHECK(t.done());
        where.close();
        while (!where.closed()) (void)uv_run(&loop, UV_RUN_ONCE);
    }
    CHECK(uv_loop_close(&loop) == 0);
    CHECK(heard == 20);
    CHECK(running::open() == 0);
}
#endif

TEST_SUITE_END();
#endif
