// verbs: the CPI-C calls on the engine's terms. Checks in the order of the reference (pointer and id: 24; outstanding
// operation: 37; state: 25; other parameters: 24), then the operation.
//
// Any thread. None of these blocks: `operation_incomplete` with `must_wait` means that the conversation is in
// blocking mode and the caller waits for engine::finished() in its own way, then engine::collect()s the code.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/context.hpp"
#include "runtime/conversation_id.hpp"
#include "runtime/conversation_state.hpp"
#include "runtime/engine.hpp"
#include "runtime/return_code.hpp"

namespace colloquy::runtime {

struct outcome {
    return_code code = return_code::ok;
    bool must_wait = false;
    conversation_id id{};
    queue on = queue::main;  // where the operation waits
};

struct receive_request {
    void* buffer = nullptr;
    std::int32_t requested_length = 0;
    std::int32_t* data_received = nullptr;
    std::int32_t* received_length = nullptr;
    std::int32_t* status_received = nullptr;
    std::int32_t* request_to_send_received = nullptr;
};

// `id_memory`: where the caller keeps the id; told back when the operation completes.

outcome initialize(engine& e, context& c) noexcept;
// `blocking`: the caller waits for an attach; otherwise 35 with the id of the accept.
// `limit_ms`: it ends with 31 by then; 0: it waits as long as it takes.
outcome accept(engine& e, context& c, bool blocking, void* id_memory, std::uint32_t limit_ms = 0) noexcept;
// A conversation that waits to be bound to an attach: Initialize_For_Incoming, then Accept_Incoming.
outcome initialize_for_incoming(engine& e, context& c) noexcept;
// In blocking mode `limit_ms` as for accept. The id stays what it is.
outcome accept_incoming(engine& e, context& c, conversation_id id, void* id_memory,
                        std::uint32_t limit_ms = 0) noexcept;
// `find` gives the partner for the conversation's partner_LU_name, or null: 19.
outcome allocate(engine& e, context& c, conversation_id id, partner* (*find)(void*, std::string_view), void* find_arg,
                 void* id_memory) noexcept;
outcome send_data(engine& e, context& c, conversation_id id, const void* data, std::int32_t length,
                  std::int32_t* request_to_send_received, void* id_memory) noexcept;
outcome receive(engine& e, context& c, conversation_id id, const receive_request& r, void* id_memory) noexcept;
outcome deallocate(engine& e, context& c, conversation_id id, void* id_memory) noexcept;
outcome confirm(engine& e, context& c, conversation_id id, std::int32_t* request_to_send_received,
                void* id_memory) noexcept;
outcome confirmed(engine& e, context& c, conversation_id id) noexcept;
outcome flush(engine& e, context& c, conversation_id id, void* id_memory) noexcept;
outcome prepare_to_receive(engine& e, context& c, conversation_id id, void* id_memory) noexcept;
outcome send_error(engine& e, context& c, conversation_id id, std::int32_t* request_to_send_received,
                   void* id_memory) noexcept;
// Expedited data, 1 to 86 bytes, one at a time each way: the next waits until the partner's program has taken the last.
outcome send_expedited_data(engine& e, context& c, conversation_id id, const void* data, std::int32_t length,
                            std::int32_t* control_information_received, void* id_memory) noexcept;
// `type`: 0 waits, 1 does not. 40 leaves the data where it is and tells its size in `received_length`.
outcome receive_expedited_data(engine& e, context& c, conversation_id id, void* buffer, std::int32_t requested_length,
                               std::int32_t* received_length, std::int32_t* control_information_received,
                               std::int32_t type, void* id_memory) noexcept;
outcome request_to_send(engine& e, context& c, conversation_id id) noexcept;
outcome test_request_to_send_received(engine& e, context& c, conversation_id id, std::int32_t* received) noexcept;
// Also against an operation that another thread is blocked on. The partner hears a service program's abend (30).
outcome cancel(engine& e, context& c, conversation_id id) noexcept;
// The same, but an operation that has not been told by now never will be: `untold`. Not one that a thread is blocked
// on, nor one at queue level.
outcome abandon(engine& e, context& c, conversation_id id, bool& untold) noexcept;
// The one operation that waits on that queue, or has finished there and is not collected: nobody is told of it, and
// nothing of its caller's memory is touched any more. `which` as CPI-C numbers queues; where there are turns
// CM_SEND_QUEUE and CM_RECEIVE_QUEUE mean the one queue for both. `id_memory`: only the operation that was given this;
// null: any. 24: no such conversation or queue.
outcome abandon_call(engine& e, context& c, conversation_id id, std::int32_t which, const void* id_memory,
                     given_back& what, return_code& code) noexcept;
// As cancel, by the thread that is blocked on the operation.
enum class given_up : std::uint8_t {
    finished,   // not at all: it has finished meanwhile, and its code is to be collected
    withdrawn,  // an Accept_Incoming: the conversation is free for the next call, and nothing is to be collected
    ended,      // with the conversation; its end is to be collected
};
[[nodiscard]] given_up give_up(engine& e, context& c, conversation_id id, queue on = queue::main) noexcept;
// An operation whose time limit has passed at `now` ends with 31, and the conversation with it: the partner hears 31
// too.
// Nothing happens when there is no such operation on the slot (any more).
void expire(engine& e, context& c, conversation& v, std::uint64_t now_ns) noexcept;
// How long an operation of this conversation may wait; 0: as long as it takes.
outcome set_time_limit(engine& e, context& c, conversation_id id, std::uint32_t limit_ms) noexcept;
// The same for those on one queue, named as for abandon_call; 0: the conversation's.
outcome set_queue_time_limit(engine& e, context& c, conversation_id id, std::int32_t which,
                             std::uint32_t limit_ms) noexcept;
// Hangs something of the host on the conversation and gives back what hung there. 37 while an operation is not
// finished.
outcome set_attention(engine& e, context& c, conversation_id id, void*& attention) noexcept;
// Lets `look` read what hangs there while the slot is held.
outcome extract_attention(engine& e, context& c, conversation_id id, void (*look)(void* arg, void* attention),
                          void* arg) noexcept;
// No attach can come any more: every Accept_Conversation and Accept_Incoming that waits ends with 25.
void end_accepts(engine& e, context& c) noexcept;

// How operations on one of a conversation's queues report from now on; the first such call puts it at queue level for
// good.
struct queue_request {
    queue_mode mode = queue_mode::blocks;
    bool every = false;                // each queue, whatever send-receive mode is chosen later; all must be free
    const void* user_field = nullptr;  // 8 bytes; null: as it was
    void (*function)() = nullptr;
    void* user = nullptr;
    std::int32_t* number = nullptr;  // receives the OOID
};
// `which` as CPI-C numbers queues. 24: unknown, or none of this conversation's. 25: another level was chosen, or an
// event or sink hangs on it; its state; an operation on that queue is not finished and collected. 20: no OOID is left.
outcome set_queue(engine& e, context& c, conversation_id id, std::int32_t which, const queue_request& r) noexcept;
// A call of that kind would block its caller if it had to wait.
[[nodiscard]] bool would_block(engine& e, context& c, conversation_id id, verb kind) noexcept;

// Every conversation ends abnormally, as when a program leaves without Deallocate (17 at the partners).
void end_all(engine& e, context& c) noexcept;

enum class characteristic : std::uint8_t {
    conversation_type,
    sync_level,
    return_control,
    security_type,
    deallocate_type,
    error_direction,
    fill,
    prepare_to_receive_type,
    processing_mode,
    receive_type,
    send_type,
    send_receive_mode,
};
outcome set(engine& e, context& c, conversation_id id, characteristic which, std::int32_t value) noexcept;

// For the next error report of a basic conversation; 24 on a mapped one. 0 takes it back.
outcome set_log_data(engine& e, context& c, conversation_id id, const void* text, std::int32_t length) noexcept;

enum class name_of : std::uint8_t { partner_lu, mode, tp, user_id, password };
// Lengths are checked here, against CPI-C's bounds.
outcome set_name(engine& e, context& c, conversation_id id, name_of which, const void* text,
                 std::int32_t length) noexcept;
// For names that only side information and our own interfaces may set: longer partner names, service TPs.
outcome set_details(engine& e, context& c, conversation_id id, std::string_view partner_lu, std::string_view mode,
                    std::string_view tp, bool service_tp) noexcept;

outcome extract(engine& e, context& c, conversation_id id, characteristic which, std::int32_t& value) noexcept;
outcome extract_state(engine& e, context& c, conversation_id id, conversation_state& state) noexcept;
// `accepted`: a partner began it.
outcome extract_origin(engine& e, context& c, conversation_id id, bool& accepted) noexcept;
// `capacity` is at least what CPI-C says for the name; longer names are cut.
outcome extract_name(engine& e, context& c, conversation_id id, name_of which, void* text, std::int32_t capacity,
                     std::int32_t& length) noexcept;

}  // namespace colloquy::runtime
