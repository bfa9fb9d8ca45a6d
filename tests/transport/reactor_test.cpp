// Goal: the reactor's promises hold over real loopback sockets, with and without lossless faults in between.
// Method: both ends of each connection live in one reactor, driven by the test's thread.
#include "harness.hpp"

#include <array>

using namespace transport_test;

TEST_SUITE("transport") {

TEST_CASE_TEMPLATE("reactor: connects and accepts over IPv4 and IPv6", Bed, plain_bed, faulty_bed) {
    INFO(seed_text());
    for (const address& where : {address::loopback_ipv4(0), address::loopback_ipv6(0)}) {
        Bed bed;
        reactor& net = bed.net();
        const listener l = listen_on(net, where);
        const address target = net.local_address(l);
        CHECK(target.port() != 0);
        CHECK(target.is_loopback());
        acceptor accepts;
        REQUIRE(net.submit_accept(l, accepts).is_pending());
        std::array<connector, 3> connects;
        for (connector& c : connects) {
            c.addresses = {&target, 1};
            REQUIRE(net.submit_connect(c).is_pending());
            CHECK(c.completions == 0);
        }
        REQUIRE(run_until(net, [&] {
            return accepts.streams.size() == 3 &&
                   std::all_of(connects.begin(), connects.end(), [](auto& c) { return c.completions == 1; });
        }));
        for (connector& c : connects) {
            CHECK(c.error == 0);
            CHECK_FALSE(c.submitted());
            CHECK(net.peer_address(c.connected) == target);
            const address mine = net.local_address(c.connected);
            CHECK(std::count(accepts.peers.begin(), accepts.peers.end(), mine) == 1);
        }
        CHECK(accepts.submitted());
    }
}

TEST_CASE_TEMPLATE("reactor: a port nobody listens on refuses, and the next address is tried", Bed, plain_bed,
                   faulty_bed) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const listener gone = listen_on(net, address::loopback_ipv4(0));
    const address nobody = net.local_address(gone);
    net.close(gone);
    CHECK_FALSE(net.local_address(gone));

    connector alone;
    alone.addresses = {&nobody, 1};
    REQUIRE(net.submit_connect(alone).is_pending());
    REQUIRE(run_until(net, [&] { return alone.completions == 1; }));
    CHECK(kind_of(alone.error) == error_kind::refused);
    CHECK_FALSE(alone.connected);

    const listener there = listen_on(net, address::loopback_ipv6(0));
    acceptor accepts;
    REQUIRE(net.submit_accept(there, accepts).is_pending());
    const std::array<address, 3> list{nobody, address{}, net.local_address(there)};
    connector second;
    second.addresses = list;
    REQUIRE(net.submit_connect(second).is_pending());
    REQUIRE(run_until(net, [&] { return second.completions == 1; }));
    CHECK(second.error == 0);
    CHECK(net.peer_address(second.connected) == list[2]);
}

TEST_CASE_TEMPLATE("reactor: a megabyte both ways at once arrives whole and in order", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    stream_options small;
    small.send_buffer_bytes = 16 * 1024;
    small.receive_buffer_bytes = 16 * 1024;
    const connection both = make_link(net, small);

    struct direction {
        stream from;
        stream to;
        std::vector<std::byte> sent;
        writer out;
        reader in;
    };
    std::array<direction, 2> ways;
    ways[0].from = ways[1].to = both.near_end;
    ways[1].from = ways[0].to = both.far_end;
    std::uint64_t random = seed();
    for (direction& way : ways) {
        way.sent = pattern(1'000'003, next_random(random));
        way.in.room.resize(1 + next_random(random) % 70'000 + 4);
        way.in.room_slices = 1 + next_random(random) % 4;
        way.in.room.resize(way.in.room.size() / way.in.room_slices * way.in.room_slices);
        std::vector<io_slice> slices;
        for (std::size_t at = 0; at < way.sent.size();) {
            const std::size_t size = std::min<std::size_t>(next_random(random) % 9000, way.sent.size() - at);
            slices.push_back({way.sent.data() + at, size});
            at += size;
        }
        REQUIRE(net.submit_read(way.to, way.in).is_pending());
        REQUIRE(way.out.submit(net, way.from, slices).is_pending());
    }
    REQUIRE(run_until(net, [&] { return ways[0].out.completions == 1 && ways[1].out.completions == 1; }));
    for (direction& way : ways) {
        CHECK(way.out.result.error == 0);
        CHECK(way.out.result.bytes == way.sent.size());
        CHECK(net.shutdown_write(way.from).is_done());
    }
    REQUIRE(run_until(net, [&] { return ways[0].in.ended && ways[1].in.ended; }));
    for (direction& way : ways) {
        CHECK(way.in.error == 0);
        CHECK(way.in.bytes == way.sent);
        CHECK_FALSE(way.in.submitted());
    }
}

TEST_CASE_TEMPLATE("reactor: a half-close ends one direction only", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const connection both = make_link(net);
    const auto question = text_bytes("question");
    const auto answer = text_bytes("answer, after the end of the question");
    reader far_in;
    reader near_in;
    writer near_out;
    writer far_out;
    REQUIRE(net.submit_read(both.far_end, far_in).is_pending());
    REQUIRE(net.submit_read(both.near_end, near_in).is_pending());
    const io_status asked = write_text(net, both.near_end, near_out, question);
    REQUIRE(run_until(net, [&] { return asked.is_done() || near_out.completions == 1; }));
    CHECK(net.shutdown_write(both.near_end).is_done());
    REQUIRE(run_until(net, [&] { return far_in.ended; }));
    CHECK(far_in.error == 0);
    CHECK(far_in.bytes == question);
    CHECK_FALSE(near_in.ended);

    const io_status answered = write_text(net, both.far_end, far_out, answer);
    REQUIRE(run_until(net, [&] { return near_in.bytes.size() == answer.size(); }));
    REQUIRE(run_until(net, [&] { return answered.is_done() || far_out.completions == 1; }));
    CHECK(near_in.bytes == answer);
    CHECK(net.shutdown_write(both.far_end).is_done());
    REQUIRE(run_until(net, [&] { return near_in.ended; }));
    // Both directions ended in order: that is no reset.
    CHECK(near_in.error == 0);
    CHECK(net.submit_write(both.near_end, near_out).is_done());  // nothing to write is no error
    CHECK(write_text(net, both.near_end, near_out, question).is_failed());
}

TEST_CASE_TEMPLATE("reactor: the end is told again to a reader armed after it", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const connection both = make_link(net);
    net.close(both.near_end);
    for (int i = 0; i < 2; ++i) {
        reader late;
        REQUIRE(net.submit_read(both.far_end, late).is_pending());
        REQUIRE(run_until(net, [&] { return late.ended; }));
        CHECK(late.error == 0);
    }
}

TEST_CASE_TEMPLATE("reactor: bytes and the end that came together are told one after the other", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const connection both = make_link(net);
    const auto last_words = text_bytes("last words");
    writer out;
    const io_status status = write_text(net, both.near_end, out, last_words);
    REQUIRE(run_until(net, [&] { return status.is_done() || out.completions == 1; }));
    net.close(both.near_end);
    look_around(net);  // the edge is taken before anybody reads
    reader in;
    REQUIRE(net.submit_read(both.far_end, in).is_pending());
    REQUIRE(run_until(net, [&] { return in.ended; }));
    CHECK(in.bytes == last_words);
    CHECK(in.error == 0);
}

TEST_CASE_TEMPLATE("reactor: a reset is an error to the reader and to the writer", Bed, plain_bed, faulty_bed) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const auto words = text_bytes("into the void");

    SUBCASE("the reader meets it") {
        const connection both = make_link(net);
        reader in;
        REQUIRE(net.submit_read(both.far_end, in).is_pending());
        net.reset(both.near_end);
        REQUIRE(run_until(net, [&] { return in.ended; }));
        CHECK(kind_of(in.error) == error_kind::reset);
        writer out;
        const io_status status = write_text(net, both.far_end, out, words);
        CHECK(status.is_failed());
        CHECK(kind_of(status.error) == error_kind::reset);
    }
    SUBCASE("the writer meets it first, and the reader is not told of an orderly end") {
        const connection both = make_link(net);
        net.reset(both.near_end);
        writer out;
        int error = 0;
        REQUIRE(run_until(net, [&] {
            const io_status status = write_text(net, both.far_end, out, words);
            if (status.is_failed()) {
                error = status.error;
            } else if (status.is_pending()) {
                run_until(net, [&] { return out.completions != 0; });
                error = out.result.error;
                out.completions = 0;
            }
            return error != 0;
        }));
        CHECK(kind_of(error) == error_kind::reset);
        reader in;
        REQUIRE(net.submit_read(both.far_end, in).is_pending());
        REQUIRE(run_until(net, [&] { return in.ended; }));
        CHECK(kind_of(in.error) == error_kind::reset);
    }
    SUBCASE("a parked write is told") {
        stream_options small;
        small.send_buffer_bytes = 8 * 1024;
        small.receive_buffer_bytes = 8 * 1024;
        const connection both = make_link(net, small);
        const auto much = pattern(4'000'000, 1);
        writer out;
        REQUIRE(write_text(net, both.far_end, out, much).is_pending());
        look_around(net);
        CHECK(out.completions == 0);
        net.reset(both.near_end);
        REQUIRE(run_until(net, [&] { return out.completions == 1; }));
        CHECK(kind_of(out.result.error) == error_kind::reset);
        CHECK(out.result.bytes < much.size());
    }
}

TEST_CASE_TEMPLATE("reactor: a close drops the parked write and the armed read", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    stream_options small;
    small.send_buffer_bytes = 8 * 1024;
    small.receive_buffer_bytes = 8 * 1024;
    const connection both = make_link(net, small);
    const auto much = pattern(4'000'000, 1);
    writer out;
    reader in;
    REQUIRE(net.submit_read(both.far_end, in).is_pending());
    REQUIRE(write_text(net, both.far_end, out, much).is_pending());
    look_around(net);
    CHECK(out.submitted());
    net.close(both.far_end);
    CHECK_FALSE(out.submitted());
    CHECK_FALSE(in.submitted());
    CHECK(write_text(net, both.far_end, out, much).error == io_error_stale);
    CHECK(net.submit_read(both.far_end, in).error == io_error_stale);
    CHECK(net.shutdown_write(both.far_end).error == io_error_stale);
    CHECK_FALSE(net.local_address(both.far_end));
    net.close(both.far_end);
    look_around(net);
    CHECK(out.completions == 0);
    CHECK(in.completions == 0);

    // What the system had taken arrives, and then the end.
    reader rest;
    REQUIRE(net.submit_read(both.near_end, rest).is_pending());
    REQUIRE(run_until(net, [&] { return rest.ended; }));
    REQUIRE(rest.bytes.size() <= much.size());
    CHECK(std::equal(rest.bytes.begin(), rest.bytes.end(), much.begin()));
}

TEST_CASE_TEMPLATE("reactor: after cancel nothing is told, and nothing is lost", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();

    SUBCASE("read") {
        const connection both = make_link(net);
        const auto words = text_bytes("kept for the next reader");
        reader first;
        writer out;
        REQUIRE(net.submit_read(both.far_end, first).is_pending());
        const io_status status = write_text(net, both.near_end, out, words);
        net.cancel(first);
        net.cancel(first);
        look_around(net);
        CHECK((status.is_done() || out.completions == 1));
        CHECK(first.completions == 0);
        reader second;
        REQUIRE(net.submit_read(both.far_end, second).is_pending());
        CHECK(net.submit_read(both.far_end, first).error == io_error_bad_argument);
        REQUIRE(run_until(net, [&] { return second.bytes.size() == words.size(); }));
        CHECK(second.bytes == words);
    }
    SUBCASE("accept") {
        const listener l = listen_on(net, address::loopback_ipv4(0));
        const address target = net.local_address(l);
        acceptor first;
        REQUIRE(net.submit_accept(l, first).is_pending());
        connector c;
        c.addresses = {&target, 1};
        REQUIRE(net.submit_connect(c).is_pending());
        net.cancel(first);
        REQUIRE(run_until(net, [&] { return c.completions == 1; }));
        look_around(net);
        CHECK(first.streams.empty());
        acceptor second;
        REQUIRE(net.submit_accept(l, second).is_pending());
        REQUIRE(run_until(net, [&] { return second.streams.size() == 1; }));
        CHECK(second.peers[0] == net.local_address(c.connected));
    }
    SUBCASE("connect") {
        const listener l = listen_on(net, address::loopback_ipv4(0));
        const address target = net.local_address(l);
        // More rounds than there are slots: a cancelled connect gives its slot back.
        for (int i = 0; i < 200; ++i) {
            connector c;
            c.addresses = {&target, 1};
            REQUIRE(net.submit_connect(c).is_pending());
            if (i % 2 != 0) {
                net.poll(0, 64);
            }
            const int before = c.completions;
            net.cancel(c);
            CHECK_FALSE(c.submitted());
            look_around(net);
            CHECK(c.completions == before);
            net.close(c.connected);
        }
    }
    SUBCASE("write") {
        stream_options small;
        small.send_buffer_bytes = 8 * 1024;
        small.receive_buffer_bytes = 8 * 1024;
        const connection both = make_link(net, small);
        const auto much = pattern(4'000'000, 1);
        writer out;
        REQUIRE(write_text(net, both.near_end, out, much).is_pending());
        net.cancel(out);
        CHECK_FALSE(out.submitted());
        reader in;
        REQUIRE(net.submit_read(both.far_end, in).is_pending());
        look_around(net);
        CHECK(out.completions == 0);
        CHECK(in.bytes.size() < much.size());
        net.close(both.near_end);
        REQUIRE(run_until(net, [&] { return in.ended; }));
    }
}

TEST_CASE_TEMPLATE("reactor: an empty offer pauses reading until it is submitted again", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const connection both = make_link(net);
    const auto words = text_bytes("patience");
    reader in;
    in.refuse = true;
    writer out;
    REQUIRE(net.submit_read(both.far_end, in).is_pending());
    look_around(net);
    CHECK(in.offers == 0);  // an idle stream asks for no buffer
    const io_status status = write_text(net, both.near_end, out, words);
    REQUIRE(run_until(net, [&] { return !in.submitted() && (status.is_done() || out.completions == 1); }));
    look_around(net);
    CHECK(in.offers == 1);
    CHECK(in.completions == 0);
    in.refuse = false;
    REQUIRE(net.submit_read(both.far_end, in).is_pending());
    REQUIRE(run_until(net, [&] { return in.bytes.size() == words.size(); }));
    CHECK(in.bytes == words);
}

TEST_CASE_TEMPLATE("reactor: a stream closed by another's completion is not heard of again", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed{4};
    reactor& net = bed.net();
    const auto words = text_bytes("to one of two");
    for (int round = 0; round < 20; ++round) {
        const connection a = make_link(net);
        const connection b = make_link(net);
        reader in_a;
        reader in_b;
        int told = 0;
        // Both are readable in one batch; whoever is served first closes both and opens the slot to a new life.
        const auto close_both = [&] {
            ++told;
            net.close(a.far_end);
            net.close(b.far_end);
        };
        in_a.on_bytes = close_both;
        in_b.on_bytes = close_both;
        writer out_a;
        writer out_b;
        const io_status wrote_a = write_text(net, a.near_end, out_a, words);
        const io_status wrote_b = write_text(net, b.near_end, out_b, words);
        REQUIRE(run_until(net, [&] {
            return (wrote_a.is_done() || out_a.completions == 1) && (wrote_b.is_done() || out_b.completions == 1);
        }));
        REQUIRE(net.submit_read(a.far_end, in_a).is_pending());
        REQUIRE(net.submit_read(b.far_end, in_b).is_pending());
        REQUIRE(run_until(net, [&] { return told != 0; }));
        net.close(a.near_end);
        net.close(b.near_end);
        const connection later = make_link(net);
        reader in_later;
        REQUIRE(net.submit_read(later.far_end, in_later).is_pending());
        look_around(net);
        CHECK(told == 1);
        CHECK(in_later.completions == 0);
        CHECK(in_a.completions + in_b.completions == 1);
        net.close(later.near_end);
        net.close(later.far_end);
    }
}

TEST_CASE_TEMPLATE("reactor: a full table turns connections away and says so", Bed, plain_bed, faulty_bed) {
    INFO(seed_text());
    Bed bed{4};
    reactor& net = bed.net();
    const listener l = listen_on(net, address::loopback_ipv4(0));
    const address target = net.local_address(l);
    acceptor accepts;
    REQUIRE(net.submit_accept(l, accepts).is_pending());
    std::array<connector, 5> connects;
    for (std::size_t i = 0; i < 3; ++i) {
        connects[i].addresses = {&target, 1};
        REQUIRE(net.submit_connect(connects[i]).is_pending());
    }
    // Three slots connect, so one is left to accept into.
    REQUIRE(run_until(net, [&] { return accepts.streams.size() + accepts.errors.size() == 3; }));
    CHECK(accepts.streams.size() == 1);
    CHECK(accepts.errors == std::vector<int>{io_error_table_full, io_error_table_full});
    CHECK(kind_of(io_error_table_full) == error_kind::exhausted);
    CHECK(net.counters().accepts_no_slot == 2);
    connects[3].addresses = {&target, 1};
    CHECK(net.submit_connect(connects[3]).error == io_error_table_full);
    REQUIRE(run_until(net, [&] {
        return connects[0].completions + connects[1].completions + connects[2].completions == 3;
    }));
    int cut = 0;
    for (std::size_t i = 0; i < 3; ++i) {
        REQUIRE(connects[i].error == 0);
        if (net.local_address(connects[i].connected) == accepts.peers[0]) {
            continue;
        }
        reader in;
        REQUIRE(net.submit_read(connects[i].connected, in).is_pending());
        REQUIRE(run_until(net, [&] { return in.ended; }));
        net.close(connects[i].connected);
        ++cut;
    }
    CHECK(cut == 2);
    // Room again: the listener goes on.
    connects[4].addresses = {&target, 1};
    REQUIRE(net.submit_connect(connects[4]).is_pending());
    REQUIRE(run_until(net, [&] { return accepts.streams.size() == 2; }));
}

TEST_CASE_TEMPLATE("reactor: the budget bounds a poll and no stream starves another", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const connection loud = make_link(net);
    const connection quiet = make_link(net);
    const auto much = pattern(300'000, 3);
    const auto little = text_bytes("x");
    reader in_loud;
    in_loud.room.resize(100);
    reader in_quiet;
    REQUIRE(net.submit_read(loud.far_end, in_loud).is_pending());
    REQUIRE(net.submit_read(quiet.far_end, in_quiet).is_pending());
    writer out_loud;
    writer out_quiet;
    const io_status status_loud = write_text(net, loud.near_end, out_loud, much);
    const io_status status_quiet = write_text(net, quiet.near_end, out_quiet, little);
    std::size_t polls = 0;
    std::uint32_t most = 0;
    while (in_quiet.bytes.empty() && polls < 100'000) {
        most = std::max(most, net.poll(0, 1));
        ++polls;
    }
    CHECK(in_quiet.bytes.size() == 1);
    CHECK(most == 1);
    CHECK(in_loud.bytes.size() < much.size());
    CHECK(net.next_deadline_ns() == 0);  // there is more to read without waiting
    REQUIRE(run_until(net, [&] {
        return in_loud.bytes.size() == much.size() && (status_loud.is_done() || out_loud.completions == 1) &&
               (status_quiet.is_done() || out_quiet.completions == 1);
    }));
    CHECK(in_loud.bytes == much);
    look_around(net);
    CHECK(net.next_deadline_ns() == UINT64_MAX);
}

TEST_CASE_TEMPLATE("reactor: what is stale or wrong is refused", Bed, COLLOQUY_BEDS) {
    INFO(seed_text());
    Bed bed{8};
    reactor& net = bed.net();
    reader in;
    writer out;
    acceptor accepts;
    connector c;
    const auto words = text_bytes("words");
    const connection both = make_link(net);
    for (const stream wrong : {stream{}, stream{0, 0}, stream{8, 1}, stream{UINT32_MAX, 1}, stream{7, 1},
                               stream{both.near_end.index, both.near_end.generation + 1}}) {
        CHECK(write_text(net, wrong, out, words).error == io_error_stale);
        CHECK(net.shutdown_write(wrong).error == io_error_stale);
        CHECK(net.submit_read(wrong, in).error == io_error_stale);
        CHECK_FALSE(net.peer_address(wrong));
        net.close(wrong);
        net.reset(wrong);
    }
    CHECK(net.submit_accept(listener{}, accepts).error == io_error_stale);
    CHECK(net.submit_accept(listener{99, 1}, accepts).error == io_error_stale);
    CHECK(net.submit_connect(c).error == io_error_bad_argument);
    listener l;
    CHECK(net.listen(address{}, {}, l).error == io_error_bad_argument);
    const listener first = listen_on(net, address::loopback_ipv4(0));
    CHECK(kind_of(net.listen(net.local_address(first), {}, l).error) == error_kind::other);  // address in use
    REQUIRE(net.submit_accept(first, accepts).is_pending());
    acceptor another;
    CHECK(net.submit_accept(first, another).error == io_error_bad_argument);
    // The link is untouched by all that.
    REQUIRE(net.submit_read(both.far_end, in).is_pending());
    const io_status status = write_text(net, both.near_end, out, words);
    REQUIRE(run_until(net, [&] { return in.bytes == words && (status.is_done() || out.completions == 1); }));
}

TEST_CASE_TEMPLATE("reactor: names are resolved without asking the network", Bed, plain_bed, faulty_bed) {
    INFO(seed_text());
    Bed bed;
    reactor& net = bed.net();
    const auto ask = [&](std::string_view host, address_family family) {
        auto q = std::make_unique<name_question>();
        q->host = host;
        q->port = 7000;
        q->family = family;
        REQUIRE(net.submit_resolve(*q).is_pending());
        CHECK(q->completions == 0);  // never from inside the submit
        return q;
    };
    SUBCASE("numeric") {
        const auto v4 = ask("127.0.0.1", address_family::none);
        const auto v6 = ask("::1", address_family::ipv6);
        const auto wrong_family = ask("::1", address_family::ipv4);
        CHECK(net.next_deadline_ns() == 0);
        REQUIRE(run_until(net, [&] { return v4->completions + v6->completions + wrong_family->completions == 3; }));
        REQUIRE(v4->answer.size() == 1);
        CHECK(v4->answer[0] == address::loopback_ipv4(7000));
        REQUIRE(v6->answer.size() == 1);
        CHECK(v6->answer[0] == address::loopback_ipv6(7000));
        CHECK(kind_of(wrong_family->error) == error_kind::unknown_name);
    }
    SUBCASE("localhost") {
        const auto q = ask("localhost", address_family::ipv4);
        REQUIRE(run_until(net, [&] { return q->completions == 1; }));
        CHECK(q->error == 0);
        REQUIRE_FALSE(q->answer.empty());
        CHECK(q->answer[0] == address::loopback_ipv4(7000));
        // The name leads to a connection.
        const listener l = listen_on(net, address::loopback_ipv4(0));
        for (address& a : q->answer) {
            a.set_port(net.local_address(l).port());
        }
        connector c;
        c.addresses = q->answer;
        REQUIRE(net.submit_connect(c).is_pending());
        REQUIRE(run_until(net, [&] { return c.completions == 1; }));
        CHECK(c.error == 0);
    }
    SUBCASE("unknown") {
        for (const std::string_view name : {"no-such-host.invalid", "invalid", "a.b.INVALID."}) {
            const auto q = ask(name, address_family::none);
            REQUIRE(run_until(net, [&] { return q->completions == 1; }));
            CHECK(q->answer.empty());
            CHECK(kind_of(q->error) == error_kind::unknown_name);
        }
    }
    SUBCASE("refused") {
        name_question q;
        CHECK(net.submit_resolve(q).error == io_error_bad_argument);
        const std::string long_name(300, 'a');
        q.host = long_name;
        CHECK(net.submit_resolve(q).error == io_error_bad_argument);
    }
    SUBCASE("cancelled, more often than there are requests") {
        for (int i = 0; i < 300; ++i) {
            const auto q = ask(i % 3 == 0 ? "localhost" : i % 3 == 1 ? "127.0.0.1" : "x.invalid", address_family::none);
            net.cancel(*q);
            CHECK_FALSE(q->submitted());
            net.poll(0, 64);
            net.poll(0, 64);
            CHECK(q->completions == 0);
        }
        look_around(net);
        CHECK(net.next_deadline_ns() == UINT64_MAX);
    }
    SUBCASE("too many") {
        std::vector<std::unique_ptr<name_question>> all;
        for (int i = 0; i < 64; ++i) {
            all.push_back(ask("127.0.0.1", address_family::none));
        }
        name_question one_more;
        one_more.host = "127.0.0.1";
        CHECK(net.submit_resolve(one_more).error == io_error_table_full);
        REQUIRE(run_until(net, [&] {
            return std::all_of(all.begin(), all.end(), [](auto& q) { return q->completions == 1; });
        }));
        CHECK(net.submit_resolve(one_more).is_pending());
        net.cancel(one_more);
    }
}

TEST_CASE("reactor: a host's loop sees the wait handle become readable") {
    plain_bed bed;
    reactor& net = bed.net();
    const std::intptr_t handle = net.wait_handle();
    const auto readable = [&] { return is_signalled(handle, 0); };
    CHECK_FALSE(readable());
    net.wake();
    net.wake();
    CHECK(readable());
    CHECK(net.poll(0, 64) == 0);
    CHECK_FALSE(readable());
    net.wake();
    CHECK(readable());
    net.poll(0, 64);

    const connection both = make_link(net);
    reader in;
    REQUIRE(net.submit_read(both.far_end, in).is_pending());
    while (readable()) {
        net.poll(0, 64);
    }
    const auto words = text_bytes("host");
    writer out;
    REQUIRE(write_text(net, both.near_end, out, words).is_done());
    // Bounded, so that a handle that says nothing fails the test instead of hanging it.
    while (in.bytes != words && (net.next_deadline_ns() == 0 || is_signalled(handle, 60'000))) {
        net.poll(0, 64);
    }
    CHECK(in.bytes == words);
    while (readable() || net.next_deadline_ns() == 0) {
        net.poll(0, 64);
    }
    CHECK_FALSE(readable());
}

TEST_CASE("reactor: a deadline ends a wait") {
    plain_bed bed;
    const std::uint64_t before = now_ns();
    CHECK(bed.net().poll(2'000'000, 64) == 0);
    CHECK(now_ns() - before >= 2'000'000);
    CHECK(bed.net().counters().waits == 1);
}

}
