// Users and passwords: what an attach may bring on which link, what happens while its user is looked up, and who is
// told what when he is refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "tests/support/pair.hpp"

using namespace colloquy;
using colloquy::test::memory_unit;
using colloquy::test::pair;
using colloquy::test::program;
using runtime::characteristic;
using user_check = memory_unit::user_check;
using user_refusal = memory_unit::user_refusal;

namespace {

constexpr std::int32_t none = 0, same = 1, by_program = 2;
constexpr std::int32_t security_not_valid = 6, tp_not_available_retry = 11;

struct users {
    pair p;
    program a{p, p.a};
    program b{p, p.b};

    explicit users(const runtime::limits& bounds = pair::small()) : p{bounds, false} {
        (void)p.b.engine.tps().add("ECHO", 100);
    }
    void name(runtime::name_of which, std::string_view text) {
        CHECK(runtime::set_name(p.a.engine, p.a.c, a.id, which, text.data(), static_cast<std::int32_t>(text.size()))
                  .code == runtime::return_code::ok);
    }
    void begin(std::int32_t security, std::string_view user = {}, std::string_view password = {}) {
        REQUIRE(a.initialize("NET.B", "ECHO", 1) == 0);
        CHECK(a.set(characteristic::security_type, security) == 0);
        if (security != none) name(runtime::name_of::user_id, user);
        if (security == by_program) name(runtime::name_of::password, password);
        REQUIRE(a.allocate() == 0);
    }
    void settle_last(user_check verdict) {
        p.b.engine.settle_attach(p.b.c, p.b.questions.back().id, verdict);
        p.settle();
    }
    std::string user_at_b(std::int32_t& security) {
        char text[10];
        std::int32_t length = 0;
        (void)runtime::extract(p.b.engine, p.b.c, b.id, characteristic::security_type, security);
        (void)runtime::extract_name(p.b.engine, p.b.c, b.id, runtime::name_of::user_id, text, 10, length);
        return {text, static_cast<std::size_t>(length)};
    }
    void check_all_returned() {
        p.settle();
        CHECK(p.a.engine.inbound().reserved_bytes() == 0);
        CHECK(p.b.engine.inbound().reserved_bytes() == 0);
        for (memory_unit* u : {&p.a, &p.b})
            CHECK(u->engine.count().read(runtime::counter::conversations_opened) ==
                  u->engine.count().read(runtime::counter::conversations_closed));
        const auto* const tp = p.b.engine.tps().find("ECHO");
        CHECK(tp->waiting.load_relaxed() == 0);
    }
    // The rest of a conversation that was accepted: a record, its confirmation, the end.
    void talk() {
        const program::got got = b.receive();
        CHECK(got.text == "hello");
        CHECK(got.status == 2);
        CHECK(b.confirmed() == 0);
        p.settle();
        runtime::return_code code{};
        REQUIRE(p.a.engine.collect(p.a.c, a.id, code));
        CHECK(code == runtime::return_code::ok);
        CHECK(a.cancel() == 0);
        p.settle();
        CHECK(b.receive().code == 30);
        check_all_returned();
    }
    // a sends a record and asks to confirm it, which waits.
    void send_and_ask() {
        CHECK(a.send("hello") == 0);
        CHECK(runtime::confirm(p.a.engine, p.a.c, a.id, &a.rts, nullptr).must_wait);
        p.settle();
    }
};

}  // namespace

TEST_SUITE("users") {
    TEST_CASE("an attach waits for its verdict, and what follows it waits with it") {
        users t;
        t.p.b.verdict = user_check::pending;
        bool accepts_first = false;
        SUBCASE("accepted when it is known") {}
        SUBCASE("the accept waits already") { accepts_first = true; }
        runtime::outcome waiting{};
        if (accepts_first) waiting = runtime::accept(t.p.b.engine, t.p.b.c, true, nullptr);
        t.begin(by_program, "jane", "open-sesam");
        t.send_and_ask();
        REQUIRE(t.p.b.questions.size() == 1);
        CHECK(t.p.b.questions[0].user == "jane");
        CHECK(t.p.b.questions[0].password == "open-sesam");
        // Nobody can accept it before.
        if (accepts_first)
            CHECK_FALSE(t.p.b.engine.finished(waiting.id));
        else
            CHECK(t.p.b.engine.take_attached(t.p.b.c) == nullptr);
        t.settle_last(user_check::granted);
        if (accepts_first) {
            runtime::return_code code{};
            REQUIRE(t.p.b.engine.collect(t.p.b.c, waiting.id, code));
            CHECK(code == runtime::return_code::ok);
            t.b.id = waiting.id;
        } else {
            REQUIRE(t.b.accept() == 0);
        }
        std::int32_t security = -1;
        CHECK(t.user_at_b(security) == "jane");
        CHECK(security == by_program);
        t.talk();
    }

    TEST_CASE("a user who is refused, now or later: 6 at the caller, and nothing is left") {
        users t;
        std::int32_t told = security_not_valid;
        user_check later = user_check::refused;
        bool at_once = false;
        SUBCASE("at once") { at_once = true; }
        SUBCASE("later") {}
        SUBCASE("at once, because nobody can look it up now") {
            at_once = true;
            later = user_check::busy;
            told = tp_not_available_retry;
        }
        SUBCASE("later, because nobody could look it up") {
            later = user_check::busy;
            told = tp_not_available_retry;
        }
        t.p.b.verdict = at_once ? later : user_check::pending;
        t.begin(by_program, "jane", "wrong");
        t.send_and_ask();
        if (!at_once) t.settle_last(later);
        runtime::return_code code{};
        REQUIRE(t.p.a.engine.collect(t.p.a.c, t.a.id, code));
        CHECK(static_cast<std::int32_t>(code) == told);
        CHECK(t.p.b.engine.take_attached(t.p.b.c) == nullptr);
        CHECK(t.p.b.engine.count().read(runtime::counter::attaches_refused) == 1);
        t.check_all_returned();
    }

    TEST_CASE("a verdict that comes when the caller, the link or everything has gone") {
        users t;
        t.p.b.verdict = user_check::pending;
        t.begin(by_program, "jane", "open-sesam");
        t.send_and_ask();
        user_check verdict = user_check::granted;
        bool everything = false;
        SUBCASE("the caller") {
            CHECK(t.a.cancel() == 0);
            verdict = user_check::refused;
        }
        SUBCASE("the caller, but the program hears of it") { CHECK(t.a.cancel() == 0); }
        SUBCASE("the link") {
            t.p.a.cut();
            t.p.b.cut();
        }
        SUBCASE("everything") {
            runtime::end_all(t.p.b.engine, t.p.b.c);
            everything = true;
        }
        t.p.settle();
        runtime::return_code code{};
        REQUIRE(t.p.a.engine.collect(t.p.a.c, t.a.id, code));
        CHECK(code != runtime::return_code::ok);
        t.settle_last(verdict);
        if (everything || verdict == user_check::refused) {
            CHECK(t.p.b.engine.take_attached(t.p.b.c) == nullptr);
        } else {
            REQUIRE(t.b.accept() == 0);
            CHECK(t.b.receive().text == "hello");
            CHECK(t.b.cancel() == 0);
        }
        if (!everything) t.check_all_returned();  // in the end of everything the queue is not counted any more
    }

    TEST_CASE("no user, no question; unless a user is required") {
        users open;
        open.begin(none);
        CHECK(open.a.send("hello") == 0);
        CHECK(open.a.flush() == 0);
        open.p.settle();
        REQUIRE(open.b.accept() == 0);
        std::int32_t security = -1;
        CHECK(open.user_at_b(security).empty());
        CHECK(security == none);
        CHECK(open.p.b.questions.empty());

        runtime::limits bounds = pair::small();
        bounds.users_required = true;
        users strict{bounds};
        strict.begin(none);
        CHECK(strict.a.confirm() == security_not_valid);
        REQUIRE(strict.p.b.questions.size() == 1);
        CHECK(strict.p.b.questions[0].user.empty());
    }

    TEST_CASE("passwords do not leave for a link that others can read, and are not taken from one") {
        users t;
        t.p.a.confidential = false;
        SUBCASE("the caller keeps it to itself") {
            t.begin(by_program, "jane", "open-sesam");
            CHECK(t.a.confirm() == security_not_valid);
            CHECK(t.p.b.engine.count().read(runtime::counter::attaches_received) == 0);
            t.begin(by_program, "jane", "open-sesam");
            CHECK(t.a.send("hello") == security_not_valid);
            t.begin(by_program, "jane", "open-sesam");
            CHECK(t.a.receive().code == security_not_valid);
            t.begin(by_program, "jane", "open-sesam");
            CHECK(t.a.deallocate() == security_not_valid);
            t.begin(by_program, "jane", "open-sesam");
            CHECK(t.a.cancel() == 0);
            t.check_all_returned();
        }
        SUBCASE("the partner refuses what was sent all the same") {
            const_cast<runtime::limits&>(t.p.a.engine.bounds()).users_in_clear = true;
            t.p.b.verdict = user_check::granted;
            t.begin(by_program, "jane", "open-sesam");
            CHECK(t.a.confirm() == security_not_valid);
            CHECK(t.p.b.questions.empty());
            CHECK(t.p.b.refusals == std::vector{user_refusal::in_clear});
            t.check_all_returned();
        }
        SUBCASE("both allow it") {
            runtime::limits bounds = pair::small();
            bounds.users_in_clear = true;
            users open{bounds};
            open.p.a.confidential = false;
            open.p.b.verdict = user_check::granted;
            open.begin(by_program, "jane", "open-sesam");
            open.send_and_ask();
            REQUIRE(open.b.accept() == 0);
            open.talk();
        }
    }

    TEST_CASE("SAME: the user goes along where he is believed, without a password, and nowhere else") {
        users t;
        std::int32_t security = -1;
        SUBCASE("believed") {
            t.p.b.trusting = true;
            t.begin(same, "jane");
            t.send_and_ask();
            REQUIRE(t.b.accept() == 0);
            CHECK(t.user_at_b(security) == "jane");
            CHECK(security == same);
            CHECK(t.p.b.questions.empty());
            t.talk();
        }
        SUBCASE("not believed: as without a user") {
            t.begin(same, "jane");
            t.send_and_ask();
            REQUIRE(t.b.accept() == 0);
            CHECK(t.user_at_b(security).empty());
            CHECK(security == none);
            t.talk();
        }
        SUBCASE("a partner who sends it unasked is refused") {
            t.p.b.trusting = true;
            t.begin(none);
            CHECK(t.a.flush() == 0);
            t.p.settle();
            REQUIRE(t.b.accept() == 0);
            for (auto& end : t.p.b.ends_)
                if (end.session != nullptr) end.session->takes_users = false;
            t.begin(same, "jane");
            CHECK(t.a.confirm() == security_not_valid);
            CHECK(t.p.b.refusals == std::vector{user_refusal::not_trusted});
        }
    }

    TEST_CASE("a partner whose name is not welcome is refused with the reason") {
        users t;
        t.p.b.welcome = wire::reason::name;
        REQUIRE(t.a.initialize("NET.B", "ECHO") == 0);
        CHECK(t.a.allocate() != 0);
        CHECK(t.p.a.last_reason == wire::reason::name);
        CHECK(t.p.b.last_reason == wire::reason::name);
    }

    TEST_CASE("what held a password is overwritten") {
        users t;
        t.p.b.verdict = user_check::pending;
        const std::string secret = "k3pt-" + std::to_string(10'000 + reinterpret_cast<std::uintptr_t>(&t) % 90'000);
        REQUIRE(secret.size() == 10);
        std::string ebcdic;  // as it travels
        for (const char ch : secret) {
            const auto c = static_cast<unsigned char>(ch);
            ebcdic += static_cast<char>(c >= '0' && c <= '9' ? 0xF0 + (c - '0')
                                        : c == 'k'           ? 0x92
                                        : c == 'p'           ? 0x97
                                        : c == 't'           ? 0xA3
                                                             : 0x60);
        }
        const auto hidden_in = [&](const void* memory, std::size_t size) {
            const std::string_view all{static_cast<const char*>(memory), size};
            return all.find(secret) == all.npos && all.find(ebcdic) == all.npos;
        };
        t.begin(by_program, "jane", secret);
        // A read that ends within the attach, and one that brings the rest of it.
        CHECK(t.a.flush() == 0);
        t.p.a.pump();
        auto& in = t.p.b.ends_.at(0).in;
        REQUIRE(in.size() > 20);
        const std::vector<std::byte> later(in.end() - 1, in.end());
        in.pop_back();
        t.p.b.pump();
        CHECK(hidden_in(t.p.b.scratch().data(), t.p.b.scratch().size()));
        in.insert(in.end(), later.begin(), later.end());
        t.send_and_ask();
        REQUIRE(t.p.b.questions.at(0).password == secret);
        t.settle_last(user_check::granted);
        REQUIRE(t.b.accept() == 0);
        t.talk();
        for (memory_unit* u : {&t.p.a, &t.p.b}) {
            CHECK(hidden_in(u->scratch().data(), u->scratch().size()));
            for (std::uint32_t i = 0; i < 4; ++i) {
                CHECK(hidden_in(&u->engine.names()[i], sizeof(runtime::particulars)));
                // Buffers that are free keep what was in them.
                runtime::buffer* const cell = u->engine.outbound_pool().allocate(100, 0);
                REQUIRE(cell != nullptr);
                CHECK(hidden_in(cell->bytes(), cell->capacity));
            }
            runtime::buffer* const bulk = u->engine.outbound_pool().allocate(65'536, 0);
            REQUIRE(bulk != nullptr);
            CHECK(hidden_in(bulk->bytes(), bulk->capacity));
        }
    }
}
