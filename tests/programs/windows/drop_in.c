/*
 * A program that knows the drop-in DLL by its name alone, as programs do that were built before there was a Colloquy:
 *   drop_in [NAME.DLL]
 * holds one conversation with itself and takes completions by message, by event and by cmwait. 0: all went well.
 */
#include <windows.h>

#include <stdio.h>
#include <string.h>

#include <wincpic.h>

#define DESTINATION_TP "DROPIN"
#define SELF "COLLOQUY.LOCAL" /* the name of a logical unit that has no configuration */

typedef int(WINAPI *startup_function)(WORD, LPWCPICDATA);
typedef BOOL(WINAPI *cleanup_function)(void);
typedef void(WINAPI *function_2)(void *, void *);
typedef void(WINAPI *function_3)(void *, void *, void *);
typedef void(WINAPI *function_4)(void *, void *, void *, void *);
typedef void(WINAPI *function_5)(void *, void *, void *, void *, void *);
typedef void(WINAPI *function_8)(void *, void *, void *, void *, void *, void *, void *, void *);

static HMODULE library;
static unsigned char client[8], server[8];
static CM_INT32 rc;

static int fail(const char *what) {
    fprintf(stderr, "%s: return code %ld, system %lu\n", what, (long)rc, (unsigned long)GetLastError());
    return 1;
}

static FARPROC entry(const char *name) {
    FARPROC found = GetProcAddress(library, name);
    if (found == NULL) {
        fprintf(stderr, "%s is not exported\n", name);
        ExitProcess(2);
    }
    return found;
}

/* Through a union, because C has no cast between functions of different types that every compiler likes. */
union function {
    FARPROC any;
    startup_function startup;
    cleanup_function cleanup;
    function_2 two;
    function_3 three;
    function_4 four;
    function_5 five;
    function_8 eight;
};
static union function get(const char *name) {
    union function f;
    f.any = entry(name);
    return f;
}

static void set(const char *name, void *id, CM_INT32 value) {
    rc = -1;
    get(name).three(id, &value, &rc);
}
static void set_text(const char *name, const char *text) {
    CM_INT32 length = (CM_INT32)strlen(text);
    rc = -1;
    get(name).four(client, (void *)text, &length, &rc);
}

static CM_INT32 wanted = 64, data_received, received_length, status, rts;
static char buffer[64];
static void receive(void) {
    memset(buffer, 0, sizeof buffer);
    received_length = -1;
    rc = -1;
    get("cmrcv").eight(server, buffer, &wanted, &data_received, &received_length, &status, &rts, &rc);
}
static void say(const char *text) {
    CM_INT32 length = (CM_INT32)strlen(text);
    rc = -1;
    get("cmsend").five(client, (void *)text, &length, &rts, &rc);
}
static int heard(const char *text) {
    return data_received == CM_COMPLETE_DATA_RECEIVED && received_length == (CM_INT32)strlen(text) &&
           memcmp(buffer, text, strlen(text)) == 0;
}

/* Waits for the completion message: its code, which must be told for `id`. */
static CM_INT32 next_message(UINT completion, const void *id) {
    MSG m;
    while (GetMessage(&m, NULL, 0, 0) > 0) {
        if (m.message == completion) return (const void *)m.lParam == id ? (CM_INT32)m.wParam : -2;
        DispatchMessage(&m);
    }
    return -3;
}

int main(int argc, char **argv) {
    const char *name = argc > 1 ? argv[1] : "WCPIC32.DLL";
    WCPICDATA data;
    HWND hwnd;
    HANDLE event, none = NULL;
    UINT completion;
    unsigned char told[8];
    CM_INT32 code, length = (CM_INT32)strlen(DESTINATION_TP);

    library = LoadLibraryA(name);
    if (library == NULL) return fail(name);
    if (get("WinCPICStartup").startup(0x0001, &data) != 0) return fail("WinCPICStartup");
    printf("%s: %s\n", name, data.szDescription);
    completion = RegisterWindowMessageA("WinAsyncCPIC");
    hwnd = CreateWindowExA(0, "STATIC", "", 0, 0, 0, 0, 0, HWND_MESSAGE, NULL, NULL, NULL);
    if (completion == 0 || hwnd == NULL) return fail("a window");

    /* By message: the Accept, and a Receive. */
    get("xchwnd").two(hwnd, &rc);
    if (rc != CM_OK) return fail("xchwnd");
    get("cmsltp").three(DESTINATION_TP, &length, &rc);
    if (rc != CM_OK) return fail("cmsltp");
    get("cmaccp").two(server, &rc);
    if (rc != CM_OPERATION_INCOMPLETE) return fail("cmaccp");
    get("cminit").three(client, "        ", &rc);
    if (rc != CM_OK) return fail("cminit");
    set_text("cmspln", SELF);
    if (rc == CM_OK) set_text("cmstpn", DESTINATION_TP);
    if (rc == CM_OK) set_text("cmsmn", "#INTER");
    if (rc == CM_OK) set("cmsst", client, CM_SEND_AND_FLUSH);
    if (rc != CM_OK) return fail("the destination");
    get("cmallc").two(client, &rc);
    if (rc != CM_OK) return fail("cmallc");
    say("hello");
    if (rc != CM_OK) return fail("cmsend");
    if (next_message(completion, server) != CM_OK) return fail("the message of Accept");
    set("cmspm", server, CM_NON_BLOCKING);
    if (rc != CM_OK) return fail("cmspm");
    receive();
    if (rc != CM_OK || !heard("hello")) return fail("what came with the attach");
    receive();
    if (rc != CM_OPERATION_INCOMPLETE) return fail("cmrcv");
    say("by message");
    if (next_message(completion, server) != CM_OK || !heard("by message")) return fail("the message of Receive");

    /* By event. */
    get("xchwnd").two(NULL, &rc);
    if (rc != CM_OK) return fail("xchwnd NULL");
    event = CreateEventA(NULL, TRUE, FALSE, NULL);
    get("WinCPICSetEvent").three(server, &event, &rc);
    if (rc != CM_OK) return fail("WinCPICSetEvent");
    receive();
    if (rc != CM_OPERATION_INCOMPLETE) return fail("cmrcv with an event");
    if (WaitForSingleObject(event, 0) != WAIT_TIMEOUT) return fail("an event too early");
    say("by event");
    if (WaitForSingleObject(event, INFINITE) != WAIT_OBJECT_0) return fail("the event");
    get("cmwait").three(told, &code, &rc);
    if (rc != CM_OK || code != CM_OK || memcmp(told, server, 8) != 0 || !heard("by event")) return fail("its result");
    get("WinCPICSetEvent").three(server, &none, &rc);
    if (rc != CM_OK) return fail("WinCPICSetEvent NULL");
    CloseHandle(event);

    /* By cmwait. */
    receive();
    if (rc != CM_OPERATION_INCOMPLETE) return fail("cmrcv for cmwait");
    say("by cmwait");
    get("cmwait").three(told, &code, &rc);
    if (rc != CM_OK || code != CM_OK || memcmp(told, server, 8) != 0 || !heard("by cmwait")) return fail("cmwait");

    set("cmsdt", client, CM_DEALLOCATE_FLUSH);
    if (rc == CM_OK) get("cmdeal").two(client, &rc);
    if (rc != CM_OK) return fail("cmdeal");
    receive();
    if (rc == CM_OPERATION_INCOMPLETE) get("cmwait").three(told, &rc, &code);
    if (rc != CM_DEALLOCATED_NORMAL) return fail("the end of the conversation");
    if (GetProcAddress(library, "CMINIT") != NULL) return fail("names are written in small letters");
    if (!get("WinCPICCleanup").cleanup()) return fail("WinCPICCleanup");
    DestroyWindow(hwnd);
    FreeLibrary(library);
    printf("message, event and cmwait: all there\n");
    return 0;
}
