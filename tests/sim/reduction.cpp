#include "tests/sim/reduction.hpp"

#include <charconv>

namespace colloquy::sim {

namespace {

// Calls `part` with what stands between commas. False: it said so, or there is nothing.
template <class F>
bool each_part(std::string_view text, F&& part) {
    while (!text.empty()) {
        const std::size_t end = text.find(',');
        if (!part(text.substr(0, end))) return false;
        if (end == std::string_view::npos) return true;
        text.remove_prefix(end + 1);
    }
    return false;
}

}  // namespace

bool read_number(std::string_view text, std::uint64_t& value) {
    const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), value);
    return fault == std::errc{} && end == text.data() + text.size();
}

bool reduction::leaves_out(std::uint64_t action) const noexcept {
    for (const auto& [first, last] : left_out)
        if (action >= first && action <= last) return true;
    return false;
}

bool reduction::read_set(std::string_view text) {
    return each_part(text, [&](std::string_view one) {
        const std::size_t middle = one.find('=');
        std::uint64_t value = 0;
        if (middle == 0 || middle == std::string_view::npos || !read_number(one.substr(middle + 1), value))
            return false;
        set.emplace_back(std::string{one.substr(0, middle)}, value);
        return true;
    });
}

bool reduction::read_left_out(std::string_view text) {
    return each_part(text, [&](std::string_view one) {
        const std::size_t middle = one.find('-');
        std::uint64_t first = 0, last = 0;
        if (!read_number(one.substr(0, middle), first)) return false;
        last = first;
        if (middle != std::string_view::npos && !read_number(one.substr(middle + 1), last)) return false;
        left_out.emplace_back(first, last);
        return true;
    });
}

std::string reduction::arguments() const {
    std::string text;
    if (!scene.empty()) text += " --scene " + scene;
    for (std::size_t i = 0; i < set.size(); ++i)
        text += (i == 0 ? " --set " : ",") + set[i].first + "=" + std::to_string(set[i].second);
    for (std::size_t i = 0; i < left_out.size(); ++i) {
        const auto& [first, last] = left_out[i];
        text += (i == 0 ? " --without " : ",") + std::to_string(first);
        if (last != first) text += "-" + std::to_string(last);
    }
    return text;
}

std::string drawings::text() const {
    std::string text;
    for (const one& d : all_) text += std::string{text.empty() ? "" : " "} + d.name + " " + std::to_string(d.value);
    return text;
}

std::uint64_t drawings::note(const char* name, std::uint64_t drawn, std::uint64_t plain) {
    for (const auto& [which, value] : less_.set)
        if (which == name) drawn = value;
    all_.push_back({name, drawn, plain});
    return drawn;
}

}  // namespace colloquy::sim
