// echo: the built-in programs that only move records.
//
// ECHO returns each record it got with the turn, and gives the turn back; it ends when the partner deallocates.
// ONCE does the same but ends the conversation with its answer, so that a transaction is one frame each way.
// SINK receives and forgets.
// All three answer requests to confirm, and work with sync levels none and confirm.
#pragma once

#include "tools/colloquy/service.hpp"

namespace colloquy::tool {

enum class echo_kind : std::uint8_t { echo, once, sink };

class echo_pool final : public service_pool {
public:
    echo_pool(hub& completions, echo_kind kind) : hub_{completions}, kind_{kind} {}

private:
    [[nodiscard]] std::unique_ptr<service> make() override;
    hub& hub_;
    echo_kind kind_;
};

}  // namespace colloquy::tool
