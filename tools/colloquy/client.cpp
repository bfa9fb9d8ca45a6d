#include "tools/colloquy/client.hpp"

#include <algorithm>

#include "tools/colloquy/report.hpp"

namespace colloquy::tool {

void start_caller(const char* config, unsigned conversations, unsigned links, unsigned reactors) {
    clq_options options{};
    options.size = sizeof options;
    options.config_file = config;
    // The addresses of the configuration are for those who serve.
    options.listen = "";
    options.conversations = conversations;
    options.partner_links = links;
    options.reactors = reactors;
    if (clq_start(&options) != 0) throw failure{clq_last_error()};
}

void check_destination(const std::string& destination) {
    conversation probe;
    const CM_INT32 code = probe.open(destination.c_str());
    const std::string why = clq_last_error();
    probe.cancel();
    if (code == CM_PROGRAM_PARAMETER_CHECK)
        throw bad_usage{"DEST " + (why.empty() ? "'" + destination + "': not understood" : why)};
    if (code != CM_OK) throw failure{describe("DEST '" + destination + "'", code)};
}

void crowd::begin(worker& by, std::vector<session*> all) {
    {
        const std::lock_guard held{busy_};
        left_ = all.size();
        const std::size_t first = std::min(opening_max, all.size());
        // Taken from the back, so that they begin in their order.
        std::reverse(all.begin(), all.end());
        for (std::size_t i = 0; i < first; ++i) {
            by.enqueue(*all.back(), CM_OK);
            all.pop_back();
        }
        waiting_ = std::move(all);
    }
    hub_.run_enqueued(by);
}

void crowd::works(worker& by) {
    const std::lock_guard held{busy_};
    ++working_;
    if (waiting_.empty()) return;
    by.enqueue(*waiting_.back(), CM_OK);
    waiting_.pop_back();
}

bool crowd::hold(session& s) {
    const std::lock_guard held{busy_};
    if (released_) return false;
    held_.push_back(&s);
    return true;
}

void crowd::release(worker& by) {
    {
        const std::lock_guard held{busy_};
        released_ = true;
        for (session* s : held_) by.enqueue(*s, CM_OK);
        held_.clear();
    }
    hub_.run_enqueued(by);
}

void crowd::ended(const std::string& why) {
    bool last = false;
    {
        const std::lock_guard held{busy_};
        if (!why.empty() && first_trouble_.empty()) first_trouble_ = why;
        if (stopping()) {
            // Those that never began need not begin any more.
            left_ -= waiting_.size();
            waiting_.clear();
        }
        last = --left_ == 0;
    }
    if (last) end_.notify_all();
}

void crowd::note_trouble(const std::string& what) {
    const std::lock_guard held{busy_};
    if (first_trouble_.empty()) first_trouble_ = what;
}

void crowd::note_retry(std::string_view call, CM_INT32 code) {
    if (retry_noted_.exchange(true, std::memory_order_relaxed)) return;
    const std::lock_guard held{busy_};
    first_retry_ = describe(call, code);
}

std::string crowd::first_retry() {
    const std::lock_guard held{busy_};
    return first_retry_;
}

std::size_t crowd::working() {
    const std::lock_guard held{busy_};
    return working_;
}

std::size_t crowd::left() {
    const std::lock_guard held{busy_};
    return left_;
}

std::string crowd::first_trouble() {
    const std::lock_guard held{busy_};
    return first_trouble_;
}

bool crowd::wait_until_ended(std::chrono::milliseconds at_most) {
    std::unique_lock held{busy_};
    return end_.wait_for(held, at_most, [&] { return left_ == 0; });
}

CM_INT32 client_session::open() {
    CM_INT32 code = talk_.open(all_.destination().c_str());
    if (code == CM_OK) code = talk_.set_non_blocking();
    if (code == CM_OK) code = prepare();
    opened_ = true;
    all_.completions().join(talk_.key(), *this);
    return code == CM_OK ? talk_.allocate() : code;
}

CM_INT32 client_session::lose(worker& by, std::string_view call, CM_INT32 code) {
    if (!ends_conversation(code)) talk_.cancel();
    close();
    if (all_.stopping() && !must_open()) return end();
    if (expected(code)) {
        by.retries.add(1);
        all_.note_retry(call, code);
    } else {
        by.errors.add(1);
        all_.note_trouble(describe(call, code));
    }
    all_.completions().park(*this);
    return not_ours;
}

}  // namespace colloquy::tool
