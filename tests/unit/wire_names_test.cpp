// Names and numbers: EBCDIC, return codes, states, senses. Goal: the tables are those of the standards.
#include <doctest/doctest.h>

#include <set>
#include <string>
#include <string_view>

#include "runtime/conversation_state.hpp"
#include "runtime/return_code.hpp"
#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/fmh7.hpp"
#include "runtime/wire/hello.hpp"
#include "tests/unit/wire_test_bytes.hpp"

namespace {

using namespace colloquy;
using runtime::return_code;

constexpr return_code all_codes[] = {
#define COLLOQUY_RETURN_CODE(name, symbol, number, set, ends) return_code::name,
#include "runtime/return_code.def"
#undef COLLOQUY_RETURN_CODE
};

}  // namespace

TEST_SUITE("unit") {
    TEST_CASE("wire_ebcdic: known text in code page 037") {
        auto text = test::bytes_of("TP1 PROG1 az09 .<(+|&!$*);-/,%_>?:#@'=\" {}[]^~\\`");
        wire::to_ebcdic(text);
        const auto expected = test::hex_bytes(
            "E3D7F140D7D9D6C7F14081A9F0F9404B4C4D4E4F505A5B5C5D5E60616B6C6D6E6F7A7B7C7D7E7F40C0D0BABBB0A1E079");
        CHECK(text == expected);
        wire::to_ascii(text);
        CHECK(text == test::bytes_of("TP1 PROG1 az09 .<(+|&!$*);-/,%_>?:#@'=\" {}[]^~\\`"));
    }

    TEST_CASE("wire_ebcdic: all 256 bytes survive both ways, in place and copied") {
        test::byte_vector all(256);
        for (std::size_t i = 0; i < 256; ++i) all[i] = static_cast<std::byte>(i);
        test::byte_vector there = all;
        wire::to_ebcdic(there);
        CHECK(there != all);
        test::byte_vector back(256);
        wire::to_ascii(there, back.data());
        CHECK(back == all);
        wire::to_ascii(all);
        std::string text(256, ' ');
        for (std::size_t i = 0; i < 256; ++i) text[i] = static_cast<char>(all[i]);
        wire::to_ebcdic(text, all.data());
        for (std::size_t i = 0; i < 256; ++i) CHECK(all[i] == static_cast<std::byte>(i));
    }

    TEST_CASE("wire_hello: which names are names") {
        for (const char* good : {"A", "BANK", "NET.LU", "ABCDEFGH.IJKLMNOP", "$A.#B", "@1", "A1.B2"}) {
            CAPTURE(good);
            CHECK(wire::valid_lu_name(good));
        }
        for (const char* bad :
             {"", ".", "A.", ".A", "1A", "A.1", "ABCDEFGHI", "A.B.C", "a", "A B", "A-B", "A.ABCDEFGHI"}) {
            CAPTURE(bad);
            CHECK_FALSE(wire::valid_lu_name(bad));
        }
        CHECK_FALSE(wire::valid_lu_name(std::string_view("A\0", 2)));
    }

    TEST_CASE("return_code: numbers, symbols, sets and what they lead to") {
        CHECK(static_cast<int>(return_code::ok) == 0);
        CHECK(static_cast<int>(return_code::deallocated_normal) == 18);
        CHECK(static_cast<int>(return_code::operation_not_accepted) == 37);
        CHECK(static_cast<int>(return_code::conversation_cancelled) == 53);
        CHECK(static_cast<int>(return_code::include_partner_reject_bo) == 137);
        CHECK(std::string_view(name(return_code::ok)) == "CM_OK");
        CHECK(std::string_view(name(return_code::sync_lvl_not_supported_pgm)) == "CM_SYNC_LVL_NOT_SUPPORTED_PGM");
        CHECK(std::string_view(name(static_cast<return_code>(4))) == "CM_?");
        CHECK(set_of(return_code::svc_error_purging) == runtime::return_set::ep);
        CHECK(set_of(return_code::send_rcv_mode_not_supported) == runtime::return_set::ae);
        CHECK(set_of(static_cast<return_code>(-1)) == runtime::return_set::none);
        std::set<int> numbers;
        int ending = 0;
        for (const return_code code : all_codes) {
            numbers.insert(static_cast<int>(code));
            ending += ends_conversation(code) ? 1 : 0;
            CHECK(std::string_view(name(code)).starts_with("CM_"));
            // Whole groups end a conversation or do not.
            using enum runtime::return_set;
            const auto set = set_of(code);
            if (set == af || set == ae || set == da || set == dn || set == rf) CHECK(ends_conversation(code));
            if (set == ok || set == pc || set == sc || set == en || set == ep || set == et || set == oi || set == na) {
                CHECK_FALSE(ends_conversation(code));
            }
        }
        CHECK(numbers.size() == std::size(all_codes));
        CHECK(numbers.size() == 56);
        CHECK(ending == 28);
        for (const int unassigned : {4, 12, 13, 14, 15, 16, 29}) CHECK(numbers.count(unassigned) == 0);
    }

    TEST_CASE("conversation_state: numbers and symbols") {
        using runtime::conversation_state;
        CHECK(static_cast<int>(conversation_state::confirm_deallocate) == 8);
        CHECK(static_cast<int>(conversation_state::initialize_incoming) == 14);
        CHECK(static_cast<int>(conversation_state::send_receive) == 17);
        CHECK(std::string_view(name(conversation_state::send_pending)) == "CM_SEND_PENDING_STATE");
        CHECK(std::string_view(name(static_cast<conversation_state>(9))) == "CM_?");
    }

    TEST_CASE("wire_sense: a return code sent as a sense arrives as the same return code") {
        int travelling = 0;
        for (const return_code code : all_codes) {
            const std::uint32_t sense = wire::sense_of(code);
            if (sense == 0) continue;
            ++travelling;
            CAPTURE(name(code));
            const bool purging = set_of(code) == runtime::return_set::ep;
            CHECK(wire::return_code_of(sense, purging) == code);
            CHECK(std::string_view(wire::sense_text(sense)).size() > 5);
        }
        CHECK(travelling == 17);
        CHECK(wire::sense_of(return_code::ok) == 0);
        CHECK(wire::sense_of(return_code::resource_failure_retry) == 0);
        CHECK(std::string_view(wire::sense_text(0x12345678)).empty());
    }
}
