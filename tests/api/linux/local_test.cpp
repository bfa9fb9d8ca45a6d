// Links over local sockets: the same conversations, by a path or an abstract name, and nothing left when they end.
#include <csignal>
#include <cstdlib>
#include <filesystem>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/api/program.hpp"
#include "transport/local_socket.hpp"

namespace {

using namespace colloquy::test;

void exchange(const std::string& where) {
    collector all;
    talk a, b;
    a.begin(where + "/TP");
    CHECK(a.send(std::string(2'000, 'x'), CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
    b.accept(all);
    received r = b.receive();
    CHECK(r.text == std::string(2'000, 'x'));
    if (r.status != CM_SEND_RECEIVED) CHECK(b.receive().status == CM_SEND_RECEIVED);
    CHECK(b.send("understood", CM_SEND_AND_DEALLOCATE) == CM_OK);
    r = a.receive();
    CHECK(r.text == "understood");
    if (r.code == CM_OK) CHECK(a.receive().code == CM_DEALLOCATED_NORMAL);
}

// Another process that has the name beside an address, and counts what its callers say before they go.
class squatter {
public:
    squatter(const std::string& where, bool another_user) {
        colloquy::transport::address name;
        REQUIRE(colloquy::transport::address::local("@colloquy/" + where, name));
        int ready[2];
        REQUIRE(::pipe(ready) == 0);
        REQUIRE(::pipe(heard_) == 0);
        child_ = ::fork();
        REQUIRE(child_ >= 0);
        if (child_ == 0) run(name, another_user, ready[1]);
        ::close(ready[1]);
        ::close(heard_[1]);
        char yes = 0;
        REQUIRE(::read(ready[0], &yes, 1) == 1);
        ::close(ready[0]);
    }
    ~squatter() {
        (void)::kill(child_, SIGKILL);
        int ignored = 0;
        (void)::waitpid(child_, &ignored, 0);
        ::close(heard_[0]);
    }
    squatter(const squatter&) = delete;
    squatter& operator=(const squatter&) = delete;

    // What the next caller said until he went, or a first word of it. Waits for one.
    [[nodiscard]] std::size_t heard() const {
        std::size_t bytes = 0;
        REQUIRE(::read(heard_[0], &bytes, sizeof bytes) == static_cast<ssize_t>(sizeof bytes));
        return bytes;
    }

private:
    // In a child with one thread: system calls alone.
    [[noreturn]] void run(const colloquy::transport::address& name, bool another_user, int ready) const {
        constexpr uid_t somebody = 4'711;
        if (another_user && ::setuid(somebody) != 0) ::_exit(1);
        const int s = ::socket(AF_UNIX, SOCK_STREAM, 0);
        if (::bind(s, static_cast<const sockaddr*>(name.data()), static_cast<socklen_t>(name.size())) != 0 ||
            ::listen(s, 8) != 0 || ::write(ready, "y", 1) != 1)
            ::_exit(1);
        ::close(ready);
        for (;;) {
            const int caller = ::accept(s, nullptr, nullptr);
            std::array<char, 512> said{};
            const ssize_t n = ::read(caller, said.data(), said.size());
            const std::size_t bytes = n > 0 ? static_cast<std::size_t>(n) : 0;
            if (::write(heard_[1], &bytes, sizeof bytes) < 0) ::_exit(1);
            ::close(caller);
        }
    }

    pid_t child_ = -1;
    int heard_[2] = {-1, -1};
};

std::string start_fails(const clq_options& wanted) {
    clq_options o = wanted;
    o.size = sizeof o;
    CHECK(clq_start(&o) != 0);
    return clq_last_error();
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("local: conversations over a socket's file and over an abstract name") {
        const std::string path = scratch_path("clq").string();
        const std::string name = "@" + path;
        std::string listen = "listen = [\"unix:" + path + "\", \"unix:" + name + "\", \"127.0.0.1:0\"]\n";
        unsigned mode = 0600;
        SUBCASE("caller-driven") {}
        SUBCASE("reactors") { listen += "reactors = 2\n"; }
        SUBCASE("for a group") {
            listen += "socket_mode = \"0660\"\n";
            mode = 0660;
        }
        const scratch_configuration file{listen + "[limits]\nconversations = 64\nlinks = 16\n"};
        for (int lives = 0; lives < 2; ++lives) {
            const running_unit unit{file.options()};
            CHECK(running_unit::address(0) == "unix:" + path);
            CHECK(running_unit::address(1) == "unix:" + name);
            struct stat made {};
            REQUIRE(::lstat(path.c_str(), &made) == 0);
            CHECK((made.st_mode & 0777u) == mode);
            serve_tp("TP");
            for (unsigned n = 0; n < 3; ++n) exchange(running_unit::address(n));
            // In another process, so that it is the socket and no short way.
            if (lives == 0) {
#ifdef COLLOQUY_PROGRAMS_DIR
                process other = run_program(COLLOQUY_PROGRAMS_DIR "/visitor",
                                            {running_unit::address(0) + "/TP", "finish", "from outside"});
                REQUIRE(other.handle != 0);
                collector all;
                talk t;
                t.accept(all);
                CHECK(t.receive().text == "from outside");
                CHECK(wait_process(other) == 0);
#endif
            } else {
                // What is removed is our own file alone.
                std::filesystem::remove(path);
                std::filesystem::create_directory(path);
            }
        }
        CHECK(std::filesystem::is_directory(path));
        std::filesystem::remove(path);
    }

    TEST_CASE(
        "local: a file that nobody listens at is replaced and goes at the end; any other is an error in one line") {
        const std::string path = scratch_path("clq").string();
        const std::string listen = "unix:" + path;
        clq_options o{};
        o.config_file = "";
        o.listen = listen.c_str();
        {
            const running_unit unit{o};
            CHECK(std::filesystem::exists(path));
        }
        CHECK_FALSE(std::filesystem::exists(path));
        std::filesystem::create_directory(path);
        const std::string told = start_fails(o);
        CHECK_MESSAGE(told.find("listen unix:" + path + ": ") == 0, told);
        std::filesystem::remove(path);
        o.listen = "unix:relative";
        CHECK(start_fails(o).find("write unix:/path or unix:@name") != std::string::npos);
    }

#ifdef COLLOQUY_PROGRAMS_DIR
    TEST_CASE("local: who has the name beside an address hears nothing, unless he is the caller's own user") {
        // The server leaves the name free; the visitor looks there by itself.
        const scratch_configuration file{"listen = \"127.0.0.1:0\"\n[limits]\nconversations = 64\nlinks = 16\n"};
        const running_unit unit{file.options()};
        serve_tp("TP");
        const std::string where = running_unit::address();
        collector all;
        const auto visit = [&] {
            (void)::setenv("COLLOQUY_LOCAL_LINKS", "1", 1);
            process visitor = run_program(COLLOQUY_PROGRAMS_DIR "/visitor", {where + "/TP", "finish", "by TCP"});
            (void)::unsetenv("COLLOQUY_LOCAL_LINKS");
            REQUIRE(visitor.handle != 0);
            return visitor;
        };
        {
            process visitor = visit();
            talk t;
            t.accept(all);
            CHECK(t.receive().text == "by TCP");
            CHECK(wait_process(visitor) == 0);
        }
        if (::geteuid() == 0) {
            const squatter other{where, true};
            process visitor = visit();
            CHECK(other.heard() == 0);
            talk t;
            t.accept(all);
            CHECK(t.receive().text == "by TCP");
            CHECK(wait_process(visitor) == 0);
        }
        const squatter own{where, false};
        process visitor = visit();
        CHECK(own.heard() > 0);
        CHECK(wait_process(visitor) != 0);
    }
#endif

    TEST_CASE("local: a partner of the configuration may be a socket, and nobody there is told to retry") {
        const std::string path = scratch_path("clq").string();
        const scratch_configuration file{
            "[limits]\nconversations = 64\nlinks = 16\n[[partner]]\nname = \"NET.NEAR\"\n"
            "addresses = [\"unix:" +
            path +
            "\"]\n[[side_information]]\nname = \"NEAR\"\n"
            "partner_lu = \"NET.NEAR\"\ntp_name = \"TP\"\n"};
        const running_unit unit{file.options()};
        talk a;
        a.prepare("NEAR");
        CHECK(a.allocate() == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(std::string{clq_last_error()}.find("unix:" + path + ": ") != std::string::npos);
    }
}
