// The Linux side of platform.hpp.
#include "tools/colloquy/platform.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "tools/colloquy/report.hpp"

namespace colloquy::tool {
namespace {

sigset_t end_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    return set;
}

[[noreturn]] void fail(const std::string& what) { throw failure{what + ": " + std::generic_category().message(errno)}; }

}  // namespace

bool standard_error_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

void hold_end_signals() {
    const sigset_t set = end_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    // A reader of our output that went away is told by a failed write.
    ::signal(SIGPIPE, SIG_IGN);
}

int wait_for_end_signal(std::chrono::milliseconds at_most) {
    const sigset_t set = end_signals();
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(at_most.count() / 1000);
    limit.tv_nsec = static_cast<long>(at_most.count() % 1000) * 1'000'000;
    const int signal = ::sigtimedwait(&set, nullptr, &limit);
    return signal > 0 ? signal : 0;
}

int wait_for_end_signal() {
    const sigset_t set = end_signals();
    int signal = 0;
    while (::sigwait(&set, &signal) != 0) {
    }
    return signal;
}

temporary_directory::temporary_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "colloquy-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) fail("cannot create a temporary directory " + name);
    path_ = name;
}

temporary_directory::~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

child_process::child_process(const std::vector<std::string>& arguments) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("cannot create a pipe");
    std::vector<std::string> words = arguments;
    words.insert(words.begin(), "colloquy");
    std::vector<char*> argv;
    for (std::string& w : words) argv.push_back(w.data());
    argv.push_back(nullptr);

    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child == 0) {
        // Only calls that are safe between fork and exec.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(1);
        ::dup2(ends[1], STDOUT_FILENO);
        ::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    ::close(ends[1]);
    if (child < 0) {
        ::close(ends[0]);
        fail("cannot start a process");
    }
    pid_ = child;
    output_ = ends[0];
    handle_ = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
}

child_process::~child_process() {
    kill();
    ::close(output_);
    if (handle_ >= 0) ::close(handle_);
}

std::string child_process::read_line(std::chrono::milliseconds at_most) {
    const auto limit = std::chrono::steady_clock::now() + at_most;
    for (;;) {
        if (const auto end = unread_.find('\n'); end != std::string::npos) {
            std::string line = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            return line;
        }
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(limit - std::chrono::steady_clock::now()).count();
        pollfd what{output_, POLLIN, 0};
        if (left <= 0 || ::poll(&what, 1, static_cast<int>(left)) <= 0) return {};
        std::array<char, 4096> bytes{};
        const ssize_t n = ::read(output_, bytes.data(), bytes.size());
        if (n <= 0) return {};
        unread_.append(bytes.data(), static_cast<std::size_t>(n));
    }
}

bool child_process::gone_within(std::chrono::milliseconds at_most) {
    if (pid_ < 0) return true;
    if (handle_ >= 0) {
        pollfd what{handle_, POLLIN, 0};
        if (::poll(&what, 1, static_cast<int>(at_most.count())) <= 0) return false;
    }
    int status = 0;
    const pid_t waited = ::waitpid(pid_, &status, handle_ >= 0 || at_most.count() > 0 ? 0 : WNOHANG);
    if (waited != pid_) return false;
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    pid_ = -1;
    return true;
}

void child_process::kill() {
    if (pid_ < 0) return;
    ::kill(pid_, SIGKILL);
    (void)gone_within(std::chrono::seconds{30});
}

int child_process::end(std::chrono::milliseconds at_most) {
    if (pid_ >= 0) ::kill(pid_, SIGTERM);
    if (gone_within(at_most)) return status_;
    kill();
    return -1;
}

bool child_process::running() { return !gone_within(std::chrono::milliseconds{0}); }

}  // namespace colloquy::tool
