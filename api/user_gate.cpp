#include "api/user_gate.hpp"

#include <new>
#include <utility>

#include "api/security_log.hpp"
#include "api/text.hpp"
#include "runtime/cleanse.hpp"
#include "transport/platform.hpp"

namespace colloquy::api {

namespace {

constexpr std::uint64_t second_ns = 1'000'000'000;

}  // namespace

user_question::~user_question() { runtime::cleanse(password); }

void user_gate::log_refused(const user_question& q, std::string_view why) noexcept {
    try {
        log_security(joined({"user '", q.user.view(), "' of ", q.partner_lu.view(), " at ", q.peer.view(), " for TP '",
                             q.tp_name.view(), "' refused: ", why}));
    } catch (const std::bad_alloc&) {
        log_security("a user was refused");
    }
}

user_gate::user_gate(owner& unit, const user_settings& wanted)
    : unit_{unit}, settings_{wanted}, mistakes_{wanted.attempts, wanted.attempts_seconds * second_ns} {}

bool user_gate::read(passwords& out, std::string& error) const {
    if (settings_.passwords.empty()) return true;
    auto fresh = std::make_shared<password_file>();
    if (!fresh->load(settings_.passwords, error)) return false;
    out = std::move(fresh);
    return true;
}

void user_gate::use(passwords fresh) noexcept {
    const std::lock_guard held{mutex_};
    passwords_ = std::move(fresh);
}

bool user_gate::too_often(const user_question& q) noexcept {
    return settings_.attempts != 0 && mistakes_.exceeded(q.key.view(), transport::now_ns());
}

user_gate::user_check user_gate::ask(const user_question& q) noexcept {
    try {
        const bool programs_own = program_verifies();
        std::unique_lock held{mutex_};
        const char* why = nullptr;
        if (q.user.empty())
            why = q.password.empty() ? "it names no user, and one is required" : "a password without a user";
        else if (!programs_own && passwords_ == nullptr)
            why = "no user is known here; [security] passwords names none";
        else if (too_often(q))
            why = "too many mistakes of this peer";
        if (why != nullptr) {
            held.unlock();
            log_refused(q, why);
            return user_check::refused;
        }
        if (stopped_ || questions_.size() >= settings_.queue) {
            held.unlock();
            if (!stopped_) log_refused(q, "too many users wait to be checked; the caller may try again");
            return user_check::busy;
        }
        if (!started_ && !threadless_) {
            started_ = unit_.start_user_thread();
            threadless_ = !started_;
        }
        if (!threadless_) {
            questions_.push_back(q);
            asked_.notify_one();
            return user_check::pending;
        }
    } catch (const std::bad_alloc&) {
        return user_check::busy;
    }
    return decide(q);
}

// No lock is held while somebody is asked.
user_gate::user_check user_gate::decide(const user_question& q) noexcept {
    try {
        std::shared_ptr<const password_file> file;
        bool late = false;
        {
            const std::lock_guard held{mutex_};
            // Mistakes that were made while this one waited count, too.
            late = too_often(q);
            file = passwords_;
        }
        if (late) {
            log_refused(q, "too many mistakes of this peer");
            return user_check::refused;
        }
        int answer = 0;
        std::string user{q.user.view()}, password, tp{q.tp_name.view()}, partner{q.partner_lu.view()},
            peer{q.peer.view()};
        password.reserve(q.password.capacity() + 1);  // once, so that it stands in one place
        password.assign(q.password.view());
        const clq_credentials who{sizeof(clq_credentials), user.c_str(), password.c_str(),   tp.c_str(),
                                  partner.c_str(),         peer.c_str(), q.encrypted ? 1 : 0};
        if (!ask_program(who, answer)) answer = file != nullptr && file->matches(user, password) ? 1 : 0;
        runtime::cleanse(password.data(), password.capacity());
        if (answer == 1) return user_check::granted;
        if (answer != 0) {
            log_refused(q, "the verifier cannot tell now; the caller may try again");
            return user_check::busy;
        }
        bool last = false;
        {
            const std::lock_guard held{mutex_};
            last = mistakes_.failed(q.key.view(), transport::now_ns());
        }
        log_refused(q, "user unknown or password wrong");
        if (last && settings_.attempts != 0)
            log_security(joined({"too many mistakes of ", q.peer.view(), ": it is not asked about for up to ",
                                 std::to_string(settings_.attempts_seconds), " s"}));
        return user_check::refused;
    } catch (...) {
        return user_check::busy;
    }
}

void user_gate::serve() noexcept {
    std::unique_lock held{mutex_};
    for (;;) {
        asked_.wait(held, [&] { return stopped_ || !questions_.empty(); });
        if (stopped_) break;
        const user_question q = questions_.front();
        questions_.pop_front();
        held.unlock();
        unit_.user_decided(*q.by, q.id, decide(q));
        held.lock();
    }
    questions_.clear();
}

void user_gate::stop() noexcept {
    const std::lock_guard held{mutex_};
    stopped_ = true;
    asked_.notify_all();
}

}  // namespace colloquy::api
