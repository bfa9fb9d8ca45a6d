// small_text: a name of bounded length stored in place. Its bytes stay uninitialised until a value is assigned, so that
// a struct of many names costs one length byte each to construct.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace colloquy::wire {

template <std::size_t N>
class small_text {
    static_assert(N >= 1 && N <= 255);

public:
    // Not constexpr on purpose: the bytes must stay uninitialised.
    small_text() noexcept : size_{0} {}

    static constexpr std::size_t capacity() noexcept { return N; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    void clear() noexcept { size_ = 0; }

    // False, and nothing changed, when the text is longer than N.
    bool assign(std::string_view text) noexcept {
        if (text.size() > N) return false;
        if (!text.empty()) std::memcpy(bytes_, text.data(), text.size());
        size_ = static_cast<std::uint8_t>(text.size());
        return true;
    }
    bool assign(const std::byte* bytes, std::size_t size) noexcept {
        if (size > N) return false;
        if (size != 0) std::memcpy(bytes_, bytes, size);
        size_ = static_cast<std::uint8_t>(size);
        return true;
    }

    // Room for a writer that fills in place; follow with set_size.
    [[nodiscard]] std::byte* data() noexcept { return bytes_; }
    [[nodiscard]] const std::byte* data() const noexcept { return bytes_; }
    // Sizes above N are cut to N.
    void set_size(std::size_t size) noexcept { size_ = static_cast<std::uint8_t>(size < N ? size : N); }

    [[nodiscard]] std::string_view view() const noexcept { return {reinterpret_cast<const char*>(bytes_), size_}; }

    friend bool operator==(const small_text& a, const small_text& b) noexcept { return a.view() == b.view(); }
    friend bool operator==(const small_text& a, std::string_view b) noexcept { return a.view() == b; }

private:
    std::uint8_t size_;
    std::byte bytes_[N];
};

}  // namespace colloquy::wire
