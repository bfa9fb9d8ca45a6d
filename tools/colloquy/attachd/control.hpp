// control: the Unix socket over which a running manager is asked how it is, told to read its configuration again, and
// asked by a successor for its sockets.
//
// A request is one line; the answer is one line, a JSON object, with descriptors beside it where there are any. Only
// root and the manager's own user are heard.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace colloquy::tool {

// One end of a connection. Owns its descriptor.
class control_connection {
public:
    explicit control_connection(int descriptor) noexcept : descriptor_{descriptor} {}
    ~control_connection();
    control_connection(control_connection&& other) noexcept;
    control_connection& operator=(control_connection&&) = delete;

    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }
    // A line that has come, without its end. Does not wait. `closed` says that none will come any more: the other side
    // has gone, or writes what is no request.
    [[nodiscard]] std::optional<std::string> read_line(bool& closed);
    // The descriptors that came with what was read; the caller's now.
    [[nodiscard]] std::vector<int> take_descriptors() { return std::exchange(descriptors_, {}); }
    // Adds the end. The descriptors stay the caller's. Waits until the other side has taken it, but not for long.
    // False: it has not.
    bool write_line(std::string_view line, const std::vector<int>& descriptors = {});

private:
    static constexpr std::size_t line_max = std::size_t{1} << 22;

    int descriptor_;
    std::string unread_;
    std::vector<int> descriptors_;
};

// A listening socket at `path`; one that a dead manager has left is replaced. -1, with one line in `error`, when
// somebody listens there, or it cannot be.
[[nodiscard]] int listen_for_control(const std::string& path, std::string& error);

// The next connection whose other side may ask; nothing when there is none.
[[nodiscard]] std::optional<control_connection> accept_control(int listener);

// Nothing, with one line in `error`, when nobody listens at `path`.
[[nodiscard]] std::optional<control_connection> connect_control(const std::string& path, std::string& error);

// Waits for the answer's line; nothing, with one line in `error`, when the other side went or said nothing in time.
[[nodiscard]] std::optional<std::string> await_line(control_connection& from, std::chrono::milliseconds at_most,
                                                    std::string& error);

}  // namespace colloquy::tool
