// What the error numbers of a reactor mean, for programs (kind_of) and for people (error_text).
#include "transport/reactor.hpp"
#include "transport/system_error.hpp"
#include "transport/tls.hpp"

namespace colloquy::transport {

error_kind kind_of(int error) noexcept {
    switch (error) {
        case 0: return error_kind::none;
        case io_error_timed_out: return error_kind::timed_out;
        case io_error_table_full: return error_kind::exhausted;
        case io_error_name_unknown: return error_kind::unknown_name;
        case io_error_name_unavailable: return error_kind::name_service;
        case io_error_stale:
        case io_error_bad_argument: return error_kind::misuse;
        default: return kind_of_system_error(error);
    }
}

std::string error_text(int error) {
    if (error >= tls_error_first && error <= tls_error_last) return tls_error_text(error);
    switch (error) {
        case io_error_stale: return "the connection has been closed here";
        case io_error_table_full: return "all slots of the table of connections are taken";
        case io_error_name_unknown: return "the host name is not known";
        case io_error_name_unavailable: return "no name server answered";
        case io_error_bad_argument: return "the operation does not fit the state of the connection";
        case io_error_timed_out: return "nothing answered within the time limit";
        default: return system_error_text(error);
    }
}

}  // namespace colloquy::transport
