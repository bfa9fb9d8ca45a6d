// partner: a logical unit we know by name, and the links to it.
//
// An entry of the directory lives as long as the engine. Where a partner is (its addresses) is the transport's
// business.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "runtime/atom.hpp"
#include "runtime/conversation.hpp"
#include "runtime/pile.hpp"
#include "runtime/return_code.hpp"
#include "runtime/wire/small_text.hpp"

namespace colloquy::runtime {

class session;

// One link of a partner. `state`: no link, one being opened, or the session's address.
struct partner_link {
    static constexpr std::uint64_t none = 0;
    static constexpr std::uint64_t opening = 1;

    atom<std::uint64_t> state;
    atom<std::uint32_t> failures;  // attempts that failed
    atom<return_code> failure;     // the last one's
    atom<std::int32_t> detail;     // and what the transport said of it, or a wire::reason below zero
};

struct partner {
    wire::small_text<64> name;
    std::uint32_t link_count = 0;
    std::unique_ptr<partner_link[]> links;
    atom<std::uint32_t> turn;        // conversations take the links in turn
    pile<waiting_node> waiting;      // conversations in Allocate
    void* transport_data = nullptr;  // the addresses
};

class partner_directory {
public:
    explicit partner_directory(std::uint32_t capacity)
        : capacity_{capacity}, entries_{std::make_unique<partner[]>(capacity)} {}

    // Null: the directory is full or the name too long. A name that is known gives its entry, unchanged.
    partner* add(std::string_view name, std::uint32_t link_count, void* transport_data) {
        while (busy_.exchange_acquire(1) != 0) {  // acquire[partner-admin]; administration only
        }
        partner* p = find(name);
        const std::uint32_t n = count_.load_relaxed();  // relaxed: changed under the flag only
        if (p == nullptr && n < capacity_ && name.size() <= 64 && !name.empty()) {
            p = &entries_[n];
            (void)p->name.assign(name);
            p->link_count = link_count == 0 ? 1 : link_count;
            p->links = std::make_unique<partner_link[]>(p->link_count);
            p->transport_data = transport_data;
            count_.store_release(n + 1);  // release[partner-entry]
        }
        busy_.store_release(0);  // release[partner-admin]
        return p;
    }

    [[nodiscard]] partner* find(std::string_view name) noexcept {
        const std::uint32_t n = count_.load_acquire();  // acquire[partner-entry]
        for (std::uint32_t i = 0; i < n; ++i)
            if (entries_[i].name == name) return &entries_[i];
        return nullptr;
    }

    [[nodiscard]] std::uint32_t count() const noexcept { return count_.load_acquire(); }
    [[nodiscard]] partner& at(std::uint32_t i) noexcept { return entries_[i]; }

private:
    const std::uint32_t capacity_;
    std::unique_ptr<partner[]> entries_;
    atom<std::uint32_t> count_;
    atom<std::uint32_t> busy_;
};

}  // namespace colloquy::runtime
