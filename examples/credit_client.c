/*
 * credit_client: a shop that asks its bank (credit_server) whether customers may buy. Nothing but CPI-C: the
 * configuration says who CREDIT is.
 *
 *   lu_name = "NET.SHOP"
 *   [[partner]]
 *   name = "NET.BANK"
 *   addresses = "127.0.0.1:7000"
 *   [[side_information]]
 *   name = "CREDIT"
 *   partner_lu = "NET.BANK"
 *   tp_name = "CREDIT"
 *
 * usage: credit_client CUSTOMER AMOUNT [CUSTOMER AMOUNT]...
 *
 * One conversation for all orders. Each is sent with a request to confirm: CM_OK is the bank's yes,
 * CM_PROGRAM_ERROR_PURGING its no, with the reason to be received.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

static unsigned char id[CM_CID_SIZE];

static void check(const char* call, CM_INT32 rc) {
    if (rc == CM_OK) return;
    fprintf(stderr, "credit_client: %s gave %ld\n", call, (long)rc);
    exit(1);
}

/* The bank's reason. It has the turn until it gives it back, with the reason or after it. */
static void hear_why(const char* order) {
    char why[100];
    CM_INT32 size = sizeof why, data, length, status = CM_NO_STATUS_RECEIVED, rts, rc;
    while (status != CM_SEND_RECEIVED) {
        cmrcv(id, why, &size, &data, &length, &status, &rts, &rc);
        check("Receive", rc);
        if (data != CM_NO_DATA_RECEIVED) printf("%s: no, %.*s\n", order, (int)length, why);
    }
}

int main(int argc, char** argv) {
    CM_INT32 level = CM_CONFIRM, type = CM_SEND_AND_CONFIRM, rts, rc;
    int i;
    if (argc < 3 || argc % 2 == 0) {
        fprintf(stderr, "usage: credit_client CUSTOMER AMOUNT [CUSTOMER AMOUNT]...\n");
        return 2;
    }
    cminit(id, "CREDIT  ", &rc);
    check("Initialize_Conversation", rc);
    cmssl(id, &level, &rc);
    check("Set_Sync_Level", rc);
    cmallc(id, &rc);
    check("Allocate", rc);
    cmsst(id, &type, &rc);
    check("Set_Send_Type", rc);
    for (i = 1; i + 1 < argc; i += 2) {
        char order[100];
        CM_INT32 length = (CM_INT32)sprintf(order, "%.40s %.40s", argv[i], argv[i + 1]);
        cmsend(id, order, &length, &rts, &rc);
        if (rc == CM_OK)
            printf("%s: yes\n", order);
        else if (rc == CM_PROGRAM_ERROR_PURGING)
            hear_why(order); /* afterwards the turn is ours again */
        else
            check("Send_Data", rc);
    }
    cmdeal(id, &rc);
    check("Deallocate", rc);
    return 0;
}
