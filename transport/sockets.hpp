// sockets: where this system keeps its socket addresses and their text forms. For .cpp files only: it is the one header
// of ours that brings in a system's.
#pragma once

#ifdef _WIN32
#include <winsock2.h>
// After winsock2.h, which they need.
#include <afunix.h>
#include <iphlpapi.h>
#include <ws2tcpip.h>
#else
#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#endif

namespace colloquy::transport {

#ifdef _WIN32
using system_family = ADDRESS_FAMILY;
using system_port = USHORT;
inline constexpr bool local_sockets = false;
inline constexpr unsigned scope_name_bytes = IF_MAX_STRING_SIZE + 1;
#else
using system_family = sa_family_t;
using system_port = in_port_t;
inline constexpr bool local_sockets = true;
inline constexpr unsigned scope_name_bytes = IF_NAMESIZE;
#endif
static_assert(sizeof(sockaddr_un) <= 120);

}  // namespace colloquy::transport
