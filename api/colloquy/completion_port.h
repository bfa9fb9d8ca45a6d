/*
 * completion_port.h: completions for programs whose threads live in GetQueuedCompletionStatus. Windows only.
 *
 * Works with windows.h before it, after it or without. C89 and C++.
 */
#ifndef COLLOQUY_COMPLETION_PORT_H
#define COLLOQUY_COMPLETION_PORT_H

#if !defined(_WIN32)
#error "completion ports are objects of Windows; elsewhere see clq_set_sink"
#endif

#include <stddef.h>

#include "colloquy/export.h"
#include "cpic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* OVERLAPPED, which windows.h defines. */
struct _OVERLAPPED;

/*
 * Completions of this conversation's non-blocking calls post a packet to a completion port of the program, one for each
 * call that answered 35, after its result is there for cmwait to collect: a thread that takes a packet calls cmwait
 * once, which then does not block, and answers for that or another conversation with a packet. The port goes before
 * the conversation's event: while it is set the event is kept, and given by WinCPICExtractEvent, but not signalled. A
 * sink or callback that the conversation had is gone.
 * port          a completion port (CreateIoCompletionPort); NULL: no longer. It stays the program's, which may close
 *               its handle while it is set: packets then go to the port as long as it lives by other handles.
 * bytes, key, overlapped
 *               handed through PostQueuedCompletionStatus as they are; nothing is ever read or written behind them
 * return_code   0 done; 20 no memory; 24 no such conversation, or no such port; 37 a call on the conversation is
 *               incomplete
 * A packet that the system refuses for want of memory is posted a few milliseconds later, for as long as it takes.
 * Does not block. Any thread; not two at a time for one conversation, WinCPICSetEvent included.
 */
COLLOQUY_API void COLLOQUY_CALL clq_set_completion_port(const void* conversation_ID, void* port, unsigned long bytes,
                                                        size_t key, struct _OVERLAPPED* overlapped,
                                                        CM_INT32* return_code);

#ifdef __cplusplus
}
#endif
#endif
