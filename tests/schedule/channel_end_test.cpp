// The end of a channel number of ours under the seeded scheduler: the conversation's owner sends its last frame, the
// driver and a late look both hear the partner's last word, and another conversation waits for the number.
//
// The entry and its transitions are the real ones. Invariants: the number is freed exactly once, no frame of the old
// conversation stands behind the new one's attach, and what is known of a number passes with it.
#include <cstdint>

#include <doctest/doctest.h>

#include "runtime/channel_map.hpp"
#include "runtime/pile.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy::runtime;
using namespace colloquy::schedule;

// Shows that each step is needed.
enum class mistake { none, free_before_sent, frees_what_was_settled };

struct queued_frame {
    model_data<queued_frame*> next;
    model_data<unsigned> of;  // 1 the old conversation, 2 the new one
};

template <template <class> class Atom>
void number_scenario(scheduler& model, mistake wrong, bool confirmed) {
    using map = channel_map<Atom>;
    constexpr std::uint64_t old_id = 1ULL << 32, new_id = 2ULL << 32;
    typename map::entry number{};
    number.value.store_release(old_id);
    pile<queued_frame, Atom> output;
    Atom<std::uint32_t> free{0};
    model_data<unsigned> user{1};  // of who has the number
    queued_frame last, attach;
    bool dropped = false;
    unsigned frees = 0;
    const auto give_back = [&] {
        model.expect(++frees == 1, "the number is freed twice");
        user = user + 1;
        number.value.store_release(map::ended);
        free.fetch_add_acq_rel(1);
    };
    // session::after_end
    const auto hear_last_word = [&] {
        std::uint64_t seen = number.value.load_acquire();
        // session::take_last_word: a Confirmed is the driver's to settle before the owner has ended the channel.
        if (confirmed && seen == old_id && number.value.cas_acq_rel(seen, map::answered)) return;
        while (seen == old_id) {
            model.yield();
            seen = number.value.load_acquire();
        }
        if ((seen & ~map::unsent) != map::awaiting_end) return;
        const bool settled = number.settle(seen);
        if (settled || wrong == mistake::frees_what_was_settled) give_back();
    };
    model.run(
        [&] {  // session::send_last
            const std::uint64_t unsent = wrong == mistake::free_before_sent ? 0 : map::unsent;
            if (!number.part(map::awaiting_end | unsent)) {
                dropped = true;
                give_back();
                return;
            }
            last.of = 1;
            (void)output.push(&last);
            if (unsent != 0 && !number.sent(map::awaiting_end)) give_back();
        },
        [&] { hear_last_word(); },
        [&] {  // a late look: it comes when the conversation has ended, if at all
            if (const std::uint64_t seen = number.value.load_acquire();
                seen == map::awaiting_end && number.settle(seen))
                give_back();
        },
        [&] {  // session::begin_channel
            std::uint32_t one = 1;
            while (!free.cas_acq_rel(one, 0)) {
                one = 1;
                model.yield();
            }
            user = user + 1;
            number.value.store_release(new_id);
            attach.of = 2;
            (void)output.push(&attach);
        });
    unsigned before = 0;
    for (queued_frame* f = output.take_all(); f != nullptr; f = f->next) {
        model.expect(f->of > before, "a frame of the old conversation is behind the new one's attach");
        before = f->of;
    }
    model.expect(before == 2, "the attach is lost");
    model.expect(frees == 1 && number.value.load_acquire() == new_id, "the number is lost");
    model.expect(!dropped || confirmed, "the last frame is lost");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("channel: a number is free when our last frame is queued and the partner's has come, once") {
        for (const bool confirmed : {false, true})
            check_all([&](scheduler& model) { number_scenario<model_atom>(model, mistake::none, confirmed); });
    }
    TEST_CASE("channel: a number that is free before the last frame is queued is caught") {
        check_caught("behind the new one's attach",
                     [](scheduler& model) { number_scenario<model_atom>(model, mistake::free_before_sent, false); });
        check_caught("twice", [](scheduler& model) {
            number_scenario<model_atom>(model, mistake::frees_what_was_settled, false);
        });
    }
    TEST_CASE("channel: weakened orders are caught") {
        check_caught("data race",
                     [](scheduler& model) { number_scenario<released_weakly>(model, mistake::none, false); });
        check_caught("data race",
                     [](scheduler& model) { number_scenario<acquired_weakly>(model, mistake::none, false); });
    }
}
