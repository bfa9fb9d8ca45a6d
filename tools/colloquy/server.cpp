#include "tools/colloquy/server.hpp"

#include "tools/colloquy/codes.hpp"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {

server::server(hub& completions)
    : hub_{completions},
      echo_{completions, echo_kind::echo},
      once_{completions, echo_kind::once},
      sink_{completions, echo_kind::sink} {}

void server::add_teller(worker& by, ledger_store store, const std::filesystem::path& file, std::uint32_t accounts) {
    try {
        teller_ = std::make_unique<teller>(hub_, by, open_ledger(store, file, accounts));
    } catch (const ledger_error& e) {
        throw failure{"TELLER cannot use its " + std::string{noun_of(store)} + ": " + e.what()};
    }
}

std::vector<std::string> server::names() const {
    std::vector<std::string> names{"ECHO", "ONCE", "SINK"};
    if (teller_) names.emplace_back("TELLER");
    return names;
}

std::size_t server::in_use() {
    return echo_.in_use() + once_.in_use() + sink_.in_use() + (teller_ ? teller_->in_use() : 0);
}

void server::open(worker& by, unsigned accepts) {
    for (const std::string& name : names()) {
        const auto length = static_cast<CM_INT32>(name.size());
        CM_INT32 code = CM_OK;
        cmsltp(name.data(), &length, &code);
        if (code != CM_OK) throw failure{describe("Specify_Local_TP_Name(" + name + ")", code)};
    }
    for (unsigned i = 0; i < accepts; ++i) accept_one(by);
    if (missing_.load(std::memory_order_relaxed) == accepts)
        throw failure{describe("Accept_Conversation", CM_PRODUCT_SPECIFIC_ERROR)};
    hub_.run_enqueued(by);
}

void server::accept_one(worker& by) {
    for (;;) {
        char id[CM_CID_SIZE];
        CM_INT32 code = CM_OK;
        cmaccp(id, &code);
        if (code == CM_OPERATION_INCOMPLETE) return;
        if (code != CM_OK) {
            missing_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        begin(by, id);
    }
}

void server::accepted(worker& by, const char* id, CM_INT32 code) {
    // 17 is what a wait for partners gets when the logical unit stops.
    if (code == CM_DEALLOCATED_ABEND) return;
    if (code == CM_OK) begin(by, id);
    accept_one(by);
}

bool server::accept_more(worker& by) {
    for (;;) {
        unsigned missing = missing_.load(std::memory_order_relaxed);
        if (missing == 0) return true;
        if (!missing_.compare_exchange_strong(missing, missing - 1, std::memory_order_relaxed)) continue;
        accept_one(by);
        if (missing_.load(std::memory_order_relaxed) >= missing) return false;
    }
}

void server::begin(worker& by, const char* id) {
    conversation fresh;
    fresh.adopt(id);
    const std::string name = fresh.tp_name();
    service_pool* pool = name == "ECHO"   ? static_cast<service_pool*>(&echo_)
                         : name == "ONCE" ? &once_
                         : name == "SINK" ? &sink_
                                          : static_cast<service_pool*>(teller_.get());
    if (pool == nullptr) {
        // A name that the configuration serves, and we do not.
        fresh.cancel();
        return;
    }
    service& s = pool->take();
    const CM_INT32 code = s.begin(id);
    hub_.join(s.key(), s);
    hub_.run(by, s, code);
}

}  // namespace colloquy::tool
