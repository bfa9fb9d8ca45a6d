// The Windows extensions that are not tied to a system's own objects.
#include "api/wincpic.h"

#include <cstring>
#include <mutex>

#include "api/process.hpp"

namespace {

using namespace colloquy;

constexpr unsigned version_lowest = 0x0100;   // (major, minor), as they compare
constexpr unsigned version_highest = 0x0200;
constexpr std::uint64_t cleanup_drain_ns = 2'000'000'000;

struct registrations {
    std::mutex mutex;
    unsigned count = 0;
};
registrations& registered() noexcept {
    static auto* const r = new registrations;
    return *r;
}

// 0x0102 is version 2.1: the low byte is the major number.
constexpr unsigned comparable(unsigned short word) noexcept {
    return ((word & 0xFFU) << 8) | (static_cast<unsigned>(word) >> 8);
}
constexpr unsigned short word_of(unsigned version) noexcept {
    return static_cast<unsigned short>((version >> 8) | ((version & 0xFFU) << 8));
}

}  // namespace

extern "C" {

int COLLOQUY_CALL WinCPICStartup(unsigned short wVersionRequired, LPWCPICDATA lpData) {
    const unsigned required = comparable(wVersionRequired);
    if (required >> 8 == 0) return WCPICVERNOTSUPPORTED;
    if (required < version_lowest) return WCPICINVALID;
    registrations& r = registered();
    const std::lock_guard held{r.mutex};
    if (api::process_unit() == nullptr) return WCPICSYSNOTREADY;
    ++r.count;
    if (lpData != nullptr) {
        lpData->wVersion = word_of(version_highest);
        std::memset(lpData->szDescription, 0, sizeof lpData->szDescription);
        static constexpr char text[] = "Colloquy CPI-C";
        std::memcpy(lpData->szDescription, text, sizeof text);
    }
    return 0;
}

int COLLOQUY_CALL WinCPICCleanup(void) {
    registrations& r = registered();
    const std::lock_guard held{r.mutex};
    if (r.count == 0) return 0;
    if (--r.count == 0) (void)api::stop_process_unit(cleanup_drain_ns);
    return 1;
}

}  // extern "C"
