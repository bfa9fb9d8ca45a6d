// The hashes of password_file, by the system's libcrypt.
#include "api/password_file.hpp"

#include <array>
#include <memory>

#include <sys/stat.h>

#if defined(COLLOQUY_WITH_CRYPT)
#include <crypt.h>
#endif

#include "runtime/cleanse.hpp"

namespace colloquy::api {

std::string password_file::fault_of_access(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return "it cannot be looked at";
    if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
        return "others than its owner may change it, or everybody may read it; chmod 640, and give it to those who "
               "serve";
    return {};
}

#if defined(COLLOQUY_WITH_CRYPT)

bool password_file::available() noexcept { return true; }

std::string password_file::fault_of(const std::string& hash) {
    switch (::crypt_checksalt(hash.c_str())) {
        case CRYPT_SALT_OK: return {};
        case CRYPT_SALT_METHOD_LEGACY:
            return "this kind of hash is too weak to keep passwords by; make the line anew by 'colloquy password USER'";
        default: return "this is no hash that the system's crypt(3) knows; 'colloquy password USER' makes one";
    }
}

std::string password_file::hash_of(std::string_view password, const std::string& setting) {
    const auto work = std::make_unique<crypt_data>();
    std::array<char, 64> phrase{};
    if (password.size() >= phrase.size()) return {};
    password.copy(phrase.data(), password.size());
    const char* const made = ::crypt_rn(phrase.data(), setting.c_str(), work.get(), sizeof *work);
    std::string hash = made == nullptr ? std::string{} : std::string{made};
    runtime::cleanse(phrase.data(), phrase.size());
    runtime::cleanse(work.get(), sizeof *work);
    return hash;
}

std::string password_file::fresh_setting() {
    std::array<char, CRYPT_GENSALT_OUTPUT_SIZE> setting{};
    const char* const made = ::crypt_gensalt_rn("$y$", 0, nullptr, 0, setting.data(), static_cast<int>(setting.size()));
    return made == nullptr ? std::string{} : std::string{made};
}

#else

bool password_file::available() noexcept { return false; }
std::string password_file::fault_of(const std::string&) { return "no hash can be checked here"; }
std::string password_file::hash_of(std::string_view, const std::string&) { return {}; }
std::string password_file::fresh_setting() { return {}; }

#endif

}  // namespace colloquy::api
