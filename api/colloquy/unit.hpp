// unit: the process's logical unit as an object, for programs that bring their own settings.
#pragma once

#include <array>

#include "colloquy/colloquy.h"
#include "colloquy/types.hpp"

namespace colloquy {

// The process's logical unit while it lives; a program that makes none has one with the settings of the configuration
// file from its first call to its end. One a process, once.
class unit {
public:
    // May block while names are resolved. `options.size` is set here.
    explicit unit(clq_options options) noexcept {
        options.size = sizeof options;
        started_ = clq_start(&options) == 0;
    }
    // Calls that are incomplete end with deallocated_abend; up to two seconds for what was sent.
    ~unit() {
        if (started_) (void)clq_stop(2000);
    }
    unit(const unit&) = delete;
    unit& operator=(const unit&) = delete;
    // False: last_error() says why.
    [[nodiscard]] explicit operator bool() const noexcept { return started_; }
    // "ADDR:PORT" of the n-th listener, empty when there is none.
    [[nodiscard]] static bounded_text<63> listening(unsigned n = 0) noexcept {
        std::array<char, 64> text{};
        return bounded_text<63>{clq_listening(n, text.data(), text.size()) == 0 ? text.data() : ""};
    }

private:
    bool started_ = false;
};

}  // namespace colloquy
