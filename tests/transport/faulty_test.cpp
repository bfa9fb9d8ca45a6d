// Goal: the fault decorator brings the faults it is asked for, from its seed, and only those.
#include "harness.hpp"

using namespace transport_test;

namespace {

// A faulty reactor at hand by its own type, for inject().
struct faults {
    std::unique_ptr<reactor> inner = make_plain(16);
    std::unique_ptr<faulty_reactor> net;

    explicit faults(const fault_options& options) : net{std::make_unique<faulty_reactor>(*inner, options)} {}
};

fault_options only(std::uint32_t mask) {
    fault_options options;
    options.seed = seed();
    options.mask = mask;
    return options;
}

}  // namespace

TEST_SUITE("transport") {

TEST_CASE("faulty: one seed gives one run") {
    INFO(seed_text());
    const auto sizes_read = [](std::uint64_t from) {
        fault_options options = only(fault_short_read);
        options.seed = from;
        faults f{options};
        const connection both = make_link(*f.net);
        const auto words = pattern(20'000, 5);
        reader in;
        in.room.resize(500);  // so many reads that two seeds agree by chance never
        writer out;
        std::vector<std::size_t> sizes;
        in.on_bytes = [&] { sizes.push_back(in.bytes.size()); };
        REQUIRE(write_text(*f.net, both.near_end, out, words).is_done());
        REQUIRE(f.net->submit_read(both.far_end, in).is_pending());
        REQUIRE(run_until(*f.net, [&] { return in.bytes.size() == words.size(); }));
        CHECK(in.bytes == words);
        return sizes;
    };
    const auto first = sizes_read(seed());
    CHECK(first.size() > 40);
    CHECK(first == sizes_read(seed()));
    CHECK(first != sizes_read(seed() + 1));
}

TEST_CASE("faulty: short writes are finished by the driver") {
    INFO(seed_text());
    faults f{only(fault_short_write)};
    const connection both = make_link(*f.net);
    const auto words = pattern(2'000, 5);
    reader in;
    REQUIRE(f.net->submit_read(both.far_end, in).is_pending());
    int pending = 0;
    for (std::size_t i = 1; i <= 200; ++i) {
        writer out;
        const io_status status = write_text(*f.net, both.near_end, out, words);
        REQUIRE_FALSE(status.is_failed());
        pending += status.is_pending();
        CHECK(f.net->next_deadline_ns() == (status.is_pending() ? 0 : UINT64_MAX));
        REQUIRE(run_until(*f.net, [&] { return in.bytes.size() == i * words.size(); }));
        REQUIRE(run_until(*f.net, [&] { return status.is_done() || out.completions == 1; }));
        if (status.is_pending()) {
            CHECK(out.result.bytes == words.size());
        }
    }
    CHECK(pending > 0);
    CHECK(pending < 200);
}

TEST_CASE("faulty: without faults it changes nothing") {
    faults f{only(0)};
    const connection both = make_link(*f.net);
    const auto words = pattern(5'000, 5);
    reader in;
    writer out;
    REQUIRE(write_text(*f.net, both.near_end, out, words).is_done());
    REQUIRE(f.net->submit_read(both.far_end, in).is_pending());
    REQUIRE(run_until(*f.net, [&] { return in.completions != 0; }));
    CHECK(in.completions == 1);
    CHECK(in.bytes == words);
}

TEST_CASE("faulty: an injected reset is told to reader and writer here, and to the partner at the close") {
    INFO(seed_text());
    faults f{only(0)};
    stream_options small;
    small.send_buffer_bytes = 8 * 1024;
    small.receive_buffer_bytes = 8 * 1024;
    const connection both = make_link(*f.net, small);
    const auto much = pattern(4'000'000, 5);
    reader in;
    reader far_in;
    writer out;
    REQUIRE(f.net->submit_read(both.near_end, in).is_pending());
    REQUIRE(write_text(*f.net, both.near_end, out, much).is_pending());
    f.net->inject(both.near_end, fault_reset);
    REQUIRE(run_until(*f.net, [&] { return in.ended && out.completions == 1; }));
    CHECK(kind_of(in.error) == error_kind::reset);
    CHECK(kind_of(out.result.error) == error_kind::reset);
    CHECK(kind_of(write_text(*f.net, both.near_end, out, much).error) == error_kind::reset);
    REQUIRE(f.net->submit_read(both.far_end, far_in).is_pending());
    f.net->close(both.near_end);
    REQUIRE(run_until(*f.net, [&] { return far_in.ended; }));
    CHECK(kind_of(far_in.error) == error_kind::reset);
}

TEST_CASE("faulty: an injected half-close ends reading only") {
    faults f{only(0)};
    const connection both = make_link(*f.net);
    const auto words = text_bytes("still open this way");
    reader in;
    reader far_in;
    writer out;
    REQUIRE(f.net->submit_read(both.near_end, in).is_pending());
    REQUIRE(f.net->submit_read(both.far_end, far_in).is_pending());
    f.net->inject(both.near_end, fault_half_close);
    REQUIRE(run_until(*f.net, [&] { return in.ended; }));
    CHECK(in.error == 0);
    REQUIRE(write_text(*f.net, both.near_end, out, words).is_done());
    REQUIRE(run_until(*f.net, [&] { return far_in.bytes == words; }));
}

TEST_CASE("faulty: a stalled stream is silent until it is let go") {
    faults f{only(0)};
    const connection both = make_link(*f.net);
    const auto words = text_bytes("late");
    reader in;
    writer out;
    REQUIRE(f.net->submit_read(both.far_end, in).is_pending());
    f.net->inject(both.far_end, fault_stall);
    REQUIRE(write_text(*f.net, both.near_end, out, words).is_done());
    look_around(*f.net);
    CHECK(in.completions == 0);
    f.net->unstall(both.far_end);
    REQUIRE(run_until(*f.net, [&] { return in.bytes == words; }));
}

TEST_CASE("faulty: lossy faults strike by chance") {
    INFO(seed_text());
    fault_options options = only(fault_reset | fault_half_close);
    options.lossy_per_mille = 300;
    faults f{options};
    int resets = 0;
    int ends = 0;
    const auto words = text_bytes("x");
    for (int i = 0; i < 200; ++i) {
        const connection both = make_link(*f.net);
        reader in;
        writer out;
        REQUIRE(f.net->submit_read(both.far_end, in).is_pending());
        REQUIRE(write_text(*f.net, both.near_end, out, words).is_done());
        REQUIRE(run_until(*f.net, [&] { return in.completions == 1; }));
        resets += in.ended && kind_of(in.error) == error_kind::reset;
        ends += in.ended && in.error == 0;
        f.net->close(both.near_end);
        f.net->close(both.far_end);
    }
    CHECK(resets > 0);
    CHECK(ends > 0);
    CHECK(resets + ends < 200);
}

}
