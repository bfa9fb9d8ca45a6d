// attach_router: the inside of an attach manager. It owns the addresses of a logical unit and passes the attaches that
// arrive there on to the programs that serve them, over local sockets, channel to channel.
//
// It decides nothing: an attach that no program is there for is held and reported, and whoever supervises the programs
// answers, when it likes, with a program or a refusal. Offered on Linux.
//
// Threads: every call may come from any thread and does not wait for the network; those marked "waits" wait for the
// router's own thread, which never waits for anybody. Nothing is called back but router_options::admit.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/config.hpp"
#include "runtime/relay.hpp"
#include "transport/local_socket.hpp"

namespace colloquy::api {

using attach_id = std::uint64_t;   // never 0, never used twice
using program_id = std::uint64_t;  // never 0, never used twice
using transport::peer_credentials;

struct route_options {
    std::uint32_t queue_max = 1'024;  // attaches that may be held; beyond it 11
    std::uint32_t wait_ms = 30'000;   // how long each is held before it is answered 11; 0: as long as it takes
    bool one_program = false;         // a second program that offers itself for the name is refused
    bool registrable = true;          // programs may offer themselves for the name
};

struct router_options {
    configuration unit;  // lu_name, listen, limits; it has one reactor thread whatever else this says
    std::vector<int>
        listeners;  // sockets that listen already (socket activation, a predecessor); the router's from here
    std::string program_socket;  // path at which programs offer themselves; empty: they cannot
    unsigned program_socket_mode = 0600;
    int program_listener = -1;  // the same as a socket that listens already; then the path is not bound anew
    // Who may offer itself; on the router's thread, so it must return at once. Empty: our own user and root.
    std::function<bool(const peer_credentials&)> admit;
    // Events that may wait to be taken. Beyond it attaches are answered 11 and programs turned away until some were
    // taken; a program that changes its names so often before that loses its link. Conversations under way add to it,
    // a few events each.
    std::uint32_t events_max = 16'384;
    // As by serve(), before the first partner or program is heard: those that waited for a manager to come back find
    // their names.
    std::vector<std::pair<std::string, route_options>> names;
};

// What has happened. Which members say something stands beside each kind; the others are empty.
struct router_event {
    using kind = runtime::relay_news::kind;

    kind what{};
    attach_id attach = 0;
    program_id program = 0;
    std::string tp;
    std::string partner;     // attach_arrived, delivered: name of the partner logical unit
    std::string user;        // attach_arrived, delivered: the user the attach names, unproven
    std::string text;        // left: why
    int code = 0;            // attach_gone: what its partner was answered; 0: the partner gave up
                             // left: 26 where it broke the rules or a limit, else 0
    std::uint32_t open = 0;  // delivered, accepted, ended: conversations the program has now
    peer_credentials who;    // joined: of a program that connected by itself
};

using router_counters = runtime::relay_counters;

class attach_router {
public:
    // Null, with one line in `error`, when it cannot be. Which of the descriptors handed over are closed then is open.
    [[nodiscard]] static std::unique_ptr<attach_router> start(const router_options& wanted, std::string& error);
    // stop(0) if that was not done.
    ~attach_router();
    attach_router(const attach_router&) = delete;
    attach_router& operator=(const attach_router&) = delete;

    [[nodiscard]] const std::vector<std::string>& listening() const noexcept;

    // --- transaction programs
    // Routes the name, or changes its rules, or routes one again that was stopped. False: it is no TP name.
    bool serve(std::string_view tp, const route_options& rules, std::string& error);
    // Its attaches are answered 10 from now on; those held, too.
    void stop(std::string_view tp);
    // The same with 9: the name is not known here any more.
    void withdraw(std::string_view tp);

    // --- programs
    // A program whose end of the socket pair has gone to it (COLLOQUY_LINK_FD). `fd`, connected, is the router's from
    // here. 0 with `error`: it is no stream socket, and was closed. `joined` or `left` follows.
    [[nodiscard]] program_id add_program(int fd, std::string& error);
    // The attach is the program's as soon as its link is open; attach_returned if that does not come to be.
    void give(attach_id attach, program_id program);
    // Answers 9, 10 or 11; other codes count as 11. attach_gone follows.
    void refuse(attach_id attach, int code);
    // The program takes attaches of the name without being asked, as long as it has fewer than `at_most` conversations,
    // those given to it included. Several programs of one name take turns. 0: no more.
    void route(std::string_view tp, program_id program, std::uint32_t at_most);
    // It gets no more: its Accept_Conversation answers 25 when it has taken what is there, and its link ends with its
    // last conversation.
    void last(program_id program);
    // Ends its link: its conversations end with a resource failure, and `left` follows.
    void close(program_id program);

    // --- the end
    // No more attaches (11) and no more programs; links end with their last conversation. `idle` when none is left.
    void drain();
    // Copies of the sockets that listen, for a successor; the caller's. Waits.
    [[nodiscard]] std::vector<int> listener_descriptors();
    // The same of the one for programs; -1: there is none. Waits.
    [[nodiscard]] int program_listener_descriptor();
    // Closes them here; links go on. The path of the programs' socket stays, for the successor.
    void stop_listening();
    // Certificates and users are read again, from the files that were named at the start. False with one line, and
    // nothing has changed.
    [[nodiscard]] bool reload_security(std::string& error);
    // Ends everything, at once where it must. True: all was written in time. Waits.
    bool stop(std::chrono::milliseconds limit);

    // --- what has happened
    // Readable while there are events; to be waited on only.
    [[nodiscard]] int descriptor() const noexcept;
    // The next, in the order of happening. False: there is none.
    [[nodiscard]] bool next(router_event& out);
    // Of the moment. Waits.
    [[nodiscard]] router_counters counters();

private:
    struct inside;
    explicit attach_router(std::unique_ptr<inside> i) noexcept;
    std::unique_ptr<inside> inside_;
};

}  // namespace colloquy::api
