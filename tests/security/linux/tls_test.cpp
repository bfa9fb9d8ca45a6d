// Encrypted links: what is carried over them, whose certificate is taken for whose, what strangers meet who break the
// rules, and certificates that are replaced while links are open.
#if defined(COLLOQUY_TEST_WITH_TLS)

#include <doctest/doctest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "api/colloquy/security.h"
#include "api/config.hpp"
#include "api/logical_unit.hpp"
#include "runtime/wire/hello.hpp"
#include "tests/api/program.hpp"
#include "tests/security/linux/authority.hpp"
#include "tests/security/linux/log_lines.hpp"

namespace {

using namespace colloquy::test;

std::string tls_section(const certificate_files& own, const std::string& trust, bool mutual) {
    return "[tls]\ncertificate = \"" + own.certificate + "\"\nkey = \"" + own.key + "\"\ntrust = \"" + trust +
           "\"\nclient_certificates = \"" + (mutual ? "required" : "none") + "\"\n";
}

std::string unit_text(const std::string& name, const std::string& tls, const std::string& more = {}) {
    return "lu_name = \"" + name + "\"\nlisten = [\"tls:127.0.0.1:0\"]\n[limits]\nconversations = 64\nlinks = 32\n" +
           tls + more;
}

constexpr const char* vault = "[[tp]]\nname = \"VAULT\"\n";

// A record there and one back, on a conversation of its own, with ourselves.
void round_trip(const std::string& where, collector& all) {
    talk a, b;
    a.begin(where);
    REQUIRE(a.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
    CHECK(a.send("question", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
    b.accept(all);
    b.hear("question", CM_SEND_RECEIVED);
    CHECK(b.send("answer") == CM_OK);
    CHECK(b.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
    CHECK(a.receive().text == "answer");
    if (a.state() > 0) CHECK(a.receive().code == CM_DEALLOCATED_NORMAL);
}

// What Allocate answers, and why.
std::pair<CM_INT32, std::string> call_of(const std::string& where) {
    talk a;
    a.prepare(where);
    const CM_INT32 code = a.allocate();
    std::string why = clq_last_error();
    (void)a.cancel();
    return {code, why};
}

// A partner that speaks TLS by itself, or something else.
class stranger {
public:
    explicit stranger(const std::string& address) {
        const auto port = static_cast<std::uint16_t>(std::stoul(address.substr(address.rfind(':') + 1)));
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    }
    ~stranger() {
        SSL_free(ssl_);
        SSL_CTX_free(context_);
        ::close(fd_);
    }
    stranger(const stranger&) = delete;
    stranger& operator=(const stranger&) = delete;

    void raw(std::string_view bytes) { CHECK(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) > 0); }
    // Until the other end has closed; what came is thrown away.
    void wait_for_end() {
        char bytes[512];
        while (::recv(fd_, bytes, sizeof bytes, 0) > 0) {
        }
    }
    struct manners {
        int version = TLS1_3_VERSION;
        std::string protocol = "colloquy/1";
        const certificate_files* own = nullptr;
    };
    // True: the handshake was finished, as far as this end can tell.
    bool shake(const manners& m) {
        context_ = SSL_CTX_new(TLS_client_method());
        (void)SSL_CTX_set_min_proto_version(context_, m.version);
        (void)SSL_CTX_set_max_proto_version(context_, m.version);
        if (m.own != nullptr) {
            REQUIRE(SSL_CTX_use_certificate_file(context_, m.own->certificate.c_str(), SSL_FILETYPE_PEM) == 1);
            REQUIRE(SSL_CTX_use_PrivateKey_file(context_, m.own->key.c_str(), SSL_FILETYPE_PEM) == 1);
        }
        ssl_ = SSL_new(context_);
        const std::string protocols = static_cast<char>(m.protocol.size()) + m.protocol;
        (void)SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(protocols.data()),
                                  static_cast<unsigned>(protocols.size()));
        (void)SSL_set_fd(ssl_, fd_);
        const bool done = SSL_connect(ssl_) == 1;
        ERR_clear_error();
        return done;
    }
    // Says hello as that unit; the reason of the refusal that comes back, 0 for a hello, -1 for neither.
    int greet(std::string_view lu_name) {
        using namespace colloquy;
        wire::hello h;
        h.channels_max = 16;
        h.attach_credit = 4'096;
        (void)h.lu_name.assign(lu_name);
        std::vector<std::byte> frame(wire::frame_header_size + wire::hello_size_plain_max);
        const std::size_t n = wire::encode_hello(std::span{frame}.subspan(wire::frame_header_size), h);
        wire::encode_header(frame.data(), {static_cast<std::uint16_t>(n), wire::frame_type::hello, 0, 0});
        if (SSL_write(ssl_, frame.data(), static_cast<int>(wire::frame_header_size + n)) <= 0) return -1;
        std::vector<std::byte> answer(2'048);
        const int got = SSL_read(ssl_, answer.data(), static_cast<int>(answer.size()));
        ERR_clear_error();
        if (got < static_cast<int>(wire::frame_header_size)) return -1;
        const wire::frame_header head = wire::decode_header(answer.data());
        if (head.type == wire::frame_type::hello) return 0;
        if (head.type != wire::frame_type::refuse) return -1;
        return static_cast<int>(
            wire::decode_reason(std::span{answer}.subspan(wire::frame_header_size, head.length)).why);
    }

private:
    int fd_ = -1;
    SSL_CTX* context_ = nullptr;
    SSL* ssl_ = nullptr;
};

// A second logical unit of this process, below the C interface: it listens.
struct second_unit {
    std::unique_ptr<colloquy::api::logical_unit> unit;

    explicit second_unit(const std::string& text) {
        const auto nothing = [](const std::string&) { return std::optional<std::string>{}; };
        const auto parsed = colloquy::api::parse_configuration(text, "second", nothing);
        INFO(parsed.summary());
        REQUIRE(parsed);
        std::string error;
        unit = colloquy::api::logical_unit::start(*parsed.value, error);
        INFO(error);
        REQUIRE(unit != nullptr);
    }
    [[nodiscard]] std::string address() const { return unit->listening().front(); }
};

}  // namespace

TEST_SUITE("tls") {
    TEST_CASE("conversations over TLS: records both ways, passwords with it, more than the connection takes at once") {
        authority ca;
        const certificate_files own = ca.sign("unit", "URI:colloquy:NET.UNIT,IP:127.0.0.1");
        bool mutual = false;
        std::string more;
        SUBCASE("server certificate") {}
        SUBCASE("mutual") { mutual = true; }
        SUBCASE("a reactor of its own") { more = "reactors = 1\n"; }
        const scratch_configuration file{more + unit_text("NET.UNIT", tls_section(own, ca.trust(), mutual), vault)};
        const running_unit unit{file.options()};
        REQUIRE(running_unit::address().rfind("tls:127.0.0.1:", 0) == 0);
        const std::string where = running_unit::address() + "/VAULT";
        collector all;
        for (int i = 0; i < 3; ++i) round_trip(where, all);
        CHECK(clq_counter("tls_links") == 2);  // both its ends are here
        CHECK(clq_counter("tls_failed") == 0);

        talk a, b;
        a.begin(where);
        REQUIRE(a.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
        REQUIRE(a.flush() == CM_OK);
        b.accept(all);
        const std::string record(32'000, 'x');
        constexpr int records = 300;
        std::thread sender{[&] {
            for (int i = 0; i < records; ++i) CHECK(a.send(record) == CM_OK);
            CHECK(a.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
        }};
        int heard = 0;
        for (;;) {
            const received r = b.receive();
            if (r.data == CM_COMPLETE_DATA_RECEIVED) ++heard;
            CHECK((r.text.empty() || r.text == record));
            if (r.code != CM_OK) {
                CHECK(r.code == CM_DEALLOCATED_NORMAL);
                break;
            }
        }
        sender.join();
        CHECK(heard >= records);

        // The verifier hears that nobody listens.
        int encrypted = -1;
        (void)clq_set_user_verifier(
            [](void* user, const clq_credentials* who) {
                *static_cast<int*>(user) = who->encrypted;
                return 0;
            },
            &encrypted);
        talk c;
        c.prepare(where);
        const CM_INT32 four = 4;
        REQUIRE(c.set(cmscst, XC_SECURITY_PROGRAM) == CM_OK);
        REQUIRE(c.call(cmscsu, static_cast<const void*>("jane"), &four) == CM_OK);
        REQUIRE(c.call(cmscsp, static_cast<const void*>("s3sa"), &four) == CM_OK);
        REQUIRE(c.allocate() == CM_OK);
        CHECK(c.receive().code == CM_SECURITY_NOT_VALID);
        CHECK(encrypted == 1);
        (void)clq_set_user_verifier(nullptr, nullptr);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("a second link resumes the session of the first; not after certificates were read again") {
        authority ca;
        const certificate_files own = ca.sign("unit", "URI:colloquy:NET.UNIT,IP:127.0.0.1");
        bool mutual = false;
        SUBCASE("server certificate") {}
        SUBCASE("mutual") { mutual = true; }
        const scratch_configuration file{unit_text("NET.UNIT", tls_section(own, ca.trust(), mutual), vault)};
        clq_options o = file.options();
        o.partner_links = 4;
        const running_unit unit{o};
        const std::string where = running_unit::address() + "/VAULT";
        collector all;
        for (unsigned link = 1; link <= 3; ++link) {
            round_trip(where, all);
            CHECK(clq_counter("tls_links") == 2 * link);
            CHECK(clq_counter("tls_resumed") == 2 * (link - 1));
        }
        // New certificates from a new authority: links that are open go on, the next one meets the new ones.
        authority other;
        const certificate_files fresh = other.sign("unit", "URI:colloquy:NET.UNIT,IP:127.0.0.1");
        constexpr auto over = std::filesystem::copy_options::overwrite_existing;
        std::filesystem::copy_file(fresh.certificate, own.certificate, over);
        CHECK(clq_reload_security() == -1);  // that is not its key
        CHECK(std::string{clq_last_error()}.find("is not the key of the certificate") != std::string::npos);
        std::filesystem::copy_file(fresh.key, own.key, over);
        std::filesystem::copy_file(other.trust(), ca.trust(), over);
        CHECK(clq_reload_security() == 0);
        round_trip(where, all);
        CHECK(clq_counter("tls_links") == 8);
        CHECK(clq_counter("tls_resumed") == 4);
        for (int i = 0; i < 4; ++i) round_trip(where, all);
        CHECK(clq_counter("tls_links") == 8);
        CHECK(clq_counter("links_closed") == 0);
    }

    TEST_CASE("a certificate that is not that of whom we call: 1 at Allocate, and why") {
        authority ca, unknown;
        certificate_files own;
        std::string part;
        const std::string good = "URI:colloquy:NET.UNIT,IP:127.0.0.1";
        SUBCASE("signed by somebody else") {
            own = unknown.sign("unit", good);
            part = "TLS: the partner's certificate: ";
        }
        SUBCASE("expired") {
            own = ca.sign("unit", good, -7'200, -3'600);
            part = "certificate has expired";
        }
        SUBCASE("not yet valid") {
            own = ca.sign("unit", good, 3'600, 7'200);
            part = "not yet valid";
        }
        SUBCASE("of another host") {
            own = ca.sign("unit", "URI:colloquy:NET.UNIT,IP:127.0.0.2");
            part = "the certificate is not that of the logical unit that the hello names";
        }
        SUBCASE("of another logical unit") {
            own = ca.sign("unit", "URI:colloquy:NET.OTHER,IP:127.0.0.1");
            part = "the certificate is not that of the logical unit that the hello names";
        }
        const scratch_configuration file{unit_text("NET.UNIT", tls_section(own, ca.trust(), false), vault)};
        const running_unit unit{file.options()};
        const auto told = call_of(running_unit::address() + "/VAULT");
        CHECK(told.first == CM_ALLOCATE_FAILURE_NO_RETRY);
        INFO(told.second);
        CHECK(told.second.find(part) != std::string::npos);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("a partner of the configuration: its certificate has its name, or the host name that stands beside it") {
        authority ca;
        struct row {
            const char* names;    // in the certificate of NET.HEAD
            const char* partner;  // what the table calls it
            const char* host;     // certificate_name
            bool welcome;
        };
        static const row rows[] = {
            {"URI:colloquy:NET.HEAD", "NET.HEAD", "", true},
            {"URI:colloquy:NET.HEAD", "HEAD", "", true},
            {"URI:colloquy:NET.HEAD,URI:colloquy:NET.TAIL", "NET.HEAD", "", true},
            {"URI:colloquy:NET.HEAD", "NET.TAIL", "", false},  // another unit answers than the one we meant
            {"URI:colloquy:NET.TAIL", "NET.HEAD", "", false},
            {"DNS:head.example", "NET.HEAD", "", false},
            {"DNS:head.example", "NET.HEAD", "head.example", true},
            {"DNS:*.head.example", "NET.HEAD", "a.head.example", true},
            {"DNS:head.example", "NET.TAIL", "head.example", false},
            {"DNS:tail.example", "NET.HEAD", "head.example", false},
            {"DNS:head.example,URI:colloquy:NET.TAIL", "NET.HEAD", "head.example", false},
        };
        const certificate_files mine = ca.sign("caller", "URI:colloquy:NET.CALLER");
        for (const row& r : rows) {
            CAPTURE(r.names);
            CAPTURE(r.partner);
            CAPTURE(r.host);
            const certificate_files theirs = ca.sign("head", r.names);
            const second_unit head{unit_text("NET.HEAD", tls_section(theirs, ca.trust(), true), vault)};
            const std::string host =
                *r.host == '\0' ? std::string{} : "certificate_name = \"" + std::string{r.host} + "\"\n";
            const scratch_configuration file{"lu_name = \"NET.CALLER\"\n" + tls_section(mine, ca.trust(), false) +
                                             "[[partner]]\nname = \"" + r.partner + "\"\naddresses = \"" +
                                             head.address() + "\"\n" + host +
                                             "[[side_information]]\nname = \"DEST\"\ntp_name = \"VAULT\"\n" +
                                             "partner_lu = \"" + r.partner + "\"\n"};
            const running_unit unit{file.options()};
            talk a;
            REQUIRE(a.init("DEST    ") == CM_OK);
            CHECK(a.allocate() == (r.welcome ? CM_OK : CM_ALLOCATE_FAILURE_NO_RETRY));
            (void)a.cancel();
        }
    }

    TEST_CASE("strangers at the door: each is turned away, and the unit goes on") {
        authority ca, unknown;
        const certificate_files own = ca.sign("unit", "URI:colloquy:NET.UNIT,IP:127.0.0.1");
        const certificate_files friendly = ca.sign("friend", "URI:colloquy:NET.FRIEND");
        const certificate_files nameless = ca.sign("nameless", "DNS:other.example");
        const certificate_files mapped = ca.sign("mapped", "DNS:mapped.example");
        const certificate_files forged = unknown.sign("forged", "URI:colloquy:NET.FRIEND");
        const scratch_configuration file{
            unit_text("NET.UNIT", tls_section(own, ca.trust(), true),
                      "[timeouts]\ngreeting_ms = 300\n[[partner]]\nname = \"NET.MAPPED\"\naddresses = \"127.0.0.1:9\"\n"
                      "certificate_name = \"mapped.example\"\n" +
                          std::string{vault})};
        log_lines log;
        const running_unit unit{file.options()};
        const std::string address = running_unit::address();
        {
            stranger s{address};
            s.raw("GET / HTTP/1.1\r\n\r\n");
            s.wait_for_end();
        }
        {
            stranger s{address};
            s.raw(std::string{"\0\x1E\x01\0\0\0\0\0CLQY\x01\0", 14});  // a plain hello
            s.wait_for_end();
        }
        {
            stranger s{address};  // says nothing: the limit for the greeting ends it
            s.wait_for_end();
        }
        {
            stranger s{address};  // begins a handshake and does not go on
            s.raw(std::string{"\x16\x03\x01\x02\x00\x01", 6});
            s.wait_for_end();
        }
        {
            stranger s{address};  // finishes the handshake and says nothing
            stranger::manners m;
            m.own = &friendly;
            CHECK(s.shake(m));
            s.wait_for_end();
        }
        {
            stranger s{address};
            stranger::manners m;
            m.version = TLS1_2_VERSION;
            m.own = &friendly;
            CHECK_FALSE(s.shake(m));
        }
        {
            stranger s{address};
            stranger::manners m;
            m.protocol = "http/1.1";
            m.own = &friendly;
            CHECK_FALSE(s.shake(m));
        }
        // Who calls hears in TLS 1.3 only after its own last word that its certificate was not taken.
        const auto greet = [&](const certificate_files* with, std::string_view lu_name) {
            stranger s{address};
            stranger::manners m;
            m.own = with;
            return s.shake(m) ? s.greet(lu_name) : -1;
        };
        CHECK(greet(nullptr, "NET.FRIEND") == -1);
        CHECK(greet(&forged, "NET.FRIEND") == -1);
        constexpr int refused = static_cast<int>(colloquy::wire::reason::certificate);
        CHECK(greet(&friendly, "NET.FRIEND") == 0);
        CHECK(greet(&friendly, "NET.UNIT") == refused);
        CHECK(greet(&friendly, "NET.MAPPED") == refused);
        CHECK(greet(&mapped, "NET.MAPPED") == 0);
        CHECK(greet(&mapped, "NET.FRIEND") == refused);
        CHECK(greet(&nameless, "NET.FRIEND") == refused);
        CHECK(clq_counter("tls_failed") >= 6);
        // Each has its line: who it was, and what was wrong.
        const std::vector<std::string> lines = log.take();
        CHECK(lines.size() >= clq_counter("tls_failed") + 4);
        for (const std::string_view part : {"the other end does not speak TLS 1.3",
                                            "the partner's certificate: ", "its certificate is not that of NET.UNIT"})
            CHECK(has(lines, part));
        for (const std::string& line : lines) CHECK(line.starts_with("link with 127.0.0.1:"));
        collector all;
        round_trip(address + "/VAULT", all);
    }

    TEST_CASE("an encrypted call to one who answers in the clear, and the other way round") {
        authority ca;
        const certificate_files own = ca.sign("unit", "URI:colloquy:NET.UNIT,IP:127.0.0.1");
        const scratch_configuration file{
            "listen = [\"127.0.0.1:0\", \"tls:127.0.0.1:0\"]\n[limits]\nconversations = 64\nlinks = 32\n" +
            tls_section(own, ca.trust(), false)};
        const running_unit unit{file.options()};
        CHECK(call_of("tls:" + running_unit::address(0) + "/VAULT").first != CM_OK);
        CHECK(call_of(running_unit::address(1).substr(4) + "/VAULT").first != CM_OK);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("what a configuration of TLS may not be") {
        authority ca;
        const certificate_files own = ca.sign("unit", "IP:127.0.0.1");
        const certificate_files other = ca.sign("other", "IP:127.0.0.1");
        const auto fault = [](const std::string& text) {
            const scratch_configuration file{text};
            clq_options o = file.options();
            o.size = sizeof o;
            CHECK(clq_start(&o) == -1);
            return std::string{clq_last_error()};
        };
        CHECK(fault("listen = \"tls:127.0.0.1:0\"").find("there is no certificate; add [tls]") != std::string::npos);
        CHECK(fault("[[partner]]\nname = \"A\"\naddresses = \"tls:a:1\"").find("[tls] has no trust") !=
              std::string::npos);
        CHECK(fault("[tls]\nclient_certificates = \"required\"").find("add trust") != std::string::npos);
        CHECK(fault("[tls]\nkey = \"x\"").find("a key and no certificate") != std::string::npos);
        CHECK(fault("[tls]\ntrust = \"" + ca.file("none.pem") + "\"").find("none.pem: ") != std::string::npos);
        CHECK(fault(tls_section({own.certificate, other.key}, ca.trust(), false))
                  .find("is not the key of the certificate") != std::string::npos);
        const running_unit unit{listening_options()};
        talk a;
        REQUIRE(a.init() == CM_OK);
        CHECK(a.destination("tls:" + running_unit::address() + "/VAULT") == CM_PROGRAM_PARAMETER_CHECK);
        CHECK(std::string{clq_last_error()}.find("no [tls] trust") != std::string::npos);
        CHECK(a.cancel() == CM_OK);
    }
}

#endif
