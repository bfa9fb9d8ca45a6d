/*
 * What the trace is tested with: secrets, names, blocking conversations on several threads, and completions by
 * callback, sink and cmwait. Knows nothing of the trace.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"

#define THREADS 4
#define TURNS 50

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: %s (code %d)\n", __FILE__, __LINE__, #condition, (int)rc); \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static void secrets(void) {
    unsigned char id[CM_CID_SIZE];
    CM_INT32 rc, program = CM_SECURITY_PROGRAM, ten = 10, size = sizeof(SIDE_INFO), got;
    char user[CM_UID_SIZE];
    SIDE_INFO entry;
    cminit(id, "        ", &rc);
    CHECK(rc == CM_OK);
    cmscst(id, &program, &rc);
    cmscsu(id, "hushhushme", &ten, &rc);
    CHECK(rc == CM_OK);
    cmscsp(id, "topsecret1", &ten, &rc);
    CHECK(rc == CM_OK);
    cmecsu(id, user, &got, &rc);
    CHECK(rc == CM_OK && got == 10);
    memset(&entry, ' ', sizeof entry);
    memcpy(entry.sym_dest_name, "WITHPASS", 8);
    entry.TP_name_type = 0;
    entry.conversation_security_type = CM_SECURITY_PROGRAM;
    memcpy(entry.security_user_ID, "hushhush", 8);
    memcpy(entry.security_password, "topsecre", 8);
    xcmssi(NULL, &entry, &size, &rc);
    CHECK(rc == CM_OK);
    cmdeal(id, &rc); /* 25: it was never allocated */
}

static void* customer(void* unused) {
    unsigned char id[CM_CID_SIZE];
    char text[100];
    CM_INT32 rc, size = sizeof text, length = 8, data, got, status, rts;
    int i;
    (void)unused;
    cminit(id, "        ", &rc);
    clq_set_destination(id, "inproc/TRACED", &rc);
    cmallc(id, &rc);
    CHECK(rc == CM_OK);
    for (i = 0; i < TURNS; ++i) {
        cmsend(id, "question", &length, &rts, &rc);
        CHECK(rc == CM_OK);
        cmrcv(id, text, &size, &data, &got, &status, &rts, &rc);
        CHECK(rc == CM_OK && got == 6);
        if (status == CM_NO_STATUS_RECEIVED) cmrcv(id, text, &size, &data, &got, &status, &rts, &rc);
        CHECK(rc == CM_OK && status == CM_SEND_RECEIVED);
    }
    cmdeal(id, &rc);
    CHECK(rc == CM_OK);
    return NULL;
}

struct served {
    unsigned char id[CM_CID_SIZE];
    int accepting, receiving;
    char text[100];
    CM_INT32 size, length, data, got, status, rts;
};

static pthread_mutex_t over_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t over_more = PTHREAD_COND_INITIALIZER;
static int over;

/* Answers each turn; the next call, until one has to wait. */
static void go_on(struct served* s, CM_INT32 rc) {
    while (rc == CM_OK) {
        if (s->receiving && s->status == CM_SEND_RECEIVED) {
            s->receiving = 0;
            s->length = 6;
            cmsend(s->id, "answer", &s->length, &s->rts, &rc);
        } else {
            s->receiving = 1;
            s->size = sizeof s->text;
            s->status = 0;
            cmrcv(s->id, s->text, &s->size, &s->data, &s->got, &s->status, &s->rts, &rc);
        }
    }
    if (rc != CM_OPERATION_INCOMPLETE) {
        CHECK(rc == CM_DEALLOCATED_NORMAL);
        pthread_mutex_lock(&over_lock);
        ++over;
        pthread_cond_signal(&over_more);
        pthread_mutex_unlock(&over_lock);
    }
}

static void COLLOQUY_CALL heard(void* unused, const clq_completion* c) {
    struct served* s = (struct served*)c->id_memory;
    CM_INT32 mode = CM_NON_BLOCKING, rc;
    (void)unused;
    if (s->accepting && c->return_code == CM_OK) {
        s->accepting = 0;
        cmspm(s->id, &mode, &rc);
        go_on(s, rc);
    } else if (!s->accepting) {
        go_on(s, c->return_code);
    }
}

static pthread_mutex_t asked_lock = PTHREAD_MUTEX_INITIALIZER;
static int asked;

static int times_asked(int more) {
    int now;
    pthread_mutex_lock(&asked_lock);
    asked += more;
    now = asked;
    pthread_mutex_unlock(&asked_lock);
    return now;
}

/* Refuses the first time it is asked. */
static int COLLOQUY_CALL reluctant(void* unused, const clq_completion* c) {
    (void)unused;
    (void)c;
    return times_asked(1) == 1;
}

/* Serves one conversation with blocking calls. */
static void serve(const unsigned char* id) {
    char text[100];
    CM_INT32 rc, size = sizeof text, length = 6, data, got, status, rts;
    for (;;) {
        cmrcv(id, text, &size, &data, &got, &status, &rts, &rc);
        if (rc == CM_DEALLOCATED_NORMAL) return;
        CHECK(rc == CM_OK);
        if (status != CM_SEND_RECEIVED) continue;
        cmsend(id, "answer", &length, &rts, &rc);
        CHECK(rc == CM_OK);
    }
}

int main(void) {
    static struct served served[THREADS];
    unsigned char id[CM_CID_SIZE];
    pthread_t thread[THREADS];
    CM_INT32 rc = -1, length = 6, code;
    clq_options options;
    int i;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.lu_name = "lower.case";
    CHECK(clq_start(&options) != 0); /* the trace says why */
    options.lu_name = NULL;
    rc = clq_start(&options);
    CHECK(rc == 0);
    secrets();

    cmsltp("TRACED", &length, &rc);
    CHECK(rc == CM_OK);
    clq_set_sink(NULL, reluctant, NULL, &rc);
    cmaccp(id, &rc);
    CHECK(rc == CM_OPERATION_INCOMPLETE);
    cmcanc(id, &rc);
    CHECK(rc == CM_OK);
    while (times_asked(0) < 2) (void)clq_dispatch();
    clq_set_sink(NULL, NULL, NULL, &rc);

    cmaccp(id, &rc);
    CHECK(rc == CM_OPERATION_INCOMPLETE);
    CHECK(pthread_create(&thread[0], NULL, customer, NULL) == 0);
    cmwait(id, &code, &rc);
    CHECK(rc == CM_OK && code == CM_OK);
    serve(id);
    pthread_join(thread[0], NULL);

    clq_set_callback(NULL, heard, NULL, &rc);
    for (i = 0; i < THREADS; ++i) {
        served[i].accepting = 1;
        cmaccp(served[i].id, &rc);
        CHECK(rc == CM_OPERATION_INCOMPLETE);
    }
    for (i = 0; i < THREADS; ++i) CHECK(pthread_create(&thread[i], NULL, customer, NULL) == 0);
    for (i = 0; i < THREADS; ++i) pthread_join(thread[i], NULL);
    pthread_mutex_lock(&over_lock);
    while (over < THREADS) pthread_cond_wait(&over_more, &over_lock);
    pthread_mutex_unlock(&over_lock);
    clq_stop(1000);
    return 0;
}
