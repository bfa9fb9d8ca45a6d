// oracle: what each end of a conversation may be told, from what the two programs did.
//
// It never asks the engine. Each end's sayings are a list of items in program order; the other end may only read them
// in that order, unless an error report voided them. States come from the standard's table.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "runtime/conversation_id.hpp"
#include "tests/sim/state_table.hpp"

namespace colloquy::sim {

struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

enum class call : std::uint8_t {
    allocate,
    cancel,
    confirm,
    confirmed,
    deallocate,
    flush,
    prepare_to_receive,
    receive,
    request_to_send,
    send_data,
    send_error,
    test_request_to_send,
    send_expedited,
    receive_expedited,
};
[[nodiscard]] const char* name(call c) noexcept;

// Bytes of one logical record of a basic conversation that one Send_Data gives.
struct fragment {
    std::uint32_t sequence = 0;
    std::int32_t base = 0;  // where in the record it begins
    std::int32_t length = 0;
    std::int32_t whole = 0;  // of the record, LL included

    [[nodiscard]] bool ends() const noexcept { return base + length == whole; }
};

// One verb as it was issued, with the characteristics it was issued under, and where its outputs go.
struct request {
    call what = call::flush;
    char type = ' ';    // the table's letter: B F C P D, A F C, W I
    bool asks = false;  // a confirmation is asked for
    bool blocking = false;
    bool error_as_receiver = false;  // Send_Error in SEND_PENDING
    row_state from = row_state::reset;
    std::int32_t length = 0;
    std::vector<std::byte> buffer;  // of a Receive: `length` bytes and a guard
    std::int32_t data = -1, received = -1, status = -1, rts = -1;
    std::uint64_t id_memory = 0;
    bool fills = false;               // Receive of a basic conversation: without regard to records
    std::vector<fragment> fragments;  // of Send_Data on a basic conversation
    bool waited = false;              // it did not end at once
    bool counted = false;             // among those that a program may wait for
    bool unsent = false;              // Receive with the turn: something may still wait for credit in front of the turn
    std::int32_t forced_code = -1;    // what the program has done to it decides its code
    static constexpr std::int32_t any_code = -2;  // it had finished before, and nobody knows with which
    std::size_t status_item = SIZE_MAX;           // the item that asks for the confirmation
};

struct item {
    enum class kind : std::uint8_t { record, confirm, turn, confirm_turn, end, confirm_end, error, abend } what;
    std::uint32_t sequence = 0;
    std::int32_t length = 0;
    std::int32_t code = 0;  // error: 21 or 22, 0 either; abend: 17 or 30
    bool optional = false;  // may not have left, because an error took its place
    bool answered = false;  // the partner program confirmed
    fragment part{};        // record of a basic conversation: `length` bytes of one
};

struct talk;

// One program's end.
struct side {
    talk* of = nullptr;
    std::uint32_t unit = 0;
    bool originator = false;
    bool known = false;  // this program has the id
    runtime::conversation_id id{};
    row_state state = row_state::reset;
    std::unique_ptr<request> pending;

    std::int32_t sync_level = 0, deallocate_type = 0, prepare_type = 0, mode = 0, send_type = 0, receive_type = 0;
    std::int32_t error_direction = 0;
    bool at_once = false;  // return_control IMMEDIATE
    bool basic = false;
    std::int32_t fill = 0;
    fragment spoken{};  // the record we stand in; at a boundary when it has ended or whole is 0
    std::string log;    // for the next error report
    std::uint32_t logs = 0;
    std::vector<std::uint32_t> logs_sent;
    std::size_t logs_heard = 0;  // of logs_sent, by the partner

    std::vector<item> out;
    std::size_t sure = 0;    // items below have left for certain
    std::size_t forced = 0;  // items below are told to leave
    std::uint32_t sequence = 0;
    bool attached = false;  // the partner may know of the conversation

    // Where we may stand in what the partner says. One place, until error reports cross: which of them was heard is for
    // what follows to show.
    struct place {
        std::size_t read = 0;          // items
        std::int32_t offset = 0;       // in the record being read
        bool cut = false;              // a record ended early: the abend must follow
        std::size_t asked = SIZE_MAX;  // the item whose confirmation we owe
        friend bool operator==(const place&, const place&) = default;
    };
    std::vector<place> at{place{}};

    // Expedited data: what was said, how much of it for certain, how much of the partner's was read.
    std::vector<std::int32_t> express;
    std::size_t express_sure = 0, express_read = 0;
    std::unique_ptr<request> beside[2];  // what waits on the queues of its own: 0 to send, 1 to receive
    std::int32_t over = 0;               // the code by which such a call ended the conversation
    std::int32_t last_told = 0;          // control information

    std::uint32_t rts_sent = 0, rts_told = 0;
    bool rts_fresh = false;  // sent, and nothing was told since

    [[nodiscard]] bool in_record() const noexcept { return basic && spoken.whole != 0 && !spoken.ends(); }
    [[nodiscard]] bool any_beside() const noexcept { return beside[0] || beside[1]; }
    [[nodiscard]] bool live() const noexcept { return known && state != row_state::reset; }
};

struct talk {
    std::uint32_t serial = 0;
    side ends[2];
    std::uint64_t opened_at = 0;
    std::int32_t reject = 0;  // the code with which the partner must refuse it; 0: it does not
    bool accepted = false;
    bool spoiled = false;  // by corrupted bytes: nothing is known of it any more

    side& other(const side& s) noexcept { return &s == &ends[0] ? ends[1] : ends[0]; }
};

// What may happen to a conversation beside what its programs do.
struct circumstances {
    bool link_may_be_lost = false;
    bool may_be_refused = false;  // for want of room, 11
};

class oracle {
public:
    explicit oracle(const std::string& table) : table_{table} {}

    // The refusal the table demands, or 0.
    [[nodiscard]] std::int32_t refusal(const side& s, const request& r) const;
    // The verb is under way, or done: what it says takes its place among the sayings.
    void say(side& s, request& r, bool finished);
    // The verb has ended with `code`. `finished`: it was never pending.
    void judge(side& s, request& r, std::int32_t code, const circumstances& now);
    // A note that the partner wants to send was told.
    void told_request_to_send(side& s, std::int32_t value, bool waited = false);
    // Sends and receives of expedited data end with `code`.
    void judge_express(side& s, request& r, std::int32_t code, const circumstances& now);
    [[nodiscard]] static bool stuck_express(const side& s, const request& r, std::string& why);
    static void fill_express(std::byte* to, const side& s, std::size_t number) noexcept;
    // At rest: what a pending verb still waits for; null when nothing should keep it. `why` says what is wrong.
    [[nodiscard]] bool stuck(side& s, std::string& why) const;
    // What Send_Error beside a pending Receive leaves behind.
    void error_beside_receive(side& s, std::int32_t code, const circumstances& now);

    static void fill_basic(std::byte* to, const side& s, const fragment& f) noexcept;
    static void fill(std::byte* to, std::size_t bytes, const side& s, std::uint32_t sequence) noexcept;

private:
    [[nodiscard]] cell next(const request& r, std::int32_t code) const;
    [[nodiscard]] const state_table::row* row(const request& r, std::int32_t code) const;
    void judge_receive(side& s, request& r, std::int32_t code, const circumstances& now);
    void judge_ending(side& s, const request& r, std::int32_t code, const circumstances& now);
    void hear_error(side& s, std::int32_t code);
    [[nodiscard]] static std::string follow(side& s, const request& r, std::int32_t code, side::place& at,
                                            const circumstances& now);
    [[nodiscard]] static std::string follow_basic(side& s, const request& r, std::int32_t code, side::place& at,
                                                  const circumstances& now);
    [[nodiscard]] static bool enough(const side& s, const side& p, const request& r) noexcept;
    // Error reports of ours that the partner has not read, wherever it stands.
    [[nodiscard]] static bool unheard(const side& s, const side::place& partner) noexcept;
    [[nodiscard]] static bool unheard(side& s) noexcept;
    [[nodiscard]] static bool perhaps_unheard(side& s) noexcept;

    state_table table_;
};

[[noreturn]] void fail(const std::string& what);

}  // namespace colloquy::sim
