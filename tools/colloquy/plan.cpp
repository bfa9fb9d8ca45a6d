// colloquy plan: what memory a logical unit of this size reserves.
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "api/colloquy/colloquy.h"
#include "tools/colloquy/commands.hpp"
#include "tools/colloquy/report.hpp"

namespace colloquy::tool {

int plan(const plan_options& options) {
    clq_options settings{};
    settings.size = sizeof settings;
    settings.config_file = "";
    settings.conversations = options.conversations;
    settings.links = options.links;

    std::vector<clq_plan_line> lines;
    clq_plan_line line{};
    // The header says 0 when there is no such part, and everywhere else 0 is success: a line without a name is none.
    for (unsigned part = 0; line = {}, clq_plan(&settings, part, &line), line.name != nullptr; ++part)
        lines.push_back(line);
    if (lines.empty()) {
        const std::string why = clq_last_error();
        throw bad_usage{"plan: these limits do not fit together" + (why.empty() ? "" : ": " + why) +
                        "; give other --conversations or --links"};
    }
    const clq_plan_line total = lines.back();
    lines.pop_back();
    const unsigned long long idle = clq_idle_conversation_bytes();

    if (options.json) {
        nlohmann::ordered_json parts = nlohmann::ordered_json::array();
        for (const clq_plan_line& l : lines)
            parts.push_back({{"name", l.name},
                             {"count", l.count},
                             {"bytes_each", l.bytes_each},
                             {"bytes", l.bytes},
                             {"note", l.note != nullptr ? l.note : ""}});
        print_json({{"parts", parts}, {"total_bytes", total.bytes}, {"idle_conversation_bytes", idle}});
        return 0;
    }
    std::printf("%-28s %14s %12s %16s  %s\n", "part", "count", "bytes each", "bytes", "");
    for (const clq_plan_line& l : lines)
        std::printf("%-28s %14s %12s %16s  %s\n", l.name, grouped(l.count).c_str(), grouped(l.bytes_each).c_str(),
                    grouped(l.bytes).c_str(), l.note != nullptr ? l.note : "");
    std::printf("%-28s %14s %12s %16s  %s\n", total.name, "", "", grouped(total.bytes).c_str(),
                bytes_text(static_cast<double>(total.bytes)).c_str());
    std::printf("an idle conversation occupies %s bytes\n", grouped(idle).c_str());
    return 0;
}

}  // namespace colloquy::tool
