// Users of attaches, as programs and administrators meet them: the password file, a verifier of the program, mistakes
// that are counted, a log that never has a password, and a configuration that is read again.
#include <unistd.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "api/attempt_bound.hpp"
#include "api/colloquy/security.h"
#include "api/password_file.hpp"
#include "tests/api/program.hpp"
#include "tests/security/linux/log_lines.hpp"

namespace {

using namespace colloquy::test;
using colloquy::api::password_file;

struct verifier_guard {
    verifier_guard(clq_user_verifier f, void* user) { (void)clq_set_user_verifier(f, user); }
    ~verifier_guard() { (void)clq_set_user_verifier(nullptr, nullptr); }
    verifier_guard(const verifier_guard&) = delete;
    verifier_guard& operator=(const verifier_guard&) = delete;
};

void write_file(const std::string& path, std::string_view text) {
    {
        std::ofstream file{path, std::ios::binary | std::ios::trunc};
        file << text;
        REQUIRE(file.flush());
    }
    std::filesystem::permissions(path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

std::string line_of(std::string_view user, std::string_view password) {
    std::string error;
    const std::string line = password_file::make_line(user, password, error);
    REQUIRE(error.empty());
    return line + "\n";
}

// A logical unit with two users that serves VAULT to itself.
struct vault {
    std::string passwords = scratch_path("colloquy-users").string();
    log_lines log;
    collector all;
    talk a;

    vault() {
        static const std::string two = line_of("jane", "s3same") + line_of("joe", "p4ssw0rd!!");
        write_file(passwords, "# users\n\n" + two);
    }
    ~vault() {
        std::error_code ignored;
        std::filesystem::remove(passwords, ignored);
    }
    vault(const vault&) = delete;
    vault& operator=(const vault&) = delete;

    [[nodiscard]] std::string configuration(std::string_view more = {}, std::string_view top = {}) const {
        return "listen = [\"127.0.0.1:0\"]\n" + std::string{top} + "[limits]\nconversations = 64\nlinks = 16\n" +
               "[security]\npasswords = \"" + passwords + "\"\n" + std::string{more} + "[[tp]]\nname = \"VAULT\"\n";
    }
    void prepare(const std::string& where, std::string_view user, std::string_view password) {
        a.prepare(where);
        REQUIRE(a.set(cmscst, XC_SECURITY_PROGRAM) == CM_OK);
        const auto user_length = static_cast<CM_INT32>(user.size());
        const auto password_length = static_cast<CM_INT32>(password.size());
        REQUIRE(a.call(cmscsu, static_cast<const void*>(user.data()), &user_length) == CM_OK);
        REQUIRE(a.call(cmscsp, static_cast<const void*>(password.data()), &password_length) == CM_OK);
        REQUIRE(a.allocate() == CM_OK);
    }
    // What the caller is told; 18 when the program was reached and has ended the conversation.
    CM_INT32 visit(const std::string& where, std::string_view user, std::string_view password) {
        prepare(where, user, password);
        return a.receive().code;
    }
    // The program takes one visitor: his user and the kind of his security.
    std::string serve(CM_INT32& security) {
        talk b;
        b.accept(all);
        std::array<char, 10> user{};
        CM_INT32 length = 0;
        REQUIRE(b.call(cmecsu, static_cast<void*>(user.data()), &length) == CM_OK);
        REQUIRE(b.call(cmecst, &security) == CM_OK);
        CHECK(b.receive().status == CM_SEND_RECEIVED);
        CHECK(b.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
        return {user.data(), static_cast<std::size_t>(length)};
    }
    // A visit that is let in.
    void welcome(const std::string& where, std::string_view user, std::string_view password) {
        prepare(where, user, password);
        REQUIRE(a.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
        REQUIRE(a.prepare_to_receive() == CM_OK);
        CM_INT32 security = -1;
        CHECK(serve(security) == user);
        CHECK(security == XC_SECURITY_PROGRAM);
        CHECK(a.receive().code == CM_DEALLOCATED_NORMAL);
    }
};

}  // namespace

TEST_SUITE("security") {
    TEST_CASE("password file: who is known, who is not, and what will not do") {
        password_file file;
        std::string error;
        REQUIRE(file.parse("# comment\r\n\n" + line_of("jane", "s3same") + line_of("joe", "p4ss"), "users", error));
        CHECK(file.count() == 2);
        CHECK(file.matches("jane", "s3same"));
        CHECK(file.matches("joe", "p4ss"));
        CHECK_FALSE(file.matches("jane", "p4ss"));
        CHECK_FALSE(file.matches("jane", "S3same"));
        CHECK_FALSE(file.matches("jane", ""));
        CHECK_FALSE(file.matches("Jane", "s3same"));
        CHECK_FALSE(file.matches("nobody", "s3same"));
        // Two lines for one password differ: the salt is fresh.
        CHECK(line_of("jane", "s3same") != line_of("jane", "s3same"));

        const auto fault = [&](std::string_view text) {
            error.clear();
            CHECK_FALSE(file.parse(text, "users", error));
            return error;
        };
        CHECK(fault("jane\n").find("users:1: this is not USER:HASH") == 0);
        CHECK(fault("# x\ntoolongauser:$y$j9T$x$y\n").find("users:2: ") == 0);
        CHECK(fault("jane:secret\n").find("users:1: ") == 0);
        CHECK(fault("jane:$1$salt$qJH7.N4xYta3aEG/dfqo/0\n").find("too weak") != std::string::npos);  // MD5
        const std::string jane = line_of("jane", "s3same");
        CHECK(fault(jane + jane).find("users:2: this user is there twice") == 0);
        // What was known stays.
        CHECK(file.matches("joe", "p4ss"));

        CHECK(password_file::make_line("jane", "", error).empty());
        CHECK(password_file::make_line("jane:", "x", error).empty());
        CHECK(password_file::make_line("jane", "eleven char", error).empty());
    }

    TEST_CASE("password file: one that everybody can read is not taken") {
        const vault v;
        password_file file;
        std::string error;
        REQUIRE(file.load(v.passwords, error));
        using std::filesystem::perms;
        for (const perms p : {perms::others_read, perms::others_write}) {
            std::filesystem::permissions(v.passwords, perms::owner_read | perms::owner_write | p);
            CHECK_FALSE(file.load(v.passwords, error));
            CHECK(error.find("everybody") != std::string::npos);
        }
        CHECK_FALSE(file.load(v.passwords + ".none", error));
        CHECK(password_file::same_text("abc", "abc"));
        CHECK_FALSE(password_file::same_text("abc", "abd"));
        CHECK_FALSE(password_file::same_text("abc", "ab"));
    }

    TEST_CASE("mistakes are counted by peer, within a window, and many peers do not grow the table") {
        colloquy::api::attempt_bound bound{3, 100};
        CHECK_FALSE(bound.failed("a", 10));
        CHECK_FALSE(bound.failed("a", 20));
        CHECK_FALSE(bound.exceeded("a", 25));
        CHECK(bound.failed("a", 30));
        CHECK(bound.exceeded("a", 109));
        CHECK_FALSE(bound.exceeded("a", 110));
        CHECK_FALSE(bound.exceeded("b", 40));
        CHECK_FALSE(bound.failed("a", 111));  // a window of its own
        CHECK_FALSE(bound.exceeded("a", 112));
        for (std::size_t i = 0; i < 2 * colloquy::api::attempt_bound::peers_max; ++i)
            (void)bound.failed(std::to_string(i), 200 + i);
        CHECK_FALSE(bound.exceeded("a", 5'000));
    }

    TEST_CASE("a user with his password is let in, others are told 6, and the log has no password") {
        vault v;
        bool threads = true;
        bool tcp = true;
        bool local = false;
        std::string top;
        SUBCASE("over TCP") {}
        SUBCASE("over the local socket beside a port") { top = "local_links = true\n"; }
        SUBCASE("over a local socket") { local = true; }
        SUBCASE("in the process") { tcp = false; }
        SUBCASE("without a thread of the library's") { threads = false; }
        if (!threads) top = "threads = false\n";
        std::string text = v.configuration("attempts = 0\n", top);
        const std::string by_port = "127.0.0.1:0";
        if (local) text.replace(text.find(by_port), by_port.size(), "unix:@" + scratch_path("clq").string());
        const scratch_configuration file{text};
        const running_unit unit{file.options()};
        const std::string where = (tcp ? running_unit::address() : std::string{"inproc"}) + "/VAULT";
        v.welcome(where, "jane", "s3same");
        CHECK(v.visit(where, "jane", "hushhush") == CM_SECURITY_NOT_VALID);
        CHECK(v.visit(where, "nobody", "hushhush") == CM_SECURITY_NOT_VALID);
        CHECK(v.visit(where, "jane", "") == CM_SECURITY_NOT_VALID);
        const std::vector<std::string> lines = v.log.take();
        CHECK(has(lines, "user 'jane' of COLLOQUY.LOCAL at "));
        const bool by_user = local || (!top.empty() && threads);
        if (tcp) CHECK(has(lines, by_user ? " at unix:uid " + std::to_string(::geteuid()) + " " : " at 127.0.0.1:"));
        CHECK(has(lines, "user 'nobody' of COLLOQUY.LOCAL at "));
        CHECK(has(lines, "for TP 'VAULT' refused: user unknown or password wrong"));
        CHECK_FALSE(has(lines, "hushhush"));
        CHECK_FALSE(has(lines, "s3same"));
        // It goes on as before.
        v.welcome(where, "joe", "p4ssw0rd!!");
        CHECK(clq_counter("attaches_refused") >= 3);
    }

    TEST_CASE("a peer that is wrong too often is not asked about any more") {
        vault v;
        const scratch_configuration file{v.configuration("attempts = 3\nattempts_seconds = 3600\n")};
        const running_unit unit{file.options()};
        const std::string where = running_unit::address() + "/VAULT";
        for (int i = 0; i < 3; ++i) CHECK(v.visit(where, "jane", "wrong") == CM_SECURITY_NOT_VALID);
        CHECK(has(v.log.take(), "not asked about for up to 3600 s"));
        CHECK(v.visit(where, "jane", "s3same") == CM_SECURITY_NOT_VALID);
        CHECK(has(v.log.take(), "too many mistakes of this peer"));
        // Others are heard: links within the process are another peer.
        v.welcome("inproc/VAULT", "jane", "s3same");
    }

    TEST_CASE("a verifier of the program is asked instead, and may not know yet") {
        vault v;
        struct seen {
            std::string user, password, tp, partner;
            int encrypted = -1;
        } last;
        const verifier_guard mine{[](void* user, const clq_credentials* who) {
                                      auto& s = *static_cast<seen*>(user);
                                      s = {who->user, who->password, who->tp_name, who->partner_lu, who->encrypted};
                                      if (s.user == "thrower") throw 1;
                                      return s.user == "later" ? -1 : s.user == "ann" && s.password == "x" ? 1 : 0;
                                  },
                                  &last};
        const scratch_configuration file{v.configuration()};
        const running_unit unit{file.options()};
        const std::string where = running_unit::address() + "/VAULT";
        v.welcome(where, "ann", "x");
        CHECK(last.user == "ann");
        CHECK(last.password == "x");
        CHECK(last.tp == "VAULT");
        CHECK(last.partner == "COLLOQUY.LOCAL");
        CHECK(last.encrypted == 0);
        CHECK(v.visit(where, "jane", "s3same") == CM_SECURITY_NOT_VALID);
        CHECK(v.visit(where, "later", "y") == CM_TP_NOT_AVAILABLE_RETRY);
        CHECK(v.visit(where, "thrower", "y") == CM_TP_NOT_AVAILABLE_RETRY);
        (void)clq_set_user_verifier(nullptr, nullptr);
        v.welcome(where, "jane", "s3same");
    }

    TEST_CASE("checks that wait are bounded: the next caller is told to try again") {
        vault v;
        struct gate {
            std::mutex closed;
        } g;
        const verifier_guard mine{[](void* user, const clq_credentials*) {
                                      const std::lock_guard held{static_cast<gate*>(user)->closed};
                                      return 1;
                                  },
                                  &g};
        const scratch_configuration file{v.configuration("queue = 2\n")};
        const running_unit unit{file.options()};
        const std::string where = running_unit::address() + "/VAULT";
        serve_tp("VAULT");  // accepting does not block then
        std::array<talk, 6> callers;
        int refused = 0;
        {
            const std::lock_guard hold{g.closed};
            // One is being checked and two wait at most; who comes then is told so at once. Which of them it is depends
            // on when the first check begins.
            for (talk& c : callers) {
                std::swap(v.a, c);
                v.prepare(where, "ann", "x");
                std::swap(v.a, c);
                REQUIRE(c.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
                REQUIRE(c.prepare_to_receive() == CM_OK);
            }
            while (clq_counter("attaches_refused") < 3) CHECK(callers[0].receive_now().code == CM_UNSUCCESSFUL);
        }
        talk b;
        const auto next_visitor = [&] {
            CM_INT32 code = CM_OK;
            while ((code = b.accept()) == CM_OK) {
                CHECK(b.receive().status == CM_SEND_RECEIVED);
                CHECK(b.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
            }
            REQUIRE(code == CM_OPERATION_INCOMPLETE);
        };
        next_visitor();
        std::array<bool, callers.size()> answered{};
        while (std::count(answered.begin(), answered.end(), true) < std::ptrdiff_t{callers.size()}) {
            if (check_any().code == CM_OK) {
                CHECK(wait_any().result == CM_OK);
                CHECK(b.receive().status == CM_SEND_RECEIVED);
                CHECK(b.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
                next_visitor();
            }
            for (std::size_t n = 0; n < callers.size(); ++n) {
                const CM_INT32 code = answered[n] ? CM_UNSUCCESSFUL : callers[n].receive_now().code;
                if (code == CM_UNSUCCESSFUL) continue;
                answered[n] = true;
                if (code == CM_TP_NOT_AVAILABLE_RETRY)
                    ++refused;
                else
                    CHECK(code == CM_DEALLOCATED_NORMAL);
            }
        }
        CHECK(refused >= 3);
        CHECK(refused <= 4);
    }

    TEST_CASE("a user is required where the configuration says so") {
        vault v;
        const scratch_configuration file{v.configuration("required = true\n")};
        const running_unit unit{file.options()};
        const std::string where = running_unit::address() + "/VAULT";
        talk none;
        none.begin(where);
        CHECK(none.receive().code == CM_SECURITY_NOT_VALID);
        CHECK(has(v.log.take(), "it names no user, and one is required"));
        v.welcome(where, "jane", "s3same");
    }

    TEST_CASE("SAME: within this process a user goes along unchecked; from outside he is believed where trusted") {
        vault v;
        const scratch_configuration file{v.configuration("", "lu_name = \"NET.VAULT\"\n") +
                                         "[[partner]]\nname = \"NET.VAULT\"\naddresses = \"127.0.0.1:9\"\n"};
        const running_unit unit{file.options()};
        for (const bool tcp : {false, true}) {
            CAPTURE(tcp);
            v.a.prepare((tcp ? running_unit::address() : std::string{"inproc"}) + "/VAULT");
            const CM_INT32 four = 4;
            REQUIRE(v.a.set(cmscst, XC_SECURITY_SAME) == CM_OK);
            REQUIRE(v.a.call(cmscsu, static_cast<const void*>("jane"), &four) == CM_OK);
            REQUIRE(v.a.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
            REQUIRE(v.a.allocate() == CM_OK);
            REQUIRE(v.a.prepare_to_receive() == CM_OK);
            CM_INT32 security = -1;
            CHECK(v.serve(security) == (tcp ? "" : "jane"));
            CHECK(security == (tcp ? XC_SECURITY_NONE : XC_SECURITY_SAME));
            CHECK(v.a.receive().code == CM_DEALLOCATED_NORMAL);
        }
    }

    TEST_CASE("users are read again on request; a file that will not do changes nothing") {
        vault v;
        CHECK(clq_reload_security() == -1);
        CHECK(std::string{clq_last_error()} == "no logical unit runs");
        const scratch_configuration file{v.configuration("attempts = 0\n")};
        const running_unit unit{file.options()};
        const std::string where = running_unit::address() + "/VAULT";
        v.welcome(where, "jane", "s3same");
        write_file(v.passwords, line_of("eve", "n3w"));
        CHECK(v.visit(where, "eve", "n3w") == CM_SECURITY_NOT_VALID);
        CHECK(clq_reload_security() == 0);
        v.welcome(where, "eve", "n3w");
        CHECK(v.visit(where, "jane", "s3same") == CM_SECURITY_NOT_VALID);
        write_file(v.passwords, "nonsense");
        CHECK(clq_reload_security() == -1);
        CHECK(std::string{clq_last_error()}.find("security.passwords: ") == 0);
        v.welcome(where, "eve", "n3w");
    }

    TEST_CASE("a unit whose password file will not do does not start") {
        vault v;
        write_file(v.passwords, "jane:plain\n");
        const scratch_configuration file{v.configuration()};
        clq_options o = file.options();
        o.size = sizeof o;
        CHECK(clq_start(&o) == -1);
        CHECK(std::string{clq_last_error()}.find(v.passwords + ":1: ") != std::string::npos);
    }
}
