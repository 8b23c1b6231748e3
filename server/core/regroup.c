// SPDX-License-Identifier: Apache-2.0
/* Members of sessions that fell under policy before their vectors left take part in further
 * sessions of the round, with fresh keys. Who was granted a slot may have given its vector and is
 * out: two sums with one vector would be an update by subtraction. */
#include "common/plan/noise.h"
#include "server/core/internal.h"

#include <inttypes.h>

/* So often a round forms sessions again: what keeps breaking them may be a member. */
#define MAX_REGROUPS 3

bool mien_round_may_rejoin(const struct mien_coordinator *c, uint32_t peer)
{
    const struct mien_peer *p = &c->peers[peer];
    const bool before_slots = c->phase == MIEN_PHASE_KEYS || c->phase == MIEN_PHASE_SHARES;

    /* A drill is about the session that it has. */
    if (c->drill.running || p->part != MIEN_PART_MEMBER)
        return false;
    return before_slots || (c->phase == MIEN_PHASE_INPUTS && !p->had_slot);
}

void mien_round_rejoin(struct mien_coordinator *c, uint32_t peer)
{
    struct mien_peer *p = &c->peers[peer];

    if (!mien_round_may_rejoin(c, peer)) {
        mien_round_drop_part(c, peer);
        mien_round_come_back(c, peer, MIEN_MESSAGE_DROPPED);
        return;
    }
    c->groups[p->session].member[p->index] = UINT32_MAX;
    p->part = MIEN_PART_READY;
    p->did = false;
    p->next_part = 0;
}

static uint32_t count_ready(const struct mien_coordinator *c)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_peers; i++)
        n += c->peers[i].used && c->peers[i].part == MIEN_PART_READY;
    return n;
}

/* Whether n devices make sessions of which each is large enough. */
static bool is_enough(const struct mien_plan *plan, uint32_t n)
{
    const uint32_t n_new = (n + plan->group_max - 1) / plan->group_max;

    return n > 0 && n / n_new >= mien_plan_min_survivors(plan, n / n_new);
}

bool mien_round_regroup(struct mien_coordinator *c, uint64_t now_ms)
{
    const uint32_t first = c->n_groups;
    uint32_t n = count_ready(c);

    /* Else the sessions that are left go on without them. */
    if (!is_enough(&c->config.plan, n) || c->n_regroups == MAX_REGROUPS)
        return false;
    const enum mien_status status = mien_round_add_groups(c, &n);
    if (status != MIEN_OK) {
        mien_round_abandon(c, "no further sessions of %u devices: %s", n, mien_status_text(status));
        return true;
    }
    c->n_regroups++;
    mien_round_log(c, MIEN_INFO, "round.regrouped round=%" PRIu64 " n_devices=%u n_sessions=%u",
                   c->round.round, n, c->n_groups - first);
    mien_round_announce(c, now_ms, first);
    return true;
}

void mien_round_send_off(struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (!c->peers[i].used || c->peers[i].part != MIEN_PART_READY)
            continue;
        mien_round_drop_part(c, i);
        mien_round_come_back(c, i, MIEN_MESSAGE_DROPPED);
    }
}
