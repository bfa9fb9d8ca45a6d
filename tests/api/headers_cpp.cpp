// Compiles the C headers as C++, after names such as windows.h would have defined. The compiler is the test; no
// function here runs.
#include <cstddef>

// What windows.h leaves behind; wincpic.h must neither need nor fight it.
using WORD = unsigned short;
using BOOL = int;
using HANDLE = void*;
#define TRUE 1
#define FALSE 0

#include "cmc.h"
#include "wincpic.h"

#define SAME(name, value) static_assert((name) == (value), #name);
#define FOUR_BYTES(type) static_assert(sizeof(type) == 4, #type);
#define BYTES(type, size) static_assert(sizeof(type) == (size), #type);
#define AT(type, field, offset) static_assert(offsetof(type, field) == (offset), #field);
#include "header_values.inc"

int colloquy_cpp_calls();
int colloquy_cpp_calls() {
    unsigned char conversation_id[CM_CID_SIZE];
    char buffer[100];
    const unsigned char raw[] = {'d', 'a', 't', 'a'};
    const CM_INT32 length = 4;
    CM_INT32 received_length = 0;
    CM_DATA_RECEIVED_TYPE data_received = 0;
    CM_STATUS_RECEIVED status = 0;
    CM_REQUEST_TO_SEND_RECEIVED rts = 0;
    CM_RETURN_CODE rc = 0;

    // Literals, constants and both kinds of characters need no cast.
    cminit(conversation_id, "TELLER  ", &rc);
    cmstpn(conversation_id, "ECHO", &length, &rc);
    cmsend(conversation_id, raw, &length, &rts, &rc);
    cmrcv(conversation_id, buffer, &length, &data_received, &received_length, &status, &rts, &rc);

    const WORD version = 0x0001;
    WCPICDATA data;
    LPWCPICDATA pointer = &data;
    const BOOL cleaned = WinCPICStartup(version, pointer) == 0 ? WinCPICCleanup() : FALSE;
    CM_EVENT_HANDLE event = nullptr;
    HANDLE handle = event;
    return cleaned == TRUE && handle == nullptr ? rc : 1;
}
