/* Tokens, units and devices in the store.
 *
 * A token's secret is known to its holder only: its SHA-256 is stored. A unit is the person a token
 * was issued for; its digest, SHA-256 over the run's salt and the unit's name, is what peers see.
 * Certificates are pki.h's business.
 *
 * Threads: as store.h
 */
#ifndef MIEN_STORE_ENROL_H
#define MIEN_STORE_ENROL_H

#include "common/base/compiler.h"
#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/wire/identity.h"
#include "common/wire/message.h"
#include "common/wire/token.h"
#include "server/store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define MIEN_UNIT_NAME_BYTES 65 /* 64 printable bytes and the NUL */

/* Records a new token and gives its secret.
 *
 *   unit       name of the person, or NULL for one of its own
 *   expires_s  seconds since 1970
 *   secret     out; secret
 *   errors     MIEN_EINVAL  a unit name that is empty, too long or not printable; MIEN_ENOSPC, ...
 */
MIEN_CHECK enum mien_status mien_store_token_new(struct mien_store *store, const char *unit,
                                                 int64_t expires_s, struct mien_rng *rng,
                                                 uint8_t secret[MIEN_TOKEN_SECRET_BYTES],
                                                 struct mien_err *err);

/* A device that has enrolled. */
struct mien_device {
    uint8_t id[MIEN_IDENTITY_DEVICE_BYTES];
    uint8_t unit[32]; /* unit digest */
    char unit_name[MIEN_UNIT_NAME_BYTES];
    uint8_t public_key[MIEN_IDENTITY_KEY_BYTES];
    int64_t enrolled_s;
    int64_t not_after_s; /* of its certificate */
    bool revoked;
    size_t cert_len;
    uint8_t cert[MIEN_MESSAGE_CERT_BYTES]; /* DER */
    size_t credential_len;
    uint8_t credential[MIEN_MESSAGE_CREDENTIAL_BYTES];
};

/* What a token's secret stands for. */
struct mien_store_token {
    uint8_t unit[32];
    char unit_name[MIEN_UNIT_NAME_BYTES];
    int64_t expires_s;
    bool used;
    uint8_t used_by[MIEN_IDENTITY_DEVICE_BYTES]; /* when used */
    uint8_t csr_digest[32];                      /* SHA-256 of the request it was used with */
};

/* Looks a secret up.  errors  MIEN_EAUTH  there is no such token */
MIEN_CHECK enum mien_status mien_store_token_find(struct mien_store *store,
                                                  const uint8_t secret[MIEN_TOKEN_SECRET_BYTES],
                                                  struct mien_store_token *out,
                                                  struct mien_err *err);

/* Consumes a token and records its device, in one transaction: before the reply.
 * errors  MIEN_EAUTH  no such token; MIEN_EEXIST  it was used; MIEN_ENOSPC, ... */
MIEN_CHECK enum mien_status mien_store_token_use(struct mien_store *store,
                                                 const uint8_t secret[MIEN_TOKEN_SECRET_BYTES],
                                                 const uint8_t csr_digest[32],
                                                 const struct mien_device *device,
                                                 struct mien_err *err);

/* Looks a device up.  errors  MIEN_ENOTFOUND */
MIEN_CHECK enum mien_status mien_store_device(struct mien_store *store, const uint8_t id[16],
                                              struct mien_device *out, struct mien_err *err);

/* Replaces key, certificate and credential of a device (renewal).
 * errors  MIEN_ENOTFOUND, MIEN_EAUTH  it is revoked */
MIEN_CHECK enum mien_status mien_store_device_renew(struct mien_store *store,
                                                    const struct mien_device *device,
                                                    struct mien_err *err);

/* Marks a device revoked; again is fine. The caller closes its connections.
 * errors  MIEN_ENOTFOUND */
MIEN_CHECK enum mien_status mien_store_device_revoke(struct mien_store *store, const uint8_t id[16],
                                                     int64_t now_s, struct mien_err *err);

/* What was erased of a unit. */
struct mien_store_forgotten {
    uint64_t n_devices;
    uint64_t n_tokens;
    uint64_t n_rounds;     /* whose private lists named it */
    uint64_t n_parts_kept; /* vectors that stay counted under its digest, for the plan's limits */
    bool in_open_round;    /* those of the round under way still name it */
};

/* Erases a unit: devices, tokens, and its rows in the private lists of all rounds but one under
 * way. Those lists can no longer be checked against the ledger, which mien verify says. Models stay
 * as they are. A name that enrols again is the same unit; so where the plan limits how often and
 * how far apart a unit takes part, the rounds of its vectors stay under its digest.
 *
 *   unit    its name
 *   gone    called with each of its devices before they are erased (whose connections must be cut);
 *           may be NULL
 *   errors  MIEN_ENOTFOUND  nothing is known of such a unit
 */
MIEN_CHECK enum mien_status mien_store_forget(struct mien_store *store, const char *unit,
                                              void (*gone)(void *self, const uint8_t id[16]),
                                              void *self, struct mien_store_forgotten *out,
                                              struct mien_err *err);

/* Calls `visit` for every device in the order of enrolment; stops when it returns an error, which
 * is returned. `visit` must not call the store. */
MIEN_CHECK enum mien_status mien_store_devices(
    struct mien_store *store,
    enum mien_status (*visit)(void *self, const struct mien_device *device), void *self);

/* Devices that are not revoked, and the units they belong to. */
MIEN_CHECK enum mien_status mien_store_enrolled(struct mien_store *store, uint64_t *n_devices,
                                                uint64_t *n_units);

#endif
