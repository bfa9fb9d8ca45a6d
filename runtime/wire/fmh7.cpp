// fmh7: what senses mean, and the error log record.
#include "runtime/wire/fmh7.hpp"

#include <algorithm>
#include <cstring>

#include "runtime/wire/ebcdic.hpp"
#include "runtime/wire/gds.hpp"

namespace colloquy::wire {

using runtime::return_code;

const char* sense_text(std::uint32_t code) noexcept {
    switch (code) {
#define COLLOQUY_SENSE(name, value, text) \
    case sense::name:                     \
        return text;
#include "runtime/wire/senses.def"
#undef COLLOQUY_SENSE
        default: return "";
    }
}

namespace {

// Security products answer with codes of their own; these families all mean that the user was not let in.
bool is_security_sense(std::uint32_t code) noexcept {
    const auto within = [code](std::uint32_t low, std::uint32_t high) { return code >= low && code <= high; };
    return code == sense::security_not_valid || code == sense::access_denied || within(0x080F8000, 0x080F800B) ||
           within(0x080F8101, 0x080F8104) || within(0x080FFF00, 0x080FFF0E);
}

}  // namespace

return_code return_code_of(std::uint32_t sense_code, bool purging) noexcept {
    switch (sense_code) {
        case sense::program_error:
            return purging ? return_code::program_error_purging : return_code::program_error_no_trunc;
        case sense::program_error_trunc: return return_code::program_error_trunc;
        case sense::svc_error: return purging ? return_code::svc_error_purging : return_code::svc_error_no_trunc;
        case sense::svc_error_trunc: return return_code::svc_error_trunc;
        case sense::deallocate_abend: return return_code::deallocated_abend;
        case sense::deallocate_abend_svc: return return_code::deallocated_abend_svc;
        case sense::deallocate_abend_timer: return return_code::deallocated_abend_timer;
        case sense::tpn_not_recognized: return return_code::tpn_not_recognized;
        case sense::pip_not_allowed:
        case sense::pip_not_specified_correctly: return return_code::pip_not_specified_correctly;
        case sense::conversation_type_mismatch: return return_code::conversation_type_mismatch;
        case sense::sync_level_not_supported: return return_code::sync_lvl_not_supported_pgm;
        case sense::tp_not_available_retry: return return_code::tp_not_available_retry;
        case sense::tp_not_available_no_retry: return return_code::tp_not_available_no_retry;
        case sense::link_failure: return return_code::resource_failure_retry;
        case sense::backout:
        case sense::backout_resync: return return_code::take_backout;
        default: break;
    }
    return is_security_sense(sense_code) ? return_code::security_not_valid : return_code::resource_failure_no_retry;
}

std::uint32_t sense_of(return_code code) noexcept {
    switch (code) {
        case return_code::conversation_type_mismatch: return sense::conversation_type_mismatch;
        case return_code::pip_not_specified_correctly: return sense::pip_not_specified_correctly;
        case return_code::security_not_valid: return sense::security_not_valid;
        case return_code::sync_lvl_not_supported_pgm: return sense::sync_level_not_supported;
        case return_code::tpn_not_recognized: return sense::tpn_not_recognized;
        case return_code::tp_not_available_no_retry: return sense::tp_not_available_no_retry;
        case return_code::tp_not_available_retry: return sense::tp_not_available_retry;
        case return_code::deallocated_abend: return sense::deallocate_abend;
        case return_code::deallocated_abend_svc: return sense::deallocate_abend_svc;
        case return_code::deallocated_abend_timer: return sense::deallocate_abend_timer;
        case return_code::program_error_no_trunc:
        case return_code::program_error_purging: return sense::program_error;
        case return_code::program_error_trunc: return sense::program_error_trunc;
        case return_code::svc_error_no_trunc:
        case return_code::svc_error_purging: return sense::svc_error;
        case return_code::svc_error_trunc: return sense::svc_error_trunc;
        case return_code::take_backout: return sense::backout;
        default: return 0;
    }
}

std::size_t encode_error_log(std::span<std::byte> out, std::span<const std::byte> product_set,
                             std::string_view message) noexcept {
    if (product_set.size() > product_set_size_max || message.size() > log_data_size_max) return 0;
    const std::size_t total = error_log_overhead + product_set.size() + message.size();
    if (out.size() < total) return 0;
    std::byte* p = out.data();
    store_u16(p, static_cast<std::uint16_t>(total));
    store_u16(p + 2, gds_id_error_log);
    store_u16(p + 4, static_cast<std::uint16_t>(2 + product_set.size()));
    p = std::copy(product_set.begin(), product_set.end(), p + 6);
    store_u16(p, static_cast<std::uint16_t>(2 + message.size()));
    to_ebcdic(message, p + 2);
    return total;
}

decoded_error_log decode_error_log(std::span<const std::byte> in) noexcept {
    constexpr decoded_error_log bad{false, 0, {}, {}};
    if (in.size() < error_log_overhead) return bad;
    const parsed_ll ll = parse_ll(load_u16(in.data()));
    // A log record is short; one in segments is not written by anybody.
    if (ll.continued || ll.size < error_log_overhead || ll.size > in.size()) return bad;
    if (load_u16(in.data() + 2) != gds_id_error_log) return bad;
    const auto body = in.subspan(4, ll.size - 4U);
    const std::size_t product = load_u16(body.data());
    if (product < 2 || product > body.size() - 2) return bad;
    const std::size_t message = load_u16(body.data() + product);
    if (message < 2 || message != body.size() - product) return bad;
    return {true, ll.size, body.subspan(2, product - 2), body.subspan(product + 2, message - 2)};
}

decoded_error decode_error(std::span<const std::byte> payload) noexcept {
    const decoded_fmh7 head = decode_fmh7(payload);
    decoded_error error{head.valid, head.report, {false, 0, {}, {}}};
    if (!head.valid) return error;
    std::span<const std::byte> rest = payload.subspan(fmh7_size);
    if (head.report.log_follows) {
        error.log = decode_error_log(rest);
        error.valid = error.log.valid;
        rest = rest.subspan(error.log.size);
    }
    if (!rest.empty()) error.valid = false;
    return error;
}

}  // namespace colloquy::wire
