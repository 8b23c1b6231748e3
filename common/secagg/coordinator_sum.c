// SPDX-License-Identifier: Apache-2.0
/* Masked vectors, who survived, their signatures, the shares that they reveal. */
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/secagg/coordinator_internal.h"
#include "common/secagg/pack.h"

#include <string.h>

enum mien_status mien_secagg_sum_input(struct mien_secagg_sum *sum, uint32_t index,
                                       struct mien_span packed)
{
    if (sum->state != MIEN_SUM_INPUTS || index >= sum->session.n || !sum->member[index].goes_on ||
        sum->member[index].has_input)
        return MIEN_ESTATE;
    enum mien_status status =
        mien_unpack_add(packed, sum->session.bits, sum->residue, sum->session.dim);
    if (status == MIEN_OK)
        sum->member[index].has_input = true;
    return status;
}

bool mien_secagg_sum_has_input(const struct mien_secagg_sum *sum, uint32_t index)
{
    return index < sum->session.n && sum->member[index].has_input;
}

/* Whether of each member that masks were made with t holders pass: without them its masks could not
 * be taken off. */
static bool all_have_holders(const struct mien_secagg_sum *sum,
                             bool (*passes)(const struct mien_sum_member *member))
{
    for (uint32_t i = 0; i < sum->session.n; i++) {
        uint32_t n = 0;

        if (!sum->member[i].goes_on)
            continue;
        for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++)
            n += passes(&sum->member[mien_graph_holder(&sum->graph, i, slot)]);
        if (n < sum->session.t)
            return false;
    }
    return true;
}

static bool has_input(const struct mien_sum_member *member)
{
    return member->has_input;
}

static bool has_confirmed(const struct mien_sum_member *member)
{
    return member->confirmed;
}

/* Ciphertexts are delivered: what has room for them is for shares from now on. */
static void forget_sealed(struct mien_secagg_sum *sum)
{
    for (uint32_t i = 0; i < sum->session.n; i++) {
        struct mien_sum_member *m = &sum->member[i];

        mien_free(m->sealed);
        m->sealed = NULL;
        if (m->has != NULL)
            memset(m->has, 0, mien_graph_n_holders(&sum->graph) * sizeof(*m->has));
    }
}

enum mien_status mien_secagg_sum_close_inputs(struct mien_secagg_sum *sum,
                                              uint8_t bitmap[MIEN_BITMAP_BYTES], uint8_t root[32])
{
    if (sum->state != MIEN_SUM_INPUTS)
        return MIEN_ESTATE;
    memset(sum->survivors, 0, sizeof(sum->survivors));
    for (uint32_t i = 0; i < sum->session.n; i++) {
        if (sum->member[i].has_input)
            mien_bitmap_add(sum->survivors, i);
    }
    if (mien_bitmap_count(sum->survivors, sum->session.n) < sum->session.t ||
        !all_have_holders(sum, has_input)) {
        sum->state = MIEN_SUM_OVER;
        return MIEN_EPOLICY;
    }
    enum mien_status status =
        mien_session_root(sum->session_id, sum->session.n, sum->survivors, root);
    if (status != MIEN_OK)
        return status;
    forget_sealed(sum);
    memcpy(bitmap, sum->survivors, MIEN_BITMAP_BYTES);
    sum->state = MIEN_SUM_CONFIRMS;
    return MIEN_OK;
}

enum mien_status mien_secagg_sum_confirm(struct mien_secagg_sum *sum, uint32_t from,
                                         const uint8_t signature[MIEN_SIGNATURE_BYTES])
{
    if (sum->state != MIEN_SUM_CONFIRMS)
        return MIEN_ESTATE;
    if (from >= sum->session.n || !mien_bitmap_has(sum->survivors, from))
        return MIEN_EINVAL;
    struct mien_sum_member *m = &sum->member[from];
    if (m->confirmed)
        return MIEN_EPARSE;
    memcpy(m->signature, signature, sizeof(m->signature));
    m->confirmed = true;
    return MIEN_OK;
}

const uint8_t *mien_secagg_sum_confirmation(const struct mien_secagg_sum *sum, uint32_t index)
{
    return index < sum->session.n && sum->member[index].confirmed ? sum->member[index].signature
                                                                  : NULL;
}

enum mien_status mien_secagg_sum_close_confirms(struct mien_secagg_sum *sum)
{
    if (sum->state != MIEN_SUM_CONFIRMS)
        return MIEN_ESTATE;
    const bool enough = all_have_holders(sum, has_confirmed);
    sum->state = enough ? MIEN_SUM_REVEALS : MIEN_SUM_OVER;
    return enough ? MIEN_OK : MIEN_EPOLICY;
}

enum mien_status mien_secagg_sum_reveal(struct mien_secagg_sum *sum, uint32_t from, uint32_t index,
                                        bool survived, struct mien_span share)
{
    struct mien_share decoded;

    if (sum->state != MIEN_SUM_REVEALS)
        return MIEN_ESTATE;
    if (from >= sum->session.n || index >= sum->session.n ||
        !mien_bitmap_has(sum->survivors, from) || !sum->member[index].goes_on)
        return MIEN_EINVAL;
    const uint32_t slot = mien_graph_slot(&sum->graph, index, from);
    if (slot == UINT32_MAX)
        return MIEN_EINVAL;
    if (survived != mien_bitmap_has(sum->survivors, index))
        return MIEN_EAUTH;
    struct mien_sum_member *m = &sum->member[index];
    if (share.len != MIEN_SHARE_BYTES || m->has[slot])
        return MIEN_EPARSE;
    enum mien_status status = mien_share_decode(share.data, &decoded);
    if (status != MIEN_OK)
        return status;
    if (m->shares == NULL)
        m->shares = mien_calloc(mien_graph_n_holders(&sum->graph), sizeof(*m->shares));
    if (m->shares != NULL) {
        m->shares[slot] = decoded;
        m->has[slot] = true;
        m->n_shares++;
    }
    mien_wipe(&decoded, sizeof(decoded));
    return m->shares == NULL ? MIEN_ENOMEM : MIEN_OK;
}

bool mien_secagg_sum_ready(const struct mien_secagg_sum *sum)
{
    if (sum->state != MIEN_SUM_REVEALS)
        return false;
    for (uint32_t i = 0; i < sum->session.n; i++) {
        if (sum->member[i].goes_on && sum->member[i].n_shares < sum->session.t)
            return false;
    }
    return true;
}

/* The members that go on, in a random order. */
static enum mien_status draw_order(const struct mien_secagg_sum *sum, struct mien_rng *rng,
                                   uint32_t *order, uint32_t *n)
{
    *n = 0;
    for (uint32_t i = 0; i < sum->session.n; i++) {
        uint64_t j = 0;

        if (!sum->member[i].goes_on)
            continue;
        enum mien_status status = mien_rng_below(rng, (uint64_t)*n + 1, &j);
        if (status != MIEN_OK)
            return status;
        order[(*n)++] = order[j];
        order[j] = i;
    }
    return MIEN_OK;
}

/* One member less: false when one of those that it holds shares of has too few holders then. */
static bool can_spare(const struct mien_secagg_sum *sum, uint32_t leaver, uint32_t *n_holders)
{
    for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++) {
        const uint32_t of = mien_graph_holder(&sum->graph, leaver, slot);

        if (sum->member[of].goes_on && --n_holders[of] < sum->session.t)
            return false;
    }
    return true;
}

enum mien_status mien_secagg_sum_slack(const struct mien_secagg_sum *sum, struct mien_rng *rng,
                                       uint32_t *slack, uint32_t *n_going_on)
{
    uint32_t n = 0;

    if (sum->state != MIEN_SUM_INPUTS)
        return MIEN_ESTATE;
    uint32_t *n_holders = mien_calloc(2 * (size_t)sum->session.n, sizeof(*n_holders));
    if (n_holders == NULL)
        return MIEN_ENOMEM;
    uint32_t *order = n_holders + sum->session.n;
    enum mien_status status = draw_order(sum, rng, order, &n);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t slot = 0; slot < mien_graph_n_holders(&sum->graph); slot++)
            n_holders[order[i]] +=
                sum->member[mien_graph_holder(&sum->graph, order[i], slot)].goes_on;
    }
    *slack = 0;
    while (*slack < n && can_spare(sum, order[*slack], n_holders))
        (*slack)++;
    *n_going_on = n;
    mien_free(n_holders);
    return status;
}
