// colloquy password: a line for the password file of [security].
#include <iostream>
#include <nlohmann/json.hpp>

#include "api/password_file.hpp"
#include "runtime/cleanse.hpp"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/platform.hpp"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {

int password(const password_options& options) {
    std::string secret = read_secret("Password of " + options.user + ": ");
    if (standard_input_is_terminal()) {
        std::string again = read_secret("Once more: ");
        const bool same = api::password_file::same_text(secret, again);
        runtime::cleanse(again.data(), again.size());
        if (!same) {
            runtime::cleanse(secret.data(), secret.size());
            throw failure{"the two are not the same"};
        }
    }
    std::string why;
    const std::string line = api::password_file::make_line(options.user, secret, why);
    runtime::cleanse(secret.data(), secret.size());
    if (line.empty()) throw failure{why};
    if (options.json)
        print_json({{"line", line}});
    else
        std::cout << line << '\n';
    return 0;
}

}  // namespace colloquy::tool
