// A hostile partner against a logical unit whose program calls verbs meanwhile. The input is a list of steps: frames
// that the partner sends, well formed or not, and calls of the program.
//
// However it goes: the same steps give the same output and the same return codes in whatever pieces the bytes come,
// every operation that waits ends once, and at the end every slot, buffer and channel has come back.
#include <array>
#include <cstring>
#include <memory>
#include <vector>

#if defined(__unix__)
#include <sys/mman.h>
#endif

#include "runtime/engine.hpp"
#include "runtime/verbs.hpp"
#include "runtime/wire/fmh5.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace colloquy;
using runtime::conversation_id;
using runtime::return_code;

constexpr std::size_t ids_max = 6;

// What an operation writes to, for as long as it may.
struct outputs {
    std::array<std::byte, 300> buffer{};
    std::int32_t data = 0, length = 0, status = 0, control = 0;
};

class unit final : public runtime::host {
public:
    explicit unit(std::size_t piece) : engine{bounds(), "NET.A", 0x1234567, *this}, piece_{piece} {
        (void)engine.tps().add("T", 4);
        scratch_.resize(runtime::session::scratch_min);
        them_ = engine.partners().add("NET.B", 1, nullptr);
    }
    static runtime::limits bounds() {
        runtime::limits l;
        l.conversations = 16;
        l.links = 2;
        l.partners = 4;
        l.tp_names = 4;
        l.accept_queue = 16;
        l.link_conversations = 12;
        l.link_attach_bytes = 8'192;
        l.link_output_bytes = 16'384;
        l.window_bytes = 1'024;
        l.window_growth_bytes = 4'096;
        l.link_attaches_per_second = 0;
        return l;
    }

    void write_duty(runtime::context&, runtime::session&) noexcept override { duty_ = true; }
    void open_link(runtime::context& ctx, runtime::partner& p, std::uint32_t link) noexcept override {
        if (!begun_) session_ = engine.open_session(ctx);
        if (begun_ || session_ == nullptr) {  // one link in its life
            engine.link_failed(ctx, p, link, return_code::allocate_failure_retry);
            return;
        }
        begun_ = true;
        session_->opened_for = &p;
        session_->opened_index = link;
        session_->start(ctx, wire::link_side::connector, now);
    }
    void session_ended(runtime::context& ctx, runtime::session& s) noexcept override {
        closed_ = true;
        if (s.opened_for != nullptr &&
            s.opened_for->links[s.opened_index].state.load_acquire() == runtime::partner_link::opening)
            engine.link_failed(ctx, *s.opened_for, s.opened_index, return_code::allocate_failure_retry);
    }
    void wake(runtime::spot<>&) noexcept override {}
    void wait_queue_filled(std::uint32_t) noexcept override {}
    void wait_queue_idle() noexcept override {}
    bool wait_queue_watched() noexcept override { return true; }
    void operation_outstanding() noexcept override {}

    // The partner calls us.
    void answer_link() {
        if (begun_) return;
        session_ = engine.open_session(c);
        begun_ = true;
        session_->start(c, wire::link_side::acceptor, now);
    }
    void feed(std::span<const std::byte> in) {
        if (!begun_) answer_link();
        while (!in.empty() && !closed_) {
            runtime::slice where[2];
            const std::size_t n = session_->offer(scratch_, where);
            const std::size_t most = piece_ < in.size() ? piece_ : in.size();
            std::size_t taken = 0;
            for (std::size_t k = 0; k < n && taken < most; ++k) {
                const std::size_t part = most - taken < where[k].size ? most - taken : where[k].size;
                std::memcpy(where[k].data, in.data() + taken, part);
                taken += part;
            }
            session_->received(c, scratch_, taken, now);
            in = in.subspan(taken);
        }
        write();
    }
    void frame(wire::frame_header h, std::span<const std::byte> payload) {
        std::vector<std::byte> whole(wire::frame_header_size);
        wire::encode_header(whole.data(), h);
        whole.insert(whole.end(), payload.begin(), payload.end());
        feed(whole);
    }
    void write() {
        while (duty_) {
            runtime::slice slices[16];
            const std::size_t n = session_->gather(c, slices, 16);
            for (std::size_t k = 0; k < n; ++k)
                written.insert(written.end(), slices[k].data, slices[k].data + slices[k].size);
            if (n == 0)
                duty_ = false;
            else
                session_->written(c);
        }
        engine.flush(c);
        if (closed_ && session_ != nullptr && session_->take_write_duty()) {
            session_->stop_writing(c);
            session_->release(c);
            session_ = nullptr;
        }
    }
    void tick(unsigned ms) {
        now += std::uint64_t{ms} * 1'000'000;
        if (session_ != nullptr && begun_ && !closed_ && now >= session_->next_deadline()) session_->tick(c, now);
        write();
    }
    void lose() {
        if (session_ != nullptr && begun_ && !closed_)
            session_->lost(c, return_code::resource_failure_retry, wire::reason::transport);
        write();
    }

    // --- the program
    void told(return_code code) { codes.push_back(static_cast<std::int32_t>(code)); }
    // A call; one that waits is counted until it is collected.
    void called(runtime::outcome o) {
        told(o.code);
        COLLOQUY_MUST(!o.must_wait);  // everything here is in non-blocking mode
        if (o.code == return_code::operation_incomplete) ++waiting;
        write();
    }
    void collect() {
        runtime::engine::collected got;
        for (;;) {
            const auto r = engine.collect_any(c, got);
            if (r == runtime::engine::collect_result::none) break;
            if (r == runtime::engine::collect_result::stale) continue;
            COLLOQUY_MUST(waiting > 0);
            COLLOQUY_MUST(got.code != return_code::operation_incomplete);
            --waiting;
            told(got.code);
        }
    }
    static runtime::partner* find(void* arg, std::string_view) { return static_cast<unit*>(arg)->them_; }
    void verb(unsigned which, unsigned slot, unsigned argument, std::span<const std::byte> data) {
        conversation_id& id = ids[slot % ids_max];
        outputs& o = out[slot % ids_max];
        const auto size = static_cast<std::int32_t>(data.size());
        runtime::engine& e = engine;
        // Buffers of an operation that waits stay as they are.
        const bool busy = e.finished(id) == false && waits(id);
        switch (which % 22) {
            case 0: {
                const runtime::outcome opened = runtime::initialize(e, c);
                told(opened.code);
                if (opened.code != return_code::ok) return;
                if (alive(id)) called(runtime::cancel(e, c, id));
                id = opened.id;
                (void)runtime::set_details(e, c, id, "NET.B", "", "T", false);
                (void)runtime::set(e, c, id, runtime::characteristic::conversation_type, argument & 1);
                (void)runtime::set(e, c, id, runtime::characteristic::sync_level, argument >> 1 & 1);
                (void)runtime::set(e, c, id, runtime::characteristic::processing_mode, 1);
                return;
            }
            case 1: {
                if (alive(id)) return;
                const runtime::outcome opened = runtime::accept(e, c, false, nullptr);
                id = opened.id;
                called(opened);
                (void)runtime::set(e, c, id, runtime::characteristic::processing_mode, 1);
                return;
            }
            case 2: called(runtime::allocate(e, c, id, &find, this, nullptr)); return;
            case 3:
            case 4:
                if (!nonblocking(id)) return;
                std::memcpy(o.buffer.data(), data.data(), busy || data.size() > o.buffer.size() ? 0 : data.size());
                called(runtime::send_data(e, c, id, data.data(), size, busy ? nullptr : &o.control, nullptr));
                return;
            case 5:
            case 6:
            case 7: {
                if (!nonblocking(id) || busy) return;
                const auto most = static_cast<std::int32_t>(argument < o.buffer.size() ? argument : o.buffer.size());
                called(runtime::receive(e, c, id, {o.buffer.data(), most, &o.data, &o.length, &o.status, &o.control},
                                        nullptr));
                return;
            }
            case 8:
                if (nonblocking(id)) called(runtime::confirm(e, c, id, busy ? nullptr : &o.control, nullptr));
                return;
            case 9:
                if (nonblocking(id)) called(runtime::confirmed(e, c, id));
                return;
            case 10:
                if (nonblocking(id)) called(runtime::deallocate(e, c, id, nullptr));
                return;
            case 11:
                if (nonblocking(id)) called(runtime::flush(e, c, id, nullptr));
                return;
            case 12:
                if (nonblocking(id)) called(runtime::prepare_to_receive(e, c, id, nullptr));
                return;
            case 13:
                if (nonblocking(id)) called(runtime::send_error(e, c, id, busy ? nullptr : &o.control, nullptr));
                return;
            case 14:
                if (nonblocking(id)) called(runtime::request_to_send(e, c, id));
                return;
            case 15: called(runtime::cancel(e, c, id)); return;
            case 16:
                if (!busy) called(runtime::test_request_to_send_received(e, c, id, &o.control));
                return;
            case 17: {
                const auto what = static_cast<runtime::characteristic>(argument % 12);
                if (what == runtime::characteristic::processing_mode) return;
                called(runtime::set(e, c, id, what, static_cast<std::int32_t>(argument >> 4)));
                return;
            }
            case 18:
                if (!nonblocking(id) || data.empty() || busy) return;
                called(runtime::send_expedited_data(e, c, id, data.data(), size > 86 ? 86 : size, &o.control, nullptr));
                return;
            case 19:
                if (!nonblocking(id) || busy) return;
                called(runtime::receive_expedited_data(e, c, id, o.buffer.data(), 86, &o.length, &o.control,
                                                       static_cast<std::int32_t>(argument & 1), nullptr));
                return;
            case 20: called(runtime::set_log_data(e, c, id, data.data(), size)); return;
            default: collect(); return;
        }
    }
    [[nodiscard]] bool alive(conversation_id id) {
        runtime::conversation_state s{};
        return runtime::extract_state(engine, c, id, s).code == return_code::ok;
    }
    // An accept that waits belongs to a conversation whose mode is set when it is there.
    [[nodiscard]] bool nonblocking(conversation_id id) {
        std::int32_t mode = 0;
        if (runtime::extract(engine, c, id, runtime::characteristic::processing_mode, mode).code != return_code::ok)
            return true;  // it answers 24
        if (mode == 0) (void)runtime::set(engine, c, id, runtime::characteristic::processing_mode, 1);
        return mode == 1 || (runtime::extract(engine, c, id, runtime::characteristic::processing_mode, mode).code ==
                                 return_code::ok &&
                             mode == 1);
    }
    [[nodiscard]] bool waits(conversation_id id) {
        runtime::conversation* v = engine.find(id);
        if (v == nullptr || id.generation() == 0) return false;
        const std::uint64_t w = v->word.load();
        return runtime::word_bits::is_life(w, id.generation()) &&
               runtime::word_bits::phase_of(w) == runtime::phase::pending;
    }

    // Everybody leaves; nothing may be left.
    void end() {
        lose();
        collect();
        for (conversation_id& id : ids) {
            if (alive(id)) (void)runtime::cancel(engine, c, id);
            write();
        }
        runtime::end_all(engine, c);
        write();
        collect();
        COLLOQUY_MUST(engine.outstanding() == 0);  // of one that was cancelled no record may remain
        for (std::uint32_t i = 0; i < engine.bounds().conversations; ++i) {
            const auto p = runtime::word_bits::phase_of(engine.at(i).word.load());
            COLLOQUY_MUST(p == runtime::phase::vacant);
        }
        for (const auto k : {runtime::buffer_class::cell, runtime::buffer_class::block, runtime::buffer_class::bulk}) {
            COLLOQUY_MUST(engine.inbound().bytes_in_use(k) == 0);
            COLLOQUY_MUST(engine.outbound_pool().bytes_in_use(k) == 0);
        }
        COLLOQUY_MUST(session_ == nullptr);
    }

    runtime::context c;
    runtime::engine engine;
    std::uint64_t now = 1;
    unsigned waiting = 0;
    std::array<conversation_id, ids_max> ids{};
    std::array<outputs, ids_max> out{};
    std::vector<std::byte> written;
    std::vector<std::int32_t> codes;

private:
    runtime::partner* them_ = nullptr;
    runtime::session* session_ = nullptr;
    std::vector<std::byte> scratch_;
    std::size_t piece_;
    bool duty_ = false;
    bool begun_ = false;
    bool closed_ = false;
};

// A hello as another logical unit would send it, and an attach for T.
void greet(unit& u) {
    wire::hello h;
    h.channels_max = 12;
    h.attach_credit = 1'024;
    h.flags = wire::hello_flag::expedited | wire::hello_flag::full_duplex;
    (void)h.lu_name.assign("NET.B");
    std::array<std::byte, wire::hello_size_max> bytes;
    const std::size_t n = wire::encode_hello(bytes, h);
    u.frame({static_cast<std::uint16_t>(n), wire::frame_type::hello, 0, 0}, std::span{bytes}.first(n));
}
void attach(unit& u, std::uint32_t channel, unsigned bits, std::span<const std::byte> data) {
    wire::attach a;
    (void)a.tp_name.assign("T");
    a.mapped = (bits & 1) == 0;
    a.sync_level = (bits & 2) != 0 ? 1 : 0;
    a.full_duplex = (bits & 4) != 0;
    std::array<std::byte, 512> bytes;
    const std::size_t n = wire::encode_attach_section(bytes, 1'024, a);
    std::vector<std::byte> payload(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
    payload.insert(payload.end(), data.begin(), data.end());
    const auto more =
        static_cast<std::uint8_t>(bits & (wire::indicator::change_direction | wire::indicator::definite_response));
    u.frame({static_cast<std::uint16_t>(payload.size()), wire::frame_type::data,
             static_cast<std::uint8_t>(wire::indicator::begin | more), channel},
            payload);
}

std::unique_ptr<unit> play(std::span<const std::byte> steps, std::size_t piece) {
    auto u = std::make_unique<unit>(piece);
    static constexpr std::array types{wire::frame_type::data,      wire::frame_type::response,
                                      wire::frame_type::signal,    wire::frame_type::credit,
                                      wire::frame_type::expedited, wire::frame_type::expedited_read,
                                      wire::frame_type::ping,      wire::frame_type::drain};
    fuzz::input in{steps};
    // The first byte: do we call, and does a good hello come.
    const unsigned way = in.byte();
    if ((way & 1) == 0) u->answer_link();
    if ((way & 2) == 0) {
        if ((way & 1) != 0) u->verb(0, 0, way >> 2, {}), u->verb(2, 0, 0, {});
        greet(*u);
    }
    for (unsigned steps_left = 200; steps_left > 0 && !in.done(); --steps_left) {
        const unsigned what = in.byte();
        switch (what >> 5) {
            case 0:
            case 1: {  // a frame with a length that is right, about a channel in use or not
                const auto type = types[what & 7];
                const unsigned bits = in.byte();
                const std::uint32_t channel = in.byte() % 32;
                const auto payload = in.take(in.byte());
                u->frame({static_cast<std::uint16_t>(payload.size()), type, static_cast<std::uint8_t>(bits), channel},
                         payload);
                break;
            }
            case 2: {  // bytes as they are
                u->feed(in.take(what & 31));
                break;
            }
            case 3: {
                const unsigned bits = in.byte();
                attach(*u, ((what & 31) + 1) * 2 + ((way & 1) != 0 ? 0 : 1), bits, in.take(in.byte() % 64));
                break;
            }
            case 4: u->tick((what & 31) * 1'000); break;
            default: {
                const unsigned slot = in.byte();
                u->verb(what & 31, slot, slot >> 3 | (what & 0xC0), in.take(what % 3 == 0 ? in.byte() : 4));
                break;
            }
        }
    }
    u->collect();
    return u;
}

}  // namespace

static void show(const char* what, std::span<const std::byte> bytes) {
    std::fprintf(stderr, "%s:", what);
    for (const std::byte b : bytes) std::fprintf(stderr, " %02x", std::to_integer<unsigned>(b));
    std::fprintf(stderr, "\n");
}

// Tables straight from the system: a checking allocator would mark every byte of them for each of the units that an
// input starts.
static void lean_tables() {
#if defined(__unix__)
    runtime::memory_of_tables() = {[](std::size_t bytes) {
                                       void* const place = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                                                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                                       return place == MAP_FAILED ? nullptr : place;
                                   },
                                   [](void* place, std::size_t bytes) { (void)munmap(place, bytes); }};
#endif
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const bool lean = (lean_tables(), true);
    (void)lean;
    const auto steps = fuzz::bytes_of(data, size);
    const auto whole = play(steps, SIZE_MAX);
    const std::size_t some = size != 0 ? 1 + data[size - 1] % 13 : 1;
    for (const std::size_t piece : {std::size_t{1}, some}) {
        const auto pieces = play(steps, piece);
        COLLOQUY_MUST(pieces->codes == whole->codes);
        if (pieces->written != whole->written) {
            show("whole", whole->written);
            show("in pieces", pieces->written);
        }
        COLLOQUY_MUST(pieces->written == whole->written);
        pieces->end();
    }
    whole->end();
    return 0;
}
