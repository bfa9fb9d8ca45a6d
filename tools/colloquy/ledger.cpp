#include "tools/colloquy/ledger.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <limits>

namespace colloquy::tool {
namespace {

constexpr std::uint64_t amount_max = std::numeric_limits<std::int64_t>::max();

void bind(sqlite3_stmt* s, int index, std::uint64_t value) noexcept {
    sqlite3_bind_int64(s, index, static_cast<sqlite3_int64>(value));
}
[[nodiscard]] std::uint64_t column(sqlite3_stmt* s, int index) noexcept {
    return static_cast<std::uint64_t>(sqlite3_column_int64(s, index));
}

}  // namespace

void ledger::statement_end::operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
void ledger::database_end::operator()(sqlite3* d) const noexcept { sqlite3_close_v2(d); }

ledger::ledger(const std::filesystem::path& file, std::uint32_t accounts) : file_{file} {
    sqlite3* database = nullptr;
    const int opened = sqlite3_open_v2(file.c_str(), &database,
                                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
    database_.reset(database);
    if (opened != SQLITE_OK) fail("open");
    // A predecessor that was killed may still be letting go of its locks.
    sqlite3_busy_timeout(database, 5'000);
    execute("PRAGMA journal_mode=WAL");
    execute("PRAGMA synchronous=FULL");
    execute("PRAGMA wal_autocheckpoint=8000");
    execute("PRAGMA cache_size=-65536");
    create(accounts);

    withdraw_ = prepare("UPDATE accounts SET balance = balance - ?1 WHERE id = ?2 AND balance >= ?1");
    deposit_ = prepare("UPDATE accounts SET balance = balance + ?1 WHERE id = ?2");
    enter_ = prepare("INSERT INTO transfers(id, source, target, amount, batch) VALUES(?1, ?2, ?3, ?4, ?5)");
    find_ = prepare("SELECT source, target, amount FROM transfers WHERE id = ?1");
    exists_ = prepare("SELECT 1 FROM accounts WHERE id = ?1");
    begin_ = prepare("BEGIN IMMEDIATE");
    commit_ = prepare("COMMIT");
    rollback_ = prepare("ROLLBACK");
    const statement facts = prepare("SELECT (SELECT count(*) FROM accounts), (SELECT max(batch) FROM transfers)");
    (void)step(facts);
    accounts_ = static_cast<std::uint32_t>(column(facts.get(), 0));
    batch_ = column(facts.get(), 1);
    sqlite3_reset(facts.get());
}

ledger::~ledger() {
    if (in_batch_) rollback();
}

void ledger::create(std::uint32_t accounts) {
    execute("BEGIN IMMEDIATE");
    execute(
        "CREATE TABLE IF NOT EXISTS accounts(id INTEGER PRIMARY KEY, balance INTEGER NOT NULL CHECK(balance >= 0))");
    execute(
        "CREATE TABLE IF NOT EXISTS transfers(id INTEGER PRIMARY KEY, source INTEGER NOT NULL,"
        " target INTEGER NOT NULL, amount INTEGER NOT NULL CHECK(amount > 0), batch INTEGER NOT NULL)");
    const statement fill = prepare(
        "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM n WHERE id < ?1)"
        " INSERT INTO accounts SELECT id, ?2 FROM n WHERE NOT EXISTS (SELECT 1 FROM accounts)");
    bind(fill.get(), 1, accounts);
    bind(fill.get(), 2, opening_balance);
    (void)step(fill);
    sqlite3_reset(fill.get());
    execute("COMMIT");
}

void ledger::fail(const std::string& doing) const {
    throw ledger_error{file_.string() + ": " + doing + ": " +
                       (database_ ? sqlite3_errmsg(database_.get()) : "out of memory")};
}

void ledger::execute(const char* sql) {
    if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
}

ledger::statement ledger::prepare(const char* sql) {
    sqlite3_stmt* s = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr) != SQLITE_OK) fail(sql);
    return statement{s};
}

// True: a row is there, and the statement is to be reset by the caller.
bool ledger::step(const statement& s) {
    const int outcome = sqlite3_step(s.get());
    if (outcome == SQLITE_ROW) return true;
    if (outcome == SQLITE_DONE) {
        sqlite3_reset(s.get());
        return false;
    }
    const std::string doing = sqlite3_sql(s.get());
    const std::string why = sqlite3_errmsg(database_.get());
    sqlite3_reset(s.get());
    throw ledger_error{file_.string() + ": " + doing + ": " + why};
}

void ledger::begin() {
    (void)step(begin_);
    in_batch_ = true;
    ++batch_;
}

void ledger::commit() {
    (void)step(commit_);
    in_batch_ = false;
}

void ledger::rollback() noexcept {
    sqlite3_step(rollback_.get());
    sqlite3_reset(rollback_.get());
    in_batch_ = false;
}

bank::verdict ledger::look_up(bank::transfer& t) {
    bind(find_.get(), 1, t.id);
    if (!step(find_)) return bank::verdict::unknown;
    t.from = static_cast<std::uint32_t>(column(find_.get(), 0));
    t.to = static_cast<std::uint32_t>(column(find_.get(), 1));
    t.amount = column(find_.get(), 2);
    sqlite3_reset(find_.get());
    return bank::verdict::done;
}

bank::verdict ledger::apply(const bank::transfer& t) {
    if (t.amount == 0 || t.amount > amount_max || t.id > amount_max) return bank::verdict::malformed;
    if (bank::transfer before{t.id, 0, 0, 0}; look_up(before) == bank::verdict::done)
        return before == t ? bank::verdict::done : bank::verdict::taken;
    bind(exists_.get(), 1, t.to);
    if (!step(exists_)) return bank::verdict::no_account;
    sqlite3_reset(exists_.get());

    bind(withdraw_.get(), 1, t.amount);
    bind(withdraw_.get(), 2, t.from);
    (void)step(withdraw_);
    if (sqlite3_changes(database_.get()) == 0) {
        bind(exists_.get(), 1, t.from);
        if (!step(exists_)) return bank::verdict::no_account;
        sqlite3_reset(exists_.get());
        return bank::verdict::insufficient;
    }
    bind(deposit_.get(), 1, t.amount);
    bind(deposit_.get(), 2, t.to);
    (void)step(deposit_);
    bind(enter_.get(), 1, t.id);
    bind(enter_.get(), 2, t.from);
    bind(enter_.get(), 3, t.to);
    bind(enter_.get(), 4, t.amount);
    bind(enter_.get(), 5, batch_);
    (void)step(enter_);
    return bank::verdict::done;
}

namespace {

// A read-only connection for the proof. Throws as the ledger does.
class reader {
public:
    explicit reader(const std::filesystem::path& file) : file_{file} {
        if (sqlite3_open_v2(file.c_str(), &database_, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK) fail("open");
        sqlite3_busy_timeout(database_, 5'000);
    }
    ~reader() { sqlite3_close_v2(database_); }
    reader(const reader&) = delete;
    reader& operator=(const reader&) = delete;

    template <class Row>
    void each(const char* sql, Row&& row) {
        sqlite3_stmt* s = nullptr;
        if (sqlite3_prepare_v2(database_, sql, -1, &s, nullptr) != SQLITE_OK) fail(sql);
        int outcome = SQLITE_ROW;
        while ((outcome = sqlite3_step(s)) == SQLITE_ROW) row(s);
        sqlite3_finalize(s);
        if (outcome != SQLITE_DONE) fail(sql);
    }

private:
    [[noreturn]] void fail(const std::string& doing) {
        const std::string why = database_ != nullptr ? sqlite3_errmsg(database_) : "out of memory";
        throw ledger_error{file_.string() + ": " + doing + ": " + why};
    }
    std::filesystem::path file_;
    sqlite3* database_ = nullptr;
};

}  // namespace

proof prove(const std::filesystem::path& file, std::uint32_t accounts, std::vector<promise> promises) {
    proof p;
    p.sum_expected = std::uint64_t{accounts} * ledger::opening_balance;
    std::sort(promises.begin(), promises.end(),
              [](const promise& a, const promise& b) { return a.what.id < b.what.id; });
    for (std::size_t i = 0; i < promises.size(); ++i) {
        (promises[i].confirmed ? p.confirmed : p.refused) += 1;
        if (i != 0 && promises[i].what.id == promises[i - 1].what.id) ++p.promised_twice;
    }

    reader database{file};
    database.each("PRAGMA integrity_check", [&](sqlite3_stmt* s) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, 0));
        if (p.integrity.empty()) p.integrity = text != nullptr ? text : "";
    });

    // Both sides are in the order of their ids: one pass tells what is missing on either.
    std::vector<std::uint64_t> balance(std::size_t{accounts} + 1, ledger::opening_balance);
    auto next = promises.cbegin();
    const auto pass = [&](std::uint64_t id) {
        for (; next != promises.cend() && next->what.id < id; ++next)
            if (next->confirmed) ++p.lost;
    };
    database.each("SELECT id, source, target, amount, batch FROM transfers ORDER BY id", [&](sqlite3_stmt* s) {
        const bank::transfer t{column(s, 0), static_cast<std::uint32_t>(column(s, 1)),
                               static_cast<std::uint32_t>(column(s, 2)), column(s, 3)};
        ++p.transfers;
        p.batches = std::max(p.batches, column(s, 4));
        // Unsigned, so that the order of coming and going does not matter.
        if (t.from < balance.size()) balance[t.from] -= t.amount;
        if (t.to < balance.size()) balance[t.to] += t.amount;
        pass(t.id);
        if (next == promises.cend() || next->what.id != t.id || !next->confirmed) {
            ++p.invented;
        } else if (next->what != t) {
            ++p.altered;
        }
        if (next != promises.cend() && next->what.id == t.id) ++next;
    });
    pass(std::numeric_limits<std::uint64_t>::max());

    database.each("SELECT id, balance FROM accounts", [&](sqlite3_stmt* s) {
        const std::uint64_t id = column(s, 0);
        ++p.accounts;
        p.sum_found += column(s, 1);
        if (id >= balance.size() || balance[static_cast<std::size_t>(id)] != column(s, 1)) ++p.wrong_balances;
    });
    if (p.accounts != accounts)
        p.wrong_balances += p.accounts > accounts ? p.accounts - accounts : accounts - p.accounts;
    return p;
}

}  // namespace colloquy::tool
