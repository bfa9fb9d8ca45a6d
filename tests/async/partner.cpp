// A partner in a process of its own: this program again, started on its hidden case.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>

#include "tests/async/async.hpp"

namespace colloquy::test {

namespace {

std::string read_line(int fd) {
    std::string line;
    char c = 0;
    while (::read(fd, &c, 1) == 1 && c != '\n') line += c;
    return line;
}
void write_line(int fd, const std::string& text) {
    const std::string line = text + "\n";
    if (::write(fd, line.data(), line.size()) != static_cast<ssize_t>(line.size())) throw std::runtime_error("pipe");
}

}  // namespace

partner_process::partner_process(const std::string& address) {
    int in[2], out[2];
    REQUIRE(::pipe2(in, 0) == 0);
    REQUIRE(::pipe2(out, 0) == 0);
    const std::string in_text = std::to_string(in[0]), out_text = std::to_string(out[1]);
    pid_ = ::fork();
    REQUIRE(pid_ >= 0);
    if (pid_ == 0) {
        ::close(in[1]);
        ::close(out[0]);
        ::setenv("COLLOQUY_HELPER_IN", in_text.c_str(), 1);
        ::setenv("COLLOQUY_HELPER_OUT", out_text.c_str(), 1);
        ::setenv("COLLOQUY_HELPER_ADDRESS", address.c_str(), 1);
        const int nowhere = ::open("/dev/null", O_WRONLY);
        ::dup2(nowhere, 1);
        ::execl("/proc/self/exe", "helper", "--no-skip", "-tc=helper: the partner", static_cast<char*>(nullptr));
        ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
    // Other children must not keep our ends open.
    (void)::fcntl(to_, F_SETFD, FD_CLOEXEC);
    (void)::fcntl(from_, F_SETFD, FD_CLOEXEC);
}
partner_process::~partner_process() {
    ::close(to_);
    ::close(from_);
    if (pid_ > 0) (void)::waitpid(pid_, nullptr, 0);
}
void partner_process::tell(const std::string& command) { write_line(to_, command); }
int partner_process::answer() {
    const std::string line = read_line(from_);
    REQUIRE_FALSE(line.empty());
    return std::stoi(line);
}
int partner_process::ask(const std::string& command) {
    tell(command);
    return answer();
}
void partner_process::kill() {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

}  // namespace colloquy::test

using namespace colloquy::test;

TEST_SUITE("async" * doctest::skip()) {
    TEST_CASE("helper: the partner") {
        const char* const in_text = std::getenv("COLLOQUY_HELPER_IN");
        const char* const out_text = std::getenv("COLLOQUY_HELPER_OUT");
        const char* const address = std::getenv("COLLOQUY_HELPER_ADDRESS");
        if (in_text == nullptr || out_text == nullptr || address == nullptr) return;  // not for people
        const int in = std::atoi(in_text), out = std::atoi(out_text);
        const std::string where = std::string{address} + "/TP";
        const running_unit unit;
        talk first;
        for (std::string command = read_line(in); !command.empty(); command = read_line(in)) {
            int code = -1;
            if (command == "begin") {
                first.begin(where);
                code = first.flush();
            } else if (command == "allocate until refused") {
                do {
                    talk t;
                    t.prepare(where);
                    code = t.allocate();
                    (void)t.cancel();
                } while (code == CM_OK);
            } else if (command == "receive") {
                code = first.receive().code;
            } else if (command == "deallocate") {
                code = first.deallocate();
            }
            write_line(out, std::to_string(code));
        }
    }
}
