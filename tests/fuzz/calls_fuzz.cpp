// Any sequence of CPI-C calls by one program that talks to itself: the input says which call, on which of a few
// conversations, with which values. Whatever it is, each call answers a code that CPI-C knows, nothing is told twice,
// and nothing is left when everything has been cancelled.
#include <array>
#include <cstring>
#include <span>

#include "api/colloquy/colloquy.h"
#include "api/cpic.h"
#include "tests/fuzz/fuzz.hpp"

namespace {

using namespace colloquy;

struct place {
    std::array<unsigned char, CM_CID_SIZE> id{};
    std::array<char, 256> buffer{};
    std::array<char, 100> expedited{};
    CM_INT32 data = 0, length = 0, status = 0, control = 0;
};

class program {
public:
    program() {
        clq_options o{};
        o.size = sizeof o;
        o.config_file = "";
        o.conversations = 64;
        o.links = 8;
        o.no_threads = 1;
        COLLOQUY_MUST(clq_start(&o) == 0);
        const CM_INT32 length = 1;
        CM_INT32 rc = -1;
        cmsltp("T", &length, &rc);
        COLLOQUY_MUST(rc == CM_OK);
    }

    void play(fuzz::input in) {
        for (unsigned steps = 300; steps > 0 && !in.done(); --steps) step(in);
        end();
    }

private:
    // At most as many ends are told as operations were told to wait.
    void answered(CM_INT32 rc) {
        COLLOQUY_MUST((rc >= CM_OK && rc <= 60) || rc >= 100);
        if (rc == CM_OPERATION_INCOMPLETE) ++outstanding_;
    }
    void step(fuzz::input& in) {
        const unsigned call = in.byte(), argument = in.byte();
        place& p = places_[argument % places_.size()];
        const auto value = static_cast<CM_INT32>(static_cast<signed char>(in.byte()));
        CM_INT32 rc = -1, out = 0;
        switch (call % 40) {
            case 0:
                if (busy(p)) return;
                leave(p);
                cminit(p.id.data(), "        ", &rc);
                if (rc == CM_OK) {
                    clq_set_destination(p.id.data(), (argument & 0x80) != 0 ? "inproc/NONE" : "inproc/T", &rc);
                    COLLOQUY_MUST(rc == CM_OK);
                    const CM_INT32 mode = CM_NON_BLOCKING;
                    cmspm(p.id.data(), &mode, &rc);
                }
                break;
            case 1:
                if (busy(p)) return;
                leave(p);
                cmaccp(p.id.data(), &rc);
                break;
            case 2: cmallc(p.id.data(), &rc); break;
            case 3:
            case 4: {
                if (!own_mode(p)) return;
                const auto data = in.take(in.byte());
                const auto size = static_cast<CM_INT32>(data.size());
                cmsend(p.id.data(), data.empty() ? "" : reinterpret_cast<const char*>(data.data()), &size,
                       busy(p) ? &spare_ : &p.control, &rc);
                break;
            }
            case 5:
            case 6:
            case 7: {
                if (!own_mode(p) || busy(p)) return;
                const CM_INT32 most = value;
                cmrcv(p.id.data(), p.buffer.data(), &most, &p.data, &p.length, &p.status, &p.control, &rc);
                if (rc == CM_OK) COLLOQUY_MUST(p.length >= 0 && p.length <= most);
                break;
            }
            case 8:
                if (own_mode(p))
                    cmcfm(p.id.data(), busy(p) ? &spare_ : &p.control, &rc);
                else
                    return;
                break;
            case 9:
                if (own_mode(p))
                    cmcfmd(p.id.data(), &rc);
                else
                    return;
                break;
            case 10:
                if (own_mode(p))
                    cmdeal(p.id.data(), &rc);
                else
                    return;
                break;
            case 11:
                if (own_mode(p))
                    cmflus(p.id.data(), &rc);
                else
                    return;
                break;
            case 12:
                if (own_mode(p))
                    cmptr(p.id.data(), &rc);
                else
                    return;
                break;
            case 13:
                if (own_mode(p))
                    cmserr(p.id.data(), busy(p) ? &spare_ : &p.control, &rc);
                else
                    return;
                break;
            case 14:
                if (own_mode(p))
                    cmrts(p.id.data(), &rc);
                else
                    return;
                break;
            case 15: cmcanc(p.id.data(), &rc); break;
            case 16: cmtrts(p.id.data(), &out, &rc); break;
            case 17: cmsct(p.id.data(), &value, &rc); break;
            case 18: cmssl(p.id.data(), &value, &rc); break;
            case 19: cmsdt(p.id.data(), &value, &rc); break;
            case 20: cmsptr(p.id.data(), &value, &rc); break;
            case 21: cmsst(p.id.data(), &value, &rc); break;
            case 22: cmsrt(p.id.data(), &value, &rc); break;
            case 23: cmsf(p.id.data(), &value, &rc); break;
            case 24: cmsed(p.id.data(), &value, &rc); break;
            case 25: cmsrc(p.id.data(), &value, &rc); break;
            case 26: {
                // Full duplex has no non-blocking mode at this level, and a call that blocks would wait for ourselves.
                if (value == CM_FULL_DUPLEX) return;
                cmssrm(p.id.data(), &value, &rc);
                break;
            }
            case 27: {
                const auto text = in.take(in.byte() % 40);
                const auto size = static_cast<CM_INT32>(text.size());
                const auto* t = text.empty() ? "" : reinterpret_cast<const char*>(text.data());
                switch (argument >> 4 & 3) {
                    case 0: cmspln(p.id.data(), t, &size, &rc); break;
                    case 1: cmsmn(p.id.data(), t, &size, &rc); break;
                    case 2: cmstpn(p.id.data(), t, &size, &rc); break;
                    default: cmsld(p.id.data(), t, &size, &rc); break;
                }
                break;
            }
            case 28: {
                CM_INT32 length = 0;
                std::array<char, 80> text{};
                switch (argument >> 4 & 3) {
                    case 0: cmepln(p.id.data(), text.data(), &length, &rc); break;
                    case 1: cmemn(p.id.data(), text.data(), &length, &rc); break;
                    case 2: cmetpn(p.id.data(), text.data(), &length, &rc); break;
                    default: cmecs(p.id.data(), &out, &rc); break;
                }
                if (rc == CM_OK) COLLOQUY_MUST(length >= 0 && length <= 80);
                break;
            }
            case 29: cmect(p.id.data(), &out, &rc); break;
            case 30: cmesl(p.id.data(), &out, &rc); break;
            case 31:
                if (!own_mode(p) || busy(p)) return;
                cmsndx(p.id.data(), p.expedited.data(), &value, &p.control, &rc);
                break;
            case 32: {
                if (!own_mode(p) || busy(p)) return;
                const CM_INT32 most = value, type = CM_RECEIVE_IMMEDIATE;
                cmrcvx(p.id.data(), p.expedited.data(), &most, &p.length, &p.control, &type, &rc);
                break;
            }
            case 33:
                if (busy(p)) return;
                leave(p);
                cminic(p.id.data(), &rc);
                if (rc == CM_OK) {
                    const CM_INT32 mode = CM_NON_BLOCKING;
                    cmspm(p.id.data(), &mode, &rc);
                }
                break;
            case 34:
                if (own_mode(p))
                    cmacci(p.id.data(), &rc);
                else
                    return;
                break;
            case 35: {  // a forged name
                std::array<unsigned char, CM_CID_SIZE> forged = p.id;
                forged[argument >> 5] =
                    static_cast<unsigned char>(forged[argument >> 5] ^ static_cast<unsigned char>(1 + (value & 0x7F)));
                if (is_known(forged)) return;
                cmflus(forged.data(), &rc);
                COLLOQUY_MUST(rc == CM_PROGRAM_PARAMETER_CHECK);
                break;
            }
            case 36: (void)clq_dispatch(); return;
            default: collect(); return;
        }
        answered(rc);
    }
    [[nodiscard]] bool is_known(const std::array<unsigned char, CM_CID_SIZE>& id) const {
        for (const place& p : places_)
            if (p.id == id) return true;
        return false;
    }
    // An accepted conversation is in blocking mode until its program says otherwise; here no call may block.
    static bool own_mode(const place& p) {
        CM_INT32 state = 0, rc = -1;
        const CM_INT32 mode = CM_NON_BLOCKING;
        cmecs(p.id.data(), &state, &rc);
        if (rc != CM_OK) return true;  // it answers 24
        cmspm(p.id.data(), &mode, &rc);
        return rc == CM_OK || rc == CM_PROGRAM_STATE_CHECK;  // 25: an operation waits, so it is in that mode
    }
    // Something waits here, or its end is not collected: its buffers are not ours.
    static bool busy(const place& p) {
        CM_INT32 rc = -1;
        const CM_INT32 mode = CM_NON_BLOCKING;
        cmspm(p.id.data(), &mode, &rc);
        return rc == CM_PROGRAM_STATE_CHECK;
    }
    // What its name named before would be lost with it.
    static void leave(const place& p) {
        CM_INT32 rc = -1;
        cmcanc(p.id.data(), &rc);
    }
    void collect() {
        for (;;) {
            std::array<unsigned char, CM_CID_SIZE> id{};
            CM_INT32 rc = -1, result = -1;
            cmchck(id.data(), &result, &rc);
            if (rc != CM_OK) {
                COLLOQUY_MUST(rc == CM_PROGRAM_STATE_CHECK || rc == CM_UNSUCCESSFUL);
                if (rc == CM_PROGRAM_STATE_CHECK) outstanding_ = 0;  // a cancelled one leaves no record
                return;
            }
            cmwait(id.data(), &result, &rc);
            COLLOQUY_MUST(rc == CM_OK && result != CM_OPERATION_INCOMPLETE);
            COLLOQUY_MUST(outstanding_ > 0);
            --outstanding_;
        }
    }
    void end() {
        for (place& p : places_) {
            CM_INT32 rc = -1;
            cmcanc(p.id.data(), &rc);
        }
        for (unsigned turns = 0; turns < 100 && clq_dispatch() > 0; ++turns) {
        }
        // Attaches that nobody accepted wait for us still.
        for (unsigned turns = 0; turns < 100; ++turns) {
            std::array<unsigned char, CM_CID_SIZE> id{};
            CM_INT32 rc = -1;
            cmaccp(id.data(), &rc);
            if (rc != CM_OK && rc != CM_OPERATION_INCOMPLETE) break;
            const bool none = rc == CM_OPERATION_INCOMPLETE;
            cmcanc(id.data(), &rc);
            if (none) break;
        }
        for (unsigned turns = 0; turns < 100 && clq_dispatch() > 0; ++turns) {
        }
        collect();
        COLLOQUY_MUST(clq_counter("conversations_opened") == clq_counter("conversations_closed"));
        outstanding_ = 0;
        places_ = {};
    }

    std::array<place, 6> places_;
    CM_INT32 spare_ = 0;
    unsigned outstanding_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static program one;  // the process has one logical unit
    one.play(fuzz::input{fuzz::bytes_of(data, size)});
    return 0;
}
