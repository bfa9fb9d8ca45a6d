// async: what the tests of asynchronous calls share: two ends of a conversation, counters that can be waited for,
// windows of the calling thread, and a partner in a process of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "api/colloquy/event.h"
#include "api/colloquy/window.h"
#include "api/wincpic.h"
#include "tests/api/program.hpp"

namespace colloquy::test {

// Two ends in this process: `near` allocated and may send, `far` accepted and is in CM_NON_BLOCKING mode.
struct ends {
    talk near, far;

    explicit ends(CM_INT32 sync_level = CM_NONE, CM_INT32 far_mode = CM_NON_BLOCKING) {
        serve_tp("TP");
        near.begin("inproc/TP", sync_level);
        REQUIRE(near.flush() == CM_OK);
        collector all;
        far.accept(all);
        REQUIRE(far.set(cmspm, far_mode) == CM_OK);
    }
    void say(std::string_view text) { REQUIRE(near.send(text, CM_SEND_AND_FLUSH) == CM_OK); }
    // near gives the turn to far, which ends up in SEND_PENDING or SEND.
    void turn() {
        REQUIRE(near.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH) == CM_OK);
        REQUIRE(near.prepare_to_receive() == CM_OK);
    }
};

// A number that one thread waits to grow. Not by std::atomic::wait, which loses wake-ups where gcc 12 has no futex.
class tally {
public:
    void add() {
        const std::lock_guard held{mutex_};
        ++count_;
        grown_.notify_all();
    }
    void wait_for(unsigned n) const {
        std::unique_lock held{mutex_};
        grown_.wait(held, [&] { return count_ >= n; });
    }
    [[nodiscard]] unsigned count() const {
        const std::lock_guard held{mutex_};
        return count_;
    }

private:
    mutable std::mutex mutex_;
    mutable std::condition_variable grown_;
    unsigned count_ = 0;
};

// What a sink or callback was told.
struct told {
    tally times;
    clq_completion last{};
    std::atomic<int> refuse{0};  // this many times first
    tally refused;

    [[nodiscard]] id_bytes id() const {
        id_bytes b{};
        std::memcpy(b.data(), last.conversation_ID, b.size());
        return b;
    }
    static int COLLOQUY_CALL sink(void* user, const clq_completion* c) {
        auto& t = *static_cast<told*>(user);
        if (t.refuse.load() > 0) {
            t.refuse.fetch_sub(1);
            t.refused.add();
            return 1;
        }
        t.last = *c;
        t.times.add();
        return 0;
    }
    static void COLLOQUY_CALL callback(void* user, const clq_completion* c) { (void)sink(user, c); }
};

inline CM_INT32 set_sink(const talk* t, clq_sink sink, void* user) {
    CM_INT32 rc = -1;
    clq_set_sink(t == nullptr ? nullptr : t->id.data(), sink, user, &rc);
    return rc;
}
inline CM_INT32 set_callback(const talk* t, clq_callback callback, void* user) {
    CM_INT32 rc = -1;
    clq_set_callback(t == nullptr ? nullptr : t->id.data(), callback, user, &rc);
    return rc;
}
inline CM_INT32 set_time_limit(const talk* t, unsigned ms) {
    CM_INT32 rc = -1;
    clq_set_time_limit(t == nullptr ? nullptr : t->id.data(), ms, &rc);
    return rc;
}
inline CM_INT32 set_event(const talk& t, void* event) {
    CM_INT32 rc = -1;
    WinCPICSetEvent(t.id.data(), &event, &rc);
    return rc;
}
inline CM_INT32 extract_event(const talk& t, void*& event) {
    CM_INT32 rc = -1;
    WinCPICExtractEvent(t.id.data(), &event, &rc);
    return rc;
}
inline CM_INT32 set_window(void* hwnd) {
    CM_INT32 rc = -1;
    xchwnd(hwnd, &rc);
    return rc;
}

// An event for the length of a case.
struct event {
    void* handle;
    explicit event(bool manual) : handle{clq_event_create(manual ? 1 : 0, 0)} { REQUIRE(handle != nullptr); }
    ~event() { (void)clq_event_close(handle); }
    event(const event&) = delete;
    event& operator=(const event&) = delete;
    [[nodiscard]] bool signalled() const { return clq_event_wait(handle, 0) == 0; }  // takes an auto-reset signal
    void wait() const { REQUIRE(clq_event_wait(handle, CLQ_WAIT_FOREVER) == 0); }
};

// A blocking hook from a lambda without captures, of the type that this system's programs have for it.
template <class Hook>
CLQ_FARPROC as_hook(Hook) {
    struct caller {
        static std::invoke_result_t<CLQ_FARPROC> COLLOQUY_CALL call() { return Hook{}(); }
    };
    return &caller::call;
}

// A window of the calling thread, named to the library while it lives.
struct window {
    void* handle;
    window() : handle{clq_window_create(&clq_window_default, nullptr)} { REQUIRE(handle != nullptr); }
    ~window() {
        (void)set_window(nullptr);
        (void)clq_window_destroy(handle);
    }
    window(const window&) = delete;
    window& operator=(const window&) = delete;
    void use() const { REQUIRE(set_window(handle) == CM_OK); }

    [[nodiscard]] static unsigned completion_message() { return clq_register_window_message("WinAsyncCPIC"); }
    // The next message, waited for.
    [[nodiscard]] static clq_message next() {
        clq_message m{};
        REQUIRE(clq_message_get(&m) == 1);
        return m;
    }
    [[nodiscard]] static bool none_now() {
        clq_message m{};
        return clq_message_peek(&m, 0) == 0;
    }
};

// Receives of many conversations without 32 KiB each.
struct small_receive {
    std::array<char, 64> buffer{};
    CM_INT32 wanted = 64, data = -1, length = -1, status = -1, rts = -1, code = -1;
    CM_INT32 issue(const talk& t) {
        data = length = status = rts = -1;
        cmrcv(t.id.data(), buffer.data(), &wanted, &data, &length, &status, &rts, &code);
        return code;
    }
    [[nodiscard]] std::string_view text() const { return {buffer.data(), static_cast<std::size_t>(length)}; }
};

// Another process that runs this program's "helper" case against our listener. Answers each line it is sent.
class partner_process {
public:
    explicit partner_process(const std::string& address);
    ~partner_process();
    partner_process(const partner_process&) = delete;
    partner_process& operator=(const partner_process&) = delete;
    // Sends a command and returns the number it answers.
    int ask(const std::string& command);
    void tell(const std::string& command);
    int answer();
    void kill();

private:
    process process_;
};

}  // namespace colloquy::test
