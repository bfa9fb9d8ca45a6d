// password_file: the built-in answer to who a user is. Lines "user:hash", hashes as crypt(3) of the system makes and
// checks them: yescrypt, and what is as good or older and still sound.
//
// A check takes as long as the hash was made to take, tens of milliseconds, whether the user exists or not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace colloquy::api {

class password_file {
public:
    // Null of `error`: it holds what the file says. Otherwise one line, and this object is as it was.
    [[nodiscard]] bool load(const std::string& path, std::string& error);
    // Of text; `name` is only named in the message.
    [[nodiscard]] bool parse(std::string_view text, std::string_view name, std::string& error);

    // Any number of threads at a time.
    [[nodiscard]] bool matches(std::string_view user, std::string_view password) const;
    [[nodiscard]] std::size_t count() const noexcept { return entries_.size(); }

    // Whether this system can check passwords at all.
    [[nodiscard]] static bool available() noexcept;
    // The line for a user, with a fresh salt. Empty, with `error`: it cannot be made.
    [[nodiscard]] static std::string make_line(std::string_view user, std::string_view password, std::string& error);
    // Same text, taking the same time wherever they differ.
    [[nodiscard]] static bool same_text(std::string_view a, std::string_view b) noexcept;
    // One to ten characters that travel in an attach.
    [[nodiscard]] static bool valid_word(std::string_view word) noexcept;

private:
    struct entry {
        std::string user;
        std::string hash;
    };
    // What the system thinks of the hash; empty: it will do.
    [[nodiscard]] static std::string fault_of(const std::string& hash);
    [[nodiscard]] static std::string hash_of(std::string_view password, const std::string& setting);
    [[nodiscard]] static std::string fresh_setting();
    // Empty: its owner alone may change it, and not everybody reads it.
    [[nodiscard]] static std::string fault_of_access(const std::string& path);

    std::vector<entry> entries_;
    std::string nobody_;  // a hash that costs what theirs do
};

}  // namespace colloquy::api
