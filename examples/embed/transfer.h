/*
 * transfer.h: a small transaction server, as the embed_ examples run it. C99 and C++.
 *
 * It serves the TP "TRANSFER". A partner sends one record a turn:
 *   transfer A B AMOUNT   and asks for confirmation: Confirmed when the money has moved, else Send_Error and a reason
 *   balance A             and gives the turn: the answer is "A AMOUNT"
 *   quit                  and ends the conversation: the server ends when its other conversations have
 *   anything else         and gives the turn: the same record comes back
 *
 * Nothing here waits and nothing here knows of a loop: each call either is done at once, or answers 35 and goes on in
 * transfer_completed. It is correct on any number of threads, because a conversation has one call outstanding at a
 * time.
 */
#ifndef TRANSFER_H
#define TRANSFER_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"

#define TRANSFER_ACCOUNTS 64
#define TRANSFER_OPENING 100L /* what an account holds when it is first named */
#define TRANSFER_RECORD 256

typedef struct transfer_account {
    char name[16];
    long amount;
} transfer_account;

/* What is still to be said in answer to what came, in this order. */
enum { TRANSFER_REFUSE = 1, TRANSFER_CONFIRM = 2, TRANSFER_ANSWER = 4 };

typedef struct transfer_server {
    pthread_mutex_t lock; /* of all below: a host may have several threads */
    transfer_account account[TRANSFER_ACCOUNTS];
    unsigned open;
    int quitting;
    int ended_told;
    void (*ended)(void* user); /* asked to quit, and no conversation is left. Called on any thread, once */
    void* user;
} transfer_server;

/* The ID comes first: a completion's id_memory is then the conversation itself. */
typedef struct transfer_conversation {
    unsigned char id[CM_CID_SIZE];
    int accepting, receiving;
    int to_say;
    char record[TRANSFER_RECORD + 1];
    char answer[TRANSFER_RECORD + 1];
    CM_INT32 length, answer_length;
    CM_INT32 size, got, data, status, request_to_send; /* outputs of calls that are not done yet */
} transfer_conversation;

static inline transfer_account* transfer_find(transfer_server* s, const char* name) {
    for (int i = 0; i < TRANSFER_ACCOUNTS; ++i) {
        transfer_account* a = &s->account[i];
        if (a->name[0] == '\0') {
            (void)snprintf(a->name, sizeof a->name, "%s", name);
            a->amount = TRANSFER_OPENING;
        }
        if (strcmp(a->name, name) == 0) return a;
    }
    return NULL;
}

/* Moves the money. NULL: done; otherwise why not. */
static inline const char* transfer_carry_out(transfer_server* s, const char* from, const char* to, long amount) {
    const char* why = NULL;
    (void)pthread_mutex_lock(&s->lock);
    transfer_account *a = transfer_find(s, from), *b = transfer_find(s, to);
    if (a == NULL || b == NULL)
        why = "no such account";
    else if (a == b || amount <= 0)
        why = "not a transfer";
    else if (a->amount < amount)
        why = "not enough money";
    else {
        a->amount -= amount;
        b->amount += amount;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return why;
}

static inline void transfer_quit(transfer_server* s) {
    CM_INT32 length = 8, rc;
    cmrltp("TRANSFER", &length, &rc); /* who calls from here on is told that there is no such program */
    (void)pthread_mutex_lock(&s->lock);
    s->quitting = 1;
    (void)pthread_mutex_unlock(&s->lock);
}

static inline void transfer_answer(transfer_conversation* c, const char* text) {
    c->answer_length = snprintf(c->answer, sizeof c->answer, "%s", text);
    c->to_say |= TRANSFER_ANSWER;
}

/* A record is complete and its sender waits for what we say: decides what that is. */
static inline void transfer_request(transfer_server* s, transfer_conversation* c) {
    char from[16], to[16];
    long amount = 0;
    const int confirm = c->status != CM_SEND_RECEIVED;
    c->to_say = confirm ? TRANSFER_CONFIRM : 0;
    c->record[c->length] = '\0';
    if (sscanf(c->record, "transfer %15s %15s %ld", from, to, &amount) == 3) {
        const char* why = confirm ? transfer_carry_out(s, from, to, amount) : "a transfer wants confirmation";
        if (why != NULL) {
            if (confirm) c->to_say = TRANSFER_REFUSE;
            transfer_answer(c, why);
        }
    } else if (sscanf(c->record, "balance %15s", from) == 1) {
        char text[64];
        (void)pthread_mutex_lock(&s->lock);
        const transfer_account* a = transfer_find(s, from);
        (void)snprintf(text, sizeof text, "%s %ld", from, a == NULL ? 0 : a->amount);
        (void)pthread_mutex_unlock(&s->lock);
        if (!confirm) transfer_answer(c, text);
    } else if (strcmp(c->record, "quit") == 0) {
        transfer_quit(s);
    } else if (!confirm) {
        memcpy(c->answer, c->record, (size_t)c->length);
        c->answer_length = c->length;
        c->to_say |= TRANSFER_ANSWER;
    }
    if (c->status == CM_CONFIRM_SEND_RECEIVED && (c->to_say & TRANSFER_ANSWER) == 0) transfer_answer(c, "done");
    c->length = 0;
}

/* The next call on the conversation; its return code. After 35 `c` may be in another thread's hands already. */
static inline CM_INT32 transfer_issue(transfer_conversation* c) {
    CM_INT32 rc;
    c->receiving = 0;
    if ((c->to_say & TRANSFER_REFUSE) != 0) {
        c->to_say &= ~TRANSFER_REFUSE;
        cmserr(c->id, &c->request_to_send, &rc);
    } else if ((c->to_say & TRANSFER_CONFIRM) != 0) {
        c->to_say &= ~TRANSFER_CONFIRM;
        cmcfmd(c->id, &rc);
    } else if ((c->to_say & TRANSFER_ANSWER) != 0) {
        c->to_say &= ~TRANSFER_ANSWER;
        cmsend(c->id, c->answer, &c->answer_length, &c->request_to_send, &rc);
    } else {
        c->receiving = 1;
        c->size = TRANSFER_RECORD - c->length;
        c->data = CM_NO_DATA_RECEIVED;
        c->status = CM_NO_STATUS_RECEIVED;
        cmrcv(c->id, c->record + c->length, &c->size, &c->data, &c->got, &c->status, &c->request_to_send, &rc);
    }
    return rc;
}

static inline int transfer_alive(const transfer_conversation* c) {
    CM_INT32 state, rc;
    cmecs(c->id, &state, &rc);
    return rc == CM_OK;
}

/* The conversation is over. */
static inline void transfer_forget(transfer_server* s, transfer_conversation* c) {
    (void)pthread_mutex_lock(&s->lock);
    const int last = --s->open == 0 && s->quitting && !s->ended_told;
    if (last) s->ended_told = 1;
    (void)pthread_mutex_unlock(&s->lock);
    free(c);
    if (last) s->ended(s->user);
}

/* The outstanding call is done with `rc`: goes on until the next one has to wait. */
static inline void transfer_go_on(transfer_server* s, transfer_conversation* c, CM_INT32 rc) {
    for (; rc != CM_OPERATION_INCOMPLETE; rc = transfer_issue(c)) {
        if (rc != CM_OK) {
            if (!transfer_alive(c)) break;
            c->to_say = 0; /* the partner reported an error and sends now */
            c->length = 0;
        } else if (c->receiving) {
            if (c->data != CM_NO_DATA_RECEIVED) c->length += c->got;
            if (c->data == CM_INCOMPLETE_DATA_RECEIVED && c->length == TRANSFER_RECORD) {
                c->to_say = TRANSFER_REFUSE;
                transfer_answer(c, "the record is too long");
                c->length = 0;
            } else if (c->status != CM_NO_STATUS_RECEIVED) {
                transfer_request(s, c);
            }
        } else if (c->to_say == 0 && !transfer_alive(c)) {
            break; /* that was the Confirmed that ends it */
        }
    }
    if (rc != CM_OPERATION_INCOMPLETE) transfer_forget(s, c);
}

static inline void transfer_begin(transfer_server* s, transfer_conversation* c) {
    CM_INT32 mode = CM_NON_BLOCKING, rc;
    (void)pthread_mutex_lock(&s->lock);
    ++s->open;
    (void)pthread_mutex_unlock(&s->lock);
    c->accepting = 0;
    cmspm(c->id, &mode, &rc);
    transfer_go_on(s, c, transfer_issue(c));
}

/* Keeps one Accept_Conversation outstanding. 0, or -1: none could be issued. */
static inline int transfer_accept(transfer_server* s) {
    for (;;) {
        CM_INT32 rc;
        transfer_conversation* c = (transfer_conversation*)calloc(1, sizeof *c);
        if (c == NULL) return -1;
        c->accepting = 1;
        cmaccp(c->id, &rc);
        if (rc == CM_OPERATION_INCOMPLETE) return 0;
        if (rc != CM_OK) {
            free(c);
            return -1;
        }
        transfer_begin(s, c); /* somebody had called already */
    }
}

/* To be called with each completion, from a callback or from whoever takes what a sink passed on. */
static inline void transfer_completed(transfer_server* s, const clq_completion* completion) {
    transfer_conversation* c = (transfer_conversation*)completion->id_memory;
    if (!c->accepting) {
        transfer_go_on(s, c, completion->return_code);
    } else if (completion->return_code == CM_OK) {
        transfer_begin(s, c);
        (void)transfer_accept(s);
    } else {
        free(c); /* the server is being stopped */
    }
}

/* A callback for the whole process; `user` is the server. */
static inline void COLLOQUY_CALL transfer_callback(void* user, const clq_completion* completion) {
    transfer_completed((transfer_server*)user, completion);
}

/* Starts the logical unit without a thread of its own. Register a callback or a sink, then call transfer_serve. */
static inline int transfer_start(transfer_server* s, const char* listen, void (*ended)(void* user), void* user) {
    clq_options options;
    memset(s, 0, sizeof *s);
    (void)pthread_mutex_init(&s->lock, NULL);
    s->ended = ended;
    s->user = user;
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.lu_name = "NET.TRANSFER";
    options.listen = listen;
    options.conversations = 4096;
    options.no_threads = 1;
    if (clq_start(&options) == 0) return 0;
    (void)fprintf(stderr, "%s\n", clq_last_error());
    return -1;
}

/* Serves, and says where on standard output. */
static inline int transfer_serve(transfer_server* s) {
    CM_INT32 length = 8, rc;
    char where[64];
    cmsltp("TRANSFER", &length, &rc);
    if (rc != CM_OK || transfer_accept(s) != 0 || clq_listening(0, where, sizeof where) != 0) return -1;
    (void)printf("serving %s\n", where);
    return fflush(stdout);
}

/* After the loop: what was said is written and every link closed. Not from a callback. */
static inline int transfer_stop(void) {
    const int drained = clq_drain(2000);
    return clq_stop(2000) == 0 && drained == 0 ? 0 : 1;
}

#endif
