// Completion ports of a program: a packet for each completion, untouched, before the event, and never lost.
#include "api/colloquy/completion_port.h"
#include "tests/async/async.hpp"
#include "tests/support/windows/windows.hpp"

// Where calls of PostQueuedCompletionStatus by this program go.
#if defined(_WIN64)
extern "C" BOOL(WINAPI* import_of_post)(HANDLE, DWORD, ULONG_PTR,
                                        OVERLAPPED*) __asm__("__imp_PostQueuedCompletionStatus");
#else
extern "C" BOOL(WINAPI* import_of_post)(HANDLE, DWORD, ULONG_PTR,
                                        OVERLAPPED*) __asm__("__imp__PostQueuedCompletionStatus@16");
#endif

using namespace colloquy::test;

namespace {

struct packet {
    BOOL came = FALSE;
    DWORD bytes = 0;
    ULONG_PTR key = 0;
    OVERLAPPED* overlapped = nullptr;
};

struct port {
    HANDLE handle = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 0);
    port() { REQUIRE(handle != nullptr); }
    ~port() { (void)::CloseHandle(handle); }
    port(const port&) = delete;
    port& operator=(const port&) = delete;
    [[nodiscard]] packet take(DWORD how_long = INFINITE) const {
        packet p;
        p.came = ::GetQueuedCompletionStatus(handle, &p.bytes, &p.key, &p.overlapped, how_long);
        return p;
    }
};

CM_INT32 set_port(const talk& t, HANDLE handle, DWORD bytes, ULONG_PTR key, OVERLAPPED* overlapped) {
    CM_INT32 rc = -1;
    clq_set_completion_port(t.id.data(), handle, bytes, key, overlapped, &rc);
    return rc;
}

// The system's, refusing packets with our key for want of memory this many times.
constexpr ULONG_PTR scarce = 0x5CA4CE;
std::atomic<int> to_refuse{0};
std::atomic<int> refused{0};
decltype(import_of_post) real_post = nullptr;
BOOL WINAPI scarce_post(HANDLE handle, DWORD bytes, ULONG_PTR key, OVERLAPPED* overlapped) {
    if (key == scarce && to_refuse.load() > 0) {
        to_refuse.fetch_sub(1);
        refused.fetch_add(1);
        ::SetLastError(ERROR_NO_SYSTEM_RESOURCES);
        return FALSE;
    }
    return real_post(handle, bytes, key, overlapped);
}
struct scarcity {
    explicit scarcity(int times) {
        real_post = import_of_post;
        refused = 0;
        to_refuse = times;
        import_of_post = &scarce_post;
    }
    ~scarcity() { import_of_post = real_post; }
    scarcity(const scarcity&) = delete;
    scarcity& operator=(const scarcity&) = delete;
};

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("completion port: a packet comes as it was described, and cmwait has the result") {
        const running_unit unit;
        ends two;
        const port p;
        OVERLAPPED mine{};
        mine.Internal = 42;
        REQUIRE(set_port(two.far, p.handle, 1'234, 5'678, &mine) == CM_OK);
        small_receive r;
        for (const char* text : {"one", "two"}) {
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            two.say(text);
            const packet got = p.take();
            CHECK(got.came != 0);
            CHECK(got.bytes == 1'234);
            CHECK(got.key == 5'678);
            CHECK(got.overlapped == &mine);
            CHECK(mine.Internal == 42);
            CHECK(two.far.request_to_send() == CM_OPERATION_NOT_ACCEPTED);  // busy until collected
            const completion c = wait_any();
            CHECK(c.id == two.far.id);
            CHECK(c.result == CM_OK);
            CHECK(r.text() == text);
        }
        CHECK(p.take(0).came == 0);
    }
    TEST_CASE("completion port: it goes before the event, in whatever order they are set, and gives way when removed") {
        const running_unit unit;
        const port p;
        const event e{false};
        for (const bool event_first : {true, false}) {
            CAPTURE(event_first);
            ends two;
            if (event_first) {
                REQUIRE(set_event(two.far, e.handle) == CM_OK);
                REQUIRE(set_port(two.far, p.handle, 0, 1, nullptr) == CM_OK);
            } else {
                REQUIRE(set_port(two.far, p.handle, 0, 1, nullptr) == CM_OK);
                REQUIRE(set_event(two.far, e.handle) == CM_OK);
            }
            void* found = nullptr;
            CHECK(extract_event(two.far, found) == CM_OK);
            CHECK(found == e.handle);
            small_receive r;
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            CHECK(set_port(two.far, p.handle, 0, 1, nullptr) == CM_OPERATION_NOT_ACCEPTED);
            two.say("x");
            CHECK(p.take().key == 1);
            CHECK_FALSE(e.signalled());
            CHECK(wait_any().id == two.far.id);
            REQUIRE(set_port(two.far, nullptr, 0, 0, nullptr) == CM_OK);
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            two.say("y");
            e.wait();
            CHECK(wait_any().id == two.far.id);
            REQUIRE(set_event(two.far, nullptr) == CM_OK);
            const window w;
            w.use();
            REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
            two.say("z");
            CHECK(window::next().wParam == CM_OK);
            CHECK(p.take(0).came == 0);
        }
    }
    TEST_CASE("completion port: what is none is 24, whatever else it is") {
        const running_unit unit;
        const ends two;
        const event e{true};
        const port p;
        int on_stack = 0;
        const HANDLE mutex = ::CreateMutexW(nullptr, FALSE, nullptr);
        for (HANDLE bad : {e.handle, mutex, static_cast<HANDLE>(&on_stack), INVALID_HANDLE_VALUE, ::GetCurrentThread()})
            CHECK(set_port(two.far, bad, 0, 0, nullptr) == CM_PROGRAM_PARAMETER_CHECK);
        for (HANDLE bad : {p.handle, mutex, ::GetCurrentProcess(), ::GetCurrentThread()})
            CHECK(set_event(two.far, bad) == CM_PROGRAM_PARAMETER_CHECK);
        (void)::CloseHandle(mutex);
        talk nobody;
        CHECK(set_port(nobody, p.handle, 0, 0, nullptr) == CM_PROGRAM_PARAMETER_CHECK);
    }
    TEST_CASE("completion port: a handle that the program closes takes nothing away from its port") {
        const running_unit unit;
        ends two;
        const port p;
        HANDLE other = nullptr;
        REQUIRE(::DuplicateHandle(::GetCurrentProcess(), p.handle, ::GetCurrentProcess(), &other, 0, FALSE,
                                  DUPLICATE_SAME_ACCESS) != 0);
        REQUIRE(set_port(two.far, other, 0, 7, nullptr) == CM_OK);
        REQUIRE(::CloseHandle(other) != 0);
        small_receive r;
        REQUIRE(r.issue(two.far) == CM_OPERATION_INCOMPLETE);
        two.say("x");
        CHECK(p.take().key == 7);
        CHECK(wait_any().id == two.far.id);
    }
    TEST_CASE("completion port: refused packets come later, each once") {
        const running_unit unit;
        const port p;
        constexpr unsigned count = 10;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(count);
        std::vector<OVERLAPPED> mine(count);
        std::map<OVERLAPPED*, unsigned> times;
        {
            const scarcity hard{35};
            for (unsigned i = 0; i < count; ++i) all.push_back(std::make_unique<ends>());
            for (unsigned i = 0; i < count; ++i) {
                REQUIRE(set_port(all[i]->far, p.handle, i, scarce, &mine[i]) == CM_OK);
                REQUIRE(got[i].issue(all[i]->far) == CM_OPERATION_INCOMPLETE);
                all[i]->say("x");
            }
            for (unsigned i = 0; i < count; ++i) {
                const packet one = p.take();
                REQUIRE(one.came != 0);
                CHECK(one.overlapped == &mine[one.bytes]);
                ++times[one.overlapped];
                CHECK(wait_any().result == CM_OK);
            }
            CHECK(refused.load() == 35);
        }
        CHECK(times.size() == count);
        CHECK(p.take(0).came == 0);
    }
    TEST_CASE("completion port: threads that live in it serve many conversations") {
        const running_unit unit;
        const port p;
        constexpr unsigned count = 64;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<small_receive> got(count);
        for (unsigned i = 0; i < count; ++i) {
            all.push_back(std::make_unique<ends>());
            REQUIRE(set_port(all[i]->far, p.handle, 0, 1, nullptr) == CM_OK);
            REQUIRE(got[i].issue(all[i]->far) == CM_OPERATION_INCOMPLETE);
        }
        std::mutex mutex;
        std::map<id_bytes, unsigned> times;
        std::vector<std::thread> workers;
        for (int n = 0; n < 4; ++n)
            workers.emplace_back([&] {
                while (p.take().key == 1) {
                    const completion c = wait_any();
                    const std::lock_guard held{mutex};
                    if (c.code == CM_OK && c.result == CM_OK) ++times[c.id];
                }
            });
        for (auto& two : all) two->say("x");
        // Those who leave are told by a packet behind all others.
        for (bool done = false; !done;) {
            const std::lock_guard held{mutex};
            done = times.size() == count;
        }
        for (std::size_t n = 0; n < workers.size(); ++n) (void)::PostQueuedCompletionStatus(p.handle, 0, 2, nullptr);
        for (std::thread& t : workers) t.join();
        for (const auto& [id, n] : times) CHECK(n == 1);
    }
}
