/*
 * Compiles the C headers as the oldest program would: C89, pedantic, every warning an error. The compiler is the test;
 * no function here runs.
 */
#include <stddef.h>

#include "cpic.h"
#include "wincpic.h"

/* A program that never asked for them must not get them. */
#if defined(TRUE) || defined(FALSE) || defined(BOOL) || defined(UCHAR) || defined(UINT) || defined(ULONG) || \
    defined(WORD) || defined(HANDLE) || defined(WINAPI)
#error "the headers define names that belong to windows.h"
#endif
#if defined(CMINIT) || defined(CMRCV) || defined(CM_RESET_STATE)
#error "the standard knows no such names"
#endif
#if defined(Initialize_Conversation) || defined(Receive) || defined(Confirm)
#error "the long names come only with READABLE_MACROS"
#endif
#if CM_OK != 0 || CM_OPERATION_INCOMPLETE != 35 || WCPICINVALID != 0xF001
#error "constants must be usable by the preprocessor"
#endif

#define SAME(name, value) typedef char same_##name[(name) == (value) ? 1 : -1];
#define FOUR_BYTES(type) typedef char four_bytes_##type[sizeof(type) == 4 && (type)-1 < 0 ? 1 : -1];
#define BYTES(type, size) typedef char bytes_##type[sizeof(type) == (size) ? 1 : -1];
#define AT(type, field, offset) typedef char at_##type##_##field[offsetof(type, field) == (offset) ? 1 : -1];
#include "header_values.inc"

int colloquy_c89_calls(void);
int colloquy_c89_calls(void)
{
    unsigned char conversation_ID[CM_CID_SIZE];
    char buffer[100];
    unsigned char raw[100];
    SIDE_INFO entry;
    WCPICDATA data;
    CM_INT32 length = 5, received_length, number = 1;
    CM_SEND_TYPE send_type = CM_SEND_AND_FLUSH;
    CM_DATA_RECEIVED_TYPE data_received;
    CM_STATUS_RECEIVED status;
    CM_REQUEST_TO_SEND_RECEIVED rts;
    CM_RETURN_CODE rc;

    /* Literals, char * and unsigned char * all go in and out without a cast. */
    cminit(conversation_ID, "TELLER  ", &rc);
    cmstpn(conversation_ID, raw, &length, &rc);
    cmspln(conversation_ID, buffer, &length, &rc);
    cmsmn(conversation_ID, "#INTER", &length, &rc);
    cmsst(conversation_ID, &send_type, &rc);
    cmallc(conversation_ID, &rc);
    cmsend(conversation_ID, "hello", &length, &rts, &rc);
    cmsend(conversation_ID, raw, &length, &rts, &rc);
    cmrcv(conversation_ID, buffer, &length, &data_received, &received_length, &status, &rts, &rc);
    cmrcv(conversation_ID, raw, &length, &data_received, &received_length, &status, &rts, &rc);
    cmecsu(conversation_ID, buffer, &length, &rc);
    length = 124;
    xcmssi(NULL, &entry, &length, &rc);
    xcmesi(&number, "TELLER", &entry, &length, &rc);
    xcmdsi("", "TELLER", &rc);
    if (WinCPICStartup(0x0001, &data) != 0 || !WinCPICCleanup())
        return 1;
    switch (rc) {
    case CM_OK:
        return 0;
    case CM_DEALLOCATED_NORMAL:
    case CM_SYNC_LVL_NOT_SUPPORTED_LU:
        return 2;
    default:
        return 3;
    }
}
