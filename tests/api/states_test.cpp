// The state table of the interface, cell by cell, against a live partner in the same process.
//
// tests/data/cpic-states.tsv is the reference's own table. For each row and each state that can be reached, a
// conversation is brought into the state, the partner does what the row's outcome needs, the call is made, and its
// code and the state after it are compared with the cell: in blocking and in non-blocking mode, at the end that
// allocated and at the end that accepted. Cells that cannot arise here are named in `out_of_reach`; a row nobody knows
// fails.
#include <doctest/doctest.h>

#include <fstream>
#include <functional>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

struct row {
    std::string call, condition, outcome;
    std::map<std::string, std::string> cells;
};

std::vector<row> load_table() {
    std::ifstream in{std::string{COLLOQUY_TESTS_DIR} + "/data/cpic-states.tsv"};
    REQUIRE(in);
    const auto split = [](const std::string& line) {
        std::vector<std::string> parts;
        std::string part;
        std::istringstream s{line};
        while (std::getline(s, part, '\t')) parts.push_back(part);
        return parts;
    };
    std::string line;
    std::getline(in, line);
    const std::vector<std::string> head = split(line);
    std::vector<row> rows;
    while (std::getline(in, line)) {
        const std::vector<std::string> parts = split(line);
        REQUIRE(parts.size() == head.size());
        row r{parts[0], parts[1], parts[2], {}};
        for (std::size_t i = 3; i < parts.size(); ++i) r.cells[head[i]] = parts[i];
        rows.push_back(r);
    }
    return rows;
}

const std::map<std::string, CM_INT32> state_numbers{
    {"I", CM_INITIALIZE_STATE},         {"S", CM_SEND_STATE},    {"R", CM_RECEIVE_STATE},
    {"SP", CM_SEND_PENDING_STATE},      {"C", CM_CONFIRM_STATE}, {"CS", CM_CONFIRM_SEND_STATE},
    {"CD", CM_CONFIRM_DEALLOCATE_STATE}};
const std::map<std::string, CM_INT32> columns{{"INITIALIZE", CM_INITIALIZE_STATE},
                                              {"SEND", CM_SEND_STATE},
                                              {"RECEIVE", CM_RECEIVE_STATE},
                                              {"SEND_PENDING", CM_SEND_PENDING_STATE},
                                              {"CONFIRM", CM_CONFIRM_STATE},
                                              {"CONFIRM_SEND", CM_CONFIRM_SEND_STATE},
                                              {"CONFIRM_DEALLOC", CM_CONFIRM_DEALLOCATE_STATE}};

bool one_of(CM_INT32 code, const std::string& set) {
    static const std::map<std::string, std::vector<CM_INT32>> sets{
        {"ok", {0}},          {"af", {1, 2}},   {"ae", {3, 5, 6, 7, 8, 9, 10, 11}},
        {"da", {17, 30, 31}}, {"dn", {18}},     {"pe", {19}},
        {"en", {21, 32}},     {"ep", {22, 33}}, {"pc", {24}},
        {"sc", {25}},         {"un", {28}},     {"oi", {35}}};
    const auto found = sets.find(set);
    REQUIRE(found != sets.end());
    for (const CM_INT32 c : found->second)
        if (c == code) return true;
    return false;
}

// Two ends of one conversation. `x` is the one under test.
struct stage {
    talk x, y;
    collector all;
    pending_receive got;
    std::thread partner;  // what the partner does while the call waits
    // A second conversation over the same link: what one end said before is there when the other has read this.
    talk mark_near, mark_far;
    bool x_allocated = true;

    stage() {
        serve_tp("TP");
        mark_near.begin("inproc/TP");
        REQUIRE(mark_near.flush() == CM_OK);
        mark_far.accept(all);
        REQUIRE(mark_near.prepare_to_receive() == CM_OK);
        REQUIRE(mark_far.receive().status == CM_SEND_RECEIVED);
        // Both directions are needed, so there is one more, turned the other way.
        back_near.begin("inproc/TP");
        REQUIRE(back_near.flush() == CM_OK);
        back_far.accept(all);
    }
    ~stage() {
        for (talk* t : {&mark_near, &mark_far, &back_near, &back_far}) (void)t->cancel();
    }
    talk back_near, back_far;

    static void mark(talk& from, const talk& to) {
        REQUIRE(from.send("mark", CM_SEND_AND_FLUSH) == CM_OK);
        REQUIRE(to.receive().text == "mark");
    }
    // What x has sent has arrived at y's end, and what y's end has said since has arrived at x.
    void settle() {
        if (x_allocated) {
            mark(back_near, back_far);
            mark(mark_far, mark_near);
        } else {
            mark(mark_far, mark_near);
            mark(back_near, back_far);
        }
    }
    void bring(CM_INT32 state, CM_INT32 sync) {
        all.forget();
        if (state == CM_INITIALIZE_STATE) {
            // Nobody serves it, so that what an Allocate begins is not accepted in another cell.
            x.prepare("inproc/NOBODY", sync);
            return;
        }
        talk& a = x_allocated ? x : y;
        talk& b = x_allocated ? y : x;
        a.begin("inproc/TP", sync);
        REQUIRE(a.flush() == CM_OK);
        b.accept(all);
        if (!x_allocated) {
            REQUIRE(y.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
            REQUIRE(y.prepare_to_receive() == CM_OK);
            REQUIRE(x.receive().status == CM_SEND_RECEIVED);
        }
        if (state == CM_SEND_STATE) return;
        // The partner hears data and the turn at once, so that it stands in SEND_PENDING.
        for (talk* t : {&x, &y}) REQUIRE(t->set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
        REQUIRE(x.send("to you", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        y.hear("to you", CM_SEND_RECEIVED);
        REQUIRE(y.state() == CM_SEND_PENDING_STATE);
        if (state == CM_RECEIVE_STATE) return;
        if (state == CM_SEND_PENDING_STATE) {
            REQUIRE(y.send("and back", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
            x.hear("and back", CM_SEND_RECEIVED);
        } else {
            REQUIRE(y.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            REQUIRE(y.set(cmsptr, CM_PREP_TO_RECEIVE_CONFIRM) == CM_OK);
            if (state == CM_CONFIRM_STATE) REQUIRE(y.confirm() == CM_OPERATION_INCOMPLETE);
            if (state == CM_CONFIRM_SEND_STATE) REQUIRE(y.prepare_to_receive() == CM_OPERATION_INCOMPLETE);
            if (state == CM_CONFIRM_DEALLOCATE_STATE) REQUIRE(y.deallocate() == CM_OPERATION_INCOMPLETE);
            REQUIRE(x.receive().code == CM_OK);
        }
        REQUIRE(x.state() == state);
    }
    void clear() {
        if (partner.joinable()) partner.join();
        (void)x.cancel();
        (void)y.cancel();
    }
    // The partner reads until it is asked to confirm.
    void hear_request() {
        received r;
        do r = y.receive();
        while (r.code == CM_OK && r.status == CM_NO_STATUS_RECEIVED);
        CHECK(r.code == CM_OK);
    }
    void meanwhile(std::function<void()> what) { partner = std::thread{std::move(what)}; }
};

using action = std::function<CM_INT32(stage&)>;

struct call_known {
    std::vector<action> calls;  // several for a row that stands for several calls
    bool confirms = false;      // the call waits for the partner's Confirmed
};

action setter(void (*f)(const void*, const CM_INT32*, CM_INT32*), CM_INT32 value) {
    return [f, value](stage& s) { return s.x.set(f, value); };
}
action named(void (*f)(const void*, const void*, const CM_INT32*, CM_INT32*), std::string text) {
    return [f, text](stage& s) {
        const auto length = static_cast<CM_INT32>(text.size());
        return s.x.call(f, static_cast<const void*>(text.data()), &length);
    };
}
action sender(CM_INT32 send_type, CM_INT32 prepare_type, CM_INT32 deallocate_type) {
    return [=](stage& s) {
        // What the table speaks of is Send_Data; the Set_ calls before it have rows of their own.
        (void)s.x.set(cmsptr, prepare_type);
        (void)s.x.set(cmsdt, deallocate_type);
        (void)s.x.set(cmsst, send_type);
        return s.x.send("said");
    };
}

// Null: the row is out of reach.
const call_known* find_call(const row& r) {
    static const std::map<std::string, call_known> known = [] {
        std::map<std::string, call_known> k;
        k["Allocate"] = {{[](stage& s) { return s.x.allocate(); }}};
        k["Cancel_Conversation"] = {{[](stage& s) { return s.x.cancel(); }}};
        k["Confirm"] = {{[](stage& s) { return s.x.confirm(); }}, true};
        k["Confirmed"] = {{[](stage& s) { return s.x.confirmed(); }}};
        const auto deallocate = [](CM_INT32 type) -> action {
            return [type](stage& s) {
                (void)s.x.set(cmsdt, type);
                return s.x.deallocate();
            };
        };
        k["Deallocate A"] = {{deallocate(CM_DEALLOCATE_ABEND)}};
        k["Deallocate F"] = {{deallocate(CM_DEALLOCATE_FLUSH)}};
        k["Deallocate C"] = {{deallocate(CM_DEALLOCATE_CONFIRM), deallocate(CM_DEALLOCATE_SYNC_LEVEL)}, true};
        const auto extract_number = [](void (*f)(const void*, CM_INT32*, CM_INT32*)) -> action {
            return [f](stage& s) {
                CM_INT32 value = -1;
                return s.x.call(f, &value);
            };
        };
        const auto extract_text = [](void (*f)(const void*, void*, CM_INT32*, CM_INT32*)) -> action {
            return [f](stage& s) {
                std::array<char, 64> text{};
                CM_INT32 length = -1;
                return s.x.call(f, static_cast<void*>(text.data()), &length);
            };
        };
        k["Extract_* (conversation)"] = {{extract_number(cmecs), extract_number(cmect), extract_number(cmesl),
                                          extract_number(cmecst), extract_number(xcecst), extract_text(cmemn),
                                          extract_text(cmepln), extract_text(cmetpn), extract_text(cmecsu),
                                          extract_text(xcecsu)}};
        k["Flush"] = {{[](stage& s) { return s.x.flush(); }}};
        const auto prepare = [](CM_INT32 type) -> action {
            return [type](stage& s) {
                (void)s.x.set(cmsptr, type);
                return s.x.prepare_to_receive();
            };
        };
        k["Prepare_To_Receive F"] = {{prepare(CM_PREP_TO_RECEIVE_FLUSH)}};
        k["Prepare_To_Receive C"] = {{prepare(CM_PREP_TO_RECEIVE_CONFIRM), prepare(CM_PREP_TO_RECEIVE_SYNC_LEVEL)},
                                     true};
        const auto receive = [](CM_INT32 type) -> action {
            return [type](stage& s) {
                (void)s.x.set(cmsrt, type);
                return s.got.issue(s.x);
            };
        };
        k["Receive W"] = {{receive(CM_RECEIVE_AND_WAIT)}};
        k["Receive I"] = {{receive(CM_RECEIVE_IMMEDIATE)}};
        k["Request_To_Send"] = {{[](stage& s) { return s.x.request_to_send(); }}};
        k["Send_Data B"] = {{sender(CM_BUFFER_DATA, 1, 1)}};
        k["Send_Data F"] = {{sender(CM_SEND_AND_FLUSH, 1, 1)}};
        k["Send_Data C"] = {{sender(CM_SEND_AND_CONFIRM, 1, 1)}, true};
        k["Send_Data P(F)"] = {{sender(CM_SEND_AND_PREP_TO_RECEIVE, 1, 1)}};
        k["Send_Data P(C)"] = {{sender(CM_SEND_AND_PREP_TO_RECEIVE, 2, 1)}, true};
        k["Send_Data D(F)"] = {{sender(CM_SEND_AND_DEALLOCATE, 1, 1)}};
        k["Send_Data D(C)"] = {{sender(CM_SEND_AND_DEALLOCATE, 1, 2)}, true};
        k["Send_Data D(A)"] = {{sender(CM_SEND_AND_DEALLOCATE, 1, 3)}};
        k["Send_Error"] = {{[](stage& s) { return s.x.send_error(); }}};
        k["Set_Conversation_Type, _Mode_Name, _Partner_LU_Name, _Return_Control, _Sync_Level, "
          "_Conversation_Security_{Type,User_ID,Password}"] = {
            {setter(cmsct, CM_MAPPED_CONVERSATION), named(cmsmn, "MODE"), named(cmspln, "NET.LU"),
             setter(cmsrc, CM_IMMEDIATE), setter(cmssl, CM_CONFIRM), setter(cmscst, XC_SECURITY_SAME),
             setter(xcscst, XC_SECURITY_PROGRAM), named(cmscsu, "user"), named(xcscsu, "user"), named(cmscsp, "secret"),
             named(xcscsp, "secret")}};
        k["Set_TP_Name"] = {{named(cmstpn, "OTHER")}};
        k["Set_Error_Direction, _Fill, _Log_Data, _Receive_Type"] = {
            {setter(cmsed, CM_SEND_ERROR), setter(cmsrt, CM_RECEIVE_AND_WAIT)}};
        k["Set_Deallocate_Type, _Send_Type, _Prepare_To_Receive_Type"] = {{setter(cmsdt, CM_DEALLOCATE_FLUSH),
                                                                           setter(cmsst, CM_SEND_AND_FLUSH),
                                                                           setter(cmsptr, CM_PREP_TO_RECEIVE_FLUSH)}};
        k["Set_Processing_Mode"] = {{setter(cmspm, CM_NON_BLOCKING)}};
        k["Test_Request_To_Send_Received"] = {{[](stage& s) { return s.x.test_request_to_send(); }}};
        return k;
    }();
    std::string name = r.call;
    if (r.call == "Deallocate" || r.call == "Prepare_To_Receive" || r.call == "Receive")
        name += " " + r.condition.substr(0, 1);
    if (const auto found = known.find(name); found != known.end()) return &found->second;
    return nullptr;
}

// One row for each way to send.
std::vector<row> spread(const row& r) {
    if (r.call != "Send_Data") return {r};
    std::vector<std::string> ways;
    const std::string kind = r.condition.substr(0, 1);
    if (kind == "P")
        ways = {"P(F)", "P(C)"};
    else if (kind == "D")
        ways = {"D(F)", "D(C)", "D(A)"};
    else if (r.condition == "any")
        ways = {"B", "F", "C", "P(F)", "P(C)", "D(F)", "D(C)", "D(A)"};
    else
        ways = {kind};
    std::vector<row> rows;
    for (const std::string& way : ways) {
        row one = r;
        one.call = "Send_Data " + way;
        rows.push_back(one);
    }
    return rows;
}

// Outcomes that nothing here can bring about: product failures, a link that breaks (other tests kill the partner),
// basic conversations, CPI-C 2.x.
bool out_of_reach(const row& r) {
    return r.outcome == "ps" || r.outcome == "rf" || r.outcome.starts_with("sc(") || r.outcome.starts_with("et") ||
           r.call.find("(2.x)") != std::string::npos || r.call == "Initialize_Conversation" ||
           r.call == "Accept_Conversation" || r.outcome == "oi, ps";
}

// The outcomes of a row that are tried one by one.
std::vector<std::string> outcomes(const row& r) {
    static const std::map<std::string, std::vector<std::string>> several{{"ae, da, rf", {"ae", "da"}},
                                                                         {"da, rf", {"da"}},
                                                                         {"en, ep, et", {"en", "ep"}},
                                                                         {"ok, ps", {"ok"}},
                                                                         {"ok, pc", {"ok"}},
                                                                         {"ok, oi", {"ok"}},
                                                                         {"un, pe, oi, ps", {"un", "pe"}},
                                                                         {"ok, pc; sc(op incomplete)", {"ok"}},
                                                                         {"dn (data possible)", {"dn"}}};
    const auto found = several.find(r.outcome);
    return found == several.end() ? std::vector{r.outcome} : found->second;
}

struct tally {
    int checked = 0;
    int refused = 0;
};

// The partner brings `outcome` about, before the call or while it waits. False: it cannot be in this state.
bool arrange(stage& s, const row& r, const call_known& k, const std::string& outcome, CM_INT32 state) {
    const bool sending = state == CM_SEND_STATE || state == CM_SEND_PENDING_STATE;
    const bool receive = r.call == "Receive";
    const bool immediate = receive && r.condition.starts_with("I");
    // In RECEIVE the partner has the turn; otherwise Receive gives it the turn first.
    const auto partner_says = [&](std::function<void()> what) {
        if (state == CM_RECEIVE_STATE) {
            what();
            s.settle();
        } else {
            s.meanwhile([&s, what = std::move(what)] {
                received got;
                do got = s.y.receive();
                while (got.code == CM_OK && got.status != CM_SEND_RECEIVED);
                CHECK(got.code == CM_OK);
                what();
            });
        }
    };
    if (outcome == "ok") {
        if (r.call == "Receive") return false;  // those have outcomes of their own
        if (k.confirms)
            s.meanwhile([&s] {
                s.hear_request();
                CHECK(s.y.confirmed() == CM_OK);
            });
        return true;
    }
    if (outcome == "oi" || outcome == "pc") return true;
    if (outcome == "un") {
        if (r.call != "Allocate") return true;
        REQUIRE(s.x.destination("127.0.0.1:1/TP") == CM_OK);
        return s.x.set(cmsrc, CM_IMMEDIATE) == CM_OK;
    }
    if (outcome == "pe") {
        const CM_INT32 length = 5;
        return s.x.call(cmspln, static_cast<const void*>("NO.LU"), &length) == CM_OK;
    }
    if (outcome == "af") return s.x.destination("127.0.0.1:1/TP") == CM_OK;
    if (outcome == "ae") {
        if (!s.x_allocated || state != CM_SEND_STATE) return false;
        s.clear();
        s.x.begin("inproc/NOBODY", CM_CONFIRM);
        REQUIRE(s.x.flush() == CM_OK);
        s.settle();
        return true;
    }
    if (outcome == "ok {data, no status}") {
        partner_says([&s] { CHECK(s.y.send("data", CM_SEND_AND_FLUSH) == CM_OK); });
        return true;
    }
    if (outcome == "ok {data, SEND}") {
        partner_says([&s] {
            CHECK(s.y.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
            CHECK(s.y.send("data", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        });
        return true;
    }
    if (outcome == "ok {no data, SEND}") {
        partner_says([&s] {
            CHECK(s.y.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
            CHECK(s.y.prepare_to_receive() == CM_OK);
        });
        return true;
    }
    if (outcome.starts_with("ok {any, CONFIRM")) {
        partner_says([&s, outcome] {
            CHECK(s.y.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            CHECK(s.y.set(cmsptr, CM_PREP_TO_RECEIVE_CONFIRM) == CM_OK);
            CHECK(s.y.set(cmsdt, CM_DEALLOCATE_CONFIRM) == CM_OK);
            const CM_INT32 how = outcome == "ok {any, CONFIRM}"        ? CM_SEND_AND_CONFIRM
                                 : outcome == "ok {any, CONFIRM_SEND}" ? CM_SEND_AND_PREP_TO_RECEIVE
                                                                       : CM_SEND_AND_DEALLOCATE;
            CHECK(s.y.set(cmsst, how) == CM_OK);
            CHECK(s.y.send("data") == CM_OPERATION_INCOMPLETE);
        });
        return true;
    }
    if (outcome == "dn") {
        if (!receive && state != CM_RECEIVE_STATE) return false;
        partner_says([&s] { CHECK(s.y.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK); });
        return true;
    }
    if (outcome == "da") {
        if (state != CM_RECEIVE_STATE && !sending) return false;
        CHECK(s.y.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        s.settle();
        return true;
    }
    if (outcome == "en") {
        partner_says([&s] {
            CHECK(s.y.set(cmsed, CM_SEND_ERROR) == CM_OK);
            CHECK(s.y.send_error() == CM_OK);
        });
        return true;
    }
    if (outcome == "ep") {
        if (k.confirms) {
            s.meanwhile([&s] {
                s.hear_request();
                CHECK(s.y.send_error() == CM_OK);
            });
            return true;
        }
        // From RECEIVE it refuses what we send; in SEND_PENDING, what it received.
        if (state == CM_RECEIVE_STATE && !immediate && !receive) return false;
        CHECK(s.y.send_error() == CM_OK);
        s.settle();
        return true;
    }
    FAIL("an outcome nobody knows: " << outcome);
    return false;
}

void check_cell(stage& s, const row& r, const call_known& k, const action& act, const std::string& outcome,
                const std::string& column, std::string cell, CM_INT32 mode, tally& n) {
    if (cell.ends_with("*")) cell.pop_back();
    if (cell == "." || cell == "/") return;
    CAPTURE(r.call);
    CAPTURE(r.condition);
    CAPTURE(outcome);
    CAPTURE(column);
    CAPTURE(cell);
    CAPTURE(mode);
    CAPTURE(s.x_allocated);
    if (column == "RESET") {
        s.x.prepare("inproc/NOBODY");
        REQUIRE(s.x.cancel() == CM_OK);
        CHECK(one_of(act(s), cell));
        ++n.refused;
        return;
    }
    const CM_INT32 state = columns.at(column);
    if (state == CM_INITIALIZE_STATE && !s.x_allocated) return;
    const bool refused = cell == "sc" || cell == "pc";
    const bool level_none = r.condition == "sync NONE" && (state == CM_SEND_STATE || state == CM_SEND_PENDING_STATE);
    s.bring(state, level_none ? CM_NONE : CM_CONFIRM);
    if (r.call.starts_with("Set_Conversation_Type"))
        (void)s.x.set(cmscst, XC_SECURITY_PROGRAM);  // names are set with it
    if (!refused && !arrange(s, r, k, outcome, state)) {
        s.clear();
        return;
    }
    REQUIRE(s.x.set(cmspm, mode) == CM_OK);
    if (outcome == "oi" && mode == CM_BLOCKING) {
        s.clear();
        return;
    }
    CM_INT32 code = act(s);
    if (outcome != "oi" && code == CM_OPERATION_INCOMPLETE) {
        CHECK(mode == CM_NON_BLOCKING);
        code = s.all.wait_for(s.x.id);
    }
    if (s.partner.joinable()) s.partner.join();
    CAPTURE(code);
    if (refused) {
        CHECK(one_of(code, cell));
        CHECK(s.x.state() == state);
        ++n.refused;
    } else {
        CHECK(one_of(code, outcome.starts_with("ok {") ? "ok" : outcome));
        const CM_INT32 after = cell == "T"                          ? -CM_PROGRAM_PARAMETER_CHECK
                               : cell == "-" || cell == "(pending)" ? state
                                                                    : state_numbers.at(cell);
        CHECK(s.x.state() == after);
        if (r.call == "Receive" && code == CM_OK)
            CHECK((s.got.r.data == CM_COMPLETE_DATA_RECEIVED) == (outcome.find("no data") == std::string::npos));
        ++n.checked;
    }
    s.clear();
}

void walk(CM_INT32 mode, bool x_allocated) {
    const running_unit unit;
    stage s;
    s.x_allocated = x_allocated;
    tally n;
    for (const row& line : load_table()) {
        if (out_of_reach(line)) continue;
        for (const row& r : spread(line)) {
            const call_known* k = find_call(r);
            CAPTURE(r.call);
            CAPTURE(r.condition);
            REQUIRE(k != nullptr);
            for (const std::string& outcome : outcomes(r))
                for (const action& act : k->calls)
                    for (const auto& [column, cell] : r.cells)
                        if (column != "INIT_INCOMING") check_cell(s, r, *k, act, outcome, column, cell, mode, n);
        }
    }
    MESSAGE(n.checked << " cells carried out, " << n.refused << " refused");
    CHECK(n.checked > (x_allocated ? 200 : 180));
    CHECK(n.refused > 200);
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("states: the table, blocking, at the end that allocated") { walk(CM_BLOCKING, true); }
    TEST_CASE("states: the table, blocking, at the end that accepted") { walk(CM_BLOCKING, false); }
    TEST_CASE("states: the table, non-blocking, at the end that allocated") { walk(CM_NON_BLOCKING, true); }
    TEST_CASE("states: the table, non-blocking, at the end that accepted") { walk(CM_NON_BLOCKING, false); }

    TEST_CASE("states: fill and log data belong to basic conversations") {
        const running_unit unit;
        stage s;
        for (const auto& column : columns) {
            const auto& name = column.first;
            const auto state = column.second;
            CAPTURE(name);
            s.bring(state, CM_CONFIRM);
            CHECK(s.x.set(cmsf, CM_FILL_LL) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(named(cmsld, "text")(s) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(s.x.state() == state);
            s.clear();
        }
    }
}
