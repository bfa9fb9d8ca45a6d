// The inside of an attach manager with programs of their own processes: partners of this process call its address, and
// the programs answer over local sockets.
#ifdef COLLOQUY_PROGRAMS_DIR
#include "api/attach_router.hpp"

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/api/program.hpp"

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
}
#endif
