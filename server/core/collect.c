// SPDX-License-Identifier: Apache-2.0
/* From held check-ins to a round: opening, assignments, transfers, READY. */
#include "common/base/digest.h"
#include "common/base/mem.h"
#include "common/base/secret.h"
#include "common/plan/sampling.h"
#include "server/core/internal.h"

#include <inttypes.h>
#include <string.h>

/* Payload of one CHUNK: the frame with its header stays under 64 KiB. */
#define CHUNK_BYTES 60000

void mien_round_assign(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer)
{
    struct mien_message m = {.type = MIEN_FRAME_ASSIGN};
    struct mien_message_assign *a = &m.assign;
    uint8_t statement[MIEN_MESSAGE_ASSIGN_STATEMENT_BYTES];

    a->round = c->round.round;
    a->attempt = c->round.attempt;
    memcpy(a->plan_hash, c->plan_hash, 32);
    a->plan_bytes = (uint32_t)c->plan_bytes.len;
    memcpy(a->model_hash, c->model.hash, 32);
    a->model_bytes = 4 * c->layout.n_values;
    a->model_version = c->version;
    a->report_by_ms = (uint32_t)(c->deadline_ms - now_ms);
    a->purpose = c->drill.running ? MIEN_MESSAGE_PURPOSE_DRILL : MIEN_MESSAGE_PURPOSE_TRAIN;
    a->mark = (struct mien_message_mark){.epoch = c->mark.epoch, .seq = c->mark.seq};
    memcpy(a->mark.head, c->mark.head, 32);
    a->clip = c->model.clip;
    mien_message_assign_statement(c->config.run_id, a, statement);
    if (mien_ed25519_sign(c->config.signing_seed, (struct mien_span){statement, sizeof(statement)},
                          a->signature) != MIEN_OK)
        return;
    c->peers[peer].waiting = false;
    c->peers[peer].part = MIEN_PART_ASSIGNED;
    mien_round_send(c, peer, &m);
}

/* Late, but with half of the time left. Sampled, the draw is over: only a device that was admitted
 * and lost its connection comes back. */
static bool may_join_late(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer)
{
    const uint64_t half_ms = (uint64_t)c->config.plan.deadline_s * 500;
    const enum mien_admission admission = mien_round_admission(c, peer);

    if (c->phase != MIEN_PHASE_COLLECT || now_ms + half_ms > c->deadline_ms || c->draining ||
        c->drill.running)
        return false;
    if (admission != MIEN_ADMITTED_NONE || mien_round_is_sampled(c))
        return admission == MIEN_ADMITTED;
    if (mien_plan_limits_parts(&c->config.plan) &&
        (c->n_admitted >= c->config.plan.cohort || !mien_round_may_take_part(c, peer)))
        return false;
    if (mien_round_admit(c, peer) != MIEN_OK)
        return false;
    c->counts.drawn++;
    c->counts.assigned++;
    return true;
}

void mien_round_check_in(struct mien_coordinator *c, uint64_t now_ms, uint32_t peer)
{
    struct mien_peer *p = &c->peers[peer];

    /* A device that checks in is in no round any more, whatever we thought. */
    if (p->part != MIEN_PART_NONE)
        mien_round_drop_part(c, peer);
    p->waiting = true;
    p->waiting_since_ms = now_ms;
    if (may_join_late(c, now_ms, peer))
        mien_round_assign(c, now_ms, peer);
}

void mien_round_try_open(struct mien_coordinator *c, uint64_t now_ms)
{
    /* Counted before any coin, so that opening says nothing about one. */
    const uint32_t n_units = mien_round_count_units(c);
    const double expected = mien_plan_rate(&c->config.plan) * (double)n_units;

    if (n_units < c->min_units) {
        c->enough_ms = 0;
        return;
    }
    if (now_ms < c->next_open_ms)
        return;
    c->next_open_ms = 0;
    if (c->enough_ms == 0)
        c->enough_ms = now_ms == 0 ? 1 : now_ms;
    if (expected < (double)c->config.plan.cohort &&
        now_ms < c->enough_ms + c->config.limits.gather_ms)
        return;
    uint8_t committed[13 + 32] = "mien coins v1";
    if (mien_rng_fill(&c->config.rng, c->coin_key, sizeof(c->coin_key)) != MIEN_OK)
        return;
    memcpy(committed + 13, c->coin_key, 32);
    enum mien_status status =
        mien_digest((struct mien_span){committed, sizeof(committed)}, c->job.coins);
    mien_wipe(committed, sizeof(committed));
    if (status != MIEN_OK)
        return;
    c->phase = MIEN_PHASE_OPENING;
    c->started_ms = now_ms;
    c->enough_ms = 0;
    c->counts = (struct mien_ledger_counts){0};
    mien_round_start_job(c, MIEN_JOB_OPEN);
}

void mien_round_opened(struct mien_coordinator *c, uint64_t now_ms)
{
    uint32_t *list = NULL;
    uint32_t n = 0;

    if (c->job.status != MIEN_OK) {
        /* The run is over; nothing was opened. */
        c->exhausted = true;
        c->phase = MIEN_PHASE_WAITING;
        mien_wipe(c->coin_key, sizeof(c->coin_key));
        mien_round_log(c, MIEN_ERROR, "run.over round=%" PRIu64 " why=\"%s\"", c->round.round,
                       mien_err_text(&c->job.err, c->job.status));
        return;
    }
    c->phase = MIEN_PHASE_COLLECT;
    c->deadline_ms = now_ms + (uint64_t)c->config.plan.deadline_s * 1000;
    enum mien_status status = mien_round_draw(c, &list, &n);
    if (status != MIEN_OK) {
        mien_round_abandon(c, "units could not be drawn: %s", mien_status_text(status));
        return;
    }
    c->counts.assigned = n;
    for (uint32_t i = 0; i < n; i++)
        mien_round_assign(c, now_ms, list[i]);
    mien_free(list);
    mien_round_log(c, MIEN_INFO, "round.open round=%" PRIu64 " attempt=%u n_drawn=%u",
                   c->round.round, c->round.attempt, c->counts.drawn);
}

void mien_round_get(struct mien_coordinator *c, uint32_t peer, const struct mien_message_get *m)
{
    struct mien_peer *p = &c->peers[peer];
    const bool plan = m->what == MIEN_MESSAGE_PLAN;
    const uint64_t total = plan ? c->plan_bytes.len : 4 * c->layout.n_values;

    if (p->part == MIEN_PART_NONE)
        return; /* its round has ended meanwhile */
    if (p->part != MIEN_PART_ASSIGNED || p->what != 0 || m->offset >= total ||
        memcmp(m->hash, plan ? c->plan_hash : c->model.hash, 32) != 0) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL,
                          "GET: not assigned, another hash or offset");
        return;
    }
    p->what = m->what;
    p->offset = m->offset;
}

bool mien_coordinator_has_chunk(const struct mien_coordinator *c, uint32_t peer)
{
    return peer < c->n_peers && c->peers[peer].used && c->peers[peer].what != 0;
}

void mien_coordinator_send_chunk(struct mien_coordinator *c, uint32_t peer)
{
    if (!mien_coordinator_has_chunk(c, peer))
        return;
    struct mien_peer *p = &c->peers[peer];
    const bool plan = p->what == MIEN_MESSAGE_PLAN;
    const uint8_t *bytes = plan ? c->plan_bytes.data : c->model.bytes;
    struct mien_message m = {.type = MIEN_FRAME_CHUNK};

    m.chunk.what = p->what;
    m.chunk.offset = p->offset;
    m.chunk.total = plan ? c->plan_bytes.len : 4 * c->layout.n_values;
    m.chunk.data.data = bytes + p->offset;
    m.chunk.data.len = m.chunk.total - p->offset;
    if (m.chunk.data.len > CHUNK_BYTES)
        m.chunk.data.len = CHUNK_BYTES;
    p->offset += m.chunk.data.len;
    if (p->offset == m.chunk.total)
        p->what = 0;
    mien_round_send(c, peer, &m);
}

void mien_round_ready(struct mien_coordinator *c, uint32_t peer, const struct mien_message_ready *m)
{
    struct mien_peer *p = &c->peers[peer];

    if (p->part == MIEN_PART_NONE)
        return; /* too late: it will be told, or was */
    if (p->part != MIEN_PART_ASSIGNED || m->round != c->round.round ||
        c->phase != MIEN_PHASE_COLLECT) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "READY for round %" PRIu64,
                          m->round);
        return;
    }
    p->part = MIEN_PART_READY;
    c->counts.reported++;
}

void mien_round_collect(struct mien_coordinator *c, uint64_t now_ms)
{
    uint32_t n_training = 0;
    uint32_t n_ready = 0;

    for (uint32_t i = 0; i < c->n_peers; i++) {
        n_training += c->peers[i].used && c->peers[i].part == MIEN_PART_ASSIGNED;
        n_ready += c->peers[i].used && c->peers[i].part == MIEN_PART_READY;
    }
    /* Sampled, nobody's inclusion may depend on when others are done or gone: only when every
     * device that was assigned is ready does ending early change nothing. */
    const bool sampled = mien_round_is_sampled(c) && !c->drill.running;
    const bool all_in = n_training == 0 && (!sampled || n_ready == c->n_admitted);
    const uint32_t wanted =
        c->drill.running ? c->config.plan.group_min : c->config.plan.min_reports;
    if (now_ms < c->deadline_ms && !(all_in && c->counts.assigned > 0))
        return;
    for (uint32_t i = 0; i < c->n_peers; i++) {
        if (c->peers[i].used && c->peers[i].part == MIEN_PART_ASSIGNED) {
            mien_round_drop_part(c, i);
            mien_round_come_back(c, i, MIEN_MESSAGE_ROUND_CLOSED);
        }
    }
    if (n_ready < wanted || n_ready < c->config.plan.group_min) {
        mien_round_abandon(c, "%u devices are ready, %u are needed", n_ready, wanted);
        return;
    }
    mien_round_form_groups(c, now_ms);
}
