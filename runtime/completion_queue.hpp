// completion_queue: two queues of 64-bit completions behind one interface.
//
//   concurrent_completion_queue   moodycamel::ConcurrentQueue; consumers in parallel, FIFO per producer
//   intrusive_completion_queue    nodes in the slots; no allocation ever, FIFO altogether, one consumer at a time
//
// When to use: completions on their way to whoever collects them; credits taken at submit prove that there is room.
// When not: as a bounded queue that refuses; neither asks whether it is full.
// Guarantees of both: nothing enqueued is lost or doubled; enqueue happens-before the dequeue of the same item. "Empty"
// means "not visible yet": consumers come with a permit (parking.hpp) and try again while they hold it.
// Alternatives: pile.hpp, when one owner takes everything at once.
#pragma once

#include <algorithm>
#include <cassert>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>

#include <concurrentqueue/concurrentqueue.h>

#include "runtime/atom.hpp"
#include "runtime/cache_line.hpp"
#include "runtime/lazy_array.hpp"

namespace colloquy::runtime {

namespace detail {

// Threads come and go, so implicit producers (a hash of thread ids) are off; blocks of 64 items fill eight cache lines.
struct completion_queue_traits : moodycamel::ConcurrentQueueDefaultTraits {
    static const std::size_t BLOCK_SIZE = 64;
    static const std::size_t EXPLICIT_INITIAL_INDEX_SIZE = 64;
    static const std::size_t INITIAL_IMPLICIT_PRODUCER_HASH_SIZE = 0;
};

}  // namespace detail

// Memory: presized for `capacity` items with each of `producers` tokens, because blocks stay with their producer; the
// index of a producer's blocks still doubles now and then while it warms up.
// Progress: dequeue and enqueue are lock-free; a thread leases a producer token by a try-flag, so with as many tokens
// as threads inside enqueue nobody waits, and with fewer the surplus waits for a lease that is held for one enqueue.
// ABA and reclamation: ConcurrentQueue's (blocks are not freed before the queue).
template <template <class> class Atom = atom>
class concurrent_completion_queue {
public:
    concurrent_completion_queue(std::uint32_t capacity, std::uint32_t producers)
        : queue_{std::max<std::size_t>(capacity, 1), std::max<std::size_t>(producers, 1), 0},
          lane_count_{std::max<std::uint32_t>(producers, 1)},
          lanes_{std::make_unique<std::unique_ptr<lane>[]>(lane_count_)} {
        for (std::uint32_t i = 0; i < lane_count_; ++i) {
            lanes_[i] = std::make_unique<lane>(queue_);
        }
    }
    concurrent_completion_queue(const concurrent_completion_queue&) = delete;
    concurrent_completion_queue& operator=(const concurrent_completion_queue&) = delete;

    // Any thread. Items enqueued under one uncontended hint stay in order.
    void enqueue(std::uint64_t item, std::uint32_t producer_hint) noexcept { enqueue_bulk(&item, 1, producer_hint); }

    void enqueue_bulk(const std::uint64_t* items, std::size_t n, std::uint32_t producer_hint) noexcept {
        if (n == 0) {
            return;
        }
        lane& leased = lease(producer_hint);
        if (!try_put(leased, items, n)) {
            put_refused(leased, items, n);
        }
        // release[producer-lease]: the token's plain state happens-before the next lease.
        leased.busy.store_release(0);
    }

    // Any thread. False: nothing visible now.
    [[nodiscard]] bool try_dequeue(std::uint64_t& item) noexcept { return queue_.try_dequeue(item); }

    // Any thread. Returns how many were taken; 0 when nothing is visible now.
    [[nodiscard]] std::size_t try_dequeue_bulk(std::uint64_t* items, std::size_t max) noexcept {
        return queue_.try_dequeue_bulk(items, max);
    }

    // How often ConcurrentQueue refused for a moment; a rising number says that it was presized too small.
    [[nodiscard]] std::uint64_t refusals() const noexcept { return refusals_.load_relaxed(); }

private:
    using queue_type = moodycamel::ConcurrentQueue<std::uint64_t, detail::completion_queue_traits>;

    struct alignas(cache_line) lane {
        explicit lane(queue_type& queue) : token{queue} {}
        Atom<std::uint32_t> busy{0};
        moodycamel::ProducerToken token;
    };

    // Starts at the hint and goes round until a token is free.
    [[nodiscard]] lane& lease(std::uint32_t hint) noexcept {
        for (std::uint32_t i = hint % lane_count_;; i = i + 1 == lane_count_ ? 0 : i + 1) {
            lane& candidate = *lanes_[i];
            // acquire[producer-lease]: sees the token as the previous lease left it.
            if (candidate.busy.load_relaxed() == 0 && candidate.busy.exchange_acquire(1) == 0) {
                return candidate;
            }
        }
    }

    [[nodiscard]] bool try_put(lane& leased, const std::uint64_t* items, std::size_t n) noexcept {
        return n == 1 ? queue_.try_enqueue(leased.token, *items) : queue_.try_enqueue_bulk(leased.token, items, n);
    }

    // ConcurrentQueue may refuse while a consumer is just giving a block back. Retries are counted and bounded; then it
    // may allocate, and if even that fails there is no honest way on: a lost completion would hang its conversation
    // forever.
    void put_refused(lane& leased, const std::uint64_t* items, std::size_t n) noexcept {
        for (int attempt = 0; attempt < retries; ++attempt) {
            // relaxed: statistic only.
            refusals_.fetch_add_relaxed(1);
            if (try_put(leased, items, n)) {
                return;
            }
        }
        if (!queue_.enqueue_bulk(leased.token, items, n)) {
            std::terminate();
        }
    }

    static constexpr int retries = 64;

    queue_type queue_;
    const std::uint32_t lane_count_;
    std::unique_ptr<std::unique_ptr<lane>[]> lanes_;
    alignas(cache_line) Atom<std::uint64_t> refusals_{0};
};

// Vyukov's multi-producer queue, with the links in an array beside the slots instead of in allocated nodes. The low 24
// bits of an item are its slot's index, and a slot has at most one item in the queue.
//
// Memory: twelve bytes a slot, touched when the slot completes for the first time.
// Progress: enqueue is wait-free (one exchange). Dequeue is not: a producer paused between its exchange and its link
// delays everything behind it until it runs again, and consumers exclude each other by a try-flag; a consumer that
// finds the flag taken is told "empty" and tries again. That is the price for needing no memory and no credits.
// ABA: an index is not enqueued again before it was dequeued, and links are followed by one consumer at a time.
// Reclamation: nodes are slots, and slots are never freed.
// Items and the queue's end are relaxed atomics that the links and the flag order: as cheap as plain memory, and the
// schedule tests can hand out stale ones.
template <template <class> class Atom = atom>
class intrusive_completion_queue {
public:
    static constexpr std::uint64_t slot_mask = (std::uint64_t{1} << 24) - 1;

    // `producers` is there for the common interface; the links do not care how many there are.
    explicit intrusive_completion_queue(std::uint32_t capacity, [[maybe_unused]] std::uint32_t producers = 0)
        : stub_{capacity}, next_{std::size_t{capacity} + 1}, items_{capacity}, newest_{capacity}, oldest_{capacity} {
        assert(capacity <= slot_mask + 1);
    }
    intrusive_completion_queue(const intrusive_completion_queue&) = delete;
    intrusive_completion_queue& operator=(const intrusive_completion_queue&) = delete;

    // Any thread. The item's slot must not be in the queue.
    void enqueue(std::uint64_t item, [[maybe_unused]] std::uint32_t producer_hint) noexcept {
        const std::uint32_t node = slot_of(item);
        // relaxed: published with the link.
        items_[node].store_relaxed(item);
        append(node, node);
    }

    // Any thread. One exchange for all; nobody's items come in between.
    void enqueue_bulk(const std::uint64_t* items, std::size_t n,
                      [[maybe_unused]] std::uint32_t producer_hint) noexcept {
        if (n == 0) {
            return;
        }
        for (std::size_t i = 0; i < n; ++i) {
            const std::uint32_t node = slot_of(items[i]);
            // relaxed: published with the link.
            items_[node].store_relaxed(items[i]);
            if (i + 1 < n) {
                // relaxed: published with the whole chain by append().
                next_[node].store_relaxed(slot_of(items[i + 1]) + 1);
            }
        }
        append(slot_of(items[0]), slot_of(items[n - 1]));
    }

    // Any thread. False: nothing visible now, or another consumer is at it.
    [[nodiscard]] bool try_dequeue(std::uint64_t& item) noexcept { return try_dequeue_bulk(&item, 1) == 1; }

    [[nodiscard]] std::size_t try_dequeue_bulk(std::uint64_t* items, std::size_t max) noexcept {
        // acquire[consumer-flag]: sees the queue's end as the previous consumer left it.
        if (max == 0 || consuming_.load_relaxed() != 0 || consuming_.exchange_acquire(1) != 0) {
            return 0;
        }
        std::size_t taken = 0;
        while (taken < max && pop(items[taken])) {
            ++taken;
        }
        // release[consumer-flag]: `oldest_` happens-before the next consumer.
        consuming_.store_release(0);
        return taken;
    }

    // A hint: the slot whose item is likely to be taken next; the capacity if there is none.
    [[nodiscard]] std::uint32_t approx_next() const noexcept { return oldest_.load_relaxed(); }

private:
    [[nodiscard]] std::uint32_t slot_of(std::uint64_t item) const noexcept {
        const auto node = static_cast<std::uint32_t>(item & slot_mask);
        assert(node < stub_);
        return node;
    }

    // Links hold index + 1, and 0 for "no successor yet", so that untouched memory is a valid link.
    void append(std::uint32_t first, std::uint32_t last) noexcept {
        next_[last].store_relaxed(0);
        // release[completion-end]: the last link's reset happens-before the next producer's write to it.
        // acquire[completion-end]: as that next producer.
        const std::uint32_t before = newest_.exchange_acq_rel(last);
        // release[completion-link]: items and inner links happen-before the consumer that follows this link.
        next_[before].store_release(first + 1);
    }

    [[nodiscard]] bool pop(std::uint64_t& item) noexcept {
        std::uint32_t node = oldest_.load_relaxed();
        // acquire[completion-link]: sees the item of the node that the link leads to.
        std::uint32_t link = next_[node].load_acquire();
        if (node == stub_) {
            if (link == 0) {
                return false;
            }
            node = link - 1;
            oldest_.store_relaxed(node);
            link = next_[node].load_acquire();
        }
        if (link == 0) {
            // The last node can leave only when another stands behind it: the stub does. A stale answer here puts the
            // stub in one step early, never twice, because after its append the end never equals `node` again.
            if (newest_.load_relaxed() != node) {
                return false;
            }
            append(stub_, stub_);
            link = next_[node].load_acquire();
            if (link == 0) {
                return false;
            }
        }
        oldest_.store_relaxed(link - 1);
        item = items_[node].load_relaxed();
        return true;
    }

    const std::uint32_t stub_;
    lazy_array<Atom<std::uint32_t>> next_;
    lazy_array<Atom<std::uint64_t>> items_;
    alignas(cache_line) Atom<std::uint32_t> newest_;        // producers
    alignas(cache_line) Atom<std::uint32_t> consuming_{0};  // consumers
    Atom<std::uint32_t> oldest_;                            // the holder of `consuming_`
};

}  // namespace colloquy::runtime
