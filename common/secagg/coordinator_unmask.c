// SPDX-License-Identifier: Apache-2.0
/* Secrets rebuilt, masks taken off. */
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/coordinator_internal.h"
#include "common/secagg/mask.h"
#include "common/secagg/pack.h"
#include "common/secagg/rebuild.h"

#include <string.h>

/* The masks that the sum still holds. */
struct masks {
    struct mien_mask *mask; /* secret */
    uint32_t n;
};

/* What rebuilding takes. */
struct workspace {
    struct mien_rebuild rebuild; /* secret */
    uint32_t holder[MIEN_SECAGG_MAX_HOLDERS];
    struct mien_share share[MIEN_SECAGG_MAX_HOLDERS]; /* secret */
};

static uint32_t n_masks(const struct mien_secagg_sum *sum)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < sum->session.n; i++) {
        if (sum->member[i].goes_on)
            n += mien_bitmap_has(sum->survivors, i) ? 1 : sum->session.k;
    }
    return n;
}

static enum mien_status add_self_mask(const struct mien_secagg_sum *sum, uint32_t of,
                                      const uint8_t seed[MIEN_SEED_BYTES], struct masks *masks)
{
    struct mien_mask *mask = &masks->mask[masks->n++];

    mask->subtract = true;
    return mien_session_self_mask(seed, sum->session_id, mien_sum_member_of(sum, of).device_id,
                                  mask->key);
}

/* The masks between a member that left and each of its neighbours that survived. */
static enum mien_status add_pair_masks(const struct mien_secagg_sum *sum, uint32_t gone,
                                       const uint8_t secret_key[MIEN_KEY_BYTES],
                                       struct masks *masks)
{
    uint8_t shared[MIEN_KEY_BYTES];
    enum mien_status status = MIEN_OK;

    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph) && status == MIEN_OK; slot++) {
        const uint32_t i = mien_graph_holder(&sum->graph, gone, slot);

        if (!mien_bitmap_has(sum->survivors, i))
            continue;
        struct mien_mask *mask = &masks->mask[masks->n++];

        /* The survivor added it when its index is the lower one. */
        mask->subtract = i < gone;
        status = mien_x25519_shared(secret_key, sum->member[i].keys.mask_pk, shared);
        if (status == MIEN_OK)
            status = mien_session_pair_mask(shared, sum->session_id, mien_sum_member_of(sum, gone),
                                            mien_sum_member_of(sum, i), mask->key);
    }
    mien_wipe(shared, sizeof(shared));
    return status;
}

/* A key seed must give the key that was sent; if not, its owner dealt shares of another seed. */
static enum mien_status open_pair_masks(const struct mien_secagg_sum *sum, uint32_t gone,
                                        const uint8_t seed[MIEN_SEED_BYTES], struct masks *masks,
                                        uint32_t *blamed)
{
    const struct mien_sum_member *m = &sum->member[gone];
    uint8_t secret_key[MIEN_KEY_BYTES];
    uint8_t public_key[MIEN_KEY_BYTES];
    enum mien_status status = mien_session_mask_sk(
        seed, sum->session_id, mien_sum_member_of(sum, gone).device_id, secret_key);

    if (status == MIEN_OK)
        status = mien_x25519_public(secret_key, public_key);
    if (status == MIEN_OK && memcmp(public_key, m->keys.mask_pk, sizeof(public_key)) != 0) {
        *blamed = gone;
        status = MIEN_ECORRUPT;
    }
    if (status == MIEN_OK)
        status = add_pair_masks(sum, gone, secret_key, masks);
    mien_wipe(secret_key, sizeof(secret_key));
    return status;
}

static enum mien_status rebuild_seed(const struct mien_secagg_sum *sum, uint32_t of,
                                     struct workspace *work, uint8_t seed[MIEN_SEED_BYTES],
                                     uint32_t *liar)
{
    const struct mien_sum_member *m = &sum->member[of];
    struct mien_rebuild_shares shares = {.holder = work->holder, .share = work->share};

    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++) {
        if (!m->has[slot])
            continue;
        work->holder[shares.n] = mien_graph_holder(&sum->graph, of, slot);
        work->share[shares.n++] = m->shares[slot];
    }
    return mien_rebuild_seed(&work->rebuild, &shares, seed, liar);
}

static enum mien_status open_masks(const struct mien_secagg_sum *sum, struct masks *masks,
                                   uint32_t *blamed)
{
    uint8_t seed[MIEN_SEED_BYTES];
    enum mien_status status = MIEN_OK;
    struct workspace *work = mien_calloc(1, sizeof(*work));

    if (work == NULL)
        return MIEN_ENOMEM;
    mien_rebuild_init(&work->rebuild, sum->session.t);
    for (uint32_t i = 0; i < sum->session.n && status == MIEN_OK; i++) {
        uint32_t liar = UINT32_MAX;

        if (!sum->member[i].goes_on)
            continue;
        status = rebuild_seed(sum, i, work, seed, &liar);
        if (liar != UINT32_MAX && *blamed == UINT32_MAX)
            *blamed = liar;
        if (status == MIEN_OK && mien_bitmap_has(sum->survivors, i))
            status = add_self_mask(sum, i, seed, masks);
        else if (status == MIEN_OK)
            status = open_pair_masks(sum, i, seed, masks, blamed);
    }
    mien_wipe(seed, sizeof(seed));
    mien_wipe(work, sizeof(*work));
    mien_free(work);
    return status;
}

enum mien_status mien_secagg_sum_unmask(struct mien_secagg_sum *sum, const struct mien_crew *crew,
                                        int64_t *total, uint32_t *blamed)
{
    *blamed = UINT32_MAX;
    if (!mien_secagg_sum_ready(sum))
        return MIEN_ESTATE;
    const uint32_t n_max = n_masks(sum);
    struct masks masks = {.mask = mien_calloc(n_max, sizeof(*masks.mask))};
    if (masks.mask == NULL)
        return MIEN_ENOMEM;
    sum->state = MIEN_SUM_OVER;
    enum mien_status status = open_masks(sum, &masks, blamed);
    if (status == MIEN_OK)
        status = mien_mask_apply(crew, masks.mask, masks.n, sum->residue, sum->session.dim);
    mien_wipe(masks.mask, n_max * sizeof(*masks.mask));
    mien_free(masks.mask);
    for (uint32_t j = 0; j < sum->session.dim && status == MIEN_OK; j++)
        total[j] += mien_lift(sum->residue[j], sum->session.bits);
    mien_wipe(sum->residue, sum->session.dim * sizeof(*sum->residue));
    mien_sum_forget_shares(sum);
    return status;
}
