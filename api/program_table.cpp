#include "api/program_table.hpp"

#include <algorithm>

namespace colloquy::api {

std::uint64_t program_table::start() {
    const std::lock_guard held{mutex_};
    if (started_ >= started_max) return 0;
    const std::uint64_t tp = next_;
    groups_[tp].started = true;
    next_ += step;
    ++started_;
    return tp;
}

bool program_table::known(std::uint64_t tp) const {
    const std::lock_guard held{mutex_};
    return tp == own_ || groups_.contains(tp);
}

bool program_table::join(std::uint64_t tp, runtime::conversation_id id) {
    const std::lock_guard held{mutex_};
    if (tp == own_) return true;
    const auto found = groups_.find(tp);
    if (found == groups_.end()) return false;
    found->second.members.push_back(id);
    group_of_[id.value] = tp;
    return true;
}

std::uint64_t program_table::of(runtime::conversation_id id, bool accepted) {
    const std::lock_guard held{mutex_};
    if (const auto found = group_of_.find(id.value); found != group_of_.end()) return found->second;
    if (!accepted) return own_;
    const std::uint64_t tp = next_;
    groups_[tp].members.push_back(id);
    group_of_[id.value] = tp;
    next_ += step;
    return tp;
}

bool program_table::members(std::uint64_t tp, std::vector<runtime::conversation_id>& out) const {
    const std::lock_guard held{mutex_};
    const auto found = groups_.find(tp);
    if (found == groups_.end()) return false;
    out = found->second.members;
    return true;
}

void program_table::end(std::uint64_t tp) {
    const std::lock_guard held{mutex_};
    const auto found = groups_.find(tp);
    if (found == groups_.end()) return;
    for (const runtime::conversation_id id : found->second.members) group_of_.erase(id.value);
    if (found->second.started) --started_;
    groups_.erase(found);
}

program_table::index::iterator program_table::drop(index::iterator at) {
    const auto found = groups_.find(at->second);
    std::erase(found->second.members, runtime::conversation_id{at->first});
    if (found->second.members.empty() && !found->second.started) groups_.erase(found);
    return group_of_.erase(at);
}

}  // namespace colloquy::api
