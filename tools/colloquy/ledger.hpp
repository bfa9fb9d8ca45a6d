// ledger: accounts and transfers in a store that survives, and the proof that none was lost, invented or done twice.
//
// Several transfers share a batch: begin(), apply() for each, commit(). A transfer is durable when commit() has
// returned. One thread at a time. Trouble with the store is thrown as ledger_error.
//
// There are two stores: an SQLite database, where SQLite was found, and a plain log of transfers.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tools/colloquy/bank.hpp"

namespace colloquy::tool {

class ledger_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

enum class ledger_store { sqlite, log };

// Those this program was built with, the usual one first.
[[nodiscard]] std::span<const ledger_store> ledger_stores() noexcept;
[[nodiscard]] std::string_view name_of(ledger_store store) noexcept;
// "database" or "log", for sentences.
[[nodiscard]] std::string_view noun_of(ledger_store store) noexcept;

class ledger {
public:
    static constexpr std::uint64_t opening_balance = 1'000;
    // Of amounts and ids: what a signed number of a database can hold.
    static constexpr std::uint64_t number_max = 0x7FFF'FFFF'FFFF'FFFF;

    ledger() = default;
    virtual ~ledger() = default;
    ledger(const ledger&) = delete;
    ledger& operator=(const ledger&) = delete;

    [[nodiscard]] virtual std::uint32_t accounts() const noexcept = 0;

    virtual void begin() = 0;
    // done (also when this very transfer has been done before), or why not; nothing changed then.
    [[nodiscard]] virtual bank::verdict apply(const bank::transfer& t) = 0;
    // done or unknown, as of now, the running batch included; `t` gets what the ledger has under its id.
    [[nodiscard]] virtual bank::verdict look_up(bank::transfer& t) = 0;
    virtual void commit() = 0;
    virtual void rollback() noexcept = 0;

    // The number of the newest batch.
    [[nodiscard]] virtual std::uint64_t batches() const noexcept = 0;
};

// Opens the store, and creates it with so many accounts when there is none. One ledger at a time has a store.
[[nodiscard]] std::unique_ptr<ledger> open_ledger(ledger_store store, const std::filesystem::path& file,
                                                  std::uint32_t accounts);

// What a customer was told of a transfer.
struct promise {
    bank::transfer what;
    bool confirmed = false;  // otherwise refused
};

// What is in a store, held against what customers were told.
struct proof {
    std::uint64_t accounts = 0;
    std::uint64_t sum_expected = 0;
    std::uint64_t sum_found = 0;
    std::uint64_t transfers = 0;       // in the store
    std::uint64_t batches = 0;         // commits that carried them
    std::uint64_t confirmed = 0;       // promised
    std::uint64_t refused = 0;         // promised not to have happened
    std::uint64_t lost = 0;            // confirmed, but not in the store
    std::uint64_t altered = 0;         // confirmed, but with other contents
    std::uint64_t invented = 0;        // in the store, but never confirmed to anybody, or twice
    std::uint64_t promised_twice = 0;  // two promises for one id
    std::uint64_t wrong_balances = 0;  // accounts that are not opening balance + what came - what went
    std::string integrity;             // "ok" when the store finds its file sound

    [[nodiscard]] bool holds() const noexcept {
        return sum_found == sum_expected && transfers == confirmed && lost == 0 && altered == 0 && invented == 0 &&
               promised_twice == 0 && wrong_balances == 0 && integrity == "ok";
    }
};

// Opens the store read-only and checks all of the above. The transfers that are done there must be exactly those that
// were confirmed, each once.
[[nodiscard]] proof prove(ledger_store store, const std::filesystem::path& file, std::uint32_t accounts,
                          std::vector<promise> promises);

}  // namespace colloquy::tool
