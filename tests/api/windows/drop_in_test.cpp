// A program that is linked with the drop-in's import library, and just exits: its partner hears all it said.
#ifdef COLLOQUY_LINKED_PROGRAM
#include "tests/api/program.hpp"

using namespace colloquy::test;

TEST_SUITE("api") {
    TEST_CASE("drop-in: a program linked with WCPIC32 loses nothing when it exits") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        collector all;
        const scratch_configuration file{
            "lu_name = \"NET.LINKED\"\n[[partner]]\nname = \"NET.SERVER\"\naddresses = \"" + running_unit::address() +
            "\"\n[[side_information]]\nname = \"SERVER\"\npartner_lu = \"NET.SERVER\"\n"
            "tp_name = \"TP\"\nmode = \"#INTER\"\n"};
        set_variable("COLLOQUY_CONFIG", file.path().c_str());
        for (int i = 0; i < 10; ++i) {
            CAPTURE(i);
            const std::string text =
                "record " + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 900, 'x');
            process p = run_program(COLLOQUY_LINKED_PROGRAM, {text});
            REQUIRE(p.handle != 0);
            talk t;
            t.accept(all);
            received r = t.receive();
            CHECK((r.text == text));
            if (r.code == CM_OK) r = t.receive();
            CHECK(r.code == CM_DEALLOCATED_NORMAL);
            CHECK(wait_process(p) == 0);
        }
        set_variable("COLLOQUY_CONFIG", nullptr);
    }
}
#endif
