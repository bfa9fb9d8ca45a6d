// local_socket on Linux: AF_UNIX.
#include "transport/local_socket.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/reactor.hpp"

namespace colloquy::transport {

namespace {

constexpr int backlog = 1024;

bool address_of(const std::string& path, sockaddr_un& out, std::string& error) {
    if (path.empty() || path.size() >= sizeof out.sun_path || path.find('\0') != std::string::npos) {
        error = path + ": a socket's path has 1 to 107 bytes";
        return false;
    }
    out = {};
    out.sun_family = AF_UNIX;
    std::memcpy(out.sun_path, path.data(), path.size());
    return true;
}

std::intptr_t refuse(int fd, const std::string& path, int why, std::string& error) {
    if (fd >= 0) (void)::close(fd);
    error = path + ": " + error_text(why);
    return -1;
}

const sockaddr* view(const sockaddr_un& a) noexcept { return reinterpret_cast<const sockaddr*>(&a); }

int new_socket() noexcept { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

}  // namespace

std::intptr_t listen_local(const std::string& path, unsigned mode, std::string& error) {
    sockaddr_un where{};
    if (!address_of(path, where, error)) return -1;
    const int fd = new_socket();
    if (fd < 0) return refuse(fd, path, errno, error);
    // The permissions of the socket's own inode, which bind() gives to the name it makes, less the umask; then exactly.
    if (::fchmod(fd, 0) != 0) return refuse(fd, path, errno, error);
    if (::bind(fd, view(where), sizeof where) != 0) {
        if (errno != EADDRINUSE) return refuse(fd, path, errno, error);
        struct stat there {};
        if (::lstat(path.c_str(), &there) != 0 || !S_ISSOCK(there.st_mode)) return refuse(fd, path, EEXIST, error);
        // Only who listens answers.
        const int probe = new_socket();
        if (probe < 0) return refuse(fd, path, errno, error);
        const bool dead = ::connect(probe, view(where), sizeof where) != 0 && errno == ECONNREFUSED;
        (void)::close(probe);
        if (!dead) return refuse(fd, path, EADDRINUSE, error);
        if (::unlink(path.c_str()) != 0 || ::bind(fd, view(where), sizeof where) != 0)
            return refuse(fd, path, errno, error);
    }
    // Nobody can connect before it listens.
    if (::chmod(path.c_str(), mode) != 0 || ::listen(fd, backlog) != 0) {
        const int why = errno;
        (void)::unlink(path.c_str());
        return refuse(fd, path, why, error);
    }
    return fd;
}

std::intptr_t connect_local(const std::string& path, std::string& error) {
    sockaddr_un where{};
    if (!address_of(path, where, error)) return -1;
    const int fd = new_socket();
    if (fd < 0) return refuse(fd, path, errno, error);
    // Finished at once, or the listener has no room (EAGAIN).
    if (::connect(fd, view(where), sizeof where) != 0) return refuse(fd, path, errno, error);
    return fd;
}

bool credentials_of(std::intptr_t descriptor, peer_credentials& out) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    if (::getsockopt(static_cast<int>(descriptor), SOL_SOCKET, SO_DOMAIN, &domain, &size) != 0 || domain != AF_UNIX)
        return false;
    ucred who{};
    size = sizeof who;
    if (::getsockopt(static_cast<int>(descriptor), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0 || size != sizeof who)
        return false;
    out = {who.pid, who.uid, who.gid};
    return true;
}

std::intptr_t copy_descriptor(std::intptr_t descriptor) noexcept {
    return ::fcntl(static_cast<int>(descriptor), F_DUPFD_CLOEXEC, 3);
}

void close_descriptor(std::intptr_t descriptor) noexcept { (void)::close(static_cast<int>(descriptor)); }

}  // namespace colloquy::transport
