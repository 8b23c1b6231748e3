// SPDX-License-Identifier: Apache-2.0
/* A drill goes through a round's own steps, from COLLECT to RELEASE, with zeros for vectors, and
 * without a word to the ledger. */
#include "common/base/mem.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_DROP 0.9

enum mien_status mien_coordinator_drill(struct mien_coordinator *c, uint64_t now_ms, double drop,
                                        uint64_t *number, struct mien_err *err)
{
    struct mien_drill *drill = &c->drill;

    if (!(drop >= 0.0) || drop > MAX_DROP)
        return mien_err_set(err, MIEN_EINVAL, "drop: expected a share from 0 to %g", MAX_DROP);
    if (c->draining || c->failed || c->phase == MIEN_PHASE_STOPPED)
        return mien_err_set(err, MIEN_ESTATE, "the coordinator is stopping");
    if (drill->wanted || drill->running)
        return mien_err_set(err, MIEN_EBUSY, "a drill is under way");
    const uint64_t n = drill->report.number + 1;
    *drill = (struct mien_drill){
        .wanted = true, .drop = drop, .wanted_ms = now_ms, .report = {.number = n}};
    *number = n;
    mien_coordinator_tick(c, now_ms);
    return MIEN_OK;
}

const struct mien_drill_report *mien_coordinator_drill_report(const struct mien_coordinator *c)
{
    return &c->drill.report;
}

static void begin(struct mien_coordinator *c, uint64_t now_ms)
{
    struct mien_drill *drill = &c->drill;

    drill->wanted = false;
    drill->running = true;
    drill->since_ms = now_ms;
    drill->step = MIEN_DRILL_COLLECT;
    c->phase = MIEN_PHASE_COLLECT;
    c->started_ms = now_ms;
    c->enough_ms = 0;
    c->deadline_ms = now_ms + c->config.limits.step_ms;
    c->counts = (struct mien_ledger_counts){0};
    /* From the last on: who stands for its unit does not change by those behind it. */
    for (uint32_t i = c->n_peers; i > 0; i--) {
        if (!mien_round_stands_for_unit(c, i - 1))
            continue;
        mien_round_assign(c, now_ms, i - 1);
        c->counts.assigned++;
    }
    mien_round_log(c, MIEN_INFO, "drill.open number=%" PRIu64 " n_assigned=%u drop=%g",
                   drill->report.number, c->counts.assigned, drill->drop);
}

uint64_t mien_round_drill_due(const struct mien_coordinator *c)
{
    const struct mien_coordinator_limits *limits = &c->config.limits;
    bool any = false;

    if (!c->drill.wanted)
        return UINT64_MAX;
    for (uint32_t i = 0; i < c->n_peers; i++)
        any = any || c->peers[i].used;
    return c->drill.wanted_ms + limits->gather_ms + (any ? limits->come_back_ms : 0);
}

static bool all_wait(const struct mien_coordinator *c)
{
    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (c->peers[i].used && !c->peers[i].waiting)
            return false;
    }
    return true;
}

bool mien_round_try_drill(struct mien_coordinator *c, uint64_t now_ms)
{
    struct mien_drill *drill = &c->drill;

    if (!drill->wanted)
        return false;
    const uint32_t n_units = mien_round_count_units(c);
    const bool enough = n_units >= c->config.plan.group_min;
    if (!(enough && all_wait(c)) && now_ms < mien_round_drill_due(c))
        return true; /* devices that were sent away come back first */
    if (enough) {
        begin(c, now_ms);
        return true;
    }
    drill->wanted = false;
    drill->report.done = true;
    (void)snprintf(drill->report.failed, sizeof(drill->report.failed),
                   "%u devices are waiting, secure_sum.group_min is %u", n_units,
                   c->config.plan.group_min);
    return false;
}

void mien_round_drill_step(struct mien_coordinator *c, uint64_t now_ms, enum mien_drill_step step)
{
    struct mien_drill *drill = &c->drill;

    if (!drill->running)
        return;
    drill->report.step_ms[drill->step] += now_ms - drill->since_ms;
    drill->since_ms = now_ms;
    drill->step = step;
}

/* What the graphs can bear, before anybody is left out. */
static void measure(struct mien_coordinator *c)
{
    struct mien_drill_report *report = &c->drill.report;

    report->survivable = 1.0;
    for (uint32_t g = 0; g < c->n_groups; g++) {
        uint32_t slack = 0;
        uint32_t n = 0;

        if (c->groups[g].sum == NULL ||
            mien_secagg_sum_slack(c->groups[g].sum, &c->config.rng, &slack, &n) != MIEN_OK ||
            n == 0)
            continue;
        report->survivable = fmin(report->survivable, (double)slack / n);
    }
}

void mien_round_drill_drop(struct mien_coordinator *c)
{
    struct mien_drill *drill = &c->drill;
    uint32_t n_members = 0;

    if (!drill->running)
        return;
    measure(c);
    for (uint32_t i = 0; i < c->n_peers; i++)
        n_members += c->peers[i].used && c->peers[i].part == MIEN_PART_MEMBER;
    drill->report.n_sessions = c->n_groups;
    drill->report.n_members = n_members;
    const uint32_t wanted = (uint32_t)lround(drill->drop * (double)n_members);
    for (uint32_t i = 0; i < c->n_peers && drill->report.n_left_out < wanted; i++) {
        uint64_t die = 0;

        if (!c->peers[i].used || c->peers[i].part != MIEN_PART_MEMBER)
            continue;
        /* So many of those that are left to look at, each with the same probability. */
        if (mien_rng_below(&c->config.rng, n_members--, &die) != MIEN_OK ||
            die >= wanted - drill->report.n_left_out)
            continue;
        mien_round_drop_part(c, i);
        mien_round_come_back(c, i, MIEN_MESSAGE_DROPPED);
        drill->report.n_left_out++;
    }
}

void mien_round_run_drill(struct mien_coordinator *c, struct mien_job *job)
{
    struct mien_drill_report *report = &c->drill.report;
    const struct mien_crew *crew = c->config.crew.run == NULL ? NULL : &c->config.crew;
    bool zeros = true;

    for (uint32_t g = 0; g < c->n_groups; g++) {
        struct mien_group *group = &c->groups[g];

        if (group->sum == NULL)
            continue;
        const enum mien_status status =
            mien_secagg_sum_unmask(group->sum, crew, c->total, &group->blame);
        report->n_summed += status == MIEN_OK;
        report->n_survived += status == MIEN_OK ? group->n_survivors : 0;
        if (status != MIEN_OK)
            (void)snprintf(report->failed, sizeof(report->failed), "session %u: %s", g,
                           mien_status_text(status));
    }
    for (uint32_t j = 0; j < c->params.dim; j++)
        zeros = zeros && c->total[j] == 0;
    report->right = report->n_summed > 0 && zeros;
    job->any_session = true; /* whatever came out: a drill is over, and not a failure */
}

void mien_round_end_drill(struct mien_coordinator *c, uint64_t now_ms)
{
    struct mien_drill *drill = &c->drill;
    struct mien_drill_report *report = &drill->report;

    mien_round_drill_step(c, now_ms, MIEN_DRILL_UNMASK);
    report->n_assigned = c->counts.assigned;
    report->n_ready = c->counts.reported;
    report->done = true;
    if (c->job.kind == MIEN_JOB_ABANDON)
        (void)snprintf(report->failed, sizeof(report->failed), "%s", c->job.reason);
    drill->running = false;
    mien_round_log(c, report->right ? MIEN_INFO : MIEN_WARN,
                   "drill.closed number=%" PRIu64
                   " right=%d n_members=%u n_left_out=%u n_survived=%u ms=%" PRIu64,
                   report->number, report->right, report->n_members, report->n_left_out,
                   report->n_survived, now_ms - c->started_ms);
}
