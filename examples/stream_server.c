/*
 * stream_server: takes lines of text from stream_client over a basic conversation.
 *
 * usage: stream_server ADDR:PORT [CLIENTS]    ends after so many conversations; without CLIENTS never
 *
 * On a basic conversation the program sees the logical records themselves: two bytes of length, big-endian, that count
 * themselves, and then the data. With CM_FILL_BUFFER Receive fills the buffer without regard to where records begin, so
 * that thousands of short ones come in one call; taking them apart is the program's work, and so is joining the one
 * that is cut at the end of the buffer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"

#define RECORD_MAX 32767

static unsigned char held[RECORD_MAX + 16384]; /* what is left of the last buffer, and the next one behind it */

/* Takes the whole records off the front. The bytes that remain. */
static size_t take_records(size_t size, unsigned long* lines) {
    size_t at = 0;
    while (size - at >= 2) {
        const size_t length = (size_t)(held[at] & 0x7F) << 8 | held[at + 1];
        if (length < 2 || size - at < length) break; /* never below 2: the library lets no such record through */
        printf("%.*s\n", (int)length - 2, (const char*)held + at + 2);
        ++*lines;
        at += length;
    }
    memmove(held, held + at, size - at);
    return size - at;
}

static int serve(unsigned char* id) {
    CM_INT32 size = 16384, fill = CM_FILL_BUFFER, type, data, length, status, rts, rc;
    unsigned long lines = 0, calls = 0;
    size_t left = 0;
    cmect(id, &type, &rc);
    if (type != CM_BASIC_CONVERSATION) {
        fprintf(stderr, "stream_server: the client does not speak in logical records\n");
        cmcanc(id, &rc);
        return 1;
    }
    cmsf(id, &fill, &rc);
    do {
        cmrcv(id, held + left, &size, &data, &length, &status, &rts, &rc);
        ++calls;
        if ((rc == CM_OK || rc == CM_DEALLOCATED_NORMAL) && data == CM_DATA_RECEIVED)
            left = take_records(left + (size_t)length, &lines);
    } while (rc == CM_OK);
    fprintf(stderr, "%lu lines by %lu calls\n", lines, calls);
    return rc == CM_DEALLOCATED_NORMAL && left == 0 ? 0 : 1;
}

int main(int argc, char** argv) {
    unsigned char id[CM_CID_SIZE], done[CM_CID_SIZE];
    CM_INT32 name = 6, code, rc;
    clq_options options;
    char address[64];
    long clients;
    int failed = 0;
    if (argc < 2) {
        fprintf(stderr, "usage: stream_server ADDR:PORT [CLIENTS]\n");
        return 2;
    }
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.listen = argv[1];
    if (clq_start(&options) != 0 || clq_listening(0, address, sizeof address) != 0) {
        fprintf(stderr, "stream_server: %s\n", clq_last_error());
        return 1;
    }
    cmsltp("STREAM", &name, &rc);
    fprintf(stderr, "serving %s\n", address);
    for (clients = argc > 2 ? atol(argv[2]) : -1; clients != 0; clients -= clients > 0) {
        cmaccp(id, &rc); /* 35: the next client is waited for */
        if (rc == CM_OPERATION_INCOMPLETE) {
            cmwait(done, &code, &rc);
            if (rc == CM_OK) rc = code;
        }
        if (rc != CM_OK) return 1;
        failed |= serve(id);
    }
    return failed;
}
