// engine: one logical unit's conversations, without I/O.
//
// It owns the table, the buffers, the names served and the wait queue. It is given bytes and times by whoever
// composes it with a transport (api/logical_unit, the simulator) and asks of it only what `host` lists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "runtime/buffer_pool.hpp"
#include "runtime/completion_board.hpp"
#include "runtime/completion_queue.hpp"
#include "runtime/context.hpp"
#include "runtime/conversation.hpp"
#include "runtime/counters.hpp"
#include "runtime/index_pool.hpp"
#include "runtime/lazy_array.hpp"
#include "runtime/limits.hpp"
#include "runtime/partner.hpp"
#include "runtime/peer_census.hpp"
#include "runtime/prefetch.hpp"
#include "runtime/queue_level.hpp"
#include "runtime/return_code.hpp"
#include "runtime/session.hpp"
#include "runtime/shared_sets.hpp"
#include "runtime/tp_registry.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/hello.hpp"

namespace colloquy::runtime {

// What the engine needs from the world. Called from any thread that is inside the engine; must not call a verb from
// inside.
class host {
public:
    // The caller holds the write duty of this session's output and passes it on: somebody must gather and write soon.
    virtual void write_duty(context& c, session& s) noexcept = 0;
    // Begin this link of the partner; answered by session::start or engine::link_failed, possibly before this returns.
    virtual void open_link(context& c, partner& p, std::uint32_t link) noexcept = 0;
    // The session is over for the engine: the transport closes the connection when what is queued has been written,
    // then gives back its hold (session::release).
    virtual void session_ended(context& c, session& s) noexcept = 0;
    // --- attention: what the host hung on a conversation. The engine keeps one reference for the conversation.
    // Which channel an operation issued now reports by: wait_queue or posted.
    virtual notify channel_of(void*) noexcept { return notify::wait_queue; }
    // Something is to be signalled once the entry is in the wait queue: takes a reference. False: nothing is.
    virtual bool hold_signal(void*) noexcept { return false; }
    // Signals each, and gives those references back.
    virtual void signal(std::span<void* const>) noexcept {}
    // The conversation's own reference is given back.
    virtual void forget(void*) noexcept {}
    // A text that came with an error report, or goes with one, for the log of this logical unit. EBCDIC was undone.
    virtual void error_log(conversation_id, bool /*received*/, std::uint32_t /*sense*/,
                           std::string_view /*text*/) noexcept {}
    // Wake the thread parked here.
    virtual void wake(spot<>& where) noexcept = 0;
    // `count` entries were put in the wait queue.
    virtual void wait_queue_filled(std::uint32_t count) noexcept = 0;
    // The same, or the operation of a blocked caller has finished, and the one who did it does not drive. A
    // caller who drives waits in the system's wait, where a permit or a flag does not wake it.
    virtual void finished_elsewhere() noexcept {}
    // An operation waits whose deadline is set: look at conversation::deadline when it has come.
    virtual void deadline_set(context&, conversation&) noexcept {}
    // Nothing is outstanding any more: whoever waits must look.
    virtual void wait_queue_idle() noexcept = 0;
    // Our attach manager, at the other end of this link: it is there, has no more attaches for us, is gone, or answers
    // what we said of a name (driver).
    enum class manager_news : std::uint8_t { open, drained, ended, served };
    virtual void manager_told(context&, session&, manager_news, const wire::serving*) noexcept {}
    // --- users
    // The partner of an ordinary link says who it is, and what it says of its users may be believed from here on
    // (session::takes_users): none, or why it is not welcome (driver).
    virtual wire::reason admit_peer(session&, std::string_view /*lu_name*/) noexcept { return wire::reason::none; }
    // What the partner that we call says of its users is believed.
    virtual bool trusts(const session&) noexcept { return false; }
    // An attach names a user whom nobody has verified, or has to name one and does not. `pending`: its id is settled
    // later, by settle_attach() on the link's driver (driver).
    enum class user_check : std::uint8_t { granted, refused, busy, pending };
    virtual user_check check_user(context&, session&, const wire::attach&, conversation_id) noexcept {
        return user_check::refused;
    }
    // A user was refused without a question: why, for a log. Never with the password.
    enum class user_refusal : std::uint8_t { in_clear, not_trusted, not_asked };
    virtual void user_refused(const session&, const wire::attach&, user_refusal) noexcept {}
    // Somebody is blocked on the wait queue at this moment.
    [[nodiscard]] virtual bool wait_queue_watched() noexcept = 0;
    // An asynchronous operation was published: somebody must drive although nobody may be inside.
    virtual void operation_outstanding() noexcept = 0;

protected:
    ~host() = default;
};

class engine {
public:
    // All storage is reserved here; throws std::bad_alloc when it cannot be. `salt` makes ids and the instance
    // unguessable.
    engine(const limits& bounds, std::string_view lu_name, std::uint64_t salt, host& world);
    ~engine();
    engine(const engine&) = delete;
    engine& operator=(const engine&) = delete;

    [[nodiscard]] const limits& bounds() const noexcept { return limits_; }
    [[nodiscard]] std::string_view lu_name() const noexcept { return lu_name_.view(); }
    [[nodiscard]] const wire::instance_id& instance() const noexcept { return instance_; }
    [[nodiscard]] host& world() noexcept { return host_; }
    [[nodiscard]] counters<>& count() noexcept { return counters_; }
    [[nodiscard]] tp_registry& tps() noexcept { return tps_; }
    [[nodiscard]] partner_directory& partners() noexcept { return partners_; }
    [[nodiscard]] peer_census& peers() noexcept { return peers_; }
    // Of an attach manager; null elsewhere. Set before the first link, and outlives the last.
    [[nodiscard]] relay* relay_of() const noexcept { return relay_; }
    void set_relay(relay* r) noexcept { relay_ = r; }
    [[nodiscard]] std::uint64_t link_unread_bytes() const noexcept {
        return limits_.link_unread_bytes(relay_ != nullptr);
    }

    // --- slots -------------------------------------------------------------------------------------------------------
    // A fresh slot, claimed by the caller; null when the table is full, or closed.
    [[nodiscard]] conversation* open(context& c, conversation_state state) noexcept;
    // The owner gives the slot back: its ids are stale from here. flow::close_down() came before.
    void retire(context& c, conversation& v) noexcept;
    // The owner, whose main operation is over, ends the conversation: whatever waits on another queue is finished, and
    // the slot is given back when all of that is collected.
    void end_life(context& c, conversation& v) noexcept;
    // Null only for an index outside of the table; whether the id is alive is for the state word to say.
    [[nodiscard]] conversation* find(conversation_id id) noexcept {
        return id.slot() < limits_.conversations ? &slots_[id.slot()] : nullptr;
    }
    // It will be looked for in a moment. Any id will do.
    void expect(conversation_id id) noexcept {
        if (conversation* const v = find(id); v != nullptr) prefetch_object(v);
    }
    // For displays and for the end: any slot, alive or not.
    [[nodiscard]] conversation& at(std::uint32_t slot) noexcept { return slots_[slot]; }
    // Of one that has some. Written by the owner, while they are its own.
    [[nodiscard]] particulars& details(const conversation& v) noexcept { return names_[v.names]; }
    [[nodiscard]] shared_sets<particulars>& names() noexcept { return names_; }
    // The owner: the conversation gets names of its own, as it begins. False: there is no memory for them.
    [[nodiscard]] bool take_names(context& c, conversation& v) noexcept;
    // The owner: they do not change any more.
    void share_names(context& c, conversation& v) noexcept;
    void drop_names(context& c, conversation& v) noexcept;
    // Nothing needs the password any more.
    void forget_password(conversation& v) noexcept;
    [[nodiscard]] aside& aside_of(const conversation& v) noexcept { return asides_[v.index]; }
    [[nodiscard]] operation& op_on(conversation& v, queue q) noexcept {
        return q == queue::main ? v.op : asides_[v.index].op[static_cast<unsigned>(q) - 1];
    }
    // Where the blocked caller of an operation on that queue sleeps.
    [[nodiscard]] spot<>& parking_on(conversation& v, queue q) noexcept {
        return q == queue::main ? v.parking : asides_[v.index].parking[static_cast<unsigned>(q) - 1];
    }
    [[nodiscard]] log_data& log_of(const conversation& v) noexcept { return log_data_[v.index]; }
    void unpin(context& c, conversation& v) noexcept;
    void bury(context& c, conversation& v) noexcept;
    // The link of an ended conversation whose partner still owes it a last word, held for the caller; null: it is over.
    [[nodiscard]] session* hold_parted(context& c, const conversation& v) noexcept;
    // No conversation begins any more.
    void close() noexcept { closed_.store_relaxed(1); }

    // --- buffers -----------------------------------------------------------------------------------------------------
    // With room for a frame header in front of `payload` bytes. Null when the pool is empty.
    [[nodiscard]] buffer* outbound(context& c, std::size_t payload) noexcept;
    // The same for frames that must not fail: the heap helps out, and that is counted.
    [[nodiscard]] buffer* control(context& c, std::size_t payload) noexcept;
    // For a frame that no conversation of ours has a share for. Not from the tables: who asks for answers and does not
    // read them would empty those for everybody.
    [[nodiscard]] buffer* answer(std::size_t payload) noexcept;
    void release_outbound(context& c, buffer* b) noexcept;
    // user2 of one that holds a password: it is overwritten when it is released.
    static constexpr std::uint8_t outbound_secret = 1;
    [[nodiscard]] buffer_pool<>& outbound_pool() noexcept { return outbound_; }
    [[nodiscard]] buffer_pool<>& inbound() noexcept { return inbound_; }
    [[nodiscard]] buffer* inbound_or_heap(context& c, std::size_t bytes) noexcept;
    void release_inbound(context& c, buffer* b) noexcept;
    // A frame for a slot that somebody owns. False: the partner has sent more than it may, and the frame is given back.
    [[nodiscard]] bool push_arrival(context& c, conversation& v, buffer* frame, std::uint32_t length) noexcept;
    // The owner's look at them, or their end.
    [[nodiscard]] buffer* take_arrivals(conversation& v) noexcept;
    void release_arrivals(context& c, conversation& v) noexcept;

    // --- sessions ----------------------------------------------------------------------------------------------------
    // A session for a new connection; null when all are in use. Follow with session::start.
    [[nodiscard]] session* open_session(context& c) noexcept;
    void recycle(session& s) noexcept;
    void link_opened(context& c, partner& p, session& s) noexcept;
    // `detail`: the transport's number for what went wrong, or a wire::reason below zero.
    void link_failed(context& c, partner& p, std::uint32_t link, return_code code, std::int32_t detail = 0) noexcept;

    // --- what a session brings (driver only); anything but none: the partner broke the protocol ----------------------
    // `stale`: the id names nothing any more and nothing was done; the channel's entry may name another by now.
    wire::reason on_attach(context& c, session& s, const wire::frame_header& h,
                           std::span<const std::byte> payload) noexcept;
    // False: no operation waits there, and nothing was done.
    [[nodiscard]] bool on_awaited_data(context& c, conversation_id id, const wire::frame_header& h,
                                       std::span<const std::byte> payload, wire::reason& why) noexcept;
    wire::reason on_data(context& c, conversation_id id, const wire::frame_header& h,
                         std::span<const std::byte> payload, buffer*& owned, bool& stale) noexcept;
    wire::reason on_response(context& c, session& s, const wire::frame_header& h, conversation_id id,
                             bool& stale) noexcept;
    wire::reason on_expedited(context& c, conversation_id id, wire::frame_type type, std::span<const std::byte> payload,
                              bool& stale) noexcept;
    void on_signal(conversation_id id, bool& stale) noexcept;
    wire::reason on_credit(context& c, conversation_id id, std::uint32_t grant, bool& stale) noexcept;
    void on_link_lost(context& c, conversation_id id, bool& stale) noexcept;
    // Those that waited for a link or for room in an output (any thread).
    void resume(context& c, waiting_node* list) noexcept;
    void on_room(context& c, waiting_node* list) noexcept { resume(c, list); }
    // Those that found no buffer: called again by flush(), which follows every release of output.
    void wait_for_buffers(waiting_node& n) noexcept {
        starved_.push(&n);
        host_.operation_outstanding();
    }

    // --- completions -------------------------------------------------------------------------------------------------
    // Puts the batch of completions in the wait queue and tells the host.
    void flush(context& c) noexcept {
        if ((c.completed | c.signals) != 0 || !starved_.approx_empty()) flush_slowly(c);
    }
    // Operations that cmwait may wait for: issued and not yet collected.
    [[nodiscard]] std::uint32_t outstanding() const noexcept { return outstanding_.load_acquire(); }
    struct collected {
        conversation_id id;
        return_code code = return_code::ok;
        void* id_memory = nullptr;
    };
    enum class collect_result : std::uint8_t { none, stale, one };
    // Takes an entry from the wait queue. False: none is visible.
    [[nodiscard]] bool take_entry(std::uint64_t& entry) noexcept {
        if (!finished_.try_dequeue(entry)) return false;
        if (const auto next = finished_.approx_next(); next < limits_.conversations) prefetch_object(&slots_[next]);
        return true;
    }
    // An entry that proved stale is given up. False: an operation has finished on its slot meanwhile and counts on it.
    [[nodiscard]] bool drop_stale(std::uint64_t entry) noexcept;
    // What the entry stands for, which may prove stale; `keep`: looked at and left for the next.
    [[nodiscard]] collect_result collect_entry(context& c, std::uint64_t entry, collected& out, bool keep) noexcept;
    [[nodiscard]] collect_result collect_any(context& c, collected& out) noexcept {
        std::uint64_t entry = 0;
        return take_entry(entry) ? collect_entry(c, entry, out, false) : collect_result::none;
    }
    // One completion to be posted: taken from the context's list and kept from everybody until posted() or refused().
    // One of a queue that has a callback is collected already, and cannot be refused.
    struct posting {
        conversation* slot = nullptr;
        collected what;
        void* attention = nullptr;
        bool of_queue = false;
        queue_completion from_queue;
    };
    // False: the list is empty. Stale entries are passed over. Without a drive token held.
    [[nodiscard]] bool next_posting(context& c, posting& out) noexcept;
    // It has been passed on: the conversation is free again.
    void posted(context& c, posting& p) noexcept;
    // It could not be: the conversation stays busy; post_again() later.
    void refused(context& c, posting& p) noexcept;
    void post_again(context& c, conversation_id id) noexcept;
    // Its target is gone: Wait_For_Conversation may collect it instead.
    void to_wait_queue(context& c, posting& p) noexcept;
    static void move_postings(context& from, context& to, engine& e) noexcept;

    // --- queue level (queue_level.cpp) -------------------------------------------------------------------------------
    // Where threads wait for operations by their OOIDs.
    [[nodiscard]] completion_board<>& board() noexcept { return board_; }
    [[nodiscard]] queue_setting& setting_of(const conversation& v, cpic_queue q) noexcept {
        return settings_[std::size_t{v.index} * cpic_queues + static_cast<unsigned>(q)];
    }
    // What an operation reports by that is about to be issued there; the owner's. Takes context::answer_to if its end
    // is to be written there.
    [[nodiscard]] notify channel_on(context& c, conversation& v, queue on, verb kind) noexcept;
    // A queue that only a conversation of its send-receive mode has was set.
    [[nodiscard]] bool any_queue_of_mode_set(const conversation& v) noexcept {
        return v.chosen.processing_mode == 2 &&
               (setting_of(v, cpic_queue::send).named || setting_of(v, cpic_queue::receive).named ||
                setting_of(v, cpic_queue::send_receive).named);
    }
    // The operation is about to wait there, if its channel is queue_level; the owner's.
    void begin_at_queue_level(context& c, conversation& v, queue on, const operation& op) noexcept;
    // Of a number that the caller alone has collected from the board: writes its return code, and the queue is free.
    [[nodiscard]] queue_completion collect_at_queue_level(context& c, std::int32_t number) noexcept;
    // The owner's: an operation of that queue that waited will not finish.
    void forget_on_board(context& c, const queue_setting& s) noexcept;
    // The owner, who has ended the main operation if `before` is idle, leaves the slot; it is given back when nothing
    // of it is left.
    void give_place(context& c, conversation& v, phase before) noexcept;
    // The same after the conversation is ended as by Cancel_Conversation: whatever waits is told so.
    void end_by_cancel(context& c, conversation& v, phase before) noexcept;
    [[nodiscard]] auto waker() noexcept {
        return [this](spot<>& where) { host_.wake(where); };
    }
    // Waiters were told something by a thread that may not drive.
    void told_elsewhere(const context& c) noexcept {
        if (!c.driving) host_.finished_elsewhere();
    }
    static constexpr std::uint32_t completion_cells(std::uint32_t conversations) noexcept {
        std::uint32_t n = 64;
        while (n < 8 * conversations) n *= 2;
        return n;
    }
    static constexpr std::uint32_t completion_waiters = 1'024;

    // What operations of conversations without attention report by.
    void set_default_channel(notify n) noexcept { default_channel_.store_release(n); }
    [[nodiscard]] notify channel_for(const conversation& v) noexcept {
        return v.attention != nullptr ? host_.channel_of(v.attention) : default_channel_.load_acquire();
    }

    // Collects the operation on which the caller is blocked. False: it is not finished.
    [[nodiscard]] bool collect(context& c, conversation_id id, return_code& code, queue on = queue::main) noexcept;
    [[nodiscard]] bool finished(conversation_id id, queue on = queue::main) noexcept;

    // --- for verbs ---------------------------------------------------------------------------------------------------
    // The owner leaves the slot without an operation.
    void leave_idle(context& c, conversation& v) noexcept;
    // Carries a new operation as far as it goes and leaves the slot: its final code, or operation_incomplete. `before`:
    // how the main operation was found by the owner; idle when this is it. `waits`: it can only go on with news.
    return_code issue(context& c, conversation& v, queue on = queue::main, phase before = phase::idle,
                      bool waits = false) noexcept;
    // The owner ends an operation that was issued before, leaves the slot and tells whoever waits.
    void complete(context& c, conversation& v, return_code code) noexcept;

    // The owner leaves the slot as it was found, after whatever can go on has gone on.
    void put_back(context& c, conversation& v, phase before) noexcept {
        if (before == phase::idle)
            leave_idle(c, v);
        else
            carry_on(c, v, before);
    }
    // An operation whose time has come on any of the queues: the earliest deadline, 0 for none.
    [[nodiscard]] std::uint64_t earliest_deadline(conversation& v, bool main_pending) noexcept;
    void rearm(context& c, conversation& v, bool main_pending) noexcept;
    // The same as complete() with 17, but where nobody is there to be told the slot is given back and no record
    // remains.
    void complete_cancelled(context& c, conversation& v) noexcept;
    // The owner forgets a result that cmwait has not collected.
    void discard(conversation& v) noexcept;

    // What a call tells in request_to_send_received, which it uses up; the owner's.
    [[nodiscard]] static std::int32_t control_information(conversation& v) noexcept;

    // The owner of a finished operation leaves it as it is, after the conversation was ended under it.
    void finish_again(context& c, conversation& v) noexcept;
    // The owner of a finished operation, who only looked, leaves it to be collected.
    void leave_done(context& c, conversation& v) noexcept;

    // Accept_Conversation's meeting with attaches (accept.cpp).
    [[nodiscard]] conversation* take_attached(context& c) noexcept;
    // `v` is claimed and its operation set. Not null: an attach came first, and `v` is as it was.
    [[nodiscard]] conversation* wait_for_attach(context& c, conversation& v) noexcept;
    // `to`, owned and not yet bound, becomes what `from`, owned, has been: the conversation of an attach.
    void move_attached(context& c, conversation& from, conversation& to) noexcept;
    // Before the owner of a waiting accept ends it, so that an attach which comes upon its entry finds it counted as
    // stale.
    void accept_cancelled() noexcept { accepting_stale_.fetch_add_acq_rel(1); }
    // The owner takes a waiting Accept_Incoming back; its conversation goes on.
    void withdraw_accept(conversation& v) noexcept;
    // Accepts that wait, exact when nothing moves: slots that are in use although no conversation is.
    [[nodiscard]] std::uint32_t approx_accepts_waiting() const noexcept {
        const auto counted = static_cast<std::uint32_t>(accept_.load_acquire());
        const std::uint32_t stale = accepting_stale_.load_acquire();
        return counted < stale ? 0 : counted - stale;
    }
    // Attaches that wait for an Accept.
    [[nodiscard]] std::uint32_t approx_attaches_waiting() const noexcept {
        return static_cast<std::uint32_t>(accept_.load_relaxed() >> 32);
    }
    // Stale entries beside those that the accepts which wait are entitled to, exact when nothing moves.
    [[nodiscard]] std::uint32_t approx_accepts_surplus() const noexcept { return accepting_surplus_.load_acquire(); }

    // The verdict on the user of an attach that waits for it (driver).
    void settle_attach(context& c, conversation_id id, host::user_check verdict) noexcept;
    // An attach that is not accepted: answered on its channel with the sense (driver).
    void reject_attach(context& c, session& s, std::uint32_t channel, std::uint32_t sense) noexcept;
    // No attach can come any more: accepts end with 25 (end_accepts), later ones too. Until it can again.
    void expect_attaches(bool they_may_come) noexcept { no_attaches_.exchange_acq_rel(they_may_come ? 0 : 1); }
    // Read-modify-write: an accept that was published before the end was told is seen by who tells it.
    [[nodiscard]] bool attaches_over() noexcept { return no_attaches_.fetch_or_acq_rel(0) != 0; }

private:
    void flush_slowly(context& c) noexcept;
    void look(context& c, conversation& v, std::uint64_t generation) noexcept;
    [[nodiscard]] wire::reason leave_on_pile(context& c, conversation& v, std::uint64_t generation,
                                             wire::frame_type type, std::span<const std::byte> payload) noexcept;
    void tell_caller(context& c, conversation& v, std::uint64_t seen) noexcept;
    void list_posting(context& c, std::uint32_t entry) noexcept;
    // An entry in a list of postings: a slot's index + 1, or with this bit a setting's.
    static constexpr std::uint32_t of_queue_bit = 1U << 31;
    [[nodiscard]] std::uint32_t& next_posting_of(std::uint32_t entry) noexcept {
        return (entry & of_queue_bit) != 0 ? settings_[entry & ~of_queue_bit].next_posted
                                           : slots_[entry - 1].next_posted;
    }
    void withdraw_at_queue_level(context& c, conversation& v, queue on, verb kind) noexcept;
    // `waited_for`: the number by which the board knows it; 0: a function is told.
    void finish_at_queue_level(context& c, queue_setting& s, std::int32_t waited_for) noexcept;
    [[nodiscard]] static std::int32_t waited_for(const queue_setting& s) noexcept {
        return s.mode == queue_mode::waited_for ? s.number : 0;
    }
    // The owner's.
    [[nodiscard]] queue_completion take_outcome(conversation& v, queue on, const queue_setting& s) noexcept;
    // What an entry of a list of postings stands for. False: nothing, it was abandoned.
    [[nodiscard]] bool collect_called(context& c, std::uint32_t which, queue_completion& out) noexcept;
    void forget_queues(conversation& v) noexcept;
    void drop_attention(conversation& v) noexcept;
    void carry_on(context& c, conversation& v, phase before) noexcept;
    void let_go(context& c, conversation& v) noexcept;
    std::uint64_t leave_as(context& c, conversation& v, phase to, std::uint64_t listed = 0) noexcept;
    void advance_beside(context& c, conversation& v) noexcept;
    void finish_beside(context& c, conversation& v, queue on, return_code code) noexcept;
    void finish_all_beside(context& c, conversation& v) noexcept;
    [[nodiscard]] bool collect_beside(context& c, conversation& v, std::uint64_t generation, queue on,
                                      return_code& code) noexcept;
    void settle_waitable(conversation& v) noexcept;
    static void report_control_information(conversation& v, operation& op) noexcept;
    void drop_surplus(context& c) noexcept;
    // `ready`: a conversation of the caller's that is to be queued, if nobody waits for one.
    [[nodiscard]] conversation* slot_for_attach(context& c, bool& waiter, conversation* ready = nullptr) noexcept;
    void leave_accept_queue(conversation& v) noexcept;
    void tell_taken(context& c, conversation& v) noexcept;

    const limits limits_;
    host& host_;
    wire::small_text<wire::lu_name_size_max> lu_name_;
    wire::instance_id instance_;
    const std::uint64_t salt_;

    lazy_array<conversation, 64> slots_;
    shared_sets<particulars> names_;
    lazy_array<log_data> log_data_;
    lazy_array<aside> asides_;
    lazy_array<queue_setting> settings_;
    completion_board<> board_;
    index_pool<> free_slots_;
    buffer_pool<> inbound_;
    buffer_pool<> outbound_;
    counters<> counters_;
    tp_registry tps_;
    partner_directory partners_;
    peer_census peers_;

    pile<waiting_node> starved_;
    intrusive_completion_queue<> finished_;
    atom<std::uint32_t> outstanding_;
    atom<std::uint32_t> closed_;
    atom<notify> default_channel_{notify::wait_queue};

    // 63     32 31     0   both never non-zero together: who comes second takes who came first
    // | queued | waiting |
    atom<std::uint64_t> accept_;
    concurrent_completion_queue<> attached_;
    concurrent_completion_queue<> accepting_;
    atom<std::uint32_t> accepting_stale_;
    atom<std::uint32_t> no_attaches_;
    relay* relay_ = nullptr;
    atom<std::uint32_t> accepting_surplus_;

    index_pool<> free_sessions_;
    std::unique_ptr<atom<session*>[]> sessions_;
};

}  // namespace colloquy::runtime
