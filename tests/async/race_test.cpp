// Threads that issue Receives, cancel, complete by sending, end, and replace events at one another, through the
// public calls.
// Nobody may hang, every 35 is told exactly once or belongs to a cancelled conversation, and no buffer is touched
// after its completion.
//
// COLLOQUY_RACE_SECONDS   how long (2)
// COLLOQUY_SEED           of the choices
#include <chrono>
#include <cstdlib>
#include <functional>
#include <random>

#include "tests/async/async.hpp"

using namespace colloquy::test;

namespace {

unsigned long number(const char* name, unsigned long otherwise) {
    const char* const text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoul(text, nullptr, 10);
}

// Guarded by its mutex: which conversation lives here now. The calls are made without it.
struct place {
    std::mutex mutex;
    talk near, far;
};

}  // namespace

TEST_SUITE("async") {
    TEST_CASE("race: Receives, cancels, completions, ends and events on the same conversations from several threads") {
        const unsigned long seed = number("COLLOQUY_SEED", 1);
        INFO("COLLOQUY_SEED=", seed);
        for (const unsigned reactors : {0U, 2U}) {
            CAPTURE(reactors);
            clq_options o{};
            o.reactors = reactors;
            o.conversations = 512;
            const running_unit unit{o};
            constexpr std::size_t places = 8;
            static std::array<place, places> at;
            for (place& p : at) {
                const ends two;
                REQUIRE(two.near.set(cmspm, CM_NON_BLOCKING) == CM_OK);
                p.near = two.near;
                p.far = two.far;
            }
            std::atomic<bool> over{false};
            std::atomic<unsigned long> issued{0}, at_once{0}, told{0}, refused{0}, renewed{0}, strange{0};
            const event events[3] = {event{false}, event{true}, event{false}};
            static std::atomic<unsigned long> told_by_callback;
            told_by_callback = 0;
            std::array<std::vector<std::unique_ptr<small_receive>>, 4> memory;  // outlives what is outstanding
            // Gives the place at `p` a new pair of conversations.
            const auto renew = [&](place& p) {
                talk a, b;
                a.prepare("inproc/TP");
                if (a.allocate() != CM_OK || a.flush() != CM_OK || a.set(cmspm, CM_NON_BLOCKING) != CM_OK) {
                    (void)a.cancel();
                    return;
                }
                CM_INT32 rc = b.accept();
                if (rc == CM_OPERATION_INCOMPLETE) ++issued;
                while (rc == CM_OPERATION_INCOMPLETE && b.state() != CM_RECEIVE_STATE) std::this_thread::yield();
                if (rc != CM_OK && rc != CM_OPERATION_INCOMPLETE) ++strange;
                // An accept that waited is busy until the collector has taken its record.
                for (rc = b.set(cmspm, CM_NON_BLOCKING); rc == CM_PROGRAM_STATE_CHECK;
                     rc = b.set(cmspm, CM_NON_BLOCKING)) {
                    if (over && wait_any().code == CM_OK) ++told;  // the collector may have gone
                    std::this_thread::yield();
                }
                {
                    const std::lock_guard held{p.mutex};
                    std::swap(p.near, a);
                    std::swap(p.far, b);
                }
                ++renewed;
                // Two may renew one place: what is replaced has ended, or ends now.
                (void)a.cancel();
                (void)b.cancel();
            };
            const auto act = [&](std::mt19937_64& random, std::vector<std::unique_ptr<small_receive>>& mine) {
                place& p = at[random() % places];
                talk near, far;
                {
                    const std::lock_guard held{p.mutex};
                    near = p.near;
                    far = p.far;
                }
                const auto roll = random() % 1000;
                if (roll < 450) {
                    // The memory of a Receive that answered 35 is not used again: a late write would be seen.
                    if (mine.empty() || mine.back()->code == CM_OPERATION_INCOMPLETE)
                        mine.push_back(std::make_unique<small_receive>());
                    switch (mine.back()->issue(far)) {
                        case CM_OPERATION_INCOMPLETE: ++issued; break;
                        case CM_OK: ++at_once; break;
                        default: ++refused;
                    }
                } else if (roll < 850) {
                    CM_INT32 rc = near.send("x");
                    if (rc == CM_OK) rc = near.flush();
                    if (rc == CM_OPERATION_INCOMPLETE) ++issued;
                } else if (roll < 900) {
                    (void)set_event(far, random() % 4 == 0 ? nullptr : events[random() % 3].handle);
                } else if (roll < 940) {
                    void* found = nullptr;
                    if (extract_event(far, found) == CM_OK && found != nullptr && found != events[0].handle &&
                        found != events[1].handle && found != events[2].handle)
                        ++strange;
                } else if (roll < 950) {
                    (void)set_callback(
                        &far, [](void*, const clq_completion*) { ++told_by_callback; }, nullptr);
                } else if (roll < 960) {
                    (void)events[random() % 3].signalled();
                } else if (roll < 980) {
                    const completion c = check_any();
                    if (c.code == CM_OK && c.result == CM_OPERATION_INCOMPLETE) ++strange;
                } else if (roll < 985) {
                    (void)far.send_error();
                } else if (roll < 990) {
                    (void)far.cancel();
                } else if (roll < 993) {
                    (void)near.cancel();
                } else if (roll < 996) {
                    (void)far.set(cmsdt, CM_DEALLOCATE_ABEND);
                    (void)far.deallocate();
                } else {
                    (void)far.cancel();
                    (void)near.cancel();
                    renew(p);
                }
            };
            std::vector<std::thread> threads;
            for (std::size_t n = 0; n < memory.size(); ++n)
                threads.emplace_back([&, n] {
                    std::mt19937_64 random{seed * 100 + n};
                    while (!over) act(random, memory[n]);
                });
            for (int n = 0; n < 2; ++n)
                threads.emplace_back([&] {
                    while (!over) {
                        const completion c = wait_any();
                        if (c.code == CM_OK && c.result == CM_OPERATION_INCOMPLETE) ++strange;
                        if (c.code == CM_OK)
                            ++told;
                        else
                            std::this_thread::yield();
                    }
                });
            // The time is how long it races, not what it checks.
            const auto until =
                std::chrono::steady_clock::now() + std::chrono::seconds(number("COLLOQUY_RACE_SECONDS", 2)) / 2;
            while (std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(20));
            over = true;
            // Whoever is parked in cmwait ends with the last operation.
            for (place& p : at) {
                const std::lock_guard held{p.mutex};
                (void)p.far.cancel();
                (void)p.near.cancel();
            }
            for (std::thread& t : threads) t.join();
            for (place& p : at) {
                (void)p.far.cancel();
                (void)p.near.cancel();
            }
            while (wait_any().code == CM_OK) ++told;
            const auto told_in_all = told.load() + told_by_callback.load();
            MESSAGE(issued.load() << " pending, " << at_once.load() << " at once, " << refused.load() << " refused, "
                                  << told_in_all << " told, " << renewed.load() << " conversations");
            CHECK(strange.load() == 0);
            CHECK(issued.load() != 0);
            CHECK(told_in_all <= issued.load() + renewed.load());
            CHECK(check_any().code == CM_PROGRAM_STATE_CHECK);
            CHECK(running_unit::conversations_open() == 0);
        }
    }

    TEST_CASE("race: who asks about a conversation disturbs nobody's calls, and hears the truth until it is over") {
        for (const unsigned reactors : {0U, 2U}) {
            CAPTURE(reactors);
            clq_options o{};
            o.reactors = reactors;
            const running_unit unit{o};
            const ends two{CM_CONFIRM, CM_BLOCKING};
            constexpr int messages = 1'000;
            std::atomic<unsigned long> looks{0}, wrong{0};
            const auto look = [&](const talk& at) {
                for (;;) {
                    std::array<char, 65> text{};
                    CM_INT32 level = -1, kind = -1, length = -1, codes[5] = {-1, -1, -1, -1, -1};
                    cmesl(at.id.data(), &level, &codes[0]);
                    cmect(at.id.data(), &kind, &codes[1]);
                    cmepln(at.id.data(), text.data(), &length, &codes[2]);
                    cmetpn(at.id.data(), text.data(), &length, &codes[3]);
                    cmemn(at.id.data(), text.data(), &length, &codes[4]);
                    looks.fetch_add(1);
                    bool gone = false;
                    for (const CM_INT32 code : codes) {
                        // Once it is over it stays so.
                        if (code != CM_PROGRAM_PARAMETER_CHECK && (code != CM_OK || gone)) wrong.fetch_add(1);
                        gone |= code == CM_PROGRAM_PARAMETER_CHECK;
                    }
                    if (codes[0] == CM_OK && level != CM_CONFIRM) wrong.fetch_add(1);
                    if (codes[1] == CM_OK && kind != CM_MAPPED_CONVERSATION) wrong.fetch_add(1);
                    if (gone) return;
                }
            };
            std::thread lookers[] = {std::thread{look, std::cref(two.near)}, std::thread{look, std::cref(two.far)}};
            CM_INT32 heard = -1;
            std::thread far{[&] {
                talk t = two.far;
                for (;;) {
                    const received r = t.receive();
                    heard = r.code == CM_OK && r.status == CM_CONFIRM_RECEIVED ? t.confirmed() : r.code;
                    if (heard != CM_OK) return;
                }
            }};
            talk near = two.near;
            CM_INT32 said = CM_OK;
            for (int i = 0; i < messages && said == CM_OK; ++i)
                said = near.send("x", i % 8 == 0 ? CM_SEND_AND_CONFIRM : CM_SEND_AND_FLUSH);
            CHECK(said == CM_OK);
            CHECK(near.deallocate(CM_DEALLOCATE_FLUSH) == CM_OK);
            far.join();
            for (std::thread& t : lookers) t.join();
            CHECK(heard == CM_DEALLOCATED_NORMAL);
            CHECK(wrong.load() == 0);
            CHECK(looks.load() != 0);
        }
    }

    TEST_CASE(
        "race: who is cancelled while the partner's last word comes leaves its link and its channel as they were") {
        const scratch_configuration file{"[limits]\nconversations = 64\nlinks = 4\nlink_conversations = 6\n"};
        for (const unsigned reactors : {0U, 1U}) {
            for (const bool near_asks : {false, true}) {
                CAPTURE(reactors);
                CAPTURE(near_asks);
                clq_options o = file.options();
                o.reactors = reactors;
                const running_unit unit{o};
                ends mark{CM_CONFIRM, CM_BLOCKING};
                const unsigned long rounds = 1'500;
                std::atomic<unsigned long> spins{0};
                for (unsigned long i = 0; i < rounds; ++i) {
                    const ends two{CM_CONFIRM, CM_BLOCKING};
                    talk asks = near_asks ? two.near : two.far, answers = near_asks ? two.far : two.near;
                    if (!near_asks) {
                        talk from = two.near;
                        REQUIRE(from.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
                        REQUIRE(from.prepare_to_receive() == CM_OK);
                        REQUIRE(asks.receive().status == CM_SEND_RECEIVED);
                    }
                    REQUIRE(asks.set(cmspm, CM_NON_BLOCKING) == CM_OK);
                    REQUIRE(asks.deallocate() == CM_OPERATION_INCOMPLETE);
                    REQUIRE(answers.receive().status == CM_CONFIRM_DEALLOC_RECEIVED);
                    // Told of no more, so that it may be on its way, there, or taken, when the other end is cancelled.
                    if (i % 2 == 0)
                        REQUIRE(answers.confirmed() == CM_OK);
                    else
                        REQUIRE(answers.cancel() == CM_OK);
                    for (unsigned long spin = i % 61 * 5; spin != 0; --spin) spins.fetch_add(1);
                    (void)asks.cancel();
                    while (check_any().code == CM_OK) (void)wait_any();
                }
                mark.say("still here");
                CHECK(mark.far.receive().text == "still here");
                CHECK(mark.near.cancel() == CM_OK);
                CHECK(mark.far.cancel() == CM_OK);
                CHECK(running_unit::conversations_open() == 0);
            }
        }
    }
}
