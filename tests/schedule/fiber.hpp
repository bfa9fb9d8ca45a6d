// fiber: N bodies of code of which exactly one runs at a time, each on its own stack, switched by name.
//
// On x86-64 a switch is a dozen instructions, or a few more on Windows, which is what makes a million interleavings
// affordable. Under sanitizers, which must know each stack, and on other machines and compilers the same interface is
// real threads that pass a baton.
#pragma once

#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <memory>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define COLLOQUY_SCHEDULE_THREADS 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__x86_64__) || defined(_MSC_VER)
#define COLLOQUY_SCHEDULE_THREADS 1
#endif

#if defined(COLLOQUY_SCHEDULE_THREADS)
#include <condition_variable>
#include <mutex>
#include <thread>
#endif

namespace colloquy::schedule {

inline constexpr unsigned fibers_max = 7;

// Fiber 0 is the caller; 1..fibers_max run the bodies.
using fiber_body = void (*)(void* context, unsigned self);

#if !defined(COLLOQUY_SCHEDULE_THREADS)

namespace detail {

#if defined(_WIN32)

// Saves what the ABI says a call preserves and where the system believes the stack to be, swaps stacks, restores.
__attribute__((naked, noinline)) inline void fiber_switch([[maybe_unused]] void** save,
                                                          [[maybe_unused]] void* load) noexcept {
    asm volatile(
        "pushq %rbp\n\tpushq %rbx\n\tpushq %rdi\n\tpushq %rsi\n\t"
        "pushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "pushq %gs:0x08\n\tpushq %gs:0x10\n\tsubq $160, %rsp\n\t"
        "movups %xmm6, (%rsp)\n\tmovups %xmm7, 16(%rsp)\n\tmovups %xmm8, 32(%rsp)\n\tmovups %xmm9, 48(%rsp)\n\t"
        "movups %xmm10, 64(%rsp)\n\tmovups %xmm11, 80(%rsp)\n\tmovups %xmm12, 96(%rsp)\n\t"
        "movups %xmm13, 112(%rsp)\n\tmovups %xmm14, 128(%rsp)\n\tmovups %xmm15, 144(%rsp)\n\t"
        "movq %rsp, (%rcx)\n\tmovq %rdx, %rsp\n\t"
        "movups (%rsp), %xmm6\n\tmovups 16(%rsp), %xmm7\n\tmovups 32(%rsp), %xmm8\n\tmovups 48(%rsp), %xmm9\n\t"
        "movups 64(%rsp), %xmm10\n\tmovups 80(%rsp), %xmm11\n\tmovups 96(%rsp), %xmm12\n\t"
        "movups 112(%rsp), %xmm13\n\tmovups 128(%rsp), %xmm14\n\tmovups 144(%rsp), %xmm15\n\t"
        "addq $160, %rsp\n\tpopq %gs:0x10\n\tpopq %gs:0x08\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\t"
        "popq %rsi\n\tpopq %rdi\n\tpopq %rbx\n\tpopq %rbp\n\tret");
}

// What the first switch to a fiber finds on its stack, so that it begins at `entry`.
inline void* fiber_prepare(std::uintptr_t bottom, std::uintptr_t top, void (*entry)() noexcept) noexcept {
    constexpr int saved_words = 32;  // the entry's caller, the entry, 8 registers, 2 bounds, 10 vectors
    constexpr std::uintptr_t home = 64;  // where a callee may put its arguments
    auto* const frame = reinterpret_cast<std::uintptr_t*>((top - home) & ~std::uintptr_t{15});
    for (int word = 1; word <= saved_words; ++word) {
        frame[-word] = 0;
    }
    frame[-2] = reinterpret_cast<std::uintptr_t>(entry);
    frame[-11] = top;
    frame[-12] = bottom;
    return &frame[-saved_words];
}

#else

// Saves what the ABI says a call preserves, swaps stacks, restores.
__attribute__((naked, noinline)) inline void fiber_switch([[maybe_unused]] void** save,
                                                          [[maybe_unused]] void* load) noexcept {
    asm volatile(
        "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
        "movq %rsp, (%rdi)\n\tmovq %rsi, %rsp\n\t"
        "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\tret");
}

// What the first switch to a fiber finds on its stack, so that it begins at `entry`.
inline void* fiber_prepare(std::uintptr_t, std::uintptr_t top, void (*entry)() noexcept) noexcept {
    constexpr int saved_words = 8;  // the entry's caller, the entry, 6 registers
    auto* const frame = reinterpret_cast<std::uintptr_t*>(top & ~std::uintptr_t{15});
    for (int word = 1; word <= saved_words; ++word) {
        frame[-word] = 0;  // The entry has no caller: a backtrace ends here, and the stack is aligned as after a call.
    }
    frame[-2] = reinterpret_cast<std::uintptr_t>(entry);
    return &frame[-saved_words];
}

#endif

}  // namespace detail

class fibers {
public:
    static constexpr bool cheap = true;

    fibers() : stacks_{std::make_unique<std::byte[]>(stack_bytes * fibers_max)} {}

    // Prepares fiber 1..n; none runs before switch_to.
    void start(unsigned n, fiber_body body, void* context) {
        body_ = body;
        context_ = context;
        for (unsigned i = 1; i <= n; ++i) {
            const auto top = reinterpret_cast<std::uintptr_t>(stacks_.get()) + stack_bytes * i;
            contexts_[i] = detail::fiber_prepare(top - stack_bytes, top, &entry);
        }
    }

    void switch_to(unsigned from, unsigned to) noexcept {
        running_ = to;
        entering_ = this;
        detail::fiber_switch(&contexts_[from], contexts_[to]);
    }

    // Called by the running fiber: the others are left where they are and never run again.
    [[noreturn]] void abandon(unsigned self) noexcept {
        switch_to(self, 0);
        __builtin_unreachable();
    }

    void finish() noexcept {}

private:
    static void entry() noexcept {
        fibers& f = *entering_;
        const unsigned self = f.running_;
        f.body_(f.context_, self);
        __builtin_trap();  // A body ends by switching away for good.
    }

    static constexpr std::size_t stack_bytes = 256 * 1024;

    std::unique_ptr<std::byte[]> stacks_;
    std::array<void*, fibers_max + 1> contexts_{};
    fiber_body body_{nullptr};
    void* context_{nullptr};
    unsigned running_{0};
    inline static fibers* entering_{nullptr};
};

#else

class fibers {
public:
    static constexpr bool cheap = false;

    void start(unsigned n, fiber_body body, void* context) {
        abandoned_ = false;
        for (unsigned i = 1; i <= n; ++i) {
            seats_[i].done = false;
            seats_[i].thread = std::thread{[this, i, body, context] {
                // Bodies keep no objects with destructors in their frames, so leaving them by a jump is safe.
                if (setjmp(seats_[i].way_out) == 0) {
                    await(i);
                    body(context, i);
                }
                seats_[i].done = true;
                pass(0);
            }};
        }
    }

    void switch_to(unsigned from, unsigned to) {
        pass(to);
        await(from);
    }

    [[noreturn]] void abandon(unsigned self) {
        abandoned_ = true;
        std::longjmp(seats_[self].way_out, 1);
    }

    // Called by fiber 0 when the run is over: whoever was left behind is shown out, one by one.
    void finish() {
        abandoned_ = true;
        for (seat& s : seats_) {
            if (s.thread.joinable()) {
                if (!s.done) {
                    switch_to(0, static_cast<unsigned>(&s - seats_.data()));
                }
                s.thread.join();
            }
        }
    }

private:
    struct seat {
        std::mutex lock;
        std::condition_variable turn;
        bool baton{false};
        bool done{false};
        std::jmp_buf way_out{};
        std::thread thread;
    };

    void pass(unsigned to) {
        seat& s = seats_[to];
        const std::lock_guard held{s.lock};
        s.baton = true;
        s.turn.notify_one();
    }

    void await(unsigned self) {
        seat& s = seats_[self];
        {
            std::unique_lock held{s.lock};
            s.turn.wait(held, [&] { return s.baton; });
            s.baton = false;
        }
        if (self != 0 && abandoned_) {
            std::longjmp(s.way_out, 1);
        }
    }

    std::array<seat, fibers_max + 1> seats_;
    bool abandoned_{false};
};

#endif

}  // namespace colloquy::schedule
