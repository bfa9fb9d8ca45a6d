// command_words: a command that is written as one text, split into the words that exec takes. No shell is asked, so
// nothing in it is expanded: quotes and backslashes only say where a word ends.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace colloquy::tool {

// Words are separated by blanks and tabs. 'single quotes' keep everything, "double quotes" everything but \" and \\,
// and a backslash outside of them the character behind it. Nothing, with one line in `error`, when the text has no word
// or a quote does not end.
[[nodiscard]] inline std::optional<std::vector<std::string>> split_command(std::string_view text, std::string& error) {
    std::vector<std::string> words;
    std::string word;
    bool inside = false;  // a word has begun, even an empty one in quotes
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const bool escapes = c == '\\' && quote != '\'';
        if (escapes && i + 1 == text.size()) {
            error = "it ends with a backslash";
            return std::nullopt;
        }
        if (c == '\0') {
            error = "it contains a character with the value 0";
            return std::nullopt;
        }
        if (escapes && (quote == 0 || text[i + 1] == '"' || text[i + 1] == '\\')) {
            word += text[++i];
            inside = true;
        } else if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else {
                word += c;
            }
        } else if (c == '\'' || c == '"') {
            quote = c;
            inside = true;
        } else if (c == ' ' || c == '\t' || c == '\n') {
            if (inside) words.push_back(std::move(word));
            word.clear();
            inside = false;
        } else {
            word += c;
            inside = true;
        }
    }
    if (quote != 0) {
        error = std::string{"a quote "} + quote + " does not end";
        return std::nullopt;
    }
    if (inside) words.push_back(std::move(word));
    if (words.empty() || words.front().empty()) {
        error = "it names no program";
        return std::nullopt;
    }
    return words;
}

}  // namespace colloquy::tool
