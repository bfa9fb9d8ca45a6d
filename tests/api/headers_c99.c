/*
 * Compiles the C headers as C99, through their other names, with the long names, and twice. Every call must be declared
 * under its entry point and under its pseudonym. The compiler is the test; no function here runs.
 */
#define READABLE_MACROS
#define XOPEN_COMPATIBLE
#include "sna/cmc.h"
#include "cmc.h"
#include "wincpic.h"
#include "wincpic.h"
#include "cpic.h"

#include <stddef.h>

#define SAME(name, value) typedef char same_##name[(name) == (value) ? 1 : -1];
#define FOUR_BYTES(type) typedef char four_bytes_##type[sizeof(type) == 4 ? 1 : -1];
#define BYTES(type, size) typedef char bytes_##type[sizeof(type) == (size) ? 1 : -1];
#define AT(type, field, offset) typedef char at_##type##_##field[offsetof(type, field) == (offset) ? 1 : -1];
#include "header_values.inc"
BYTES(CONVERSATION_ID, 8)
FOUR_BYTES(CM_RETCODE)
FOUR_BYTES(CONVERSATION_SECURITY_TYPE)
FOUR_BYTES(CONVERSATION_TYPE)
FOUR_BYTES(DATA_RECEIVED)
FOUR_BYTES(DEALLOCATE_TYPE)
FOUR_BYTES(ERROR_DIRECTION)
FOUR_BYTES(PREPARE_TO_RECEIVE_TYPE)
FOUR_BYTES(PROCESSING_MODE)
FOUR_BYTES(RECEIVE_TYPE)
FOUR_BYTES(REQUEST_TO_SEND_RECEIVED)
FOUR_BYTES(RETURN_CONTROL)
FOUR_BYTES(SEND_TYPE)
FOUR_BYTES(STATUS_RECEIVED)
FOUR_BYTES(SYNC_LEVEL)

typedef void (*call)(void);

/* Entry points beside their pseudonyms. */
extern const call colloquy_c99_calls[][2];
const call colloquy_c99_calls[][2] = {
    {(call)cminit, (call)Initialize_Conversation},
    {(call)cmaccp, (call)Accept_Conversation},
    {(call)cmallc, (call)Allocate},
    {(call)cmsend, (call)Send_Data},
    {(call)cmrcv, (call)Receive},
    {(call)cmdeal, (call)Deallocate},
    {(call)cmcfm, (call)Confirm},
    {(call)cmcfmd, (call)Confirmed},
    {(call)cmflus, (call)Flush},
    {(call)cmptr, (call)Prepare_To_Receive},
    {(call)cmserr, (call)Send_Error},
    {(call)cmrts, (call)Request_To_Send},
    {(call)cmtrts, (call)Test_Request_To_Send_Received},
    {(call)cmspm, (call)Set_Processing_Mode},
    {(call)cmwait, (call)Wait_For_Conversation},
    {(call)cmchck, (call)Check_For_Completion},
    {(call)cmcanc, (call)Cancel_Conversation},
    {(call)cmsltp, (call)Specify_Local_TP_Name},
    {(call)cmrltp, (call)Release_Local_TP_Name},
    {(call)cmsct, (call)Set_Conversation_Type},
    {(call)cmssl, (call)Set_Sync_Level},
    {(call)cmsmn, (call)Set_Mode_Name},
    {(call)cmspln, (call)Set_Partner_LU_Name},
    {(call)cmstpn, (call)Set_TP_Name},
    {(call)cmsrc, (call)Set_Return_Control},
    {(call)cmsdt, (call)Set_Deallocate_Type},
    {(call)cmsed, (call)Set_Error_Direction},
    {(call)cmsf, (call)Set_Fill},
    {(call)cmsld, (call)Set_Log_Data},
    {(call)cmsptr, (call)Set_Prepare_To_Receive_Type},
    {(call)cmsrt, (call)Set_Receive_Type},
    {(call)cmsst, (call)Set_Send_Type},
    {(call)cmscst, (call)Set_Conversation_Security_Type},
    {(call)cmscsu, (call)Set_Conversation_Security_User_ID},
    {(call)cmscsp, (call)Set_Conversation_Security_Password},
    {(call)xcscst, (call)xcscsu},
    {(call)xcscsp, (call)xcecst},
    {(call)cmecs, (call)Extract_Conversation_State},
    {(call)cmect, (call)Extract_Conversation_Type},
    {(call)cmemn, (call)Extract_Mode_Name},
    {(call)cmepln, (call)Extract_Partner_LU_Name},
    {(call)cmesl, (call)Extract_Sync_Level},
    {(call)cmetpn, (call)Extract_TP_Name},
    {(call)cmecst, (call)Extract_Conversation_Security_Type},
    {(call)cmecsu, (call)Extract_Conversation_Security_User_ID},
    {(call)xcecsu, (call)cmecsu},
    {(call)xcmssi, (call)Set_CPIC_Side_Information},
    {(call)xcmesi, (call)Extract_CPIC_Side_Information},
    {(call)xcmdsi, (call)Delete_CPIC_Side_Information},
    {(call)WinCPICStartup, (call)WinCPICCleanup},
};
