// SPDX-License-Identifier: Apache-2.0
/* Who may take part when: the plan's minimum separation and most participations of a unit.
 *
 * A part is a vector that came whole (its INPUT row), whatever becomes of the round; a device
 * counts the vectors that left it. What is durable is the ledger's; here is what a decision needs,
 * read at the start and kept in step. Room for a part is made when a unit is admitted, so that
 * noting one cannot fail. */
#include "common/base/mem.h"
#include "common/plan/sampling.h"
#include "server/core/internal.h"

#include <string.h>

enum mien_status mien_round_load_parts(struct mien_coordinator *c, struct mien_err *err)
{
    const struct mien_ledger *ledger = &c->config.ledger;
    size_t n = 0;

    if (!mien_plan_limits_parts(&c->config.plan))
        return MIEN_OK;
    enum mien_status status = ledger->parts(ledger->self, &c->parts, &n, err);
    if (status != MIEN_OK)
        return status;
    c->n_parts = n;
    c->room_for_parts = n;
    return MIEN_OK;
}

/* Where the unit's part is, or would be put. */
static size_t find(const struct mien_coordinator *c, const uint8_t unit[32])
{
    size_t low = 0;
    size_t high = c->n_parts;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (memcmp(c->parts[middle].unit, unit, 32) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool is_there(const struct mien_coordinator *c, size_t at, const uint8_t unit[32])
{
    return at < c->n_parts && memcmp(c->parts[at].unit, unit, 32) == 0;
}

bool mien_round_may_take_part(const struct mien_coordinator *c, uint32_t peer)
{
    const struct mien_plan *plan = &c->config.plan;
    const uint8_t *unit = c->peers[peer].identity.unit_digest;
    const size_t at = mien_plan_limits_parts(plan) ? find(c, unit) : 0;
    const uint64_t round = c->round.round;

    if (!mien_plan_limits_parts(plan) || !is_there(c, at, unit))
        return true;
    const struct mien_ledger_part *part = &c->parts[at];
    if (plan->max_participations > 0 && part->n >= plan->max_participations)
        return false;
    /* Another attempt at one round is the same step: at most one of them is released. */
    return part->last_round == round || round >= part->last_round + plan->min_separation;
}

enum mien_status mien_round_make_room(struct mien_coordinator *c)
{
    const size_t wanted = c->n_parts + c->n_admitted + 1;

    if (!mien_plan_limits_parts(&c->config.plan) || wanted <= c->room_for_parts)
        return MIEN_OK;
    struct mien_ledger_part *grown = mien_reallocarray(c->parts, 2 * wanted, sizeof(*grown));
    if (grown == NULL)
        return MIEN_ENOMEM;
    c->parts = grown;
    c->room_for_parts = 2 * wanted;
    return MIEN_OK;
}

void mien_round_note_part(struct mien_coordinator *c, const uint8_t unit[32])
{
    const size_t at = find(c, unit);

    if (!mien_plan_limits_parts(&c->config.plan))
        return;
    if (!is_there(c, at, unit)) {
        memmove(c->parts + at + 1, c->parts + at, (c->n_parts - at) * sizeof(*c->parts));
        c->parts[at] = (struct mien_ledger_part){0};
        memcpy(c->parts[at].unit, unit, 32);
        c->n_parts++;
    }
    c->parts[at].n++;
    c->parts[at].last_round = c->round.round;
}
