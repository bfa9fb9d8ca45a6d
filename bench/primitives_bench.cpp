// Benchmarks of the runtime's primitives, each beside what it competes with: a mutex with a deque, an uncontended
// compare-and-swap, a cache line that all threads fight for. Names are BM_<unit>_<operation>/<arguments>; the counter
// `hash` keeps results alive and comparable.
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include "runtime/atom.hpp"
#include "runtime/buffer_pool.hpp"
#include "runtime/completion_queue.hpp"
#include "runtime/counters.hpp"
#include "runtime/drive_token.hpp"
#include "runtime/index_pool.hpp"
#include "runtime/parking.hpp"
#include "runtime/pile.hpp"
#include "runtime/timer_wheel.hpp"

namespace {

using namespace colloquy::runtime;

constexpr int threads_max = 4;

struct node {
    node* next{nullptr};
    std::uint64_t value{0};
};

// Never sleeps: the benches below measure the paths on which nobody does.
struct awake_waiter {
    bool wait(atom<std::uint32_t>&, std::uint32_t, std::uint64_t) noexcept { return false; }
    void wake(atom<std::uint32_t>&, std::uint32_t) noexcept {}
};

[[nodiscard]] std::uint32_t hint_of(const benchmark::State& state) {
    return static_cast<std::uint32_t>(state.thread_index());
}

void report(benchmark::State& state, std::uint64_t hash, std::int64_t items_per_turn = 1) {
    state.SetItemsProcessed(state.iterations() * items_per_turn);
    state.counters["hash"] =
        benchmark::Counter(static_cast<double>(hash & 0xFFFF'FFFF), benchmark::Counter::kAvgThreads);
}

// Baselines

void BM_baseline_cas_uncontended(benchmark::State& state) {
    atom<std::uint64_t> word{0};
    std::uint64_t expected = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(word.cas_acq_rel(expected, expected + 1));
        ++expected;
    }
    report(state, word.load_relaxed());
}
BENCHMARK(BM_baseline_cas_uncontended);

void BM_baseline_line_contended(benchmark::State& state) {
    static atom<std::uint64_t> word{0};
    for (auto _ : state) {
        benchmark::DoNotOptimize(word.fetch_add_acq_rel(1));
    }
    report(state, 1);
}
BENCHMARK(BM_baseline_line_contended)->ThreadRange(1, threads_max)->UseRealTime();

void BM_baseline_mutex_uncontended(benchmark::State& state) {
    std::mutex lock;
    std::uint64_t value = 0;
    for (auto _ : state) {
        const std::lock_guard held{lock};
        benchmark::DoNotOptimize(++value);
    }
    report(state, value);
}
BENCHMARK(BM_baseline_mutex_uncontended);

// pile: a batch is pushed, then taken as a whole

void BM_pile_batch(benchmark::State& state) {
    const auto batch = static_cast<std::size_t>(state.range(0));
    pile<node> p;
    std::vector<node> nodes(batch);
    std::uint64_t sum = 0;
    for (auto _ : state) {
        for (node& n : nodes) {
            p.push(&n);
        }
        for (node* n = p.take_all(); n != nullptr; n = n->next) {
            sum += ++n->value;
        }
    }
    report(state, sum, state.range(0));
}
BENCHMARK(BM_pile_batch)->Arg(1)->Arg(16)->Arg(256);

void BM_duty_pile_batch(benchmark::State& state) {
    const auto batch = static_cast<std::size_t>(state.range(0));
    duty_pile<node> p;
    std::vector<node> nodes(batch);
    std::uint64_t sum = 0;
    for (auto _ : state) {
        bool duty = false;
        for (node& n : nodes) {
            duty = p.push(&n) || duty;
        }
        do {
            for (node* n = p.take_all(); n != nullptr; n = n->next) {
                sum += ++n->value;
            }
        } while (duty && !p.try_retire());
    }
    report(state, sum, state.range(0));
}
BENCHMARK(BM_duty_pile_batch)->Arg(1)->Arg(16)->Arg(256);

void BM_baseline_mutex_deque_batch(benchmark::State& state) {
    const auto batch = static_cast<std::size_t>(state.range(0));
    std::mutex lock;
    std::deque<node*> queue;
    std::vector<node> nodes(batch);
    std::uint64_t sum = 0;
    for (auto _ : state) {
        for (node& n : nodes) {
            const std::lock_guard held{lock};
            queue.push_back(&n);
        }
        std::deque<node*> taken;
        {
            const std::lock_guard held{lock};
            taken.swap(queue);
        }
        for (node* n : taken) {
            sum += ++n->value;
        }
    }
    report(state, sum, state.range(0));
}
BENCHMARK(BM_baseline_mutex_deque_batch)->Arg(1)->Arg(16)->Arg(256);

// The combining writer: each thread pushes, whoever has the duty does the work of all.
void BM_duty_pile_combine(benchmark::State& state) {
    static duty_pile<node> p;
    static std::uint64_t done = 0;  // under the duty
    // A node may be pushed again only when it was worked on, so every thread goes round a ring of its own.
    struct ring_node : node {
        atom<std::uint32_t> busy{0};
    };
    std::vector<ring_node> ring(1'024);
    std::size_t at = 0;
    for (auto _ : state) {
        ring_node& mine = ring[at++ % ring.size()];
        while (mine.busy.load_acquire() != 0) {
            std::this_thread::yield();
        }
        mine.busy.store_relaxed(1);
        if (p.push(&mine)) {
            do {
                for (node* n = p.take_all(); n != nullptr;) {
                    node* const next = n->next;
                    ++done;
                    static_cast<ring_node*>(n)->busy.store_release(0);
                    n = next;
                }
            } while (!p.try_retire());
        }
    }
    for (ring_node& n : ring) {
        while (n.busy.load_acquire() != 0) {
            std::this_thread::yield();
        }
    }
    report(state, at);
}
BENCHMARK(BM_duty_pile_combine)->ThreadRange(1, threads_max)->UseRealTime();

void BM_baseline_mutex_combine(benchmark::State& state) {
    static std::mutex lock;
    static std::uint64_t done = 0;
    std::uint64_t mine = 0;
    for (auto _ : state) {
        const std::lock_guard held{lock};
        benchmark::DoNotOptimize(++done);
        ++mine;
    }
    report(state, mine);
}
BENCHMARK(BM_baseline_mutex_combine)->ThreadRange(1, threads_max)->UseRealTime();

// Pools

void BM_index_pool_acquire_release(benchmark::State& state) {
    static index_pool<> pool{1'048'576, threads_max};
    std::uint64_t sum = 0;
    for (auto _ : state) {
        const auto index = pool.acquire(hint_of(state));
        sum += *index;
        pool.release(*index, hint_of(state));
    }
    report(state, sum);
}
BENCHMARK(BM_index_pool_acquire_release)->ThreadRange(1, threads_max)->UseRealTime();

// All threads on one shard, as if there were no hints.
void BM_index_pool_one_shard(benchmark::State& state) {
    static index_pool<> pool{1'048'576, 1};
    std::uint64_t sum = 0;
    for (auto _ : state) {
        const auto index = pool.acquire(0);
        sum += *index;
        pool.release(*index, 0);
    }
    report(state, sum);
}
BENCHMARK(BM_index_pool_one_shard)->ThreadRange(1, threads_max)->UseRealTime();

void BM_baseline_mutex_free_list(benchmark::State& state) {
    static std::mutex lock;
    static std::vector<std::uint32_t> list = [] {
        std::vector<std::uint32_t> all(1'048'576);
        for (std::uint32_t i = 0; i < all.size(); ++i) {
            all[i] = i;
        }
        return all;
    }();
    std::uint64_t sum = 0;
    for (auto _ : state) {
        std::uint32_t index = 0;
        {
            const std::lock_guard held{lock};
            index = list.back();
            list.pop_back();
        }
        sum += index;
        const std::lock_guard held{lock};
        list.push_back(index);
    }
    report(state, sum);
}
BENCHMARK(BM_baseline_mutex_free_list)->ThreadRange(1, threads_max)->UseRealTime();

void BM_buffer_pool_allocate_release(benchmark::State& state) {
    static buffer_pool<> pool{{4'096, 1'024, 64}, 0, threads_max};
    const auto size = static_cast<std::size_t>(state.range(0));
    std::uint64_t sum = 0;
    for (auto _ : state) {
        buffer* const one = pool.allocate(size, hint_of(state));
        sum += one->capacity;
        pool.release(one, hint_of(state));
    }
    report(state, sum);
}
BENCHMARK(BM_buffer_pool_allocate_release)
    ->Arg(64)
    ->Arg(4'000)
    ->Arg(65'536)
    ->ThreadRange(1, threads_max)
    ->UseRealTime();

void BM_buffer_pool_reserve_cell(benchmark::State& state) {
    static buffer_pool<> pool{{4'096, 0, 0}, 4'096 * cell_payload, threads_max};
    std::uint64_t sum = 0;
    for (auto _ : state) {
        constexpr std::uint64_t charge = buffer_pool<>::charge_for(64);
        if (pool.reserve(charge)) {
            buffer* const one = pool.allocate_cell(hint_of(state));
            sum += one->capacity;
            pool.release(one, hint_of(state));
            pool.unreserve(charge);
        }
    }
    report(state, sum);
}
BENCHMARK(BM_buffer_pool_reserve_cell)->ThreadRange(1, threads_max)->UseRealTime();

void BM_baseline_new_delete(benchmark::State& state) {
    const auto size = static_cast<std::size_t>(state.range(0));
    std::uint64_t sum = 0;
    for (auto _ : state) {
        auto* const one = static_cast<unsigned char*>(::operator new(size));
        benchmark::DoNotOptimize(one);
        ++sum;
        ::operator delete(one);
    }
    report(state, sum);
}
BENCHMARK(BM_baseline_new_delete)->Arg(64)->Arg(4'000)->Arg(65'536)->ThreadRange(1, threads_max)->UseRealTime();

// Completion queues: a turn puts one item in and takes one out if it can, so every thread produces and consumes.

template <class Queue>
void BM_completion_queue_round(benchmark::State& state) {
    static Queue queue{1'048'576, threads_max};
    constexpr std::uint64_t slots_each = 64;
    const std::uint64_t first = hint_of(state) * slots_each;
    // A slot is enqueued again only after somebody took it out.
    static std::vector<atom<std::uint32_t>> queued(slots_each * threads_max);
    std::uint64_t sum = 0;
    const auto take = [&] {
        std::uint64_t item = 0;
        if (!queue.try_dequeue(item)) {
            return false;
        }
        sum += item + 1;
        queued[item].store_release(0);
        return true;
    };
    std::uint64_t slot = 0;
    for (auto _ : state) {
        const std::uint64_t mine = first + slot++ % slots_each;
        while (queued[mine].load_acquire() != 0) {
            if (!take()) {
                std::this_thread::yield();
            }
        }
        queued[mine].store_relaxed(1);
        queue.enqueue(mine, hint_of(state));
        (void)take();
    }
    for (std::uint64_t mine = first; mine < first + slots_each; ++mine) {
        while (queued[mine].load_acquire() != 0) {
            if (!take()) {
                std::this_thread::yield();
            }
        }
    }
    report(state, sum);
}
BENCHMARK_TEMPLATE(BM_completion_queue_round, concurrent_completion_queue<>)
    ->ThreadRange(1, threads_max)
    ->UseRealTime();
BENCHMARK_TEMPLATE(BM_completion_queue_round, intrusive_completion_queue<>)
    ->ThreadRange(1, threads_max)
    ->UseRealTime();

struct mutex_deque_queue {
    explicit mutex_deque_queue(std::uint32_t, std::uint32_t) {}
    void enqueue(std::uint64_t item, std::uint32_t) {
        const std::lock_guard held{lock};
        items.push_back(item);
    }
    void enqueue_bulk(const std::uint64_t* first, std::size_t n, std::uint32_t) {
        const std::lock_guard held{lock};
        items.insert(items.end(), first, first + n);
    }
    bool try_dequeue(std::uint64_t& item) { return try_dequeue_bulk(&item, 1) == 1; }
    std::size_t try_dequeue_bulk(std::uint64_t* out, std::size_t max) {
        const std::lock_guard held{lock};
        std::size_t n = 0;
        for (; n < max && !items.empty(); ++n) {
            out[n] = items.front();
            items.pop_front();
        }
        return n;
    }
    std::mutex lock;
    std::deque<std::uint64_t> items;
};
BENCHMARK_TEMPLATE(BM_completion_queue_round, mutex_deque_queue)->ThreadRange(1, threads_max)->UseRealTime();

template <class Queue>
void BM_completion_queue_bulk(benchmark::State& state) {
    Queue queue{1'024, 1};
    const auto batch = static_cast<std::size_t>(state.range(0));
    std::vector<std::uint64_t> in(batch);
    std::vector<std::uint64_t> out(batch);
    for (std::size_t i = 0; i < batch; ++i) {
        in[i] = i;
    }
    std::uint64_t sum = 0;
    for (auto _ : state) {
        queue.enqueue_bulk(in.data(), batch, 0);
        sum += queue.try_dequeue_bulk(out.data(), batch);
        benchmark::DoNotOptimize(out.data());
    }
    report(state, sum, state.range(0));
}
BENCHMARK_TEMPLATE(BM_completion_queue_bulk, concurrent_completion_queue<>)->Arg(1)->Arg(16)->Arg(256);
BENCHMARK_TEMPLATE(BM_completion_queue_bulk, intrusive_completion_queue<>)->Arg(1)->Arg(16)->Arg(256);
BENCHMARK_TEMPLATE(BM_completion_queue_bulk, mutex_deque_queue)->Arg(1)->Arg(16)->Arg(256);

// Parking and the drive, on the paths where nobody sleeps

void BM_permit_gate_post_acquire(benchmark::State& state) {
    static permit_gate<> gate;
    awake_waiter waiter;
    std::uint64_t got = 0;
    for (auto _ : state) {
        gate.post(1, waiter);
        got += gate.try_acquire() ? 1u : 0u;
    }
    report(state, got);
}
BENCHMARK(BM_permit_gate_post_acquire)->ThreadRange(1, threads_max)->UseRealTime();

void BM_spot_notify_wait(benchmark::State& state) {
    spot<> place;
    awake_waiter waiter;
    std::uint64_t got = 0;
    for (auto _ : state) {
        place.notify(waiter);
        got += !place.prepare() && place.wait(waiter, 0) ? 1u : 0u;
    }
    report(state, got);
}
BENCHMARK(BM_spot_notify_wait);

void BM_drive_token_turn(benchmark::State& state) {
    static drive_token<> token;
    std::uint64_t turns = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(token.post_work());
        if (token.try_acquire()) {
            do {
                benchmark::DoNotOptimize(token.take_work());
                ++turns;
            } while (token.try_release() != release_result::released);
        }
    }
    report(state, turns);
}
BENCHMARK(BM_drive_token_turn)->ThreadRange(1, threads_max)->UseRealTime();

// Timers: most are cancelled

void BM_timer_wheel_add_cancel(benchmark::State& state) {
    const auto standing = static_cast<std::size_t>(state.range(0));
    timer_wheel wheel{0};
    std::vector<timer> timers(standing + 1);
    for (std::size_t i = 0; i < standing; ++i) {
        wheel.add(timers[i], 1'000'000 * (1 + i * 7919 % 100'000));
    }
    timer& mine = timers.back();
    std::uint64_t deadline = 1;
    for (auto _ : state) {
        deadline = deadline * 6'364'136'223'846'793'005u + 1;
        wheel.add(mine, deadline >> 20);
        wheel.cancel(mine);
    }
    report(state, deadline);
}
BENCHMARK(BM_timer_wheel_add_cancel)->Arg(0)->Arg(1'000)->Arg(1'000'000);

void BM_baseline_multimap_add_cancel(benchmark::State& state) {
    const auto standing = static_cast<std::size_t>(state.range(0));
    std::multimap<std::uint64_t, int> timers;
    for (std::size_t i = 0; i < standing; ++i) {
        timers.emplace(1'000'000 * (1 + i * 7919 % 100'000), 0);
    }
    std::uint64_t deadline = 1;
    for (auto _ : state) {
        deadline = deadline * 6'364'136'223'846'793'005u + 1;
        timers.erase(timers.emplace(deadline >> 20, 0));
    }
    report(state, deadline);
}
BENCHMARK(BM_baseline_multimap_add_cancel)->Arg(0)->Arg(1'000)->Arg(1'000'000);

// A second of time in steps of a millisecond, over a thousand timers that start again.
void BM_timer_wheel_advance(benchmark::State& state) {
    timer_wheel wheel{0};
    std::vector<timer> timers(1'000);
    std::uint64_t now = 0;
    for (std::size_t i = 0; i < timers.size(); ++i) {
        wheel.add(timers[i], 1'000'000 * (1 + i));
    }
    std::uint64_t expired = 0;
    for (auto _ : state) {
        now += 1'000'000;
        expired += wheel.advance(now, [&](timer& t) { wheel.add(t, now + 1'000'000'000); });
    }
    report(state, expired);
}
BENCHMARK(BM_timer_wheel_advance);

void BM_counters_add(benchmark::State& state) {
    static counters<> totals{threads_max};
    for (auto _ : state) {
        totals.add(counter::verbs, 1, hint_of(state));
    }
    report(state, 1);
}
BENCHMARK(BM_counters_add)->ThreadRange(1, threads_max)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
