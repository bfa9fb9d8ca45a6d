/*
 * window_client: completions as window messages, as programs for Windows take them: a window procedure, a table of
 * pending verbs, the message "WinAsyncCPIC". Talks to one of the embed_ servers.
 *
 * usage: example_window_client HOST:PORT
 */
#include <stdio.h>
#include <string.h>

#include "colloquy/colloquy.h"
#include "colloquy/windows_names.h"
#include "wincpic.h"

#define CONVERSATIONS 3

enum step { ALLOCATE, TRANSFER, CONFIRM, ASK, ANSWER, DEALLOCATE, OVER };

/* One entry a conversation: it has one verb pending at most. */
static struct pending_verb {
    unsigned char conversation_ID[CM_CID_SIZE];
    BOOL pending;
    enum step step;
    char text[100];
    CM_INT32 length, size, data, got, status, request_to_send; /* the library's until the message comes */
} table[CONVERSATIONS];

static const char* address;
static UINT completion_message;
static unsigned over, wrong;

static void complain(const struct pending_verb* v, const char* what, CM_INT32 rc) {
    printf("conversation %d: %s, return code %d\n", (int)(v - table), what, (int)rc);
    ++wrong;
}

/* Issues the verb of the step that the conversation is at. */
static CM_INT32 issue(struct pending_verb* v) {
    CM_INT32 rc = CM_OK;
    const int number = (int)(v - table);
    switch (v->step) {
        case ALLOCATE: cmallc(v->conversation_ID, &rc); break;
        case TRANSFER:
            v->length = sprintf(v->text, "transfer payer%d payee%d 10", number, number);
            cmsend(v->conversation_ID, v->text, &v->length, &v->request_to_send, &rc);
            break;
        case CONFIRM: cmcfm(v->conversation_ID, &v->request_to_send, &rc); break;
        case ASK:
            v->length = sprintf(v->text, "balance payee%d", number);
            cmsend(v->conversation_ID, v->text, &v->length, &v->request_to_send, &rc);
            break;
        case ANSWER:
            v->size = sizeof v->text;
            cmrcv(v->conversation_ID, v->text, &v->size, &v->data, &v->got, &v->status, &v->request_to_send, &rc);
            break;
        case DEALLOCATE: cmdeal(v->conversation_ID, &rc); break;
        case OVER: break;
    }
    return rc;
}

/* A verb is done: looks at what came, and issues the next until one is pending. */
static void go_on(HWND hwnd, struct pending_verb* v, CM_INT32 rc) {
    v->pending = FALSE;
    for (;;) {
        if (rc != CM_OK) {
            complain(v, "ended early", rc);
            v->step = OVER;
        } else if (v->step == ANSWER) {
            if (v->data == CM_COMPLETE_DATA_RECEIVED)
                printf("conversation %d: %.*s\n", (int)(v - table), (int)v->got, v->text);
            if (v->status == CM_SEND_RECEIVED) v->step = DEALLOCATE;
        } else {
            v->step = (enum step)(v->step + 1);
        }
        if (v->step == OVER) break;
        v->pending = TRUE;
        rc = issue(v);
        if (rc == CM_OPERATION_INCOMPLETE) return; /* the window will hear */
        v->pending = FALSE;
    }
    if (++over == CONVERSATIONS) PostMessage(hwnd, WM_CLOSE, 0, 0);
}

static void begin(HWND hwnd, struct pending_verb* v) {
    CM_INT32 rc, mode = CM_NON_BLOCKING, confirm = CM_CONFIRM;
    char destination[100];
    cminit(v->conversation_ID, "        ", &rc);
    (void)snprintf(destination, sizeof destination, "%s/TRANSFER", address);
    if (rc == CM_OK) clq_set_destination(v->conversation_ID, destination, &rc);
    if (rc == CM_OK) cmssl(v->conversation_ID, &confirm, &rc);
    if (rc == CM_OK) cmspm(v->conversation_ID, &mode, &rc);
    v->step = ALLOCATE;
    if (rc == CM_OK) {
        v->pending = TRUE;
        rc = issue(v);
    }
    if (rc != CM_OPERATION_INCOMPLETE) go_on(hwnd, v, rc);
}

/* lParam points to the conversation_ID that was passed to the verb. */
static struct pending_verb* find(LPARAM lParam) {
    unsigned i;
    for (i = 0; i < CONVERSATIONS; ++i)
        if (table[i].pending && (LPARAM)table[i].conversation_ID == lParam) return &table[i];
    return NULL;
}

static LRESULT CALLBACK MainWndProc(HWND hwnd, UINT message, WPARAM wParam, LPARAM lParam) {
    if (message == completion_message) {
        struct pending_verb* v = find(lParam);
        if (v != NULL)
            go_on(hwnd, v, (CM_INT32)wParam);
        else
            ++wrong;
        return 0;
    }
    switch (message) {
        case WM_USER: {
            unsigned i;
            for (i = 0; i < CONVERSATIONS; ++i) begin(hwnd, &table[i]);
            return 0;
        }
        case WM_DESTROY: PostQuitMessage(wrong == 0 ? 0 : 1); return 0;
        default: return DefWindowProc(hwnd, message, wParam, lParam);
    }
}

int main(int argc, char** argv) {
    WNDCLASS class_of_window;
    WCPICDATA data;
    HWND hwnd;
    MSG message;
    CM_INT32 rc;
    if (argc != 2) return 2;
    address = argv[1];
    if (WinCPICStartup(0x0002, &data) != 0) return 1;

    memset(&class_of_window, 0, sizeof class_of_window);
    class_of_window.lpfnWndProc = MainWndProc;
    class_of_window.lpszClassName = "WindowClient";
    completion_message = RegisterWindowMessage("WinAsyncCPIC");
    if (completion_message == 0 || !RegisterClass(&class_of_window)) return 1;
    hwnd = CreateWindow("WindowClient", "Transfers", WS_OVERLAPPEDWINDOW, CW_USEDEFAULT, CW_USEDEFAULT, CW_USEDEFAULT,
                        CW_USEDEFAULT, NULL, NULL, NULL, NULL);
    if (hwnd == NULL) return 1;
    xchwnd(hwnd, &rc);
    if (rc != CM_OK || !PostMessage(hwnd, WM_USER, 0, 0)) return 1;

    while (GetMessage(&message, NULL, 0, 0)) {
        TranslateMessage(&message);
        DispatchMessage(&message);
    }
    WinCPICCleanup();
    return (int)message.wParam;
}
