// conversation: the CPI-C calls of one conversation as members, with its ID and the outputs of the call in progress.
//
// After a call returned CM_OPERATION_INCOMPLETE another thread may collect its completion at any moment: whoever made
// the call must not touch this object again. The outputs live here so that they stay where they are until then.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>

#include "api/colloquy/colloquy.h"
#include "api/cpic.h"

namespace colloquy::tool {

class conversation {
public:
    conversation() = default;
    conversation(const conversation&) = delete;
    conversation& operator=(const conversation&) = delete;

    // What the last Receive brought.
    CM_INT32 data_received = CM_NO_DATA_RECEIVED;
    CM_INT32 received_length = 0;
    CM_INT32 status_received = CM_NO_STATUS_RECEIVED;

    [[nodiscard]] std::uint64_t key() const noexcept { return key_of(id_); }
    [[nodiscard]] static std::uint64_t key_of(const char* id) noexcept {
        std::uint64_t key = 0;
        std::memcpy(&key, id, sizeof key);
        return key;
    }
    void adopt(const char* id) noexcept { std::memcpy(id_, id, sizeof id_); }

    // Initialize_Conversation, and where it is to go.
    CM_INT32 open(const char* destination) noexcept {
        CM_INT32 code = CM_OK;
        cminit(id_, "        ", &code);
        if (code != CM_OK) return code;
        clq_set_destination(id_, destination, &code);
        return code;
    }
    CM_INT32 allocate() noexcept { return call(cmallc); }
    CM_INT32 send(const void* data, CM_INT32 length) noexcept {
        CM_INT32 code = CM_OK;
        cmsend(id_, data, &length, &request_to_send_, &code);
        return code;
    }
    CM_INT32 receive(void* buffer, CM_INT32 room) noexcept {
        CM_INT32 code = CM_OK;
        cmrcv(id_, buffer, &room, &data_received, &received_length, &status_received, &request_to_send_, &code);
        return code;
    }
    CM_INT32 confirm() noexcept {
        CM_INT32 code = CM_OK;
        cmcfm(id_, &request_to_send_, &code);
        return code;
    }
    CM_INT32 confirmed() noexcept { return call(cmcfmd); }
    CM_INT32 send_error() noexcept {
        CM_INT32 code = CM_OK;
        cmserr(id_, &request_to_send_, &code);
        return code;
    }
    CM_INT32 deallocate() noexcept { return call(cmdeal); }
    CM_INT32 cancel() noexcept { return call(cmcanc); }

    CM_INT32 set_non_blocking() noexcept { return set(cmspm, CM_NON_BLOCKING); }
    CM_INT32 set_sync_level(CM_INT32 level) noexcept { return set(cmssl, level); }
    CM_INT32 set_send_type(CM_INT32 type) noexcept { return set(cmsst, type); }
    CM_INT32 set_deallocate_type(CM_INT32 type) noexcept { return set(cmsdt, type); }

    [[nodiscard]] std::string tp_name() const {
        char text[CM_TPN_SIZE];
        CM_INT32 length = 0;
        CM_INT32 code = CM_OK;
        cmetpn(id_, text, &length, &code);
        return code == CM_OK ? std::string(text, static_cast<std::size_t>(length)) : std::string{};
    }
    [[nodiscard]] std::string partner_lu() const {
        char text[CM_PLN_SIZE];
        CM_INT32 length = 0;
        CM_INT32 code = CM_OK;
        cmepln(id_, text, &length, &code);
        return code == CM_OK ? std::string(text, static_cast<std::size_t>(length)) : std::string{};
    }

private:
    template <class Verb>
    CM_INT32 call(Verb verb) noexcept {
        CM_INT32 code = CM_OK;
        verb(id_, &code);
        return code;
    }
    template <class Verb>
    CM_INT32 set(Verb verb, CM_INT32 value) noexcept {
        CM_INT32 code = CM_OK;
        verb(id_, &value, &code);
        return code;
    }

    char id_[CM_CID_SIZE] = {};
    CM_INT32 request_to_send_ = 0;
};

}  // namespace colloquy::tool
