// What the error numbers of Winsock and of Windows mean. Overlapped operations are known to end with numbers of either.
#include "transport/system_error.hpp"

#include <winsock2.h>

namespace colloquy::transport {

error_kind kind_of_system_error(int error) noexcept {
    switch (error) {
        case WSAECONNREFUSED:
        case ERROR_CONNECTION_REFUSED: return error_kind::refused;
        case WSAENETUNREACH:
        case WSAEHOSTUNREACH:
        case WSAENETDOWN:
        case WSAEHOSTDOWN:
        case WSAEADDRNOTAVAIL:
        case WSAEAFNOSUPPORT:
        case ERROR_NETWORK_UNREACHABLE:
        case ERROR_HOST_UNREACHABLE: return error_kind::unreachable;
        case WSAECONNRESET:
        case WSAECONNABORTED:
        case WSAENOTCONN:
        case WSAENETRESET:
        case WSAESHUTDOWN:
        case WSAEDISCON:
        case ERROR_NETNAME_DELETED:
        case ERROR_CONNECTION_ABORTED:
        case ERROR_OPERATION_ABORTED: return error_kind::reset;
        case WSAETIMEDOUT:
        case ERROR_SEM_TIMEOUT: return error_kind::timed_out;
        case WSAEMFILE:
        case WSAENOBUFS:
        case WSAEWOULDBLOCK:
        case ERROR_NOT_ENOUGH_MEMORY:
        case ERROR_OUTOFMEMORY:
        case ERROR_NO_SYSTEM_RESOURCES:
        case ERROR_TOO_MANY_OPEN_FILES: return error_kind::exhausted;
        case WSAENOTSOCK:
        case WSAEBADF:
        case WSAEINVAL:
        case WSAEFAULT:
        case ERROR_INVALID_HANDLE:
        case ERROR_INVALID_PARAMETER: return error_kind::misuse;
        default: return error_kind::other;
    }
}

std::string system_error_text(int error) {
    wchar_t wide[512];
    constexpr DWORD how = FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK;
    const DWORD length = ::FormatMessageW(how, nullptr, static_cast<DWORD>(error), 0, wide,
                                          static_cast<DWORD>(sizeof wide / sizeof wide[0]), nullptr);
    char text[1024];
    const int bytes = length == 0 ? 0
                                  : ::WideCharToMultiByte(CP_UTF8, 0, wide, static_cast<int>(length), text,
                                                          static_cast<int>(sizeof text), nullptr, nullptr);
    std::string said{text, static_cast<std::size_t>(bytes)};
    while (!said.empty() && (said.back() == ' ' || said.back() == '.' || said.back() == '\r' || said.back() == '\n')) {
        said.pop_back();
    }
    return said.empty() ? "error " + std::to_string(error) : said;
}

int error_of_cut() noexcept { return WSAECONNRESET; }

}  // namespace colloquy::transport
