// SPDX-License-Identifier: Apache-2.0
#include "common/secagg/rebuild.h"

#include "common/base/secret.h"
#include "common/secagg/decode.h"

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

/* Where everybody holds shares of everybody's secrets the weights are mostly those of the secret
 * before. */
static enum mien_status weigh(struct mien_rebuild_weights *w, const uint32_t *index, uint32_t n)
{
    if (w->n == n && memcmp(w->index, index, n * sizeof(*index)) == 0)
        return MIEN_OK;
    w->n = 0;
    enum mien_status status = mien_share_weights(index, n, w->weight);
    if (status != MIEN_OK)
        return status;
    memcpy(w->index, index, n * sizeof(*index));
    w->n = n;
    return MIEN_OK;
}

/* The seed from those that are not wrong. */
static enum mien_status join_right(struct mien_rebuild *r, const struct mien_rebuild_shares *shares,
                                   const bool *wrong, uint8_t seed[MIEN_SEED_BYTES])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < shares->n; i++) {
        if (wrong[i])
            continue;
        r->index[n] = shares->holder[i];
        r->share[n++] = shares->share[i];
    }
    /* Different ones may be wrong in each limb. */
    if (n < r->t)
        return MIEN_ECORRUPT;
    if (n == shares->n)
        return mien_share_join(r->all.weight, r->share, n, seed);
    enum mien_status status = weigh(&r->right, r->index, n);
    return status == MIEN_OK ? mien_share_join(r->right.weight, r->share, n, seed) : status;
}

/* With one share to spare the code tells that one is wrong, and the seed's check which. */
static enum mien_status join_without_one(struct mien_rebuild *r,
                                         const struct mien_rebuild_shares *shares, bool *wrong,
                                         uint8_t seed[MIEN_SEED_BYTES])
{
    uint64_t weight[MIEN_SECAGG_MAX_HOLDERS];
    enum mien_status status = MIEN_ECORRUPT;

    for (uint32_t i = 0; i < shares->n && status == MIEN_ECORRUPT; i++) {
        mien_share_weights_without(shares->holder, r->all.weight, shares->n, i, weight);
        status = mien_share_join(weight, shares->share, shares->n, seed);
        wrong[i] = status == MIEN_OK;
    }
    return status;
}

enum mien_status mien_rebuild_seed(struct mien_rebuild *rebuild,
                                   const struct mien_rebuild_shares *shares,
                                   uint8_t seed[MIEN_SEED_BYTES], bool *wrong)
{
    if (shares->n < rebuild->t)
        return MIEN_ECORRUPT;
    enum mien_status status = weigh(&rebuild->all, shares->holder, shares->n);
    if (status != MIEN_OK)
        return status;
    const struct mien_decode_word word = {.n = shares->n,
                                          .t = rebuild->t,
                                          .index = shares->holder,
                                          .weight = rebuild->all.weight,
                                          .share = shares->share};
    status = mien_decode_wrong(&word, wrong);
    if (status == MIEN_OK)
        status = join_right(rebuild, shares, wrong, seed);
    else if (shares->n == rebuild->t + 1)
        status = join_without_one(rebuild, shares, wrong, seed);
    if (status != MIEN_OK)
        memset(wrong, 0, shares->n * sizeof(*wrong));
    return status;
}
