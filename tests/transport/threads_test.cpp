// Goal: what other threads may do while the driver polls (write, wake) is safe and loses nothing.
// Method: real threads, random sizes, small socket buffers so that writes park often; the thread sanitizer watches.
#include "harness.hpp"

#include <array>
#include <thread>

#include "runtime/atom.hpp"

using namespace transport_test;
using colloquy::runtime::atom;

namespace {

// A write whose submitter, in another thread, waits for the end.
struct waiting_writer final : write_op {
    atom<std::uint32_t> finished;
    io_result result;

    void complete(io_result r) noexcept override {
        result = r;
        // release[test-finished]: `result`, and the write duty, go to the waiter.
        finished.store_release(1);
        futex_waiter::wake(finished, 1);
    }
    // 0, or the error. Anything that is left undone by a close is for `stopped` to end.
    int write(reactor& net, stream where, io_slice* first, std::size_t count, const atom<std::uint32_t>& stopped) {
        slices = first;
        slice_count = count;
        finished.store_relaxed(0);
        const io_status status = net.submit_write(where, *this);
        if (!status.is_pending()) {
            return status.error;
        }
        // acquire[test-finished]: sees the result.
        while (finished.load_acquire() == 0) {
            futex_waiter::wait(finished, 0, now_ns() + 1'000'000);
            if (stopped.load_acquire() != 0) {
                return io_error_stale;
            }
        }
        return result.error;
    }
};

}  // namespace

TEST_SUITE("transport") {

TEST_CASE_TEMPLATE("threads: writes from other threads arrive whole while the driver polls", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    constexpr std::size_t lane_count = 3;
    constexpr std::size_t lane_bytes = 3'000'000;
    stream_options small;
    small.send_buffer_bytes = 8 * 1024;
    small.receive_buffer_bytes = 8 * 1024;
    std::array<connection, lane_count> links;
    std::array<reader, lane_count> readers;
    std::array<int, lane_count> errors{};
    for (std::size_t i = 0; i < lane_count; ++i) {
        links[i] = make_link(net, small);
        REQUIRE(net.submit_read(links[i].far_end, readers[i]).is_pending());
    }
    const auto sent = pattern(lane_bytes, seed());
    const atom<std::uint32_t> never_stopped;
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < lane_count; ++i) {
        threads.emplace_back([&, i] {
            std::uint64_t random = seed() + i;
            waiting_writer out;
            for (std::size_t at = 0; at < lane_bytes && errors[i] == 0;) {
                std::array<io_slice, 3> slices;
                for (io_slice& s : slices) {
                    const std::size_t size = std::min<std::size_t>(next_random(random) % 6000, lane_bytes - at);
                    s = slice_of({sent.data() + at, size});
                    at += size;
                }
                errors[i] = out.write(net, links[i].near_end, slices.data(), slices.size(), never_stopped);
            }
            if (errors[i] == 0) {
                errors[i] = net.shutdown_write(links[i].near_end).error;
            }
        });
    }
    const bool finished = run_until(
        net, [&] { return std::all_of(readers.begin(), readers.end(), [](auto& r) { return r.ended; }); });
    CHECK(finished);
    for (std::thread& t : threads) {
        t.join();
    }
    for (std::size_t i = 0; i < lane_count; ++i) {
        CHECK(errors[i] == 0);
        CHECK(readers[i].bytes == sent);
    }
    CHECK(net.counters().writes_resumed > 0);
}

TEST_CASE_TEMPLATE("threads: a close under a writer's feet ends the writer and reuses the slot safely", Bed,
                   COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed{4};
    reactor& net = bed.net();
    std::uint64_t random = seed();
    for (int round = 0; round < 60; ++round) {
        const connection both = make_link(net);
        reader in;
        REQUIRE(net.submit_read(both.far_end, in).is_pending());
        const auto words = pattern(1 + next_random(random) % 3000, 9);
        atom<std::uint32_t> stopped;
        int end = 0;
        // The operation outlives the thread: after the close it belongs to nobody.
        waiting_writer out;
        std::thread thread{[&] {
            while (end == 0) {
                io_slice slice = slice_of(words);
                end = out.write(net, both.near_end, &slice, 1, stopped);
            }
        }};
        const std::size_t enough = next_random(random) % 20'000;
        CHECK(run_until(net, [&] { return in.bytes.size() >= enough; }));
        net.close(both.near_end);
        // release[test-stopped]: a write dropped by the close is told of it here.
        stopped.store_release(1);
        // The slot is wanted again at once, while the writer may still be on its way out.
        const connection next = make_link(net);
        thread.join();
        CHECK(end == io_error_stale);
        reader in_next;
        REQUIRE(net.submit_read(next.far_end, in_next).is_pending());
        REQUIRE(run_until(net, [&] { return in.ended; }));
        look_around(net);
        CHECK(in_next.completions == 0);  // nothing of the old stream went into the new one
        bool in_order = true;
        for (std::size_t i = 0; i < in.bytes.size(); ++i) {
            in_order = in_order && in.bytes[i] == words[i % words.size()];
        }
        CHECK(in_order);
        net.close(both.far_end);
        net.close(next.near_end);
        net.close(next.far_end);
    }
}

TEST_CASE_TEMPLATE("threads: no wake is lost", Bed, plain_bed, faulty_bed) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    constexpr std::uint32_t rounds = 5'000;
    atom<std::uint32_t> news;
    atom<std::uint32_t> seen;
    // Each piece of news is told once; a lost wake leaves the driver asleep and the test hanging.
    std::thread teller{[&] {
        for (std::uint32_t i = 1; i <= rounds; ++i) {
            news.store_release(i);
            net.wake();
            if (i % 3 == 0) {
                net.wake();
            }
            for (std::uint32_t have = seen.load_acquire(); have < i; have = seen.load_acquire()) {
                futex_waiter::wait(seen, have, no_deadline);
            }
        }
    }};
    for (std::uint32_t have = 0; have < rounds;) {
        net.poll(poll_forever, 64);
        have = news.load_acquire();
        seen.store_release(have);
        futex_waiter::wake(seen, 1);
    }
    teller.join();
    CHECK(seen.load_relaxed() == rounds);
}

}
