/*
 * client: calls a TP and tells what became of it.
 *
 * usage: client DEST COUNT THREADS   that many conversations, each a record and its answer; prints how many ended with
 *                                    which code, "0" being those that got their data: "0 97\n11 3\n"
 *        client DEST talk            one conversation; for each line read, sends it and prints the code and the answer
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"
#include "cpic.h"

enum { codes = 200, wrong_data = codes - 1 };

static const char* destination;
static unsigned long left, tallied[codes];
static pthread_mutex_t busy = PTHREAD_MUTEX_INITIALIZER;

static CM_INT32 open_conversation(unsigned char* id) {
    CM_INT32 rc;
    cminit(id, "        ", &rc);
    if (rc == CM_OK) clq_set_destination(id, destination, &rc);
    if (rc == CM_OK) cmallc(id, &rc);
    return rc;
}

/* Sends a record and takes the answer with the turn, or with the end. */
static CM_INT32 exchange(unsigned char* id, const char* text, char* answer, CM_INT32 room, int last) {
    CM_INT32 size = (CM_INT32)strlen(text), got = 0, data, status, rts, rc;
    answer[0] = '\0';
    cmsend(id, text, &size, &rts, &rc);
    if (rc != CM_OK) return rc;
    for (size = 0;;) {
        CM_INT32 space = room > 32767 ? 32767 : room - 1;
        cmrcv(id, answer, &space, &data, &got, &status, &rts, &rc);
        if (rc == CM_DEALLOCATED_NORMAL && got > 0 && data == CM_COMPLETE_DATA_RECEIVED) size = got;
        if (rc == CM_OK && data == CM_COMPLETE_DATA_RECEIVED) size = got;
        answer[size] = '\0';
        if (rc == CM_DEALLOCATED_NORMAL && last && size > 0) return CM_OK;
        if (rc != CM_OK) return rc;
        if (!last && status == CM_SEND_RECEIVED) return CM_OK;
    }
}

static void* work(void* unused) {
    unsigned char id[CM_CID_SIZE];
    char text[64], expected[128], answer[256];
    (void)unused;
    for (;;) {
        unsigned long mine;
        CM_INT32 rc;
        pthread_mutex_lock(&busy);
        mine = left > 0 ? left-- : 0;
        pthread_mutex_unlock(&busy);
        if (mine == 0) return NULL;
        sprintf(text, "record %lu", mine);
        sprintf(expected, "0 heard %s", text);
        rc = open_conversation(id);
        if (rc == CM_OK) rc = exchange(id, text, answer, sizeof answer, 1);
        if (rc == CM_OK && strcmp(answer, expected) != 0) rc = wrong_data;
        if (rc < 0 || rc >= codes) rc = wrong_data;
        pthread_mutex_lock(&busy);
        ++tallied[rc];
        pthread_mutex_unlock(&busy);
    }
}

static int talk(void) {
    unsigned char id[CM_CID_SIZE];
    char line[1000];
    static char answer[40000];
    CM_INT32 rc = open_conversation(id);
    while (rc == CM_OK && fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        rc = exchange(id, line, answer, sizeof answer, 0);
        printf("%d %s\n", (int)rc, answer);
        fflush(stdout);
    }
    if (rc == CM_OK) cmdeal(id, &rc);
    return rc == CM_OK ? 0 : 1;
}

int main(int argc, char** argv) {
    pthread_t threads[64];
    int i, count;
    if (argc < 3) return 2;
    destination = argv[1];
    if (strcmp(argv[2], "talk") == 0) return talk();
    left = strtoul(argv[2], NULL, 10);
    count = argc > 3 ? atoi(argv[3]) : 1;
    if (count < 1 || count > 64) return 2;
    for (i = 0; i < count; ++i)
        if (pthread_create(&threads[i], NULL, work, NULL) != 0) return 1;
    for (i = 0; i < count; ++i) pthread_join(threads[i], NULL);
    for (i = 0; i < codes; ++i)
        if (tallied[i] != 0) printf("%d %lu\n", i, tallied[i]);
    return 0;
}
