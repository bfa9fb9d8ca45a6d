// handle_table: objects that programs name by opaque pointers which are never dereferenced.
//
// When to use: objects whose handles cross the C interface, where any value may come back: garbage, a handle of another
// kind, a handle closed long ago. When not: inside the library, where a pointer or an index does.
// Memory: Capacity slots and eight bytes each for the free list, touched only as far as they are used.
// Guarantees: an answer about a handle costs one load; a reference keeps the object while it lives, also across a
// close; after close() no new reference is given out; the slot is reused, under another generation, once the last is
// gone.
// Alternatives: shared_ptr in a locked map, which is slower and allocates.
//
// Progress: lock-free; acquire() repeats only when somebody else moved the word. ABA: 32 bits of generation (8 where
// pointers have 32 bits), so a stale handle matches again only after that many reuses of one slot. Reclamation: slots
// are never freed; what the payload owns is freed by dispose(), called by whoever lets go of the last reference.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "runtime/atom.hpp"
#include "runtime/index_pool.hpp"
#include "runtime/lazy_array.hpp"

namespace colloquy::api {

// Tells handles of different tables apart. Neither 0 nor all ones, so no handle is NULL or INVALID_HANDLE_VALUE.
enum class handle_kind : unsigned { event = 1, window = 2 };

// 63          32  31    30        0
// | generation  | open | references |   the handle itself counts as one reference until it is closed
template <class Payload, template <class> class Atom = runtime::atom>
struct handle_slot {
    Atom<std::uint64_t> word{0};
    Payload payload;
};

}  // namespace colloquy::api

namespace colloquy::runtime {

template <class Payload>
struct zero_is_initial<api::handle_slot<Payload, atom>>
    : std::bool_constant<zero_is_initial<atom<std::uint64_t>>::value && zero_is_initial<Payload>::value> {};

}  // namespace colloquy::runtime

namespace colloquy::api {

// Payload: zero bytes are its initial state (zero_is_initial says so), and it has `void dispose() noexcept`.
template <class Payload, handle_kind Kind, std::uint32_t Capacity, template <class> class Atom = runtime::atom>
class handle_table {
    static constexpr unsigned index_bits = 20;
    static constexpr unsigned kind_bits = 4;
    static constexpr unsigned generation_shift = index_bits + kind_bits;
    static constexpr unsigned pointer_bits = sizeof(void*) * 8;
    static constexpr unsigned generation_bits =
        pointer_bits - generation_shift < 32 ? pointer_bits - generation_shift : 32;
    static constexpr std::uint32_t generation_mask =
        static_cast<std::uint32_t>((std::uint64_t{1} << generation_bits) - 1);
    static constexpr std::uint64_t open = std::uint64_t{1} << 31;
    static constexpr std::uint64_t references_mask = open - 1;
    static_assert(Capacity <= std::uint32_t{1} << index_bits);

public:
    using slot = handle_slot<Payload, Atom>;

    // Throws std::bad_alloc.
    handle_table() : slots_{Capacity}, free_{Capacity} {}

    // Keeps an object; at most one thread uses one reference at a time.
    class reference {
    public:
        reference() noexcept = default;
        reference(reference&& other) noexcept
            : table_{std::exchange(other.table_, nullptr)}, slot_{std::exchange(other.slot_, nullptr)} {}
        reference& operator=(reference&& other) noexcept {
            if (this != &other) {
                reset();
                table_ = std::exchange(other.table_, nullptr);
                slot_ = std::exchange(other.slot_, nullptr);
            }
            return *this;
        }
        ~reference() { reset(); }

        explicit operator bool() const noexcept { return slot_ != nullptr; }
        Payload& operator*() const noexcept { return slot_->payload; }
        Payload* operator->() const noexcept { return &slot_->payload; }

        // Whether the handle was closed meanwhile.
        [[nodiscard]] bool closed() const noexcept {
            // acquire[handle-close]: what the closer did before is seen by whoever learns of it.
            return (slot_->word.load_acquire() & open) == 0;
        }

        void reset() noexcept {
            if (slot_ != nullptr) {
                table_->release(*slot_);
                slot_ = nullptr;
            }
        }

        // Another reference to the same object, closed or not.
        [[nodiscard]] reference share() const noexcept {
            // The reference in hand keeps the count from reaching zero meanwhile.
            slot_->word.fetch_add_relaxed(1);
            return {table_, slot_};
        }

        // Hands the reference over as a bare pointer; adopt() takes it back.
        [[nodiscard]] slot* detach() noexcept { return std::exchange(slot_, nullptr); }

    private:
        friend handle_table;
        reference(handle_table* table, slot* held) noexcept : table_{table}, slot_{held} {}
        handle_table* table_{nullptr};
        slot* slot_{nullptr};
    };

    // Makes an object; `fill(Payload&)` says false when it could not, and must then leave nothing to dispose of.
    // nullptr: it could not, or the table is full.
    template <class Fill>
    [[nodiscard]] void* create(Fill fill) {
        const auto index = free_.acquire(0);
        if (!index) return nullptr;
        slot& made = slots_[*index];
        if (!fill(made.payload)) {
            free_.release(*index, 0);
            return nullptr;
        }
        // relaxed: the pool handed the index over, and nobody moves the word of a free slot.
        const std::uint64_t generation = made.word.load_relaxed() >> 32;
        // release[handle-open]: the payload happens-before any acquire[handle-open].
        made.word.store_release(generation << 32 | open | 1);
        return handle_of(*index, static_cast<std::uint32_t>(generation));
    }

    [[nodiscard]] bool valid(void* handle) const noexcept {
        std::uint32_t index = 0;
        std::uint32_t generation = 0;
        if (!decode(handle, index, generation)) return false;
        return opened(slots_[index].word.load_acquire(), generation);
    }

    // An empty reference when the handle is not one of an open object.
    [[nodiscard]] reference acquire(void* handle) noexcept {
        std::uint32_t index = 0;
        std::uint32_t generation = 0;
        if (!decode(handle, index, generation)) return {};
        slot& wanted = slots_[index];
        std::uint64_t word = wanted.word.load_acquire();
        do {
            if (!opened(word, generation)) return {};
            // acquire[handle-open]: sees the payload as create() filled it.
        } while (!wanted.word.cas_acquire(word, word + 1));
        return {this, &wanted};
    }

    // Ends the handle; one closer wins and gets the handle's own reference.
    [[nodiscard]] reference close(void* handle) noexcept {
        std::uint32_t index = 0;
        std::uint32_t generation = 0;
        if (!decode(handle, index, generation)) return {};
        slot& wanted = slots_[index];
        std::uint64_t word = wanted.word.load_acquire();
        do {
            if (!opened(word, generation)) return {};
            // release[handle-close]: see closed().
        } while (!wanted.word.cas_acq_rel(word, word & ~open));
        return {this, &wanted};
    }

    // Takes back what detach() handed out.
    [[nodiscard]] reference adopt(slot* held) noexcept { return held == nullptr ? reference{} : reference{this, held}; }

    // Objects that exist, closed ones with references included; exact when nobody creates or closes.
    [[nodiscard]] std::uint32_t approx_in_use() const noexcept { return free_.approx_in_use(); }

private:
    [[nodiscard]] static bool opened(std::uint64_t word, std::uint32_t generation) noexcept {
        return (word & open) != 0 && word >> 32 == generation;
    }

    [[nodiscard]] static void* handle_of(std::uint32_t index, std::uint32_t generation) noexcept {
        const std::uint64_t value =
            std::uint64_t{generation} << generation_shift | static_cast<std::uint64_t>(Kind) << index_bits | index;
        return reinterpret_cast<void*>(static_cast<std::uintptr_t>(value));
    }

    [[nodiscard]] static bool decode(void* handle, std::uint32_t& index, std::uint32_t& generation) noexcept {
        const std::uint64_t value = reinterpret_cast<std::uintptr_t>(handle);
        index = static_cast<std::uint32_t>(value & ((std::uint64_t{1} << index_bits) - 1));
        generation = static_cast<std::uint32_t>(value >> generation_shift) & generation_mask;
        const std::uint64_t kind = value >> index_bits & ((1U << kind_bits) - 1);
        const std::uint64_t above = value >> generation_shift;
        return kind == static_cast<std::uint64_t>(Kind) && above == generation && index < Capacity;
    }

    void release(slot& held) noexcept {
        // acq_rel[handle-last]: all uses of the object happen-before the dispose() of whoever lets go last.
        const std::uint64_t before = held.word.fetch_sub_acq_rel(1);
        if ((before & references_mask) != 1) return;
        held.payload.dispose();
        const auto next = static_cast<std::uint32_t>((before >> 32) + 1) & generation_mask;
        // relaxed: the pool publishes it to the next creator, and stale handles do not match either word.
        held.word.store_relaxed(std::uint64_t{next} << 32);
        free_.release(static_cast<std::uint32_t>(&held - slots_.data()), 0);
    }

    runtime::lazy_array<slot> slots_;
    runtime::index_pool<Atom> free_;
};

}  // namespace colloquy::api
