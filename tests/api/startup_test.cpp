// Beginning and end of the library: WinCPICStartup and WinCPICCleanup, clq_start and clq_stop, and what is said when
// it cannot be started.
#include <doctest/doctest.h>

#include <algorithm>
#include <thread>

#include "api/wincpic.h"
#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

// The environment names no configuration, or this one, while it lives.
class configured {
public:
    explicit configured(const char* path) {
        REQUIRE(clq_stop(2'000) == 0);
        set_variable("COLLOQUY_CONFIG", path);
    }
    ~configured() {
        set_variable("COLLOQUY_CONFIG", nullptr);
        while (WinCPICCleanup() != 0) {
        }
        (void)clq_stop(2'000);
    }
    configured(const configured&) = delete;
    configured& operator=(const configured&) = delete;
};

// Why clq_start refuses; one line.
std::string refusal(clq_options o) {
    o.size = sizeof o;
    if (o.config_file == nullptr) o.config_file = "";
    REQUIRE(clq_start(&o) != 0);
    std::string text = clq_last_error();
    CHECK(text != "");
    CHECK(text.find('\n') == std::string::npos);
    return text;
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("startup: versions are compared as major and minor") {
        const scratch_configuration file{"lu_name = \"NET.START\"\n[limits]\nconversations = 64\nlinks = 16\n"};
        const configured environment{file.path().c_str()};
        constexpr unsigned short highest = 0x0002;
        // The lowest supported is 1.0: whatever is asked for above succeeds and is told the highest.
        for (const int word : {0x0001, 0x0101, 0x0501, 0x0002, 0x0102, 0x0003, 0xFF01, 0x00FF}) {
            const auto required = static_cast<unsigned short>(word);
            CAPTURE(required);
            WCPICDATA data;
            std::memset(&data, 0xEE, sizeof data);
            CHECK(WinCPICStartup(required, &data) == 0);
            CHECK(data.wVersion == highest);
            CHECK(std::memchr(data.szDescription, '\0', sizeof data.szDescription) != nullptr);
            CHECK(std::strlen(data.szDescription) > 0);
            CHECK(WinCPICCleanup() != 0);
        }
        // No version at all, and nothing is written then.
        for (const int word : {0x0000, 0x0100, 0xFF00}) {
            const auto required = static_cast<unsigned short>(word);
            WCPICDATA data;
            std::memset(&data, 0xEE, sizeof data);
            CHECK(WinCPICStartup(required, &data) == WCPICVERNOTSUPPORTED);
            CHECK(data.wVersion == 0xEEEE);
        }
        CHECK(WinCPICStartup(0x0001, nullptr) == 0);
        CHECK(WinCPICCleanup() != 0);
        CHECK(WinCPICCleanup() == 0);
    }

    TEST_CASE("startup: registrations nest, and the last cleanup ends what is left") {
        const scratch_configuration file{"lu_name = \"NET.START\"\n[limits]\nconversations = 64\nlinks = 16\n"};
        const configured environment{file.path().c_str()};
        CHECK(WinCPICStartup(0x0001, nullptr) == 0);
        CHECK(WinCPICStartup(0x0001, nullptr) == 0);
        talk t, waiting;
        REQUIRE(t.init() == CM_OK);
        serve_tp("TP");
        REQUIRE(waiting.accept() == CM_OPERATION_INCOMPLETE);
        CHECK(WinCPICCleanup() != 0);
        CHECK(t.state() == CM_INITIALIZE_STATE);
        completion told;
        std::thread waiter{[&] { told = wait_any(); }};
        CHECK(WinCPICCleanup() != 0);
        waiter.join();
        // It was told of the cancelled Accept, or that nothing is outstanding if it had not begun to wait.
        CHECK((told.code == CM_PROGRAM_STATE_CHECK || (told.code == CM_OK && told.result == CM_DEALLOCATED_ABEND)));
        CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(waiting.cancel() == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(WinCPICCleanup() == 0);
        // And again from the beginning: names are forgotten.
        CHECK(WinCPICStartup(0x0001, nullptr) == 0);
        talk again;
        CHECK(again.accept() == CM_PROGRAM_STATE_CHECK);
        CHECK(again.init() == CM_OK);
        CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);
        CHECK(WinCPICCleanup() != 0);
    }

    TEST_CASE("startup: what cannot be read is said with file and line") {
        const scratch_configuration file{"lu_name = \"NET.START\"\nlisten = \"nowhere\"\nlimit = 3\n"};
        clq_options o = file.options();
        const std::string text = refusal(o);
        CAPTURE(text);
        CHECK(text.starts_with(file.path() + ":2:"));
        {
            const configured environment{file.path().c_str()};
            WCPICDATA data;
            std::memset(&data, 0xEE, sizeof data);
            CHECK(WinCPICStartup(0x0001, &data) == WCPICSYSNOTREADY);
            CHECK(data.wVersion == 0xEEEE);
            CHECK(WinCPICCleanup() == 0);
            CHECK(std::string{clq_last_error()} == text);
            talk t;
            CHECK(t.init() == CM_PRODUCT_SPECIFIC_ERROR);
            CHECK(std::string{clq_last_error()} == text);
            CHECK(t.accept() == CM_PRODUCT_SPECIFIC_ERROR);
            CM_INT32 rc = -1;
            const CM_INT32 two = 2;
            cmsltp("TP", &two, &rc);
            CHECK(rc == CM_PRODUCT_SPECIFIC_ERROR);
        }
        o.config_file = "/nowhere/colloquy.toml";
        CHECK(refusal(o).starts_with("/nowhere/colloquy.toml:1:"));
        o.config_file = "/";
        CHECK(refusal(o).find("directory") != std::string::npos);
        const scratch_configuration no_toml{"lu_name = \n"};
        CHECK(refusal(no_toml.options()).starts_with(no_toml.path() + ":1:"));
    }

    TEST_CASE("startup: options that will not do") {
        REQUIRE(clq_stop(2'000) == 0);
        clq_options o{};
        o.lu_name = "lower.case";
        CHECK(refusal(o).find("lower.case") != std::string::npos);
        o = {};
        for (const char* listen : {"127.0.0.1:99999", "127.0.0.1:0,,127.0.0.1:0", "256.1.1.1:0", "[::1:0"}) {
            CAPTURE(std::string{listen});
            o.listen = listen;
            (void)refusal(o);
        }
        o = {};
        o.conversations = 16'777'217;
        CHECK(refusal(o).find("conversations") != std::string::npos);
        o = {};
        o.links = 65'536;
        CHECK(refusal(o).find("links") != std::string::npos);
        o = {};
        o.reactors = 2;
        o.no_threads = 1;
        CHECK(refusal(o).find("threads") != std::string::npos);
        // A size that is no size.
        o = {};
        o.config_file = "";
        CHECK(clq_start(&o) != 0);
        CHECK(std::string{clq_last_error()}.find("size") != std::string::npos);
        // A port that is taken; and a unit that runs.
        {
            const running_unit unit{listening_options()};
            o = {};
            CHECK(refusal(o).find("running") != std::string::npos);
        }
        // Nothing was left behind by all that.
        const running_unit unit{listening_options()};
        CHECK(running_unit::address().starts_with("127.0.0.1:"));
    }

    TEST_CASE("startup: names in the options are served before any call names them") {
        clq_options o{};
        o.tp_names = " ONE OTHER  ONE";
        {
            const running_unit unit{o};
            for (const char* name : {"ONE", "OTHER"}) {
                talk ours, theirs;
                ours.begin(std::string{"inproc/"} + name);
                REQUIRE(ours.send("first", CM_SEND_AND_FLUSH) == CM_OK);
                collector all;
                theirs.accept(all);
                CHECK(theirs.receive().text == "first");
                CHECK(ours.cancel() == CM_OK);
                CHECK(theirs.cancel() == CM_OK);
            }
            talk unknown;
            unknown.begin("inproc/ANOTHER");
            CHECK(unknown.flush() == CM_OK);
            (void)unknown.prepare_to_receive();
            CHECK(unknown.receive().code == CM_TPN_NOT_RECOGNIZED);
        }
        const std::string longest(64, 'N'), longer(65, 'N');
        o.tp_names = longer.c_str();
        CHECK(refusal(o).find(longer) != std::string::npos);
        o.tp_names = longest.c_str();
        const running_unit unit{o};
    }

    TEST_CASE("startup: the bound that the configuration gives a name holds when the program names it itself") {
        const scratch_configuration file{
            "[limits]\nconversations = 64\nlinks = 16\n[[tp]]\nname = \"TP\"\nqueue_max = 2\n"};
        const running_unit unit{file.options()};
        serve_tp("TP");
        std::array<talk, 3> callers;
        for (talk& t : callers) {
            t.begin("inproc/TP");
            CHECK(t.send("hello", CM_SEND_AND_FLUSH) == CM_OK);
        }
        CHECK(callers[2].receive().code == CM_TP_NOT_AVAILABLE_RETRY);
        // The two that wait are taken.
        for (int i = 0; i < 2; ++i) {
            talk taken;
            REQUIRE(taken.accept() == CM_OK);
            CHECK(taken.receive().text == "hello");
            CHECK(taken.cancel() == CM_OK);
        }
    }

    TEST_CASE("startup: it can be started and stopped again and again, with everything going on") {
        for (int i = 0; i < 20; ++i) {
            clq_options o = listening_options();
            o.reactors = i % 3 == 2 ? 2U : 0U;
            const running_unit unit{o};
            serve_tp("TP");
            talk a, waiting;
            REQUIRE(waiting.accept() == CM_OPERATION_INCOMPLETE);
            a.begin((i % 2 == 0 ? running_unit::address() : std::string{"inproc"}) + "/TP");
            CHECK(a.send("hello", CM_SEND_AND_FLUSH) == CM_OK);
            if (i % 4 < 2) {
                const completion c = wait_any();
                CHECK(c.result == CM_OK);
                CHECK(waiting.receive().text == "hello");
            }
            CM_INT32 code = -1;
            std::thread blocked{[&] { code = a.receive().code; }};
            if (i % 5 != 0)
                CHECK(clq_stop(2'000) == 0);
            else
                (void)a.cancel();
            blocked.join();
            CAPTURE(code);
            CHECK((code == CM_DEALLOCATED_ABEND || code == CM_PROGRAM_PARAMETER_CHECK ||
                   code == CM_OPERATION_NOT_ACCEPTED || code == CM_DEALLOCATED_ABEND_SVC));
        }
    }
}
