/*
 * A program linked with the import library of the drop-in DLL. It ends without WinCPICCleanup: exit() drains.
 *   linked TEXT
 * sends the text to the symbolic destination SERVER and leaves; the partner must hear it, and the end.
 */
#include <wincpic.h>

#include <windows.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    unsigned char id[8];
    CM_INT32 rc = -1, length, rts, type = CM_SEND_AND_DEALLOCATE;
    if (argc != 2) return 2;
    length = (CM_INT32)strlen(argv[1]);
    cminit(id, "SERVER  ", &rc);
    if (rc == CM_OK) cmallc(id, &rc);
    if (rc == CM_OK) cmsst(id, &type, &rc);
    if (rc == CM_OK) cmsend(id, argv[1], &length, &rts, &rc);
    if (rc != CM_OK) fprintf(stderr, "return code %ld\n", (long)rc);
    return rc == CM_OK && WinCPICIsBlocking() == FALSE ? 0 : 1;
}
