// id_table: whose conversation is this? From the 8 bytes of a conversation_ID to a pointer.
//
// Open addressing with linear probing and no tombstones, in shards with a mutex each: a look-up is a short critical
// section on a lock that is almost never contended. Grows only beyond the size it was made for.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace colloquy::tool {

template <class Value>
class id_table {
public:
    explicit id_table(std::size_t expected) {
        for (shard& s : shards_) s.slots.resize(slots_for(expected / shard_count + 1));
    }

    void insert(std::uint64_t key, Value* value) {
        shard& s = shard_of(key);
        const std::lock_guard held{s.busy};
        if ((s.count + 1) * 4 > s.slots.size() * 3) s.grow();
        s.put(key, value);
    }

    [[nodiscard]] Value* find(std::uint64_t key) {
        shard& s = shard_of(key);
        const std::lock_guard held{s.busy};
        for (std::size_t i = s.home(key);; i = s.after(i)) {
            if (s.slots[i].key == key) return s.slots[i].value;
            if (s.slots[i].value == nullptr) return nullptr;
        }
    }

    void erase(std::uint64_t key) {
        shard& s = shard_of(key);
        const std::lock_guard held{s.busy};
        std::size_t hole = s.home(key);
        while (s.slots[hole].key != key) {
            if (s.slots[hole].value == nullptr) return;
            hole = s.after(hole);
        }
        --s.count;
        // Whoever probed past the hole moves into it, so that probing never meets a gap.
        const std::size_t mask = s.slots.size() - 1;
        for (std::size_t i = s.after(hole); s.slots[i].value != nullptr; i = s.after(i)) {
            const std::size_t home = s.home(s.slots[i].key);
            if (((i - home) & mask) >= ((i - hole) & mask)) {
                s.slots[hole] = s.slots[i];
                hole = i;
            }
        }
        s.slots[hole] = {};
    }

private:
    static constexpr std::size_t shard_count = 16;

    struct slot {
        std::uint64_t key = 0;
        Value* value = nullptr;
    };
    struct alignas(64) shard {
        std::mutex busy;
        std::vector<slot> slots;
        std::size_t count = 0;

        [[nodiscard]] std::size_t home(std::uint64_t key) const noexcept {
            return static_cast<std::size_t>(mix(key) >> 8U) & (slots.size() - 1);
        }
        [[nodiscard]] std::size_t after(std::size_t i) const noexcept { return (i + 1) & (slots.size() - 1); }
        void put(std::uint64_t key, Value* value) {
            std::size_t i = home(key);
            while (slots[i].value != nullptr) i = after(i);
            slots[i] = {key, value};
            ++count;
        }
        void grow() {
            std::vector<slot> old(slots.size() * 2);
            old.swap(slots);
            count = 0;
            for (const slot& s : old)
                if (s.value != nullptr) put(s.key, s.value);
        }
    };

    static constexpr std::uint64_t mix(std::uint64_t key) noexcept {
        key *= 0x9E37'79B9'7F4A'7C15ULL;
        return key ^ (key >> 32U);
    }
    static std::size_t slots_for(std::size_t count) noexcept {
        std::size_t slots = 16;
        while (slots < count * 2) slots *= 2;
        return slots;
    }
    shard& shard_of(std::uint64_t key) noexcept { return shards_[mix(key) % shard_count]; }

    std::array<shard, shard_count> shards_;
};

}  // namespace colloquy::tool
