// meter: what a client of a comparison tells of itself: transactions, bytes, latencies, processor time and memory of
// both ends, between warming up and the end of the run.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tools/colloquy/histogram.hpp"

namespace peers {

[[nodiscard]] inline std::uint64_t now_ns() noexcept {
    timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000U + static_cast<std::uint64_t>(t.tv_nsec);
}

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::_Exit(1);
}
inline int sure(long answer, const char* what) {
    if (answer < 0) die(what);
    return static_cast<int>(answer);
}

// A short file of /proc.
[[nodiscard]] inline std::string read_file(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    char text[16384];
    const ssize_t got = ::read(fd, text, sizeof text);
    ::close(fd);
    return got > 0 ? std::string(text, static_cast<std::size_t>(got)) : std::string{};
}

// Bytes of a process that are backed by memory.
[[nodiscard]] inline std::int64_t resident_bytes(pid_t process) {
    const std::string text = read_file("/proc/" + std::to_string(process) + "/statm");
    long long total = 0, resident = 0;
    if (std::sscanf(text.c_str(), "%lld %lld", &total, &resident) != 2) return 0;
    return resident * ::sysconf(_SC_PAGESIZE);
}

// Bytes of the kernel's own objects: sockets, descriptors, timers. Of the whole machine, so other jobs blur it.
[[nodiscard]] inline std::int64_t kernel_bytes() {
    const std::string text = read_file("/proc/meminfo");
    const char* const at = std::strstr(text.c_str(), "Slab:");
    return at == nullptr ? 0 : std::atoll(at + 5) * 1024;
}

// User and system time of a process, in seconds.
[[nodiscard]] inline double processor_seconds(pid_t process) {
    const std::string text = read_file("/proc/" + std::to_string(process) + "/stat");
    const auto after_name = text.rfind(')');
    unsigned long user = 0, system = 0;
    if (after_name == std::string::npos ||
        std::sscanf(text.c_str() + after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                    &system) != 2)
        return 0;
    return static_cast<double>(user + system) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

struct memory_sample {
    std::int64_t client = 0, server = 0, kernel = 0;
};

class meter {
public:
    // Warming up begins with the first answer, so that opening is no part of it, and ends neither before its time nor
    // before each conversation could have been answered twice.
    meter(double warmup_s, double duration_s, std::uint64_t conversations, pid_t server)
        : warmup_{nanoseconds(warmup_s)},
          duration_{nanoseconds(duration_s)},
          conversations_{conversations},
          server_{server} {}

    // Counts `times` transactions that were asked at the one moment and answered at the other. The clock is the
    // caller's to read, once a batch where transactions are many. False when the run is over.
    bool add(std::uint64_t now, std::uint64_t asked, std::uint64_t bytes, std::uint64_t times = 1) {
        if (begun_ == 0) {
            if (warm_until_ == 0) warm_until_ = now + warmup_;
            seen_ += times;
            if (now >= warm_until_ && seen_ >= 2 * conversations_) begin(now);
            return true;
        }
        if (ended_ != 0) return false;
        transactions_ += times;
        bytes_ += bytes;
        if (asked != 0) {
            latency_.record(now > asked ? now - asked : 0);
            waited_ns_ += now > asked ? static_cast<double>(now - asked) : 0;
        }
        return now - begun_ < duration_ || end(now);
    }

    // More that a client knows of the same stretch: read when it begins and when it ends.
    void count_also(const char* name, std::uint64_t (*total)()) { also_.push_back({name, total, 0}); }

    // What both ends hold before and after `conversations` were opened and left alone.
    void before_opening() { before_ = sample(); }
    void after_opening(std::uint64_t conversations) {
        after_ = sample();
        opened_ = conversations;
    }

    [[nodiscard]] std::uint64_t begun() const noexcept { return begun_; }
    [[nodiscard]] std::string json() const {
        std::string text;
        const auto put = [&](const char* format, auto... values) {
            char line[512];
            std::snprintf(line, sizeof line, format, values...);
            text += line;
        };
        if (opened_ != 0) {
            const auto each = [&](std::int64_t memory_sample::*part) {
                return static_cast<double>(after_.*part - before_.*part) / static_cast<double>(opened_);
            };
            put(", \"bytes_each\": {\"client\": %.1f, \"server\": %.1f, \"kernel_both\": %.1f}",
                each(&memory_sample::client), each(&memory_sample::server), each(&memory_sample::kernel));
        }
        if (ended_ == 0) return text;
        const double seconds = static_cast<double>(ended_ - begun_) / 1e9;
        const auto per_transaction = [&](double used) {
            return transactions_ == 0 ? 0 : used * 1e6 / static_cast<double>(transactions_);
        };
        put(", \"elapsed_s\": %.4f, \"transactions\": %llu, \"transactions_per_second\": %.1f, "
            "\"bytes_per_second\": %.0f",
            seconds, static_cast<unsigned long long>(transactions_), static_cast<double>(transactions_) / seconds,
            static_cast<double>(bytes_) / seconds);
        put(", \"processor_us\": {\"client\": %.4f, \"server\": %.4f}", per_transaction(client_used_),
            per_transaction(server_used_));
        for (const counted& c : also_)
            put(", \"%s_per_thousand\": %.2f", c.name,
                transactions_ == 0 ? 0 : static_cast<double>(c.value) * 1e3 / static_cast<double>(transactions_));
        if (latency_.total() != 0) {
            // How many were under way on the average. Fewer than there are: some were answered over and over while
            // others waited beyond the end of the run, and the latencies below are those of the lucky ones.
            put(", \"under_way\": %.1f", waited_ns_ / static_cast<double>(ended_ - begun_));
            const auto us = [&](double share) { return static_cast<double>(latency_.at(share)) / 1e3; };
            put(", \"latency_us\": {\"p50\": %.3f, \"p90\": %.3f, \"p99\": %.3f, \"p999\": %.3f, \"max\": %.3f}",
                us(0.5), us(0.9), us(0.99), us(0.999), static_cast<double>(latency_.max()) / 1e3);
        }
        return text;
    }

private:
    struct counted {
        const char* name;
        std::uint64_t (*total)();
        std::uint64_t value;
    };
    static std::uint64_t nanoseconds(double seconds) { return static_cast<std::uint64_t>(seconds * 1e9); }
    [[nodiscard]] memory_sample sample() const {
        return {resident_bytes(::getpid()), server_ > 0 ? resident_bytes(server_) : 0, kernel_bytes()};
    }
    void begin(std::uint64_t now) {
        begun_ = now;
        for (counted& c : also_) c.value = c.total();
        client_used_ = processor_seconds(::getpid());
        server_used_ = server_ > 0 ? processor_seconds(server_) : 0;
    }
    bool end(std::uint64_t now) {
        ended_ = now;
        for (counted& c : also_) c.value = c.total() - c.value;
        client_used_ = processor_seconds(::getpid()) - client_used_;
        server_used_ = (server_ > 0 ? processor_seconds(server_) : 0) - server_used_;
        return false;
    }

    std::uint64_t warmup_;
    std::uint64_t duration_;
    std::uint64_t conversations_;
    pid_t server_;
    std::uint64_t warm_until_ = 0, seen_ = 0;
    std::uint64_t begun_ = 0, ended_ = 0, transactions_ = 0, bytes_ = 0, opened_ = 0;
    double waited_ns_ = 0;
    double client_used_ = 0, server_used_ = 0;
    memory_sample before_, after_;
    std::vector<counted> also_;
    colloquy::tool::histogram latency_;
};

}  // namespace peers
