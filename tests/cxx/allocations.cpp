// The count of allocations: every malloc where the C library or a sanitizer lets us stand before it, operator new
// elsewhere; and an operator new that fails when it is told to.
#include <cstddef>
#include <cstdlib>
#include <new>

#include "tests/cxx/cxx.hpp"

namespace {
std::atomic<std::uint64_t> count;
void add() noexcept { count.fetch_add(1, std::memory_order_relaxed); }
}  // namespace

namespace colloquy::test {
std::uint64_t allocations() noexcept { return count.load(std::memory_order_relaxed); }
}  // namespace colloquy::test

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COLLOQUY_TEST_SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COLLOQUY_TEST_SANITIZED
#endif
#endif

#if defined(COLLOQUY_TEST_SANITIZED)
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*)(const volatile void*, std::size_t),
                                                         void (*)(const volatile void*));
namespace {
const int installed = __sanitizer_install_malloc_and_free_hooks([](const volatile void*, std::size_t) { add(); },
                                                                [](const volatile void*) {});
}
#elif defined(__GLIBC__)
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void __libc_free(void*);
void* malloc(std::size_t n) {
    add();
    return __libc_malloc(n);
}
void* calloc(std::size_t n, std::size_t m) {
    add();
    return __libc_calloc(n, m);
}
void* realloc(void* p, std::size_t n) {
    add();
    return __libc_realloc(p, n);
}
void free(void* p) { __libc_free(p); }
}
#else
#define COLLOQUY_TEST_COUNTS_NEW
#endif

#if defined(COLLOQUY_TEST_OWN_NEW)
namespace {
thread_local int left = -1;  // of operator new on this thread, until one fails; below 0: none does
bool fails() noexcept { return left >= 0 && left-- == 0; }
}  // namespace

namespace colloquy::test {
failing_new::failing_new(int after) noexcept { left = after; }
failing_new::~failing_new() { left = -1; }
}  // namespace colloquy::test

void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
#if defined(COLLOQUY_TEST_COUNTS_NEW)
    add();
#endif
    return fails() ? nullptr : std::malloc(n == 0 ? 1 : n);
}
void* operator new(std::size_t n) {
    if (void* const p = ::operator new(n, std::nothrow); p != nullptr) return p;
    throw std::bad_alloc{};
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif
