// The Windows extensions that are not tied to a system's own objects.
#include "api/wincpic.h"

#include <bit>
#include <cstring>
#include <mutex>
#include <new>
#include <utility>

#include "api/attention.hpp"
#include "api/process.hpp"
#include "api/process_end.hpp"
#include "api/system_objects.hpp"
#include "api/trace.hpp"
#include "runtime/verbs.hpp"

namespace {

using namespace colloquy;

constexpr unsigned version_lowest = 0x0100;  // (major, minor), as they compare
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
    if (--r.count == 0) (void)api::stop_process_unit(cleanup_drain_ns);
    return traced.result(1);
}

CM_ENTRY xchwnd(void* hwndNotify, CM_RETURN_CODE* return_code) {
    api::trace::call traced{"xchwnd", nullptr, return_code};
    if (return_code == nullptr) return;
    api::logical_unit* const u = api::process_unit();
    *return_code = u == nullptr                ? CM_PRODUCT_SPECIFIC_ERROR
                   : u->set_window(hwndNotify) ? CM_OK
                                               : CM_PROGRAM_PARAMETER_CHECK;
}

void COLLOQUY_CALL WinCPICSetEvent(const void* conversation_ID, CM_EVENT_HANDLE* event_handle,
                                   CM_RETURN_CODE* return_code) {
    api::trace::call traced{"WinCPICSetEvent", conversation_ID, return_code};
    if (return_code == nullptr) return;
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    api::logical_unit* const u = api::running_unit();
    if (u == nullptr || conversation_ID == nullptr) return;
    void* const handle = event_handle == nullptr ? nullptr : *event_handle;
    void* next = nullptr;
    if (handle != nullptr) {
        api::event_reference event = api::event_reference::of(handle);
        if (!event) return;
        auto* a = new (std::nothrow) api::attention;
        if (a == nullptr) {
            *return_code = CM_PRODUCT_SPECIFIC_ERROR;
            return;
        }
        a->what = api::attention::kind::event;
        a->event = std::move(event);
        a->event_handle = handle;
        next = a;
    }
    runtime::context& c = u->enter();
    const auto id = runtime::conversation_id::from_bytes(conversation_ID);
    // Afterwards `next` is what hung there before; refused, it is still ours.
    const runtime::outcome o = runtime::set_attention(u->engine(), c, id, next);
    if (next != nullptr) static_cast<api::attention*>(next)->release();
    u->leave(c);
    *return_code = static_cast<CM_INT32>(o.code);
}

void COLLOQUY_CALL WinCPICExtractEvent(const void* conversation_ID, CM_EVENT_HANDLE* event_handle,
                                       CM_RETURN_CODE* return_code) {
    api::trace::call traced{"WinCPICExtractEvent", conversation_ID, return_code};
    if (return_code == nullptr) return;
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    api::logical_unit* const u = api::running_unit();
    if (u == nullptr || conversation_ID == nullptr || event_handle == nullptr) return;
    runtime::context& c = u->enter();
    void* found = nullptr;
    const runtime::outcome o = runtime::extract_attention(
        u->engine(), c, runtime::conversation_id::from_bytes(conversation_ID),
        [](void* out, void* attention) {
            const auto* a = static_cast<const api::attention*>(attention);
            if (a != nullptr && a->what == api::attention::kind::event) *static_cast<void**>(out) = a->event_handle;
        },
        &found);
    u->leave(c);
    if (o.code == runtime::return_code::ok) *event_handle = found;
    *return_code = static_cast<CM_INT32>(o.code);
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
