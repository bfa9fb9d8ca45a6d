// async: the awaitable conversation: each verb is awaited by a coroutine, which goes on when the call is done.
//
// `co_await c.receive(buffer)` issues the call without blocking. What can be done at once is, without suspending.
// Otherwise the coroutine goes on when the completion is told: on the conversation's executor, or without one on the
// thread that brings it. The record of the operation stands in the coroutine's frame; an operation allocates nothing.
//
// Lifetimes: the buffer, like everything the call was given, until the co_await is over. The executor, until no
// coroutine waits for it. A coroutine may be destroyed while it waits, by a thread on which it would go on: the
// conversation is then ended (the partner gets deallocated_abend_svc, other calls on it deallocated_abend) and the
// destructor returns when nothing will be written to the frame any more (docs/cpp.md).
//
// Threads: one operation at a time on each queue of a conversation. A full-duplex conversation has one for what is
// sent (send, flush, deallocate, send_error) and one for receive(), a half-duplex one the same for both; both have one
// for send_expedited() and one for receive_expedited(). Each may be awaited by a coroutine of its own, at the same time
// and on different threads; a second operation on a queue is answered operation_not_accepted. Different conversations
// are independent. The conversation is at queue level and its queues have a callback of ours: programs set no sink,
// callback, event, processing mode or OOID of their own on it.
#pragma once

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <span>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>

#include "colloquy/conversation.hpp"
#include "colloquy/executor.hpp"
#include "colloquy/handle.hpp"
#include "colloquy/task.hpp"
#include "colloquy/verb.hpp"

namespace colloquy {

namespace detail {

// What the library calls with each completion.
inline void COLLOQUY_CALL completed(void*, const clq_completion* c) {
    auto& w = *static_cast<work*>(c->id_memory);
    w.code = static_cast<return_code>(c->return_code);
    // acq_rel[cxx-node]: who goes on with it sees the code and all outputs; we see where it is to go on.
    const std::uint32_t before = w.state.fetch_or_acq_rel(work::completed);
    if ((before & work::abandoned) != 0)
        (void)w.state.fetch_or_acq_rel(work::released);  // release[cxx-released]: nothing touches it from here on
    else if ((before & (work::stopping | work::issuing)) == 0)
        w.go_on();
}

// What a stop request does, on the thread that makes it: gives up the call. The coroutine goes on once, by whoever is
// the last of the completion, the one who issues the call, and us.
struct stop_call {
    work& of;
    CM_INT32 queue;
    void operator()() const noexcept {
        work& w = of;
        canceller here;
        unsigned char id[CM_CID_SIZE];
        std::memcpy(id, w.id, sizeof id);
        w.stopper = &here;
        std::uint32_t seen = w.state.load_relaxed();  // relaxed: only a guess for the CAS
        do {
            if ((seen & work::completed) != 0) return;
        } while (!w.state.cas_acq_rel(seen, seen | work::stopping));  // acq_rel[cxx-node]
        CM_INT32 rc = 0;
        CM_INT32 code = CM_OK;
        clq_abandon_call(id, queue, w.id, &here.outcome, &code, &rc);
        // Completions of others are told in there; coroutines that go on with them may have destroyed this one.
        if (here.gone) return;
        if (here.outcome != CLQ_CALL_TOLD) {
            // Nobody will tell it but we.
            w.code = static_cast<return_code>(code);
            if ((w.state.fetch_or_acq_rel(work::completed) & work::abandoned) != 0)  // acq_rel[cxx-node]
                (void)w.state.fetch_or_acq_rel(work::released);  // its destructor waits for us to leave as well
        }
        const std::uint32_t before = w.state.fetch_and_acq_rel(~std::uint32_t{work::stopping});  // acq_rel[cxx-node]
        if ((before & work::completed) != 0 && (before & (work::abandoned | work::issuing)) == 0) w.go_on();
    }
};

// An operation that is under way, or about to be: in the frame of the coroutine that awaits it.
template <class Verb>
class running {
public:
    running(const unsigned char* id, executor* where, const Verb& verb, std::stop_token&& token,
            unsigned limit_ms) noexcept
        : verb_{verb}, limit_ms_{limit_ms}, token_{std::move(token)} {
        std::memcpy(work_.id, id, sizeof work_.id);
        work_.where = where;
    }
    running(const running&) = delete;
    running& operator=(const running&) = delete;
    ~running() {
        const std::uint32_t state = work_.state.load_relaxed();  // relaxed: our own bits, or a thread that gave us it
        if ((state & work::issued) != 0 && !resumed_) abandon();
    }

    [[nodiscard]] bool await_ready() const noexcept { return false; }
    // Not inlined: its variables must not be moved to the frame, which may be gone when we have let go of it.
#if defined(__GNUC__)
    __attribute__((noinline))
#endif
    bool
    await_suspend(std::coroutine_handle<> h) noexcept {
        const bool stoppable = token_.stop_possible();
        if (stoppable && token_.stop_requested()) return over(return_code::unsuccessful);  // not made at all
        work_.waiter = h;
        work_.state.store_relaxed(work::issued | work::issuing);  // relaxed: nobody else knows of it yet
        if (limit_ms_ != 0) set_limit(limit_ms_);
        const CM_INT32 rc = verb_.issue(work_.id);
        if (rc != CM_OPERATION_INCOMPLETE) return over(static_cast<return_code>(rc));
        // It may have completed, and is ours still. A request that was made meanwhile is obeyed in here.
        if (stoppable) stop_.emplace(token_, stop_call{work_, Verb::queue});
        // acq_rel[cxx-node]: from here on it may go on, and be gone. If it is completed we go on with it at once,
        // unless one who is inside stop_call will.
        const std::uint32_t before = work_.state.fetch_and_acq_rel(~std::uint32_t{work::issuing});
        return (before & (work::completed | work::stopping)) != work::completed;
    }
    result<typename Verb::value_type> await_resume() noexcept {
        resumed_ = true;
        stop_.reset();  // a stop request that comes now finds the call completed, and is waited for while it looks
        if (limit_ms_ != 0 && !ends_conversation(work_.code)) set_limit(0);
        return verb_.finish(work_.code);
    }

private:
    // Done at once.
    bool over(return_code code) noexcept {
        work_.code = code;
        work_.state.store_relaxed(work::issued | work::completed);  // relaxed: nobody else knows of it
        return false;
    }
    // Of the queue: other coroutines have theirs.
    void set_limit(unsigned ms) noexcept {
        CM_INT32 rc = 0;
        clq_set_queue_time_limit(work_.id, Verb::queue, ms, &rc);
    }

    // The frame is going away while the call is incomplete. See `work` for who may be at it.
    void abandon() noexcept {
        const std::uint32_t before = work_.state.fetch_or_acq_rel(work::abandoned);  // acq_rel[cxx-node]
        // The one who stops it touches the node after his call, unless he hears that it is gone. If that is another
        // thread, he sees that it is abandoned, and stop_ waits for him.
        const bool inside_stop = (before & work::stopping) != 0 && work_.stopper->on == std::this_thread::get_id();
        if (inside_stop) work_.stopper->gone = true;
        if ((before & work::completed) == 0) {
            CM_INT32 outcome = CLQ_CALL_TOLD, rc = 0;
            if (inside_stop) outcome = work_.stopper->outcome;
            if (outcome == CLQ_CALL_TOLD) clq_abandon_call(work_.id, Verb::queue, work_.id, &outcome, nullptr, &rc);
            // Otherwise another thread is about to tell it, or to stop it, and finds it abandoned.
            if (outcome == CLQ_CALL_TOLD) work_.wait_until_released();
        } else if ((before & work::stopping) == 0 && work_.where != nullptr) {
            work_.where->withdraw(work_);
        }
        stop_.reset();
        // Whatever became of the call, the coroutine has not heard of it.
        CM_INT32 rc = 0;
        cmcanc(work_.id, &rc);
    }

    work work_{};
    Verb verb_;
    bool resumed_ = false;
    unsigned limit_ms_ = 0;
    std::stop_token token_;
    std::optional<std::stop_callback<stop_call>> stop_{};
};

}  // namespace detail

// One call, to be awaited once, where it is made: `co_await c.receive(buffer)`, or with conditions,
// `co_await c.receive(buffer).with(stop).within(500ms)`. Not begun before it is awaited. Conditions give a reference to
// the operation itself, which lives to the end of that expression.
template <class Verb>
class [[nodiscard]] operation {
public:
    using value_type = typename Verb::value_type;

    operation(const conversation_handle& c, executor* where, const Verb& verb, std::stop_token&& stop) noexcept
        : c_{c}, where_{where}, verb_{verb}, token_{std::move(stop)} {}

    // A stop request gives up this call: unsuccessful, and the conversation and its other calls go on as though it had
    // not been made. Requested before, it is not made at all. A call that is done first has its own outcome, which may
    // be what it has done so far: a receive() gives the part of a record that has come, and a send() whose bytes the
    // send buffer has is done. Only a call of which the partner has had a part that cannot be taken back (confirm, send
    // types that end the turn or the conversation, send_error) ends with the conversation, as by Cancel_Conversation:
    // deallocated_abend. The partner of a stopped allocate() or accept() hears nothing.
    operation& with(std::stop_token token) noexcept {
        token_ = std::move(token);
        return *this;
    }
    // The call and the conversation end with deallocated_abend_timer when it takes longer, at both ends, and what is
    // awaited on other queues with it. For this call alone: later ones on its queue have the conversation's time limit.
    operation& within(std::chrono::nanoseconds limit) noexcept {
        limit_ms_ = std::max(1U, conversation_handle::milliseconds(limit));
        return *this;
    }
    operation& until(std::chrono::steady_clock::time_point when) noexcept {
        return within(when - std::chrono::steady_clock::now());
    }

    detail::running<Verb> operator co_await() noexcept {
        return {c_.data(), where_, verb_, std::move(token_), limit_ms_};
    }

private:
    conversation_handle c_;
    executor* where_;
    Verb verb_;
    std::stop_token token_;
    unsigned limit_ms_ = 0;
};

// A conversation whose verbs are awaited: its ID, and the executor on which its coroutines go on. A value, as every
// handle. Made by initialize() or incoming(), or from one that was begun otherwise.
class async_conversation : public conversation_handle {
public:
    using conversation_handle::conversation_handle;

    // Makes a conversation that exists an awaitable one, half- or full-duplex: each of its queues gets a callback of
    // ours, those too that a send-receive mode chosen later will bring. Fails with program_state_check while a call on
    // it is incomplete, and where another level was chosen for it before: a processing mode, an event, a sink or a
    // callback of its own.
    [[nodiscard]] static result<async_conversation> from(const conversation_handle& c,
                                                         executor* where = nullptr) noexcept {
        async_conversation a{c.id()};
        a.where_ = where;
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        clq_set_queue_callback(a.data(), CLQ_EVERY_QUEUE, &detail::completed, nullptr, &rc);
        return detail::as_result(rc, a);
    }
    // To be allocated; see conversation::initialize.
    [[nodiscard]] static result<async_conversation> initialize(std::string_view destination,
                                                               executor* where = nullptr) noexcept {
        return made(conversation::begin<conversation>(destination), where);
    }
    // To be accepted: `co_await c.accept()`. Characteristics and time limit may be set before.
    [[nodiscard]] static result<async_conversation> incoming(executor* where = nullptr) noexcept {
        conversation_handle::id_bytes id{};
        CM_INT32 rc = CM_PRODUCT_SPECIFIC_ERROR;
        cminic(id.data(), &rc);
        return made(detail::as_result(rc, conversation{id}), where);
    }
    // Blocking again, without the callbacks: for code that wants a blocking conversation. program_state_check while a
    // call is incomplete.
    [[nodiscard]] result<conversation> blocking() noexcept {
        CM_INT32 rc = CM_PROGRAM_PARAMETER_CHECK;
        clq_set_queue_callback(data(), CLQ_EVERY_QUEUE, nullptr, nullptr, &rc);
        return detail::as_result(rc, conversation{id()});
    }

    [[nodiscard]] executor* where() const noexcept { return where_; }
    // The same conversation; calls made by this handle go on there.
    [[nodiscard]] async_conversation on(executor* where) const noexcept {
        async_conversation c = *this;
        c.where_ = where;
        return c;
    }

    // ---- the verbs, as on `conversation`; stop tokens may be given here or by with() ----
    // Full duplex: one coroutine sends while another receives.

    // Of an incoming() one: takes the oldest conversation that a partner has allocated to a name of this program.
    auto accept(std::stop_token stop = {}) noexcept { return made_of(detail::accept_verb{}, std::move(stop)); }
    auto allocate(std::stop_token stop = {}) noexcept { return made_of(detail::allocate_verb{}, std::move(stop)); }
    auto send(std::span<const std::byte> bytes, std::stop_token stop = {}) noexcept {
        return made_of(detail::send_verb{bytes}, std::move(stop));
    }
    auto send(std::string_view text, std::stop_token stop = {}) noexcept {
        return send(bytes_of(text), std::move(stop));
    }
    auto receive(std::span<std::byte> buffer, std::stop_token stop = {}) noexcept {
        return made_of(detail::receive_verb{buffer}, std::move(stop));
    }
    auto confirm(std::stop_token stop = {}) noexcept { return made_of(detail::confirm_verb{}, std::move(stop)); }
    auto confirmed(std::stop_token stop = {}) noexcept { return made_of(detail::confirmed_verb{}, std::move(stop)); }
    auto flush(std::stop_token stop = {}) noexcept { return made_of(detail::flush_verb{}, std::move(stop)); }
    auto prepare_to_receive(std::stop_token stop = {}) noexcept {
        return made_of(detail::prepare_to_receive_verb{}, std::move(stop));
    }
    auto deallocate(std::stop_token stop = {}) noexcept { return made_of(detail::deallocate_verb{}, std::move(stop)); }
    auto send_error(std::stop_token stop = {}) noexcept { return made_of(detail::send_error_verb{}, std::move(stop)); }
    auto request_to_send(std::stop_token stop = {}) noexcept {
        return made_of(detail::request_to_send_verb{}, std::move(stop));
    }
    auto send_expedited(std::span<const std::byte> bytes, std::stop_token stop = {}) noexcept {
        return made_of(detail::send_expedited_verb{bytes}, std::move(stop));
    }
    auto send_expedited(std::string_view text, std::stop_token stop = {}) noexcept {
        return send_expedited(bytes_of(text), std::move(stop));
    }
    auto receive_expedited(std::span<std::byte> buffer, receive_type how = receive_type::wait,
                           std::stop_token stop = {}) noexcept {
        return made_of(detail::receive_expedited_verb{buffer, how}, std::move(stop));
    }

private:
    [[nodiscard]] static result<async_conversation> made(result<conversation> begun, executor* where) noexcept {
        if (!begun) return begun.code();
        result<async_conversation> a = from(*begun, where);
        if (!a) (void)begun->cancel();
        return a;
    }
    template <class Verb>
    operation<Verb> made_of(const Verb& verb, std::stop_token&& stop) noexcept {
        return {*this, where_, verb, std::move(stop)};
    }

    executor* where_ = nullptr;
};

}  // namespace colloquy
