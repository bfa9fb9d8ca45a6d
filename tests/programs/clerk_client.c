/*
 * The client of clerk_server.c, C99, blocking: requests and answers with change of direction, confirmations, and
 * lines that are still in the send buffer when the program calls Deallocate and leaves.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

static void expect(const char* what, CM_INT32 code, CM_INT32 wanted) {
    if (code == wanted) return;
    printf("client: %s gave %ld instead of %ld\n", what, (long)code, (long)wanted);
    fflush(stdout);
    exit(1);
}

/* The server may not be up yet: Allocate says retry, and the conversation is to be begun anew. */
static void begin(unsigned char id[CM_CID_SIZE], CM_SYNC_LEVEL level) {
    CM_RETURN_CODE rc;
    do {
        cminit(id, "CLERK   ", &rc);
        expect("cminit", rc, CM_OK);
        cmssl(id, &level, &rc);
        expect("cmssl", rc, CM_OK);
        cmallc(id, &rc);
    } while (rc == CM_ALLOCATE_FAILURE_RETRY);
    expect("cmallc", rc, CM_OK);
}

static void say(const unsigned char id[CM_CID_SIZE], const char* text) {
    const CM_INT32 length = (CM_INT32)strlen(text);
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    cmsend(id, text, &length, &rts, &rc);
    expect("cmsend", rc, CM_OK);
}

static void hear_sum(const unsigned char id[CM_CID_SIZE], long wanted) {
    char buffer[100];
    const CM_INT32 size = sizeof buffer;
    CM_DATA_RECEIVED_TYPE data;
    CM_INT32 length;
    CM_STATUS_RECEIVED status;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    cmrcv(id, buffer, &size, &data, &length, &status, &rts, &rc);
    expect("cmrcv", rc, CM_OK);
    expect("data_received", data, CM_COMPLETE_DATA_RECEIVED);
    char text[32];
    snprintf(text, sizeof text, "SUM %ld", wanted);
    expect("length of the answer", length, (CM_INT32)strlen(text));
    expect("the answer", memcmp(buffer, text, (size_t)length), 0);
    if (status == CM_NO_STATUS_RECEIVED) {
        /* The turn may come by itself. */
        cmrcv(id, buffer, &size, &data, &length, &status, &rts, &rc);
        expect("cmrcv of the turn", rc, CM_OK);
        expect("data with the turn", data, CM_NO_DATA_RECEIVED);
    }
    expect("status_received", status, CM_SEND_RECEIVED);
}

static void exchange(void) {
    unsigned char id[CM_CID_SIZE];
    CM_RETURN_CODE rc;
    begin(id, CM_CONFIRM);
    for (long i = 0; i < 200; ++i) {
        char text[64];
        snprintf(text, sizeof text, "ADD %ld %ld", i, 2 * i);
        say(id, text);
        if (i % 4 == 1) {
            const CM_PREPARE_TO_RECEIVE_TYPE type = CM_PREP_TO_RECEIVE_FLUSH;
            cmsptr(id, &type, &rc);
            expect("cmsptr", rc, CM_OK);
            cmptr(id, &rc);
            expect("cmptr", rc, CM_OK);
        } else if (i % 4 == 2) {
            const CM_PREPARE_TO_RECEIVE_TYPE type = CM_PREP_TO_RECEIVE_CONFIRM;
            cmsptr(id, &type, &rc);
            expect("cmsptr", rc, CM_OK);
            cmptr(id, &rc);
            expect("cmptr with confirmation", rc, CM_OK);
        } else if (i % 4 == 3) {
            CM_REQUEST_TO_SEND_RECEIVED rts;
            cmcfm(id, &rts, &rc);
            expect("cmcfm", rc, CM_OK);
        }
        hear_sum(id, 3 * i);
    }
    /* sync level CONFIRM: Deallocate returns when the server has confirmed. */
    cmdeal(id, &rc);
    expect("cmdeal", rc, CM_OK);
    CM_CONVERSATION_STATE state;
    cmecs(id, &state, &rc);
    expect("cmecs of a deallocated conversation", rc, CM_PROGRAM_PARAMETER_CHECK);
}

int main(int argc, char** argv) {
    const long lines = argc > 1 ? atol(argv[1]) : 500;
    exchange();
    unsigned char id[CM_CID_SIZE];
    begin(id, CM_NONE);
    for (long i = 0; i < lines; ++i) {
        char text[32];
        snprintf(text, sizeof text, "LINE %ld", i);
        say(id, text);
    }
    say(id, "STOP");
    CM_RETURN_CODE rc;
    cmdeal(id, &rc);
    expect("cmdeal", rc, CM_OK);
    exit(0);
}
