// The teller's ledger and its proof: what is committed stays, what is refused changes nothing, and every kind of
// damage is found.
#include <doctest/doctest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tools/colloquy/ledger.hpp"

namespace {

using namespace colloquy::tool;
using bank::transfer;
using bank::verdict;

constexpr std::uint32_t account_count = 10;

class folder {
public:
    folder() {
        std::string name = (std::filesystem::temp_directory_path() / "colloquy-ledger-XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~folder() { std::filesystem::remove_all(path_); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    [[nodiscard]] std::filesystem::path file() const { return path_ / "ledger.db"; }

private:
    std::filesystem::path path_;
};

// Damages a ledger behind its back.
void tamper(const std::filesystem::path& file, const char* sql) {
    sqlite3* database = nullptr;
    REQUIRE(sqlite3_open(file.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    CHECK(sqlite3_changes(database) == 1);
    sqlite3_close(database);
}

constexpr transfer first{1, 1, 2, 300};
constexpr transfer second{2, 2, 3, 1'200};
constexpr transfer too_much{3, 1, 3, 100'000};

// Two transfers done and one refused, and what customers were told of them.
std::vector<promise> a_day(const std::filesystem::path& file) {
    ledger book{file, account_count};
    book.begin();
    CHECK(book.apply(first) == verdict::done);
    CHECK(book.apply(second) == verdict::done);
    CHECK(book.apply(too_much) == verdict::insufficient);
    book.commit();
    return {{second, true}, {too_much, false}, {first, true}};
}

TEST_SUITE("tools") {
    TEST_CASE("ledger: a transfer moves money once, however often it is asked for") {
        const folder where;
        ledger book{where.file(), account_count};
        book.begin();
        CHECK(book.apply(first) == verdict::done);
        CHECK(book.apply(first) == verdict::done);
        book.commit();
        book.begin();
        CHECK(book.apply(first) == verdict::done);
        book.commit();
        const proof p = prove(where.file(), account_count, {{first, true}});
        CHECK(p.holds());
        CHECK(p.transfers == 1);
    }

    TEST_CASE("ledger: what makes no sense is refused and changes nothing") {
        const folder where;
        ledger book{where.file(), account_count};
        book.begin();
        CHECK(book.apply(first) == verdict::done);
        CHECK(book.apply({1, 1, 2, 301}) == verdict::taken);
        CHECK(book.apply({4, 1, 2, 0}) == verdict::malformed);
        CHECK(book.apply({5, 1, account_count + 1, 1}) == verdict::no_account);
        CHECK(book.apply({6, account_count + 1, 1, 1}) == verdict::no_account);
        CHECK(book.apply({7, 1, 2, 701}) == verdict::insufficient);
        CHECK(book.apply({8, 1, 2, 700}) == verdict::done);
        book.commit();
        const proof p = prove(where.file(), account_count, {{first, true}, {{8, 1, 2, 700}, true}});
        CHECK(p.holds());
    }

    TEST_CASE("ledger: a batch that is rolled back, or never committed, has not happened") {
        const folder where;
        {
            ledger book{where.file(), account_count};
            book.begin();
            CHECK(book.apply(first) == verdict::done);
            book.rollback();
            book.begin();
            CHECK(book.apply(second) == verdict::insufficient);
            CHECK(book.apply({9, 3, 4, 5}) == verdict::done);
        }
        ledger again{where.file(), account_count};
        transfer t{9, 0, 0, 0};
        CHECK(again.look_up(t) == verdict::unknown);
        CHECK(prove(where.file(), account_count, {}).holds());
    }

    TEST_CASE("ledger: a reopened ledger knows its transfers and goes on counting batches") {
        const folder where;
        (void)a_day(where.file());
        ledger book{where.file(), 77};
        CHECK(book.accounts() == account_count);
        CHECK(book.batches() == 1);
        transfer t{second.id, 0, 0, 0};
        CHECK(book.look_up(t) == verdict::done);
        CHECK(t == second);
    }

    TEST_CASE("proof: holds for an honest day, in whatever order the promises come") {
        const folder where;
        const proof p = prove(where.file(), account_count, a_day(where.file()));
        CHECK(p.holds());
        CHECK(p.confirmed == 2);
        CHECK(p.refused == 1);
        CHECK(p.sum_found == account_count * ledger::opening_balance);
        CHECK(p.integrity == "ok");
    }

    TEST_CASE("proof: finds money that appeared") {
        const folder where;
        auto promises = a_day(where.file());
        tamper(where.file(), "UPDATE accounts SET balance = balance + 1 WHERE id = 5");
        const proof p = prove(where.file(), account_count, std::move(promises));
        CHECK_FALSE(p.holds());
        CHECK(p.sum_found == p.sum_expected + 1);
        CHECK(p.wrong_balances == 1);
    }

    TEST_CASE("proof: finds a confirmed transfer that is not there") {
        const folder where;
        auto promises = a_day(where.file());
        tamper(where.file(), "DELETE FROM transfers WHERE id = 2");
        const proof p = prove(where.file(), account_count, std::move(promises));
        CHECK_FALSE(p.holds());
        CHECK(p.lost == 1);
        CHECK(p.wrong_balances == 2);
    }

    TEST_CASE("proof: finds a transfer with other contents than were confirmed") {
        const folder where;
        auto promises = a_day(where.file());
        tamper(where.file(), "UPDATE transfers SET target = 4 WHERE id = 1");
        const proof p = prove(where.file(), account_count, std::move(promises));
        CHECK_FALSE(p.holds());
        CHECK(p.altered == 1);
    }

    TEST_CASE("proof: finds a refused transfer that happened, and one that nobody was told of") {
        const folder where;
        auto promises = a_day(where.file());
        promises[0].confirmed = false;
        promises.pop_back();
        const proof p = prove(where.file(), account_count, std::move(promises));
        CHECK_FALSE(p.holds());
        CHECK(p.invented == 2);
    }

    TEST_CASE("proof: finds a transfer that was confirmed twice") {
        const folder where;
        auto promises = a_day(where.file());
        promises.push_back(promises.front());
        const proof p = prove(where.file(), account_count, std::move(promises));
        CHECK_FALSE(p.holds());
        CHECK(p.promised_twice == 1);
    }

    TEST_CASE("bank: a record survives its encoding") {
        const transfer t{0x0102'0304'0506'0708, 0x1122'3344, 0xFFEE'DDCC, 0x8070'6050'4030'2010};
        const bank::record bytes = bank::encode(bank::request_kind::query, t);
        CHECK(bytes[0] == 2);
        CHECK(bytes[4] == 0x11);
        CHECK(bytes[12] == 0x01);
        CHECK(bank::decode(bytes) == t);
    }
}

}  // namespace
