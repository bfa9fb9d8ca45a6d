// local_socket on Linux: AF_UNIX.
#include "transport/local_socket.hpp"

#include <cerrno>
#include <cstring>
#include <utility>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/reactor.hpp"

namespace colloquy::transport {

namespace {

constexpr int backlog = 1024;

bool address_of(const std::string& path, address& out, std::string& error) {
    // A file, whatever it is called.
    const std::string name = path.starts_with('@') ? "./" + path : path;
    if (path.find('\0') != std::string::npos || !address::local(name, out)) {
        error = path + ": a socket's path has 1 to " + std::to_string(local_name_max) + " bytes";
        return false;
    }
    return true;
}

std::intptr_t refuse(int fd, const std::string& path, int why, std::string& error) {
    if (fd >= 0) (void)::close(fd);
    error = path + ": " + error_text(why);
    return -1;
}

const sockaddr* view(const address& a) noexcept { return static_cast<const sockaddr*>(a.data()); }
socklen_t size_of(const address& a) noexcept { return static_cast<socklen_t>(a.size()); }

// A socket's file is not written to.
std::uint64_t made_ns(const struct stat& s) noexcept {
    return static_cast<std::uint64_t>(s.st_mtim.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(s.st_mtim.tv_nsec);
}

int new_socket() noexcept { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

}  // namespace

int listen_local(const address& where, unsigned mode, std::intptr_t& out, socket_file& file) {
    file = {};
    if (where.family() != address_family::local) return EAFNOSUPPORT;
    const std::string text = where.to_string().substr(local_prefix.size());
    const bool abstract = text.starts_with('@');
    const char* const path = static_cast<const sockaddr_un*>(where.data())->sun_path;
    std::string name = abstract ? std::string{} : path;
    const int fd = new_socket();
    if (fd < 0) return errno;
    const auto refuse = [&](int why) {
        (void)::close(fd);
        return why;
    };
    // The permissions of the socket's own inode, which bind() gives to the name it makes, less the umask; then exactly.
    if (!abstract && ::fchmod(fd, mode) != 0) return refuse(errno);
    if (::bind(fd, view(where), size_of(where)) != 0) {
        if (errno != EADDRINUSE || abstract) return refuse(errno);
        struct stat there {};
        if (::lstat(path, &there) != 0 || !S_ISSOCK(there.st_mode)) return refuse(EEXIST);
        // Only who listens answers.
        const int probe = new_socket();
        if (probe < 0) return refuse(errno);
        const bool dead = ::connect(probe, view(where), size_of(where)) != 0 && errno == ECONNREFUSED;
        (void)::close(probe);
        if (!dead) return refuse(EADDRINUSE);
        if (::unlink(path) != 0 || ::bind(fd, view(where), size_of(where)) != 0) return refuse(errno);
    }
    // Nobody can connect before it listens.
    if ((!abstract && ::chmod(path, mode) != 0) || ::listen(fd, backlog) != 0) {
        const int why = errno;
        if (!abstract) (void)::unlink(path);
        return refuse(why);
    }
    struct stat made {};
    if (!abstract && ::lstat(path, &made) == 0)
        file = {std::move(name), made.st_dev, made.st_ino, made_ns(made), ::getpid()};
    out = fd;
    return 0;
}

void remove(socket_file& file) noexcept {
    struct stat there {};
    if (!file.path.empty() && file.pid == ::getpid() && ::lstat(file.path.c_str(), &there) == 0 &&
        there.st_dev == file.device && there.st_ino == file.inode && made_ns(there) == file.made_ns)
        (void)::unlink(file.path.c_str());
    file.path.clear();
}

bool same_user(std::intptr_t descriptor) noexcept {
    // Whom our namespace of users does not know has this number, and so has "nobody": it proves nothing.
    constexpr std::int64_t unknown = 65'534;
    peer_credentials who;
    return credentials_of(descriptor, who) && who.uid != unknown &&
           (who.uid == 0 || who.uid == static_cast<std::int64_t>(::geteuid()));
}

std::string local_peer(std::intptr_t descriptor) {
    peer_credentials who;
    if (!credentials_of(descriptor, who)) return {};
    return std::string{local_prefix} + "uid " + std::to_string(who.uid);
}

std::intptr_t listen_local(const std::string& path, unsigned mode, std::string& error) {
    address where;
    if (!address_of(path, where, error)) return -1;
    std::intptr_t fd = -1;
    socket_file left_to_the_caller;
    if (const int why = listen_local(where, mode, fd, left_to_the_caller); why != 0)
        return refuse(-1, path, why, error);
    return fd;
}

std::intptr_t connect_local(const std::string& path, std::string& error) {
    address where;
    if (!address_of(path, where, error)) return -1;
    const int fd = new_socket();
    if (fd < 0) return refuse(fd, path, errno, error);
    // Finished at once, or the listener has no room (EAGAIN).
    if (::connect(fd, view(where), size_of(where)) != 0) return refuse(fd, path, errno, error);
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
