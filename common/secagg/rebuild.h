/* Members' seeds from the shares that others revealed.
 *
 * Each seed carries its own check (share.h), so a wrong share shows; with one share more than t the
 * wrong one is found, left out, and its holder is trusted last from then on.
 *
 * Threads: one at a time
 */
#ifndef MIEN_SECAGG_REBUILD_H
#define MIEN_SECAGG_REBUILD_H

#include "common/secagg/session.h"
#include "common/secagg/share.h"

struct mien_rebuild {
    uint32_t t;
    uint8_t liars[MIEN_BITMAP_BYTES];
    uint32_t chosen[MIEN_SECAGG_MAX_HOLDERS];         /* places in what was revealed */
    uint32_t index[MIEN_SECAGG_MAX_HOLDERS];          /* [t] members of the first t of them */
    uint32_t weighed[MIEN_SECAGG_MAX_HOLDERS];        /* [t] whom the weights are for */
    uint64_t weight[MIEN_SECAGG_MAX_HOLDERS];         /* [t] */
    struct mien_share share[MIEN_SECAGG_MAX_HOLDERS]; /* [t] secret */
};

/* Shares of one secret. */
struct mien_rebuild_shares {
    uint32_t n;               /* at most MIEN_SECAGG_MAX_HOLDERS */
    const uint32_t *holder;   /* [n] different members */
    struct mien_share *share; /* [n] lent; secret */
};

/* Nobody lied yet; threshold t of 1 to MIEN_SECAGG_MAX_HOLDERS. */
void mien_rebuild_init(struct mien_rebuild *rebuild, uint32_t t);

/* Wipes it. */
void mien_rebuild_fini(struct mien_rebuild *rebuild);

/* One member's seed.
 *
 *   seed     out; secret
 *   liar     out: the holder whose share was wrong (by its doing or its owner's), or UINT32_MAX
 *   errors   MIEN_ECORRUPT  fewer than t shares, or wrong ones that leaving out one does not mend
 *            MIEN_ENOMEM, MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_rebuild_seed(struct mien_rebuild *rebuild,
                                              const struct mien_rebuild_shares *shares,
                                              uint8_t seed[MIEN_SEED_BYTES], uint32_t *liar);

#endif
