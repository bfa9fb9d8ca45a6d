// limits: every bound of a logical unit, and the sums that follow from them.
//
// A table's size is written as a sum of the users it has, so that `colloquy plan` can print it and nothing grows later.
// Storage is reserved at start and touched when it is first used.
#pragma once

#include <cstdint>

namespace colloquy::runtime {

struct limits {
    static constexpr std::uint32_t conversations_max = 1U << 24;
    static constexpr std::uint32_t links_max = 65'535;

    std::uint32_t conversations = 65'536;  // slots of the table, own and accepted together
    std::uint32_t links = 16'384;          // links at a time, both directions
    std::uint32_t partners = 1'024;        // logical units known by name
    std::uint32_t tp_names = 256;          // names this logical unit serves
    std::uint32_t accept_queue = 65'536;   // attaches that may wait for Accept_Conversation, all names together

    std::uint32_t link_conversations = 65'536;    // conversations a partner may have open on one link
    std::uint32_t link_attach_bytes = 16U << 20;  // charge of data that waits in conversations nobody has accepted yet
    std::uint32_t link_output_bytes = 1U << 20;   // output waiting on one link; beyond it verbs wait their turn
    // Relayed frames that may wait on a link of an attach manager that takes nothing for five seconds; sixteen times as
    // much on one that does. Then it is given up.
    std::uint32_t link_relay_bytes = 16U << 20;
    std::uint32_t peer_links = 16'384;           // links one partner logical unit may open to us
    std::uint32_t link_attaches_per_second = 0;  // attaches taken on one link; 0: as many as come

    std::uint32_t window_bytes = 4'096;        // charge a conversation may always send ahead
    std::uint32_t window_bytes_max = 262'144;  // what a window may grow to while the pool has room
    std::uint64_t inbound_bytes = 0;           // 0: conversations * window_bytes + window_growth_bytes
    std::uint64_t window_growth_bytes = 64ULL << 20;

    std::uint32_t heartbeat_ms = 15'000;  // a partner that says nothing for three of these is gone; 0 is off
    std::uint32_t greeting_ms = 10'000;   // from connection to the partner's hello
    std::uint32_t connect_ms = 10'000;

    bool users_required = false;  // an attach without a user who is verified is refused
    bool users_in_clear = false;  // users and passwords may travel on links that others could read

    // One for each conversation, and for each of many threads that exchange theirs for one that others have.
    [[nodiscard]] constexpr std::uint32_t name_sets() const noexcept { return conversations + 256; }
    // The reservation that backs every grant.
    [[nodiscard]] constexpr std::uint64_t reservable_bytes() const noexcept {
        return inbound_bytes != 0 ? inbound_bytes : std::uint64_t{conversations} * window_bytes + window_growth_bytes;
    }
    // Cells: the reservation in cells that are at worst three quarters full, and for each slot two partly filled ones
    // and one for a frame without data.
    [[nodiscard]] constexpr std::uint32_t inbound_cells() const noexcept {
        const std::uint64_t cells = reservable_bytes() / 160 + std::uint64_t{conversations} * 3 + 1'024;
        return cells < 0xFFFF'FFF0ULL ? static_cast<std::uint32_t>(cells) : 0xFFFF'FFF0U;
    }
    [[nodiscard]] constexpr std::uint32_t inbound_blocks() const noexcept {
        return bounded(conversations / 4, 256, 16'384);
    }
    [[nodiscard]] constexpr std::uint32_t inbound_bulks() const noexcept {
        return bounded(conversations / 32, 64, 2'048);
    }
    // Outbound: a send buffer and a frame on its way for each slot; beyond that verbs are told to wait.
    [[nodiscard]] constexpr std::uint32_t outbound_cells() const noexcept { return conversations * 2 + 4'096; }
    [[nodiscard]] constexpr std::uint32_t outbound_blocks() const noexcept {
        return bounded(conversations / 2, 256, 32'768);
    }
    [[nodiscard]] constexpr std::uint32_t outbound_bulks() const noexcept {
        return bounded(conversations / 16, 128, 4'096);
    }

    // Output that may wait on one link in spite of all. Calls wait far below it, so whoever reaches it has us say more
    // and does not read; its link is given up.
    [[nodiscard]] constexpr std::uint64_t link_unread_bytes(bool relays) const noexcept {
        return 16ULL * (relays ? link_relay_bytes : link_output_bytes);
    }
    // The same for answers that no conversation of ours has a share for. Who reads leaves at most one for each channel,
    // and one for each name it asked a manager about.
    [[nodiscard]] constexpr std::uint64_t link_unread_answers() const noexcept {
        return std::uint64_t{link_conversations} + 65'536;
    }

    // Null when the limits fit together, else what does not.
    [[nodiscard]] constexpr const char* fault() const noexcept {
        if (conversations == 0 || conversations > conversations_max) return "conversations must be 1 to 16777216";
        if (links == 0 || links > links_max) return "links must be 1 to 65535";
        if (window_bytes < window_bytes_min) return "window_bytes must be at least 512";
        if (window_bytes_max < window_bytes) return "window_bytes_max must be at least window_bytes";
        if (link_output_bytes < 131'072) return "link_output_bytes must be at least 131072";
        if (link_relay_bytes < 131'072) return "link_relay_bytes must be at least 131072";
        if (reservable_bytes() < window_bytes) return "inbound_bytes must hold at least one window";
        return nullptr;
    }

    // An attach with the longest names and one short record fits in the smallest first window.
    static constexpr std::uint32_t window_bytes_min = 512;

private:
    static constexpr std::uint32_t bounded(std::uint32_t n, std::uint32_t low, std::uint32_t high) noexcept {
        return n < low ? low : n > high ? high : n;
    }
};
static_assert(limits{}.fault() == nullptr);

}  // namespace colloquy::runtime
