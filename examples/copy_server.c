/*
 * copy_server: takes files from copy_client and keeps those that arrived whole.
 *
 * usage: copy_server ADDR:PORT DIRECTORY [FILES]    ends after so many conversations; without FILES never
 *
 * A conversation brings one file. The first byte of a record says what it is: N the file's name, D a piece of its
 * bytes, S their checksum. Then the client deallocates with confirmation: Confirmed means that the file is on the disk,
 * and Send_Error, with a reason, that it is not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"

typedef struct copying {
    FILE* file;
    char path[1024], partial[1040];
    unsigned long sum;
    int sum_right;
    const char* wrong; /* why this file cannot be taken; NULL: nothing so far */
} copying;

static char record[32767 + 1];

/* Adler-32: enough to notice a mistake, not an attack. */
static unsigned long add_to_sum(unsigned long sum, const char* bytes, size_t size) {
    unsigned long a = sum & 0xFFFF, b = sum >> 16;
    size_t i;
    for (i = 0; i < size; ++i) {
        a = (a + (unsigned char)bytes[i]) % 65521;
        b = (b + a) % 65521;
    }
    return b << 16 | a;
}

static void begin_file(copying* c, const char* directory, const char* name) {
    /* The name comes from somebody else: no way out of the directory. */
    if (c->file != NULL || name[0] == '\0' || name[0] == '.' || strpbrk(name, "/\\:") != NULL || strlen(name) > 255 ||
        strlen(directory) > 700) {
        c->wrong = "that name cannot be taken";
        return;
    }
    sprintf(c->path, "%s/%s", directory, name);
    sprintf(c->partial, "%s.partial", c->path);
    c->file = fopen(c->partial, "wb");
    if (c->file == NULL) c->wrong = "the file cannot be written here";
}

static void take_record(copying* c, const char* directory, CM_INT32 length) {
    const size_t size = length > 0 ? (size_t)length - 1 : 0;
    record[length] = '\0';
    if (c->wrong != NULL) return; /* the client hears of it when it asks for confirmation */
    if (length > 0 && record[0] == 'N') {
        begin_file(c, directory, record + 1);
    } else if (length > 0 && record[0] == 'D' && c->file != NULL) {
        if (fwrite(record + 1, 1, size, c->file) != size) c->wrong = "the disk is full";
        c->sum = add_to_sum(c->sum, record + 1, size);
    } else if (length > 0 && record[0] == 'S' && c->file != NULL) {
        c->sum_right = strtoul(record + 1, NULL, 16) == c->sum;
    } else {
        c->wrong = "that is no file";
    }
}

/* Moves what arrived to its name. */
static void keep_file(copying* c) {
    if (c->wrong == NULL && !c->sum_right) c->wrong = "the checksum is another";
    if (c->file != NULL) {
        if (fclose(c->file) != 0 && c->wrong == NULL) c->wrong = "the disk is full";
        c->file = NULL;
        remove(c->wrong == NULL ? c->path : c->partial);
        if (c->wrong == NULL && rename(c->partial, c->path) != 0) c->wrong = "the file cannot be named";
    } else if (c->wrong == NULL) {
        c->wrong = "there was no file";
    }
}

static void refuse(unsigned char* id, const char* why) {
    CM_INT32 length = (CM_INT32)strlen(why), flush = CM_DEALLOCATE_FLUSH, rts, rc;
    cmserr(id, &rts, &rc); /* the turn is ours now */
    if (rc != CM_OK) return;
    cmsend(id, why, &length, &rts, &rc);
    cmsdt(id, &flush, &rc);
    cmdeal(id, &rc);
}

static void serve(unsigned char* id, const char* directory) {
    CM_INT32 size = sizeof record - 1, length, data, status, rts, rc;
    copying c;
    memset(&c, 0, sizeof c);
    c.sum = 1;
    do {
        cmrcv(id, record, &size, &data, &length, &status, &rts, &rc);
        if (rc == CM_OK && data == CM_COMPLETE_DATA_RECEIVED) take_record(&c, directory, length);
    } while (rc == CM_OK && status == CM_NO_STATUS_RECEIVED);
    if (rc != CM_OK) c.wrong = "the client has left";
    keep_file(&c);
    printf("%s %s\n", c.wrong == NULL ? "kept" : "refused", c.wrong == NULL ? c.path : c.wrong);
    fflush(stdout);
    if (rc != CM_OK) return;
    if (c.wrong != NULL || status != CM_CONFIRM_DEALLOC_RECEIVED)
        refuse(id, c.wrong != NULL ? c.wrong : "confirmation was not asked");
    else
        cmcfmd(id, &rc);
}

int main(int argc, char** argv) {
    unsigned char id[CM_CID_SIZE], done[CM_CID_SIZE];
    CM_INT32 name = 8, code, rc;
    clq_options options;
    char address[64];
    long files;
    if (argc < 3) {
        fprintf(stderr, "usage: copy_server ADDR:PORT DIRECTORY [FILES]\n");
        return 2;
    }
    memset(&options, 0, sizeof options);
    options.size = sizeof options;
    options.config_file = "";
    options.listen = argv[1];
    if (clq_start(&options) != 0 || clq_listening(0, address, sizeof address) != 0) {
        fprintf(stderr, "copy_server: %s\n", clq_last_error());
        return 1;
    }
    cmsltp("FILECOPY", &name, &rc);
    printf("serving %s\n", address);
    fflush(stdout);
    for (files = argc > 3 ? atol(argv[3]) : -1; files != 0; files -= files > 0) {
        cmaccp(id, &rc); /* 35: the next client is waited for */
        if (rc == CM_OPERATION_INCOMPLETE) {
            cmwait(done, &code, &rc);
            if (rc == CM_OK) rc = code;
        }
        if (rc != CM_OK) {
            fprintf(stderr, "copy_server: accept gave %ld\n", (long)rc);
            return 1;
        }
        serve(id, argv[2]);
    }
    return 0;
}
