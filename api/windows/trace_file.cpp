// The trace's file on Windows. Appending is the only access asked for, which makes each write go to the end as one.
#include "api/windows/system.hpp"

#include <sddl.h>

#include "api/trace.hpp"

namespace colloquy::api::trace {

namespace {

// Handles of kernel objects have 32 significant bits, whatever the size of a pointer.
int number_of(HANDLE file) noexcept { return static_cast<int>(reinterpret_cast<std::intptr_t>(file)); }
HANDLE handle_of(int file) noexcept { return reinterpret_cast<HANDLE>(static_cast<std::intptr_t>(file)); }

}  // namespace

int open_file(const char* path, int& error) noexcept {
    SECURITY_ATTRIBUTES readable_by{sizeof readable_by, nullptr, FALSE};
    // Full access for the owner, nobody else, nothing inherited. If the system cannot read this, it has no such thing.
    (void)::ConvertStringSecurityDescriptorToSecurityDescriptorA("D:P(A;;FA;;;OW)", SDDL_REVISION_1,
                                                                 &readable_by.lpSecurityDescriptor, nullptr);
    const HANDLE file =
        ::CreateFileA(path, FILE_APPEND_DATA | SYNCHRONIZE, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                      &readable_by, OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
    error = static_cast<int>(::GetLastError());
    if (readable_by.lpSecurityDescriptor != nullptr) (void)::LocalFree(readable_by.lpSecurityDescriptor);
    return number_of(file);
}

int append(int file, std::string_view line) noexcept {
    DWORD written = 0;
    if (::WriteFile(handle_of(file), line.data(), static_cast<DWORD>(line.size()), &written, nullptr) == 0)
        return static_cast<int>(::GetLastError());
    return written == line.size() ? 0 : ERROR_DISK_FULL;
}

std::uint32_t thread_number() noexcept { return ::GetCurrentThreadId(); }

std::uint32_t process_number() noexcept { return ::GetCurrentProcessId(); }

}  // namespace colloquy::api::trace
