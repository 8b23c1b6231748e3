// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/rebuild.h"

#include "common/base/secret.h"

#include <string.h>

void mien_rebuild_init(struct mien_rebuild *rebuild, uint32_t t)
{
    memset(rebuild, 0, sizeof(*rebuild));
    rebuild->t = t;
}

void mien_rebuild_fini(struct mien_rebuild *rebuild)
{
    mien_wipe(rebuild, sizeof(*rebuild));
}

/* All shares, those of holders that never lied first. */
static void choose(struct mien_rebuild *r, const struct mien_rebuild_shares *shares)
{
    uint32_t n = 0;

    for (int lied = 0; lied < 2; lied++) {
        for (uint32_t i = 0; i < shares->n; i++) {
            if (mien_bitmap_has(r->liars, shares->holder[i]) == (lied == 1))
                r->chosen[n++] = i;
        }
    }
}

/* The seed from the first t chosen. Where everybody holds shares of everybody's secrets their
 * weights are mostly those of the secret before. */
static enum mien_status join(struct mien_rebuild *r, const struct mien_rebuild_shares *shares,
                             uint8_t seed[MIEN_SEED_BYTES])
{
    const size_t bytes = r->t * sizeof(r->index[0]);

    for (uint32_t i = 0; i < r->t; i++) {
        r->index[i] = shares->holder[r->chosen[i]];
        r->share[i] = shares->share[r->chosen[i]];
    }
    if (r->weight[0] == 0 || memcmp(r->weighed, r->index, bytes) != 0) {
        enum mien_status status = mien_share_weights(r->index, r->t, r->weight);

        if (status != MIEN_OK)
            return status;
        memcpy(r->weighed, r->index, bytes);
    }
    return mien_share_join(r->weight, r->share, r->t, seed);
}

/* Exchanges each of the first t in turn for the one after them. */
static enum mien_status join_without_one(struct mien_rebuild *r,
                                         const struct mien_rebuild_shares *shares,
                                         uint8_t seed[MIEN_SEED_BYTES], uint32_t *liar)
{
    enum mien_status status = MIEN_ECORRUPT;

    for (uint32_t i = 0; i < r->t && status == MIEN_ECORRUPT; i++) {
        const uint32_t suspect = r->chosen[i];

        r->chosen[i] = r->chosen[r->t];
        status = join(r, shares, seed);
        r->chosen[i] = suspect;
        if (status == MIEN_OK)
            *liar = shares->holder[suspect];
    }
    return status;
}

enum mien_status mien_rebuild_seed(struct mien_rebuild *rebuild,
                                   const struct mien_rebuild_shares *shares,
                                   uint8_t seed[MIEN_SEED_BYTES], uint32_t *liar)
{
    *liar = UINT32_MAX;
    if (shares->n < rebuild->t)
        return MIEN_ECORRUPT;
    choose(rebuild, shares);
    enum mien_status status = join(rebuild, shares, seed);
    if (status == MIEN_ECORRUPT && shares->n > rebuild->t)
        status = join_without_one(rebuild, shares, seed, liar);
    if (*liar != UINT32_MAX)
        mien_bitmap_add(rebuild->liars, *liar);
    return status;
}
