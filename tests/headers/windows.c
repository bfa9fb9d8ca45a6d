/*
 * A program of Windows that passes the system's own types, with windows.h BEFORE our headers or AFTER them. C89 and
 * C++.
 */
#if defined(BEFORE)
#include <windows.h>
#endif
#include "colloquy/colloquy.h"
#include "colloquy/completion_port.h"
#include "wincpic.h"
#if defined(AFTER)
#include <windows.h>
#endif
#include "wincpic.h"

#if CM_NONE != 0 || CM_CONFIRM != 1
#error a constant of ours is not ours
#endif
typedef char number_is_long[sizeof(CM_INT32) == 4 && sizeof(long) == 4 ? 1 : -1];

#if defined(BEFORE) || defined(AFTER)
static BOOL WINAPI hook(void) { return TRUE; }

int pass(HWND hwnd, HANDLE event, HANDLE port, OVERLAPPED* overlapped);
int pass(HWND hwnd, HANDLE event, HANDLE port, OVERLAPPED* overlapped) {
    union {
        BOOL(WINAPI* ours)(void);
        FARPROC any;
    } blocking;
    unsigned char id[CM_CID_SIZE];
    long rc = 0;
    WORD version = 1;
    WCPICDATA data;
    FARPROC before;
    BOOL done;
    HANDLE wait;
    blocking.ours = hook;
    done = WinCPICStartup(version, &data) == 0;
    before = WinCPICSetBlockingHook(blocking.any);
    before = WinCPICSetBlockingHook(before);
    cminit(id, "        ", &rc);
    xchwnd(hwnd, &rc);
    WinCPICSetEvent(id, &event, &rc);
    WinCPICExtractEvent(id, &event, &rc);
    clq_set_completion_port(id, port, (DWORD)1, (ULONG_PTR)2, overlapped, &rc);
    wait = clq_wait_handle();
    done = done && WinCPICIsBlocking() && WinCPICUnhookBlockingHook() && WinCPICCleanup();
    return done && wait != NULL && before != NULL && rc == CM_OK;
}
#endif
