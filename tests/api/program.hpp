// program: what a test needs to be a CPI-C program: a logical unit for the length of a case, and the calls as
// functions that return their code.
#pragma once

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "api/colloquy/colloquy.h"
#include "api/cpic.h"
#include "tests/support/system.hpp"

namespace colloquy::test {

using id_bytes = std::array<unsigned char, CM_CID_SIZE>;

// The process's logical unit while it lives. There is one at a time.
class running_unit {
public:
    explicit running_unit(clq_options wanted = {}) {
        wanted.size = sizeof wanted;
        if (wanted.config_file == nullptr) {
            wanted.config_file = "";
            if (wanted.conversations == 0) wanted.conversations = 256;
            if (wanted.links == 0) wanted.links = 256;
        }
        const int started = clq_start(&wanted);
        INFO(clq_last_error());
        REQUIRE(started == 0);
    }
    ~running_unit() { (void)clq_stop(2'000); }
    running_unit(const running_unit&) = delete;
    running_unit& operator=(const running_unit&) = delete;

    [[nodiscard]] static std::string address(unsigned n = 0) {
        std::array<char, 64> text{};
        REQUIRE(clq_listening(n, text.data(), text.size()) == 0);
        return text.data();
    }
    // The counters that tell of leaks: every conversation that was begun is over.
    [[nodiscard]] static unsigned long long conversations_open() {
        return clq_counter("conversations_opened") - clq_counter("conversations_closed");
    }
};

// A configuration file for the length of a case.
class scratch_configuration {
public:
    explicit scratch_configuration(std::string_view text) {
        path_ = scratch_path("colloquy-test").string();
        std::ofstream file{path_, std::ios::binary};
        file << text;
        file.close();
        REQUIRE(file);
    }
    ~scratch_configuration() {
        std::error_code ignored;
        std::filesystem::remove(path_, ignored);
    }
    scratch_configuration(const scratch_configuration&) = delete;
    scratch_configuration& operator=(const scratch_configuration&) = delete;

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] clq_options options() const {
        clq_options o{};
        o.config_file = path_.c_str();
        return o;
    }

private:
    std::string path_;
};

inline clq_options listening_options() {
    clq_options o{};
    o.listen = "127.0.0.1:0";
    return o;
}

inline void serve_tp(std::string_view name) {
    CM_INT32 rc = -1;
    const auto length = static_cast<CM_INT32>(name.size());
    cmsltp(name.data(), &length, &rc);
    REQUIRE(rc == CM_OK);
}

struct completion {
    CM_INT32 code = -1;    // of cmwait or cmchck
    CM_INT32 result = -1;  // of the operation
    id_bytes id{};
};
inline completion wait_any() {
    completion c;
    cmwait(c.id.data(), &c.result, &c.code);
    return c;
}
inline completion check_any() {
    completion c;
    cmchck(c.id.data(), &c.result, &c.code);
    return c;
}

// What cmwait tells of conversations other than the one a test waits for.
class collector {
public:
    // The code of the operation outstanding on `id`.
    CM_INT32 wait_for(const id_bytes& id) {
        for (;;) {
            if (const auto known = others_.find(id); known != others_.end()) {
                const CM_INT32 code = known->second;
                others_.erase(known);
                return code;
            }
            const completion c = wait_any();
            REQUIRE(c.code == CM_OK);
            if (c.id == id) return c.result;
            others_[c.id] = c.result;
        }
    }
    void forget() { others_.clear(); }

private:
    std::map<id_bytes, CM_INT32> others_;
};

struct received {
    CM_INT32 code = -1, data = -1, length = -1, status = -1, rts = -1;
    std::string text;
};

// One conversation of a program.
struct talk {
    id_bytes id{};
    CM_INT32 rts = -1;

    template <class Call, class... Arguments>
    CM_INT32 call(Call f, Arguments... arguments) const {
        CM_INT32 rc = -1;
        f(id.data(), arguments..., &rc);
        return rc;
    }
    // `f` is one of the Set_ calls with a number.
    template <class Call>
    CM_INT32 set(Call f, CM_INT32 value) const {
        CM_INT32 rc = -1;
        f(id.data(), &value, &rc);
        return rc;
    }

    CM_INT32 init(const char* sym_dest_name = "        ") {
        CM_INT32 rc = -1;
        cminit(id.data(), sym_dest_name, &rc);
        return rc;
    }
    CM_INT32 destination(const std::string& where) const {
        CM_INT32 rc = -1;
        clq_set_destination(id.data(), where.c_str(), &rc);
        return rc;
    }
    // Initialised and on its way to `where`, not allocated.
    void prepare(const std::string& where, CM_INT32 sync_level = CM_NONE, CM_INT32 mode = CM_BLOCKING) {
        REQUIRE(init() == CM_OK);
        REQUIRE(destination(where) == CM_OK);
        REQUIRE(set(cmssl, sync_level) == CM_OK);
        REQUIRE(set(cmspm, mode) == CM_OK);
    }
    CM_INT32 allocate() const { return call(cmallc); }
    // Calls `where` and leaves the attach in the send buffer.
    void begin(const std::string& where, CM_INT32 sync_level = CM_NONE) {
        prepare(where, sync_level);
        REQUIRE(allocate() == CM_OK);
    }
    CM_INT32 accept() {
        CM_INT32 rc = -1;
        cmaccp(id.data(), &rc);
        return rc;
    }
    // Accepts, with the wait that a program which named its TP needs.
    void accept(collector& all) {
        CM_INT32 rc = accept();
        if (rc == CM_OPERATION_INCOMPLETE) rc = all.wait_for(id);
        REQUIRE(rc == CM_OK);
    }
    CM_INT32 send(std::string_view text) {
        CM_INT32 rc = -1;
        const auto length = static_cast<CM_INT32>(text.size());
        cmsend(id.data(), text.data(), &length, &rts, &rc);
        return rc;
    }
    CM_INT32 send(std::string_view text, CM_INT32 send_type) {
        REQUIRE(set(cmsst, send_type) == CM_OK);
        const CM_INT32 rc = send(text);
        (void)set(cmsst, CM_BUFFER_DATA);  // the conversation may be over
        return rc;
    }
    // Receives what must be there: data (none for "") and a status.
    void hear(std::string_view text, CM_INT32 status) const {
        const received r = receive();
        CHECK(r.code == CM_OK);
        CHECK(r.text == text);
        CHECK(r.status == status);
    }
    received receive(CM_INT32 wanted = 32767) const {
        received r;
        r.text.resize(static_cast<std::size_t>(wanted));
        cmrcv(id.data(), r.text.data(), &wanted, &r.data, &r.length, &r.status, &r.rts, &r.code);
        if (r.code == CM_OK || r.code == CM_DEALLOCATED_NORMAL)
            r.text.resize(static_cast<std::size_t>(r.length));
        else
            r.text.clear();
        return r;
    }
    received receive_now(CM_INT32 wanted = 32767) const {
        REQUIRE(set(cmsrt, CM_RECEIVE_IMMEDIATE) == CM_OK);
        const received r = receive(wanted);
        (void)set(cmsrt, CM_RECEIVE_AND_WAIT);
        return r;
    }
    CM_INT32 flush() const { return call(cmflus); }
    CM_INT32 confirm() { return call(cmcfm, &rts); }
    CM_INT32 confirmed() const { return call(cmcfmd); }
    CM_INT32 prepare_to_receive() const { return call(cmptr); }
    CM_INT32 send_error() { return call(cmserr, &rts); }
    CM_INT32 request_to_send() const { return call(cmrts); }
    CM_INT32 test_request_to_send() { return call(cmtrts, &rts); }
    CM_INT32 deallocate() const { return call(cmdeal); }
    CM_INT32 deallocate(CM_INT32 type) const {
        REQUIRE(set(cmsdt, type) == CM_OK);
        return deallocate();
    }
    CM_INT32 cancel() const { return call(cmcanc); }
    // The conversation's state, or minus the code when there is none.
    [[nodiscard]] CM_INT32 state() const {
        CM_INT32 s = 0;
        CM_INT32 rc = -1;
        cmecs(id.data(), &s, &rc);
        return rc == CM_OK ? s : -rc;
    }
};

// A Receive that is outstanding keeps its outputs here.
struct pending_receive {
    std::array<char, 32767> buffer{};
    CM_INT32 wanted = 32767;
    received r;

    // The code is the caller's alone: as soon as the operation is issued another thread may collect it and issue the
    // next.
    CM_INT32 issue(const talk& t) {
        r = {};
        CM_INT32 rc = -1;
        cmrcv(t.id.data(), buffer.data(), &wanted, &r.data, &r.length, &r.status, &r.rts, &rc);
        return rc;
    }
    [[nodiscard]] std::string_view text() const { return {buffer.data(), static_cast<std::size_t>(r.length)}; }
};

}  // namespace colloquy::test
