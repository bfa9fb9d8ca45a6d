/*
 * A program as they were written before prototypes: old definitions, implicit int, names declared where they are used.
 * Only compiled: as -std=c89 -pedantic.
 */
#define READABLE_MACROS
#include "sna/cmc.h"

extern int puts();

static char dest[8] = {'T', 'E', 'L', 'L', 'E', 'R', ' ', ' '};

report(call, rc)
char *call;
CM_RETURN_CODE rc;
{
    switch (rc) {
    case CM_OK:
    case CM_DEALLOCATED_NORMAL:
        return 0;
    case CM_TPN_NOT_RECOGNIZED:
    case CM_TP_NOT_AVAILABLE_RETRY:
        puts(call);
        return 1;
#if CM_OPERATION_INCOMPLETE == 35 && CM_SEND_STATE < CM_RECEIVE_STATE
    case CM_OPERATION_INCOMPLETE:
        return -1;
#endif
    default:
        return rc;
    }
}

send_order(id, text, size)
unsigned char *id;
char *text;
CM_INT32 size;
{
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;

    Send_Data(id, text, &size, &rts, &rc);
    return report("Send_Data", rc);
}

main()
{
    unsigned char id[CM_CID_SIZE];
    char buffer[CM_LD_SIZE];
    CM_INT32 size = sizeof buffer, length, data, status, rts, rc, name = 5;
    CM_SEND_TYPE type = CM_SEND_AND_DEALLOCATE;

    Initialize_Conversation(id, dest, &rc);
    Set_TP_Name(id, "ORDER", &name, &rc);
    cmspln(id, "ACCTS", &name, &rc);
    Allocate(id, &rc);
    if (report("Allocate", rc) != 0)
        return 1;
    cmsst(id, &type, &rc);
    if (send_order(id, "2 x 4711", (CM_INT32)8))
        return 2;
    Receive(id, buffer, &size, &data, &length, &status, &rts, &rc);
    return report("Receive", rc);
}
