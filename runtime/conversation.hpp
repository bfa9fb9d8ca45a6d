// conversation: one slot of the table.
//
// Everything below `word` belongs to the slot's owner (state_word.hpp), except the members marked shared.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "runtime/buffer_pool.hpp"
#include "runtime/conversation_id.hpp"
#include "runtime/lazy_array.hpp"
#include "runtime/parking.hpp"
#include "runtime/pile.hpp"
#include "runtime/return_code.hpp"
#include "runtime/state_word.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/gds.hpp"
#include "runtime/wire/small_text.hpp"

namespace colloquy::runtime {

class session;
struct partner;

enum class verb : std::uint8_t {
    none,
    accept,
    allocate,
    send_data,
    receive,
    confirm,
    confirmed,
    deallocate,
    flush,
    prepare_to_receive,
    request_to_send,
    send_error,
    send_expedited,
    receive_expedited,
};

// Who is told when an operation completes; fixed when the operation is issued.
enum class notify : std::uint8_t {
    caller,       // the thread that issued it is blocked on it
    wait_queue,   // Wait_For_Conversation collects it; an event, if there is one, is signalled when it can
    posted,       // the host passes it on: to a window, a sink or a callback
    queue_level,  // as its queue's setting says (queue_level.hpp)
};

// On which of a conversation's queues, as CPI-C 2 has them, an operation waits; one on each. The main one is the
// send-receive queue of a half-duplex conversation and the receive queue of a full-duplex one.
enum class queue : std::uint8_t { main, send, expedited_send, expedited_receive };
inline constexpr std::uint32_t queues_beside = 3;

// What is known of the operation on one of the queues beside the main one, whose phase is in the state word.
enum class waits : std::uint8_t { nothing = 0, pending = 1, done = 2 };

// An operation that waits. Pointers are the caller's and stay valid until completion.
struct operation {
    verb kind = verb::none;
    notify channel = notify::caller;
    bool waitable = false;        // counted among the operations that cmwait may wait for
    bool appended = false;        // the data of Send_Data is in the send buffer
    std::uint8_t indicators = 0;  // what the last frame says
    bool emitted = false;         // everything this operation sends has been handed to the link
    bool emit_nothing = false;    // Send_Data that only buffers
    bool immediate = false;       // Receive: does not wait, as its receive_type was when it was issued
    bool abends = false;          // Send_Data that ends the conversation abnormally
    bool filled = false;          // Receive: finished, with `result`
    bool fills = false;           // Receive: without regard to records, as `fill` was when it was issued
    bool waited = false;          // Allocate: it waits for its link
    conversation_state next = conversation_state::reset;  // the state after success
    return_code result = return_code::ok;
    std::uint64_t deadline_ns = 0;  // when it is given up; 0: never
    std::uint32_t length = 0;       // of the caller's buffer
    std::uint32_t received = 0;     // bytes of it filled
    std::byte* buffer = nullptr;
    std::int32_t* data_received = nullptr;
    std::int32_t* received_length = nullptr;
    std::int32_t* status_received = nullptr;
    std::int32_t* request_to_send_received = nullptr;
    void* id_memory = nullptr;  // where the caller keeps the id
};

// Values as CPI-C numbers them.
struct characteristics {
    std::uint8_t conversation_type : 1 = 1;        // 0 basic, 1 mapped
    std::uint8_t sync_level : 2 = 0;               // 0 none, 1 confirm
    std::uint8_t deallocate_type : 2 = 0;          // 0 sync level, 1 flush, 2 confirm, 3 abend
    std::uint8_t prepare_to_receive_type : 2 = 0;  // 0 sync level, 1 flush, 2 confirm
    std::uint8_t processing_mode : 2 = 0;          // 0 blocking, 1 non-blocking, 2 as each queue is set
    std::uint8_t send_type : 3 = 0;                // 0 buffer, 1 flush, 2 confirm, 3 prepare to receive, 4 deallocate
    std::uint8_t receive_type : 1 = 0;             // 0 and wait, 1 immediate
    std::uint8_t fill : 1 = 0;                     // 0 LL, 1 buffer
    std::uint8_t error_direction : 1 = 0;          // 0 receive error, 1 send error
    std::uint8_t return_control : 1 = 0;           // 0 when session allocated, 1 immediate
    std::uint8_t security_type : 2 = 1;            // 0 none, 1 same, 2 program
    std::uint8_t has_log_data : 1 = 0;             // the engine keeps a text for the next error report

    std::uint8_t full_duplex : 1 = 0;         // 0 half duplex
    std::uint8_t conversation_level : 1 = 0;  // was non-blocking as a whole: its queues cannot be set any more
    std::uint8_t queue_limits : 1 = 0;        // a queue was given a time limit of its own

    [[nodiscard]] bool basic() const noexcept { return conversation_type == 0; }
};

// What the two ends have said to each other so far.
struct exchange {
    std::uint8_t originator : 1 = 0;       // we began it, and its channel number is ours to reuse
    std::uint8_t has_turn : 1 = 0;         // we may send data, as far as the program has read what came
    std::uint8_t attach_waiting : 1 = 0;   // the attach stands in the send buffer
    std::uint8_t answer_owed : 1 = 0;      // the partner asked for confirmation and we have not answered
    std::uint8_t end_asked : 1 = 0;        // of its end
    std::uint8_t peer_ended : 1 = 0;       // nothing more comes, and nothing more may be sent
    std::uint8_t we_ended : 1 = 0;         // our unconditional end is sent
    std::uint8_t end_conditional : 1 = 0;  // our end waits for the partner's Confirmed
    std::uint8_t attach_budget : 1 = 0;  // nobody has accepted it yet: its data is charged to the link's attach budget
    // Full duplex: the partner's direction has ended normally. Ours: we_ended.
    std::uint8_t peer_done : 1 = 0;
    std::uint8_t expedited_unread : 1 = 0;     // ours is under way or not taken by the partner's program
    std::uint8_t expedited_read_owed : 1 = 0;  // it was taken while nothing might be sent
    std::uint8_t expedited_waiting : 1 = 0;    // the partner's waits for our program
    std::uint8_t relayed : 1 = 0;              // by an attach manager; who the partner is stands in the particulars
    std::uint8_t no_expedited : 1 = 0;         // the partner behind the manager takes none
    std::uint8_t signal_owed : 1 = 0;          // Request_To_Send was called before the attach has left
    std::uint8_t errors_owed = 0;              // error reports that stand behind what is in the send buffer
    // Turns are counted, because error reports cross them: the partner may have ended one and begun another before it
    // hears.
    std::uint32_t peer_turns = 0;   // of the partner, given to it or taken by it, whose end has not arrived
    std::uint32_t purge_turns = 0;  // how many of those are dropped because we refused them
    std::uint32_t revoked = 0;      // of ours that arrived reports have taken and that we have not ended yet
};

struct conversation;
inline constexpr std::uint32_t no_names = UINT32_MAX;

// A request for confirmation that has left.
inline constexpr std::uint8_t asked_to_confirm = 1, asked_to_end = 2;

struct waiting_node {
    waiting_node* next = nullptr;
    conversation* who = nullptr;
};

struct alignas(64) conversation {
    state_word<> word;
    pile<buffer> arrivals;         // shared: frames brought while somebody owned the slot
    atom<std::uint32_t> granted;   // shared: credit brought and not yet taken
    atom<std::uint32_t> piled;     // shared: what the frames among the arrivals would cost
    atom<std::uint64_t> deadline;  // shared: when the operation that waits is given up; 0: never
    spot<> parking;                // shared: where the blocked caller sleeps

    // --- the owner's
    session* link = nullptr;
    std::uint32_t channel = 0;
    // The number it had, where the partner still owes that its last word; and when it has ended, of which session in
    // which of that one's lives.
    std::uint32_t parted_channel = 0;
    std::uint32_t parted_session = 0;
    std::uint32_t parted_life = 0;
    std::uint32_t send_credit = 0;  // charge we may still send
    buffer* received = nullptr;     // frames in order of arrival
    buffer* received_last = nullptr;
    buffer* sending = nullptr;  // the frame being filled; header room in front

    std::uint32_t window = 0;         // charge reserved for the partner
    std::uint32_t allowance = 0;      // part of it the partner may still use
    std::uint32_t consumed = 0;       // part of it that is free again and not yet granted anew
    std::uint32_t attach_charge = 0;  // drawn on the link's attach budget
    wire::record_reader reader;       // of a mapped conversation: where in a record the next byte stands
    wire::record_tracker heard;       // the same of a basic one
    wire::record_tracker spoken;      // where the program stands in the logical records it sends
    characteristics chosen;
    exchange said;
    std::uint8_t unread_uncharged = 0;                     // queued frames that cost the partner no credit
    std::uint16_t tp_index = 0;                            // accepted conversations: the name served
    return_code fate = return_code::ok;                    // reported when the queue is empty; ok: nothing
    conversation_state state = conversation_state::reset;  // the owner's copy of the word's
    operation op;

    void* attention = nullptr;        // the host's: whom to tell beside the wait queue. Held by reference
    std::uint32_t time_limit_ms = 0;  // of each operation; 0: none
    std::uint32_t next_posted = 0;    // in the list of completions to be posted, index + 1
    partner* wanted = nullptr;        // the logical unit Allocate looks for
    waiting_node waiting;             // its place in the list of those that wait for a link or for room
    // Shared: it stands in one such list, which then holds a pin. Who waits for room is called where buffers come free
    // and the other way round, so either list will do; in that of a link nobody is who does not wait for one.
    atom<std::uint8_t> listed;
    // Two bits for each queue beside the main one, see `waits`. Written by the owner; a blocked caller looks.
    atom<std::uint8_t> beside;
    atom<std::uint8_t> asked;        // shared: a confirmation request has left and no response has come; which
    std::uint32_t index = 0;         // of this slot
    std::uint32_t names = no_names;  // its particulars; accepted conversations have some only when the attach did
    std::uint64_t generation = 0;    // of this life

    [[nodiscard]] conversation_id id() const noexcept { return conversation_id::of(index, generation); }

    // acquire[beside] release[beside]: the outcome of the operation is seen with its end.
    [[nodiscard]] waits on(queue q) const noexcept { return waits_of(beside.load_acquire(), q); }
    void set_on(queue q, waits now) noexcept {
        const unsigned shift = shift_of(q);
        const unsigned others = beside.load_relaxed() & ~(3U << shift);  // relaxed: the owner's own
        beside.store_release(static_cast<std::uint8_t>(others | (static_cast<unsigned>(now) << shift)));
    }
    // Something waits, or its end is not collected, on a queue beside the main one.
    [[nodiscard]] bool any_beside() const noexcept { return beside.load_relaxed() != 0; }

private:
    static constexpr unsigned shift_of(queue q) noexcept { return 2 * (static_cast<unsigned>(q) - 1); }
    static constexpr waits waits_of(std::uint8_t all, queue q) noexcept {
        return static_cast<waits>((all >> shift_of(q)) & 3);
    }
};

// What only some calls look at. A conversation's own until it is allocated, then shared by all that are called the
// same.
struct particulars {
    wire::small_text<64> tp_name;
    wire::small_text<64> partner_lu_name;  // CPI-C sets 17 characters at most, our own interfaces more
    wire::small_text<8> mode_name;
    wire::small_text<10> user_id;
    wire::small_text<10> password;  // of one's own only
    std::uint64_t attach;           // the number of a relayed attach; of one's own only
    bool service_tp;                // the first byte of tp_name is raw

    // As a conversation begins.
    void reset() noexcept {
        (void)partner_lu_name.assign(" ");
        (void)tp_name.assign(" ");
        mode_name.clear();
        user_id.clear();
        password.clear();
        attach = 0;
        service_tp = false;
    }
    [[nodiscard]] bool same_as(const particulars& other) const noexcept {
        return tp_name == other.tp_name && partner_lu_name == other.partner_lu_name && mode_name == other.mode_name &&
               user_id == other.user_id && service_tp == other.service_tp;
    }
    // Of sizes, beginnings and ends, by which names differ.
    [[nodiscard]] std::uint32_t hash() const noexcept {
        constexpr std::uint64_t odd = 0x9E37'79B9'7F4A'7C15ULL;
        std::uint64_t mixed = service_tp;
        for (const std::string_view name : {tp_name.view(), partner_lu_name.view(), mode_name.view(), user_id.view()}) {
            std::uint64_t first = 0, last = 0;
            if (name.size() >= sizeof first) {
                std::memcpy(&first, name.data(), sizeof first);
                std::memcpy(&last, name.data() + name.size() - sizeof last, sizeof last);
            } else {
                for (const char c : name) first = first << 8 | static_cast<unsigned char>(c);
            }
            mixed = (mixed ^ first ^ last << 1 ^ name.size()) * odd;
            mixed ^= mixed >> 32;
        }
        return static_cast<std::uint32_t>(mixed);
    }
};

// What few conversations need: operations on the queues beside the main one, and the partner's expedited data. Same
// index as the slot, the owner's but for `parking`.
struct aside {
    operation op[queues_beside];
    spot<> parking[queues_beside];  // shared: where their blocked callers sleep
    std::uint8_t expedited_size;
    std::byte expedited[wire::expedited_size_max];
};

// What a program wants logged with its next error report. Touched by few, so it stands apart.
struct log_data {
    std::uint16_t size;
    char text[wire::log_data_size_max];

    [[nodiscard]] std::string_view view() const noexcept { return {text, size}; }
};

// A slot is given its first values by engine::open, so fresh zero pages are as good as constructed ones.
template <>
struct zero_is_initial<conversation> : std::true_type {};
template <>
struct zero_is_initial<aside> : std::true_type {};
template <>
struct zero_is_initial<particulars> : std::true_type {};
static_assert(std::is_trivially_destructible_v<conversation>);

}  // namespace colloquy::runtime
