// tls: TLS 1.3 as a byte_filter, and the certificates that it is made with.
//
// Certificates and keys are read when the context is made and when it is told to read them again; links that are open
// keep what they began with. Calling links resume the session that the partner's address gave them last.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "transport/address.hpp"
#include "transport/byte_filter.hpp"

namespace colloquy::transport {

struct tls_settings {
    std::string certificate;           // PEM, the chain behind it; empty: nobody can be answered by TLS
    std::string key;                   // PEM; empty: it stands beside the certificate
    std::string trust;                 // PEM, whose signatures count; empty: nobody can be called by TLS
    bool client_certificates = false;  // who calls shows one, too
};

class tls_context {
public:
    // Null with one line in `error`: the files will not do, or this library was built without TLS.
    [[nodiscard]] static std::unique_ptr<tls_context> make(const tls_settings& wanted, std::string& error);
    [[nodiscard]] static bool available() noexcept;

    tls_context() noexcept = default;
    tls_context(const tls_context&) = delete;
    tls_context& operator=(const tls_context&) = delete;
    virtual ~tls_context() = default;

    // Any thread. False with one line: nothing has changed.
    [[nodiscard]] virtual bool reload(std::string& error) = 0;
    // Any driver. Null: no memory. The context outlives its filters.
    [[nodiscard]] virtual std::unique_ptr<byte_filter> accept() noexcept = 0;
    [[nodiscard]] virtual std::unique_ptr<byte_filter> connect(const endpoint& where) noexcept = 0;
};

// Errors of a filter are numbers from here on; error_text() words them.
inline constexpr int tls_error_first = 200'000;
inline constexpr int tls_error_last = 299'999;
[[nodiscard]] std::string tls_error_text(int error);

}  // namespace colloquy::transport
