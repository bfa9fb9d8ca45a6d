// queue_level: how each of a conversation's queues, as CPI-C 2 counts them, reports the operations that wait on it.
//
// A conversation at queue level has a setting for each queue that a program has set; the others block. Settings stand
// in a table apart that is touched only by those who use them, and belong to the slot's owner.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "runtime/conversation.hpp"
#include "runtime/conversation_id.hpp"
#include "runtime/lazy_array.hpp"
#include "runtime/return_code.hpp"

namespace colloquy::runtime {

// Numbered as CPI-C numbers them.
enum class cpic_queue : std::uint8_t {
    initialization,
    send,
    receive,
    send_receive,
    expedited_send,
    expedited_receive,
};
inline constexpr std::uint32_t cpic_queues = 6;
// For those who set each of them, and those that the conversation will have when its send-receive mode is chosen.
inline constexpr std::int32_t every_queue = 64;

enum class queue_mode : std::uint8_t {
    blocks,
    waited_for,  // Wait_For_Completion collects
    calls,       // a function is given user field, call and code
    completes,   // a function is given a completion, and the call's return code variable is left alone
};

struct queue_setting {
    conversation_id id;
    std::array<std::byte, 8> user_field;
    std::int32_t* return_code;  // of the operation in progress; null: it is not written
    void (*function)();         // of what type, the mode says
    void* user;
    std::int32_t number;          // the OOID; 0: none was asked for in this life
    std::uint32_t time_limit_ms;  // of each operation; 0: the conversation's
    std::uint32_t next_posted;    // in the list of completions to be posted; of who raised `listed`
    queue_mode mode;
    bool named;                 // this very queue was set, so the conversation must go on having it
    atom<std::uint8_t> listed;  // shared: it stands in such a list, perhaps since an earlier life, and is looked at
};
// A life's settings are undone when it ends.
template <>
struct zero_is_initial<queue_setting> : std::true_type {};

// What was collected at queue level.
struct queue_completion {
    conversation_id id;
    return_code code = return_code::ok;
    void* id_memory = nullptr;
    verb kind = verb::none;
    queue_mode mode = queue_mode::blocks;
    std::array<std::byte, 8> user_field{};
    void (*function)() = nullptr;
    void* user = nullptr;
};

// What became of a call that its caller gave up.
enum class given_back : std::uint8_t {
    nothing,  // it is not there (any more), or must be told
    undone,   // the conversation goes on as though it had not been made
    done,     // it has done its work, and nobody will be told
    ended,    // nobody will be told, and the conversation has ended with it
};

// Where the operations of a queue wait.
constexpr queue place_of(cpic_queue q) noexcept {
    switch (q) {
        case cpic_queue::send: return queue::send;
        case cpic_queue::expedited_send: return queue::expedited_send;
        case cpic_queue::expedited_receive: return queue::expedited_receive;
        default: return queue::main;
    }
}
// The queue of an operation that waits there.
constexpr cpic_queue queue_of(bool full_duplex, queue on, verb kind) noexcept {
    switch (on) {
        case queue::send: return cpic_queue::send;
        case queue::expedited_send: return cpic_queue::expedited_send;
        case queue::expedited_receive: return cpic_queue::expedited_receive;
        case queue::main: break;
    }
    if (kind == verb::allocate || kind == verb::accept) return cpic_queue::initialization;
    return full_duplex ? cpic_queue::receive : cpic_queue::send_receive;
}

}  // namespace colloquy::runtime
