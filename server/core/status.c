// SPDX-License-Identifier: Apache-2.0
/* What the outside may ask the core. */
#include "server/core/internal.h"

#include <string.h>

const char *mien_coordinator_phase_name(enum mien_coordinator_phase phase)
{
    static const char *const names[] = {
        "waiting",  "opening",   "collecting", "keys",      "shares",     "inputs", "fixing",
        "confirms", "reserving", "reveals",    "releasing", "abandoning", "stopped"};

    return (size_t)phase < sizeof(names) / sizeof(names[0]) ? names[phase] : "?";
}

struct mien_coordinator_status mien_coordinator_status(const struct mien_coordinator *c)
{
    struct mien_coordinator_status status = {
        .phase = c->phase,
        .round = c->round.round,
        .version = c->version,
        .n_released = c->n_released,
        .exhausted = c->exhausted,
        .failed = c->failed,
        .budget = c->budget,
        .last_round = c->last_counts,
        .clip = c->model.clip,
    };

    memcpy(status.metrics, c->metrics, sizeof(c->metrics));
    for (uint32_t i = 0; i < c->n_peers; i++) {
        status.n_connected += c->peers[i].used;
        status.n_waiting += c->peers[i].used && c->peers[i].waiting;
    }
    return status;
}

uint64_t mien_coordinator_deadline(const struct mien_coordinator *c)
{
    uint64_t at = UINT64_MAX;

    for (uint32_t i = 0; i < c->n_peers; i++) {
        const struct mien_peer *p = &c->peers[i];

        if (p->used && p->waiting && p->waiting_since_ms + c->config.limits.hold_ms < at)
            at = p->waiting_since_ms + c->config.limits.hold_ms;
    }
    if (c->job_out || c->phase == MIEN_PHASE_STOPPED)
        return at;
    const uint64_t due = c->phase != MIEN_PHASE_WAITING ? c->deadline_ms
                         : c->enough_ms != 0            ? c->enough_ms + c->config.limits.gather_ms
                                                        : c->next_open_ms;
    const bool idle = c->phase == MIEN_PHASE_WAITING && c->enough_ms == 0 && c->next_open_ms == 0;

    if (c->phase == MIEN_PHASE_WAITING && mien_round_drill_due(c) < at)
        at = mien_round_drill_due(c);
    return !idle && due < at ? due : at;
}

const float *mien_coordinator_values(const struct mien_coordinator *c)
{
    return c->model.values;
}

const float *mien_coordinator_average(const struct mien_coordinator *c)
{
    return c->model.average;
}
