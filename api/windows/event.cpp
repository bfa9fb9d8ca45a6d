// Events of the system. A reference is a handle of our own to the same event, so whatever happens to the program's
// handle, and whatever object gets its value next, we signal what we were given.
#include "api/system_objects.hpp"
#include "api/windows/kernel_object.hpp"

namespace colloquy::api {

namespace {

HANDLE own_event(HANDLE handle) noexcept { return own_handle(handle, L"Event", EVENT_MODIFY_STATE); }

}  // namespace

bool event_valid(void* handle) noexcept { return static_cast<bool>(event_reference::of(handle)); }

event_reference::~event_reference() {
    if (object_ != nullptr) (void)::CloseHandle(object_);
}

event_reference event_reference::of(void* handle) noexcept {
    event_reference made;
    made.object_ = own_event(handle);
    return made;
}

event_reference event_reference::duplicate() const noexcept {
    event_reference made;
    made.object_ = own_event(object_);
    return made;
}

void event_reference::signal() const noexcept {
    // A call into the kernel is a full barrier on this side, the wait that it ends one on the other.
    if (object_ != nullptr) (void)::SetEvent(object_);
}

}  // namespace colloquy::api
