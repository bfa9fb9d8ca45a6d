// Peers that are no Colloquy, or a broken one: what comes from them ends their link, with the reason that the
// protocol gives, and nothing else. A conversation between honest ends goes on all the time.
#include <doctest/doctest.h>

#include <chrono>
#include <optional>
#include <thread>
#include <vector>

#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/hello.hpp"
#include "runtime/wire/reason.hpp"
#include "tests/api/program.hpp"
#include "tests/protocol/vector_file.hpp"
#include "tests/support/sockets.hpp"

namespace {

using namespace colloquy::test;
namespace wire = colloquy::wire;
namespace in = colloquy::wire::indicator;
using bytes = std::vector<std::byte>;

struct frame {
    wire::frame_header header{};
    bytes payload;
};

// A socket that a test speaks through. Reads give up after a while, so that a peer that hangs fails a test and not
// the run.
class wire_end {
public:
    explicit wire_end(socket_handle socket) : socket_{socket} { set_read_timeout(socket_, 20); }
    explicit wire_end(const std::string& where) : wire_end{new_socket()} { REQUIRE(connect_to(socket_, where)); }
    ~wire_end() { close(); }
    wire_end(const wire_end&) = delete;
    wire_end& operator=(const wire_end&) = delete;

    void close() {
        if (socket_ != no_socket) close_socket(socket_);
        socket_ = no_socket;
    }
    // With a reset instead of an end.
    void cut() {
        reset_on_close(socket_);
        close();
    }
    void end_writing() const { (void)::shutdown(socket_, shut_writing); }
    // The other end may have closed already, and that is no failure.
    void send(const void* data, std::size_t size) const { send_bytes(socket_, data, size); }
    void send(const bytes& b) const { send(b.data(), b.size()); }
    void send(std::string_view s) const { send(s.data(), s.size()); }
    void send(wire::frame_type type, std::uint8_t indicators, std::uint32_t channel, const bytes& payload = {}) const {
        bytes all(wire::frame_header_size);
        wire::encode_header(all.data(), {static_cast<std::uint16_t>(payload.size()), type, indicators, channel});
        all.insert(all.end(), payload.begin(), payload.end());
        send(all);
    }
    // The next frame; nothing at the end of the stream.
    std::optional<frame> next() const {
        bytes head(wire::frame_header_size);
        if (!read(head)) return std::nullopt;
        frame f{wire::decode_header(head.data()), {}};
        f.payload.resize(f.header.length);
        if (!read(f.payload)) return std::nullopt;
        return f;
    }
    // What the other end says besides pings, until it closes: the reason, and that nothing follows it.
    void expect_end(wire::frame_type how, wire::reason why) const {
        CAPTURE(wire::name(why));
        for (;;) {
            const std::optional<frame> f = next();
            REQUIRE(f);
            if (f->header.type != wire::frame_type::close && f->header.type != wire::frame_type::refuse) continue;
            CHECK(f->header.type == how);
            const wire::decoded_reason told = wire::decode_reason(f->payload);
            CHECK(told.valid);
            CHECK(std::string_view{wire::name(told.why)} == wire::name(why));
            break;
        }
        CHECK_FALSE(next());
    }
    frame expect(wire::frame_type type) const {
        for (;;) {
            std::optional<frame> f = next();
            REQUIRE(f);
            if (f->header.type == type) return *std::move(f);
            REQUIRE(f->header.type == wire::frame_type::ping);
        }
    }

private:
    bool read(bytes& out) const {
        std::size_t have = 0;
        while (have < out.size()) {
            const long n = receive_bytes(socket_, out.data() + have, out.size() - have);
            if (n <= 0) return false;
            have += static_cast<std::size_t>(n);
        }
        return true;
    }
    socket_handle socket_;
};

bytes hello_payload(std::string_view name = "NET.STRANGER") {
    wire::hello h;
    h.channels_max = 16;
    h.attach_credit = 4'096;
    (void)h.lu_name.assign(name);
    bytes b(wire::hello_size_plain_max);
    b.resize(wire::encode_hello(b, h));
    return b;
}

bytes attach_section(std::string_view tp = "TP", std::uint8_t sync_level = 0) {
    wire::attach a;
    a.sync_level = sync_level;
    (void)a.tp_name.assign(tp);
    bytes b(wire::attach_section_size_max);
    b.resize(wire::encode_attach_section(b, 4'096, a));
    REQUIRE(!b.empty());
    return b;
}

bytes u32(std::uint32_t v) {
    bytes b(4);
    wire::store_u32(b.data(), v);
    return b;
}

bytes joined(bytes a, const bytes& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

// A peer that has said hello properly.
class stranger : public wire_end {
public:
    explicit stranger(const std::string& where) : wire_end{where} {
        send(wire::frame_type::hello, 0, 0, hello_payload());
        (void)expect(wire::frame_type::hello);
    }
    static constexpr std::uint32_t channel = 3;  // the connector's first
    void begin(std::uint8_t sync_level = 0, std::uint8_t more = 0) {
        send(wire::frame_type::data, static_cast<std::uint8_t>(in::begin | more), channel,
             attach_section("TP", sync_level));
    }
};

// A logical unit that listens, and two honest ends that talk over it.
struct house {
    running_unit unit{listening_options()};
    collector all;
    talk a, b;
    const std::string where = running_unit::address();
    int said = 0;

    house() {
        serve_tp("TP");
        a.begin(where + "/TP");
        REQUIRE(a.flush() == CM_OK);
        b.accept(all);
    }
    // Nobody else is disturbed, and the listener still takes links.
    void check_undisturbed() {
        const std::string text = "still here " + std::to_string(++said);
        CHECK(a.send(text, CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(b.receive().text == text);
    }
    ~house() {
        const stranger still_welcome{where};
        check_undisturbed();
    }
};

wire::reason reason_named(const std::string& name) {
    for (std::uint16_t i = 0; i < 64; ++i)
        if (name == wire::name(static_cast<wire::reason>(i))) return static_cast<wire::reason>(i);
    FAIL("no such reason: " << name);
    return wire::reason::none;
}

// A listener of another kind: takes one connection and answers whatever comes with `answer`. `stays`: it listens on.
class other_server {
public:
    explicit other_server(bytes answer, bool stays = false) : listener_{new_socket()}, where{listen_on(listener_)} {
        REQUIRE_FALSE(where.empty());
        thread_ = std::thread{[this, stays, answer = std::move(answer)] {
            const socket_handle s = ::accept(listener_, nullptr, nullptr);
            if (s == no_socket) return;
            const wire_end end{s};
            (void)end.next();  // the hello
            end.send(answer);
            if (!stays) end.end_writing();
            while (end.next()) {
            }
        }};
    }
    ~other_server() {
        { const wire_end last{where}; }  // it may still wait for somebody to come
        thread_.join();
        close_socket(listener_);
    }
    other_server(const other_server&) = delete;
    other_server& operator=(const other_server&) = delete;

private:
    socket_handle listener_;

public:
    std::string where;

private:
    std::thread thread_;
};

bytes text_bytes(std::string_view s) {
    bytes b(s.size());
    std::memcpy(b.data(), s.data(), s.size());
    return b;
}

bytes reason_frame(wire::frame_type type, wire::reason why) {
    bytes payload(wire::reason_size_max);
    payload.resize(wire::encode_reason(payload, why, "no"));
    bytes all(wire::frame_header_size);
    wire::encode_header(all.data(), {static_cast<std::uint16_t>(payload.size()), type, 0, 0});
    return joined(all, payload);
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("peers: what is no hello is refused") {
        house h;
        for (const std::string_view text :
             {std::string_view{"GET / HTTP/1.1\r\nHost: x\r\n\r\n"},
              std::string_view{"\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03", 11},
              std::string_view{"SSH-2.0-OpenSSH\r\n"}, std::string_view{"\0\0\0\0\0\0\0\0", 8}}) {
            const wire_end e{h.where};
            e.send(text);
            e.expect_end(wire::frame_type::refuse, wire::reason::not_colloquy);
        }
        // Good frames, but none of them the hello.
        const wire_end ping{h.where};
        ping.send(wire::frame_type::ping, 0, 0, bytes(8));
        ping.expect_end(wire::frame_type::refuse, wire::reason::not_colloquy);
        const wire_end early{h.where};
        early.send(wire::frame_type::data, in::begin, 3, attach_section());
        early.expect_end(wire::frame_type::refuse, wire::reason::not_colloquy);
        h.check_undisturbed();
    }

    TEST_CASE("peers: who comes after a silence longer than a greeting may take is welcome") {
        // Time itself is what is tested, so some passes.
        const scratch_configuration file{"[timeouts]\ngreeting_ms = 100\n"};
        for (const unsigned reactors : {1U, 0U}) {
            clq_options o = file.options();
            o.listen = "127.0.0.1:0";
            o.reactors = reactors;
            const running_unit unit{o};
            serve_tp("TP");
            talk accepts;
            REQUIRE(accepts.accept() == CM_OPERATION_INCOMPLETE);  // somebody drives
            for (int i = 0; i < 2; ++i) {
                std::this_thread::sleep_for(std::chrono::milliseconds{350});
                const stranger welcome{running_unit::address()};
            }
            CHECK(accepts.cancel() == CM_OK);
        }
    }

    TEST_CASE("peers: every malformed hello is refused for its reason") {
        house h;
        for (const golden_vector& v : load_vectors("malformed_hellos.hex")) {
            CAPTURE(v.name);
            const wire_end e{h.where};
            e.send(wire::frame_type::hello, 0, 0, v.bytes);
            const std::string answer = v.text("answer");
            REQUIRE(answer.starts_with("refuse "));
            // A payload that is shorter or longer than a hello can be is stopped by its header.
            const bool sized = v.bytes.size() >= wire::hello_size_min && v.bytes.size() <= wire::hello_size_max;
            e.expect_end(wire::frame_type::refuse, sized ? reason_named(answer.substr(7)) : wire::reason::not_colloquy);
        }
        // Too little credit to begin anything.
        wire::hello poor;
        poor.channels_max = 1;
        poor.attach_credit = 511;
        (void)poor.lu_name.assign("NET.POOR");
        bytes b(wire::hello_size_plain_max);
        b.resize(wire::encode_hello(b, poor));
        const wire_end e{h.where};
        e.send(wire::frame_type::hello, 0, 0, b);
        e.expect_end(wire::frame_type::refuse, wire::reason::limits);
    }

    TEST_CASE("peers: every malformed header closes the link for its reason") {
        house h;
        for (const golden_vector& v : load_vectors("malformed_frames.hex")) {
            CAPTURE(v.name);
            const stranger s{h.where};
            s.send(v.bytes);
            const std::string answer = v.text("answer");
            REQUIRE(answer.starts_with("close "));
            s.expect_end(wire::frame_type::close, reason_named(answer.substr(6)));
        }
        h.check_undisturbed();
    }

    TEST_CASE("peers: every malformed attach is rejected on its channel, and the link goes on") {
        house h;
        const stranger s{h.where};
        std::uint32_t channel = 3;
        for (const golden_vector& v : load_vectors("malformed_attaches.hex")) {
            const std::string answer = v.text("answer");
            // Shorter ones do not pass as the beginning of a conversation.
            if (v.bytes.size() < wire::fmh5_size_min) continue;
            CAPTURE(v.name);
            s.send(wire::frame_type::data, in::begin, channel, joined(joined(u32(4'096), bytes(1)), v.bytes));
            const frame f = s.expect(wire::frame_type::data);
            CHECK(f.header.channel == channel);
            CHECK(f.header.has(in::fm_header | in::conditional_end));
            const wire::decoded_fmh7 report = wire::decode_fmh7(f.payload);
            CHECK(report.report.sense == std::stoul(answer.substr(answer.rfind(' ') + 1), nullptr, 16));
            channel += 2;
        }
        // The same link carries a good one.
        s.send(wire::frame_type::data, in::begin | in::conditional_end, channel, attach_section());
        talk t;
        t.accept(h.all);
        CHECK(t.receive().code == CM_DEALLOCATED_NORMAL);
        const frame f = s.expect(wire::frame_type::response);
        CHECK(f.header.channel == channel);
        CHECK(f.header.has(in::conditional_end));
    }

    TEST_CASE("peers: frames at impossible moments close the link for their reason") {
        house h;
        struct violation {
            const char* name;
            wire::reason why;
            void (*commit)(stranger& s);
        };
        constexpr std::uint32_t here = stranger::channel;
        const violation all[] = {
            {"a second hello", wire::reason::protocol,
             [](stranger& s) { s.send(wire::frame_type::hello, 0, 0, hello_payload()); }},
            {"data for a channel of nobody", wire::reason::unknown_channel,
             [](stranger& s) { s.send(wire::frame_type::data, 0, here, bytes(1)); }},
            {"a response for a channel of nobody", wire::reason::unknown_channel,
             [](stranger& s) { s.send(wire::frame_type::response, 0, here); }},
            {"a signal for a channel of nobody", wire::reason::unknown_channel,
             [](stranger& s) { s.send(wire::frame_type::signal, 0, 1'001); }},
            {"credit for a channel of the other side", wire::reason::unknown_channel,
             [](stranger& s) { s.send(wire::frame_type::credit, 0, 2, u32(1)); }},
            {"data for a channel out of any range", wire::reason::unknown_channel,
             [](stranger& s) { s.send(wire::frame_type::data, 0, 0xFFFFFFFF, bytes(1)); }},
            {"a beginning on a channel of the other side", wire::reason::protocol,
             [](stranger& s) { s.send(wire::frame_type::data, in::begin, 2, attach_section()); }},
            {"a beginning on a channel in use", wire::reason::protocol,
             [](stranger& s) {
                 s.begin();
                 s.begin();
             }},
            {"a beginning on a channel beyond the limit", wire::reason::limits,
             [](stranger& s) { s.send(wire::frame_type::data, in::begin, 2 * 70'000 + 1, attach_section()); }},
            {"a beginning on the last channel there can be", wire::reason::limits,
             [](stranger& s) { s.send(wire::frame_type::data, in::begin, 0xFFFFFFFF, attach_section()); }},
            {"more data than was granted", wire::reason::credit_overrun,
             [](stranger& s) {
                 s.begin();
                 for (int i = 0; i < 3; ++i) s.send(wire::frame_type::data, 0, here, bytes(2'000, std::byte{1}));
             }},
            {"one frame larger than was granted", wire::reason::credit_overrun,
             [](stranger& s) {
                 s.begin();
                 s.send(wire::frame_type::data, 0, here, bytes(65'535, std::byte{1}));
             }},
            {"an attach larger than was granted", wire::reason::credit_overrun,
             [](stranger& s) {
                 s.send(wire::frame_type::data, in::begin, here, joined(attach_section(), bytes(5'000, std::byte{1})));
             }},
            {"a flood of small frames", wire::reason::credit_overrun,
             [](stranger& s) {
                 s.begin();
                 for (int i = 0; i < 100; ++i) s.send(wire::frame_type::data, 0, here, bytes(1, std::byte{1}));
             }},
            {"data without the turn", wire::reason::protocol,
             [](stranger& s) {
                 s.begin(0, in::change_direction);
                 s.send(wire::frame_type::data, 0, here, bytes(4));
             }},
            {"an end without the turn", wire::reason::protocol,
             [](stranger& s) {
                 s.begin(0, in::change_direction);
                 s.send(wire::frame_type::data, in::conditional_end, here);
             }},
            {"a confirmation request on sync level none", wire::reason::protocol,
             [](stranger& s) {
                 s.begin();
                 s.send(wire::frame_type::data, in::definite_response, here);
             }},
            {"a confirmation request while one is owed", wire::reason::protocol,
             [](stranger& s) {
                 s.begin(1, in::definite_response);
                 s.send(wire::frame_type::data, in::definite_response, here);
             }},
            {"a malformed error report", wire::reason::protocol,
             [](stranger& s) {
                 s.begin();
                 s.send(wire::frame_type::data, in::fm_header, here, bytes(7));
             }},
            {"a grant of nothing", wire::reason::protocol,
             [](stranger& s) {
                 s.begin();
                 s.send(wire::frame_type::credit, 0, here, u32(0));
             }},
            {"grants that overflow", wire::reason::protocol,
             [](stranger& s) {
                 s.begin();
                 for (int i = 0; i < 3; ++i) s.send(wire::frame_type::credit, 0, here, u32(0xFFFFFFFF));
             }},
            {"a response nobody waits for", wire::reason::protocol,
             [](stranger& s) {
                 s.begin(1);
                 s.send(wire::frame_type::response, 0, here);
             }},
        };
        for (const violation& v : all) {
            CAPTURE(std::string{v.name});
            stranger s{h.where};
            v.commit(s);
            s.expect_end(wire::frame_type::close, v.why);
            h.check_undisturbed();
        }
    }

    TEST_CASE("peers: streams that end anywhere") {
        house h;
        bytes whole(wire::frame_header_size);
        wire::encode_header(
            whole.data(), {static_cast<std::uint16_t>(attach_section().size()), wire::frame_type::data, in::begin, 3});
        whole = joined(whole, attach_section());
        for (const bool reset : {false, true})
            for (std::size_t size = 0; size <= whole.size(); size += 3) {
                stranger s{h.where};
                s.send(whole.data(), size);
                if (reset)
                    s.cut();
                else
                    s.close();
            }
        // In the middle of a large frame, which lands in memory of its own.
        bytes large(wire::frame_header_size);
        wire::encode_header(large.data(), {60'000, wire::frame_type::data, 0, 3});
        for (const std::size_t size : {1U, 100U, 30'000U, 59'999U}) {
            stranger s{h.where};
            s.begin();
            s.send(joined(large, bytes(size)));
            s.cut();
        }
        // Before and within the hello.
        for (std::size_t size = 0; size < 30; size += 7) {
            wire_end e{h.where};
            bytes hello(wire::frame_header_size);
            wire::encode_header(hello.data(),
                                {static_cast<std::uint16_t>(hello_payload().size()), wire::frame_type::hello, 0, 0});
            hello = joined(hello, hello_payload());
            e.send(hello.data(), size);
        }
        h.check_undisturbed();
    }

    TEST_CASE("peers: conversations of a link that is closed for a violation are 26, of a link that is cut 27") {
        house h;
        for (const bool cut : {false, true}) {
            stranger s{h.where};
            s.begin();
            talk t;
            // Attaches of earlier strangers are none here: only this one has begun.
            t.accept(h.all);
            if (cut)
                s.cut();
            else
                s.send(wire::frame_type::data, 0, 1'001, bytes(1));
            CHECK(t.receive().code == (cut ? CM_RESOURCE_FAILURE_RETRY : CM_RESOURCE_FAILURE_NO_RETRY));
        }
    }

    TEST_CASE("peers: a record that is none ends its conversation, not the link") {
        house h;
        for (const golden_vector& v : load_vectors("malformed_records.hex")) {
            if (v.text("answer") == "fault map_name") continue;
            CAPTURE(v.name);
            stranger s{h.where};
            s.begin();
            s.send(wire::frame_type::data, 0, stranger::channel, v.bytes);
            talk t;
            t.accept(h.all);
            received r;
            do r = t.receive();
            while (r.code == CM_OK);
            CHECK(r.code == CM_RESOURCE_FAILURE_NO_RETRY);
            const frame f = s.expect(wire::frame_type::data);
            CHECK(f.header.has(in::fm_header | in::conditional_end));
            CHECK(wire::decode_fmh7(f.payload).report.sense == 0x08640001);
            // The link is in order.
            s.send(wire::frame_type::ping, 0, 0, bytes(8));
            CHECK(s.expect(wire::frame_type::pong).payload == bytes(8));
        }
    }

    TEST_CASE("peers: a server that is no Colloquy") {
        const running_unit unit;
        struct kind {
            const char* name;
            bytes answer;
            CM_INT32 code;
        };
        const kind kinds[] = {
            {"HTTP", text_bytes("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"), CM_ALLOCATE_FAILURE_NO_RETRY},
            {"nothing", {}, CM_ALLOCATE_FAILURE_RETRY},
            {"refuses the version", reason_frame(wire::frame_type::refuse, wire::reason::version),
             CM_ALLOCATE_FAILURE_NO_RETRY},
            {"is full", reason_frame(wire::frame_type::refuse, wire::reason::limits), CM_ALLOCATE_FAILURE_RETRY},
            {"is being stopped", reason_frame(wire::frame_type::refuse, wire::reason::shutting_down),
             CM_ALLOCATE_FAILURE_RETRY},
            {"a ping first",
             [] {
                 bytes b(16);
                 wire::encode_header(b.data(), {8, wire::frame_type::ping, 0, 0});
                 return b;
             }(),
             CM_ALLOCATE_FAILURE_NO_RETRY},
        };
        for (const kind& k : kinds)
            for (const CM_INT32 mode : {CM_BLOCKING, CM_NON_BLOCKING}) {
                CAPTURE(std::string{k.name});
                const other_server server{k.answer};
                talk t;
                t.prepare(server.where + "/TP", CM_NONE, mode);
                CM_INT32 code = t.allocate();
                if (code == CM_OPERATION_INCOMPLETE) {
                    CHECK(mode == CM_NON_BLOCKING);
                    const completion c = wait_any();
                    CHECK(c.id == t.id);
                    code = c.result;
                }
                CHECK(code == k.code);
                CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);
            }
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("peers: who takes no expedited data or no full-duplex conversation is sent none") {
        const bytes payload = hello_payload();
        bytes hello(wire::frame_header_size);
        wire::encode_header(hello.data(), {static_cast<std::uint16_t>(payload.size()), wire::frame_type::hello, 0, 0});
        hello.insert(hello.end(), payload.begin(), payload.end());
        const house h;
        const other_server plain{hello, true};
        talk t;
        t.prepare(plain.where + "/TP");
        REQUIRE(t.allocate() == CM_OK);
        const CM_INT32 length = 4;
        CM_INT32 info = -1, rc = -1;
        cmsndx(t.id.data(), "fast", &length, &info, &rc);
        CHECK(rc == CM_EXP_DATA_NOT_SUPPORTED);
        CHECK(info == CM_NO_CONTROL_INFO_RECEIVED);
        CHECK(t.state() == CM_SEND_STATE);
        CHECK(t.send("data", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(t.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        // Allocate does not know; the calls that tell of a rejected attach do.
        for (const bool receives : {true, false}) {
            talk d;
            d.prepare(plain.where + "/TP");
            REQUIRE(d.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
            REQUIRE(d.allocate() == CM_OK);
            CHECK(d.state() == CM_SEND_RECEIVE_STATE);
            CHECK((receives ? d.receive().code : d.send("data")) ==
                  (receives ? CM_SEND_RCV_MODE_NOT_SUPPORTED : CM_ALLOCATION_ERROR));
            CHECK(d.state() == -CM_PROGRAM_PARAMETER_CHECK);
        }
    }

    TEST_CASE("peers: a port where nobody listens is told to retry, a host that does not exist is not") {
        const running_unit unit;
        talk t;
        t.prepare("127.0.0.1:1/TP");
        CHECK(t.allocate() == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);
    }
}
