// async: the awaitable conversation: each verb is awaited by a coroutine, which goes on when the call is done.
//
// `co_await c.receive(buffer)` issues the call in nonblocking mode. What can be done at once is, without suspending.
// Otherwise the coroutine goes on when the completion is told: on the conversation's executor, or without one on the
// thread that brings it. The record of the operation stands in the coroutine's frame; an operation allocates nothing.
//
// Lifetimes: the buffer, like everything the call was given, until the co_await is over. The executor, until no
// coroutine waits for it. A coroutine may be destroyed while it waits, by a thread on which it would go on: the
// conversation is then ended (the partner gets deallocated_abend_svc) and the destructor returns when nothing will be
// written to the frame any more (docs/cpp.md).
//
// Threads: one operation at a time per conversation, expedited data included; a second one is answered
// operation_not_accepted. Different conversations are independent. The conversation has a callback of ours: programs
// set no sink, callback or event of their own on it.
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
    else if ((before & work::stopping) == 0)
        w.go_on();
}

// What a stop request does, on the thread that makes it: ends the conversation. The coroutine goes on with
// deallocated_abend, once, by whoever is later: the completion, or we.
struct stop_call {
    work& of;
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
        cmcanc(id, &rc);
        // Completions are told in there, ours and others'; coroutines that go on with them may have destroyed this one.
        if (here.gone) return;
        const std::uint32_t before = w.state.fetch_and_acq_rel(~std::uint32_t{work::stopping});  // acq_rel[cxx-node]
        if ((before & work::completed) != 0 && (before & work::abandoned) == 0) w.go_on();
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
    // Not inlined: its variables must not be moved to the frame, which may be gone when the call has returned.
#if defined(__GNUC__)
    __attribute__((noinline))
#endif
    bool
    await_suspend(std::coroutine_handle<> h) noexcept {
        work_.waiter = h;
        work_.state.store_relaxed(work::issued);  // relaxed: nobody else knows of it yet
        if (limit_ms_ != 0) set_limit(limit_ms_);
        const bool stoppable = token_.stop_possible();
        // From here on a stop request may run beside us. What it ends before the call is made is answered 24.
        if (stoppable) stop_.emplace(token_, stop_call{work_});
        CM_INT32 rc = verb_.issue(work_.id);
        if (rc == CM_OPERATION_INCOMPLETE) return true;  // it may have gone on, and be gone
        if (stoppable && rc == CM_PROGRAM_PARAMETER_CHECK && token_.stop_requested()) rc = CM_DEALLOCATED_ABEND;
        work_.code = static_cast<return_code>(rc);
        if (!stoppable) {
            work_.state.store_relaxed(work::issued | work::completed);  // relaxed: nobody else knows of it
            return false;
        }
        // acq_rel[cxx-node]: one who is inside stop_call now goes on with it; otherwise we do.
        return (work_.state.fetch_or_acq_rel(work::completed) & work::stopping) != 0;
    }
    result<typename Verb::value_type> await_resume() noexcept {
        resumed_ = true;
        stop_.reset();  // waits for nobody: a stop request that comes now finds the call completed
        if (limit_ms_ != 0 && !ends_conversation(work_.code)) set_limit(0);
        return verb_.finish(work_.code);
    }

private:
    void set_limit(unsigned ms) noexcept {
        CM_INT32 rc = 0;
        clq_set_time_limit(work_.id, ms, &rc);
    }

    // The frame is going away while the call is incomplete. See `work` for who may be at it.
    void abandon() noexcept {
        const std::uint32_t before = work_.state.fetch_or_acq_rel(work::abandoned);  // acq_rel[cxx-node]
        // The one who stops it touches the node after his call, unless he hears that it is gone. If that is another
        // thread, he sees that it is abandoned, and stop_ waits for him.
        if ((before & work::stopping) != 0 && work_.stopper->on == std::this_thread::get_id())
            work_.stopper->gone = true;
        if ((before & work::completed) == 0) {
            // 1: nobody will be told. Otherwise another thread is about to tell it, and finds it abandoned.
            if (clq_abandon(work_.id) != 1) work_.wait_until_released();
        } else if ((before & work::stopping) == 0 && work_.where != nullptr) {
            work_.where->withdraw(work_);
        }
        stop_.reset();
        // The call is completed, the coroutine has not heard of it: the conversation is ended all the same.
        if ((before & work::completed) != 0) (void)clq_abandon(work_.id);
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

    // A stop request ends the conversation, as Cancel_Conversation does, and the call with it: deallocated_abend.
    // Requested before the call is made, too. A call that is done first has its own outcome.
    operation& with(std::stop_token token) noexcept {
        token_ = std::move(token);
        return *this;
    }
    // The call and the conversation end with deallocated_abend_timer when it takes longer, at both ends. For this call
    // alone: afterwards the conversation has no time limit.
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

    // Makes a conversation that exists an awaitable one: nonblocking, with a callback of ours. Fails with
    // operation_not_accepted, or program_state_check, while a call on it is incomplete. program_parameter_check for
    // full-duplex conversations: they are blocking ones.
    [[nodiscard]] static result<async_conversation> from(const conversation_handle& c,
                                                         executor* where = nullptr) noexcept {
        async_conversation a{c.id()};
        a.where_ = where;
        CM_INT32 mode = CM_NON_BLOCKING, rc = CM_PROGRAM_PARAMETER_CHECK;
        cmspm(a.data(), &mode, &rc);
        if (rc == CM_OK) clq_set_callback(a.data(), &detail::completed, nullptr, &rc);
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
    // Blocking again, without the callback: for code that wants a blocking conversation. No call is incomplete.
    [[nodiscard]] result<conversation> blocking() noexcept {
        CM_INT32 mode = CM_BLOCKING, rc = CM_PROGRAM_PARAMETER_CHECK;
        clq_set_callback(data(), nullptr, nullptr, &rc);
        if (rc == CM_OK) cmspm(data(), &mode, &rc);
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
