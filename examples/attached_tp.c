/* attached_tp: a transaction program that colloquy attachd starts. Its first call is Accept_Conversation. */
#include <stdio.h>
#include <string.h>

#include "cpic.h"

int main(void) {
    unsigned char id[CM_CID_SIZE];
    char name[CM_TPN_SIZE], text[1000], answer[1100];
    CM_INT32 length = 0, size = sizeof text, got = 0, data, status, rts, rc;
    cmaccp(id, &rc);                                        /* the conversation it was started for */
    if (rc != CM_OK) return 1;
    cmetpn(id, name, &length, &rc);                         /* under which name it was called */
    cmrcv(id, text, &size, &data, &got, &status, &rts, &rc);
    if (rc != CM_OK || status != CM_SEND_RECEIVED) return 1;
    size = (CM_INT32)sprintf(answer, "%.*s heard: %.*s", (int)length, name, (int)got, text);
    cmsend(id, answer, &size, &rts, &rc);
    cmdeal(id, &rc);
    return rc == CM_OK ? 0 : 1;
}
