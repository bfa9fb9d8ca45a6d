/*
 * wincpic.h: CPI-C with the Windows extensions, on every system.
 *
 * Includes no system header. The few Windows types it needs are written out (WORD is unsigned short, BOOL is int,
 * HANDLE is void *), so that it agrees with windows.h whether that comes before, after or never.
 */
#ifndef COLLOQUY_WINCPIC_H
#define COLLOQUY_WINCPIC_H

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

#ifdef __cplusplus
}
#endif

#endif
