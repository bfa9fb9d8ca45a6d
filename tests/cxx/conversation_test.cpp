// Values, results and the blocking conversation.
#include <string>
#include <unordered_set>

#include "tests/cxx/cxx.hpp"

using namespace colloquy;
using namespace colloquy::test;

TEST_SUITE_BEGIN("cxx");

TEST_CASE("result: a value, a code, or both; codes are error codes with texts") {
    const result<int> good{7};
    CHECK(good.value() == 7);
    CHECK(good.code() == return_code::ok);
    CHECK(!good.error());
    result<int> bad{return_code::tp_name_not_recognized};
    CHECK(!bad);
    CHECK(bad.value_or(3) == 3);
    CHECK(bad.error() == return_code::tp_name_not_recognized);
    CHECK(bad.error().category() == category());
    CHECK(bad.error().message() == "the partner knows no program of that name");
    CHECK_THROWS_AS((void)bad.value(), conversation_error);
    const result<> nothing{return_code::resource_failure_retry};
    CHECK(!nothing);
    CHECK(nothing.error() == std::errc::connection_reset);
    CHECK_THROWS_WITH_AS(nothing.value(), "the link is lost; try again", conversation_error);
    try {
        result<>{return_code::deallocated_abend_timer}.value();
    } catch (const std::system_error& e) {
        CHECK(e.code() == std::errc::timed_out);
    }
    const result<int> both{1, return_code::deallocated_normal};
    CHECK(both);
    CHECK(both.code() == return_code::deallocated_normal);
}

TEST_CASE("result: every code of the C interface that has a name has a text of its own") {
    std::unordered_set<std::string> texts;
    for (int code = 0; code < 60; ++code)
        if (const std::string said = category().message(code); said != "a code that is not known")
            CHECK(texts.insert(said).second);
    CHECK(texts.size() == 41);
    CHECK(ends_conversation(return_code::deallocated_normal));
    CHECK(!ends_conversation(return_code::program_error_purging));
    CHECK(worth_retrying(return_code::tp_not_available_retry));
}

TEST_CASE("handle: a value of eight bytes; a dead one is answered and harms nobody") {
    const running u{settings()};
    conversation none;
    CHECK(none.state().code() == return_code::program_parameter_check);
    CHECK(!none.alive());
    conversation c = conversation::initialize().value();
    const conversation copy = c;
    CHECK(copy == c);
    CHECK(c != none);
    CHECK(std::hash<conversation_handle>{}(copy) == std::hash<conversation_handle>{}(c));
    CHECK(copy.state().value() == conversation_state::initialize);
    REQUIRE(c.cancel());
    CHECK(!copy.alive());
    CHECK(c.cancel().code() == return_code::program_parameter_check);
    CHECK(c.deallocate_abend().code() == return_code::program_parameter_check);
    CHECK(running::open() == 0);
}

TEST_CASE("conversation: a destination that cannot be understood leaves nothing behind") {
    const running u{settings()};
    CHECK(conversation::initialize("nobody").code() == return_code::program_parameter_check);
    CHECK(last_error().find("no such symbolic destination") != std::string_view::npos);
    CHECK(conversation::initialize(std::string(400, 'x')).code() == return_code::program_parameter_check);
    CHECK(running::open() == 0);
}

TEST_CASE("conversation: characteristics by name, with types of their own") {
    const running u{settings()};
    conversation c = conversation::initialize().value();
    CHECK(c.set_conversation_type(conversation_type::basic));
    CHECK(c.set_sync_level(sync_level::confirm));
    CHECK(c.set_tp_name("ORDERS"));
    CHECK(c.set_partner_lu_name("NET.BANK"));
    CHECK(c.set_mode_name("#INTER"));
    CHECK(c.set_security_type(security_type::program));
    CHECK(c.set_security_user_id("jane"));
    CHECK(c.set_security_password("secret"));
    CHECK(c.set_fill(fill::buffer));
    CHECK(c.set_log_data("why"));
    CHECK(c.set_error_direction(error_direction::send));
    CHECK(c.set_return_control(return_control::immediate));
    CHECK(c.set_receive_type(receive_type::immediate));
    CHECK(c.set_prepare_to_receive_type(prepare_to_receive_type::confirm));
    CHECK(c.set_deallocate_type(deallocate_type::confirm));
    CHECK(c.set_send_type(send_type::confirm));
    CHECK(c.conversation_type().value() == conversation_type::basic);
    CHECK(c.sync_level().value() == sync_level::confirm);
    CHECK(c.send_receive_mode().value() == send_receive_mode::half_duplex);
    CHECK(c.security_type().value() == security_type::program);
    CHECK(c.tp_name().value() == "ORDERS");
    CHECK(c.partner_lu_name().value() == "NET.BANK");
    CHECK(c.mode_name().value() == "#INTER");
    CHECK(c.security_user_id().value().view() == "jane");
    CHECK(c.context().code() == return_code::program_state_check);
    CHECK(c.set_tp_name("").code() == return_code::program_parameter_check);
    CHECK(c.cancel());
}

TEST_CASE("conversation: data, the turn, confirmation, errors and the end, as results") {
    const running u{settings()};
    ends e{sync_level::confirm};
    std::thread partner{[&] {
        buffer b;
        result<received> got = e.far.receive(b);
        CHECK(got->text() == "question");
        CHECK(got->complete());
        if (!got->our_turn()) got = e.far.receive(b);
        CHECK(got->our_turn());
        CHECK(e.far.send("answer"));
        CHECK(e.far.confirm());
        CHECK(e.far.send("bad").has_value());
        CHECK(e.far.confirm().code() == return_code::program_error_purging);
        got = e.far.receive(b);
        CHECK(got->text() == "no");
        if (!got->confirm_wanted()) got = e.far.receive(b);
        CHECK(got->status == status_received::confirm_deallocate);
        CHECK(e.far.confirmed());
        CHECK(!e.far.alive());
    }};
    buffer b;
    CHECK(e.near.send("question"));
    CHECK(e.near.set_prepare_to_receive_type(prepare_to_receive_type::flush));
    CHECK(e.near.prepare_to_receive());
    result<received> got = e.near.receive(b);
    CHECK(got->text() == "answer");
    if (!got->confirm_wanted()) got = e.near.receive(b);
    CHECK(got->confirm_wanted());
    CHECK(e.near.confirmed());
    got = e.near.receive(b);
    CHECK(got->text() == "bad");
    if (!got->confirm_wanted()) got = e.near.receive(b);
    CHECK(e.near.send_error());
    CHECK(e.near.send("no"));
    CHECK(e.near.deallocate());
    CHECK(e.near.receive(b).code() == return_code::program_parameter_check);
    partner.join();
    CHECK(running::open() == 0);
}

TEST_CASE("conversation: expedited data passes; the normal end of the conversation is a value") {
    const running u{settings()};
    ends e;
    buffer b;
    CHECK(e.near.send_expedited("hurry"));
    const result<expedited> urgent = e.far.receive_expedited(b);
    CHECK(urgent->text() == "hurry");
    CHECK(e.far.receive_expedited(b, receive_type::immediate).code() == return_code::unsuccessful);
    CHECK(e.near.send("last words", send_type::deallocate));
    result<received> got = e.far.receive(b);
    CHECK(got->text() == "last words");
    if (!got->ended) got = e.far.receive(b);
    CHECK(got.has_value());
    CHECK(got->ended);
    CHECK(got.code() == return_code::deallocated_normal);
    CHECK(running::open() == 0);
}

TEST_CASE("ended_at_exit: what a block leaves open ends abnormally, what has ended is left alone") {
    const running u{settings()};
    ends e;
    buffer b;
    { const ended_at_exit guard{e.near}; }
    CHECK(e.far.receive(b).code() == return_code::deallocated_abend);
    ends f;
    {
        ended_at_exit guard{f.near};
        guard.release();
    }
    CHECK(f.near.deallocate());
    CHECK(f.far.receive(b)->ended);
    CHECK(running::open() == 0);
}

TEST_CASE("clq_abandon: the incomplete call is told to nobody, a blocked one is told") {
    const running u{settings()};
    ends e;
    buffer b;
    CM_INT32 mode = CM_NON_BLOCKING, wanted = 10, data = 0, length = 0, status = 0, control = 0, rc = -1;
    cmspm(e.far.data(), &mode, &rc);
    cmrcv(e.far.data(), b.data(), &wanted, &data, &length, &status, &control, &rc);
    REQUIRE(rc == CM_OPERATION_INCOMPLETE);
    CHECK(clq_abandon(e.far.data()) == 1);
    conversation_handle::id_bytes id{};
    cmwait(id.data(), &data, &rc);
    CHECK(rc == CM_PROGRAM_STATE_CHECK);  // nothing is outstanding
    CHECK(clq_abandon(e.far.data()) == -1);
    CHECK(e.near.receive(b).code() == return_code::deallocated_abend_svc);
    CHECK(clq_abandon(nullptr) == -1);

    // Done and not collected: dropped just so.
    ends f;
    cmspm(f.far.data(), &mode, &rc);
    cmrcv(f.far.data(), b.data(), &wanted, &data, &length, &status, &control, &rc);
    REQUIRE(rc == CM_OPERATION_INCOMPLETE);
    REQUIRE(f.near.send("here"));
    REQUIRE(f.near.flush());
    CHECK(clq_abandon(f.far.data()) == 1);
    cmwait(id.data(), &data, &rc);
    CHECK(rc == CM_PROGRAM_STATE_CHECK);
    CHECK(f.near.receive(b).code() == return_code::deallocated_abend_svc);

    // At queue level what has begun is told in any case.
    ends h;
    CM_INT32 queue = CM_SEND_RECEIVE_QUEUE, ooid = 0, one = 1, at_once = 0, index = 0, completed = 0, code = -1;
    unsigned char field[8] = {};
    cmsqpm(h.far.data(), &queue, &mode, field, &ooid, &rc);
    REQUIRE(rc == CM_OK);
    cmrcv(h.far.data(), b.data(), &wanted, &data, &length, &status, &control, &code);
    REQUIRE(code == CM_OPERATION_INCOMPLETE);
    CHECK(clq_abandon(h.far.data()) == 0);
    cmwcmp(&ooid, &one, &at_once, &index, &completed, field, &rc);
    CHECK(rc == CM_OK);
    CHECK(completed == 1);
    CHECK(code == CM_DEALLOCATED_ABEND);
    CHECK(h.near.receive(b).code() == return_code::deallocated_abend_svc);

    ends g;
    std::atomic<bool> inside{false};
    return_code said = return_code::ok;
    std::thread blocked{[&] {
        inside = true;
        buffer own;
        said = g.far.receive(own).code();
    }};
    // Whether it waits already or not: nothing is left untold.
    while (!inside) std::this_thread::yield();
    const int answer = clq_abandon(g.far.data());
    blocked.join();
    CHECK(answer == 0);
    CHECK((said == return_code::deallocated_abend || said == return_code::program_parameter_check));
    CHECK(g.near.cancel());
    CHECK(running::open() == 0);
}
TEST_SUITE_END();
