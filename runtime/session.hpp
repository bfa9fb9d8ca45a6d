// session: one link's end, without I/O. Bytes and times go in; frames, completions and a next deadline come out.
//
// Input side and clock: the driver of the link only. Output side: frames are pushed from any thread; gathering
// belongs to the holder of the write duty. Life: a session is created once per table slot and used again after
// everyone let go of it (conversations that still name it, and the connection, each hold it). A conversation that has
// ended holds it no more: it knows which life of the session it meant.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "runtime/buffer_pool.hpp"
#include "runtime/channel_map.hpp"
#include "runtime/context.hpp"
#include "runtime/conversation.hpp"
#include "runtime/pile.hpp"
#include "runtime/return_code.hpp"
#include "runtime/wire/frame.hpp"
#include "runtime/wire/hello.hpp"
#include "runtime/wire/reason.hpp"
#include "runtime/wire/relay.hpp"

namespace colloquy::runtime {

class engine;
class relay;
struct relay_program;

// Between whom a link is. Anything but ordinary only between an attach manager and its programs, on one machine.
enum class link_role : std::uint8_t {
    ordinary,
    program,  // at the manager: the other end is a program
    manager,  // at the program: the other end is the manager
};

// Part of a buffer that is to be written or may be read into.
struct slice {
    std::byte* data = nullptr;
    std::size_t size = 0;
};

class session {
public:
    enum class stage : std::uint8_t {
        vacant,
        greeting,  // our hello may be under way; the partner's has not come
        open,
        draining,  // no new conversations; ends with the last one
        ended,     // nothing is read or written any more
    };

    explicit session(engine& owner, std::uint32_t index) noexcept : engine_{owner}, index_{index} {}
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session();

    // --- any thread --------------------------------------------------------------------------------------------------
    [[nodiscard]] std::uint32_t index() const noexcept { return index_; }
    [[nodiscard]] stage at() const noexcept { return stage_.load_acquire(); }
    [[nodiscard]] bool usable() const noexcept { return at() == stage::open; }
    [[nodiscard]] wire::link_side side() const noexcept { return side_; }
    // Stable from the time the session is open until it is recycled.
    [[nodiscard]] std::string_view peer_name() const noexcept { return peer_.lu_name.view(); }
    [[nodiscard]] bool peer_can(std::uint16_t hello_flags) const noexcept {
        return (peer_.flags & hello_flags) == hello_flags;
    }
    [[nodiscard]] std::uint32_t peer_attach_credit() const noexcept { return peer_.attach_credit; }
    [[nodiscard]] std::uint16_t peer_flags() const noexcept { return peer_.flags; }
    [[nodiscard]] return_code loss_code() const noexcept { return loss_code_.load_acquire(); }
    [[nodiscard]] wire::reason ended_because() const noexcept { return why_.load_acquire(); }

    // Takes the frame, header included, and sees to it that somebody writes it. Frames of one thread keep their order.
    void send(context& c, buffer* frame) noexcept;
    // A frame of the link itself or of a relay, from the parts it is made of. False: no memory.
    // `secret`: nothing of it stays in memory.
    bool send_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload,
                    bool secret = false) noexcept;
    // The same for what the other end has us say without a conversation of ours. Who lets too many of them lie is
    // condemned (driver).
    void send_answer(context& c, const wire::frame_header& h, std::span<const std::byte> payload) noexcept;
    // What waits to be written.
    [[nodiscard]] std::uint64_t queued_bytes() const noexcept { return room_.load_relaxed() & ~room_waiters; }
    // What has been written in this life.
    [[nodiscard]] std::uint64_t written_bytes() const noexcept { return written_.load_relaxed(); }
    // More is waiting than the link may hold: the caller must wait in the list.
    [[nodiscard]] bool crowded() const noexcept;
    // Puts `v`, owned by the caller, in the list of those that wait for room. False: there is room already.
    [[nodiscard]] bool wait_for_room(context& c, conversation& v) noexcept;

    channel_map<>& channels(wire::link_side s) noexcept { return s == side_ ? own_channels_ : peer_channels_; }
    // Keeps the session from being used for another link. False: it is vacant.
    [[nodiscard]] bool try_hold() noexcept {
        std::uint32_t n = holds_.load_relaxed();
        while (n != 0)
            // acquire[session-hold]: sees what the session is for.
            if (holds_.cas_acquire(n, n + 1)) return true;
        return false;
    }
    // Which link this is of those that the session has been used for. Of who holds it.
    [[nodiscard]] std::uint32_t life() const noexcept { return life_; }
    enum class begin_result : std::uint8_t { begun, full, ended };
    // A number for a conversation we begin. The caller's hold becomes the conversation's when it is begun.
    [[nodiscard]] begin_result begin_channel(conversation_id id, std::uint32_t& channel) noexcept;
    // The same for a conversation the partner begins (driver).
    void adopt_channel(conversation_id id, std::uint32_t channel) noexcept;
    // The conversation of a channel the partner began goes on under another id (any thread; see engine::move_attached).
    void rename_channel(conversation_id id, std::uint32_t channel) noexcept;
    // The conversation no longer answers for its channel. `acknowledged`: nothing more comes for it, so that a number
    // of ours may be used again. Called before the frame that ends the channel is sent.
    // `duplex`: each end ends on its own, so that only an answer or an abend can be the partner's last word.
    // False: the number is in use until the partner has said its last word.
    // `holder` had it; at a peer's number that is somebody else's by now nothing is done. No holder: a relay.
    bool end_channel(std::uint32_t channel, conversation_id holder, bool acknowledged, bool duplex = false) noexcept;
    // The same for the holder's last frame: takes it, and sends it unless the partner has said its last word already.
    // The number is not free before the frame is in the output.
    bool send_last(context& c, buffer* frame, std::uint32_t channel, conversation_id holder, bool duplex) noexcept;
    // The partner confirmed the end that the holder asked for (driver).
    void take_last_word(std::uint32_t channel, conversation_id holder) noexcept;
    // A frame that was brought to the conversation before its channel ended: it may be the partner's last word.
    void settle_late(context& c, std::uint32_t channel, wire::frame_type type, std::uint8_t indicators) noexcept;
    // The partner has acknowledged the end of a full-duplex conversation whose owner has still to hear of its end.
    // False: the owner has ended it meanwhile.
    [[nodiscard]] bool note_answer(std::uint32_t channel, conversation_id id) noexcept;
    // There was nothing to acknowledge. True: the link has ended, and who told its conversations so may have missed it.
    [[nodiscard]] bool take_back_answer(std::uint32_t channel, conversation_id id) noexcept;
    // The partner's channel: we gave the conversation up after asking to confirm its end. Nothing may be sent before
    // the partner has answered, because a Confirmed would free the number for its next conversation.
    // False: the answer has come.
    bool end_unanswered(std::uint32_t channel, conversation_id holder) noexcept;
    // A conversation lets go of the session.
    void leave(context& c) noexcept;

    // Opened by engine::open_session and never started: given back as it is.
    void abandon() noexcept;
    // The hold of the connection, or of a conversation.
    void release(context& c) noexcept;
    [[nodiscard]] std::uint32_t conversations() const noexcept {
        return bound_.load_relaxed() & ~bound_ended;  // relaxed: statistic
    }

    // --- holder of the write duty ------------------------------------------------------------------------------------
    // Fills in what is to be written next, at most 64 KiB and `max` slices. 0: nothing is left and the duty is given
    // up.
    // Small frames are copied together, large ones are pointed to.
    std::size_t gather(context& c, slice* out, std::size_t max) noexcept;
    // All that gather() gave has been written.
    void written(context& c) noexcept;
    // The same for a link that carries frames and not bytes: all that is queued, oldest first. Null: nothing is left
    // and the duty is given up. The frames are the caller's.
    [[nodiscard]] buffer* take_frames(context& c) noexcept;
    // For the connection that closes: the duty, if nobody has it. False: the holder is about to find the session ended.
    [[nodiscard]] bool take_write_duty() noexcept { return output_.try_take_duty(); }
    // The connection takes nothing more: drops what is queued, and keeps the duty for ever so that later frames are
    // dropped.
    void stop_writing(context& c) noexcept;

    // --- driver ------------------------------------------------------------------------------------------------------
    void start(context& c, wire::link_side side, std::uint64_t now) noexcept;
    // Where to read into. `scratch` is at least scratch_min bytes and is used only until received() returns.
    static constexpr std::size_t scratch_min = 2 * (wire::frame_size_max + 1);
    [[nodiscard]] std::size_t offer(std::span<std::byte> scratch, slice (&out)[2]) noexcept;
    // `bytes` were read into what offer() gave.
    void received(context& c, std::span<std::byte> scratch, std::size_t bytes, std::uint64_t now) noexcept;
    // A whole frame, for links that carry frames and not bytes (in-process).
    void received_frame(context& c, std::span<const std::byte> frame, std::uint64_t now) noexcept;
    // The connection is gone or ended. Conversations learn it; the session takes and gives nothing more.
    void lost(context& c, return_code code, wire::reason why) noexcept;
    // Says why to the partner, then as lost(). The transport closes when what is queued has been written.
    void fail(context& c, wire::reason why) noexcept;
    // The same from any thread: carried out by the driver at its next look.
    void condemn(wire::reason why) noexcept { condemned_.store_release(why); }
    // No new conversations from either end; ends when the last is over.
    void drain(context& c) noexcept;
    // Called when next_deadline() has passed.
    void tick(context& c, std::uint64_t now) noexcept;
    [[nodiscard]] std::uint64_t next_deadline() const noexcept { return deadline_; }

    // Used by the transport for what it hangs on a session.
    void* transport_data = nullptr;
    // The partner this link was opened for and which of its links it is; null on links that came in. Set before
    // start().
    partner* opened_for = nullptr;
    std::uint32_t opened_index = 0;
    session* next_listed = nullptr;  // in the transport's lists
    // What the link is for, and at a manager the program behind it. Set before start().
    link_role role = link_role::ordinary;
    relay_program* program = nullptr;
    // Nobody but the two ends can read it: it is encrypted, or does not leave the machine. Set before start().
    bool confidential = false;
    bool in_process = false;  // both ends are this logical unit. Set before start()
    // Of a partner at a manager: where it calls from, as text. Set by host::admit_peer (driver).
    wire::small_text<wire::caller_size_max> caller;
    // Users whom the partner says to have verified are believed. Settled by its hello (driver).
    bool takes_users = false;
    // Of a relay that watches whether the other end reads: what had been written when that last changed.
    std::uint64_t seen_written = 0;
    std::uint64_t seen_at = 0;

    // Whom the attach that just came is from, told before it by the manager (driver).
    [[nodiscard]] const wire::origin& origin() const noexcept { return origin_; }
    // When the partner was last heard (driver).
    [[nodiscard]] std::uint64_t heard() const noexcept { return heard_; }

    // The partner may attach once more: it keeps to the rate that the limits allow (driver).
    [[nodiscard]] bool attach_in_rate() noexcept;

    // Charge that came for conversations nobody has accepted yet (shared).
    atom<std::uint32_t> attach_charge;

private:
    friend class engine;
    class scout;

    std::size_t decode(context& c, std::span<const std::byte> bytes, std::uint64_t now) noexcept;
    [[nodiscard]] bool on_awaited_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload,
                                        wire::reason& why) noexcept;
    [[nodiscard]] bool broken_by_partner(context& c, std::uint32_t channel, wire::reason why) noexcept;
    bool on_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload, buffer* owned,
                  std::uint64_t now) noexcept;
    bool on_link_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload,
                       std::uint64_t now) noexcept;
    bool on_hello(context& c, std::span<const std::byte> payload, std::uint64_t now) noexcept;
    void send_hello(context& c) noexcept;
    void send_reason(context& c, wire::frame_type type, wire::reason why) noexcept;
    void send_link_frame(context& c, wire::frame_type type, std::span<const std::byte> payload) noexcept;
    void on_unanswered(context& c, const wire::frame_header& h) noexcept;
    bool after_end(context& c, const wire::frame_header& h, std::uint64_t value) noexcept;
    [[nodiscard]] channel_map<>::entry* entry_of(std::uint32_t channel) noexcept {
        return channels(wire::channel_side(channel)).find(wire::channel_index(channel));
    }
    bool settle(std::uint32_t channel, std::uint64_t seen) noexcept;
    void free_number(std::uint32_t channel) noexcept;
    bool on_relay_frame(context& c, const wire::frame_header& h, std::span<const std::byte> payload) noexcept;
    bool blame(context& c, std::uint32_t channel, wire::reason why) noexcept;
    void keep_rest(context& c, std::span<std::byte> bytes) noexcept;  // and out of where it was read to
    void forget_rest(context& c) noexcept;
    void free_output(context& c, buffer* list) noexcept;
    void after_output(context& c, std::uint64_t bytes) noexcept;
    bool refuse(context& c, wire::reason why) noexcept;

    engine& engine_;
    const std::uint32_t index_;
    wire::link_side side_ = wire::link_side::connector;
    std::uint32_t life_ = 0;
    atom<stage> stage_;
    atom<return_code> loss_code_;
    atom<wire::reason> why_;
    atom<wire::reason> condemned_;
    // Conversations that name this session, and whether it has ended. One word, so that a conversation is either seen
    // by the driver of a lost link or sees that the link is lost.
    static constexpr std::uint32_t bound_ended = 1U << 31;
    atom<std::uint32_t> bound_;
    atom<std::uint32_t> holds_;  // conversations and the connection

    // Output. room_: bytes waiting, and the top bit says that somebody waits for room.
    static constexpr std::uint64_t room_waiters = 1ULL << 63;
    duty_pile<buffer> output_;
    atom<std::uint64_t> room_;
    atom<std::uint64_t> written_;
    atom<std::uint64_t> answers_;  // frames of send_answer() among them
    pile<waiting_node> crowd_;
    atom<std::uint32_t> wrote_;  // set by writes, cleared by the heartbeat

    // Of the holder of the write duty.
    buffer* queue_ = nullptr;     // taken from the pile, not yet gathered
    buffer* gathered_ = nullptr;  // pointed to by the write under way
    buffer* staging_ = nullptr;   // small frames copied together
    std::uint64_t gathered_bytes_ = 0;

    // Of the driver.
    wire::hello peer_;
    buffer* rest_ = nullptr;       // the first part of a frame
    std::size_t rest_wanted_ = 0;  // size of that frame, header included; 0 until the header is whole
    std::uint64_t deadline_ = UINT64_MAX;
    std::uint64_t heard_ = 0;
    std::uint64_t beat_ = 0;           // when the next ping is due
    std::uint32_t last_attach_ = 0;    // channel of the last attach taken
    std::uint64_t attach_tokens_ = 0;  // attaches the partner may make at once, in nanoseconds of its rate
    std::uint64_t attach_time_ = 0;
    bool counted_ = false;  // among the links of its peer
    wire::origin origin_;   // of the attach that comes on the channel after it
    std::uint32_t origin_channel_ = 0;

    channel_map<> own_channels_;
    channel_map<> peer_channels_;
};

}  // namespace colloquy::runtime
