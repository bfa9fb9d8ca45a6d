// The store in an SQLite database: durable by its write-ahead log with synchronous=FULL.
#include <sqlite3.h>

#include "tools/colloquy/ledger_stores.hpp"

namespace colloquy::tool {
namespace {

void bind(sqlite3_stmt* s, int index, std::uint64_t value) noexcept {
    sqlite3_bind_int64(s, index, static_cast<sqlite3_int64>(value));
}
[[nodiscard]] std::uint64_t column(sqlite3_stmt* s, int index) noexcept {
    return static_cast<std::uint64_t>(sqlite3_column_int64(s, index));
}
// SQLite wants names in UTF-8 on every system.
[[nodiscard]] int open_database(const std::filesystem::path& file, sqlite3** database, int flags) {
    const std::u8string name = file.u8string();
    return sqlite3_open_v2(std::string{name.begin(), name.end()}.c_str(), database, flags, nullptr);
}

class sqlite_ledger final : public ledger {
public:
    sqlite_ledger(const std::filesystem::path& file, std::uint32_t accounts);
    ~sqlite_ledger() override;

    [[nodiscard]] std::uint32_t accounts() const noexcept override { return accounts_; }
    void begin() override;
    [[nodiscard]] bank::verdict apply(const bank::transfer& t) override;
    [[nodiscard]] bank::verdict look_up(bank::transfer& t) override;
    void commit() override;
    void rollback() noexcept override;
    [[nodiscard]] std::uint64_t batches() const noexcept override { return batch_; }

private:
    struct statement_end {
        void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
    };
    struct database_end {
        void operator()(sqlite3* d) const noexcept { sqlite3_close_v2(d); }
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

sqlite_ledger::sqlite_ledger(const std::filesystem::path& file, std::uint32_t accounts) : file_{file} {
    sqlite3* database = nullptr;
    const int opened = open_database(file, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX);
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

sqlite_ledger::~sqlite_ledger() {
    if (in_batch_) rollback();
}

void sqlite_ledger::create(std::uint32_t accounts) {
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

void sqlite_ledger::fail(const std::string& doing) const {
    throw ledger_error{file_.string() + ": " + doing + ": " +
                       (database_ ? sqlite3_errmsg(database_.get()) : "out of memory")};
}

void sqlite_ledger::execute(const char* sql) {
    if (sqlite3_exec(database_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK) fail(sql);
}

sqlite_ledger::statement sqlite_ledger::prepare(const char* sql) {
    sqlite3_stmt* s = nullptr;
    if (sqlite3_prepare_v3(database_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &s, nullptr) != SQLITE_OK) fail(sql);
    return statement{s};
}

// True: a row is there, and the statement is to be reset by the caller.
bool sqlite_ledger::step(const statement& s) {
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

void sqlite_ledger::begin() {
    (void)step(begin_);
    in_batch_ = true;
    ++batch_;
}

void sqlite_ledger::commit() {
    (void)step(commit_);
    in_batch_ = false;
}

void sqlite_ledger::rollback() noexcept {
    sqlite3_step(rollback_.get());
    sqlite3_reset(rollback_.get());
    in_batch_ = false;
}

bank::verdict sqlite_ledger::look_up(bank::transfer& t) {
    bind(find_.get(), 1, t.id);
    if (!step(find_)) return bank::verdict::unknown;
    t.from = static_cast<std::uint32_t>(column(find_.get(), 0));
    t.to = static_cast<std::uint32_t>(column(find_.get(), 1));
    t.amount = column(find_.get(), 2);
    sqlite3_reset(find_.get());
    return bank::verdict::done;
}

bank::verdict sqlite_ledger::apply(const bank::transfer& t) {
    if (t.amount == 0 || t.amount > number_max || t.id > number_max) return bank::verdict::malformed;
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

// A read-only connection for the proof. Throws as the ledger does.
class reader {
public:
    explicit reader(const std::filesystem::path& file) : file_{file} {
        if (open_database(file, &database_, SQLITE_OPEN_READONLY) != SQLITE_OK) fail("open");
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

std::unique_ptr<ledger> open_sqlite_ledger(const std::filesystem::path& file, std::uint32_t accounts) {
    return std::make_unique<sqlite_ledger>(file, accounts);
}

void read_sqlite_ledger(const std::filesystem::path& file, ledger_contents& into) {
    reader database{file};
    database.each("PRAGMA integrity_check", [&](sqlite3_stmt* s) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, 0));
        if (into.integrity.empty()) into.integrity = text != nullptr ? text : "";
    });
    database.each("SELECT id, source, target, amount, batch FROM transfers ORDER BY id", [&](sqlite3_stmt* s) {
        into.on_transfer({column(s, 0), static_cast<std::uint32_t>(column(s, 1)),
                          static_cast<std::uint32_t>(column(s, 2)), column(s, 3)},
                         column(s, 4));
    });
    database.each("SELECT id, balance FROM accounts",
                  [&](sqlite3_stmt* s) { into.on_account(column(s, 0), column(s, 1)); });
}

}  // namespace colloquy::tool
