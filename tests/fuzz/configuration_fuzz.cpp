// Any text as a configuration file: a configuration that is whole, or at least one line that says where and what.
#include <string>

#include "api/config.hpp"
#include "tests/fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace colloquy;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const auto nothing = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
    const api::configuration_result r = api::parse_configuration(text, "fuzz.toml", nothing);
    COLLOQUY_MUST(r.value.has_value() == r.errors.empty());
    for (const std::string& e : r.errors) {
        COLLOQUY_MUST(e.rfind("fuzz.toml", 0) == 0);
        COLLOQUY_MUST(e.find('\n') == std::string::npos);
    }
    return 0;
}
