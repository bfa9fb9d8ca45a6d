// scheduler: runs a few virtual threads in an order drawn from a seed, over a memory that may answer with stale values.
//
// Every operation of a model atomic (model_atom.hpp) is a scheduling point. The memory keeps the history of each
// location and for each thread a clock: which store of every location it has seen at least, and how much of every other
// thread's past happens-before its present. A store carries the clock of a releasing writer as its message; an
// acquiring reader joins it. A load may return any store that the reader's clock does not rule out; a read-modify-write
// reads the latest. That is the release/acquire and relaxed part of the C++ memory model, except that stores take
// effect in the order of execution.
//
// A run ends when all threads ended, or with a failure: a data race (model_data), a deadlock (every thread parked), too
// many steps (livelock), or what the test itself reports. The seed alone reproduces it.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "tests/schedule/fiber.hpp"

namespace colloquy::schedule {

// Thread 0 is the test itself, before and after the run.
inline constexpr unsigned threads_max = fibers_max + 1;
inline constexpr unsigned locations_max = 56;

class clock {
public:
    void join(const clock& other) noexcept {
        for (std::size_t i = 0; i < at_.size(); ++i) {
            at_[i] = std::max(at_[i], other.at_[i]);
        }
    }
    [[nodiscard]] std::uint16_t& thread(unsigned t) noexcept { return at_[t]; }
    [[nodiscard]] std::uint16_t& location(unsigned l) noexcept { return at_[threads_max + l]; }

private:
    std::array<std::uint16_t, threads_max + locations_max> at_{};
};

class scheduler {
public:
    // The scheduler that model atomics use; there is one at a time.
    [[nodiscard]] static scheduler* current() noexcept { return current_; }

    scheduler() { current_ = this; }
    ~scheduler() { current_ = nullptr; }
    scheduler(const scheduler&) = delete;
    scheduler& operator=(const scheduler&) = delete;

    // Forgets everything; what the test now constructs belongs to this seed.
    void reset(std::uint64_t seed) {
        random_ = seed * 0x9E3779B97F4A7C15u + 0x632BE59BD9B4E019u;
        ++run_id_;
        location_count_ = 0;
        steps_ = 0;
        self_ = 0;
        failure_.clear();
        threads_ = {};
        for (unsigned t = 0; t < threads_max; ++t) {
            threads_[t].seen.thread(t) = 1;
        }
        // From switching at every point to long runs of one thread: different mistakes need different rhythms.
        stay_of_16_ = std::array<unsigned, 4>{0, 8, 12, 15}[random(4)];
    }

    // Runs the bodies as threads 1..n to their end, or to the first failure.
    template <class... Bodies>
    void run(Bodies&&... bodies) {
        static_assert(sizeof...(Bodies) <= fibers_max);
        std::array<thunk, sizeof...(Bodies)> list{thunk_of(bodies)...};
        run_thunks(list.data(), static_cast<unsigned>(list.size()));
    }

    // The same body n times, told apart by its number 0..n-1.
    template <class Body>
    void run_each(unsigned n, Body&& body) {
        std::array<thunk, fibers_max> list{};
        for (unsigned i = 0; i < n; ++i) {
            list[i] = {[](void* b, unsigned which) { (*static_cast<std::remove_reference_t<Body>*>(b))(which); },
                       &body, i};
        }
        run_thunks(list.data(), n);
    }

    // A scheduling point: somebody else may run now. Does nothing outside a run.
    void point() {
        if (self_ == 0) {
            return;
        }
        if (!failure_.empty()) {
            fibers_.abandon(self_);
        }
        if (++steps_ > steps_max) {
            fail("livelock: too many steps");
            fibers_.abandon(self_);
        }
        if (random(16) >= stay_of_16_) {
            switch_to(pick());
        }
    }

    // A scheduling point of a thread that cannot go on before another did something.
    void yield() {
        if (self_ == 0) {
            return;
        }
        point();
        switch_to(pick());
    }

    // Parks the running thread on a key. False when it was let go by its deadline.
    [[nodiscard]] bool park(const void* key, bool has_deadline) {
        thread_state& me = threads_[self_];
        me.parked_on = key;
        me.has_deadline = has_deadline;
        me.timed_out = false;
        switch_to(pick());
        return !me.timed_out;
    }

    // Lets up to n threads parked on the key go on, whichever the seed says.
    void wake(const void* key, std::uint32_t n) {
        for (; n != 0; --n) {
            std::array<unsigned, threads_max> sleeping{};
            unsigned count = 0;
            for (unsigned t = 1; t <= thread_count_; ++t) {
                if (threads_[t].parked_on == key) {
                    sleeping[count++] = t;
                }
            }
            if (count == 0) {
                return;
            }
            threads_[sleeping[random(count)]].parked_on = nullptr;
        }
    }

    // The first failure counts; the run ends at the next scheduling point.
    void fail(const char* what) {
        if (failure_.empty()) {
            failure_ = what;
            failure_ += " (thread " + std::to_string(self_) + ", step " + std::to_string(steps_) + ")";
        }
    }
    void expect(bool condition, const char* what) {
        if (!condition) {
            fail(what);
        }
    }

    [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
    [[nodiscard]] bool running() const noexcept { return self_ != 0; }
    [[nodiscard]] unsigned self() const noexcept { return self_; }
    [[nodiscard]] std::uint64_t run_id() const noexcept { return run_id_; }
    [[nodiscard]] clock& seen() noexcept { return threads_[self_].seen; }

    [[nodiscard]] unsigned random(unsigned below) noexcept {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return static_cast<unsigned>(((random_ * 0x2545F4914F6CDD1Du >> 32) * below) >> 32);
    }

    // Memory. Values are bits; orders are told by two flags.

    [[nodiscard]] std::uint16_t new_location(std::uint64_t initial) {
        if (location_count_ == locations_max) {
            fail("the test uses more atomics than the model has locations");
            location_count_ = 0;
        }
        history& h = locations_[location_count_];
        h.clear();
        h.push_back({initial, clock{}});
        return static_cast<std::uint16_t>(location_count_++);
    }

    [[nodiscard]] std::uint64_t load(std::uint16_t location, bool acquire) {
        point();
        history& h = locations_[location];
        std::uint16_t& oldest = seen().location(location);
        const auto newest = static_cast<std::uint16_t>(h.size() - 1);
        std::uint16_t chosen = newest;
        if (oldest != newest && self_ != 0 && random(2) == 0) {
            chosen = static_cast<std::uint16_t>(oldest + random(newest - oldest + 1u));
        }
        oldest = chosen;
        if (acquire) {
            seen().join(h[chosen].message);
        }
        return h[chosen].value;
    }

    void store(std::uint16_t location, std::uint64_t value, bool release) {
        point();
        append(location, value, release, nullptr);
    }

    // `change` maps the present value to the one to be stored, or to nothing when a compare failed.
    template <class Change>
    std::uint64_t modify(std::uint16_t location, bool acquire, bool release, bool acquire_on_failure, Change&& change) {
        point();
        history& h = locations_[location];
        const std::uint64_t before = h.back().value;
        const clock message = h.back().message;
        seen().location(location) = static_cast<std::uint16_t>(h.size() - 1);
        std::uint64_t after = before;
        const bool stored = change(before, after);
        if (stored ? acquire : acquire_on_failure) {
            seen().join(message);
        }
        if (stored) {
            append(location, after, release, &message);
        }
        return before;
    }

    // What is in memory now, as a futex compares it.
    [[nodiscard]] std::uint64_t latest(std::uint16_t location) const { return locations_[location].back().value; }

private:
    struct thunk {
        void (*call)(void*, unsigned);
        void* body;
        unsigned number;
    };
    struct thread_state {
        clock seen;
        const void* parked_on{nullptr};
        bool has_deadline{false};
        bool timed_out{false};
        bool ended{false};
    };
    struct stored_value {
        std::uint64_t value;
        clock message;
    };
    using history = std::vector<stored_value>;

    static constexpr unsigned steps_max = 20'000;

    template <class Body>
    [[nodiscard]] static thunk thunk_of(Body& body) noexcept {
        return {[](void* b, unsigned) { (*static_cast<Body*>(b))(); }, &body, 0};
    }

    void run_thunks(thunk* list, unsigned n) {
        thunks_ = list;
        thread_count_ = n;
        const clock before = threads_[0].seen;
        ++threads_[0].seen.thread(0);
        for (unsigned t = 1; t <= n; ++t) {
            threads_[t].seen.join(before);
            threads_[t].ended = false;
        }
        fibers_.start(n, [](void* s, unsigned self) { static_cast<scheduler*>(s)->body(self); }, this);
        switch_to(pick());
        self_ = 0;
        fibers_.finish();
        for (unsigned t = 1; t <= n; ++t) {
            threads_[0].seen.join(threads_[t].seen);
        }
    }

    void body(unsigned self) {
        const thunk& mine = thunks_[self - 1];
        mine.call(mine.body, mine.number);
        threads_[self].ended = true;
        leave(pick());
    }

    // The last switch of an ended thread.
    void leave(unsigned next) {
        if (next == 0) {
            fibers_.abandon(self_);
        }
        switch_to(next);
    }

    // A thread that can run, or 0 when the run is over.
    [[nodiscard]] unsigned pick() {
        std::array<unsigned, threads_max> ready{};
        std::array<unsigned, threads_max> waiting{};
        unsigned ready_count = 0;
        unsigned waiting_count = 0;
        bool anybody = false;
        for (unsigned t = 1; t <= thread_count_; ++t) {
            const thread_state& s = threads_[t];
            if (s.ended) {
                continue;
            }
            anybody = true;
            if (s.parked_on == nullptr) {
                ready[ready_count++] = t;
            } else if (s.has_deadline) {
                waiting[waiting_count++] = t;
            }
        }
        // A deadline may pass at any time, mostly when nothing else happens.
        if (waiting_count != 0 && (ready_count == 0 || random(64) == 0)) {
            const unsigned t = waiting[random(waiting_count)];
            threads_[t].parked_on = nullptr;
            threads_[t].timed_out = true;
            return t;
        }
        if (ready_count != 0) {
            return ready[random(ready_count)];
        }
        if (anybody) {
            fail("deadlock: every thread is parked");
        }
        return 0;
    }

    void switch_to(unsigned next) {
        const unsigned from = self_;
        if (next == from) {
            return;
        }
        if (next == 0) {
            fibers_.abandon(from);
        }
        self_ = next;
        fibers_.switch_to(from, next);
    }

    void append(std::uint16_t location, std::uint64_t value, bool release, const clock* continued) {
        history& h = locations_[location];
        clock& mine = seen();
        mine.location(location) = static_cast<std::uint16_t>(h.size());
        h.push_back({value, continued != nullptr ? *continued : clock{}});
        if (release) {
            h.back().message.join(mine);
            ++mine.thread(self_);
        } else {
            // Even a relaxed store orders the location itself.
            h.back().message.location(location) = mine.location(location);
        }
    }

    inline static scheduler* current_{nullptr};

    fibers fibers_;
    std::array<thread_state, threads_max> threads_{};
    std::array<history, locations_max> locations_{};
    thunk* thunks_{nullptr};
    unsigned thread_count_{0};
    unsigned location_count_{0};
    unsigned self_{0};
    unsigned steps_{0};
    unsigned stay_of_16_{0};
    std::uint64_t random_{1};
    std::uint64_t run_id_{0};
    std::string failure_;
};

}  // namespace colloquy::schedule
