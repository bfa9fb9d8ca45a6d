// vector_file: reads golden vectors. A file is blocks separated by blank lines; a block is lines of "key value" that
// begin with "vector NAME" and end with one or more "hex" lines, which may carry a comment after '#'.
#pragma once

#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace colloquy::test {

struct golden_vector {
    std::string file;
    std::string name;
    std::string kind;
    std::vector<std::pair<std::string, std::string>> fields;  // all lines but vector, kind and hex, in order
    std::vector<std::byte> bytes;

    [[nodiscard]] bool has(const std::string& key) const {
        for (const auto& field : fields) {
            if (field.first == key) return true;
        }
        return false;
    }
    [[nodiscard]] std::string text(const std::string& key) const {
        for (const auto& field : fields) {
            if (field.first == key) return field.second;
        }
        return "";
    }
    // Missing fields are 0.
    [[nodiscard]] unsigned long long number(const std::string& key, int base = 10) const {
        const std::string value = text(key);
        if (value.empty()) return 0;
        std::size_t used = 0;
        const unsigned long long v = std::stoull(value, &used, base);
        if (used != value.size()) throw std::runtime_error(file + ": " + name + ": not a number: " + value);
        return v;
    }
};

// Pairs of hexadecimal digits, blanks between them ignored.
inline std::vector<std::byte> parse_hex(const std::string& text) {
    std::string digits;
    for (const char c : text) {
        if (c != ' ') digits += c;
    }
    if (digits.size() % 2 != 0) throw std::runtime_error("odd number of hexadecimal digits: " + text);
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < digits.size(); i += 2) {
        std::size_t used = 0;
        bytes.push_back(static_cast<std::byte>(std::stoul(digits.substr(i, 2), &used, 16)));
        if (used != 2) throw std::runtime_error("not hexadecimal: " + text);
    }
    return bytes;
}

inline std::string to_hex(const std::byte* bytes, std::size_t size) {
    static constexpr char digits[] = "0123456789ABCDEF";
    std::string out;
    for (std::size_t i = 0; i < size; ++i) {
        const auto b = std::to_integer<unsigned>(bytes[i]);
        out += digits[b >> 4];
        out += digits[b & 15];
    }
    return out;
}

inline std::vector<golden_vector> load_vectors(const std::string& name) {
    std::ifstream in(std::string(COLLOQUY_TESTS_DIR) + "/protocol/vectors/" + name);
    if (!in) throw std::runtime_error("cannot read " + name);
    std::vector<golden_vector> all;
    for (std::string line; std::getline(in, line);) {
        if (line.empty() || line[0] == '#') continue;
        const std::size_t blank = line.find(' ');
        const std::string key = line.substr(0, blank);
        std::string value = blank == std::string::npos ? "" : line.substr(blank + 1);
        if (key == "vector") {
            all.push_back({name, value, "", {}, {}});
            continue;
        }
        if (all.empty()) throw std::runtime_error(name + ": a line before the first vector: " + line);
        golden_vector& current = all.back();
        if (key == "kind") {
            current.kind = value;
        } else if (key == "hex") {
            const std::vector<std::byte> more = parse_hex(value.substr(0, value.find('#')));
            current.bytes.insert(current.bytes.end(), more.begin(), more.end());
        } else {
            current.fields.emplace_back(key, value);
        }
    }
    if (all.empty()) throw std::runtime_error(name + ": no vectors");
    return all;
}

}  // namespace colloquy::test
