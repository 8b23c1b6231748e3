// SPDX-License-Identifier: Apache-2.0
/* What runs away from the loop: every write to the ledger, in the order of design section 4, and
 * the heavy work between them. A job owns what it touches from start_job to job_done. */
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "server/core/internal.h"

#include <string.h>

/* INPUT rows are durable before any of the vectors enters the sum. */
static enum mien_status run_inputs(struct mien_coordinator *c, struct mien_job *job)
{
    const struct mien_ledger *ledger = &c->config.ledger;
    const struct mien_group *g = &c->groups[job->inputs.group];
    const uint64_t n_bytes = mien_round_packed_bytes(c);
    struct mien_ledger_input rows[MIEN_JOB_MAX_INPUTS];
    enum mien_status status = MIEN_OK;

    for (uint32_t i = 0; i < job->inputs.n && status == MIEN_OK; i++) {
        memcpy(rows[i].unit, job->inputs.unit[i], 32);
        status = mien_digest((struct mien_span){job->inputs.upload[i], n_bytes}, rows[i].digest);
    }
    if (status == MIEN_OK && !c->drill.running)
        status = ledger->put_inputs(ledger->self, c->round, job->inputs.group, rows, job->inputs.n,
                                    &job->err);
    for (uint32_t i = 0; i < job->inputs.n && status == MIEN_OK; i++)
        job->inputs.status[i] = mien_secagg_sum_input(
            g->sum, job->inputs.index[i], (struct mien_span){job->inputs.upload[i], n_bytes});
    return status;
}

static enum mien_status put_survivors(struct mien_coordinator *c, struct mien_job *job, uint32_t g)
{
    const struct mien_ledger *ledger = &c->config.ledger;
    const struct mien_group *group = &c->groups[g];
    uint8_t *units = mien_calloc(group->session.n, 32);
    size_t n = 0;

    if (units == NULL)
        return MIEN_ENOMEM;
    for (uint32_t i = 0; i < group->session.n; i++) {
        if (mien_bitmap_has(group->bitmap, i))
            memcpy(units + 32 * n++, group->unit[i], 32);
    }
    enum mien_status status = ledger->put_survivors(ledger->self, c->round, g, units, n, &job->err);
    mien_free(units);
    return status;
}

static enum mien_status run_fix(struct mien_coordinator *c, struct mien_job *job)
{
    const struct mien_ledger *ledger = &c->config.ledger;
    enum mien_status status = MIEN_OK;

    for (uint32_t g = 0; g < c->n_groups && status == MIEN_OK && !c->drill.running; g++)
        status = c->groups[g].sum == NULL
                     ? ledger->drop_session(ledger->self, c->round, g, &job->err)
                     : put_survivors(c, job, g);
    return status;
}

/* The noise is drawn as soon as it is paid for and before anybody is asked to unmask. */
static enum mien_status run_reserve(struct mien_coordinator *c, struct mien_job *job)
{
    const struct mien_ledger *ledger = &c->config.ledger;

    if (c->drill.running) {
        memset(c->total, 0, c->params.dim * sizeof(*c->total));
        return MIEN_OK;
    }
    enum mien_status status = ledger->reserve(ledger->self, c->round, &job->budget, &job->err);

    if (status != MIEN_OK)
        return status;
    return mien_round_draw_noise(c, job);
}

void mien_job_run(struct mien_job *job)
{
    struct mien_coordinator *c = job->home;
    const struct mien_ledger *ledger = &c->config.ledger;

    switch (job->kind) {
    case MIEN_JOB_OPEN:
        job->status = ledger->round_open(ledger->self, c->round, job->coins, &job->err);
        break;
    case MIEN_JOB_INPUTS:
        job->status = run_inputs(c, job);
        break;
    case MIEN_JOB_FIX:
        job->status = run_fix(c, job);
        break;
    case MIEN_JOB_RESERVE:
        job->status = run_reserve(c, job);
        break;
    case MIEN_JOB_RELEASE:
        if (c->drill.running)
            mien_round_run_drill(c, job);
        else
            mien_round_run_release(c, job);
        break;
    case MIEN_JOB_ABANDON:
        if (!c->drill.running)
            job->status = ledger->abandon(ledger->self, c->round, job->reason, &job->err);
        break;
    }
    if (job->status == MIEN_OK && !c->drill.running &&
        (job->kind == MIEN_JOB_RELEASE || job->kind == MIEN_JOB_ABANDON)) {
        struct mien_err ignored;

        /* Counts are the operator's convenience: their loss is no reason to stop. */
        (void)!ledger->put_counts(ledger->self, c->round, &c->counts, &ignored);
    }
    job->mark = ledger->mark(ledger->self);
}
