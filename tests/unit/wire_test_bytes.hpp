// wire_test_bytes: what the tests of the wire share: exact-size copies, so that a sanitizer sees any overread, and a
// seed.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace colloquy::test {

using byte_vector = std::vector<std::byte>;

class exact_copy {
public:
    explicit exact_copy(std::span<const std::byte> from) : size_{from.size()}, copy_{new std::byte[from.size()]} {
        std::copy(from.begin(), from.end(), copy_.get());
    }
    [[nodiscard]] std::span<const std::byte> span() const { return {copy_.get(), size_}; }

private:
    std::size_t size_;
    std::unique_ptr<std::byte[]> copy_;
};

inline byte_vector bytes_of(std::string_view text) {
    byte_vector out(text.size());
    std::transform(text.begin(), text.end(), out.begin(), [](char c) { return static_cast<std::byte>(c); });
    return out;
}

inline byte_vector hex_bytes(std::string_view hex) {
    byte_vector out;
    std::string digits;
    for (const char c : hex) {
        if (c == ' ') continue;
        digits += c;
        if (digits.size() < 2) continue;
        out.push_back(static_cast<std::byte>(std::strtoul(digits.c_str(), nullptr, 16)));
        digits.clear();
    }
    return out;
}

// COLLOQUY_SEED reproduces a failure; without it runs are all alike.
inline std::uint64_t test_seed() {
    const char* text = std::getenv("COLLOQUY_SEED");
    return text == nullptr ? 20240607U : std::strtoull(text, nullptr, 0);
}

}  // namespace colloquy::test
