// SPDX-License-Identifier: Apache-2.0
/* Secrets rebuilt, masks taken off. */
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/coordinator_internal.h"
#include "common/secagg/mask.h"
#include "common/secagg/pack.h"
#include "common/secagg/rebuild.h"

#include <string.h>

/* Members whose secrets one slice rebuilds: what it allocates is soon worth it, and slices are
 * many more than threads. */
#define SLICE_MEMBERS 8

/* The masks that the sum still holds. */
struct opening {
    const struct mien_secagg_sum *sum;
    struct mien_mask *mask; /* [n_masks] secret; of each member one after the other */
    uint32_t n_masks;
    uint32_t *first;  /* [n] where a member's masks begin */
    uint32_t *blamed; /* [n] whom rebuilding a member's secret blames, or UINT32_MAX */
};

/* What rebuilding takes. */
struct workspace {
    struct mien_rebuild rebuild; /* secret */
    uint32_t holder[MIEN_SECAGG_MAX_HOLDERS];
    struct mien_share share[MIEN_SECAGG_MAX_HOLDERS]; /* secret */
};

/* Its self mask for a survivor; for one that left, a mask with each neighbour that survived. */
static uint32_t n_masks_of(const struct mien_secagg_sum *sum, uint32_t i)
{
    uint32_t n = 0;

    if (!sum->member[i].goes_on || mien_bitmap_has(sum->survivors, i))
        return sum->member[i].goes_on;
    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++)
        n += mien_bitmap_has(sum->survivors, mien_graph_holder(&sum->graph, i, slot));
    return n;
}

static enum mien_status make_self_mask(const struct mien_secagg_sum *sum, uint32_t of,
                                       const uint8_t seed[MIEN_SEED_BYTES], struct mien_mask *mask)
{
    mask->subtract = true;
    return mien_session_self_mask(seed, sum->session_id, mien_sum_member_of(sum, of).device_id,
                                  mask->key);
}

/* The masks between a member that left and each of its neighbours that survived. */
static enum mien_status make_pair_masks(const struct mien_secagg_sum *sum, uint32_t gone,
                                        struct mien_x25519 *key, struct mien_mask *mask)
{
    uint8_t shared[MIEN_KEY_BYTES];
    enum mien_status status = MIEN_OK;

    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph) && status == MIEN_OK; slot++) {
        const uint32_t i = mien_graph_holder(&sum->graph, gone, slot);

        if (!mien_bitmap_has(sum->survivors, i))
            continue;
        /* The survivor added it when its index is the lower one. */
        mask->subtract = i < gone;
        status = mien_x25519_agree(key, sum->member[i].keys.mask_pk, shared);
        if (status == MIEN_OK)
            status = mien_session_pair_mask(shared, sum->session_id, mien_sum_member_of(sum, gone),
                                            mien_sum_member_of(sum, i), mask->key);
        mask++;
    }
    mien_wipe(shared, sizeof(shared));
    return status;
}

/* A key seed must give the key that was sent; if not, its owner dealt shares of another seed. */
static enum mien_status open_pair_masks(const struct mien_secagg_sum *sum, uint32_t gone,
                                        const uint8_t seed[MIEN_SEED_BYTES], struct mien_mask *mask,
                                        uint32_t *blamed)
{
    const struct mien_sum_member *m = &sum->member[gone];
    struct mien_x25519 *key = NULL;
    uint8_t secret_key[MIEN_KEY_BYTES];
    enum mien_status status = mien_session_mask_sk(
        seed, sum->session_id, mien_sum_member_of(sum, gone).device_id, secret_key);

    if (status == MIEN_OK)
        status = mien_x25519_new(secret_key, &key);
    if (status == MIEN_OK && memcmp(mien_x25519_own(key), m->keys.mask_pk, MIEN_KEY_BYTES) != 0) {
        *blamed = gone;
        status = MIEN_ECORRUPT;
    }
    if (status == MIEN_OK)
        status = make_pair_masks(sum, gone, key, mask);
    mien_x25519_free(key);
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

static enum mien_status open_member(const struct opening *o, uint32_t i, struct workspace *work)
{
    const struct mien_secagg_sum *sum = o->sum;
    struct mien_mask *mask = &o->mask[o->first[i]];
    uint8_t seed[MIEN_SEED_BYTES];
    enum mien_status status = rebuild_seed(sum, i, work, seed, &o->blamed[i]);

    if (status == MIEN_OK && mien_bitmap_has(sum->survivors, i))
        status = make_self_mask(sum, i, seed, mask);
    else if (status == MIEN_OK)
        status = open_pair_masks(sum, i, seed, mask, &o->blamed[i]);
    mien_wipe(seed, sizeof(seed));
    return status;
}

/* A slice: the secrets of SLICE_MEMBERS members. */
static enum mien_status open_slice(void *task, uint32_t slice)
{
    const struct opening *o = task;
    const uint32_t n = o->sum->session.n;
    const uint32_t first = slice * SLICE_MEMBERS;
    enum mien_status status = MIEN_OK;
    struct workspace *work = mien_calloc(1, sizeof(*work));

    if (work == NULL)
        return MIEN_ENOMEM;
    mien_rebuild_init(&work->rebuild, o->sum->session.t);
    for (uint32_t i = first; i < n && i < first + SLICE_MEMBERS && status == MIEN_OK; i++) {
        if (o->sum->member[i].goes_on)
            status = open_member(o, i, work);
    }
    mien_wipe(work, sizeof(*work));
    mien_free(work);
    return status;
}

static enum mien_status opening_init(struct opening *o, const struct mien_secagg_sum *sum)
{
    const uint32_t n = sum->session.n;

    *o = (struct opening){.sum = sum};
    o->first = mien_calloc(n, sizeof(*o->first));
    o->blamed = mien_calloc(n, sizeof(*o->blamed));
    if (o->first == NULL || o->blamed == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        o->first[i] = o->n_masks;
        o->n_masks += n_masks_of(sum, i);
        o->blamed[i] = UINT32_MAX;
    }
    o->mask = mien_calloc(o->n_masks, sizeof(*o->mask));
    return o->mask == NULL ? MIEN_ENOMEM : MIEN_OK;
}

static void opening_fini(struct opening *o)
{
    if (o->mask != NULL)
        mien_wipe(o->mask, o->n_masks * sizeof(*o->mask));
    mien_free(o->mask);
    mien_free(o->first);
    mien_free(o->blamed);
}

/* The first member that a secret blames. */
static uint32_t first_blamed(const struct opening *o)
{
    for (uint32_t i = 0; i < o->sum->session.n; i++) {
        if (o->blamed[i] != UINT32_MAX)
            return o->blamed[i];
    }
    return UINT32_MAX;
}

enum mien_status mien_secagg_sum_unmask(struct mien_secagg_sum *sum, const struct mien_crew *crew,
                                        int64_t *total, uint32_t *blamed)
{
    const uint32_t n_slices = (sum->session.n - 1) / SLICE_MEMBERS + 1;
    struct opening opening;

    *blamed = UINT32_MAX;
    if (!mien_secagg_sum_ready(sum))
        return MIEN_ESTATE;
    enum mien_status status = opening_init(&opening, sum);
    if (status != MIEN_OK) {
        opening_fini(&opening);
        return status;
    }
    sum->state = MIEN_SUM_OVER;
    status = mien_crew_run(crew, open_slice, &opening, n_slices);
    *blamed = first_blamed(&opening);
    if (status == MIEN_OK)
        status =
            mien_mask_apply(crew, opening.mask, opening.n_masks, sum->residue, sum->session.dim);
    opening_fini(&opening);
    for (uint32_t j = 0; j < sum->session.dim && status == MIEN_OK; j++)
        total[j] += mien_lift(sum->residue[j], sum->session.bits);
    mien_wipe(sum->residue, sum->session.dim * sizeof(*sum->residue));
    mien_sum_forget_shares(sum);
    return status;
}
