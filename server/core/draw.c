// SPDX-License-Identifier: Apache-2.0
/* Who takes part in a round: the opening rule's count, coins, caps, one admitted device a unit. */
#include "common/base/bytes.h"
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/dp/sampling.h"
#include "common/plan/sampling.h"
#include "server/core/internal.h"

#include <string.h>

bool mien_round_is_sampled(const struct mien_coordinator *c)
{
    return mien_plan_rate(&c->config.plan) < 1.0;
}

uint64_t mien_coordinator_min_units(const struct mien_plan *plan)
{
    const struct mien_dp_draw draw = {
        .sampling = (enum mien_sampling)plan->sampling,
        .rate = mien_plan_rate(plan),
        .population = plan->population,
        .cohort = plan->cohort,
        .cap = plan->cap,
        .min_reports = plan->min_reports,
        .drop_out = plan->drop_out,
    };

    return mien_dp_draw_min_units(&draw);
}

bool mien_round_share_unit(struct mien_coordinator *c, const uint8_t unit[32])
{
    bool any = false;

    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (!c->peers[i].used || memcmp(c->peers[i].identity.unit_digest, unit, 32) != 0)
            continue;
        c->peers[i].shared = true;
        any = true;
    }
    return any;
}

static bool same_unit(const struct mien_coordinator *c, uint32_t a, uint32_t b)
{
    return memcmp(c->peers[a].identity.unit_digest, c->peers[b].identity.unit_digest, 32) == 0;
}

bool mien_round_stands_for_unit(const struct mien_coordinator *c, uint32_t peer)
{
    const struct mien_peer *p = &c->peers[peer];

    if (!p->used || !p->waiting)
        return false;
    for (uint32_t i = 0; i < peer && p->shared; i++) {
        if (c->peers[i].used && c->peers[i].waiting && same_unit(c, i, peer))
            return false;
    }
    return true;
}

uint32_t mien_round_count_units(const struct mien_coordinator *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_peers; i++)
        n += mien_round_stands_for_unit(c, i) && mien_round_may_take_part(c, i);
    return n;
}

/* The coin of a unit: PRF(K_round, unit) < q, the PRF being HKDF-SHA256. */
static enum mien_status toss(const struct mien_coordinator *c, const uint8_t unit[32], bool *drawn)
{
    static const uint8_t label[] = "mien coin v1";
    uint8_t bytes[8];
    enum mien_status status = mien_hkdf((struct mien_span){c->coin_key, sizeof(c->coin_key)},
                                        (struct mien_span){label, sizeof(label) - 1},
                                        (struct mien_span){unit, 32}, bytes, sizeof(bytes));

    if (status != MIEN_OK)
        return status;
    /* 53 bits as a number in [0, 1): q is a double itself. */
    *drawn = (double)(mien_load_be64(bytes) >> 11) * 0x1p-53 < c->config.plan.rate;
    return MIEN_OK;
}

/* Keeps `keep` of the listed peers, chosen uniformly. */
static enum mien_status keep_some(struct mien_coordinator *c, uint32_t *list, uint32_t *n,
                                  uint32_t keep)
{
    for (uint32_t i = 0; i < keep && keep < *n; i++) {
        uint64_t j = 0;
        enum mien_status status = mien_rng_below(&c->config.rng, *n - i, &j);

        if (status != MIEN_OK)
            return status;
        const uint32_t chosen = list[i + j];
        list[i + j] = list[i];
        list[i] = chosen;
    }
    if (keep < *n)
        *n = keep;
    return MIEN_OK;
}

static enum mien_status keep_drawn(const struct mien_coordinator *c, uint32_t *list, uint32_t *n)
{
    uint32_t n_drawn = 0;

    for (uint32_t i = 0; i < *n; i++) {
        bool drawn = false;
        enum mien_status status = toss(c, c->peers[list[i]].identity.unit_digest, &drawn);

        if (status != MIEN_OK)
            return status;
        if (drawn)
            list[n_drawn++] = list[i];
    }
    *n = n_drawn;
    return MIEN_OK;
}

/* The draw over the units that wait. What is left out at random is left out before a coin or after
 * all of them, by numbers that are constants of the run: no unit's part depends on another's coin
 * but through the cap, for which delta pays. */
static enum mien_status draw_units(struct mien_coordinator *c, uint32_t *list, uint32_t *n)
{
    const struct mien_plan *plan = &c->config.plan;
    enum mien_status status = MIEN_OK;

    switch (plan->sampling) {
    case MIEN_PLAN_UNSAMPLED:
        /* Who sits out after a round is missed in the next: no more than are needed take part. */
        if (mien_plan_limits_parts(plan))
            status = keep_some(c, list, n, plan->cohort);
        c->counts.drawn = *n;
        return status;
    case MIEN_PLAN_FIXED:
        status = keep_some(c, list, n, plan->cohort);
        c->counts.drawn = *n;
        return status;
    case MIEN_PLAN_POISSON_CAPPED:
        status = keep_some(c, list, n, plan->population);
        break;
    case MIEN_PLAN_POISSON:
        break;
    }
    if (status == MIEN_OK && plan->rate < 1.0)
        status = keep_drawn(c, list, n);
    c->counts.drawn = *n;
    if (status == MIEN_OK && plan->sampling == MIEN_PLAN_POISSON_CAPPED)
        status = keep_some(c, list, n, plan->cap);
    return status;
}

enum mien_status mien_round_admit(struct mien_coordinator *c, uint32_t peer)
{
    struct mien_admitted *grown =
        mien_reallocarray(c->admitted, c->n_admitted + 1, sizeof(*c->admitted));

    if (grown == NULL || mien_round_make_room(c) != MIEN_OK) {
        c->admitted = grown == NULL ? c->admitted : grown;
        return MIEN_ENOMEM;
    }
    c->admitted = grown;
    memcpy(grown[c->n_admitted].unit, c->peers[peer].identity.unit_digest, 32);
    memcpy(grown[c->n_admitted].device, c->peers[peer].identity.device_id, 16);
    c->n_admitted++;
    return MIEN_OK;
}

enum mien_admission mien_round_admission(const struct mien_coordinator *c, uint32_t peer)
{
    const struct mien_peer_identity *identity = &c->peers[peer].identity;

    for (uint32_t i = 0; i < c->n_admitted; i++) {
        if (memcmp(c->admitted[i].unit, identity->unit_digest, 32) != 0)
            continue;
        return memcmp(c->admitted[i].device, identity->device_id, 16) == 0 ? MIEN_ADMITTED
                                                                           : MIEN_ADMITTED_OTHER;
    }
    return MIEN_ADMITTED_NONE;
}

enum mien_status mien_round_draw(struct mien_coordinator *c, uint32_t **list, uint32_t *n)
{
    uint32_t *found = mien_calloc(c->n_peers, sizeof(*found));
    enum mien_status status = found == NULL ? MIEN_ENOMEM : MIEN_OK;

    *n = 0;
    for (uint32_t i = 0; i < c->n_peers && status == MIEN_OK; i++) {
        if (mien_round_stands_for_unit(c, i) && mien_round_may_take_part(c, i))
            found[(*n)++] = i;
    }
    if (status == MIEN_OK)
        status = draw_units(c, found, n);
    for (uint32_t i = 0; i < *n && status == MIEN_OK; i++)
        status = mien_round_admit(c, found[i]);
    /* Every coin has fallen; nobody asks for one again. */
    mien_wipe(c->coin_key, sizeof(c->coin_key));
    if (status == MIEN_OK) {
        *list = found;
        found = NULL;
    }
    mien_free(found);
    return status;
}

void mien_round_forget_draw(struct mien_coordinator *c)
{
    mien_free(c->admitted);
    c->admitted = NULL;
    c->n_admitted = 0;
    mien_wipe(c->coin_key, sizeof(c->coin_key));
}
