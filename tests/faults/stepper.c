/*
 * A program, C99, that walks a conversation through every step of the protocol and may kill itself or its partner with
 * SIGKILL right before or right after any of them. It does what it is told on standard input, a line each:
 *
 *   arm STEP before|after PID   kills PID there (0: this process) on the next walk
 *   walk ADDRESS blocking|waiting   the walk as the caller; "waiting" issues every call non-blocking and waits for it
 *   hold ADDRESS / poke / drop  a conversation that is opened once, used and ended
 *   held                        what this process holds
 *
 * and answers each with a line. A server first says where it listens, and says "served" and the codes of its steps when
 * a walk is over. Ends with its input.
 *
 * usage: stepper serve | call | storm ADDRESS N
 */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "colloquy/colloquy.h"

static pthread_mutex_t speaking = PTHREAD_MUTEX_INITIALIZER;
/* Under `speaking`: */
static int threads; /* of accepted conversations */
static struct {
    int step;
    int after;
    pid_t whom; /* -1: nobody */
} fate = {0, 0, -1};

static void say(const char* format, ...) {
    va_list values;
    va_start(values, format);
    pthread_mutex_lock(&speaking);
    vprintf(format, values);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&speaking);
    va_end(values);
}

static void must(const char* what, long code) {
    if (code == CM_OK) return;
    fprintf(stderr, "stepper: %s gave %ld: %s\n", what, code, clq_last_error());
    exit(1);
}

struct walk {
    unsigned char id[CM_CID_SIZE];
    int waiting; /* calls return at once and are waited for */
    int step;    /* how many have begun */
    int over;    /* nothing more can be done on it */
    size_t length;
    char codes[256];
};

static void moment(const struct walk* w, int after) {
    pthread_mutex_lock(&speaking);
    if (fate.whom >= 0 && fate.step == w->step && fate.after == after) {
        kill(fate.whom == 0 ? getpid() : fate.whom, SIGKILL);
        if (fate.whom == 0) pause();
        fate.whom = -1;
    }
    pthread_mutex_unlock(&speaking);
}

static int begin(struct walk* w) {
    if (w->over) return 0;
    ++w->step;
    moment(w, 0);
    return 1;
}

static CM_RETURN_CODE settled(struct walk* w, CM_RETURN_CODE rc) {
    if (rc != CM_OPERATION_INCOMPLETE || !w->waiting) return rc;
    unsigned char finished[CM_CID_SIZE];
    CM_RETURN_CODE result;
    cmwait(finished, &result, &rc);
    must("cmwait", rc);
    if (memcmp(finished, w->id, CM_CID_SIZE) != 0) must("cmwait of another conversation", 1);
    return result;
}

static void end(struct walk* w, CM_RETURN_CODE rc, CM_RETURN_CODE wanted) {
    w->length += (size_t)snprintf(w->codes + w->length, sizeof w->codes - w->length, "%s%ld", w->length == 0 ? "" : ",",
                                  (long)rc);
    if (rc == wanted)
        moment(w, 1);
    else
        w->over = 1;
}

/* Receives until there is data (`status` 0) or that status; what comes must be `text`. */
static void take(struct walk* w, const char* text, CM_INT32 status, CM_RETURN_CODE wanted) {
    if (!begin(w)) return;
    char got[64];
    size_t length = 0;
    for (;;) {
        char buffer[64];
        const CM_INT32 room = sizeof buffer;
        CM_DATA_RECEIVED_TYPE data = CM_NO_DATA_RECEIVED;
        CM_INT32 n = 0;
        CM_STATUS_RECEIVED told = CM_NO_STATUS_RECEIVED;
        CM_REQUEST_TO_SEND_RECEIVED rts;
        CM_RETURN_CODE rc;
        cmrcv(w->id, buffer, &room, &data, &n, &told, &rts, &rc);
        rc = settled(w, rc);
        if (rc == CM_OK && data != CM_NO_DATA_RECEIVED && length + (size_t)n < sizeof got) {
            memcpy(got + length, buffer, (size_t)n);
            length += (size_t)n;
        }
        if (rc == CM_OK && told != status && told == CM_NO_STATUS_RECEIVED) continue;
        got[length] = '\0';
        if (rc == wanted && strcmp(got, text) != 0) must("a record that is another", 1);
        if (rc == CM_OK && status != 0 && told != status) must("a status that is another", told);
        end(w, rc, wanted);
        return;
    }
}

static void give(struct walk* w, const char* text, CM_SEND_TYPE how) {
    if (!begin(w)) return;
    const CM_INT32 n = (CM_INT32)strlen(text);
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    cmsst(w->id, &how, &rc);
    if (rc == CM_OK) {
        cmsend(w->id, text, &n, &rts, &rc);
        rc = settled(w, rc);
    }
    end(w, rc, CM_OK);
}

typedef void(COLLOQUY_CALL simple_call)(const void* id, CM_RETURN_CODE* rc);
typedef void(COLLOQUY_CALL told_call)(const void* id, CM_REQUEST_TO_SEND_RECEIVED* rts, CM_RETURN_CODE* rc);

static void just(struct walk* w, simple_call* call) {
    if (!begin(w)) return;
    CM_RETURN_CODE rc;
    call(w->id, &rc);
    end(w, settled(w, rc), CM_OK);
}

static void tell(struct walk* w, told_call* call, CM_RETURN_CODE wanted) {
    if (!begin(w)) return;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    call(w->id, &rts, &rc);
    end(w, settled(w, rc), wanted);
}

static void turn(struct walk* w, CM_PREPARE_TO_RECEIVE_TYPE how) {
    if (!begin(w)) return;
    CM_RETURN_CODE rc;
    cmsptr(w->id, &how, &rc);
    if (rc == CM_OK) {
        cmptr(w->id, &rc);
        rc = settled(w, rc);
    }
    end(w, rc, CM_OK);
}

/* What is said at the end: the codes, and whether the conversation is known any more. */
static void report(struct walk* w, const char* word) {
    CM_CONVERSATION_STATE state;
    CM_RETURN_CODE rc;
    cmecs(w->id, &state, &rc);
    say("%s %s %s", word, w->codes, rc == CM_PROGRAM_PARAMETER_CHECK ? "gone" : "open");
    if (rc == CM_OK) cmcanc(w->id, &rc);
}

static void open_to(unsigned char* id, const char* address, CM_SYNC_LEVEL level) {
    CM_RETURN_CODE rc;
    cminit(id, "        ", &rc);
    must("cminit", rc);
    clq_set_destination(id, address, &rc);
    must("clq_set_destination", rc);
    cmssl(id, &level, &rc);
    must("cmssl", rc);
}

static void walk_as_caller(const char* address, int waiting) {
    struct walk w = {.waiting = waiting};
    char destination[160];
    snprintf(destination, sizeof destination, "%s/STEP", address);
    open_to(w.id, destination, CM_CONFIRM);
    if (waiting) {
        const CM_PROCESSING_MODE mode = CM_NON_BLOCKING;
        CM_RETURN_CODE rc;
        cmspm(w.id, &mode, &rc);
        must("cmspm", rc);
    }
    just(&w, cmallc);
    give(&w, "one", CM_BUFFER_DATA);
    tell(&w, cmcfm, CM_OK);
    give(&w, "two", CM_BUFFER_DATA);
    turn(&w, CM_PREP_TO_RECEIVE_CONFIRM);
    take(&w, "three", CM_NO_STATUS_RECEIVED, CM_OK);
    tell(&w, cmserr, CM_OK);
    give(&w, "four", CM_BUFFER_DATA);
    turn(&w, CM_PREP_TO_RECEIVE_FLUSH);
    take(&w, "", CM_NO_STATUS_RECEIVED, CM_PROGRAM_ERROR_NO_TRUNC);
    take(&w, "five", CM_SEND_RECEIVED, CM_OK);
    give(&w, "six", CM_SEND_AND_CONFIRM);
    just(&w, cmdeal);
    report(&w, "walked");
}

static void walk_as_server(struct walk* w) {
    end(w, CM_OK, CM_OK); /* the Accept, as step 1 */
    take(w, "one", CM_CONFIRM_RECEIVED, CM_OK);
    just(w, cmcfmd);
    take(w, "two", CM_CONFIRM_SEND_RECEIVED, CM_OK);
    just(w, cmcfmd);
    give(w, "three", CM_SEND_AND_FLUSH);
    tell(w, cmcfm, CM_PROGRAM_ERROR_PURGING);
    take(w, "four", CM_SEND_RECEIVED, CM_OK);
    /* The error is in what it is about to send, however the turn came: with the data or behind it. */
    const CM_ERROR_DIRECTION direction = CM_SEND_ERROR;
    CM_RETURN_CODE rc;
    cmsed(w->id, &direction, &rc);
    tell(w, cmserr, CM_OK);
    give(w, "five", CM_BUFFER_DATA);
    turn(w, CM_PREP_TO_RECEIVE_FLUSH);
    take(w, "six", CM_CONFIRM_RECEIVED, CM_OK);
    just(w, cmcfmd);
    take(w, "", CM_CONFIRM_DEALLOC_RECEIVED, CM_OK);
    just(w, cmcfmd);
    report(w, "served");
}

/* Gives back what it gets, until it is told that the conversation is over. */
static void echo(struct walk* w) {
    char buffer[64];
    CM_INT32 length = 0;
    for (;;) {
        const CM_INT32 room = sizeof buffer;
        CM_DATA_RECEIVED_TYPE data;
        CM_INT32 n;
        CM_STATUS_RECEIVED status = CM_NO_STATUS_RECEIVED;
        CM_REQUEST_TO_SEND_RECEIVED rts;
        CM_RETURN_CODE rc;
        cmrcv(w->id, buffer, &room, &data, &n, &status, &rts, &rc);
        if (rc != CM_OK) return;
        if (data != CM_NO_DATA_RECEIVED) length = n;
        if (status != CM_SEND_RECEIVED) continue;
        cmsend(w->id, buffer, &length, &rts, &rc);
        if (rc != CM_OK) return;
    }
}

static void* converse(void* argument) {
    struct walk* w = argument;
    char name[65] = "";
    CM_INT32 n = 0;
    CM_RETURN_CODE rc;
    cmetpn(w->id, name, &n, &rc);
    if (rc == CM_OK && n == 4 && memcmp(name, "HOLD", 4) == 0)
        echo(w);
    else
        walk_as_server(w);
    free(w);
    pthread_mutex_lock(&speaking);
    --threads;
    pthread_mutex_unlock(&speaking);
    return NULL;
}

static void* accept_all(void* unused) {
    (void)unused;
    for (;;) {
        struct walk* w = calloc(1, sizeof *w);
        if (w == NULL) exit(1);
        CM_RETURN_CODE rc;
        cmaccp(w->id, &rc);
        if (rc == CM_OPERATION_INCOMPLETE) {
            unsigned char finished[CM_CID_SIZE];
            CM_RETURN_CODE result;
            cmwait(finished, &result, &rc);
            if (rc == CM_OK) rc = result;
        }
        if (rc != CM_OK) {
            free(w);
            return NULL; /* it is the end of the program */
        }
        w->step = 1;
        pthread_mutex_lock(&speaking);
        ++threads;
        pthread_mutex_unlock(&speaking);
        pthread_t thread;
        must("pthread_create", pthread_create(&thread, NULL, converse, w));
        pthread_detach(thread);
    }
}

static void say_held(void) {
    int descriptors = 0;
    DIR* folder = opendir("/proc/self/fd");
    while (folder != NULL && readdir(folder) != NULL) ++descriptors;
    if (folder != NULL) closedir(folder);
    pthread_mutex_lock(&speaking);
    const int walking = threads;
    pthread_mutex_unlock(&speaking);
    say("held %lld %lld %d %d", (long long)(clq_counter("conversations_opened") - clq_counter("conversations_closed")),
        (long long)(clq_counter("links_opened") - clq_counter("links_closed")), descriptors, walking);
}

static void poke(const unsigned char* id) {
    const CM_INT32 length = 4;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;
    cmsend(id, "poke", &length, &rts, &rc);
    CM_INT32 got = 0;
    CM_STATUS_RECEIVED status = CM_NO_STATUS_RECEIVED;
    while (rc == CM_OK && status != CM_SEND_RECEIVED) {
        char buffer[64];
        const CM_INT32 room = sizeof buffer;
        CM_DATA_RECEIVED_TYPE data;
        CM_INT32 n;
        cmrcv(id, buffer, &room, &data, &n, &status, &rts, &rc);
        if (rc == CM_OK && data != CM_NO_DATA_RECEIVED) got = n;
    }
    say("poked %ld %s", (long)rc, got == 4 ? "whole" : "nothing");
}

/* Begins, calls a program that echoes, and ends, over and over; by turns in order and in the middle. */
static int storm(const char* address, int rounds) {
    for (int i = 0; i < rounds; ++i) {
        clq_options options;
        memset(&options, 0, sizeof options);
        options.size = sizeof options;
        options.config_file = "";
        options.lu_name = "NET.STORM";
        options.conversations = 16;
        options.links = 4;
        must("clq_start", clq_start(&options));
        unsigned char id[CM_CID_SIZE];
        char destination[160];
        snprintf(destination, sizeof destination, "%s/ECHO", address);
        open_to(id, destination, CM_NONE);
        CM_RETURN_CODE rc;
        cmallc(id, &rc);
        must("cmallc", rc);
        if (i % 3 != 2) poke(id);
        if (i % 3 == 0) {
            cmdeal(id, &rc);
            must("cmdeal", rc);
        }
        (void)clq_stop(i % 3 == 0 ? 10000 : 0);
    }
    return 0;
}

int main(int argc, char** argv) {
    if (argc == 4 && strcmp(argv[1], "storm") == 0) return storm(argv[2], atoi(argv[3]));
    const int serving = argc == 2 && strcmp(argv[1], "serve") == 0;
    if (!serving && (argc != 2 || strcmp(argv[1], "call") != 0)) return 2;
    clq_options options;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.lu_name = serving ? "NET.SERVES" : "NET.CALLS";
    options.listen = serving ? "127.0.0.1:0" : NULL;
    options.tp_names = serving ? "STEP HOLD" : NULL;
    options.conversations = 64;
    options.links = 16;
    must("clq_start", clq_start(&options));
    pthread_t accepting;
    if (serving) {
        static const char* const names[] = {"STEP", "HOLD"};
        for (int i = 0; i < 2; ++i) {
            const CM_INT32 length = 4;
            CM_RETURN_CODE rc;
            cmsltp(names[i], &length, &rc);
            must("cmsltp", rc);
        }
        must("pthread_create", pthread_create(&accepting, NULL, accept_all, NULL));
        char address[128];
        must("clq_listening", clq_listening(0, address, sizeof address));
        say("%s", address);
    }

    char line[256];
    char word[128];
    char how[16];
    unsigned char held[CM_CID_SIZE];
    while (fgets(line, sizeof line, stdin) != NULL) {
        int step;
        long whom;
        CM_RETURN_CODE rc;
        if (sscanf(line, "arm %d %15s %ld", &step, how, &whom) == 3) {
            pthread_mutex_lock(&speaking);
            fate.step = step;
            fate.after = strcmp(how, "after") == 0;
            fate.whom = (pid_t)whom;
            pthread_mutex_unlock(&speaking);
            say("armed");
        } else if (sscanf(line, "walk %100s %15s", word, how) == 2) {
            walk_as_caller(word, strcmp(how, "waiting") == 0);
        } else if (sscanf(line, "hold %100s", word) == 1) {
            strcat(word, "/HOLD");
            open_to(held, word, CM_NONE);
            cmallc(held, &rc);
            must("cmallc", rc);
            poke(held);
        } else if (strcmp(line, "poke\n") == 0) {
            poke(held);
        } else if (strcmp(line, "drop\n") == 0) {
            cmdeal(held, &rc);
            say("dropped %ld", (long)rc);
        } else if (strcmp(line, "held\n") == 0) {
            say_held();
        } else {
            return 2;
        }
    }
    (void)clq_stop(1000);
    if (serving) pthread_join(accepting, NULL);
    return 0;
}
