// The parts of the attach manager that need no process: how a command is split, how failures put off a start, what its
// file may say, who gets which attach, and what becomes of output.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tools/colloquy/attachd/command_words.hpp"
#include "tools/colloquy/attachd/log.hpp"
#include "tools/colloquy/attachd/roster.hpp"
#include "tools/colloquy/attachd/settings.hpp"
#include "tools/colloquy/attachd/throttle.hpp"

namespace {

using namespace colloquy::tool;
using words = std::vector<std::string>;

words split(std::string_view text) {
    std::string error;
    const auto result = split_command(text, error);
    REQUIRE_MESSAGE(result, error);
    return *result;
}

std::string split_error(std::string_view text) {
    std::string error;
    CHECK_FALSE(split_command(text, error));
    return error;
}

attachd_settings_result read(std::string_view text, bool is_root = false) {
    const auto nothing = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
    return parse_attachd_settings(text, "test.toml", nothing, is_root);
}

attachd_settings read_good(std::string_view text) {
    const auto result = read(text);
    for (const std::string& e : result.errors) MESSAGE(e);
    REQUIRE(result.value);
    return *result.value;
}

// The one error there is.
std::string read_bad(std::string_view text, bool is_root = false) {
    const auto result = read(text, is_root);
    CHECK_FALSE(result.value);
    REQUIRE(result.errors.size() == 1);
    return result.errors.front();
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// What a roster asks for, written down; programs get the numbers 100, 101, ...
class notebook final : public roster::actions {
public:
    words all;
    int refusal = 0;  // of the next starts; 0: they work
    roster::program_id next = 100;

    roster::started start(const tp_settings&) override {
        if (refusal != 0) {
            add("cannot start");
            return {0, refusal};
        }
        add("start " + std::to_string(next));
        return {next++, 0};
    }
    void give(roster::attach_id a, roster::program_id p) override { add("give", a, p); }
    void refuse(roster::attach_id a, int code) override { add("refuse", a, code); }
    void route(const tp_settings&, roster::program_id p, std::uint32_t n) override { add("route", p, n); }
    void last(roster::program_id p) override { add("last " + std::to_string(p)); }
    void close(roster::program_id p) override { add("close " + std::to_string(p)); }
    void terminate(roster::program_id p) override { add("terminate " + std::to_string(p)); }
    void kill(roster::program_id p) override { add("kill " + std::to_string(p)); }
    void note(const tp_settings&, const std::string&) override { ++notes; }

    words take() { return std::exchange(all, {}); }
    int notes = 0;

private:
    void add(std::string what) { all.push_back(std::move(what)); }
    template <class A, class B>
    void add(const char* what, A a, B b) {
        add(std::string{what} + " " + std::to_string(a) + " " + std::to_string(b));
    }
};

tp_settings tp_of(tp_mode mode) {
    tp_settings tp;
    tp.name = "PAYROLL";
    tp.command = {"/usr/bin/payroll"};
    tp.mode = mode;
    tp.instances = 2;
    tp.attach_timeout_ms = 1'000;
    tp.idle_timeout_ms = mode == tp_mode::process ? 0 : 5'000;
    tp.stop_timeout_ms = 100;
    tp.restart = {3, 50, 400};
    return tp;
}

TEST_SUITE("attachd") {
    TEST_CASE("command_words: blanks separate, quotes and backslashes keep together, nothing is expanded") {
        CHECK(split("/bin/echo") == words{"/bin/echo"});
        CHECK(split("  /bin/echo\t one   two\n") == words{"/bin/echo", "one", "two"});
        CHECK(split(R"(/bin/p 'a b' "c \"d\" \\ \n" e\ f '' x'y'"z")") ==
              words{"/bin/p", "a b", "c \"d\" \\ \\n", "e f", "", "xyz"});
        CHECK(split("/bin/p $HOME * ~ `x` ; | &") == words{"/bin/p", "$HOME", "*", "~", "`x`", ";", "|", "&"});
        CHECK(contains(split_error(""), "no program"));
        CHECK(contains(split_error(" \t"), "no program"));
        CHECK(contains(split_error("'' x"), "no program"));
        CHECK(contains(split_error("/bin/p 'x"), "quote '"));
        CHECK(contains(split_error("/bin/p \"x"), "quote \""));
        CHECK(contains(split_error("/bin/p x\\"), "backslash"));
        CHECK(contains(split_error(std::string_view{"/bin/p\0x", 8}), "value 0"));
    }

    TEST_CASE("throttle: some failures are free, each further one doubles the pause, a success forgets") {
        throttle t{{3, 100, 1'000}};
        t.failed(10);
        t.failed(10);
        CHECK(t.open(10));
        std::uint64_t now = 10;
        for (const std::uint64_t pause : {100U, 200U, 400U, 800U, 1'000U, 1'000U}) {
            t.failed(now);
            CHECK_FALSE(t.open(now));
            CHECK_FALSE(t.open(now + pause - 1));
            CHECK(t.open(now + pause));
            CHECK(t.delay_ms() == pause);
            now += pause;
        }
        // No number of failures makes the shift overflow.
        for (int i = 0; i < 200; ++i) t.failed(now);
        CHECK(t.closed_until_ms() == now + 1'000);
        t.succeeded();
        CHECK(t.open(0));
        t.failed(now);
        CHECK(t.open(now));
    }

    TEST_CASE("settings: all keys, and what is taken where there is none") {
        const attachd_settings s = read_good(R"(
            lu_name = "NET.HOUSE"
            listen = "127.0.0.1:0"
            [attachd]
            socket = "/run/x/house.sock"
            users = [0, 12345]
            log = "/var/log/house"
            log_bytes_max = 100000
            drain_ms = 7
            [[tp]]
            name = "PAYROLL"
            command = "/usr/bin/payroll 'a b'"
            queue_max = 3
            wait_ms = 0
            instances = 9
            working_directory = "/tmp"
            environment = { A = "1", B = "x=y" }
            limits = { cpu_s = 1, memory_bytes = 2097152, descriptors = 20, processes = 4 }
            attach_timeout_ms = 11
            stop_timeout_ms = 12
            restart = { failures = 2, delay_ms = 5, delay_max_ms = 50 }
            output = "/var/log/payroll"
            output_bytes_max = 65536
            [[tp]]
            name = "QUEUE"
            command = ["/usr/bin/queue"]
            mode = "queued"
            idle_timeout_ms = 13
            shared = false
            [[tp]]
            name = "THERE"
        )");
        CHECK(s.unit.lu_name == "NET.HOUSE");
        CHECK(s.unit.listen.size() == 1);
        CHECK(s.unit.tps.empty());
        CHECK(s.socket == "/run/x/house.sock");
        CHECK(s.control == "/run/x/house.sock.control");
        CHECK(s.users == std::vector<std::uint32_t>{0, 12'345});
        CHECK(s.log == "/var/log/house");
        CHECK(s.log_bytes_max == 100'000);
        CHECK(s.drain_ms == 7);
        REQUIRE(s.tps.size() == 3);
        const tp_settings& p = s.tps[0];
        CHECK(p.command == words{"/usr/bin/payroll", "a b"});
        CHECK(p.mode == tp_mode::process);
        CHECK(p.queue_max == 3);
        CHECK(p.wait_ms == 0);
        CHECK(p.instances == 9);
        CHECK(p.working_directory == "/tmp");
        CHECK(p.environment.size() == 2);
        CHECK(p.limits == program_limits{1, 2'097'152, 20, 4});
        CHECK(p.attach_timeout_ms == 11);
        CHECK(p.idle_timeout_ms == 0);
        CHECK(p.stop_timeout_ms == 12);
        CHECK(p.restart.failures == 2);
        CHECK(p.restart.delay_max_ms == 50);
        CHECK(p.output == "/var/log/payroll");
        const tp_settings& q = s.tps[1];
        CHECK(q.mode == tp_mode::queued);
        CHECK(q.instances == 1);
        CHECK(q.conversations == 1);
        CHECK(q.idle_timeout_ms == 13);
        CHECK_FALSE(q.shared);
        CHECK(s.tps[2].command.empty());
        CHECK(s.tps[2].conversations == tp_settings::conversations_unbounded);
        CHECK(s.tps[2].shared);
    }

    TEST_CASE("settings: what is wrong is told with its line and how to mend it") {
        const std::string head = "[[tp]]\nname = \"A\"\n";
        const std::string started = head + "command = \"/bin/a\"\n";
        CHECK(
            contains(read_bad(started + "comand = 1"), "test.toml:4:1: unknown key 'comand' in [[tp]]; did you mean"));
        CHECK(contains(read_bad(started + "zzzzzz = 1"), "known are name, command, mode, queue_max"));
        CHECK(contains(read_bad("[attachd]\nsokket = 1\n" + head), "did you mean 'socket'?"));
        CHECK(contains(read_bad("[unknown]\n" + head), "known are lu_name, listen"));
        CHECK(contains(read_bad("lu_name = \"NET.A\""), "there is no [[tp]]"));
        CHECK(contains(read_bad("[[tp]]\ncommand = \"/bin/a\""), "no name"));
        CHECK(contains(read_bad(started + head), "is there twice"));
        CHECK(contains(read_bad(head + "command = \"a\""), "with its path"));
        CHECK(contains(read_bad(head + "command = []"), "names no program"));
        CHECK(contains(read_bad(head + "command = \"/bin/a 'x\""), "does not end"));
        CHECK(contains(read_bad(head + "command = 7"), "a whole number"));
        CHECK(contains(read_bad(started + "mode = \"both\""), "\"process\" or \"queued\""));
        CHECK(contains(read_bad(started + "instances = 0"), "from 1 to 65535"));
        CHECK(contains(read_bad(started + "conversations = 2"), "mode \"queued\""));
        CHECK(contains(read_bad(started + "working_directory = \"x\""), "full path"));
        CHECK(contains(read_bad(started + "environment = { \"A=B\" = \"1\" }"), "no name of a variable"));
        CHECK(contains(read_bad(started + "environment = { A = 1 }"), "write a string"));
        CHECK(contains(read_bad(started + "limits = { cpu = 1 }"), "known are cpu_s, memory_bytes"));
        CHECK(contains(read_bad(started + "restart = { delay_ms = 9, delay_max_ms = 8 }"), "at least 9"));
        CHECK(contains(read_bad(head + "instances = 2"), "has no command"));
        CHECK(contains(read_bad(started + "user = \"root\""), "only root"));
        CHECK(contains(read_bad(started + "user = \"nobody-of-that-name\"", true), "nobody here is called"));
        CHECK(contains(read_bad("[attachd]\nusers = \"nobody-of-that-name\"\n" + head), "nobody here is called"));
        CHECK(contains(read_bad("[attachd]\nsocket = \"/a\"\ncontrol = \"/a\"\n" + head), "two"));
        CHECK(contains(read_bad("[attachd]\nsocket = \"/" + std::string(200, 'x') + "\"\n" + head), "at most"));
        // Users are checked by programs, and nobody is to believe that the manager does it.
        for (const char* const useless :
             {"passwords = \"users\"", "required = true", "attempts = 5", "attempts_seconds = 60", "queue = 64"}) {
            const std::string error =
                read_bad("[security]\nallow_unencrypted = true\n" + std::string{useless} + "\n" + head);
            CHECK(contains(error, "test.toml:3:"));
            CHECK(contains(error, "COLLOQUY_CONFIG"));
        }
        CHECK(read_good("[security]\nallow_unencrypted = true\n" + head).unit.limits.users_in_clear);
        // The keys of every logical unit are checked, too.
        CHECK(contains(read_bad("listen = \"host:1\"\n" + head), "numeric address"));
    }

    TEST_CASE("settings: the socket stands where the system keeps such things") {
        const auto given = [](const std::string& name) -> std::optional<std::string> {
            if (name == "XDG_RUNTIME_DIR") return "/run/user/7";
            return std::nullopt;
        };
        const auto none = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
        CHECK(default_socket_path("NET.A", given) == "/run/user/7/colloquy/NET.A.sock");
        CHECK(default_socket_path("NET.A", none) == "/run/colloquy/NET.A.sock");
    }

    TEST_CASE("roster: process: a program for each attach, the rest waits for a place") {
        notebook book;
        roster r{tp_of(tp_mode::process), book};
        for (const roster::attach_id a : {1U, 2U, 3U}) r.arrived(a, 0);
        CHECK(book.take() == words{"start 100", "give 1 100", "last 100", "start 101", "give 2 101", "last 101"});
        CHECK(r.count().waiting == 1);
        r.delivered(100, 1, 1);
        r.accepted(100, 1, 2);
        r.ended(100, 1, 3);
        CHECK(book.take().empty());
        r.exited(100, false, 4);
        CHECK(book.take() == words{"start 102", "give 3 102", "last 102"});
        r.left(100, 5);
        CHECK(r.count().running == 2);
        CHECK(r.count().started == 3);
        CHECK(r.count().ended == 1);
    }

    TEST_CASE("roster: process: whoever does not accept in time is ended, its attach answered 11") {
        notebook book;
        roster r{tp_of(tp_mode::process), book};
        r.arrived(1, 0);
        (void)book.take();
        CHECK(r.deadline_ms() == 1'000);
        r.tick(999);
        CHECK(book.take().empty());
        r.tick(1'000);
        CHECK(book.take() == words{"route 100 0", "terminate 100", "close 100"});
        r.returned(1, 1'001);
        CHECK(book.take() == words{"refuse 1 11"});
        r.left(100, 1'001);
        r.tick(1'100);
        CHECK(book.take() == words{"kill 100"});
        r.exited(100, true, 1'101);
        CHECK(r.empty());
        CHECK(r.count().hung == 1);
        CHECK(r.count().crashed == 0);
        CHECK(r.deadline_ms() == roster::never);
    }

    TEST_CASE(
        "roster: process: programs that end without accepting are held back, and attaches answered 11 meanwhile") {
        notebook book;
        roster r{tp_of(tp_mode::process), book};
        roster::attach_id a = 0;
        std::uint64_t now = 0;
        for (int i = 0; i < 3; ++i) {
            const auto p = book.next;
            r.arrived(++a, now);
            r.exited(p, false, now);
            r.returned(a, now);
            r.left(p, now);
        }
        CHECK(book.notes == 1);
        (void)book.take();
        r.arrived(++a, now + 49);
        CHECK(book.take() == words{"refuse 4 11"});
        r.arrived(++a, now + 50);
        CHECK(book.take().front() == "start 103");
        // One that does its work ends the matter.
        r.delivered(103, a, 51);
        r.accepted(103, a, 51);
        r.ended(103, a, 51);
        r.left(103, 51);
        r.exited(103, false, 51);
        r.arrived(++a, 52);
        r.exited(104, false, 52);
        r.returned(a, 52);
        r.left(104, 52);
        (void)book.take();
        r.arrived(++a, 53);
        CHECK(book.take().front() == "start 105");
        CHECK(r.count().crashed == 0);
    }

    TEST_CASE("roster: a command that cannot be run is answered 10, held back or not") {
        notebook book;
        book.refusal = roster::refused_no_retry;
        roster r{tp_of(tp_mode::queued), book};
        for (roster::attach_id a = 1; a <= 5; ++a) r.arrived(a, 0);
        CHECK(book.take() == words{"cannot start", "refuse 1 10", "cannot start", "refuse 2 10", "cannot start",
                                   "refuse 3 10", "refuse 4 10", "refuse 5 10"});
        CHECK(r.count().failed == 3);
        CHECK(r.count().refused == 5);
        CHECK(r.count().waiting == 0);
    }

    TEST_CASE("roster: queued: one program for what waits, another when it is busy, none beyond the bound") {
        notebook book;
        roster r{tp_of(tp_mode::queued), book};
        r.arrived(1, 0);
        CHECK(book.take() == words{"start 100", "route 100 1"});
        r.delivered(100, 1, 1);
        r.accepted(100, 1, 2);
        r.arrived(2, 3);
        CHECK(book.take() == words{"start 101", "route 101 1"});
        r.arrived(3, 3);
        CHECK(book.take().empty());
        CHECK(r.count().waiting == 2);
        r.ended(100, 1, 4);
        r.delivered(100, 2, 4);
        r.delivered(101, 3, 4);
        CHECK(r.count().waiting == 0);
        CHECK(r.count().open == 2);
    }

    TEST_CASE("roster: queued: what waits survives the death of the program") {
        notebook book;
        tp_settings tp = tp_of(tp_mode::queued);
        tp.instances = 1;
        roster r{tp, book};
        r.arrived(1, 0);
        r.delivered(100, 1, 0);
        r.accepted(100, 1, 0);
        r.arrived(2, 0);
        (void)book.take();
        r.left(100, 1);
        CHECK(book.take().empty());
        r.exited(100, true, 1);
        CHECK(book.take() == words{"start 101", "route 101 1"});
        CHECK(r.count().crashed == 1);
    }

    TEST_CASE("roster: queued: who is idle is asked to end, then made to; an attach on its way to it comes first") {
        notebook book;
        roster r{tp_of(tp_mode::queued), book};
        r.arrived(1, 0);
        r.delivered(100, 1, 0);
        CHECK(r.deadline_ms() == 1'000);
        r.accepted(100, 1, 10);
        CHECK(r.deadline_ms() == roster::never);
        r.ended(100, 1, 20);
        CHECK(r.deadline_ms() == 5'020);
        (void)book.take();
        r.tick(5'020);
        CHECK(book.take() == words{"route 100 0", "last 100"});
        r.delivered(100, 2, 5'021);
        r.tick(5'120);
        CHECK(book.take().empty());
        r.accepted(100, 2, 5'121);
        r.ended(100, 2, 5'122);
        r.tick(5'220);
        CHECK(book.take() == words{"terminate 100"});
        r.tick(5'320);
        CHECK(book.take() == words{"kill 100"});
        r.exited(100, true, 5'321);
        r.left(100, 5'322);
        CHECK(r.empty());
        CHECK(r.count().crashed == 0);
        r.arrived(3, 5'323);
        CHECK(book.take().front() == "start 101");
    }

    TEST_CASE("roster: a one-way conversation that ends before it is accepted is no reason to hurry its program") {
        notebook book;
        roster r{tp_of(tp_mode::process), book};
        r.arrived(1, 0);
        (void)book.take();
        r.delivered(100, 1, 1);
        r.ended(100, 1, 1);
        CHECK(r.deadline_ms() == 1'001);
        r.accepted(100, 1, 900);
        CHECK(r.deadline_ms() == roster::never);
        r.left(100, 950);
        CHECK(r.deadline_ms() == roster::never);
        r.exited(100, false, 90'000);
        CHECK(book.take().empty());
        CHECK(r.empty());
    }

    TEST_CASE("roster: a partner that gives up leaves its program nothing to do, which is not held against it") {
        notebook book;
        tp_settings tp = tp_of(tp_mode::process);
        tp.restart.failures = 1;
        roster r{tp, book};
        r.arrived(1, 0);
        r.gone(1, 5);
        (void)book.take();
        r.tick(105);
        CHECK(book.take() == words{"terminate 100"});
        r.left(100, 106);
        r.exited(100, true, 106);
        r.arrived(2, 107);
        CHECK(book.take().front() == "start 101");
    }

    TEST_CASE(
        "roster: programs that registered get attaches without bound, and nothing is started for a TP without "
        "command") {
        notebook book;
        tp_settings tp;
        tp.name = "THERE";
        tp.mode = tp_mode::queued;
        tp.conversations = 7;
        roster r{tp, book};
        r.arrived(1, 0);
        CHECK(book.take().empty());
        r.registered(55);
        CHECK(book.take() == words{"route 55 7"});
        r.delivered(55, 1, 1);
        r.accepted(55, 1, 1);
        CHECK(r.deadline_ms() == roster::never);
        CHECK(r.count().registered == 1);
        r.unregistered(55);
        CHECK(book.take() == words{"route 55 0"});
        CHECK_FALSE(r.empty());
        r.ended(55, 1, 2);
        CHECK(r.empty());
        r.registered(56);
        r.left(56, 3);
        CHECK(r.empty());
    }

    TEST_CASE("roster: a retired TP refuses what waits, lets conversations end and then its programs") {
        notebook book;
        tp_settings tp = tp_of(tp_mode::queued);
        tp.instances = 1;
        roster r{tp, book};
        r.arrived(1, 0);
        r.delivered(100, 1, 0);
        r.accepted(100, 1, 0);
        r.arrived(2, 0);
        (void)book.take();
        r.retire(1);
        CHECK(book.take() == words{"refuse 2 11", "route 100 0"});
        r.arrived(3, 2);
        CHECK(book.take() == words{"refuse 3 11"});
        r.ended(100, 1, 3);
        CHECK(book.take() == words{"route 100 0", "last 100"});
        // Wanted again, it starts anew; who was asked to end does.
        tp.instances = 2;
        r.change(tp);
        r.arrived(4, 3);
        CHECK(book.take() == words{"start 101", "route 101 1"});
        r.gone(4, 4);
        r.exited(101, false, 4);
        r.left(101, 4);
        r.end_programs(4);
        CHECK(book.take() == words{"terminate 100"});
        r.exited(100, true, 5);
        r.left(100, 5);
        CHECK(r.empty());
    }

    TEST_CASE("roster: random news: every attach is delivered or refused once, no more programs run than may") {
        const char* given = std::getenv("COLLOQUY_SEED");
        const std::uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
        CAPTURE(seed);
        std::mt19937_64 random{seed};
        for (int round = 0; round < 200; ++round) {
            notebook book;
            tp_settings tp = tp_of(round % 2 != 0 ? tp_mode::process : tp_mode::queued);
            tp.instances = 1 + static_cast<std::uint32_t>(random() % 3);
            roster r{tp, book};
            struct fake {
                std::uint32_t room = 0;
                bool alive = true;
                std::set<roster::attach_id> open;
            };
            std::map<roster::program_id, fake> programs;
            std::set<roster::attach_id> held;
            std::map<roster::attach_id, int> answers;
            std::map<roster::attach_id, roster::program_id> given_to;
            roster::attach_id next = 0;
            std::uint64_t now = 0;
            // Does what it asked for, as the router would.
            const auto obey = [&] {
                while (!book.all.empty()) {
                    for (const std::string& line : book.take()) {
                        unsigned long long a = 0;
                        unsigned long long b = 0;
                        char what[32]{};
                        const int n = std::sscanf(line.c_str(), "%31s %llu %llu", what, &a, &b);
                        const std::string verb{what};
                        if (verb == "start" && n == 2) programs[a] = {};
                        if (verb == "give") given_to[a] = b;
                        if (verb == "route" && programs.contains(a)) programs[a].room = static_cast<std::uint32_t>(b);
                        if (verb == "refuse") {
                            CHECK(held.erase(a) == 1);
                            ++answers[a];
                            CHECK((b == 10 || b == 11));
                        }
                    }
                    for (auto& [id, p] : programs) {
                        while (p.alive && p.open.size() < p.room && !held.empty()) {
                            const auto a = *held.begin();
                            held.erase(a);
                            p.open.insert(a);
                            ++answers[a];
                            r.delivered(id, a, now);
                        }
                    }
                    for (const auto& [a, id] : std::exchange(given_to, {})) {
                        if (!programs[id].alive || !held.contains(a)) continue;
                        held.erase(a);
                        programs[id].open.insert(a);
                        ++answers[a];
                        r.delivered(id, a, now);
                    }
                }
                CHECK(r.count().running <= tp.instances);
            };
            for (int step = 0; step < 100; ++step) {
                now += random() % 300;
                book.refusal = random() % 8 == 0 ? (random() % 2 != 0 ? 10 : 11) : 0;
                const auto some = programs.empty()
                                      ? programs.end()
                                      : std::next(programs.begin(), static_cast<long>(random() % programs.size()));
                switch (random() % 5) {
                    case 0:
                        held.insert(++next);
                        r.arrived(next, now);
                        break;
                    case 1:
                        if (some != programs.end() && !some->second.open.empty())
                            r.accepted(some->first, *some->second.open.begin(), now);
                        break;
                    case 2:
                        if (some != programs.end() && !some->second.open.empty()) {
                            const auto a = *some->second.open.begin();
                            some->second.open.erase(a);
                            r.ended(some->first, a, now);
                        }
                        break;
                    case 3:
                        if (some != programs.end() && some->second.alive) {
                            some->second.alive = false;
                            some->second.open.clear();
                            if (random() % 2 != 0) {
                                r.left(some->first, now);
                                r.exited(some->first, random() % 2 != 0, now);
                            } else {
                                r.exited(some->first, random() % 2 != 0, now);
                                r.left(some->first, now);
                            }
                            programs.erase(some);
                        }
                        break;
                    default: r.tick(now); break;
                }
                obey();
            }
            r.retire(now);
            obey();
            CHECK(held.empty());
            for (roster::attach_id a = 1; a <= next; ++a) CHECK(answers[a] == 1);
        }
    }

    TEST_CASE("line_cutter: pieces become lines; long ones are cut, and beyond the bound only counted") {
        words lines;
        line_cutter c{3'000, [&](std::string_view line) { lines.emplace_back(line); }};
        c.add("one\ntw");
        c.add("o\nthr\x1b[2Jee\tx\n\n");
        CHECK(lines == words{"one", "two", "thr?[2Jee\tx", ""});
        lines.clear();
        c.add(std::string(line_cutter::line_max + 5, 'x'));
        REQUIRE(lines.size() == 1);
        CHECK(lines[0].size() == line_cutter::line_max);
        c.finish();
        CHECK(lines.back() == "xxxxx");
        lines.clear();
        c.add(std::string(10'000, 'y'));
        c.finish();
        CHECK(contains(lines.back(), "more bytes are not shown"));
        std::size_t shown = 0;
        for (const std::string& l : lines) shown += l.size();
        CHECK(shown < 3'000);
    }
}

}  // namespace
