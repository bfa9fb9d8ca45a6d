/*
 * cpic.h: CPI-C conversations for C and C++ programs (C89, no other header needed).
 *
 * Rules that hold for every call below, so that the comments at the calls need not repeat them:
 *
 * Parameters   Every parameter is a pointer, inputs too; calls return nothing, the outcome is in *return_code. Text
 *              goes in and comes out without a NUL, its length beside it. Text and IDs pass as char *, unsigned char *
 *              or, where they go in, as a string literal. No text is converted except names, user ID, password and log
 *              data.
 * Outputs      Are valid only with CM_OK, unless a call says otherwise. No call writes *return_code after it returned.
 * Ownership    The library keeps no pointer of yours once a call returned, with one exception: a call that returned
 *              CM_OPERATION_INCOMPLETE (35) owns its outputs and its buffers until its completion is collected. Keep
 *              them alive and untouched until then; variables of a function that has returned are the classic mistake.
 *              Names, log data and sent bytes are copied before a call returns.
 * Threads      Any thread may make any call. One call at a time per conversation: a second one gets 37, whether the
 *              first blocks or is incomplete. Cancel_Conversation and the Extract_ calls are always allowed.
 * Blocking     A conversation starts in CM_BLOCKING: calls marked "may wait" return when they are done. After
 *              Set_Processing_Mode(CM_NON_BLOCKING) they return 35 instead of waiting, and complete exactly once,
 *              through Wait_For_Conversation. A call that can finish at once does, in either mode. Other calls never
 *              wait.
 * Identity     A conversation_ID is 8 opaque bytes. It dies with the conversation; a dead, stale or invented ID gets 24
 *              and harms nobody.
 * Start        The first call starts the library from its configuration file; nothing needs to be called before.
 *
 * Return codes that many calls share, by the letters used below. "ends" means the conversation is gone and its ID dead:
 *
 *   ATTACH    3 5 6 7 8 9 10 11  the partner refused the conversation, which is learned only after Allocate; ends
 *   ABEND     17 30 31           the partner, or its end, ended the conversation abnormally; ends
 *   RESOURCE  26 27              the link was lost, for good (26) or perhaps not (27: try again); ends
 *   PURGING   22 33              the partner reported an error and threw away what was on its way to it; now RECEIVE
 *   LOCAL     20                 a failure of the library or of this machine; nothing changed
 *   BUSY      37                 another call on this conversation is incomplete; nothing changed
 *   LATER     35                 nonblocking, and not done at once: collect it with Wait_For_Conversation
 *
 * 24 (wrong argument) and 25 (wrong state) never change anything either. 24 always includes a NULL pointer and an ID
 * that names no conversation. An argument is looked at after the state, so 25 wins over a wrong value.
 */
#ifndef COLLOQUY_CPIC_H
#define COLLOQUY_CPIC_H

#include "colloquy/export.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CM_PTR *
#define CM_ENTRY extern COLLOQUY_API void COLLOQUY_CALL

/*
 * Exactly 32 bits. It is `long` where Windows programs expect that, and `int` elsewhere, where long may have 64. The
 * library itself has one type on every system; the two look the same from outside.
 */
#if defined(_WIN32) && !defined(COLLOQUY_BUILDING)
typedef signed long int CM_INT32;
#else
typedef signed int CM_INT32;
#endif
typedef char colloquy_cm_int32_has_32_bits[sizeof(CM_INT32) == 4 ? 1 : -1];

/* ---- Types. All are CM_INT32; the names document what a variable holds. ---- */

typedef CM_INT32 CM_AE_QUAL_OR_AP_TITLE_FORMAT;
typedef CM_INT32 CM_ALLOCATE_CONFIRM_TYPE;
typedef CM_INT32 CM_BEGIN_TRANSACTION;
typedef CM_INT32 CM_BUFFER_LENGTH;
typedef CM_INT32 CM_CALL_ID;
typedef CM_INT32 CM_COMPLETED_OP_COUNT;
typedef CM_INT32 CM_CONFIRMATION_URGENCY;
typedef CM_INT32 CM_CONTEXT_ID_LENGTH;
typedef CM_INT32 CM_CONTROL_INFORMATION_RECEIVED;
typedef CM_INT32 CM_CONVERSATION_QUEUE;
typedef CM_INT32 CM_CONVERSATION_RETURN_CODE;
typedef CM_INT32 CM_CONVERSATION_SECURITY_TYPE;
typedef CM_INT32 CM_CONVERSATION_STATE;
typedef CM_INT32 CM_CONVERSATION_TYPE;
typedef CM_INT32 CM_DATA_RECEIVED_TYPE;
typedef CM_INT32 CM_DEALLOCATE_TYPE;
typedef CM_INT32 CM_DIRECTORY_ENCODING;
typedef CM_INT32 CM_DIRECTORY_SYNTAX;
typedef CM_INT32 CM_END_TYPE;
typedef CM_INT32 CM_ERROR_DIRECTION;
typedef CM_INT32 CM_FILL;
typedef CM_INT32 CM_JOIN_TRANSACTION_TYPE;
typedef CM_INT32 CM_MAP_NAME_LENGTH;
typedef CM_INT32 CM_MAXIMUM_BUFFER_SIZE;
typedef CM_INT32 CM_OOID;
typedef CM_INT32 CM_OOID_LIST_COUNT;
typedef CM_INT32 CM_PARTNER_ID_SCOPE;
typedef CM_INT32 CM_PARTNER_ID_TYPE;
typedef CM_INT32 CM_PREPARE_DATA_PERMITTED_TYPE;
typedef CM_INT32 CM_PREPARE_TO_RECEIVE_TYPE;
typedef CM_INT32 CM_PROCESSING_MODE;
typedef CM_INT32 CM_RECEIVE_TYPE;
typedef CM_CONTROL_INFORMATION_RECEIVED CM_REQUEST_TO_SEND_RECEIVED;
typedef CM_INT32 CM_RETURN_CODE;
typedef CM_INT32 CM_RETURN_CONTROL;
typedef CM_INT32 CM_SECURITY_PASSWORD_LENGTH;
typedef CM_INT32 CM_SECURITY_USER_ID_LENGTH;
typedef CM_INT32 CM_SEND_RECEIVE_MODE;
typedef CM_INT32 CM_SEND_TYPE;
typedef CM_INT32 CM_STATUS_RECEIVED;
typedef CM_INT32 CM_SYNC_LEVEL;
typedef CM_INT32 CM_TIMEOUT;
typedef CM_INT32 CM_TRANSACTION_CONTROL;
typedef CM_INT32 XC_CONVERSATION_SECURITY_TYPE;
typedef CM_INT32 XC_TP_NAME_TYPE;

/* ---- Sizes, in bytes ---- */

#define CM_CID_SIZE 8   /* conversation_ID */
#define CM_CTX_SIZE 32  /* context ID */
#define CM_LD_SIZE 512  /* log data */
#define CM_MN_SIZE 8    /* mode name */
#define CM_PLN_SIZE 17  /* partner LU name: NETID.LUNAME */
#define CM_PW_SIZE 10   /* password */
#define CM_UID_SIZE 10  /* user ID */
#define CM_SDN_SIZE 8   /* symbolic destination name, padded with blanks */
#define CM_TPN_SIZE 64  /* TP name */
#define CM_MAP_SIZE 64  /* map name */

typedef unsigned char SECURITY_PASSWORD[CM_PW_SIZE];
typedef unsigned char SECURITY_USER_ID[CM_UID_SIZE];

#ifdef XOPEN_COMPATIBLE
typedef unsigned char CONVERSATION_ID[CM_CID_SIZE];
typedef CM_INT32 CM_RETCODE;
typedef CM_INT32 CONVERSATION_SECURITY_TYPE;
typedef CM_INT32 CONVERSATION_TYPE;
typedef CM_INT32 DATA_RECEIVED;
typedef CM_INT32 DEALLOCATE_TYPE;
typedef CM_INT32 ERROR_DIRECTION;
typedef CM_INT32 PREPARE_TO_RECEIVE_TYPE;
typedef CM_INT32 PROCESSING_MODE;
typedef CM_INT32 RECEIVE_TYPE;
typedef CM_INT32 REQUEST_TO_SEND_RECEIVED;
typedef CM_INT32 RETURN_CONTROL;
typedef CM_INT32 SEND_TYPE;
typedef CM_INT32 STATUS_RECEIVED;
typedef CM_INT32 SYNC_LEVEL;
#endif

/* ---- Return codes ---- */

#define CM_OK 0
#define CM_ALLOCATE_FAILURE_NO_RETRY 1
#define CM_ALLOCATE_FAILURE_RETRY 2
#define CM_CONVERSATION_TYPE_MISMATCH 3
#define CM_PIP_NOT_SPECIFIED_CORRECTLY 5
#define CM_SECURITY_NOT_VALID 6
#define CM_SYNC_LVL_NOT_SUPPORTED_LU 7
#define CM_SYNC_LVL_NOT_SUPPORTED_SYS CM_SYNC_LVL_NOT_SUPPORTED_LU
#define CM_SYNC_LEVEL_NOT_SUPPORTED_LU CM_SYNC_LVL_NOT_SUPPORTED_LU
#define CM_SYNC_LVL_NOT_SUPPORTED_PGM 8
#define CM_SYNC_LEVEL_NOT_SUPPORTED_PGM CM_SYNC_LVL_NOT_SUPPORTED_PGM
#define CM_TPN_NOT_RECOGNIZED 9
#define CM_TPN_NOT_RECOGNISED CM_TPN_NOT_RECOGNIZED
#define CM_TP_NOT_AVAILABLE_NO_RETRY 10
#define CM_TP_NOT_AVAILABLE_RETRY 11
#define CM_DEALLOCATED_ABEND 17
#define CM_DEALLOCATED_NORMAL 18
#define CM_PARAMETER_ERROR 19
#define CM_PRODUCT_SPECIFIC_ERROR 20
#define CM_PROGRAM_ERROR_NO_TRUNC 21
#define CM_PROGRAM_ERROR_PURGING 22
#define CM_PROGRAM_ERROR_TRUNC 23
#define CM_PROGRAM_PARAMETER_CHECK 24
#define CM_PROGRAM_STATE_CHECK 25
#define CM_RESOURCE_FAILURE_NO_RETRY 26
#define CM_RESOURCE_FAILURE_RETRY 27
#define CM_UNSUCCESSFUL 28
#define CM_DEALLOCATED_ABEND_SVC 30
#define CM_DEALLOCATED_ABEND_TIMER 31
#define CM_SVC_ERROR_NO_TRUNC 32
#define CM_SVC_ERROR_PURGING 33
#define CM_SVC_ERROR_TRUNC 34
#define CM_OPERATION_INCOMPLETE 35
#define CM_SYSTEM_EVENT 36
#define CM_OPERATION_NOT_ACCEPTED 37
#define CM_CONVERSATION_ENDING 38
#define CM_SEND_RCV_MODE_NOT_SUPPORTED 39
#define CM_BUFFER_TOO_SMALL 40
#define CM_EXP_DATA_NOT_SUPPORTED 41
#define CM_DEALLOC_CONFIRM_REJECT 42
#define CM_ALLOCATION_ERROR 43
#define CM_RETRY_LIMIT_EXCEEDED 44
#define CM_NO_SECONDARY_INFORMATION 45
#define CM_SECURITY_NOT_SUPPORTED 46
#define CM_SECURITY_MUTUAL_FAILED 47
#define CM_CALL_NOT_SUPPORTED 48
#define CM_PARM_VALUE_NOT_SUPPORTED 49
#define CM_UNKNOWN_MAP_NAME_REQUESTED 50
#define CM_UNKNOWN_MAP_NAME_RECEIVED 51
#define CM_MAP_ROUTINE_ERROR 52
#define CM_CONVERSATION_CANCELLED 53
#define CM_TAKE_BACKOUT 100
#define CM_DEALLOCATED_ABEND_BO 130
#define CM_DEALLOCATED_ABEND_SVC_BO 131
#define CM_DEALLOCATED_ABEND_TIMER_BO 132
#define CM_RESOURCE_FAIL_NO_RETRY_BO 133
#define CM_RESOURCE_FAILURE_RETRY_BO 134
#define CM_DEALLOCATED_NORMAL_BO 135
#define CM_CONV_DEALLOC_AFTER_SYNCPT 136
#define CM_INCLUDE_PARTNER_REJECT_BO 137

/* ---- Values of characteristics and outputs. The states of sync points, 9 to 13 and 18, are never returned. ---- */

/* conversation_state */
#define CM_INITIALIZE_STATE 2
#define CM_SEND_STATE 3
#define CM_RECEIVE_STATE 4
#define CM_SEND_PENDING_STATE 5
#define CM_CONFIRM_STATE 6
#define CM_CONFIRM_SEND_STATE 7
#define CM_CONFIRM_DEALLOCATE_STATE 8
#define CM_DEFER_RECEIVE_STATE 9
#define CM_DEFER_DEALLOCATE_STATE 10
#define CM_SYNC_POINT_STATE 11
#define CM_SYNC_POINT_SEND_STATE 12
#define CM_SYNC_POINT_DEALLOCATE_STATE 13
#define CM_INITIALIZE_INCOMING_STATE 14
#define CM_SEND_ONLY_STATE 15
#define CM_RECEIVE_ONLY_STATE 16
#define CM_SEND_RECEIVE_STATE 17
#define CM_PREPARED_STATE 18

/* conversation_type */
#define CM_BASIC_CONVERSATION 0
#define CM_MAPPED_CONVERSATION 1

/* data_received */
#define CM_NO_DATA_RECEIVED 0
#define CM_DATA_RECEIVED 1
#define CM_COMPLETE_DATA_RECEIVED 2
#define CM_INCOMPLETE_DATA_RECEIVED 3

/* deallocate_type */
#define CM_DEALLOCATE_SYNC_LEVEL 0
#define CM_DEALLOCATE_FLUSH 1
#define CM_DEALLOCATE_CONFIRM 2
#define CM_DEALLOCATE_ABEND 3

/* error_direction */
#define CM_RECEIVE_ERROR 0
#define CM_SEND_ERROR 1

/* fill */
#define CM_FILL_LL 0
#define CM_FILL_BUFFER 1

/* prepare_to_receive_type */
#define CM_PREP_TO_RECEIVE_SYNC_LEVEL 0
#define CM_PREP_TO_RECEIVE_FLUSH 1
#define CM_PREP_TO_RECEIVE_CONFIRM 2

/* processing_mode */
#define CM_BLOCKING 0
#define CM_NON_BLOCKING 1

/* receive_type */
#define CM_RECEIVE_AND_WAIT 0
#define CM_RECEIVE_IMMEDIATE 1

/* request_to_send_received, and the control_information_received that extends it */
#define CM_REQ_TO_SEND_NOT_RECEIVED 0
#define CM_NO_CONTROL_INFO_RECEIVED 0
#define CM_REQ_TO_SEND_RECEIVED 1
#define CM_ALLOCATE_CONFIRMED 2
#define CM_ALLOCATE_CONFIRMED_WITH_DATA 3
#define CM_ALLOCATE_REJECTED_WITH_DATA 4
#define CM_EXPEDITED_DATA_AVAILABLE 5
#define CM_RTS_RCVD_AND_EXP_DATA_AVAIL 6

/* return_control */
#define CM_WHEN_SESSION_ALLOCATED 0
#define CM_IMMEDIATE 1
#define CM_WHEN_CONWINNER_ALLOCATED 2
#define CM_WHEN_SESSION_FREE 3

/* send_type */
#define CM_BUFFER_DATA 0
#define CM_SEND_AND_FLUSH 1
#define CM_SEND_AND_CONFIRM 2
#define CM_SEND_AND_PREP_TO_RECEIVE 3
#define CM_SEND_AND_DEALLOCATE 4

/* status_received */
#define CM_NO_STATUS_RECEIVED 0
#define CM_SEND_RECEIVED 1
#define CM_CONFIRM_RECEIVED 2
#define CM_CONFIRM_SEND_RECEIVED 3
#define CM_CONFIRM_DEALLOC_RECEIVED 4
#define CM_TAKE_COMMIT 5
#define CM_TAKE_COMMIT_SEND 6
#define CM_TAKE_COMMIT_DEALLOCATE 7
#define CM_TAKE_COMMIT_DATA_OK 8
#define CM_TAKE_COMMIT_SEND_DATA_OK 9
#define CM_TAKE_COMMIT_DEALLOC_DATA_OK 10
#define CM_PREPARE_OK 11
#define CM_JOIN_TRANSACTION 12

/* sync_level */
#if defined(_WIN32)
#define CM_NONE 0x00000000 /* as wingdi.h spells a macro of this name, so that the two do not collide */
#else
#define CM_NONE 0
#endif
#define CM_CONFIRM 1
#define CM_SYNC_POINT 2
#define CM_SYNC_POINT_NO_CONFIRM 3

/* conversation_security_type, under both of its names */
#define XC_SECURITY_NONE 0
#define XC_SECURITY_SAME 1
#define XC_SECURITY_PROGRAM 2
#define CM_SECURITY_NONE 0
#define CM_SECURITY_SAME 1
#define CM_SECURITY_PROGRAM 2
#define CM_SECURITY_DISTRIBUTED 3
#define CM_SECURITY_MUTUAL 4
#define CM_SECURITY_PROGRAM_STRONG 5

/* TP_name_type */
#define XC_APPLICATION_TP 0
#define XC_SNA_SERVICE_TP 1

/* the type of End_TP */
#define XC_SOFT 0
#define XC_HARD 1

/* send_receive_mode */
#define CM_HALF_DUPLEX 0
#define CM_FULL_DUPLEX 1

/* conversation_queue */
#define CM_INITIALIZATION_QUEUE 0
#define CM_SEND_QUEUE 1
#define CM_RECEIVE_QUEUE 2
#define CM_SEND_RECEIVE_QUEUE 3
#define CM_EXPEDITED_SEND_QUEUE 4
#define CM_EXPEDITED_RECEIVE_QUEUE 5

/* allocate_confirm, begin_transaction, confirmation_urgency, join_transaction, prepare_data_permitted,
 * transaction_control */
#define CM_ALLOCATE_NO_CONFIRM 0
#define CM_ALLOCATE_CONFIRM 1
#define CM_BEGIN_IMPLICIT 0
#define CM_BEGIN_EXPLICIT 1
#define CM_CONFIRMATION_NOT_URGENT 0
#define CM_CONFIRMATION_URGENT 1
#define CM_JOIN_IMPLICIT 0
#define CM_JOIN_EXPLICIT 1
#define CM_PREPARE_DATA_NOT_PERMITTED 0
#define CM_PREPARE_DATA_PERMITTED 1
#define CM_CHAINED_TRANSACTIONS 0
#define CM_UNCHAINED_TRANSACTIONS 1

/* partner_ID_type, partner_ID_scope, directory_syntax, directory_encoding, AE_qualifier_or_AP_title_format */
#define CM_DISTINGUISHED_NAME 0
#define CM_LOCAL_DISTINGUISHED_NAME 1
#define CM_PROGRAM_FUNCTION_ID 2
#define CM_OSI_TPSU_TITLE_OID 3
#define CM_PROGRAM_BINDING 4
#define CM_EXPLICIT 0
#define CM_REFERENCE 1
#define CM_DEFAULT_SYNTAX 0
#define CM_DCE_SYNTAX 1
#define CM_XDS_SYNTAX 2
#define CM_NDS_SYNTAX 3
#define CM_DEFAULT_ENCODING 0
#define CM_UNICODE_ENCODING 1
#define CM_DN 0
#define CM_OID 1
#define CM_INT_DIGITS 2

/* call_ID: CM_ and the entry point in capitals */
#define CM_CMACCI 1
#define CM_CMACCP 2
#define CM_CMALLC 3
#define CM_CMCANC 4
#define CM_CMCFM 5
#define CM_CMCFMD 6
#define CM_CMCNVI 7
#define CM_CMCNVO 8
#define CM_CMDEAL 9
#define CM_CMDFDE 10
#define CM_CMEACN 11
#define CM_CMEAEQ 12
#define CM_CMEAPT 13
#define CM_CMECS 14
#define CM_CMECT 15
#define CM_CMECTX 16
#define CM_CMEID 17
#define CM_CMEMBS 18
#define CM_CMEMN 19
#define CM_CMEPID 20
#define CM_CMEPLN 21
#define CM_CMESI 22
#define CM_CMESL 23
#define CM_CMESRM 24
#define CM_CMESUI 25
#define CM_CMETC 26
#define CM_CMETPN 27
#define CM_CMFLUS 28
#define CM_CMINCL 29
#define CM_CMINIC 30
#define CM_CMINIT 31
#define CM_CMPREP 32
#define CM_CMPTR 33
#define CM_CMRCV 34
#define CM_CMRCVX 35
#define CM_CMRLTP 36
#define CM_CMRTS 37
#define CM_CMSAC 38
#define CM_CMSACN 39
#define CM_CMSAEQ 40
#define CM_CMSAPT 41
#define CM_CMSBT 42
#define CM_CMSCSP 43
#define CM_CMSCST 44
#define CM_CMSCSU 45
#define CM_CMSCT 46
#define CM_CMSCU 47
#define CM_CMSDT 48
#define CM_CMSED 49
#define CM_CMSEND 50
#define CM_CMSERR 51
#define CM_CMSF 52
#define CM_CMSID 53
#define CM_CMSLD 54
#define CM_CMSLTP 55
#define CM_CMSMN 56
#define CM_CMSNDX 57
#define CM_CMSPDP 58
#define CM_CMSPID 59
#define CM_CMSPLN 60
#define CM_CMSPM 61
#define CM_CMSPTR 62
#define CM_CMSQCF 63
#define CM_CMSQPM 64
#define CM_CMSRC 65
#define CM_CMSRT 66
#define CM_CMSSL 67
#define CM_CMSSRM 68
#define CM_CMSST 69
#define CM_CMSTC 70
#define CM_CMSTPN 71
#define CM_CMTRTS 72
#define CM_CMWAIT 73
#define CM_CMWCMP 74
#define CM_CMSJT 75
#define CM_CMEMID 76
#define CM_CMSMID 77
#define CM_CMSNDM 78
#define CM_CMRCVM 79

/* ---- Side information ---- */

/* One entry of the side information: 124 bytes, the same layout everywhere. Text is left-justified and padded with
 * blanks, never NUL-terminated. */
typedef struct side_info_entry {
    unsigned char sym_dest_name[CM_SDN_SIZE];
    unsigned char partner_LU_name[CM_PLN_SIZE];
    unsigned char reserved[3];
    XC_TP_NAME_TYPE TP_name_type;
    unsigned char TP_name[CM_TPN_SIZE];
    unsigned char mode_name[CM_MN_SIZE];
    XC_CONVERSATION_SECURITY_TYPE conversation_security_type;
    unsigned char security_user_ID[8];
    unsigned char security_password[8];
} SIDE_INFO;
typedef char colloquy_side_info_has_124_bytes[sizeof(SIDE_INFO) == 124 ? 1 : -1];

/* ---- Starter set ---- */

/*
 * Initialize_Conversation: makes a conversation to be allocated; now INITIALIZE.
 * conversation_ID  out, 8 bytes.
 * sym_dest_name    in, up to 8 bytes, read to a NUL and padded; case matters. Names an entry of the side information
 *                  whose values become the conversation's; all blank: no entry, then Set_Mode_Name, Set_Partner_LU_Name
 *                  and Set_TP_Name must follow. Values are looked at by Allocate, not here.
 * 0   done
 * 20  LOCAL; also the limit of conversations is reached, or the configuration cannot be used
 * 24  a NULL pointer; a name that is neither blank nor known
 */
CM_ENTRY cminit(void CM_PTR conversation_ID, const void CM_PTR sym_dest_name, CM_RETURN_CODE CM_PTR return_code);

/*
 * Accept_Conversation: takes the oldest conversation that a partner has allocated to one of our names; now RECEIVE.
 * Nonblocking exactly when the program has specified a local TP name before (Specify_Local_TP_Name), whatever
 * processing modes say; otherwise it may wait for a name that the configuration serves. Any number may be outstanding
 * at once; they are served in order. The conversation starts CM_BLOCKING in any case.
 * conversation_ID  out, 8 bytes; written with 0 and with 35 (then it is good for Cancel_Conversation only until the
 *                  completion is collected), never afterwards.
 * 0   done
 * 20  LOCAL; also the limit of conversations is reached
 * 24  a NULL pointer
 * 25  nobody could ever call: no local TP name is known; or the time to wait ran out
 * 35  LATER
 */
CM_ENTRY cmaccp(void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Initialize_For_Incoming: a conversation that waits for a partner to allocate to it, now INITIALIZE_INCOMING. Its
 * processing mode, event and characteristics can be set before Accept_Incoming. Never waits.
 * conversation_ID  out, 8 bytes.
 * 0   done
 * 20  LOCAL; also the limit of conversations is reached
 * 24  a NULL pointer
 */
CM_ENTRY cminic(void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Accept_Incoming: gives an INITIALIZE_INCOMING conversation the oldest conversation that a partner has allocated to
 * one of our names; now RECEIVE, or SEND_RECEIVE when it is full-duplex. What the program set beforehand stays, what
 * the attach says (type, sync level, duplex, names) replaces the defaults. Waits by the processing mode of the
 * conversation. Extension calls limit how long.
 * 0   done
 * 17  the conversation was cancelled
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  not INITIALIZE_INCOMING; no local TP name is known; or the time to wait ran out, and it may be tried again
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmacci(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Allocate: connects a conversation to its partner LU; INITIALIZE -> SEND. May wait, unless return_control is
 * CM_IMMEDIATE.
 * The partner program is not called yet: the request leaves with the first bytes, or by Flush or Confirm, so that CM_OK
 * says nothing about it. What was set for the allocation is now fixed.
 * 0   done
 * 1   no link to that partner, and trying again will not help; ends
 * 2   no link to that partner at present: try again later; ends
 * 19  mode name, partner LU or TP name is missing, malformed, unknown or reserved; still INITIALIZE: mend it, try again
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  not INITIALIZE
 * 28  CM_IMMEDIATE and no link is up; still INITIALIZE
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmallc(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Send_Data: appends bytes to the send buffer, then does what send_type says (nothing, Flush, Confirm,
 * Prepare_To_Receive or Deallocate). SEND or SEND_PENDING; then SEND, RECEIVE or ended accordingly. May wait: for room
 * when the partner reads slowly, and for the partner's answer where send_type asks one.
 * buffer           in, send_length bytes; copied, yours again when the call returns, except after 35. Basic
 *                  conversations: the bytes are logical records, which may span calls. Not looked at when send_length
 *                  is 0.
 * send_length      in, 0..32767 bytes. 0 sends an empty record on a mapped conversation, nothing on a basic one.
 * request_to_send_received  out, 0 or 1: the partner would like to send. Told once. Undefined with 24 and 25.
 * 0   done
 * 3 5 6 7 8 9 10 11  ATTACH    17 30 31  ABEND    22 33  PURGING    26 27  RESOURCE; this call's bytes are not sent
 * 20  LOCAL
 * 24  no such conversation, NULL pointer; length out of range; a logical record length of 0, 1, 8000 or 8001 (hex)
 * 25  wrong state; or send_type ends a basic record that is not complete (except to abend)
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmsend(const void CM_PTR conversation_ID, const void CM_PTR buffer, const CM_INT32 CM_PTR send_length,
                CM_REQUEST_TO_SEND_RECEIVED CM_PTR request_to_send_received, CM_RETURN_CODE CM_PTR return_code);

/*
 * Receive: brings one piece of news: data, a status, or both. CM_RECEIVE_AND_WAIT: may wait; in RECEIVE, or in SEND and
 * SEND_PENDING, where it first flushes and gives the partner the turn. CM_RECEIVE_IMMEDIATE: never waits; RECEIVE only.
 * buffer            out, requested_length bytes; the library writes there until the completion is collected, after 35.
 * requested_length  in, 0..32767 bytes. With 0, data is announced but not taken, and never together with a status.
 * data_received     out, CM_NO_DATA_RECEIVED, CM_DATA_RECEIVED (basic, CM_FILL_BUFFER), CM_COMPLETE_DATA_RECEIVED (a
 *                   record, or its last part) or CM_INCOMPLETE_DATA_RECEIVED (there is more of the record: receive
 *                   again).
 * received_length   out, bytes; only with data. Basic with CM_FILL_LL: the two length bytes are part of the data.
 * status_received   out, CM_NO_STATUS_RECEIVED, CM_SEND_RECEIVED (now SEND; SEND_PENDING if data came along),
 *                   CM_CONFIRM_RECEIVED (now CONFIRM), CM_CONFIRM_SEND_RECEIVED (now CONFIRM_SEND) or
 *                   CM_CONFIRM_DEALLOC_RECEIVED (now CONFIRM_DEALLOCATE): answer by Confirmed or Send_Error.
 * request_to_send_received  out, 0 or 1, told once. Undefined with 24 and 25.
 * 0   done
 * 3 5 6 7 8 9 10 11  ATTACH    17 30 31  ABEND    26 27  RESOURCE
 * 18  the partner ended the conversation normally; data_received, received_length and buffer are valid; ends
 * 21 32  the partner reported an error, nothing was cut    23 34  it cut the record it was sending; now RECEIVE
 * 22 33  PURGING
 * 20  LOCAL
 * 24  no such conversation, NULL pointer; length out of range
 * 25  wrong state for the receive_type; or a basic record that was begun is not complete
 * 28  CM_RECEIVE_IMMEDIATE and nothing is there; data_received and status_received are 0
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmrcv(const void CM_PTR conversation_ID, void CM_PTR buffer, const CM_INT32 CM_PTR requested_length,
               CM_DATA_RECEIVED_TYPE CM_PTR data_received, CM_INT32 CM_PTR received_length,
               CM_STATUS_RECEIVED CM_PTR status_received,
               CM_REQUEST_TO_SEND_RECEIVED CM_PTR request_to_send_received, CM_RETURN_CODE CM_PTR return_code);

/*
 * Deallocate: ends the conversation as deallocate_type says. FLUSH, or SYNC_LEVEL without confirmation: sends what is
 * buffered and ends; SEND or SEND_PENDING. CONFIRM, or SYNC_LEVEL with sync_level CM_CONFIRM: waits for the partner's
 * Confirmed; same states; may wait. ABEND: any state, at once; what is on its way to us is dropped, log data goes
 * along.
 * 0   done; ends. Nothing that was sent is lost when the program leaves now
 * 3 5 6 7 8 9 10 11  ATTACH    17 30 31  ABEND    26 27  RESOURCE; only when waiting for Confirmed
 * 22 33  PURGING; only when waiting for Confirmed: the conversation goes on, in RECEIVE
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  wrong state; or a basic record that was begun is not complete (except to abend)
 * 35  LATER    37  BUSY (an incomplete Receive does not hinder an abend; it completes with 17)
 */
CM_ENTRY cmdeal(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/* ---- Advanced functions ---- */

/*
 * Confirm: sends what is buffered and waits for the partner's answer. SEND or SEND_PENDING -> SEND, sync_level
 * CM_CONFIRM.
 * Right after Allocate it proves that the partner program runs. May wait.
 * request_to_send_received  out, 0 or 1, told once. Undefined with 24 and 25. Valid at completion, after 35.
 * 0   the partner confirmed
 * 3 5 6 7 8 9 10 11  ATTACH    17 30 31  ABEND    22 33  PURGING    26 27  RESOURCE
 * 20  LOCAL
 * 24  no such conversation, NULL pointer; sync_level is CM_NONE
 * 25  wrong state; or a basic record that was begun is not complete
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmcfm(const void CM_PTR conversation_ID, CM_REQUEST_TO_SEND_RECEIVED CM_PTR request_to_send_received,
               CM_RETURN_CODE CM_PTR return_code);

/*
 * Confirmed: answers a request to confirm. CONFIRM -> RECEIVE, CONFIRM_SEND -> SEND, CONFIRM_DEALLOCATE -> ended.
 * May wait for room on the link only. A lost link is told by the next call, not here.
 * 0   done
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  nobody asked for confirmation
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmcfmd(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Flush: sends what is buffered, the request of Allocate included. SEND or SEND_PENDING -> SEND. May wait for room on
 * the link only. An incomplete basic record may be flushed. Errors that have arrived are told by the next call, not
 * here.
 * 0   done, or nothing to send
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  wrong state
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmflus(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Prepare_To_Receive: sends what is buffered and gives the partner the turn. SEND or SEND_PENDING -> RECEIVE.
 * prepare_to_receive_type CONFIRM, or SYNC_LEVEL with sync_level CM_CONFIRM, also waits for the partner's Confirmed;
 * the partner may send after that only. May wait.
 * 0   done
 * 3 5 6 7 8 9 10 11  ATTACH    17 30 31  ABEND    22 33  PURGING    26 27  RESOURCE; only when waiting for Confirmed
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  wrong state; or a basic record that was begun is not complete
 * 35  LATER    37  BUSY
 */
CM_ENTRY cmptr(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Send_Error: tells the partner that something is wrong with what it sent, or with what it is being sent, and takes the
 * turn. SEND, RECEIVE, SEND_PENDING, CONFIRM, CONFIRM_SEND or CONFIRM_DEALLOCATE -> SEND; sent at once. In RECEIVE what
 * is on its way to us is dropped; where confirmation was asked it is refused. In SEND_PENDING error_direction chooses
 * what the partner is told. Log data goes along. If both ends report an error, the one in RECEIVE wins. May wait.
 * request_to_send_received  out, 0 or 1, told once. Undefined with 24 and 25.
 * 0   done
 * 3 5 6 7 8 9 10 11  ATTACH; in SEND    17 30 31  ABEND; in SEND or SEND_PENDING
 * 18  in RECEIVE: the conversation had ended already, in whatever way; ends
 * 22 33  PURGING; in SEND or SEND_PENDING: the partner's error came first
 * 26 27  RESOURCE
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  INITIALIZE
 * 35  LATER    37  BUSY (an incomplete Receive does not hinder it; that Receive completes with 28 and no data)
 */
CM_ENTRY cmserr(const void CM_PTR conversation_ID, CM_REQUEST_TO_SEND_RECEIVED CM_PTR request_to_send_received,
                CM_RETURN_CODE CM_PTR return_code);

/*
 * Send_Expedited_Data: a few bytes that pass what is under way. Any state but INITIALIZE and INITIALIZE_INCOMING; no
 * change. One at a time is under way in each direction: the next waits until the partner's program has received the
 * last. Beside any other call on the conversation in blocking mode; the conversation's one call in nonblocking mode.
 * send_length                   in, 1..86 bytes.
 * control_information_received  out, as request_to_send_received of Send_Data; 5 and 6: expedited data waits here, too.
 * 0   on its way; the buffer is free
 * 20  LOCAL
 * 24  no such conversation, NULL pointer, length out of range
 * 25  INITIALIZE, INITIALIZE_INCOMING
 * 26 27  RESOURCE
 * 35  LATER    37  BUSY: the last one waits still
 * 38  the conversation is ending
 * 41  the partner's logical unit takes no expedited data
 */
CM_ENTRY cmsndx(const void CM_PTR conversation_ID, const void CM_PTR buffer, const CM_INT32 CM_PTR send_length,
                CM_CONTROL_INFORMATION_RECEIVED CM_PTR control_information_received,
                CM_RETURN_CODE CM_PTR return_code);

/*
 * Receive_Expedited_Data: what the partner sent by Send_Expedited_Data. States and modes as there.
 * buffer                        out, requested_length bytes, valid until the call completes.
 * requested_length              in, 0..86 bytes.
 * received_length               out, bytes; with 40 the length that is needed.
 * control_information_received  out, see Send_Expedited_Data.
 * expedited_receive_type        in, CM_RECEIVE_AND_WAIT or CM_RECEIVE_IMMEDIATE.
 * 0   done
 * 20  LOCAL
 * 24  no such conversation, NULL pointer, length or type out of range
 * 25  INITIALIZE, INITIALIZE_INCOMING
 * 26 27  RESOURCE
 * 28  CM_RECEIVE_IMMEDIATE and nothing is there
 * 35  LATER    37  BUSY: another Receive_Expedited_Data waits
 * 38  the conversation is ending, no more will come
 * 40  there is more than requested_length; it stays
 */
CM_ENTRY cmrcvx(const void CM_PTR conversation_ID, void CM_PTR buffer, const CM_INT32 CM_PTR requested_length,
                CM_INT32 CM_PTR received_length,
                CM_CONTROL_INFORMATION_RECEIVED CM_PTR control_information_received,
                const CM_RECEIVE_TYPE CM_PTR expedited_receive_type, CM_RETURN_CODE CM_PTR return_code);

/*
 * Request_To_Send: asks the partner for the turn; it may overtake data and the partner may ignore it. Any state but
 * INITIALIZE; no change. May wait for room on the link only.
 * 0   sent
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  INITIALIZE
 * 35  LATER    37  BUSY (an incomplete Receive does not hinder it)
 */
CM_ENTRY cmrts(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Test_Request_To_Send_Received: has the partner asked for the turn? SEND, RECEIVE or SEND_PENDING; no change.
 * request_to_send_received  out, 0 or 1, told once.
 * 0   done
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  other state
 * 37  BUSY (an incomplete Receive does not hinder it)
 */
CM_ENTRY cmtrts(const void CM_PTR conversation_ID, CM_REQUEST_TO_SEND_RECEIVED CM_PTR request_to_send_received,
                CM_RETURN_CODE CM_PTR return_code);

/* ---- Nonblocking processing ---- */

/*
 * Set_Processing_Mode: CM_BLOCKING or CM_NON_BLOCKING for the calls that follow. Any state.
 * 0   done
 * 20  LOCAL
 * 24  no such conversation, NULL pointer; other value
 * 25  a call on the conversation is incomplete (25 here, not 37)
 */
CM_ENTRY cmspm(const void CM_PTR conversation_ID, const CM_PROCESSING_MODE CM_PTR processing_mode,
               CM_RETURN_CODE CM_PTR return_code);

/*
 * Wait_For_Conversation: waits until any incomplete call of the program is done, and collects it. Each completion goes
 * to exactly one waiter. All outputs of the collected call (but its return_code variable, which still holds 35) have
 * been written. The conversation takes calls again; if the code says that it ended, the ID is dead already.
 * conversation_ID           out, 8 bytes: whose call.
 * conversation_return_code  out: what the call would have returned; never 35.
 * 0   a completion was collected
 * 20  LOCAL
 * 24  a NULL pointer
 * 25  nothing is incomplete (any more)
 * 36  a system event ended the wait; not returned by this release
 */
CM_ENTRY cmwait(void CM_PTR conversation_ID, CM_CONVERSATION_RETURN_CODE CM_PTR conversation_return_code,
                CM_RETURN_CODE CM_PTR return_code);

/*
 * Check_For_Completion: is there something for Wait_For_Conversation to collect? Never waits, collects nothing: with 0
 * the next Wait_For_Conversation returns at once (unless another thread collects first).
 * conversation_ID           out, 8 bytes: whose call; with 0 only.
 * conversation_return_code  out: its code; with 0 only.
 * 0   a completion waits    28  calls are incomplete, none is done    25  nothing is incomplete
 * 20  LOCAL
 * 24  a NULL pointer
 */
CM_ENTRY cmchck(void CM_PTR conversation_ID, CM_CONVERSATION_RETURN_CODE CM_PTR conversation_return_code,
                CM_RETURN_CODE CM_PTR return_code);

/*
 * Cancel_Conversation: ends the conversation and its incomplete call, from any thread, in any state, in either mode,
 * also for an incomplete Accept. The ended call finishes with 17; a thread already waiting for it is told, otherwise
 * nothing is left to collect. When this call returns, the ended call's buffers are yours again. The partner gets 30.
 * Never waits for the partner.
 * 0   done; ends
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 */
CM_ENTRY cmcanc(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * Specify_Local_TP_Name: serves conversations allocated to this name, and makes Accept_Conversation nonblocking for the
 * program. Names add up.
 * TP_name         in, no blank.
 * TP_name_length  in, 1..64 bytes.
 * 0   done
 * 20  LOCAL; also the limit of names is reached
 * 24  a NULL pointer; a bad name or length
 */
CM_ENTRY cmsltp(const void CM_PTR TP_name, const CM_INT32 CM_PTR TP_name_length, CM_RETURN_CODE CM_PTR return_code);

/*
 * Release_Local_TP_Name: no longer serves this name. Conversations already waiting for it may still be accepted.
 * TP_name         in, as specified before.
 * TP_name_length  in, 1..64 bytes.
 * 0   done
 * 20  LOCAL
 * 24  a NULL pointer; a bad length; a name that was not specified
 */
CM_ENTRY cmrltp(const void CM_PTR TP_name, const CM_INT32 CM_PTR TP_name_length, CM_RETURN_CODE CM_PTR return_code);

/* ---- Set_ calls for the allocation: INITIALIZE only. ----
 * All return 0; 20 LOCAL; 24 for no such conversation, a NULL pointer or a value out of the stated range; 25 when the
 * state is not INITIALIZE; 37 BUSY. A call that fails changes nothing. None waits; text is copied. */

/* Set_Conversation_Type: CM_BASIC_CONVERSATION or CM_MAPPED_CONVERSATION (the default).
 * 24 also for mapped while fill is CM_FILL_BUFFER or log data is set. */
CM_ENTRY cmsct(const void CM_PTR conversation_ID, const CM_CONVERSATION_TYPE CM_PTR conversation_type,
               CM_RETURN_CODE CM_PTR return_code);

/* Set_Sync_Level: CM_NONE (the default) or CM_CONFIRM. 24 also for CM_NONE while send_type, prepare_to_receive_type or
 * deallocate_type ask for confirmation. */
CM_ENTRY cmssl(const void CM_PTR conversation_ID, const CM_SYNC_LEVEL CM_PTR sync_level,
               CM_RETURN_CODE CM_PTR return_code);

/* Set_Mode_Name: 0..8 bytes; 0 changes nothing. The name itself is looked at by Allocate (19). */
CM_ENTRY cmsmn(const void CM_PTR conversation_ID, const void CM_PTR mode_name,
               const CM_INT32 CM_PTR mode_name_length, CM_RETURN_CODE CM_PTR return_code);

/* Set_Partner_LU_Name: 1..17 bytes, an alias or NETID.LUNAME. The name itself is looked at by Allocate (19). */
CM_ENTRY cmspln(const void CM_PTR conversation_ID, const void CM_PTR partner_LU_name,
                const CM_INT32 CM_PTR partner_LU_name_length, CM_RETURN_CODE CM_PTR return_code);

/* Set_TP_Name: 1..64 bytes, case matters. The name itself is looked at by Allocate (19). */
CM_ENTRY cmstpn(const void CM_PTR conversation_ID, const void CM_PTR TP_name, const CM_INT32 CM_PTR TP_name_length,
                CM_RETURN_CODE CM_PTR return_code);

/* Set_Return_Control: CM_WHEN_SESSION_ALLOCATED (the default) or CM_IMMEDIATE. */
CM_ENTRY cmsrc(const void CM_PTR conversation_ID, const CM_RETURN_CONTROL CM_PTR return_control,
               CM_RETURN_CODE CM_PTR return_code);

/* Set_Conversation_Security_Type: CM_SECURITY_NONE, CM_SECURITY_SAME or CM_SECURITY_PROGRAM. Two entry points, one
 * call. */
CM_ENTRY cmscst(const void CM_PTR conversation_ID,
                const XC_CONVERSATION_SECURITY_TYPE CM_PTR conversation_security_type,
                CM_RETURN_CODE CM_PTR return_code);
CM_ENTRY xcscst(const void CM_PTR conversation_ID,
                const XC_CONVERSATION_SECURITY_TYPE CM_PTR conversation_security_type,
                CM_RETURN_CODE CM_PTR return_code);

/* Set_Conversation_Security_User_ID: 0..10 bytes, case matters. 25 also when the security type is CM_SECURITY_NONE.
 * Two entry points, one call. */
CM_ENTRY cmscsu(const void CM_PTR conversation_ID, const void CM_PTR security_user_ID,
                const CM_INT32 CM_PTR security_user_ID_length, CM_RETURN_CODE CM_PTR return_code);
CM_ENTRY xcscsu(const void CM_PTR conversation_ID, const void CM_PTR security_user_ID,
                const CM_INT32 CM_PTR security_user_ID_length, CM_RETURN_CODE CM_PTR return_code);

/* Set_Conversation_Security_Password: 0..10 bytes, case matters. 25 also when the security type is CM_SECURITY_NONE.
 * Two entry points, one call. */
CM_ENTRY cmscsp(const void CM_PTR conversation_ID, const void CM_PTR security_password,
                const CM_INT32 CM_PTR security_password_length, CM_RETURN_CODE CM_PTR return_code);
CM_ENTRY xcscsp(const void CM_PTR conversation_ID, const void CM_PTR security_password,
                const CM_INT32 CM_PTR security_password_length, CM_RETURN_CODE CM_PTR return_code);

/* ---- Set_ calls for what comes later: any state. ----
 * All return 0; 20 LOCAL; 24 for no such conversation, a NULL pointer or a value out of the stated range; 37 BUSY (an
 * incomplete Receive does not hinder them; they affect later calls). A call that fails changes nothing. None waits. */

/* Set_Deallocate_Type: one of CM_DEALLOCATE_*; CM_DEALLOCATE_SYNC_LEVEL is the default.
 * 24 also for CM_DEALLOCATE_CONFIRM while sync_level is CM_NONE. */
CM_ENTRY cmsdt(const void CM_PTR conversation_ID, const CM_DEALLOCATE_TYPE CM_PTR deallocate_type,
               CM_RETURN_CODE CM_PTR return_code);

/* Set_Error_Direction: CM_RECEIVE_ERROR (the default) or CM_SEND_ERROR; used by Send_Error in SEND_PENDING only. */
CM_ENTRY cmsed(const void CM_PTR conversation_ID, const CM_ERROR_DIRECTION CM_PTR error_direction,
               CM_RETURN_CODE CM_PTR return_code);

/* Set_Fill: CM_FILL_LL (the default) or CM_FILL_BUFFER. 24 also for a mapped conversation. */
CM_ENTRY cmsf(const void CM_PTR conversation_ID, const CM_FILL CM_PTR fill, CM_RETURN_CODE CM_PTR return_code);

/* Set_Log_Data: 0..512 bytes of text for the next Send_Error or abend, which uses it up; 0 takes it back, and then
 * log_data is not looked at. Copied. 24 also for a mapped conversation. */
CM_ENTRY cmsld(const void CM_PTR conversation_ID, const void CM_PTR log_data, const CM_INT32 CM_PTR log_data_length,
               CM_RETURN_CODE CM_PTR return_code);

/* Set_Prepare_To_Receive_Type: one of CM_PREP_TO_RECEIVE_*; CM_PREP_TO_RECEIVE_SYNC_LEVEL is the default.
 * 24 also for CM_PREP_TO_RECEIVE_CONFIRM while sync_level is CM_NONE. */
CM_ENTRY cmsptr(const void CM_PTR conversation_ID, const CM_PREPARE_TO_RECEIVE_TYPE CM_PTR prepare_to_receive_type,
                CM_RETURN_CODE CM_PTR return_code);

/*
 * Set_Send_Receive_Mode: CM_HALF_DUPLEX (the default), or CM_FULL_DUPLEX: both programs send and receive at any time,
 * each by a thread of its own if they like, and each ends its direction by Deallocate. INITIALIZE only; 24 also with
 * sync level CM_CONFIRM, a send type of CM_SEND_AND_CONFIRM or CM_SEND_AND_PREP_TO_RECEIVE, and in nonblocking mode,
 * none of which such a conversation can have.
 */
CM_ENTRY cmssrm(const void CM_PTR conversation_ID, const CM_SEND_RECEIVE_MODE CM_PTR send_receive_mode,
                CM_RETURN_CODE CM_PTR return_code);

/* Set_Receive_Type: CM_RECEIVE_AND_WAIT (the default) or CM_RECEIVE_IMMEDIATE. */
CM_ENTRY cmsrt(const void CM_PTR conversation_ID, const CM_RECEIVE_TYPE CM_PTR receive_type,
               CM_RETURN_CODE CM_PTR return_code);

/* Set_Send_Type: CM_BUFFER_DATA (the default) or one of CM_SEND_AND_*.
 * 24 also for CM_SEND_AND_CONFIRM while sync_level is CM_NONE. */
CM_ENTRY cmsst(const void CM_PTR conversation_ID, const CM_SEND_TYPE CM_PTR send_type,
               CM_RETURN_CODE CM_PTR return_code);

/* ---- Extract_ calls: any state, no change, also while another call is incomplete. ----
 * All return 0; 20 LOCAL; 24 for no such conversation or a NULL pointer. None waits. Text comes without NUL or padding;
 * what stands behind its length is unspecified. */

/* Extract_Send_Receive_Mode: CM_HALF_DUPLEX or CM_FULL_DUPLEX; an accepted conversation has the one of its attach. */
CM_ENTRY cmesrm(const void CM_PTR conversation_ID, CM_SEND_RECEIVE_MODE CM_PTR send_receive_mode,
                CM_RETURN_CODE CM_PTR return_code);

/* Extract_Conversation_State: while a call is incomplete, the state before it. 24 is the usual way to learn that a
 * conversation has ended. */
CM_ENTRY cmecs(const void CM_PTR conversation_ID, CM_CONVERSATION_STATE CM_PTR conversation_state,
               CM_RETURN_CODE CM_PTR return_code);

/* Extract_Conversation_Type: CM_BASIC_CONVERSATION or CM_MAPPED_CONVERSATION. */
CM_ENTRY cmect(const void CM_PTR conversation_ID, CM_CONVERSATION_TYPE CM_PTR conversation_type,
               CM_RETURN_CODE CM_PTR return_code);

/* Extract_Mode_Name: mode_name has room for 8 bytes; mode_name_length out, 0..8. */
CM_ENTRY cmemn(const void CM_PTR conversation_ID, void CM_PTR mode_name, CM_INT32 CM_PTR mode_name_length,
               CM_RETURN_CODE CM_PTR return_code);

/* Extract_Partner_LU_Name: partner_LU_name has room for 17 bytes; partner_LU_name_length out, 1..17. An accepted
 * conversation gives NETID.LUNAME, an allocated one what was set. */
CM_ENTRY cmepln(const void CM_PTR conversation_ID, void CM_PTR partner_LU_name,
                CM_INT32 CM_PTR partner_LU_name_length, CM_RETURN_CODE CM_PTR return_code);

/* Extract_Sync_Level: CM_NONE or CM_CONFIRM. */
CM_ENTRY cmesl(const void CM_PTR conversation_ID, CM_SYNC_LEVEL CM_PTR sync_level, CM_RETURN_CODE CM_PTR return_code);

/* Extract_TP_Name: TP_name has room for 64 bytes; TP_name_length out, 1..64. The same at both ends. */
CM_ENTRY cmetpn(const void CM_PTR conversation_ID, void CM_PTR TP_name, CM_INT32 CM_PTR TP_name_length,
                CM_RETURN_CODE CM_PTR return_code);

/* Extract_Conversation_Security_Type: one of CM_SECURITY_*. Two entry points, one call. */
CM_ENTRY cmecst(const void CM_PTR conversation_ID, XC_CONVERSATION_SECURITY_TYPE CM_PTR conversation_security_type,
                CM_RETURN_CODE CM_PTR return_code);
CM_ENTRY xcecst(const void CM_PTR conversation_ID, XC_CONVERSATION_SECURITY_TYPE CM_PTR conversation_security_type,
                CM_RETURN_CODE CM_PTR return_code);

/* Extract_Security_User_ID: security_user_ID has room for 10 bytes; its length out, 0..10. Three entry points, one
 * call. There is no way to extract a password. */
CM_ENTRY cmesui(const void CM_PTR conversation_ID, void CM_PTR security_user_ID,
                CM_INT32 CM_PTR security_user_ID_length, CM_RETURN_CODE CM_PTR return_code);
CM_ENTRY cmecsu(const void CM_PTR conversation_ID, void CM_PTR security_user_ID,
                CM_INT32 CM_PTR security_user_ID_length, CM_RETURN_CODE CM_PTR return_code);
CM_ENTRY xcecsu(const void CM_PTR conversation_ID, void CM_PTR security_user_ID,
                CM_INT32 CM_PTR security_user_ID_length, CM_RETURN_CODE CM_PTR return_code);

/* ---- Side information: a table of the process, in memory. ---- */

/*
 * Set_CPIC_Side_Information: adds an entry, or replaces the one of the same name. Conversations that exist keep their
 * values. Copied; partner LU and mode need not exist. Never waits.
 * key_lock                in, ignored; may be NULL.
 * side_info_entry         in, text left-justified and padded.
 * side_info_entry_length  in, 124.
 * 0   done
 * 20  LOCAL; also the limit of entries is reached
 * 24  a NULL pointer; another length; a name that starts with a blank; a type or a character that no entry may have
 */
CM_ENTRY xcmssi(const void CM_PTR key_lock, const SIDE_INFO CM_PTR side_info_entry,
                const CM_INT32 CM_PTR side_info_entry_length, CM_RETURN_CODE CM_PTR return_code);

/*
 * Extract_CPIC_Side_Information: a copy of an entry; its password comes blank. Never waits.
 * entry_number            in, 1.. in the order of entering (a deletion moves later entries down), or 0: by name.
 * sym_dest_name           in, up to 8 bytes, read to a NUL and padded; looked at when entry_number is 0.
 * side_info_entry         out, 124 bytes.
 * side_info_entry_length  in, 124.
 * 0   done
 * 20  LOCAL
 * 24  a NULL pointer; a number below 0 or behind the last entry; an unknown name; another length
 */
CM_ENTRY xcmesi(const CM_INT32 CM_PTR entry_number, const void CM_PTR sym_dest_name, SIDE_INFO CM_PTR side_info_entry,
                const CM_INT32 CM_PTR side_info_entry_length, CM_RETURN_CODE CM_PTR return_code);

/*
 * Delete_CPIC_Side_Information: removes an entry. Conversations that exist keep their values. Never waits.
 * key_lock       in, ignored; may be NULL.
 * sym_dest_name  in, up to 8 bytes, read to a NUL and padded.
 * 0   done
 * 20  LOCAL
 * 24  a NULL pointer; an unknown name
 */
CM_ENTRY xcmdsi(const void CM_PTR key_lock, const void CM_PTR sym_dest_name, CM_RETURN_CODE CM_PTR return_code);

/*
 * Extract_Conversation_Context: what an accepted conversation was accepted for: 32 bytes that no other accepted
 * conversation has, here or elsewhere. Conversations that the program initializes by itself share one context. Never
 * waits.
 * context_ID         out, room for 32 bytes; printable.
 * context_ID_length  out, 32.
 * 0   done
 * 20  LOCAL
 * 24  no such conversation, NULL pointer
 * 25  INITIALIZE or INITIALIZE_INCOMING
 */
CM_ENTRY cmectx(const void CM_PTR conversation_ID, void CM_PTR context_ID,
                CM_CONTEXT_ID_LENGTH CM_PTR context_ID_length, CM_RETURN_CODE CM_PTR return_code);

/*
 * Extract_Secondary_Information: one line of text on the last call of this thread that returned neither 0 nor 35, if it
 * was this call on this conversation; also on a result that Wait_For_Conversation has just collected, whatever the
 * call. Ask before the next call that may fail. Never waits.
 * conversation_ID   in; may have ended by now. Not looked at for calls that name no conversation.
 * call_ID           in, CM_ and the entry point in capitals, but not CM_CMESI.
 * buffer            out, requested_length bytes; printable, no NUL.
 * requested_length  in, 1..32767 bytes.
 * data_received     out, CM_COMPLETE_DATA_RECEIVED; CM_INCOMPLETE_DATA_RECEIVED: ask again for the rest.
 * received_length   out, bytes.
 * 0   done
 * 24  NULL pointer; length or call_ID out of range; a conversation that nothing is known of
 * 45  nothing to tell
 */
CM_ENTRY cmesi(const void CM_PTR conversation_ID, const CM_CALL_ID CM_PTR call_ID, void CM_PTR buffer,
               const CM_INT32 CM_PTR requested_length, CM_DATA_RECEIVED_TYPE CM_PTR data_received,
               CM_INT32 CM_PTR received_length, CM_RETURN_CODE CM_PTR return_code);

/* ---- Calls about no conversation that need no configuration. None waits. ---- */

/* Extract_Maximum_Buffer_Size: the most bytes that Send_Data and Receive take at once, 32767. 0 done; 24 NULL. */
CM_ENTRY cmembs(CM_INT32 CM_PTR maximum_buffer_size, CM_RETURN_CODE CM_PTR return_code);

/*
 * Convert_Incoming, Convert_Outgoing: from EBCDIC, and to EBCDIC (code page 037 and Latin-1, one to one, so that any
 * byte comes back as it was). Only for text of the program: names and log data are converted by the library. Length
 * bytes of basic records must not be converted.
 * string         in and out, string_length bytes, converted in place.
 * string_length  in, 1..32767 bytes.
 * 0   done
 * 24  NULL pointer; length out of range
 */
CM_ENTRY cmcnvi(void CM_PTR string, const CM_INT32 CM_PTR string_length, CM_RETURN_CODE CM_PTR return_code);
CM_ENTRY cmcnvo(void CM_PTR string, const CM_INT32 CM_PTR string_length, CM_RETURN_CODE CM_PTR return_code);

/* ---- Transaction programs. ----
 * A TP_ID is 8 opaque bytes that stand for an instance of a program: for a group of conversations that belong together
 * and can be ended together. A program that never asks has one instance: itself. Each accepted conversation is an
 * instance of its own, to which conversations can be added. None of these calls waits. */

/*
 * Start_TP: begins an instance.
 * local_LU_alias  in, 8 bytes: blanks, NULs, or the name of the logical unit that was configured, padded with blanks.
 * TP_name         in, what it is called; does not serve the name (Specify_Local_TP_Name does).
 * TP_name_length  in, 1..64 bytes.
 * TP_ID           out, 8 bytes.
 * 0   done
 * 20  LOCAL; also more than 4096 instances are begun
 * 24  NULL pointer; length out of range; another logical unit
 */
CM_ENTRY xcstp(const void CM_PTR local_LU_alias, const void CM_PTR TP_name, const CM_INT32 CM_PTR TP_name_length,
               void CM_PTR TP_ID, CM_RETURN_CODE CM_PTR return_code);

/*
 * End_TP: ends an instance and every conversation that belongs to it.
 * TP_ID  in, 8 bytes; of Start_TP, or of an accepted conversation.
 * type   in, XC_SOFT: as Deallocate with CM_DEALLOCATE_ABEND, and only if no call on them is incomplete; XC_HARD: as
 *        Cancel_Conversation.
 * 0   done
 * 20  LOCAL
 * 24  NULL pointer; another type; an instance that has ended, never was, or is the program itself
 * 37  XC_SOFT, and a call on one of the conversations is incomplete; nothing changed
 */
CM_ENTRY xcendt(const void CM_PTR TP_ID, const CM_END_TYPE CM_PTR type, CM_RETURN_CODE CM_PTR return_code);

/* Extract_TP_ID: the instance that a conversation belongs to: TP_ID out, 8 bytes. 0 done; 20 LOCAL; 24 no such
 * conversation, NULL pointer. */
CM_ENTRY xceti(const void CM_PTR conversation_ID, void CM_PTR TP_ID, CM_RETURN_CODE CM_PTR return_code);

/* Initialize_Conversation_For_TP: Initialize_Conversation, and the conversation belongs to the instance TP_ID (in, 8
 * bytes). Also 24 for an instance that is not there. */
CM_ENTRY xcinct(void CM_PTR conversation_ID, const void CM_PTR sym_dest_name, const void CM_PTR TP_ID,
                CM_RETURN_CODE CM_PTR return_code);

/* ---- Calls of CPI-C 2.x that this library does not support. ----
 * For OSI TP, sync point, map names and queues of a conversation. They are declared so that programs that mention them
 * compile and link. All return 48 CM_CALL_NOT_SUPPORTED, or 24 for a NULL pointer; none changes anything. */

/* Deferred_Deallocate */
CM_ENTRY cmdfde(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);
/* Prepare */
CM_ENTRY cmprep(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);
/* Include_Partner_In_Transaction */
CM_ENTRY cmincl(const void CM_PTR conversation_ID, CM_RETURN_CODE CM_PTR return_code);
/* Set_Allocate_Confirm */
CM_ENTRY cmsac(const void CM_PTR conversation_ID, const CM_ALLOCATE_CONFIRM_TYPE CM_PTR allocate_confirm,
               CM_RETURN_CODE CM_PTR return_code);
/* Set_Begin_Transaction */
CM_ENTRY cmsbt(const void CM_PTR conversation_ID, const CM_BEGIN_TRANSACTION CM_PTR begin_transaction,
               CM_RETURN_CODE CM_PTR return_code);
/* Set_Confirmation_Urgency */
CM_ENTRY cmscu(const void CM_PTR conversation_ID, const CM_CONFIRMATION_URGENCY CM_PTR confirmation_urgency,
               CM_RETURN_CODE CM_PTR return_code);
/* Set_Join_Transaction */
CM_ENTRY cmsjt(const void CM_PTR conversation_ID, const CM_JOIN_TRANSACTION_TYPE CM_PTR join_transaction,
               CM_RETURN_CODE CM_PTR return_code);
/* Set_Prepare_Data_Permitted */
CM_ENTRY cmspdp(const void CM_PTR conversation_ID, const CM_PREPARE_DATA_PERMITTED_TYPE CM_PTR prepare_data_permitted,
                CM_RETURN_CODE CM_PTR return_code);
/* Set_Transaction_Control */
CM_ENTRY cmstc(const void CM_PTR conversation_ID, const CM_TRANSACTION_CONTROL CM_PTR transaction_control,
               CM_RETURN_CODE CM_PTR return_code);
/* Extract_Transaction_Control */
CM_ENTRY cmetc(const void CM_PTR conversation_ID, CM_TRANSACTION_CONTROL CM_PTR transaction_control,
               CM_RETURN_CODE CM_PTR return_code);
/* Set_AE_Qualifier */
CM_ENTRY cmsaeq(const void CM_PTR conversation_ID, const void CM_PTR AE_qualifier,
                const CM_INT32 CM_PTR AE_qualifier_length,
                const CM_AE_QUAL_OR_AP_TITLE_FORMAT CM_PTR AE_qualifier_format, CM_RETURN_CODE CM_PTR return_code);
/* Extract_AE_Qualifier */
CM_ENTRY cmeaeq(const void CM_PTR conversation_ID, void CM_PTR AE_qualifier, CM_INT32 CM_PTR AE_qualifier_length,
                CM_AE_QUAL_OR_AP_TITLE_FORMAT CM_PTR AE_qualifier_format, CM_RETURN_CODE CM_PTR return_code);
/* Set_AP_Title */
CM_ENTRY cmsapt(const void CM_PTR conversation_ID, const void CM_PTR AP_title, const CM_INT32 CM_PTR AP_title_length,
                const CM_AE_QUAL_OR_AP_TITLE_FORMAT CM_PTR AP_title_format, CM_RETURN_CODE CM_PTR return_code);
/* Extract_AP_Title */
CM_ENTRY cmeapt(const void CM_PTR conversation_ID, void CM_PTR AP_title, CM_INT32 CM_PTR AP_title_length,
                CM_AE_QUAL_OR_AP_TITLE_FORMAT CM_PTR AP_title_format, CM_RETURN_CODE CM_PTR return_code);
/* Set_Application_Context_Name */
CM_ENTRY cmsacn(const void CM_PTR conversation_ID, const void CM_PTR application_context_name,
                const CM_INT32 CM_PTR application_context_name_length, CM_RETURN_CODE CM_PTR return_code);
/* Extract_Application_Context_Name */
CM_ENTRY cmeacn(const void CM_PTR conversation_ID, void CM_PTR application_context_name,
                CM_INT32 CM_PTR application_context_name_length, CM_RETURN_CODE CM_PTR return_code);
/* Set_Partner_ID */
CM_ENTRY cmspid(const void CM_PTR conversation_ID, const CM_PARTNER_ID_TYPE CM_PTR partner_ID_type,
                const void CM_PTR partner_ID, const CM_INT32 CM_PTR partner_ID_length,
                const CM_PARTNER_ID_SCOPE CM_PTR partner_ID_scope, const CM_DIRECTORY_SYNTAX CM_PTR directory_syntax,
                const CM_DIRECTORY_ENCODING CM_PTR directory_encoding, CM_RETURN_CODE CM_PTR return_code);
/* Extract_Partner_ID */
CM_ENTRY cmepid(const void CM_PTR conversation_ID, CM_PARTNER_ID_TYPE CM_PTR partner_ID_type, void CM_PTR partner_ID,
                const CM_INT32 CM_PTR requested_length, CM_INT32 CM_PTR partner_ID_length,
                CM_PARTNER_ID_SCOPE CM_PTR partner_ID_scope, CM_DIRECTORY_SYNTAX CM_PTR directory_syntax,
                CM_DIRECTORY_ENCODING CM_PTR directory_encoding, CM_RETURN_CODE CM_PTR return_code);
/* Set_Initialization_Data */
CM_ENTRY cmsid(const void CM_PTR conversation_ID, const void CM_PTR initialization_data,
               const CM_INT32 CM_PTR initialization_data_length, CM_RETURN_CODE CM_PTR return_code);
/* Extract_Initialization_Data */
CM_ENTRY cmeid(const void CM_PTR conversation_ID, void CM_PTR initialization_data,
               const CM_INT32 CM_PTR requested_length, CM_INT32 CM_PTR initialization_data_length,
               CM_RETURN_CODE CM_PTR return_code);
/* Set_Mapped_Initialization_Data */
CM_ENTRY cmsmid(const void CM_PTR conversation_ID, const void CM_PTR map_name,
                const CM_MAP_NAME_LENGTH CM_PTR map_name_length, const void CM_PTR initialization_data,
                const CM_INT32 CM_PTR initialization_data_length, CM_RETURN_CODE CM_PTR return_code);
/* Extract_Mapped_Initialization_Data */
CM_ENTRY cmemid(const void CM_PTR conversation_ID, void CM_PTR map_name, CM_MAP_NAME_LENGTH CM_PTR map_name_length,
                void CM_PTR initialization_data, const CM_INT32 CM_PTR requested_length,
                CM_INT32 CM_PTR initialization_data_length, CM_RETURN_CODE CM_PTR return_code);
/* Send_Mapped_Data */
CM_ENTRY cmsndm(const void CM_PTR conversation_ID, const void CM_PTR map_name,
                const CM_MAP_NAME_LENGTH CM_PTR map_name_length, const void CM_PTR buffer,
                const CM_INT32 CM_PTR send_length,
                CM_CONTROL_INFORMATION_RECEIVED CM_PTR control_information_received,
                CM_RETURN_CODE CM_PTR return_code);
/* Receive_Mapped_Data */
CM_ENTRY cmrcvm(const void CM_PTR conversation_ID, void CM_PTR map_name, CM_MAP_NAME_LENGTH CM_PTR map_name_length,
                void CM_PTR buffer, const CM_INT32 CM_PTR requested_length,
                CM_DATA_RECEIVED_TYPE CM_PTR data_received, CM_INT32 CM_PTR received_length,
                CM_STATUS_RECEIVED CM_PTR status_received,
                CM_CONTROL_INFORMATION_RECEIVED CM_PTR control_information_received,
                CM_RETURN_CODE CM_PTR return_code);
/* Set_Queue_Processing_Mode */
CM_ENTRY cmsqpm(const void CM_PTR conversation_ID, const CM_CONVERSATION_QUEUE CM_PTR conversation_queue,
                const CM_PROCESSING_MODE CM_PTR processing_mode, const void CM_PTR user_field, CM_OOID CM_PTR OOID,
                CM_RETURN_CODE CM_PTR return_code);
/* Set_Queue_Callback_Function */
CM_ENTRY cmsqcf(const void CM_PTR conversation_ID, const CM_CONVERSATION_QUEUE CM_PTR conversation_queue,
                void CM_PTR callback_function, const void CM_PTR user_field, CM_RETURN_CODE CM_PTR return_code);
/* Wait_For_Completion */
CM_ENTRY cmwcmp(const CM_OOID CM_PTR OOID_list, const CM_OOID_LIST_COUNT CM_PTR OOID_list_count,
                const CM_TIMEOUT CM_PTR timeout, CM_INT32 CM_PTR completed_op_index_list,
                CM_COMPLETED_OP_COUNT CM_PTR completed_op_count, void CM_PTR user_field_list,
                CM_RETURN_CODE CM_PTR return_code);

#ifdef __cplusplus
}
#endif

/* ---- The long names, for programs that ask for them. ---- */

#ifdef READABLE_MACROS
#define Accept_Conversation cmaccp
#define Accept_Incoming cmacci
#define Allocate cmallc
#define Cancel_Conversation cmcanc
#define Check_For_Completion cmchck
#define Confirm cmcfm
#define Confirmed cmcfmd
#define Convert_Incoming cmcnvi
#define Convert_Outgoing cmcnvo
#define Deallocate cmdeal
#define Deferred_Deallocate cmdfde
#define Delete_CPIC_Side_Information xcmdsi
#define End_TP xcendt
#define Extract_AE_Qualifier cmeaeq
#define Extract_AP_Title cmeapt
#define Extract_Application_Context_Name cmeacn
#define Extract_CPIC_Side_Information xcmesi
#define Extract_Conversation_Context cmectx
#define Extract_Conversation_Security_Type cmecst
#define Extract_Conversation_Security_User_ID cmecsu
#define Extract_Conversation_State cmecs
#define Extract_Conversation_Type cmect
#define Extract_Initialization_Data cmeid
#define Extract_Mapped_Initialization_Data cmemid
#define Extract_Maximum_Buffer_Size cmembs
#define Extract_Mode_Name cmemn
#define Extract_Partner_ID cmepid
#define Extract_Partner_LU_Name cmepln
#define Extract_Secondary_Information cmesi
#define Extract_Security_User_ID cmesui
#define Extract_Send_Receive_Mode cmesrm
#define Extract_Sync_Level cmesl
#define Extract_TP_ID xceti
#define Extract_TP_Name cmetpn
#define Extract_Transaction_Control cmetc
#define Flush cmflus
#define Include_Partner_In_Transaction cmincl
#define Initialize_Conversation cminit
#define Initialize_Conversation_For_TP xcinct
#define Initialize_For_Incoming cminic
#define Prepare cmprep
#define Prepare_To_Receive cmptr
#define Receive cmrcv
#define Receive_Expedited_Data cmrcvx
#define Receive_Mapped_Data cmrcvm
#define Release_Local_TP_Name cmrltp
#define Request_To_Send cmrts
#define Send_Data cmsend
#define Send_Error cmserr
#define Send_Expedited_Data cmsndx
#define Send_Mapped_Data cmsndm
#define Set_AE_Qualifier cmsaeq
#define Set_AP_Title cmsapt
#define Set_Allocate_Confirm cmsac
#define Set_Application_Context_Name cmsacn
#define Set_Begin_Transaction cmsbt
#define Set_CPIC_Side_Information xcmssi
#define Set_Confirmation_Urgency cmscu
#define Set_Conversation_Security_Password cmscsp
#define Set_Conversation_Security_Type cmscst
#define Set_Conversation_Security_User_ID cmscsu
#define Set_Conversation_Type cmsct
#define Set_Deallocate_Type cmsdt
#define Set_Error_Direction cmsed
#define Set_Fill cmsf
#define Set_Initialization_Data cmsid
#define Set_Join_Transaction cmsjt
#define Set_Log_Data cmsld
#define Set_Mapped_Initialization_Data cmsmid
#define Set_Mode_Name cmsmn
#define Set_Partner_ID cmspid
#define Set_Partner_LU_Name cmspln
#define Set_Prepare_Data_Permitted cmspdp
#define Set_Prepare_To_Receive_Type cmsptr
#define Set_Processing_Mode cmspm
#define Set_Queue_Callback_Function cmsqcf
#define Set_Queue_Processing_Mode cmsqpm
#define Set_Receive_Type cmsrt
#define Set_Return_Control cmsrc
#define Set_Send_Receive_Mode cmssrm
#define Set_Send_Type cmsst
#define Set_Sync_Level cmssl
#define Set_TP_Name cmstpn
#define Set_Transaction_Control cmstc
#define Specify_Local_TP_Name cmsltp
#define Start_TP xcstp
#define Test_Request_To_Send_Received cmtrts
#define Wait_For_Completion cmwcmp
#define Wait_For_Conversation cmwait
#endif

#endif
