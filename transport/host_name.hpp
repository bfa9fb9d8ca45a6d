// host_name: names about which no name server needs to be asked.
#pragma once

#include <algorithm>
#include <string_view>

namespace colloquy::transport {

[[nodiscard]] inline bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) {
        const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
        return lower(x) == lower(y);
    });
}

// RFC 6761: names under "invalid" never exist, and asking a name server for them only leaks and waits.
[[nodiscard]] inline bool is_never_valid(std::string_view host) noexcept {
    if (!host.empty() && host.back() == '.') {
        host.remove_suffix(1);
    }
    constexpr std::string_view top = "invalid";
    if (host.size() < top.size() || !equal_ignoring_case(host.substr(host.size() - top.size()), top)) {
        return false;
    }
    return host.size() == top.size() || host[host.size() - top.size() - 1] == '.';
}

}  // namespace colloquy::transport
