// Convert_Incoming, Convert_Outgoing and Extract_Maximum_Buffer_Size: calls that work before anything is started.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

CM_INT32 outgoing(void* string, CM_INT32 length) {
    CM_INT32 rc = -1;
    cmcnvo(string, &length, &rc);
    return rc;
}
CM_INT32 incoming(void* string, CM_INT32 length) {
    CM_INT32 rc = -1;
    cmcnvi(string, &length, &rc);
    return rc;
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("convert: the characters of the interface as every EBCDIC system has them") {
        REQUIRE(clq_stop(0) == 0);
        const std::string ascii = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789. <>+-()&*;:,'?/_=\"";
        const std::vector<unsigned char> ebcdic{
            0xC1, 0xC2, 0xC3, 0xC4, 0xC5, 0xC6, 0xC7, 0xC8, 0xC9, 0xD1, 0xD2, 0xD3, 0xD4, 0xD5, 0xD6, 0xD7, 0xD8,
            0xD9, 0xE2, 0xE3, 0xE4, 0xE5, 0xE6, 0xE7, 0xE8, 0xE9, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88,
            0x89, 0x91, 0x92, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99, 0xA2, 0xA3, 0xA4, 0xA5, 0xA6, 0xA7, 0xA8,
            0xA9, 0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0x4B, 0x40, 0x4C, 0x6E, 0x4E, 0x60,
            0x4D, 0x5D, 0x50, 0x5C, 0x5E, 0x7A, 0x6B, 0x7D, 0x6F, 0x61, 0x6D, 0x7E, 0x7F};
        REQUIRE(ascii.size() == ebcdic.size());
        std::vector<unsigned char> text{ascii.begin(), ascii.end()};
        REQUIRE(outgoing(text.data(), static_cast<CM_INT32>(text.size())) == CM_OK);
        CHECK(text == ebcdic);
        REQUIRE(incoming(text.data(), static_cast<CM_INT32>(text.size())) == CM_OK);
        CHECK(std::string{text.begin(), text.end()} == ascii);
        CHECK(clq_counter("verbs") == 0);  // nothing was started for it
    }

    TEST_CASE("convert: any byte comes back as it was, and only the bytes of the length are touched") {
        std::vector<unsigned char> text(32'767 + 1);
        for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<unsigned char>(i * 7);
        const std::vector<unsigned char> before = text;
        REQUIRE(outgoing(text.data(), 32'767) == CM_OK);
        CHECK(text != before);
        CHECK(text.back() == before.back());
        REQUIRE(incoming(text.data(), 32'767) == CM_OK);
        CHECK(text == before);
        REQUIRE(outgoing(text.data(), 1) == CM_OK);
        CHECK(std::equal(text.begin() + 1, text.end(), before.begin() + 1));
    }

    TEST_CASE("convert: lengths out of range and null pointers are 24 and touch nothing") {
        std::array<char, 4> text{'T', 'E', 'X', 'T'};
        for (const CM_INT32 length : {0, -1, 32'768, -2'147'483'647}) {
            CAPTURE(length);
            CHECK(outgoing(text.data(), length) == CM_PROGRAM_PARAMETER_CHECK);
            CHECK(incoming(text.data(), length) == CM_PROGRAM_PARAMETER_CHECK);
        }
        CM_INT32 rc = -1;
        const CM_INT32 length = 4;
        cmcnvi(nullptr, &length, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmcnvo(text.data(), nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmcnvo(text.data(), &length, nullptr);
        cmcnvi(text.data(), &length, nullptr);
        CHECK(std::string_view{text.data(), 4} == "TEXT");
    }

    TEST_CASE("convert: the greatest buffer is what Send_Data and Receive take") {
        CM_INT32 rc = -1;
        CM_INT32 bytes = 0;
        cmembs(&bytes, &rc);
        CHECK(rc == CM_OK);
        CHECK(bytes == 32'767);
        cmembs(nullptr, &rc);
        CHECK(rc == CM_PROGRAM_PARAMETER_CHECK);
        cmembs(&bytes, nullptr);

        const running_unit unit;
        serve_tp("TP");
        talk t, far;
        t.begin("inproc/TP");
        REQUIRE(t.flush() == CM_OK);
        collector all;
        far.accept(all);
        std::string record(static_cast<std::size_t>(bytes), 'x');
        REQUIRE(t.set(cmspm, CM_NON_BLOCKING) == CM_OK);
        const CM_INT32 sent = t.send(record, CM_SEND_AND_FLUSH);
        REQUIRE((sent == CM_OK || sent == CM_OPERATION_INCOMPLETE));
        std::string got;
        while (got.size() < record.size()) {
            const received r = far.receive(bytes);
            REQUIRE(r.code == CM_OK);
            got += r.text;
        }
        CHECK(got == record);
        if (sent == CM_OPERATION_INCOMPLETE) CHECK(all.wait_for(t.id) == CM_OK);
        ++bytes;
        CHECK(t.call(cmsend, record.data(), &bytes, &t.rts) == CM_PROGRAM_PARAMETER_CHECK);
    }
}
