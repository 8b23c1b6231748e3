// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/rebuild.h"

#include "common/base/secret.h"

#include <string.h>

void mien_rebuild_init(struct mien_rebuild *rebuild, uint32_t n, uint32_t t)
{
    memset(rebuild, 0, sizeof(*rebuild));
    rebuild->n = n;
    rebuild->t = t;
}

void mien_rebuild_fini(struct mien_rebuild *rebuild)
{
    mien_wipe(rebuild, sizeof(*rebuild));
}

/* All holders, those that never lied first. */
static uint32_t choose(struct mien_rebuild *r, const uint8_t *holders)
{
    uint32_t n = 0;

    for (int lied = 0; lied < 2; lied++) {
        for (uint32_t i = 0; i < r->n; i++) {
            if (mien_bitmap_has(holders, i) && mien_bitmap_has(r->liars, i) == (lied == 1))
                r->chosen[n++] = i;
        }
    }
    return n;
}

/* The seed from the first t chosen. Their weights are mostly those of the secret before. */
static enum mien_status join(struct mien_rebuild *r, const struct mien_share *shares,
                             uint8_t seed[MIEN_SEED_BYTES])
{
    const size_t bytes = r->t * sizeof(r->chosen[0]);

    if (r->weight[0] == 0 || memcmp(r->weighed, r->chosen, bytes) != 0) {
        enum mien_status status = mien_share_weights(r->chosen, r->t, r->weight);

        if (status != MIEN_OK)
            return status;
        memcpy(r->weighed, r->chosen, bytes);
    }
    for (uint32_t i = 0; i < r->t; i++)
        r->share[i] = shares[r->chosen[i]];
    return mien_share_join(r->weight, r->share, r->t, seed);
}

/* Exchanges each of the first t in turn for the one after them. */
static enum mien_status join_without_one(struct mien_rebuild *r, const struct mien_share *shares,
                                         uint8_t seed[MIEN_SEED_BYTES], uint32_t *liar)
{
    enum mien_status status = MIEN_ECORRUPT;

    for (uint32_t i = 0; i < r->t && status == MIEN_ECORRUPT; i++) {
        const uint32_t suspect = r->chosen[i];

        r->chosen[i] = r->chosen[r->t];
        status = join(r, shares, seed);
        r->chosen[i] = suspect;
        if (status == MIEN_OK)
            *liar = suspect;
    }
    return status;
}

enum mien_status mien_rebuild_seed(struct mien_rebuild *rebuild, const uint8_t *holders,
                                   const struct mien_share *shares, uint8_t seed[MIEN_SEED_BYTES],
                                   uint32_t *liar)
{
    const uint32_t n_chosen = choose(rebuild, holders);

    *liar = UINT32_MAX;
    if (n_chosen < rebuild->t)
        return MIEN_ECORRUPT;
    enum mien_status status = join(rebuild, shares, seed);
    if (status == MIEN_ECORRUPT && n_chosen > rebuild->t)
        status = join_without_one(rebuild, shares, seed, liar);
    if (*liar != UINT32_MAX)
        mien_bitmap_add(rebuild->liars, *liar);
    return status;
}
