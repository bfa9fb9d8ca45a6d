#include "tests/conformance/report.hpp"

#include <algorithm>

namespace colloquy::conformance {

report& the_report() {
    static report r;
    return r;
}

namespace {

// Reasons are numbered in the order in which the page comes upon them.
class notes {
public:
    std::string number_of(const std::string& text) {
        auto found = std::find(all_.begin(), all_.end(), text);
        if (found == all_.end()) found = all_.insert(all_.end(), text);
        return std::to_string(found - all_.begin() + 1);
    }
    [[nodiscard]] std::string list() const {
        std::string text;
        for (std::size_t i = 0; i < all_.size(); ++i) text += std::to_string(i + 1) + ". " + all_[i] + "\n";
        return text;
    }

private:
    std::vector<std::string> all_;
};

std::string bare(std::string mark) {
    if (!mark.empty() && mark.back() == '*') mark.pop_back();
    return mark == "." ? "·" : mark;
}

std::string shown(const std::string& mark, const std::vector<cell_result>* results, const table_report& t, notes& n) {
    if (mark == ".") return "·";
    std::string text = "`" + bare(mark) + "`";
    if (results == nullptr) return text + " ?";
    unsigned checks = 0;
    bool failed = false;
    std::map<std::string, std::vector<std::string>> reasons;
    for (std::size_t w = 0; w < results->size(); ++w) {
        const cell_result& r = (*results)[w];
        checks += r.checks;
        failed = failed || !r.failures.empty();
        for (const std::string& why : r.untested) reasons[why].push_back(t.ways[w]);
    }
    text += " " + std::to_string(checks);
    if (failed) text += " FAILED";
    std::string marks;
    for (const auto& [why, ways] : reasons) {
        std::string note = why;
        if (ways.size() < t.ways.size()) {
            note += " (";
            for (std::size_t i = 0; i < ways.size(); ++i) note += (i == 0 ? "" : "; ") + ways[i];
            note += ")";
        }
        marks += (marks.empty() ? "" : " ") + n.number_of(note);
    }
    return marks.empty() ? text : text + " <sup>" + marks + "</sup>";
}

void add_table(std::string& page, const std::string& title, const table_report& t) {
    notes n;
    page += "\n## " + title + "\n\n" + (t.intro.empty() ? "" : t.intro + "\n\n") +
            "| way | cells | tested | not tested | checks | failed |\n|---|---|---|---|---|---|\n";
    unsigned impossible = 0;
    for (std::size_t w = 0; w < t.ways.size(); ++w) {
        unsigned cells = 0, tested = 0, checks = 0, failures = 0;
        impossible = 0;
        for (const row& r : t.table.rows)
            for (std::size_t i = 0; i < r.cells.size(); ++i) {
                if (r.cells[i] == ".") {
                    ++impossible;
                    continue;
                }
                ++cells;
                const auto at_row = t.cells.find(r.number);
                if (at_row == t.cells.end()) continue;
                const auto at = at_row->second.find(t.table.columns[i]);
                if (at == at_row->second.end() || at->second.size() <= w) continue;
                const cell_result& c = at->second[w];
                checks += c.checks;
                tested += c.checks != 0 ? 1 : 0;
                failures += static_cast<unsigned>(c.failures.size());
            }
        page += "| " + t.ways[w] + " | " + std::to_string(cells) + " | " + std::to_string(tested) + " | " +
                std::to_string(cells - tested) + " | " + std::to_string(checks) + " | " + std::to_string(failures) +
                " |\n";
    }
    if (impossible != 0)
        page += "\nBeside these, " + std::to_string(impossible) + " cells say that the outcome cannot arise.\n";
    std::string call;
    const bool outcomes = !t.table.rows.empty() && !t.table.rows.front().outcome.empty();
    for (const row& r : t.table.rows) {
        if (r.call != call) {
            call = r.call;
            page += "\n### " + call + "\n\n| condition |" + (outcomes ? " outcome |" : "");
            for (const std::string& c : t.table.columns) page += " " + c + " |";
            page += outcomes ? "\n|---|---|" : "\n|---|";
            for (std::size_t i = 0; i < t.table.columns.size(); ++i) page += "---|";
            page += "\n";
        }
        page += "| " + r.condition + " |" + (outcomes ? " " + r.outcome + " |" : "");
        const auto at_row = t.cells.find(r.number);
        for (std::size_t i = 0; i < r.cells.size(); ++i) {
            const std::vector<cell_result>* results = nullptr;
            if (at_row != t.cells.end())
                if (const auto at = at_row->second.find(t.table.columns[i]); at != at_row->second.end())
                    results = &at->second;
            page += " " + shown(r.cells[i], results, t, n) + " |";
        }
        page += "\n";
    }
    page += "\n### What was not tested, and why\n\n" + n.list();
}

}  // namespace

std::string page_of(const report& r) {
    std::string page =
        "# Conformance\n\n"
        "Written by `colloquy_conformance --write docs/conformance.md`; a test compares it with what the run produces. "
        "Do not\nedit.\n\n"
        "Every cell of the interface's state tables (`tests/data/`) is tried with a real partner program: on a thread "
        "of "
        "the same\nprocess over a link inside it, and in a process of its own over TCP; with blocking calls and with "
        "non-blocking ones;\nwith the call under test made at the end that allocated and at the end that accepted. For "
        "each cell the conversation is\nbrought into the state of the column, the outcome is brought about, the call "
        "is "
        "made, and its code and the state after\nit are compared with the cell. Where a call is refused nothing may "
        "have "
        "changed: the conversation is then ended normally\nand the partner must hear nothing else. Where a call ended "
        "the conversation the partner must hear the right end.\n\n"
        "| in a cell | means |\n|---|---|\n"
        "| `S` 12 | what the table says, and how many checks, all ways together, found it so |\n"
        "| `T` `I` `II` `S` `R` `SP` `C` `CS` `CD` `SR` `SO` `RO` | the state after the call: RESET, INITIALIZE, "
        "INITIALIZE_INCOMING, SEND, RECEIVE, SEND_PENDING, CONFIRM, CONFIRM_SEND, CONFIRM_DEALLOCATE, SEND_RECEIVE, "
        "SEND_ONLY, RECEIVE_ONLY |\n"
        "| `-` | the call is carried out and the state stays |\n"
        "| `sc` `pc` | refused with CM_PROGRAM_STATE_CHECK (25) or CM_PROGRAM_PARAMETER_CHECK (24), nothing changes |\n"
        "| `/` | the call makes another conversation; this one must not notice |\n"
        "| · | the outcome cannot arise in this state |\n"
        "| `ok T 17` | while a call is incomplete: returns ok, the state is RESET, and the incomplete call completes "
        "with "
        "17; `gone`: it leaves nothing to collect; neither: it goes on |\n"
        "| <sup>1</sup> | an outcome, or a way, that could not be brought about: see the list below the table |\n\n"
        "Outcomes are sets of return codes: ok 0; af 1 2; ae 3 5 6 7 8 9 10 11 39; da 17 30 31; dn 18; pe 19; ps 20; "
        "en 21 32; ep 22\n33; et 23 34; pc 24; sc 25; rf 26 27; un 28; oi 35; na 37.\n";
    for (const auto& [title, t] : r.tables) add_table(page, title, t);
    for (const auto& [title, list] : r.lists) {
        page += "\n## " + title + "\n\n" + list.intro + "\n\n|";
        for (const std::string& h : list.head) page += " " + h + " |";
        page += "\n|";
        for (std::size_t i = 0; i < list.head.size(); ++i) page += "---|";
        page += "\n";
        for (const auto& line : list.rows) {
            page += "|";
            for (const std::string& field : line) page += " " + field + " |";
            page += "\n";
        }
    }
    return page;
}

}  // namespace colloquy::conformance
