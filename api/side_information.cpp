// side_information: the table behind Initialize_Conversation and the side information calls. See the header.
#include "api/side_information.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <mutex>

#include "api/names.hpp"

namespace colloquy::api {

namespace {

constexpr CM_INT32 entry_size = sizeof(SIDE_INFO);

std::uint64_t key_of(const std::array<char, CM_SDN_SIZE>& name) noexcept { return std::bit_cast<std::uint64_t>(name); }

std::uint64_t key_of(std::string_view name) noexcept {
    std::array<char, CM_SDN_SIZE> padded;
    padded.fill(' ');
    std::copy_n(name.begin(), std::min(name.size(), padded.size()), padded.begin());
    return key_of(padded);
}

// The text of a padded field. A NUL ends it too: many programs clear the entry and copy strings into it.
template <std::size_t N>
std::string_view field_text(const unsigned char (&field)[N]) noexcept {
    const std::string_view whole{reinterpret_cast<const char*>(field), N};
    const std::string_view text = whole.substr(0, whole.find('\0'));
    return text.substr(0, text.find_last_not_of(' ') + 1);
}

template <std::size_t N>
void fill_field(unsigned char (&field)[N], std::string_view text) noexcept {
    std::memset(field, ' ', N);
    if (!text.empty()) {
        std::memcpy(field, text.data(), std::min(text.size(), N));
    }
}

// Empty fields are left to the program; anything else must be a word that fits.
template <std::size_t N>
bool assign_word(wire::small_text<N>& out, std::string_view text) noexcept {
    return (text.empty() || is_word(text, N)) && out.assign(text);
}

// A service TP: one byte below 0x40, taken as it is, and up to three characters. Only side information can name one.
bool assign_service_tp(wire::small_text<CM_TPN_SIZE>& out, const unsigned char (&field)[CM_TPN_SIZE]) noexcept {
    if (field[0] > 0x3F) {
        return false;
    }
    const std::string_view whole{reinterpret_cast<const char*>(field), CM_TPN_SIZE};
    const std::string_view tail = whole.substr(1, whole.find('\0', 1) - 1);
    const std::string_view characters = tail.substr(0, tail.find_last_not_of(' ') + 1);
    return (characters.empty() || is_word(characters, 3)) && out.assign(whole.substr(0, 1 + characters.size()));
}

bool read_entry(const SIDE_INFO& in, side_entry& out) noexcept {
    const std::string_view partner = field_text(in.partner_LU_name);
    if (in.TP_name_type != XC_APPLICATION_TP && in.TP_name_type != XC_SNA_SERVICE_TP) {
        return false;
    }
    if (in.conversation_security_type < XC_SECURITY_NONE || in.conversation_security_type > XC_SECURITY_PROGRAM) {
        return false;
    }
    out.tp_name_type = in.TP_name_type;
    out.security = in.conversation_security_type;
    const bool tp_named = in.TP_name_type == XC_SNA_SERVICE_TP ? assign_service_tp(out.tp_name, in.TP_name)
                                                               : assign_word(out.tp_name, field_text(in.TP_name));
    const std::string_view name = field_text(in.sym_dest_name);
    return tp_named && is_word(name, CM_SDN_SIZE) && out.name.assign(name) &&
           (partner.empty() || is_partner_name(partner)) && out.partner_lu.assign(partner) &&
           assign_word(out.mode, field_text(in.mode_name)) && assign_word(out.user, field_text(in.security_user_ID)) &&
           assign_word(out.password, field_text(in.security_password));
}

void write_entry(const side_entry& in, SIDE_INFO& out) noexcept {
    fill_field(out.sym_dest_name, in.name.view());
    fill_field(out.partner_LU_name, in.partner_lu.view());
    fill_field(out.reserved, {});
    out.TP_name_type = in.tp_name_type;
    fill_field(out.TP_name, in.tp_name.view());
    fill_field(out.mode_name, in.mode.view());
    out.conversation_security_type = in.security;
    fill_field(out.security_user_ID, in.user.view());
    fill_field(out.security_password, {});
}

}  // namespace

std::array<char, CM_SDN_SIZE> padded_destination(const void* sym_dest_name) noexcept {
    std::array<char, CM_SDN_SIZE> name;
    name.fill(' ');
    const auto* bytes = static_cast<const char*>(sym_dest_name);
    // Byte by byte: what follows a NUL need not be readable.
    for (std::size_t i = 0; bytes != nullptr && i < name.size() && bytes[i] != '\0'; ++i) {
        name[i] = bytes[i];
    }
    return name;
}

side_information::side_information(std::size_t entries_max) : entries_max_{entries_max} {}

std::size_t side_information::index_of(std::uint64_t key) const noexcept {
    const auto found = std::find(keys_.begin(), keys_.end(), key);
    return found == keys_.end() ? absent : static_cast<std::size_t>(found - keys_.begin());
}

CM_RETURN_CODE side_information::assign(std::span<const side_entry> entries) {
    if (entries.size() > entries_max_) {
        return CM_PRODUCT_SPECIFIC_ERROR;
    }
    std::vector<std::uint64_t> keys;
    keys.reserve(entries.size());
    std::transform(entries.begin(), entries.end(), std::back_inserter(keys),
                   [](const side_entry& entry) { return key_of(entry.name.view()); });
    std::vector<side_entry> copies{entries.begin(), entries.end()};
    const std::unique_lock lock{guard_};
    keys_.swap(keys);
    entries_.swap(copies);
    return CM_OK;
}

CM_RETURN_CODE side_information::set(const SIDE_INFO* entry, const CM_INT32* entry_length) {
    side_entry read;
    if (entry == nullptr || entry_length == nullptr || *entry_length != entry_size || !read_entry(*entry, read)) {
        return CM_PROGRAM_PARAMETER_CHECK;
    }
    const std::uint64_t key = key_of(read.name.view());
    const std::unique_lock lock{guard_};
    if (const std::size_t index = index_of(key); index != absent) {
        entries_[index] = read;
        return CM_OK;
    }
    if (entries_.size() >= entries_max_) {
        return CM_PRODUCT_SPECIFIC_ERROR;
    }
    // Room first, so that a failing allocation leaves the twins equally long.
    keys_.reserve(keys_.size() + 1);
    entries_.push_back(read);
    keys_.push_back(key);
    return CM_OK;
}

CM_RETURN_CODE side_information::extract(const CM_INT32* entry_number, const void* sym_dest_name, SIDE_INFO* entry,
                                         const CM_INT32* entry_length) const {
    if (entry_number == nullptr || entry == nullptr || entry_length == nullptr || *entry_length != entry_size ||
        *entry_number < 0 || (*entry_number == 0 && sym_dest_name == nullptr)) {
        return CM_PROGRAM_PARAMETER_CHECK;
    }
    const std::shared_lock lock{guard_};
    const std::size_t index = *entry_number == 0 ? index_of(key_of(padded_destination(sym_dest_name)))
                                                 : static_cast<std::size_t>(*entry_number) - 1;
    if (index >= entries_.size()) {
        return CM_PROGRAM_PARAMETER_CHECK;
    }
    write_entry(entries_[index], *entry);
    return CM_OK;
}

CM_RETURN_CODE side_information::erase(const void* sym_dest_name) {
    if (sym_dest_name == nullptr) {
        return CM_PROGRAM_PARAMETER_CHECK;
    }
    const std::uint64_t key = key_of(padded_destination(sym_dest_name));
    const std::unique_lock lock{guard_};
    const std::size_t index = index_of(key);
    if (index == absent) {
        return CM_PROGRAM_PARAMETER_CHECK;
    }
    keys_.erase(keys_.begin() + static_cast<std::ptrdiff_t>(index));
    entries_.erase(entries_.begin() + static_cast<std::ptrdiff_t>(index));
    return CM_OK;
}

bool side_information::find(const void* sym_dest_name, side_entry& out) const {
    const std::uint64_t key = key_of(padded_destination(sym_dest_name));
    const std::shared_lock lock{guard_};
    const std::size_t index = index_of(key);
    if (index == absent) {
        return false;
    }
    out = entries_[index];
    return true;
}

std::size_t side_information::size() const {
    const std::shared_lock lock{guard_};
    return entries_.size();
}

}  // namespace colloquy::api
