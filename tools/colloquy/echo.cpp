#include "tools/colloquy/echo.hpp"

#include <algorithm>

#include "tools/colloquy/codes.hpp"

namespace colloquy::tool {
namespace {

constexpr std::size_t record_max = 32'767;
// What a partner may send before it gives us the turn.
constexpr std::size_t turn_max = std::size_t{1} << 20;
constexpr std::size_t first_room = 256;

class echo_service final : public service {
public:
    echo_service(hub& completions, service_pool& home, echo_kind kind) : hub_{completions}, home_{home}, kind_{kind} {}

    CM_INT32 advance(worker&, CM_INT32 code) override {
        switch (doing_) {
            case step::beginning:
            case step::confirming:
            case step::handing_over: return code == CM_OK ? receive() : end(code);
            case step::receiving: return code == CM_OK ? received() : end(code);
            case step::answering: return code == CM_OK ? send_next() : end(code);
            case step::leaving: break;
        }
        return end(code);
    }

private:
    enum class step : std::uint8_t {
        beginning,
        receiving,
        confirming,    // Confirmed; then the partner still has the turn
        answering,     // Confirmed or a record on its way; then the next record
        handing_over,  // refused a turn that was too long
        leaving,       // the last call
    };

    void begun() override {
        doing_ = step::beginning;
        forget();
    }

    void forget() noexcept {
        used_ = record_begin_ = 0;
        lengths_.clear();
        answered_ = answered_bytes_ = 0;
    }

    CM_INT32 receive() {
        doing_ = step::receiving;
        if (kind_ == echo_kind::sink) used_ = 0;
        // Room grows with what this partner sends; most never need more than the first.
        if (buffer_.size() - used_ < first_room / 4) buffer_.resize(std::max(first_room, buffer_.size() * 4));
        return talk_.receive(buffer_.data() + used_,
                             static_cast<CM_INT32>(std::min(buffer_.size() - used_, record_max)));
    }
    [[nodiscard]] std::size_t record_size() const noexcept { return used_ - record_begin_; }

    CM_INT32 received() {
        if (talk_.data_received != CM_NO_DATA_RECEIVED) {
            used_ += static_cast<std::size_t>(talk_.received_length);
            if (kind_ == echo_kind::sink) {
                // What does not fit at once is read in larger pieces from now on.
                if (talk_.data_received == CM_INCOMPLETE_DATA_RECEIVED && buffer_.size() < record_max)
                    buffer_.resize(std::min(record_max, buffer_.size() * 4));
            } else if (talk_.data_received == CM_COMPLETE_DATA_RECEIVED) {
                lengths_.push_back(static_cast<std::uint32_t>(record_size()));
                record_begin_ = used_;
            }
            if (used_ > turn_max) return abend();
        }
        switch (talk_.status_received) {
            case CM_SEND_RECEIVED: return answer_from_start();
            case CM_CONFIRM_RECEIVED: return confirm(step::confirming);
            case CM_CONFIRM_SEND_RECEIVED: return confirm(step::answering);
            case CM_CONFIRM_DEALLOC_RECEIVED: return confirm(step::leaving);
            default: return receive();
        }
    }

    CM_INT32 confirm(step then) {
        doing_ = then;
        return talk_.confirmed();
    }

    CM_INT32 answer_from_start() {
        if (kind_ == echo_kind::once) {
            talk_.set_deallocate_type(CM_DEALLOCATE_FLUSH);
            if (lengths_.empty()) return last_call();
        }
        return send_next();
    }

    CM_INT32 send_next() {
        if (answered_ == lengths_.size()) {
            // Receive gives the turn back, together with what was sent.
            forget();
            return receive();
        }
        const std::uint32_t length = lengths_[answered_++];
        const char* record = buffer_.data() + answered_bytes_;
        answered_bytes_ += length;
        doing_ = step::answering;
        if (kind_ == echo_kind::once && answered_ == lengths_.size()) {
            talk_.set_send_type(CM_SEND_AND_DEALLOCATE);
            doing_ = step::leaving;
        }
        return talk_.send(record, static_cast<CM_INT32>(length));
    }

    CM_INT32 last_call() {
        doing_ = step::leaving;
        return talk_.deallocate();
    }

    CM_INT32 abend() {
        doing_ = step::leaving;
        talk_.set_deallocate_type(CM_DEALLOCATE_ABEND);
        return talk_.deallocate();
    }

    CM_INT32 end(CM_INT32 code) {
        hub_.leave(talk_.key());
        // A step that was refused must not leave the conversation behind.
        if (!ends_conversation(code) && !(doing_ == step::leaving && code == CM_OK)) talk_.cancel();
        home_.give_back(*this);
        return not_ours;
    }

    hub& hub_;
    service_pool& home_;
    echo_kind kind_;
    step doing_ = step::beginning;
    std::vector<char> buffer_;
    std::vector<std::uint32_t> lengths_;
    std::size_t used_ = 0;          // bytes of the turn received so far
    std::size_t record_begin_ = 0;  // where the record begins that is being received
    std::size_t answered_ = 0;
    std::size_t answered_bytes_ = 0;
};

}  // namespace

std::unique_ptr<service> echo_pool::make() { return std::make_unique<echo_service>(hub_, *this, kind_); }

}  // namespace colloquy::tool
