// Goal: what is particular to a completion port holds: the wait handle tells of everything, and nothing is lost while
// the system holds operations of streams that are gone.
#include "tests/transport/harness.hpp"

#include <thread>

using namespace transport_test;
using colloquy::runtime::atom;

namespace {

// A host's loop: polls when the handle says so, or when it is told to. False when that leads nowhere.
template <class Predicate>
bool run_as_host(reactor& net, std::intptr_t handle, Predicate done) {
    constexpr std::uint64_t ns_per_ms = 1'000'000;
    constexpr std::uint32_t bound_ms = 30'000;  // turns a lost signal into a failure
    while (!done()) {
        const std::uint64_t deadline = net.next_deadline_ns();
        const std::uint64_t now = now_ns();
        const std::uint64_t left_ms = deadline <= now ? 0 : (deadline - now) / ns_per_ms + 1;
        const bool limited = left_ms < bound_ms;
        if (!is_signalled(handle, limited ? static_cast<std::uint32_t>(left_ms) : bound_ms) && !limited) {
            return false;
        }
        net.poll(0, 64);
    }
    return true;
}

}  // namespace

TEST_SUITE("transport") {

TEST_CASE("completion port: a host is told of accepting, connecting, reading and a full socket's room") {
    plain_bed bed;
    reactor& net = bed.net();
    const std::intptr_t handle = net.wait_handle();
    stream_options small;
    small.send_buffer_bytes = small.receive_buffer_bytes = 8 * 1024;
    listen_options options;
    options.accepted = small;
    const listener l = listen_on(net, address::loopback_ipv4(0), options);
    acceptor accepts;
    REQUIRE(net.submit_accept(l, accepts).is_pending());
    const address target = net.local_address(l);
    connector connects;
    connects.addresses = {&target, 1};
    connects.options = small;
    REQUIRE(net.submit_connect(connects).is_pending());
    REQUIRE(run_as_host(net, handle, [&] { return connects.completions == 1 && accepts.streams.size() == 1; }));
    REQUIRE(connects.error == 0);

    const auto much = pattern(3'000'000, 7);
    reader in;
    writer out;
    const io_status status = write_text(net, connects.connected, out, much);
    REQUIRE(status.is_pending());
    REQUIRE(net.submit_read(accepts.streams[0], in).is_pending());
    REQUIRE(run_as_host(net, handle, [&] { return in.bytes.size() == much.size() && out.completions == 1; }));
    CHECK(in.bytes == much);
    CHECK(out.result.error == 0);
    CHECK(out.result.bytes == much.size());
    net.close(connects.connected);
    REQUIRE(run_as_host(net, handle, [&] { return in.ended; }));
    CHECK(in.error == 0);
}

TEST_CASE("completion port: a handle asked for late tells of what was begun before") {
    plain_bed bed;
    reactor& net = bed.net();
    const listener l = listen_on(net, address::loopback_ipv4(0));
    acceptor accepts;
    REQUIRE(net.submit_accept(l, accepts).is_pending());
    std::vector<connection> links;
    std::vector<std::unique_ptr<reader>> readers;
    for (int i = 0; i < 8; ++i) {
        links.push_back(make_link(net));
        readers.push_back(std::make_unique<reader>());
        REQUIRE(net.submit_read(links.back().far_end, *readers.back()).is_pending());
    }
    net.poll(0, 64);
    const std::intptr_t handle = net.wait_handle();
    // The host looks until all is quiet and only the handle can call it.
    REQUIRE(run_as_host(net, handle, [&] { return net.next_deadline_ns() == UINT64_MAX && !is_signalled(handle, 0); }));
    const auto words = text_bytes("late");
    writer out;
    for (const connection& both : links) {
        REQUIRE(write_text(net, both.near_end, out, words).is_done());
    }
    REQUIRE(run_as_host(net, handle, [&] {
        return std::all_of(readers.begin(), readers.end(), [&](const auto& r) { return r->bytes == words; });
    }));
    const address target = net.local_address(l);
    connector connects;
    connects.addresses = {&target, 1};
    REQUIRE(net.submit_connect(connects).is_pending());
    REQUIRE(run_as_host(net, handle, [&] { return connects.completions == 1 && accepts.streams.size() == 1; }));
    CHECK(connects.error == 0);
}

TEST_CASE("completion port: a host that sleeps whenever it may misses no message of another thread") {
    plain_bed bed;
    reactor& net = bed.net();
    const connection both = make_link(net);
    const std::intptr_t handle = net.wait_handle();
    reader in;
    REQUIRE(net.submit_read(both.far_end, in).is_pending());
    constexpr std::size_t rounds = 3000;
    atom<std::uint32_t> arrived;
    std::thread other{[&] {
        const auto one = text_bytes("x");
        for (std::uint32_t sent = 0; sent < rounds; ++sent) {
            writer out;
            if (!write_text(net, both.near_end, out, one).is_done()) {
                return;
            }
            // Every other message waits until the last has arrived, so that the host has gone back to sleep.
            while (sent % 2 == 0 && arrived.load_acquire() <= sent) {
                (void)futex_waiter::wait(arrived, sent, no_deadline);
            }
        }
    }};
    const bool complete = run_as_host(net, handle, [&] {
        arrived.store_release(static_cast<std::uint32_t>(in.bytes.size()));
        futex_waiter::wake(arrived, 1);
        return in.bytes.size() == rounds;
    });
    arrived.store_release(UINT32_MAX);
    futex_waiter::wake(arrived, 1);
    other.join();
    CHECK(complete);
}

TEST_CASE("completion port: waits begun by a thread that has ended go on") {
    plain_bed bed;
    reactor& net = bed.net();
    const std::intptr_t handle = net.wait_handle();
    const listener l = listen_on(net, address::loopback_ipv4(0));
    acceptor accepts;
    const connection both = make_link(net);
    reader in;
    std::thread driver{[&] {
        // The system calls back what this thread has begun, when it ends.
        (void)net.submit_read(both.far_end, in);
        (void)net.submit_accept(l, accepts);
    }};
    driver.join();
    const auto words = text_bytes("still here");
    writer out;
    REQUIRE(write_text(net, both.near_end, out, words).is_done());
    const address target = net.local_address(l);
    connector connects;
    connects.addresses = {&target, 1};
    REQUIRE(net.submit_connect(connects).is_pending());
    CHECK(run_as_host(net, handle, [&] {
        return in.bytes == words && connects.completions == 1 && accepts.streams.size() == 1;
    }));
    CHECK(connects.error == 0);
}

TEST_CASE("completion port: slots are free at once, however many closed streams the system still holds") {
    plain_bed bed{4};
    reactor& net = bed.net();
    for (int round = 0; round < 60; ++round) {
        const connection both = make_link(net);
        const connection second = make_link(net);
        reader in[4];
        CHECK(net.submit_read(both.near_end, in[0]).is_pending());
        CHECK(net.submit_read(both.far_end, in[1]).is_pending());
        CHECK(net.submit_read(second.near_end, in[2]).is_pending());
        CHECK(net.submit_read(second.far_end, in[3]).is_pending());
        for (const stream s : {both.near_end, both.far_end, second.near_end, second.far_end}) {
            net.close(s);
        }
        for (const reader& r : in) {
            CHECK_FALSE(r.submitted());
            CHECK(r.completions == 0);
        }
    }
}

TEST_CASE("completion port: a reactor ends with everything under way") {
    for (int round = 0; round < 20; ++round) {
        reader in;
        writer out;
        acceptor accepts;
        connector connects;
        name_question question;
        const auto much = pattern(8'000'000, 3);
        {
            plain_bed bed;
            reactor& net = bed.net();
            const connection both = make_link(net);
            REQUIRE(net.submit_read(both.near_end, in).is_pending());
            REQUIRE(write_text(net, both.near_end, out, much).is_pending());
            look_around(net);
            const listener l = listen_on(net, address::loopback_ipv4(0));
            REQUIRE(net.submit_accept(l, accepts).is_pending());
            const address target = net.local_address(l);
            connects.addresses = {&target, 1};
            REQUIRE(net.submit_connect(connects).is_pending());
            question.host = "localhost";
            REQUIRE(net.submit_resolve(question).is_pending());
        }
        CHECK(in.completions + out.completions + connects.completions + question.completions == 0);
        CHECK(accepts.streams.empty());
    }
}

}
