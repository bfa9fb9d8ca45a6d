// conversation_id: the eight opaque bytes a program holds.
//
// slot (24 bits) says where the conversation lives, generation (40 bits) which of the slot's lives it is. A
// generation is never zero, so an id is never all zero. A slot would have to be reused 2^40 times for a stale id to
// match again: half a year at 15 microseconds a life. Generations start at a salted value, so an id cannot be guessed
// from another run's.
#pragma once

#include <cstdint>
#include <cstring>

namespace colloquy::runtime {

struct conversation_id {
    static constexpr unsigned slot_bits = 24;
    static constexpr unsigned generation_bits = 40;
    static constexpr std::uint64_t generation_mask = (std::uint64_t{1} << generation_bits) - 1;

    std::uint64_t value = 0;

    [[nodiscard]] static constexpr conversation_id of(std::uint32_t slot, std::uint64_t generation) noexcept {
        return {(generation << slot_bits) | slot};
    }
    [[nodiscard]] constexpr std::uint32_t slot() const noexcept {
        return static_cast<std::uint32_t>(value & ((1U << slot_bits) - 1));
    }
    [[nodiscard]] constexpr std::uint64_t generation() const noexcept { return value >> slot_bits; }

    [[nodiscard]] static conversation_id from_bytes(const void* bytes) noexcept {
        conversation_id id;
        std::memcpy(&id.value, bytes, sizeof id.value);
        return id;
    }
    void to_bytes(void* bytes) const noexcept { std::memcpy(bytes, &value, sizeof value); }

    friend constexpr bool operator==(conversation_id, conversation_id) = default;
};
static_assert(conversation_id::generation_bits >= 36 && sizeof(conversation_id) == 8);

}  // namespace colloquy::runtime
