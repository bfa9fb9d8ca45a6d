// colloquy ping: round trips with a partner, timed one by one, as APING does them.
#include <algorithm>
#include <iomanip>
#include <iostream>
#include <nlohmann/json.hpp>

#include "tools/colloquy/client.hpp"
#include "tools/colloquy/codes.hpp"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/platform.hpp"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {
namespace {

// One conversation in blocking mode; every call that fails throws.
class pinger {
public:
    pinger(const std::string& destination, bool confirm) : confirm_{confirm} {
        must("Initialize_Conversation", talk_.open(destination.c_str()));
        if (confirm) must("Set_Sync_Level", talk_.set_sync_level(CM_CONFIRM));
        must("Allocate", talk_.allocate());
    }
    ~pinger() {
        // Without effect after a regular end.
        talk_.cancel();
    }
    pinger(const pinger&) = delete;
    pinger& operator=(const pinger&) = delete;

    [[nodiscard]] std::string partner() const { return talk_.partner_lu(); }

    void round_trip(const std::vector<char>& record, unsigned packets) {
        for (unsigned i = 0; i < packets; ++i)
            must("Send_Data", talk_.send(record.data(), static_cast<CM_INT32>(record.size())));
        if (confirm_) {
            must("Confirm", talk_.confirm());
            return;
        }
        answer_.resize(record.size());
        std::size_t got = 0;
        std::size_t records = 0;
        do {
            must("Receive", talk_.receive(answer_.data(), static_cast<CM_INT32>(answer_.size())));
            // A record of no bytes at all cannot be asked for a part of it.
            if (talk_.data_received == CM_NO_DATA_RECEIVED) continue;
            got += static_cast<std::size_t>(talk_.received_length);
            if (talk_.data_received == CM_COMPLETE_DATA_RECEIVED) ++records;
            if (talk_.data_received == CM_INCOMPLETE_DATA_RECEIVED && answer_.empty()) break;
        } while (talk_.status_received != CM_SEND_RECEIVED);
        if (got != record.size() * packets || records != packets)
            throw failure{"the partner answered " + std::to_string(got) + " bytes in " + std::to_string(records) +
                          " records to " + std::to_string(record.size() * packets) + " bytes in " +
                          std::to_string(packets) + "; is it ECHO?"};
        if (packets == 1 && answer_ != record) throw failure{"the answer differs from what was sent; is it ECHO?"};
    }

    void end() { must("Deallocate", talk_.deallocate()); }

private:
    void must(std::string_view call, CM_INT32 code) {
        if (code != CM_OK) throw failure{describe(call, code)};
    }

    conversation talk_;
    bool confirm_;
    std::vector<char> answer_;
};

struct iteration {
    unsigned size = 0;
    std::uint64_t ns = 0;
    std::uint64_t bytes = 0;
};

[[nodiscard]] double kb_per_second(std::uint64_t bytes, std::uint64_t ns) {
    return ns == 0 ? 0.0 : static_cast<double>(bytes) / 1024.0 / (static_cast<double>(ns) / 1e9);
}

}  // namespace

int ping(const ping_options& options) {
    hold_end_signals();
    start_caller(or_usual(options.config), 64, 1, 0);
    check_destination(options.destination);

    hub completions{16, 1};
    server programs{completions};
    const hub_guard guard{completions};
    if (in_process(options.destination)) {
        programs.open(completions.add_worker(), 1);
        completions.start(&programs);
    }

    const std::uint64_t begun = now_ns();
    pinger talk{options.destination, options.confirm};
    const std::uint64_t allocated = now_ns() - begun;
    if (!options.json) {
        std::cout << "Allocate duration: " << duration_text(allocated) << '\n'
                  << "Connected to a partner at " << options.destination << " (" << talk.partner() << ")\n\n"
                  << "        Duration   Data sent   Data rate\n"
                  << "          (msec)     (bytes)      (KB/s)\n"
                  << "        --------   ---------   ---------\n";
    }

    std::vector<iteration> all;
    for (const unsigned size : options.sizes) {
        std::vector<char> record(size);
        for (unsigned i = 0; i < size; ++i) record[i] = static_cast<char>('A' + i % 26);
        for (unsigned i = 0; i < options.count; ++i) {
            const std::uint64_t start = now_ns();
            talk.round_trip(record, options.packets);
            const std::uint64_t ns = now_ns() - start;
            // An echo carries the data twice; a confirmation carries none.
            const std::uint64_t bytes = std::uint64_t{size} * options.packets * (options.confirm ? 1 : 2);
            all.push_back({size, ns, bytes});
            if (options.json) continue;
            std::cout << std::setw(16) << fixed(static_cast<double>(ns) / 1e6, 3) << std::setw(12) << bytes
                      << std::setw(12) << fixed(kb_per_second(bytes, ns), 1) << '\n'
                      << std::flush;
            if (wait_for_end_signal(std::chrono::milliseconds{0}) != 0) throw failure{"interrupted"};
        }
    }
    talk.end();

    std::uint64_t sum = 0;
    std::uint64_t bytes = 0;
    std::uint64_t least = ~std::uint64_t{0};
    std::uint64_t most = 0;
    for (const iteration& i : all) {
        sum += i.ns;
        bytes += i.bytes;
        least = std::min(least, i.ns);
        most = std::max(most, i.ns);
    }
    const double average = static_cast<double>(sum) / static_cast<double>(all.size());
    if (options.json) {
        nlohmann::ordered_json iterations = nlohmann::ordered_json::array();
        for (const iteration& i : all)
            iterations.push_back({{"size", i.size},
                                  {"duration_us", static_cast<double>(i.ns) / 1e3},
                                  {"bytes", i.bytes},
                                  {"kb_per_second", kb_per_second(i.bytes, i.ns)}});
        print_json({{"destination", options.destination},
                    {"mode", options.confirm ? "confirm" : "echo"},
                    {"count", all.size()},
                    {"allocate_us", static_cast<double>(allocated) / 1e3},
                    {"duration_us",
                     {{"min", static_cast<double>(least) / 1e3},
                      {"avg", average / 1e3},
                      {"max", static_cast<double>(most) / 1e3}}},
                    {"bytes", bytes},
                    {"kb_per_second", kb_per_second(bytes, sum)},
                    {"iterations", iterations}});
    } else {
        std::cout << "Totals: " << std::setw(8) << fixed(static_cast<double>(sum) / 1e6, 3) << std::setw(12) << bytes
                  << std::setw(12) << fixed(kb_per_second(bytes, sum), 1) << "\n\n"
                  << "Duration statistics (msec):   Min = " << fixed(static_cast<double>(least) / 1e6, 3)
                  << "   Ave = " << fixed(average / 1e6, 3) << "   Max = " << fixed(static_cast<double>(most) / 1e6, 3)
                  << '\n';
    }
    return 0;
}

}  // namespace colloquy::tool
