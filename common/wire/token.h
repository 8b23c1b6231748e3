/* An enrolment token as one printable line.
 *
 * "mien1." and base64url of: checksum (4 bytes, the first of SHA-256 over the rest), port (2, big-
 * endian), CA fingerprint (32), secret (16), host (the rest). A mistyped token is told from a
 * wrong one by the checksum; a device needs nothing else to find and trust its coordinator.
 *
 * Source:  docs/protocol.md
 * Threads: any
 */
#ifndef MIEN_WIRE_TOKEN_H
#define MIEN_WIRE_TOKEN_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_TOKEN_HOST_BYTES 253 /* the longest DNS name */
#define MIEN_TOKEN_SECRET_BYTES 16

/* "mien1.", four characters for three bytes, NUL. */
#define MIEN_TOKEN_TEXT_BYTES (6 + (4 + 2 + 32 + 16 + MIEN_TOKEN_HOST_BYTES + 2) / 3 * 4 + 1)

struct mien_token {
    char host[MIEN_TOKEN_HOST_BYTES + 1];    /* name or address: letters, digits, ".-:_" */
    uint16_t port;                           /* of the enrolment listener, not 0 */
    uint8_t ca_fingerprint[32];              /* SHA-256 of the CA certificate's DER */
    uint8_t secret[MIEN_TOKEN_SECRET_BYTES]; /* secret */
};

/* Whether a token can name this host: 1 to MIEN_TOKEN_HOST_BYTES of the characters above. */
bool mien_token_host_valid(const char *host);

/* Writes the line, ending with NUL. Wipe it after use.
 * errors  MIEN_EINVAL  host or port is none; MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_token_encode(const struct mien_token *token,
                                              char out[MIEN_TOKEN_TEXT_BYTES]);

/* Reads the line, nothing around it. Wipe `out` after use.
 *
 *   err     says whether it is no token at all, mistyped, or of a later version; never its text
 *   errors  MIEN_EPARSE, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_token_decode(const char *text, struct mien_token *out,
                                              struct mien_err *err);

#endif
