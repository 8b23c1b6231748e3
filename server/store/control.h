/* The operator's requests, answered alike by the daemon (DIR/control.sock) and by the offline
 * tools.
 *
 * One JSON object a line each way; docs/file-formats.md lists requests and replies. A reply has
 * "ok": true, or "ok": false with "error" (a sentence) and "status" (the exit status).
 *
 * Threads: as store.h
 */
#ifndef MIEN_STORE_CONTROL_H
#define MIEN_STORE_CONTROL_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/span.h"
#include "server/store/statedir.h"

#include <stdint.h>

#define MIEN_CONTROL_REQUEST_BYTES 65536 /* the longest request line */

/* What only a running daemon knows; all may be 0. */
struct mien_control_live {
    bool running;
    uint64_t n_connected;
    const char *phase;               /* "waiting", "collecting", "summing", ...; NULL offline */
    struct mien_store_round round;   /* in progress; 0, 0 for none */
    struct mien_store_counts counts; /* of it */
};

struct mien_control {
    struct mien_statedir *state;          /* lent */
    const struct mien_control_live *live; /* lent; NULL offline */
    /* Called after a device was revoked, so that its connections are cut; may be NULL. */
    void (*revoked)(void *self, const uint8_t id[16]);
    void *self;
    struct mien_rng *rng; /* for tokens */
    int64_t now_s;
};

/* Answers one request: adds one line of JSON with its newline. A request that cannot be answered
 * gets a reply that says why.
 *
 *   request  one line, with or without its newline
 *   errors   MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_control_handle(const struct mien_control *control,
                                                struct mien_span request, struct mien_buf *reply);

#endif
