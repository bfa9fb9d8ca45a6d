#include "tools/colloquy/hub.hpp"

#include <chrono>
#include <utility>

#include "api/colloquy/colloquy.h"
#include "tools/colloquy/codes.hpp"

namespace colloquy::tool {
namespace {

// Steps that a session may take in a row before others have their turn: a stream that never has to wait would otherwise
// keep the thread.
constexpr int steps_in_a_row = 64;
// Completions collected between two rounds of sessions that wait for their turn.
constexpr int completions_in_a_row = 64;
constexpr std::chrono::milliseconds accept_again{5};

}  // namespace

worker& hub::add_worker() { return workers_.emplace_back(workers_.size()); }

void hub::start(acceptor* who) {
    acceptor_ = who;
    std::vector<worker*> mine;
    for (unsigned i = 0; i < thread_count_; ++i) mine.push_back(&add_worker());
    for (worker* w : mine) threads_.emplace_back([this, w] { serve(*w); });
}

bool hub::stop(unsigned timeout_ms) {
    {
        const std::lock_guard held{idle_};
        if (stopping_) return true;
        stopping_ = true;
    }
    work_.notify_all();
    const bool written = clq_stop(timeout_ms) == 0;
    for (std::thread& t : threads_) t.join();
    return written;
}

void hub::announce() {
    {
        const std::lock_guard held{idle_};
        ++announced_;
    }
    work_.notify_all();
}

void hub::run(worker& by, session& s, CM_INT32 code) {
    for (int steps = 0; code != CM_OPERATION_INCOMPLETE && code != not_ours; ++steps) {
        if (steps == steps_in_a_row) {
            by.enqueue(s, code);
            return;
        }
        code = s.advance(by, code);
    }
}

void hub::run_round(worker& by) {
    session* s = by.first_;
    by.first_ = by.last_ = nullptr;
    while (s != nullptr) {
        session* next = s->next_;
        run(by, *s, s->pending_code_);
        s = next;
    }
}

void hub::run_enqueued(worker& by) {
    while (by.first_ != nullptr) run_round(by);
    announce();
}

void hub::park(session& s) {
    const std::lock_guard held{idle_};
    s.next_ = parked_;
    parked_ = &s;
}

std::size_t hub::unpark(worker& by, CM_INT32 code) {
    session* s = nullptr;
    {
        const std::lock_guard held{idle_};
        std::swap(s, parked_);
    }
    std::size_t count = 0;
    while (s != nullptr) {
        session* next = s->next_;
        by.enqueue(*s, code);
        s = next;
        ++count;
    }
    if (count != 0) run_enqueued(by);
    return count;
}

std::string hub::trouble() {
    const std::lock_guard held{idle_};
    return trouble_;
}

CM_INT32 hub::collect(worker& by) {
    char id[CM_CID_SIZE];
    CM_INT32 outcome = CM_OK;
    CM_INT32 code = CM_OK;
    cmwait(id, &outcome, &code);
    if (code != CM_OK) return code;
    if (session* s = table_.find(conversation::key_of(id)); s != nullptr) {
        run(by, *s, outcome);
    } else if (acceptor_ != nullptr) {
        acceptor_->accepted(by, id, outcome);
    }
    if (acceptor_ != nullptr) (void)acceptor_->accept_more(by);
    return CM_OK;
}

void hub::serve(worker& by) {
    for (;;) {
        std::uint64_t seen = 0;
        {
            const std::lock_guard held{idle_};
            seen = announced_;
        }
        while (by.first_ != nullptr) {
            run_round(by);
            // A check and the wait that follows are two calls: another thread could take the completion between them
            // and leave this one waiting with work in its hands.
            if (thread_count_ != 1) continue;
            for (int i = 0; i < completions_in_a_row; ++i) {
                char id[CM_CID_SIZE];
                CM_INT32 outcome = CM_OK;
                CM_INT32 code = CM_OK;
                cmchck(id, &outcome, &code);
                if (code != CM_OK || collect(by) != CM_OK) break;
            }
        }
        CM_INT32 code = CM_OK;
        while (code == CM_OK && by.first_ == nullptr) code = collect(by);
        if (by.first_ != nullptr) continue;
        // A slot is free a moment after its conversation has ended, which may have been the last one.
        const bool all_accept = acceptor_ == nullptr || acceptor_->accept_more(by);
        if (by.first_ != nullptr) continue;

        std::unique_lock held{idle_};
        if (stopping_) return;
        if (code != CM_PROGRAM_STATE_CHECK) {
            trouble_ = describe("Wait_For_Conversation", code);
            return;
        }
        // Nothing is outstanding; somebody will say so when that changes.
        const auto changed = [&] { return stopping_ || announced_ != seen; };
        if (all_accept)
            work_.wait(held, changed);
        else
            work_.wait_for(held, accept_again, changed);
        if (stopping_ && announced_ == seen) return;
    }
}

}  // namespace colloquy::tool
