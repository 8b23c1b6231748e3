/* The coordinator's keys, and what it certifies with them.
 *
 * Three Ed25519 keys: the CA's (certificates and credentials), the server's (TLS), the signing key
 * (ledger, ASSIGN, releases).
 *
 * Threads: mien_pki is read-only after it was read; the functions with a store as store.h
 */
#ifndef MIEN_STORE_PKI_H
#define MIEN_STORE_PKI_H

#include "common/base/buf.h"
#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "server/store/enrol.h"
#include "server/store/store.h"

#include <stdint.h>

struct mien_pki {
    uint8_t ca_seed[32];         /* secret */
    uint8_t server_seed[32];     /* secret */
    uint8_t signing_seed[32];    /* secret */
    uint8_t ca_key[32];          /* public */
    uint8_t signing_key[32];     /* public */
    uint8_t ca_fingerprint[32];  /* SHA-256 of ca_cert */
    struct mien_buf ca_cert;     /* DER */
    struct mien_buf server_cert; /* DER */
};

/* Draws all keys and makes both certificates: the CA's for ten years, the server's for one, for
 * `host`.
 *
 *   out     given: end it with mien_pki_fini
 *   errors  MIEN_EINVAL  the host; MIEN_ECRYPTO, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_pki_create(const char *host, int64_t now_s, struct mien_rng *rng,
                                            struct mien_pki *out, struct mien_err *err);

/* Writes ca.pem ca.key server.pem server.key signing.key (keys with mode 0600) into a directory. */
MIEN_CHECK enum mien_status mien_pki_write(const struct mien_pki *pki, const char *dir,
                                           struct mien_err *err);

/* Reads them back and checks that they belong together.
 * errors  MIEN_ENOTFOUND, MIEN_EPARSE, MIEN_EAUTH  a key does not fit its certificate */
MIEN_CHECK enum mien_status mien_pki_read(const char *dir, struct mien_pki *out,
                                          struct mien_err *err);

/* Wipes and frees; zeroed storage is fine. */
void mien_pki_fini(struct mien_pki *pki);

/* A request for a certificate. */
struct mien_pki_request {
    const uint8_t *secret; /* [MIEN_TOKEN_SECRET_BYTES], of ENROL; secret; unused for a renewal */
    struct mien_span csr;  /* DER */
    int64_t now_s;
    uint32_t days; /* of the certificate */
    struct mien_rng *rng;
};

/* Enrols a device: judges token and request, issues certificate and credential, makes both durable
 * and consumes the token, in this order.
 *
 *   out     the device. The same token with the same request again gives the same device.
 *   errors  MIEN_EAUTH     no such token, used with another request, or the request does not hold
 *           MIEN_EEXPIRED  the token
 *           MIEN_EPARSE    no request
 *           MIEN_ENOSPC, MIEN_EIO, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_pki_enrol(const struct mien_pki *pki, struct mien_store *store,
                                           const struct mien_pki_request *request,
                                           struct mien_device *out, struct mien_err *err);

/* Renews a device's certificate and credential for the key of a new request; the same request again
 * gives the same certificate.
 *
 *   id      of the connection's verified certificate
 *   errors  MIEN_EAUTH  revoked, or the request does not hold; MIEN_ENOTFOUND; as above
 */
MIEN_CHECK enum mien_status mien_pki_renew(const struct mien_pki *pki, struct mien_store *store,
                                           const uint8_t id[16],
                                           const struct mien_pki_request *request,
                                           struct mien_device *out, struct mien_err *err);

#endif
