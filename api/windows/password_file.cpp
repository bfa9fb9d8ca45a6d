// Windows has no crypt(3): programs bring a verifier of their own.
#include "api/password_file.hpp"

namespace colloquy::api {

bool password_file::available() noexcept { return false; }
std::string password_file::fault_of_access(const std::string&) { return {}; }
std::string password_file::fault_of(const std::string&) { return "no hash can be checked here"; }
std::string password_file::hash_of(std::string_view, const std::string&) { return {}; }
std::string password_file::fresh_setting() { return {}; }

}  // namespace colloquy::api
