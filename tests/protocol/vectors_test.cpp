// Golden vectors. Goal: the bytes of docs/protocol.md stay what they are. Method: each vector names the fields and has
// the bytes; the fields are encoded and must give the bytes, the bytes are decoded and must give the fields. Malformed
// vectors have bytes and the answer a receiver gives. Decoders get exact-size heap copies, so a sanitizer sees any
// overread.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>

#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/gds.hpp"
#include "runtime/wire/hello.hpp"
#include "runtime/wire/reason.hpp"
#include "runtime/wire/relay.hpp"
#include "tests/protocol/vector_file.hpp"

namespace {

using namespace colloquy;
using test::golden_vector;
using test::load_vectors;
using test::to_hex;
using bytes = std::vector<std::byte>;

// A copy whose end is the end of its allocation.
class exact {
public:
    explicit exact(std::span<const std::byte> from) : size_{from.size()}, copy_{new std::byte[from.size()]} {
        std::copy(from.begin(), from.end(), copy_.get());
    }
    [[nodiscard]] std::span<const std::byte> span() const { return {copy_.get(), size_}; }

private:
    std::size_t size_;
    std::unique_ptr<std::byte[]> copy_;
};

std::string hex_of(std::span<const std::byte> b) { return to_hex(b.data(), b.size()); }

// ---- frames ----------------------------------------------------------------------------------------

struct type_name {
    const char* name;
    wire::frame_type type;
};
constexpr type_name type_names[] = {{"hello", wire::frame_type::hello},   {"refuse", wire::frame_type::refuse},
                                    {"ping", wire::frame_type::ping},     {"pong", wire::frame_type::pong},
                                    {"drain", wire::frame_type::drain},   {"close", wire::frame_type::close},
                                    {"data", wire::frame_type::data},     {"response", wire::frame_type::response},
                                    {"signal", wire::frame_type::signal}, {"credit", wire::frame_type::credit},
                                    {"serve", wire::frame_type::serve},   {"served", wire::frame_type::served},
                                    {"taken", wire::frame_type::taken},   {"origin", wire::frame_type::origin},
                                    {"blame", wire::frame_type::blame}};

struct indicator_name {
    const char* name;
    std::uint8_t bit;
};
constexpr indicator_name indicator_names[] = {{"BB", wire::indicator::begin},
                                              {"PRG", wire::indicator::purging},
                                              {"CD", wire::indicator::change_direction},
                                              {"RQD", wire::indicator::definite_response},
                                              {"FMH", wire::indicator::fm_header},
                                              {"CEB", wire::indicator::conditional_end}};

wire::frame_header header_of(const golden_vector& v) {
    wire::frame_header h{};
    h.length = static_cast<std::uint16_t>(v.bytes.size() - wire::frame_header_size);
    const std::string type = v.text("type");
    const auto* found = std::find_if(std::begin(type_names), std::end(type_names),
                                     [&type](const type_name& n) { return type == n.name; });
    REQUIRE(found != std::end(type_names));
    h.type = found->type;
    std::istringstream words(v.text("indicators"));
    for (std::string word; words >> word;) {
        if (word == "-") continue;
        const auto* bit = std::find_if(std::begin(indicator_names), std::end(indicator_names),
                                       [&word](const indicator_name& n) { return word == n.name; });
        REQUIRE(bit != std::end(indicator_names));
        h.indicators = static_cast<std::uint8_t>(h.indicators | bit->bit);
    }
    h.channel = static_cast<std::uint32_t>(v.number("channel"));
    return h;
}

// ---- attach ----------------------------------------------------------------------------------------

// Text with \XX for bytes that are no text.
bytes unescape(const std::string& text) {
    bytes out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\') {
            out.push_back(test::parse_hex(text.substr(i + 1, 2)).at(0));
            i += 2;
        } else {
            out.push_back(static_cast<std::byte>(text[i]));
        }
    }
    return out;
}

template <std::size_t N>
void fill(wire::small_text<N>& to, const bytes& from) {
    REQUIRE(to.assign(from.data(), from.size()));
}

wire::attach attach_of(const golden_vector& v) {
    wire::attach a;
    a.mapped = v.number("mapped") != 0;
    a.full_duplex = v.number("full_duplex") != 0;
    a.sync_level = static_cast<std::uint8_t>(v.number("sync_level"));
    a.already_verified = v.number("already_verified") != 0;
    a.password_substitute = v.number("password_substitute") != 0;
    a.has_pip = v.number("has_pip") != 0;
    a.persistent = static_cast<wire::persistent_verification>(v.number("persistent"));
    a.service_tp = v.number("service_tp") != 0;
    fill(a.tp_name, unescape(v.text("tp_name")));
    fill(a.user_id, unescape(v.text("user_id")));
    fill(a.password, unescape(v.text("password")));
    fill(a.profile, unescape(v.text("profile")));
    fill(a.correlator, test::parse_hex(v.text("correlator")));
    if (v.has("luwid")) {
        std::istringstream words(v.text("luwid"));
        std::string name;
        std::string instance;
        words >> name >> instance >> a.luwid_sequence;
        const bytes six = test::parse_hex(instance);
        REQUIRE(six.size() == 6);
        a.has_luwid = true;
        REQUIRE(a.luwid_name.assign(name));
        std::copy(six.begin(), six.end(), a.luwid_instance.begin());
    }
    if (v.has("attach_sequence")) {
        const bytes eight = test::parse_hex(v.text("attach_sequence"));
        REQUIRE(eight.size() == 8);
        a.has_attach_sequence = true;
        std::copy(eight.begin(), eight.end(), a.attach_sequence.begin());
    }
    return a;
}

void check_same(const wire::attach& a, const wire::attach& b) {
    CHECK(a.mapped == b.mapped);
    CHECK(a.full_duplex == b.full_duplex);
    CHECK(a.sync_level == b.sync_level);
    CHECK(a.already_verified == b.already_verified);
    CHECK(a.password_substitute == b.password_substitute);
    CHECK(a.has_pip == b.has_pip);
    CHECK(a.persistent == b.persistent);
    CHECK(a.service_tp == b.service_tp);
    CHECK(a.tp_name == b.tp_name);
    CHECK(a.user_id == b.user_id);
    CHECK(a.password == b.password);
    CHECK(a.profile == b.profile);
    CHECK(a.correlator == b.correlator);
    REQUIRE(a.has_luwid == b.has_luwid);
    if (a.has_luwid) {
        CHECK(a.luwid_name == b.luwid_name);
        CHECK(a.luwid_instance == b.luwid_instance);
        CHECK(a.luwid_sequence == b.luwid_sequence);
    }
    REQUIRE(a.has_attach_sequence == b.has_attach_sequence);
    if (a.has_attach_sequence) CHECK(a.attach_sequence == b.attach_sequence);
}

// ---- records ---------------------------------------------------------------------------------------

struct read_records {
    std::vector<std::string> records;  // as in the vectors: hexadecimal, or "null"
    wire::record_fault fault = wire::record_fault::none;
    bool at_boundary = false;
};

// Feeds the stream in pieces that end at the given places.
read_records read_stream(std::span<const std::byte> stream, const std::vector<std::size_t>& cuts) {
    read_records result;
    wire::record_reader reader;
    std::string current;
    std::size_t from = 0;
    std::vector<std::size_t> ends = cuts;
    ends.push_back(stream.size());
    for (const std::size_t to : ends) {
        const exact piece{stream.subspan(from, to - from)};
        std::span<const std::byte> rest = piece.span();
        from = to;
        while (!rest.empty() && result.fault == wire::record_fault::none) {
            const wire::record_step step = reader.feed(rest);
            result.fault = step.fault;
            if (step.start) CHECK(current.empty());
            current += hex_of(step.data);
            if (step.end) {
                result.records.push_back(step.null_record ? "null" : current);
                current.clear();
            }
            if (step.fault == wire::record_fault::none) REQUIRE(step.consumed > 0);
            rest = rest.subspan(step.consumed);
        }
    }
    result.at_boundary = reader.at_boundary();
    return result;
}

// In one piece, byte by byte, and in two pieces cut everywhere.
std::vector<std::vector<std::size_t>> all_cuts(std::size_t size) {
    std::vector<std::vector<std::size_t>> all{{}, {}};
    for (std::size_t i = 1; i < size; ++i) {
        all[1].push_back(i);
        all.push_back({i});
    }
    return all;
}

const char* fault_name(wire::record_fault fault) {
    switch (fault) {
        case wire::record_fault::none: return "none";
        case wire::record_fault::length: return "length";
        case wire::record_fault::id: return "id";
        case wire::record_fault::map_name: return "map_name";
    }
    return "?";
}

}  // namespace

TEST_SUITE("protocol") {
    TEST_CASE("frames: headers are as written down") {
        for (const golden_vector& v : load_vectors("frames.hex")) {
            CAPTURE(v.name);
            REQUIRE(v.bytes.size() >= wire::frame_header_size);
            const wire::frame_header expected = header_of(v);
            std::byte header[wire::frame_header_size];
            wire::encode_header(header, expected);
            CHECK(hex_of(header) == to_hex(v.bytes.data(), wire::frame_header_size));
            const exact copy{v.bytes};
            const wire::frame_header decoded = wire::decode_header(copy.span().data());
            CHECK(decoded == expected);
            CHECK(wire::check_header(decoded) == wire::frame_fault::none);
            CHECK(wire::frame_charge(decoded) == v.number("charge"));
        }
    }

    TEST_CASE("frames: payloads of whole frames decode") {
        // What frames.hex shows inside its frames must be well formed, too.
        std::size_t seen = 0;
        for (const golden_vector& v : load_vectors("frames.hex")) {
            CAPTURE(v.name);
            const exact copy{std::span{v.bytes}.subspan(wire::frame_header_size)};
            const wire::frame_header h = header_of(v);
            std::span<const std::byte> payload = copy.span();
            if (h.type == wire::frame_type::hello) {
                wire::hello hello;
                CHECK(wire::decode_hello(payload, hello) == wire::reason::none);
                ++seen;
            }
            if (h.type == wire::frame_type::credit) CHECK(wire::decode_credit(payload.data()) == 65536);
            if (h.type == wire::frame_type::drain) CHECK(wire::decode_drain(payload.data()) == 9);
            if (h.type == wire::frame_type::origin) {
                wire::origin who;
                REQUIRE(wire::decode_origin(payload, who));
                CHECK(who.attach == 16'777'223);
                CHECK(who.flags == 7);
                CHECK(who.lu_name == "NET.A");
                const bool told = payload.size() > 16;
                CHECK(who.caller.view() == (told ? "192.0.2.7:409" : ""));
                std::array<std::byte, wire::origin_size_max> again;
                const std::size_t n =
                    wire::encode_origin(again, who.attach, who.flags, who.lu_name.view(), who.caller.view());
                CHECK(hex_of(std::span{again}.first(n)) == hex_of(payload));
                for (std::size_t cut = 0; cut < payload.size(); ++cut) {
                    const exact part{payload.first(cut)};
                    CHECK(wire::decode_origin(part.span(), who) == (cut == 16));  // without where it calls from
                }
                ++seen;
            }
            if (h.type == wire::frame_type::serve || h.type == wire::frame_type::served) {
                wire::serving said;
                REQUIRE(wire::decode_serving(payload, h.type, said));
                CHECK(said.name == "CLERK");
                CHECK(said.what == wire::serve_what::serve);
                const bool answer = h.type == wire::frame_type::served;
                CHECK(said.result == (answer ? wire::serve_result::taken : wire::serve_result::ok));
                std::array<std::byte, wire::serving_size_max> again;
                const std::size_t n = wire::encode_serving(again, h.type, said.result, said.what, said.name.view());
                CHECK(hex_of(std::span{again}.first(n)) == hex_of(payload));
                for (std::size_t cut = 0; cut < payload.size(); ++cut) {
                    const exact part{payload.first(cut)};
                    CHECK_FALSE(wire::decode_serving(part.span(), h.type, said));
                }
                ++seen;
            }
            if (h.type == wire::frame_type::blame) {
                CHECK(wire::decode_blame(payload.data()) == wire::reason::credit_overrun);
                const std::array<std::byte, 2> strange{std::byte{0}, std::byte{3}};
                CHECK(wire::decode_blame(strange.data()) == wire::reason::protocol);
                ++seen;
            }
            if (h.type != wire::frame_type::data) continue;
            if (h.has(wire::indicator::fm_header)) {
                CHECK(wire::decode_error(payload).valid);
                ++seen;
                continue;
            }
            if (h.has(wire::indicator::begin)) {
                CHECK(wire::load_u32(payload.data()) == 65536);
                wire::attach attach;
                std::uint32_t grant = 0;
                const wire::attach_result result = wire::decode_attach_section(payload, grant, attach);
                REQUIRE(result.sense == 0);
                CHECK(attach.tp_name == "ECHO");
                std::byte again[wire::attach_section_size_max];
                const std::size_t n = wire::encode_attach_section(again, 65536, attach);
                CHECK(hex_of(std::span{again}.first(n)) == hex_of(payload.first(result.size)));
                payload = payload.subspan(result.size);
                ++seen;
            }
            if (payload.empty()) continue;
            const read_records read = read_stream(payload, {});
            CHECK(read.records == std::vector<std::string>{"68656C6C6F"});
            CHECK(read.at_boundary);
        }
        CHECK(seen == 15);  // one hello, five error reports, four attaches, four of a manager's link
    }

    TEST_CASE("hello: fields and bytes agree") {
        for (const golden_vector& v : load_vectors("hello.hex")) {
            CAPTURE(v.name);
            wire::hello expected;
            expected.major = static_cast<std::uint8_t>(v.number("major"));
            expected.minor = static_cast<std::uint8_t>(v.number("minor"));
            expected.flags = static_cast<std::uint16_t>(v.number("flags"));
            expected.channels_max = static_cast<std::uint32_t>(v.number("channels_max"));
            expected.attach_credit = static_cast<std::uint32_t>(v.number("attach_credit"));
            expected.heartbeat_ms = static_cast<std::uint32_t>(v.number("heartbeat_ms"));
            wire::store_u64(expected.instance.data(), v.number("instance", 16));
            REQUIRE(expected.lu_name.assign(v.text("lu_name")));
            if (!v.has("decode_only")) {
                bytes out(wire::hello_size_plain_max);
                out.resize(wire::encode_hello(out, expected));
                CHECK(hex_of(out) == hex_of(v.bytes));
                // One byte less is refused, not overrun.
                bytes tight(v.bytes.size() - 1);
                CHECK(wire::encode_hello(tight, expected) == 0);
            }
            const exact copy{v.bytes};
            wire::hello decoded;
            REQUIRE(wire::decode_hello(copy.span(), decoded) == wire::reason::none);
            CHECK(decoded.major == expected.major);
            CHECK(decoded.minor == expected.minor);
            CHECK(decoded.flags == expected.flags);
            CHECK(decoded.channels_max == expected.channels_max);
            CHECK(decoded.attach_credit == expected.attach_credit);
            CHECK(decoded.heartbeat_ms == expected.heartbeat_ms);
            CHECK(decoded.instance == expected.instance);
            CHECK(decoded.lu_name == expected.lu_name);
        }
    }

    TEST_CASE("reasons: fields and bytes agree") {
        for (const golden_vector& v : load_vectors("reasons.hex")) {
            CAPTURE(v.name);
            const exact copy{v.bytes};
            const wire::decoded_reason decoded = wire::decode_reason(copy.span());
            REQUIRE(decoded.valid);
            CHECK(std::string(wire::name(decoded.why)) == v.text("reason"));
            CHECK(std::string(decoded.detail) == v.text("detail"));
            bytes out(wire::reason_size_max);
            out.resize(wire::encode_reason(out, decoded.why, v.text("detail")));
            CHECK(hex_of(out) == hex_of(v.bytes));
        }
    }

    TEST_CASE("attach: fields and bytes agree") {
        for (const golden_vector& v : load_vectors("attach.hex")) {
            CAPTURE(v.name);
            const wire::attach expected = attach_of(v);
            if (!v.has("decode_only")) {
                bytes out(wire::fmh5_size_max);
                out.resize(wire::encode_attach(out, expected));
                CHECK(hex_of(out) == hex_of(v.bytes));
                for (std::size_t room = 0; room < v.bytes.size(); ++room) {
                    bytes tight(room);
                    CHECK(wire::encode_attach(tight, expected) == 0);
                }
            }
            const exact copy{v.bytes};
            wire::attach decoded;
            const wire::attach_result result = wire::decode_attach(copy.span(), decoded);
            REQUIRE(result.sense == 0);
            CHECK(result.size == v.number("size"));
            check_same(decoded, expected);
        }
    }

    TEST_CASE("errors: fields, bytes and return codes agree") {
        for (const golden_vector& v : load_vectors("errors.hex")) {
            CAPTURE(v.name);
            const auto sense = static_cast<std::uint32_t>(v.number("sense", 16));
            const bool log_follows = v.has("log");
            bytes out(wire::error_payload_size_max);
            wire::encode_fmh7(out.data(), {sense, log_follows});
            std::size_t size = wire::fmh7_size;
            const bytes product_set = test::parse_hex(v.text("product_set"));
            if (log_follows) {
                const std::size_t n = wire::encode_error_log(std::span{out}.subspan(size), product_set, v.text("log"));
                REQUIRE(n != 0);
                bytes tight(n - 1);
                CHECK(wire::encode_error_log(tight, product_set, v.text("log")) == 0);
                size += n;
            }
            out.resize(size);
            CHECK(hex_of(out) == hex_of(v.bytes));

            const exact copy{v.bytes};
            const wire::decoded_error decoded = wire::decode_error(copy.span());
            REQUIRE(decoded.valid);
            CHECK(decoded.report.sense == sense);
            CHECK(decoded.report.log_follows == log_follows);
            if (log_follows) {
                CHECK(hex_of(decoded.log.product_set) == hex_of(product_set));
                std::string message(decoded.log.message.size(), ' ');
                wire::to_ascii(decoded.log.message, reinterpret_cast<std::byte*>(message.data()));
                CHECK(message == v.text("log"));
            }
            const auto code = wire::return_code_of(sense, v.number("purging") != 0);
            CHECK(static_cast<unsigned long long>(code) == v.number("return_code"));
        }
    }

    TEST_CASE("records: streams in any pieces give the records") {
        for (const golden_vector& v : load_vectors("records.hex")) {
            CAPTURE(v.name);
            std::vector<std::string> expected;
            bytes out;
            for (const auto& [key, value] : v.fields) {
                if (key != "record") continue;
                expected.push_back(value);
                const bytes data = value == "null" ? bytes{} : test::parse_hex(value);
                std::byte header[wire::llid_size];
                const wire::segment_header segment = wire::write_segment_header(header, data.size(), true);
                REQUIRE(segment.data_size == data.size());
                out.insert(out.end(), header, header + segment.size);
                out.insert(out.end(), data.begin(), data.end());
            }
            if (!v.has("decode_only")) CHECK(hex_of(out) == hex_of(v.bytes));
            for (const auto& cuts : all_cuts(v.bytes.size())) {
                const read_records read = read_stream(v.bytes, cuts);
                CHECK(read.fault == wire::record_fault::none);
                CHECK(read.records == expected);
                CHECK(read.at_boundary);
            }
        }
    }

    TEST_CASE("malformed frames: each has its answer") {
        for (const golden_vector& v : load_vectors("malformed_frames.hex")) {
            CAPTURE(v.name);
            const exact copy{v.bytes};
            const wire::frame_header h = wire::decode_header(copy.span().data());
            const wire::frame_fault fault = wire::check_header(h);
            CHECK(fault != wire::frame_fault::none);
            CHECK("close " + std::string(wire::name(wire::reason_of(h, fault))) == v.text("answer"));
        }
    }

    TEST_CASE("malformed hellos: each has its answer") {
        for (const golden_vector& v : load_vectors("malformed_hellos.hex")) {
            CAPTURE(v.name);
            const exact copy{v.bytes};
            wire::hello out;
            CHECK("refuse " + std::string(wire::name(wire::decode_hello(copy.span(), out))) == v.text("answer"));
        }
    }

    TEST_CASE("malformed attaches: each has its answer") {
        for (const golden_vector& v : load_vectors("malformed_attaches.hex")) {
            CAPTURE(v.name);
            const exact copy{v.bytes};
            wire::attach out;
            const wire::attach_result result = wire::decode_attach(copy.span(), out);
            std::byte sense[4];
            wire::store_u32(sense, result.sense);
            CHECK("sense " + hex_of(sense) == v.text("answer"));
            CHECK(result.size == 0);
        }
    }

    TEST_CASE("malformed errors: each closes the link") {
        for (const golden_vector& v : load_vectors("malformed_errors.hex")) {
            CAPTURE(v.name);
            CHECK(v.text("answer") == "close protocol");
            const exact copy{v.bytes};
            CHECK_FALSE(wire::decode_error(copy.span()).valid);
        }
    }

    TEST_CASE("malformed records: the fault is found in whatever pieces they come") {
        for (const golden_vector& v : load_vectors("malformed_records.hex")) {
            CAPTURE(v.name);
            for (const auto& cuts : all_cuts(v.bytes.size())) {
                CHECK("fault " + std::string(fault_name(read_stream(v.bytes, cuts).fault)) == v.text("answer"));
            }
        }
    }
}
