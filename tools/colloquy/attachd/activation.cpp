#include "tools/colloquy/attachd/activation.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace colloquy::tool {
namespace {

constexpr int first_handed = 3;

[[nodiscard]] long number_in(const char* variable) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before the first thread
    const char* const text = std::getenv(variable);
    if (text == nullptr) return -1;
    long value = -1;
    const char* const end = text + std::strlen(text);
    const auto [stopped, trouble] = std::from_chars(text, end, value);
    return trouble == std::errc{} && stopped == end ? value : -1;
}

[[nodiscard]] int family_of(int descriptor) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return AF_UNSPEC;
    return address.ss_family;
}

[[nodiscard]] bool listens(int descriptor) {
    int yes = 0;
    socklen_t size = sizeof yes;
    return ::getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &yes, &size) == 0 && yes != 0;
}

}  // namespace

std::string local_name_of(int descriptor) {
    sockaddr_un address{};
    socklen_t size = sizeof address;
    if (::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0 || address.sun_family != AF_UNIX ||
        size <= offsetof(sockaddr_un, sun_path))
        return {};
    std::string name{address.sun_path, size - offsetof(sockaddr_un, sun_path)};
    if (name.front() == '\0')
        name.front() = '@';
    else
        name.resize(::strnlen(name.data(), name.size()));
    return name;
}

bool is_listed(const std::string& local_name, const std::vector<transport::endpoint>& listen) {
    return std::any_of(listen.begin(), listen.end(),
                       [&](const transport::endpoint& e) { return e.local && e.host == local_name; });
}

handed_sockets take_handed_sockets(const std::string& program_path, const std::string& control_path,
                                   const std::vector<transport::endpoint>& listen) {
    handed_sockets taken;
    const long count = number_in("LISTEN_PID") == ::getpid() ? number_in("LISTEN_FDS") : 0;
    for (const char* variable : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"})
        (void)::unsetenv(variable);  // NOLINT(concurrency-mt-unsafe): before the first thread
    for (int d = first_handed; d < first_handed + count; ++d) {
        (void)::fcntl(d, F_SETFD, FD_CLOEXEC);
        const int family = family_of(d);
        if (!listens(d)) {
            ::close(d);
        } else if (family == AF_INET || family == AF_INET6) {
            taken.listeners.push_back(d);
        } else if (const std::string name = local_name_of(d); is_listed(name, listen)) {
            taken.listeners.push_back(d);
        } else if (!name.empty() && name == program_path) {
            taken.program = d;
        } else if (!name.empty() && name == control_path) {
            taken.control = d;
        } else {
            ::close(d);
        }
    }
    return taken;
}

void notify_service_manager(std::string_view text) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody here writes the environment once there are threads
    const char* const place = std::getenv("NOTIFY_SOCKET");
    if (place == nullptr || (place[0] != '/' && place[0] != '@')) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::size_t size = std::strlen(place);
    if (size >= sizeof address.sun_path) return;
    std::memcpy(address.sun_path, place, size);
    if (place[0] == '@') address.sun_path[0] = '\0';
    const int s = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s < 0) return;
    (void)::sendto(s, text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
    ::close(s);
}

}  // namespace colloquy::tool
