// Every parameter of every entry point of cpic.h: NULL, lengths and values below, at and above their bounds,
// identifications of nobody. The documented code, the conversation as it was, and a partner that notices nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <climits>
#include <fstream>
#include <functional>
#include <memory>
#include <set>

#include "tests/conformance/walk.hpp"

namespace {

using namespace colloquy::conformance;

struct parameter {
    enum class kind { id, text, room, out, length, number, side_info, ignored } what;
    CM_INT32 low = 0, high = 0;  // of a length or number
    CM_INT32 usual = 0;          // a good one
    std::size_t size = 0;        // of a room
    std::string content{};       // of a text
};
parameter id_in() { return {parameter::kind::id, 0, 0, 0, 0, {}}; }
parameter text(std::string content = "TEXT") { return {parameter::kind::text, 0, 0, 0, 0, std::move(content)}; }
parameter room(std::size_t size) { return {parameter::kind::room, 0, 0, 0, size, {}}; }
parameter out() { return {parameter::kind::out, 0, 0, 0, 0, {}}; }
parameter length(CM_INT32 low, CM_INT32 high, CM_INT32 usual = 4) {
    return {parameter::kind::length, low, high, usual, 0, {}};
}
parameter number(CM_INT32 low, CM_INT32 high) { return {parameter::kind::number, low, high, low, 0, {}}; }
parameter side_info() { return {parameter::kind::side_info, 0, 0, 0, 0, {}}; }
parameter ignored() { return {parameter::kind::ignored, 0, 0, 0, 0, {}}; }

struct entry {
    std::string name;
    std::vector<parameter> parameters;
    std::function<void(void* const*, CM_INT32*)> invoke;
    CM_INT32 state = 0;              // in which it is legal; 0: no conversation is needed
    std::set<CM_INT32> good{CM_OK};  // codes for good parameters
    bool changes = false;            // good parameters change the conversation: they are not tried out
    std::function<void(stage&)> before{};
    std::function<void(stage&)> each_before{};           // before each try with good parameters
    std::function<void(stage&, CM_INT32 value)> each{};  // after it
    CM_INT32 nobody = CM_PROGRAM_PARAMETER_CHECK;        // the code for identifications of nobody
    bool supported = true;
    bool basic = false;   // belongs to basic conversations
    bool queues = false;  // puts the conversation at queue level
};

// The call with its parameters in a row; the last is the return code.
template <class... Parameters>
std::function<void(void* const*, CM_INT32*)> raw(void (*f)(Parameters...)) {
    return [f](void* const* p, CM_INT32* rc) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            f(static_cast<Parameters>(I + 1 == sizeof...(Parameters) ? static_cast<void*>(rc) : p[I])...);
        }
        (std::index_sequence_for<Parameters...>{});
    };
}

template <class Call>
entry plain(const char* name, Call f, std::vector<parameter> parameters, CM_INT32 state) {
    entry e;
    e.name = name;
    e.parameters = std::move(parameters);
    e.invoke = raw(f);
    e.state = state;
    return e;
}
// A call that moves the conversation on when nothing is wrong with it.
template <class Call>
entry verb(const char* name, Call f, std::vector<parameter> parameters, CM_INT32 state) {
    entry e = plain(name, f, std::move(parameters), state);
    e.changes = true;
    return e;
}
template <class Call>
entry without_support(const char* name, Call f, std::vector<parameter> parameters) {
    entry e = plain(name, f, std::move(parameters), CM_SEND_STATE);
    e.good = {CM_CALL_NOT_SUPPORTED};
    e.nobody = CM_CALL_NOT_SUPPORTED;
    e.supported = false;
    return e;
}

constexpr CM_INT32 initialized = CM_INITIALIZE_STATE, sends = CM_SEND_STATE, receives = CM_RECEIVE_STATE;

std::vector<entry> all_entries() {
    std::vector<entry> all{
        plain("cminit", cminit, {room(8), text("        ")}, 0),
        verb("cmaccp", cmaccp, {room(8)}, 0),
        verb("cmallc", cmallc, {id_in()}, initialized),
        verb("cminic", cminic, {room(8)}, 0),
        verb("cmacci", cmacci, {id_in()}, initialized),
        plain("cmesrm", cmesrm, {id_in(), out()}, sends),
        verb("cmdeal", cmdeal, {id_in()}, sends),
        verb("cmcfm", cmcfm, {id_in(), out()}, sends),
        verb("cmcfmd", cmcfmd, {id_in()}, CM_CONFIRM_STATE),
        verb("cmflus", cmflus, {id_in()}, sends),
        verb("cmptr", cmptr, {id_in()}, sends),
        plain("cmrts", cmrts, {id_in()}, sends),
        verb("cmserr", cmserr, {id_in(), out()}, sends),
        plain("cmtrts", cmtrts, {id_in(), out()}, sends),
        verb("cmcanc", cmcanc, {id_in()}, sends),
        plain("cmspm", cmspm, {id_in(), number(0, 1)}, sends),
        plain("cmsltp", cmsltp, {text(std::string(64, 'N')), length(1, 64)}, 0),
        plain("cmrltp", cmrltp, {text("NEVER"), length(1, 64, 5)}, 0),
        plain("cmssl", cmssl, {id_in(), number(0, 1)}, initialized),
        plain("cmsmn", cmsmn, {id_in(), text("MODENAME"), length(0, 8)}, initialized),
        plain("cmspln", cmspln, {id_in(), text("NETWORKS.UNITNAME"), length(1, 17)}, initialized),
        plain("cmstpn", cmstpn, {id_in(), text(std::string(64, 'N')), length(1, 64)}, initialized),
        plain("cmsrc", cmsrc, {id_in(), number(0, 1)}, initialized),
        plain("cmscst", cmscst, {id_in(), number(0, 2)}, initialized),
        plain("xcscst", xcscst, {id_in(), number(0, 2)}, initialized),
        plain("cmsdt", cmsdt, {id_in(), number(0, 3)}, sends),
        plain("cmsed", cmsed, {id_in(), number(0, 1)}, sends),
        plain("cmsptr", cmsptr, {id_in(), number(0, 2)}, sends),
        plain("cmsrt", cmsrt, {id_in(), number(0, 1)}, sends),
        plain("cmsst", cmsst, {id_in(), number(0, 4)}, sends),
        plain("cmecs", cmecs, {id_in(), out()}, sends),
        plain("cmect", cmect, {id_in(), out()}, sends),
        plain("cmesl", cmesl, {id_in(), out()}, sends),
        plain("cmecst", cmecst, {id_in(), out()}, sends),
        plain("xcecst", xcecst, {id_in(), out()}, sends),
        plain("cmemn", cmemn, {id_in(), room(8), out()}, sends),
        plain("cmepln", cmepln, {id_in(), room(17), out()}, sends),
        plain("cmetpn", cmetpn, {id_in(), room(64), out()}, sends),
        plain("cmecsu", cmecsu, {id_in(), room(10), out()}, sends),
        plain("xcecsu", xcecsu, {id_in(), room(10), out()}, sends),
        plain("cmesui", cmesui, {id_in(), room(10), out()}, sends),
        plain("cmectx", cmectx, {id_in(), room(32), out()}, sends),
        plain("cmembs", cmembs, {out()}, 0),
        plain("cmcnvi", cmcnvi, {room(32'767), length(1, 32'767)}, 0),
        plain("cmcnvo", cmcnvo, {room(32'767), length(1, 32'767)}, 0),
        plain("xcmdsi", xcmdsi, {ignored(), text("ENTRY   ")}, 0),
        plain("xcstp", xcstp, {text("        "), text(std::string(64, 'N')), length(1, 64), room(8)}, 0),
        plain("xceti", xceti, {id_in(), room(8)}, sends),
        plain("xcinct", xcinct, {room(8), text("        "), text("nobody's")}, 0),
        plain("xcendt", xcendt, {text("nobody's"), number(0, 1)}, 0),
        without_support("cmdfde", cmdfde, {id_in()}),
        without_support("cmprep", cmprep, {id_in()}),
        without_support("cmincl", cmincl, {id_in()}),
        without_support("cmsac", cmsac, {id_in(), out()}),
        without_support("cmsbt", cmsbt, {id_in(), out()}),
        without_support("cmscu", cmscu, {id_in(), out()}),
        without_support("cmsjt", cmsjt, {id_in(), out()}),
        without_support("cmspdp", cmspdp, {id_in(), out()}),
        without_support("cmstc", cmstc, {id_in(), out()}),
        without_support("cmetc", cmetc, {id_in(), out()}),
        without_support("cmsaeq", cmsaeq, {id_in(), text(), out(), out()}),
        without_support("cmeaeq", cmeaeq, {id_in(), room(64), out(), out()}),
        without_support("cmsapt", cmsapt, {id_in(), text(), out(), out()}),
        without_support("cmeapt", cmeapt, {id_in(), room(64), out(), out()}),
        without_support("cmsacn", cmsacn, {id_in(), text(), out()}),
        without_support("cmeacn", cmeacn, {id_in(), room(64), out()}),
        without_support("cmspid", cmspid, {id_in(), out(), text(), out(), out(), out(), out()}),
        without_support("cmepid", cmepid, {id_in(), out(), room(64), out(), out(), out(), out(), out()}),
        without_support("cmsid", cmsid, {id_in(), text(), out()}),
        without_support("cmeid", cmeid, {id_in(), room(64), out(), out()}),
        without_support("cmsmid", cmsmid, {id_in(), text(), out(), text(), out()}),
        without_support("cmemid", cmemid, {id_in(), room(64), out(), room(64), out(), out()}),
        without_support("cmsndm", cmsndm, {id_in(), text(), out(), text(), out(), out()}),
        without_support("cmrcvm", cmrcvm, {id_in(), room(64), out(), room(64), out(), out(), out(), out(), out()}),
    };
    const auto add = [&](entry e) -> entry& { return all.emplace_back(std::move(e)); };
    // One is under way at a time: the partner takes each before the next.
    add(plain("cmsndx", cmsndx, {id_in(), text(std::string(86, 'x')), length(1, 86), out()}, sends)).each =
        [](stage& s, CM_INT32 size) {
            (void)s.other().ask("expedited " + std::string(static_cast<std::size_t>(size), 'x'));
        };
    // Something is there that needs all of the room, and is taken in the end by who has it.
    add(plain("cmrcvx", cmrcvx, {id_in(), room(86), length(0, 86, 86), out(), out(), number(0, 1)}, sends)).good = {
        CM_OK, CM_BUFFER_TOO_SMALL};
    all.back().each_before = [](stage& s) {
        (void)s.x.receive_expedited(CM_RECEIVE_IMMEDIATE);  // what the last try has left
        (void)s.other().ask("expedite " + std::string(86, 'x'));
        s.ping();
    };
    // Nothing is there to receive, so that good lengths are tried at no cost.
    add(plain("cmrcv", cmrcv, {id_in(), room(32'767), length(0, 32'767), out(), out(), out(), out()}, receives))
        .before = [](stage& s) { need(s.x.set(cmsrt, CM_RECEIVE_IMMEDIATE), CM_OK, "Set_Receive_Type"); };
    all.back().good = {CM_UNSUCCESSFUL};
    add(plain("cmsend", cmsend, {id_in(), text(std::string(32'767, 'd')), length(0, 32'767), out()}, sends));
    add(plain("cmwait", cmwait, {room(8), out()}, 0)).good = {CM_PROGRAM_STATE_CHECK};
    add(plain("cmchck", cmchck, {room(8), out()}, 0)).good = {CM_PROGRAM_STATE_CHECK};
    add(plain("cmsct", cmsct, {id_in(), number(0, 1)}, initialized));
    // The queues block again afterwards, for what follows.
    const auto block_again = [](stage& s, CM_INT32) {
        for (const CM_INT32 queue : {CM_SEND_RECEIVE_QUEUE, CM_EXPEDITED_SEND_QUEUE, CM_EXPEDITED_RECEIVE_QUEUE}) {
            const CM_INT32 mode = CM_BLOCKING;
            CM_INT32 number = 0, rc = -1;
            cmsqpm(s.x.id.data(), &queue, &mode, "8 bytes.", &number, &rc);
            need(rc, CM_OK, "Set_Queue_Processing_Mode");
        }
    };
    for (entry e : {plain("cmsqpm", cmsqpm, {id_in(), number(3, 5), number(0, 1), text("8 bytes."), out()}, sends),
                    plain("cmsqcf", cmsqcf, {id_in(), number(3, 5), room(64), text("8 bytes.")}, sends)}) {
        e.queues = true;
        e.each = block_again;
        add(std::move(e));
    }
    // No OOID is zero.
    add(plain("cmwcmp", cmwcmp, {out(), length(1, 1'000, 4), length(-1, 0, 0), out(), out(), room(64)}, 0)).good = {
        CM_PROGRAM_PARAMETER_CHECK};
    static constexpr std::pair<const char*, name_setter> secrets[]{
        {"cmscsu", cmscsu}, {"xcscsu", xcscsu}, {"cmscsp", cmscsp}, {"xcscsp", xcscsp}};
    // Full duplex goes with sync level CM_NONE alone.
    add(plain("cmssrm", cmssrm, {id_in(), number(0, 1)}, initialized)).good = {CM_OK, CM_PROGRAM_PARAMETER_CHECK};
    for (const auto& [name, f] : secrets)
        add(plain(name, f, {id_in(), text("TENLETTERS"), length(0, 10)}, initialized)).before = [](stage& s) {
            need(s.x.set(cmscst, CM_SECURITY_PROGRAM), CM_OK, "Set_Conversation_Security_Type");
        };
    add(plain("cmsf", cmsf, {id_in(), number(0, 1)}, sends)).basic = true;
    add(plain("cmsld", cmsld, {id_in(), text(std::string(512, 'l')), length(0, 512)}, sends)).basic = true;
    add(plain("cmesi", cmesi, {id_in(), number(1, 21), room(32'767), length(1, 32'767), out(), out()}, sends)).good = {
        CM_OK, CM_NO_SECONDARY_INFORMATION};
    add(plain("xcmssi", xcmssi, {ignored(), side_info(), length(124, 124, 124)}, 0));
    add(plain("xcmesi", xcmesi, {number(1, 1), text("ENTRY   "), side_info(), length(124, 124, 124)}, 0));
    return all;
}

// What a call gets, in memory whose ends are watched.
class arguments {
public:
    arguments(const entry& e, const id_bytes& id) : of_{e} {
        for (const parameter& p : e.parameters) {
            auto& m = memory_.emplace_back(40'000, '?');
            switch (p.what) {
                case parameter::kind::id: std::memcpy(m.data(), id.data(), id.size()); break;
                case parameter::kind::text: std::memcpy(m.data(), p.content.data(), p.content.size()); break;
                case parameter::kind::length:
                case parameter::kind::number: put(memory_.size() - 1, p.usual); break;
                case parameter::kind::out: put(memory_.size() - 1, 0); break;
                case parameter::kind::side_info: fill_side_info(m); break;
                case parameter::kind::room:
                case parameter::kind::ignored: break;
            }
            pointers_.push_back(m.data());
        }
        given_ = memory_;
    }
    void put(std::size_t n, CM_INT32 value) {
        std::memcpy(memory_[n].data(), &value, sizeof value);
        if (n < given_.size()) std::memcpy(given_[n].data(), &value, sizeof value);
    }
    void take_away(std::size_t n) { pointers_[n] = nullptr; }
    CM_INT32 call() {
        CM_INT32 rc = -1;
        of_.invoke(pointers_.data(), &rc);
        intact();
        return rc;
    }
    void call_without_code() {
        of_.invoke(pointers_.data(), nullptr);
        intact();
    }

private:
    static void fill_side_info(std::string& m) {
        SIDE_INFO s;
        std::memset(&s, ' ', sizeof s);
        std::memcpy(s.sym_dest_name, "ENTRY", 5);
        std::memcpy(s.partner_LU_name, "NET.LU", 6);
        std::memcpy(s.TP_name, "TP", 2);
        s.TP_name_type = XC_APPLICATION_TP;
        s.conversation_security_type = XC_SECURITY_NONE;
        std::memcpy(m.data(), &s, sizeof s);
    }
    // Inputs are as they were given, and nothing behind an output is touched.
    void intact() const {
        for (std::size_t i = 0; i < memory_.size(); ++i) {
            const parameter& p = of_.parameters[i];
            std::size_t writable = 0;
            if (p.what == parameter::kind::room) writable = p.size;
            if (p.what == parameter::kind::out) writable = sizeof(CM_INT32);
            if (p.what == parameter::kind::side_info) writable = sizeof(SIDE_INFO);
            need(std::memcmp(memory_[i].data() + writable, given_[i].data() + writable, memory_[i].size() - writable) ==
                     0,
                 "parameter " + std::to_string(i + 1) + " was written where it must not be");
        }
    }

    const entry& of_;
    std::vector<std::string> memory_, given_;
    std::vector<void*> pointers_;
};

// How often each kind of check was made, for the page.
struct counts {
    unsigned nulls = 0, outside = 0, within = 0, nobody = 0, state_first = 0;
};

class checker {
public:
    explicit checker(way how) : how_{how}, stage_{how} {}

    void check(const entry& e, counts& n, std::vector<std::string>& failures) {
        stage_.basic = e.basic;
        if (e.queues && how_.non_blocking) return;  // the stage has chosen the other level
        for (const bool allocates : {true, false}) {
            stage_.x_allocates = allocates;
            if (!allocates && (e.state == 0 || e.state == initialized)) continue;
            attempt(e, "bad parameters", failures, [&] { bad(e, n, failures); });
            if (!e.changes) attempt(e, "good parameters", failures, [&] { good(e, n, failures); });
            if (e.state != 0 && e.supported)
                attempt(e, "in a wrong state", failures, [&] { wrong_state(e, n, failures); });
        }
    }

private:
    template <class Body>
    void attempt(const entry& e, const char* what, std::vector<std::string>& failures, Body&& body) {
        note_step(how_.name() + ": " + e.name + ", " + what);
        try {
            body();
        } catch (const std::exception& f) {
            failures.push_back(e.name + ", " + what + ": " + f.what());
        }
        stage_.clear();
    }
    void expect(const entry& e, const std::set<CM_INT32>& codes, CM_INT32 code, const std::string& what,
                std::vector<std::string>& failures) const {
        if (!codes.contains(code)) failures.push_back(e.name + ", " + what + ": returned " + std::to_string(code));
    }
    void bring(const entry& e) {
        if (e.state == 0) return;
        stage_.bring(e.state, CM_CONFIRM);
        if (e.before) e.before(stage_);
        if (how_.non_blocking) need(stage_.x.set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
    }

    static std::vector<CM_INT32> outside(const parameter& p) {
        std::vector<CM_INT32> values{p.low - 1, p.high + 1, INT32_MIN, INT32_MAX};
        if (p.what == parameter::kind::number) values.push_back(p.low + 256);
        return values;
    }

    void bad(const entry& e, counts& n, std::vector<std::string>& failures) {
        bring(e);
        const std::set<CM_INT32> refused{CM_PROGRAM_PARAMETER_CHECK};
        for (std::size_t i = 0; i < e.parameters.size(); ++i) {
            const parameter& p = e.parameters[i];
            const std::string which = "parameter " + std::to_string(i + 1);
            if (p.what != parameter::kind::ignored && !(e.name == "xcmesi" && i == 1)) {
                arguments a{e, stage_.x.id};
                a.take_away(i);
                expect(e, refused, a.call(), which + " NULL", failures);
                ++n.nulls;
            }
            if (p.what == parameter::kind::length || p.what == parameter::kind::number)
                for (const CM_INT32 value : outside(p)) {
                    if (e.name == "cmesi" && p.what == parameter::kind::number && value > 0 && value < 80) continue;
                    if (e.name == "xcmesi" && value == 0) continue;  // by name
                    arguments a{e, stage_.x.id};
                    a.put(i, value);
                    expect(e, refused, a.call(), which + " " + std::to_string(value), failures);
                    ++n.outside;
                }
            if (p.what == parameter::kind::id)
                for (const id_bytes& id : ids_of_nobody()) {
                    arguments a{e, id};
                    expect(e, {e.nobody}, a.call(), "an ID of nobody", failures);
                    ++n.nobody;
                }
        }
        arguments unanswered{e, stage_.x.id};
        unanswered.call_without_code();
        ++n.nulls;
        if (e.state == 0) {
            stage_.ping();
            return;
        }
        need(stage_.x.state(), e.state, "the state after bad parameters");
        stage_.ping();
        static const std::string nothing;
        stage_.finish(&nothing);
    }

    void good(const entry& e, counts& n, std::vector<std::string>& failures) {
        bring(e);
        bool any = false;
        const auto one = [&](std::size_t i, CM_INT32 value) {
            if (e.each_before) e.each_before(stage_);
            arguments a{e, stage_.x.id};
            a.put(i, value);
            CM_INT32 code = a.call();
            if (code == CM_OPERATION_INCOMPLETE) code = stage_.completed(code);
            std::set<CM_INT32> codes = e.good;
            // These name something that must be there.
            if (e.name == "cmrltp" || e.name == "xcendt" || e.name == "xcinct")
                codes.insert(CM_PROGRAM_PARAMETER_CHECK);
            expect(e, codes, code, "parameter " + std::to_string(i + 1) + " " + std::to_string(value), failures);
            if (e.each) e.each(stage_, value);
            ++n.within;
            any = true;
        };
        for (std::size_t i = 0; i < e.parameters.size(); ++i) {
            const parameter& p = e.parameters[i];
            if (p.what == parameter::kind::number)
                for (CM_INT32 value = p.low; value <= p.high; ++value) one(i, value);
            if (p.what == parameter::kind::length)
                for (const CM_INT32 value : {p.low, p.usual, p.high}) one(i, value);
        }
        if (!any) {
            arguments a{e, stage_.x.id};
            CM_INT32 code = a.call();
            std::set<CM_INT32> codes = e.good;
            if (e.name == "xcinct" || e.name == "xcmdsi") codes.insert(CM_PROGRAM_PARAMETER_CHECK);
            expect(e, codes, code, "good parameters", failures);
            ++n.within;
        }
        if (e.state == 0) return;
        need(stage_.x.state(), e.state, "the state after good parameters");
        if (e.state == initialized) return;
        stage_.finish(nullptr);
    }

    // 25 wins over a wrong value.
    void wrong_state(const entry& e, counts& n, std::vector<std::string>& failures) {
        const bool any_state = e.name == "cmspm" || e.name == "cmsdt" || e.name == "cmsed" || e.name == "cmsptr" ||
                               e.name == "cmsrt" || e.name == "cmsst" || e.name == "cmsf" || e.name == "cmsld" ||
                               e.name == "cmesi" || e.queues;
        if (any_state) return;
        stage_.bring(e.state == initialized ? sends : initialized, CM_CONFIRM);
        const CM_INT32 state = stage_.x.state();
        for (std::size_t i = 0; i < e.parameters.size(); ++i) {
            const parameter& p = e.parameters[i];
            if (p.what != parameter::kind::length && p.what != parameter::kind::number) continue;
            for (const CM_INT32 value : outside(p)) {
                arguments a{e, stage_.x.id};
                a.put(i, value);
                expect(e, {CM_PROGRAM_STATE_CHECK}, a.call(), "a wrong state and a wrong value", failures);
                ++n.state_first;
            }
        }
        need(stage_.x.state(), state, "the state after calls in a wrong state");
        static const std::string nothing;
        stage_.finish(&nothing);
    }

    // Never given, long ended, and everything near the ones that live.
    std::vector<id_bytes> ids_of_nobody() {
        if (ended_ == id_bytes{}) {
            program_end e;
            need(e.init(), CM_OK, "Initialize_Conversation");
            need(e.cancel(), CM_OK, "Cancel_Conversation");
            ended_ = e.id;
        }
        std::vector<id_bytes> all{id_bytes{}, ended_};
        id_bytes bytes;
        bytes.fill(0xFF);
        all.push_back(bytes);
        std::uint64_t random = 0x9E37'79B9'7F4A'7C15;
        for (int i = 0; i < 8; ++i) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            std::memcpy(bytes.data(), &random, sizeof random);
            all.push_back(bytes);
        }
        for (std::size_t byte = 0; byte < 8; ++byte)
            for (const int step : {1, -1, 0x80}) {
                bytes = stage_.x.id;
                bytes[byte] = static_cast<unsigned char>(bytes[byte] + step);
                all.push_back(bytes);
            }
        return all;
    }

    const way how_;
    stage stage_;
    id_bytes ended_{};
};

// The names that cpic.h declares.
std::set<std::string> declared() {
    std::ifstream in{COLLOQUY_TESTS_DIR "/../api/cpic.h"};
    REQUIRE(in);
    std::set<std::string> names;
    for (std::string line; std::getline(in, line);)
        if (line.starts_with("CM_ENTRY ")) names.insert(line.substr(9, line.find('(') - 9));
    return names;
}

// Bytes of Send_Data on a basic conversation whose length fields are not those of a record: all of it is refused.
unsigned bad_length_fields(way how, std::vector<std::string>& failures) {
    const running_unit unit;
    stage s{how};
    s.basic = true;
    unsigned checks = 0;
    for (const bool allocates : {true, false})
        for (const int bad : {0x0000, 0x0001, 0x8000, 0x8001})
            for (const bool first_record : {true, false})
                for (const bool split : {true, false}) {
                    s.x_allocates = allocates;
                    note_step(how.name() + ": length field " + std::to_string(bad));
                    try {
                        s.bring(CM_SEND_STATE, CM_NONE);
                        std::string bytes = first_record ? "" : logical_record("good");
                        bytes += static_cast<char>(bad >> 8);
                        if (split) {
                            // The field is complete, and known to be wrong, when its second byte comes.
                            need(s.x.send_bytes(bytes), CM_OK, "Send_Data of half a length field");
                            bytes.clear();
                        }
                        bytes += static_cast<char>(bad & 0xFF);
                        bytes += "more";
                        need(s.x.send_bytes(bytes), CM_PROGRAM_PARAMETER_CHECK, "Send_Data");
                        need(s.x.state(), CM_SEND_STATE, "the state");
                        ++checks;
                        std::string texts = first_record || !split ? "" : "good";
                        if (split) {
                            // 00 or 80, and then 03: a record of one byte; the top bit has no meaning to the partner.
                            need(s.x.send_bytes(std::string{'\3', 'y'}), CM_OK, "Send_Data of a good field");
                            texts += texts.empty() ? "y" : " y";
                        }
                        s.finish(&texts);
                    } catch (const std::exception& e) {
                        failures.push_back("length field " + std::to_string(bad) + (split ? ", split: " : ": ") +
                                           e.what());
                    }
                    s.clear();
                }
    return checks;
}

}  // namespace

TEST_SUITE("conformance") {
    TEST_CASE("parameters: length fields of basic records") {
        unsigned checks = 0;
        for (const way how : {way{false, false}, way{false, true}, way{true, false}, way{true, true}}) {
            std::vector<std::string> failures;
            checks += bad_length_fields(how, failures);
            for (const std::string& f : failures) FAIL_CHECK(how.name() << ": " << f);
            CHECK(failures.empty());
        }
        simple_table& t = the_report().lists["Length fields of basic records"];
        t.head = {"call", "given", "answer"};
        t.rows = {{"`cmsend`",
                   "a length of 0000, 0001, 8000 or 8001 (hex), in the first record or a later one, whole or "
                   "split over two calls",
                   "24 × " + std::to_string(checks)}};
        t.intro = "Nothing of the refused bytes reaches the partner, and the conversation goes on.";
        CHECK(checks == 128);
    }
    TEST_CASE("parameters: every parameter of every entry point") {
        const std::vector<entry> entries = all_entries();
        std::set<std::string> listed;
        for (const entry& e : entries) listed.insert(e.name);
        for (const std::string& name : declared()) {
            CAPTURE(name);
            CHECK(listed.contains(name));
        }
        std::map<std::string, counts> sums;
        std::vector<std::string> failures;
        for (const way how : {way{false, false}, way{false, true}, way{true, false}, way{true, true}}) {
            const running_unit unit;
            {
                checker c{how};
                for (const entry& e : entries) c.check(e, sums[e.name], failures);
            }
            for (const std::string& f : failures) FAIL_CHECK(how.name() << ": " << f);
            CHECK(failures.empty());
            failures.clear();
        }
        simple_table& t = the_report().lists["Parameters"];
        t.head = {"call", "NULL", "out of bounds", "ID of nobody", "within bounds", "out of bounds in a wrong state"};
        unsigned all = 0;
        const auto shown = [&all](const char* code, unsigned n) {
            all += n;
            return n == 0 ? std::string{} : code + std::string{" × "} + std::to_string(n);
        };
        for (const entry& e : entries) {
            const counts& n = sums[e.name];
            std::string codes;
            for (const CM_INT32 c : e.good) codes += (codes.empty() ? "" : " ") + std::to_string(c);
            t.rows.push_back({"`" + e.name + "`", shown("24", n.nulls), shown("24", n.outside),
                              shown(e.supported ? "24" : "48", n.nobody), shown(codes.c_str(), n.within),
                              shown("25", n.state_first)});
        }
        std::sort(t.rows.begin(), t.rows.end());
        t.intro = std::to_string(all) +
                  " checks, all ways together: the codes, and how often. A call that was refused left its conversation "
                  "as it was, and inputs\nand what stands behind outputs untouched; a NULL return code is survived.";
        MESSAGE(all << " checks");
    }
}
