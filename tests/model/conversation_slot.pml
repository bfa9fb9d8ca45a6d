/*
 * A model of runtime/state_word.hpp and of the hand-over that runtime/engine.cpp builds on it: one slot of the table,
 * the thread that issues operations on it and collects their ends, the driver that brings frames, a canceller, a
 * reader that only pins, and whoever opens the slot's next life.
 *
 * Each atomic operation on the word is one step; everything between two of them can be interleaved with anything. What
 * the model cannot see, weak memory orders, is what tests/schedule is for.
 *
 * Checked in every interleaving:
 *   - at most one thread owns the slot, and only the owner touches what belongs to it;
 *   - the caller's buffer is written only while it is lent, and never after the end of the operation was published;
 *   - an operation that was told to wait ends exactly once;
 *   - what was brought is seen: nothing waits for a frame that lies on the pile or in the queue (no lost wake);
 *   - the slot returns to the free list once a life, with no pin on it, and nothing meant for one life reaches the next.
 *
 * BREAK=n plants fault n, which the check must find: see the table in run.py.
 */

#ifndef BREAK
#define BREAK 0
#endif
#ifndef FRAMES
#define FRAMES 2
#endif
#ifndef OPERATIONS
#define OPERATIONS 2
#endif

mtype = { vacant, idle, claimed, pending, delivering, done, retired };

/* --- the word */
byte generation = 1;
byte pins = 0;
mtype phase = idle;
bool arrivals = false;
bool over = false;       /* the state in the word is RESET */

/* --- beside it */
byte pile = 0;           /* shared: frames pushed, not yet absorbed */
byte inbox = 0;          /* the owner's: frames in order */
bool waiting = false;    /* the owner's: an operation is issued and not finished */

/* --- what the checks keep */
byte owners = 0;
byte in_free_list = 0;
byte life = 1;           /* of the slot, as the table sees it */
bool lent = false;       /* the caller's buffer */
byte told = 0;           /* ends of operations that were told to wait */
byte waits = 0;          /* such operations */
byte brought = 0;        /* frames that reached the slot alive */
byte consumed = 0;       /* frames the program was given */
bool opened_again = false;

#define LIFE(g) (generation == (g) && phase != vacant && phase != retired)

inline own() { owners++; assert(owners == 1) }
inline disown() { assert(owners == 1); owners-- }

/* One CAS each. `ok` says what came of it. */
inline cas_claim(g, ok) {
    atomic {
        if
        :: !LIFE(g) -> ok = 2
        :: LIFE(g) && phase == idle -> phase = claimed; own(); ok = 1
        :: LIFE(g) && phase == delivering -> ok = 3
        :: else -> ok = 0
        fi
    }
}
inline cas_take(g, ok) {
    atomic {
        if
#if BREAK == 1
        :: phase == idle -> phase = delivering; own(); ok = 1   /* without a look at the generation */
        :: phase == pending -> phase = delivering; own(); ok = 3
        :: else -> ok = 0
#else
        :: !LIFE(g) -> ok = 2
        :: LIFE(g) && phase == idle -> phase = delivering; own(); ok = 1
        :: LIFE(g) && phase == pending -> phase = delivering; own(); ok = 3
        :: LIFE(g) && phase == done -> ok = 4
        :: else -> ok = 0
#endif
        fi
    }
}
/* The owner's leave: false and the arrivals bit lowered when news was announced. */
inline cas_leave(to, ok) {
    atomic {
        if
#if BREAK == 2
        :: phase = to; disown(); ok = 1                         /* news or not */
#else
        :: arrivals -> arrivals = false; ok = 0
        :: else -> phase = to; disown(); ok = 1
#endif
        fi
    }
}
inline absorb() { atomic { assert(owners == 1); inbox = inbox + pile; pile = 0 } }

/* The last one out recycles. */
inline recycle() {
    assert(pins == 0 && phase == vacant);
    in_free_list++;
    assert(in_free_list == 1)
}
inline unpin_word() {
    atomic {
        pins--;
        if
        :: pins == 0 && phase == retired -> phase = vacant; recycle()
        :: else -> skip
        fi
    }
}
/* The owner ends this life. What lies on the pile is given back by the owner before, and by the last pin after. */
inline retire_word() {
    atomic {
        disown();
        generation++;
        over = false; arrivals = false; inbox = 0; waiting = false;
        if
#if BREAK == 3
        :: phase = vacant; in_free_list++                       /* pinned or not */
#else
        :: pins == 0 -> pile = 0; phase = vacant; recycle()
        :: else -> phase = retired
#endif
        fi
    }
}
/* The owner leaves an idle slot, seeing first what was brought. */
inline leave_idle(ok) {
    ok = 0;
    do
    :: ok == 0 -> cas_leave(idle, ok);
        if :: ok == 0 -> absorb() :: else -> skip fi
    :: else -> break
    od
}
/* The end of the operation that waits: outputs first, then the phase, then somebody is told. */
inline complete(ok) {
    assert(waiting);
    waiting = false;
    ok = 0;
    do
    :: ok == 0 -> cas_leave(done, ok);
        if :: ok == 0 -> absorb() :: else -> skip fi
    :: else -> break
    od;
#if BREAK == 4
    assert(lent);                                               /* a write to the caller's buffer after the end */
#endif
    atomic { told++; assert(told <= waits) }
}
/* The owner, found pending: goes on with the operation, or leaves it waiting. */
inline carry_on(ok) {
    ok = 0;
    do
    :: ok == 0 ->
        if
        :: inbox > 0 ->
            atomic { assert(lent && waiting); inbox--; consumed++ };
            complete(ok);
            break
        :: else ->
            cas_leave(pending, ok);
            if :: ok == 0 -> absorb() :: else -> skip fi
        fi
    :: else -> break
    od
}

/* Issues operations and collects their ends, on the first life. */
proctype program() {
    byte ok, n;
    byte g = 1;
    do
    :: n < OPERATIONS ->
        n++;
        /* issue */
        do
        :: cas_claim(g, ok);
            if :: ok == 3 || ok == 0 -> skip :: else -> break fi
        od;
        if :: ok == 2 -> break :: else -> skip fi;
        arrivals = false; absorb();
        ok = 0;
        do
        :: ok == 0 ->
            if
            :: inbox > 0 ->
                atomic {
                    inbox--; consumed++;
                    if :: waiting -> waits-- :: else -> skip fi;   /* never published */
                    waiting = false; lent = false
                };
                leave_idle(ok); ok = 2; break
            :: else ->
                atomic { if :: !waiting -> waits++ :: else -> skip fi; waiting = true; lent = true };
#if BREAK == 5
                atomic { phase = pending; disown(); ok = 1 }    /* published without a look at the news */
#else
                cas_leave(pending, ok);
                if :: ok == 0 -> absorb() :: else -> skip fi
#endif
            fi
        :: else -> break
        od;
        if
        :: ok == 2 -> goto next                                 /* finished at once */
        :: else -> skip
        fi;
        /* wait, and collect: done -> claimed */
end_wait:
        do
        :: atomic { generation == g && phase == done -> phase = claimed; own() } ->
            assert(!waiting);
            lent = false;
            if
            :: over -> retire_word(); goto ended
            :: else -> leave_idle(ok); break
            fi
        :: atomic { generation != g } ->
            /* discarded by a cancel that had nobody to tell: it ended, once, without a record */
            lent = false;
            goto ended
        od;
        next: skip
    :: else -> break
    od;
    ended: skip
}

/* Brings FRAMES frames to the first life. */
proctype driver() {
    byte ok, n;
    byte g = 1;
    do
    :: n < FRAMES ->
        n++;
        cas_take(g, ok);
        if
        :: ok == 2 -> break
        :: ok == 1 ->
            assert(life == g); inbox++; brought++;
            leave_idle(ok)
        :: ok == 3 ->
            assert(life == g); inbox++; brought++;
            carry_on(ok)
        :: else ->
            /* somebody owns it, or its end is not collected: leave the frame on the pile, behind a pin */
            atomic {
                if
                :: LIFE(g) -> pins++; ok = 1
                :: else -> ok = 2
                fi
            };
            if
            :: ok == 2 -> break
            :: else -> skip
            fi;
            atomic { pile++; brought++ };
#if BREAK != 6
            /* announce */
            atomic {
                if
                :: !LIFE(g) -> ok = 2
                :: LIFE(g) && (phase == idle || phase == pending || phase == done) -> arrivals = true; ok = 1
                :: else -> arrivals = true; ok = 0
                fi
            };
            if
            :: ok == 1 ->
                /* nobody owns it any more: look oneself */
                cas_take(g, ok);
                if
                :: ok == 1 -> leave_idle(ok)
                :: ok == 3 -> arrivals = false; absorb(); carry_on(ok)
                :: else -> skip
                fi
            :: else -> skip
            fi;
#endif
            unpin_word()
        fi
    :: else -> break
    od
}

/* Cancel_Conversation on the first life. */
proctype canceller() {
    byte ok;
    byte g = 1;
    if :: goto ended :: skip fi;                                /* or the program never calls it */
    do
    :: cas_claim(g, ok);
        if
        :: ok == 2 -> break
        :: ok == 1 -> retire_word(); break
        :: else -> skip
        fi;
        cas_take(g, ok);
        if
        :: ok == 2 -> break
        :: ok == 1 -> leave_idle(ok)
        :: ok == 3 ->
            over = true;
#if BREAK == 7
            complete(ok); atomic { told++; assert(told <= waits) }  /* told by both */
#else
            complete(ok)
#endif
            ; break
        :: ok == 4 ->
            /* finished, not collected: the result goes with the conversation */
            atomic {
                if
                :: generation == g && phase == done -> phase = claimed; own(); ok = 1
                :: else -> ok = 0
                fi
            };
            if
            :: ok == 1 -> retire_word(); break
            :: else -> skip
            fi
        :: else -> skip
        fi
    od;
    ended: skip
}

/* Extract_ calls: hold the slot without owning it. */
proctype reader() {
    byte g = 1;
    bool held = false;
    atomic {
        if
        :: LIFE(g) -> pins++; held = true
        :: else -> skip
        fi
    };
    if
    :: held ->
        assert(in_free_list == 0 && life == g);
        unpin_word()
    :: else -> skip
    fi
}

/* The table gives the slot a second life when it is free. */
proctype opener() {
    if
    :: atomic { in_free_list == 1 ->
            in_free_list = 0; assert(phase == vacant && pins == 0 && owners == 0);
            generation++; life = generation; phase = idle; opened_again = true; inbox = 0; pile = 0 }
    :: timeout -> skip
    fi
}

init {
    atomic { run program(); run driver(); run canceller(); run reader(); run opener() };
    /* everybody has finished, or waits for what never comes */
    timeout;
    assert(owners == 0);
    assert(pins == 0);
    assert(told + (phase == pending -> 1 : 0) == waits);
    /* a second life is untouched by what was meant for the first */
    assert(!opened_again || (inbox == 0 && pile == 0 && phase == idle));
    /* nothing waits for what is there */
    assert(!(phase == pending && (inbox > 0 || pile > 0)));
    assert(!(phase == idle && pile > 0))
}
