// Logical records. Goal: writers and readers agree at every size and however the stream is cut, and a caller's buffer
// limit is kept. Method: records of random sizes are written, cut at random, read back and compared.
#include <doctest/doctest.h>

#include <random>

#include "runtime/wire/gds.hpp"
#include "tests/unit/wire_test_bytes.hpp"

namespace {

using namespace colloquy;
using test::byte_vector;
using test::exact_copy;

void append_record(byte_vector& stream, std::span<const std::byte> data) {
    std::size_t done = 0;
    bool first = true;
    do {
        std::byte header[wire::llid_size];
        const wire::segment_header segment = wire::write_segment_header(header, data.size() - done, first);
        stream.insert(stream.end(), header, header + segment.size);
        const auto part = data.subspan(done, segment.data_size);
        stream.insert(stream.end(), part.begin(), part.end());
        done += segment.data_size;
        first = false;
    } while (done < data.size());
}

byte_vector random_bytes(std::mt19937_64& random, std::size_t size) {
    byte_vector out(size);
    for (std::byte& b : out) b = static_cast<std::byte>(random() & 0xFF);
    return out;
}

}  // namespace

TEST_SUITE("unit") {
    TEST_CASE("wire_gds: lengths that are none") {
        for (const std::uint16_t bad :
             {std::uint16_t{0}, std::uint16_t{1}, std::uint16_t{0x8000}, std::uint16_t{0x8001}}) {
            CHECK_FALSE(wire::parse_ll(bad).valid);
        }
        CHECK(wire::parse_ll(2).valid);
        CHECK(wire::parse_ll(0xFFFF).continued);
        CHECK(wire::parse_ll(0xFFFF).size == 0x7FFF);
        CHECK_FALSE(wire::parse_ll(0x7FFF).continued);
    }

    TEST_CASE("wire_gds: one segment as long as possible, more only when needed") {
        std::byte h[wire::llid_size];
        auto segment = wire::write_segment_header(h, 32763, true);
        CHECK(segment.size == 4);
        CHECK(segment.data_size == 32763);
        CHECK(wire::load_u32(h) == 0x7FFF12FF);
        segment = wire::write_segment_header(h, 32764, true);
        CHECK(segment.data_size == 32763);
        CHECK(wire::load_u32(h) == 0xFFFF12FF);
        segment = wire::write_segment_header(h, 1, false);
        CHECK(segment.size == 2);
        CHECK(segment.data_size == 1);
        CHECK(wire::load_u16(h) == 0x0003);
        CHECK(wire::write_segment_header(h, 32765, false).data_size == 32765);
        CHECK(wire::load_u16(h) == 0x7FFF);
        wire::write_segment_header(h, 0, true);
        CHECK(wire::load_u32(h) == 0x000412F1);
    }

    TEST_CASE("wire_gds: the announced size is the written size") {
        for (const std::size_t n :
             {0UL, 1UL, 32762UL, 32763UL, 32764UL, 65528UL, 65529UL, 65530UL, 98293UL, 98294UL, 200000UL}) {
            byte_vector stream;
            append_record(stream, byte_vector(n));
            CAPTURE(n);
            CHECK(stream.size() == wire::mapped_record_size(n));
        }
    }

    TEST_CASE("wire_gds: records come back however the stream is cut and the buffer limited") {
        const auto seed = test::test_seed();
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        for (int round = 0; round < 300; ++round) {
            std::vector<byte_vector> sent;
            byte_vector stream;
            const std::size_t count = random() % 6 + 1;
            for (std::size_t i = 0; i < count; ++i) {
                const std::size_t size = random() % 20 == 0 ? random() % 100000 : random() % 40;
                sent.push_back(random_bytes(random, size));
                append_record(stream, sent.back());
            }
            std::vector<byte_vector> received;
            byte_vector current;
            wire::record_reader reader;
            std::size_t at = 0;
            while (at < stream.size()) {
                const std::size_t most = random() % 4 == 0 ? 50000 : 7;
                const std::size_t piece = std::min<std::size_t>(random() % most + 1, stream.size() - at);
                const exact_copy copy{std::span{stream}.subspan(at, piece)};
                at += piece;
                auto rest = copy.span();
                while (!rest.empty()) {
                    const std::size_t room = random() % 3 == 0 ? random() % 5 : 40000;
                    const wire::record_step step = reader.feed(rest, room);
                    REQUIRE(step.fault == wire::record_fault::none);
                    REQUIRE(step.data.size() <= room);
                    REQUIRE((step.consumed > 0 || room == 0));
                    if (step.start) REQUIRE(current.empty());
                    current.insert(current.end(), step.data.begin(), step.data.end());
                    if (step.end) {
                        REQUIRE(step.null_record == current.empty());
                        received.push_back(std::move(current));
                        current.clear();
                        REQUIRE(reader.at_boundary());
                    }
                    rest = rest.subspan(step.consumed);
                }
            }
            REQUIRE(reader.at_boundary());
            REQUIRE(received == sent);
        }
    }

    TEST_CASE("wire_gds: without room for data the header is taken and the rest is left") {
        const auto stream = test::hex_bytes("0007 12FF 414243");
        wire::record_reader reader;
        auto step = reader.feed(stream, 0);
        CHECK(step.consumed == 4);
        CHECK(step.data.empty());
        CHECK_FALSE(step.start);
        CHECK_FALSE(reader.at_boundary());
        CHECK(reader.remaining() == 3);
        step = reader.feed(std::span{stream}.subspan(4), 2);
        CHECK(step.start);
        CHECK_FALSE(step.end);
        CHECK(step.consumed == 2);
        step = reader.feed(std::span{stream}.subspan(6), 2);
        CHECK_FALSE(step.start);
        CHECK(step.end);
        CHECK(reader.at_boundary());
    }

    TEST_CASE("wire_gds: a half header is no boundary, and a fault stays") {
        wire::record_reader reader;
        CHECK(reader.at_boundary());
        CHECK(reader.feed({}).consumed == 0);
        CHECK(reader.feed(test::hex_bytes("00")).consumed == 1);
        CHECK_FALSE(reader.at_boundary());
        CHECK(reader.feed(test::hex_bytes("01")).fault == wire::record_fault::length);
        CHECK(reader.feed(test::hex_bytes("000512FF41")).fault == wire::record_fault::length);
        CHECK(reader.feed(test::hex_bytes("000512FF41")).consumed == 0);
        CHECK_FALSE(reader.at_boundary());
    }

    TEST_CASE("wire_gds: the tracker finds the records of a basic conversation in any pieces") {
        const auto stream = test::hex_bytes("0005 AABBCC 0002 8003 DD 0004 0102");
        const std::vector<std::size_t> expected{5, 7, 10, 14};
        for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
            wire::record_tracker tracker;
            std::vector<std::size_t> ends;
            for (std::size_t at = 0; at < stream.size();) {
                const exact_copy copy{std::span{stream}.subspan(at, std::min(piece, stream.size() - at))};
                const wire::tracker_step step = tracker.feed(copy.span());
                REQUIRE(step.fault == wire::record_fault::none);
                REQUIRE(step.consumed > 0);
                at += step.consumed;
                if (step.end) ends.push_back(at);
                REQUIRE(step.end == tracker.at_boundary());
            }
            CHECK(ends == expected);
        }
        for (const char* bad : {"0000", "0001", "8000", "8001"}) {
            wire::record_tracker tracker;
            const auto two = test::hex_bytes(bad);
            CHECK(tracker.feed(std::span{two}.first(1)).fault == wire::record_fault::none);
            CHECK_FALSE(tracker.at_boundary());
            CHECK(tracker.feed(std::span{two}.subspan(1)).fault == wire::record_fault::length);
            tracker.reset();
            CHECK(tracker.at_boundary());
        }
    }
}
