/*
 * copy_client: sends a file to copy_server and returns 0 when it is on the server's disk.
 *
 * usage: copy_client HOST:PORT FILE [NAME]    NAME: what it is called there
 *
 * The file goes in records as large as they may be, its checksum behind it. The last call asks for confirmation, so
 * that CM_OK means more than "sent": the server has compared the checksum and closed the file.
 */
#include <stdio.h>
#include <string.h>

#include "colloquy/colloquy.h"

static char record[32767];

static unsigned long add_to_sum(unsigned long sum, const char* bytes, size_t size) {
    unsigned long a = sum & 0xFFFF, b = sum >> 16;
    size_t i;
    for (i = 0; i < size; ++i) {
        a = (a + (unsigned char)bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

/* What a code means, in words; asked on the thread that got it, before another call. */
static int complain(unsigned char* id, CM_INT32 call) {
    char text[512];
    CM_INT32 size = sizeof text, data, length, rc;
    cmesi(id, &call, text, &size, &data, &length, &rc);
    if (rc == CM_OK) fprintf(stderr, "copy_client: %.*s\n", (int)length, text);
    return 1;
}

/* The server has refused the file and says why. */
static int refused(unsigned char* id) {
    CM_INT32 size = sizeof record, data, length, status, rts, rc;
    cmrcv(id, record, &size, &data, &length, &status, &rts, &rc);
    if (rc != CM_OK && rc != CM_DEALLOCATED_NORMAL) return complain(id, CM_CMRCV);
    printf("refused: %.*s\n", data == CM_NO_DATA_RECEIVED ? 0 : (int)length, record);
    return 1;
}

static CM_INT32 send_record(unsigned char* id, size_t size) {
    CM_INT32 length = (CM_INT32)size, rts, rc;
    cmsend(id, record, &length, &rts, &rc);
    return rc;
}

int main(int argc, char** argv) {
    unsigned char id[CM_CID_SIZE];
    char destination[300];
    const char* name;
    CM_INT32 level = CM_CONFIRM, rc;
    unsigned long sum = 1, bytes = 0;
    size_t size;
    clq_options options;
    FILE* file;
    if (argc < 3 || strlen(argv[1]) > 200) {
        fprintf(stderr, "usage: copy_client HOST:PORT FILE [NAME]\n");
        return 2;
    }
    file = fopen(argv[2], "rb");
    if (file == NULL) {
        perror(argv[2]);
        return 2;
    }
    name = argc > 3 ? argv[3] : strrchr(argv[2], '/') != NULL ? strrchr(argv[2], '/') + 1 : argv[2];
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    if (clq_start(&options) != 0) {
        fprintf(stderr, "copy_client: %s\n", clq_last_error());
        return 1;
    }
    cminit(id, "        ", &rc); /* a program with side information would name its entry, and need no destination */
    sprintf(destination, "%s/FILECOPY", argv[1]);
    clq_set_destination(id, destination, &rc);
    cmssl(id, &level, &rc);
    cmallc(id, &rc);
    if (rc != CM_OK) return complain(id, CM_CMALLC);

    size = (size_t)sprintf(record, "N%.300s", name);
    rc = send_record(id, size);
    record[0] = 'D';
    while (rc == CM_OK && (size = fread(record + 1, 1, sizeof record - 1, file)) > 0) {
        sum = add_to_sum(sum, record + 1, size);
        bytes += size;
        rc = send_record(id, size + 1);
    }
    if (rc == CM_OK) rc = send_record(id, (size_t)sprintf(record, "S%08lx", sum));
    if (rc == CM_PROGRAM_ERROR_PURGING) return refused(id);
    if (rc != CM_OK) return complain(id, CM_CMSEND);
    cmdeal(id, &rc); /* sync_level is CM_CONFIRM: waits until the server has confirmed */
    if (rc == CM_PROGRAM_ERROR_PURGING) return refused(id);
    if (rc != CM_OK) return complain(id, CM_CMDEAL);
    fclose(file);
    printf("copied %lu bytes, checksum %08lx\n", bytes, sum);
    return 0;
}
