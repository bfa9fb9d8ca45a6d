// resolver by c-ares (ares_getaddrinfo: hosts file first, then name servers).
#include "transport/linux/resolver.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <mutex>
#include <new>

#include <ares.h>
#include <netinet/in.h>
#include <sys/time.h>

#include "transport/host_name.hpp"
#include "transport/platform.hpp"

namespace colloquy::transport {

namespace {

constexpr std::uint32_t none = UINT32_MAX;
constexpr std::size_t addresses_max = 16;  // more are dropped: nobody tries that many

int error_of(int status) noexcept {
    switch (status) {
        case ARES_SUCCESS: return 0;
        case ARES_ENOTFOUND:
        case ARES_ENODATA:
        case ARES_ENONAME:
        case ARES_EBADNAME:
        case ARES_EFORMERR: return io_error_name_unknown;
        case ARES_ENOMEM: return ENOMEM;
        default: return io_error_name_unavailable;
    }
}

}  // namespace

struct resolver::request {
    enum class phase : std::uint8_t { free, asking, finished };

    resolver* owner = nullptr;
    resolve_op* op = nullptr;  // null once cancelled; c-ares still holds the request then
    std::uint32_t next = none;
    std::uint32_t index = 0;
    std::uint16_t port = 0;
    phase at = phase::free;
    std::uint32_t address_count = 0;
    int error = 0;
    address addresses[addresses_max];

    static void on_answer(void* self, int status, int, ares_addrinfo* answer) noexcept;
};

struct resolver::channel {
    ares_channel handle = nullptr;

    ~channel() {
        if (handle != nullptr) {
            ares_destroy(handle);
        }
    }
    channel() = default;
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;

    static void on_socket_state(void* self, ares_socket_t descriptor, int readable, int writable) noexcept {
        static_cast<resolver*>(self)->watch_.watch(descriptor, readable != 0, writable != 0);
    }
};

void resolver::request::on_answer(void* self, int status, int, ares_addrinfo* answer) noexcept {
    request& r = *static_cast<request*>(self);
    r.address_count = 0;
    for (const ares_addrinfo_node* node = answer == nullptr ? nullptr : answer->nodes;
         node != nullptr && r.address_count < addresses_max; node = node->ai_next) {
        address a = address::from_system(node->ai_addr, node->ai_addrlen);
        if (a) {
            a.set_port(r.port);
            r.addresses[r.address_count] = a;
            ++r.address_count;
        }
    }
    if (answer != nullptr) {
        ares_freeaddrinfo(answer);
    }
    if (r.op == nullptr) {
        r.owner->release(r);
        return;
    }
    --r.owner->asking_count_;
    const int error = error_of(status);
    r.owner->finish(r, error != 0 || r.address_count != 0 ? error : int{io_error_name_unknown});
}

resolver::resolver(descriptor_watch& watch, const resolver_options& options) noexcept
    : watch_{watch}, options_{options}, free_head_{none}, finished_head_{none}, finished_tail_{none} {}

resolver::~resolver() {
    // Every request under way is answered by the channel's end; nobody is to hear of it.
    for (std::uint32_t i = 0; requests_ != nullptr && i < options_.request_count_max; ++i) {
        requests_[i].op = nullptr;
    }
    channel_.reset();
}

bool resolver::start_channel(int& error) noexcept {
    if (channel_ != nullptr) {
        return true;
    }
    static std::once_flag once;
    static int library_status = ARES_SUCCESS;
    std::call_once(once, [] { library_status = ares_library_init(ARES_LIB_INIT_ALL); });
    auto fresh = std::unique_ptr<channel>{new (std::nothrow) channel};
    if (library_status != ARES_SUCCESS || fresh == nullptr) {
        error = fresh == nullptr ? ENOMEM : error_of(library_status);
        return false;
    }
    char lookups[] = "fb";
    ares_options wanted{};
    wanted.sock_state_cb = &channel::on_socket_state;
    wanted.sock_state_cb_data = this;
    wanted.timeout = static_cast<int>(options_.timeout_ms);
    wanted.tries = static_cast<int>(options_.tries);
    wanted.lookups = lookups;
    const int status = ares_init_options(
        &fresh->handle, &wanted, ARES_OPT_SOCK_STATE_CB | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
    if (status != ARES_SUCCESS) {
        fresh->handle = nullptr;
        error = error_of(status);
        return false;
    }
    channel_ = std::move(fresh);
    return true;
}

io_status resolver::submit(resolve_op& op) noexcept {
    if (op.submitted()) {
        return io_status::failed(io_error_bad_argument);
    }
    char host[256];
    if (op.host.empty() || op.host.size() >= sizeof host || op.host.find('\0') != std::string_view::npos) {
        return io_status::failed(io_error_bad_argument);
    }
    std::memcpy(host, op.host.data(), op.host.size());
    host[op.host.size()] = '\0';

    if (requests_ == nullptr) {
        requests_.reset(new (std::nothrow) request[options_.request_count_max]);
        if (requests_ == nullptr) {
            return io_status::failed(ENOMEM);
        }
        for (std::uint32_t i = options_.request_count_max; i-- > 0;) {
            requests_[i].owner = this;
            requests_[i].index = i;
            requests_[i].next = free_head_;
            free_head_ = i;
        }
    }
    if (free_head_ == none) {
        return io_status::failed(io_error_table_full);
    }
    address numeric;
    const bool is_numeric = address::parse_numeric(op.host, op.port, numeric);
    const bool asks = !is_numeric && !is_never_valid(op.host);
    if (int error = 0; asks && !start_channel(error)) {
        return io_status::failed(error);
    }

    request& r = requests_[free_head_];
    free_head_ = r.next;
    r.op = &op;
    r.port = op.port;
    r.address_count = 0;
    op.reactor_index = r.index;
    op.reactor_generation = 1;

    if (is_numeric) {
        r.addresses[0] = numeric;
        r.address_count = 1;
        const bool fits = op.family == address_family::none || op.family == numeric.family();
        finish(r, fits ? 0 : int{io_error_name_unknown});
    } else if (!asks) {
        finish(r, io_error_name_unknown);
    } else {
        ares_addrinfo_hints hints{};
        hints.ai_family = op.family == address_family::ipv4   ? AF_INET
                          : op.family == address_family::ipv6 ? AF_INET6
                                                              : AF_UNSPEC;
        hints.ai_socktype = SOCK_STREAM;
        r.at = request::phase::asking;
        ++asking_count_;
        // May answer at once, from the hosts file.
        ares_getaddrinfo(channel_->handle, host, nullptr, &hints, &request::on_answer, &r);
        look_at_deadline();
    }
    return io_status::pending();
}

void resolver::cancel(resolve_op& op) noexcept {
    if (!op.submitted()) {
        return;
    }
    request& r = requests_[op.reactor_index];
    op.reactor_generation = 0;
    r.op = nullptr;
    if (r.at == request::phase::asking) {
        // c-ares keeps the request until it answers; when nobody wants any answer, it is told to stop asking.
        if (--asking_count_ == 0) {
            ares_cancel(channel_->handle);
            look_at_deadline();
        }
    }
    // A finished one is dropped by deliver().
}

void resolver::finish(request& r, int error) noexcept {
    r.error = error;
    r.at = request::phase::finished;
    r.next = none;
    if (finished_tail_ == none) {
        finished_head_ = r.index;
    } else {
        requests_[finished_tail_].next = r.index;
    }
    finished_tail_ = r.index;
}

void resolver::release(request& r) noexcept {
    r.at = request::phase::free;
    r.next = free_head_;
    free_head_ = r.index;
}

void resolver::look_at_deadline() noexcept {
    deadline_ns_ = UINT64_MAX;
    timeval left{};
    if (channel_ != nullptr && ares_timeout(channel_->handle, nullptr, &left) != nullptr) {
        // One millisecond late rather than early, for c-ares reads its own clock.
        deadline_ns_ = now_ns() + static_cast<std::uint64_t>(left.tv_sec) * 1'000'000'000 +
                       static_cast<std::uint64_t>(left.tv_usec) * 1'000 + 1'000'000;
    }
}

void resolver::on_descriptor(int descriptor, bool readable, bool writable) noexcept {
    if (channel_ != nullptr) {
        ares_process_fd(channel_->handle, readable ? descriptor : ARES_SOCKET_BAD,
                        writable ? descriptor : ARES_SOCKET_BAD);
        look_at_deadline();
    }
}

void resolver::on_time(std::uint64_t now) noexcept {
    if (now >= deadline_ns_) {
        ares_process_fd(channel_->handle, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        look_at_deadline();
    }
}

std::uint64_t resolver::next_deadline_ns() const noexcept { return finished_head_ != none ? 0 : deadline_ns_; }

std::uint32_t resolver::deliver(std::uint32_t budget) noexcept {
    std::uint32_t delivered = 0;
    while (finished_head_ != none && delivered < budget) {
        request& r = requests_[finished_head_];
        finished_head_ = r.next;
        if (finished_head_ == none) {
            finished_tail_ = none;
        }
        resolve_op* const op = r.op;
        r.op = nullptr;
        if (op != nullptr) {
            op->reactor_generation = 0;
            ++delivered;
            op->complete(
                r.error == 0 ? std::span<const address>{r.addresses, r.address_count} : std::span<const address>{},
                r.error);
        }
        release(r);
    }
    return delivered;
}

}  // namespace colloquy::transport
