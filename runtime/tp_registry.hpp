// tp_registry: the transaction program names a logical unit serves.
//
// When to use: registering is administration (a short spin on one flag); find() runs for every attach and is wait-free.
// Memory: fixed. An entry is never reused for another name, so an index stays the name of its conversations.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "runtime/atom.hpp"
#include "runtime/wire/small_text.hpp"

namespace colloquy::runtime {

class tp_registry {
public:
    enum class status : std::uint8_t { unused, serving, stopped, released };

    struct entry {
        std::uint32_t hash = 0;
        wire::small_text<64> name;
        atom<std::uint32_t> queue_max;  // attaches that may wait for an Accept; may change while the name is served
        atom<status> now;
        atom<std::uint32_t> waiting;  // attaches that wait
    };

    explicit tp_registry(std::uint32_t capacity) : capacity_{capacity}, entries_{std::make_unique<entry[]>(capacity)} {}

    enum class add_result : std::uint8_t { added, full, bad_name };

    // Serves the name from now on; also one that was released or stopped. 1 to 64 bytes without blanks.
    add_result add(std::string_view name, std::uint32_t queue_max) noexcept {
        if (name.empty() || name.size() > 64 || name.find(' ') != name.npos) return add_result::bad_name;
        const lock held{busy_};
        if (entry* e = find(name); e != nullptr) {
            e->queue_max.store_relaxed(queue_max);  // relaxed: a bound, which holds from now on or a moment later
            e->now.store_release(status::serving);
            ever_.store_release(1);
            return add_result::added;
        }
        const std::uint32_t n = count_.load_relaxed();  // relaxed: changed under the flag only
        if (n == capacity_) return add_result::full;
        entry& e = entries_[n];
        e.hash = hash_of(name);
        (void)e.name.assign(name);
        e.queue_max.store_relaxed(queue_max);  // relaxed: published with the entry
        e.now.store_release(status::serving);
        // release[tp-entry]: the name is whole before the entry is counted.
        count_.store_release(n + 1);
        ever_.store_release(1);
        return add_result::added;
    }

    // False: the name is not served.
    bool set(std::string_view name, status to) noexcept {
        const lock held{busy_};
        entry* e = find(name);
        if (e == nullptr || e->now.load_relaxed() != status::serving) return false;
        e->now.store_release(to);
        return true;
    }

    [[nodiscard]] entry* find(std::string_view name) noexcept {
        const std::uint32_t h = hash_of(name);
        const std::uint32_t n = count_.load_acquire();  // acquire[tp-entry]
        for (std::uint32_t i = 0; i < n; ++i)
            if (entries_[i].hash == h && entries_[i].name == name) return &entries_[i];
        return nullptr;
    }

    [[nodiscard]] entry& at(std::uint32_t index) noexcept { return entries_[index]; }
    [[nodiscard]] std::uint16_t index_of(const entry& e) const noexcept {
        return static_cast<std::uint16_t>(&e - entries_.get());
    }
    // Calls f(name) for every name that is served.
    template <class F>
    void for_each_served(F&& f) noexcept {
        const std::uint32_t n = count_.load_acquire();  // acquire[tp-entry]
        for (std::uint32_t i = 0; i < n; ++i)
            if (entries_[i].now.load_acquire() == status::serving) f(entries_[i].name.view());
    }
    // A name was served at some time: Accept_Conversation does not block from then on.
    [[nodiscard]] bool any_ever() const noexcept { return ever_.load_acquire() != 0; }

private:
    // Administration only: a handful of calls in a program's life.
    struct lock {
        explicit lock(atom<std::uint32_t>& f) noexcept : flag{f} {
            while (flag.exchange_acquire(1) != 0) {  // acquire[tp-admin]
            }
        }
        ~lock() { flag.store_release(0); }  // release[tp-admin]
        lock(const lock&) = delete;
        lock& operator=(const lock&) = delete;
        atom<std::uint32_t>& flag;
    };

    static std::uint32_t hash_of(std::string_view s) noexcept {
        std::uint32_t h = 2166136261U;
        for (const char ch : s) h = (h ^ static_cast<unsigned char>(ch)) * 16777619U;
        return h;
    }

    const std::uint32_t capacity_;
    std::unique_ptr<entry[]> entries_;
    atom<std::uint32_t> count_;
    atom<std::uint32_t> ever_;
    atom<std::uint32_t> busy_;
};

}  // namespace colloquy::runtime
