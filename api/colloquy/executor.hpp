// executor: where coroutines go on and functions are run.
//
// A completion arrives on whichever thread completed the call (docs/async.md). Without an executor a coroutine goes on
// there; with one it is passed on as a `work`, which stands in the coroutine's own frame: nothing is allocated.
// To bring an executor of the host, derive from `queued_executor`: wake() says that there is one work more, then
// somebody calls run_one() or run_all(); the destructor begins with settle(). Or wrap anything that has
// execute(function) in `host_executor`.
// An executor lives until nothing of it is waited for.
#pragma once

#include <coroutine>
#include <cstddef>
#include <mutex>
#include <thread>
#include <type_traits>
#include <utility>

#include "colloquy/atom.hpp"
#include "colloquy/colloquy.h"
#include "colloquy/result.hpp"

namespace colloquy {

class executor;

namespace detail {
// On the stack of one who gives up a call because it was asked to stop.
struct canceller {
    std::thread::id on = std::this_thread::get_id();
    bool gone = false;                 // the call's frame was destroyed by what this brought about
    CM_INT32 outcome = CLQ_CALL_TOLD;  // of clq_abandon_call
};
}  // namespace detail

// Something to be run once, in memory of whoever waits for it; also the node of a call that is incomplete. `id` comes
// first, so that the id_memory of a completion is the work itself.
//
// bits of `state`: issued      the call was made
//                  completed   its code is here; whoever adds this goes on with the coroutine, but for:
//                  issuing     who makes the call has not yet left it, and goes on with it instead
//                  stopping    somebody is giving it up on its behalf, and goes on with it afterwards
//                  abandoned   its frame is going away: nobody goes on with it
//                  queued      an executor has it
//                  released    nobody else will touch it any more; for one who abandons it
struct work {
    enum : std::uint32_t {
        issued = 1,
        completed = 2,
        stopping = 4,
        abandoned = 8,
        queued = 16,
        released = 32,
        issuing = 64,
    };

    unsigned char id[CM_CID_SIZE] = {};
    return_code code = return_code::ok;
    detail::atom state{};
    executor* where = nullptr;
    void (*run_it)(work&) noexcept = nullptr;  // null: the coroutine goes on
    std::coroutine_handle<> waiter{};
    detail::canceller* stopper = nullptr;
    work* next = nullptr;  // of the executor that has it
    work* previous = nullptr;

    // Afterwards the work may be gone.
    void run() noexcept {
        if (run_it != nullptr)
            run_it(*this);
        else
            waiter.resume();
    }
    // To where it belongs.
    inline void go_on() noexcept;

    void wait_until_released() noexcept {
        // acquire[cxx-released]: all that the other thread did with it happened before.
        while ((state.load_acquire() & released) == 0) std::this_thread::yield();
    }
};
static_assert(std::is_standard_layout_v<work>);

class executor {
public:
    executor() noexcept = default;
    executor(const executor&) = delete;
    executor& operator=(const executor&) = delete;

    // Runs w.run() once, at once or later. Any thread. An abandoned work is not run: it is released instead.
    virtual void post(work& w) noexcept = 0;
    // The work is abandoned: returns when it is certain that it will not be run.
    virtual void withdraw(work& w) noexcept = 0;
    // Where waiting for something needs this executor's own thread: does a part of its work, true. False: other
    // threads see to it.
    virtual bool help() noexcept { return false; }

protected:
    ~executor() = default;
};

inline void work::go_on() noexcept {
    if (where == nullptr)
        run();
    else
        where->post(*this);
}

// One that keeps works until somebody comes to run them, oldest first.
class queued_executor : public executor {
public:
    void post(work& w) noexcept override {
        {
            const std::lock_guard held{mutex_};
            if (!take_in(w)) return;
            posting_.fetch_add_relaxed(1);  // relaxed: under the mutex, which whoever runs the work locks, too
        }
        wake();
        posting_.fetch_sub_release(1);  // release[cxx-posting]: nothing is touched from here on
    }
    void withdraw(work& w) noexcept override {
        {
            const std::lock_guard held{mutex_};
            if ((w.state.load_relaxed() & work::queued) != 0) {  // relaxed: under the mutex
                take_out(w);
                return;
            }
        }
        w.wait_until_released();  // on its way here
    }

    // Runs the oldest. False: there is none. Works may run at once on several threads.
    bool run_one() noexcept {
        work* w = nullptr;
        {
            const std::lock_guard held{mutex_};
            w = first_;
            if (w == nullptr) return false;
            take_out(*w);
        }
        w->run();
        return true;
    }
    // Runs as many as there are now. How many.
    std::size_t run_all() noexcept {
        std::size_t n = 0;
        {
            const std::lock_guard held{mutex_};
            n = count_;
        }
        std::size_t run = 0;
        while (run < n && run_one()) ++run;
        return run;
    }

protected:
    ~queued_executor() = default;
    // There is one work more: run_one() is to be called once more. Any thread; no lock is held.
    virtual void wake() noexcept = 0;
    // For destructors, first of all: no thread is inside wake() any more, as one may be though its work has been run.
    void settle() noexcept {
        while (posting_.load_acquire() != 0) std::this_thread::yield();  // acquire[cxx-posting]
    }
    [[nodiscard]] bool empty() noexcept {
        const std::lock_guard held{mutex_};
        return first_ == nullptr;
    }

private:
    [[nodiscard]] bool take_in(work& w) noexcept {
        // Under the mutex, so that one who abandons it finds it here or knows that it never comes.
        // acq_rel[cxx-node]
        if ((w.state.fetch_or_acq_rel(work::queued) & work::abandoned) != 0) {
            (void)w.state.fetch_and_acq_rel(~std::uint32_t{work::queued});
            (void)w.state.fetch_or_acq_rel(work::released);  // release[cxx-released]: nothing touches it from here on
            return false;
        }
        w.next = nullptr;
        w.previous = last_;
        (last_ == nullptr ? first_ : last_->next) = &w;
        last_ = &w;
        ++count_;
        return true;
    }
    void take_out(work& w) noexcept {
        (w.previous == nullptr ? first_ : w.previous->next) = w.next;
        (w.next == nullptr ? last_ : w.next->previous) = w.previous;
        (void)w.state.fetch_and_acq_rel(~std::uint32_t{work::queued});  // acq_rel[cxx-node]
        --count_;
    }

    std::mutex mutex_;
    detail::atom posting_{};  // threads inside post() that have queued their work
    work* first_ = nullptr;
    work* last_ = nullptr;
    std::size_t count_ = 0;
};

// Something of the host that runs functions, on threads of its own or in turn.
template <class Host>
concept executes = requires(Host& host, void (*function)()) {
    host.execute(function);
};

// The host's own, by reference: each work is one call of execute() with a function of one pointer. It lives until
// every function it gave has run.
template <executes Host>
class host_executor final : public queued_executor {
public:
    explicit host_executor(Host& host) noexcept : host_{host} {}
    ~host_executor() { settle(); }

private:
    void wake() noexcept override {
        host_.execute([this] { (void)run_one(); });
    }
    Host& host_;
};

namespace detail {

// co_await schedule{where}: goes on there. At once where there is none.
class schedule {
public:
    explicit schedule(executor* where) noexcept { work_.where = where; }
    schedule(const schedule&) = delete;
    schedule& operator=(const schedule&) = delete;
    ~schedule() {
        // Destroyed while it waits.
        if (posted_ && !resumed_) {
            (void)work_.state.fetch_or_acq_rel(work::abandoned);  // acq_rel[cxx-node]
            work_.where->withdraw(work_);
        }
    }
    [[nodiscard]] bool await_ready() const noexcept { return work_.where == nullptr; }
#if defined(__GNUC__)
    __attribute__((noinline))
#endif
    void
    await_suspend(std::coroutine_handle<> h) noexcept {
        work_.waiter = h;
        posted_ = true;
        work_.where->post(work_);
    }
    void await_resume() noexcept { resumed_ = true; }

private:
    work work_;
    bool posted_ = false;
    bool resumed_ = false;
};

}  // namespace detail

}  // namespace colloquy
