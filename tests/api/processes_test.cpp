// What a partner hears of a process that ends: nothing is lost when it exits, 17 when it leaves a conversation
// behind, 27 when it is killed. And what a forked child knows of its parent's conversations: nothing.
#ifdef COLLOQUY_PROGRAMS_DIR
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

class visitor {
public:
    visitor(const std::string& destination, const std::string& how, const std::string& text)
        : process_{run_program(COLLOQUY_PROGRAMS_DIR "/visitor", {destination, how, text})} {
        REQUIRE(process_.handle != 0);
    }
    ~visitor() {
        if (process_.handle == 0) return;
        kill();
        (void)wait();
    }
    visitor(const visitor&) = delete;
    visitor& operator=(const visitor&) = delete;

    void kill() const { kill_process(process_); }
    int wait() { return wait_process(process_); }

private:
    process process_;
};

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("processes: a program that sends, deallocates and exits at once loses nothing") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        collector all;
        for (int i = 0; i < 200; ++i) {
            CAPTURE(i);
            const std::string text =
                "record " + std::to_string(i) + std::string(static_cast<std::size_t>(i) * 100, 'x');
            visitor v{running_unit::address() + "/TP", "finish", text};
            talk t;
            t.accept(all);
            received r = t.receive();
            CHECK((r.text == text));
            if (r.code == CM_OK) r = t.receive();
            CHECK(r.code == CM_DEALLOCATED_NORMAL);
            CHECK(v.wait() == 0);
        }
        CHECK(running_unit::conversations_open() == 0);
    }

    TEST_CASE("processes: a program that exits without Deallocate is 17, what it sent comes before") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        collector all;
        for (int i = 0; i < 20; ++i) {
            visitor v{running_unit::address() + "/TP", "leave", "good-bye"};
            talk t;
            t.accept(all);
            CHECK(t.receive().text == "good-bye");
            CHECK(t.receive().code == CM_DEALLOCATED_ABEND);
            CHECK(v.wait() == 0);
        }
    }

    TEST_CASE("processes: a program that is killed is 27 for every call that may say so") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        collector all;
        for (const char* what : {"receive", "send", "send_error", "confirmed"}) {
            CAPTURE(what);
            visitor v{running_unit::address() + "/TP", "stay", "hello"};
            talk t;
            t.accept(all);
            received r = t.receive();
            CHECK(r.text == "hello");
            if (r.status == CM_NO_STATUS_RECEIVED) r = t.receive();
            CHECK(r.status == CM_SEND_RECEIVED);
            const bool receives = what == std::string_view{"receive"};
            const auto links_closed = clq_counter("links_closed");
            v.kill();
            (void)v.wait();
            if (receives) {
                CHECK(t.receive().code == CM_RESOURCE_FAILURE_RETRY);
            } else {
                // Flush does not tell; it lets the link notice.
                while (clq_counter("links_closed") == links_closed) CHECK(t.flush() == CM_OK);
                CHECK((what == std::string_view{"send_error"} ? t.send_error() : t.send("?")) ==
                      CM_RESOURCE_FAILURE_RETRY);
            }
            CHECK(t.state() == -CM_PROGRAM_PARAMETER_CHECK);
        }
        CHECK(running_unit::conversations_open() == 0);
    }

#ifndef _WIN32
    TEST_CASE("processes: in a forked child the parent's conversations are unknown, and the parent's go on") {
        const running_unit unit{listening_options()};
        serve_tp("TP");
        collector all;
        talk a, b, waiting;
        a.begin(running_unit::address() + "/TP");
        REQUIRE(a.flush() == CM_OK);
        b.accept(all);
        REQUIRE(waiting.accept() == CM_OPERATION_INCOMPLETE);
        const pid_t child = ::fork();
        REQUIRE(child >= 0);
        if (child == 0) {
            int wrong = 0;
            for (const talk* t : {&a, &b, &waiting}) {
                if (t->state() != -CM_PROGRAM_PARAMETER_CHECK) wrong |= 1;
                if (t->cancel() != CM_PROGRAM_PARAMETER_CHECK) wrong |= 2;
                if (t->flush() != CM_PROGRAM_PARAMETER_CHECK) wrong |= 4;
            }
            if (wait_any().code != CM_PROGRAM_STATE_CHECK) wrong |= 8;
            // It starts afresh if it wants.
            talk own;
            if (own.init() != CM_OK || own.state() != CM_INITIALIZE_STATE) wrong |= 16;
            if (a.state() != -CM_PROGRAM_PARAMETER_CHECK) wrong |= 32;
            ::_exit(wrong);
        }
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
        CHECK(a.send("still", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(b.receive().text == "still");
        talk next;
        next.begin(running_unit::address() + "/TP");
        REQUIRE(next.flush() == CM_OK);
        CHECK(all.wait_for(waiting.id) == CM_OK);
    }
#endif
}
#endif
