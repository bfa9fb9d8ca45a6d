#include "tests/sim/oracle.hpp"

#include <cstring>

namespace colloquy::sim {

namespace {

const char* set_of(std::int32_t code) {
    switch (code) {
        case 0: return "ok";
        case 1: case 2: return "af";
        case 3: case 5: case 6: case 7: case 8: case 9: case 10: case 11: return "ae";
        case 17: case 30: case 31: return "da";
        case 18: return "dn";
        case 19: return "pe";
        case 20: return "ps";
        case 21: case 32: return "en";
        case 22: case 33: return "ep";
        case 23: case 34: return "et";
        case 24: return "pc";
        case 25: return "sc";
        case 26: case 27: return "rf";
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
std::string ahead(side& s) {
    static const char* const names[] = {"record", "confirm", "turn", "confirm-turn", "end", "confirm-end", "error", "abend"};
    const side& p = s.of->other(s);
    std::string text = " (talk " + std::to_string(s.of->serial) + (s.originator ? "a" : "b") + " reads from " +
                       std::to_string(s.read) + (s.ambiguous ? "?" : "") + ":";
    for (std::size_t i = s.read < 6 ? 0 : s.read - 6; i < p.out.size() && i < s.read + 12; ++i) {
        const item& it = p.out[i];
        text += i == s.read ? " | " : " ";
        text += names[static_cast<std::size_t>(it.what)];
        if (it.what == kind::record) text += " " + std::to_string(it.length);
        if (it.what >= kind::error) text += " " + std::to_string(it.code);
        if (it.optional) text += "*";
    }
    return text + ")";
}

void fail(const std::string& what) { throw failure{what}; }
const char* name(call c) noexcept { return call_of(c); }

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
                if (r.status < 0 || r.status > 4) fail("status_received is " + std::to_string(r.status));
                if (r.status == 0) outcome = "ok {data, no status}";
                else if (r.status == 1) outcome = r.data == 0 ? "ok {no data, SEND}" : "ok {data, SEND}";
                else outcome = std::string{"ok {any, "} + status[r.status] + "}";
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

bool oracle::unheard(side& s) noexcept {
    const side& p = s.of->other(s);
    for (std::size_t i = p.read; i < s.out.size(); ++i)
        if (s.out[i].what == kind::error && s.out[i].code != 21) return true;
    return false;
}

bool oracle::heard_later(side& s) noexcept {
    if (!s.ambiguous) return false;
    const side& p = s.of->other(s);
    for (std::size_t i = s.read; i < p.out.size(); ++i) {
        if (p.out[i].what != kind::error || p.out[i].code == 21) continue;
        // What was read since stands behind this one, too.
        s.read = i + 1 + s.since < p.out.size() ? i + 1 + s.since : p.out.size();
        s.offset = 0;
        s.cut = false;
        return true;
    }
    s.ambiguous = false;
    return false;
}

void oracle::skip_optional(side& s, bool keep) noexcept {
    const side& p = s.of->other(s);
    while (!keep && s.read < p.out.size() && p.out[s.read].optional) ++s.read;
}

void oracle::say(side& s, request& r, bool finished) {
    const auto add = [&](kind what) {
        s.out.push_back({what, 0, 0, 0, false, false});
        return s.out.size() - 1;
    };
    bool leaves = true;
    switch (r.what) {
        case call::send_data:
            s.out.push_back({kind::record, s.sequence++, r.length, 0, false, false});
            switch (r.type) {
                case 'B': leaves = false; break;
                case 'F': break;
                case 'C': r.status_item = add(kind::confirm); break;
                case 'P':
                    if (r.asks) r.status_item = add(kind::confirm_turn);
                    else add(kind::turn);
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
            if (r.asks) r.status_item = add(kind::confirm_turn);
            else add(kind::turn);
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
            if (r.from == row_state::send || r.from == row_state::send_pending) add(kind::turn);
            else leaves = false;
            break;
        case call::send_error: {
            const bool holds = r.from == row_state::send || (r.from == row_state::send_pending && !r.error_as_receiver);
            s.out[add(kind::error)].code = holds ? 21 : 22;
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
    skip_optional(s, false);
    if (code == 22 && unheard(s)) {
        // We refused what stood before it, and it was under way behind that.
        for (std::size_t i = s.read; i < p.out.size(); ++i) {
            if (p.out[i].what != kind::error || p.out[i].code == 21) continue;
            s.read = i;
            s.offset = 0;
            s.ambiguous = true;
            s.since = 0;
            break;
        }
    }
    const auto fits = [&] {
        skip_optional(s, false);
        return s.read < p.out.size() && p.out[s.read].what == kind::error &&
               (p.out[s.read].code == 0 || p.out[s.read].code == code);
    };
    while (s.ambiguous && !fits() && heard_later(s)) {
    }
    if (s.read >= p.out.size() || p.out[s.read].what != kind::error)
        fail("code " + std::to_string(code) + " although the partner's next word is no error report" + ahead(s));
    item& e = p.out[s.read];
    if (s.offset != 0) fail("an error report in the middle of a record");
    if (e.code == 0) e.code = code;
    if (e.code != code) fail("error " + std::to_string(code) + " instead of " + std::to_string(e.code));
    ++s.read;
    if (code == 22) {
        p.read = s.out.size();
        p.offset = 0;
        p.cut = false;
    }
}

void oracle::judge_receive(side& s, request& r, std::int32_t code) {
    side& p = s.of->other(s);
    for (std::size_t i = static_cast<std::size_t>(r.length); i < r.buffer.size(); ++i)
        if (r.buffer[i] != std::byte{0xA5}) fail("Receive wrote behind the buffer");
    if (code == 28) {
        if (r.type != 'I' && r.forced_code != 28) fail("28 from a Receive that waits");
        return;
    }
    if (code == 21) return hear_error(s, 21);
    if (code != 0 && code != 18) return;
    while (unheard(s) && heard_later(p)) {
    }
    if (unheard(s)) fail("data of a turn that was refused by Send_Error");
    const bool data = r.data != 0;
    static constexpr kind wanted[] = {kind::end, kind::turn, kind::confirm, kind::confirm_turn, kind::confirm_end};
    const auto fits = [&] {
        skip_optional(s, !data);
        if (s.read >= p.out.size()) return false;
        const item& it = p.out[s.read];
        if (!data) return it.what == wanted[r.status];
        if (it.what != kind::record) return false;
        const std::int32_t left = it.length - s.offset;
        if (r.data == 2 ? r.received != left : r.received >= left) return false;
        std::byte begin[8];
        const std::size_t n = r.received < 8 ? static_cast<std::size_t>(r.received < 0 ? 0 : r.received) : 8;
        pattern(begin, n, content_seed(p, it.sequence), static_cast<std::size_t>(s.offset));
        return std::memcmp(begin, r.buffer.data(), n) == 0;
    };
    while (s.ambiguous && !fits() && heard_later(s)) {
    }
    if (r.data == 1 || r.data < 0 || r.data > 3) fail("data_received is " + std::to_string(r.data));
    if (data) {
        if (s.cut) fail("data behind a record that was cut");
        skip_optional(s, false);
        if (s.read >= p.out.size() || p.out[s.read].what != kind::record) fail("data that the partner has not sent next" + ahead(s));
        const item& rec = p.out[s.read];
        const std::int32_t left = rec.length - s.offset;
        if (r.received < 0 || r.received > r.length) fail("received_length " + std::to_string(r.received));
        if (r.data == 2 && r.received != left)
            fail("complete with " + std::to_string(r.received) + " of " + std::to_string(left) + " bytes left");
        if (r.data == 3) {
            if (r.received >= left) fail("incomplete although nothing is left");
            if (r.received != r.length) {
                bool abends = false;
                for (std::size_t i = s.read; i < p.out.size(); ++i) abends |= p.out[i].what == kind::abend;
                if (!abends || s.read < p.sure) fail("incomplete although the buffer is not full");
                s.cut = true;
            }
            if (r.status != 0 || code != 0) fail("a status with incomplete data");
        }
        if (r.length == 0 && (r.status != 0 || code != 0)) fail("data and status with a length of 0");
        std::byte expected[512];
        const std::uint64_t seed = content_seed(p, rec.sequence);
        for (std::int32_t at = 0; at < r.received; at += 512) {
            const auto n = static_cast<std::size_t>(r.received - at < 512 ? r.received - at : 512);
            pattern(expected, n, seed, static_cast<std::size_t>(s.offset + at));
            if (std::memcmp(expected, r.buffer.data() + at, n) != 0)
                fail("wrong content of record " + std::to_string(rec.sequence) + " at " + std::to_string(s.offset + at));
        }
        if (r.received != 0) s.ambiguous = false;  // nobody else says this
        if (r.data == 2) {
            ++s.read;
            ++s.since;
            s.offset = 0;
        } else {
            s.offset += r.received;
        }
    } else if (r.received != 0) {
        fail("received_length without data");
    }
    if (r.status == 0 && code == 0) {
        if (!data) fail("neither data nor status");
        return;
    }
    if (code == 18 && r.status != 0) fail("a status with 18");
    const kind want = wanted[r.status];
    if (s.offset != 0) fail("a status in the middle of a record");
    if (s.read >= p.out.size() || p.out[s.read].what != want)
        fail("status " + std::to_string(r.status) + " that the partner has not sent next" + ahead(s));
    if (r.status >= 2) s.asked = s.read;
    ++s.read;
    ++s.since;
}

void oracle::judge_ending(side& s, const request& r, std::int32_t code, const circumstances& now) {
    side& p = s.of->other(s);
    const std::string told = "code " + std::to_string(code);
    switch (code) {
        case 26: fail("26 although nothing that lasts is wrong");
        case 27:
            if (!now.link_may_be_lost) fail("27 although no link was lost");
            return;
        case 17:
        case 30: {
            if (r.forced_code == code) return;
            bool end = false;
            for (std::size_t i = s.read; i < p.out.size(); ++i) {
                const item& it = p.out[i];
                if (it.what == kind::abend && it.code == code) {
                    if (s.state == row_state::receive && !unheard(s) && !s.ambiguous)
                        for (std::size_t k = s.read; k < i; ++k)
                            if (k < p.sure && p.out[k].what != kind::confirm_end)
                                fail(told + " before what had been sent");
                    return;
                }
                end |= it.what == kind::end || it.what == kind::abend;
            }
            // The partner had ended before it could hear that we refused what it sent.
            if (code == 17 && end && unheard(s)) return;
            fail(told + " although the partner did nothing of the kind");
        }
        case 18: {
            if (r.what == call::receive) return;  // judged with its data
            for (std::size_t i = s.read; i < p.out.size(); ++i)
                if (p.out[i].what == kind::end || p.out[i].what == kind::abend) return;
            if (s.of->reject != 0 || now.may_be_refused) return;
            fail("18 although the partner has not ended");
        }
        case 3: case 5: case 6: case 7: case 8: case 9: case 10: case 11:
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

void oracle::told_request_to_send(side& s, std::int32_t value) {
    if (value != 0 && value != 1) fail("request_to_send_received is " + std::to_string(value));
    if (value == 0) return;
    side& p = s.of->other(s);
    if (s.rts_told >= p.rts_sent) fail("a request to send that the partner has not made");
    ++s.rts_told;
    p.rts_fresh = false;
}

void oracle::judge(side& s, request& r, std::int32_t code, const circumstances& now) {
    side& p = s.of->other(s);
    const auto where = [&] { return std::string{call_of(r.what)} + " gives " + std::to_string(code); };
    if (r.forced_code != -1) {
        // Its own program ended it: the state was settled then.
        if (code != r.forced_code) fail(where() + " instead of " + std::to_string(r.forced_code));
        if (r.forced_code == 28 && (r.data != 0 || r.status != 0)) fail("a cancelled Receive with data");
        return;
    }
    if (code == 20) {
        if (!now.may_be_refused) fail(where() + " although there is room");
        return;
    }
    const cell c = next(r, code);
    if (c.what != cell::kind::goes)
        fail(where() + " in state " + std::to_string(static_cast<int>(r.from)) + ", which the table does not know");
    if (r.rts != -1) told_request_to_send(s, r.rts);
    if (r.what == call::receive) judge_receive(s, r, code);
    if (code == 22) hear_error(s, 22);
    judge_ending(s, r, code, now);
    if (code == 0 && r.asks) {
        if (r.status_item >= s.out.size() || !s.out[r.status_item].answered)
            fail(where() + " although the partner program has not confirmed");
        if (p.read <= r.status_item) fail(where() + " before the partner had read the request");
    }
    if (code == 0 && r.what == call::confirmed) {
        if (s.asked >= p.out.size()) fail("Confirmed without a request");
        p.out[s.asked].answered = true;
        s.asked = SIZE_MAX;
    }
    if (code == 0 && r.what == call::send_error) s.asked = SIZE_MAX;
    if (code == 0 || code == 18 || code == 21) {
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
    if (c.what != cell::kind::goes) fail("Send_Error beside Receive gives " + std::to_string(code));
    if (code == 0) {
        // A Receive issued with the turn may not have given it up yet; then the report comes from the sender.
        const bool either = from_send && r.unsent;
        if (either) s.out.back().optional = true;
        s.out.push_back({kind::error, 0, 0, either ? 0 : 22, false, false});
        s.forced = s.out.size();
        if (!either) s.sure = s.out.size();
    }
    if (code == 22) hear_error(s, 22);
    judge_ending(s, e, code, now);
    s.state = c.next;
    r.forced_code = c.next == row_state::reset ? code : 28;
}

bool oracle::stuck(side& s, std::string& why) const {
    if (!s.pending || s.pending->forced_code != -1 || s.ambiguous) return false;
    const request& r = *s.pending;
    side& p = s.of->other(s);
    // An end that only waits to be told, and something the partner forced out, must have come.
    bool news = false;
    const std::size_t most = p.forced < p.out.size() ? p.forced : p.out.size();
    const bool refused = unheard(s);
    for (std::size_t i = s.read; i < p.out.size(); ++i) {
        const kind k = p.out[i].what;
        if (k == kind::abend || (k == kind::error && p.out[i].code == 22 && i < p.forced && !refused)) news = true;
        if (i < most && (k == kind::end || (!refused && r.what == call::receive))) news = true;
    }
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
