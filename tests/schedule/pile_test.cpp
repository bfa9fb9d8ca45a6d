// pile and duty_pile under the seeded scheduler: nothing lost or doubled, FIFO for each pusher, one holder of the duty.
#include <array>
#include <cstdint>

#include <doctest/doctest.h>

#include "runtime/pile.hpp"
#include "tests/schedule/explore.hpp"
#include "tests/schedule/model_atom.hpp"

namespace {

using namespace colloquy;
using namespace colloquy::schedule;

constexpr unsigned pushers = 3;
constexpr unsigned each = 2;

struct model_node {
    model_data<model_node*> next;
    model_data<unsigned> pusher;
    model_data<unsigned> number;
};

// What arrived, checked against what was pushed.
struct arrivals {
    scheduler& model;
    std::array<unsigned, pushers> next_number{};
    unsigned total{0};

    void take(model_node* list) {
        for (; list != nullptr; list = list->next) {
            const unsigned from = list->pusher;
            model.expect(list->number == next_number[from], "a node is lost, doubled or out of order");
            ++next_number[from];
            ++total;
        }
    }
};

template <template <class> class Atom>
void pile_scenario(scheduler& model) {
    runtime::pile<model_node, Atom> pile;
    std::array<std::array<model_node, each>, pushers> nodes;
    arrivals got{model};
    unsigned was_empty = 0;
    unsigned batches = 0;
    model.run_each(pushers + 1, [&](unsigned self) {
        if (self < pushers) {
            for (unsigned n = 0; n < each; ++n) {
                nodes[self][n].pusher = self;
                nodes[self][n].number = n;
                was_empty += pile.push(&nodes[self][n]) ? 1u : 0u;
            }
            return;
        }
        while (got.total < pushers * each) {
            if (model_node* const list = pile.take_all()) {
                ++batches;
                got.take(list);
            } else {
                model.yield();
            }
        }
    });
    model.expect(got.total == pushers * each, "not everything arrived");
    model.expect(was_empty == batches, "not exactly one pusher of each batch was told that it was the first");
    model.expect(pile.take_all() == nullptr, "something is left");
}

// Whoever gets the duty does the work for all, under data that only the duty protects.
template <template <class> class Atom>
void duty_scenario(scheduler& model, bool chains) {
    runtime::duty_pile<model_node, Atom> pile;
    std::array<std::array<model_node, each>, pushers> nodes;
    arrivals got{model};
    model_data<unsigned> protected_by_duty{0};
    unsigned holders = 0;

    const auto carry_out = [&] {
        model.expect(++holders == 1, "two hold the duty");
        do {
            while (model_node* const list = pile.take_all()) {
                protected_by_duty = protected_by_duty + 1;
                got.take(list);
            }
            --holders;  // Between the retirement and the next look nobody can tell; what counts is who works.
            model.expect(holders == 0, "two hold the duty");
            if (pile.try_retire()) {
                return;
            }
            ++holders;
        } while (true);
    };

    model.run_each(pushers, [&](unsigned self) {
        for (unsigned n = 0; n < each; ++n) {
            nodes[self][n].pusher = self;
            nodes[self][n].number = n;
        }
        if (chains) {
            for (unsigned n = 0; n + 1 < each; ++n) {
                nodes[self][n].next = &nodes[self][n + 1];
            }
            if (pile.push_chain(&nodes[self][0], &nodes[self][each - 1])) {
                carry_out();
            }
        } else {
            for (unsigned n = 0; n < each; ++n) {
                if (pile.push(&nodes[self][n])) {
                    carry_out();
                }
            }
        }
        if (pile.try_take_duty()) {
            carry_out();
        }
    });
    model.expect(got.total == pushers * each, "not everything was worked on");
    model.expect(pile.try_take_duty(), "the duty is lost");
    model.expect(pile.take_all() == nullptr, "something is left");
    model.expect(pile.try_retire(), "an empty pile cannot be retired from");
}

}  // namespace

TEST_SUITE("schedule") {
    TEST_CASE("pile: nothing is lost or doubled, each pusher's order holds") {
        check_all([](scheduler& model) { pile_scenario<model_atom>(model); });
    }
    TEST_CASE("pile: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { pile_scenario<released_weakly>(model); });
        check_caught("data race", [](scheduler& model) { pile_scenario<acquired_weakly>(model); });
    }
    TEST_CASE("duty_pile: one holder of the duty sees to everything pushed") {
        check_all([](scheduler& model) { duty_scenario<model_atom>(model, false); });
    }
    TEST_CASE("duty_pile: chains arrive whole and in order") {
        check_all([](scheduler& model) { duty_scenario<model_atom>(model, true); });
    }
    TEST_CASE("duty_pile: weakened orders are caught") {
        check_caught("data race", [](scheduler& model) { duty_scenario<released_weakly>(model, false); });
        check_caught("data race", [](scheduler& model) { duty_scenario<acquired_weakly>(model, false); });
        check_caught("data race", [](scheduler& model) { duty_scenario<released_weakly>(model, true); });
    }
}
