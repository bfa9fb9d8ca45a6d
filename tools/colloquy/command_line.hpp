// command_line: what a value on the command line may be, and one line for whoever got it wrong: what, where, and how to
// mend it.
#pragma once

#include <CLI/CLI.hpp>
#include <map>
#include <string>

namespace colloquy::tool {

// Numbers from `low` to `high`; whole ones where both are.
[[nodiscard]] CLI::Validator within(unsigned long long low, unsigned long long high);
[[nodiscard]] CLI::Validator within_seconds(double low, double high);
// The same of something else than seconds.
[[nodiscard]] CLI::Validator within_amount(double low, double high, const std::string& what);

[[nodiscard]] CLI::Validator existing_file();
[[nodiscard]] CLI::Validator existing_folder();

// One of these words, which becomes its number.
[[nodiscard]] CLI::Validator one_of(std::map<std::string, int> words);

// "serve, ping, load, demo or plan"
[[nodiscard]] std::string names_of_commands(const CLI::App& app);

// What was wrong, without the name of the command in front and without a line break.
[[nodiscard]] std::string explain(const CLI::ParseError& error, const CLI::App& app, int argc, const char* const* argv);

}  // namespace colloquy::tool
