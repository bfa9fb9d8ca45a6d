// Frame headers. Goal: encode and decode are inverse, and the validity check accepts exactly what docs/protocol.md
// allows. Method: the check is compared, over every type and every combination of indicators, with a second formulation
// of the rules.
#include <doctest/doctest.h>

#include <array>
#include <random>
#include <string>
#include <string_view>

#include "runtime/wire/frame.hpp"
#include "runtime/wire/reason.hpp"
#include "tests/unit/wire_test_bytes.hpp"

namespace {

using namespace colloquy::wire;
using colloquy::test::exact_copy;

bool allowed_indicators(unsigned type, unsigned bits) {
    if (type == 0x11) return bits == 0 || bits == 1;
    if (type != 0x10) return bits == 0;
    const bool bb = bits & 0x80, prg = bits & 0x40, cd = bits & 0x20, rqd = bits & 0x10, fmh = bits & 8, ceb = bits & 1;
    if (bits & 6) return false;
    if (cd && ceb) return false;
    if (prg && !fmh) return false;
    return !(fmh && (bb || rqd));
}

bool allowed_length(unsigned type, unsigned bits, std::size_t n) {
    switch (type) {
        case 0x01: return n >= 30 && n <= 1024;
        case 0x02:
        case 0x06: return n >= 3 && n <= 258;
        case 0x03:
        case 0x04:
        case 0x09: return n == 8;
        case 0x07: return n >= 3 && n <= 66;
        case 0x08: return n >= 4 && n <= 67;
        case 0x05:
        case 0x13: return n == 4;
        case 0x11:
        case 0x12:
        case 0x15: return n == 0;
        case 0x14: return n >= 1 && n <= 86;
        case 0x16: return n >= 12 && n <= 93;
        case 0x17: return n == 2;
        default: break;
    }
    if (bits & 0x80) return n >= 16;
    if (bits & 0x08) return n >= 7 && n <= 782;
    return n > 0 || bits != 0;
}

}  // namespace

TEST_SUITE("unit") {
    TEST_CASE("wire_frame: any eight bytes decode and encode to themselves") {
        const auto seed = colloquy::test::test_seed();
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        for (int i = 0; i < 20000; ++i) {
            std::byte raw[frame_header_size];
            store_u64(raw, random());
            const exact_copy copy{raw};
            std::byte again[frame_header_size];
            encode_header(again, decode_header(copy.span().data()));
            REQUIRE(load_u64(again) == load_u64(raw));
        }
    }

    TEST_CASE("wire_frame: the order of the fields is that of the network") {
        std::byte out[frame_header_size];
        encode_header(out, {0x0102, frame_type::credit, 0x05, 0x06070809});
        const auto expected = colloquy::test::hex_bytes("0102 13 05 06070809");
        CHECK(std::equal(expected.begin(), expected.end(), out));
    }

    TEST_CASE("wire_frame: the check agrees with the rules for every type, indicator and length class") {
        constexpr std::array<std::size_t, 33> lengths{0,  1,  2,  3,   4,   5,   6,   7,    8,    9,    11,
                                                      12, 14, 15, 16,  28,  29,  30,  66,   67,   68,   86,
                                                      87, 93, 94, 258, 259, 782, 783, 1024, 1025, 9999, 65535};
        for (unsigned type = 0; type < 256; ++type) {
            const bool on_link = type >= 1 && type <= 9;
            const bool known = on_link || (type >= 0x10 && type <= 0x17);
            for (unsigned bits = 0; bits < 256; ++bits) {
                for (const std::size_t n : lengths) {
                    for (const std::uint32_t channel : {0U, 1U, 2U, 3U, 0xFFFFFFFFU}) {
                        const frame_header h{static_cast<std::uint16_t>(n), static_cast<frame_type>(type),
                                             static_cast<std::uint8_t>(bits), channel};
                        frame_fault expected = frame_fault::none;
                        if (!known) {
                            expected = frame_fault::type;
                        } else if (on_link ? channel != 0 : channel < 2) {
                            expected = frame_fault::channel;
                        } else if (!allowed_indicators(type, bits)) {
                            expected = frame_fault::indicators;
                        } else if (!allowed_length(type, bits, n)) {
                            expected = frame_fault::length;
                        }
                        const frame_fault found = check_header(h);
                        if (found != expected) {
                            CAPTURE(type);
                            CAPTURE(bits);
                            CAPTURE(n);
                            CAPTURE(channel);
                            REQUIRE(std::string_view(name(found)) == name(expected));
                        }
                    }
                }
            }
        }
    }

    TEST_CASE("wire_frame: channels name side and index, and never the link") {
        for (const link_side side : {link_side::acceptor, link_side::connector}) {
            for (const std::uint32_t index : {0U, 1U, 77U, channel_index_max}) {
                const std::uint32_t channel = make_channel(side, index);
                CHECK(channel >= 2);
                CHECK(channel_side(channel) == side);
                CHECK(channel_index(channel) == index);
            }
        }
        CHECK(make_channel(link_side::connector, 0) == 3);
        CHECK(make_channel(link_side::acceptor, 0) == 2);
        CHECK(make_channel(link_side::connector, channel_index_max) == 0xFFFFFFFF);
        // What names no conversation must not fall into anybody's table.
        CHECK(channel_index(0) == 0xFFFFFFFF);
        CHECK(channel_index(1) == 0xFFFFFFFF);
    }

    TEST_CASE("wire_frame: only frames that can pile up are charged") {
        const auto charge = [](std::size_t n, unsigned bits, frame_type type = frame_type::data) {
            return frame_charge(frame_header{static_cast<std::uint16_t>(n), type, static_cast<std::uint8_t>(bits), 3});
        };
        CHECK(charge(1, 0) == 65);
        CHECK(charge(65535, indicator::begin) == 65599);
        CHECK(charge(10, indicator::conditional_end) == 74);
        CHECK(charge(7, indicator::fm_header) == 71);
        CHECK(charge(7, indicator::fm_header | indicator::change_direction) == 71);
        CHECK(charge(7, indicator::fm_header | indicator::purging) == 0);
        CHECK(charge(7, indicator::fm_header | indicator::conditional_end) == 0);
        CHECK(charge(0, indicator::change_direction) == 0);
        CHECK(charge(0, indicator::definite_response | indicator::conditional_end) == 0);
        CHECK(charge(4, 0, frame_type::credit) == 0);
        CHECK(charge(0, 1, frame_type::response) == 0);
    }

    TEST_CASE("wire_reason: text is cut to what fits and comes back") {
        const std::string text(300, 'x');
        std::byte out[reason_size_max];
        CHECK(encode_reason(out, reason::idle, text) == 258);
        CHECK(decode_reason(out).detail.size() == 255);
        CHECK(encode_reason(std::span{out}.first(10), reason::idle, text) == 10);
        const decoded_reason short_one = decode_reason(exact_copy{std::span{out}.first(10)}.span());
        CHECK(short_one.valid);
        CHECK(short_one.why == reason::idle);
        CHECK(encode_reason(std::span{out}.first(2), reason::idle) == 0);
        CHECK_FALSE(decode_reason(std::span{out}.first(9)).valid);
        CHECK_FALSE(decode_reason(std::span{out}.first(2)).valid);
    }

    TEST_CASE("wire_reason: each reason has a name and a text, and unknown ones are no crash") {
        CHECK(std::string_view(name(reason::credit_overrun)) == "credit_overrun");
        CHECK(std::string_view(text(reason::version)).size() > 10);
        CHECK(std::string_view(name(static_cast<reason>(65535))) == "unknown");
        CHECK_FALSE(std::string_view(text(static_cast<reason>(65535))).empty());
    }
}
