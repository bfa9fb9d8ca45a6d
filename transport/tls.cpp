// TLS 1.3 by OpenSSL, or the one line that says it is not here.
#include "transport/tls.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#if defined(COLLOQUY_WITH_TLS)

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace colloquy::transport {

namespace {

// 200000 + what X509_verify_cert said; 210000 + the number of the alert the partner sent; the rest has names.
constexpr int error_certificate = 200'000;
constexpr int error_alert = 210'000;
constexpr int error_protocol = 220'000;  // not TLS 1.3, or not ours within it
constexpr int error_memory = 220'001;

constexpr std::array<unsigned char, 11> protocol_name{10, 'c', 'o', 'l', 'l', 'o', 'q', 'u', 'y', '/', '1'};
constexpr std::string_view unit_prefix = "colloquy:";

template <auto Free>
struct freer {
    template <class T>
    void operator()(T* p) const noexcept {
        Free(p);
    }
};
using ctx_ptr = std::unique_ptr<SSL_CTX, freer<SSL_CTX_free>>;
using ssl_ptr = std::unique_ptr<SSL, freer<SSL_free>>;
using session_ptr = std::unique_ptr<SSL_SESSION, freer<SSL_SESSION_free>>;
using certificate_ptr = std::unique_ptr<X509, freer<X509_free>>;
using names_ptr = std::unique_ptr<GENERAL_NAMES, freer<GENERAL_NAMES_free>>;

// What OpenSSL complains of first, in a few words; its queue is empty afterwards.
std::string complaint() {
    const unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char* const reason = code == 0 ? nullptr : ERR_reason_error_string(code);
    return reason == nullptr ? "it cannot be read" : reason;
}

// A session carries the certificate of the partner on, whose time may be over.
bool expired(const SSL_SESSION& s) noexcept {
    X509* const peer = SSL_SESSION_get0_peer(const_cast<SSL_SESSION*>(&s));
    return peer != nullptr && X509_cmp_current_time(X509_get0_notAfter(peer)) < 0;
}

// The sessions that partners gave us, one an address.
class session_cache {
public:
    void keep(const std::string& where, SSL_SESSION* s) {
        const std::lock_guard held{mutex_};
        constexpr std::size_t most = 1'024;
        if (sessions_.size() >= most && sessions_.find(where) == sessions_.end()) sessions_.erase(sessions_.begin());
        sessions_[where].reset(s);
    }
    [[nodiscard]] session_ptr take(const std::string& where) {
        const std::lock_guard held{mutex_};
        const auto at = sessions_.find(where);
        if (at == sessions_.end()) return {};
        // It stays for those who call at the same time; one that the partner does not know any more costs nothing.
        SSL_SESSION_up_ref(at->second.get());
        return session_ptr{at->second.get()};
    }

private:
    std::mutex mutex_;
    std::map<std::string, session_ptr> sessions_;
};

// Certificates as they were read at one time.
struct generation {
    ctx_ptr answering;
    ctx_ptr calling;
    session_cache sessions;
};

class filter final : public byte_filter {
public:
    filter(std::shared_ptr<generation> with, const endpoint* called);

    std::size_t take(std::span<std::byte> where) noexcept override {
        if (stage_ == stage::opening && !shake()) return 0;
        if (stage_ != stage::open || where.empty()) return 0;
        std::size_t got = 0;
        ERR_clear_error();
        if (SSL_read_ex(ssl_.get(), where.data(), where.size(), &got) == 1) return got;
        const int what = SSL_get_error(ssl_.get(), 0);
        if (what == SSL_ERROR_ZERO_RETURN)
            stage_ = stage::ended;
        else if (what != SSL_ERROR_WANT_READ)
            fail();
        return 0;
    }

    void give(std::span<const std::byte> plain) noexcept override {
        std::size_t taken = 0;
        ERR_clear_error();
        if (!plain.empty() && stage_ == stage::open &&
            SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &taken) != 1)
            fail();
    }

    void close() noexcept override {
        ERR_clear_error();
        if (stage_ == stage::open || stage_ == stage::ended) (void)SSL_shutdown(ssl_.get());
        ERR_clear_error();
    }

    bool proven() const noexcept override { return peer_ != nullptr; }
    bool resumed() const noexcept override { return SSL_session_reused(ssl_.get()) == 1; }

    bool names_units() const noexcept override { return any_unit({}); }
    bool names_unit(std::string_view lu_name) const noexcept override { return !lu_name.empty() && any_unit(lu_name); }
    bool names_host(const std::string& host) const noexcept override {
        if (peer_ == nullptr || host.empty()) return false;
        constexpr unsigned flags = X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;
        return X509_check_ip_asc(peer_.get(), host.c_str(), 0) == 1 ||
               X509_check_host(peer_.get(), host.data(), host.size(), flags, nullptr) == 1;
    }

    // --- for the callbacks of OpenSSL
    [[nodiscard]] const std::string& called() const noexcept { return called_; }
    [[nodiscard]] generation& with() const noexcept { return *with_; }
    int read(char* where, int size) noexcept {
        const std::size_t n = std::min(static_cast<std::size_t>(size), input_.size());
        if (n == 0) return -1;
        std::memcpy(where, input_.data(), n);
        input_ = input_.subspan(n);
        return static_cast<int>(n);
    }
    int write(const char* from, int size) noexcept {
        try {
            const auto* const bytes = reinterpret_cast<const std::byte*>(from);
            output_.insert(output_.end(), bytes, bytes + size);
            return size;
        } catch (const std::bad_alloc&) {
            error_ = error_memory;
            return -1;
        }
    }

private:
    // True: it is open now.
    bool shake() noexcept {
        ERR_clear_error();
        const int done = SSL_do_handshake(ssl_.get());
        if (done != 1) {
            if (SSL_get_error(ssl_.get(), done) != SSL_ERROR_WANT_READ) fail();
            return false;
        }
        const unsigned char* name = nullptr;
        unsigned size = 0;
        SSL_get0_alpn_selected(ssl_.get(), &name, &size);
        if (size + 1 != protocol_name.size() || std::memcmp(name, &protocol_name[1], size) != 0) {
            error_ = error_protocol;
            stage_ = stage::failed;
            return false;
        }
        peer_.reset(SSL_get_peer_certificate(ssl_.get()));
        stage_ = stage::open;
        return true;
    }

    // What has gone wrong, as exactly as it is known. The alert that tells the partner is in the output.
    void fail() noexcept {
        stage_ = stage::failed;
        if (error_ != 0) return;
        error_ = error_protocol;
        const long verdict = SSL_get_verify_result(ssl_.get());
        const unsigned long first = ERR_peek_error();
        const int alert = ERR_GET_REASON(first) - SSL_AD_REASON_OFFSET;
        constexpr int alert_max = 255;
        if (verdict != X509_V_OK)
            error_ = error_certificate + static_cast<int>(verdict);
        else if (ERR_GET_LIB(first) == ERR_LIB_SSL && alert >= 0 && alert <= alert_max)
            error_ = error_alert + alert;
        ERR_clear_error();
    }

    // A name of a logical unit in the certificate: this one, or any when there is none to look for.
    [[nodiscard]] bool any_unit(std::string_view lu_name) const noexcept {
        if (peer_ == nullptr) return false;
        const names_ptr names{
            static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(peer_.get(), NID_subject_alt_name, nullptr, nullptr))};
        const int count = names == nullptr ? 0 : sk_GENERAL_NAME_num(names.get());
        for (int i = 0; i < count; ++i) {
            const GENERAL_NAME* const one = sk_GENERAL_NAME_value(names.get(), i);
            if (one->type != GEN_URI) continue;
            const std::string_view uri{
                reinterpret_cast<const char*>(ASN1_STRING_get0_data(one->d.uniformResourceIdentifier)),
                static_cast<std::size_t>(ASN1_STRING_length(one->d.uniformResourceIdentifier))};
            if (!uri.starts_with(unit_prefix)) continue;
            if (lu_name.empty() || uri.substr(unit_prefix.size()) == lu_name) return true;
        }
        return false;
    }

    std::shared_ptr<generation> with_;  // before what is made of it
    ssl_ptr ssl_;
    std::string called_;  // where; empty: we were called
    certificate_ptr peer_;
};

// ---- the bytes below OpenSSL ----------------------------------------------------------------------------------------

int bio_read(BIO* b, char* where, int size) {
    BIO_clear_retry_flags(b);
    const int n = static_cast<filter*>(BIO_get_data(b))->read(where, size);
    if (n < 0) BIO_set_retry_read(b);
    return n;
}
int bio_write(BIO* b, const char* from, int size) {
    BIO_clear_retry_flags(b);
    return static_cast<filter*>(BIO_get_data(b))->write(from, size);
}
long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }
int bio_create(BIO* b) {
    BIO_set_init(b, 1);
    return 1;
}

BIO_METHOD* bio_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* const m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "colloquy link");
        if (m == nullptr) return m;
        (void)BIO_meth_set_read(m, &bio_read);
        (void)BIO_meth_set_write(m, &bio_write);
        (void)BIO_meth_set_ctrl(m, &bio_control);
        (void)BIO_meth_set_create(m, &bio_create);
        return m;
    }();
    return method;
}

filter::filter(std::shared_ptr<generation> with, const endpoint* called) : with_{std::move(with)} {
    ssl_.reset(SSL_new(called == nullptr ? with_->answering.get() : with_->calling.get()));
    BIO* const bytes = bio_method() == nullptr ? nullptr : BIO_new(bio_method());
    if (ssl_ == nullptr || bytes == nullptr) {
        BIO_free(bytes);
        throw std::bad_alloc{};
    }
    BIO_set_data(bytes, this);
    SSL_set_bio(ssl_.get(), bytes, bytes);
    SSL_set_app_data(ssl_.get(), this);
    if (called == nullptr) {
        SSL_set_accept_state(ssl_.get());
        return;
    }
    called_ = format_endpoint(*called);
    SSL_set_connect_state(ssl_.get());
    address numeric;
    if (!address::parse_numeric(called->host, called->port, numeric))
        // What the macro for it does, without its old-style casts.
        (void)SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                       const_cast<char*>(called->host.c_str()));
    if (const session_ptr last = with_->sessions.take(called_); last != nullptr && !expired(*last))
        (void)SSL_set_session(ssl_.get(), last.get());
    (void)shake();  // the first words are ours
}

// ---- certificates ---------------------------------------------------------------------------------------------------

int choose_protocol(SSL*, const unsigned char** out, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, size, protocol_name.data(), protocol_name.size(), offered, offered_size) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

SSL_TICKET_RETURN look_at_ticket(SSL*, SSL_SESSION* s, const unsigned char*, std::size_t, SSL_TICKET_STATUS status,
                                 void*) {
    const bool good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    return good && s != nullptr && !expired(*s) ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
}

int keep_session(SSL* ssl, SSL_SESSION* s) {
    const auto* const f = static_cast<filter*>(SSL_get_app_data(ssl));
    try {
        f->with().sessions.keep(f->called(), s);
        return 1;  // it is ours now
    } catch (const std::bad_alloc&) {
        return 0;
    }
}

// What both sides have in common. Null with `error`.
ctx_ptr make_context(const SSL_METHOD* method, const tls_settings& s, std::string& error) {
    ctx_ptr made{SSL_CTX_new(method)};
    if (made == nullptr) throw std::bad_alloc{};
    SSL_CTX* const c = made.get();
    (void)SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
    (void)SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION);
    (void)SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_options(c, SSL_OP_CLEANSE_PLAINTEXT);
    ERR_clear_error();
    const auto fail = [&](const std::string& file) {
        error = file + ": " + complaint();
        return ctx_ptr{};
    };
    if (!s.certificate.empty()) {
        if (SSL_CTX_use_certificate_chain_file(c, s.certificate.c_str()) != 1) return fail(s.certificate);
        const std::string& key = s.key.empty() ? s.certificate : s.key;
        if (SSL_CTX_use_PrivateKey_file(c, key.c_str(), SSL_FILETYPE_PEM) != 1) {
            const bool of_another = ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
            (void)fail(key);
            if (of_another) error = key + ": this is not the key of the certificate " + s.certificate;
            return {};
        }
    }
    if (!s.trust.empty() && SSL_CTX_load_verify_locations(c, s.trust.c_str(), nullptr) != 1) return fail(s.trust);
    return made;
}

std::shared_ptr<generation> read_files(const tls_settings& s, std::string& error) {
    auto made = std::make_shared<generation>();
    if (!s.certificate.empty()) {
        made->answering = make_context(TLS_server_method(), s, error);
        if (made->answering == nullptr) return nullptr;
        SSL_CTX* const c = made->answering.get();
        SSL_CTX_set_alpn_select_cb(c, &choose_protocol, nullptr);
        // Tickets carry all there is to know, under a key that goes with these certificates.
        (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
        (void)SSL_CTX_set_num_tickets(c, 1);
        (void)SSL_CTX_set_session_ticket_cb(c, nullptr, &look_at_ticket, nullptr);
        (void)SSL_CTX_set_session_id_context(c, protocol_name.data(), protocol_name.size());
        if (s.client_certificates) {
            SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
            SSL_CTX_set_client_CA_list(c, SSL_load_client_CA_file(s.trust.c_str()));
        }
    }
    if (!s.trust.empty()) {
        made->calling = make_context(TLS_client_method(), s, error);
        if (made->calling == nullptr) return nullptr;
        SSL_CTX* const c = made->calling.get();
        (void)SSL_CTX_set_alpn_protos(c, protocol_name.data(), protocol_name.size());
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, nullptr);
        (void)SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
        SSL_CTX_sess_set_new_cb(c, &keep_session);
    }
    return made;
}

class context final : public tls_context {
public:
    context(const tls_settings& wanted, std::shared_ptr<generation> first)
        : settings_{wanted}, now_{std::move(first)} {}

    bool reload(std::string& error) override {
        std::shared_ptr<generation> fresh = read_files(settings_, error);
        if (fresh == nullptr) return false;
        const std::lock_guard held{mutex_};
        now_ = std::move(fresh);
        return true;
    }
    std::unique_ptr<byte_filter> accept() noexcept override { return make(nullptr); }
    std::unique_ptr<byte_filter> connect(const endpoint& where) noexcept override { return make(&where); }

private:
    [[nodiscard]] std::unique_ptr<byte_filter> make(const endpoint* called) noexcept {
        try {
            std::shared_ptr<generation> with;
            {
                const std::lock_guard held{mutex_};
                with = now_;
            }
            if ((called == nullptr ? with->answering : with->calling) == nullptr) return nullptr;
            return std::make_unique<filter>(std::move(with), called);
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
    }

    const tls_settings settings_;
    std::mutex mutex_;
    std::shared_ptr<generation> now_;
};

}  // namespace

bool tls_context::available() noexcept { return true; }

std::unique_ptr<tls_context> tls_context::make(const tls_settings& wanted, std::string& error) {
    std::shared_ptr<generation> first = read_files(wanted, error);
    return first == nullptr ? nullptr : std::make_unique<context>(wanted, std::move(first));
}

std::string tls_error_text(int error) {
    if (error == error_memory) return "TLS: out of memory";
    if (error >= error_protocol) return "TLS: the other end does not speak TLS 1.3 as links do";
    if (error >= error_alert) {
        const char* const alert = SSL_alert_desc_string_long(error - error_alert);
        return std::string{"TLS: the other end refused the handshake: "} + alert;
    }
    return std::string{"TLS: the partner's certificate: "} + X509_verify_cert_error_string(error - error_certificate);
}

}  // namespace colloquy::transport

#else

namespace colloquy::transport {

bool tls_context::available() noexcept { return false; }

std::unique_ptr<tls_context> tls_context::make(const tls_settings&, std::string& error) {
    error = "this library was built without TLS (OpenSSL was not found)";
    return nullptr;
}

std::string tls_error_text(int) { return "TLS"; }

}  // namespace colloquy::transport

#endif
