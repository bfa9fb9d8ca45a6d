// A C++20 program: a server and its client in one loop, by the installed headers alone.
#include <array>
#include <cstdio>

#include "colloquy/colloquy.hpp"

namespace {

colloquy::task<> answer(colloquy::async_conversation c) {
    std::array<std::byte, 100> text;
    const auto got = co_await c.receive(text);
    if (got && got->our_turn()) (void)co_await c.send(got->bytes);
    (void)co_await c.deallocate();
}

colloquy::task<bool> ask(colloquy::executor* where) {
    auto c = colloquy::async_conversation::initialize("inproc/HELLO", where).value();
    std::array<std::byte, 100> text;
    if (!co_await c.allocate() || !co_await c.send("hello")) co_return false;
    const auto got = co_await c.receive(text);
    if (!got) co_return false;
    std::printf("%.*s\n", static_cast<int>(got->text().size()), got->text().data());
    co_return true;
}

}  // namespace

int main() {
    clq_options settings{};
    settings.no_threads = 1;
    const colloquy::unit unit{settings};
    if (!unit) return 1;
    colloquy::loop_executor loop;
    colloquy::serve_options options;
    options.where = &loop;
    colloquy::server server = colloquy::serve("HELLO", answer, options);
    return loop.run(ask(&loop)) ? 0 : 1;
}
