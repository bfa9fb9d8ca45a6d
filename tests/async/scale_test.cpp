// Many conversations in one server thread, each with a Receive pending, told by each channel in turn: every
// completion once.
//
// COLLOQUY_ASYNC_CONVERSATIONS   how many (2000; up to 100000)
#include <algorithm>
#include <cstdlib>

#include "tests/async/async.hpp"

using namespace colloquy::test;

namespace {

unsigned conversations() {
    const char* const wanted = std::getenv("COLLOQUY_ASYNC_CONVERSATIONS");
    return wanted == nullptr
               ? 2'000U
               : std::clamp<unsigned>(static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)), 1U, 100'000U);
}

struct served {
    talk far;
    small_receive r;
    unsigned told = 0;
    std::string expected;
};

// What a round expects of a served conversation that was just told.
void count(served& s, CM_INT32 code) {
    ++s.told;
    if (code != CM_OK) FAIL_CHECK("code " << code);
    if (s.r.text() != s.expected) FAIL_CHECK("text");
}

struct crowd {
    std::vector<talk> near;
    std::vector<served> far;
    std::map<id_bytes, std::size_t> by_id;

    explicit crowd(unsigned n) : near(n), far(n) {
        serve_tp("TP");
        collector all;
        for (unsigned i = 0; i < n; ++i) {
            near[i].begin("inproc/TP");
            REQUIRE(near[i].flush() == CM_OK);
            far[i].far.accept(all);
            REQUIRE(far[i].far.set(cmspm, CM_NON_BLOCKING) == CM_OK);
            by_id[far[i].far.id] = i;
        }
    }
    // All Receives are issued, then another thread says something to each; `collect` serves until all were told.
    template <class Collect>
    void round(const std::string& text, Collect&& collect) {
        for (served& s : far) {
            s.told = 0;
            s.expected = text;
            CM_INT32 rc = s.r.issue(s.far);
            while (rc == CM_OPERATION_NOT_ACCEPTED) rc = s.r.issue(s.far);  // just told by the round before
            REQUIRE(rc == CM_OPERATION_INCOMPLETE);
        }
        std::thread sender{[&] {
            for (talk& t : near)
                if (t.send(text, CM_SEND_AND_FLUSH) != CM_OK) FAIL_CHECK("send");
        }};
        collect(far.size());
        sender.join();
        unsigned wrong = 0;
        for (const served& s : far) wrong += s.told != 1 ? 1U : 0U;
        CHECK(wrong == 0);
    }
};

}  // namespace

TEST_SUITE("async") {
    TEST_CASE(
        "scale: thousands of pending Receives, served through cmwait, events, messages, callbacks: each exactly once") {
        const unsigned n = conversations();
        clq_options o{};
        o.conversations = 2 * n + 16;
        const running_unit unit{o};
        crowd all{n};

        for (const char* text : {"first", "second"})
            all.round(text, [&](std::size_t left) {
                for (; left != 0; --left) {
                    const completion c = wait_any();
                    REQUIRE(c.code == CM_OK);
                    count(all.far[all.by_id.at(c.id)], c.result);
                }
            });
        CHECK(wait_any().code == CM_PROGRAM_STATE_CHECK);

        // Events, each shared by a share of the conversations, waited for together.
        constexpr std::size_t event_count = 16;
        {
            std::vector<std::unique_ptr<event>> events;
            event_set together;
            for (std::size_t i = 0; i < event_count; ++i) {
                events.push_back(std::make_unique<event>(false));
                together.add(events[i]->handle);
            }
            for (std::size_t i = 0; i < n; ++i)
                REQUIRE(set_event(all.far[i].far, events[i % event_count]->handle) == CM_OK);
            all.round("by event", [&](std::size_t left) {
                while (left != 0) {
                    together.wait_any();
                    // The signals say that there is something, not how much.
                    for (completion c = check_any(); c.code == CM_OK; c = check_any()) {
                        c = wait_any();
                        REQUIRE(c.code == CM_OK);
                        count(all.far[all.by_id.at(c.id)], c.result);
                        --left;
                    }
                }
            });
            for (std::size_t i = 0; i < n; ++i) REQUIRE(set_event(all.far[i].far, nullptr) == CM_OK);
        }

        // The default queue holds 10000 messages, so with more conversations some are posted a second time.
        {
            const window w;
            w.use();
            all.round("by message", [&](std::size_t left) {
                for (; left != 0; --left) {
                    const clq_message m = window::next();
                    if (m.message != window::completion_message()) FAIL_CHECK("a stranger");
                    id_bytes id{};
                    std::memcpy(id.data(), reinterpret_cast<const void*>(m.lParam), id.size());
                    count(all.far[all.by_id.at(id)], static_cast<CM_INT32>(m.wParam));
                }
            });
            CHECK(window::none_now());
        }

        {
            struct state {
                crowd* all;
                std::mutex mutex;
                tally times;
            } s{&all, {}, {}};
            CM_INT32 rc = -1;
            clq_set_callback(
                nullptr,
                [](void* user, const clq_completion* c) {
                    state& at = *static_cast<state*>(user);
                    id_bytes id{};
                    std::memcpy(id.data(), c->conversation_ID, id.size());
                    {
                        const std::lock_guard held{at.mutex};
                        count(at.all->far[at.all->by_id.at(id)], c->return_code);
                    }
                    at.times.add();  // last: the state may go once the last one is counted
                },
                &s, &rc);
            REQUIRE(rc == CM_OK);
            all.round("by callback", [&](std::size_t left) { s.times.wait_for(static_cast<unsigned>(left)); });
            REQUIRE(set_callback(nullptr, nullptr, nullptr) == CM_OK);
        }
        for (talk& t : all.near) REQUIRE(t.cancel() == CM_OK);
        for (served& s : all.far) REQUIRE(s.far.cancel() == CM_OK);
        CHECK(running_unit::conversations_open() == 0);
    }
}
