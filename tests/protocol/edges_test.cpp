// What happens at the edges: news for a conversation whose owner is at work or whose result waits, entries of accepts
// that were taken back, memory that has run out, and partners that send what they may not.
#include <algorithm>
#include <span>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/frame.hpp"
#include "tests/support/pair.hpp"

using namespace colloquy;
using colloquy::test::memory_unit;
using colloquy::test::pair;
using colloquy::test::program;
using runtime::characteristic;
using collected = runtime::engine::collected;
using result = runtime::engine::collect_result;

namespace {

struct pending_receive {
    std::string buffer = std::string(32767, '\0');
    std::int32_t data = -1, length = -1, status = -1, rts = -1;

    std::int32_t begin(program& who, std::int32_t size) {
        return static_cast<std::int32_t>(runtime::receive(who.u.engine, who.u.c, who.id,
                                                          {buffer.data(), size, &data, &length, &status, &rts}, nullptr)
                                             .code);
    }
    std::string text() const { return buffer.substr(0, static_cast<std::size_t>(length)); }
};

struct talking {
    pair p;
    program a{p, p.a};
    program b{p, p.b};
    pending_receive first;

    explicit talking(bool basic = false, const runtime::limits& bounds = pair::small()) : p{bounds} {
        (void)p.b.engine.tps().add("ECHO", 100);
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        if (basic) REQUIRE(a.set(characteristic::conversation_type, 0) == 0);
        REQUIRE(a.allocate() == 0);
        CHECK(a.flush() == 0);
        p.settle();
        REQUIRE(b.accept() == 0);
    }
    // What B's driver brings finds the conversation owned, and is left for the verb that owns it.
    void bring_while_owned() {
        runtime::conversation& v = *p.b.engine.find(b.id);
        std::uint64_t seen = 0;
        REQUIRE(v.word.claim(b.id.generation(), seen) == runtime::state_word<>::claim_result::claimed);
        p.settle();
        REQUIRE_FALSE(v.word.leave(runtime::phase::idle, v.state, seen));
        REQUIRE(v.word.leave(runtime::phase::idle, v.state, seen));
        (void)v.word.announce(b.id.generation());
    }
    // Bytes that A's engine would never send.
    void inject(wire::frame_type type, std::uint8_t indicators, std::size_t length, int times) {
        const std::uint32_t channel = p.b.engine.find(b.id)->channel;
        std::vector<std::byte> frame(wire::frame_header_size + length);
        wire::encode_header(frame.data(), {static_cast<std::uint16_t>(length), type, indicators, channel});
        auto& in = p.b.ends_.front().in;
        for (int i = 0; i < times; ++i) in.insert(in.end(), frame.begin(), frame.end());
    }
    // A Receive of B's has finished and its result is not collected.
    void leave_result_waiting() {
        CHECK(b.set(characteristic::processing_mode, 1) == 0);
        REQUIRE(first.begin(b, 32767) == 35);
        CHECK(a.send("first") == 0);
        CHECK(a.flush() == 0);
        p.settle();
        REQUIRE(p.b.engine.finished(b.id));
    }
};

std::vector<std::byte> frame(wire::frame_type type, std::uint8_t indicators, std::uint32_t channel,
                             std::span<const std::byte> payload) {
    std::vector<std::byte> bytes(wire::frame_header_size + payload.size());
    wire::encode_header(bytes.data(), {static_cast<std::uint16_t>(payload.size()), type, indicators, channel});
    std::copy(payload.begin(), payload.end(), bytes.begin() + wire::frame_header_size);
    return bytes;
}

std::vector<std::byte> attach_for(std::string_view tp, std::uint32_t index) {
    std::vector<std::byte> section(wire::attach_section_size_max);
    wire::attach to;
    to.mapped = false;
    (void)to.tp_name.assign(tp);
    section.resize(wire::encode_attach_section(section, 65'536, to));
    return frame(wire::frame_type::data, wire::indicator::begin, wire::make_channel(wire::link_side::connector, index),
                 section);
}

// The other end of A's link, to which things are said in A's name, and whose answers A reads only when told to.
struct silent_reader {
    pair& p;
    memory_unit& unit;  // the manager, where there is one
    memory_unit::wire_end& end;
    runtime::session& link;

    explicit silent_reader(pair& of)
        : p{of},
          unit{of.m == nullptr ? of.b : of.m->unit},
          end{of.m == nullptr ? unit.ends_.at(0) : unit.ends_.at(1)},
          link{*end.session} {
        end.stuck = true;
    }
    void say(const std::vector<std::byte>& bytes) const { end.in.insert(end.in.end(), bytes.begin(), bytes.end()); }
    void pump() const {
        for (bool moved = true; moved;) {
            moved = unit.pump();
            if (&unit != &p.b) moved = p.b.pump() || moved;
        }
    }
    void read() const {
        end.stuck = false;
        p.settle();
        end.stuck = true;
    }
    [[nodiscard]] bool open() const { return link.at() == runtime::session::stage::open; }
    [[nodiscard]] wire::reason why() const { return link.ended_because(); }
};

void call(program& a) {
    REQUIRE(a.initialize("NET.B", "ECHO") == 0);
    REQUIRE(a.allocate() == 0);
    CHECK(a.flush() == 0);
    a.p.settle();
}

}  // namespace

TEST_SUITE("edges") {
    TEST_CASE("accept: the entry of one that was taken back and made again serves one attach, not the next as well") {
        pair p;
        (void)p.b.engine.tps().add("ECHO", 100);
        const runtime::outcome first = runtime::accept(p.b.engine, p.b.c, false, nullptr);
        REQUIRE(first.code == runtime::return_code::operation_incomplete);
        program b{p, p.b};
        REQUIRE(b.initialize_for_incoming() == 0);
        REQUIRE(runtime::accept_incoming(p.b.engine, p.b.c, b.id, nullptr).must_wait);
        CHECK(runtime::give_up(p.b.engine, p.b.c, b.id) == runtime::given_up::withdrawn);
        CHECK(b.set(characteristic::processing_mode, 1) == 0);
        CHECK(b.accept_incoming() == 35);
        program calls[3]{{p, p.a}, {p, p.a}, {p, p.a}};
        collected done;
        call(calls[0]);
        REQUIRE(p.b.engine.collect_any(p.b.c, done) == result::one);
        call(calls[1]);
        collected second;
        REQUIRE(p.b.engine.collect_any(p.b.c, second) == result::one);
        CHECK(done.id.value != second.id.value);
        // The program's conversation is bound, and waits for something else now.
        pending_receive r;
        REQUIRE(r.begin(b, 100) == 35);
        const runtime::outcome third = runtime::accept(p.b.engine, p.b.c, false, nullptr);
        REQUIRE(third.code == runtime::return_code::operation_incomplete);
        call(calls[2]);
        REQUIRE(p.b.engine.collect_any(p.b.c, done) == result::one);
        CHECK(done.id.value == third.id.value);
        CHECK_FALSE(p.b.engine.finished(b.id));
        CHECK(p.b.engine.collect_any(p.b.c, done) == result::none);
    }

    TEST_CASE("accept: attaches that were ended with everything else are not waited for") {
        pair p;
        (void)p.b.engine.tps().add("ECHO", 100);
        program a{p, p.a};
        call(a);
        runtime::end_all(p.b.engine, p.b.c);
        CHECK(runtime::accept(p.b.engine, p.b.c, false, nullptr).code == runtime::return_code::product_specific_error);
    }

    TEST_CASE("accept: credit that came for an attach before it was taken over is kept") {
        pair p;
        (void)p.b.engine.tps().add("ECHO", 100);
        program b{p, p.b};
        REQUIRE(b.initialize_for_incoming() == 0);
        program a{p, p.a};
        call(a);
        for (std::uint32_t i = 0; i < p.b.engine.bounds().conversations; ++i) {
            runtime::conversation& v = p.b.engine.at(i);
            if (v.link == nullptr) continue;
            bool stale = false;
            CHECK(p.b.engine.on_credit(p.b.c, v.id(), 1'000, stale) == wire::reason::none);
            CHECK_FALSE(stale);
        }
        CHECK(b.accept_incoming() == 0);
        CHECK(p.b.engine.find(b.id)->granted.load_acquire() == 1'000);
    }

    TEST_CASE("accept: a full-duplex conversation in nonblocking mode has one call at a time, and each is told") {
        runtime::limits small = pair::small();
        small.window_bytes = small.window_bytes_max = 2'048;
        pair p{small};
        (void)p.b.engine.tps().add("ECHO", 100);
        program b{p, p.b};
        REQUIRE(b.initialize_for_incoming() == 0);
        CHECK(b.set(characteristic::processing_mode, 1) == 0);
        CHECK(b.accept_incoming() == 35);
        program a{p, p.a};
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        REQUIRE(a.set(characteristic::send_receive_mode, 1) == 0);
        REQUIRE(a.allocate() == 0);
        CHECK(a.flush() == 0);
        p.settle();
        collected done;
        REQUIRE(p.b.engine.collect_any(p.b.c, done) == result::one);
        CHECK(b.state() == 17);
        pending_receive r;
        REQUIRE(r.begin(b, 100) == 35);
        CHECK(b.send("x") == 37);
        CHECK(b.send_error() == 37);
        CHECK(b.flush() == 37);
        CHECK(a.send("question") == 0);
        CHECK(a.flush() == 0);
        p.settle();
        REQUIRE(p.b.engine.collect_any(p.b.c, done) == result::one);
        CHECK(r.text() == "question");
        CHECK(b.set(characteristic::send_type, 1) == 0);
        const std::string large(8'000, 'x');
        CHECK(b.send(large) == 35);
        std::string heard;
        while (heard.size() < large.size()) {
            p.settle();
            const auto g = a.receive();
            REQUIRE(g.code == 0);
            heard += g.text;
        }
        p.settle();
        REQUIRE(p.b.engine.collect_any(p.b.c, done) == result::one);
        CHECK(done.code == runtime::return_code::ok);
        REQUIRE(r.begin(b, 100) == 35);
        CHECK(b.set(characteristic::deallocate_type, 3) == 0);
        CHECK(b.deallocate() == 0);  // beside a Receive that is told so
        p.settle();
        REQUIRE(p.b.engine.collect_any(p.b.c, done) == result::one);
        CHECK(done.code == runtime::return_code::deallocated_abend);
        CHECK(b.state() == -24);
        CHECK(p.b.engine.outstanding() == 0);
    }

    TEST_CASE("receive immediate: part of a record that came while the call was being made is not lost") {
        talking t{true};
        CHECK(t.b.set(characteristic::receive_type, 1) == 0);
        const std::string record{
            "\x00\x0A"
            "12345678",
            10};
        CHECK(t.a.send(record.substr(0, 6)) == 0);
        CHECK(t.a.flush() == 0);
        t.bring_while_owned();
        CHECK(t.b.receive(100).code == 28);
        CHECK(t.a.send(record.substr(6)) == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        const auto g = t.b.receive(100);
        CHECK(g.code == 0);
        CHECK(g.text == record);
    }

    TEST_CASE("receive: what is set for filling beside it is for later calls") {
        talking t{true};
        CHECK(t.b.set(characteristic::processing_mode, 1) == 0);
        CHECK(t.b.set(characteristic::fill, 1) == 0);
        pending_receive r;
        REQUIRE(r.begin(t.b, 100) == 35);
        const std::string record{
            "\x00\x0A"
            "12345678",
            10};
        CHECK(t.a.send(record) == 0);
        CHECK(t.a.flush() == 0);
        t.p.settle();
        CHECK(t.b.set(characteristic::fill, 0) == 0);
        CHECK(t.a.prepare_to_receive() == 0);
        t.p.settle();
        collected done;
        REQUIRE(t.p.b.engine.collect_any(t.p.b.c, done) == result::one);
        CHECK(done.code == runtime::return_code::ok);
        CHECK(r.text() == record);
        CHECK(t.b.state() == 5);  // data came with the turn
    }

    TEST_CASE("floods: what a partner sends while a result waits to be collected is bounded") {
        struct flood {
            wire::frame_type type;
            std::uint8_t indicators;
            std::size_t length;
        };
        const flood floods[] = {{wire::frame_type::expedited, 0, 86},
                                {wire::frame_type::expedited_read, 0, 0},
                                {wire::frame_type::data, 0, 100},
                                {wire::frame_type::data, wire::indicator::definite_response, 0}};
        for (const flood& f : floods) {
            CAPTURE(static_cast<int>(f.type));
            CAPTURE(f.length);
            talking t;
            t.leave_result_waiting();
            t.inject(f.type, f.indicators, f.length, 50'000);
            t.p.settle();
            // Behind a relay it is the partner whose link is closed.
            CHECK((t.p.m == nullptr ? t.p.b : t.p.a).last_reason == wire::reason::credit_overrun);
            collected done;
            REQUIRE(t.p.b.engine.collect_any(t.p.b.c, done) == result::one);
            CHECK(done.code == runtime::return_code::ok);
        }
    }

    TEST_CASE("floods: who has us answer and does not read is given up; who reads, however late, is not") {
        for (const bool reads : {true, false})
            for (const bool attaches : {false, true}) {
                if (reads && attaches) continue;  // A has asked for none of them
                CAPTURE(reads);
                CAPTURE(attaches);
                talking t;
                silent_reader end{t.p};
                const std::vector<std::byte> one =
                    attaches ? attach_for("NOBODY", 9)
                             : frame(wire::frame_type::ping, 0, 0, std::vector<std::byte>(wire::ping_size));
                const std::uint64_t allowed = end.unit.engine.bounds().link_unread_answers();
                for (int round = 0; round < 3 && end.open(); ++round) {
                    for (std::uint64_t i = 0; i < allowed; ++i) end.say(one);
                    end.pump();
                    CHECK(end.open());
                    if (reads) {
                        end.read();
                        continue;
                    }
                    end.say(one);
                    end.pump();
                    CHECK_FALSE(end.open());
                    CHECK(end.why() == wire::reason::limits);
                }
                CHECK(end.open() == reads);
                if (!reads) continue;
                // Its conversation is as it was.
                end.end.stuck = false;
                CHECK(t.a.send("still here") == 0);
                CHECK(t.a.flush() == 0);
                t.p.settle();
                CHECK(t.b.receive().text == "still here");
            }
    }

    TEST_CASE("floods: conversations that a partner begins and never hears the end of are bounded") {
        runtime::limits l = pair::small();
        l.link_output_bytes = l.link_relay_bytes = 131'072;
        talking t{false, l};
        silent_reader end{t.p};
        const std::vector<std::byte> attach = attach_for("ECHO", 9);
        std::uint64_t said = 0;  // a lower bound
        program b{t.p, t.p.b};
        for (int i = 0; i < 10'000 && end.open(); ++i) {
            end.say(attach);
            end.pump();
            if (!end.open()) break;
            REQUIRE(b.accept() == 0);
            CHECK(b.set(characteristic::deallocate_type, 3) == 0);
            CHECK(b.log_data(std::string(512, 'x')) == 0);
            CHECK(b.deallocate() == 0);
            end.pump();
            said += 512;
        }
        CHECK(end.why() == wire::reason::limits);
        CHECK(said <= 16 * 131'072);
        CHECK(said >= 12 * 131'072);
    }

    TEST_CASE("confirm: an answer that ends what was not asked to end, or the other way round, closes the link") {
        for (const bool ends : {false, true}) {
            CAPTURE(ends);
            pair p;
            (void)p.b.engine.tps().add("ECHO", 100);
            program a{p, p.a};
            REQUIRE(a.initialize("NET.B", "ECHO", 1) == 0);
            REQUIRE(a.allocate() == 0);
            const auto o = ends ? runtime::deallocate(p.a.engine, p.a.c, a.id, nullptr)
                                : runtime::confirm(p.a.engine, p.a.c, a.id, &a.rts, nullptr);
            REQUIRE(o.must_wait);
            const std::uint32_t channel = p.a.engine.find(a.id)->channel;
            const std::uint8_t other = ends ? std::uint8_t{0} : wire::indicator::conditional_end;
            const std::vector<std::byte> answer = frame(wire::frame_type::response, other, channel, {});
            p.settle();
            auto& in = p.a.ends_.at(0).in;
            in.insert(in.end(), answer.begin(), answer.end());
            p.settle();
            CHECK(p.a.last_reason == wire::reason::protocol);
            runtime::return_code code{};
            REQUIRE(p.a.engine.collect(p.a.c, a.id, code));
            CHECK(code == runtime::return_code::resource_failure_no_retry);
        }
    }

    TEST_CASE("links: a result that nobody collects does not keep a link that has ended") {
        runtime::limits l = pair::small();
        l.links = 1;
        pair p{l, false};
        p.a.watched = true;
        (void)p.b.engine.tps().add("ECHO", 100);
        program a{p, p.a};
        program b{p, p.b};
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        REQUIRE(a.allocate() == 0);
        CHECK(a.set(characteristic::processing_mode, 1) == 0);
        pending_receive r;
        REQUIRE(r.begin(a, 100) == 35);
        p.settle();
        REQUIRE(b.accept() == 0);
        CHECK(a.cancel() == 0);
        p.a.cut();
        p.settle();
        CHECK(b.cancel() == 0);
        program next{p, p.a};
        REQUIRE(next.initialize("NET.B", "ECHO") == 0);
        CHECK(next.allocate() == 0);
        collected done;
        REQUIRE(p.a.engine.collect_any(p.a.c, done) == result::one);
        CHECK(done.code == runtime::return_code::deallocated_abend);
    }

    TEST_CASE("waiting: who came too late to the list of a link is not taken for one that waits for room") {
        runtime::limits l = pair::small();
        l.link_output_bytes = l.link_relay_bytes = 131'072;
        l.window_bytes = 8'192;
        pair p{l};
        (void)p.b.engine.tps().add("ECHO", 100);
        program a{p, p.a};
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        REQUIRE(runtime::allocate(p.a.engine, p.a.c, a.id, &program::find, &p.a.engine, nullptr).must_wait);
        // As if it had entered after the opener took the list, and had seen the link only then.
        auto& list = p.a.engine.partners().find("NET.B")->waiting;
        runtime::waiting_node* const late = list.take_all();
        REQUIRE(late != nullptr);
        p.settle();
        (void)list.push(late);
        runtime::conversation& v = *p.a.engine.find(a.id);
        runtime::phase before{};
        REQUIRE(v.word.own(a.id.generation(), before) == runtime::state_word<>::own_result::owned);
        p.a.engine.put_back(p.a.c, v, before);
        runtime::return_code code{};
        REQUIRE(p.a.engine.collect(p.a.c, a.id, code));
        REQUIRE(code == runtime::return_code::ok);
        p.a.ends_.at(0).stuck = true;
        while (!v.link->crowded()) {
            program other{p, p.a};
            REQUIRE(other.initialize("NET.B", "ECHO") == 0);
            REQUIRE(other.allocate() == 0);
            CHECK(other.send(std::string(6'000, 'x')) == 0);
            REQUIRE(other.flush() == 0);
        }
        REQUIRE(runtime::flush(p.a.engine, p.a.c, a.id, nullptr).must_wait);
        p.a.ends_.at(0).stuck = false;
        p.settle();
        REQUIRE(p.a.engine.finished(a.id));
        CHECK(p.a.engine.collect(p.a.c, a.id, code));
        CHECK(code == runtime::return_code::ok);
    }

    TEST_CASE("waiting: an Allocate that was given up may be made again for another partner") {
        pair p;
        memory_unit third{pair::small(), "NET.C", 0x9999};
        p.other = &third;
        p.a.know(third);
        (void)third.engine.tps().add("ECHO", 100);
        program a{p, p.a};
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        CHECK(a.set(characteristic::processing_mode, 1) == 0);
        CHECK(a.allocate() == 35);
        runtime::given_back what{};
        runtime::return_code code{};
        CHECK(runtime::abandon_call(p.a.engine, p.a.c, a.id, 0, nullptr, what, code).code == runtime::return_code::ok);
        REQUIRE(what == runtime::given_back::undone);
        CHECK(runtime::set_details(p.a.engine, p.a.c, a.id, "NET.C", "", "ECHO", false).code ==
              runtime::return_code::ok);
        CHECK(a.allocate() == 35);
        // The first partner's link is still being opened.
        while (third.pump() || p.a.pump()) {
        }
        collected done;
        REQUIRE(p.a.engine.collect_any(p.a.c, done) == result::one);
        CHECK(done.code == runtime::return_code::ok);
    }

    TEST_CASE("memory: frames that found none of ours are given back to where they came from") {
        talking t;
        t.leave_result_waiting();
        std::vector<runtime::buffer*> all;
        for (const std::size_t size : {std::size_t{1}, std::size_t{1'000}, std::size_t{60'000}})
            while (runtime::buffer* b = t.p.b.engine.inbound().allocate(size, 0)) all.push_back(b);
        while (runtime::buffer* b = t.p.b.engine.inbound().allocate_cell(0)) all.push_back(b);
        CHECK(t.a.send_expedited("now") == 0);
        t.p.settle();
        CHECK(t.b.cancel() == 0);
        CHECK(t.b.state() == -24);
        for (runtime::buffer* b : all) t.p.b.engine.inbound().release(b, 0);
    }

    TEST_CASE("memory: an error report with a long text is one report also when only cells are left") {
        talking t{true};
        std::vector<runtime::buffer*> all;
        for (const std::size_t size : {std::size_t{1'000}, std::size_t{60'000}})
            while (runtime::buffer* b = t.p.b.engine.inbound().allocate(size, 0)) all.push_back(b);
        CHECK(t.a.log_data(std::string(500, 'x')) == 0);
        CHECK(t.a.send_error() == 0);
        t.p.settle();
        CHECK(t.b.receive().code == 21);
        REQUIRE(t.p.b.log.size() == 1);
        CHECK(t.p.b.log[0].text.size() == 500);
        for (runtime::buffer* b : all) t.p.b.engine.inbound().release(b, 0);
    }

    TEST_CASE("state: what a Send changes beside a Receive that waits is shown at once") {
        pair p;
        (void)p.b.engine.tps().add("ECHO", 100);
        program a{p, p.a};
        REQUIRE(a.initialize("NET.B", "ECHO") == 0);
        REQUIRE(a.set(characteristic::send_receive_mode, 1) == 0);
        REQUIRE(a.allocate() == 0);
        pending_receive r;
        REQUIRE(r.begin(a, 100) == 35);
        CHECK(a.deallocate() == 0);
        CHECK(a.state() == 16);
        CHECK(a.send("x") == 25);
    }
}
