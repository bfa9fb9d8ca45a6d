/*
 * echo_blocking: gives back what it is sent, on threads that wait. Nothing but CPI-C: the configuration serves the name
 * and says where to listen.
 *
 *   lu_name = "NET.ECHO"
 *   listen = "127.0.0.1:4711"
 *   [[tp]]
 *   name = "ECHO"
 *
 * usage: echo_blocking [THREADS]    each serves one conversation at a time; without THREADS there is one
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "cpic.h"

static void serve(unsigned char* id) {
    char text[512];
    CM_INT32 size = sizeof text, length, data, status, rts, rc;
    for (;;) {
        cmrcv(id, text, &size, &data, &length, &status, &rts, &rc); /* gives the turn and waits for it to come back */
        if (rc != CM_OK) return;                                    /* 18: the partner has ended the conversation */
        if (status != CM_SEND_RECEIVED) {
            cmcanc(id, &rc); /* a longer record than we take, or one that wants no answer */
            return;
        }
        cmsend(id, text, &length, &rts, &rc); /* kept until the next Receive, so that both leave together */
        if (rc != CM_OK) return;
    }
}

static void* work(void* unused) {
    unsigned char id[CM_CID_SIZE];
    CM_INT32 rc;
    for (;;) {
        cmaccp(id, &rc); /* waits for a caller */
        if (rc != CM_OK) { /* 25: nobody can call any more; an attach manager says so at the end */
            fprintf(stderr, "echo_blocking: Accept_Conversation answered %ld\n", (long)rc);
            exit(rc != CM_PROGRAM_STATE_CHECK);
        }
        serve(id);
    }
    return unused;
}

int main(int argc, char** argv) {
    long threads = argc > 1 ? atol(argv[1]) : 1;
    for (; threads > 1; --threads) {
        pthread_t one;
        if (pthread_create(&one, NULL, work, NULL) != 0) {
            fprintf(stderr, "echo_blocking: no more than %s threads can be had, less %ld\n", argv[1], threads);
            break;
        }
    }
    work(NULL);
    return 0;
}
