// platform: what the command needs of the system beside the library: signals, a child process, a terminal, a folder.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace colloquy::tool {

[[nodiscard]] bool standard_error_is_terminal();

[[nodiscard]] bool standard_input_is_terminal();
// A line of standard input, asked for and not shown where that is a terminal. The caller overwrites it.
[[nodiscard]] std::string read_secret(const std::string& question);

// From now on, in this thread and those it starts, the signals that ask a program to end (SIGINT, SIGTERM) wait to be
// asked for. On Windows these are Ctrl-C, Ctrl-Break and the closing of the console. To be called before the first
// thread.
void hold_end_signals();
// The signal by which an administrator asks a service to read its files again (SIGHUP) waits with them, where there is
// one and the process has no terminal whose end it would mean.
void hold_reload_signal();
[[nodiscard]] bool is_reload_signal(int signal);
// Waits for one of them: its number, or 0 when none came in time.
[[nodiscard]] int wait_for_end_signal(std::chrono::milliseconds at_most);
// The end of standard input counts as such a signal, too. What comes before is read and forgotten.
void end_with_input();

// Waits of this thread that end at a time end close to it, rather than with others a little later.
void sharpen_waits();

// A folder of its own for this process, gone with everything in it when this object goes.
class temporary_directory {
public:
    temporary_directory();
    ~temporary_directory();
    temporary_directory(const temporary_directory&) = delete;
    temporary_directory& operator=(const temporary_directory&) = delete;
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

// Another process that runs this same program. It dies with its parent.
class child_process {
public:
    explicit child_process(const std::vector<std::string>& arguments);
    // Kills it if it still runs.
    ~child_process();
    child_process(const child_process&) = delete;
    child_process& operator=(const child_process&) = delete;

    // The next line it prints on its standard output; empty when it has ended or said nothing in time.
    [[nodiscard]] std::string read_line(std::chrono::milliseconds at_most);
    // At once, without a chance to clean up; returns when it is gone.
    void kill();
    // Asks it to end, by the end of its standard input, and returns its exit status: 128 + signal when a signal ended
    // it, -1 when it had to be killed.
    [[nodiscard]] int end(std::chrono::milliseconds at_most);
    [[nodiscard]] bool running();

private:
    struct process;
    std::unique_ptr<process> process_;
};

}  // namespace colloquy::tool
