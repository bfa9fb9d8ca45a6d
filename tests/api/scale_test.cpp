// Many conversations from the C interface: over one link and over many, and the limits that bound them.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <unordered_map>
#include <vector>

#include "tests/api/program.hpp"

namespace {

using namespace colloquy::test;

struct id_hash {
    std::size_t operator()(const id_bytes& id) const noexcept {
        std::uint64_t v = 0;
        std::memcpy(&v, id.data(), sizeof v);
        return static_cast<std::size_t>(v * 0x9E3779B97F4A7C15ULL >> 20);
    }
};

// Callers and their server in one loop around cmwait. Every conversation sends a number and hears it back, `rounds`
// times.
class echo_loop {
public:
    explicit echo_loop(int rounds) : rounds_{rounds} { serve_tp("TP"); }

    void run(const std::string& where, int conversations) {
        conversations_ += conversations;
        wanted_ += 8;
        accept_more();
        for (int i = 0; i < conversations; ++i) {
            end& e = add();
            e.number = i;
            e.rounds = rounds_;
            e.t.prepare(where, CM_NONE, CM_NON_BLOCKING);
            known_[e.t.id] = &e;
            e.doing = step::allocating;
            most_open_ = std::max(most_open_, running_unit::conversations_open());
            go_on_after(e, e.t.allocate());
        }
        while (callers_over < conversations_ || servers_over < conversations_) {
            const completion c = wait_any();
            REQUIRE(c.code == CM_OK);
            REQUIRE(known_.contains(c.id));
            go_on_after(*known_[c.id], c.result);
            accept_more();
            most_open_ = std::max(most_open_, running_unit::conversations_open());
        }
    }
    [[nodiscard]] unsigned long long most_open() const { return most_open_; }
    int callers_over = 0;
    int servers_over = 0;

private:
    enum class step { accepting, allocating, calling, serving, answering };
    struct end {
        talk t;
        step doing = step::accepting;
        int number = 0;
        int rounds = 0;
        std::array<char, 16> buffer{};
        CM_INT32 size = 16;
        received r;
    };

    end& add() { return *ends_.emplace_back(std::make_unique<end>()); }
    // One Accept for each that was served; not at once, or a queue full of attaches would be served by recursion.
    void accept_more() {
        for (; wanted_ != 0; --wanted_) accept_one();
    }
    void accept_one() {
        end& e = add();
        CM_INT32 rc = -1;
        cmaccp(e.t.id.data(), &rc);
        REQUIRE((rc == CM_OK || rc == CM_OPERATION_INCOMPLETE));
        known_[e.t.id] = &e;
        go_on_after(e, rc);
    }
    CM_INT32 receive(end& e) {
        e.r = {};
        cmrcv(e.t.id.data(), e.buffer.data(), &e.size, &e.r.data, &e.r.length, &e.r.status, &e.r.rts, &e.r.code);
        return e.r.code;
    }
    CM_INT32 call(end& e) {
        const std::string text = std::to_string(e.number) + "/" + std::to_string(e.rounds);
        REQUIRE(e.t.send(text) == CM_OK);
        e.doing = step::calling;
        return receive(e);
    }
    void go_on_after(end& e, CM_INT32 code) {
        for (;;) {
            if (code == CM_OPERATION_INCOMPLETE) return;
            switch (e.doing) {
                case step::accepting:
                    REQUIRE(code == CM_OK);
                    REQUIRE(e.t.set(cmspm, CM_NON_BLOCKING) == CM_OK);
                    if (++accepted_ + 8 <= conversations_) ++wanted_;
                    e.doing = step::serving;
                    code = receive(e);
                    break;
                case step::allocating:
                    REQUIRE(code == CM_OK);
                    code = call(e);
                    break;
                case step::calling: {
                    REQUIRE(code == CM_OK);
                    const std::string text = std::to_string(e.number) + "/" + std::to_string(e.rounds);
                    REQUIRE(e.r.data == CM_COMPLETE_DATA_RECEIVED);
                    REQUIRE(std::string_view{e.buffer.data(), static_cast<std::size_t>(e.r.length)} == text);
                    REQUIRE(e.r.status == CM_SEND_RECEIVED);
                    if (--e.rounds == 0) {
                        REQUIRE(e.t.deallocate() == CM_OK);
                        ++callers_over;
                        return;
                    }
                    code = call(e);
                    break;
                }
                case step::serving:
                    if (code == CM_DEALLOCATED_NORMAL) {
                        ++servers_over;
                        return;
                    }
                    REQUIRE(code == CM_OK);
                    REQUIRE(e.r.status == CM_SEND_RECEIVED);
                    REQUIRE(e.t.set(cmsst, CM_SEND_AND_PREP_TO_RECEIVE) == CM_OK);
                    e.doing = step::answering;
                    code = e.t.send({e.buffer.data(), static_cast<std::size_t>(e.r.length)});
                    break;
                case step::answering:
                    REQUIRE(code == CM_OK);
                    e.doing = step::serving;
                    code = receive(e);
                    break;
            }
        }
    }

    const int rounds_;
    int conversations_ = 0;
    int accepted_ = 0;
    int wanted_ = 0;
    unsigned long long most_open_ = 0;
    std::vector<std::unique_ptr<end>> ends_;
    std::unordered_map<id_bytes, end*, id_hash> known_;
};

clq_options large() {
    clq_options o = listening_options();
    o.conversations = 8'192;
    o.links = 512;
    return o;
}

}  // namespace

TEST_SUITE("api") {
    TEST_CASE("scale: 2,000 conversations over one link") {
        const running_unit unit{large()};
        echo_loop loop{3};
        loop.run(running_unit::address() + "/TP", 2'000);
        CHECK(loop.callers_over == 2'000);
        CHECK(loop.servers_over == 2'000);
        CHECK(clq_counter("links_opened") == 2);  // both ends of one are here
        CHECK(loop.most_open() > 2'000);
    }

    TEST_CASE("scale: 2,000 conversations over 100 links") {
        clq_options o = large();
        o.partner_links = 100;
        const running_unit unit{o};
        echo_loop loop{3};
        loop.run(running_unit::address() + "/TP", 2'000);
        CHECK(loop.callers_over == 2'000);
        CHECK(clq_counter("links_opened") == 200);
        // A name has to be resolved for each; more at a time than the resolver has room for.
        const std::string by_number = running_unit::address();
        loop.run("localhost" + by_number.substr(by_number.find(':')) + "/TP", 1'000);
        CHECK(loop.callers_over == 3'000);
        CHECK(clq_counter("links_opened") == 400);
    }

    TEST_CASE("scale: the same in the process, and with reactors") {
        {
            const running_unit unit{large()};
            echo_loop loop{3};
            loop.run("inproc/TP", 1'000);
            CHECK(loop.servers_over == 1'000);
        }
        clq_options o = large();
        o.reactors = 2;
        o.partner_links = 10;
        const running_unit unit{o};
        echo_loop loop{3};
        loop.run(running_unit::address() + "/TP", 1'000);
        CHECK(loop.servers_over == 1'000);
    }

    TEST_CASE("scale: no more conversations on a link than the partner allows; the next is told to retry") {
        const scratch_configuration file{
            "listen = \"127.0.0.1:0\"\n[limits]\nconversations = 64\nlinks = 8\nlink_conversations = 3\n"};
        const running_unit unit{file.options()};
        serve_tp("TP");
        const std::string where = running_unit::address() + "/TP";
        std::array<talk, 3> all;
        for (talk& t : all) t.begin(where);
        talk more;
        more.prepare(where);
        CHECK(more.allocate() == CM_ALLOCATE_FAILURE_RETRY);
        CHECK(more.state() == -CM_PROGRAM_PARAMETER_CHECK);
        // One that ends makes room.
        collector waits;
        talk partner;
        CHECK(all[1].flush() == CM_OK);
        partner.accept(waits);
        CHECK(all[1].deallocate() == CM_OK);
        CHECK(partner.receive().code == CM_DEALLOCATED_NORMAL);
        CM_INT32 code = CM_ALLOCATE_FAILURE_RETRY;
        while (code == CM_ALLOCATE_FAILURE_RETRY) {  // until the end has been acknowledged
            more.prepare(where);
            code = more.allocate();
        }
        CHECK(code == CM_OK);
    }

    TEST_CASE("scale: attaches that nobody accepts are refused with retry when the queue is full") {
        const scratch_configuration file{
            "listen = \"127.0.0.1:0\"\n[limits]\nconversations = 64\nlinks = 8\n[[tp]]\nname = \"TP\"\nqueue_max = "
            "2\n"};
        const running_unit unit{file.options()};
        const std::string where = running_unit::address() + "/TP";
        std::array<talk, 3> callers;
        for (talk& t : callers) {
            t.begin(where, CM_CONFIRM);
            CHECK(t.flush() == CM_OK);
        }
        CHECK(callers[2].confirm() == CM_TP_NOT_AVAILABLE_RETRY);
        // The other two are served by Accepts that block, because the name is the configuration's.
        std::array<talk, 2> servers;
        for (talk& t : servers) CHECK(t.accept() == CM_OK);
        CHECK(callers[0].send("served", CM_SEND_AND_FLUSH) == CM_OK);
        CHECK(servers[0].receive().text == "served");
        talk again;
        again.begin(where, CM_CONFIRM);
        CHECK(again.flush() == CM_OK);
        CHECK(servers[0].accept() == CM_OK);
    }
}
