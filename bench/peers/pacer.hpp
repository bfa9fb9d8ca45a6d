// pacer: the moments at which an open loop means to begin its transactions, one after another at equal distances.
//
// A transaction that could not begin in time counts from the moment it was meant to begin, so that a server that stalls
// is not spared the questions it did not let be asked.
#pragma once

#include <algorithm>
#include <cstdint>

#include "bench/peers/meter.hpp"

namespace peers {

class pacer {
public:
    explicit pacer(double rate) : interval_ns_{rate > 0 ? 1e9 / rate : 0}, start_{now_ns()} {}

    [[nodiscard]] bool open_loop() const noexcept { return interval_ns_ > 0; }
    [[nodiscard]] std::uint64_t due() const noexcept {
        return start_ + static_cast<std::uint64_t>(static_cast<double>(begun_) * interval_ns_);
    }
    void took() noexcept { ++begun_; }
    // How long a loop may wait; -1 in a closed loop.
    [[nodiscard]] std::int64_t patience_ns(std::uint64_t now) const noexcept {
        if (!open_loop()) return -1;
        return due() > now ? static_cast<std::int64_t>(due() - now) : 0;
    }

private:
    double interval_ns_;
    std::uint64_t start_;
    std::uint64_t begun_ = 0;
};

}  // namespace peers
