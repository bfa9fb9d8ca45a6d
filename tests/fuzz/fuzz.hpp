// fuzz: what every fuzz target shares. A target is LLVMFuzzerTestOneInput; libFuzzer drives it in a build with
// COLLOQUY_FUZZ, replay.cpp in every other: the kept inputs, and seeded mutations of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

// An entry point that C declares; every target defines it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

// Says what does not hold and ends, so that the fuzzer keeps the input.
#define COLLOQUY_MUST(condition)                                                                \
    do {                                                                                        \
        if (!(condition)) {                                                                     \
            std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            std::abort();                                                                       \
        }                                                                                       \
    } while (false)

namespace colloquy::fuzz {

// Takes an input apart from its front. What is missing reads as zero, so that every input means something.
class input {
public:
    explicit input(std::span<const std::byte> bytes) : rest_{bytes} {}
    [[nodiscard]] bool done() const { return rest_.empty(); }
    unsigned byte() {
        if (rest_.empty()) return 0;
        const auto b = std::to_integer<unsigned>(rest_.front());
        rest_ = rest_.subspan(1);
        return b;
    }
    unsigned pair() {
        const unsigned high = byte();
        return high << 8 | byte();
    }
    std::span<const std::byte> take(std::size_t size) {
        const auto part = rest_.first(size < rest_.size() ? size : rest_.size());
        rest_ = rest_.subspan(part.size());
        return part;
    }
    std::span<const std::byte> rest() { return take(rest_.size()); }

private:
    std::span<const std::byte> rest_;
};

inline std::span<const std::byte> bytes_of(const std::uint8_t* data, std::size_t size) {
    return std::as_bytes(std::span{data, size});
}

}  // namespace colloquy::fuzz
