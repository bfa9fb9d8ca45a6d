// What the error numbers of a reactor mean, for programs (kind_of) and for people (error_text).
#include <cerrno>
#include <system_error>

#include "transport/reactor.hpp"

namespace colloquy::transport {

error_kind kind_of(int error) noexcept {
    switch (error) {
        case 0: return error_kind::none;
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
        case ETIMEDOUT:
        case io_error_timed_out: return error_kind::timed_out;
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EAGAIN:
        case io_error_table_full: return error_kind::exhausted;
        case io_error_name_unknown: return error_kind::unknown_name;
        case io_error_name_unavailable: return error_kind::name_service;
        case EBADF:
        case EINVAL:
        case io_error_stale:
        case io_error_bad_argument: return error_kind::misuse;
        default: return error_kind::other;
    }
}

std::string error_text(int error) {
    switch (error) {
        case io_error_stale: return "the connection has been closed here";
        case io_error_table_full: return "all slots of the table of connections are taken";
        case io_error_name_unknown: return "the host name is not known";
        case io_error_name_unavailable: return "no name server answered";
        case io_error_bad_argument: return "the operation does not fit the state of the connection";
        case io_error_timed_out: return "nothing answered within the time limit";
        default: return std::system_category().message(error);
    }
}

}  // namespace colloquy::transport
