/*
 * credit_server: a bank that shops ask before they sell. Nothing but CPI-C: the configuration serves the program's name
 * and says where to listen, so the program runs unchanged on any other CPI-C.
 *
 *   lu_name = "NET.BANK"
 *   listen = "127.0.0.1:7000"
 *   [[tp]]
 *   name = "CREDIT"
 *
 * usage: credit_server [SHOPS]    ends after so many conversations; without SHOPS never
 *
 * A shop sends "CUSTOMER AMOUNT" and asks for confirmation. Confirmed: the amount is reserved. Send_Error: it is not,
 * a record says why, and the turn goes back to the shop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpic.h"

static struct account {
    const char* customer;
    long credit;
} accounts[] = {{"ADAMS", 500}, {"BAKER", 0}, {"CLARK", 100000}};

/* NULL: the amount is reserved; otherwise why it is not. */
static const char* reserve(const char* order) {
    char customer[41];
    long amount;
    size_t i;
    if (sscanf(order, "%40s %ld", customer, &amount) != 2 || amount <= 0) return "that is no order";
    for (i = 0; i < sizeof accounts / sizeof accounts[0]; ++i) {
        if (strcmp(accounts[i].customer, customer) != 0) continue;
        if (accounts[i].credit < amount) return "the credit does not suffice";
        accounts[i].credit -= amount;
        return NULL;
    }
    return "no such customer";
}

/* Answers one request to confirm. What the call that failed returned, or CM_OK. */
static CM_INT32 answer(unsigned char* id, const char* order) {
    const char* why = reserve(order);
    CM_INT32 rts, rc, length, flush = CM_PREP_TO_RECEIVE_FLUSH;
    printf("%s: %s\n", order, why == NULL ? "reserved" : why);
    if (why == NULL) {
        cmcfmd(id, &rc);
        return rc;
    }
    cmserr(id, &rts, &rc);
    if (rc != CM_OK) return rc;
    length = (CM_INT32)strlen(why);
    cmsend(id, why, &length, &rts, &rc);
    if (rc != CM_OK) return rc;
    cmsptr(id, &flush, &rc);
    cmptr(id, &rc); /* the reason and the turn go together */
    return rc;
}

static void serve(unsigned char* id) {
    char order[100];
    CM_INT32 size = sizeof order - 1, data, length, status, rts, rc;
    for (;;) {
        cmrcv(id, order, &size, &data, &length, &status, &rts, &rc);
        if (rc != CM_OK) break;
        order[data == CM_NO_DATA_RECEIVED ? 0 : length] = '\0';
        if (status == CM_CONFIRM_DEALLOC_RECEIVED) {
            cmcfmd(id, &rc);
            break;
        }
        if (status != CM_CONFIRM_RECEIVED) continue;
        rc = answer(id, order);
        if (rc != CM_OK) break;
    }
    if (rc != CM_OK && rc != CM_DEALLOCATED_NORMAL) printf("the shop has left: %ld\n", (long)rc);
    fflush(stdout);
}

int main(int argc, char** argv) {
    unsigned char id[CM_CID_SIZE];
    CM_INT32 rc;
    long shops;
    for (shops = argc > 1 ? atol(argv[1]) : -1; shops != 0; shops -= shops > 0) {
        cmaccp(id, &rc); /* waits: this program has specified no name by itself */
        if (rc != CM_OK) {
            fprintf(stderr, "credit_server: accept gave %ld\n", (long)rc);
            return 1;
        }
        serve(id);
    }
    return 0;
}
