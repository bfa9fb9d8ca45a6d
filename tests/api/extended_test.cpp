// Calls of CPI-C 2.0 as a program sees them: conversations that are made before anybody calls, expedited data, and
// conversations on which both ends send.
#include <doctest/doctest.h>

#include <string>
#include <string_view>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

CM_INT32 initialize_for_incoming(talk& t) {
    CM_INT32 rc = -1;
    cminic(t.id.data(), &rc);
    return rc;
}

struct two_ends {
    talk near, far;
    explicit two_ends(CM_INT32 send_receive_mode = CM_HALF_DUPLEX) {
        serve_tp("TP");
        near.prepare("inproc/TP");
        REQUIRE(near.set(cmssrm, send_receive_mode) == CM_OK);
        REQUIRE(near.allocate() == CM_OK);
        REQUIRE(near.flush() == CM_OK);
        collector all;
        far.accept(all);
    }
};

CM_INT32 send_expedited(const talk& t, std::string_view text) {
    const auto length = static_cast<CM_INT32>(text.size());
    CM_INT32 control = -1;
    return t.call(cmsndx, text.data(), &length, &control);
}

struct expedited {
    CM_INT32 code = -1, length = -1;
    std::string text;
};
expedited receive_expedited(const talk& t, CM_INT32 wanted = 86, CM_INT32 type = CM_RECEIVE_IMMEDIATE) {
    expedited e;
    std::array<char, 86> room{};
    CM_INT32 control = -1;
    e.code = t.call(cmrcvx, static_cast<void*>(room.data()), &wanted, &e.length, &control, &type);
    if (e.code == CM_OK) e.text.assign(room.data(), static_cast<std::size_t>(e.length));
    return e;
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("extended: what is set before a partner calls is kept when it does") {
        const running_unit unit;
        talk far, near;
        REQUIRE(initialize_for_incoming(far) == CM_OK);
        CHECK(far.state() == CM_INITIALIZE_INCOMING_STATE);
        CHECK(far.call(cmacci) == CM_PROGRAM_STATE_CHECK);  // no name is served, so that nobody could call
        CHECK(far.state() == CM_INITIALIZE_INCOMING_STATE);
        serve_tp("TP");
        REQUIRE(far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        REQUIRE(far.set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OK);
        REQUIRE(far.call(cmacci) == CM_OPERATION_INCOMPLETE);
        CHECK(far.call(cmacci) == CM_OPERATION_NOT_ACCEPTED);
        near.begin("inproc/TP", CM_CONFIRM);
        REQUIRE(near.flush() == CM_OK);
        const completion done = wait_any();
        CHECK(done.result == CM_OK);
        CHECK(done.id == far.id);
        CHECK(far.state() == CM_RECEIVE_STATE);
        CHECK(far.receive().code == CM_UNSUCCESSFUL);  // the receive_type that was set before
        CM_INT32 level = -1;
        CHECK(far.call(cmesl, &level) == CM_OK);
        CHECK(level == CM_CONFIRM);  // of the attach
        CHECK(far.call(cmacci) == CM_PROGRAM_STATE_CHECK);
        CHECK(far.cancel() == CM_OK);
    }

    TEST_CASE("extended: an accept that waits can be cancelled, and one for a caller who waits is done at once") {
        const running_unit unit;
        serve_tp("TP");
        talk far, near;
        REQUIRE(initialize_for_incoming(far) == CM_OK);
        REQUIRE(far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        REQUIRE(far.call(cmacci) == CM_OPERATION_INCOMPLETE);
        CHECK(far.cancel() == CM_OK);
        CHECK(far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        near.begin("inproc/TP");
        REQUIRE(near.flush() == CM_OK);
        REQUIRE(initialize_for_incoming(far) == CM_OK);
        REQUIRE(far.call(cmacci) == CM_OK);
        CHECK(far.state() == CM_RECEIVE_STATE);
        CM_INT32 rc = -1;
        cminic(nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cminic(far.id.data(), nullptr);
        cmacci(far.id.data(), nullptr);
        cmacci(nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(far.state() == CM_RECEIVE_STATE);
    }

    TEST_CASE("extended: expedited data passes data that nobody has received") {
        const running_unit unit;
        two_ends ends;
        CHECK(receive_expedited(ends.far).code == CM_UNSUCCESSFUL);
        REQUIRE(ends.near.send("slow", CM_SEND_AND_FLUSH) == CM_OK);
        REQUIRE(send_expedited(ends.near, "quick") == CM_OK);
        const expedited small = receive_expedited(ends.far, 4, CM_RECEIVE_AND_WAIT);
        CHECK(small.code == CM_BUFFER_TOO_SMALL);
        CHECK(small.length == 5);
        CHECK(receive_expedited(ends.far).text == "quick");
        CHECK(receive_expedited(ends.far).code == CM_UNSUCCESSFUL);
        // Against the turn, too, and as long as it may be.
        const std::string longest(86, 'x');
        REQUIRE(send_expedited(ends.far, longest) == CM_OK);
        CHECK(receive_expedited(ends.near, 86, CM_RECEIVE_AND_WAIT).text == longest);
        CHECK(ends.far.receive().text == "slow");
        CHECK(ends.near.state() == CM_SEND_STATE);
        CHECK(ends.far.state() == CM_RECEIVE_STATE);
    }

    TEST_CASE("extended: expedited data has its bounds and its states") {
        const running_unit unit;
        two_ends ends;
        CHECK(send_expedited(ends.near, "") == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(send_expedited(ends.near, std::string(87, 'x')) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive_expedited(ends.far, 87).code == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive_expedited(ends.far, -1).code == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive_expedited(ends.far, 86, 2).code == CM_PROGRAM_PARAMETER_CHECK);
        talk early;
        REQUIRE(early.init() == CM_OK);
        CHECK(send_expedited(early, "x") == CM_PROGRAM_STATE_CHECK);
        CHECK(receive_expedited(early).code == CM_PROGRAM_STATE_CHECK);
        REQUIRE(initialize_for_incoming(early) == CM_OK);
        CHECK(send_expedited(early, "x") == CM_PROGRAM_STATE_CHECK);
        REQUIRE(ends.near.cancel() == CM_OK);
        CHECK(send_expedited(ends.near, "x") == CM_PROGRAM_PARAMETER_CHECK);
    }

    TEST_CASE("extended: both ends of a full-duplex conversation send, and each ends its direction") {
        const running_unit unit;
        two_ends ends{CM_FULL_DUPLEX};
        for (const talk* t : {&ends.near, &ends.far}) {
            CM_INT32 mode = -1;
            CHECK(t->call(cmesrm, &mode) == CM_OK);
            CHECK(mode == CM_FULL_DUPLEX);
            CHECK(t->state() == CM_SEND_RECEIVE_STATE);
        }
        REQUIRE(ends.near.send("from near", CM_SEND_AND_FLUSH) == CM_OK);
        REQUIRE(ends.far.send("from far", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(ends.near.receive().text == "from far");
        CHECK(ends.far.receive().text == "from near");
        REQUIRE(ends.near.deallocate() == CM_OK);
        CHECK(ends.near.state() == CM_RECEIVE_ONLY_STATE);
        CHECK(ends.far.receive().code == CM_DEALLOCATED_NORMAL);
        CHECK(ends.far.state() == CM_SEND_ONLY_STATE);
        REQUIRE(ends.far.send("the last word", CM_SEND_AND_DEALLOCATE) == CM_OK);
        const received last = ends.near.receive();
        CHECK(last.code == CM_DEALLOCATED_NORMAL);
        CHECK(last.text == "the last word");
        CHECK(ends.near.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(ends.far.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("extended: full duplex goes with no confirmation") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        CM_INT32 mode = -1;
        CHECK(t.call(cmesrm, &mode) == CM_OK);
        CHECK(mode == CM_HALF_DUPLEX);
        CHECK(t.set(cmssrm, 2) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.set(cmssrm, -1) == CM_PROGRAM_PARAMETER_CHECK);
        REQUIRE(t.set(cmssl, CM_CONFIRM) == CM_OK);
        CHECK(t.set(cmssrm, CM_FULL_DUPLEX) == CM_PROGRAM_PARAMETER_CHECK);
        REQUIRE(t.set(cmssl, CM_NONE) == CM_OK);
        REQUIRE(t.set(cmsst, CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        CHECK(t.set(cmssrm, CM_FULL_DUPLEX) == CM_PROGRAM_PARAMETER_CHECK);
        REQUIRE(t.set(cmsst, CM_BUFFER_DATA) == CM_OK);
        CHECK(t.set(cmssrm, CM_FULL_DUPLEX) == CM_OK);
        CHECK(t.set(cmssl, CM_CONFIRM) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.call(cmssrm, static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.call(cmesrm, static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
    }
}
