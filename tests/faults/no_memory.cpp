// Starts the library over and over, and each time one more of the things that its start asks for is refused: memory by
// operator new, tables by mmap, descriptors by the system, threads by the program; the n-th alone, or the n-th and all
// after it. For every n the start answers that it failed and says why in one line, or did without; nothing of it is
// left behind; and the next start succeeds in the same process and carries a conversation.
//
// usage: no_memory [WAY...]   ways: options (clq_start) and startup (WinCPICStartup with a file); none: both
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <string>
#include <string_view>
#include <thread>

#include "api/colloquy/colloquy.h"
#include "api/wincpic.h"

namespace {

enum class asked : int { memory, tables, descriptors, threads };
constexpr const char* names[]{"operator new", "mmap", "descriptors", "threads"};

// What the process is refused. Counted over all threads, because the library's own are part of its start.
struct refusals {
    std::atomic<int> kind{-1};
    std::atomic<long> left{0};
    std::atomic<bool> for_ever{false};
    std::atomic<long> refused{0};

    [[nodiscard]] bool refuses(asked what) noexcept {
        if (kind.load(std::memory_order_relaxed) != static_cast<int>(what)) return false;
        const long before = left.fetch_sub(1, std::memory_order_relaxed);
        if (before > 0 || (before < 0 && !for_ever.load(std::memory_order_relaxed))) return false;
        refused.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    void begin(asked what, long nth, bool on) noexcept {
        left.store(nth, std::memory_order_relaxed);
        refused.store(0, std::memory_order_relaxed);
        for_ever.store(on, std::memory_order_relaxed);
        kind.store(static_cast<int>(what), std::memory_order_relaxed);
    }
    // How many were refused.
    [[nodiscard]] long end() noexcept {
        kind.store(-1, std::memory_order_relaxed);
        return refused.load(std::memory_order_relaxed);
    }
} refusal;

std::atomic<long> blocks;       // of operator new that live
std::atomic<long> table_bytes;  // mapped through us and not unmapped

}  // namespace

void* operator new(std::size_t n, const std::nothrow_t&) noexcept {
    if (refusal.refuses(asked::memory)) return nullptr;
    void* const p = std::malloc(n == 0 ? 1 : n);
    if (p != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
    return p;
}
void* operator new(std::size_t n) {
    if (void* const p = ::operator new(n, std::nothrow); p != nullptr) return p;
    throw std::bad_alloc{};
}
void* operator new(std::size_t n, std::align_val_t a, const std::nothrow_t&) noexcept {
    if (refusal.refuses(asked::memory)) return nullptr;
    const auto alignment = static_cast<std::size_t>(a);
    void* const p = std::aligned_alloc(alignment, (n + alignment - 1) / alignment * alignment);
    if (p != nullptr) blocks.fetch_add(1, std::memory_order_relaxed);
    return p;
}
void* operator new(std::size_t n, std::align_val_t a) {
    if (void* const p = ::operator new(n, a, std::nothrow); p != nullptr) return p;
    throw std::bad_alloc{};
}
void operator delete(void* p) noexcept {
    if (p == nullptr) return;
    blocks.fetch_sub(1, std::memory_order_relaxed);
    std::free(p);
}
void operator delete(void* p, std::size_t) noexcept { ::operator delete(p); }
void operator delete(void* p, std::align_val_t) noexcept { ::operator delete(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { ::operator delete(p); }

// The linker puts these before the system's (-Wl,--wrap) for the library's own calls, and for nobody else's.
extern "C" {
void* __real_mmap(void*, std::size_t, int, int, int, off_t);
int __real_munmap(void*, std::size_t);
int __real_epoll_create1(int);
int __real_eventfd(unsigned, int);
int __real_timerfd_create(int, int);
int __real_socket(int, int, int);

void* __wrap_mmap(void* at, std::size_t n, int protection, int flags, int file, off_t offset) {
    if (refusal.refuses(asked::tables)) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    void* const p = __real_mmap(at, n, protection, flags, file, offset);
    if (p != MAP_FAILED) table_bytes.fetch_add(static_cast<long>(n), std::memory_order_relaxed);
    return p;
}
int __wrap_munmap(void* p, std::size_t n) {
    table_bytes.fetch_sub(static_cast<long>(n), std::memory_order_relaxed);
    return __real_munmap(p, n);
}
static bool no_descriptor() {
    if (!refusal.refuses(asked::descriptors)) return false;
    errno = EMFILE;
    return true;
}
int __wrap_epoll_create1(int flags) { return no_descriptor() ? -1 : __real_epoll_create1(flags); }
int __wrap_eventfd(unsigned value, int flags) { return no_descriptor() ? -1 : __real_eventfd(value, flags); }
int __wrap_timerfd_create(int clock, int flags) { return no_descriptor() ? -1 : __real_timerfd_create(clock, flags); }
int __wrap_socket(int family, int kind, int protocol) {
    return no_descriptor() ? -1 : __real_socket(family, kind, protocol);
}
}

namespace {

std::string config_file;

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "no_memory: %s; the last error: '%s'\n", what.c_str(), clq_last_error());
    std::exit(1);
}

struct held {
    long blocks, table_bytes;
    std::ptrdiff_t descriptors, threads;
};
std::ptrdiff_t entries_of(const char* folder) {
    return std::distance(std::filesystem::directory_iterator{folder}, std::filesystem::directory_iterator{});
}
// A thread that has been joined may be seen for a moment.
held now() {
    static const std::ptrdiff_t threads_first = entries_of("/proc/self/task");
    std::ptrdiff_t threads = 0;
    for (int patience = 0; patience < 10'000; ++patience) {
        threads = entries_of("/proc/self/task");
        if (threads <= threads_first) break;
        ::usleep(1'000);
    }
    const std::ptrdiff_t descriptors = entries_of("/proc/self/fd");
    return {blocks.load(), table_bytes.load(), descriptors, threads};
}

// A program's own way to start threads, which has none to give.
int make_thread(void*, const char*, void (*entry)(void*), void* argument) {
    if (refusal.refuses(asked::threads)) return -1;
    std::thread{entry, argument}.detach();  // which throws when there is no memory, and may
    return 0;
}

// Each begins the library in its way and gives 0, or a code that says that it could not.
int by_options() {
    clq_options o{};
    o.size = sizeof o;
    o.config_file = "";
    o.lu_name = "NET.POOR";
    o.listen = "127.0.0.1:0";
    o.tp_names = "FIRST SECOND";
    o.conversations = 64;
    o.links = 16;
    o.reactors = 2;
    o.thread_factory = make_thread;
    return clq_start(&o);
}
int by_startup() {
    WCPICDATA data;
    return WinCPICStartup(0x0001, &data);
}

struct way {
    const char* name;
    int (*begin)();
    int refused;  // what it answers when there is no logical unit
};
constexpr way ways[]{{"options", by_options, -1}, {"startup", by_startup, WCPICSYSNOTREADY}};

void must(const char* what, CM_INT32 rc) {
    if (rc != CM_OK) fail(std::string{what} + " gave " + std::to_string(rc));
}

// One record to a program of this process, which says that it has it.
void converse() {
    CM_INT32 rc = -1;
    const CM_INT32 length = 4;
    cmsltp("SELF", &length, &rc);
    must("cmsltp", rc);
    unsigned char caller[CM_CID_SIZE];
    unsigned char called[CM_CID_SIZE];
    CM_INT32 rts = 0;
    cminit(caller, "        ", &rc);
    must("cminit", rc);
    clq_set_destination(caller, "inproc/SELF", &rc);
    must("clq_set_destination", rc);
    cmallc(caller, &rc);
    must("cmallc", rc);
    cmsend(caller, "here", &length, &rts, &rc);
    must("cmsend", rc);
    cmdeal(caller, &rc);
    must("cmdeal", rc);
    cmaccp(called, &rc);
    if (rc == CM_OPERATION_INCOMPLETE) {
        CM_INT32 result = -1;
        cmwait(called, &result, &rc);
        must("cmwait", rc);
        rc = result;
    }
    must("cmaccp", rc);
    std::string got;
    while (rc == CM_OK) {
        char buffer[16];
        const CM_INT32 room = sizeof buffer;
        CM_INT32 data = 0;
        CM_INT32 n = 0;
        CM_INT32 status = 0;
        cmrcv(called, buffer, &room, &data, &n, &status, &rts, &rc);
        if (data != CM_NO_DATA_RECEIVED && (rc == CM_OK || rc == CM_DEALLOCATED_NORMAL))
            got.append(buffer, static_cast<std::size_t>(n));
    }
    if (rc != CM_DEALLOCATED_NORMAL || got != "here") fail("the conversation ended with " + std::to_string(rc));
}

void end() {
    while (WinCPICCleanup() != 0) {
    }
    (void)clq_stop(2'000);
}

// One whole life: begun, used, ended.
void live(const way& w) {
    if (const int code = w.begin(); code != 0) fail(std::string{w.name} + " gave " + std::to_string(code));
    converse();
    end();
}

// How many were asked for until a start got all of them.
long starve(const way& w, asked what, bool for_ever) {
    // What is allocated once and kept: by a life, and by a start that failed.
    live(w);
    refusal.begin(what, 0, for_ever);
    (void)w.begin();
    (void)refusal.end();
    end();
    live(w);
    const held before = now();
    for (long n = 0;; ++n) {
        // No string of ours may live while blocks are counted.
        const auto trouble = [&](const std::string& complaint) {
            fail(std::string{w.name} + ", " + names[static_cast<int>(what)] + " number " + std::to_string(n) +
                 (for_ever ? " and all behind it" : "") + ": " + complaint);
        };
        refusal.begin(what, n, for_ever);
        const int code = w.begin();
        const bool reached = refusal.end() != 0;
        if (code == 0) {
            // Done without, or not asked for any more.
            converse();
        } else {
            const std::string_view why = clq_last_error();
            if (!reached) trouble(std::to_string(code) + " although nothing was refused");
            if (code != w.refused) trouble("it answered " + std::to_string(code));
            if (why.empty() || why.find('\n') != why.npos) trouble("it does not say why in one line");
        }
        end();
        const held after = now();
        if (after.descriptors != before.descriptors || after.threads != before.threads ||
            after.table_bytes != before.table_bytes || after.blocks > before.blocks)
            trouble("left behind " + std::to_string(after.blocks - before.blocks) + " blocks, " +
                    std::to_string(after.table_bytes - before.table_bytes) + " bytes of tables, " +
                    std::to_string(after.descriptors - before.descriptors) + " descriptors, " +
                    std::to_string(after.threads - before.threads) + " threads");
        live(w);
        if (!reached) return n;
    }
}

}  // namespace

int main(int argc, char** argv) {
    const auto folder = std::filesystem::temp_directory_path() / ("colloquy-poor-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    config_file = (folder / "colloquy.toml").string();
    std::ofstream{config_file} << "lu_name = \"NET.POOR\"\nlisten = \"127.0.0.1:0\"\n[limits]\nconversations = 64\n"
                                  "links = 16\n[[tp]]\nname = \"FIRST\"\n[[partner]]\nname = \"NET.RICH\"\n"
                                  "addresses = [\"127.0.0.1:9\"]\n[[side_information]]\nname = \"THERE\"\n"
                                  "partner_lu = \"NET.RICH\"\ntp_name = \"FIRST\"\n";
    ::setenv("COLLOQUY_CONFIG", config_file.c_str(), 1);
    (void)now();
    // The memory of the last error's text is kept for the next one.
    clq_options nowhere{};
    nowhere.size = sizeof nowhere;
    const std::string long_name = "/nowhere" + std::string(200, 'x');
    nowhere.config_file = long_name.c_str();
    if (clq_start(&nowhere) == 0) fail("a configuration that is nowhere was read");
    for (const way& w : ways) {
        bool wanted = argc == 1;
        for (int i = 1; i < argc; ++i) wanted |= std::string_view{argv[i]} == w.name;
        if (!wanted) continue;
        for (const asked what : {asked::memory, asked::tables, asked::descriptors, asked::threads}) {
            if (what == asked::threads && w.begin != by_options) continue;  // they are the system's to give
            const long alone = starve(w, what, false);
            const long on = starve(w, what, true);
            std::printf("%s, %s: %ld refused one at a time, %ld with all behind\n", w.name,
                        names[static_cast<int>(what)], alone, on);
            std::fflush(stdout);
            if (alone == 0) fail(std::string{"nothing was refused: "} + w.name);
        }
    }
    std::filesystem::remove_all(folder);
    return 0;
}
