#include "tools/colloquy/ledger.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "tools/colloquy/ledger_stores.hpp"

namespace colloquy::tool {
namespace {

#ifdef COLLOQUY_WITH_SQLITE
constexpr std::array stores{ledger_store::sqlite, ledger_store::log};
#else
constexpr std::array stores{ledger_store::log};
#endif

void read(ledger_store store, const std::filesystem::path& file, ledger_contents& into) {
#ifdef COLLOQUY_WITH_SQLITE
    if (store == ledger_store::sqlite) return read_sqlite_ledger(file, into);
#endif
    if (store == ledger_store::log) return read_log_ledger(file, into);
    throw ledger_error{"this program was built without " + std::string{name_of(store)}};
}

}  // namespace

std::span<const ledger_store> ledger_stores() noexcept { return stores; }

std::string_view name_of(ledger_store store) noexcept { return store == ledger_store::sqlite ? "sqlite" : "log"; }
std::string_view noun_of(ledger_store store) noexcept { return store == ledger_store::sqlite ? "database" : "log"; }

std::unique_ptr<ledger> open_ledger(ledger_store store, const std::filesystem::path& file, std::uint32_t accounts) {
#ifdef COLLOQUY_WITH_SQLITE
    if (store == ledger_store::sqlite) return open_sqlite_ledger(file, accounts);
#endif
    if (store == ledger_store::log) return open_log_ledger(file, accounts);
    throw ledger_error{"this program was built without " + std::string{name_of(store)}};
}

proof prove(ledger_store store, const std::filesystem::path& file, std::uint32_t accounts,
            std::vector<promise> promises) {
    proof p;
    p.sum_expected = std::uint64_t{accounts} * ledger::opening_balance;
    std::sort(promises.begin(), promises.end(),
              [](const promise& a, const promise& b) { return a.what.id < b.what.id; });
    for (std::size_t i = 0; i < promises.size(); ++i) {
        (promises[i].confirmed ? p.confirmed : p.refused) += 1;
        if (i != 0 && promises[i].what.id == promises[i - 1].what.id) ++p.promised_twice;
    }

    // Both sides are in the order of their ids: one pass tells what is missing on either.
    std::vector<std::uint64_t> balance(std::size_t{accounts} + 1, ledger::opening_balance);
    auto next = promises.cbegin();
    const auto pass = [&](std::uint64_t id) {
        for (; next != promises.cend() && next->what.id < id; ++next)
            if (next->confirmed) ++p.lost;
    };
    ledger_contents found;
    found.on_transfer = [&](const bank::transfer& t, std::uint64_t batch) {
        ++p.transfers;
        p.batches = std::max(p.batches, batch);
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
    };
    found.on_account = [&](std::uint64_t id, std::uint64_t holds) {
        ++p.accounts;
        p.sum_found += holds;
        if (id >= balance.size() || balance[static_cast<std::size_t>(id)] != holds) ++p.wrong_balances;
    };
    read(store, file, found);
    pass(std::numeric_limits<std::uint64_t>::max());
    p.integrity = found.integrity;
    if (p.accounts != accounts)
        p.wrong_balances += p.accounts > accounts ? p.accounts - accounts : accounts - p.accounts;
    return p;
}

}  // namespace colloquy::tool
