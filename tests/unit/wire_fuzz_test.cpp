// Every decoder under mutation. Goal: strangers' bytes never crash a decoder or make it look outside them. Method: good
// inputs are damaged at random (bits, bytes, lengths, cuts, joins), decoded from exact-size heap copies so that a
// sanitizer sees any overread, and what is accepted must keep the promises that callers rely on.
#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>

#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/gds.hpp"
#include "runtime/wire/hello.hpp"
#include "runtime/wire/reason.hpp"
#include "tests/unit/wire_test_bytes.hpp"

namespace {

using namespace colloquy;
using test::byte_vector;
using test::exact_copy;
using test::hex_bytes;

constexpr int rounds = 40000;

void mutate(std::mt19937_64& random, byte_vector& bytes) {
    const auto any = [&random](std::size_t below) { return static_cast<std::size_t>(random() % below); };
    for (std::size_t i = any(4) + 1; i-- > 0;) {
        const std::size_t size = bytes.size();
        switch (any(8)) {
            case 0:
                if (size != 0) bytes[any(size)] ^= static_cast<std::byte>(1U << any(8));
                break;
            case 1:
                if (size != 0) bytes[any(size)] = static_cast<std::byte>(random() & 0xFF);
                break;
            case 2:
                if (size != 0) {  // Lengths break at their neighbours first.
                    std::byte& b = bytes[any(size)];
                    b = static_cast<std::byte>((std::to_integer<unsigned>(b) + (any(2) != 0 ? 1U : 255U)) & 0xFFU);
                }
                break;
            case 3:
                bytes.resize(any(size + 1));
                break;
            case 4:
                bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(any(size + 1)), any(5), std::byte{0});
                break;
            case 5:
                if (size != 0) bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(any(size)));
                break;
            case 6: {
                static constexpr unsigned edges[] = {0x00, 0x01, 0x7F, 0x80, 0xFF};
                if (size != 0) bytes[any(size)] = static_cast<std::byte>(edges[any(5)]);
                break;
            }
            default:
                if (size != 0 && size < 4000) {
                    const byte_vector again(bytes.begin() + static_cast<std::ptrdiff_t>(any(size)), bytes.end());
                    bytes.insert(bytes.end(), again.begin(), again.end());
                }
        }
    }
}

// Calls check(span, accepted) for damaged copies of the seeds, and wants the check to have accepted some and refused
// some: a fuzzer that only ever sees refusals tests nothing.
template <class Check>
void fuzz(const std::vector<byte_vector>& seeds, Check check) {
    const auto seed = test::test_seed();
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    int accepted = 0;
    for (int i = 0; i < rounds; ++i) {
        byte_vector bytes = seeds[random() % seeds.size()];
        mutate(random, bytes);
        const exact_copy copy{bytes};
        accepted += check(copy.span()) ? 1 : 0;
    }
    CHECK(accepted > rounds / 100);
    CHECK(accepted < rounds);
}

bool inside(std::span<const std::byte> outer, std::span<const std::byte> inner) {
    return inner.empty() ||
           (inner.data() >= outer.data() && inner.data() + inner.size() <= outer.data() + outer.size());
}

// What a stream of mapped records gave.
struct outcome {
    byte_vector data;
    std::size_t records = 0;
    wire::record_fault fault = wire::record_fault::none;
};

bool same(const outcome& a, const outcome& b) {
    return a.data == b.data && a.records == b.records && a.fault == b.fault;
}

}  // namespace

TEST_SUITE("unit") {
    TEST_CASE("wire_fuzz: hello") {
        fuzz({hex_bytes("434C5159 01 00 0000 00001000 00010000 00001388 0123456789ABCDEF 09 42414E4B2E4C553031"),
              hex_bytes(
                  "434C5159 01 00 0000 00001000 00010000 00001388 0123456789ABCDEF 01 41 0001 0002 AABB 0002 0000")},
             [](std::span<const std::byte> in) {
                 wire::hello h;
                 if (wire::decode_hello(in, h) != wire::reason::none) return false;
                 REQUIRE(wire::valid_lu_name(h.lu_name.view()));
                 // What was accepted can be said again, and is the beginning of what was heard.
                 byte_vector out(wire::hello_size_plain_max);
                 const std::size_t n = wire::encode_hello(out, h);
                 REQUIRE(n != 0);
                 REQUIRE(n <= in.size());
                 REQUIRE(std::memcmp(out.data(), in.data(), n) == 0);
                 return true;
             });
    }

    TEST_CASE("wire_fuzz: reason") {
        fuzz({hex_bytes("0005 04 74657874"), hex_bytes("0001 00")}, [](std::span<const std::byte> in) {
            const wire::decoded_reason r = wire::decode_reason(in);
            if (!r.valid) return false;
            REQUIRE(wire::reason_size_min + r.detail.size() == in.size());
            REQUIRE(wire::name(r.why) != nullptr);
            REQUIRE(wire::text(r.why) != nullptr);
            return true;
        });
    }

    TEST_CASE("wire_fuzz: FMH-5") {
        wire::attach out;  // One for all, as a session has it.
        fuzz({hex_bytes("20 0502FF 08 03 D00040 03 E3D7F1 10 0801E2C1D4D7D3D7E6 0602D7D9D6C7F1 00 00 "
                        "000C12F5000812E2E3C5E2E3"),
              hex_bytes("11 0502FF 00 03 D10000 04 C5C3C8D6 00 00 00"), hex_bytes("0E 0502FF 00 03 D10000 04 C5C3C8D6"),
              hex_bytes("33 0502FF C0 03 D30080 03 E3D7F1 00 0A 01 D5 A1B2C3D4E5F6 0001 08 0102030405060708"
                        "08 1112131415161718 00 00")},
             [&out](std::span<const std::byte> in) {
                 const wire::attach_result r = wire::decode_attach(in, out);
                 if (r.sense != 0) {
                     REQUIRE(std::strlen(wire::sense_text(r.sense)) > 0);
                     return false;
                 }
                 REQUIRE(r.size <= in.size());
                 REQUIRE(r.size >= wire::fmh5_size_min);
                 REQUIRE_FALSE(out.tp_name.empty());
                 REQUIRE(out.sync_level <= 2);
                 // Accepted means understood: writing it again gives a header that decodes to the same.
                 std::byte again[wire::fmh5_size_max];
                 const std::size_t n = wire::encode_attach(again, out);
                 REQUIRE(n != 0);
                 wire::attach second;
                 REQUIRE(wire::decode_attach(std::span{again}.first(n), second).sense == 0);
                 REQUIRE(second.tp_name == out.tp_name);
                 REQUIRE(second.service_tp == out.service_tp);
                 REQUIRE(second.user_id == out.user_id);
                 REQUIRE(second.password == out.password);
                 REQUIRE(second.correlator == out.correlator);
                 return true;
             });
    }

    TEST_CASE("wire_fuzz: FMH-7 and error log") {
        fuzz({hex_bytes("07 07 08640000 80 0012 12E1 0002 000E D6E4E340D6C640C6E4D5C4E2"),
              hex_bytes("07 07 08890000 00"), hex_bytes("07 07 08890001 80 000D 12E1 0005 0E1100 0004 F1F2")},
             [](std::span<const std::byte> in) {
                 const wire::decoded_error e = wire::decode_error(in);
                 if (!e.valid) return false;
                 REQUIRE(inside(in, e.log.message));
                 REQUIRE(inside(in, e.log.product_set));
                 REQUIRE(runtime::name(wire::return_code_of(e.report.sense, true))[3] != '?');
                 if (e.report.log_follows) {
                     REQUIRE(wire::fmh7_size + e.log.size == in.size());
                     REQUIRE(wire::error_log_overhead + e.log.message.size() + e.log.product_set.size() == e.log.size);
                 }
                 return true;
             });
    }

    TEST_CASE("wire_fuzz: mapped records, and the same answer in pieces") {
        std::mt19937_64 cuts{test::test_seed() + 1};
        const auto read = [&cuts](std::span<const std::byte> in, std::size_t most) {
            outcome o;
            wire::record_reader reader;
            while (!in.empty() && o.fault == wire::record_fault::none) {
                const std::size_t n = most == 0 ? in.size() : std::min<std::size_t>(cuts() % most + 1, in.size());
                const exact_copy piece{in.first(n)};
                in = in.subspan(n);
                for (auto rest = piece.span(); !rest.empty();) {
                    const wire::record_step step = reader.feed(rest);
                    o.fault = step.fault;
                    o.records += step.end ? 1 : 0;
                    REQUIRE(inside(rest, step.data));
                    o.data.insert(o.data.end(), step.data.begin(), step.data.end());
                    if (step.fault != wire::record_fault::none) break;
                    REQUIRE(step.consumed > 0);
                    rest = rest.subspan(step.consumed);
                }
            }
            return o;
        };
        fuzz({hex_bytes("0009 12FF 68656C6C6F 0004 12F1 0006 12FF 4142"),
              hex_bytes("8008 12FF 01020304 8006 05060708 0004 0910 0005 12FF 41"),
              hex_bytes("8004 12FF 8002 8003 AA 0002")},
             [&read](std::span<const std::byte> in) {
                 const outcome whole = read(in, 0);
                 REQUIRE(same(whole, read(in, 1)));
                 REQUIRE(same(whole, read(in, 5)));
                 return whole.fault == wire::record_fault::none;
             });
    }

    TEST_CASE("wire_fuzz: basic records, and the same answer in pieces") {
        fuzz({hex_bytes("0005 AABBCC 0002 8003 DD 0004 0102")}, [](std::span<const std::byte> in) {
            std::vector<std::size_t> ends[2];
            bool good[2] = {true, true};
            for (const std::size_t mode : {0U, 1U}) {
                wire::record_tracker tracker;
                std::size_t at = 0;
                while (at < in.size() && good[mode]) {
                    const exact_copy piece{mode == 0 ? in.subspan(at) : in.subspan(at, 1)};
                    const wire::tracker_step step = tracker.feed(piece.span());
                    good[mode] = step.fault == wire::record_fault::none;
                    REQUIRE(step.consumed > 0);
                    REQUIRE(step.consumed <= in.size() - at);
                    at += step.consumed;
                    if (step.end) ends[mode].push_back(at);
                }
            }
            REQUIRE(ends[0] == ends[1]);
            REQUIRE(good[0] == good[1]);
            return good[0];
        });
    }

    TEST_CASE("wire_fuzz: whole frames, dispatched as a session does") {
        const auto frame = [](const char* header, const char* payload) {
            byte_vector f = hex_bytes(header);
            const byte_vector p = hex_bytes(payload);
            f.insert(f.end(), p.begin(), p.end());
            wire::store_u16(f.data(), static_cast<std::uint16_t>(p.size()));
            return f;
        };
        fuzz({frame("0000 10 A0 00000003", "00010000 11 0502FF 00 03 D10000 04 C5C3C8D6 00 00 00 0005 12FF 41"),
              frame("0000 10 48 00000003", "07 07 08890000 00"), frame("0000 13 00 00000003", "00010000"),
              frame("0000 06 00 00000000", "0005 01 78"), frame("0000 03 00 00000000", "0102030405060708")},
             [](std::span<const std::byte> in) {
                 if (in.size() < wire::frame_header_size) return false;
                 const wire::frame_header h = wire::decode_header(in.data());
                 const wire::frame_fault fault = wire::check_header(h);
                 REQUIRE((fault == wire::frame_fault::none) == (wire::reason_of(h, fault) == wire::reason::none));
                 if (fault != wire::frame_fault::none || h.length > in.size() - wire::frame_header_size) return false;
                 const exact_copy payload{in.subspan(wire::frame_header_size, h.length)};
                 const auto p = payload.span();
                 switch (h.type) {
                     case wire::frame_type::data: {
                         if (h.has(wire::indicator::fm_header)) return wire::decode_error(p).valid;
                         if (!h.has(wire::indicator::begin)) return true;
                         wire::attach a;
                         std::uint32_t grant = 0;
                         return wire::decode_attach_section(p, grant, a).sense == 0;
                     }
                     case wire::frame_type::credit:
                         return wire::decode_credit(p.data()) != 0;
                     case wire::frame_type::refuse:
                     case wire::frame_type::close:
                         return wire::decode_reason(p).valid;
                     case wire::frame_type::drain:
                         return wire::decode_drain(p.data()) != 1;
                     case wire::frame_type::hello: {
                         wire::hello hello;
                         return wire::decode_hello(p, hello) == wire::reason::none;
                     }
                     default:
                         return true;
                 }
             });
    }
}
