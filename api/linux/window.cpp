// Windows as procedures over per-thread message queues.
//
// Posters put nodes of a bounded pool on the pile of the window's thread and write its eventfd when they found the pile
// empty. The thread moves the pile into a list of its own, from which a filter may take out of the middle. Rule of the
// descriptor: it is readable while there is a message. A poster that found the pile empty always writes; the thread
// makes it unreadable only by reading it first and looking at the pile afterwards, and writes again if it then finds
// something.
#include "api/colloquy/window.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/handle_table.hpp"
#include "api/system_objects.hpp"
#include "runtime/pile.hpp"

namespace colloquy::api {

namespace {

struct queued {
    clq_message message;
    queued* next;
};

// What a Get or Peek asks for.
struct message_filter {
    void* hwnd = nullptr;
    unsigned first = 0;
    unsigned last = 0;

    [[nodiscard]] bool passes(const clq_message& m) const noexcept {
        return (hwnd == nullptr || m.hwnd == hwnd) &&
               ((first == 0 && last == 0) || (m.message >= first && m.message <= last));
    }
};

unsigned milliseconds_now() noexcept {
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<unsigned>(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
}

// Unless a member says so, only the thread whose queue it is may call it. Lives as long as its thread or one of the
// windows; a window lives as long as a poster holds it.
class message_queue {
public:
    // Null: no memory or no descriptor.
    static message_queue* make(std::uint32_t capacity) noexcept {
        const int descriptor = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (descriptor < 0) return nullptr;
        try {
            return new message_queue{capacity, descriptor};
        } catch (const std::exception&) {
            ::close(descriptor);
            return nullptr;
        }
    }
    message_queue(const message_queue&) = delete;
    message_queue& operator=(const message_queue&) = delete;

    // Any thread that holds a reference. False: full.
    bool post(const clq_message& message) noexcept {
        const auto index = free_.acquire(0);
        if (!index) return false;
        queued& node = nodes_[*index];
        node.message = message;
        if (arrivals_.push(&node)) wake();
        return true;
    }

    // False: everything that had come was looked at, and nothing of it passes.
    bool peek(const message_filter& filter, bool remove, clq_message& message) noexcept {
        collect();
        do {
            queued* before = nullptr;
            for (queued* node = first_; node != nullptr; before = node, node = node->next) {
                if (!filter.passes(node->message)) continue;
                message = node->message;
                if (remove) unlink(before, node);
                (void)settle();
                return true;
            }
            if (quit_) {
                message = {nullptr, CLQ_MESSAGE_QUIT, static_cast<clq_wparam>(quit_code_), 0, milliseconds_now()};
                if (remove) quit_ = false;
                (void)settle();
                return true;
            }
        } while (settle());
        return false;
    }

    void get(const message_filter& filter, clq_message& message) noexcept {
        while (!peek(filter, true, message)) {
            // What is left does not pass the filter; only something new is worth waking up for.
            drain();
            if (collect()) continue;
            pollfd polled{descriptor_, POLLIN, 0};
            while (::poll(&polled, 1, -1) < 0 && errno == EINTR) {
            }
        }
    }

    void quit(int code) noexcept {
        quit_ = true;
        quit_code_ = code;
        wake();
    }

    // Drops what is queued for a window that is no more.
    void purge(void* hwnd) noexcept {
        collect();
        queued* before = nullptr;
        for (queued* node = first_; node != nullptr;) {
            queued* const after = node->next;
            if (node->message.hwnd == hwnd) {
                unlink(before, node);
            } else {
                before = node;
            }
            node = after;
        }
        (void)settle();
    }

    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

    // Any thread that holds a reference.
    // relaxed: the reference in hand keeps the count from reaching zero meanwhile.
    void keep() noexcept { references_.fetch_add_relaxed(1); }
    void release() noexcept {
        // acq_rel[message-queue]: all uses happen-before the end.
        if (references_.fetch_sub_acq_rel(1) == 1) delete this;
    }

    std::vector<void*> windows;  // of this thread

private:
    message_queue(std::uint32_t capacity, int descriptor)
        : nodes_{capacity}, free_{capacity}, descriptor_{descriptor}, references_{1} {}
    ~message_queue() { ::close(descriptor_); }

    void wake() noexcept {
        const std::uint64_t one = 1;
        while (::write(descriptor_, &one, sizeof one) < 0 && errno == EINTR) {
        }
    }

    void drain() noexcept {
        std::uint64_t value;
        while (::read(descriptor_, &value, sizeof value) < 0 && errno == EINTR) {
        }
        drained_ = true;
    }

    // True when something new came.
    bool collect() noexcept {
        queued* const taken = arrivals_.take_all();
        if (taken == nullptr) return false;
        (last_ == nullptr ? first_ : last_->next) = taken;
        last_ = taken;
        while (last_->next != nullptr) last_ = last_->next;
        return true;
    }

    void unlink(queued* before, queued* node) noexcept {
        (before == nullptr ? first_ : before->next) = node->next;
        if (last_ == node) last_ = before;
        free_.release(static_cast<std::uint32_t>(node - nodes_.data()), 0);
    }

    // Restores the rule of the descriptor. True when something new was collected on the way.
    bool settle() noexcept {
        bool collected = false;
        if (first_ == nullptr && !quit_) {
            drain();
            collected = collect();
        }
        if (drained_ && (first_ != nullptr || quit_)) wake();
        drained_ = false;
        return collected;
    }

    runtime::lazy_array<queued> nodes_;
    runtime::index_pool<> free_;
    const int descriptor_;
    runtime::atom<std::uint32_t> references_;
    queued* first_{nullptr};
    queued* last_{nullptr};
    int quit_code_{0};
    bool quit_{false};
    bool drained_{false};  // read since it was last known to be as it should
    alignas(runtime::cache_line) runtime::pile<queued> arrivals_;
};

struct window {
    clq_window_procedure procedure;
    message_queue* queue;
    runtime::atom<void*> user;
    bool destroying;  // its thread's alone

    void dispose() noexcept { queue->release(); }
};

}  // namespace

}  // namespace colloquy::api

namespace colloquy::runtime {

template <>
struct zero_is_initial<api::window> : zero_is_initial<atom<void*>> {};

}  // namespace colloquy::runtime

namespace colloquy::api {

namespace {

using window_table = handle_table<window, handle_kind::window, CLQ_WINDOW_MAX>;
using window_held = window_table::reference;

// Never destroyed: threads may post while the process ends. Null when there was no memory for it.
window_table* windows() noexcept {
    static window_table* const table = []() -> window_table* {
        try {
            return new window_table;
        } catch (const std::exception&) {
            return nullptr;
        }
    }();
    return table;
}

window_held acquire(void* hwnd) noexcept {
    window_table* const table = windows();
    return table == nullptr ? window_held{} : table->acquire(hwnd);
}

// The calling thread's queue, made when first needed. The windows of a thread end with it.
class thread_messages {
public:
    thread_messages() noexcept = default;
    thread_messages(const thread_messages&) = delete;
    thread_messages& operator=(const thread_messages&) = delete;
    ~thread_messages() {
        if (queue_ == nullptr) return;
        for (void* hwnd : queue_->windows) (void)windows()->close(hwnd);
        queue_->release();
    }

    [[nodiscard]] message_queue* queue() noexcept {
        if (queue_ == nullptr) queue_ = message_queue::make(capacity_);
        return queue_;
    }
    [[nodiscard]] bool owns(const window& w) const noexcept { return w.queue == queue_; }
    bool resize(unsigned messages) noexcept {
        if (queue_ != nullptr || messages == 0 || messages > CLQ_MESSAGE_QUEUE_MAX) return false;
        capacity_ = messages;
        return true;
    }

private:
    message_queue* queue_{nullptr};
    std::uint32_t capacity_{CLQ_MESSAGE_QUEUE_DEFAULT};
};

thread_messages& mine() noexcept {
    static thread_local thread_messages messages;
    return messages;
}

// Names as the system compares them: case of a to z does not matter. Empty when malformed.
std::string folded(const char* name) {
    constexpr std::size_t longest = 255;
    std::string text;
    for (; name != nullptr && *name != '\0'; ++name) {
        if (text.size() == longest) return {};
        text += *name >= 'A' && *name <= 'Z' ? static_cast<char>(*name - 'A' + 'a') : *name;
    }
    return text;
}

struct window_class {
    std::string name;
    clq_window_procedure procedure;
};

// Everything that is found by name. Rarely used, so a lock and a list do.
struct names {
    std::mutex mutex;
    std::vector<std::string> messages;
    std::vector<window_class> classes;

    [[nodiscard]] auto find_class(std::string_view name) noexcept {
        return std::find_if(classes.begin(), classes.end(), [&](const window_class& c) { return c.name == name; });
    }
};
names& known() {
    static auto* const all = new names;
    return *all;
}

constexpr unsigned message_id_first = 0xC000;
constexpr std::size_t message_id_count = 0x4000;
constexpr std::size_t class_count_max = 1024;

unsigned register_message(const char* name) noexcept try {
    std::string wanted = folded(name);
    if (wanted.empty()) return 0;
    names& all = known();
    const std::lock_guard held{all.mutex};
    const auto found = std::find(all.messages.begin(), all.messages.end(), wanted);
    const auto id = message_id_first + static_cast<unsigned>(found - all.messages.begin());
    if (found == all.messages.end()) {
        if (all.messages.size() == message_id_count) return 0;
        all.messages.push_back(std::move(wanted));
    }
    return id;
} catch (const std::exception&) {
    return 0;
}

bool destroy(void* hwnd) noexcept {
    {
        const window_held held = acquire(hwnd);
        if (!held || !mine().owns(*held) || held->destroying) return false;
        held->destroying = true;
        (void)held->procedure(hwnd, CLQ_MESSAGE_DESTROY, 0, 0);
    }
    const window_held last = windows()->close(hwnd);
    auto& list = last->queue->windows;
    list.erase(std::find(list.begin(), list.end(), hwnd));
    last->queue->purge(hwnd);
    return true;
}

void* create(clq_window_procedure procedure, clq_window_creation creation) noexcept {
    message_queue* const queue = mine().queue();
    window_table* const table = windows();
    if (procedure == nullptr || queue == nullptr || table == nullptr) return nullptr;
    try {
        queue->windows.reserve(queue->windows.size() + 1);
    } catch (const std::exception&) {
        return nullptr;
    }
    void* const hwnd = table->create([&](window& made) {
        made.procedure = procedure;
        made.queue = queue;
        made.user.store_relaxed(creation.lpCreateParams);
        made.destroying = false;
        queue->keep();
        return true;
    });
    if (hwnd == nullptr) return nullptr;
    queue->windows.push_back(hwnd);
    const auto lparam = reinterpret_cast<clq_lparam>(&creation);
    if (procedure(hwnd, CLQ_MESSAGE_CREATE, 0, lparam) == -1) {
        (void)destroy(hwnd);
        return nullptr;
    }
    // The procedure may have destroyed it already.
    return table->valid(hwnd) ? hwnd : nullptr;
}

post_result post(void* hwnd, unsigned message, clq_wparam wparam, clq_lparam lparam) noexcept {
    const window_held held = acquire(hwnd);
    if (!held) return post_result::gone;
    const clq_message m{hwnd, message, wparam, lparam, milliseconds_now()};
    return held->queue->post(m) ? post_result::posted : post_result::full;
}

runtime::atom<std::uint32_t>& completion_id() noexcept {
    static runtime::atom<std::uint32_t> id{0};
    return id;
}

}  // namespace

bool window_valid(void* hwnd) noexcept {
    const window_table* const table = windows();
    return table != nullptr && table->valid(hwnd);
}

post_result post_message(void* hwnd, unsigned message, std::intptr_t wparam, std::intptr_t lparam) noexcept {
    return post(hwnd, message, static_cast<clq_wparam>(wparam), lparam);
}

unsigned completion_message() noexcept {
    // relaxed: the id is all there is to it.
    std::uint32_t id = completion_id().load_relaxed();
    if (id != 0) return id;
    const char* const wanted = std::getenv("COLLOQUY_COMPLETION_MESSAGE");
    std::uint32_t chosen = register_message(wanted);
    if (chosen == 0) chosen = register_message("WinAsyncCPIC");
    // A setter that was faster wins.
    return completion_id().cas_relaxed(id, chosen) ? chosen : id;
}

bool set_completion_message(const char* name) noexcept {
    const unsigned id = register_message(name);
    if (id == 0) return false;
    completion_id().store_relaxed(id);
    return true;
}

}  // namespace colloquy::api

using namespace colloquy::api;

extern "C" {

void* COLLOQUY_CALL clq_window_create(clq_window_procedure procedure, void* user) {
    return create(procedure, {user, "", ""});
}

int COLLOQUY_CALL clq_window_destroy(void* hwnd) { return destroy(hwnd) ? 0 : -1; }

int COLLOQUY_CALL clq_window_is(void* hwnd) { return window_valid(hwnd) ? 1 : 0; }

void* COLLOQUY_CALL clq_window_user(void* hwnd) {
    const window_held held = acquire(hwnd);
    // acquire[window-user]: sees what the pointer points to.
    return held ? held->user.load_acquire() : nullptr;
}

void* COLLOQUY_CALL clq_window_set_user(void* hwnd, void* user) {
    const window_held held = acquire(hwnd);
    // acq_rel[window-user]: publishes what `user` points to, and sees what the one before points to.
    return held ? held->user.exchange_acq_rel(user) : nullptr;
}

int COLLOQUY_CALL clq_window_post(void* hwnd, unsigned message, clq_wparam wParam, clq_lparam lParam) {
    if (hwnd == nullptr) {
        message_queue* const queue = mine().queue();
        if (queue == nullptr) return -1;
        return queue->post({nullptr, message, wParam, lParam, milliseconds_now()}) ? 0 : 1;
    }
    switch (post(hwnd, message, wParam, lParam)) {
        case post_result::posted: return 0;
        case post_result::full: return 1;
        case post_result::gone: break;
    }
    return -1;
}

clq_lresult COLLOQUY_CALL clq_window_default(void* hwnd, unsigned message, clq_wparam, clq_lparam) {
    if (message == CLQ_MESSAGE_CLOSE) (void)destroy(hwnd);
    return 0;
}

unsigned COLLOQUY_CALL clq_window_class_register(const char* name, clq_window_procedure procedure) try {
    std::string wanted = folded(name);
    if (wanted.empty() || procedure == nullptr) return 0;
    names& all = known();
    const std::lock_guard held{all.mutex};
    if (all.classes.size() == class_count_max || all.find_class(wanted) != all.classes.end()) return 0;
    all.classes.push_back({std::move(wanted), procedure});
    return static_cast<unsigned>(all.classes.size());
} catch (const std::exception&) {
    return 0;
}

int COLLOQUY_CALL clq_window_class_unregister(const char* name) try {
    const std::string wanted = folded(name);
    names& all = known();
    const std::lock_guard held{all.mutex};
    const auto found = all.find_class(wanted);
    if (found == all.classes.end()) return -1;
    all.classes.erase(found);
    return 0;
} catch (const std::exception&) {
    return -1;
}

void* COLLOQUY_CALL clq_window_create_of_class(const char* name, const char* title, void* user) {
    clq_window_procedure procedure = nullptr;
    try {
        const std::string wanted = folded(name);
        names& all = known();
        const std::lock_guard held{all.mutex};
        const auto found = all.find_class(wanted);
        if (found == all.classes.end()) return nullptr;
        procedure = found->procedure;
    } catch (const std::exception&) {
        return nullptr;
    }
    return create(procedure, {user, title == nullptr ? "" : title, name});
}

int COLLOQUY_CALL clq_message_get(clq_message* message) { return clq_message_get_matching(message, nullptr, 0, 0); }

int COLLOQUY_CALL clq_message_peek(clq_message* message, int remove) {
    return clq_message_peek_matching(message, nullptr, 0, 0, remove);
}

int COLLOQUY_CALL clq_message_get_matching(clq_message* message, void* hwnd, unsigned first, unsigned last) {
    message_queue* const queue = mine().queue();
    if (message == nullptr || queue == nullptr || (hwnd != nullptr && !window_valid(hwnd))) return -1;
    queue->get({hwnd, first, last}, *message);
    return message->message == CLQ_MESSAGE_QUIT ? 0 : 1;
}

int COLLOQUY_CALL clq_message_peek_matching(clq_message* message, void* hwnd, unsigned first, unsigned last,
                                            int remove) {
    message_queue* const queue = mine().queue();
    if (message == nullptr || queue == nullptr) return 0;
    return queue->peek({hwnd, first, last}, remove != 0, *message) ? 1 : 0;
}

clq_lresult COLLOQUY_CALL clq_message_dispatch(const clq_message* message) {
    if (message == nullptr) return 0;
    const clq_message m = *message;
    const window_held held = acquire(m.hwnd);
    if (!held || !mine().owns(*held)) return 0;
    return held->procedure(m.hwnd, m.message, m.wParam, m.lParam);
}

int COLLOQUY_CALL clq_message_post_quit(int code) {
    message_queue* const queue = mine().queue();
    if (queue == nullptr) return -1;
    queue->quit(code);
    return 0;
}

int COLLOQUY_CALL clq_message_descriptor(void) {
    message_queue* const queue = mine().queue();
    return queue == nullptr ? -1 : queue->descriptor();
}

int COLLOQUY_CALL clq_message_queue_size(unsigned messages) { return mine().resize(messages) ? 0 : -1; }

unsigned COLLOQUY_CALL clq_register_window_message(const char* name) { return register_message(name); }

}  // extern "C"
