/* embed_glib: a transaction server inside GLib's main loop, by callbacks, on the program's one thread. */
#include <glib.h>

#include "embed/transfer.h"

/* GLib asks a source before it waits and after: that is just what the runtime wants to be asked. */
typedef struct runtime_source {
    GSource base;
    gpointer handle;
} runtime_source;

static gboolean prepare(GSource *source, gint *timeout_ms) {
    const long long ns = clq_next_timeout_ns();
    (void)source;
    *timeout_ms = ns < 0 ? -1 : (gint)MIN((ns + 999999) / 1000000, G_MAXINT);
    return ns == 0;
}

static gboolean check(GSource *source) {
    return g_source_query_unix_fd(source, ((runtime_source *)source)->handle) != 0 || clq_next_timeout_ns() == 0;
}

static gboolean dispatch(GSource *source, GSourceFunc unused, gpointer unused_too) {
    (void)source, (void)unused, (void)unused_too;
    (void)clq_dispatch();
    return G_SOURCE_CONTINUE;
}

static void ended(void *loop) { g_main_loop_quit((GMainLoop *)loop); }

int main(int argc, char **argv) {
    static GSourceFuncs functions = {prepare, check, dispatch, NULL, NULL, NULL};
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    transfer_server server;
    CM_INT32 rc;
    if (transfer_start(&server, argc > 1 ? argv[1] : "127.0.0.1:0", ended, loop) != 0) return 1;
    clq_set_callback(NULL, transfer_callback, &server, &rc);
    if (rc != CM_OK || transfer_serve(&server) != 0) return 1;

    GSource *source = g_source_new(&functions, sizeof(runtime_source));
    ((runtime_source *)source)->handle = g_source_add_unix_fd(source, clq_wait_handle(), G_IO_IN);
    (void)g_source_attach(source, NULL);
    g_main_loop_run(loop);

    /* The handle leaves the loop before the runtime closes it. */
    g_source_destroy(source);
    g_source_unref(source);
    g_main_loop_unref(loop);
    return transfer_stop();
}
