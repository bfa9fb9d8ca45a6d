// Events on eventfd. The kernel's counter is the state, zero or not, so there is no second truth to keep in step:
// setting writes, an auto-reset wait and a reset read, and a read takes the whole counter, which is what makes one
// waiter the one.
//
// A wait for all must take several signals or none. Takers therefore hold `taking` shared while they read, and a wait
// for all holds it alone from its last look to its last read. Nobody blocks while holding it.
#include "api/colloquy/event.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <exception>
#include <functional>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "api/handle_table.hpp"
#include "api/system_objects.hpp"

namespace colloquy::api {

namespace {

struct event {
    int descriptor;
    bool manual;
    runtime::atom<std::uint32_t> signals;  // carries the signaller's writes to the waiter; its value means nothing

    void dispose() noexcept { ::close(descriptor); }

    void signal() noexcept {
        // release[event-signal]: what was written before the signal is seen by whoever it wakes.
        signals.fetch_add_acq_rel(1);
        const std::uint64_t one = 1;
        ssize_t written;
        do {
            written = ::write(descriptor, &one, sizeof one);
        } while (written < 0 && errno == EINTR);
        // A counter at its limit refuses, and is not zero, which is all that was wanted.
    }

    // True when the event was signalled, and is no longer.
    bool take() noexcept {
        std::uint64_t value = 0;
        ssize_t got;
        do {
            got = ::read(descriptor, &value, sizeof value);
        } while (got < 0 && errno == EINTR);
        return got == sizeof value;
    }

    // To be called when the event was found signalled.
    // acquire[event-signal]: sees what the signaller wrote; sets continue each other's release sequence.
    void see() noexcept { (void)signals.load_acquire(); }
};

}  // namespace

}  // namespace colloquy::api

namespace colloquy::runtime {

template <>
struct zero_is_initial<api::event> : zero_is_initial<atom<std::uint32_t>> {};

}  // namespace colloquy::runtime

namespace colloquy::api {

namespace {

using event_table = handle_table<event, handle_kind::event, CLQ_EVENT_MAX>;
using event_held = event_table::reference;

// Never destroyed: threads may signal while the process ends. Null when there was no memory for it, and then no handle
// is valid.
event_table* events() noexcept {
    static event_table* const table = []() -> event_table* {
        try {
            return new event_table;
        } catch (const std::exception&) {
            return nullptr;
        }
    }();
    return table;
}

std::shared_mutex& taking() noexcept {
    static auto* const mutex = new std::shared_mutex;
    return *mutex;
}

event_held acquire(void* handle) noexcept {
    event_table* const table = events();
    return table == nullptr ? event_held{} : table->acquire(handle);
}

using steady = std::chrono::steady_clock;

// When a wait ends; none when it does not.
class deadline {
public:
    explicit deadline(unsigned timeout_ms) noexcept : forever_{timeout_ms == CLQ_WAIT_FOREVER}, zero_{timeout_ms == 0} {
        if (!forever_ && !zero_) at_ = steady::now() + std::chrono::milliseconds{timeout_ms};
    }

    // Waits for the descriptors; false when time is up. True also after an interruption: the caller looks again.
    bool poll(pollfd* descriptors, std::size_t count) const noexcept {
        timespec left{0, 0};
        if (!forever_ && !zero_) {
            const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(at_ - steady::now()).count();
            if (ns > 0) {
                left.tv_sec = static_cast<std::time_t>(ns / 1'000'000'000);
                left.tv_nsec = static_cast<long>(ns % 1'000'000'000);
            }
        }
        return ::ppoll(descriptors, count, forever_ ? nullptr : &left, nullptr) != 0;
    }

private:
    bool forever_;
    bool zero_;
    steady::time_point at_{};
};

constexpr int wait_failed = -1;
constexpr int wait_again = -2;

class waiting {
public:
    // False: a handle is none.
    bool add(void* handle) noexcept {
        event_held held = acquire(handle);
        if (!held) return false;
        polled_[count_] = {held->descriptor, POLLIN, 0};
        held_[count_++] = std::move(held);
        return true;
    }

    [[nodiscard]] bool named_twice() const noexcept {
        std::array<const event*, CLQ_WAIT_MAX> sorted;
        for (std::size_t i = 0; i < count_; ++i) sorted[i] = &*held_[i];
        const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(count_);
        std::sort(sorted.begin(), end, std::less<>{});
        return std::adjacent_find(sorted.begin(), end) != end;
    }

    int one(const deadline& until) noexcept {
        for (;;) {
            if (!until.poll(polled_.data(), count_)) return CLQ_WAIT_TIMEOUT;
            const int found = take_one();
            if (found != wait_again) return found;
        }
    }

    int all(const deadline& until) noexcept {
        for (;;) {
            const int found = take_all();
            if (found != wait_again) return found;
            // Only those that are missing are waited for, or the others would keep the call awake.
            std::array<pollfd, CLQ_WAIT_MAX> missing;
            for (std::size_t i = 0; i < count_; ++i) {
                missing[i] = polled_[i];
                if ((polled_[i].revents & POLLIN) != 0) missing[i].fd = -1;
            }
            if (!until.poll(missing.data(), count_)) return CLQ_WAIT_TIMEOUT;
        }
    }

private:
    int take_one() noexcept {
        for (std::size_t i = 0; i < count_; ++i) {
            if (polled_[i].revents == 0) continue;
            event_held& held = held_[i];
            if (held.closed()) return wait_failed;
            if (!held->manual) {
                const std::shared_lock lock{taking()};
                if (!held->take()) continue;
                if (held.closed()) {
                    // What was taken may be the closer's: it is for everybody who waits.
                    held->signal();
                    return wait_failed;
                }
            }
            held->see();
            return static_cast<int>(i);
        }
        return wait_again;
    }

    int take_all() noexcept {
        const std::unique_lock lock{taking()};
        const int ready = ::poll(polled_.data(), count_, 0);
        for (std::size_t i = 0; i < count_; ++i) {
            if (held_[i].closed()) return wait_failed;
        }
        if (ready != static_cast<int>(count_)) return wait_again;
        for (std::size_t i = 0; i < count_; ++i) {
            if (!held_[i]->manual) {
                (void)held_[i]->take();
                // A closer in between must still wake the others; this wait was in time.
                if (held_[i].closed()) held_[i]->signal();
            }
            held_[i]->see();
        }
        return 0;
    }

    std::array<event_held, CLQ_WAIT_MAX> held_{};
    std::array<pollfd, CLQ_WAIT_MAX> polled_;
    std::size_t count_{0};
};

}  // namespace

bool event_valid(void* handle) noexcept {
    const event_table* const table = events();
    return table != nullptr && table->valid(handle);
}

event_reference::~event_reference() {
    if (object_ != nullptr) (void)events()->adopt(static_cast<event_table::slot*>(object_));
}

event_reference event_reference::of(void* handle) noexcept {
    event_reference made;
    made.object_ = acquire(handle).detach();
    return made;
}

event_reference event_reference::duplicate() const noexcept {
    event_reference made;
    if (object_ != nullptr) {
        event_held held = events()->adopt(static_cast<event_table::slot*>(object_));
        made.object_ = held.share().detach();
        (void)held.detach();
    }
    return made;
}

void event_reference::signal() const noexcept {
    if (object_ == nullptr) return;
    event_held held = events()->adopt(static_cast<event_table::slot*>(object_));
    if (!held.closed()) held->signal();
    (void)held.detach();
}

}  // namespace colloquy::api

using namespace colloquy::api;

extern "C" {

void* COLLOQUY_CALL clq_event_create(int manual_reset, int initially_signalled) {
    event_table* const table = events();
    if (table == nullptr) return nullptr;
    return table->create([&](event& made) {
        made.descriptor = ::eventfd(initially_signalled != 0 ? 1 : 0, EFD_NONBLOCK | EFD_CLOEXEC);
        made.manual = manual_reset != 0;
        return made.descriptor >= 0;
    });
}

int COLLOQUY_CALL clq_event_set(void* handle) {
    const event_held held = acquire(handle);
    if (!held) return -1;
    held->signal();
    return 0;
}

int COLLOQUY_CALL clq_event_reset(void* handle) {
    const event_held held = acquire(handle);
    if (!held) return -1;
    const std::shared_lock lock{taking()};
    (void)held->take();
    if (held.closed()) held->signal();
    return 0;
}

int COLLOQUY_CALL clq_event_descriptor(void* handle) {
    const event_held held = acquire(handle);
    return held ? held->descriptor : -1;
}

int COLLOQUY_CALL clq_event_wait(void* handle, unsigned timeout_ms) {
    return clq_event_wait_many(&handle, 1, 0, timeout_ms);
}

int COLLOQUY_CALL clq_event_wait_many(void* const* handles, unsigned count, int wait_all, unsigned timeout_ms) {
    if (handles == nullptr || count == 0 || count > CLQ_WAIT_MAX) return wait_failed;
    const deadline until{timeout_ms};
    waiting wait;
    for (unsigned i = 0; i < count; ++i) {
        if (!wait.add(handles[i])) return wait_failed;
    }
    if (wait_all == 0) return wait.one(until);
    return wait.named_twice() ? wait_failed : wait.all(until);
}

int COLLOQUY_CALL clq_event_close(void* handle) {
    event_table* const table = events();
    if (table == nullptr) return -1;
    const event_held held = table->close(handle);
    if (!held) return -1;
    // Wakes the waiters, who find it closed; the descriptor goes with the last of them.
    held->signal();
    return 0;
}

}  // extern "C"
