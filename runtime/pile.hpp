// pile: many threads push nodes, one at a time takes everything; duty_pile also says who must work on what was pushed.
//
// When to use: handing intrusive nodes to an owner (arrivals of a slot, frames of a link) at one atomic word a pile.
// When not: several concurrent takers that each want one node (see index_pool), or nodes that cannot be exclusively
// lent.
// Memory: one pointer; the nodes are the caller's, must outlive their stay, and are linked through `Node* next`.
// Guarantees: take_all() returns nodes in the order in which the pushes took effect; nothing is lost or doubled.
// Alternatives: completion_queue.hpp, when consumers take items one by one.
//
// Progress: push is lock-free (a failed CAS means that another thread's succeeded), take_all is wait-free but for the
// reversal of what it took. ABA: a push never looks behind the head it saw, so an equal head is as good as the same
// head, and taking exchanges the word as a whole. Reclamation: pushers never dereference a node of another, so whoever
// took a node may free it at once.
#pragma once

#include <cstdint>

#include "runtime/atom.hpp"

namespace colloquy::runtime {

namespace detail {

// The links of a pile run from the last pushed node to the first; owners want them the other way round.
template <class Node>
[[nodiscard]] Node* pile_reverse(Node* newest, const Node* end) noexcept {
    Node* oldest = nullptr;
    while (newest != end) {
        Node* const older = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = older;
    }
    return oldest;
}

}  // namespace detail

template <class Node, template <class> class Atom = atom>
class pile {
public:
    pile() noexcept = default;
    pile(const pile&) = delete;
    pile& operator=(const pile&) = delete;

    // Any thread. Returns true when the pile was empty, so that one pusher of a batch can notify the owner.
    bool push(Node* node) noexcept {
        Node* head = head_.load_relaxed();
        do {
            node->next = head;
            // release[pile]: the node's content happens-before the take_all() that returns it.
        } while (!head_.cas_release(head, node));
        return head == nullptr;
    }

    // One thread at a time. Everything pushed so far, oldest first; nullptr if nothing is there yet.
    [[nodiscard]] Node* take_all() noexcept {
        // relaxed: spares the exchange of an empty pile; who was told of a push sees that push here.
        if (head_.load_relaxed() == nullptr) {
            return nullptr;
        }
        // acquire[pile]: sees the content of every node, because each push continues the release sequence of the last.
        return detail::pile_reverse<Node>(head_.exchange_acquire(nullptr), nullptr);
    }

    // A hint for statistics and assertions: another thread may push at any time.
    [[nodiscard]] bool approx_empty() const noexcept { return head_.load_relaxed() == nullptr; }

private:
    Atom<Node*> head_{nullptr};
};

// The word of a duty_pile has three states:
//   nullptr          idle: no nodes, nobody has the duty
//   busy             somebody has the duty, nothing was pushed since its last take_all()
//   node ... busy    somebody has the duty, and there are nodes; the oldest node's link is the busy mark
// A push that finds it idle installs node+busy in the same CAS, so "is there work" and "does somebody see to it" cannot
// disagree. The duty is a right, not a thread: its holder may pass it on (for instance in a list of dirty links).
template <class Node, template <class> class Atom = atom>
class duty_pile {
public:
    duty_pile() noexcept = default;
    duty_pile(const duty_pile&) = delete;
    duty_pile& operator=(const duty_pile&) = delete;

    // Any thread. True: the pile was idle and the caller now holds the duty.
    [[nodiscard]] bool push(Node* node) noexcept { return push_linked(node, node); }

    // Any thread. `first` to `last` are linked through `next` in the order in which they shall be taken.
    [[nodiscard]] bool push_chain(Node* first, Node* last) noexcept {
        last->next = nullptr;
        Node* const newest = detail::pile_reverse<Node>(first, nullptr);
        return push_linked(newest, first);
    }

    // Duty holder. Everything pushed so far, oldest first; nullptr if nothing is there. The duty stays with the caller.
    [[nodiscard]] Node* take_all() noexcept {
        // relaxed: a push not seen here is seen by try_retire().
        if (head_.load_relaxed() == busy()) {
            return nullptr;
        }
        // acquire[duty-pile]: sees the content of every node pushed.
        return detail::pile_reverse<Node>(head_.exchange_acquire(busy()), busy());
    }

    // Duty holder. True: nothing was pushed since the last take_all() and the duty is given up. False: take again.
    [[nodiscard]] bool try_retire() noexcept {
        Node* expected = busy();
        // release[duty-pile]: what the holder did under the duty happens-before whoever holds it next.
        return head_.cas_release(expected, nullptr);
    }

    // Any thread. Takes the duty of an idle pile; false when somebody has it.
    [[nodiscard]] bool try_take_duty() noexcept {
        Node* expected = nullptr;
        // acquire[duty-pile]: sees what the previous holder did.
        return head_.cas_acquire(expected, busy());
    }

    // A hint: whether somebody holds the duty.
    [[nodiscard]] bool approx_busy() const noexcept { return head_.load_relaxed() != nullptr; }

private:
    // A mark that is no node's address and is never dereferenced.
    [[nodiscard]] static Node* busy() noexcept { return reinterpret_cast<Node*>(std::uintptr_t{1}); }

    [[nodiscard]] bool push_linked(Node* newest, Node* oldest) noexcept {
        Node* head = head_.load_relaxed();
        do {
            oldest->next = head == nullptr ? busy() : head;
            // release[duty-pile]: the nodes' content happens-before the take_all() that returns them.
            // acquire[duty-pile]: a pusher that gets the duty sees what the previous holder did.
        } while (!head_.cas_acq_rel(head, newest));
        return head == nullptr;
    }

    Atom<Node*> head_{nullptr};
};

}  // namespace colloquy::runtime
