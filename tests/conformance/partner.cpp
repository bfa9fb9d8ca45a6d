// The steps of a partner's script. Those that say "must" fail the script when a call returns anything else but 0.
//
//   call WHERE SYNC TYPE [duplex]   allocates to WHERE with sync level 0 or 1, TYPE mapped or basic, and flushes: must
//   accept                 accepts the next conversation: must
//   send TEXT HOW          one record; HOW is the send type B F C, or P or D with its type, PF PC DF DC DA: must
//   part TEXT              basic: the beginning of a longer record, flushed: must
//   flush, confirm, confirmed, ptr F|C, deallocate F|C|A, error 0|1 (the direction), rts, cancel: must
//   later STEP             the step in non-blocking mode; it must be incomplete
//   collect                waits for that and answers its code; 0 when nothing is incomplete
//   receive                answers its code, whatever it is
//   turn                   receives until it may send
//   request                receives until it is asked to confirm
//   drain [TEXT...]        receives to the end of what the other end sends; with TEXTs nothing but these records must
//                          come; in SEND_ONLY it has been received
//   silence                the same, and nothing must come
//   expedite TEXT          Send_Expedited_Data: must
//   expedited TEXT         Receive_Expedited_Data, waiting: TEXT must come
//   close                  receives until it may send, sends "end" and deallocates: must
//   gone                   answers the code by which the conversation has ended here, 0 if by itself
//   forget                 cancels what there is
//   limit MS               clq_set_time_limit
//   serve NAME, unserve NAME
//   mark-call N WHERE, mark-accept N, pong N, mark-forget N: the conversations whose round trips order the others
#include "tests/conformance/partner.hpp"

#include <condition_variable>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/conformance/program_end.hpp"

#ifndef _WIN32
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>

extern char** environ;
#endif

namespace colloquy::conformance {

namespace {

// Accepts with the wait that a program which named its TP needs. Nothing else of this program is incomplete then.
void accept_next(program_end& e) {
    CM_INT32 code = 0;
    do code = e.accept();
    while (code == CM_PROGRAM_STATE_CHECK);  // the short wait of a blocking Accept ran out
    if (code == CM_OPERATION_INCOMPLETE) {
        id_bytes id{};
        CM_INT32 rc = -1;
        cmwait(id.data(), &code, &rc);
        need(rc, CM_OK, "Wait_For_Conversation");
        need(id == e.id, "Wait_For_Conversation told of another conversation than the accepted one");
    }
    need(code, CM_OK, "Accept_Conversation");
    e.learn_type();
}

class interpreter {
public:
    std::string run(const std::string& script) {
        try {
            last_ = 0;
            std::istringstream steps{script};
            for (std::string step; std::getline(steps, step, ';');) {
                std::istringstream words{step};
                words_.clear();
                for (std::string w; words >> w;) words_.push_back(w);
                if (words_.empty()) continue;
                try {
                    one();
                } catch (const failure& f) {
                    throw failure("the partner, at \"" + step + "\": " + f.what());
                }
            }
            return std::to_string(last_);
        } catch (const std::exception& e) {
            // Who waits for this end must not wait for ever.
            later_ = false;
            forget();
            return std::string{"!"} + e.what();
        }
    }

private:
    struct completion {
        std::mutex mutex;
        std::condition_variable told;
        std::optional<CM_INT32> code;
    };

    [[nodiscard]] const std::string& word(std::size_t n) const {
        if (n >= words_.size()) throw failure("a word is missing");
        return words_[n];
    }
    [[nodiscard]] int number(std::size_t n) const { return std::stoi(word(n)); }

    static void COLLOQUY_CALL completed(void* user, const clq_completion* c) {
        auto& to = *static_cast<completion*>(user);
        const std::lock_guard held{to.mutex};
        to.code = c->return_code;
        to.told.notify_all();
    }
    // Completions are told by a callback, because Wait_For_Conversation may belong to the test's own end.
    void take_up() {
        pending_ = later_ = false;
        CM_INT32 rc = -1;
        clq_set_callback(y_.id.data(), &completed, &completion_, &rc);
        need(rc, CM_OK, "clq_set_callback");
    }
    CM_INT32 wait_for_it() {
        std::unique_lock held{completion_.mutex};
        completion_.told.wait(held, [&] { return completion_.code.has_value(); });
        const CM_INT32 code = *completion_.code;
        completion_.code.reset();
        pending_ = false;
        return code;
    }
    CM_INT32 collect() {
        if (!pending_) return CM_OK;
        const CM_INT32 code = wait_for_it();
        if (!ends(code)) (void)y_.set(cmspm, CM_BLOCKING);
        return code;
    }
    void must(CM_INT32 code) {
        if (later_) {
            need(code, CM_OPERATION_INCOMPLETE, words_[0] + " (later)");
            pending_ = true;
            later_ = false;
            last_ = code;
            return;
        }
        need(code, CM_OK, words_[0]);
        last_ = code;
    }
    void send_as(const std::string& how) {
        static const std::map<char, CM_INT32> types{{'B', CM_BUFFER_DATA},
                                                    {'F', CM_SEND_AND_FLUSH},
                                                    {'C', CM_SEND_AND_CONFIRM},
                                                    {'P', CM_SEND_AND_PREP_TO_RECEIVE},
                                                    {'D', CM_SEND_AND_DEALLOCATE}};
        if (how[0] == 'P') prepare_type(how[1]);
        if (how[0] == 'D') deallocate_type(how[1]);
        need(y_.set(cmsst, types.at(how[0])), CM_OK, "Set_Send_Type");
    }
    void prepare_type(char c) {
        need(y_.set(cmsptr, c == 'F' ? CM_PREP_TO_RECEIVE_FLUSH : CM_PREP_TO_RECEIVE_CONFIRM), CM_OK,
             "Set_Prepare_To_Receive_Type");
    }
    void deallocate_type(char c) {
        need(y_.set(cmsdt, c == 'F'   ? CM_DEALLOCATE_FLUSH
                           : c == 'C' ? CM_DEALLOCATE_CONFIRM
                                      : CM_DEALLOCATE_ABEND),
             CM_OK, "Set_Deallocate_Type");
    }
    void forget() {
        (void)y_.cancel();
        if (pending_) (void)wait_for_it();
    }
    [[nodiscard]] bool may_send() const {
        const CM_INT32 s = y_.state();
        return s == CM_SEND_STATE || s == CM_SEND_PENDING_STATE;
    }
    // Errors told by the other end are part of the way.
    void receive_on() {
        last_ = y_.receive();
        if (last_ != CM_OK && !is_one_of(last_, "en") && !is_one_of(last_, "ep") && !is_one_of(last_, "et"))
            throw failure("Receive returned " + std::to_string(last_));
    }
    void get_turn() {
        while (!may_send()) {
            receive_on();
            if (last_ == CM_OK && (y_.status == CM_CONFIRM_RECEIVED || y_.status == CM_CONFIRM_SEND_RECEIVED))
                need(y_.confirmed(), CM_OK, "Confirmed");
        }
    }
    void drain() {
        std::vector<std::string> texts;
        std::string piece;
        bool clean = true;
        last_ = collect();
        if (y_.state() == CM_SEND_ONLY_STATE) last_ = CM_DEALLOCATED_NORMAL;
        while (!ends(last_) && y_.state() != reset_state) {
            last_ = y_.receive();
            if (last_ == CM_OK || last_ == CM_DEALLOCATED_NORMAL) {
                piece += y_.text();
                if (y_.data == CM_COMPLETE_DATA_RECEIVED) {
                    texts.push_back(piece);
                    piece.clear();
                }
            } else if (!ends(last_)) {
                if (!is_one_of(last_, "en") && !is_one_of(last_, "ep") && !is_one_of(last_, "et"))
                    throw failure("Receive returned " + std::to_string(last_));
                clean = false;
                piece.clear();
            }
            if (last_ == CM_OK && y_.status >= CM_CONFIRM_RECEIVED) need(y_.confirmed(), CM_OK, "Confirmed");
        }
        if (words_.size() < 2 && words_[0] != "silence") return;
        std::string heard, wanted;
        for (const std::string& t : texts) heard += "<" + t + ">";
        for (std::size_t i = 1; i < words_.size(); ++i) wanted += "<" + words_[i] + ">";
        need(clean && last_ == CM_DEALLOCATED_NORMAL && heard == wanted,
             "received " + heard + " and " + std::to_string(last_) + ", expected " + wanted + " and 18");
    }

    void one() {
        if (words_[0] == "later") {
            words_.erase(words_.begin());
            need(y_.set(cmspm, CM_NON_BLOCKING), CM_OK, "Set_Processing_Mode");
            later_ = true;
        }
        const std::string& what = words_[0];
        if (what == "call") {
            y_.prepare(word(1), number(2), word(3) == "basic", words_.size() > 4 && word(4) == "duplex");
            take_up();
            need(y_.allocate(), CM_OK, "Allocate");
            must(y_.flush());
        } else if (what == "accept") {
            accept_next(y_);
            take_up();
        } else if (what == "send") {
            send_as(word(2));
            must(y_.send(word(1)));
            if (!pending_ && y_.state() != reset_state) (void)y_.set(cmsst, CM_BUFFER_DATA);
        } else if (what == "part") {
            std::string record = logical_record(word(1) + "and more");
            record.resize(word(1).size() + 2);
            must(y_.send_bytes(record));
            must(y_.flush());
        } else if (what == "flush") {
            must(y_.flush());
        } else if (what == "confirm") {
            must(y_.confirm());
        } else if (what == "confirmed") {
            must(y_.confirmed());
        } else if (what == "ptr") {
            prepare_type(word(1)[0]);
            must(y_.prepare_to_receive());
        } else if (what == "deallocate") {
            deallocate_type(word(1)[0]);
            must(y_.deallocate());
        } else if (what == "error") {
            need(y_.set(cmsed, number(1)), CM_OK, "Set_Error_Direction");
            must(y_.send_error());
        } else if (what == "rts") {
            must(y_.request_to_send());
        } else if (what == "expedite") {
            must(y_.send_expedited(word(1)));
        } else if (what == "expedited") {
            must(y_.receive_expedited(CM_RECEIVE_AND_WAIT));
            need(y_.fast_text() == word(1), "expedited <" + std::string{y_.fast_text()} + "> came");
        } else if (what == "cancel") {
            must(y_.cancel());
        } else if (what == "collect") {
            last_ = collect();
        } else if (what == "receive") {
            last_ = y_.receive();
        } else if (what == "turn") {
            get_turn();
        } else if (what == "request") {
            do receive_on();
            while (last_ != CM_OK || y_.status < CM_CONFIRM_RECEIVED);
        } else if (what == "drain" || what == "silence") {
            drain();
        } else if (what == "close") {
            last_ = collect();
            get_turn();
            send_as("DF");
            must(y_.send("end"));
        } else if (what == "gone") {
            last_ = collect();
            while (!ends(last_) && y_.state() != reset_state) {
                // Where confirmation is asked, Send_Error is the call that tells of a lost link once it is known.
                const CM_INT32 state = y_.state();
                const bool asked = state >= CM_CONFIRM_STATE && state <= CM_CONFIRM_DEALLOCATE_STATE;
                last_ = asked || state == CM_SEND_ONLY_STATE ? y_.send_error() : y_.receive();
                if (last_ == CM_PROGRAM_STATE_CHECK) throw failure("the conversation goes on");
            }
        } else if (what == "forget") {
            forget();
            last_ = 0;
        } else if (what == "limit") {
            CM_INT32 rc = -1;
            clq_set_time_limit(y_.id.data(), static_cast<unsigned>(number(1)), &rc);
            must(rc);
        } else if (what == "serve" || what == "unserve") {
            const auto size = static_cast<CM_INT32>(word(1).size());
            CM_INT32 rc = -1;
            (what == "serve" ? cmsltp : cmrltp)(word(1).data(), &size, &rc);
            must(rc);
        } else if (what == "mark-call") {
            program_end& m = marks_[number(1)];
            m.prepare(word(2), CM_NONE, false);
            need(m.allocate(), CM_OK, "Allocate of a mark");
            need(m.prepare_to_receive(), CM_OK, "Prepare_To_Receive of a mark");
        } else if (what == "mark-accept") {
            accept_next(marks_[number(1)]);
        } else if (what == "pong") {
            program_end& m = marks_[number(1)];
            need(m.receive(), CM_OK, "Receive of a mark");
            need(m.status == CM_SEND_RECEIVED && m.text() == "mark", "a mark that is none");
            need(m.set(cmsst, CM_SEND_AND_PREP_TO_RECEIVE), CM_OK, "Set_Send_Type");
            need(m.send("mark"), CM_OK, "Send_Data of a mark");
        } else if (what == "mark-forget") {
            (void)marks_[number(1)].cancel();
        } else {
            throw failure("a step nobody knows");
        }
    }

    program_end y_;
    std::map<int, program_end> marks_;
    completion completion_;
    bool later_ = false, pending_ = false;
    std::vector<std::string> words_;
    CM_INT32 last_ = 0;
};

class partner_thread final : public partner {
public:
    partner_thread() : thread_{[this] { main(); }} {}
    ~partner_thread() override {
        {
            const std::lock_guard held{mutex_};
            stop_ = true;
            told_.notify_all();
        }
        thread_.join();
    }
    void tell(const std::string& script) override {
        const std::lock_guard held{mutex_};
        script_ = script;
        told_.notify_all();
    }

private:
    std::string next_answer() override {
        std::unique_lock held{mutex_};
        told_.wait(held, [&] { return answer_.has_value(); });
        std::string a = std::move(*answer_);
        answer_.reset();
        return a;
    }
    void main() {
        interpreter program;
        std::unique_lock held{mutex_};
        for (;;) {
            told_.wait(held, [&] { return stop_ || script_.has_value(); });
            if (stop_) return;
            const std::string script = std::move(*script_);
            script_.reset();
            held.unlock();
            std::string a = program.run(script);
            held.lock();
            answer_ = std::move(a);
            told_.notify_all();
        }
    }

    std::mutex mutex_;
    std::condition_variable told_;
    std::optional<std::string> script_, answer_;
    bool stop_ = false;
    std::thread thread_;
};

#ifndef _WIN32
// False: the other process has gone.
bool read_line(int from, std::string& line) {
    line.clear();
    for (char c = 0;;) {
        if (::read(from, &c, 1) != 1) return false;
        if (c == '\n') return true;
        line += c;
    }
}
void write_line(int to, std::string line) {
    line += '\n';
    if (::write(to, line.data(), line.size()) != static_cast<ssize_t>(line.size())) throw failure("the pipe is broken");
}

class partner_process final : public partner {
public:
    partner_process() {
        std::array<int, 2> in{}, out{};
        if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) throw failure("no pipes");
        std::string option = "--partner";
        std::array<char*, 3> arguments{option.data(), option.data(), nullptr};
        posix_spawn_file_actions_t files;
        (void)::posix_spawn_file_actions_init(&files);
        (void)::posix_spawn_file_actions_adddup2(&files, in[0], 0);
        (void)::posix_spawn_file_actions_adddup2(&files, out[1], 3);
        const int spawned = ::posix_spawn(&pid_, "/proc/self/exe", &files, nullptr, arguments.data(), environ);
        (void)::posix_spawn_file_actions_destroy(&files);
        (void)::close(in[0]);
        (void)::close(out[1]);
        to_ = in[1];
        from_ = out[0];
        if (spawned != 0) throw failure("the partner's process cannot be started");
        if (!read_line(from_, address_)) throw failure("the partner's process says nothing");
    }
    ~partner_process() override {
        (void)::close(to_);
        (void)::close(from_);
        if (pid_ > 0) (void)::waitpid(pid_, nullptr, 0);
    }
    void tell(const std::string& script) override { write_line(to_, script); }

private:
    std::string next_answer() override {
        std::string a;
        if (!read_line(from_, a)) throw failure("the partner's process is gone");
        return a;
    }
    int to_ = -1, from_ = -1;
    pid_t pid_ = -1;
};
#endif

}  // namespace

CM_INT32 partner::answer() {
    const std::string a = next_answer();
    if (!a.empty() && a[0] == '!') throw failure(a.substr(1));
    return std::stoi(a);
}

std::unique_ptr<partner> start_partner_thread() { return std::make_unique<partner_thread>(); }

#ifdef _WIN32
// Two ends of one TCP link in one process, until processes can be started here.
std::unique_ptr<partner> start_partner_process() { return std::make_unique<partner_thread>(); }
int run_partner_process(int, int) { return 2; }
#else
std::unique_ptr<partner> start_partner_process() { return std::make_unique<partner_process>(); }

int run_partner_process(int in, int out) {
    clq_options o{};
    o.size = sizeof o;
    o.config_file = "";
    o.listen = "127.0.0.1:0";
    o.lu_name = "COLLOQUY.PARTNER";
    o.conversations = 256;
    o.links = 64;
    if (clq_start(&o) != 0) return 1;
    std::array<char, 64> address{};
    if (clq_listening(0, address.data(), address.size()) != 0) return 1;
    interpreter program;
    write_line(out, address.data());
    for (std::string script; read_line(in, script);) write_line(out, program.run(script));
    (void)clq_stop(0);
    return 0;
}
#endif

}  // namespace colloquy::conformance
