// What a program may do with a conversation while one of its calls is incomplete, and what becomes of that call: every
// cell of tests/data/cpic-pending.tsv, in process and over TCP. A column is the incomplete call; "done" is one that has
// finished and was not collected.
#include <doctest/doctest.h>

#include <functional>
#include <optional>
#include <sstream>

#include "api/wincpic.h"
#include "tests/conformance/walk.hpp"

namespace {

using namespace colloquy::conformance;

using doing = std::function<CM_INT32(stage&)>;
struct deed {
    std::string name;
    doing act;
    std::function<void(stage&)> before;  // the call is issued: characteristics are still free
};

template <class Setter>
deed set_to(const char* name, Setter f, CM_INT32 value) {
    return {name, [f, value](stage& s) { return s.x.set(f, value); }, {}};
}
deed set_text(const char* name, name_setter f) {
    return {name, [f](stage& s) { return s.x.name(f, "TEXT"); }, {}};
}
deed look(const char* name, void (*f)(const void*, CM_INT32*, CM_INT32*)) {
    return {name,
            [f](stage& s) {
                CM_INT32 value = -1;
                return s.x.call(f, &value);
            },
            {}};
}
deed look_at_text(const char* name, void (*f)(const void*, void*, CM_INT32*, CM_INT32*)) {
    return {name,
            [f](stage& s) {
                std::array<char, 64> text{};
                CM_INT32 length = -1;
                return s.x.call(f, static_cast<void*>(text.data()), &length);
            },
            {}};
}
deed chosen(const doing& act, number_setter f, CM_INT32 value) {
    return {"", act, [f, value](stage& s) { (void)s.x.set(f, value); }};
}
void COLLOQUY_CALL ignored(void*, const clq_completion*) {}
int COLLOQUY_CALL taken(void*, const clq_completion*) { return 0; }

// Outputs of the calls that must be refused: an incomplete call owns those in the stage.
struct spare {
    std::array<char, 64> buffer{};
    CM_INT32 length = 8, data = -7, received = -7, status = -7, rts = -7;
    [[nodiscard]] bool untouched() const { return data == -7 && received == -7 && status == -7; }
};

std::vector<deed> deeds_of(const row& r) {
    const std::string& c = r.call;
    static const std::map<std::string, CM_INT32> values{{"ABEND", CM_DEALLOCATE_ABEND},
                                                        {"FLUSH", CM_DEALLOCATE_FLUSH},
                                                        {"CONFIRM", CM_DEALLOCATE_CONFIRM},
                                                        {"SYNC_LEVEL", CM_DEALLOCATE_SYNC_LEVEL},
                                                        {"BUFFER_DATA", CM_BUFFER_DATA},
                                                        {"SEND_AND_FLUSH", CM_SEND_AND_FLUSH},
                                                        {"SEND_AND_DEALLOCATE", CM_SEND_AND_DEALLOCATE},
                                                        {"AND_WAIT", CM_RECEIVE_AND_WAIT},
                                                        {"IMMEDIATE", CM_RECEIVE_IMMEDIATE}};
    const auto plain = [](doing act) { return std::vector<deed>{{"", std::move(act), {}}}; };
    if (c == "Cancel_Conversation") return plain([](stage& s) { return s.x.cancel(); });
    if (c == "Deallocate") return {chosen([](stage& s) { return s.x.deallocate(); }, cmsdt, values.at(r.condition))};
    if (c == "Request_To_Send") return plain([](stage& s) { return s.x.request_to_send(); });
    if (c == "Send_Error")
        return plain([](stage& s) {
            spare o;
            return s.x.call(cmserr, &o.rts);
        });
    if (c == "Test_Request_To_Send_Received")
        return plain([](stage& s) {
            spare o;
            return s.x.call(cmtrts, &o.rts);
        });
    if (c == "Extract_* (conversation)")
        return {look("cmecs", cmecs),           look("cmect", cmect),           look("cmesl", cmesl),
                look("cmecst", cmecst),         look("xcecst", xcecst),         look_at_text("cmemn", cmemn),
                look_at_text("cmepln", cmepln), look_at_text("cmetpn", cmetpn), look_at_text("cmecsu", cmecsu),
                look_at_text("xcecsu", xcecsu), look_at_text("cmesui", cmesui)};
    if (c == "WinCPICExtractEvent")
        return plain([](stage& s) {
            void* event = nullptr;
            CM_INT32 rc = -1;
            WinCPICExtractEvent(s.x.id.data(), &event, &rc);
            return rc;
        });
    if (c == "WinCPICSetEvent")
        return plain([](stage& s) {
            void* event = nullptr;
            CM_INT32 rc = -1;
            WinCPICSetEvent(s.x.id.data(), &event, &rc);
            return rc;
        });
    if (c == "Set_* legal in RECEIVE")
        return {set_to("cmsed", cmsed, CM_SEND_ERROR), set_to("cmsrt", cmsrt, CM_RECEIVE_AND_WAIT),
                set_to("cmsdt", cmsdt, CM_DEALLOCATE_FLUSH), set_to("cmsst", cmsst, CM_BUFFER_DATA),
                set_to("cmsptr", cmsptr, CM_PREP_TO_RECEIVE_FLUSH)};
    if (c == "Set_* legal in INITIALIZE only" && r.condition == "numbers")
        return {set_to("cmsct", cmsct, CM_MAPPED_CONVERSATION), set_to("cmssl", cmssl, CM_CONFIRM),
                set_to("cmsrc", cmsrc, CM_IMMEDIATE), set_to("cmscst", cmscst, CM_SECURITY_NONE),
                set_to("xcscst", xcscst, CM_SECURITY_NONE)};
    if (c == "Set_* legal in INITIALIZE only")
        return {set_text("cmsmn", cmsmn),   set_text("cmspln", cmspln), set_text("cmstpn", cmstpn),
                set_text("cmscsu", cmscsu), set_text("xcscsu", xcscsu), set_text("cmscsp", cmscsp),
                set_text("xcscsp", xcscsp)};
    if (c == "Set_Processing_Mode")
        return {set_to("blocking", cmspm, CM_BLOCKING), set_to("non-blocking", cmspm, CM_NON_BLOCKING)};
    if (c == "clq_set_callback")
        return plain([](stage& s) {
            CM_INT32 rc = -1;
            clq_set_callback(s.x.id.data(), &ignored, nullptr, &rc);
            return rc;
        });
    if (c == "clq_set_sink")
        return plain([](stage& s) {
            CM_INT32 rc = -1;
            clq_set_sink(s.x.id.data(), &taken, nullptr, &rc);
            return rc;
        });
    if (c == "clq_set_time_limit")
        return plain([](stage& s) {
            CM_INT32 rc = -1;
            clq_set_time_limit(s.x.id.data(), 1, &rc);
            return rc;
        });
    if (c == "Allocate") return plain([](stage& s) { return s.x.allocate(); });
    if (c == "Confirm")
        return plain([](stage& s) {
            spare o;
            return s.x.call(cmcfm, &o.rts);
        });
    if (c == "Confirmed") return plain([](stage& s) { return s.x.confirmed(); });
    if (c == "Flush") return plain([](stage& s) { return s.x.flush(); });
    if (c == "Prepare_To_Receive") return plain([](stage& s) { return s.x.prepare_to_receive(); });
    if (c == "Receive")
        return {chosen(
            [](stage& s) {
                spare o;
                const CM_INT32 code =
                    s.x.call(cmrcv, static_cast<void*>(o.buffer.data()), static_cast<const CM_INT32*>(&o.length),
                             &o.data, &o.received, &o.status, &o.rts);
                need(o.untouched(), "a refused Receive wrote its outputs");
                return code;
            },
            // What is incomplete must wait, so that type is not asked for where it is a Receive itself.
            cmsrt, CM_RECEIVE_AND_WAIT)};
    if (c == "Send_Data")
        return {chosen(
            [](stage& s) {
                spare o;
                return s.x.call(cmsend, static_cast<const void*>(o.buffer.data()),
                                static_cast<const CM_INT32*>(&o.length), &o.rts);
            },
            cmsst, values.at(r.condition))};
    return {};
}

// Brings x's call about. How it ends well is in `well`, and the state before it in `state`.
struct incomplete_call {
    std::function<void()> goes_well;
    CM_INT32 state = 0;
    bool held = false;
    program_end caller;
};

void begin(stage& s, const std::string& column, const deed& d, incomplete_call& c) {
    const bool receives = column.starts_with("Receive");
    CM_INT32 code = -1;
    if (column == "Accept") {
        c.state = reset_state;
        code = s.x.accept();
        c.goes_well = [&s, &c] {
            c.caller.prepare(s.back(), CM_NONE, false);
            need(c.caller.allocate(), CM_OK, "Allocate");
            need(c.caller.flush(), CM_OK, "Flush");
        };
        need(code, CM_OPERATION_INCOMPLETE, "the call before");
        return;
    }
    c.state = column == "Allocate"                        ? CM_INITIALIZE_STATE
              : receives && column != "Receive from SEND" ? CM_RECEIVE_STATE
                                                          : CM_SEND_STATE;
    s.bring(c.state, CM_CONFIRM);
    if (d.before && column != "Send_Data" && column != "Deallocate") d.before(s);
    need(s.x.set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
    const auto confirmed = [&s] { (void)s.other().ask("request; confirmed"); };
    if (receives) {
        code = s.x.receive();
        c.goes_well = [&s, column] {
            (void)s.other().ask(column == "Receive from SEND" ? "turn; send data F" : "send data F");
        };
    } else if (column == "Confirm") {
        code = s.x.confirm();
        c.goes_well = confirmed;
    } else if (column == "Send_Data") {
        (void)s.x.set(cmsst, CM_SEND_AND_CONFIRM);
        code = s.x.send("said");
        c.goes_well = confirmed;
    } else if (column == "Prepare_To_Receive") {
        (void)s.x.set(cmsptr, CM_PREP_TO_RECEIVE_CONFIRM);
        code = s.x.prepare_to_receive();
        c.goes_well = confirmed;
    } else if (column == "Deallocate") {
        (void)s.x.set(cmsdt, CM_DEALLOCATE_CONFIRM);
        code = s.x.deallocate();
        c.goes_well = confirmed;
    } else if (column == "Allocate") {
        s.hold(true);
        c.held = true;
        code = s.x.allocate();
        c.goes_well = [&s, &c] {
            s.hold(false);
            c.held = false;
        };
    }
    need(code, CM_OPERATION_INCOMPLETE, "the call before");
    if (column == "Receive done") {
        c.goes_well();
        s.ping();
        c.goes_well = [] {};
    }
}

void one(stage& s, const std::string& column, const deed& d, const std::string& mark) {
    incomplete_call c;
    std::string failed;
    try {
        begin(s, column, d, c);
        const CM_INT32 state = s.x.state();
        const CM_INT32 code = d.act(s);
        std::istringstream words{mark};
        std::string set, next, effect;
        words >> set >> next >> effect;
        need(is_one_of(code, set), "the call returned " + std::to_string(code));
        if (effect.empty()) {
            need(s.x.state(), state, "Extract_Conversation_State");
            c.goes_well();
            need(s.completed(CM_OPERATION_INCOMPLETE), CM_OK, "the completed call");
            if (column.starts_with("Receive")) need(s.x.text() == "data", "the completed call brought something else");
        } else {
            need(s.x.state(), state_of_mark(next), "Extract_Conversation_State");
            if (effect == "gone") {
                id_bytes id{};
                CM_INT32 left = -1, rc = -1;
                cmchck(id.data(), &left, &rc);
                need(rc, CM_PROGRAM_STATE_CHECK, "Check_For_Completion");
            } else {
                need(s.completed(CM_OPERATION_INCOMPLETE), std::stoi(effect), "the completed call");
                need(s.x.data, CM_NO_DATA_RECEIVED, "data_received of the completed call");
                need(s.x.state(), state_of_mark(next), "Extract_Conversation_State after completion");
            }
        }
        if (c.held) {
            s.hold(false);
            c.held = false;
        }
        if (column == "Accept") {
            (void)c.caller.cancel();
        } else if (column == "Allocate") {
            if (s.x.state() != reset_state) s.finish(nullptr);
        } else {
            s.fate = mark.starts_with("ok T 17") ? "17" : mark.starts_with("ok T") ? "30" : "";
            s.finish(nullptr);
        }
    } catch (const std::exception& e) {
        failed = e.what();
    }
    if (c.held) s.hold(false);
    (void)c.caller.cancel();
    if (!failed.empty()) throw failure(failed);
}

void walk(std::size_t index, bool tcp) {
    table_report& t = the_report().tables["While a call is incomplete"];
    if (t.table.rows.empty()) t.table = load_table(COLLOQUY_TESTS_DIR "/data/cpic-pending.tsv", 2);
    const way how{tcp, true};
    if (t.ways.size() <= index) t.ways.resize(index + 1);
    t.ways[index] = how.name();
    const running_unit unit;
    stage s{how};
    unsigned checks = 0, failures = 0;
    for (const row& r : t.table.rows) {
        const std::vector<deed> all = deeds_of(r);
        CAPTURE(r.call);
        REQUIRE_FALSE(all.empty());
        for (std::size_t i = 0; i < r.cells.size(); ++i) {
            const std::string& column = t.table.columns[i];
            cell_result& to = t.at(r.number, column, index);
            if (column == "Allocate" && !tcp) {
                to.untested.insert("a link inside a process is up at once");
                continue;
            }
            for (const bool allocates : {true, false}) {
                s.x_allocates = allocates;
                if (!allocates && (column == "Allocate" || column == "Accept")) continue;
                for (const deed& d : all) {
                    note_step(how.name() + ": " + r.call + " " + d.name + " while " + column);
                    ++to.checks;
                    ++checks;
                    std::string failed;
                    try {
                        one(s, column, d, r.cells[i]);
                    } catch (const std::exception& e) {
                        failed = e.what();
                    }
                    s.clear();
                    if (failed.empty()) continue;
                    ++failures;
                    to.failures.insert(failed);
                    FAIL_CHECK(r.call << " " << r.condition << " " << d.name << " while " << column << ": " << failed);
                }
            }
        }
    }
    CHECK(failures == 0);
    MESSAGE(how.name() << ": " << checks << " checks");
}

}  // namespace

TEST_SUITE("conformance") {
    TEST_CASE("while a call is incomplete: every cell, in process") { walk(0, false); }
    TEST_CASE("while a call is incomplete: every cell, over TCP") { walk(1, true); }
}
