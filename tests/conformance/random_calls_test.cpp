// Random calls, legal and not, with odd arguments, from several threads at live pairs of conversations, inside the
// process and over TCP. The state table says of each call's code whether it may be, and what state it leads to; the
// state is then asked for. Two conversations that are treated well must not notice anything.
//
// COLLOQUY_SEED and COLLOQUY_RANDOM_CALLS (how many) are taken from the environment.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <climits>
#include <cstdlib>
#include <deque>
#include <random>
#include <thread>
#include <unordered_map>

#include "tests/conformance/walk.hpp"

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define COLLOQUY_SANITIZED
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__) || !defined(NDEBUG)
#define COLLOQUY_SANITIZED
#endif

namespace {

using namespace colloquy::conformance;

unsigned long long from_environment(const char* name, unsigned long long otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// What the table allows a call in a state.
class oracle {
public:
    explicit oracle(state_table t) : table_{std::move(t)} {
        for (std::size_t i = 0; i < table_.columns.size(); ++i) column_[state_of_column(table_.columns[i])] = i;
    }

    // 0 when the table does not allow the outcome, else the state that follows. `kind` is the letter, or letters, of
    // the condition; `brings` is what a Receive that returned 0 brought, as the table writes it.
    [[nodiscard]] CM_INT32 after(const std::string& call, const std::string& kind, CM_INT32 state, CM_INT32 code,
                                 const std::string& brings = {}) const {
        const std::size_t column = column_.at(state);
        for (const row& r : table_.rows) {
            if (r.call != call || !applies(r, kind)) continue;
            std::string mark = r.cells[column];
            if (mark.back() == '*') mark.pop_back();
            if (mark == "." || mark == "/") continue;
            if (mark == "sc" || mark == "pc") {
                if (is_one_of(code, mark)) return state;
                continue;
            }
            for (const std::string& o : outcomes_of(r.outcome)) {
                // "refused" is no code, and errors that do not end are told by Receive alone.
                if (o.starts_with("sc(") || o == "refused" || o == "error notice" || o.starts_with("42")) continue;
                if (!is_one_of(code, o)) continue;
                if (o.starts_with("ok {") && o != brings) continue;
                return mark == "-" || mark == "(pending)" ? state : state_of_mark(mark);
            }
        }
        return 0;
    }
    // The table refuses the call in this state, whatever else is wrong with it.
    [[nodiscard]] bool refuses(const std::string& call, const std::string& kind, CM_INT32 state) const {
        return after(call, kind, state, CM_PROGRAM_STATE_CHECK) != 0 && after(call, kind, state, CM_OK) == 0 &&
               after(call, kind, state, CM_UNSUCCESSFUL) == 0 && after(call, kind, state, CM_DEALLOCATED_NORMAL) == 0;
    }

private:
    static bool applies(const row& r, const std::string& kind) {
        if (kind.empty() || r.condition.empty() || r.condition == "any") return true;
        const std::string kinds = r.condition.substr(0, r.condition.find(" ="));
        if (kinds == kind) return true;
        std::size_t at = 0;
        while (at < kinds.size()) {
            std::size_t end = kinds.find(", ", at);
            if (end == kinds.npos) end = kinds.size();
            const std::string one = kinds.substr(at, end - at);
            if (one == kind || (one.size() == 1 && kind.starts_with(one + "("))) return true;
            at = end + 2;
        }
        return false;
    }

    state_table table_;
    std::map<CM_INT32, std::size_t> column_;
};

// Which logical record of a basic conversation has been begun.
struct record_model {
    unsigned left = 0;
    int first = -1;  // half a length field
    [[nodiscard]] bool whole() const { return left == 0 && first < 0; }
    // False: a length field that may not be.
    bool take(std::string_view bytes) {
        for (std::size_t i = 0; i < bytes.size();) {
            if (left != 0) {
                const auto n = std::min<std::size_t>(left, bytes.size() - i);
                left -= static_cast<unsigned>(n);
                i += n;
                continue;
            }
            const auto b = static_cast<unsigned char>(bytes[i++]);
            if (first < 0) {
                first = b;
                continue;
            }
            const unsigned length = (static_cast<unsigned>(first) << 8 | b) & 0x7FFF;
            first = -1;
            if (length < 2) return false;
            left = length - 2;
        }
        return true;
    }
};

struct subject {
    // An incomplete call owns the memory of one end; what is tried meanwhile has the other.
    program_end ends[2];
    int now = 0;
    CM_INT32 state = reset_state;
    CM_INT32 mode = 0, sync = 0, send_type = 0, prepare_type = 0, deallocate_type = 0, receive_type = 0;
    bool basic = false, duplex = false;
    // An Accept that was waited for beside another call has brought a full-duplex one.
    bool unforeseen = false;
    record_model record;
    // The incomplete call.
    std::string pending, pending_kind;
    // What the incomplete call on each of the ends has come to: a new one may be told of before the last was looked at.
    std::array<std::atomic<CM_INT32>, 2> told_of{-1, -1};
    // Another thread may look at it and cancel it at any time.
    bool shared = false;
    std::atomic<bool> cancelled{false};
    std::atomic<std::uint64_t> public_id{0};

    program_end& e() { return ends[now]; }
    std::atomic<CM_INT32>& told() { return told_of[static_cast<std::size_t>(now)]; }
    // Not to be seen by others until it is published.
    void fresh(CM_INT32 in) {
        public_id = 0;
        cancelled = false;
        begin_as(in);
    }
    void begin_as(CM_INT32 in) {
        state = in;
        mode = sync = send_type = prepare_type = deallocate_type = receive_type = 0;
        basic = duplex = unforeseen = false;
        record = {};
        pending.clear();
    }
    void publish() {
        std::uint64_t v = 0;
        std::memcpy(&v, e().id.data(), sizeof v);
        public_id = v;
    }
};

class game {
public:
    game(unsigned threads, std::uint64_t seed, unsigned long long calls)
        : rules_{load_table(COLLOQUY_TESTS_DIR "/data/cpic-states.tsv")},
          duplex_rules_{load_table(COLLOQUY_TESTS_DIR "/data/cpic-states-duplex.tsv")},
          calls_{calls} {
        for (unsigned i = 0; i < threads * per_thread; ++i) {
            subject& s = all_.emplace_back();
            s.shared = i % 4 == 3;
            for (program_end& e : s.ends) by_memory_[e.id.data()] = &s;
        }
        CM_INT32 rc = -1;
        clq_set_callback(nullptr, &accepted, this, &rc);
        need(rc, CM_OK, "clq_set_callback");
        for (unsigned t = 0; t < threads; ++t) players_.emplace_back([this, t, seed] { play(t, seed + t * 7919); });
    }
    void join() {
        for (std::thread& t : players_) t.join();
    }
    // After the threads have ended.
    void clear() {
        for (subject& s : all_) {
            (void)s.e().cancel();
            if (!s.pending.empty()) (void)wait_told(s);
        }
    }
    [[nodiscard]] unsigned long long made() const { return made_; }
    [[nodiscard]] const std::map<CM_INT32, unsigned long long>& codes() const { return codes_; }
    [[nodiscard]] const std::vector<std::string>& failures() const { return failures_; }
    // Of Accept_Conversation: it knows its subject by the memory of the ID.
    static void COLLOQUY_CALL accepted(void* user, const clq_completion* c) {
        const auto& g = *static_cast<game*>(user);
        if (const auto s = g.by_memory_.find(c->id_memory); s != g.by_memory_.end()) tell(*s->second, c);
    }

private:
    static constexpr unsigned per_thread = 12;
    using random = std::mt19937_64;

    static void tell(subject& s, const clq_completion* c) {
        auto& told = s.told_of[c->id_memory == s.ends[0].id.data() ? 0 : 1];
        told.store(c->return_code, std::memory_order_release);
        told.notify_all();
    }
    static void COLLOQUY_CALL completed(void* user, const clq_completion* c) { tell(*static_cast<subject*>(user), c); }

    void play(unsigned number, std::uint64_t seed) {
        random r{seed};
        std::map<CM_INT32, unsigned long long> codes;
        unsigned long long made = 0;
        for (;;) {
            constexpr unsigned batch = 256;
            if (taken_.fetch_add(batch) >= calls_ || failed_) break;
            note_step("random calls");
            for (unsigned i = 0; i < batch && !failed_;) {
                subject* chosen = nullptr;
                // Those whose call is incomplete are left in peace mostly, or all codes would be 37.
                for (int look = 0; look < 16; ++look) {
                    chosen = &all_[number * per_thread + r() % per_thread];
                    if (chosen->pending.empty() || chosen->told().load(std::memory_order_acquire) != -1) break;
                }
                if (!chosen->pending.empty() && r() % 2 != 0) {
                    std::this_thread::yield();
                    continue;
                }
                subject& s = *chosen;
                CM_INT32 code = -1;
                try {
                    code = step(s, r);
                } catch (const std::exception& e) {
                    fail(e.what());
                }
                ++codes[code];
                ++made;
                ++i;
            }
        }
        const std::lock_guard held{mutex_};
        for (const auto& [code, n] : codes) codes_[code] += n;
        made_ += made;
    }
    void fail(const std::string& what) {
        const std::lock_guard held{mutex_};
        failures_.push_back(what);
        failed_ = true;
    }

    static CM_INT32 wait_told(subject& s) {
        for (;;) {
            const CM_INT32 code = s.told().load(std::memory_order_acquire);
            if (code != -1) return code;
            s.told().wait(-1, std::memory_order_acquire);
        }
    }
    [[nodiscard]] static std::string describe(const subject& s, const std::string& call, const std::string& kind,
                                              CM_INT32 code) {
        return call + " [" + kind + "] in state " + std::to_string(s.state) + " returned " + std::to_string(code) +
               (s.basic ? ", basic" : ", mapped") + (s.duplex ? ", full duplex" : "") +
               (s.mode != 0 ? ", non-blocking" : ", blocking") +
               (s.pending.empty() ? "" : ", while " + s.pending + " [" + s.pending_kind + "] was incomplete") +
               (s.shared ? ", shared" : "");
    }
    void over(subject& s) {
        s.state = reset_state;
        s.pending.clear();
        s.told() = -1;
    }

    // What an incomplete call has come to.
    // `looks`: no other call was made since, so that the state can be asked for.
    void settle(subject& s, bool looks = true) {
        const CM_INT32 code = wait_told(s);
        const std::string call = s.pending, kind = s.pending_kind;
        s.pending.clear();
        s.told() = -1;
        if (call == "Accept_Conversation") {
            if (code == CM_OK) {
                accept_done(s);
            } else if (code == CM_DEALLOCATED_ABEND) {
                over(s);
            } else {
                throw failure(describe(s, call, kind, code));
            }
            return;
        }
        judge(s, call, kind, code, looks);
    }

    // Another thread has cancelled it.
    bool gone(subject& s, CM_INT32 code) {
        if (!s.cancelled || (code != CM_PROGRAM_PARAMETER_CHECK && code != CM_DEALLOCATED_ABEND)) return false;
        if (s.e().state() != reset_state) return false;
        over(s);
        return true;
    }
    // Holds a code against the table, and the state that follows against what the library says.
    void judge(subject& s, const std::string& call, const std::string& kind, CM_INT32 code, bool looks = true) {
        if (s.shared && code == CM_OPERATION_NOT_ACCEPTED) return;  // somebody else looks at it
        if (gone(s, code)) return;
        if (s.cancelled && s.state == reset_state) return;  // the call met it alive, and it has been cancelled since
        if (s.unforeseen) {
            // The call was chosen for a half-duplex one, by another table.
            s.unforeseen = false;
            if (code == CM_PROGRAM_PARAMETER_CHECK || code == CM_PROGRAM_STATE_CHECK)
                look(s, call, kind, code);
            else if ((s.state = s.e().state()) == reset_state)
                over(s);
            return;
        }
        std::string brings;
        if (call.starts_with("Receive") && !is_expedited(call) && code == CM_OK) {
            static const char* const statuses[] = {"no status", "SEND", "CONFIRM", "CONFIRM_SEND", "CONFIRM_DEALLOC"};
            need(s.e().status >= 0 && s.e().status <= 4, "status_received " + std::to_string(s.e().status));
            need(s.e().data >= 0 && s.e().data <= 3, "data_received " + std::to_string(s.e().data));
            need(s.e().data == 0 || (s.e().length >= 0 && s.e().length <= s.e().requested),
                 "received_length " + std::to_string(s.e().length));
            need(s.e().data != CM_INCOMPLETE_DATA_RECEIVED || s.e().status == 0, "half a record with a status");
            brings = std::string{"ok {"} +
                     (s.e().status > 1  ? "any"
                      : s.e().data == 0 ? "no data"
                                        : "data") +
                     ", " + statuses[s.e().status] + "}";
        }
        CM_INT32 next = is_expedited(call)
                            ? after_expedited(s.state, code)
                            : (s.duplex ? duplex_rules_ : rules_).after(call, kind, s.state, code, brings);
        // The limit has ended the wait, and the conversation with it.
        if (s.duplex && code == CM_DEALLOCATED_ABEND_TIMER) next = reset_state;
        // What ends the conversation is told by Send_Error, too, which the table calls an error notice.
        if (s.duplex && call == "Send_Error" && s.state != CM_RECEIVE_ONLY_STATE && ends(code) &&
            code != CM_DEALLOCATED_NORMAL)
            next = reset_state;
        if (next == 0) throw failure(describe(s, call, kind, code) + " " + brings);
        // A call that passed the turn on, or ended it, begins the next one with a new record.
        if (next != s.state || code != CM_OK) {
            if (next != CM_SEND_STATE && next != CM_SEND_PENDING_STATE) s.record = {};
        }
        if (call == "Send_Error" && code == CM_OK) s.record = {};
        s.state = next;
        if (looks) look(s, call, kind, code);
        if (next == reset_state) over(s);
    }
    static bool is_expedited(const std::string& call) { return call.find("Expedited") != call.npos; }
    // Expedited calls leave the state as it is. A conversation that has not begun, or that this thread's call has
    // been ended for, has none.
    static CM_INT32 after_expedited(CM_INT32 state, CM_INT32 code) {
        if (state == CM_INITIALIZE_STATE) return code == CM_PROGRAM_STATE_CHECK ? state : 0;
        if (state == reset_state) return code == CM_PROGRAM_PARAMETER_CHECK ? state : 0;
        return is_one_of(code, "any") ? state : 0;
    }
    void look(subject& s, const std::string& call, const std::string& kind, CM_INT32 code) {
        const CM_INT32 known = s.e().state();
        if (known == s.state || (s.cancelled && known == reset_state)) return;
        throw failure(describe(s, call, kind, code) + ", and the state is " + std::to_string(known));
    }

    void accept_done(subject& s) {
        s.begin_as(CM_RECEIVE_STATE);
        CM_INT32 level = -1, type = -1;
        const auto sure = [&](const char* what, auto&& call) {
            if (s.state == reset_state) return;
            CM_INT32 code = CM_OPERATION_NOT_ACCEPTED;
            do code = call();
            while (s.shared && code == CM_OPERATION_NOT_ACCEPTED);
            if (!gone(s, code)) need(code, CM_OK, describe(s, what, "", code));
        };
        program_end& e = s.e();
        sure("Extract_Sync_Level", [&] { return e.call(cmesl, &level); });
        sure("Extract_Conversation_Type", [&] { return e.call(cmect, &type); });
        CM_INT32 send_receive_mode = CM_HALF_DUPLEX;
        sure("Extract_Send_Receive_Mode", [&] { return e.call(cmesrm, &send_receive_mode); });
        if (s.state != reset_state && send_receive_mode == CM_FULL_DUPLEX) {
            s.duplex = s.unforeseen = true;
            s.state = CM_SEND_RECEIVE_STATE;
            sure("clq_set_time_limit", [&] { return set_time_limit(s); });
            return;
        }
        sure("clq_set_callback", [&] {
            CM_INT32 rc = -1;
            clq_set_callback(e.id.data(), &completed, &s, &rc);
            return rc;
        });
        sure("Set_Processing_Mode", [&] {
            const CM_INT32 code = e.set(cmspm, CM_NON_BLOCKING);
            return s.shared && code == CM_PROGRAM_STATE_CHECK ? CM_OPERATION_NOT_ACCEPTED : code;
        });
        s.sync = level;
        s.basic = type == CM_BASIC_CONVERSATION;
        s.mode = 1;
    }

    // Codes that say that the incomplete call is, or may be, incomplete still.
    static bool busy_answer(const std::string& call, CM_INT32 code) {
        return code == CM_OPERATION_NOT_ACCEPTED || (call == "Set_Processing_Mode" && code == CM_PROGRAM_STATE_CHECK);
    }

    // Issues a call that may stay incomplete and judges it. `right`: its arguments are.
    template <class Issue>
    CM_INT32 operate(subject& s, const std::string& call, const std::string& kind, bool right, Issue&& issue) {
        if (s.pending.empty()) {
            const CM_INT32 code = issue(s.e());
            finish(s, call, kind, right, code);
            return code;
        }
        program_end& spare = s.ends[1 - s.now];
        spare.id = s.e().id;
        const CM_INT32 code = issue(spare);
        if (busy_answer(call, code)) return code;
        if (s.pending == "Receive") {
            // What is allowed beside it, and leaves it alone.
            if (code == CM_OK && (call == "Request_To_Send" || call == "Test_Request_To_Send_Received")) return code;
            if (code == CM_PROGRAM_STATE_CHECK && call == "Deallocate") return code;
            if (!right && code == CM_PROGRAM_PARAMETER_CHECK) return code;
        }
        // The incomplete call was finished first, or is finished by this one.
        note_step(describe(s, call, kind, code));
        const CM_INT32 came_to = wait_told(s);
        if (s.pending == "Receive" && call == "Send_Error") {
            if (code == CM_OK && came_to == CM_UNSUCCESSFUL) {
                need(s.e().data, CM_NO_DATA_RECEIVED, "data_received of a Receive that Send_Error has ended");
                s.pending.clear();
                s.told() = -1;
                s.state = CM_RECEIVE_STATE;
                judge(s, call, kind, code);
                return code;
            }
            if (ends(code) && code == came_to) {
                over(s);
                need(s.e().state(), reset_state, "the state after Send_Error beside a Receive");
                return code;
            }
        }
        if (s.pending == "Receive" && call == "Deallocate" && code == CM_OK && came_to == CM_DEALLOCATED_ABEND) {
            over(s);
            need(s.e().state(), reset_state, "the state after an abend beside a Receive");
            return code;
        }
        settle(s, false);
        s.now = 1 - s.now;
        finish(s, call, kind, right, code);
        return code;
    }
    void finish(subject& s, const std::string& call, const std::string& kind, bool right, CM_INT32 code) {
        if (code == CM_OPERATION_INCOMPLETE) {
            if (s.mode == 0 || !right) throw failure(describe(s, call, kind, code));
            s.pending = call;
            s.pending_kind = kind;
            return;
        }
        if (!right && s.state != reset_state) {
            if (s.shared && code == CM_OPERATION_NOT_ACCEPTED) return;
            if (gone(s, code)) return;
            const bool refused = code == CM_PROGRAM_STATE_CHECK
                                     ? s.duplex || rules_.refuses(call, kind, s.state) ||
                                           (s.basic && !s.record.whole()) ||
                                           (is_expedited(call) && s.state == CM_INITIALIZE_STATE)
                                     : code == CM_PROGRAM_PARAMETER_CHECK;
            if (!refused) throw failure(describe(s, call, kind, code) + ", with a wrong argument");
            look(s, call, kind, code);
            return;
        }
        if (code == CM_PROGRAM_STATE_CHECK && s.basic && s.state == CM_SEND_STATE && !s.record.whole()) {
            look(s, call, kind, code);  // the call came behind an incomplete one that left a record unfinished
            return;
        }
        judge(s, call, kind, code);
    }

    CM_INT32 step(subject& s, random& r) {
        const auto chance = [&r](unsigned n) { return r() % n == 0; };
        if (!s.pending.empty() && s.told().load(std::memory_order_acquire) != -1) {
            settle(s);
            return CM_OK;
        }
        if (chance(40)) return nobody(s, r);
        if (chance(30)) return meddle(r);
        if (s.state == reset_state && s.pending.empty()) return begin(s, r);
        if (!s.pending.empty() && chance(64)) return end_it(s, r);
        s.unforeseen = false;
        if (s.duplex) return duplex_step(s, r);
        if (s.pending == "Accept_Conversation") {
            // It may bring a full-duplex one, which other calls could end, or wait for, before anybody looks.
            switch (r() % 4) {
                case 0:
                    return operate(s, "Request_To_Send", "", true, [](program_end& e) { return e.request_to_send(); });
                case 1: return operate(s, "Confirmed", "", true, [](program_end& e) { return e.confirmed(); });
                case 2: return set_something(s, r);
                default: return extract_something(s, r);
            }
        }
        switch (r() % 18) {
            case 16: return send_fast(s, r);
            case 17: return receive_fast(s, r);
            case 0: return set_something(s, r);
            case 1: return extract_something(s, r);
            case 2: return chance(6) ? end_it(s, r) : extract_something(s, r);
            case 3: {
                return operate(s, "Request_To_Send", "", true, [&](program_end& e) { return e.request_to_send(); });
            }
            case 4: {
                const bool right = !chance(6);
                CM_INT32 rts = 0;
                return operate(s, "Test_Request_To_Send_Received", "", right,
                               [&](program_end& e) { return e.call(cmtrts, right ? &rts : nullptr); });
            }
            case 5: return operate(s, "Confirmed", "", true, [&](program_end& e) { return e.confirmed(); });
            case 6: {
                if (!waits_allowed(s)) return extract_something(s, r);
                // A null pointer is wrong only where there is nothing else.
                const std::string kind = s.sync == 0 ? "sync NONE" : "sync CONFIRM";
                return partial_refused(s, s.sync == 0 ? "" : kind)
                           ? refused_record(
                                 s, [&](program_end& e) { return e.confirm(); }, "Confirm")
                           : operate(s, "Confirm", kind, true, [&](program_end& e) { return e.confirm(); });
            }
            case 7: {
                if (!waits_allowed(s)) return extract_something(s, r);
                return operate(s, "Flush", "", true, [&](program_end& e) { return e.flush(); });
            }
            case 8: {
                if (!waits_allowed(s)) return extract_something(s, r);
                const std::string kind = asks(s.prepare_type, s.sync) ? "C" : "F";
                if (partial_refused(s, kind))
                    return refused_record(
                        s, [&](program_end& e) { return e.prepare_to_receive(); }, "Prepare_To_Receive");
                return operate(s, "Prepare_To_Receive", kind, true,
                               [&](program_end& e) { return e.prepare_to_receive(); });
            }
            case 9:
                if (chance(3)) {
                    if (!waits_allowed(s)) return extract_something(s, r);
                    return operate(s, "Send_Error", "", true, [&](program_end& e) { return e.send_error(); });
                }
                return set_something(s, r);
            case 10:
                if (s.state == CM_INITIALIZE_STATE || chance(12)) {
                    if (!waits_allowed(s)) return extract_something(s, r);
                    return operate(s, "Allocate", "", true, [&](program_end& e) { return e.allocate(); });
                }
                return receive(s, r);
            case 11:
            case 12: return receive(s, r);
            default: return send(s, r);
        }
    }

    // Only calls that never wait are made in blocking mode: nobody may be there to end the wait.
    static bool waits_allowed(const subject& s) { return s.mode == 1 || s.state == reset_state; }
    static bool asks(CM_INT32 type, CM_INT32 sync) { return type == 2 || (type == 0 && sync == 1); }
    static bool partial_refused(const subject& s, const std::string&) {
        return s.pending.empty() && s.basic && s.state == CM_SEND_STATE && !s.record.whole();
    }
    // A call that an unfinished record forbids.
    template <class Issue>
    CM_INT32 refused_record(subject& s, Issue&& issue, const std::string& call) {
        const CM_INT32 code = issue(s.e());
        if (s.shared && code == CM_OPERATION_NOT_ACCEPTED) return code;
        if (gone(s, code)) return code;
        const bool none = call == "Confirm" && s.sync == 0;  // two things are wrong
        if (code != CM_PROGRAM_STATE_CHECK && !(none && code == CM_PROGRAM_PARAMETER_CHECK))
            throw failure(describe(s, call, "a record is unfinished", code));
        look(s, call, "a record is unfinished", code);
        return code;
    }

    CM_INT32 receive(subject& s, random& r) {
        const bool immediate = s.receive_type == 1;
        if (!immediate && !waits_allowed(s)) return set_something(s, r);
        const std::string kind = immediate ? "I" : "W";
        if (!immediate && partial_refused(s, kind))
            return refused_record(
                s, [&](program_end& e) { return e.receive(); }, "Receive");
        if (r() % 12 == 0) return odd_receive(s, r, kind);
        static constexpr CM_INT32 sizes[] = {0, 1, 2, 3, 64, 4'096};
        const CM_INT32 size = sizes[r() % 6];
        return operate(s, "Receive", kind, true, [&](program_end& e) {
            e.requested = size;
            return e.receive();
        });
    }

    CM_INT32 odd_receive(subject& s, random& r, const std::string& kind) {
        static constexpr CM_INT32 lengths[] = {-1, 32'768, INT32_MIN, INT32_MAX, 1'000'000};
        std::array<char, 16> buffer{};
        CM_INT32 requested = 16, data = 0, length = 0, status = 0, rts = 0;
        CM_INT32* outs[] = {&data, &length, &status, &rts};
        void* to = buffer.data();
        const CM_INT32* wanted = &requested;
        const auto what = r() % 7;
        if (what < 4)
            outs[what] = nullptr;
        else if (what == 4)
            to = nullptr;
        else if (what == 5)
            wanted = nullptr;
        else
            requested = lengths[r() % 5];
        return operate(s, "Receive", kind, false,
                       [&](program_end& e) { return e.call(cmrcv, to, wanted, outs[0], outs[1], outs[2], outs[3]); });
    }

    CM_INT32 send(subject& s, random& r) {
        if (!waits_allowed(s)) return set_something(s, r);
        static const char* const kinds[] = {"B", "F", "C"};
        std::string kind;
        if (s.send_type < 3) kind = kinds[s.send_type];
        if (s.send_type == 3) kind = asks(s.prepare_type, s.sync) ? "P(C)" : "P(F)";
        if (s.send_type == 4)
            kind = s.deallocate_type == 3 ? "D(A)" : asks(s.deallocate_type, s.sync) ? "D(C)" : "D(F)";
        if (r() % 12 == 0) {
            static constexpr CM_INT32 lengths[] = {-1, 32'768, INT32_MIN, INT32_MAX, 1'000'000};
            CM_INT32 length = 4, rts = 0;
            const auto what = r() % 4;
            if (what == 3) length = lengths[r() % 5];
            return operate(s, "Send_Data", kind, false, [&](program_end& e) {
                return e.call(cmsend, what == 0 ? nullptr : static_cast<const void*>("text"),
                              what == 1 ? nullptr : static_cast<const CM_INT32*>(&length), what == 2 ? nullptr : &rts);
            });
        }
        if (!s.pending.empty()) {
            // Whatever it does is judged by the state after the incomplete call.
            return s.basic ? extract_something(s, r)
                           : operate(s, "Send_Data", kind, true, [](program_end& e) { return e.send_bytes({}); });
        }
        static constexpr std::size_t sizes[] = {0, 1, 2, 13, 100, 1'500, 4'000, 20'000};
        std::string bytes(sizes[r() % (r() % 16 == 0 ? 8 : 6)], 'r');
        if (!s.basic)
            return operate(s, "Send_Data", kind, true, [&](program_end& e) { return e.send_bytes(std::move(bytes)); });
        // Records of a basic conversation: whole ones, the rest of one, or anything.
        record_model with = s.record;
        if (s.record.left != 0 && r() % 2 == 0) bytes.assign(s.record.left, 'r');
        if (s.record.whole() && r() % 4 != 0) bytes = logical_record(bytes);
        if (s.record.whole() && r() % 16 == 0) bytes.insert(0, 1, '\x80');
        if (bytes.size() > 32'767) bytes.resize(32'767);
        const bool right = with.take(bytes);
        const bool may_be_cut = kind == "B" || kind == "F" || kind == "D(A)";
        if (right && !may_be_cut && !with.whole() && (s.state == CM_SEND_STATE || s.state == CM_SEND_PENDING_STATE))
            return refused_record(
                s, [&](program_end& e) { return e.send_bytes(std::move(bytes)); }, "Send_Data");
        const CM_INT32 before = s.state;
        const CM_INT32 code =
            operate(s, "Send_Data", kind, right, [&](program_end& e) { return e.send_bytes(std::move(bytes)); });
        const bool sent = code == CM_OK || code == CM_OPERATION_INCOMPLETE;
        const bool sends = before == CM_SEND_STATE || before == CM_SEND_PENDING_STATE;
        if (right && sent && sends && s.state != CM_RECEIVE_STATE && s.state != reset_state) s.record = with;
        return code;
    }

    // Nobody else may be there to end the wait of a blocking call.
    static CM_INT32 set_time_limit(subject& s) {
        CM_INT32 rc = -1;
        clq_set_time_limit(s.e().id.data(), 5, &rc);
        return rc;
    }

    CM_INT32 send_fast(subject& s, random& r) {
        if (!s.duplex && !waits_allowed(s)) return extract_something(s, r);
        const std::size_t size = r() % 8 == 0 ? (r() % 2 == 0 ? 0 : 87) : 1 + r() % 86;
        return operate(s, "Send_Expedited_Data", "", size >= 1 && size <= 86,
                       [&](program_end& e) { return e.send_expedited(std::string(size, 'x')); });
    }
    CM_INT32 receive_fast(subject& s, random& r) {
        const bool waits = waits_allowed(s) && r() % 8 == 0;
        static constexpr CM_INT32 sizes[] = {0, 40, 86, 87};
        const CM_INT32 most = r() % 4 == 0 ? sizes[r() % 4] : 86;
        return operate(s, "Receive_Expedited_Data", "", most <= 86, [&](program_end& e) {
            return e.receive_expedited(waits ? CM_RECEIVE_AND_WAIT : CM_RECEIVE_IMMEDIATE, most);
        });
    }

    // A full-duplex conversation: blocking calls, each with a time limit.
    CM_INT32 duplex_step(subject& s, random& r) {
        if (s.state == CM_INITIALIZE_STATE) {
            const CM_INT32 code = s.e().allocate();
            judge(s, "Allocate", "", code);
            if (code != CM_OK || s.state == reset_state) return code;
            CM_INT32 limited = CM_OPERATION_NOT_ACCEPTED;
            do limited = set_time_limit(s);
            while (s.shared && limited == CM_OPERATION_NOT_ACCEPTED);  // somebody else looks at it
            if (!gone(s, limited)) need(limited, CM_OK, "clq_set_time_limit");
            return code;
        }
        const auto direct = [&](const char* call, const char* kind, CM_INT32 code) {
            judge(s, call, kind, code);
            return code;
        };
        program_end& e = s.e();
        switch (r() % 16) {
            case 0: {
                const CM_INT32 type = static_cast<CM_INT32>(r() % 5);
                const CM_INT32 code = e.set(cmsst, type);
                if (type == 2 || type == 3) return direct("Set_Send_Type CONFIRM or PREP_TO_RECEIVE", "", code);
                if (code == CM_OK) s.send_type = type;
                return direct("Extract_*, other Set_*", "", code);
            }
            case 1: {
                static constexpr CM_INT32 types[] = {CM_DEALLOCATE_SYNC_LEVEL, CM_DEALLOCATE_FLUSH,
                                                     CM_DEALLOCATE_ABEND};
                const CM_INT32 type = types[r() % 3], code = e.set(cmsdt, type);
                if (code == CM_OK) s.deallocate_type = type;
                return direct("Extract_*, other Set_*", "", code);
            }
            case 2: return direct("Set_Send_Receive_Mode", "", e.set(cmssrm, static_cast<CM_INT32>(r() % 2)));
            case 3: {
                const char* const call = "Confirm, Prepare_To_Receive, Request_To_Send, Test_RTS";
                switch (r() % 4) {
                    case 0: return direct(call, "", e.confirm());
                    case 1: return direct(call, "", e.prepare_to_receive());
                    case 2: return direct(call, "", e.request_to_send());
                    default: return direct(call, "", e.call(cmtrts, &e.rts));
                }
            }
            case 4: return r() % 8 == 0 ? end_it(s, r) : extract_something(s, r);
            case 5: {
                if (r() % 4 != 0) return extract_something(s, r);
                const bool abends = s.deallocate_type == CM_DEALLOCATE_ABEND;
                return direct("Deallocate", abends ? "ABEND" : "FLUSH", e.deallocate());
            }
            case 6: return direct("Flush", "", e.flush());
            case 7: return direct("Send_Error", "", e.send_error());
            case 8: return send_fast(s, r);
            case 9: return receive_fast(s, r);
            case 10:
            case 11:
            case 12: {
                // Waits are long, for a test.
                const CM_INT32 type = r() % 32 == 0 ? CM_RECEIVE_AND_WAIT : CM_RECEIVE_IMMEDIATE;
                const CM_INT32 set = e.set(cmsrt, type);
                if (set != CM_OK) return direct("Extract_*, other Set_*", "", set);
                e.requested = 4'096;
                return direct("Receive (W or I)", type == CM_RECEIVE_IMMEDIATE ? "I" : "W", e.receive());
            }
            default: {
                const char* const kind = s.send_type == CM_BUFFER_DATA              ? "B"
                                         : s.send_type == CM_SEND_AND_FLUSH         ? "F"
                                         : s.deallocate_type == CM_DEALLOCATE_ABEND ? "D(A)"
                                                                                    : "D(F)";
                static constexpr std::size_t sizes[] = {0, 1, 100, 4'000};
                return direct("Send_Data", kind, e.send_bytes(std::string(sizes[r() % 4], 'r')));
            }
        }
    }

    CM_INT32 begin(subject& s, random& r) {
        if (r() % 2 == 0) {
            s.fresh(reset_state);
            const CM_INT32 code = s.e().accept();
            if (code == CM_OPERATION_INCOMPLETE) {
                s.pending = "Accept_Conversation";
            } else {
                need(code, CM_OK, "Accept_Conversation");
                accept_done(s);
            }
            s.publish();
            return code;
        }
        CM_INT32 rc = -1;
        need(s.e().init(), CM_OK, "Initialize_Conversation");
        s.fresh(CM_INITIALIZE_STATE);
        clq_set_callback(s.e().id.data(), &completed, &s, &rc);
        need(rc, CM_OK, "clq_set_callback");
        const bool far = r() % 2 == 0;
        const char* const tp = r() % 16 == 0 ? "/NOBODY" : "/R";
        const std::string where = r() % 64 == 0 ? "127.0.0.1:1" : far ? running_unit::address() : "inproc";
        need(s.e().destination(where + tp), CM_OK, "the destination");
        if (r() % 8 == 0) {
            need(s.e().set(cmssrm, CM_FULL_DUPLEX), CM_OK, "Set_Send_Receive_Mode");
            s.duplex = true;
            s.publish();
            return CM_OK;
        }
        if (r() % 4 != 0) {
            need(s.e().set(cmssl, CM_CONFIRM), CM_OK, "Set_Sync_Level");
            s.sync = 1;
        }
        if (r() % 3 == 0) {
            need(s.e().set(cmsct, CM_BASIC_CONVERSATION), CM_OK, "Set_Conversation_Type");
            s.basic = true;
        }
        need(s.e().set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
        s.mode = 1;
        s.publish();
        return CM_OK;
    }

    CM_INT32 end_it(subject& s, random& r) {
        if (s.duplex || s.pending == "Accept_Conversation" || r() % 2 == 0) {
            const CM_INT32 code = s.e().cancel();
            if (code == CM_PROGRAM_PARAMETER_CHECK && !s.pending.empty()) {
                settle(s);
                if (s.state != reset_state && !gone(s, code))
                    throw failure(describe(s, "Cancel_Conversation", "", code));
                return code;
            }
            if (code == CM_OK && !s.pending.empty()) {
                (void)wait_told(s);
            } else if (!(s.cancelled && code == CM_PROGRAM_PARAMETER_CHECK)) {
                need(code, CM_OK, describe(s, "Cancel_Conversation", "", code));
            }
            over(s);
            need(s.e().state(), reset_state, "the state after Cancel_Conversation");
            return code;
        }
        const std::string kind = s.deallocate_type == 3 ? "A" : asks(s.deallocate_type, s.sync) ? "C" : "F";
        if (kind != "A" && !waits_allowed(s)) return extract_something(s, r);
        if (kind != "A" && partial_refused(s, kind))
            return refused_record(
                s, [&](program_end& e) { return e.deallocate(); }, "Deallocate");
        return operate(s, "Deallocate", kind, true, [&](program_end& e) { return e.deallocate(); });
    }

    CM_INT32 set_something(subject& s, random& r) {
        struct setting {
            const char* name;
            number_setter f;
            CM_INT32 most;
            CM_INT32 subject::*chosen;
        };
        static constexpr setting settings[] = {{"cmsdt", cmsdt, 3, &subject::deallocate_type},
                                               {"cmsptr", cmsptr, 2, &subject::prepare_type},
                                               {"cmsst", cmsst, 4, &subject::send_type},
                                               {"cmsrt", cmsrt, 1, &subject::receive_type},
                                               {"cmsed", cmsed, 1, nullptr},
                                               {"cmspm", cmspm, 1, &subject::mode},
                                               {"cmssl", cmssl, 1, &subject::sync},
                                               {"cmsrc", cmsrc, 1, nullptr},
                                               {"cmscst", cmscst, 2, nullptr}};
        const setting& c = settings[r() % 9];
        static constexpr CM_INT32 odd[] = {-1, 5, 99, INT32_MIN, INT32_MAX, 256};
        CM_INT32 value = static_cast<CM_INT32>(r() % static_cast<unsigned>(c.most + 1));
        const bool wrong = r() % 8 == 0;
        if (wrong) value = odd[r() % 6];
        // Mostly non-blocking: blocking conversations make few calls.
        if (c.f == cmspm && !wrong && r() % 8 != 0) value = 1;
        const std::string group = c.f == cmspm ? "Set_Processing_Mode"
                                  : c.f == cmsrt || c.f == cmsed
                                      ? "Set_Error_Direction, _Fill, _Log_Data, _Receive_Type"
                                  : c.f == cmssl || c.f == cmsrc || c.f == cmscst
                                      ? "Set_Conversation_Type, _Mode_Name, "
                                        "_Partner_LU_Name, _Return_Control, _Sync_Level, "
                                        "_Conversation_Security_{Type,User_ID,Password}"
                                      : "Set_Deallocate_Type, _Send_Type, _Prepare_To_Receive_Type";
        const CM_INT32 code = s.e().set(c.f, value);
        if (s.shared && code == CM_OPERATION_NOT_ACCEPTED) return code;
        if (s.shared && c.f == cmspm && code == CM_PROGRAM_STATE_CHECK) return code;
        const auto conflicts = [&] {
            return (value == 2 && s.sync == 0 && (c.f == cmsdt || c.f == cmsptr || c.f == cmsst)) ||
                   (c.f == cmssl && value == 0 && (s.send_type == 2 || s.prepare_type == 2 || s.deallocate_type == 2));
        };
        const auto take = [&] {
            if (code == CM_OK && (wrong || conflicts()))
                throw failure(describe(s, c.name, std::to_string(value), code));
            if (code == CM_OK && c.chosen != nullptr) s.*c.chosen = value;
        };
        if (!s.pending.empty()) {
            if (busy_answer(group, code)) return code;
            const bool expected = code == CM_OK || (code == CM_PROGRAM_PARAMETER_CHECK && (wrong || conflicts())) ||
                                  (code == CM_PROGRAM_STATE_CHECK && group.starts_with("Set_Conversation_Type"));
            if (s.pending == "Receive" && expected) {
                take();
                return code;
            }
            note_step(describe(s, group, c.name, code));
            settle(s, false);
        }
        take();
        judge(s, group, "", code);
        return code;
    }

    CM_INT32 extract_something(subject& s, random& r) {
        std::array<char, 64> text{};
        CM_INT32 n = -1, code = -1;
        switch (r() % 5) {
            case 0: code = s.e().call(cmect, &n); break;
            case 1: code = s.e().call(cmesl, &n); break;
            case 2: code = s.e().call(cmepln, static_cast<void*>(text.data()), &n); break;
            case 3: code = s.e().call(cmetpn, static_cast<void*>(text.data()), &n); break;
            default: code = s.e().call(cmecst, static_cast<CM_INT32*>(nullptr)); return code;
        }
        if (s.pending == "Accept_Conversation") return code;
        if (code == CM_PROGRAM_PARAMETER_CHECK && !s.pending.empty()) {
            settle(s);
            if (s.state != reset_state && !gone(s, code)) throw failure(describe(s, "Extract", "", code));
            return code;
        }
        if (s.pending.empty())
            judge(s, s.duplex ? "Extract_*, other Set_*" : "Extract_* (conversation)", "", code);
        else
            need(code, CM_OK, describe(s, "Extract", "", code));
        return code;
    }

    // Calls with identifications that name nobody.
    CM_INT32 nobody(subject& s, random& r) {
        program_end e;
        const std::uint64_t value = r();
        std::memcpy(e.id.data(), &value, sizeof value);
        if (r() % 3 == 0) {
            e.id = s.e().id;
            e.id[r() % 8] ^= static_cast<unsigned char>(1 + r() % 255);
        }
        for (const subject& other : all_) {
            std::uint64_t known = 0, mine = 0;
            known = other.public_id;
            std::memcpy(&mine, e.id.data(), sizeof mine);
            if (known == mine) return CM_OK;  // it names somebody after all
        }
        CM_INT32 code = -1;
        switch (r() % 6) {
            case 0: code = e.receive(); break;
            case 1: code = e.send_bytes("odd"); break;
            case 2: code = e.confirmed(); break;
            case 3: code = e.set(cmspm, 1); break;
            case 4: code = e.state() == reset_state ? CM_PROGRAM_PARAMETER_CHECK : CM_OK; break;
            default: code = e.deallocate();
        }
        need(code, CM_PROGRAM_PARAMETER_CHECK, "a call for nobody");
        return code;
    }

    // Looks at a conversation of another thread, or cancels it.
    CM_INT32 meddle(random& r) {
        subject& s = all_[r() % all_.size()];
        if (!s.shared) return CM_OK;
        program_end e;
        const std::uint64_t value = s.public_id;
        std::memcpy(e.id.data(), &value, sizeof value);
        CM_INT32 n = -1;
        if (r() % 8 == 0 && value != 0) {
            s.cancelled = true;
            const CM_INT32 code = e.cancel();
            if (code != CM_OK && code != CM_PROGRAM_PARAMETER_CHECK)
                throw failure("Cancel_Conversation by another thread returned " + std::to_string(code));
            return code;
        }
        const CM_INT32 code = r() % 2 == 0 ? e.call(cmesl, &n) : e.call(cmecs, &n);
        if (code != CM_OK && code != CM_PROGRAM_PARAMETER_CHECK && code != CM_OPERATION_NOT_ACCEPTED)
            throw failure("a look at another thread's conversation returned " + std::to_string(code));
        return code;
    }

    const oracle rules_, duplex_rules_;
    const unsigned long long calls_;
    std::deque<subject> all_;
    std::unordered_map<const void*, subject*> by_memory_;
    std::atomic<unsigned long long> taken_{0};
    std::atomic<bool> failed_{false};
    std::mutex mutex_;
    unsigned long long made_ = 0;
    std::map<CM_INT32, unsigned long long> codes_;
    std::vector<std::string> failures_;
    std::vector<std::thread> players_;
};

// Two programs that do nothing wrong.
class bystanders {
public:
    explicit bystanders(const std::string& where) {
        near_.prepare(where + "/QUIET", CM_NONE, false);
        need(near_.allocate(), CM_OK, "Allocate");
        need(near_.flush(), CM_OK, "Flush");
        CM_INT32 code = far_.accept(), rc = -1;
        if (code == CM_OPERATION_INCOMPLETE) {
            id_bytes id{};
            cmwait(id.data(), &code, &rc);
            need(rc, CM_OK, "Wait_For_Conversation");
            need(id == far_.id, "another conversation was accepted");
        }
        need(code, CM_OK, "Accept_Conversation");
        answering_ = std::thread{[this] { answer(); }};
        asking_ = std::thread{[this] { ask(); }};
    }
    void stop() {
        stop_ = true;
        asking_.join();
        answering_.join();
    }
    [[nodiscard]] unsigned rounds() const { return rounds_; }
    // Until that many rounds more have been made, or one has failed.
    void wait_for(unsigned more) const {
        for (const unsigned from = rounds_; rounds_ - from < more && !broken_;) std::this_thread::yield();
    }
    [[nodiscard]] std::string failed() const { return failed_ask_ + failed_answer_; }

private:
    void ask() {
        try {
            need(near_.set(cmsst, CM_SEND_AND_PREP_TO_RECEIVE), CM_OK, "Set_Send_Type");
            while (!stop_) {
                const std::string text = "round " + std::to_string(rounds_);
                need(near_.send(text), CM_OK, "Send_Data");
                need(near_.receive(), CM_OK, "Receive");
                need(near_.text() == text && near_.status == CM_SEND_RECEIVED, "the answer is another");
                rounds_.fetch_add(1);
            }
            need(near_.set(cmsst, CM_BUFFER_DATA), CM_OK, "Set_Send_Type");
            need(near_.deallocate(), CM_OK, "Deallocate");
        } catch (const failure& f) {
            failed_ask_ = f.what();
            broken_ = true;
            (void)near_.cancel();
        }
    }
    void answer() {
        try {
            need(far_.set(cmsst, CM_SEND_AND_PREP_TO_RECEIVE), CM_OK, "Set_Send_Type");
            for (;;) {
                const CM_INT32 code = far_.receive();
                if (code == CM_DEALLOCATED_NORMAL) return;
                need(code, CM_OK, "Receive");
                need(far_.status == CM_SEND_RECEIVED, "no turn came");
                need(far_.send(far_.text()), CM_OK, "Send_Data");
            }
        } catch (const failure& f) {
            failed_answer_ = f.what();
            broken_ = true;
            (void)far_.cancel();
        }
    }
    program_end near_, far_;
    std::atomic<bool> stop_{false}, broken_{false};
    std::atomic<unsigned> rounds_{0};
    std::string failed_ask_, failed_answer_;
    std::thread asking_, answering_;
};

// A program that does not come for what its calls have come to: others must go on all the same.
class late_comer {
public:
    // Its Accept has finished, and nobody has asked.
    explicit late_comer(const std::string& where) {
        need(far_.accept(), CM_OPERATION_INCOMPLETE, "Accept_Conversation");
        near_.prepare(where + "/LATE", CM_NONE, false);
        need(near_.allocate(), CM_OK, "Allocate");
        need(near_.flush(), CM_OK, "Flush");
    }
    void accepted() {
        collect(far_);
        need(far_.set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
        need(far_.receive(), CM_OPERATION_INCOMPLETE, "Receive");
        // It is told of data, which stays where it is.
        need(near_.set(cmsst, CM_SEND_AND_FLUSH), CM_OK, "Set_Send_Type");
        need(near_.send("late"), CM_OK, "Send_Data");
    }
    void received() {
        collect(far_);
        need(far_.text() == "late", "another text");
        need(far_.cancel(), CM_OK, "Cancel_Conversation");
        (void)near_.cancel();
    }

private:
    static void collect(const program_end& e) {
        id_bytes id{};
        CM_INT32 code = -1, rc = -1;
        cmwait(id.data(), &code, &rc);
        need(rc, CM_OK, "Wait_For_Conversation");
        need(code, CM_OK, "the call that was not collected");
        need(id == e.id, "another conversation");
    }
    program_end near_, far_;
};

void serve(std::string_view name) {
    const auto size = static_cast<CM_INT32>(name.size());
    CM_INT32 rc = -1;
    cmsltp(name.data(), &size, &rc);
    need(rc, CM_OK, "Specify_Local_TP_Name");
}

}  // namespace

TEST_SUITE("random calls") {
    TEST_CASE("random calls: every code is one that the table allows, and nobody else notices") {
#ifdef COLLOQUY_SANITIZED
        constexpr unsigned long long usual = 60'000;
#else
        constexpr unsigned long long usual = 1'000'000;
#endif
        const auto seed = from_environment("COLLOQUY_SEED", 1);
        const auto calls = from_environment("COLLOQUY_RANDOM_CALLS", usual);
        INFO("replay with COLLOQUY_SEED=" << seed << " COLLOQUY_RANDOM_CALLS=" << calls);
        const running_unit unit{{}, 4'096};
        serve("QUIET");
        bystanders inside{"inproc"};
        bystanders outside{running_unit::address()};
        serve("LATE");
        const auto others_go_on = [&] {
            note_step("others, while a completion is left uncollected");
            inside.wait_for(500);
            outside.wait_for(500);
        };
        {
            late_comer far{running_unit::address()};
            others_go_on();
            far.accepted();
            others_go_on();
            far.received();
        }
        late_comer near{"inproc"};
        others_go_on();
        near.accepted();
        others_go_on();
        serve("R");
        {
            // The process's callback is registered late: what was told before stays where it was told.
            game g{4, seed, calls};
            g.join();
            for (const std::string& f : g.failures()) FAIL_CHECK(f);
            CHECK(g.made() >= (g.failures().empty() ? calls : 0));
            std::string codes;
            for (const auto& [code, n] : g.codes()) codes += " " + std::to_string(code) + ":" + std::to_string(n);
            MESSAGE(g.made() << " calls, codes" << codes);
            // Codes that this must have come upon, or it tests less than it says.
            for (const CM_INT32 code : {0, 9, 17, 18, 19, 21, 22, 24, 25, 28, 30, 35, 37, 38})
                if (calls >= usual && code != 19 && code != 9) CHECK_MESSAGE(g.codes().contains(code), code);
            inside.stop();
            outside.stop();
            CHECK(inside.failed() == "");
            CHECK(outside.failed() == "");
            CHECK(inside.rounds() > 0);
            CHECK(outside.rounds() > 0);
            g.clear();
            CM_INT32 rc = -1;
            clq_set_callback(nullptr, nullptr, nullptr, &rc);
            CHECK(rc == CM_OK);
        }
        near.received();
        // What nobody accepted goes, too; it may still be on its way.
        while (running_unit::conversations_open() != 0) {
            program_end e;
            (void)e.accept();
            (void)e.cancel();
            std::this_thread::yield();
        }
        CHECK(running_unit::conversations_open() == 0);
    }
}
