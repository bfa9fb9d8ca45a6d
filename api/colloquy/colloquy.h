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

#include "cpic.h"
#include "colloquy/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Settings of a logical unit. Set `size` to sizeof(clq_options) and everything else to zero for defaults; what is set here
 * wins over the configuration file. Copied before clq_start returns.
 */
typedef struct clq_options {
    size_t size;
    const char *config_file;   /* NULL: searched as usual; "": none */
    const char *lu_name;       /* NET.LU, upper case */
    const char *listen;        /* "ADDR:PORT", several separated by commas; port 0: any free one. NULL: as configured */
    unsigned conversations;    /* slots of the table, 1 to 16777216 */
    unsigned links;            /* links at a time, 1 to 65535 */
    unsigned partner_links;    /* links opened to a partner that clq_set_destination names, taken in turn; 1 */
    unsigned reactors;         /* threads that drive; 0: the calling threads do, helped by one standby thread */
    unsigned no_threads;       /* 1: never start a thread. Links live while somebody is inside a call */
    unsigned heartbeat_ms;
} clq_options;

/*
 * Starts the process's logical unit. Once a process, before its first CPI-C call. May block while names are resolved.
 * 0: started. Otherwise nothing was started and clq_last_error() says why in one line.
 */
COLLOQUY_API int COLLOQUY_CALL clq_start(const clq_options *options);

/*
 * Ends it: no new conversations, then what was flushed is written, at most `timeout_ms`, then every link is closed.
 * Outstanding operations complete with 17. 0: everything was written in time. A program that just exits gets the same with
 * two seconds. Not from inside a callback.
 */
COLLOQUY_API int COLLOQUY_CALL clq_stop(unsigned timeout_ms);

/*
 * Sets partner and TP of a conversation in INITIALIZE from "HOST:PORT/TPNAME", "inproc/TPNAME" or a symbolic destination
 * name. Never blocks: names are resolved when the link is opened. return_code: 0; 24 unknown conversation or malformed
 * destination (clq_last_error says how); 25 not in INITIALIZE; 37 an operation is outstanding; 20 the directory is full.
 */
COLLOQUY_API void COLLOQUY_CALL clq_set_destination(const void *conversation_ID, const char *destination,
                                                    CM_INT32 *return_code);

/* The address of the n-th listener as "ADDR:PORT", with the port that was chosen. 0, or -1 when there is no such one. */
COLLOQUY_API int COLLOQUY_CALL clq_listening(unsigned n, char *text, size_t size);

/* What went wrong last on this thread, in one line; "" when nothing did. Valid until the thread's next call. */
COLLOQUY_API const char *COLLOQUY_CALL clq_last_error(void);

/* A running total by its name ("conversations_opened", "bytes_sent", ...; runtime/counters.def lists them); 0 if unknown. */
COLLOQUY_API unsigned long long COLLOQUY_CALL clq_counter(const char *name);

/*
 * How many conversations are in each state, indexed by CPI-C's state number (1 to 18). A look at every slot: for displays, a few
 * times a second, from any thread.
 */
COLLOQUY_API void COLLOQUY_CALL clq_states(unsigned long long count[19]);

/* The memory plan for `options` (config file ignored): bytes reserved for the named part; 0 when there is no such part.
 * `part` counts from 0; the last is the total. */
typedef struct clq_plan_line {
    const char *name;
    unsigned long long count;
    unsigned long long bytes_each;
    unsigned long long bytes;
    const char *note;
} clq_plan_line;
COLLOQUY_API int COLLOQUY_CALL clq_plan(const clq_options *options, unsigned part, clq_plan_line *line);

/* Bytes of memory that one idle conversation occupies, all tables together, as the plan states them. */
COLLOQUY_API unsigned long long COLLOQUY_CALL clq_idle_conversation_bytes(void);

#ifdef __cplusplus
}
#endif
#endif
