/* The coordinator's side of one session of the secure sum.
 *
 *   _new -> _keys per member -> _close_keys -> _shares per pair -> _close_shares
 *        -> _input per member -> _close_inputs -> _reveal .. -> _unmask
 *
 * Keeps ciphertexts until they are delivered, then shares only as they are revealed; a masked
 * vector goes straight into the one accumulator and is not kept. What a member sends wrongly is
 * that member's error and changes nothing. A late or second vector is refused.
 *
 * Source:  Bonawitz et al. 2017, figure 4 (server's part)
 * Threads: one at a time; _unmask is the heavy part and made for a worker
 */
#ifndef MIEN_SECAGG_COORDINATOR_H
#define MIEN_SECAGG_COORDINATOR_H

#include "common/base/err.h"
#include "common/secagg/credential.h"
#include "common/secagg/crew.h"
#include "common/secagg/session.h"
#include "common/secagg/share.h"

struct mien_secagg_sum;

/* Starts a session.
 *
 *   session  copied; n members
 *   out      given: end it with mien_secagg_sum_free
 *   errors   MIEN_EINVAL, MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_new(const struct mien_session *session,
                                                struct mien_secagg_sum **out);

/* Wipes and frees. NULL is fine. */
void mien_secagg_sum_free(struct mien_secagg_sum *sum);

const uint8_t *mien_secagg_sum_session_id(const struct mien_secagg_sum *sum);

/* A member's keys: signature checked under `identity`.
 *
 *   errors  MIEN_EAUTH  the signature does not hold, or a key occurs twice or has low order
 *           MIEN_ESTATE keys are closed, or came before; MIEN_EINVAL; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_keys(struct mien_secagg_sum *sum, uint32_t index,
                                                 const uint8_t identity[32],
                                                 const struct mien_session_keys *keys,
                                                 struct mien_err *err);

/* The keys of a member that sent them, or NULL. */
const struct mien_session_keys *mien_secagg_sum_roster(const struct mien_secagg_sum *sum,
                                                       uint32_t index);

/* No more keys.  errors  MIEN_EPOLICY  fewer than t sent them: drop the session; MIEN_ESTATE */
MIEN_CHECK enum mien_status mien_secagg_sum_close_keys(struct mien_secagg_sum *sum);

/* One sealed pair of shares from one member for another.
 *
 *   errors  MIEN_EPARSE  wrong length, or came before; MIEN_EINVAL  no such pair in the roster
 *           MIEN_ESTATE  not the time; MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_secagg_sum_shares(struct mien_secagg_sum *sum, uint32_t from,
                                                   uint32_t to, struct mien_span sealed);

/* Whether a member has sent shares for everybody else in the roster. */
bool mien_secagg_sum_shared(const struct mien_secagg_sum *sum, uint32_t index);

/* No more shares: members that sent all of theirs go on.  errors  as _close_keys */
MIEN_CHECK enum mien_status mien_secagg_sum_close_shares(struct mien_secagg_sum *sum);

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

/* Fixes the survivors, once: those whose vectors are in.
 *
 *   bitmap  [MIEN_BITMAP_BYTES] out
 *   root    [32] out
 *   errors  MIEN_EPOLICY  fewer than t: drop the session; MIEN_ESTATE; MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_close_inputs(struct mien_secagg_sum *sum,
                                                         uint8_t bitmap[MIEN_BITMAP_BYTES],
                                                         uint8_t root[32]);

/* A revealed share.
 *
 *   from      survivor that reveals
 *   index     whose secret
 *   survived  which one: of the self-mask seed, or of the key seed
 *   errors    MIEN_EAUTH   the kind is not the one that may be asked for
 *             MIEN_EPARSE  wrong length, not canonical, or came before
 *             MIEN_ESTATE, MIEN_EINVAL, MIEN_ENOMEM
 */
MIEN_CHECK enum mien_status mien_secagg_sum_reveal(struct mien_secagg_sum *sum, uint32_t from,
                                                   uint32_t index, bool survived,
                                                   struct mien_span share);

/* Whether t members have revealed everything that is needed. */
bool mien_secagg_sum_ready(const struct mien_secagg_sum *sum);

/* Rebuilds the secrets, takes the masks off and adds the sum to `total`; once.
 *
 * Every seed that is rebuilt carries its check, and a key seed must give the key that was sent.
 * With one share to spare, a wrong one is found and left out.
 *
 *   crew    who expands the masks; NULL: the calling thread
 *   total   [dim] the lifted sum is added
 *   blamed  out: first member whose share was wrong, or who dealt shares of another key's seed;
 *           UINT32_MAX for none, or when it cannot be told
 *   errors  MIEN_ESTATE     not ready, or done
 *           MIEN_ECORRUPT   a secret cannot be rebuilt; total is as it was
 *           MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_secagg_sum_unmask(struct mien_secagg_sum *sum,
                                                   const struct mien_crew *crew, int64_t *total,
                                                   uint32_t *blamed);

#endif
