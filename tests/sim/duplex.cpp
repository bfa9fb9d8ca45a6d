#include "tests/sim/duplex.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "runtime/verbs.hpp"
#include "tests/sim/oracle.hpp"
#include "transport/sim.hpp"

namespace colloquy::sim {

namespace {

using runtime::characteristic;
using runtime::queue;
using runtime::return_code;

enum class saying : std::uint8_t { record, error, end, abend };

struct said {
    saying what;
    std::int32_t length;
    std::int32_t code;
};

enum class sending : std::uint8_t { data, flush, error, deallocate };

// One program's end. What it said and the partner has read is all that is known; each direction ends by itself.
struct program {
    std::uint32_t unit = 0;
    runtime::conversation_id id{};
    std::vector<said> out;
    std::size_t forced = 0;  // of out
    std::size_t read = 0;    // of the partner's
    std::int32_t offset = 0;
    bool we_ended = false, peer_ended = false, over = false;
    bool ended_itself = false;

    bool sends = false, receives = false;  // a caller is blocked
    sending verb = sending::flush;
    std::vector<std::byte> data, buffer;
    std::int32_t wanted = 0, got = 0, kind = 0, status = 0, rts = 0, send_rts = 0;
    bool immediate = false;

    [[nodiscard]] int state() const { return over ? 1 : we_ended ? 16 : peer_ended ? 15 : 17; }
};

struct pair_of {
    program ends[2];
    bool may_be_lost = false;
};

class scene {
public:
    scene(std::uint64_t seed, bool verbose) : random_{seed * 2 + 1}, verbose_{verbose} {
        auto& r = random_;
        transport::sim_weather w;
        w.delay_max_ns = 1'000 + r.below(2'000'000);
        static constexpr std::size_t chunks[] = {1, 64, 1'460, 65'536};
        w.read_bytes_max = chunks[r.below(4)];
        w.write_bytes_max = chunks[r.below(4)];
        w.pipe_bytes = r.chance(500) ? 4'096 : 1U << 20;
        losses_ = r.chance(300) ? 4 : 0;
        runtime::limits l;
        static constexpr std::uint32_t windows[] = {512, 1'024, 4'096, 16'384};
        l.window_bytes = windows[r.below(4)];
        l.window_bytes_max = l.window_bytes << r.below(4);
        l.conversations = 64;
        l.links = 32;
        l.partners = 4;
        l.tp_names = 4;
        l.heartbeat_ms = 0;
        network_ = std::make_unique<transport::sim_network>(r.next(), w);
        for (std::uint32_t i = 0; i < 2; ++i) {
            units_[i] = std::make_unique<transport::sim_unit>(*network_, l, i == 0 ? "NET.A" : "NET.B", r.next());
            (void)units_[i]->engine.tps().add("TELLER", 100);
        }
        (void)units_[0]->know(*units_[1], 1);
        (void)units_[1]->know(*units_[0], 1);
        shape_ = r.chance(500) ? 300 : 8'000;
    }

    void run() {
        const std::uint64_t actions = random_.between(50, 600);
        for (std::uint64_t i = 0; i < actions; ++i) {
            if (talks_.empty() || (talks_.size() < 4 && random_.chance(20))) open();
            if (!talks_.empty()) act();
        }
        at_rest();
        if (random_.chance(600)) cooperate();
        for (auto& t : talks_)
            for (int k = 0; k < 2; ++k)
                if (!t->ends[k].over) end_by_cancel(*t, k);
        settle();
        if (network_->worst_reason() != wire::reason::none) fail("duplex: a link was closed for a broken protocol");
        for (auto& u : units_) {
            runtime::engine& e = u->engine;
            if (e.count().read(runtime::counter::conversations_opened) !=
                e.count().read(runtime::counter::conversations_closed))
                fail("duplex: slots leak");
            if (e.inbound().reserved_bytes() != 0) fail("duplex: bytes stay reserved");
            for (const auto k :
                 {runtime::buffer_class::cell, runtime::buffer_class::block, runtime::buffer_class::bulk})
                if (e.inbound().bytes_in_use(k) != 0 || e.outbound_pool().bytes_in_use(k) != 0)
                    fail("duplex: buffers leak");
        }
    }

private:
    runtime::engine& engine(const program& p) { return units_[p.unit]->engine; }
    runtime::context& context(const program& p) { return units_[p.unit]->c; }

    void note(const pair_of& t, int k, const std::string& text) const {
        if (!verbose_) return;
        std::size_t serial = 0;
        while (serial < talks_.size() && talks_[serial].get() != &t) ++serial;
        std::fprintf(stderr, "%12llu  duplex %zu%c %d %s\n", static_cast<unsigned long long>(network_->now()), serial,
                     "ab"[k], t.ends[k].state(), text.c_str());
    }

    static std::byte content(int end, std::size_t number, std::int32_t at) {
        const auto mixed = static_cast<std::uint32_t>(number) * 2'654'435'761U + static_cast<std::uint32_t>(at) * 97U +
                           static_cast<std::uint32_t>(at >> 8) * 31U + static_cast<std::uint32_t>(end);
        return static_cast<std::byte>(mixed >> 7);
    }

    void open() {
        auto t = std::make_unique<pair_of>();
        const std::uint32_t from = random_.chance(500) ? 0 : 1;
        program& a = t->ends[0];
        program& b = t->ends[1];
        a.unit = from;
        b.unit = 1 - from;
        const runtime::outcome o = runtime::initialize(engine(a), context(a));
        if (o.code != return_code::ok) fail("duplex: no slot");
        a.id = o.id;
        (void)runtime::set_details(engine(a), context(a), a.id, from == 0 ? "NET.B" : "NET.A", "", "TELLER", false);
        if (runtime::set(engine(a), context(a), a.id, characteristic::send_receive_mode, 1).code != return_code::ok)
            fail("duplex: Set_Send_Receive_Mode is refused");
        const auto finish = [&](const runtime::outcome& done) {
            return_code code = done.code;
            if (!done.must_wait) return code;
            settle();
            if (!engine(a).collect(context(a), a.id, code, done.on)) fail("duplex: a call does not return");
            return code;
        };
        if (finish(runtime::allocate(
                engine(a), context(a), a.id,
                [](void* e, std::string_view name) { return static_cast<runtime::engine*>(e)->partners().find(name); },
                &engine(a), nullptr)) != return_code::ok)
            fail("duplex: Allocate is refused");
        if (finish(runtime::flush(engine(a), context(a), a.id, nullptr)) != return_code::ok) fail("duplex: Flush");
        settle();
        const runtime::outcome got = runtime::accept(engine(b), context(b), true, nullptr);
        if (got.code != return_code::ok) {
            // It left by a link of which one end had not heard yet that it was lost.
            if (!reset_) fail("duplex: no attach has come");
            return_code code{};
            if (runtime::cancel(engine(b), context(b), got.id).code != return_code::ok ||
                !engine(b).collect(context(b), got.id, code))
                fail("duplex: a cancelled Accept does not return");
            if (runtime::cancel(engine(a), context(a), a.id).code != return_code::ok) fail("duplex: Cancel is refused");
            return;
        }
        t->may_be_lost = reset_;
        b.id = got.id;
        talks_.push_back(std::move(t));
        check(*talks_.back());
    }

    void act() {
        auto& r = random_;
        if (r.chance(losses_) && network_->links_up() != 0) {
            for (auto& t : talks_) t->may_be_lost = true;
            reset_ = true;
            network_->reset(r.below(network_->links_up()));
        }
        const auto roll = r.below(100);
        if (roll < 35) {
            for (std::uint64_t n = r.between(1, 8); n != 0; --n) (void)network_->step();
            return poll();
        }
        if (roll < 38) return at_rest();
        pair_of& t = *talks_[r.below(talks_.size())];
        const int k = r.chance(500) ? 1 : 0;
        program& p = t.ends[k];
        if (roll < 65) return receive(t, k, r.chance(300));
        if (roll < 85) return send(t, k, sending::data);
        if (roll < 90) return send(t, k, sending::flush);
        if (roll < 93) return send(t, k, sending::error);
        if (roll < 95) return send(t, k, sending::deallocate);
        if (roll == 95 && r.chance(300)) return abend(t, k);
        if (roll == 96 && r.chance(300) && !p.over) return end_by_cancel(t, k);
    }

    void say(program& p, const said& what) {
        p.out.push_back(what);
        p.forced = p.out.size();
    }

    void send(pair_of& t, int k, sending verb) {
        program& p = t.ends[k];
        runtime::engine& e = engine(p);
        std::int32_t expected = p.over ? 24 : p.sends ? 37 : p.we_ended ? 25 : 0;
        std::int32_t length = 0;
        const bool flushes = random_.chance(500);
        std::vector<std::byte> data;
        runtime::outcome o;
        std::int32_t rts = 0;
        std::int32_t& told = expected == 0 ? p.send_rts : rts;
        switch (verb) {
            case sending::data: {
                length = static_cast<std::int32_t>(random_.below(shape_));
                for (std::int32_t i = 0; i < length; ++i) data.push_back(content(k, p.out.size(), i));
                data.push_back({});
                const auto set = runtime::set(e, context(p), p.id, characteristic::send_type, flushes ? 1 : 0).code;
                if (set != (p.over ? return_code::program_parameter_check : return_code::ok))
                    fail("duplex: Set_Send_Type gives another code");
                o = runtime::send_data(e, context(p), p.id, data.data(), length, &told, nullptr);
                break;
            }
            case sending::flush: o = runtime::flush(e, context(p), p.id, nullptr); break;
            case sending::error: o = runtime::send_error(e, context(p), p.id, &told, nullptr); break;
            case sending::deallocate: o = runtime::deallocate(e, context(p), p.id, nullptr); break;
        }
        const auto code = static_cast<std::int32_t>(o.code);
        note(t, k,
             "send " + std::to_string(static_cast<int>(verb)) + " of " + std::to_string(length) + " gives " +
                 std::to_string(code));
        if (expected != 0) {
            if (code != expected)
                fail("duplex: a call that sends gives " + std::to_string(code) + " instead of " +
                     std::to_string(expected));
            return;
        }
        if (code == 0 || code == 35) {
            switch (verb) {
                case sending::data: p.out.push_back({saying::record, length, 0}); break;
                case sending::error: say(p, {saying::error, 0, 21}); break;
                case sending::deallocate: say(p, {saying::end, 0, 0}); break;
                case sending::flush: break;
            }
            if (verb != sending::data || flushes) p.forced = p.out.size();
        }
        p.verb = verb;
        if (code == 35) {
            if (!o.must_wait || o.on != queue::send) fail("duplex: a call that sends waits on another queue");
            p.sends = true;
            p.data = std::move(data);
        } else {
            sent(t, k, code);
        }
        poll();
        check(t);
    }

    void sent(pair_of& t, int k, std::int32_t code) {
        program& p = t.ends[k];
        if (code == 0) {
            if (p.verb == sending::deallocate) p.we_ended = true;
            p.over |= p.we_ended && p.peer_ended;
            return;
        }
        ended(t, k, code);
    }

    // Both calls of an end may hear of it, each once.
    void ended(pair_of& t, int k, std::int32_t code) {
        program& p = t.ends[k];
        const program& other = t.ends[1 - k];
        bool right = code == 27 && t.may_be_lost;
        right |= code == 17 && p.ended_itself;
        for (const said& s : other.out) right |= s.what == saying::abend && s.code == code;
        if (!right) fail("duplex: code " + std::to_string(code) + " although nobody did anything of the kind");
        p.over = true;
    }

    void receive(pair_of& t, int k, bool immediate) {
        program& p = t.ends[k];
        const std::int32_t expected = p.over ? 24 : p.receives ? 37 : p.peer_ended ? 25 : 0;
        const auto length = static_cast<std::int32_t>(random_.chance(300) ? random_.below(500) : 32'767);
        if (!p.receives) {
            const auto set =
                runtime::set(engine(p), context(p), p.id, characteristic::receive_type, immediate ? 1 : 0).code;
            if (set != (p.over ? return_code::program_parameter_check : return_code::ok))
                fail("duplex: Set_Receive_Type gives another code");
        }
        std::vector<std::byte> buffer(static_cast<std::size_t>(length) + 16, std::byte{0xA5});
        std::int32_t spare[4];
        const runtime::receive_request none{buffer.data(), length, &spare[0], &spare[1], &spare[2], &spare[3]};
        const runtime::receive_request real{buffer.data(), length, &p.kind, &p.got, &p.status, &p.rts};
        const runtime::outcome o = runtime::receive(engine(p), context(p), p.id, expected == 0 ? real : none, nullptr);
        const auto code = static_cast<std::int32_t>(o.code);
        note(t, k, "Receive of " + std::to_string(length) + " gives " + std::to_string(code));
        if (expected != 0) {
            if (code != expected)
                fail("duplex: Receive gives " + std::to_string(code) + " instead of " + std::to_string(expected));
            return;
        }
        p.buffer = std::move(buffer);
        p.wanted = length;
        p.immediate = immediate;
        if (code == 35) {
            if (!o.must_wait || o.on != queue::main || immediate) fail("duplex: Receive waits on another queue");
            p.receives = true;
        } else {
            received(t, k, code);
        }
        poll();
        check(t);
    }

    void received(pair_of& t, int k, std::int32_t code) {
        program& p = t.ends[k];
        const program& other = t.ends[1 - k];
        for (std::size_t i = static_cast<std::size_t>(p.wanted); i < p.buffer.size(); ++i)
            if (p.buffer[i] != std::byte{0xA5}) fail("duplex: Receive wrote behind the buffer");
        const auto next = [&](saying what) { return p.read < other.out.size() && other.out[p.read].what == what; };
        if (code == 28 && p.immediate) return;
        if (code != 0 && code != 18 && code != 21) return ended(t, k, code);
        if (p.status != 0) fail("duplex: a status");
        if (code == 21) {
            if (!next(saying::error) || p.offset != 0) fail("duplex: 21 out of turn");
            ++p.read;
            return;
        }
        if (p.kind != 0) {
            if (!next(saying::record)) fail("duplex: data that the partner has not sent next");
            const std::int32_t left = other.out[p.read].length - p.offset;
            if (p.got > p.wanted || p.got > left || (p.kind == 2) != (p.got == left) || (p.kind != 2 && p.kind != 3))
                fail("duplex: " + std::to_string(p.got) + " of " + std::to_string(left) + " bytes with data_received " +
                     std::to_string(p.kind));
            bool cut = false;
            for (const said& s : other.out) cut |= s.what == saying::abend;
            if (p.kind == 3 && p.got != p.wanted && !cut) fail("duplex: incomplete although the buffer is not full");
            for (std::int32_t i = 0; i < p.got; ++i)
                if (p.buffer[static_cast<std::size_t>(i)] != content(1 - k, p.read, p.offset + i))
                    fail("duplex: wrong content");
            p.offset += p.got;
            if (p.kind == 2) {
                ++p.read;
                p.offset = 0;
            }
        } else if (code == 0) {
            fail("duplex: neither data nor status");
        }
        if (code != 18) return;
        if (!next(saying::end) || p.offset != 0) fail("duplex: 18 out of turn");
        ++p.read;
        p.peer_ended = true;
        p.over |= p.we_ended;
    }

    void abend(pair_of& t, int k) {
        program& p = t.ends[k];
        if (p.over || p.sends) return;
        (void)runtime::set(engine(p), context(p), p.id, characteristic::deallocate_type, 3);
        const auto code = runtime::deallocate(engine(p), context(p), p.id, nullptr).code;
        note(t, k, "Deallocate ABEND gives " + std::to_string(static_cast<int>(code)));
        if (code != return_code::ok) fail("duplex: Deallocate ABEND is refused");
        finish_own(t, k, 17);
    }

    void end_by_cancel(pair_of& t, int k) {
        program& p = t.ends[k];
        const auto code = runtime::cancel(engine(p), context(p), p.id).code;
        note(t, k, "Cancel gives " + std::to_string(static_cast<int>(code)));
        if (code != return_code::ok) fail("duplex: Cancel is refused");
        finish_own(t, k, 30);
    }

    void finish_own(pair_of& t, int k, std::int32_t code) {
        program& p = t.ends[k];
        p.over = p.ended_itself = true;
        say(p, {saying::abend, 0, code});
        poll();
        if (p.sends || p.receives) fail("duplex: an ended conversation keeps a caller");
        check(t);
    }

    void poll() {
        for (auto& u : units_) u->engine.flush(u->c);
        for (auto& t : talks_) {
            for (int k = 0; k < 2; ++k) {
                program& p = t->ends[k];
                return_code code{};
                if (p.receives && engine(p).finished(p.id)) {
                    if (!engine(p).collect(context(p), p.id, code)) fail("duplex: a Receive cannot be collected");
                    p.receives = false;
                    note(*t, k, "Receive completes with " + std::to_string(static_cast<int>(code)));
                    received(*t, k, static_cast<std::int32_t>(code));
                }
                if (p.sends && engine(p).finished(p.id, queue::send)) {
                    if (!engine(p).collect(context(p), p.id, code, queue::send))
                        fail("duplex: a call that sends cannot be collected");
                    p.sends = false;
                    note(*t, k, "send completes with " + std::to_string(static_cast<int>(code)));
                    sent(*t, k, static_cast<std::int32_t>(code));
                }
            }
        }
    }

    void check(pair_of& t) {
        for (program& p : t.ends) {
            runtime::conversation_state now{};
            const auto code = runtime::extract_state(engine(p), context(p), p.id, now).code;
            const int seen = code == return_code::ok ? static_cast<int>(now) : 1;
            if (seen != p.state())
                fail("duplex: Extract_State gives " + std::to_string(seen) + " instead of " +
                     std::to_string(p.state()));
        }
    }

    void settle() {
        if (!network_->settle()) fail("duplex: the network does not come to rest");
        poll();
    }

    void at_rest() {
        settle();
        settle();
        for (auto& t : talks_) {
            check(*t);
            if (t->may_be_lost) continue;
            for (int k = 0; k < 2; ++k) {
                const program& p = t->ends[k];
                const program& other = t->ends[1 - k];
                if (p.receives && other.forced > p.read) fail("duplex: Receive waits although the partner has sent");
                if (p.sends && (other.receives || other.over)) fail("duplex: a call that sends waits for nothing");
            }
        }
    }

    // Both ends read to the end and say theirs.
    void cooperate() {
        for (int round = 0; round < 4'000; ++round) {
            bool all = true;
            for (auto& t : talks_) {
                for (int k = 0; k < 2; ++k) {
                    program& p = t->ends[k];
                    all &= p.over;
                    (void)runtime::set(engine(p), context(p), p.id, characteristic::deallocate_type, 0);
                    if (!p.over && !p.we_ended && !p.sends) send(*t, k, sending::deallocate);
                    if (!p.over && !p.peer_ended && !p.receives) receive(*t, k, false);
                }
            }
            if (all) return;
            at_rest();
        }
        fail("duplex: the conversations do not end");
    }

    transport::sim_random random_;
    bool verbose_;
    std::unique_ptr<transport::sim_network> network_;
    std::unique_ptr<transport::sim_unit> units_[2];
    std::vector<std::unique_ptr<pair_of>> talks_;
    std::uint32_t losses_ = 0;
    bool reset_ = false;
    std::uint64_t shape_ = 0;
};

}  // namespace

void run_duplex(std::uint64_t seed, bool verbose) { scene{seed, verbose}.run(); }

}  // namespace colloquy::sim
