// What the transport tests share: the reactors to test and operations that write down what they are told.
//
// Goal: each case runs over the plain reactor and over the same reactor behind lossless faults, with one expectation.
// A bed brings `net()`; faults take COLLOQUY_SEED, which seed_text() names when a check fails.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/transport/signalled.hpp"
#include "transport/faulty.hpp"
#include "transport/local_socket.hpp"
#include "transport/platform.hpp"
#include "transport/reactor.hpp"
#include "transport/system_reactor.hpp"

namespace transport_test {

using namespace colloquy::transport;

inline std::uint64_t seed() {
    static const std::uint64_t chosen = [] {
        const char* const given = std::getenv("COLLOQUY_SEED");
        return given != nullptr ? std::strtoull(given, nullptr, 0) : random_u64();
    }();
    return chosen;
}
inline std::string seed_text() { return "COLLOQUY_SEED=" + std::to_string(seed()); }

inline std::size_t next_random(std::uint64_t& state) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return static_cast<std::size_t>(state >> 24);
}

inline std::unique_ptr<reactor> make_plain(std::uint32_t streams) {
    reactor_options options;
    options.stream_count_max = streams;
    int error = 0;
    auto made = make_reactor(options, error);
    REQUIRE_MESSAGE(made != nullptr, error_text(error));
    return made;
}

class plain_bed {
public:
    explicit plain_bed(std::uint32_t streams = 64) : reactor_{make_plain(streams)} {}
    reactor& net() { return *reactor_; }

private:
    std::unique_ptr<reactor> reactor_;
};

class faulty_bed {
public:
    explicit faulty_bed(std::uint32_t streams = 64) : inner_{make_plain(streams)} {
        fault_options options;
        options.seed = seed();
        outer_ = std::make_unique<faulty_reactor>(*inner_, options);
    }
    reactor& net() { return *outer_; }

private:
    std::unique_ptr<reactor> inner_;
    std::unique_ptr<faulty_reactor> outer_;
};

// Whether make_link() makes local sockets.
inline bool& locally() {
    static bool yes = false;
    return yes;
}

class local_bed {
public:
    explicit local_bed(std::uint32_t streams = 64) : reactor_{make_plain(streams)} { locally() = true; }
    ~local_bed() { locally() = false; }
    local_bed(const local_bed&) = delete;
    local_bed& operator=(const local_bed&) = delete;
    reactor& net() { return *reactor_; }

private:
    std::unique_ptr<reactor> reactor_;
};

class faulty_local_bed : public faulty_bed {
public:
    explicit faulty_local_bed(std::uint32_t streams = 64) : faulty_bed{streams} { locally() = true; }
    ~faulty_local_bed() { locally() = false; }
};

// For cases about links of any kind.
#ifdef _WIN32
#define COLLOQUY_BEDS plain_bed, faulty_bed
#else
#define COLLOQUY_BEDS plain_bed, faulty_bed, local_bed, faulty_local_bed
#endif

// Polls until `done` holds. The bound only turns a hang into a failure.
template <class Predicate>
bool run_until(reactor& net, Predicate done) {
    const std::uint64_t give_up = now_ns() + 60'000'000'000u;
    while (!done()) {
        if (now_ns() > give_up) {
            return false;
        }
        net.poll(1'000'000'000, 64);
    }
    return true;
}

// Enough looks for anything that is due to come out, faults included, when nothing may come out.
inline void look_around(reactor& net) {
    for (int i = 0; i < 300; ++i) {
        net.poll(0, 64);
    }
}

struct reader final : read_op {
    std::vector<std::byte> room = std::vector<std::byte>(16 * 1024);
    std::vector<std::byte> bytes;
    std::size_t room_slices = 1;
    int completions = 0;
    int offers = 0;
    bool ended = false;
    bool refuse = false;  // answers the next offer with nothing
    int error = 0;

    std::span<io_slice> offer(io_slice (&slices)[4]) noexcept override {
        ++offers;
        if (refuse) {
            return {};
        }
        const std::size_t each = room.size() / room_slices;
        for (std::size_t i = 0; i < room_slices; ++i) {
            slices[i] = {room.data() + i * each, each};
        }
        return {slices, room_slices};
    }
    void complete(io_result result) noexcept override {
        ++completions;
        if (result.bytes == 0) {
            ended = true;
            error = result.error;
            return;
        }
        bytes.insert(bytes.end(), room.begin(), room.begin() + static_cast<std::ptrdiff_t>(result.bytes));
        if (on_bytes) {
            on_bytes();
        }
    }
    std::function<void()> on_bytes;
};

// One write at a time of a list of slices.
struct writer final : write_op {
    std::vector<io_slice> pieces;
    int completions = 0;
    io_result result;

    io_status submit(reactor& net, stream where, std::vector<io_slice> what) {
        pieces = std::move(what);
        slices = pieces.data();
        slice_count = pieces.size();
        return net.submit_write(where, *this);
    }
    void complete(io_result r) noexcept override {
        ++completions;
        result = r;
    }
};

struct acceptor final : accept_op {
    std::vector<stream> streams;
    std::vector<address> peers;
    std::vector<int> errors;
    void complete(stream accepted, const address& peer, int error) noexcept override {
        if (error == 0) {
            streams.push_back(accepted);
            peers.push_back(peer);
        } else {
            errors.push_back(error);
        }
    }
};

struct connector final : connect_op {
    stream connected;
    int completions = 0;
    int error = 0;
    void complete(stream s, int e) noexcept override {
        ++completions;
        connected = s;
        error = e;
    }
};

struct name_question final : resolve_op {
    std::vector<address> answer;
    int completions = 0;
    int error = 0;
    void complete(std::span<const address> addresses, int e) noexcept override {
        ++completions;
        answer.assign(addresses.begin(), addresses.end());
        error = e;
    }
};

inline listener listen_on(reactor& net, const address& where, const listen_options& options = {}) {
    listener l;
    const io_status status = net.listen(where, options, l);
    REQUIRE_MESSAGE(status.is_done(), error_text(status.error));
    return l;
}

// At an abstract name that nobody else has.
inline listener listen_locally(reactor& net) {
    address where;
    REQUIRE(address::local("@colloquy-test-" + std::to_string(random_u64()), where));
    std::intptr_t descriptor = -1;
    socket_file file;
    REQUIRE(listen_local(where, 0600, descriptor, file) == 0);
    CHECK(file.path.empty());
    listener l;
    REQUIRE(net.adopt(descriptor, l).is_done());
    CHECK(net.local_address(l) == where);
    return l;
}

// Two ends of one connection in one reactor.
struct connection {
    stream near_end;
    stream far_end;
};

inline connection make_link(reactor& net, const stream_options& options = {}) {
    listen_options listening;
    listening.accepted = options;
    const listener l = locally() ? listen_locally(net) : listen_on(net, address::loopback_ipv4(0), listening);
    acceptor accepts;
    REQUIRE(net.submit_accept(l, accepts).is_pending());
    const address target = net.local_address(l);
    connector connects;
    connects.addresses = {&target, 1};
    connects.options = options;
    REQUIRE(net.submit_connect(connects).is_pending());
    REQUIRE(run_until(net, [&] { return connects.completions == 1 && accepts.streams.size() == 1; }));
    REQUIRE(connects.error == 0);
    net.cancel(accepts);
    net.close(l);
    return {connects.connected, accepts.streams[0]};
}

inline std::vector<std::byte> pattern(std::size_t size, std::uint64_t state) {
    std::vector<std::byte> bytes(size);
    for (std::byte& b : bytes) {
        b = static_cast<std::byte>(next_random(state));
    }
    return bytes;
}

inline std::vector<std::byte> text_bytes(std::string_view text) {
    std::vector<std::byte> bytes(text.size());
    std::memcpy(bytes.data(), text.data(), text.size());
    return bytes;
}

inline io_status write_text(reactor& net, stream where, writer& w, const std::vector<std::byte>& bytes) {
    return w.submit(net, where, {slice_of(bytes)});
}

}  // namespace transport_test
