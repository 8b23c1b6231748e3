// SPDX-License-Identifier: Apache-2.0
/* Secrets rebuilt, masks taken off. */
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/coordinator_internal.h"
#include "common/secagg/mask.h"
#include "common/secagg/pack.h"
#include "common/secagg/rebuild.h"

#include <stdlib.h>
#include <string.h>

/* Members whose secrets one slice rebuilds: what it allocates is soon worth it, and slices are
 * many more than threads. */
#define SLICE_MEMBERS 8

/* Ways in which a secret with too many wrong shares is tried once more. */
#define RETRIES 8

/* How far a member's secret is. */
enum secret_state {
    SECRET_WANTED,
    SECRET_OPEN,
    SECRET_LOST, /* rebuilt, and not that of the key which was sent */
};

/* The masks that the sum still holds. */
struct opening {
    const struct mien_secagg_sum *sum;
    struct mien_mask *mask; /* [n_masks] secret; of each member one after the other */
    uint32_t n_masks;
    uint32_t *first;          /* [n] where a member's masks begin */
    enum secret_state *state; /* [n] */
    bool *wrong;              /* [n] x [n_holders]: that holder's share was */
    uint32_t *n_wrong;        /* [n] secrets that a member's share of was wrong */
    bool again;               /* n_wrong counts: without shares of those who lied */
};

/* A share, and how much its holder is to be trusted. */
struct candidate {
    uint32_t n_wrong;
    uint32_t slot;
};

/* What rebuilding takes. */
struct workspace {
    struct mien_rebuild rebuild; /* secret */
    uint32_t n;                  /* shares of the secret in hand */
    uint32_t slot[MIEN_SECAGG_MAX_HOLDERS];
    uint32_t holder[MIEN_SECAGG_MAX_HOLDERS];
    bool wrong[MIEN_SECAGG_MAX_HOLDERS];
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
                                        enum secret_state *state)
{
    const struct mien_sum_member *m = &sum->member[gone];
    struct mien_x25519 *key = NULL;
    uint8_t secret_key[MIEN_KEY_BYTES];
    enum mien_status status = mien_session_mask_sk(
        seed, sum->session_id, mien_sum_member_of(sum, gone).device_id, secret_key);

    if (status == MIEN_OK)
        status = mien_x25519_new(secret_key, &key);
    if (status == MIEN_OK && memcmp(mien_x25519_own(key), m->keys.mask_pk, MIEN_KEY_BYTES) != 0) {
        *state = SECRET_LOST;
        status = MIEN_ECORRUPT;
    }
    if (status == MIEN_OK)
        status = make_pair_masks(sum, gone, key, mask);
    mien_x25519_free(key);
    mien_wipe(secret_key, sizeof(secret_key));
    return status;
}

static int compare_candidates(const void *a, const void *b)
{
    const struct candidate *left = a;
    const struct candidate *right = b;

    if (left->n_wrong != right->n_wrong)
        return left->n_wrong < right->n_wrong ? -1 : 1;
    return left->slot < right->slot ? -1 : 1;
}

/* The shares of a member's secret that have come, the holders that were wrong most often last.
 * Returns how many were ever. */
static uint32_t list_shares(const struct opening *o, uint32_t of, struct workspace *work)
{
    const struct mien_secagg_sum *sum = o->sum;
    const struct mien_sum_member *m = &sum->member[of];
    struct candidate list[MIEN_SECAGG_MAX_HOLDERS];
    uint32_t n_doubtful = 0;

    work->n = 0;
    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++) {
        if (!m->has[slot])
            continue;
        const uint32_t n_wrong =
            o->again ? o->n_wrong[mien_graph_holder(&sum->graph, of, slot)] : 0;
        list[work->n++] = (struct candidate){n_wrong, slot};
        n_doubtful += n_wrong > 0;
    }
    if (n_doubtful > 0)
        qsort(list, work->n, sizeof(*list), compare_candidates);
    for (uint32_t i = 0; i < work->n; i++) {
        work->slot[i] = list[i].slot;
        work->holder[i] = mien_graph_holder(&sum->graph, of, list[i].slot);
        work->share[i] = m->shares[list[i].slot];
    }
    return n_doubtful;
}

/* The seed from the first n shares; notes whose are wrong. */
static enum mien_status rebuild_from(const struct opening *o, uint32_t of, uint32_t n,
                                     struct workspace *work, uint8_t seed[MIEN_SEED_BYTES])
{
    const struct mien_rebuild_shares shares = {
        .n = n, .holder = work->holder, .share = work->share};
    bool *wrong = o->wrong + (size_t)of * mien_graph_n_holders(&o->sum->graph);
    enum mien_status status = mien_rebuild_seed(&work->rebuild, &shares, seed, work->wrong);

    for (uint32_t i = 0; i < n && status == MIEN_OK; i++)
        wrong[work->slot[i]] = work->wrong[i];
    return status;
}

/* Leaves out some of the doubtful, then more, as far as t are left. */
static enum mien_status rebuild_again(const struct opening *o, uint32_t of, uint32_t n_doubtful,
                                      struct workspace *work, uint8_t seed[MIEN_SEED_BYTES])
{
    const uint32_t spare = work->n - o->sum->session.t;
    const uint32_t most = n_doubtful < spare ? n_doubtful : spare;
    uint32_t before = 0;
    enum mien_status status = MIEN_ECORRUPT;

    for (uint32_t step = 1; step <= RETRIES && status == MIEN_ECORRUPT; step++) {
        const uint32_t n_out = most * step / RETRIES;

        if (n_out == before)
            continue;
        before = n_out;
        status = rebuild_from(o, of, work->n - n_out, work, seed);
    }
    return status;
}

static enum mien_status open_member(const struct opening *o, uint32_t i, struct workspace *work)
{
    const struct mien_secagg_sum *sum = o->sum;
    struct mien_mask *mask = &o->mask[o->first[i]];
    uint8_t seed[MIEN_SEED_BYTES];
    const uint32_t n_doubtful = list_shares(o, i, work);
    enum mien_status status = o->again ? rebuild_again(o, i, n_doubtful, work, seed)
                                       : rebuild_from(o, i, work->n, work, seed);

    if (status == MIEN_OK && mien_bitmap_has(sum->survivors, i))
        status = make_self_mask(sum, i, seed, mask);
    else if (status == MIEN_OK)
        status = open_pair_masks(sum, i, seed, mask, &o->state[i]);
    if (status == MIEN_OK)
        o->state[i] = SECRET_OPEN;
    mien_wipe(seed, sizeof(seed));
    /* What cannot be rebuilt is known by its state. */
    return status == MIEN_ECORRUPT ? MIEN_OK : status;
}

/* A slice: the secrets of SLICE_MEMBERS members, those that are wanted still. */
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
        if (o->sum->member[i].goes_on && o->state[i] == SECRET_WANTED)
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
    o->state = mien_calloc(n, sizeof(*o->state));
    o->wrong = mien_calloc(n, mien_graph_n_holders(&sum->graph) * sizeof(*o->wrong));
    o->n_wrong = mien_calloc(n, sizeof(*o->n_wrong));
    if (o->first == NULL || o->state == NULL || o->wrong == NULL || o->n_wrong == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        o->first[i] = o->n_masks;
        o->n_masks += n_masks_of(sum, i);
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
    mien_free(o->state);
    mien_free(o->wrong);
    mien_free(o->n_wrong);
}

/* How often each member's share was wrong. Whether a secret is wanted still. */
static bool count_wrong(struct opening *o)
{
    const struct mien_secagg_sum *sum = o->sum;
    const uint32_t n_holders = mien_graph_n_holders(&sum->graph);
    bool wanted = false;

    memset(o->n_wrong, 0, sum->session.n * sizeof(*o->n_wrong));
    for (uint32_t i = 0; i < sum->session.n; i++) {
        for (uint32_t slot = 0; slot < n_holders; slot++)
            o->n_wrong[mien_graph_holder(&sum->graph, i, slot)] +=
                o->wrong[(size_t)i * n_holders + slot];
        wanted = wanted || (sum->member[i].goes_on && o->state[i] == SECRET_WANTED);
    }
    return wanted;
}

static void find_blame(const struct opening *o, struct mien_secagg_blame *blame)
{
    for (uint32_t i = o->sum->session.n; i > 0; i--) {
        if (o->n_wrong[i - 1] > 0) {
            mien_bitmap_add(blame->wrong, i - 1);
            blame->n_wrong++;
        }
        if (o->sum->member[i - 1].goes_on && o->state[i - 1] != SECRET_OPEN)
            blame->failed = i - 1;
    }
}

static enum mien_status open_all(struct opening *o, const struct mien_crew *crew,
                                 struct mien_secagg_blame *blame)
{
    const uint32_t n_slices = (o->sum->session.n - 1) / SLICE_MEMBERS + 1;
    enum mien_status status = mien_crew_run(crew, open_slice, o, n_slices);

    o->again = status == MIEN_OK && count_wrong(o);
    if (o->again)
        status = mien_crew_run(crew, open_slice, o, n_slices);
    if (status != MIEN_OK)
        return status;
    (void)count_wrong(o);
    find_blame(o, blame);
    return blame->failed == UINT32_MAX ? MIEN_OK : MIEN_ECORRUPT;
}

enum mien_status mien_secagg_sum_unmask(struct mien_secagg_sum *sum, const struct mien_crew *crew,
                                        int64_t *total, struct mien_secagg_blame *blame)
{
    struct opening opening;

    *blame = (struct mien_secagg_blame){.failed = UINT32_MAX};
    if (!mien_secagg_sum_ready(sum))
        return MIEN_ESTATE;
    enum mien_status status = opening_init(&opening, sum);
    if (status != MIEN_OK) {
        opening_fini(&opening);
        return status;
    }
    sum->state = MIEN_SUM_OVER;
    status = open_all(&opening, crew, blame);
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
