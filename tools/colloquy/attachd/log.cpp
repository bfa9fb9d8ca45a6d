#include "tools/colloquy/attachd/log.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <system_error>
#include <utility>

namespace colloquy::tool {
namespace {

[[nodiscard]] int open_to_append(const std::string& path) noexcept {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
}

[[nodiscard]] std::string time_text() {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    std::tm parts{};
    ::gmtime_r(&now.tv_sec, &parts);
    std::array<char, 40> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    std::array<char, 32> fraction{};
    (void)std::snprintf(fraction.data(), fraction.size(), ".%03ldZ ", now.tv_nsec / 1'000'000);
    return std::string{text.data(), size} + fraction.data();
}

}  // namespace

std::unique_ptr<log_file> log_file::open(const std::string& path, std::uint64_t bytes_max, std::string& error) {
    const int descriptor = path.empty() ? STDERR_FILENO : open_to_append(path);
    if (descriptor < 0) {
        error = path + " cannot be written: " + std::generic_category().message(errno);
        return nullptr;
    }
    std::unique_ptr<log_file> made{new log_file{path, bytes_max, descriptor}};
    struct stat about {};
    if (!path.empty() && ::fstat(descriptor, &about) == 0 && S_ISREG(about.st_mode))
        made->bytes_ = static_cast<std::uint64_t>(about.st_size);
    return made;
}

log_file::~log_file() {
    if (!path_.empty() && descriptor_ >= 0) ::close(descriptor_);
}

void log_file::put_aside() {
    ::close(descriptor_);
    (void)std::rename(path_.c_str(), (path_ + ".1").c_str());
    descriptor_ = open_to_append(path_);
    bytes_ = 0;
}

void log_file::line(std::string_view text) {
    std::string whole = path_.empty() ? std::string{} : time_text();
    whole += text;
    whole += '\n';
    if (!path_.empty() && bytes_ + whole.size() > bytes_max_ && bytes_ != 0) put_aside();
    std::string_view left = whole;
    while (!left.empty() && descriptor_ >= 0) {
        const ssize_t n = ::write(descriptor_, left.data(), left.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;
        left.remove_prefix(static_cast<std::size_t>(n));
    }
    bytes_ += whole.size();
}

void line_cutter::cut() {
    tell_(line_);
    line_.clear();
}

void line_cutter::add(std::string_view piece) {
    const std::uint64_t taken = std::min<std::uint64_t>(piece.size(), left_);
    left_ -= taken;
    forgotten_ += piece.size() - taken;
    for (const char c : piece.substr(0, static_cast<std::size_t>(taken))) {
        if (c == '\n') {
            cut();
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        line_ += byte < ' ' && c != '\t' ? '?' : byte == 127 ? '?' : c;
        if (line_.size() == line_max) cut();
    }
}

void line_cutter::finish() {
    if (!line_.empty()) cut();
    if (forgotten_ != 0) tell_("(" + std::to_string(forgotten_) + " more bytes are not shown)");
    forgotten_ = 0;
}

}  // namespace colloquy::tool
