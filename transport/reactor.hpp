// reactor: moves bytes. Submit an operation, be told of its end.
//
// The interface is completion-shaped so that IOCP and io_uring fit behind it; epoll adapts to it. It knows nothing of
// sessions. Operations are owned by the submitter, linked in by address, and must stay put while they are submitted.
// Nothing here allocates after the reactor is built, except in name resolution.
//
// Threads: the *driver* is the holder of the reactor's drive token. All calls belong to the driver but those under "any
// thread" below. Completions are delivered inside poll() only, on the driver; a submit never calls back. Inside a
// completion every call but poll() is allowed, closing the very stream included.
//
// Errors are the system's numbers (errno; Winsock's and Windows' own) or one of `io_error`; kind_of() sorts them,
// error_text() words them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "transport/address.hpp"

namespace colloquy::transport {

// One piece of a gathered write or a scattered read.
struct io_slice {
    std::byte* data = nullptr;
    std::size_t size = 0;
};

// A slice for writing from memory that is not ours to change; the reactor only reads it.
[[nodiscard]] inline io_slice slice_of(std::span<const std::byte> bytes) noexcept {
    return {const_cast<std::byte*>(bytes.data()), bytes.size()};
}

// Our own error numbers, outside of errno's range.
enum io_error : int {
    io_error_stale = 100'001,             // the stream or listener has been closed
    io_error_table_full = 100'002,        // the fixed table has no free slot
    io_error_name_unknown = 100'003,      // the name does not exist or has no address
    io_error_name_unavailable = 100'004,  // no answer from the name servers; may work later
    io_error_bad_argument = 100'005,
    io_error_timed_out = 100'006,  // nothing answered within the time limit
};

// What an error means for the one who decides whether to try again.
enum class error_kind : std::uint8_t {
    none,
    refused,      // nobody listens there
    unreachable,  // no route, or the network is down
    reset,        // the connection was cut
    timed_out,
    exhausted,  // no descriptor, memory, port or slot left here
    unknown_name,
    name_service,  // names cannot be resolved at the moment
    misuse,        // stale handle or bad argument: the caller's fault
    other,
};
[[nodiscard]] error_kind kind_of(int error) noexcept;
[[nodiscard]] std::string error_text(int error);

// The end of a read or write: an error, or a count of bytes. A read of 0 bytes without error is the end of the stream:
// the partner has half-closed.
struct io_result {
    std::size_t bytes = 0;
    int error = 0;
};

// What a submit says at once.
struct io_status {
    enum class outcome : std::uint8_t {
        done,     // finished, no completion will come
        pending,  // complete() will be called from poll()
        failed,   // not submitted; `error` says why, no completion will come
    };
    outcome what = outcome::done;
    int error = 0;

    [[nodiscard]] bool is_done() const noexcept { return what == outcome::done; }
    [[nodiscard]] bool is_pending() const noexcept { return what == outcome::pending; }
    [[nodiscard]] bool is_failed() const noexcept { return what == outcome::failed; }
    [[nodiscard]] static io_status done() noexcept { return {outcome::done, 0}; }
    [[nodiscard]] static io_status pending() noexcept { return {outcome::pending, 0}; }
    [[nodiscard]] static io_status failed(int error) noexcept { return {outcome::failed, error}; }
};

// Names of slots in the reactor's fixed tables. `index` is below stream_count_max() and may key the submitter's own
// tables; a stale generation is refused everywhere. A default-made one names nothing.
struct stream {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    [[nodiscard]] explicit operator bool() const noexcept { return generation != 0; }
    friend bool operator==(const stream&, const stream&) noexcept = default;
};
struct listener {
    std::uint32_t index = 0;
    std::uint32_t generation = 0;
    [[nodiscard]] explicit operator bool() const noexcept { return generation != 0; }
    friend bool operator==(const listener&, const listener&) noexcept = default;
};

struct stream_options {
    bool no_delay = true;
    bool keepalive = false;
    std::uint32_t keepalive_idle_s = 60;
    std::uint32_t keepalive_interval_s = 10;
    std::uint32_t keepalive_count = 6;
    std::uint32_t send_buffer_bytes = 0;     // 0 leaves the system's choice
    std::uint32_t receive_buffer_bytes = 0;  // 0 leaves the system's choice
    std::uint32_t busy_poll_us = 0;          // time the kernel may spin for input; 0 is off
};

struct listen_options {
    stream_options accepted;  // for the streams that come out
    int backlog = 1024;
    bool reuse_port = false;  // lets several reactors listen on one port, where the system can (system_reactor.hpp)
};

// What all operations share: where the reactor finds them again. Belongs to the reactor while submitted.
struct operation {
    operation() noexcept = default;
    operation(const operation&) = delete;
    operation& operator=(const operation&) = delete;

    std::uint32_t reactor_index = 0;
    std::uint32_t reactor_generation = 0;  // 0 when not submitted

    [[nodiscard]] bool submitted() const noexcept { return reactor_generation != 0; }

protected:
    ~operation() = default;
};

// Reading, many completions from one submit.
struct read_op : operation {
    // Called in poll() when input is there: fill in up to four slices and return those to use, so that an idle stream
    // pins no buffer. An empty answer pauses the operation (it is no longer submitted) until submit_read() again.
    // An offer may be followed by no completion, when the input proved to be none; the next offer replaces it.
    [[nodiscard]] virtual std::span<io_slice> offer(io_slice (&slices)[4]) noexcept = 0;

    // bytes > 0: that many were filled in, in order; still armed. bytes == 0 or an error: the end, no longer armed.
    // One completion a stream and poll() at most, so that no stream starves the others.
    virtual void complete(io_result result) noexcept = 0;

protected:
    ~read_op() = default;
};

// One gathered write, told once when all of it is with the system or when it failed.
struct write_op : operation {
    // Valid until done, failed or complete(). The reactor moves them forward in place as bytes leave, so they are
    // scratch to the caller afterwards; the bytes they point to are only read.
    io_slice* slices = nullptr;
    std::size_t slice_count = 0;
    std::size_t reactor_written = 0;  // the reactor's

    // `bytes` counts what the system has taken of this operation, on failure too.
    virtual void complete(io_result result) noexcept = 0;

protected:
    ~write_op() = default;
};

// Accepting, many completions from one submit.
struct accept_op : operation {
    // error == 0: `accepted` is open and belongs to the callee. Otherwise `accepted` names nothing, a connection was
    // lost or refused for want of room, and the operation is still armed: nothing needs to be done.
    virtual void complete(stream accepted, const address& peer, int error) noexcept = 0;

protected:
    ~accept_op() = default;
};

// Connecting to the first of `addresses` that answers, in order. A time limit is the caller's: cancel().
struct connect_op : operation {
    std::span<const address> addresses;  // valid until complete() or cancel()
    stream_options options;

    // error == 0: `connected` is open. Otherwise the error of the last address tried.
    virtual void complete(stream connected, int error) noexcept = 0;

protected:
    ~connect_op() = default;
};

// Turning a name into addresses. Numeric hosts are answered without asking anybody; never blocks the drive.
struct resolve_op : operation {
    std::string_view host;  // valid until submit_resolve() returns
    std::uint16_t port = 0;
    address_family family = address_family::none;  // none: both, in the order in which to try them

    // `addresses` is valid during the call only and not empty when error == 0.
    virtual void complete(std::span<const address> addresses, int error) noexcept = 0;

protected:
    ~resolve_op() = default;
};

// Plain numbers of the driver, for reports; they only grow.
struct reactor_counters {
    std::uint64_t polls = 0;
    std::uint64_t waits = 0;  // polls that were ready to sleep
    std::uint64_t completions = 0;
    std::uint64_t reads = 0;
    std::uint64_t bytes_read = 0;
    std::uint64_t writes_resumed = 0;  // writes that met a full socket and were finished by the driver
    std::uint64_t accepted = 0;
    std::uint64_t accepts_no_descriptor = 0;  // turned away because the process has no descriptor left
    std::uint64_t accepts_no_slot = 0;        // turned away because the table is full
    std::uint64_t accept_pauses = 0;
    std::uint64_t stale_events = 0;  // events of streams closed meanwhile, dropped
};

// A poll() with this timeout sleeps until something happens.
inline constexpr std::uint64_t poll_forever = UINT64_MAX;

class reactor {
public:
    reactor() noexcept = default;
    reactor(const reactor&) = delete;
    reactor& operator=(const reactor&) = delete;
    // Closes everything; completes nothing and touches no operation, so they may be gone already.
    virtual ~reactor() = default;

    // --- any thread -------------------------------------------------------------------------------------------------

    // Writes at once what the socket takes. One writer a stream at a time: the caller holds the stream's write duty
    // until done, failed or complete(). done: all was taken. pending: the driver finishes it. failed: `error` is told
    // here and only here. A close meanwhile makes it fail with io_error_stale, or drops it when it was pending.
    [[nodiscard]] virtual io_status submit_write(stream where, write_op& op) noexcept = 0;

    // Half-closes: the partner reads the end of the stream after all that was written. Needs the write duty, like a
    // write, and no write pending. done or failed.
    virtual io_status shutdown_write(stream where) noexcept = 0;

    // Makes the poll() under way, or else the next one, return without sleeping. Costs a system call only when the
    // driver sleeps or the wait handle has been given out, and one at most however many call.
    virtual void wake() noexcept = 0;

    // --- driver -----------------------------------------------------------------------------------------------------

    // Delivers at most `budget` completions (at least 1) and returns how many. timeout_ns == 0 looks and never sleeps;
    // otherwise it sleeps at most that long, only when there is nothing to deliver, and less when the reactor has a
    // deadline of its own or is woken. To sleep safely: poll(0) first, announce the sleep on the drive token, then
    // poll(timeout).
    virtual std::uint32_t poll(std::uint64_t timeout_ns, std::uint32_t budget) noexcept = 0;

    // When poll() has to be called even if nothing happens (absolute, now_ns() time base): 0 when work is left over
    // from the last poll, UINT64_MAX when never.
    [[nodiscard]] virtual std::uint64_t next_deadline_ns() const noexcept = 0;

    // Something a host's loop can wait on: readable or signalled when poll(0) has work (Linux: the epoll descriptor;
    // Windows: a manual-reset event). Never read or reset it. From the first call on, wake() always reaches it.
    [[nodiscard]] virtual std::intptr_t wait_handle() noexcept = 0;

    [[nodiscard]] virtual std::uint32_t stream_count_max() const noexcept = 0;
    [[nodiscard]] virtual const reactor_counters& counters() const noexcept = 0;

    // pending, or failed (stale; another read armed: io_error_bad_argument).
    virtual io_status submit_read(stream where, read_op& op) noexcept = 0;

    // Binds and listens at once. Port 0 lets the system choose: ask local_address(). An IPv6 address accepts IPv6 only.
    // A local address is none of these: local_socket.hpp makes what listens there, and adopt() takes it.
    [[nodiscard]] virtual io_status listen(const address& where, const listen_options& options,
                                           listener& out) noexcept = 0;
    virtual io_status submit_accept(listener where, accept_op& op) noexcept = 0;

    // A connected stream socket, or one that listens, that somebody else has made: handed over on the command line, by
    // the starting process or a predecessor, or of a kind that has no `address`. It is made non-blocking and
    // close-on-exec, belongs to the reactor when done, and is left alone when failed (always, where the system knows
    // no such thing).
    [[nodiscard]] virtual io_status adopt(std::intptr_t, stream&) noexcept {
        return io_status::failed(io_error_bad_argument);
    }
    [[nodiscard]] virtual io_status adopt(std::intptr_t, listener&) noexcept {
        return io_status::failed(io_error_bad_argument);
    }
    // The system's descriptor, which stays the reactor's: to ask who is there, or to copy it for a successor. -1 on a
    // stale name.
    [[nodiscard]] virtual std::intptr_t descriptor(stream) const noexcept { return -1; }
    [[nodiscard]] virtual std::intptr_t descriptor(listener) const noexcept { return -1; }

    // pending, or failed when the table is full or the list is empty.
    virtual io_status submit_connect(connect_op& op) noexcept = 0;
    // pending, or failed.
    virtual io_status submit_resolve(resolve_op& op) noexcept = 0;

    // After cancel() returns, no completion of `op` comes and it may be destroyed or submitted anew. Nothing happens if
    // it is not submitted. A cancelled write may have left partly: only closing the stream makes sense after it. A
    // write_op may be cancelled only while the one who submitted it is not inside submit_write().
    virtual void cancel(read_op& op) noexcept = 0;
    virtual void cancel(write_op& op) noexcept = 0;
    virtual void cancel(accept_op& op) noexcept = 0;
    virtual void cancel(connect_op& op) noexcept = 0;
    virtual void cancel(resolve_op& op) noexcept = 0;

    // Cancels what is submitted on the stream and closes it. What was written and taken is still sent by the system.
    // Harmless on a stale name. Safe against a writer in another thread: the descriptor outlives its visit.
    virtual void close(stream where) noexcept = 0;
    // The same, but cuts: unsent bytes are dropped and the partner sees a reset (on local sockets an end, when it has
    // read all that was sent).
    virtual void reset(stream where) noexcept = 0;
    virtual void close(listener where) noexcept = 0;

    // Empty on a stale name.
    [[nodiscard]] virtual address local_address(stream where) const noexcept = 0;
    [[nodiscard]] virtual address peer_address(stream where) const noexcept = 0;
    [[nodiscard]] virtual address local_address(listener where) const noexcept = 0;
};

}  // namespace colloquy::transport
