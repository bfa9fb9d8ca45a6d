// append_file: a file that one process at a time has open to write at its end, and that can say when what was written
// survives the machine. Trouble is thrown as ledger_error.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

namespace colloquy::tool {

class append_file {
public:
    // Opens it, and creates it when there is none. A predecessor may be just ending: that long it is waited for.
    explicit append_file(const std::filesystem::path& file,
                         std::chrono::milliseconds patience = std::chrono::seconds{5});
    ~append_file();
    append_file(const append_file&) = delete;
    append_file& operator=(const append_file&) = delete;

    // All of it, or throws; then any part may have been written.
    void append(std::span<const unsigned char> bytes);
    // Returns when everything appended is on the disk.
    void sync();
    // Cuts off what is behind the first `size` bytes.
    void truncate(std::uint64_t size);

private:
    [[noreturn]] void fail(const char* doing) const;

    std::filesystem::path file_;
    std::intptr_t handle_ = -1;
};

}  // namespace colloquy::tool
