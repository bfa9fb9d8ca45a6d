#include "tools/colloquy/attachd/roster.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace colloquy::tool {

void roster::change(tp_settings tp) {
    throttle_.change(tp.restart);
    tp_ = std::move(tp);
    retired_ = false;
    for (const auto& [id, p] : programs_)
        if (!p.ours && !p.link_left && !p.named_none) todo_.route(tp_, id, tp_.conversations);
}

std::size_t roster::running() const noexcept {
    return static_cast<std::size_t>(std::count_if(
        programs_.begin(), programs_.end(), [](const auto& e) { return e.second.ours && e.second.is != phase::over; }));
}

// Programs that will take an attach of those that wait, and have not come to it yet.
std::size_t roster::starting() const noexcept {
    return static_cast<std::size_t>(std::count_if(programs_.begin(), programs_.end(), [](const auto& e) {
        return e.second.ours && e.second.is == phase::running && !e.second.accepted_any;
    }));
}

void roster::refuse(attach_id attach, int code) {
    ++totals_.refused;
    todo_.refuse(attach, code);
}

void roster::refuse_waiting() {
    for (const attach_id a : std::exchange(waiting_, {})) refuse(a, refusal_);
}

void roster::failed(int refusal, std::uint64_t now_ms) {
    refusal_ = refusal;
    throttle_.failed(now_ms);
    if (!throttle_.open(now_ms))
        todo_.note(tp_, "failed " + std::to_string(throttle_.in_a_row()) + " times in a row; not started for " +
                            std::to_string(throttle_.delay_ms()) + " ms, attaches are answered " +
                            std::to_string(refusal_));
}

bool roster::start_one(attach_id attach, std::uint64_t now_ms) {
    const started s = todo_.start(tp_);
    if (s.program == 0) {
        ++totals_.failed;
        failed(s.refusal, now_ms);
        return false;
    }
    ++totals_.started;
    member& p = programs_[s.program];
    p.ours = true;
    p.deadline_ms = now_ms + tp_.attach_timeout_ms;
    if (tp_.mode == tp_mode::process) {
        p.attach = attach;
        todo_.give(attach, s.program);
        todo_.last(s.program);
    } else {
        todo_.route(tp_, s.program, tp_.conversations);
    }
    return true;
}

// Starts what those that wait need and may have.
void roster::work(std::uint64_t now_ms) {
    if (retired_) {
        refusal_ = refused_retry;
        refuse_waiting();
        return;
    }
    retry_ms_ = never;
    if (tp_.command.empty()) return;
    while (!waiting_.empty() && running() < tp_.instances) {
        if (tp_.mode == tp_mode::queued && starting() >= waiting_.size()) return;
        const attach_id first = *waiting_.begin();
        if (!throttle_.open(now_ms)) break;
        if (tp_.mode == tp_mode::process) waiting_.erase(waiting_.begin());
        if (!start_one(first, now_ms)) {
            waiting_.erase(first);
            refuse(first, refusal_);
        }
    }
    if (waiting_.empty() || throttle_.open(now_ms)) return;
    // Whoever waits for programs that run goes on waiting.
    const bool served = tp_.mode == tp_mode::queued &&
                        std::any_of(programs_.begin(), programs_.end(),
                                    [](const auto& e) { return e.second.is == phase::running && !e.second.link_left; });
    if (served)
        retry_ms_ = throttle_.closed_until_ms();
    else
        refuse_waiting();
}

void roster::arrived(attach_id attach, std::uint64_t now_ms) {
    waiting_.insert(attach);
    work(now_ms);
}

void roster::returned(attach_id attach, std::uint64_t now_ms) {
    const auto its =
        std::find_if(programs_.begin(), programs_.end(), [&](const auto& e) { return e.second.attach == attach; });
    if (its != programs_.end()) {
        // It had its program, which has ended without having accepted: one attach, one try.
        its->second.attach = 0;
        refuse(attach, refused_retry);
        return;
    }
    arrived(attach, now_ms);
}

void roster::gone(attach_id attach, std::uint64_t now_ms) {
    waiting_.erase(attach);
    lose_attach(attach, now_ms);
}

// A program that was started for this attach has nothing to do any more, and that is not its fault.
void roster::lose_attach(attach_id attach, std::uint64_t now_ms) {
    const auto its =
        std::find_if(programs_.begin(), programs_.end(), [&](const auto& e) { return e.second.attach == attach; });
    if (its == programs_.end()) return;
    its->second.attach = 0;
    if (its->second.is == phase::running) ask_to_end(its, now_ms);
}

void roster::delivered(program_id program, attach_id attach, std::uint64_t now_ms) {
    waiting_.erase(attach);
    const auto e = programs_.find(program);
    if (e == programs_.end()) return;
    if (!e->second.ours) {
        ++e->second.open_count;
        return;
    }
    e->second.open.insert(attach);
    e->second.unheard.insert(attach);
    // The first that waits sets the time; those behind it do not put it off.
    if (e->second.is == phase::running && e->second.unheard.size() == 1) watch(e->second, now_ms);
}

void roster::accepted(program_id program, attach_id attach, std::uint64_t now_ms) {
    waiting_.erase(attach);
    const auto e = programs_.find(program);
    if (e == programs_.end() || !e->second.ours) return;
    if (e->second.attach == attach) e->second.attach = 0;
    e->second.unheard.erase(attach);
    // Who has come through a conversation and accepts another one is sound.
    if (e->second.ended_any) throttle_.succeeded();
    e->second.accepted_any = true;
    if (e->second.is == phase::running) watch(e->second, now_ms);
    work(now_ms);
}

void roster::ended(program_id program, attach_id attach, std::uint64_t now_ms) {
    const auto e = programs_.find(program);
    if (e == programs_.end()) return;
    if (!e->second.ours) {
        if (e->second.open_count > 0) --e->second.open_count;
        if (e->second.named_none && e->second.open_count == 0) programs_.erase(e);
        return;
    }
    // Perhaps nobody has accepted it yet: a partner that says all at once does not wait for that.
    e->second.open.erase(attach);
    e->second.ended_any = true;
    if (e->second.is != phase::running) return;
    watch(e->second, now_ms);
    if (retired_ && may_be_asked(e->second)) ask_to_end(e, now_ms);
}

// What a program that runs has to do next, and by when.
void roster::watch(member& p, std::uint64_t now_ms) {
    if (!p.ours) return;
    const bool at_work = !std::includes(p.unheard.begin(), p.unheard.end(), p.open.begin(), p.open.end());
    if (at_work)
        p.deadline_ms = never;
    else if (!p.unheard.empty() || !p.accepted_any)
        p.deadline_ms = now_ms + tp_.attach_timeout_ms;
    else
        p.deadline_ms = tp_.idle_timeout_ms == 0 ? never : now_ms + tp_.idle_timeout_ms;
}

void roster::registered(program_id program) {
    member& p = programs_[program];
    if (p.ours) return;
    p.named_none = false;
    todo_.route(tp_, program, tp_.conversations);
}

void roster::unregistered(program_id program) {
    const auto e = programs_.find(program);
    if (e == programs_.end() || e->second.ours) return;
    todo_.route(tp_, program, 0);
    e->second.named_none = true;
    if (e->second.open_count == 0) programs_.erase(e);
}

void roster::left(program_id program, std::uint64_t now_ms) {
    const auto e = programs_.find(program);
    if (e == programs_.end()) return;
    member& p = e->second;
    p.link_left = true;
    p.open.clear();
    p.unheard.clear();
    if (p.ours && p.is == phase::running) {
        // It serves nobody any more. One that had a single attach may go on with what it was told.
        if (tp_.mode == tp_mode::process && p.accepted_any) {
            watch(p, now_ms);
        } else {
            p.is = phase::asked;
            p.deadline_ms = now_ms + tp_.stop_timeout_ms;
        }
    }
    forget_if_gone(e, now_ms);
    work(now_ms);
}

void roster::exited(program_id program, bool by_signal, std::uint64_t now_ms) {
    const auto e = programs_.find(program);
    if (e == programs_.end()) return;
    member& p = e->second;
    ++totals_.ended;
    p.crashed = by_signal && !p.wanted_end;
    if (p.crashed) ++totals_.crashed;
    p.is = phase::over;
    // The link tells of its end when what the program has written is read; a descriptor that somebody else holds must
    // not delay that for ever.
    p.deadline_ms = now_ms + tp_.stop_timeout_ms;
    forget_if_gone(e, now_ms);
    work(now_ms);
}

// Only when its link is read to the end is it known what it came to.
void roster::forget_if_gone(entry e, std::uint64_t now_ms) {
    const member& p = e->second;
    if (!p.link_left || (p.ours && p.is != phase::over)) return;
    if (p.ours && !p.wanted_end) {
        if (p.crashed || !p.accepted_any)
            failed(refused_retry, now_ms);
        else
            throttle_.succeeded();
    }
    programs_.erase(e);
}

void roster::ask_to_end(entry e, std::uint64_t now_ms) {
    e->second.is = phase::asked;
    e->second.wanted_end = true;
    e->second.deadline_ms = now_ms + tp_.stop_timeout_ms;
    todo_.route(tp_, e->first, 0);
    todo_.last(e->first);
}

void roster::escalate(entry e, std::uint64_t now_ms) {
    member& p = e->second;
    p.deadline_ms = now_ms + tp_.stop_timeout_ms;
    switch (p.is) {
        case phase::running:
        case phase::asked:
            p.is = phase::terminated;
            p.wanted_end = true;
            todo_.terminate(e->first);
            break;
        case phase::terminated:
            p.is = phase::killed;
            todo_.kill(e->first);
            break;
        case phase::killed: break;
        case phase::over:
            p.deadline_ms = never;
            todo_.close(e->first);
            break;
    }
}

// A program for one attach has been told with it that no other will come; it may work on what it got.
bool roster::may_be_asked(const member& p) const noexcept {
    return p.ours && p.is == phase::running && p.open.empty() && p.unheard.empty() && p.attach == 0 &&
           !(tp_.mode == tp_mode::process && p.accepted_any);
}

void roster::retire(std::uint64_t now_ms) {
    retired_ = true;
    work(now_ms);
    for (auto e = programs_.begin(); e != programs_.end(); ++e) {
        if (may_be_asked(e->second))
            ask_to_end(e, now_ms);
        else if (e->second.is == phase::running && !(e->second.ours && tp_.mode == tp_mode::process))
            todo_.route(tp_, e->first, 0);
    }
}

void roster::end_programs(std::uint64_t now_ms) {
    retired_ = true;
    for (auto e = programs_.begin(); e != programs_.end(); ++e)
        if (e->second.ours && (e->second.is == phase::running || e->second.is == phase::asked)) escalate(e, now_ms);
}

std::uint64_t roster::deadline_ms() const {
    std::uint64_t next = never;
    for (const auto& [id, p] : programs_) next = std::min(next, p.deadline_ms);
    return std::min(next, retry_ms_);
}

void roster::tick(std::uint64_t now_ms) {
    // What is done about one may end another, so they are looked up anew.
    std::vector<program_id> due;
    for (const auto& [id, p] : programs_)
        if (p.deadline_ms <= now_ms) due.push_back(id);
    for (const program_id id : due) {
        const auto e = programs_.find(id);
        if (e == programs_.end() || e->second.deadline_ms > now_ms) continue;
        member& p = e->second;
        if (p.is == phase::asked && !p.link_left && !(p.open.empty() && p.unheard.empty())) {
            // It was asked while an attach was under way to it, and serves that first.
            p.deadline_ms = now_ms + tp_.stop_timeout_ms;
            continue;
        }
        if (p.is == phase::running && p.accepted_any && p.unheard.empty()) {
            ask_to_end(e, now_ms);
            continue;
        }
        if (p.is == phase::running) {
            ++totals_.hung;
            failed(refused_retry, now_ms);
            todo_.note(tp_,
                       "a program did not accept within " + std::to_string(tp_.attach_timeout_ms) + " ms and is ended");
            todo_.route(tp_, id, 0);
            escalate(e, now_ms);
            todo_.close(id);
            continue;
        }
        escalate(e, now_ms);
    }
    work(now_ms);
}

roster::numbers roster::count() const {
    numbers n = totals_;
    n.waiting = waiting_.size();
    n.running = running();
    for (const auto& [id, p] : programs_) {
        n.open += p.ours ? p.open.size() : p.open_count;
        if (!p.ours) ++n.registered;
    }
    n.closed_until_ms = throttle_.closed_until_ms();
    return n;
}

}  // namespace colloquy::tool
