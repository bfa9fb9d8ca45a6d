/* A program that an attach manager starts or that offers itself to one. It calls Accept_Conversation with nothing
 * before it (or after naming itself) and answers each record with the TP name, the partner's name and the record.
 *
 *   attended echo [NAME...]   until no attach can come (25): exit 0; names are specified first
 *   attended once             one conversation, then exit 0
 *   attended leave            exits without Deallocate after the first record
 *   attended die              is killed after the first record
 *   attended refused NAME     exit 0 if the name is refused with 20
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "colloquy/colloquy.h"
#include "cpic.h"

static void name_tp(const char* name, CM_INT32* rc) {
    const CM_INT32 length = (CM_INT32)strlen(name);
    cmsltp(name, &length, rc);
}

/* Answers what comes; the code that ends the conversation. */
static CM_INT32 attend(const unsigned char* id, const char* how) {
    char record[1024], answer[2048], tp[65], lu[65];
    CM_INT32 rc = -1, length = 0, data = 0, status = 0, rts = 0, room = (CM_INT32)sizeof record;
    cmetpn(id, tp, &length, &rc);
    if (rc != CM_OK) return rc;
    tp[length] = '\0';
    cmepln(id, lu, &length, &rc);
    if (rc != CM_OK) return rc;
    lu[length] = '\0';
    if (getenv("COLLOQUY_LINK_FD") != NULL) return CM_PRODUCT_SPECIFIC_ERROR; /* it was for us alone */
    for (;;) {
        cmrcv(id, record, &room, &data, &length, &status, &rts, &rc);
        if (rc != CM_OK && rc != CM_DEALLOCATED_NORMAL) return rc;
        if (strcmp(how, "leave") == 0) exit(0);
        if (strcmp(how, "die") == 0) raise(SIGKILL);
        if (status == CM_CONFIRM_RECEIVED || status == CM_CONFIRM_SEND_RECEIVED ||
            status == CM_CONFIRM_DEALLOC_RECEIVED) {
            CM_INT32 code = -1;
            cmcfmd(id, &code);
            if (code != CM_OK || status == CM_CONFIRM_DEALLOC_RECEIVED) return code;
        }
        if (rc == CM_DEALLOCATED_NORMAL) return CM_OK;
        if (data == CM_COMPLETE_DATA_RECEIVED && length > 0) {
            const int n = snprintf(answer, sizeof answer, "%s %s %.*s", tp, lu, (int)length, record);
            length = n;
        } else {
            length = 0;
        }
        if (status == CM_SEND_RECEIVED || status == CM_CONFIRM_SEND_RECEIVED) {
            CM_INT32 code = -1;
            cmsend(id, answer, &length, &rts, &code);
            if (code != CM_OK) return code;
            cmptr(id, &code);
            if (code != CM_OK) return code;
        }
    }
}

int main(int argc, char** argv) {
    const char* const how = argc > 1 ? argv[1] : "echo";
    CM_INT32 rc = -1;
    int i;
    for (i = 2; i < argc; ++i) {
        name_tp(argv[i], &rc);
        if (strcmp(how, "refused") == 0) {
            printf("%s\n", clq_last_error());
            return rc == CM_PRODUCT_SPECIFIC_ERROR ? 0 : 1;
        }
        if (rc != CM_OK) return 2;
    }
    for (;;) {
        unsigned char id[CM_CID_SIZE];
        cmaccp(id, &rc);
        if (rc == CM_OPERATION_INCOMPLETE) {
            CM_INT32 result = -1;
            unsigned char which[CM_CID_SIZE];
            cmwait(which, &result, &rc);
            if (rc == CM_OK) rc = result;
        }
        if (rc == CM_PROGRAM_STATE_CHECK) return 0;
        if (rc != CM_OK) return 3;
        rc = attend(id, how);
        if (rc == CM_PRODUCT_SPECIFIC_ERROR || rc == CM_PROGRAM_STATE_CHECK) return 4;
        if (strcmp(how, "once") == 0) return 0;
    }
}
