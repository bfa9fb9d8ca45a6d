// Packets for a program's own completion port.
#include "api/colloquy/completion_port.h"

#include <exception>
#include <memory>

#include "api/attention.hpp"
#include "api/process.hpp"
#include "api/trace.hpp"
#include "api/windows/kernel_object.hpp"

namespace colloquy::api {

namespace {

class completion_port final : public bell {
public:
    // Takes over the handle.
    completion_port(HANDLE own, DWORD bytes, ULONG_PTR key, OVERLAPPED* overlapped) noexcept
        : port_{own}, bytes_{bytes}, key_{key}, overlapped_{overlapped} {}
    ~completion_port() override { (void)::CloseHandle(port_); }

    bool ring() noexcept override {
        trace::tell("port", nullptr);
        return ::PostQueuedCompletionStatus(port_, bytes_, key_, overlapped_) != 0;
    }

private:
    HANDLE port_;
    DWORD bytes_;
    ULONG_PTR key_;
    OVERLAPPED* overlapped_;
};

}  // namespace

}  // namespace colloquy::api

using namespace colloquy;

extern "C" void COLLOQUY_CALL clq_set_completion_port(const void* conversation_ID, void* port, unsigned long bytes,
                                                      size_t key, OVERLAPPED* overlapped, CM_INT32* return_code) {
    api::trace::call traced{"clq_set_completion_port", conversation_ID, return_code};
    if (return_code == nullptr) return;
    *return_code = CM_PROGRAM_PARAMETER_CHECK;
    const api::held_unit u = api::running_unit();
    if (u == nullptr || conversation_ID == nullptr) return;
    const auto id = runtime::conversation_id::from_bytes(conversation_ID);
    if (port == nullptr) {
        *return_code = api::set_bell(*u, id, nullptr);
        return;
    }
    constexpr DWORD may_post = 2;  // IO_COMPLETION_MODIFY_STATE, which windows.h leaves to driver writers
    const HANDLE own = api::own_handle(port, L"IoCompletion", may_post);
    if (own == nullptr) return;
    std::shared_ptr<api::bell> made;
    try {
        made = std::make_shared<api::completion_port>(own, bytes, key, overlapped);
    } catch (const std::exception&) {
        (void)::CloseHandle(own);
        *return_code = CM_PRODUCT_SPECIFIC_ERROR;
        return;
    }
    *return_code = api::set_bell(*u, id, std::move(made));
}
