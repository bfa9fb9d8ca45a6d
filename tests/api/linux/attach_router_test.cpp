// The inside of an attach manager with programs of their own processes: partners of this process call its address, and
// the programs answer over local sockets.
#ifdef COLLOQUY_PROGRAMS_DIR
#include "api/attach_router.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/wire/hello.hpp"
#include "runtime/wire/reason.hpp"
#include "runtime/wire/relay.hpp"
#include "tests/api/program.hpp"
#include "transport/local_socket.hpp"

namespace {

using namespace colloquy::test;
using colloquy::api::attach_router;
using colloquy::api::program_id;
using colloquy::api::route_options;
using colloquy::api::router_event;
using colloquy::api::router_options;
using kind = router_event::kind;

// A process of the test program; ended with the object.
class attended {
public:
    attended(const std::vector<std::string>& arguments, const std::vector<std::string>& variables, int link = -1) {
        std::vector<std::string> words{COLLOQUY_PROGRAMS_DIR "/attended"};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<std::string> environment = variables;
        if (link >= 0) environment.push_back("COLLOQUY_LINK_FD=" + std::to_string(link));
        // Neither this test's configuration nor one of the folder it runs in.
        bool configured = false;
        for (const std::string& v : variables) configured = configured || v.rfind("COLLOQUY_CONFIG=", 0) == 0;
        if (!configured) environment.push_back("COLLOQUY_CONFIG=" + nothing().string());
        std::vector<char*> argv, envp;
        for (std::string& w : words) argv.push_back(w.data());
        for (std::string& v : environment) envp.push_back(v.data());
        argv.push_back(nullptr);
        envp.push_back(nullptr);
        pid_ = ::fork();
        REQUIRE(pid_ >= 0);
        if (pid_ == 0) {
            if (link >= 0) (void)::fcntl(link, F_SETFD, 0);
            ::execve(argv[0], argv.data(), envp.data());
            ::_exit(127);
        }
    }
    ~attended() {
        if (pid_ <= 0) return;
        (void)::kill(pid_, SIGKILL);
        (void)wait();
    }
    attended(const attended&) = delete;
    attended& operator=(const attended&) = delete;

    void kill(int signal) const { REQUIRE(::kill(pid_, signal) == 0); }
    // Its exit code, or minus its signal.
    int wait() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    }

private:
    static std::filesystem::path nothing() {
        static const scratch_configuration empty{""};
        return empty.path();
    }
    pid_t pid_ = 0;
};

// A router on a port of its own, and its news.
struct managed {
    std::unique_ptr<attach_router> router;
    std::vector<router_event> seen;  // not yet asked for

    explicit managed(router_options wanted = {}) {
        if (wanted.unit.listen.empty() && wanted.listeners.empty()) wanted.unit.listen.push_back({"127.0.0.1", 0});
        wanted.unit.lu_name = "NET.MANAGER";
        wanted.unit.limits.conversations = 256;
        wanted.unit.limits.links = 64;
        std::string error;
        router = attach_router::start(wanted, error);
        CAPTURE(error);
        REQUIRE(router != nullptr);
    }
    [[nodiscard]] std::string address(const char* tp) const { return router->listening().front() + "/" + tp; }
    void serve(const char* tp, const route_options& rules = {}) const {
        std::string error;
        REQUIRE(router->serve(tp, rules, error));
    }
    // The next of this kind; others are kept. Waits as long as it takes.
    router_event expect(kind what) {
        for (;;) {
            for (auto at = seen.begin(); at != seen.end(); ++at)
                if (at->what == what) {
                    router_event e = *at;
                    seen.erase(at);
                    return e;
                }
            router_event e;
            while (!router->next(e)) {
                pollfd bell{router->descriptor(), POLLIN, 0};
                (void)::poll(&bell, 1, -1);
            }
            seen.push_back(e);
        }
    }
    // Starts a program with a link of its own, as a manager does.
    std::pair<program_id, std::unique_ptr<attended>> launch(const std::vector<std::string>& arguments,
                                                            const std::vector<std::string>& variables = {}) const {
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        auto process = std::make_unique<attended>(arguments, variables, ends[1]);
        ::close(ends[1]);
        std::string error;
        const program_id id = router->add_program(ends[0], error);
        CAPTURE(error);
        REQUIRE(id != 0);
        return {id, std::move(process)};
    }
};

// One question and its answer.
std::string asked(talk& t, const std::string& text) {
    CHECK(t.send(text, CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
    received r = t.receive();
    CHECK(r.code == CM_OK);
    const std::string answer = r.text;
    if (r.status == CM_NO_STATUS_RECEIVED) r = t.receive();
    CHECK(r.status == CM_SEND_RECEIVED);
    return answer;
}

// All that comes on a socket until its end.
std::vector<std::byte> rest_of(int socket) {
    std::vector<std::byte> all;
    std::byte part[512];
    for (;;) {
        const ssize_t n = ::read(socket, part, sizeof part);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) {
            pollfd there{socket, POLLIN, 0};
            (void)::poll(&there, 1, -1);
            continue;
        }
        if (n <= 0) return all;
        all.insert(all.end(), part, part + n);
    }
}

// What a program writes that greets and then serves a name and serves it not, over and over.
std::vector<std::byte> changes_of_mind(const char* name, int times) {
    namespace wire = colloquy::wire;
    std::vector<std::byte> all;
    const auto add = [&](wire::frame_type type, std::span<const std::byte> payload) {
        const std::size_t at = all.size();
        all.resize(at + wire::frame_header_size);
        wire::encode_header(all.data() + at, {static_cast<std::uint16_t>(payload.size()), type, 0, 0});
        all.insert(all.end(), payload.begin(), payload.end());
    };
    wire::hello h;
    h.flags = wire::hello_flag::expedited | wire::hello_flag::full_duplex | wire::hello_flag::relay;
    h.channels_max = 16;
    h.attach_credit = 65'536;
    (void)h.lu_name.assign("NET.TALKER");
    std::array<std::byte, wire::hello_size_plain_max> hello;
    add(wire::frame_type::hello, std::span{hello}.first(wire::encode_hello(hello, h)));
    std::array<std::byte, wire::serving_size_max> word;
    for (int i = 0; i < times; ++i)
        for (const auto what : {wire::serve_what::serve, wire::serve_what::no_more})
            add(wire::frame_type::serve, std::span{word}.first(wire::encode_serving(
                                             word, wire::frame_type::serve, wire::serve_result::ok, what, name)));
    return all;
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("attach_router: an attach that waits is given to a program started for it, whose plain Accept gets it") {
        managed m;
        m.serve("CLERK");
        const running_unit unit;
        talk t;
        t.begin(m.address("CLERK"));
        REQUIRE(t.flush() == CM_OK);
        const router_event arrived = m.expect(kind::attach_arrived);
        CHECK(arrived.tp == "CLERK");
        CHECK(arrived.partner == "COLLOQUY.LOCAL");
        CHECK(m.router->counters().held == 1);
        auto [id, process] = m.launch({"echo"});
        m.router->give(arrived.attach, id);
        m.router->last(id);
        CHECK(m.expect(kind::joined).program == id);
        CHECK(m.expect(kind::delivered).attach == arrived.attach);
        const router_event accepted = m.expect(kind::accepted);
        CHECK(accepted.attach == arrived.attach);
        CHECK(accepted.program == id);
        CHECK(asked(t, "hello") == "CLERK COLLOQUY.LOCAL hello");
        CHECK(asked(t, std::string(900, 'x')) == "CLERK COLLOQUY.LOCAL " + std::string(900, 'x'));
        CHECK(t.deallocate() == CM_OK);
        const router_event ended = m.expect(kind::ended);
        CHECK(ended.attach == arrived.attach);
        CHECK(ended.open == 0);
        // It was told that no more attaches come: its second Accept answers 25, which ends it.
        CHECK(process->wait() == 0);
        CHECK(m.expect(kind::left).program == id);
        CHECK(m.router->counters().open == 0);
    }

    TEST_CASE("attach_router: one program takes many attaches, at most so many at a time, in the order of arrival") {
        managed m;
        m.serve("CLERK");
        const running_unit unit;
        auto [id, process] = m.launch({"echo"});
        (void)m.expect(kind::joined);
        m.router->route("CLERK", id, 2);
        // The program attends to one after the other.
        std::vector<talk> all(20);
        for (talk& t : all) {
            t.begin(m.address("CLERK"));
            REQUIRE(t.flush() == CM_OK);
        }
        for (std::size_t i = 0; i < all.size(); ++i) {
            const std::string text = "number " + std::to_string(i);
            CHECK(asked(all[i], text) == "CLERK COLLOQUY.LOCAL " + text);
            CHECK(all[i].deallocate() == CM_OK);
            CHECK(m.expect(kind::accepted).program == id);
        }
        for (std::size_t i = 0; i < all.size(); ++i) CHECK(m.expect(kind::ended).open <= 2);
        const auto c = m.router->counters();
        CHECK(c.delivered == all.size());
        CHECK(c.open == 0);
        CHECK(c.held == 0);
        m.router->last(id);
        CHECK(process->wait() == 0);
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("attach_router: one process an attach") {
        managed m;
        m.serve("CLERK");
        const running_unit unit;
        for (int i = 0; i < 10; ++i) {
            talk t;
            t.begin(m.address("CLERK"), CM_CONFIRM);
            REQUIRE(t.flush() == CM_OK);
            auto [id, process] = m.launch({"once"});
            m.router->give(m.expect(kind::attach_arrived).attach, id);
            m.router->last(id);
            CHECK(t.send("confirmed?", CM_SEND_AND_CONFIRM) == CM_OK);
            CHECK(t.deallocate() == CM_OK);
            CHECK(process->wait() == 0);
            CHECK(m.expect(kind::left).program == id);
        }
    }

    TEST_CASE(
        "attach_router: 17 from a program that exits, 27 from one that is killed, 11 from one that never accepts") {
        managed m;
        m.serve("CLERK");
        const running_unit unit;
        struct death {
            const char* how;
            CM_INT32 code;
            int status;
        };
        for (const death& d :
             {death{"leave", CM_DEALLOCATED_ABEND, 0}, death{"die", CM_RESOURCE_FAILURE_RETRY, -SIGKILL},
              death{"refused", CM_TP_NOT_AVAILABLE_RETRY, 0}}) {
            CAPTURE(d.code);
            talk t;
            t.begin(m.address("CLERK"));
            CHECK(t.send("hello", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
            std::vector<std::string> words{d.how};
            if (d.code == CM_TP_NOT_AVAILABLE_RETRY) words.push_back("NAME");  // exits, its attach untouched
            auto [id, process] = m.launch(words);
            m.router->give(m.expect(kind::attach_arrived).attach, id);
            const CM_INT32 code = t.receive().code;
            // Killed in the moment of accepting, before its word of that has left, it has not accepted.
            CHECK((code == d.code || (d.code == CM_RESOURCE_FAILURE_RETRY && code == CM_TP_NOT_AVAILABLE_RETRY)));
            CHECK(process->wait() == d.status);
            CHECK(m.expect(kind::left).program == id);
        }
        // A command that does not exist: its link ends before it was one, and the attach is back.
        talk t;
        t.begin(m.address("CLERK"));
        CHECK(t.send("hello", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        const auto arrived = m.expect(kind::attach_arrived);
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        std::string error;
        const program_id nobody = m.router->add_program(ends[0], error);
        m.router->give(arrived.attach, nobody);
        ::close(ends[1]);
        CHECK(m.expect(kind::attach_returned).attach == arrived.attach);
        m.router->refuse(arrived.attach, CM_TP_NOT_AVAILABLE_NO_RETRY);
        CHECK(t.receive().code == CM_TP_NOT_AVAILABLE_NO_RETRY);
        CHECK(m.expect(kind::attach_gone).code == CM_TP_NOT_AVAILABLE_NO_RETRY);
        CHECK(m.router->add_program(m.router->descriptor(), error) == 0);
        CHECK(!error.empty());
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("attach_router: programs that run already offer their names, and come back to a manager that was gone") {
        const std::string path = scratch_path("colloquy-manager").string();
        const std::string variable = "COLLOQUY_MANAGER=" + path;
        router_options wanted;
        wanted.program_socket = path;
        std::optional<managed> m;
        m.emplace(wanted);
        m->serve("CLERK");
        m->serve("ALONE", {10, 1'000, true, true});
        m->serve("OURS", {10, 1'000, false, false});
        struct stat there {};
        REQUIRE(::stat(path.c_str(), &there) == 0);
        CHECK((there.st_mode & 0777) == 0600);
        const running_unit unit;

        attended named{{"echo", "CLERK", "ALONE"}, {variable}};
        const auto joined = m->expect(kind::joined);
        CHECK(joined.who.uid == static_cast<std::int64_t>(::geteuid()));
        CHECK(joined.who.pid > 0);
        CHECK(m->expect(kind::registered).tp == "CLERK");
        CHECK(m->expect(kind::registered).tp == "ALONE");
        m->router->route("CLERK", joined.program, UINT32_MAX);
        // Another serves the same name by its environment; attaches take turns.
        attended by_variable{{"echo"}, {variable, "APPCTPN=CLERK"}};
        const auto second = m->expect(kind::registered);
        CHECK(second.program != joined.program);
        m->router->route("CLERK", second.program, UINT32_MAX);
        for (int i = 0; i < 4; ++i) {
            talk t;
            t.begin(m->address("CLERK"));
            CHECK(asked(t, "x") == "CLERK COLLOQUY.LOCAL x");
            CHECK(t.deallocate() == CM_OK);
            CHECK(m->expect(kind::delivered).program == (i % 2 == 0 ? joined.program : second.program));
        }
        for (const char* name : {"ALONE", "OURS", "UNKNOWN"}) {
            CAPTURE(name);
            CHECK(attended{{"refused", name}, {variable}}.wait() == 0);
        }
        // Only one manager at a path.
        std::string error;
        CHECK(attach_router::start(wanted, error) == nullptr);
        CHECK(!error.empty());

        // The manager goes; the next one finds both again, whose names it learns anew.
        m.reset();
        wanted.names = {{"CLERK", {}}, {"ALONE", {}}};
        m.emplace(wanted);
        int names = 0;
        while (names != 3) {
            const auto again = m->expect(kind::registered);
            if (again.tp == "CLERK") m->router->route("CLERK", again.program, UINT32_MAX);
            ++names;
        }
        talk t;
        t.begin(m->address("CLERK"));
        CHECK(asked(t, "again") == "CLERK COLLOQUY.LOCAL again");
        CHECK(t.deallocate() == CM_OK);
        m.reset();

        // Who may not come in is turned away and tries again.
        bool asked_once = false;
        wanted.admit = [&](const colloquy::api::peer_credentials& who) {
            CHECK(who.uid == static_cast<std::int64_t>(::geteuid()));
            return std::exchange(asked_once, true);
        };
        m.emplace(wanted);
        (void)m->expect(kind::joined);
        m.reset();
        std::filesystem::remove(path);
    }

    TEST_CASE("attach_router: a manager that goes ends what it relays with 27, and a started program hears 25") {
        std::optional<managed> m;
        m.emplace();
        m->serve("CLERK");
        const running_unit unit;
        auto [id, process] = m->launch({"echo"});
        (void)m->expect(kind::joined);
        m->router->route("CLERK", id, UINT32_MAX);
        talk t;
        t.begin(m->address("CLERK"));
        CHECK(asked(t, "x") == "CLERK COLLOQUY.LOCAL x");
        m.reset();
        CM_INT32 code = CM_OK;
        while (code == CM_OK) code = t.send("?", CM_SEND_AND_FLUSH);
        CHECK(code == CM_RESOURCE_FAILURE_RETRY);
        CHECK(process->wait() == 0);
    }

    TEST_CASE("attach_router: a successor takes the address while the old one lets its conversations end") {
        const std::string path = scratch_path("colloquy-manager").string();
        router_options wanted;
        wanted.program_socket = path;
        managed old{wanted};
        old.serve("CLERK");
        const running_unit unit;
        attended program{{"echo", "CLERK"}, {"COLLOQUY_MANAGER=" + path}};
        const auto first = old.expect(kind::registered);
        old.router->route("CLERK", first.program, UINT32_MAX);
        talk t;
        t.begin(old.address("CLERK"));
        CHECK(asked(t, "x") == "CLERK COLLOQUY.LOCAL x");

        router_options next;
        next.listeners = old.router->listener_descriptors();
        REQUIRE(next.listeners.size() == 1);
        next.program_listener = old.router->program_listener_descriptor();
        REQUIRE(next.program_listener >= 0);
        managed successor{next};
        CHECK(successor.router->listening() == old.router->listening());
        successor.serve("CLERK");
        old.router->stop_listening();
        old.router->drain();
        // The program is at both until the old one has nothing for it.
        const auto again = successor.expect(kind::registered);
        successor.router->route("CLERK", again.program, UINT32_MAX);
        CHECK(asked(t, "still") == "CLERK COLLOQUY.LOCAL still");
        CHECK(t.deallocate() == CM_OK);
        (void)old.expect(kind::idle);
        CHECK(old.expect(kind::left).program == first.program);
        // A new conversation finds a new link, as soon as its partner knows that the old one is drained.
        CM_INT32 code = -1;
        talk later;
        later.prepare(successor.address("CLERK"));
        while ((code = later.allocate()) != CM_OK) {
            REQUIRE(code == CM_ALLOCATE_FAILURE_RETRY);
            (void)later.cancel();
            later.prepare(successor.address("CLERK"));
        }
        CHECK(asked(later, "new") == "CLERK COLLOQUY.LOCAL new");
        CHECK(later.deallocate() == CM_OK);
        std::filesystem::remove(path);
    }

    TEST_CASE("attach_router: events that nobody takes are bounded, whoever makes them") {
        router_options wanted;
        wanted.events_max = 8;
        wanted.program_socket = scratch_path("colloquy-manager").string();
        managed m{wanted};
        m.serve("CLERK");
        const running_unit unit;
        std::vector<talk> waiting(8);
        for (talk& t : waiting) {
            t.begin(m.address("CLERK"));
            CHECK(t.send("hello", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        }
        // Behind them on the same link: eight are waiting to be taken.
        talk late;
        late.begin(m.address("CLERK"));
        CHECK(late.send("hello", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        CHECK(late.receive().code == CM_TP_NOT_AVAILABLE_RETRY);
        // Another program is not let in either: its connection is ended before a word of the manager.
        std::string error;
        const auto visitor = static_cast<int>(colloquy::transport::connect_local(wanted.program_socket, error));
        REQUIRE(visitor >= 0);
        CHECK(rest_of(visitor).empty());
        ::close(visitor);
        for (std::size_t i = 0; i < waiting.size(); ++i)
            m.router->refuse(m.expect(kind::attach_arrived).attach, CM_TP_NOT_AVAILABLE_NO_RETRY);
        for (talk& t : waiting) {
            CHECK(t.receive().code == CM_TP_NOT_AVAILABLE_NO_RETRY);
            CHECK(m.expect(kind::attach_gone).code == CM_TP_NOT_AVAILABLE_NO_RETRY);
        }

        // A program that says without end that it serves a name and that it does not.
        int ends[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        const program_id talker = m.router->add_program(ends[0], error);
        const std::vector<std::byte> said = changes_of_mind("CLERK", 100);
        REQUIRE(::write(ends[1], said.data(), said.size()) == static_cast<ssize_t>(said.size()));
        const std::vector<std::byte> heard = rest_of(ends[1]);
        ::close(ends[1]);
        namespace wire = colloquy::wire;
        wire::reason why = wire::reason::none;
        for (std::size_t at = 0; at + wire::frame_header_size <= heard.size();) {
            const wire::frame_header h = wire::decode_header(heard.data() + at);
            at += wire::frame_header_size;
            if (h.type == wire::frame_type::close) why = wire::decode_reason({heard.data() + at, h.length}).why;
            at += h.length;
        }
        CHECK(why == wire::reason::limits);
        const router_event left = m.expect(kind::left);
        CHECK(left.program == talker);
        CHECK(left.code == CM_RESOURCE_FAILURE_NO_RETRY);
        int names = 0;
        for (const router_event& e : m.seen) names += e.what == kind::registered || e.what == kind::unregistered;
        CHECK(names == 8);
        // And everything is as before.
        talk t;
        t.begin(m.address("CLERK"));
        CHECK(t.send("hello", CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
        m.router->refuse(m.expect(kind::attach_arrived).attach, CM_TP_NOT_AVAILABLE_RETRY);
        CHECK(t.receive().code == CM_TP_NOT_AVAILABLE_RETRY);
    }

    TEST_CASE("attach_router: without a manager a program started with APPCTPN serves that name itself") {
        // Which port it has it does not tell: it is given one that was free a moment ago.
        const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in where{};
        where.sin_family = AF_INET;
        where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof where;
        REQUIRE(::bind(probe, reinterpret_cast<const sockaddr*>(&where), sizeof where) == 0);
        REQUIRE(::getsockname(probe, reinterpret_cast<sockaddr*>(&where), &size) == 0);
        ::close(probe);
        const std::string address = "127.0.0.1:" + std::to_string(ntohs(where.sin_port));
        const scratch_configuration own{"lu_name = \"NET.HAND\"\nlisten = \"" + address + "\"\n"};
        const attended program{{"echo"}, {"COLLOQUY_CONFIG=" + own.path(), "APPCTPN=HAND"}};
        const running_unit unit;
        talk t;
        t.prepare(address + "/HAND");
        CM_INT32 code = -1;
        while ((code = t.allocate()) != CM_OK) {  // it is about to listen
            REQUIRE(code == CM_ALLOCATE_FAILURE_RETRY);
            t.prepare(address + "/HAND");
        }
        CHECK(asked(t, "hello") == "HAND COLLOQUY.LOCAL hello");
        CHECK(t.deallocate() == CM_OK);
    }
}
#endif
