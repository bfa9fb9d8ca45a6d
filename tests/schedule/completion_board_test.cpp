// Waiting for some of many operations, on the real board under the seeded scheduler.
//
// The threads that wait take the steps of logical_unit::wait_for_completion without a drive. Invariants: each finish is
// collected exactly once and its outcome seen; whoever waits ends when nothing of its list is left (a deadlock here
// otherwise); a number that was given back stays dead.
#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>

#include <doctest/doctest.h>

#include "runtime/completion_board.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;

enum class mistake {
    none,
    leaves_silently,      // who leaves wakes nobody that relies on its marks
    pile_is_all,          // what the pile does not tell is not looked for
    sleeps_without_look,  // what came between the look and the sleep is not noticed
};

enum class ending { collected, nothing, dead };

template <template <class> class Atom>
struct board_model {
    scheduler& model;
    mistake wrong;
    runtime::completion_board<Atom> board;
    model_waiter<Atom> waiter;
    std::array<model_data<unsigned>, 8> outcome{};  // by number
    std::array<unsigned, 8> collected{};            // ghosts, by number

    board_model(scheduler& m, mistake w, std::uint32_t cells = 64) : model{m}, wrong{w}, board{cells, 4} {}

    auto wake() {
        return [this](runtime::spot<Atom>& where) { where.notify(waiter); };
    }
    std::int32_t pending() {
        const std::int32_t number = board.deal(0);
        board.begin(number);
        return number;
    }
    void finish(std::int32_t number) {
        outcome[static_cast<std::size_t>(number)] = 7;
        (void)board.finish(number, wake());
    }
    ending wait(std::uint32_t hint, std::initializer_list<std::int32_t> of) {
        // Not on the heap: a planted mistake leaves threads asleep for good, with what they hold.
        std::array<std::int32_t, 4> list{}, places{};
        model.expect(of.size() <= list.size(), "the list is too long for the model");
        std::copy(of.begin(), of.end(), list.begin());
        const auto count = static_cast<std::uint32_t>(of.size());
        const std::uint32_t me = board.enter(hint);
        model.expect(me != 0, "no waiter is left");
        ending result = ending::collected;
        bool looks = true;
        for (unsigned found = 0; found == 0;) {
            std::uint32_t candidates = 0;
            if (looks) {
                const auto seen = board.look(me, list.data(), count, places.data(), wake());
                candidates = seen.finished;
                result = !seen.valid                            ? ending::dead
                         : candidates == 0 && seen.pending == 0 ? ending::nothing
                                                                : ending::collected;
                if (result != ending::collected) break;
                looks = false;
            } else {
                looks = !board.take_pile(me, list.data(), count, places.data(), candidates, wake());
            }
            for (std::uint32_t i = 0; i < candidates; ++i) {
                const std::int32_t number = list[static_cast<std::size_t>(places[i])];
                bool others = false;
                if (!board.collect(number, me, others, wake())) continue;
                model.expect(outcome[static_cast<std::size_t>(number)] == 7, "collected before it has finished");
                outcome[static_cast<std::size_t>(number)] = 0;
                ++collected[static_cast<std::size_t>(number)];
                ++found;
            }
            if (candidates != 0 && found == 0) looks = true;
            if (wrong == mistake::pile_is_all) looks = false;
            if (found != 0 || looks) continue;
            runtime::spot<Atom>& parking = board.parking(me);
            if (wrong == mistake::sleeps_without_look) {
                (void)parking.cancel();
                (void)parking.prepare();
                (void)parking.wait(waiter, runtime::no_deadline);
            } else if (parking.prepare() && !board.told_something(me)) {
                (void)parking.wait(waiter, runtime::no_deadline);
            } else {
                (void)parking.cancel();
            }
        }
        if (wrong == mistake::leaves_silently)
            (void)board.leave(me, [](runtime::spot<Atom>&) {});
        else
            (void)board.leave(me, wake());
        return result;
    }
    // Until nothing of the list is left.
    void wait_for_all(std::uint32_t hint, std::initializer_list<std::int32_t> of) {
        while (wait(hint, of) == ending::collected) {
        }
    }
    void expect_once(std::initializer_list<std::int32_t> numbers) {
        for (const std::int32_t n : numbers)
            model.expect(collected[static_cast<std::size_t>(n)] == 1, "not collected exactly once");
    }
};

// Two lists share an operation; what is collected by one leaves the other with nothing to wait for.
template <template <class> class Atom>
void overlapping(scheduler& model, mistake wrong) {
    board_model<Atom> b{model, wrong};
    const std::int32_t x = b.pending(), shared = b.pending(), y = b.pending();
    model.run(
        [&] {
            b.wait_for_all(0, {x, shared});
        },
        [&] {
            b.wait_for_all(1, {shared, y});
        },
        [&] {
            b.finish(shared);
            b.finish(x);
            b.finish(y);
        });
    b.expect_once({x, shared, y});
}

// One waits once and goes; its marks must not keep the completion from the other.
template <template <class> class Atom>
void one_leaves(scheduler& model, mistake wrong) {
    board_model<Atom> b{model, wrong};
    const std::int32_t x = b.pending(), shared = b.pending();
    model.run(
        [&] {
            (void)b.wait(0, {x, shared});
        },
        [&] {
            b.wait_for_all(1, {shared, x});
        },
        [&] { b.finish(x); }, [&] { b.finish(shared); });
    model.expect(b.collected[static_cast<std::size_t>(x)] <= 1, "collected twice");
    b.expect_once({shared, x});
}

// A completion and a cancel race for the operation, as owners of its slot do; who wins ends it. Then its number is
// given back, and its cell gets another life while a second thread may still have it in its list.
template <template <class> class Atom>
void cancelled(scheduler& model, mistake wrong) {
    board_model<Atom> b{model, wrong, 2};
    const std::int32_t x = b.pending(), beside = b.pending();
    Atom<unsigned> phase{0};
    const auto end = [&](std::int32_t number) {
        unsigned expected = 0;
        if (phase.cas_acq_rel(expected, 1)) b.finish(number);
    };
    Atom<unsigned> reborn{0};
    const auto wait = [&](std::uint32_t hint) {
        if (b.wait(hint, {x}) != ending::collected) return;
        b.board.give_back(x);
        const std::int32_t next = b.board.deal(1);
        model.expect(next > beside && (next & 1) == (x & 1), "the cell is not used again");
        b.board.begin(next);
        reborn.store_release(static_cast<unsigned>(next));
    };
    model.run([&] { wait(0); }, [&] { wait(1); }, [&] { end(x); }, [&] { end(x); });
    b.expect_once({x});
    const auto next = static_cast<std::int32_t>(reborn.load_acquire());
    model.expect(next != 0 && b.wait(2, {x}) == ending::dead, "a dead number is known");
    b.finish(next);
    model.expect(b.wait(2, {next}) == ending::collected, "the new life is not told");
}

// Completion against registration: the operation is issued, finished and issued again while it is waited for.
template <template <class> class Atom>
void issued_again(scheduler& model, mistake wrong) {
    board_model<Atom> b{model, wrong};
    const std::int32_t x = b.board.deal(0);
    Atom<unsigned> issued{0};
    constexpr unsigned times = 3;
    model.run(
        [&] {
            for (unsigned i = 1; i <= times; ++i) {
                b.board.begin(x);
                issued.store_release(i);
                model.expect(b.wait(0, {x}) == ending::collected, "lost");
            }
        },
        [&] {
            for (unsigned i = 1; i <= times; ++i) {
                while (issued.load_acquire() < i) model.yield();
                b.finish(x);
            }
        },
        [&] { (void)b.board.enter(3); });
    model.expect(b.collected[static_cast<std::size_t>(x)] == times, "each once");
}

// A waiter's marks outlive its wait, and it is inside again for something else when what bears them finishes: who
// relies on them must hear of it.
template <template <class> class Atom>
void waits_for_something_else(scheduler& model, mistake wrong) {
    board_model<Atom> b{model, wrong};
    const std::int32_t x = b.pending(), y = b.pending();
    model.run(
        [&] {
            std::int32_t place = 0;
            const std::uint32_t me = b.board.enter(0);
            (void)b.board.look(me, &x, 1, &place, b.wake());
            (void)b.board.leave(me, b.wake());
            (void)b.wait(0, {y});
        },
        [&] {
            model.expect(b.wait(1, {x}) == ending::collected, "lost");
            b.finish(y);
        },
        [&] { b.finish(x); });
    b.expect_once({x, y});
}

// What did not wait after all leaves one of two waiters with nothing, although the other holds the mark.
template <template <class> class Atom>
void withdrawn(scheduler& model, mistake wrong) {
    board_model<Atom> b{model, wrong};
    const std::int32_t x = b.pending(), y = b.pending();
    Atom<unsigned> gone{0};
    model.run(
        [&] {
            model.expect(b.wait(0, {x}) == ending::nothing, "nothing was there to collect");
            gone.store_release(1);
        },
        [&] {
            b.wait_for_all(1, {x, y});
        },
        [&] {
            (void)b.board.withdraw(x, b.wake());
            while (gone.load_acquire() == 0) model.yield();
            b.finish(y);
        });
    b.expect_once({y});
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("completion board: two waiters on overlapping lists collect each completion once, and both end") {
        check_all([](scheduler& model) { overlapping<model_atom>(model, mistake::none); });
        check_all([](scheduler& model) { one_leaves<model_atom>(model, mistake::none); });
        check_all([](scheduler& model) { waits_for_something_else<model_atom>(model, mistake::none); });
    }
    TEST_CASE("completion board: cancel against completion, and the number's next life") {
        check_all([](scheduler& model) { cancelled<model_atom>(model, mistake::none); });
    }
    TEST_CASE("completion board: completion against registration, again and again") {
        check_all([](scheduler& model) { issued_again<model_atom>(model, mistake::none); });
    }
    TEST_CASE("completion board: what is withdrawn is waited for by nobody") {
        check_all([](scheduler& model) { withdrawn<model_atom>(model, mistake::none); });
    }
    TEST_CASE("completion board: each step is needed") {
        check_caught("deadlock", [](scheduler& model) { one_leaves<model_atom>(model, mistake::leaves_silently); });
        check_caught("deadlock", [](scheduler& model) { overlapping<model_atom>(model, mistake::pile_is_all); });
        check_caught("livelock",
                     [](scheduler& model) { issued_again<model_atom>(model, mistake::sleeps_without_look); });
    }
    TEST_CASE("completion board: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { overlapping<released_weakly>(model, mistake::none); });
        check_caught("data race", [](scheduler& model) { overlapping<acquired_weakly>(model, mistake::none); });
    }
}
