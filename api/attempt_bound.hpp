// attempt_bound: how often a peer has been wrong of late.
//
// When to use: before somebody is asked, and after he said no. A peer who was wrong too often within a window is heard
// no more until the window, which began with its first mistake, is over. Being right in between changes nothing, or
// one good password would buy any number of guesses at others.
// Memory: at most `peers_max` peers; the one whose window began first makes room, so that many peers can be wrong at
// a time, each still slowed by what a check costs.
// Threads: the caller's lock.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace colloquy::api {

class attempt_bound {
public:
    static constexpr std::size_t peers_max = 1'024;

    attempt_bound(std::uint32_t most, std::uint64_t window_ns) noexcept : most_{most}, window_ns_{window_ns} {}

    [[nodiscard]] bool exceeded(std::string_view peer, std::uint64_t now) const noexcept {
        const entry* const e = find(peer);
        return e != nullptr && now < e->since + window_ns_ && e->count >= most_;
    }
    // True: this mistake was the last that was allowed.
    bool failed(std::string_view peer, std::uint64_t now) {
        entry* e = find(peer);
        if (e == nullptr && entries_.size() < peers_max) {
            e = &entries_.emplace_back();
            e->peer = peer;
        } else if (e == nullptr) {
            e = &*std::min_element(entries_.begin(), entries_.end(),
                                   [](const entry& a, const entry& b) { return a.since < b.since; });
            *e = {std::string{peer}, 0, 0};
        }
        if (e->count == 0 || now >= e->since + window_ns_) {
            e->since = now;
            e->count = 0;
        }
        return ++e->count == most_;
    }

private:
    struct entry {
        std::string peer;
        std::uint64_t since = 0;
        std::uint32_t count = 0;
    };
    [[nodiscard]] entry* find(std::string_view peer) noexcept {
        const auto at = std::find_if(entries_.begin(), entries_.end(), [&](const entry& e) { return e.peer == peer; });
        return at == entries_.end() ? nullptr : &*at;
    }
    [[nodiscard]] const entry* find(std::string_view peer) const noexcept {
        return const_cast<attempt_bound*>(this)->find(peer);
    }

    const std::uint32_t most_;
    const std::uint64_t window_ns_;
    std::vector<entry> entries_;
};

}  // namespace colloquy::api
