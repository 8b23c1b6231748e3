/* The coordinator's side of one session of the secure sum.
 *
 *   _new -> _keys per member -> _close_keys -> _shares per pair -> _close_shares
 *        -> _input per member -> _close_inputs -> _confirm per survivor -> _close_confirms
 *        -> _reveal .. -> _unmask
 *
 * Keeps ciphertexts until they are delivered, then shares only as they are revealed; a masked
 * vector goes straight into the one accumulator and is not kept. What a member sends wrongly is
 * that member's error and changes nothing. A late or second vector is refused.
 *
 * Memory: the accumulator, and a member's k ciphertexts of 64 bytes or k shares of 24.
 *
 * Source:  Bonawitz et al. 2017, figure 4 (server's part), on the graph of Bell et al. 2020
 * Threads: one at a time; _unmask is the heavy part and made for a worker
 */
#ifndef MIEN_SECAGG_COORDINATOR_H
#define MIEN_SECAGG_COORDINATOR_H

#include "common/base/err.h"
#include "common/base/rng.h"
#include "common/secagg/credential.h"
#include "common/secagg/crew.h"
#include "common/secagg/session.h"
#include "common/secagg/share.h"

struct mien_secagg_sum;

/* Starts a session.
 *
 *   session  copied; n members
 *   tags     [n] x MIEN_ROLL_TAG_BYTES, of the members' units, rising: members_digest is theirs
 *   out      given: end it with mien_secagg_sum_free
 *   errors   MIEN_EINVAL, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_new(const struct mien_session *session,
                                                const uint8_t *tags, struct mien_secagg_sum **out);

/* Wipes and frees. NULL is fine. */
void mien_secagg_sum_free(struct mien_secagg_sum *sum);

const uint8_t *mien_secagg_sum_session_id(const struct mien_secagg_sum *sum);

/* A member's keys: signature checked under its credential's key.
 *
 *   credential  its own, known to hold
 *   errors      MIEN_EAUTH  the signature does not hold, a key occurs twice or has low order, or
 *                           the credential's unit is not the member's
 *               MIEN_ESTATE keys are closed, or came before; MIEN_EINVAL; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_keys(struct mien_secagg_sum *sum, uint32_t index,
                                                 const uint8_t credential[MIEN_CREDENTIAL_BYTES],
                                                 const struct mien_session_keys *keys,
                                                 struct mien_err *err);

/* The keys of a member that sent them, or NULL. */
const struct mien_session_keys *mien_secagg_sum_roster(const struct mien_secagg_sum *sum,
                                                       uint32_t index);

/* Its credential, or NULL. */
const uint8_t *mien_secagg_sum_credential(const struct mien_secagg_sum *sum, uint32_t index);

/* No more keys: the roll stands, and with the opening of the session's commitment the graph.
 *
 *   errors  MIEN_EPOLICY  fewer than t sent them: drop the session
 *           MIEN_EAUTH    it does not open the commitment; MIEN_ESTATE, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_close_keys(struct mien_secagg_sum *sum,
                                                       const uint8_t opening[32]);

/* The roll: n x MIEN_ROLL_ENTRY_BYTES. */
const uint8_t *mien_secagg_sum_roll(const struct mien_secagg_sum *sum);

/* A member and its neighbours, indices rising, k + 1 of them; 0 before _close_keys.
 *
 *   out  [k + 1]
 */
uint32_t mien_secagg_sum_peers(const struct mien_secagg_sum *sum, uint32_t index, uint32_t *out);

/* One sealed pair of shares from one member for another.
 *
 *   errors  MIEN_EPARSE  wrong length, or came before; MIEN_EINVAL  no such pair of neighbours
 *           MIEN_ESTATE  not the time; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_secagg_sum_shares(struct mien_secagg_sum *sum, uint32_t from,
                                                   uint32_t to, struct mien_span sealed);

/* Whether a member has sent shares for each of its neighbours whose keys came. */
bool mien_secagg_sum_shared(const struct mien_secagg_sum *sum, uint32_t index);

/* No more shares: members that sent all of theirs, and of whose holders t did, go on.
 * errors  MIEN_EPOLICY  fewer than t go on: drop the session; MIEN_ESTATE */
MIEN_CHECK enum mien_status mien_secagg_sum_close_shares(struct mien_secagg_sum *sum);

/* Whether a member goes on after _close_shares. */
bool mien_secagg_sum_goes_on(const struct mien_secagg_sum *sum, uint32_t index);

/* How many members could leave after _close_shares, in one random order, before somebody's secrets
 * have fewer than t holders left; and how many go on.
 *
 *   errors  MIEN_ESTATE, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_slack(const struct mien_secagg_sum *sum,
                                                  struct mien_rng *rng, uint32_t *slack,
                                                  uint32_t *n_going_on);

/* What `to` is to be delivered from `from`: MIEN_SEALED_SHARES_BYTES bytes, or NULL. */
const uint8_t *mien_secagg_sum_delivery(const struct mien_secagg_sum *sum, uint32_t from,
                                        uint32_t to);

/* Adds a member's whole packed vector. On error the sum is as it was.
 *
 *   errors  MIEN_EPARSE  the length or filling is wrong
 *           MIEN_ESTATE  not the time, not a member that shared, or its vector is in already
 */
MIEN_CHECK enum mien_status mien_secagg_sum_input(struct mien_secagg_sum *sum, uint32_t index,
                                                  struct mien_span packed);

/* Whether a member's vector is in. */
bool mien_secagg_sum_has_input(const struct mien_secagg_sum *sum, uint32_t index);

/* Fixes the survivors, once: those whose vectors are in.
 *
 *   bitmap  [MIEN_BITMAP_BYTES] out
 *   root    [32] out
 *   errors  MIEN_EPOLICY  fewer than t, or a member of whose holders fewer than t survived: drop
 *                         the session; MIEN_ESTATE; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_close_inputs(struct mien_secagg_sum *sum,
                                                         uint8_t bitmap[MIEN_BITMAP_BYTES],
                                                         uint8_t root[32]);

/* A survivor's signature of the set; kept for its neighbours, who check it.
 *
 *   errors  MIEN_EPARSE  it came before; MIEN_EINVAL  no survivor; MIEN_ESTATE
 */
MIEN_CHECK enum mien_status mien_secagg_sum_confirm(struct mien_secagg_sum *sum, uint32_t from,
                                                    const uint8_t signature[MIEN_SIGNATURE_BYTES]);

/* A survivor's signature, or NULL when it has not come. */
const uint8_t *mien_secagg_sum_confirmation(const struct mien_secagg_sum *sum, uint32_t index);

/* No more signatures. Nothing has been revealed up to here.
 * errors  MIEN_EPOLICY  fewer than t of a member's holders signed: drop the session; MIEN_ESTATE */
MIEN_CHECK enum mien_status mien_secagg_sum_close_confirms(struct mien_secagg_sum *sum);

/* A revealed share.
 *
 *   from      survivor that reveals
 *   index     whose secret
 *   survived  which one: of the self-mask seed, or of the key seed
 *   errors    MIEN_EAUTH   the kind is not the one that may be asked for
 *             MIEN_EPARSE  wrong length, not canonical, or came before
 *             MIEN_EINVAL  it holds no share of that secret; MIEN_ESTATE, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_secagg_sum_reveal(struct mien_secagg_sum *sum, uint32_t from,
                                                   uint32_t index, bool survived,
                                                   struct mien_span share);

/* Whether of each secret that is needed t shares have been revealed. */
bool mien_secagg_sum_ready(const struct mien_secagg_sum *sum);

/* Whom the unmasking found out. */
struct mien_secagg_blame {
    /* Members that revealed shares which are not those of their secrets: they changed them, or were
     * dealt such by the secret's owner; the coordinator cannot tell. */
    uint8_t wrong[MIEN_BITMAP_BYTES];
    uint32_t n_wrong;
    /* First member whose secret is lost, or who dealt shares of another key's seed; UINT32_MAX for
     * none. */
    uint32_t failed;
};

/* Rebuilds the secrets, takes the masks off and adds the sum to `total`; once.
 *
 * Every seed that is rebuilt carries its check, and a key seed must give the key that was sent. Of
 * the n shares of a secret (n - t) / 2 may be wrong. A secret with more is tried again, in at most
 * eight ways, without shares of those that were wrong about other secrets, the worst first: each of
 * them costs one share to spare then and not two.
 *
 *   crew    who rebuilds secrets and expands masks; NULL: the calling thread
 *   total   [dim] the lifted sum is added
 *   blame   out, whatever the status
 *   errors  MIEN_ESTATE     not ready, or done
 *           MIEN_ECORRUPT   a secret cannot be rebuilt; total is as it was
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_unmask(struct mien_secagg_sum *sum,
                                                   const struct mien_crew *crew, int64_t *total,
                                                   struct mien_secagg_blame *blame);

#endif
