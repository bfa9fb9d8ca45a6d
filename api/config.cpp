// config: reads the TOML file into a configuration. See the header.
//
// Each table of the file is a list of fields, a key and what to do with its value; a key that is in no list is an error
// that suggests the nearest one. Reading goes on after an error, so that one run tells all of them.
#include "api/config.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <numeric>
#include <system_error>

#include "api/names.hpp"
#include "runtime/wire/hello.hpp"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace colloquy::api {

namespace {

constexpr std::size_t file_size_max = std::size_t{1} << 20;
constexpr std::size_t errors_max = 50;
constexpr std::string_view lu_name_rule =
    "write NETID.LUNAME, each part 1 to 8 of A-Z 0-9 @ # $ and not beginning with a digit";

std::string in_quotes(std::string_view text) {
    constexpr std::size_t shown_max = 40;
    std::string out = "'";
    for (const char c : text.substr(0, shown_max)) {
        out += c >= ' ' && c <= '~' ? c : '?';
    }
    return out + (text.size() > shown_max ? "...'" : "'");
}

bool is_full_lu_name(std::string_view name) {
    return name.find('.') != std::string_view::npos && wire::valid_lu_name(name);
}

// How many single-character edits lead from one word to the other.
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0];
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row.back();
}

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table: return "a table";
        case toml::node_type::array: return "an array";
        case toml::node_type::string: return "a string";
        case toml::node_type::integer: return "a whole number";
        case toml::node_type::floating_point: return "a number with a fraction";
        case toml::node_type::boolean: return "true or false";
        default: return "a date or a time";
    }
}

struct field {
    std::string_view key;
    std::function<void(const toml::node&)> read;
};

class configuration_reader {
public:
    configuration_reader(std::string_view file, configuration& out) : file_{file}, out_{out} {}

    void read_root(const toml::table& root) {
        read_table(root, "the file",
                   {{"lu_name", [this](const toml::node& n) { read_lu_name(n); }},
                    {"listen", [this](const toml::node& n) { read_listen(n); }},
                    {"reactors", [this](const toml::node& n) { integer(n, "reactors", 0, 256, out_.reactors); }},
                    {"threads", [this](const toml::node& n) { boolean(n, "threads", out_.threads); }},
                    {"standby", [this](const toml::node& n) { boolean(n, "standby", out_.standby); }},
                    {"limits", [this](const toml::node& n) { read_limits(n); }},
                    {"timeouts", [this](const toml::node& n) { read_timeouts(n); }},
                    {"partner", [this](const toml::node& n) { each_table(n, "partner", &self::read_partner); }},
                    {"tp", [this](const toml::node& n) { each_table(n, "tp", &self::read_tp); }},
                    {"side_information", [this](const toml::node& n) {
                         each_table(n, "side_information", &self::read_side_information);
                     }}});
        check_threads(root);
        check_counts(root);
    }

    // Where toml++ found the file not to be TOML.
    void fail(const toml::source_region& at, std::string_view what) {
        std::string text{what};
        std::replace_if(
            text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
        errors_.push_back({at.begin.line, at.begin.column, std::move(text)});
    }

    [[nodiscard]] std::vector<std::string> take_errors() {
        std::stable_sort(errors_.begin(), errors_.end(), [](const located& a, const located& b) {
            return a.line != b.line ? a.line < b.line : a.column < b.column;
        });
        std::vector<std::string> lines;
        for (const located& error : errors_) {
            if (lines.size() == errors_max) {
                lines.push_back(file_ + ": " + std::to_string(errors_.size() - errors_max) + " more errors");
                break;
            }
            lines.push_back(file_ + ":" + std::to_string(error.line) + ":" + std::to_string(error.column) + ": " +
                            error.text);
        }
        return lines;
    }

private:
    using self = configuration_reader;

    struct located {
        toml::source_index line;
        toml::source_index column;
        std::string text;
    };

    void fail(const toml::node& at, std::string_view what) { fail(at.source(), what); }

    // ---- tables ----

    void read_table(const toml::table& table, std::string_view where, const std::vector<field>& fields) {
        for (const auto& [key, node] : table) {
            const std::string_view name = key.str();
            const auto known =
                std::find_if(fields.begin(), fields.end(), [&](const field& f) { return f.key == name; });
            if (known == fields.end()) {
                fail(key.source(),
                     "unknown key " + in_quotes(name) + " in " + std::string{where} + "; " + suggestion(name, fields));
            } else {
                known->read(node);
            }
        }
    }

    static std::string suggestion(std::string_view name, const std::vector<field>& fields) {
        const auto distance = [&](const field& f) { return edit_distance(name, f.key); };
        const auto nearest = std::min_element(
            fields.begin(), fields.end(), [&](const field& a, const field& b) { return distance(a) < distance(b); });
        if (distance(*nearest) <= std::max<std::size_t>(1, nearest->key.size() / 3)) {
            return "did you mean " + in_quotes(nearest->key) + "?";
        }
        std::string all = "known are";
        for (const field& f : fields) {
            all += (&f == &fields.front() ? " " : ", ") + std::string{f.key};
        }
        return all;
    }

    const toml::table* table(const toml::node& node, std::string_view name) {
        if (!node.is_table()) {
            fail(node, std::string{name} + " is " + std::string{kind_of(node)} + "; write a table, [" +
                           std::string{name} + "]");
        }
        return node.as_table();
    }

    void each_table(const toml::node& node, std::string_view name, void (self::*read_one)(const toml::table&)) {
        const toml::array* all = node.as_array();
        if (all == nullptr) {
            fail(node, std::string{name} + " is " + std::string{kind_of(node)} + "; write one [[" + std::string{name} +
                           "]] for each");
            return;
        }
        for (const toml::node& one : *all) {
            if (one.is_table()) {
                (this->*read_one)(*one.as_table());
            } else {
                fail(one, std::string{name} + " has an element that is " + std::string{kind_of(one)} +
                              "; write one [[" + std::string{name} + "]] for each");
            }
        }
    }

    bool require(const toml::table& table, std::string_view where, std::string_view key) {
        if (table.contains(key)) {
            return true;
        }
        fail(table, std::string{where} + " has no " + std::string{key} + "; add one");
        return false;
    }

    // ---- values; each leaves `out` alone and says so when the value is not what it must be ----

    template <class Integer>
    void integer(const toml::node& node, std::string_view key, std::uint64_t low, std::uint64_t high, Integer& out) {
        static_assert(std::numeric_limits<Integer>::digits >= 32);
        const auto* value = node.as_integer();
        const bool fits = value != nullptr && value->get() >= 0 && static_cast<std::uint64_t>(value->get()) >= low &&
                          static_cast<std::uint64_t>(value->get()) <= high;
        if (fits) {
            out = static_cast<Integer>(value->get());
            return;
        }
        const std::string what = value == nullptr ? std::string{kind_of(node)} : std::to_string(value->get());
        fail(node, std::string{key} + " is " + what + "; write a whole number from " + std::to_string(low) + " to " +
                       std::to_string(high));
    }

    void boolean(const toml::node& node, std::string_view key, bool& out) {
        if (const auto* value = node.as_boolean()) {
            out = value->get();
        } else {
            fail(node, std::string{key} + " is " + std::string{kind_of(node)} + "; write true or false");
        }
    }

    std::optional<std::string_view> string(const toml::node& node, std::string_view key) {
        const auto* value = node.as_string();
        if (value == nullptr) {
            fail(node, std::string{key} + " is " + std::string{kind_of(node)} + "; write a string in quotes");
            return std::nullopt;
        }
        return std::string_view{value->get()};
    }

    template <std::size_t N>
    void word(const toml::node& node, std::string_view key, wire::small_text<N>& out) {
        const auto text = string(node, key);
        if (text && !(is_word(*text, N) && out.assign(*text))) {
            fail(node, std::string{key} + " " + in_quotes(*text) + " will not do; write 1 to " + std::to_string(N) +
                           " characters without blanks");
        }
    }

    // One endpoint, or an array of them.
    void endpoints(const toml::node& node, std::string_view key,
                   const std::function<void(const toml::node&)>& read_one) {
        const toml::array* all = node.as_array();
        if (all == nullptr) {
            read_one(node);
            return;
        }
        if (all->empty()) {
            fail(node, std::string{key} + " is empty; write at least one address, or leave it out");
        }
        for (const toml::node& one : *all) {
            read_one(one);
        }
    }

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

    void read_listen(const toml::node& node) {
        endpoints(node, "listen", [this](const toml::node& one) {
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
            const bool port_only = text->find_first_not_of("0123456789") == std::string_view::npos && !text->empty();
            const std::string full = text->starts_with(':') ? where.host + std::string{*text}
                                     : port_only            ? where.host + ":" + std::string{*text}
                                                            : std::string{*text};
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
            out_.listen.push_back(where);
        });
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

    void read_partner(const toml::table& entry) {
        partner_lu partner;
        const bool named = require(entry, "[[partner]]", "name");
        const bool placed = require(entry, "[[partner]]", "addresses");
        const std::size_t errors_before = errors_.size();
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
                         endpoints(n, "addresses", [&](const toml::node& one) { read_address(one, partner); });
                     }},
                    {"links", [&](const toml::node& n) { integer(n, "links", 1, 1'024, partner.links); }}});
        if (named && placed && errors_.size() == errors_before) {
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
        } else if (where.port == 0) {
            fail(node,
                 "addresses: nobody can be called at port 0 of " + in_quotes(*text) + "; write a port of 1 to 65535");
        } else {
            partner.addresses.push_back(std::move(where));
        }
    }

    void read_tp(const toml::table& entry) {
        served_tp tp;
        const bool complete = require(entry, "[[tp]]", "name");
        const std::size_t errors_before = errors_.size();
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
        if (complete && errors_.size() == errors_before) {
            out_.tps.push_back(std::move(tp));
        }
    }

    void read_side_information(const toml::table& entry) {
        side_entry side;
        const bool complete = require(entry, "[[side_information]]", "name");
        const std::size_t errors_before = errors_.size();
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
        if (complete && errors_.size() == errors_before) {
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

    std::string file_;
    configuration& out_;
    std::vector<located> errors_;
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

// What the parser says may quote the file, so its word is not passed on for a line that could hold a password.
std::string syntax_trouble(const toml::parse_error& error, std::string_view text) {
    std::size_t begin = 0;
    for (toml::source_index line = 1; line < error.source().begin.line && begin < text.size(); ++line) {
        begin = std::min(text.find('\n', begin), text.size() - 1) + 1;
    }
    const std::string_view line = text.substr(begin, text.find('\n', begin) - begin);
    if (line.find("pass") != std::string_view::npos) {
        return "this is not TOML; write password = \"...\", the value in quotes and on one line";
    }
    return std::string{error.description()} + "; write keys as key = value, texts in quotes";
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
    configuration_reader reader{file, value};
    const toml::parse_result parsed = toml::parse(text, file);
    if (parsed) {
        reader.read_root(parsed.table());
    } else {
        reader.fail(parsed.error().source(), syntax_trouble(parsed.error(), text));
    }
    std::vector<std::string> errors = reader.take_errors();
    apply_environment(variables, value, errors);
    return finish(std::move(value), std::move(errors));
}

configuration_result load_configuration(const std::string& path, const environment& variables) {
    std::error_code trouble;
    const auto status = std::filesystem::status(path, trouble);
    if (std::filesystem::is_directory(status)) {
        return failed(path + ":1:1: this is a directory; name the file in it");
    }
    std::ifstream in{path, std::ios::binary};
    if (!in) {
        return failed(path + ":1:1: cannot be read (" + std::generic_category().message(errno) +
                      "); check the path and the permissions");
    }
    std::string text(file_size_max + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (in.bad()) {
        return failed(path + ":1:1: cannot be read to its end; check the disk");
    }
    if (text.size() > file_size_max) {
        return failed(path + ":1:1: larger than 1 MiB; this is hardly a configuration");
    }
    return parse_configuration(text, path, variables);
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
