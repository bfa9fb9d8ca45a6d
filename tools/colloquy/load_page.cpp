#include "tools/colloquy/load_page.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tools/colloquy/report.hpp"

namespace colloquy::tool {
namespace {

constexpr double width = 760, height = 320, left = 80, right = 740, top = 40, bottom = 270;
constexpr std::array colours{"#0969da", "#57606a"};

[[nodiscard]] std::string escaped(const std::string& text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '<': out += "&lt;"; break;
            case '>': out += "&gt;"; break;
            case '&': out += "&amp;"; break;
            case '\'': out += "&#39;"; break;
            default: out += c;
        }
    }
    return out;
}

[[nodiscard]] std::string words(double x, double y, const char* anchor, const std::string& what,
                                const char* colour = "#1a1a1a") {
    return "<text x='" + fixed(x, 1) + "' y='" + fixed(y, 1) + "' text-anchor='" + anchor + "' fill='" + colour + "'>" +
           escaped(what) + "</text>";
}
[[nodiscard]] std::string line(double x1, double y1, double x2, double y2) {
    return "<line x1='" + fixed(x1, 1) + "' y1='" + fixed(y1, 1) + "' x2='" + fixed(x2, 1) + "' y2='" + fixed(y2, 1) +
           "' stroke='#d0d7de'/>";
}
[[nodiscard]] std::string curve(const std::vector<std::pair<double, double>>& points, const char* colour) {
    std::string all;
    for (const auto& [x, y] : points) all += fixed(x, 1) + "," + fixed(y, 1) + " ";
    return "<polyline points='" + all + "' fill='none' stroke='" + colour + "' stroke-width='2'/>";
}
[[nodiscard]] std::string frame(const std::string& title, const std::string& inside) {
    return "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " + fixed(width, 0) + " " + fixed(height, 0) +
           "' font-family='system-ui, sans-serif' font-size='12'>" + words(left, 20, "start", title) + inside +
           "</svg>";
}

// Each further nine of the share takes the same width, so that the last ones are seen as well as the first.
[[nodiscard]] std::string latency_picture(const load_page& page) {
    constexpr std::array shares{0.0,    0.25,  0.5,    0.75,    0.9,    0.95,    0.975,   0.99,     0.995,
                                0.9975, 0.999, 0.9995, 0.99975, 0.9999, 0.99995, 0.99999, 0.999995, 0.999999};
    constexpr double nines = 6;
    double least = 1e18, most = 0;
    for (const auto& [name, values] : page.latencies) {
        least = std::min(least, std::max(1.0, static_cast<double>(values->at(0))));
        most = std::max(most, static_cast<double>(values->max()));
    }
    if (most <= 0) return {};
    const double low = std::floor(std::log10(least));
    const double high = std::max(low + 1, std::ceil(std::log10(most)));
    const auto at_y = [&](double ns) {
        return bottom - (bottom - top) * (std::log10(std::max(ns, 1.0)) - low) / (high - low);
    };
    const auto at_x = [&](double share) {
        return left + (right - left) * std::min(-std::log10(1 - share), nines) / nines;
    };
    std::string inside;
    for (double decade = low; decade <= high; ++decade) {
        const double ns = std::pow(10.0, decade);
        inside += line(left, at_y(ns), right, at_y(ns));
        inside += words(left - 6, at_y(ns) + 4, "end", duration_text(static_cast<std::uint64_t>(ns)), "#57606a");
    }
    for (const auto& [share, name] : {std::pair{0.0, "0"},
                                      {0.9, "90 %"},
                                      {0.99, "99 %"},
                                      {0.999, "99.9 %"},
                                      {0.9999, "99.99 %"},
                                      {0.99999, "99.999 %"}}) {
        inside += line(at_x(share), top, at_x(share), bottom);
        inside += words(at_x(share), bottom + 18, "middle", name, "#57606a");
    }
    std::size_t n = 0;
    for (const auto& [name, values] : page.latencies) {
        const char* const colour = colours[n % colours.size()];
        std::vector<std::pair<double, double>> points;
        for (const double share : shares)
            if ((1 - share) * static_cast<double>(values->total()) >= 1)
                points.emplace_back(at_x(share), at_y(static_cast<double>(values->at(share))));
        points.emplace_back(at_x(1 - 1 / (static_cast<double>(values->total()) + 1)),
                            at_y(static_cast<double>(values->max())));
        inside += curve(points, colour);
        inside += words(right - 8, bottom - 28 + 16 * static_cast<double>(n), "end", name, colour);
        ++n;
    }
    return frame("Latency that this share of all transactions does not exceed", inside);
}

[[nodiscard]] std::string rate_picture(const load_page& page) {
    double most = 0, last = 0;
    for (const auto& [at, rate] : page.rates) {
        most = std::max(most, rate);
        last = std::max(last, at);
    }
    if (most <= 0 || last <= 0) return {};
    std::string inside;
    for (int part = 0; part <= 4; ++part) {
        const double y = bottom - (bottom - top) * part / 4;
        inside += line(left, y, right, y);
        inside += words(left - 6, y + 4, "end", grouped(static_cast<std::uint64_t>(most * part / 4)), "#57606a");
        inside +=
            words(left + (right - left) * part / 4, bottom + 18, "middle", fixed(last * part / 4, 1) + " s", "#57606a");
    }
    std::vector<std::pair<double, double>> points;
    for (const auto& [at, rate] : page.rates)
        points.emplace_back(left + (right - left) * at / last, bottom - (bottom - top) * rate / most);
    return frame("Transactions a second", inside + curve(points, colours[0]));
}

}  // namespace

void load_page::write(const std::string& file, const nlohmann::ordered_json& all) const {
    std::ofstream out{file, std::ios::binary};
    out << "<!doctype html><html lang='en'><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
           "<title>"
        << escaped(title)
        << "</title><style>body{font-family:system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}"
           "td,th{padding:.2rem .8rem;text-align:right;border:1px solid #d0d7de}table{border-collapse:collapse}"
           "svg{max-width:100%}pre{overflow:auto}</style><h1>"
        << escaped(title) << "</h1><table><tr><th></th>";
    constexpr std::array<std::pair<const char*, double>, 6> columns{
        {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}, {"p99.999", 0.99999}}};
    for (const auto& [name, share] : columns) out << "<th>" << name << "</th>";
    out << "<th>max</th><th>count</th></tr>";
    for (const auto& [name, values] : latencies) {
        out << "<tr><td>" << escaped(name) << "</td>";
        for (const auto& [column, share] : columns) out << "<td>" << duration_text(values->at(share)) << "</td>";
        out << "<td>" << duration_text(values->max()) << "</td><td>" << grouped(values->total()) << "</td></tr>";
    }
    out << "</table>" << latency_picture(*this) << rate_picture(*this)
        << "<details><summary>All of it as JSON</summary><pre>" << escaped(all.dump(1)) << "</pre></details></html>\n";
    out.flush();
    if (!out) throw failure{file + ": the report could not be written"};
}

}  // namespace colloquy::tool
