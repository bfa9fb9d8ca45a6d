// resolver by GetAddrInfoExW (hosts file first, then what the system is told to ask).
//
// Reclamation: a question has two owners, the table and the system's callback, and the last of them frees it. It has a
// handle of the port of its own, so that a callback that comes after the reactor's end does not post to a stranger.
#include "transport/windows/resolver.hpp"

#include <iterator>
#include <new>
#include <utility>

#include <winsock2.h>
// After winsock2.h, which it needs.
#include <ws2tcpip.h>

#include "runtime/atom.hpp"
#include "transport/host_name.hpp"

namespace colloquy::transport {

namespace {

constexpr std::uint32_t none = UINT32_MAX;
constexpr std::size_t addresses_max = 16;  // more are dropped: nobody tries that many
constexpr std::size_t host_bytes_max = 255;
constexpr std::uint32_t orphans_per_request = 16;  // cancelled questions that the system has not returned yet

int error_of(int status) noexcept {
    switch (status) {
        case 0: return 0;
        case WSAHOST_NOT_FOUND:
        case WSANO_DATA:
        case WSATYPE_NOT_FOUND:
        case WSASERVICE_NOT_FOUND:
        case WSAEINVAL: return io_error_name_unknown;
        case WSA_NOT_ENOUGH_MEMORY: return WSA_NOT_ENOUGH_MEMORY;
        default: return io_error_name_unavailable;
    }
}

// Through an untyped pointer, because MinGW's header spells the link's type wrongly.
const ADDRINFOEXW* next_of(const ADDRINFOEXW& node) noexcept {
    const void* const next = node.ai_next;
    return static_cast<const ADDRINFOEXW*>(next);
}

// Not in every import library, and missing before Windows 8.
int cancel_question(HANDLE* handle) noexcept {
    using cancel = INT(WSAAPI*)(LPHANDLE);
    static const auto call = [] {
        const HMODULE sockets = ::GetModuleHandleW(L"ws2_32.dll");
        void* const found =
            sockets == nullptr ? nullptr : reinterpret_cast<void*>(::GetProcAddress(sockets, "GetAddrInfoExCancel"));
        return reinterpret_cast<cancel>(found);
    }();
    return call == nullptr ? WSAEOPNOTSUPP : call(handle);
}

}  // namespace

struct resolver::request {
    enum class phase : std::uint8_t { free, asking, finished };

    resolve_op* op = nullptr;  // null once cancelled
    question* asked = nullptr;
    std::uint32_t next = none;
    std::uint32_t index = 0;
    std::uint16_t port = 0;
    phase at = phase::free;
    std::uint32_t address_count = 0;
    int error = 0;
    address addresses[addresses_max];
};

struct resolver::question {
    OVERLAPPED overlapped{};  // first: the callback is given its address
    HANDLE port = nullptr;
    std::uintptr_t key = 0;
    // The driver's.
    request* of = nullptr;  // null once cancelled: an orphan
    question* next = nullptr;
    question* previous = nullptr;

    HANDLE cancel_handle = nullptr;
    ADDRINFOEXW hints{};
    ADDRINFOEXW* answer = nullptr;
    timeval limit{};
    int status = 0;
    wchar_t host[host_bytes_max + 1] = {};
    runtime::atom<std::uint32_t> owners{2};

    question() = default;
    ~question() {
        if (answer != nullptr) {
            ::FreeAddrInfoExW(answer);
        }
        if (port != nullptr) {
            ::CloseHandle(port);
        }
    }
    question(const question&) = delete;
    question& operator=(const question&) = delete;

    void drop() noexcept {
        // release[question] acquire[question]: what one owner did is behind the other, who frees.
        if (owners.fetch_sub_acq_rel(1) == 1) {
            delete this;
        }
    }

    static void CALLBACK on_answer(DWORD status, DWORD, OVERLAPPED* overlapped) noexcept {
        auto* const q = reinterpret_cast<question*>(overlapped);
        q->status = static_cast<int>(status);
        ::PostQueuedCompletionStatus(q->port, 0, q->key, overlapped);
        q->drop();
    }
};

resolver::resolver(const resolver_options& options, std::uintptr_t key) noexcept
    : options_{options}, key_{key}, free_head_{none}, finished_head_{none}, finished_tail_{none} {}

resolver::~resolver() {
    for (question* q = questions_; q != nullptr;) {
        question* const next = q->next;
        if (q->of != nullptr && q->cancel_handle != nullptr) {
            (void)cancel_question(&q->cancel_handle);
        }
        q->drop();
        q = next;
    }
}

bool resolver::make_table() noexcept {
    if (requests_ != nullptr) {
        return true;
    }
    requests_.reset(new (std::nothrow) request[options_.request_count_max]);
    if (requests_ == nullptr) {
        return false;
    }
    for (std::uint32_t i = options_.request_count_max; i-- > 0;) {
        requests_[i].index = i;
        requests_[i].next = free_head_;
        free_head_ = i;
    }
    return true;
}

io_status resolver::submit(resolve_op& op) noexcept {
    if (op.submitted() || op.host.empty() || op.host.size() > host_bytes_max ||
        op.host.find('\0') != std::string_view::npos) {
        return io_status::failed(io_error_bad_argument);
    }
    if (!make_table()) {
        return io_status::failed(WSA_NOT_ENOUGH_MEMORY);
    }
    if (free_head_ == none || orphan_count_ >= orphans_per_request * options_.request_count_max) {
        return io_status::failed(io_error_table_full);
    }
    request& r = requests_[free_head_];
    r.port = op.port;
    r.address_count = 0;
    address numeric;
    const bool is_numeric = address::parse_numeric(op.host, op.port, numeric);
    const bool asks = !is_numeric && !is_never_valid(op.host);
    if (asks) {
        if (const int error = ask(r, op); error != 0) {
            return io_status::failed(error);
        }
        r.at = request::phase::asking;
    }
    free_head_ = r.next;
    r.op = &op;
    op.reactor_index = r.index;
    op.reactor_generation = 1;
    if (is_numeric) {
        r.addresses[0] = numeric;
        r.address_count = 1;
        const bool fits = op.family == address_family::none || op.family == numeric.family();
        finish(r, fits ? 0 : int{io_error_name_unknown});
    } else if (!asks) {
        finish(r, io_error_name_unknown);
    }
    return io_status::pending();
}

// 0: the answer will arrive at the port, whatever it is.
int resolver::ask(request& r, const resolve_op& op) noexcept {
    auto q = std::unique_ptr<question>{new (std::nothrow) question};
    if (q == nullptr) {
        return WSA_NOT_ENOUGH_MEMORY;
    }
    if (::MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, op.host.data(), static_cast<int>(op.host.size()), q->host,
                              static_cast<int>(std::size(q->host) - 1)) == 0) {
        return io_error_bad_argument;
    }
    const HANDLE self = ::GetCurrentProcess();
    if (::DuplicateHandle(self, port_, self, &q->port, 0, FALSE, DUPLICATE_SAME_ACCESS) == FALSE) {
        return static_cast<int>(::GetLastError());
    }
    q->key = key_;
    q->of = &r;
    q->hints.ai_family = op.family == address_family::ipv4   ? AF_INET
                         : op.family == address_family::ipv6 ? AF_INET6
                                                             : AF_UNSPEC;
    q->hints.ai_socktype = SOCK_STREAM;
    q->hints.ai_protocol = IPPROTO_TCP;
    q->limit.tv_sec = static_cast<long>(options_.timeout_ms / 1000);
    q->limit.tv_usec = static_cast<long>(options_.timeout_ms % 1000) * 1000;
    question* const asked = q.release();
    r.asked = asked;
    asked->next = questions_;
    if (questions_ != nullptr) {
        questions_->previous = asked;
    }
    questions_ = asked;
    // Headers disagree on whether the routine has a type.
    const int status = ::GetAddrInfoExW(
        asked->host, nullptr, NS_DNS, nullptr, &asked->hints, &asked->answer, &asked->limit, &asked->overlapped,
        reinterpret_cast<LPLOOKUPSERVICE_COMPLETION_ROUTINE>(&question::on_answer), &asked->cancel_handle);
    if (status != WSA_IO_PENDING) {
        question::on_answer(static_cast<DWORD>(status), 0, &asked->overlapped);  // the system won't call it
    }
    return 0;
}

void resolver::cancel(resolve_op& op) noexcept {
    if (!op.submitted()) {
        return;
    }
    request& r = requests_[op.reactor_index];
    op.reactor_generation = 0;
    r.op = nullptr;
    if (r.at != request::phase::asking) {
        return;  // finished: dropped by deliver()
    }
    // The system still holds the question and will return it.
    question& q = *std::exchange(r.asked, nullptr);
    q.of = nullptr;
    ++orphan_count_;
    if (q.cancel_handle != nullptr) {
        (void)cancel_question(&q.cancel_handle);
    }
    release(r);
}

void resolver::arrived(void* overlapped) noexcept {
    auto* const q = static_cast<question*>(overlapped);
    (q->previous == nullptr ? questions_ : q->previous->next) = q->next;
    if (q->next != nullptr) {
        q->next->previous = q->previous;
    }
    request* const r = q->of;
    if (r == nullptr) {
        --orphan_count_;
        q->drop();
        return;
    }
    r->asked = nullptr;
    for (const ADDRINFOEXW* node = q->answer; node != nullptr && r->address_count < addresses_max;
         node = next_of(*node)) {
        address a = address::from_system(node->ai_addr, node->ai_addrlen);
        if (a) {
            a.set_port(r->port);
            r->addresses[r->address_count] = a;
            ++r->address_count;
        }
    }
    const int error = error_of(q->status);
    q->drop();
    finish(*r, error != 0 || r->address_count != 0 ? error : int{io_error_name_unknown});
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

std::uint64_t resolver::next_deadline_ns() const noexcept { return finished_head_ != none ? 0 : UINT64_MAX; }

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
