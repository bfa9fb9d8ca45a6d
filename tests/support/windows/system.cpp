#include "tests/support/system.hpp"

#include <windows.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <stdexcept>

namespace colloquy::test {

namespace {

HANDLE handle_of(std::intptr_t value) { return reinterpret_cast<HANDLE>(value); }
std::intptr_t number_of(HANDLE handle) { return reinterpret_cast<std::intptr_t>(handle); }

constexpr UINT killed = 9'999;

std::string own_program() {
    std::string path(32'768, '\0');
    path.resize(::GetModuleFileNameA(nullptr, path.data(), static_cast<DWORD>(path.size())));
    return path;
}

// Quoted as the C runtime reads it back; nothing here ends in a backslash or holds a quote.
std::string command_line(const std::string& program, const std::vector<std::string>& arguments) {
    std::string line = '"' + program + '"';
    for (const std::string& a : arguments) line += " \"" + a + '"';
    return line;
}

process start(const std::string& program, const std::vector<std::string>& arguments, bool inherit) {
    std::string line = command_line(program, arguments);
    STARTUPINFOA how{};
    how.cb = sizeof how;
    PROCESS_INFORMATION started{};
    if (::CreateProcessA(program.c_str(), line.data(), nullptr, nullptr, inherit ? TRUE : FALSE, CREATE_NO_WINDOW,
                         nullptr, nullptr, &how, &started) == 0)
        return {};
    (void)::CloseHandle(started.hThread);
    return {number_of(started.hProcess), -1, -1};
}

}  // namespace

void set_variable(const char* name, const char* value) {
    if (::_putenv_s(name, value == nullptr ? "" : value) != 0) throw std::runtime_error{name};
}

std::filesystem::path scratch_path(std::string_view stem) {
    static std::atomic<unsigned> count{0};
    return std::filesystem::temp_directory_path() / (std::string{stem} + "-" + std::to_string(::GetCurrentProcessId()) +
                                                     "-" + std::to_string(count.fetch_add(1)));
}

bool wait_ready(clq_host_handle handle, int milliseconds) {
    const DWORD how_long = milliseconds < 0 ? INFINITE : static_cast<DWORD>(milliseconds);
    return ::WaitForSingleObject(handle, how_long) == WAIT_OBJECT_0;
}

event_set::event_set() = default;
event_set::~event_set() = default;
void event_set::add(void* auto_reset_event) {
    if (events_.size() == MAXIMUM_WAIT_OBJECTS) throw std::runtime_error{"too many events"};
    events_.push_back(auto_reset_event);
}
void event_set::wait_any() {
    const auto count = static_cast<DWORD>(events_.size());
    if (::WaitForMultipleObjects(count, events_.data(), FALSE, INFINITE) >= WAIT_OBJECT_0 + count)
        throw std::runtime_error{"WaitForMultipleObjects"};
    for (void* e : events_) (void)::WaitForSingleObject(e, 0);
}

std::string read_line(pipe_end from) {
    std::string line;
    char c = 0;
    DWORD got = 0;
    while (::ReadFile(handle_of(from), &c, 1, &got, nullptr) != 0 && got == 1 && c != '\n') line += c;
    return line;
}
bool write_line(pipe_end to, std::string_view text) {
    const std::string line = std::string{text} + "\n";
    DWORD written = 0;
    return ::WriteFile(handle_of(to), line.data(), static_cast<DWORD>(line.size()), &written, nullptr) != 0 &&
           written == line.size();
}
void close_end(pipe_end end) { (void)::CloseHandle(handle_of(end)); }

process run_program(const std::string& name, const std::vector<std::string>& arguments) {
    return start(name + ".exe", arguments, false);
}

process run_self(const std::vector<std::string>& arguments) {
    SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};
    HANDLE in[2], out[2];
    if (::CreatePipe(&in[0], &in[1], &inherited, 0) == 0 || ::CreatePipe(&out[0], &out[1], &inherited, 0) == 0)
        throw std::runtime_error{"CreatePipe"};
    (void)::SetHandleInformation(in[1], HANDLE_FLAG_INHERIT, 0);
    (void)::SetHandleInformation(out[0], HANDLE_FLAG_INHERIT, 0);
    set_variable("COLLOQUY_HELPER_IN", std::to_string(number_of(in[0])).c_str());
    set_variable("COLLOQUY_HELPER_OUT", std::to_string(number_of(out[1])).c_str());
    std::vector<std::string> quiet = arguments;
    quiet.emplace_back("-o=NUL");
    process p = start(own_program(), quiet, true);
    set_variable("COLLOQUY_HELPER_IN", nullptr);
    set_variable("COLLOQUY_HELPER_OUT", nullptr);
    (void)::CloseHandle(in[0]);
    (void)::CloseHandle(out[1]);
    if (p.handle == 0) throw std::runtime_error{"CreateProcess"};
    p.to = number_of(in[1]);
    p.from = number_of(out[0]);
    return p;
}

void kill_process(const process& p) { (void)::TerminateProcess(handle_of(p.handle), killed); }
int wait_process(process& p) {
    (void)::WaitForSingleObject(handle_of(p.handle), INFINITE);
    DWORD code = killed;
    (void)::GetExitCodeProcess(handle_of(p.handle), &code);
    (void)::CloseHandle(handle_of(p.handle));
    p.handle = 0;
    return code == killed ? -1 : static_cast<int>(code);
}

}  // namespace colloquy::test
