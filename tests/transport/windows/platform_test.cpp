// Goal: what the porting list promises of Windows alone.
#include "tests/transport/harness.hpp"

#include <thread>

#include <winsock2.h>

using namespace transport_test;

TEST_SUITE("transport") {

TEST_CASE("platform: a wake handle is an event that is not inherited") {
    wake_handle handle;
    REQUIRE(handle.valid());
    DWORD flags = 0;
    REQUIRE(::GetHandleInformation(reinterpret_cast<HANDLE>(handle.handle()), &flags) != FALSE);
    CHECK((flags & HANDLE_FLAG_INHERIT) == 0);
    // Any thread's wait ends, and it stays signalled until it is drained.
    std::thread other{[&] { CHECK(is_signalled(handle.handle(), 60'000)); }};
    handle.signal();
    other.join();
    CHECK(handle.drain());
}

TEST_CASE("platform: threads can be named, and nothing is shielded") {
    const signal_shield shield;
    block_all_signals();
    set_thread_name("clq-main");
    using describe = HRESULT(WINAPI*)(HANDLE, PWSTR*);
    void* const found =
        reinterpret_cast<void*>(::GetProcAddress(::GetModuleHandleW(L"kernel32.dll"), "GetThreadDescription"));
    if (found != nullptr) {
        PWSTR name = nullptr;
        REQUIRE(reinterpret_cast<describe>(found)(::GetCurrentThread(), &name) >= 0);
        const std::wstring text = name;
        ::LocalFree(name);
        // A system may know the call and keep no names.
        CHECK((text == L"clq-main" || text.empty()));
    }
}

TEST_CASE("platform: tables are zeroed and page by page") {
    constexpr std::size_t bytes = std::size_t{64} << 20;
    auto* const place = static_cast<unsigned char*>(reserve_table(bytes));
    REQUIRE(place != nullptr);
    CHECK(place[0] == 0);
    place[bytes - 1] = 1;
    CHECK(place[bytes - 2] == 0);
    release_table(place, bytes);
    release_table(nullptr, bytes);
}

TEST_CASE("error: what Winsock's and Windows' numbers mean") {
    CHECK(kind_of(WSAECONNREFUSED) == error_kind::refused);
    CHECK(kind_of(ERROR_CONNECTION_REFUSED) == error_kind::refused);
    CHECK(kind_of(WSAETIMEDOUT) == error_kind::timed_out);
    CHECK(kind_of(WSAEHOSTUNREACH) == error_kind::unreachable);
    CHECK(kind_of(ERROR_NETNAME_DELETED) == error_kind::reset);
    CHECK(kind_of(WSAENOBUFS) == error_kind::exhausted);
    const std::string refused = error_text(WSAECONNREFUSED);
    INFO(refused);
    CHECK(refused.size() > 8);
    CHECK(refused.back() != '.');
    CHECK(error_text(987'654).find("987654") != std::string::npos);
}

}
