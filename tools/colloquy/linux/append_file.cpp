// The Linux side of append_file.hpp.
#include "tools/colloquy/append_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>

#include "tools/colloquy/ledger.hpp"

namespace colloquy::tool {
namespace {

[[nodiscard]] int descriptor(std::intptr_t handle) noexcept { return static_cast<int>(handle); }

}  // namespace

append_file::append_file(const std::filesystem::path& file, std::chrono::milliseconds patience) : file_{file} {
    handle_ = ::open(file.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (handle_ < 0) fail("open");
    const auto limit = std::chrono::steady_clock::now() + patience;
    while (::flock(descriptor(handle_), LOCK_EX | LOCK_NB) != 0) {
        if ((errno == EWOULDBLOCK || errno == EINTR) && std::chrono::steady_clock::now() < limit) {
            std::this_thread::sleep_for(std::chrono::milliseconds{10});
            continue;
        }
        const int why = errno;
        ::close(descriptor(handle_));
        errno = why;
        fail("lock");
    }
    // A new file is there for good only when its folder is on the disk.
    std::filesystem::path folder = file.parent_path();
    if (folder.empty()) folder = ".";
    if (const int f = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); f >= 0) {
        (void)::fsync(f);
        ::close(f);
    }
}

append_file::~append_file() { ::close(descriptor(handle_)); }

void append_file::append(std::span<const unsigned char> bytes) {
    while (!bytes.empty()) {
        const ssize_t n = ::write(descriptor(handle_), bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) fail("write");
        bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
}

void append_file::sync() {
    if (::fdatasync(descriptor(handle_)) != 0) fail("sync");
}

void append_file::truncate(std::uint64_t size) {
    if (::ftruncate(descriptor(handle_), static_cast<off_t>(size)) != 0) fail("truncate");
}

void append_file::fail(const char* doing) const {
    throw ledger_error{file_.string() + ": " + doing + ": " + std::generic_category().message(errno)};
}

}  // namespace colloquy::tool
