// faulty: each stream slot has a lane that stands between the submitter's operations and the inner reactor.
//
// A lane's writer side is under its mutex, for a writer may be in any thread; its reader side is the driver's.
#include "transport/faulty.hpp"

#include <algorithm>
#include <mutex>

#include "transport/system_error.hpp"

namespace colloquy::transport {

namespace {

std::uint64_t next_random(std::uint64_t& state) noexcept {
    // splitmix64: small, and any seed is a good one.
    state += 0x9E3779B97F4A7C15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

// Between 1 and `most`, small and large sizes equally often, so that both corners and progress are had.
std::size_t random_size(std::uint64_t& state, std::size_t most) noexcept {
    const std::uint64_t bits = next_random(state);
    const std::size_t scale = std::size_t{1} << (bits % 18);
    const std::size_t limit = std::min(scale, most);
    return 1 + static_cast<std::size_t>((bits >> 8) % limit);
}

constexpr std::uint32_t stall_for_good = UINT32_MAX;

}  // namespace

struct faulty_reactor::lane {
    struct relay_read final : read_op {
        lane* home = nullptr;
        std::span<io_slice> offer(io_slice (&slices)[4]) noexcept override { return home->on_offer(slices); }
        void complete(io_result result) noexcept override { home->on_read(result); }
    };
    struct relay_write final : write_op {
        lane* home = nullptr;
        void complete(io_result result) noexcept override { home->on_write(result); }
    };

    faulty_reactor* owner = nullptr;

    // Under the mutex.
    std::mutex guard;
    stream name;
    write_op* writer = nullptr;  // the submitter's
    relay_write inner_write;
    io_slice piece_slices[8];
    std::uint64_t random = 0;
    bool write_parked = false;  // the rest of the write waits for poll()
    bool cut = false;

    // The driver's.
    read_op* reader = nullptr;  // the submitter's
    relay_read inner_read;
    std::uint32_t hold_polls = 0;  // readiness is held back that many polls
    bool held_once = false;        // the next offer is not held back again
    bool end_injected = false;

    std::span<io_slice> on_offer(io_slice (&slices)[4]) noexcept;
    void on_read(io_result result) noexcept;
    void on_write(io_result result) noexcept;
    io_status advance() noexcept;
    void strike(fault what) noexcept;
};

struct faulty_reactor::accept_relay final : accept_op {
    faulty_reactor* owner = nullptr;
    accept_op* op = nullptr;
    void complete(stream accepted, const address& peer, int error) noexcept override {
        if (accepted) {
            owner->open_lane(accepted);
        }
        op->complete(accepted, peer, error);
    }
};

struct faulty_reactor::connect_relay final : connect_op {
    faulty_reactor* owner = nullptr;
    connect_op* op = nullptr;
    void complete(stream connected, int error) noexcept override {
        if (connected) {
            owner->open_lane(connected);
        }
        connect_op* const told = op;
        op = nullptr;  // free for the next connect
        told->reactor_generation = 0;
        told->complete(connected, error);
    }
};

faulty_reactor::faulty_reactor(reactor& inner, const fault_options& options)
    : inner_{inner}, options_{options}, lanes_{new lane[inner.stream_count_max()]}, random_{options.seed} {
    for (std::uint32_t i = 0; i < inner_.stream_count_max(); ++i) {
        lane& l = lanes_[i];
        l.owner = this;
        l.inner_read.home = &l;
        l.inner_write.home = &l;
    }
}

faulty_reactor::~faulty_reactor() {
    // `inner_` goes on living and must not keep our relays.
    for (std::uint32_t i = 0; i < inner_.stream_count_max(); ++i) {
        inner_.close(lanes_[i].name);
    }
    for (const auto& relay : accepts_) {
        inner_.cancel(*relay);
    }
    for (const auto& relay : connects_) {
        inner_.cancel(*relay);
    }
}

bool faulty_reactor::chance(std::uint32_t bit, std::uint32_t per_mille) noexcept {
    return (options_.mask & bit) != 0 && next_random(random_) % 1000 < per_mille;
}

faulty_reactor::lane* faulty_reactor::lane_of(stream where) noexcept {
    return where && where.index < inner_.stream_count_max() ? &lanes_[where.index] : nullptr;
}

void faulty_reactor::open_lane(stream where) noexcept {
    lane& l = lanes_[where.index];
    const std::lock_guard hold{l.guard};
    l.name = where;
    l.random = next_random(random_);
    l.cut = false;
    l.hold_polls = 0;
    l.held_once = false;
    l.end_injected = false;
}

void faulty_reactor::clear_lane(lane& l) noexcept {
    const std::lock_guard hold{l.guard};
    if (l.reader != nullptr) {
        l.reader->reactor_generation = 0;
        l.reader = nullptr;
    }
    if (l.writer != nullptr) {
        l.writer->reactor_generation = 0;
        l.writer = nullptr;
    }
    l.write_parked = false;
    l.hold_polls = 0;
    l.name = {};
}

// --- writing --------------------------------------------------------------------------------------------------------

// Goes on with the submitter's write, in pieces. Under the mutex.
io_status faulty_reactor::lane::advance() noexcept {
    const fault_options& options = owner->options_;
    for (;;) {
        while (writer->slice_count != 0 && writer->slices->size == 0) {
            ++writer->slices;
            --writer->slice_count;
        }
        if (writer->slice_count == 0) {
            writer = nullptr;
            return io_status::done();
        }
        const bool shorten =
            (options.mask & fault_short_write) != 0 && next_random(random) % 100 < options.chance_percent;
        std::size_t left = shorten ? random_size(random, 1u << 18) : SIZE_MAX;
        std::size_t count = 0;
        for (; count < std::min(std::size(piece_slices), writer->slice_count) && left != 0; ++count) {
            const io_slice& whole = writer->slices[count];
            piece_slices[count] = {whole.data, std::min(left, whole.size)};
            left -= piece_slices[count].size;
        }
        inner_write.slices = piece_slices;
        inner_write.slice_count = count;
        const io_status status = owner->inner_.submit_write(name, inner_write);
        if (status.is_pending()) {
            return status;
        }
        std::size_t bytes = inner_write.reactor_written;
        writer->reactor_written += bytes;
        while (bytes != 0) {
            const std::size_t step = std::min(bytes, writer->slices->size);
            writer->slices->data += step;
            writer->slices->size -= step;
            bytes -= step;
            if (writer->slices->size == 0) {
                ++writer->slices;
                --writer->slice_count;
            }
        }
        if (status.is_failed()) {
            writer = nullptr;
            return status;
        }
        if (shorten && writer->slice_count != 0 && next_random(random) % 2 == 0) {
            write_parked = true;
            // release[fault-held]: pairs with poll(), which then takes the mutex of every lane anyway.
            owner->held_back_.exchange_release(1);
            owner->inner_.wake();
            return io_status::pending();
        }
    }
}

// The inner reactor has finished a piece that was pending. On the driver.
void faulty_reactor::lane::on_write(io_result result) noexcept {
    write_op* told = nullptr;
    io_status status = io_status::failed(result.error);
    {
        const std::lock_guard hold{guard};
        if (writer == nullptr) {
            return;
        }
        told = writer;
        std::size_t bytes = result.bytes;
        writer->reactor_written += bytes;
        while (bytes != 0) {
            const std::size_t step = std::min(bytes, writer->slices->size);
            writer->slices->data += step;
            writer->slices->size -= step;
            bytes -= step;
            if (writer->slices->size == 0) {
                ++writer->slices;
                --writer->slice_count;
            }
        }
        if (result.error == 0) {
            status = advance();
        } else {
            writer = nullptr;
        }
        if (status.is_pending()) {
            return;
        }
        told->reactor_generation = 0;
    }
    told->complete({told->reactor_written, status.error});
}

io_status faulty_reactor::submit_write(stream where, write_op& op) noexcept {
    lane* const l = lane_of(where);
    if (l == nullptr) {
        return io_status::failed(io_error_stale);
    }
    const std::lock_guard hold{l->guard};
    if (l->name != where) {
        return io_status::failed(io_error_stale);
    }
    if (l->cut) {
        return io_status::failed(error_of_cut());
    }
    if (l->writer != nullptr) {
        return io_status::failed(io_error_bad_argument);
    }
    op.reactor_written = 0;
    op.reactor_index = where.index;
    op.reactor_generation = where.generation;
    l->writer = &op;
    const io_status status = l->advance();
    if (!status.is_pending()) {
        op.reactor_generation = 0;
    }
    return status;
}

io_status faulty_reactor::shutdown_write(stream where) noexcept {
    lane* const l = lane_of(where);
    if (l == nullptr) {
        return io_status::failed(io_error_stale);
    }
    const std::lock_guard hold{l->guard};
    if (l->name != where) {
        return io_status::failed(io_error_stale);
    }
    if (l->writer != nullptr) {
        return io_status::failed(io_error_bad_argument);
    }
    return l->cut ? io_status::failed(error_of_cut()) : inner_.shutdown_write(where);
}

// --- reading --------------------------------------------------------------------------------------------------------

std::span<io_slice> faulty_reactor::lane::on_offer(io_slice (&slices)[4]) noexcept {
    faulty_reactor& f = *owner;
    const fault_options& options = f.options_;
    if (reader == nullptr) {
        return {};
    }
    if (!held_once && hold_polls == 0) {
        if (f.chance(fault_stall, options.stall_per_mille)) {
            hold_polls = 1 + static_cast<std::uint32_t>(next_random(f.random_) % options.stall_polls_max);
        } else if (f.chance(fault_delay, options.chance_percent * 10)) {
            hold_polls = 1;
        }
    }
    if (f.chance(fault_reset, options.lossy_per_mille)) {
        strike(fault_reset);
    } else if (f.chance(fault_half_close, options.lossy_per_mille)) {
        strike(fault_half_close);
    }
    if (hold_polls != 0 || cut || end_injected) {
        f.lanes_wait_ = true;
        return {};  // pauses the inner read; poll() submits it again
    }
    held_once = false;

    std::span<io_slice> offered = reader->offer(slices);
    std::size_t room = 0;
    for (const io_slice& s : offered) {
        room += s.size;
    }
    if (room == 0) {
        reader->reactor_generation = 0;
        reader = nullptr;
        return {};
    }
    if (f.chance(fault_short_read, options.chance_percent * 10)) {
        std::size_t left = random_size(f.random_, room);
        for (io_slice& s : offered) {
            s.size = std::min(s.size, left);
            left -= s.size;
        }
    }
    return offered;
}

void faulty_reactor::lane::on_read(io_result result) noexcept {
    read_op* const told = reader;
    if (result.bytes == 0) {
        reader = nullptr;
        told->reactor_generation = 0;
    }
    told->complete(result);
}

io_status faulty_reactor::submit_read(stream where, read_op& op) noexcept {
    lane* const l = lane_of(where);
    if (l == nullptr || l->name != where) {
        return io_status::failed(io_error_stale);
    }
    if (l->reader != nullptr || op.submitted()) {
        return io_status::failed(io_error_bad_argument);
    }
    if (l->hold_polls == 0 && !l->cut && !l->end_injected && !l->inner_read.submitted()) {
        const io_status status = inner_.submit_read(where, l->inner_read);
        if (status.is_failed()) {
            return status;
        }
    } else {
        lanes_wait_ = true;
    }
    l->reader = &op;
    op.reactor_index = where.index;
    op.reactor_generation = where.generation;
    return io_status::pending();
}

// --- striking -------------------------------------------------------------------------------------------------------

void faulty_reactor::lane::strike(fault what) noexcept {
    if (what == fault_stall) {
        hold_polls = stall_for_good;
        return;
    }
    if (what == fault_half_close) {
        end_injected = true;
        return;
    }
    // The submitter hears of the reset at the next poll; the partner, when the submitter closes.
    const std::lock_guard hold{guard};
    cut = true;
    owner->inner_.cancel(inner_write);
}

void faulty_reactor::inject(stream where, fault what) noexcept {
    lane* const l = lane_of(where);
    if (l != nullptr && l->name == where) {
        l->strike(what);
        lanes_wait_ = true;
    }
}

void faulty_reactor::unstall(stream where) noexcept {
    lane* const l = lane_of(where);
    if (l != nullptr && l->name == where) {
        l->hold_polls = l->hold_polls == 0 ? 0 : 1;
        lanes_wait_ = true;
    }
}

// --- poll -----------------------------------------------------------------------------------------------------------

// Carries on what was held back on one lane; how many completions came of it.
std::uint32_t faulty_reactor::look_at_lane(lane& l) noexcept {
    const stream name = l.name;
    std::uint32_t delivered = 0;
    write_op* told = nullptr;
    io_status status;
    {
        const std::lock_guard hold{l.guard};
        if (l.writer != nullptr && l.cut) {
            told = l.writer;
            l.writer = nullptr;
            l.write_parked = false;
            status = io_status::failed(error_of_cut());
        } else if (l.write_parked) {
            l.write_parked = false;
            write_op* const op = l.writer;
            status = l.advance();
            told = status.is_pending() ? nullptr : op;
        }
        if (told != nullptr) {
            told->reactor_generation = 0;
        }
    }
    if (told != nullptr) {
        ++delivered;
        told->complete({told->reactor_written, status.error});
    }
    if (l.name != name) {
        return delivered;  // closed by the completion
    }
    if (l.cut || l.end_injected) {
        inner_.cancel(l.inner_read);
        if (read_op* const reader = l.reader; reader != nullptr) {
            l.reader = nullptr;
            reader->reactor_generation = 0;
            ++delivered;
            reader->complete({0, l.cut ? error_of_cut() : 0});
        }
        return delivered;
    }
    if (l.hold_polls == stall_for_good) {
        return delivered;
    }
    if (l.hold_polls != 0) {
        --l.hold_polls;
        l.held_once = true;
    }
    if (l.hold_polls != 0) {
        lanes_wait_ = true;
    } else if (l.reader != nullptr && !l.inner_read.submitted()) {
        (void)inner_.submit_read(name, l.inner_read);
    }
    return delivered;
}

std::uint32_t faulty_reactor::poll(std::uint64_t timeout_ns, std::uint32_t budget) noexcept {
    if (chance(fault_spurious_wake, options_.chance_percent * 10 / 4)) {
        return 0;
    }
    // acquire[fault-held]: pairs with lane::advance().
    const bool look = held_back_.exchange_acquire(0) != 0 || lanes_wait_;
    std::uint32_t delivered = 0;
    if (look) {
        lanes_wait_ = false;
        for (std::uint32_t i = 0; i < inner_.stream_count_max(); ++i) {
            if (!lanes_[i].name) {
                continue;
            }
            if (delivered >= budget) {
                lanes_wait_ = true;
                break;
            }
            delivered += look_at_lane(lanes_[i]);
        }
    }
    if (delivered >= budget) {
        return delivered;
    }
    const bool hurry = delivered != 0 || lanes_wait_ || held_back_.load_relaxed() != 0;
    return delivered + inner_.poll(hurry ? 0 : timeout_ns, budget - delivered);
}

std::uint64_t faulty_reactor::next_deadline_ns() const noexcept {
    return lanes_wait_ || held_back_.load_relaxed() != 0 ? 0 : inner_.next_deadline_ns();
}

// --- handed through -------------------------------------------------------------------------------------------------

void faulty_reactor::wake() noexcept { inner_.wake(); }
std::intptr_t faulty_reactor::wait_handle() noexcept { return inner_.wait_handle(); }
std::uint32_t faulty_reactor::stream_count_max() const noexcept { return inner_.stream_count_max(); }
const reactor_counters& faulty_reactor::counters() const noexcept { return inner_.counters(); }

io_status faulty_reactor::listen(const address& where, const listen_options& options, listener& out) noexcept {
    return inner_.listen(where, options, out);
}

io_status faulty_reactor::submit_accept(listener where, accept_op& op) noexcept {
    if (op.submitted()) {
        return io_status::failed(io_error_bad_argument);
    }
    accept_relay* relay = nullptr;
    for (const auto& r : accepts_) {
        if (!r->submitted()) {
            relay = r.get();
        }
    }
    if (relay == nullptr) {
        relay = accepts_.emplace_back(std::make_unique<accept_relay>()).get();
        relay->owner = this;
    }
    const io_status status = inner_.submit_accept(where, *relay);
    if (!status.is_failed()) {
        relay->op = &op;
        op.reactor_index = where.index;
        op.reactor_generation = where.generation;
    }
    return status;
}

io_status faulty_reactor::submit_connect(connect_op& op) noexcept {
    if (op.submitted()) {
        return io_status::failed(io_error_bad_argument);
    }
    connect_relay* relay = nullptr;
    for (const auto& r : connects_) {
        if (!r->submitted() && r->op == nullptr) {
            relay = r.get();
        }
    }
    if (relay == nullptr) {
        relay = connects_.emplace_back(std::make_unique<connect_relay>()).get();
        relay->owner = this;
    }
    relay->addresses = op.addresses;
    relay->options = op.options;
    const io_status status = inner_.submit_connect(*relay);
    if (!status.is_failed()) {
        relay->op = &op;
        op.reactor_generation = 1;
    }
    return status;
}

io_status faulty_reactor::submit_resolve(resolve_op& op) noexcept { return inner_.submit_resolve(op); }

void faulty_reactor::cancel(read_op& op) noexcept {
    if (op.submitted()) {
        lane& l = lanes_[op.reactor_index];
        op.reactor_generation = 0;
        l.reader = nullptr;
        inner_.cancel(l.inner_read);
    }
}

void faulty_reactor::cancel(write_op& op) noexcept {
    if (op.submitted()) {
        lane& l = lanes_[op.reactor_index];
        const std::lock_guard hold{l.guard};
        op.reactor_generation = 0;
        l.writer = nullptr;
        l.write_parked = false;
        inner_.cancel(l.inner_write);
    }
}

void faulty_reactor::cancel(accept_op& op) noexcept {
    for (const auto& r : accepts_) {
        if (r->op == &op) {
            inner_.cancel(*r);
            r->op = nullptr;
        }
    }
    op.reactor_generation = 0;
}

void faulty_reactor::cancel(connect_op& op) noexcept {
    for (const auto& r : connects_) {
        if (r->op == &op) {
            inner_.cancel(*r);
            r->op = nullptr;
        }
    }
    op.reactor_generation = 0;
}

void faulty_reactor::cancel(resolve_op& op) noexcept { inner_.cancel(op); }

void faulty_reactor::close(stream where) noexcept {
    lane* const l = lane_of(where);
    if (l == nullptr || l->name != where) {
        return;
    }
    const bool cut = l->cut;
    clear_lane(*l);
    if (cut) {
        inner_.reset(where);
    } else {
        inner_.close(where);
    }
}

void faulty_reactor::reset(stream where) noexcept {
    lane* const l = lane_of(where);
    if (l != nullptr && l->name == where) {
        clear_lane(*l);
        inner_.reset(where);
    }
}

void faulty_reactor::close(listener where) noexcept {
    inner_.close(where);
    for (const auto& r : accepts_) {
        if (r->op != nullptr && !r->submitted()) {
            r->op->reactor_generation = 0;
            r->op = nullptr;
        }
    }
}

address faulty_reactor::local_address(stream where) const noexcept { return inner_.local_address(where); }
address faulty_reactor::peer_address(stream where) const noexcept { return inner_.peer_address(where); }
address faulty_reactor::local_address(listener where) const noexcept { return inner_.local_address(where); }

}  // namespace colloquy::transport
