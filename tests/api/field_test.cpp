// What programs in the field take for granted: each case is an assumption that many of them make and few documents
// state. A program that relies on it must work as it is.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "api/wincpic.h"
#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

template <std::size_t N>
void put(unsigned char (&field)[N], std::string_view text) {
    std::memset(field, ' ', N);
    std::memcpy(field, text.data(), text.size());
}

CM_INT32 set_side_information(std::string_view name, std::string_view partner, std::string_view tp,
                              std::string_view mode) {
    SIDE_INFO entry;
    put(entry.sym_dest_name, name);
    put(entry.partner_LU_name, partner);
    put(entry.reserved, "");
    entry.TP_name_type = XC_APPLICATION_TP;
    put(entry.TP_name, tp);
    put(entry.mode_name, mode);
    entry.conversation_security_type = XC_SECURITY_NONE;
    put(entry.security_user_ID, "");
    put(entry.security_password, "");
    const CM_INT32 length = sizeof entry;
    CM_INT32 rc = -1;
    xcmssi("        ", &entry, &length, &rc);
    return rc;
}

// Text with its length; what stands behind the length must not have been padded.
template <class Extract>
std::string extract(const talk& t, Extract f) {
    std::array<char, 80> text{};
    text.fill('#');
    CM_INT32 length = -1;
    REQUIRE(t.call(f, static_cast<void*>(text.data()), &length) == CM_OK);
    REQUIRE(length >= 0);
    for (std::size_t i = static_cast<std::size_t>(length); i < text.size(); ++i) CHECK(text[i] == '#');
    return {text.data(), static_cast<std::size_t>(length)};
}

struct two_ends {
    talk near, far;
    explicit two_ends(CM_INT32 sync_level = CM_NONE) {
        near.begin("inproc/TP", sync_level);
        REQUIRE(near.flush() == CM_OK);
        collector all;
        far.accept(all);
    }
};

// A Receive whose outputs hold what no Receive writes, so that it shows which were written.
struct marked_receive {
    static constexpr CM_INT32 mark = 0x5A5A5A5A;
    CM_INT32 data = mark, length = mark, status = mark, rts = mark, code = mark;
    std::array<char, 100> buffer{};

    void issue(const talk& t, CM_INT32 wanted = 100) {
        cmrcv(t.id.data(), buffer.data(), &wanted, &data, &length, &status, &rts, &code);
    }
    [[nodiscard]] bool untouched() const { return data == mark && length == mark && status == mark && rts == mark; }
    [[nodiscard]] bool nothing() const { return data == 0 && length == 0 && status == 0 && rts == 0; }
};

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("field: symbolic destination names are eight characters, a NUL ends a shorter one, case is kept") {
        const running_unit unit;
        REQUIRE(set_side_information("Teller", "NET.BANK", "PAY", "#INTER") == CM_OK);
        REQUIRE(set_side_information("EIGHTLNG", "NET.BANK", "PAY", "#INTER") == CM_OK);
        const std::vector<std::string_view> right{{"Teller  ", 8}, {"Teller\0\0", 8}, {"Teller\0x", 8}, {"Teller", 7}};
        for (const std::string_view name : right) {
            talk t;
            CHECK(t.init(name.data()) == CM_OK);
            CHECK(extract(t, cmepln) == "NET.BANK");
            CHECK(extract(t, cmetpn) == "PAY");
        }
        talk t;
        CHECK(t.init("EIGHTLNGand more, which no call looks at") == CM_OK);
        for (const char* name : {"teller  ", "TELLER  ", "Telle   ", " Teller ", "Teller1 ", "EIGHTLN "}) {
            CAPTURE(name);
            CHECK(t.init(name) == CM_PROGRAM_PARAMETER_CHECK);
        }
    }

    TEST_CASE("field: a blank name leaves a partner of one blank, a TP name of one blank, and no mode") {
        const running_unit unit;
        for (const char* name : {"        ", ""}) {
            talk t;
            REQUIRE(t.init(name) == CM_OK);
            CHECK(extract(t, cmepln) == " ");
            CHECK(extract(t, cmetpn) == " ");
            CHECK(extract(t, cmemn) == "");
            CHECK(t.allocate() == CM_PARAMETER_ERROR);
            CHECK(t.state() == CM_INITIALIZE_STATE);
        }
    }

    TEST_CASE("field: a partner is NET.LU or an alias of up to eight characters") {
        const scratch_configuration file{
            "lu_name = \"NET.LOCAL\"\n"
            "[[partner]]\nname = \"NET.BANKHOST\"\naddresses = \"127.0.0.1:1\"\n"
            "[[partner]]\nname = \"BANK\"\naddresses = \"127.0.0.1:1\"\n"};
        const running_unit unit{file.options()};
        const auto allocate = [](std::string_view name) {
            talk t;
            REQUIRE(t.init() == CM_OK);
            const auto length = static_cast<CM_INT32>(name.size());
            const CM_INT32 tp = 3;
            REQUIRE(t.call(cmspln, name.data(), &length) == CM_OK);
            REQUIRE(t.call(cmstpn, "PAY", &tp) == CM_OK);
            CHECK(extract(t, cmepln) == name);  // as it was set, not qualified
            return t.allocate();
        };
        // Nobody listens there: 2 tells that the name was found.
        CHECK(allocate("NET.BANKHOST") == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(allocate("BANK") == CM_ALLOCATE_FAILURE_RETRY);
        for (const char* name : {"NET.OTHER", "OTHER", "NINECHARS", ".", "A.B.C"}) {
            CAPTURE(name);
            CHECK(allocate(name) == CM_PARAMETER_ERROR);
        }
        talk t;
        REQUIRE(t.init() == CM_OK);
        const CM_INT32 none = 0, most = 17, more = 18;
        CHECK(t.call(cmspln, "EIGHTLNG.EIGHTLNGX", &none) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.call(cmspln, "EIGHTLNG.EIGHTLNGX", &more) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.call(cmspln, "EIGHTLNG.EIGHTLNGX", &most) == CM_OK);
        CHECK(extract(t, cmepln) == "EIGHTLNG.EIGHTLNG");
    }

    TEST_CASE("field: names come back without padding, their length beside them") {
        const running_unit unit{listening_options()};
        REQUIRE(set_side_information("PAY", "NET.BANK", "payroll", "#BATCH") == CM_OK);
        talk t;
        REQUIRE(t.init("PAY") == CM_OK);
        CHECK(extract(t, cmepln) == "NET.BANK");
        CHECK(extract(t, cmemn) == "#BATCH");
        CHECK(extract(t, cmetpn) == "payroll");
        serve_tp("TP");
        talk near, far;
        near.begin(running_unit::address() + "/TP");
        REQUIRE(near.flush() == CM_OK);
        collector all;
        far.accept(all);
        CHECK(extract(far, cmepln) == "COLLOQUY.LOCAL");
        CHECK(extract(far, cmetpn) == "TP");
    }

    TEST_CASE("field: WinCPICStartup takes version 1.0 and version 1.2") {
        const scratch_configuration file{""};
        REQUIRE(clq_stop(1'000) == 0);
        const clq_options options = file.options();
        clq_options wanted = options;
        wanted.size = sizeof wanted;
        REQUIRE(clq_start(&wanted) == 0);
        for (const unsigned version : {0x0001U, 0x0101U, 0x0201U}) {
            const auto word = static_cast<unsigned short>(version);
            CAPTURE(version);
            WCPICDATA data{};
            CHECK(WinCPICStartup(word, &data) == 0);
            CHECK(data.wVersion == 0x0002);
            CHECK(std::strlen(data.szDescription) > 0);
            CHECK(WinCPICStartup(word, nullptr) == 0);
        }
        for (int i = 0; i < 6; ++i) CHECK(WinCPICCleanup() != 0);
        CHECK(WinCPICCleanup() == 0);
    }

    TEST_CASE("field: Accept_Conversation fills in the ID also with 35") {
        const running_unit unit;
        serve_tp("TP");
        const id_bytes nothing{};
        std::vector<talk> accepts(3);
        for (talk& t : accepts) {
            REQUIRE(t.accept() == CM_OPERATION_INCOMPLETE);
            CHECK(t.id != nothing);
        }
        CHECK(accepts[0].id != accepts[1].id);
        CHECK(accepts[2].cancel() == CM_OK);
        const std::vector<id_bytes> told{accepts[0].id, accepts[1].id};
        std::vector<talk> callers(2);
        for (talk& t : callers) {
            t.begin("inproc/TP");
            REQUIRE(t.flush() == CM_OK);
        }
        for (const id_bytes& id : told) {
            const completion done = wait_any();
            CHECK(done.code == CM_OK);
            CHECK(done.result == CM_OK);
            CHECK(done.id == id);
        }
        // The variable is the program's: the accept does not write it once more.
        for (std::size_t i = 0; i < told.size(); ++i) CHECK(accepts[i].id == told[i]);
        CHECK(accepts[0].state() == CM_RECEIVE_STATE);
    }

    TEST_CASE("field: several conversations in one process do not know of each other") {
        const running_unit unit;
        serve_tp("TP");
        std::vector<two_ends> pairs(20);
        for (std::size_t i = 0; i < pairs.size(); ++i)
            REQUIRE(pairs[i].near.send("number " + std::to_string(i), CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        for (std::size_t i = pairs.size(); i-- > 0;) {
            pairs[i].far.hear("number " + std::to_string(i), CM_SEND_RECEIVED);
            REQUIRE(pairs[i].far.send("answer " + std::to_string(i), CM_SEND_AND_DEALLOCATE) == CM_OK);
        }
        for (std::size_t i = 0; i < pairs.size(); ++i) {
            const received r = pairs[i].near.receive();
            CHECK(r.code == CM_DEALLOCATED_NORMAL);
            CHECK(r.text == "answer " + std::to_string(i));
        }
        CHECK(running_unit::conversations_open() == 0);
    }

#ifdef COLLOQUY_PROGRAMS_DIR
    TEST_CASE("field: several processes on one machine, all with conversations of their own") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        std::vector<process> visitors;
        for (int i = 0; i < 4; ++i) {
            visitors.push_back(run_program(COLLOQUY_PROGRAMS_DIR "/visitor", {running_unit::address() + "/TP", "finish",
                                                                              "visitor " + std::to_string(i)}));
            REQUIRE(visitors.back().handle != 0);
        }
        collector all;
        std::vector<std::string> heard;
        for (int i = 0; i < 4; ++i) {
            talk t;
            t.accept(all);
            received r = t.receive();
            heard.push_back(r.text);
            if (r.code == CM_OK) r = t.receive();
            CHECK(r.code == CM_DEALLOCATED_NORMAL);
        }
        std::sort(heard.begin(), heard.end());
        CHECK(heard == std::vector<std::string>{"visitor 0", "visitor 1", "visitor 2", "visitor 3"});
        for (process& p : visitors) CHECK(wait_process(p) == 0);
    }
#endif

    TEST_CASE("field: a change of direction rides on the last record") {
        const running_unit unit;
        serve_tp("TP");
        const auto heard_together = [](two_ends& ends, CM_INT32 status, CM_INT32 state) {
            const received r = ends.far.receive();
            CHECK(r.code == CM_OK);
            CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
            CHECK(r.text == "record");
            CHECK(r.status == status);
            CHECK(ends.far.state() == state);
        };
        // The frames of both ends are counted, and the far one sends none before it receives.
        SUBCASE("by Send_Data with AND_PREP_TO_RECEIVE") {
            two_ends ends;
            const unsigned long long before = clq_counter("frames_sent");
            REQUIRE(ends.near.send("record", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
            CHECK(clq_counter("frames_sent") == before + 1);
            heard_together(ends, CM_SEND_RECEIVED, CM_SEND_PENDING_STATE);
        }
        SUBCASE("a buffered record merges with the Prepare_To_Receive that follows") {
            two_ends ends;
            const unsigned long long before = clq_counter("frames_sent");
            REQUIRE(ends.near.send("record") == CM_OK);
            CHECK(clq_counter("frames_sent") == before);
            REQUIRE(ends.near.prepare_to_receive() == CM_OK);
            CHECK(clq_counter("frames_sent") == before + 1);
            heard_together(ends, CM_SEND_RECEIVED, CM_SEND_PENDING_STATE);
        }
        SUBCASE("a buffered record merges with the Receive that follows") {
            two_ends ends;
            const unsigned long long before = clq_counter("frames_sent");
            REQUIRE(ends.near.send("record") == CM_OK);
            REQUIRE(ends.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            pending_receive pending;
            REQUIRE(pending.issue(ends.near) == CM_OPERATION_INCOMPLETE);
            CHECK(clq_counter("frames_sent") == before + 1);
            heard_together(ends, CM_SEND_RECEIVED, CM_SEND_PENDING_STATE);
            REQUIRE(ends.far.send("answer", CM_SEND_AND_DEALLOCATE) == CM_OK);
            CHECK(wait_any().result == CM_DEALLOCATED_NORMAL);
            CHECK(pending.text() == "answer");
        }
        SUBCASE("with a request to confirm") {
            two_ends ends{CM_CONFIRM};
            REQUIRE(ends.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            REQUIRE(ends.near.send("record", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OPERATION_INCOMPLETE);
            heard_together(ends, CM_CONFIRM_SEND_RECEIVED, CM_CONFIRM_SEND_STATE);
            REQUIRE(ends.far.confirmed() == CM_OK);
            CHECK(wait_any().result == CM_OK);
        }
        SUBCASE("and the end of the conversation with the last record") {
            two_ends ends;
            REQUIRE(ends.near.send("record") == CM_OK);
            REQUIRE(ends.near.deallocate() == CM_OK);
            const received r = ends.far.receive();
            CHECK(r.code == CM_DEALLOCATED_NORMAL);
            CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
            CHECK(r.text == "record");
        }
    }

    TEST_CASE("field: Receive writes its outputs with every code but 24, 25 and 37") {
        const running_unit unit;
        serve_tp("TP");
        two_ends ends{CM_CONFIRM};
        SUBCASE("24, 25 and 37 write nothing") {
            marked_receive r;
            r.issue(ends.far, -1);
            CHECK(r.code == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(r.untouched());
            REQUIRE(ends.near.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OK);
            r.issue(ends.near);
            CHECK(r.code == CM_PROGRAM_STATE_CHECK);
            CHECK(r.untouched());
            REQUIRE(ends.far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            pending_receive pending;
            REQUIRE(pending.issue(ends.far) == CM_OPERATION_INCOMPLETE);
            r.issue(ends.far);
            CHECK(r.code == CM_OPERATION_NOT_ACCEPTED);
            CHECK(r.untouched());
            REQUIRE(ends.far.cancel() == CM_OK);
        }
        SUBCASE("28: nothing is there") {
            REQUIRE(ends.far.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OK);
            marked_receive r;
            r.issue(ends.far);
            CHECK(r.code == CM_UNSUCCESSFUL);
            CHECK(r.nothing());
        }
        SUBCASE("35: at once, and again when it is done") {
            REQUIRE(ends.far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            marked_receive r;
            r.issue(ends.far);
            REQUIRE(r.code == CM_OPERATION_INCOMPLETE);
            CHECK(r.nothing());
            REQUIRE(ends.near.send("abc", CM_SEND_AND_FLUSH) == CM_OK);
            CHECK(wait_any().result == CM_OK);
            CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
            CHECK(r.length == 3);
            CHECK(r.status == CM_NO_STATUS_RECEIVED);
            CHECK(r.rts == CM_REQ_TO_SEND_NOT_RECEIVED);
            CHECK(r.code == CM_OPERATION_INCOMPLETE);
        }
        SUBCASE("0 with a status alone") {
            REQUIRE(ends.near.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
            REQUIRE(ends.near.prepare_to_receive() == CM_OK);
            marked_receive r;
            r.issue(ends.far);
            CHECK(r.code == CM_OK);
            CHECK(r.data == CM_NO_DATA_RECEIVED);
            CHECK(r.length == 0);
            CHECK(r.status == CM_SEND_RECEIVED);
            CHECK(r.rts == CM_REQ_TO_SEND_NOT_RECEIVED);
        }
        SUBCASE("17, 18, 21 and 30") {
            marked_receive r;
            CM_INT32 expected = CM_OK;
            SUBCASE("17") {
                expected = CM_DEALLOCATED_ABEND;
                REQUIRE(ends.near.deallocate(CM_DEALLOCATE_ABEND) == CM_OK);
            }
            SUBCASE("18") {
                expected = CM_DEALLOCATED_NORMAL;
                REQUIRE(ends.near.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
            }
            SUBCASE("21") {
                expected = CM_PROGRAM_ERROR_NO_TRUNC;
                REQUIRE(ends.near.send_error() == CM_OK);
            }
            SUBCASE("30") {
                expected = CM_DEALLOCATED_ABEND_SVC;
                REQUIRE(ends.near.cancel() == CM_OK);
            }
            r.issue(ends.far);
            CHECK(r.code == expected);
            CHECK(r.nothing());
        }
        SUBCASE("9: learned by a Receive from the side that allocated") {
            talk lost;
            lost.begin("inproc/NOBODY");
            marked_receive r;
            r.issue(lost);
            CHECK(r.code == CM_TPN_NOT_RECOGNIZED);
            CHECK(r.nothing());
        }
    }
}
