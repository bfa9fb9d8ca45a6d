#include "tests/sim/world.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace colloquy::sim {

namespace {

using runtime::characteristic;
using runtime::conversation_id;
using runtime::return_code;

constexpr std::uint64_t ms = 1'000'000;
constexpr std::int32_t length_max = 32'767;
constexpr std::size_t guard_bytes = 16;
constexpr std::int32_t finish_record = -2;

std::int32_t number(return_code code) { return static_cast<std::int32_t>(code); }

runtime::partner* find_partner(void* arg, std::string_view name) {
    return static_cast<runtime::engine*>(arg)->partners().find(name);
}

}  // namespace

world::world(std::uint64_t seed, oracle& judge, const reduction& less, bool verbose)
    : judge_{judge},
      random_{seed},
      swarm_{source_of(seed, 0)},
      seed_{seed},
      less_{less},
      verbose_{verbose},
      draw_{less} {
    auto& r = random_;
    transport::sim_weather w;
    const bool slow = r.chance(500);
    w.delay_min_ns = draw_("delay_min", slow ? r.between(1, 50'000) : 1'000, std::uint64_t{1'000});
    w.delay_max_ns = draw_("delay_max", w.delay_min_ns + (slow ? r.below(5 * ms) : 0), w.delay_min_ns);
    w.delay_max_ns = std::max(w.delay_max_ns, w.delay_min_ns);
    static constexpr std::size_t chunks[] = {1, 7, 64, 600, 1'460, 65'536, 65'536, 65'536};
    w.read_bytes_max = draw_("read", chunks[r.below(8)], std::size_t{65'536});
    w.write_bytes_max = draw_("write", chunks[r.below(8)], std::size_t{65'536});
    static constexpr std::size_t pipes[] = {4'096, 65'536, 1U << 20, 1U << 20};
    w.pipe_bytes = draw_("pipe", pipes[r.below(4)], std::size_t{1U << 20});
    if (r.chance(300)) {
        w.stall = static_cast<std::uint32_t>(r.below(100));
        w.stall_ns_max = r.below(20 * ms);
    }
    w.stall = draw_("stall", w.stall, 0U);
    w.connect_at_once = draw_("connect_at_once", r.chance(300) ? 500U : 0U, 0U);
    const bool calm = r.chance(400);
    std::uint32_t failures = 0;
    if (!calm) {
        static constexpr std::uint32_t rates[] = {0, 1, 5, 20};
        faults_ = rates[r.below(4)];
        if (r.chance(200)) failures = 300;
        w.abrupt_close = r.chance(300);
    }
    faults_ = draw_("faults", faults_, 0U);
    w.connect_failure = draw_("connect_failure", failures, 0U);
    w.abrupt_close = draw_("abrupt_close", w.abrupt_close, false);
    connect_may_fail_ = w.connect_failure != 0;
    heartbeats_ = draw_("heartbeats", faults_ != 0 && r.chance(400), false);
    tight_ = draw_("tight", r.chance(300), false);
    draw_limits();

    actions_ = static_cast<std::uint32_t>(r.chance(100) ? r.between(1'000, 4'000) : r.between(50, 1'000));
    actions_ = draw_("actions", actions_, 0U);
    static constexpr std::uint32_t shares[] = {0, 20, 150, 400};
    illegal_ = draw_("illegal", shares[r.below(4)], 0U);
    blocking_share_ = draw_("blocking", shares[r.below(4)], 0U);
    sync_allowed_ = draw_("confirmations", r.chance(800), false);
    concurrent_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(r.between(1, 12), limits_.conversations / 3));
    concurrent_ = draw_("concurrent", concurrent_, 1U);
    record_shape_ = draw_("records", static_cast<std::uint32_t>(r.below(5)), 0U);
    for (auto& k : knobs_) k = static_cast<std::uint8_t>(r.between(0, 4));
    knobs_[0] = 4;  // sending
    knobs_[1] = 4;  // receiving
    static constexpr const char* knob_names[] = {
        "",       "",        "flushes", "confirms", "prepares",   "deallocates",
        "errors", "signals", "abends",  "cancels",  "withdrawals"};
    for (std::size_t i = 2; i < std::size(knob_names); ++i)
        knobs_[i] = draw_(knob_names[i], knobs_[i], std::uint8_t{0});
    static constexpr std::uint32_t basic_shares[] = {0, 0, 300, 1'000};
    basic_ = draw_("basic", basic_shares[swarm_.below(4)], 0U);
    static constexpr std::uint32_t incoming_shares[] = {0, 0, 500, 1'000};
    incoming_ = draw_("incoming", incoming_shares[swarm_.below(4)], 0U);
    static constexpr std::uint32_t express_shares[] = {0, 0, 20, 150};
    express_ = draw_("express", express_shares[swarm_.below(4)], 0U);
    static constexpr std::uint32_t chain_shares[] = {0, 0, 200, 600};
    chains_ = draw_("chains", chain_shares[swarm_.below(4)], 0U);
    static constexpr std::uint32_t callback_shares[] = {0, 0, 400, 1'000};
    callbacks_ = draw_("callbacks", callback_shares[swarm_.below(4)], 0U);
    refusals_ = draw_("refusals", swarm_.chance(300), false);
    deaths_ = draw_("deaths", swarm_.chance(400), false);
    breaks_ = draw_("breaks", swarm_.chance(500), false);
    corruption_ = draw_("corruption", !tight_ && swarm_.chance(300), false);
    jumps_ = draw_("jumps", swarm_.chance(300), false);

    network_ = std::make_unique<transport::sim_network>(r.next(), w);
    static constexpr std::uint32_t sizes[] = {2, 2, 2, 2, 3, 3, 3, 4, 4, 5};
    const std::uint32_t n = std::max(2U, draw_("units", sizes[r.below(10)], 2U));
    queue_ = draw_("queue", tight_ && r.chance(300) ? 2U : 1'000U, 1'000U);
    links_ = draw_("links", static_cast<std::uint32_t>(r.between(1, 2)), 1U);
    units_.resize(n);
    for (std::uint32_t i = 0; i < n; ++i) {
        units_[i].name = std::string{"NET.UNIT"} + static_cast<char>('A' + i);
        units_[i].posts = swarm_.chance(callbacks_);
        units_[i].at = make_unit(i);
        units_[i].at->watched = r.chance(300);
    }
    for (auto& a : units_)
        for (auto& b : units_)
            if (&a != &b) (void)a.at->know(*b.at, links_);
}

std::unique_ptr<transport::sim_unit> world::make_unit(std::uint32_t at) {
    auto made = std::make_unique<transport::sim_unit>(*network_, limits_, units_[at].name, random_.next());
    (void)made->engine.tps().add("TELLER", queue_);
    (void)made->engine.tps().add("STOPPED", queue_);
    made->engine.tps().set("STOPPED", runtime::tp_registry::status::stopped);
    if (units_[at].posts) made->engine.set_default_channel(runtime::notify::posted);
    return made;
}

void world::draw_from(std::uint64_t source) noexcept {
    random_ = transport::sim_random{source_of(seed_, 2 * source + 1)};
    swarm_ = transport::sim_random{source_of(seed_, 2 * source + 2)};
}

void world::draw_limits() {
    auto& r = random_;
    runtime::limits& l = limits_;
    static constexpr std::uint32_t windows[] = {512, 600, 1'024, 4'096, 16'384};
    l.window_bytes = draw_("window", windows[r.below(5)], 16'384U);
    l.window_bytes_max = draw_("window_max", std::min(262'144U, l.window_bytes << r.below(6)), l.window_bytes);
    l.window_bytes_max = std::max(l.window_bytes_max, l.window_bytes);
    l.conversations = 64;
    l.links = 32;
    l.partners = 4;
    l.tp_names = 4;
    l.accept_queue = 64;
    l.link_conversations = 64;
    l.link_output_bytes = 131'072;
    l.window_growth_bytes = draw_("window_growth", r.chance(500) ? 1U << 20 : 0U, 0U);
    l.heartbeat_ms = heartbeats_ ? 500 : 0;
    l.greeting_ms = 1'000;
    if (tight_) {
        if (r.chance(300)) l.conversations = static_cast<std::uint32_t>(r.between(4, 12));
        if (r.chance(300)) l.accept_queue = 2;
        if (r.chance(300)) l.link_conversations = static_cast<std::uint32_t>(r.between(1, 6));
        if (r.chance(300)) l.link_attach_bytes = static_cast<std::uint32_t>(r.between(200, 20'000));
        if (r.chance(300)) l.inbound_bytes = std::uint64_t{l.window_bytes} * r.between(1, 8);
    }
}

void world::note(const std::string& line) const {
    if (verbose_) std::fprintf(stderr, "%12llu  %s\n", static_cast<unsigned long long>(network_->now()), line.c_str());
}

std::string world::label(const side& s) const {
    static const char* const states[] = {"", "reset", "init", "send", "recv", "spend", "conf", "confsend", "confdeal"};
    return std::string{"talk "} + std::to_string(s.of->serial) + (s.originator ? "a" : "b") + "@" +
           units_[s.unit].name.substr(4) + " " + states[static_cast<std::size_t>(s.state)];
}

circumstances world::around(const side& s) const {
    circumstances c;
    c.link_may_be_lost = interfered_ && network_->last_loss() >= s.of->opened_at;
    c.may_be_refused = tight_ || drained_;
    return c;
}

// ---- life of conversations ----------------------------------------------------------------------------------------

void world::refresh() {
    std::erase_if(active_, [](side* s) { return !s->live() && !s->pending && !s->any_beside(); });
}

void world::forget(side& s) { units_[s.unit].sides.erase(s.id.value); }

void world::open_talk(std::uint32_t from, std::uint32_t to) {
    auto& r = random_;
    const runtime::outcome o = runtime::initialize(engine(from), context(from));
    if (o.code != return_code::ok) {
        if (number(o.code) != 20 || !tight_) fail(std::string{"Initialize gives "} + std::to_string(number(o.code)));
        return;
    }
    auto& t = *talks_.emplace_back(std::make_unique<talk>());
    t.serial = static_cast<std::uint32_t>(talks_.size());
    t.opened_at = network_->now();
    ++totals_.conversations;
    side& s = t.ends[0];
    side& p = t.ends[1];
    s.of = p.of = &t;
    s.originator = s.known = true;
    s.unit = from;
    p.unit = to;
    s.id = o.id;
    s.state = row_state::initialize;
    units_[from].sides[s.id.value] = &s;
    active_.push_back(&s);
    const char* tp = "TELLER";
    if (r.chance(30)) {
        tp = "NOBODY";
        t.reject = 9;
    } else if (r.chance(30)) {
        tp = "STOPPED";
        t.reject = 10;
    }
    (void)runtime::set_details(engine(from), context(from), s.id, units_[to].name, "", tp, false);
    set(s, characteristic::security_type, 2);
    char user[11];
    std::snprintf(user, sizeof user, "U%07u", t.serial);
    if (number(runtime::set_name(engine(from), context(from), s.id, runtime::name_of::user_id, user, 8).code) != 0)
        fail("Set_Security_User_ID is refused");
    if (swarm_.chance(basic_)) {
        set(s, characteristic::conversation_type, 0);
        t.ends[0].basic = t.ends[1].basic = true;
    }
    if (sync_allowed_ && r.chance(600)) set(s, characteristic::sync_level, 1);
    if (!r.chance(blocking_share_)) set(s, characteristic::processing_mode, 1);
    note(label(s) + " opened to " + units_[to].name + " tp " + tp);
    if (r.chance(900)) (void)issue(s, call::allocate);
}

void world::accept(std::uint32_t at, bool blocking) {
    if (swarm_.chance(incoming_)) {
        const runtime::outcome made = runtime::initialize_for_incoming(engine(at), context(at));
        if (made.code != return_code::ok) {
            if (number(made.code) != 20 || !tight_)
                fail(std::string{"Initialize_For_Incoming gives "} + std::to_string(number(made.code)));
            return;
        }
        if (!blocking &&
            number(runtime::set(engine(at), context(at), made.id, characteristic::processing_mode, 1).code) != 0)
            fail("Set_Processing_Mode is refused in INITIALIZE_INCOMING");
        return accept_incoming(at, made.id, blocking);
    }
    auto a = std::make_unique<acceptance>();
    a->incoming = false;
    const runtime::outcome o = runtime::accept(engine(at), context(at), blocking, &a->id_memory);
    note(std::string{"accept at "} + units_[at].name + " gives " + std::to_string(number(o.code)));
    switch (number(o.code)) {
        case 0: accepted(at, o.id); return;
        case 35:
            if (a->id_memory != o.id.value) fail("Accept gives 35 without an id");
            a->id = o.id;
            a->blocking = blocking;
            waits(at, o.id, blocking, a->counted);
            units_[at].accepts.push_back(std::move(a));
            return;
        case 20:
            if (tight_) return;
            [[fallthrough]];
        default: fail(std::string{"Accept gives "} + std::to_string(number(o.code)));
    }
}

static bool in_state(runtime::engine& e, runtime::context& c, conversation_id id, runtime::conversation_state wanted) {
    runtime::conversation_state now{};
    return runtime::extract_state(e, c, id, now).code == return_code::ok && now == wanted;
}

void world::accept_incoming(std::uint32_t at, conversation_id id, bool blocking) {
    constexpr auto waiting = runtime::conversation_state::initialize_incoming;
    if (!in_state(engine(at), context(at), id, waiting)) fail("not in INITIALIZE_INCOMING");
    auto a = std::make_unique<acceptance>();
    a->id = id;
    a->blocking = blocking;
    a->incoming = true;
    const runtime::outcome o = runtime::accept_incoming(engine(at), context(at), id, &a->id_memory);
    note(std::string{"Accept_Incoming at "} + units_[at].name + " gives " + std::to_string(number(o.code)));
    if (number(o.code) == 0) return accepted(at, id, blocking ? 0 : 1);
    if (number(o.code) != 35) fail(std::string{"Accept_Incoming gives "} + std::to_string(number(o.code)));
    if (o.must_wait != blocking) fail("35 to the wrong kind of caller");
    if (!in_state(engine(at), context(at), id, waiting)) fail("a waiting Accept_Incoming changes the state");
    waits(at, id, blocking, a->counted);
    units_[at].accepts.push_back(std::move(a));
}

// The caller of a blocked Accept_Incoming has waited long enough: it tries again or drops the conversation.
void world::withdraw(std::uint32_t at, std::size_t which) {
    auto& all = units_[at].accepts;
    const conversation_id id = all[which]->id;
    const bool gave_up = runtime::give_up(engine(at), context(at), id) == runtime::given_up::withdrawn;
    note(std::string{"Accept_Incoming at "} + units_[at].name + (gave_up ? " is given up" : " has finished"));
    if (!gave_up) return collect_all();
    if (!in_state(engine(at), context(at), id, runtime::conversation_state::initialize_incoming))
        fail("a given up Accept_Incoming leaves another state");
    all.erase(all.begin() + static_cast<std::ptrdiff_t>(which));
    if (swarm_.chance(500)) return accept_incoming(at, id, true);
    if (number(runtime::cancel(engine(at), context(at), id).code) != 0) fail("Cancel is refused");
}

void world::accepted(std::uint32_t at, conversation_id id, std::int32_t mode) {
    if (spoiled_) {
        // Whose it is cannot be known. Its program does not stay.
        note("an attach is not believed");
        if (number(runtime::cancel(engine(at), context(at), id).code) != 0) fail("Cancel is refused");
        return;
    }
    char user[16] = {};
    std::int32_t length = 0;
    if (number(runtime::extract_name(engine(at), context(at), id, runtime::name_of::user_id, user, 10, length).code) !=
        0)
        fail("an accepted conversation cannot be asked");
    unsigned serial = 0;
    if (length != 8 || std::sscanf(user, "U%07u", &serial) != 1 || serial == 0 || serial > talks_.size())
        fail("an attach that nobody sent");
    talk& t = *talks_[serial - 1];
    side& s = t.ends[1];
    if (t.accepted) fail("one attach was accepted twice");
    if (t.reject != 0) fail("an attach that had to be refused was accepted");
    if (s.unit != at) fail("an attach came to the wrong logical unit");
    if (!t.ends[0].attached && t.ends[0].out.empty() && t.ends[0].express.empty())
        fail("an attach that was never sent was accepted");
    char lu[32] = {};
    if (number(runtime::extract_name(engine(at), context(at), id, runtime::name_of::partner_lu, lu, 17, length).code) !=
            0 ||
        std::string(lu, static_cast<std::size_t>(length)) != units_[t.ends[0].unit].name)
        fail("wrong partner_LU_name");
    std::int32_t level = -1;
    (void)runtime::extract(engine(at), context(at), id, characteristic::sync_level, level);
    if (level != t.ends[0].sync_level) fail("wrong sync_level of an accepted conversation");
    (void)runtime::extract(engine(at), context(at), id, characteristic::conversation_type, level);
    if (level != (s.basic ? 0 : 1)) fail("wrong conversation_type of an accepted conversation");
    t.accepted = true;
    ++totals_.accepted;
    s.known = true;
    s.attached = true;
    s.id = id;
    s.state = row_state::receive;
    s.mode = mode;
    s.sync_level = t.ends[0].sync_level;
    units_[at].sides[id.value] = &s;
    active_.push_back(&s);
    note(label(s) + " accepted");
    check_state(s);
    if (!random_.chance(blocking_share_)) set(s, characteristic::processing_mode, 1);
    // A program that needs another one for its answer.
    if (swarm_.chance(chains_) && active_.size() < std::size_t{2} * concurrent_)
        open_talk(at, (at + 1 + static_cast<std::uint32_t>(swarm_.below(units_.size() - 1))) %
                          static_cast<std::uint32_t>(units_.size()));
}

// ---- characteristics ----------------------------------------------------------------------------------------------

void world::set(side& s, characteristic which, std::int32_t value) {
    (void)poll_beside(s);
    const bool beside =
        s.pending && s.pending->what == call::receive && !s.pending->blocking && s.pending->forced_code == -1;
    const bool initialize_only = which == characteristic::sync_level || which == characteristic::security_type ||
                                 which == characteristic::return_control || which == characteristic::conversation_type;
    std::int32_t expected = 0;
    static constexpr std::int32_t most[] = {1, 1, 1, 2, 3, 1, 1, 2, 1, 1, 4};
    const bool in_range = value >= 0 && value <= most[static_cast<std::size_t>(which)];
    const bool confirms = (which == characteristic::deallocate_type ||
                           which == characteristic::prepare_to_receive_type || which == characteristic::send_type) &&
                          value == 2;
    if (!s.known || (s.state == row_state::reset && !s.pending))
        expected = 24;
    else if ((s.pending || s.any_beside()) && which == characteristic::processing_mode)
        expected = 25;
    else if (s.pending && !beside)
        expected = 37;
    else if (initialize_only && s.state != row_state::initialize)
        expected = 25;
    else if (!in_range || (which == characteristic::fill && !s.basic) || (confirms && s.sync_level == 0))
        expected = 24;
    else if (which == characteristic::sync_level && value == 0 &&
             (s.send_type == 2 || s.prepare_type == 2 || s.deallocate_type == 2))
        expected = 24;
    std::int32_t code = number(runtime::set(engine(s.unit), context(s.unit), s.id, which, value).code);
    note(label(s) + " set " + std::to_string(static_cast<int>(which)) + " = " + std::to_string(value) + " gives " +
         std::to_string(code));
    if (code == 37 && beside) {
        collect_all();
        if (s.pending) fail("a Set_ call gives 37 beside a Receive that is not finished");
        return;
    }
    if (code != expected)
        fail(std::string{"Set_ call "} + std::to_string(static_cast<int>(which)) + " gives " + std::to_string(code) +
             " instead of " + std::to_string(expected));
    if (code != 0) return;
    switch (which) {
        case characteristic::sync_level: s.sync_level = value; break;
        case characteristic::fill: s.fill = value; break;
        case characteristic::deallocate_type: s.deallocate_type = value; break;
        case characteristic::return_control: s.at_once = value == 1; break;
        case characteristic::error_direction: s.error_direction = value; break;
        case characteristic::prepare_to_receive_type: s.prepare_type = value; break;
        case characteristic::processing_mode: s.mode = value; break;
        case characteristic::receive_type: s.receive_type = value; break;
        case characteristic::send_type: s.send_type = value; break;
        default: break;
    }
}

// What the program wants logged with its next error report; the text says whose it is.
void world::set_log(side& s) {
    read_logs();
    (void)poll_beside(s);
    const bool beside =
        s.pending && s.pending->what == call::receive && !s.pending->blocking && s.pending->forced_code == -1;
    char text[32];
    const int n = swarm_.chance(100) ? 0
                                     : std::snprintf(text, sizeof text, "L%07u%c%06u", s.of->serial,
                                                     s.originator ? 'a' : 'b', s.logs + 1);
    std::int32_t expected = s.basic ? 0 : 24;
    if (!s.known || (s.state == row_state::reset && !s.pending))
        expected = 24;
    else if (s.pending && !beside)
        expected = 37;
    const std::int32_t code = number(runtime::set_log_data(engine(s.unit), context(s.unit), s.id, text, n).code);
    note(label(s) + " log data gives " + std::to_string(code));
    if (code == 37 && beside) {
        collect_all();
        if (s.pending) fail("Set_Log_Data gives 37 beside a Receive that is not finished");
        return;
    }
    if (code != expected)
        fail(std::string{"Set_Log_Data gives "} + std::to_string(code) + " instead of " + std::to_string(expected));
    if (code != 0) return;
    s.log.assign(text, static_cast<std::size_t>(n));
    if (n != 0) ++s.logs;
}

// A text is logged by its own end when the report takes it, and then at most once by the other, in order.
void world::read_logs() {
    for (const bool received : {false, true}) {
        if (spoiled_) break;
        for (std::uint32_t u = 0; u < units_.size(); ++u) {
            for (const auto& entry : units_[u].at->log) {
                if (entry.received != received) continue;
                unsigned serial = 0, n = 0;
                char end = 0;
                if (std::sscanf(entry.text.c_str(), "L%07u%c%06u", &serial, &end, &n) != 3 || serial == 0 ||
                    serial > talks_.size())
                    fail(std::string{"a log text that nobody set: "} + entry.text);
                side& s = talks_[serial - 1]->ends[end == 'a' ? 0 : 1];
                if ((received ? s.of->other(s) : s).unit != u) fail("a log text of somebody else's conversation");
                if (!received) {
                    if (entry.text != s.log) fail(std::string{"an old log text was sent: "} + entry.text);
                    s.log.clear();
                    s.logs_sent.push_back(n);
                    continue;
                }
                while (s.logs_heard < s.logs_sent.size() && s.logs_sent[s.logs_heard] != n) ++s.logs_heard;
                if (s.logs_heard++ == s.logs_sent.size())
                    fail(std::string{"a log text was heard out of turn: "} + entry.text);
            }
        }
    }
    for (unit& u : units_) u.at->log.clear();
}

// Bytes of logical records: from where the program stands, records cut anywhere, LL included. `bad`: one of the lengths
// is none.
std::vector<std::byte> world::compose(side& s, request& q, std::int32_t length, bool& bad) {
    auto& r = swarm_;
    const bool only_finish = length < -1;
    if (only_finish) length = s.spoken.whole - s.spoken.base - s.spoken.length;
    const bool may_cut = q.type == 'B' || q.type == 'F' || (q.type == 'D' && s.deallocate_type == 3);
    const bool whole = only_finish || !r.chance(may_cut ? 300 : illegal_ / 4);
    std::vector<std::byte> data;
    fragment at = s.spoken;
    std::uint32_t sequence = s.sequence;
    for (std::int32_t given = 0; given < length;) {
        if (at.whole == 0 || at.ends()) {
            if (r.chance(illegal_ / 16) && length - given >= 2) {
                static constexpr unsigned char none[][2] = {{0, 0}, {0, 1}, {0x80, 0}, {0x80, 1}};
                bad = true;
                for (const unsigned char b : none[r.below(4)]) data.push_back(static_cast<std::byte>(b));
                break;
            }
            const bool fits = whole && length - given >= 2;
            const auto most = static_cast<std::uint64_t>(fits ? length - given : length_max);
            at = {sequence++, 0, 0, static_cast<std::int32_t>(2 + r.below(most - 1))};
            if (fits && r.chance(300)) at.whole = length - given;
            if (r.chance(300)) at.whole = std::min(at.whole, 2 + static_cast<std::int32_t>(r.below(20)));
        }
        const std::int32_t begin = at.base + at.length;
        std::int32_t n = std::min(at.whole - begin, length - given);
        // The rest of a record that would stay unfinished comes along if there is room.
        if (whole && given + n == length && begin + n < at.whole && given + (at.whole - begin) <= length_max) {
            n = at.whole - begin;
            length = given + n;
        }
        at.base = begin;
        at.length = n;
        q.fragments.push_back(at);
        data.resize(static_cast<std::size_t>(given + n));
        oracle::fill_basic(data.data() + given, s, at);
        given += n;
    }
    q.length = static_cast<std::int32_t>(data.size());
    return data;
}

void world::set_something(side& s) {
    auto& r = random_;
    if (s.basic && swarm_.chance(300)) {
        if (swarm_.chance(500)) return set_log(s);
        return set(s, characteristic::fill, static_cast<std::int32_t>(swarm_.below(2)));
    }
    static constexpr characteristic all[] = {
        characteristic::deallocate_type, characteristic::error_direction, characteristic::prepare_to_receive_type,
        characteristic::processing_mode, characteristic::receive_type,    characteristic::send_type,
        characteristic::send_type,       characteristic::receive_type,    characteristic::fill,
        characteristic::sync_level,      characteristic::return_control};
    const characteristic which = all[r.below(r.chance(illegal_) ? std::size(all) : std::size(all) - 3)];
    std::int32_t value = 0;
    switch (which) {
        case characteristic::send_type:
            value = static_cast<std::int32_t>(r.below(4) == 0 ? r.below(5) : r.below(4));
            break;
        case characteristic::deallocate_type: value = static_cast<std::int32_t>(r.below(4)); break;
        case characteristic::prepare_to_receive_type: value = static_cast<std::int32_t>(r.below(3)); break;
        case characteristic::receive_type: value = r.chance(300) ? 1 : 0; break;
        case characteristic::processing_mode: value = r.chance(blocking_share_) ? 0 : 1; break;
        default: value = static_cast<std::int32_t>(r.below(2));
    }
    if (r.chance(illegal_)) value = static_cast<std::int32_t>(r.below(8)) - 1;
    set(s, which, value);
}

// ---- verbs --------------------------------------------------------------------------------------------------------

std::int32_t world::issue(side& s, call what, std::int32_t length) {
    auto& r = random_;
    runtime::engine& e = engine(s.unit);
    runtime::context& c = context(s.unit);
    if (what == call::cancel) {
        cancel(s);
        return 0;
    }
    (void)poll_beside(s);
    auto q = std::make_unique<request>();
    q->what = what;
    q->from = s.state;
    q->blocking = s.mode == 0;
    const bool confirms = s.sync_level == 1;
    const bool deallocate_asks = s.deallocate_type == 2 || (s.deallocate_type == 0 && confirms);
    const bool prepare_asks = s.prepare_type == 2 || (s.prepare_type == 0 && confirms);
    switch (what) {
        case call::send_data:
            q->type = "BFCPD"[s.send_type];
            q->asks = s.send_type == 2 || (s.send_type == 3 && prepare_asks) ||
                      (s.send_type == 4 && s.deallocate_type != 3 && deallocate_asks);
            break;
        case call::receive:
            q->type = s.receive_type == 1 ? 'I' : 'W';
            q->fills = s.basic && s.fill == 1;
            break;
        case call::deallocate:
            q->type = s.deallocate_type == 3 ? 'A' : deallocate_asks ? 'C' : 'F';
            q->asks = q->type == 'C';
            break;
        case call::prepare_to_receive:
            q->type = prepare_asks ? 'C' : 'F';
            q->asks = prepare_asks;
            break;
        case call::confirm: q->asks = true; break;
        case call::send_error:
            q->error_as_receiver = s.state == row_state::send_pending && s.error_direction == 0;
            break;
        default: break;
    }
    if (length == -1 && (what == call::send_data || what == call::receive)) {
        switch (record_shape_) {
            case 0: length = static_cast<std::int32_t>(r.below(64)); break;
            case 1: length = static_cast<std::int32_t>(r.below(2'000)); break;
            case 2: length = r.chance(100) ? length_max : static_cast<std::int32_t>(r.below(300)); break;
            case 3:
                length = r.chance(200) ? static_cast<std::int32_t>(r.below(length_max + 1))
                                       : static_cast<std::int32_t>(r.below(3));
                break;
            default: length = static_cast<std::int32_t>(r.below(5'000)); break;
        }
        if (what == call::receive && r.chance(500)) length = length_max;
        if (r.chance(30)) length = 0;
        if (r.chance(illegal_ / 8)) length = r.chance(500) ? -1 : length_max + 1;
    }
    q->length = length;
    std::vector<std::byte> data;
    bool bad_record = false;
    if (what == call::send_data && s.basic && (length < -1 || (length >= 0 && length <= length_max))) {
        data = compose(s, *q, length, bad_record);
        length = q->length;
        data.push_back(std::byte{});
    }
    const bool bad_length = (what == call::send_data || what == call::receive) && (length < 0 || length > length_max);

    // What the rules demand before anything is tried.
    std::int32_t expected = 0;
    const bool beside =
        s.pending && s.pending->what == call::receive && !s.pending->blocking && s.pending->forced_code == -1;
    bool done_possible = false;
    if (!s.known || (s.state == row_state::reset && !s.pending)) {
        expected = 24;
    } else if (s.pending) {
        const bool allowed = beside && (what == call::deallocate || what == call::request_to_send ||
                                        what == call::send_error || what == call::test_request_to_send);
        done_possible = allowed;
        if (!allowed)
            expected = 37;
        else if (what == call::deallocate && q->type != 'A')
            expected = 25;
    } else {
        expected = judge_.refusal(s, *q);
        // An unfinished record holds the turn, and confirmations and a normal end back.
        const bool hands_over = what == call::confirm || what == call::prepare_to_receive || what == call::receive ||
                                (what == call::deallocate && q->type != 'A');
        if (expected == 0 && hands_over && s.in_record()) expected = 25;
        if (expected == 0 && (bad_length || bad_record)) expected = 24;
        if (expected == 0 && what == call::send_data && s.basic && q->type != 'B' && q->type != 'F' &&
            !(q->type == 'D' && s.deallocate_type == 3) &&
            (q->fragments.empty() ? s.in_record() : !q->fragments.back().ends()))
            expected = 25;
        if (expected == 0 && what == call::confirm && s.sync_level == 0) expected = 24;
    }

    if (what == call::send_data && !s.basic && !bad_length) {
        data.resize(static_cast<std::size_t>(length) + 1);
        oracle::fill(data.data(), static_cast<std::size_t>(length), s, s.sequence);
    }
    if (what == call::receive && !bad_length)
        q->buffer.assign(static_cast<std::size_t>(length) + guard_bytes, std::byte{0xA5});
    runtime::outcome o;
    ++totals_.verbs;
    void* const memory = &q->id_memory;
    switch (what) {
        case call::allocate: o = runtime::allocate(e, c, s.id, &find_partner, &e, memory); break;
        case call::confirm: o = runtime::confirm(e, c, s.id, &q->rts, memory); break;
        case call::confirmed: o = runtime::confirmed(e, c, s.id); break;
        case call::deallocate: o = runtime::deallocate(e, c, s.id, memory); break;
        case call::flush: o = runtime::flush(e, c, s.id, memory); break;
        case call::prepare_to_receive: o = runtime::prepare_to_receive(e, c, s.id, memory); break;
        case call::receive:
            o = runtime::receive(e, c, s.id, {q->buffer.data(), length, &q->data, &q->received, &q->status, &q->rts},
                                 memory);
            break;
        case call::request_to_send: o = runtime::request_to_send(e, c, s.id); break;
        case call::send_data: o = runtime::send_data(e, c, s.id, data.data(), length, &q->rts, memory); break;
        case call::send_error: o = runtime::send_error(e, c, s.id, &q->rts, memory); break;
        case call::test_request_to_send: o = runtime::test_request_to_send_received(e, c, s.id, &q->rts); break;
        default: break;
    }
    std::int32_t code = number(o.code);
    read_logs();
    if (verbose_)
        note(label(s) + " " + name(what) + " " + q->type + (q->asks ? "?" : "") + " " + std::to_string(length) +
             " gives " + std::to_string(code) +
             (q->data > 0 || q->status > 0 ? std::string{" data "} + std::to_string(q->data) + " length " +
                                                 std::to_string(q->received) + " status " + std::to_string(q->status)
                                           : ""));
    if (what == call::send_data && code != 35) totals_.bytes += data.size();

    if (expected != 0) {
        ++totals_.refused;
        // Only a Receive that has finished meanwhile turns the code of a call that is allowed beside it into 37.
        if (code == 37 && done_possible) {
            collect_all();
            if (s.pending) fail(std::string{name(what)} + " gives 37 beside a Receive that is not finished");
            return code;
        }
        if (code != expected)
            fail(std::string{name(what)} + " gives " + std::to_string(code) + " instead of " +
                 std::to_string(expected));
        check_state(s);
        return code;
    }
    if (beside) {
        if (code == 37) {
            collect_all();
            if (s.pending) fail(std::string{name(what)} + " gives 37 beside a Receive that is not finished");
            return code;
        }
        switch (what) {
            case call::deallocate:
                if (code != 0) fail(std::string{"Deallocate ABEND beside Receive gives "} + std::to_string(code));
                judge_.say(s, *q, true);
                s.state = row_state::reset;
                s.pending->forced_code = 17;
                break;
            case call::send_error:
                if (q->rts > 0) judge_.told_request_to_send(s, q->rts);
                judge_.error_beside_receive(s, code, around(s));
                break;
            case call::request_to_send:
                if (code != 0) fail(std::string{"Request_To_Send beside Receive gives "} + std::to_string(code));
                ++s.rts_sent;
                s.rts_fresh = s.attached;
                break;
            default:
                if (code != 0) fail(std::string{"Test_Request_To_Send beside Receive gives "} + std::to_string(code));
                judge_.told_request_to_send(s, q->rts);
        }
        check_state(s);
        check_outstanding();
        return code;
    }
    if (code == 35) {
        const bool may = what == call::allocate || what == call::confirm || what == call::deallocate ||
                         what == call::flush || what == call::prepare_to_receive ||
                         (what == call::receive && q->type == 'W') || what == call::send_data ||
                         what == call::send_error;
        if (!may) fail(std::string{name(what)} + " gives 35");
        if (o.must_wait != q->blocking) fail("35 to the wrong kind of caller");
        judge_.say(s, *q, false);
        // The caller may use its data again at once only when the call is over; here it is kept for the verb's sake.
        if (what == call::send_data) q->buffer = std::move(data);
        waits(s.unit, s.id, q->blocking, q->counted);
        q->waited = true;
        s.pending = std::move(q);
        check_state(s);
        check_outstanding();
        return code;
    }
    const circumstances now = around(s);
    const bool says = code == 0 || (what == call::receive && (code == 18 || code == 21));
    if (says && what != call::receive) judge_.say(s, *q, true);
    if (what == call::receive && code == 0 && s.state != row_state::receive) judge_.say(s, *q, true);
    if (what == call::request_to_send) {
        ++s.rts_sent;
        s.rts_fresh = s.attached;
    }
    if (code == 28 && what == call::allocate && !s.at_once) fail("28 from Allocate that waits");
    if (!(code == 2 && connect_may_fail_))
        judge_.judge(s, *q, code, now);
    else
        s.state = row_state::reset;
    check_state(s);
    check_outstanding();
    return code;
}

void world::cancel(side& s) {
    runtime::engine& e = engine(s.unit);
    runtime::context& c = context(s.unit);
    if ((s.pending && s.pending->blocking) || s.any_beside()) poll_blocked();  // a caller that may go on has gone on
    const bool there = s.known && (s.state != row_state::reset || s.pending);
    const bool waiting = s.pending && !e.finished(s.id);
    ++totals_.verbs;
    const std::int32_t code = number(runtime::cancel(e, c, s.id).code);
    note(label(s) + " cancel gives " + std::to_string(code));
    if (code != (there ? 0 : 24)) fail(std::string{"Cancel gives "} + std::to_string(code));
    if (!there) return;
    request q;
    q.what = call::cancel;
    if (s.state != row_state::reset) judge_.say(s, q, true);
    s.state = row_state::reset;
    if (s.pending) {
        s.pending->forced_code = waiting || s.pending->blocking ? 17 : request::any_code;
        if (s.pending->blocking) {
            return_code got{};
            wake_up(s);
            if (!e.finished(s.id) || !e.collect(c, s.id, got)) fail("a cancelled blocking call does not return");
            finish_pending(s, number(got));
        } else if (units_[s.unit].posts || (waiting && units_[s.unit].at->watched)) {
            collect_all();
            if (s.pending) fail("a cancelled operation is not told although somebody waits");
        } else {
            side* const gone = &s;
            if (s.pending->counted) --units_[s.unit].outstanding;
            s.pending.reset();
            forget(*gone);
            collect_all();
        }
    } else {
        forget(s);
    }
    if ((void)poll_beside(s); s.any_beside()) fail("a cancelled conversation keeps a caller of expedited data");
    check_state(s);
    check_outstanding();
}

// Expedited data, sent or received beside whatever else there is.
void world::express(side& s) {
    auto& r = swarm_;
    if (s.pending || s.any_beside()) collect_all();
    const bool sends = r.chance(500);
    auto q = std::make_unique<request>();
    q->what = sends ? call::send_expedited : call::receive_expedited;
    q->type = sends || r.chance(400) ? 'W' : 'I';
    q->from = s.state;
    q->blocking = s.mode == 0;
    q->length = static_cast<std::int32_t>(sends ? 1 + r.below(86) : r.chance(800) ? 86 : r.below(87));
    if (r.chance(illegal_ / 8)) q->length = sends && r.chance(500) ? 0 : 87;
    std::int32_t expected = 0;
    if (!s.known || (s.state == row_state::reset && !s.pending))
        expected = 24;
    else if (s.beside[sends ? 0 : 1] || (s.mode == 1 && s.pending))
        expected = 37;
    else if (s.state == row_state::initialize)
        expected = 25;
    else if (q->length > 86 || (sends && q->length == 0))
        expected = 24;
    q->buffer.assign(86 + guard_bytes, std::byte{0xA5});
    if (expected == 0 && sends) {
        s.express.push_back(q->length);
        oracle::fill_express(q->buffer.data(), s, s.express.size() - 1);
    }
    ++totals_.verbs;
    runtime::engine& e = engine(s.unit);
    runtime::context& c = context(s.unit);
    const runtime::outcome o =
        sends ? runtime::send_expedited_data(e, c, s.id, q->buffer.data(), q->length, &q->rts, &q->id_memory)
              : runtime::receive_expedited_data(e, c, s.id, q->buffer.data(), q->length, &q->received, &q->rts,
                                                q->type == 'I' ? 1 : 0, &q->id_memory);
    const std::int32_t code = number(o.code);
    note(label(s) + " " + name(q->what) + " " + q->type + " " + std::to_string(q->length) + " gives " +
         std::to_string(code));
    if (expected != 0) {
        ++totals_.refused;
        if (code != expected)
            fail(std::string{name(q->what)} + " gives " + std::to_string(code) + " instead of " +
                 std::to_string(expected));
    } else if (code == 35) {
        if (q->type == 'I') fail("35 from a Receive_Expedited_Data that does not wait");
        if (o.must_wait != q->blocking) fail("35 to the wrong kind of caller");
        q->waited = true;
        if (q->blocking) {
            if (o.on != (sends ? runtime::queue::expedited_send : runtime::queue::expedited_receive))
                fail("expedited data waits on another queue");
            units_[s.unit].at->sleep(s.id, o.on);
            s.beside[sends ? 0 : 1] = std::move(q);
        } else {
            waits(s.unit, s.id, false, q->counted);
            s.pending = std::move(q);
        }
    } else {
        judge_.judge_express(s, *q, code, around(s));
        if (sends && code != 0) s.express.pop_back();
        if (s.state == row_state::reset && !s.pending) forget(s);
    }
    (void)poll_beside(s);
    check_state(s);
    check_outstanding();
}

// Callers that are blocked on queues of their own and may go on.
bool world::poll_beside(side& s) {
    bool any = false;
    if (!s.any_beside()) return any;
    // What ended the conversation under them is told first.
    if (s.pending && s.pending->blocking && engine(s.unit).finished(s.id)) {
        return_code code{};
        wake_up(s);
        if (!engine(s.unit).collect(context(s.unit), s.id, code)) fail("a finished blocking call cannot be collected");
        finish_pending(s, number(code));
        any = true;
    }
    for (std::size_t i = 0; i < 2; ++i) {
        const auto on = i == 0 ? runtime::queue::expedited_send : runtime::queue::expedited_receive;
        if (!s.beside[i] || !engine(s.unit).finished(s.id, on)) continue;
        return_code code{};
        wake_up(s, on);
        if (!engine(s.unit).collect(context(s.unit), s.id, code, on))
            fail("a finished call for expedited data cannot be collected");
        const std::unique_ptr<request> q = std::move(s.beside[i]);
        ++totals_.completions;
        any = true;
        note(label(s) + " " + name(q->what) + " completes with " + std::to_string(number(code)));
        if (s.of->spoiled) continue;
        judge_.judge_express(s, *q, number(code), around(s));
        if (i == 0 && number(code) != 0) s.express.pop_back();
        if (s.state == row_state::reset && !s.pending) forget(s);
    }
    return any;
}

call world::pick(side& s) {
    auto& r = random_;
    static constexpr call all[] = {call::allocate,
                                   call::confirm,
                                   call::confirmed,
                                   call::deallocate,
                                   call::flush,
                                   call::prepare_to_receive,
                                   call::receive,
                                   call::request_to_send,
                                   call::send_data,
                                   call::send_error,
                                   call::test_request_to_send};
    if (r.chance(illegal_)) return all[r.below(std::size(all))];
    for (;;) {
        const auto roll = r.below(100);
        switch (s.state) {
            case row_state::initialize: return roll < 95 ? call::allocate : call::deallocate;
            case row_state::send:
            case row_state::send_pending:
                if (roll < 40) return call::send_data;
                if (roll < 52 && chosen(2)) return call::flush;
                if (roll < 64 && chosen(3) && s.sync_level == 1) return call::confirm;
                if (roll < 74 && chosen(4)) return call::prepare_to_receive;
                if (roll < 84) return call::receive;
                if (roll < 88 && chosen(5)) return call::deallocate;
                if (roll < 93 && chosen(6)) return call::send_error;
                if (roll < 96 && chosen(7)) return call::request_to_send;
                if (roll < 99 && chosen(7)) return call::test_request_to_send;
                break;
            case row_state::receive:
                if (roll < 75) return call::receive;
                if (roll < 82 && chosen(6)) return call::send_error;
                if (roll < 88 && chosen(7)) return call::request_to_send;
                if (roll < 94 && chosen(7)) return call::test_request_to_send;
                if (roll < 95 && chosen(8)) return call::deallocate;
                break;
            default:
                if (roll < 80) return call::confirmed;
                if (roll < 90 && chosen(6)) return call::send_error;
                if (roll < 95 && chosen(7)) return call::request_to_send;
                break;
        }
    }
}

void world::act_on(side& s) {
    auto& r = random_;
    if (swarm_.chance(express_)) return express(s);
    if (s.pending) {
        if (s.pending->blocking && engine(s.unit).finished(s.id)) {
            poll_blocked();
            return;
        }
        const auto roll = r.below(100);
        if (roll < 8 && chosen(9)) return cancel(s);
        const bool receiving = s.pending->what == call::receive && !s.pending->blocking;
        if (receiving && roll < 14 && chosen(6)) return (void)issue(s, call::send_error);
        if (receiving && roll < 25 && chosen(7)) return (void)issue(s, call::request_to_send);
        if (receiving && roll < 30 && chosen(7)) return (void)issue(s, call::test_request_to_send);
        if (receiving && roll < 34 && chosen(8)) return (void)issue(s, call::deallocate);
        if (roll < 45) return set_something(s);
        if (r.chance(illegal_)) return (void)issue(s, pick(s));
        return;
    }
    if (r.chance(150)) return set_something(s);
    if (r.chance(10) && chosen(9)) return cancel(s);
    if (s.state == row_state::receive && s.mode == 0 && r.chance(300) && s.receive_type == 0) {
        // A blocked Receive can keep the program for ever; give it a way to look without waiting now and then.
        set(s, characteristic::receive_type, 1);
    }
    (void)issue(s, pick(s));
}

// ---- completions --------------------------------------------------------------------------------------------------

void world::finish_pending(side& s, std::int32_t code) {
    std::unique_ptr<request> q = std::move(s.pending);
    ++totals_.completions;
    if (verbose_)
        note(label(s) + " " + name(q->what) + " completes with " + std::to_string(code) +
             (q->data > 0 || q->status > 0 ? std::string{" data "} + std::to_string(q->data) + " length " +
                                                 std::to_string(q->received) + " status " + std::to_string(q->status)
                                           : ""));
    if (q->counted) --units_[s.unit].outstanding;
    if (s.of->spoiled) return;
    if (q->forced_code != -1 && q->rts > 0) judge_.told_request_to_send(s, q->rts);
    if (code == 2 && connect_may_fail_ && q->what == call::allocate)
        s.state = row_state::reset;
    else
        judge_.judge(s, *q, code, around(s));
    if (s.state == row_state::reset) forget(s);
    check_state(s);
}

runtime::engine::collect_result world::take(std::uint32_t at, runtime::engine::collected& done) {
    bool announced = true;
    const auto got = units_[at].at->collect_any(done, announced);
    if (!announced) fail("lost wake: an entry of the wait queue that was not announced");
    return got;
}

void world::wake_up(const side& s, runtime::queue on) {
    if (!units_[s.unit].at->wakes(s.id, on)) fail("lost wake: a caller sleeps although its call has finished");
}

// A call waits. Its caller does too, or its completion is told.
void world::waits(std::uint32_t at, conversation_id id, bool blocking, bool& counted) {
    counted = !blocking && !units_[at].posts;
    if (blocking) units_[at].at->sleep(id);
    if (counted) ++units_[at].outstanding;
}

// The next completion that is to be passed on. Some cannot be at once.
bool world::take_posted(std::uint32_t at, runtime::engine::collected& done) {
    runtime::engine& e = engine(at);
    std::vector<conversation_id>& refused = units_[at].refused;
    runtime::engine::posting next;
    if (!e.next_posting(context(at), next)) {
        if (refused.empty()) return false;
        for (const conversation_id id : refused) e.post_again(context(at), id);
        refused.clear();
        if (!e.next_posting(context(at), next)) return false;
    }
    while (refusals_ && swarm_.chance(200)) {
        refused.push_back(next.what.id);
        e.refused(context(at), next);
        if (!e.next_posting(context(at), next)) return take_posted(at, done);
    }
    if (next.of_queue || !units_[at].posts) fail("a completion that nobody asked to be called for");
    done = next.what;
    e.posted(context(at), next);
    return true;
}

bool world::collect_one(std::uint32_t at) {
    runtime::engine& e = engine(at);
    e.flush(context(at));
    runtime::engine::collected done;
    if (!take_posted(at, done)) {
        for (;;) {
            switch (take(at, done)) {
                case runtime::engine::collect_result::none: return false;
                case runtime::engine::collect_result::stale: continue;
                case runtime::engine::collect_result::one: break;
            }
            break;
        }
        if (units_[at].posts) fail("a completion to be collected that was to be passed on");
    }
    unit& u = units_[at];
    if (const auto found = u.sides.find(done.id.value); found != u.sides.end() && found->second->pending) {
        side& s = *found->second;
        if (s.pending->blocking) fail("a blocked caller's result was given to somebody else");
        if (done.id_memory != &s.pending->id_memory) fail("a completion with another call's id memory");
        finish_pending(s, number(done.code));
        return true;
    }
    for (auto it = u.accepts.begin(); it != u.accepts.end(); ++it) {
        if ((*it)->id != done.id) continue;
        const std::unique_ptr<acceptance> a = std::move(*it);
        u.accepts.erase(it);
        if (a->blocking) fail("a blocked accept's result was given to somebody else");
        if (done.id_memory != &a->id_memory) fail("a completion with another call's id memory");
        if (a->counted) --u.outstanding;
        if (number(done.code) != (a->cancelled ? 17 : 0))
            fail((a->cancelled ? "a cancelled accept completes with " : "Accept completes with ") +
                 std::to_string(number(done.code)));
        if (!a->cancelled) accepted(at, done.id, a->incoming ? 1 : 0);
        return true;
    }
    fail(std::string{"a completion of an operation that is over, code "} + std::to_string(number(done.code)));
}

// Nobody is blocked on it.
void world::cancel_accept(std::uint32_t at, acceptance& a) {
    const std::int32_t code = number(runtime::cancel(engine(at), context(at), a.id).code);
    note("cancel of an accept gives " + std::to_string(code));
    if (code != 0) fail("Cancel of an accept gives " + std::to_string(code));
    a.cancelled = true;
    const acceptance* const gone = &a;
    const auto is_it = [&](const auto& x) { return x.get() == gone; };
    if (units_[at].posts || units_[at].at->watched) {
        collect_all();
        if (std::any_of(units_[at].accepts.begin(), units_[at].accepts.end(), is_it))
            fail("a cancelled accept is not told");
    } else {
        if (a.counted) --units_[at].outstanding;
        std::erase_if(units_[at].accepts, is_it);
    }
    check_outstanding();
}

void world::collect_all() {
    for (std::uint32_t u = 0; u < units_.size(); ++u)
        while (collect_one(u)) {
        }
    poll_blocked();
}

void world::poll_blocked() {
    for (std::size_t i = 0; i < active_.size(); ++i) {
        side& s = *active_[i];
        (void)poll_beside(s);
        if (!s.pending || !s.pending->blocking) continue;
        return_code code{};
        if (!engine(s.unit).finished(s.id)) continue;
        wake_up(s);
        if (!engine(s.unit).collect(context(s.unit), s.id, code)) fail("a finished blocking call cannot be collected");
        finish_pending(s, number(code));
    }
    for (std::uint32_t u = 0; u < units_.size(); ++u) {
        auto& accepts = units_[u].accepts;
        for (std::size_t i = 0; i < accepts.size(); ++i) {
            if (!accepts[i]->blocking || !engine(u).finished(accepts[i]->id)) continue;
            return_code code{};
            if (!units_[u].at->wakes(accepts[i]->id)) fail("lost wake: an accept sleeps although it has finished");
            const conversation_id id = accepts[i]->id;
            if (!engine(u).collect(context(u), id, code) || number(code) != 0) fail("a blocked accept does not return");
            accepts.erase(accepts.begin() + static_cast<std::ptrdiff_t>(i));
            --i;
            accepted(u, id);
        }
    }
}

// ---- checks -------------------------------------------------------------------------------------------------------

void world::check_state(side& s) {
    for (int look = 0; look < 2; ++look) {
        runtime::conversation_state state{};
        const std::int32_t code = number(runtime::extract_state(engine(s.unit), context(s.unit), s.id, state).code);
        if (s.state == row_state::reset) {
            if (code != 24)
                fail(std::string{"Extract_State of a conversation that is over gives "} + std::to_string(code));
            return;
        }
        if (code == 0 && static_cast<int>(state) == static_cast<int>(s.state)) return;
        // A pending verb may have finished: then its result can be collected now, and agrees.
        if ((s.pending || s.any_beside()) && look == 0) {
            const bool waited = s.pending != nullptr;
            collect_all();
            if (waited && !s.pending) return;
            if (s.state == row_state::reset) return;
        }
        fail(label(s) + ": Extract_State gives code " + std::to_string(code) + " state " +
             std::to_string(static_cast<int>(state)) + " instead of " + std::to_string(static_cast<int>(s.state)));
    }
}

void world::check_outstanding() {
    for (std::uint32_t u = 0; u < units_.size(); ++u) {
        unit& at = units_[u];
        if (engine(u).outstanding() != at.outstanding)
            fail(std::string{"outstanding() is "} + std::to_string(engine(u).outstanding()) + " instead of " +
                 std::to_string(at.outstanding));
        // Who waits for any of them must hear that there is none left.
        if (at.outstanding == 0 && at.outstanding_before != 0 && at.at->idle_told == at.idle_before)
            fail("lost wake: nothing is outstanding any more and nobody is told");
        at.outstanding_before = at.outstanding;
        at.idle_before = at.at->idle_told;
    }
}

void world::settle() {
    if (!network_->settle()) fail("the network does not come to rest");
    if (network_->black_hole_open() && heartbeats_) network_->advance(4'000 * ms);
    if (!network_->settle()) fail("the network does not come to rest");
}

void world::check_at_rest() {
    settle();
    collect_all();
    settle();
    collect_all();
    check_outstanding();
    if (network_->worst_reason() != wire::reason::none)
        fail(std::string{"a link was closed because of "} + wire::text(network_->worst_reason()));
    if (!interfered_ && !connect_may_fail_ && network_->last_loss() != 0)
        fail("a link was lost although nobody touched it");
    refresh();
    for (side* s : active_) {
        std::string why;
        if (s->pending && s->pending->what == call::allocate) fail(label(*s) + ": Allocate waits for nothing");
        if (s->pending && s->pending->forced_code != -1) fail(label(*s) + ": a completion was not told");
        // After a link was lost only the loss itself must be told, which stuck() cannot know.
        for (const auto& q : s->beside)
            if (q && !interfered_ && !tight_ && s->live() && oracle::stuck_express(*s, *q, why))
                fail(label(*s) + ": " + why);
        if (!interfered_ && !tight_ && judge_.stuck(*s, why)) fail(label(*s) + ": " + why);
    }
    for (std::uint32_t u = 0; u < units_.size(); ++u) {
        if (units_[u].accepts.empty() || interfered_ || tight_) continue;
        for (const auto& t : talks_)
            if (!t->accepted && t->reject == 0 && t->ends[1].unit == u && t->ends[0].sure != 0)
                fail(std::string{"talk "} + std::to_string(t->serial) + ": an attach waits beside an Accept");
    }
    if (interfered_) return;
    for (std::size_t i = 0; i < active_.size(); ++i) {
        side& s = *active_[i];
        side& p = s.of->other(s);
        const bool can = !s.pending && (s.state == row_state::send || s.state == row_state::receive ||
                                        s.state == row_state::send_pending);
        if (can && p.express_sure > s.express_read && !tight_) {
            (void)issue(s, call::test_request_to_send);
            if (s.last_told < 5) fail(label(s) + ": expedited data waits and is not announced");
        }
        if (!can || !p.rts_fresh || !p.live()) continue;
        const std::uint32_t before = s.rts_told;
        (void)issue(s, call::test_request_to_send);
        if (s.rts_told == before) fail(label(s) + ": a request to send was lost");
    }
}

// ---- the run ------------------------------------------------------------------------------------------------------

void world::interfere() {
    auto& r = random_;
    if (deaths_ && swarm_.chance(200)) return die(static_cast<std::uint32_t>(swarm_.below(units_.size())));
    if (jumps_ && swarm_.chance(100)) {
        const std::uint64_t by = swarm_.below(3'000 * ms);
        note("the clock jumps by " + std::to_string(by));
        ++totals_[fault::clock_jump];
        interfered_ = true;
        network_->jump(by);
        return;
    }
    const std::size_t up = network_->links_up();
    if (up == 0) return;
    const std::size_t which = r.below(up);
    const std::string on = " link " + std::to_string(which);
    if (corruption_ && swarm_.chance(200)) return corrupt(which);
    const bool heard = breaks_ && swarm_.chance(300);
    const auto roll = r.below(100);
    if (heard) {
        interfered_ = true;
        const bool cut = swarm_.chance(500);
        note((cut ? "truncation of" : "half-close of") + on);
        ++totals_[cut ? fault::truncation : fault::half_close];
        cut ? network_->truncate(which) : network_->half_close(which);
    } else if (roll < 40) {
        note("reset of" + on);
        interfered_ = true;
        ++totals_[fault::reset];
        network_->reset(which);
    } else if (roll < 60) {
        ++totals_[fault::stall];
        network_->stall(which, r.below(100 * ms));
    } else if (roll < 75 && heartbeats_) {
        note("black hole on" + on);
        interfered_ = true;
        ++totals_[fault::black_hole];
        network_->black_hole(which);
    } else if (roll < 90) {
        note("drain of" + on);
        interfered_ = drained_ = true;
        ++totals_[fault::drain];
        network_->drain(which);
    } else {
        note("orderly end of" + on);
        interfered_ = true;
        ++totals_[fault::orderly_end];
        network_->shut(which);
    }
}

// A logical unit is killed with all its programs, and another of its name comes up, perhaps a while later.
void world::die(std::uint32_t at) {
    collect_all();
    read_logs();
    note(units_[at].name + " dies");
    ++totals_[fault::death];
    interfered_ = true;
    unit& u = units_[at];
    for (const auto& t : talks_)
        for (side& s : t->ends) {
            if (s.unit != at || !s.known) continue;
            s.pending.reset();
            s.beside[0].reset();
            s.beside[1].reset();
            s.state = row_state::reset;
        }
    u.sides.clear();
    u.accepts.clear();
    u.refused.clear();
    u.outstanding = u.outstanding_before = 0;
    u.idle_before = 0;
    const bool watched = u.at->watched;
    u.at = nullptr;
    u.at = make_unit(at);
    u.at->watched = watched;
    if (swarm_.chance(500)) u.at->refuses_until = network_->now() + swarm_.below(50 * ms);
    for (unit& other : units_) {
        if (&other == &u) continue;
        (void)u.at->know(*other.at, links_);
        other.at->know_again(*u.at);
    }
    refresh();
}

// Bytes between two units become others. Nothing is known any more of what these two say to each other, nor of who
// is on the way to whom; everybody else's conversations must go on as if nothing had been, and nothing may leak.
void world::corrupt(std::size_t which) {
    collect_all();
    const auto ends = network_->ends_of(which);
    if (!network_->corrupt(which)) return;
    note("corruption on link " + std::to_string(which));
    ++totals_[fault::corruption];
    interfered_ = spoiled_ = true;
    const auto between = [&](const talk& t) {
        const auto* const a = units_[t.ends[0].unit].at.get();
        const auto* const b = units_[t.ends[1].unit].at.get();
        return (a == ends.first && b == ends.second) || (a == ends.second && b == ends.first);
    };
    for (const auto& t : talks_) {
        const bool begun = t->ends[0].state != row_state::initialize || t->ends[0].pending;
        t->spoiled |= between(*t) || (!t->accepted && begun);
    }
    network_->end_corrupted(5 * ms);
    settle();
    collect_all();
    for (const auto& t : talks_)
        if (t->spoiled)
            for (side& s : t->ends) give_up_spoiled(s);
    refresh();
    settle();
    take_spoiled_attaches();
    settle();
    collect_all();
    for (unit& u : units_) u.at->log.clear();
    spoiled_ = false;
    check_outstanding();
}

// Its program ends whatever is left of the conversation.
void world::give_up_spoiled(side& s) {
    if (!s.known || (s.state == row_state::reset && !s.pending && !s.any_beside())) return;
    ++totals_.verbs;
    runtime::engine& e = engine(s.unit);
    const std::int32_t code = number(runtime::cancel(e, context(s.unit), s.id).code);
    note(label(s) + " is given up, " + std::to_string(code));
    if (code != 0 && code != 24) fail("Cancel gives " + std::to_string(code));
    collect_all();
    if (s.pending && s.pending->blocking) fail("a cancelled conversation keeps a caller");
    if (s.any_beside()) fail("a cancelled conversation keeps a caller of expedited data");
    if (s.pending) {
        // Nobody was told, because nobody waits to be.
        if (units_[s.unit].posts || units_[s.unit].at->watched)
            fail("a cancelled operation is not told although somebody waits");
        if (s.pending->counted) --units_[s.unit].outstanding;
        s.pending.reset();
    }
    s.state = row_state::reset;
    forget(s);
}

void world::take_spoiled_attaches() {
    for (std::uint32_t u = 0; u < units_.size(); ++u) {
        for (;;) {
            const runtime::outcome o = runtime::accept(engine(u), context(u), true, nullptr);
            if (o.code == return_code::ok) {
                accepted(u, o.id);
                continue;
            }
            if (number(o.code) != 35) fail("Accept gives " + std::to_string(number(o.code)));
            return_code code{};
            if (runtime::give_up(engine(u), context(u), o.id) == runtime::given_up::withdrawn ||
                !engine(u).collect(context(u), o.id, code) || number(code) != 17)
                fail("an Accept that is given up does not end");
            break;
        }
    }
}

void world::act() {
    auto& r = random_;
    read_logs();
    const auto roll = r.below(100);
    if (r.chance(faults_)) return interfere();
    if (active_.size() < 2 || (roll < 4 && active_.size() < concurrent_ * 2)) {
        const auto from = static_cast<std::uint32_t>(r.below(units_.size()));
        auto to = static_cast<std::uint32_t>(r.below(units_.size() - 1));
        if (to >= from) ++to;
        return open_talk(from, to);
    }
    if (roll < 9) {
        const auto at = static_cast<std::uint32_t>(r.below(units_.size()));
        if (units_[at].accepts.size() < 3)
            accept(at, r.chance(blocking_share_));
        else if (chosen(10)) {
            // The oldest accept is given up.
            acceptance& a = *units_[at].accepts.front();
            if (engine(at).finished(a.id)) return collect_all();
            if (a.blocking && a.incoming) return withdraw(at, 0);
            if (a.blocking) return;
            cancel_accept(at, a);
        }
        return;
    }
    if (roll < 45) {
        const auto n = r.between(1, 8);
        for (std::uint64_t i = 0; i < n; ++i) (void)network_->step();
        return;
    }
    if (roll < 52) {
        (void)collect_one(static_cast<std::uint32_t>(r.below(units_.size())));
        poll_blocked();
        return;
    }
    if (roll < 54) {
        settle();
        collect_all();
        return;
    }
    if (roll < 55) return check_at_rest();
    act_on(*active_[r.below(active_.size())]);
}

// Every program does what ends its conversations: at rest nobody may be left waiting.
void world::cooperate() {
    for (int round = 0; round < 200; ++round) {
        check_at_rest();
        refresh();
        for (std::uint32_t u = 0; u < units_.size(); ++u)
            for (int i = 0; i < 4; ++i)
                if (units_[u].accepts.empty()) accept(u, false);
        collect_all();
        refresh();
        if (active_.empty()) return;
        const std::vector<side*> now = active_;
        for (side* s : now) {
            if (s->pending && (s->pending->what == call::send_expedited || s->pending->what == call::receive_expedited))
                cancel(*s);
            if (s->pending || !s->live()) continue;
            if (s->mode == 0) set(*s, characteristic::processing_mode, 1);
            switch (s->state) {
                case row_state::initialize:
                    set(*s, characteristic::return_control, 0);
                    (void)issue(*s, call::allocate);
                    break;
                case row_state::send:
                case row_state::send_pending:
                    if (s->in_record()) {
                        if (s->send_type > 1) set(*s, characteristic::send_type, 1);
                        (void)issue(*s, call::send_data, finish_record);
                        break;
                    }
                    if (s->deallocate_type == 3) set(*s, characteristic::deallocate_type, random_.chance(500) ? 0 : 1);
                    (void)issue(*s, call::deallocate);
                    break;
                case row_state::receive:
                    if (s->receive_type == 1) set(*s, characteristic::receive_type, 0);
                    for (int i = 0; i < 50 && s->live() && !s->pending && s->state == row_state::receive; ++i)
                        (void)issue(*s, call::receive, length_max);
                    break;
                case row_state::reset: break;
                default: (void)issue(*s, call::confirmed);
            }
        }
    }
    std::string who;
    for (side* s : active_)
        who +=
            std::string{" "} + label(*s) + (s->pending ? std::string{" in "} + name(s->pending->what) : std::string{});
    fail(std::string{"these conversations do not end:"} + who);
}

void world::end_everything() {
    incoming_ = 0;  // it needs a slot of its own, and attaches that nobody accepted may hold them all
    // Twice, because what is cancelled here may have been on its way to be accepted there.
    for (int round = 0; round < 4; ++round) {
        collect_all();
        for (std::size_t i = 0; i < active_.size(); ++i)
            if (active_[i]->live() || active_[i]->pending) cancel(*active_[i]);
        refresh();
        settle();
        collect_all();
        for (std::uint32_t u = 0; u < units_.size(); ++u) {
            for (int i = 0; i < 1'000 && units_[u].accepts.empty(); ++i) accept(u, false);
        }
        refresh();
    }
    for (std::uint32_t u = 0; u < units_.size(); ++u) {
        unit& at = units_[u];
        at.at->watched = false;
        while (!at.accepts.empty()) {
            acceptance& a = *at.accepts.back();
            if (!a.blocking) {
                cancel_accept(u, a);
                continue;
            }
            if (number(runtime::cancel(engine(u), context(u), a.id).code) != 0) fail("Cancel of an accept is refused");
            return_code code{};
            if (!at.at->wakes(a.id)) fail("lost wake: a cancelled accept sleeps");
            if (!engine(u).collect(context(u), a.id, code) || number(code) != 17)
                fail("a cancelled accept returns wrongly");
            at.accepts.pop_back();
        }
    }
    settle();
    collect_all();
    refresh();
    if (!active_.empty()) fail("a conversation is left over");
    check_outstanding();
}

void world::check_nothing_leaked() {
    for (std::uint32_t u = 0; u < units_.size(); ++u) {
        runtime::engine& e = engine(u);
        const std::string at = std::string{" at "} + units_[u].name;
        const auto opened = e.count().read(runtime::counter::conversations_opened);
        const auto closed = e.count().read(runtime::counter::conversations_closed);
        if (opened != closed)
            fail(std::to_string(opened) + " slots opened, " + std::to_string(closed) + " closed" + at);
        if (e.inbound().reserved_bytes() != 0)
            fail(std::to_string(e.inbound().reserved_bytes()) + " bytes stay reserved" + at);
        if (e.outstanding() != 0) fail(std::string{"operations stay outstanding"} + at);
        for (const auto k : {runtime::buffer_class::cell, runtime::buffer_class::block, runtime::buffer_class::bulk}) {
            if (e.inbound().bytes_in_use(k) != 0) fail(std::string{"inbound buffers leak"} + at);
            if (e.outbound_pool().bytes_in_use(k) != 0) fail(std::string{"outbound buffers leak"} + at);
        }
        if (!units_[u].sides.empty()) {
            for (const auto& [id, s] : units_[u].sides)
                if (s->live() || s->pending) fail(std::string{"the simulator lost a side"} + at);
        }
    }
}

// More conversations than there are slots and channels, one after the other.
void world::use_again() {
    const std::uint32_t n = engine(0).bounds().conversations + 6;
    basic_ = 0;
    if (interfered_) {
        // Links that drain would still refuse; new ones must be had.
        while (network_->links_up() != 0) {
            network_->shut(0);
            settle();
        }
    }
    for (std::uint32_t i = 0; i < n; ++i) {
        const std::size_t before = talks_.size();
        const std::uint32_t from = i & 1;
        open_talk(from, 1 - from);
        if (talks_.size() == before) {
            // Attaches of conversations that were cancelled before anyone accepted them hold slots of a small table.
            if (!tight_) fail("no slot although all conversations are over");
            continue;
        }
        settle();
        collect_all();
        side& s = talks_.back()->ends[0];
        if (s.state == row_state::initialize && !s.pending) (void)issue(s, call::allocate);
        if (s.state == row_state::initialize && !s.pending && s.live()) fail(label(s) + ": Allocate is refused");
        settle();
        collect_all();
        if (!s.live() && tight_) continue;
        if (s.state != row_state::send) fail(label(s) + ": cannot be allocated again");
        if (s.mode == 0) set(s, characteristic::processing_mode, 1);
        set(s, characteristic::deallocate_type, 1);
        if (i % 4 != 3) {
            (void)issue(s, call::send_data, static_cast<std::int32_t>(i));
            (void)issue(s, call::deallocate);
        } else {
            cancel(s);
        }
        settle();
        collect_all();
        if (s.live() || s.pending) fail(label(s) + ": does not end");
        if (s.of->reject != 0 || i % 4 == 3) continue;
        side& p = s.of->ends[1];
        for (int k = 0; k < 20 && !p.live(); ++k) {
            accept(1 - from, false);
            // What stands before it are attaches of conversations that were cancelled here.
            for (std::size_t j = 0; j < active_.size(); ++j)
                if (active_[j] != &p && active_[j] != &s && active_[j]->live()) cancel(*active_[j]);
            refresh();
        }
        if (!p.live() && tight_) continue;
        if (!p.live()) fail("a conversation of the second life was not accepted");
        if (p.mode == 0) set(p, characteristic::processing_mode, 1);
        (void)issue(p, call::receive, length_max);
        if (p.live()) (void)issue(p, call::receive, length_max);
        if (p.live() || p.pending) fail(label(p) + ": does not hear the end");
        refresh();
    }
}

void world::run() {
    for (std::uint32_t i = 0; i < actions_; ++i) {
        if (less_.leaves_out(i)) continue;
        begun_ = i + 1;
        draw_from(i);
        act();
        refresh();
    }
    draw_from(UINT32_MAX);
    chains_ = 0;
    network_->weather().connect_failure = 0;
    network_->weather().stall = 0;
    for (unit& u : units_) u.at->refuses_until = 0;
    check_at_rest();
    if (random_.chance(600)) cooperate();
    end_everything();
    check_nothing_leaked();
    if (!network_->black_hole_open() && random_.chance(300)) {
        use_again();
        end_everything();
        check_nothing_leaked();
    }
    if (network_->worst_reason() != wire::reason::none) fail("a link was closed for a broken protocol");
}

}  // namespace colloquy::sim
