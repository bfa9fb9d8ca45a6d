#include "tools/colloquy/attachd/child.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

namespace colloquy::tool {
namespace {

constexpr int highest_signal = 64;

// All that the child needs, laid out before it begins: it shares our memory until it has become the program.
struct preparation {
    const char* program = nullptr;
    char* const* arguments = nullptr;
    char* const* environment = nullptr;
    const char* directory = nullptr;  // null: ours
    const child_identity* who = nullptr;
    std::array<std::pair<int, rlimit>, 4> limits{};
    std::size_t limit_count = 0;
    int nothing = -1;
    int link = -1;
    int output = -1;
    pid_t parent = 0;
    // What the child tells us: volatile, because a compiler may think that nothing is left of what a function does that
    // never returns.
    volatile int trouble = 0;
    const char* volatile doing = "";
};

// In the child. Only system calls, and those that change a user without the help of the C library: that would change it
// for all threads of ours.
[[noreturn]] void become_program(preparation& p) noexcept {
    const auto fail = [&p](const char* doing) {
        p.trouble = errno;
        p.doing = doing;
        ::_exit(127);
    };
    for (int s = 1; s <= highest_signal; ++s) {
        struct sigaction plain {};
        plain.sa_handler = SIG_DFL;
        (void)::sigaction(s, &plain, nullptr);
    }
    if (::setpgid(0, 0) != 0) fail("set its process group");
    // The three may stand in each other's way: first out of it, then to where they belong.
    const int link = ::fcntl(p.link, F_DUPFD_CLOEXEC, child_link + 1);
    const int output = ::fcntl(p.output, F_DUPFD_CLOEXEC, child_link + 1);
    if (link < 0 || output < 0 || ::dup2(p.nothing, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
        ::dup2(output, STDERR_FILENO) < 0 || ::dup2(link, child_link) < 0)
        fail("arrange its descriptors");
    // Where the system does not know the call, what we opened closes itself.
    (void)::syscall(SYS_close_range, static_cast<unsigned>(child_link + 1), ~0U, 0U);
    for (std::size_t i = 0; i < p.limit_count; ++i)
        if (::syscall(SYS_prlimit64, 0, p.limits[i].first, &p.limits[i].second, nullptr) != 0) fail("set its limits");
    if (p.who != nullptr) {
        if (::syscall(SYS_setgroups, p.who->groups.size(), p.who->groups.data()) != 0 ||
            ::syscall(SYS_setresgid, p.who->group, p.who->group, p.who->group) != 0 ||
            ::syscall(SYS_setresuid, p.who->user, p.who->user, p.who->user) != 0)
            fail("change to its user");
    }
    if (p.directory != nullptr && ::chdir(p.directory) != 0) fail("enter its working directory");
    // A change of user forgets it, so it comes last; whoever has lost its parent meanwhile must not begin.
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("tie it to its manager");
    if (::getppid() != p.parent) fail("find its manager");
    sigset_t none;
    sigemptyset(&none);
    (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::execve(p.program, p.arguments, p.environment);
    fail("run");
    ::_exit(127);
}

// A function of its own, whose frame the child does not change under the caller.
__attribute__((noinline)) pid_t start_prepared(preparation& p) noexcept {
    const pid_t child = ::vfork();
    if (child == 0) become_program(p);
    return child;
}

[[nodiscard]] std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> all;
    all.reserve(texts.size() + 1);
    for (std::string& t : texts) all.push_back(t.data());
    all.push_back(nullptr);
    return all;
}

[[nodiscard]] bool speaks_to_the_manager(std::string_view variable) noexcept {
    const std::string_view name = variable.substr(0, variable.find('='));
    return name == "NOTIFY_SOCKET" || name == "WATCHDOG_PID" || name == "WATCHDOG_USEC" || name == "APPCLLU" ||
           name == "APPCTPN" || name.starts_with("LISTEN_") || name.starts_with("COLLOQUY_");
}

}  // namespace

bool find_identity(const std::string& user, child_identity& out, std::string& error) {
    errno = 0;
    // NOLINTNEXTLINE(concurrency-mt-unsafe): called by the manager's loop alone
    const passwd* const found = ::getpwnam(user.c_str());
    if (found == nullptr) {
        error = "there is no user '" + user + "'";
        return false;
    }
    out.user = found->pw_uid;
    out.group = found->pw_gid;
    out.home = found->pw_dir;
    int count = 32;
    for (;;) {
        out.groups.resize(static_cast<std::size_t>(count));
        const int room = count;
        if (::getgrouplist(user.c_str(), out.group, out.groups.data(), &count) >= 0) break;
        if (count <= room) count = room * 2;
    }
    out.groups.resize(static_cast<std::size_t>(count));
    return true;
}

bool child_result::permanent() const noexcept {
    return trouble == ENOENT || trouble == EACCES || trouble == ENOEXEC || trouble == ENOTDIR || trouble == EISDIR ||
           trouble == ELOOP || trouble == ENAMETOOLONG || trouble == EPERM || trouble == EINVAL || trouble == ELIBBAD ||
           trouble == E2BIG;
}

std::vector<std::string> child_environment(const tp_settings& tp, const child_identity* who, char* const* inherited) {
    std::vector<std::string> all;
    const auto set = [&all](std::string_view name, std::string_view value) {
        std::string text = std::string{name} + "=";
        const auto there =
            std::find_if(all.begin(), all.end(), [&](const std::string& v) { return v.starts_with(text); });
        text += value;
        if (there != all.end())
            *there = std::move(text);
        else
            all.push_back(std::move(text));
    };
    for (; *inherited != nullptr; ++inherited)
        if (!speaks_to_the_manager(*inherited)) all.emplace_back(*inherited);
    if (who != nullptr) {
        set("USER", tp.user);
        set("LOGNAME", tp.user);
        set("HOME", who->home);
    }
    set("COLLOQUY_LINK_FD", std::to_string(child_link));
    for (const auto& [name, value] : tp.environment) set(name, value);
    return all;
}

child_result start_child(const tp_settings& tp, const child_identity* who, int link, int output) {
    std::vector<std::string> words = tp.command;
    std::vector<std::string> variables = child_environment(tp, who, environ);
    const std::vector<char*> arguments = pointers(words);
    const std::vector<char*> environment = pointers(variables);

    preparation p;
    p.program = words.front().c_str();
    p.arguments = arguments.data();
    p.environment = environment.data();
    p.directory = tp.working_directory.empty() ? nullptr : tp.working_directory.c_str();
    p.who = who;
    const auto limit = [&p](int what, std::uint64_t value) {
        if (value != 0) p.limits[p.limit_count++] = {what, {value, value}};
    };
    limit(RLIMIT_CPU, tp.limits.cpu_s);
    limit(RLIMIT_AS, tp.limits.memory_bytes);
    limit(RLIMIT_NOFILE, tp.limits.descriptors);
    limit(RLIMIT_NPROC, tp.limits.processes);
    p.link = link;
    p.output = output;
    p.parent = ::getpid();
    p.nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (p.nothing < 0) return {-1, errno, "open /dev/null for"};

    // Nobody's handler may run in the child while it shares our memory.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t child = start_prepared(p);
    const int trouble = child < 0 ? errno : int{p.trouble};
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(p.nothing);
    if (child < 0) return {-1, trouble, "create a process for"};
    if (trouble == 0) return {child, 0, ""};
    // It told why it could not become the program, and has ended.
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return {-1, trouble, p.doing};
}

}  // namespace colloquy::tool
