/* A program of somebody who has Colloquy installed: every public header, and one conversation with itself. */
#include <stdio.h>
#include <string.h>

#include <cmc.h>
#include <colloquy/colloquy.h>
#include <colloquy/event.h>
#include <colloquy/window.h>
#include <colloquy/windows_names.h>
#include <cpic.h>
#include <sna/cmc.h>
#include <wincpic.h>

int main(void) {
    unsigned char ours[CM_CID_SIZE], theirs[CM_CID_SIZE];
    char text[20];
    CM_INT32 rc, code, name = 4, length = 5, size = sizeof text, data, got, status, rts;
    void *event = clq_event_create(1, 1);
    if (event == NULL || clq_event_wait(event, 0) != 0 || clq_event_close(event) != 0) return 1;
    cmsltp("SELF", &name, &rc);
    cmaccp(theirs, &rc);
    if (rc != CM_OPERATION_INCOMPLETE) return 2;
    cminit(ours, "        ", &rc);
    clq_set_destination(ours, "inproc/SELF", &rc);
    cmallc(ours, &rc);
    if (rc != CM_OK) return 3;
    cmsend(ours, "hello", &length, &rts, &rc);
    cmdeal(ours, &rc);
    if (rc != CM_OK) return 4;
    cmwait(theirs, &code, &rc);
    if (rc != CM_OK || code != CM_OK) return 5;
    cmrcv(theirs, text, &size, &data, &got, &status, &rts, &rc);
    if (rc != CM_DEALLOCATED_NORMAL || got != 5 || memcmp(text, "hello", 5) != 0) return 6;
    puts("hello");
    return clq_stop(1000) == 0 ? 0 : 7;
}
