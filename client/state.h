/* Everything a device keeps over restarts, as one run of bytes for its host.
 *
 * Byte by byte in docs/file-formats.md: magic, version, fields, SHA-256 over all before it. It
 * holds the private key.
 *
 * Threads: one at a time
 */
#ifndef MIEN_CLIENT_STATE_H
#define MIEN_CLIENT_STATE_H

#include "client/core.h"
#include "client/record.h"
#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/span.h"

#include <stdbool.h>
#include <stdint.h>

/* A certificate of ours is about 500 bytes; the cap leaves room and bounds the state. */
#define MIEN_CLIENT_CERT_BYTES 2048

struct mien_client_state {
    bool enrolled;
    char host[256]; /* of the coordinator */
    uint16_t port;  /* for devices; enrolment is elsewhere */
    struct mien_client_identity identity;
    uint8_t cert[MIEN_CLIENT_CERT_BYTES]; /* DER */
    size_t cert_len;
    uint8_t ca[MIEN_CLIENT_CERT_BYTES]; /* DER */
    size_t ca_len;
    struct mien_client_record record;

    /* An enrolment or renewal whose answer may have been lost: asking again with the same key gets
     * the same certificate. */
    bool pending;
    uint8_t pending_key[32];   /* secret: Ed25519 seed */
    uint8_t pending_token[32]; /* SHA-256 of the token; zero for a renewal */
};

/* The state's bytes into an empty `out`, reserved at once so that no copy of a key stays behind;
 * end it with mien_buf_wipe.  errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_client_state_encode(const struct mien_client_state *state,
                                                     struct mien_buf *out);

/* Reads a state.  errors  MIEN_ECORRUPT  not one, or changed; MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_client_state_decode(struct mien_span bytes,
                                                     struct mien_client_state *state);

#endif
