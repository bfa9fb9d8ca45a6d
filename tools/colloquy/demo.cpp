// colloquy demo: the main job. Thousands of customers move money through one teller, each transfer confirmed only
// when it is durable; the server may be killed in the middle; at the end its ledger is held against what everybody was
// told.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "tools/colloquy/bank.hpp"
#include "tools/colloquy/client.hpp"
#include "tools/colloquy/codes.hpp"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/ledger.hpp"
#include "tools/colloquy/platform.hpp"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {
namespace {

using std::chrono::milliseconds;

constexpr unsigned stop_ms = 5'000;
// Without a transfer. Longer than it takes to find out that a link is dead when nobody tells.
constexpr std::uint64_t patience_seconds = 90;

// What all customers share, and what they were told.
struct market {
    market(hub& completions, std::string destination, const demo_options& wanted)
        : options{wanted}, all{completions, std::move(destination)} {
        if (wanted.kill_server && wanted.transfers != 0) gate.store(wanted.transfers / 2, std::memory_order_relaxed);
    }

    const demo_options& options;
    crowd all;
    std::atomic<std::uint64_t> next{0};  // the last transfer id that was given out
    // Transfers beyond this one wait: half of them are to be made after the server was killed, however fast it is.
    std::atomic<std::uint64_t> gate{~std::uint64_t{0}};
    [[nodiscard]] bool open_for(std::uint64_t id) const noexcept { return id <= gate.load(std::memory_order_relaxed); }

    // One for each worker, written by it alone and read when it is gone.
    struct records {
        std::vector<promise> promises;
        std::uint64_t in_doubt = 0;    // the conversation was lost before the outcome was known
        std::uint64_t found_done = 0;  // of these: the teller answered that it was done
        std::uint64_t sent_again = 0;  // of these: it was not, and was sent again
    };
    std::vector<records> told;

    void promised(const worker& by, const bank::transfer& t, bool confirmed) {
        told[by.number()].promises.push_back({t, confirmed});
    }
};

class customer final : public client_session {
public:
    customer(market& where, std::uint64_t seed) : client_session{where.all}, market_{where}, random_{seed | 1U} {}

private:
    enum class step : std::uint8_t {
        allocating,
        waiting,    // for the gate
        moving,     // a transfer is on its way, with Confirm
        hearing,    // it was refused: the record that says why
        asking,     // a query is on its way
        answering,  // and now its answer
        closing,
    };

    CM_INT32 prepare() override {
        doing_ = step::allocating;
        return talk_.set_sync_level(CM_CONFIRM);
    }
    [[nodiscard]] bool must_open() const override { return in_doubt_; }
    [[nodiscard]] bool expected(CM_INT32 code) const override {
        return client_session::expected(code) ||
               (market_.options.kill_server &&
                (code == CM_RESOURCE_FAILURE_RETRY || code == CM_RESOURCE_FAILURE_NO_RETRY));
    }

    CM_INT32 go_on(worker& by, CM_INT32 code) override {
        switch (doing_) {
            case step::allocating:
                if (code != CM_OK) return lose(by, "Allocate", code);
                return in_doubt_ ? ask() : next();
            case step::waiting: return when_open();
            case step::moving: return moved(by, code);
            case step::hearing:
                if (code != CM_OK) return doubt(by, "Receive", code);
                note_answer();
                return talk_.status_received == CM_SEND_RECEIVED ? refused(by) : receive();
            case step::asking:
                if (code != CM_OK) return lose(by, "Send_Data", code);
                doing_ = step::answering;
                return receive();
            case step::answering:
                if (code != CM_OK) return lose(by, "Receive", code);
                note_answer();
                return talk_.status_received == CM_SEND_RECEIVED ? learned(by) : receive();
            case step::closing: return end();
        }
        return not_ours;
    }

    [[nodiscard]] std::uint32_t random(std::uint32_t below) noexcept {
        random_ ^= random_ << 13U;
        random_ ^= random_ >> 7U;
        random_ ^= random_ << 17U;
        return static_cast<std::uint32_t>((random_ >> 32U) * below >> 32U);
    }

    CM_INT32 next() {
        std::uint64_t id = 0;
        const std::uint64_t limit = market_.options.transfers;
        if (!all().stopping()) id = market_.next.fetch_add(1, std::memory_order_relaxed) + 1;
        if (id == 0 || (limit != 0 && id > limit)) {
            doing_ = step::closing;
            return talk_.deallocate();
        }
        const std::uint32_t accounts = market_.options.accounts;
        transfer_.id = id;
        transfer_.from = 1 + random(accounts);
        transfer_.to = 1 + random(accounts - 1);
        if (transfer_.to >= transfer_.from) ++transfer_.to;
        // Now and then more than most accounts hold, so that refusals are part of the day.
        transfer_.amount = random(64) == 0 ? ledger::opening_balance * 3 : 1 + random(100);
        return when_open();
    }

    CM_INT32 when_open() {
        if (!market_.open_for(transfer_.id)) {
            doing_ = step::waiting;
            all().completions().park(*this);
            return not_ours;
        }
        began_ = now_ns();
        return move();
    }

    CM_INT32 move() {
        doing_ = step::moving;
        record_ = bank::encode(bank::request_kind::transfer, transfer_);
        talk_.set_send_type(CM_SEND_AND_CONFIRM);
        return talk_.send(record_.data(), static_cast<CM_INT32>(record_.size()));
    }

    CM_INT32 moved(worker& by, CM_INT32 code) {
        if (code == CM_OK) {
            confirmed(by);
            return next();
        }
        if (code != CM_PROGRAM_ERROR_PURGING) return doubt(by, "Send_Data", code);
        doing_ = step::hearing;
        return receive();
    }

    void confirmed(worker& by) {
        in_doubt_ = false;
        market_.promised(by, transfer_, true);
        by.transactions.add(1);
        by.latency.record(now_ns() - began_);
        works(by);
    }

    CM_INT32 refused(worker& by) {
        if (answer_ == bank::verdict::out_of_service) return doubt(by, "transfer", CM_TP_NOT_AVAILABLE_RETRY);
        if (answer_ != bank::verdict::insufficient) {
            by.errors.add(1);
            all().note_trouble(std::string{"a transfer was refused: "} + bank::verdict_text(answer_));
        }
        in_doubt_ = false;
        market_.promised(by, transfer_, false);
        works(by);
        return next();
    }

    CM_INT32 ask() {
        doing_ = step::asking;
        record_ = bank::encode(bank::request_kind::query, transfer_);
        talk_.set_send_type(CM_BUFFER_DATA);
        return talk_.send(record_.data(), static_cast<CM_INT32>(record_.size()));
    }

    CM_INT32 learned(worker& by) {
        market::records& told = market_.told[by.number()];
        if (answer_ == bank::verdict::done && bank::decode(record_) == transfer_) {
            ++told.found_done;
            confirmed(by);
            return next();
        }
        if (answer_ != bank::verdict::unknown) return lose(by, "query", CM_TP_NOT_AVAILABLE_RETRY);
        ++told.sent_again;
        return move();
    }

    // The outcome of the transfer is not known: the conversation has to be opened again to ask.
    CM_INT32 doubt(worker& by, std::string_view call, CM_INT32 code) {
        if (!in_doubt_) ++market_.told[by.number()].in_doubt;
        in_doubt_ = true;
        return lose(by, call, code);
    }

    // From SEND this also gives the turn.
    CM_INT32 receive() { return talk_.receive(record_.data(), static_cast<CM_INT32>(record_.size())); }
    void note_answer() {
        if (talk_.data_received == CM_COMPLETE_DATA_RECEIVED) answer_ = static_cast<bank::verdict>(record_[0]);
    }

    market& market_;
    std::uint64_t random_;
    bank::transfer transfer_;
    bank::record record_{};
    bank::verdict answer_{};
    step doing_ = step::allocating;
    bool in_doubt_ = false;
    std::uint64_t began_ = 0;
};

// The teller in a process of its own.
class teller_process {
public:
    teller_process(const std::filesystem::path& file, const demo_options& options) : file_{file}, options_{options} {
        start("127.0.0.1:0");
    }

    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    [[nodiscard]] bool running() { return process_->running(); }

    void kill_and_restart() {
        process_->kill();
        start(address_);
    }
    [[nodiscard]] int end() { return process_->end(std::chrono::seconds{20}); }

private:
    void start(const std::string& listen) {
        process_.emplace(std::vector<std::string>{"serve", "--json", "--end-with-input", "--listen", listen, "--db",
                                                  file_.string(), "--store", std::string{name_of(options_.store)},
                                                  "--accounts", std::to_string(options_.accounts), "--conversations",
                                                  std::to_string(options_.conversations + 64)});
        const std::string line = process_->read_line(std::chrono::seconds{30});
        const auto ready = nlohmann::json::parse(line, nullptr, false);
        if (!ready.is_object() || !ready.contains("listening") || ready["listening"].empty())
            throw failure{"the server did not start" + (line.empty() ? std::string{} : ": " + line)};
        address_ = ready["listening"][0].get<std::string>();
    }

    std::filesystem::path file_;
    const demo_options& options_;
    std::optional<child_process> process_;
    std::string address_;
};

[[nodiscard]] std::string states_text() {
    static constexpr std::array<const char*, 9> names{"",        "",        "initialize",   "send",       "receive",
                                                      "pending", "confirm", "confirm-send", "confirm-end"};
    std::array<unsigned long long, 19> count{};
    clq_states(count.data());
    std::string text;
    for (std::size_t i = 2; i < names.size(); ++i)
        if (count[i] != 0) text.append(text.empty() ? "" : " ").append(names[i]).append(" ").append(grouped(count[i]));
    return text;
}

struct outcome {
    double seconds = 0;
    double outage_seconds = 0;
    unsigned restarts = 0;
    market::records told;
    std::uint64_t errors = 0;
    std::uint64_t retries = 0;
    std::uint64_t unresolved = 0;
    std::string trouble;
};

// Customers at work until their time is over and everybody knows the outcome of what they asked for.
class business_day {
public:
    business_day(const demo_options& options, hub& completions, market& where, worker& mine, teller_process* process)
        : options_{options}, hub_{completions}, market_{where}, mine_{mine}, process_{process} {}

    outcome run() {
        std::vector<std::unique_ptr<customer>> customers;
        std::vector<session*> all;
        for (unsigned i = 0; i < options_.conversations; ++i) {
            customers.push_back(std::make_unique<customer>(market_, (i + 1) * 0x9E37'79B9'7F4A'7C15ULL));
            all.push_back(customers.back().get());
        }
        // Whatever ends this function, nobody may still run the customers.
        const hub_guard guard{hub_};
        begun_ = shown_at_ = progress_at_ = now_ns();
        market_.all.begin(mine_, std::move(all));

        outcome result;
        const auto duration = static_cast<std::uint64_t>(options_.duration * 1e9);
        bool ended = false;
        while (!ended) {
            const bool to_kill = options_.kill_server && result.restarts == 0;
            ended = market_.all.wait_until_ended(milliseconds{to_kill ? 5 : 100});
            const std::uint64_t now = now_ns();
            if (!ended) look_after(now);
            const bool half = options_.transfers != 0 ? !market_.open_for(market_.next.load(std::memory_order_relaxed))
                                                      : now - begun_ >= duration / 2;
            if (!ended && to_kill && half) {
                live_.show("killing the server with " + grouped(market_.all.left()) + " conversations at work");
                process_->kill_and_restart();
                ++result.restarts;
                result.outage_seconds = static_cast<double>(now_ns() - now) / 1e9;
                market_.gate.store(~std::uint64_t{0}, std::memory_order_relaxed);
            }
            if (options_.transfers == 0 && now - begun_ >= duration) market_.all.stop();
        }
        result.seconds = static_cast<double>(now_ns() - begun_) / 1e9;
        live_.clear();
        hub_.stop(stop_ms);
        return result;
    }

private:
    [[nodiscard]] std::uint64_t confirmed() const {
        std::uint64_t n = 0;
        for (const worker& w : hub_.workers()) n += w.transactions.value();
        return n;
    }

    void look_after(std::uint64_t now) {
        if (wait_for_end_signal(milliseconds{0}) != 0) throw failure{"interrupted; nothing was proved"};
        if (const std::string trouble = hub_.trouble(); !trouble.empty()) throw failure{trouble};
        if (process_ != nullptr && !process_->running()) throw failure{"the server ended by itself"};
        hub_.unpark(mine_, CM_OK);

        const std::uint64_t done = confirmed();
        if (done != progress_) {
            progress_ = done;
            progress_at_ = now;
        }
        if (now - progress_at_ > patience_seconds * 1'000'000'000ULL) {
            const std::string why = market_.all.first_trouble();
            throw failure{"no transfer was confirmed for " + std::to_string(patience_seconds) + " seconds, " +
                          grouped(market_.all.left()) + " conversations are left" + (why.empty() ? "" : "; " + why)};
        }
        if (!live_.shown() || now - shown_at_ < 250'000'000) return;
        histogram latency;
        for (const worker& w : hub_.workers()) latency.add(w.latency);
        live_.show(fixed(static_cast<double>(now - begun_) / 1e9, 1) + " s  " +
                   grouped((done - shown_) * 1'000'000'000 / (now - shown_at_)) + " transfers/s  " + grouped(done) +
                   " confirmed  p50 " + duration_text(latency.at(0.5)) + " p99 " + duration_text(latency.at(0.99)) +
                   "  [" + states_text() + "]");
        shown_ = done;
        shown_at_ = now;
    }

    const demo_options& options_;
    hub& hub_;
    market& market_;
    worker& mine_;
    teller_process* process_;
    live_line live_;
    std::uint64_t begun_ = 0;
    std::uint64_t shown_ = 0;
    std::uint64_t shown_at_ = 0;
    std::uint64_t progress_ = 0;
    std::uint64_t progress_at_ = 0;
};

void print_text(const demo_options& options, const outcome& o, const proof& p, const histogram& latency) {
    const double rate = static_cast<double>(p.confirmed) / o.seconds;
    std::cout << grouped(options.conversations) << " conversations"
              << (options.in_process ? " in one process" : " over TCP") << ", " << grouped(options.accounts)
              << " accounts, " << fixed(o.seconds, 1) << " s\n"
              << "  " << grouped(p.confirmed) << " transfers confirmed, " << grouped(p.refused) << " refused, "
              << grouped(static_cast<std::uint64_t>(rate)) << " transfers/s\n"
              << "  " << grouped(p.batches) << " durable commits, "
              << fixed(p.batches == 0 ? 0.0 : static_cast<double>(p.transfers) / static_cast<double>(p.batches), 0)
              << " transfers each\n"
              << "  from request to confirmation: " << latency_text(latency) << '\n';
    if (o.restarts != 0)
        std::cout << "  server killed and started again in " << fixed(o.outage_seconds, 2)
                  << " s: " << grouped(o.told.in_doubt) << " transfers in doubt, " << grouped(o.told.found_done)
                  << " proved to be done, " << grouped(o.told.sent_again) << " sent again\n";
    if (o.errors != 0) std::cout << "  " << grouped(o.errors) << " errors: " << o.trouble << '\n';

    const auto line = [](bool good, const std::string& what) {
        std::cout << (good ? "  ok   " : "  BAD  ") << what << '\n';
    };
    const bool proved = p.holds() && o.unresolved == 0;
    std::cout << '\n'
              << (proved ? "PROVED" : "NOT PROVED") << " by the " << noun_of(options.store) << ", reopened read-only\n";
    line(p.sum_found == p.sum_expected, "the balances of " + grouped(p.accounts) + " accounts add up to " +
                                            grouped(p.sum_found) + ", " + grouped(p.sum_expected) +
                                            " at the beginning");
    line(p.wrong_balances == 0,
         "every account holds what its transfers say (" + grouped(p.wrong_balances) + " do not)");
    line(p.lost == 0 && p.altered == 0 && p.promised_twice == 0,
         "every confirmed transfer is there, exactly once (" + grouped(p.lost) + " lost, " + grouped(p.altered) +
             " altered, " + grouped(p.promised_twice) + " confirmed twice)");
    line(p.invented == 0, "nothing else is there, and no refused transfer (" + grouped(p.invented) + " found)");
    line(o.unresolved == 0, "every customer knows the outcome (" + grouped(o.unresolved) + " do not)");
    line(p.integrity == "ok", "the " + std::string{noun_of(options.store)} + " is sound (" + p.integrity + ")");
}

void print_object(const demo_options& options, const outcome& o, const proof& p, const histogram& latency) {
    nlohmann::ordered_json object{{"proved", p.holds() && o.unresolved == 0},
                                  {"mode", options.in_process ? "inproc" : "tcp"},
                                  {"store", name_of(options.store)},
                                  {"conversations", options.conversations},
                                  {"accounts", options.accounts},
                                  {"elapsed_s", o.seconds},
                                  {"transfers_per_second", static_cast<double>(p.confirmed) / o.seconds},
                                  {"latency_us", latency_json(latency)},
                                  {"confirmed", p.confirmed},
                                  {"refused", p.refused},
                                  {"commits", p.batches},
                                  {"restarts", o.restarts},
                                  {"in_doubt", o.told.in_doubt},
                                  {"found_done", o.told.found_done},
                                  {"sent_again", o.told.sent_again},
                                  {"errors", o.errors},
                                  {"retries", o.retries},
                                  {"proof",
                                   {{"sum_expected", p.sum_expected},
                                    {"sum_found", p.sum_found},
                                    {"transfers_in_store", p.transfers},
                                    {"lost", p.lost},
                                    {"altered", p.altered},
                                    {"invented", p.invented},
                                    {"confirmed_twice", p.promised_twice},
                                    {"wrong_balances", p.wrong_balances},
                                    {"unresolved", o.unresolved},
                                    {"integrity", p.integrity}}}};
    if (!o.trouble.empty()) object["first_error"] = o.trouble;
    print_json(object);
}

}  // namespace

int demo(const demo_options& options) {
    hold_end_signals();
    std::optional<temporary_directory> temporary;
    if (options.directory.empty()) temporary.emplace();
    const std::filesystem::path file =
        (temporary ? temporary->path() : std::filesystem::path{options.directory}) /
        (options.store == ledger_store::sqlite ? "colloquy-demo.db" : "colloquy-demo.log");
    if (std::filesystem::exists(file))
        throw failure{file.string() + " is there already; the proof needs a new " +
                      std::string{noun_of(options.store)} + ": remove it or give another --dir"};

    std::optional<teller_process> process;
    if (!options.in_process) process.emplace(file, options);
    const unsigned accepts = options.in_process ? server::accepts_for(options.conversations) : 0;
    start_caller("", (options.in_process ? options.conversations * 2 + accepts : options.conversations) + 64,
                 options.links, 0);

    outcome result;
    histogram latency;
    std::vector<promise> promises;
    {
        hub completions{std::size_t{options.conversations} * (options.in_process ? 2 : 1), 1};
        market where{completions, options.in_process ? "inproc/TELLER" : process->address() + "/TELLER", options};
        std::optional<server> programs;
        const hub_guard guard{completions};
        worker& mine = completions.add_worker();
        worker& committing = completions.add_worker();
        where.told.resize(3);
        if (options.in_process) {
            programs.emplace(completions).add_teller(committing, options.store, file, options.accounts);
            programs->open(mine, accepts);
        }
        completions.start(programs ? &*programs : nullptr);
        result = business_day{options, completions, where, mine, process ? &*process : nullptr}.run();

        result.trouble = where.all.first_trouble();
        for (const worker& w : completions.workers()) {
            latency.add(w.latency);
            result.errors += w.errors.value();
            result.retries += w.retries.value();
        }
        for (market::records& r : where.told) {
            promises.insert(promises.end(), r.promises.begin(), r.promises.end());
            result.told.in_doubt += r.in_doubt;
            result.told.found_done += r.found_done;
            result.told.sent_again += r.sent_again;
        }
        const std::uint64_t issued = where.next.load(std::memory_order_relaxed);
        const std::uint64_t made = options.transfers != 0 ? std::min<std::uint64_t>(issued, options.transfers) : issued;
        result.unresolved = made > promises.size() ? made - promises.size() : 0;
    }
    if (process) {
        const int status = process->end();
        if (status != 0) throw failure{"the server ended with status " + std::to_string(status)};
    }

    try {
        const proof p = prove(options.store, file, options.accounts, std::move(promises));
        if (options.json) {
            print_object(options, result, p, latency);
        } else {
            print_text(options, result, p, latency);
        }
        return p.holds() && result.unresolved == 0 && result.errors == 0 ? 0 : exit_failed;
    } catch (const ledger_error& e) {
        throw failure{std::string{"NOT PROVED: "} + e.what()};
    }
}

}  // namespace colloquy::tool
