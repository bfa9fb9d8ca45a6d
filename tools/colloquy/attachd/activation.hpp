// activation: how a service manager hands over sockets it has bound (LISTEN_FDS) and is told how we are
// (NOTIFY_SOCKET). systemd's protocols, without its library.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace colloquy::tool {

struct handed_sockets {
    std::vector<int> listeners;  // TCP
    int program = -1;            // the Unix socket where programs register
    int control = -1;
};

// The sockets that this process was started with, close-on-exec now; the variables that told of them are removed. Unix
// sockets are recognised by their paths; others are closed. Call it once, before the first thread.
[[nodiscard]] handed_sockets take_handed_sockets(const std::string& program_path, const std::string& control_path);

// "READY=1", "STOPPING=1", "MAINPID=...", "STATUS=...", several with line ends between. Without effect where nobody
// wants to know.
void notify_service_manager(std::string_view text);

// The path of a Unix socket; empty when it is none or has no name.
[[nodiscard]] std::string unix_path_of(int descriptor);

}  // namespace colloquy::tool
