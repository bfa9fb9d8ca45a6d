// What only programs of Windows do: wait for several objects at once, pump messages in a blocking hook, pass handles of
// the system's own types, and meet a message queue that is full.
#include <bit>

#include "tests/async/async.hpp"
#include "tests/support/windows/windows.hpp"

using namespace colloquy::test;

namespace {

unsigned pumped = 0;
unsigned hook_calls = 0;

// As the documents show it, BOOL and all.
BOOL WINAPI pump() {
    ++hook_calls;
    MSG m;
    if (::PeekMessageW(&m, nullptr, 0, 0, PM_REMOVE) == 0) return TRUE;
    if (m.message == WM_QUIT) return FALSE;
    ++pumped;
    (void)::DispatchMessageW(&m);
    return TRUE;
}

// A hook whose answer is a BOOL in the lower half of a register and rubbish above it.
std::uint64_t rubbish = 0xFFFF'FFFF'0000'0000;
INT_PTR WINAPI no_with_rubbish() { return static_cast<INT_PTR>(rubbish); }

struct hook_for_a_while {
    explicit hook_for_a_while(FARPROC hook) { (void)WinCPICSetBlockingHook(hook); }
    ~hook_for_a_while() { (void)WinCPICUnhookBlockingHook(); }
    hook_for_a_while(const hook_for_a_while&) = delete;
    hook_for_a_while& operator=(const hook_for_a_while&) = delete;
};

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("windows: WaitForMultipleObjects over events of many conversations and one of the program") {
        const running_unit unit;
        constexpr DWORD count = MAXIMUM_WAIT_OBJECTS - 1;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<std::unique_ptr<event>> events;
        std::vector<small_receive> got(count);
        std::vector<HANDLE> handles;
        for (DWORD i = 0; i < count; ++i) {
            all.push_back(std::make_unique<ends>());
            events.push_back(std::make_unique<event>(i % 2 == 0));
            handles.push_back(events.back()->handle);
            REQUIRE(set_event(all[i]->far, handles[i]) == CM_OK);
            REQUIRE(got[i].issue(all[i]->far) == CM_OPERATION_INCOMPLETE);
        }
        const event own{true};
        handles.push_back(own.handle);
        CHECK(::WaitForMultipleObjects(count + 1, handles.data(), FALSE, 0) == WAIT_TIMEOUT);
        for (DWORD i = 0; i < count; ++i) {
            const DWORD wanted = (i * 29) % count;  // 29 and 63 have no common factor: each once
            all[wanted]->say("x");
            REQUIRE(::WaitForMultipleObjects(count + 1, handles.data(), FALSE, INFINITE) == WAIT_OBJECT_0 + wanted);
            if (wanted % 2 == 0) REQUIRE(::ResetEvent(handles[wanted]) != 0);
            CHECK(wait_any().id == all[wanted]->far.id);
        }
        CHECK(::WaitForMultipleObjects(count + 1, handles.data(), FALSE, 0) == WAIT_TIMEOUT);
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
    }
    TEST_CASE("windows: WaitForMultipleObjects for all of them") {
        const running_unit unit;
        constexpr DWORD count = 8;
        std::vector<std::unique_ptr<ends>> all;
        std::vector<std::unique_ptr<event>> events;
        std::vector<small_receive> got(count);
        std::vector<HANDLE> handles;
        for (DWORD i = 0; i < count; ++i) {
            all.push_back(std::make_unique<ends>());
            events.push_back(std::make_unique<event>(false));
            handles.push_back(events.back()->handle);
            REQUIRE(set_event(all[i]->far, handles[i]) == CM_OK);
            REQUIRE(got[i].issue(all[i]->far) == CM_OPERATION_INCOMPLETE);
        }
        std::thread sayer{[&] {
            for (auto& two : all) two->say("x");
        }};
        CHECK(::WaitForMultipleObjects(count, handles.data(), TRUE, INFINITE) == WAIT_OBJECT_0);
        sayer.join();
        for (DWORD i = 0; i < count; ++i) CHECK(wait_any().result == CM_OK);
    }
    TEST_CASE("windows: a blocking hook pumps messages, and WM_QUIT gives control back") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        const window w;
        const hook_for_a_while hooked{std::bit_cast<FARPROC>(&pump)};
        pumped = hook_calls = 0;
        REQUIRE(clq_window_post(w.handle, CLQ_MESSAGE_USER, 0, 0) == 0);
        REQUIRE(clq_window_post(w.handle, CLQ_MESSAGE_USER, 1, 0) == 0);
        std::thread sayer{[&] { two.say("while it pumps"); }};
        CHECK(two.far.receive().text == "while it pumps");
        sayer.join();
        while (pumped < 2) (void)pump();  // the data may have come before all messages were seen
        CHECK(hook_calls >= 1);
        ::PostQuitMessage(0);
        CHECK(two.far.receive().code == CM_PRODUCT_SPECIFIC_ERROR);
    }
    TEST_CASE("windows: of what a hook answers only the BOOL counts") {
        const running_unit unit;
        ends two{CM_NONE, CM_BLOCKING};
        const hook_for_a_while hooked{&no_with_rubbish};
        CHECK(two.far.receive().code == CM_PRODUCT_SPECIFIC_ERROR);
    }
    TEST_CASE("windows: handles pass by the system's own types") {
        const running_unit unit;
        const ends two;
        HANDLE mine = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
        HANDLE found = nullptr;
        CM_INT32 rc = -1;
        WinCPICSetEvent(two.far.id.data(), &mine, &rc);
        CHECK(rc == CM_OK);
        WinCPICExtractEvent(two.far.id.data(), &found, &rc);
        CHECK(rc == CM_OK);
        CHECK(found == mine);
        const window w;
        const auto hwnd = static_cast<HWND>(w.handle);
        xchwnd(hwnd, &rc);
        CHECK(rc == CM_OK);
        xchwnd(::GetDesktopWindow(), &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);  // another's
        xchwnd(HWND_BROADCAST, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        const FARPROC before = WinCPICSetBlockingHook(nullptr);
        const bool none = before == nullptr;
        CHECK(none);
        const BOOL blocking = WinCPICIsBlocking();
        CHECK(blocking == FALSE);
        (void)::CloseHandle(mine);
    }
}
