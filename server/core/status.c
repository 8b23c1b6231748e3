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

const float *mien_coordinator_values(const struct mien_coordinator *c)
{
    return c->model.values;
}

const float *mien_coordinator_average(const struct mien_coordinator *c)
{
    return c->model.average;
}
