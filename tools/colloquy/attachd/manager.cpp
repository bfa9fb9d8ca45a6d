#include "tools/colloquy/attachd/manager.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "api/colloquy/security.h"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds takeover_patience{30'000};
constexpr milliseconds last_words{1'000};
constexpr int news_a_turn = 64;

[[nodiscard]] std::string why(int trouble) { return std::generic_category().message(trouble); }

[[nodiscard]] sigset_t awaited_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int s : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR2}) sigaddset(&set, s);
    return set;
}

// The folder of a socket, for us alone, if it is not there; its own folder must be.
void make_folder_of(const std::string& path) {
    const std::string folder = std::filesystem::path{path}.parent_path().string();
    if (folder.empty() || ::mkdir(folder.c_str(), 0755) == 0 || errno == EEXIST) return;
    throw failure{"cannot create the folder of " + path + ": " + why(errno) +
                  "; create it, or write another socket in [attachd]"};
}

// Zombies included.
[[nodiscard]] std::set<pid_t> children_of_ours() {
    std::set<pid_t> all;
    std::error_code ignored;
    for (const auto& task : std::filesystem::directory_iterator{"/proc/self/task", ignored}) {
        std::ifstream list{task.path() / "children"};
        for (pid_t pid = 0; list >> pid;) all.insert(pid);
    }
    return all;
}

[[nodiscard]] std::string how_it_ended(const siginfo_t& how) {
    if (how.si_code == CLD_EXITED) return "ended with status " + std::to_string(how.si_status);
    const char* const name = ::sigabbrev_np(how.si_status);
    return "was ended by signal " + std::to_string(how.si_status) +
           (name != nullptr ? " (SIG" + std::string{name} + ")" : "");
}

[[nodiscard]] int patience_of(std::uint64_t deadline_ms, std::uint64_t now_ms) {
    if (deadline_ms == roster::never) return -1;
    if (deadline_ms <= now_ms) return 0;
    return static_cast<int>(std::min<std::uint64_t>(deadline_ms - now_ms, 3'600'000));
}

}  // namespace

manager::manager(std::string config, attachd_settings settings)
    : config_{std::move(config)}, settings_{std::move(settings)} {
    std::string error;
    log_ = log_file::open(settings_.log, settings_.log_bytes_max, error);
    if (log_ == nullptr) throw failure{error};
    const sigset_t set = awaited_signals();
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    // What a program leaves behind becomes our child, so that it can be ended with it.
    (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
    inherited_ = children_of_ours();
    std::error_code ignored;
    program_ = std::filesystem::read_symlink("/proc/self/exe", ignored).string();
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    signals_ = ::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (poll_ < 0 || signals_ < 0) throw failure{"cannot wait for signals: " + why(errno)};
    watch(signals_, [this] { take_signals(); });
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC | O_NONBLOCK) != 0) throw failure{"cannot make a pipe: " + why(errno)};
    refusals_ = ends[0];
    refused_ = ends[1];
    watch(refusals_, [this] { take_refusals(); });
    (void)clq_set_security_log(
        [](void* to, const char* line) {
            const std::string text = std::string{line} + '\n';
            // What has no room is lost: the bound of a log that somebody floods.
            (void)!::write(static_cast<manager*>(to)->refused_, text.data(), text.size());
        },
        this);
}

manager::~manager() {
    for (auto& [pid, c] : children_) {
        // Only after an error: whoever comes to the end of run() has none left.
        ::kill(-pid, SIGKILL);
        if (c.output >= 0) ::close(c.output);
    }
    router_.reset();
    (void)clq_set_security_log(nullptr, nullptr);
    ::close(refusals_);
    ::close(refused_);
    if (control_ >= 0) ::close(control_);
    ::close(signals_);
    ::close(poll_);
}

std::uint64_t manager::now_ms() const {
    return static_cast<std::uint64_t>(std::chrono::duration_cast<milliseconds>(clock::now() - begun_).count()) + 1;
}

// ---- start ----

void manager::start(bool takeover) {
    open_sockets(takeover);
    api::router_options options;
    options.unit = settings_.unit;
    options.listeners = std::exchange(handed_.listeners, {});
    options.program_socket = settings_.socket;
    options.program_listener = std::exchange(handed_.program, -1);
    if (!settings_.users.empty()) {
        // Whom the rule lets in is checked for each connection; the socket itself lets them come that far.
        options.program_socket_mode = 0666;
        options.admit = [users = settings_.users, own = ::geteuid()](const api::peer_credentials& who) {
            const auto is = [&](std::uint32_t user) { return who.uid == static_cast<std::int64_t>(user); };
            return is(0) || is(own) || std::any_of(users.begin(), users.end(), is);
        };
    }
    for (const tp_settings& tp : settings_.tps) options.names.emplace_back(tp.name, rules_of(tp));
    if (const auto errors = find_identities(settings_.tps); !errors.empty()) throw failure{errors.front()};
    std::string error;
    router_ = api::attach_router::start(options, error);
    if (router_ == nullptr) throw failure{error};
    watch(router_->descriptor(), [this] { take_news(); });
    for (const tp_settings& tp : settings_.tps) supervise(tp);
    confirm_takeover();
    watch(control_, [this] { take_asker(); });
}

void manager::open_sockets(bool takeover) {
    if (takeover) {
        take_over();
        return;
    }
    handed_ = take_handed_sockets(settings_.socket, settings_.control, settings_.unit.listen);
    make_folder_of(settings_.socket);
    make_folder_of(settings_.control);
    control_ = std::exchange(handed_.control, -1);
    std::string error;
    if (control_ < 0) control_ = listen_for_control(settings_.control, error);
    if (control_ < 0) throw failure{error};
    (void)::fcntl(control_, F_SETFL, O_NONBLOCK);
}

// The manager that runs gives its sockets and goes on; only when we tell that we serve it stops taking what is new.
void manager::take_over() {
    std::string error;
    auto running = connect_control(settings_.control, error);
    if (!running) throw failure{"cannot take over: " + error};
    predecessor_.emplace(std::move(*running));
    std::optional<std::string> line;
    if (predecessor_->write_line("takeover")) line = await_line(*predecessor_, takeover_patience, error);
    if (!line) throw failure{"cannot take over: " + error};
    const auto told = nlohmann::json::parse(*line, nullptr, false);
    const std::vector<int> sockets = predecessor_->take_descriptors();
    for (const int s : sockets) {
        // Names without a file are of listeners alone.
        if (const std::string name = local_name_of(s);
            name.empty() || name.front() == '@' || is_listed(name, settings_.unit.listen))
            handed_.listeners.push_back(s);
        else if (name == settings_.control && control_ < 0)
            control_ = s;
        else if (name == settings_.socket && handed_.program < 0)
            handed_.program = s;
        else
            ::close(s);
    }
    if (!told.is_object() || told.contains("error"))
        throw failure{"cannot take over: " + (told.is_object() ? told.value("error", *line) : *line)};
    if (told.value("lu_name", "") != settings_.unit.lu_name)
        throw failure{"cannot take over: the manager at " + settings_.control + " is " + told.value("lu_name", "?") +
                      ", and the configuration is of " + settings_.unit.lu_name};
    if (control_ < 0) throw failure{"cannot take over: the manager did not hand over its control socket"};
}

void manager::confirm_takeover() {
    if (!predecessor_) return;
    std::string error;
    if (!predecessor_->write_line("ready") || !await_line(*predecessor_, takeover_patience, error))
        throw failure{"cannot take over: " + error};
    predecessor_.reset();
}

// Of all the TPs or of none. Those looked up before stay: a program may be started by what was configured before.
std::vector<std::string> manager::find_identities(const std::vector<tp_settings>& tps) {
    std::vector<std::string> errors;
    std::map<std::string, child_identity> found;
    for (const tp_settings& tp : tps) {
        std::string error;
        if (!tp.user.empty() && !find_identity(tp.user, found[tp.user], error))
            errors.push_back("cannot serve " + tp.name + ": " + error);
    }
    if (errors.empty())
        for (auto& [user, who] : found) identities_[user] = std::move(who);
    return errors;
}

api::route_options manager::rules_of(const tp_settings& tp) {
    api::route_options how;
    how.queue_max = tp.queue_max;
    how.wait_ms = tp.wait_ms;
    how.one_program = !tp.shared;
    return how;
}

void manager::serve(const tp_settings& tp) {
    std::string error;
    if (!router_->serve(tp.name, rules_of(tp), error)) throw failure{"cannot serve " + tp.name + ": " + error};
    supervise(tp);
}

void manager::supervise(const tp_settings& tp) {
    auto& r = rosters_[tp.name];
    const auto before =
        std::find_if(retired_.begin(), retired_.end(), [&](const auto& old) { return old->tp().name == tp.name; });
    if (r == nullptr && before != retired_.end()) {
        // Its programs know nothing of having been unwanted for a while.
        r = std::move(*before);
        retired_.erase(before);
    }
    if (r == nullptr)
        r.reset(new roster{tp, *this});
    else
        r->change(tp);
}

// ---- the loop ----

void manager::watch(int descriptor, std::function<void()> work) {
    epoll_event e{};
    e.events = EPOLLIN;
    e.data.fd = descriptor;
    if (::epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &e) != 0)
        throw failure{"cannot wait for a descriptor: " + why(errno)};
    watched_[descriptor] = std::move(work);
}

void manager::unwatch(int descriptor) {
    (void)::epoll_ctl(poll_, EPOLL_CTL_DEL, descriptor, nullptr);
    watched_.erase(descriptor);
}

int manager::sleep_ms() const {
    std::uint64_t next = limit_ms_;
    for (const auto& [tp, r] : rosters_) next = std::min(next, r->deadline_ms());
    for (const auto& r : retired_) next = std::min(next, r->deadline_ms());
    return patience_of(next, now_ms());
}

int manager::run() {
    while (!finished()) work_once();
    (void)router_->stop(last_words);
    take_refusals();
    say("ended");
    return 0;
}

bool manager::finished() const { return state_ != state::serving && drained_ && children_.empty(); }

void manager::work_once() {
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), sleep_ms());
    if (count < 0 && errno != EINTR) throw failure{"cannot wait: " + why(errno)};
    for (int i = 0; i < count; ++i) {
        // What is done for one may end another.
        const auto w = watched_.find(events[static_cast<std::size_t>(i)].data.fd);
        if (w == watched_.end()) continue;
        const std::function<void()> work = w->second;
        work();
    }
    tick();
}

void manager::tick() {
    const std::uint64_t now = now_ms();
    if (now >= limit_ms_) {
        limit_ms_ = roster::never;
        if (state_ == state::draining) {
            say("conversations have not ended in time; programs are ended");
            end_now();
        }
    }
    for (const auto& [tp, r] : rosters_)
        if (r->deadline_ms() <= now) r->tick(now);
    for (const auto& r : retired_)
        if (r->deadline_ms() <= now) r->tick(now);
    std::erase_if(retired_, [this](const std::unique_ptr<roster>& r) {
        if (!r->empty()) return false;
        for (auto& [program, all] : serves_) all.erase(r.get());
        return true;
    });
}

void manager::take_signals() {
    signalfd_siginfo s{};
    while (::read(signals_, &s, sizeof s) == static_cast<ssize_t>(sizeof s)) {
        switch (s.ssi_signo) {
            case SIGCHLD: reap(); break;
            case SIGHUP: (void)reload(); break;
            case SIGUSR2: start_successor(); break;
            default:
                if (state_ == state::serving || (state_ == state::draining && limit_ms_ == roster::never))
                    drain(settings_.drain_ms, "asked to end");
                else
                    end_now();
                break;
        }
    }
}

// ---- news of the router ----

roster* manager::roster_of(const std::string& tp) {
    const auto found = rosters_.find(tp);
    return found == rosters_.end() ? nullptr : found->second.get();
}

// Bounded, so that partners and programs who make news without end do not keep us from the others: what is left is
// still there at the next turn.
void manager::take_refusals() {
    std::array<char, 4'096> piece;
    for (ssize_t n = 0; (n = ::read(refusals_, piece.data(), piece.size())) > 0;)
        refusal_lines_.add({piece.data(), static_cast<std::size_t>(n)});
}

void manager::take_news() {
    api::router_event e;
    for (int i = 0; i < news_a_turn && router_->next(e); ++i) take_news(e);
}

void manager::take_news(const api::router_event& e) {
    using kind = api::router_event::kind;
    const std::uint64_t now = now_ms();
    // Those the program is known to, or the one of them that the news are about. What they do may add another program,
    // which leaves this one's entry where it is.
    const auto each = [&](const auto& tell) {
        const auto found = serves_.find(e.program);
        if (found == serves_.end()) return;
        for (roster* const r : found->second)
            if (e.tp.empty() || r->tp().name == e.tp) tell(*r);
    };
    switch (e.what) {
        case kind::attach_arrived:
        case kind::attach_returned:
            if (roster* const r = roster_of(e.tp); r == nullptr)
                router_->refuse(e.attach, roster::refused_retry);
            else if (e.what == kind::attach_arrived)
                r->arrived(e.attach, now);
            else
                r->returned(e.attach, now);
            break;
        case kind::attach_gone:
            if (roster* const r = roster_of(e.tp); r != nullptr) r->gone(e.attach, now);
            break;
        case kind::joined:
            if (!ours_.contains(e.program)) visitors_[e.program] = e.who.pid;
            break;
        case kind::registered:
            if (roster* const r = roster_of(e.tp); r != nullptr) {
                serves_[e.program].insert(r);
                r->registered(e.program);
                if (const auto who = visitors_.find(e.program); who != visitors_.end())
                    say("TP " + e.tp + ": program " + std::to_string(who->second) + " registered");
            }
            break;
        case kind::unregistered:
            if (roster* const r = roster_of(e.tp); r != nullptr) r->unregistered(e.program);
            break;
        case kind::delivered: each([&](roster& r) { r.delivered(e.program, e.attach, now); }); break;
        case kind::accepted: each([&](roster& r) { r.accepted(e.program, e.attach, now); }); break;
        case kind::ended: each([&](roster& r) { r.ended(e.program, e.attach, now); }); break;
        case kind::left:
            each([&](roster& r) { r.left(e.program, now); });
            if (const auto who = visitors_.find(e.program); who != visitors_.end()) {
                say("program " + std::to_string(who->second) + " has left: " + e.text);
                visitors_.erase(who);
            } else if (const auto pid = pids_.find(e.program); pid != pids_.end() && e.code != 0) {
                say("the link of program " + std::to_string(pid->second) + " was ended: " + e.text);
            }
            ours_.erase(e.program);
            serves_.erase(e.program);
            break;
        case kind::idle: drained_ = true; break;
    }
}

// ---- programs ----

roster::started manager::start(const tp_settings& tp) {
    std::array<int, 2> link{-1, -1};
    std::array<int, 2> pipe{-1, -1};
    const auto close_all = [&] {
        for (const int d : {link[0], link[1], pipe[0], pipe[1]})
            if (d >= 0) ::close(d);
    };
    const auto cannot = [&](const std::string& what, bool for_good) {
        close_all();
        const int code = for_good ? roster::refused_no_retry : roster::refused_retry;
        say("TP " + tp.name + ": " + what + "; the attach is answered " + std::to_string(code));
        return roster::started{0, code};
    };
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, link.data()) != 0 ||
        ::pipe2(pipe.data(), O_CLOEXEC) != 0)
        return cannot("no descriptors for a program: " + why(errno), false);
    (void)::fcntl(pipe[0], F_SETFL, O_NONBLOCK);
    const child_identity* who = tp.user.empty() ? nullptr : &identities_.at(tp.user);
    const child_result made = start_child(tp, who, link[1], pipe[1]);
    if (made.pid < 0)
        return cannot("cannot " + std::string{made.doing} + " " + tp.command.front() + ": " + why(made.trouble),
                      made.permanent());
    ::close(std::exchange(link[1], -1));
    ::close(std::exchange(pipe[1], -1));

    child c;
    c.of = roster_of(tp.name);
    c.tp = tp.name;
    c.output = pipe[0];
    log_file* const out = &output_of(tp);
    const std::string prefix = tp.name + "[" + std::to_string(made.pid) + "]: ";
    const std::uint64_t bytes_max = tp.output.empty() ? tp.output_bytes_max : roster::never;
    c.lines = std::make_unique<line_cutter>(
        bytes_max, [out, prefix](std::string_view line) { out->line(prefix + std::string{line}); });
    std::string error;
    const program_id program = router_->add_program(std::exchange(link[0], -1), error);
    c.program = program;
    const auto placed = children_.emplace(made.pid, std::move(c)).first;
    watch(pipe[0], [this, pid = made.pid] { take_output(pid); });
    if (program == 0) {
        say("TP " + tp.name + ": program " + std::to_string(made.pid) + " cannot be linked: " + error);
        placed->second.sent = " (it could not be linked)";
        ::kill(-made.pid, SIGKILL);
        return {0, roster::refused_retry};
    }
    ours_.insert(program);
    pids_[program] = made.pid;
    serves_[program].insert(placed->second.of);
    return {program, 0};
}

log_file& manager::output_of(const tp_settings& tp) {
    if (tp.output.empty()) return *log_;
    auto& file = outputs_[tp.output];
    if (file == nullptr) {
        std::string error;
        file = log_file::open(tp.output, tp.output_bytes_max, error);
        if (file == nullptr) {
            say("TP " + tp.name + ": " + error + "; its output comes here");
            outputs_.erase(tp.output);
            return *log_;
        }
    }
    return *file;
}

void manager::take_output(pid_t pid) {
    const auto found = children_.find(pid);
    if (found == children_.end()) return;
    child& c = found->second;
    // Bounded, so that one that prints without end does not keep us from the others.
    for (int i = 0; i < 16 && c.output >= 0; ++i) {
        std::array<char, 4'096> bytes{};
        const ssize_t n = ::read(c.output, bytes.data(), bytes.size());
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n > 0) {
            c.lines->add({bytes.data(), static_cast<std::size_t>(n)});
            continue;
        }
        unwatch(c.output);
        ::close(std::exchange(c.output, -1));
    }
}

void manager::reap() {
    bool any = false;
    for (;;) {
        siginfo_t how{};
        // It stays a zombie for a moment: as long as it is there, nobody else can have its number or its group's.
        if (::waitid(P_ALL, 0, &how, WEXITED | WNOHANG | WNOWAIT) != 0 || how.si_pid == 0) break;
        inherited_.erase(how.si_pid);
        if (how.si_pid == successor_) {
            successor_ = 0;
            if (state_ == state::serving) say("the successor " + how_it_ended(how) + "; we go on");
        }
        if (children_.contains(how.si_pid)) {
            ::kill(-how.si_pid, SIGKILL);
            child_ended(how.si_pid, how);
            any = true;
        }
        while (::waitpid(how.si_pid, nullptr, 0) < 0 && errno == EINTR) {
        }
    }
    if (any) end_escaped();
}

void manager::child_ended(pid_t pid, const siginfo_t& how) {
    take_output(pid);
    child c = std::move(children_.at(pid));
    children_.erase(pid);
    pids_.erase(c.program);
    if (c.output >= 0) {
        unwatch(c.output);
        ::close(c.output);
    }
    c.lines->finish();
    say("TP " + c.tp + ": program " + std::to_string(pid) + " " + how_it_ended(how) + c.sent);
    if (c.program != 0) c.of->exited(c.program, how.si_code != CLD_EXITED, now_ms());
}

// Processes that have left the group of their program have become our children when it ended. One whose parent has
// ended before its program did is our child, too, and still a part of the program.
void manager::end_escaped() {
    for (const pid_t pid : children_of_ours()) {
        if (children_.contains(pid) || inherited_.contains(pid) || pid == successor_) continue;
        if (children_.contains(::getpgid(pid))) continue;
        say("process " + std::to_string(pid) + " was left behind by a program and is ended");
        ::kill(pid, SIGKILL);
    }
}

void manager::signal_program(program_id program, int signal, const char* sent) {
    const auto found = pids_.find(program);
    if (found == pids_.end()) return;
    children_.at(found->second).sent = sent;
    // We have not waited for it, so that the number is still its own.
    ::kill(-found->second, signal);
}

void manager::terminate(program_id program) { signal_program(program, SIGTERM, " (it was asked to end)"); }
void manager::kill(program_id program) { signal_program(program, SIGKILL, " (it did not end when asked)"); }
void manager::give(attach_id attach, program_id program) { router_->give(attach, program); }
void manager::refuse(attach_id attach, int code) { router_->refuse(attach, code); }
void manager::route(const tp_settings& tp, program_id program, std::uint32_t at_most) {
    router_->route(tp.name, program, at_most);
}
void manager::last(program_id program) { router_->last(program); }
void manager::close(program_id program) { router_->close(program); }
void manager::note(const tp_settings& tp, const std::string& what) { say("TP " + tp.name + ": " + what); }

// ---- who asks over the control socket ----

void manager::take_asker() {
    while (auto asker = accept_control(control_)) {
        askers_.push_back(std::move(*asker));
        const auto it = std::prev(askers_.end());
        watch(it->descriptor(), [this, it] { answer(it); });
    }
}

void manager::answer(std::list<control_connection>::iterator asker) {
    bool closed = false;
    while (const auto line = asker->read_line(closed))
        if (!answer_line(*asker, *line)) closed = true;
    if (!closed) return;
    unwatch(asker->descriptor());
    askers_.erase(asker);
}

// False: there is nothing more to be said to it.
bool manager::answer_line(control_connection& asker, const std::string& line) {
    nlohmann::ordered_json object;
    if (line == "status") {
        object = status();
    } else if (line == "reload") {
        const std::vector<std::string> errors = reload();
        object["reloaded"] = errors.empty();
        if (!errors.empty()) object["errors"] = errors;
    } else if (line == "takeover") {
        hand_over(asker);
        return true;
    } else if (line == "ready") {
        (void)asker.write_line(R"({"handed_over":true})");
        handed_over();
        return false;
    } else {
        object["error"] = "the request is status, reload or takeover";
    }
    return asker.write_line(object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void manager::hand_over(control_connection& to) {
    if (state_ != state::serving) {
        (void)to.write_line(R"({"error":"the manager is about to end"})");
        return;
    }
    std::vector<int> ours = router_->listener_descriptors();
    if (const int d = router_->program_listener_descriptor(); d >= 0) ours.push_back(d);
    std::vector<int> all = ours;
    all.push_back(control_);
    (void)to.write_line(nlohmann::ordered_json{{"lu_name", settings_.unit.lu_name}, {"pid", ::getpid()}}.dump(), all);
    for (const int d : ours) ::close(d);
}

void manager::handed_over() {
    if (state_ != state::serving) return;
    router_->stop_listening();
    unwatch(control_);
    ::close(std::exchange(control_, -1));
    drain(std::nullopt, "a successor has taken over");
}

// What stands at our own path now, which may be a newer version; in our place with whoever supervises us.
void manager::start_successor() {
    if (successor_ != 0 || state_ != state::serving) return;
    std::vector<std::string> words{program_, "attachd", "--config", config_, "--takeover"};
    std::vector<char*> arguments;
    for (std::string& w : words) arguments.push_back(w.data());
    arguments.push_back(nullptr);
    posix_spawnattr_t as;
    ::posix_spawnattr_init(&as);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    ::posix_spawnattr_setsigmask(&as, &none);
    ::posix_spawnattr_setsigdefault(&as, &all);
    ::posix_spawnattr_setflags(&as, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    const int trouble = ::posix_spawn(&successor_, program_.c_str(), nullptr, &as, arguments.data(), environ);
    ::posix_spawnattr_destroy(&as);
    if (trouble != 0) {
        successor_ = 0;
        say("cannot start a successor, " + program_ + ": " + why(trouble));
    } else {
        say("starts its successor, process " + std::to_string(successor_));
    }
}

std::vector<std::string> manager::reload() {
    if (state_ != state::serving) {
        say("is ending; the configuration was not read again");
        return {"the manager is ending; ask its successor"};
    }
    attachd_settings_result read = load_attachd_settings(config_);
    if (read.value) read.errors = find_identities(read.value->tps);
    if (!read.errors.empty()) {
        for (const std::string& e : read.errors) say(e);
        say("the configuration was not changed");
        return read.errors;
    }
    attachd_settings& fresh = *read.value;
    if (fresh.unit.lu_name != settings_.unit.lu_name || fresh.socket != settings_.socket ||
        fresh.control != settings_.control || fresh.log != settings_.log || fresh.users != settings_.users)
        say("what is new in lu_name and [attachd] needs a new start");
    settings_.drain_ms = fresh.drain_ms;
    settings_.tps = std::move(fresh.tps);
    const auto configured = [&](const std::string& name) {
        return std::any_of(settings_.tps.begin(), settings_.tps.end(), [&](const auto& t) { return t.name == name; });
    };
    for (auto r = rosters_.begin(); r != rosters_.end();) {
        if (configured(r->first)) {
            ++r;
            continue;
        }
        router_->withdraw(r->first);
        r->second->retire(now_ms());
        retired_.push_back(std::move(r->second));
        r = rosters_.erase(r);
    }
    std::vector<std::string> errors;
    if (std::string error; !router_->reload_security(error)) {
        say(error);
        errors.push_back(std::move(error));
    }
    for (const tp_settings& tp : settings_.tps) {
        try {
            serve(tp);
        } catch (const failure& e) {
            errors.emplace_back(e.what());
            say(e.what());
        }
    }
    say("the configuration was read again; " + std::to_string(settings_.tps.size()) + " TPs");
    return errors;
}

// ---- the end ----

void manager::drain(std::optional<std::uint64_t> limit_ms, const char* reason) {
    say(std::string{reason} + "; takes no more attaches and waits for conversations to end");
    state_ = state::draining;
    limit_ms_ = limit_ms ? now_ms() + *limit_ms : roster::never;
    if (limit_ms) notify_service_manager("STOPPING=1");
    router_->drain();
    for (const auto& [tp, r] : rosters_) r->retire(now_ms());
}

void manager::end_now() {
    if (state_ == state::ending) return;
    state_ = state::ending;
    limit_ms_ = roster::never;
    // Whoever is not ours loses its link with the end of the router.
    drained_ = true;
    for (const auto& [tp, r] : rosters_) r->end_programs(now_ms());
    for (const auto& r : retired_) r->end_programs(now_ms());
}

nlohmann::ordered_json manager::status() {
    const std::uint64_t now = now_ms();
    nlohmann::ordered_json tps = nlohmann::ordered_json::array();
    for (const auto& [name, r] : rosters_) {
        const roster::numbers n = r->count();
        const tp_settings& tp = r->tp();
        tps.push_back({{"name", name},
                       {"mode", tp.command.empty() ? std::string_view{"registered"} : name_of(tp.mode)},
                       {"waiting", n.waiting},
                       {"queue_max", tp.queue_max},
                       {"running", n.running},
                       {"instances", tp.command.empty() ? 0 : tp.instances},
                       {"registered", n.registered},
                       {"conversations", n.open},
                       {"started", n.started},
                       {"ended", n.ended},
                       {"crashed", n.crashed},
                       {"hung", n.hung},
                       {"failed", n.failed},
                       {"refused", n.refused},
                       {"paused_ms", n.closed_until_ms > now ? n.closed_until_ms - now : 0}});
    }
    const api::router_counters c = router_->counters();
    return {{"lu_name", settings_.unit.lu_name},
            {"pid", ::getpid()},
            {"state", state_ == state::serving    ? "serving"
                      : state_ == state::draining ? "draining"
                                                  : "ending"},
            {"up_s", now / 1'000},
            {"listening", router_->listening()},
            {"socket", settings_.socket},
            {"programs", children_.size()},
            {"tps", tps},
            {"attaches", c.attaches},
            {"delivered", c.delivered},
            {"conversations", c.open},
            {"held", c.held},
            {"bytes_to_programs", c.bytes_to_programs},
            {"bytes_from_programs", c.bytes_from_programs}};
}

}  // namespace colloquy::tool
