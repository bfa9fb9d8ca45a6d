// Side information as a program sees it through 124-byte entries: order, replacement, padding, refusals, and readers
// that go on while it changes.
#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "api/side_information.hpp"

namespace {

using colloquy::api::side_entry;
using colloquy::api::side_information;

constexpr CM_INT32 entry_size = 124;

template <std::size_t N>
void put(unsigned char (&field)[N], std::string_view text) {
    REQUIRE(text.size() <= N);
    std::memset(field, ' ', N);
    std::memcpy(field, text.data(), text.size());
}

template <std::size_t N>
std::string get(const unsigned char (&field)[N]) {
    return {reinterpret_cast<const char*>(field), N};
}

SIDE_INFO make_entry(std::string_view name, std::string_view partner = "BANK", std::string_view tp = "TELLER") {
    SIDE_INFO entry;
    std::memset(&entry, ' ', sizeof entry);
    put(entry.sym_dest_name, name);
    put(entry.partner_LU_name, partner);
    entry.TP_name_type = XC_APPLICATION_TP;
    put(entry.TP_name, tp);
    put(entry.mode_name, "#INTER");
    entry.conversation_security_type = XC_SECURITY_PROGRAM;
    put(entry.security_user_ID, "Smith");
    put(entry.security_password, "S3cret!");
    return entry;
}

CM_RETURN_CODE set(side_information& table, const SIDE_INFO& entry) { return table.set(&entry, &entry_size); }

CM_RETURN_CODE extract(const side_information& table, CM_INT32 number, const char* name, SIDE_INFO& out) {
    return table.extract(&number, name, &out, &entry_size);
}

std::string name_at(const side_information& table, CM_INT32 number) {
    SIDE_INFO out;
    return extract(table, number, nullptr, out) == CM_OK ? get(out.sym_dest_name) : "";
}

}  // namespace

TEST_SUITE("side_information") {
    TEST_CASE("side_information: an entry comes back padded with blanks and without its password") {
        side_information table;
        const SIDE_INFO entry = make_entry("TELLER");
        REQUIRE(set(table, entry) == CM_OK);

        SIDE_INFO out;
        std::memset(&out, 'x', sizeof out);
        REQUIRE(extract(table, 1, nullptr, out) == CM_OK);
        SIDE_INFO expected = entry;
        put(expected.security_password, "");
        CHECK(std::memcmp(&out, &expected, sizeof out) == 0);

        // The password is blank for programs only: the library itself needs it.
        side_entry found;
        REQUIRE(table.find("TELLER", found));
        CHECK(found.password.view() == "S3cret!");
        CHECK(found.user.view() == "Smith");
        CHECK(found.tp_name.view() == "TELLER");
        CHECK(found.partner_lu.view() == "BANK");
        CHECK(found.mode.view() == "#INTER");
        CHECK(found.security == XC_SECURITY_PROGRAM);
    }

    TEST_CASE("side_information: fields that were cleared and copied into end at their NUL") {
        side_information table;
        SIDE_INFO entry;
        std::memset(&entry, 0, sizeof entry);
        std::memcpy(entry.sym_dest_name, "CLEARED", 7);
        std::memcpy(entry.partner_LU_name, "NET.BANK", 8);
        REQUIRE(set(table, entry) == CM_OK);
        SIDE_INFO out;
        REQUIRE(extract(table, 0, "CLEARED", out) == CM_OK);
        CHECK(get(out.sym_dest_name) == "CLEARED ");
        CHECK(get(out.partner_LU_name) == "NET.BANK         ");
        CHECK(get(out.TP_name) == std::string(64, ' '));
        CHECK(get(out.security_user_ID) == "        ");
        CHECK(out.conversation_security_type == XC_SECURITY_NONE);
    }

    TEST_CASE("side_information: names end at a NUL or at 8 bytes and keep their case") {
        side_information table;
        REQUIRE(set(table, make_entry("EIGHTCHR", "A")) == CM_OK);
        REQUIRE(set(table, make_entry("echo", "B")) == CM_OK);
        side_entry found;
        CHECK(table.find("EIGHTCHRmore", found));
        CHECK(found.partner_lu.view() == "A");
        CHECK(table.find("echo", found));
        CHECK(table.find("echo    ", found));
        const char with_nul[8] = {'e', 'c', 'h', 'o', '\0', 'j', 'u', 'n'};
        CHECK(table.find(with_nul, found));
        CHECK(found.partner_lu.view() == "B");
        CHECK_FALSE(table.find("ECHO", found));
        CHECK_FALSE(table.find("        ", found));
        CHECK_FALSE(table.find("", found));
        CHECK_FALSE(table.find(nullptr, found));
    }

    TEST_CASE("side_information: entries keep the order of entering, a replacement its place") {
        side_information table;
        for (const char* name : {"ONE", "TWO", "THREE"}) {
            REQUIRE(set(table, make_entry(name)) == CM_OK);
        }
        REQUIRE(set(table, make_entry("TWO", "OTHER")) == CM_OK);
        CHECK(table.size() == 3);
        CHECK(name_at(table, 1) == "ONE     ");
        CHECK(name_at(table, 2) == "TWO     ");
        CHECK(name_at(table, 3) == "THREE   ");
        CHECK(name_at(table, 4).empty());
        SIDE_INFO out;
        REQUIRE(extract(table, 2, nullptr, out) == CM_OK);
        CHECK(get(out.partner_LU_name) == "OTHER            ");

        // A deletion moves the later ones down.
        REQUIRE(table.erase("ONE") == CM_OK);
        CHECK(name_at(table, 1) == "TWO     ");
        CHECK(name_at(table, 2) == "THREE   ");
        CHECK(table.erase("ONE") == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(table.erase("        ") == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(table.erase(nullptr) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(table.size() == 2);
    }

    TEST_CASE("side_information: what no entry may have is refused and changes nothing") {
        side_information table;
        REQUIRE(set(table, make_entry("KEPT")) == CM_OK);
        const auto refused = [&](auto change) {
            SIDE_INFO entry = make_entry("KEPT", "CHANGED");
            change(entry);
            CHECK(set(table, entry) == CM_PROGRAM_PARAMETER_CHECK);
        };
        refused([](SIDE_INFO& e) { put(e.sym_dest_name, " KEPT"); });
        refused([](SIDE_INFO& e) { put(e.sym_dest_name, ""); });
        refused([](SIDE_INFO& e) { put(e.sym_dest_name, "A B"); });
        refused([](SIDE_INFO& e) { e.sym_dest_name[0] = 0; });
        refused([](SIDE_INFO& e) { e.TP_name_type = 2; });
        refused([](SIDE_INFO& e) { e.TP_name_type = -1; });
        refused([](SIDE_INFO& e) { e.conversation_security_type = -1; });
        refused([](SIDE_INFO& e) { e.conversation_security_type = CM_SECURITY_DISTRIBUTED; });
        refused([](SIDE_INFO& e) { put(e.partner_LU_name, "NINECHARS"); });
        refused([](SIDE_INFO& e) { put(e.partner_LU_name, "A.B.C"); });
        refused([](SIDE_INFO& e) { put(e.partner_LU_name, "NET."); });
        refused([](SIDE_INFO& e) { put(e.TP_name, "TWO WORDS"); });
        refused([](SIDE_INFO& e) { e.TP_name[3] = 0xE9; });
        refused([](SIDE_INFO& e) { put(e.mode_name, "A B"); });
        refused([](SIDE_INFO& e) { put(e.security_user_ID, "a b"); });

        const SIDE_INFO good = make_entry("KEPT", "CHANGED");
        for (const CM_INT32 length : {0, -1, 123, 125}) {
            CHECK(table.set(&good, &length) == CM_PROGRAM_PARAMETER_CHECK);
        }
        CHECK(table.set(nullptr, &entry_size) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(table.set(&good, nullptr) == CM_PROGRAM_PARAMETER_CHECK);
        side_entry found;
        REQUIRE(table.find("KEPT", found));
        CHECK(found.partner_lu.view() == "BANK");
        CHECK(table.size() == 1);
    }

    TEST_CASE("side_information: partner names with a dot may lack the network") {
        side_information table;
        CHECK(set(table, make_entry("A", ".BANK")) == CM_OK);
        CHECK(set(table, make_entry("B", "NETWORK8.LOGICAL8")) == CM_OK);
        CHECK(set(table, make_entry("C", "")) == CM_OK);
    }

    TEST_CASE("side_information: a service TP has one low byte and up to three characters") {
        side_information table;
        SIDE_INFO entry = make_entry("SERVICE", "BANK", "");
        entry.TP_name_type = XC_SNA_SERVICE_TP;
        put(entry.TP_name, "\x06ZZ9");
        REQUIRE(set(table, entry) == CM_OK);
        side_entry found;
        REQUIRE(table.find("SERVICE", found));
        CHECK(found.tp_name.view() == "\x06ZZ9");
        CHECK(found.tp_name_type == XC_SNA_SERVICE_TP);
        SIDE_INFO out;
        REQUIRE(extract(table, 0, "SERVICE", out) == CM_OK);
        CHECK(std::memcmp(out.TP_name, entry.TP_name, sizeof out.TP_name) == 0);

        std::memset(entry.TP_name, 0, sizeof entry.TP_name);
        REQUIRE(set(table, entry) == CM_OK);
        REQUIRE(table.find("SERVICE", found));
        CHECK(found.tp_name.view() == std::string_view("\0", 1));

        put(entry.TP_name, "\x06ZZ99");
        CHECK(set(table, entry) == CM_PROGRAM_PARAMETER_CHECK);
        put(entry.TP_name, "ABCD");
        CHECK(set(table, entry) == CM_PROGRAM_PARAMETER_CHECK);
        // The same name is no application's.
        put(entry.TP_name, "\x06ZZ9");
        entry.TP_name_type = XC_APPLICATION_TP;
        CHECK(set(table, entry) == CM_PROGRAM_PARAMETER_CHECK);
    }

    TEST_CASE("side_information: extract refuses numbers, names and lengths that fit nothing") {
        side_information table;
        REQUIRE(set(table, make_entry("ONE")) == CM_OK);
        SIDE_INFO out;
        std::memset(&out, 'x', sizeof out);
        const SIDE_INFO before = out;
        CHECK(extract(table, -1, "ONE", out) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(extract(table, 2, "ONE", out) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(extract(table, 0, "NONE", out) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(extract(table, 0, nullptr, out) == CM_PROGRAM_PARAMETER_CHECK);
        const CM_INT32 number = 1;
        const CM_INT32 other_size = 120;
        CHECK(table.extract(&number, "ONE", &out, &other_size) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(table.extract(nullptr, "ONE", &out, &entry_size) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(table.extract(&number, "ONE", nullptr, &entry_size) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(table.extract(&number, "ONE", &out, nullptr) == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(std::memcmp(&out, &before, sizeof out) == 0);
        // A number wins over the name.
        CHECK(extract(table, 1, "NONE", out) == CM_OK);
    }

    TEST_CASE("side_information: the table is bounded, replacing needs no room") {
        side_information table{2};
        REQUIRE(set(table, make_entry("ONE")) == CM_OK);
        REQUIRE(set(table, make_entry("TWO")) == CM_OK);
        CHECK(set(table, make_entry("THREE")) == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(set(table, make_entry("TWO", "OTHER")) == CM_OK);
        CHECK(table.assign(std::vector<side_entry>(3)) == CM_PRODUCT_SPECIFIC_ERROR);
        CHECK(table.size() == 2);
        REQUIRE(table.erase("ONE") == CM_OK);
        CHECK(set(table, make_entry("THREE")) == CM_OK);
    }

    TEST_CASE("side_information: what the configuration assigns replaces the table") {
        side_information table;
        REQUIRE(set(table, make_entry("OLD")) == CM_OK);
        std::vector<side_entry> entries(2);
        REQUIRE(entries[0].name.assign("B"));
        REQUIRE(entries[1].name.assign("A"));
        REQUIRE(entries[1].user.assign("tencharact"));
        REQUIRE(table.assign(entries) == CM_OK);
        CHECK(table.size() == 2);
        CHECK(name_at(table, 1) == "B       ");
        CHECK(name_at(table, 2) == "A       ");
        side_entry found;
        CHECK_FALSE(table.find("OLD", found));
        REQUIRE(table.find("A", found));
        CHECK(found.user.view() == "tencharact");
        // A SIDE_INFO has room for eight.
        SIDE_INFO out;
        REQUIRE(extract(table, 2, nullptr, out) == CM_OK);
        CHECK(get(out.security_user_ID) == "tenchara");
    }

    TEST_CASE("side_information: readers never see half an entry while writers replace it") {
        side_information table;
        REQUIRE(set(table, make_entry("SHARED", "AAAA", "AAAA")) == CM_OK);
        std::vector<std::thread> threads;
        std::array<bool, 2> whole{true, true};
        constexpr int rounds = 2'000;
        for (std::size_t reader = 0; reader < whole.size(); ++reader) {
            threads.emplace_back([&table, &ok = whole[reader]] {
                for (int i = 0; i < rounds; ++i) {
                    side_entry found;
                    ok = ok && table.find("SHARED", found) && found.partner_lu.view() == found.tp_name.view();
                }
            });
        }
        threads.emplace_back([&table] {
            const SIDE_INFO a = make_entry("SHARED", "AAAA", "AAAA");
            const SIDE_INFO b = make_entry("SHARED", "BB", "BB");
            const SIDE_INFO extra = make_entry("EXTRA");
            for (int i = 0; i < rounds; ++i) {
                set(table, i % 2 == 0 ? b : a);
                set(table, extra);
                table.erase("EXTRA");
            }
        });
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(whole[0]);
        CHECK(whole[1]);
        CHECK(table.size() == 1);
    }
}
