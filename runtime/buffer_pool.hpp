// buffer_pool: all payload memory of a runtime, in three sizes, bounded and counted before launch.
//
// When to use: whatever travels or waits (send buffers, queued input). When not: memory of a fixed table.
// Memory: `cells` x 256 + `blocks` x 4096 + `bulks` x 69632 bytes of address space, backed as far as buffers were used.
// Guarantees: never allocates after construction; a buffer has one holder; what the releaser wrote happens-before the
// next holder; a reservation that was granted always finds its cells.
// Alternatives: malloc, which can neither promise nor refuse in time.
//
// Reservation. A receiver grants a partner only what it can take in, so it reserves before it grants. Only cells carry
// reservations: in the worst case every larger buffer is gone and a payload is chained out of cells. The cells that
// back the reservable bytes are set aside: allocate() never takes them, allocate_cell() may. So:
//   reserve(charge_for(n))       before granting n bytes; one payload of n bytes then fits without asking again
//   allocate(n), else a chain    when the payload arrives; the chain is built from allocate_cell(), which cannot fail
//   then
//   release_chain, unreserve     in this order, or the next reserver may find its cells still away
//
// Progress: lock-free. ABA and reclamation: index_pool's; storage is never freed before the pool.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <new>

#include "runtime/atom.hpp"
#include "runtime/cache_line.hpp"
#include "runtime/index_pool.hpp"
#include "runtime/lazy_array.hpp"

#if defined(__SANITIZE_ADDRESS__)
#define COLLOQUY_BUFFER_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define COLLOQUY_BUFFER_POISON 1
#endif
#endif
#if defined(COLLOQUY_BUFFER_POISON)
#include <sanitizer/asan_interface.h>
#endif

namespace colloquy::runtime {

inline constexpr std::size_t cell_bytes = 256;
inline constexpr std::size_t block_bytes = 4'096;
inline constexpr std::size_t bulk_bytes = 69'632;

enum class buffer_class : std::uint8_t { cell, block, bulk };
inline constexpr std::size_t buffer_class_count = 3;

// The header stands in front of its payload in the same storage. A holder owns header and payload alike; `next` chains
// buffers wherever the holder wants (piles, queues, chains of one payload). Content is [begin, end) of bytes().
struct buffer {
    buffer* next;
    std::uint32_t capacity;  // payload bytes
    std::uint32_t begin;
    std::uint32_t end;
    std::uint32_t index;      // within its class; the pool's
    buffer_class size_class;  // the pool's
    std::uint8_t set_aside;   // the pool's: 1 if this cell draws on the cells that back reservations
    std::uint8_t user1;       // free for the holder, as are the next two; zero after allocate
    std::uint8_t user2;
    std::uint32_t user3;

    [[nodiscard]] std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this) + sizeof(buffer); }
    [[nodiscard]] const std::byte* bytes() const noexcept {
        return reinterpret_cast<const std::byte*>(this) + sizeof(buffer);
    }
    [[nodiscard]] std::uint32_t size() const noexcept { return end - begin; }
    [[nodiscard]] std::uint32_t room() const noexcept { return capacity - end; }
};
static_assert(sizeof(buffer) <= 40);

inline constexpr std::size_t cell_payload = cell_bytes - sizeof(buffer);
inline constexpr std::size_t block_payload = block_bytes - sizeof(buffer);
inline constexpr std::size_t bulk_payload = bulk_bytes - sizeof(buffer);

struct buffer_pool_limits {
    std::uint32_t cells;
    std::uint32_t blocks;
    std::uint32_t bulks;
};

template <template <class> class Atom = atom>
class buffer_pool {
public:
    // `reservable_bytes` is cut to what the cells can carry; reservable_bytes() tells the result.
    buffer_pool(const buffer_pool_limits& limits, std::uint64_t reservable_bytes, std::uint32_t shards = 1)
        : reservable_{std::min(reservable_bytes, std::uint64_t{limits.cells} * cell_payload)},
          free_for_all_{limits.cells - static_cast<std::uint32_t>((reservable_ + cell_payload - 1) / cell_payload)},
          cells_{limits.cells, cell_bytes, shards},
          blocks_{limits.blocks, block_bytes, shards},
          bulks_{limits.bulks, bulk_bytes, shards} {}
    ~buffer_pool() {
        for (storage* const one : {&cells_, &blocks_, &bulks_}) unpoison_all(*one);
    }
    buffer_pool(const buffer_pool&) = delete;
    buffer_pool& operator=(const buffer_pool&) = delete;

    // Any thread. The smallest class that fits, else a larger one, else nullptr. begin = end = 0.
    [[nodiscard]] buffer* allocate(std::size_t at_least, std::uint32_t hint) noexcept {
        if (at_least <= cell_payload) {
            if (buffer* const cell = allocate_free_cell(hint)) {
                return cell;
            }
        }
        if (at_least <= block_payload) {
            if (buffer* const block = take(blocks_, buffer_class::block, hint)) {
                return block;
            }
        }
        if (at_least <= bulk_payload) {
            return take(bulks_, buffer_class::bulk, hint);
        }
        return nullptr;
    }

    // Any thread, for holders of a reservation: may use every cell. Never nullptr while the caller keeps to what it
    // reserved.
    [[nodiscard]] buffer* allocate_cell(std::uint32_t hint) noexcept {
        buffer* const cell = take(cells_, buffer_class::cell, hint);
        if (cell != nullptr) {
            cell->set_aside = 1;
        }
        return cell;
    }

    void release(buffer* one, std::uint32_t hint) noexcept {
        const buffer_class size_class = one->size_class;
        const bool free_for_all = size_class == buffer_class::cell && one->set_aside == 0 && reservable_ != 0;
        storage& from = of(size_class);
        const std::uint32_t index = one->index;
        poison(one);
        from.indices.release(index, hint);
        if (free_for_all) {
            // release[free-cells]: the cell is back before its turn is.
            free_for_all_in_use_.fetch_sub_release(1);
        }
    }

    void release_chain(buffer* first, std::uint32_t hint) noexcept {
        while (first != nullptr) {
            buffer* const next = first->next;
            release(first, hint);
            first = next;
        }
    }

    // What one payload of `bytes` may cost in the worst case, when it is chained out of cells.
    [[nodiscard]] static constexpr std::uint64_t charge_for(std::uint64_t bytes) noexcept {
        return (bytes + cell_payload - 1) / cell_payload * cell_payload;
    }

    // Any thread. False: nothing was reserved; grant later, when somebody has unreserved.
    [[nodiscard]] bool reserve(std::uint64_t bytes) noexcept {
        std::uint64_t reserved = reserved_.load_relaxed();
        do {
            if (bytes > reservable_ - reserved) {
                return false;
            }
            // acquire[reserve]: the cells that the last holder released are visible before they are promised again.
        } while (!reserved_.cas_acquire(reserved, reserved + bytes));
        return true;
    }

    // Any thread, after the cells of the reservation are released.
    void unreserve(std::uint64_t bytes) noexcept {
        // release[reserve]: the releases of the cells happen-before whoever reserves these bytes.
        [[maybe_unused]] const std::uint64_t before = reserved_.fetch_sub_release(bytes);
        assert(before >= bytes);
    }

    [[nodiscard]] std::uint64_t reservable_bytes() const noexcept { return reservable_; }
    [[nodiscard]] std::uint64_t reserved_bytes() const noexcept { return reserved_.load_relaxed(); }

    // Statistic: exact when nobody allocates or releases.
    [[nodiscard]] std::uint64_t bytes_in_use(buffer_class size_class) const noexcept {
        const storage& in = size_class == buffer_class::cell    ? cells_
                            : size_class == buffer_class::block ? blocks_
                                                                : bulks_;
        return std::uint64_t{in.indices.approx_in_use()} * in.unit;
    }

private:
    struct storage {
        storage(std::uint32_t count, std::size_t unit_bytes, std::uint32_t shards)
            : unit{unit_bytes}, memory{count * unit_bytes}, indices{count, shards} {}
        const std::size_t unit;
        lazy_array<std::byte, cache_line> memory;
        index_pool<Atom> indices;
    };
    static_assert(cell_bytes % cache_line == 0 && block_bytes % cache_line == 0 && bulk_bytes % cache_line == 0);

    [[nodiscard]] storage& of(buffer_class size_class) noexcept {
        return size_class == buffer_class::cell ? cells_ : size_class == buffer_class::block ? blocks_ : bulks_;
    }

    // Cells that back reservations are not for everybody: others take turns at the rest.
    [[nodiscard]] buffer* allocate_free_cell(std::uint32_t hint) noexcept {
        if (reservable_ == 0) {
            return take(cells_, buffer_class::cell, hint);
        }
        std::uint32_t in_use = free_for_all_in_use_.load_relaxed();
        do {
            if (in_use >= free_for_all_) {
                return nullptr;
            }
            // acquire[free-cells]: the cell whose turn this was is back.
        } while (!free_for_all_in_use_.cas_acquire(in_use, in_use + 1));
        buffer* const cell = take(cells_, buffer_class::cell, hint);
        if (cell == nullptr) {
            // Somebody used allocate_cell() beyond its reservation; the turn is given back.
            free_for_all_in_use_.fetch_sub_release(1);
        }
        return cell;
    }

    [[nodiscard]] static buffer* take(storage& from, buffer_class size_class, std::uint32_t hint) noexcept {
        const auto index = from.indices.acquire(hint);
        if (!index) {
            return nullptr;
        }
        std::byte* const place = from.memory.data() + std::size_t{*index} * from.unit;
        unpoison(place, from.unit);
        const auto capacity = static_cast<std::uint32_t>(from.unit - sizeof(buffer));
        return ::new (static_cast<void*>(place)) buffer{nullptr, capacity, 0, 0, *index, size_class, 0, 0, 0, 0};
    }

#if defined(COLLOQUY_BUFFER_POISON)
    static void poison(buffer* one) noexcept { __asan_poison_memory_region(one->bytes(), one->capacity); }
    static void unpoison(void* place, std::size_t size) noexcept { __asan_unpoison_memory_region(place, size); }
    // Memory that a host brought may serve it for something else.
    static void unpoison_all(storage& all) noexcept {
        for (std::byte* at = all.memory.data(); at < all.memory.data() + all.memory.size(); at += all.unit)
            if (__asan_address_is_poisoned(at + sizeof(buffer)) != 0) unpoison(at, all.unit);
    }
#else
    static void unpoison_all(storage&) noexcept {}
    static void poison(buffer*) noexcept {}
    static void unpoison(void*, std::size_t) noexcept {}
#endif

    const std::uint64_t reservable_;
    const std::uint32_t free_for_all_;
    storage cells_;
    storage blocks_;
    storage bulks_;
    alignas(cache_line) Atom<std::uint64_t> reserved_{0};
    alignas(cache_line) Atom<std::uint32_t> free_for_all_in_use_{0};
};

}  // namespace colloquy::runtime
