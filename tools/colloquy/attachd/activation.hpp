// activation: how a service manager hands over sockets it has bound (LISTEN_FDS) and is told how we are
// (NOTIFY_SOCKET). systemd's protocols, without its library.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "transport/address.hpp"

namespace colloquy::tool {

struct handed_sockets {
    std::vector<int> listeners;  // where partners call
    int program = -1;            // the Unix socket where programs register
    int control = -1;
};

// The sockets that this process was started with, close-on-exec now; the variables that told of them are removed. Local
// sockets are recognised by their names, those for partners by the addresses in `listen`; others are closed. Call it
// once, before the first thread.
[[nodiscard]] handed_sockets take_handed_sockets(const std::string& program_path, const std::string& control_path,
                                                 const std::vector<transport::endpoint>& listen);

// "READY=1", "STOPPING=1", "MAINPID=...", "STATUS=...", several with line ends between. Without effect where nobody
// wants to know.
void notify_service_manager(std::string_view text);

// The path of a local socket, or '@' and its name; empty when it is none or has neither.
[[nodiscard]] std::string local_name_of(int descriptor);
// One of those addresses.
[[nodiscard]] bool is_listed(const std::string& local_name, const std::vector<transport::endpoint>& listen);

}  // namespace colloquy::tool
