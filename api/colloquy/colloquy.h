/*
 * colloquy.h: what a program may ask of the runtime beside CPI-C itself.
 *
 * A program that knows nothing of this header runs all the same: the first CPI-C call starts the logical unit from the
 * configuration file, or with defaults when there is none. These calls are for programs that bring their own settings.
 * C89 and C++. All text is NUL-terminated UTF-8.
 */
#ifndef COLLOQUY_COLLOQUY_H
#define COLLOQUY_COLLOQUY_H

#include <stddef.h>

#include "colloquy/export.h"
#include "cpic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* 64 bits, also where C89 and C++98 are taken at their word. */
#if defined(_MSC_VER)
typedef __int64 clq_int64;
typedef unsigned __int64 clq_uint64;
#else
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wlong-long"
#endif
typedef long long clq_int64;
typedef unsigned long long clq_uint64;
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif
#endif

/*
 * Settings of a logical unit. Set `size` to sizeof(clq_options) and everything else to zero for defaults; what is set
 * here wins over the configuration file. Copied before clq_start returns.
 */
typedef struct clq_options {
    size_t size;
    const char* config_file; /* NULL: searched as usual; "": none */
    const char* lu_name;     /* NET.LU, upper case */
    const char* listen;      /* "[tls:]ADDR:PORT" or "unix:PATH", several by commas; port 0: any. NULL: as configured */
    unsigned conversations;  /* slots of the table, 1 to 16777216 */
    unsigned links;          /* links at a time, 1 to 65535 */
    unsigned partner_links;  /* links opened to a partner that clq_set_destination names, taken in turn; 1 */
    unsigned reactors;       /* threads that drive; 0: the calling threads do, helped by one standby thread */
    unsigned no_threads;     /* 1: never start a thread. Links live while somebody is inside a call */
    unsigned heartbeat_ms;
    /*
     * Called first by each thread the library starts, with its role: "colloquy-stby", -rNN or -users. The place for
     * affinity and priorities; threads are born with the process's mask and with all signals blocked. May be NULL.
     */
    void(COLLOQUY_CALL* thread_started)(void* user, const char* role);
    /*
     * Starts a thread that runs entry(argument), returns at once, 0 when it was started; entry returns when the
     * library is stopped. NULL: the library starts threads itself.
     */
    int(COLLOQUY_CALL* thread_factory)(void* user, const char* role, void (*entry)(void*), void* argument);
    void* thread_user;
    /*
     * TP names served from the first moment of listening, with blanks between them; NULL: those of the configuration
     * alone. For programs whose partners call as soon as they find the port: until Specify_Local_TP_Name a name is
     * unknown to them (return code 9).
     */
    const char* tp_names;
    /*
     * How long a thread that waits and drives looks for what comes before it sleeps, 0 to 1000000 us. It keeps a
     * processor busy meanwhile: for few conversations, each with a processor at both ends. 0: as configured, else it
     * sleeps at once.
     */
    unsigned busy_poll_us;
} clq_options;

/*
 * Starts the process's logical unit. Once a process, before its first CPI-C call. May block while names are resolved.
 * 0: started. Otherwise nothing was started and clq_last_error() says why in one line.
 */
COLLOQUY_API int COLLOQUY_CALL clq_start(const clq_options* options);

/*
 * Ends it: no new conversations, then what was flushed is written, at most `timeout_ms`, then every link is closed.
 * Outstanding operations complete with 17; those that are cmwait's to collect stay collectable. 0: everything was
 * written in time. A program that just exits gets the same with drain_ms of the configuration, two seconds (on Windows
 * if it exits by exit() or by returning from main: docs/windows.md). Not from inside a callback.
 */
COLLOQUY_API int COLLOQUY_CALL clq_stop(unsigned timeout_ms);

/*
 * Ends it gently: partners are told that no new conversations are taken, and allocating answers 2 from here on; what
 * is open goes on until it ends by itself, at most `timeout_ms`. 0: every conversation has ended. -1: some have not,
 * or another drain is under way. Follow with clq_stop. Not from inside a callback.
 */
COLLOQUY_API int COLLOQUY_CALL clq_drain(unsigned timeout_ms);

/*
 * ---- who is told of completions ----
 *
 * A call that answered 35 completes exactly once and is told by one channel, the first of these that there is: the
 * conversation's sink or callback, its event (WinCPICSetEvent), the process's sink or callback, the window (xchwnd),
 * Wait_For_Conversation. Which class it is, is fixed when the call is issued; where a window or the process's sink
 * points is read when it completes.
 */
typedef struct clq_completion {
    unsigned char conversation_ID[8]; /* invalid already when the return code says that the conversation has ended */
    CM_INT32 return_code;             /* never 35 */
    void* id_memory;                  /* the pointer to the ID that the program passed to the call */
} clq_completion;

/*
 * A sink passes completions on: to a queue, a loop, a port of the host. Called from whichever thread completed the
 * operation (a thread of ours, or one of the host's inside any call), never while a drive is held, while the
 * conversation waits for it to return: it must be quick, must not block and must not call CPI-C (37 if it does).
 * 0: taken; the conversation is free for its next call, outputs are written. Anything else: full or slow; the
 * conversation stays
 * busy, and the sink is asked again a few milliseconds later, for as long as it takes. A sink whose target is gone
 * takes completions and drops them. An exception that leaves it counts as taken.
 */
typedef int(COLLOQUY_CALL* clq_sink)(void* user, const clq_completion* completion);

/*
 * A callback is called on such a thread when the conversation is free again, and may issue any call, on that
 * conversation too, that does not block: conversations in CM_NON_BLOCKING mode, and no Wait_For_Conversation. While it
 * runs, completions that the same thread brought wait; one that blocks delays them and nothing else. clq_stop and
 * clq_drain from inside answer -1. An exception that leaves it ends there.
 */
typedef void(COLLOQUY_CALL* clq_callback)(void* user, const clq_completion* completion);

/*
 * Registers one for a conversation, or with conversation_ID NULL for all that have none of their own, and for
 * Accept_Conversation. It replaces what was there, an event too; NULL takes it away. return_code: 0; 24 unknown
 * conversation; 25 it is at queue level;
 * 37 a call on the conversation is incomplete; 20 no memory. `user` is handed back and must live until the
 * registration is replaced or
 * the conversation has ended, and a completion that was on its way then has arrived.
 */
COLLOQUY_API void COLLOQUY_CALL clq_set_sink(const void* conversation_ID, clq_sink sink, void* user,
                                             CM_INT32* return_code);
COLLOQUY_API void COLLOQUY_CALL clq_set_callback(const void* conversation_ID, clq_callback callback, void* user,
                                                 CM_INT32* return_code);

/*
 * ---- at queue level ----
 *
 * A conversation has queues (CM_INITIALIZATION_QUEUE, CM_SEND_RECEIVE_QUEUE, ...): one call at a time on each, whatever
 * the others do. Set_Queue_Processing_Mode, Set_Queue_Callback_Function and clq_set_queue_callback choose for a queue
 * whether its calls block, which they do until one of these was called, and else who is told that one has completed.
 * The last setting holds. A conversation that has any is at queue level for good: cmspm, events and sinks of the
 * conversation answer 25 from then on, cmwait and cmchck know nothing of its calls, and the process's sink and window
 * do not either.
 */

/*
 * What Set_Queue_Callback_Function takes: called as a clq_callback is, with the 8 bytes of the queue's user field, the
 * call_ID of the call that has completed (1 for cmacci, 34 for cmrcv, ...) and its return code, which stands in the
 * call's own variable, too. All three may be read until it returns.
 */
typedef void(COLLOQUY_CALL* clq_queue_function)(void* user_field, const CM_INT32* call_ID, const CM_INT32* return_code);

/* For clq_set_queue_callback: each queue that the conversation has, or will have when its mode is chosen. */
#define CLQ_EVERY_QUEUE 64

/*
 * Calls on this queue (a CM_..._QUEUE, or CLQ_EVERY_QUEUE) do not block from now on: one that answers 35 completes
 * exactly once, by callback(user, completion). The queue is free for its next call then, and all outputs are written.
 *
 * completion->id_memory is the pointer to the ID that was passed to the very call that has completed. Give each call a
 * copy of the ID of its own, and the pointer tells which one it is. The variable for the return code is written when
 * the call returns and never later; it may stand on the stack. Outputs and buffers must live until the callback.
 *
 * The callback may run on another thread before the call that answered 35 has returned: touch nothing of the call's
 * memory after that but the variable for its return code. It runs as every clq_callback does: never inside another
 * callback of its thread, never while a link is driven, and may issue calls on any queue that does not block.
 *
 * Legal as for Set_Queue_Processing_Mode: the initialization queue, for Allocate and Accept_Incoming, in INITIALIZE and
 * INITIALIZE_INCOMING; the others in every state but INITIALIZE_INCOMING. CLQ_EVERY_QUEUE: in every state, before and
 * after the send-receive mode is chosen, while no call is incomplete on any queue. NULL: the queue blocks again.
 * Cancel_Conversation, the end of the conversation, a lost link and clq_stop complete what is incomplete on each queue,
 * each once, with the code that says why (17 for Cancel and clq_stop).
 *
 * return_code: 0; 24 unknown conversation, or none of its queues; 25 a call on that queue is incomplete, the state, or
 * cmspm, an event or a sink has chosen another level.
 */
COLLOQUY_API void COLLOQUY_CALL clq_set_queue_callback(const void* conversation_ID, CM_INT32 queue,
                                                       clq_callback callback, void* user, CM_INT32* return_code);

/*
 * How long each later call on this conversation may take, in milliseconds; 0, the default: as long as it takes. A
 * call that has not finished by then ends with 31 (CM_DEALLOCATED_ABEND_TIMER), blocking or not, and the conversation
 * with it; the partner gets 31 too. Data of that call may have been delivered. With conversation_ID NULL: each later
 * Accept_Conversation of the process. On a full-duplex conversation, and on one at queue level, it may be set while
 * calls are incomplete, which keep what they were issued with; elsewhere that is answered 37. return_code: 0; 24
 * unknown conversation; 37 a call is incomplete; 20 the library could not start.
 */
COLLOQUY_API void COLLOQUY_CALL clq_set_time_limit(const void* conversation_ID, unsigned milliseconds,
                                                   CM_INT32* return_code);

/*
 * The same for later calls on one of its queues, a CM_..._QUEUE, at every level and for blocking calls too: threads or
 * coroutines that share a full-duplex conversation each have their own. Where there are turns CM_SEND_QUEUE and
 * CM_RECEIVE_QUEUE mean the send-receive queue. It goes before the conversation's limit; 0, the default: that one
 * holds. A call that exceeds it ends as there, and with the conversation the calls on its other queues, with 31 each.
 * Never blocks. return_code: 0; 24 unknown conversation, or none of its queues.
 */
COLLOQUY_API void COLLOQUY_CALL clq_set_queue_time_limit(const void* conversation_ID, CM_INT32 queue,
                                                         unsigned milliseconds, CM_INT32* return_code);

/*
 * Cancel_Conversation for a program that throws away everything an incomplete call would write to, and whoever was to
 * be told of it: the conversation ends as by cmcanc, but that call is told to nobody. Any thread, any state, also from
 * a callback, not from a sink. When it returns, the buffers of the call are the program's again. Never waits for the
 * partner.
 * 1   the incomplete call is dropped: its completion is told on no channel
 * 0   there is none any more: its completion has been told, or another thread is inside the callback or about to be;
 *     or a thread is blocked in the call, or it is one at queue level: those are told, as by cmcanc, but for those that
 *     clq_abandon_call has given up before. The conversation has ended all the same
 * -1  no such conversation; otherwise as 0
 */
COLLOQUY_API int COLLOQUY_CALL clq_abandon(const void* conversation_ID);

/*
 * Gives up one call that is incomplete, on this queue (a CM_..._QUEUE, named as for clq_set_queue_time_limit), and
 * leaves the conversation and the calls on its other queues alone where that can be. If `id_memory` is not NULL: only
 * the call that was given this pointer to the ID. Unless `outcome` is CLQ_CALL_TOLD the call is told to nobody, and
 * when this returns its buffers and outputs are the program's again, the variable for its return code included.
 *
 * *outcome, written before anything else is told by this call, as it may be on the way out:
 * CLQ_CALL_UNDONE  it is as though the call had not been made, and the queue is free. So it is with a Receive that has
 *                  no data yet (one that has given up the turn leaves the conversation in RECEIVE), Allocate,
 *                  Accept_Incoming, expedited data, Flush, and what waits to send before any of its own has been taken
 * CLQ_CALL_DONE    it has done its work, and its outputs are written: a Receive has the part of a record that has come;
 *                  the data of Send_Data are in the send buffer and leave with what follows; or it had completed and
 *                  nobody had heard of it yet
 * CLQ_CALL_ENDED   the partner has part of what cannot be taken back (a request for confirmation, a Send_Data that is
 *                  to end the turn or the conversation, Send_Error): the conversation has ended as by cmcanc
 * CLQ_CALL_TOLD    there is none such: its completion has been told, or another thread is inside the callback or about
 *                  to be, or has it from Wait_For_Completion; or a thread is blocked in the call
 *
 * *call_return_code (NULL: not wanted) is what the call would have been told: 28 with CLQ_CALL_UNDONE, its own code
 * with CLQ_CALL_DONE (0, or what it had completed with: a Confirm that was refused is not confirmed), 17 with
 * CLQ_CALL_ENDED; not written with CLQ_CALL_TOLD.
 *
 * Any thread, any level, also from a callback, not from a sink. Never waits for the partner. return_code: 0; 24 unknown
 * conversation, or none of its queues; 37 from a sink.
 */
#define CLQ_CALL_TOLD 0
#define CLQ_CALL_UNDONE 1
#define CLQ_CALL_DONE 2
#define CLQ_CALL_ENDED 3
COLLOQUY_API void COLLOQUY_CALL clq_abandon_call(const void* conversation_ID, CM_INT32 queue, const void* id_memory,
                                                 CM_INT32* outcome, CM_INT32* call_return_code,
                                                 CM_INT32* return_code);

/*
 * ---- inside a loop that exists ----
 *
 * Wait until the handle is ready or until the timeout has passed, then dispatch. On Linux it is a descriptor, ready
 * when it is readable (poll, epoll, any loop; never read from it); on Windows the HANDLE of an object for
 * WaitForMultipleObjects and its kin (never reset or close it). It is the library's, and the same for as long as the
 * logical unit lives. With no_threads set nothing of ours runs anywhere else. Not with a reactor pool.
 */
#if defined(_WIN32)
typedef void* clq_host_handle;
#define CLQ_NO_HANDLE NULL
#else
typedef int clq_host_handle;
#define CLQ_NO_HANDLE (-1)
#endif
COLLOQUY_API clq_host_handle COLLOQUY_CALL clq_wait_handle(void); /* CLQ_NO_HANDLE: there is none */
/* Nanoseconds until clq_dispatch must be called even if the handle is silent: 0 now, -1 never. Ask before each wait. */
COLLOQUY_API clq_int64 COLLOQUY_CALL clq_next_timeout_ns(void);
/* Carries on all that is ready and runs sinks and callbacks; never blocks. Returns how many completions were told, or
 * -1. */
COLLOQUY_API int COLLOQUY_CALL clq_dispatch(void);

/*
 * Sets partner and TP of a conversation in INITIALIZE from "[tls:]HOST:PORT/TPNAME", "unix:PATH/TPNAME" (a local
 * socket by its whole path, or by "@" and its name), "inproc/TPNAME" or a symbolic destination name. Never blocks:
 * names are resolved when the link is opened. return_code: 0; 24 unknown conversation or malformed destination
 * (clq_last_error says how); 25 not in INITIALIZE; 37 an operation is outstanding; 20 the directory is full.
 */
COLLOQUY_API void COLLOQUY_CALL clq_set_destination(const void* conversation_ID, const char* destination,
                                                    CM_INT32* return_code);

/* The address of the n-th listener as "ADDR:PORT", with the port that was chosen, or "unix:PATH". 0, or -1: there is
 * no such one. */
COLLOQUY_API int COLLOQUY_CALL clq_listening(unsigned n, char* text, size_t size);

/* What went wrong last on this thread, in one line; "" when nothing did. Valid until the thread's next call. */
COLLOQUY_API const char* COLLOQUY_CALL clq_last_error(void);

/* A running total by its name ("conversations_opened", "bytes_sent", ...; runtime/counters.def lists them); 0 if
 * unknown. */
COLLOQUY_API clq_uint64 COLLOQUY_CALL clq_counter(const char* name);

/*
 * How many conversations are in each state, indexed by CPI-C's state number (1 to 18). A look at every slot: for
 * displays, a few times a second, from any thread.
 */
COLLOQUY_API void COLLOQUY_CALL clq_states(clq_uint64 count[19]);

/* The memory plan for `options` (config file ignored), part by part; `part` counts from 0 and the last one is the
 * total.
 * 1: *line describes it. 0: there is no such part, or the options are wrong (clq_last_error says how). */
typedef struct clq_plan_line {
    const char* name;
    clq_uint64 count;
    clq_uint64 bytes_each;
    clq_uint64 bytes;
    const char* note;
} clq_plan_line;
COLLOQUY_API int COLLOQUY_CALL clq_plan(const clq_options* options, unsigned part, clq_plan_line* line);

/* Bytes of memory that one idle conversation occupies, all tables together, as the plan states them. */
COLLOQUY_API clq_uint64 COLLOQUY_CALL clq_idle_conversation_bytes(void);

#ifdef __cplusplus
}
#endif
#endif
