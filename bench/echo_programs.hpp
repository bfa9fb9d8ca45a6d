// echo_programs: a server and a client written against the public API alone, as the benches use them.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "api/colloquy/colloquy.h"
#include "api/cpic.h"
#include "bench/raw_echo.hpp"

namespace echo {

struct settings {
    double duration_s = 12;  // of each workload, all rounds together
    int rounds = 5;
    std::size_t conversations = 1000;
    unsigned links = 1;
    unsigned reactors = 0;
    unsigned busy_poll_us = 0;
    bool json = false;
};

inline constexpr CM_INT32 size_of_message = static_cast<CM_INT32>(raw_echo::message_bytes);

[[noreturn]] inline void fail(const char* what, CM_INT32 code) {
    std::fprintf(stderr, "canonical: %s answered %d: %s\n", what, static_cast<int>(code), clq_last_error());
    std::_Exit(1);
}
inline void sure(const char* what, CM_INT32 code) {
    if (code != CM_OK) fail(what, code);
}

struct talk {
    unsigned char id[8];
    std::uint64_t asked_ns;
    CM_INT32 data, length, status, rts;
    char buffer[raw_echo::message_bytes];
};

// From the eight opaque bytes to the program's own record, as any server has to.
class table {
public:
    explicit table(std::size_t count) {
        while (places_.size() < count * 2) places_.resize(places_.empty() ? 64 : places_.size() * 2);
    }
    void add(talk* t) {
        std::size_t i = slot_of(t->id);
        while (places_[i] != nullptr) i = (i + 1) & (places_.size() - 1);
        places_[i] = t;
    }
    talk* find(const unsigned char* id) const {
        std::size_t i = slot_of(id);
        while (places_[i] != nullptr && std::memcmp(places_[i]->id, id, 8) != 0) i = (i + 1) & (places_.size() - 1);
        return places_[i];
    }

private:
    std::size_t slot_of(const unsigned char* id) const {
        std::uint64_t v = 0;
        std::memcpy(&v, id, 8);
        return (v * 0x9E3779B97F4A7C15ULL >> 20) & (places_.size() - 1);
    }
    std::vector<talk*> places_;
};

inline void begin(const char* lu, const char* listen, const settings& s) {
    clq_options o{};
    o.size = sizeof o;
    o.config_file = "";
    o.lu_name = lu;
    o.listen = listen;
    o.conversations = static_cast<unsigned>(std::max<std::size_t>(s.conversations * 2, 1024));
    o.links = std::max(64U, s.links * 2);
    o.partner_links = s.links;
    o.reactors = s.reactors;
    o.busy_poll_us = s.busy_poll_us;
    if (clq_start(&o) != 0) fail("clq_start", -1);
}

inline CM_INT32 receive(talk& t) {
    CM_INT32 wanted = size_of_message, rc = 0;
    cmrcv(t.id, t.buffer, &wanted, &t.data, &t.length, &t.status, &t.rts, &rc);
    return rc;
}

// Answers until nothing more comes; false when the conversation has ended.
template <class AtRequest>
bool serve_one(talk& t, CM_INT32 rc, AtRequest&& at_request) {
    while (rc == CM_OK) {
        at_request();
        CM_INT32 length = t.length, sent = 0;
        cmsend(t.id, t.buffer, &length, &t.rts, &sent);
        rc = sent == CM_OK ? receive(t) : sent;
    }
    if (rc == CM_OPERATION_INCOMPLETE) return true;
    if (rc == CM_DEALLOCATED_NORMAL || rc == CM_DEALLOCATED_ABEND || rc == CM_RESOURCE_FAILURE_RETRY) return false;
    fail("cmrcv", rc);
}

// Serves until as many conversations as expected have ended. `at_request` is called for each request served.
template <class AtRequest>
void serve(const settings& s, int port_pipe, AtRequest&& at_request) {
    begin("BENCH.SERVER", "127.0.0.1:0", s);
    CM_INT32 rc = 0, length = 4, mode = CM_NON_BLOCKING;
    cmsltp("ECHO", &length, &rc);
    sure("cmsltp", rc);
    char address[64] = {};
    (void)clq_listening(0, address, sizeof address);
    if (::write(port_pipe, address, sizeof address) != sizeof address) std::_Exit(1);
    auto talks = std::make_unique<talk[]>(s.conversations);
    table known{s.conversations};
    std::size_t accepted = 0, ended = 0;
    unsigned char pending[8];
    bool accepting = false;
    const auto take = [&](const unsigned char* id) {
        talk& t = talks[accepted++];
        std::memcpy(t.id, id, 8);
        known.add(&t);
        cmspm(t.id, &mode, &rc);
        sure("cmspm", rc);
        if (!serve_one(t, receive(t), at_request)) ++ended;
    };
    while (ended < s.conversations) {
        while (!accepting && accepted < s.conversations) {
            cmaccp(pending, &rc);
            if (rc == CM_OPERATION_INCOMPLETE) accepting = true;
            else sure("cmaccp", rc), take(pending);
        }
        unsigned char id[8];
        CM_INT32 code = 0;
        cmwait(id, &code, &rc);
        if (rc != CM_OK) break;
        if (accepting && std::memcmp(id, pending, 8) == 0) {
            accepting = false;
            if (code != CM_OK) break;
            take(id);
        } else if (!serve_one(*known.find(id), code, at_request)) {
            ++ended;
        }
    }
    (void)clq_stop(1000);
}

inline void open_talk(talk& t, const char* destination, bool blocking) {
    CM_INT32 rc = 0, mode = CM_NON_BLOCKING;
    cminit(t.id, "        ", &rc);
    sure("cminit", rc);
    clq_set_destination(t.id, destination, &rc);
    sure("clq_set_destination", rc);
    cmallc(t.id, &rc);
    sure("cmallc", rc);
    if (!blocking) cmspm(t.id, &mode, &rc);
}

}  // namespace echo
