/*
 * stream_client: sends the lines of its input to stream_server over a basic conversation, each as a logical record.
 *
 * usage: stream_client HOST:PORT < text
 *
 * The records are packed into one buffer, one behind the other, and the buffer is sent whenever it is full, wherever a
 * record stands then: a logical record may span calls. Only the end of the conversation must not cut one.
 */
#include <stdio.h>
#include <string.h>

#include "colloquy/colloquy.h"

#define LINE_MAX_BYTES 32765 /* a logical record holds 32767 bytes with its length */

static unsigned char packed[16384];
static size_t used;
static unsigned char id[CM_CID_SIZE];

static CM_INT32 send_packed(void) {
    CM_INT32 length = (CM_INT32)used, rts, rc;
    cmsend(id, packed, &length, &rts, &rc);
    used = 0;
    return rc;
}

static CM_INT32 pack(const void* bytes, size_t size) {
    const unsigned char* from = (const unsigned char*)bytes;
    CM_INT32 rc = CM_OK;
    while (size != 0 && rc == CM_OK) {
        const size_t room = sizeof packed - used, piece = size < room ? size : room;
        memcpy(packed + used, from, piece);
        used += piece;
        from += piece;
        size -= piece;
        if (used == sizeof packed) rc = send_packed();
    }
    return rc;
}

static CM_INT32 pack_line(const char* line, size_t size) {
    const size_t length = size + 2; /* it counts itself */
    unsigned char prefix[2];
    CM_INT32 rc;
    prefix[0] = (unsigned char)(length >> 8);
    prefix[1] = (unsigned char)(length & 0xFF);
    rc = pack(prefix, sizeof prefix);
    return rc == CM_OK ? pack(line, size) : rc;
}

int main(int argc, char** argv) {
    static char line[LINE_MAX_BYTES + 2];
    char destination[300];
    CM_INT32 type = CM_BASIC_CONVERSATION, rc;
    clq_options options;
    if (argc != 2 || strlen(argv[1]) > 200) {
        fprintf(stderr, "usage: stream_client HOST:PORT < text\n");
        return 2;
    }
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    if (clq_start(&options) != 0) {
        fprintf(stderr, "stream_client: %s\n", clq_last_error());
        return 1;
    }
    cminit(id, "        ", &rc);
    sprintf(destination, "%s/STREAM", argv[1]);
    clq_set_destination(id, destination, &rc);
    cmsct(id, &type, &rc);
    if (rc == CM_OK) cmallc(id, &rc);
    while (rc == CM_OK && fgets(line, (int)sizeof line, stdin) != NULL) {
        size_t size = strlen(line);
        if (size != 0 && line[size - 1] == '\n') --size;
        rc = pack_line(line, size < LINE_MAX_BYTES ? size : LINE_MAX_BYTES);
    }
    if (rc == CM_OK && used != 0) rc = send_packed();
    if (rc == CM_OK) cmdeal(id, &rc);
    if (rc != CM_OK) fprintf(stderr, "stream_client: return code %ld\n", (long)rc);
    return rc == CM_OK ? 0 : 1;
}
