// ledger_stores: what each store implements for ledger.cpp.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>

#include "tools/colloquy/ledger.hpp"

namespace colloquy::tool {

// All that a store has, as the proof reads it. Throws ledger_error when it cannot be read at all.
struct ledger_contents {
    std::string integrity;  // "ok", or what is wrong with the file
    // By ascending id.
    std::function<void(const bank::transfer& t, std::uint64_t batch)> on_transfer;
    // After all transfers.
    std::function<void(std::uint64_t id, std::uint64_t balance)> on_account;
};

[[nodiscard]] std::unique_ptr<ledger> open_sqlite_ledger(const std::filesystem::path& file, std::uint32_t accounts);
void read_sqlite_ledger(const std::filesystem::path& file, ledger_contents& into);

[[nodiscard]] std::unique_ptr<ledger> open_log_ledger(const std::filesystem::path& file, std::uint32_t accounts);
void read_log_ledger(const std::filesystem::path& file, ledger_contents& into);

}  // namespace colloquy::tool
