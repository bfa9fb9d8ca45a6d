// toml_reader: see the header.
#include "api/toml_reader.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <system_error>
#include <utility>

namespace colloquy::api {

namespace {

constexpr std::size_t file_size_max = std::size_t{1} << 20;
constexpr std::size_t errors_max = 50;

// How many single-character edits lead from one word to the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

// What the parser says may quote the file, so its word is not passed on for a line that could hold a password.
std::string syntax_trouble(const toml::parse_error& error, std::string_view text) {
    std::size_t begin = 0;
    for (toml::source_index line = 1; line < error.source().begin.line && begin < text.size(); ++line) {
        begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
    }
    const std::string_view line = text.substr(begin, text.find('\n', begin) - begin);
    if (line.find("pass") != std::string_view::npos) {
        return "this is not TOML; write password = \"...\", the value in quotes and on one line";
    }
    return std::string{error.description()} + "; write keys as key = value, texts in quotes";
}

}  // namespace

std::string in_quotes(std::string_view text) {
    constexpr std::size_t shown_max = 40;
    std::string out = "'";
    for (const char c : text.substr(0, shown_max)) {
        out += c >= ' ' && c <= '~' ? c : '?';
    }
    return out + (text.size() > shown_max ? "...'" : "'");
}

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table: return "a table";
        case toml::node_type::array: return "an array";
        case toml::node_type::string: return "a string";
        case toml::node_type::integer: return "a whole number";
        case toml::node_type::floating_point: return "a number with a fraction";
        case toml::node_type::boolean: return "true or false";
        default: return "a date or a time";
    }
}

std::optional<std::string> read_toml_file(const std::string& path, std::string& error) {
    const auto failed = [&](const std::string& what) {
        error = path + ":1:1: " + what;
        return std::nullopt;
    };
    std::error_code trouble;
    const auto status = std::filesystem::status(path, trouble);
    if (std::filesystem::is_directory(status)) {
        return failed("this is a directory; name the file in it");
    }
    std::ifstream in{path, std::ios::binary};
    if (!in) {
        return failed("cannot be read (" + std::generic_category().message(errno) +
                      "); check the path and the permissions");
    }
    std::string text(file_size_max + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad()) {
        return failed("cannot be read to its end; check the disk");
    }
    if (text.size() > file_size_max) {
        return failed("larger than 1 MiB; this is hardly a configuration");
    }
    return text;
}

std::optional<toml::table> toml_reader::parse(std::string_view text) {
    try {
        return toml::parse(text);  // without the name of the file, which it copies where nothing may fail
    } catch (const toml::parse_error& error) {
        fail(error.source(), syntax_trouble(error, text));
        return std::nullopt;
    }
}

void toml_reader::fail(const toml::source_region& at, std::string_view what) {
    std::string text{what};
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
    errors_.push_back({at.begin.line, at.begin.column, std::move(text)});
}

std::vector<std::string> toml_reader::take_errors() {
    std::stable_sort(errors_.begin(), errors_.end(), [](const located& a, const located& b) {
        return a.line != b.line ? a.line < b.line : a.column < b.column;
    });
    std::vector<std::string> lines;
    for (const located& error : errors_) {
        if (lines.size() == errors_max) {
            lines.push_back(file_ + ": " + std::to_string(errors_.size() - errors_max) + " more errors");
            break;
        }
        lines.push_back(file_ + ":" + std::to_string(error.line) + ":" + std::to_string(error.column) + ": " +
                        error.text);
    }
    return lines;
}

// ---- tables ----

void toml_reader::read_table(const toml::table& table, std::string_view where, const std::vector<field>& fields) {
    const auto suggestion = [&](std::string_view name) {
        const auto distance = [&](const field& f) { return edit_distance(name, f.key); };
        const auto nearest = std::min_element(
            fields.begin(), fields.end(), [&](const field& a, const field& b) { return distance(a) < distance(b); });
        if (distance(*nearest) <= std::max<std::size_t>(1, nearest->key.size() / 3)) {
            return "did you mean " + in_quotes(nearest->key) + "?";
        }
        std::string all = "known are";
        for (const field& f : fields) {
            all += (&f == &fields.front() ? " " : ", ") + std::string{f.key};
        }
        return all;
    };
    for (const auto& [key, node] : table) {
        const std::string_view name = key.str();
        const auto known = std::find_if(fields.begin(), fields.end(), [&](const field& f) { return f.key == name; });
        if (known == fields.end()) {
            fail(key.source(),
                 "unknown key " + in_quotes(name) + " in " + std::string{where} + "; " + suggestion(name));
        } else {
            known->read(node);
        }
    }
}

const toml::table* toml_reader::table(const toml::node& node, std::string_view name) {
    if (!node.is_table()) {
        fail(node,
             std::string{name} + " is " + std::string{kind_of(node)} + "; write a table, [" + std::string{name} + "]");
    }
    return node.as_table();
}

void toml_reader::each_table(const toml::node& node, std::string_view name,
                             const std::function<void(const toml::table&)>& read_one) {
    const toml::array* all = node.as_array();
    if (all == nullptr) {
        fail(node, std::string{name} + " is " + std::string{kind_of(node)} + "; write one [[" + std::string{name} +
                       "]] for each");
        return;
    }
    for (const toml::node& one : *all) {
        if (one.is_table()) {
            read_one(*one.as_table());
        } else {
            fail(one, std::string{name} + " has an element that is " + std::string{kind_of(one)} + "; write one [[" +
                          std::string{name} + "]] for each");
        }
    }
}

bool toml_reader::require(const toml::table& table, std::string_view where, std::string_view key) {
    if (table.contains(key)) {
        return true;
    }
    fail(table, std::string{where} + " has no " + std::string{key} + "; add one");
    return false;
}

void toml_reader::one_or_more(const toml::node& node, std::string_view key, std::string_view noun,
                              const std::function<void(const toml::node&)>& read_one) {
    const toml::array* all = node.as_array();
    if (all == nullptr) {
        read_one(node);
        return;
    }
    if (all->empty()) {
        fail(node, std::string{key} + " is empty; write at least one " + std::string{noun} + ", or leave it out");
    }
    for (const toml::node& one : *all) {
        read_one(one);
    }
}

// ---- values ----

std::optional<std::uint64_t> toml_reader::integer_within(const toml::node& node, std::string_view key,
                                                         std::uint64_t low, std::uint64_t high) {
    const auto* value = node.as_integer();
    const bool fits = value != nullptr && value->get() >= 0 && static_cast<std::uint64_t>(value->get()) >= low &&
                      static_cast<std::uint64_t>(value->get()) <= high;
    if (fits) {
        return static_cast<std::uint64_t>(value->get());
    }
    const std::string what = value == nullptr ? std::string{kind_of(node)} : std::to_string(value->get());
    fail(node, std::string{key} + " is " + what + "; write a whole number from " + std::to_string(low) + " to " +
                   std::to_string(high));
    return std::nullopt;
}

void toml_reader::boolean(const toml::node& node, std::string_view key, bool& out) {
    if (const auto* value = node.as_boolean()) {
        out = value->get();
    } else {
        fail(node, std::string{key} + " is " + std::string{kind_of(node)} + "; write true or false");
    }
}

std::optional<std::string_view> toml_reader::string(const toml::node& node, std::string_view key) {
    const auto* value = node.as_string();
    if (value == nullptr) {
        fail(node, std::string{key} + " is " + std::string{kind_of(node)} + "; write a string in quotes");
        return std::nullopt;
    }
    return std::string_view{value->get()};
}

}  // namespace colloquy::api
