#include "tests/sim/oracle.hpp"

#include <algorithm>
#include <cstring>

namespace colloquy::sim {

namespace {

const char* set_of(std::int32_t code) {
    switch (code) {
        case 0: return "ok";
        case 1:
        case 2: return "af";
        case 3:
        case 5:
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
        case 11: return "ae";
        case 17:
        case 30:
        case 31: return "da";
        case 18: return "dn";
        case 19: return "pe";
        case 20: return "ps";
        case 21:
        case 32: return "en";
        case 22:
        case 33: return "ep";
        case 23:
        case 34: return "et";
        case 24: return "pc";
        case 25: return "sc";
        case 26:
        case 27: return "rf";
        case 28: return "un";
        case 35: return "oi";
        case 37: return "na";
        default: return "?";
    }
}

const char* call_of(call c) {
    switch (c) {
        case call::allocate: return "Allocate";
        case call::cancel: return "Cancel_Conversation";
        case call::confirm: return "Confirm";
        case call::confirmed: return "Confirmed";
        case call::deallocate: return "Deallocate";
        case call::flush: return "Flush";
        case call::prepare_to_receive: return "Prepare_To_Receive";
        case call::receive: return "Receive";
        case call::request_to_send: return "Request_To_Send";
        case call::send_data: return "Send_Data";
        case call::send_error: return "Send_Error";
        case call::test_request_to_send: return "Test_Request_To_Send_Received";
        case call::send_expedited: return "Send_Expedited_Data";
        case call::receive_expedited: return "Receive_Expedited_Data";
    }
    return "?";
}

std::uint64_t mix(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}
std::uint64_t content_seed(const side& s, std::uint32_t sequence) noexcept {
    return mix((std::uint64_t{s.of->serial} << 33) ^ (std::uint64_t{s.originator} << 32) ^ sequence);
}
// Record content is a function of who said it, when, and where in the record: sequence and checksum in one.
void pattern(std::byte* to, std::size_t bytes, std::uint64_t seed, std::size_t offset) noexcept {
    std::size_t at = 0;
    while (at < bytes) {
        const std::size_t in_word = (offset + at) % 8;
        const std::uint64_t word = mix(seed + (offset + at) / 8 * 0x9E3779B97F4A7C15ULL);
        const std::size_t n = bytes - at < 8 - in_word ? bytes - at : 8 - in_word;
        std::memcpy(to + at, reinterpret_cast<const std::byte*>(&word) + in_word, n);
        at += n;
    }
}

using kind = item::kind;

}  // namespace

// What this end may hear next, for the report of a failure.
static std::string ahead(side& s) {
    static const char* const names[] = {"record", "confirm",     "turn",  "confirm-turn",
                                        "end",    "confirm-end", "error", "abend"};
    const side& p = s.of->other(s);
    std::string text =
        std::string{" (talk "} + std::to_string(s.of->serial) + (s.originator ? "a" : "b") + " reads from";
    for (const side::place& at : s.at)
        text.append(" ").append(std::to_string(at.read)).append("+").append(std::to_string(at.offset));
    text += ":";
    const std::size_t first = s.at.front().read;
    for (std::size_t i = first < 6 ? 0 : first - 6; i < p.out.size() && i < first + 12; ++i) {
        const item& it = p.out[i];
        text += i == first ? " | " : " ";
        text += names[static_cast<std::size_t>(it.what)];
        if (it.what == kind::record) text.append(" ").append(std::to_string(it.length));
        if (it.what == kind::record && p.basic)
            text.append("@").append(std::to_string(it.part.base)).append("/").append(std::to_string(it.part.whole));
        if (it.what >= kind::error) text.append(" ").append(std::to_string(it.code));
        if (it.optional) text += "*";
    }
    return text + ")";
}

void fail(const std::string& what) { throw failure{what}; }
const char* name(call c) noexcept { return call_of(c); }

// The same of a logical record, whose first two bytes are its length. The bit above it means nothing here.
void oracle::fill_basic(std::byte* to, const side& s, const fragment& f) noexcept {
    const std::uint64_t seed = content_seed(s, f.sequence);
    pattern(to, static_cast<std::size_t>(f.length), seed, static_cast<std::size_t>(f.base));
    const auto ll = static_cast<std::uint32_t>(f.whole) | static_cast<std::uint32_t>((seed & 1) << 15);
    for (std::int32_t i = f.base; i < 2 && i < f.base + f.length; ++i)
        to[i - f.base] = static_cast<std::byte>((ll >> (i == 0 ? 8 : 0)) & 0xFF);
}

void oracle::fill(std::byte* to, std::size_t bytes, const side& s, std::uint32_t sequence) noexcept {
    pattern(to, bytes, content_seed(s, sequence), 0);
}

const state_table::row* oracle::row(const request& r, std::int32_t code) const {
    const std::string set = set_of(code);
    std::string condition;
    std::string outcome = set;
    switch (r.what) {
        case call::deallocate: condition = r.type; break;
        case call::prepare_to_receive: condition = r.type; break;
        case call::send_data:
            if (code == 0) condition = r.type;
            break;
        case call::receive:
            condition = r.type;
            if (code == 0) {
                static const char* const status[] = {"", "SEND", "CONFIRM", "CONFIRM_SEND", "CONFIRM_DEALLOC"};
                if (r.status < 0 || r.status > 4) fail(std::string{"status_received is "} + std::to_string(r.status));
                if (r.status == 0)
                    outcome = "ok {data, no status}";
                else if (r.status == 1)
                    outcome = r.data == 0 ? "ok {no data, SEND}" : "ok {data, SEND}";
                else
                    outcome = std::string{"ok {any, "} + status[r.status] + "}";
            }
            break;
        default: break;
    }
    try {
        return &table_.find(call_of(r.what), condition, outcome);
    } catch (const std::runtime_error&) {
        return nullptr;
    }
}

cell oracle::next(const request& r, std::int32_t code) const {
    const state_table::row* const found = row(r, code);
    return found == nullptr ? cell{} : state_table::look(*found, r.from);
}

std::int32_t oracle::refusal(const side& s, const request& r) const {
    request probe;
    probe.what = r.what;
    probe.type = r.type;
    probe.from = s.state;
    probe.status = probe.data = 0;
    const cell c = next(probe, 0);
    return c.what == cell::kind::refused ? c.code : 0;
}

bool oracle::unheard(const side& s, const side::place& partner) noexcept {
    for (std::size_t i = partner.read; i < s.out.size(); ++i)
        if (s.out[i].what == kind::error && s.out[i].code != 21) return true;
    return false;
}

bool oracle::unheard(side& s) noexcept {
    for (const side::place& p : s.of->other(s).at)
        if (!unheard(s, p)) return false;
    return true;
}

bool oracle::perhaps_unheard(side& s) noexcept {
    for (const side::place& p : s.of->other(s).at)
        if (unheard(s, p)) return true;
    return false;
}

namespace {

// A turn that an error report may have replaced is passed over.
void pass_optional(side::place& at, const side& p) noexcept {
    while (at.read < p.out.size() && p.out[at.read].optional) ++at.read;
}

void only_once(std::vector<side::place>& places) {
    for (std::size_t i = 0; i < places.size(); ++i)
        for (std::size_t k = places.size(); --k > i;)
            if (places[k] == places[i]) places.erase(places.begin() + static_cast<std::ptrdiff_t>(k));
}

}  // namespace

void oracle::say(side& s, request& r, bool finished) {
    const auto add = [&](kind what) {
        s.out.push_back({what, 0, 0, 0, false, false, {}});
        return s.out.size() - 1;
    };
    bool leaves = true;
    switch (r.what) {
        case call::send_data:
            if (s.basic) {
                for (const fragment& f : r.fragments) {
                    s.out.push_back({kind::record, f.sequence, f.length, 0, false, false, f});
                    s.spoken = f;
                    s.sequence = f.sequence + 1;
                }
            } else {
                s.out.push_back({kind::record, s.sequence++, r.length, 0, false, false, {}});
            }
            switch (r.type) {
                case 'B': leaves = false; break;
                case 'F': break;
                case 'C': r.status_item = add(kind::confirm); break;
                case 'P':
                    if (r.asks)
                        r.status_item = add(kind::confirm_turn);
                    else
                        add(kind::turn);
                    break;
                default:
                    if (s.deallocate_type == 3) {
                        // What stands before the abend leaves only as far as it may.
                        s.out[add(kind::abend)].code = 17;
                        leaves = false;
                    } else if (r.asks) {
                        r.status_item = add(kind::confirm_end);
                    } else {
                        add(kind::end);
                    }
            }
            break;
        case call::confirm: r.status_item = add(kind::confirm); break;
        case call::flush: break;
        case call::prepare_to_receive:
            if (r.asks)
                r.status_item = add(kind::confirm_turn);
            else
                add(kind::turn);
            break;
        case call::deallocate:
            if (r.type == 'A') {
                s.out[add(kind::abend)].code = 17;
                leaves = false;
            } else if (r.asks) {
                r.status_item = add(kind::confirm_end);
            } else {
                add(kind::end);
            }
            break;
        case call::cancel:
            s.out[add(kind::abend)].code = 30;
            leaves = false;
            break;
        case call::receive:
            r.unsent = s.sure < s.out.size() || !s.attached;
            if (r.from == row_state::send || r.from == row_state::send_pending)
                add(kind::turn);
            else
                leaves = false;
            break;
        case call::send_error: {
            const bool holds = r.from == row_state::send || (r.from == row_state::send_pending && !r.error_as_receiver);
            s.out[add(kind::error)].code = !holds ? 22 : s.in_record() ? 23 : 21;
            s.spoken = {};
            break;
        }
        default: leaves = false;
    }
    if (leaves) {
        s.attached = true;
        s.forced = s.out.size();
        if (finished) s.sure = s.out.size();
    }
}

// The next unread item is an error report; what we said and the partner has not read is void when it refused it.
void oracle::hear_error(side& s, std::int32_t code) {
    side& p = s.of->other(s);
    std::vector<side::place> next;
    // We may have refused what stood before it, while it was under way behind that.
    const bool jumps = code == 22 && perhaps_unheard(s);
    for (const side::place& from : s.at) {
        side::place at = from;
        if (!jumps) pass_optional(at, p);
        for (std::size_t i = at.read; i < p.out.size(); ++i) {
            const bool fits = p.out[i].what == kind::error && (p.out[i].code == 0 || p.out[i].code == code);
            if (fits && (jumps || at.offset == 0)) next.push_back({i + 1, 0, false, SIZE_MAX});
            if (!jumps) break;
        }
    }
    if (next.empty())
        fail(std::string{"code "} + std::to_string(code) + " although the partner's next word is no such report" +
             ahead(s));
    only_once(next);
    s.at = std::move(next);
    if (code == 22) {
        p.at = {{s.out.size(), 0, false, SIZE_MAX}};
        s.spoken = {};
    }
}

void oracle::judge_receive(side& s, request& r, std::int32_t code, const circumstances& now) {
    side& p = s.of->other(s);
    for (std::size_t i = static_cast<std::size_t>(r.length); i < r.buffer.size(); ++i)
        if (r.buffer[i] != std::byte{0xA5}) fail("Receive wrote behind the buffer");
    if (code == 28) {
        if (r.type != 'I' && r.forced_code != 28) fail("28 from a Receive that waits");
        return;
    }
    if (code == 21 || code == 23) return hear_error(s, code);
    if (code != 0 && code != 18) return;
    // Who hands us data has heard what we refused.
    if (unheard(s)) fail("data of a turn that was refused by Send_Error");
    std::erase_if(p.at, [&](const side::place& at) { return unheard(s, at); });
    if ((r.data == 1) != (r.fills && r.data != 0) || r.data < 0 || r.data > 3)
        fail(std::string{"data_received is "} + std::to_string(r.data));
    if (code == 18 && r.status != 0) fail("a status with 18");
    std::vector<side::place> next;
    std::string why;
    for (side::place at : s.at) {
        why = follow(s, r, code, at, now);
        if (why.empty()) next.push_back(at);
    }
    if (next.empty()) fail(why + ahead(s));
    only_once(next);
    s.at = std::move(next);
}

// Takes the place behind what a Receive brought; not empty: why that cannot be.
std::string oracle::follow(side& s, const request& r, std::int32_t code, side::place& at, const circumstances& now) {
    const side& p = s.of->other(s);
    const bool data = r.data != 0;
    if (data && s.basic) {
        if (std::string why = follow_basic(s, r, code, at, now); !why.empty()) return why;
    } else if (data) {
        if (at.cut) return "data behind a record that was cut";
        pass_optional(at, p);
        if (at.read >= p.out.size() || p.out[at.read].what != kind::record)
            return "data that the partner has not sent next";
        const item& rec = p.out[at.read];
        const std::int32_t left = rec.length - at.offset;
        if (r.received < 0 || r.received > r.length)
            return std::string{"received_length "} + std::to_string(r.received);
        if (r.data == 2 && r.received != left)
            return std::string{"complete with "} + std::to_string(r.received) + " of " + std::to_string(left) +
                   " bytes left";
        if (r.data == 3) {
            if (r.received >= left) return "incomplete although nothing is left";
            if (r.received != r.length) {
                bool abends = false;
                for (std::size_t i = at.read; i < p.out.size(); ++i) abends |= p.out[i].what == kind::abend;
                if (!abends || at.read < p.sure) return "incomplete although the buffer is not full";
                at.cut = true;
            }
            if (r.status != 0 || code != 0) return "a status with incomplete data";
        }
        if (r.length == 0 && (r.status != 0 || code != 0)) return "data and status with a length of 0";
        std::byte expected[512];
        const std::uint64_t seed = content_seed(p, rec.sequence);
        for (std::int32_t done = 0; done < r.received; done += 512) {
            const auto n = static_cast<std::size_t>(r.received - done < 512 ? r.received - done : 512);
            pattern(expected, n, seed, static_cast<std::size_t>(at.offset + done));
            if (std::memcmp(expected, r.buffer.data() + done, n) != 0)
                return std::string{"wrong content of record "} + std::to_string(rec.sequence) + " at " +
                       std::to_string(at.offset + done);
        }
        if (r.data == 2) {
            ++at.read;
            at.offset = 0;
        } else {
            at.offset += r.received;
        }
    } else if (r.received != 0) {
        return "received_length without data";
    }
    if (r.status == 0 && code == 0) return data ? std::string{} : "neither data nor status";
    static constexpr kind wanted[] = {kind::end, kind::turn, kind::confirm, kind::confirm_turn, kind::confirm_end};
    const kind want = wanted[r.status];
    if (at.offset != 0) return "a status in the middle of a record";
    if (want != kind::turn) pass_optional(at, p);
    if (at.read >= p.out.size() || p.out[at.read].what != want)
        return std::string{"status "} + std::to_string(r.status) + " that the partner has not sent next";
    if (r.status >= 2) at.asked = at.read;
    ++at.read;
    return {};
}

// Any number of fragments make what one Receive brings: of one record, or with fill BUFFER of whatever comes.
std::string oracle::follow_basic(side& s, const request& r, std::int32_t code, side::place& at,
                                 const circumstances& now) {
    const side& p = s.of->other(s);
    if (at.cut) return "data behind a record that was cut";
    if (r.received < 0 || r.received > r.length) return std::string{"received_length "} + std::to_string(r.received);
    if (r.length == 0 && (r.status != 0 || code != 0)) return "data and status with a length of 0";
    bool ended = false;
    for (std::int32_t done = 0; done < r.received;) {
        pass_optional(at, p);
        if (at.read >= p.out.size() || p.out[at.read].what != kind::record)
            return "data that the partner has not sent next";
        if (ended && !r.fills) return "bytes of two records in one";
        const item& it = p.out[at.read];
        const std::int32_t n = std::min(r.received - done, it.length - at.offset);
        fragment f = it.part;
        f.base += at.offset;
        f.length = n;
        std::vector<std::byte> expected(static_cast<std::size_t>(n));
        fill_basic(expected.data(), p, f);
        if (std::memcmp(expected.data(), r.buffer.data() + done, expected.size()) != 0)
            return std::string{"wrong content of record "} + std::to_string(f.sequence) + " at " +
                   std::to_string(f.base);
        done += n;
        at.offset += n;
        ended = f.ends();
        if (at.offset == it.length) {
            ++at.read;
            at.offset = 0;
        }
    }
    if (r.data == 2) return ended ? std::string{} : "a record is called complete and is not";
    if (r.data == 3) {
        if (ended) return "incomplete although the record is complete";
        if (r.status != 0 || code != 0) return "a status with incomplete data";
    }
    if (r.received == r.length || (r.fills && (r.status != 0 || code != 0 || r.type == 'I' || now.link_may_be_lost)))
        return {};
    // Less than was asked for: an error report cuts here, or an abend.
    side::place then = at;
    pass_optional(then, p);
    if (then.offset == 0 && then.read < p.out.size() && p.out[then.read].what == kind::error) return {};
    bool abends = false;
    for (std::size_t i = at.read; i < p.out.size(); ++i) abends |= p.out[i].what == kind::abend;
    if (!abends || at.read < p.sure) return "the buffer is not full, and nothing cuts";
    at.cut = true;
    return {};
}

// What the partner has forced out ends this Receive: a record, or as much as was asked for.
bool oracle::enough(const side& s, const side& p, const request& r) noexcept {
    std::int64_t bytes = -std::int64_t{s.at.front().offset};
    for (std::size_t i = s.at.front().read; i < p.forced && i < p.out.size(); ++i) {
        if (p.out[i].what != kind::record) return true;
        bytes += p.out[i].length;
        if (bytes >= r.length || (!r.fills && p.out[i].part.ends())) return true;
    }
    return false;
}

void oracle::judge_ending(side& s, const request& r, std::int32_t code, const circumstances& now) {
    side& p = s.of->other(s);
    const std::string told = std::string{"code "} + std::to_string(code);
    switch (code) {
        case 26: fail("26 although nothing that lasts is wrong");
        case 27:
            if (!now.link_may_be_lost) fail("27 although no link was lost");
            return;
        case 17:
        case 30: {
            if (r.forced_code == code) return;
            bool too_soon = false;
            for (const side::place& at : s.at) {
                bool end = false;
                for (std::size_t i = at.read; i < p.out.size(); ++i) {
                    const item& it = p.out[i];
                    end |= it.what == kind::end || it.what == kind::abend;
                    if (it.what != kind::abend || it.code != code) continue;
                    bool skips = false;
                    if (s.state == row_state::receive && !perhaps_unheard(s))
                        for (std::size_t k = at.read; k < i; ++k)
                            skips |= k < p.sure && p.out[k].what != kind::confirm_end;
                    if (!skips) return;
                    too_soon = true;
                }
                // The partner had ended before it could hear that we refused what it sent.
                if (code == 17 && end && perhaps_unheard(s)) return;
            }
            if (too_soon) fail(told + " before what had been sent" + ahead(s));
            fail(told + " although the partner did nothing of the kind");
        }
        case 18: {
            if (r.what == call::receive) return;  // judged with its data
            for (std::size_t i = s.at.front().read; i < p.out.size(); ++i)
                if (p.out[i].what == kind::end || p.out[i].what == kind::abend) return;
            if (s.of->reject != 0 || now.may_be_refused) return;
            fail("18 although the partner has not ended");
        }
        case 3:
        case 5:
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
        case 11:
            if (!s.originator || s.of->accepted) fail(told + " of a conversation that was accepted");
            if (code == s.of->reject || (code == 11 && now.may_be_refused)) return;
            fail(told + " instead of " + std::to_string(s.of->reject));
        case 1:
        case 2:
            if (code == 2 && (now.link_may_be_lost || now.may_be_refused)) return;
            fail(told + " although links can be had");
        default: return;
    }
}

void oracle::told_request_to_send(side& s, std::int32_t value, bool waited) {
    if (value != 0 && value != 1 && value != 5 && value != 6)
        fail(std::string{"request_to_send_received is "} + std::to_string(value));
    s.last_told = value;
    side& p = s.of->other(s);
    // What a call that waited told may have been read since.
    if (value >= 5 && p.express.size() <= (waited ? 0 : s.express_read))
        fail("expedited data is announced that the partner has not sent");
    if (value == 0 || value == 5) return;
    if (s.rts_told >= p.rts_sent) fail("a request to send that the partner has not made");
    ++s.rts_told;
    p.rts_fresh = false;
}

void oracle::fill_express(std::byte* to, const side& s, std::size_t number) noexcept {
    pattern(to, static_cast<std::size_t>(s.express[number]),
            content_seed(s, 0x8000'0000U | static_cast<std::uint32_t>(number)), 0);
}

void oracle::judge_express(side& s, request& r, std::int32_t code, const circumstances& now) {
    side& p = s.of->other(s);
    const bool sends = r.what == call::send_expedited;
    const auto where = [&] { return std::string{call_of(r.what)} + " gives " + std::to_string(code); };
    if (!sends)
        for (std::size_t i = static_cast<std::size_t>(r.length); i < r.buffer.size(); ++i)
            if (r.buffer[i] != std::byte{0xA5}) fail("Receive_Expedited_Data wrote behind the buffer");
    const auto has_ended = [](const side& x, bool also_asked) {
        for (const item& it : x.out)
            if (it.what == kind::end || it.what == kind::abend || (also_asked && it.what == kind::confirm_end))
                return true;
        return false;
    };
    switch (code) {
        case 0:
            if (sends) {
                // One that the partner has received may not have been collected yet, or never will be.
                const bool reading = p.state == row_state::reset ||
                                     (p.pending && p.pending->what == call::receive_expedited) || p.beside[1];
                if (p.express_read + (reading ? 1 : 0) + 1 < s.express.size())
                    fail(where() + " while the one before is not read");
                s.express_sure = s.express.size();
                s.attached = true;
                break;
            }
            [[fallthrough]];
        case 40: {
            if (sends) fail(where());
            if (s.express_read >= p.express.size()) fail(where() + " although the partner has sent none");
            const std::int32_t length = p.express[s.express_read];
            if (r.received != length) fail(where() + " with a wrong length");
            if ((code == 40) != (length > r.length)) fail(where() + " with a buffer of another size");
            if (code == 40) break;
            std::byte expected[86];
            fill_express(expected, p, s.express_read);
            if (std::memcmp(expected, r.buffer.data(), static_cast<std::size_t>(length)) != 0)
                fail("wrong expedited data");
            ++s.express_read;
            break;
        }
        case 28:
            if (sends || r.type != 'I') fail(where());
            break;
        case 38:
            // A partner that waits for the answer to its end says nothing more on its channel; an answer ends it.
            if (!has_ended(p, s.originator || s.state == row_state::reset) && !has_ended(s, true) &&
                s.of->reject == 0 && !now.may_be_refused && !now.link_may_be_lost)
                fail(where() + " although nobody ends");
            break;
        default:
            // The conversation has ended under it, or ends with it.
            if (s.state == row_state::reset) {
                const bool ends = code == 17 || code == 18 || code == 27 || code == 30 || (code >= 3 && code <= 11);
                if (!ends) fail(where() + " although the conversation is over");
            } else if (code == 27 && now.link_may_be_lost) {
                s.state = row_state::reset;
                s.over = code;
            } else {
                fail(where());
            }
    }
    if (r.rts != -1) told_request_to_send(s, r.rts, r.waited);
}

// At rest, with every link up.
bool oracle::stuck_express(const side& s, const request& r, std::string& why) {
    const side& p = s.of->other(s);
    if (r.what == call::receive_expedited && p.express_sure > s.express_read)
        why = "Receive_Expedited_Data waits although the partner has sent";
    else if (r.what == call::send_expedited && s.attached && p.express_read + 1 == s.express.size())
        why = "Send_Expedited_Data waits although the one before was read";
    // A partner that waits for a confirmation of its end and abends says no more: the answer finds out.
    if (s.originator && s.state == row_state::confirm_deallocate) return !why.empty();
    for (std::size_t i = s.at.front().read; i < p.out.size() && p.out[i].what != kind::confirm_end; ++i)
        if (p.out[i].what == kind::abend) why = std::string{call_of(r.what)} + " waits although the partner has ended";
    return !why.empty();
}

void oracle::judge(side& s, request& r, std::int32_t code, const circumstances& now) {
    side& p = s.of->other(s);
    const auto where = [&] { return std::string{call_of(r.what)} + " gives " + std::to_string(code); };
    if (r.forced_code != -1) {
        // Its own program ended it: the state was settled then.
        if (r.forced_code == request::any_code) return;
        if (code != r.forced_code) fail(where() + " instead of " + std::to_string(r.forced_code));
        if (r.forced_code == 28 && (r.data != 0 || r.status != 0)) fail("a cancelled Receive with data");
        return;
    }
    if (r.what == call::send_expedited || r.what == call::receive_expedited) return judge_express(s, r, code, now);
    // A call for expedited data that hears of a loss ends what waits beside it.
    if ((s.over != 0 && code == s.over) || (code == 27 && now.link_may_be_lost && s.any_beside())) {
        s.state = row_state::reset;
        return;
    }
    if (code == 20) {
        if (!now.may_be_refused) fail(where() + " although there is room");
        return;
    }
    const cell c = next(r, code);
    if (c.what != cell::kind::goes)
        fail(where() + " in state " + std::to_string(static_cast<int>(r.from)) + ", which the table does not know");
    if (r.rts != -1) told_request_to_send(s, r.rts, r.waited);
    if (r.what == call::receive) judge_receive(s, r, code, now);
    if (code == 22) hear_error(s, 22);
    judge_ending(s, r, code, now);
    if (code == 0 && r.asks) {
        if (r.status_item >= s.out.size() || !s.out[r.status_item].answered)
            fail(where() + " although the partner program has not confirmed");
        bool was_read = false;
        for (const side::place& at : p.at) was_read |= at.read > r.status_item;
        if (!was_read) fail(where() + " before the partner had read the request");
    }
    if (code == 0 && r.what == call::confirmed) {
        for (side::place& at : s.at) {
            if (at.asked >= p.out.size()) fail("Confirmed without a request");
            p.out[at.asked].answered = true;
            at.asked = SIZE_MAX;
        }
    }
    if (code == 0 && r.what == call::send_error)
        for (side::place& at : s.at) at.asked = SIZE_MAX;
    if (code == 0 || code == 18 || code == 21 || code == 23) {
        const bool buffered = r.what == call::send_data && (r.type == 'B' || (r.type == 'D' && s.deallocate_type == 3));
        const bool silent = r.what == call::request_to_send || r.what == call::test_request_to_send ||
                            r.what == call::confirmed || r.what == call::cancel || r.what == call::allocate ||
                            (r.what == call::deallocate && r.type == 'A') ||
                            (r.what == call::receive && r.from == row_state::receive);
        if (!buffered && !silent) s.sure = s.out.size();
    }
    s.state = c.next;
}

void oracle::error_beside_receive(side& s, std::int32_t code, const circumstances& now) {
    request& r = *s.pending;
    request e;
    e.what = call::send_error;
    e.from = row_state::receive;
    const bool from_send = r.from == row_state::send || r.from == row_state::send_pending;
    cell c = next(e, code);
    if (c.what != cell::kind::goes && from_send) {
        e.from = row_state::send;
        c = next(e, code);
    }
    if (c.what != cell::kind::goes) fail(std::string{"Send_Error beside Receive gives "} + std::to_string(code));
    if (code == 0) {
        // A Receive issued with the turn may not have given it up yet; then the report comes from the sender.
        const bool either = from_send && r.unsent;
        if (either) s.out.back().optional = true;
        s.out.push_back({kind::error, 0, 0, either ? 0 : 22, false, false, {}});
        s.forced = s.out.size();
        if (!either) s.sure = s.out.size();
    }
    if (code == 22) hear_error(s, 22);
    judge_ending(s, e, code, now);
    s.state = c.next;
    r.forced_code = c.next == row_state::reset ? code : 28;
}

bool oracle::stuck(side& s, std::string& why) const {
    if (!s.pending || s.pending->forced_code != -1 || s.at.size() != 1) return false;
    const request& r = *s.pending;
    if (r.what == call::send_expedited || r.what == call::receive_expedited) return stuck_express(s, r, why);
    side& p = s.of->other(s);
    // An end that only waits to be told, and something the partner forced out, must have come.
    bool news = false;
    const std::size_t most = p.forced < p.out.size() ? p.forced : p.out.size();
    // Perhaps: a turn that we refused and the partner ended before it read so gives us nothing.
    const bool refused = perhaps_unheard(s);
    for (std::size_t i = s.at.front().read; i < p.out.size(); ++i) {
        const kind k = p.out[i].what;
        if (k == kind::abend || (k == kind::error && p.out[i].code == 22 && i < p.forced && !refused)) news = true;
        if (i < most && (k == kind::end || (!refused && r.what == call::receive && (k != kind::record || !s.basic))))
            news = true;
    }
    if (r.what == call::receive && s.basic && !refused && enough(s, p, r)) news = true;
    if (r.what == call::receive && news) {
        why = "Receive waits although the partner has sent something";
        return true;
    }
    if (r.asks && r.status_item < s.out.size() && s.out[r.status_item].answered) {
        why = std::string{call_of(r.what)} + " waits although the partner has confirmed";
        return true;
    }
    if ((r.asks || r.what == call::send_data) && news) {
        why = std::string{call_of(r.what)} + " waits although the partner has refused or ended";
        return true;
    }
    return false;
}

}  // namespace colloquy::sim
