/*
 * windows_names.h: the names of events and windows as programs written for Windows use them.
 *
 * Opt-in: no other header of ours includes it. On Windows it is windows.h itself. Elsewhere it maps the part of
 * windows.h that a CPI-C program of the documents' kind needs, a message loop, a window procedure, events to wait for,
 * to colloquy/event.h and colloquy/window.h, which say what each call does; what concerns a screen (icons, showing,
 * painting) is accepted and does nothing. Before or after the CPI-C headers. C89 and C++.
 *
 * Differences: handles of events and windows are distinct from all others; events have no names and no security;
 * windows have no parents; a DWORD has 32 bits.
 * A program that begins at WinMain defines COLLOQUY_WINMAIN before including this, in the file of its WinMain.
 */
#ifndef COLLOQUY_WINDOWS_NAMES_H
#define COLLOQUY_WINDOWS_NAMES_H

/* Its macros and calls cast as C does, which is no news to a C++ program that compiles with every warning. */
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC system_header
#endif

#if defined(_WIN32)
#include <windows.h>
#else

#include <stddef.h>

#include "colloquy/event.h"
#include "colloquy/window.h"

#ifndef TRUE
#define TRUE 1
#endif
#ifndef FALSE
#define FALSE 0
#endif

#define WINAPI
#define CALLBACK
#define APIENTRY
#define PASCAL
#define FAR
#define NEAR
#define CONST const
#define VOID void

typedef int BOOL;
typedef int INT;
typedef unsigned int UINT;
typedef int LONG;
typedef unsigned int ULONG;
typedef unsigned int DWORD;
typedef unsigned short WORD;
typedef short SHORT;
typedef unsigned char BYTE;
typedef unsigned char UCHAR;
typedef char CHAR;
typedef WORD ATOM;
typedef void *LPVOID;
typedef void *PVOID;
typedef char *LPSTR;
typedef char *PSTR;
typedef const char *LPCSTR;
typedef const char *LPCTSTR;
typedef char *LPTSTR;
typedef char TCHAR;
typedef BYTE *LPBYTE;
typedef DWORD *LPDWORD;
typedef ptrdiff_t LONG_PTR;
typedef ptrdiff_t INT_PTR;
typedef size_t ULONG_PTR;
typedef size_t UINT_PTR;
typedef size_t DWORD_PTR;

typedef void *HANDLE;
typedef HANDLE HWND;
typedef HANDLE HINSTANCE;
typedef HANDLE HMODULE;
typedef HANDLE HMENU;
typedef HANDLE HICON;
typedef HANDLE HCURSOR;
typedef HANDLE HBRUSH;
typedef int (*FARPROC)(void);

typedef clq_wparam WPARAM;
typedef clq_lparam LPARAM;
typedef clq_lresult LRESULT;
typedef clq_window_procedure WNDPROC;
typedef clq_message MSG, *PMSG, *LPMSG;
typedef clq_window_creation CREATESTRUCT, *LPCREATESTRUCT;

typedef struct clq_window_class {
    UINT style;
    WNDPROC lpfnWndProc;
    int cbClsExtra;
    int cbWndExtra;
    HINSTANCE hInstance;
    HICON hIcon;
    HCURSOR hCursor;
    HBRUSH hbrBackground;
    LPCSTR lpszMenuName;
    LPCSTR lpszClassName;
} WNDCLASS, *PWNDCLASS, *LPWNDCLASS, WNDCLASSA;

typedef struct clq_window_class_ex {
    UINT cbSize;
    UINT style;
    WNDPROC lpfnWndProc;
    int cbClsExtra;
    int cbWndExtra;
    HINSTANCE hInstance;
    HICON hIcon;
    HCURSOR hCursor;
    HBRUSH hbrBackground;
    LPCSTR lpszMenuName;
    LPCSTR lpszClassName;
    HICON hIconSm;
} WNDCLASSEX, *PWNDCLASSEX, *LPWNDCLASSEX, WNDCLASSEXA;

#define LOWORD(value) ((WORD)((DWORD_PTR)(value)&0xFFFFU))
#define HIWORD(value) ((WORD)(((DWORD_PTR)(value) >> 16) & 0xFFFFU))
#define MAKELONG(low, high) ((LONG)(((DWORD)(WORD)(high) << 16) | (WORD)(low)))
#define MAKEWORD(low, high) ((WORD)(((unsigned)(BYTE)(high) << 8) | (BYTE)(low)))
#define TEXT(text) text

/* Events. */
#define INFINITE CLQ_WAIT_FOREVER
#define WAIT_OBJECT_0 0U
#define WAIT_ABANDONED_0 128U
#define WAIT_TIMEOUT 258U
#define WAIT_FAILED 0xFFFFFFFFU
#define MAXIMUM_WAIT_OBJECTS CLQ_WAIT_MAX
#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

/* Calls are functions of the file that includes this, so that they check their arguments and can be pointed to. */
#if defined(__GNUC__)
#define COLLOQUY_WINDOWS_CALL static __inline__ __attribute__((unused))
#else
#define COLLOQUY_WINDOWS_CALL static
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* An event with a name would be shared between processes: there are none. */
COLLOQUY_WINDOWS_CALL HANDLE CreateEvent(LPVOID attributes, BOOL manual_reset, BOOL initial_state, LPCSTR name) {
    (void)attributes;
    return name == NULL ? clq_event_create(manual_reset, initial_state) : NULL;
}
COLLOQUY_WINDOWS_CALL BOOL SetEvent(HANDLE event) { return clq_event_set(event) == 0; }
COLLOQUY_WINDOWS_CALL BOOL ResetEvent(HANDLE event) { return clq_event_reset(event) == 0; }
COLLOQUY_WINDOWS_CALL BOOL CloseHandle(HANDLE event) { return clq_event_close(event) == 0; }
COLLOQUY_WINDOWS_CALL DWORD WaitForSingleObject(HANDLE event, DWORD milliseconds) {
    return (DWORD)clq_event_wait(event, milliseconds);
}
COLLOQUY_WINDOWS_CALL DWORD WaitForMultipleObjects(DWORD count, const HANDLE *events, BOOL wait_all,
                                                   DWORD milliseconds) {
    return (DWORD)clq_event_wait_many(events, count, wait_all, milliseconds);
}
#define CreateEventA CreateEvent

/* Messages. Those that never come are there for the switch statements of programs. */
#define WM_NULL 0x0000U
#define WM_CREATE CLQ_MESSAGE_CREATE
#define WM_DESTROY CLQ_MESSAGE_DESTROY
#define WM_SIZE 0x0005U
#define WM_PAINT 0x000FU
#define WM_CLOSE CLQ_MESSAGE_CLOSE
#define WM_QUIT CLQ_MESSAGE_QUIT
#define WM_KEYDOWN 0x0100U
#define WM_CHAR 0x0102U
#define WM_INITDIALOG 0x0110U
#define WM_COMMAND 0x0111U
#define WM_SYSCOMMAND 0x0112U
#define WM_TIMER 0x0113U
#define WM_USER CLQ_MESSAGE_USER
#define WM_APP 0x8000U

#define PM_NOREMOVE 0x0000U
#define PM_REMOVE 0x0001U
#define PM_NOYIELD 0x0002U

COLLOQUY_WINDOWS_CALL UINT RegisterWindowMessage(LPCSTR name) { return clq_register_window_message(name); }
COLLOQUY_WINDOWS_CALL BOOL GetMessage(LPMSG message, HWND window, UINT first, UINT last) {
    return clq_message_get_matching(message, window, first, last);
}
COLLOQUY_WINDOWS_CALL BOOL PeekMessage(LPMSG message, HWND window, UINT first, UINT last, UINT how) {
    return clq_message_peek_matching(message, window, first, last, (how & PM_REMOVE) != 0);
}
COLLOQUY_WINDOWS_CALL BOOL TranslateMessage(const MSG *message) {
    (void)message;
    return FALSE;
}
COLLOQUY_WINDOWS_CALL LRESULT DispatchMessage(const MSG *message) { return clq_message_dispatch(message); }
COLLOQUY_WINDOWS_CALL BOOL PostMessage(HWND window, UINT message, WPARAM wParam, LPARAM lParam) {
    return clq_window_post(window, message, wParam, lParam) == 0;
}
COLLOQUY_WINDOWS_CALL void PostQuitMessage(int code) { (void)clq_message_post_quit(code); }
#define RegisterWindowMessageA RegisterWindowMessage
#define GetMessageA GetMessage
#define PeekMessageA PeekMessage
#define DispatchMessageA DispatchMessage
#define PostMessageA PostMessage

/* Windows. */
#define CS_VREDRAW 0x0001U
#define CS_HREDRAW 0x0002U
#define WS_OVERLAPPED 0x00000000U
#define WS_OVERLAPPEDWINDOW 0x00CF0000U
#define WS_VISIBLE 0x10000000U
#define CW_USEDEFAULT ((int)0x80000000U)
#define SW_HIDE 0
#define SW_SHOWNORMAL 1
#define SW_SHOW 5
#define HWND_MESSAGE ((HWND)(LONG_PTR)-3)
#define COLOR_WINDOW 5
#define WHITE_BRUSH 0
#define IDI_APPLICATION NULL
#define IDC_ARROW NULL
#define GWLP_USERDATA (-21)

COLLOQUY_WINDOWS_CALL LRESULT DefWindowProc(HWND window, UINT message, WPARAM wParam, LPARAM lParam) {
    return clq_window_default(window, message, wParam, lParam);
}
COLLOQUY_WINDOWS_CALL ATOM RegisterClass(const WNDCLASS *wanted) {
    return wanted == NULL ? (ATOM)0 : (ATOM)clq_window_class_register(wanted->lpszClassName, wanted->lpfnWndProc);
}
COLLOQUY_WINDOWS_CALL ATOM RegisterClassEx(const WNDCLASSEX *wanted) {
    return wanted == NULL ? (ATOM)0 : (ATOM)clq_window_class_register(wanted->lpszClassName, wanted->lpfnWndProc);
}
COLLOQUY_WINDOWS_CALL BOOL UnregisterClass(LPCSTR name, HINSTANCE instance) {
    (void)instance;
    return clq_window_class_unregister(name) == 0;
}
COLLOQUY_WINDOWS_CALL HWND CreateWindowEx(DWORD extended, LPCSTR name, LPCSTR title, DWORD style, int x, int y,
                                          int width, int height, HWND parent, HMENU menu, HINSTANCE instance,
                                          LPVOID parameter) {
    (void)extended, (void)style, (void)x, (void)y, (void)width, (void)height, (void)parent, (void)menu, (void)instance;
    return clq_window_create_of_class(name, title, parameter);
}
COLLOQUY_WINDOWS_CALL HWND CreateWindow(LPCSTR name, LPCSTR title, DWORD style, int x, int y, int width, int height,
                                        HWND parent, HMENU menu, HINSTANCE instance, LPVOID parameter) {
    return CreateWindowEx(0, name, title, style, x, y, width, height, parent, menu, instance, parameter);
}
COLLOQUY_WINDOWS_CALL BOOL DestroyWindow(HWND window) { return clq_window_destroy(window) == 0; }
COLLOQUY_WINDOWS_CALL BOOL IsWindow(HWND window) { return clq_window_is(window); }
COLLOQUY_WINDOWS_CALL BOOL ShowWindow(HWND window, int how) {
    (void)window, (void)how;
    return FALSE;
}
COLLOQUY_WINDOWS_CALL BOOL UpdateWindow(HWND window) { return clq_window_is(window); }
COLLOQUY_WINDOWS_CALL HICON LoadIcon(HINSTANCE instance, LPCSTR name) {
    (void)instance, (void)name;
    return NULL;
}
COLLOQUY_WINDOWS_CALL HCURSOR LoadCursor(HINSTANCE instance, LPCSTR name) {
    (void)instance, (void)name;
    return NULL;
}
COLLOQUY_WINDOWS_CALL HANDLE GetStockObject(int which) {
    (void)which;
    return NULL;
}
/* Of the values kept with a window there is the one that is the program's. */
COLLOQUY_WINDOWS_CALL LONG_PTR GetWindowLongPtr(HWND window, int which) {
    return which == GWLP_USERDATA ? (LONG_PTR)clq_window_user(window) : 0;
}
COLLOQUY_WINDOWS_CALL LONG_PTR SetWindowLongPtr(HWND window, int which, LONG_PTR value) {
    return which == GWLP_USERDATA ? (LONG_PTR)clq_window_set_user(window, (void *)value) : 0;
}
#define DefWindowProcA DefWindowProc
#define RegisterClassA RegisterClass
#define RegisterClassExA RegisterClassEx
#define UnregisterClassA UnregisterClass
#define CreateWindowA CreateWindow
#define CreateWindowExA CreateWindowEx
#define LoadIconA LoadIcon
#define LoadCursorA LoadCursor
#define GetWindowLongPtrA GetWindowLongPtr
#define SetWindowLongPtrA SetWindowLongPtr

#ifdef __cplusplus
}
#endif

#ifdef COLLOQUY_WINMAIN
int WinMain(HINSTANCE instance, HINSTANCE previous, LPSTR command_line, int show);
int main(void) {
    static char no_arguments[1];
    return WinMain(NULL, NULL, no_arguments, SW_SHOWNORMAL);
}
#endif

#endif /* _WIN32 */
#endif
