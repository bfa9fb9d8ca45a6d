// Events of the system. A reference is a handle of our own to the same event, so whatever happens to the program's
// handle, and whatever object gets its value next, we signal what we were given.
#include <algorithm>
#include <cstddef>
#include <iterator>

#include "api/system_objects.hpp"
#include "api/windows/system.hpp"

namespace colloquy::api {

namespace {

// What the system answers about the type of an object; the name's characters follow.
struct object_type {
    struct {
        unsigned short length;  // in bytes
        unsigned short length_max;
        const wchar_t* characters;
    } name;
    std::byte rest[512];
};

// There is no documented call that tells an event from a mutex without touching it; this one has been there since the
// first Windows NT. A system without it would have us take any handle.
bool is_event(HANDLE handle) noexcept {
    constexpr int type_information = 2;
    static auto* const query =
        find_function<LONG NTAPI(HANDLE, int, void*, ULONG, ULONG*)>(L"ntdll.dll", "NtQueryObject");
    if (query == nullptr) return true;
    object_type type{};
    if (query(handle, type_information, &type, sizeof type, nullptr) < 0) return false;
    static constexpr wchar_t wanted[] = L"Event";
    constexpr std::size_t count = std::size(wanted) - 1;
    return type.name.length == count * sizeof(wchar_t) && std::equal(wanted, wanted + count, type.name.characters);
}

// Null when the handle is none that we may signal. A pseudo handle (of the process, of the thread) becomes a real one
// here, and is refused by its type.
HANDLE own_handle(HANDLE handle) noexcept {
    HANDLE own = nullptr;
    const HANDLE process = ::GetCurrentProcess();
    if (handle == nullptr || ::DuplicateHandle(process, handle, process, &own, EVENT_MODIFY_STATE, FALSE, 0) == 0)
        return nullptr;
    if (is_event(own)) return own;
    (void)::CloseHandle(own);
    return nullptr;
}

}  // namespace

bool event_valid(void* handle) noexcept { return static_cast<bool>(event_reference::of(handle)); }

event_reference::~event_reference() {
    if (object_ != nullptr) (void)::CloseHandle(object_);
}

event_reference event_reference::of(void* handle) noexcept {
    event_reference made;
    made.object_ = own_handle(handle);
    return made;
}

event_reference event_reference::duplicate() const noexcept {
    event_reference made;
    made.object_ = own_handle(object_);
    return made;
}

void event_reference::signal() const noexcept {
    // A call into the kernel is a full barrier on this side, the wait that it ends one on the other.
    if (object_ != nullptr) (void)::SetEvent(object_);
}

}  // namespace colloquy::api
