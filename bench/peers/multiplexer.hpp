// multiplexer: the least that many conversations on one connection can cost a program that calls an API.
//
// One thread, no atomics, no credit, no partner that is not trusted: frames with a header, opaque identifiers that are
// checked, a state for each conversation, calls that complete later into the caller's buffer, a queue of completions,
// and one write for all that is ready. What a runtime costs beyond this is what it does beyond this.
#pragma once

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <deque>
#include <vector>

#include "bench/peers/directory.hpp"
#include "bench/peers/sockets.hpp"

namespace peers {

enum class result : std::uint8_t { ok, incomplete, ended, unknown_id, wrong_state };

class multiplexer {
public:
    multiplexer(int fd, std::size_t conversations) : fd_{fd}, streams_(conversations), input_(input_bytes) {
        for (std::size_t i = conversations; i > 0; --i) free_.push_back(static_cast<std::uint32_t>(i - 1));
        ready_.reserve(conversations);
        output_.reserve(input_bytes * 2);
    }

    // A conversation of ours, with the turn. False when all are in use.
    [[nodiscard]] bool open(identifier& id) {
        if (free_.empty()) return false;
        const std::uint32_t channel = free_.back();
        free_.pop_back();
        stream& s = streams_[channel];
        s.state = phase::sending;
        s.begins = true;
        s.generation += 1;
        id = identifier_of(channel, s);
        return true;
    }

    // A conversation of the partner's that has begun, in state receiving. False when there is none.
    [[nodiscard]] bool accept(identifier& id) {
        if (arrived_.empty()) return false;
        const std::uint32_t channel = arrived_.front();
        arrived_.pop_front();
        id = identifier_of(channel, streams_[channel]);
        return true;
    }

    // Takes the data; with `last` the conversation ends with them and its identifier is no longer known.
    [[nodiscard]] result send(const identifier& id, const void* data, std::uint32_t size, bool last = false) {
        std::uint32_t channel = 0;
        stream* const s = find(id, channel);
        if (s == nullptr) return result::unknown_id;
        if (s->state != phase::sending) return result::wrong_state;
        const header h{size | (s->begins ? flag_begin : 0) | (last ? flag_end : 0), channel};
        s->begins = false;
        append(&h, sizeof h);
        append(data, size);
        if (last) s->state = phase::closed;
        return result::ok;
    }

    // Gives the turn. The data are in `buffer`, and their size in `got`, when this answers ok or wait() tells of it.
    [[nodiscard]] result receive(const identifier& id, void* buffer, std::uint32_t room, std::uint32_t* got) {
        std::uint32_t channel = 0;
        stream* const s = find(id, channel);
        if (s == nullptr) return result::unknown_id;
        if (s->state == phase::awaiting || s->state == phase::closed) return result::wrong_state;
        if (!s->held.empty()) {
            *got = static_cast<std::uint32_t>(s->held.size());
            std::memcpy(buffer, s->held.data(), s->held.size());
            s->held.clear();
            s->state = phase::sending;
            return result::ok;
        }
        s->state = phase::awaiting;
        s->to = static_cast<char*>(buffer);
        s->room = room;
        s->got = got;
        return result::incomplete;
    }

    // The next call that has completed. False: none has within the time (-1: as long as it takes), or a conversation
    // has arrived that waits for accept().
    [[nodiscard]] bool wait(identifier& id, result& code, std::int64_t at_most_ns = -1) {
        if (next_ready_ == ready_.size()) {
            next_ready_ = 0;
            ready_.clear();
            flush();
            if (!read_batch(at_most_ns)) return false;
            if (next_ready_ == ready_.size()) return false;
        }
        const completion& c = ready_[next_ready_++];
        id = c.id;
        code = c.code;
        return true;
    }

    // Whether wait() would tell of something at once.
    [[nodiscard]] bool has_ready() const noexcept { return next_ready_ != ready_.size(); }

    void flush() {
        while (gone_ < output_.size()) {
            const ssize_t put =
                ::send(fd_, output_.data() + gone_, output_.size() - gone_, MSG_NOSIGNAL | MSG_DONTWAIT);
            if (put < 0 && errno == EINTR) continue;
            if (put < 0 && errno == EAGAIN) return;
            if (put < 0) std::_Exit(1);
            gone_ += static_cast<std::size_t>(put);
        }
        output_.clear();
        gone_ = 0;
    }

private:
    enum class phase : std::uint8_t { closed, sending, receiving, awaiting };
    struct header {
        std::uint32_t size;
        std::uint32_t channel;
    };
    struct stream {
        phase state = phase::closed;
        bool begins = false;
        std::uint32_t generation = 0;
        std::uint32_t room = 0;
        char* to = nullptr;
        std::uint32_t* got = nullptr;
        std::vector<char> held;  // has come before it was asked for
    };
    struct completion {
        identifier id;
        result code;
    };
    static constexpr std::uint32_t flag_begin = 0x8000'0000U, flag_end = 0x4000'0000U, size_mask = 0x00FF'FFFFU;
    static constexpr std::size_t input_bytes = std::size_t{64} << 10;

    static identifier identifier_of(std::uint32_t channel, const stream& s) {
        identifier id;
        std::memcpy(id.bytes, &channel, 4);
        std::memcpy(id.bytes + 4, &s.generation, 4);
        return id;
    }
    [[nodiscard]] stream* find(const identifier& id, std::uint32_t& channel) {
        std::uint32_t generation = 0;
        std::memcpy(&channel, id.bytes, 4);
        std::memcpy(&generation, id.bytes + 4, 4);
        if (channel >= streams_.size() || streams_[channel].generation != generation) return nullptr;
        return &streams_[channel];
    }
    void append(const void* data, std::size_t size) {
        const auto* const from = static_cast<const char*>(data);
        output_.insert(output_.end(), from, from + size);
    }

    // Blocks in the read itself where nothing else is to be done.
    [[nodiscard]] bool read_batch(std::int64_t at_most_ns) {
        const bool plain = at_most_ns < 0 && output_.empty();
        if (!plain) {
            pollfd p{fd_, static_cast<short>(POLLIN | (output_.empty() ? 0 : POLLOUT)), 0};
            const timespec limit{at_most_ns / 1'000'000'000, at_most_ns % 1'000'000'000};
            if (::ppoll(&p, 1, at_most_ns < 0 ? nullptr : &limit, nullptr) < 0 && errno != EINTR) die("ppoll");
            if ((p.revents & POLLOUT) != 0) flush();
            if ((p.revents & (POLLIN | POLLHUP | POLLERR)) == 0) return false;
        }
        const ssize_t got = ::recv(fd_, input_.data() + have_, input_.size() - have_, plain ? 0 : MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN)) return false;
        if (got <= 0) std::_Exit(1);
        have_ += static_cast<std::size_t>(got);
        std::size_t at = 0;
        while (have_ - at >= sizeof(header)) {
            header h{};
            std::memcpy(&h, input_.data() + at, sizeof h);
            const std::size_t size = h.size & size_mask;
            if (size > input_.size() - sizeof h || h.channel >= streams_.size()) std::_Exit(1);
            if (have_ - at < sizeof h + size) break;
            deliver(h, input_.data() + at + sizeof h, size);
            at += sizeof h + size;
        }
        std::memmove(input_.data(), input_.data() + at, have_ - at);
        have_ -= at;
        return true;
    }

    void deliver(const header& h, const char* data, std::size_t size) {
        stream& s = streams_[h.channel];
        if ((h.size & flag_begin) != 0) {
            if (s.state != phase::closed) std::_Exit(1);
            s.generation += 1;
            s.state = phase::receiving;
            arrived_.push_back(h.channel);
        }
        const bool last = (h.size & flag_end) != 0;
        if (s.state != phase::awaiting) {
            if (s.state != phase::receiving || !s.held.empty()) std::_Exit(1);
            s.held.assign(data, data + size);
            return;
        }
        if (size > s.room) std::_Exit(1);
        std::memcpy(s.to, data, size);
        *s.got = static_cast<std::uint32_t>(size);
        ready_.push_back({identifier_of(h.channel, s), last ? result::ended : result::ok});
        s.state = last ? phase::closed : phase::sending;
        if (last) {
            s.generation += 1;
            free_.push_back(h.channel);
        }
    }

    int fd_;
    std::vector<stream> streams_;
    std::vector<std::uint32_t> free_;
    std::deque<std::uint32_t> arrived_;
    std::vector<completion> ready_;
    std::size_t next_ready_ = 0;
    std::vector<char> input_;
    std::size_t have_ = 0;
    std::vector<char> output_;
    std::size_t gone_ = 0;
};

}  // namespace peers
