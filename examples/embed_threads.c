/*
 * embed_threads: a transaction server on the program's own threads. The first one polls and dispatches; a sink passes
 * what completes to a queue, from which two workers take it. No thread of the runtime's.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "embed/transfer.h"

#define WORKERS 2
#define QUEUE 64

static struct {
    pthread_mutex_t lock;
    pthread_cond_t filled;
    clq_completion entry[QUEUE];
    unsigned first, count;
    int closed;
} queue = {.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER};

static int over; /* an eventfd: what the first thread polls besides */

/* Called on whichever thread completed something, workers too. A full queue is no trouble: we are asked again. */
static int COLLOQUY_CALL to_queue(void* unused, const clq_completion* completion) {
    (void)unused;
    (void)pthread_mutex_lock(&queue.lock);
    const int full = queue.count == QUEUE;
    if (!full) queue.entry[(queue.first + queue.count++) % QUEUE] = *completion;
    (void)pthread_mutex_unlock(&queue.lock);
    if (!full) (void)pthread_cond_signal(&queue.filled);
    return full;
}

/* 0: the queue is closed and empty. */
static int take(clq_completion* completion) {
    (void)pthread_mutex_lock(&queue.lock);
    while (queue.count == 0 && !queue.closed) (void)pthread_cond_wait(&queue.filled, &queue.lock);
    const int one = queue.count != 0;
    if (one) {
        *completion = queue.entry[queue.first];
        queue.first = (queue.first + 1) % QUEUE;
        --queue.count;
    }
    (void)pthread_mutex_unlock(&queue.lock);
    return one;
}

static void* work(void* server) {
    clq_completion completion;
    while (take(&completion)) transfer_completed((transfer_server*)server, &completion);
    return NULL;
}

static void ended(void* unused) {
    const uint64_t one = 1;
    (void)unused;
    if (write(over, &one, sizeof one) != sizeof one) abort();
}

int main(int argc, char** argv) {
    transfer_server server;
    pthread_t worker[WORKERS];
    CM_INT32 rc;
    over = eventfd(0, EFD_CLOEXEC);
    if (over < 0 || transfer_start(&server, argc > 1 ? argv[1] : "127.0.0.1:0", ended, NULL) != 0) return 1;
    clq_set_sink(NULL, to_queue, NULL, &rc);
    for (int i = 0; i < WORKERS; ++i)
        if (pthread_create(&worker[i], NULL, work, &server) != 0) return 1;
    if (rc != CM_OK || transfer_serve(&server) != 0) return 1;

    struct pollfd watched[2] = {{.fd = clq_wait_handle(), .events = POLLIN}, {.fd = over, .events = POLLIN}};
    while ((watched[1].revents & POLLIN) == 0) {
        const long long ns = clq_next_timeout_ns();
        const int ms = ns < 0 ? -1 : ns > 1000000000000LL ? 1000000 : (int)((ns + 999999) / 1000000);
        if (poll(watched, 2, ms) < 0 && errno != EINTR) return 1;
        (void)clq_dispatch();
    }

    /* The workers are there until the last completion, the stopped Accept's, has been passed on. */
    const int result = transfer_stop();
    (void)pthread_mutex_lock(&queue.lock);
    queue.closed = 1;
    (void)pthread_mutex_unlock(&queue.lock);
    (void)pthread_cond_broadcast(&queue.filled);
    for (int i = 0; i < WORKERS; ++i) (void)pthread_join(worker[i], NULL);
    (void)close(over);
    return result;
}
