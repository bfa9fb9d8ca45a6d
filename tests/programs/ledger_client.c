/*
 * The client of ledger_server.c, in C89. Names everything itself, and starts without knowing whether the server is up.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

static void check(const char *what, CM_INT32 code, CM_INT32 wanted)
{
    if (code != wanted) {
        printf("client: %s gave %ld instead of %ld\n", what, (long)code, (long)wanted);
        fflush(stdout);
        exit(1);
    }
}

static void begin(unsigned char *id)
{
    CM_INT32 length;
    CM_INT32 value;
    CM_RETURN_CODE rc;

    do {
        cminit(id, "        ", &rc);
        check("cminit", rc, CM_OK);
        length = 10;
        cmspln(id, "NET.SERVER", &length, &rc);
        check("cmspln", rc, CM_OK);
        length = 6;
        cmstpn(id, "LEDGER", &length, &rc);
        check("cmstpn", rc, CM_OK);
        length = 7;
        cmsmn(id, "#INTER7", &length, &rc);
        check("cmsmn", rc, CM_OK);
        value = CM_CONFIRM;
        cmssl(id, &value, &rc);
        check("cmssl", rc, CM_OK);
        cmallc(id, &rc);
    } while (rc == CM_ALLOCATE_FAILURE_RETRY);
    check("cmallc", rc, CM_OK);
}

static CM_RETURN_CODE put(unsigned char *id, long amount, CM_SEND_TYPE how)
{
    char text[32];
    CM_INT32 length;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;

    cmsst(id, &how, &rc);
    check("cmsst", rc, CM_OK);
    sprintf(text, "%ld", amount);
    length = (CM_INT32)strlen(text);
    cmsend(id, text, &length, &rts, &rc);
    return rc;
}

int main(void)
{
    unsigned char id[CM_CID_SIZE];
    char reason[8];
    CM_INT32 size = sizeof(reason);
    CM_INT32 length;
    CM_DATA_RECEIVED_TYPE data;
    CM_STATUS_RECEIVED status;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_CONVERSATION_STATE state;
    CM_RETURN_CODE rc;
    long i;

    for (i = 1; i <= 50; i++) {
        begin(id);
        check("buffered amount", put(id, i, CM_BUFFER_DATA), CM_OK);
        check("flushed amount", put(id, i, CM_SEND_AND_FLUSH), CM_OK);
        check("confirmed amount", put(id, i, CM_SEND_AND_CONFIRM), CM_OK);

        /* A refusal answers the confirmation, and the turn is the server's. */
        check("refused amount", put(id, -i, CM_SEND_AND_CONFIRM), CM_PROGRAM_ERROR_PURGING);
        cmecs(id, &state, &rc);
        check("cmecs", rc, CM_OK);
        check("state after the refusal", state, CM_RECEIVE_STATE);
        cmrcv(id, reason, &size, &data, &length, &status, &rts, &rc);
        check("cmrcv", rc, CM_OK);
        check("length of the reason", length, 8);
        check("the reason", memcmp(reason, "NEGATIVE", 8), 0);
        if (status == CM_NO_STATUS_RECEIVED) {
            cmrcv(id, reason, &size, &data, &length, &status, &rts, &rc);
            check("cmrcv of the turn", rc, CM_OK);
        }
        check("the turn", status, CM_SEND_RECEIVED);

        check("last amount", put(id, i == 50 ? 0L : i, CM_SEND_AND_DEALLOCATE), CM_OK);
        cmecs(id, &state, &rc);
        check("the conversation is over", rc, CM_PROGRAM_PARAMETER_CHECK);
    }
    return 0;
}
