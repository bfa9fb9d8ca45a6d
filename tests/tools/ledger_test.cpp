// The teller's ledger and its proof, in each store there is: what is committed stays, what is refused changes nothing,
// and every kind of damage is found.
#include <doctest/doctest.h>

#ifdef COLLOQUY_WITH_SQLITE
#include <sqlite3.h>
#endif

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tests/support/system.hpp"
#include "tools/colloquy/append_file.hpp"
#include "tools/colloquy/ledger.hpp"
#include "tools/colloquy/log_format.hpp"

namespace {

using namespace colloquy::tool;
using bank::transfer;
using bank::verdict;
using file_bytes = std::vector<unsigned char>;

constexpr std::uint32_t account_count = 10;

std::uint64_t seed() {
    const char* given = std::getenv("COLLOQUY_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
}

class folder {
public:
    folder() : path_{colloquy::test::scratch_path("colloquy-ledger")} {
        REQUIRE(std::filesystem::create_directory(path_));
    }
    ~folder() { std::filesystem::remove_all(path_); }
    folder(const folder&) = delete;
    folder& operator=(const folder&) = delete;
    [[nodiscard]] std::filesystem::path file() const { return path_ / "ledger"; }

private:
    std::filesystem::path path_;
};

file_bytes read_file(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
}
void write_file(const std::filesystem::path& file, const file_bytes& bytes) {
    std::ofstream out{file, std::ios::binary | std::ios::trunc};
    out.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    REQUIRE(out.flush().good());
}

// Damages a ledger behind its back, in a way that its store cannot see.
void tamper(ledger_store store, const std::filesystem::path& file, [[maybe_unused]] const char* sql,
            const std::function<void(std::vector<log_format::entry>&)>& change) {
#ifdef COLLOQUY_WITH_SQLITE
    if (store == ledger_store::sqlite) {
        sqlite3* database = nullptr;
        const std::u8string name = file.u8string();
        REQUIRE(sqlite3_open(std::string{name.begin(), name.end()}.c_str(), &database) == SQLITE_OK);
        CHECK(sqlite3_exec(database, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
        CHECK(sqlite3_changes(database) == 1);
        sqlite3_close(database);
        return;
    }
#endif
    REQUIRE(store == ledger_store::log);
    file_bytes all = read_file(file);
    const auto batch = log_format::decode_batch(log_format::bytes{all}.subspan(log_format::head_size));
    REQUIRE(batch.has_value());
    std::vector<log_format::entry> entries;
    for (std::size_t i = 0; i < batch->count(); ++i) entries.push_back(batch->at(i));
    const std::uint64_t number = batch->number;
    change(entries);
    all.resize(log_format::head_size);
    const file_bytes changed = log_format::encode_batch(number, entries);
    all.insert(all.end(), changed.begin(), changed.end());
    write_file(file, all);
}

constexpr transfer first{1, 1, 2, 300};
constexpr transfer second{2, 2, 3, 1'200};
constexpr transfer too_much{3, 1, 3, 100'000};

// Two transfers done and one refused, and what customers were told of them.
std::vector<promise> a_day(ledger_store store, const std::filesystem::path& file) {
    const auto book = open_ledger(store, file, account_count);
    book->begin();
    CHECK(book->apply(first) == verdict::done);
    CHECK(book->apply(second) == verdict::done);
    CHECK(book->apply(too_much) == verdict::insufficient);
    book->commit();
    return {{second, true}, {too_much, false}, {first, true}};
}

// One transfer from account 1 to 2 a batch.
void commit_one(ledger& book, std::uint64_t id) {
    book.begin();
    REQUIRE(book.apply({id, 1, 2, id}) == verdict::done);
    book.commit();
}
std::unique_ptr<ledger> open_log(const folder& where) {
    return open_ledger(ledger_store::log, where.file(), account_count);
}
bool has(ledger& book, std::uint64_t id) {
    transfer t{id, 0, 0, 0};
    return book.look_up(t) == verdict::done && t == transfer{id, 1, 2, id};
}

TEST_SUITE("tools") {
    TEST_CASE("ledger: a transfer moves money once, however often it is asked for") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            const auto book = open_ledger(store, where.file(), account_count);
            book->begin();
            CHECK(book->apply(first) == verdict::done);
            CHECK(book->apply(first) == verdict::done);
            book->commit();
            book->begin();
            CHECK(book->apply(first) == verdict::done);
            book->commit();
            const proof p = prove(store, where.file(), account_count, {{first, true}});
            CHECK(p.holds());
            CHECK(p.transfers == 1);
        }
    }

    TEST_CASE("ledger: what makes no sense is refused and changes nothing") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            const auto book = open_ledger(store, where.file(), account_count);
            book->begin();
            CHECK(book->apply(first) == verdict::done);
            CHECK(book->apply({1, 1, 2, 301}) == verdict::taken);
            CHECK(book->apply({4, 1, 2, 0}) == verdict::malformed);
            CHECK(book->apply({5, 1, account_count + 1, 1}) == verdict::no_account);
            CHECK(book->apply({6, account_count + 1, 1, 1}) == verdict::no_account);
            CHECK(book->apply({7, 1, 2, 701}) == verdict::insufficient);
            CHECK(book->apply({8, 1, 2, 700}) == verdict::done);
            book->commit();
            const proof p = prove(store, where.file(), account_count, {{first, true}, {{8, 1, 2, 700}, true}});
            CHECK(p.holds());
        }
    }

    TEST_CASE("ledger: a batch that is rolled back, or never committed, has not happened") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            {
                const auto book = open_ledger(store, where.file(), account_count);
                book->begin();
                CHECK(book->apply(first) == verdict::done);
                book->rollback();
                book->begin();
                CHECK(book->apply(second) == verdict::insufficient);
                CHECK(book->apply({9, 3, 4, 5}) == verdict::done);
            }
            const auto again = open_ledger(store, where.file(), account_count);
            transfer t{9, 0, 0, 0};
            CHECK(again->look_up(t) == verdict::unknown);
            CHECK(prove(store, where.file(), account_count, {}).holds());
        }
    }

    TEST_CASE("ledger: a reopened ledger knows its transfers and goes on counting batches") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            (void)a_day(store, where.file());
            const auto book = open_ledger(store, where.file(), 77);
            CHECK(book->accounts() == account_count);
            CHECK(book->batches() == 1);
            transfer t{second.id, 0, 0, 0};
            CHECK(book->look_up(t) == verdict::done);
            CHECK(t == second);
        }
    }

    TEST_CASE("proof: holds for an honest day, in whatever order the promises come") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            const proof p = prove(store, where.file(), account_count, a_day(store, where.file()));
            CHECK(p.holds());
            CHECK(p.confirmed == 2);
            CHECK(p.refused == 1);
            CHECK(p.sum_found == account_count * ledger::opening_balance);
            CHECK(p.integrity == "ok");
        }
    }

    TEST_CASE("proof: finds money that appeared") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            auto promises = a_day(store, where.file());
            tamper(store, where.file(), "UPDATE accounts SET balance = balance + 1 WHERE id = 1",
                   [](auto& entries) { ++entries[0].from_holds; });
            const proof p = prove(store, where.file(), account_count, std::move(promises));
            CHECK_FALSE(p.holds());
            CHECK(p.sum_found == p.sum_expected + 1);
            CHECK(p.wrong_balances == 1);
        }
    }

    TEST_CASE("proof: finds a confirmed transfer that is not there") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            auto promises = a_day(store, where.file());
            tamper(store, where.file(), "DELETE FROM transfers WHERE id = 2",
                   [](auto& entries) { entries.pop_back(); });
            const proof p = prove(store, where.file(), account_count, std::move(promises));
            CHECK_FALSE(p.holds());
            CHECK(p.lost == 1);
            // A log without it has no trace of it in its balances either.
            CHECK(p.wrong_balances == (store == ledger_store::log ? 0 : 2));
        }
    }

    TEST_CASE("proof: finds a transfer with other contents than were confirmed") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            auto promises = a_day(store, where.file());
            tamper(store, where.file(), "UPDATE transfers SET target = 4 WHERE id = 1",
                   [](auto& entries) { entries[0].what.to = 4; });
            const proof p = prove(store, where.file(), account_count, std::move(promises));
            CHECK_FALSE(p.holds());
            CHECK(p.altered == 1);
        }
    }

    TEST_CASE("proof: finds a refused transfer that happened, and one that nobody was told of") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            auto promises = a_day(store, where.file());
            promises[0].confirmed = false;
            promises.pop_back();
            const proof p = prove(store, where.file(), account_count, std::move(promises));
            CHECK_FALSE(p.holds());
            CHECK(p.invented == 2);
        }
    }

    TEST_CASE("proof: finds a transfer that was confirmed twice") {
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            const folder where;
            auto promises = a_day(store, where.file());
            promises.push_back(promises.front());
            const proof p = prove(store, where.file(), account_count, std::move(promises));
            CHECK_FALSE(p.holds());
            CHECK(p.promised_twice == 1);
        }
    }

    TEST_CASE("ledger: stores agree with one another and with a map, through rollbacks and reopenings") {
        const std::uint64_t s = seed();
        CAPTURE(s);
        for (const ledger_store store : ledger_stores()) {
            CAPTURE(name_of(store));
            std::mt19937_64 random{s};
            const auto below = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
            const folder where;
            auto book = open_ledger(store, where.file(), account_count);
            std::map<std::uint64_t, transfer> done;
            std::vector<std::uint64_t> holds(account_count + 1, ledger::opening_balance);
            for (int batch = 0; batch < 60; ++batch) {
                const auto before = std::pair{done, holds};
                book->begin();
                for (std::uint32_t n = below(8); n != 0; --n) {
                    const transfer t{1 + below(400), 1 + below(account_count), 1 + below(account_count),
                                     1 + below(600)};
                    const auto known = done.find(t.id);
                    const verdict wanted = known != done.end() ? known->second == t ? verdict::done : verdict::taken
                                           : holds[t.from] < t.amount ? verdict::insufficient
                                                                      : verdict::done;
                    CHECK(book->apply(t) == wanted);
                    if (known != done.end() || wanted != verdict::done) continue;
                    done.emplace(t.id, t);
                    holds[t.from] -= t.amount;
                    holds[t.to] += t.amount;
                }
                if (below(4) == 0) {
                    book->rollback();
                    std::tie(done, holds) = before;
                } else {
                    book->commit();
                }
                if (below(8) == 0) {
                    book.reset();
                    book = open_ledger(store, where.file(), account_count);
                }
            }
            book.reset();
            std::vector<promise> promises;
            for (const auto& [id, t] : done) promises.push_back({t, true});
            const proof p = prove(store, where.file(), account_count, std::move(promises));
            CHECK(p.holds());
            CHECK(p.transfers == done.size());
        }
    }

    TEST_CASE("log: a batch that is cut anywhere has not happened; those before it have, and the next ones will") {
        const folder where;
        {
            const auto book = open_log(where);
            commit_one(*book, 1);
            commit_one(*book, 2);
        }
        const file_bytes whole = read_file(where.file());
        const std::size_t begins = log_format::head_size + log_format::batch_head_size + log_format::entry_size;
        REQUIRE(whole.size() == begins + log_format::batch_head_size + log_format::entry_size);
        for (std::size_t size = begins; size < whole.size(); ++size) {
            CAPTURE(size);
            write_file(where.file(), {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
            const proof torn = prove(ledger_store::log, where.file(), account_count, {{{1, 1, 2, 1}, true}});
            CHECK((torn.integrity == "ok") == (size == begins));
            CHECK(torn.transfers == 1);
            {
                const auto book = open_log(where);
                CHECK(has(*book, 1));
                CHECK_FALSE(has(*book, 2));
                CHECK(book->batches() == 1);
                commit_one(*book, 3);
            }
            const auto book = open_log(where);
            CHECK(has(*book, 1));
            CHECK(has(*book, 3));
        }
    }

    TEST_CASE("log: what a machine that lost its power may leave at the end is cut off") {
        const std::uint64_t s = seed();
        CAPTURE(s);
        std::mt19937_64 random{s};
        const folder where;
        {
            const auto book = open_log(where);
            commit_one(*book, 1);
        }
        const file_bytes whole = read_file(where.file());
        for (int round = 0; round < 40; ++round) {
            file_bytes more = whole;
            // Zeros, or anything; and sometimes what a batch begins with.
            const file_bytes next = log_format::encode_batch(2, {});
            if (round % 3 == 2) more.insert(more.end(), next.begin(), next.begin() + 12);
            for (std::uint64_t n = 1 + random() % 200; n != 0; --n)
                more.push_back(round % 3 == 0 ? 0 : static_cast<unsigned char>(random()));
            write_file(where.file(), more);
            CHECK(has(*open_log(where), 1));
            CHECK(read_file(where.file()) == whole);
        }
    }

    TEST_CASE("log: a changed byte with a whole batch behind it is damage, and in the last batch is a loss") {
        const folder where;
        {
            const auto book = open_log(where);
            commit_one(*book, 1);
            commit_one(*book, 2);
        }
        const file_bytes whole = read_file(where.file());
        const std::size_t second_begins = log_format::head_size + log_format::batch_head_size + log_format::entry_size;
        const std::vector<promise> told{{{1, 1, 2, 1}, true}, {{2, 1, 2, 2}, true}};
        REQUIRE(prove(ledger_store::log, where.file(), account_count, told).holds());
        for (std::size_t at = 0; at < whole.size(); ++at) {
            CAPTURE(at);
            file_bytes changed = whole;
            changed[at] ^= 0x10;
            write_file(where.file(), changed);
            // The last four bytes of the head say nothing.
            if (at >= 28 && at < log_format::head_size) continue;
            if (at < log_format::head_size) {
                CHECK_THROWS_AS((void)prove(ledger_store::log, where.file(), account_count, told), ledger_error);
            } else {
                const proof p = prove(ledger_store::log, where.file(), account_count, told);
                CHECK_FALSE(p.holds());
                CHECK(p.integrity != "ok");
                CHECK(p.lost == (at < second_begins ? 2 : 1));
            }
            if (at < second_begins) {
                CHECK_THROWS_AS((void)open_log(where), ledger_error);
                CHECK(read_file(where.file()) == changed);
            }
        }
    }

    TEST_CASE("log: balances that do not follow from the transfers are refused") {
        const folder where;
        (void)a_day(ledger_store::log, where.file());
        const file_bytes whole = read_file(where.file());
        const std::function<void(std::vector<log_format::entry>&)> changes[] = {
            [](auto& entries) { ++entries[1].to_holds; },
            [](auto& entries) { --entries[0].from_holds; },
            [](auto& entries) { entries[0].what.to = account_count + 1; },
            [](auto& entries) { entries[1] = entries[0]; },
        };
        for (const auto& change : changes) {
            write_file(where.file(), whole);
            tamper(ledger_store::log, where.file(), "", change);
            CHECK_THROWS_AS((void)open_log(where), ledger_error);
        }
    }

    TEST_CASE("log: one that was being created is created; a file that is none is left alone") {
        const folder where;
        const file_bytes head = log_format::encode_head(account_count);
        for (std::size_t size = 0; size < head.size(); ++size) {
            CAPTURE(size);
            write_file(where.file(), {head.begin(), head.begin() + static_cast<std::ptrdiff_t>(size)});
            CHECK(open_log(where)->accounts() == account_count);
            CHECK(read_file(where.file()) == head);
        }
        for (const std::size_t size : {1U, 16U, 31U, 32U, 1'000U}) {
            CAPTURE(size);
            const file_bytes other(size, 'x');
            write_file(where.file(), other);
            CHECK_THROWS_AS((void)open_log(where), ledger_error);
            CHECK(read_file(where.file()) == other);
        }
    }

    TEST_CASE("append_file: one at a time has it") {
        const folder where;
        const append_file mine{where.file()};
        CHECK_THROWS_AS(append_file(where.file(), std::chrono::milliseconds{0}), ledger_error);
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
