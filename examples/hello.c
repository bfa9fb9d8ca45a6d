/* hello: two programs in one process talk over a conversation. No network, no configuration. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "colloquy/colloquy.h"
#include "cpic.h"

static void *server(void *unused) {
    unsigned char id[CM_CID_SIZE];
    char text[100];
    CM_INT32 size = sizeof text, got, data, status, rts, answer = 5, code, rc;
    (void)unused;
    cmaccp(id, &rc);                                 /* 35: somebody will call, or has called just now: 0 */
    if (rc == CM_OPERATION_INCOMPLETE) cmwait(id, &code, &rc);
    cmrcv(id, text, &size, &data, &got, &status, &rts, &rc);
    printf("server heard: %.*s\n", (int)got, text);
    cmsend(id, "world", &answer, &rts, &rc);         /* the turn came with the data */
    cmdeal(id, &rc);
    return NULL;
}

int main(void) {
    unsigned char id[CM_CID_SIZE];
    char text[100];
    CM_INT32 name = 8, size = sizeof text, question = 5, got, data, status, rts, rc;
    pthread_t thread;
    cmsltp("GREETING", &name, &rc);                  /* this process serves the name */
    pthread_create(&thread, NULL, server, NULL);

    cminit(id, "        ", &rc);
    clq_set_destination(id, "inproc/GREETING", &rc); /* or "host:port/GREETING", or a name of the side information */
    cmallc(id, &rc);
    cmsend(id, "hello", &question, &rts, &rc);
    cmrcv(id, text, &size, &data, &got, &status, &rts, &rc); /* sends, gives the turn, waits for the answer */
    printf("client heard: %.*s, and return code %d: the server has ended normally\n", (int)got, text, (int)rc);
    pthread_join(thread, NULL);
    return rc == CM_DEALLOCATED_NORMAL && got == 5 && memcmp(text, "world", 5) == 0 ? 0 : 1;
}
