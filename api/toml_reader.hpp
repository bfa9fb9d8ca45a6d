// toml_reader: what every reader of our TOML files shares.
//
// Each table of a file is a list of fields, a key and what to do with its value; a key that is in no list is an error
// that suggests the nearest one. Reading goes on after an error, so that one run tells all of them, each with file,
// line, column and how to mend it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/names.hpp"
#include "runtime/wire/small_text.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace colloquy::api {

// What a message shows of a text of the file.
[[nodiscard]] std::string in_quotes(std::string_view text);

// "a string", "a whole number", ...
[[nodiscard]] std::string_view kind_of(const toml::node& node);

// The contents of a file; nothing, with one line in `error`, when it is no readable file or hardly a configuration.
[[nodiscard]] std::optional<std::string> read_toml_file(const std::string& path, std::string& error);

class toml_reader {
public:
    explicit toml_reader(std::string_view file) : file_{file} {}

    // The file's root; nothing, and the error noted, when `text` is not TOML. Nodes remember where they stood.
    [[nodiscard]] std::optional<toml::table> parse(std::string_view text);

    // In the order of the file.
    [[nodiscard]] std::vector<std::string> take_errors();

protected:
    struct field {
        std::string_view key;
        std::function<void(const toml::node&)> read;
    };

    void fail(const toml::source_region& at, std::string_view what);
    void fail(const toml::node& at, std::string_view what) { fail(at.source(), what); }
    [[nodiscard]] std::size_t error_count() const noexcept { return errors_.size(); }

    // ---- tables ----

    void read_table(const toml::table& table, std::string_view where, const std::vector<field>& fields);
    // Null, and an error, when it is none.
    const toml::table* table(const toml::node& node, std::string_view name);
    void each_table(const toml::node& node, std::string_view name,
                    const std::function<void(const toml::table&)>& read_one);
    bool require(const toml::table& table, std::string_view where, std::string_view key);
    // One value, or an array of them that is not empty.
    void one_or_more(const toml::node& node, std::string_view key, std::string_view noun,
                     const std::function<void(const toml::node&)>& read_one);

    // ---- values; each leaves `out` alone and says so when the value is not what it must be ----

    template <class Integer>
    void integer(const toml::node& node, std::string_view key, std::uint64_t low, std::uint64_t high, Integer& out) {
        static_assert(std::numeric_limits<Integer>::digits >= 32);
        if (const auto value = integer_within(node, key, low, high)) {
            out = static_cast<Integer>(*value);
        }
    }

    void boolean(const toml::node& node, std::string_view key, bool& out);
    [[nodiscard]] std::optional<std::string_view> string(const toml::node& node, std::string_view key);

    template <std::size_t N>
    void word(const toml::node& node, std::string_view key, wire::small_text<N>& out) {
        const auto text = string(node, key);
        if (text && !(is_word(*text, N) && out.assign(*text))) {
            fail(node, std::string{key} + " " + in_quotes(*text) + " will not do; write 1 to " + std::to_string(N) +
                           " characters without blanks");
        }
    }

private:
    struct located {
        toml::source_index line;
        toml::source_index column;
        std::string text;
    };

    [[nodiscard]] std::optional<std::uint64_t> integer_within(const toml::node& node, std::string_view key,
                                                              std::uint64_t low, std::uint64_t high);

    std::string file_;
    std::vector<located> errors_;
};

}  // namespace colloquy::api
