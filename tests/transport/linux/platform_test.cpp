// Goal: what the porting list promises of Linux alone.
#include "tests/transport/harness.hpp"

#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

#include <fcntl.h>
#include <pthread.h>

using namespace transport_test;

TEST_SUITE("transport") {

TEST_CASE("platform: a thread can be named and shielded from signals") {
    const auto blocked = [] {
        sigset_t now;
        ::pthread_sigmask(SIG_SETMASK, nullptr, &now);
        return ::sigismember(&now, SIGUSR1) == 1;
    };
    REQUIRE_FALSE(blocked());
    bool born_shielded = false;
    bool stays_shielded = false;
    std::string name;
    {
        const signal_shield shield;
        CHECK(blocked());
        std::thread other{[&] {
            born_shielded = blocked();
            block_all_signals();
            stays_shielded = blocked();
            set_thread_name("clq-a-name-longer-than-fits");
            char text[32] = {};
            ::pthread_getname_np(::pthread_self(), text, sizeof text);
            name = text;
        }};
        other.join();
    }
    CHECK_FALSE(blocked());
    CHECK(born_shielded);
    CHECK(stays_shielded);
    CHECK(name == "clq-a-name-long");
}

TEST_CASE("platform: a wake handle is not inherited") {
    const wake_handle handle;
    REQUIRE(handle.valid());
    CHECK((::fcntl(static_cast<int>(handle.handle()), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("error: what errno means") {
    CHECK(kind_of(ETIMEDOUT) == error_kind::timed_out);
    CHECK(kind_of(EHOSTUNREACH) == error_kind::unreachable);
    CHECK(error_text(ECONNREFUSED) == "Connection refused");
}

}
