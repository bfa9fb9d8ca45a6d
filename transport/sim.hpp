// sim: a network of one thread and virtual time, between logical units that do not know it from a real one.
//
// When to use: tests that want every run to be a function of one 64-bit seed. Bytes are delayed, split, held back and
// lost as TCP may do it, links are reset, starved and found dead; the order of bytes within a link's direction is kept.
// When not: threads. Everything here belongs to the one thread that calls step().
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/engine.hpp"
#include "runtime/session.hpp"

namespace colloquy::transport {

// splitmix64: small, and the same on every platform, which the standard's distributions are not.
class sim_random {
public:
    explicit sim_random(std::uint64_t seed) noexcept : state_{seed} {}

    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9E3779B97F4A7C15ULL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
        return z ^ (z >> 31);
    }
    // 0 to n - 1; n is not 0. The bias of the remainder does not matter here.
    std::uint64_t below(std::uint64_t n) noexcept { return next() % n; }
    std::uint64_t between(std::uint64_t low, std::uint64_t high) noexcept { return low + below(high - low + 1); }
    bool chance(std::uint32_t per_mille) noexcept { return below(1000) < per_mille; }

private:
    std::uint64_t state_;
};

// How the network behaves when nobody interferes.
struct sim_weather {
    std::uint64_t delay_min_ns = 1'000;
    std::uint64_t delay_max_ns = 1'000;
    std::size_t read_bytes_max = 65'536;   // most that one read brings
    std::size_t write_bytes_max = 65'536;  // most that one write takes
    std::size_t pipe_bytes = 1U << 20;     // most that is under way in one direction; a full pipe takes nothing
    std::uint32_t stall = 0;               // per mille of reads after which nothing arrives for a while
    std::uint64_t stall_ns_max = 0;
    std::uint32_t connect_failure = 0;  // per mille
    std::uint32_t connect_at_once = 0;  // per mille: the attempt is answered before it returns
    bool abrupt_close = false;          // a close overtakes what is still under way, as a reset after close() does
};

class sim_network;

// One logical unit on the network.
class sim_unit final : public runtime::host {
public:
    sim_unit(sim_network& network, const runtime::limits& bounds, std::string_view name, std::uint64_t salt);
    // As a process that is killed: its partners learn it as their links end, each in a time of its own.
    ~sim_unit();
    sim_unit(const sim_unit&) = delete;
    sim_unit& operator=(const sim_unit&) = delete;

    // Makes `peer` a partner under its name.
    runtime::partner* know(sim_unit& peer, std::uint32_t links);
    // A partner that was known before lives again, as another.
    void know_again(sim_unit& peer) noexcept;

    runtime::context c;
    runtime::engine engine;
    bool watched = false;             // what the engine is told about waiters on the wait queue
    std::uint64_t refuses_until = 0;  // nobody may connect before
    struct logged {
        bool received;
        std::string text;
    };
    std::vector<logged> log;          // of error reports
    std::uint64_t queue_entries = 0;  // told by wait_queue_filled and not taken yet
    std::uint64_t idle_told = 0;

    // A caller blocks on the operation as a thread does, who sleeps until it is woken.
    void sleep(runtime::conversation_id id, runtime::queue on = runtime::queue::main);
    // The operation has finished: its caller sleeps no more. False: nobody has woken it.
    [[nodiscard]] bool wakes(runtime::conversation_id id, runtime::queue on = runtime::queue::main);
    // The same for who waits at a place of another kind, and stays there.
    void sleep_at(const runtime::spot<>& where) { sleepers_[&where] = false; }
    [[nodiscard]] bool woken_at(const runtime::spot<>& where) const { return sleepers_.at(&where); }
    // Takes an entry from the wait queue as one does who came with a permit. False in `announced`: there is an entry
    // without a permit.
    [[nodiscard]] runtime::engine::collect_result collect_any(runtime::engine::collected& out, bool& announced);

    void write_duty(runtime::context& ctx, runtime::session& s) noexcept override;
    void open_link(runtime::context& ctx, runtime::partner& p, std::uint32_t link) noexcept override;
    void session_ended(runtime::context& ctx, runtime::session& s) noexcept override;
    void wake(runtime::spot<>& where) noexcept override;
    void wait_queue_filled(std::uint32_t count) noexcept override { queue_entries += count; }
    void wait_queue_idle() noexcept override { ++idle_told; }
    bool wait_queue_watched() noexcept override { return watched; }
    void error_log(runtime::conversation_id, bool received, std::uint32_t, std::string_view text) noexcept override {
        log.push_back({received, std::string{text}});
    }
    void operation_outstanding() noexcept override {}
    // Everybody is who they say they are, but for some that is known only later.
    user_check check_user(runtime::context&, runtime::session&, const wire::attach&,
                          runtime::conversation_id id) noexcept override;

private:
    friend class sim_network;
    sim_network& network_;
    std::vector<std::byte> scratch_;
    std::unordered_map<const runtime::spot<>*, bool> sleepers_;  // who was woken
};

class sim_network {
public:
    sim_network(std::uint64_t seed, const sim_weather& weather) : random_{seed}, weather_{weather} {}

    sim_weather& weather() noexcept { return weather_; }
    [[nodiscard]] std::uint64_t now() const noexcept { return now_; }

    // Lets the next thing happen, and time pass until then. False: nothing will ever happen by itself.
    bool step();
    // Nothing is under way: only timers would go off.
    [[nodiscard]] bool quiet() const noexcept { return next_event(false).what == occurrence::nothing; }
    // Until nothing is under way. False: it took more than `steps`.
    bool settle(std::uint64_t steps = 2'000'000);
    // Everything due until then happens.
    void advance(std::uint64_t ns);

    // --- interference. Each names one of the links that are up, or does nothing when there is none. ----------------
    [[nodiscard]] std::size_t links_up() const noexcept;
    // What is under way is lost; the two ends learn it at times of their own.
    void reset(std::size_t link);
    // One direction brings nothing for a while.
    void stall(std::size_t link, std::uint64_t ns);
    // Nothing arrives any more and nobody is told: only heartbeats find out.
    void black_hole(std::size_t link);
    // One end drains the link.
    void drain(std::size_t link);
    // Ends the link in order, as a logical unit does that stops.
    void shut(std::size_t link);
    // One direction ends behind what is under way; the other goes on.
    void half_close(std::size_t link);
    // The same in the middle of what is under way.
    void truncate(std::size_t link);
    // Some bytes that are under way become others; the link is marked, and what its ends complain about does not count.
    // False: nothing was under way.
    [[nodiscard]] bool corrupt(std::size_t link);
    // Resets every link of which bytes were corrupted, by then.
    void end_corrupted(std::uint64_t within_ns);
    // Between whom it is.
    [[nodiscard]] std::pair<const sim_unit*, const sim_unit*> ends_of(std::size_t link) noexcept;
    // Everybody's clock is later at once, as after a sleep of the machine: nothing happened meanwhile.
    void jump(std::uint64_t ns) noexcept { now_ += ns; }

    // When a link last ended at one of its ends, for whatever reason; 0: never.
    [[nodiscard]] std::uint64_t last_loss() const noexcept { return last_loss_; }
    // A link that swallows everything and has not been found dead yet.
    [[nodiscard]] bool black_hole_open() const noexcept;
    // A session ended because somebody broke the protocol: between two engines of ours that is a bug.
    [[nodiscard]] wire::reason worst_reason() const noexcept { return worst_; }

private:
    friend class sim_unit;

    struct parcel {
        std::uint64_t at;
        std::size_t bytes;
    };
    struct pipe {
        std::vector<std::byte> bytes;
        std::size_t head = 0;
        std::deque<parcel> parcels;
        std::uint64_t last_at = 0;
        std::uint64_t stalled_until = 0;
        std::uint64_t finished_at = 0;  // end of the stream; not 0: nothing more comes
        bool swallows = false;

        [[nodiscard]] std::size_t size() const noexcept { return bytes.size() - head; }
        void clear() {
            bytes.clear();
            head = 0;
            parcels.clear();
        }
    };
    struct end {
        sim_unit* owner = nullptr;
        runtime::session* session = nullptr;  // null: this end is closed
        end* other = nullptr;
        pipe in;
        bool duty = false;
        bool ended = false;  // the session said so
        bool corrupted = false;
        std::uint64_t write_at = 0;
        std::uint64_t reset_at = 0;  // not 0: the connection fails here then
        runtime::slice slices[64];
        std::size_t slice_count = 0, slice = 0, offset = 0;
    };
    struct link {
        end a, b;
    };
    struct attempt {
        std::uint64_t at;
        sim_unit* from;
        runtime::partner* to;
        std::uint32_t index;
        bool failed;  // the partner's entry is only told that its link has failed
    };
    // A user whom somebody is still looking up.
    struct question {
        std::uint64_t at;
        sim_unit* unit;
        runtime::conversation_id id;
    };
    enum class occurrence : std::uint8_t { nothing, connect, fail, write, read, finish, close, timer, verdict };
    struct event {
        std::uint64_t at = UINT64_MAX;
        occurrence what = occurrence::nothing;
        std::size_t index = 0;
        end* where = nullptr;
    };

    [[nodiscard]] event next_event(bool timers) const noexcept;
    void happen(const event& e);
    void connect(const attempt& a, runtime::context& ctx);
    void write(end& e);
    void read(end& e);
    void lost(end& e);
    void close(end& e);
    [[nodiscard]] std::size_t room(const end& e) const noexcept;
    [[nodiscard]] link* nth_up(std::size_t n) noexcept;
    [[nodiscard]] end* an_end(std::size_t link) noexcept;
    void gone(sim_unit& u);
    std::uint64_t delay() noexcept { return random_.between(weather_.delay_min_ns, weather_.delay_max_ns); }

    sim_random random_;
    sim_weather weather_;
    std::uint64_t now_ = 1'000'000;
    std::uint64_t last_loss_ = 0;
    wire::reason worst_ = wire::reason::none;
    std::deque<std::unique_ptr<link>> links_;
    std::vector<attempt> attempts_;
    std::vector<question> questions_;
    std::vector<sim_unit*> units_;
};

}  // namespace colloquy::transport
