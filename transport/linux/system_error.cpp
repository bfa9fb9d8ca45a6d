// What errno means.
#include "transport/system_error.hpp"

#include <cerrno>
#include <system_error>

namespace colloquy::transport {

error_kind kind_of_system_error(int error) noexcept {
    switch (error) {
        case ECONNREFUSED: return error_kind::refused;
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ENETDOWN:
        case EHOSTDOWN:
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT: return error_kind::unreachable;
        case ECONNRESET:
        case ECONNABORTED:
        case ENOTCONN:
        case EPIPE: return error_kind::reset;
        case ETIMEDOUT: return error_kind::timed_out;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EAGAIN: return error_kind::exhausted;
        case EBADF:
        case EINVAL: return error_kind::misuse;
        default: return error_kind::other;
    }
}

std::string system_error_text(int error) { return std::system_category().message(error); }

int error_of_cut() noexcept { return ECONNRESET; }

}  // namespace colloquy::transport
