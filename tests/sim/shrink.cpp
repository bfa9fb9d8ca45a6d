#include "tests/sim/shrink.hpp"

#include <algorithm>
#include <cctype>

namespace colloquy::sim {

std::string kind_of(const std::string& complaint) {
    std::string kind;
    for (const char c : complaint.substr(0, complaint.find(" (talk "))) {
        const bool digit = std::isdigit(static_cast<unsigned char>(c)) != 0;
        if (!digit)
            kind += c;
        else if (kind.empty() || kind.back() != '#')
            kind += '#';
    }
    return kind;
}

namespace {

class shrinker {
public:
    shrinker(const run_result& first, const reduction& from, const play& again, std::uint64_t runs,
             const std::function<void(const std::string&)>& progress)
        : best_{from}, now_{first}, kind_{kind_of(first.complaint)}, again_{again}, left_{runs}, progress_{progress} {}

    reduction run() {
        reduction less = best_;
        less.scene = now_.scene;
        if (!try_it(less)) return best_;
        // Nothing that comes after the failure matters.
        (void)set("actions", now_.actions);
        for (bool helped = true; helped && left_ != 0;) {
            helped = simplify();
            helped |= thin_out();
        }
        return best_;
    }

private:
    bool try_it(const reduction& r) {
        if (left_ == 0) return false;
        --left_;
        run_result result = again_(r);
        if (kind_of(result.complaint) != kind_) return false;
        best_ = r;
        now_ = std::move(result);
        return true;
    }

    bool set(const char* name, std::uint64_t value) {
        reduction r = best_;
        std::erase_if(r.set, [&](const auto& one) { return one.first == name; });
        r.set.emplace_back(name, value);
        if (!try_it(r)) return false;
        progress_(std::string{name} + "=" + std::to_string(value));
        return true;
    }

    // Each feature and fault that can be switched off is.
    bool simplify() {
        bool helped = false;
        const std::vector<drawings::one> drawn = now_.drawn;
        for (const auto& d : drawn)
            if (d.value != d.plain && std::string_view{d.name} != "actions") helped |= set(d.name, d.plain);
        return helped;
    }

    [[nodiscard]] static std::vector<std::uint64_t> left(const reduction& r, std::uint64_t actions) {
        std::vector<std::uint64_t> list;
        for (std::uint64_t i = 0; i < actions; ++i)
            if (!r.leaves_out(i)) list.push_back(i);
        return list;
    }

    // Actions are left out, halves first and single ones last.
    bool thin_out() {
        bool helped = false;
        const std::uint64_t actions = now_.actions;
        std::vector<std::uint64_t> list = left(best_, actions);
        for (std::size_t size = std::max<std::size_t>(list.size() / 2, 1); left_ != 0; size /= 2) {
            for (std::size_t at = 0; at < list.size() && left_ != 0;) {
                std::vector<std::uint64_t> rest = list;
                const auto from = rest.begin() + static_cast<std::ptrdiff_t>(at);
                rest.erase(from, from + static_cast<std::ptrdiff_t>(std::min(size, rest.size() - at)));
                if (try_it(without_all_but(rest, actions))) {
                    helped = true;
                    list = std::move(rest);
                    progress_(std::to_string(list.size()) + " actions");
                } else {
                    at += size;
                }
            }
            if (size == 1) break;
        }
        return helped;
    }

    [[nodiscard]] reduction without_all_but(const std::vector<std::uint64_t>& kept, std::uint64_t actions) const {
        reduction r = best_;
        r.left_out.clear();
        std::uint64_t from = 0;
        for (const std::uint64_t k : kept) {
            if (k > from) r.left_out.emplace_back(from, k - 1);
            from = k + 1;
        }
        if (from < actions) r.left_out.emplace_back(from, actions - 1);
        return r;
    }

    reduction best_;
    run_result now_;
    const std::string kind_;
    const play& again_;
    std::uint64_t left_;
    const std::function<void(const std::string&)>& progress_;
};

}  // namespace

reduction shrink(const run_result& first, const reduction& from, const play& again, std::uint64_t runs,
                 const std::function<void(const std::string&)>& progress) {
    return shrinker{first, from, again, runs, progress}.run();
}

}  // namespace colloquy::sim
