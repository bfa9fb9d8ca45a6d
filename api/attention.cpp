#include "api/attention.hpp"

#include <new>

#include "api/logical_unit.hpp"
#include "runtime/verbs.hpp"

namespace colloquy::api {

namespace {

// What a conversation's results are collected upon.
struct wake {
    std::shared_ptr<bell> first;
    event_reference event;
    void* event_handle = nullptr;
};

// Those who set something go on where this fails: set_attention has the last word.
CM_INT32 wake_of(logical_unit& u, runtime::conversation_id id, wake& out) noexcept {
    runtime::context& c = u.enter();
    const runtime::outcome o = runtime::extract_attention(
        u.engine(), c, id,
        [](void* found, void* hung) {
            const auto* const a = static_cast<const attention*>(hung);
            if (a == nullptr || a->what != attention::kind::event) return;
            auto& w = *static_cast<wake*>(found);
            w.first = a->first;
            w.event = a->event.duplicate();
            w.event_handle = a->event_handle;
        },
        &out);
    u.leave(c);
    return static_cast<CM_INT32>(o.code);
}

CM_INT32 hang(logical_unit& u, runtime::conversation_id id, wake wanted) noexcept {
    void* next = nullptr;
    if (wanted.first != nullptr || wanted.event_handle != nullptr) {
        auto* const a = new (std::nothrow) attention;
        if (a == nullptr) return CM_PRODUCT_SPECIFIC_ERROR;
        a->first = std::move(wanted.first);
        a->event = std::move(wanted.event);
        a->event_handle = wanted.event_handle;
        next = a;
    }
    runtime::context& c = u.enter();
    // Afterwards `next` is what hung there before; refused, it is still ours.
    const runtime::outcome o = runtime::set_attention(u.engine(), c, id, next);
    if (next != nullptr) static_cast<attention*>(next)->release();
    u.leave(c);
    return static_cast<CM_INT32>(o.code);
}

}  // namespace

CM_INT32 set_event(logical_unit& u, runtime::conversation_id id, event_reference event, void* handle) noexcept {
    wake wanted;
    (void)wake_of(u, id, wanted);
    wanted.event = std::move(event);
    wanted.event_handle = handle;
    return hang(u, id, std::move(wanted));
}

CM_INT32 set_bell(logical_unit& u, runtime::conversation_id id, std::shared_ptr<bell> first) noexcept {
    wake wanted;
    (void)wake_of(u, id, wanted);
    wanted.first = std::move(first);
    return hang(u, id, std::move(wanted));
}

CM_INT32 event_of(logical_unit& u, runtime::conversation_id id, void*& handle) noexcept {
    wake found;
    const CM_INT32 code = wake_of(u, id, found);
    if (code == CM_OK) handle = found.event_handle;
    return code;
}

}  // namespace colloquy::api
