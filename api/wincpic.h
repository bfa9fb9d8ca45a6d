/*
 * wincpic.h: CPI-C with the Windows extensions, on every system.
 *
 * Includes no system header. The few Windows types it needs are written out (WORD is unsigned short, BOOL is int,
 * HANDLE is void *), so that it agrees with windows.h whether that comes before, after or never: an HWND, HANDLE * or
 * FARPROC passes without a cast.
 */
#ifndef COLLOQUY_WINCPIC_H
#define COLLOQUY_WINCPIC_H

#if defined(_WIN32)
#include <stddef.h> /* ptrdiff_t is what FARPROC returns */
#endif

#include "cpic.h"

#ifdef __cplusplus
extern "C" {
#endif

/* An event: a Win32 HANDLE. */
typedef void CM_PTR CM_EVENT_HANDLE;

/* What WinCPICStartup answers when it is not 0. */
#define WCPICALREADY 0xF000         /* an asynchronous call is already outstanding */
#define WCPICINVALID 0xF001         /* the version asked for is older than any supported */
#define WCPICCANCEL 0xF002          /* a blocking call was cancelled; not returned by this release */
#define WCPICSYSNOTREADY 0xF003     /* the library could not start: see its configuration */
#define WCPICVERNOTSUPPORTED 0xF004 /* the version asked for is not a version */

/* The name under which the completion message is registered by programs compiled with this header. */
#define WIN_CPIC_ASYNC_COMPLETE_MESSAGE "WinAsyncCPI-C"

#define WCPICDESCRIPTION_LEN 127

/* What is known of the library: its highest version (low byte major, high byte minor) and a NUL-terminated text. */
typedef struct tagWCPICDATA {
    unsigned short wVersion;
    char szDescription[WCPICDESCRIPTION_LEN + 1];
} WCPICDATA, CM_PTR PWCPICDATA, CM_PTR LPWCPICDATA;
typedef char colloquy_wcpicdata_has_130_bytes[sizeof(WCPICDATA) == 130 ? 1 : -1];

/*
 * WinCPICStartup: registers the program and negotiates the version. Optional: the first CPI-C call starts the library
 * too.
 * Calls nest; each needs its WinCPICCleanup. Any thread, but not from a DllMain; may take as long as starting takes.
 * wVersionRequired  the lowest version that will do: low byte major, high byte minor (1.0 is 0x0001).
 * lpData            out, not kept; may be NULL. Untouched unless the call returns 0.
 * 0                     registered; a program that wanted more than lpData->wVersion decides itself whether to go on
 * WCPICINVALID          all supported versions are newer
 * WCPICVERNOTSUPPORTED  major version 0
 * WCPICSYSNOTREADY      the library could not start
 */
extern COLLOQUY_API int COLLOQUY_CALL WinCPICStartup(unsigned short wVersionRequired, LPWCPICDATA lpData);

/*
 * WinCPICCleanup: takes back one WinCPICStartup. The last one cancels incomplete calls (17), abends what conversations
 * are left and forgets specified names; later calls on them get 24. Any thread; ends in bounded time.
 * Returns nonzero when done, 0 when there was no WinCPICStartup to take back.
 */
extern COLLOQUY_API int COLLOQUY_CALL WinCPICCleanup(void);

/* A blocking hook: a BOOL function without parameters. On Windows the type is that of FARPROC. */
#if defined(_WIN32)
typedef ptrdiff_t(COLLOQUY_CALL* CLQ_FARPROC)(void);
#else
typedef int(COLLOQUY_CALL* CLQ_FARPROC)(void);
#endif

/*
 * Specify_Windows_Handle: completions of non-blocking calls are posted to this window of the process as the
 * registered message "WinAsyncCPIC" (or "WinAsyncCPI-C", see COLLOQUY_COMPLETION_MESSAGE), wParam the return code,
 * lParam the pointer to the conversation ID that was passed to the call. The window is the only by-value parameter of
 * CPI-C. NULL: no longer. On Linux a window is made by colloquy/window.h. A conversation with an event, sink or
 * callback does not use it. A call whose message is posted is finished: cmwait must not be called for it. A window
 * that is destroyed with calls outstanding leaves them to cmwait; a full message queue is tried again until it takes
 * the message. Any thread. 0 done; 24 no window; 20 LOCAL.
 */
CM_ENTRY xchwnd(void CM_PTR hwndNotify, CM_RETURN_CODE CM_PTR return_code);

/*
 * WinCPICSetEvent: completions of this conversation's non-blocking calls signal the event, after the result is there
 * for cmwait to collect. Any number of conversations may share one. The library never resets it: with a manual-reset
 * event reset before the call is issued. A new handle replaces the old one; NULL, behind the pointer or as the
 * pointer, removes it. The handle stays the program's; it may be closed while it is set. Any thread. 0 done; 24 no
 * such conversation or event; 37 a call on the conversation is incomplete.
 */
extern COLLOQUY_API void COLLOQUY_CALL WinCPICSetEvent(const void CM_PTR conversation_ID,
                                                       CM_EVENT_HANDLE CM_PTR event_handle,
                                                       CM_RETURN_CODE CM_PTR return_code);

/* WinCPICExtractEvent: the handle as it was given, NULL when there is none. 0 done; 24 no such conversation, NULL
 * pointer. */
extern COLLOQUY_API void COLLOQUY_CALL WinCPICExtractEvent(const void CM_PTR conversation_ID,
                                                           CM_EVENT_HANDLE CM_PTR event_handle,
                                                           CM_RETURN_CODE CM_PTR return_code);

/* WinCPICIsBlocking: nonzero on a thread that is inside the hook of its own blocking call. */
extern COLLOQUY_API int COLLOQUY_CALL WinCPICIsBlocking(void);

/*
 * WinCPICSetBlockingHook: this thread's blocking calls call the hook again and again while they wait. It returns TRUE
 * to go on, FALSE (WM_QUIT was seen) to give control back: the blocking call is cancelled and returns 20, cmwait
 * returns 36 and cancels nothing. Inside the hook calls on other conversations in CM_NON_BLOCKING mode are allowed; a
 * blocking one is refused with 37. Returns the previous hook, NULL when there was none.
 */
extern COLLOQUY_API CLQ_FARPROC COLLOQUY_CALL WinCPICSetBlockingHook(CLQ_FARPROC hook);
/* WinCPICUnhookBlockingHook: no hook. Nonzero when there was one. */
extern COLLOQUY_API int COLLOQUY_CALL WinCPICUnhookBlockingHook(void);

/* Exports that programs linked for Networking Services/2 import; never documented, never called. They do nothing. */
CM_ENTRY allocate_memory(void);
CM_ENTRY free_cpic_memory(void);
CM_ENTRY icmssi(void);

#ifdef __cplusplus
}
#endif

#endif
