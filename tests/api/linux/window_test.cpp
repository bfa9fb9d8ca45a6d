// Windows and message queues: what posting, getting and dispatching promise, that no handle a program can make up is
// taken for a window, and that queues which fill, end or are filtered lose and double nothing.
#include <poll.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <latch>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "api/colloquy/window.h"
#include "api/colloquy/windows_names.h"
#include "api/system_objects.hpp"

namespace {

using namespace colloquy::api;

// What a procedure was called with. The object is kept with the window.
struct call_record {
    void* hwnd;
    unsigned message;
    clq_wparam wparam;
    clq_lparam lparam;
};
struct log {
    std::vector<call_record> calls;
    std::thread::id thread = std::this_thread::get_id();
};

clq_lresult note(void* hwnd, unsigned message, clq_wparam wparam, clq_lparam lparam) {
    if (message == CLQ_MESSAGE_CREATE) {
        const auto* const creation = reinterpret_cast<const clq_window_creation*>(lparam);
        if (creation->lpCreateParams == nullptr) return 0;
    }
    auto* const l = static_cast<log*>(clq_window_user(hwnd));
    CHECK(l->thread == std::this_thread::get_id());
    l->calls.push_back({hwnd, message, wparam, lparam});
    return message >= CLQ_MESSAGE_USER ? static_cast<clq_lresult>(message)
                                       : clq_window_default(hwnd, message, wparam, lparam);
}

clq_lresult refuse(void*, unsigned message, clq_wparam, clq_lparam) { return message == CLQ_MESSAGE_CREATE ? -1 : 0; }

// Destroys its window in the middle of being destroyed, and posts to it.
clq_lresult stubborn(void* hwnd, unsigned message, clq_wparam, clq_lparam) {
    if (message == CLQ_MESSAGE_DESTROY) {
        CHECK(clq_window_destroy(hwnd) == -1);
        CHECK(clq_window_is(hwnd) == 1);
        CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER, 0, 0) == 0);
    }
    return 0;
}

bool readable(int descriptor) {
    pollfd polled{descriptor, POLLIN, 0};
    return ::poll(&polled, 1, 0) == 1;
}

// Each test has a thread of its own, so that it starts without a queue; what fails inside is still reported.
template <class Body>
void on_new_thread(Body body) {
    std::thread{body}.join();
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("window: messages come in order, to the procedure of their window, on its thread") {
        on_new_thread([] {
            log first;
            log second;
            void* const a = clq_window_create(note, &first);
            void* const b = clq_window_create(note, &second);
            REQUIRE(a != nullptr);
            REQUIRE(b != nullptr);
            CHECK(first.calls.size() == 1);
            CHECK(first.calls[0].message == CLQ_MESSAGE_CREATE);
            std::thread{[&] {
                for (unsigned i = 0; i < 10; ++i) {
                    CHECK(clq_window_post(i % 2 == 0 ? a : b, CLQ_MESSAGE_USER + i, i, -static_cast<clq_lparam>(i)) ==
                          0);
                }
            }}.join();
            for (unsigned i = 0; i < 10; ++i) {
                clq_message m{};
                REQUIRE(clq_message_get(&m) == 1);
                CHECK(m.hwnd == (i % 2 == 0 ? a : b));
                CHECK(m.wParam == i);
                CHECK(m.lParam == -static_cast<clq_lparam>(i));
                CHECK(clq_message_dispatch(&m) == CLQ_MESSAGE_USER + i);
            }
            clq_message none{};
            CHECK(clq_message_peek(&none, 1) == 0);
            REQUIRE(first.calls.size() == 6);
            REQUIRE(second.calls.size() == 6);
            CHECK(first.calls[5].message == CLQ_MESSAGE_USER + 8);
            CHECK(second.calls[1].lparam == -1);
            CHECK(clq_window_set_user(a, nullptr) == &first);
            CHECK(clq_window_user(a) == nullptr);
            CHECK(clq_window_set_user(a, &first) == nullptr);
            CHECK(clq_window_destroy(a) == 0);
            CHECK(first.calls.back().message == CLQ_MESSAGE_DESTROY);
            CHECK(clq_window_user(a) == nullptr);
            CHECK(clq_window_post(b, CLQ_MESSAGE_CLOSE, 0, 0) == 0);
            clq_message m{};
            REQUIRE(clq_message_get(&m) == 1);
            (void)clq_message_dispatch(&m);
            CHECK(clq_window_is(b) == 0);
            CHECK(second.calls.back().message == CLQ_MESSAGE_DESTROY);
        });
    }

    TEST_CASE("window: creation can be refused by the procedure") {
        on_new_thread([] {
            CHECK(clq_window_create(refuse, nullptr) == nullptr);
            CHECK(clq_window_create(nullptr, nullptr) == nullptr);
        });
    }

    TEST_CASE("window: what is no handle is refused") {
        on_new_thread([] {
            log l;
            void* const good = clq_window_create(note, &l);
            void* const gone = clq_window_create(note, &l);
            REQUIRE(clq_window_destroy(gone) == 0);
            void* const event = clq_event_create(1, 0);
            int on_stack = 0;
            std::vector<void*> bad{gone, event, &on_stack, reinterpret_cast<void*>(UINTPTR_MAX),
                                   reinterpret_cast<void*>(8)};
            const auto bits = reinterpret_cast<std::uintptr_t>(good);
            for (unsigned bit = 0; bit < sizeof(void*) * 8; ++bit) {
                bad.push_back(reinterpret_cast<void*>(bits ^ (std::uintptr_t{1} << bit)));
            }
            for (void* hwnd : bad) {
                CAPTURE(hwnd);
                CHECK_FALSE(window_valid(hwnd));
                CHECK(clq_window_is(hwnd) == 0);
                CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER, 0, 0) == -1);
                CHECK(post_message(hwnd, CLQ_MESSAGE_USER, 0, 0) == post_result::gone);
                CHECK(clq_window_destroy(hwnd) == -1);
                CHECK(clq_window_user(hwnd) == nullptr);
                CHECK(clq_window_set_user(hwnd, &l) == nullptr);
                clq_message m{hwnd, CLQ_MESSAGE_USER, 0, 0, 0};
                CHECK(clq_message_dispatch(&m) == 0);
                CHECK(clq_message_get_matching(&m, hwnd, 0, 0) == -1);
                CHECK_FALSE(event_valid(good));
            }
            CHECK(post_message(nullptr, CLQ_MESSAGE_USER, 0, 0) == post_result::gone);
            CHECK(l.calls.size() == 3);
            CHECK(clq_message_dispatch(nullptr) == 0);
            CHECK(clq_message_get(nullptr) == -1);
            CHECK(clq_event_close(event) == 0);
            CHECK(clq_event_close(good) == -1);
            CHECK(clq_window_destroy(good) == 0);
        });
    }

    TEST_CASE("window: a handle is not used again") {
        on_new_thread([] {
            std::set<void*> seen;
            log l;
            for (int i = 0; i < 500; ++i) {
                void* const hwnd = clq_window_create(note, &l);
                REQUIRE(hwnd != nullptr);
                CHECK(seen.insert(hwnd).second);
                CHECK(clq_window_destroy(hwnd) == 0);
                CHECK(clq_window_destroy(hwnd) == -1);
            }
            CHECK(clq_window_post(*seen.begin(), CLQ_MESSAGE_USER, 0, 0) == -1);
        });
    }

    TEST_CASE("window: only its own thread may destroy it or be called for it") {
        on_new_thread([] {
            log l;
            void* const hwnd = clq_window_create(note, &l);
            on_new_thread([&] {
                CHECK(clq_window_destroy(hwnd) == -1);
                const clq_message m{hwnd, CLQ_MESSAGE_USER, 0, 0, 0};
                CHECK(clq_message_dispatch(&m) == 0);
                CHECK(clq_window_is(hwnd) == 1);
            });
            CHECK(l.calls.size() == 1);
            CHECK(clq_window_destroy(hwnd) == 0);
        });
    }

    TEST_CASE("window: destroying drops its messages and keeps those of others") {
        on_new_thread([] {
            log l;
            void* const a = clq_window_create(stubborn, nullptr);
            void* const b = clq_window_create(note, &l);
            for (unsigned i = 0; i < 6; ++i)
                CHECK(clq_window_post(i % 2 == 0 ? a : b, CLQ_MESSAGE_USER + i, 0, 0) == 0);
            clq_message m{};
            CHECK(clq_message_peek(&m, 0) == 1);  // some are in the thread's own list, the rest arrives later
            CHECK(clq_window_post(a, CLQ_MESSAGE_USER + 6, 0, 0) == 0);
            CHECK(clq_window_destroy(a) == 0);
            for (const unsigned left : {1u, 3u, 5u}) {
                REQUIRE(clq_message_peek(&m, 1) == 1);
                CHECK(m.message == CLQ_MESSAGE_USER + left);
            }
            CHECK(clq_message_peek(&m, 1) == 0);
            CHECK_FALSE(readable(clq_message_descriptor()));
            CHECK(clq_window_destroy(b) == 0);
        });
    }

    TEST_CASE("window: a full queue refuses and takes again when there is room") {
        on_new_thread([] {
            CHECK(clq_message_queue_size(0) == -1);
            CHECK(clq_message_queue_size(CLQ_MESSAGE_QUEUE_MAX + 1) == -1);
            CHECK(clq_message_queue_size(3) == 0);
            log l;
            void* const hwnd = clq_window_create(note, &l);
            CHECK(clq_message_queue_size(4) == -1);
            for (unsigned i = 0; i < 3; ++i) CHECK(post_message(hwnd, CLQ_MESSAGE_USER, 0, 0) == post_result::posted);
            CHECK(post_message(hwnd, CLQ_MESSAGE_USER, 0, 0) == post_result::full);
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER, 0, 0) == 1);
            CHECK(clq_window_post(nullptr, CLQ_MESSAGE_USER, 0, 0) == 1);
            clq_message m{};
            CHECK(clq_message_peek(&m, 0) == 1);
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER, 0, 0) == 1);
            CHECK(clq_message_get(&m) == 1);
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER + 9, 0, 0) == 0);
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER, 0, 0) == 1);
            for (int i = 0; i < 3; ++i) CHECK(clq_message_get(&m) == 1);
            CHECK(m.message == CLQ_MESSAGE_USER + 9);
            CHECK(clq_message_peek(&m, 1) == 0);
            CHECK(clq_window_destroy(hwnd) == 0);
        });
        on_new_thread([] {
            log l;
            void* const hwnd = clq_window_create(note, &l);
            unsigned posted = 0;
            while (posted <= CLQ_MESSAGE_QUEUE_DEFAULT && clq_window_post(hwnd, CLQ_MESSAGE_USER, posted, 0) == 0)
                ++posted;
            CHECK(posted == CLQ_MESSAGE_QUEUE_DEFAULT);
            for (unsigned i = 0; i < posted; ++i) {
                clq_message m{};
                REQUIRE(clq_message_peek(&m, 1) == 1);
                CHECK(m.wParam == i);
            }
            CHECK(clq_window_destroy(hwnd) == 0);
        });
    }

    TEST_CASE("window: the descriptor is readable while there are messages, in poll and in epoll") {
        on_new_thread([] {
            const int descriptor = clq_message_descriptor();
            REQUIRE(descriptor >= 0);
            const int set = ::epoll_create1(EPOLL_CLOEXEC);
            epoll_event wanted{};
            wanted.events = EPOLLIN;
            REQUIRE(::epoll_ctl(set, EPOLL_CTL_ADD, descriptor, &wanted) == 0);
            epoll_event got{};
            CHECK(::epoll_wait(set, &got, 1, 0) == 0);
            log l;
            void* const hwnd = clq_window_create(note, &l);
            clq_message m{};
            for (unsigned i = 0; i < 3; ++i) CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER + i, 0, 0) == 0);
            CHECK(readable(descriptor));
            CHECK(clq_message_peek(&m, 0) == 1);
            CHECK(::epoll_wait(set, &got, 1, 0) == 1);
            // One out of the middle; what is left keeps it readable.
            CHECK(clq_message_get_matching(&m, hwnd, CLQ_MESSAGE_USER + 1, CLQ_MESSAGE_USER + 1) == 1);
            CHECK(m.message == CLQ_MESSAGE_USER + 1);
            CHECK(readable(descriptor));
            CHECK(clq_message_peek_matching(&m, hwnd, CLQ_MESSAGE_USER + 1, CLQ_MESSAGE_USER + 1, 1) == 0);
            CHECK(readable(descriptor));
            CHECK(clq_message_get(&m) == 1);
            CHECK(readable(descriptor));
            CHECK(clq_message_get(&m) == 1);
            CHECK_FALSE(readable(descriptor));
            CHECK(::epoll_wait(set, &got, 1, 0) == 0);
            CHECK(clq_message_post_quit(3) == 0);
            CHECK(readable(descriptor));
            CHECK(clq_message_get(&m) == 0);
            CHECK_FALSE(readable(descriptor));
            ::close(set);
            CHECK(clq_window_destroy(hwnd) == 0);
        });
    }

    TEST_CASE("window: quitting waits for what is queued and comes through every filter") {
        on_new_thread([] {
            log l;
            void* const hwnd = clq_window_create(note, &l);
            CHECK(clq_message_post_quit(-5) == 0);
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER, 0, 0) == 0);
            clq_message m{};
            CHECK(clq_message_get(&m) == 1);
            CHECK(m.message == CLQ_MESSAGE_USER);
            CHECK(clq_message_peek(&m, 0) == 1);
            CHECK(m.message == CLQ_MESSAGE_QUIT);
            CHECK(clq_message_get_matching(&m, hwnd, CLQ_MESSAGE_USER, CLQ_MESSAGE_USER) == 0);
            CHECK(static_cast<int>(m.wParam) == -5);
            CHECK(clq_message_peek(&m, 1) == 0);
            // A quit message can be posted like any other, also by another thread.
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_QUIT, 9, 0) == 0);
            CHECK(clq_message_get(&m) == 0);
            CHECK(m.wParam == 9);
            CHECK(clq_window_destroy(hwnd) == 0);
        });
    }

    TEST_CASE("window: messages for the thread have no window") {
        on_new_thread([] {
            log l;
            void* const hwnd = clq_window_create(note, &l);
            CHECK(clq_window_post(nullptr, CLQ_MESSAGE_USER + 1, 4, 5) == 0);
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER + 2, 0, 0) == 0);
            clq_message m{};
            CHECK(clq_message_peek_matching(&m, hwnd, 0, 0, 0) == 1);
            CHECK(m.message == CLQ_MESSAGE_USER + 2);
            CHECK(clq_message_get(&m) == 1);
            CHECK(m.hwnd == nullptr);
            CHECK(m.lParam == 5);
            CHECK(clq_message_dispatch(&m) == 0);
            CHECK(clq_window_destroy(hwnd) == 0);
            CHECK(clq_message_peek(&m, 1) == 0);
        });
    }

    TEST_CASE("window: get blocks until another thread posts, filtered or not") {
        constexpr unsigned rounds = 2'000;
        void* hwnd = nullptr;
        std::latch ready{1};
        std::atomic<unsigned> answered{0};
        std::thread owner{[&] {
            log l;
            hwnd = clq_window_create(note, &l);
            // A message that no filter below passes: waiting must not spin on it, nor hand it out.
            CHECK(clq_window_post(nullptr, CLQ_MESSAGE_USER + 5, 0, 0) == 0);
            ready.count_down();
            clq_message m{};
            for (unsigned i = 0; i < rounds; ++i) {
                CHECK(clq_message_get_matching(&m, hwnd, CLQ_MESSAGE_USER, CLQ_MESSAGE_USER) == 1);
                CHECK(m.wParam == i);
                answered.store(i + 1);
                answered.notify_one();
            }
            CHECK(readable(clq_message_descriptor()));
            CHECK(clq_message_get(&m) == 1);
            CHECK(m.message == CLQ_MESSAGE_USER + 5);
            CHECK(clq_message_peek(&m, 1) == 0);
            CHECK(clq_window_destroy(hwnd) == 0);
        }};
        ready.wait();
        for (unsigned i = 0; i < rounds; ++i) {
            CHECK(clq_window_post(hwnd, CLQ_MESSAGE_USER, i, 0) == 0);
            answered.wait(i);
        }
        owner.join();
    }

    // Posters retry while the queue is full, so a lost wakeup hangs and a lost or doubled message breaks a sequence.
    TEST_CASE("window: many posters, a small queue, nothing lost, each poster's messages in order") {
        constexpr std::size_t posters = 4;
        constexpr clq_wparam each = 10'000;
        void* hwnd = nullptr;
        std::latch ready{1};
        std::array<clq_wparam, posters> next{};
        std::thread owner{[&] {
            CHECK(clq_message_queue_size(16) == 0);
            log l;
            hwnd = clq_window_create(note, &l);
            ready.count_down();
            for (std::size_t i = 0; i < posters * each; ++i) {
                clq_message m{};
                if (i % 3 == 0) {
                    pollfd polled{clq_message_descriptor(), POLLIN, 0};
                    while (clq_message_peek(&m, 1) == 0) (void)::poll(&polled, 1, -1);
                } else if (clq_message_get(&m) != 1) {
                    FAIL_CHECK("get");
                }
                auto& expected = next[static_cast<std::size_t>(m.lParam)];
                if (m.wParam != expected) FAIL_CHECK("out of order");
                ++expected;
            }
            clq_message m{};
            CHECK(clq_message_peek(&m, 1) == 0);
            CHECK(clq_window_destroy(hwnd) == 0);
        }};
        ready.wait();
        std::vector<std::thread> threads;
        for (std::size_t p = 0; p < posters; ++p) {
            threads.emplace_back([&, p] {
                for (clq_wparam i = 0; i < each; ++i) {
                    post_result result;
                    while ((result = post_message(hwnd, CLQ_MESSAGE_USER, static_cast<std::intptr_t>(i),
                                                  static_cast<std::intptr_t>(p))) == post_result::full) {
                        std::this_thread::yield();
                    }
                    if (result != post_result::posted) FAIL_CHECK("gone");
                }
            });
        }
        for (std::thread& t : threads) t.join();
        owner.join();
        for (const clq_wparam n : next) CHECK(n == each);
    }

    // The queue is empty most of the time, so most posts meet a thread that is about to make the descriptor unreadable.
    TEST_CASE("window: the descriptor never sleeps on a message") {
        constexpr clq_wparam count = 50'000;
        void* hwnd = nullptr;
        std::latch ready{1};
        std::atomic<clq_wparam> seen{0};
        std::thread owner{[&] {
            log l;
            hwnd = clq_window_create(note, &l);
            pollfd polled{clq_message_descriptor(), POLLIN, 0};
            ready.count_down();
            for (clq_wparam i = 0; i < count;) {
                (void)::poll(&polled, 1, -1);
                clq_message m{};
                if (clq_message_peek(&m, 1) == 1) {  // one a poll: the rest must keep it readable
                    if (m.wParam != i) FAIL_CHECK("out of order");
                    seen.store(++i);
                }
            }
            CHECK(clq_window_destroy(hwnd) == 0);
        }};
        ready.wait();
        for (clq_wparam i = 0; i < count; ++i) {
            if (clq_window_post(hwnd, CLQ_MESSAGE_USER, i, 0) != 0) FAIL_CHECK("not posted");
            // At most three ahead, so that the owner often takes the last message while the next is posted.
            while (seen.load() + i % 4 < i) std::this_thread::yield();
        }
        owner.join();
    }

    TEST_CASE("window: destroyed, or ended with its thread, while others post") {
        for (int round = 0; round < 200; ++round) {
            std::atomic<void*> window{nullptr};
            std::vector<std::thread> threads;
            for (int i = 0; i < 3; ++i) {
                threads.emplace_back([&] {
                    window.wait(nullptr);
                    while (post_message(window.load(), CLQ_MESSAGE_USER, 1, 2) != post_result::gone)
                        std::this_thread::yield();
                });
            }
            threads.emplace_back([&, round] {
                log l;
                void* const hwnd = clq_window_create(note, &l);
                void* const second = clq_window_create(note, &l);
                CHECK(second != nullptr);
                window.store(hwnd);
                window.notify_all();
                clq_message m{};
                CHECK(clq_message_get(&m) == 1);
                (void)clq_message_dispatch(&m);
                if (round % 2 == 0) CHECK(clq_window_destroy(hwnd) == 0);
                // Otherwise both windows end with the thread.
            });
            for (std::thread& t : threads) t.join();
            CHECK(clq_window_is(window.load()) == 0);
        }
    }

    TEST_CASE("window: classes are found by name whatever the case") {
        on_new_thread([] {
            log l;
            CHECK(clq_window_class_register("Some Class", note) != 0);
            CHECK(clq_window_class_register("SOME class", note) == 0);
            CHECK(clq_window_class_register("", note) == 0);
            CHECK(clq_window_class_register(nullptr, note) == 0);
            CHECK(clq_window_class_register("Other", nullptr) == 0);
            CHECK(clq_window_class_register(std::string(256, 'x').c_str(), note) == 0);
            CHECK(clq_window_create_of_class("Other", "", &l) == nullptr);
            void* const hwnd = clq_window_create_of_class("some CLASS", nullptr, &l);
            CHECK(hwnd != nullptr);
            CHECK(clq_window_class_unregister("some class") == 0);
            CHECK(clq_window_class_unregister("some class") == -1);
            CHECK(clq_window_create_of_class("Some Class", "", &l) == nullptr);
            CHECK(clq_window_destroy(hwnd) == 0);
            CHECK(l.calls.size() == 2);
        });
    }

    TEST_CASE("window: a registered message has one id for one name, on every thread") {
        const unsigned id = clq_register_window_message("window_test: a message");
        CHECK(id >= 0xC000);
        CHECK(id <= 0xFFFF);
        CHECK(clq_register_window_message("WINDOW_test: a MESSAGE") == id);
        CHECK(clq_register_window_message("window_test: another") != id);
        CHECK(clq_register_window_message("") == 0);
        CHECK(clq_register_window_message(nullptr) == 0);
        CHECK(clq_register_window_message(std::string(255, 'y').c_str()) != 0);
        CHECK(clq_register_window_message(std::string(256, 'y').c_str()) == 0);
        std::vector<std::thread> threads;
        std::array<std::vector<unsigned>, 4> seen;
        for (auto& mine : seen) {
            threads.emplace_back([&mine] {
                for (int i = 0; i < 50; ++i) {
                    mine.push_back(clq_register_window_message(("window_test " + std::to_string(i)).c_str()));
                }
            });
        }
        for (std::thread& t : threads) t.join();
        for (const auto& other : seen) CHECK(other == seen[0]);
        CHECK(std::set<unsigned>(seen[0].begin(), seen[0].end()).size() == 50);
    }

    TEST_CASE("window: the completion message is the documents' unless the program says otherwise") {
        const unsigned at_first = completion_message();
        const char* const configured = std::getenv("COLLOQUY_COMPLETION_MESSAGE");
        CHECK(at_first == clq_register_window_message(configured == nullptr ? "WinAsyncCPIC" : configured));
        CHECK(completion_message() == at_first);
        CHECK(set_completion_message("WinAsyncCPI-C"));
        CHECK(completion_message() == clq_register_window_message("WinAsyncCPI-C"));
        CHECK(completion_message() != clq_register_window_message("WinAsyncCPIC"));
        CHECK_FALSE(set_completion_message(""));
        CHECK_FALSE(set_completion_message(nullptr));
        CHECK(completion_message() == clq_register_window_message("WinAsyncCPI-C"));
        CHECK(set_completion_message(configured == nullptr ? "WinAsyncCPIC" : configured));
        CHECK(completion_message() == at_first);
    }

    TEST_CASE("window: as many as the table holds, then none, then again") {
        on_new_thread([] {
            std::vector<void*> made;
            for (;;) {
                void* const hwnd = clq_window_create(
                    [](void*, unsigned, clq_wparam, clq_lparam) -> clq_lresult { return 0; }, nullptr);
                if (hwnd == nullptr || made.size() > CLQ_WINDOW_MAX) break;
                made.push_back(hwnd);
            }
            CHECK(made.size() == CLQ_WINDOW_MAX);
            CHECK(clq_window_destroy(made.back()) == 0);
            log l;
            CHECK(clq_window_create(note, &l) != nullptr);
        });
        // The thread took all of them with it.
        on_new_thread([] {
            log l;
            CHECK(clq_window_create(note, &l) != nullptr);
        });
    }
}
