#include "tools/colloquy/command_line.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <string_view>
#include <vector>

namespace colloquy::tool {
namespace {

[[nodiscard]] std::string in_quotes(std::string_view text) { return "'" + std::string{text} + "'"; }

// "a, b or c"
template <class Words>
[[nodiscard]] std::string choice(const Words& words) {
    std::string text;
    std::size_t left = words.size();
    for (const std::string& word : words) {
        text += text.empty() ? "" : left == 1 ? " or " : ", ";
        text += word;
        --left;
    }
    return text;
}

[[nodiscard]] std::string plain(double number) {
    std::string text = std::to_string(number);
    text.erase(text.find_last_not_of('0') + 1);
    if (text.back() == '.') text.pop_back();
    return text;
}

[[nodiscard]] std::vector<std::string> commands_of(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
        names.push_back(sub->get_name());
    return names;
}

}  // namespace

CLI::Validator within(unsigned long long low, unsigned long long high) {
    const std::string bounds = std::to_string(low) + " to " + std::to_string(high);
    return {[low, high, bounds](const std::string& text) {
                unsigned long long value = 0;
                const char* const end = text.data() + text.size();
                const auto [stop, trouble] = std::from_chars(text.data(), end, value);
                const bool good = trouble == std::errc{} && stop == end && value >= low && value <= high;
                return good ? std::string{} : in_quotes(text) + " will not do; write a whole number from " + bounds;
            },
            "in [" + std::to_string(low) + " - " + std::to_string(high) + "]", "within"};
}

CLI::Validator within_amount(double low, double high, const std::string& what) {
    const std::string bounds = plain(low) + " to " + plain(high);
    return {[low, high, bounds, what](const std::string& text) {
                double value = 0;
                const bool good = CLI::detail::lexical_cast(text, value) && value >= low && value <= high;
                return good ? std::string{} : in_quotes(text) + " will not do; write " + what + " from " + bounds;
            },
            "in [" + plain(low) + " - " + plain(high) + "]", "within"};
}

CLI::Validator within_seconds(double low, double high) { return within_amount(low, high, "seconds"); }

CLI::Validator existing_file() {
    return {[](const std::string& text) {
                std::error_code ignored;
                const auto status = std::filesystem::status(text, ignored);
                return !std::filesystem::exists(status) ? in_quotes(text) + " does not exist; name a file that does"
                       : std::filesystem::is_directory(status) ? in_quotes(text) + " is a folder; name a file"
                                                               : std::string{};
            },
            "FILE", "file"};
}

CLI::Validator existing_folder() {
    return {[](const std::string& text) {
                std::error_code ignored;
                return std::filesystem::is_directory(text, ignored)
                           ? std::string{}
                           : in_quotes(text) + " is no folder; name one that exists";
            },
            "FOLDER", "folder"};
}

CLI::Validator one_of(std::map<std::string, int> words) {
    CLI::Validator v{"one of"};
    v.operation([words = std::move(words)](std::string& text) {
        const auto found = words.find(text);
        if (found != words.end()) {
            text = std::to_string(found->second);
            return std::string{};
        }
        std::vector<std::string> names;
        for (const auto& entry : words) names.push_back(entry.first);
        return in_quotes(text) + " will not do; write " + choice(names);
    });
    return v;
}

std::string names_of_commands(const CLI::App& app) { return choice(commands_of(app)); }

std::string explain(const CLI::ParseError& error, const CLI::App& app, int argc, const char* const* argv) {
    std::string text = error.what();
    for (char& c : text)
        if (c == '\n' || c == '\r') c = ' ';
    const auto subs = app.get_subcommands();
    if (subs.empty()) {
        const std::string_view first = argc > 1 ? argv[1] : "";
        if (first.empty()) return "no command; write " + names_of_commands(app) + ", or --help";
        return in_quotes(first) + (first.front() == '-' ? " is no option" : " is no command") + "; write " +
               names_of_commands(app) + (first.front() == '-' ? ", or --help or --version" : "");
    }
    const std::string help = "; see colloquy " + subs.front()->get_name() + " --help";
    if (dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr) {
        const std::vector<std::string> left = subs.front()->remaining();
        return (left.empty() ? text : in_quotes(left.front()) + " is not expected here") + help;
    }
    if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
        const std::string what = text.substr(0, text.find(' '));
        const CLI::Option* const option = subs.front()->get_option_no_throw(what);
        return what + " is missing" + (option == nullptr ? help : "; give " + option->get_description());
    }
    if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr) {
        const std::size_t between = text.find(" excludes ");
        if (between != std::string::npos)
            return text.substr(0, between) + " does not go with " + text.substr(between + 10) + "; leave one out";
    }
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && text.find(" missing") != std::string::npos)
        return text.substr(0, text.find(':')) + " needs a value" + help;
    if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) {
        // "--size: 'X' will not do; ..." says everything.
        const std::size_t colon = text.find(": '");
        if (colon != std::string::npos) return text.substr(0, colon) + " " + text.substr(colon + 2);
    }
    return text + help;
}

}  // namespace colloquy::tool
