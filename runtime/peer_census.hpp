// peer_census: how many links each partner logical unit has opened to us.
//
// When to use: when a link says hello and when it ends. Memory: fixed; names are kept as hashes, and an entry without
// links is
//   reused, so strangers cannot fill it by changing names. Two names with one hash share a count, which can only be
// too strict.
// Progress: lock-free.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>

#include "runtime/atom.hpp"

namespace colloquy::runtime {

class peer_census {
public:
    // False: the peer has `most` links already, or more peers are connected than the table has room for.
    [[nodiscard]] bool enter(std::string_view name, std::uint32_t most) noexcept {
        const std::uint32_t hash = hash_of(name);
        // Its own entry first: an empty one may stand before it.
        for (const bool own : {true, false})
            for (std::uint32_t i = 0; i < probes; ++i) {
                atom<std::uint64_t>& e = (*entries_)[(hash + i) % size];
                std::uint64_t w = e.load_relaxed();  // relaxed: the word carries all there is
                while (own ? count(w) != 0 && name_hash(w) == hash : count(w) == 0) {
                    if (own && count(w) >= most) return false;
                    const std::uint64_t next = (std::uint64_t{hash} << 32) | (count(w) + 1);
                    if (e.cas_relaxed(w, next)) return true;
                }
            }
        return false;
    }
    void leave(std::string_view name) noexcept {
        const std::uint32_t hash = hash_of(name);
        for (std::uint32_t i = 0; i < probes; ++i) {
            atom<std::uint64_t>& e = (*entries_)[(hash + i) % size];
            std::uint64_t w = e.load_relaxed();
            while (name_hash(w) == hash && count(w) != 0)
                if (e.cas_relaxed(w, w - 1)) return;
        }
    }

private:
    static constexpr std::uint32_t size = 16'384;
    static constexpr std::uint32_t probes = 64;
    static constexpr std::uint32_t count(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w); }
    static constexpr std::uint32_t name_hash(std::uint64_t w) noexcept { return static_cast<std::uint32_t>(w >> 32); }
    static std::uint32_t hash_of(std::string_view s) noexcept {
        std::uint32_t h = 2166136261U;
        for (const char ch : s) h = (h ^ static_cast<unsigned char>(ch)) * 16777619U;
        return h;
    }

    std::unique_ptr<std::array<atom<std::uint64_t>, size>> entries_ =
        std::make_unique<std::array<atom<std::uint64_t>, size>>();
};

}  // namespace colloquy::runtime
