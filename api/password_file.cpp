#include "api/password_file.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>
#include <utility>

#include "api/text.hpp"

namespace colloquy::api {

bool password_file::valid_word(std::string_view word) noexcept {
    constexpr std::size_t size_max = 10;
    return !word.empty() && word.size() <= size_max &&
           std::all_of(word.begin(), word.end(), [](char c) { return c > ' ' && c < '\x7F' && c != ':'; });
}

bool password_file::same_text(std::string_view a, std::string_view b) noexcept {
    // Lengths are no secret: every hash of a kind has the same.
    if (a.size() != b.size()) return false;
    volatile unsigned char different = 0;
    for (std::size_t i = 0; i < a.size(); ++i)
        different = static_cast<unsigned char>(different |
                                               (static_cast<unsigned char>(a[i]) ^ static_cast<unsigned char>(b[i])));
    return different == 0;
}

bool password_file::load(const std::string& path, std::string& error) {
    if (!available()) {
        error = "this system has no crypt(3) that checks passwords; give the program a verifier (colloquy/security.h)";
        return false;
    }
    std::ifstream file{path, std::ios::binary};
    if (!file) {
        error = joined({path, ": ", std::generic_category().message(errno)});
        return false;
    }
    if (const std::string fault = fault_of_access(path); !fault.empty()) {
        error = joined({path, ": ", fault});
        return false;
    }
    std::ostringstream text;
    text << file.rdbuf();
    return parse(text.str(), path, error);
}

bool password_file::parse(std::string_view text, std::string_view name, std::string& error) {
    std::vector<entry> found;
    std::size_t number = 0;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text = end == text.npos ? std::string_view{} : text.substr(end + 1);
        ++number;
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
        if (line.empty() || line.front() == '#') continue;
        const auto fail = [&](std::string_view what) {
            error = joined({name, ":", std::to_string(number), ": ", what});
            return false;
        };
        const std::size_t colon = line.find(':');
        const std::string_view user = line.substr(0, colon);
        if (colon == line.npos || !valid_word(user))
            return fail(
                "this is not USER:HASH, the user 1 to 10 characters; 'colloquy password USER' makes such a line");
        const auto same = [&](const entry& e) { return e.user == user; };
        if (std::any_of(found.begin(), found.end(), same)) return fail("this user is there twice; leave one out");
        entry one{std::string{user}, std::string{line.substr(colon + 1)}};
        if (const std::string fault = fault_of(one.hash); !fault.empty()) return fail(fault);
        found.push_back(std::move(one));
    }
    // Nobody's password: what is unknown must cost what a wrong password costs.
    std::string nobody = found.empty() ? fresh_setting() : found.front().hash;
    entries_ = std::move(found);
    nobody_ = std::move(nobody);
    return true;
}

bool password_file::matches(std::string_view user, std::string_view password) const {
    const entry* known = nullptr;
    for (const entry& e : entries_)
        if (same_text(e.user, user)) known = &e;
    const std::string& wanted = known != nullptr ? known->hash : nobody_;
    const std::string got = hash_of(password, wanted);
    const bool same = !got.empty() && same_text(got, wanted);
    return same && known != nullptr;
}

std::string password_file::make_line(std::string_view user, std::string_view password, std::string& error) {
    if (!available()) {
        error = "this system has no crypt(3) that makes hashes of passwords";
        return {};
    }
    if (!valid_word(user) || !valid_word(password)) {
        error = "user and password have 1 to 10 characters, without blanks and ':'; that is what an attach carries";
        return {};
    }
    const std::string setting = fresh_setting();
    const std::string hash = setting.empty() ? std::string{} : hash_of(password, setting);
    if (hash.empty()) error = "the system's crypt(3) makes no hash";
    return hash.empty() ? std::string{} : joined({user, ":", hash});
}

}  // namespace colloquy::api
