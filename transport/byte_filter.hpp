// byte_filter: what stands between a link's session and its connection and changes every byte: TLS.
//
// Bytes in, bytes out; it does no I/O, knows no time and is touched by the link's driver alone. Its memory is bounded
// by what one write of the session becomes and by one record of the partner's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace colloquy::transport {

class byte_filter {
public:
    enum class stage : std::uint8_t {
        opening,  // the handshake is under way: nothing of the session leaves yet
        open,
        ended,   // the partner has said that nothing more comes
        failed,  // error() says why
    };

    byte_filter() noexcept = default;
    byte_filter(const byte_filter&) = delete;
    byte_filter& operator=(const byte_filter&) = delete;
    virtual ~byte_filter() = default;

    [[nodiscard]] stage at() const noexcept { return stage_; }
    // For error_text().
    [[nodiscard]] int error() const noexcept { return error_; }
    // What is to be written, in order; the driver takes it away.
    [[nodiscard]] std::vector<std::byte>& output() noexcept { return output_; }

    // What came from the connection: stays where it is until take() has answered 0, or drop_input().
    void received(std::span<const std::byte> raw) noexcept { input_ = raw; }
    void drop_input() noexcept { input_ = {}; }
    // The session's share of it. 0: that was all, or it is no longer open.
    [[nodiscard]] virtual std::size_t take(std::span<std::byte> where) noexcept = 0;
    // The session's output, while it is open.
    virtual void give(std::span<const std::byte> plain) noexcept = 0;
    // Nothing more comes from us.
    virtual void close() noexcept = 0;

    // --- who the partner is, once it is open ---
    // It has shown a certificate that somebody we trust has signed.
    [[nodiscard]] virtual bool proven() const noexcept = 0;
    // The handshake was shortened by what an earlier one had settled.
    [[nodiscard]] virtual bool resumed() const noexcept = 0;
    // The certificate names logical units at all (URI colloquy:NET.LU), this one, or this host (DNS or IP).
    [[nodiscard]] virtual bool names_units() const noexcept = 0;
    [[nodiscard]] virtual bool names_unit(std::string_view lu_name) const noexcept = 0;
    [[nodiscard]] virtual bool names_host(const std::string& host) const noexcept = 0;

protected:
    stage stage_ = stage::opening;
    int error_ = 0;
    std::span<const std::byte> input_;
    std::vector<std::byte> output_;
};

}  // namespace colloquy::transport
