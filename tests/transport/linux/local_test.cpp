// Goal: local sockets listen where they are told, only for whom they are told, and leave nothing behind.
// Method: both ends in one reactor; the cases of reactor_test.cpp run over them, too.
#include "tests/transport/harness.hpp"

#include <array>
#include <filesystem>
#include <system_error>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

using namespace transport_test;

namespace {

// A path that is free, in a folder that goes with the case.
class scratch_folder {
public:
    scratch_folder() {
        path_ = std::filesystem::temp_directory_path() / ("colloquy-local-" + std::to_string(random_u64()));
        std::filesystem::create_directory(path_);
    }
    ~scratch_folder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    scratch_folder(const scratch_folder&) = delete;
    scratch_folder& operator=(const scratch_folder&) = delete;
    [[nodiscard]] std::string operator/(const char* name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

address local(const std::string& name) {
    address where;
    REQUIRE(address::local(name, where));
    return where;
}

unsigned mode_of(const std::string& path) {
    struct stat s {};
    REQUIRE(::lstat(path.c_str(), &s) == 0);
    return s.st_mode & 0777u;
}

}  // namespace

TEST_SUITE("transport") {
    TEST_CASE("local: a file has its permissions at once, replaces what is dead, spares what lives, and goes") {
        const scratch_folder folder;
        const std::string path = folder / "socket";
        std::intptr_t first = -1;
        std::intptr_t second = -1;
        socket_file file;
        socket_file other;
        REQUIRE(listen_local(local(path), 0640, first, file) == 0);
        CHECK(mode_of(path) == 0640);
        CHECK(file.path == path);
        CHECK(listen_local(local(path), 0600, second, other) == EADDRINUSE);
        CHECK(second == -1);
        CHECK(other.path.empty());

        // A process that died left its file.
        close_descriptor(first);
        CHECK(std::filesystem::exists(path));
        REQUIRE(listen_local(local(path), 0600, second, other) == 0);
        CHECK(mode_of(path) == 0600);
        // The first has nothing there any more to be removed.
        remove(file);
        CHECK(std::filesystem::exists(path));
        remove(other);
        CHECK_FALSE(std::filesystem::exists(path));
        close_descriptor(second);

        // No file but a socket's is ever replaced.
        std::filesystem::create_directory(path);
        CHECK(listen_local(local(path), 0600, first, file) == EEXIST);
        CHECK(std::filesystem::is_directory(path));
        CHECK(listen_local(local(folder / "nowhere/socket"), 0600, first, file) == ENOENT);
        CHECK(listen_local(address::loopback_ipv4(0), 0600, first, file) == EAFNOSUPPORT);
    }

    TEST_CASE("local: a child of a fork removes nothing") {
        const scratch_folder folder;
        const std::string path = folder / "socket";
        std::intptr_t listening = -1;
        socket_file file;
        REQUIRE(listen_local(local(path), 0600, listening, file) == 0);
        socket_file of_another = file;
        ++of_another.pid;
        remove(of_another);
        CHECK(std::filesystem::exists(path));
        remove(file);
        CHECK_FALSE(std::filesystem::exists(path));
        close_descriptor(listening);
    }

    TEST_CASE("local: an abstract name is somebody's as long as he lives") {
        const std::string name = "@colloquy-test-" + std::to_string(random_u64());
        std::intptr_t first = -1;
        std::intptr_t second = -1;
        socket_file file;
        REQUIRE(listen_local(local(name), 0600, first, file) == 0);
        CHECK(file.path.empty());
        CHECK(listen_local(local(name), 0600, second, file) == EADDRINUSE);
        // Names are whole: no prefix and no longer one is it.
        CHECK(listen_local(local(name + "x"), 0600, second, file) == 0);
        close_descriptor(second);
        close_descriptor(first);
        REQUIRE(listen_local(local(name), 0600, first, file) == 0);
        close_descriptor(first);
    }

    TEST_CASE("local: addresses are parsed, compared and printed") {
        for (const char* const text : {"unix:/run/colloquy.sock", "unix:@name", "unix:@with/slash and blank"}) {
            CAPTURE(text);
            endpoint out;
            std::string error;
            REQUIRE(parse_endpoint(text, 0, out, error));
            CHECK(out.local);
            CHECK(out.port == 0);
            CHECK(format_endpoint(out) == text);
            address a = local(out.host);
            CHECK(a.to_string() == text);
            CHECK(a.network() == text);
            CHECK(a.family() == address_family::local);
            CHECK(a.is_loopback());
            a.set_port(7);
            CHECK(a.port() == 0);
            CHECK(a == local(out.host));
            CHECK_FALSE(a == local(out.host + "x"));
            CHECK_FALSE(a == address::loopback_ipv4(0));
        }
        // Shorter than an address of IPv4, as long as one, and as long as one of IPv6.
        for (const std::size_t size : {2u, 13u, 14u, 25u, 26u, 27u, 107u}) {
            const address a = local("@" + std::string(size - 1, 'n'));
            CHECK(a.family() == address_family::local);
            CHECK(a.to_string() == "unix:@" + std::string(size - 1, 'n'));
        }
        struct row {
            std::string text;
            const char* says;
        };
        for (const row& r : {row{"unix:", "names no socket"}, row{"unix:@", "names no socket"},
                             row{"unix:relative", "names no socket"}, row{"tls:unix:/a", "leave out 'tls:'"},
                             row{"unix:/" + std::string(107, 'a'), "at most 107 bytes"},
                             row{std::string{"unix:/a\0b", 9}, "a byte of zero"}}) {
            CAPTURE(r.text);
            endpoint out;
            std::string error;
            REQUIRE_FALSE(parse_endpoint(r.text, 1, out, error));
            CHECK_MESSAGE(error.find(r.says) != std::string::npos, error);
        }
        // What a peer calls itself cannot break a line of a log.
        CHECK(local("@line\nbreak").to_string() == "unix:@line?break");
    }

    TEST_CASE("local: who connects is known by his user, and a close is an end to the partner") {
        plain_bed bed;
        reactor& net = bed.net();
        const listener l = listen_locally(net);
        const address target = net.local_address(l);
        acceptor accepts;
        REQUIRE(net.submit_accept(l, accepts).is_pending());
        connector connects;
        connects.addresses = {&target, 1};
        REQUIRE(net.submit_connect(connects).is_pending());
        REQUIRE(run_until(net, [&] { return connects.completions == 1 && accepts.streams.size() == 1; }));
        REQUIRE(connects.error == 0);
        CHECK(net.peer_address(connects.connected) == target);
        CHECK(net.peer_address(accepts.streams[0]).family() == address_family::local);
        peer_credentials who;
        REQUIRE(credentials_of(net.descriptor(accepts.streams[0]), who));
        CHECK(who.uid == static_cast<std::int64_t>(::geteuid()));
        CHECK(who.pid == static_cast<std::int64_t>(::getpid()));
        CHECK(local_peer(net.descriptor(accepts.streams[0])) == "unix:uid " + std::to_string(::geteuid()));

        reader in;
        REQUIRE(net.submit_read(connects.connected, in).is_pending());
        net.reset(accepts.streams[0]);
        REQUIRE(run_until(net, [&] { return in.ended; }));
        writer out;
        CHECK(kind_of(write_text(net, connects.connected, out, text_bytes("anybody")).error) == error_kind::reset);
    }

    TEST_CASE("local: nobody there is refused at once, and the next address is tried") {
        plain_bed bed;
        reactor& net = bed.net();
        const scratch_folder folder;
        const std::string path = folder / "socket";
        const listener there = listen_locally(net);
        acceptor accepts;
        REQUIRE(net.submit_accept(there, accepts).is_pending());
        std::intptr_t dead = -1;
        socket_file file;
        REQUIRE(listen_local(local(path), 0600, dead, file) == 0);
        close_descriptor(dead);

        connector alone;
        const address left = local(path);
        alone.addresses = {&left, 1};
        REQUIRE(net.submit_connect(alone).is_pending());
        REQUIRE(run_until(net, [&] { return alone.completions == 1; }));
        CHECK(kind_of(alone.error) == error_kind::refused);

        const std::array<address, 3> list{left, local(folder / "nothing"), net.local_address(there)};
        connector second;
        second.addresses = list;
        REQUIRE(net.submit_connect(second).is_pending());
        REQUIRE(run_until(net, [&] { return second.completions == 1; }));
        CHECK(second.error == 0);
        CHECK(net.peer_address(second.connected) == list[2]);
        listener refused;
        CHECK(net.listen(left, {}, refused).is_failed());
    }

}  // TEST_SUITE
