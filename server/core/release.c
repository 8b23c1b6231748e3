// SPDX-License-Identifier: Apache-2.0
/* After the survivors are fixed: RESERVE, reveals, release. */
#include "server/core/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Tells one session's survivors who survived; the others are out. */
static void tell_survivors(struct mien_coordinator *c, const struct mien_group *g)
{
    struct mien_message m = {.type = MIEN_FRAME_SURVIVORS};

    memcpy(m.survivors.session_id, mien_secagg_sum_session_id(g->sum), 32);
    m.survivors.n = g->session.n;
    memcpy(m.survivors.bitmap, g->bitmap, sizeof(m.survivors.bitmap));
    memcpy(m.survivors.root, g->root, 32);
    for (uint32_t i = 0; i < g->session.n; i++) {
        const uint32_t peer = g->member[i];

        if (peer == UINT32_MAX)
            continue;
        if (!mien_bitmap_has(g->bitmap, i)) {
            mien_round_drop_part(c, peer);
            mien_round_come_back(c, peer, MIEN_MESSAGE_DROPPED);
            continue;
        }
        c->peers[peer].survivor = true;
        mien_round_send(c, peer, &m);
    }
}

/* Whether enough survive in the sessions that are left; the round is abandoned otherwise. */
static bool enough_survive(struct mien_coordinator *c)
{
    uint32_t n_survivors = 0;

    for (uint32_t g = 0; g < c->n_groups; g++)
        n_survivors += c->groups[g].sum != NULL ? c->groups[g].n_survivors : 0;
    c->counts.survived = n_survivors;
    if (n_survivors >= (c->drill.running ? c->config.plan.group_min : c->config.plan.min_reports))
        return true;
    mien_round_abandon(c, "%u vectors came, %u are needed", n_survivors,
                       c->drill.running ? c->config.plan.group_min : c->config.plan.min_reports);
    return false;
}

void mien_round_ask_confirms(struct mien_coordinator *c, uint64_t now_ms)
{
    if (!enough_survive(c))
        return;
    mien_round_begin_step(c, now_ms, MIEN_PHASE_CONFIRMS);
    for (uint32_t g = 0; g < c->n_groups; g++) {
        if (c->groups[g].sum != NULL)
            tell_survivors(c, &c->groups[g]);
    }
}

void mien_round_confirm(struct mien_coordinator *c, uint32_t peer,
                        const struct mien_message_confirm *m)
{
    if (c->phase != MIEN_PHASE_CONFIRMS)
        return; /* enough have signed without it */
    struct mien_group *g = mien_round_group_of(c, peer, m->session_id);
    if (g == NULL)
        return;
    enum mien_status status = mien_secagg_sum_confirm(g->sum, c->peers[peer].index, m->signature);
    if (status != MIEN_OK)
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "CONFIRM: %s",
                          mien_status_text(status));
    c->peers[peer].did = status == MIEN_OK;
}

/* Nothing is paid for and nothing revealed yet: a session whose survivors did not agree in time
 * costs nothing but itself. */
void mien_round_step_confirms(struct mien_coordinator *c, uint64_t now_ms)
{
    if (!mien_round_all_did(c) && now_ms < c->deadline_ms)
        return;
    for (uint32_t g = 0; g < c->n_groups; g++) {
        if (c->groups[g].sum != NULL && mien_secagg_sum_close_confirms(c->groups[g].sum) != MIEN_OK)
            mien_round_drop_group(c, g, "too few signed the survivors");
    }
    if (!enough_survive(c))
        return;
    c->phase = MIEN_PHASE_RESERVING;
    mien_round_start_job(c, MIEN_JOB_RESERVE);
}

/* Asks for shares. Who did not sign is not waited for. */
static void ask_for_reveals(struct mien_coordinator *c, const struct mien_group *g)
{
    for (uint32_t i = 0; i < g->session.n; i++) {
        const uint32_t peer = g->member[i];

        if (peer == UINT32_MAX)
            continue;
        c->peers[peer].did = mien_secagg_sum_confirmation(g->sum, i) == NULL;
        if (!c->peers[peer].did)
            mien_round_send_confirmed(c, g, i);
    }
}

void mien_round_reserved(struct mien_coordinator *c, uint64_t now_ms)
{
    c->budget = c->job.budget;
    if (c->job.status == MIEN_EPOLICY) {
        c->exhausted = true;
        mien_round_log(c, MIEN_ERROR, "budget.refused round=%" PRIu64 " why=\"%s\"", c->round.round,
                       mien_err_text(&c->job.err, c->job.status));
        mien_round_abandon(c, "%.140s", mien_err_text(&c->job.err, c->job.status));
        return;
    }
    mien_round_begin_step(c, now_ms, MIEN_PHASE_REVEALS);
    for (uint32_t g = 0; g < c->n_groups; g++) {
        if (c->groups[g].sum != NULL)
            ask_for_reveals(c, &c->groups[g]);
    }
}

void mien_round_reveal(struct mien_coordinator *c, uint32_t peer,
                       const struct mien_message_reveal *m)
{
    if (c->phase != MIEN_PHASE_REVEALS)
        return; /* enough have come without it */
    struct mien_group *g = mien_round_group_of(c, peer, m->session_id);
    struct mien_peer *p = &c->peers[peer];
    if (g == NULL)
        return;
    if (m->part != p->next_part || p->did) {
        mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "REVEAL: part %u, expected %u",
                          m->part, p->next_part);
        return;
    }
    p->next_part++;
    for (size_t i = 0; i < m->n_entries; i++) {
        const struct mien_message_reveal_entry *e = &m->entries[i];
        enum mien_status status =
            mien_secagg_sum_reveal(g->sum, p->index, e->index, e->kind == MIEN_MESSAGE_SELF_MASK,
                                   (struct mien_span){e->share, e->len});

        if (status != MIEN_OK) {
            mien_round_refuse(c, peer, MIEN_MESSAGE_ERROR_PROTOCOL, "REVEAL for member %u: %s",
                              e->index, mien_status_text(status));
            return;
        }
    }
    p->did = m->part + 1 == m->n_parts;
}

void mien_round_step_reveals(struct mien_coordinator *c, uint64_t now_ms)
{
    bool any = false;

    if (!mien_round_all_did(c) && now_ms < c->deadline_ms)
        return;
    for (uint32_t g = 0; g < c->n_groups; g++) {
        struct mien_group *group = &c->groups[g];

        if (group->sum == NULL)
            continue;
        if (mien_secagg_sum_ready(group->sum))
            any = true;
        else
            mien_round_drop_group(c, g, "too few revealed shares: left out for good");
    }
    if (!any) {
        mien_round_abandon(c, "no session could be unmasked; the charge stays");
        return;
    }
    mien_round_drill_step(c, now_ms, MIEN_DRILL_UNMASK);
    c->phase = MIEN_PHASE_RELEASING;
    mien_round_start_job(c, MIEN_JOB_RELEASE);
}

static void log_member(struct mien_coordinator *c, uint32_t group, uint32_t index, const char *what)
{
    const struct mien_group *g = &c->groups[group];
    const uint8_t *credential = mien_secagg_sum_credential(g->sum, index);
    struct mien_credential who;
    char id[2 * MIEN_DEVICE_ID_BYTES + 1] = "";

    if (credential == NULL)
        return;
    mien_credential_read(credential, &who);
    for (size_t i = 0; i < MIEN_DEVICE_ID_BYTES; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", who.device_id[i]);
    mien_round_log(c, MIEN_WARN,
                   "session.%s round=%" PRIu64 " session=%u member=%u device=%s n_wrong=%u", what,
                   c->round.round, group, index, id, g->blame.n_wrong);
}

void mien_round_log_blame(struct mien_coordinator *c)
{
    for (uint32_t g = 0; g < c->n_groups; g++) {
        const struct mien_group *group = &c->groups[g];

        if (group->sum == NULL)
            continue;
        for (uint32_t i = 0; i < group->session.n && group->blame.n_wrong > 0; i++) {
            if (mien_bitmap_has(group->blame.wrong, i))
                log_member(c, g, i, "wrong_share");
        }
        if (group->blame.failed != UINT32_MAX)
            log_member(c, g, group->blame.failed, "lost_secret");
    }
}

void mien_round_released(struct mien_coordinator *c, uint64_t now_ms)
{
    if (!c->job.any_session) {
        mien_round_abandon(c, "no session could be unmasked (%s); the charge stays",
                           mien_status_text(c->job.status));
        return;
    }
    struct mien_release_state served = c->model;
    c->model = c->next;
    c->next = served;
    mien_secagg_params_set_clip(&c->params, c->model.clip);
    c->version = c->job.version;
    memcpy(c->metrics, c->job.metrics, sizeof(c->metrics));
    c->n_released++;
    mien_round_log(c, MIEN_INFO,
                   "round.released round=%" PRIu64 " version=%" PRIu64
                   " n_survived=%u epsilon=%.4g epsilon_witness=%.4g ms=%" PRIu64,
                   c->round.round, c->version, c->counts.survived, c->budget.after.epsilon,
                   c->budget.after.epsilon_witness, now_ms - c->started_ms);
}
