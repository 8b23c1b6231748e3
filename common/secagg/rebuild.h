/* Members' seeds from the shares that others revealed, some of which may be wrong.
 *
 * Of n shares up to (n - t) / 2 may be wrong, whoever chose them (decode.h); of t + 1 one, which
 * the seed's own check finds (share.h). All that are wrong are named, also where the seed could do
 * without them. With more the seed is refused: another one comes out with probability 2^-52 a try,
 * of which there are t + 2 at most.
 *
 * Threads: one at a time
 */
#ifndef MIEN_SECAGG_REBUILD_H
#define MIEN_SECAGG_REBUILD_H

#include "common/secagg/session.h"
#include "common/secagg/share.h"

/* Weights of the members whom they were made for last. */
struct mien_rebuild_weights {
    uint32_t n;
    uint32_t index[MIEN_SECAGG_MAX_HOLDERS];  /* [n] */
    uint64_t weight[MIEN_SECAGG_MAX_HOLDERS]; /* [n] */
};

struct mien_rebuild {
    uint32_t t;
    struct mien_rebuild_weights all;                  /* of all shares of a secret */
    struct mien_rebuild_weights right;                /* of those that are right */
    uint32_t index[MIEN_SECAGG_MAX_HOLDERS];          /* members whose shares are right */
    struct mien_share share[MIEN_SECAGG_MAX_HOLDERS]; /* secret; theirs */
};

/* Shares of one secret. */
struct mien_rebuild_shares {
    uint32_t n;                     /* at most MIEN_SECAGG_MAX_HOLDERS */
    const uint32_t *holder;         /* [n] different members */
    const struct mien_share *share; /* [n] secret */
};

/* Threshold t of 1 to MIEN_SECAGG_MAX_HOLDERS. */
void mien_rebuild_init(struct mien_rebuild *rebuild, uint32_t t);

/* Wipes it. */
void mien_rebuild_fini(struct mien_rebuild *rebuild);

/* One member's seed.
 *
 *   seed     out; secret
 *   wrong    [n] out: whose shares are wrong, by their doing or the owner's; none on an error
 *   errors   MIEN_ECORRUPT  fewer than t shares, or more wrong ones than can be told apart
 *            MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_rebuild_seed(struct mien_rebuild *rebuild,
                                              const struct mien_rebuild_shares *shares,
                                              uint8_t seed[MIEN_SEED_BYTES], bool *wrong);

#endif
