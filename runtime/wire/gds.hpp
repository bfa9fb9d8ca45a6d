// gds: logical records. A record is LL and data; a mapped record is a GDS variable, whose first segment names its kind.
//
// record_reader takes a mapped conversation's bytes in whatever pieces they arrive and points out the data in them.
// record_tracker does the same for basic conversations, where LL belongs to the program's data.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "runtime/wire/big_endian.hpp"

namespace colloquy::wire {

inline constexpr std::uint16_t gds_id_data = 0x12FF;
inline constexpr std::uint16_t gds_id_null = 0x12F1;
inline constexpr std::uint16_t gds_id_map_name = 0x12F3;
inline constexpr std::uint16_t gds_id_error_log = 0x12E1;
inline constexpr std::uint16_t gds_id_pip = 0x12F5;
inline constexpr std::uint16_t gds_id_pip_subfield = 0x12E2;

inline constexpr std::uint16_t ll_continued = 0x8000;
inline constexpr std::size_t ll_size_max = 0x7FFF;
inline constexpr std::size_t llid_size = 4;
inline constexpr std::size_t segment_data_max_first = ll_size_max - llid_size;  // 32763
inline constexpr std::size_t segment_data_max_next = ll_size_max - 2;

struct parsed_ll {
    bool valid;
    bool continued;      // another segment of the variable follows
    std::uint16_t size;  // counts the two bytes of LL itself
};

// 0000, 0001, 8000 and 8001 are no lengths.
[[nodiscard]] constexpr parsed_ll parse_ll(std::uint16_t ll) noexcept {
    const auto size = static_cast<std::uint16_t>(ll & 0x7FFF);
    return {size >= 2, (ll & ll_continued) != 0, size};
}

// ---- writing mapped records ----------------------------------------------------------------------

struct segment_header {
    std::uint8_t size;        // bytes written: 4 for a first segment, 2 for the following ones
    std::uint16_t data_size;  // data bytes that belong behind it
};

// Writes the header of the next segment of a mapped record of which `remaining` data bytes are still to be sent; `out`
// has room for four bytes. A record without data is the null variable. Most records are one segment.
constexpr segment_header write_segment_header(std::byte* out, std::size_t remaining, bool first) noexcept {
    const std::size_t most = first ? segment_data_max_first : segment_data_max_next;
    const std::size_t data = remaining < most ? remaining : most;
    const std::size_t head = first ? llid_size : 2;
    const std::size_t ll = (head + data) | (remaining > most ? ll_continued : 0U);
    store_u16(out, static_cast<std::uint16_t>(ll));
    if (first) store_u16(out + 2, remaining == 0 ? gds_id_null : gds_id_data);
    return {static_cast<std::uint8_t>(head), static_cast<std::uint16_t>(data)};
}

// Bytes a mapped record of `data` bytes takes on the wire, headers included.
[[nodiscard]] constexpr std::size_t mapped_record_size(std::size_t data) noexcept {
    if (data <= segment_data_max_first) return llid_size + data;
    const std::size_t rest = data - segment_data_max_first;
    return llid_size + data + 2 * ((rest + segment_data_max_next - 1) / segment_data_max_next);
}

// ---- reading mapped records ----------------------------------------------------------------------

enum class record_fault : std::uint8_t {
    none,
    length,    // LL is none, or leaves no room for the ID, or a null record has data
    id,        // a kind of variable that a mapped conversation does not receive
    map_name,  // a map name, which is answered by a service error (sense 08890100)
};

struct record_step {
    std::size_t consumed = 0;         // bytes of the input that are done with
    std::span<const std::byte> data;  // points into the input: the next piece of the current record
    bool start = false;               // data begins a record (also set for a record without data)
    bool end = false;                 // data ends the record
    bool null_record = false;         // the record is the null variable: no data at all
    record_fault fault = record_fault::none;
};

class record_reader {
public:
    // Takes headers and at most one piece of data, of at most `data_max` bytes, from the front of `in`. Call again with
    // the rest until `consumed` is all there was, or a wanted record has ended. A call that consumes nothing and
    // reports nothing has no room (`data_max` is 0) or no input. After a fault the reader stays in the fault.
    record_step feed(std::span<const std::byte> in, std::size_t data_max = ll_size_max) noexcept {
        record_step step;
        if (phase_ == phase::fault) {
            step.fault = static_cast<record_fault>(held_);
            return step;
        }
        for (;;) {
            if (phase_ == phase::body) {
                take_body(in, data_max, step);
                return step;
            }
            if (!take_header(in, step)) return step;
        }
    }

    // True between records: a change of direction or an end may stand here without cutting one.
    [[nodiscard]] bool at_boundary() const noexcept { return phase_ == phase::first && held_ == 0; }
    // Data bytes known to be left in the current segment.
    [[nodiscard]] std::uint16_t remaining() const noexcept {
        return phase_ == phase::body ? remaining_ : std::uint16_t{0};
    }
    // True when the record goes on in another segment after this one.
    [[nodiscard]] bool continued() const noexcept { return continued_; }

private:
    enum class phase : std::uint8_t { first, next, body, fault };

    // False when the step must be returned: more input is needed, or a fault was found.
    bool take_header(std::span<const std::byte> in, record_step& step) noexcept {
        const std::uint8_t wanted = phase_ == phase::first ? std::uint8_t{4} : std::uint8_t{2};
        const std::byte* header = in.data() + step.consumed;
        std::byte joined[4];
        if (held_ == 0 && in.size() - step.consumed >= wanted) {
            step.consumed += wanted;  // The common case: the header lies whole in the input.
        } else {
            while (held_ < wanted) {
                if (step.consumed == in.size()) return reject_early(step);
                set_partial(in[step.consumed++]);
            }
            for (std::size_t i = 0; i < 3; ++i) joined[i] = partial_[i];
            joined[3] = in[step.consumed - 1];
            header = joined;
        }
        const parsed_ll ll = parse_ll(load_u16(header));
        if (!ll.valid || ll.size < wanted) return fail(step, record_fault::length);
        if (phase_ == phase::first) {
            const std::uint16_t id = load_u16(header + 2);
            if (id == gds_id_map_name) return fail(step, record_fault::map_name);
            if (id != gds_id_data && id != gds_id_null) return fail(step, record_fault::id);
            null_ = id == gds_id_null;
            if (null_ && (ll.size != llid_size || ll.continued)) return fail(step, record_fault::length);
            started_ = false;
        }
        held_ = 0;
        remaining_ = static_cast<std::uint16_t>(ll.size - wanted);
        continued_ = ll.continued;
        phase_ = remaining_ == 0 && continued_ ? phase::next : phase::body;
        return true;
    }

    void set_partial(std::byte b) noexcept {
        if (held_ < 3) partial_[held_] = b;
        ++held_;
    }

    // A length that is wrong is told as soon as it is known, not when two more bytes have come.
    bool reject_early(record_step& step) noexcept {
        if (held_ < 2) return false;
        const parsed_ll ll = parse_ll(load_u16(partial_));
        if (!ll.valid || (phase_ == phase::first && ll.size < llid_size)) fail(step, record_fault::length);
        return false;
    }

    bool fail(record_step& step, record_fault fault) noexcept {
        phase_ = phase::fault;
        held_ = static_cast<std::uint8_t>(fault);
        step.fault = fault;
        return false;
    }

    void take_body(std::span<const std::byte> in, std::size_t data_max, record_step& step) noexcept {
        std::size_t n = in.size() - step.consumed;
        if (n > remaining_) n = remaining_;
        if (n > data_max) n = data_max;
        if (n == 0 && remaining_ != 0) return;
        step.data = in.subspan(step.consumed, n);
        step.consumed += n;
        step.start = !started_;
        started_ = true;
        remaining_ = static_cast<std::uint16_t>(remaining_ - n);
        step.null_record = null_;
        if (remaining_ != 0) return;
        step.end = !continued_;
        phase_ = continued_ ? phase::next : phase::first;
    }

    std::uint16_t remaining_ = 0;
    phase phase_ = phase::first;
    std::uint8_t held_ = 0;  // header bytes held back in partial_; in phase::fault the fault
    bool continued_ : 1 = false;
    bool started_ : 1 = false;
    bool null_ : 1 = false;
    std::byte partial_[3] = {};
};
static_assert(sizeof(record_reader) <= 8 && std::is_trivially_copyable_v<record_reader>);

// ---- basic conversations -------------------------------------------------------------------------

struct tracker_step {
    std::size_t consumed = 0;  // bytes of the current logical record, LL included
    bool end = false;          // the logical record ends with them
    record_fault fault = record_fault::none;
};

// Follows the logical records in a basic conversation's data, on the way out (is what the program sends well formed,
// does it stop inside a record) and on the way in (where does the record end). Each segment is a logical record of its
// own.
class record_tracker {
public:
    // Walks at most one logical record. After a fault the tracker must not be fed again before reset().
    tracker_step feed(std::span<const std::byte> in) noexcept {
        tracker_step step;
        if (held_ < 2) {
            if (held_ == 0 && !in.empty()) {
                high_ = in[0];
                held_ = 1;
                step.consumed = 1;
            }
            if (held_ != 1 || step.consumed == in.size()) return step;
            const std::byte pair[2] = {high_, in[step.consumed]};
            ++step.consumed;
            const parsed_ll ll = parse_ll(load_u16(pair));
            if (!ll.valid) {
                step.fault = record_fault::length;
                return step;
            }
            held_ = 2;
            remaining_ = static_cast<std::uint16_t>(ll.size - 2);
        }
        std::size_t n = in.size() - step.consumed;
        if (n > remaining_) n = remaining_;
        step.consumed += n;
        remaining_ = static_cast<std::uint16_t>(remaining_ - n);
        if (remaining_ == 0) {
            held_ = 0;
            step.end = true;
        }
        return step;
    }

    [[nodiscard]] bool at_boundary() const noexcept { return held_ == 0; }
    // Data bytes left in the record once LL is known.
    [[nodiscard]] std::uint16_t remaining() const noexcept { return remaining_; }
    void reset() noexcept { *this = record_tracker{}; }

private:
    std::uint16_t remaining_ = 0;
    std::uint8_t held_ = 0;  // bytes of LL seen: 0, 1, or 2 inside the record
    std::byte high_{};
};
static_assert(sizeof(record_tracker) == 4 && std::is_trivially_copyable_v<record_tracker>);

}  // namespace colloquy::wire
