/*
 * tp: a program for the attach manager to start, well behaved or not.
 *
 * usage: tp WHAT [PERCENT SEED]
 *   once       accepts, answers one record, ends
 *   queue      the same over and over until no conversation can come
 *   talk       accepts and answers record after record until its partner ends
 *   talks      the same over and over until no conversation can come
 *   twice      as once, then accepts again and prints the code
 *   exit       ends without having accepted
 *   hang       never accepts, and does not end when asked
 *   fork       leaves the work to a child and ends
 *   daemon     the same, and the child leaves its process group
 *   helper     as once, with a child that outlives it
 *   nested     as talk, with a child of a child that has ended
 *   state      answers with what it was started with: descriptors, group, environment, limits
 *   register   names itself TP by Specify_Local_TP_Name and then is as queue; prints the code
 * With PERCENT, once and queue kill themselves for so many of a hundred conversations, somewhere on the way.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "colloquy/colloquy.h"
#include "colloquy/security.h"
#include "cpic.h"

static unsigned long long fate;
static unsigned percent;

/* splitmix64: enough to choose a moment. */
static unsigned long long next_number(void) {
    unsigned long long z = fate += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}

/* Where in the next conversation this process dies, 0 to 4; -1: not in this one. */
static int choose_end(void) {
    const int dies = next_number() % 100 < percent;
    return dies ? (int)(next_number() % 5) : -1;
}

static void die_if(int chosen, int here) {
    if (chosen == here) raise(SIGKILL);
}

static void describe(char* to, size_t room) {
    struct rlimit cpu, files;
    sigset_t blocked;
    size_t used;
    int i, masked = 0;
    char place[512] = "?";
    getrlimit(RLIMIT_CPU, &cpu);
    getrlimit(RLIMIT_NOFILE, &files);
    sigprocmask(SIG_SETMASK, NULL, &blocked);
    for (i = 1; i < 32; ++i) masked += sigismember(&blocked, i) == 1;
    if (getcwd(place, sizeof place) == NULL) place[0] = '?';
    used = (size_t)snprintf(to, room, "group=%d masked=%d cpu=%ld files=%ld cwd=%s COLOUR=%s NOTIFY=%s fds=",
                            getpgrp() == getpid(), masked, (long)cpu.rlim_cur, (long)files.rlim_cur, place,
                            getenv("COLOUR") ? getenv("COLOUR") : "-",
                            getenv("NOTIFY_SOCKET") ? getenv("NOTIFY_SOCKET") : "-");
    for (i = 0; i < 200 && used < room; ++i)
        if (fcntl(i, F_GETFD) >= 0 && i < 4) used += (size_t)snprintf(to + used, room - used, "%d", i);
}

/* One conversation: answers a record, or each of them until the partner ends. The code that ended it. */
static CM_INT32 serve(unsigned char* id, int talk, int end, const char* fixed) {
    static char text[40000], answer[41000];
    CM_INT32 size = 32767, got = 0, data = 0, status = 0, rts, length, rc;
    for (;;) {
        cmrcv(id, text, &size, &data, &got, &status, &rts, &rc);
        if (rc != CM_OK) return rc;
        die_if(end, 2);
        if (status != CM_SEND_RECEIVED) continue;
        if (fixed != NULL)
            length = (CM_INT32)sprintf(answer, "%s", fixed);
        else
            length = (CM_INT32)sprintf(answer, "%ld heard %.*s", talk ? (long)getpid() : 0L, (int)got, text);
        cmsend(id, answer, &length, &rts, &rc);
        if (rc != CM_OK) return rc;
        die_if(end, 3);
        if (!talk) break;
    }
    cmdeal(id, &rc);
    die_if(end, 4);
    return rc;
}

static int accept_and_serve(int talk, const char* fixed) {
    unsigned char id[CM_CID_SIZE];
    CM_INT32 rc;
    const int end = choose_end();
    die_if(end, 0);
    cmaccp(id, &rc);
    if (rc == CM_OPERATION_INCOMPLETE) { /* a program that has named a TP is not made to wait */
        CM_INT32 result;
        cmwait(id, &result, &rc);
        if (rc == CM_OK) rc = result;
    }
    if (rc != CM_OK) return (int)rc;
    die_if(end, 1);
    serve(id, talk, end, fixed);
    return 0;
}

static int queue(int talk) {
    int rc = 0;
    while (rc == 0) rc = accept_and_serve(talk, NULL);
    /* 25: no conversation can come any more, which is how a queued program ends. */
    return rc == CM_PROGRAM_STATE_CHECK ? 0 : 1;
}

static int leave_to_child(int in_its_own_session) {
    const pid_t child = fork();
    if (child != 0) return child < 0;
    if (in_its_own_session) setsid();
    return accept_and_serve(0, NULL) != 0;
}

static void COLLOQUY_CALL say_refused(void* nobody, const char* line) {
    (void)nobody;
    fprintf(stderr, "%s\n", line);
}

int main(int argc, char** argv) {
    const char* what = argc > 1 ? argv[1] : "";
    clq_set_security_log(say_refused, NULL);
    if (argc > 3) {
        percent = (unsigned)atoi(argv[2]);
        fate = strtoull(argv[3], NULL, 0) ^ (unsigned long long)getpid() * 0xD1B54A32D192ED03ULL;
    }
    if (strcmp(what, "once") == 0) return accept_and_serve(0, NULL) != 0;
    if (strcmp(what, "queue") == 0) return queue(0);
    if (strcmp(what, "talk") == 0) return accept_and_serve(1, NULL) != 0;
    if (strcmp(what, "talks") == 0) return queue(1);
    if (strcmp(what, "twice") == 0) {
        const int first = accept_and_serve(0, NULL);
        printf("accepted %d, then %d\n", first, accept_and_serve(0, NULL));
        return 0;
    }
    if (strcmp(what, "exit") == 0) return 3;
    if (strcmp(what, "hang") == 0) {
        signal(SIGTERM, SIG_IGN);
        for (;;) pause();
    }
    if (strcmp(what, "fork") == 0) return leave_to_child(0);
    if (strcmp(what, "daemon") == 0) return leave_to_child(1);
    if (strcmp(what, "helper") == 0) {
        const pid_t child = fork();
        if (child == 0)
            for (;;) pause();
        return child < 0 || accept_and_serve(0, NULL) != 0;
    }
    if (strcmp(what, "nested") == 0) {
        const pid_t child = fork();
        if (child == 0) {
            if (fork() == 0)
                for (;;) pause();
            _exit(0);
        }
        return child < 0 || waitpid(child, NULL, 0) != child || accept_and_serve(1, NULL) != 0;
    }
    if (strcmp(what, "state") == 0) {
        char text[2000];
        describe(text, sizeof text);
        return accept_and_serve(0, text) != 0;
    }
    if (strcmp(what, "register") == 0) {
        CM_INT32 length = 2, rc;
        cmsltp("TP", &length, &rc);
        printf("registered %d %s\n", (int)rc, rc == CM_OK ? "" : clq_last_error());
        fflush(stdout);
        return rc == CM_OK ? queue(0) : 1;
    }
    fprintf(stderr, "tp: what is '%s'?\n", what);
    return 2;
}
