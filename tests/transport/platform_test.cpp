// Goal: the porting list and the address texts do what their headers say.
#include "harness.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <thread>

#include "transport/address.hpp"
#include "transport/system_error.hpp"

using namespace transport_test;
using colloquy::runtime::atom;

TEST_SUITE("transport") {

TEST_CASE("platform: time goes forward and random bits differ") {
    const std::uint64_t first = now_ns();
    CHECK(first != 0);
    CHECK(now_ns() >= first);
    CHECK(random_u64() != random_u64());
}

TEST_CASE("platform: waiting on a word ends by a change, a wake or a deadline") {
    atom<std::uint32_t> word{1};
    CHECK(futex_waiter::wait(word, 0, no_deadline));  // holds something else already
    CHECK_FALSE(futex_waiter::wait(word, 1, now_ns()));
    CHECK_FALSE(futex_waiter::wait(word, 1, 0));
    std::thread other{[&] {
        word.store_release(2);
        futex_waiter::wake(word, UINT32_MAX);
    }};
    while (word.load_acquire() == 1) {
        CHECK(futex_waiter::wait(word, 1, no_deadline));
    }
    other.join();
    CHECK(word.load_acquire() == 2);
}

TEST_CASE("platform: a wake handle can be waited for and drains") {
    wake_handle handle;
    REQUIRE(handle.valid());
    CHECK_FALSE(is_signalled(handle.handle(), 0));
    CHECK_FALSE(handle.drain());
    handle.signal();
    handle.signal();
    CHECK(is_signalled(handle.handle(), 0));
    CHECK(is_signalled(handle.handle(), 0));
    CHECK(handle.drain());
    CHECK_FALSE(handle.drain());
    CHECK_FALSE(is_signalled(handle.handle(), 0));
}

// What a thread's object finds of itself when it is destroyed.
struct kept_words {
    static constexpr std::uint64_t as_made = 0x1234'5678'9abc'def0;
    static inline atom<std::uint32_t> whole, spoilt;
    std::array<std::uint64_t, 64> words;
    kept_words() noexcept { words.fill(as_made); }
    ~kept_words() {
        const bool all = std::all_of(words.begin(), words.end(), [](std::uint64_t w) { return w == as_made; });
        (void)(all ? whole : spoilt).fetch_add_relaxed(1);
    }
    kept_words(const kept_words&) = delete;
    kept_words& operator=(const kept_words&) = delete;
};

TEST_CASE("platform: a thread's own objects are whole until they are destroyed") {
    constexpr std::uint32_t threads = 8;
    for (std::uint32_t i = 0; i < threads; ++i) {
        std::thread one{[] {
            thread_local kept_words kept;
            CHECK(kept.words[0] == kept_words::as_made);
        }};
        one.join();
    }
    CHECK(kept_words::whole.load_relaxed() == threads);
    CHECK(kept_words::spoilt.load_relaxed() == 0);
}

TEST_CASE("address: endpoints are parsed and written back") {
    struct row {
        const char* text;
        std::uint16_t default_port;
        const char* host;
        std::uint16_t port;
        const char* written;
    };
    for (const row& r : {row{"localhost:7000", 0, "localhost", 7000, "localhost:7000"},
                         row{"localhost", 7000, "localhost", 7000, "localhost:7000"},
                         row{"10.0.0.1:1", 7000, "10.0.0.1", 1, "10.0.0.1:1"},
                         row{"[::1]:65535", 0, "::1", 65535, "[::1]:65535"},
                         row{"[::1]", 7000, "::1", 7000, "[::1]:7000"},
                         row{"::1", 7000, "::1", 7000, "[::1]:7000"},
                         row{"bank-1.example_x.org:0", 9, "bank-1.example_x.org", 0, "bank-1.example_x.org:0"}}) {
        CAPTURE(r.text);
        endpoint out;
        std::string error;
        REQUIRE_MESSAGE(parse_endpoint(r.text, r.default_port, out, error), error);
        CHECK(out.host == r.host);
        CHECK(out.port == r.port);
        CHECK(format_endpoint(out) == r.written);
        endpoint again;
        REQUIRE(parse_endpoint(format_endpoint(out), 0, again, error));
        CHECK(again.host == out.host);
        CHECK(again.port == out.port);
    }
}

TEST_CASE("address: what is wrong with an endpoint is said") {
    struct row {
        const char* text;
        std::uint16_t default_port;
        const char* says;
    };
    for (const row& r : {row{"", 1, "empty"}, row{":7000", 1, "no host"}, row{"host:", 1, "not a port"},
                         row{"host:70000", 1, "not a port"}, row{"host:7x", 1, "not a port"},
                         row{"host:-1", 1, "not a port"}, row{"host", 0, "has no port"}, row{"[::1", 1, "bracket"},
                         row{"[::1]7000", 1, "after the bracket"}, row{"[host]:1", 1, "not an IPv6 address"},
                         row{"[1.2.3.4]:1", 1, "not an IPv6 address"}, row{"::1", 0, "[::1]:port"},
                         row{"a:b:c", 1, "more than one ':'"}, row{"ho st:1", 1, "not a host name"},
                         row{"*:1", 1, "not a host name"}}) {
        CAPTURE(r.text);
        endpoint out{"untouched", 1};
        std::string error;
        REQUIRE_FALSE(parse_endpoint(r.text, r.default_port, out, error));
        CHECK_MESSAGE(error.find(r.says) != std::string::npos, error);
        CHECK(out.host == "untouched");
    }
}

TEST_CASE("address: numeric addresses compare and print") {
    address a;
    CHECK_FALSE(a);
    CHECK(a.to_string() == "none");
    REQUIRE(address::parse_numeric("127.0.0.1", 80, a));
    CHECK(a == address::loopback_ipv4(80));
    CHECK_FALSE(a == address::loopback_ipv4(81));
    CHECK_FALSE(a == address::loopback_ipv6(80));
    CHECK(a.family() == address_family::ipv4);
    CHECK(a.to_string() == "127.0.0.1:80");
    a.set_port(443);
    CHECK(a.port() == 443);
    REQUIRE(address::parse_numeric("0:0::1", 80, a));
    CHECK(a == address::loopback_ipv6(80));
    CHECK(a.to_string() == "[::1]:80");
    CHECK(a.is_loopback());
    REQUIRE(address::parse_numeric("192.168.1.1", 1, a));
    CHECK_FALSE(a.is_loopback());
    REQUIRE(address::parse_numeric("fe80::1%1", 1, a));
    CHECK(a.to_string() == "[fe80::1%1]:1");
    for (const char* const bad : {"", "localhost", "1.2.3", "1.2.3.4.5", "::g", "fe80::1%nosuchdevice", "127.0.0.1 "}) {
        CAPTURE(bad);
        CHECK_FALSE(address::parse_numeric(bad, 1, a));
    }
}

TEST_CASE("error: kinds and texts") {
    CHECK(kind_of(0) == error_kind::none);
    CHECK(kind_of(error_of_cut()) == error_kind::reset);
    CHECK_FALSE(error_text(error_of_cut()).empty());
    CHECK(kind_of(io_error_stale) == error_kind::misuse);
    CHECK(kind_of(io_error_name_unavailable) == error_kind::name_service);
    CHECK(error_text(io_error_name_unknown) == "the host name is not known");
}

}
