#include "tools/colloquy/teller.hpp"

#include "tools/colloquy/codes.hpp"

namespace colloquy::tool {

class teller_service final : public service {
public:
    teller_service(hub& completions, teller& home) : hub_{completions}, home_{home} {}

    CM_INT32 advance(worker&, CM_INT32 code) override {
        switch (doing_) {
            case step::beginning:
            case step::confirming: return code == CM_OK ? receive() : end(code);
            case step::receiving: return code == CM_OK ? received() : end(code);
            case step::deciding: return decided();
            case step::refusing: return code == CM_OK ? answer() : end(code);
            case step::answering: return code == CM_OK ? receive() : end(code);
            case step::leaving: break;
        }
        return end(code);
    }

private:
    friend class teller;
    enum class step : std::uint8_t { beginning, receiving, deciding, confirming, refusing, answering, leaving };

    void begun() override { doing_ = step::beginning; }

    // From SEND this also gives the turn back.
    CM_INT32 receive() {
        doing_ = step::receiving;
        return talk_.receive(record_.data(), static_cast<CM_INT32>(record_.size()));
    }

    CM_INT32 received() {
        if (talk_.data_received == CM_COMPLETE_DATA_RECEIVED) {
            whole_ = talk_.received_length == static_cast<CM_INT32>(record_.size()) && !cut_;
            request_ = bank::decode(record_);
            kind_ = static_cast<bank::request_kind>(record_[0]);
            cut_ = false;
        } else if (talk_.data_received == CM_INCOMPLETE_DATA_RECEIVED) {
            cut_ = true;
        }
        switch (talk_.status_received) {
            case CM_NO_STATUS_RECEIVED: return receive();
            case CM_CONFIRM_RECEIVED:
                confirm_wanted_ = true;
                if (!whole_ || kind_ != bank::request_kind::transfer) return decide(bank::verdict::malformed);
                break;
            case CM_SEND_RECEIVED:
                confirm_wanted_ = false;
                if (!whole_ || kind_ != bank::request_kind::query) return decide(bank::verdict::malformed);
                break;
            case CM_CONFIRM_DEALLOC_RECEIVED: doing_ = step::leaving; return talk_.confirmed();
            default:
                doing_ = step::leaving;
                talk_.set_deallocate_type(CM_DEALLOCATE_ABEND);
                return talk_.deallocate();
        }
        whole_ = false;
        doing_ = step::deciding;
        home_.enqueue(*this);
        return not_ours;
    }

    CM_INT32 decide(bank::verdict v) {
        verdict_ = v;
        return decided();
    }

    CM_INT32 decided() {
        if (!confirm_wanted_) return answer();
        if (verdict_ == bank::verdict::done) {
            doing_ = step::confirming;
            return talk_.confirmed();
        }
        doing_ = step::refusing;
        return talk_.send_error();
    }

    CM_INT32 answer() {
        doing_ = step::answering;
        record_ = bank::encode(verdict_, request_);
        return talk_.send(record_.data(), static_cast<CM_INT32>(record_.size()));
    }

    CM_INT32 end(CM_INT32 code) {
        hub_.leave(talk_.key());
        // A step that was refused must not leave the conversation behind.
        if (!ends_conversation(code) && !(doing_ == step::leaving && code == CM_OK)) talk_.cancel();
        home_.give_back(*this);
        return not_ours;
    }

    hub& hub_;
    teller& home_;
    step doing_ = step::beginning;
    bank::record record_{};
    bank::transfer request_;
    bank::request_kind kind_{};
    bank::verdict verdict_{};
    bool whole_ = false;           // a record of the right size came since the last answer
    bool cut_ = false;             // part of a longer record came
    bool confirm_wanted_ = false;  // else it is the turn that came
    teller_service* queued_next_ = nullptr;
};

teller::teller(hub& completions, worker& by, std::unique_ptr<ledger> book)
    : hub_{completions}, worker_{by}, ledger_{std::move(book)}, committer_{[this] { commit_for_ever(); }} {}

teller::~teller() {
    {
        const std::lock_guard held{busy_};
        ending_ = true;
    }
    changed_.notify_all();
    committer_.join();
}

std::unique_ptr<service> teller::make() { return std::make_unique<teller_service>(hub_, *this); }

void teller::enqueue(teller_service& s) {
    bool first = false;
    {
        const std::lock_guard held{busy_};
        first = queued_ == nullptr;
        s.queued_next_ = queued_;
        queued_ = &s;
        ++enqueued_;
    }
    if (first) changed_.notify_all();
}

void teller::drain() {
    std::unique_lock held{busy_};
    const std::uint64_t target = enqueued_;
    changed_.wait(held, [&] { return answered_ >= target; });
}

std::string teller::trouble() {
    const std::lock_guard held{busy_};
    return trouble_;
}

void teller::commit_for_ever() {
    for (;;) {
        teller_service* newest = nullptr;
        {
            std::unique_lock held{busy_};
            changed_.wait(held, [&] { return ending_ || queued_ != nullptr; });
            if (queued_ == nullptr) return;
            newest = queued_;
            queued_ = nullptr;
        }
        teller_service* batch = nullptr;
        std::uint64_t count = 0;
        while (newest != nullptr) {
            teller_service* next = newest->queued_next_;
            newest->queued_next_ = batch;
            batch = newest;
            newest = next;
            ++count;
        }
        commit(batch);
        for (teller_service* s = batch; s != nullptr;) {
            // Running it may queue it again.
            teller_service* next = s->queued_next_;
            hub_.run(worker_, *s, CM_OK);
            s = next;
        }
        hub_.run_enqueued(worker_);
        {
            const std::lock_guard held{busy_};
            answered_ += count;
        }
        changed_.notify_all();
    }
}

// Decides the whole batch. What is answered afterwards is durable, the refusals too: they may rest on transfers of the
// same batch.
void teller::commit(teller_service* batch) {
    std::string why;
    try {
        ledger_->begin();
        for (teller_service* s = batch; s != nullptr; s = s->queued_next_)
            s->verdict_ =
                s->kind_ == bank::request_kind::transfer ? ledger_->apply(s->request_) : ledger_->look_up(s->request_);
        ledger_->commit();
    } catch (const ledger_error& e) {
        why = e.what();
        ledger_->rollback();
        for (teller_service* s = batch; s != nullptr; s = s->queued_next_) s->verdict_ = bank::verdict::out_of_service;
    }
    const std::lock_guard held{busy_};
    trouble_ = why;
}

}  // namespace colloquy::tool
