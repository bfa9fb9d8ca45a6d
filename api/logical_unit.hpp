// logical_unit: one logical unit of this process: the engine, the drives that move its bytes, and the threads that
// wait.
//
// Who drives. With reactors, each has a thread. Without, whoever waits inside a call drives; when nobody does for a
// moment the standby thread takes over, and steps aside as soon as a caller wants the drive again. Output. A call
// writes what it caused before it returns, unless more is at hand for its program: then the output goes out in one
// write when the program next waits, or a moment later by the standby. See may_put_off().
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "api/attention.hpp"
#include "api/config.hpp"
#include "api/manager_link.hpp"
#include "api/program_table.hpp"
#include "api/side_information.hpp"
#include "runtime/engine.hpp"
#include "runtime/parking.hpp"
#include "runtime/relay.hpp"
#include "runtime/shard_lease.hpp"
#include "runtime/standby_word.hpp"
#include "runtime/verbs.hpp"
#include "transport/drive.hpp"
#include "transport/platform.hpp"

namespace colloquy::api {

class logical_unit final : private runtime::host, private user_gate::owner {
public:
    // Null, with one line in `error`, when it cannot be. Nothing is left behind then.
    [[nodiscard]] static std::unique_ptr<logical_unit> start(const configuration& wanted, std::string& error);
    ~logical_unit();
    logical_unit(const logical_unit&) = delete;
    logical_unit& operator=(const logical_unit&) = delete;

    [[nodiscard]] runtime::engine& engine() noexcept { return *engine_; }
    // The state of a conversation as its word says it at this moment. RESET when there is no such one (any more).
    [[nodiscard]] runtime::conversation_state state_of(runtime::conversation_id id) noexcept {
        const runtime::conversation* const v = engine_->find(id);
        const std::uint64_t w = v == nullptr ? 0 : v->word.load();
        return v != nullptr && id.generation() != 0 && runtime::word_bits::generation(w) == id.generation()
                   ? runtime::word_bits::state_of(w)
                   : runtime::conversation_state::reset;
    }
    [[nodiscard]] side_information& side() noexcept { return side_; }
    [[nodiscard]] program_table& programs() noexcept { return programs_; }
    [[nodiscard]] const configuration& settings() const noexcept { return settings_; }
    [[nodiscard]] const std::vector<std::string>& listening() const noexcept { return listening_; }

    // The calling thread's context. Every entry into the engine is closed by leave().
    [[nodiscard]] runtime::context& enter() noexcept { return this_thread().context; }
    // Tells of completions and sees to the output.
    void leave(runtime::context& c) noexcept;

    // The calling thread's blocking hook. Inside of it blocking calls are refused.
    struct thread_state {
        runtime::context context;
        int(COLLOQUY_CALL* hook)() = nullptr;
        bool in_hook = false;
        bool in_sink = false;
        bool handed_over = false;   // the last call answered 35 in a variable that is the operation's now; for traces
        std::uint32_t telling = 0;  // inside sinks and callbacks
        bool tells_more = false;    // and others follow at once
        std::uint32_t number;       // from 1, in the order of first calls
        explicit thread_state(std::uint32_t shard) noexcept : context{shard}, number{shard + 1} {
            context.clock = &transport::now_ns;
        }
    };
    [[nodiscard]] static thread_state& this_thread() noexcept {
        thread_state* const t = current_thread;
        return t != nullptr ? *t : enrol();
    }

    // --- who is told ---
    // For conversations that have no attention of their own; null takes it away. Takes over the reference.
    void set_default_attention(attention* a) noexcept;
    // Null: none. False: no window.
    [[nodiscard]] bool set_window(void* window) noexcept;

    // --- inside a host's loop ---
    [[nodiscard]] clq_host_handle wait_handle() noexcept;
    [[nodiscard]] long long next_timeout_ns() noexcept;
    int dispatch() noexcept;

    // No new conversations; waits for the open ones. True: all have ended in time.
    bool drain(std::uint64_t timeout_ns) noexcept;
    // leave(), and if the outcome says so, waits until the operation is finished: its code. Past `deadline_ns` the
    // operation is cancelled and the answer is operation_incomplete.
    runtime::return_code finish(runtime::context& c, const runtime::outcome& o,
                                std::uint64_t deadline_ns = transport::no_deadline) noexcept {
        if (o.must_wait) return wait_until_finished(c, o, deadline_ns);
        leave(c);
        return o.code;
    }

    // Wait_For_Conversation and Check_For_Completion.
    runtime::return_code wait_for_conversation(runtime::engine::collected& out) noexcept;
    runtime::return_code check_for_completion(runtime::engine::collected& out) noexcept;

    // Wait_For_Completion. `places` and `user_fields` have room for `count`.
    struct completion_list {
        const std::int32_t* numbers;
        std::uint32_t count;
        std::int32_t timeout_ms;  // -1: as long as it takes
        std::int32_t* places;     // receives those that have finished, from 1
        std::byte* user_fields;   // receives theirs, 8 bytes each
    };
    runtime::return_code wait_for_completion(const completion_list& of, std::uint32_t& found) noexcept;

    // An Accept was answered and others could be at once: its answers may leave together with theirs.
    void accepted(runtime::context& c) noexcept {
        if (c.batch_left == 0 && engine_->approx_attaches_waiting() != 0) c.batch_left = 1;
    }
    // How long each later Accept_Conversation may take; 0: as long as it takes.
    void set_accept_limit(std::uint32_t limit_ms) noexcept { accept_limit_ms_.store_relaxed(limit_ms); }
    [[nodiscard]] std::uint32_t accept_limit() const noexcept { return accept_limit_ms_.load_relaxed(); }

    // A program that has named a TP of its own accepts without blocking.
    void tp_named() noexcept { tp_named_.store_release(1); }
    [[nodiscard]] bool has_named_tp() const noexcept { return tp_named_.load_acquire() != 0; }

    // Attaches may come although this program has named no TP: its attach manager knows what it started it for.
    [[nodiscard]] bool started_for_attaches() const noexcept { return settings_.manager_descriptor >= 0; }
    // Tells the attach manager, if there is one, that the name is served, or no more, and waits a while for its word:
    // empty, or why not.
    [[nodiscard]] std::string offer(std::string_view name, wire::serve_what what) noexcept;
    // Why no attach can come; empty where that is not so.
    [[nodiscard]] std::string why_no_attach() noexcept;

    // --- an attach manager's unit. Null elsewhere; the driver's.
    [[nodiscard]] runtime::relay* relay() noexcept { return relay_.get(); }
    // The one drive that such a unit has.
    [[nodiscard]] transport::drive& only_drive() noexcept { return *drives_.front(); }

    // The partner for a name a program gave; null when nobody knows it.
    [[nodiscard]] runtime::partner* partner(std::string_view name) noexcept;
    // The same for "host:port" or "inproc", made known if it is not. Null with `error`.
    [[nodiscard]] runtime::partner* partner_at(std::string_view place, std::string& error);

    // One line on why the partner of that name cannot be reached.
    [[nodiscard]] std::string why_no_link(std::string_view name) noexcept;

    // Reads what [security] names again. False with one line, and nothing has changed.
    [[nodiscard]] bool reload_security(std::string& error);

    // Ends it: see clq_stop. True: everything was written in time.
    bool stop(std::uint64_t timeout_ns) noexcept;
    // In the child of a fork: closes what the child must not hold and leaves the rest alone.
    void abandon_in_child() noexcept;

private:
    logical_unit(const configuration& wanted);

    static constinit thread_local thread_state* current_thread;
    static thread_state& enrol() noexcept;
    runtime::return_code wait_until_finished(runtime::context& c, const runtime::outcome& o,
                                             std::uint64_t deadline_ns) noexcept;

    // host
    void write_duty(runtime::context& c, runtime::session& s) noexcept override;
    void open_link(runtime::context& c, runtime::partner& p, std::uint32_t link) noexcept override;
    void session_ended(runtime::context& c, runtime::session& s) noexcept override;
    void wake(runtime::spot<>& where) noexcept override;
    void wait_queue_filled(std::uint32_t count) noexcept override;
    void wait_queue_idle() noexcept override;
    void finished_elsewhere() noexcept override;
    bool wait_queue_watched() noexcept override;
    void operation_outstanding() noexcept override;
    runtime::notify channel_of(void* a) noexcept override;
    bool hold_signal(void* a) noexcept override;
    void signal(std::span<void* const> all) noexcept override;
    void forget(void* a) noexcept override;
    void deadline_set(runtime::context& c, runtime::conversation& v) noexcept override;
    void manager_told(runtime::context& c, runtime::session& s, manager_news what,
                      const wire::serving* answer) noexcept override;

    wire::reason admit_peer(runtime::session& s, std::string_view lu_name) noexcept override;
    bool trusts(const runtime::session& s) noexcept override;
    user_check check_user(runtime::context& c, runtime::session& s, const wire::attach& a,
                          runtime::conversation_id id) noexcept override;
    void user_refused(const runtime::session& s, const wire::attach& a, user_refusal why) noexcept override;
    // user_gate::owner
    bool start_user_thread() noexcept override;
    void user_decided(transport::drive& by, runtime::conversation_id id, user_check verdict) noexcept override;
    [[nodiscard]] bool identified(const transport::link& l, const runtime::session& s,
                                  std::string_view lu_name) const noexcept;
    [[nodiscard]] const partner_lu* configured(std::string_view lu_name) const noexcept;
    void describe(const runtime::session& s, const wire::attach& a, user_question& q) noexcept;

    // Tells what the context has collected for sinks, callbacks and the window. No drive is held.
    void tell(runtime::context& c) noexcept;
    [[nodiscard]] bool tell_one(runtime::context& c, runtime::engine::posting& p) noexcept;
    void tell_queue(const runtime::queue_completion& q) noexcept;
    // Those of the candidates that nobody else collects first; tells how many.
    std::uint32_t collect_completions(runtime::context& c, std::uint32_t me, const completion_list& of,
                                      std::uint32_t candidates) noexcept;
    void ring(attention& told) noexcept;
    void ask_again(runtime::context& c) noexcept;
    void count_refused() noexcept;
    void ask_again_soon() noexcept;
    void settle_default_channel() noexcept;
    [[nodiscard]] bool nothing_to_wait_for() noexcept;
    // Calls the hook once. False: it wants control back.
    [[nodiscard]] bool call_hook(thread_state& t) noexcept;
    // What a thread with a hook does between two calls of it.
    void look_around(runtime::context& c) noexcept;
    void start_thread(const char* role, void (*main)(logical_unit&, std::uint32_t), std::uint32_t index);
    [[nodiscard]] bool collect_permitted(runtime::context& c, runtime::engine::collected& out) noexcept;
    [[nodiscard]] runtime::engine::collect_result collect_next(runtime::context& c,
                                                               runtime::engine::collected& out) noexcept;
    [[nodiscard]] bool caller_driven() const noexcept { return settings_.reactors == 0; }
    [[nodiscard]] bool may_put_off(runtime::context& c) noexcept;
    [[nodiscard]] bool promise_output() noexcept;
    void before_waiting(runtime::context& c) noexcept;
    void tell_before_waiting(runtime::context& c) noexcept;
    void write_dirty(runtime::context& c) noexcept;
    void write_links(runtime::context& c) noexcept;
    void nudge() noexcept;
    // Caller-driven: true when the caller holds the token now.
    bool take_drive(bool& parked_elsewhere) noexcept;
    void release_drive(bool in_loop = false) noexcept;
    void release_to(transport::drive& d, runtime::context& c) noexcept;
    // No thread of ours stands by: the host's loop drives, if it has one.
    [[nodiscard]] bool host_driven() const noexcept {
        return caller_driven() && (!settings_.threads || !settings_.standby);
    }
    void loop_by(std::uint64_t deadline_ns) noexcept;
    void call_standby() noexcept;
    void standby_main() noexcept;
    void reactor_main(std::uint32_t index) noexcept;
    void look_again_soon() noexcept;

    const configuration settings_;
    side_information side_;
    program_table programs_{transport::random_u64()};
    std::vector<runtime::atom<transport::link*>> links_;  // by session; owned
    user_gate users_;
    std::unique_ptr<transport::tls_context> tls_;  // outlives the drives
    std::unique_ptr<runtime::engine> engine_;
    std::unique_ptr<runtime::relay> relay_;
    std::vector<std::unique_ptr<transport::drive>> drives_;
    std::unique_ptr<manager_link> manager_;
    std::vector<std::string> listening_;

    // Where partners are. An entry is as permanent as the engine's partner it belongs to.
    struct place {
        std::vector<transport::endpoint> addresses;
        bool in_process = false;
        bool trust_users = false;
        const partner_lu* configured = nullptr;  // null: it is named by its address
    };
    std::mutex places_mutex_;
    std::vector<std::unique_ptr<place>> places_;

    runtime::pile<transport::link> dirty_;  // links whose write duty waits for a good moment
    runtime::permit_gate<> gate_;           // a permit for each finished operation in the wait queue
    std::mutex peek_mutex_;                 // one Check_For_Completion at a time
    runtime::atom<std::uint64_t> peeked_;   // the entry it looked at, plus 1: the next one to collect
    runtime::permit_gate<> seekers_;        // callers who asked the standby to step aside
    transport::futex_waiter waiter_;
    runtime::atom<std::uint32_t> parked_;        // callers who sleep and rely on somebody else to drive
    runtime::atom<std::uint32_t> turn_;          // links take the drives in turn
    runtime::atom<std::uint32_t> drives_taken_;  // grows with every caller who drives
    runtime::atom<std::uint32_t> tp_named_;
    runtime::atom<std::uint32_t> stopping_;
    runtime::atom<std::uint32_t> ended_;    // stopping, and every conversation has ended
    runtime::atom<std::uint32_t> waiters_;  // threads inside Wait_For_Conversation
    runtime::atom<std::uint32_t> accept_limit_ms_;

    std::mutex attention_mutex_;  // the two below, and those to be asked again
    attention* default_attention_ = nullptr;
    void* window_ = nullptr;
    std::vector<runtime::conversation_id> refused_;
    attention* unrung_ = nullptr;                 // whose bells have refused
    runtime::atom<std::uint32_t> refused_count_;  // of both
    runtime::atom<std::uint32_t> told_;           // completions told by sinks, callbacks and windows
    runtime::atom<std::uint32_t> draining_;
    runtime::atom<std::uint32_t> handle_given_;
    runtime::atom<std::uint64_t> loop_deadline_;  // how long the host's loop sleeps at most; 0: it is awake
    runtime::atom<std::uint32_t> loop_asker_;     // the thread that asked last, by its number

    std::mutex threads_mutex_;
    std::vector<std::thread> threads_;
    runtime::atom<std::uint32_t> threads_running_;
    runtime::atom<std::uint32_t> standby_started_;
    runtime::standby_word<> standby_;
    runtime::spot<> standby_spot_;
    bool abandoned_ = false;
};

}  // namespace colloquy::api
