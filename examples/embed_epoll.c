/* embed_epoll: a transaction server inside a loop of epoll, by callbacks, on the program's one thread. */
#include <errno.h>
#include <sys/epoll.h>

#include "embed/transfer.h"

static int over;

static void ended(void *unused) {
    (void)unused;
    over = 1;
}

/* epoll counts in milliseconds; rounded up, so that we do not come a moment too early and again and again. */
static int milliseconds(long long ns) {
    if (ns < 0) return -1;
    return ns > 1000000000000LL ? 1000000 : (int)((ns + 999999) / 1000000);
}

int main(int argc, char **argv) {
    transfer_server server;
    struct epoll_event event = {.events = EPOLLIN};
    CM_INT32 rc;
    if (transfer_start(&server, argc > 1 ? argv[1] : "127.0.0.1:0", ended, NULL) != 0) return 1;
    clq_set_callback(NULL, transfer_callback, &server, &rc);
    if (rc != CM_OK || transfer_serve(&server) != 0) return 1;

    const int loop = epoll_create1(EPOLL_CLOEXEC);
    event.data.fd = clq_wait_handle();
    if (loop < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, event.data.fd, &event) != 0) return 1;
    while (!over) {
        struct epoll_event ready[16]; /* the program's own descriptors would be among them */
        if (epoll_wait(loop, ready, 16, milliseconds(clq_next_timeout_ns())) < 0 && errno != EINTR) return 1;
        (void)clq_dispatch();
    }
    return transfer_stop();
}
