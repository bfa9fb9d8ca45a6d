// server: serves the built-in programs of this process.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/colloquy/echo.hpp"
#include "tools/colloquy/hub.hpp"
#include "tools/colloquy/teller.hpp"

namespace colloquy::tool {

class server final : public acceptor {
public:
    // Conversations of the table that wait for partners, on top of those that are in use.
    static constexpr unsigned accepts_for(unsigned conversations) noexcept {
        return conversations >= 4096 ? 1024 : conversations / 4 + 1;
    }

    explicit server(hub& completions);
    ~server() = default;
    server(const server&) = delete;
    server& operator=(const server&) = delete;

    // Before open(); `by` is the committing thread's worker.
    void add_teller(worker& by, ledger_store store, const std::filesystem::path& file, std::uint32_t accounts);
    // Specifies the names and begins to accept. Throws failure.
    void open(worker& by, unsigned accepts);

    [[nodiscard]] std::vector<std::string> names() const;
    // Conversations in use.
    [[nodiscard]] std::size_t in_use();
    [[nodiscard]] teller* money() noexcept { return teller_.get(); }

    void accepted(worker& by, const char* id, CM_INT32 code) override;
    bool accept_more(worker& by) override;

private:
    void accept_one(worker& by);
    void begin(worker& by, const char* id);

    hub& hub_;
    echo_pool echo_;
    echo_pool once_;
    echo_pool sink_;
    std::unique_ptr<teller> teller_;
    std::atomic<unsigned> missing_{0};  // accepts that the library had no room for
};

}  // namespace colloquy::tool
