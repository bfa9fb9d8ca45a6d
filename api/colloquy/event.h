/*
 * event.h: events for programs that wait for completions beside other things, on systems that have none of their own.
 *
 * An event is signalled or not. WinCPICSetEvent attaches one to a conversation; any number of conversations may share
 * one. A manual-reset event stays signalled until it is reset; an auto-reset event releases exactly one wait each time
 * it is signalled, and signals that nobody has waited for yet count once. The library signals and never resets.
 *
 * A handle is an opaque value, never an address: garbage, a handle of something else and a handle closed long ago are
 * answered -1. Every call may be made by any thread, at any time but from a signal handler. C89 and C++. On Windows the
 * system's own events are used and this header has nothing behind it.
 */
#ifndef COLLOQUY_EVENT_H
#define COLLOQUY_EVENT_H

#include "colloquy/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CLQ_WAIT_TIMEOUT 258        /* the answer of a wait that ran out of time */
#define CLQ_WAIT_MAX 64             /* how many events one clq_event_wait_many takes */
#define CLQ_WAIT_FOREVER 0xFFFFFFFFU
#define CLQ_EVENT_MAX 65536         /* events of a process at a time; each takes a file descriptor */

/*
 * Makes an event. Does not block.
 * manual_reset         0: auto-reset; otherwise manual-reset
 * initially_signalled  0: not signalled
 * Returns the handle, which is the caller's to close; NULL when there are too many events or descriptors.
 */
COLLOQUY_API void *COLLOQUY_CALL clq_event_create(int manual_reset, int initially_signalled);

/* Signals; a signalled event stays as it is. Does not block. 0, or -1: no such event. */
COLLOQUY_API int COLLOQUY_CALL clq_event_set(void *event);

/* Makes it not signalled. Does not block. 0, or -1: no such event. */
COLLOQUY_API int COLLOQUY_CALL clq_event_reset(void *event);

/*
 * A descriptor that poll, select and epoll report readable while the event is signalled. It belongs to the event: never
 * read, write or close it. After it was reported, clq_event_wait(event, 0) takes the signal of an auto-reset event, or
 * says CLQ_WAIT_TIMEOUT because another thread took it. Valid until clq_event_close, before which it is to be taken out
 * of every epoll set. Does not block. -1: no such event.
 */
COLLOQUY_API int COLLOQUY_CALL clq_event_descriptor(void *event);

/*
 * Waits until the event is signalled and, if it is an auto-reset event, takes the signal.
 * timeout_ms  milliseconds; 0: only looks; CLQ_WAIT_FOREVER: no limit
 * 0                 signalled; what the signaller wrote before is visible
 * CLQ_WAIT_TIMEOUT  not signalled in time
 * -1                no such event, or it was closed meanwhile
 */
COLLOQUY_API int COLLOQUY_CALL clq_event_wait(void *event, unsigned timeout_ms);

/*
 * Waits for one of several events (wait_all 0), or until all of them are signalled at one moment.
 * handles     count handles, read before the call waits, not kept
 * count       1 to CLQ_WAIT_MAX; whoever has more puts their descriptors into poll or epoll
 * wait_all    0: one; the lowest index that is signalled is answered, and only that event's signal is taken.
 *             Otherwise: all, each named once; no signal is taken until all can be, and then all are at once
 * timeout_ms  as above
 * 0 to count-1      the index of the event (wait_all: 0)
 * CLQ_WAIT_TIMEOUT  not in time; nothing was taken
 * -1                a bad count, a handle that is none, one named twice with wait_all, or one closed meanwhile;
 *                   nothing was taken
 */
COLLOQUY_API int COLLOQUY_CALL clq_event_wait_many(void *const *handles, unsigned count, int wait_all,
                                                   unsigned timeout_ms);

/*
 * Ends the event. Whoever is waiting for it is answered -1. Conversations it is still attached to complete without
 * telling anybody. Does not block. 0, or -1: no such event.
 */
COLLOQUY_API int COLLOQUY_CALL clq_event_close(void *event);

#ifdef __cplusplus
}
#endif
#endif
