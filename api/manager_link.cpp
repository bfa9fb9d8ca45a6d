#include "api/manager_link.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "runtime/verbs.hpp"
#include "transport/local_socket.hpp"
#include "transport/platform.hpp"

namespace colloquy::api {

namespace {

constexpr std::uint64_t pause_min_ns = 50'000'000;
constexpr std::uint64_t pause_max_ns = 5'000'000'000;

using news = runtime::host::manager_news;

}  // namespace

manager_link::manager_link(runtime::engine& e, transport::drive& d, std::string path) noexcept
    : engine_{e}, drive_{d}, path_{std::move(path)} {
    alarm_.of = this;
    alarm_.expire = [](runtime::timer& t) { static_cast<alarm&>(t).of->connect(); };
}

manager_link::~manager_link() { drive_.disarm(alarm_); }

std::string manager_link::begin(std::intptr_t descriptor) {
    if (descriptor >= 0) {
        std::string error;
        newest_ = drive_.adopt(descriptor, runtime::link_role::manager, 0, error);
        opening_.store_release(newest_ != nullptr ? 1 : 0);
        return newest_ != nullptr ? std::string{} : "COLLOQUY_LINK_FD: " + error;
    }
#if defined(_WIN32)
    std::string error;
    (void)transport::connect_local(path_, error);
    return error;
#else
    connect();
    return {};
#endif
}

void manager_link::try_again(std::uint64_t after_ns) noexcept {
    if (stopped_.load_acquire() != 0) return;
    trying_.store_release(1);
    drive_.arm(alarm_, transport::now_ns() + after_ns);
    engine_.world().operation_outstanding();
}

void manager_link::connect() noexcept {
    if (stopped_.load_acquire() != 0) return;
    try {
        std::string error;
        const std::intptr_t descriptor = transport::connect_local(path_, error);
        if (descriptor >= 0) newest_ = drive_.adopt(descriptor, runtime::link_role::manager, 0, error);
    } catch (const std::bad_alloc&) {
        newest_ = nullptr;
    }
    // A link that is refused ends, which is told.
    if (newest_ != nullptr) {
        opening_.store_release(1);
        trying_.store_release(0);
        return;
    }
    pause_ns_ = std::clamp(pause_ns_ * 2, pause_min_ns, pause_max_ns);
    try_again(pause_ns_);
}

void manager_link::no_more(runtime::context& c, const char* why) noexcept {
    {
        const std::lock_guard held{mutex_};
        try {
            why_none_ = why;
        } catch (const std::bad_alloc&) {
            why_none_.clear();
        }
    }
    engine_.expect_attaches(false);
    runtime::end_accepts(engine_, c);
}

void manager_link::told(runtime::context& c, runtime::session& s, news what, const wire::serving* answer) noexcept {
    switch (what) {
        case news::open:
            engine_.expect_attaches(true);
            if (&s == newest_) {
                at_.store_release(&s);  // release[manager-link]
                opening_.store_release(0);
            }
            if (!path_.empty()) offer_all(c, s);
            return;
        case news::served: take_answer(c, s, *answer); return;
        case news::drained:
        case news::ended: break;
    }
    {
        // Nobody answers on it any more.
        const std::lock_guard held{mutex_};
        for (question& q : questions_)
            if (q.asked == &s) q.answered = true;
    }
    if (&s != newest_) return;  // its successor is under way
    const bool worked = at_.load_relaxed() == &s;
    newest_ = nullptr;
    at_.store_release(nullptr);
    opening_.store_release(0);
    if (path_.empty()) {
        no_more(c, what == news::drained ? "the attach manager has no more attaches for this program"
                                         : "the link to the attach manager has ended");
        return;
    }
    pause_ns_ = worked ? pause_min_ns : std::clamp(pause_ns_ * 2, pause_min_ns, pause_max_ns);
    try_again(pause_ns_);
}

void manager_link::say(runtime::context& c, runtime::session& s, std::string_view name,
                       wire::serve_what what) noexcept {
    std::array<std::byte, wire::serving_size_max> payload;
    const std::size_t n = wire::encode_serving(payload, wire::frame_type::serve, wire::serve_result::ok, what, name);
    (void)s.send_frame(c, {static_cast<std::uint16_t>(n), wire::frame_type::serve, 0, 0}, std::span{payload}.first(n));
}

void manager_link::offer_all(runtime::context& c, runtime::session& s) noexcept {
    engine_.tps().for_each_served([&](std::string_view name) { say(c, s, name, wire::serve_what::serve); });
}

void manager_link::take_answer(runtime::context& c, const runtime::session& s, const wire::serving& answer) noexcept {
    {
        const std::lock_guard held{mutex_};
        for (question& q : questions_)
            if (!q.answered && q.asked == &s && q.what == answer.what && answer.name == std::string_view{q.name}) {
                q.answered = true;
                q.result = answer.result;
                return;
            }
    }
    if (answer.result == wire::serve_result::ok || answer.what != wire::serve_what::serve) return;
    // A name of the configuration, or one offered anew: nobody is there to hear it but who waits for its attaches.
    (void)engine_.tps().set(answer.name.view(), runtime::tp_registry::status::released);
    bool any = false;
    engine_.tps().for_each_served([&](std::string_view) { any = true; });
    if (!any) no_more(c, wire::text(answer.result));
}

bool manager_link::ask(runtime::context& c, std::string_view name, wire::serve_what what, std::uint64_t& number) {
    runtime::session* const s = at_.load_acquire();  // acquire[manager-link]
    if (s == nullptr || !s->try_hold()) return false;
    bool over = false;
    {
        const std::lock_guard held{mutex_};
        number = ++numbers_;
        question& q = questions_.emplace_back();
        q.number = number;
        q.asked = s;
        q.name = name;
        q.what = what;
        // Its end was told before we stood in the list, or finds us there.
        over = s->at() != runtime::session::stage::open || at_.load_acquire() != s;
        if (over) q.answered = true;
    }
    if (!over) say(c, *s, name, what);  // else it may be another's link by now
    s->release(c);
    return true;
}

bool manager_link::answered(std::uint64_t number, wire::serve_result& result) noexcept {
    const std::lock_guard held{mutex_};
    for (const question& q : questions_)
        if (q.number == number) {
            result = q.result;
            return q.answered;
        }
    return true;
}

void manager_link::forget(std::uint64_t number) noexcept {
    const std::lock_guard held{mutex_};
    std::erase_if(questions_, [&](const question& q) { return q.number == number; });
}

std::string manager_link::why_none() {
    const std::lock_guard held{mutex_};
    return engine_.attaches_over() ? why_none_ : std::string{};
}

}  // namespace colloquy::api
