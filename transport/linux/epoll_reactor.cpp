// epoll_reactor: the reactor of Linux.
//
// Each socket is registered once, edge-triggered, for both directions: no epoll_ctl on the hot path. Local sockets are
// watched for room only from a write that found none to one that found some at once: the system tells of it each time
// the partner has read, so that a driver that waits for an answer would be woken twice. A stream's state
// that two threads share (is a writer inside, is a write parked, has an edge come, is it closed) is one atomic word
// that both sides read-modify-write; everything else in a slot belongs to the driver.
//
// Progress: submit_write and wake are lock-free. ABA and reclamation: see write_gate; slots live as long as the
// reactor, and a descriptor is closed only when no writer is inside.
#include "transport/system_reactor.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <ctime>
#include <new>
#include <vector>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "transport/linux/resolver.hpp"
#include "transport/platform.hpp"
#include "transport/write_gate.hpp"
#include "transport/write_progress.hpp"

namespace colloquy::transport {

namespace {

using runtime::atom;

constexpr std::uint32_t none = UINT32_MAX;
constexpr std::uint64_t ns_per_s = 1'000'000'000;
constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr std::uint64_t accept_pause_ns = 100 * ns_per_ms;
constexpr std::size_t slices_per_call = 64;
constexpr std::size_t events_per_wait = 256;

// The word of wake().
namespace wake_word {
constexpr std::uint32_t signalled = 1u << 0;  // a wake nobody has looked at yet
constexpr std::uint32_t asleep = 1u << 1;     // the driver is in a wait, or about to be
constexpr std::uint32_t foreign = 1u << 2;    // a host waits on the handle, when we can't know
}  // namespace wake_word

// epoll user data: what it is, which slot, which life of it.
// 63         32 31   29 28        0
// | generation | kind  | index     |
enum class tag_kind : std::uint32_t { stream, listener, waker, resolver };
constexpr std::uint32_t tag_index_bits = 29;
constexpr std::uint32_t tag_index_mask = (1u << tag_index_bits) - 1;

constexpr std::uint64_t make_tag(tag_kind kind, std::uint32_t index, std::uint32_t generation) noexcept {
    return (std::uint64_t{generation} << 32) | (static_cast<std::uint32_t>(kind) << tag_index_bits) | index;
}

bool is_out_of_descriptors(int error) noexcept { return error == EMFILE || error == ENFILE; }

void set_option(int fd, int level, int name, int value) noexcept {
    // Best effort: a socket without a wish fulfilled still carries bytes.
    (void)::setsockopt(fd, level, name, &value, sizeof value);
}

void set_stream_options(int fd, const stream_options& options, bool tcp = true) noexcept {
    if (options.no_delay && tcp) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    }
    if (options.keepalive && tcp) {
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(options.keepalive_idle_s));
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, static_cast<int>(options.keepalive_interval_s));
        set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, static_cast<int>(options.keepalive_count));
    }
    const auto clamped = [](std::uint32_t v) { return static_cast<int>(std::min<std::uint32_t>(v, INT_MAX / 2)); };
    if (options.send_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, clamped(options.send_buffer_bytes));
    }
    if (options.receive_buffer_bytes != 0) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, clamped(options.receive_buffer_bytes));
    }
    if (options.busy_poll_us != 0 && tcp) {
        set_option(fd, SOL_SOCKET, SO_BUSY_POLL, clamped(options.busy_poll_us));
    }
}

// The system's socket address, aligned, for calls that fill one in.
struct system_address {
    sockaddr_storage bytes{};
    socklen_t size = sizeof(sockaddr_storage);

    sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&bytes); }
    [[nodiscard]] address value() const noexcept { return address::from_system(&bytes, size); }
};

const sockaddr* system_view(const address& a) noexcept { return static_cast<const sockaddr*>(a.data()); }

address name_of(int fd, int (*ask)(int, sockaddr*, socklen_t*)) noexcept {
    system_address a;
    return ask(fd, a.data(), &a.size) == 0 ? a.value() : address{};
}

bool is_local(int fd) noexcept {
    int domain = 0;
    socklen_t size = sizeof domain;
    return ::getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX;
}

// Writes until all is taken (0), or the socket is full (EAGAIN), or it fails. Also after a short write it asks once
// more: only a refusal makes the kernel promise an edge.
int write_some(int fd, write_op& op) noexcept {
    for (;;) {
        consume(op, 0);
        if (op.slice_count == 0) {
            return 0;
        }
        ssize_t taken = 0;
        if (op.slice_count == 1) {
            taken = ::send(fd, op.slices->data, op.slices->size, MSG_NOSIGNAL | MSG_DONTWAIT);
        } else {
            iovec pieces[slices_per_call];
            const std::size_t count = std::min(op.slice_count, slices_per_call);
            for (std::size_t i = 0; i < count; ++i) {
                pieces[i] = {op.slices[i].data, op.slices[i].size};
            }
            msghdr message{};
            message.msg_iov = pieces;
            message.msg_iovlen = count;
            taken = ::sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        if (taken >= 0) {
            consume(op, static_cast<std::size_t>(taken));
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return EAGAIN;
        } else if (errno != EINTR) {
            return errno;
        }
    }
}

class epoll_reactor final : public reactor, private descriptor_watch {
public:
    explicit epoll_reactor(const reactor_options& options)
        : options_{options},
          slots_{new slot[options.stream_count_max]},
          listeners_{new listening[options.listener_count_max]},
          resolver_{*this, {options.resolve_count_max, options.name_timeout_ms, options.name_tries}} {
        for (std::uint32_t i = options_.stream_count_max; i-- > 0;) {
            slots_[i].next_free = free_head_;
            free_head_ = i;
        }
    }

    ~epoll_reactor() override {
        for (std::uint32_t i = 0; i < options_.stream_count_max; ++i) {
            if (slots_[i].fd >= 0) {
                ::close(slots_[i].fd);
            }
        }
        for (std::uint32_t i = 0; i < options_.listener_count_max; ++i) {
            if (listeners_[i].fd >= 0) {
                ::close(listeners_[i].fd);
            }
        }
        if (spare_fd_ >= 0) {
            ::close(spare_fd_);
        }
        // The resolver's sockets are watched through the descriptor below, so it goes first (see member order).
    }

    // False, with errno set, when the system refuses.
    bool open() noexcept {
        epoll_fd_.value = ::epoll_create1(EPOLL_CLOEXEC);
        if (epoll_fd_.value < 0 || !waker_.valid()) {
            return false;
        }
        keep_spare();
        epoll_event event{};
        // Edge-triggered: each signal is an edge of its own, so the counter need not be read.
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = make_tag(tag_kind::waker, 0, 0);
        return ::epoll_ctl(epoll_fd_.value, EPOLL_CTL_ADD, static_cast<int>(waker_.handle()), &event) == 0;
    }

    // --- any thread -------------------------------------------------------------------------------------------------

    io_status submit_write(stream where, write_op& op) noexcept override {
        slot* const s = slot_of(where.index);
        if (s == nullptr) {
            return io_status::failed(io_error_stale);
        }
        if (const int error = enter(*s, where.generation); error != 0) {
            return io_status::failed(error);
        }
        op.reactor_written = 0;
        op.reactor_index = where.index;
        return carry_on(*s, where, op, true);
    }

    io_status shutdown_write(stream where) noexcept override {
        slot* const s = slot_of(where.index);
        if (s == nullptr) {
            return io_status::failed(io_error_stale);
        }
        if (const int error = enter(*s, where.generation); error != 0) {
            return io_status::failed(error);
        }
        s->gate.mark_half_closed();
        const int error = ::shutdown(s->fd, SHUT_WR) == 0 ? 0 : errno;
        if (!leave(*s)) {
            return io_status::failed(io_error_stale);
        }
        return error == 0 ? io_status::done() : io_status::failed(error);
    }

    void wake() noexcept override {
        // release[reactor-wake]: what the caller has published is seen by the driver that clears the bit.
        const std::uint32_t before = wake_.fetch_or_acq_rel(wake_word::signalled);
        if ((before & wake_word::signalled) == 0 && (before & (wake_word::asleep | wake_word::foreign)) != 0) {
            waker_.signal();
        }
    }

    // --- driver -----------------------------------------------------------------------------------------------------

    std::uint32_t poll(std::uint64_t timeout_ns, std::uint32_t budget) noexcept override {
        ++counters_.polls;
        sweep_closing();
        if (accept_pause_until_ != no_deadline) {
            resume_accepts();
        }

        std::uint64_t sleep_ns = timeout_ns;
        if (sleep_ns != 0) {
            sleep_ns = may_sleep_ns(timeout_ns);
        }
        if (sleep_ns != 0) {
            std::uint32_t expected = wake_.load_relaxed();
            // Announce the sleep in the word in which wakes are announced: one of both sides sees the other.
            while ((expected & wake_word::signalled) == 0 &&
                   !wake_.cas_acq_rel(expected, expected | wake_word::asleep)) {
            }
            if ((expected & wake_word::signalled) != 0) {
                sleep_ns = 0;
            }
        }
        const int event_count = wait_for_events(sleep_ns);
        // acquire[reactor-wake]: pairs with wake(). After the wait and not before, so that a wake whose edge this wait
        // has swallowed is not left standing as "signalled" with nothing to tell of it.
        if (wake_.load_relaxed() != 0) {
            wake_.fetch_and_acq_rel(~(wake_word::signalled | wake_word::asleep));
        }
        for (int i = 0; i < event_count; ++i) {
            take_event(events_[static_cast<std::size_t>(i)]);
        }
        if (resolver_.next_deadline_ns() != no_deadline) {
            resolver_.on_time(now_ns());
        }
        const std::uint32_t delivered = serve(std::max<std::uint32_t>(budget, 1));
        counters_.completions += delivered;
        return delivered;
    }

    [[nodiscard]] std::uint64_t next_deadline_ns() const noexcept override {
        if (ready_head_ != none) {
            return 0;
        }
        return std::min(resolver_.next_deadline_ns(), accept_pause_until_);
    }

    [[nodiscard]] std::intptr_t wait_handle() noexcept override {
        const std::uint32_t before = wake_.fetch_or_acq_rel(wake_word::foreign);
        if ((before & wake_word::signalled) != 0) {
            waker_.signal();
        }
        return epoll_fd_.value;
    }

    [[nodiscard]] std::uint32_t stream_count_max() const noexcept override { return options_.stream_count_max; }
    [[nodiscard]] const reactor_counters& counters() const noexcept override { return counters_; }

    io_status submit_read(stream where, read_op& op) noexcept override {
        slot* const s = open_slot(where);
        if (s == nullptr) {
            return io_status::failed(io_error_stale);
        }
        if (s->reader != nullptr || op.submitted()) {
            return io_status::failed(io_error_bad_argument);
        }
        s->reader = &op;
        op.reactor_index = where.index;
        op.reactor_generation = where.generation;
        if (s->may_read) {
            make_ready(where.index);
        }
        return io_status::pending();
    }

    io_status listen(const address& where, const listen_options& options, listener& out) noexcept override {
        if (!where || where.family() == address_family::local) {
            return io_status::failed(io_error_bad_argument);
        }
        const std::uint32_t index = free_listener();
        if (index == options_.listener_count_max) {
            return io_status::failed(io_error_table_full);
        }
        const int fd = ::socket(system_view(where)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            return io_status::failed(errno);
        }
        set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (options.reuse_port) {
            set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        }
        if (where.family() == address_family::ipv6) {
            set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
        }
        // Linux hands these down to what is accepted; buffer sizes have to be known before the handshake anyway.
        set_stream_options(fd, options.accepted);
        if (::bind(fd, system_view(where), static_cast<socklen_t>(where.size())) != 0 ||
            ::listen(fd, options.backlog) != 0 || !watch_listener(index, fd, out)) {
            const int error = errno;
            ::close(fd);
            return io_status::failed(error);
        }
        return io_status::done();
    }

    io_status adopt(std::intptr_t descriptor, stream& out) noexcept override {
        const int fd = prepare_adopted(descriptor, false);
        if (fd < 0) {
            return io_status::failed(-fd);
        }
        const std::uint32_t index = take_slot();
        if (index == none) {
            return io_status::failed(io_error_table_full);
        }
        slots_[index].local = is_local(fd);
        if (!watch_stream(index, fd)) {
            const int error = errno;
            give_back(index);
            return io_status::failed(error);
        }
        slots_[index].fd = fd;  // not before: a slot that is given back closes what it has
        out = publish(index);
        return io_status::done();
    }

    io_status adopt(std::intptr_t descriptor, listener& out) noexcept override {
        const int fd = prepare_adopted(descriptor, true);
        if (fd < 0) {
            return io_status::failed(-fd);
        }
        const std::uint32_t index = free_listener();
        if (index == options_.listener_count_max) {
            return io_status::failed(io_error_table_full);
        }
        return watch_listener(index, fd, out) ? io_status::done() : io_status::failed(errno);
    }

    [[nodiscard]] std::intptr_t descriptor(stream where) const noexcept override {
        const slot* const s = open_slot(where);
        return s == nullptr ? -1 : s->fd;
    }
    [[nodiscard]] std::intptr_t descriptor(listener where) const noexcept override {
        const listening* const l = open_listener(where);
        return l == nullptr ? -1 : l->fd;
    }

    io_status submit_accept(listener where, accept_op& op) noexcept override {
        listening* const l = open_listener(where);
        if (l == nullptr) {
            return io_status::failed(io_error_stale);
        }
        if (l->acceptor != nullptr || op.submitted()) {
            return io_status::failed(io_error_bad_argument);
        }
        l->acceptor = &op;
        op.reactor_index = where.index;
        op.reactor_generation = where.generation;
        want_accepts(where.index, !l->paused);
        return io_status::pending();
    }

    io_status submit_connect(connect_op& op) noexcept override {
        if (op.submitted() || op.addresses.empty()) {
            return io_status::failed(io_error_bad_argument);
        }
        const std::uint32_t index = take_slot();
        if (index == none) {
            return io_status::failed(io_error_table_full);
        }
        slot& s = slots_[index];
        s.connector = &op;
        s.connect_next = 0;
        s.error = 0;
        op.reactor_index = index;
        op.reactor_generation = s.generation;
        if (!connect_next(index)) {
            make_ready(index);  // refused at once; told by poll()
        }
        return io_status::pending();
    }

    io_status submit_resolve(resolve_op& op) noexcept override { return resolver_.submit(op); }

    void cancel(read_op& op) noexcept override {
        if (op.submitted()) {
            slots_[op.reactor_index].reader = nullptr;
            op.reactor_generation = 0;
        }
    }

    void cancel(write_op& op) noexcept override {
        if (!op.submitted()) {
            return;
        }
        slots_[op.reactor_index].gate.drop_parked();
        op.reactor_generation = 0;
    }

    void cancel(accept_op& op) noexcept override {
        if (op.submitted()) {
            listeners_[op.reactor_index].acceptor = nullptr;
            want_accepts(op.reactor_index, false);
            op.reactor_generation = 0;
        }
    }

    void cancel(connect_op& op) noexcept override {
        if (op.submitted()) {
            const std::uint32_t index = op.reactor_index;
            forget_operations(slots_[index]);
            give_back(index);
        }
    }

    void cancel(resolve_op& op) noexcept override { resolver_.cancel(op); }

    void close(stream where) noexcept override { close_stream(where, false); }
    void reset(stream where) noexcept override { close_stream(where, true); }

    void close(listener where) noexcept override {
        listening* const l = open_listener(where);
        if (l == nullptr) {
            return;
        }
        if (l->acceptor != nullptr) {
            l->acceptor->reactor_generation = 0;
            l->acceptor = nullptr;
        }
        ::close(l->fd);
        l->fd = -1;
        l->has_event = false;
        l->paused = false;
    }

    [[nodiscard]] address local_address(stream where) const noexcept override {
        const slot* const s = open_slot(where);
        return s == nullptr ? address{} : name_of(s->fd, &::getsockname);
    }
    [[nodiscard]] address peer_address(stream where) const noexcept override {
        const slot* const s = open_slot(where);
        return s == nullptr ? address{} : name_of(s->fd, &::getpeername);
    }
    [[nodiscard]] address local_address(listener where) const noexcept override {
        const listening* const l = open_listener(where);
        return l == nullptr ? address{} : name_of(l->fd, &::getsockname);
    }

private:
    struct alignas(64) slot {
        // Shared.
        write_gate<> gate;
        write_op* parked = nullptr;  // written by the one inside, before it parks
        int fd = -1;                 // written by the driver, before the gate opens
        bool local = false;          // the same
        bool watches_room = false;   // of a local socket; belongs to the one inside

        // The driver's.
        std::uint32_t generation = 0;
        read_op* reader = nullptr;
        connect_op* connector = nullptr;
        std::uint32_t connect_next = 0;
        int error = 0;  // of the last address tried
        std::uint32_t next_ready = none;
        std::uint32_t next_free = none;
        bool queued = false;     // in the ready list; outlives a close, the list is cleaned as it is walked
        bool may_read = false;   // input may be there
        bool hang_up = false;    // the end of input or an error is there: read until it comes out
        bool may_write = false;  // an edge for a writer is to be handed on
    };

    struct listening {
        int fd = -1;
        std::uint32_t generation = 0;
        accept_op* acceptor = nullptr;
        bool local = false;
        bool has_event = false;
        bool paused = false;
    };

    // --- tables -----------------------------------------------------------------------------------------------------

    static std::uint32_t next_generation(std::uint32_t generation) noexcept {
        return generation == UINT32_MAX ? 1 : generation + 1;
    }

    [[nodiscard]] slot* slot_of(std::uint32_t index) const noexcept {
        return index < options_.stream_count_max ? &slots_[index] : nullptr;
    }
    [[nodiscard]] slot* open_slot(stream where) const noexcept {
        slot* const s = slot_of(where.index);
        const bool is_open =
            s != nullptr && where.generation != 0 && s->generation == where.generation && s->gate.is_open();
        return is_open ? s : nullptr;
    }
    [[nodiscard]] listening* open_listener(listener where) const noexcept {
        if (where.index >= options_.listener_count_max) {
            return nullptr;
        }
        listening& l = listeners_[where.index];
        return l.fd >= 0 && l.generation == where.generation ? &l : nullptr;
    }

    std::uint32_t take_slot() noexcept {
        const std::uint32_t index = free_head_;
        if (index != none) {
            slot& s = slots_[index];
            free_head_ = s.next_free;
            s.generation = next_generation(s.generation);
            s.may_read = s.hang_up = s.may_write = false;
        }
        return index;
    }

    // The slot has a socket that is registered: streams may be used from now on.
    stream publish(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        s.gate.open(s.generation);
        return {index, s.generation};
    }

    // Closes the descriptor and frees the slot. Nobody is inside.
    void give_back(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        if (s.fd >= 0) {
            ::close(s.fd);
            s.fd = -1;
        }
        s.may_read = s.hang_up = s.may_write = false;
        s.next_free = free_head_;
        free_head_ = index;
    }

    static void forget_operations(slot& s) noexcept {
        if (s.reader != nullptr) {
            s.reader->reactor_generation = 0;
            s.reader = nullptr;
        }
        if (s.connector != nullptr) {
            s.connector->reactor_generation = 0;
            s.connector = nullptr;
        }
    }

    bool watch_stream(std::uint32_t index, int fd) noexcept {
        slot& s = slots_[index];
        // That it is connected is told as room, too.
        s.watches_room = !s.local || s.connector != nullptr;
        return control(EPOLL_CTL_ADD, fd, {index, s.generation}, s.watches_room);
    }

    bool control(int what, int fd, stream where, bool room) const noexcept {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLRDHUP | EPOLLET | (room ? std::uint32_t{EPOLLOUT} : 0u);
        event.data.u64 = make_tag(tag_kind::stream, where.index, where.generation);
        return ::epoll_ctl(epoll_fd_.value, what, fd, &event) == 0;
    }

    // The one inside. Being watched anew, room that is there already is told as an edge.
    void watch_room(slot& s, stream where, bool wanted) const noexcept {
        if (s.local && s.watches_room != wanted && control(EPOLL_CTL_MOD, s.fd, where, wanted)) {
            s.watches_room = wanted;
        }
    }

    void watch(int descriptor, bool readable, bool writable) noexcept override {
        if (!readable && !writable) {
            ::epoll_ctl(epoll_fd_.value, EPOLL_CTL_DEL, descriptor, nullptr);
            return;
        }
        epoll_event event{};
        event.events = (readable ? std::uint32_t{EPOLLIN} : 0u) | (writable ? std::uint32_t{EPOLLOUT} : 0u);
        event.data.u64 = make_tag(tag_kind::resolver, 0, static_cast<std::uint32_t>(descriptor));
        if (::epoll_ctl(epoll_fd_.value, EPOLL_CTL_MOD, descriptor, &event) != 0 && errno == ENOENT) {
            ::epoll_ctl(epoll_fd_.value, EPOLL_CTL_ADD, descriptor, &event);
        }
    }

    // --- writing ----------------------------------------------------------------------------------------------------

    // Goes inside a stream; 0, or why not.
    static int enter(slot& s, std::uint32_t generation) noexcept {
        switch (generation == 0 ? entry_result::stale : s.gate.try_enter(generation)) {
            case entry_result::inside: return 0;
            case entry_result::busy: return io_error_bad_argument;
            case entry_result::stale: break;
        }
        return io_error_stale;
    }

    // False when the stream was closed meanwhile.
    bool leave(slot& s) noexcept {
        if (s.gate.leave()) {
            return true;
        }
        wake();  // the close waits for us
        return false;
    }

    // Writes and leaves, or parks the write. The caller is inside.
    io_status carry_on(slot& s, stream where, write_op& op, bool first) noexcept {
        for (;; first = false) {
            const int error = write_some(s.fd, op);
            if (error != EAGAIN) {
                if (first) {
                    watch_room(s, where, false);
                }
                const bool still_open = leave(s);
                if (error == 0) {
                    return io_status::done();
                }
                // An error that our own close has brought about is not the connection's.
                return io_status::failed(still_open ? error : int{io_error_stale});
            }
            watch_room(s, where, true);
            s.parked = &op;
            op.reactor_generation = where.generation;
            const park_result answer = s.gate.try_park();
            if (answer == park_result::parked) {
                return io_status::pending();
            }
            op.reactor_generation = 0;
            if (answer == park_result::closed) {
                leave(s);
                return io_status::failed(io_error_stale);
            }
        }
    }

    // --- closing ----------------------------------------------------------------------------------------------------

    void close_stream(stream where, bool cut) noexcept {
        slot* const s = open_slot(where);
        if (s == nullptr) {
            return;
        }
        forget_operations(*s);
        if (cut) {
            const linger now{1, 0};
            (void)::setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        }
        const close_result before = s->gate.close();
        if (before.was_parked) {
            s->parked->reactor_generation = 0;
        }
        if (!before.occupied) {
            give_back(where.index);
            return;
        }
        // A writer is inside. It does not block, so it is out soon; then it wakes us and the sweep closes.
        ::epoll_ctl(epoll_fd_.value, EPOLL_CTL_DEL, s->fd, nullptr);
        if (!cut) {
            ::shutdown(s->fd, SHUT_RDWR);
        }
        s->next_free = closing_head_;
        closing_head_ = where.index;
    }

    void sweep_closing() noexcept {
        std::uint32_t index = closing_head_;
        closing_head_ = none;
        while (index != none) {
            slot& s = slots_[index];
            const std::uint32_t next = s.next_free;
            if (!s.gate.occupied()) {
                give_back(index);
            } else {
                s.next_free = closing_head_;
                closing_head_ = index;
            }
            index = next;
        }
    }

    // --- connecting -------------------------------------------------------------------------------------------------

    // Starts on the next address that takes a start. False when there is none left; slot.error says why.
    bool connect_next(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        const connect_op& op = *s.connector;
        while (s.connect_next < op.addresses.size()) {
            const address& target = op.addresses[s.connect_next++];
            if (s.fd >= 0) {
                ::close(s.fd);
                s.fd = -1;
            }
            s.may_read = s.hang_up = s.may_write = false;
            if (!target) {
                s.error = io_error_bad_argument;
                continue;
            }
            s.fd = ::socket(system_view(target)->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            if (s.fd < 0) {
                s.error = errno;
                continue;
            }
            s.local = target.family() == address_family::local;
            set_stream_options(s.fd, op.options, !s.local);
            const int answer = ::connect(s.fd, system_view(target), static_cast<socklen_t>(target.size()));
            // An interrupted connect goes on by itself.
            if (answer != 0 && errno != EINPROGRESS && errno != EINTR) {
                s.error = errno;
                continue;
            }
            if (!watch_stream(index, s.fd)) {
                s.error = errno;
                continue;
            }
            return true;
        }
        // What was refused at once has no event to wait for.
        if (s.fd >= 0) {
            ::close(s.fd);
            s.fd = -1;
        }
        return false;
    }

    // 0 when the socket is connected.
    static int connect_error(int fd) noexcept {
        int error = 0;
        socklen_t size = sizeof error;
        if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
            return errno;
        }
        if (error != 0) {
            return error;
        }
        const address here = name_of(fd, &::getsockname);
        const address there = name_of(fd, &::getpeername);
        if (!there) {
            return ENOTCONN;
        }
        // The system may pick as our own port the very one nobody listens on; TCP then meets itself.
        return here == there ? ECONNREFUSED : 0;
    }

    std::uint32_t serve_connect(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        if (s.fd >= 0) {
            if (!s.may_write) {
                return 0;
            }
            s.may_write = false;
            s.error = connect_error(s.fd);
            if (s.error == 0) {
                connect_op* const op = s.connector;
                s.connector = nullptr;
                op->reactor_generation = 0;
                op->complete(publish(index), 0);
                return 1;
            }
        }
        if (connect_next(index)) {
            return 0;
        }
        connect_op* const op = s.connector;
        const int error = s.error;
        forget_operations(s);
        give_back(index);
        op->complete(stream{}, error);
        return 1;
    }

    // --- listening --------------------------------------------------------------------------------------------------

    [[nodiscard]] std::uint32_t free_listener() const noexcept {
        std::uint32_t index = 0;
        while (index < options_.listener_count_max && listeners_[index].fd >= 0) {
            ++index;
        }
        return index;
    }

    // False: errno says why, and nothing has changed.
    bool watch_listener(std::uint32_t index, int fd, listener& out) noexcept {
        listening& l = listeners_[index];
        const std::uint32_t generation = next_generation(l.generation);
        epoll_event event{};
        event.data.u64 = make_tag(tag_kind::listener, index, generation);
        if (::epoll_ctl(epoll_fd_.value, EPOLL_CTL_ADD, fd, &event) != 0) {
            return false;
        }
        l.fd = fd;
        l.generation = generation;
        l.acceptor = nullptr;
        l.local = is_local(fd);
        l.has_event = false;
        l.paused = false;
        out = {index, generation};
        return true;
    }

    // A stream socket, connected or listening as wanted, made ours in everything but the table: its number, or an error
    // below zero.
    static int prepare_adopted(std::intptr_t descriptor, bool listens) noexcept {
        if (descriptor < 0 || descriptor > INT_MAX) {
            return -EBADF;
        }
        const int fd = static_cast<int>(descriptor);
        int type = 0;
        int listening_now = 0;
        socklen_t size = sizeof type;
        if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0) {
            return -errno;
        }
        size = sizeof listening_now;
        if (::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening_now, &size) != 0) {
            return -errno;
        }
        if (type != SOCK_STREAM || (listening_now != 0) != listens) {
            return -EINVAL;
        }
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
            return -errno;
        }
        return fd;
    }

    // --- accepting --------------------------------------------------------------------------------------------------

    void want_accepts(std::uint32_t index, bool wanted) noexcept {
        listening& l = listeners_[index];
        epoll_event event{};
        event.events = wanted ? std::uint32_t{EPOLLIN} : 0u;
        event.data.u64 = make_tag(tag_kind::listener, index, l.generation);
        ::epoll_ctl(epoll_fd_.value, EPOLL_CTL_MOD, l.fd, &event);
        if (!wanted) {
            l.has_event = false;
        }
    }

    void pause_accepts(std::uint32_t index) noexcept {
        ++counters_.accept_pauses;
        listeners_[index].paused = true;
        want_accepts(index, false);
        accept_pause_until_ = now_ns() + accept_pause_ns;
    }

    void resume_accepts() noexcept {
        if (now_ns() < accept_pause_until_) {
            return;
        }
        accept_pause_until_ = no_deadline;
        if (spare_fd_ < 0) {
            keep_spare();
        }
        for (std::uint32_t i = 0; i < options_.listener_count_max; ++i) {
            if (listeners_[i].fd >= 0 && listeners_[i].paused) {
                listeners_[i].paused = false;
                want_accepts(i, listeners_[i].acceptor != nullptr);
            }
        }
    }

    // Out of descriptors, a connection can neither be taken nor left in the backlog (a level-triggered listener would
    // spin, an edge-triggered one would forget it). One descriptor is kept aside to take it and turn it away.
    // 0, or why not: EAGAIN when nobody is there, for accept4 asks for the descriptor before it looks.
    int turn_away(int listener_fd) noexcept {
        if (spare_fd_ < 0) {
            return EMFILE;
        }
        ::close(spare_fd_);
        const int fd = ::accept4(listener_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        const int error = fd >= 0 ? 0 : errno;
        if (fd >= 0) {
            ::close(fd);
        }
        keep_spare();
        return error;
    }

    // May fail when another thread has taken the number meanwhile; tried again after the pause that follows.
    void keep_spare() noexcept { spare_fd_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC); }

    std::uint32_t serve_listener(std::uint32_t index, std::uint32_t budget) noexcept {
        listening& l = listeners_[index];
        const std::uint32_t generation = l.generation;
        std::uint32_t delivered = 0;
        for (std::uint32_t round = 0; round < options_.accepts_per_poll && delivered < budget; ++round) {
            system_address peer;
            const int fd = ::accept4(l.fd, peer.data(), &peer.size, SOCK_CLOEXEC | SOCK_NONBLOCK);
            int error = fd >= 0 ? 0 : errno;
            stream accepted;
            if (fd >= 0) {
                accepted = adopt(fd, l.local, error);
            } else if (error == EAGAIN || error == EWOULDBLOCK) {
                l.has_event = false;
                return delivered;
            } else if (error == EINTR || error == ECONNABORTED) {
                continue;
            } else if (is_out_of_descriptors(error)) {
                const int refusal = turn_away(l.fd);
                if (refusal == EAGAIN || refusal == EWOULDBLOCK) {
                    l.has_event = false;
                    return delivered;
                }
                if (refusal != 0) {
                    pause_accepts(index);
                    return delivered;
                }
                ++counters_.accepts_no_descriptor;
            } else if (error == ENOBUFS || error == ENOMEM) {
                pause_accepts(index);
                return delivered;
            }
            // Anything else is an error of that one connection, which accept4 hands through (see accept(2)).
            ++delivered;
            l.acceptor->complete(accepted, accepted ? peer.value() : address{}, error);
            if (l.fd < 0 || l.generation != generation || l.acceptor == nullptr || l.paused) {
                return delivered;
            }
        }
        return delivered;  // has_event stays: there may be more, and the next poll looks
    }

    stream adopt(int fd, bool local, int& error) noexcept {
        const std::uint32_t index = take_slot();
        if (index == none) {
            ++counters_.accepts_no_slot;
            error = io_error_table_full;
            ::close(fd);
            return {};
        }
        slots_[index].fd = fd;
        slots_[index].local = local;
        if (!watch_stream(index, fd)) {
            error = errno;
            give_back(index);
            return {};
        }
        ++counters_.accepted;
        return publish(index);
    }

    // --- reading ----------------------------------------------------------------------------------------------------

    // A reset whose error a writer has met first looks like an orderly end to the reader; the connection's state does
    // not. After our own half-close it does end in "closed", and no write can have met the error.
    [[nodiscard]] bool was_cut(const slot& s) const noexcept {
        tcp_info info{};
        socklen_t size = sizeof info;
        return !s.gate.half_closed() && ::getsockopt(s.fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
               info.tcpi_state == TCP_CLOSE;
    }

    std::uint32_t serve_read(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        read_op& op = *s.reader;
        io_slice room[4];
        const std::span<io_slice> offered = op.offer(room);
        std::size_t offered_bytes = 0;
        iovec pieces[4];
        std::size_t count = 0;
        for (const io_slice& piece : offered) {
            if (piece.size != 0 && count < 4) {
                pieces[count++] = {piece.data, piece.size};
                offered_bytes += piece.size;
            }
        }
        if (count == 0) {
            op.reactor_generation = 0;
            s.reader = nullptr;
            return 0;
        }
        ssize_t got = 0;
        do {
            got = count == 1 ? ::recv(s.fd, pieces[0].iov_base, pieces[0].iov_len, MSG_DONTWAIT)
                             : ::readv(s.fd, pieces, static_cast<int>(count));
        } while (got < 0 && errno == EINTR);

        io_result result;
        if (got > 0) {
            result.bytes = static_cast<std::size_t>(got);
            counters_.bytes_read += result.bytes;
            ++counters_.reads;
            // A short read has emptied the socket; what comes later brings an edge of its own. An end that was already
            // announced brings none, so then reading goes on until it comes out.
            if (result.bytes < offered_bytes && !s.hang_up) {
                s.may_read = false;
            }
        } else {
            result.error = got == 0 ? (was_cut(s) ? ECONNRESET : 0) : errno;
            if (result.error == EAGAIN || result.error == EWOULDBLOCK) {
                s.may_read = false;
                return 0;
            }
            op.reactor_generation = 0;
            s.reader = nullptr;
        }
        op.complete(result);
        return 1;
    }

    // --- poll -------------------------------------------------------------------------------------------------------

    [[nodiscard]] std::uint64_t may_sleep_ns(std::uint64_t timeout_ns) noexcept {
        const std::uint64_t deadline = next_deadline_ns();
        if (deadline == no_deadline) {
            return timeout_ns;
        }
        const std::uint64_t now = deadline == 0 ? 0 : now_ns();
        return deadline <= now ? 0 : std::min(timeout_ns, deadline - now);
    }

    int wait_for_events(std::uint64_t sleep_ns) noexcept {
        const auto room = static_cast<int>(events_.size());
        int count = 0;
        if (sleep_ns == 0 || sleep_ns == poll_forever) {
            counters_.waits += sleep_ns != 0;
            count = ::epoll_wait(epoll_fd_.value, events_.data(), room, sleep_ns == 0 ? 0 : -1);
        } else {
            ++counters_.waits;
            const timespec left{static_cast<time_t>(sleep_ns / ns_per_s), static_cast<long>(sleep_ns % ns_per_s)};
            count = ::epoll_pwait2(epoll_fd_.value, events_.data(), room, &left, nullptr);
            if (count < 0 && errno == ENOSYS) {
                const std::uint64_t ms = sleep_ns / ns_per_ms + (sleep_ns % ns_per_ms != 0);
                count = ::epoll_wait(epoll_fd_.value, events_.data(), room,
                                     static_cast<int>(std::min<std::uint64_t>(ms, INT_MAX)));
            }
        }
        return std::max(count, 0);  // interrupted is like woken: the caller looks around and comes back
    }

    // Marks what happened and queues it; nothing is delivered yet, so that what a completion closes can't be met again
    // in the same batch.
    void take_event(const epoll_event& event) noexcept {
        const std::uint64_t tag = event.data.u64;
        const auto index = static_cast<std::uint32_t>(tag) & tag_index_mask;
        const auto generation = static_cast<std::uint32_t>(tag >> 32);
        switch (static_cast<tag_kind>((static_cast<std::uint32_t>(tag)) >> tag_index_bits)) {
            case tag_kind::waker: return;
            case tag_kind::resolver:
                resolver_.on_descriptor(static_cast<int>(generation),
                                        (event.events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0,
                                        (event.events & EPOLLOUT) != 0);
                return;
            case tag_kind::listener:
                if (listeners_[index].fd >= 0 && listeners_[index].generation == generation) {
                    listeners_[index].has_event = true;
                    make_ready(options_.stream_count_max + index);
                }
                return;
            case tag_kind::stream: break;
        }
        slot& s = slots_[index];
        if (s.fd < 0 || s.generation != generation) {
            ++counters_.stale_events;
            return;
        }
        constexpr std::uint32_t end_events = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
        s.may_read = s.may_read || (event.events & (EPOLLIN | end_events)) != 0;
        s.hang_up = s.hang_up || (event.events & end_events) != 0;
        s.may_write = s.may_write || (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
        make_ready(index);
    }

    // The ready list holds streams by index and listeners behind them; first in, first served, once a poll.
    std::uint32_t& next_ready_of(std::uint32_t entry) noexcept {
        return entry < options_.stream_count_max ? slots_[entry].next_ready
                                                 : listener_next_ready_[entry - options_.stream_count_max];
    }

    void make_ready(std::uint32_t entry) noexcept {
        if (entry < options_.stream_count_max) {
            if (slots_[entry].queued) {
                return;
            }
            slots_[entry].queued = true;
        } else {
            auto& queued = listener_queued_[entry - options_.stream_count_max];
            if (queued) {
                return;
            }
            queued = 1;
        }
        next_ready_of(entry) = none;
        if (ready_tail_ == none) {
            ready_head_ = entry;
        } else {
            next_ready_of(ready_tail_) = entry;
        }
        ready_tail_ = entry;
        ++ready_count_;
    }

    std::uint32_t take_ready() noexcept {
        const std::uint32_t entry = ready_head_;
        ready_head_ = next_ready_of(entry);
        if (ready_head_ == none) {
            ready_tail_ = none;
        }
        --ready_count_;
        if (entry < options_.stream_count_max) {
            slots_[entry].queued = false;
        } else {
            listener_queued_[entry - options_.stream_count_max] = 0;
        }
        return entry;
    }

    std::uint32_t serve(std::uint32_t budget) noexcept {
        std::uint32_t delivered = resolver_.deliver(budget);
        // What is queued again, or by completions, has its turn in the next poll.
        for (std::uint32_t left = ready_count_; left != 0 && delivered < budget; --left) {
            const std::uint32_t entry = take_ready();
            if (entry < options_.stream_count_max) {
                delivered += serve_stream(entry, budget - delivered);
                continue;
            }
            const std::uint32_t index = entry - options_.stream_count_max;
            listening& l = listeners_[index];
            if (l.fd >= 0 && l.has_event && l.acceptor != nullptr) {
                delivered += serve_listener(index, budget - delivered);
                if (l.fd >= 0 && l.has_event && l.acceptor != nullptr) {
                    make_ready(entry);
                }
            }
        }
        return delivered;
    }

    std::uint32_t serve_stream(std::uint32_t index, std::uint32_t budget) noexcept {
        slot& s = slots_[index];
        if (s.connector != nullptr) {
            return serve_connect(index);
        }
        if (s.fd < 0) {
            return 0;
        }
        const std::uint32_t generation = s.generation;
        std::uint32_t delivered = 0;
        if (s.may_write) {
            s.may_write = false;
            if (s.gate.take_parked()) {
                write_op* const op = s.parked;
                op->reactor_generation = 0;
                const io_status status = carry_on(s, {index, generation}, *op, false);
                if (!status.is_pending()) {
                    ++counters_.writes_resumed;
                    ++delivered;
                    op->complete({op->reactor_written, status.error});
                }
            }
        }
        const auto has_input = [&] {
            return s.fd >= 0 && s.generation == generation && s.may_read && s.reader != nullptr;
        };
        if (has_input() && delivered < budget) {
            delivered += serve_read(index);
        }
        if (has_input()) {
            make_ready(index);
        }
        return delivered;
    }

    struct owned_descriptor {
        int value = -1;
        owned_descriptor() = default;
        ~owned_descriptor() {
            if (value >= 0) {
                ::close(value);
            }
        }
        owned_descriptor(const owned_descriptor&) = delete;
        owned_descriptor& operator=(const owned_descriptor&) = delete;
    };

    reactor_options options_;
    owned_descriptor epoll_fd_;
    wake_handle waker_;
    alignas(64) atom<std::uint32_t> wake_;

    // The driver's from here on.
    alignas(64) std::unique_ptr<slot[]> slots_;
    std::unique_ptr<listening[]> listeners_;
    std::vector<std::uint32_t> listener_next_ready_ = std::vector<std::uint32_t>(options_.listener_count_max, none);
    std::vector<unsigned char> listener_queued_ = std::vector<unsigned char>(options_.listener_count_max, 0);
    std::vector<epoll_event> events_ = std::vector<epoll_event>(events_per_wait);
    std::uint32_t free_head_ = none;
    std::uint32_t closing_head_ = none;
    std::uint32_t ready_head_ = none;
    std::uint32_t ready_tail_ = none;
    std::uint32_t ready_count_ = 0;
    std::uint64_t accept_pause_until_ = no_deadline;
    int spare_fd_ = -1;
    reactor_counters counters_;
    resolver resolver_;  // last, so that it ends first: it unwatches its sockets
};

}  // namespace

bool reactors_share_ports() noexcept { return true; }

std::unique_ptr<reactor> make_reactor(const reactor_options& options, int& error) {
    error = 0;
    if (options.stream_count_max == 0 || options.stream_count_max > tag_index_mask ||
        options.listener_count_max > tag_index_mask || options.accepts_per_poll == 0) {
        error = io_error_bad_argument;
        return nullptr;
    }
    try {
        auto made = std::make_unique<epoll_reactor>(options);
        if (!made->open()) {
            error = errno;
            return nullptr;
        }
        return made;
    } catch (const std::bad_alloc&) {
        error = ENOMEM;
        return nullptr;
    }
}

}  // namespace colloquy::transport
