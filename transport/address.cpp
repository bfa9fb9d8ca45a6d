// address on BSD sockets, which Windows has too.
#include "transport/address.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "transport/sockets.hpp"

namespace colloquy::transport {

static_assert(sizeof(sockaddr_in6) <= 120 && alignof(sockaddr_in6) <= 8);

namespace {

template <class SocketAddress>
SocketAddress read_as(const unsigned char* storage) noexcept {
    SocketAddress a{};
    std::memcpy(&a, storage, sizeof a);
    return a;
}

bool is_host_character(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
           c == '_';
}

std::string quoted(std::string_view text) {
    std::string s = "\"";
    s += text;
    s += '"';
    return s;
}

bool parse_port(std::string_view text, std::uint16_t& port) noexcept {
    unsigned value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, failure] = std::from_chars(text.data(), end, value);
    if (failure != std::errc{} || stop != end || value > 65535) {
        return false;
    }
    port = static_cast<std::uint16_t>(value);
    return true;
}

bool parse_local(std::string_view text, bool tls, endpoint& out, std::string& error) {
    const std::string_view name = text.substr(local_prefix.size());
    if (!local_sockets) {
        error = quoted(text) + " is a local socket, and those are not offered on Windows; write host:port";
    } else if (tls) {
        error = quoted(text) + " does not leave this machine and is not encrypted; leave out 'tls:'";
    } else if (name.size() < 2 || (name.front() != '/' && name.front() != '@')) {
        error = quoted(text) + " names no socket; write unix:/path or unix:@name";
    } else if (name.size() > local_name_max) {
        error = quoted(text) + " is too long for a socket; a path or name has at most " +
                std::to_string(local_name_max) + " bytes";
    } else if (name.find('\0') != std::string_view::npos) {
        error = quoted(local_prefix) + " is followed by a name with a byte of zero; leave it out";
    } else {
        out = {std::string{name}, 0, false, true};
        return true;
    }
    return false;
}

}  // namespace

address address::from_system(const void* socket_address, std::size_t size) noexcept {
    address a;
    system_family family = AF_UNSPEC;
    if (size < offsetof(sockaddr, sa_family) + sizeof family) {
        return a;
    }
    std::memcpy(&family, static_cast<const unsigned char*>(socket_address) + offsetof(sockaddr, sa_family),
                sizeof family);
    if (family == AF_UNIX) {
        if (size <= sizeof(sockaddr_un)) {
            std::memcpy(a.storage_, socket_address, size);
            a.size_ = static_cast<std::uint32_t>(size);
        }
        return a;
    }
    const std::size_t wanted = family == AF_INET ? sizeof(sockaddr_in) : family == AF_INET6 ? sizeof(sockaddr_in6) : 0;
    if (wanted == 0 || size < wanted) {
        return a;
    }
    std::memcpy(a.storage_, socket_address, wanted);
    a.size_ = static_cast<std::uint32_t>(wanted);
    return a;
}

bool address::parse_numeric(std::string_view host, std::uint16_t port, address& out) noexcept {
    char text[INET6_ADDRSTRLEN + scope_name_bytes + 2];
    if (host.empty() || host.size() >= sizeof text) {
        return false;
    }
    std::memcpy(text, host.data(), host.size());
    text[host.size()] = '\0';

    sockaddr_in v4{};
    if (::inet_pton(AF_INET, text, &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        out = from_system(&v4, sizeof v4);
        return true;
    }

    sockaddr_in6 v6{};
    if (char* const scope = std::strchr(text, '%'); scope != nullptr) {
        *scope = '\0';
        v6.sin6_scope_id = ::if_nametoindex(scope + 1);
        if (v6.sin6_scope_id == 0) {
            const char* const end = text + host.size();
            const auto [stop, failure] = std::from_chars(scope + 1, end, v6.sin6_scope_id);
            if (failure != std::errc{} || stop != end) {
                return false;
            }
        }
    }
    if (::inet_pton(AF_INET6, text, &v6.sin6_addr) != 1) {
        return false;
    }
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    out = from_system(&v6, sizeof v6);
    return true;
}

bool address::local(std::string_view name, address& out) noexcept {
    const bool abstract = name.starts_with('@');
    if (!local_sockets || name.size() < (abstract ? 2u : 1u) || name.size() > local_name_max) {
        return false;
    }
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::memcpy(a.sun_path, name.data(), name.size());
    // A path ends with a zero; of an abstract name, which begins with one, every byte counts.
    if (abstract) a.sun_path[0] = '\0';
    out = from_system(&a, offsetof(sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1));
    return true;
}

address address::loopback_ipv4(std::uint16_t port) noexcept {
    sockaddr_in a{};
    a.sin_family = AF_INET;
    a.sin_port = htons(port);
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return from_system(&a, sizeof a);
}

address address::loopback_ipv6(std::uint16_t port) noexcept {
    sockaddr_in6 a{};
    a.sin6_family = AF_INET6;
    a.sin6_port = htons(port);
    a.sin6_addr = in6addr_loopback;
    return from_system(&a, sizeof a);
}

address_family address::family() const noexcept {
    if (size_ == 0) {
        return address_family::none;
    }
    switch (read_as<sockaddr>(storage_).sa_family) {
        case AF_INET: return address_family::ipv4;
        case AF_INET6: return address_family::ipv6;
        default: return address_family::local;
    }
}

std::uint16_t address::port() const noexcept {
    switch (family()) {
        case address_family::ipv4: return ntohs(read_as<sockaddr_in>(storage_).sin_port);
        case address_family::ipv6: return ntohs(read_as<sockaddr_in6>(storage_).sin6_port);
        case address_family::local:
        case address_family::none: break;
    }
    return 0;
}

void address::set_port(std::uint16_t port) noexcept {
    const system_port wire = htons(port);
    // Both families keep the port at the same place, which the system's own code relies on too.
    static_assert(offsetof(sockaddr_in, sin_port) == offsetof(sockaddr_in6, sin6_port));
    if (size_ != 0 && family() != address_family::local) {
        std::memcpy(storage_ + offsetof(sockaddr_in, sin_port), &wire, sizeof wire);
    }
}

bool address::is_loopback() const noexcept {
    switch (family()) {
        case address_family::ipv4: return (ntohl(read_as<sockaddr_in>(storage_).sin_addr.s_addr) >> 24) == 127;
        case address_family::ipv6: {
            const auto a = read_as<sockaddr_in6>(storage_);
            return std::memcmp(&a.sin6_addr, &in6addr_loopback, sizeof in6addr_loopback) == 0;
        }
        case address_family::local: return true;
        case address_family::none: break;
    }
    return false;
}

std::string address::to_string() const {
    char text[INET6_ADDRSTRLEN] = {};
    endpoint where;
    switch (family()) {
        case address_family::ipv4: {
            const auto a = read_as<sockaddr_in>(storage_);
            ::inet_ntop(AF_INET, &a.sin_addr, text, sizeof text);
            where.host = text;
            break;
        }
        case address_family::ipv6: {
            const auto a = read_as<sockaddr_in6>(storage_);
            ::inet_ntop(AF_INET6, &a.sin6_addr, text, sizeof text);
            where.host = text;
            if (a.sin6_scope_id != 0) {
                where.host += '%';
                where.host += std::to_string(a.sin6_scope_id);
            }
            break;
        }
        case address_family::local: {
            constexpr std::size_t before = offsetof(sockaddr_un, sun_path);
            std::string name{reinterpret_cast<const char*>(storage_) + before,
                             size_ - std::min<std::size_t>(size_, before)};
            const bool abstract = !name.empty() && name.front() == '\0';
            if (abstract) {
                name.front() = '@';
            } else {
                name.resize(std::min(name.find('\0'), name.size()));
            }
            // A peer chooses its own name: nothing of it can break a line of a log.
            for (char& c : name) {
                if (c < ' ' || c > '~') c = '?';
            }
            return std::string{local_prefix} + name;
        }
        case address_family::none: return "none";
    }
    where.port = port();
    return format_endpoint(where);
}

address address::nearby() const noexcept {
    address own;
    if (family() == address_family::ipv4) {
        const std::uint32_t host = ntohl(read_as<sockaddr_in>(storage_).sin_addr.s_addr);
        if (host == INADDR_LOOPBACK || host == INADDR_ANY) own = loopback_ipv4(port());
    } else if (family() == address_family::ipv6) {
        const auto a = read_as<sockaddr_in6>(storage_);
        const bool any = std::memcmp(&a.sin6_addr, &in6addr_any, sizeof in6addr_any) == 0;
        if (any || is_loopback()) own = loopback_ipv6(port());
    }
    address out;
    if (own.port() != 0) (void)local("@colloquy/" + own.to_string(), out);
    return out;
}

std::string address::network() const {
    address host = *this;
    if (family() == address_family::ipv6) {
        auto a = read_as<sockaddr_in6>(storage_);
        std::memset(&a.sin6_addr.s6_addr[8], 0, 8);
        a.sin6_scope_id = 0;
        host = from_system(&a, sizeof a);
    }
    host.set_port(0);
    return host.to_string();
}

bool operator==(const address& a, const address& b) noexcept {
    if (a.size_ != b.size_) {
        return false;
    }
    if (a.family() == address_family::ipv6) {
        // The flow label is no part of the identity.
        const auto x = read_as<sockaddr_in6>(a.storage_);
        const auto y = read_as<sockaddr_in6>(b.storage_);
        return std::memcmp(&x.sin6_addr, &y.sin6_addr, sizeof x.sin6_addr) == 0 && x.sin6_port == y.sin6_port &&
               x.sin6_scope_id == y.sin6_scope_id;
    }
    if (a.family() != b.family()) {
        return false;
    }
    if (a.family() == address_family::ipv4) {
        const auto x = read_as<sockaddr_in>(a.storage_);
        const auto y = read_as<sockaddr_in>(b.storage_);
        return x.sin_addr.s_addr == y.sin_addr.s_addr && x.sin_port == y.sin_port;
    }
    return std::memcmp(a.storage_, b.storage_, a.size_) == 0;
}

bool parse_endpoint(std::string_view text, std::uint16_t default_port, endpoint& out, std::string& error) {
    constexpr std::string_view encrypted = "tls:";
    // A host of that name has no second colon.
    const bool tls = text.starts_with(encrypted) && text.find(':', encrypted.size()) != text.npos;
    if (tls) text.remove_prefix(encrypted.size());
    std::string_view host = text;
    std::string_view port_text;
    bool has_port = false;
    address numeric;

    if (text.empty()) {
        error = "an address is empty; write host:port";
        return false;
    }
    if (text.starts_with(local_prefix)) {
        return parse_local(text, tls, out, error);
    }
    if (text.front() == '[') {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) {
            error = quoted(text) + " opens a bracket and does not close it; write [address]:port";
            return false;
        }
        host = text.substr(1, close - 1);
        const std::string_view rest = text.substr(close + 1);
        if (!rest.empty() && rest.front() != ':') {
            error = quoted(text) + " goes on after the bracket without ':'; write [address]:port";
            return false;
        }
        has_port = !rest.empty();
        port_text = has_port ? rest.substr(1) : rest;
        if (!address::parse_numeric(host, 0, numeric) || numeric.family() != address_family::ipv6) {
            error = quoted(host) + " in " + quoted(text) + " is not an IPv6 address; brackets are for those only";
            return false;
        }
    } else if (const std::size_t colon = text.find(':'); colon != std::string_view::npos) {
        if (text.find(':', colon + 1) != std::string_view::npos) {
            if (!address::parse_numeric(text, 0, numeric)) {
                error = quoted(text) + " has more than one ':' and is not an IPv6 address; write host:port";
                return false;
            }
            if (default_port == 0) {
                error = quoted(text) + " is an IPv6 address without a port; write [" + std::string{text} + "]:port";
                return false;
            }
        } else {
            host = text.substr(0, colon);
            port_text = text.substr(colon + 1);
            has_port = true;
        }
    }

    if (host.empty()) {
        error = quoted(text) + " has no host before ':'";
        return false;
    }
    if (!numeric && !std::all_of(host.begin(), host.end(), is_host_character)) {
        error = quoted(host) + " is not a host name; letters, digits, '-', '_' and '.' are allowed";
        return false;
    }
    std::uint16_t port = default_port;
    if (has_port && !parse_port(port_text, port)) {
        error = quoted(port_text) + " in " + quoted(text) + " is not a port; ports are 0 to 65535";
        return false;
    }
    if (!has_port && default_port == 0) {
        error = quoted(text) + " has no port; write " + std::string{text} + ":port";
        return false;
    }
    out.host.assign(host);
    out.port = port;
    out.tls = tls;
    return true;
}

std::string format_endpoint(const endpoint& where) {
    if (where.local) {
        return std::string{local_prefix} + where.host;
    }
    const bool brackets = where.host.find(':') != std::string::npos;
    std::string s;
    s.reserve(where.host.size() + 12);
    if (where.tls) {
        s += "tls:";
    }
    if (brackets) {
        s += '[';
    }
    s += where.host;
    if (brackets) {
        s += ']';
    }
    s += ':';
    s += std::to_string(where.port);
    return s;
}

}  // namespace colloquy::transport
