// peer_bare: what inside one process cannot be cheaper: an uncontended compare-and-swap, and a hop of 64 bytes through
// moodycamel's ConcurrentQueue on one thread and between two. Beside the in-process workload of the others.
#include <concurrentqueue/concurrentqueue.h>

#include <array>
#include <atomic>
#include <thread>

#include "bench/peers/contract.hpp"

namespace {

using namespace peers;

constexpr std::uint64_t batch = 64;
struct message {
    std::array<char, 64> bytes;
};

void swap_words(const options&, std::uint16_t, meter& m) {
    std::atomic<std::uint64_t> word{0};
    do {
        for (std::uint64_t i = 0; i < batch; ++i) {
            std::uint64_t seen = word.load(std::memory_order_relaxed);
            while (!word.compare_exchange_weak(seen, seen + 1, std::memory_order_acq_rel, std::memory_order_relaxed)) {
            }
        }
    } while (m.add(now_ns(), 0, batch * sizeof word, batch));
}

// Not ended with the run: the producer may still be at it when the process ends.
struct hops {
    moodycamel::ConcurrentQueue<message> queue{4096};
    moodycamel::ProducerToken producer{queue};
    moodycamel::ConsumerToken consumer{queue};
    message in{}, out{};
};

void hop_alone(const options&, std::uint16_t, meter& m) {
    hops h;
    do {
        for (std::uint64_t i = 0; i < batch; ++i) {
            h.in.bytes[0] = static_cast<char>(i);
            if (!h.queue.try_enqueue(h.producer, h.in) || !h.queue.try_dequeue(h.consumer, h.out)) std::_Exit(1);
            if (h.out.bytes[0] != h.in.bytes[0]) std::_Exit(1);
        }
    } while (m.add(now_ns(), 0, batch * sizeof h.out, batch));
}

void hop_between(const options& o, std::uint16_t, meter& m) {
    hops& h = *new hops;
    std::thread{[&h, cpu = o.server_cpu] {
        detail::pin(cpu);
        for (;;)
            while (!h.queue.try_enqueue(h.producer, h.in)) std::this_thread::yield();
    }}.detach();
    do {
        for (std::uint64_t i = 0; i < batch; ++i)
            while (!h.queue.try_dequeue(h.consumer, h.out)) std::this_thread::yield();
    } while (m.add(now_ns(), 0, batch * sizeof h.out, batch));
}

constexpr program programs[] = {
    {"inproc", "cas", nullptr, swap_words, false},
    {"inproc", "queue-one-thread", nullptr, hop_alone, false},
    {"inproc", "queue-threads", nullptr, hop_between, false},
};

}  // namespace

int main(int argc, char** argv) { return peers::run(argc, argv, "bare", programs); }
