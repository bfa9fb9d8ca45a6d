// iocp_reactor: the reactor of Windows, on a completion port.
//
// What the system holds while an operation is under way (OVERLAPPED, staged bytes, the buffer of AcceptEx) stands in
// fixed tables and belongs to the system until its packet has been dequeued, whatever becomes of the stream meanwhile.
// Nothing of a submitted operation is ever given to the system, so an operation may be gone the moment it is cancelled:
//
//   reading    waits with a receive of no bytes, which pins no buffer, and then reads without blocking.
//   writing    is tried without blocking, in the writer's thread. A full socket parks the write (see write_gate) and
//              calls the driver, who gives the system a few bytes of it, copied, to send when there is room; when they
//              are sent it goes on without blocking. Only the driver starts overlapped operations.
//   accepting  keeps a handful of AcceptEx under way for each listener.
//
// The wait handle is an event named in every OVERLAPPED once it has been asked for: see settle_event().
//
// Progress: submit_write and wake are lock-free. ABA and reclamation: see write_gate and runtime/pile.hpp; slots live
// as long as the reactor, a socket is closed only when no writer is inside, and a block goes back to its table only
// when the system has returned it.
#include "transport/system_reactor.hpp"

#include <algorithm>
#include <climits>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

#include <winsock2.h>
// After winsock2.h, which they need.
#include <mstcpip.h>
#include <mswsock.h>
#include <ws2tcpip.h>

#include "runtime/pile.hpp"
#include "transport/platform.hpp"
#include "transport/windows/resolver.hpp"
#include "transport/write_gate.hpp"
#include "transport/write_progress.hpp"

namespace colloquy::transport {

namespace {

using runtime::atom;

constexpr std::uint32_t none = UINT32_MAX;
constexpr std::uint64_t ns_per_ms = 1'000'000;
constexpr std::uint64_t accept_pause_ns = 100 * ns_per_ms;
constexpr std::uint64_t unsignalled_look_ns = 5 * ns_per_ms;
constexpr std::size_t slices_per_call = 64;
// The system copies what it takes, and takes all of one call as soon as it has any room at all.
constexpr std::size_t bytes_per_call = 256 * 1024;
constexpr std::size_t entries_per_wait = 256;
constexpr std::size_t staged_bytes_max = 4096;
constexpr std::size_t accepts_under_way = 16;
constexpr DWORD accept_address_bytes = sizeof(sockaddr_storage) + 16;  // AcceptEx wants 16 more than the address

// The word of wake().
namespace wake_word {
constexpr std::uint32_t signalled = 1u << 0;  // a wake nobody has looked at yet
constexpr std::uint32_t asleep = 1u << 1;     // the driver is in a wait, or about to be
constexpr std::uint32_t foreign = 1u << 2;    // a host waits on the handle, when we can't know
}  // namespace wake_word

// Keys of packets. Those of sockets are told apart by their OVERLAPPED.
constexpr ULONG_PTR socket_key = 1;
constexpr ULONG_PTR waker_key = 2;
constexpr ULONG_PTR resolver_key = 3;

// One operation that the system can hold. The OVERLAPPED comes first: packets bring its address.
enum class request_kind : std::uint8_t { read, send, connect, accept };
struct request {
    OVERLAPPED overlapped{};
    std::uint32_t owner = 0;  // block, or accept entry
    request_kind kind = request_kind::read;
    bool in_flight = false;
    bool signals = false;  // the wait handle is named in it
};

template <class Value>
bool set_option(SOCKET s, int level, int name, const Value& value) noexcept {
    return ::setsockopt(s, level, name, reinterpret_cast<const char*>(&value), static_cast<int>(sizeof value)) == 0;
}

// Best effort: a socket without a wish fulfilled still carries bytes.
void set_stream_options(SOCKET s, const stream_options& options) noexcept {
    if (options.no_delay) {
        (void)set_option(s, IPPROTO_TCP, TCP_NODELAY, DWORD{1});
    }
    if (options.keepalive) {
        tcp_keepalive wish{};
        wish.onoff = 1;
        wish.keepalivetime = static_cast<u_long>(std::min<std::uint64_t>(options.keepalive_idle_s * 1000ull, INT_MAX));
        wish.keepaliveinterval =
            static_cast<u_long>(std::min<std::uint64_t>(options.keepalive_interval_s * 1000ull, INT_MAX));
        DWORD bytes = 0;
        (void)::WSAIoctl(s, SIO_KEEPALIVE_VALS, &wish, sizeof wish, nullptr, 0, &bytes, nullptr, nullptr);
        constexpr int keep_count = 16;  // TCP_KEEPCNT, which older headers lack
        (void)set_option(s, IPPROTO_TCP, keep_count, DWORD{options.keepalive_count});
    }
    const auto clamped = [](std::uint32_t v) { return static_cast<int>(std::min<std::uint32_t>(v, INT_MAX / 2)); };
    if (options.send_buffer_bytes != 0) {
        (void)set_option(s, SOL_SOCKET, SO_SNDBUF, clamped(options.send_buffer_bytes));
    }
    if (options.receive_buffer_bytes != 0) {
        (void)set_option(s, SOL_SOCKET, SO_RCVBUF, clamped(options.receive_buffer_bytes));
    }
}

// The system's socket address, aligned, for calls that fill one in.
struct system_address {
    sockaddr_storage bytes{};
    int size = static_cast<int>(sizeof(sockaddr_storage));

    sockaddr* data() noexcept { return reinterpret_cast<sockaddr*>(&bytes); }
    [[nodiscard]] address value() const noexcept {
        return address::from_system(&bytes, static_cast<std::size_t>(size));
    }
};

const sockaddr* system_view(const address& a) noexcept { return static_cast<const sockaddr*>(a.data()); }

address name_of(SOCKET s, int(WSAAPI* ask)(SOCKET, sockaddr*, int*)) noexcept {
    system_address a;
    return ask(s, a.data(), &a.size) == 0 ? a.value() : address{};
}

WSABUF buffer_of(const io_slice& piece, std::size_t most) noexcept {
    return {static_cast<ULONG>(std::min(piece.size, most)), reinterpret_cast<CHAR*>(piece.data)};
}

// Writes until all is taken (0), or the socket is full (WSAEWOULDBLOCK), or it fails.
int write_some(SOCKET s, write_op& op) noexcept {
    for (;;) {
        consume(op, 0);
        if (op.slice_count == 0) {
            return 0;
        }
        WSABUF pieces[slices_per_call];
        DWORD count = 0;
        std::size_t left = bytes_per_call;
        while (count < op.slice_count && count < slices_per_call && left != 0) {
            pieces[count] = buffer_of(op.slices[count], left);
            left -= pieces[count].len;
            ++count;
        }
        DWORD taken = 0;
        if (::WSASend(s, pieces, count, &taken, 0, nullptr, nullptr) != 0) {
            return ::WSAGetLastError();
        }
        consume(op, taken);
    }
}

// A socket that is not blocking, not inherited, and takes overlapped operations.
SOCKET open_socket(int family) noexcept {
    const SOCKET s =
        ::WSASocketW(family, SOCK_STREAM, IPPROTO_TCP, nullptr, 0, WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    u_long yes = 1;
    if (s != INVALID_SOCKET && ::ioctlsocket(s, static_cast<long>(FIONBIO), &yes) != 0) {
        const int error = ::WSAGetLastError();
        ::closesocket(s);
        ::WSASetLastError(error);
        return INVALID_SOCKET;
    }
    return s;
}

void close_socket(SOCKET& s) noexcept {
    if (s != INVALID_SOCKET) {
        ::closesocket(s);
        s = INVALID_SOCKET;
    }
}

// The error an overlapped operation has ended with, in Winsock's numbers.
int error_of(SOCKET s, OVERLAPPED& overlapped, DWORD& bytes) noexcept {
    DWORD flags = 0;
    return ::WSAGetOverlappedResult(s, &overlapped, &bytes, FALSE, &flags) != FALSE ? 0 : ::WSAGetLastError();
}

// Winsock counts its users itself.
struct winsock_use {
    int error = 0;
    winsock_use() noexcept {
        WSADATA data{};
        error = ::WSAStartup(MAKEWORD(2, 2), &data);
    }
    ~winsock_use() {
        if (error == 0) {
            ::WSACleanup();
        }
    }
    winsock_use(const winsock_use&) = delete;
    winsock_use& operator=(const winsock_use&) = delete;
};

class iocp_reactor final : public reactor {
public:
    explicit iocp_reactor(const reactor_options& options)
        : options_{options},
          listener_slots_{options.listener_count_max * 2},
          // A block can outlive its stream until the system has returned it, so there are some more.
          block_count_{options.stream_count_max + std::clamp(options.stream_count_max, 16u, 1024u)},
          slots_{new slot[options.stream_count_max]},
          blocks_{new block[block_count_]},
          listeners_{new listening[listener_slots_]},
          accepts_{new accept_entry[listener_slots_ * accepts_under_way]},
          staged_{block_count_ * staged_bytes_max},
          resolver_{{options.resolve_count_max, options.name_timeout_ms * options.name_tries}, resolver_key} {
        for (std::uint32_t i = options_.stream_count_max; i-- > 0;) {
            slots_[i].next_free = free_head_;
            free_head_ = i;
        }
        for (std::uint32_t i = block_count_; i-- > 0;) {
            blocks_[i].receive.owner = blocks_[i].send.owner = i;
            blocks_[i].next_free = free_block_;
            free_block_ = i;
        }
        for (std::uint32_t i = 0; i < listener_slots_ * accepts_under_way; ++i) {
            accepts_[i].asked.owner = i;
            accepts_[i].asked.kind = request_kind::accept;
        }
    }

    ~iocp_reactor() override {
        for (std::uint32_t i = 0; i < options_.stream_count_max; ++i) {
            close_socket(slots_[i].socket);
        }
        for (std::uint32_t i = 0; i < listener_slots_; ++i) {
            close_socket(listeners_[i].socket);
        }
        for (std::uint32_t i = 0; i < listener_slots_ * accepts_under_way; ++i) {
            close_socket(accepts_[i].socket);
        }
        // The system writes into our tables until it has returned every operation; closing has ended them all.
        for (int patience = 100; in_flight_ != 0 && patience != 0; --patience) {
            ULONG count = 0;
            if (::GetQueuedCompletionStatusEx(port_, entries_.data(), static_cast<ULONG>(entries_.size()), &count, 100,
                                              FALSE) == FALSE) {
                continue;
            }
            for (ULONG i = 0; i < count; ++i) {
                in_flight_ -= entries_[i].lpCompletionKey == socket_key;
            }
        }
        if (in_flight_ != 0) {
            // Rather keep memory that the system may write than give it to others.
            (void)blocks_.release();
            (void)accepts_.release();
            staged_.leak();
        }
        if (port_ != nullptr) {
            ::CloseHandle(port_);
        }
    }

    // 0, or why the system refuses.
    int open() noexcept {
        if (winsock_.error != 0) {
            return winsock_.error;
        }
        port_ = ::CreateIoCompletionPort(INVALID_HANDLE_VALUE, nullptr, 0, 1);
        if (port_ == nullptr || !event_.valid()) {
            return static_cast<int>(::GetLastError());
        }
        if (staged_.bytes == nullptr) {
            return WSA_NOT_ENOUGH_MEMORY;
        }
        resolver_.use_port(port_);
        SOCKET any = open_socket(AF_INET);
        if (any == INVALID_SOCKET) {
            any = open_socket(AF_INET6);
        }
        if (any == INVALID_SOCKET) {
            return ::WSAGetLastError();
        }
        const int error =
            find_extension(any, WSAID_ACCEPTEX, accept_ex_) && find_extension(any, WSAID_CONNECTEX, connect_ex_)
                ? 0
                : ::WSAGetLastError();
        ::closesocket(any);
        return error;
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
        for (;;) {
            const int error = write_some(s->socket, op);
            if (error != WSAEWOULDBLOCK) {
                return leave_with(*s, error);
            }
            switch (park(*s, where.generation, op)) {
                case park_result::parked: call_driver_to(*s); return io_status::pending();
                case park_result::closed: return leave_with(*s, io_error_stale);
                case park_result::try_again: break;
            }
        }
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
        return leave_with(*s, ::shutdown(s->socket, SD_SEND) == 0 ? 0 : ::WSAGetLastError());
    }

    void wake() noexcept override {
        // release[reactor-wake]: what the caller has published is seen by the driver that clears the bit.
        const std::uint32_t before = wake_.fetch_or_acq_rel(wake_word::signalled);
        if ((before & wake_word::signalled) != 0) {
            return;
        }
        if ((before & wake_word::asleep) != 0) {
            ::PostQueuedCompletionStatus(port_, 0, waker_key, nullptr);
        }
        if ((before & wake_word::foreign) != 0) {
            event_.signal();
        }
    }

    // --- driver -----------------------------------------------------------------------------------------------------

    std::uint32_t poll(std::uint64_t timeout_ns, std::uint32_t budget) noexcept override {
        ++counters_.polls;
        sweep_closing();
        if (accept_pause_until_ != no_deadline) {
            resume_accepts();
        }
        take_notes();

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
        (void)collect(sleep_ns);
        // acquire[reactor-wake]: pairs with wake(). After the wait and not before, so that a wake whose packet this
        // wait has swallowed is not left standing as "signalled" with nothing to tell of it.
        if ((wake_.load_relaxed() & ~wake_word::foreign) != 0) {
            wake_.fetch_and_acq_rel(~(wake_word::signalled | wake_word::asleep));
        }
        take_notes();
        const std::uint32_t delivered = serve(std::max<std::uint32_t>(budget, 1));
        counters_.completions += delivered;
        if (is_foreign_) {
            settle_event();
        }
        return delivered;
    }

    [[nodiscard]] std::uint64_t next_deadline_ns() const noexcept override {
        if (ready_head_ != none || !notes_.approx_empty()) {
            return 0;
        }
        return std::min({resolver_.next_deadline_ns(), accept_pause_until_, unsignalled_look_});
    }

    [[nodiscard]] std::intptr_t wait_handle() noexcept override {
        if (!is_foreign_) {
            is_foreign_ = true;
            wake_.fetch_or_acq_rel(wake_word::foreign);
            call_back_unsignalled();
            // Somebody begins to wait: what has happened so far did not signal.
            // acquire[reactor-wake]: as in settle_event().
            if (in_flight_ != 0 || ready_head_ != none || !notes_.approx_empty() ||
                (wake_.load_acquire() & wake_word::signalled) != 0) {
                event_.signal();
            }
        }
        return event_.handle();
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
        } else {
            await_input(where.index);
        }
        return io_status::pending();
    }

    io_status listen(const address& where, const listen_options& options, listener& out) noexcept override {
        if (!where) {
            return io_status::failed(io_error_bad_argument);
        }
        std::uint32_t open_count = 0;
        std::uint32_t index = none;
        for (std::uint32_t i = 0; i < listener_slots_; ++i) {
            const bool is_open = listeners_[i].socket != INVALID_SOCKET;
            open_count += is_open;
            if (!is_open && listeners_[i].in_flight == 0 && index == none) {
                index = i;
            }
        }
        if (open_count >= options_.listener_count_max || index == none) {
            return io_status::failed(io_error_table_full);
        }
        SOCKET s = open_socket(system_view(where)->sa_family);
        if (s == INVALID_SOCKET) {
            return io_status::failed(::WSAGetLastError());
        }
        // Here SO_REUSEADDR would let any program take over a port that is in use.
        (void)set_option(s, SOL_SOCKET, SO_EXCLUSIVEADDRUSE, BOOL{TRUE});
        if (where.family() == address_family::ipv6) {
            (void)set_option(s, IPPROTO_IPV6, IPV6_V6ONLY, DWORD{1});
        }
        // Buffer sizes have to be known before the handshake.
        set_stream_options(s, options.accepted);
        if (::bind(s, system_view(where), static_cast<int>(where.size())) != 0 || ::listen(s, options.backlog) != 0) {
            const int error = ::WSAGetLastError();
            close_socket(s);
            return io_status::failed(error);
        }
        if (const int error = join_port(s); error != 0) {
            close_socket(s);
            return io_status::failed(error);
        }
        listening& l = listeners_[index];
        l.socket = s;
        l.family = system_view(where)->sa_family;
        l.generation = next_generation(l.generation);
        l.accepted = options.accepted;
        l.acceptor = nullptr;
        l.paused = false;
        out = {index, l.generation};
        return io_status::done();
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
        await_connections(where.index);
        make_ready(options_.stream_count_max + where.index);  // some may have come while nobody accepted
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
        // The receive of no bytes goes on: it holds nothing of the operation, and the next reader will want it.
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
        // What is accepted from now on waits for the next acceptor.
        if (op.submitted()) {
            listeners_[op.reactor_index].acceptor = nullptr;
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
        close_socket(l->socket);
        l->paused = false;
        for (std::uint32_t i = 0; i < accepts_under_way; ++i) {
            accept_entry& e = accepts_[where.index * accepts_under_way + i];
            if (!e.asked.in_flight) {
                close_socket(e.socket);
                e.arrived = false;
            }
        }
    }

    [[nodiscard]] address local_address(stream where) const noexcept override {
        const slot* const s = open_slot(where);
        return s == nullptr ? address{} : name_of(s->socket, &::getsockname);
    }
    [[nodiscard]] address peer_address(stream where) const noexcept override {
        const slot* const s = open_slot(where);
        return s == nullptr ? address{} : name_of(s->socket, &::getpeername);
    }
    [[nodiscard]] address local_address(listener where) const noexcept override {
        const listening* const l = open_listener(where);
        return l == nullptr ? address{} : name_of(l->socket, &::getsockname);
    }

private:
    struct alignas(64) slot {
        // Shared.
        write_gate<> gate;
        write_op* parked = nullptr;      // written by the one inside, before it parks
        SOCKET socket = INVALID_SOCKET;  // written by the driver, before the gate opens
        slot* next = nullptr;            // in the pile of notes; belongs to whoever set `noted`
        atom<std::uint32_t> noted;       // it stands in the pile
        atom<std::uint32_t> cut;         // a writer has been told that the connection is gone

        // The driver's.
        std::uint32_t generation = 0;
        std::uint32_t io = none;  // its block
        read_op* reader = nullptr;
        connect_op* connector = nullptr;
        std::uint32_t connect_next = 0;
        int error = 0;       // of the last address tried
        int read_error = 0;  // with which the wait for input ended
        std::uint32_t next_ready = none;
        std::uint32_t next_free = none;
        bool queued = false;      // in the ready list; outlives a close, the list is cleaned as it is walked
        bool may_read = false;    // input, the end of it or an error may be there
        bool may_write = false;   // a parked write is to be carried on
        bool has_answer = false;  // of connecting
        std::uint32_t sent = 0;   // of what was staged
        int send_error = 0;
    };

    // What the system may hold of a stream.
    struct block {
        request receive;
        request send;               // or connect
        std::uint32_t slot = none;  // none: the stream is gone, the block is free once nothing is in flight
        std::uint32_t next_free = none;

        [[nodiscard]] bool in_flight() const noexcept { return receive.in_flight || send.in_flight; }
    };

    struct accept_entry {
        request asked;
        SOCKET socket = INVALID_SOCKET;
        bool arrived = false;
        int error = 0;
        alignas(8) std::byte addresses[2 * accept_address_bytes];
    };

    struct listening {
        SOCKET socket = INVALID_SOCKET;
        int family = AF_UNSPEC;
        std::uint32_t generation = 0;
        std::uint32_t in_flight = 0;
        std::uint32_t next_ready = none;
        accept_op* acceptor = nullptr;
        stream_options accepted;
        bool queued = false;
        bool paused = false;
    };

    // Memory for staged bytes: touched, and thus backed, only where a socket was ever full.
    struct staging {
        explicit staging(std::size_t count) noexcept
            : size{count}, bytes{static_cast<std::byte*>(reserve_table(count))} {}
        ~staging() { release_table(bytes, size); }
        staging(const staging&) = delete;
        staging& operator=(const staging&) = delete;
        void leak() noexcept { bytes = nullptr; }
        std::size_t size;
        std::byte* bytes;
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
        if (where.index >= listener_slots_) {
            return nullptr;
        }
        listening& l = listeners_[where.index];
        return l.socket != INVALID_SOCKET && l.generation == where.generation ? &l : nullptr;
    }

    // A slot and a block for it.
    std::uint32_t take_slot() noexcept {
        if (free_block_ == none) {
            (void)collect(0);  // closed streams may have left blocks that the system has returned
        }
        const std::uint32_t index = free_head_;
        const std::uint32_t io = free_block_;
        if (index == none || io == none) {
            return none;
        }
        slot& s = slots_[index];
        free_head_ = s.next_free;
        free_block_ = blocks_[io].next_free;
        blocks_[io].slot = index;
        s.io = io;
        s.generation = next_generation(s.generation);
        s.may_read = s.may_write = s.has_answer = false;
        s.read_error = s.send_error = 0;
        s.sent = 0;
        s.cut.store_relaxed(0);
        return index;
    }

    // The slot has a socket: streams may be used from now on.
    stream publish(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        s.gate.open(s.generation);
        return {index, s.generation};
    }

    // Closes the socket and frees the slot. Nobody is inside.
    void give_back(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        close_socket(s.socket);
        s.may_read = s.may_write = s.has_answer = false;
        s.next_free = free_head_;
        free_head_ = index;
        release_block(s.io);
        s.io = none;
    }

    void release_block(std::uint32_t io) noexcept {
        block& b = blocks_[io];
        b.slot = none;
        if (!b.in_flight()) {
            b.next_free = free_block_;
            free_block_ = io;
        }
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

    template <class Function>
    static bool find_extension(SOCKET s, GUID which, Function& found) noexcept {
        DWORD bytes = 0;
        return ::WSAIoctl(s, SIO_GET_EXTENSION_FUNCTION_POINTER, &which, sizeof which, &found, sizeof found, &bytes,
                          nullptr, nullptr) == 0;
    }

    int join_port(SOCKET s) noexcept {
        const HANDLE joined = ::CreateIoCompletionPort(reinterpret_cast<HANDLE>(s), port_, socket_key, 0);
        return joined != nullptr ? 0 : static_cast<int>(::GetLastError());
    }

    // --- what the system holds ---------------------------------------------------------------------------------------

    OVERLAPPED* begin(request& r) noexcept {
        r.overlapped = OVERLAPPED{};
        r.signals = is_foreign_;
        if (r.signals) {
            r.overlapped.hEvent = reinterpret_cast<HANDLE>(event_.handle());
            began_ = true;
        }
        r.in_flight = true;
        ++in_flight_;
        unsignalled_ += !r.signals;
        return &r.overlapped;
    }

    void end(request& r) noexcept {
        r.in_flight = false;
        --in_flight_;
        unsignalled_ -= !r.signals;
    }

    // What a call that starts an operation said: 0 when a packet will come.
    int begun(request& r, bool at_once) noexcept {
        const int error = at_once ? 0 : ::WSAGetLastError();
        // The system has unsignalled the event, for the operation; others may have signalled it before.
        if (is_foreign_ && !is_serving_) {
            event_.signal();
        }
        if (error == 0 || error == WSA_IO_PENDING) {
            return 0;
        }
        end(r);
        return error;
    }

    // Takes packets from the port and marks what happened; nothing is delivered yet, so that what a completion closes
    // can't be met again in the same batch. True when there were any.
    bool collect(std::uint64_t sleep_ns) noexcept {
        DWORD ms = INFINITE;
        if (sleep_ns != poll_forever) {
            const std::uint64_t rounded = sleep_ns / ns_per_ms + (sleep_ns % ns_per_ms != 0);
            ms = static_cast<DWORD>(std::min<std::uint64_t>(rounded, INT_MAX));
        }
        counters_.waits += ms != 0;
        ULONG count = 0;
        if (::GetQueuedCompletionStatusEx(port_, entries_.data(), static_cast<ULONG>(entries_.size()), &count, ms,
                                          FALSE) == FALSE) {
            return false;
        }
        for (ULONG i = 0; i < count; ++i) {
            const OVERLAPPED_ENTRY& e = entries_[i];
            if (e.lpCompletionKey == socket_key) {
                take_packet(*reinterpret_cast<request*>(e.lpOverlapped));
            } else if (e.lpCompletionKey == resolver_key) {
                resolver_.arrived(e.lpOverlapped);
            }
        }
        return count != 0;
    }

    void take_packet(request& r) noexcept {
        end(r);
        if (r.kind == request_kind::accept) {
            take_accepted(r);
            return;
        }
        block& b = blocks_[r.owner];
        if (b.slot == none) {
            ++counters_.stale_events;
            if (!b.in_flight()) {
                release_block(r.owner);
            }
            return;
        }
        slot& s = slots_[b.slot];
        DWORD bytes = 0;
        const int error = error_of(s.socket, r.overlapped, bytes);
        switch (r.kind) {
            case request_kind::read:
                s.may_read = true;
                s.read_error = error;
                break;
            case request_kind::send:
                s.may_write = true;
                s.sent = bytes;
                s.send_error = error;
                break;
            case request_kind::connect:
                s.has_answer = true;
                s.error = error;
                break;
            case request_kind::accept: break;
        }
        make_ready(b.slot);
    }

    // --- the wait handle ---------------------------------------------------------------------------------------------

    // The system signals the event of an operation when it ends, a moment before its packet can be dequeued, and
    // unsignals it when an operation begins. So after the last one was begun the event is unsignalled, and then all
    // that may have signalled it before is looked for: packets, operations that have ended but whose packets have not
    // come yet, and wakes. What comes after the unsignalling is safe by itself.
    void settle_event() noexcept {
        const HANDLE event = reinterpret_cast<HANDLE>(event_.handle());
        if (began_ || ::WaitForSingleObject(event, 0) == WAIT_OBJECT_0) {
            began_ = false;
            ::ResetEvent(event);
            const bool more = collect(0);
            if (more || ready_head_ != none || has_ended_in_flight() || !notes_.approx_empty() ||
                // acquire[reactor-wake]: not to skip the wake; what it tells of is for the next poll.
                (wake_.load_acquire() & wake_word::signalled) != 0) {
                event_.signal();
            }
        }
        unsignalled_look_ = unsignalled_ == 0 ? no_deadline : now_ns() + unsignalled_look_ns;
    }

    [[nodiscard]] bool has_ended_in_flight() const noexcept {
        const auto ended = [](const request& r) { return r.in_flight && HasOverlappedIoCompleted(&r.overlapped); };
        for (std::uint32_t i = 0; i < block_count_; ++i) {
            if (ended(blocks_[i].receive) || ended(blocks_[i].send)) {
                return true;
            }
        }
        for (std::uint32_t i = 0; i < listener_slots_ * accepts_under_way; ++i) {
            if (ended(accepts_[i].asked)) {
                return true;
            }
        }
        return false;
    }

    // The handle is asked for while operations are under way that do not name it. Waits for input and for connections
    // are called back and begun anew; for the rest, which does not take long or has a limit of its own, the host is
    // asked to look every few milliseconds.
    void call_back_unsignalled() noexcept {
        for (std::uint32_t i = 0; i < block_count_; ++i) {
            block& b = blocks_[i];
            if (b.slot != none && b.receive.in_flight) {
                (void)::CancelIoEx(reinterpret_cast<HANDLE>(slots_[b.slot].socket), &b.receive.overlapped);
            }
        }
        for (std::uint32_t i = 0; i < listener_slots_ * accepts_under_way; ++i) {
            const SOCKET s = listeners_[i / accepts_under_way].socket;
            if (s != INVALID_SOCKET && accepts_[i].asked.in_flight) {
                (void)::CancelIoEx(reinterpret_cast<HANDLE>(s), &accepts_[i].asked.overlapped);
            }
        }
        unsignalled_look_ = unsignalled_ == 0 ? no_deadline : 0;
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

    // Leaves with what there is to say: 0 or an error. An error that our own close has brought about is not the
    // connection's.
    io_status leave_with(slot& s, int error) noexcept {
        if (error != 0) {
            s.cut.store_relaxed(1);
        }
        const bool still_open = s.gate.leave();
        if (!still_open) {
            wake();  // the close waits for us
        }
        if (error == 0) {
            return io_status::done();
        }
        return io_status::failed(still_open ? error : int{io_error_stale});
    }

    static park_result park(slot& s, std::uint32_t generation, write_op& op) noexcept {
        s.parked = &op;
        op.reactor_generation = generation;
        const park_result answer = s.gate.try_park();
        if (answer != park_result::parked) {
            op.reactor_generation = 0;
        }
        return answer;
    }

    // A write is parked, and nothing is under way that would tell of room.
    void call_driver_to(slot& s) noexcept {
        // release[write-note]: the driver's exchange sees the write parked.
        if (s.noted.exchange_acq_rel(1) == 0) {
            notes_.push(&s);
            wake();
        }
    }

    void take_notes() noexcept {
        for (slot* s = notes_.take_all(); s != nullptr;) {
            slot* const next = s->next;
            (void)s->noted.exchange_acq_rel(0);  // acquire[write-note]
            // A note may be of a life gone by, and the send of this one under way.
            if (s->io != none && !blocks_[s->io].send.in_flight) {
                s->may_write = true;
                make_ready(static_cast<std::uint32_t>(s - slots_.get()));
            }
            s = next;
        }
    }

    // Carries a parked write on as far as it goes; returns 1 when that was its end. We are inside.
    std::uint32_t drive_write(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        write_op& op = *s.parked;
        op.reactor_generation = 0;
        consume(op, s.sent);
        int error = s.send_error;
        s.sent = 0;
        s.send_error = 0;
        if (error == 0) {
            error = write_some(s.socket, op);
        }
        if (error == WSAEWOULDBLOCK) {
            error = send_staged(s, op);
            if (error == 0) {
                // Nobody else is there to close or to tell of room.
                while (park(s, s.generation, op) != park_result::parked) {
                }
                return 0;
            }
        }
        const io_status status = leave_with(s, error);
        ++counters_.writes_resumed;
        op.complete({op.reactor_written, status.error});
        return 1;
    }

    // Copies some of the write and lets the system send it when there is room.
    int send_staged(slot& s, const write_op& op) noexcept {
        block& b = blocks_[s.io];
        std::byte* const place = staged_.bytes + std::size_t{s.io} * staged_bytes_max;
        std::size_t size = 0;
        for (std::size_t i = 0; i < op.slice_count && size < staged_bytes_max; ++i) {
            const std::size_t count = std::min(op.slices[i].size, staged_bytes_max - size);
            if (count != 0) {
                std::memcpy(place + size, op.slices[i].data, count);
            }
            size += count;
        }
        WSABUF piece{static_cast<ULONG>(size), reinterpret_cast<CHAR*>(place)};
        b.send.kind = request_kind::send;
        OVERLAPPED* const overlapped = begin(b.send);
        return begun(b.send, ::WSASend(s.socket, &piece, 1, nullptr, 0, overlapped, nullptr) == 0);
    }

    // --- closing ----------------------------------------------------------------------------------------------------

    void close_stream(stream where, bool cut) noexcept {
        slot* const s = open_slot(where);
        if (s == nullptr) {
            return;
        }
        forget_operations(*s);
        if (cut) {
            (void)set_option(s->socket, SOL_SOCKET, SO_LINGER, linger{1, 0});
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
        if (!cut) {
            ::shutdown(s->socket, SD_BOTH);
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
            close_socket(s.socket);
            s.has_answer = false;
            s.error = target ? start_connect(s, target, op.options) : int{io_error_bad_argument};
            if (s.error == 0) {
                return true;
            }
        }
        return false;
    }

    int start_connect(slot& s, const address& target, const stream_options& options) noexcept {
        s.socket = open_socket(system_view(target)->sa_family);
        if (s.socket == INVALID_SOCKET) {
            return ::WSAGetLastError();
        }
        set_stream_options(s.socket, options);
        // ConnectEx wants to be bound: to any address, any port.
        system_address here;
        here.data()->sa_family = system_view(target)->sa_family;
        if (::bind(s.socket, here.data(), static_cast<int>(target.size())) != 0) {
            return ::WSAGetLastError();
        }
        if (const int error = join_port(s.socket); error != 0) {
            return error;
        }
        request& r = blocks_[s.io].send;
        r.kind = request_kind::connect;
        OVERLAPPED* const overlapped = begin(r);
        return begun(r, connect_ex_(s.socket, system_view(target), static_cast<int>(target.size()), nullptr, 0, nullptr,
                                    overlapped) != FALSE);
    }

    // 0 when the socket is connected and may be used like any other.
    static int connect_error(SOCKET s) noexcept {
        if (::setsockopt(s, SOL_SOCKET, SO_UPDATE_CONNECT_CONTEXT, nullptr, 0) != 0) {
            return ::WSAGetLastError();
        }
        const address here = name_of(s, &::getsockname);
        const address there = name_of(s, &::getpeername);
        if (!there) {
            return WSAENOTCONN;
        }
        // The system may pick as our own port the very one nobody listens on; TCP then meets itself.
        return here == there ? WSAECONNREFUSED : 0;
    }

    std::uint32_t serve_connect(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        if (s.socket != INVALID_SOCKET && blocks_[s.io].send.in_flight) {
            return 0;
        }
        if (s.has_answer) {
            s.has_answer = false;
            if (s.error == 0) {
                s.error = connect_error(s.socket);
            }
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

    // --- accepting --------------------------------------------------------------------------------------------------

    // Keeps AcceptEx under way for as many connections as may come at once.
    void await_connections(std::uint32_t index) noexcept {
        listening& l = listeners_[index];
        for (std::uint32_t i = 0; i < accepts_under_way && !l.paused; ++i) {
            accept_entry& e = accepts_[index * accepts_under_way + i];
            if (e.asked.in_flight || e.arrived) {
                continue;
            }
            e.socket = open_socket(l.family);
            if (e.socket == INVALID_SOCKET) {
                pause_accepts(index);
                return;
            }
            OVERLAPPED* const overlapped = begin(e.asked);
            DWORD bytes = 0;
            const BOOL at_once = accept_ex_(l.socket, e.socket, e.addresses, 0, accept_address_bytes,
                                            accept_address_bytes, &bytes, overlapped);
            if (begun(e.asked, at_once != FALSE) != 0) {
                close_socket(e.socket);
                pause_accepts(index);
                return;
            }
            ++l.in_flight;
        }
    }

    void take_accepted(request& r) noexcept {
        accept_entry& e = accepts_[r.owner];
        const auto index = static_cast<std::uint32_t>(r.owner / accepts_under_way);
        listening& l = listeners_[index];
        --l.in_flight;
        // An entry belongs to this life of the listener, for no other begins while any is in flight.
        if (l.socket == INVALID_SOCKET) {
            ++counters_.stale_events;
            close_socket(e.socket);
            return;
        }
        DWORD bytes = 0;
        e.error = error_of(l.socket, r.overlapped, bytes);
        e.arrived = true;
        make_ready(options_.stream_count_max + index);
    }

    void pause_accepts(std::uint32_t index) noexcept {
        ++counters_.accept_pauses;
        listeners_[index].paused = true;
        accept_pause_until_ = now_ns() + accept_pause_ns;
    }

    void resume_accepts() noexcept {
        if (now_ns() < accept_pause_until_) {
            return;
        }
        accept_pause_until_ = no_deadline;
        for (std::uint32_t i = 0; i < listener_slots_; ++i) {
            if (listeners_[i].socket != INVALID_SOCKET && listeners_[i].paused) {
                listeners_[i].paused = false;
                if (listeners_[i].acceptor != nullptr) {
                    await_connections(i);
                }
            }
        }
    }

    std::uint32_t serve_listener(std::uint32_t index, std::uint32_t budget) noexcept {
        listening& l = listeners_[index];
        const std::uint32_t generation = l.generation;
        const auto is_served = [&] {
            return l.socket != INVALID_SOCKET && l.generation == generation && l.acceptor != nullptr;
        };
        const std::uint32_t most = std::min(budget, options_.accepts_per_poll);
        std::uint32_t delivered = 0;
        bool more = false;
        for (std::uint32_t i = 0; i < accepts_under_way && is_served(); ++i) {
            accept_entry& e = accepts_[index * accepts_under_way + i];
            if (!e.arrived) {
                continue;
            }
            if (delivered == most) {
                more = true;
                break;
            }
            SOCKET s = std::exchange(e.socket, INVALID_SOCKET);
            e.arrived = false;
            if (e.error != 0) {
                // The connection was gone before anybody looked, or the wait for it was called back.
                close_socket(s);
                continue;
            }
            int error = 0;
            const stream accepted = adopt(s, l, error);
            ++delivered;
            l.acceptor->complete(accepted,
                                 accepted ? name_of(slots_[accepted.index].socket, &::getpeername) : address{}, error);
        }
        if (is_served()) {
            await_connections(index);
            if (more) {
                make_ready(options_.stream_count_max + index);
            }
        }
        return delivered;
    }

    stream adopt(SOCKET s, const listening& l, int& error) noexcept {
        if (!set_option(s, SOL_SOCKET, SO_UPDATE_ACCEPT_CONTEXT, l.socket)) {
            error = ::WSAGetLastError();
        } else {
            error = join_port(s);
        }
        const std::uint32_t index = error == 0 ? take_slot() : none;
        if (index == none) {
            if (error == 0) {
                ++counters_.accepts_no_slot;
                error = io_error_table_full;
            }
            close_socket(s);
            return {};
        }
        set_stream_options(s, l.accepted);
        slots_[index].socket = s;
        ++counters_.accepted;
        return publish(index);
    }

    // --- reading ----------------------------------------------------------------------------------------------------

    // Asks to be told when there is input, unless that is under way.
    void await_input(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        request& r = blocks_[s.io].receive;
        if (r.in_flight) {
            return;
        }
        r.kind = request_kind::read;
        s.read_error = 0;
        WSABUF nothing{0, nullptr};
        DWORD flags = 0;
        OVERLAPPED* const overlapped = begin(r);
        const int error = begun(r, ::WSARecv(s.socket, &nothing, 1, nullptr, &flags, overlapped, nullptr) == 0);
        if (error != 0) {
            s.read_error = error;
            s.may_read = true;
            make_ready(index);
        }
    }

    // Windows tells of a cut as often as it is asked. Wine tells once, maybe a writer or the wait for input, and to the
    // next reader it looks like an orderly end; what is left of the connection does not.
    static int cut_error(const slot& s) noexcept {
        if (s.read_error != 0 && s.read_error != WSA_OPERATION_ABORTED) {
            return s.read_error;
        }
        if (s.gate.half_closed()) {
            return 0;
        }
        return s.cut.load_relaxed() != 0 || !name_of(s.socket, &::getpeername) ? WSAECONNRESET : 0;
    }

    std::uint32_t serve_read(std::uint32_t index) noexcept {
        slot& s = slots_[index];
        read_op& op = *s.reader;
        io_slice room[4];
        const std::span<io_slice> offered = op.offer(room);
        std::size_t offered_bytes = 0;
        WSABUF pieces[4];
        DWORD count = 0;
        for (const io_slice& piece : offered) {
            if (piece.size != 0 && count < 4) {
                pieces[count] = buffer_of(piece, INT_MAX);
                offered_bytes += pieces[count].len;
                ++count;
            }
        }
        if (count == 0) {
            op.reactor_generation = 0;
            s.reader = nullptr;
            return 0;
        }
        DWORD got = 0;
        DWORD flags = 0;
        const bool taken = ::WSARecv(s.socket, pieces, count, &got, &flags, nullptr, nullptr) == 0;
        io_result result;
        if (taken && got > 0) {
            result.bytes = got;
            counters_.bytes_read += got;
            ++counters_.reads;
            // A short read has emptied the socket.
            if (got < offered_bytes) {
                s.may_read = false;
                await_input(index);
            }
        } else {
            result.error = taken ? 0 : ::WSAGetLastError();
            if (result.error == WSAEWOULDBLOCK) {
                // The wait for input ended for no reason that a read can find.
                result.error = std::exchange(s.read_error, 0);
                if (result.error == 0 || result.error == WSA_OPERATION_ABORTED) {
                    s.may_read = false;
                    await_input(index);
                    return 0;
                }
            } else if (taken) {
                result.error = cut_error(s);
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

    // The ready list holds streams by index and listeners behind them; first in, first served, once a poll.
    std::uint32_t& next_ready_of(std::uint32_t entry) noexcept {
        return entry < options_.stream_count_max ? slots_[entry].next_ready
                                                 : listeners_[entry - options_.stream_count_max].next_ready;
    }
    bool& queued_of(std::uint32_t entry) noexcept {
        return entry < options_.stream_count_max ? slots_[entry].queued
                                                 : listeners_[entry - options_.stream_count_max].queued;
    }

    void make_ready(std::uint32_t entry) noexcept {
        if (std::exchange(queued_of(entry), true)) {
            return;
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
        queued_of(entry) = false;
        return entry;
    }

    std::uint32_t serve(std::uint32_t budget) noexcept {
        is_serving_ = true;
        std::uint32_t delivered = resolver_.deliver(budget);
        // What is queued again, or by completions, has its turn in the next poll.
        for (std::uint32_t left = ready_count_; left != 0 && delivered < budget; --left) {
            const std::uint32_t entry = take_ready();
            if (entry < options_.stream_count_max) {
                delivered += serve_stream(entry, budget - delivered);
                continue;
            }
            const std::uint32_t index = entry - options_.stream_count_max;
            if (listeners_[index].socket != INVALID_SOCKET && listeners_[index].acceptor != nullptr) {
                delivered += serve_listener(index, budget - delivered);
            }
        }
        is_serving_ = false;
        return delivered;
    }

    std::uint32_t serve_stream(std::uint32_t index, std::uint32_t budget) noexcept {
        slot& s = slots_[index];
        if (s.connector != nullptr) {
            return serve_connect(index);
        }
        if (s.socket == INVALID_SOCKET) {
            return 0;
        }
        const std::uint32_t generation = s.generation;
        std::uint32_t delivered = 0;
        if (s.may_write) {
            s.may_write = false;
            if (s.gate.take_parked()) {
                delivered += drive_write(index);
            }
        }
        const auto has_input = [&] {
            return s.socket != INVALID_SOCKET && s.generation == generation && s.may_read && s.reader != nullptr;
        };
        if (has_input() && delivered < budget) {
            delivered += serve_read(index);
        }
        if (has_input()) {
            make_ready(index);
        }
        return delivered;
    }

    winsock_use winsock_;  // first: everything below needs it
    reactor_options options_;
    const std::uint32_t listener_slots_;  // those open, and as many whose accepts the system has not returned yet
    const std::uint32_t block_count_;
    HANDLE port_ = nullptr;
    wake_handle event_;
    LPFN_ACCEPTEX accept_ex_ = nullptr;
    LPFN_CONNECTEX connect_ex_ = nullptr;
    alignas(64) atom<std::uint32_t> wake_;
    runtime::pile<slot> notes_;

    // The driver's from here on.
    alignas(64) std::unique_ptr<slot[]> slots_;
    std::unique_ptr<block[]> blocks_;
    std::unique_ptr<listening[]> listeners_;
    std::unique_ptr<accept_entry[]> accepts_;
    staging staged_;
    std::vector<OVERLAPPED_ENTRY> entries_ = std::vector<OVERLAPPED_ENTRY>(entries_per_wait);
    std::uint32_t free_head_ = none;
    std::uint32_t free_block_ = none;
    std::uint32_t closing_head_ = none;
    std::uint32_t ready_head_ = none;
    std::uint32_t ready_tail_ = none;
    std::uint32_t ready_count_ = 0;
    std::uint32_t in_flight_ = 0;    // operations that the system holds
    std::uint32_t unsignalled_ = 0;  // those of them that do not name the wait handle
    bool is_foreign_ = false;        // the wait handle has been given out
    bool is_serving_ = false;        // settle_event() follows
    bool began_ = false;             // an operation that names the wait handle, since it was settled
    std::uint64_t accept_pause_until_ = no_deadline;
    std::uint64_t unsignalled_look_ = no_deadline;
    reactor_counters counters_;
    resolver resolver_;
};

}  // namespace

bool reactors_share_ports() noexcept { return false; }

std::unique_ptr<reactor> make_reactor(const reactor_options& options, int& error) {
    error = 0;
    if (options.stream_count_max == 0 || options.stream_count_max > UINT32_MAX / 4 ||
        options.listener_count_max > UINT32_MAX / (4 * accepts_under_way) || options.accepts_per_poll == 0) {
        error = io_error_bad_argument;
        return nullptr;
    }
    try {
        auto made = std::make_unique<iocp_reactor>(options);
        error = made->open();
        return error == 0 ? std::move(made) : nullptr;
    } catch (const std::bad_alloc&) {
        error = WSA_NOT_ENOUGH_MEMORY;
        return nullptr;
    }
}

}  // namespace colloquy::transport
