// program_table: the transaction programs of this process as Start_TP and End_TP see them: groups of conversations.
//
// A conversation that belongs to no group is the process's own; an accepted one is a group by itself as soon as
// somebody asks for its TP_ID, as if an instance of the program had been started for it. Administrative, so a mutex
// guards it; no call on a conversation comes here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "runtime/conversation_id.hpp"

namespace colloquy::api {

class program_table {
public:
    // TP_IDs begin at `salt`, so that one from another run, or another process, is most probably none here.
    explicit program_table(std::uint64_t salt) noexcept : next_{salt | 1}, own_{next_} { next_ += step; }

    static constexpr std::size_t started_max = 4'096;

    // Begins a group. 0: there are too many.
    [[nodiscard]] std::uint64_t start();
    [[nodiscard]] bool known(std::uint64_t tp) const;
    // The conversation belongs to that group from now on. False: there is no such group (any more).
    [[nodiscard]] bool join(std::uint64_t tp, runtime::conversation_id id);
    // Whose it is. `accepted`: it becomes a group if it is in none.
    [[nodiscard]] std::uint64_t of(runtime::conversation_id id, bool accepted);
    // The group's conversations, dead ones too. False: no group, or the process's own, which ends with the process.
    [[nodiscard]] bool members(std::uint64_t tp, std::vector<runtime::conversation_id>& out) const;
    void end(std::uint64_t tp);

    // Ids that name no conversation any more are swept out when the table has doubled.
    template <class Alive>
    void sweep(Alive&& alive) {
        const std::lock_guard held{mutex_};
        if (group_of_.size() < sweep_at_) return;
        for (auto at = group_of_.begin(); at != group_of_.end();)
            at = alive(runtime::conversation_id{at->first}) ? std::next(at) : drop(at);
        sweep_at_ = group_of_.size() * 2 < sweep_least ? sweep_least : group_of_.size() * 2;
    }

private:
    static constexpr std::uint64_t step = 2;
    static constexpr std::size_t sweep_least = 64;

    struct group {
        bool started = false;  // by Start_TP, which End_TP ends; others end with their last conversation
        std::vector<runtime::conversation_id> members;
    };
    using index = std::unordered_map<std::uint64_t, std::uint64_t>;

    index::iterator drop(index::iterator at);

    mutable std::mutex mutex_;
    std::uint64_t next_;
    const std::uint64_t own_;
    std::size_t sweep_at_ = sweep_least;
    std::size_t started_ = 0;
    std::unordered_map<std::uint64_t, group> groups_;
    index group_of_;  // conversation to group
};

}  // namespace colloquy::api
