// drive: one reactor and all that is driven with it: links, listeners, connection attempts, time.
//
// Whoever holds the drive token calls run(); what is marked "driver" is the holder's alone. Any thread may write a
// link's output for which it holds the write duty, and may leave work behind and ring().
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/drive_token.hpp"
#include "runtime/engine.hpp"
#include "runtime/pile.hpp"
#include "runtime/shard_lease.hpp"
#include "runtime/timer_wheel.hpp"
#include "transport/address.hpp"
#include "transport/byte_filter.hpp"
#include "transport/platform.hpp"
#include "transport/reactor.hpp"

namespace colloquy::transport {

class drive;
class tls_context;

// A session and the bytes below it: a TCP stream, or the other end in the same process.
class link final {
public:
    explicit link(runtime::session& s) noexcept;
    link(const link&) = delete;
    link& operator=(const link&) = delete;

    [[nodiscard]] runtime::session& session() noexcept { return session_; }
    [[nodiscard]] drive& driven_by() const noexcept { return *drive_.load_acquire(); }
    // What changes its bytes, if anything does, and where it was called; the driver's.
    [[nodiscard]] byte_filter* filter() const noexcept { return filter_.get(); }
    [[nodiscard]] const std::string& called() const noexcept { return called_; }

    link* next = nullptr;  // in the pile of links whose write duty is parked; belongs to the holder of the duty

private:
    friend class drive;

    struct reading final : read_op {
        link& of;
        explicit reading(link& l) noexcept : of{l} {}
        std::span<io_slice> offer(io_slice (&slices)[4]) noexcept override;
        void complete(io_result result) noexcept override;
    };
    struct writing final : write_op {
        link& of;
        explicit writing(link& l) noexcept : of{l} {}
        void complete(io_result result) noexcept override;
    };
    struct alarm final : runtime::timer {
        link* of = nullptr;
    };
    // Names the link in a second pile: it needs a look by the driver.
    struct note {
        note* next = nullptr;
        link* of = nullptr;
    };
    static constexpr std::size_t slice_max = 24;

    runtime::session& session_;
    runtime::atom<drive*> drive_;  // of this life; release[link-drive] acquire[link-drive]
    stream stream_;
    reading read_{*this};
    writing write_{*this};
    io_slice slices_[slice_max];
    alarm timer_;

    // Of an encrypted link, which its driver alone writes.
    std::unique_ptr<byte_filter> filter_;
    std::vector<std::byte> sealed_;  // on its way
    std::string called_;             // the host that was called
    bool owed_ = false;              // the write duty is the driver's until all is written

    link* peer_ = nullptr;                  // the other end of an in-process link
    runtime::pile<runtime::buffer> inbox_;  // frames from it
    note note_;
    runtime::atom<std::uint32_t> noted_;   // it stands in the drive's notes
    runtime::atom<std::uint32_t> broken_;  // a writer met an error
    bool ended_ = false;                   // driver: the session is over
    bool half_closed_ = false;             // driver: our direction is closed, the partner's is read to its end
    bool read_end_ = false;                // driver: the partner has closed its direction
    bool closed_ = true;                   // driver: nothing is left of it
};

struct drive_options {
    std::uint32_t streams = 16'384;
    std::uint32_t connect_ms = 10'000;
    std::uint32_t linger_ms = 1'000;  // how long a closing link waits for the partner's end
    // How long a wait looks again and again before it sleeps, which keeps a processor busy; 0: it sleeps at once.
    std::uint32_t busy_poll_us = 0;
    bool reuse_port = false;
    unsigned socket_mode = 0600;  // permissions of the files of local sockets that listen
    bool local_links = false;     // callers of a loopback address try the local socket beside it first
    tls_context* tls = nullptr;   // outlives the drive; null: no link is encrypted
};

// Decides about a program that has connected to an attach manager.
class admission {
public:
    // 0: it is turned away; else the number by which it is known. The descriptor is only to be looked at.
    [[nodiscard]] virtual std::uint64_t admit(std::intptr_t descriptor) noexcept = 0;
    // No link came of it after all, and it was closed.
    virtual void missed(std::uint64_t program) noexcept = 0;

protected:
    ~admission() = default;
};

class drive {
public:
    // Something for the driver to do once.
    struct task {
        task* next = nullptr;
        task() noexcept = default;
        task(const task&) = delete;
        task& operator=(const task&) = delete;
        virtual ~task() = default;
        virtual void run(drive& d) noexcept = 0;
    };

    // `links` has room for every session of the engine and is shared by its drives. Throws std::runtime_error when the
    // system refuses.
    drive(runtime::engine& e, std::span<runtime::atom<link*>> links, std::uint32_t index, const drive_options& options,
          std::unique_ptr<reactor> io);
    ~drive();
    drive(const drive&) = delete;
    drive& operator=(const drive&) = delete;

    // --- any thread --------------------------------------------------------------------------------------------------
    runtime::drive_token<> token;

    // Writes what the link has, as the holder of its write duty: until it is empty (the duty is given up), until the
    // connection takes no more (the driver goes on), or until `most` bytes have left and `again` is set: the caller
    // still has the duty and parks it.
    void write(runtime::context& c, link& l, std::size_t most, bool& again) noexcept;
    // Opens a link to `where` for the partner. The strings are copied.
    void open(runtime::partner& p, std::uint32_t which, std::vector<endpoint> where);
    // Opens a link whose both ends are here.
    void open_in_process(runtime::partner& p, std::uint32_t which);
    // The conversation's deadline is set: it is looked at when it has come.
    void watch(runtime::conversation& v) noexcept;
    // Carried out by the driver, in the order of posting; dropped when the drive ends before.
    void post(std::unique_ptr<task> t) noexcept;
    // Every link is drained: its partner is told that no new conversations come, and it ends with the last one.
    void drain_when_driven() noexcept { drain_wanted_.store_release(1); }
    // Work was left: somebody who drives looks. True: nobody drives.
    bool ring() noexcept;
    [[nodiscard]] std::uint32_t links_open() const noexcept { return links_open_.load_relaxed(); }

    // --- driver ------------------------------------------------------------------------------------------------------
    // Carries on what was left for the driver, without asking the system for events.
    void pass() noexcept;
    // A hint: pass() has something to do.
    [[nodiscard]] bool approx_work() const noexcept {
        return !notes_.approx_empty() || !attempts_.approx_empty() || !dirty.approx_empty() ||
               !to_watch_.approx_empty() || !tasks_.approx_empty();
    }
    // Carries on all that is ready and never waits.
    void run() noexcept;
    // The same, and if there is nothing it waits: at most until `deadline_ns`. `alone`: the wait also ends when
    // somebody else wants the drive. `done` says whether what the caller waits for has come: asked after posted work
    // was taken, so that whoever does it and rings is either seen by it or ends the wait.
    template <class Done>
    void wait(std::uint64_t deadline_ns, bool alone, Done&& done) noexcept {
        const bool news = begin_wait();
        if (!done()) end_wait(deadline_ns, alone, news);
        context.driving = false;
    }
    // When run() has to be called again even if nothing happens.
    [[nodiscard]] std::uint64_t next_deadline_ns() noexcept;
    [[nodiscard]] reactor& io() noexcept { return *reactor_; }
    runtime::context context;  // of whoever drives
    // Listens; `where` receives the address with the port chosen. Empty: it does; otherwise the reason.
    std::string listen(const endpoint& where, address& chosen);
    // Callers of this machine find the local socket beside `tcp`, too (address::nearby); null: it is made. The socket,
    // or -1: somebody else has that name, and they come by TCP.
    std::intptr_t listen_nearby(const address& tcp, std::intptr_t also) noexcept;
    // The same on a socket that listens already. `programs`: an attach manager's, where `gate` lets programs in.
    // `meant`: what the configuration says of addresses; encrypted are those that it does not want plain.
    std::string listen(std::intptr_t descriptor, std::span<const endpoint> meant, admission* gate, address& chosen);
    // A link on a socket that is connected: to the program of that number at a manager, to the manager at a program.
    // Null with `error`: the descriptor is no such socket and was left alone, or there is no room and it is closed.
    runtime::session* adopt(std::intptr_t descriptor, runtime::link_role role, std::uint64_t program,
                            std::string& error);
    // Of the listeners, for copies; `programs`: of the manager's own.
    [[nodiscard]] std::vector<std::intptr_t> listening_on(bool programs) const;
    // `handed_on`: somebody else has copies of the listeners and keeps their files.
    void stop_listening(bool handed_on = false) noexcept;
    // The session's deadline has changed outside of its own input.
    void touched(runtime::session& s) noexcept { note(link_of(s)); }
    // Who is at the other end of the link, as far as one can tell: by his address, or on a local socket by his user.
    struct peer {
        std::string text;
        std::string key;  // for all that come from there (address::network)
    };
    [[nodiscard]] peer peer_of(const link& l) const;
    // A timer of the host's.
    void arm(runtime::timer& t, std::uint64_t when) noexcept;
    void disarm(runtime::timer& t) noexcept { (void)wheel_.cancel(t); }
    void session_ended(runtime::session& s) noexcept;
    // Every link is closed when what it has queued is written. True: all are closed.
    bool close_links() noexcept;
    // In the child of a fork: the descriptors are closed, nothing else is touched and nothing may be called any more.
    void close_descriptors() noexcept { reactor_.reset(); }
    // Links whose write duty was given to the driver's context while it ran.
    runtime::pile<link> dirty;

private:
    friend class link;
    struct accepting;
    struct attempt;
    // One for each slot. A deadline that moved away stays in the wheel until it expires and is then looked at again,
    // so that an operation that finishes in time costs one store.
    struct watch_node {
        struct alarm final : runtime::timer {
            watch_node* owner = nullptr;
        };
        watch_node* next = nullptr;  // among those to be armed
        alarm timer;
        runtime::conversation* of = nullptr;
        drive* by = nullptr;
        runtime::atom<std::uint32_t> listed;  // among those to be armed
        runtime::atom<std::uint64_t> armed;   // when the timer expires; 0: it does not run
    };
    std::string listen_locally(const endpoint& where, address& chosen);
    [[nodiscard]] bool begin_wait() noexcept;
    [[nodiscard]] bool look_around(std::uint64_t deadline_ns) noexcept;
    void end_wait(std::uint64_t deadline_ns, bool alone, bool news) noexcept;
    void drain_links() noexcept;
    void arm(watch_node& n) noexcept;
    void came(watch_node& n) noexcept;

    link& link_of(runtime::session& s) noexcept;
    runtime::session* begin(stream s, runtime::partner* p, std::uint32_t which,
                            runtime::link_role role = runtime::link_role::ordinary, std::uint64_t program = 0,
                            std::unique_ptr<byte_filter> filter = {}, const std::string& called = {}) noexcept;
    void begin_in_process(runtime::partner& p, std::uint32_t which) noexcept;
    bool settle() noexcept;
    void note(link& l) noexcept;
    void look(link& l) noexcept;
    void settle_timer(link& l) noexcept;
    void finish(link& l) noexcept;
    void close_link(link& l) noexcept;
    void read_done(link& l, io_result result) noexcept;
    void write_done(link& l, io_result result) noexcept;
    void read_sealed(link& l, std::size_t bytes) noexcept;
    void write_sealed(link& l) noexcept;
    void last_words(link& l) noexcept;
    void expired(link& l) noexcept;
    void forget(attempt& a) noexcept;
    void resolve_more() noexcept;

    runtime::engine& engine_;
    std::span<runtime::atom<link*>> links_;
    const drive_options options_;
    std::unique_ptr<reactor> reactor_;
    runtime::timer_wheel wheel_;
    // The time of this pass. What a poll delivers after it slept must not be dated from before the sleep.
    [[nodiscard]] std::uint64_t now() noexcept {
        if (slept_) now_ = now_ns();
        slept_ = false;
        return now_;
    }
    const runtime::shard_lease counts_;
    std::uint64_t now_;
    bool slept_ = false;
    std::vector<std::byte> scratch_;
    std::vector<std::byte> raw_;    // where encrypted links are read to
    std::vector<std::byte> spare_;  // memory for what one write of an encrypted link becomes
    runtime::pile<link::note> notes_;
    runtime::pile<attempt> attempts_;                        // to be begun
    std::unique_ptr<runtime::atom<watch_node*>[]> watches_;  // by slot, made when first needed
    runtime::pile<watch_node> to_watch_;
    runtime::pile<task> tasks_;
    attempt* trying_ = nullptr;     // under way
    std::uint32_t unresolved_ = 0;  // those of them that wait for the resolver
    std::vector<std::unique_ptr<accepting>> listeners_;
    runtime::atom<std::uint32_t> links_open_;
    runtime::atom<std::uint32_t> drain_wanted_;
};

}  // namespace colloquy::transport
