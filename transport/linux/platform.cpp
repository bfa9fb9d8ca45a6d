// platform on Linux: futex, eventfd, getrandom, clock_gettime, membarrier.
#include "transport/platform.hpp"

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <new>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace colloquy::transport {

namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;

// The futex works on the plain word inside the atom; these two lines are what makes that sound.
static_assert(sizeof(runtime::atom<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(alignof(runtime::atom<std::uint32_t>) == alignof(std::uint32_t));

long futex(void* word, int operation, std::uint32_t value, const timespec* deadline) noexcept {
    return ::syscall(SYS_futex, word, operation | FUTEX_PRIVATE_FLAG, value, deadline, nullptr, FUTEX_BITSET_MATCH_ANY);
}

}  // namespace

bool process_barrier() noexcept {
    // Registered each time: a child of a fork begins anew, and it costs nothing the second time.
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0 &&
           ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

std::uint64_t now_ns() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * ns_per_s + static_cast<std::uint64_t>(t.tv_nsec);
}

bool futex_waiter::wait(runtime::atom<std::uint32_t>& word, std::uint32_t expected,
                        std::uint64_t deadline_ns) noexcept {
    timespec until{};
    const timespec* until_or_never = nullptr;
    if (deadline_ns != no_deadline) {
        until.tv_sec = static_cast<time_t>(deadline_ns / ns_per_s);
        until.tv_nsec = static_cast<long>(deadline_ns % ns_per_s);
        until_or_never = &until;
    }
    // FUTEX_WAIT_BITSET, because its deadline is absolute and monotonic; plain FUTEX_WAIT takes a duration.
    const long answer = futex(&word, FUTEX_WAIT_BITSET, expected, until_or_never);
    return answer == 0 || errno != ETIMEDOUT;
}

void futex_waiter::wake(runtime::atom<std::uint32_t>& word, std::uint32_t count) noexcept {
    const std::uint32_t most = count > INT_MAX ? INT_MAX : count;
    futex(&word, FUTEX_WAKE, most, nullptr);
}

void* reserve_table(std::size_t bytes) noexcept {
    void* const place =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return place == MAP_FAILED ? nullptr : place;
}

void release_table(void* place, std::size_t bytes) noexcept {
    if (place != nullptr) (void)::munmap(place, bytes);
}

std::uint64_t random_u64() noexcept {
    std::uint64_t bits = 0;
    for (;;) {
        const ssize_t got = ::getrandom(&bits, sizeof bits, 0);
        if (got == static_cast<ssize_t>(sizeof bits)) {
            return bits;
        }
        if (got < 0 && errno != EINTR) {
            std::abort();
        }
    }
}

void forget_variable(const char* name) noexcept { (void)::unsetenv(name); }

void set_thread_name(const char* name) noexcept {
    char cut[16] = {};
    std::strncpy(cut, name, sizeof cut - 1);
    ::pthread_setname_np(::pthread_self(), cut);
}

void block_all_signals() noexcept {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

signal_shield::signal_shield() noexcept {
    static_assert(sizeof previous_ >= sizeof(sigset_t) && alignof(sigset_t) <= 8);
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, new (previous_) sigset_t);
}

signal_shield::~signal_shield() {
    ::pthread_sigmask(SIG_SETMASK, std::launder(reinterpret_cast<sigset_t*>(previous_)), nullptr);
}

wake_handle::wake_handle() noexcept : handle_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}

wake_handle::~wake_handle() {
    if (valid()) {
        ::close(static_cast<int>(handle_));
    }
}

void wake_handle::signal() noexcept {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the handle is readable anyway.
    while (::write(static_cast<int>(handle_), &one, sizeof one) < 0 && errno == EINTR) {
    }
}

bool wake_handle::drain() noexcept {
    std::uint64_t count = 0;
    for (;;) {
        const ssize_t got = ::read(static_cast<int>(handle_), &count, sizeof count);
        if (got > 0) {
            return true;
        }
        if (got == 0 || errno != EINTR) {
            return false;
        }
    }
}

}  // namespace colloquy::transport
