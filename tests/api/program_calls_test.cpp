// Transaction programs, contexts and secondary information: what conversations belong to, and what a bad answer meant.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <thread>
#include <vector>

#include "api/wincpic.h"
#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

constexpr const char* our_unit = "        ";

id_bytes start_tp(const char* name = "PROG") {
    id_bytes tp{};
    CM_INT32 rc = -1;
    const auto length = static_cast<CM_INT32>(std::strlen(name));
    xcstp(our_unit, name, &length, tp.data(), &rc);
    REQUIRE(rc == CM_OK);
    return tp;
}
CM_INT32 end_tp(const id_bytes& tp, CM_INT32 type) {
    CM_INT32 rc = -1;
    xcendt(tp.data(), &type, &rc);
    return rc;
}
id_bytes tp_of(const talk& t) {
    id_bytes tp{};
    REQUIRE(t.call(xceti, tp.data()) == CM_OK);
    return tp;
}
CM_INT32 init_for(talk& t, const id_bytes& tp, const char* destination = "        ") {
    CM_INT32 rc = -1;
    xcinct(t.id.data(), destination, tp.data(), &rc);
    return rc;
}

std::string context_of(const talk& t) {
    std::array<char, CM_CTX_SIZE + 1> text{};
    CM_INT32 length = -1;
    REQUIRE(t.call(cmectx, text.data(), &length) == CM_OK);
    REQUIRE(length == CM_CTX_SIZE);
    REQUIRE(text.back() == 0);
    return {text.data(), CM_CTX_SIZE};
}

struct secondary {
    CM_INT32 code = -1, data = -1;
    std::string text;
};
secondary ask(const id_bytes& id, CM_INT32 call_id, CM_INT32 wanted = 1'000) {
    secondary s;
    CM_INT32 length = -1;
    s.text.resize(1'000, '#');
    cmesi(id.data(), &call_id, s.text.data(), &wanted, &s.data, &length, &s.code);
    if (s.code == CM_OK) {
        REQUIRE(length <= wanted);
        for (std::size_t i = static_cast<std::size_t>(length); i < s.text.size(); ++i) REQUIRE(s.text[i] == '#');
        s.text.resize(static_cast<std::size_t>(length));
    }
    return s;
}
bool tells(const secondary& s, std::string_view part) { return s.text.find(part) != std::string::npos; }

struct two_ends {
    talk near, far;
    explicit two_ends(CM_INT32 sync_level = CM_NONE) {
        near.begin("inproc/TP", sync_level);
        REQUIRE(near.flush() == CM_OK);
        collector all;
        far.accept(all);
    }
};

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("programs: conversations of the program, of an instance it began, and accepted ones") {
        const running_unit unit;
        serve_tp("TP");
        talk own, other;
        REQUIRE(own.init() == CM_OK);
        REQUIRE(other.init() == CM_OK);
        const id_bytes program = tp_of(own);
        CHECK(tp_of(other) == program);

        const id_bytes first = start_tp("ONE"), second = start_tp("ONE");
        CHECK(std::set<id_bytes>{program, first, second, id_bytes{}}.size() == 4);
        talk a, b, c;
        REQUIRE(init_for(a, first) == CM_OK);
        REQUIRE(init_for(b, first) == CM_OK);
        REQUIRE(init_for(c, program) == CM_OK);
        CHECK(a.state() == CM_INITIALIZE_STATE);
        CHECK(tp_of(a) == first);
        CHECK(tp_of(b) == first);
        CHECK(tp_of(c) == program);

        two_ends ends, more;
        CHECK(tp_of(ends.near) == program);
        const id_bytes accepted = tp_of(ends.far);
        CHECK(tp_of(ends.far) == accepted);
        CHECK(std::set<id_bytes>{program, first, second, accepted, tp_of(more.far)}.size() == 5);
        talk further;
        REQUIRE(init_for(further, accepted) == CM_OK);
        CHECK(tp_of(further) == accepted);
        CHECK(end_tp(accepted, XC_HARD) == CM_OK);
        CHECK(ends.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(further.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(more.far.state() == CM_RECEIVE_STATE);
        CHECK(ends.near.receive().code == CM_DEALLOCATED_ABEND_SVC);
    }

    TEST_CASE("programs: an instance ends with its conversations, softly or hard") {
        const running_unit unit;
        serve_tp("TP");
        const id_bytes tp = start_tp();
        talk idle, busy, far;
        REQUIRE(init_for(idle, tp) == CM_OK);
        REQUIRE(init_for(busy, tp) == CM_OK);
        REQUIRE(busy.destination("inproc/TP") == CM_OK);
        REQUIRE(busy.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        CM_INT32 rc = busy.allocate();
        REQUIRE((rc == CM_OK || rc == CM_OPERATION_INCOMPLETE));
        collector all;
        if (rc == CM_OPERATION_INCOMPLETE) REQUIRE(all.wait_for(busy.id) == CM_OK);
        pending_receive pending;
        REQUIRE(pending.issue(busy) == CM_OPERATION_INCOMPLETE);
        far.accept(all);
        far.hear("", CM_SEND_RECEIVED);

        SUBCASE("softly, only when nothing is incomplete") {
            CHECK(end_tp(tp, XC_SOFT) == CM_OPERATION_NOT_ACCEPTED);
            CHECK(idle.state() == CM_INITIALIZE_STATE);
            REQUIRE(far.prepare_to_receive() == CM_OK);
            REQUIRE(all.wait_for(busy.id) == CM_OK);
            CHECK(end_tp(tp, XC_SOFT) == CM_OK);
            CHECK(far.receive().code == CM_DEALLOCATED_ABEND);
        }
        SUBCASE("hard, whatever is incomplete") {
            CHECK(end_tp(tp, XC_HARD) == CM_OK);
            CHECK(far.receive().code == CM_DEALLOCATED_ABEND_SVC);
        }
        CHECK(idle.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(busy.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(end_tp(tp, XC_HARD) == CM_PROGRAM_PARAMETER_CHECK);
        talk late;
        CHECK(init_for(late, tp) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("programs: conversations that ended by themselves are no burden to the instance") {
        const running_unit unit;
        const id_bytes tp = start_tp();
        std::vector<talk> last(3);
        for (talk& t : last) REQUIRE(init_for(t, tp) == CM_OK);
        for (int i = 0; i < 2'000; ++i) {
            talk t;
            REQUIRE(init_for(t, tp) == CM_OK);
            REQUIRE(t.cancel() == CM_OK);
        }
        for (const talk& t : last) CHECK(tp_of(t) == tp);
        CHECK(end_tp(tp, XC_SOFT) == CM_OK);
        for (const talk& t : last) CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);
    }

    TEST_CASE("programs: bad parameters are 24, too many instances 20") {
        const running_unit unit;
        id_bytes tp = start_tp(), nobody{};
        const CM_INT32 none = 0, four = 4, long_name = 65, wrong = 2, soft = XC_SOFT;
        CM_INT32 rc = -1;
        const std::vector<const void*> aliases{our_unit, "LOCAL   ", "LOCAL\0\0\0", "\0\0\0\0\0\0\0\0"};
        for (const void* alias : aliases) {
            xcstp(alias, "PROG", &four, tp.data(), &rc);
            CHECK(rc == CM_OK);
        }
        const auto refused = [&](const void* alias, const void* name, const CM_INT32* length, void* out) {
            rc = -1;
            xcstp(alias, name, length, out, &rc);
            return rc == CM_PROGRAM_PARAMETER_CHECK;
        };
        CHECK(refused(nullptr, "PROG", &four, tp.data()));
        CHECK(refused("OTHERLU ", "PROG", &four, tp.data()));
        CHECK(refused(our_unit, nullptr, &four, tp.data()));
        CHECK(refused(our_unit, "PROG", nullptr, tp.data()));
        CHECK(refused(our_unit, "PROG", &none, tp.data()));
        CHECK(refused(our_unit, "PROG", &long_name, tp.data()));
        CHECK(refused(our_unit, "PROG", &four, nullptr));
        xcstp(our_unit, "PROG", &four, tp.data(), nullptr);

        talk t;
        CHECK(init_for(t, nobody) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(init_for(t, tp, "NOBODY  ") == CM_PROGRAM_PARAMETER_CHECK);
        xcinct(nullptr, "        ", tp.data(), &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        xcinct(t.id.data(), nullptr, tp.data(), &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        xcinct(t.id.data(), "        ", nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        xcinct(t.id.data(), "        ", tp.data(), nullptr);
        REQUIRE(t.init() == CM_OK);
        CHECK(t.call(xceti, static_cast<void*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
        const id_bytes program = tp_of(t);
        CHECK(end_tp(program, XC_HARD) == CM_PROGRAM_PARAMETER_CHECK);  // it ends with the process
        CHECK(t.state() == CM_INITIALIZE_STATE);
        CHECK(end_tp(nobody, XC_HARD) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(end_tp(tp, wrong) == CM_PROGRAM_PARAMETER_CHECK);
        xcendt(nullptr, &soft, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        xcendt(tp.data(), nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        xcendt(tp.data(), &soft, nullptr);
        CHECK(end_tp(tp, XC_SOFT) == CM_OK);

        do xcstp(our_unit, "PROG", &four, tp.data(), &rc);
        while (rc == CM_OK);
        CHECK(rc == CM_PRODUCT_SPECIFIC_ERROR);
    }

    TEST_CASE("contexts: every accepted conversation has its own, those of the program share one") {
        const running_unit unit;
        serve_tp("TP");
        talk begun;
        REQUIRE(begun.init() == CM_OK);
        std::array<char, CM_CTX_SIZE> room{};
        CM_INT32 length = 0;
        CHECK(begun.call(cmectx, room.data(), &length) == CM_PROGRAM_STATE_CHECK);
        std::set<std::string> contexts;
        std::string programs_own;
        for (int i = 0; i < 20; ++i) {
            two_ends ends;
            const std::string context = context_of(ends.far);
            CHECK(contexts.insert(context).second);
            CHECK(context_of(ends.far) == context);
            const std::string own = context_of(ends.near);
            CHECK(contexts.count(own) == 0);
            if (i == 0) programs_own = own;
            CHECK(own == programs_own);
            CHECK(ends.far.call(cmectx, static_cast<void*>(nullptr), &length) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(ends.far.call(cmectx, room.data(), static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
            REQUIRE(ends.near.cancel() == CM_OK);
            REQUIRE(ends.far.receive().code == CM_DEALLOCATED_ABEND_SVC);
        }
    }

    TEST_CASE("secondary information: the call, its code and what that means") {
        const running_unit unit;
        talk t, other;
        REQUIRE(t.init() == CM_OK);
        REQUIRE(other.init() == CM_OK);
        CHECK(ask(t.id, CM_CMSEND).code == CM_NO_SECONDARY_INFORMATION);
        REQUIRE(t.send("x") == CM_PROGRAM_STATE_CHECK);
        const secondary s = ask(t.id, CM_CMSEND);
        CHECK(s.code == CM_OK);
        CHECK(s.data == CM_COMPLETE_DATA_RECEIVED);
        CHECK(tells(s, "Send_Data (cmsend) returned CM_PROGRAM_STATE_CHECK (25): "));
        CHECK(ask(t.id, CM_CMSEND).text == s.text);
        // Not another call, nor another conversation.
        CHECK(ask(t.id, CM_CMRCV).code == CM_NO_SECONDARY_INFORMATION);
        CHECK(ask(other.id, CM_CMSEND).code == CM_NO_SECONDARY_INFORMATION);
        // Calls that go well leave it, the next that does not replaces it.
        REQUIRE(t.set(cmssl, CM_CONFIRM) == CM_OK);
        CHECK(ask(t.id, CM_CMSEND).text == s.text);
        REQUIRE(t.set(cmssl, 7) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(ask(t.id, CM_CMSEND).code == CM_NO_SECONDARY_INFORMATION);
        CHECK(tells(ask(t.id, CM_CMSSL), "Set_Sync_Level (cmssl) returned CM_PROGRAM_PARAMETER_CHECK (24): "));
        // Another thread knows nothing of it.
        std::thread{[&] { CHECK(ask(t.id, CM_CMSSL).code == CM_NO_SECONDARY_INFORMATION); }}.join();
    }

    TEST_CASE("secondary information: why there is no link, also when the conversation has ended") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        const CM_INT32 length = 6;
        REQUIRE(t.call(cmspln, "NOBODY", &length) == CM_OK);
        REQUIRE(t.call(cmstpn, "SERVER", &length) == CM_OK);
        REQUIRE(t.allocate() == CM_PARAMETER_ERROR);
        secondary s = ask(t.id, CM_CMALLC);
        CHECK(tells(s, "CM_PARAMETER_ERROR (19): "));
        CHECK(tells(s, " Reason: "));
        CHECK(tells(s, "NOBODY"));

        talk gone;
        gone.prepare("127.0.0.1:1/TP");
        REQUIRE(gone.allocate() == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(gone.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(ask(gone.id, CM_CMECS).code == CM_OK);  // of the question just asked
        gone.prepare("127.0.0.1:1/TP");
        REQUIRE(gone.allocate() == CM_ALLOCATE_FAILURE_RETRY);
        s = ask(gone.id, CM_CMALLC);
        CHECK(s.code == CM_OK);
        CHECK(tells(s, "127.0.0.1:1"));
        CHECK(ask(gone.id, CM_CMSEND).code == CM_PROGRAM_PARAMETER_CHECK);
    }

    TEST_CASE("secondary information: what was wrong with an argument") {
        const scratch_configuration file{"[limits]\nconversations = 16\nlinks = 4\n"};
        const running_unit unit{file.options()};
        talk t, dead;
        REQUIRE(t.init() == CM_OK);
        CM_INT32 rc = -1;
        const auto reason = [&](const id_bytes& id, CM_INT32 call) {
            const std::string text = ask(id, call).text;
            const std::size_t at = text.find(" Reason: ");
            return at == std::string::npos ? "none in: " + text : text.substr(at + 9);
        };
        REQUIRE(t.set(cmssl, 7) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(t.id, CM_CMSSL) == "the value is 7; 0 to 1 will do.");
        REQUIRE(t.set(cmsdt, CM_DEALLOCATE_CONFIRM) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(t.id, CM_CMSDT) ==
              "the value is 2, and it asks for confirmation, which sync_level CM_NONE excludes.");
        REQUIRE(t.set(cmsf, CM_FILL_BUFFER) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(t.id, CM_CMSF) == "the value is 1, and the conversation is mapped.");
        cmsst(t.id.data(), nullptr, &rc);
        CHECK(reason(t.id, CM_CMSST) == "the value is a NULL pointer.");
        const CM_INT32 long_name = 18;
        REQUIRE(t.call(cmspln, "ABCDEFGHIJKLMNOPQR", &long_name) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(t.id, CM_CMSPLN) == "the length is 18; 1 to 17 will do.");
        cmecs(nullptr, &rc, &rc);
        CHECK(reason(id_bytes{}, CM_CMECS) == "conversation_ID is a NULL pointer.");
        REQUIRE(dead.init() == CM_OK);
        REQUIRE(dead.cancel() == CM_OK);
        REQUIRE(dead.flush() == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(dead.id, CM_CMFLUS) == "no conversation has this ID: it was never made, or has ended.");
        talk unknown;
        REQUIRE(unknown.init("NOWHERE ") == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(id_bytes{}, CM_CMINIT) == "no [[side_information]] is named \"NOWHERE\" in " + file.path() + ".");
        const CM_INT32 none = 0;
        cmsltp("TP", &none, &rc);
        CHECK(reason(id_bytes{}, CM_CMSLTP) == "TP_name_length is 0; 1 to 64 will do.");

        serve_tp("TP");
        t.cancel();
        t.begin("inproc/TP");
        const CM_INT32 much = 32'768;
        cmsend(t.id.data(), nullptr, &much, &t.rts, &rc);
        CHECK(reason(t.id, CM_CMSEND) == "send_length is 32768; 0 to 32767 will do.");
        REQUIRE(t.confirm() == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(t.id, CM_CMCFM).starts_with("sync_level is CM_NONE, "));
    }

    TEST_CASE("secondary information: which state a call found, and where it belongs") {
        const running_unit unit;
        serve_tp("TP");
        const auto reason = [&](const id_bytes& id, CM_INT32 call) {
            const std::string text = ask(id, call).text;
            const std::size_t at = text.find(" Reason: ");
            return at == std::string::npos ? "none in: " + text : text.substr(at + 9);
        };
        talk t;
        REQUIRE(t.init() == CM_OK);
        REQUIRE(t.send("x") == CM_PROGRAM_STATE_CHECK);
        CHECK(reason(t.id, CM_CMSEND) ==
              "the conversation is in Initialize, and the call belongs in Send or Send-Pending.");
        REQUIRE(t.confirmed() == CM_PROGRAM_STATE_CHECK);
        CHECK(reason(t.id, CM_CMCFMD) ==
              "the conversation is in Initialize, and the call belongs in Confirm, "
              "Confirm-Send or Confirm-Deallocate.");
        t.cancel();
        t.begin("inproc/TP");
        REQUIRE(t.set(cmssl, CM_CONFIRM) == CM_PROGRAM_STATE_CHECK);
        CHECK(reason(t.id, CM_CMSSL) == "the conversation is in Send, and the call belongs in Initialize.");
        t.cancel();
        REQUIRE(t.init() == CM_OK);
        REQUIRE(t.destination("inproc/TP") == CM_OK);
        REQUIRE(t.set(cmsct, CM_BASIC_CONVERSATION) == CM_OK);
        REQUIRE(t.allocate() == CM_OK);
        REQUIRE(t.send(std::string_view{"\0\x05x", 3}) == CM_OK);
        REQUIRE(t.deallocate() == CM_PROGRAM_STATE_CHECK);
        CHECK(reason(t.id, CM_CMDEAL) == "a logical record is not finished.");
        t.cancel();
        REQUIRE(t.init() == CM_OK);
        REQUIRE(t.destination("inproc/TP") == CM_OK);
        REQUIRE(t.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
        REQUIRE(t.allocate() == CM_OK);
        REQUIRE(t.deallocate() == CM_OK);
        REQUIRE(t.send("x") == CM_PROGRAM_STATE_CHECK);
        CHECK(reason(t.id, CM_CMSEND) ==
              "the conversation is in Receive-Only, and the call belongs in Send-Only or Send-Receive.");
        REQUIRE(t.prepare_to_receive() == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(reason(t.id, CM_CMPTR) == "the conversation is full-duplex.");
        t.cancel();
        REQUIRE(t.init() == CM_OK);
        REQUIRE(t.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        const CM_INT32 queue = CM_INITIALIZATION_QUEUE, mode = CM_NON_BLOCKING;
        CM_INT32 ooid = 0;
        REQUIRE(t.call(cmsqpm, &queue, &mode, "userdata", &ooid) == CM_PROGRAM_STATE_CHECK);
        CHECK(reason(t.id, CM_CMSQPM).find("at conversation level.") != std::string::npos);
        t.cancel();
        REQUIRE(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(reason(id_bytes{}, CM_CMWAIT) == "no call is incomplete, so there is nothing to wait for.");
    }

    TEST_CASE("secondary information: the addresses of a partner that could not be called") {
        const scratch_configuration file{
            "[limits]\nconversations = 16\nlinks = 4\n[[partner]]\nname = \"NET.HEAD\"\n"
            "addresses = [\"127.0.0.1:1\", \"127.0.0.2:1\"]\n[[side_information]]\nname = \"HEAD\"\n"
            "partner_lu = \"NET.HEAD\"\ntp_name = \"TP\"\n"};
        const running_unit unit{file.options()};
        talk t;
        REQUIRE(t.init("HEAD    ") == CM_OK);
        REQUIRE(t.allocate() == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(tells(ask(t.id, CM_CMALLC), " Reason: NET.HEAD at 127.0.0.1:1 and at 127.0.0.2:1, the last: "));
    }

    TEST_CASE("secondary information: in pieces") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        REQUIRE(t.confirm() != CM_OK);
        const std::string whole = ask(t.id, CM_CMCFM).text;
        std::string pieces;
        for (;;) {
            const secondary s = ask(t.id, CM_CMCFM, 7);
            REQUIRE(s.code == CM_OK);
            pieces += s.text;
            if (s.data == CM_COMPLETE_DATA_RECEIVED) break;
            REQUIRE(s.data == CM_INCOMPLETE_DATA_RECEIVED);
            REQUIRE(s.text.size() == 7);
        }
        CHECK(pieces == whole);
    }

    TEST_CASE("secondary information: of results that cmwait collects, and of calls without a conversation") {
        const running_unit unit;
        serve_tp("TP");
        two_ends ends;
        REQUIRE(ends.far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        pending_receive pending;
        REQUIRE(pending.issue(ends.far) == CM_OPERATION_INCOMPLETE);
        CHECK(ask(ends.far.id, CM_CMRCV).code == CM_NO_SECONDARY_INFORMATION);
        REQUIRE(ends.near.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
        const completion done = wait_any();
        REQUIRE(done.result == CM_DEALLOCATED_ABEND);
        CHECK(tells(ask(ends.far.id, CM_CMRCV), "Receive (cmrcv) returned CM_DEALLOCATED_ABEND (17): "));

        CM_INT32 rc = -1;
        const CM_INT32 none = 0;
        cmsltp("TP", &none, &rc);
        REQUIRE(rc == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(tells(ask(id_bytes{}, CM_CMSLTP), "Specify_Local_TP_Name (cmsltp) returned "));
        CHECK(ask(id_bytes{}, CM_CMWAIT).code == CM_NO_SECONDARY_INFORMATION);
        REQUIRE(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(tells(ask(id_bytes{}, CM_CMWAIT), "Wait_For_Conversation (cmwait) returned "));
    }

    TEST_CASE("secondary information: the older names of a call are the call") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        CHECK(t.call(xcecsu, static_cast<void*>(nullptr), static_cast<CM_INT32*>(nullptr)) ==
              CM_PROGRAM_PARAMETER_CHECK);
        CHECK(ask(t.id, CM_CMESUI).code == CM_OK);
        REQUIRE(t.set(xcscst, 9) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(ask(t.id, CM_CMSCST).code == CM_OK);
    }

    TEST_CASE("secondary information: bad parameters") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        REQUIRE(t.send("x") == CM_PROGRAM_STATE_CHECK);
        for (const CM_INT32 call_id : std::initializer_list<CM_INT32>{0, -1, 80, CM_CMESI})
            CHECK(ask(t.id, call_id).code == CM_PROGRAM_PARAMETER_CHECK);
        for (const CM_INT32 wanted : {0, -1, 32'768})
            CHECK(ask(t.id, CM_CMSEND, wanted).code == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(ask(id_bytes{}, CM_CMSEND).code == CM_PROGRAM_PARAMETER_CHECK);
        const CM_INT32 call_id = CM_CMSEND, wanted = 8;
        std::array<char, 8> room{};
        CM_INT32 data = 0, length = 0, rc = -1;
        cmesi(nullptr, &call_id, room.data(), &wanted, &data, &length, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmesi(t.id.data(), nullptr, room.data(), &wanted, &data, &length, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmesi(t.id.data(), &call_id, nullptr, &wanted, &data, &length, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmesi(t.id.data(), &call_id, room.data(), nullptr, &data, &length, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmesi(t.id.data(), &call_id, room.data(), &wanted, nullptr, &length, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmesi(t.id.data(), &call_id, room.data(), &wanted, &data, nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmesi(t.id.data(), &call_id, room.data(), &wanted, &data, &length, nullptr);
        CHECK(ask(t.id, CM_CMSEND).code == CM_OK);  // none of this hid it
    }
}
