// relay: an attach manager's conversations, which are other programs'.
//
// An attach for a name that is routed here is bound, channel to channel, to the link of the program that serves the
// name; frames pass both ways with nothing but the channel rewritten, so that credit, confirmation and state stay a
// matter of the two ends. What the relay checks is what keeps each end to its own: channels, credit, and that nobody
// answers what was not asked. Attaches nobody is there for yet wait, with what their partners may send before the first
// grant.
//
// Driver only, all of it: a logical unit that relays has one drive, so nothing here is shared (docs/decisions/0013).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "runtime/buffer_pool.hpp"
#include "runtime/context.hpp"
#include "runtime/lazy_array.hpp"
#include "runtime/return_code.hpp"
#include "runtime/session.hpp"
#include "runtime/tp_registry.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/relay.hpp"

namespace colloquy::runtime {

// What a relay tells. Texts are valid during the call.
struct relay_news {
    enum class kind : std::uint8_t {
        attach_arrived,   // it waits, and no routed program took it
        attach_returned,  // the program it was given to is gone before it was delivered: it waits again
        attach_gone,      // it waits no more: `code` was answered, or the partner gave up (ok)
        delivered,        // a program's link has it
        accepted,         // its Accept_Conversation took it; may come after `ended`
        ended,            // the conversation is over; `open` are left with the program
        joined,           // the program's link is open
        registered,       // the program serves the name
        unregistered,     // and no more
        left,             // the program's link has ended, `text` says why; `code`: ok, or 26 where we ended it because
                          // it broke the rules or a limit
        idle,             // it is being drained, and the last conversation has ended
    };
    kind what{};
    std::uint64_t attach = 0;
    std::uint64_t program = 0;
    std::string_view tp;
    std::string_view partner;
    std::string_view user;
    std::string_view text;
    return_code code = return_code::ok;
    std::uint32_t open = 0;
};

class relay_host {
public:
    // Must not call the relay.
    virtual void news(const relay_news& what) noexcept = 0;
    // The session's deadline has changed outside of its own input.
    virtual void touched(session& s) noexcept = 0;
    // There is room for news of attaches (0), or for what the program of this number says of itself. Otherwise whoever
    // supervises is behind: attaches are refused (11), and a program that does not let it come after loses its link.
    [[nodiscard]] virtual bool hears(std::uint64_t program) const noexcept = 0;

protected:
    ~relay_host() = default;
};

struct route_rules {
    std::uint32_t queue_max = 1'024;         // attaches that may wait
    std::uint64_t wait_ns = 30'000'000'000;  // how long each; 0: as long as it takes
    bool one_program = false;                // a second program that offers itself is refused
    bool registrable = true;                 // programs may offer themselves
};

struct relay_counters {
    std::uint64_t attaches = 0;  // for routed names
    std::uint64_t delivered = 0;
    std::uint64_t refused_stopped = 0;
    std::uint64_t refused_full = 0;
    std::uint64_t refused_timeout = 0;
    std::uint64_t refused_other = 0;  // by the supervisor, or while draining
    std::uint64_t frames_to_programs = 0;
    std::uint64_t bytes_to_programs = 0;
    std::uint64_t frames_from_programs = 0;
    std::uint64_t bytes_from_programs = 0;
    std::uint64_t given_up = 0;  // links that did not read what was for them
    std::uint32_t open = 0;
    std::uint32_t held = 0;
    std::uint32_t programs = 0;
};

struct relayed_conversation;
struct relay_program;

// A program that takes attaches of a name without the supervisor being asked.
struct relay_target {
    relay_program* program;
    std::uint32_t at_most;  // conversations it may have at a time
};

// A name whose attaches are passed on.
struct relay_route {
    wire::small_text<64> name;
    tp_registry::status now = tp_registry::status::serving;
    route_rules rules;
    std::uint32_t held = 0;                 // waiting, those given to a program whose link is not open yet included
    relayed_conversation* first = nullptr;  // waiting and not given, oldest first
    relayed_conversation* last = nullptr;
    std::uint32_t turn = 0;
    std::vector<relay_target> targets;
    std::vector<relay_program*> registered;  // programs that serve the name by their own word
};

// One conversation that passes through, from its attach to its end.
struct relayed_conversation {
    session* a = nullptr;  // of the partner, who began it
    relay_program* p = nullptr;
    relay_route* to = nullptr;
    std::uint32_t x = 0;  // its channel on the partner's link
    std::uint32_t y = 0;  // on the program's; 0: it waits
    std::uint32_t index = 0;
    std::uint32_t next_free = 0;
    std::uint64_t generation = 0;
    std::uint32_t partner_credit = 0;  // what the partner may send
    std::uint32_t program_credit = 0;
    std::uint64_t deadline = 0;
    relayed_conversation* previous = nullptr;  // among those that wait
    relayed_conversation* next = nullptr;
    buffer* held_first = nullptr;  // frames that wait, with their headers
    buffer* held_last = nullptr;
    std::uint32_t held_charge = 0;  // drawn on the attach budget of the partner's link
    std::uint32_t held_free = 0;    // frames among them that cost no credit
    bool in_use = false;
    bool duplex = false;
    bool given = false;          // it waits for `p`, whose link is not open yet
    bool partner_ended = false;  // its CEB has come
    bool partner_done = false;   // and nothing may follow it
    bool program_heard = false;  // it has accepted, or something of it has passed
    bool program_ended = false;  // full duplex: the program's direction has ended
    bool end_asked = false;      // the program waits for an answer to its RQD CEB
    bool partner_owes = false;   // an answer to RQD
    bool program_owes = false;
    bool partner_expedited = false;  // its expedited data is not read yet
    bool program_expedited = false;
    wire::small_text<10> user;
};

// A program behind its link.
struct relay_program {
    std::uint64_t id = 0;
    session* s = nullptr;
    relay_program* next_gone = nullptr;  // among those whose links have ended
    bool open = false;
    bool no_more = false;                   // it was told that it gets no more
    std::uint32_t conversations = 0;        // delivered and not over
    std::uint64_t untaken = 0;              // delivered, and its Accept_Conversation has not said so
    std::uint32_t given = 0;                // waiting for its link
    relayed_conversation* first = nullptr;  // those
    relayed_conversation* last = nullptr;
};

// Fresh zero pages are as good as constructed ones: every slot is given its values when it is taken.
template <>
struct zero_is_initial<relayed_conversation> : std::true_type {};

class relay {
public:
    using relayed = relayed_conversation;
    using route = relay_route;

    // Throws std::bad_alloc when the storage cannot be reserved.
    relay(engine& e, relay_host& host);
    ~relay();
    relay(const relay&) = delete;
    relay& operator=(const relay&) = delete;

    // --- names -------------------------------------------------------------------------------------------------------
    // Null: it is not routed.
    [[nodiscard]] route* find(std::string_view name) noexcept;
    // False: the name is no TP name, or no memory.
    [[nodiscard]] bool serve(std::string_view name, const route_rules& rules) noexcept;
    // Its attaches are refused from now on, those that wait too: with 10 (stopped) or 9 (released).
    void end_route(context& c, std::string_view name, tp_registry::status to) noexcept;

    // --- programs ----------------------------------------------------------------------------------------------------
    // A program whose link is about to start: set it as session::program with the role. Null: no memory.
    [[nodiscard]] relay_program* begin(std::uint64_t id, session& s) noexcept;
    void give(context& c, std::uint64_t attach, std::uint64_t program) noexcept;
    void refuse(context& c, std::uint64_t attach, return_code code) noexcept;
    // 0: the program takes them no more.
    void route_to(context& c, std::string_view name, std::uint64_t program, std::uint32_t at_most) noexcept;
    void last(context& c, std::uint64_t program) noexcept;
    void close(context& c, std::uint64_t program) noexcept;
    // No attach is taken any more and those that wait are refused; what is relayed goes on.
    void drain(context& c) noexcept;

    // --- time --------------------------------------------------------------------------------------------------------
    void tick(context& c, std::uint64_t now) noexcept;
    [[nodiscard]] std::uint64_t next_deadline() const noexcept;

    [[nodiscard]] const relay_counters& counters() const noexcept { return counters_; }

    // --- for sessions and the engine ---------------------------------------------------------------------------------
    [[nodiscard]] wire::reason attach(context& c, session& s, const wire::frame_header& h,
                                      std::span<const std::byte> payload, route& to, const wire::attach& a,
                                      std::uint32_t grant) noexcept;
    // A frame on a channel whose entry holds `value`. Anything but none: its sender broke the protocol.
    [[nodiscard]] wire::reason forward(context& c, session& s, const wire::frame_header& h,
                                       std::span<const std::byte> payload, std::uint64_t value) noexcept;
    void link_lost(context& c, session& s, std::uint64_t value, return_code code) noexcept;
    void program_open(context& c, session& s) noexcept;
    void program_lost(context& c, session& s) noexcept;
    // A program has taken an attach. Anything but none: it was given fewer.
    [[nodiscard]] wire::reason taken(session& s, std::uint64_t attach) noexcept;
    // A program's word about a name, answered.
    void serve(context& c, session& s, const wire::serving& said) noexcept;

private:
    [[nodiscard]] std::uint64_t value_of(const relayed& r) const noexcept;
    [[nodiscard]] relayed* find_attach(std::uint64_t id) noexcept;
    [[nodiscard]] relay_program* find_program(std::uint64_t id) noexcept;
    [[nodiscard]] relayed* take_slot() noexcept;
    void free_slot(relayed& r) noexcept;

    wire::reason note_from_partner(relayed& r, const wire::frame_header& h,
                                   std::span<const std::byte> payload) noexcept;
    wire::reason from_partner(context& c, relayed& r, const wire::frame_header& h,
                              std::span<const std::byte> payload) noexcept;
    wire::reason from_program(context& c, relayed& r, const wire::frame_header& h,
                              std::span<const std::byte> payload) noexcept;
    wire::reason hold(context& c, relayed& r, const wire::frame_header& h, std::span<const std::byte> payload) noexcept;
    void pass_on(context& c, session& to, const wire::frame_header& h, std::span<const std::byte> payload) noexcept;
    void give_up_if_unread(context& c, session& s) noexcept;
    void abend(context& c, session& s, std::uint32_t channel, return_code code) noexcept;

    [[nodiscard]] static bool may_take(const relay_program& p, std::uint32_t at_most) noexcept;
    [[nodiscard]] static relay_program* pick(route& r) noexcept;
    [[nodiscard]] bool connect(context& c, relayed& r, relay_program& p) noexcept;
    void deliver(context& c, relayed& r) noexcept;
    void wait(relayed& r, bool in_front) noexcept;
    void wait_no_more(relayed& r) noexcept;
    void drop_held(context& c, relayed& r) noexcept;
    // Ends one that waits: with a sense for its partner, or silently (0).
    void end_held(context& c, relayed& r, std::uint32_t sense, return_code code) noexcept;
    void over(context& c, relayed& r) noexcept;
    void feed(context& c, route& r) noexcept;
    void feed(context& c, relay_program& p) noexcept;
    void forget(context& c, relay_program& p) noexcept;
    void settle_last(context& c, relay_program& p) noexcept;
    [[nodiscard]] wire::serve_result decide(context& c, relay_program& p, const wire::serving& said) noexcept;
    void expire(context& c, relayed* first) noexcept;
    void tell(const relayed& r, relay_news::kind what, return_code code = return_code::ok) noexcept;

    engine& engine_;
    relay_host& host_;
    const std::uint32_t capacity_;
    lazy_array<relayed> slots_;
    std::uint32_t fresh_ = 0;       // slots that were used at some time
    std::uint32_t free_first_ = 0;  // index + 1
    std::vector<std::unique_ptr<route>> routes_;
    std::map<std::uint64_t, std::unique_ptr<relay_program>> programs_;
    relay_program* gone_ = nullptr;
    std::uint32_t given_ = 0;  // among those that wait
    std::uint64_t now_ = 0;
    bool draining_ = false;
    relay_counters counters_;
};

}  // namespace colloquy::runtime
