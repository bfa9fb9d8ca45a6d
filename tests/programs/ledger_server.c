/*
 * A server in C89, as programs of 1990 are written. It names no program: its configuration does, so Accept_Conversation
 * blocks until a partner comes.
 *
 * Every record is an amount. The server confirms what it is asked to confirm, refuses a negative amount with
 * Send_Error and a word of explanation, and ends with the conversation whose last amount is 0.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

static char buffer[32767];
static long total;
static long refused;
static long last_amount;

static void check(const char* what, CM_INT32 code) {
    if (code != CM_OK) {
        printf("server: %s gave %ld\n", what, (long)code);
        fflush(stdout);
        exit(1);
    }
}

static void refuse(unsigned char* id) {
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    CM_INT32 length = 8;
    CM_PREPARE_TO_RECEIVE_TYPE type = CM_PREP_TO_RECEIVE_FLUSH;

    cmserr(id, &rts, &rc);
    check("cmserr", rc);
    cmsend(id, "NEGATIVE", &length, &rts, &rc);
    check("cmsend", rc);
    cmsptr(id, &type, &rc);
    check("cmsptr", rc);
    cmptr(id, &rc);
    check("cmptr", rc);
    refused++;
}

static int serve(unsigned char* id) {
    CM_INT32 wanted = sizeof(buffer) - 1;
    CM_INT32 length;
    CM_DATA_RECEIVED_TYPE data;
    CM_STATUS_RECEIVED status;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;

    for (;;) {
        cmrcv(id, buffer, &wanted, &data, &length, &status, &rts, &rc);
        if (rc == CM_DEALLOCATED_NORMAL) return 0;
        check("cmrcv", rc);
        if (data == CM_COMPLETE_DATA_RECEIVED) {
            buffer[length] = '\0';
            last_amount = atol(buffer);
            if (last_amount > 0) total += last_amount;
        }
        if (status == CM_NO_STATUS_RECEIVED) continue;
        if (last_amount < 0) {
            last_amount = 1;
            refuse(id);
            continue;
        }
        cmcfmd(id, &rc);
        check("cmcfmd", rc);
        if (status == CM_CONFIRM_DEALLOC_RECEIVED) return last_amount == 0;
    }
}

int main(void) {
    unsigned char id[CM_CID_SIZE];
    unsigned char name[CM_TPN_SIZE];
    CM_INT32 length;
    CM_RETURN_CODE rc;
    int over = 0;

    while (!over) {
        cmaccp(id, &rc);
        check("cmaccp", rc);
        cmetpn(id, name, &length, &rc);
        check("cmetpn", rc);
        if (length != 6 || memcmp(name, "LEDGER", 6) != 0) {
            printf("server: called by the name %.*s\n", (int)length, (char*)name);
            return 1;
        }
        over = serve(id);
    }
    printf("total %ld refused %ld\n", total, refused);
    return 0;
}
