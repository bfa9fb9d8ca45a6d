/*
 * event_server: a server of Windows events. One thread waits for all conversations with WaitForMultipleObjects; each
 * has an event of its own, and one more says that somebody was accepted. Answers each request with "echo: " and it.
 *
 * usage: event_server ADDR:PORT [CONVERSATIONS]    ends after so many conversations; without a number, never
 */
#include <windows.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"
#include "wincpic.h"

#define CALLERS (MAXIMUM_WAIT_OBJECTS - 1)

static struct caller {
    unsigned char conversation_ID[CM_CID_SIZE];
    BOOL busy;
    char text[256], answer[sizeof "echo: " + 256];
    CM_INT32 size, data, got, status, request_to_send; /* the library's while a Receive is pending */
} callers[CALLERS];
static HANDLE events[CALLERS + 1]; /* of the callers, and in the last place that of Accept */

/* Accept has no conversation to hang an event on, so its completion comes by the process's sink. */
static unsigned char accepted_ID[CM_CID_SIZE];
static CM_INT32 accepted_code;
static int COLLOQUY_CALL accepted(void* user, const clq_completion* completion) {
    accepted_code = completion->return_code;
    SetEvent((HANDLE)user);
    return 0;
}

static unsigned served;

static void over(struct caller* c, CM_INT32 code) {
    if (code != CM_DEALLOCATED_NORMAL) printf("conversation %d ended with %ld\n", (int)(c - callers), (long)code);
    c->busy = FALSE;
    ++served;
}

/* Goes on with a caller whose Receive is done, until the next one is pending or the conversation is over. */
static void serve(struct caller* c, CM_INT32 code) {
    CM_INT32 length, type = CM_SEND_AND_PREP_TO_RECEIVE, prepare = CM_PREP_TO_RECEIVE_FLUSH;
    for (;;) {
        if (code != CM_OK) {
            over(c, code);
            return;
        }
        if (c->data == CM_COMPLETE_DATA_RECEIVED) {
            length = sprintf(c->answer, "echo: %.*s", (int)c->got, c->text);
        } else {
            length = 0;
        }
        if (c->status == CM_SEND_RECEIVED) {
            if (length == 0) length = sprintf(c->answer, "echo: nothing");
            cmsptr(c->conversation_ID, &prepare, &code);
            if (code == CM_OK) cmsst(c->conversation_ID, &type, &code);
            if (code == CM_OK) cmsend(c->conversation_ID, c->answer, &length, &c->request_to_send, &code);
            if (code == CM_OPERATION_INCOMPLETE) return; /* back-pressure: its event comes, then the next Receive */
            if (code != CM_OK) continue;
        }
        c->size = sizeof c->text;
        cmrcv(c->conversation_ID, c->text, &c->size, &c->data, &c->got, &c->status, &c->request_to_send, &code);
        if (code == CM_OPERATION_INCOMPLETE) return;
    }
}

static void welcome(void) {
    CM_INT32 rc, mode = CM_NON_BLOCKING;
    unsigned i = 0;
    while (i < CALLERS && callers[i].busy) ++i;
    if (i == CALLERS) {
        cmcanc(accepted_ID, &rc); /* more than one thread can wait for: the partner hears 30 */
        return;
    }
    memcpy(callers[i].conversation_ID, accepted_ID, CM_CID_SIZE);
    callers[i].busy = TRUE;
    cmspm(accepted_ID, &mode, &rc); /* conversations begin in blocking mode */
    if (rc == CM_OK) WinCPICSetEvent(accepted_ID, &events[i], &rc);
    callers[i].data = CM_NO_DATA_RECEIVED;
    callers[i].status = CM_NO_STATUS_RECEIVED;
    serve(&callers[i], rc);
}

/* Accepts until nobody is there, and then has one Accept outstanding. */
static BOOL accept_next(void) {
    CM_INT32 rc;
    for (;;) {
        cmaccp(accepted_ID, &rc);
        if (rc == CM_OPERATION_INCOMPLETE) return TRUE;
        if (rc != CM_OK) return FALSE;
        welcome();
    }
}

int main(int argc, char** argv) {
    const unsigned wanted = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
    const CM_INT32 length = 4;
    clq_options options;
    char address[64];
    CM_INT32 rc;
    unsigned i;
    if (argc < 2) return 2;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.listen = argv[1];
    if (clq_start(&options) != 0) {
        fprintf(stderr, "%s\n", clq_last_error());
        return 1;
    }
    /* Of a conversation's own event each signal is one completion: auto-reset. */
    for (i = 0; i <= CALLERS; ++i) events[i] = CreateEvent(NULL, FALSE, FALSE, NULL);
    clq_set_sink(NULL, accepted, events[CALLERS], &rc);
    cmsltp("ECHO", &length, &rc);
    if (rc != CM_OK || clq_listening(0, address, sizeof address) != 0 || !accept_next()) return 1;
    printf("listening %s\n", address);
    fflush(stdout);

    while (wanted == 0 || served < wanted) {
        const DWORD which = WaitForMultipleObjects(CALLERS + 1, events, FALSE, INFINITE) - WAIT_OBJECT_0;
        if (which == CALLERS) {
            if (accepted_code != CM_OK) return 1;
            welcome();
            if (!accept_next()) return 1;
        } else {
            /* The event says that there is a result; cmwait has it, or that of another whose event is signalled too. */
            unsigned char id[CM_CID_SIZE];
            CM_INT32 code;
            cmwait(id, &code, &rc);
            for (i = 0; rc == CM_OK && i < CALLERS; ++i)
                if (callers[i].busy && memcmp(callers[i].conversation_ID, id, CM_CID_SIZE) == 0) {
                    serve(&callers[i], code);
                    break;
                }
        }
    }
    printf("served %u\n", served);
    return clq_stop(2000) == 0 ? 0 : 1;
}
