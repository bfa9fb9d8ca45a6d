// Events: what signalling, resetting and waiting promise, that no handle a program can make up is taken for an event,
// and that neither a close nor a crowd of waiters loses or doubles a signal.
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <fstream>
#include <latch>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "api/colloquy/event.h"
#include "api/colloquy/windows_names.h"
#include "api/handle_table.hpp"
#include "api/system_objects.hpp"

namespace {

using namespace colloquy::api;

// An event that is closed at the end of the test.
class event_of_test {
public:
    explicit event_of_test(int manual_reset, int signalled = 0) : handle_{clq_event_create(manual_reset, signalled)} {
        REQUIRE(handle_ != nullptr);
    }
    ~event_of_test() { (void)clq_event_close(handle_); }
    event_of_test(const event_of_test&) = delete;
    event_of_test& operator=(const event_of_test&) = delete;
    operator void*() const { return handle_; }

private:
    void* handle_;
};

bool readable(int descriptor) {
    pollfd polled{descriptor, POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1 && (polled.revents & POLLIN) != 0;
}

std::uint64_t seed_of_run() {
    const char* const text = std::getenv("COLLOQUY_SEED");
    return text != nullptr ? std::strtoull(text, nullptr, 10) : 20'240'607;
}

// Returns once the thread sleeps in the kernel, so that a test can be sure of "while it waits".
void await_sleep(pid_t thread) {
    for (;;) {
        std::ifstream stat{"/proc/self/task/" + std::to_string(thread) + "/stat"};
        std::string text{std::istreambuf_iterator<char>{stat}, {}};
        const auto name_end = text.rfind(')');
        if (name_end != std::string::npos && text.size() > name_end + 2 && text[name_end + 2] == 'S') return;
        std::this_thread::yield();
    }
}

void* as_handle(std::uintptr_t value) { return reinterpret_cast<void*>(value); }

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("event: a manual-reset event stays signalled until it is reset") {
        const event_of_test e{1};
        CHECK(clq_event_wait(e, 0) == CLQ_WAIT_TIMEOUT);
        CHECK(clq_event_set(e) == 0);
        CHECK(clq_event_set(e) == 0);
        for (int i = 0; i < 3; ++i) CHECK(clq_event_wait(e, CLQ_WAIT_FOREVER) == 0);
        CHECK(clq_event_reset(e) == 0);
        CHECK(clq_event_wait(e, 0) == CLQ_WAIT_TIMEOUT);
        CHECK(clq_event_reset(e) == 0);
        CHECK(clq_event_set(e) == 0);
        CHECK(clq_event_wait(e, 0) == 0);
    }

    TEST_CASE("event: an auto-reset event releases one wait, however often it was signalled before") {
        const event_of_test e{0, 1};
        CHECK(clq_event_wait(e, CLQ_WAIT_FOREVER) == 0);
        CHECK(clq_event_wait(e, 0) == CLQ_WAIT_TIMEOUT);
        for (int i = 0; i < 5; ++i) CHECK(clq_event_set(e) == 0);
        CHECK(clq_event_wait(e, 10) == 0);
        CHECK(clq_event_wait(e, 1) == CLQ_WAIT_TIMEOUT);
        CHECK(clq_event_set(e) == 0);
        CHECK(clq_event_reset(e) == 0);
        CHECK(clq_event_wait(e, 0) == CLQ_WAIT_TIMEOUT);
    }

    TEST_CASE("event: the descriptor is readable while the event is signalled, in poll and in epoll") {
        for (const int manual : {0, 1}) {
            const event_of_test e{manual};
            const int descriptor = clq_event_descriptor(e);
            REQUIRE(descriptor >= 0);
            const int set = ::epoll_create1(EPOLL_CLOEXEC);
            REQUIRE(set >= 0);
            epoll_event wanted{};
            wanted.events = EPOLLIN;
            REQUIRE(::epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &wanted) == 0);
            epoll_event got{};
            CHECK_FALSE(readable(descriptor));
            CHECK(::epoll_wait(set, &got, 1, 0) == 0);
            CHECK(clq_event_set(e) == 0);
            CHECK(readable(descriptor));
            CHECK(::epoll_wait(set, &got, 1, 0) == 1);
            CHECK(clq_event_wait(e, 0) == 0);
            CHECK(readable(descriptor) == (manual == 1));
            CHECK(::epoll_wait(set, &got, 1, 0) == manual);
            CHECK(clq_event_reset(e) == 0);
            CHECK_FALSE(readable(descriptor));
            CHECK(::epoll_ctl(set, EPOLL_CTL_DEL, descriptor, nullptr) == 0);
            ::close(set);
        }
    }

    TEST_CASE("event: what is no handle is answered -1") {
        const event_of_test good{1, 1};
        void* const closed = clq_event_create(1, 1);
        REQUIRE(clq_event_close(closed) == 0);
        std::vector<void*> bad{nullptr, closed, as_handle(UINTPTR_MAX), as_handle(1), as_handle(4096)};
        int on_stack = 0;
        bad.push_back(&on_stack);
        const auto bits = reinterpret_cast<std::uintptr_t>(static_cast<void*>(good));
        for (unsigned bit = 0; bit < sizeof(void*) * 8; ++bit) {
            // The handle with one bit changed; the slot it then names may be in use by a fixture of another test only.
            void* const other = as_handle(bits ^ (std::uintptr_t{1} << bit));
            if (!event_valid(other)) bad.push_back(other);
        }
        CHECK(bad.size() >= sizeof(void*) * 8);
        for (void* handle : bad) {
            CAPTURE(handle);
            CHECK_FALSE(event_valid(handle));
            CHECK(clq_event_set(handle) == -1);
            CHECK(clq_event_reset(handle) == -1);
            CHECK(clq_event_descriptor(handle) == -1);
            CHECK(clq_event_wait(handle, CLQ_WAIT_FOREVER) == -1);
            CHECK(clq_event_close(handle) == -1);
            CHECK_FALSE(event_reference::of(handle));
            void* const both[] = {good, handle};
            CHECK(clq_event_wait_many(both, 2, 0, CLQ_WAIT_FOREVER) == -1);
            CHECK(clq_event_wait_many(both, 2, 1, CLQ_WAIT_FOREVER) == -1);
        }
        CHECK(clq_event_wait(good, 0) == 0);
    }

    TEST_CASE("event: random bits are never an event that was not created") {
        const std::uint64_t seed = seed_of_run();
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        const event_of_test good{1};
        const auto bits = reinterpret_cast<std::uintptr_t>(static_cast<void*>(good));
        for (int i = 0; i < 100'000; ++i) {
            std::uintptr_t value = static_cast<std::uintptr_t>(random());
            if (i % 2 == 0) value = bits ^ (value & random() & random());  // near a good one
            if (value == bits) continue;
            CHECK_MESSAGE(clq_event_wait(as_handle(value), 0) == -1, value);
        }
    }

    TEST_CASE("event: a slot that is used again has another handle, and the old one stays dead") {
        std::set<void*> seen;
        for (int i = 0; i < 1'000; ++i) {
            void* const handle = clq_event_create(i % 2, 1);
            REQUIRE(handle != nullptr);
            CHECK(seen.insert(handle).second);
            CHECK(clq_event_close(handle) == 0);
            CHECK(clq_event_close(handle) == -1);
        }
        const event_of_test newest{1};
        for (void* handle : seen) CHECK(clq_event_set(handle) == -1);
        CHECK(clq_event_wait(newest, 0) == CLQ_WAIT_TIMEOUT);
    }

    TEST_CASE("event: creation fails cleanly when there are no descriptors left") {
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        // Stopped logical units keep their descriptors for late callers, so that those in use are many by now.
        const int lowest_free = ::dup(0);
        REQUIRE(lowest_free >= 0);
        (void)::close(lowest_free);
        rlimit few = before;
        few.rlim_cur = static_cast<rlim_t>(lowest_free) + 40;
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
        std::vector<void*> made;
        for (void* e = clq_event_create(0, 0); e != nullptr && made.size() < 100; e = clq_event_create(0, 0))
            made.push_back(e);
        CHECK(made.size() < 64);
        CHECK(made.size() > 8);
        REQUIRE_FALSE(made.empty());
        CHECK(clq_event_close(made.back()) == 0);
        made.back() = clq_event_create(0, 1);
        CHECK(clq_event_wait(made.back(), 0) == 0);
        for (void* e : made) CHECK(clq_event_close(e) == 0);
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    }

    TEST_CASE("event: waiting for one of many answers the lowest that is signalled and takes only that") {
        const event_of_test a{0};
        const event_of_test b{0};
        const event_of_test c{1};
        void* const all[] = {a, b, c};
        CHECK(clq_event_wait_many(all, 3, 0, 0) == CLQ_WAIT_TIMEOUT);
        CHECK(clq_event_set(b) == 0);
        CHECK(clq_event_set(c) == 0);
        CHECK(clq_event_wait_many(all, 3, 0, CLQ_WAIT_FOREVER) == 1);
        CHECK(clq_event_wait_many(all, 3, 0, CLQ_WAIT_FOREVER) == 2);
        CHECK(clq_event_wait_many(all, 3, 0, CLQ_WAIT_FOREVER) == 2);
        CHECK(clq_event_set(a) == 0);
        CHECK(clq_event_wait_many(all, 3, 0, CLQ_WAIT_FOREVER) == 0);
        void* const twice[] = {c, c};
        CHECK(clq_event_wait_many(twice, 2, 0, 0) == 0);
    }

    TEST_CASE("event: waiting for all takes nothing until all are signalled") {
        const event_of_test a{0};
        const event_of_test b{0};
        const event_of_test c{1};
        void* const all[] = {a, b, c};
        CHECK(clq_event_set(a) == 0);
        CHECK(clq_event_set(c) == 0);
        CHECK(clq_event_wait_many(all, 3, 1, 5) == CLQ_WAIT_TIMEOUT);
        CHECK(clq_event_wait(a, 0) == 0);
        CHECK(clq_event_set(a) == 0);
        CHECK(clq_event_set(b) == 0);
        CHECK(clq_event_wait_many(all, 3, 1, CLQ_WAIT_FOREVER) == 0);
        CHECK(clq_event_wait(a, 0) == CLQ_WAIT_TIMEOUT);
        CHECK(clq_event_wait(b, 0) == CLQ_WAIT_TIMEOUT);
        CHECK(clq_event_wait(c, 0) == 0);
        void* const twice[] = {c, a, c};
        CHECK(clq_event_wait_many(twice, 3, 1, 0) == -1);
    }

    TEST_CASE("event: a wait for many takes 1 to 64 handles") {
        const event_of_test idle{1};
        const event_of_test last{0, 1};
        std::vector<void*> handles(CLQ_WAIT_MAX, idle);
        handles.back() = last;
        CHECK(clq_event_wait_many(handles.data(), CLQ_WAIT_MAX, 0, CLQ_WAIT_FOREVER) == CLQ_WAIT_MAX - 1);
        handles.push_back(last);
        CHECK(clq_event_wait_many(handles.data(), CLQ_WAIT_MAX + 1, 0, 0) == -1);
        CHECK(clq_event_wait_many(handles.data(), 0, 0, 0) == -1);
        CHECK(clq_event_wait_many(nullptr, 1, 0, 0) == -1);
    }

    TEST_CASE("event: a waiter sees what was written before the signal") {
        const event_of_test go{0};
        const event_of_test back{1};
        long written = 0;
        std::thread other{[&] {
            for (long i = 1; i <= 2'000; ++i) {
                CHECK(clq_event_wait(go, CLQ_WAIT_FOREVER) == 0);
                CHECK(written == 2 * i - 1);
                ++written;
                CHECK(clq_event_reset(go) == 0);
                CHECK(clq_event_set(back) == 0);
            }
        }};
        for (long i = 1; i <= 2'000; ++i) {
            ++written;
            CHECK(clq_event_set(go) == 0);
            CHECK(clq_event_wait(back, CLQ_WAIT_FOREVER) == 0);
            CHECK(clq_event_reset(back) == 0);
            CHECK(written == 2 * i);
        }
        other.join();
    }

    TEST_CASE("event: of several waiters exactly one gets each signal of an auto-reset event") {
        constexpr int waiters = 6;
        constexpr int signals = 5'000;
        const event_of_test work{0};
        const event_of_test taken{0};
        const event_of_test end{1};
        std::atomic<int> total{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < waiters; ++i) {
            threads.emplace_back([&] {
                void* const either[] = {work, end};
                while (clq_event_wait_many(either, 2, 0, CLQ_WAIT_FOREVER) == 0) {
                    total.fetch_add(1);
                    CHECK(clq_event_set(taken) == 0);
                }
            });
        }
        for (int i = 0; i < signals; ++i) {
            CHECK(clq_event_set(work) == 0);
            CHECK(clq_event_wait(taken, CLQ_WAIT_FOREVER) == 0);
            CHECK(total.load() == i + 1);
        }
        CHECK(clq_event_set(end) == 0);
        for (std::thread& t : threads) t.join();
        CHECK(total.load() == signals);
        CHECK(clq_event_wait(work, 0) == CLQ_WAIT_TIMEOUT);
    }

    TEST_CASE("event: a manual-reset event releases every waiter") {
        const event_of_test e{1};
        std::vector<std::thread> threads;
        std::atomic<int> released{0};
        for (int i = 0; i < 8; ++i) {
            threads.emplace_back([&] { released.fetch_add(clq_event_wait(e, CLQ_WAIT_FOREVER) == 0 ? 1 : 100); });
        }
        CHECK(clq_event_set(e) == 0);
        for (std::thread& t : threads) t.join();
        CHECK(released.load() == 8);
    }

    // Philosophers: each wants its two forks at once. A wait that took one and kept it while waiting for the other
    // would hang; one that gave a fork to two of them would break the count of the fork.
    TEST_CASE("event: waits for all with events in common neither hang nor share a signal") {
        constexpr std::size_t seats = 5;
        constexpr int meals = 400;
        std::array<void*, seats> forks{};
        std::array<std::atomic<int>, seats> held{};
        for (void*& f : forks) f = clq_event_create(0, 1);
        std::atomic<int> eaten{0};
        std::vector<std::thread> threads;
        for (std::size_t seat = 0; seat < seats; ++seat) {
            threads.emplace_back([&, seat] {
                const std::size_t left = seat;
                const std::size_t right = (seat + 1) % seats;
                void* const both[] = {forks[left], forks[right]};
                for (int i = 0; i < meals; ++i) {
                    CHECK(clq_event_wait_many(both, 2, 1, CLQ_WAIT_FOREVER) == 0);
                    CHECK(held[left].fetch_add(1) == 0);
                    CHECK(held[right].fetch_add(1) == 0);
                    eaten.fetch_add(1);
                    held[left].fetch_sub(1);
                    held[right].fetch_sub(1);
                    CHECK(clq_event_set(both[0]) == 0);
                    CHECK(clq_event_set(both[1]) == 0);
                }
            });
        }
        for (std::thread& t : threads) t.join();
        CHECK(eaten.load() == static_cast<int>(seats) * meals);
        for (void* f : forks) {
            CHECK(clq_event_wait(f, 0) == 0);
            CHECK(clq_event_close(f) == 0);
        }
    }

    TEST_CASE("event: closing an event answers -1 to everybody who waits for it") {
        for (const int manual : {0, 1}) {
            for (const int all : {0, 1}) {
                CAPTURE(manual);
                CAPTURE(all);
                void* const closing = clq_event_create(manual, 0);
                const event_of_test other{1};
                constexpr std::size_t waiters = 5;
                std::array<std::atomic<pid_t>, waiters> ids{};
                std::atomic<int> failed{0};
                std::vector<std::thread> threads;
                for (std::size_t i = 0; i < waiters; ++i) {
                    threads.emplace_back([&, i] {
                        ids[i].store(::gettid());
                        void* const both[] = {other, closing};
                        failed.fetch_add(clq_event_wait_many(both, 2, all, CLQ_WAIT_FOREVER) == -1 ? 1 : 100);
                    });
                }
                for (auto& id : ids) {
                    while (id.load() == 0) std::this_thread::yield();
                    await_sleep(id.load());
                }
                CHECK(clq_event_close(closing) == 0);
                for (std::thread& t : threads) t.join();
                CHECK(failed.load() == static_cast<int>(waiters));
                CHECK(clq_event_set(closing) == -1);
            }
        }
    }

    TEST_CASE("event: one of several closers wins, and waits and sets beside it end") {
        for (int round = 0; round < 300; ++round) {
            void* const e = clq_event_create(round % 2, 0);
            std::latch start{6};
            std::atomic<int> closed{0};
            std::vector<std::thread> threads;
            for (int i = 0; i < 2; ++i) {
                threads.emplace_back([&] {
                    start.arrive_and_wait();
                    if (clq_event_close(e) == 0) closed.fetch_add(1);
                });
                threads.emplace_back([&] {
                    start.arrive_and_wait();
                    while (clq_event_wait(e, CLQ_WAIT_FOREVER) == 0) {
                    }
                });
                threads.emplace_back([&] {
                    start.arrive_and_wait();
                    while (clq_event_set(e) == 0) std::this_thread::yield();
                });
            }
            for (std::thread& t : threads) t.join();
            CHECK(closed.load() == 1);
        }
    }

    TEST_CASE("event: threads that create and close beside each other never touch another's event") {
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([] {
                void* previous = nullptr;
                for (int n = 0; n < 3'000; ++n) {
                    void* const e = clq_event_create(n % 2, 0);
                    CHECK(e != nullptr);
                    CHECK(clq_event_set(previous) == -1);
                    CHECK(clq_event_wait(e, 0) == CLQ_WAIT_TIMEOUT);
                    CHECK(clq_event_set(e) == 0);
                    CHECK(clq_event_wait(e, 0) == 0);
                    CHECK(clq_event_close(e) == 0);
                    previous = e;
                }
            });
        }
        for (std::thread& t : threads) t.join();
    }

    TEST_CASE("event_reference: signals the event it was made of, and nobody once that is closed") {
        void* const e = clq_event_create(0, 0);
        event_reference kept = event_reference::of(e);
        REQUIRE(kept);
        const event_reference second = kept.duplicate();
        REQUIRE(second);
        kept.signal();
        CHECK(clq_event_wait(e, 0) == 0);
        second.signal();
        CHECK(clq_event_wait(e, 0) == 0);
        CHECK(clq_event_close(e) == 0);
        // The references keep the slot and its descriptor, so these are other events.
        std::vector<void*> strangers;
        for (int i = 0; i < 32; ++i) strangers.push_back(clq_event_create(1, 0));
        kept.signal();
        second.signal();
        for (void* s : strangers) {
            CHECK(clq_event_wait(s, 0) == CLQ_WAIT_TIMEOUT);
            CHECK(clq_event_close(s) == 0);
        }
        event_reference moved = std::move(kept);
        CHECK(moved);
        moved = event_reference{};
        CHECK_FALSE(event_reference::of(e));
        const event_reference none;
        CHECK_FALSE(none);
        CHECK_FALSE(none.duplicate());
        none.signal();
    }

    TEST_CASE("event_reference: signals and a close beside each other end well") {
        for (int round = 0; round < 500; ++round) {
            void* const e = clq_event_create(0, 0);
            std::latch start{3};
            std::vector<std::thread> threads;
            for (int i = 0; i < 2; ++i) {
                threads.emplace_back([&start, mine = event_reference::of(e)] {
                    start.arrive_and_wait();
                    for (int n = 0; n < 20; ++n) mine.signal();
                });
            }
            start.arrive_and_wait();
            CHECK(clq_event_close(e) == 0);
            for (std::thread& t : threads) t.join();
        }
    }

    TEST_CASE("windows_names: events by the names of Windows") {
        HANDLE events[2] = {CreateEvent(nullptr, TRUE, FALSE, nullptr), CreateEvent(nullptr, FALSE, TRUE, nullptr)};
        REQUIRE(events[0] != nullptr);
        CHECK(CreateEvent(nullptr, FALSE, FALSE, "Global\\named") == nullptr);
        CHECK(WaitForSingleObject(events[0], 0) == WAIT_TIMEOUT);
        CHECK(WaitForSingleObject(INVALID_HANDLE_VALUE, 0) == WAIT_FAILED);
        CHECK(WaitForMultipleObjects(2, events, FALSE, INFINITE) == WAIT_OBJECT_0 + 1);
        CHECK(SetEvent(events[0]) == TRUE);
        CHECK(WaitForMultipleObjects(2, events, TRUE, 0) == WAIT_TIMEOUT);
        CHECK(ResetEvent(events[0]) == TRUE);
        CHECK(WaitForMultipleObjects(2, events, FALSE, 0) == WAIT_TIMEOUT);
        CHECK(CloseHandle(events[0]) == TRUE);
        CHECK(CloseHandle(events[0]) == FALSE);
        CHECK(CloseHandle(events[1]) == TRUE);
    }
}

namespace {

struct counted {
    int* disposed;
    void dispose() noexcept { ++*disposed; }
};

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("handle_table: full, disposed of once, and only after the last reference") {
        handle_table<counted, handle_kind::event, 3> table;
        int disposed = 0;
        const auto fill = [&](counted& c) {
            c.disposed = &disposed;
            return true;
        };
        void* const a = table.create(fill);
        void* const b = table.create(fill);
        void* const c = table.create(fill);
        REQUIRE(c != nullptr);
        CHECK(table.create(fill) == nullptr);
        CHECK(table.approx_in_use() == 3);
        {
            auto held = table.acquire(a);
            REQUIRE(held);
            auto shared = held.share();
            CHECK_FALSE(held.closed());
            (void)table.close(a);
            CHECK(held.closed());
            CHECK_FALSE(table.valid(a));
            CHECK_FALSE(table.acquire(a));
            CHECK_FALSE(table.close(a));
            held.reset();
            CHECK(disposed == 0);
            CHECK(table.create(fill) == nullptr);
            auto* const bare = shared.detach();
            CHECK_FALSE(shared);
            CHECK(disposed == 0);
            (void)table.adopt(bare);
            CHECK(disposed == 1);
        }
        CHECK(table.create([](counted&) { return false; }) == nullptr);
        void* const d = table.create(fill);
        REQUIRE(d != nullptr);
        CHECK(d != a);
        (void)table.close(b);
        (void)table.close(c);
        (void)table.close(d);
        CHECK(disposed == 4);
        CHECK(table.approx_in_use() == 0);
    }

    TEST_CASE("handle_table: handles of one kind are none of another") {
        handle_table<counted, handle_kind::event, 3> events;
        handle_table<counted, handle_kind::window, 3> windows;
        int disposed = 0;
        void* const e = events.create([&](counted& c) {
            c.disposed = &disposed;
            return true;
        });
        CHECK(events.valid(e));
        CHECK_FALSE(windows.valid(e));
        (void)events.close(e);
        CHECK(disposed == 1);
    }
}
