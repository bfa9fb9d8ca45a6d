// Bad parameters of every call: null pointers, lengths and values out of range, identifications of nobody. The
// reference's codes exactly, and a state that does not change.
#include <doctest/doctest.h>

#include <climits>
#include <functional>
#include <vector>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

// Any call that names a conversation, with good parameters besides.
struct named_call {
    std::string name;
    std::function<CM_INT32(const void* id)> with;
};

template <class Call, class... Arguments>
CM_INT32 run(Call f, const void* id, Arguments... arguments) {
    CM_INT32 rc = -1;
    f(id, arguments..., &rc);
    return rc;
}

std::vector<named_call> all_calls() {
    static CM_INT32 number = 0;
    static CM_INT32 length = 4;
    static std::array<CM_INT32, 4> out{};
    static std::array<char, 128> text{'T', 'E', 'X', 'T'};
    static const void* const in = "TEXT";
    static void* const to = text.data();
    static const CM_INT32* const zero = &number;
    static const CM_INT32* const size = &length;
    std::vector<named_call> calls{
        {"cmallc", [](const void* id) { return run(cmallc, id); }},
        {"cmsend", [](const void* id) { return run(cmsend, id, in, size, out.data()); }},
        {"cmrcv", [](const void* id) { return run(cmrcv, id, to, size, &out[0], &out[1], &out[2], &out[3]); }},
        {"cmdeal", [](const void* id) { return run(cmdeal, id); }},
        {"cmcfm", [](const void* id) { return run(cmcfm, id, out.data()); }},
        {"cmcfmd", [](const void* id) { return run(cmcfmd, id); }},
        {"cmflus", [](const void* id) { return run(cmflus, id); }},
        {"cmptr", [](const void* id) { return run(cmptr, id); }},
        {"cmrts", [](const void* id) { return run(cmrts, id); }},
        {"cmserr", [](const void* id) { return run(cmserr, id, out.data()); }},
        {"cmtrts", [](const void* id) { return run(cmtrts, id, out.data()); }},
        {"cmcanc", [](const void* id) { return run(cmcanc, id); }},
        {"cmsld", [](const void* id) { return run(cmsld, id, in, size); }},
        {"cmecs", [](const void* id) { return run(cmecs, id, out.data()); }},
        {"cmect", [](const void* id) { return run(cmect, id, out.data()); }},
        {"cmesl", [](const void* id) { return run(cmesl, id, out.data()); }},
        {"cmecst", [](const void* id) { return run(cmecst, id, out.data()); }},
        {"xcecst", [](const void* id) { return run(xcecst, id, out.data()); }},
        {"cmemn", [](const void* id) { return run(cmemn, id, to, out.data()); }},
        {"cmepln", [](const void* id) { return run(cmepln, id, to, out.data()); }},
        {"cmetpn", [](const void* id) { return run(cmetpn, id, to, out.data()); }},
        {"cmecsu", [](const void* id) { return run(cmecsu, id, to, out.data()); }},
        {"xcecsu", [](const void* id) { return run(xcecsu, id, to, out.data()); }},
        {"cmesui", [](const void* id) { return run(cmesui, id, to, out.data()); }},
        {"cmectx", [](const void* id) { return run(cmectx, id, to, out.data()); }},
        {"xceti", [](const void* id) { return run(xceti, id, to); }},
        {"cmacci", [](const void* id) { return run(cmacci, id); }},
        {"cmesrm", [](const void* id) { return run(cmesrm, id, out.data()); }},
        {"cmssrm", [](const void* id) { return run(cmssrm, id, zero); }},
        {"cmsndx", [](const void* id) { return run(cmsndx, id, in, size, out.data()); }},
        {"cmrcvx", [](const void* id) { return run(cmrcvx, id, to, size, &out[0], &out[1], zero); }},
        {"clq_set_destination",
         [](const void* id) {
             CM_INT32 rc = -1;
             clq_set_destination(id, "inproc/TP", &rc);
             return rc;
         }},
    };
    using set_call = void (*)(const void*, const CM_INT32*, CM_INT32*);
    const std::vector<std::pair<const char*, set_call>> sets{{"cmspm", cmspm}, {"cmsct", cmsct},   {"cmssl", cmssl},
                                                             {"cmsrc", cmsrc}, {"cmsdt", cmsdt},   {"cmsed", cmsed},
                                                             {"cmsf", cmsf},   {"cmsptr", cmsptr}, {"cmsrt", cmsrt},
                                                             {"cmsst", cmsst}, {"cmscst", cmscst}, {"xcscst", xcscst}};
    for (const auto& [name, f] : sets) calls.push_back({name, [f = f](const void* id) { return run(f, id, zero); }});
    using name_call = void (*)(const void*, const void*, const CM_INT32*, CM_INT32*);
    const std::vector<std::pair<const char*, name_call>> names{
        {"cmsmn", cmsmn},   {"cmspln", cmspln}, {"cmstpn", cmstpn}, {"cmscsu", cmscsu},
        {"xcscsu", xcscsu}, {"cmscsp", cmscsp}, {"xcscsp", xcscsp}};
    for (const auto& [name, f] : names)
        calls.push_back({name, [f = f](const void* id) { return run(f, id, in, size); }});
    return calls;
}

void refused_everywhere(const void* id) {
    for (const named_call& c : all_calls()) {
        CAPTURE(c.name);
        CHECK(c.with(id) == CM_PROGRAM_PARAMETER_CHECK);
    }
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("parameters: identifications of nobody are 24, whatever they say") {
        const running_unit unit;
        refused_everywhere(nullptr);
        refused_everywhere(id_bytes{}.data());
        id_bytes bytes;
        bytes.fill(0xFF);
        refused_everywhere(bytes.data());
        for (unsigned char i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(0xA0 + i);
        refused_everywhere(bytes.data());

        talk open, closed;
        REQUIRE(open.init() == CM_OK);
        REQUIRE(closed.init() == CM_OK);
        REQUIRE(closed.cancel() == CM_OK);
        refused_everywhere(closed.id.data());
        // Everything near: the next lives of the same slot, other slots, other generations.
        for (const talk* t : {&open, &closed})
            for (std::size_t byte = 0; byte < 8; ++byte)
                for (const int step : {1, 2, -1, 0x80}) {
                    id_bytes near = t->id;
                    near[byte] = static_cast<unsigned char>(near[byte] + step);
                    if (near == open.id) continue;
                    CAPTURE(byte);
                    CAPTURE(step);
                    refused_everywhere(near.data());
                }
        CHECK(open.state() == CM_INITIALIZE_STATE);
        CHECK(open.cancel() == CM_OK);
        refused_everywhere(open.id.data());
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("parameters: calls on conversations before anything is started are 24, and start nothing") {
        REQUIRE(clq_stop(0) == 0);
        id_bytes id;
        id.fill(7);
        refused_everywhere(id.data());
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);
        CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
        std::array<char, 8> text{};
        CHECK(clq_listening(0, text.data(), text.size()) == -1);
        CHECK(clq_counter("verbs") == 0);
    }

    TEST_CASE("parameters: a null return code is survived") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        CM_INT32 n = 0;
        char text[64] = "x";
        cminit(t.id.data(), "        ", nullptr);
        cmaccp(t.id.data(), nullptr);
        cmallc(t.id.data(), nullptr);
        cmsend(t.id.data(), text, &n, &n, nullptr);
        cmrcv(t.id.data(), text, &n, &n, &n, &n, &n, nullptr);
        cmdeal(t.id.data(), nullptr);
        cmcanc(t.id.data(), nullptr);
        cmwait(t.id.data(), &n, nullptr);
        cmchck(t.id.data(), &n, nullptr);
        cmecs(t.id.data(), &n, nullptr);
        cmsmn(t.id.data(), text, &n, nullptr);
        cmsltp("TP", &n, nullptr);
        cmrltp("TP", &n, nullptr);
        cmsld(t.id.data(), text, &n, nullptr);
        clq_set_destination(t.id.data(), "inproc/TP", nullptr);
        xcmssi(text, nullptr, nullptr, nullptr);
        xcmesi(nullptr, text, nullptr, nullptr, nullptr);
        xcmdsi(text, text, nullptr);
        CHECK(t.state() == CM_INITIALIZE_STATE);
    }

    TEST_CASE("parameters: calls without a conversation refuse null pointers") {
        const running_unit unit;
        CM_INT32 rc = -1;
        CM_INT32 n = 2;
        id_bytes id{};
        cminit(nullptr, "        ", &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cminit(id.data(), nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cminit(id.data(), "NOBODY  ", &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmaccp(nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmwait(nullptr, &n, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmwait(id.data(), nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmchck(nullptr, &n, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmchck(id.data(), nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmsltp(nullptr, &n, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmsltp("TP", nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmrltp(nullptr, &n, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmrltp("TP", nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("parameters: names of local TPs") {
        const running_unit unit;
        const auto specify = [](const char* name, CM_INT32 length) {
            CM_INT32 rc = -1;
            cmsltp(name, &length, &rc);
            return rc;
        };
        const auto release = [](const char* name, CM_INT32 length) {
            CM_INT32 rc = -1;
            cmrltp(name, &length, &rc);
            return rc;
        };
        // Nobody has named a TP: no attach can come.
        talk t;
        CHECK(t.accept() == CM_PROGRAM_STATE_CHECK);
        const std::string longest(64, 'N');
        const std::string longer(65, 'N');
        CHECK(specify("TP", 0) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(specify("TP", -1) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(specify(longer.c_str(), 65) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(specify("T P", 3) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(specify("\x06TP", 3) == CM_PROGRAM_PARAMETER_CHECK);  // service TPs are not for programs
        CHECK(t.accept() == CM_PROGRAM_STATE_CHECK);
        CHECK(release("TP", 2) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(specify("TP", 2) == CM_OK);
        CHECK(specify("TP", 2) == CM_OK);
        CHECK(specify(longest.c_str(), 64) == CM_OK);
        CHECK(release("TP", 2) == CM_OK);
        CHECK(release("TP", 2) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(release("TP", 65) == CM_PROGRAM_PARAMETER_CHECK);
        // From now on Accept does not block.
        CHECK(t.accept() == CM_OPERATION_INCOMPLETE);
        CHECK(t.cancel() == CM_OK);
    }

    TEST_CASE("parameters: the characteristics that a number sets") {
        const running_unit unit;
        struct bounds {
            std::string name;
            void (*set)(const void*, const CM_INT32*, CM_INT32*);
            CM_INT32 most;
        };
        const std::vector<bounds> all{{"cmssl", cmssl, CM_CONFIRM},
                                      {"cmsrc", cmsrc, CM_IMMEDIATE},
                                      {"cmscst", cmscst, XC_SECURITY_PROGRAM},
                                      {"xcscst", xcscst, XC_SECURITY_PROGRAM},
                                      {"cmsdt", cmsdt, CM_DEALLOCATE_ABEND},
                                      {"cmsed", cmsed, CM_SEND_ERROR},
                                      {"cmsptr", cmsptr, CM_PREP_TO_RECEIVE_CONFIRM},
                                      {"cmspm", cmspm, CM_NON_BLOCKING},
                                      {"cmsrt", cmsrt, CM_RECEIVE_IMMEDIATE},
                                      {"cmsst", cmsst, CM_SEND_AND_DEALLOCATE}};
        talk t;
        REQUIRE(t.init() == CM_OK);
        REQUIRE(t.set(cmssl, CM_CONFIRM) == CM_OK);
        for (const bounds& b : all) {
            CAPTURE(b.name);
            for (const CM_INT32 bad : std::initializer_list<CM_INT32>{-1, b.most + 1, INT32_MAX, INT32_MIN, 256})
                CHECK(t.set(b.set, bad) == CM_PROGRAM_PARAMETER_CHECK);
            for (CM_INT32 good = 0; good <= b.most; ++good) {
                if (b.set == cmssl && good == CM_NONE) continue;  // other characteristics may need the level
                CHECK(t.set(b.set, good) == CM_OK);
            }
            CM_INT32 rc = -1;
            b.set(t.id.data(), nullptr, &rc);
            CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        }
        // What was set last asks for confirmation, so the level cannot be taken back; a failed call changes nothing.
        CHECK(t.set(cmsst, CM_SEND_AND_CONFIRM) == CM_OK);
        CHECK(t.set(cmssl, CM_NONE) == CM_PROGRAM_PARAMETER_CHECK);
        CM_INT32 level = -1;
        CHECK(t.call(cmesl, &level) == CM_OK);
        CHECK(level == CM_CONFIRM);
        CHECK(t.set(cmsst, CM_BUFFER_DATA) == CM_OK);
        CHECK(t.set(cmsdt, CM_DEALLOCATE_CONFIRM) == CM_OK);
        CHECK(t.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
        CHECK(t.set(cmssl, CM_NONE) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.set(cmsdt, CM_DEALLOCATE_FLUSH) == CM_OK);
        CHECK(t.set(cmsptr, CM_PREP_TO_RECEIVE_CONFIRM) == CM_OK);
        CHECK(t.set(cmssl, CM_NONE) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.set(cmsptr, CM_PREP_TO_RECEIVE_SYNC_LEVEL) == CM_OK);
        CHECK(t.set(cmssl, CM_NONE) == CM_OK);
        CHECK(t.set(cmsst, CM_SEND_AND_CONFIRM) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.set(cmsdt, CM_DEALLOCATE_CONFIRM) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.set(cmsptr, CM_PREP_TO_RECEIVE_CONFIRM) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.set(cmsdt, CM_DEALLOCATE_SYNC_LEVEL) == CM_OK);
        CHECK(t.set(cmssl, 2) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.set(cmssl, 3) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.state() == CM_INITIALIZE_STATE);
    }

    TEST_CASE("parameters: the characteristics that are names") {
        const running_unit unit;
        struct bounds {
            std::string name;
            void (*set)(const void*, const void*, const CM_INT32*, CM_INT32*);
            void (*extract)(const void*, void*, CM_INT32*, CM_INT32*);
            CM_INT32 least, most;
        };
        const std::vector<bounds> all{{"cmsmn", cmsmn, cmemn, 0, 8},     {"cmspln", cmspln, cmepln, 1, 17},
                                      {"cmstpn", cmstpn, cmetpn, 1, 64}, {"cmscsu", cmscsu, cmecsu, 0, 10},
                                      {"xcscsu", xcscsu, xcecsu, 0, 10}, {"cmscsp", cmscsp, nullptr, 0, 10},
                                      {"xcscsp", xcscsp, nullptr, 0, 10}};
        talk t;
        REQUIRE(t.init() == CM_OK);
        const std::string text(100, 'A');
        for (const bounds& b : all) {
            CAPTURE(b.name);
            const auto set = [&](const void* from, CM_INT32 length) {
                CM_INT32 rc = -1;
                b.set(t.id.data(), from, &length, &rc);
                return rc;
            };
            const bool secret = b.set == cmscsu || b.set == xcscsu || b.set == cmscsp || b.set == xcscsp;
            if (secret) {
                REQUIRE(t.set(cmscst, XC_SECURITY_NONE) == CM_OK);
                CHECK(set(text.data(), 4) == CM_PROGRAM_STATE_CHECK);
                REQUIRE(t.set(cmscst, XC_SECURITY_PROGRAM) == CM_OK);
            }
            CHECK(set(text.data(), b.most) == CM_OK);
            for (const CM_INT32 bad :
                 std::initializer_list<CM_INT32>{b.least - 1, b.most + 1, -100, INT32_MAX, INT32_MIN})
                CHECK(set(text.data(), bad) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(set(nullptr, 4) == CM_PROGRAM_PARAMETER_CHECK);
            CM_INT32 rc = -1;
            b.set(t.id.data(), text.data(), nullptr, &rc);
            CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
            if (b.extract == nullptr) continue;
            std::array<char, 80> out{};
            out.fill('?');
            CM_INT32 length = -1;
            CHECK(t.call(b.extract, static_cast<void*>(out.data()), &length) == CM_OK);
            CHECK(length == b.most);  // the failed calls changed nothing
            CHECK(std::string_view{out.data(), static_cast<std::size_t>(length)} ==
                  std::string_view{text.data(), static_cast<std::size_t>(b.most)});
            CHECK(out[static_cast<std::size_t>(b.most)] == '?');
            CHECK(t.call(b.extract, static_cast<void*>(nullptr), &length) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(t.call(b.extract, static_cast<void*>(out.data()), static_cast<CM_INT32*>(nullptr)) ==
                  CM_PROGRAM_PARAMETER_CHECK);
            if (b.least != 0) CHECK(set(text.data(), 0) == CM_PROGRAM_PARAMETER_CHECK);
        }
        // A mode of length 0 is ignored.
        const CM_INT32 none = 0;
        CHECK(t.call(cmsmn, static_cast<const void*>(nullptr), &none) == CM_OK);
        CM_INT32 length = -1;
        std::array<char, 8> mode{};
        CHECK(t.call(cmemn, static_cast<void*>(mode.data()), &length) == CM_OK);
        CHECK(length == 8);
        // A service TP is not named by a program.
        const CM_INT32 three = 3;
        CHECK(t.call(cmstpn,
                     static_cast<const void*>("\x06"
                                              "AB"),
                     &three) == CM_PROGRAM_PARAMETER_CHECK);
    }

    TEST_CASE("parameters: initial values") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        CM_INT32 n = -1;
        CHECK(t.state() == CM_INITIALIZE_STATE);
        CHECK(t.call(cmect, &n) == CM_OK);
        CHECK(n == CM_MAPPED_CONVERSATION);
        CHECK(t.call(cmesl, &n) == CM_OK);
        CHECK(n == CM_NONE);
        std::array<char, 80> text{};
        CHECK(t.call(cmepln, static_cast<void*>(text.data()), &n) == CM_OK);
        CHECK(n == 1);
        CHECK(text[0] == ' ');
        CHECK(t.call(cmetpn, static_cast<void*>(text.data()), &n) == CM_OK);
        CHECK(n == 1);
        CHECK(text[0] == ' ');
        CHECK(t.call(cmemn, static_cast<void*>(text.data()), &n) == CM_OK);
        CHECK(n == 0);
        // Nothing was named: Allocate says so and the conversation can be repaired.
        CHECK(t.allocate() == CM_PARAMETER_ERROR);
        CHECK(t.state() == CM_INITIALIZE_STATE);
        const CM_INT32 eight = 8;
        for (const char* reserved : {"SNASVCMG", "CPSVCMG"}) {
            const auto length = static_cast<CM_INT32>(std::strlen(reserved));
            CHECK(t.destination("inproc/TP") == CM_OK);
            CHECK(t.call(cmsmn, static_cast<const void*>(reserved), &length) == CM_OK);
            CHECK(t.allocate() == CM_PARAMETER_ERROR);
        }
        CHECK(t.call(cmspln, static_cast<const void*>("NOSUCHLU"), &eight) == CM_OK);
        CHECK(t.allocate() == CM_PARAMETER_ERROR);
        CHECK(t.destination("inproc/TP") == CM_OK);
        CHECK(t.allocate() == CM_OK);
        // The program's own logical unit is always there.
        talk own;
        REQUIRE(own.init() == CM_OK);
        CHECK(own.call(cmspln, static_cast<const void*>("LOCAL   "), &(n = 5)) == CM_OK);
        CHECK(own.call(cmstpn, static_cast<const void*>("TP"), &(n = 2)) == CM_OK);
        CHECK(own.allocate() == CM_OK);
    }

    TEST_CASE("parameters: lengths and pointers of Send_Data and Receive") {
        const running_unit unit;
        serve_tp("TP");
        collector all;
        talk a, b;
        a.begin("inproc/TP", CM_CONFIRM);
        REQUIRE(a.flush() == CM_OK);
        b.accept(all);
        const std::vector<char> data(40'000, 'd');
        const auto send = [&](const void* from, CM_INT32 length) {
            CM_INT32 rc = -1;
            cmsend(a.id.data(), from, &length, &a.rts, &rc);
            return rc;
        };
        for (const CM_INT32 bad : {-1, 32'768, INT32_MAX, INT32_MIN})
            CHECK(send(data.data(), bad) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(send(nullptr, 1) == CM_PROGRAM_PARAMETER_CHECK);
        CM_INT32 n = 4;
        CHECK(a.call(cmsend, static_cast<const void*>("text"), static_cast<const CM_INT32*>(nullptr), &a.rts) ==
              CM_PROGRAM_PARAMETER_CHECK);
        CHECK(a.call(cmsend, static_cast<const void*>("text"), static_cast<const CM_INT32*>(&n),
                     static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(a.call(cmcfm, static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(a.call(cmserr, static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(a.call(cmtrts, static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(a.state() == CM_SEND_STATE);

        std::array<CM_INT32, 4> out{};
        std::array<char, 8> buffer{};
        const auto receive = [&](void* to, const CM_INT32* length, CM_INT32* data_received, CM_INT32* received_length,
                                 CM_INT32* status, CM_INT32* rts) {
            CM_INT32 rc = -1;
            cmrcv(b.id.data(), to, length, data_received, received_length, status, rts, &rc);
            return rc;
        };
        CM_INT32* const o = out.data();
        for (CM_INT32 bad : {-1, 32'768, INT32_MAX, INT32_MIN})
            CHECK(receive(buffer.data(), &bad, o, o + 1, o + 2, o + 3) == CM_PROGRAM_PARAMETER_CHECK);
        n = 8;
        CHECK(receive(nullptr, &n, o, o + 1, o + 2, o + 3) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive(buffer.data(), nullptr, o, o + 1, o + 2, o + 3) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive(buffer.data(), &n, nullptr, o + 1, o + 2, o + 3) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive(buffer.data(), &n, o, nullptr, o + 2, o + 3) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive(buffer.data(), &n, o, o + 1, nullptr, o + 3) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(receive(buffer.data(), &n, o, o + 1, o + 2, nullptr) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(b.state() == CM_RECEIVE_STATE);
        // Nothing of all that was sent.
        CHECK(send(nullptr, 0) == CM_OK);
        CHECK(a.send("real", CM_SEND_AND_FLUSH) == CM_OK);
        received r = b.receive();
        CHECK(r.data == CM_COMPLETE_DATA_RECEIVED);
        CHECK(r.length == 0);
        CHECK(b.receive().text == "real");
        // A wrong state shows before a wrong parameter.
        CHECK(b.call(cmsend, static_cast<const void*>(nullptr), static_cast<const CM_INT32*>(nullptr),
                     static_cast<CM_INT32*>(nullptr)) == CM_PROGRAM_STATE_CHECK);
    }

    TEST_CASE("parameters: destinations in words") {
        const running_unit unit;
        talk t;
        REQUIRE(t.init() == CM_OK);
        for (const char* bad :
             {"", "/", "inproc/", "inproc", "nowhere", "host/TP", "host:/TP", "host:0/TP", "host:70000/TP",
              "127.0.0.1:1/A B", "a name that is much too long for a symbolic destination"}) {
            CAPTURE(bad);
            CHECK(t.destination(bad) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(std::string_view{clq_last_error()} != "");
            CHECK(std::string_view{clq_last_error()}.find('\n') == std::string_view::npos);
        }
        CHECK(t.destination("127.0.0.1:1/" + std::string(65, 'T')) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.destination("127.0.0.1:1/" + std::string(64, 'T')) == CM_OK);
        CM_INT32 rc = -1;
        clq_set_destination(t.id.data(), nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(t.destination("inproc/TP") == CM_OK);
        CHECK(t.allocate() == CM_OK);
        CHECK(t.destination("inproc/TP") == CM_PROGRAM_STATE_CHECK);
    }

    TEST_CASE("parameters: a full table is 20, and has room again when a conversation ends") {
        clq_options o{};
        o.conversations = 4;
        const running_unit unit{o};
        std::array<talk, 4> all;
        for (talk& t : all) REQUIRE(t.init() == CM_OK);
        talk more;
        CHECK(more.init() == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(std::string_view{clq_last_error()}.find("conversations") != std::string_view::npos);
        REQUIRE(all[2].cancel() == CM_OK);
        CHECK(more.init() == CM_OK);
        for (talk& t : all) (void)t.cancel();
        serve_tp("TP");
        CHECK(more.cancel() == CM_OK);
        // Accepts take places of the table, too.
        for (talk& t : all) CHECK(t.accept() == CM_OPERATION_INCOMPLETE);
        CHECK(more.accept() == CM_PRODUCT_SPECIFIC_ERROR);
    }
}
