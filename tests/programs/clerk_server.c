/*
 * A server as a CPI-C manual would have it, C99: names its program, accepts one conversation after another with the
 * wait that a named program needs, answers requests, confirms, counts lines, and ends when a partner asks it to.
 *
 * Requests: "ADD a b" is answered with the sum; "LINE n" is only counted, in order; "STOP" ends the server.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

static long lines;
static int stopping;

static void die(const char* what, CM_INT32 code) {
    printf("server: %s gave %ld\n", what, (long)code);
    fflush(stdout);
    exit(1);
}

static void accept_one(unsigned char id[CM_CID_SIZE]) {
    CM_RETURN_CODE rc;
    cmaccp(id, &rc);
    if (rc == CM_OPERATION_INCOMPLETE) {
        unsigned char finished[CM_CID_SIZE];
        CM_RETURN_CODE result;
        cmwait(finished, &result, &rc);
        if (rc != CM_OK || result != CM_OK) die("cmwait for an accept", rc != CM_OK ? rc : result);
        if (memcmp(finished, id, CM_CID_SIZE) != 0) die("cmwait told of another conversation", rc);
    } else if (rc != CM_OK) {
        die("cmaccp", rc);
    }
}

static void answer(unsigned char id[CM_CID_SIZE], const char* request) {
    char text[64];
    long a = 0;
    long b = 0;
    if (sscanf(request, "ADD %ld %ld", &a, &b) == 2)
        snprintf(text, sizeof text, "SUM %ld", a + b);
    else
        snprintf(text, sizeof text, "WHAT %.40s", request);
    CM_INT32 length = (CM_INT32)strlen(text);
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    cmsend(id, text, &length, &rts, &rc);
    if (rc != CM_OK) die("cmsend of an answer", rc);
}

static void serve(unsigned char id[CM_CID_SIZE]) {
    char buffer[32767];
    char request[64] = "";
    for (;;) {
        const CM_INT32 wanted = 32767;
        CM_DATA_RECEIVED_TYPE data;
        CM_INT32 length;
        CM_STATUS_RECEIVED status;
        CM_REQUEST_TO_SEND_RECEIVED rts;
        CM_RETURN_CODE rc;
        cmrcv(id, buffer, &wanted, &data, &length, &status, &rts, &rc);
        if (rc != CM_OK && rc != CM_DEALLOCATED_NORMAL) die("cmrcv", rc);
        if (data == CM_COMPLETE_DATA_RECEIVED) {
            const size_t most = (size_t)length < sizeof request - 1 ? (size_t)length : sizeof request - 1;
            memcpy(request, buffer, most);
            request[most] = '\0';
            long n = -1;
            if (strcmp(request, "STOP") == 0) stopping = 1;
            if (sscanf(request, "LINE %ld", &n) == 1) {
                if (n != lines) die("a line is missing before line", (CM_INT32)n);
                ++lines;
            }
        }
        if (rc == CM_DEALLOCATED_NORMAL) return;
        switch (status) {
            case CM_NO_STATUS_RECEIVED: break;
            case CM_SEND_RECEIVED: answer(id, request); break;
            case CM_CONFIRM_RECEIVED:
            case CM_CONFIRM_SEND_RECEIVED:
                cmcfmd(id, &rc);
                if (rc != CM_OK) die("cmcfmd", rc);
                if (status == CM_CONFIRM_SEND_RECEIVED) answer(id, request);
                break;
            case CM_CONFIRM_DEALLOC_RECEIVED:
                cmcfmd(id, &rc);
                if (rc != CM_OK) die("cmcfmd of a deallocation", rc);
                return;
            default: die("cmrcv told an unknown status", status);
        }
    }
}

int main(void) {
    const CM_INT32 length = 5;
    CM_RETURN_CODE rc;
    cmsltp("CLERK", &length, &rc);
    if (rc != CM_OK) die("cmsltp", rc);
    puts("ready");
    fflush(stdout);
    while (!stopping) {
        unsigned char id[CM_CID_SIZE];
        accept_one(id);
        serve(id);
    }
    printf("lines %ld\n", lines);
    return 0;
}
