// config: reads the TOML file into a configuration. See the header.
#include "api/config.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <system_error>

#include "api/config_table.hpp"
#include "api/names.hpp"
#include "api/toml_reader.hpp"
#include "runtime/wire/hello.hpp"

namespace colloquy::api {

namespace {

constexpr std::string_view lu_name_rule =
    "write NETID.LUNAME, each part 1 to 8 of A-Z 0-9 @ # $ and not beginning with a digit";

bool is_full_lu_name(std::string_view name) {
    return name.find('.') != std::string_view::npos && wire::valid_lu_name(name);
}

class configuration_reader : public toml_reader {
public:
    // Keys of `elsewhere` at the root belong to another reader.
    configuration_reader(std::string_view file, configuration& out, std::span<const std::string_view> elsewhere)
        : toml_reader{file}, out_{out}, elsewhere_{elsewhere} {}

    void read_root(const toml::table& root) {
        const auto each = [this](std::string_view key, void (self::*read_one)(const toml::table&)) {
            return field{key, [this, key, read_one](const toml::node& n) {
                             each_table(n, key, [&](const toml::table& one) { (this->*read_one)(one); });
                         }};
        };
        std::vector<field> fields{
            {"lu_name", [this](const toml::node& n) { read_lu_name(n); }},
            {"listen", [this](const toml::node& n) { read_listen(n); }},
            {"socket_mode", [this](const toml::node& n) { read_socket_mode(n); }},
            {"local_links", [this](const toml::node& n) { boolean(n, "local_links", out_.local_links); }},
            {"manager", [this](const toml::node& n) { read_manager(n); }},
            {"reactors", [this](const toml::node& n) { integer(n, "reactors", 0, 256, out_.reactors); }},
            {"busy_poll_us",
             [this](const toml::node& n) { integer(n, "busy_poll_us", 0, 1'000'000, out_.busy_poll_us); }},
            {"threads", [this](const toml::node& n) { boolean(n, "threads", out_.threads); }},
            {"standby", [this](const toml::node& n) { boolean(n, "standby", out_.standby); }},
            {"limits", [this](const toml::node& n) { read_limits(n); }},
            {"timeouts", [this](const toml::node& n) { read_timeouts(n); }},
            {"security", [this](const toml::node& n) { read_security_of_unit(n); }},
            {"tls", [this](const toml::node& n) { read_tls(n); }},
            each("partner", &self::read_partner),
            each("tp", &self::read_tp),
            each("side_information", &self::read_side_information)};
        for (const std::string_view key : elsewhere_) {
            std::erase_if(fields, [&](const field& f) { return f.key == key; });
            fields.push_back({key, [](const toml::node&) {}});
        }
        read_table(root, "the file", fields);
        check_threads(root);
        check_counts(root);
        check_tls(root);
    }

private:
    using self = configuration_reader;

    // ---- sections ----

    void read_lu_name(const toml::node& node) {
        const auto text = string(node, "lu_name");
        if (!text) {
            return;
        }
        if (is_full_lu_name(*text)) {
            out_.lu_name = *text;
        } else {
            fail(node,
                 "lu_name " + in_quotes(*text) + " is not the name of a logical unit; " + std::string{lu_name_rule});
        }
    }

    void read_manager(const toml::node& node) {
        constexpr std::size_t path_max = 107;  // of a socket
        const auto text = string(node, "manager");
        if (!text) {
            return;
        }
        if (text->empty() || text->size() > path_max) {
            fail(node, "manager is the path of the attach manager's socket; write 1 to " + std::to_string(path_max) +
                           " characters");
        } else {
            out_.manager = *text;
        }
    }

    void read_listen(const toml::node& node) {
        one_or_more(node, "listen", "address", [this](const toml::node& one) {
            // A port alone stays on this machine: a listener is opened to others only by saying so.
            transport::endpoint where{"127.0.0.1", 0};
            if (one.is_integer()) {
                integer_port(one, where.port);
                out_.listen.push_back(where);
                return;
            }
            const auto text = string(one, "listen");
            if (!text) {
                return;
            }
            if (text->starts_with(transport::local_prefix) || text->starts_with("tls:unix:")) {
                std::string error;
                if (transport::parse_endpoint(*text, 0, where, error)) {
                    out_.listen.push_back(where);
                } else {
                    fail(one, "listen: " + error);
                }
                return;
            }
            constexpr std::string_view encrypted = "tls:";
            const bool tls = text->starts_with(encrypted);
            const std::string_view place = tls ? text->substr(encrypted.size()) : *text;
            const bool port_only = place.find_first_not_of("0123456789") == std::string_view::npos && !place.empty();
            const std::string full = place.starts_with(':') ? where.host + std::string{place}
                                     : port_only            ? where.host + ":" + std::string{place}
                                                            : std::string{place};
            std::string error;
            if (!transport::parse_endpoint(full, 0, where, error)) {
                fail(one, "listen: " + error);
                return;
            }
            transport::address numeric;
            if (where.host == "localhost") {
                where.host = "127.0.0.1";
            } else if (!transport::address::parse_numeric(where.host, where.port, numeric)) {
                fail(one, "listen " + in_quotes(*text) +
                              " names a host; write its numeric address, 0.0.0.0 or [::] for all of this machine");
                return;
            }
            where.tls = tls;
            out_.listen.push_back(where);
        });
    }

    void read_socket_mode(const toml::node& node) {
        const auto text = string(node, "socket_mode");
        if (!text) {
            return;
        }
        std::uint32_t mode = 0;
        const char* const end = text->data() + text->size();
        const auto [stop, trouble] = std::from_chars(text->data(), end, mode, 8);
        if (trouble != std::errc{} || stop != end || mode == 0 || mode > 0777) {
            fail(node, "socket_mode is " + in_quotes(*text) + "; write permissions as \"0600\" or \"0660\"");
            return;
        }
        out_.socket_mode = mode;
    }

    void integer_port(const toml::node& node, std::uint16_t& out) {
        std::uint32_t port = 0;
        integer(node, "listen", 0, 65'535, port);
        out = static_cast<std::uint16_t>(port);
    }

    void read_limits(const toml::node& node) {
        const toml::table* limits = table(node, "limits");
        if (limits == nullptr) {
            return;
        }
        constexpr std::uint64_t mega = 1U << 20;
        constexpr std::uint64_t giga = 1U << 30;
        runtime::limits& to = out_.limits;
        const std::uint64_t conversations_max = runtime::limits::conversations_max;
        const std::uint64_t links_max = runtime::limits::links_max;
        const auto number = [this](std::string_view key, std::uint64_t low, std::uint64_t high, auto& out) {
            return field{key, [this, key, low, high, &out](const toml::node& n) { integer(n, key, low, high, out); }};
        };
        read_table(
            *limits, "[limits]",
            {number("conversations", 1, conversations_max, to.conversations), number("links", 1, links_max, to.links),
             number("partners", 1, 65'535, to.partners), number("tp_names", 1, 65'535, to.tp_names),
             number("side_information", 1, 65'535, out_.side_information_max),
             number("accept_queue", 1, conversations_max, to.accept_queue),
             number("link_conversations", 1, conversations_max, to.link_conversations),
             number("link_attach_bytes", 4'096, giga, to.link_attach_bytes),
             number("link_output_bytes", 131'072, giga, to.link_output_bytes),
             number("link_relay_bytes", 131'072, giga, to.link_relay_bytes),
             number("peer_links", 1, links_max, to.peer_links),
             number("link_attaches_per_second", 0, giga, to.link_attaches_per_second),
             number("window_bytes", runtime::limits::window_bytes_min, 16 * mega, to.window_bytes),
             number("window_bytes_max", runtime::limits::window_bytes_min, giga, to.window_bytes_max),
             number("inbound_bytes", 0, 1'024 * giga, to.inbound_bytes),
             number("window_growth_bytes", 0, 1'024 * giga, to.window_growth_bytes)});
        if (const char* fault = to.fault()) {
            fail(node, "[limits] do not fit together: " + std::string{fault});
        }
    }

    void read_timeouts(const toml::node& node) {
        const toml::table* timeouts = table(node, "timeouts");
        if (timeouts == nullptr) {
            return;
        }
        constexpr std::uint64_t minute = 60'000;
        constexpr std::uint64_t day = 24 * 60 * minute;
        const auto number = [this](std::string_view key, std::uint64_t low, std::uint64_t high, std::uint32_t& out) {
            return field{key, [this, key, low, high, &out](const toml::node& n) { integer(n, key, low, high, out); }};
        };
        runtime::limits& to = out_.limits;
        read_table(*timeouts, "[timeouts]",
                   {{"heartbeat_ms",
                     [this](const toml::node& n) {
                         // 0 switches it off; anything shorter than this would kill healthy partners.
                         const auto* value = n.as_integer();
                         const bool off = value != nullptr && value->get() == 0;
                         integer(n, "heartbeat_ms", off ? 0 : 100, 60 * minute, out_.limits.heartbeat_ms);
                     }},
                    number("greeting_ms", 100, 10 * minute, to.greeting_ms),
                    number("connect_ms", 100, 10 * minute, to.connect_ms),
                    number("accept_wait_ms", 0, day, out_.accept_wait_ms),
                    number("drain_ms", 0, 10 * minute, out_.drain_ms)});
    }

    // A file that something is read from.
    void read_path(const toml::node& node, std::string_view key, std::string& out) {
        const auto text = string(node, key);
        if (text && text->empty()) {
            fail(node, std::string{key} + " is empty; write the path of a file, or leave it out");
        } else if (text) {
            out = *text;
        }
    }

    void read_security_of_unit(const toml::node& node) {
        const toml::table* security = table(node, "security");
        if (security == nullptr) {
            return;
        }
        constexpr std::uint64_t day_s = 86'400;
        user_settings& to = out_.users;
        read_table(*security, "[security]",
                   {{"passwords", [&](const toml::node& n) { read_path(n, "passwords", to.passwords); }},
                    {"required", [this](const toml::node& n) { boolean(n, "required", out_.limits.users_required); }},
                    {"allow_unencrypted",
                     [this](const toml::node& n) { boolean(n, "allow_unencrypted", out_.limits.users_in_clear); }},
                    {"attempts", [&](const toml::node& n) { integer(n, "attempts", 0, 1'000'000, to.attempts); }},
                    {"attempts_seconds",
                     [&](const toml::node& n) { integer(n, "attempts_seconds", 1, day_s, to.attempts_seconds); }},
                    {"queue", [&](const toml::node& n) { integer(n, "queue", 1, 65'536, to.queue); }}});
    }

    void read_tls(const toml::node& node) {
        const toml::table* tls = table(node, "tls");
        if (tls == nullptr) {
            return;
        }
        transport::tls_settings& to = out_.tls;
        read_table(*tls, "[tls]",
                   {{"certificate", [&](const toml::node& n) { read_path(n, "certificate", to.certificate); }},
                    {"key", [&](const toml::node& n) { read_path(n, "key", to.key); }},
                    {"trust", [&](const toml::node& n) { read_path(n, "trust", to.trust); }},
                    {"client_certificates", [&](const toml::node& n) {
                         const auto text = string(n, "client_certificates");
                         if (text && *text != "none" && *text != "required") {
                             fail(n, "client_certificates is " + in_quotes(*text) + "; write \"none\" or \"required\"");
                         }
                         to.client_certificates = text && *text == "required";
                     }}});
        if (to.client_certificates && to.trust.empty()) {
            fail(node, "client_certificates are required and [tls] has no trust to check them by; add trust");
        }
        if (!to.key.empty() && to.certificate.empty()) {
            fail(node, "[tls] has a key and no certificate; add certificate");
        }
    }

    void read_partner(const toml::table& entry) {
        partner_lu partner;
        const bool named = require(entry, "[[partner]]", "name");
        const bool placed = require(entry, "[[partner]]", "addresses");
        const std::size_t errors_before = error_count();
        read_table(entry, "[[partner]]",
                   {{"name",
                     [&](const toml::node& n) {
                         const auto text = string(n, "name");
                         if (!text) {
                             return;
                         }
                         partner.name = *text;
                         if (!wire::valid_lu_name(*text)) {
                             fail(n, "partner " + in_quotes(*text) + " is not the name of a logical unit; " +
                                         std::string{lu_name_rule} + ", or LUNAME alone");
                         } else if (has_name(out_.partners, *text)) {
                             fail(n, "partner " + in_quotes(*text) + " is there twice; put all its addresses in one");
                         }
                     }},
                    {"addresses",
                     [&](const toml::node& n) {
                         one_or_more(n, "addresses", "address",
                                     [&](const toml::node& one) { read_address(one, partner); });
                     }},
                    {"links", [&](const toml::node& n) { integer(n, "links", 1, 1'024, partner.links); }},
                    {"certificate_name",
                     [&](const toml::node& n) {
                         if (const auto text = string(n, "certificate_name")) {
                             partner.certificate_name = *text;
                         }
                     }},
                    {"trust_users", [&](const toml::node& n) { boolean(n, "trust_users", partner.trust_users); }}});
        if (named && placed && error_count() == errors_before) {
            out_.partners.push_back(std::move(partner));
        }
    }

    void read_address(const toml::node& node, partner_lu& partner) {
        const auto text = string(node, "addresses");
        if (!text) {
            return;
        }
        transport::endpoint where;
        std::string error;
        if (!transport::parse_endpoint(*text, 0, where, error)) {
            fail(node, "addresses: " + error);
        } else if (where.port == 0 && !where.local) {
            fail(node,
                 "addresses: nobody can be called at port 0 of " + in_quotes(*text) + "; write a port of 1 to 65535");
        } else {
            partner.addresses.push_back(std::move(where));
        }
    }

    void read_tp(const toml::table& entry) {
        served_tp tp;
        const bool complete = require(entry, "[[tp]]", "name");
        const std::size_t errors_before = error_count();
        read_table(entry, "[[tp]]",
                   {{"name",
                     [&](const toml::node& n) {
                         wire::small_text<CM_TPN_SIZE> name;
                         word(n, "name", name);
                         tp.name = name.view();
                         if (has_name(out_.tps, tp.name)) {
                             fail(n, "tp " + in_quotes(tp.name) + " is there twice; leave one out");
                         }
                     }},
                    {"queue_max", [&](const toml::node& n) {
                         integer(n, "queue_max", 1, runtime::limits::conversations_max, tp.queue_max);
                     }}});
        if (complete && error_count() == errors_before) {
            out_.tps.push_back(std::move(tp));
        }
    }

    void read_side_information(const toml::table& entry) {
        side_entry side;
        const bool complete = require(entry, "[[side_information]]", "name");
        const std::size_t errors_before = error_count();
        read_table(entry, "[[side_information]]",
                   {{"name",
                     [&](const toml::node& n) {
                         word(n, "name", side.name);
                         if (has_name(out_.side_information, side.name.view())) {
                             fail(n,
                                  "side_information " + in_quotes(side.name.view()) + " is there twice; leave one out");
                         }
                     }},
                    {"partner_lu",
                     [&](const toml::node& n) {
                         const auto text = string(n, "partner_lu");
                         if (text && !(is_partner_name(*text) && side.partner_lu.assign(*text))) {
                             fail(n, "partner_lu " + in_quotes(*text) +
                                         " is no partner's name; write an alias of up to 8 characters or NETID.LUNAME");
                         }
                     }},
                    {"tp_name", [&](const toml::node& n) { word(n, "tp_name", side.tp_name); }},
                    {"mode",
                     [&](const toml::node& n) {
                         word(n, "mode", side.mode);
                         if (is_reserved_mode(side.mode.view())) {
                             fail(n, "mode " + in_quotes(side.mode.view()) + " belongs to the network; choose another");
                         }
                     }},
                    {"security", [&](const toml::node& n) { read_security(n, side); }},
                    {"user", [&](const toml::node& n) { word(n, "user", side.user); }},
                    {"password", [&](const toml::node& n) { read_password(n, side); }}});
        const toml::node* security = entry.get("security");
        if (security == nullptr && !side.user.empty()) {
            side.security = XC_SECURITY_PROGRAM;
        }
        if (side.security == XC_SECURITY_PROGRAM && !entry.contains("user")) {
            fail(*security, "security is 'program' and there is no user; add user and password");
        }
        if (side.security == XC_SECURITY_NONE && (entry.contains("user") || entry.contains("password"))) {
            fail(*security,
                 "security is 'none' and there is a user or a password; write \"program\", or leave them out");
        }
        if (!side.password.empty() && side.user.empty()) {
            fail(*entry.get("password"), "there is a password and no user; add user");
        }
        if (complete && error_count() == errors_before) {
            out_.side_information.push_back(side);
        }
    }

    void read_security(const toml::node& node, side_entry& side) {
        const auto text = string(node, "security");
        if (!text) {
            return;
        }
        if (*text == "none") {
            side.security = XC_SECURITY_NONE;
        } else if (*text == "same") {
            side.security = XC_SECURITY_SAME;
        } else if (*text == "program") {
            side.security = XC_SECURITY_PROGRAM;
        } else {
            fail(node, "security is " + in_quotes(*text) + "; write \"none\", \"same\" or \"program\"");
        }
    }

    // Not word(): that would show the value.
    void read_password(const toml::node& node, side_entry& side) {
        const auto* value = node.as_string();
        if (value == nullptr || !is_word(value->get(), CM_PW_SIZE) || !side.password.assign(value->get())) {
            fail(node, "password will not do; write a string of 1 to " + std::to_string(CM_PW_SIZE) +
                           " characters without blanks");
        }
    }

    // ---- what only shows when all is read ----

    void check_threads(const toml::table& root) {
        if (out_.threads) {
            return;
        }
        if (out_.reactors != 0) {
            fail(*root.get("reactors"),
                 "reactors are threads, and threads is false; write reactors = 0 or threads = true");
        }
        const toml::node* standby = root.get("standby");
        if (out_.standby && standby != nullptr) {
            fail(*standby, "standby is a thread, and threads is false; write standby = false or threads = true");
        }
        out_.standby = false;
    }

    void check_tls(const toml::table& root) {
        const auto encrypted = [](const transport::endpoint& e) { return e.tls; };
        if (std::any_of(out_.listen.begin(), out_.listen.end(), encrypted) && out_.tls.certificate.empty()) {
            fail(*root.get("listen"), "listen has an address with 'tls:' and there is no certificate; add [tls]");
        }
        for (const partner_lu& p : out_.partners) {
            if (std::any_of(p.addresses.begin(), p.addresses.end(), encrypted) && out_.tls.trust.empty()) {
                fail(*root.get("partner"),
                     "partner " + in_quotes(p.name) + " is called by 'tls:' and [tls] has no trust to check it by");
            }
        }
    }

    void check_counts(const toml::table& root) {
        const auto check = [&](std::string_view key, std::size_t count, std::size_t limit, std::string_view limit_key) {
            if (count > limit) {
                fail(*root.get(key), "there are " + std::to_string(count) + " [[" + std::string{key} + "]]; raise " +
                                         std::string{limit_key} + " in [limits], it is " + std::to_string(limit));
            }
        };
        check("partner", out_.partners.size(), out_.limits.partners, "partners");
        check("tp", out_.tps.size(), out_.limits.tp_names, "tp_names");
        check("side_information", out_.side_information.size(), out_.side_information_max, "side_information");
    }

    static std::string_view text_of(const std::string& name) { return name; }
    static std::string_view text_of(const wire::small_text<CM_SDN_SIZE>& name) { return name.view(); }

    template <class Entry>
    static bool has_name(const std::vector<Entry>& entries, std::string_view name) {
        return std::any_of(entries.begin(), entries.end(), [&](const Entry& e) { return text_of(e.name) == name; });
    }

    configuration& out_;
    const std::span<const std::string_view> elsewhere_;
};

void apply_environment(const environment& variables, configuration& out, std::vector<std::string>& errors) {
    if (const auto name = variables("APPCLLU")) {
        const std::string full =
            name->find('.') == std::string::npos ? out.lu_name.substr(0, out.lu_name.find('.') + 1) + *name : *name;
        if (is_full_lu_name(full)) {
            out.lu_name = full;
        } else {
            errors.push_back("APPCLLU: " + in_quotes(*name) + " is not the name of a logical unit; " +
                             std::string{lu_name_rule} + ", or LUNAME alone");
        }
    }
    if (const auto wish = variables("COLLOQUY_LOCAL_LINKS")) {
        out.local_links = *wish == "1";
    }
    if (const auto path = variables("COLLOQUY_MANAGER")) {
        out.manager = *path;
    }
    if (const auto number = variables("COLLOQUY_LINK_FD")) {
        const char* const end = number->data() + number->size();
        const auto [stop, trouble] = std::from_chars(number->data(), end, out.manager_descriptor);
        if (trouble != std::errc{} || stop != end || out.manager_descriptor < 0) {
            errors.push_back("COLLOQUY_LINK_FD: " + in_quotes(*number) +
                             " is not a descriptor; it is set by the attach manager that starts a program");
        }
    }
    if (const auto name = variables("APPCTPN")) {
        if (!is_word(*name, CM_TPN_SIZE)) {
            errors.push_back("APPCTPN: " + in_quotes(*name) +
                             " is not the name of a TP; write 1 to 64 characters without blanks");
            return;
        }
        out.tp_name = *name;
        if (std::none_of(out.tps.begin(), out.tps.end(), [&](const served_tp& tp) { return tp.name == *name; })) {
            out.tps.push_back({*name, served_tp::queue_max_default});
        }
    }
}

configuration_result finish(configuration&& value, std::vector<std::string>&& errors) {
    configuration_result result;
    result.errors = std::move(errors);
    if (result.errors.empty()) {
        result.value = std::move(value);
    }
    return result;
}

configuration_result failed(std::string error) {
    configuration_result result;
    result.errors.push_back(std::move(error));
    return result;
}

}  // namespace

std::string configuration_result::summary() const {
    if (errors.empty()) return {};
    const std::size_t more = errors.size() - 1;
    return more == 0
               ? errors.front()
               : errors.front() + " (and " + std::to_string(more) + (more == 1 ? " more error)" : " more errors)");
}

std::optional<std::string> process_environment(const std::string& name) {
    const char* value = std::getenv(name.c_str());  // NOLINT(concurrency-mt-unsafe): nobody here writes the environment
    if (value == nullptr || *value == '\0') {
        return std::nullopt;
    }
    return value;
}

configuration_result parse_configuration(std::string_view text, std::string_view file, const environment& variables) {
    configuration value;
    value.source = file;
    configuration_reader reader{file, value, {}};
    if (const auto root = reader.parse(text)) {
        reader.read_root(*root);
    }
    std::vector<std::string> errors = reader.take_errors();
    apply_environment(variables, value, errors);
    return finish(std::move(value), std::move(errors));
}

configuration_result read_configuration(const toml::table& root, std::string_view file,
                                        std::span<const std::string_view> elsewhere, const environment& variables) {
    configuration value;
    value.source = file;
    configuration_reader reader{file, value, elsewhere};
    reader.read_root(root);
    std::vector<std::string> errors = reader.take_errors();
    apply_environment(variables, value, errors);
    return finish(std::move(value), std::move(errors));
}

configuration_result load_configuration(const std::string& path, const environment& variables) {
    std::string error;
    const auto text = read_toml_file(path, error);
    return text ? parse_configuration(*text, path, variables) : failed(error);
}

configuration_result find_configuration(const environment& variables) {
    const bool demanded = variables("COLLOQUY_CONFIG").has_value();
    for (const std::string& place : configuration_places(variables)) {
        std::error_code trouble;
        const auto status = std::filesystem::status(place, trouble);
        // What exists and cannot be read is an error, not a reason to look elsewhere.
        if (demanded || (status.type() != std::filesystem::file_type::not_found &&
                         status.type() != std::filesystem::file_type::none)) {
            return load_configuration(place, variables);
        }
    }
    configuration value;
    std::vector<std::string> errors;
    apply_environment(variables, value, errors);
    return finish(std::move(value), std::move(errors));
}

}  // namespace colloquy::api
