#include "tests/conformance/walk.hpp"

#include <atomic>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <optional>
#include <thread>

#include "tests/conformance/attempt.hpp"
#include "tests/conformance/scenarios.hpp"

namespace colloquy::conformance {

namespace {

std::atomic<unsigned long long> steps{0};
std::array<char, 512> place{};

const std::string nothing;

class walker {
public:
    walker(table_report& into, std::size_t way_index, way how, bool basic)
        : report_{into}, way_{way_index}, how_{how}, basic_{basic} {}

    void run() {
        {
            const running_unit unit;
            stage s{how_};
            s.basic = basic_;
            for (const row& r : report_.table.rows) {
                if (r.call == "Accept_Conversation") continue;
                for (std::size_t i = 0; i < r.cells.size(); ++i) cell(s, r, report_.table.columns[i], r.cells[i]);
            }
        }
        accepts();
    }

private:
    using result = cell_result;

    void cell(stage& s, const row& r, const std::string& column, std::string mark) {
        if (!mark.empty() && mark.back() == '*') mark.pop_back();
        if (mark == ".") return;
        result& to = report_.at(r.number, column, way_);
        const CM_INT32 state = state_of_column(column);
        for (const bool allocates : {true, false}) {
            s.x_allocates = allocates;
            if (!allocates && (state == CM_INITIALIZE_STATE || state == reset_state)) continue;
            if (allocates && state == CM_INITIALIZE_INCOMING_STATE) continue;
            if (r.call == "Initialize_Conversation" || r.call.starts_with("Initialize_For_Incoming")) {
                initialize(s, r, state, to, mark);
                continue;
            }
            const std::vector<action> all = actions_of(r);
            if (all.empty()) {
                to.failures.insert("a row nobody knows: " + r.call);
                return;
            }
            for (const action& a : all) {
                if (mark == "sc" || mark == "pc")
                    refused(s, r, a, state, to, mark);
                else
                    for (const std::string& o : outcomes_of(r.outcome)) carried_out(s, r, a, o, state, to, mark);
            }
        }
    }

    [[nodiscard]] std::string title(const stage& s, const row& r, const std::string& name, CM_INT32 state,
                                    const std::string& outcome) const {
        return r.call.substr(0, 40) + " [" + r.condition + "] " + name + " in state " + std::to_string(state) +
               (s.x_allocates ? ", allocated" : ", accepted") + ", " + outcome;
    }

    void set_mode(stage& s) {
        if (how_.non_blocking && s.x.state() != reset_state)
            need(s.x.set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
    }

    // A confirmation is only asked on a conversation with sync level CONFIRM.
    static bool asked(CM_INT32 state) { return state >= CM_CONFIRM_STATE && state <= CM_CONFIRM_DEALLOCATE_STATE; }

    void refused(stage& s, const row& r, const action& a, CM_INT32 state, result& to, const std::string& mark) {
        if (asked(state) && a.sync_level == CM_NONE && r.call != "Confirm") return;  // its other type is tried
        const bool wrong_too = r.call.starts_with("Set_") && mark == "sc";
        for (const bool wrong : {false, true}) {
            if (wrong && !wrong_too) continue;
            attempt(s, to, title(s, r, a.name, state, mark), [&] {
                s.bring(state, asked(state) ? CM_CONFIRM : a.sync_level);
                set_mode(s);
                const CM_INT32 code = wrong ? with_wrong_value(r, a)(s) : a.act(s);
                need(code, codes_of(mark)[0], "the call");
                need(s.x.state(), state, "Extract_Conversation_State");
                s.ping();
                if (state == reset_state) return;
                need(s.x.state(), state, "Extract_Conversation_State a moment later");
                s.finish(&nothing);
            });
        }
    }

    CM_INT32 issue(stage& s, const scenario& c, const std::function<CM_INT32(stage&)>& act, CM_INT32 state) {
        const bool told = !c.during.empty();
        if (told && !how_.non_blocking) s.other().tell(c.during);
        std::optional<std::thread> beside;
        std::string beside_failed;
        const auto start_beside = [&] {
            beside.emplace([&] {
                try {
                    c.parallel(s);
                } catch (const std::exception& e) {
                    beside_failed = e.what();
                }
            });
        };
        if (c.parallel && !how_.non_blocking) start_beside();
        std::string failed;
        CM_INT32 code = act(s);
        try {
            if (how_.non_blocking) {
                if (code == CM_OPERATION_INCOMPLETE && (told || c.parallel)) busy(s, state);
                if (told) s.other().tell(c.during);
                if (c.parallel) start_beside();
            }
            code = s.completed(code);
        } catch (const failure& f) {
            failed = f.what();
        }
        if (!failed.empty() || ((told || c.parallel) && !ends(code) && !is_expected(code))) (void)s.x.cancel();
        if (beside.has_value()) beside->join();
        std::string partner_failed;
        if (told) try {
                (void)s.other().answer();
            } catch (const failure& f) {
                partner_failed = f.what();
            }
        if (!failed.empty()) throw failure(failed);
        if (!is_expected(code) && !ends(code)) throw failure("the call returned " + std::to_string(code));
        if (!beside_failed.empty()) throw failure(beside_failed);
        if (!partner_failed.empty())
            throw failure(partner_failed + " (the call returned " + std::to_string(code) + ")");
        return code;
    }
    // Codes that leave the partner where it is.
    static bool is_expected(CM_INT32 code) {
        return code == CM_OK || is_one_of(code, "en") || is_one_of(code, "ep") || is_one_of(code, "et") ||
               code == CM_PROGRAM_STATE_CHECK || code == CM_PROGRAM_PARAMETER_CHECK || code == CM_UNSUCCESSFUL ||
               code == CM_PARAMETER_ERROR;
    }
    // While a call is incomplete: the state before it, and no other call.
    static void busy(stage& s, CM_INT32 state) {
        need(s.x.state(), state, "Extract_Conversation_State while the call is incomplete");
        need(s.x.flush(), CM_OPERATION_NOT_ACCEPTED, "Flush while the call is incomplete");
        need(s.x.state(), state, "Extract_Conversation_State while the call is incomplete");
    }

    void carried_out(stage& s, const row& r, const action& a, const std::string& outcome, CM_INT32 state, result& to,
                     const std::string& mark) {
        if (asked(state) && a.sync_level == CM_NONE) return;
        std::string reason;
        const std::vector<scenario> all = scenarios_for(s, r, a, outcome, state, reason);
        if (all.empty() && !reason.empty()) to.untested.insert(outcome + ": " + reason);
        for (const scenario& c : all)
            attempt(s, to, title(s, r, a.name, state, outcome + " (" + c.name + ")"), [&] {
                if (outcome == "sc(op incomplete)") {
                    operation_incomplete(s, state);
                    return;
                }
                s.bring(state, asked(state) ? CM_CONFIRM : a.sync_level);
                if (c.before) c.before(s);
                const CM_INT32 stands_in = s.x.state();
                need(stands_in, state, "the state before the call");
                s.fate = !c.fate.empty() ? c.fate : a.fate;
                set_mode(s);
                const bool wrong = outcome == "pc" && r.call.starts_with("Set_");
                if (outcome == "oi") {
                    incomplete(s, r, a, state, mark);
                    return;
                }
                const CM_INT32 code = issue(s, c, wrong ? with_wrong_value(r, a) : a.act, state);
                need(is_one_of(code, outcome), "the call returned " + std::to_string(code));
                const CM_INT32 next = mark == "-" ? state : state_of_mark(mark);
                need(s.x.state(), next, "Extract_Conversation_State after " + std::to_string(code));
                if (c.after) c.after(s, outcome);
                if (next == CM_INITIALIZE_STATE && state == CM_INITIALIZE_STATE && r.call == "Allocate") {
                    s.finish(nullptr);
                    return;
                }
                s.finish(c.strict ? &c.texts : nullptr);
            });
    }

    // The call stays incomplete, then is completed.
    void incomplete(stage& s, const row& r, const action& a, CM_INT32 state, const std::string& mark) {
        const CM_INT32 code = a.act(s);
        if (r.call == "Allocate") {
            try {
                need(code, CM_OPERATION_INCOMPLETE, "the call");
                busy(s, state);
            } catch (...) {
                s.hold(false);
                throw;
            }
            s.hold(false);
            need(s.completed(code), CM_OK, "the completed call");
            need(s.x.state(), CM_SEND_STATE, "the state after completion");
            need(s.completed(s.x.flush()), CM_OK, "Flush");
            (void)s.other().ask("accept");
            s.partner_talks();
            s.finish(nullptr);
            return;
        }
        need(code, CM_OPERATION_INCOMPLETE, "the call");
        if (state == CM_INITIALIZE_INCOMING_STATE) {
            busy(s, state);
            (void)s.other().ask("call " + s.back() + " 1 " + (basic_ ? "basic" : "mapped"));
            s.partner_talks();
            need(s.completed(code), CM_OK, "the completed call");
            need(s.x.state(), CM_RECEIVE_STATE, "the state after completion");
            s.finish(nullptr);
            return;
        }
        need(mark == "(pending)", "the mark of the cell is " + mark);
        busy(s, state);
        (void)s.other().ask(state == CM_RECEIVE_STATE ? "send data F" : "turn; send data F");
        need(s.completed(code), CM_OK, "the completed call");
        need(s.x.text() == "data", "the data of the completed call");
        need(s.x.state(), CM_RECEIVE_STATE, "the state after completion");
        s.finish(nullptr);
    }

    // Set_Processing_Mode while a call is incomplete.
    void operation_incomplete(stage& s, CM_INT32 state) {
        if (asked(state)) throw no_way("no call that is legal in this state has to wait for the partner");
        if (state == CM_INITIALIZE_STATE && (!how_.tcp || !how_.non_blocking))
            throw no_way(how_.tcp ? "an Allocate that blocks is tried as a non-blocking one"
                                  : "a link inside a process is up at once");
        s.bring(state, CM_CONFIRM);
        set_mode(s);
        if (state == CM_INITIALIZE_INCOMING_STATE) {
            if (!how_.non_blocking) throw no_way("an Accept_Incoming that blocks is tried as a non-blocking one");
            const CM_INT32 code = s.x.call(cmacci);
            need(code, CM_OPERATION_INCOMPLETE, "the call before");
            need(s.x.set(cmspm, CM_BLOCKING), CM_PROGRAM_STATE_CHECK, "Set_Processing_Mode");
            (void)s.other().ask("call " + s.back() + " 1 " + (basic_ ? "basic" : "mapped"));
            s.partner_talks();
            need(s.completed(code), CM_OK, "the completed call");
            s.finish(nullptr);
            return;
        }
        if (how_.non_blocking) {
            if (state == CM_INITIALIZE_STATE) s.hold(true);
            const CM_INT32 code = state == CM_INITIALIZE_STATE ? s.x.allocate()
                                  : state == CM_RECEIVE_STATE  ? s.x.receive()
                                                               : s.x.confirm();
            const CM_INT32 refused_code = s.x.set(cmspm, CM_BLOCKING);
            if (state == CM_INITIALIZE_STATE) s.hold(false);
            need(code, CM_OPERATION_INCOMPLETE, "the call before");
            need(refused_code, CM_PROGRAM_STATE_CHECK, "Set_Processing_Mode");
            if (state == CM_RECEIVE_STATE) {
                (void)s.other().ask("send data F");
            } else if (state != CM_INITIALIZE_STATE) {
                (void)s.other().ask("request; confirmed");
            }
            need(s.completed(code), CM_OK, "the completed call");
        } else {
            CM_INT32 code = -1;
            std::thread blocked{[&] {
                // The other thread may have the conversation for a moment.
                do code = state == CM_RECEIVE_STATE ? s.x.receive() : s.x.confirm();
                while (code == CM_OPERATION_NOT_ACCEPTED);
            }};
            CM_INT32 refused_code = 0;
            while (refused_code == CM_OK) refused_code = s.x.set(cmspm, CM_BLOCKING);
            (void)s.other().ask(state == CM_RECEIVE_STATE ? "send data F" : "request; confirmed");
            blocked.join();
            need(refused_code, CM_PROGRAM_STATE_CHECK, "Set_Processing_Mode");
            need(code, CM_OK, "the blocked call");
        }
        if (state == CM_INITIALIZE_STATE) {
            need(s.completed(s.x.flush()), CM_OK, "Flush");
            (void)s.other().ask("accept");
            s.partner_talks();
        }
        s.finish(nullptr);
    }

    // Calls that make a conversation: x, which stands in `state`, must not notice.
    void beside_x(stage& s, CM_INT32 state, const std::function<void()>& what) {
        if (state != reset_state) {
            s.bring(state, CM_CONFIRM);
            set_mode(s);
        }
        what();
        s.ping();
        if (state == reset_state) return;
        need(s.x.state(), state, "Extract_Conversation_State of the other conversation");
        s.finish(&nothing);
    }
    // Conversations until the table is full; they go again at the end.
    static void in_full_table(const std::function<void()>& what) {
        std::vector<program_end> all;
        for (;;) {
            program_end e;
            const CM_INT32 code = e.init();
            if (code != CM_OK) {
                need(code, CM_PRODUCT_SPECIFIC_ERROR, "Initialize_Conversation in a full table");
                break;
            }
            all.push_back(e);
        }
        std::string failed;
        try {
            what();
        } catch (const std::exception& e) {
            failed = e.what();
        }
        for (program_end& e : all) (void)e.cancel();
        if (!failed.empty()) throw failure(failed);
    }

    void initialize(stage& s, const row& r, CM_INT32 state, result& to, const std::string& mark) {
        need(mark == "/" || state == reset_state, "the mark of the cell is " + mark);
        for (const std::string& o : outcomes_of(r.outcome))
            attempt(s, to, title(s, r, "", state, o), [&] {
                beside_x(s, state, [&] {
                    const auto open = running_unit::conversations_open();
                    program_end e;
                    const bool incoming = r.call.starts_with("Initialize_For_Incoming");
                    const auto init = [&] {
                        CM_INT32 rc = -1;
                        if (!incoming) return e.init();
                        cminic(e.id.data(), &rc);
                        return rc;
                    };
                    if (o == "ok") {
                        need(init(), CM_OK, "the call");
                        need(e.state(), incoming ? CM_INITIALIZE_INCOMING_STATE : CM_INITIALIZE_STATE,
                             "Extract_Conversation_State");
                        need(e.cancel(), CM_OK, "Cancel_Conversation");
                    } else if (o == "pc") {
                        CM_INT32 rc = -1;
                        cminit(e.id.data(), "NOBODY  ", &rc);
                        need(rc, CM_PROGRAM_PARAMETER_CHECK, "the call");
                        need(e.id == id_bytes{}, "a refused call wrote an ID");
                    } else {
                        in_full_table([&] {
                            need(init(), CM_PRODUCT_SPECIFIC_ERROR, "the call");
                            need(e.id == id_bytes{}, "a refused call wrote an ID");
                        });
                    }
                    need(running_unit::conversations_open() == open, "conversations are left over");
                });
            });
    }

    // Accept_Conversation blocks when the configuration serves the names, and does not when the program named them.
    void accepts() {
        std::string configuration;
        if (!how_.non_blocking) configuration = "[timeouts]\naccept_wait_ms = 1\n[[tp]]\nname = \"TP\"\n";
        {
            const running_unit unit{configuration};
            stage s{how_, how_.non_blocking};
            s.basic = basic_;
            for (const row& r : report_.table.rows) {
                if (r.call != "Accept_Conversation") continue;
                for (std::size_t i = 0; i < r.cells.size(); ++i) {
                    const std::string& column = report_.table.columns[i];
                    const CM_INT32 state = state_of_column(column);
                    result& to = report_.at(r.number, column, way_);
                    for (const bool allocates : {true, false}) {
                        s.x_allocates = allocates;
                        if (!allocates && (state == CM_INITIALIZE_STATE || state == reset_state)) continue;
                        if (allocates && state == CM_INITIALIZE_INCOMING_STATE) continue;
                        for (const std::string& o : outcomes_of(r.outcome)) accept(s, r, o, state, to);
                    }
                }
            }
        }
    }

    void accept(stage& s, const row& r, const std::string& outcome, CM_INT32 state, result& to) {
        attempt(s, to, title(s, r, "", state, outcome), [&] {
            if (outcome == "oi" && !how_.non_blocking)
                throw no_way("oi: 35 is for programs that named a TP themselves");
            if (outcome == "sc" && how_.non_blocking) throw no_way("sc: a program that named a TP is told 35");
            beside_x(s, state, [&] {
                program_end e;
                if (outcome == "ok" || outcome == "oi") {
                    // Another partner: this program itself, by the way the partner would come.
                    program_end caller;
                    const auto call = [&] {
                        caller.prepare(s.back(), CM_NONE, basic_);
                        need(caller.allocate(), CM_OK, "Allocate");
                        need(caller.flush(), CM_OK, "Flush");
                    };
                    if (outcome == "ok") {
                        call();
                        CM_INT32 code = e.accept();
                        // It may still be on its way.
                        while (code == CM_PROGRAM_STATE_CHECK && !how_.non_blocking) code = e.accept();
                        need(completed(e, code), CM_OK, "the call");
                    } else {
                        CM_INT32 code = e.accept();
                        need(code, CM_OPERATION_INCOMPLETE, "the call");
                        need(e.state(), reset_state, "the state of a pending accept");
                        need(e.flush(), CM_OPERATION_NOT_ACCEPTED, "Flush on a pending accept");
                        call();
                        need(completed(e, code), CM_OK, "the completed call");
                        program_end another;
                        need(another.accept(), CM_OPERATION_INCOMPLETE, "another Accept");
                        need(another.cancel(), CM_OK, "Cancel_Conversation of a pending accept");
                    }
                    need(e.state(), CM_RECEIVE_STATE, "Extract_Conversation_State");
                    need(e.cancel(), CM_OK, "Cancel_Conversation");
                    (void)caller.cancel();
                } else if (outcome == "sc") {
                    need(e.accept(), CM_PROGRAM_STATE_CHECK, "the call");
                    need(e.id == id_bytes{} || e.state() == reset_state, "a refused call left a conversation");
                } else {
                    in_full_table([&] { need(e.accept(), CM_PRODUCT_SPECIFIC_ERROR, "the call"); });
                }
            });
        });
    }
    static CM_INT32 completed(const program_end& e, CM_INT32 code) {
        if (code != CM_OPERATION_INCOMPLETE) return code;
        id_bytes id{};
        CM_INT32 rc = -1;
        cmwait(id.data(), &code, &rc);
        need(rc, CM_OK, "Wait_For_Conversation");
        need(id == e.id, "Wait_For_Conversation told of another conversation");
        return code;
    }

    table_report& report_;
    const std::size_t way_;
    const way how_;
    const bool basic_;
};

}  // namespace

void walk_half_duplex(table_report& into, std::size_t way_index, way how, bool basic) {
    walker{into, way_index, how, basic}.run();
}

void note_step(const std::string& what) {
    static std::mutex mutex;
    const std::lock_guard held{mutex};
    std::strncpy(place.data(), what.c_str(), place.size() - 1);
    steps.fetch_add(1);
}

const char* where_it_is() { return place.data(); }
unsigned long long steps_taken() { return steps.load(); }

}  // namespace colloquy::conformance
