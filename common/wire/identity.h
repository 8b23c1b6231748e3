/* Who a device or coordinator is: Ed25519 keys, signing requests, certificates.
 *
 * A private key is its 32-byte seed (RFC 8032), a public key its 32 bytes. Certificates and
 * requests are DER; PEM is for files. A device's id stands in its certificate, as the one SAN URI
 * "mien:device:<32 hex>", and nowhere else. Issuing is issue.h.
 *
 * Source:  RFC 8032 (Ed25519), RFC 8410 (its keys in X.509), RFC 2986 (requests), RFC 7468 (PEM)
 * Threads: any
 */
#ifndef MIEN_WIRE_IDENTITY_H
#define MIEN_WIRE_IDENTITY_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/base/span.h"
#include "common/base/status.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_IDENTITY_SEED_BYTES 32
#define MIEN_IDENTITY_KEY_BYTES 32
#define MIEN_IDENTITY_SIGNATURE_BYTES 64
#define MIEN_IDENTITY_DEVICE_BYTES 16
#define MIEN_IDENTITY_SERIAL_BYTES 20 /* RFC 5280's longest */

/* Draws a key.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_draw(struct mien_rng *rng, uint8_t seed[32],
                                               uint8_t public_key[32]);

/* The public key of a seed.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_public(const uint8_t seed[32], uint8_t public_key[32]);

/* Signs bytes.  errors  MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_sign(const uint8_t seed[32], struct mien_span data,
                                               uint8_t signature[64]);

/* Whether a signature holds.  errors  MIEN_EAUTH  it does not; MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_verify(const uint8_t public_key[32],
                                                 struct mien_span data,
                                                 const uint8_t signature[64]);

/* Adds a certificate signing request for the key of `seed`: empty subject, no attributes.
 * errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_csr_encode(const uint8_t seed[32], struct mien_buf *out);

/* The public key that a request asks a certificate for. Subject, attributes and extensions are
 * ignored: the issuer alone says what a certificate holds.
 *
 *   der     exactly one request, nothing after it
 *   errors  MIEN_EPARSE  no request
 *           MIEN_EAUTH   not an Ed25519 key, or its signature does not hold (proof of possession)
 */
MIEN_CHECK enum mien_status mien_identity_csr_decode(struct mien_span der, uint8_t public_key[32],
                                                     struct mien_err *err);

/* What we read from a certificate. */
struct mien_identity_cert {
    bool is_ca;                                    /* basic constraints CA, may sign certificates */
    bool is_device;                                /* has a device id */
    bool for_server;                               /* extended key usage serverAuth */
    bool for_client;                               /* extended key usage clientAuth */
    uint8_t device_id[MIEN_IDENTITY_DEVICE_BYTES]; /* zeros unless is_device */
    uint8_t public_key[MIEN_IDENTITY_KEY_BYTES];
    uint8_t serial[MIEN_IDENTITY_SERIAL_BYTES]; /* big-endian, serial_len bytes */
    size_t serial_len;
    int64_t not_before_s; /* seconds since 1970 */
    int64_t not_after_s;
};

/* Reads a certificate. Its signature is NOT checked here (mien_identity_cert_verify, tls.h).
 *
 *   der     exactly one certificate, nothing after it
 *   errors  MIEN_EPARSE  no certificate, not an Ed25519 key, more than one SAN URI, a SAN URI that
 *                        is no device id
 *           MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_identity_cert_decode(struct mien_span der,
                                                      struct mien_identity_cert *out,
                                                      struct mien_err *err);

/* Whether `ca` signed `cert`, itself a valid CA certificate, and both are valid at `now_s`.
 * errors  MIEN_EAUTH, MIEN_EEXPIRED, MIEN_EPARSE, MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_cert_verify(struct mien_span cert, struct mien_span ca,
                                                      int64_t now_s, struct mien_err *err);

/* Adds PEM text of a certificate.  errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_cert_to_pem(struct mien_span der, struct mien_buf *out);

/* Adds the DER of the one certificate in PEM text.  errors  MIEN_EPARSE, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_identity_cert_from_pem(struct mien_span pem, struct mien_buf *out,
                                                        struct mien_err *err);

/* Adds PEM text (PKCS #8) of a private key. End `out` with mien_buf_wipe.
 * errors  MIEN_ENOMEM, MIEN_ECRYPTO */
MIEN_CHECK enum mien_status mien_identity_key_to_pem(const uint8_t seed[32], struct mien_buf *out);

/* The seed of the Ed25519 private key in PEM text without a pass phrase.
 * errors  MIEN_EPARSE, MIEN_ENOMEM */
MIEN_CHECK enum mien_status mien_identity_key_from_pem(struct mien_span pem, uint8_t seed[32],
                                                       struct mien_err *err);

#endif
