#include "transport/drive.hpp"

#include <algorithm>
#include <stdexcept>

#include "runtime/relay.hpp"
#include "runtime/verbs.hpp"
#include "transport/local_socket.hpp"
#include "transport/platform.hpp"
#include "transport/tls.hpp"

namespace colloquy::transport {

namespace {

constexpr std::uint64_t ms = 1'000'000;
constexpr std::uint32_t poll_budget = 256;
constexpr std::size_t sealed_unread_max = 256 * 1024;  // four times what is sealed at once

runtime::return_code connect_failure(int error) noexcept {
    switch (kind_of(error)) {
        case error_kind::unknown_name:
        case error_kind::misuse: return runtime::return_code::allocate_failure_no_retry;
        default: return runtime::return_code::allocate_failure_retry;
    }
}

}  // namespace

link::link(runtime::session& s) noexcept : session_{s} {
    note_.of = this;
    timer_.of = this;
    timer_.expire = [](runtime::timer& t) {
        link& expired = *static_cast<alarm&>(t).of;
        expired.driven_by().expired(expired);
    };
}

std::span<io_slice> link::reading::offer(io_slice (&slices)[4]) noexcept {
    if (of.filter_ != nullptr) [[unlikely]] {
        std::vector<std::byte>& raw = of.driven_by().raw_;
        slices[0] = {raw.data(), raw.size()};
        return {slices, 1};
    }
    runtime::slice where[2];
    const std::size_t n = of.session_.offer(of.driven_by().scratch_, where);
    for (std::size_t i = 0; i < n; ++i) slices[i] = {where[i].data, where[i].size};
    return {slices, n};
}
void link::reading::complete(io_result result) noexcept { of.driven_by().read_done(of, result); }
void link::writing::complete(io_result result) noexcept { of.driven_by().write_done(of, result); }

// ---- connecting and listening ---------------------------------------------------------------------------------------

// One link being opened: names are resolved and addresses tried in turn, none of it in the way of the drive.
struct drive::attempt final : resolve_op, connect_op {
    attempt* next = nullptr;  // to be begun; then the next one under way
    attempt* previous = nullptr;
    drive* of = nullptr;
    runtime::partner* partner = nullptr;
    std::uint32_t which = 0;
    std::vector<endpoint> endpoints;
    std::size_t at = 0;
    int error = 0;            // of the endpoint tried last
    bool unresolved = false;  // the resolver had no room for its name
    bool by_tcp = false;      // what listens beside the address is not trusted
    std::vector<address> found;
    struct alarm final : runtime::timer {
        attempt* of = nullptr;
    } limit;

    attempt() noexcept {
        limit.of = this;
        limit.expire = [](runtime::timer& t) {
            static_cast<alarm&>(t).of->fail(runtime::return_code::allocate_failure_retry, io_error_timed_out);
        };
    }
    void begin() noexcept {
        for (; at < endpoints.size(); ++at) {
            error = try_endpoint();
            if (error == 0) return;
        }
        fail(connect_failure(error), error);
    }
    // 0: it is under way, or waits for the resolver.
    int try_endpoint() noexcept {
        const endpoint& where = endpoints[at];
        address numeric;
        if (where.local ? address::local(where.host, numeric) : address::parse_numeric(where.host, where.port, numeric))
            return connect({&numeric, 1});
        if (where.local) return io_error_bad_argument;
        resolve_op::host = where.host;
        resolve_op::port = where.port;
        const io_status s = of->reactor_->submit_resolve(*this);
        if (s.is_pending()) return 0;
        if (s.error != io_error_table_full) return s.error;
        unresolved = true;
        ++of->unresolved_;
        return 0;
    }
    int connect(std::span<const address> to) noexcept {
        found.clear();
        for (const address& one : to) {
            const bool looks = of->options_.local_links && !endpoints[at].tls && !by_tcp;
            if (const address beside = looks ? one.nearby() : address{}; beside && one.is_loopback())
                found.push_back(beside);
            found.push_back(one);
        }
        connect_op::addresses = found;
        const io_status s = of->reactor_->submit_connect(*this);
        return s.is_pending() ? 0 : s.error;
    }
    void complete(std::span<const address> resolved, int failure) noexcept override {
        drive& d = *of;
        if (failure == 0) failure = connect(resolved);
        if (failure != 0) next_endpoint(failure);
        d.resolve_more();
    }
    void complete(stream connected, int failure) noexcept override {
        if (failure != 0) {
            next_endpoint(failure);
            return;
        }
        drive& d = *of;
        std::unique_ptr<byte_filter> filter;
        const endpoint& called = endpoints[at];
        if (!called.local && d.reactor_->peer_address(connected).family() == address_family::local &&
            !same_user(d.reactor_->descriptor(connected))) {
            // Anybody may have taken that name.
            d.reactor_->reset(connected);
            by_tcp = true;
            error = try_endpoint();
            if (error != 0) next_endpoint(error);
            return;
        }
        if (called.tls && d.options_.tls != nullptr) filter = d.options_.tls->connect(called);
        if (called.tls && filter == nullptr) {
            d.reactor_->reset(connected);
            fail(runtime::return_code::allocate_failure_retry);
            return;
        }
        if (d.begin(connected, partner, which, runtime::link_role::ordinary, 0, std::move(filter), called.host) ==
            nullptr) {
            fail(runtime::return_code::allocate_failure_retry);
            return;
        }
        d.forget(*this);
    }
    void next_endpoint(int failure) noexcept {
        error = failure;
        ++at;
        by_tcp = false;
        begin();
    }
    void fail(runtime::return_code code, int why = 0) noexcept {
        drive& d = *of;
        runtime::partner& p = *partner;
        const std::uint32_t link_index = which;
        d.forget(*this);
        d.engine_.link_failed(d.context, p, link_index, code, why);
    }
};

struct drive::accepting final : accept_op {
    explicit accepting(drive& d) noexcept : of{d} {}
    drive& of;
    listener at;
    admission* gate = nullptr;  // of a manager's listener for programs
    bool tls = false;
    socket_file file;     // of a local socket that is ours
    bool beside = false;  // it stands beside an address of TCP
    void complete(stream accepted, const address&, int error) noexcept override {
        if (error != 0) return;
        if (gate == nullptr) {
            std::unique_ptr<byte_filter> filter;
            if (tls) filter = of.options_.tls->accept();
            if (tls && filter == nullptr)
                of.reactor_->reset(accepted);
            else
                (void)of.begin(accepted, nullptr, 0, runtime::link_role::ordinary, 0, std::move(filter));
            return;
        }
        const std::uint64_t program = gate->admit(of.reactor_->descriptor(accepted));
        if (program == 0)
            of.reactor_->reset(accepted);
        else if (of.begin(accepted, nullptr, 0, runtime::link_role::program, program) == nullptr)
            gate->missed(program);
    }
};

drive::drive(runtime::engine& e, std::span<runtime::atom<link*>> links, std::uint32_t index,
             const drive_options& options, std::unique_ptr<reactor> io)
    : context{index},
      engine_{e},
      links_{links},
      options_{options},
      reactor_{std::move(io)},
      wheel_{now_ns()},
      counts_{index},
      now_{now_ns()},
      scratch_(runtime::session::scratch_min),
      watches_{std::make_unique<runtime::atom<watch_node*>[]>(e.bounds().conversations)} {
    if (reactor_ == nullptr) throw std::runtime_error{"no reactor"};
    context.counts = counts_.hint();
}

drive::~drive() {
    for (attempt* a = attempts_.take_all(); a != nullptr;) {
        attempt* const next = a->next;
        delete a;
        a = next;
    }
    while (trying_ != nullptr) forget(*trying_);
    for (auto& a : listeners_) remove(a->file);
    for (task* t = tasks_.take_all(); t != nullptr;) {
        task* const next = t->next;
        delete t;
        t = next;
    }
    for (auto& entry : links_) {
        link* const l = entry.load_acquire();
        if (l == nullptr || &l->driven_by() != this) continue;
        (void)wheel_.cancel(l->timer_);
        for (runtime::buffer* b = l->inbox_.take_all(); b != nullptr;) {
            runtime::buffer* const next = b->next;
            engine_.release_outbound(context, b);
            b = next;
        }
    }
    for (std::uint32_t i = 0; i < engine_.bounds().conversations; ++i) {
        watch_node* const n = watches_[i].load_relaxed();  // relaxed: nobody else is left
        if (n == nullptr) continue;
        (void)wheel_.cancel(n->timer);
        delete n;
    }
    reactor_.reset();
}

// The resolver has room again.
void drive::resolve_more() noexcept {
    attempt* a = unresolved_ == 0 ? nullptr : trying_;
    while (a != nullptr && !a->unresolved) a = a->next;
    if (a == nullptr) return;
    a->unresolved = false;
    --unresolved_;
    a->begin();
}

void drive::forget(attempt& a) noexcept {
    if (a.unresolved) --unresolved_;
    (void)wheel_.cancel(a.limit);
    reactor_->cancel(static_cast<resolve_op&>(a));
    reactor_->cancel(static_cast<connect_op&>(a));
    (a.previous == nullptr ? trying_ : a.previous->next) = a.next;
    if (a.next != nullptr) a.next->previous = a.previous;
    delete &a;
}

void drive::open(runtime::partner& p, std::uint32_t which, std::vector<endpoint> where) {
    auto* a = new attempt;
    a->of = this;
    a->partner = &p;
    a->which = which;
    a->endpoints = std::move(where);
    attempts_.push(a);
    (void)ring();
}

void drive::open_in_process(runtime::partner& p, std::uint32_t which) {
    // An attempt without endpoints: begun by the driver like the others.
    open(p, which, {});
}

std::string drive::listen_locally(const endpoint& where, address& chosen) {
    address at;
    if (!address::local(where.host, at)) return error_text(io_error_bad_argument);
    std::intptr_t descriptor = -1;
    socket_file file;
    if (const int why = listen_local(at, options_.socket_mode, descriptor, file); why != 0) return error_text(why);
    std::string why = listen(descriptor, {}, nullptr, chosen);
    if (!why.empty()) {
        remove(file);
        close_descriptor(descriptor);
        return why;
    }
    listeners_.back()->file = std::move(file);
    return why;
}

std::intptr_t drive::listen_nearby(const address& tcp, std::intptr_t also) noexcept {
    const address at = tcp.nearby();
    if (!at) return -1;
    std::intptr_t descriptor = -1;
    try {
        socket_file none;
        if (also >= 0)
            descriptor = copy_descriptor(also);
        else if (listen_local(at, 0, descriptor, none) != 0)
            return -1;
        address chosen;
        if (descriptor >= 0 && listen(descriptor, {}, nullptr, chosen).empty()) {
            listeners_.back()->beside = true;
            return descriptor;
        }
    } catch (const std::bad_alloc&) {
        // They come by TCP.
    }
    if (descriptor >= 0) close_descriptor(descriptor);
    return -1;
}

std::string drive::listen(const endpoint& where, address& chosen) {
    if (where.local) return listen_locally(where, chosen);
    // Listening is administration before or beside service: resolving may take its time here.
    struct resolving final : resolve_op {
        std::vector<address> found;
        int error = 0;
        bool over = false;
        bool no_memory = false;
        void complete(std::span<const address> resolved, int e) noexcept override {
            error = e;
            over = true;
            try {
                found.assign(resolved.begin(), resolved.end());
            } catch (const std::bad_alloc&) {
                no_memory = true;
            }
        }
    } name;
    name.host = where.host;
    name.port = where.port;
    if (const io_status s = reactor_->submit_resolve(name); !s.is_pending()) return error_text(s.error);
    while (!name.over) (void)reactor_->poll(poll_forever, poll_budget);
    if (name.no_memory) throw std::bad_alloc{};
    if (name.error != 0) return error_text(name.error);
    listeners_.reserve(listeners_.size() + 1);  // nothing may fail once its accept is under way
    auto a = std::make_unique<accepting>(*this);
    a->tls = where.tls;
    listen_options options;
    options.reuse_port = options_.reuse_port;
    if (const io_status s = reactor_->listen(name.found.front(), options, a->at); s.is_failed())
        return error_text(s.error);
    if (const io_status s = reactor_->submit_accept(a->at, *a); s.is_failed()) return error_text(s.error);
    chosen = reactor_->local_address(a->at);
    listeners_.push_back(std::move(a));
    return {};
}

std::string drive::listen(std::intptr_t descriptor, std::span<const endpoint> meant, admission* gate, address& chosen) {
    listeners_.reserve(listeners_.size() + 1);
    auto a = std::make_unique<accepting>(*this);
    a->gate = gate;
    if (const io_status s = reactor_->adopt(descriptor, a->at); s.is_failed()) return error_text(s.error);
    // Never plain by mistake: an address that the configuration does not name is as the others are.
    const address here = reactor_->local_address(a->at);
    const std::uint16_t port = here.port();
    const auto plain_here = [&](const endpoint& e) { return !e.tls && e.port == port; };
    a->tls = here.family() != address_family::local &&
             std::any_of(meant.begin(), meant.end(), [](const endpoint& e) { return e.tls; }) &&
             std::none_of(meant.begin(), meant.end(), plain_here);
    if (const io_status s = reactor_->submit_accept(a->at, *a); s.is_failed()) return error_text(s.error);
    chosen = here;
    listeners_.push_back(std::move(a));
    return {};
}

drive::peer drive::peer_of(const link& l) const {
    const address from = reactor_->peer_address(l.stream_);
    if (from.family() != address_family::local) return {from.to_string(), from.network()};
    const std::string user = local_peer(reactor_->descriptor(l.stream_));
    return {user, user};
}

runtime::session* drive::adopt(std::intptr_t descriptor, runtime::link_role role, std::uint64_t program,
                               std::string& error) {
    stream where;
    if (const io_status s = reactor_->adopt(descriptor, where); s.is_failed()) {
        error = error_text(s.error);
        close_descriptor(descriptor);  // it is ours whatever comes of it
        return nullptr;
    }
    runtime::session* const made = begin(where, nullptr, 0, role, program);
    if (made == nullptr) error = "the table of links is full; raise limits.links";
    return made;
}

std::vector<std::intptr_t> drive::listening_on(bool programs) const {
    std::vector<std::intptr_t> found;
    for (const auto& a : listeners_)
        if (a->at && !a->beside && (a->gate != nullptr) == programs) found.push_back(reactor_->descriptor(a->at));
    return found;
}

void drive::stop_listening(bool handed_on) noexcept {
    for (auto& a : listeners_) {
        if (!a->at) continue;
        if (!handed_on) remove(a->file);
        a->file = {};
        reactor_->cancel(*a);
        reactor_->close(a->at);
        a->at = {};
    }
}

void drive::arm(runtime::timer& t, std::uint64_t when) noexcept {
    (void)wheel_.cancel(t);
    wheel_.add(t, when);
}

void drive::post(std::unique_ptr<task> t) noexcept {
    tasks_.push(t.release());
    (void)ring();
}

// ---- links ----------------------------------------------------------------------------------------------------------

link& drive::link_of(runtime::session& s) noexcept { return *links_[s.index()].load_acquire(); }  // acquire[link]

// A connection is there: it gets a session. Null: there is none to be had, and the connection is closed. No stream:
// an end of an in-process link.
runtime::session* drive::begin(stream where, runtime::partner* p, std::uint32_t which, runtime::link_role role,
                               std::uint64_t program, std::unique_ptr<byte_filter> filter,
                               const std::string& called) noexcept {
    const bool in_process = !where;
    runtime::session* s = engine_.open_session(context);
    if (s == nullptr) {
        if (!in_process) reactor_->reset(where);
        return nullptr;
    }
    runtime::atom<link*>& place = links_[s->index()];
    link* made = place.load_acquire();  // acquire[link]
    if (made == nullptr) {
        made = new (std::nothrow) link{*s};
        if (made == nullptr) {
            s->abandon();
            if (!in_process) reactor_->reset(where);
            return nullptr;
        }
    }
    link& l = *made;
    try {
        if (filter != nullptr) {
            l.called_ = called;
            raw_.resize(runtime::session::scratch_min);
        }
    } catch (const std::bad_alloc&) {
        s->abandon();
        if (!in_process) reactor_->reset(where);
        return nullptr;
    }
    l.filter_ = std::move(filter);
    l.owed_ = false;
    l.drive_.store_release(this);
    l.stream_ = where;
    l.peer_ = nullptr;
    l.broken_.store_relaxed(0);
    l.ended_ = l.half_closed_ = l.read_end_ = l.closed_ = false;
    place.store_release(made);  // release[link]
    s->transport_data = &l;
    s->opened_for = p;
    s->opened_index = which;
    s->role = role;
    s->in_process = in_process;
    s->confidential = in_process || l.filter_ != nullptr || role != runtime::link_role::ordinary ||
                      reactor_->peer_address(where).is_loopback();
    if (role == runtime::link_role::program) {
        s->program = engine_.relay_of()->begin(program, *s);
        if (s->program == nullptr) {
            s->abandon();
            l.closed_ = true;
            reactor_->reset(where);
            return nullptr;
        }
    }
    links_open_.fetch_add_relaxed(1);
    if (!in_process) {
        (void)reactor_->submit_read(where, l.read_);
        const bool ours = p != nullptr || role == runtime::link_role::manager;
        s->start(context, ours ? wire::link_side::connector : wire::link_side::acceptor, now());
        if (l.filter_ != nullptr) write_sealed(l);  // who calls has the first word of the handshake, too
        settle_timer(l);
    }
    return s;
}

void drive::begin_in_process(runtime::partner& p, std::uint32_t which) noexcept {
    runtime::session* near = begin({}, &p, which);
    runtime::session* far = near == nullptr ? nullptr : begin({}, nullptr, 0);
    if (far == nullptr) {
        if (near != nullptr) {
            near->start(context, wire::link_side::connector, now());
            near->lost(context, runtime::return_code::resource_failure_retry, wire::reason::limits);
            return;
        }
        engine_.link_failed(context, p, which, runtime::return_code::allocate_failure_retry);
        return;
    }
    link& a = link_of(*near);
    link& b = link_of(*far);
    a.peer_ = &b;
    b.peer_ = &a;
    far->start(context, wire::link_side::acceptor, now());
    near->start(context, wire::link_side::connector, now());
    settle_timer(a);
    settle_timer(b);
}

void drive::settle_timer(link& l) noexcept {
    const std::uint64_t wanted = l.session_.next_deadline();
    if (l.timer_.active()) {
        if (l.timer_.deadline == wanted || l.half_closed_) return;
        (void)wheel_.cancel(l.timer_);
    }
    if (wanted != UINT64_MAX) wheel_.add(l.timer_, wanted);
}

void drive::expired(link& l) noexcept {
    if (l.half_closed_) {
        close_link(l);  // the partner did not end its side in time
        return;
    }
    if (l.ended_) {
        // Its last words do not leave. A parked write is taken back, and the duty with it; a writer at work comes out
        // soon.
        if (l.write_.submitted()) {
            reactor_->cancel(l.write_);
            l.broken_.store_release(1);
            finish(l);
        } else {
            wheel_.add(l.timer_, now() + 10 * ms);
        }
        return;
    }
    l.session_.tick(context, now());
    if (!l.ended_) settle_timer(l);
}

void drive::read_done(link& l, io_result result) noexcept {
    if (result.error == 0 && result.bytes != 0) {
        if (l.filter_ != nullptr) [[unlikely]] {
            if (!l.ended_) read_sealed(l, result.bytes);
        } else if (!l.ended_) {
            l.session_.received(context, scratch_, result.bytes, now());
            if (!l.ended_) settle_timer(l);
        }
        return;
    }
    l.read_end_ = true;
    l.session_.lost(context, runtime::return_code::resource_failure_retry, wire::reason::transport);
    note(l);
}

void drive::write_done(link& l, io_result result) noexcept {
    if (result.error != 0) {
        l.broken_.store_release(1);
        note(l);
        return;
    }
    if (l.filter_ != nullptr) [[unlikely]] {
        l.sealed_.clear();
        write_sealed(l);
        return;
    }
    l.session_.written(context);
    bool again = false;
    write(context, l, SIZE_MAX, again);
}

// ---- encrypted links ------------------------------------------------------------------------------------------------

void drive::read_sealed(link& l, std::size_t bytes) noexcept {
    byte_filter& f = *l.filter_;
    const bool was_open = f.at() == byte_filter::stage::open;
    f.received({raw_.data(), bytes});
    // As much at a time as the session has room for, so that its answers leave together.
    for (bool more = true; more && !l.ended_;) {
        runtime::slice where[2];
        const std::size_t n = l.session_.offer(scratch_, where);
        std::size_t total = 0;
        for (std::size_t i = 0; more && i < n; ++i) {
            std::size_t filled = 0;
            while (more && filled < where[i].size) {
                const std::size_t got = f.take({where[i].data + filled, where[i].size - filled});
                filled += got;
                more = got != 0;
            }
            total += filled;
        }
        if (total != 0) l.session_.received(context, scratch_, total, now());
    }
    f.drop_input();
    // A peer may have the filter answer (an update of keys) without reading: that is not the session's to bound.
    if (l.write_.submitted() && f.output().size() > sealed_unread_max && !l.ended_)
        l.session_.lost(context, runtime::return_code::resource_failure_no_retry, wire::reason::limits);
    if (!was_open && f.at() == byte_filter::stage::open) {
        engine_.count().add(runtime::counter::tls_links, 1, context.counts);
        if (f.resumed()) engine_.count().add(runtime::counter::tls_resumed, 1, context.counts);
    }
    if (f.at() == byte_filter::stage::failed && !l.ended_) {
        engine_.count().add(runtime::counter::tls_failed, 1, context.counts);
        l.session_.lost(context, runtime::return_code::resource_failure_no_retry, wire::reason::encryption);
    } else if (f.at() == byte_filter::stage::ended && !l.ended_) {
        l.session_.lost(context, runtime::return_code::resource_failure_retry, wire::reason::transport);
    }
    write_sealed(l);  // what the filter has to say itself, and what waited for its handshake
    if (!l.ended_) settle_timer(l);
}

// What the filter has made, then what the session has, until there is no more or the connection takes no more. The
// write duty, if it was left to the driver, is given up with the last of it.
void drive::write_sealed(link& l) noexcept {
    byte_filter& f = *l.filter_;
    for (;;) {
        if (l.write_.submitted() || l.half_closed_) return;
        if (l.broken_.load_acquire() != 0) {
            note(l);
            return;
        }
        if (f.output().empty() && l.owed_ && f.at() == byte_filter::stage::open) {
            if (f.output().capacity() == 0) f.output().swap(spare_);
            runtime::slice gathered[link::slice_max];
            const std::size_t n = l.session_.gather(context, gathered, link::slice_max);
            if (n == 0) {
                l.owed_ = false;
                break;
            }
            for (std::size_t i = 0; i < n; ++i) f.give({gathered[i].data, gathered[i].size});
            l.session_.written(context);
        }
        if (f.output().empty()) break;
        l.sealed_.swap(f.output());
        l.slices_[0] = {l.sealed_.data(), l.sealed_.size()};
        l.write_.slices = l.slices_;
        l.write_.slice_count = 1;
        const io_status s = reactor_->submit_write(l.stream_, l.write_);
        if (s.is_pending()) return;
        l.sealed_.clear();
        l.sealed_.swap(f.output());  // for the next one
        if (s.is_failed()) {
            l.broken_.store_release(1);
            note(l);
            return;
        }
    }
    // An idle link keeps no memory for what it might write.
    if (spare_.capacity() < f.output().capacity()) spare_.swap(f.output());
    std::vector<std::byte>{}.swap(f.output());
    std::vector<std::byte>{}.swap(l.sealed_);
    if (f.at() == byte_filter::stage::failed && !l.ended_)
        l.session_.lost(context, runtime::return_code::resource_failure_no_retry, wire::reason::encryption);
    if (l.session_.at() == runtime::session::stage::ended) note(l);
}

// The end of encryption, and what the filter may have to say of a failure: as far as it leaves at once.
void drive::last_words(link& l) noexcept {
    byte_filter& f = *l.filter_;
    f.close();
    if (f.output().empty() || l.broken_.load_acquire() != 0) return;
    l.sealed_.swap(f.output());
    l.slices_[0] = {l.sealed_.data(), l.sealed_.size()};
    l.write_.slices = l.slices_;
    l.write_.slice_count = 1;
    const io_status s = reactor_->submit_write(l.stream_, l.write_);
    if (!s.is_pending()) return;
    reactor_->cancel(l.write_);
    l.broken_.store_release(1);
}

void drive::write(runtime::context& c, link& l, std::size_t most, bool& again) noexcept {
    again = false;
    if (l.filter_ != nullptr) [[unlikely]] {
        // One thread at a time, and the driver has to read.
        again = &c != &context;
        if (again) return;
        l.owed_ = true;
        write_sealed(l);
        return;
    }
    std::size_t total = 0;
    for (;;) {
        if (l.broken_.load_acquire() != 0) {
            note(l);
            return;  // the duty is kept: see finish()
        }
        if (l.peer_ != nullptr) {
            runtime::buffer* list = l.session_.take_frames(c);
            if (list == nullptr) break;
            link& other = *l.peer_;
            while (list != nullptr) {
                runtime::buffer* const next = list->next;
                other.inbox_.push(list);
                list = next;
            }
            note(other);
            continue;
        }
        runtime::slice gathered[link::slice_max];
        const std::size_t n = l.session_.gather(c, gathered, link::slice_max);
        if (n == 0) break;
        for (std::size_t i = 0; i < n; ++i) {
            l.slices_[i] = {gathered[i].data, gathered[i].size};
            total += gathered[i].size;
        }
        l.write_.slices = l.slices_;
        l.write_.slice_count = n;
        const io_status s = reactor_->submit_write(l.stream_, l.write_);
        if (s.is_pending()) return;
        if (s.is_failed()) {
            l.broken_.store_release(1);
            note(l);
            return;
        }
        l.session_.written(c);
        if (total >= most) {
            again = true;
            return;
        }
    }
    if (l.session_.at() == runtime::session::stage::ended) note(l);
}

// ---- deadlines ------------------------------------------------------------------------------------------------------

void drive::watch(runtime::conversation& v) noexcept {
    runtime::atom<watch_node*>& place = watches_[v.index];
    watch_node* n = place.load_acquire();  // acquire[watch]
    if (n == nullptr) {
        auto* made = new (std::nothrow) watch_node;
        if (made == nullptr) return;  // no memory for a limit: the operation waits as long as it takes
        made->of = &v;
        made->timer.owner = made;
        made->by = this;
        made->timer.expire = [](runtime::timer& t) {
            watch_node& expired = *static_cast<watch_node::alarm&>(t).owner;
            expired.by->came(expired);
        };
        // release[watch]
        if (place.cas_acq_rel(n, made))
            n = made;
        else
            delete made;
    }
    // Read-modify-write: either the driver that takes the timer out sees this deadline, or we see that it does not run.
    const std::uint64_t armed = n->armed.fetch_or_acq_rel(0);      // release[watch-armed] acquire[watch-armed]
    if (armed != 0 && armed <= v.deadline.load_relaxed()) return;  // it expires in time, and then looks again
    if (n->listed.exchange_acq_rel(1) != 0) return;
    to_watch_.push(n);
    (void)ring();
}

void drive::arm(watch_node& n) noexcept {
    const std::uint64_t deadline = n.of->deadline.load_acquire();
    if (deadline == 0) return;                           // the operation is over; the next one comes by itself
    const std::uint64_t armed = n.armed.load_relaxed();  // relaxed: only the driver writes it
    if (armed != 0 && armed <= deadline) return;
    if (armed != 0) (void)wheel_.cancel(n.timer);
    wheel_.add(n.timer, deadline);
    n.armed.exchange_acq_rel(deadline);  // release[watch-armed]
}

void drive::came(watch_node& n) noexcept {
    n.armed.exchange_acq_rel(0);  // release[watch-armed] acquire[watch-armed]
    const std::uint64_t deadline = n.of->deadline.load_acquire();
    if (deadline != 0 && deadline <= now()) runtime::expire(engine_, context, *n.of, now());
    arm(n);
}

// ---- the driver's work ----------------------------------------------------------------------------------------------

bool drive::ring() noexcept {
    switch (token.post_work()) {
        case runtime::post_result::nobody_driving: return true;
        case runtime::post_result::must_wake: reactor_->wake(); return false;
        case runtime::post_result::driver_awake: return false;
    }
    return false;
}

// The link needs a look by the driver. Any thread.
void drive::note(link& l) noexcept {
    // release[link-note]: what there is to see happened before; the driver's exchange acquires it.
    if (l.noted_.exchange_acq_rel(1) != 0) return;
    drive& d = l.driven_by();
    d.notes_.push(&l.note_);
    (void)d.ring();
}

void drive::look(link& l) noexcept {
    (void)l.noted_.exchange_acq_rel(0);  // acquire[link-note]
    if (&l.driven_by() != this) {
        note(l);  // it lives on under another drive: a note from its last life came late
        return;
    }
    for (runtime::buffer* b = l.inbox_.take_all(); b != nullptr;) {
        runtime::buffer* const next = b->next;
        if (!l.ended_) l.session_.received_frame(context, {b->bytes() + b->begin, b->size()}, now());
        engine_.release_outbound(context, b);
        b = next;
    }
    if (l.broken_.load_acquire() != 0)
        l.session_.lost(context, runtime::return_code::resource_failure_retry, wire::reason::transport);
    if (l.ended_)
        finish(l);
    else
        settle_timer(l);
}

void drive::session_ended(runtime::session& s) noexcept {
    link& l = link_of(s);
    if (l.ended_) return;
    l.ended_ = true;
    (void)wheel_.cancel(l.timer_);
    if (runtime::partner* p = s.opened_for; p != nullptr) {
        runtime::partner_link& entry = p->links[s.opened_index];
        std::uint64_t mine = reinterpret_cast<std::uintptr_t>(&s);
        if (entry.state.load_acquire() == runtime::partner_link::opening) {
            const bool retry = s.loss_code() == runtime::return_code::resource_failure_retry;
            engine_.link_failed(
                context, *p, s.opened_index,
                retry ? runtime::return_code::allocate_failure_retry : runtime::return_code::allocate_failure_no_retry,
                l.filter_ != nullptr && l.filter_->error() != 0 ? l.filter_->error()
                                                                : -static_cast<std::int32_t>(s.ended_because()));
        } else {
            (void)entry.state.cas_acq_rel(mine, runtime::partner_link::none);  // release[partner-link]
        }
    }
    note(l);
}

// Closes an ended link once nobody writes to it: half-close, the partner's end, close. An abrupt close would make the
// system drop what the partner has not read yet.
void drive::finish(link& l) noexcept {
    if (l.closed_) return;
    if (l.half_closed_) {
        if (l.read_end_) close_link(l);
        return;
    }
    // Who meets an error keeps the duty. Otherwise it is taken here, or its holder calls for another look when it is
    // done.
    bool broken = l.broken_.load_acquire() != 0;
    bool ours = broken;
    // What was left to the driver before the handshake is over, or after it failed, will never leave.
    if (l.filter_ != nullptr) ours = l.owed_ && (broken || l.filter_->at() != byte_filter::stage::open);
    if (!ours && !l.session_.take_write_duty()) {
        if (!l.timer_.active()) wheel_.add(l.timer_, now() + options_.linger_ms * ms);
        return;
    }
    (void)wheel_.cancel(l.timer_);
    l.session_.stop_writing(context);
    if (l.filter_ != nullptr) {
        if (l.write_.submitted()) {
            reactor_->cancel(l.write_);
            l.broken_.store_release(1);
        }
        last_words(l);
        broken = l.broken_.load_acquire() != 0;
    }
    l.half_closed_ = true;
    if (l.peer_ != nullptr) {
        link& other = *l.peer_;
        if (!other.ended_)
            other.session_.lost(context, runtime::return_code::resource_failure_retry, wire::reason::transport);
        if (other.half_closed_) {
            close_link(other);
            close_link(l);
        }
        return;
    }
    if (l.read_end_ || broken || reactor_->shutdown_write(l.stream_).is_failed()) {
        close_link(l);
        return;
    }
    wheel_.add(l.timer_, now() + options_.linger_ms * ms);
}

void drive::close_link(link& l) noexcept {
    if (l.closed_) return;
    l.closed_ = true;
    (void)wheel_.cancel(l.timer_);
    if (l.peer_ == nullptr) reactor_->close(l.stream_);
    l.filter_.reset();
    std::vector<std::byte>{}.swap(l.sealed_);
    l.peer_ = nullptr;
    l.stream_ = {};
    links_open_.fetch_sub_relaxed(1);
    l.session_.release(context);
}

// Everything but the system's events. True: there was something.
bool drive::settle() noexcept {
    bool any = false;
    if (runtime::relay* const r = engine_.relay_of(); r != nullptr) r->tick(context, now());
    if (drain_wanted_.load_acquire() != 0 && drain_wanted_.exchange_acq_rel(0) != 0) drain_links();
    for (int rounds = 0; rounds < 256; ++rounds) {
        bool something = false;
        for (attempt* a = attempts_.take_all(); a != nullptr;) {
            attempt* const next = a->next;
            something = true;
            a->previous = nullptr;
            a->next = trying_;
            if (trying_ != nullptr) trying_->previous = a;
            trying_ = a;
            if (a->endpoints.empty()) {
                runtime::partner& p = *a->partner;
                const std::uint32_t which = a->which;
                forget(*a);
                begin_in_process(p, which);
            } else {
                wheel_.add(a->limit, now() + options_.connect_ms * ms);
                a->begin();
            }
            a = next;
        }
        for (task* t = tasks_.take_all(); t != nullptr;) {
            task* const next = t->next;
            something = true;
            t->run(*this);
            delete t;
            t = next;
        }
        for (watch_node* n = to_watch_.take_all(); n != nullptr;) {
            watch_node* const next = n->next;
            n->listed.exchange_acq_rel(0);
            arm(*n);
            n = next;
        }
        for (link* l = dirty.take_all(); l != nullptr;) {
            link* const next = l->next;
            something = true;
            bool again = false;
            l->driven_by().write(context, *l, SIZE_MAX, again);
            l = next;
        }
        for (link::note* n = notes_.take_all(); n != nullptr;) {
            link::note* const next = n->next;
            something = true;
            look(*n->of);
            n = next;
        }
        if (!something) break;
        any = true;
    }
    engine_.flush(context);
    return any;
}

void drive::pass() noexcept {
    context.driving = true;
    (void)token.take_work();
    now_ = now_ns();
    (void)settle();
    context.driving = false;
}

void drive::run() noexcept {
    context.driving = true;
    (void)token.take_work();
    now_ = now_ns();
    (void)settle();
    (void)reactor_->poll(0, poll_budget);
    (void)wheel_.advance(now_);
    (void)settle();
    context.driving = false;
}

bool drive::begin_wait() noexcept {
    context.driving = true;
    (void)token.take_work();
    now_ = now_ns();
    bool news = wheel_.advance(now_) != 0;
    news |= settle();
    return news;
}

// With news nobody sleeps: what was done may be what others look for next.
void drive::end_wait(std::uint64_t deadline_ns, bool alone, bool news) noexcept {
    const std::uint64_t own = next_deadline_ns();
    if (own < deadline_ns) deadline_ns = own;
    if (options_.busy_poll_us != 0 && !news && !alone && look_around(deadline_ns)) return;
    const bool asleep = !news && deadline_ns > now_ && (alone ? token.try_sleep_alone() : token.try_sleep());
    const std::uint64_t timeout = !asleep ? 0 : deadline_ns == UINT64_MAX ? poll_forever : deadline_ns - now_;
    slept_ = asleep;
    (void)reactor_->poll(timeout, poll_budget);
    slept_ = false;
    if (asleep) (void)token.awake();
    now_ = now_ns();
    (void)settle();
}

// What comes within a few microseconds is met awake. False: nothing came, or somebody else wants the drive.
bool drive::look_around(std::uint64_t deadline_ns) noexcept {
    const std::uint64_t end = std::min(deadline_ns, now_ + options_.busy_poll_us * std::uint64_t{1'000});
    while (now_ < end && !token.approx_followers()) {
        const bool came = reactor_->poll(0, poll_budget) != 0 || token.approx_work() || approx_work();
        now_ = now_ns();
        if (!came) continue;
        (void)token.take_work();
        (void)settle();
        return true;
    }
    return false;
}

std::uint64_t drive::next_deadline_ns() noexcept {
    const std::uint64_t io_deadline = reactor_->next_deadline_ns();
    const auto timer = wheel_.next_deadline();
    std::uint64_t next = timer && *timer < io_deadline ? *timer : io_deadline;
    if (const runtime::relay* const r = engine_.relay_of(); r != nullptr) next = std::min(next, r->next_deadline());
    return next;
}

void drive::drain_links() noexcept {
    for (auto& entry : links_) {
        link* const l = entry.load_acquire();
        if (l == nullptr || &l->driven_by() != this || l->closed_ || l->ended_) continue;
        l->session_.drain(context);
        settle_timer(*l);
    }
}

bool drive::close_links() noexcept {
    context.driving = true;
    stop_listening();
    bool all = true;
    for (auto& entry : links_) {
        link* const l = entry.load_acquire();
        if (l == nullptr || &l->driven_by() != this || l->closed_) continue;
        all = false;
        if (!l->ended_) l->session_.fail(context, wire::reason::shutting_down);
    }
    (void)settle();
    context.driving = false;
    return all;
}

}  // namespace colloquy::transport
