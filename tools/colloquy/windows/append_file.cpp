// The Windows side of append_file.hpp.
#include "tools/colloquy/append_file.hpp"

#include <windows.h>

#include <algorithm>
#include <chrono>
#include <system_error>
#include <thread>

#include "tools/colloquy/ledger.hpp"

namespace colloquy::tool {
namespace {

[[nodiscard]] HANDLE handle_of(std::intptr_t handle) noexcept { return reinterpret_cast<HANDLE>(handle); }

}  // namespace

append_file::append_file(const std::filesystem::path& file, std::chrono::milliseconds patience) : file_{file} {
    const auto limit = std::chrono::steady_clock::now() + patience;
    for (;;) {
        // Others may read; whoever else wants to write is refused, which is the lock.
        const HANDLE opened = ::CreateFileW(file.c_str(), GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, nullptr,
                                            OPEN_ALWAYS, FILE_ATTRIBUTE_NORMAL, nullptr);
        handle_ = reinterpret_cast<std::intptr_t>(opened);
        if (opened != INVALID_HANDLE_VALUE) break;
        if (::GetLastError() != ERROR_SHARING_VIOLATION || std::chrono::steady_clock::now() >= limit) fail("open");
        std::this_thread::sleep_for(std::chrono::milliseconds{10});
    }
    if (::SetFilePointerEx(handle_of(handle_), {}, nullptr, FILE_END) == 0) {
        const DWORD why = ::GetLastError();
        (void)::CloseHandle(handle_of(handle_));
        ::SetLastError(why);
        fail("seek");
    }
}

append_file::~append_file() { (void)::CloseHandle(handle_of(handle_)); }

void append_file::append(std::span<const unsigned char> bytes) {
    while (!bytes.empty()) {
        const auto part = static_cast<DWORD>(std::min<std::size_t>(bytes.size(), 1U << 30U));
        DWORD n = 0;
        if (::WriteFile(handle_of(handle_), bytes.data(), part, &n, nullptr) == 0) fail("write");
        bytes = bytes.subspan(n);
    }
}

void append_file::sync() {
    if (::FlushFileBuffers(handle_of(handle_)) == 0) fail("sync");
}

void append_file::truncate(std::uint64_t size) {
    LARGE_INTEGER where;
    where.QuadPart = static_cast<LONGLONG>(size);
    if (::SetFilePointerEx(handle_of(handle_), where, nullptr, FILE_BEGIN) == 0 ||
        ::SetEndOfFile(handle_of(handle_)) == 0)
        fail("truncate");
}

void append_file::fail(const char* doing) const {
    const auto why = static_cast<int>(::GetLastError());
    throw ledger_error{file_.string() + ": " + doing + ": " + std::system_category().message(why)};
}

}  // namespace colloquy::tool
