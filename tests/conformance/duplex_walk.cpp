// The full-duplex table: what brings each of its outcomes about, and what the partner must see.
#include <optional>
#include <thread>

#include "tests/conformance/attempt.hpp"
#include "tests/conformance/expedited.hpp"

namespace colloquy::conformance {

namespace {

const std::string nothing;

struct deed {
    std::string name;
    std::function<CM_INT32(stage&)> act;
    std::string fate{};       // what the partner hears when it has ended the conversation
    std::string texts{};      // what the partner must receive of it
    bool immediate = false;   // a Receive that does not wait
    bool basic_only = false;  // refused on mapped conversations
};

struct situation {
    std::string name;
    std::function<void(stage&)> before{};    // x stands in the state of the column
    std::string during{};                    // the partner's script while the call waits
    std::function<void(stage&)> parallel{};  // another thread does this while the call waits
    std::function<void(stage&)> after{};     // further checks
    std::string fate{};                      // overrides the deed's
    std::optional<std::string> texts{};      // overrides the deed's
};

situation plain(std::string name = "") {
    situation c;
    c.name = std::move(name);
    return c;
}
situation prepared(std::string name, std::function<void(stage&)> what, std::string fate = "") {
    situation c = plain(std::move(name));
    c.before = std::move(what);
    c.fate = std::move(fate);
    return c;
}
std::function<void(stage&)> said(std::string script) {
    return [script](stage& s) {
        (void)s.other().ask(script);
        s.ping();
    };
}
situation later(std::string name, std::string script, std::string fate = "") {
    situation c = plain(std::move(name));
    c.during = std::move(script);
    c.fate = std::move(fate);
    return c;
}

deed number(const char* name, number_setter f, CM_INT32 value) {
    return {name, [f, value](stage& s) { return s.x.set(f, value); }};
}
deed look(const char* name, void (*f)(const void*, CM_INT32*, CM_INT32*)) {
    return {name, [f](stage& s) {
                CM_INT32 value = -1;
                return s.x.call(f, &value);
            }};
}
deed look_at_text(const char* name, void (*f)(const void*, void*, CM_INT32*, CM_INT32*)) {
    return {name, [f](stage& s) {
                std::array<char, 64> value{};
                CM_INT32 length = -1;
                return s.x.call(f, static_cast<void*>(value.data()), &length);
            }};
}
deed send(const char* name, CM_INT32 type, CM_INT32 deallocate_type, std::string fate, std::string texts) {
    return {name,
            [type, deallocate_type](stage& s) {
                (void)s.x.set(cmsdt, deallocate_type);
                (void)s.x.set(cmsst, type);
                if (!s.partial) return s.x.send("said");
                std::string record = logical_record("said-more");
                record.resize(6);
                return s.x.send_bytes(record);
            },
            std::move(fate), std::move(texts)};
}
deed deallocate(const char* name, CM_INT32 type, std::string fate) {
    return {name,
            [type](stage& s) {
                (void)s.x.set(cmsdt, type);
                return s.x.deallocate();
            },
            std::move(fate)};
}
deed receive(const char* name, CM_INT32 type) {
    deed d{name, [type](stage& s) {
               (void)s.x.set(cmsrt, type);
               return s.x.receive();
           }};
    d.immediate = type == CM_RECEIVE_IMMEDIATE;
    return d;
}
deed basic_only(deed d) {
    d.basic_only = true;
    return d;
}

std::vector<deed> deeds_of(const row& r) {
    const std::string& c = r.call;
    const std::string& k = r.condition;
    const deed buffered = send("B", CM_BUFFER_DATA, CM_DEALLOCATE_FLUSH, "", "said"),
               flushed = send("F", CM_SEND_AND_FLUSH, CM_DEALLOCATE_FLUSH, "", "said"),
               last = send("D(F), FLUSH", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_FLUSH, "18", "said"),
               last_by_level = send("D(F), SYNC_LEVEL", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_SYNC_LEVEL, "18", "said"),
               abends = send("D(A)", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_ABEND, "17", "");
    if (c == "Allocate") return {{"", [](stage& s) { return s.x.allocate(); }}};
    if (c == "Cancel_Conversation") return {{"", [](stage& s) { return s.x.cancel(); }, "30"}};
    if (c == "Deallocate" && k == "ABEND") return {deallocate("", CM_DEALLOCATE_ABEND, "17")};
    if (c == "Deallocate")
        return {deallocate("FLUSH", CM_DEALLOCATE_FLUSH, "18"),
                deallocate("SYNC_LEVEL", CM_DEALLOCATE_SYNC_LEVEL, "18")};
    if (c == "Flush") return {{"", [](stage& s) { return s.x.flush(); }}};
    if (c.starts_with("Receive") && k == "I") return {receive("immediate", CM_RECEIVE_IMMEDIATE)};
    if (c.starts_with("Receive"))
        return {receive("and wait", CM_RECEIVE_AND_WAIT), receive("immediate", CM_RECEIVE_IMMEDIATE)};
    if (c == "Send_Data" && k == "B, F") return {buffered, flushed};
    if (c == "Send_Data" && k == "D(F)") return {last, last_by_level};
    if (c == "Send_Data" && k == "D(A)") return {abends};
    if (c == "Send_Data") return {buffered, flushed, last, last_by_level, abends};
    if (c == "Send_Error") return {{"", [](stage& s) { return s.x.send_error(); }}};
    if (c == "Set_Send_Receive_Mode")
        return {number("FULL_DUPLEX", cmssrm, CM_FULL_DUPLEX), number("HALF_DUPLEX", cmssrm, CM_HALF_DUPLEX)};
    if (c.starts_with("Confirm, "))
        return {{"Confirm", [](stage& s) { return s.x.confirm(); }},
                {"Prepare_To_Receive", [](stage& s) { return s.x.prepare_to_receive(); }},
                {"Request_To_Send", [](stage& s) { return s.x.request_to_send(); }},
                {"Test_Request_To_Send_Received", [](stage& s) { return s.x.call(cmtrts, &s.x.rts); }}};
    if (c.starts_with("Set_Send_Type"))
        return {number("CONFIRM", cmsst, CM_SEND_AND_CONFIRM),
                number("PREP_TO_RECEIVE", cmsst, CM_SEND_AND_PREP_TO_RECEIVE)};
    if (c.starts_with("Extract"))
        return {look("cmecs", cmecs),
                look("cmect", cmect),
                look("cmesl", cmesl),
                look("cmesrm", cmesrm),
                look("cmecst", cmecst),
                look("xcecst", xcecst),
                look_at_text("cmemn", cmemn),
                look_at_text("cmepln", cmepln),
                look_at_text("cmetpn", cmetpn),
                look_at_text("cmecsu", cmecsu),
                look_at_text("xcecsu", xcecsu),
                look_at_text("cmesui", cmesui),
                number("cmsed", cmsed, CM_SEND_ERROR),
                number("cmsrt", cmsrt, CM_RECEIVE_AND_WAIT),
                number("cmsdt FLUSH", cmsdt, CM_DEALLOCATE_FLUSH),
                number("cmsdt ABEND", cmsdt, CM_DEALLOCATE_ABEND),
                number("cmsst", cmsst, CM_SEND_AND_FLUSH),
                basic_only(number("cmsf", cmsf, CM_FILL_LL)),
                basic_only({"cmsld", [](stage& s) { return s.x.name(cmsld, "a log"); }})};
    return {};
}

class duplex_walker {
public:
    duplex_walker(table_report& into, std::size_t way_index, way how, bool basic)
        : report_{into}, way_{way_index}, how_{how}, basic_{basic} {}

    void run() {
        const running_unit unit;
        stage s{how_};
        s.basic = basic_;
        s.duplex = true;
        for (const row& r : report_.table.rows)
            for (std::size_t i = 0; i < r.cells.size(); ++i) cell(s, r, report_.table.columns[i], r.cells[i]);
    }

private:
    void cell(stage& s, const row& r, const std::string& column, const std::string& mark) {
        if (mark == ".") return;
        cell_result& to = report_.at(r.number, column, way_);
        if (r.call == "Confirmed" || r.condition.find("CONFIRM") != r.condition.npos || r.outcome.starts_with("42")) {
            to.untested.insert("a confirmation: sync level CONFIRM is refused for full duplex");
            return;
        }
        const CM_INT32 state = state_of_column(column);
        for (const bool allocates : {true, false}) {
            s.x_allocates = allocates;
            if (!allocates && (state == CM_INITIALIZE_STATE || state == reset_state)) continue;
            if (r.call.starts_with("Accept")) {
                accept(s, r, state, to, mark);
                continue;
            }
            if (r.call.find("Expedited") != r.call.npos) {
                expedited(s, r, state, to, mark);
                continue;
            }
            const std::vector<deed> all = deeds_of(r);
            if (all.empty()) to.failures.insert("a row nobody knows: " + r.call);
            for (const deed& d : all) {
                if (mark == "sc" || mark == "pc")
                    refused(s, r, d, state, to, mark);
                else
                    for (const std::string& o : outcomes_of(r.outcome)) carried_out(s, r, d, o, state, to, mark);
            }
        }
    }
    [[nodiscard]] static std::string title(const stage& s, const row& r, const std::string& name, CM_INT32 state,
                                           const std::string& outcome) {
        return "full duplex: " + r.call.substr(0, 40) + " [" + r.condition + "] " + name + " in state " +
               std::to_string(state) + (s.x_allocates ? ", allocated" : ", accepted") + ", " + outcome;
    }

    static void refused(stage& s, const row& r, const deed& d, CM_INT32 state, cell_result& to,
                        const std::string& mark) {
        attempt(s, to, title(s, r, d.name, state, mark), [&] {
            s.bring(state, CM_NONE);
            need(d.act(s), codes_of(mark)[0], "the call");
            need(s.x.state(), state, "Extract_Conversation_State");
            s.ping();
            if (state == reset_state) return;
            need(s.x.state(), state, "Extract_Conversation_State a moment later");
            s.finish(&nothing);
        });
    }

    static void carried_out(stage& s, const row& r, const deed& d, const std::string& outcome, CM_INT32 state,
                            cell_result& to, const std::string& mark) {
        std::string reason;
        const std::vector<situation> all = situations(s, r, d, outcome, state, reason);
        if (all.empty() && !reason.empty()) to.untested.insert(outcome + ": " + reason);
        for (const situation& c : all)
            attempt(s, to, title(s, r, d.name, state, outcome + " (" + c.name + ")"), [&] {
                s.bring(state, CM_NONE);
                if (c.before) c.before(s);
                need(s.x.state(), state, "the state before the call");
                s.fate = c.fate.empty() ? d.fate : c.fate;
                const CM_INT32 code = issue(s, c, d);
                need(is_one_of(code, outcome), "the call returned " + std::to_string(code));
                const CM_INT32 next = mark == "-" ? state : state_of_mark(mark);
                need(s.x.state(), next, "Extract_Conversation_State after " + std::to_string(code));
                if (c.after) c.after(s);
                const std::string texts = c.texts ? *c.texts : d.texts;
                const bool strict = outcome == "ok" && r.call != "Send_Error" && state != CM_INITIALIZE_STATE;
                if (strict && s.x.state() == reset_state && s.fate == "18") {
                    // It has ended its direction by this call: the partner must have heard all of it.
                    const bool ended_before = state == CM_RECEIVE_ONLY_STATE;
                    if (!ended_before) (void)s.other().ask(texts.empty() ? "silence" : "drain " + texts);
                    s.alone();
                    return;
                }
                s.finish(strict ? &texts : nullptr);
            });
    }
    static CM_INT32 issue(stage& s, const situation& c, const deed& d) {
        std::optional<std::thread> beside;
        std::string failed;
        if (!c.during.empty()) s.other().tell(c.during);
        if (c.parallel)
            beside.emplace([&] {
                try {
                    c.parallel(s);
                } catch (const std::exception& e) {
                    failed = e.what();
                }
            });
        const CM_INT32 code = d.act(s);
        if (beside) beside->join();
        if (!c.during.empty()) {
            // A partner that waits for something that will not come.
            if (code == CM_PROGRAM_STATE_CHECK || code == CM_PROGRAM_PARAMETER_CHECK) (void)s.x.cancel();
            (void)s.other().answer();
        }
        if (!failed.empty()) throw failure(failed);
        return code;
    }

    static void begin_record(stage& s) {
        (void)s.x.set(cmsst, CM_BUFFER_DATA);
        std::string record = logical_record("halved");
        record.resize(5);
        need(s.x.send_bytes(record), CM_OK, "Send_Data of half a record");
    }
    // x is allocated to a TP that the partner's end refuses, and has come into `state` by itself.
    static std::function<void(stage&)> rejected(const char* tp, bool secret, bool sent, CM_INT32 state) {
        return [=](stage& s) {
            s.clear();
            s.x.prepare(s.there(tp), CM_NONE, s.basic, true);
            if (secret) {
                need(s.x.set(cmscst, CM_SECURITY_PROGRAM), CM_OK, "Set_Conversation_Security_Type");
                need(s.x.name(cmscsu, "nobody"), CM_OK, "Set_Conversation_Security_User_ID");
                need(s.x.name(cmscsp, "wrong"), CM_OK, "Set_Conversation_Security_Password");
            }
            need(s.x.allocate(), CM_OK, "Allocate");
            if (state == CM_RECEIVE_ONLY_STATE) {
                need(s.x.set(cmsdt, CM_DEALLOCATE_FLUSH), CM_OK, "Set_Deallocate_Type");
                need(s.x.deallocate(), CM_OK, "Deallocate");
            } else if (sent) {
                need(s.x.flush(), CM_OK, "Flush");
            }
            if (sent) s.ping();
            // Receive does not send what is in the buffer on a full-duplex conversation.
            if (!sent && state != CM_RECEIVE_ONLY_STATE) need(s.x.flush(), CM_OK, "Flush");
        };
    }
    // Flush does not tell of what has arrived: Send_Data does.
    static situation untold(const char* name, const char* set, std::function<void(stage&)> what, std::string fate) {
        situation c = prepared(name, std::move(what), std::move(fate));
        c.after = [set](stage& s) {
            (void)s.x.set(cmsst, CM_BUFFER_DATA);
            const CM_INT32 code = s.x.send("more");
            need(is_one_of(code, set), "Send_Data after it returned " + std::to_string(code));
            need(s.x.state(), reset_state, "the state after Send_Data");
        };
        return c;
    }
    // The partner has reported an error: who sends is not told, and Receive is.
    static situation error_of_partner() {
        situation c = prepared("the partner has reported an error, which Receive tells", said("error 0"));
        c.after = [](stage& s) {
            if (s.x.state() != CM_SEND_RECEIVE_STATE && s.x.state() != CM_RECEIVE_ONLY_STATE) return;
            need(s.x.receive(), CM_PROGRAM_ERROR_NO_TRUNC, "Receive");
        };
        return c;
    }

    static std::vector<situation> situations(const stage& s, const row& r, const deed& d, const std::string& outcome,
                                             CM_INT32 state, std::string& reason) {
        std::vector<situation> all;
        const auto none = [&](std::string why) {
            reason = std::move(why);
            return std::vector<situation>{};
        };
        const bool receives = r.call.starts_with("Receive");
        const bool waits = receives && !d.immediate;
        const std::string set = outcome.substr(0, outcome.find(' '));
        // What the partner says is there, or comes while a Receive waits.
        const auto says = [&](const std::string& name, const std::string& script, const std::string& fate = "") {
            all.push_back(prepared(name, said(script), fate));
            if (waits) all.push_back(later(name + ", later", script, fate));
        };
        const auto heard = [&](bool any) {
            for (situation& c : all)
                c.after = [any](stage& t) {
                    if (any && t.x.data == CM_NO_DATA_RECEIVED) return;
                    need(t.x.data, CM_COMPLETE_DATA_RECEIVED, "data_received");
                    need(t.x.status, CM_NO_STATUS_RECEIVED, "status_received");
                    need(t.x.text() == "data", "the data is <" + std::string{t.x.text()} + ">");
                };
        };
        if (outcome == "ok {data, no status}") {
            says("data", "send data F");
            heard(false);
            return all;
        }
        if (set == "dn") {
            const std::string fate = state == CM_RECEIVE_ONLY_STATE ? "0" : "";
            says("deallocated", "deallocate F", fate);
            says("deallocated with data", "send data DF", fate);
            heard(true);
            return all;
        }
        if (set == "en") {
            says("an error of the partner", "error 0");
            says("an error in the other direction", "error 1");
            return all;
        }
        if (set == "et") {
            if (!s.basic) return none("records of a mapped conversation are not cut");
            return {prepared("half a record, then an error", [](stage& t) {
                (void)t.other().ask("part half; error 0");
                t.ping();
                (void)t.x.set(cmsrt, CM_RECEIVE_AND_WAIT);
                need(t.x.receive(), CM_OK, "Receive of what came before the cut");
                need(t.x.data, CM_INCOMPLETE_DATA_RECEIVED, "data_received");
                need(t.x.text() == "half", "the text before the cut");
            })};
        }
        if (set == "un") return {plain("nothing is there")};
        if (set == "af")
            return {prepared("nobody listens",
                             [](stage& t) { need(t.x.destination("127.0.0.1:1/TP"), CM_OK, "the destination"); })};
        if (outcome == "error notice" && state == CM_SEND_RECEIVE_STATE)
            return none("who sends is told of what ends the conversation; other errors are for Receive");
        // Send_Data with ABEND is an end that hears nothing.
        const bool abends = d.name == "D(A)";
        if (set == "da" || set == "error") {
            says("abend, 17", "deallocate A", "0");
            says("cancel, 30", "cancel", "0");
            if (state != CM_RECEIVE_ONLY_STATE)
                all.push_back(prepared("time limit, 31", said("limit 1; receive"), "0"));
            if (set == "da") return all;
        }
        if (set == "rf" || set == "error") {
            if (!s.how.tcp) {
                if (set == "error") return all;
                return none("a link inside a process is not lost while the process lives");
            }
            all.push_back(prepared(
                "the link is lost before", [](stage& t) { t.cut(); }, "26 27"));
            if (waits) {
                situation c = plain("the link is lost while it waits");
                c.parallel = [](stage& t) { t.cut(); };
                c.fate = "26 27";
                all.push_back(c);
            }
            return all;
        }
        if (set == "ae" || set == "43") {
            if (state == CM_SEND_ONLY_STATE) return none("a partner that has ended its direction had accepted");
            if (!s.x_allocates) return none("");
            all.push_back(prepared("an unknown TP", rejected("NOBODY", false, true, state)));
            all.push_back(prepared("a released TP", rejected("RELEASED", false, true, state)));
            all.push_back(prepared("security", rejected("TP", true, true, state)));
            if (waits) all.push_back(prepared("an unknown TP, heard later", rejected("NOBODY", false, false, state)));
            return all;
        }
        if (set != "ok") throw std::runtime_error("an outcome nobody knows: " + outcome);
        if (d.basic_only && !s.basic) return none("fill and log data belong to basic conversations");
        all.push_back(plain());
        if (r.call == "Set_Send_Receive_Mode")
            all.back().after = [](stage& t) {
                CM_INT32 mode = -1;
                need(t.x.call(cmesrm, &mode), CM_OK, "Extract_Send_Receive_Mode");
                t.duplex = mode == CM_FULL_DUPLEX;
                t.finish(nullptr);
                t.duplex = true;
            };
        if (r.call == "Send_Error") {
            all.back().after = [](stage& t) {
                need(t.other().ask("receive"), CM_PROGRAM_ERROR_NO_TRUNC, "the partner's Receive");
            };
            if (s.basic) {
                situation cut = prepared("half a record before", begin_record);
                cut.after = [](stage& t) {
                    need(t.other().ask("receive"), CM_OK, "the partner's Receive of what came before the cut");
                    need(t.other().ask("receive"), CM_PROGRAM_ERROR_TRUNC, "the partner's next Receive");
                };
                all.push_back(cut);
            }
        }
        const bool sends = r.call == "Send_Data" || r.call == "Send_Error" || r.call == "Flush" ||
                           (r.call == "Deallocate" && r.condition != "ABEND");
        if (sends && state == CM_SEND_RECEIVE_STATE && !abends) all.push_back(error_of_partner());
        if (r.call == "Send_Data" && s.basic && (d.name == "B" || d.name == "F")) {
            situation c = prepared("half a record with this call", [](stage& t) { t.partial = true; });
            c.after = [](stage& t) {
                (void)t.x.set(cmsst, CM_BUFFER_DATA);
                need(t.x.send_bytes("-more"), CM_OK, "Send_Data of the other half");
            };
            c.texts = "said-more";
            all.push_back(c);
        }
        if (r.call == "Flush") {
            if (s.basic) {
                situation c = prepared("half a record before", begin_record);
                c.after = [](stage& t) { need(t.x.send_bytes("ved"), CM_OK, "Send_Data of the other half"); };
                c.texts = "halved";
                all.push_back(c);
            }
            all.push_back(untold("an abend has arrived, and is told later", "da", said("deallocate A"), "0"));
            if (s.x_allocates && state == CM_SEND_RECEIVE_STATE)
                all.push_back(untold("a rejection has arrived, and is told later", "43",
                                     rejected("NOBODY", false, true, state), ""));
            if (s.how.tcp)
                all.push_back(untold(
                    "the link is lost, and that is told later", "rf", [](stage& t) { t.cut(); }, "26 27"));
        }
        return all;
    }

    static void expedited(stage& s, const row& r, CM_INT32 state, cell_result& to, const std::string& mark) {
        if (mark == "sc" || mark == "pc") {
            const deed sending{"cmsndx", [](stage&t) { return t.x.send_expedited("fast"); }},
                receiving{"cmrcvx", [](stage&t) { return t.x.receive_expedited(CM_RECEIVE_IMMEDIATE); }};
            for (const deed& d : {sending, receiving}) refused(s, r, d, state, to, mark);
            return;
        }
        for (const expedited_case& c : expedited_cases(s, state)) {
            if (is_one_of(c.code, "rf")) continue;  // no row speaks of it
            attempt(s, to, title(s, r, c.call, state, std::to_string(c.code) + " (" + c.name + ")"),
                    [&] { run_expedited(s, c, state); });
        }
    }

    // Another conversation is accepted: x must not notice.
    void accept(stage& s, const row& r, CM_INT32 state, cell_result& to, const std::string& mark) const {
        for (const bool incoming : {false, true})
            attempt(s, to, title(s, r, incoming ? "Accept_Incoming" : "Accept_Conversation", state, "ok"), [&] {
                if (state != reset_state) s.bring(state, CM_NONE);
                program_end e, caller;
                CM_INT32 rc = -1;
                if (incoming) {
                    cminic(e.id.data(), &rc);
                    need(rc, CM_OK, "Initialize_For_Incoming");
                }
                caller.prepare(s.back(), CM_NONE, basic_, true);
                need(caller.allocate(), CM_OK, "Allocate");
                need(caller.flush(), CM_OK, "Flush");
                need(incoming ? e.call(cmacci) : s.accept_here(e), CM_OK, "the call");
                need(mark == "/" || state_of_mark(mark) == CM_SEND_RECEIVE_STATE, "the mark of the cell is " + mark);
                need(e.state(), CM_SEND_RECEIVE_STATE, "Extract_Conversation_State");
                CM_INT32 mode = -1;
                need(e.call(cmesrm, &mode), CM_OK, "Extract_Send_Receive_Mode");
                need(mode, CM_FULL_DUPLEX, "send_receive_mode");
                need(e.cancel(), CM_OK, "Cancel_Conversation");
                (void)caller.cancel();
                s.ping();
                if (state == reset_state) return;
                need(s.x.state(), state, "Extract_Conversation_State of the other conversation");
                s.finish(&nothing);
            });
    }

    table_report& report_;
    const std::size_t way_;
    const way how_;
    const bool basic_;
};

}  // namespace

void walk_full_duplex(table_report& into, std::size_t way_index, way how, bool basic) {
    duplex_walker{into, way_index, how, basic}.run();
}

}  // namespace colloquy::conformance
