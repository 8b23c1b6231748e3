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
    uint32_t n;
    uint32_t t;
    uint8_t liars[MIEN_BITMAP_BYTES];
    uint32_t chosen[MIEN_SECAGG_MAX_MEMBERS];
    uint32_t weighed[MIEN_SECAGG_MAX_MEMBERS];        /* [t] whom the weights are for */
    uint64_t weight[MIEN_SECAGG_MAX_MEMBERS];         /* [t] */
    struct mien_share share[MIEN_SECAGG_MAX_MEMBERS]; /* [t] secret */
};

/* Nobody lied yet; n members, threshold t of 1 to n. */
void mien_rebuild_init(struct mien_rebuild *rebuild, uint32_t n, uint32_t t);

/* Wipes it. */
void mien_rebuild_fini(struct mien_rebuild *rebuild);

/* One member's seed.
 *
 *   holders  bitmap of those whose shares are there
 *   shares   [n] by holder
 *   seed     out; secret
 *   liar     out: the holder whose share was wrong (by its doing or its owner's), or UINT32_MAX
 *   errors   MIEN_ECORRUPT  fewer than t shares, or wrong ones that leaving out one does not mend
 *            MIEN_ECRYPTO
 */
MIEN_CHECK enum mien_status mien_rebuild_seed(struct mien_rebuild *rebuild, const uint8_t *holders,
                                              const struct mien_share *shares,
                                              uint8_t seed[MIEN_SEED_BYTES], uint32_t *liar);

#endif
