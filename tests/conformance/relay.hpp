// relay: a stretch of wire that can be cut. It listens on a port of its own, hands what comes there to another address,
// and back.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace colloquy::conformance {

class relay {
public:
    explicit relay(std::string to);
    ~relay();
    relay(const relay&) = delete;
    relay& operator=(const relay&) = delete;

    // HOST:PORT of its own port.
    [[nodiscard]] const std::string& address() const noexcept { return address_; }
    // Breaks all that is connected; returns when it is done. What comes later is connected again.
    void cut();
    // While it holds, connections are taken and nothing is handed on.
    void hold(bool on);

private:
    void main();
    void command(char c);

    std::string to_, address_;
    int listener_ = -1;
    int wake_[2] = {-1, -1};
    std::vector<std::pair<int, int>> pairs_;
    std::vector<int> held_;
    bool holding_ = false;
    std::mutex mutex_;
    std::condition_variable done_;
    unsigned asked_ = 0, carried_out_ = 0;
    std::thread thread_;
};

}  // namespace colloquy::conformance
