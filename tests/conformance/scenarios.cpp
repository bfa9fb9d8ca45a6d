#include "tests/conformance/scenarios.hpp"

#include <map>

namespace colloquy::conformance {

namespace {

action simple(std::string name, std::function<CM_INT32(stage&)> act) {
    action a;
    a.name = std::move(name);
    a.act = std::move(act);
    return a;
}

action number(const char* name, number_setter f, CM_INT32 value) {
    return simple(name, [f, value](stage& s) { return s.x.set(f, value); });
}
action text(const char* name, name_setter f, std::string value) {
    return simple(name, [f, value](stage& s) { return s.x.name(f, value); });
}
action look(const char* name, void (*f)(const void*, CM_INT32*, CM_INT32*)) {
    return simple(name, [f](stage& s) {
        CM_INT32 value = -1;
        return s.x.call(f, &value);
    });
}
action look_at_text(const char* name, void (*f)(const void*, void*, CM_INT32*, CM_INT32*)) {
    return simple(name, [f](stage& s) {
        std::array<char, 64> value{};
        CM_INT32 length = -1;
        return s.x.call(f, static_cast<void*>(value.data()), &length);
    });
}

// Send_Data with a send type, and the types that it makes use of. The Set_ calls have rows of their own, and may be
// refused.
action send(const std::string& name, CM_INT32 send_type, CM_INT32 other_type, CM_INT32 sync_level, bool asks,
            std::string fate) {
    action a = simple(name, [=](stage& s) {
        if (send_type == CM_SEND_AND_PREP_TO_RECEIVE) (void)s.x.set(cmsptr, other_type);
        if (send_type == CM_SEND_AND_DEALLOCATE) (void)s.x.set(cmsdt, other_type);
        (void)s.x.set(cmsst, send_type);
        if (!s.partial) return s.x.send("said");
        std::string record = logical_record("said and more");
        record.resize(6);
        return s.x.send_bytes(record);
    });
    a.sync_level = sync_level;
    a.asks = asks;
    a.fate = std::move(fate);
    return a;
}

action prepare(const char* name, CM_INT32 type, CM_INT32 sync_level, bool asks) {
    action a = simple(name, [type](stage& s) {
        (void)s.x.set(cmsptr, type);
        return s.x.prepare_to_receive();
    });
    a.sync_level = sync_level;
    a.asks = asks;
    return a;
}
action deallocate(const char* name, CM_INT32 type, CM_INT32 sync_level, bool asks, std::string fate) {
    action a = simple(name, [type](stage& s) {
        (void)s.x.set(cmsdt, type);
        return s.x.deallocate();
    });
    a.sync_level = sync_level;
    a.asks = asks;
    a.fate = std::move(fate);
    return a;
}
action receive(const char* name, CM_INT32 type) {
    return simple(name, [type](stage& s) {
        (void)s.x.set(cmsrt, type);
        return s.x.receive();
    });
}
action basic_only(action a) {
    a.basic_only = true;
    return a;
}

std::vector<action> send_actions(const std::string& condition) {
    const std::string kinds = condition.substr(0, condition.find(" ="));
    const auto has = [&](const char* kind) { return kinds == "any" || kinds.find(kind) != kinds.npos; };
    const bool any_prepare = kinds.find("P") != kinds.npos && kinds.find("P(") == kinds.npos;
    std::vector<action> all;
    if (kinds == "B" || kinds == "any") all.push_back(send("B", CM_BUFFER_DATA, 0, CM_CONFIRM, false, ""));
    if (kinds == "F" || kinds == "any") all.push_back(send("F", CM_SEND_AND_FLUSH, 0, CM_CONFIRM, false, ""));
    if (kinds[0] == 'C' || kinds == "any") all.push_back(send("C", CM_SEND_AND_CONFIRM, 0, CM_CONFIRM, true, ""));
    if (has("P(F)") || any_prepare) {
        all.push_back(
            send("P(F), FLUSH", CM_SEND_AND_PREP_TO_RECEIVE, CM_PREP_TO_RECEIVE_FLUSH, CM_CONFIRM, false, ""));
        all.push_back(
            send("P(F), SYNC_LEVEL", CM_SEND_AND_PREP_TO_RECEIVE, CM_PREP_TO_RECEIVE_SYNC_LEVEL, CM_NONE, false, ""));
    }
    if (has("P(C)") || any_prepare) {
        all.push_back(
            send("P(C), CONFIRM", CM_SEND_AND_PREP_TO_RECEIVE, CM_PREP_TO_RECEIVE_CONFIRM, CM_CONFIRM, true, ""));
        all.push_back(
            send("P(C), SYNC_LEVEL", CM_SEND_AND_PREP_TO_RECEIVE, CM_PREP_TO_RECEIVE_SYNC_LEVEL, CM_CONFIRM, true, ""));
    }
    if (has("D(F)")) {
        all.push_back(send("D(F), FLUSH", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_FLUSH, CM_CONFIRM, false, "18"));
        all.push_back(send("D(F), SYNC_LEVEL", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_SYNC_LEVEL, CM_NONE, false, "18"));
    }
    if (has("D(C)")) {
        all.push_back(send("D(C), CONFIRM", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_CONFIRM, CM_CONFIRM, true, "0"));
        all.push_back(
            send("D(C), SYNC_LEVEL", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_SYNC_LEVEL, CM_CONFIRM, true, "0"));
    }
    if (has("D(A)")) all.push_back(send("D(A)", CM_SEND_AND_DEALLOCATE, CM_DEALLOCATE_ABEND, CM_CONFIRM, false, "17"));
    return all;
}

}  // namespace

std::vector<action> actions_of(const row& r) {
    const char kind = r.condition.empty() ? ' ' : r.condition[0];
    const std::string& c = r.call;
    if (c == "Allocate") return {simple("", [](stage& s) { return s.x.allocate(); })};
    if (c.starts_with("Accept_Incoming")) return {simple("", [](stage& s) { return s.x.call(cmacci); })};
    if (c == "Cancel_Conversation") {
        action a = simple("", [](stage& s) { return s.x.cancel(); });
        a.fate = "30";
        return {a};
    }
    if (c == "Confirm") {
        action a = simple("", [](stage& s) { return s.x.confirm(); });
        a.asks = r.condition != "sync NONE";
        if (!a.asks) a.sync_level = CM_NONE;
        return {a};
    }
    if (c == "Confirmed") return {simple("", [](stage& s) { return s.x.confirmed(); })};
    if (c == "Deallocate" && kind == 'A') return {deallocate("", CM_DEALLOCATE_ABEND, CM_CONFIRM, false, "17")};
    if (c == "Deallocate" && kind == 'F')
        return {deallocate("FLUSH", CM_DEALLOCATE_FLUSH, CM_CONFIRM, false, "18"),
                deallocate("FLUSH, sync NONE", CM_DEALLOCATE_FLUSH, CM_NONE, false, "18"),
                deallocate("SYNC_LEVEL", CM_DEALLOCATE_SYNC_LEVEL, CM_NONE, false, "18")};
    if (c == "Deallocate" && kind == 'C')
        return {deallocate("CONFIRM", CM_DEALLOCATE_CONFIRM, CM_CONFIRM, true, "0"),
                deallocate("SYNC_LEVEL", CM_DEALLOCATE_SYNC_LEVEL, CM_CONFIRM, true, "0")};
    if (c == "Extract_* (conversation)")
        return {look("cmecs", cmecs),           look("cmect", cmect),           look("cmesl", cmesl),
                look("cmecst", cmecst),         look("xcecst", xcecst),         look_at_text("cmemn", cmemn),
                look_at_text("cmepln", cmepln), look_at_text("cmetpn", cmetpn), look_at_text("cmecsu", cmecsu),
                look_at_text("xcecsu", xcecsu)};
    if (c == "Flush") return {simple("", [](stage& s) { return s.x.flush(); })};
    if (c == "Prepare_To_Receive") {
        std::vector<action> all;
        if (kind == 'F' || kind == 'a') {
            all.push_back(prepare("FLUSH", CM_PREP_TO_RECEIVE_FLUSH, CM_CONFIRM, false));
            all.push_back(prepare("SYNC_LEVEL, sync NONE", CM_PREP_TO_RECEIVE_SYNC_LEVEL, CM_NONE, false));
        }
        if (kind == 'C' || kind == 'a') {
            all.push_back(prepare("CONFIRM", CM_PREP_TO_RECEIVE_CONFIRM, CM_CONFIRM, true));
            all.push_back(prepare("SYNC_LEVEL", CM_PREP_TO_RECEIVE_SYNC_LEVEL, CM_CONFIRM, true));
        }
        return all;
    }
    if (c == "Receive")
        return {kind == 'W' ? receive("", CM_RECEIVE_AND_WAIT) : receive("immediate", CM_RECEIVE_IMMEDIATE)};
    if (c == "Request_To_Send") return {simple("", [](stage& s) { return s.x.request_to_send(); })};
    if (c == "Send_Data") return send_actions(r.condition);
    if (c == "Send_Error") {
        const auto error = [](const char* name, CM_INT32 direction) {
            return simple(name, [direction](stage& s) {
                (void)s.x.set(cmsed, direction);
                return s.x.send_error();
            });
        };
        return {error("RECEIVE_ERROR", CM_RECEIVE_ERROR), error("SEND_ERROR", CM_SEND_ERROR)};
    }
    if (c.starts_with("Set_Conversation_Type"))
        return {number("cmsct", cmsct, CM_MAPPED_CONVERSATION),
                text("cmsmn", cmsmn, "MODE"),
                text("cmspln", cmspln, "NET.LU"),
                number("cmsrc", cmsrc, CM_IMMEDIATE),
                number("cmssl", cmssl, CM_CONFIRM),
                number("cmscst", cmscst, CM_SECURITY_SAME),
                number("xcscst", xcscst, XC_SECURITY_PROGRAM),
                text("cmscsu", cmscsu, "user"),
                text("xcscsu", xcscsu, "user"),
                text("cmscsp", cmscsp, "secret"),
                text("xcscsp", xcscsp, "secret")};
    if (c == "Set_TP_Name") return {text("", cmstpn, "OTHER")};
    if (c.starts_with("Set_Error_Direction"))
        return {number("cmsed", cmsed, CM_SEND_ERROR), basic_only(number("cmsf", cmsf, CM_FILL_BUFFER)),
                basic_only(text("cmsld", cmsld, "a log")), number("cmsrt", cmsrt, CM_RECEIVE_AND_WAIT)};
    if (c.starts_with("Set_Deallocate_Type"))
        return {number("cmsdt", cmsdt, CM_DEALLOCATE_FLUSH), number("cmsst", cmsst, CM_SEND_AND_FLUSH),
                number("cmsptr", cmsptr, CM_PREP_TO_RECEIVE_FLUSH)};
    if (c == "Set_Processing_Mode") return {number("", cmspm, CM_NON_BLOCKING)};
    if (c == "Test_Request_To_Send_Received")
        return {simple("", [](stage& s) {
            s.x.rts = -1;
            return s.x.call(cmtrts, &s.x.rts);
        })};
    return {};
}

namespace {

// What a Set_ call is refused for, by the name of its action.
std::function<CM_INT32(stage&)> wrong_value(const std::string& call, const std::string& name) {
    static const std::map<std::string, number_setter> numbers{
        {"cmsct", cmsct}, {"cmsrc", cmsrc}, {"cmssl", cmssl}, {"cmscst", cmscst}, {"xcscst", xcscst}, {"cmsed", cmsed},
        {"cmsf", cmsf},   {"cmsrt", cmsrt}, {"cmsdt", cmsdt}, {"cmsst", cmsst},   {"cmsptr", cmsptr}};
    static const std::map<std::string, name_setter> texts{{"cmsmn", cmsmn},   {"cmspln", cmspln}, {"cmscsu", cmscsu},
                                                          {"xcscsu", xcscsu}, {"cmscsp", cmscsp}, {"xcscsp", xcscsp},
                                                          {"cmsld", cmsld}};
    const number_setter f = call == "Set_Processing_Mode" ? cmspm : numbers.contains(name) ? numbers.at(name) : nullptr;
    if (f != nullptr) return [f](stage& s) { return s.x.set(f, 99); };
    const name_setter t = call == "Set_TP_Name" ? cmstpn : texts.at(name);
    return [t](stage& s) { return s.x.name(t, std::string(600, 'x')); };
}

scenario plain(std::string name) {
    scenario c;
    c.name = std::move(name);
    return c;
}
scenario before(std::string name, std::function<void(stage&)> what, std::string fate = "") {
    scenario c = plain(std::move(name));
    c.before = std::move(what);
    c.fate = std::move(fate);
    return c;
}
scenario during(std::string name, std::string script, std::string fate = "") {
    scenario c = plain(std::move(name));
    c.during = std::move(script);
    c.fate = std::move(fate);
    return c;
}
// The partner carries out a script and its effect has arrived.
std::function<void(stage&)> said(std::string script) {
    return [script](stage& s) {
        (void)s.other().ask(script);
        s.ping();
    };
}

// The first half of a logical record waits in the send buffer.
void begin_record(stage& s) {
    (void)s.x.set(cmsst, CM_BUFFER_DATA);
    std::string record = logical_record("half");
    record.resize(4);
    need(s.x.send_bytes(record), CM_OK, "Send_Data of half a record");
}
void end_record(stage& s) {
    (void)s.x.set(cmsst, CM_BUFFER_DATA);
    need(s.completed(s.x.send_bytes("lf")), CM_OK, "Send_Data of the other half");
}

// x is allocated to a TP that the partner's end refuses. `sent`: the refusal has arrived.
std::function<void(stage&)> refused(const char* tp, bool secret, bool sent, bool turn) {
    return [=](stage& s) {
        s.clear();
        s.x.prepare(s.there(tp), s.sync_level, s.basic);
        if (secret) {
            need(s.x.set(cmscst, CM_SECURITY_PROGRAM), CM_OK, "Set_Conversation_Security_Type");
            need(s.x.name(cmscsu, "nobody"), CM_OK, "Set_Conversation_Security_User_ID");
            need(s.x.name(cmscsp, "wrong"), CM_OK, "Set_Conversation_Security_Password");
        }
        need(s.x.allocate(), CM_OK, "Allocate");
        if (turn) {
            need(s.x.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH), CM_OK, "Set_Prepare_To_Receive_Type");
            need(s.x.prepare_to_receive(), CM_OK, "Prepare_To_Receive");
        }
        if (!sent) return;
        if (!turn) need(s.x.flush(), CM_OK, "Flush");
        s.ping();
    };
}

// Flush, and Deallocate and Prepare_To_Receive without confirmation, do not tell of what has arrived: the next call
// does.
void add_silent(std::vector<scenario>& all, const stage& s, CM_INT32 state) {
    const auto add = [&](const char* name, const char* set, std::function<void(stage&)> what, std::string fate) {
        scenario c = before(name, std::move(what), std::move(fate));
        c.after = [set](stage& st, const std::string&) {
            if (st.x.state() == reset_state) return;
            (void)st.x.set(cmsst, CM_BUFFER_DATA);
            (void)st.x.set(cmsrt, CM_RECEIVE_AND_WAIT);
            const bool receives = st.x.state() == CM_RECEIVE_STATE;
            const CM_INT32 code = st.completed(receives ? st.x.receive() : st.x.send("more"));
            need(is_one_of(code, set), "the call after it returned " + std::to_string(code));
            need(st.x.state(), code == CM_PROGRAM_ERROR_PURGING ? CM_RECEIVE_STATE : reset_state,
                 "the state after the call after it");
        };
        all.push_back(std::move(c));
    };
    if (state == CM_SEND_STATE && s.x_allocates)
        add("a refusal has arrived, and is told later", "ae", refused("NOBODY", false, true, false), "");
    add("an abend has arrived, and is told later", "da", said("deallocate A"), "0");
    add("an error of the receiver has arrived, and is told later", "ep", said("error 0"), "17 18");
    if (s.how.tcp)
        add(
            "the link is lost, and it is told later", "rf", [](stage& st) { st.cut(); }, "26 27");
}

}  // namespace

std::vector<scenario> scenarios_for(const stage& s, const row& r, const action& a, const std::string& outcome,
                                    CM_INT32 state, std::string& reason) {
    const bool sending = state == CM_SEND_STATE || state == CM_SEND_PENDING_STATE;
    const bool receives = r.call == "Receive";
    const bool immediate = receives && r.condition.starts_with("I");
    const bool waits = a.asks || (receives && !immediate);
    std::vector<scenario> all;
    const auto none = [&](std::string why) {
        reason = std::move(why);
        return std::vector<scenario>{};
    };
    // What the partner says to a Receive: it has the turn in RECEIVE, and is given it first otherwise.
    const auto says = [&](const std::string& name, const std::string& script, const std::string& fate = "") {
        if (state == CM_RECEIVE_STATE) {
            all.push_back(before(name, said(script), fate));
            if (!immediate) all.push_back(during(name + ", later", script, fate));
        } else {
            all.push_back(during(name, "turn; " + script, fate));
        }
    };
    const auto hears_data = [&](std::size_t from) {
        for (std::size_t i = from; i < all.size(); ++i)
            all[i].after = [](stage& st, const std::string& what) {
                const bool data = what.find("no data") == what.npos;
                if (what.starts_with("ok {any") && st.x.data == CM_NO_DATA_RECEIVED) return;
                if (what.starts_with("dn") && st.x.data == CM_NO_DATA_RECEIVED) return;
                need((st.x.data == CM_COMPLETE_DATA_RECEIVED) == data, "data_received is " + std::to_string(st.x.data));
                if (data) need(st.x.text() == "data", "the data is <" + std::string{st.x.text()} + ">");
            };
    };

    if (outcome == "ok {data, no status}") {
        says("data", "send data F");
        hears_data(0);
        return all;
    }
    if (outcome == "ok {data, SEND}") {
        says("data with the turn", "send data PF");
        hears_data(0);
        return all;
    }
    if (outcome == "ok {no data, SEND}") {
        says("the turn", "ptr F");
        hears_data(0);
        return all;
    }
    if (outcome.starts_with("ok {any, CONFIRM")) {
        const bool gives_turn = outcome == "ok {any, CONFIRM_SEND}", ends_it = outcome == "ok {any, CONFIRM_DEALLOC}";
        says("data with the request", std::string{"later send data "} + (gives_turn ? "PC" : ends_it ? "DC" : "C"));
        says("the request alone", gives_turn ? "later ptr C" : ends_it ? "later deallocate C" : "later confirm");
        hears_data(0);
        return all;
    }
    const std::string set = outcome.substr(0, outcome.find_first_of(" ("));
    if (set == "ok") {
        if (r.call == "Deallocate" && state == CM_INITIALIZE_INCOMING_STATE)
            return none("Set_Deallocate_Type is refused in this state, so that ABEND cannot be chosen");
        if (r.call.starts_with("Accept_Incoming"))
            return {before("a partner has called", [](stage& st) {
                (void)st.other().ask("call " + st.back() + " 1 " + (st.basic ? "basic" : "mapped"));
                st.partner_talks();
                st.ping();
            })};
        if (r.call == "Test_Request_To_Send_Received") {
            for (const bool asked : {false, true}) {
                scenario c = plain(asked ? "asked" : "not asked");
                if (asked) c.before = said("rts");
                c.after = [asked](stage& st, const std::string&) {
                    need(st.x.rts, asked ? 1 : 0, "request_to_send_received");
                    need(st.x.call(cmtrts, &st.x.rts), CM_OK, "Test_Request_To_Send_Received again");
                    need(st.x.rts, 0, "request_to_send_received the second time");
                };
                all.push_back(c);
            }
            return all;
        }
        if (r.call == "Send_Error") {
            scenario c = plain("the partner hears of it");
            const bool by_sender = state == CM_SEND_STATE || (state == CM_SEND_PENDING_STATE && a.name == "SEND_ERROR");
            const bool asked = state >= CM_CONFIRM_STATE && state <= CM_CONFIRM_DEALLOCATE_STATE;
            c.after = [by_sender, asked](stage& st, const std::string&) {
                need(st.other().ask(asked ? "collect" : "receive"),
                     by_sender ? CM_PROGRAM_ERROR_NO_TRUNC : CM_PROGRAM_ERROR_PURGING, "the partner's call");
            };
            all.push_back(c);
            if (s.basic && state == CM_SEND_STATE) {
                scenario cut = before("half a record before", begin_record);
                cut.after = [](stage& st, const std::string&) {
                    need(st.other().ask("receive"), CM_OK, "the partner's Receive of what came before the cut");
                    need(st.other().ask("receive"), CM_PROGRAM_ERROR_TRUNC, "the partner's next Receive");
                };
                all.push_back(cut);
            }
            return all;
        }
        if (r.call == "Confirmed" && state != CM_CONFIRM_DEALLOCATE_STATE) {
            scenario c = plain("the partner hears of it");
            c.after = [](stage& st, const std::string&) {
                need(st.other().ask("collect"), CM_OK, "the partner's call");
            };
            return {c};
        }
        if (r.call == "Confirmed") {
            scenario c = plain("");
            c.fate = "0";
            return {c};
        }
        if (r.call == "Request_To_Send" || r.call.starts_with("Extract")) {
            scenario c = plain("");
            c.strict = true;
            return {c};
        }
        if (r.call.starts_with("Set_")) {
            if (a.basic_only && state == CM_INITIALIZE_INCOMING_STATE)
                return none("the type of a conversation that nobody has begun is not known");
            if (a.basic_only && !s.basic) return none("fill and log data belong to basic conversations");
            scenario c = plain("");
            if (state == CM_INITIALIZE_STATE)
                c.before = [](stage& st) {
                    need(st.x.set(cmscst, CM_SECURITY_PROGRAM), CM_OK, "Set_Conversation_Security_Type");
                };
            return {c};
        }
        if (a.asks)
            all.push_back(during("confirmed", "request; confirmed"));
        else
            all.push_back(plain(""));
        // What may cut a record, or leave one unfinished.
        if (s.basic && state == CM_SEND_STATE && r.call == "Flush") {
            scenario c = before("half a record before", begin_record);
            c.after = [](stage& st, const std::string&) { end_record(st); };
            c.texts = "half";
            c.strict = true;
            all.push_back(c);
        }
        if (s.basic && state == CM_SEND_STATE && r.call == "Deallocate" && r.condition[0] == 'A')
            all.push_back(before("half a record before", begin_record));
        if (s.basic && sending && (a.name == "D(A)" || a.name == "B" || a.name == "F")) {
            scenario c = before("half a record with this call", [](stage& st) { st.partial = true; });
            c.after = [](stage& st, const std::string&) {
                if (st.x.state() == reset_state) return;
                (void)st.x.set(cmsst, CM_BUFFER_DATA);
                need(st.completed(st.x.send_bytes(" and more")), CM_OK, "Send_Data of the other half");
            };
            all.push_back(c);
        }
        if (sending && (r.call == "Flush" || (!a.asks && r.condition[0] == 'F' &&
                                              (r.call == "Deallocate" || r.call == "Prepare_To_Receive"))))
            add_silent(all, s, state);
        return all;
    }
    if (set == "pc") {
        if (r.call == "Confirm") return {plain("")};
        scenario c = plain("a wrong value");
        c.strict = true;
        return {c};  // the walk knows what a wrong value is
    }
    if (outcome == "sc(partial LL)") {
        if (!s.basic) return none("logical records are the library's own on a mapped conversation");
        if (r.call == "Send_Data") {
            scenario c = before("half a record with this call", [](stage& st) { st.partial = true; });
            c.strict = true;
            return {c};
        }
        scenario c = before("half a record before", begin_record);
        c.after = [](stage& st, const std::string&) { end_record(st); };
        c.texts = "half";
        c.strict = true;
        return {c};
    }
    if (outcome == "sc(no attach)") return none("a program that serves a name waits, or is told 35");
    if (outcome == "sc(op incomplete)") return {plain("")};  // the walk's own
    if (set == "ps") return none("a failure of the product itself cannot be brought about by a program");
    if (set == "oi") {
        if (r.call == "Confirmed" || r.call == "Request_To_Send")
            return none("the call has room of its own on every link and never waits");
        if (!s.how.non_blocking) return none("35 is for non-blocking conversations");
        if (r.call == "Allocate") {
            if (!s.how.tcp) return none("a link inside a process is up at once");
            if (!s.x_allocates) return none("");
            scenario c = before("no link is up yet", [](stage& st) { st.hold(true); });
            return {c};
        }
        return {plain("")};  // nothing is there
    }
    if (set == "un") {
        if (r.call == "Allocate")
            return {before("no link, return_control IMMEDIATE", [](stage& st) {
                need(st.x.destination("127.0.0.1:1/TP"), CM_OK, "the destination");
                need(st.x.set(cmsrc, CM_IMMEDIATE), CM_OK, "Set_Return_Control");
            })};
        scenario c = plain("nothing is there");
        c.strict = true;
        return {c};
    }
    if (set == "pe") {
        for (const char* mode : {"SNASVCMG", "CPSVCMG"})
            all.push_back(before(std::string{"mode "} + mode,
                                 [mode](stage& st) { need(st.x.name(cmsmn, mode), CM_OK, "Set_Mode_Name"); }));
        all.push_back(before("an unknown partner",
                             [](stage& st) { need(st.x.name(cmspln, "NO.LU"), CM_OK, "Set_Partner_LU_Name"); }));
        for (scenario& c : all)
            c.after = [](stage& st, const std::string&) {
                // It can be repaired.
                need(st.x.destination(st.there()), CM_OK, "the destination");
                need(st.x.name(cmsmn, "MODE"), CM_OK, "Set_Mode_Name");
            };
        return all;
    }
    if (set == "af")
        return {before("nobody listens",
                       [](stage& st) { need(st.x.destination("127.0.0.1:1/TP"), CM_OK, "the destination"); })};
    if (set == "ae") {
        if (state == CM_SEND_PENDING_STATE)
            return none(
                "a partner that has given the turn has accepted the conversation; it cannot refuse it any more");
        if (!s.x_allocates) return none("");  // the end that accepted is not refused
        const bool turn = state == CM_RECEIVE_STATE;
        all.push_back(before("an unknown TP, 9", refused("NOBODY", false, true, turn)));
        all.push_back(before("a released TP, 9", refused("RELEASED", false, true, turn)));
        all.push_back(before("security, 6", refused("TP", true, true, turn)));
        if (waits) all.push_back(before("an unknown TP, heard later", refused("NOBODY", false, false, turn)));
        return all;
    }
    if (set == "dn" && receives) {
        says("deallocated", "deallocate F", "0");
        says("deallocated with data", "send data DF", "0");
        hears_data(0);
        return all;
    }
    if (set == "dn") {
        all.push_back(before("deallocated", said("deallocate F"), "0"));
        all.push_back(before("data, and deallocated", said("send data F; deallocate F"), "0"));
        all.push_back(before("ended abnormally", said("deallocate A"), "0"));
        all.push_back(before("cancelled", said("cancel"), "0"));
        if (s.x_allocates) all.push_back(before("refused", refused("NOBODY", false, true, true)));
        return all;
    }
    if (set == "da") {
        all.push_back(before("abend, 17", said("deallocate A"), "0"));
        all.push_back(before("cancel, 30", said("cancel"), "0"));
        if (sending) all.push_back(before("time limit, 31", said("limit 1; receive"), "0"));
        if (a.asks) {
            all.push_back(during("abend while it waits", "request; deallocate A", "0"));
            all.push_back(during("cancel while it waits", "request; cancel", "0"));
        }
        if (receives && !immediate) all.push_back(during("abend while it waits", "turn; deallocate A", "0"));
        return all;
    }
    if (set == "rf") {
        if (!s.how.tcp) return none("a link inside a process is not lost while the process lives");
        all.push_back(before(
            "the link is lost before", [](stage& st) { st.cut(); }, "26 27"));
        if (waits) {
            scenario c = plain("the link is lost while it waits");
            c.parallel = [receives](stage& st) {
                (void)st.other().ask(receives ? "turn" : "request");
                st.cut();
            };
            c.fate = "26 27";
            all.push_back(c);
        }
        return all;
    }
    if (set == "en") {
        if (state == CM_RECEIVE_STATE) {
            says("an error of the sender in SEND_PENDING", "error 1");
            says("an error of the sender in SEND", "flush; error 0");
        } else {
            says("an error of the sender", "error 0");
        }
        return all;
    }
    if (set == "ep") {
        if (state == CM_RECEIVE_STATE) {
            says("an error of the receiver", "error 0");
        } else {
            all.push_back(before("an error of the receiver", said("error 0")));
            if (a.asks) all.push_back(during("an error instead of Confirmed", "request; error 0"));
            if (receives && state == CM_SEND_STATE) {
                scenario c = during("an error of the receiver, with the turn", "turn; error 0");
                c.before = [](stage& st) {
                    (void)st.x.set(cmsst, CM_BUFFER_DATA);
                    need(st.x.send("buffered"), CM_OK, "Send_Data");
                };
                all.push_back(c);
            }
        }
        return all;
    }
    if (set == "et") {
        if (!s.basic) return none("records of a mapped conversation are not cut");
        if (sending) return none("a cut needs half a record, which the first Receive after the turn would bring (R)");
        scenario c = before("half a record, then an error", [](stage& st) {
            (void)st.other().ask("part half; error 0");
            st.ping();
            (void)st.x.set(cmsrt, CM_RECEIVE_AND_WAIT);
            need(st.completed(st.x.receive()), CM_OK, "Receive of what came before the cut");
            need(st.x.data, CM_INCOMPLETE_DATA_RECEIVED, "data_received");
            need(st.x.text() == "half", "the text before the cut");
        });
        return {c};
    }
    throw std::runtime_error("an outcome nobody knows: " + outcome);
}

std::function<CM_INT32(stage&)> with_wrong_value(const row& r, const action& a) { return wrong_value(r.call, a.name); }

}  // namespace colloquy::conformance
