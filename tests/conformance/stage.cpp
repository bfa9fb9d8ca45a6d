#include "tests/conformance/stage.hpp"

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace colloquy::conformance {

running_unit::running_unit(const std::string& configuration, unsigned conversations) {
    clq_options o{};
    o.size = sizeof o;
    o.config_file = "";
    o.listen = "127.0.0.1:0";
    o.lu_name = "COLLOQUY.TEST";
    o.conversations = conversations;
    o.links = 64;
    std::string path;
    if (!configuration.empty()) {
        path =
            (std::filesystem::temp_directory_path() / ("colloquy-conformance-" + std::to_string(::getpid()) + ".toml"))
                .string();
        std::ofstream{path} << configuration;
        o.config_file = path.c_str();
    }
    const int started = clq_start(&o);
    if (!path.empty()) std::filesystem::remove(path);
    if (started != 0) throw std::runtime_error(clq_last_error());
}
running_unit::~running_unit() { (void)clq_stop(2'000); }
std::string running_unit::address() {
    std::array<char, 64> text{};
    if (clq_listening(0, text.data(), text.size()) != 0) throw std::runtime_error("nobody listens");
    return text.data();
}
unsigned long long running_unit::conversations_open() {
    return clq_counter("conversations_opened") - clq_counter("conversations_closed");
}

stage::stage(way w, bool served) : how{w} {
    if (served) {
        const CM_INT32 two = 2;
        CM_INT32 rc = -1;
        cmsltp("TP", &two, &rc);
        need(rc, CM_OK, "Specify_Local_TP_Name");
    }
    partner_ = how.tcp ? start_partner_process() : start_partner_thread();
    if (how.tcp) {
        out_ = std::make_unique<relay>(partner_->address());
        in_ = std::make_unique<relay>(running_unit::address());
        (void)partner_->ask("serve TP");
    }
    if (served) (void)partner_->ask("serve RELEASED; unserve RELEASED");
}
stage::~stage() {
    for (program_end& m : mark_) (void)m.cancel();
}

std::string stage::there(const char* tp) const {
    return (how.tcp ? out_->address() : std::string{"inproc"}) + "/" + tp;
}
std::string stage::back() const { return (how.tcp ? in_->address() : std::string{"inproc"}) + "/TP"; }

CM_INT32 stage::accept_here(program_end& e) {
    CM_INT32 code = e.accept();
    if (code == CM_OPERATION_INCOMPLETE) {
        id_bytes id{};
        CM_INT32 rc = -1;
        do {
            cmwait(id.data(), &code, &rc);
            need(rc, CM_OK, "Wait_For_Conversation");
        } while (id != e.id);
    }
    if (code == CM_OK) e.learn_type();
    return code;
}

void stage::raise_marks() {
    if (marks_up_) return;
    for (int n : {0, 1}) {
        (void)mark_[n].cancel();
        (void)partner_->ask("mark-forget " + std::to_string(n));
    }
    mark_[0].prepare(there(), CM_NONE, false);
    need(mark_[0].allocate(), CM_OK, "Allocate of a mark");
    need(mark_[0].flush(), CM_OK, "Flush of a mark");
    (void)partner_->ask("mark-accept 0");
    (void)partner_->ask("mark-call 1 " + back());
    CM_INT32 code = 0;
    do code = accept_here(mark_[1]);
    while (code == CM_PROGRAM_STATE_CHECK);  // the short wait of a blocking Accept ran out
    need(code, CM_OK, "Accept_Conversation of a mark");
    need(mark_[1].receive(), CM_OK, "Receive of a mark");
    need(mark_[1].status == CM_SEND_RECEIVED, "a mark without the turn");
    marks_up_ = true;
}

void stage::ping() {
    raise_marks();
    const int n = x_allocates ? 0 : 1;
    program_end& m = mark_[n];
    need(m.set(cmsst, CM_SEND_AND_PREP_TO_RECEIVE), CM_OK, "Set_Send_Type");
    partner_->tell("pong " + std::to_string(n));
    const CM_INT32 sent = m.send("mark");
    CM_INT32 got = sent == CM_OK ? m.receive() : sent;
    if (got == CM_OK && m.text() != "mark") throw failure("a mark that is none");
    if (got == CM_OK && m.status != CM_SEND_RECEIVED) {
        got = m.receive();
        if (m.status != CM_SEND_RECEIVED) throw failure("a mark without the turn");
    }
    (void)partner_->answer();
    need(got, CM_OK, "a mark's round trip");
}

void stage::accept_x() {
    CM_INT32 code = 0;
    do code = accept_here(x);
    while (code == CM_PROGRAM_STATE_CHECK);
    need(code, CM_OK, "Accept_Conversation");
}

void stage::bring(CM_INT32 state, CM_INT32 level) {
    sync_level = level;
    fate.clear();
    partial = false;
    raise_marks();
    const std::string kind = basic ? "basic" : "mapped";
    if (state == CM_INITIALIZE_STATE) {
        x.prepare(there(), sync_level, basic, duplex);
        return;
    }
    if (state == CM_INITIALIZE_INCOMING_STATE) {
        CM_INT32 rc = -1;
        cminic(x.id.data(), &rc);
        need(rc, CM_OK, "Initialize_For_Incoming");
        x.basic = basic;
        return;
    }
    if (duplex) {
        bring_duplex(state);
        return;
    }
    if (x_allocates) {
        x.prepare(there(), sync_level, basic);
        need(x.allocate(), CM_OK, "Allocate");
        need(x.flush(), CM_OK, "Flush");
        (void)partner_->ask("accept");
        partner_talks_ = true;
    } else {
        partner_talks_ = true;
        (void)partner_->ask("call " + back() + " " + std::to_string(sync_level) + " " + kind);
        accept_x();
        if (state == CM_RECEIVE_STATE) {
            // The partner stands in SEND_PENDING below, so it does here.
            (void)partner_->ask("ptr F");
            need(x.receive(), CM_OK, "Receive");
        }
        if (state == CM_SEND_STATE) {
            (void)partner_->ask("ptr F");
            need(x.receive(), CM_OK, "Receive");
            need(x.status == CM_SEND_RECEIVED, "no turn came");
        }
    }
    if (state == reset_state) {
        need(x.set(cmsdt, CM_DEALLOCATE_ABEND), CM_OK, "Set_Deallocate_Type");
        need(x.deallocate(), CM_OK, "Deallocate");
        (void)partner_->ask("gone");
        partner_talks_ = false;
        return;
    }
    if (state == CM_SEND_STATE) {
        need(x.state() == CM_SEND_STATE, "the recipe did not lead to SEND");
        return;
    }
    const auto give_turn = [&] {
        need(x.set(cmsst, CM_SEND_AND_PREP_TO_RECEIVE), CM_OK, "Set_Send_Type");
        need(x.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH), CM_OK, "Set_Prepare_To_Receive_Type");
        need(x.send("to-you"), CM_OK, "Send_Data");
        (void)x.set(cmsst, CM_BUFFER_DATA);
        (void)x.set(cmsptr, CM_PREP_TO_RECEIVE_SYNC_LEVEL);
        (void)partner_->ask("turn");
    };
    if (x.state() == CM_SEND_STATE) give_turn();
    if (state == CM_SEND_PENDING_STATE) {
        (void)partner_->ask("send and-back PF");
        need(x.receive(), CM_OK, "Receive");
        if (x.status != CM_SEND_RECEIVED) throw failure("data came without the turn that was sent with it");
    } else if (state != CM_RECEIVE_STATE) {
        if (!prelude.empty()) (void)partner_->ask(prelude);
        (void)partner_->ask(state == CM_CONFIRM_STATE        ? "later confirm"
                            : state == CM_CONFIRM_SEND_STATE ? "later ptr C"
                                                             : "later deallocate C");
        need(x.receive(), CM_OK, "Receive");
    }
    need(x.state() == state, "the recipe led to state " + std::to_string(x.state()));
}

void stage::bring_duplex(CM_INT32 state) {
    if (x_allocates) {
        x.prepare(there(), CM_NONE, basic, true);
        need(x.allocate(), CM_OK, "Allocate");
        need(x.flush(), CM_OK, "Flush");
        (void)partner_->ask("accept");
        partner_talks_ = true;
    } else {
        partner_talks_ = true;
        (void)partner_->ask("call " + back() + " 0 " + (basic ? "basic" : "mapped") + " duplex");
        accept_x();
    }
    need(x.state() == CM_SEND_RECEIVE_STATE, "the recipe did not lead to SEND_RECEIVE");
    if (state == reset_state) {
        need(x.set(cmsdt, CM_DEALLOCATE_ABEND), CM_OK, "Set_Deallocate_Type");
        need(x.deallocate(), CM_OK, "Deallocate");
        (void)partner_->ask("gone");
        partner_talks_ = false;
        return;
    }
    if (state == CM_SEND_ONLY_STATE) {
        (void)partner_->ask("deallocate F");
        need(x.receive(), CM_DEALLOCATED_NORMAL, "Receive");
    }
    if (state == CM_RECEIVE_ONLY_STATE) {
        need(x.set(cmsdt, CM_DEALLOCATE_FLUSH), CM_OK, "Set_Deallocate_Type");
        need(x.deallocate(), CM_OK, "Deallocate");
        need(partner_->ask("receive"), CM_DEALLOCATED_NORMAL, "the partner's Receive");
    }
    need(x.state() == state, "the recipe led to state " + std::to_string(x.state()));
}

// Each direction that has not ended ends with a record that says so.
void stage::finish_duplex(const std::string* texts) {
    const bool strict = texts != nullptr;
    const CM_INT32 state = x.state();
    if (state != CM_RECEIVE_ONLY_STATE) {
        need(x.set(cmsst, CM_SEND_AND_DEALLOCATE), CM_OK, "Set_Send_Type");
        partner_->tell(strict ? "drain " + *texts + (texts->empty() ? "" : " ") + "end" : "drain");
        const CM_INT32 code = x.send("end");
        if (code != CM_OK) (void)x.cancel();
        CM_INT32 heard = 0;
        try {
            heard = partner_->answer();
        } catch (const failure&) {
            if (code == CM_OK) throw;
        }
        need(code, CM_OK, "the last Send_Data");
        need(heard, CM_DEALLOCATED_NORMAL, "the partner's last Receive");
    } else {
        (void)partner_->ask(!strict ? "drain" : texts->empty() ? "silence" : "drain " + *texts);
    }
    if (state != CM_SEND_ONLY_STATE) {
        (void)partner_->ask("send end DF");
        std::string heard;
        CM_INT32 code = 0;
        do {
            code = x.receive();
            if (code == CM_OK || code == CM_DEALLOCATED_NORMAL) heard += x.text();
        } while (code == CM_OK || is_one_of(code, "en") || is_one_of(code, "et"));
        need(code, CM_DEALLOCATED_NORMAL, "the last Receive");
        if (strict) need(heard == "end", "what came was <" + heard + "> instead of <end>");
    }
    partner_talks_ = false;
    need(x.state() == reset_state, "the conversation has ended at both ends, and x is not in RESET");
}

CM_INT32 stage::completed(CM_INT32 code) {
    if (code != CM_OPERATION_INCOMPLETE) return code;
    id_bytes id{};
    CM_INT32 rc = -1;
    do {
        cmwait(id.data(), &code, &rc);
        need(rc, CM_OK, "Wait_For_Conversation");
    } while (id != x.id);
    return code;
}

void stage::check_fate() {
    if (!partner_talks_) return;
    const CM_INT32 heard = partner_->ask("gone");
    partner_talks_ = false;
    if (fate.empty()) return;
    std::string codes = " " + fate + " ";
    need(codes.find(" " + std::to_string(heard) + " ") != codes.npos,
         "the partner heard " + std::to_string(heard) + " instead of " + fate);
}

void stage::finish(const std::string* texts) {
    const std::string strict = texts == nullptr ? "" : " " + *texts + (texts->empty() ? "" : " ") + "end";
    if (x.state() == reset_state) {
        check_fate();
        return;
    }
    (void)x.set(cmsst, CM_BUFFER_DATA);
    (void)x.set(cmsrt, CM_RECEIVE_AND_WAIT);
    (void)x.set(cmsdt, CM_DEALLOCATE_FLUSH);
    (void)x.set(cmsptr, CM_PREP_TO_RECEIVE_FLUSH);
    if (x.state() == CM_INITIALIZE_STATE) {
        need(x.destination(there()), CM_OK, "the destination");
        need(x.set(cmsrc, CM_WHEN_SESSION_ALLOCATED), CM_OK, "Set_Return_Control");
        need(x.set(cmscst, CM_SECURITY_NONE), CM_OK, "Set_Conversation_Security_Type");
        CM_INT32 type = -1;
        need(x.call(cmect, &type), CM_OK, "Extract_Conversation_Type");
        x.basic = type == CM_BASIC_CONVERSATION;
        need(completed(x.allocate()), CM_OK, "Allocate");
    }
    if (x.state() == CM_INITIALIZE_INCOMING_STATE) {
        (void)partner_->ask("call " + back() + " 1 " + (basic ? "basic" : "mapped"));
        partner_talks_ = true;
        CM_INT32 code = 0;
        do code = completed(x.call(cmacci));
        while (code == CM_PROGRAM_STATE_CHECK && x.state() == CM_INITIALIZE_INCOMING_STATE);
        need(code, CM_OK, "Accept_Incoming");
        x.learn_type();
        x.basic = basic;
    }
    if (!partner_talks_) {
        need(completed(x.flush()), CM_OK, "Flush");
        (void)partner_->ask("accept");
        partner_talks_ = true;
    }
    if (duplex) {
        finish_duplex(texts);
        return;
    }
    while (x.state() >= CM_CONFIRM_STATE && x.state() <= CM_CONFIRM_DEALLOCATE_STATE) {
        need(completed(x.confirmed()), CM_OK, "Confirmed");
        if (x.state() == reset_state) {
            need(partner_->ask("collect"), CM_OK, "the partner's Deallocate");
            partner_talks_ = false;
            return;
        }
    }
    if (x.state() == CM_RECEIVE_STATE) {
        partner_->tell("close");
        CM_INT32 code = 0;
        std::string heard;
        do {
            code = completed(x.receive());
            if (code == CM_OK || code == CM_DEALLOCATED_NORMAL) heard += x.text();
            if (!ends(code) && code != CM_OK && !is_one_of(code, "en") && !is_one_of(code, "ep")) {
                (void)x.cancel();
                break;
            }
        } while (!ends(code));
        (void)partner_->answer();
        partner_talks_ = false;
        need(code, CM_DEALLOCATED_NORMAL, "the last Receive");
        if (texts != nullptr) need(heard == "end", "what came was <" + heard + "> instead of <end>");
        return;
    }
    need(x.set(cmsst, CM_SEND_AND_DEALLOCATE), CM_OK, "Set_Send_Type");
    partner_->tell("drain" + strict);
    const CM_INT32 code = completed(x.send("end"));
    if (code != CM_OK) (void)x.cancel();
    CM_INT32 heard = 0;
    try {
        heard = partner_->answer();
    } catch (const failure&) {
        if (code == CM_OK) throw;
    }
    partner_talks_ = false;
    need(code, CM_OK, "the last Send_Data");
    need(heard, CM_DEALLOCATED_NORMAL, "the partner's last Receive");
}

void stage::clear() {
    (void)x.cancel();
    (void)partner_->ask("forget");
    partner_talks_ = false;
    // What a cancelled conversation leaves for Accept is gone with it.
}

void stage::cut() {
    const auto before = clq_counter("links_closed");
    (x_allocates ? *out_ : *in_).cut();
    while (clq_counter("links_closed") == before) std::this_thread::yield();
    marks_up_ = false;
}

void stage::hold(bool on) {
    if (on) cut();
    out_->hold(on);
}

}  // namespace colloquy::conformance
