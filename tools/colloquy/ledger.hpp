// ledger: accounts and transfers in an SQLite database, and the proof that none was lost, invented or done twice.
//
// Several transfers share a batch: begin(), apply() for each, commit(). A transfer is durable when commit() has
// returned (write-ahead log, synchronous=FULL). One thread at a time. Trouble with the database is thrown as
// ledger_error.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tools/colloquy/bank.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace colloquy::tool {

class ledger_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

class ledger {
public:
    static constexpr std::uint64_t opening_balance = 1'000;

    // Opens the database, and creates it with so many accounts when there is none.
    ledger(const std::filesystem::path& file, std::uint32_t accounts);
    ~ledger();
    ledger(const ledger&) = delete;
    ledger& operator=(const ledger&) = delete;

    [[nodiscard]] std::uint32_t accounts() const noexcept { return accounts_; }

    void begin();
    // done (also when this very transfer has been done before), or why not; nothing changed then.
    [[nodiscard]] bank::verdict apply(const bank::transfer& t);
    // done or unknown, as of now, the running batch included; `t` gets what the ledger has under its id.
    [[nodiscard]] bank::verdict look_up(bank::transfer& t);
    void commit();
    void rollback() noexcept;

    [[nodiscard]] std::uint64_t batches() const noexcept { return batch_; }

private:
    struct statement_end {
        void operator()(sqlite3_stmt* s) const noexcept;
    };
    struct database_end {
        void operator()(sqlite3* d) const noexcept;
    };
    using statement = std::unique_ptr<sqlite3_stmt, statement_end>;

    void execute(const char* sql);
    [[nodiscard]] statement prepare(const char* sql);
    [[nodiscard]] bool step(const statement& s);
    [[noreturn]] void fail(const std::string& doing) const;
    void create(std::uint32_t accounts);

    std::filesystem::path file_;
    std::unique_ptr<sqlite3, database_end> database_;
    statement withdraw_, deposit_, enter_, find_, exists_, begin_, commit_, rollback_;
    std::uint32_t accounts_ = 0;
    std::uint64_t batch_ = 0;
    bool in_batch_ = false;
};

// What a customer was told of a transfer.
struct promise {
    bank::transfer what;
    bool confirmed = false;  // otherwise refused
};

// The state of a database, held against what customers were told.
struct proof {
    std::uint64_t accounts = 0;
    std::uint64_t sum_expected = 0;
    std::uint64_t sum_found = 0;
    std::uint64_t transfers = 0;       // in the database
    std::uint64_t batches = 0;         // commits that carried them
    std::uint64_t confirmed = 0;       // promised
    std::uint64_t refused = 0;         // promised not to have happened
    std::uint64_t lost = 0;            // confirmed, but not in the database
    std::uint64_t altered = 0;         // confirmed, but with other contents
    std::uint64_t invented = 0;        // in the database, but never confirmed to anybody
    std::uint64_t promised_twice = 0;  // two promises for one id
    std::uint64_t wrong_balances = 0;  // accounts that are not opening balance + what came - what went
    std::string integrity;             // "ok" when SQLite finds its file sound

    [[nodiscard]] bool holds() const noexcept {
        return sum_found == sum_expected && transfers == confirmed && lost == 0 && altered == 0 && invented == 0 &&
               promised_twice == 0 && wrong_balances == 0 && integrity == "ok";
    }
};

// Opens the database read-only and checks all of the above. The transfers that are done there must be exactly those
// that were confirmed, each once.
[[nodiscard]] proof prove(const std::filesystem::path& file, std::uint32_t accounts, std::vector<promise> promises);

}  // namespace colloquy::tool
