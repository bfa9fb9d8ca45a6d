// The Linux side of platform.hpp.
#include "tools/colloquy/platform.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "tools/colloquy/report.hpp"

namespace colloquy::tool {

using std::chrono::milliseconds;

namespace {

bool reload_held = false;

sigset_t end_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (reload_held) sigaddset(&set, SIGHUP);
    return set;
}

[[noreturn]] void fail(const std::string& what) { throw failure{what + ": " + std::generic_category().message(errno)}; }

}  // namespace

bool standard_error_is_terminal() { return ::isatty(STDERR_FILENO) == 1; }

bool standard_input_is_terminal() { return ::isatty(STDIN_FILENO) == 1; }

std::string read_secret(const std::string& question) {
    termios shown{};
    const bool terminal = ::tcgetattr(STDIN_FILENO, &shown) == 0;
    if (terminal) {
        termios hidden = shown;
        hidden.c_lflag &= ~static_cast<tcflag_t>(ECHO);
        (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
        (void)!::write(STDERR_FILENO, question.data(), question.size());
    }
    std::string line;
    constexpr std::size_t size_max = 256;
    line.reserve(size_max);  // in one place, for the caller to overwrite
    char c = 0;
    while (line.size() < size_max && ::read(STDIN_FILENO, &c, 1) == 1 && c != '\n') line += c;
    if (terminal) {
        (void)::tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
        (void)!::write(STDERR_FILENO, "\n", 1);
    }
    return line;
}

void hold_reload_signal() {
    if (standard_input_is_terminal()) return;
    reload_held = true;
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool is_reload_signal(int signal) { return signal == SIGHUP; }

void sharpen_waits() { (void)::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); }

void hold_end_signals() {
    const sigset_t set = end_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    // A reader of our output that went away is told by a failed write.
    ::signal(SIGPIPE, SIG_IGN);
}

int wait_for_end_signal(milliseconds at_most) {
    const sigset_t set = end_signals();
    timespec limit{};
    limit.tv_sec = static_cast<time_t>(at_most.count() / 1000);
    limit.tv_nsec = static_cast<long>(at_most.count() % 1000) * 1'000'000;
    const int signal = ::sigtimedwait(&set, nullptr, &limit);
    return signal > 0 ? signal : 0;
}

void end_with_input() {
    std::thread{[] {
        std::array<char, 256> ignored{};
        ssize_t n = 0;
        do n = ::read(STDIN_FILENO, ignored.data(), ignored.size());
        while (n > 0 || (n < 0 && errno == EINTR));
        ::kill(::getpid(), SIGTERM);
    }}.detach();
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

// What there is of a child; where the system gives no handle of it, waiting for its end has no limit.
struct child_process::process {
    [[nodiscard]] bool gone_within(milliseconds at_most);

    int pid = -1;
    int input = -1;   // we write
    int output = -1;  // we read
    int handle = -1;
    int status = 0;
    std::string unread;
};

child_process::child_process(const std::vector<std::string>& arguments) : process_{std::make_unique<process>()} {
    std::array<int, 2> in{-1, -1};
    std::array<int, 2> out{-1, -1};
    const auto close_both = [](const std::array<int, 2>& ends) {
        for (const int end : ends)
            if (end >= 0) ::close(end);
    };
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
        close_both(in);
        fail("cannot create a pipe");
    }
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
        ::dup2(in[0], STDIN_FILENO);
        ::dup2(out[1], STDOUT_FILENO);
        ::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    if (child < 0) {
        close_both(in);
        close_both(out);
        fail("cannot start a process");
    }
    ::close(in[0]);
    ::close(out[1]);
    process_->pid = child;
    process_->input = in[1];
    process_->output = out[0];
    process_->handle = static_cast<int>(::syscall(SYS_pidfd_open, child, 0));
}

child_process::~child_process() {
    kill();
    if (process_->input >= 0) ::close(process_->input);
    ::close(process_->output);
    if (process_->handle >= 0) ::close(process_->handle);
}

std::string child_process::read_line(milliseconds at_most) {
    const auto limit = std::chrono::steady_clock::now() + at_most;
    std::string& unread = process_->unread;
    for (;;) {
        if (const auto end = unread.find('\n'); end != std::string::npos) {
            std::string line = unread.substr(0, end);
            unread.erase(0, end + 1);
            return line;
        }
        const auto left = std::chrono::duration_cast<milliseconds>(limit - std::chrono::steady_clock::now()).count();
        pollfd what{process_->output, POLLIN, 0};
        if (left <= 0 || ::poll(&what, 1, static_cast<int>(left)) <= 0) return {};
        std::array<char, 4096> bytes{};
        const ssize_t n = ::read(process_->output, bytes.data(), bytes.size());
        if (n <= 0) return {};
        unread.append(bytes.data(), static_cast<std::size_t>(n));
    }
}

bool child_process::process::gone_within(milliseconds at_most) {
    if (pid < 0) return true;
    if (handle >= 0) {
        pollfd what{handle, POLLIN, 0};
        if (::poll(&what, 1, static_cast<int>(at_most.count())) <= 0) return false;
    }
    int told = 0;
    const pid_t waited = ::waitpid(pid, &told, handle >= 0 || at_most.count() > 0 ? 0 : WNOHANG);
    if (waited != pid) return false;
    status = WIFEXITED(told) ? WEXITSTATUS(told) : 128 + WTERMSIG(told);
    pid = -1;
    return true;
}

void child_process::kill() {
    if (process_->pid < 0) return;
    ::kill(process_->pid, SIGKILL);
    (void)process_->gone_within(std::chrono::seconds{30});
}

int child_process::end(milliseconds at_most) {
    if (process_->input >= 0) ::close(std::exchange(process_->input, -1));
    if (process_->gone_within(at_most)) return process_->status;
    kill();
    return -1;
}

bool child_process::running() { return !process_->gone_within(milliseconds{0}); }

}  // namespace colloquy::tool
