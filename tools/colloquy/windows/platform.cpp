// The Windows side of platform.hpp.
#include "tools/colloquy/platform.hpp"

#include <windows.h>

#include <array>
#include <atomic>
#include <csignal>
#include <system_error>
#include <thread>
#include <utility>

#include "tools/colloquy/report.hpp"

namespace colloquy::tool {

using std::chrono::milliseconds;

namespace {

[[noreturn]] void fail(const std::string& what) {
    throw failure{what + ": " + std::system_category().message(static_cast<int>(::GetLastError()))};
}

class handle {
public:
    handle() = default;
    explicit handle(HANDLE h) noexcept : handle_{h == INVALID_HANDLE_VALUE ? nullptr : h} {}
    handle(handle&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    handle& operator=(handle&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~handle() { close(); }
    [[nodiscard]] HANDLE get() const noexcept { return handle_; }
    [[nodiscard]] explicit operator bool() const noexcept { return handle_ != nullptr; }
    void close() noexcept {
        if (handle_ != nullptr) (void)::CloseHandle(std::exchange(handle_, nullptr));
    }

private:
    HANDLE handle_ = nullptr;
};

// The signal that was not asked for yet: the event says that there is one, the number says which.
std::atomic<int> end_signal{0};
HANDLE end_event() {
    static const HANDLE event = ::CreateEventW(nullptr, FALSE, FALSE, nullptr);
    return event;
}

void raise_end(int signal) {
    end_signal.store(signal, std::memory_order_relaxed);
    (void)::SetEvent(end_event());
}

BOOL WINAPI on_console_event(DWORD event) {
    if (event == CTRL_C_EVENT || event == CTRL_BREAK_EVENT) {
        raise_end(SIGINT);
        return TRUE;
    }
    raise_end(SIGTERM);
    // The process is ended when this returns: it is given the time that Windows gives it.
    ::Sleep(INFINITE);
    return TRUE;
}

[[nodiscard]] std::wstring widened(const std::string& narrow) {
    if (narrow.empty()) return {};
    const auto size = static_cast<int>(narrow.size());
    std::wstring wide(static_cast<std::size_t>(::MultiByteToWideChar(CP_ACP, 0, narrow.data(), size, nullptr, 0)),
                      L'\0');
    (void)::MultiByteToWideChar(CP_ACP, 0, narrow.data(), size, wide.data(), static_cast<int>(wide.size()));
    return wide;
}

[[nodiscard]] std::wstring own_program() {
    std::wstring path(32'768, L'\0');
    path.resize(::GetModuleFileNameW(nullptr, path.data(), static_cast<DWORD>(path.size())));
    return path;
}

// One word of a command line, as the C runtime reads it back.
[[nodiscard]] std::wstring quoted(const std::wstring& word) {
    std::wstring out = L"\"";
    std::size_t backslashes = 0;
    for (const wchar_t c : word) {
        if (c == L'"') out.append(backslashes + 1, L'\\');
        backslashes = c == L'\\' ? backslashes + 1 : 0;
        out += c;
    }
    return out.append(backslashes, L'\\') + L'"';
}

[[nodiscard]] DWORD wait_time(milliseconds at_most) {
    return at_most.count() >= INFINITE ? INFINITE - 1 : static_cast<DWORD>(at_most.count());
}

}  // namespace

bool standard_error_is_terminal() {
    // One that understands how a line is erased, which consoles learned with Windows 10.
    const HANDLE console = ::GetStdHandle(STD_ERROR_HANDLE);
    DWORD mode = 0;
    return ::GetConsoleMode(console, &mode) != 0 &&
           ::SetConsoleMode(console, mode | ENABLE_VIRTUAL_TERMINAL_PROCESSING) != 0;
}

bool standard_input_is_terminal() {
    DWORD mode = 0;
    return ::GetConsoleMode(::GetStdHandle(STD_INPUT_HANDLE), &mode) != 0;
}

std::string read_secret(const std::string& question) {
    const HANDLE input = ::GetStdHandle(STD_INPUT_HANDLE);
    DWORD shown = 0;
    const bool terminal = ::GetConsoleMode(input, &shown) != 0;
    DWORD n = 0;
    if (terminal) {
        (void)::SetConsoleMode(input, shown & ~static_cast<DWORD>(ENABLE_ECHO_INPUT));
        (void)::WriteFile(::GetStdHandle(STD_ERROR_HANDLE), question.data(), static_cast<DWORD>(question.size()), &n,
                          nullptr);
    }
    std::string line;
    constexpr std::size_t size_max = 256;
    line.reserve(size_max);  // in one place, for the caller to overwrite
    char c = 0;
    while (line.size() < size_max && ::ReadFile(input, &c, 1, &n, nullptr) != 0 && n == 1 && c != '\n')
        if (c != '\r') line += c;
    if (terminal) {
        (void)::SetConsoleMode(input, shown);
        (void)::WriteFile(::GetStdHandle(STD_ERROR_HANDLE), "\r\n", 2, &n, nullptr);
    }
    return line;
}

void hold_reload_signal() {}
bool is_reload_signal(int) { return false; }

void sharpen_waits() {}  // the system's clock ticks for all alike

void hold_end_signals() {
    (void)end_event();
    // Also when whoever started this process had switched Ctrl-C off for its children.
    (void)::SetConsoleCtrlHandler(nullptr, FALSE);
    (void)::SetConsoleCtrlHandler(&on_console_event, TRUE);
}

int wait_for_end_signal(milliseconds at_most) {
    return ::WaitForSingleObject(end_event(), wait_time(at_most)) == WAIT_OBJECT_0
               ? end_signal.load(std::memory_order_relaxed)
               : 0;
}

void end_with_input() {
    std::thread{[] {
        const HANDLE input = ::GetStdHandle(STD_INPUT_HANDLE);
        std::array<char, 256> ignored{};
        DWORD n = 0;
        while (::ReadFile(input, ignored.data(), static_cast<DWORD>(ignored.size()), &n, nullptr) != 0 && n != 0) {
        }
        raise_end(SIGTERM);
    }}.detach();
}

temporary_directory::temporary_directory() {
    const std::filesystem::path all = std::filesystem::temp_directory_path();
    const std::string stem = "colloquy-" + std::to_string(::GetCurrentProcessId()) + "-";
    // A process of this number may have left its folder behind.
    for (unsigned n = 0; n < 1'000; ++n) {
        path_ = all / (stem + std::to_string(n));
        if (::CreateDirectoryW(path_.c_str(), nullptr) != 0) return;
        if (::GetLastError() != ERROR_ALREADY_EXISTS) break;
    }
    fail("cannot create a temporary directory " + path_.string());
}

temporary_directory::~temporary_directory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

struct child_process::process {
    [[nodiscard]] bool gone_within(milliseconds at_most) const {
        return ::WaitForSingleObject(child.get(), wait_time(at_most)) == WAIT_OBJECT_0;
    }

    handle child;
    handle job;     // whose end is the end of the child
    handle input;   // we write, it reads
    handle output;  // it writes, we read, overlapped
    handle readable;
    std::string unread;
};

child_process::child_process(const std::vector<std::string>& arguments) : process_{std::make_unique<process>()} {
    process& p = *process_;
    SECURITY_ATTRIBUTES inherited{sizeof inherited, nullptr, TRUE};

    HANDLE ends[2]{};
    if (::CreatePipe(&ends[0], &ends[1], &inherited, 0) == 0) fail("cannot create a pipe");
    const handle its_input{ends[0]};
    p.input = handle{ends[1]};
    (void)::SetHandleInformation(p.input.get(), HANDLE_FLAG_INHERIT, 0);

    // Reading with a limit of time takes a pipe that has a name.
    static std::atomic<unsigned> count{0};
    const std::wstring name = L"\\\\.\\pipe\\colloquy-" + std::to_wstring(::GetCurrentProcessId()) + L"-" +
                              std::to_wstring(count.fetch_add(1, std::memory_order_relaxed));
    p.output = handle{::CreateNamedPipeW(
        name.c_str(), PIPE_ACCESS_INBOUND | FILE_FLAG_OVERLAPPED | FILE_FLAG_FIRST_PIPE_INSTANCE,
        PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS, 1, 4096, 4096, 0, nullptr)};
    if (!p.output) fail("cannot create a pipe");
    const handle its_output{::CreateFileW(name.c_str(), GENERIC_WRITE, 0, &inherited, OPEN_EXISTING, 0, nullptr)};
    if (!its_output) fail("cannot open a pipe");
    p.readable = handle{::CreateEventW(nullptr, TRUE, FALSE, nullptr)};
    if (!p.readable) fail("cannot create an event");

    // Our standard error is the child's, where there is one.
    HANDLE copy = nullptr;
    (void)::DuplicateHandle(::GetCurrentProcess(), ::GetStdHandle(STD_ERROR_HANDLE), ::GetCurrentProcess(), &copy, 0,
                            TRUE, DUPLICATE_SAME_ACCESS);
    const handle its_error{copy};

    p.job = handle{::CreateJobObjectW(nullptr, nullptr)};
    JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits{};
    limits.BasicLimitInformation.LimitFlags = JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE;
    if (!p.job ||
        ::SetInformationJobObject(p.job.get(), JobObjectExtendedLimitInformation, &limits, sizeof limits) == 0)
        fail("cannot create a job");

    const std::wstring program = own_program();
    std::wstring line = quoted(program);
    for (const std::string& word : arguments) line += L" " + quoted(widened(word));
    STARTUPINFOW how{};
    how.cb = sizeof how;
    how.dwFlags = STARTF_USESTDHANDLES;
    how.hStdInput = its_input.get();
    how.hStdOutput = its_output.get();
    how.hStdError = its_error.get();
    PROCESS_INFORMATION started{};
    // In a group of its own, so that a Ctrl-C meant for us is ours to pass on.
    if (::CreateProcessW(program.c_str(), line.data(), nullptr, nullptr, TRUE,
                         CREATE_SUSPENDED | CREATE_NEW_PROCESS_GROUP, nullptr, nullptr, &how, &started) == 0)
        fail("cannot start a process");
    p.child = handle{started.hProcess};
    const handle thread{started.hThread};
    if (::AssignProcessToJobObject(p.job.get(), p.child.get()) == 0) {
        const DWORD why = ::GetLastError();
        (void)::TerminateProcess(p.child.get(), 1);
        ::SetLastError(why);
        fail("cannot put a process into a job");
    }
    (void)::ResumeThread(thread.get());
}

child_process::~child_process() { kill(); }

std::string child_process::read_line(milliseconds at_most) {
    process& p = *process_;
    const auto limit = std::chrono::steady_clock::now() + at_most;
    for (;;) {
        if (const auto end = p.unread.find('\n'); end != std::string::npos) {
            std::string line = p.unread.substr(0, end);
            p.unread.erase(0, end + 1);
            if (!line.empty() && line.back() == '\r') line.pop_back();
            return line;
        }
        const auto left = std::chrono::duration_cast<milliseconds>(limit - std::chrono::steady_clock::now());
        if (left.count() <= 0) return {};
        std::array<char, 4096> bytes{};
        OVERLAPPED reading{};
        reading.hEvent = p.readable.get();
        if (::ReadFile(p.output.get(), bytes.data(), static_cast<DWORD>(bytes.size()), nullptr, &reading) == 0) {
            if (::GetLastError() != ERROR_IO_PENDING) return {};
            if (::WaitForSingleObject(p.readable.get(), wait_time(left)) != WAIT_OBJECT_0)
                (void)::CancelIoEx(p.output.get(), &reading);
        }
        // What came while it was being cancelled is not lost either.
        DWORD n = 0;
        if (::GetOverlappedResult(p.output.get(), &reading, &n, TRUE) == 0 || n == 0) return {};
        p.unread.append(bytes.data(), n);
    }
}

void child_process::kill() {
    if (process_->gone_within(milliseconds{0})) return;
    (void)::TerminateJobObject(process_->job.get(), 1);
    (void)process_->gone_within(std::chrono::seconds{30});
}

int child_process::end(milliseconds at_most) {
    process_->input.close();
    if (!process_->gone_within(at_most)) {
        kill();
        return -1;
    }
    DWORD code = 0;
    (void)::GetExitCodeProcess(process_->child.get(), &code);
    return static_cast<int>(code);
}

bool child_process::running() { return !process_->gone_within(milliseconds{0}); }

}  // namespace colloquy::tool
