// child: starts a program without a shell, so that it can neither outlive what started it nor see more of it than it
// should: descriptors 0 (nothing to read), 1 and 2 (its output) and 3 (its link), all signals as a new process has
// them, a process group of its own, and the limits and the user it was given.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "tools/colloquy/attachd/settings.hpp"

namespace colloquy::tool {

// The number of its link's descriptor in the program.
inline constexpr int child_link = 3;

struct child_identity {
    uid_t user = 0;
    gid_t group = 0;
    std::vector<gid_t> groups;
    std::string home;
};

// Who `user` is; false, with one line in `error`, when nobody is.
[[nodiscard]] bool find_identity(const std::string& user, child_identity& out, std::string& error);

struct child_result {
    pid_t pid = -1;
    int trouble = 0;         // errno when there is no pid
    const char* doing = "";  // what failed, for a message
    // Trying again later will not help: the command is not there or cannot be run.
    [[nodiscard]] bool permanent() const noexcept;
};

// What the program of `tp` finds in its environment: what the manager has, without what speaks to the manager itself
// (NOTIFY_SOCKET, LISTEN_*, COLLOQUY_*, APPC*), then COLLOQUY_LINK_FD and the variables of the file, which win.
[[nodiscard]] std::vector<std::string> child_environment(const tp_settings& tp, const child_identity* who,
                                                         char* const* inherited);

// Neither blocks nor allocates between the start and the exec. `link` and `output` stay the caller's. The program gets
// SIGKILL when the calling thread ends.
[[nodiscard]] child_result start_child(const tp_settings& tp, const child_identity* who, int link, int output);

}  // namespace colloquy::tool
