// attach_router: a logical unit with a relay, and the queue between its thread and the supervisor's.
#include "api/attach_router.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <new>
#include <utility>

#include <sys/eventfd.h>
#include <unistd.h>

#include "api/logical_unit.hpp"

namespace colloquy::api {

namespace {

constexpr std::uint64_t ms = 1'000'000;

runtime::route_rules rules_of(const route_options& o) {
    runtime::route_rules r;
    r.queue_max = o.queue_max;
    r.wait_ns = o.wait_ms * ms;
    r.one_program = o.one_program;
    r.registrable = o.registrable;
    return r;
}

bool is_name(std::string_view tp, std::string& error) {
    if (!tp.empty() && tp.size() <= 64 && tp.find(' ') == std::string_view::npos) return true;
    error = "a TP name has 1 to 64 characters and no blanks";
    return false;
}

template <class F>
struct job final : transport::drive::task {
    F work;
    explicit job(F&& f) : work{std::move(f)} {}
    void run(transport::drive& d) noexcept override { work(d); }
};

}  // namespace

struct attach_router::inside final : runtime::relay_host, transport::admission {
    std::function<bool(const peer_credentials&)> admits;
    std::unique_ptr<logical_unit> unit;
    int bell = -1;
    runtime::atom<std::uint64_t> programs;  // numbers given out
    runtime::atom<std::uint32_t> draining;
    mutable std::mutex mutex;  // the rest
    std::uint32_t events_max = 0;
    std::deque<router_event> events;
    std::map<program_id, std::uint32_t> words;   // among them, a program's about the names it serves
    std::map<program_id, peer_credentials> who;  // of programs whose links are not open yet
    std::condition_variable done;
    bool stopped = false;

    inside() = default;
    ~inside() {
        unit.reset();
        if (bell >= 0) (void)::close(bell);
    }
    inside(const inside&) = delete;
    inside& operator=(const inside&) = delete;

    static bool is_word(const router_event& e) noexcept {
        return e.what == router_event::kind::registered || e.what == router_event::kind::unregistered;
    }

    void put(router_event&& e) {
        const std::lock_guard held{mutex};
        const bool first = events.empty();
        if (is_word(e)) ++words[e.program];
        events.push_back(std::move(e));
        const std::uint64_t one = 1;
        if (first) (void)!::write(bell, &one, sizeof one);
    }

    // Without memory for an event the supervisor would wait for what has happened: nothing sensible is left to do, and
    // the allocation's failure ends the process as it does everywhere else in a manager.
    void news(const runtime::relay_news& n) noexcept override {
        router_event e;
        e.what = n.what;
        e.attach = n.attach;
        e.program = n.program;
        e.tp = n.tp;
        e.partner = n.partner;
        e.user = n.user;
        e.text = n.text;
        e.code = static_cast<int>(n.code);
        e.open = n.open;
        if (n.what == router_event::kind::joined || n.what == router_event::kind::left) {
            const std::lock_guard held{mutex};
            if (const auto at = who.find(n.program); at != who.end()) {
                e.who = at->second;
                who.erase(at);
            }
        }
        put(std::move(e));
    }
    void touched(runtime::session& s) noexcept override { unit->only_drive().touched(s); }
    bool hears(std::uint64_t program) const noexcept override {
        const std::lock_guard held{mutex};
        if (program == 0) return events.size() < events_max;
        const auto said = words.find(program);
        return said == words.end() || said->second < events_max;
    }

    std::uint64_t admit(std::intptr_t descriptor) noexcept override {
        peer_credentials c;
        if (draining.load_acquire() != 0 || !hears(0) || !transport::credentials_of(descriptor, c)) return 0;
        try {
            if (admits ? !admits(c) : c.uid != 0 && c.uid != static_cast<std::int64_t>(::geteuid())) return 0;
            const program_id id = programs.fetch_add_relaxed(1) + 1;
            const std::lock_guard held{mutex};
            who[id] = c;
            return id;
        } catch (...) {
            return 0;
        }
    }

    void missed(std::uint64_t program) noexcept override {
        const std::lock_guard held{mutex};
        who.erase(program);
    }

    template <class F>
    void post(F&& f) {
        unit->only_drive().post(std::make_unique<job<std::decay_t<F>>>(std::forward<F>(f)));
    }
    // Carried out by the router's thread, and waited for. False: it has stopped.
    template <class F>
    bool ask(F&& f) {
        struct answer {
            bool over = false;
            bool carried_out = false;
        };
        // Outlives us where the job is dropped with its drive.
        const auto a = std::make_shared<answer>();
        {
            const std::lock_guard held{mutex};
            if (stopped) return false;
        }
        post([this, a, &f](transport::drive& d) {
            const std::lock_guard held{mutex};
            if (!a->over) {
                f(d);
                a->carried_out = true;
            }
            a->over = true;
            done.notify_all();
        });
        std::unique_lock held{mutex};
        done.wait(held, [&] { return a->over || stopped; });
        a->over = true;  // a job that comes later must not use what is ours
        return a->carried_out;
    }
};

attach_router::attach_router(std::unique_ptr<inside> i) noexcept : inside_{std::move(i)} {}

attach_router::~attach_router() { (void)stop(std::chrono::milliseconds{0}); }

std::unique_ptr<attach_router> attach_router::start(const router_options& wanted, std::string& error) {
    auto in = std::make_unique<inside>();
    in->admits = wanted.admit;
    in->events_max = wanted.events_max;
    relaying sockets;
    sockets.host = in.get();
    sockets.gate = in.get();
    for (const auto& [name, rules] : wanted.names)
        if (!is_name(name, error)) return nullptr;
    sockets.routes = [&](runtime::relay& r) {
        bool all = true;
        for (const auto& [name, rules] : wanted.names) all = all && r.serve(name, rules_of(rules));
        return all;
    };
    sockets.listeners.assign(wanted.listeners.begin(), wanted.listeners.end());
    sockets.program_listener = wanted.program_listener;
    const auto fail = [&]() -> std::unique_ptr<attach_router> {
        in.reset();
        return nullptr;
    };
    in->bell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (in->bell < 0) {
        error = "no event descriptor is to be had";
        return fail();
    }
    if (sockets.program_listener < 0 && !wanted.program_socket.empty()) {
        sockets.program_listener = transport::listen_local(wanted.program_socket, wanted.program_socket_mode, error);
        if (sockets.program_listener < 0) return fail();
    }
    configuration settings = wanted.unit;
    settings.reactors = 1;
    settings.threads = true;
    settings.manager.clear();
    settings.manager_descriptor = -1;
    settings.relays = &sockets;
    in->unit = logical_unit::start(settings, error);
    if (in->unit == nullptr) return fail();
    return std::unique_ptr<attach_router>{new attach_router{std::move(in)}};
}

bool attach_router::reload_security(std::string& error) { return inside_->unit->reload_security(error); }

const std::vector<std::string>& attach_router::listening() const noexcept { return inside_->unit->listening(); }

// ---- names ----------------------------------------------------------------------------------------------------------

bool attach_router::serve(std::string_view tp, const route_options& rules, std::string& error) {
    if (!is_name(tp, error)) return false;
    inside_->post([this, r = rules_of(rules), name = std::string{tp}](transport::drive&) {
        (void)inside_->unit->relay()->serve(name, r);
    });
    return true;
}

void attach_router::stop(std::string_view tp) {
    inside_->post([this, name = std::string{tp}](transport::drive& d) {
        inside_->unit->relay()->end_route(d.context, name, runtime::tp_registry::status::stopped);
    });
}

void attach_router::withdraw(std::string_view tp) {
    inside_->post([this, name = std::string{tp}](transport::drive& d) {
        inside_->unit->relay()->end_route(d.context, name, runtime::tp_registry::status::released);
    });
}

// ---- programs -------------------------------------------------------------------------------------------------------

program_id attach_router::add_program(int fd, std::string& error) {
    peer_credentials ignored;
    if (!transport::credentials_of(fd, ignored)) {
        error = "the descriptor is no connected local socket";
        transport::close_descriptor(fd);
        return 0;
    }
    const program_id id = inside_->programs.fetch_add_relaxed(1) + 1;
    // Owned by the job: closed with it where it is never carried out.
    struct owned {
        int fd;
        explicit owned(int taken) noexcept : fd{taken} {}
        owned(owned&& other) noexcept : fd{std::exchange(other.fd, -1)} {}
        owned(const owned&) = delete;
        owned& operator=(const owned&) = delete;
        owned& operator=(owned&&) = delete;
        ~owned() {
            if (fd >= 0) transport::close_descriptor(fd);
        }
    };
    inside_->post([this, id, socket = owned{fd}](transport::drive& d) mutable {
        std::string why;
        const std::intptr_t taken = std::exchange(socket.fd, -1);
        if (d.adopt(taken, runtime::link_role::program, id, why) != nullptr) return;
        runtime::relay_news n;
        n.what = runtime::relay_news::kind::left;
        n.program = id;
        n.text = why;
        inside_->news(n);
    });
    return id;
}

void attach_router::give(attach_id attach, program_id program) {
    inside_->post(
        [this, attach, program](transport::drive& d) { inside_->unit->relay()->give(d.context, attach, program); });
}

void attach_router::refuse(attach_id attach, int code) {
    inside_->post([this, attach, code](transport::drive& d) {
        inside_->unit->relay()->refuse(d.context, attach, static_cast<runtime::return_code>(code));
    });
}

void attach_router::route(std::string_view tp, program_id program, std::uint32_t at_most) {
    inside_->post([this, name = std::string{tp}, program, at_most](transport::drive& d) {
        inside_->unit->relay()->route_to(d.context, name, program, at_most);
    });
}

void attach_router::last(program_id program) {
    inside_->post([this, program](transport::drive& d) { inside_->unit->relay()->last(d.context, program); });
}

void attach_router::close(program_id program) {
    inside_->post([this, program](transport::drive& d) { inside_->unit->relay()->close(d.context, program); });
}

// ---- the end --------------------------------------------------------------------------------------------------------

void attach_router::drain() {
    inside_->draining.store_release(1);
    inside_->post([this](transport::drive& d) {
        inside_->unit->relay()->drain(d.context);
        d.drain_when_driven();
        (void)d.ring();
    });
}

std::vector<int> attach_router::listener_descriptors() {
    std::vector<int> copies;
    (void)inside_->ask([&](transport::drive& d) {
        for (const std::intptr_t one : d.listening_on(false))
            if (const std::intptr_t copy = transport::copy_descriptor(one); copy >= 0)
                copies.push_back(static_cast<int>(copy));
    });
    return copies;
}

int attach_router::program_listener_descriptor() {
    int found = -1;
    (void)inside_->ask([&](transport::drive& d) {
        for (const std::intptr_t one : d.listening_on(true)) found = static_cast<int>(transport::copy_descriptor(one));
    });
    return found;
}

void attach_router::stop_listening() {
    inside_->post([](transport::drive& d) { d.stop_listening(true); });
}

bool attach_router::stop(std::chrono::milliseconds limit) {
    {
        const std::lock_guard held{inside_->mutex};
        if (inside_->stopped) return true;
        inside_->stopped = true;
    }
    inside_->done.notify_all();
    return inside_->unit->stop(static_cast<std::uint64_t>(limit.count() < 0 ? 0 : limit.count()) * ms);
}

// ---- news -----------------------------------------------------------------------------------------------------------

int attach_router::descriptor() const noexcept { return inside_->bell; }

bool attach_router::next(router_event& out) {
    const std::lock_guard held{inside_->mutex};
    if (inside_->events.empty()) return false;
    out = std::move(inside_->events.front());
    inside_->events.pop_front();
    if (inside::is_word(out))
        if (const auto said = inside_->words.find(out.program); --said->second == 0) inside_->words.erase(said);
    if (inside_->events.empty()) {
        std::uint64_t rung = 0;
        (void)!::read(inside_->bell, &rung, sizeof rung);
    }
    return true;
}

router_counters attach_router::counters() {
    router_counters now;
    (void)inside_->ask([&](transport::drive&) { now = inside_->unit->relay()->counters(); });
    return now;
}

}  // namespace colloquy::api
