// Strangers' bytes against each decoder of the wire. The first byte chooses it. What is accepted must keep the promises
// that callers rely on, and a stream must mean the same in whatever pieces it comes.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh5.hpp"
#include "runtime/wire/fmh7.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/gds.hpp"
#include "runtime/wire/hello.hpp"
#include "runtime/wire/reason.hpp"
#include "runtime/wire/relay.hpp"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace colloquy;
using bytes = std::span<const std::byte>;

bool inside(bytes outer, bytes inner) {
    return inner.empty() ||
           (inner.data() >= outer.data() && inner.data() + inner.size() <= outer.data() + outer.size());
}

void attach(bytes in) {
    wire::attach out;
    const wire::attach_result r = wire::decode_attach(in, out);
    if (r.sense != 0) {
        COLLOQUY_MUST(std::strlen(wire::sense_text(r.sense)) > 0);
        return;
    }
    COLLOQUY_MUST(r.size <= in.size() && r.size >= wire::fmh5_size_min && !out.tp_name.empty());
    std::array<std::byte, wire::fmh5_size_max> again;
    const std::size_t n = wire::encode_attach(again, out);
    COLLOQUY_MUST(n != 0);
    wire::attach second;
    COLLOQUY_MUST(wire::decode_attach(bytes{again}.first(n), second).sense == 0);
    COLLOQUY_MUST(second.tp_name == out.tp_name && second.user_id == out.user_id && second.password == out.password);
}

void error(bytes in) {
    const wire::decoded_error e = wire::decode_error(in);
    if (!e.valid) return;
    for (const bool purging : {false, true}) {
        // What a program is told can be said again in the same words.
        const runtime::return_code code = wire::return_code_of(e.report.sense, purging);
        const std::uint32_t again = wire::sense_of(code);
        COLLOQUY_MUST(again == 0 || wire::return_code_of(again, purging) == code);
    }
    (void)wire::sense_text(e.report.sense);
    if (e.report.log_follows) {
        std::array<char, wire::log_data_size_max> text;
        const bytes message = e.log.message.first(std::min(e.log.message.size(), text.size()));
        wire::to_ascii(message, reinterpret_cast<std::byte*>(text.data()));
        std::array<std::byte, wire::error_log_size_max> record;
        const std::size_t n = wire::encode_error_log(record, e.log.product_set, {text.data(), message.size()});
        COLLOQUY_MUST(n == 0 || wire::decode_error_log(bytes{record}.first(n)).valid);
    }
    COLLOQUY_MUST(inside(in, e.log.message) && inside(in, e.log.product_set));
    COLLOQUY_MUST(!e.report.log_follows || wire::fmh7_size + e.log.size == in.size());
}

struct stream {
    std::vector<std::byte> data;
    std::vector<std::size_t> ends;
    wire::record_fault fault = wire::record_fault::none;
    bool operator==(const stream&) const = default;
};

stream mapped(bytes in, std::size_t piece) {
    stream s;
    wire::record_reader reader;
    while (!in.empty() && s.fault == wire::record_fault::none) {
        bytes part = in.first(piece < in.size() ? piece : in.size());
        in = in.subspan(part.size());
        while (!part.empty()) {
            const wire::record_step step = reader.feed(part);
            s.fault = step.fault;
            COLLOQUY_MUST(inside(part, step.data));
            s.data.insert(s.data.end(), step.data.begin(), step.data.end());
            if (step.end) s.ends.push_back(s.data.size());
            if (step.fault != wire::record_fault::none) break;
            COLLOQUY_MUST(step.consumed > 0 && step.consumed <= part.size());
            part = part.subspan(step.consumed);
        }
    }
    return s;
}

stream basic(bytes in, std::size_t piece) {
    stream s;
    wire::record_tracker tracker;
    std::size_t at = 0;
    while (at < in.size() && s.fault == wire::record_fault::none) {
        const bytes part = in.subspan(at, piece < in.size() - at ? piece : in.size() - at);
        const wire::tracker_step step = tracker.feed(part);
        s.fault = step.fault;
        if (s.fault != wire::record_fault::none) break;
        COLLOQUY_MUST(step.consumed > 0 && step.consumed <= part.size());
        at += step.consumed;
        if (step.end) s.ends.push_back(at);
    }
    return s;
}

template <class Read>
void in_pieces(bytes in, Read read) {
    const stream whole = read(in, in.size() + 1);
    for (const std::size_t piece : {std::size_t{1}, std::size_t{2}, std::size_t{7}})
        COLLOQUY_MUST(read(in, piece) == whole);
}

void frame(bytes in) {
    if (in.size() < wire::frame_header_size) return;
    const wire::frame_header h = wire::decode_header(in.data());
    const wire::frame_fault fault = wire::check_header(h);
    COLLOQUY_MUST((fault == wire::frame_fault::none) == (wire::reason_of(h, fault) == wire::reason::none));
    COLLOQUY_MUST(std::strlen(wire::name(fault)) > 0);
    if (fault != wire::frame_fault::none) return;
    std::array<std::byte, wire::frame_header_size> again;
    wire::encode_header(again.data(), h);
    COLLOQUY_MUST(std::memcmp(again.data(), in.data(), again.size()) == 0);
}

void hello(bytes in) {
    wire::hello h;
    if (wire::decode_hello(in, h) != wire::reason::none) return;
    COLLOQUY_MUST(wire::valid_lu_name(h.lu_name.view()));
    std::array<std::byte, wire::hello_size_max> again;
    const std::size_t n = wire::encode_hello(again, h);
    wire::hello second;
    COLLOQUY_MUST(n != 0 && wire::decode_hello(bytes{again}.first(n), second) == wire::reason::none);
    COLLOQUY_MUST(second.lu_name == h.lu_name && second.instance == h.instance && second.flags == h.flags);
}

void attach_section(bytes in) {
    wire::attach out;
    std::uint32_t grant = 0;
    const wire::attach_result r = wire::decode_attach_section(in, grant, out);
    if (r.sense == 0) COLLOQUY_MUST(r.size <= in.size());
}

void relay(unsigned which, bytes in) {
    wire::serving serving;
    wire::origin origin;
    switch (which) {
        case 0:
            if (wire::decode_origin(in, origin)) {
                std::array<std::byte, wire::origin_size_max> again;
                const std::size_t n = wire::encode_origin(again, origin.attach, origin.flags, origin.lu_name.view(),
                                                          origin.caller.view());
                COLLOQUY_MUST(n == in.size() && std::memcmp(again.data(), in.data(), n) == 0);
            }
            break;
        case 1:
        case 2: {
            const auto type = which == 1 ? wire::frame_type::serve : wire::frame_type::served;
            if (!wire::decode_serving(in, type, serving)) break;
            COLLOQUY_MUST(std::strlen(wire::text(serving.result)) > 0);
            std::array<std::byte, wire::serving_size_max> again;
            const std::size_t n = wire::encode_serving(again, type, serving.result, serving.what, serving.name.view());
            COLLOQUY_MUST(n == in.size() && std::memcmp(again.data(), in.data(), n) == 0);
            break;
        }
        default:
            if (in.size() < wire::blame_size) break;
            std::array<std::byte, wire::blame_size> again;
            wire::encode_blame(again.data(), wire::decode_blame(in.data()));
            COLLOQUY_MUST(wire::decode_blame(again.data()) == wire::decode_blame(in.data()));
    }
}

void reason(bytes in) {
    const wire::reason why = wire::decode_reason(in).why;
    COLLOQUY_MUST(std::strlen(wire::name(why)) > 0 && std::strlen(wire::text(why)) > 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::input in{fuzz::bytes_of(data, size)};
    const unsigned which = in.byte();
    const bytes rest = in.rest();
    if (which >= 0xFC) {
        relay(which & 3, rest);
        return 0;
    }
    switch (which % 8) {
        case 0: attach(rest); break;
        case 1: error(rest); break;
        case 2: in_pieces(rest, mapped); break;
        case 3: in_pieces(rest, basic); break;
        case 4: frame(rest); break;
        case 5: hello(rest); break;
        case 6: attach_section(rest); break;
        default: reason(rest); break;
    }
    return 0;
}
