// secondary: what Extract_Secondary_Information tells: of each thread, the last call that did not go well.
//
// A call that goes well touches none of this. A bad answer costs a few words of thread-local memory; the sentence is
// put together only when a program asks for it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "runtime/conversation_id.hpp"
#include "runtime/conversation_state.hpp"
#include "runtime/return_code.hpp"

namespace colloquy::api::secondary {

// 35 is no result yet.
[[nodiscard]] constexpr bool worth_keeping(runtime::return_code code) noexcept {
    return code != runtime::return_code::ok && code != runtime::return_code::operation_incomplete;
}

// `entry` is a literal; null for the result of an operation that was collected, whichever call had begun it. `id` is
// empty for a call about no conversation.
void keep(const char* entry, runtime::conversation_id id, runtime::return_code code) noexcept;

// Replaces the reason behind what this thread kept last, which otherwise is api::last_error() where the code says that
// something local failed.
void add_detail(std::string_view detail) noexcept;

// Why this thread's call that was kept last was refused, 24 or 25. Names and hints are literals.
// The state the conversation was in; RESET says that there was none of this ID.
void refused_in(runtime::conversation_state state) noexcept;
// An argument that is NULL, out of range, or in range and at odds with what `hint` names.
void wrong_argument(const char* name) noexcept;
void wrong_argument(const char* name, std::int32_t value, std::int32_t low, std::int32_t high,
                    const char* hint = nullptr) noexcept;
// The last two in one.
inline void wrong_argument(const char* name, const std::int32_t* value, std::int32_t low, std::int32_t high,
                           const char* hint = nullptr) noexcept {
    if (value == nullptr)
        wrong_argument(name);
    else
        wrong_argument(name, *value, low, high, hint);
}

// Of the calls of CPI-C: what a call_ID stands for.
struct call_name {
    const char* entry = nullptr;
    const char* name = nullptr;
    bool names_conversation = false;
};
// No entry: there is no such call.
[[nodiscard]] call_name call_of(std::int32_t call_id) noexcept;

// One sentence of general use on what a code means.
[[nodiscard]] const char* meaning(runtime::return_code code) noexcept;

enum class found : std::uint8_t { nothing, something };
// What this thread keeps of that call on that conversation, or the rest of it after it was read in part.
[[nodiscard]] found look(const call_name& call, runtime::conversation_id id, std::string_view& text) noexcept;
// `bytes` of it have been read. Read to its end, it can be read again.
void consumed(std::size_t bytes) noexcept;

}  // namespace colloquy::api::secondary
