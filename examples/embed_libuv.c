/* embed_libuv: a transaction server inside libuv's loop, by callbacks, on the program's one thread. */
#include <uv.h>

#include "embed/transfer.h"

static uv_loop_t loop;
static uv_poll_t readable;     /* the runtime has something to do */
static uv_timer_t due;         /* or it is time to */
static uv_prepare_t before_waiting;

static void on_readable(uv_poll_t *handle, int status, int events) {
    (void)handle, (void)status, (void)events;
    (void)clq_dispatch();
}

static void on_due(uv_timer_t *handle) {
    (void)handle;
    (void)clq_dispatch();
}

/* The loop works out how long it will wait right after this. */
static void set_timer(uv_prepare_t *handle) {
    const long long ns = clq_next_timeout_ns();
    (void)handle;
    if (ns < 0) (void)uv_timer_stop(&due);
    else (void)uv_timer_start(&due, on_due, (uint64_t)((ns + 999999) / 1000000), 0);
}

static void ended(void *unused) {
    (void)unused;
    uv_stop(&loop);
}

static void close_handle(uv_handle_t *handle, void *unused) {
    (void)unused;
    uv_close(handle, NULL);
}

int main(int argc, char **argv) {
    transfer_server server;
    CM_INT32 rc;
    if (transfer_start(&server, argc > 1 ? argv[1] : "127.0.0.1:0", ended, NULL) != 0) return 1;
    clq_set_callback(NULL, transfer_callback, &server, &rc);
    if (rc != CM_OK || transfer_serve(&server) != 0) return 1;

    if (uv_loop_init(&loop) != 0 || uv_poll_init(&loop, &readable, clq_wait_handle()) != 0) return 1;
    (void)uv_timer_init(&loop, &due);
    (void)uv_prepare_init(&loop, &before_waiting);
    (void)uv_prepare_start(&before_waiting, set_timer);
    (void)uv_poll_start(&readable, UV_READABLE, on_readable);
    (void)uv_run(&loop, UV_RUN_DEFAULT);

    /* The handle leaves the loop before the runtime closes it. */
    uv_walk(&loop, close_handle, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    (void)uv_loop_close(&loop);
    return transfer_stop();
}
