// conversation: the blocking conversation: each verb returns when it is done.
//
// A value like every handle. Its verbs are CPI-C's; results carry what CPI-C has in output parameters. The conversation
// stays in blocking mode, which is what cpic.h gives to every new one.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "colloquy/handle.hpp"
#include "colloquy/verb.hpp"

namespace colloquy {

class conversation : public conversation_handle {
public:
    using conversation_handle::conversation_handle;
    constexpr explicit conversation(const conversation_handle& c) noexcept : conversation_handle{c} {}

    // A conversation to be allocated, for "HOST:PORT/TPNAME", "unix:PATH/TPNAME", "inproc/TPNAME" or a symbolic
    // destination name. Nothing is left behind when the destination is refused.
    [[nodiscard]] static result<conversation> initialize(std::string_view destination) noexcept {
        return begin(destination);
    }
    // The same without any destination: partner LU, TP and mode are to be set.
    [[nodiscard]] static result<conversation> initialize() noexcept { return begin({}); }
    // Waits for a partner to allocate one to a name that this program serves.
    [[nodiscard]] static result<conversation> accept() noexcept {
        CM_INT32 rc = CM_PRODUCT_SPECIFIC_ERROR;
        conversation c;
        cminic(c.id_.data(), &rc);
        if (rc == CM_OK) cmacci(c.id_.data(), &rc);
        if (rc != CM_OK) (void)c.cancel();
        return detail::as_result(rc, c);
    }

    result<> allocate() noexcept { return carry_out(detail::allocate_verb{}); }
    // At most 32767 bytes, by the conversation's send type.
    result<control_information> send(std::span<const std::byte> bytes) noexcept {
        return carry_out(detail::send_verb{bytes});
    }
    result<control_information> send(std::string_view text) noexcept { return send(bytes_of(text)); }
    // Sets the send type first, which stays.
    result<control_information> send(std::span<const std::byte> bytes, send_type how) noexcept {
        if (const result<> set = set_send_type(how); !set) return set.code();
        return send(bytes);
    }
    result<control_information> send(std::string_view text, send_type how) noexcept {
        return send(bytes_of(text), how);
    }
    // What came with the normal end of the conversation is a value, too: received::ended.
    result<received> receive(std::span<std::byte> buffer) noexcept { return carry_out(detail::receive_verb{buffer}); }
    result<control_information> confirm() noexcept { return carry_out(detail::confirm_verb{}); }
    result<> confirmed() noexcept { return carry_out(detail::confirmed_verb{}); }
    result<> flush() noexcept { return carry_out(detail::flush_verb{}); }
    result<> prepare_to_receive() noexcept { return carry_out(detail::prepare_to_receive_verb{}); }
    result<> deallocate() noexcept { return carry_out(detail::deallocate_verb{}); }
    result<control_information> send_error() noexcept { return carry_out(detail::send_error_verb{}); }
    result<> request_to_send() noexcept { return carry_out(detail::request_to_send_verb{}); }
    result<control_information> send_expedited(std::span<const std::byte> bytes) noexcept {
        return carry_out(detail::send_expedited_verb{bytes});
    }
    result<control_information> send_expedited(std::string_view text) noexcept {
        return send_expedited(bytes_of(text));
    }
    result<expedited> receive_expedited(std::span<std::byte> buffer, receive_type how = receive_type::wait) noexcept {
        return carry_out(detail::receive_expedited_verb{buffer, how});
    }

    // For both kinds of conversation: Initialize_Conversation and, if there is one, its destination.
    template <class Conversation = conversation>
    [[nodiscard]] static result<Conversation> begin(std::string_view destination) noexcept {
        id_bytes id{};
        CM_INT32 rc = CM_PRODUCT_SPECIFIC_ERROR;
        cminit(id.data(), "        ", &rc);
        if (rc != CM_OK) return static_cast<return_code>(rc);
        Conversation c{id};
        if (!destination.empty())
            if (const result<> set = c.set_destination(destination); !set) {
                (void)c.cancel();
                return set.code();
            }
        return c;
    }

private:
    template <class Verb>
    auto carry_out(Verb verb) noexcept -> result<typename Verb::value_type> {
        return verb.finish(static_cast<return_code>(verb.issue(id_.data())));
    }
};

}  // namespace colloquy
