/*
 * A program in the style of the interface's documents, C89: a window procedure, a table of pending verbs, and the
 * completion message registered by name. Compiled as it stands on Linux, where colloquy/compat has the windows.h.
 *
 * Its verbs are answered by a small service in the program itself: each request is a message to the window, and each
 * completion one more, with the code in wParam and the address of the conversation_ID in lParam, as the library posts
 * them. Exits 0 when every verb completed exactly once and the loop ended with the code it was given.
 */
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include "wincpic.h"

#define VERBS 200
#define QUIT_CODE 7
#define WM_SERVE (WM_USER + 1)

struct verb {
    unsigned char conversation_ID[CM_CID_SIZE];
    BOOL pending;
    unsigned issued;
    unsigned completed;
    CM_INT32 code;
};

static struct verb verbs[VERBS];
static unsigned outstanding;
static unsigned rounds_left = 3;
static unsigned strangers;
static UINT completion_message;

static void issue(HWND hwnd, struct verb *v) {
    v->pending = TRUE;
    ++v->issued;
    ++outstanding;
    if (!PostMessage(hwnd, WM_SERVE, CM_OK, (LPARAM)v->conversation_ID))
        ++strangers;
}

static void issue_all(HWND hwnd) {
    unsigned i;
    --rounds_left;
    for (i = 0; i < VERBS; ++i)
        issue(hwnd, &verbs[i]);
}

/* The verb whose conversation_ID this is: the eight bytes are compared, not the address. */
static struct verb *find(const void *conversation_ID) {
    unsigned i;
    for (i = 0; i < VERBS; ++i) {
        if (memcmp(verbs[i].conversation_ID, conversation_ID, CM_CID_SIZE) == 0)
            return &verbs[i];
    }
    return NULL;
}

static LRESULT CALLBACK MainWndProc(HWND hwnd, UINT message, WPARAM wParam, LPARAM lParam) {
    if (message == completion_message) {
        struct verb *v = find((const void *)lParam);
        if (v == NULL || !v->pending) {
            ++strangers;
            return 0;
        }
        v->pending = FALSE;
        v->code = (CM_INT32)wParam;
        ++v->completed;
        if (--outstanding == 0) {
            if (rounds_left > 0)
                issue_all(hwnd);
            else
                PostMessage(hwnd, WM_CLOSE, 0, 0);
        }
        return 0;
    }
    switch (message) {
    case WM_CREATE:
        issue_all(hwnd);
        return 0;
    case WM_SERVE:
        PostMessage(hwnd, completion_message, wParam, lParam);
        return 0;
    case WM_DESTROY:
        PostQuitMessage(QUIT_CODE);
        return 0;
    default:
        return DefWindowProc(hwnd, message, wParam, lParam);
    }
}

int WINAPI WinMain(HINSTANCE hInstance, HINSTANCE hPrevInstance, LPSTR lpCmdLine, int nCmdShow) {
    WNDCLASS wc;
    HWND hwnd;
    MSG msg;
    unsigned i, failed = 0;

    (void)hPrevInstance;
    (void)lpCmdLine;
    for (i = 0; i < VERBS; ++i)
        sprintf((char *)verbs[i].conversation_ID, "C%06u", i);

    completion_message = RegisterWindowMessage("WinAsyncCPIC");
    if (completion_message == 0)
        return 1;

    wc.style = CS_HREDRAW | CS_VREDRAW;
    wc.lpfnWndProc = (WNDPROC)MainWndProc;
    wc.cbClsExtra = 0;
    wc.cbWndExtra = 0;
    wc.hInstance = hInstance;
    wc.hIcon = LoadIcon(NULL, IDI_APPLICATION);
    wc.hCursor = LoadCursor(NULL, IDC_ARROW);
    wc.hbrBackground = (HBRUSH)GetStockObject(WHITE_BRUSH);
    wc.lpszMenuName = NULL;
    wc.lpszClassName = "SampleWClass";
    if (!RegisterClass(&wc))
        return 2;
    hwnd = CreateWindow("SampleWClass", "Sample", WS_OVERLAPPEDWINDOW, CW_USEDEFAULT, CW_USEDEFAULT, CW_USEDEFAULT,
                        CW_USEDEFAULT, NULL, NULL, hInstance, NULL);
    if (!hwnd)
        return 3;
    ShowWindow(hwnd, nCmdShow);
    UpdateWindow(hwnd);

    while (GetMessage(&msg, NULL, 0, 0)) {
        TranslateMessage(&msg);
        DispatchMessage(&msg);
    }

    for (i = 0; i < VERBS; ++i) {
        if (verbs[i].issued != 3 || verbs[i].completed != 3 || verbs[i].pending || verbs[i].code != CM_OK)
            ++failed;
    }
    printf("%u verbs, %u wrong, %u strangers, code %d\n", (unsigned)VERBS, failed, strangers, (int)msg.wParam);
    return failed == 0 && strangers == 0 && msg.wParam == QUIT_CODE && !IsWindow(hwnd) ? 0 : 4;
}
