// echo_coroutine: gives back what it is sent, in as many conversations as there are: each is a coroutine that reads as
// the blocking server does, and no thread waits for any of them. Ends with its input.
//
//   lu_name = "NET.ECHO"
//   listen = "127.0.0.1:4711"
//   [limits]
//   conversations = 110_000
//   accept_queue = 110_000
//   link_conversations = 110_000
//   window_bytes = 1_024
//
// usage: echo_coroutine
#include <array>
#include <cstdio>

#include "colloquy/colloquy.hpp"

namespace {

colloquy::task<> echo(colloquy::async_conversation c) {
    std::array<std::byte, 512> text;
    for (;;) {
        const auto got = co_await c.receive(text);    // gives the turn and goes on when it has come back
        if (!got || !got->our_turn()) co_return;      // it has ended, or sends a longer record than we take
        if (!co_await c.send(got->bytes)) co_return;  // kept until the next receive, so that both leave together
    }
}

}  // namespace

int main() {
    colloquy::serve_options options;
    options.accepts = 64;  // callers that come together are taken together
    colloquy::server server = colloquy::serve("ECHO", echo, options);
    if (server.code() != colloquy::return_code::ok) {
        const auto why = colloquy::last_error();
        std::fprintf(stderr, "echo_coroutine: %.*s\n", static_cast<int>(why.size()), why.data());
        return 1;
    }
    while (std::getchar() != EOF) {
    }
    return 0;  // the server ends what is open
}
