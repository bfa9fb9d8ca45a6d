#include "tools/colloquy/attachd/control.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

namespace colloquy::tool {
namespace {

constexpr std::size_t descriptors_max = 64;
constexpr int patience_ms = 5'000;

[[nodiscard]] std::string why() { return std::generic_category().message(errno); }

[[nodiscard]] bool address_of(const std::string& path, sockaddr_un& out) {
    out = {};
    out.sun_family = AF_UNIX;
    if (path.size() >= sizeof out.sun_path) return false;
    std::memcpy(out.sun_path, path.c_str(), path.size() + 1);
    return true;
}

[[nodiscard]] int connect_to(const std::string& path) {
    sockaddr_un address{};
    if (!address_of(path, address)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    const int s = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0) return -1;
    if (::connect(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        const int trouble = errno;
        ::close(s);
        errno = trouble;
        return -1;
    }
    return s;
}

// So that what cmsghdr wants is aligned as it wants it.
union descriptor_room {
    std::array<char, CMSG_SPACE(sizeof(int) * descriptors_max)> bytes;
    cmsghdr aligned;
};

}  // namespace

control_connection::~control_connection() {
    for (const int d : descriptors_) ::close(d);
    if (descriptor_ >= 0) ::close(descriptor_);
}

control_connection::control_connection(control_connection&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)},
      unread_{std::move(other.unread_)},
      descriptors_{std::move(other.descriptors_)} {
    other.descriptors_.clear();
}

std::optional<std::string> control_connection::read_line(bool& closed) {
    closed = false;
    for (;;) {
        if (const auto end = unread_.find('\n'); end != std::string::npos) {
            std::string line = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            return line;
        }
        if (unread_.size() >= line_max) {
            closed = true;
            return std::nullopt;
        }
        std::array<char, 4'096> bytes{};
        descriptor_room room{};
        iovec where{bytes.data(), bytes.size()};
        msghdr message{};
        message.msg_iov = &where;
        message.msg_iovlen = 1;
        message.msg_control = room.bytes.data();
        message.msg_controllen = room.bytes.size();
        const ssize_t n = ::recvmsg(descriptor_, &message, MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
        if (n <= 0) {
            closed = true;
            return std::nullopt;
        }
        for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
            if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
            const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (std::size_t i = 0; i < count; ++i) {
                int d = -1;
                std::memcpy(&d, CMSG_DATA(c) + i * sizeof d, sizeof d);
                descriptors_.push_back(d);
            }
        }
        unread_.append(bytes.data(), static_cast<std::size_t>(n));
    }
}

bool control_connection::write_line(std::string_view line, const std::vector<int>& descriptors) {
    if (descriptors.size() > descriptors_max) return false;
    std::string whole{line};
    whole += '\n';
    std::size_t written = 0;
    while (written < whole.size()) {
        iovec where{whole.data() + written, whole.size() - written};
        msghdr message{};
        message.msg_iov = &where;
        message.msg_iovlen = 1;
        descriptor_room room{};
        // They travel with the first byte.
        if (written == 0 && !descriptors.empty()) {
            message.msg_control = room.bytes.data();
            message.msg_controllen = CMSG_SPACE(sizeof(int) * descriptors.size());
            cmsghdr* const c = CMSG_FIRSTHDR(&message);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int) * descriptors.size());
            std::memcpy(CMSG_DATA(c), descriptors.data(), sizeof(int) * descriptors.size());
        }
        const ssize_t n = ::sendmsg(descriptor_, &message, MSG_NOSIGNAL);
        if (n > 0) {
            written += static_cast<std::size_t>(n);
            continue;
        }
        if (n < 0 && errno == EINTR) continue;
        if (n >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) return false;
        pollfd room_again{descriptor_, POLLOUT, 0};
        if (::poll(&room_again, 1, patience_ms) <= 0) return false;
    }
    return true;
}

int listen_for_control(const std::string& path, std::string& error) {
    sockaddr_un address{};
    if (!address_of(path, address)) {
        error = "the path " + path + " is too long for a socket";
        return -1;
    }
    if (const int there = connect_to(path); there >= 0) {
        ::close(there);
        error = "a manager runs already and listens at " + path + "; take over from it with --takeover, or end it";
        return -1;
    }
    // Only what nobody listens at may be replaced: a manager that is busy, or another's, refuses otherwise.
    if (errno != ECONNREFUSED && errno != ENOENT) {
        error = "what listens at " + path + " cannot be asked: " + why();
        return -1;
    }
    struct stat about {};
    if (::lstat(path.c_str(), &about) == 0) {
        if (!S_ISSOCK(about.st_mode)) {
            error = path + " is there and is no socket; remove it, or name another control in [attachd]";
            return -1;
        }
        (void)::unlink(path.c_str());
    }
    const int s = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    // Nobody else may connect, not even in the moment before the mode could be changed.
    const mode_t before = ::umask(0177);
    const bool bound = s >= 0 && ::bind(s, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    const int trouble = errno;
    ::umask(before);
    errno = trouble;
    if (!bound || ::listen(s, 16) != 0) {
        error = "cannot listen at " + path + ": " + why();
        if (s >= 0) ::close(s);
        return -1;
    }
    return s;
}

std::optional<control_connection> accept_control(int listener) {
    const int s = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (s < 0) return std::nullopt;
    control_connection made{s};
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(s, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || (who.uid != 0 && who.uid != ::geteuid())) {
        (void)made.write_line(R"({"error":"only root and the user of the manager may ask"})");
        return std::nullopt;
    }
    return made;
}

std::optional<control_connection> connect_control(const std::string& path, std::string& error) {
    const int s = connect_to(path);
    if (s < 0) {
        error = "no manager answers at " + path + ": " + why();
        return std::nullopt;
    }
    return control_connection{s};
}

std::optional<std::string> await_line(control_connection& from, std::chrono::milliseconds at_most, std::string& error) {
    const auto limit = std::chrono::steady_clock::now() + at_most;
    for (;;) {
        bool closed = false;
        if (auto line = from.read_line(closed)) return line;
        if (closed) {
            error = "the manager has closed the connection";
            return std::nullopt;
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
        pollfd what{from.descriptor(), POLLIN, 0};
        if (left <= 0 || ::poll(&what, 1, static_cast<int>(left)) == 0) {
            error = "the manager does not answer";
            return std::nullopt;
        }
    }
}

}  // namespace colloquy::tool
