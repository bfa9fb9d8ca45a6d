// serve: a server of transaction programs: accepts conversations and gives each to the handler of its TP name.
//
//     auto echo = colloquy::serve("ECHO", [](colloquy::async_conversation c) -> colloquy::task<> { ... }, options);
//
// A handler is a coroutine, called with an async_conversation, or a function, called with a blocking `conversation` on
// a thread of options.where. What it leaves open is ended abnormally when it returns. What it throws goes to
// options.failed, its conversation ends with deallocated_abend at the partner, and the others go on.
// One server a process: an accept takes the oldest conversation for any name that the process serves. Several names are
// added to one server; a conversation for a name that it has no handler for is ended abnormally.
#pragma once

#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <memory_resource>
#include <mutex>
#include <new>
#include <optional>
#include <stop_token>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "colloquy/async.hpp"
#include "colloquy/conversation.hpp"
#include "colloquy/executor.hpp"
#include "colloquy/task.hpp"

namespace colloquy {

struct serve_options {
    // Where coroutines go on and functions are called. Null: coroutines go on where their calls complete; functions
    // need one. Lives longer than the server.
    executor* where = nullptr;
    unsigned accepts = 4;            // accepts that wait at a time
    unsigned conversations_max = 0;  // open at a time; partners beyond it wait in the library's queue. 0: no bound
    std::pmr::memory_resource* memory =
        nullptr;  // of frames, two a conversation; outlives the server. Null: operator new
    // What a handler has thrown, or std::bad_alloc where there was no memory to begin it; on the thread of that. May be
    // empty.
    std::function<void(const conversation_handle&, std::exception_ptr)> failed{};
};

namespace detail {
template <class Handler>
constexpr bool is_coroutine_handler() {
    if constexpr (std::is_invocable_v<Handler&, async_conversation>)
        return std::is_same_v<std::invoke_result_t<Handler&, async_conversation>, task<>>;
    else
        return false;
}
}  // namespace detail

template <class Handler>
concept coroutine_handler = detail::is_coroutine_handler<Handler>();
template <class Handler>
concept function_handler = !coroutine_handler<Handler> && std::is_invocable_v<Handler&, conversation>;

class server {
public:
    // Add names, then start. May throw std::bad_alloc.
    explicit server(serve_options options) : options_{std::move(options)} {}
    // For one name: begins at once. code() says whether that went well.
    template <class Handler>
    server(std::string_view tp_name, Handler&& handler, serve_options options) : server{std::move(options)} {
        if (const result<> added = add(tp_name, std::forward<Handler>(handler)); added)
            (void)start();
        else
            failure_ = added.code();
    }
    // Stops, cancels what is open, and waits until handlers have returned. Not from inside a handler or callback.
    ~server() {
        stop();
        cancel();
        wait();
    }
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // Before start(). program_parameter_check: a bad name, or a function and no executor to call it on.
    template <class Handler>
    requires(coroutine_handler<std::decay_t<Handler>> ||
             function_handler<std::decay_t<Handler>>) result<> add(std::string_view tp_name, Handler&& handler) {
        using kind = std::decay_t<Handler>;
        if (function_handler<kind> && options_.where == nullptr) return return_code::program_parameter_check;
        if (tp_name.empty() || tp_name.size() > CM_TPN_SIZE) return return_code::program_parameter_check;
        entries_.push_back(std::make_unique<entry_of<kind>>(tp_name, std::forward<Handler>(handler)));
        return {};
    }
    // Serves the names and begins to accept. Does not wait. Once. product_specific_error: no memory for it.
    result<> start() {
        for (const auto& e : entries_)
            if (const result<> served = serve_tp_name(e->name); !served) {
                failure_ = served.code();
                return served;
            }
        for (unsigned i = 0; i < std::max(1U, options_.accepts); ++i) {
            {
                const std::lock_guard held{mutex_};
                ++acceptors_;
            }
            if (accept_loop(options_.memory, *this).begun) continue;
            {
                const std::lock_guard held{mutex_};
                failure_ = return_code::product_specific_error;
            }
            acceptor_ended();
            stop();
            break;
        }
        return code();
    }
    // Ok, or why the server does not serve (any more): of add(), start(), or of the accept that failed.
    [[nodiscard]] return_code code() const noexcept {
        const std::lock_guard held{mutex_};
        return failure_;
    }

    // No new conversations: the names are released, accepts that wait are ended; what is open goes on. Any thread, also
    // a handler. Does not wait.
    void stop() noexcept {
        place* waiting = nullptr;
        {
            const std::lock_guard held{mutex_};
            if (stopping_) return;
            stopping_ = true;
            waiting = std::exchange(first_waiting_, nullptr);
        }
        for (const auto& e : entries_) (void)release_tp_name(e->name);
        (void)stop_.request_stop();
        while (waiting != nullptr) {
            place* const next = waiting->next;
            waiting->work_.go_on();
            waiting = next;
        }
    }
    // Cancels the conversations that are open: their calls return deallocated_abend. Any thread.
    void cancel() noexcept {
        std::size_t left = 0;
        {
            const std::lock_guard held{mutex_};
            cancelled_ = stopping_;  // what has been accepted and not begun comes after the last look
            for (const open_conversation* o = first_open_; o != nullptr; o = o->next) ++left;
        }
        // In turn: who was seen goes behind those who were not, so that whoever begins or ends meanwhile disturbs
        // nothing, and no memory is needed.
        for (; left != 0; --left) {
            std::optional<conversation_handle> one;
            {
                const std::lock_guard held{mutex_};
                open_conversation* const o = first_open_;
                if (o == nullptr) return;
                o->unlink();
                o->link();
                one = o->of;
            }
            (void)one->cancel();
        }
    }
    // Stopped, and every handler has returned.
    [[nodiscard]] bool finished() const noexcept {
        const std::lock_guard held{mutex_};
        return acceptors_ == 0 && open_ == 0;
    }
    // Until that is so; the caller's thread drives where somebody must. Does not stop it.
    void wait() {
        while (!finished()) {
            if (options_.where != nullptr && options_.where->help()) continue;
            (void)clq_dispatch();  // where nobody else would
            std::unique_lock held{mutex_};
            ended_.wait_for(held, std::chrono::milliseconds{1}, [&] { return acceptors_ == 0 && open_ == 0; });
        }
    }
    // Conversations in the hands of handlers at present.
    [[nodiscard]] std::size_t open() const noexcept {
        const std::lock_guard held{mutex_};
        return open_;
    }

private:
    struct entry {
        bounded_text<CM_TPN_SIZE> name;
        const bool calls;  // a function
        entry(std::string_view n, bool is_function) noexcept : name{n}, calls{is_function} {}
        entry(const entry&) = delete;
        entry& operator=(const entry&) = delete;
        virtual ~entry() = default;
        virtual task<> begin(async_conversation) { return {}; }
        virtual void call(conversation) {}
    };
    template <class Handler>
    struct entry_of final : entry {
        Handler handler;
        template <class From>
        entry_of(std::string_view n, From&& from)
            : entry{n, function_handler<Handler>}, handler{std::forward<From>(from)} {}
        task<> begin(async_conversation c) override {
            if constexpr (coroutine_handler<Handler>)
                return handler(c);
            else
                return entry::begin(c);
        }
        void call(conversation c) override {
            if constexpr (coroutine_handler<Handler>)
                entry::call(c);
            else
                (void)handler(c);
        }
    };

    // The server's own coroutines run from their call on; their frame is gone when the server hears that they ended.
    // Without memory for a frame they do not begin.
    template <void (server::*ended)() noexcept>
    struct own {
        bool begun = true;

        struct promise_type {
            static void* operator new(std::size_t n, std::pmr::memory_resource* from, server&) noexcept {
                return detail::frame_memory::try_allocate(n, from);
            }
            static void* operator new(std::size_t n, std::pmr::memory_resource* from, server&, entry&,
                                      const async_conversation&) noexcept {
                return detail::frame_memory::try_allocate(n, from);
            }
            static void operator delete(void* frame, std::size_t n) noexcept {
                detail::frame_memory::release(frame, n);
            }

            server& of;
            template <class... Rest>
            explicit promise_type(std::pmr::memory_resource*, server& s, Rest&...) noexcept : of{s} {}
            struct last {
                [[nodiscard]] bool await_ready() const noexcept { return false; }
#if defined(__GNUC__)
                __attribute__((noinline))
#endif
                void
                await_suspend(std::coroutine_handle<promise_type> h) const noexcept {
                    server& s = h.promise().of;
                    h.destroy();
                    (s.*ended)();
                }
                void await_resume() const noexcept {}
            };
            [[nodiscard]] own get_return_object() const noexcept { return {}; }
            [[nodiscard]] static own get_return_object_on_allocation_failure() noexcept { return {false}; }
            [[nodiscard]] std::suspend_never initial_suspend() const noexcept { return {}; }
            [[nodiscard]] last final_suspend() const noexcept { return {}; }
            void return_void() const noexcept {}
            void unhandled_exception() const noexcept { std::terminate(); }
        };
    };

    // A place for a conversation, to be awaited: taken (true), or the server stops (false).
    struct place {
        server& of;
        bool after_one_ended;  // the library has no room for another conversation until one is over
        bool taken = false;
        place* next = nullptr;
        work work_{};

        [[nodiscard]] bool await_ready() const noexcept { return false; }
#if defined(__GNUC__)
        __attribute__((noinline))
#endif
        bool
        await_suspend(std::coroutine_handle<> h) noexcept {
            const std::lock_guard held{of.mutex_};
            if (of.stopping_ || (after_one_ended && of.open_ == 0)) return false;
            const unsigned max = of.options_.conversations_max;
            if (!after_one_ended && (max == 0 || of.places_ < max)) {
                ++of.places_;
                taken = true;
                return false;
            }
            work_.waiter = h;
            work_.where = of.options_.where;
            next = std::exchange(of.first_waiting_, this);
            return true;
        }
        [[nodiscard]] bool await_resume() const noexcept { return taken; }
    };
    void give_back() noexcept {
        place* next = nullptr;
        {
            const std::lock_guard held{mutex_};
            next = first_waiting_;
            if (next == nullptr) {
                --places_;
            } else {
                first_waiting_ = next->next;
                next->taken = true;
            }
        }
        if (next != nullptr) next->work_.go_on();
    }

    // In the frame of each handler: what cancel() finds.
    struct open_conversation {
        server& s;
        conversation_handle of;
        open_conversation* next = nullptr;
        open_conversation* previous = nullptr;
        bool late = false;  // everything has been cancelled, and nothing more will be
        open_conversation(server& in, const conversation_handle& c) noexcept : s{in}, of{c} {
            const std::lock_guard held{s.mutex_};
            link();
            late = s.cancelled_;
        }
        ~open_conversation() {
            const std::lock_guard held{s.mutex_};
            unlink();
        }
        void link() noexcept {
            previous = s.last_open_;
            next = nullptr;
            (previous == nullptr ? s.first_open_ : previous->next) = this;
            s.last_open_ = this;
        }
        void unlink() noexcept {
            (previous == nullptr ? s.first_open_ : previous->next) = next;
            (next == nullptr ? s.last_open_ : next->previous) = previous;
        }
        open_conversation(const open_conversation&) = delete;
        open_conversation& operator=(const open_conversation&) = delete;
    };

    void acceptor_ended() noexcept {
        const std::lock_guard held{mutex_};
        --acceptors_;
        ended_.notify_all();  // held: the one who waits may free all this as soon as it can
    }
    void conversation_ended() noexcept {
        give_back();
        const std::lock_guard held{mutex_};
        --open_;
        ended_.notify_all();
    }

    static own<&server::acceptor_ended> accept_loop(std::pmr::memory_resource*, server& s) {
        bool no_room = false;
        for (;;) {
            place here{s, no_room};
            if (!co_await here) break;
            no_room = false;
            result<async_conversation> c = async_conversation::incoming(s.options_.where);
            return_code code = c.code();
            if (c) code = (co_await c->accept(s.stop_.get_token())).code();
            if (code == return_code::ok) {
                s.begin(*c);
                continue;
            }
            if (c) (void)c->cancel();
            s.give_back();
            // The library's table of conversations is full: with one of ours less there is room again.
            no_room = code == return_code::product_specific_error;
            if (no_room) continue;
            const std::lock_guard held{s.mutex_};
            if (!s.stopping_) s.failure_ = code;
            break;
        }
    }
    void begin(async_conversation c) {
        const result<bounded_text<CM_TPN_SIZE>> name = c.tp_name();
        for (const auto& e : entries_)
            if (name && e->name == *name) {
                {
                    const std::lock_guard held{mutex_};
                    ++open_;
                }
                if (converse(options_.memory, *this, *e, c).begun) return;
#if COLLOQUY_EXCEPTIONS
                tell_failure(c, std::make_exception_ptr(std::bad_alloc{}));
#else
                (void)c.deallocate_abend();
#endif
                conversation_ended();
                return;
            }
        (void)c.deallocate_abend();
        give_back();
    }

    static own<&server::conversation_ended> converse(std::pmr::memory_resource*, server& s, entry& e,
                                                     async_conversation c) {
        const open_conversation registered{s, c};
        if (registered.late) (void)c.cancel();
        if (e.calls) co_await detail::schedule{s.options_.where};
#if COLLOQUY_EXCEPTIONS
        try {
#endif
            if (!e.calls) {
                task<> handler = s.begun_by(e, c);
                co_await std::move(handler);
            } else if (const result<conversation> blocking = c.blocking()) {
                e.call(*blocking);
            }
#if COLLOQUY_EXCEPTIONS
        } catch (...) {
            s.tell_failure(c, std::current_exception());
        }
#endif
        (void)c.deallocate_abend();  // 24 for one that has ended, as it should have
    }
    task<> begun_by(entry& e, async_conversation c) {
        const frames_from here{options_.memory};
        return e.begin(c);
    }
#if COLLOQUY_EXCEPTIONS
    // The partner hears of it first.
    void tell_failure(async_conversation c, const std::exception_ptr& thrown) noexcept {
        (void)c.deallocate_abend();
        if (!options_.failed) return;
        try {
            options_.failed(c, thrown);
        } catch (...) {
            // Of no use to anybody.
        }
    }
#endif

    serve_options options_;
    std::vector<std::unique_ptr<entry>> entries_{};
    std::stop_source stop_{};
    mutable std::mutex mutex_{};  // of all below
    std::condition_variable ended_{};
    return_code failure_ = return_code::ok;
    bool stopping_ = false;
    bool cancelled_ = false;
    unsigned acceptors_ = 0;
    std::size_t open_ = 0;
    unsigned places_ = 0;  // of conversations that are open and accepts that wait
    place* first_waiting_ = nullptr;
    open_conversation* first_open_ = nullptr;
    open_conversation* last_open_ = nullptr;
};

// A server of one TP name that has begun; see `server`.
template <class Handler>
[[nodiscard]] server serve(std::string_view tp_name, Handler&& handler, serve_options options = {}) {
    return server{tp_name, std::forward<Handler>(handler), std::move(options)};
}

}  // namespace colloquy
