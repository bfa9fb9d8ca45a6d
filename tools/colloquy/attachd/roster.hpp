// roster: the programs of one TP and the attaches that wait for them: what is started, given, refused and ended when.
//
// It decides and does nothing itself: news come in with the time, what follows from them goes out through `actions`. So
// every rule is tested without a process, a socket or a clock. One thread.
//
// Answers to a partner that come from here: 11 (retry) when the program ended or hung before it accepted, or when it is
// held back after failing in a row; 10 (no retry) when its command cannot be run at all.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>

#include "tools/colloquy/attachd/settings.hpp"
#include "tools/colloquy/attachd/throttle.hpp"

namespace colloquy::tool {

class roster {
public:
    using attach_id = std::uint64_t;
    using program_id = std::uint64_t;

    static constexpr int refused_no_retry = 10;
    static constexpr int refused_retry = 11;
    static constexpr std::uint64_t never = ~std::uint64_t{0};

    struct started {
        program_id program = 0;  // 0: it could not be started
        int refusal = refused_retry;
    };

    class actions {
    public:
        // Starts a program, whose link is open or will be; says itself what went wrong.
        virtual started start(const tp_settings& tp) = 0;
        virtual void give(attach_id attach, program_id program) = 0;
        virtual void refuse(attach_id attach, int code) = 0;
        // The program gets attaches without being asked for, so many conversations at a time; 0: no more.
        virtual void route(const tp_settings& tp, program_id program, std::uint32_t at_most) = 0;
        // No attach will come any more.
        virtual void last(program_id program) = 0;
        // Cuts its link.
        virtual void close(program_id program) = 0;
        virtual void terminate(program_id program) = 0;
        virtual void kill(program_id program) = 0;
        virtual void note(const tp_settings& tp, const std::string& what) = 0;

    protected:
        ~actions() = default;
    };

    roster(tp_settings tp, actions& todo) : tp_{std::move(tp)}, todo_{todo}, throttle_{tp_.restart} {}

    [[nodiscard]] const tp_settings& tp() const noexcept { return tp_; }
    // Applies to programs that are started and attaches that arrive from now on.
    void change(tp_settings tp);

    // --- attaches ---
    void arrived(attach_id attach, std::uint64_t now_ms);
    void returned(attach_id attach, std::uint64_t now_ms);  // from a program that is gone before it got it
    void gone(attach_id attach, std::uint64_t now_ms);      // nobody waits for its answer any more

    // --- conversations ---
    void delivered(program_id program, attach_id attach, std::uint64_t now_ms);
    void accepted(program_id program, attach_id attach, std::uint64_t now_ms);
    void ended(program_id program, attach_id attach, std::uint64_t now_ms);

    // --- programs ---
    void registered(program_id program);
    void unregistered(program_id program);
    void left(program_id program, std::uint64_t now_ms);                    // its link is closed
    void exited(program_id program, bool by_signal, std::uint64_t now_ms);  // its process has ended

    // Nothing is started any more, and programs end as soon as they have no conversation. What waits is refused.
    void retire(std::uint64_t now_ms);
    // Ends every program that was started, in spite of its conversations.
    void end_programs(std::uint64_t now_ms);

    // When tick() has something to do; never: not before some news.
    [[nodiscard]] std::uint64_t deadline_ms() const;
    void tick(std::uint64_t now_ms);

    struct numbers {
        std::size_t waiting = 0;
        std::size_t running = 0;     // processes we started that have not ended
        std::size_t registered = 0;  // programs that came by themselves
        std::size_t open = 0;        // conversations
        std::uint64_t started = 0;
        std::uint64_t ended = 0;
        std::uint64_t crashed = 0;  // by a signal that was not ours
        std::uint64_t hung = 0;     // were ended because they did not accept in time
        std::uint64_t failed = 0;   // could not be started
        std::uint64_t refused = 0;
        std::uint64_t closed_until_ms = 0;  // of the throttle
    };
    [[nodiscard]] numbers count() const;
    // Neither programs nor attaches.
    [[nodiscard]] bool empty() const noexcept { return programs_.empty() && waiting_.empty(); }

private:
    enum class phase {
        running,
        asked,       // told that no attach will come
        terminated,  // has had SIGTERM
        killed,
        over,  // the process has ended; its link not yet
    };

    struct member {
        bool ours = false;        // started, not registered
        bool named_none = false;  // registered once, and serves this TP no more
        bool link_left = false;
        bool accepted_any = false;
        bool ended_any = false;
        bool crashed = false;
        bool wanted_end = false;  // what it does from now on says nothing about how sound it is
        phase is = phase::running;
        attach_id attach = 0;        // process: the one it was started for, until it is accepted or lost
        std::size_t open_count = 0;  // of a program that registered: nobody hurries it, so that is all to know
        // Of one that was started:
        std::set<attach_id> open;     // delivered and not ended
        std::set<attach_id> unheard;  // delivered and not accepted, ended or not
        std::uint64_t deadline_ms = never;
    };
    using entry = std::map<program_id, member>::iterator;

    [[nodiscard]] std::size_t running() const noexcept;
    [[nodiscard]] std::size_t starting() const noexcept;
    void work(std::uint64_t now_ms);
    [[nodiscard]] bool start_one(attach_id attach, std::uint64_t now_ms);
    void failed(int refusal, std::uint64_t now_ms);
    void refuse(attach_id attach, int code);
    void refuse_waiting();
    [[nodiscard]] bool may_be_asked(const member& p) const noexcept;
    void watch(member& p, std::uint64_t now_ms);
    void ask_to_end(entry e, std::uint64_t now_ms);
    void escalate(entry e, std::uint64_t now_ms);
    void lose_attach(attach_id attach, std::uint64_t now_ms);
    void forget_if_gone(entry e, std::uint64_t now_ms);

    tp_settings tp_;
    actions& todo_;
    throttle throttle_;
    int refusal_ = refused_retry;  // while the throttle is closed
    bool retired_ = false;
    std::uint64_t retry_ms_ = never;  // when the throttle opens for those that wait
    std::map<program_id, member> programs_;
    std::set<attach_id> waiting_;  // in the order of their arrival, as their numbers are
    numbers totals_;
};

}  // namespace colloquy::tool
