// colloquy load: many conversations at once, and what they get done.
#include <algorithm>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <utility>

#include "tools/colloquy/client.hpp"
#include "tools/colloquy/codes.hpp"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/load_page.hpp"
#include "tools/colloquy/platform.hpp"
#include "tools/colloquy/report.hpp"
#include "tools/colloquy/schedule.hpp"

namespace colloquy::tool {
namespace {

using std::chrono::milliseconds;

// What is sent at least between two looks at the clock in a stream.
constexpr std::size_t stream_batch_bytes = std::size_t{64} << 10;

// What all sessions of a run share.
struct load_run {
    load_run(hub& completions, const load_options& wanted)
        : options{wanted}, all{completions, wanted.destination}, turns{completions, wanted.rate}, payload(wanted.size) {
        for (std::size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>('a' + i % 23);
    }

    const load_options& options;
    crowd all;
    schedule turns;
    std::vector<char> payload;
    std::atomic<bool> recording{false};

    [[nodiscard]] CM_INT32 size() const noexcept { return static_cast<CM_INT32>(payload.size()); }

    void done(worker& by, std::uint64_t began, std::uint64_t ended, std::uint64_t transactions,
              std::uint64_t bytes) const noexcept {
        if (!recording.load(std::memory_order_relaxed)) return;
        by.transactions.add(transactions);
        by.bytes.add(bytes);
        by.latency.record(ended - began);
    }
    // In an open loop, where it was meant to begin before it began.
    void done_in_turn(worker& by, std::uint64_t meant, std::uint64_t began, std::uint64_t ended,
                      std::uint64_t bytes) const {
        done(by, meant, ended, 1, bytes);
        if (recording.load(std::memory_order_relaxed)) by.service.record(ended - began);
    }
};

// A request and its answer: over and over on one conversation, or each on a conversation of its own.
class exchange_session final : public client_session {
public:
    exchange_session(load_run& run, bool once)
        : client_session{run.all}, run_{run}, once_{once}, answer_(run.payload.size()) {}

private:
    enum class step : std::uint8_t { allocating, holding, sending, receiving, closing };

    CM_INT32 prepare() override {
        doing_ = step::allocating;
        if (once_) began_ = now_ns();
        return CM_OK;
    }
    [[nodiscard]] bool may_open() override { return !once_ || has_turn(); }

    // Whether the next exchange may begin now: in an open loop when the moment for it has come. What failed is tried
    // again within its turn.
    [[nodiscard]] bool has_turn() {
        if (!run_.turns.running()) return true;
        if (meant_ == 0) meant_ = run_.turns.next();
        return !run_.turns.wait(*this, meant_);
    }

    CM_INT32 go_on(worker& by, CM_INT32 code) override {
        switch (doing_) {
            case step::allocating:
                if (code != CM_OK) return lose(by, "Allocate", code);
                if (!once_) began_ = now_ns();
                return send();
            case step::holding:
                if (all().stopping()) return leave();
                if (!has_turn()) return not_ours;
                began_ = now_ns();
                return send();
            case step::sending:
                if (code != CM_OK) return lose(by, "Send_Data", code);
                doing_ = step::receiving;
                got_ = 0;
                whole_ = false;
                return receive();
            case step::receiving: return received(by, code);
            case step::closing:
                if (code != CM_OK) return lose(by, "Deallocate", code);
                close();
                return once_ && !all().stopping() ? again() : end();
        }
        return not_ours;
    }

    CM_INT32 send() {
        doing_ = step::sending;
        return talk_.send(run_.payload.data(), run_.size());
    }
    CM_INT32 receive() { return talk_.receive(answer_.data() + got_, static_cast<CM_INT32>(answer_.size() - got_)); }

    CM_INT32 received(worker& by, CM_INT32 code) {
        if (code != CM_OK && code != CM_DEALLOCATED_NORMAL) return lose(by, "Receive", code);
        if (talk_.data_received == CM_COMPLETE_DATA_RECEIVED) whole_ = true;
        if (talk_.data_received != CM_NO_DATA_RECEIVED) got_ += static_cast<std::size_t>(talk_.received_length);
        const bool turn = talk_.status_received == CM_SEND_RECEIVED;
        if (code == CM_OK && !turn) {
            if (talk_.data_received == CM_INCOMPLETE_DATA_RECEIVED && got_ == answer_.size()) return wrong(by);
            return receive();
        }
        if (!whole_ || got_ != run_.payload.size() || answer_ != run_.payload) return wrong(by);

        const std::uint64_t now = now_ns();
        if (meant_ != 0)
            run_.done_in_turn(by, meant_, began_, now, got_ * 2);
        else
            run_.done(by, began_, now, 1, got_ * 2);
        meant_ = 0;
        began_ = now;
        works(by);
        if (code == CM_DEALLOCATED_NORMAL) {
            close();
            return all().stopping() ? end() : again();
        }
        if (!once_ && !all().stopping()) {
            doing_ = step::holding;
            return all().hold(*this) || !has_turn() ? not_ours : send();
        }
        return leave();
    }

    CM_INT32 leave() {
        doing_ = step::closing;
        return talk_.deallocate();
    }

    // A conversation of its own for the next exchange.
    CM_INT32 again() { return all().hold(*this) || !has_turn() ? not_ours : open(); }

    CM_INT32 wrong(worker& by) {
        all().note_trouble("the answer differs from what was sent; is the partner ECHO?");
        return lose(by, "Receive", CM_UNSUCCESSFUL);
    }

    load_run& run_;
    const bool once_;
    bool whole_ = false;
    step doing_ = step::allocating;
    std::size_t got_ = 0;
    std::uint64_t began_ = 0;
    std::uint64_t meant_ = 0;  // when the exchange was to begin, in an open loop
    std::vector<char> answer_;
};

// Records one way. Begins with a confirmation, which proves that the partner is there, and ends with one, which
// proves that everything has arrived.
class stream_session final : public client_session {
public:
    explicit stream_session(load_run& run)
        : client_session{run.all},
          run_{run},
          batch_{std::max<std::size_t>(1, stream_batch_bytes / std::max<std::size_t>(1, run.payload.size()))} {}

private:
    enum class step : std::uint8_t { allocating, proving, holding, sending, closing };

    CM_INT32 prepare() override {
        doing_ = step::allocating;
        return talk_.set_sync_level(CM_CONFIRM);
    }

    CM_INT32 go_on(worker& by, CM_INT32 code) override {
        switch (doing_) {
            case step::allocating:
                if (code != CM_OK) return lose(by, "Allocate", code);
                doing_ = step::proving;
                return talk_.confirm();
            case step::proving:
                if (code != CM_OK) return lose(by, "Confirm", code);
                works(by);
                doing_ = step::holding;
                if (all().hold(*this)) return not_ours;
                [[fallthrough]];
            case step::holding:
                doing_ = step::sending;
                sent_ = 0;
                began_ = now_ns();
                break;
            case step::sending:
                if (code == CM_DEALLOCATED_ABEND)
                    all().note_trouble("the partner ends the stream; does it only receive, as SINK does?");
                if (code != CM_OK) return lose(by, "Send_Data", code);
                if (++sent_ < batch_) break;
                account(by);
                if (!all().stopping()) break;
                doing_ = step::closing;
                return talk_.deallocate();
            case step::closing: return code == CM_OK ? end() : lose(by, "Deallocate", code);
        }
        return talk_.send(run_.payload.data(), run_.size());
    }

    void account(worker& by) {
        const std::uint64_t now = now_ns();
        run_.done(by, began_, now, sent_, sent_ * run_.payload.size());
        began_ = now;
        sent_ = 0;
    }

    load_run& run_;
    const std::size_t batch_;
    std::size_t sent_ = 0;
    step doing_ = step::allocating;
    std::uint64_t began_ = 0;
};

// One conversation in blocking mode tells at once, and in plain words, when nothing can come of the run.
void probe(const load_options& options) {
    conversation talk;
    const auto must = [&](std::string_view call, CM_INT32 code) {
        if (code == CM_OK) return;
        const std::string what = describe(call, code);
        if (!ends_conversation(code)) talk.cancel();
        throw failure{what};
    };
    must("Initialize_Conversation", talk.open(options.destination.c_str()));
    if (options.mode == load_mode::stream) must("Set_Sync_Level", talk.set_sync_level(CM_CONFIRM));
    must("Allocate", talk.allocate());
    if (options.mode == load_mode::stream) {
        must("Confirm", talk.confirm());
        must("Deallocate", talk.deallocate());
        return;
    }
    must("Send_Data", talk.send("?", 1));
    char answer[64];
    std::size_t got = 0;
    bool as_sent = false;
    CM_INT32 code = CM_OK;
    do {
        code = talk.receive(answer, sizeof answer);
        if ((code == CM_OK || code == CM_DEALLOCATED_NORMAL) && talk.data_received != CM_NO_DATA_RECEIVED) {
            got += static_cast<std::size_t>(talk.received_length);
            as_sent = got == 1 && answer[0] == '?' && talk.data_received == CM_COMPLETE_DATA_RECEIVED;
        }
    } while (code == CM_OK && talk.status_received != CM_SEND_RECEIVED);
    const bool ended = code == CM_DEALLOCATED_NORMAL;
    if (!ended) must("Receive", code);
    // Some partners would be measured doing something else than what was asked for.
    std::string wrong;
    if (got == 0)
        wrong = "the partner answers nothing; give --mode stream to one that only receives, as SINK does";
    else if (!as_sent)
        wrong = "the partner's answer is not what was sent; is it ECHO?";
    else if (ended && options.mode == load_mode::pingpong)
        wrong = "the partner ends the conversation with its answer, as ONCE does; give --mode oneshot, or call ECHO";
    if (!wrong.empty()) {
        if (!ended) talk.cancel();
        throw failure{wrong};
    }
    if (!ended) must("Deallocate", talk.deallocate());
}

// Nobody is run in turn any more when sessions go, whatever happens.
struct turns_guard {
    schedule& turns;
    ~turns_guard() { turns.stop(); }
};

struct totals {
    std::uint64_t transactions = 0;
    std::uint64_t bytes = 0;
    std::uint64_t errors = 0;
    std::uint64_t retries = 0;
};
[[nodiscard]] totals sum(const hub& completions) {
    totals t;
    for (const worker& w : completions.workers()) {
        t.transactions += w.transactions.value();
        t.bytes += w.bytes.value();
        t.errors += w.errors.value();
        t.retries += w.retries.value();
    }
    return t;
}

// What is counted: a request with its answer, or in a stream a record.
[[nodiscard]] const char* unit_of(load_mode mode) { return mode == load_mode::stream ? " records" : " transactions"; }
[[nodiscard]] const char* name_of(load_mode mode) {
    return mode == load_mode::pingpong ? "pingpong" : mode == load_mode::oneshot ? "oneshot" : "stream";
}

}  // namespace

int load(const load_options& options) {
    if (options.rate > 0 && options.mode == load_mode::stream)
        throw bad_usage{"--rate is for --mode pingpong and oneshot"};
    hold_end_signals();
    const bool inside = in_process(options.destination);
    const unsigned accepts = inside ? server::accepts_for(options.conversations) : 0;
    // The channel of a conversation that we ended is in use until the partner has said so: many short ones need more
    // room than are open at a time.
    const unsigned own = options.conversations * (options.mode == load_mode::oneshot ? 4 : 1) + 1'024;
    start_caller(or_usual(options.config), own + (inside ? options.conversations + accepts : 0), options.links,
                 options.reactors);
    check_destination(options.destination);

    hub completions{std::size_t{options.conversations} * (inside ? 2 : 1), options.threads};
    server programs{completions};
    load_run run{completions, options};
    std::vector<std::unique_ptr<session>> sessions;
    const hub_guard guard{completions};
    const turns_guard no_more_turns{run.turns};
    worker& mine = completions.add_worker();
    worker& pacing = completions.add_worker();
    if (inside) programs.open(mine, accepts);
    completions.start(inside ? &programs : nullptr);
    probe(options);

    std::vector<session*> all;
    for (unsigned i = 0; i < options.conversations; ++i) {
        if (options.mode == load_mode::stream) {
            sessions.push_back(std::make_unique<stream_session>(run));
        } else {
            sessions.push_back(std::make_unique<exchange_session>(run, options.mode == load_mode::oneshot));
        }
        all.push_back(sessions.back().get());
    }
    run.all.begin(mine, std::move(all));

    // The clock runs from the moment that every conversation works, or from when most of the patience for that is gone.
    live_line live;
    constexpr milliseconds tick{100};
    const auto duration = static_cast<std::uint64_t>(options.duration * 1e9);
    const std::uint64_t patience = now_ns() + std::max<std::uint64_t>(5'000'000'000ULL, duration / 2);
    const auto look_in = [&](milliseconds at_most) {
        if (wait_for_end_signal(at_most) != 0) throw failure{"interrupted"};
        if (const std::string trouble = completions.trouble(); !trouble.empty()) throw failure{trouble};
        completions.unpark(mine, CM_OK);
    };
    while (run.all.working() < options.conversations && now_ns() < patience) {
        live.show("opening conversations: " + grouped(run.all.working()) + " of " + grouped(options.conversations));
        look_in(milliseconds{10});
    }
    const std::size_t working = run.all.working();

    run.recording.store(true, std::memory_order_relaxed);
    const std::uint64_t begun = now_ns();
    run.turns.start(pacing, begun);
    run.all.release(mine);
    load_page page;
    std::uint64_t sampled_at = begun;
    std::uint64_t sampled = 0;
    std::uint64_t shown_at = begun;
    std::uint64_t shown = 0;
    for (std::uint64_t now = begun; now - begun < duration; now = now_ns()) {
        const auto left = milliseconds{(duration - (now - begun)) / 1'000'000 + 1};
        look_in(std::min(left, tick));
        if (const std::uint64_t at = now_ns(); !options.report.empty() && at - sampled_at >= 100'000'000) {
            const std::uint64_t so_far = sum(completions).transactions;
            page.rates.emplace_back(static_cast<double>(at - begun) / 1e9,
                                    static_cast<double>(so_far - sampled) * 1e9 / static_cast<double>(at - sampled_at));
            sampled = so_far;
            sampled_at = at;
        }
        if (!live.shown() || now - shown_at < 250'000'000) continue;
        const totals t = sum(completions);
        live.show(grouped(static_cast<std::uint64_t>(static_cast<double>(t.transactions - shown) * 1e9 /
                                                     static_cast<double>(now - shown_at))) +
                  unit_of(options.mode) + "/s, " + grouped(t.errors) + " errors, " +
                  fixed(static_cast<double>(now - begun) / 1e9, 1) + " of " + fixed(options.duration, 0) + " s");
        shown = t.transactions;
        shown_at = now;
    }
    // What is on its way in a stream counts when it has arrived, and so does the time until then.
    const bool counts_to_the_end = options.mode == load_mode::stream;
    std::uint64_t ended = now_ns();
    if (!counts_to_the_end) run.recording.store(false, std::memory_order_relaxed);
    run.all.stop();
    run.turns.stop();
    bool complete = false;
    // As long as something moves: what is on its way takes its time on a busy machine.
    constexpr std::uint64_t patience_to_end = 10'000'000'000ULL;
    const auto not_yet = [&] { return std::pair{run.all.left(), sum(completions).bytes}; };
    auto left = not_yet();
    for (std::uint64_t grace = now_ns() + patience_to_end; !complete && now_ns() < grace;) {
        live.show("ending conversations: " + grouped(left.first) + " left");
        completions.unpark(mine, CM_OK);
        complete = run.all.wait_until_ended(tick);
        if (const auto now = not_yet(); now != left) {
            left = now;
            grace = now_ns() + patience_to_end;
        }
    }
    if (counts_to_the_end) ended = now_ns();
    const std::size_t stuck = run.all.left();
    live.clear();
    completions.stop(complete ? 2'000 : 0);

    totals t = sum(completions);
    if (!complete) {
        run.all.note_trouble("conversations did not come to their end: nothing moved for ten seconds");
        t.errors += stuck;
    }
    histogram latency;
    histogram service;
    for (const worker& w : completions.workers()) {
        latency.add(w.latency);
        service.add(w.service);
    }
    const std::uint64_t due = run.turns.due_by(ended);
    const std::uint64_t unanswered = due > t.transactions ? due - t.transactions : 0;
    const double seconds = static_cast<double>(ended - begun) / 1e9;
    const double per_second = static_cast<double>(t.transactions) / seconds;
    const double bytes_per_second = static_cast<double>(t.bytes) / seconds;
    const std::string trouble = run.all.first_trouble();
    nlohmann::ordered_json object{{"mode", name_of(options.mode)},
                                  {"destination", options.destination},
                                  {"conversations", working},
                                  {"links", options.links},
                                  {"size", options.size},
                                  {"threads", options.threads},
                                  {"transactions", t.transactions},
                                  {"transactions_per_second", per_second},
                                  {"bytes_per_second", bytes_per_second},
                                  {"latency_us", latency_json(latency)},
                                  {"errors", t.errors},
                                  {"retries", t.retries},
                                  {"elapsed_s", seconds}};
    if (run.turns.open_loop()) {
        object["rate"] = options.rate;
        object["unanswered"] = unanswered;
        object["service_us"] = latency_json(service);
    }
    if (!trouble.empty()) object["first_error"] = trouble;
    if (t.retries != 0) object["first_retry"] = run.all.first_retry();
    if (!options.report.empty()) {
        page.title = std::string{"colloquy load: "} + name_of(options.mode) + ", " + grouped(working) +
                     " conversations, " + std::to_string(options.size) + " bytes";
        page.latencies.emplace_back(
            run.turns.open_loop() ? "from the moment it was meant to begin" : "from its beginning", &latency);
        if (run.turns.open_loop()) page.latencies.emplace_back("from the moment it began", &service);
        page.write(options.report, object);
    }
    if (options.json) {
        print_json(object);
    } else {
        std::cout << name_of(options.mode) << " with " << options.destination << ": " << grouped(working)
                  << " conversations, " << options.links << (options.links == 1 ? " link, " : " links, ")
                  << options.size << " bytes, " << fixed(seconds, 2) << " s\n"
                  << "  " << grouped(static_cast<std::uint64_t>(per_second)) << unit_of(options.mode) << "/s, "
                  << bytes_text(bytes_per_second) << "/s\n"
                  << "  latency " << latency_text(latency) << '\n';
        if (run.turns.open_loop())
            std::cout << "  asked for " << grouped(static_cast<std::uint64_t>(options.rate)) << "/s, "
                      << grouped(unanswered) << " not answered in time; without the wait for their turn "
                      << latency_text(service) << '\n';
        std::cout << "  " << grouped(t.transactions) << unit_of(options.mode) << ", " << grouped(t.errors)
                  << " errors, " << grouped(t.retries) << " retries\n";
        if (t.retries != 0) std::cout << "  retried first for " << run.all.first_retry() << '\n';
    }
    if (t.errors != 0 || working < options.conversations || t.transactions == 0) {
        std::cerr << "colloquy load: " << (trouble.empty() ? "not every conversation could be opened" : trouble)
                  << '\n';
        return exit_failed;
    }
    return 0;
}

}  // namespace colloquy::tool
