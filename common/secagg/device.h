/* A device's side of one session of the secure sum: pure, one call per message.
 *
 *   _new -> _keys -> _roll .. _roll_end -> _roster .. _roster_end -> _shares .. -> _deliver ..
 *        _deliver_end -> _mask -> _survivors -> _confirm .. _confirm_end -> _reveal ..
 *
 * A call in the wrong state is MIEN_ESTATE and changes nothing. A peer or coordinator that is not
 * what it claims ends the session: the status says why, every later call is MIEN_ESTATE, and no
 * vector leaves. Secrets are wiped as soon as they have served, and all of them by _free. For one
 * peer a device reveals a share of one secret only, ever, and none before t of its own holders have
 * signed the same survivors.
 *
 * Source:  Bonawitz et al. 2017, figure 4 (user's part, consistency round included), on the graph
 *          of Bell et al. 2020
 * Threads: one at a time
 */
#ifndef MIEN_SECAGG_DEVICE_H
#define MIEN_SECAGG_DEVICE_H

#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/secagg/known.h"
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
    struct mien_known *known; /* lent until _free: of earlier sessions; NULL: without */
};

/* Bytes of a device in a session of n members, whatever its degree. */
uint64_t mien_secagg_device_bytes(uint32_t n);

/* Starts a session; makes keys and seeds. Whether k and t protect anybody is the caller's guard to
 * judge (design.h).
 *
 *   config  copied
 *   out     given: end it with mien_secagg_device_free
 *   errors  MIEN_EINVAL   n, k, t, index, dim or bits do not make a session
 *           MIEN_EPOLICY  n is below min_members
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

/* The next entries of the roll, in order.
 *
 *   entries  whole entries of MIEN_ROLL_ENTRY_BYTES
 *   errors   MIEN_EPARSE  more than n entries, or no whole ones; MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_secagg_device_roll(struct mien_secagg_device *device,
                                                    struct mien_span entries, struct mien_err *err);

/* The roll is complete: checks it and finds this device's neighbours.
 *
 *   opening  of the commitment
 *   errors   MIEN_EAUTH    the roll is not that of the session, tags do not rise, this device's
 *                          entry is not at its place or not of its keys, or the opening does not
 *                          open the commitment
 *            MIEN_EPOLICY  fewer than t or min_members sent keys
 *            MIEN_EPARSE   entries are missing; MIEN_ESTATE, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_roll_end(struct mien_secagg_device *device,
                                                        const uint8_t opening[32],
                                                        struct mien_err *err);

/* One entry of the roster, own entry included; indices rise. The roster holds this device and each
 * of its neighbours that sent keys, and nobody else.
 *
 *   errors  MIEN_EAUTH     credential or signature does not hold, it is not the roll's, it is no
 *                          neighbour, a key occurs twice or is of low order, a device occurs twice,
 *                          the own entry is not what was sent
 *           MIEN_EPARSE    an index is out of range or order
 *           MIEN_EEXPIRED, MIEN_ESTATE, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_roster(struct mien_secagg_device *device,
                                                      uint32_t index, struct mien_span credential,
                                                      const struct mien_session_keys *keys,
                                                      struct mien_err *err);

/* The roster is complete: makes the shares.
 *
 *   rng     coefficients of the shares
 *   errors  MIEN_EPOLICY  fewer than t holders
 *           MIEN_EAUTH    this device, or a neighbour that sent keys, is missing
 *           MIEN_ESTATE, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_roster_end(struct mien_secagg_device *device,
                                                          struct mien_rng *rng,
                                                          struct mien_err *err);

/* Members of the roster, this device included, from _roll_end on; and which one stands at a place
 * below that number. Indices rise with the place. */
uint32_t mien_secagg_device_n_peers(const struct mien_secagg_device *device);
uint32_t mien_secagg_device_peer(const struct mien_secagg_device *device, uint32_t place);

/* The sealed shares for a member of the roster; *has is false where there is nothing to send
 * (itself, or a neighbour whose keys did not come).
 *
 *   place   below _n_peers
 *   errors  MIEN_ESTATE, MIEN_EINVAL  no such place; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_shares(struct mien_secagg_device *device,
                                                      uint32_t place,
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

/* All shares have come: those who sent are the neighbours that masks are made with.
 *
 *   errors  MIEN_EPOLICY  fewer than t holders; MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_secagg_device_deliver_end(struct mien_secagg_device *device,
                                                           struct mien_err *err);

/* Masks the vector: heavy, k + 1 keystreams of dim words.
 *
 *   vector  [dim] residues mod 2^32 in place (a signed vector read as unsigned); pack the low bits.
 *           In a drill it is zero before it is masked, whatever it was.
 *   errors  MIEN_ESTATE, MIEN_ENOMEM, MIEN_ECRYPTO (the vector is then wiped)
 */
MIEN_CHECK enum mien_status mien_secagg_device_mask(struct mien_secagg_device *device,
                                                    uint32_t *vector);

/* The survivors, once. Fixes for every neighbour which one share may be revealed; the other is
 * wiped. Signs the set.
 *
 *   root        what the coordinator says the set's root is
 *   device_key  secret: as in the config
 *   signature   out: over mien_session_confirm_statement
 *   errors      MIEN_EPOLICY  fewer than min_members, or fewer than t holders among them
 *               MIEN_EAUTH    this device is not among them, one is no member or never sent keys,
 *                             a neighbour never sent shares, the root is not the set's
 *               MIEN_ESTATE   a set was given before, or no vector was masked; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_survivors(struct mien_secagg_device *device,
                                                         const uint8_t bitmap[MIEN_BITMAP_BYTES],
                                                         const uint8_t root[32],
                                                         const uint8_t device_key[32],
                                                         uint8_t signature[MIEN_SIGNATURE_BYTES],
                                                         struct mien_err *err);

/* A neighbour's signature of the survivors. One that does not hold is not counted: a neighbour can
 * spoil its own vote only.
 *
 *   errors  MIEN_EPARSE  from no surviving neighbour, or twice; MIEN_ESTATE; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_device_confirm(
    struct mien_secagg_device *device, uint32_t from, const uint8_t signature[MIEN_SIGNATURE_BYTES],
    struct mien_err *err);

/* All signatures have come.  errors  MIEN_EPOLICY  fewer than t holders signed; MIEN_ESTATE */
MIEN_CHECK enum mien_status mien_secagg_device_confirm_end(struct mien_secagg_device *device,
                                                           struct mien_err *err);

/* A share for one holder's secret: of its self-mask seed when it survived, of its key seed when it
 * left after sending shares; *has is false for members without either.
 *
 *   place   below _n_peers
 *   errors  MIEN_ESTATE, MIEN_EINVAL
 */
MIEN_CHECK enum mien_status mien_secagg_device_reveal(struct mien_secagg_device *device,
                                                      uint32_t place, bool *survived,
                                                      uint8_t share[MIEN_SHARE_BYTES], bool *has);

#endif
