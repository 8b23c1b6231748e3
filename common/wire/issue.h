/* Issuing certificates: what an authority says about a key.
 *
 * Pure: no file, no register; whom to issue to, and to remember it, is the caller's. Only
 * coordinators, tools and tests link it.
 *
 * Source:  RFC 5280, RFC 8410
 * Threads: any
 */
#ifndef MIEN_WIRE_ISSUE_H
#define MIEN_WIRE_ISSUE_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/rng.h"
#include "common/base/span.h"
#include "common/base/status.h"

#include <stdint.h>

/* Adds a self-signed authority certificate (Ed25519, CA, path length 0) in DER.
 *
 *   name    common name, 1 to 64 printable bytes
 *   errors  MIEN_EINVAL, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_issue_ca(const uint8_t ca_seed[32], const char *name,
                                          int64_t not_before_s, int64_t not_after_s,
                                          struct mien_rng *rng, struct mien_buf *out);

enum mien_issue_kind { MIEN_ISSUE_SERVER, MIEN_ISSUE_DEVICE };

struct mien_issue_request {
    enum mien_issue_kind kind;
    uint8_t public_key[32];
    uint8_t device_id[16]; /* MIEN_ISSUE_DEVICE: the SAN URI */
    const char *host;      /* MIEN_ISSUE_SERVER: the SAN DNS name or IP address */
    int64_t not_before_s;
    int64_t not_after_s;
};

/* Adds a certificate under the authority in DER: serverAuth for a server, clientAuth for a
 * device, a random 16-byte serial, never longer than MIEN_MESSAGE_CERT_BYTES.
 *
 *   ca_cert  DER
 *   errors   MIEN_EINVAL  times in the wrong order, no host, ca_cert is no certificate of ca_seed
 *            MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_issue_cert(const struct mien_issue_request *request,
                                            const uint8_t ca_seed[32], struct mien_span ca_cert,
                                            struct mien_rng *rng, struct mien_buf *out);

#endif
