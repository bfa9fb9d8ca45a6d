// pile and duty_pile: order and return values, then real threads.
#include <array>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "runtime/pile.hpp"

namespace {

using namespace colloquy::runtime;

struct node {
    node* next{nullptr};
    unsigned pusher{0};
    unsigned number{0};
};

[[nodiscard]] std::vector<unsigned> numbers_of(const node* list) {
    std::vector<unsigned> numbers;
    for (; list != nullptr; list = list->next) {
        numbers.push_back(list->number);
    }
    return numbers;
}

[[nodiscard]] std::array<node, 5> five_nodes() {
    std::array<node, 5> nodes;
    for (unsigned i = 0; i < nodes.size(); ++i) {
        nodes[i].number = i;
    }
    return nodes;
}

}  // namespace

TEST_SUITE("runtime") {
    TEST_CASE("pile: takes everything in the order of the pushes") {
        pile<node> p;
        auto nodes = five_nodes();
        CHECK(p.take_all() == nullptr);
        CHECK(p.approx_empty());
        CHECK(p.push(&nodes[0]));
        CHECK_FALSE(p.push(&nodes[1]));
        CHECK_FALSE(p.push(&nodes[2]));
        CHECK_FALSE(p.approx_empty());
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{0, 1, 2});
        CHECK(p.take_all() == nullptr);
        CHECK(p.push(&nodes[3]));
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{3});
    }

    TEST_CASE("duty_pile: the first pusher holds the duty until it retires from an empty pile") {
        duty_pile<node> p;
        auto nodes = five_nodes();
        CHECK_FALSE(p.approx_busy());
        CHECK(p.push(&nodes[0]));
        CHECK(p.approx_busy());
        CHECK_FALSE(p.push(&nodes[1]));
        CHECK_FALSE(p.try_take_duty());
        CHECK_FALSE(p.try_retire());
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{0, 1});
        CHECK(p.take_all() == nullptr);
        CHECK_FALSE(p.push(&nodes[2]));
        CHECK_FALSE(p.try_retire());
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{2});
        CHECK(p.try_retire());
        CHECK_FALSE(p.approx_busy());
        CHECK(p.push(&nodes[3]));
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{3});
        CHECK(p.try_retire());
    }

    TEST_CASE("duty_pile: the duty of an idle pile can be taken without a node") {
        duty_pile<node> p;
        auto nodes = five_nodes();
        CHECK(p.try_take_duty());
        CHECK_FALSE(p.try_take_duty());
        CHECK(p.take_all() == nullptr);
        CHECK_FALSE(p.push(&nodes[0]));
        CHECK_FALSE(p.try_retire());
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{0});
        CHECK(p.try_retire());
    }

    TEST_CASE("duty_pile: chains keep their order, alone and among others") {
        duty_pile<node> p;
        auto nodes = five_nodes();
        nodes[0].next = &nodes[1];
        nodes[1].next = &nodes[2];
        CHECK(p.push_chain(&nodes[0], &nodes[2]));
        nodes[3].next = &nodes[4];
        CHECK_FALSE(p.push_chain(&nodes[3], &nodes[4]));
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{0, 1, 2, 3, 4});
        CHECK_FALSE(p.push_chain(&nodes[2], &nodes[2]));
        CHECK_FALSE(p.push(&nodes[0]));
        CHECK(numbers_of(p.take_all()) == std::vector<unsigned>{2, 0});
        CHECK(p.try_retire());
    }

    TEST_CASE("pile: threads push while one takes, nothing is lost") {
        constexpr unsigned pushers = 3;
        constexpr unsigned each = 20'000;
        pile<node> p;
        std::vector<std::vector<node>> nodes(pushers, std::vector<node>(each));
        std::vector<std::thread> threads;
        for (unsigned self = 0; self < pushers; ++self) {
            threads.emplace_back([&, self] {
                for (unsigned n = 0; n < each; ++n) {
                    nodes[self][n].pusher = self;
                    nodes[self][n].number = n;
                    p.push(&nodes[self][n]);
                }
            });
        }
        std::array<unsigned, pushers> next{};
        unsigned wrong = 0;
        for (unsigned total = 0; total < pushers * each;) {
            const node* list = p.take_all();
            if (list == nullptr) {
                std::this_thread::yield();
            }
            for (; list != nullptr; list = list->next) {
                wrong += list->number != next[list->pusher]++ ? 1u : 0u;
                ++total;
            }
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(wrong == 0);
        CHECK(p.take_all() == nullptr);
    }

    TEST_CASE("duty_pile: threads combine their work, one at a time does all of it") {
        constexpr unsigned pushers = 4;
        constexpr unsigned each = 20'000;
        duty_pile<node> p;
        std::vector<std::vector<node>> nodes(pushers, std::vector<node>(each));
        std::array<unsigned, pushers> next{};  // plain memory under the duty
        unsigned total = 0;
        unsigned wrong = 0;
        std::vector<std::thread> threads;
        for (unsigned self = 0; self < pushers; ++self) {
            threads.emplace_back([&, self] {
                for (unsigned n = 0; n < each; ++n) {
                    nodes[self][n].pusher = self;
                    nodes[self][n].number = n;
                    if (!p.push(&nodes[self][n])) {
                        continue;
                    }
                    do {
                        for (const node* list = p.take_all(); list != nullptr; list = list->next) {
                            wrong += list->number != next[list->pusher]++ ? 1u : 0u;
                            ++total;
                        }
                    } while (!p.try_retire());
                }
            });
        }
        for (auto& t : threads) {
            t.join();
        }
        CHECK(total == pushers * each);
        CHECK(wrong == 0);
        CHECK_FALSE(p.approx_busy());
    }
}
