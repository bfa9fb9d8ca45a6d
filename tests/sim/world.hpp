// world: one seed's logical units, programs and network, run to the end under the oracle's eyes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/verbs.hpp"
#include "tests/sim/oracle.hpp"
#include "tests/sim/reduction.hpp"
#include "tests/sim/tally.hpp"
#include "transport/sim.hpp"

namespace colloquy::sim {

class world {
public:
    // Everything that differs between runs follows from `seed`.
    world(std::uint64_t seed, oracle& judge, const reduction& less, bool verbose);

    // Throws failure.
    void run();
    [[nodiscard]] const drawings& drawn() const noexcept { return draw_; }
    [[nodiscard]] const tally& count() const noexcept { return totals_; }
    // Actions that were begun.
    [[nodiscard]] std::uint64_t begun() const noexcept { return begun_; }

private:
    struct acceptance {
        runtime::conversation_id id;
        bool blocking;
        bool incoming;  // Accept_Incoming: the id is the conversation's
        bool counted = false;
        bool cancelled = false;
        std::uint64_t id_memory = 0;
    };
    struct unit {
        std::unique_ptr<transport::sim_unit> at;
        std::string name;
        std::unordered_map<std::uint64_t, side*> sides;  // by conversation_ID; the id of a pending verb's side
        std::vector<std::unique_ptr<acceptance>> accepts;
        bool posts = false;                             // completions are passed on by callbacks, not collected
        std::vector<runtime::conversation_id> refused;  // that could not be passed on, and are later
        std::uint32_t outstanding = 0;                  // non-blocking verbs that are not collected
        std::uint32_t outstanding_before = 0;
        std::uint64_t idle_before = 0;  // how often it was told then that nothing is outstanding any more
    };

    void draw_limits();
    void act();
    void act_on(side& s);
    void interfere();
    void die(std::uint32_t at);
    void corrupt(std::size_t link);
    void give_up_spoiled(side& s);
    void take_spoiled_attaches();
    [[nodiscard]] std::unique_ptr<transport::sim_unit> make_unit(std::uint32_t at);
    void draw_from(std::uint64_t source) noexcept;
    void open_talk(std::uint32_t from, std::uint32_t to);
    void accept(std::uint32_t at, bool blocking);
    void accept_incoming(std::uint32_t at, runtime::conversation_id id, bool blocking);
    void withdraw(std::uint32_t at, std::size_t which);
    void accepted(std::uint32_t at, runtime::conversation_id id, std::int32_t mode = 0);
    void express(side& s);
    bool poll_beside(side& s);
    [[nodiscard]] runtime::engine::collect_result take(std::uint32_t at, runtime::engine::collected& done);
    void wake_up(const side& s, runtime::queue on = runtime::queue::main);
    bool collect_one(std::uint32_t at);
    bool take_posted(std::uint32_t at, runtime::engine::collected& done);
    void waits(std::uint32_t at, runtime::conversation_id id, bool blocking, bool& counted);
    void cancel_accept(std::uint32_t at, acceptance& a);
    void collect_all();
    void poll_blocked();
    void finish_pending(side& s, std::int32_t code);

    std::int32_t issue(side& s, call what, std::int32_t length = -1);
    void cancel(side& s);
    void set_something(side& s);
    void set(side& s, runtime::characteristic which, std::int32_t value);
    void set_log(side& s);
    void read_logs();
    std::vector<std::byte> compose(side& s, request& q, std::int32_t length, bool& bad);
    call pick(side& s);
    [[nodiscard]] bool chosen(std::size_t knob) { return random_.below(4) < knobs_[knob]; }

    void settle();
    void check_state(side& s);
    void check_outstanding();
    void check_at_rest();
    void cooperate();
    void end_everything();
    void check_nothing_leaked();
    void use_again();

    [[nodiscard]] circumstances around(const side& s) const;
    void forget(side& s);
    void refresh();
    void note(const std::string& line) const;
    [[nodiscard]] std::string label(const side& s) const;
    runtime::engine& engine(std::uint32_t u) { return units_[u].at->engine; }
    runtime::context& context(std::uint32_t u) { return units_[u].at->c; }

    oracle& judge_;
    transport::sim_random random_;
    // Draws for what the first kind of conversations has not, so that the draws of their worlds stay as they are.
    transport::sim_random swarm_;
    const std::uint64_t seed_;
    const reduction& less_;
    bool verbose_;
    drawings draw_;
    tally totals_;
    std::uint64_t begun_ = 0;
    runtime::limits limits_;

    std::unique_ptr<transport::sim_network> network_;
    std::vector<unit> units_;
    std::vector<std::unique_ptr<talk>> talks_;
    std::vector<side*> active_;

    // drawn
    std::uint32_t actions_ = 0;
    std::uint32_t illegal_ = 0;  // per mille
    std::uint32_t faults_ = 0;   // per mille of actions
    bool tight_ = false;         // limits are so small that refusals are legal
    bool heartbeats_ = false;
    bool connect_may_fail_ = false;
    bool sync_allowed_ = true;
    std::uint32_t concurrent_ = 0;
    std::uint32_t record_shape_ = 0;
    std::uint32_t blocking_share_ = 0;  // per mille
    std::array<std::uint8_t, 16> knobs_{};
    std::uint32_t basic_ = 0;      // per mille of conversations
    std::uint32_t incoming_ = 0;   // per mille of accepts
    std::uint32_t express_ = 0;    // per mille of actions
    std::uint32_t chains_ = 0;     // per mille of accepts: the program allocates onward
    std::uint32_t callbacks_ = 0;  // per mille of units
    bool refusals_ = false;        // callbacks cannot always be called
    std::uint32_t queue_ = 0;      // attaches of one name
    std::uint32_t links_ = 0;      // of a partner
    bool deaths_ = false, breaks_ = false, corruption_ = false, jumps_ = false;
    bool drained_ = false;
    bool spoiled_ = false;  // bytes were corrupted, and what they may mean is not over
    bool interfered_ = false;
};

}  // namespace colloquy::sim
