// trace: a line for every call and every completion, for people who want to see what a program does.
//
// COLLOQUY_TRACE names the file, which is appended to; COLLOQUY_TRACE_DATA how many bytes of sent and received data a
// line shows, none by default. Both are read when the library is loaded. Off, a call costs one relaxed load.
//   seconds thread call conversation parameters -> code | state before -> after | outputs | duration
// Passwords and user IDs are never written, only their lengths. Lines are bounded and each is one write, so that
// those of several threads and processes do not mix. Nothing here fails a call: a file that cannot be written is
// reported once on standard error, and the trace ends.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "runtime/atom.hpp"
#include "runtime/conversation.hpp"
#include "runtime/conversation_id.hpp"
#include "runtime/queue_level.hpp"

namespace colloquy::api {

class logical_unit;

namespace trace {

inline constexpr std::size_t data_bytes_max = 1024;

inline runtime::atom<std::uint32_t> switched_on;
// relaxed: whoever sees it late misses a line.
[[nodiscard]] inline bool on() noexcept { return switched_on.load_relaxed() != 0; }

struct record;

// One call, from its construction to its destruction. Names must be literals. Pointers are read as the call itself
// reads them: inputs at once, outputs at the end, and not when the call answered 35 and may be somebody else's by
// then.
class call {
public:
    call(const char* name, const void* conversation_id_bytes, const std::int32_t* return_code) noexcept {
        if (on()) begin(name, conversation_id_bytes, return_code);
    }
    ~call() {
        if (active_ != nullptr) end();
    }
    call(const call&) = delete;
    call& operator=(const call&) = delete;

    call& in(const char* name, const std::int32_t* value) noexcept {
        if (active_ != nullptr) add_number(name, value);
        return *this;
    }
    call& in(const char* name, long long value) noexcept {
        if (active_ != nullptr) add_number(name, value);
        return *this;
    }
    call& text(const char* name, const void* characters, const std::int32_t* length) noexcept {
        if (active_ != nullptr) add_text(name, characters, length);
        return *this;
    }
    call& text(const char* name, const char* terminated, std::size_t size_max = 256) noexcept {
        if (active_ != nullptr) add_text(name, terminated, size_max);
        return *this;
    }
    call& sent(const void* buffer, const std::int32_t* length) noexcept {
        if (active_ != nullptr) add_sent(buffer, length);
        return *this;
    }
    call& out(const char* name, const std::int32_t* value) noexcept {
        if (active_ != nullptr) add_output(name, value);
        return *this;
    }
    call& received(const void* buffer, const std::int32_t* length, const std::int32_t* data_received) noexcept {
        if (active_ != nullptr) add_received(buffer, length, data_received);
        return *this;
    }
    // The call gives out an ID, there when its code is 0.
    call& gives(const void* conversation_id_bytes) noexcept {
        if (active_ != nullptr) add_given(conversation_id_bytes);
        return *this;
    }
    // The same, known before.
    void conversation(runtime::conversation_id id) noexcept {
        if (active_ != nullptr) set_conversation(id);
    }
    // What a call answered that has no return code; hands it through.
    template <class Number>
    Number result(Number value) noexcept {
        if (active_ != nullptr) set_result(static_cast<long long>(value));
        return value;
    }

private:
    void begin(const char* name, const void* conversation_id_bytes, const std::int32_t* return_code) noexcept;
    void end() noexcept;
    void add_number(const char* name, const std::int32_t* value) noexcept;
    void add_number(const char* name, long long value) noexcept;
    void add_text(const char* name, const void* characters, const std::int32_t* length) noexcept;
    void add_text(const char* name, const char* terminated, std::size_t size_max) noexcept;
    void add_sent(const void* buffer, const std::int32_t* length) noexcept;
    void add_output(const char* name, const std::int32_t* value) noexcept;
    void add_received(const void* buffer, const std::int32_t* length, const std::int32_t* data_received) noexcept;
    void add_given(const void* conversation_id_bytes) noexcept;
    void set_conversation(runtime::conversation_id id) noexcept;
    void set_result(long long value) noexcept;

    record* active_ = nullptr;
};

// A completion is about to be told, so that its outputs may be read. `v`: its slot, held by the one who tells; null
// when it is not known whose it is.
void tell_slowly(const char* whom, const runtime::conversation* v) noexcept;
inline void tell(const char* whom, const runtime::conversation* v) noexcept {
    if (on()) tell_slowly(whom, v);
}
// One at queue level, collected. Its outputs are the program's again.
void told_slowly(const char* whom, const runtime::queue_completion& q) noexcept;
inline void told(const char* whom, const runtime::queue_completion& q) noexcept {
    if (on()) told_slowly(whom, q);
}
// It was not taken.
void refused_slowly(const char* whom, const runtime::conversation& v) noexcept;
inline void refused(const char* whom, const runtime::conversation& v) noexcept {
    if (on()) refused_slowly(whom, v);
}

// Something that is no call and that whoever reads the trace wants to know. `about` is one word.
void note_slowly(const char* about, std::string_view text) noexcept;
inline void note(const char* about, std::string_view text) noexcept {
    if (on()) note_slowly(about, text);
}

// What a system supplies (api/linux/, api/windows/).
// The descriptor, or -1 with the reason in `error`. Readable by its owner alone: data may stand in it.
[[nodiscard]] int open_file(const char* path, int& error) noexcept;
// One write, whole or not at all as far as the system lets us. 0, or the error.
[[nodiscard]] int append(int file, std::string_view line) noexcept;
[[nodiscard]] std::uint32_t thread_number() noexcept;
[[nodiscard]] std::uint32_t process_number() noexcept;

}  // namespace trace
}  // namespace colloquy::api
