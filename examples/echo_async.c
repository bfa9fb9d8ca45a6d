/*
 * echo_async: gives back what it is sent, in as many conversations as there are, without a thread for any. Each call
 * that cannot finish at once answers 35, and `completed` goes on when it has. Ends with its input.
 *
 *   lu_name = "NET.ECHO"
 *   listen = "127.0.0.1:4711"
 *   [limits]
 *   conversations = 110_000
 *   accept_queue = 110_000
 *   link_conversations = 110_000
 *   window_bytes = 1_024
 *   [[tp]]
 *   name = "ECHO"
 *
 * usage: echo_async
 */
#include <stdio.h>
#include <stdlib.h>

#include "colloquy/colloquy.h"

#define ACCEPTS 64 /* outstanding at a time: callers that come together are taken together */

/* The ID comes first: a completion brings the address that the call was given, which is that of all this. */
struct talk {
    unsigned char id[CM_CID_SIZE];
    enum { ACCEPTING, RECEIVING, SENDING } doing;
    char text[512];
    CM_INT32 size, length, data, status, rts; /* the library's while a call is incomplete */
};

/* Goes on after a call that answered `rc`, until one is incomplete or the conversation is over. After 35 the completion
 * may be on its way on another thread: `t` is left alone. */
static void go_on(struct talk* t, CM_INT32 rc) {
    while (rc == CM_OK) {
        if (t->doing == RECEIVING && t->status != CM_SEND_RECEIVED) {
            cmcanc(t->id, &rc); /* a longer record than we take, or one that wants no answer */
            break;
        }
        if (t->doing == RECEIVING) {
            t->doing = SENDING;
            cmsend(t->id, t->text, &t->length, &t->rts, &rc);
        } else {
            t->doing = RECEIVING;
            t->size = sizeof t->text;
            cmrcv(t->id, t->text, &t->size, &t->data, &t->length, &t->status, &t->rts, &rc);
        }
    }
    if (rc != CM_OPERATION_INCOMPLETE) free(t); /* 18: the partner has ended it */
}

static void begin(struct talk* t, CM_INT32 rc) {
    CM_INT32 mode = CM_NON_BLOCKING;
    if (rc == CM_OK) cmspm(t->id, &mode, &rc); /* each conversation begins in blocking mode */
    go_on(t, rc);
}

/* Takes all who wait, and then has one Accept incomplete. */
static void accept_next(void) {
    CM_INT32 rc = CM_OK;
    while (rc == CM_OK) {
        struct talk* t = (struct talk*)calloc(1, sizeof *t);
        if (t == NULL) return;
        cmaccp(t->id, &rc);
        if (rc != CM_OPERATION_INCOMPLETE) begin(t, rc);
    }
}

/* Called by whichever thread has completed a call. Several conversations may be here at once, each but once. */
static void COLLOQUY_CALL completed(void* unused, const clq_completion* completion) {
    struct talk* t = (struct talk*)completion->id_memory;
    (void)unused;
    if (t->doing != ACCEPTING) {
        go_on(t, completion->return_code);
        return;
    }
    begin(t, completion->return_code);
    if (completion->return_code == CM_OK) accept_next();
}

int main(void) {
    const CM_INT32 length = 4;
    CM_INT32 rc;
    int i;
    cmsltp("ECHO", &length, &rc); /* from here on Accept_Conversation does not wait */
    if (rc == CM_OK) clq_set_callback(NULL, completed, NULL, &rc);
    if (rc != CM_OK) {
        fprintf(stderr, "echo_async: %s\n", clq_last_error());
        return 1;
    }
    for (i = 0; i < ACCEPTS; ++i) accept_next();
    while (getchar() != EOF) {
    }
    return clq_stop(2000) == 0 ? 0 : 1;
}
