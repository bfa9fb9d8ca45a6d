// platform on Windows: QueryPerformanceCounter, WaitOnAddress, BCryptGenRandom, VirtualAlloc, events.
#include "transport/platform.hpp"

#include <cstdlib>

#include <windows.h>
// After windows.h, which it needs.
#include <bcrypt.h>

#include "transport/windows/thread_storage.hpp"

namespace colloquy::transport {

namespace {

constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::uint64_t ns_per_ms = 1'000'000;

// WaitOnAddress compares the plain word inside the atom; these two lines are what makes that sound.
static_assert(sizeof(runtime::atom<std::uint32_t>) == sizeof(std::uint32_t));
static_assert(alignof(runtime::atom<std::uint32_t>) == alignof(std::uint32_t));

std::uint64_t ticks_per_s() noexcept {
    LARGE_INTEGER frequency{};
    ::QueryPerformanceFrequency(&frequency);
    return static_cast<std::uint64_t>(frequency.QuadPart);
}

}  // namespace

bool process_barrier() noexcept {
    ::FlushProcessWriteBuffers();
    return true;
}

std::uint64_t now_ns() noexcept {
    static const std::uint64_t frequency = ticks_per_s();
    LARGE_INTEGER count{};
    ::QueryPerformanceCounter(&count);
    const auto ticks = static_cast<std::uint64_t>(count.QuadPart);
    // In two parts, because ticks times a thousand million does not fit in 64 bits for long.
    return ticks / frequency * ns_per_s + ticks % frequency * ns_per_s / frequency;
}

bool futex_waiter::wait(runtime::atom<std::uint32_t>& word, std::uint32_t expected,
                        std::uint64_t deadline_ns) noexcept {
    DWORD most_ms = INFINITE;
    if (deadline_ns != no_deadline) {
        const std::uint64_t now = now_ns();
        if (now >= deadline_ns) {
            return word.load_relaxed() != expected;
        }
        const std::uint64_t ms = (deadline_ns - now + ns_per_ms - 1) / ns_per_ms;
        most_ms = ms < INFINITE - 1 ? static_cast<DWORD>(ms) : INFINITE - 1;
    }
    const bool woken = ::WaitOnAddress(&word, &expected, sizeof expected, most_ms) != FALSE;
    return woken || ::GetLastError() != ERROR_TIMEOUT || now_ns() < deadline_ns;
}

void futex_waiter::wake(runtime::atom<std::uint32_t>& word, std::uint32_t count) noexcept {
    constexpr std::uint32_t few = 8;  // more calls than that cost more than waking some in vain
    if (count > few) {
        ::WakeByAddressAll(&word);
        return;
    }
    for (std::uint32_t i = 0; i < count; ++i) {
        ::WakeByAddressSingle(&word);
    }
}

void* reserve_table(std::size_t bytes) noexcept {
    return ::VirtualAlloc(nullptr, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

void release_table(void* place, std::size_t) noexcept {
    if (place != nullptr) (void)::VirtualFree(place, 0, MEM_RELEASE);
}

std::uint64_t random_u64() noexcept {
    std::uint64_t bits = 0;
    if (::BCryptGenRandom(nullptr, reinterpret_cast<PUCHAR>(&bits), sizeof bits, BCRYPT_USE_SYSTEM_PREFERRED_RNG) < 0) {
        std::abort();
    }
    return bits;
}

void forget_variable(const char* name) noexcept { (void)::_putenv_s(name, ""); }

void set_thread_name(const char* name) noexcept {
    // Windows 10 has it, its predecessors have not.
    using describe = HRESULT(WINAPI*)(HANDLE, PCWSTR);
    static const auto set = [] {
        const HMODULE kernel = ::GetModuleHandleW(L"kernel32.dll");
        void* const found =
            kernel == nullptr ? nullptr : reinterpret_cast<void*>(::GetProcAddress(kernel, "SetThreadDescription"));
        return reinterpret_cast<describe>(found);
    }();
    if (set == nullptr) {
        return;
    }
    wchar_t wide[64] = {};
    for (std::size_t i = 0; i + 1 < sizeof wide / sizeof wide[0] && name[i] != '\0'; ++i) {
        wide[i] = static_cast<unsigned char>(name[i]);
    }
    (void)set(::GetCurrentThread(), wide);
}

// Windows has no signals that could come to a thread of ours.
void block_all_signals() noexcept {}
signal_shield::signal_shield() noexcept = default;
signal_shield::~signal_shield() = default;

wake_handle::wake_handle() noexcept : handle_{none} {
    const HANDLE event = ::CreateEventW(nullptr, TRUE, FALSE, nullptr);
    if (event != nullptr) {
        handle_ = reinterpret_cast<std::intptr_t>(event);
    }
}

wake_handle::~wake_handle() {
    if (valid()) {
        ::CloseHandle(reinterpret_cast<HANDLE>(handle_));
    }
}

void wake_handle::signal() noexcept { ::SetEvent(reinterpret_cast<HANDLE>(handle_)); }

bool wake_handle::drain() noexcept {
    const HANDLE event = reinterpret_cast<HANDLE>(handle_);
    if (::WaitForSingleObject(event, 0) != WAIT_OBJECT_0) {
        return false;
    }
    // What is signalled between the look and this is drained with it: the answer tells of both.
    ::ResetEvent(event);
    return true;
}

}  // namespace colloquy::transport
