// The Windows extensions that are not tied to a system's own objects.
#include "api/wincpic.h"

#include <bit>
#include <cstring>
#include <mutex>
#include <utility>

#include "api/attention.hpp"
#include "api/process.hpp"
#include "api/process_end.hpp"
#include "api/system_objects.hpp"
#include "api/trace.hpp"

namespace {

using namespace colloquy;

constexpr unsigned version_lowest = 0x0100;  // (major, minor), as they compare
constexpr unsigned version_highest = 0x0200;

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
    api::trace::call traced{"WinCPICStartup", nullptr, nullptr};
    const unsigned required = comparable(wVersionRequired);
    if (required >> 8 == 0) return traced.result(WCPICVERNOTSUPPORTED);
    if (required < version_lowest) return traced.result(WCPICINVALID);
    registrations& r = registered();
    const std::lock_guard held{r.mutex};
    if (api::registered_unit() == nullptr) return traced.result(WCPICSYSNOTREADY);
    ++r.count;
    if (lpData != nullptr) {
        lpData->wVersion = word_of(version_highest);
        std::memset(lpData->szDescription, 0, sizeof lpData->szDescription);
        static constexpr char text[] = "Colloquy CPI-C";
        std::memcpy(lpData->szDescription, text, sizeof text);
    }
    return traced.result(0);
}

int COLLOQUY_CALL WinCPICCleanup(void) {
    api::trace::call traced{"WinCPICCleanup", nullptr, nullptr};
    // Called from a DllMain while the process ends: nothing can be waited for, and the system takes back the rest.
    if (api::process_ending()) return traced.result(1);
    registrations& r = registered();
    const std::lock_guard held{r.mutex};
    if (r.count == 0) return traced.result(0);
    if (--r.count == 0) (void)api::stop_process_unit();
    return traced.result(1);
}

CM_ENTRY xchwnd(void* hwndNotify, CM_RETURN_CODE* return_code) {
    api::trace::call traced{"xchwnd", nullptr, return_code};
    if (return_code == nullptr) return;
    const api::held_unit u = api::process_unit();
    *return_code = u == nullptr                ? CM_PRODUCT_SPECIFIC_ERROR
                   : u->set_window(hwndNotify) ? CM_OK
                                               : CM_PROGRAM_PARAMETER_CHECK;
}

void COLLOQUY_CALL WinCPICSetEvent(const void* conversation_ID, CM_EVENT_HANDLE* event_handle,
                                   CM_RETURN_CODE* return_code) {
    api::trace::call traced{"WinCPICSetEvent", conversation_ID, return_code};
    if (return_code == nullptr) return;
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    const api::held_unit u = api::running_unit();
    if (u == nullptr || conversation_ID == nullptr) return;
    void* const handle = event_handle == nullptr ? nullptr : *event_handle;
    api::event_reference event;
    if (handle != nullptr) {
        event = api::event_reference::of(handle);
        if (!event) return;
    }
    *return_code = api::set_event(*u, runtime::conversation_id::from_bytes(conversation_ID), std::move(event), handle);
}

void COLLOQUY_CALL WinCPICExtractEvent(const void* conversation_ID, CM_EVENT_HANDLE* event_handle,
                                       CM_RETURN_CODE* return_code) {
    api::trace::call traced{"WinCPICExtractEvent", conversation_ID, return_code};
    if (return_code == nullptr) return;
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    const api::held_unit u = api::running_unit();
    if (u == nullptr || conversation_ID == nullptr || event_handle == nullptr) return;
    void* found = nullptr;
    *return_code = api::event_of(*u, runtime::conversation_id::from_bytes(conversation_ID), found);
    if (*return_code == CM_OK) *event_handle = found;
}

int COLLOQUY_CALL WinCPICIsBlocking(void) { return api::logical_unit::this_thread().in_hook ? 1 : 0; }

// The hook answers a BOOL, whatever FARPROC says: the upper half of what it returns is nothing to go by.
CLQ_FARPROC COLLOQUY_CALL WinCPICSetBlockingHook(CLQ_FARPROC hook) {
    auto& t = api::logical_unit::this_thread();
    const auto before = std::bit_cast<CLQ_FARPROC>(t.hook);
    t.hook = std::bit_cast<int(COLLOQUY_CALL*)()>(hook);
    return before;
}

int COLLOQUY_CALL WinCPICUnhookBlockingHook(void) {
    auto& t = api::logical_unit::this_thread();
    const bool was = t.hook != nullptr;
    t.hook = nullptr;
    return was ? 1 : 0;
}

}  // extern "C"
