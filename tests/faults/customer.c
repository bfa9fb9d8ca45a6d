/*
 * Customers of a teller (tools/colloquy/bank.hpp), C99, who say each thing they do and hear, so that somebody else can
 * hold the ledger against it. Each has a conversation and a thread; whatever happens to the teller, they go on until
 * they know the outcome of all they asked for.
 *
 * usage: customer ADDRESS ACCOUNTS CUSTOMERS FIRST_ID
 *
 * Standard input: "go" begins; "arm STEP before|after PID" kills PID (0: this process) the next time anybody is at that
 * step (allocate, move, hear, ask, answer), and with PID -1 holds all who come there until a second such line tells it;
 * at the end of input they finish.
 * Standard output, a line each: "try ID FROM TO AMOUNT" before a transfer is first sent, then "confirmed ID" or
 * "refused ID", and "out ID" when the teller says that its store failed.
 */
#define _POSIX_C_SOURCE 200809L
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "colloquy/colloquy.h"

enum { record_size = 28, transfer = 1, query = 2, done = 1, unknown = 2, insufficient = 3, out_of_service = 7 };

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER; /* what follows */
static struct {
    char step[16];
    int after;
    int armed;
    pid_t whom; /* -1: it is not known yet, and who comes there waits */
} fate = {"", 0, 0, -1};
static pthread_cond_t told = PTHREAD_COND_INITIALIZER;
static int stopping;
static unsigned long long next_id;

static const char* destination;
static unsigned accounts;

static void say(const char* format, ...) {
    char line[160];
    va_list values;
    va_start(values, format);
    const int n = vsnprintf(line, sizeof line - 1, format, values);
    va_end(values);
    line[n] = '\n';
    /* One write is one line, also of a process that is about to die. */
    if (write(STDOUT_FILENO, line, (size_t)n + 1) != n + 1) exit(1);
}

static void must(const char* what, long code) {
    if (code == 0) return;
    fprintf(stderr, "customer: %s gave %ld: %s\n", what, code, clq_last_error());
    exit(1);
}

static int due(const char* step, int after) {
    return fate.armed && fate.after == after && strcmp(fate.step, step) == 0;
}

static void moment(const char* step, int after) {
    pthread_mutex_lock(&held);
    while (due(step, after) && fate.whom < 0) pthread_cond_wait(&told, &held);
    if (due(step, after)) {
        kill(fate.whom == 0 ? getpid() : fate.whom, SIGKILL);
        if (fate.whom == 0) pause();
        fate.armed = 0;
    }
    pthread_mutex_unlock(&held);
}

struct customer {
    unsigned char id[CM_CID_SIZE];
    unsigned char record[record_size];
    unsigned long long what;
    unsigned from, to, amount;
    unsigned random;
    int open;
    int doubt; /* it has been sent, and nobody knows what became of it */
};

static unsigned drawn(struct customer* c, unsigned below) {
    c->random = c->random * 1664525U + 1013904223U;
    return (c->random >> 8) % below;
}

static void put(unsigned char* at, unsigned long long value, int size) {
    for (int i = size; i-- > 0; value >>= 8) at[i] = (unsigned char)(value & 0xFF);
}

static void write_down(struct customer* c, unsigned char kind) {
    memset(c->record, 0, record_size);
    c->record[0] = kind;
    put(c->record + 4, c->from, 4);
    put(c->record + 8, c->to, 4);
    put(c->record + 12, c->what, 8);
    put(c->record + 20, c->amount, 8);
}

/* The conversation is over, by itself or by this. */
static void lose(struct customer* c) {
    CM_RETURN_CODE rc;
    cmcanc(c->id, &rc);
    c->open = 0;
    const struct timespec moment_of_rest = {0, 5 * 1000 * 1000};
    nanosleep(&moment_of_rest, NULL);
}

static int opened(struct customer* c) {
    if (c->open) return 1;
    CM_RETURN_CODE rc;
    const CM_SYNC_LEVEL level = CM_CONFIRM;
    cminit(c->id, "        ", &rc);
    must("cminit", rc);
    clq_set_destination(c->id, destination, &rc);
    must("clq_set_destination", rc);
    cmssl(c->id, &level, &rc);
    must("cmssl", rc);
    moment("allocate", 0);
    cmallc(c->id, &rc);
    moment("allocate", 1);
    if (rc == CM_OK) return c->open = 1;
    lose(c);
    return 0;
}

static CM_RETURN_CODE give(struct customer* c, unsigned char kind, CM_SEND_TYPE how) {
    write_down(c, kind);
    const CM_INT32 length = record_size;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    cmsst(c->id, &how, &rc);
    if (rc == CM_OK) cmsend(c->id, c->record, &length, &rts, &rc);
    return rc;
}

/* The teller's answer and the turn behind it: its verdict, or 0 when the conversation was lost. */
static int heard(struct customer* c) {
    int verdict = 0;
    for (;;) {
        const CM_INT32 room = record_size;
        CM_DATA_RECEIVED_TYPE data;
        CM_INT32 n;
        CM_STATUS_RECEIVED status = CM_NO_STATUS_RECEIVED;
        CM_REQUEST_TO_SEND_RECEIVED rts;
        CM_RETURN_CODE rc;
        cmrcv(c->id, c->record, &room, &data, &n, &status, &rts, &rc);
        if (rc != CM_OK) return 0;
        if (data == CM_COMPLETE_DATA_RECEIVED) verdict = c->record[0];
        if (status == CM_SEND_RECEIVED) return verdict;
    }
}

static void settle(struct customer* c, const char* how) {
    say("%s %llu", how, c->what);
    c->doubt = 0;
    c->what = 0;
}

static void move(struct customer* c) {
    moment("move", 0);
    c->doubt = 1;
    const CM_RETURN_CODE rc = give(c, transfer, CM_SEND_AND_CONFIRM);
    moment("move", 1);
    if (rc == CM_OK) {
        settle(c, "confirmed");
        return;
    }
    if (rc != CM_PROGRAM_ERROR_PURGING) {
        lose(c);
        return;
    }
    moment("hear", 0);
    const int verdict = heard(c);
    moment("hear", 1);
    if (verdict == insufficient) {
        settle(c, "refused");
    } else if (verdict == out_of_service) {
        say("out %llu", c->what);
        lose(c);
    } else if (verdict == 0) {
        lose(c);
    } else {
        must("a transfer's verdict", verdict);
    }
}

static void ask(struct customer* c) {
    moment("ask", 0);
    const CM_RETURN_CODE rc = give(c, query, CM_BUFFER_DATA);
    moment("ask", 1);
    if (rc != CM_OK) {
        lose(c);
        return;
    }
    moment("answer", 0);
    const int verdict = heard(c);
    moment("answer", 1);
    if (verdict == done)
        settle(c, "confirmed");
    else if (verdict == unknown)
        move(c);
    else if (verdict == 0 || verdict == out_of_service)
        lose(c);
    else
        must("a query's verdict", verdict);
}

static void draw(struct customer* c) {
    c->from = 1 + drawn(c, accounts);
    c->to = 1 + drawn(c, accounts - 1);
    if (c->to >= c->from) ++c->to;
    /* Now and then more than there is in the world, so that refusals are part of it. */
    c->amount = drawn(c, 8) == 0 ? 1000000000U : 1 + drawn(c, 100);
    say("try %llu %u %u %u", c->what, c->from, c->to, c->amount);
}

static void* live(void* argument) {
    struct customer* c = argument;
    for (;;) {
        if (c->what == 0) {
            pthread_mutex_lock(&held);
            if (!stopping) c->what = next_id++;
            pthread_mutex_unlock(&held);
            if (c->what == 0) break;
            draw(c);
        }
        if (!opened(c)) continue;
        if (c->doubt)
            ask(c);
        else
            move(c);
    }
    if (c->open) {
        CM_RETURN_CODE rc;
        cmdeal(c->id, &rc);
        if (rc != CM_OK) lose(c);
    }
    return NULL;
}

int main(int argc, char** argv) {
    if (argc != 5) return 2;
    char name[160];
    snprintf(name, sizeof name, "%s/TELLER", argv[1]);
    destination = name;
    accounts = (unsigned)atoi(argv[2]);
    const int customers = atoi(argv[3]);
    next_id = strtoull(argv[4], NULL, 10);
    const unsigned first = (unsigned)next_id;
    clq_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.lu_name = "NET.CUSTOMER";
    options.heartbeat_ms = 250;
    options.conversations = (unsigned)customers * 4 + 16;
    options.links = 16;
    must("clq_start", clq_start(&options));
    struct customer* all = calloc((size_t)customers, sizeof *all);
    pthread_t* threads = calloc((size_t)customers, sizeof *threads);
    if (all == NULL || threads == NULL) return 1;
    char line[160];
    char step[16];
    char when[16];
    long whom;
    int begun = 0;
    while (fgets(line, sizeof line, stdin) != NULL) {
        if (sscanf(line, "arm %15s %15s %ld", step, when, &whom) == 3) {
            pthread_mutex_lock(&held);
            strcpy(fate.step, step);
            fate.after = strcmp(when, "after") == 0;
            fate.whom = (pid_t)whom;
            fate.armed = 1;
            pthread_cond_broadcast(&told);
            pthread_mutex_unlock(&held);
        } else if (strcmp(line, "go\n") == 0) {
            for (; begun < customers; ++begun) {
                struct customer* const c = &all[begun];
                c->random = first * 2654435761U + (unsigned)begun * 40503U;
                must("pthread_create", pthread_create(&threads[begun], NULL, live, c));
            }
        } else {
            return 2;
        }
    }
    pthread_mutex_lock(&held);
    stopping = 1;
    pthread_mutex_unlock(&held);
    for (int i = 0; i < begun; ++i) pthread_join(threads[i], NULL);
    free(threads);
    free(all);
    (void)clq_stop(1000);
    return 0;
}
