// program_end: one end of a conversation, as a program holds it: the calls as functions that return their code, and the
// memory that belongs to the library while a call is incomplete.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "api/colloquy/colloquy.h"
#include "tests/conformance/table.hpp"

namespace colloquy::conformance {

using id_bytes = std::array<unsigned char, CM_CID_SIZE>;

inline void need(CM_INT32 code, CM_INT32 wanted, std::string_view what) {
    if (code != wanted)
        throw failure(std::string{what} + " returned " + std::to_string(code) + " instead of " +
                      std::to_string(wanted));
}
inline void need(bool holds, std::string_view what) {
    if (!holds) throw failure(std::string{what});
}

using number_setter = void (*)(const void*, const CM_INT32*, CM_INT32*);
using name_setter = void (*)(const void*, const void*, const CM_INT32*, CM_INT32*);

// A logical record of a basic conversation.
inline std::string logical_record(std::string_view text) {
    const std::size_t length = text.size() + 2;
    std::string r;
    r += static_cast<char>(length >> 8);
    r += static_cast<char>(length & 0xFF);
    r += text;
    return r;
}

struct program_end {
    id_bytes id{};
    bool basic = false;
    CM_INT32 requested = 4'096, data = -1, length = -1, status = -1, rts = -1, sent_length = 0;
    std::array<char, 4'096> buffer{};
    // Expedited data: what is received, how much of it is wanted, what is told of it.
    std::array<char, 86> fast{};
    CM_INT32 fast_wanted = 86, fast_length = -1, fast_type = CM_RECEIVE_AND_WAIT;
    std::string said;

    template <class Call, class... Arguments>
    CM_INT32 call(Call f, Arguments... arguments) const {
        CM_INT32 rc = -1;
        f(id.data(), arguments..., &rc);
        return rc;
    }
    CM_INT32 set(number_setter f, CM_INT32 value) const {
        CM_INT32 rc = -1;
        f(id.data(), &value, &rc);
        return rc;
    }
    CM_INT32 name(name_setter f, std::string_view text) const {
        const auto size = static_cast<CM_INT32>(text.size());
        CM_INT32 rc = -1;
        f(id.data(), text.data(), &size, &rc);
        return rc;
    }
    CM_INT32 init() {
        basic = false;
        CM_INT32 rc = -1;
        cminit(id.data(), "        ", &rc);
        return rc;
    }
    CM_INT32 destination(const std::string& where) const {
        CM_INT32 rc = -1;
        clq_set_destination(id.data(), where.c_str(), &rc);
        return rc;
    }
    // Initialised and on its way to `where`, not allocated.
    void prepare(const std::string& where, CM_INT32 sync_level, bool as_basic, bool duplex = false) {
        need(init(), CM_OK, "Initialize_Conversation");
        need(destination(where), CM_OK, "the destination");
        need(set(cmssl, sync_level), CM_OK, "Set_Sync_Level");
        if (duplex) need(set(cmssrm, CM_FULL_DUPLEX), CM_OK, "Set_Send_Receive_Mode");
        if (as_basic) need(set(cmsct, CM_BASIC_CONVERSATION), CM_OK, "Set_Conversation_Type");
        basic = as_basic;
    }
    CM_INT32 allocate() const { return call(cmallc); }
    CM_INT32 accept() {
        CM_INT32 rc = -1;
        cmaccp(id.data(), &rc);
        return rc;
    }
    // After an Accept.
    void learn_type() {
        CM_INT32 type = -1;
        need(call(cmect, &type), CM_OK, "Extract_Conversation_Type");
        basic = type == CM_BASIC_CONVERSATION;
    }
    CM_INT32 send_bytes(std::string bytes) {
        said = std::move(bytes);
        sent_length = static_cast<CM_INT32>(said.size());
        rts = -1;
        return call(cmsend, static_cast<const void*>(said.data()), static_cast<const CM_INT32*>(&sent_length), &rts);
    }
    // One record, whatever the type.
    CM_INT32 send(std::string_view text) { return send_bytes(basic ? logical_record(text) : std::string{text}); }
    CM_INT32 receive() {
        data = length = status = rts = -1;
        return call(cmrcv, static_cast<void*>(buffer.data()), static_cast<const CM_INT32*>(&requested), &data, &length,
                    &status, &rts);
    }
    // What the last Receive brought, without the length bytes of a basic record.
    [[nodiscard]] std::string_view text() const {
        if (data == CM_NO_DATA_RECEIVED || length < 0) return {};
        const std::string_view all{buffer.data(), static_cast<std::size_t>(length)};
        return basic && all.size() >= 2 ? all.substr(2) : all;
    }
    // What Send_Expedited_Data and Receive_Expedited_Data tell is in `rts`, too.
    CM_INT32 send_expedited(std::string_view text) {
        said = text;
        sent_length = static_cast<CM_INT32>(said.size());
        rts = -1;
        return call(cmsndx, static_cast<const void*>(said.data()), static_cast<const CM_INT32*>(&sent_length), &rts);
    }
    CM_INT32 receive_expedited(CM_INT32 type, CM_INT32 most = 86) {
        fast_wanted = most;
        fast_type = type;
        fast_length = rts = -1;
        return call(cmrcvx, static_cast<void*>(fast.data()), static_cast<const CM_INT32*>(&fast_wanted), &fast_length,
                    &rts, static_cast<const CM_INT32*>(&fast_type));
    }
    [[nodiscard]] std::string_view fast_text() const {
        return fast_length < 0 ? std::string_view{}
                               : std::string_view{fast.data(), static_cast<std::size_t>(fast_length)};
    }
    CM_INT32 flush() const { return call(cmflus); }
    CM_INT32 confirm() {
        rts = -1;
        return call(cmcfm, &rts);
    }
    CM_INT32 confirmed() const { return call(cmcfmd); }
    CM_INT32 prepare_to_receive() const { return call(cmptr); }
    CM_INT32 send_error() {
        rts = -1;
        return call(cmserr, &rts);
    }
    CM_INT32 request_to_send() const { return call(cmrts); }
    CM_INT32 deallocate() const { return call(cmdeal); }
    CM_INT32 cancel() const { return call(cmcanc); }
    [[nodiscard]] CM_INT32 state() const {
        CM_INT32 s = 0;
        const CM_INT32 rc = call(cmecs, &s);
        if (rc == CM_OK) return s;
        if (rc == CM_PROGRAM_PARAMETER_CHECK) return reset_state;
        throw failure("Extract_Conversation_State returned " + std::to_string(rc));
    }
};

// Codes after which there is no conversation.
inline bool ends(CM_INT32 code) {
    for (const char* set : {"af", "ae", "da", "dn", "rf", "43"})
        if (is_one_of(code, set)) return true;
    return false;
}

}  // namespace colloquy::conformance
