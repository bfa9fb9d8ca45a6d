// The trace's file on Linux.
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "api/trace.hpp"

namespace colloquy::api::trace {

int open_file(const char* path, int& error) noexcept {
    const int file = ::open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    error = errno;
    return file;
}

int append(int file, std::string_view line) noexcept {
    for (;;) {
        const ssize_t written = ::write(file, line.data(), line.size());
        if (written == static_cast<ssize_t>(line.size())) return 0;
        if (written >= 0) return ENOSPC;
        if (errno != EINTR) return errno;
    }
}

std::uint32_t thread_number() noexcept {
    thread_local const auto number = static_cast<std::uint32_t>(::syscall(SYS_gettid));
    return number;
}

std::uint32_t process_number() noexcept { return static_cast<std::uint32_t>(::getpid()); }

}  // namespace colloquy::api::trace
