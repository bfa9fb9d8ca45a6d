// The store in a plain log (log_format.hpp): everything is in memory, and a batch is durable when it is on the disk.
#include <algorithm>
#include <fstream>
#include <iterator>
#include <unordered_map>

#include "tools/colloquy/append_file.hpp"
#include "tools/colloquy/ledger_stores.hpp"
#include "tools/colloquy/log_format.hpp"

namespace colloquy::tool {
namespace {

[[noreturn]] void fail(const std::filesystem::path& file, const std::string& what) {
    throw ledger_error{file.string() + ": " + what};
}

[[nodiscard]] std::vector<unsigned char> read_all(const std::filesystem::path& file) {
    std::ifstream in{file, std::ios::binary | std::ios::ate};
    if (!in) fail(file, "cannot be read");
    std::vector<unsigned char> all(static_cast<std::size_t>(in.tellg()));
    in.seekg(0);
    if (!all.empty() && !in.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size())))
        fail(file, "cannot be read");
    return all;
}

// What a log of these bytes says, from its beginning.
struct replay {
    std::uint32_t accounts = 0;
    std::size_t sound = 0;       // bytes that hold: the head and whole batches
    std::size_t damaged_at = 0;  // 0, or where a batch does not hold although a whole one follows
    std::uint64_t last_batch = 0;

    template <class OnEntry>
    replay(const std::filesystem::path& file, log_format::bytes all, OnEntry&& on_entry) {
        const auto head = log_format::decode_head(all);
        if (!head) fail(file, "is not a ledger's log");
        accounts = *head;
        sound = log_format::head_size;
        while (const auto batch = log_format::decode_batch(all.subspan(sound))) {
            // A number that does not ascend is not what we wrote.
            if (batch->number <= last_batch) {
                damaged_at = sound;
                return;
            }
            last_batch = batch->number;
            for (std::size_t i = 0; i < batch->count(); ++i) on_entry(batch->at(i), batch->number);
            sound += batch->size();
        }
        for (std::size_t at = sound; at < all.size() && damaged_at == 0; at += log_format::alignment)
            if (log_format::decode_batch(all.subspan(at))) damaged_at = sound;
    }
};

class log_ledger final : public ledger {
public:
    log_ledger(const std::filesystem::path& file, std::uint32_t accounts) : path_{file}, file_{file} {
        std::vector<unsigned char> all = read_all(file);
        if (all.size() < log_format::head_size) all = create(all, accounts);
        if (const auto head = log_format::decode_head(all)) accounts_ = *head;
        balances_.resize(std::size_t{accounts_} + 1, opening_balance);
        const replay log{file, all, [this](const log_format::entry& e, std::uint64_t) { take_over(e); }};
        if (log.damaged_at != 0)
            fail(file, "is damaged at byte " + std::to_string(log.damaged_at) + ", with sound batches behind it");
        batch_ = log.last_batch;
        // What lies behind was never committed.
        if (log.sound != all.size()) file_.truncate(log.sound);
        // Whatever is read from here on is as good as committed, also when a predecessor was killed before its sync.
        file_.sync();
        durable_ = log.sound;
    }

    [[nodiscard]] std::uint32_t accounts() const noexcept override { return accounts_; }
    [[nodiscard]] std::uint64_t batches() const noexcept override { return batch_; }

    void begin() override {
        if (!broken_.empty()) fail(path_, "unusable since: " + broken_);
        ++batch_;
    }

    [[nodiscard]] bank::verdict look_up(bank::transfer& t) override {
        const auto known = transfers_.find(t.id);
        if (known == transfers_.end()) return bank::verdict::unknown;
        t = {t.id, known->second.from, known->second.to, known->second.amount};
        return bank::verdict::done;
    }

    [[nodiscard]] bank::verdict apply(const bank::transfer& t) override {
        if (t.amount == 0 || t.amount > number_max || t.id > number_max) return bank::verdict::malformed;
        if (bank::transfer before{t.id, 0, 0, 0}; look_up(before) == bank::verdict::done)
            return before == t ? bank::verdict::done : bank::verdict::taken;
        if (!is_account(t.from) || !is_account(t.to)) return bank::verdict::no_account;
        if (balances_[t.from] < t.amount) return bank::verdict::insufficient;
        balances_[t.from] -= t.amount;
        balances_[t.to] += t.amount;
        transfers_.emplace(t.id, facts{t.from, t.to, t.amount});
        running_.push_back({t, balances_[t.from], balances_[t.to]});
        return bank::verdict::done;
    }

    void commit() override {
        if (running_.empty()) return;
        const std::vector<unsigned char> bytes = log_format::encode_batch(batch_, running_);
        try {
            file_.append(bytes);
        } catch (const ledger_error& e) {
            // As if it had never been tried; when even that fails, nothing can be said of the file any more.
            try {
                file_.truncate(durable_);
            } catch (const ledger_error&) {
                broken_ = e.what();
            }
            throw;
        }
        try {
            file_.sync();
        } catch (const ledger_error& e) {
            // The system may have forgotten what it could not write: another try would succeed and mean nothing.
            broken_ = e.what();
            throw;
        }
        durable_ += bytes.size();
        running_.clear();
    }

    void rollback() noexcept override {
        for (auto e = running_.rbegin(); e != running_.rend(); ++e) {
            balances_[e->what.to] -= e->what.amount;
            balances_[e->what.from] += e->what.amount;
            transfers_.erase(e->what.id);
        }
        running_.clear();
    }

private:
    struct facts {
        std::uint32_t from, to;
        std::uint64_t amount;
    };

    [[nodiscard]] bool is_account(std::uint32_t id) const noexcept { return id >= 1 && id <= accounts_; }

    // A file without a whole head is new, or was being created when its creator died.
    [[nodiscard]] std::vector<unsigned char> create(const std::vector<unsigned char>& found, std::uint32_t accounts) {
        std::vector<unsigned char> head = log_format::encode_head(accounts);
        const std::size_t common = std::min(found.size(), log_format::magic.size());
        if (!std::equal(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(common), head.begin()))
            fail(path_, "is not a ledger's log");
        file_.truncate(0);
        file_.append(head);
        return head;
    }

    // An entry of the log, at its opening.
    void take_over(const log_format::entry& e) {
        const auto& t = e.what;
        if (is_account(t.from) && is_account(t.to)) {
            balances_[t.from] -= t.amount;
            balances_[t.to] += t.amount;
            if (balances_[t.from] == e.from_holds && balances_[t.to] == e.to_holds &&
                transfers_.emplace(t.id, facts{t.from, t.to, t.amount}).second)
                return;
        }
        fail(path_, "makes no sense at transfer " + std::to_string(t.id));
    }

    std::filesystem::path path_;
    append_file file_;
    std::uint64_t durable_ = 0;  // bytes of the file that are on the disk
    std::string broken_;         // why it cannot be used any more
    std::uint32_t accounts_ = 0;
    std::uint64_t batch_ = 0;
    std::vector<std::uint64_t> balances_;  // from 1
    std::unordered_map<std::uint64_t, facts> transfers_;
    std::vector<log_format::entry> running_;  // the batch
};

}  // namespace

std::unique_ptr<ledger> open_log_ledger(const std::filesystem::path& file, std::uint32_t accounts) {
    return std::make_unique<log_ledger>(file, accounts);
}

void read_log_ledger(const std::filesystem::path& file, ledger_contents& into) {
    struct found {
        bank::transfer what;
        std::uint64_t batch;
    };
    const std::vector<unsigned char> all = read_all(file);
    std::vector<found> transfers;
    std::unordered_map<std::uint64_t, std::uint64_t> balances;  // of accounts that have moved
    const replay log{file, all, [&](const log_format::entry& e, std::uint64_t batch) {
                         transfers.push_back({e.what, batch});
                         balances[e.what.from] = e.from_holds;
                         balances[e.what.to] = e.to_holds;
                     }};
    into.integrity = log.damaged_at != 0       ? "damaged at byte " + std::to_string(log.damaged_at)
                     : log.sound != all.size() ? "torn at byte " + std::to_string(log.sound)
                                               : "ok";
    std::stable_sort(transfers.begin(), transfers.end(),
                     [](const found& a, const found& b) { return a.what.id < b.what.id; });
    for (const found& f : transfers) into.on_transfer(f.what, f.batch);
    for (std::uint64_t id = 1; id <= log.accounts; ++id) {
        const auto moved = balances.find(id);
        into.on_account(id, moved == balances.end() ? ledger::opening_balance : moved->second);
        if (moved != balances.end()) balances.erase(moved);
    }
    // Accounts that there should not be.
    for (const auto& [id, holds] : balances) into.on_account(id, holds);
}

}  // namespace colloquy::tool
