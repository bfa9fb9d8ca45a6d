// address: where a stream goes to, and the text forms people write.
//
// An `address` is numeric (IPv4 or IPv6 with a port) or names a socket of this machine; an `endpoint` is what a
// configuration says, a host that may need resolving. No system header: the socket address is kept as opaque bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace colloquy::transport {

enum class address_family : std::uint8_t { none, ipv4, ipv6, local };

class address {
public:
    address() noexcept = default;

    // Copies a system socket address; an unknown family or a bad length gives an empty address.
    [[nodiscard]] static address from_system(const void* socket_address, std::size_t size) noexcept;
    // Parses a numeric host ("127.0.0.1", "::1", "fe80::1%eth0"); false when it is none.
    [[nodiscard]] static bool parse_numeric(std::string_view host, std::uint16_t port, address& out) noexcept;
    // Of a local socket: the path of its file, or '@' and an abstract name. False where the system has no such sockets,
    // and when the name is too long.
    [[nodiscard]] static bool local(std::string_view name, address& out) noexcept;
    [[nodiscard]] static address loopback_ipv4(std::uint16_t port) noexcept;
    [[nodiscard]] static address loopback_ipv6(std::uint16_t port) noexcept;

    [[nodiscard]] address_family family() const noexcept;
    [[nodiscard]] std::uint16_t port() const noexcept;
    void set_port(std::uint16_t port) noexcept;
    // What is sent there does not leave this machine: a local socket, 127.0.0.0/8, ::1.
    [[nodiscard]] bool is_loopback() const noexcept;
    // "127.0.0.1:7000", "[::1]:7000", "unix:/run/name", "unix:@name"; "none" when empty.
    [[nodiscard]] std::string to_string() const;
    // Whose it is, as far as one can tell: the host of IPv4, the /64 of IPv6; without the port.
    [[nodiscard]] std::string network() const;

    // The system socket address (sockaddr).
    [[nodiscard]] const void* data() const noexcept { return storage_; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] explicit operator bool() const noexcept { return size_ != 0; }

    // The local socket that stands beside this address for callers of this machine; empty when it has none: only
    // 127.0.0.1, ::1 and the addresses for all of a machine have.
    [[nodiscard]] address nearby() const noexcept;

    // Same family, host, scope and port.
    friend bool operator==(const address& a, const address& b) noexcept;

private:
    // Room for sockaddr_un too, so that Unix-domain links do not change the type.
    alignas(8) unsigned char storage_[120] = {};
    std::uint32_t size_ = 0;
};

// A host, by name or numeric, and a port; or a local socket by its name (`host`), which has no port.
struct endpoint {
    std::string host;
    std::uint16_t port = 0;
    bool tls = false;
    bool local = false;
};

// The names of local sockets that a system takes: the path of a file, or '@' and a name.
inline constexpr std::size_t local_name_max = 107;
inline constexpr std::string_view local_prefix = "unix:";

// Parses "host:port", "[v6]:port", "host", "[v6]" or a bare v6 address; with "tls:" in front of those that have a port
// the connection is encrypted. "unix:/path" and "unix:@name" are local sockets. `default_port` 0 means that the text
// must say the port. On failure `out` is unchanged and `error` says in one sentence what is wrong with `text`.
[[nodiscard]] bool parse_endpoint(std::string_view text, std::uint16_t default_port, endpoint& out, std::string& error);

// The text that parses back to `where`; a v6 host gets its brackets.
[[nodiscard]] std::string format_endpoint(const endpoint& where);

}  // namespace colloquy::transport
