// A logical unit that is stopped and started again and again leaves nothing behind, also while other threads call.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

std::size_t open_descriptors() {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator{"/proc/self/fd"}) ++n;
    return n;
}

std::size_t resident_bytes() {
    std::ifstream file{"/proc/self/statm"};
    std::size_t whole = 0, resident = 0;
    file >> whole >> resident;
    return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

// One life: a conversation through the process, with data, and what is outstanding at the end.
void live(unsigned reactors) {
    clq_options o = listening_options();
    o.reactors = reactors;
    o.conversations = 4'096;
    const running_unit unit{o};
    serve_tp("TP");
    talk a, b;
    a.begin(running_unit::address() + "/TP");
    CHECK(a.send(std::string(300, 'x'), CM_SEND_AND_FLUSH) == CM_OK);
    collector all;
    b.accept(all);
    CHECK(b.receive().text.size() == 300);
    CHECK(b.set(cmspm, CM_NON_BLOCKING) == CM_OK);
    pending_receive left;
    CHECK(left.issue(b) == CM_OPERATION_INCOMPLETE);
    CHECK(clq_stop(2'000) == 0);
    const completion c = wait_any();
    CHECK(c.code == CM_OK);
    CHECK(c.result == CM_DEALLOCATED_ABEND);
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("restart: descriptors and memory of what was stopped are given back at the next start") {
        constexpr int lives = 50;
        for (int i = 0; i < 4; ++i) live(i % 2 == 0 ? 0 : 2);
        const std::size_t descriptors = open_descriptors();
        const std::size_t before = resident_bytes();
        std::size_t most = 0;
        for (int i = 0; i < lives; ++i) {
            live(i % 2 == 0 ? 0 : 2);
            most = std::max(most, open_descriptors());
        }
        // One that was stopped is kept until the next start.
        CHECK(most <= descriptors + 8);
        const std::size_t after = resident_bytes();
        const std::size_t each = after > before ? (after - before) / lives : 0;
        CAPTURE(each);
        CHECK(each < 1'000'000);
    }

    TEST_CASE("restart: threads that call all the time find a whole logical unit or none") {
        std::atomic<bool> over{false};
        std::atomic<unsigned long> calls{0};
        const auto intrude = [&](int which) {
            talk t;
            while (!over.load()) {
                switch (which) {
                    case 0: (void)t.cancel(); break;
                    case 1: (void)clq_counter("verbs"); break;
                    case 2: {
                        id_bytes id{};
                        CM_INT32 result = 0, code = -1;
                        cmchck(id.data(), &result, &code);
                        break;
                    }
                    default: {
                        // A thread that comes and goes.
                        std::thread once{[] { (void)clq_dispatch(); }};
                        once.join();
                    }
                }
                calls.fetch_add(1);
            }
        };
        std::thread intruders[] = {std::thread{intrude, 0}, std::thread{intrude, 1}, std::thread{intrude, 2},
                                   std::thread{intrude, 3}};
        for (int i = 0; i < 30; ++i) {
            const running_unit unit{listening_options()};
            talk a;
            a.begin("inproc/NOBODY");
            CHECK(a.send("x", CM_SEND_AND_FLUSH) == CM_OK);
            (void)a.receive();
        }
        over.store(true);
        for (std::thread& t : intruders) t.join();
        CHECK(calls.load() > 0);
    }
}
