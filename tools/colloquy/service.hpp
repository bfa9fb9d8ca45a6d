// service: a conversation that somebody opened to one of the programs we serve.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "tools/colloquy/hub.hpp"

namespace colloquy::tool {

class service : public session {
public:
    // Takes over a conversation that was accepted: non-blocking from here. The code with which to run().
    [[nodiscard]] CM_INT32 begin(const char* id) {
        talk_.adopt(id);
        begun();
        return talk_.set_non_blocking();
    }
    [[nodiscard]] std::uint64_t key() const noexcept { return talk_.key(); }

protected:
    // Back to the beginning of its program; the object served another conversation before.
    virtual void begun() = 0;
};

// Where services come from and where they return to when their conversation has ended. Any thread.
class service_pool {
public:
    virtual ~service_pool() = default;

    [[nodiscard]] service& take() {
        {
            const std::lock_guard held{busy_};
            if (!free_.empty()) {
                service* s = free_.back();
                free_.pop_back();
                ++in_use_;
                return *s;
            }
        }
        std::unique_ptr<service> made = make();
        service& s = *made;
        const std::lock_guard held{busy_};
        all_.push_back(std::move(made));
        free_.reserve(all_.size());
        ++in_use_;
        return s;
    }
    void give_back(service& s) {
        const std::lock_guard held{busy_};
        free_.push_back(&s);
        --in_use_;
    }
    [[nodiscard]] std::size_t in_use() {
        const std::lock_guard held{busy_};
        return in_use_;
    }

protected:
    [[nodiscard]] virtual std::unique_ptr<service> make() = 0;

private:
    std::mutex busy_;
    std::vector<std::unique_ptr<service>> all_;
    std::vector<service*> free_;
    std::size_t in_use_ = 0;
};

}  // namespace colloquy::tool
