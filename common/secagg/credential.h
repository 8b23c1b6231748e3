/* Who a device is, in 153 bytes that its peers can check.
 *
 * At enrolment the CA signs: device id, the device's Ed25519 key (that of its certificate), a
 * digest of its unit under the run's salt (peers learn no names), and an end of validity. Devices
 * check each other's credentials under the CA key that they pinned when they enrolled.
 *
 * Bytes: version 1 | id 16 | key 32 | unit digest 32 | not_after 8 (seconds since 1970, big-endian)
 *        | Ed25519 signature 64 over "mien credential v1" and the 89 bytes before
 * Threads: any
 */
#ifndef MIEN_SECAGG_CREDENTIAL_H
#define MIEN_SECAGG_CREDENTIAL_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/span.h"

#include <stdint.h>

#define MIEN_CREDENTIAL_BYTES 153
#define MIEN_DEVICE_ID_BYTES 16

struct mien_credential {
    uint8_t device_id[MIEN_DEVICE_ID_BYTES];
    uint8_t key[32];
    uint8_t unit_digest[32];
    int64_t not_after;
};

/* Signs a credential.
 *
 *   ca_seed  secret: the CA's Ed25519 seed
 *   errors   MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_credential_issue(const struct mien_credential *credential,
                                                  const uint8_t ca_seed[32],
                                                  uint8_t out[MIEN_CREDENTIAL_BYTES]);

/* Reads a credential whose signature was checked before. */
void mien_credential_read(const uint8_t bytes[MIEN_CREDENTIAL_BYTES], struct mien_credential *out);

/* As mien_credential_verify when the signature is known to hold. */
MIEN_CHECK enum mien_status mien_credential_verify_signed(struct mien_span bytes, int64_t now,
                                                          struct mien_credential *out,
                                                          struct mien_err *err);

/* Reads and checks a credential.
 *
 *   now     seconds since 1970; 0 skips the check of validity (a device without a clock)
 *   errors  MIEN_EPARSE    wrong length or version
 *           MIEN_EAUTH     not signed by the CA
 *           MIEN_EEXPIRED  no longer valid
 */
MIEN_CHECK enum mien_status mien_credential_verify(struct mien_span bytes, const uint8_t ca_key[32],
                                                   int64_t now, struct mien_credential *out,
                                                   struct mien_err *err);

#endif
