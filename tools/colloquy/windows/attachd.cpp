// colloquy attachd is for systems with Unix sockets.
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {

int attachd(const attachd_options&) {
    throw failure{"the attach manager is not offered on Windows; let each program listen for itself"};
}

}  // namespace colloquy::tool
