/*
 * A non-blocking server on one thread, C99: a few Accepts always outstanding, a Receive outstanding for each
 * conversation, and one loop around Wait_For_Conversation. Echoes every record; ends when as many conversations as it
 * was told are over.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

enum { accepts_outstanding = 4, places = 1024, record_max = 512 };

struct place {
    unsigned char id[CM_CID_SIZE];
    enum { place_free, place_accepting, place_receiving, place_sending } doing;
    char buffer[record_max];
    CM_DATA_RECEIVED_TYPE data;
    CM_INT32 length;
    CM_STATUS_RECEIVED status;
    CM_REQUEST_TO_SEND_RECEIVED rts;
};
static struct place table[places];
static long over;
static long wanted;

static void die(const char* what, CM_INT32 code) {
    printf("server: %s gave %ld\n", what, (long)code);
    fflush(stdout);
    exit(1);
}

static void begin(struct place* p);

static void accept_next(void) {
    struct place* p = table;
    while (p->doing != place_free)
        if (++p == table + places) die("too many conversations at a time", places);
    p->doing = place_accepting;
    CM_RETURN_CODE rc;
    cmaccp(p->id, &rc);
    if (rc == CM_OK)
        begin(p);
    else if (rc != CM_OPERATION_INCOMPLETE)
        die("cmaccp", rc);
}

/* Goes on until an operation is outstanding or the conversation is over; `code` is what the last operation gave. */
static void go_on(struct place* p, CM_RETURN_CODE code) {
    for (;;) {
        const CM_INT32 size = record_max;
        if (p->doing == place_receiving && code == CM_DEALLOCATED_NORMAL) {
            p->doing = place_free;
            ++over;
            return;
        }
        if (code != CM_OK) die("an operation", code);
        if (p->doing == place_receiving && p->status == CM_SEND_RECEIVED) {
            const CM_SEND_TYPE how = CM_SEND_AND_PREP_TO_RECEIVE;
            CM_RETURN_CODE rc;
            cmsst(p->id, &how, &rc);
            if (rc != CM_OK) die("cmsst", rc);
            p->doing = place_sending;
            cmsend(p->id, p->buffer, &p->length, &p->rts, &code);
        } else {
            /* A record without a turn waits in the buffer until the turn comes alone. */
            CM_INT32 keep = p->doing == place_receiving && p->data == CM_COMPLETE_DATA_RECEIVED ? p->length : -1;
            p->doing = place_receiving;
            if (keep >= 0) die("a record without the turn", keep);
            cmrcv(p->id, p->buffer, &size, &p->data, &p->length, &p->status, &p->rts, &code);
        }
        if (code == CM_OPERATION_INCOMPLETE) return;
    }
}

static void begin(struct place* p) {
    const CM_PROCESSING_MODE mode = CM_NON_BLOCKING;
    CM_RETURN_CODE rc;
    cmspm(p->id, &mode, &rc);
    if (rc != CM_OK) die("cmspm", rc);
    accept_next();
    p->data = CM_NO_DATA_RECEIVED;
    go_on(p, CM_OK);
}

int main(int argc, char** argv) {
    wanted = argc > 1 ? atol(argv[1]) : 1;
    const CM_INT32 length = 5;
    CM_RETURN_CODE rc;
    cmsltp("FLOCK", &length, &rc);
    if (rc != CM_OK) die("cmsltp", rc);
    puts("ready");
    fflush(stdout);
    for (int i = 0; i < accepts_outstanding; ++i) accept_next();
    while (over < wanted) {
        unsigned char id[CM_CID_SIZE];
        CM_RETURN_CODE code;
        cmwait(id, &code, &rc);
        if (rc != CM_OK) die("cmwait", rc);
        struct place* p = table;
        while (p->doing == place_free || memcmp(p->id, id, CM_CID_SIZE) != 0)
            if (++p == table + places) die("cmwait told of a conversation nobody knows", code);
        if (p->doing == place_accepting) {
            if (code != CM_OK) die("an accept", code);
            begin(p);
        } else {
            go_on(p, code);
        }
    }
    printf("over %ld\n", over);
    return 0;
}
