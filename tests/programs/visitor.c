/*
 * A visitor, C99: calls a program at another logical unit and leaves in the way it is told to. For tests of what a
 * partner hears of a process that ends.
 *
 * usage: visitor DESTINATION finish TEXT    sends TEXT, deallocates and exits at once
 *        visitor DESTINATION leave TEXT     sends TEXT and exits without Deallocate
 *        visitor DESTINATION stay TEXT      sends TEXT and receives until somebody kills it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"

static void check(const char* what, CM_INT32 code) {
    if (code == CM_OK) return;
    fprintf(stderr, "visitor: %s gave %ld: %s\n", what, (long)code, clq_last_error());
    exit(1);
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    clq_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.lu_name = "NET.VISITOR";
    options.conversations = 64;
    options.links = 16;
    check("clq_start", clq_start(&options));
    unsigned char id[CM_CID_SIZE];
    CM_RETURN_CODE rc;
    cminit(id, "        ", &rc);
    check("cminit", rc);
    clq_set_destination(id, argv[1], &rc);
    check("clq_set_destination", rc);
    cmallc(id, &rc);
    check("cmallc", rc);
    const CM_INT32 length = (CM_INT32)strlen(argv[3]);
    CM_REQUEST_TO_SEND_RECEIVED rts;
    cmsend(id, argv[3], &length, &rts, &rc);
    check("cmsend", rc);
    if (strcmp(argv[2], "finish") == 0) {
        cmdeal(id, &rc);
        check("cmdeal", rc);
        exit(0);
    }
    if (strcmp(argv[2], "leave") == 0) exit(0);
    char buffer[16];
    const CM_INT32 size = sizeof buffer;
    CM_DATA_RECEIVED_TYPE data;
    CM_INT32 got;
    CM_STATUS_RECEIVED status;
    cmrcv(id, buffer, &size, &data, &got, &status, &rts, &rc);
    check("cmrcv", rc);
    return 1;
}
