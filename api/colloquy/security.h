/*
 * security.h: who may say that a user is who he claims to be, and who hears of those who are not.
 *
 * A partner's attach may bring a user and a password (CM_SECURITY_PROGRAM). They are checked against the password file
 * of the configuration ([security] passwords), or by a verifier of the program. docs/security.md tells what is
 * refused before anybody is asked. C89 and C++. All text is NUL-terminated.
 */
#ifndef COLLOQUY_SECURITY_H
#define COLLOQUY_SECURITY_H

#include <stddef.h>

#include "colloquy/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What an attach says of its user. Readable until the verifier returns; the password is overwritten then. */
typedef struct clq_credentials {
    size_t size;            /* of this struct, for later versions */
    const char* user;       /* 0 to 10 characters, as they were sent, case included */
    const char* password;   /* 0 to 10 characters */
    const char* tp_name;    /* the program that is called */
    const char* partner_lu; /* whom the link says to come from, NET.LU; proven only by a certificate */
    const char* peer;       /* the address it comes from, "ADDR:PORT", or words where there is none; for people */
    int encrypted;          /* 1: the link is encrypted */
} clq_credentials;

/*
 * A verifier. Called on a thread of the library's, one call at a time, which is no drive: it may block and may take its
 * time, while at most [security] queue other attaches wait behind it. Without threads (clq_options.no_threads) it is
 * called by whoever drives, which it then stops. It must not call CPI-C.
 * Returns 1: the password is this user's. 0: it is not; the caller is told 6 (CM_SECURITY_NOT_VALID), the failure is
 * logged and counted against the peer. -1: that cannot be told now; the caller is told 11, to try again.
 * An exception that leaves it counts as -1.
 */
typedef int(COLLOQUY_CALL* clq_user_verifier)(void* user, const clq_credentials* who);

/*
 * Asks this verifier instead of the password file from now on, whatever logical unit runs; NULL: the password file
 * again. Any thread, at any time but from the verifier. Waits until the one before is not being called any more, so
 * that `user` of that one may be freed. `user` is handed back. Returns 0.
 */
COLLOQUY_API int COLLOQUY_CALL clq_set_user_verifier(clq_user_verifier verifier, void* user);

/*
 * Hears of everything that is refused for reasons of security, one line each, without a line break and never with a
 * password: at most 20 lines a second, and then how many there were. Called by any thread of the library's or the
 * program's that is inside it; it must be quick and must not call this library. NULL: nobody. Any thread, at any time
 * but from the callback; waits as clq_set_user_verifier does. Returns 0. The trace has the lines, too, as notes about
 * "security".
 */
typedef void(COLLOQUY_CALL* clq_security_log)(void* user, const char* line);
COLLOQUY_API int COLLOQUY_CALL clq_set_security_log(clq_security_log log, void* user);

/*
 * Reads the files again that [security] and [tls] name: users and their passwords, certificates, keys and whom to
 * trust. What is open goes on as it is; what comes next meets the new ones. When one of them will not do, nothing
 * changes. Any thread; reads files and may block on them. Not from inside a callback.
 * 0: done. -1: clq_last_error() says what is wrong, or that nothing runs.
 */
COLLOQUY_API int COLLOQUY_CALL clq_reload_security(void);

#ifdef __cplusplus
}
#endif
#endif
