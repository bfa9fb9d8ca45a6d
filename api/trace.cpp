#include "api/trace.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>
#include <utility>

#include "api/logical_unit.hpp"
#include "api/process.hpp"
#include "transport/platform.hpp"
#include "transport/reactor.hpp"

namespace colloquy::api::trace {

namespace {

using runtime::conversation_id;
using runtime::conversation_state;

int file = -1;  // these three are set once, before anything is switched on
std::size_t data_bytes = 0;
std::uint64_t started_ns = 0;

// A line being written. What does not fit is left out; there is always room for the end.
class line_of_text {
public:
    void add(std::string_view text) noexcept {
        const std::size_t n = std::min(text.size(), room.size() - 1 - size_);
        std::memcpy(room.data() + size_, text.data(), n);
        size_ += n;
    }
    void add(long long value) noexcept {
        std::array<char, 24> digits;
        const auto [end, error] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
        add({digits.data(), static_cast<std::size_t>(end - digits.data())});
    }
    template <class... Values>
    void format(const char* how, Values... values) noexcept {
        std::array<char, 128> text;
        const int n = std::snprintf(text.data(), text.size(), how, values...);
        if (n > 0) add({text.data(), std::min(static_cast<std::size_t>(n), text.size() - 1)});
    }
    // Quoted; what is not printable ASCII is escaped.
    void add_quoted(std::string_view text, std::size_t of) noexcept {
        add("\"");
        for (const char c : text) {
            if (c == '"' || c == '\\') {
                const char escaped[] = {'\\', c};
                add({escaped, 2});
            } else if (c >= ' ' && c <= '~') {
                add({&c, 1});
            } else {
                format("\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
            }
        }
        add(of > text.size() ? "...\"" : "\"");
    }
    [[nodiscard]] std::string_view view() const noexcept { return {room.data(), size_}; }
    [[nodiscard]] std::string_view finished() noexcept {
        room[size_++] = '\n';
        return view();
    }

private:
    std::array<char, 4 * data_bytes_max + 1024> room;
    std::size_t size_ = 0;
};

void report(const char* what, const char* where, int error) noexcept {
    (void)std::fprintf(stderr, "colloquy: the trace%s%s %s: %s\n", where[0] == '\0' ? "" : " file ", where, what,
                       transport::error_text(error).c_str());
}

void write(line_of_text& line) noexcept {
    const int error = append(file, line.finished());
    // The first one who fails says so, once.
    if (error != 0 && switched_on.exchange_acq_rel(0) != 0) report("ends", "", error);
}

void add_time(line_of_text& line, std::uint64_t now) noexcept {
    line.format("%.6f %u ", static_cast<double>(now - started_ns) * 1e-9, thread_number());
}

// Slot and life, short enough to be read aloud.
void add_id(line_of_text& line, conversation_id id) noexcept {
    if (id.value == 0)
        line.add("-");
    else
        line.format("%x.%04x", id.slot(), static_cast<unsigned>(id.generation() & 0xFFFFU));
}

void add_code(line_of_text& line, std::int32_t code) noexcept {
    line.add(name(static_cast<runtime::return_code>(code)));
}

std::string_view short_name(conversation_state s) noexcept {
    std::string_view text = name(s);
    constexpr std::string_view before = "CM_", after = "_STATE";
    if (text.starts_with(before)) text.remove_prefix(before.size());
    if (text.ends_with(after)) text.remove_suffix(after.size());
    return text;
}

conversation_state state_of(conversation_id id) noexcept {
    const held_unit u = running_unit();
    return u == nullptr ? conversation_state::reset : u->state_of(id);
}

bool start() noexcept {
    const char* const path = std::getenv("COLLOQUY_TRACE");
    if (path == nullptr || path[0] == '\0') return false;
    if (const char* bytes = std::getenv("COLLOQUY_TRACE_DATA"); bytes != nullptr)
        data_bytes = std::min<std::size_t>(std::strtoul(bytes, nullptr, 10), data_bytes_max);
    int error = 0;
    file = open_file(path, error);
    if (file < 0) {
        report("cannot be opened", path, error);
        return false;
    }
    started_ns = transport::now_ns();
    switched_on.store_relaxed(1);  // nobody calls before the library is loaded
    line_of_text line;
    // By the calendar of C++, whose conversion is safe for threads everywhere.
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    const auto today = std::chrono::floor<std::chrono::days>(now);
    const std::chrono::year_month_day date{today};
    const std::chrono::hh_mm_ss time{now - today};
    line.format("# colloquy trace of process %u, begun %04d-%02u-%02u %02d:%02d:%02d UTC", process_number(),
                static_cast<int>(date.year()), static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
    write(line);
    return true;
}

[[maybe_unused]] const bool started = start();

}  // namespace

struct record {
    struct output {
        const char* name;
        const std::int32_t* value;
    };
    const char* name = nullptr;
    const std::int32_t* return_code = nullptr;
    std::uint64_t begun_ns = 0;
    conversation_id id;
    bool named = false;  // the caller named it, so that it has a state before
    conversation_state before = conversation_state::reset;
    const void* given = nullptr;
    bool has_result = false;
    long long result = 0;
    line_of_text parameters;
    std::array<output, 5> outputs;
    std::size_t output_count = 0;
    const void* buffer = nullptr;
    const std::int32_t* received_length = nullptr;
    const std::int32_t* data_received = nullptr;
    line_of_text line;
};

void call::begin(const char* name, const void* conversation_id_bytes, const std::int32_t* return_code) noexcept {
    record* const r = new (std::nothrow) record;
    if (r == nullptr) return;
    r->name = name;
    r->return_code = return_code;
    if (conversation_id_bytes != nullptr) {
        r->id = conversation_id::from_bytes(conversation_id_bytes);
        r->named = true;
        r->before = state_of(r->id);
    }
    r->begun_ns = transport::now_ns();
    active_ = r;
}

void call::add_number(const char* name, const std::int32_t* value) noexcept {
    record& r = *active_;
    r.parameters.format(" %s=", name);
    if (value == nullptr)
        r.parameters.add("NULL");
    else
        r.parameters.add(*value);
}
void call::add_number(const char* name, long long value) noexcept {
    active_->parameters.format(" %s=", name);
    active_->parameters.add(value);
}
void call::add_text(const char* name, const void* characters, const std::int32_t* length) noexcept {
    active_->parameters.format(" %s=", name);
    if (characters == nullptr || length == nullptr) {
        active_->parameters.add("NULL");
        return;
    }
    constexpr std::int32_t name_max = 64;
    const std::int32_t n = std::clamp(*length, 0, name_max);
    active_->parameters.add_quoted({static_cast<const char*>(characters), static_cast<std::size_t>(n)},
                                   *length > n ? static_cast<std::size_t>(*length) : 0);
}
void call::add_text(const char* name, const char* terminated, std::size_t size_max) noexcept {
    active_->parameters.format(" %s=", name);
    if (terminated == nullptr) {
        active_->parameters.add("NULL");
        return;
    }
    const void* const end = std::memchr(terminated, 0, size_max);
    const std::size_t size =
        end == nullptr ? size_max : static_cast<std::size_t>(static_cast<const char*>(end) - terminated);
    active_->parameters.add_quoted({terminated, size}, size);
}
void call::add_sent(const void* buffer, const std::int32_t* length) noexcept {
    // Taken down at once: after 35 the buffer is not ours to read.
    if (data_bytes == 0 || buffer == nullptr || length == nullptr || *length <= 0 || *length > 32767) return;
    const auto size = static_cast<std::size_t>(*length);
    active_->parameters.add(" data=");
    active_->parameters.add_quoted({static_cast<const char*>(buffer), std::min(size, data_bytes)}, size);
}
void call::add_output(const char* name, const std::int32_t* value) noexcept {
    record& r = *active_;
    if (value != nullptr && r.output_count < r.outputs.size()) r.outputs[r.output_count++] = {name, value};
}
void call::add_received(const void* buffer, const std::int32_t* length, const std::int32_t* data_received) noexcept {
    active_->buffer = buffer;
    active_->received_length = length;
    active_->data_received = data_received;
}
void call::add_given(const void* conversation_id_bytes) noexcept { active_->given = conversation_id_bytes; }
void call::set_conversation(conversation_id id) noexcept { active_->id = id; }
void call::set_result(long long value) noexcept {
    active_->has_result = true;
    active_->result = value;
}

namespace {

// Whether a call that answered so has written its outputs.
bool outputs_written(std::int32_t code) noexcept {
    const auto c = static_cast<runtime::return_code>(code);
    return c == runtime::return_code::ok || c == runtime::return_code::deallocated_normal;
}

void add_data(line_of_text& line, const void* buffer, std::int32_t length) noexcept {
    if (data_bytes == 0 || buffer == nullptr || length <= 0) return;
    const auto size = static_cast<std::size_t>(length);
    line.add(" data=");
    line.add_quoted({static_cast<const char*>(buffer), std::min(size, data_bytes)}, size);
}

}  // namespace

void call::end() noexcept {
    const std::uint64_t now = transport::now_ns();
    record& r = *active_;
    active_ = nullptr;
    line_of_text& line = r.line;
    const bool has_code = r.return_code != nullptr;
    // What answered 35 at queue level is somebody else's to write by now.
    const bool over = std::exchange(logical_unit::this_thread().handed_over, false);
    const std::int32_t code = over ? CM_OPERATION_INCOMPLETE : has_code ? *r.return_code : 0;
    if (r.given != nullptr && has_code && code == 0) r.id = conversation_id::from_bytes(r.given);
    add_time(line, r.begun_ns);
    line.add(r.name);
    line.add(" ");
    add_id(line, r.id);
    line.add(r.parameters.view());
    line.add(" -> ");
    if (r.has_result)
        line.add(r.result);
    else if (has_code)
        add_code(line, code);
    else
        line.add("NULL");
    if (r.id.value != 0) {
        line.add(" | ");
        if (r.named) {
            line.add(short_name(r.before));
            line.add(" -> ");
        }
        line.add(short_name(state_of(r.id)));
    }
    if (has_code && outputs_written(code) && (r.output_count != 0 || r.buffer != nullptr)) {
        line.add(" |");
        for (std::size_t i = 0; i < r.output_count; ++i) {
            line.format(" %s=", r.outputs[i].name);
            line.add(*r.outputs[i].value);
        }
        if (r.data_received != nullptr && *r.data_received != 0 && r.received_length != nullptr) {
            line.add(" received_length=");
            line.add(*r.received_length);
            add_data(line, r.buffer, *r.received_length);
        }
    }
    line.format(" | %.1f us", static_cast<double>(now - r.begun_ns) * 1e-3);
    write(line);
    delete &r;
}

// In the order of runtime::verb.
static constexpr const char* calls[] = {"-",      "cmaccp", "cmallc", "cmsend", "cmrcv",  "cmcfm",  "cmcfmd",
                                        "cmdeal", "cmflus", "cmptr",  "cmrts",  "cmserr", "cmsndx", "cmrcvx"};
static_assert(std::size(calls) == static_cast<std::size_t>(runtime::verb::receive_expedited) + 1);

void told_slowly(const char* whom, const runtime::queue_completion& q) noexcept {
    line_of_text line;
    add_time(line, transport::now_ns());
    line.add("tell ");
    add_id(line, q.id);
    line.format(" %s %s -> ", whom, calls[static_cast<std::size_t>(q.kind)]);
    add_code(line, static_cast<std::int32_t>(q.code));
    write(line);
}

void tell_slowly(const char* whom, const runtime::conversation* v) noexcept {
    line_of_text line;
    add_time(line, transport::now_ns());
    line.add("tell ");
    add_id(line, v == nullptr ? conversation_id{} : v->id());
    line.add(" ");
    line.add(whom);
    if (v != nullptr) {
        const runtime::operation& op = v->op;
        const auto code = static_cast<std::int32_t>(op.result);
        line.add(" ");
        line.add(calls[static_cast<std::size_t>(op.kind)]);
        line.add(" -> ");
        add_code(line, code);
        line.add(" | ");
        line.add(short_name(v->state));
        if (op.kind == runtime::verb::receive && outputs_written(code) && op.data_received != nullptr &&
            op.received_length != nullptr && op.status_received != nullptr) {
            line.format(" | data_received=%d status_received=%d", *op.data_received, *op.status_received);
            if (*op.data_received != 0) {
                line.format(" received_length=%d", *op.received_length);
                add_data(line, op.buffer, *op.received_length);
            }
        }
    }
    write(line);
}

void refused_slowly(const char* whom, const runtime::conversation& v) noexcept {
    line_of_text line;
    add_time(line, transport::now_ns());
    line.add("tell ");
    add_id(line, v.id());
    line.format(" %s: not taken, to be asked again", whom);
    write(line);
}

void note_slowly(const char* about, std::string_view text) noexcept {
    line_of_text line;
    add_time(line, transport::now_ns());
    line.add(about);
    line.add(": ");
    line.add(text);
    write(line);
}

}  // namespace colloquy::api::trace
