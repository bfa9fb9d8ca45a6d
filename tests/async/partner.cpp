// A partner in a process of its own: this program again, started on its hidden case.
#include <doctest/doctest.h>

#include <cstdlib>
#include <stdexcept>

#include "tests/async/async.hpp"

namespace colloquy::test {

partner_process::partner_process(const std::string& address) {
    set_variable("COLLOQUY_HELPER_ADDRESS", address.c_str());
    process_ = run_self({"--no-skip", "-tc=helper: the partner"});
    set_variable("COLLOQUY_HELPER_ADDRESS", nullptr);
}
partner_process::~partner_process() {
    close_end(process_.to);
    close_end(process_.from);
    if (process_.handle != 0) (void)wait_process(process_);
}

void partner_process::tell(const std::string& command) {
    if (!write_line(process_.to, command)) throw std::runtime_error{"pipe"};
}
int partner_process::answer() {
    const std::string line = read_line(process_.from);
    REQUIRE_FALSE(line.empty());
    return std::stoi(line);
}
int partner_process::ask(const std::string& command) {
    tell(command);
    return answer();
}
void partner_process::kill() {
    kill_process(process_);
    (void)wait_process(process_);
}

}  // namespace colloquy::test

using namespace colloquy::test;

TEST_SUITE("async" * doctest::skip()) {
    TEST_CASE("helper: the partner") {
        const char* const in_text = std::getenv("COLLOQUY_HELPER_IN");
        const char* const out_text = std::getenv("COLLOQUY_HELPER_OUT");
        const char* const address = std::getenv("COLLOQUY_HELPER_ADDRESS");
        if (in_text == nullptr || out_text == nullptr || address == nullptr) return;  // not for people
        const pipe_end in = std::atoll(in_text), out = std::atoll(out_text);
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
            if (!write_line(out, std::to_string(code))) return;
        }
    }
}
