// The configuration file: what it may say, what is refused and where the message points, where the file is looked for,
// and what the environment overrides. Variables are passed in, so that the real environment plays no part.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "api/config.hpp"

namespace {

using namespace colloquy::api;

environment variables(std::map<std::string, std::string> values) {
    return [values = std::move(values)](const std::string& name) -> std::optional<std::string> {
        const auto found = values.find(name);
        return found == values.end() ? std::nullopt : std::optional{found->second};
    };
}

configuration_result parse(std::string_view text) { return parse_configuration(text, "test.toml", variables({})); }

configuration parse_good(std::string_view text) {
    configuration_result result = parse(text);
    for (const std::string& error : result.errors) {
        FAIL_CHECK(error);
    }
    REQUIRE(result);
    return *result.value;
}

// The one error of a text.
std::string error_of(std::string_view text) {
    const configuration_result result = parse(text);
    CHECK_FALSE(result);
    REQUIRE(result.errors.size() == 1);
    CHECK(result.errors[0].find('\n') == std::string::npos);
    return result.errors[0];
}

bool has(const std::string& text, std::string_view part) {
    const bool found = text.find(part) != std::string::npos;
    if (!found) {
        MESSAGE("'", part, "' is not in: ", text);
    }
    return found;
}

// A directory of its own, removed at the end.
class scratch_directory {
public:
    scratch_directory() {
        const auto base = std::filesystem::temp_directory_path();
        auto number = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
        do {
            path_ = base / ("colloquy-config-test-" + std::to_string(number++));
        } while (!std::filesystem::create_directory(path_));
    }
    ~scratch_directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    scratch_directory(const scratch_directory&) = delete;
    scratch_directory& operator=(const scratch_directory&) = delete;

    [[nodiscard]] std::string file(const std::string& name, std::string_view text) const {
        const auto path = path_ / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream{path} << text;
        return path.string();
    }
    [[nodiscard]] std::string path() const { return path_.string(); }

private:
    std::filesystem::path path_;
};

constexpr std::string_view full_text = R"(lu_name = "EXAMPLE.SERVER"
listen = [7000, ":7001", "0.0.0.0:7002", "[::]:7003", "localhost:0", "7004"]
reactors = 2
threads = true
standby = false

[limits]
conversations = 1000
links = 20
partners = 7
tp_names = 8
side_information = 9
accept_queue = 500
link_conversations = 100
link_attach_bytes = 8192
link_output_bytes = 262144
peer_links = 3
window_bytes = 1024
window_bytes_max = 2048
inbound_bytes = 100000
window_growth_bytes = 0

[timeouts]
heartbeat_ms = 0
greeting_ms = 2000
connect_ms = 3000
accept_wait_ms = 4000
drain_ms = 6000

[[partner]]
name = "EXAMPLE.BANK"
addresses = ["bank.example:7000", "[2001:db8::1]:7001"]
links = 4

[[partner]]
name = "SHOP"
addresses = "10.0.0.1:80"

[[tp]]
name = "TELLER"
queue_max = 10

[[tp]]
name = "Echo.v2"

[[side_information]]
name = "TELLER"
partner_lu = "EXAMPLE.BANK"
tp_name = "TELLER"
mode = "#INTER"
security = "program"
user = "Smith"
password = "tencharact"

[[side_information]]
name = "ALPHA"
)";

// ---- docs/configuration.md ----

struct documented_key {
    std::string key;
    std::string value;
    std::string initial;
};

std::string document(const std::string& name) {
    std::ifstream in{COLLOQUY_TESTS_DIR "/../" + name};
    REQUIRE(in);
    std::string text{std::istreambuf_iterator<char>{in}, {}};
    std::erase(text, '\r');
    return text;
}

std::string configuration_page() { return document("docs/configuration.md"); }

// The rows below each heading of second level whose first cell is a key.
std::map<std::string, std::vector<documented_key>> documented_keys() {
    std::map<std::string, std::vector<documented_key>> sections;
    std::istringstream page{configuration_page()};
    std::string section;
    for (std::string line; std::getline(page, line);) {
        if (line.starts_with("## ")) section = line.substr(3);
        if (!line.starts_with("| `")) continue;
        std::vector<std::string> cells;
        std::istringstream row{line.substr(2)};
        for (std::string cell; std::getline(row, cell, '|');) {
            const std::size_t first = cell.find_first_not_of(' ');
            cells.push_back(first == std::string::npos ? ""
                                                       : cell.substr(first, cell.find_last_not_of(' ') + 1 - first));
        }
        if (cells.size() == 4)
            sections[section].push_back({cells[0].substr(1, cells[0].size() - 2), cells[1], cells[2]});
    }
    return sections;
}

// How a file begins that has one table of this section.
std::string opening(const std::string& section) { return section.starts_with('[') ? section + "\n" : ""; }

// What the parser answers when asked for its keys.
std::set<std::string> known_keys(const std::string& section) {
    std::set<std::string> keys;
    for (const std::string& error : parse(opening(section) + "nothing_is_called_like_this = 1").errors) {
        const std::size_t list = error.find("known are ");
        if (list == std::string::npos) continue;
        std::istringstream words{error.substr(list + 10)};
        for (std::string word; words >> word;) keys.insert(word.substr(0, word.find(',')));
    }
    return keys;
}

// Every number and switch of a configuration, to compare two by.
std::vector<std::uint64_t> numbers(const configuration& c) {
    const colloquy::runtime::limits& l = c.limits;
    return {c.reactors,
            c.busy_poll_us,
            c.threads,
            c.standby,
            l.conversations,
            l.links,
            l.partners,
            l.tp_names,
            c.side_information_max,
            l.accept_queue,
            l.link_conversations,
            l.link_attach_bytes,
            l.link_output_bytes,
            l.link_relay_bytes,
            l.peer_links,
            l.link_attaches_per_second,
            l.window_bytes,
            l.window_bytes_max,
            l.inbound_bytes,
            l.window_growth_bytes,
            l.heartbeat_ms,
            l.greeting_ms,
            l.connect_ms,
            c.accept_wait_ms,
            c.drain_ms,
            c.users.attempts,
            c.users.attempts_seconds,
            c.users.queue};
}

}  // namespace

TEST_SUITE("config") {
    TEST_CASE("config: docs/configuration.md has every key of the parser and no other, its ranges and its defaults") {
        const auto sections = documented_keys();
        REQUIRE(sections.contains("Top level"));
        std::set<std::string> tables;
        std::size_t ranges = 0;
        std::vector<std::string> with_default;
        for (const auto& entry : sections) {
            const std::string& section = entry.first;
            CAPTURE(section);
            std::set<std::string> written;
            for (const documented_key& row : entry.second) {
                CAPTURE(row.key);
                CHECK(written.insert(row.key).second);
                const std::string begin = opening(section);
                // The last "LOW to HIGH" of the cell, if it says one of numbers.
                if (const std::size_t to = row.value.find(" to ");
                    to != std::string::npos && row.initial != "none" && row.value.find("char") == std::string::npos) {
                    const std::size_t low = row.value.rfind(' ', to - 1);
                    const std::string range = row.value.substr(low == std::string::npos ? 0 : low + 1);
                    const auto errors = parse(begin + row.key + " = -1").errors;
                    CHECK(std::any_of(errors.begin(), errors.end(), [&](const std::string& e) {
                        return e.ends_with(row.key + " is -1; write a whole number from " + range);
                    }));
                    ++ranges;
                }
                // Defaults of single tables: writing one changes nothing.
                const bool number = row.initial.find_first_not_of("0123456789") == std::string::npos;
                if (!row.initial.empty() && (number || row.initial == "true") && !section.starts_with("[[")) {
                    CHECK(numbers(parse_good(begin + row.key + " = " + row.initial)) == numbers(configuration{}));
                    with_default.push_back(row.key);
                }
            }
            CHECK(written == known_keys(section));
            if (section.starts_with('[')) tables.insert(section);
        }
        // Each key of the file that is a table has its own section.
        CHECK(tables == std::set<std::string>{"[limits]", "[security]", "[timeouts]", "[tls]", "[[partner]]",
                                              "[[side_information]]", "[[tp]]"});
        for (const documented_key& row : sections.at("Top level"))
            if (row.value.starts_with("table"))
                CHECK((tables.contains("[" + row.key + "]") || tables.contains("[[" + row.key + "]]")));
        CHECK(with_default.size() == numbers(configuration{}).size());
        CHECK(ranges == with_default.size());  // less two switches, and links and queue_max of their tables
        CHECK(configuration{}.lu_name == "COLLOQUY.LOCAL");
        CHECK(has(configuration_page(), "| `lu_name` | NETID.LUNAME | `COLLOQUY.LOCAL` |"));
        CHECK(has(configuration_page(), "| `queue_max` | 1 to 16777216 | 1024 |"));
        CHECK(parse_good("[[tp]]\nname = \"A\"\nqueue_max = 1024").tps[0].queue_max == served_tp::queue_max_default);
        CHECK(has(configuration_page(), "| `links` | 1 to 1024 | 1 |"));
        CHECK(partner_lu{}.links == 1);
    }

    TEST_CASE("config: every file that the documents show is right") {
        std::size_t files = 0;
        for (const char* name : {"README.md", "docs/configuration.md", "docs/migrating.md", "docs/tour.md"}) {
            const std::string text = document(name);
            for (std::size_t at = 0; (at = text.find("```toml\n", at)) != std::string::npos; ++files) {
                at += 8;
                const std::size_t end = text.find("```", at);
                REQUIRE(end != std::string::npos);
                (void)parse_good(text.substr(at, end - at));
                at = end + 3;
            }
        }
        CHECK(files >= 7);
    }

    TEST_CASE("config: the example of docs/configuration.md and its errors are what the parser says") {
        const std::string page = configuration_page();
        const std::size_t begin = page.find("```toml\n") + 8;
        const configuration c = parse_good(page.substr(begin, page.find("```", begin) - begin));
        CHECK(c.lu_name == "NET.BRANCH1");
        REQUIRE(c.side_information.size() == 1);
        CHECK(c.side_information[0].partner_lu.view() == c.partners.at(0).name);

        const configuration_result result = parse_configuration(
            "\n\n\n\n\n[[partner]]\nname = \"A\"\n    links = 0\naddresses = \"a:1\"\n\n[[tp]]\n"
            "que_max = 1\nname = \"B\"",
            "colloquy.toml", variables({}));
        REQUIRE(result.errors.size() == 2);
        CHECK(has(page, "\n" + result.errors[0] + "\n" + result.errors[1] + "\n"));
    }

    TEST_CASE("config: an empty file means the defaults") {
        const configuration c = parse_good("");
        CHECK(c.source == "test.toml");
        CHECK(c.lu_name == "COLLOQUY.LOCAL");
        CHECK(c.listen.empty());
        CHECK(c.partners.empty());
        CHECK(c.tps.empty());
        CHECK(c.side_information.empty());
        CHECK(c.reactors == 0);
        CHECK(c.threads);
        CHECK(c.standby);
        CHECK(c.limits.conversations == colloquy::runtime::limits{}.conversations);
        CHECK(c.limits.heartbeat_ms == 15'000);
    }

    TEST_CASE("config: every key arrives where it belongs") {
        const configuration c = parse_good(full_text);
        CHECK(c.lu_name == "EXAMPLE.SERVER");
        CHECK(c.reactors == 2);
        CHECK_FALSE(c.standby);

        // A port alone stays on this machine.
        REQUIRE(c.listen.size() == 6);
        const std::vector<std::string> expected{"127.0.0.1:7000", "127.0.0.1:7001", "0.0.0.0:7002",
                                                "[::]:7003",      "127.0.0.1:0",    "127.0.0.1:7004"};
        for (std::size_t i = 0; i < expected.size(); ++i) {
            CHECK(colloquy::transport::format_endpoint(c.listen[i]) == expected[i]);
        }

        CHECK(c.limits.conversations == 1'000);
        CHECK(c.limits.links == 20);
        CHECK(c.limits.partners == 7);
        CHECK(c.limits.tp_names == 8);
        CHECK(c.side_information_max == 9);
        CHECK(c.limits.accept_queue == 500);
        CHECK(c.limits.link_conversations == 100);
        CHECK(c.limits.link_attach_bytes == 8'192);
        CHECK(c.limits.link_output_bytes == 262'144);
        CHECK(c.limits.peer_links == 3);
        CHECK(c.limits.window_bytes == 1'024);
        CHECK(c.limits.window_bytes_max == 2'048);
        CHECK(c.limits.inbound_bytes == 100'000);
        CHECK(c.limits.window_growth_bytes == 0);
        CHECK(c.limits.heartbeat_ms == 0);
        CHECK(c.limits.greeting_ms == 2'000);
        CHECK(c.limits.connect_ms == 3'000);
        CHECK(c.accept_wait_ms == 4'000);
        CHECK(c.drain_ms == 6'000);

        REQUIRE(c.partners.size() == 2);
        CHECK(c.partners[0].name == "EXAMPLE.BANK");
        CHECK(c.partners[0].links == 4);
        REQUIRE(c.partners[0].addresses.size() == 2);
        CHECK(c.partners[0].addresses[0].host == "bank.example");
        CHECK(c.partners[0].addresses[0].port == 7'000);
        CHECK(c.partners[0].addresses[1].host == "2001:db8::1");
        CHECK(c.partners[1].name == "SHOP");
        CHECK(c.partners[1].links == 1);
        REQUIRE(c.partners[1].addresses.size() == 1);

        REQUIRE(c.tps.size() == 2);
        CHECK(c.tps[0].name == "TELLER");
        CHECK(c.tps[0].queue_max == 10);
        CHECK(c.tps[1].name == "Echo.v2");
        CHECK(c.tps[1].queue_max == served_tp::queue_max_default);

        // The order of the file, which is the order of Extract_CPIC_Side_Information.
        REQUIRE(c.side_information.size() == 2);
        const side_entry& teller = c.side_information[0];
        CHECK(teller.name.view() == "TELLER");
        CHECK(teller.partner_lu.view() == "EXAMPLE.BANK");
        CHECK(teller.tp_name.view() == "TELLER");
        CHECK(teller.mode.view() == "#INTER");
        CHECK(teller.security == XC_SECURITY_PROGRAM);
        CHECK(teller.user.view() == "Smith");
        CHECK(teller.password.view() == "tencharact");
        CHECK(c.side_information[1].name.view() == "ALPHA");
        CHECK(c.side_information[1].partner_lu.empty());
        CHECK(c.side_information[1].security == XC_SECURITY_SAME);

        side_information table{c.side_information_max};
        CHECK(table.assign(c.side_information) == CM_OK);
        side_entry found;
        CHECK(table.find("ALPHA", found));
    }

    TEST_CASE("config: a message says file, line and column, what is wrong and how to mend it") {
        CHECK(error_of("\nreactors = -1\n") == "test.toml:2:12: reactors is -1; write a whole number from 0 to 256");
        CHECK(error_of("busy_poll_us = 1000001") ==
              "test.toml:1:16: busy_poll_us is 1000001; write a whole number from 0 to 1000000");
        CHECK(error_of("threads = 1") == "test.toml:1:11: threads is a whole number; write true or false");
        CHECK(error_of("lu_name = \"x\"")
                  .starts_with("test.toml:1:11: lu_name 'x' is not the name of a logical unit; write "));
        CHECK(error_of("lu_name = 7") == "test.toml:1:11: lu_name is a whole number; write a string in quotes");
        CHECK(error_of("limits = 7") == "test.toml:1:10: limits is a whole number; write a table, [limits]");
        CHECK(has(error_of("[partner]\nname = \"A\"\n"),
                  "test.toml:1:1: partner is a table; write one [[partner]] for each"));
        CHECK(has(error_of("tp = [1]"), "test.toml:1:7: tp has an element that is a whole number"));
    }

    TEST_CASE("config: an unknown key is an error that suggests the nearest one") {
        CHECK(error_of("reactor = 1") == "test.toml:1:1: unknown key 'reactor' in the file; did you mean 'reactors'?");
        CHECK(has(error_of("[limits]\nconversation = 5"),
                  "test.toml:2:1: unknown key 'conversation' in [limits]; did you mean 'conversations'?"));
        CHECK(has(error_of("[timeouts]\nhartbeat_ms = 5000"), "did you mean 'heartbeat_ms'?"));
        CHECK(has(error_of("[[tp]]\nname = \"A\"\ncolour = 1"), "known are name, queue_max"));
        // A dotted key of a table that is an array in the grammar.
        CHECK(has(error_of("[tpn.TELLER]\nqueue_max = 1"), "unknown key 'tpn' in the file; did you mean 'tp'?"));
    }

    TEST_CASE("config: text that is not TOML is reported where it stops making sense") {
        CHECK(has(error_of("reactors = 1\nlisten = [\n"), "test.toml:"));
        CHECK(has(error_of("a = 1\na = 2\n"), "test.toml:2:"));
        CHECK(has(error_of(std::string_view("\xff\xfe\0x", 4)), "test.toml:1:"));
    }

    TEST_CASE("config: all errors are told at once, in the order of the file") {
        const configuration_result result = parse(
            "[[tp]]\nname = \"A B\"\n\n[limits]\nlinks = 0\nconversations = 0\n\n[timeouts]\nheartbeat_ms = 99\n");
        CHECK_FALSE(result);
        REQUIRE(result.errors.size() == 4);
        CHECK(result.errors[0].starts_with("test.toml:2:8: name 'A B' will not do"));
        CHECK(result.errors[1].starts_with("test.toml:5:9: links is 0; write a whole number from 1 to 65535"));
        CHECK(result.errors[2].starts_with(
            "test.toml:6:17: conversations is 0; write a whole number from 1 to 16777216"));
        CHECK(result.errors[3].starts_with("test.toml:9:16: heartbeat_ms is 99; write a whole number from 100 to"));
    }

    TEST_CASE("config: the number of messages is bounded") {
        std::string text;
        for (int i = 0; i < 200; ++i) {
            text += "unknown" + std::to_string(i) + " = 1\n";
        }
        const configuration_result result = parse(text);
        REQUIRE(result.errors.size() == 51);
        CHECK(result.errors.back() == "test.toml: 150 more errors");
    }

    TEST_CASE("config: ranges end where they say") {
        CHECK(parse_good("[limits]\nconversations = 16777216").limits.conversations == 16'777'216);
        error_of("[limits]\nconversations = 16777217");
        error_of("[limits]\nconversations = 1.5");
        error_of("[limits]\nconversations = 99999999999");
        CHECK(parse_good("[timeouts]\nheartbeat_ms = 100").limits.heartbeat_ms == 100);
        CHECK(parse_good("[timeouts]\nheartbeat_ms = 0").limits.heartbeat_ms == 0);
        CHECK(has(error_of("[limits]\nwindow_bytes = 4096\nwindow_bytes_max = 1024"),
                  "test.toml:1:1: [limits] do not fit together: "));
        error_of("listen = 65536");
        error_of("[[partner]]\nname = \"A\"\naddresses = \"a:1\"\nlinks = 0");
        error_of("[[tp]]\nname = \"A\"\nqueue_max = 0");
        CHECK(has(error_of("[limits]\ntp_names = 1\n[[tp]]\nname = \"A\"\n[[tp]]\nname = \"B\""),
                  "there are 2 [[tp]]; raise tp_names in [limits], it is 1"));
    }

    TEST_CASE("config: listeners take numeric addresses only") {
        CHECK(has(error_of("listen = \"example.org:7000\""), "write its numeric address"));
        CHECK(has(error_of("listen = \"0.0.0.0\""), "test.toml:1:10: listen: "));
        CHECK(has(error_of("listen = []"), "listen is empty"));
        CHECK(has(error_of("listen = [7000, true]"), "test.toml:1:17: listen is true or false; write a string"));
        CHECK(has(error_of("listen = \"\""), "test.toml:1:10: listen: "));
    }

    TEST_CASE("config: local sockets are addresses where there are any") {
#ifdef _WIN32
        CHECK(has(
            error_of("listen = \"unix:/tmp/socket\""),
            "test.toml:1:10: listen: \"unix:/tmp/socket\" is a local socket, and those are not offered on Windows"));
#else
        const configuration c = parse_good(
            "listen = [\"unix:/run/x.sock\", \"unix:@x\"]\nsocket_mode = \"0660\"\n"
            "[[partner]]\nname = \"A\"\naddresses = [\"unix:/run/a.sock\", \"a:1\"]");
        REQUIRE(c.listen.size() == 2);
        CHECK(colloquy::transport::format_endpoint(c.listen[0]) == "unix:/run/x.sock");
        CHECK(colloquy::transport::format_endpoint(c.listen[1]) == "unix:@x");
        CHECK(c.socket_mode == 0660);
        REQUIRE(c.partners.size() == 1);
        CHECK(colloquy::transport::format_endpoint(c.partners[0].addresses[0]) == "unix:/run/a.sock");
        CHECK(has(error_of("listen = \"unix:x\""), "write unix:/path or unix:@name"));
        CHECK(has(error_of("listen = \"tls:unix:/x\""), "leave out 'tls:'"));
        CHECK(has(error_of("[[partner]]\nname = \"A\"\naddresses = \"unix:\""), "names no socket"));
#endif
        CHECK(configuration{}.socket_mode == 0600);
        for (const char* bad : {"\"\"", "\"rw\"", "\"0888\"", "\"01000\"", "\"0\"", "600"}) {
            CAPTURE(std::string{bad});
            CHECK(has(error_of("socket_mode = " + std::string{bad}), "test.toml:1:15: socket_mode is "));
        }
    }

    TEST_CASE("config: partners need a name, an address and a port that can be called") {
        CHECK(has(error_of("[[partner]]\naddresses = \"a:1\""), "test.toml:1:1: [[partner]] has no name; add one"));
        CHECK(has(error_of("[[partner]]\nname = \"A\""), "[[partner]] has no addresses; add one"));
        CHECK(has(error_of("[[partner]]\nname = \"bank\"\naddresses = \"a:1\""), "partner 'bank' is not the name"));
        CHECK(
            has(error_of("[[partner]]\nname = \"A\"\naddresses = [\"a:1\", \"a:0\"]"), "test.toml:3:21: addresses: "));
        CHECK(has(error_of("[[partner]]\nname = \"A\"\naddresses = \"a\""), "test.toml:3:13: addresses: "));
        CHECK(has(
            error_of("[[partner]]\nname = \"A\"\naddresses = \"a:1\"\n[[partner]]\nname = \"A\"\naddresses = \"b:1\""),
            "test.toml:5:8: partner 'A' is there twice"));
    }

    TEST_CASE("config: side information is checked as far as a file can be") {
        const std::string name = "[[side_information]]\nname = \"A\"\n";
        CHECK(has(error_of("[[side_information]]\npartner_lu = \"A\""), "[[side_information]] has no name"));
        CHECK(has(error_of("[[side_information]]\nname = \"NINECHARS\""), "write 1 to 8 characters"));
        CHECK(has(error_of(name + "[[side_information]]\nname = \"A\""),
                  "test.toml:4:8: side_information 'A' is there twice"));
        CHECK(has(error_of(name + "partner_lu = \"NETWORK.TOOLONGNAME\""), "is no partner's name"));
        CHECK(has(error_of(name + "mode = \"SNASVCMG\""), "belongs to the network"));
        CHECK(has(error_of(name + "security = \"some\""), "write \"none\", \"same\" or \"program\""));
        CHECK(has(error_of(name + "security = \"program\""),
                  "test.toml:3:12: security is 'program' and there is no user"));
        CHECK(has(error_of(name + "security = \"none\"\nuser = \"u\""), "security is 'none' and there is a user"));
        CHECK(has(error_of(name + "password = \"p\""), "test.toml:3:12: there is a password and no user"));
        CHECK(parse_good(name + "user = \"u\"").side_information[0].security == XC_SECURITY_PROGRAM);
        CHECK(parse_good(name + "security = \"none\"").side_information[0].security == XC_SECURITY_NONE);
    }

    TEST_CASE("config: no message ever shows a password") {
        const std::string name = "[[side_information]]\nname = \"A\"\nuser = \"u\"\n";
        for (const char* line :
             {"password = \"hunter2 hunter2\"", "password = \"hunter2hunter2\"", "password = hunter2",
              "password = \"hunter2", "password = ['hunter2']", "password = 'hunter2' hunter2",
              "password = hunter2\nmode = 1", "pasword = \"hunter2\"", "password.hunter = \"hunter2\"",
              "security = 1\npassword = 'hunter2 '"}) {
            const configuration_result result = parse(name + line);
            CHECK_FALSE(result);
            for (const std::string& error : result.errors) {
                CHECK_MESSAGE(error.find("hunter2") == std::string::npos, error);
            }
        }
    }

    TEST_CASE("config: without threads there is no standby thread and no pool") {
        const configuration c = parse_good("threads = false");
        CHECK_FALSE(c.threads);
        CHECK_FALSE(c.standby);
        CHECK(has(error_of("threads = false\nreactors = 1"), "test.toml:2:12: reactors are threads"));
        CHECK(has(error_of("standby = true\nthreads = false"), "test.toml:1:11: standby is a thread"));
        CHECK_FALSE(parse_good("standby = false\nthreads = false").standby);
    }

    TEST_CASE("config: APPCLLU replaces the logical unit, APPCTPN names a TP and serves it") {
        const std::string text = "lu_name = \"NET.FILE\"\n[[tp]]\nname = \"ONE\"\nqueue_max = 3\n";
        const auto with = [&](std::map<std::string, std::string> values) {
            return parse_configuration(text, "test.toml", variables(std::move(values)));
        };
        auto result = with({{"APPCLLU", "ALIAS"}});
        REQUIRE(result);
        CHECK(result.value->lu_name == "NET.ALIAS");
        result = with({{"APPCLLU", "OTHER.UNIT"}, {"APPCTPN", "TWO"}});
        REQUIRE(result);
        CHECK(result.value->lu_name == "OTHER.UNIT");
        CHECK(result.value->tp_name == "TWO");
        REQUIRE(result.value->tps.size() == 2);
        CHECK(result.value->tps[1].name == "TWO");
        result = with({{"APPCTPN", "ONE"}});
        REQUIRE(result);
        REQUIRE(result.value->tps.size() == 1);
        CHECK(result.value->tps[0].queue_max == 3);

        result = with({{"APPCLLU", "lower"}, {"APPCTPN", "A B"}});
        CHECK_FALSE(result);
        REQUIRE(result.errors.size() == 2);
        CHECK(result.errors[0].starts_with("APPCLLU: 'lower' is not the name of a logical unit"));
        CHECK(result.errors[1].starts_with("APPCTPN: 'A B' is not the name of a TP"));
    }

    TEST_CASE("config: places are looked at in their order") {
        using places = std::vector<std::string>;
        CHECK(configuration_places(variables({{"COLLOQUY_CONFIG", "/x.toml"}, {"HOME", "/h"}})) == places{"/x.toml"});
#ifdef _WIN32
        CHECK(configuration_places(variables({{"APPDATA", "C:\\a"}, {"ProgramData", "C:\\p"}})) ==
              places{"colloquy.toml", "C:\\a\\colloquy\\colloquy.toml", "C:\\p\\colloquy\\colloquy.toml"});
        CHECK(configuration_places(variables({})) == places{"colloquy.toml"});
#else
        CHECK(configuration_places(variables({{"XDG_CONFIG_HOME", "/c"}, {"HOME", "/h"}})) ==
              places{"colloquy.toml", "/c/colloquy/colloquy.toml", "/etc/colloquy.toml"});
        CHECK(configuration_places(variables({{"XDG_CONFIG_HOME", "relative"}, {"HOME", "/h"}})) ==
              places{"colloquy.toml", "/h/.config/colloquy/colloquy.toml", "/etc/colloquy.toml"});
        CHECK(configuration_places(variables({})) == places{"colloquy.toml", "/etc/colloquy.toml"});
#endif
    }

    TEST_CASE("config: a file is loaded from where it was found") {
        const scratch_directory directory;
#ifdef _WIN32
        const char* const home = "APPDATA";
        const std::string user = directory.file("colloquy\\colloquy.toml", "lu_name = \"NET.USER\"");
#else
        const char* const home = "XDG_CONFIG_HOME";
        const std::string user = directory.file("colloquy/colloquy.toml", "lu_name = \"NET.USER\"");
#endif
        const std::string named = directory.file("named.toml", "lu_name = \"NET.NAMED\"");

        auto result = find_configuration(variables({{home, directory.path()}}));
        REQUIRE(result);
        CHECK(result.value->lu_name == "NET.USER");
        CHECK(result.value->source == user);

        result = find_configuration(variables({{home, directory.path()}, {"COLLOQUY_CONFIG", named}}));
        REQUIRE(result);
        CHECK(result.value->lu_name == "NET.NAMED");

        result = load_configuration(named, variables({}));
        REQUIRE(result);
        CHECK(result.value->source == named);
    }

    TEST_CASE("config: a file that was asked for must be there and be a file") {
        const scratch_directory directory;
        const std::string missing = directory.path() + "/missing.toml";
        auto result = find_configuration(variables({{"COLLOQUY_CONFIG", missing}}));
        CHECK_FALSE(result);
        REQUIRE(result.errors.size() == 1);
        CHECK(result.errors[0].starts_with(missing + ":1:1: cannot be read ("));

        result = load_configuration(directory.path(), variables({}));
        REQUIRE(result.errors.size() == 1);
        CHECK(has(result.errors[0], "this is a directory"));

        const std::string large = directory.file("large.toml", std::string((std::size_t{1} << 20) + 1, '#'));
        result = load_configuration(large, variables({}));
        REQUIRE(result.errors.size() == 1);
        CHECK(has(result.errors[0], "larger than 1 MiB"));
    }
}
