// log: what the manager and its programs have to say, line by line, into a bounded file or onto standard error.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace colloquy::tool {

// Lines in a file that is put aside as FILE.1 before it grows beyond a bound; with an empty name, on standard error,
// whose reader bounds it. One thread.
class log_file {
public:
    // Null, with one line in `error`, when it cannot be opened.
    [[nodiscard]] static std::unique_ptr<log_file> open(const std::string& path, std::uint64_t bytes_max,
                                                        std::string& error);
    ~log_file();
    log_file(const log_file&) = delete;
    log_file& operator=(const log_file&) = delete;

    // Without its end, which is added; a file gets the time in front. What cannot be written is lost.
    void line(std::string_view text);

private:
    log_file(std::string path, std::uint64_t bytes_max, int descriptor)
        : path_{std::move(path)}, bytes_max_{bytes_max}, descriptor_{descriptor} {}
    void put_aside();

    const std::string path_;
    const std::uint64_t bytes_max_;
    int descriptor_;
    std::uint64_t bytes_ = 0;
};

// Makes lines of what arrives in pieces. A line that does not end is cut, bytes that no terminal should see are
// replaced, and when a program has said all it may the rest is counted and forgotten.
class line_cutter {
public:
    static constexpr std::size_t line_max = 1'024;

    line_cutter(std::uint64_t bytes_max, std::function<void(std::string_view)> tell)
        : left_{bytes_max}, tell_{std::move(tell)} {}

    void add(std::string_view piece);
    // What is left without an end, and how much was forgotten.
    void finish();

private:
    void cut();

    std::uint64_t left_;
    std::uint64_t forgotten_ = 0;
    std::function<void(std::string_view)> tell_;
    std::string line_;
};

}  // namespace colloquy::tool
