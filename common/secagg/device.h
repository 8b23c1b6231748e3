/* A device's side of one session of the secure sum: pure, one call per message.
 *
 *   _new -> _keys -> _roster .. _roster_end -> _shares .. -> _deliver .. _deliver_end -> _mask
 *        -> _survivors -> _reveal ..
 *
 * A call in the wrong state is MIEN_ESTATE and changes nothing. A peer or coordinator that is not
 * what it claims ends the session: the status says why, every later call is MIEN_ESTATE, and no
 * vector leaves. Secrets are wiped as soon as they have served, and all of them by _free. For one
 * peer a device reveals a share of one secret only, ever.
 *
 * Source:  Bonawitz et al. 2017, figure 4 (user's part), hardened as notes on secure sum ask:
 * signed keys, bound channel keys, t > 2n/3, one survivor set Threads: one at a time
 */
#ifndef MIEN_SECAGG_DEVICE_H
#define MIEN_SECAGG_DEVICE_H

#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/secagg/credential.h"
#include "common/secagg/session.h"
#include "common/secagg/share.h"

struct mien_secagg_device;

struct mien_secagg_device_config {
    struct mien_session session;
    uint32_t index;         /* this device's */
    uint8_t device_key[32]; /* secret: Ed25519 seed of its identity; the copy is wiped by _new */
    uint8_t ca_key[32];     /* under which peers' credentials must hold */
    uint8_t credential[MIEN_CREDENTIAL_BYTES]; /* its own */
    int64_t now;                               /* seconds since 1970, 0 for no clock */
    uint32_t min_members;                      /* fewer survivors: it reveals nothing */
};

/* Bytes of a device in a session of n members. */
uint64_t mien_secagg_device_bytes(uint32_t n);

/* Starts a session; makes keys and seeds.
 *
 *   config  copied
 *   out     given: end it with mien_secagg_device_free
 *   errors  MIEN_EINVAL   n, t, index, dim or bits do not make a session
 *           MIEN_EPOLICY  n is below min_members, or t is not the threshold of n
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_new(const struct mien_secagg_device_config *config,
                                                   struct mien_rng *rng,
                                                   struct mien_secagg_device **out,
                                                   struct mien_err *err);

/* Wipes and frees. NULL is fine. */
void mien_secagg_device_free(struct mien_secagg_device *device);

/* The session id. */
const uint8_t *mien_secagg_device_session_id(const struct mien_secagg_device *device);

/* Its signed keys. */
void mien_secagg_device_keys(const struct mien_secagg_device *device,
                             struct mien_session_keys *out);

/* One entry of the roster, own entry included; indices rise.
 *
 *   errors  MIEN_EAUTH     credential or signature does not hold, a key occurs twice or is of low
 *                          order, a device or a unit occurs twice, the own entry is not what was
 *                          sent
 *           MIEN_EPARSE    an index is out of range or order
 *           MIEN_EEXPIRED, MIEN_ESTATE, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_roster(struct mien_secagg_device *device,
                                                      uint32_t index, struct mien_span credential,
                                                      const struct mien_session_keys *keys,
                                                      struct mien_err *err);

/* The roster is complete: checks that enough are in it (and its digest when all are) and makes the
 * shares.
 *
 *   rng     coefficients of the shares
 *   errors  MIEN_EPOLICY  fewer than t or min_members
 *           MIEN_EAUTH    the own entry is missing, or the members are not those of the session
 *           MIEN_ESTATE, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_roster_end(struct mien_secagg_device *device,
                                                          struct mien_rng *rng,
                                                          struct mien_err *err);

/* The sealed shares for member `to` of the roster; *has is false where there is nothing to send
 * (itself, or a member that is not in the roster).
 *
 *   errors  MIEN_ESTATE, MIEN_EINVAL  `to` is no member; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_shares(struct mien_secagg_device *device,
                                                      uint32_t to,
                                                      uint8_t out[MIEN_SEALED_SHARES_BYTES],
                                                      bool *has);

/* Sealed shares from member `from`. Each at most once.
 *
 *   errors  MIEN_EAUTH  it does not open; MIEN_EPARSE  it holds no shares, or came twice, or from
 *           nobody of the roster; MIEN_ESTATE; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_deliver(struct mien_secagg_device *device,
                                                       uint32_t from, struct mien_span sealed,
                                                       struct mien_err *err);

/* All shares have come: those who sent are the members that masks are made with.
 *
 *   errors  MIEN_EPOLICY  fewer than t or min_members, itself counted; MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_secagg_device_deliver_end(struct mien_secagg_device *device,
                                                           struct mien_err *err);

/* Masks the vector: heavy, n keystreams of dim words.
 *
 *   vector  [dim] residues mod 2^32 in place (a signed vector read as unsigned); pack the low bits
 *   errors  MIEN_ESTATE, MIEN_ENOMEM, MIEN_ECRYPTO (the vector is then wiped)
 */
MIEN_CHECK enum mien_status mien_secagg_device_mask(struct mien_secagg_device *device,
                                                    uint32_t *vector);

/* The survivors, once. Fixes for every member which one share may be revealed; the other is wiped.
 *
 *   root    what the coordinator says the set's root is
 *   errors  MIEN_EPOLICY  fewer than t or min_members
 *           MIEN_EAUTH    this device is not among them, one is no member that masked, the root is
 *                         not the set's
 *           MIEN_ESTATE   a set was given before, or no vector was masked
 */
MIEN_CHECK enum mien_status mien_secagg_device_survivors(struct mien_secagg_device *device,
                                                         const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                                         const uint8_t root[32],
                                                         struct mien_err *err);

/* A share for one member: of its self-mask seed when it survived, of its key seed when it left
 * after sending shares; *has is false for members without either.
 *
 *   errors  MIEN_ESTATE, MIEN_EINVAL
 */
MIEN_CHECK enum mien_status mien_secagg_device_reveal(struct mien_secagg_device *device,
                                                      uint32_t index, bool *survived,
                                                      uint8_t share[MIEN_SHARE_BYTES], bool *has);

#endif
