// teller: the built-in program that moves money. A transfer comes with a request to confirm and is Confirmed when it
// is durable, or refused by Send_Error and a record that says why. A query comes with the turn and is answered by a
// record.
//
// Group commit: conversations queue their requests; one thread takes everything that is queued into one transaction
// of the ledger, commits, and answers. So thousands of confirmations share the wait for the disk.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "tools/colloquy/ledger.hpp"
#include "tools/colloquy/service.hpp"

namespace colloquy::tool {

class teller_service;

class teller final : public service_pool {
public:
    // `by` is the worker of the committing thread.
    teller(hub& completions, worker& by, std::unique_ptr<ledger> book);
    ~teller() override;

    // Returns when all that was queued until now has been committed and answered.
    void drain();
    // Why transfers are being refused as out of service; empty when they are not.
    [[nodiscard]] std::string trouble();

private:
    friend class teller_service;
    [[nodiscard]] std::unique_ptr<service> make() override;
    void enqueue(teller_service& s);
    void commit_for_ever();
    void commit(teller_service* batch);

    hub& hub_;
    worker& worker_;
    const std::unique_ptr<ledger> ledger_;

    std::mutex busy_;
    std::condition_variable changed_;
    teller_service* queued_ = nullptr;  // newest first
    std::uint64_t enqueued_ = 0;
    std::uint64_t answered_ = 0;
    bool ending_ = false;
    std::string trouble_;
    std::thread committer_;
};

}  // namespace colloquy::tool
