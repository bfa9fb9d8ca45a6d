// return_code: the outcome of a verb, numbered as CPI-C numbers it, so that the C interface can pass it through.
#pragma once

#include <cstdint>

namespace colloquy::runtime {

enum class return_code : std::int32_t {
#define COLLOQUY_RETURN_CODE(name, symbol, number, set, ends) name = number,
#include "runtime/return_code.def"
#undef COLLOQUY_RETURN_CODE
};

// The groups by which the call and state tables of the standard name return codes.
enum class return_set : std::uint8_t { none, ok, af, ae, da, dn, pe, ps, en, ep, et, pc, sc, rf, un, oi, se, na, bo };

// True when the conversation is in RESET whenever this code is returned.
[[nodiscard]] constexpr bool ends_conversation(return_code code) noexcept {
    switch (code) {
#define COLLOQUY_RETURN_CODE(name, symbol, number, set, ends) \
    case return_code::name: return (ends) != 0;
#include "runtime/return_code.def"
#undef COLLOQUY_RETURN_CODE
    }
    return false;
}

[[nodiscard]] constexpr return_set set_of(return_code code) noexcept {
    switch (code) {
#define COLLOQUY_RETURN_CODE(name, symbol, number, set, ends) \
    case return_code::name: return return_set::set;
#include "runtime/return_code.def"
#undef COLLOQUY_RETURN_CODE
    }
    return return_set::none;
}

// The standard's symbol, "CM_OK" for example; "CM_?" for a number that no header assigns.
[[nodiscard]] constexpr const char* name(return_code code) noexcept {
    switch (code) {
#define COLLOQUY_RETURN_CODE(name, symbol, number, set, ends) \
    case return_code::name: return #symbol;
#include "runtime/return_code.def"
#undef COLLOQUY_RETURN_CODE
    }
    return "CM_?";
}

}  // namespace colloquy::runtime
