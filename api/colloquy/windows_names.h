/*
 * windows_names.h: the names of events and windows as programs written for Windows use them.
 *
 * Opt-in: no other header of ours includes it. On Windows it is windows.h itself. Elsewhere it maps the part of windows.h that
 * a CPI-C program of the documents' kind needs, a message loop, a window procedure, events to wait for, to colloquy/event.h
 * and colloquy/window.h, which say what each call does; what concerns a screen (icons, showing, painting) is accepted and
 * does nothing. Before or after the CPI-C headers. C89 and C++.
 *
 * Differences: handles of events and windows are distinct from all others; events have no names and no security; windows
 * have no parents; a DWORD has 32 bits.
 * A program that begins at WinMain defines COLLOQUY_WINMAIN before including this, in the file of its WinMain.
 */
#ifndef COLLOQUY_WINDOWS_NAMES_H
#define COLLOQUY_WINDOWS_NAMES_H

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

/* An event with a name would be shared between processes: there are none. */
#define CreateEvent(attributes, manual_reset, initial_state, name) \
    ((void)(attributes), (name) == NULL ? clq_event_create((manual_reset), (initial_state)) : NULL)
#define CreateEventA CreateEvent
#define SetEvent(event) (clq_event_set(event) == 0)
#define ResetEvent(event) (clq_event_reset(event) == 0)
#define CloseHandle(handle) (clq_event_close(handle) == 0)
#define WaitForSingleObject(event, milliseconds) ((DWORD)clq_event_wait((event), (milliseconds)))
#define WaitForMultipleObjects(count, events, wait_all, milliseconds) \
    ((DWORD)clq_event_wait_many((events), (count), (wait_all), (milliseconds)))

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

#define RegisterWindowMessage(name) clq_register_window_message(name)
#define RegisterWindowMessageA RegisterWindowMessage
#define GetMessage(message, window, first, last) clq_message_get_matching((message), (window), (first), (last))
#define GetMessageA GetMessage
#define PeekMessage(message, window, first, last, how) \
    clq_message_peek_matching((message), (window), (first), (last), (int)((how)&PM_REMOVE))
#define PeekMessageA PeekMessage
#define TranslateMessage(message) ((void)(message), FALSE)
#define DispatchMessage(message) clq_message_dispatch(message)
#define DispatchMessageA DispatchMessage
#define PostMessage(window, message, wParam, lParam) \
    (clq_window_post((window), (message), (WPARAM)(wParam), (LPARAM)(lParam)) == 0)
#define PostMessageA PostMessage
#define PostQuitMessage(code) ((void)clq_message_post_quit(code))

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

#define DefWindowProc clq_window_default
#define DefWindowProcA DefWindowProc
#define RegisterClass(class_) ((ATOM)clq_window_class_register((class_)->lpszClassName, (class_)->lpfnWndProc))
#define RegisterClassA RegisterClass
#define RegisterClassEx RegisterClass
#define RegisterClassExA RegisterClass
#define UnregisterClass(name, instance) ((void)(instance), clq_window_class_unregister(name) == 0)
#define CreateWindow(name, title, style, x, y, width, height, parent, menu, instance, parameter)      \
    ((void)(style), (void)(x), (void)(y), (void)(width), (void)(height), (void)(parent), (void)(menu), \
     (void)(instance), clq_window_create_of_class((name), (title), (parameter)))
#define CreateWindowA CreateWindow
#define CreateWindowEx(extended, name, title, style, x, y, width, height, parent, menu, instance, parameter) \
    ((void)(extended),                                                                                       \
     CreateWindow(name, title, style, x, y, width, height, parent, menu, instance, parameter))
#define CreateWindowExA CreateWindowEx
#define DestroyWindow(window) (clq_window_destroy(window) == 0)
#define IsWindow(window) clq_window_is(window)
#define ShowWindow(window, how) ((void)(window), (void)(how), FALSE)
#define UpdateWindow(window) ((void)(window), TRUE)
#define LoadIcon(instance, name) ((void)(instance), (void)(name), (HICON)NULL)
#define LoadCursor(instance, name) ((void)(instance), (void)(name), (HCURSOR)NULL)
#define GetStockObject(which) ((void)(which), (HANDLE)NULL)

/* Of the values kept with a window there is the one that is the program's. */
#define GetWindowLongPtr(window, which) ((which) == GWLP_USERDATA ? (LONG_PTR)clq_window_user(window) : 0)
#define SetWindowLongPtr(window, which, value) \
    ((which) == GWLP_USERDATA ? (LONG_PTR)clq_window_set_user((window), (void *)(LONG_PTR)(value)) : 0)
#define GetWindowLongPtrA GetWindowLongPtr
#define SetWindowLongPtrA SetWindowLongPtr

#ifdef COLLOQUY_WINMAIN
int WinMain(HINSTANCE instance, HINSTANCE previous, LPSTR command_line, int show);
int main(void) {
    static char no_arguments[1];
    return WinMain(NULL, NULL, no_arguments, SW_SHOWNORMAL);
}
#endif

#endif /* _WIN32 */
#endif
