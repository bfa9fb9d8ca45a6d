/*
 * window_client: a program of Windows with a window, a message loop and a table of pending verbs. Asks an ECHO server
 * in several conversations at once and shows how each goes.
 *
 * usage: window_client HOST:PORT [--message-only]    message-only: without a window to see, ends by itself
 */
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "colloquy/colloquy.h"
#include "wincpic.h"

#define CONVERSATIONS 8

enum step { ALLOCATE, ASK, TURN, ANSWER, DEALLOCATE, OVER };

static struct pending_verb {
    unsigned char conversation_ID[CM_CID_SIZE]; /* lParam of a completion points here */
    BOOL pending;
    enum step step;
    CM_INT32 code; /* with which it ended */
    char text[300];
    CM_INT32 length, size, data, got, status, request_to_send; /* the library's while a verb is pending */
} table[CONVERSATIONS];

static const char* address;
static BOOL message_only;
static UINT completion_message;
static unsigned over, wrong;

static CM_INT32 issue(struct pending_verb* v) {
    CM_INT32 rc = CM_OK;
    v->pending = TRUE;
    switch (v->step) {
        case ALLOCATE: cmallc(v->conversation_ID, &rc); break;
        case ASK:
            v->length = sprintf(v->text, "question %d", (int)(v - table));
            cmsend(v->conversation_ID, v->text, &v->length, &v->request_to_send, &rc);
            break;
        case TURN: cmptr(v->conversation_ID, &rc); break;
        case ANSWER:
            v->size = sizeof v->text;
            cmrcv(v->conversation_ID, v->text, &v->size, &v->data, &v->got, &v->status, &v->request_to_send, &rc);
            break;
        case DEALLOCATE: cmdeal(v->conversation_ID, &rc); break;
        case OVER: break;
    }
    if (rc != CM_OPERATION_INCOMPLETE) v->pending = FALSE;
    return rc;
}

/* A verb has ended with `rc`: takes the next steps until one is pending. */
static void go_on(HWND hwnd, struct pending_verb* v, CM_INT32 rc) {
    for (v->pending = FALSE; v->step != OVER; rc = issue(v)) {
        if (rc == CM_OPERATION_INCOMPLETE) break; /* the window will hear */
        if (rc != CM_OK) {
            v->code = rc;
            v->step = OVER;
            ++wrong;
            break;
        }
        if (v->step != ANSWER) {
            v->step = (enum step)(v->step + 1);
        } else {
            if (v->data == CM_COMPLETE_DATA_RECEIVED) {
                v->text[v->got] = '\0';
                printf("%d: %s\n", (int)(v - table), v->text);
            }
            if (v->status == CM_SEND_RECEIVED) v->step = DEALLOCATE;
        }
        if (v->step == OVER) break;
    }
    InvalidateRect(hwnd, NULL, TRUE);
    if (v->step == OVER && ++over == CONVERSATIONS && message_only) PostMessage(hwnd, WM_CLOSE, 0, 0);
}

static void begin(HWND hwnd, struct pending_verb* v) {
    CM_INT32 rc, mode = CM_NON_BLOCKING;
    char destination[128];
    v->step = ALLOCATE;
    sprintf(destination, "%.100s/ECHO", address);
    cminit(v->conversation_ID, "        ", &rc);
    if (rc == CM_OK) clq_set_destination(v->conversation_ID, destination, &rc);
    if (rc == CM_OK) cmspm(v->conversation_ID, &mode, &rc);
    if (rc == CM_OK) rc = issue(v);
    if (rc != CM_OPERATION_INCOMPLETE) go_on(hwnd, v, rc);
}

static void paint(HWND hwnd) {
    static const char* const steps[] = {"allocating", "asking", "asking", "waiting", "ending", "over"};
    PAINTSTRUCT ps;
    const HDC dc = BeginPaint(hwnd, &ps);
    int i;
    for (i = 0; i < CONVERSATIONS; ++i) {
        char line[400];
        const int n =
            sprintf(line, "%d  %s  %s", i, steps[table[i].step], table[i].step >= DEALLOCATE ? table[i].text : "");
        TextOutA(dc, 8, 8 + 20 * i, line, n);
    }
    EndPaint(hwnd, &ps);
}

static LRESULT CALLBACK MainWndProc(HWND hwnd, UINT message, WPARAM wParam, LPARAM lParam) {
    int i;
    if (message == completion_message) {
        for (i = 0; i < CONVERSATIONS; ++i)
            if (table[i].pending && lParam == (LPARAM)table[i].conversation_ID) {
                go_on(hwnd, &table[i], (CM_INT32)wParam);
                return 0;
            }
        ++wrong;
        return 0;
    }
    switch (message) {
        case WM_USER:
            for (i = 0; i < CONVERSATIONS; ++i) begin(hwnd, &table[i]);
            return 0;
        case WM_PAINT: paint(hwnd); return 0;
        case WM_DESTROY: PostQuitMessage(wrong == 0 ? 0 : 1); return 0;
        default: return DefWindowProcA(hwnd, message, wParam, lParam);
    }
}

int main(int argc, char** argv) {
    WNDCLASSA window_class;
    HWND hwnd;
    MSG message;
    CM_INT32 rc;
    if (argc < 2) return 2;
    address = argv[1];
    message_only = argc > 2 && strcmp(argv[2], "--message-only") == 0;
    if (WinCPICStartup(0x0001, NULL) != 0) {
        fprintf(stderr, "%s\n", clq_last_error());
        return 1;
    }
    memset(&window_class, 0, sizeof window_class);
    window_class.lpfnWndProc = MainWndProc;
    window_class.hInstance = GetModuleHandleA(NULL);
    window_class.lpszClassName = "ColloquyWindowClient";
    completion_message = RegisterWindowMessageA("WinAsyncCPIC");
    if (completion_message == 0 || RegisterClassA(&window_class) == 0) return 1;
    hwnd = CreateWindowA("ColloquyWindowClient", "Questions", WS_OVERLAPPEDWINDOW, CW_USEDEFAULT, CW_USEDEFAULT, 400,
                         240, message_only ? HWND_MESSAGE : NULL, NULL, window_class.hInstance, NULL);
    if (hwnd == NULL) {
        fprintf(stderr, "no window: %lu\n", (unsigned long)GetLastError());
        return 1;
    }
    if (!message_only) ShowWindow(hwnd, SW_SHOWNORMAL);
    xchwnd(hwnd, &rc);
    if (rc != CM_OK || !PostMessageA(hwnd, WM_USER, 0, 0)) return 1;
    while (GetMessageA(&message, NULL, 0, 0) > 0) {
        TranslateMessage(&message);
        DispatchMessageA(&message);
    }
    return WinCPICCleanup() ? (int)message.wParam : 1;
}
