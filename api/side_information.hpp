// side_information: what symbolic destination names stand for.
//
// A table of the process, filled by the configuration and by Set_CPIC_Side_Information. The calls of the C interface
// map to set, extract and erase one to one; Initialize_Conversation uses find. Administrative, so a mutex guards it:
// readers share it, and no reader allocates.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <shared_mutex>
#include <span>
#include <string_view>
#include <vector>

#include "api/cpic.h"
#include "runtime/wire/small_text.hpp"

namespace colloquy::api {

struct side_entry {
    wire::small_text<CM_SDN_SIZE> name;
    wire::small_text<CM_PLN_SIZE> partner_lu;  // empty: the program must set it
    wire::small_text<CM_TPN_SIZE> tp_name;     // empty: the program must set it
    wire::small_text<CM_MN_SIZE> mode;         // empty: no mode name
    XC_TP_NAME_TYPE tp_name_type = XC_APPLICATION_TP;
    XC_CONVERSATION_SECURITY_TYPE security = XC_SECURITY_SAME;
    // The configuration may give 10 characters; a SIDE_INFO holds 8.
    wire::small_text<CM_UID_SIZE> user;
    wire::small_text<CM_PW_SIZE> password;
};

// The 8 bytes a program means by a symbolic destination name: up to a NUL, padded with blanks, case kept.
[[nodiscard]] std::array<char, CM_SDN_SIZE> padded_destination(const void* sym_dest_name) noexcept;

class side_information {
public:
    static constexpr std::size_t entries_max_default = 1'024;

    explicit side_information(std::size_t entries_max = entries_max_default);

    // Any thread may call any of these; none waits for more than another of these.

    // Replaces the whole table. CM_OK, or CM_PRODUCT_SPECIFIC_ERROR and no change when there are too many entries.
    CM_RETURN_CODE assign(std::span<const side_entry> entries);

    // Set_, Extract_ and Delete_CPIC_Side_Information, as cpic.h describes them.
    CM_RETURN_CODE set(const SIDE_INFO* entry, const CM_INT32* entry_length);
    CM_RETURN_CODE extract(const CM_INT32* entry_number, const void* sym_dest_name, SIDE_INFO* entry,
                           const CM_INT32* entry_length) const;
    CM_RETURN_CODE erase(const void* sym_dest_name);

    // Copies the entry of that name, its password included. False when there is none; a blank name has none.
    [[nodiscard]] bool find(const void* sym_dest_name, side_entry& out) const;

    [[nodiscard]] std::size_t size() const;
    [[nodiscard]] std::size_t entries_max() const noexcept { return entries_max_; }

private:
    static constexpr std::size_t absent = static_cast<std::size_t>(-1);

    [[nodiscard]] std::size_t index_of(std::uint64_t key) const noexcept;

    const std::size_t entries_max_;
    mutable std::shared_mutex guard_;
    // Twins of one length, in the order of entering: the names as integers to search through, and what they stand for.
    std::vector<std::uint64_t> keys_;
    std::vector<side_entry> entries_;
};

}  // namespace colloquy::api
