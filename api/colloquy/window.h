/*
 * window.h: message queues for programs that take completions as window messages, on systems without such windows.
 *
 * A window here is a procedure and the message queue of the thread that made it; nothing is drawn.
 * Specify_Windows_Handle names the window that is told of completions. Its thread gets messages one after the other and
 * dispatches each to the procedure of its window, so the procedure never runs on another thread. Posting is for every
 * thread.
 *
 * A handle is an opaque value, never an address: garbage, a handle of something else and that of a destroyed window are
 * refused. No call may be made from a signal handler. C89 and C++. On Windows the system's own windows are used and
 * this header has nothing behind it. colloquy/windows_names.h gives all of this the names that existing programs use.
 */
#ifndef COLLOQUY_WINDOW_H
#define COLLOQUY_WINDOW_H

#include <stddef.h>

#include "colloquy/export.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef size_t clq_wparam;
typedef ptrdiff_t clq_lparam;
typedef ptrdiff_t clq_lresult;

/* What happens to a window; the answer's meaning depends on the message. Runs on the thread that made the window. */
typedef clq_lresult(COLLOQUY_CALL *clq_window_procedure)(void *hwnd, unsigned message, clq_wparam wParam,
                                                         clq_lparam lParam);

/* A message. The fields have the names that programs know. */
typedef struct clq_message {
    void *hwnd; /* NULL: for the thread */
    unsigned message;
    clq_wparam wParam;
    clq_lparam lParam;
    unsigned time; /* when it was posted: milliseconds of a clock that never goes back */
} clq_message;

/* What lParam of CLQ_MESSAGE_CREATE points to, while that message is handled. */
typedef struct clq_window_creation {
    void *lpCreateParams;  /* `user` of clq_window_create */
    const char *lpszName;  /* the title; "" if there is none */
    const char *lpszClass; /* the class; "" if there is none */
} clq_window_creation;

#define CLQ_MESSAGE_CREATE 0x0001U  /* first of all; -1 refuses: there will be no window */
#define CLQ_MESSAGE_DESTROY 0x0002U /* last of all; the handle is still good */
#define CLQ_MESSAGE_CLOSE 0x0010U   /* a wish: clq_window_default destroys the window */
#define CLQ_MESSAGE_QUIT 0x0012U    /* ends the loop; wParam is the code; never dispatched */
#define CLQ_MESSAGE_USER 0x0400U    /* 0x0400 to 0x7FFF belong to the window's own program */

#define CLQ_WINDOW_MAX 16384             /* windows of a process at a time */
#define CLQ_MESSAGE_QUEUE_DEFAULT 10000  /* messages a thread's queue holds */
#define CLQ_MESSAGE_QUEUE_MAX 1000000

/*
 * Makes a window of the calling thread and calls its procedure with CLQ_MESSAGE_CREATE.
 * procedure  called for every message that is dispatched to the window
 * user       handed to that first call, and kept for clq_window_user; may be NULL
 * Returns the handle, or NULL: no procedure, it answered -1, too many windows, or no memory or descriptor for the
 * queue. The window ends with clq_window_destroy, or with its thread, then without being told.
 */
COLLOQUY_API void *COLLOQUY_CALL clq_window_create(clq_window_procedure procedure, void *user);

/*
 * Ends a window of the calling thread: calls its procedure with CLQ_MESSAGE_DESTROY, then drops the messages still
 * queued for it. 0, or -1: no such window, a window of another thread, or one that is just being destroyed.
 */
COLLOQUY_API int COLLOQUY_CALL clq_window_destroy(void *hwnd);

/* 1 if it is a window of any thread, else 0; it may be gone a moment later. Any thread. */
COLLOQUY_API int COLLOQUY_CALL clq_window_is(void *hwnd);

/* The pointer kept with a window; NULL if there is no such window. Any thread. */
COLLOQUY_API void *COLLOQUY_CALL clq_window_user(void *hwnd);

/* Replaces it and returns the one before; NULL if there is no such window. Any thread. */
COLLOQUY_API void *COLLOQUY_CALL clq_window_set_user(void *hwnd, void *user);

/*
 * Queues a message for the thread of a window, after all it has; hwnd NULL: for the calling thread. Does not block.
 * 0    posted
 * 1    the queue of that thread is full: try again later
 * -1   no such window (hwnd NULL: no memory or descriptor for the queue)
 * Any thread. Messages that one thread posts stay in order.
 */
COLLOQUY_API int COLLOQUY_CALL clq_window_post(void *hwnd, unsigned message, clq_wparam wParam, clq_lparam lParam);

/* What a procedure does with messages it does not know: destroys the window on CLQ_MESSAGE_CLOSE, answers 0. */
COLLOQUY_API clq_lresult COLLOQUY_CALL clq_window_default(void *hwnd, unsigned message, clq_wparam wParam,
                                                          clq_lparam lParam);

/*
 * Remembers a procedure under a name for clq_window_create_of_class. The name (1 to 255 bytes; case of a to z does not
 * matter) is copied. Nonzero, or 0: the name is taken or malformed, there is no procedure, or there are 1024 already.
 * Any thread. A class can be taken back only when no creation by it is under way; windows it made stay.
 */
COLLOQUY_API unsigned COLLOQUY_CALL clq_window_class_register(const char *name, clq_window_procedure procedure);
COLLOQUY_API int COLLOQUY_CALL clq_window_class_unregister(const char *name); /* 0, or -1: there is none */
COLLOQUY_API void *COLLOQUY_CALL clq_window_create_of_class(const char *name, const char *title, void *user);

/*
 * Takes the next message of the calling thread; blocks until there is one. A thread's first call makes its queue.
 * 1    *message is to be dispatched
 * 0    it is CLQ_MESSAGE_QUIT; wParam is the code
 * -1   message is NULL, or there is no memory or descriptor for the queue
 */
COLLOQUY_API int COLLOQUY_CALL clq_message_get(clq_message *message);

/* The same without blocking: 1 and *message, CLQ_MESSAGE_QUIT included, or 0. remove 0: the message stays. */
COLLOQUY_API int COLLOQUY_CALL clq_message_peek(clq_message *message, int remove);

/*
 * As above, only for messages of one window (hwnd NULL: all, and those of the thread) with first <= message <= last
 * (both 0: all). The others stay where they are. CLQ_MESSAGE_QUIT of clq_message_post_quit comes through every filter.
 * Get also answers -1 when hwnd is no window, for whose messages it would wait in vain.
 */
COLLOQUY_API int COLLOQUY_CALL clq_message_get_matching(clq_message *message, void *hwnd, unsigned first,
                                                        unsigned last);
COLLOQUY_API int COLLOQUY_CALL clq_message_peek_matching(clq_message *message, void *hwnd, unsigned first,
                                                         unsigned last, int remove);

/*
 * Calls the procedure of the message's window and returns its answer; 0 without a call if the window is gone, belongs
 * to another thread, or the message is for the thread. The procedure may do all of this again, and destroy its window.
 */
COLLOQUY_API clq_lresult COLLOQUY_CALL clq_message_dispatch(const clq_message *message);

/* Lets the calling thread find CLQ_MESSAGE_QUIT once its queue is empty. 0, or -1: no memory or descriptor for it. */
COLLOQUY_API int COLLOQUY_CALL clq_message_post_quit(int code);

/*
 * A descriptor that poll, select and epoll report readable while the calling thread has messages; now and then it is
 * readable for a moment when there are none, so peek, not get, after it was reported. It belongs to the thread: never
 * read, write or close it. -1: no memory or descriptor for the queue.
 */
COLLOQUY_API int COLLOQUY_CALL clq_message_descriptor(void);

/*
 * Sets how many messages the calling thread's queue holds, 1 to CLQ_MESSAGE_QUEUE_MAX, before anything made it.
 * 0, or -1: out of range, or the thread has a queue already.
 */
COLLOQUY_API int COLLOQUY_CALL clq_message_queue_size(unsigned messages);

/*
 * A message id that every part of the process that asks for this name gets; the ids are 0xC000 to 0xFFFF. The name (1
 * to 255 bytes; case of a to z does not matter) is copied. Any thread. 0: the name is malformed or no id is left.
 */
COLLOQUY_API unsigned COLLOQUY_CALL clq_register_window_message(const char *name);

#ifdef __cplusplus
}
#endif
#endif
