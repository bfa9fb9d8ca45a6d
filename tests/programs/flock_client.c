/*
 * A non-blocking client whose threads all sit in Wait_For_Conversation, C99 with POSIX threads: whoever collects a
 * completion carries that conversation on. Each completion must be collected by exactly one thread.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

enum { threads_max = 16, conversations_max = 1024, record_max = 200 };

struct talk {
    unsigned char id[CM_CID_SIZE];
    enum { talk_allocating, talk_sending, talk_receiving, talk_ending, talk_over } doing;
    int round;
    char out[record_max];
    char in[record_max];
    CM_INT32 out_length;
    CM_DATA_RECEIVED_TYPE data;
    CM_INT32 length;
    CM_STATUS_RECEIVED status;
    CM_REQUEST_TO_SEND_RECEIVED rts;
};
static struct talk talks[conversations_max];
static int conversations, threads, rounds;
static pthread_mutex_t counting = PTHREAD_MUTEX_INITIALIZER;
static long issued, collected, finished;

static void die(const char* what, CM_INT32 code) {
    printf("client: %s gave %ld\n", what, (long)code);
    fflush(stdout);
    exit(1);
}

static void count(long* what) {
    pthread_mutex_lock(&counting);
    ++*what;
    pthread_mutex_unlock(&counting);
}

/* `doing` is set before each call: as soon as it is issued another thread may carry on. */
static void go_on(struct talk* t, CM_RETURN_CODE code) {
    for (;;) {
        if (code != CM_OK) die("an operation", code);
        const CM_INT32 size = record_max;
        switch (t->doing) {
            case talk_receiving:
                if (t->data != CM_COMPLETE_DATA_RECEIVED || t->length != t->out_length ||
                    memcmp(t->in, t->out, (size_t)t->length) != 0)
                    die("an echo", t->length);
                if (t->status != CM_SEND_RECEIVED) die("the status of an echo", t->status);
                if (++t->round == rounds) {
                    t->doing = talk_ending;
                    cmdeal(t->id, &code);
                    break;
                }
                /* fall through */
            case talk_allocating:
                t->doing = talk_sending;
                snprintf(t->out, sizeof t->out, "conversation %d round %d", (int)(t - talks), t->round);
                t->out_length = (CM_INT32)strlen(t->out);
                cmsend(t->id, t->out, &t->out_length, &t->rts, &code);
                break;
            case talk_sending:
                t->doing = talk_receiving;
                cmrcv(t->id, t->in, &size, &t->data, &t->length, &t->status, &t->rts, &code);
                break;
            case talk_ending:
                t->doing = talk_over;
                count(&finished);
                return;
            case talk_over: die("an operation after the end", code);
        }
        if (code == CM_OPERATION_INCOMPLETE) {
            count(&issued);
            return;
        }
    }
}

static void begin(struct talk* t) {
    const CM_PROCESSING_MODE mode = CM_NON_BLOCKING;
    CM_RETURN_CODE rc;
    cminit(t->id, "FLOCK", &rc);
    if (rc != CM_OK) die("cminit", rc);
    cmspm(t->id, &mode, &rc);
    if (rc != CM_OK) die("cmspm", rc);
    t->doing = talk_allocating;
    cmallc(t->id, &rc);
    if (rc == CM_OPERATION_INCOMPLETE)
        count(&issued);
    else
        go_on(t, rc);
}

static struct talk* find(const unsigned char* id) {
    for (int i = 0; i < conversations; ++i)
        if (memcmp(talks[i].id, id, CM_CID_SIZE) == 0) return talks + i;
    die("cmwait told of a conversation nobody knows", 0);
    return NULL;
}

static void* wait_and_go_on(void* ignored) {
    for (;;) {
        unsigned char id[CM_CID_SIZE];
        CM_RETURN_CODE code;
        CM_RETURN_CODE rc;
        cmwait(id, &code, &rc);
        /* Nothing is outstanding: what is left, if anything, is in the hands of another thread, which comes back to
         * wait. */
        if (rc == CM_PROGRAM_STATE_CHECK) return ignored;
        if (rc != CM_OK) die("cmwait", rc);
        count(&collected);
        go_on(find(id), code);
    }
}

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    conversations = atoi(argv[1]);
    threads = atoi(argv[2]);
    rounds = atoi(argv[3]);
    if (conversations > conversations_max || threads > threads_max) return 2;
    for (int i = 0; i < conversations; ++i) begin(talks + i);
    pthread_t all[threads_max];
    for (int i = 0; i < threads; ++i)
        if (pthread_create(&all[i], NULL, wait_and_go_on, NULL) != 0) die("pthread_create", i);
    for (int i = 0; i < threads; ++i) pthread_join(all[i], NULL);
    if (collected != issued) die("completions that are missing or double", (CM_INT32)(issued - collected));
    if (finished != conversations) die("conversations finished", (CM_INT32)finished);
    unsigned char id[CM_CID_SIZE];
    CM_RETURN_CODE code;
    CM_RETURN_CODE rc;
    cmwait(id, &code, &rc);
    if (rc != CM_PROGRAM_STATE_CHECK) die("cmwait with nothing outstanding", rc);
    printf("collected %s, finished %ld\n", collected > 0 ? "some" : "none", finished);
    return 0;
}
