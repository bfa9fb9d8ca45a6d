#include "tests/support/system.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#include "api/colloquy/event.h"

extern char** environ;

namespace colloquy::test {

namespace {

int fd(pipe_end end) { return static_cast<int>(end); }

std::vector<char*> as_argv(std::string& name, std::vector<std::string>& arguments) {
    std::vector<char*> argv{name.data()};
    for (std::string& a : arguments) argv.push_back(a.data());
    argv.push_back(nullptr);
    return argv;
}

}  // namespace

void set_variable(const char* name, const char* value) {
    if ((value == nullptr ? ::unsetenv(name) : ::setenv(name, value, 1)) != 0) throw std::runtime_error{name};
}

std::filesystem::path scratch_path(std::string_view stem) {
    static std::atomic<unsigned> count{0};
    return std::filesystem::temp_directory_path() /
           (std::string{stem} + "-" + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1)));
}

bool wait_ready(clq_host_handle handle, int milliseconds) {
    pollfd watched{handle, POLLIN, 0};
    return ::poll(&watched, 1, milliseconds) > 0;
}

event_set::event_set() : set_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (set_ < 0) throw std::runtime_error{"epoll_create1"};
}
event_set::~event_set() { (void)::close(fd(set_)); }
void event_set::add(void* auto_reset_event) {
    epoll_event wanted{};
    wanted.events = EPOLLIN;
    wanted.data.ptr = auto_reset_event;
    if (::epoll_ctl(fd(set_), EPOLL_CTL_ADD, clq_event_descriptor(auto_reset_event), &wanted) != 0)
        throw std::runtime_error{"epoll_ctl"};
    events_.push_back(auto_reset_event);
}
void event_set::wait_any() {
    std::vector<epoll_event> ready(events_.size());
    const int count = ::epoll_wait(fd(set_), ready.data(), static_cast<int>(ready.size()), -1);
    for (int k = 0; k < count; ++k) (void)clq_event_wait(ready[static_cast<std::size_t>(k)].data.ptr, 0);
}

std::string read_line(pipe_end from) {
    std::string line;
    char c = 0;
    while (::read(fd(from), &c, 1) == 1 && c != '\n') line += c;
    return line;
}
bool write_line(pipe_end to, std::string_view text) {
    const std::string line = std::string{text} + "\n";
    return ::write(fd(to), line.data(), line.size()) == static_cast<ssize_t>(line.size());
}
void close_end(pipe_end end) { (void)::close(fd(end)); }

process run_program(const std::string& name, const std::vector<std::string>& arguments) {
    std::string program = name;
    std::vector<std::string> copies = arguments;
    pid_t pid = 0;
    if (::posix_spawn(&pid, program.c_str(), nullptr, nullptr, as_argv(program, copies).data(), environ) != 0) pid = 0;
    return {pid, -1, -1};
}

process run_self(const std::vector<std::string>& arguments) {
    int in[2], out[2];
    if (::pipe2(in, 0) != 0 || ::pipe2(out, 0) != 0) throw std::runtime_error{"pipe2"};
    const std::string in_text = std::to_string(in[0]), out_text = std::to_string(out[1]);
    std::string name = "helper";
    std::vector<std::string> copies = arguments;
    const std::vector<char*> argv = as_argv(name, copies);
    const pid_t pid = ::fork();
    if (pid < 0) throw std::runtime_error{"fork"};
    if (pid == 0) {
        (void)::close(in[1]);
        (void)::close(out[0]);
        (void)::setenv("COLLOQUY_HELPER_IN", in_text.c_str(), 1);
        (void)::setenv("COLLOQUY_HELPER_OUT", out_text.c_str(), 1);
        const int nowhere = ::open("/dev/null", O_WRONLY);
        (void)::dup2(nowhere, 1);
        (void)::execv("/proc/self/exe", argv.data());
        ::_exit(127);
    }
    (void)::close(in[0]);
    (void)::close(out[1]);
    // Other children must not keep our ends open.
    (void)::fcntl(in[1], F_SETFD, FD_CLOEXEC);
    (void)::fcntl(out[0], F_SETFD, FD_CLOEXEC);
    return {pid, in[1], out[0]};
}

void kill_process(const process& p) { (void)::kill(static_cast<pid_t>(p.handle), SIGKILL); }
int wait_process(process& p) {
    int status = -1;
    const pid_t done = ::waitpid(static_cast<pid_t>(p.handle), &status, 0);
    p.handle = 0;
    return done > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace colloquy::test
