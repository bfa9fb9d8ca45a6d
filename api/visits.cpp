#include "api/visits.hpp"

#include <new>

namespace colloquy::api::visits {

constinit thread_local mark* own = nullptr;

namespace {

runtime::atom<mark*> all;
// Threads for which there was no memory visit unseen: nothing is given back from then on.
runtime::atom<std::uint32_t> unseen;

thread_local bool ended = false;

// Gives the mark back when its thread ends. What the thread still calls while it ends gets a new one, for good.
struct ending {
    bool begun = false;
    ending() noexcept = default;
    ~ending() {
        ended = true;
        if (own == nullptr || !begun) return;
        own->taken.store_release(0);  // release[visit-mark]
        own = nullptr;
    }
    ending(const ending&) = delete;
    ending& operator=(const ending&) = delete;
};

mark* take_mark() noexcept {
    for (mark* m = all.load_acquire(); m != nullptr; m = m->next)
        if (m->taken.load_relaxed() == 0 && m->taken.exchange_acquire(1) == 0) return m;  // acquire[visit-mark]
    mark* const made = new (std::nothrow) mark;
    if (made == nullptr) return nullptr;
    made->taken.store_relaxed(1);
    made->next = all.load_acquire();
    while (!all.cas_acq_rel(made->next, made)) {
    }
    return made;
}

}  // namespace

mark& enrol() noexcept {
    own = take_mark();
    if (own == nullptr) {
        thread_local mark alone;
        (void)unseen.exchange_acq_rel(1);
        return alone;  // asked for again with the next visit
    }
    if (!ended) {
        thread_local ending at_end;
        at_end.begun = true;
    }
    return *own;
}

bool all_over() noexcept {
    if (!transport::process_barrier()) return false;
    if (unseen.load_acquire() != 0) return false;
    for (const mark* m = all.load_acquire(); m != nullptr; m = m->next)
        if (m->depth.load_acquire() != 0) return false;  // acquire[visit]
    return true;
}

void forget_other_threads() noexcept {
    for (mark* m = all.load_acquire(); m != nullptr; m = m->next) {
        if (m == own) continue;
        m->depth.store_relaxed(0);  // relaxed: there is one thread
        m->taken.store_relaxed(0);
    }
}

}  // namespace colloquy::api::visits
