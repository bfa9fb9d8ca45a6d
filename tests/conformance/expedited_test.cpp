// Expedited data in every state of a half-duplex conversation, and what the other calls tell of it: the states of
// full-duplex ones are cells of their table.
#include <doctest/doctest.h>

#include "tests/conformance/attempt.hpp"
#include "tests/conformance/expedited.hpp"

namespace {

using namespace colloquy::conformance;

constexpr way all_ways[] = {{false, false}, {false, true}, {true, false}, {true, true}};

struct named_state {
    const char* name;
    CM_INT32 state;
};
constexpr named_state before_it[] = {{"INITIALIZE", CM_INITIALIZE_STATE},
                                     {"INIT_INCOMING", CM_INITIALIZE_INCOMING_STATE}};
constexpr named_state during_it[] = {{"SEND", CM_SEND_STATE},
                                     {"RECEIVE", CM_RECEIVE_STATE},
                                     {"SEND_PENDING", CM_SEND_PENDING_STATE},
                                     {"CONFIRM", CM_CONFIRM_STATE},
                                     {"CONFIRM_SEND", CM_CONFIRM_SEND_STATE},
                                     {"CONFIRM_DEALLOC", CM_CONFIRM_DEALLOCATE_STATE}};
constexpr named_state duplex_states[] = {{"SEND_RECEIVE", CM_SEND_RECEIVE_STATE},
                                         {"SEND_ONLY", CM_SEND_ONLY_STATE},
                                         {"RECEIVE_ONLY", CM_RECEIVE_ONLY_STATE}};

// Checks by row and column, for the page.
using sums = std::map<std::string, std::map<std::string, unsigned>>;

void set_mode(stage& s) {
    if (s.how.non_blocking) need(s.x.set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
}

void refused(stage& s, const named_state& in, CM_INT32 code, sums& to, cell_result& r) {
    for (const bool sends : {true, false})
        attempt(s, r, std::string{sends ? "cmsndx" : "cmrcvx"} + " in " + in.name, [&] {
            s.bring(in.state, CM_CONFIRM);
            if (in.state != reset_state) set_mode(s);
            for (const bool too_much : {false, true}) {
                // A wrong state wins over a wrong value.
                const std::string text(too_much ? 87 : 4, 'x');
                const CM_INT32 got =
                    sends ? s.x.send_expedited(text) : s.x.receive_expedited(CM_RECEIVE_IMMEDIATE, too_much ? 87 : 86);
                need(got, code, "the call");
                ++to[std::string{sends ? "`cmsndx`" : "`cmrcvx`"} + " | " + std::to_string(code)][in.name];
            }
            need(s.x.state(), in.state, "the state");
            static const std::string nothing;
            if (in.state != reset_state) s.finish(&nothing);
        });
}

void walk_states(way how, sums& to, cell_result& r) {
    const running_unit unit;
    stage s{how};
    for (const bool basic : {false, true})
        for (const bool allocates : {true, false}) {
            s.basic = basic;
            s.x_allocates = allocates;
            if (allocates) refused(s, {"RESET", reset_state}, CM_PROGRAM_PARAMETER_CHECK, to, r);
            for (const named_state& in : before_it)
                if (allocates == (in.state == CM_INITIALIZE_STATE)) refused(s, in, CM_PROGRAM_STATE_CHECK, to, r);
            for (const named_state& in : during_it)
                for (const expedited_case& c : expedited_cases(s, in.state))
                    attempt(s, r,
                            "expedited: " + std::string{c.call} + " in " + in.name +
                                (allocates ? ", allocated, " : ", accepted, ") + c.name,
                            [&] {
                                run_expedited(s, c, in.state);
                                const std::string code = is_one_of(c.code, "rf") ? "26 27" : std::to_string(c.code);
                                ++to["`" + std::string{c.call} + "` | " + code][in.name];
                            });
        }
}

// The calls that tell of expedited data, each in a state of its own.
struct teller {
    const char* name;
    CM_INT32 state;
    std::function<CM_INT32(stage&)> call;
    CM_INT32 code = CM_OK;
    const char* before = "";  // what the partner does, so that the call need not wait
    const char* during = "";  // what it does while the call waits
    bool duplex = false;
};

std::vector<teller> tellers() {
    const auto send = [](stage& s) { return s.x.send("text"); };
    const auto receive = [](stage& s) { return s.x.receive(); };
    const auto error = [](stage& s) { return s.x.send_error(); };
    const auto test = [](stage& s) { return s.x.call(cmtrts, &s.x.rts); };
    const auto confirm = [](stage& s) { return s.x.confirm(); };
    const auto fast = [](stage& s) { return s.x.send_expedited("mine"); };
    const auto too_small = [](stage& s) { return s.x.receive_expedited(CM_RECEIVE_IMMEDIATE, 1); };
    std::vector<teller> all{
        {"`cmsend`", CM_SEND_STATE, send},
        {"`cmsend`", CM_SEND_PENDING_STATE, send},
        {"`cmrcv`", CM_RECEIVE_STATE, receive, CM_OK, "send text F"},
        {"`cmrcv`", CM_SEND_STATE, receive, CM_OK, "", "turn; send text F"},
        {"`cmcfm`", CM_SEND_STATE, confirm, CM_OK, "", "request; confirmed"},
        {"`cmcfm`", CM_SEND_PENDING_STATE, confirm, CM_OK, "", "request; confirmed"},
    };
    for (const named_state& in : during_it) {
        all.push_back({"`cmserr`", in.state, error});
        all.push_back({"`cmsndx`", in.state, fast});
        all.push_back({"`cmrcvx`", in.state, too_small, CM_BUFFER_TOO_SMALL});
    }
    for (const CM_INT32 in : {CM_SEND_STATE, CM_RECEIVE_STATE, CM_SEND_PENDING_STATE})
        all.push_back({"`cmtrts`", in, test});
    for (const named_state& in : duplex_states) {
        if (in.state != CM_RECEIVE_ONLY_STATE) {
            all.push_back({"`cmsend`", in.state, send});
            all.push_back({"`cmserr`", in.state, error});
        }
        if (in.state != CM_SEND_ONLY_STATE) all.push_back({"`cmrcv`", in.state, receive, CM_OK, "send text F"});
        all.push_back({"`cmsndx`", in.state, fast});
        all.push_back({"`cmrcvx`", in.state, too_small, CM_BUFFER_TOO_SMALL});
        for (auto t = all.rbegin(); t != all.rend() && t->state == in.state; ++t) t->duplex = true;
    }
    return all;
}

// `wants`: the partner asks for the turn, too.
void tell(stage& s, const teller& t, bool urgent, bool wants, sums& to) {
    const bool asked = t.state >= CM_CONFIRM_STATE && t.state <= CM_CONFIRM_DEALLOCATE_STATE;
    const CM_INT32 told = urgent ? (wants ? CM_RTS_RCVD_AND_EXP_DATA_AVAIL : CM_EXPEDITED_DATA_AVAILABLE)
                                 : (wants ? CM_REQ_TO_SEND_RECEIVED : CM_NO_CONTROL_INFO_RECEIVED);
    // The Receive that brings a question tells of the wish for the turn already.
    if (asked && wants) throw no_way("");
    // Without anything to receive it would not say 40.
    if (t.code == CM_BUFFER_TOO_SMALL && !urgent) throw no_way("");
    s.duplex = t.duplex;
    std::string script = std::string{wants ? "rts; " : ""} + (urgent ? "expedite fast" : "");
    s.prelude = asked ? script : "";
    s.bring(t.state, CM_CONFIRM);
    s.prelude.clear();
    if (!asked && !script.empty()) (void)s.other().ask(script);
    if (*t.before != '\0') (void)s.other().ask(t.before);
    s.ping();
    if (!t.duplex) set_mode(s);
    if (t.state == CM_RECEIVE_STATE || t.duplex) (void)s.x.set(cmsrt, CM_RECEIVE_AND_WAIT);
    CM_INT32 code = -1;
    if (*t.during != '\0') {
        s.other().tell(t.during);
        code = s.completed(t.call(s));
        (void)s.other().answer();
    } else {
        code = s.completed(t.call(s));
    }
    need(code, t.code, "the call");
    need(s.x.rts, told, "control_information_received");
    if (urgent) {
        need(s.completed(s.x.receive_expedited(CM_RECEIVE_IMMEDIATE)), CM_OK, "Receive_Expedited_Data");
        need(s.x.fast_text() == "fast", "the expedited data");
        // Both have been told, and are told no more.
        need(s.x.rts, CM_NO_CONTROL_INFO_RECEIVED, "control_information_received afterwards");
    }
    const std::string name = t.name;
    ++to[name][std::to_string(told)];
    s.finish(nullptr);
}

}  // namespace

TEST_SUITE("conformance") {
    TEST_CASE("expedited data: every state of a half-duplex conversation") {
        sums found;
        unsigned all = 0;
        for (const way how : all_ways) {
            cell_result r;
            walk_states(how, found, r);
            for (const std::string& f : r.failures) FAIL_CHECK(how.name() << ": " << f);
            CHECK(r.failures.empty());
            all += r.checks;
        }
        simple_table& t = the_report().lists["Expedited data"];
        t.intro =
            "In each state of a half-duplex conversation, all ways together: the code, and how often. No call changes "
            "the state but where\nthe link is lost (26 27); what was said is received once, and nothing that was taken "
            "is lost. 41 is in `tests/api/peers_test.cpp`.";
        t.head = {"call", "code", "RESET"};
        for (const named_state& s : before_it) t.head.emplace_back(s.name);
        for (const named_state& s : during_it) t.head.emplace_back(s.name);
        t.rows.clear();
        for (const auto& [row, columns] : found) {
            const std::size_t bar = row.find(" | ");
            std::vector<std::string> line{row.substr(0, bar), row.substr(bar + 3)};
            for (std::size_t i = 2; i < t.head.size(); ++i) {
                const auto n = columns.find(t.head[i]);
                line.push_back(n == columns.end() ? "" : std::to_string(n->second));
            }
            t.rows.push_back(line);
        }
        CHECK(t.rows.size() == 12);
        MESSAGE(all << " checks");
    }
    TEST_CASE("expedited data: what the other calls tell of it") {
        sums found;
        unsigned all = 0;
        for (const way how : all_ways) {
            const running_unit unit;
            stage s{how};
            cell_result r;
            for (const teller& t : tellers())
                for (const bool allocates : {true, false})
                    for (const bool urgent : {false, true})
                        for (const bool wants : {false, true}) {
                            if (t.duplex && (wants || how.non_blocking)) continue;
                            s.x_allocates = allocates;
                            attempt(s, r,
                                    "expedited: " + std::string{t.name} + " tells in state " + std::to_string(t.state) +
                                        (allocates ? ", allocated" : ", accepted") + (urgent ? ", urgent" : "") +
                                        (wants ? ", wants" : ""),
                                    [&] { tell(s, t, urgent, wants, found); });
                        }
            for (const std::string& f : r.failures) FAIL_CHECK(how.name() << ": " << f);
            CHECK(r.failures.empty());
            all += r.checks;
        }
        simple_table& t = the_report().lists["Control information"];
        t.intro =
            "What request_to_send_received, or control_information_received, told, and how often, all ways and states "
            "together: nothing\n(0), the partner wants the turn (1), expedited data waits (5), both (6). The wish is "
            "told once, expedited data until it is received.";
        t.head = {"call", "0", "1", "5", "6"};
        t.rows.clear();
        for (const auto& [name, columns] : found) {
            std::vector<std::string> line{name};
            for (std::size_t i = 1; i < t.head.size(); ++i) {
                const auto n = columns.find(t.head[i]);
                line.push_back(n == columns.end() ? "" : std::to_string(n->second));
            }
            t.rows.push_back(line);
        }
        CHECK(t.rows.size() == 7);
        MESSAGE(all << " checks");
    }
}
