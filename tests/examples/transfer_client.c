/*
 * Drives a transaction server of examples/embed over TCP and checks all it says.
 *
 * usage: transfer_client HOST:PORT THREADS CONVERSATIONS_OF_A_THREAD ROUNDS
 * Says "open" when all conversations are, works when a line comes in, says "done", and makes the server quit at the
 * next line.
 * Money is made nowhere and lost nowhere: each confirmed transfer moves some, each refused one says why, and the sum
 * stays.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"

#define ACCOUNTS 8
#define OPENING 100L
#define MANY 64

static char destination[100];
static unsigned conversations, rounds;
static pthread_barrier_t opened, work, worked;

#define CHECK(condition)                                                                       \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: %s (code %d)\n", __FILE__, __LINE__, #condition, (int)rc); \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

static void open_one(unsigned char* id) {
    CM_INT32 rc, confirm = CM_CONFIRM, rts;
    cminit(id, "        ", &rc);
    CHECK(rc == CM_OK);
    clq_set_destination(id, destination, &rc);
    CHECK(rc == CM_OK);
    cmssl(id, &confirm, &rc);
    CHECK(rc == CM_OK);
    cmallc(id, &rc);
    CHECK(rc == CM_OK);
    cmcfm(id, &rts, &rc); /* nothing to confirm but that the program runs */
    CHECK(rc == CM_OK);
}

/* Sends a record and gives the turn; the answer, and the turn back. */
static CM_INT32 ask(const unsigned char* id, const char* record, CM_INT32 length, char* answer,
                    CM_INT32* answer_length) {
    CM_INT32 rc, rts, size = 1024, data, got = 0, status;
    cmsend(id, record, &length, &rts, &rc);
    CHECK(rc == CM_OK);
    cmrcv(id, answer, &size, &data, &got, &status, &rts, &rc);
    if (rc != CM_OK) return rc;
    CHECK(data == CM_COMPLETE_DATA_RECEIVED);
    *answer_length = got;
    if (status == CM_NO_STATUS_RECEIVED) {
        char none[8];
        size = sizeof none;
        cmrcv(id, none, &size, &data, &got, &status, &rts, &rc);
        CHECK(rc == CM_OK && data == CM_NO_DATA_RECEIVED);
    }
    CHECK(status == CM_SEND_RECEIVED);
    return rc;
}

static void echo(const unsigned char* id, unsigned seed) {
    char record[256], answer[1024];
    CM_INT32 rc, got = 0, i, length = (CM_INT32)(seed * 37 % 257);
    for (i = 0; i < length; ++i) record[i] = (char)(seed + (unsigned)i * 7);
    rc = ask(id, record, length, answer, &got);
    CHECK(rc == CM_OK && got == length && memcmp(record, answer, (size_t)length) == 0);
}

static void too_long(const unsigned char* id) {
    static const char expected[] = "the record is too long";
    char record[900], answer[1024];
    CM_INT32 rc, got = 0, size = sizeof answer, data, status, rts;
    memset(record, 'x', sizeof record);
    rc = ask(id, record, sizeof record, answer, &got);
    CHECK(rc == CM_PROGRAM_ERROR_PURGING);
    cmrcv(id, answer, &size, &data, &got, &status, &rts, &rc);
    CHECK(rc == CM_OK && got == (CM_INT32)sizeof expected - 1 && memcmp(answer, expected, sizeof expected - 1) == 0);
    if (status == CM_NO_STATUS_RECEIVED) cmrcv(id, answer, &size, &data, &got, &status, &rts, &rc);
    CHECK(rc == CM_OK && status == CM_SEND_RECEIVED);
}

static void transfer(const unsigned char* id, unsigned seed) {
    static const char expected[] = "not enough money";
    char record[64], answer[64];
    CM_INT32 rc, length, size = sizeof answer, got = 0, data, status, rts;
    const unsigned from = seed % ACCOUNTS, to = (from + 1 + seed / ACCOUNTS % (ACCOUNTS - 1)) % ACCOUNTS;
    length = sprintf(record, "transfer a%u a%u %u", from, to, 1 + seed % 60);
    cmsend(id, record, &length, &rts, &rc);
    CHECK(rc == CM_OK);
    cmcfm(id, &rts, &rc);
    if (rc == CM_OK) return;
    CHECK(rc == CM_PROGRAM_ERROR_PURGING);
    cmrcv(id, answer, &size, &data, &got, &status, &rts, &rc);
    CHECK(rc == CM_OK && got == (CM_INT32)sizeof expected - 1 && memcmp(answer, expected, sizeof expected - 1) == 0);
    if (status == CM_NO_STATUS_RECEIVED) cmrcv(id, answer, &size, &data, &got, &status, &rts, &rc);
    CHECK(rc == CM_OK && status == CM_SEND_RECEIVED);
}

static long sum(const unsigned char* id) {
    char record[32], answer[1024], name[16];
    CM_INT32 rc, got = 0, length;
    long total = 0, amount = -1;
    unsigned i;
    for (i = 0; i < ACCOUNTS; ++i) {
        length = sprintf(record, "balance a%u", i);
        rc = ask(id, record, length, answer, &got);
        CHECK(rc == CM_OK);
        answer[got] = '\0';
        CHECK(sscanf(answer, "%15s %ld", name, &amount) == 2 && amount >= 0);
        total += amount;
    }
    return total;
}

static void* customer(void* number) {
    unsigned char id[MANY][CM_CID_SIZE];
    const unsigned base = *(unsigned*)number * 1000;
    unsigned i, round;
    CM_INT32 rc;
    for (i = 0; i < conversations; ++i) open_one(id[i]);
    pthread_barrier_wait(&opened);
    pthread_barrier_wait(&work);
    for (round = 0; round < rounds; ++round)
        for (i = 0; i < conversations; ++i) {
            const unsigned seed = (base + round * 31 + i * 7) * 2654435761U >> 8;
            echo(id[i], seed);
            transfer(id[i], seed);
        }
    too_long(id[0]);
    for (i = 0; i < conversations; ++i) {
        cmdeal(id[i], &rc); /* asks for confirmation, as the sync level says */
        CHECK(rc == CM_OK);
    }
    pthread_barrier_wait(&worked);
    return NULL;
}

static void wait_for_line(const char* said) {
    char line[16];
    puts(said);
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) == NULL) exit(1);
}

int main(int argc, char** argv) {
    pthread_t thread[MANY];
    unsigned number[MANY], threads, i;
    unsigned char id[CM_CID_SIZE];
    CM_INT32 rc = 0, length = 4, rts;
    long total;
    if (argc != 5) return 2;
    (void)snprintf(destination, sizeof destination, "%s/TRANSFER", argv[1]);
    threads = (unsigned)atoi(argv[2]);
    conversations = (unsigned)atoi(argv[3]);
    rounds = (unsigned)atoi(argv[4]);
    if (threads - 1U >= MANY || conversations - 1U >= MANY) return 2;
    pthread_barrier_init(&opened, NULL, threads + 1);
    pthread_barrier_init(&work, NULL, threads + 1);
    pthread_barrier_init(&worked, NULL, threads + 1);
    for (i = 0; i < threads; ++i) {
        number[i] = i;
        CHECK(pthread_create(&thread[i], NULL, customer, &number[i]) == 0);
    }
    pthread_barrier_wait(&opened);
    wait_for_line("open");
    pthread_barrier_wait(&work);
    pthread_barrier_wait(&worked);
    for (i = 0; i < threads; ++i) pthread_join(thread[i], NULL);

    open_one(id);
    total = sum(id);
    CHECK(total == ACCOUNTS * OPENING);
    wait_for_line("done");
    cmsend(id, "quit", &length, &rts, &rc);
    CHECK(rc == CM_OK);
    cmdeal(id, &rc);
    CHECK(rc == CM_OK);
    puts("over");
    return 0;
}
