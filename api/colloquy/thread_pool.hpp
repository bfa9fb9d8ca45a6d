// thread_pool: an executor with threads of its own, for handlers that block and programs that have no executor.
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "colloquy/executor.hpp"

namespace colloquy {

class thread_pool final : public queued_executor {
public:
    // Throws std::system_error or std::bad_alloc when threads cannot be started; those that were have ended then, since
    // to be destroyed it is enough that the other constructor has come to its end.
    explicit thread_pool(unsigned threads) : thread_pool{} {
        threads_.reserve(threads);
        for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { serve(); });
    }
    // Waits for works that run; those that have not begun are run, too.
    ~thread_pool() {
        settle();
        {
            const std::lock_guard held{mutex_};
            over_ = true;
        }
        woken_.notify_all();
        for (std::thread& t : threads_) t.join();
    }

private:
    thread_pool() = default;

    void wake() noexcept override {
        {
            const std::lock_guard held{mutex_};
            ++wakes_;
        }
        woken_.notify_one();
    }
    void serve() noexcept {
        for (;;) {
            {
                std::unique_lock held{mutex_};
                woken_.wait(held, [&] { return wakes_ != 0 || over_; });
                if (wakes_ == 0) return;
                --wakes_;
            }
            (void)run_one();
        }
    }

    std::mutex mutex_;
    std::condition_variable woken_;
    unsigned long long wakes_ = 0;
    bool over_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace colloquy
