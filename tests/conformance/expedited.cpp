#include "tests/conformance/expedited.hpp"

#include <thread>

namespace colloquy::conformance {

namespace {

// The partner waits for a confirmation in a non-blocking call, beside which it may only cancel.
bool asked(CM_INT32 state) { return state >= CM_CONFIRM_STATE && state <= CM_CONFIRM_DEALLOCATE_STATE; }

CM_INT32 receive_expedited(stage& s, CM_INT32 type, CM_INT32 most = 86) {
    return s.completed(s.x.receive_expedited(type, most));
}
void need_state(stage& s, CM_INT32 state) { need(s.x.state() == state, "the call has changed the state"); }
void need_fast(stage& s, std::string_view text) {
    need(s.x.fast_text() == text, "what came is <" + std::string{s.x.fast_text()} + ">");
    need(s.x.rts, CM_NO_CONTROL_INFO_RECEIVED, "control_information_received");
}
// The partner receives what x has sent.
void partner_hears(stage& s, CM_INT32 state, const std::string& text) {
    if (asked(state)) {
        need(s.completed(s.x.confirmed()), CM_OK, "Confirmed");
        (void)s.other().ask("collect");
        // It has asked to end: what x sent before its answer went with the conversation.
        if (s.x.state() == reset_state) {
            s.alone();
            return;
        }
    }
    (void)s.other().ask("expedited " + text);
}
void cancelled_by_partner(stage& s) {
    (void)s.other().ask("cancel");
    s.ping();
}
// The partner has cancelled the conversation; x has yet to hear of it otherwise.
void end_here(stage& s) {
    need(s.x.cancel(), CM_OK, "Cancel_Conversation");
    s.fate = "0 17";
}
// A call that waits while the partner carries out a script.
CM_INT32 while_partner(stage& s, const std::string& script, const std::function<CM_INT32()>& call) {
    if (!s.how.non_blocking || s.duplex) {
        s.other().tell(script);
        const CM_INT32 code = call();
        (void)s.other().answer();
        return code;
    }
    const CM_INT32 code = call();
    if (code == CM_OPERATION_INCOMPLETE) {
        need(s.x.flush(), CM_OPERATION_NOT_ACCEPTED, "Flush while the call is incomplete");
        need(s.x.request_to_send(), CM_OPERATION_NOT_ACCEPTED, "Request_To_Send while the call is incomplete");
    }
    s.other().tell(script);
    const CM_INT32 finished = s.completed(code);
    (void)s.other().answer();
    need(code, CM_OPERATION_INCOMPLETE, "the call before the partner did anything");
    return finished;
}

}  // namespace

std::vector<expedited_case> expedited_cases(const stage& s, CM_INT32 state) {
    std::vector<expedited_case> all;
    // An end that accepted and asks to end says nothing more until it is answered, not even that it has cancelled.
    const bool mute = state == CM_CONFIRM_DEALLOCATE_STATE && s.x_allocates;
    const auto add = [&](std::string name, const char* call, CM_INT32 code, std::string prelude,
                         std::function<void(stage&, CM_INT32)> run) {
        if (mute && name.find("partner end") != name.npos) return;
        if (mute && name.find("partner has ended") != name.npos) return;
        all.push_back({std::move(name), call, code, std::move(prelude), std::move(run)});
    };
    add("taken", "cmsndx", CM_OK, "", [](stage& t, CM_INT32 in) {
        need(t.completed(t.x.send_expedited("fast")), CM_OK, "the call");
        need(t.x.rts, CM_NO_CONTROL_INFO_RECEIVED, "control_information_received");
        need_state(t, in);
        partner_hears(t, in, "fast");
    });
    if (!asked(state))
        add("waits until the last was received", "cmsndx", CM_OK, "", [](stage& t, CM_INT32 in) {
            need(t.completed(t.x.send_expedited("first")), CM_OK, "the first call");
            need(while_partner(t, "expedited first", [&] { return t.x.send_expedited("second"); }), CM_OK, "the call");
            need_state(t, in);
            (void)t.other().ask("expedited second");
        });
    add("the partner has ended the conversation", "cmsndx", CM_CONVERSATION_ENDING, "", [](stage& t, CM_INT32 in) {
        cancelled_by_partner(t);
        need(t.x.send_expedited("fast"), CM_CONVERSATION_ENDING, "the call");
        need_state(t, in);
        end_here(t);
    });
    for (const CM_INT32 type : {CM_RECEIVE_AND_WAIT, CM_RECEIVE_IMMEDIATE}) {
        const std::string how = type == CM_RECEIVE_IMMEDIATE ? "immediate" : "and wait";
        add("something is there, " + how, "cmrcvx", CM_OK, "expedite fast", [type](stage& t, CM_INT32 in) {
            need(receive_expedited(t, type), CM_OK, "the call");
            need_fast(t, "fast");
            need_state(t, in);
        });
        add("more than fits, " + how, "cmrcvx", CM_BUFFER_TOO_SMALL, "expedite fast", [type](stage& t, CM_INT32 in) {
            for (const CM_INT32 most : {0, 3}) {
                need(receive_expedited(t, type, most), CM_BUFFER_TOO_SMALL, "the call");
                need(t.x.fast_length, 4, "received_length");
                need(t.x.rts, CM_EXPEDITED_DATA_AVAILABLE, "control_information_received");
                need_state(t, in);
            }
            need(receive_expedited(t, type, 4), CM_OK, "the call with room");
            need_fast(t, "fast");
        });
        add("the partner has ended the conversation, " + how, "cmrcvx", CM_CONVERSATION_ENDING, "",
            [type](stage& t, CM_INT32 in) {
                cancelled_by_partner(t);
                need(t.x.receive_expedited(type), CM_CONVERSATION_ENDING, "the call");
                need_state(t, in);
                end_here(t);
            });
        add("something is there, and the partner has ended the conversation, " + how, "cmrcvx", CM_OK, "expedite fast",
            [type](stage& t, CM_INT32 in) {
                cancelled_by_partner(t);
                need(t.x.receive_expedited(type), CM_OK, "the call");
                need_fast(t, "fast");
                need(t.x.receive_expedited(type), CM_CONVERSATION_ENDING, "the call again");
                need_state(t, in);
                end_here(t);
            });
    }
    add("nothing is there", "cmrcvx", CM_UNSUCCESSFUL, "", [](stage& t, CM_INT32 in) {
        need(t.x.receive_expedited(CM_RECEIVE_IMMEDIATE), CM_UNSUCCESSFUL, "the call");
        need(t.x.rts, CM_NO_CONTROL_INFO_RECEIVED, "control_information_received");
        need_state(t, in);
    });
    if (!asked(state))
        add("it comes later", "cmrcvx", CM_OK, "", [](stage& t, CM_INT32 in) {
            need(while_partner(t, "expedite later", [&] { return t.x.receive_expedited(CM_RECEIVE_AND_WAIT); }), CM_OK,
                 "the call");
            need_fast(t, "later");
            need_state(t, in);
        });
    add("the partner ends the conversation while it waits", "cmrcvx", CM_CONVERSATION_ENDING, "",
        [](stage& t, CM_INT32 in) {
            need(while_partner(t, "cancel", [&] { return t.x.receive_expedited(CM_RECEIVE_AND_WAIT); }),
                 CM_CONVERSATION_ENDING, "the call");
            need_state(t, in);
            end_here(t);
        });
    if (s.how.tcp)
        for (const char* const call : {"cmsndx", "cmrcvx"})
            add("the link is lost", call, CM_RESOURCE_FAILURE_RETRY, "", [call](stage& t, CM_INT32) {
                t.cut();
                const CM_INT32 code = std::string_view{call} == "cmsndx" ? t.x.send_expedited("fast")
                                                                         : t.x.receive_expedited(CM_RECEIVE_AND_WAIT);
                need(is_one_of(code, "rf"), "the call returned " + std::to_string(code));
                need_state(t, reset_state);
                t.fate = "17 26 27";
            });
    return all;
}

void run_expedited(stage& s, const expedited_case& c, CM_INT32 state) {
    s.prelude = asked(state) ? c.prelude : "";
    s.bring(state, CM_CONFIRM);
    s.prelude.clear();
    if (!asked(state) && !c.prelude.empty()) (void)s.other().ask(c.prelude);
    s.ping();
    if (s.how.non_blocking && !s.duplex) need(s.x.set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
    c.run(s, state);
    s.finish(nullptr);
}

}  // namespace colloquy::conformance
