// faulty: a reactor over another reactor that makes the network behave badly, from a seed.
//
// When to use: tests run the same suites over {epoll} and {faulty(epoll)}. Everything it does could happen on a real
// network; what is not lossy (short reads and writes, delays, spurious wakes, stalls) must not change any outcome.
// It allocates and locks where it likes: it is for tests, and hides no race of the reactor below, which runs alone too.
// Lossy faults (reset, half_close) hit only streams chosen by inject() or by a chance given in the options.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/atom.hpp"
#include "transport/reactor.hpp"

namespace colloquy::transport {

enum fault : std::uint32_t {
    fault_short_read = 1u << 0,     // a read brings fewer bytes than offered room
    fault_short_write = 1u << 1,    // a write is taken in pieces, the rest later by the driver
    fault_delay = 1u << 2,          // readiness is held back until the next poll
    fault_spurious_wake = 1u << 3,  // poll returns early with nothing
    fault_stall = 1u << 4,          // a stream delivers nothing for many polls
    fault_reset = 1u << 5,          // the connection is cut
    fault_half_close = 1u << 6,     // the end of the stream comes early
};
inline constexpr std::uint32_t faults_lossless =
    fault_short_read | fault_short_write | fault_delay | fault_spurious_wake | fault_stall;

struct fault_options {
    std::uint64_t seed = 1;
    std::uint32_t mask = faults_lossless;
    std::uint32_t chance_percent = 50;  // of short reads and writes, delays and spurious wakes, each time
    std::uint32_t stall_per_mille = 5;  // of a stall, each read
    std::uint32_t stall_polls_max = 64;
    std::uint32_t lossy_per_mille = 0;  // of a reset or half close, each read
};

class faulty_reactor final : public reactor {
public:
    // `inner` must outlive this and be driven through this only.
    faulty_reactor(reactor& inner, const fault_options& options);
    ~faulty_reactor() override;

    // Strikes one stream now, whatever the mask says: reset, half_close, or stall (for good, until unstall()). Driver.
    void inject(stream where, fault what) noexcept;
    void unstall(stream where) noexcept;

    [[nodiscard]] io_status submit_write(stream where, write_op& op) noexcept override;
    io_status shutdown_write(stream where) noexcept override;
    void wake() noexcept override;
    std::uint32_t poll(std::uint64_t timeout_ns, std::uint32_t budget) noexcept override;
    [[nodiscard]] std::uint64_t next_deadline_ns() const noexcept override;
    [[nodiscard]] std::intptr_t wait_handle() noexcept override;
    [[nodiscard]] std::uint32_t stream_count_max() const noexcept override;
    [[nodiscard]] const reactor_counters& counters() const noexcept override;
    io_status submit_read(stream where, read_op& op) noexcept override;
    [[nodiscard]] io_status listen(const address& where, const listen_options& options,
                                   listener& out) noexcept override;
    [[nodiscard]] io_status adopt(std::intptr_t descriptor, listener& out) noexcept override {
        return inner_.adopt(descriptor, out);
    }
    using reactor::adopt;  // streams that were not accepted or connected here have no lane
    io_status submit_accept(listener where, accept_op& op) noexcept override;
    io_status submit_connect(connect_op& op) noexcept override;
    io_status submit_resolve(resolve_op& op) noexcept override;
    void cancel(read_op& op) noexcept override;
    void cancel(write_op& op) noexcept override;
    void cancel(accept_op& op) noexcept override;
    void cancel(connect_op& op) noexcept override;
    void cancel(resolve_op& op) noexcept override;
    void close(stream where) noexcept override;
    void reset(stream where) noexcept override;
    void close(listener where) noexcept override;
    [[nodiscard]] address local_address(stream where) const noexcept override;
    [[nodiscard]] address peer_address(stream where) const noexcept override;
    [[nodiscard]] address local_address(listener where) const noexcept override;

private:
    struct lane;
    struct accept_relay;
    struct connect_relay;

    [[nodiscard]] bool chance(std::uint32_t bit, std::uint32_t per_mille) noexcept;
    lane* lane_of(stream where) noexcept;
    void open_lane(stream where) noexcept;
    void clear_lane(lane& l) noexcept;
    std::uint32_t look_at_lane(lane& l) noexcept;

    reactor& inner_;
    fault_options options_;
    std::unique_ptr<lane[]> lanes_;  // one per stream slot of `inner_`
    std::vector<std::unique_ptr<accept_relay>> accepts_;
    std::vector<std::unique_ptr<connect_relay>> connects_;
    std::uint64_t random_;                    // the driver's
    runtime::atom<std::uint32_t> held_back_;  // set when a lane wants to be looked at by the next poll
    bool lanes_wait_ = false;                 // the last look left lanes to look at again
};

}  // namespace colloquy::transport
